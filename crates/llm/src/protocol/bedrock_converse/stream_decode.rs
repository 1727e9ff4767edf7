//! Reading a streamed answer.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html>, read 2026-11-26. Events
//! say what they are by their names. Blocks of text and thoughts begin with their first piece. After the end of the
//! message one event tells what was consumed.

use super::super::TranslateError;
use super::response::{fields_of, read_citation, unreadable};
use super::signature::{redacted, signed};
use super::{ANSWER_TOOL, finish_reason, usage};
use crate::ir::{Block, Delta, StreamEvent, ToolCallKind};
use domain::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Reads events.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    is_complete: bool,
    usage: Usage,
    open: Vec<Open>,
    /// A tool was called that the caller knows.
    has_calls: bool,
    /// The answer came as a call of our own tool.
    is_answer_tool: bool,
}

#[derive(Debug)]
struct Open {
    index: u32,
    kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
    /// Its pieces cannot be told on.
    Redacted,
    ToolCall {
        has_arguments: bool,
    },
    /// Of our own tool.
    Answer,
    /// Of a kind that is not known here.
    Lost,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Event<'a> {
    content_block_index: u32,
    start: Option<Start>,
    #[serde(borrow)]
    delta: Option<Piece<'a>>,
    stop_reason: Option<String>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    tool_use: Option<ToolStart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolStart {
    #[serde(default)]
    tool_use_id: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Piece<'a> {
    text: Option<String>,
    tool_use: Option<ToolPiece>,
    reasoning_content: Option<ReasoningPiece>,
    #[serde(borrow)]
    citation: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ToolPiece {
    #[serde(default)]
    input: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReasoningPiece {
    text: Option<String>,
    signature: Option<String>,
    redacted_content: Option<String>,
}

impl StreamDecoder {
    /// Reads one event.
    pub(in crate::protocol) fn push(
        &mut self,
        name: Option<&[u8]>,
        data: &[u8],
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        let text = std::str::from_utf8(data).map_err(|_| unreadable("it is not UTF-8"))?;
        if text.trim().is_empty() {
            return Ok(());
        }
        let event: Event<'_> = serde_json::from_str(text).map_err(unreadable)?;
        let index = event.content_block_index;
        match name.unwrap_or_default() {
            b"messageStart" => {
                events.push(StreamEvent::Start { id: String::new(), model: String::new() });
            }
            b"contentBlockStart" => self.start(index, event.start, events),
            b"contentBlockDelta" => {
                if let Some(piece) = event.delta {
                    self.piece(index, piece, events)?;
                }
            }
            b"contentBlockStop" => self.stop(index, events),
            b"messageStop" => {
                let raw = event.stop_reason.unwrap_or_default();
                let is_answer = self.is_answer_tool && !self.has_calls && raw == "tool_use";
                let reason = finish_reason(if is_answer { "end_turn" } else { &raw });
                events.push(StreamEvent::Finish { choice: 0, reason, raw, stop_sequence: None });
            }
            b"metadata" => {
                self.is_complete = true;
                if let Some(usage) = event.usage.and_then(|raw| usage::decode(raw.get())) {
                    self.usage = usage;
                    events.push(StreamEvent::Usage(usage));
                }
            }
            b"error" => {
                let raw = event.error.map_or("{}", RawValue::get);
                let error = super::super::error::decode(0, raw.as_bytes());
                let (kind, code, message) = (error.kind, error.code, error.message);
                events.push(StreamEvent::Error { kind, code, message });
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

    fn start(&mut self, index: u32, start: Option<Start>, events: &mut Vec<StreamEvent>) {
        let Some(ToolStart { tool_use_id: id, name }) = start.and_then(|start| start.tool_use) else {
            // Text and thoughts are known by their pieces.
            return;
        };
        if name == ANSWER_TOOL {
            self.is_answer_tool = true;
            return self.open(index, Kind::Answer, Some(Block::Text), events);
        }
        self.has_calls = true;
        let block = Block::ToolCall { id, name, kind: ToolCallKind::Function };
        self.open(index, Kind::ToolCall { has_arguments: false }, Some(block), events);
    }

    fn open(&mut self, index: u32, kind: Kind, block: Option<Block>, events: &mut Vec<StreamEvent>) {
        // One that was never closed.
        self.stop(index, events);
        self.open.push(Open { index, kind });
        events.extend(block.map(|block| StreamEvent::BlockStart { index, choice: 0, block }));
    }

    /// Opens a block with its first piece, unless it is open.
    fn ensure(&mut self, index: u32, kind: Kind, block: Block, events: &mut Vec<StreamEvent>) {
        if !self.open.iter().any(|open| open.index == index) {
            self.open(index, kind, Some(block), events);
        }
    }

    fn piece(
        &mut self,
        index: u32,
        piece: Piece<'_>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        let tell = |delta, events: &mut Vec<StreamEvent>| {
            events.push(StreamEvent::BlockDelta { index, delta });
        };
        if let Some(text) = piece.text {
            self.ensure(index, Kind::Text, Block::Text, events);
            if !text.is_empty() {
                tell(Delta::Text(text), events);
            }
        } else if let Some(ToolPiece { input }) = piece.tool_use {
            let open = self.open.iter_mut().find(|open| open.index == index);
            let Some(open) = open.filter(|_| !input.is_empty()) else { return Ok(()) };
            match &mut open.kind {
                Kind::ToolCall { has_arguments } => {
                    *has_arguments = true;
                    tell(Delta::Arguments(input), events);
                }
                Kind::Answer => tell(Delta::Text(input), events),
                Kind::Text | Kind::Reasoning | Kind::Redacted | Kind::Lost => {}
            }
        } else if let Some(thoughts) = piece.reasoning_content {
            self.thoughts(index, thoughts, events);
        } else if let Some(raw) = piece.citation {
            self.ensure(index, Kind::Text, Block::Text, events);
            let citation = read_citation(&mut fields_of(raw)?).map_err(TranslateError::in_response)?;
            tell(Delta::Citation(citation), events);
        } else if !self.open.iter().any(|open| open.index == index) {
            self.open(index, Kind::Lost, None, events);
            let detail = "a block of a kind that is not known was dropped".to_owned();
            events.push(StreamEvent::Lost { feature: "content", detail });
        }
        Ok(())
    }

    fn thoughts(&mut self, index: u32, piece: ReasoningPiece, events: &mut Vec<StreamEvent>) {
        if let Some(value) = piece.redacted_content {
            if self.open.iter().any(|open| open.index == index) {
                let detail = "thoughts that came in several encrypted pieces were dropped".to_owned();
                return events.push(StreamEvent::Lost { feature: "reasoning", detail });
            }
            let block = Block::RedactedReasoning(redacted(value));
            return self.open(index, Kind::Redacted, Some(block), events);
        }
        self.ensure(index, Kind::Reasoning, Block::Reasoning, events);
        let text = piece.text.filter(|text| !text.is_empty()).map(Delta::Reasoning);
        let signature = piece.signature.filter(|value| !value.is_empty());
        let signature = signature.map(|value| Delta::Signature(signed(value)));
        let deltas = [text, signature].into_iter().flatten();
        events.extend(deltas.map(|delta| StreamEvent::BlockDelta { index, delta }));
    }

    fn stop(&mut self, index: u32, events: &mut Vec<StreamEvent>) {
        let Some(at) = self.open.iter().position(|open| open.index == index) else { return };
        match self.open.remove(at).kind {
            Kind::Lost => return,
            // Callers want JSON, also of a tool that takes nothing.
            Kind::ToolCall { has_arguments: false } => {
                events.push(StreamEvent::BlockDelta { index, delta: Delta::Arguments("{}".to_owned()) });
            }
            Kind::ToolCall { has_arguments: true }
            | Kind::Text
            | Kind::Reasoning
            | Kind::Redacted
            | Kind::Answer => {}
        }
        events.push(StreamEvent::BlockStop { index });
    }
}
