//! Blocks of a streamed answer while they come.

use super::super::write::frame;
use super::echo::raw;
use super::items::{self, Content, SummaryText};
use super::response::logprobs_list;
use super::stream_events::{Part, Step};
use crate::ir::{Citation, Delta, Json, ToolCallKind, Warnings};
use crate::protocol::Protocol;

/// Where an item stands.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub output_index: u32,
    pub id: String,
}

impl Place {
    /// An event within the item.
    pub(super) fn step<'a>(&'a self, kind: &'static str) -> Step<'a> {
        Step { kind, item_id: &self.id, output_index: self.output_index, ..Step::default() }
    }
}

/// A block that is not complete.
#[derive(Debug)]
pub(super) struct Open {
    pub block: u32,
    pub place: Place,
    /// All of it that has come.
    pub text: String,
    pub kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Text { content_index: u32, annotations: Vec<String>, logprobs: String },
    Refusal { content_index: u32 },
    Thoughts { encrypted: Option<String>, has_part: bool },
    Call { call_id: String, name: String, kind: ToolCallKind, is_turned_back: bool },
}

/// Where events go, and what goes with them.
pub(super) struct Sink<'a> {
    /// Thoughts are shown as they are, and not as a summary.
    pub shows_thoughts: bool,
    pub sequence: &'a mut u64,
    pub warnings: &'a mut Warnings,
    pub out: &'a mut Vec<u8>,
}

impl Sink<'_> {
    fn step(&mut self, step: Step<'_>) {
        write(self.sequence, step, self.out);
    }
}

impl Open {
    /// Takes what is added to the block.
    pub(super) fn push(&mut self, delta: &Delta, sink: &mut Sink<'_>) {
        match (&mut self.kind, delta) {
            (Kind::Text { .. } | Kind::Refusal { .. }, Delta::Text(delta)) => self.said(delta, sink),
            (Kind::Thoughts { .. }, Delta::Reasoning(delta)) => self.thought(delta, sink),
            (Kind::Thoughts { encrypted, .. }, Delta::Signature(signature)) => {
                *encrypted = Some(signature.in_field(Protocol::OpenAiResponses).into_owned());
            }
            (Kind::Call { .. }, Delta::Arguments(delta)) => self.called_with(delta, sink),
            (Kind::Text { .. }, Delta::Citation(citation)) => self.cited(citation, sink),
            (Kind::Text { .. }, Delta::Logprobs(json)) => self.weighed(json, sink),
            (
                Kind::Text { .. } | Kind::Refusal { .. } | Kind::Thoughts { .. } | Kind::Call { .. },
                Delta::Text(_)
                | Delta::Reasoning(_)
                | Delta::Signature(_)
                | Delta::Arguments(_)
                | Delta::Citation(_)
                | Delta::Logprobs(_),
            ) => sink.warnings.add("content", "something was dropped that does not belong to its block"),
        }
    }

    fn said(&mut self, delta: &str, sink: &mut Sink<'_>) {
        self.text.push_str(delta);
        let (kind, content_index, logprobs) = match &self.kind {
            Kind::Text { content_index, .. } => {
                ("response.output_text.delta", Some(*content_index), Some(raw("[]")))
            }
            Kind::Refusal { content_index } => ("response.refusal.delta", Some(*content_index), None),
            Kind::Thoughts { .. } | Kind::Call { .. } => return,
        };
        sink.step(Step { content_index, delta: Some(delta), logprobs, ..self.place.step(kind) });
    }

    fn thought(&mut self, delta: &str, sink: &mut Sink<'_>) {
        self.text.push_str(delta);
        let shows = sink.shows_thoughts;
        if let Kind::Thoughts { has_part, .. } = &mut self.kind
            && !std::mem::replace(has_part, true)
        {
            sink.step(thoughts_part(&self.place, "added", "", shows));
        }
        let (content, summary) = ("response.reasoning_text.delta", "response.reasoning_summary_text.delta");
        sink.step(Step { delta: Some(delta), ..thoughts_step(&self.place, shows, content, summary) });
    }

    fn called_with(&mut self, delta: &str, sink: &mut Sink<'_>) {
        self.text.push_str(delta);
        let kind = match &self.kind {
            // The free text stands inside the JSON that is coming.
            Kind::Call { is_turned_back: true, .. } => return,
            Kind::Call { kind: ToolCallKind::Custom, .. } => "response.custom_tool_call_input.delta",
            Kind::Call { .. } | Kind::Text { .. } | Kind::Refusal { .. } | Kind::Thoughts { .. } => {
                "response.function_call_arguments.delta"
            }
        };
        sink.step(Step { delta: Some(delta), ..self.place.step(kind) });
    }

    fn cited(&mut self, citation: &Citation, sink: &mut Sink<'_>) {
        let characters = self.text.chars().count() as u64;
        let Kind::Text { content_index, annotations, .. } = &mut self.kind else { return };
        let Some(written) = items::annotation(citation, characters, sink.warnings) else { return };
        let written = items::json(&written);
        let (content_index, annotation_index) = (Some(*content_index), Some(annotations.len()));
        let annotation = Some(items::Annotation::Raw(raw(&written)));
        let step = self.place.step("response.output_text.annotation.added");
        sink.step(Step { content_index, annotation_index, annotation, ..step });
        annotations.push(written);
    }

    fn weighed(&mut self, json: &Json, sink: &mut Sink<'_>) {
        let Kind::Text { content_index, logprobs, .. } = &mut self.kind else { return };
        let Some(list) = logprobs_list(json) else { return };
        let (delta, content_index) = (Some(""), Some(*content_index));
        let step = self.place.step("response.output_text.delta");
        sink.step(Step { content_index, delta, logprobs: Some(&list), ..step });
        let inner = list.get().trim().trim_start_matches('[').trim_end_matches(']');
        if !logprobs.is_empty() && !inner.is_empty() {
            logprobs.push(',');
        }
        logprobs.push_str(inner);
    }
}

/// Writes an event with the next number.
pub(super) fn write(sequence: &mut u64, step: Step<'_>, out: &mut Vec<u8>) {
    frame(out, Some(step.kind), &Step { sequence_number: *sequence, ..step });
    *sequence += 1;
}

/// An event about thoughts, which stand in the content or in the summary of their item.
pub(super) fn thoughts_step<'a>(
    place: &'a Place,
    shows: bool,
    content: &'static str,
    summary: &'static str,
) -> Step<'a> {
    match shows {
        true => Step { content_index: Some(0), ..place.step(content) },
        false => Step { summary_index: Some(0), ..place.step(summary) },
    }
}

/// The beginning or the end of thoughts.
pub(super) fn thoughts_part<'a>(place: &'a Place, when: &str, text: &'a str, shows: bool) -> Step<'a> {
    let (content, summary) = match when {
        "added" => ("response.content_part.added", "response.reasoning_summary_part.added"),
        _ => ("response.content_part.done", "response.reasoning_summary_part.done"),
    };
    let part = match shows {
        true => Part::Content(Content::ReasoningText { text }),
        false => Part::Summary(SummaryText { text }),
    };
    Step { part: Some(part), ..thoughts_step(place, shows, content, summary) }
}
