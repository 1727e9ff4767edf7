//! Reading a streamed chat completion.
//!
//! Chunks name no blocks; they are found by what a delta holds. Calls of tools have an index, and a server
//! may go back to an earlier one, so a call is over when its arguments are complete JSON and another begins,
//! or when the answer is over.
//! <https://platform.openai.com/docs/api-reference/chat/streaming>, read 2026-11-22.

use super::super::TranslateError;
use super::super::fields::Fields;
use super::response::url_citation;
use super::usage;
use crate::ir::{Block, Delta, FinishReason, Json, Signature, StreamEvent, ToolCallKind};
use crate::protocol::Protocol;
use domain::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// More calls than any model makes in one answer.
const CALLS_MAX: usize = 512;

/// Reads chunks.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    has_started: bool,
    is_complete: bool,
    usage: Usage,
    next_index: u32,
    choices: Vec<Choice>,
}

/// What is open of one of several answers.
#[derive(Debug, Default)]
struct Choice {
    index: u32,
    /// The open block of text or thoughts.
    open: Option<(u32, Said)>,
    calls: Vec<Call>,
    is_refused: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Said {
    Text,
    Reasoning,
}

#[derive(Debug)]
struct Call {
    /// The server's number for it.
    number: u64,
    block: u32,
    progress: JsonProgress,
    is_open: bool,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    choices: Option<Vec<ChunkChoice<'a>>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ChunkChoice<'a> {
    #[serde(default)]
    index: u32,
    #[serde(borrow, default)]
    delta: Option<ChunkDelta<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    logprobs: Option<&'a RawValue>,
    /// Moonshot's place for the usage, see `provider::moonshot`.
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ChunkDelta<'a> {
    content: Option<String>,
    refusal: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    reasoning_signature: Option<String>,
    tool_calls: Option<Vec<CallDelta>>,
    function_call: Option<FunctionDelta>,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
    #[serde(borrow)]
    images: Option<&'a RawValue>,
    #[serde(borrow)]
    audio: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct CallDelta {
    #[serde(default)]
    index: Option<u64>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    function: Option<FunctionDelta>,
    #[serde(default)]
    custom: Option<CustomDelta>,
}

#[derive(Deserialize)]
struct FunctionDelta {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: Option<String>,
}

#[derive(Deserialize)]
struct CustomDelta {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    input: Option<String>,
}

impl StreamDecoder {
    /// Reads the data of one event; chunks have no event names.
    pub(in crate::protocol) fn push(
        &mut self,
        _name: Option<&[u8]>,
        data: &[u8],
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            self.stop_all(events);
            self.is_complete = true;
            return Ok(());
        }
        let invalid = |message: String| TranslateError::InvalidResponse { message };
        let text = std::str::from_utf8(data).map_err(|_| invalid("a chunk is not UTF-8".to_owned()))?;
        let chunk: Chunk<'_> =
            serde_json::from_str(text).map_err(|error| invalid(format!("a chunk of the stream: {error}")))?;
        if let Some(error) = chunk.error.filter(|error| error.get() != "null") {
            let error = super::super::error::decode(0, error.get().as_bytes());
            events.push(StreamEvent::Error { kind: error.kind, code: error.code, message: error.message });
            return Ok(());
        }
        if !self.has_started {
            self.has_started = true;
            let (id, model) = (chunk.id.unwrap_or_default(), chunk.model.unwrap_or_default());
            events.push(StreamEvent::Start { id: id.into_owned(), model: model.into_owned() });
        }
        let mut reported = chunk.usage;
        for choice in chunk.choices.into_iter().flatten() {
            reported = reported.or(choice.usage);
            self.choice(choice, events)?;
        }
        if let Some(usage) = reported.and_then(|raw| usage::decode(raw.get())) {
            self.usage = self.usage.merge(usage);
            events.push(StreamEvent::Usage(self.usage));
        }
        Ok(())
    }

    pub(in crate::protocol) fn is_complete(&self) -> bool {
        self.is_complete
    }

    pub(in crate::protocol) fn usage(&self) -> Usage {
        self.usage
    }

    fn choice(
        &mut self,
        chunk: ChunkChoice<'_>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        let at = match self.choices.iter().position(|choice| choice.index == chunk.index) {
            Some(at) => at,
            None if self.choices.len() >= CALLS_MAX => {
                return Err(TranslateError::InvalidResponse { message: "too many choices".to_owned() });
            }
            None => {
                self.choices.push(Choice { index: chunk.index, ..Choice::default() });
                self.choices.len() - 1
            }
        };
        let next = &mut self.next_index;
        let Some(choice) = self.choices.get_mut(at) else { return Ok(()) };
        if let Some(delta) = chunk.delta {
            choice.delta(delta, next, events)?;
        }
        if let Some(logprobs) = chunk.logprobs.filter(|raw| raw.get() != "null") {
            let index = choice.say(Said::Text, next, events);
            events.push(StreamEvent::BlockDelta { index, delta: Delta::Logprobs(Json::from(logprobs)) });
        }
        if let Some(raw) = chunk.finish_reason.filter(|word| !word.is_empty()) {
            choice.stop_all(events);
            let reason = FinishReason::from_openai(&raw);
            let reason = if choice.is_refused { reason.of_refusal() } else { reason };
            let (choice, raw) = (choice.index, raw.into_owned());
            events.push(StreamEvent::Finish { choice, reason, raw, stop_sequence: None });
            self.is_complete = true;
        }
        Ok(())
    }

    fn stop_all(&mut self, events: &mut Vec<StreamEvent>) {
        for choice in &mut self.choices {
            choice.stop_all(events);
        }
    }
}

impl Choice {
    fn delta(
        &mut self,
        delta: ChunkDelta<'_>,
        next: &mut u32,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        let full = |text: Option<String>| text.filter(|text| !text.is_empty());
        if let Some(text) = full(delta.reasoning_content).or(full(delta.reasoning)) {
            let index = self.say(Said::Reasoning, next, events);
            events.push(StreamEvent::BlockDelta { index, delta: Delta::Reasoning(text) });
        }
        if let Some(value) = full(delta.reasoning_signature) {
            let index = self.say(Said::Reasoning, next, events);
            let signature = Signature::from_field(Protocol::AnthropicMessages, value);
            events.push(StreamEvent::BlockDelta { index, delta: Delta::Signature(signature) });
        }
        if let Some(text) = full(delta.content) {
            let index = self.say(Said::Text, next, events);
            events.push(StreamEvent::BlockDelta { index, delta: Delta::Text(text) });
        }
        if let Some(text) = full(delta.refusal) {
            self.is_refused = true;
            let index = self.say(Said::Text, next, events);
            events.push(StreamEvent::BlockDelta { index, delta: Delta::Text(text) });
        }
        if let Some(annotations) = delta.annotations.filter(|raw| raw.get() != "null") {
            self.annotations(annotations, next, events)?;
        }
        for (feature, raw) in [("images", delta.images), ("audio", delta.audio)] {
            if raw.is_some_and(|raw| raw.get() != "null") {
                events.push(StreamEvent::Lost {
                    feature,
                    detail: "dropped from the streamed answer".to_owned(),
                });
            }
        }
        for call in delta.tool_calls.into_iter().flatten() {
            let (name, arguments, kind) = match (call.function, call.custom) {
                (Some(function), _) => (function.name, function.arguments, ToolCallKind::Function),
                (None, Some(custom)) => (custom.name, custom.input, ToolCallKind::Custom),
                (None, None) => (None, None, ToolCallKind::Function),
            };
            self.call(Fragment { number: call.index, id: call.id, name, arguments, kind }, next, events)?;
        }
        if let Some(function) = delta.function_call {
            let (name, arguments) = (function.name, function.arguments);
            let (number, id, kind) = (Some(0), Some("call_1".to_owned()), ToolCallKind::Function);
            self.call(Fragment { number, id, name, arguments, kind }, next, events)?;
        }
        Ok(())
    }

    /// The index of the open block of this kind; opens one, and closes the other, where need be.
    fn say(&mut self, said: Said, next: &mut u32, events: &mut Vec<StreamEvent>) -> u32 {
        match self.open {
            Some((index, open)) if open == said => index,
            _ => {
                self.stop_open(events);
                let index = take(next);
                let block = match said {
                    Said::Text => Block::Text,
                    Said::Reasoning => Block::Reasoning,
                };
                events.push(StreamEvent::BlockStart { index, choice: self.index, block });
                self.open = Some((index, said));
                index
            }
        }
    }

    fn annotations(
        &mut self,
        raw: &RawValue,
        next: &mut u32,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        let read = super::super::fields::objects("annotations", raw).map_err(TranslateError::in_response)?;
        for mut annotation in read {
            let inner = annotation.object("url_citation").map_err(TranslateError::in_response)?;
            let Some(mut inner): Option<Fields<'_>> = inner else { continue };
            // The text that the indices point into has gone by.
            let citation = url_citation(&mut inner, "").map_err(TranslateError::in_response)?;
            let index = self.say(Said::Text, next, events);
            events.push(StreamEvent::BlockDelta { index, delta: Delta::Citation(citation) });
        }
        Ok(())
    }

    fn call(
        &mut self,
        fragment: Fragment,
        next: &mut u32,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        let is_new = fragment.id.as_ref().is_some_and(|id| !id.is_empty());
        // A few servers leave the index out; then an id begins a call.
        let number = fragment.number.unwrap_or_else(|| {
            let last = self.calls.last().map_or(0, |call| call.number);
            if is_new && !self.calls.is_empty() { last + 1 } else { last }
        });
        let at = match self.calls.iter().position(|call| call.number == number) {
            Some(at) => at,
            None => self.open_call(number, &fragment, next, events)?,
        };
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        let Some(arguments) = fragment.arguments.filter(|text| !text.is_empty()) else { return Ok(()) };
        if !call.is_open {
            if arguments.trim().is_empty() {
                return Ok(());
            }
            let message = "a fragment of a tool call came after the call was complete".to_owned();
            return Err(TranslateError::InvalidResponse { message });
        }
        call.progress.push(&arguments);
        events.push(StreamEvent::BlockDelta { index: call.block, delta: Delta::Arguments(arguments) });
        Ok(())
    }

    fn open_call(
        &mut self,
        number: u64,
        fragment: &Fragment,
        next: &mut u32,
        events: &mut Vec<StreamEvent>,
    ) -> Result<usize, TranslateError> {
        if self.calls.len() >= CALLS_MAX {
            return Err(TranslateError::InvalidResponse { message: "too many tool calls".to_owned() });
        }
        self.stop_open(events);
        for call in self.calls.iter_mut().filter(|call| call.is_open && call.progress.is_complete()) {
            call.is_open = false;
            events.push(StreamEvent::BlockStop { index: call.block });
        }
        let block = take(next);
        let id = fragment.id.clone().filter(|id| !id.is_empty()).unwrap_or_else(|| format!("call_{block}"));
        let name = fragment.name.clone().unwrap_or_default();
        let kind = fragment.kind;
        let opened = Block::ToolCall { id, name, kind };
        events.push(StreamEvent::BlockStart { index: block, choice: self.index, block: opened });
        self.calls.push(Call { number, block, progress: JsonProgress::default(), is_open: true });
        Ok(self.calls.len() - 1)
    }

    fn stop_open(&mut self, events: &mut Vec<StreamEvent>) {
        if let Some((index, _)) = self.open.take() {
            events.push(StreamEvent::BlockStop { index });
        }
    }

    fn stop_all(&mut self, events: &mut Vec<StreamEvent>) {
        self.stop_open(events);
        for call in self.calls.iter_mut().filter(|call| call.is_open) {
            call.is_open = false;
            events.push(StreamEvent::BlockStop { index: call.block });
        }
    }
}

/// A piece of a tool call.
struct Fragment {
    number: Option<u64>,
    id: Option<String>,
    name: Option<String>,
    arguments: Option<String>,
    kind: ToolCallKind,
}

fn take(next: &mut u32) -> u32 {
    let index = *next;
    *next = next.saturating_add(1);
    index
}

/// Follows an object or array that arrives in fragments, to see when it is closed.
#[derive(Debug, Default)]
struct JsonProgress {
    depth: u32,
    is_in_string: bool,
    is_escaped: bool,
    has_closed: bool,
}

impl JsonProgress {
    fn push(&mut self, fragment: &str) {
        for byte in fragment.bytes() {
            match (self.is_in_string, byte) {
                (true, _) if self.is_escaped => self.is_escaped = false,
                (true, b'\\') => self.is_escaped = true,
                (true, b'"') => self.is_in_string = false,
                (true, _) => {}
                (false, b'"') => self.is_in_string = true,
                (false, b'{' | b'[') => self.depth = self.depth.saturating_add(1),
                (false, b'}' | b']') => {
                    self.depth = self.depth.saturating_sub(1);
                    self.has_closed |= self.depth == 0;
                }
                (false, _) => {}
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.has_closed && self.depth == 0 && !self.is_in_string
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_complete_when_their_braces_are_closed() {
        for (text, expected) in
            [("", false), ("{", false), ("{}", true), (r#"{"a":"}"#, false), (r#"{"a":"\"}"} "#, true)]
        {
            let mut progress = JsonProgress::default();
            text.split_inclusive('"').for_each(|piece| progress.push(piece));
            assert_eq!(progress.is_complete(), expected, "{text}");
        }
    }
}
