//! Reading messages: those of a request, and the one in an answer.

use super::super::TranslateError;
use super::super::data_url;
use super::super::fields::{Fields, Kind, each_object, invalid, kind, read, text};
use crate::ir::{
    ChatRequest, Content, Json, Message, Part, Role, Signature, Source, ToolCall, ToolCallKind, ToolResult,
};
use crate::protocol::Protocol;
use serde_json::value::RawValue;

/// Reads `messages`; instructions that come first become the request's `system`.
pub(super) fn messages(
    fields: &mut Fields<'_>,
    request: &mut ChatRequest,
    ignored: &mut Vec<String>,
) -> Result<(), TranslateError> {
    let raw = fields.required("messages")?;
    let mut legacy = LegacyCalls::default();
    let all = each_object("messages", raw)?;
    request.messages.reserve_exact(all.len());
    for message in all {
        let mut message = message?;
        let role = message.required_string("role")?;
        let is_instruction = matches!(role.as_str(), "system" | "developer");
        let name = if role == "function" { None } else { message.string("name")? };
        let mut parts = match role.as_str() {
            "system" | "developer" | "user" => content(&mut message, ignored)?,
            "assistant" => assistant(&mut message, &mut legacy, ignored)?,
            "tool" => {
                let call_id = message.required_string("tool_call_id")?;
                vec![tool_result(call_id, &mut message, ignored)?]
            }
            "function" => {
                let name = message.required_string("name")?;
                vec![tool_result(legacy.answered(&name), &mut message, ignored)?]
            }
            other => return Err(invalid(&message.path("role"), format!("unknown role `{other}`"))),
        };
        if let (Some(marker), Some(last)) = (message.json("cache_control"), parts.last_mut()) {
            last.cache_control.get_or_insert(marker);
        }
        message.finish(ignored);
        if is_instruction && request.messages.is_empty() {
            request.system.extend(parts);
            continue;
        }
        let role = match role.as_str() {
            "system" | "developer" => Role::System,
            "assistant" => Role::Assistant,
            _ => Role::User,
        };
        // The name of a tool's message repeats the call's.
        let is_result = matches!(parts.first(), Some(Part { content: Content::ToolResult(_), .. }));
        request.messages.push(Message { role, parts, name: name.filter(|_| !is_result) });
    }
    Ok(())
}

/// Gives ids to calls of OpenAI's older kind, which have none.
#[derive(Default)]
pub(super) struct LegacyCalls {
    made: usize,
    open: Vec<(String, String)>,
}

impl LegacyCalls {
    fn call(&mut self, name: &str) -> String {
        self.made += 1;
        let id = format!("call_{}", self.made);
        self.open.push((name.to_owned(), id.clone()));
        id
    }

    fn answered(&mut self, name: &str) -> String {
        match self.open.iter().position(|(open, _)| open == name) {
            Some(at) => self.open.remove(at).1,
            None => self.call(name),
        }
    }
}

/// Reads the message of an assistant: thoughts, then text, then calls.
pub(super) fn assistant(
    message: &mut Fields<'_>,
    legacy: &mut LegacyCalls,
    ignored: &mut Vec<String>,
) -> Result<Vec<Part>, TranslateError> {
    let mut parts = reasoning(message, ignored)?;
    parts.extend(content(message, ignored)?);
    if let Some(refusal) = message.string("refusal")? {
        parts.push(Part::new(Content::Refusal(refusal)));
    }
    for mut image in message.objects("images")? {
        parts.push(Part::new(image_url(&mut image)?));
    }
    for mut call in message.objects("tool_calls")? {
        parts.extend(signed_call(&mut call)?);
        parts.push(tool_call(&mut call)?);
        call.finish(ignored);
    }
    if let Some(mut call) = message.object("function_call")? {
        let name = call.required_string("name")?;
        let arguments = arguments(&mut call, "arguments")?;
        let id = legacy.call(&name);
        let call = ToolCall { id, name, kind: ToolCallKind::Function, arguments };
        parts.push(Part::new(Content::ToolCall(call)));
    }
    Ok(parts)
}

/// Where Google's compatible endpoint puts the signature of the thoughts that led to a call, and where we put it.
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>, read 2026-11-26.
fn signed_call(call: &mut Fields<'_>) -> Result<Option<Part>, TranslateError> {
    let Some(mut extra) = call.object("extra_content")? else { return Ok(None) };
    let Some(mut google) = extra.object("google")? else { return Ok(None) };
    let value = google.string("thought_signature")?.filter(|value| !value.is_empty());
    let signature = value.map(|value| Signature { protocol: Protocol::Gemini, value });
    Ok(signature.map(|it| Part::new(Content::Reasoning { text: String::new(), signature: Some(it) })))
}

fn tool_call(call: &mut Fields<'_>) -> Result<Part, TranslateError> {
    let id = call.string("id")?.unwrap_or_default();
    // Where the call stands among its siblings; streams repeat it, whole answers need not.
    call.raw("index");
    let cache_control = call.json("cache_control");
    let is_custom = call.string("type")?.as_deref() == Some("custom");
    let (kind, key, field) = match is_custom {
        true => (ToolCallKind::Custom, "custom", "input"),
        false => (ToolCallKind::Function, "function", "arguments"),
    };
    let mut inner = call.object(key)?.ok_or_else(|| call.missing(key))?;
    let name = inner.required_string("name")?;
    let arguments = arguments(&mut inner, field)?;
    Ok(Part { content: Content::ToolCall(ToolCall { id, name, kind, arguments }), cache_control })
}

/// Arguments are a string of JSON; some clients and servers send the object itself.
fn arguments(call: &mut Fields<'_>, key: &str) -> Result<String, TranslateError> {
    let path = call.path(key);
    match call.raw(key) {
        None => Ok(String::new()),
        Some(raw) if kind(raw) == Kind::String => Ok(text(&path, raw)?.into_owned()),
        Some(raw) => Ok(raw.get().to_owned()),
    }
}

/// `thinking_blocks` says the most; `reasoning_content` (or `reasoning`) with `reasoning_signature` says the
/// same for one block.
fn reasoning(message: &mut Fields<'_>, ignored: &mut Vec<String>) -> Result<Vec<Part>, TranslateError> {
    let signed = |value: String| Signature::from_field(Protocol::AnthropicMessages, value);
    let content = message.string("reasoning_content")?;
    let text = match content {
        Some(text) => {
            message.raw("reasoning");
            Some(text)
        }
        None => message.string("reasoning")?,
    };
    let signature = message.string("reasoning_signature")?.filter(|value| !value.is_empty()).map(signed);
    let mut parts = Vec::new();
    for mut block in message.objects("thinking_blocks")? {
        match block.required_string("type")?.as_str() {
            "thinking" => {
                let text = block.string("thinking")?.unwrap_or_default();
                let signature = block.string("signature")?.filter(|value| !value.is_empty()).map(signed);
                parts.push(Part::new(Content::Reasoning { text, signature }));
            }
            "redacted_thinking" => {
                let data = block.required_string("data")?;
                parts.push(Part::new(Content::RedactedReasoning(signed(data))));
            }
            other => {
                return Err(invalid(&block.path("type"), format!("unknown thinking block `{other}`")));
            }
        }
        block.finish(ignored);
    }
    let is_said = text.as_ref().is_some_and(|text| !text.is_empty()) || signature.is_some();
    if parts.is_empty() && is_said {
        parts.push(Part::new(Content::Reasoning { text: text.unwrap_or_default(), signature }));
    }
    Ok(parts)
}

fn tool_result(
    call_id: String,
    message: &mut Fields<'_>,
    ignored: &mut Vec<String>,
) -> Result<Part, TranslateError> {
    let parts = content(message, ignored)?;
    Ok(Part::new(Content::ToolResult(ToolResult { call_id, parts, is_error: false })))
}

/// Reads `content`: a text, parts, or nothing.
fn content(message: &mut Fields<'_>, ignored: &mut Vec<String>) -> Result<Vec<Part>, TranslateError> {
    let path = message.path("content");
    let Some(raw) = message.raw("content") else { return Ok(Vec::new()) };
    if kind(raw) == Kind::String {
        let text = text(&path, raw)?;
        return Ok(if text.is_empty() { Vec::new() } else { vec![Part::text(text.into_owned())] });
    }
    let items: Vec<&RawValue> = read(&path, raw)?;
    let read_part = |(at, item): (usize, &&RawValue)| part(format!("{path}[{at}]"), item, ignored);
    items.iter().enumerate().map(read_part).collect()
}

fn part(path: String, raw: &RawValue, ignored: &mut Vec<String>) -> Result<Part, TranslateError> {
    if kind(raw) == Kind::String {
        return Ok(Part::text(text(&path, raw)?.into_owned()));
    }
    let mut fields = Fields::new(path, raw)?;
    let cache_control = fields.json("cache_control");
    let word = fields.required_string("type")?;
    let content = match word.as_str() {
        "text" => Content::Text { text: fields.required_string("text")?, citations: Vec::new() },
        "refusal" => Content::Refusal(fields.required_string("refusal")?),
        "image_url" => image_url(&mut fields)?,
        "input_audio" => {
            let mut audio = fields.object("input_audio")?.ok_or_else(|| fields.missing("input_audio"))?;
            Content::Audio { data: audio.required_string("data")?, format: audio.required_string("format")? }
        }
        "file" => {
            let mut file = fields.object("file")?.ok_or_else(|| fields.missing("file"))?;
            let document = document(&mut file)?;
            file.finish(ignored);
            document
        }
        "input_file" | "file_input" => document(&mut fields)?,
        _ => {
            let opaque = Content::Opaque { protocol: Protocol::OpenAiChat, kind: word, raw: Json::from(raw) };
            return Ok(Part { content: opaque, cache_control });
        }
    };
    fields.finish(ignored);
    Ok(Part { content, cache_control })
}

fn image_url(fields: &mut Fields<'_>) -> Result<Content, TranslateError> {
    fields.raw("type");
    fields.raw("index");
    let path = fields.path("image_url");
    let raw = fields.required("image_url")?;
    let (url, detail, media_type) = if kind(raw) == Kind::String {
        (text(&path, raw)?.into_owned(), None, None)
    } else {
        let mut image = Fields::new(path.clone(), raw)?;
        (image.required_string("url")?, image.string("detail")?, image.string("mime_type")?)
    };
    Ok(Content::Image { source: source(&path, url, media_type)?, detail })
}

fn document(fields: &mut Fields<'_>) -> Result<Content, TranslateError> {
    let name = fields.string("filename")?;
    let media_type = fields.string("mime_type")?;
    let source = if let Some(data) = fields.string("file_data")? {
        let is_pdf = name.as_ref().is_some_and(|name| name.to_ascii_lowercase().ends_with(".pdf"));
        let media_type = media_type.or(is_pdf.then(|| "application/pdf".to_owned()));
        source(&fields.path("file_data"), data, media_type)?
    } else if let Some(url) = fields.string("file_url")? {
        Source::Url(url)
    } else if let Some(id) = fields.string("file_id")? {
        Source::File { protocol: Protocol::OpenAiChat, id }
    } else {
        return Err(fields.missing("file_data"));
    };
    Ok(Content::Document { source, name, context: None, citations: None })
}

/// An address, a data URL, or bare base64.
fn source(path: &str, text: String, media_type: Option<String>) -> Result<Source, TranslateError> {
    if data_url::is_address(&text) {
        return Ok(Source::Url(text));
    }
    if text.starts_with("data:") {
        let (said, data) =
            data_url::split(&text).ok_or_else(|| invalid(path, "the data URL is not in base64"))?;
        let media_type = if said.is_empty() { media_type.unwrap_or_default() } else { said.to_owned() };
        return Ok(Source::Base64 { media_type, data: data.to_owned() });
    }
    match media_type.or_else(|| data_url::sniff(&text).map(str::to_owned)) {
        Some(media_type) => Ok(Source::Base64 { media_type, data: text }),
        None => Err(invalid(path, "expected an https URL, a data URL, or base64 with `mime_type`")),
    }
}
