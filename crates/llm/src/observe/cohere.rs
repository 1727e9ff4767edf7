//! What a whole answer of Cohere's chat tells.

use super::{Observed, text_bytes};
use crate::protocol::cohere_chat::{is_failure, usage};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    tool_plan: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<Vec<Block<'a>>>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<Call<'a>>>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow, default)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

impl<'a> Answer<'a> {
    /// Reads an answer. `None`: it is none.
    pub fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Whether it tells of a failure.
    pub fn is_error(&self) -> bool {
        self.finish_reason.as_deref().is_some_and(is_failure)
    }

    /// Notes what the record needs. Gives the usage, where there is one.
    pub fn tell(self, observed: &mut Observed) -> Option<&'a RawValue> {
        observed.response_id = self.id.unwrap_or_default().into_owned();
        observed.finish_reason = self.finish_reason.map(Cow::into_owned);
        if let Some(message) = self.message {
            observed.output_bytes += text_bytes(message.tool_plan);
            for block in message.content.into_iter().flatten() {
                observed.output_bytes += text_bytes(block.text) + text_bytes(block.thinking);
            }
            for function in message.tool_calls.into_iter().flatten().filter_map(|call| call.function) {
                observed.output_bytes += text_bytes(function.arguments);
                observed.tool_calls.extend(function.name.map(Cow::into_owned));
            }
        }
        self.usage.inspect(|raw| observed.usage = usage::decode(raw.get()).unwrap_or_default())
    }
}
