//! Reading the blocks of a request.
//!
//! The model of the service in botocore (`data/bedrock-runtime/2023-09-30/service-2.json`, 1.44.8), read 2026-11-26: each block is
//! an object with one field, which says what it is.

use super::super::TranslateError;
use super::super::fields::{Fields, invalid, read};
use super::response::cited_text;
use super::signature::{redacted, signed};
use crate::ir::{Content, Json, Message, Part, Role, Source, ToolCall, ToolCallKind, ToolResult};
use crate::protocol::Protocol;
use serde_json::value::RawValue;

/// Reads blocks, and notes what nobody understands.
pub(super) struct ContentReader<'i> {
    pub ignored: &'i mut Vec<String>,
}

/// Where blocks stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Message,
    /// No other result may stand within one, so there is an end to the depth.
    ToolResult,
}

impl ContentReader<'_> {
    /// Reads the conversation.
    pub fn messages(&mut self, raw: &RawValue) -> Result<Vec<Message>, TranslateError> {
        let items: Vec<&RawValue> = read("messages", raw)?;
        let mut messages = Vec::with_capacity(items.len());
        for (at, item) in items.into_iter().enumerate() {
            let mut message = Fields::new(format!("messages[{at}]"), item)?;
            let role = match message.required_string("role")?.as_str() {
                "user" => Role::User,
                "assistant" => Role::Assistant,
                "system" => Role::System,
                other => return Err(invalid(&message.path("role"), format!("unknown role `{other}`"))),
            };
            let path = message.path("content");
            let parts = self.blocks(&path, message.required("content")?, Place::Message)?;
            message.finish(self.ignored);
            messages.push(Message { role, parts, name: None });
        }
        Ok(messages)
    }

    /// Reads instructions.
    pub fn system(&mut self, raw: &RawValue) -> Result<Vec<Part>, TranslateError> {
        self.blocks("system", raw, Place::Message)
    }

    fn blocks(&mut self, path: &str, raw: &RawValue, place: Place) -> Result<Vec<Part>, TranslateError> {
        let items: Vec<&RawValue> = read(path, raw)?;
        let mut parts: Vec<Part> = Vec::with_capacity(items.len());
        for (at, item) in items.into_iter().enumerate() {
            let mut fields = Fields::new(format!("{path}[{at}]"), item)?;
            if let Some(point) = fields.object("cachePoint")? {
                let marker = cache_marker(point, self.ignored)?;
                match parts.last_mut() {
                    Some(last) => last.cache_control = marker,
                    // There is nothing before it that could be kept.
                    None => self.ignore("cachePoint"),
                }
                continue;
            }
            parts.extend(self.block(&mut fields, item, place)?.map(Part::new));
            fields.finish(self.ignored);
        }
        Ok(parts)
    }

    /// Reads a block; `None` where it says nothing.
    fn block(
        &mut self,
        fields: &mut Fields<'_>,
        raw: &RawValue,
        place: Place,
    ) -> Result<Option<Content>, TranslateError> {
        if let Some(text) = fields.string("text")? {
            return Ok(Some(Content::Text { text, citations: Vec::new() }));
        }
        if let Some(image) = fields.object("image")? {
            return self.image(image).map(Some);
        }
        if let Some(document) = fields.object("document")? {
            return self.document(document).map(Some);
        }
        if let Some(video) = fields.object("video")? {
            return self.media(video, "video").map(Some);
        }
        if let Some(result) = fields.object("searchResult")? {
            return self.search_result(result).map(Some);
        }
        if let Some(guarded) = fields.object("guardContent")? {
            return self.guarded(guarded);
        }
        if place == Place::ToolResult {
            // What has nothing in it is nothing: results without a word are written so.
            let json = fields.raw("json").map(|raw| raw.get().to_owned());
            return Ok(match json {
                Some(text) if text == "{}" => None,
                Some(text) => Some(Content::Text { text, citations: Vec::new() }),
                None => Some(opaque(fields, raw)),
            });
        }
        self.of_message(fields, raw).map(Some)
    }

    /// What stands in messages alone.
    fn of_message(&mut self, fields: &mut Fields<'_>, raw: &RawValue) -> Result<Content, TranslateError> {
        if let Some(sound) = fields.object("audio")? {
            return self.media(sound, "audio");
        }
        if let Some(mut call) = fields.object("toolUse")? {
            if call.has("type") {
                // A call of a tool that the provider runs.
                return Ok(opaque_of("toolUse", raw));
            }
            let call_read = ToolCall {
                id: call.required_string("toolUseId")?,
                name: call.required_string("name")?,
                kind: ToolCallKind::Function,
                arguments: call.raw("input").map_or("{}", RawValue::get).to_owned(),
            };
            call.finish(self.ignored);
            return Ok(Content::ToolCall(call_read));
        }
        if let Some(mut result) = fields.object("toolResult")? {
            if result.has("type") {
                return Ok(opaque_of("toolResult", raw));
            }
            return self.tool_result(&mut result);
        }
        if let Some(mut reasoning) = fields.object("reasoningContent")? {
            if let Some(value) = reasoning.string("redactedContent")? {
                return Ok(Content::RedactedReasoning(redacted(value)));
            }
            let thoughts = reasoning.object("reasoningText")?;
            let mut thoughts = thoughts.ok_or_else(|| reasoning.missing("reasoningText"))?;
            let text = thoughts.string("text")?.unwrap_or_default();
            let signature = thoughts.string("signature")?.filter(|value| !value.is_empty()).map(signed);
            thoughts.finish(self.ignored);
            return Ok(Content::Reasoning { text, signature });
        }
        if let Some(mut cited) = fields.object("citationsContent")? {
            return cited_text(&mut cited).map(|part| part.content);
        }
        Ok(opaque(fields, raw))
    }

    fn ignore(&mut self, what: &str) {
        if !self.ignored.iter().any(|known| known == what) {
            self.ignored.push(what.to_owned());
        }
    }

    fn tool_result(&mut self, result: &mut Fields<'_>) -> Result<Content, TranslateError> {
        let path = result.path("content");
        let parts = self.blocks(&path, result.required("content")?, Place::ToolResult)?;
        let is_error = result.string("status")?.is_some_and(|status| status == "error");
        let call_id = result.required_string("toolUseId")?;
        Ok(Content::ToolResult(ToolResult { call_id, parts, is_error }))
    }

    fn image(&mut self, mut image: Fields<'_>) -> Result<Content, TranslateError> {
        let media_type = format!("image/{}", image.required_string("format")?);
        let source = source(&mut image, media_type)?;
        image.finish(self.ignored);
        Ok(Content::Image { source, detail: None })
    }

    /// Sound and films. Who takes no such thing says so.
    fn media(&mut self, mut media: Fields<'_>, kind: &str) -> Result<Content, TranslateError> {
        let format = media.required_string("format")?;
        let source = source(&mut media, media_type(kind, &format))?;
        media.finish(self.ignored);
        let is_sound = matches!((kind, format.as_str()), ("audio", "mp3" | "wav"));
        if is_sound && let Source::Base64 { data, .. } = source {
            return Ok(Content::Audio { data, format });
        }
        Ok(Content::Document { source, name: None, context: None, citations: None })
    }

    fn document(&mut self, mut document: Fields<'_>) -> Result<Content, TranslateError> {
        let format = document.string("format")?.unwrap_or_else(|| "txt".to_owned());
        let citations = document.json("citations");
        let mut held = document.object("source")?.ok_or_else(|| document.missing("source"))?;
        let source = if let Some(text) = held.string("text")? {
            Source::Text(text)
        } else if held.has("content") {
            if citations.is_some() {
                // They tell places in the text then, and no longer pieces of it.
                self.ignore("document.source.content");
            }
            Source::Text(joined(&mut held)?)
        } else {
            source_of(&mut held, document_type(&format))?
        };
        let content = Content::Document {
            source,
            name: document.string("name")?,
            context: document.string("context")?,
            citations,
        };
        document.finish(self.ignored);
        Ok(content)
    }

    /// What a search of the caller's own found: a document, of which it is told where it is from.
    fn search_result(&mut self, mut result: Fields<'_>) -> Result<Content, TranslateError> {
        let content = Content::Document {
            source: Source::Text(joined(&mut result)?),
            name: result.string("title")?,
            context: result.string("source")?,
            citations: result.json("citations"),
        };
        result.finish(self.ignored);
        Ok(content)
    }

    /// What a guardrail is to look at: without one it is like anything else.
    fn guarded(&mut self, mut guarded: Fields<'_>) -> Result<Option<Content>, TranslateError> {
        if let Some(image) = guarded.object("image")? {
            return self.image(image).map(Some);
        }
        let mut held = guarded.object("text")?.ok_or_else(|| guarded.missing("text"))?;
        Ok(Some(Content::Text { text: held.required_string("text")?, citations: Vec::new() }))
    }
}

/// The mark that others have for a place up to which a prompt is kept.
pub(super) fn cache_marker(
    mut point: Fields<'_>,
    ignored: &mut Vec<String>,
) -> Result<Option<Json>, TranslateError> {
    point.raw("type");
    let marker = match point.string("ttl")? {
        Some(ttl) => serde_json::json!({"type": "ephemeral", "ttl": ttl}).to_string(),
        None => r#"{"type":"ephemeral"}"#.to_owned(),
    };
    point.finish(ignored);
    Ok(Json::parse(&marker))
}

fn source(object: &mut Fields<'_>, media_type: String) -> Result<Source, TranslateError> {
    let mut held = object.object("source")?.ok_or_else(|| object.missing("source"))?;
    source_of(&mut held, media_type)
}

fn source_of(held: &mut Fields<'_>, media_type: String) -> Result<Source, TranslateError> {
    if let Some(mut place) = held.object("s3Location")? {
        return Ok(Source::File { protocol: Protocol::BedrockConverse, id: place.required_string("uri")? });
    }
    Ok(Source::Base64 { media_type, data: held.required_string("bytes")? })
}

/// The texts of a list of blocks, one after the other.
fn joined(object: &mut Fields<'_>) -> Result<String, TranslateError> {
    let mut texts = Vec::new();
    for mut piece in object.objects("content")? {
        texts.push(piece.required_string("text")?);
    }
    Ok(texts.join("\n\n"))
}

fn opaque(fields: &Fields<'_>, raw: &RawValue) -> Content {
    let kind = fields.names().next().unwrap_or("nothing").to_owned();
    opaque_of(&kind, raw)
}

/// A block that only Bedrock knows, by the name of its field.
fn opaque_of(kind: &str, raw: &RawValue) -> Content {
    Content::Opaque { protocol: Protocol::BedrockConverse, kind: kind.to_owned(), raw: Json::from(raw) }
}

/// The counterpart of what is written in `encode_content`.
fn document_type(format: &str) -> String {
    match format {
        "pdf" => "application/pdf",
        "csv" => "text/csv",
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xls" => "application/vnd.ms-excel",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "html" => "text/html",
        "md" => "text/markdown",
        "txt" => "text/plain",
        other => return format!("application/{other}"),
    }
    .to_owned()
}

/// The registered names of formats that are not called by them
/// (<https://www.iana.org/assignments/media-types/media-types.xhtml>, not read again for this).
fn media_type(kind: &str, format: &str) -> String {
    match (kind, format) {
        ("video", "three_gp") => "video/3gpp".to_owned(),
        ("video", "mkv") => "video/x-matroska".to_owned(),
        ("video", "mov") => "video/quicktime".to_owned(),
        ("video", "flv") => "video/x-flv".to_owned(),
        ("video", "mpg") => "video/mpeg".to_owned(),
        ("video", "wmv") => "video/x-ms-wmv".to_owned(),
        ("audio", "mpga") => "audio/mpeg".to_owned(),
        ("audio", "x-aac") => "audio/aac".to_owned(),
        ("audio", "m4a") => "audio/mp4".to_owned(),
        (kind, format) => format!("{kind}/{format}"),
    }
}
