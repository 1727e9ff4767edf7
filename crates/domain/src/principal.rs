//! Who calls the data plane.

use crate::id::{KeyId, OrgId};
use crate::limit::{Limit, RateLimit, Scope};
use std::sync::Arc;

/// An authenticated caller. There is no default one: it exists only because a key was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Principal {
    /// The organization that pays.
    pub org: OrgId,
    /// The key that was shown.
    pub key: KeyId,
    /// What its calls count against.
    pub account: Arc<Account>,
}

/// What the calls of one key count against, and the bounds that are set there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// Everything whose spending includes this key's, in a fixed order, each once.
    pub scopes: Arc<[Scope]>,
    /// The spending limits of these scopes.
    pub limits: Vec<Limit>,
    /// The rate limits of these scopes.
    pub rates: Vec<(Scope, RateLimit)>,
}

impl Account {
    /// An account without limits.
    pub fn new(org: OrgId, key: KeyId, others: &[Scope]) -> Self {
        let mut scopes = vec![Scope::Organization(org), Scope::Key(key)];
        scopes.extend_from_slice(others);
        scopes.sort_unstable();
        scopes.dedup();
        Self { scopes: scopes.into(), limits: Vec::new(), rates: Vec::new() }
    }
}
