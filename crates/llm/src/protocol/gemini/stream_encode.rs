//! Writing a streamed answer: pieces in the shape of a whole one, and no event for the end.
//!
//! Calls are written once their arguments are whole, sources with the last piece, which tells usage and cost too. SDKs
//! read nothing but data, so a sign of life is not written.
//! <https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent>, read 2026-11-26.

use super::super::StreamOptions;
use super::super::write::frame;
use super::encode_content::{owned, wrapped};
use super::signature::{in_field, redacted_in_field};
use super::wire::{self, AnyPart, Blob, FileData, FunctionCall};
use super::{grounding, usage};
use crate::ir::{Block, Citation, Delta, FinishReason, Source, StreamEvent, ToolCallKind, Warning, Warnings};
use crate::protocol::Protocol;
use domain::{Money, Usage};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Bytes of a text that are kept for citations that do not quote it.
const CITED_BYTES_MAX: usize = 4096;

/// Writes events.
#[derive(Debug)]
pub struct StreamEncoder {
    warnings: Warnings,
    id: String,
    model: String,
    blocks: Vec<Open>,
    answers: Vec<Answer>,
}

#[derive(Debug)]
struct Open {
    index: u32,
    answer: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Where the text begins, and what it rests on.
    Text {
        start: usize,
        citations: Vec<Citation>,
        text: String,
    },
    Thoughts,
    Call {
        id: String,
        name: String,
        kind: ToolCallKind,
        arguments: String,
    },
}

/// One of the answers, as far as it has come.
#[derive(Debug, Default)]
struct Answer {
    index: u32,
    /// Bytes of text so far.
    bytes: usize,
    grounding: grounding::Out<'static>,
    finish: Option<FinishReason>,
    /// The signature of what comes next.
    pending: Option<String>,
}

impl StreamEncoder {
    pub(in crate::protocol) fn new(options: StreamOptions) -> Self {
        Self {
            warnings: Warnings::new(options.from, Protocol::Gemini),
            id: String::new(),
            model: options.requested_model,
            blocks: Vec::new(),
            answers: Vec::new(),
        }
    }

    pub(in crate::protocol) fn take_warnings(&mut self) -> Vec<Warning> {
        self.warnings.take()
    }

    pub(in crate::protocol) fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        match event {
            StreamEvent::Start { id, model } => {
                self.id.clone_from(id);
                if !model.is_empty() {
                    self.model.clone_from(model);
                }
            }
            StreamEvent::BlockStart { index, choice, block } => self.start(*index, *choice, block, out),
            StreamEvent::BlockDelta { index, delta } => self.delta(*index, delta, out),
            StreamEvent::BlockStop { index } => self.stop(*index, out),
            StreamEvent::Finish { choice, reason, stop_sequence, .. } => {
                if let Some(sequence) = stop_sequence {
                    self.warnings.add("stop_sequence", format!("the answer was ended by {sequence:?}"));
                }
                self.answer(*choice).finish = Some(*reason);
            }
            StreamEvent::Lost { feature, detail } => self.warnings.add(feature, detail.as_str()),
            StreamEvent::Ping | StreamEvent::Usage(_) | StreamEvent::Error { .. } => {}
        }
    }

    pub(in crate::protocol) fn end(&mut self, usage: &Usage, cost: Option<Money>, out: &mut Vec<u8>) {
        while let Some(block) = self.blocks.first() {
            let index = block.index;
            self.stop(index, out);
        }
        self.answer(0);
        let mut candidates = Vec::with_capacity(self.answers.len());
        for answer in std::mem::take(&mut self.answers) {
            // Google's SDK forgets answers of which a piece has no parts.
            let thought_signature = answer.pending.map(Cow::Owned);
            let part = wire::Part { thought_signature, ..wire::Part::text("") };
            let parts = vec![AnyPart::Known(Box::new(part))];
            candidates.push(wire::Candidate {
                content: wire::Content { role: Some("model"), parts },
                finish_reason: Some(answer.finish.unwrap_or(FinishReason::Stop).as_gemini()),
                index: answer.index,
                grounding_metadata: Some(answer.grounding).filter(|grounding| !grounding.is_empty()),
            });
        }
        let usage_metadata = Some(usage::encode(usage, cost));
        let (model_version, response_id) = (self.model.as_str(), self.id.as_str());
        frame(out, None, &wire::Response { candidates, usage_metadata, model_version, response_id });
    }

    fn answer(&mut self, index: u32) -> &mut Answer {
        let at = match self.answers.iter().position(|answer| answer.index == index) {
            Some(at) => at,
            None => {
                self.answers.push(Answer { index, ..Answer::default() });
                self.answers.len() - 1
            }
        };
        &mut self.answers[at]
    }

    fn start(&mut self, index: u32, answer: u32, block: &Block, out: &mut Vec<u8>) {
        let kind = match block {
            Block::Text | Block::Refusal => {
                let start = self.answer(answer).bytes;
                Kind::Text { start, citations: Vec::new(), text: String::new() }
            }
            Block::Reasoning => Kind::Thoughts,
            Block::ToolCall { id, name, kind } => {
                Kind::Call { id: id.clone(), name: name.clone(), kind: *kind, arguments: String::new() }
            }
            Block::RedactedReasoning(signature) => {
                let part = wire::Part {
                    thought: Some(true),
                    thought_signature: Some(redacted_in_field(signature).into()),
                    ..wire::Part::text("")
                };
                return self.write(answer, part, out);
            }
            Block::Image(source) => return self.image(answer, source, out),
        };
        self.blocks.push(Open { index, answer, kind });
    }

    fn image(&mut self, answer: u32, source: &Source, out: &mut Vec<u8>) {
        let mut part = wire::Part::default();
        match source {
            Source::Base64 { media_type, data } => {
                part.inline_data =
                    Some(Blob { mime_type: media_type.as_str().into(), data: data.as_str().into() });
            }
            Source::Url(url) => part.file_data = Some(FileData { mime_type: None, file_uri: url }),
            Source::Text(_) | Source::File { .. } => {
                return self.warnings.add("content", "an image was dropped");
            }
        }
        self.write(answer, part, out);
    }

    fn delta(&mut self, index: u32, delta: &Delta, out: &mut Vec<u8>) {
        let Some(at) = self.blocks.iter().position(|block| block.index == index) else { return };
        let answer = self.blocks[at].answer;
        match (&mut self.blocks[at].kind, delta) {
            (_, Delta::Text(text)) if text.is_empty() => {}
            (Kind::Text { text: said, .. }, Delta::Text(text)) => {
                if said.len() < CITED_BYTES_MAX {
                    said.push_str(text);
                }
                self.answer(answer).bytes += text.len();
                self.write(answer, wire::Part::text(text.as_str()), out);
            }
            (_, Delta::Text(text)) => self.write(answer, wire::Part::text(text.as_str()), out),
            (_, Delta::Reasoning(text)) => {
                let part = wire::Part { thought: Some(true), ..wire::Part::text(text.as_str()) };
                self.write(answer, part, out);
            }
            (_, Delta::Signature(signature)) if signature.protocol == Protocol::Gemini => {
                self.answer(answer).pending = Some(signature.value.clone());
            }
            (_, Delta::Signature(signature)) => {
                let part = wire::Part {
                    thought: Some(true),
                    thought_signature: Some(in_field(signature)),
                    ..wire::Part::text("")
                };
                self.write(answer, part, out);
            }
            (Kind::Call { arguments, .. }, Delta::Arguments(text)) => arguments.push_str(text),
            (Kind::Text { citations, .. }, Delta::Citation(citation)) if !citation.url.is_empty() => {
                citations.push(citation.clone());
            }
            (_, Delta::Citation(citation)) if citation.url.is_empty() => {
                self.warnings.add("citations", "citations of documents were dropped");
            }
            (_, Delta::Logprobs(_)) => self.warnings.add("logprobs", "dropped: they are shaped otherwise"),
            (_, Delta::Arguments(_) | Delta::Citation(_)) => {}
        }
    }

    fn stop(&mut self, index: u32, out: &mut Vec<u8>) {
        let Some(at) = self.blocks.iter().position(|block| block.index == index) else { return };
        let Open { answer, kind, .. } = self.blocks.remove(at);
        match kind {
            Kind::Text { start, citations, text } => {
                let end = self.answer(answer).bytes;
                for citation in citations {
                    let cited = Some(&citation.cited_text).filter(|cited| !cited.is_empty());
                    let found = cited.and_then(|cited| Some((start + text.find(cited)?, cited.len())));
                    let place = found.map_or((start, end), |(from, length)| (from, from + length));
                    let cited = cited.unwrap_or(&text).clone();
                    self.answer(answer).grounding.cite(&citation, 0, place, Cow::Owned(cited));
                }
            }
            Kind::Thoughts => {}
            Kind::Call { id, name, kind, arguments } => {
                let args = self.arguments(kind, &arguments);
                let function_call = Some(FunctionCall { id: &id, name: &name, args });
                self.write(answer, wire::Part { function_call, ..wire::Part::default() }, out);
            }
        }
    }

    /// Arguments must be an object; what is none is told in one.
    fn arguments<'a>(&mut self, kind: ToolCallKind, text: &'a str) -> Cow<'a, RawValue> {
        match serde_json::from_str::<&RawValue>(text) {
            _ if kind == ToolCallKind::Custom => wrapped("input", text),
            Ok(raw) if raw.get().starts_with('{') => Cow::Borrowed(raw),
            _ if text.trim().is_empty() => owned("{}".to_owned()),
            _ => {
                self.warnings.add("tool_calls", "arguments that are no JSON object were wrapped in one");
                wrapped("arguments", text)
            }
        }
    }

    fn write(&mut self, answer: u32, mut part: wire::Part<'_>, out: &mut Vec<u8>) {
        let signature = self.answer(answer).pending.take();
        if let Some(signature) = signature {
            part.thought_signature.get_or_insert(signature.into());
        }
        let content = wire::Content { role: Some("model"), parts: vec![AnyPart::Known(Box::new(part))] };
        let candidate =
            wire::Candidate { content, finish_reason: None, index: answer, grounding_metadata: None };
        let (model_version, response_id) = (self.model.as_str(), self.id.as_str());
        let candidates = vec![candidate];
        frame(out, None, &wire::Response { candidates, usage_metadata: None, model_version, response_id });
    }
}
