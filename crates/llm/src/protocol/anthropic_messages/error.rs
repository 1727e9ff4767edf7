//! Anthropic's error body, with our `code` and the reference product's `origin` in it.
//!
//! <https://platform.claude.com/docs/en/api/errors>, read 2026-11-22.

use super::super::ErrorReply;
use super::super::write::to_json;
use serde::Serialize;

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: Inner<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
struct Inner<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    code: &'a str,
    origin: &'static str,
}

/// The word Anthropic uses for a status.
const fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        500..=599 => "api_error",
        _ => "invalid_request_error",
    }
}

/// Writes an error body.
pub(in crate::protocol) fn encode_error(error: &ErrorReply<'_>) -> Vec<u8> {
    let (message, code, origin) = (error.message, error.code, error.origin.as_str());
    let inner = Inner { kind: kind(error.status), message, code, origin };
    to_json(&Body { kind: "error", error: inner, request_id: error.request_id })
}
