//! One whole answer.

use super::{Json, Part};
use crate::protocol::{Echo, Protocol};
use domain::Usage;
use std::sync::Arc;

/// One whole answer.
#[derive(Clone, PartialEq, Debug)]
pub struct ChatResponse {
    /// The protocol it came in.
    pub protocol: Protocol,
    /// The id that the provider gave it.
    pub id: String,
    /// The model that answered.
    pub model: String,
    /// When it was made, in unix seconds. `None` where the protocol does not tell; a caller whose protocol
    /// wants it fills it in, or zero is written.
    pub created: Option<i64>,
    /// The answers; more than one only where more were asked for.
    pub choices: Vec<Choice>,
    /// What it consumed.
    pub usage: Option<Usage>,
    /// The service tier that was used.
    pub service_tier: Option<String>,
    /// What of the request the answer repeats (OpenAI's Responses); the caller fills it in.
    pub echo: Option<Arc<Echo>>,
    /// How long it took, in milliseconds (Converse); the caller fills it in.
    pub took_ms: Option<u64>,
    /// Paths of fields that were not understood.
    pub ignored: Vec<String>,
}

/// One of the answers.
#[derive(Clone, PartialEq, Debug)]
pub struct Choice {
    /// What is said.
    pub parts: Vec<Part>,
    /// Why it ends.
    pub finish: FinishReason,
    /// The provider's word for it.
    pub finish_raw: String,
    /// Which stop sequence ended it.
    pub stop_sequence: Option<String>,
    /// The tokens' probabilities (OpenAI).
    pub logprobs: Option<Json>,
}

/// Why an answer ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FinishReason {
    /// It is complete.
    Stop,
    /// A stop sequence was met.
    StopSequence,
    /// The limit of tokens was reached.
    Length,
    /// The context window is full.
    ContextWindow,
    /// Tools are to be run.
    ToolCalls,
    /// A function is to be run (OpenAI's older way).
    FunctionCall,
    /// A filter cut it off.
    ContentFilter,
    /// The model refuses.
    Refusal,
    /// The provider paused a long turn that may be continued (Anthropic).
    Pause,
    /// A word nobody here knows.
    Unknown,
}

impl FinishReason {
    /// Reads OpenAI's word. <https://platform.openai.com/docs/api-reference/chat/object>, read 2026-11-22.
    pub fn from_openai(word: &str) -> Self {
        match word {
            "stop" => FinishReason::Stop,
            "length" => FinishReason::Length,
            "tool_calls" => FinishReason::ToolCalls,
            "function_call" => FinishReason::FunctionCall,
            "content_filter" => FinishReason::ContentFilter,
            _ => FinishReason::Unknown,
        }
    }

    /// Reads Anthropic's word. <https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons>,
    /// read 2026-11-22.
    pub fn from_anthropic(word: &str) -> Self {
        match word {
            "end_turn" => FinishReason::Stop,
            "stop_sequence" => FinishReason::StopSequence,
            "max_tokens" => FinishReason::Length,
            "tool_use" => FinishReason::ToolCalls,
            "pause_turn" => FinishReason::Pause,
            "refusal" => FinishReason::Refusal,
            "model_context_window_exceeded" => FinishReason::ContextWindow,
            _ => FinishReason::Unknown,
        }
    }

    /// Reads Gemini's word. <https://ai.google.dev/api/generate-content#FinishReason>, read 2026-11-26.
    pub fn from_gemini(word: &str) -> Self {
        match word {
            "STOP" => FinishReason::Stop,
            "MAX_TOKENS" => FinishReason::Length,
            "SAFETY"
            | "RECITATION"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION" => FinishReason::ContentFilter,
            _ => FinishReason::Unknown,
        }
    }

    /// The end of an answer that calls tools. A forced call ends with `stop` in OpenAI's protocol.
    pub(crate) const fn of_calls(self) -> Self {
        if matches!(self, FinishReason::Stop | FinishReason::Unknown) {
            FinishReason::ToolCalls
        } else {
            self
        }
    }

    /// The end of an answer in which the model refuses. OpenAI ends it with `stop` and tells in `refusal`.
    pub(crate) const fn of_refusal(self) -> Self {
        if matches!(self, FinishReason::Stop) { FinishReason::Refusal } else { self }
    }

    /// OpenAI's word.
    pub const fn as_openai(self) -> &'static str {
        match self {
            FinishReason::Stop | FinishReason::StopSequence | FinishReason::Pause | FinishReason::Unknown => {
                "stop"
            }
            FinishReason::Length | FinishReason::ContextWindow => "length",
            FinishReason::ToolCalls => "tool_calls",
            FinishReason::FunctionCall => "function_call",
            FinishReason::ContentFilter | FinishReason::Refusal => "content_filter",
        }
    }

    /// Gemini's word: calls of functions end an answer as nothing else does.
    pub const fn as_gemini(self) -> &'static str {
        match self {
            FinishReason::Length | FinishReason::ContextWindow => "MAX_TOKENS",
            FinishReason::ContentFilter | FinishReason::Refusal => "SAFETY",
            FinishReason::Stop
            | FinishReason::StopSequence
            | FinishReason::ToolCalls
            | FinishReason::FunctionCall
            | FinishReason::Pause
            | FinishReason::Unknown => "STOP",
        }
    }

    /// Converse's word.
    pub const fn as_converse(self) -> &'static str {
        match self {
            FinishReason::Stop | FinishReason::Pause | FinishReason::Unknown => "end_turn",
            FinishReason::StopSequence => "stop_sequence",
            FinishReason::Length => "max_tokens",
            FinishReason::ContextWindow => "model_context_window_exceeded",
            FinishReason::ToolCalls | FinishReason::FunctionCall => "tool_use",
            FinishReason::ContentFilter | FinishReason::Refusal => "content_filtered",
        }
    }

    /// Anthropic's word.
    pub const fn as_anthropic(self) -> &'static str {
        match self {
            FinishReason::Stop | FinishReason::Unknown => "end_turn",
            FinishReason::StopSequence => "stop_sequence",
            FinishReason::Length => "max_tokens",
            FinishReason::ContextWindow => "model_context_window_exceeded",
            FinishReason::ToolCalls | FinishReason::FunctionCall => "tool_use",
            FinishReason::ContentFilter | FinishReason::Refusal => "refusal",
            FinishReason::Pause => "pause_turn",
        }
    }
}
