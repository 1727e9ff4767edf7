//! What makes two calls the same call: the caller's `Idempotency-Key`, and what was asked under it.
//!
//! Both are kept as digests only: they are compared and never read.

use crate::id::{KeyId, OrgId, RequestId};
use crate::record::Operation;
use crate::time::Timestamp;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How long a key is promised to stand for its first call.
const PROMISED: Duration = Duration::from_secs(24 * 60 * 60);
/// How much longer it is kept: a clock that is set forward by an hour forgets nothing that was promised.
const CLOCK_STEP: Duration = Duration::from_secs(60 * 60);
/// Characters of a key's value.
const LENGTH_MAX: usize = 255;

/// A value of the header `Idempotency-Key`, within the API key and the endpoint it was sent to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdempotencyKey([u8; 32]);

/// A value that cannot be an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`Idempotency-Key` must be 1 to {LENGTH_MAX} visible ASCII characters")]
pub struct IdempotencyKeyError;

impl IdempotencyKey {
    /// The key of a value, which is 1 to 255 visible ASCII characters.
    pub fn new(caller: KeyId, operation: Operation, value: &[u8]) -> Result<Self, IdempotencyKeyError> {
        let is_key = (1..=LENGTH_MAX).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic);
        if !is_key {
            return Err(IdempotencyKeyError);
        }
        Ok(Self(digest(&[&caller.to_bytes(), operation.as_str().as_bytes(), value])))
    }

    /// As it is stored.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// The key of stored bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[idempotency key]")
    }
}

/// Digest of everything that decides an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The digest of these parts, in this order.
    pub fn of(parts: &[&[u8]]) -> Self {
        Self(digest(parts))
    }

    /// As it is stored.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// The digest of stored bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[fingerprint]")
    }
}

/// Lengths are part of it: no two lists of parts read alike.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// That a request is the first one under its key. Written down before a provider is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    /// The key.
    pub key: IdempotencyKey,
    /// What is asked.
    pub fingerprint: Fingerprint,
    /// The request.
    pub request: RequestId,
    /// Whose it is.
    pub org: OrgId,
    /// When it arrived.
    pub at: Timestamp,
}

impl Claim {
    /// Claims made then or earlier are forgotten now. A clock that is set back only makes them last longer.
    pub fn forgotten(now: Timestamp) -> Timestamp {
        let kept = (PROMISED + CLOCK_STEP).as_millis();
        Timestamp::from_unix_ms(now.unix_ms().saturating_sub(i64::try_from(kept).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(n: u8) -> KeyId {
        KeyId::from_parts(Timestamp::from_unix_ms(1), [n; 10])
    }

    fn key(n: u8, operation: Operation, value: &str) -> Result<IdempotencyKey, IdempotencyKeyError> {
        IdempotencyKey::new(caller(n), operation, value.as_bytes())
    }

    #[test]
    fn a_key_is_short_visible_ascii() {
        for value in ["a", "0b4f6c8e-1", &"x".repeat(255)] {
            assert!(key(1, Operation::Messages, value).is_ok(), "{value}");
        }
        for value in ["", "a b", "é", "a\tb", "\u{7f}", &"x".repeat(256)] {
            assert!(key(1, Operation::Messages, value).is_err(), "{value}");
        }
    }

    #[test]
    fn a_key_is_its_callers_own_and_its_endpoints() {
        let of = |n, operation| key(n, operation, "a").unwrap();
        let first = of(1, Operation::Messages);
        assert_eq!(first, of(1, Operation::Messages));
        assert_ne!(first, of(2, Operation::Messages));
        assert_ne!(first, of(1, Operation::Embeddings));
    }

    #[test]
    fn where_parts_end_makes_a_difference() {
        assert_ne!(Fingerprint::of(&[b"ab", b"c"]), Fingerprint::of(&[b"a", b"bc"]));
        assert_ne!(Fingerprint::of(&[b"", b"a"]), Fingerprint::of(&[b"a", b""]));
    }

    #[test]
    fn a_day_is_kept_though_the_clock_jumps_an_hour() {
        let hours = |n: i64| Timestamp::from_unix_ms(n * 3_600_000);
        assert!(Claim::forgotten(hours(124)) < hours(100));
        assert_eq!(Claim::forgotten(hours(125)), hours(100));
    }
}
