//! Reading a whole answer.
//!
//! <https://docs.cohere.com/reference/chat>, read 2026-11-26. It does not tell the model. A plan is what the model thought
//! before it called tools.

use super::super::TranslateError;
use super::super::fields::Fields;
use super::{citation, finish_reason, usage};
use crate::ir::{ChatResponse, Choice, Content, Part, ToolCall, ToolCallKind};
use crate::protocol::Protocol;

/// Reads an answer.
pub(in crate::protocol) fn decode_response(body: &[u8]) -> Result<ChatResponse, TranslateError> {
    decode(body).map_err(TranslateError::in_response)
}

fn decode(body: &[u8]) -> Result<ChatResponse, TranslateError> {
    let mut fields = Fields::of_body(body)?;
    let mut ignored = Vec::new();
    // Probabilities are not asked for; what `meta` has stands in `usage`.
    for known in ["logprobs", "meta"] {
        fields.raw(known);
    }
    let mut message = fields.object("message")?.ok_or_else(|| fields.missing("message"))?;
    message.raw("role");
    let mut parts = Vec::new();
    if let Some(plan) = message.string("tool_plan")?.filter(|plan| !plan.is_empty()) {
        parts.push(Part::new(Content::Reasoning { text: plan, signature: None }));
    }
    // Where each block of content became a part.
    let mut blocks = Vec::new();
    for mut block in message.objects("content")? {
        let part = part(&mut block)?;
        blocks.push(part.is_some().then_some(parts.len()));
        parts.extend(part);
        block.finish(&mut ignored);
    }
    cite(&mut message, &mut parts, &blocks, &mut ignored)?;
    let calls = message.objects("tool_calls")?;
    let has_calls = !calls.is_empty();
    for mut call in calls {
        parts.push(tool_call(&mut call)?);
    }
    message.finish(&mut ignored);
    let raw = fields.string("finish_reason")?.unwrap_or_default();
    let finish = if has_calls { finish_reason(&raw).of_calls() } else { finish_reason(&raw) };
    let response = ChatResponse {
        protocol: Protocol::CohereChat,
        id: fields.string("id")?.unwrap_or_default(),
        model: String::new(),
        created: None,
        echo: None,
        took_ms: None,
        choices: vec![Choice { parts, finish, finish_raw: raw, stop_sequence: None, logprobs: None }],
        usage: fields.raw("usage").and_then(|raw| usage::decode(raw.get())),
        service_tier: None,
        ignored: Vec::new(),
    };
    fields.finish(&mut ignored);
    Ok(ChatResponse { ignored, ..response })
}

/// Reads a block; `None` where it is left to be told as not understood.
fn part(block: &mut Fields<'_>) -> Result<Option<Part>, TranslateError> {
    block.raw("type");
    if let Some(text) = block.string("text")? {
        return Ok(Some(Part::text(text)));
    }
    let thoughts = block.string("thinking")?;
    Ok(thoughts.map(|text| Part::new(Content::Reasoning { text, signature: None })))
}

fn tool_call(call: &mut Fields<'_>) -> Result<Part, TranslateError> {
    let id = call.required_string("id")?;
    let mut function = call.object("function")?.ok_or_else(|| call.missing("function"))?;
    let name = function.required_string("name")?;
    let arguments = function.string("arguments")?.filter(|arguments| !arguments.trim().is_empty());
    let arguments = arguments.unwrap_or_else(|| "{}".to_owned());
    Ok(Part::new(Content::ToolCall(ToolCall { id, name, kind: ToolCallKind::Function, arguments })))
}

/// Puts citations to the texts they are about; without a number that is the first.
fn cite(
    message: &mut Fields<'_>,
    parts: &mut [Part],
    blocks: &[Option<usize>],
    ignored: &mut Vec<String>,
) -> Result<(), TranslateError> {
    let first = parts.iter().position(|part| matches!(part.content, Content::Text { .. }));
    for mut cited in message.objects("citations")? {
        let found = citation::read(&mut cited)?;
        let at = match found.block {
            Some(block) => blocks.get(block).copied().flatten(),
            None => first,
        };
        match at.and_then(|at| parts.get_mut(at)).map(|part| &mut part.content) {
            Some(Content::Text { citations, .. }) if found.is_of_text => citations.extend(found.citations),
            _ => {
                let path = "message.citations[] of thoughts".to_owned();
                if !ignored.contains(&path) {
                    ignored.push(path);
                }
            }
        }
        cited.finish(ignored);
    }
    Ok(())
}
