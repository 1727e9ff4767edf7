//! The shapes that are written: a request's body, blocks, tools.

use super::super::anthropic_messages::wire::Thinking;
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    pub messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub system: Vec<Block<'a>>,
    #[serde(skip_serializing_if = "Inference::is_empty")]
    pub inference_config: Inference<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Additional::is_empty")]
    pub additional_model_request_fields: Additional<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<Kind>,
}

#[derive(Serialize)]
pub(super) struct Message<'a> {
    pub role: &'static str,
    pub content: Vec<Block<'a>>,
}

/// One member of a union: an object with one field.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Block<'a> {
    Text(Cow<'a, str>),
    Image {
        format: &'static str,
        source: Bytes<'a>,
    },
    Document(Document<'a>),
    #[serde(rename_all = "camelCase")]
    ToolUse {
        tool_use_id: Cow<'a, str>,
        name: &'a str,
        input: Cow<'a, RawValue>,
    },
    #[serde(rename_all = "camelCase")]
    ToolResult {
        tool_use_id: Cow<'a, str>,
        content: Vec<Block<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<&'static str>,
    },
    ReasoningContent(Reasoning<'a>),
    /// Of an answer.
    CitationsContent {
        content: [CitedText<'a>; 1],
        citations: Vec<CitationOut<'a>>,
    },
    CachePoint(CachePoint),
    /// Within the result of a tool.
    Json(Empty),
    /// A block that nobody else knows, as it came.
    #[serde(untagged)]
    Raw(&'a RawValue),
}

#[derive(Serialize)]
pub(super) struct CitedText<'a> {
    pub text: &'a str,
}

/// What a text rests on.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CitationOut<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_content: Option<[CitedText<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Location<'a> {
    Web { url: &'a str },
    DocumentChar(Place),
    DocumentPage(Place),
    DocumentChunk(Place),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Place {
    pub document_index: u64,
    pub start: u64,
    pub end: u64,
}

#[derive(Serialize)]
pub(super) struct Empty {}

/// Base64.
#[derive(Serialize)]
pub(super) struct Bytes<'a> {
    pub bytes: Cow<'a, str>,
}

#[derive(Serialize)]
pub(super) struct Document<'a> {
    pub format: &'static str,
    pub name: String,
    pub source: Bytes<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub citations: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Reasoning<'a> {
    ReasoningText {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<Cow<'a, str>>,
    },
    RedactedContent(Cow<'a, str>),
}

/// What is before it is cached.
#[derive(Clone, Copy, Serialize)]
pub(super) struct CachePoint {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<&'static str>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Inference<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop_sequences: Vec<&'a str>,
}

impl Inference<'_> {
    fn is_empty(&self) -> bool {
        let Inference { max_tokens, temperature, top_p, stop_sequences } = self;
        max_tokens.is_none() && temperature.is_none() && top_p.is_none() && stop_sequences.is_empty()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig<'a> {
    pub tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Tool<'a> {
    #[serde(rename_all = "camelCase")]
    ToolSpec {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        input_schema: JsonSchema<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    },
    CachePoint(CachePoint),
}

#[derive(Serialize)]
pub(super) struct JsonSchema<'a> {
    pub json: Cow<'a, RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ToolChoice<'a> {
    Auto(Empty),
    Any(Empty),
    Tool { name: &'a str },
}

/// What only some vendors' models take, under the names that those have for it.
#[derive(Serialize, Default)]
pub(super) struct Additional<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking<'a>>,
    /// Claude.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_config: Option<Effort>,
    /// Claude and Mistral.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u64>,
    /// Cohere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub k: Option<u64>,
    /// Nova.
    #[serde(rename = "inferenceConfig", skip_serializing_if = "Option::is_none")]
    pub inference_config: Option<TopK>,
    /// Nova 2.
    #[serde(rename = "reasoningConfig", skip_serializing_if = "Option::is_none")]
    pub reasoning_config: Option<ReasoningConfig>,
    /// OpenAI's open models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<&'static str>,
}

impl Additional<'_> {
    fn is_empty(&self) -> bool {
        let Additional {
            thinking,
            output_config,
            top_k,
            k,
            inference_config,
            reasoning_config,
            reasoning_effort,
        } = self;
        thinking.is_none()
            && output_config.is_none()
            && top_k.is_none()
            && k.is_none()
            && inference_config.is_none()
            && reasoning_config.is_none()
            && reasoning_effort.is_none()
    }
}

#[derive(Serialize)]
pub(super) struct Effort {
    pub effort: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TopK {
    pub top_k: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReasoningConfig {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_reasoning_effort: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutputConfig<'a> {
    pub text_format: TextFormat<'a>,
}

#[derive(Serialize)]
pub(super) struct TextFormat<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub structure: Structure<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Structure<'a> {
    JsonSchema {
        /// JSON in a text.
        schema: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
    },
}

#[derive(Serialize)]
pub(super) struct Kind {
    #[serde(rename = "type")]
    pub kind: &'static str,
}
