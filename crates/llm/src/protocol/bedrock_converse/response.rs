//! Reading a whole answer.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>, read 2026-11-26. It tells neither an
//! id nor the model.

use super::super::TranslateError;
use super::super::fields::{Fields, invalid};
use super::signature::{redacted, signed};
use super::{ANSWER_TOOL, finish_reason, usage};
use crate::ir::{ChatResponse, Choice, Citation, Content, Json, Part, ToolCall, ToolCallKind};
use crate::protocol::Protocol;

/// Reads an answer.
pub(in crate::protocol) fn decode_response(body: &[u8]) -> Result<ChatResponse, TranslateError> {
    decode(body).map_err(TranslateError::in_response)
}

fn decode(body: &[u8]) -> Result<ChatResponse, TranslateError> {
    let mut fields = Fields::of_body(body)?;
    let mut ignored = Vec::new();
    // What guardrails found and how long it took is nobody else's to tell.
    for known in ["metrics", "trace", "performanceConfig"] {
        fields.raw(known);
    }
    let mut output = fields.object("output")?.ok_or_else(|| fields.missing("output"))?;
    let mut message = output.object("message")?.ok_or_else(|| output.missing("message"))?;
    message.raw("role");
    let mut parts = Vec::new();
    let mut is_answer_tool = false;
    for mut block in message.objects("content")? {
        if let Some(part) = part(&mut block, &mut is_answer_tool)? {
            parts.push(part);
        }
        block.finish(&mut ignored);
    }
    message.finish(&mut ignored);
    output.finish(&mut ignored);
    let raw = fields.string("stopReason")?.unwrap_or_default();
    let finish = finish_of(&raw, is_answer_tool, &parts);
    let mut tier = fields.object("serviceTier")?;
    let response = ChatResponse {
        protocol: Protocol::BedrockConverse,
        id: String::new(),
        model: String::new(),
        created: None,
        echo: None,
        took_ms: None,
        choices: vec![Choice { parts, finish, finish_raw: raw, stop_sequence: None, logprobs: None }],
        usage: fields.raw("usage").and_then(|raw| usage::decode(raw.get())),
        service_tier: tier.as_mut().map(|tier| tier.string("type")).transpose()?.flatten(),
        ignored: Vec::new(),
    };
    fields.finish(&mut ignored);
    Ok(ChatResponse { ignored, ..response })
}

/// An answer that was asked for with a tool ends like any other.
fn finish_of(raw: &str, is_answer_tool: bool, parts: &[Part]) -> crate::ir::FinishReason {
    let calls = parts.iter().any(|part| matches!(part.content, Content::ToolCall(_)));
    if is_answer_tool && !calls && raw == "tool_use" { finish_reason("end_turn") } else { finish_reason(raw) }
}

/// Reads a block; `None` where it is left to be told as not understood.
fn part(block: &mut Fields<'_>, is_answer_tool: &mut bool) -> Result<Option<Part>, TranslateError> {
    if let Some(text) = block.string("text")? {
        return Ok(Some(Part::text(text)));
    }
    if let Some(mut call) = block.object("toolUse")? {
        let input = call.raw("input").map_or("{}", |raw| raw.get()).to_owned();
        let (id, name) = (call.required_string("toolUseId")?, call.required_string("name")?);
        if name == ANSWER_TOOL {
            *is_answer_tool = true;
            return Ok(Some(Part::text(input)));
        }
        let call = ToolCall { id, name, kind: ToolCallKind::Function, arguments: input };
        return Ok(Some(Part::new(Content::ToolCall(call))));
    }
    if let Some(mut reasoning) = block.object("reasoningContent")? {
        if let Some(value) = reasoning.string("redactedContent")? {
            return Ok(Some(Part::new(Content::RedactedReasoning(redacted(value)))));
        }
        let Some(mut thoughts) = reasoning.object("reasoningText")? else { return Ok(None) };
        let text = thoughts.string("text")?.unwrap_or_default();
        let signature = thoughts.string("signature")?.filter(|value| !value.is_empty()).map(signed);
        return Ok(Some(Part::new(Content::Reasoning { text, signature })));
    }
    if let Some(mut cited) = block.object("citationsContent")? {
        return cited_text(&mut cited).map(Some);
    }
    Ok(None)
}

/// A text, and what it rests on.
pub(super) fn cited_text(cited: &mut Fields<'_>) -> Result<Part, TranslateError> {
    let mut text = String::new();
    for mut piece in cited.objects("content")? {
        text.push_str(&piece.string("text")?.unwrap_or_default());
    }
    let mut citations = Vec::new();
    for mut citation in cited.objects("citations")? {
        citations.push(read_citation(&mut citation)?);
    }
    Ok(Part::new(Content::Text { text, citations }))
}

/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Citation.html>; places are not checked against its pages.
pub(super) fn read_citation(citation: &mut Fields<'_>) -> Result<Citation, TranslateError> {
    let mut cited_text = String::new();
    for mut piece in citation.objects("sourceContent")? {
        cited_text.push_str(&piece.string("text")?.unwrap_or_default());
    }
    let title = citation.string("title")?.unwrap_or_default();
    let Some(mut location) = citation.object("location")? else {
        return Ok(Citation { title, cited_text, ..Citation::default() });
    };
    let mut web = location.object("web")?;
    let url = web.as_mut().map(|web| web.string("url")).transpose()?.flatten().unwrap_or_default();
    let raw = in_document(&mut location, &title, &cited_text)?;
    Ok(Citation {
        url,
        title,
        cited_text,
        span: None,
        raw: raw.map(|raw| (Protocol::AnthropicMessages, raw)),
    })
}

/// A place in a document. Only Claude tells any, so it is worded as in its own protocol
/// (<https://platform.claude.com/docs/en/build-with-claude/citations>; its shapes are not checked against that page).
fn in_document(
    location: &mut Fields<'_>,
    title: &str,
    cited_text: &str,
) -> Result<Option<Json>, TranslateError> {
    let kinds = [
        ("documentChar", "char_location", "start_char_index", "end_char_index"),
        ("documentPage", "page_location", "start_page_number", "end_page_number"),
        ("documentChunk", "content_block_location", "start_block_index", "end_block_index"),
    ];
    for (name, kind, start, end) in kinds {
        let Some(mut place) = location.object(name)? else { continue };
        let raw = serde_json::json!({
            "type": kind, "cited_text": cited_text, "document_title": title,
            "document_index": place.count("documentIndex")?.unwrap_or(0),
            start: place.count("start")?.unwrap_or(0), end: place.count("end")?.unwrap_or(0),
        });
        return Ok(Json::parse(&raw.to_string()));
    }
    Ok(None)
}

/// A complaint-free reading of one object, for events that carry a part of a message.
pub(super) fn fields_of(raw: &serde_json::value::RawValue) -> Result<Fields<'_>, TranslateError> {
    Fields::new(String::new(), raw).map_err(TranslateError::in_response)
}

/// A complaint about an event.
pub(super) fn unreadable(what: impl std::fmt::Display) -> TranslateError {
    invalid("", format!("an event of the stream: {what}")).in_response()
}
