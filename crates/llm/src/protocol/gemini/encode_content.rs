//! Writing contents and their parts. Results of functions are written in `encode_result`.

use super::super::{TranslateError, data_url};
use super::signature::{in_field, redacted_in_field};
use super::wire::{self, AnyPart, Blob, FileData, FunctionCall};
use crate::ir::{
    ChatRequest, Content, Message, Part, Role, Signature, Source, ToolCall, ToolCallKind, Warnings,
};
use crate::protocol::Protocol;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Stands in for the signature of a call that Gemini did not make, or that came back without.
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>, read 2026-11-26.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// Writes contents, and notes what they lose.
pub(super) struct ContentWriter<'a, 'w> {
    pub warnings: &'w mut Warnings,
    /// The model asks for the signatures of its calls, and takes pictures in results.
    pub is_third_generation: bool,
    /// Calls and results have ids: older models know none, and Vertex AI refused them
    /// (<https://github.com/googleapis/python-genai>, `types.FunctionCall`, read 2026-11-26).
    pub has_ids: bool,
    /// Names of the calls so far, by their ids.
    pub names: Vec<(&'a str, &'a str)>,
}

/// A turn that is being put together.
struct Turn<'a> {
    role: &'static str,
    results: Vec<AnyPart<'a>>,
    parts: Vec<AnyPart<'a>>,
    /// The signature of what comes next.
    pending: Option<&'a Signature>,
    has_calls: bool,
}

impl<'a> Turn<'a> {
    fn new(role: &'static str) -> Self {
        Self { role, results: Vec::new(), parts: Vec::new(), pending: None, has_calls: false }
    }

    fn push(&mut self, mut part: wire::Part<'a>) {
        if let Some(signature) = self.pending.take() {
            part.thought_signature = Some(in_field(signature));
        }
        self.parts.push(AnyPart::Known(Box::new(part)));
    }

    /// A signature that nothing follows stands on a text of its own, as it does in streams.
    fn sign(&mut self, signature: Option<&'a Signature>) {
        if self.pending.is_some() {
            self.push(wire::Part::text(""));
        }
        self.pending = signature;
    }

    fn into_content(mut self) -> wire::Content<'a> {
        self.sign(None);
        let mut parts = self.results;
        parts.append(&mut self.parts);
        wire::Content { role: Some(self.role), parts }
    }
}

impl<'a> ContentWriter<'a, '_> {
    /// Writes the conversation: turns of one speaker in a row become one, results of functions stand first.
    pub(super) fn contents(
        &mut self,
        request: &'a ChatRequest,
    ) -> Result<Vec<wire::Content<'a>>, TranslateError> {
        let mut turns: Vec<Turn<'a>> = Vec::new();
        for message in &request.messages {
            self.message(message, &mut turns)?;
        }
        let contents: Vec<_> = turns.into_iter().map(Turn::into_content).collect();
        let contents: Vec<_> = contents.into_iter().filter(|content| !content.parts.is_empty()).collect();
        if contents.is_empty() {
            let message = "messages: at least one message is required".to_owned();
            return Err(TranslateError::InvalidRequest { message, param: Some("messages".to_owned()) });
        }
        Ok(contents)
    }

    fn message(&mut self, message: &'a Message, turns: &mut Vec<Turn<'a>>) -> Result<(), TranslateError> {
        if message.name.is_some() {
            self.warnings.add("messages[].name", "names of participants were dropped");
        }
        let role = match message.role {
            Role::Assistant => "model",
            Role::User => "user",
            Role::System => {
                self.warnings.add("messages", "instructions within the conversation were sent as the user's");
                "user"
            }
        };
        if turns.last().is_none_or(|turn| turn.role != role) {
            turns.push(Turn::new(role));
        }
        let Some(turn) = turns.last_mut() else { return Ok(()) };
        for part in &message.parts {
            self.add(part, turn)?;
        }
        Ok(())
    }

    /// Writes instructions: text alone.
    pub(super) fn system(&mut self, parts: &'a [Part]) -> Result<Option<wire::Content<'a>>, TranslateError> {
        let mut turn = Turn::new("");
        for part in parts {
            self.add(part, &mut turn)?;
        }
        let content = turn.into_content();
        Ok((!content.parts.is_empty()).then_some(wire::Content { role: None, ..content }))
    }

    fn add(&mut self, part: &'a Part, turn: &mut Turn<'a>) -> Result<(), TranslateError> {
        if part.cache_control.is_some() {
            self.warnings.add("cache_control", "markers were dropped: the provider caches by itself");
        }
        match &part.content {
            Content::Text { text, .. } | Content::Refusal(text) if text.is_empty() => {}
            Content::Text { text, .. } | Content::Refusal(text) => turn.push(wire::Part::text(text.as_str())),
            Content::Reasoning { text, signature } => self.thought(text, signature.as_ref(), turn),
            Content::RedactedReasoning(_) => {
                self.warnings.add("reasoning", "thoughts that another provider encrypted were dropped");
            }
            Content::ToolCall(call) => self.call(call, turn),
            Content::ToolResult(result) => {
                let name = self.names.iter().rev().find(|(id, _)| *id == result.call_id);
                let name = name.map_or("unknown", |(_, name)| name);
                if name == "unknown" {
                    self.warnings.add("tool_result", "the result of a call that is not there has no name");
                }
                self.result(result, name, &mut turn.results, &mut turn.parts)?;
            }
            Content::Opaque { protocol: Protocol::Gemini, raw, .. } => {
                turn.sign(None);
                turn.parts.push(AnyPart::Raw(raw.raw()));
            }
            Content::Opaque { kind, .. } => {
                self.warnings.add("content", format!("a part of type {kind} was dropped"));
            }
            Content::Image { .. } | Content::Document { .. } | Content::Audio { .. } => {
                let media = self.media(&part.content)?;
                turn.push(media);
            }
        }
        Ok(())
    }

    fn thought(&mut self, text: &'a str, signature: Option<&'a Signature>, turn: &mut Turn<'a>) {
        let is_own = |signature: &Signature| signature.protocol == Protocol::Gemini;
        if signature.is_some_and(|signature| !is_own(signature)) {
            self.warnings.add("reasoning_content", "thoughts that another vendor signed were dropped");
        } else if text.is_empty() {
            turn.sign(signature);
        } else {
            turn.sign(signature);
            turn.push(wire::Part { thought: Some(true), ..wire::Part::text(text) });
        }
    }

    fn call(&mut self, call: &'a ToolCall, turn: &mut Turn<'a>) {
        self.names.push((&call.id, &call.name));
        let is_unsigned = turn.pending.is_none() && !turn.has_calls && self.is_third_generation;
        turn.has_calls = true;
        let args = self.arguments(call);
        let id = if self.has_ids { call.id.as_str() } else { "" };
        let function_call = Some(FunctionCall { id, name: &call.name, args });
        turn.push(wire::Part { function_call, ..wire::Part::default() });
        if is_unsigned && let Some(AnyPart::Known(part)) = turn.parts.last_mut() {
            self.warnings.add("tool_calls", "calls came without the signature of their thoughts");
            part.thought_signature = Some(NO_SIGNATURE.into());
        }
    }

    /// Arguments must be an object.
    pub(super) fn arguments(&mut self, call: &'a ToolCall) -> Cow<'a, RawValue> {
        let text = call.arguments.as_str();
        if call.kind == ToolCallKind::Custom {
            return wrapped("input", text);
        }
        match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) if raw.get().starts_with('{') => Cow::Borrowed(raw),
            _ if text.trim().is_empty() => owned("{}".to_owned()),
            _ => {
                self.warnings.add("tool_calls", "arguments that are no JSON object were wrapped in one");
                wrapped("arguments", text)
            }
        }
    }

    /// Writes a picture, a document or a sound.
    pub(super) fn media(&mut self, content: &'a Content) -> Result<wire::Part<'a>, TranslateError> {
        match content {
            Content::Image { source, detail } => {
                if detail.as_deref().is_some_and(|detail| detail != "auto") {
                    self.warnings.add("image_url.detail", "dropped: there is no such setting");
                }
                source_part(source, "image", "image/jpeg")
            }
            Content::Document { source, name, context, citations } => {
                if name.is_some() {
                    self.warnings.add("document", "its name was dropped");
                }
                if citations.is_some() || context.is_some() {
                    self.warnings
                        .add("document", "its context, and that it is to be cited from, were dropped");
                }
                source_part(source, "document", "application/pdf")
            }
            Content::Audio { data, format } => {
                let blob = Blob { mime_type: format!("audio/{format}").into(), data: data.into() };
                Ok(wire::Part { inline_data: Some(blob), ..wire::Part::default() })
            }
            Content::Text { .. }
            | Content::Refusal(_)
            | Content::Reasoning { .. }
            | Content::RedactedReasoning(_)
            | Content::ToolCall(_)
            | Content::ToolResult(_)
            | Content::Opaque { .. } => Err(unsupported("content", "it is no picture, document or sound")),
        }
    }

    /// Writes the parts of an answer, in which thoughts of any vendor are shown.
    pub(super) fn answer(&mut self, parts: &'a [Part]) -> Vec<AnyPart<'a>> {
        let mut turn = Turn::new("model");
        for part in parts {
            match &part.content {
                Content::Reasoning { text, signature: Some(signature) }
                    if signature.protocol != Protocol::Gemini =>
                {
                    turn.push(wire::Part {
                        thought: Some(true),
                        thought_signature: Some(in_field(signature)),
                        ..wire::Part::text(text.as_str())
                    });
                }
                Content::RedactedReasoning(signature) => turn.push(wire::Part {
                    thought: Some(true),
                    thought_signature: Some(redacted_in_field(signature).into()),
                    ..wire::Part::text("")
                }),
                Content::ToolResult(_) => {
                    self.warnings.add("content", "a block was dropped where it may not stand");
                }
                Content::Text { .. }
                | Content::Refusal(_)
                | Content::Reasoning { .. }
                | Content::ToolCall(_)
                | Content::Image { .. }
                | Content::Document { .. }
                | Content::Audio { .. }
                | Content::Opaque { .. } => {
                    if self.add(part, &mut turn).is_err() {
                        self.warnings.add("content", "an image or a document was dropped");
                    }
                }
            }
        }
        turn.into_content().parts
    }
}

/// Bytes that are here or elsewhere. `usual` is their type where nothing tells it.
fn source_part<'a>(
    source: &'a Source,
    feature: &'static str,
    usual: &'static str,
) -> Result<wire::Part<'a>, TranslateError> {
    match source {
        Source::Base64 { media_type, data } => {
            let media_type = match media_type.as_str() {
                // Common, and refused.
                "image/jpg" => "image/jpeg",
                "" => data_url::sniff(data).ok_or_else(|| unsupported(feature, "its type is not known"))?,
                other => other,
            };
            let blob = Blob { mime_type: media_type.into(), data: data.into() };
            Ok(wire::Part { inline_data: Some(blob), ..wire::Part::default() })
        }
        Source::Url(url) => {
            let file_data = FileData { mime_type: Some(type_of(url).unwrap_or(usual)), file_uri: url };
            Ok(wire::Part { file_data: Some(file_data), ..wire::Part::default() })
        }
        Source::Text(text) => Ok(wire::Part::text(text.as_str())),
        Source::File { protocol: Protocol::Gemini, id } => {
            let file_data = FileData { mime_type: None, file_uri: id };
            Ok(wire::Part { file_data: Some(file_data), ..wire::Part::default() })
        }
        Source::File { .. } => Err(unsupported(feature, "the file is stored at another provider")),
    }
}

/// The media type that the end of an address tells.
fn type_of(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or(url).to_ascii_lowercase();
    let known = [
        (".png", "image/png"),
        (".jpg", "image/jpeg"),
        (".jpeg", "image/jpeg"),
        (".webp", "image/webp"),
        (".gif", "image/gif"),
        (".heic", "image/heic"),
        (".pdf", "application/pdf"),
        (".txt", "text/plain"),
    ];
    known.iter().find(|(end, _)| path.ends_with(end)).map(|(_, media_type)| *media_type)
}

pub(super) fn unsupported(feature: &'static str, detail: &str) -> TranslateError {
    TranslateError::Unsupported { feature, detail: detail.to_owned() }
}

/// JSON that was written here.
pub(super) fn owned(json: String) -> Cow<'static, RawValue> {
    Cow::Owned(RawValue::from_string(json).unwrap_or_default())
}

/// An object with one text in it.
pub(super) fn wrapped(key: &str, text: &str) -> Cow<'static, RawValue> {
    let text = serde_json::to_string(text).unwrap_or_default();
    owned(format!("{{\"{key}\":{text}}}"))
}
