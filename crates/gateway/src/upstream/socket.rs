//! Opening a WebSocket at a provider: an HTTP/1.1 request that asks to go on in another protocol (RFC 6455, 4.1).

use super::{Answer, Body, Upstream, UpstreamError};
use crate::credentials::Unsigned;
use crate::providers::Target;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::Clock;
use http::header::{
    ACCEPT, CONNECTION, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::upgrade::Upgraded;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

/// What both sides put behind a key before they hash it (RFC 6455, 1.3).
const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_BYTES: usize = 16;

/// A client for connections that become sockets: HTTP/1.1 only, each used once.
#[derive(Clone, Debug)]
pub(super) struct Opener(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

/// What comes of asking.
#[derive(Debug)]
pub enum Opened {
    /// The connection is a socket now.
    Open(Upgraded),
    /// The provider answered something else.
    Refused(Answer),
}

impl Opener {
    pub(super) fn new(tcp: HttpConnector) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Self(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector))
    }
}

impl Upstream {
    /// Asks a target for a socket at this address, which is its own with a query.
    pub async fn open_socket(
        &self,
        target: &Target,
        uri: Uri,
        headers: HeaderMap,
        clock: &dyn Clock,
    ) -> Result<Opened, UpstreamError> {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(|_| UpstreamError::Connect)?;
        let key = STANDARD.encode(key);
        let mut request = Request::new(Empty::new());
        *request.headers_mut() = asking(headers, &key);
        if let Some(credential) = &target.provider.credential {
            let unsigned =
                Unsigned { method: Method::GET, uri: &uri, body: &[], region: target.region.as_deref() };
            let authorized =
                credential.authorize(&self.exchange, clock.now(), &unsigned, request.headers_mut()).await;
            authorized.map_err(UpstreamError::NoCredential)?;
        }
        *request.uri_mut() = uri;
        let answer = self.sockets.0.request(request).await.map_err(|error| {
            tracing::debug!(%error, provider = target.provider.name.as_str(), "no socket at the provider");
            if error.is_connect() { UpstreamError::Connect } else { UpstreamError::NoAnswer }
        })?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            let (head, body) = answer.into_parts();
            let answer = Answer { status: head.status, headers: head.headers, body: Body::Remote(body) };
            return Ok(Opened::Refused(answer));
        }
        let accepted = answer.headers().get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
        if accepted != Some(accept_of(key.as_bytes()).as_bytes()) {
            return Err(UpstreamError::NoAnswer);
        }
        hyper::upgrade::on(answer).await.map(Opened::Open).map_err(|_| UpstreamError::NoAnswer)
    }
}

/// The headers of the request: of a call, those that say whose it is.
fn asking(mut headers: HeaderMap, key: &str) -> HeaderMap {
    headers.remove(CONTENT_TYPE);
    headers.remove(ACCEPT);
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.extend(HeaderValue::from_str(key).ok().map(|key| (SEC_WEBSOCKET_KEY, key)));
    headers
}

/// What the other side must answer to a key.
pub fn accept_of(key: &[u8]) -> String {
    use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(MAGIC);
    STANDARD.encode(context.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_accepted_as_the_standard_says() {
        // RFC 6455, 1.3.
        assert_eq!(accept_of(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
