//! Roles, taken on at the Security Token Service for an hour.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html> and
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>, known from AWS's SDKs
//! and not read again. Forms are sent, XML comes back, of which four texts are wanted: no more of XML is read.

use super::super::exchange::BYTES_MAX;
use super::super::{CredentialError, Exchange, form, parsed};
use super::sign::Signing;
use super::{Keys, Role, Unsigned, Written};
use bytes::Bytes;
use domain::Timestamp;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use std::time::Duration;

const VERSION: &str = "2011-06-15";
/// As long as any role may be taken on.
const SECONDS: &str = "3600";

/// Takes a role on with the keys that sign.
pub(super) async fn assume(
    exchange: &Exchange,
    address: &str,
    role: &Role,
    signing: &Signing<'_>,
) -> Result<(Keys, Duration), CredentialError> {
    let request = request(address, "AssumeRole", role, None, Some(signing))?;
    keys(&exchange.send(request, BYTES_MAX).await?, signing.now)
}

/// Takes a role on with a token.
pub(super) async fn assume_with_token(
    exchange: &Exchange,
    address: &str,
    role: &Role,
    token: &str,
    now: Timestamp,
) -> Result<(Keys, Duration), CredentialError> {
    let request = request(address, "AssumeRoleWithWebIdentity", role, Some(token), None)?;
    keys(&exchange.send(request, BYTES_MAX).await?, now)
}

fn request(
    address: &str,
    action: &str,
    role: &Role,
    token: Option<&str>,
    signing: Option<&Signing<'_>>,
) -> Result<Request<Full<Bytes>>, CredentialError> {
    let uri = parsed(&format!("{}/", address.trim_end_matches('/')))?;
    let mut fields = vec![
        ("Action", action),
        ("Version", VERSION),
        ("RoleArn", role.arn.as_str()),
        ("RoleSessionName", role.session_name.as_str()),
        ("DurationSeconds", SECONDS),
    ];
    fields.extend(role.external_id.as_deref().map(|id| ("ExternalId", id)));
    fields.extend(token.map(|token| ("WebIdentityToken", token)));
    let body = Bytes::from(form(&fields));
    let mut request = Request::new(Full::new(body.clone()));
    *request.method_mut() = Method::POST;
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(CONTENT_TYPE, kind);
    if let Some(signing) = signing {
        let unsigned = Unsigned { method: Method::POST, uri: &uri, body: &[body], region: None };
        signing.sign(&unsigned, request.headers_mut())?;
    }
    *request.uri_mut() = uri;
    Ok(request)
}

fn keys(answer: &[u8], now: Timestamp) -> Result<(Keys, Duration), CredentialError> {
    let fault = || CredentialError("STS answered with something that holds no keys".to_owned());
    let text = std::str::from_utf8(answer).map_err(|_| fault())?;
    let of = |name| element(text, name).map(str::to_owned).ok_or_else(fault);
    let written = Written {
        access_key_id: of("AccessKeyId")?,
        secret_access_key: of("SecretAccessKey")?,
        token: Some(of("SessionToken")?),
        expiration: of("Expiration")?,
    };
    written.into_keys(now)
}

/// The text of the first element of a name. Keys and times have nothing in them that XML escapes.
pub(in crate::credentials) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let from = xml.find(&open)? + open.len();
    let rest = &xml[from..];
    Some(rest[..rest.find(&close)?].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shape of an answer, with made-up keys.
    const ANSWER: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
        <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/demo/x</Arn></AssumedRoleUser><Credentials>\
        <AccessKeyId>ASIAMADEUP</AccessKeyId><SecretAccessKey>made/up+secret</SecretAccessKey>\
        <SessionToken>\n made-up-token==\n</SessionToken><Expiration>2019-07-15T23:28:33.359Z</Expiration>\
        </Credentials></AssumeRoleResult></AssumeRoleResponse>";

    #[test]
    fn keys_are_read_with_the_time_they_have_left() {
        let now = Timestamp::from_unix_ms(1_563_229_713_000); // 2019-07-15T22:28:33Z
        let (keys, good_for) = keys(ANSWER.as_bytes(), now).unwrap();
        assert_eq!((keys.access_key_id.as_str(), good_for.as_secs()), ("ASIAMADEUP", 3_600));
        assert_eq!(keys.secret_access_key.expose(), "made/up+secret");
        assert_eq!(keys.session_token.unwrap().expose(), "made-up-token==");
    }

    #[test]
    fn what_holds_no_keys_is_told_so() {
        for answer in ["", "{}", "<Credentials><AccessKeyId>x", "<AccessKeyId></SecretAccessKey>"] {
            assert!(keys(answer.as_bytes(), Timestamp::default()).is_err(), "{answer}");
        }
    }
}
