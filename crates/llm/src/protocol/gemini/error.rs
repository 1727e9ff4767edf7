//! Google's error body, with our code, the reference product's `origin` and the request's id in its details.
//!
//! <https://google.aip.dev/193> and <https://ai.google.dev/gemini-api/docs/troubleshooting>, read 2026-11-26.

use super::super::error::decode;
use super::super::write::to_json;
use super::super::{ErrorReply, ProviderError};
use serde::Serialize;

#[derive(Serialize)]
struct Body<'a> {
    error: Status<'a>,
}

#[derive(Serialize)]
struct Status<'a> {
    code: u16,
    message: &'a str,
    status: &'static str,
    details: [ErrorInfo<'a>; 1],
}

#[derive(Serialize)]
struct ErrorInfo<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    reason: String,
    domain: &'static str,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    code: &'a str,
    origin: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<&'a str>,
}

/// The word of `google.rpc.Code` for a status.
const fn status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        402 => "FAILED_PRECONDITION",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        405 | 501 => "UNIMPLEMENTED",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        502 | 503 | 529 => "UNAVAILABLE",
        500..=599 => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

/// Reads an error body. Its `code` repeats the status, which is none of a program's.
pub(in crate::protocol) fn decode_error(status: u16, body: &[u8]) -> ProviderError {
    let mut error = decode(status, body);
    if error.code.bytes().all(|byte| byte.is_ascii_digit()) {
        error.code.clear();
    }
    error
}

/// Writes an error body.
pub(in crate::protocol) fn encode_error(error: &ErrorReply<'_>) -> Vec<u8> {
    let info = ErrorInfo {
        kind: "type.googleapis.com/google.rpc.ErrorInfo",
        reason: error.code.to_ascii_uppercase(),
        domain: "signalbox",
        metadata: Metadata {
            code: error.code,
            origin: error.origin.as_str(),
            request_id: error.request_id,
            param: error.param,
        },
    };
    let (code, message, status) = (error.status, error.message, status(error.status));
    to_json(&Body { error: Status { code, message, status, details: [info] } })
}
