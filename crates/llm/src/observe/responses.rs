//! What answers in OpenAI's Responses tell.

use super::{Note, Observed, text_bytes};
use crate::protocol::openai_responses;
use crate::raw::range_of;
use crate::terms::told_by_openai;
use domain::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(default)]
    sequence_number: Option<u64>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    item: Option<&'a RawValue>,
}

/// An answer as a whole: by itself, and in the first and last events of a stream.
#[derive(Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    incomplete_details: Option<Incomplete<'a>>,
    #[serde(borrow, default)]
    output: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Incomplete<'a> {
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<Vec<Part<'a>>>,
    #[serde(borrow, default)]
    summary: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
}

impl Item<'_> {
    fn bytes(&self) -> u64 {
        let parts = self.content.iter().chain(&self.summary).flatten();
        let parts: u64 = parts.map(|part| text_bytes(part.text) + text_bytes(part.refusal)).sum();
        parts + text_bytes(self.arguments) + text_bytes(self.input)
    }

    fn is_call(&self) -> bool {
        matches!(self.kind.as_ref(), "function_call" | "custom_tool_call")
    }
}

impl<'a> Answer<'a> {
    /// Reads an answer. `None`: it is none of this protocol.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Whether it is the report of a failure.
    pub(super) fn is_error(&self) -> bool {
        self.error.is_some_and(|error| error.get() != "null") || self.status.as_deref() == Some("failed")
    }

    /// Notes all it tells; hands over its usage.
    pub(super) fn tell(self, observed: &mut Observed) -> Option<&'a RawValue> {
        for raw in &self.output {
            let Ok(item) = serde_json::from_str::<Item<'_>>(raw.get()) else { continue };
            observed.output_bytes += item.bytes();
            if item.is_call() {
                observed.tool_calls.extend(item.name.map(Cow::into_owned));
            }
        }
        self.tell_end(observed)
    }

    /// Notes what is known only at the end.
    fn tell_end(self, observed: &mut Observed) -> Option<&'a RawValue> {
        observed.response_id = self.id.unwrap_or_default().into_owned();
        observed.told = observed.told.and_later(told_by_openai(self.service_tier));
        let reason = self.incomplete_details.and_then(|details| details.reason);
        observed.finish_reason = reason.or(self.status).map(Cow::into_owned);
        let usage = self.usage.filter(|usage| usage.get() != "null")?;
        if let Some(usage) = openai_responses::usage::decode(usage.get()) {
            let web_searches = openai_responses::searches(self.tool_usage, &self.output);
            observed.usage = Usage { web_searches, ..usage };
        }
        Some(usage)
    }
}

/// Looks at the data of one event.
pub(super) fn event(observed: &mut Observed, data: &[u8]) -> Note {
    let Ok(text) = std::str::from_utf8(data) else { return Note::Plain };
    let Ok(event) = serde_json::from_str::<Event<'_>>(text) else { return Note::Plain };
    // What tells of a failure is replaced by our own event.
    if matches!(event.kind.as_ref(), "error" | "response.failed") {
        return Note::Error;
    }
    observed.next_sequence = event.sequence_number.unwrap_or(observed.next_sequence).saturating_add(1);
    match event.kind.as_ref() {
        "response.created" => {
            let answer = event.response.and_then(|raw| Answer::read(raw.get()));
            observed.response_id = answer.and_then(|answer| answer.id).unwrap_or_default().into_owned();
            Note::Plain
        }
        "response.completed" | "response.incomplete" => {
            observed.is_complete = true;
            let usage =
                event.response.and_then(|raw| Answer::read(raw.get())).and_then(|it| it.tell_end(observed));
            match usage {
                Some(raw) => {
                    observed.has_usage = true;
                    Note::Usage { at: range_of(text.as_ptr() as usize, raw.get()), is_only_usage: false }
                }
                None => Note::Plain,
            }
        }
        "response.output_item.added" => {
            let item = event.item.and_then(|raw| serde_json::from_str::<Item<'_>>(raw.get()).ok());
            let name = item.filter(Item::is_call).and_then(|item| item.name);
            observed.tool_calls.extend(name.map(Cow::into_owned));
            Note::Plain
        }
        kind if kind.ends_with(".delta") => {
            let bytes = text_bytes(event.delta);
            observed.output_bytes += bytes;
            if bytes > 0 { Note::Content } else { Note::Plain }
        }
        _ => Note::Plain,
    }
}
