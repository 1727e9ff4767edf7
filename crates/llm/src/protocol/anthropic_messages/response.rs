//! Reading and writing a whole message.
//!
//! <https://platform.claude.com/docs/en/api/messages>, read 2026-11-22.

use super::super::fields::{Fields, invalid};
use super::super::unsaid::warn_ignored;
use super::super::write::to_json_with;
use super::super::{Encoded, TranslateError};
use super::decode_content::content;
use super::encode_content::ContentWriter;
use super::{usage, wire};
use crate::ir::{ChatResponse, Choice, Content, FinishReason, Part, Warnings};
use crate::protocol::Protocol;
use domain::{Money, Usage};
use serde::Serialize;
use std::borrow::Cow;

/// Reads an answer.
pub(in crate::protocol) fn decode_response(body: &[u8]) -> Result<ChatResponse, TranslateError> {
    decode(body).map_err(TranslateError::in_response)
}

fn decode(body: &[u8]) -> Result<ChatResponse, TranslateError> {
    let mut fields = Fields::of_body(body)?;
    let mut ignored = Vec::new();
    if fields.string("type")?.is_some_and(|kind| kind != "message") {
        return Err(invalid("type", "this is not a message"));
    }
    fields.raw("role");
    let parts = content("content", fields.required("content")?, &mut ignored)?;
    let raw = fields.string("stop_reason")?.unwrap_or_default();
    let choice = Choice {
        parts,
        finish: FinishReason::from_anthropic(&raw),
        finish_raw: raw,
        stop_sequence: fields.string("stop_sequence")?,
        logprobs: None,
    };
    let usage = fields.raw("usage");
    let response = ChatResponse {
        protocol: Protocol::AnthropicMessages,
        id: fields.string("id")?.unwrap_or_default(),
        model: fields.string("model")?.unwrap_or_default(),
        created: None,
        choices: vec![choice],
        usage: usage.and_then(|raw| usage::decode(raw.get())),
        service_tier: None,
        echo: None,
        took_ms: None,
        ignored: Vec::new(),
    };
    fields.finish(&mut ignored);
    Ok(ChatResponse { ignored, ..response })
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<wire::AnyBlock<'a>>,
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
    usage: usage::Out,
}

/// Writes an answer; the first one where there are several.
pub(in crate::protocol) fn encode_response(response: &ChatResponse, cost: Option<Money>) -> Encoded {
    let mut warnings = Warnings::new(response.protocol, Protocol::AnthropicMessages);
    if response.choices.len() > 1 {
        warnings.add("choices", "only the first answer was kept");
    }
    let choice = response.choices.first();
    let parts = choice.map_or(&[][..], |choice| &choice.parts);
    if choice.is_some_and(|choice| choice.logprobs.is_some()) {
        warnings.add("logprobs", "dropped: the protocol has none");
    }
    warn_ignored(&response.ignored, &mut warnings);
    let body = Body {
        id: &response.id,
        kind: "message",
        role: "assistant",
        model: &response.model,
        content: blocks(parts, &mut warnings),
        stop_reason: stop_reason(choice).as_anthropic(),
        stop_sequence: choice.and_then(|choice| choice.stop_sequence.as_deref()),
        usage: usage::encode(&response.usage.unwrap_or(Usage::ZERO), cost),
    };
    let content_bytes = parts.iter().map(Part::bytes).sum();
    Encoded { body: to_json_with(content_bytes, &body), warnings: warnings.take(), is_form_emulated: false }
}

fn stop_reason(choice: Option<&Choice>) -> FinishReason {
    let Some(choice) = choice else { return FinishReason::Stop };
    let calls = choice.parts.iter().any(|part| matches!(part.content, Content::ToolCall(_)));
    if calls { choice.finish.of_calls() } else { choice.finish }
}

fn blocks<'a>(parts: &'a [Part], warnings: &mut Warnings) -> Vec<wire::AnyBlock<'a>> {
    let mut blocks = Vec::with_capacity(parts.len());
    for part in parts {
        match &part.content {
            // Unsigned thoughts are shown; only sending them back is of no use.
            Content::Reasoning { text, signature } => {
                let signature = signature
                    .as_ref()
                    .map_or(Cow::Borrowed(""), |it| it.in_field(Protocol::AnthropicMessages));
                blocks.push(wire::AnyBlock::Known(wire::Block::Thinking { thinking: text, signature }));
            }
            Content::Image { .. }
            | Content::Document { .. }
            | Content::Audio { .. }
            | Content::ToolResult(_) => {
                warnings.add("content", "an image or sound in the answer was dropped");
            }
            Content::Text { .. }
            | Content::Refusal(_)
            | Content::RedactedReasoning(_)
            | Content::ToolCall(_)
            | Content::Opaque { .. } => {
                let written = ContentWriter { warnings }.block(part);
                blocks.extend(written.ok().flatten());
            }
        }
    }
    blocks
}

/// A complaint-free reading of one object, for events that carry a part of a message.
pub(super) fn fields_of(raw: &serde_json::value::RawValue) -> Result<Fields<'_>, TranslateError> {
    Fields::new(String::new(), raw).map_err(TranslateError::in_response)
}
