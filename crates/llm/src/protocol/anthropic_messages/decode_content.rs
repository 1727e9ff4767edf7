//! Reading blocks: those of a request's messages, and those of an answer.

use super::super::TranslateError;
use super::super::fields::{Fields, Kind, invalid, kind, objects, read, text};
use crate::ir::{Citation, Content, Json, Part, Signature, Source, ToolCall, ToolCallKind, ToolResult};
use crate::protocol::Protocol;
use serde_json::value::RawValue;

/// Reads a text or a list of blocks.
pub(super) fn content(
    path: &str,
    raw: &RawValue,
    ignored: &mut Vec<String>,
) -> Result<Vec<Part>, TranslateError> {
    if kind(raw) == Kind::String {
        let text = text(path, raw)?;
        return Ok(if text.is_empty() { Vec::new() } else { vec![Part::text(text.into_owned())] });
    }
    let items: Vec<&RawValue> = read(path, raw)?;
    let read_block = |(at, item): (usize, &&RawValue)| block(format!("{path}[{at}]"), item, ignored);
    items.iter().enumerate().map(read_block).collect()
}

fn block(path: String, raw: &RawValue, ignored: &mut Vec<String>) -> Result<Part, TranslateError> {
    let mut fields = Fields::new(path, raw)?;
    let cache_control = fields.json("cache_control");
    let word = fields.required_string("type")?;
    let content = match word.as_str() {
        "text" => {
            let text = fields.required_string("text")?;
            Content::Text { text, citations: citations(&mut fields)? }
        }
        "image" => match source(&mut fields)? {
            Some(source) => Content::Image { source, detail: None },
            None => return Ok(opaque(word, raw, cache_control)),
        },
        "document" => match source(&mut fields)? {
            Some(source) => Content::Document {
                source,
                name: fields.string("title")?,
                context: fields.string("context")?,
                citations: fields.json("citations"),
            },
            None => return Ok(opaque(word, raw, cache_control)),
        },
        "thinking" => {
            let text = fields.required_string("thinking")?;
            let signature = fields.string("signature")?.filter(|value| !value.is_empty()).map(signed);
            Content::Reasoning { text, signature }
        }
        "redacted_thinking" => Content::RedactedReasoning(signed(fields.required_string("data")?)),
        "tool_use" => {
            // Tells a call by the model from one by its own programs, which come with blocks that only
            // Anthropic knows.
            fields.raw("caller");
            Content::ToolCall(ToolCall {
                id: fields.required_string("id")?,
                name: fields.required_string("name")?,
                kind: ToolCallKind::Function,
                arguments: fields.raw("input").map_or("{}", RawValue::get).to_owned(),
            })
        }
        "tool_result" => Content::ToolResult(tool_result(&mut fields, ignored)?),
        _ => return Ok(opaque(word, raw, cache_control)),
    };
    fields.finish(ignored);
    Ok(Part { content, cache_control })
}

fn opaque(kind: String, raw: &RawValue, cache_control: Option<Json>) -> Part {
    let content = Content::Opaque { protocol: Protocol::AnthropicMessages, kind, raw: Json::from(raw) };
    Part { content, cache_control }
}

fn tool_result(fields: &mut Fields<'_>, ignored: &mut Vec<String>) -> Result<ToolResult, TranslateError> {
    let path = fields.path("content");
    let parts = match fields.raw("content") {
        Some(raw) => content(&path, raw, ignored)?,
        None => Vec::new(),
    };
    Ok(ToolResult {
        call_id: fields.required_string("tool_use_id")?,
        parts,
        is_error: fields.get("is_error")?.unwrap_or(false),
    })
}

pub(super) fn signed(value: String) -> Signature {
    Signature::from_field(Protocol::AnthropicMessages, value)
}

/// Reads a `source`; `None` for a kind that is carried as it is.
fn source(fields: &mut Fields<'_>) -> Result<Option<Source>, TranslateError> {
    let mut source = fields.object("source")?.ok_or_else(|| fields.missing("source"))?;
    Ok(Some(match source.required_string("type")?.as_str() {
        "base64" => Source::Base64 {
            media_type: source.required_string("media_type")?,
            data: source.required_string("data")?,
        },
        "url" => Source::Url(source.required_string("url")?),
        "text" => Source::Text(source.required_string("data")?),
        "file" => {
            Source::File { protocol: Protocol::AnthropicMessages, id: source.required_string("file_id")? }
        }
        "content" => return Ok(None),
        other => return Err(invalid(&source.path("type"), format!("unknown source `{other}`"))),
    }))
}

fn citations(fields: &mut Fields<'_>) -> Result<Vec<Citation>, TranslateError> {
    let path = fields.path("citations");
    let Some(raw) = fields.raw("citations") else { return Ok(Vec::new()) };
    let items: Vec<&RawValue> = read(&path, raw)?;
    items.iter().zip(objects(&path, raw)?).map(|(item, object)| citation(object, item)).collect()
}

/// Reads a citation of any kind; only those of web pages have a URL.
pub(super) fn citation(mut object: Fields<'_>, raw: &RawValue) -> Result<Citation, TranslateError> {
    Ok(Citation {
        url: object.string("url")?.unwrap_or_default(),
        title: object.string("title")?.unwrap_or_default(),
        cited_text: object.string("cited_text")?.unwrap_or_default(),
        span: None,
        raw: Some((Protocol::AnthropicMessages, Json::from(raw))),
    })
}
