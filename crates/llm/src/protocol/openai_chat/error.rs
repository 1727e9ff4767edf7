//! OpenAI's error body, with the reference product's `origin` in it.
//!
//! <https://platform.openai.com/docs/guides/error-codes>, read 2026-11-22.

use super::super::ErrorReply;
use super::super::write::to_json;
use serde::Serialize;

#[derive(Serialize)]
struct Body<'a> {
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'a str>,
    code: Option<&'a str>,
    origin: &'static str,
}

/// The word OpenAI uses for a status. It tells a bad key and an unknown model by `code`, not by `type`.
pub(crate) const fn kind(status: u16) -> &'static str {
    match status {
        402 => "insufficient_quota",
        403 => "permission_error",
        429 => "rate_limit_error",
        408 | 504 => "timeout_error",
        500..=599 => "server_error",
        _ => "invalid_request_error",
    }
}

/// Writes an error body.
pub(in crate::protocol) fn encode_error(error: &ErrorReply<'_>) -> Vec<u8> {
    let code = Some(error.code).filter(|code| !code.is_empty());
    let (message, param, origin) = (error.message, error.param, error.origin.as_str());
    to_json(&Body { error: Inner { message, kind: kind(error.status), param, code, origin } })
}
