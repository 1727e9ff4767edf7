//! Reading usage off answers that pass through untouched.
//!
//! Typed partial parses that borrow and keep nothing but what the record needs: no allocation per chunk.

mod bedrock;
mod cohere;
pub mod edit;
mod gemini;
mod plain;
mod responses;

use crate::ir::{ChatResponse, Content, ToolCallKind};
use crate::media;
use crate::protocol::{IGNORED_MAX, Protocol, anthropic_messages, openai_chat};
use crate::raw::range_of;
use crate::terms::{told_by_anthropic, told_by_openai, told_by_openais_word};
use domain::{Told, Usage};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// What a passing stream has told so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// The id that the provider gave the answer.
    pub response_id: String,
    /// Tokens as reported, merged over all reports.
    pub usage: Usage,
    /// The provider reported usage at least once.
    pub has_usage: bool,
    /// On what terms it was served, as far as told.
    pub told: Told,
    /// Why the model stopped, in the protocol's word.
    pub finish_reason: Option<String>,
    /// Names of the tools called.
    pub tool_calls: Vec<String>,
    /// Bytes of text, reasoning and tool arguments delivered: what an estimate rests on.
    pub output_bytes: u64,
    /// The protocol's own end was seen. A stream that stops before it is broken.
    pub is_complete: bool,
    /// The number of the stream's next event (OpenAI's Responses; elsewhere zero).
    pub next_sequence: u64,
}

/// What one event of a passing stream is, as far as its relay must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Nothing special: pass it on.
    Plain,
    /// It carries the first or further pieces of the answer.
    Content,
    /// It carries usage: the object's place in the event's data, and whether there is anything else in it.
    Usage {
        /// Where the usage object stands in the data.
        at: Range<usize>,
        /// The event has nothing but usage, so a caller who did not ask for usage must not see it.
        is_only_usage: bool,
    },
    /// It names the model, for a caller who wants it named as it was asked for: where the string stands in the data.
    Named(Range<usize>),
    /// The provider reports a failure inside the stream.
    Error,
}

/// Follows a stream that passes through.
#[derive(Debug)]
pub struct StreamObserver {
    protocol: Protocol,
    is_media: bool,
    /// What was learned so far.
    pub observed: Observed,
}

impl StreamObserver {
    /// An observer of a stream in this protocol.
    pub fn new(protocol: Protocol) -> Self {
        Self { protocol, is_media: false, observed: Observed::default() }
    }

    /// An observer of a stream that is no conversation.
    pub fn of_media() -> Self {
        Self { is_media: true, ..Self::new(Protocol::OpenAiChat) }
    }

    /// Whether it follows a conversation in OpenAI's chat.
    pub fn is_of_chat(&self) -> bool {
        self.protocol == Protocol::OpenAiChat && !self.is_media
    }

    /// Looks at the data of one event. Data that cannot be read is passed on: it is the caller's to judge.
    pub fn push(&mut self, data: &[u8]) -> Note {
        if self.is_media {
            return media::event(&mut self.observed, data);
        }
        match self.protocol {
            Protocol::OpenAiChat => self.openai(data),
            Protocol::OpenAiResponses => responses::event(&mut self.observed, data),
            Protocol::AnthropicMessages => self.anthropic(data),
            Protocol::Gemini => gemini::event(&mut self.observed, data),
            Protocol::BedrockConverse => bedrock::event(&mut self.observed, data),
            // Nobody calls in it, so its streams are always translated.
            Protocol::CohereChat => Note::Plain,
        }
    }

    fn openai(&mut self, data: &[u8]) -> Note {
        let observed = &mut self.observed;
        if data == b"[DONE]" {
            observed.is_complete = true;
            return Note::Plain;
        }
        if !observed.response_id.is_empty()
            && let Some(bytes) = plain::CHUNK.content_bytes(data)
        {
            observed.output_bytes += bytes;
            return if bytes > 0 { Note::Content } else { Note::Plain };
        }
        let Ok(text) = std::str::from_utf8(data) else { return Note::Plain };
        let Ok(chunk) = serde_json::from_str::<OpenAiChunk<'_>>(text) else { return Note::Plain };
        if chunk.error.is_some_and(|error| error.get() != "null") {
            return Note::Error;
        }
        if observed.response_id.is_empty() {
            observed.response_id.push_str(chunk.id.as_deref().unwrap_or(""));
        }
        observed.told = observed.told.and_later(told_by_openai(chunk.service_tier));
        let choices = chunk.choices;
        observed.output_bytes += choices.bytes;
        observed.tool_calls.extend(choices.tools.into_iter().map(Cow::into_owned));
        if let Some(reason) = choices.finish {
            observed.finish_reason = Some(reason.into_owned());
            observed.is_complete = true;
        }
        match chunk.usage.or(choices.usage).filter(|usage| usage.get() != "null") {
            Some(raw) => {
                if let Some(usage) = openai_chat::usage::decode(raw.get()) {
                    observed.usage = observed.usage.merge(usage);
                    observed.has_usage = true;
                }
                let at = range_of(text.as_ptr() as usize, raw.get());
                Note::Usage { at, is_only_usage: choices.count == 0 }
            }
            None if choices.bytes > 0 => Note::Content,
            None => Note::Plain,
        }
    }

    fn anthropic(&mut self, data: &[u8]) -> Note {
        let observed = &mut self.observed;
        let Ok(text) = std::str::from_utf8(data) else { return Note::Plain };
        let Ok(event) = serde_json::from_str::<AnthropicEvent<'_>>(text) else { return Note::Plain };
        let mut note = Note::Plain;
        if let Some(raw) = event.usage.or(event.message.as_ref().and_then(|message| message.usage)) {
            if let Some(usage) = anthropic_messages::usage::decode(raw.get()) {
                observed.usage = anthropic_messages::usage::merge(observed.usage, usage);
                observed.has_usage = true;
            }
            observed.told = observed.told.and_later(told_by_anthropic(raw));
            note = Note::Usage { at: range_of(text.as_ptr() as usize, raw.get()), is_only_usage: false };
        }
        match event.kind.as_ref() {
            "message_start" => {
                let message = event.message.unwrap_or_default();
                observed.response_id = message.id.unwrap_or_default().into_owned();
                // Only the last report carries the cost; the usage of this one goes out as it came.
                let base = text.as_ptr() as usize;
                note = message.model.map_or(Note::Plain, |raw| Note::Named(range_of(base, raw.get())));
            }
            "content_block_start" => {
                let tool = event.content_block.filter(|block| block.kind == "tool_use").and_then(|b| b.name);
                observed.tool_calls.extend(tool.map(Cow::into_owned));
            }
            "content_block_delta" => {
                let bytes = event.delta.as_ref().map_or(0, AnthropicDelta::bytes);
                observed.output_bytes += bytes;
                note = if bytes > 0 { Note::Content } else { Note::Plain };
            }
            "message_delta" => {
                let reason = event.delta.and_then(|delta| delta.stop_reason);
                observed.finish_reason = reason.map(Cow::into_owned).or(observed.finish_reason.take());
            }
            "message_stop" => observed.is_complete = true,
            "error" => note = Note::Error,
            _ => {}
        }
        note
    }
}

/// What a whole answer that passes through tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// As for a stream.
    pub observed: Observed,
    /// Where the usage object stands in the body.
    pub usage_at: Option<Range<usize>>,
    /// Where the model's name stands in it, for a caller who wants it named as it was asked for.
    pub model_at: Option<Range<usize>>,
    /// It is the report of a failure, whatever its status says.
    pub is_error: bool,
}

/// Reads a whole answer. `None`: it is not an answer in this protocol.
pub fn answer(protocol: Protocol, body: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(body).ok()?;
    // A struct can be read from a JSON list too; an answer is never one.
    if !text.trim_ascii_start().starts_with('{') {
        return None;
    }
    let base = text.as_ptr() as usize;
    let mut answer = Answer::default();
    let observed = &mut answer.observed;
    observed.is_complete = true;
    let is_some = |error: Option<&RawValue>| error.is_some_and(|error| error.get() != "null");
    let usage = match protocol {
        Protocol::OpenAiChat => {
            let whole: OpenAiChunk<'_> = serde_json::from_str(text).ok()?;
            answer.is_error = is_some(whole.error);
            observed.response_id = whole.id.unwrap_or_default().into_owned();
            observed.told = told_by_openai(whole.service_tier);
            observed.output_bytes = whole.choices.bytes;
            observed.finish_reason = whole.choices.finish.map(Cow::into_owned);
            observed.tool_calls = whole.choices.tools.into_iter().map(Cow::into_owned).collect();
            whole.usage.filter(|usage| usage.get() != "null").inspect(|raw| {
                observed.usage = openai_chat::usage::decode(raw.get()).unwrap_or_default();
            })
        }
        Protocol::OpenAiResponses => {
            let whole = responses::Answer::read(text)?;
            answer.is_error = whole.is_error();
            whole.tell(observed)
        }
        Protocol::BedrockConverse => bedrock::Answer::read(text)?.tell(observed),
        Protocol::CohereChat => {
            let whole = cohere::Answer::read(text)?;
            answer.is_error = whole.is_error();
            whole.tell(observed)
        }
        Protocol::AnthropicMessages => {
            let whole: AnthropicAnswer<'_> = serde_json::from_str(text).ok()?;
            answer.is_error = is_some(whole.error);
            answer.model_at = whole.model.map(|raw| range_of(base, raw.get()));
            observed.response_id = whole.id.unwrap_or_default().into_owned();
            observed.finish_reason = whole.stop_reason.map(Cow::into_owned);
            for block in whole.content {
                observed.output_bytes += block.bytes();
                if block.kind == "tool_use" {
                    observed.tool_calls.extend(block.name.map(Cow::into_owned));
                }
            }
            whole.usage.inspect(|raw| {
                observed.usage = anthropic_messages::usage::decode(raw.get()).unwrap_or_default();
                observed.told = told_by_anthropic(raw);
            })
        }
        Protocol::Gemini => {
            let whole = gemini::Piece::read(text)?;
            answer.is_error = is_some(whole.error());
            whole.tell(observed)
        }
    };
    observed.has_usage = usage.is_some();
    answer.usage_at = usage.map(|raw| range_of(base, raw.get()));
    Some(answer)
}

/// What an answer tells that was read to be translated: what [`answer`] tells of its body, but for an estimate's
/// `output_bytes`. `None`: it may tell more than what was read, so its body must be looked at.
pub fn read_answer(response: &ChatResponse) -> Option<Observed> {
    let usage = response.usage.filter(|_| response.protocol == Protocol::OpenAiChat)?;
    if response.ignored.iter().any(|field| field == "error") || response.ignored.len() >= IGNORED_MAX {
        return None;
    }
    let mut observed = Observed {
        response_id: response.id.clone(),
        usage,
        has_usage: true,
        told: told_by_openais_word(response.service_tier.as_deref()),
        is_complete: true,
        ..Observed::default()
    };
    let mut reasons = response.choices.iter().rev().map(|choice| &choice.finish_raw);
    observed.finish_reason = reasons.find(|reason| !reason.is_empty()).cloned();
    for part in response.choices.iter().flat_map(|choice| &choice.parts) {
        if let Content::ToolCall(call) = &part.content
            && call.kind == ToolCallKind::Function
            && !call.name.is_empty()
        {
            observed.tool_calls.push(call.name.clone());
        }
    }
    Some(observed)
}

#[derive(Deserialize)]
struct OpenAiChunk<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    choices: Choices<'a>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// All choices of a chunk, folded without keeping any.
#[derive(Default)]
struct Choices<'a> {
    count: usize,
    bytes: u64,
    finish: Option<Cow<'a, str>>,
    tools: Vec<Cow<'a, str>>,
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default, alias = "message")]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
    /// Moonshot reports a stream's usage here.
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    /// Of a completion in OpenAI's older shape.
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<ToolCall<'a>>>,
}

#[derive(Deserialize)]
struct ToolCall<'a> {
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

/// Length of a JSON string's text, close enough: escapes count as they are written.
fn text_bytes(raw: Option<&RawValue>) -> u64 {
    raw.filter(|raw| raw.get() != "null").map_or(0, |raw| raw.get().len().saturating_sub(2) as u64)
}

impl<'de: 'a, 'a> Deserialize<'de> for Choices<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fold;
        impl<'de> Visitor<'de> for Fold {
            type Value = Choices<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of choices")
            }

            fn visit_unit<E>(self) -> Result<Choices<'de>, E> {
                Ok(Choices::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Choices<'de>, A::Error> {
                let mut all = Choices::default();
                while let Some(choice) = seq.next_element::<Choice<'de>>()? {
                    all.count += 1;
                    all.finish = choice.finish_reason.or(all.finish);
                    all.usage = choice.usage.or(all.usage);
                    all.bytes += text_bytes(choice.text);
                    let Some(delta) = choice.delta else { continue };
                    all.bytes += text_bytes(delta.content)
                        + text_bytes(delta.reasoning_content)
                        + text_bytes(delta.reasoning)
                        + text_bytes(delta.refusal);
                    for function in delta.tool_calls.into_iter().flatten().filter_map(|call| call.function) {
                        all.bytes += text_bytes(function.arguments);
                        all.tools.extend(function.name.filter(|name| !name.is_empty()));
                    }
                }
                Ok(all)
            }
        }
        deserializer.deserialize_any(Fold)
    }
}

#[derive(Deserialize)]
struct AnthropicEvent<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    message: Option<AnthropicMessage<'a>>,
    #[serde(borrow, default)]
    content_block: Option<AnthropicBlock<'a>>,
    #[serde(borrow, default)]
    delta: Option<AnthropicDelta<'a>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct AnthropicMessage<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct AnthropicDelta<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow, default)]
    partial_json: Option<&'a RawValue>,
    #[serde(borrow, default)]
    stop_reason: Option<Cow<'a, str>>,
}

impl AnthropicDelta<'_> {
    fn bytes(&self) -> u64 {
        text_bytes(self.text) + text_bytes(self.thinking) + text_bytes(self.partial_json)
    }
}

#[derive(Deserialize)]
struct AnthropicAnswer<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Vec<AnthropicBlock<'a>>,
    #[serde(borrow, default)]
    stop_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct AnthropicBlock<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    /// Citations may be long; they are not the model's output.
    #[serde(rename = "citations", default)]
    _citations: IgnoredAny,
}

impl AnthropicBlock<'_> {
    fn bytes(&self) -> u64 {
        text_bytes(self.text) + text_bytes(self.thinking) + text_bytes(self.input)
    }
}

#[cfg(test)]
mod tests;
