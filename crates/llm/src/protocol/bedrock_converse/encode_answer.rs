//! Writing a whole answer, and what streamed ones share with it.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>, read 2026-11-26.

use super::super::unsaid::warn_ignored;
use super::super::write::to_json;
use super::super::{Encoded, free_text};
use super::signature::{in_field, redacted_in_field};
use super::usage;
use super::wire::{Block, Bytes, CitationOut, CitedText, Location, Place, Reasoning};
use crate::ir::{
    ChatResponse, Citation, Content, FinishReason, Json, Part, Source, ToolCall, ToolCallKind, Warnings,
};
use crate::protocol::Protocol;
use domain::{Money, Usage};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    output: Output<'a>,
    stop_reason: &'static str,
    usage: usage::Out,
    metrics: Metrics,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_model_response_fields: Option<Ended<'a>>,
}

#[derive(Serialize)]
struct Output<'a> {
    message: Message<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metrics {
    pub latency_ms: u64,
}

/// What ended the answer, where Claude tells it when it is asked for `/stop_sequence`.
#[derive(Serialize)]
pub(super) struct Ended<'a> {
    pub stop_sequence: &'a str,
}

/// Writes an answer; the first one where there are several. `cost` becomes `usage.cost`.
pub(in crate::protocol) fn encode_response(response: &ChatResponse, cost: Option<Money>) -> Encoded {
    let mut warnings = Warnings::new(response.protocol, Protocol::BedrockConverse);
    if response.choices.len() > 1 {
        warnings.add("choices", "only the first answer was kept");
    }
    let choice = response.choices.first();
    if choice.is_some_and(|choice| choice.logprobs.is_some()) {
        warnings.add("logprobs", "dropped: the protocol has none");
    }
    let parts = choice.map_or(&[][..], |choice| &choice.parts);
    let content: Vec<Block<'_>> = parts.iter().filter_map(|part| block(part, &mut warnings)).collect();
    let has_calls = parts.iter().any(|part| matches!(part.content, Content::ToolCall(_)));
    let finish = choice.map_or(FinishReason::Stop, |choice| choice.finish);
    let finish = if has_calls { finish.of_calls() } else { finish };
    warn_ignored(&response.ignored, &mut warnings);
    let body = Body {
        output: Output { message: Message { role: "assistant", content } },
        stop_reason: finish.as_converse(),
        usage: usage::encode(&response.usage.unwrap_or(Usage::ZERO), cost),
        metrics: Metrics { latency_ms: response.took_ms.unwrap_or(0) },
        additional_model_response_fields: choice
            .and_then(|choice| choice.stop_sequence.as_deref())
            .map(|stop_sequence| Ended { stop_sequence }),
    };
    Encoded { body: to_json(&body), warnings: warnings.take(), is_form_emulated: false }
}

/// Writes a part; `None` where it was dropped.
fn block<'a>(part: &'a Part, warnings: &mut Warnings) -> Option<Block<'a>> {
    Some(match &part.content {
        Content::Text { text, citations } if citations.is_empty() => Block::Text(text.into()),
        Content::Text { text, citations } => Block::CitationsContent {
            content: [CitedText { text }],
            citations: citations.iter().map(citation).collect(),
        },
        Content::Refusal(text) => Block::Text(text.into()),
        Content::Reasoning { text, signature } => Block::ReasoningContent(Reasoning::ReasoningText {
            text,
            signature: signature.as_ref().map(in_field),
        }),
        Content::RedactedReasoning(signature) => {
            Block::ReasoningContent(Reasoning::RedactedContent(redacted_in_field(signature)))
        }
        Content::ToolCall(call) => Block::ToolUse {
            tool_use_id: Cow::Borrowed(&call.id),
            name: &call.name,
            input: input(call, warnings),
        },
        Content::Image { source, .. } => match picture(source) {
            Some((format, data)) => Block::Image { format, source: Bytes { bytes: data.into() } },
            None => {
                warnings.add("content", "an image that has no bytes was dropped");
                return None;
            }
        },
        Content::Document { .. } | Content::Audio { .. } | Content::ToolResult(_) => {
            warnings.add("content", "a document or sound in the answer was dropped");
            return None;
        }
        Content::Opaque { protocol: Protocol::BedrockConverse, raw, .. } => Block::Raw(raw.raw()),
        Content::Opaque { kind, .. } => {
            warnings.add("content", format!("a part of type {kind} was dropped"));
            return None;
        }
    })
}

/// The bytes of a picture, and the word for their format.
pub(super) fn picture(source: &Source) -> Option<(&'static str, &str)> {
    match source {
        Source::Base64 { media_type, data } => Some((image_format(media_type)?, data)),
        Source::Url(_) | Source::Text(_) | Source::File { .. } => None,
    }
}

/// The word for a format of pictures.
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ImageBlock.html>, read 2026-11-26.
pub(super) fn image_format(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpeg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        _ => return None,
    })
}

/// What a tool is called with: an object; what is none is told in one.
pub(super) fn input<'a>(call: &'a ToolCall, warnings: &mut Warnings) -> Cow<'a, RawValue> {
    match call.kind {
        ToolCallKind::Custom => Cow::Owned(free_text::arguments(&call.arguments)),
        ToolCallKind::Function => match serde_json::from_str::<&RawValue>(&call.arguments) {
            Ok(raw) if raw.get().starts_with('{') => Cow::Borrowed(raw),
            _ if call.arguments.trim().is_empty() => {
                Cow::Owned(super::super::anthropic_messages::encode_content::empty_object())
            }
            _ => {
                warnings.add("tool_calls", "arguments that are no JSON object were wrapped in one");
                Cow::Owned(free_text::wrapped("arguments", &call.arguments))
            }
        },
    }
}

/// Writes a source of a text.
pub(super) fn citation(citation: &Citation) -> CitationOut<'_> {
    let location = match &citation.raw {
        Some((Protocol::AnthropicMessages, raw)) => place(raw),
        Some(_) | None => None,
    };
    let web = (!citation.url.is_empty()).then_some(Location::Web { url: &citation.url });
    CitationOut {
        title: &citation.title,
        source_content: (!citation.cited_text.is_empty())
            .then_some([CitedText { text: &citation.cited_text }]),
        location: location.or(web),
    }
}

/// A place in a document, as Claude words it in its own protocol.
fn place(raw: &Json) -> Option<Location<'static>> {
    #[derive(Deserialize)]
    struct Told<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
        #[serde(default)]
        document_index: u64,
        #[serde(alias = "start_char_index", alias = "start_page_number", alias = "start_block_index")]
        start: Option<u64>,
        #[serde(alias = "end_char_index", alias = "end_page_number", alias = "end_block_index")]
        end: Option<u64>,
    }
    let told: Told<'_> = serde_json::from_str(raw.get()).ok()?;
    let place = Place { document_index: told.document_index, start: told.start?, end: told.end? };
    match told.kind.as_ref() {
        "char_location" => Some(Location::DocumentChar(place)),
        "page_location" => Some(Location::DocumentPage(place)),
        "content_block_location" => Some(Location::DocumentChunk(place)),
        _ => None,
    }
}
