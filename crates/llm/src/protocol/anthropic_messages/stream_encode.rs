//! Writing a streamed message.
//!
//! Clients of the protocol read one block at a time.
//! <https://platform.claude.com/docs/en/build-with-claude/streaming>, read 2026-11-22.

use super::super::StreamOptions;
use super::super::turns::Turns;
use super::super::write::frame;
use super::encode_content::web_citation;
use super::{usage, wire};
use crate::ir::{Block, Delta, FinishReason, Json, StreamEvent, Warning, Warnings};
use crate::protocol::Protocol;
use domain::{Money, Usage};
use serde::Serialize;
use std::borrow::Cow;

/// Writes events.
#[derive(Debug)]
pub struct StreamEncoder {
    warnings: Warnings,
    model: String,
    has_started: bool,
    usage: Usage,
    turns: Turns,
    /// Blocks written so far; the index of the next one.
    written: u32,
    has_calls: bool,
    finish: Option<(FinishReason, Option<String>)>,
}

#[derive(Serialize)]
struct MessageStart<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: MessageHead<'a>,
}

#[derive(Serialize)]
struct MessageHead<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: [(); 0],
    stop_reason: Option<&'a str>,
    stop_sequence: Option<&'a str>,
    usage: usage::Out,
}

#[derive(Serialize)]
struct BlockStart<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u32,
    content_block: BlockHead<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum BlockHead<'a> {
    Text { text: &'static str },
    Thinking { thinking: &'static str, signature: &'static str },
    RedactedThinking { data: Cow<'a, str> },
    ToolUse { id: &'a str, name: &'a str, input: Empty },
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct BlockDelta<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u32,
    delta: DeltaOut<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum DeltaOut<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: Cow<'a, str> },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: &'a str },
    #[serde(rename = "citations_delta")]
    Citations { citation: wire::AnyCitation<'a> },
}

#[derive(Serialize)]
struct BlockStop {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u32,
}

#[derive(Serialize)]
struct MessageDelta<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    delta: Stop<'a>,
    usage: usage::Out,
}

#[derive(Serialize)]
struct Stop<'a> {
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
}

#[derive(Serialize)]
struct Bare {
    #[serde(rename = "type")]
    kind: &'static str,
}

impl StreamEncoder {
    pub(in crate::protocol) fn new(options: StreamOptions) -> Self {
        Self {
            warnings: Warnings::new(options.from, Protocol::AnthropicMessages),
            model: options.requested_model,
            has_started: false,
            usage: Usage::ZERO,
            turns: Turns::default(),
            written: 0,
            has_calls: false,
            finish: None,
        }
    }

    pub(in crate::protocol) fn take_warnings(&mut self) -> Vec<Warning> {
        self.warnings.take()
    }

    pub(in crate::protocol) fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        match event {
            StreamEvent::Start { id, model } => {
                let model = if model.is_empty() { self.model.clone() } else { model.clone() };
                self.start(id, &model, out);
            }
            StreamEvent::BlockStart { choice, .. } | StreamEvent::Finish { choice, .. } if *choice > 0 => {
                self.warnings.add("choices", "only the first answer was kept");
            }
            StreamEvent::BlockStart { index, block, .. } => {
                if self.turns.admits(event) {
                    self.block_start(*index, block, out);
                }
            }
            StreamEvent::BlockDelta { delta, .. } => {
                if self.turns.admits(event) {
                    self.delta(delta, out);
                }
            }
            StreamEvent::BlockStop { .. } => {
                if self.turns.admits(event) {
                    self.stop_open(out);
                }
            }
            StreamEvent::Usage(usage) => self.usage = *usage,
            StreamEvent::Finish { reason, stop_sequence, .. } => {
                self.finish = Some((*reason, stop_sequence.clone()));
            }
            StreamEvent::Ping => frame(out, Some("ping"), &Bare { kind: "ping" }),
            StreamEvent::Lost { feature, detail } => self.warnings.add(feature, detail.as_str()),
            StreamEvent::Error { .. } => {}
        }
    }

    pub(in crate::protocol) fn end(&mut self, usage: &Usage, cost: Option<Money>, out: &mut Vec<u8>) {
        if !self.has_started {
            let model = self.model.clone();
            self.start("", &model, out);
        }
        while self.turns.is_open() {
            self.stop_open(out);
        }
        let (reason, sequence) = self.finish.take().unwrap_or((FinishReason::Stop, None));
        let reason = if self.has_calls { reason.of_calls() } else { reason };
        let delta = Stop { stop_reason: reason.as_anthropic(), stop_sequence: sequence.as_deref() };
        let usage = usage::encode(usage, cost);
        frame(out, Some("message_delta"), &MessageDelta { kind: "message_delta", delta, usage });
        frame(out, Some("message_stop"), &Bare { kind: "message_stop" });
    }

    fn start(&mut self, id: &str, model: &str, out: &mut Vec<u8>) {
        self.has_started = true;
        let message = MessageHead {
            id,
            kind: "message",
            role: "assistant",
            model,
            content: [],
            stop_reason: None,
            stop_sequence: None,
            usage: usage::encode(&self.usage, None),
        };
        frame(out, Some("message_start"), &MessageStart { kind: "message_start", message });
    }

    fn block_start(&mut self, index: u32, block: &Block, out: &mut Vec<u8>) {
        let head = match block {
            Block::Text | Block::Refusal => BlockHead::Text { text: "" },
            Block::Reasoning => BlockHead::Thinking { thinking: "", signature: "" },
            Block::RedactedReasoning(signature) => {
                BlockHead::RedactedThinking { data: signature.in_field(Protocol::AnthropicMessages) }
            }
            Block::Image(_) => return self.warnings.add("content", "an image in the answer was dropped"),
            Block::ToolCall { id, name, .. } => {
                self.has_calls = true;
                BlockHead::ToolUse { id, name, input: Empty {} }
            }
        };
        self.turns.open(index);
        let start = BlockStart { kind: "content_block_start", index: self.written, content_block: head };
        frame(out, Some("content_block_start"), &start);
    }

    fn delta(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        let delta = match delta {
            Delta::Text(text) => DeltaOut::Text { text },
            Delta::Reasoning(thinking) => DeltaOut::Thinking { thinking },
            Delta::Signature(signature) => {
                DeltaOut::Signature { signature: signature.in_field(Protocol::AnthropicMessages) }
            }
            Delta::Arguments(partial_json) => DeltaOut::InputJson { partial_json },
            Delta::Citation(citation) => {
                let citation = match &citation.raw {
                    Some((Protocol::AnthropicMessages, raw)) => wire::AnyCitation::Raw(Json::raw(raw)),
                    Some(_) | None => wire::AnyCitation::Web(web_citation(citation)),
                };
                DeltaOut::Citations { citation }
            }
            Delta::Logprobs(_) => return self.warnings.add("logprobs", "dropped: the protocol has none"),
        };
        let delta = BlockDelta { kind: "content_block_delta", index: self.written, delta };
        frame(out, Some("content_block_delta"), &delta);
    }

    /// Ends the open block, and writes what waited, up to the next block that is not complete.
    fn stop_open(&mut self, out: &mut Vec<u8>) {
        let stop = BlockStop { kind: "content_block_stop", index: self.written };
        frame(out, Some("content_block_stop"), &stop);
        self.written = self.written.saturating_add(1);
        for event in self.turns.close() {
            self.push(&event, out);
        }
    }
}
