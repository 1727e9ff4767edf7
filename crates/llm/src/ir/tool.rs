//! Tools that a model may call, and how free it is to choose.

use super::Json;
use crate::protocol::Protocol;

/// A tool.
#[derive(Clone, PartialEq, Debug)]
pub enum Tool {
    /// Called with JSON, run by the caller.
    Function(FunctionTool),
    /// Called with free text, run by the caller (OpenAI).
    Custom(CustomTool),
    /// Search of the web, run by the provider.
    WebSearch(WebSearch),
    /// A tool that only one protocol knows.
    Opaque {
        /// Whose it is.
        protocol: Protocol,
        /// Its `type`.
        kind: String,
        /// Its name.
        name: String,
        /// The whole definition.
        raw: Json,
    },
}

impl Tool {
    /// The name it is called by.
    pub fn name(&self) -> &str {
        match self {
            Tool::Function(tool) => &tool.name,
            Tool::Custom(tool) => &tool.name,
            Tool::WebSearch(_) => "web_search",
            Tool::Opaque { name, .. } => name,
        }
    }
}

/// A tool that is called with JSON.
#[derive(Clone, PartialEq, Debug)]
pub struct FunctionTool {
    /// The name it is called by.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// JSON schema of its arguments; none: it takes none.
    pub parameters: Option<Json>,
    /// Whether arguments must follow the schema exactly.
    pub strict: Option<bool>,
    /// The marker after which the prompt is to be cached.
    pub cache_control: Option<Json>,
}

/// A tool that is called with free text.
#[derive(Clone, PartialEq, Debug)]
pub struct CustomTool {
    /// The name it is called by.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// The grammar of its input.
    pub format: Option<Json>,
}

/// Search of the web, run by the provider.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct WebSearch {
    /// At most so many searches.
    pub max_uses: Option<u64>,
    /// Only these domains.
    pub allowed_domains: Vec<String>,
    /// Never these domains.
    pub blocked_domains: Vec<String>,
    /// Where the user is.
    pub location: Option<Location>,
    /// How much of the context to spend on results: `low`, `medium`, `high`.
    pub context_size: Option<String>,
    /// The marker after which the prompt is to be cached.
    pub cache_control: Option<Json>,
}

/// Roughly where a user is.
#[derive(Clone, PartialEq, Eq, Default, Debug, serde::Serialize)]
pub struct Location {
    /// City.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// Region or state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Country, two letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Time zone, an IANA name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// How free the model is to choose.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ToolChoice {
    /// It decides.
    Auto,
    /// No tool.
    None,
    /// Some tool.
    Required,
    /// This tool.
    Named(String),
    /// One of these, or also none of them.
    Allowed {
        /// Their names.
        names: Vec<String>,
        /// One must be called.
        is_required: bool,
    },
}
