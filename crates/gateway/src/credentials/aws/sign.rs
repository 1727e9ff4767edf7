//! Signature Version 4: what is signed, and how.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>, read 2026-11-26. The
//! body's digest is part of what is signed, so it is read once before it is sent; its pieces are not joined for that.

use super::{CredentialError, Keys, Unsigned};
use aws_lc_rs::{digest, hmac};
use bytes::Bytes;
use domain::Timestamp;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Uri};
use std::fmt::Write;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Who signs, for what, and when.
pub(super) struct Signing<'a> {
    pub keys: &'a Keys,
    pub region: &'a str,
    pub service: &'a str,
    pub now: Timestamp,
}

impl Signing<'_> {
    /// Adds the signature, and the headers that belong to it. Besides them the host and the type of the body are signed.
    pub fn sign(&self, request: &Unsigned<'_>, headers: &mut HeaderMap) -> Result<(), CredentialError> {
        let fault = || CredentialError("the access key cannot be sent in a header".to_owned());
        let time = time(self.now)?;
        let day = time.get(..8).unwrap_or_default();
        headers.insert(DATE, HeaderValue::from_str(&time).map_err(|_| fault())?);
        if let Some(token) = &self.keys.session_token {
            headers.insert(TOKEN, secret_value(token.expose()).ok_or_else(fault)?);
        }
        let (lines, names) = signed_headers(request.uri, headers);
        let canonical = format!(
            "{}\n{}\n{}\n{lines}\n{names}\n{}",
            request.method,
            canonical_path(request.uri.path()),
            canonical_query(request.uri.query().unwrap_or_default()),
            digest_of(request.body)
        );
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n{}", digest_of(&[canonical.into()]));
        let signature = hex(hmac::sign(&self.key(day), to_sign.as_bytes()).as_ref());
        let id = &self.keys.access_key_id;
        let text =
            format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        headers.insert(AUTHORIZATION, secret_value(&text).ok_or_else(fault)?);
        Ok(())
    }

    /// The key of a day, a region and a service.
    fn key(&self, day: &str) -> hmac::Key {
        let secret = zeroize::Zeroizing::new(format!("AWS4{}", self.keys.secret_access_key.expose()));
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        for part in [day, self.region, self.service, "aws4_request"] {
            key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
        }
        key
    }
}

/// `20150830T123600Z`.
fn time(now: Timestamp) -> Result<String, CredentialError> {
    let time = jiff::Timestamp::from_second(now.unix_seconds());
    let time = time.map_err(|_| CredentialError("the clock shows no time of this era".to_owned()))?;
    Ok(time.strftime("%Y%m%dT%H%M%SZ").to_string())
}

/// A line for each signed header, in the order of their names, and those names.
fn signed_headers(uri: &Uri, headers: &HeaderMap) -> (String, String) {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = host(uri);
    let signed = [
        ("content-type", text(&CONTENT_TYPE)),
        ("host", Some(host.as_str())),
        ("x-amz-date", text(&DATE)),
        ("x-amz-security-token", text(&TOKEN)),
    ];
    let (mut lines, mut names) = (String::new(), String::new());
    for (name, value) in signed.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        // Writing into a text cannot fail.
        let _ = writeln!(lines, "{name}:{}", value.trim());
        names.push_str(if names.is_empty() { "" } else { ";" });
        names.push_str(name);
    }
    (lines, names)
}

/// The `host` header as it is sent: a port only where it is not the usual one.
fn host(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    match (uri.port_u16(), uri.scheme_str()) {
        (None, _) | (Some(443), Some("https")) | (Some(80), Some("http")) => host.to_owned(),
        (Some(port), _) => format!("{host}:{port}"),
    }
}

/// A path is escaped once more than it is sent, segment by segment.
fn canonical_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 16);
    for byte in path.bytes() {
        if byte == b'/' || byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Queries are sorted; ours come escaped.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_unstable();
    pairs.join("&")
}

fn digest_of(pieces: &[Bytes]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    pieces.iter().for_each(|piece| context.update(piece));
    hex(context.finish().as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests;
