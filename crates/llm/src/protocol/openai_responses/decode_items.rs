//! Reading items: those of a request, and those of an answer.
//!
//! Items are flat; what one speaker says in a row becomes one turn, as other protocols have it.

use super::super::fields::{Fields, Kind, invalid, kind, read, text};
use super::super::{TranslateError, data_url};
use crate::ir::{
    ChatRequest, Citation, Content, Json, Message, Part, Role, Signature, Source, ToolCall, ToolCallKind,
    ToolResult,
};
use crate::protocol::Protocol;
use crate::protocol::openai_chat::url_citation;
use serde_json::value::RawValue;

/// In front of what another vendor has encrypted as a whole.
const REDACTED: &str = "redacted:";
/// Told of every item and of no use to anyone else.
const OF_EVERY_ITEM: [&str; 2] = ["id", "status"];

/// An item: who speaks, and what.
pub(super) struct Item {
    pub role: Role,
    pub parts: Vec<Part>,
    pub is_message: bool,
    /// Probabilities of its text's tokens.
    pub logprobs: Option<Json>,
}

/// Reads `input`; instructions that come first become the request's `system`.
pub(super) fn input(
    fields: &mut Fields<'_>,
    request: &mut ChatRequest,
    ignored: &mut Vec<String>,
) -> Result<(), TranslateError> {
    // Absent where a stored prompt or conversation has all there is.
    let Some(raw) = fields.raw("input") else { return Ok(()) };
    if kind(raw) == Kind::String {
        let parts = vec![Part::text(text("input", raw)?.into_owned())];
        request.messages.push(Message { role: Role::User, parts, name: None });
        return Ok(());
    }
    let items: Vec<&RawValue> = read("input", raw)?;
    for (at, raw) in items.iter().enumerate() {
        let item = item(format!("input[{at}]"), raw, ignored)?;
        if item.role == Role::System && request.messages.is_empty() {
            request.system.extend(item.parts);
            continue;
        }
        join(&mut request.messages, item);
    }
    Ok(())
}

/// Puts an item into the turn it belongs to. A message begins a turn, unless it follows the thoughts before it.
fn join(messages: &mut Vec<Message>, item: Item) {
    let has_said = |message: &Message| {
        message
            .parts
            .iter()
            .any(|part| !matches!(part.content, Content::Reasoning { .. } | Content::RedactedReasoning(_)))
    };
    let is_result = |part: &Part| matches!(part.content, Content::ToolResult(_));
    let fits = |last: &Message| match item.role {
        Role::Assistant => last.role == Role::Assistant && !(item.is_message && has_said(last)),
        Role::User => last.role == Role::User && !item.is_message && last.parts.iter().all(is_result),
        Role::System => false,
    };
    match messages.last_mut().filter(|last| fits(last)) {
        Some(last) => last.parts.extend(item.parts),
        None => messages.push(Message { role: item.role, parts: item.parts, name: None }),
    }
}

/// Reads one item.
pub(super) fn item(path: String, raw: &RawValue, ignored: &mut Vec<String>) -> Result<Item, TranslateError> {
    let mut fields = Fields::new(path, raw)?;
    let word = match fields.string("type")? {
        Some(word) => word,
        None if fields.has("role") => "message".to_owned(),
        None => "item_reference".to_owned(),
    };
    let own = |role, parts| Item { role, parts, is_message: false, logprobs: None };
    let item = match word.as_str() {
        "message" => message(&mut fields, ignored)?,
        "reasoning" => own(Role::Assistant, vec![Part::new(thoughts(&mut fields)?)]),
        "function_call" => {
            own(Role::Assistant, vec![call(&mut fields, ToolCallKind::Function, "arguments")?])
        }
        "custom_tool_call" => own(Role::Assistant, vec![call(&mut fields, ToolCallKind::Custom, "input")?]),
        "function_call_output" | "custom_tool_call_output" => {
            own(Role::User, vec![result(&mut fields, ignored)?])
        }
        _ => {
            let role = if word.ends_with("_output") || word.ends_with("_response") {
                Role::User
            } else {
                Role::Assistant
            };
            return Ok(own(role, vec![opaque(word, raw)]));
        }
    };
    for known in OF_EVERY_ITEM {
        fields.raw(known);
    }
    fields.finish(ignored);
    Ok(item)
}

fn opaque(kind: String, raw: &RawValue) -> Part {
    Part::new(Content::Opaque { protocol: Protocol::OpenAiResponses, kind, raw: Json::from(raw) })
}

fn message(fields: &mut Fields<'_>, ignored: &mut Vec<String>) -> Result<Item, TranslateError> {
    let role = match fields.required_string("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" | "developer" => Role::System,
        other => return Err(invalid(&fields.path("role"), format!("unknown role `{other}`"))),
    };
    let path = fields.path("content");
    let mut logprobs = None;
    let parts = match fields.raw("content") {
        Some(raw) => content(&path, raw, &mut logprobs, ignored)?,
        None => Vec::new(),
    };
    Ok(Item { role, parts, is_message: true, logprobs })
}

fn call(fields: &mut Fields<'_>, kind: ToolCallKind, key: &str) -> Result<Part, TranslateError> {
    Ok(Part::new(Content::ToolCall(ToolCall {
        id: fields.required_string("call_id")?,
        name: fields.required_string("name")?,
        kind,
        arguments: fields.string(key)?.unwrap_or_default(),
    })))
}

fn result(fields: &mut Fields<'_>, ignored: &mut Vec<String>) -> Result<Part, TranslateError> {
    let call_id = fields.required_string("call_id")?;
    let path = fields.path("output");
    let parts = content(&path, fields.required("output")?, &mut None, ignored)?;
    Ok(Part::new(Content::ToolResult(ToolResult { call_id, parts, is_error: false })))
}

/// Reads thoughts: their summary, or, of models that show them, the thoughts themselves.
fn thoughts(fields: &mut Fields<'_>) -> Result<Content, TranslateError> {
    let mut texts = Vec::new();
    for key in ["summary", "content"] {
        let mut read = Vec::new();
        for mut part in fields.objects(key)? {
            read.extend(part.string("text")?);
        }
        // Where both are told, the summary repeats the thoughts.
        if texts.is_empty() {
            texts = read;
        }
    }
    let encrypted = fields.string("encrypted_content")?.filter(|value| !value.is_empty());
    if let Some(whole) = encrypted.as_ref().and_then(|value| value.strip_prefix(REDACTED)) {
        let signature = Signature::from_field(Protocol::OpenAiResponses, whole.to_owned());
        return Ok(Content::RedactedReasoning(signature));
    }
    let signature = encrypted.map(|value| Signature::from_field(Protocol::OpenAiResponses, value));
    Ok(Content::Reasoning { text: texts.join("\n\n"), signature })
}

/// What another vendor has encrypted as a whole, in the field for what this one has.
pub(super) fn redacted(signature: &Signature) -> String {
    format!("{REDACTED}{}", signature.in_field(Protocol::OpenAiResponses))
}

/// Reads a text, or a list of parts.
fn content(
    path: &str,
    raw: &RawValue,
    logprobs: &mut Option<Json>,
    ignored: &mut Vec<String>,
) -> Result<Vec<Part>, TranslateError> {
    if kind(raw) == Kind::String {
        let text = text(path, raw)?;
        return Ok(if text.is_empty() { Vec::new() } else { vec![Part::text(text.into_owned())] });
    }
    let items: Vec<&RawValue> = read(path, raw)?;
    let read_part = |(at, item): (usize, &&RawValue)| part(format!("{path}[{at}]"), item, logprobs, ignored);
    items.iter().enumerate().map(read_part).collect()
}

fn part(
    path: String,
    raw: &RawValue,
    logprobs: &mut Option<Json>,
    ignored: &mut Vec<String>,
) -> Result<Part, TranslateError> {
    let mut fields = Fields::new(path, raw)?;
    let word = fields.required_string("type")?;
    let content = match word.as_str() {
        "input_text" | "text" => {
            Content::Text { text: fields.required_string("text")?, citations: Vec::new() }
        }
        "output_text" => {
            let text = fields.required_string("text")?;
            if let Some(raw) = fields.raw("logprobs").filter(|raw| raw.get() != "[]") {
                *logprobs = logprobs_of_chat(raw);
            }
            let citations = annotations(&mut fields, &text, ignored)?;
            Content::Text { text, citations }
        }
        "refusal" => Content::Refusal(fields.required_string("refusal")?),
        "input_image" => image(&mut fields)?,
        "input_file" => document(&mut fields)?,
        _ => return Ok(opaque(word, raw)),
    };
    fields.finish(ignored);
    Ok(Part::new(content))
}

/// Probabilities as the chat protocol wraps them.
pub(super) fn logprobs_of_chat(list: &RawValue) -> Option<Json> {
    Json::parse(&format!("{{\"content\":{}}}", list.get()))
}

fn annotations(
    fields: &mut Fields<'_>,
    text: &str,
    ignored: &mut Vec<String>,
) -> Result<Vec<Citation>, TranslateError> {
    let path = fields.path("annotations");
    let Some(raw) = fields.raw("annotations") else { return Ok(Vec::new()) };
    let items: Vec<&RawValue> = read(&path, raw)?;
    let read_one = |(at, item): (usize, &&RawValue)| {
        let mut object = Fields::new(format!("{path}[{at}]"), item)?;
        let citation = annotation(&mut object, item, text)?;
        object.finish(ignored);
        Ok(citation)
    };
    items.iter().enumerate().map(read_one).collect()
}

/// Reads a citation of any kind; only those of web pages have a URL.
pub(super) fn annotation(
    object: &mut Fields<'_>,
    raw: &RawValue,
    text: &str,
) -> Result<Citation, TranslateError> {
    let kind = object.string("type")?;
    let citation = url_citation(object, text)?;
    if kind.as_deref() == Some("url_citation") {
        return Ok(citation);
    }
    for known in ["file_id", "filename", "index", "container_id"] {
        object.raw(known);
    }
    Ok(Citation { raw: Some((Protocol::OpenAiResponses, Json::from(raw))), ..citation })
}

fn image(fields: &mut Fields<'_>) -> Result<Content, TranslateError> {
    let detail = fields.string("detail")?;
    let path = fields.path("image_url");
    let source = match (fields.string("image_url")?, fields.string("file_id")?) {
        (Some(url), _) => source(&path, url)?,
        (None, Some(id)) => Source::File { protocol: Protocol::OpenAiResponses, id },
        (None, None) => return Err(fields.missing("image_url")),
    };
    Ok(Content::Image { source, detail: detail.filter(|detail| detail != "auto") })
}

fn document(fields: &mut Fields<'_>) -> Result<Content, TranslateError> {
    let name = fields.string("filename")?;
    fields.raw("detail");
    let path = fields.path("file_data");
    let (data, url) = (fields.string("file_data")?, fields.string("file_url")?);
    let source = match (data, url, fields.string("file_id")?) {
        (Some(data), _, _) => source(&path, data)?,
        (None, Some(url), _) => Source::Url(url),
        (None, None, Some(id)) => Source::File { protocol: Protocol::OpenAiResponses, id },
        (None, None, None) => return Err(fields.missing("file_data")),
    };
    Ok(Content::Document { source, name, context: None, citations: None })
}

/// An address, a data URL, or bare base64 whose beginning tells what it is.
fn source(path: &str, text: String) -> Result<Source, TranslateError> {
    if data_url::is_address(&text) {
        return Ok(Source::Url(text));
    }
    if let Some((media_type, data)) = data_url::split(&text) {
        return Ok(Source::Base64 { media_type: media_type.to_owned(), data: data.to_owned() });
    }
    match data_url::sniff(&text) {
        Some(media_type) => Ok(Source::Base64 { media_type: media_type.to_owned(), data: text }),
        None => Err(invalid(path, "expected an https URL, or a data URL in base64")),
    }
}
