//! The caller's request for a socket, and our consent (RFC 6455, 4.2). Over HTTP/1.1 only: a socket within an HTTP/2
//! connection (RFC 8441) is not offered, and clients then use a connection of their own.

use crate::auth::shown_key;
use crate::refusal::Refusal;
use crate::upstream::socket::accept_of;
use axum::body::Body;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version, request};

/// The protocol within the socket, where its caller asks for one.
const REALTIME: &str = "realtime";
/// Browsers cannot send headers: they name the key among the protocols
/// (<https://platform.openai.com/docs/guides/realtime-websocket>, read 2026-11-26).
const KEY_PREFIX: &str = "openai-insecure-api-key.";
/// The same for the header that asks for the beta interface.
const BETA_PREFIX: &str = "openai-beta.";
const BETA: HeaderName = HeaderName::from_static("openai-beta");
/// The header of the beta interface, whose value has a sign that a protocol's name cannot have.
const BETA_VALUE: HeaderValue = HeaderValue::from_static("realtime=v1");
/// A key is sixteen bytes in base64.
const KEY_LENGTH: usize = 24;

/// What a caller's request asks for.
#[derive(Debug)]
pub struct Asked {
    accept: HeaderValue,
    has_protocol: bool,
    /// What is said of the interface's version, for the provider.
    pub beta: Option<HeaderValue>,
}

fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lists = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim)
}

/// The key that a caller shows: where all do, or among the protocols.
pub fn key(headers: &HeaderMap) -> Option<&[u8]> {
    let named = || protocols(headers).find_map(|name| name.strip_prefix(KEY_PREFIX));
    shown_key(headers).or_else(|| named().map(str::as_bytes).filter(|key| !key.is_empty()))
}

/// Reads the request.
pub fn read(head: &request::Parts) -> Result<Asked, Refusal> {
    let headers = &head.headers;
    let says = |name: HeaderName, word: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
    };
    if head.version != Version::HTTP_11 || !says(CONNECTION, "upgrade") || !says(UPGRADE, "websocket") {
        return Err(Refusal::invalid("this endpoint is a WebSocket: open it as one, over HTTP/1.1"));
    }
    if !says(SEC_WEBSOCKET_VERSION, "13") {
        return Err(Refusal::invalid("the WebSocket must be of version 13"));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
    let key = key.filter(|key| key.len() == KEY_LENGTH);
    let key = key.ok_or_else(|| Refusal::invalid("the header `Sec-WebSocket-Key` is missing or wrong"))?;
    let accept = HeaderValue::from_str(&accept_of(key)).map_err(|_| Refusal::Internal)?;
    let is_beta = protocols(headers).any(|name| name.starts_with(BETA_PREFIX));
    let beta = headers.get(BETA).cloned().or_else(|| is_beta.then_some(BETA_VALUE));
    Ok(Asked { accept, has_protocol: protocols(headers).any(|name| name == REALTIME), beta })
}

/// Our consent. The connection is a socket behind it.
pub fn consent(asked: &Asked) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, asked.accept.clone());
    if asked.has_protocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(REALTIME));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(headers: &[(&'static str, &'static str)]) -> request::Parts {
        let usual = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let mut request = http::Request::new(());
        for (name, value) in usual.iter().chain(headers) {
            request.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        request.into_parts().0
    }

    #[test]
    fn a_browser_names_key_and_version_among_the_protocols() {
        let named = "realtime, openai-insecure-api-key.made-up, openai-beta.realtime-v1";
        let head = head(&[("sec-websocket-protocol", named)]);
        assert_eq!(key(&head.headers), Some(&b"made-up"[..]));
        let asked = read(&head).unwrap();
        assert_eq!(asked.beta, Some(BETA_VALUE));
        let response = consent(&asked);
        assert_eq!(response.headers()[SEC_WEBSOCKET_PROTOCOL], "realtime");
        assert_eq!(response.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_key_in_the_head_comes_first_and_no_protocol_is_made_up() {
        let head = head(&[("authorization", "Bearer one"), ("sec-websocket-protocol", "other")]);
        assert_eq!(key(&head.headers), Some(&b"one"[..]));
        let response = consent(&read(&head).unwrap());
        assert!(!response.headers().contains_key(SEC_WEBSOCKET_PROTOCOL));
    }

    #[test]
    fn what_is_no_request_for_a_socket_is_refused() {
        for header in [
            ("upgrade", "h2c"),
            ("connection", "close"),
            ("sec-websocket-version", "8"),
            ("sec-websocket-key", "short"),
        ] {
            assert!(read(&head(&[header])).is_err(), "{header:?}");
        }
    }
}
