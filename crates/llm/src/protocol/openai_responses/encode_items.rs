//! Writing the items of a request.

use super::super::{Target, TranslateError, data_url};
use super::wire::{Content as Out, Item, KnownItem, Output, SummaryText};
use crate::ir::{
    ChatRequest, Content, Message, Part, Role, Signature, Source, ToolCall, ToolCallKind, ToolResult,
    Warnings,
};
use crate::protocol::Protocol;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Writes items, and notes what they lose.
pub(super) struct ItemWriter<'a, 'w> {
    pub warnings: &'w mut Warnings,
    /// Unsigned thoughts may be sent.
    takes_unsigned_thoughts: bool,
    /// Calls of tools that take free text: their results are items of a kind of their own.
    custom_calls: Vec<&'a str>,
    pub out: Vec<Item<'a>>,
}

impl<'a, 'w> ItemWriter<'a, 'w> {
    /// A writer of the items of this request.
    pub(super) fn new(request: &'a ChatRequest, target: &Target<'_>, warnings: &'w mut Warnings) -> Self {
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        let mut custom_calls = Vec::new();
        for part in parts {
            if let Content::ToolCall(ToolCall { id, kind: ToolCallKind::Custom, .. }) = &part.content {
                custom_calls.push(id.as_str());
            }
        }
        let takes_unsigned_thoughts = target.takes_unsigned_thoughts;
        Self { warnings, takes_unsigned_thoughts, custom_calls, out: Vec::new() }
    }

    /// Writes instructions that stand before the conversation; one plain text is handed back for `instructions`.
    pub(super) fn system(&mut self, parts: &'a [Part]) -> Result<Option<&'a str>, TranslateError> {
        match parts {
            [] => Ok(None),
            [part @ Part { content: Content::Text { text, .. }, .. }] => {
                self.marker(part);
                Ok(Some(text))
            }
            parts => self.said("system", parts.iter()).map(|()| None),
        }
    }

    /// Writes one turn: several items where it holds thoughts, calls or results.
    pub(super) fn message(&mut self, message: &'a Message) -> Result<(), TranslateError> {
        if message.name.is_some() {
            self.warnings.add("messages[].name", "names of participants were dropped");
        }
        match message.role {
            Role::System => self.said("system", message.parts.iter()),
            Role::User => self.user(message),
            Role::Assistant => self.assistant(&message.parts),
        }
    }

    /// Results of tools follow the calls at once; the rest of the turn comes after them.
    fn user(&mut self, message: &'a Message) -> Result<(), TranslateError> {
        let item = |part: &'a Part| match part_of_user(part) {
            Of::Result(_) | Of::Item(_) => true,
            Of::Message => false,
        };
        for part in message.parts.iter().filter(|part| item(part)) {
            self.marker(part);
            match part_of_user(part) {
                Of::Result(result) => self.result(result)?,
                Of::Item(raw) => self.out.push(Item::Raw(raw)),
                Of::Message => {}
            }
        }
        let mut rest = message.parts.iter().filter(|part| !item(part)).peekable();
        if rest.peek().is_some() { self.said("user", rest) } else { Ok(()) }
    }

    fn said(
        &mut self,
        role: &'static str,
        parts: impl Iterator<Item = &'a Part>,
    ) -> Result<(), TranslateError> {
        let mut content = Vec::new();
        for part in parts {
            self.marker(part);
            content.extend(self.input(&part.content)?);
        }
        if !content.is_empty() {
            self.out.push(Item::Known(KnownItem::Message { role, content }));
        }
        Ok(())
    }

    fn result(&mut self, result: &'a ToolResult) -> Result<(), TranslateError> {
        if result.is_error {
            self.warnings.add("tool_result.is_error", "the mark of a failed tool was dropped");
        }
        let output = match result.parts.as_slice() {
            [] => Output::Text(""),
            [part @ Part { content: Content::Text { text, .. }, .. }] => {
                self.marker(part);
                Output::Text(text)
            }
            parts => {
                let mut content = Vec::new();
                for part in parts {
                    self.marker(part);
                    content.extend(self.input(&part.content)?);
                }
                Output::Parts(content)
            }
        };
        let call_id = result.call_id.as_str();
        self.out.push(Item::Known(if self.custom_calls.contains(&call_id) {
            KnownItem::CustomToolCallOutput { call_id, output }
        } else {
            KnownItem::FunctionCallOutput { call_id, output }
        }));
        Ok(())
    }

    fn assistant(&mut self, parts: &'a [Part]) -> Result<(), TranslateError> {
        let mut said = Vec::new();
        for part in parts {
            self.marker(part);
            let item = match &part.content {
                Content::Text { text, .. } => {
                    said.push(Out::OutputText { text });
                    continue;
                }
                Content::Refusal(refusal) => {
                    said.push(Out::Refusal { refusal });
                    continue;
                }
                Content::Reasoning { text, signature } => self.thoughts(text, signature.as_ref()),
                Content::RedactedReasoning(signature) => self.thoughts("", Some(signature)),
                Content::ToolCall(call) => Some(Item::Known(tool_call(call))),
                Content::Opaque { protocol: Protocol::OpenAiResponses, raw, .. } => {
                    Some(Item::Raw(raw.raw()))
                }
                Content::Opaque { kind, .. } => {
                    self.warnings.add("content", format!("a block of type {kind} was dropped"));
                    None
                }
                Content::Image { .. } | Content::Document { .. } | Content::Audio { .. } => {
                    self.warnings.add("content", "pictures and files in answers were dropped");
                    None
                }
                Content::ToolResult(_) => {
                    self.warnings.add("content", "a block was dropped where it may not stand");
                    None
                }
            };
            if item.is_some() {
                self.spoken(&mut said);
            }
            self.out.extend(item);
        }
        self.spoken(&mut said);
        Ok(())
    }

    fn spoken(&mut self, said: &mut Vec<Out<'a>>) {
        if !said.is_empty() {
            let content = std::mem::take(said);
            self.out.push(Item::Known(KnownItem::Message { role: "assistant", content }));
        }
    }

    fn thoughts(&mut self, text: &'a str, signature: Option<&'a Signature>) -> Option<Item<'a>> {
        match signature {
            Some(Signature { protocol: Protocol::OpenAiResponses, value }) => {
                let summary = if text.is_empty() { Vec::new() } else { vec![SummaryText { text }] };
                let encrypted_content = Some(value.as_str());
                Some(Item::Known(KnownItem::Reasoning { summary, content: Vec::new(), encrypted_content }))
            }
            Some(_) => {
                self.warnings
                    .add("thinking", "signed thoughts of earlier turns were dropped: another vendor's");
                None
            }
            None if self.takes_unsigned_thoughts && !text.is_empty() => {
                let content = vec![Out::ReasoningText { text }];
                let (summary, encrypted_content) = (Vec::new(), None);
                Some(Item::Known(KnownItem::Reasoning { summary, content, encrypted_content }))
            }
            None => {
                self.warnings
                    .add("thinking", "thoughts of earlier turns were dropped: the provider takes none");
                None
            }
        }
    }

    fn marker(&mut self, part: &Part) {
        if part.cache_control.is_some() {
            self.warnings.add("cache_control", "markers were dropped: the provider takes none");
        }
    }

    /// Writes what a caller or one of its tools says; `None` where it was dropped.
    fn input(&mut self, content: &'a Content) -> Result<Option<Out<'a>>, TranslateError> {
        Ok(Some(match content {
            Content::Text { text, .. } | Content::Refusal(text) => {
                Out::InputText { text: Cow::Borrowed(text) }
            }
            Content::Image { source, detail } => image(source, detail.as_deref().unwrap_or("auto"))?,
            Content::Document { source, name, context, citations } => {
                if citations.is_some() {
                    self.warnings.add("document.citations", "citing from documents was dropped");
                }
                if context.is_some() {
                    self.warnings.add("document.context", "the context of a document was dropped");
                }
                self.document(source, name.as_deref())?
            }
            Content::Audio { .. } => return Err(unsupported("input_audio", "the protocol has no audio")),
            Content::Opaque { protocol: Protocol::OpenAiResponses, raw, .. } => Out::Raw(raw.raw()),
            Content::Opaque { kind, .. } => {
                self.warnings.add("content", format!("a block of type {kind} was dropped"));
                return Ok(None);
            }
            Content::Reasoning { .. }
            | Content::RedactedReasoning(_)
            | Content::ToolCall(_)
            | Content::ToolResult(_) => {
                self.warnings.add("content", "a block was dropped where it may not stand");
                return Ok(None);
            }
        }))
    }

    fn document(&mut self, source: &'a Source, name: Option<&'a str>) -> Result<Out<'a>, TranslateError> {
        let (file_data, file_url, file_id) = match source {
            Source::Base64 { media_type, data } => (Some(data_url::join(media_type, data)), None, None),
            Source::Url(url) => (None, Some(url.as_str()), None),
            Source::File { protocol, id } if protocol.is_openai() => (None, None, Some(id.as_str())),
            Source::File { .. } => {
                return Err(unsupported("document", "the file is stored at another provider"));
            }
            Source::Text(text) => {
                self.warnings.add("document", "a plain text document was sent as text");
                let text = match name {
                    Some(name) => Cow::Owned(format!("{name}\n\n{text}")),
                    None => Cow::Borrowed(text.as_str()),
                };
                return Ok(Out::InputText { text });
            }
        };
        let filename = match (name, &file_data) {
            (None, Some(_)) => Some("document.pdf"),
            (name, _) => name.filter(|_| file_id.is_none()),
        };
        Ok(Out::InputFile { filename, file_data, file_url, file_id })
    }
}

/// What a part of a user's turn is here.
enum Of<'a> {
    Result(&'a ToolResult),
    /// An item of its own that only this protocol knows.
    Item(&'a RawValue),
    /// A part of a message.
    Message,
}

fn part_of_user(part: &Part) -> Of<'_> {
    if let Content::ToolResult(result) = &part.content {
        return Of::Result(result);
    }
    if let Content::Opaque { protocol: Protocol::OpenAiResponses, kind, raw } = &part.content
        && !kind.starts_with("input_")
    {
        return Of::Item(raw.raw());
    }
    Of::Message
}

fn tool_call(call: &ToolCall) -> KnownItem<'_> {
    let (call_id, name) = (call.id.as_str(), call.name.as_str());
    match call.kind {
        ToolCallKind::Function => {
            let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
            KnownItem::FunctionCall { call_id, name, arguments }
        }
        ToolCallKind::Custom => KnownItem::CustomToolCall { call_id, name, input: &call.arguments },
    }
}

fn image<'a>(source: &'a Source, detail: &'a str) -> Result<Out<'a>, TranslateError> {
    let (image_url, file_id) = match source {
        Source::Base64 { media_type, data } => (Some(Cow::Owned(data_url::join(media_type, data))), None),
        Source::Url(url) => (Some(Cow::Borrowed(url.as_str())), None),
        Source::File { protocol, id } if protocol.is_openai() => (None, Some(id.as_str())),
        Source::File { .. } => return Err(unsupported("image", "the file is stored at another provider")),
        Source::Text(_) => return Err(unsupported("image", "it has neither bytes nor an address")),
    };
    Ok(Out::InputImage { image_url, file_id, detail })
}

fn unsupported(feature: &'static str, detail: &str) -> TranslateError {
    TranslateError::Unsupported { feature, detail: detail.to_owned() }
}
