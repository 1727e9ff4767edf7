//! One answer as it arrives, piece by piece.

use super::{Citation, FinishReason, Json, Signature, Source, ToolCallKind};
use domain::Usage;

/// One step of a streamed answer. Blocks have indices of their own; several may be open at once.
#[derive(Clone, PartialEq, Debug)]
pub enum StreamEvent {
    /// The answer begins.
    Start {
        /// The id that the provider gave it.
        id: String,
        /// The model that answers.
        model: String,
    },
    /// A block begins.
    BlockStart {
        /// Its index.
        index: u32,
        /// Which of several answers it belongs to; zero where there is one.
        choice: u32,
        /// What it is.
        block: Block,
    },
    /// A block goes on.
    BlockDelta {
        /// Its index.
        index: u32,
        /// What is added.
        delta: Delta,
    },
    /// A block is complete.
    BlockStop {
        /// Its index.
        index: u32,
    },
    /// What was consumed so far.
    Usage(Usage),
    /// The answer is complete.
    Finish {
        /// Which of several answers.
        choice: u32,
        /// Why it ends.
        reason: FinishReason,
        /// The provider's word for it.
        raw: String,
        /// Which stop sequence ended it.
        stop_sequence: Option<String>,
    },
    /// The provider failed in the middle of its answer.
    Error {
        /// The provider's `type`.
        kind: String,
        /// The provider's `code`.
        code: String,
        /// What it says.
        message: String,
    },
    /// A sign of life.
    Ping,
    /// Something came that has no place here; encoders turn it into a warning.
    Lost {
        /// What it is.
        feature: &'static str,
        /// Which one.
        detail: String,
    },
}

/// What a block is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Block {
    /// Text.
    Text,
    /// The model's words when it refuses, where the protocol tells them apart; its deltas are text.
    Refusal,
    /// Thoughts.
    Reasoning,
    /// Thoughts that only the provider can read, complete.
    RedactedReasoning(Signature),
    /// A picture, complete.
    Image(Source),
    /// A call of a tool.
    ToolCall {
        /// Joins call and result.
        id: String,
        /// The tool.
        name: String,
        /// JSON or free text.
        kind: ToolCallKind,
    },
}

/// What is added to a block.
#[derive(Clone, PartialEq, Debug)]
pub enum Delta {
    /// Text.
    Text(String),
    /// Thoughts.
    Reasoning(String),
    /// The signature of the thoughts.
    Signature(Signature),
    /// A fragment of a tool's arguments.
    Arguments(String),
    /// A source of the text.
    Citation(Citation),
    /// Probabilities of the text's tokens (OpenAI).
    Logprobs(Json),
}
