//! The way to those who give tokens: rare and short calls, within bounds.

use super::CredentialError;
use super::aws::element;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the answer with a token may be.
pub(super) const BYTES_MAX: usize = 64 * 1024;

/// A client for exchanges of credentials.
#[derive(Clone, Debug)]
pub struct Exchange(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Default for Exchange {
    fn default() -> Self {
        let connector =
            HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
        // No connection is kept: the next exchange is an hour away, and may run on another core.
        Self(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector))
    }
}

impl Exchange {
    /// Sends a request and reads the whole answer, of at most so many bytes.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        bytes_max: usize,
    ) -> Result<Bytes, CredentialError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let fault = |what: String| CredentialError(format!("{host}: {what}"));
        let asked = async {
            let answer = self.0.request(request).await.map_err(|_| fault("no answer".to_owned()))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), bytes_max).collect().await;
            let body = body.map_err(|_| fault("its answer broke off, or is too long".to_owned()))?.to_bytes();
            match status {
                StatusCode::OK => Ok(body),
                other => Err(fault(format!("{other}{}", said(&body)))),
            }
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(answered) => answered,
            Err(_) => Err(fault("no answer in time".to_owned())),
        }
    }
}

/// What a refusal says, where it is an error of OAuth
/// (<https://www.rfc-editor.org/rfc/rfc6749#section-5.2>, read 2026-11-26) or of AWS in XML. Its description may quote an
/// identity, never a secret.
fn said(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Refused {
        error: String,
        #[serde(default)]
        error_description: String,
    }
    let of_aws = || {
        let text = std::str::from_utf8(body).ok()?;
        let error = element(text, "Code")?.to_owned();
        Some(Refused { error, error_description: element(text, "Message").unwrap_or_default().to_owned() })
    };
    let refused = serde_json::from_slice(body).ok().or_else(of_aws);
    let Some(Refused { error, error_description }) = refused else { return String::new() };
    let text: String = format!(": {error} {error_description}").chars().take(300).collect();
    text.lines().next().unwrap_or_default().trim_end().to_owned()
}
