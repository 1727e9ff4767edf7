//! Errors: inside a stream, and as answers tell them.
//!
//! Bodies of failed calls are those of every API of OpenAI's. Within a stream an event `error` comes first and
//! `response.failed` after it. The reference has the event's fields at its top, OpenAI's servers put them into `error`,
//! and its SDKs raise for the latter only; both are written and read
//! (`types/responses/response_error_event.py` and `_streaming.py` of OpenAI's Python SDK 3.54, and
//! `packages/openai/src/responses/__fixtures__/openai-error.1.chunks.txt` of <https://github.com/vercel/ai>, read
//! 2026-11-26).

use super::super::write::frame;
use super::super::{ErrorReply, ProviderError, StreamPlace, error};
use super::echo::{Failure, Object, response_id};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Serialize)]
struct ErrorEvent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    code: &'a str,
    message: &'a str,
    param: Option<&'a str>,
    error: Inner<'a>,
    sequence_number: u64,
}

#[derive(Serialize)]
struct Inner<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    code: &'a str,
    message: &'a str,
    param: Option<&'a str>,
}

#[derive(Serialize)]
struct Failed<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    response: Object<'a>,
    sequence_number: u64,
}

/// Writes the two events that end a stream which failed.
pub(in crate::protocol) fn encode_stream_error(error: &ErrorReply<'_>, place: &StreamPlace<'_>) -> Vec<u8> {
    let (code, message, param) = (error.code, error.message, error.param);
    let inner = Inner { kind: "server_error", code, message, param };
    let sequence_number = place.sequence;
    let mut out = Vec::new();
    let event = ErrorEvent { kind: "error", code, message, param, error: inner, sequence_number };
    frame(&mut out, Some("error"), &event);
    let id = response_id(place.response_id, 0);
    let failure = Failure { code, message };
    let response = Object { failure: Some(failure), ..Object::new(&id, "", "failed", None) };
    let failed = Failed { kind: "response.failed", response, sequence_number: sequence_number + 1 };
    frame(&mut out, Some("response.failed"), &failed);
    out
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    response: Answer<'a>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    error: &'a RawValue,
}

/// Reads an error body, an answer that failed, or the event that tells of one.
pub(in crate::protocol) fn decode_error(status: u16, body: &[u8]) -> ProviderError {
    let mut read = match serde_json::from_slice::<Event<'_>>(body) {
        Ok(event) => error::decode(status, event.response.error.get().as_bytes()),
        Err(_) => error::decode(status, body),
    };
    // An event's own type is no kind of failure; the code is what tells.
    if read.kind.is_empty() || read.kind == "error" {
        read.kind.clone_from(&read.code);
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_read_wherever_they_stand() {
        for body in [
            r#"{"type":"error","code":"rate_limit_exceeded","message":"Slow down","param":null,"sequence_number":3}"#,
            r#"{"type":"error","sequence_number":2,"error":{"type":"rate_limit_exceeded","code":"rate_limit_exceeded","message":"Slow down","param":null}}"#,
            r#"{"type":"response.failed","sequence_number":1,"response":{"id":"resp_1","error":{"code":"rate_limit_exceeded","message":"Slow down"}}}"#,
            r#"{"id":"resp_1","object":"response","status":"failed","error":{"code":"rate_limit_exceeded","message":"Slow down"}}"#,
        ] {
            let error = decode_error(502, body.as_bytes());
            assert_eq!(
                (error.message.as_str(), error.kind.as_str()),
                ("Slow down", "rate_limit_exceeded"),
                "{body}"
            );
        }
    }
}
