//! Writing messages: the instructions first, the results of tools each in one of its own.
//!
//! A text to cite from stands beside the messages, where nothing else is asked for that does not go with it.
//! <https://docs.cohere.com/reference/chat>, and for what is refused <https://docs.cohere.com/reference/errors>, read 2026-11-26.

use super::super::openai_chat::image_url;
use super::super::{Target, TranslateError, free_text};
use super::{model, wire};
use crate::ir::{
    ChatRequest, Content, Json, Message, Part, Role, Signature, Source, ToolCall, ToolCallKind, ToolResult,
    Warnings,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

/// Writes messages, and notes what they lose.
pub(super) struct MessageWriter<'a, 'w> {
    request: &'a ChatRequest,
    warnings: &'w mut Warnings,
    /// The model thinks, and takes its thoughts back.
    thinks: bool,
    /// Earlier thoughts may be told at all.
    takes_thoughts: bool,
    takes_documents: bool,
    /// Documents of the request so far, wherever they went.
    documents: usize,
    written: Vec<wire::Document<'a>>,
    out: Vec<wire::Message<'a>>,
}

/// A document beside its bytes.
#[derive(Clone, Copy)]
struct Described<'a> {
    name: Option<&'a str>,
    context: Option<&'a str>,
    citations: Option<&'a Json>,
}

impl<'a, 'w> MessageWriter<'a, 'w> {
    pub fn new(
        request: &'a ChatRequest,
        target: &Target<'_>,
        takes_documents: bool,
        warnings: &'w mut Warnings,
    ) -> Self {
        Self {
            request,
            warnings,
            thinks: model::thinks(target.model),
            takes_thoughts: target.takes_unsigned_thoughts,
            takes_documents,
            documents: 0,
            written: Vec::new(),
            out: Vec::with_capacity(1 + request.messages.len()),
        }
    }

    /// The messages, and the documents to cite from.
    pub fn finish(self) -> Result<(Vec<wire::Message<'a>>, Vec<wire::Document<'a>>), TranslateError> {
        if self.out.iter().all(|message| message.role == "system") {
            let message = "messages: at least one message with content is required".to_owned();
            return Err(TranslateError::InvalidRequest { message, param: Some("messages".to_owned()) });
        }
        Ok((self.out, self.written))
    }

    /// Writes the instructions, and what is asked for in words.
    pub fn system(&mut self, parts: &'a [Part], words: Option<&str>) {
        let mut said = Vec::with_capacity(parts.len() + 1);
        for part in parts {
            self.unmark(part);
            match &part.content {
                Content::Text { text, .. } if text.is_empty() => {}
                Content::Text { text, .. } => said.push(wire::Part::Text { text: text.into() }),
                Content::Refusal(_)
                | Content::Image { .. }
                | Content::Document { .. }
                | Content::Audio { .. }
                | Content::Reasoning { .. }
                | Content::RedactedReasoning(_)
                | Content::ToolCall(_)
                | Content::ToolResult(_)
                | Content::Opaque { .. } => {
                    self.warnings.add("system", "what is not text was dropped from the instructions");
                }
            }
        }
        said.extend(words.map(|text| wire::Part::Text { text: Cow::Owned(text.to_owned()) }));
        self.push("system", said);
    }

    /// Writes a turn.
    pub fn message(&mut self, message: &'a Message) -> Result<(), TranslateError> {
        if message.name.is_some() {
            self.warnings.add("messages[].name", "names of participants were dropped");
        }
        if message.role == Role::Assistant {
            return self.assistant(&message.parts);
        }
        let is_system = message.role == Role::System;
        if is_system {
            self.warnings.add("messages", "instructions within the conversation were sent as the user's");
        }
        let mut said = Vec::with_capacity(message.parts.len());
        for part in &message.parts {
            if let Content::ToolResult(result) = &part.content {
                self.unmark(part);
                said.extend(self.tool_result(result)?);
                continue;
            }
            let mut written = self.part(part)?;
            // A turn of that kind is taken as the first only.
            if is_system && let Some(wire::Part::Text { text }) = &mut written {
                *text = Cow::Owned(format!("<system>\n{text}\n</system>"));
            }
            said.extend(written);
        }
        self.push("user", said);
        Ok(())
    }

    fn push(&mut self, role: &'static str, said: Vec<wire::Part<'a>>) {
        // One that says nothing is refused.
        if let Some(content) = wire::Content::of(said) {
            self.out.push(wire::Message { role, content: Some(content), ..Default::default() });
        }
    }

    fn unmark(&mut self, part: &Part) {
        if part.cache_control.is_some() {
            self.warnings.add("cache_control", "markers were dropped: the provider caches by itself");
        }
    }

    /// Writes a result. What it may not hold is handed back, to be said after it.
    fn tool_result(&mut self, result: &'a ToolResult) -> Result<Vec<wire::Part<'a>>, TranslateError> {
        if result.is_error {
            self.warnings.add("tool_result.is_error", "the mark of a failed tool was dropped");
        }
        let (mut said, mut beside) = (Vec::with_capacity(result.parts.len()), Vec::new());
        for part in &result.parts {
            match self.part(part)? {
                Some(text @ wire::Part::Text { .. }) => said.push(text),
                Some(other) => {
                    self.warnings.add("tool_result", "images were moved after the result");
                    beside.push(other);
                }
                None => {}
            }
        }
        let text = if beside.is_empty() { "(nothing)" } else { "(see the next message)" };
        let content = wire::Content::of(said).unwrap_or(wire::Content::Text(text.into()));
        self.out.push(wire::Message {
            role: "tool",
            tool_call_id: Some(&result.call_id),
            content: Some(content),
            ..Default::default()
        });
        Ok(beside)
    }

    fn assistant(&mut self, parts: &'a [Part]) -> Result<(), TranslateError> {
        let mut message = wire::Message { role: "assistant", ..Default::default() };
        let (mut said, mut thoughts) = (Vec::with_capacity(parts.len()), Vec::new());
        for part in parts {
            match &part.content {
                Content::Reasoning { text, signature } => {
                    let Some(text) = self.thought(text, signature.as_ref()) else { continue };
                    if self.thinks {
                        said.push(wire::Part::Thinking { thinking: text });
                    } else {
                        thoughts.push(text);
                    }
                }
                Content::RedactedReasoning(_) => {
                    self.warnings.add("reasoning", "thoughts that another provider encrypted were dropped");
                }
                Content::ToolCall(call) => {
                    self.unmark(part);
                    message.tool_calls.push(tool_call(call));
                }
                Content::Text { citations, .. } => {
                    if !citations.is_empty() {
                        self.warnings.add("citations", "sources of earlier answers were dropped");
                    }
                    said.extend(self.part(part)?);
                }
                Content::Image { .. } => {
                    self.warnings.add("image", "images of earlier answers were dropped");
                }
                Content::Refusal(_)
                | Content::Document { .. }
                | Content::Audio { .. }
                | Content::ToolResult(_)
                | Content::Opaque { .. } => said.extend(self.part(part)?),
            }
        }
        if !thoughts.is_empty() {
            if message.tool_calls.is_empty() {
                self.warnings.add("reasoning_content", "thoughts were dropped: this model does not think");
            } else {
                message.tool_plan = Some(thoughts.join("\n"));
            }
        }
        message.content = wire::Content::of(said);
        if message.content.is_some() || !message.tool_calls.is_empty() {
            self.out.push(message);
        }
        Ok(())
    }

    /// Thoughts of earlier turns. Those that another vendor signed are its own affair; a caller of OpenAI's protocol who
    /// sends them on gets the text across.
    fn thought(&mut self, text: &'a str, signature: Option<&Signature>) -> Option<&'a str> {
        if !self.takes_thoughts || (signature.is_some() && !self.request.protocol.is_openai()) {
            self.warnings.add("reasoning_content", "thoughts of earlier turns were dropped");
            return None;
        }
        if signature.is_some() {
            self.warnings.add("thinking", "the signature of earlier thoughts was dropped: another vendor's");
        }
        (!text.is_empty()).then_some(text)
    }

    /// Writes a part; `None` where there is nothing to write, or it was dropped.
    fn part(&mut self, part: &'a Part) -> Result<Option<wire::Part<'a>>, TranslateError> {
        self.unmark(part);
        Ok(match &part.content {
            Content::Text { text, .. } | Content::Refusal(text) => {
                (!text.is_empty()).then(|| wire::Part::Text { text: text.into() })
            }
            Content::Image { source, detail } => {
                Some(wire::Part::ImageUrl { image_url: image_url(source, detail.as_deref())? })
            }
            Content::Document { source, name, context, citations } => {
                let described = Described {
                    name: name.as_deref(),
                    context: context.as_deref(),
                    citations: citations.as_ref(),
                };
                self.document(source, described)?
            }
            Content::Audio { .. } => return Err(unsupported("input_audio", "the protocol has no audio")),
            Content::Reasoning { .. }
            | Content::RedactedReasoning(_)
            | Content::ToolCall(_)
            | Content::ToolResult(_) => {
                self.warnings.add("content", "what only a model says was dropped from another's turn");
                None
            }
            Content::Opaque { kind, .. } => {
                self.warnings.add("content", format!("a part of type {kind} was dropped"));
                None
            }
        })
    }

    fn document(
        &mut self,
        source: &'a Source,
        described: Described<'a>,
    ) -> Result<Option<wire::Part<'a>>, TranslateError> {
        let at = self.documents;
        self.documents += 1;
        let text = match source {
            Source::Text(text) => Cow::Borrowed(text.as_str()),
            Source::Base64 { media_type, .. } if media_type.starts_with("image/") => {
                return Ok(Some(wire::Part::ImageUrl { image_url: image_url(source, None)? }));
            }
            Source::Base64 { media_type, data } if media_type.starts_with("text/") => {
                let text = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                Cow::Owned(text.ok_or_else(|| unsupported("file", "its text is not UTF-8 in base64"))?)
            }
            Source::Base64 { media_type, .. } => {
                return Err(unsupported("file", &format!("documents of type {media_type} are not read")));
            }
            Source::Url(_) => {
                return Err(unsupported("document", "it takes documents only as text, not by URL"));
            }
            Source::File { .. } => {
                return Err(unsupported("document", "the file is stored at another provider"));
            }
        };
        let Described { name: title, context, citations } = described;
        if citations.is_some_and(is_enabled) {
            if self.takes_documents {
                let data = wire::Data { title, context, text };
                self.written.push(wire::Document { id: at.to_string(), data });
                return Ok(None);
            }
            let detail = "citing from documents was dropped: it goes with neither tools nor a form";
            self.warnings.add("document.citations", detail);
        }
        self.warnings.add("document", "a plain text document was sent as text");
        let lines: Vec<&str> = [title, context, Some(text.as_ref())].into_iter().flatten().collect();
        let text = if lines.len() > 1 { Cow::Owned(lines.join("\n\n")) } else { text };
        Ok(Some(wire::Part::Text { text }))
    }
}

/// Whether Anthropic's `citations` object asks for them.
fn is_enabled(citations: &Json) -> bool {
    #[derive(serde::Deserialize)]
    struct Citations {
        #[serde(default)]
        enabled: bool,
    }
    serde_json::from_str::<Citations>(citations.get()).is_ok_and(|citations| citations.enabled)
}

fn tool_call(call: &ToolCall) -> wire::ToolCall<'_> {
    let arguments = match call.kind {
        ToolCallKind::Custom => Cow::Owned(free_text::arguments(&call.arguments).get().to_owned()),
        ToolCallKind::Function if call.arguments.trim().is_empty() => Cow::Borrowed("{}"),
        ToolCallKind::Function => Cow::Borrowed(call.arguments.as_str()),
    };
    wire::ToolCall { id: &call.id, kind: "function", function: wire::Called { name: &call.name, arguments } }
}

fn unsupported(feature: &'static str, detail: &str) -> TranslateError {
    TranslateError::Unsupported { feature, detail: detail.to_owned() }
}
