//! Typed, prefixed identifiers: `org_…`, `key_…`, `req_…`.
//!
//! The body is a UUID version 7 (RFC 9562), so ids sort by the time they were made. Random bits are an
//! argument: this crate has no source of randomness.

use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id: expected `{prefix}_` and 32 hexadecimal digits")]
pub struct IdError {
    prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes an id for this instant from ten random bytes.
            pub fn from_parts(at: Timestamp, random: [u8; 10]) -> Self {
                let millis = u64::try_from(at.unix_ms()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
            }

            /// The id without its prefix, as it is kept where every byte counts.
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.into_bytes()
            }

            /// The id of these bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buffer = [0u8; 32];
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(self.0.simple().encode_lower(&mut buffer))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|body| body.len() == 32)
                    .and_then(|body| Uuid::try_parse(body).ok())
                    .map(Self)
                    .ok_or(IdError { prefix: $prefix })
            }
        }
    };
}

id!(
    /// A group of users.
    GroupId, "grp"
);
id!(
    /// An API key (the record, not the secret).
    KeyId, "key"
);
id!(
    /// An organization: the tenant everything belongs to.
    OrgId, "org"
);
id!(
    /// A project: keys that share a budget.
    ProjectId, "proj"
);
id!(
    /// One call to the data plane; its attempts are numbered within it.
    RequestId, "req"
);
id!(
    /// An account of a program, with keys of its own.
    ServiceAccountId, "sa"
);
id!(
    /// A person.
    UserId, "user"
);

/// One try of a request at a provider: `req_…-1` is the first. Providers are told it, so that their books
/// and ours can be laid side by side.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct AttemptId {
    /// The request.
    pub request: RequestId,
    /// Its number, from 1.
    pub number: u16,
}

impl AttemptId {
    /// As it is stored: 18 bytes that sort as the ids do.
    pub fn to_bytes(self) -> [u8; 18] {
        let mut bytes = [0; 18];
        bytes[..16].copy_from_slice(&self.request.to_bytes());
        bytes[16..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    /// The id of stored bytes.
    pub fn from_bytes(bytes: [u8; 18]) -> Self {
        let [request @ .., high, low] = bytes;
        Self { request: RequestId::from_bytes(request), number: u16::from_be_bytes([high, low]) }
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.request, self.number)
    }
}

impl FromStr for AttemptId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let (request, number) = text.rsplit_once('-').ok_or(IdError { prefix: "req" })?;
        let number = number.parse().map_err(|_| IdError { prefix: "req" })?;
        Ok(Self { request: request.parse()?, number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        let id = RequestId::from_parts(Timestamp::from_unix_ms(1_800_000_000_000), [7; 10]);
        assert_eq!(id.to_string().parse::<RequestId>(), Ok(id));
        assert!(id.to_string().starts_with("req_"));
    }

    #[test]
    fn an_attempt_reads_back_as_it_was_written() {
        let request = RequestId::from_parts(Timestamp::from_unix_ms(1), [3; 10]);
        let attempt = AttemptId { request, number: 258 };
        assert_eq!(attempt.to_string().parse(), Ok(attempt));
        assert_eq!(AttemptId::from_bytes(attempt.to_bytes()), attempt);
        assert!("req_12-1".parse::<AttemptId>().is_err());
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let id = KeyId::from_parts(Timestamp::from_unix_ms(1), [0; 10]);
        assert!(id.to_string().parse::<OrgId>().is_err());
        assert!("req_12".parse::<RequestId>().is_err());
    }

    #[test]
    fn ids_sort_by_time() {
        let early = RequestId::from_parts(Timestamp::from_unix_ms(1_000), [255; 10]);
        let late = RequestId::from_parts(Timestamp::from_unix_ms(1_001), [0; 10]);
        assert!(early < late && early.to_string() < late.to_string());
    }
}
