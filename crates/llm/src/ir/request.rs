//! One chat request.

use super::{Json, Part, Reasoning, Role, Tool, ToolChoice};
use crate::protocol::Protocol;

/// One chat request, free of any protocol's shape.
#[derive(Clone, PartialEq, Debug)]
pub struct ChatRequest {
    /// The protocol it came in.
    pub protocol: Protocol,
    /// The model as the caller named it.
    pub model: String,
    /// The answer is to be streamed.
    pub stream: bool,
    /// A streamed answer is to end with its usage (OpenAI's `stream_options.include_usage`).
    pub include_usage: bool,
    /// Instructions that stand before the conversation.
    pub system: Vec<Part>,
    /// The conversation.
    pub messages: Vec<Message>,
    /// The tools on offer.
    pub tools: Vec<Tool>,
    /// How free the model is to choose among them.
    pub tool_choice: Option<ToolChoice>,
    /// Whether several tools may be called at once.
    pub parallel_tool_calls: Option<bool>,
    /// The tools were given as `functions`, OpenAI's older way.
    pub is_legacy_functions: bool,
    /// The form of the answer.
    pub output: OutputFormat,
    /// How much to think.
    pub reasoning: Option<Reasoning>,
    /// How to draw the answer.
    pub sampling: Sampling,
    /// The end user.
    pub user: Option<String>,
    /// Which of the provider's service tiers to use.
    pub service_tier: Option<String>,
    /// A cache marker for the whole request.
    pub cache_control: Option<Json>,
    /// Fields only the request's own protocol knows.
    pub extra: Vec<ExtraField>,
    /// Paths of unknown fields inside known ones: they reach nobody.
    pub ignored: Vec<String>,
}

impl ChatRequest {
    /// An empty request.
    pub fn new(protocol: Protocol, model: String) -> Self {
        Self {
            protocol,
            model,
            stream: false,
            include_usage: false,
            system: Vec::new(),
            messages: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            parallel_tool_calls: None,
            is_legacy_functions: false,
            output: OutputFormat::Text,
            reasoning: None,
            sampling: Sampling::default(),
            user: None,
            service_tier: None,
            cache_control: None,
            extra: Vec::new(),
            ignored: Vec::new(),
        }
    }
}

/// A field that is carried, not understood.
#[derive(Clone, PartialEq, Debug)]
pub struct ExtraField {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Json,
}

/// One turn of the conversation.
#[derive(Clone, PartialEq, Debug)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub parts: Vec<Part>,
    /// The participant's name (OpenAI).
    pub name: Option<String>,
}

/// The form of the answer.
#[derive(Clone, PartialEq, Debug)]
pub enum OutputFormat {
    /// Free text.
    Text,
    /// Some JSON object.
    Json,
    /// JSON that follows a schema.
    Schema(Schema),
}

/// The schema of an answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Schema {
    /// What it is called (OpenAI).
    pub name: Option<String>,
    /// What it is for (OpenAI).
    pub description: Option<String>,
    /// The JSON schema.
    pub schema: Option<Json>,
    /// Whether it must be followed exactly (OpenAI; Anthropic always does).
    pub strict: Option<bool>,
}

/// How to draw the answer.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Sampling {
    /// Tokens of the answer at most, thoughts included.
    pub max_output_tokens: Option<u64>,
    /// Spread of the drawing.
    pub temperature: Option<f64>,
    /// Only the likeliest tokens that together have this probability.
    pub top_p: Option<f64>,
    /// Only so many of the likeliest tokens.
    pub top_k: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// Makes drawings repeatable.
    pub seed: Option<i64>,
    /// Against repeating often.
    pub frequency_penalty: Option<f64>,
    /// Against repeating at all.
    pub presence_penalty: Option<f64>,
    /// Pushes single tokens.
    pub logit_bias: Option<Json>,
    /// Tell the tokens' probabilities.
    pub logprobs: Option<bool>,
    /// Tell so many of the likeliest alternatives.
    pub top_logprobs: Option<u64>,
    /// So many answers.
    pub n: Option<u32>,
}
