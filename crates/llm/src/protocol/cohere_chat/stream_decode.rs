//! Reading a streamed answer.
//!
//! <https://docs.cohere.com/reference/chat-stream>, <https://docs.cohere.com/docs/rag-streaming>,
//! <https://docs.cohere.com/docs/tool-use-streaming>, and `cohere/v2/types/v2chat_stream_response.py` of Cohere's Python SDK 7.3.1,
//! read 2026-11-26. Each event says in its `type` what it is. Blocks follow each other; a text stays open after its end,
//! since its citations may come then.

use super::super::TranslateError;
use super::super::fields::{Fields, invalid};
use super::{citation, finish_reason, is_failure, usage};
use crate::ir::{Block, Delta, StreamEvent, ToolCallKind};
use domain::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Reads events.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    is_complete: bool,
    usage: Usage,
    /// Blocks begun so far.
    count: u32,
    open: Option<Kind>,
    has_calls: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
    ToolCall { has_arguments: bool },
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    #[serde(default)]
    id: Option<String>,
    #[serde(borrow, default)]
    delta: Option<DeltaOf<'a>>,
    /// Of a failure that is told as one that comes instead of an answer is.
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct DeltaOf<'a> {
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct OfContent {
    content: Option<Piece>,
}

#[derive(Deserialize)]
struct Piece {
    #[serde(rename = "type")]
    kind: Option<String>,
    text: Option<String>,
    thinking: Option<String>,
}

#[derive(Deserialize)]
struct OfPlan {
    tool_plan: Option<String>,
}

#[derive(Deserialize)]
struct OfCall {
    tool_calls: Option<Call>,
}

#[derive(Deserialize)]
struct Call {
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Deserialize)]
struct OfCitation<'a> {
    #[serde(borrow)]
    citations: Option<&'a RawValue>,
}

impl StreamDecoder {
    /// Reads one event.
    pub(in crate::protocol) fn push(
        &mut self,
        _name: Option<&[u8]>,
        data: &[u8],
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        let text = std::str::from_utf8(data).map_err(|_| unreadable("it is not UTF-8"))?;
        if text.trim().is_empty() || text.trim() == "[DONE]" {
            return Ok(());
        }
        let event: Event<'_> = serde_json::from_str(text).map_err(unreadable)?;
        let raw = event.delta.as_ref().and_then(|delta| delta.message);
        match &*event.kind {
            "message-start" => {
                let id = event.id.unwrap_or_default();
                events.push(StreamEvent::Start { id, model: String::new() });
            }
            "content-start" | "content-delta" => {
                if let Some(OfContent { content: Some(piece) }) = read(raw)? {
                    self.content(piece, event.kind == "content-start", events);
                }
            }
            "content-end" if self.open == Some(Kind::Text) => {}
            "content-end" | "tool-call-end" => self.close(events),
            "tool-plan-delta" => {
                if let Some(OfPlan { tool_plan: Some(text) }) = read(raw)? {
                    self.add(Kind::Reasoning, text, events);
                }
            }
            "tool-call-start" => {
                if let Some(OfCall { tool_calls: Some(call) }) = read(raw)? {
                    self.call(call, events);
                }
            }
            "tool-call-delta" => {
                if let Some(OfCall { tool_calls: Some(Call { function: Some(function), .. }) }) = read(raw)? {
                    self.arguments(function.arguments, events);
                }
            }
            "citation-start" => {
                if let Some(OfCitation { citations: Some(raw) }) = read(raw)? {
                    self.cite(raw, events)?;
                }
            }
            "message-end" => {
                if let Some(delta) = event.delta {
                    self.end(delta, data, events);
                }
            }
            "" if event.message.is_some() => events.push(failure(data)),
            _ => {}
        }
        Ok(())
    }

    pub(in crate::protocol) fn is_complete(&self) -> bool {
        self.is_complete
    }

    pub(in crate::protocol) fn usage(&self) -> Usage {
        self.usage
    }

    fn content(&mut self, piece: Piece, is_start: bool, events: &mut Vec<StreamEvent>) {
        let Piece { kind, text, thinking } = piece;
        let is_thinking = kind.as_deref() == Some("thinking") || (text.is_none() && thinking.is_some());
        if is_start {
            self.close(events);
        }
        let (kind, text) = if is_thinking { (Kind::Reasoning, thinking) } else { (Kind::Text, text) };
        self.add(kind, text.unwrap_or_default(), events);
    }

    /// Adds to a block of text or thoughts, which is opened unless one is.
    fn add(&mut self, kind: Kind, text: String, events: &mut Vec<StreamEvent>) {
        let is_text = kind == Kind::Text;
        if self.open != Some(kind) {
            self.begin(kind, if is_text { Block::Text } else { Block::Reasoning }, events);
        }
        if !text.is_empty() {
            self.tell(if is_text { Delta::Text(text) } else { Delta::Reasoning(text) }, events);
        }
    }

    fn call(&mut self, call: Call, events: &mut Vec<StreamEvent>) {
        self.has_calls = true;
        let Call { id, function } = call;
        let (name, arguments) = function.map_or((None, None), |function| (function.name, function.arguments));
        let (id, name) = (id.unwrap_or_default(), name.unwrap_or_default());
        let block = Block::ToolCall { id, name, kind: ToolCallKind::Function };
        self.begin(Kind::ToolCall { has_arguments: false }, block, events);
        self.arguments(arguments, events);
    }

    fn arguments(&mut self, arguments: Option<String>, events: &mut Vec<StreamEvent>) {
        let Some(arguments) = arguments.filter(|arguments| !arguments.is_empty()) else { return };
        if let Some(Kind::ToolCall { has_arguments }) = &mut self.open {
            *has_arguments = true;
            self.tell(Delta::Arguments(arguments), events);
        }
    }

    fn cite(&mut self, raw: &RawValue, events: &mut Vec<StreamEvent>) -> Result<(), TranslateError> {
        let mut fields = Fields::new("citations".to_owned(), raw).map_err(TranslateError::in_response)?;
        let cited = citation::read(&mut fields).map_err(TranslateError::in_response)?;
        if self.open != Some(Kind::Text) || !cited.is_of_text {
            let detail = "sources of what is not the answer were dropped".to_owned();
            events.push(StreamEvent::Lost { feature: "citations", detail });
            return Ok(());
        }
        for citation in cited.citations {
            self.tell(Delta::Citation(citation), events);
        }
        Ok(())
    }

    fn end(&mut self, delta: DeltaOf<'_>, whole: &[u8], events: &mut Vec<StreamEvent>) {
        self.close(events);
        if let Some(usage) = delta.usage.and_then(|raw| usage::decode(raw.get())) {
            self.usage = usage;
            events.push(StreamEvent::Usage(usage));
        }
        let raw = delta.finish_reason.unwrap_or_default();
        if is_failure(&raw) || delta.error.is_some() {
            return events.push(failure(whole));
        }
        self.is_complete = true;
        let reason = finish_reason(&raw);
        let reason = if self.has_calls { reason.of_calls() } else { reason };
        events.push(StreamEvent::Finish { choice: 0, reason, raw, stop_sequence: None });
    }

    fn begin(&mut self, kind: Kind, block: Block, events: &mut Vec<StreamEvent>) {
        self.close(events);
        self.open = Some(kind);
        events.push(StreamEvent::BlockStart { index: self.count, choice: 0, block });
        self.count = self.count.saturating_add(1);
    }

    /// Adds to the block that is open.
    fn tell(&self, delta: Delta, events: &mut Vec<StreamEvent>) {
        events.push(StreamEvent::BlockDelta { index: self.count.saturating_sub(1), delta });
    }

    fn close(&mut self, events: &mut Vec<StreamEvent>) {
        let Some(kind) = self.open.take() else { return };
        // Callers want JSON, also of a tool that takes nothing.
        if kind == (Kind::ToolCall { has_arguments: false }) {
            self.tell(Delta::Arguments("{}".to_owned()), events);
        }
        events.push(StreamEvent::BlockStop { index: self.count.saturating_sub(1) });
    }
}

/// The part of a message that an event carries.
fn read<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Result<Option<T>, TranslateError> {
    raw.map(|raw| serde_json::from_str(raw.get())).transpose().map_err(unreadable)
}

fn failure(body: &[u8]) -> StreamEvent {
    let error = super::decode_error(0, body);
    StreamEvent::Error { kind: error.kind, code: error.code, message: error.message }
}

/// A complaint about an event.
fn unreadable(what: impl std::fmt::Display) -> TranslateError {
    invalid("", format!("an event of the stream: {what}")).in_response()
}
