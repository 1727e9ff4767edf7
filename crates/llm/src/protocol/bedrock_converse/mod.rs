//! Amazon Bedrock's Converse: outbound only.
//!
//! One shape for the models of many vendors; `model` holds what those take. Nobody calls in it: requests are written,
//! answers and streams are read. Streams come as [`crate::amazon_events`] has turned them into named events.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html> and
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>, read 2026-11-26.

mod encode_content;
mod encode_request;
mod model;
mod output;
mod response;
mod stream_decode;
mod tools;
pub mod usage;
mod wire;

pub(super) use encode_request::encode_request;
pub(super) use response::decode_response;
pub use stream_decode::StreamDecoder;

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
