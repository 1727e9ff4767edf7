//! Cohere's chat, the second version: outbound only.
//!
//! Nobody calls in it: requests are written, answers and streams are read.
//! <https://docs.cohere.com/reference/chat>, <https://docs.cohere.com/reference/chat-stream> and the types of Cohere's Python
//! SDK 7.3.1 (`cohere/types`, `cohere/v2`), read 2026-11-26.

mod citation;
mod encode_messages;
mod encode_request;
mod error;
mod model;
mod response;
mod stream_decode;
mod tools;
pub mod usage;
mod wire;

pub(super) use encode_request::encode_request;
pub(super) use error::decode_error;
pub(super) use response::decode_response;
pub use stream_decode::StreamDecoder;

use crate::ir::FinishReason;

/// Reads Cohere's word for an end (`types/chat_finish_reason.py` of its Python SDK 7.3.1, read 2026-11-26). The last is of
/// its first version.
fn finish_reason(word: &str) -> FinishReason {
    match word {
        "COMPLETE" => FinishReason::Stop,
        "STOP_SEQUENCE" => FinishReason::StopSequence,
        "MAX_TOKENS" => FinishReason::Length,
        "TOOL_CALL" => FinishReason::ToolCalls,
        "ERROR_TOXIC" => FinishReason::ContentFilter,
        _ => FinishReason::Unknown,
    }
}

/// Whether an answer that ends so is none: the provider failed while it made it.
pub(crate) fn is_failure(word: &str) -> bool {
    matches!(word, "ERROR" | "TIMEOUT" | "ERROR_LIMIT")
}
