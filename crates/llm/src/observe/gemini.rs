//! What answers in Gemini's protocol tell: whole ones, and the pieces of streams, which have the same shape.

use super::{Note, Observed, text_bytes};
use crate::protocol::gemini;
use crate::raw::range_of;
use crate::terms::told_by_gemini;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// An answer, or a piece of one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Piece<'a> {
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
    #[serde(borrow, default)]
    content: Option<Content<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    grounding_metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    parts: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    function_call: Option<FunctionCall<'a>>,
    #[serde(borrow, default)]
    executable_code: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct FunctionCall<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    args: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback<'a> {
    #[serde(borrow, default)]
    block_reason: Option<Cow<'a, str>>,
}

impl<'a> Piece<'a> {
    /// Reads an answer or a piece. `None`: it is none of this protocol.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The report of a failure.
    pub(super) fn error(&self) -> Option<&'a RawValue> {
        self.error
    }

    /// Notes all it tells; hands over its usage.
    pub(super) fn tell(self, observed: &mut Observed) -> Option<&'a RawValue> {
        if observed.response_id.is_empty() {
            observed.response_id.push_str(self.response_id.as_deref().unwrap_or(""));
        }
        let model = self.model_version.as_deref().unwrap_or("");
        for candidate in self.candidates.into_iter().flatten() {
            candidate.tell(model, observed);
        }
        if let Some(reason) = self.prompt_feedback.and_then(|feedback| feedback.block_reason) {
            observed.finish_reason = Some(reason.into_owned());
            observed.is_complete = true;
        }
        let raw = self.usage_metadata.filter(|raw| raw.get() != "null")?;
        if let Some(usage) = gemini::usage::decode(raw.get()) {
            observed.usage = gemini::usage::merge(observed.usage, usage);
            observed.has_usage = true;
        }
        observed.told = observed.told.and_later(told_by_gemini(raw));
        Some(raw)
    }
}

impl Candidate<'_> {
    fn tell(self, model: &str, observed: &mut Observed) {
        for part in self.content.and_then(|content| content.parts).into_iter().flatten() {
            observed.output_bytes += text_bytes(part.text) + text_bytes(part.executable_code);
            if let Some(call) = part.function_call {
                observed.output_bytes += text_bytes(call.args);
                observed.tool_calls.extend(call.name.map(Cow::into_owned));
            }
        }
        if let Some(raw) = self.grounding_metadata {
            let searches = gemini::searches(raw, model);
            observed.usage.web_searches = observed.usage.web_searches.max(searches);
        }
        if let Some(reason) = self.finish_reason.filter(|reason| !reason.is_empty()) {
            observed.finish_reason = Some(reason.into_owned());
            observed.is_complete = true;
        }
    }
}

/// Looks at the data of one event. Every piece may report usage: the cost goes into those that come with the end or
/// after it.
pub(super) fn event(observed: &mut Observed, data: &[u8]) -> Note {
    let Ok(text) = std::str::from_utf8(data) else { return Note::Plain };
    let Some(piece) = Piece::read(text) else { return Note::Plain };
    if piece.error().is_some_and(|error| error.get() != "null") {
        return Note::Error;
    }
    let before = observed.output_bytes;
    let usage = piece.tell(observed);
    let has_content = observed.output_bytes > before;
    match usage.filter(|_| observed.is_complete) {
        Some(raw) => {
            Note::Usage { at: range_of(text.as_ptr() as usize, raw.get()), is_only_usage: !has_content }
        }
        None if has_content => Note::Content,
        None => Note::Plain,
    }
}
