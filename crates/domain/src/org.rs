//! Organizations: the tenants.

use crate::id::OrgId;

/// A tenant. Every key, request and setting belongs to exactly one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Organization {
    /// Its id.
    pub id: OrgId,
    /// Its name, for people.
    pub name: String,
}
