//! Reading contents and their parts: those of a request, and those of an answer.

use super::super::TranslateError;
use super::super::fields::{Fields, Kind, invalid, kind, read};
use super::signature::thought;
use crate::ir::{Content, Json, Message, Part, Role, Source, ToolCall, ToolCallKind, ToolResult};
use crate::protocol::Protocol;
use serde_json::value::RawValue;

/// Reads contents, and notes what nobody understands.
pub(super) struct ContentReader<'i> {
    pub ignored: &'i mut Vec<String>,
    pub calls: Calls,
}

/// Gives ids to calls that have none: results name their function, and answer its calls in their order.
#[derive(Default, Debug)]
pub(super) struct Calls {
    prefix: String,
    made: usize,
    open: Vec<(String, String)>,
}

impl Calls {
    /// Ids that begin so: those of an answer must not be met again in a later one.
    pub(super) fn of_answer(response_id: &str) -> Self {
        let fitting = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let id: String = response_id.chars().filter(fitting).take(40).collect();
        Self { prefix: if id.is_empty() { id } else { id + "_" }, made: 0, open: Vec::new() }
    }

    /// The id of a call.
    pub(super) fn called(&mut self, name: &str, id: Option<String>) -> String {
        self.made += 1;
        let id =
            id.filter(|id| !id.is_empty()).unwrap_or_else(|| format!("call_{}{}", self.prefix, self.made));
        self.open.push((name.to_owned(), id.clone()));
        id
    }

    fn answered(&mut self, name: &str, id: Option<String>) -> String {
        let id = id.filter(|id| !id.is_empty());
        let is_open = |(open, open_id): &(String, String)| match &id {
            Some(id) => open_id == id,
            None => open == name,
        };
        match (self.open.iter().position(is_open), id) {
            (Some(at), _) => self.open.remove(at).1,
            (None, Some(id)) => id,
            (None, None) => {
                self.made += 1;
                format!("call_{}{}", self.prefix, self.made)
            }
        }
    }
}

impl ContentReader<'_> {
    /// Reads the conversation. Answers that were streamed come back in pieces, which belong together.
    pub(super) fn messages(&mut self, raw: &RawValue) -> Result<Vec<Message>, TranslateError> {
        let items: Vec<&RawValue> = if kind(raw) == Kind::Array { read("contents", raw)? } else { vec![raw] };
        let mut messages: Vec<Message> = Vec::new();
        for (at, item) in items.into_iter().enumerate() {
            let mut content = Fields::new(format!("contents[{at}]"), item)?.camel_case();
            let role = match content.string("role")?.as_deref() {
                Some("model") => Role::Assistant,
                None | Some("" | "user" | "function") => Role::User,
                Some(other) => return Err(invalid(&content.path("role"), format!("unknown role `{other}`"))),
            };
            let parts = self.parts(&mut content)?;
            content.finish(self.ignored);
            match messages.last_mut().filter(|last| role == Role::Assistant && last.role == role) {
                Some(last) => parts.into_iter().for_each(|part| join(&mut last.parts, part)),
                None if role == Role::Assistant => {
                    let mut joined = Vec::with_capacity(parts.len());
                    parts.into_iter().for_each(|part| join(&mut joined, part));
                    messages.push(Message { role, parts: joined, name: None });
                }
                None => messages.push(Message { role, parts, name: None }),
            }
        }
        Ok(messages)
    }

    /// Reads instructions: a content, or a text.
    pub(super) fn system(&mut self, raw: &RawValue) -> Result<Vec<Part>, TranslateError> {
        let path = "systemInstruction";
        if kind(raw) == Kind::String {
            return Ok(vec![Part::text(read(path, raw)?)]);
        }
        let mut content = Fields::new(path.to_owned(), raw)?.camel_case();
        content.raw("role");
        let parts = self.parts(&mut content)?;
        content.finish(self.ignored);
        Ok(parts)
    }

    /// Reads the parts of a content.
    pub(super) fn parts(&mut self, content: &mut Fields<'_>) -> Result<Vec<Part>, TranslateError> {
        let path = content.path("parts");
        let Some(raw) = content.raw("parts") else { return Ok(Vec::new()) };
        let items: Vec<&RawValue> = if kind(raw) == Kind::Array { read(&path, raw)? } else { vec![raw] };
        let mut parts = Vec::with_capacity(items.len());
        for (at, item) in items.into_iter().enumerate() {
            self.part(format!("{path}[{at}]"), item, &mut parts)?;
        }
        Ok(parts)
    }

    /// Reads a part. A signature on what is no thought stands before it, as a thought without words.
    pub(super) fn part(
        &mut self,
        path: String,
        raw: &RawValue,
        parts: &mut Vec<Part>,
    ) -> Result<(), TranslateError> {
        let mut fields = Fields::new(path, raw)?.camel_case();
        let is_thought = fields.get("thought")?.unwrap_or(false);
        let signature = fields.string("thoughtSignature")?.filter(|value| !value.is_empty());
        let text = fields.string("text")?;
        let content = match text {
            Some(text) if is_thought => {
                parts.push(Part::new(thought(text, signature)));
                fields.finish(self.ignored);
                return Ok(());
            }
            Some(text) => Content::Text { text, citations: Vec::new() },
            None => match self.other(&mut fields)? {
                Some(content) => content,
                None => {
                    parts.push(Part::new(opaque(&fields, raw)));
                    return Ok(());
                }
            },
        };
        let is_nothing = matches!(&content, Content::Text { text, .. } if text.is_empty());
        let is_signed = signature.is_some();
        if is_signed {
            parts.push(Part::new(thought(String::new(), signature)));
        }
        if !(is_signed && is_nothing) {
            parts.push(Part::new(content));
        }
        fields.finish(self.ignored);
        Ok(())
    }

    /// Reads what is no text. `None`: it is carried as it is.
    fn other(&mut self, fields: &mut Fields<'_>) -> Result<Option<Content>, TranslateError> {
        if let Some(mut call) = fields.object("functionCall")? {
            return self.function_call(&mut call).map(Some);
        }
        if let Some(response) = fields.object("functionResponse")? {
            return self.function_response(response.camel_case()).map(Some);
        }
        if let Some(blob) = fields.object("inlineData")? {
            let mut blob = blob.camel_case();
            let media_type = blob.string("mimeType")?.unwrap_or_default();
            let data = standard_base64(blob.required_string("data")?);
            let name = blob.string("displayName")?;
            blob.finish(self.ignored);
            return Ok(inline(media_type, data, name));
        }
        if let Some(file) = fields.object("fileData")? {
            let mut file = file.camel_case();
            let media_type = file.string("mimeType")?.unwrap_or_default();
            let uri = file.required_string("fileUri")?;
            let name = file.string("displayName")?;
            file.finish(self.ignored);
            return Ok(stored(&media_type, uri, name));
        }
        Ok(None)
    }

    fn function_call(&mut self, call: &mut Fields<'_>) -> Result<Content, TranslateError> {
        let name = call.required_string("name")?;
        let id = call.string("id")?;
        let arguments = call.raw("args").map_or("{}", RawValue::get).to_owned();
        let id = self.calls.called(&name, id);
        Ok(Content::ToolCall(ToolCall { id, name, kind: ToolCallKind::Function, arguments }))
    }

    fn function_response(&mut self, mut response: Fields<'_>) -> Result<Content, TranslateError> {
        let name = response.required_string("name")?;
        let id = response.string("id")?;
        let call_id = self.calls.answered(&name, id);
        let path = response.path("response");
        let (mut parts, is_error) = match response.raw("response") {
            Some(raw) => said(path, raw)?,
            None => (Vec::new(), false),
        };
        for inner in response.objects("parts")? {
            let mut inner = inner.camel_case();
            match self.other(&mut inner)? {
                Some(
                    content @ (Content::Image { .. } | Content::Document { .. } | Content::Audio { .. }),
                ) => {
                    parts.push(Part::new(content));
                }
                Some(_) | None => {
                    return Err(invalid(&inner.path("inlineData"), "only data can stand in a result"));
                }
            }
        }
        response.finish(self.ignored);
        Ok(Content::ToolResult(ToolResult { call_id, parts, is_error }))
    }
}

/// What a function gave back. One text is that text; anything else stays JSON.
fn said(path: String, raw: &RawValue) -> Result<(Vec<Part>, bool), TranslateError> {
    let mut fields = Fields::new(path, raw)?;
    let is_one = fields.names().count() == 1;
    let is_error = is_one && fields.names().any(|name| name == "error");
    for key in ["output", "result", "error"] {
        if let Some(inner) = fields.raw(key).filter(|inner| is_one && kind(inner) == Kind::String) {
            let text: String = read(key, inner)?;
            return Ok((if text.is_empty() { Vec::new() } else { vec![Part::text(text)] }, is_error));
        }
    }
    Ok((vec![Part::text(raw.get().to_owned())], is_error))
}

/// Google's Python SDK writes the other alphabet of base64, which nobody else reads.
fn standard_base64(data: String) -> String {
    if data.contains(['-', '_']) { data.replace('-', "+").replace('_', "/") } else { data }
}

/// Bytes that came along.
fn inline(media_type: String, data: String, name: Option<String>) -> Option<Content> {
    let (family, format) = media_type.split_once('/').unwrap_or((media_type.as_str(), ""));
    Some(match (family, format) {
        ("image", _) => Content::Image { source: Source::Base64 { media_type, data }, detail: None },
        ("audio", format) => {
            let format = match format {
                "mpeg" => "mp3",
                "x-wav" | "wave" => "wav",
                other => other,
            };
            Content::Audio { data, format: format.to_owned() }
        }
        ("text", _) | ("application", "pdf") => Content::Document {
            source: Source::Base64 { media_type, data },
            name,
            context: None,
            citations: None,
        },
        _ => return None,
    })
}

/// Bytes that are elsewhere: on the web, or at Google.
fn stored(media_type: &str, uri: String, name: Option<String>) -> Option<Content> {
    let is_file = uri.starts_with("gs://") || uri.starts_with("https://generativelanguage.googleapis.com/");
    let source =
        if is_file { Source::File { protocol: Protocol::Gemini, id: uri } } else { Source::Url(uri) };
    if media_type.starts_with("image/") {
        return Some(Content::Image { source, detail: None });
    }
    let is_document = media_type == "application/pdf" || media_type.starts_with("text/");
    is_document.then_some(Content::Document { source, name, context: None, citations: None })
}

/// A part that only Gemini knows, by the name of its field.
fn opaque(fields: &Fields<'_>, raw: &RawValue) -> Content {
    let is_kind = |name: &&str| !matches!(*name, "videoMetadata" | "mediaResolution" | "partMetadata");
    let known = ["inlineData", "inline_data", "fileData", "file_data"];
    let taken = || known.into_iter().find(|name| raw.get().contains(&format!("\"{name}\"")));
    let kind = fields.names().find(is_kind).or_else(taken).unwrap_or("part").to_owned();
    Content::Opaque { protocol: Protocol::Gemini, kind, raw: Json::from(raw) }
}

/// Adds a part of an answer. Pieces of one text, and of one thought, are joined.
fn join(parts: &mut Vec<Part>, part: Part) {
    match (parts.last_mut().map(|last| &mut last.content), part.content) {
        (Some(Content::Text { text, citations }), Content::Text { text: more, citations: cited })
            if citations.is_empty() && cited.is_empty() =>
        {
            text.push_str(&more);
        }
        // The thought without words is the signature of what follows, unless another vendor signed it.
        (
            Some(Content::Reasoning { text, signature: signature @ None }),
            Content::Reasoning { text: more, signature: signed },
        ) if !more.is_empty()
            || signed.as_ref().is_some_and(|signed| signed.protocol != Protocol::Gemini) =>
        {
            text.push_str(&more);
            *signature = signed;
        }
        (_, content) => parts.push(Part::new(content)),
    }
}
