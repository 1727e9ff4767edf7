//! Amazon's errors: a message, and what kind it is in a header; within a stream an exception.
//!
//! The errors of Converse and ConverseStream in the model of the service in botocore
//! (`data/bedrock-runtime/2023-09-30/service-2.json`, 1.44.8), read 2026-11-26; `ServiceQuotaExceededException` and
//! `ConflictException` are those of other operations there. SDKs do not look at other fields, so our `code`, the reference product's
//! `origin`, the field at fault and the request's id stand beside the message.

use super::super::ErrorReply;
use super::super::write::to_json;
use crate::amazon_events;
use serde::Serialize;

#[derive(Serialize)]
struct Body<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    code: &'a str,
    origin: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<&'a str>,
    request_id: &'a str,
}

/// The code of a provider that took too long, which has a word of its own here.
const TIMEOUT: &str = "provider_timeout";

/// The word for an error, which stands in the header `x-amzn-ErrorType`.
pub(in crate::protocol) fn error_type(error: &ErrorReply<'_>) -> &'static str {
    match error.status {
        _ if error.code == TIMEOUT => "ModelTimeoutException",
        401 | 403 => "AccessDeniedException",
        402 | 412 => "ServiceQuotaExceededException",
        404 => "ResourceNotFoundException",
        // SDKs try again.
        408 => "RequestTimeoutException",
        409 => "ConflictException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        502 | 503 | 529 => "ServiceUnavailableException",
        504 => "ModelTimeoutException",
        500..=599 => "InternalServerException",
        _ => "ValidationException",
    }
}

/// The same within a stream, where there are fewer.
const fn exception_type(status: u16) -> &'static str {
    match status {
        424 | 502 => "modelStreamErrorException",
        429 => "throttlingException",
        503 | 504 | 529 => "serviceUnavailableException",
        500..=599 => "internalServerException",
        _ => "validationException",
    }
}

/// Writes an error body.
pub(in crate::protocol) fn encode_error(error: &ErrorReply<'_>) -> Vec<u8> {
    to_json(&Body {
        message: error.message,
        code: error.code,
        origin: error.origin.as_str(),
        param: error.param,
        request_id: error.request_id,
    })
}

/// Writes an error into a stream that has begun.
pub(in crate::protocol) fn encode_stream_error(error: &ErrorReply<'_>) -> Vec<u8> {
    let body = String::from_utf8(encode_error(error)).unwrap_or_default();
    amazon_events::exception(exception_type(error.status), &body)
}
