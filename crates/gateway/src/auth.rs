//! Who calls: the key in the request's head, looked up in memory. Nothing else happens before this.

use crate::refusal::Refusal;
use domain::{Access, KeyHash, Principal, Snapshot, Timestamp};
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName};

/// Where Google's SDKs put a key.
pub const GOOGLE_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// The key a caller shows: `Authorization: Bearer …`, `x-api-key`, or `x-goog-api-key`.
pub fn shown_key(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes).and_then(|value| {
        let (scheme, key) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
    });
    bearer
        .or_else(|| headers.get("x-api-key").map(|value| value.as_bytes().trim_ascii()))
        .or_else(|| headers.get(GOOGLE_KEY).map(|value| value.as_bytes().trim_ascii()))
        .filter(|key| !key.is_empty())
}

/// Finds the caller behind a request.
pub fn authenticate(snapshot: &Snapshot, headers: &HeaderMap, now: Timestamp) -> Result<Principal, Refusal> {
    match shown_key(headers) {
        None if is_signed(headers) => Err(Refusal::Signed),
        shown => authenticate_key(snapshot, shown, now),
    }
}

/// Whether a request is signed with keys of AWS
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html>, not read again for this).
fn is_signed(headers: &HeaderMap) -> bool {
    headers.get(AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"AWS4-"))
}

/// The same for a key that was shown, wherever it stood.
pub fn authenticate_key(
    snapshot: &Snapshot,
    shown: Option<&[u8]>,
    now: Timestamp,
) -> Result<Principal, Refusal> {
    let shown = shown.ok_or(Refusal::MissingKey)?;
    authenticate_hash(snapshot, &KeyHash::of(shown), now)
}

/// The same for a key that was seen before.
pub fn authenticate_hash(snapshot: &Snapshot, key: &KeyHash, now: Timestamp) -> Result<Principal, Refusal> {
    let caller = snapshot.caller(key).filter(|(key, _)| key.is_usable(now));
    let (key, principal) = caller.ok_or(Refusal::InvalidKey)?;
    if key.permissions.completions < Access::Write {
        return Err(Refusal::NotPermitted("this key may not call models"));
    }
    Ok(principal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{ApiKey, KeyId, KeyState, OrgId};

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    fn snapshot() -> Snapshot {
        let at = Timestamp::from_unix_ms(0);
        let key = ApiKey {
            id: KeyId::from_parts(at, [1; 10]),
            org: OrgId::from_parts(at, [2; 10]),
            name: String::new(),
            display: String::new(),
            hash: KeyHash::of(b"made-up"),
            state: KeyState::Active { expires_at: Some(Timestamp::from_unix_ms(10)) },
            permissions: domain::Permissions::default(),
            scopes: Vec::new(),
            labels: Vec::new(),
            created_at: at,
        };
        Snapshot::new(1, domain::Configuration { keys: vec![key], ..Default::default() })
    }

    #[test]
    fn a_key_is_found_in_every_header() {
        let now = Timestamp::from_unix_ms(1);
        for headers in [
            headers("authorization", "bearer made-up"),
            headers("x-api-key", "made-up"),
            headers("x-goog-api-key", "made-up"),
        ] {
            assert!(authenticate(&snapshot(), &headers, now).is_ok());
        }
    }

    #[test]
    fn without_a_working_key_nobody_enters() {
        let now = Timestamp::from_unix_ms(1);
        let check = |headers: &HeaderMap, now| authenticate(&snapshot(), headers, now);
        assert_eq!(check(&HeaderMap::new(), now), Err(Refusal::MissingKey));
        assert_eq!(check(&headers("authorization", "Basic made-up"), now), Err(Refusal::MissingKey));
        assert_eq!(check(&headers("authorization", "Bearer "), now), Err(Refusal::MissingKey));
        assert_eq!(check(&headers("x-api-key", "other"), now), Err(Refusal::InvalidKey));
        let signed =
            headers("authorization", "AWS4-HMAC-SHA256 Credential=AKIAMADEUP/20261126/eu-west-1/bedrock");
        assert_eq!(check(&signed, now), Err(Refusal::Signed));
        let later = Timestamp::from_unix_ms(10);
        assert_eq!(check(&headers("x-api-key", "made-up"), later), Err(Refusal::InvalidKey));
    }
}
