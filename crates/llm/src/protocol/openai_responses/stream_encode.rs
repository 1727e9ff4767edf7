//! Writing a streamed answer.
//!
//! The last event repeats the whole answer, so all of its text is kept until then.
//! <https://developers.openai.com/api/reference/resources/responses/streaming-events>, read 2026-11-26.

use super::super::openai_chat::finish_warnings;
use super::super::write::frame;
use super::super::{StreamOptions, free_text};
use super::decode_items::redacted;
use super::echo::{Object, raw, response_id};
use super::items::{self, Content, Item};
use super::response::status;
use super::stream_blocks::{Kind, Open, Place, Sink, thoughts_part, thoughts_step, write};
use super::stream_events::{AnyItem, OfItem, Part, Step, Whole};
use super::usage;
use crate::ir::{Block, Delta, FinishReason, StreamEvent, ToolCallKind, Warning, Warnings};
use crate::protocol::Protocol;
use domain::{Money, Usage};

/// Writes events.
#[derive(Debug)]
pub struct StreamEncoder {
    options: StreamOptions,
    warnings: Warnings,
    id: String,
    model: String,
    has_started: bool,
    sequence: u64,
    /// Items that are complete, as JSON; empty where one is not yet.
    items: Vec<String>,
    /// The message that is being written.
    message: Option<Message>,
    open: Vec<Open>,
    has_refusal: bool,
    finish: Option<FinishReason>,
}

#[derive(Debug)]
struct Message {
    place: Place,
    /// Its complete parts, as JSON.
    parts: Vec<String>,
}

impl StreamEncoder {
    pub(in crate::protocol) fn new(options: StreamOptions) -> Self {
        Self {
            warnings: Warnings::new(options.from, Protocol::OpenAiResponses),
            id: String::new(),
            model: options.requested_model.clone(),
            has_started: false,
            sequence: 0,
            items: Vec::new(),
            message: None,
            open: Vec::new(),
            has_refusal: false,
            finish: None,
            options,
        }
    }

    pub(in crate::protocol) fn take_warnings(&mut self) -> Vec<Warning> {
        self.warnings.take()
    }

    pub(in crate::protocol) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(in crate::protocol) fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        match event {
            StreamEvent::Start { id, model } => self.start(id, model, out),
            StreamEvent::BlockStart { choice, .. } | StreamEvent::Finish { choice, .. } if *choice > 0 => {
                self.warnings.add("choices", "only the first answer was kept");
            }
            StreamEvent::BlockStart { index, block, .. } => self.block_start(*index, block, out),
            StreamEvent::BlockDelta { index, delta } => self.delta(*index, delta, out),
            StreamEvent::BlockStop { index } => {
                if let Some(at) = self.open.iter().position(|open| open.block == *index) {
                    self.stop(at, out);
                }
            }
            StreamEvent::Finish { reason, stop_sequence, .. } => {
                finish_warnings(*reason, stop_sequence.as_deref(), &mut self.warnings);
                self.finish = Some(*reason);
            }
            StreamEvent::Ping => out.extend_from_slice(b": ping\n\n"),
            StreamEvent::Lost { feature, detail } => self.warnings.add(feature, detail.as_str()),
            StreamEvent::Usage(_) | StreamEvent::Error { .. } => {}
        }
    }

    pub(in crate::protocol) fn end(&mut self, usage: &Usage, cost: Option<Money>, out: &mut Vec<u8>) {
        if !self.has_started {
            self.start("", "", out);
        }
        while !self.open.is_empty() {
            self.stop(0, out);
        }
        let (status, reason) = status(self.finish.unwrap_or(FinishReason::Stop), self.has_refusal);
        self.stop_message(if reason.is_some() { "incomplete" } else { "completed" }, out);
        let kind = if reason.is_some() { "response.incomplete" } else { "response.completed" };
        let output = format!("[{}]", self.items.join(","));
        let object = Object {
            reason,
            output: raw(&output),
            usage: Some(usage::encode(usage, cost)),
            ..self.object(status)
        };
        let event = Whole { kind, response: object, sequence_number: self.sequence };
        frame(out, Some(kind), &event);
        self.sequence += 1;
    }

    fn object(&self, status: &'static str) -> Object<'_> {
        let created_at = self.options.created;
        Object { created_at, ..Object::new(&self.id, &self.model, status, self.options.echo.as_deref()) }
    }

    fn start(&mut self, id: &str, model: &str, out: &mut Vec<u8>) {
        self.has_started = true;
        self.id = response_id(id, self.options.created).into_owned();
        if !model.is_empty() {
            model.clone_into(&mut self.model);
        }
        for kind in ["response.created", "response.in_progress"] {
            let response = self.object("in_progress");
            frame(out, Some(kind), &Whole { kind, response, sequence_number: self.sequence });
            self.sequence += 1;
        }
    }

    /// A place for one more item.
    fn place(&mut self, prefix: &str) -> Place {
        let output_index = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
        self.items.push(String::new());
        let stem = self.id.strip_prefix("resp_").unwrap_or(&self.id);
        Place { output_index, id: format!("{prefix}_{stem}_{output_index}") }
    }

    fn block_start(&mut self, block: u32, start: &Block, out: &mut Vec<u8>) {
        let text = String::new();
        let open = match start {
            Block::Text | Block::Refusal => {
                let (place, content_index) = self.part_start(out);
                let (part, kind) = if *start == Block::Text {
                    let part = Content::OutputText { text: "", annotations: &[], logprobs: raw("[]") };
                    (part, Kind::Text { content_index, annotations: Vec::new(), logprobs: String::new() })
                } else {
                    self.has_refusal = true;
                    (Content::Refusal { refusal: "" }, Kind::Refusal { content_index })
                };
                let step = place.step("response.content_part.added");
                let part = Some(Part::Content(part));
                self.step(Step { content_index: Some(content_index), part, ..step }, out);
                Open { block, place, text, kind }
            }
            Block::Image(_) => return self.warnings.add("content", "an image in the answer was dropped"),
            Block::Reasoning => {
                let place = self.item_start("rs", out, |id| items::thoughts(id, "", false, None));
                Open { block, place, text, kind: Kind::Thoughts { encrypted: None, has_part: false } }
            }
            Block::RedactedReasoning(signature) => {
                let encrypted = Some(redacted(signature));
                let place = self.item_start("rs", out, |id| items::thoughts(id, "", false, None));
                Open { block, place, text, kind: Kind::Thoughts { encrypted, has_part: false } }
            }
            Block::ToolCall { id: call_id, name, kind } => {
                let echo = self.options.echo.as_deref();
                let is_turned_back = echo.is_some_and(|echo| echo.is_turned_back(name, *kind));
                let kind = if is_turned_back { ToolCallKind::Custom } else { *kind };
                let prefix = if kind == ToolCallKind::Custom { "ctc" } else { "fc" };
                let place = self
                    .item_start(prefix, out, |id| items::call(id, (call_id, name, kind), "", "in_progress"));
                let (call_id, name) = (call_id.clone(), name.clone());
                Open { block, place, text, kind: Kind::Call { call_id, name, kind, is_turned_back } }
            }
        };
        self.open.push(open);
    }

    /// Begins an item that is no message.
    fn item_start(&mut self, prefix: &str, out: &mut Vec<u8>, item: impl FnOnce(&str) -> String) -> Place {
        let is_part = |open: &Open| matches!(open.kind, Kind::Text { .. } | Kind::Refusal { .. });
        if !self.open.iter().any(is_part) {
            self.stop_message("completed", out);
        }
        let place = self.place(prefix);
        let item = item(&place.id);
        self.item_event("response.output_item.added", &place, AnyItem::Raw(raw(&item)), out);
        place
    }

    /// Where the next part of a message stands; begins the message where need be.
    fn part_start(&mut self, out: &mut Vec<u8>) -> (Place, u32) {
        // Parts of a message come one after the other.
        let is_part = |open: &Open| matches!(open.kind, Kind::Text { .. } | Kind::Refusal { .. });
        while let Some(at) = self.open.iter().position(is_part) {
            self.stop(at, out);
        }
        if self.message.is_none() {
            let place = self.place("msg");
            let item =
                Item::Message { id: &place.id, status: "in_progress", role: "assistant", content: &[] };
            self.item_event("response.output_item.added", &place, AnyItem::Known(item), out);
            self.message = Some(Message { place, parts: Vec::new() });
        }
        match &self.message {
            Some(message) => (message.place.clone(), u32::try_from(message.parts.len()).unwrap_or(u32::MAX)),
            // It was made just now.
            None => (Place { output_index: 0, id: String::new() }, 0),
        }
    }

    fn delta(&mut self, block: u32, delta: &Delta, out: &mut Vec<u8>) {
        let Some(open) = self.open.iter_mut().find(|open| open.block == block) else {
            return self.warnings.add("content", "what came after the end of a block was dropped");
        };
        let shows_thoughts = self.options.from == Protocol::OpenAiChat;
        let (sequence, warnings) = (&mut self.sequence, &mut self.warnings);
        open.push(delta, &mut Sink { shows_thoughts, sequence, warnings, out });
    }

    /// Ends the block at this position.
    fn stop(&mut self, at: usize, out: &mut Vec<u8>) {
        let Open { place, text, kind, .. } = self.open.remove(at);
        match kind {
            Kind::Text { content_index, annotations, logprobs } => {
                let logprobs = format!("[{logprobs}]");
                let step = place.step("response.output_text.done");
                let step = Step {
                    content_index: Some(content_index),
                    text: Some(&text),
                    logprobs: Some(raw(&logprobs)),
                    ..step
                };
                self.step(step, out);
                let annotations: Vec<_> =
                    annotations.iter().map(|json| items::Annotation::Raw(raw(json))).collect();
                let part =
                    Content::OutputText { text: &text, annotations: &annotations, logprobs: raw(&logprobs) };
                self.part_stop(&place, content_index, items::json(&part), out);
            }
            Kind::Refusal { content_index } => {
                let step = place.step("response.refusal.done");
                self.step(Step { content_index: Some(content_index), refusal: Some(&text), ..step }, out);
                self.part_stop(&place, content_index, items::json(&Content::Refusal { refusal: &text }), out);
            }
            Kind::Thoughts { encrypted, has_part } => {
                let shows = self.options.from == Protocol::OpenAiChat;
                if has_part {
                    let step = thoughts_step(
                        &place,
                        shows,
                        "response.reasoning_text.done",
                        "response.reasoning_summary_text.done",
                    );
                    self.step(Step { text: Some(&text), ..step }, out);
                    self.step(thoughts_part(&place, "done", &text, shows), out);
                }
                self.item_stop(&place, items::thoughts(&place.id, &text, shows, encrypted.as_deref()), out);
            }
            Kind::Call { call_id, name, kind, is_turned_back } => {
                let done = match kind {
                    ToolCallKind::Custom if is_turned_back => free_text::read(&text),
                    // Callers parse the text as JSON, which an empty text is not.
                    ToolCallKind::Function if text.is_empty() => "{}".into(),
                    ToolCallKind::Custom | ToolCallKind::Function => text.as_str().into(),
                };
                self.call_stop(&place, kind, &done, text != done, out);
                self.item_stop(
                    &place,
                    items::call(&place.id, (&call_id, &name, kind), &done, "completed"),
                    out,
                );
            }
        }
    }

    /// Tells the whole of what a tool is called with; as a piece too, where no piece has told it.
    fn call_stop(
        &mut self,
        place: &Place,
        kind: ToolCallKind,
        whole: &str,
        is_untold: bool,
        out: &mut Vec<u8>,
    ) {
        let (delta, done) = match kind {
            ToolCallKind::Function => {
                let step = place.step("response.function_call_arguments.done");
                ("response.function_call_arguments.delta", Step { arguments: Some(whole), ..step })
            }
            ToolCallKind::Custom => {
                let step = place.step("response.custom_tool_call_input.done");
                ("response.custom_tool_call_input.delta", Step { input: Some(whole), ..step })
            }
        };
        if is_untold {
            self.step(Step { delta: Some(whole), ..place.step(delta) }, out);
        }
        self.step(done, out);
    }

    fn part_stop(&mut self, place: &Place, content_index: u32, part: String, out: &mut Vec<u8>) {
        let step = place.step("response.content_part.done");
        let written = Some(Part::Raw(raw(&part)));
        self.step(Step { content_index: Some(content_index), part: written, ..step }, out);
        if let Some(message) = &mut self.message {
            message.parts.push(part);
        }
    }

    fn stop_message(&mut self, status: &str, out: &mut Vec<u8>) {
        let Some(Message { place, parts }) = self.message.take() else { return };
        let content = parts.join(",");
        // Its parts are JSON already.
        let item = format!(
            r#"{{"type":"message","id":{},"status":"{status}","role":"assistant","content":[{content}]}}"#,
            items::json(&place.id),
        );
        self.item_stop(&place, item, out);
    }

    fn item_stop(&mut self, place: &Place, item: String, out: &mut Vec<u8>) {
        self.item_event("response.output_item.done", place, AnyItem::Raw(raw(&item)), out);
        if let Some(slot) = usize::try_from(place.output_index).ok().and_then(|at| self.items.get_mut(at)) {
            *slot = item;
        }
    }

    fn item_event(&mut self, kind: &'static str, place: &Place, item: AnyItem<'_>, out: &mut Vec<u8>) {
        let event = OfItem { kind, output_index: place.output_index, item, sequence_number: self.sequence };
        frame(out, Some(kind), &event);
        self.sequence += 1;
    }

    fn step(&mut self, step: Step<'_>, out: &mut Vec<u8>) {
        write(&mut self.sequence, step, out);
    }
}
