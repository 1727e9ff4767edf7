//! The configuration the data plane runs on: immutable, indexed, swapped whole.

use crate::key::{ApiKey, KeyHash};
use std::collections::HashMap;

/// Everything tenants have configured, as of one generation. A request sees exactly one snapshot.
#[derive(Clone, Default, Debug)]
pub struct Snapshot {
    /// Counts changes; rises with every swap.
    pub generation: i64,
    keys: HashMap<KeyHash, ApiKey>,
}

impl Snapshot {
    /// Indexes the keys of all organizations.
    pub fn new(generation: i64, keys: impl IntoIterator<Item = ApiKey>) -> Self {
        Self { generation, keys: keys.into_iter().map(|key| (key.hash, key)).collect() }
    }

    /// The key with this digest, whatever its state.
    pub fn key(&self, hash: &KeyHash) -> Option<&ApiKey> {
        self.keys.get(hash)
    }
}
