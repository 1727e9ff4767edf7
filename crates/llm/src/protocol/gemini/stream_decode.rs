//! Reading a streamed answer: every event is a piece of an answer in the shape of a whole one.
//!
//! <https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent>, read 2026-11-26. There is no event
//! for the end: an answer is complete once it tells why it stopped, or that the prompt was blocked. Usage and sources may
//! come in the same event or after it.

use super::super::TranslateError;
use super::decode_content::{Calls, ContentReader};
use super::{grounding, usage};
use crate::ir::{Block, Citation, Content, Delta, FinishReason, Part, StreamEvent, ToolCall};
use domain::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Reads events.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    has_started: bool,
    is_complete: bool,
    usage: Usage,
    model: String,
    next: u32,
    calls: Calls,
    answers: Vec<Answer>,
}

/// One of the answers, as far as it has come.
#[derive(Debug, Default)]
struct Answer {
    index: u32,
    /// The block that text goes into, and whether it is thoughts.
    open: Option<(u32, bool)>,
    has_calls: bool,
    is_finished: bool,
    /// Sources that were told already: some servers repeat them.
    cited: Vec<Citation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk<'a> {
    #[serde(borrow, default)]
    candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow, default)]
    prompt_feedback: Option<Feedback<'a>>,
    #[serde(borrow, default)]
    usage_metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model_version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    response_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(default)]
    index: Option<u32>,
    #[serde(borrow, default)]
    content: Option<Parts<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    grounding_metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(borrow, default)]
    parts: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback<'a> {
    #[serde(borrow, default)]
    block_reason: Option<Cow<'a, str>>,
}

impl StreamDecoder {
    /// Reads the data of one event.
    pub(in crate::protocol) fn push(
        &mut self,
        _name: Option<&[u8]>,
        data: &[u8],
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        let invalid = |message: String| TranslateError::InvalidResponse { message };
        let text = std::str::from_utf8(data).map_err(|_| invalid("an event is not UTF-8".to_owned()))?;
        let chunk: Chunk<'_> = serde_json::from_str(text)
            .map_err(|error| invalid(format!("an event of the stream: {error}")))?;
        if chunk.error.is_some_and(|error| error.get() != "null") {
            let error = super::super::error::decode(0, data);
            let (kind, code, message) = (error.kind, error.code, error.message);
            events.push(StreamEvent::Error { kind, code, message });
            return Ok(());
        }
        self.start(chunk.response_id, chunk.model_version, events);
        if let Some(usage) = chunk.usage_metadata.and_then(|raw| usage::decode(raw.get())) {
            self.usage = usage::merge(self.usage, usage);
        }
        for candidate in chunk.candidates.into_iter().flatten() {
            self.candidate(candidate, events)?;
        }
        if let Some(reason) = chunk.prompt_feedback.and_then(|feedback| feedback.block_reason) {
            self.finish(0, FinishReason::ContentFilter, reason.into_owned(), events);
        }
        if chunk.usage_metadata.is_some() {
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

    fn start(
        &mut self,
        id: Option<Cow<'_, str>>,
        model: Option<Cow<'_, str>>,
        events: &mut Vec<StreamEvent>,
    ) {
        if self.has_started {
            return;
        }
        self.has_started = true;
        let id = id.unwrap_or_default().into_owned();
        self.calls = Calls::of_answer(&id);
        self.model = model.unwrap_or_default().into_owned();
        events.push(StreamEvent::Start { id, model: self.model.clone() });
    }

    fn candidate(
        &mut self,
        candidate: Candidate<'_>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        let index = candidate.index.unwrap_or(0);
        for raw in candidate.content.and_then(|content| content.parts).into_iter().flatten() {
            let mut ignored = Vec::new();
            let calls = std::mem::take(&mut self.calls);
            let mut reader = ContentReader { ignored: &mut ignored, calls };
            let mut parts = Vec::new();
            let read = reader.part("part".to_owned(), raw, &mut parts);
            self.calls = reader.calls;
            read.map_err(TranslateError::in_response)?;
            for part in parts {
                self.part(index, part, events);
            }
            if !ignored.is_empty() {
                let detail = format!("dropped: {}", ignored.join(", "));
                events.push(StreamEvent::Lost { feature: "unknown fields", detail });
            }
        }
        if let Some(raw) = candidate.grounding_metadata {
            let searches = grounding::searches(raw, &self.model);
            self.usage.web_searches = self.usage.web_searches.max(searches);
            self.cite(index, raw, events);
        }
        if let Some(raw) = candidate.finish_reason.filter(|reason| !reason.is_empty()) {
            let reason = FinishReason::from_gemini(&raw);
            self.finish(index, reason, raw.into_owned(), events);
        }
        Ok(())
    }

    fn part(&mut self, answer: u32, part: Part, events: &mut Vec<StreamEvent>) {
        match part.content {
            Content::Text { text, .. } if text.is_empty() => {}
            Content::Text { text, .. } | Content::Refusal(text) => {
                let index = self.block(answer, false, events);
                events.push(StreamEvent::BlockDelta { index, delta: Delta::Text(text) });
            }
            Content::Reasoning { text, signature } => {
                // A signature alone is that of what follows; thoughts that were begun end before it.
                if text.is_empty() && signature.is_some() {
                    self.close(answer, events);
                }
                let index = self.block(answer, true, events);
                if !text.is_empty() {
                    events.push(StreamEvent::BlockDelta { index, delta: Delta::Reasoning(text) });
                }
                if let Some(signature) = signature {
                    events.push(StreamEvent::BlockDelta { index, delta: Delta::Signature(signature) });
                    self.close(answer, events);
                }
            }
            Content::RedactedReasoning(signature) => {
                self.whole(answer, Block::RedactedReasoning(signature), None, events);
            }
            Content::Image { source, .. } => self.whole(answer, Block::Image(source), None, events),
            Content::ToolCall(call) => self.call(answer, call, events),
            Content::Document { .. } | Content::Audio { .. } | Content::ToolResult(_) => {
                let detail = "a document or a sound was dropped".to_owned();
                events.push(StreamEvent::Lost { feature: "content", detail });
            }
            Content::Opaque { kind, .. } => {
                let detail = format!("a part of type {kind} was dropped");
                events.push(StreamEvent::Lost { feature: "content", detail });
            }
        }
    }

    fn call(&mut self, answer: u32, call: ToolCall, events: &mut Vec<StreamEvent>) {
        self.answer(answer).has_calls = true;
        let block = Block::ToolCall { id: call.id, name: call.name, kind: call.kind };
        self.whole(answer, block, Some(Delta::Arguments(call.arguments)), events);
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

    /// The block that text or thoughts go into.
    fn block(&mut self, answer: u32, is_thought: bool, events: &mut Vec<StreamEvent>) -> u32 {
        if let Some((index, known)) = self.answer(answer).open {
            if known == is_thought {
                return index;
            }
            self.close(answer, events);
        }
        let index = self.take_index();
        self.answer(answer).open = Some((index, is_thought));
        let block = if is_thought { Block::Reasoning } else { Block::Text };
        events.push(StreamEvent::BlockStart { index, choice: answer, block });
        index
    }

    fn close(&mut self, answer: u32, events: &mut Vec<StreamEvent>) {
        if let Some((index, _)) = self.answer(answer).open.take() {
            events.push(StreamEvent::BlockStop { index });
        }
    }

    /// A block that comes whole.
    fn whole(&mut self, answer: u32, block: Block, delta: Option<Delta>, events: &mut Vec<StreamEvent>) {
        self.close(answer, events);
        let index = self.take_index();
        events.push(StreamEvent::BlockStart { index, choice: answer, block });
        events.extend(delta.map(|delta| StreamEvent::BlockDelta { index, delta }));
        events.push(StreamEvent::BlockStop { index });
    }

    fn take_index(&mut self) -> u32 {
        let index = self.next;
        self.next += 1;
        index
    }

    /// Tells sources. Which characters rest on them is not told: the text has gone by.
    fn cite(&mut self, answer: u32, raw: &RawValue, events: &mut Vec<StreamEvent>) {
        for (_, citation) in grounding::citations(raw, |_| None) {
            if self.answer(answer).cited.contains(&citation) {
                continue;
            }
            self.answer(answer).cited.push(citation.clone());
            let index = self.block(answer, false, events);
            events.push(StreamEvent::BlockDelta { index, delta: Delta::Citation(citation) });
        }
    }

    fn finish(&mut self, answer: u32, reason: FinishReason, raw: String, events: &mut Vec<StreamEvent>) {
        self.close(answer, events);
        self.is_complete = true;
        let known = self.answer(answer);
        if std::mem::replace(&mut known.is_finished, true) {
            return;
        }
        let reason = if known.has_calls { reason.of_calls() } else { reason };
        events.push(StreamEvent::Finish { choice: answer, reason, raw, stop_sequence: None });
    }
}
