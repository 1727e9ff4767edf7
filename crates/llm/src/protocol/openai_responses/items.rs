//! The items of an answer as they are written, whole or while they come.

use crate::ir::{Citation, ToolCallKind, Warnings};
use crate::protocol::Protocol;
use serde::Serialize;
use serde_json::value::RawValue;

/// An item of an answer.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item<'a> {
    Message {
        id: &'a str,
        status: &'static str,
        role: &'static str,
        content: &'a [Content<'a>],
    },
    Reasoning {
        id: &'a str,
        summary: &'a [SummaryText<'a>],
        #[serde(skip_serializing_if = "<[ReasoningText<'_>]>::is_empty")]
        content: &'a [ReasoningText<'a>],
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<&'a str>,
    },
    FunctionCall {
        id: &'a str,
        call_id: &'a str,
        name: &'a str,
        arguments: &'a str,
        status: &'static str,
    },
    CustomToolCall {
        id: &'a str,
        call_id: &'a str,
        name: &'a str,
        input: &'a str,
        status: &'static str,
    },
}

/// A part of a message.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Content<'a> {
    OutputText { text: &'a str, annotations: &'a [Annotation<'a>], logprobs: &'a RawValue },
    Refusal { refusal: &'a str },
    ReasoningText { text: &'a str },
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "summary_text")]
pub(super) struct SummaryText<'a> {
    pub text: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "reasoning_text")]
pub(super) struct ReasoningText<'a> {
    pub text: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Annotation<'a> {
    Url(UrlCitation<'a>),
    Raw(&'a RawValue),
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "url_citation")]
pub(super) struct UrlCitation<'a> {
    pub start_index: u64,
    pub end_index: u64,
    pub title: &'a str,
    pub url: &'a str,
}

/// Writes a citation; one that says not which characters rest on it rests under all of the part. `None`: it has no
/// place here.
pub(super) fn annotation<'a>(
    citation: &'a Citation,
    characters: u64,
    warnings: &mut Warnings,
) -> Option<Annotation<'a>> {
    match &citation.raw {
        Some((Protocol::OpenAiResponses, raw)) => Some(Annotation::Raw(raw.raw())),
        _ if citation.url.is_empty() => {
            warnings.add("citations", "citations of documents were dropped");
            None
        }
        _ => {
            let (start_index, end_index) = citation.span.unwrap_or((0, characters));
            let (title, url) = (citation.title.as_str(), citation.url.as_str());
            Some(Annotation::Url(UrlCitation { start_index, end_index, title, url }))
        }
    }
}

/// A value as JSON text. Writing what derives `Serialize` into memory cannot fail.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The item of thoughts, as JSON. `shows`: they are shown as they are, and not as a summary.
pub(super) fn thoughts(id: &str, text: &str, shows: bool, encrypted_content: Option<&str>) -> String {
    let (summary, content) = ([SummaryText { text }], [ReasoningText { text }]);
    let (summary, content) = match (text.is_empty(), shows) {
        (true, _) => (&[][..], &[][..]),
        (false, true) => (&[][..], &content[..]),
        (false, false) => (&summary[..], &[][..]),
    };
    json(&Item::Reasoning { id, summary, content, encrypted_content })
}

/// The item of a call, as JSON: its id, what is called, what it is called with, and how far it is.
pub(super) fn call(
    id: &str,
    (call_id, name, kind): (&str, &str, ToolCallKind),
    text: &str,
    status: &'static str,
) -> String {
    json(&match kind {
        ToolCallKind::Function => Item::FunctionCall { id, call_id, name, arguments: text, status },
        ToolCallKind::Custom => Item::CustomToolCall { id, call_id, name, input: text, status },
    })
}
