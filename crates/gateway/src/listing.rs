//! The models that a provider lists by itself.

use crate::credentials::{CredentialError, Exchange, Unsigned};
use crate::providers::Provider;
use bytes::Bytes;
use domain::Timestamp;
use http::{Method, Request, Uri};
use http_body_util::Full;
use serde::Deserialize;

/// Longest list that is read.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why there is no list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Nobody knows where it would be.
    #[error("it has no list of models that the gateway knows of")]
    NoList,
    /// It was asked for, and did not come.
    #[error(transparent)]
    NoAnswer(#[from] CredentialError),
    /// It is in no shape that is known.
    #[error("its list of models cannot be read")]
    Unreadable,
}

/// The ids of a provider's models, sorted.
pub async fn listed(
    provider: &Provider,
    exchange: &Exchange,
    now: Timestamp,
) -> Result<Vec<String>, ListError> {
    let uri = provider.example_uri().as_ref().and_then(list_uri).ok_or(ListError::NoList)?;
    let mut request = Request::new(Full::new(Bytes::new()));
    *request.uri_mut() = uri;
    *request.headers_mut() = provider.headers(false, &[]);
    if let Some(credential) = &provider.credential {
        let uri = request.uri().clone();
        let unsigned = Unsigned { method: Method::GET, uri: &uri, body: &[], region: None };
        credential.authorize(exchange, now, &unsigned, request.headers_mut()).await?;
    }
    let answer = exchange.send(request, BYTES_MAX).await?;
    ids(&answer).ok_or(ListError::Unreadable)
}

/// Fetches a text, such as a catalogue file.
pub async fn fetch(address: &str, exchange: &Exchange) -> Result<String, CredentialError> {
    let not_one = || CredentialError(format!("not an address: {address}"));
    let mut request = Request::new(Full::new(Bytes::new()));
    *request.uri_mut() = address.parse().map_err(|_| not_one())?;
    let text = exchange.send(request, BYTES_MAX).await?;
    String::from_utf8(text.into()).map_err(|_| CredentialError(format!("{address} is not text")))
}

/// Where the list stands beside a route's address.
fn list_uri(example: &Uri) -> Option<Uri> {
    let path = example.path();
    let (scheme, host) = (example.scheme_str()?, example.authority()?);
    // Cohere's is of its first version, and comes in pages (<https://docs.cohere.com/reference/list-models>, read 2026-11-26).
    if let Some(before) = path.strip_suffix("/v2/chat") {
        return format!("{scheme}://{host}{before}/v1/models?page_size=1000").parse().ok();
    }
    let before = match path.find("/models/") {
        Some(at) => &path[..at],
        None => ["/chat/completions", "/responses", "/messages", "/embeddings"]
            .iter()
            .find_map(|end| path.strip_suffix(end))?,
    };
    format!("{scheme}://{host}{before}/models").parse().ok()
}

/// OpenAI's and Anthropic's `data`, Google's `models`, or a bare list.
#[derive(Deserialize)]
#[serde(untagged)]
enum List {
    Data { data: Vec<Entry> },
    Models { models: Vec<Entry> },
    Bare(Vec<Entry>),
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

fn ids(answer: &[u8]) -> Option<Vec<String>> {
    let (List::Data { data: entries } | List::Models { models: entries } | List::Bare(entries)) =
        serde_json::from_slice(answer).ok()?;
    let id = |entry: Entry| {
        let id = entry.id.or(entry.name)?;
        Some(id.strip_prefix("models/").map_or(id.clone(), str::to_owned))
    };
    let mut ids: Vec<String> = entries.into_iter().filter_map(id).collect();
    ids.sort();
    ids.dedup();
    Some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_stands_beside_the_routes() {
        let list = |address: &str| list_uri(&address.parse().unwrap()).map(|uri| uri.to_string());
        for (address, expected) in [
            ("https://a.example/v1/chat/completions", Some("https://a.example/v1/models")),
            ("https://a.example/v1/messages", Some("https://a.example/v1/models")),
            ("https://a.example/v1beta/models/m:generateContent", Some("https://a.example/v1beta/models")),
            ("https://a.example/v2/chat", Some("https://a.example/v1/models?page_size=1000")),
            ("https://a.example/other", None),
        ] {
            assert_eq!(list(address).as_deref(), expected, "{address}");
        }
    }

    #[test]
    fn every_vendors_list_is_read() {
        for text in [
            r#"{"object":"list","data":[{"id":"b","object":"model"},{"id":"a"}]}"#,
            r#"{"models":[{"name":"models/a","displayName":"A"},{"name":"models/b"}]}"#,
            r#"{"models":[{"name":"a","endpoints":["chat"]},{"name":"b"}],"next_page_token":"x"}"#,
            r#"[{"id":"a","type":"chat"},{"id":"b"},{"id":"b"}]"#,
        ] {
            assert_eq!(ids(text.as_bytes()), Some(vec!["a".to_owned(), "b".to_owned()]), "{text}");
        }
        assert_eq!(ids(b"{\"error\":{}}"), None);
    }
}
