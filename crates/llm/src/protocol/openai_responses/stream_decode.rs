//! Reading a streamed answer.
//!
//! Blocks are parts of messages, thoughts and calls, found by the place that every event names. Read generously: some
//! servers leave the beginnings of parts out, or send a text only once it is whole.
//! <https://developers.openai.com/api/reference/resources/responses/streaming-events>, read 2026-11-26.

use super::super::TranslateError;
use super::super::fields::Fields;
use super::decode_items::{annotation, logprobs_of_chat};
use super::error::decode_error;
use super::response::{finish_of, searches};
use super::usage;
use crate::ir::{Block, Delta, FinishReason, Signature, StreamEvent, ToolCallKind};
use crate::protocol::Protocol;
use domain::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// More blocks than any answer has.
const BLOCKS_MAX: usize = 4_096;

/// Reads events.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    is_complete: bool,
    usage: Usage,
    has_calls: bool,
    is_refused: bool,
    next_index: u32,
    open: Vec<Open>,
}

/// A block that is not complete.
#[derive(Debug)]
struct Open {
    output_index: u64,
    /// Which part of a message; zero for other items.
    content_index: u64,
    block: u32,
    kind: Kind,
    /// Some of it has come.
    has_content: bool,
    /// Parts of thoughts that have begun.
    parts: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Text,
    Refusal,
    Thoughts,
    Call,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    output_index: u64,
    content_index: u64,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    part: Option<PartHead<'a>>,
    delta: Option<String>,
    text: Option<String>,
    refusal: Option<String>,
    arguments: Option<String>,
    input: Option<String>,
    #[serde(borrow)]
    annotation: Option<&'a RawValue>,
    #[serde(borrow)]
    logprobs: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PartHead<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    call_id: String,
    name: String,
    arguments: Option<String>,
    input: Option<String>,
    encrypted_content: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Answer<'a> {
    id: String,
    model: String,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    incomplete_details: Option<Incomplete<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_usage: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Vec<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Incomplete<'a> {
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

fn invalid(message: impl std::fmt::Display) -> TranslateError {
    TranslateError::InvalidResponse { message: format!("an event of the stream: {message}") }
}

fn read<'a, T: Deserialize<'a> + Default>(raw: Option<&'a RawValue>) -> Result<T, TranslateError> {
    match raw {
        Some(raw) => serde_json::from_str(raw.get()).map_err(invalid),
        None => Ok(T::default()),
    }
}

impl StreamDecoder {
    /// Reads the data of one event. Its type stands in the data too, so the name is not needed.
    pub(in crate::protocol) fn push(
        &mut self,
        _name: Option<&[u8]>,
        data: &[u8],
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        let text = std::str::from_utf8(data).map_err(|_| invalid("it is not UTF-8"))?;
        // Some servers of the protocol end their streams as those of the chat protocol do.
        if text.trim() == "[DONE]" {
            return Ok(());
        }
        let event: Event<'_> = serde_json::from_str(text).map_err(invalid)?;
        let kind = event.kind.strip_prefix("response.").unwrap_or(&event.kind);
        match kind {
            "created" => {
                let Answer { id, model, .. } = read(event.response)?;
                events.push(StreamEvent::Start { id, model });
            }
            "completed" | "incomplete" => self.end(read(event.response)?, events),
            "failed" | "error" => {
                let error = decode_error(0, data);
                events.push(StreamEvent::Error {
                    kind: error.kind,
                    code: error.code,
                    message: error.message,
                });
            }
            "output_item.added" => self.item_start(event.output_index, &read(event.item)?, events)?,
            "output_item.done" => self.item_stop(event.output_index, event.item, events)?,
            _ => self.within(kind.to_owned().as_str(), event, events)?,
        }
        Ok(())
    }

    pub(in crate::protocol) fn is_complete(&self) -> bool {
        self.is_complete
    }

    pub(in crate::protocol) fn usage(&self) -> Usage {
        self.usage
    }

    /// Reads an event within an item. Those that are not known tell of what only the provider's own tools do.
    fn within(
        &mut self,
        kind: &str,
        event: Event<'_>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        let place = (event.output_index, event.content_index);
        let (item, _) = place;
        match kind {
            "content_part.added" => {
                let kind = match event.part.unwrap_or_default().kind.as_ref() {
                    "output_text" => Kind::Text,
                    "refusal" => Kind::Refusal,
                    "reasoning_text" => return self.thoughts_part(item, events),
                    _ => return Ok(()),
                };
                self.block(place, kind, events)?;
            }
            "output_text.delta" => {
                self.said(place, Kind::Text, event.delta, events)?;
                if let Some(list) = event.logprobs.filter(|list| !matches!(list.get(), "[]" | "null")) {
                    let at = self.block(place, Kind::Text, events)?;
                    let index = self.open[at].block;
                    let delta = logprobs_of_chat(list).map(Delta::Logprobs);
                    events.extend(delta.map(|delta| StreamEvent::BlockDelta { index, delta }));
                }
            }
            "refusal.delta" => self.said(place, Kind::Refusal, event.delta, events)?,
            "output_text.done" => self.whole(place, Kind::Text, event.text, events)?,
            "refusal.done" => self.whole(place, Kind::Refusal, event.refusal, events)?,
            "content_part.done" => self.stop(
                |open| (open.output_index, open.content_index) == place && open.kind != Kind::Thoughts,
                events,
            ),
            "output_text.annotation.added" => self.cite(place, event.annotation, events)?,
            "reasoning_summary_part.added" => self.thoughts_part(item, events)?,
            "reasoning_summary_text.delta" | "reasoning_text.delta" => {
                self.said((item, 0), Kind::Thoughts, event.delta, events)?;
            }
            "function_call_arguments.delta" | "custom_tool_call_input.delta" => {
                self.said((item, 0), Kind::Call, event.delta, events)?;
            }
            "function_call_arguments.done" => self.whole((item, 0), Kind::Call, event.arguments, events)?,
            "custom_tool_call_input.done" => self.whole((item, 0), Kind::Call, event.input, events)?,
            _ => {}
        }
        Ok(())
    }

    /// The position of the open block at a place; opens one where need be.
    fn block(
        &mut self,
        (output_index, content_index): (u64, u64),
        kind: Kind,
        events: &mut Vec<StreamEvent>,
    ) -> Result<usize, TranslateError> {
        let is_it = |open: &Open| {
            (open.output_index, open.content_index, open.kind) == (output_index, content_index, kind)
        };
        if let Some(at) = self.open.iter().position(is_it) {
            return Ok(at);
        }
        let block = match kind {
            Kind::Text => Block::Text,
            Kind::Refusal => {
                self.is_refused = true;
                Block::Refusal
            }
            Kind::Thoughts => Block::Reasoning,
            // Without its beginning nobody knows which tool is called.
            Kind::Call => return Err(invalid("arguments of a call that has not begun")),
        };
        self.open_block((output_index, content_index), kind, block, events)
    }

    fn open_block(
        &mut self,
        (output_index, content_index): (u64, u64),
        kind: Kind,
        block: Block,
        events: &mut Vec<StreamEvent>,
    ) -> Result<usize, TranslateError> {
        if self.open.len() >= BLOCKS_MAX {
            return Err(invalid("too many blocks at once"));
        }
        let index = self.next_index;
        self.next_index = index.saturating_add(1);
        events.push(StreamEvent::BlockStart { index, choice: 0, block });
        self.open.push(Open {
            output_index,
            content_index,
            block: index,
            kind,
            has_content: false,
            parts: 0,
        });
        Ok(self.open.len() - 1)
    }

    fn said(
        &mut self,
        place: (u64, u64),
        kind: Kind,
        text: Option<String>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(()) };
        let at = self.block(place, kind, events)?;
        self.open[at].has_content = true;
        let delta = match kind {
            Kind::Text | Kind::Refusal => Delta::Text(text),
            Kind::Thoughts => Delta::Reasoning(text),
            Kind::Call => Delta::Arguments(text),
        };
        events.push(StreamEvent::BlockDelta { index: self.open[at].block, delta });
        Ok(())
    }

    /// Takes a text that is told as a whole, if it was not told in pieces.
    fn whole(
        &mut self,
        place: (u64, u64),
        kind: Kind,
        text: Option<String>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        let is_it =
            |open: &&Open| (open.output_index, open.content_index, open.kind) == (place.0, place.1, kind);
        if self.open.iter().find(is_it).is_some_and(|open| open.has_content) {
            return Ok(());
        }
        self.said(place, kind, text, events)
    }

    /// A further part of the same thoughts is a paragraph of its own.
    fn thoughts_part(&mut self, item: u64, events: &mut Vec<StreamEvent>) -> Result<(), TranslateError> {
        let at = self.block((item, 0), Kind::Thoughts, events)?;
        let open = &mut self.open[at];
        open.parts = open.parts.saturating_add(1);
        if open.parts > 1 && open.has_content {
            let delta = Delta::Reasoning("\n\n".to_owned());
            events.push(StreamEvent::BlockDelta { index: open.block, delta });
        }
        Ok(())
    }

    fn cite(
        &mut self,
        place: (u64, u64),
        raw: Option<&RawValue>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok(()) };
        let mut fields = Fields::new("annotation".to_owned(), raw).map_err(TranslateError::in_response)?;
        // The text that the indices point into has gone by.
        let citation = annotation(&mut fields, raw, "").map_err(TranslateError::in_response)?;
        let at = self.block(place, Kind::Text, events)?;
        let delta = Delta::Citation(citation);
        events.push(StreamEvent::BlockDelta { index: self.open[at].block, delta });
        Ok(())
    }

    fn item_start(
        &mut self,
        output_index: u64,
        item: &Item<'_>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        let kind = match item.kind.as_ref() {
            "function_call" => ToolCallKind::Function,
            "custom_tool_call" => ToolCallKind::Custom,
            _ => return Ok(()),
        };
        self.has_calls = true;
        let block = Block::ToolCall { id: item.call_id.clone(), name: item.name.clone(), kind };
        self.open_block((output_index, 0), Kind::Call, block, events)?;
        Ok(())
    }

    fn item_stop(
        &mut self,
        output_index: u64,
        raw: Option<&RawValue>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        let item: Item<'_> = read(raw)?;
        match item.kind.as_ref() {
            "function_call" | "custom_tool_call" => {
                if !self.open.iter().any(|open| open.output_index == output_index && open.kind == Kind::Call)
                {
                    self.item_start(output_index, &item, events)?;
                }
                self.whole((output_index, 0), Kind::Call, item.arguments.or(item.input), events)?;
            }
            "reasoning" => {
                if let Some(value) = item.encrypted_content.filter(|value| !value.is_empty()) {
                    let at = self.block((output_index, 0), Kind::Thoughts, events)?;
                    let delta = Delta::Signature(Signature::from_field(Protocol::OpenAiResponses, value));
                    events.push(StreamEvent::BlockDelta { index: self.open[at].block, delta });
                }
            }
            "message" | "" => {}
            other => {
                let detail = format!("an item of type {other} was dropped");
                events.push(StreamEvent::Lost { feature: "content", detail });
            }
        }
        self.stop(|open| open.output_index == output_index, events);
        Ok(())
    }

    fn stop(&mut self, is_over: impl Fn(&Open) -> bool, events: &mut Vec<StreamEvent>) {
        self.open.retain(|open| {
            if is_over(open) {
                events.push(StreamEvent::BlockStop { index: open.block });
            }
            !is_over(open)
        });
    }

    fn end(&mut self, answer: Answer<'_>, events: &mut Vec<StreamEvent>) {
        self.stop(|_| true, events);
        if let Some(usage) = answer.usage.and_then(|raw| usage::decode(raw.get())) {
            self.usage = Usage { web_searches: searches(answer.tool_usage, &answer.output), ..usage };
            events.push(StreamEvent::Usage(self.usage));
        }
        let reason =
            answer.incomplete_details.map(|details| details.reason).filter(|reason| !reason.is_empty());
        let raw = reason.unwrap_or(answer.status).into_owned();
        let reason: FinishReason = finish_of(&raw, self.has_calls);
        let reason = if self.is_refused { reason.of_refusal() } else { reason };
        events.push(StreamEvent::Finish { choice: 0, reason, raw, stop_sequence: None });
        self.is_complete = true;
    }
}
