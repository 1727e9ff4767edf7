//! Reading a streamed message.
//!
//! <https://platform.claude.com/docs/en/build-with-claude/streaming>, read 2026-11-22: unknown events and
//! unknown deltas are to be passed over.

use super::super::TranslateError;
use super::decode_content::{citation, signed};
use super::response::fields_of;
use super::usage;
use crate::ir::{Block, Delta, FinishReason, StreamEvent, ToolCallKind};
use domain::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Reads events.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    is_complete: bool,
    usage: Usage,
    /// Blocks whose deltas are carried on.
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    index: u32,
    /// A tool's input that came whole with the start, to be told unless fragments follow.
    input: Option<String>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    #[serde(default)]
    index: u32,
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(borrow, default)]
    content_block: Option<ContentBlock<'a>>,
    #[serde(borrow, default)]
    delta: Option<EventDelta<'a>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ContentBlock<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    thinking: Option<String>,
    #[serde(default)]
    data: Option<String>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct EventDelta<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    thinking: Option<String>,
    #[serde(default)]
    signature: Option<String>,
    #[serde(default)]
    partial_json: Option<String>,
    #[serde(borrow, default)]
    citation: Option<&'a RawValue>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    stop_sequence: Option<String>,
}

impl StreamDecoder {
    /// Reads the data of one event. Its type stands in the data too, so the name is not needed.
    pub(in crate::protocol) fn push(
        &mut self,
        _name: Option<&[u8]>,
        data: &[u8],
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        let invalid = |message: String| TranslateError::InvalidResponse { message };
        let text = std::str::from_utf8(data).map_err(|_| invalid("an event is not UTF-8".to_owned()))?;
        // Some servers of the protocol end their streams as OpenAI's do.
        if text.trim() == "[DONE]" {
            return Ok(());
        }
        let event: Event<'_> = serde_json::from_str(text)
            .map_err(|error| invalid(format!("an event of the stream: {error}")))?;
        match event.kind.as_ref() {
            "message_start" => {
                let Some(message) = event.message else { return Ok(()) };
                let (id, model) = (message.id.unwrap_or_default(), message.model.unwrap_or_default());
                events.push(StreamEvent::Start { id, model });
                self.report(message.usage, events);
            }
            "content_block_start" => {
                if let Some(block) = event.content_block {
                    self.start(event.index, block, events);
                }
            }
            "content_block_delta" => {
                if let Some(delta) = event.delta {
                    self.delta(event.index, delta, events)?;
                }
            }
            "content_block_stop" => self.stop(event.index, events),
            "message_delta" => {
                self.report(event.usage, events);
                if let Some(EventDelta { stop_reason: Some(raw), stop_sequence, .. }) = event.delta {
                    let reason = FinishReason::from_anthropic(&raw);
                    events.push(StreamEvent::Finish { choice: 0, reason, raw, stop_sequence });
                }
            }
            "message_stop" => self.is_complete = true,
            "ping" => events.push(StreamEvent::Ping),
            "error" => {
                let error =
                    super::super::error::decode(0, event.error.map_or("{}", RawValue::get).as_bytes());
                events.push(StreamEvent::Error {
                    kind: error.kind,
                    code: error.code,
                    message: error.message,
                });
            }
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

    fn report(&mut self, raw: Option<&RawValue>, events: &mut Vec<StreamEvent>) {
        if let Some(usage) = raw.and_then(|raw| usage::decode(raw.get())) {
            self.usage = usage::merge(self.usage, usage);
            events.push(StreamEvent::Usage(self.usage));
        }
    }

    fn start(&mut self, index: u32, block: ContentBlock<'_>, events: &mut Vec<StreamEvent>) {
        let mut open = Open { index, input: None };
        let mut first = None;
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let kind = match block.kind.as_ref() {
            "text" => {
                first = said(block.text).map(Delta::Text);
                Block::Text
            }
            "thinking" => {
                first = said(block.thinking).map(Delta::Reasoning);
                Block::Reasoning
            }
            "redacted_thinking" => Block::RedactedReasoning(signed(block.data.unwrap_or_default())),
            "tool_use" => {
                let input = block.input.map(RawValue::get).filter(|input| *input != "{}" && *input != "null");
                open.input = input.map(str::to_owned);
                let (id, name) = (block.id.unwrap_or_default(), block.name.unwrap_or_default());
                Block::ToolCall { id, name, kind: ToolCallKind::Function }
            }
            other => {
                let detail = format!("a block of type {other} was dropped");
                events.push(StreamEvent::Lost { feature: "content", detail });
                return;
            }
        };
        self.open.push(open);
        events.push(StreamEvent::BlockStart { index, choice: 0, block: kind });
        events.extend(first.map(|delta| StreamEvent::BlockDelta { index, delta }));
    }

    fn delta(
        &mut self,
        index: u32,
        delta: EventDelta<'_>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        let Some(open) = self.open.iter_mut().find(|open| open.index == index) else { return Ok(()) };
        let delta = match delta.kind.as_ref() {
            "text_delta" => delta.text.map(Delta::Text),
            "thinking_delta" => delta.thinking.map(Delta::Reasoning),
            "signature_delta" => delta.signature.map(|value| Delta::Signature(signed(value))),
            "input_json_delta" => {
                let fragment = delta.partial_json.filter(|fragment| !fragment.is_empty());
                if fragment.is_some() {
                    open.input = None;
                }
                fragment.map(Delta::Arguments)
            }
            "citations_delta" => match delta.citation {
                Some(raw) => {
                    let read = citation(fields_of(raw)?, raw).map_err(TranslateError::in_response)?;
                    Some(Delta::Citation(read))
                }
                None => None,
            },
            _ => None,
        };
        events.extend(delta.map(|delta| StreamEvent::BlockDelta { index, delta }));
        Ok(())
    }

    fn stop(&mut self, index: u32, events: &mut Vec<StreamEvent>) {
        let Some(at) = self.open.iter().position(|open| open.index == index) else { return };
        if let Some(input) = self.open.remove(at).input {
            events.push(StreamEvent::BlockDelta { index, delta: Delta::Arguments(input) });
        }
        events.push(StreamEvent::BlockStop { index });
    }
}
