//! API keys: what callers show us.

use crate::id::{KeyId, OrgId};
use crate::time::Timestamp;

/// SHA-256 of a key's whole text. The text itself is never kept; keys carry 256 random bits, so a plain
/// digest cannot be guessed backwards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyHash(pub [u8; 32]);

/// A digest is spread evenly already: eight of its bytes tell keys apart as well as all of them.
impl std::hash::Hash for KeyHash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[key hash]")
    }
}

/// Whether a key may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyState {
    /// It may, until `expires_at` where one is set.
    Active {
        /// The first instant at which it no longer works.
        expires_at: Option<Timestamp>,
    },
    /// It was deleted and never works again.
    Deleted {
        /// When.
        at: Timestamp,
    },
}

/// An API key without its secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// Whose it is.
    pub org: OrgId,
    /// Its name, for people.
    pub name: String,
    /// The first characters of the secret, to recognise it by.
    pub display: String,
    /// Digest of the secret.
    pub hash: KeyHash,
    /// May it be used.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
}

impl ApiKey {
    /// Whether the key works at this instant.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        match self.state {
            KeyState::Active { expires_at } => expires_at.is_none_or(|end| now < end),
            KeyState::Deleted { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(state: KeyState) -> ApiKey {
        let at = Timestamp::from_unix_ms(0);
        ApiKey {
            id: KeyId::from_parts(at, [0; 10]),
            org: OrgId::from_parts(at, [0; 10]),
            name: "test".to_owned(),
            display: "sbx_abc".to_owned(),
            hash: KeyHash([0; 32]),
            state,
            created_at: at,
        }
    }

    #[test]
    fn a_key_works_until_the_instant_it_expires() {
        let key = key(KeyState::Active { expires_at: Some(Timestamp::from_unix_ms(100)) });
        assert!(key.is_usable(Timestamp::from_unix_ms(99)));
        assert!(!key.is_usable(Timestamp::from_unix_ms(100)));
    }

    #[test]
    fn a_deleted_key_never_works() {
        assert!(
            !key(KeyState::Deleted { at: Timestamp::from_unix_ms(5) }).is_usable(Timestamp::from_unix_ms(1))
        );
    }
}
