//! A conversation free of any protocol's shape, and a request for vectors.
//!
//! Small on purpose: what two protocols share has a type, what only one knows travels as [`Json`] together
//! with the protocol it belongs to and is given up, with a [`Warning`], towards any other. Schemas and
//! cache markers are never re-serialized: their bytes are part of what providers cache by.

mod embedding;
mod json;
mod part;
mod reasoning;
mod request;
mod response;
mod stream;
mod tool;
mod warning;

pub use embedding::{
    EmbeddingContent, EmbeddingInput, EmbeddingRequest, EmbeddingResponse, EmbeddingTask, Truncation, Vector,
    VectorFormat,
};
pub use json::Json;
pub use part::{Citation, Content, Part, Role, Signature, Source, ToolCall, ToolCallKind, ToolResult};
pub use reasoning::{Effort, Reasoning, Thinking};
pub use request::{ChatRequest, ExtraField, Message, OutputFormat, Sampling, Schema};
pub use response::{ChatResponse, Choice, FinishReason};
pub use stream::{Block, Delta, StreamEvent};
pub use tool::{CustomTool, FunctionTool, Location, Tool, ToolChoice, WebSearch};
pub use warning::Warning;
pub(crate) use warning::Warnings;
