//! Writing a streamed answer: frames of Amazon's event stream encoding.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html>, read 2026-11-26. Only tools and
//! pictures are begun with an event of their own. Usage, cost and how long it took come in an event after the end of the message.

use super::super::StreamOptions;
use super::super::free_text;
use super::super::turns::Turns;
use super::super::write::to_json;
use super::encode_answer::{Ended, Metrics, citation, picture};
use super::signature::{in_field, redacted_in_field};
use super::usage;
use super::wire::{Bytes, CitationOut};
use crate::amazon_events;
use crate::ir::{Block, Delta, FinishReason, StreamEvent, ToolCallKind, Warning, Warnings};
use crate::protocol::Protocol;
use domain::{Money, Usage};
use serde::Serialize;
use std::borrow::Cow;

/// Writes events.
#[derive(Debug)]
pub struct StreamEncoder {
    warnings: Warnings,
    has_started: bool,
    turns: Turns,
    /// Blocks written so far; the index of the next one.
    written: u32,
    /// The open block calls a tool that takes free text: its arguments are gathered.
    free_text: Option<String>,
    has_calls: bool,
    finish: Option<(FinishReason, Option<String>)>,
    took_ms: u64,
}

#[derive(Serialize)]
struct MessageStart {
    role: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockStart<'a> {
    start: Head<'a>,
    content_block_index: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Head<'a> {
    #[serde(rename_all = "camelCase")]
    ToolUse {
        tool_use_id: &'a str,
        name: &'a str,
    },
    Image {
        format: &'static str,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockDelta<'a> {
    delta: Piece<'a>,
    content_block_index: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Piece<'a> {
    Text(&'a str),
    ToolUse { input: Cow<'a, str> },
    ReasoningContent(Thought<'a>),
    Citation(CitationOut<'a>),
    Image { source: Bytes<'a> },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Thought<'a> {
    Text(&'a str),
    Signature(Cow<'a, str>),
    RedactedContent(Cow<'a, str>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockStop {
    content_block_index: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageStop<'a> {
    stop_reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_model_response_fields: Option<Ended<'a>>,
}

#[derive(Serialize)]
struct Metadata {
    usage: usage::Out,
    metrics: Metrics,
}

impl StreamEncoder {
    pub(in crate::protocol) fn new(options: StreamOptions) -> Self {
        Self {
            warnings: Warnings::new(options.from, Protocol::BedrockConverse),
            has_started: false,
            turns: Turns::default(),
            written: 0,
            free_text: None,
            has_calls: false,
            finish: None,
            took_ms: 0,
        }
    }

    pub(in crate::protocol) fn take_warnings(&mut self) -> Vec<Warning> {
        self.warnings.take()
    }

    /// How long the answer took, which its last event tells.
    pub(in crate::protocol) fn took(&mut self, ms: u64) {
        self.took_ms = ms;
    }

    pub(in crate::protocol) fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        match event {
            StreamEvent::Start { .. } => self.start(out),
            StreamEvent::BlockStart { choice, .. } | StreamEvent::Finish { choice, .. } if *choice > 0 => {
                self.warnings.add("choices", "only the first answer was kept");
            }
            StreamEvent::BlockStart { .. }
            | StreamEvent::BlockDelta { .. }
            | StreamEvent::BlockStop { .. } => {
                if self.turns.admits(event) {
                    self.of_block(event, out);
                }
            }
            StreamEvent::Finish { reason, stop_sequence, .. } => {
                self.finish = Some((*reason, stop_sequence.clone()));
            }
            StreamEvent::Lost { feature, detail } => self.warnings.add(feature, detail.as_str()),
            // There is no sign of life.
            StreamEvent::Ping | StreamEvent::Usage(_) | StreamEvent::Error { .. } => {}
        }
    }

    pub(in crate::protocol) fn end(&mut self, usage: &Usage, cost: Option<Money>, out: &mut Vec<u8>) {
        self.start(out);
        while self.turns.is_open() {
            self.stop(out);
        }
        let (reason, sequence) = self.finish.take().unwrap_or((FinishReason::Stop, None));
        let reason = if self.has_calls { reason.of_calls() } else { reason };
        let stop = MessageStop {
            stop_reason: reason.as_converse(),
            additional_model_response_fields: sequence
                .as_deref()
                .map(|stop_sequence| Ended { stop_sequence }),
        };
        frame(out, "messageStop", &stop);
        let metrics = Metrics { latency_ms: self.took_ms };
        frame(out, "metadata", &Metadata { usage: usage::encode(usage, cost), metrics });
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if !self.has_started {
            self.has_started = true;
            frame(out, "messageStart", &MessageStart { role: "assistant" });
        }
    }

    fn of_block(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        match event {
            StreamEvent::BlockStart { index, block, .. } => self.begin(*index, block, out),
            StreamEvent::BlockDelta { delta, .. } => self.delta(delta, out),
            StreamEvent::BlockStop { .. } => self.stop(out),
            StreamEvent::Start { .. }
            | StreamEvent::Usage(_)
            | StreamEvent::Finish { .. }
            | StreamEvent::Error { .. }
            | StreamEvent::Ping
            | StreamEvent::Lost { .. } => {}
        }
    }

    fn begin(&mut self, index: u32, block: &Block, out: &mut Vec<u8>) {
        self.start(out);
        match block {
            // They are known by their pieces.
            Block::Text | Block::Refusal | Block::Reasoning => {}
            Block::RedactedReasoning(signature) => {
                let thought = Thought::RedactedContent(redacted_in_field(signature));
                self.piece(Piece::ReasoningContent(thought), out);
            }
            Block::Image(source) => {
                let Some((format, data)) = picture(source) else {
                    return self.warnings.add("content", "an image that has no bytes was dropped");
                };
                self.head(Head::Image { format }, out);
                self.piece(Piece::Image { source: Bytes { bytes: data.into() } }, out);
            }
            Block::ToolCall { id, name, kind } => {
                self.has_calls = true;
                self.free_text = (*kind == ToolCallKind::Custom).then(String::new);
                self.head(Head::ToolUse { tool_use_id: id, name }, out);
            }
        }
        self.turns.open(index);
    }

    fn delta(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        let piece = match delta {
            Delta::Text(text) => Piece::Text(text),
            Delta::Reasoning(text) => Piece::ReasoningContent(Thought::Text(text)),
            Delta::Signature(signature) => Piece::ReasoningContent(Thought::Signature(in_field(signature))),
            Delta::Arguments(text) => match &mut self.free_text {
                Some(gathered) => return gathered.push_str(text),
                None => Piece::ToolUse { input: text.into() },
            },
            Delta::Citation(cited) => Piece::Citation(citation(cited)),
            Delta::Logprobs(_) => return self.warnings.add("logprobs", "dropped: the protocol has none"),
        };
        self.piece(piece, out);
    }

    /// Ends the open block, and writes what waited, up to the next block that is not complete.
    fn stop(&mut self, out: &mut Vec<u8>) {
        if let Some(text) = self.free_text.take() {
            let input = free_text::arguments(&text).get().to_owned().into();
            self.piece(Piece::ToolUse { input }, out);
        }
        frame(out, "contentBlockStop", &BlockStop { content_block_index: self.written });
        self.written = self.written.saturating_add(1);
        for event in self.turns.close() {
            self.push(&event, out);
        }
    }

    fn head(&self, start: Head<'_>, out: &mut Vec<u8>) {
        frame(out, "contentBlockStart", &BlockStart { start, content_block_index: self.written });
    }

    fn piece(&self, delta: Piece<'_>, out: &mut Vec<u8>) {
        frame(out, "contentBlockDelta", &BlockDelta { delta, content_block_index: self.written });
    }
}

fn frame(out: &mut Vec<u8>, kind: &str, payload: &impl Serialize) {
    let payload = String::from_utf8(to_json(payload)).unwrap_or_default();
    out.extend_from_slice(&amazon_events::event(kind, &payload));
}
