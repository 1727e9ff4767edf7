//! What an answer of Bedrock's Converse tells, whole or in events.

use super::{Note, Observed, text_bytes};
use crate::protocol::bedrock_converse::{ANSWER_TOOL, usage};
use crate::raw::range_of;
use crate::terms::told_by_bedrock;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer<'a> {
    #[serde(borrow)]
    output: Output<'a>,
    #[serde(borrow, default)]
    stop_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow, default)]
    performance_config: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    message: Message<'a>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Vec<Block<'a>>,
}

/// A block of a whole answer, or the beginning or a piece of one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_use: Option<ToolUse<'a>>,
    #[serde(borrow, default)]
    reasoning_content: Option<Reasoning<'a>>,
}

#[derive(Deserialize)]
struct ToolUse<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reasoning<'a> {
    #[serde(borrow, default)]
    reasoning_text: Option<Thoughts<'a>>,
    /// Of a piece.
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Thoughts<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

impl Block<'_> {
    /// Bytes of what the model has made.
    fn bytes(&self) -> u64 {
        let reasoning = self.reasoning_content.as_ref();
        let whole = reasoning.and_then(|it| it.reasoning_text.as_ref()?.text);
        let thoughts = whole.or(reasoning.and_then(|it| it.text));
        text_bytes(self.text)
            + text_bytes(thoughts)
            + text_bytes(self.tool_use.as_ref().and_then(|call| call.input))
    }
}

impl<'a> Answer<'a> {
    /// Reads an answer. `None`: it is none.
    pub fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Notes what the record needs. Gives the usage, where there is one.
    pub fn tell(self, observed: &mut Observed) -> Option<&'a RawValue> {
        observed.finish_reason = self.stop_reason.map(Cow::into_owned);
        observed.told = told_by_bedrock(self.service_tier, self.performance_config);
        for block in self.output.message.content {
            observed.output_bytes += block.bytes();
            if let Some(call) = block.tool_use {
                observed.tool_calls.extend((call.name != ANSWER_TOOL).then(|| call.name.into_owned()));
            }
        }
        self.usage.inspect(|raw| observed.usage = usage::decode(raw.get()).unwrap_or_default())
    }
}

/// The payload of one event. What it is shows in its fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow, default)]
    start: Option<Block<'a>>,
    #[serde(borrow, default)]
    delta: Option<Block<'a>>,
    #[serde(borrow, default)]
    stop_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow, default)]
    performance_config: Option<&'a RawValue>,
}

/// Looks at one event of a stream that passes through.
pub(super) fn event(observed: &mut Observed, data: &[u8]) -> Note {
    let Ok(text) = std::str::from_utf8(data) else { return Note::Plain };
    let Ok(event) = serde_json::from_str::<Event<'_>>(text) else { return Note::Plain };
    let called = event.start.and_then(|start| start.tool_use).map(|call| call.name.into_owned());
    observed.tool_calls.extend(called);
    if let Some(reason) = event.stop_reason {
        observed.finish_reason = Some(reason.into_owned());
    }
    observed.told = observed.told.and_later(told_by_bedrock(event.service_tier, event.performance_config));
    if let Some(raw) = event.usage {
        // What it tells of is over.
        observed.is_complete = true;
        if let Some(told) = usage::decode(raw.get()) {
            observed.usage = observed.usage.merge(told);
            observed.has_usage = true;
        }
        return Note::Usage { at: range_of(text.as_ptr() as usize, raw.get()), is_only_usage: false };
    }
    let bytes = event.delta.map_or(0, |delta| delta.bytes());
    observed.output_bytes += bytes;
    if bytes > 0 { Note::Content } else { Note::Plain }
}
