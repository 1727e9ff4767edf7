//! Reading errors: `{"message": …}` in place of an answer, and ends of answers that tell of a failure.
//!
//! <https://docs.cohere.com/reference/errors> and `types/chat_message_end_event_delta.py` of Cohere's Python SDK 7.3.1, read
//! 2026-11-26.

use super::super::error;
use crate::protocol::ProviderError;
use serde::Deserialize;

/// What is said of a failure that says nothing of itself.
const FAILED: &str = "the provider failed while it made its answer";

/// What an end says, whole or in the last event of a stream.
#[derive(Deserialize, Default)]
#[serde(default)]
struct End {
    finish_reason: Option<String>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Event {
    delta: End,
}

/// Reads an error body, or what ends an answer.
pub(in crate::protocol) fn decode_error(status: u16, body: &[u8]) -> ProviderError {
    let event = serde_json::from_slice::<Event>(body).map(|event| event.delta);
    let end = event.or_else(|_| serde_json::from_slice::<End>(body)).unwrap_or_default();
    match (end.finish_reason, end.error) {
        (Some(word), Some(error)) => {
            error::decode(status, serde_json::json!({"error": error, "code": word}).to_string().as_bytes())
        }
        (Some(word), None) => {
            ProviderError { message: FAILED.to_owned(), code: word, ..ProviderError::default() }
        }
        (None, _) => error::decode(status, body),
    }
}
