//! Who calls the data plane.

use crate::id::{KeyId, OrgId};

/// An authenticated caller. There is no default one: it exists only because a key was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Principal {
    /// The organization that pays.
    pub org: OrgId,
    /// The key that was shown.
    pub key: KeyId,
}
