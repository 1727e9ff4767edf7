//! What a whole answer of Bedrock's Converse tells.

use super::{Observed, text_bytes};
use crate::protocol::bedrock_converse::{ANSWER_TOOL, usage};
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
}

#[derive(Deserialize)]
struct Thoughts<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

impl<'a> Answer<'a> {
    /// Reads an answer. `None`: it is none.
    pub fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Notes what the record needs. Gives the usage, where there is one.
    pub fn tell(self, observed: &mut Observed) -> Option<&'a RawValue> {
        observed.finish_reason = self.stop_reason.map(Cow::into_owned);
        observed.told = told_by_bedrock(self.service_tier);
        for block in self.output.message.content {
            let thoughts = block.reasoning_content.and_then(|it| it.reasoning_text).and_then(|it| it.text);
            observed.output_bytes += text_bytes(block.text) + text_bytes(thoughts);
            if let Some(call) = block.tool_use {
                observed.output_bytes += text_bytes(call.input);
                observed.tool_calls.extend((call.name != ANSWER_TOOL).then(|| call.name.into_owned()));
            }
        }
        self.usage.inspect(|raw| observed.usage = usage::decode(raw.get()).unwrap_or_default())
    }
}
