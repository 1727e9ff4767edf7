//! Writing messages: those of a request, and the one of an answer.

use super::super::TranslateError;
use super::super::data_url;
use super::super::free_text;
use super::wire;
use crate::ir::{
    Citation, Content, Json, Message, Part, Role, Source, ToolCall, ToolCallKind, ToolResult, Warnings,
};
use crate::protocol::Protocol;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Writes messages, and notes what they lose.
pub(super) struct MessageWriter<'a, 'w> {
    pub warnings: &'w mut Warnings,
    /// Cache markers may be sent.
    pub keeps_cache_control: bool,
    /// Calls of tools that take free text are sent as such.
    pub keeps_custom_tools: bool,
    pub out: Vec<wire::Message<'a>>,
}

impl<'a> MessageWriter<'a, '_> {
    /// Writes the instructions that stand first.
    pub(super) fn system(&mut self, parts: &'a [Part]) -> Result<(), TranslateError> {
        if !parts.is_empty() {
            let content = self.content(parts.iter())?;
            self.out.push(wire::Message { role: "system", content, ..Default::default() });
        }
        Ok(())
    }

    /// Writes one turn: several messages where it holds results of tools.
    pub(super) fn message(&mut self, message: &'a Message) -> Result<(), TranslateError> {
        let name = message.name.as_deref();
        match message.role {
            Role::System => {
                let content = self.content(message.parts.iter())?;
                self.out.push(wire::Message { role: "system", name, content, ..Default::default() });
            }
            Role::Assistant => {
                let turn = self.assistant(&message.parts)?;
                // They say the same as `reasoning_content`, and only our own callers know them.
                self.out.push(wire::Message { name, thinking_blocks: Vec::new(), ..turn });
            }
            Role::User => self.user(message)?,
        }
        Ok(())
    }

    /// Results of tools are messages of their own and must follow the calls at once; the rest of the turn
    /// comes after them.
    fn user(&mut self, message: &'a Message) -> Result<(), TranslateError> {
        let mut rest = Vec::new();
        for part in &message.parts {
            if let Content::ToolResult(result) = &part.content {
                self.tool_result(part, result, &mut rest)?;
            }
        }
        for part in &message.parts {
            if !matches!(part.content, Content::ToolResult(_)) {
                rest.extend(self.part(part)?);
            }
        }
        if !rest.is_empty() || message.parts.is_empty() {
            let (name, content) = (message.name.as_deref(), Some(joined(rest)));
            self.out.push(wire::Message { role: "user", name, content, ..Default::default() });
        }
        Ok(())
    }

    fn tool_result(
        &mut self,
        part: &'a Part,
        result: &'a ToolResult,
        moved: &mut Vec<wire::AnyPart<'a>>,
    ) -> Result<(), TranslateError> {
        let mut said = Vec::new();
        let mut has_moved = false;
        for inner in &result.parts {
            let Some(written) = self.part(inner)? else { continue };
            if matches!(written, wire::AnyPart::Known(wire::Part::Text { .. })) {
                said.push(written);
                continue;
            }
            if !has_moved {
                has_moved = true;
                moved.push(text_part(
                    format!("Attached to the result of tool call {}:", result.call_id).into(),
                ));
            }
            moved.push(written);
        }
        if has_moved {
            // <https://platform.openai.com/docs/api-reference/chat/create>, read 2026-11-22: the content of a
            // tool message is text.
            self.warnings.add("tool_result", "images and files of tool results moved to a user message");
            if said.is_empty() {
                said.push(text_part("See the attachment in the next message.".into()));
            }
        }
        if result.is_error {
            self.warnings.add("tool_result.is_error", "the mark of a failed tool was dropped");
        }
        if let (Some(marker), Some(wire::AnyPart::Known(wire::Part::Text { cache_control, .. }))) =
            (self.cache_control(part), said.last_mut())
        {
            *cache_control = Some(marker);
        }
        self.out.push(wire::Message {
            role: "tool",
            tool_call_id: Some(&result.call_id),
            content: Some(joined(said)),
            ..Default::default()
        });
        Ok(())
    }

    /// Writes the message of an assistant.
    pub(super) fn assistant(&mut self, parts: &'a [Part]) -> Result<wire::Message<'a>, TranslateError> {
        let mut message = wire::Message { role: "assistant", ..Default::default() };
        let mut said = Vec::new();
        let mut thoughts = Vec::new();
        let mut characters = 0;
        for part in parts {
            match &part.content {
                Content::Text { text, citations } => {
                    if !message.tool_calls.is_empty() && !text.is_empty() {
                        self.warnings.add("content", "text after a tool call was moved before it");
                    }
                    let start = characters;
                    characters += text.chars().count() as u64;
                    message.annotations.extend(annotations(citations, (start, characters), self.warnings));
                    said.extend(self.part(part)?);
                }
                Content::Refusal(text) => message.refusal = Some(Cow::Borrowed(text)),
                Content::Reasoning { .. } | Content::RedactedReasoning(_) => thoughts.push(&part.content),
                Content::ToolCall(call) => {
                    message.tool_calls.push(tool_call(call, self.keeps_custom_tools, None));
                }
                Content::Image { source, detail } => {
                    let image_url = image_url(source, detail.as_deref())?;
                    message.images.push(wire::Part::ImageUrl { image_url, cache_control: None });
                }
                Content::Document { .. }
                | Content::Audio { .. }
                | Content::ToolResult(_)
                | Content::Opaque { .. } => said.extend(self.part(part)?),
            }
        }
        if !said.is_empty() {
            message.content = Some(joined(said));
        }
        reasoning(&mut message, &thoughts);
        Ok(message)
    }

    fn content(
        &mut self,
        parts: impl Iterator<Item = &'a Part>,
    ) -> Result<Option<wire::Text<'a>>, TranslateError> {
        let mut written = Vec::new();
        for part in parts {
            written.extend(self.part(part)?);
        }
        Ok(Some(joined(written)))
    }

    fn cache_control(&mut self, part: &'a Part) -> Option<&'a RawValue> {
        let marker = part.cache_control.as_ref().map(Json::raw);
        if marker.is_some() && !self.keeps_cache_control {
            self.warnings.add("cache_control", "markers were dropped: the provider takes none");
            return None;
        }
        marker
    }

    fn part(&mut self, part: &'a Part) -> Result<Option<wire::AnyPart<'a>>, TranslateError> {
        let cache_control = self.cache_control(part);
        let written = match &part.content {
            Content::Text { text, .. } => wire::Part::Text { text: Cow::Borrowed(text), cache_control },
            Content::Refusal(text) => wire::Part::Text { text: Cow::Borrowed(text), cache_control },
            Content::Image { source, detail } => {
                wire::Part::ImageUrl { image_url: image_url(source, detail.as_deref())?, cache_control }
            }
            Content::Document { source, name, context, citations } => {
                if citations.is_some() {
                    self.warnings.add("document.citations", "citing from documents was dropped");
                }
                if context.is_some() {
                    self.warnings.add("document.context", "the context of a document was dropped");
                }
                self.document(source, name.as_deref(), cache_control)?
            }
            Content::Audio { data, format } => {
                wire::Part::InputAudio { input_audio: wire::InputAudio { data, format }, cache_control }
            }
            Content::Opaque { protocol: Protocol::OpenAiChat, raw, .. } => {
                return Ok(Some(wire::AnyPart::Raw(raw.raw())));
            }
            Content::Opaque { kind, .. } => {
                self.warnings.add("content", format!("a block of type {kind} was dropped"));
                return Ok(None);
            }
            // These have fields of their own in the messages that may hold them.
            Content::Reasoning { .. }
            | Content::RedactedReasoning(_)
            | Content::ToolCall(_)
            | Content::ToolResult(_) => {
                self.warnings.add("content", "a block was dropped where it may not stand");
                return Ok(None);
            }
        };
        Ok(Some(wire::AnyPart::Known(written)))
    }

    fn document(
        &mut self,
        source: &'a Source,
        name: Option<&'a str>,
        cache_control: Option<&'a RawValue>,
    ) -> Result<wire::Part<'a>, TranslateError> {
        let file = match source {
            Source::Base64 { media_type, data } => wire::File {
                filename: Some(name.unwrap_or("document.pdf")),
                file_data: Some(data_url::join(media_type, data)),
                file_id: None,
            },
            Source::File { protocol, id } if protocol.is_openai() => {
                wire::File { filename: name, file_data: None, file_id: Some(id) }
            }
            Source::Text(text) => {
                self.warnings.add("document", "a plain text document was sent as text");
                let text = match name {
                    Some(name) => Cow::Owned(format!("{name}\n\n{text}")),
                    None => Cow::Borrowed(text.as_str()),
                };
                return Ok(wire::Part::Text { text, cache_control });
            }
            Source::Url(_) => {
                return Err(unsupported("document", "it takes documents only inline, not by URL"));
            }
            Source::File { .. } => {
                return Err(unsupported("document", "the file is stored at another provider"));
            }
        };
        Ok(wire::Part::File { file, cache_control })
    }
}

/// Citations as `annotations`; `block` is where their text stands in the message.
pub(super) fn annotations<'a>(
    citations: &'a [Citation],
    block: (u64, u64),
    warnings: &mut Warnings,
) -> Vec<wire::Annotation<'a>> {
    let is_on_the_web = |citation: &&Citation| !citation.url.is_empty();
    if citations.iter().any(|citation| citation.url.is_empty()) {
        warnings.add("citations", "citations of documents were dropped");
    }
    let annotation = |citation: &'a Citation| {
        let (start_index, end_index) = citation.span.unwrap_or(block);
        let (title, url) = (citation.title.as_str(), citation.url.as_str());
        let url_citation = wire::UrlCitation { start_index, end_index, title, url };
        wire::Annotation { kind: "url_citation", url_citation }
    };
    citations.iter().filter(is_on_the_web).map(annotation).collect()
}

fn unsupported(feature: &'static str, detail: &str) -> TranslateError {
    TranslateError::Unsupported { feature, detail: detail.to_owned() }
}

pub(in crate::protocol) fn image_url<'a>(
    source: &'a Source,
    detail: Option<&'a str>,
) -> Result<wire::ImageUrl<'a>, TranslateError> {
    let url = match source {
        Source::Base64 { media_type, data } => Cow::Owned(data_url::join(media_type, data)),
        Source::Url(url) => Cow::Borrowed(url.as_str()),
        Source::File { .. } => return Err(unsupported("image", "the file is stored at another provider")),
        Source::Text(_) => return Err(unsupported("image", "it has neither bytes nor an address")),
    };
    Ok(wire::ImageUrl { url, detail })
}

/// Writes a call; that of a tool which takes free text as one of a function, unless such are kept. With the signature of
/// the thoughts that led to it where Google gave one.
pub(super) fn tool_call<'a>(
    call: &'a ToolCall,
    keeps_custom_tools: bool,
    signature: Option<&'a str>,
) -> wire::ToolCall<'a> {
    let (id, name) = (call.id.as_str(), call.name.as_str());
    match call.kind {
        ToolCallKind::Function => {
            // Callers parse the text as JSON, which an empty text is not.
            let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
            let function = wire::Function { name, arguments: arguments.into() };
            wire::ToolCall::Function { id, function, extra_content: signature.map(wire::ExtraContent::of) }
        }
        ToolCallKind::Custom if !keeps_custom_tools => {
            let arguments = free_text::arguments(&call.arguments).get().to_owned().into();
            wire::ToolCall::Function { id, function: wire::Function { name, arguments }, extra_content: None }
        }
        ToolCallKind::Custom => {
            wire::ToolCall::Custom { id, custom: wire::Custom { name, input: &call.arguments } }
        }
    }
}

/// One block has fields of its own; several, and unreadable ones, need `thinking_blocks`.
pub(super) fn reasoning<'a>(message: &mut wire::Message<'a>, thoughts: &[&'a Content]) {
    let mut texts = Vec::new();
    let mut blocks = Vec::new();
    let mut last_signature = None;
    for thought in thoughts {
        if let Content::Reasoning { text, signature } = thought {
            let signature = signature.as_ref().map(|it| it.in_field(Protocol::AnthropicMessages));
            texts.push(text.as_str());
            last_signature = signature.clone().or(last_signature);
            blocks.push(wire::ThinkingBlock::Thinking { thinking: text, signature });
        } else if let Content::RedactedReasoning(signature) = thought {
            let data = signature.in_field(Protocol::AnthropicMessages);
            blocks.push(wire::ThinkingBlock::RedactedThinking { data });
        }
    }
    message.reasoning_content = match texts.as_slice() {
        [] => None,
        [text] => Some(Cow::Borrowed(*text)),
        several => Some(Cow::Owned(several.join("\n\n"))),
    };
    message.reasoning_signature = last_signature;
    if blocks.len() > 1 || blocks.len() != texts.len() {
        message.thinking_blocks = blocks;
    }
}

fn text_part(text: Cow<'_, str>) -> wire::AnyPart<'_> {
    wire::AnyPart::Known(wire::Part::Text { text, cache_control: None })
}

/// A single unmarked text is written as a string: every server takes that, not every one takes parts.
fn joined(mut parts: Vec<wire::AnyPart<'_>>) -> wire::Text<'_> {
    match parts.pop() {
        None => wire::Text::Plain(Cow::Borrowed("")),
        Some(wire::AnyPart::Known(wire::Part::Text { text, cache_control: None })) if parts.is_empty() => {
            wire::Text::Plain(text)
        }
        Some(last) => {
            parts.push(last);
            wire::Text::Parts(parts)
        }
    }
}
