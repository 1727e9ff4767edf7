//! API keys: what callers show us.

use crate::id::{KeyId, OrgId};
use crate::limit::Scope;
use crate::time::Timestamp;
use sha2::{Digest, Sha256};
use std::str::FromStr;

/// SHA-256 of a key's whole text. The text itself is never kept; keys carry 256 random bits, so a plain
/// digest cannot be guessed backwards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// The digest under which a key is stored.
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }
}

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

/// How far a key reaches into one part of the product.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Access {
    /// Not at all.
    #[default]
    None,
    /// It may look.
    Read,
    /// It may look and change; for inference, call.
    Write,
}

impl Access {
    /// The word used in storage and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Access::None => "none",
            Access::Read => "read",
            Access::Write => "write",
        }
    }
}

/// A text that names no access.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an access: expected none, read or write")]
pub struct AccessError;

impl FromStr for Access {
    type Err = AccessError;
    fn from_str(text: &str) -> Result<Self, AccessError> {
        let all = [Access::None, Access::Read, Access::Write];
        all.into_iter().find(|access| access.as_str() == text).ok_or(AccessError)
    }
}

/// What a key may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Permissions {
    /// The management API.
    pub manage: Access,
    /// Inference.
    pub completions: Access,
}

impl Default for Permissions {
    fn default() -> Self {
        Self { manage: Access::None, completions: Access::Write }
    }
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
    /// What it may do.
    pub permissions: Permissions,
    /// What its spending counts against, beside the key itself and its organization.
    pub scopes: Vec<Scope>,
    /// Free labels, for people and reports.
    pub labels: Vec<(String, String)>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What is wanted of a key that is about to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewKey {
    /// Whose it is.
    pub org: OrgId,
    /// Its name, for people.
    pub name: String,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// What it may do.
    pub permissions: Permissions,
    /// What its spending counts against, beside the key itself and its organization.
    pub scopes: Vec<Scope>,
    /// Free labels.
    pub labels: Vec<(String, String)>,
}

impl NewKey {
    /// A key for inference, without an end.
    pub fn named(org: OrgId, name: &str) -> Self {
        Self {
            org,
            name: name.to_owned(),
            expires_at: None,
            permissions: Permissions::default(),
            scopes: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// The text of a key with these random bytes.
    pub fn text(secret: [u8; 32]) -> String {
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{KEY_PREFIX}{hex}")
    }

    /// The key that `text` is to open, as it is stored.
    pub fn into_key(self, text: &str, random: [u8; 10], now: Timestamp) -> ApiKey {
        // Of an operator's own key less is kept, of a short one nothing: who knows how it was made.
        let display = if text.starts_with(KEY_PREFIX) && text.len() >= 32 {
            text.chars().take(DISPLAY_CHARS).collect()
        } else if text.len() >= 32 {
            text.chars().take(DISPLAY_CHARS_OWN).chain(['…']).collect()
        } else {
            "…".to_owned()
        };
        ApiKey {
            id: KeyId::from_parts(now, random),
            org: self.org,
            name: self.name,
            display,
            hash: KeyHash::of(text.as_bytes()),
            state: KeyState::Active { expires_at: self.expires_at },
            permissions: self.permissions,
            scopes: self.scopes,
            labels: self.labels,
            created_at: now,
        }
    }
}

/// What every key starts with, so that scanners of leaked secrets can know one.
const KEY_PREFIX: &str = "sbx_";
/// How much of a key is kept to recognise it by.
const DISPLAY_CHARS: usize = 10;
/// The same for a key that an operator has brought.
const DISPLAY_CHARS_OWN: usize = 4;

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
            permissions: Permissions::default(),
            scopes: Vec::new(),
            labels: Vec::new(),
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
    fn little_of_a_key_is_kept_to_recognise_it_by() {
        let at = Timestamp::from_unix_ms(0);
        let display = |text: &str| {
            NewKey::named(OrgId::from_parts(at, [0; 10]), "x").into_key(text, [0; 10], at).display
        };
        assert_eq!(display(&NewKey::text([1; 32])), "sbx_010101");
        assert_eq!(display("made-up-and-brought-by-an-operator"), "made…");
        assert_eq!(display("short"), "…");
    }

    #[test]
    fn a_deleted_key_never_works() {
        assert!(
            !key(KeyState::Deleted { at: Timestamp::from_unix_ms(5) }).is_usable(Timestamp::from_unix_ms(1))
        );
    }
}
