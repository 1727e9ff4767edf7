//! Amazon Bedrock's Converse.
//!
//! One shape for the models of many vendors; `model` holds what those take. The model stands in the address, and so does whether the
//! answer is streamed. Streams are read as [`crate::amazon_events`] has turned them into named events, and written in its frames.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html> and
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>, read 2026-11-26.

mod decode_content;
mod decode_request;
mod encode_answer;
mod encode_content;
mod encode_request;
mod error;
mod model;
mod output;
mod response;
mod signature;
mod stream_decode;
mod stream_encode;
mod tools;
pub mod usage;
mod wire;

pub(super) use decode_request::{decode_request, refuse_state};
pub(super) use encode_answer::encode_response;
pub(super) use encode_request::encode_request;
pub(super) use error::{encode_error, encode_stream_error, error_type};
pub(super) use response::decode_response;
pub use stream_decode::StreamDecoder;
pub use stream_encode::StreamEncoder;

use crate::ir::FinishReason;

/// The tool that an answer by a schema is asked for with, where the model takes no schema. What it is called with is the
/// answer.
pub const ANSWER_TOOL: &str = "answer_by_schema";

/// Whether a model keeps prompts up to marked places, told from its id.
pub fn takes_cache_points(model: &str) -> bool {
    model::Family::of(model).takes_cache_points()
}

/// Reads Converse's word for an end.
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_MessageStopEvent.html>, read 2026-11-26.
fn finish_reason(word: &str) -> FinishReason {
    match word {
        "guardrail_intervened" | "content_filtered" => FinishReason::ContentFilter,
        // The rest is worded as Anthropic words it.
        other => FinishReason::from_anthropic(other),
    }
}
