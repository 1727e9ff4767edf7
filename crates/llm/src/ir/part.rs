//! What messages are made of.

use super::Json;
use crate::protocol::Protocol;
use std::borrow::Cow;

/// Who speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Instructions in the middle of a conversation; those at its start stand in `ChatRequest::system`.
    System,
    /// The caller, and the results of the tools it ran.
    User,
    /// The model.
    Assistant,
}

/// A piece of a message.
#[derive(Clone, PartialEq, Debug)]
pub struct Part {
    /// What it is.
    pub content: Content,
    /// The marker after which the prompt is to be cached (`cache_control`).
    pub cache_control: Option<Json>,
}

impl Part {
    /// A piece without a cache marker.
    pub const fn new(content: Content) -> Self {
        Self { content, cache_control: None }
    }

    /// About how many bytes it is long: those of its text or data.
    pub fn bytes(&self) -> usize {
        match &self.content {
            Content::Text { text, .. } | Content::Refusal(text) | Content::Reasoning { text, .. } => {
                text.len()
            }
            Content::Image { source, .. } | Content::Document { source, .. } => match source {
                Source::Base64 { data: text, .. } | Source::Url(text) | Source::Text(text) => text.len(),
                Source::File { id, .. } => id.len(),
            },
            Content::Audio { data, .. } => data.len(),
            Content::RedactedReasoning(signature) => signature.value.len(),
            Content::ToolCall(call) => call.name.len() + call.arguments.len(),
            Content::ToolResult(result) => result.parts.iter().map(Part::bytes).sum(),
            Content::Opaque { raw, .. } => raw.get().len(),
        }
    }

    /// Plain text.
    pub const fn text(text: String) -> Self {
        Self::new(Content::Text { text, citations: Vec::new() })
    }
}

/// What a piece of a message is.
#[derive(Clone, PartialEq, Debug)]
pub enum Content {
    /// Text, and what it rests on.
    Text {
        /// The text.
        text: String,
        /// Its sources, where the model gave any.
        citations: Vec<Citation>,
    },
    /// The model's words when it refuses, where the protocol tells them apart.
    Refusal(String),
    /// A picture.
    Image {
        /// Where its bytes are.
        source: Source,
        /// How closely to look: `low`, `high`, `auto`.
        detail: Option<String>,
    },
    /// A document, usually a PDF.
    Document {
        /// Where its bytes are.
        source: Source,
        /// Its name or title.
        name: Option<String>,
        /// What the model is told about it (Anthropic's `context`).
        context: Option<String>,
        /// Whether to cite from it (Anthropic's `citations` object).
        citations: Option<Json>,
    },
    /// Sound, inline.
    Audio {
        /// Base64.
        data: String,
        /// `wav` or `mp3`.
        format: String,
    },
    /// What the model thought before it spoke.
    Reasoning {
        /// The thoughts, or a summary of them; may be empty where only the signature is given.
        text: String,
        /// What the provider needs to accept the thoughts again.
        signature: Option<Signature>,
    },
    /// Thoughts that only the provider can read.
    RedactedReasoning(Signature),
    /// The model asks for a tool to be run.
    ToolCall(ToolCall),
    /// What a tool gave back.
    ToolResult(ToolResult),
    /// A piece that only one protocol knows.
    Opaque {
        /// Whose it is.
        protocol: Protocol,
        /// Its `type`.
        kind: String,
        /// The whole piece.
        raw: Json,
    },
}

/// Where bytes are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// Here, in base64.
    Base64 {
        /// Such as `image/png`.
        media_type: String,
        /// The base64 text.
        data: String,
    },
    /// At this address.
    Url(String),
    /// Here, as plain text.
    Text(String),
    /// Stored at the provider beforehand.
    File {
        /// Whose file store.
        protocol: Protocol,
        /// Its id there.
        id: String,
    },
}

/// What a vendor needs back word for word; meaningless to any other protocol, so it carries its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    /// Whose it is.
    pub protocol: Protocol,
    /// The value.
    pub value: String,
}

impl Signature {
    /// Reads a value that stands where `home` keeps its own, and where we write those of others with a mark in front.
    /// No vendor's own values have a colon: they are base64.
    pub fn from_field(home: Protocol, value: String) -> Self {
        let marked =
            value.split_once(':').and_then(|(word, rest)| Some((Protocol::parse(word)?, rest.to_owned())));
        match marked {
            Some((protocol, value)) => Self { protocol, value },
            None => Self { protocol: home, value },
        }
    }

    /// The value as it is written where `home` keeps its own: a caller sends it back as it came, and it can be read
    /// again.
    pub fn in_field(&self, home: Protocol) -> Cow<'_, str> {
        if self.protocol == home {
            Cow::Borrowed(&self.value)
        } else {
            Cow::Owned(format!("{}:{}", self.protocol.as_str(), self.value))
        }
    }
}

/// A source of a text.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Citation {
    /// The page; empty for a source that is not on the web.
    pub url: String,
    /// The page's title.
    pub title: String,
    /// The words that are cited.
    pub cited_text: String,
    /// Which characters of the answer rest on it, where the protocol says so.
    pub span: Option<(u64, u64)>,
    /// The whole citation in the protocol it came from.
    pub raw: Option<(Protocol, Json)>,
}

/// Whether a tool takes JSON or free text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ToolCallKind {
    /// A JSON object that follows a schema.
    Function,
    /// Free text (OpenAI's custom tools).
    Custom,
}

/// The model asks for a tool to be run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToolCall {
    /// Joins call and result.
    pub id: String,
    /// The tool.
    pub name: String,
    /// JSON or free text.
    pub kind: ToolCallKind,
    /// What it is called with: text, because models do not always write valid JSON.
    pub arguments: String,
}

/// What a tool gave back.
#[derive(Clone, PartialEq, Debug)]
pub struct ToolResult {
    /// The call it answers.
    pub call_id: String,
    /// What it gave back.
    pub parts: Vec<Part>,
    /// The tool failed.
    pub is_error: bool,
}
