//! Readers and writers of streamed answers, one variant for each protocol.

use super::{
    Echo, Protocol, TranslateError, anthropic_messages, bedrock_converse, cohere_chat, gemini, openai_chat,
    openai_responses,
};
use crate::ir::{StreamEvent, Warning};
use domain::{Money, Usage};
use std::sync::Arc;

/// What the writer of a stream must know of the request.
#[derive(Clone, PartialEq, Debug)]
pub struct StreamOptions {
    /// The protocol that the events come from.
    pub from: Protocol,
    /// The caller asked for usage at the end (OpenAI; elsewhere it always comes).
    pub include_usage: bool,
    /// The model's name in the answer where the provider gives none.
    pub requested_model: String,
    /// When the answer was made, in unix seconds.
    pub created: i64,
    /// So many answers were asked for.
    pub n: u32,
    /// What of the request the answer repeats (OpenAI's Responses).
    pub echo: Option<Arc<Echo>>,
}

impl StreamOptions {
    /// Options of which nothing is known but where the events come from.
    pub fn new(from: Protocol) -> Self {
        Self { from, include_usage: false, requested_model: String::new(), created: 0, n: 1, echo: None }
    }
}

/// Reads a streamed answer, event by event.
#[derive(Debug)]
pub enum StreamDecoder {
    /// OpenAI's chunks.
    OpenAiChat(openai_chat::StreamDecoder),
    /// The events of OpenAI's Responses.
    OpenAiResponses(openai_responses::StreamDecoder),
    /// Anthropic's events.
    AnthropicMessages(anthropic_messages::StreamDecoder),
    /// Gemini's pieces.
    Gemini(Box<gemini::StreamDecoder>),
    /// Bedrock's events.
    BedrockConverse(bedrock_converse::StreamDecoder),
    /// Cohere's events.
    CohereChat(cohere_chat::StreamDecoder),
}

impl StreamDecoder {
    /// Reads one complete server-sent event; what it says is added to `events`.
    pub fn push(
        &mut self,
        name: Option<&[u8]>,
        data: &[u8],
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TranslateError> {
        match self {
            StreamDecoder::OpenAiChat(decoder) => decoder.push(name, data, events),
            StreamDecoder::OpenAiResponses(decoder) => decoder.push(name, data, events),
            StreamDecoder::AnthropicMessages(decoder) => decoder.push(name, data, events),
            StreamDecoder::Gemini(decoder) => decoder.push(name, data, events),
            StreamDecoder::BedrockConverse(decoder) => decoder.push(name, data, events),
            StreamDecoder::CohereChat(decoder) => decoder.push(name, data, events),
        }
    }

    /// Whether the protocol's own end was seen. A stream that stops before it is broken.
    pub fn is_complete(&self) -> bool {
        match self {
            StreamDecoder::OpenAiChat(decoder) => decoder.is_complete(),
            StreamDecoder::OpenAiResponses(decoder) => decoder.is_complete(),
            StreamDecoder::AnthropicMessages(decoder) => decoder.is_complete(),
            StreamDecoder::Gemini(decoder) => decoder.is_complete(),
            StreamDecoder::BedrockConverse(decoder) => decoder.is_complete(),
            StreamDecoder::CohereChat(decoder) => decoder.is_complete(),
        }
    }

    /// What was consumed, as far as it was told.
    pub fn usage(&self) -> Usage {
        match self {
            StreamDecoder::OpenAiChat(decoder) => decoder.usage(),
            StreamDecoder::OpenAiResponses(decoder) => decoder.usage(),
            StreamDecoder::AnthropicMessages(decoder) => decoder.usage(),
            StreamDecoder::Gemini(decoder) => decoder.usage(),
            StreamDecoder::BedrockConverse(decoder) => decoder.usage(),
            StreamDecoder::CohereChat(decoder) => decoder.usage(),
        }
    }
}

/// Writes a streamed answer, in complete frames.
#[derive(Debug)]
pub enum StreamEncoder {
    /// OpenAI's chunks.
    OpenAiChat(openai_chat::StreamEncoder),
    /// The events of OpenAI's Responses.
    OpenAiResponses(Box<openai_responses::StreamEncoder>),
    /// Anthropic's events.
    AnthropicMessages(anthropic_messages::StreamEncoder),
    /// Gemini's pieces.
    Gemini(gemini::StreamEncoder),
    /// Bedrock's events, in frames of Amazon's event stream encoding.
    BedrockConverse(bedrock_converse::StreamEncoder),
}

impl StreamEncoder {
    /// Writes a step. [`StreamEvent::Error`] writes nothing: the caller ends the stream with
    /// [`super::Protocol::encode_stream_error`] instead of [`StreamEncoder::end`].
    pub fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        match self {
            StreamEncoder::OpenAiChat(encoder) => encoder.push(event, out),
            StreamEncoder::OpenAiResponses(encoder) => encoder.push(event, out),
            StreamEncoder::AnthropicMessages(encoder) => encoder.push(event, out),
            StreamEncoder::Gemini(encoder) => encoder.push(event, out),
            StreamEncoder::BedrockConverse(encoder) => encoder.push(event, out),
        }
    }

    /// Writes the protocol's own end, with the usage where it belongs there.
    pub fn end(&mut self, usage: &Usage, cost: Option<Money>, out: &mut Vec<u8>) {
        match self {
            StreamEncoder::OpenAiChat(encoder) => encoder.end(usage, cost, out),
            StreamEncoder::OpenAiResponses(encoder) => encoder.end(usage, cost, out),
            StreamEncoder::AnthropicMessages(encoder) => encoder.end(usage, cost, out),
            StreamEncoder::Gemini(encoder) => encoder.end(usage, cost, out),
            StreamEncoder::BedrockConverse(encoder) => encoder.end(usage, cost, out),
        }
    }

    /// What could not be carried, since this was last asked.
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        match self {
            StreamEncoder::OpenAiChat(encoder) => encoder.take_warnings(),
            StreamEncoder::OpenAiResponses(encoder) => encoder.take_warnings(),
            StreamEncoder::AnthropicMessages(encoder) => encoder.take_warnings(),
            StreamEncoder::Gemini(encoder) => encoder.take_warnings(),
            StreamEncoder::BedrockConverse(encoder) => encoder.take_warnings(),
        }
    }

    /// How many numbered events were written (OpenAI's Responses; elsewhere zero).
    pub fn sequence(&self) -> u64 {
        match self {
            StreamEncoder::OpenAiResponses(encoder) => encoder.sequence(),
            StreamEncoder::OpenAiChat(_)
            | StreamEncoder::AnthropicMessages(_)
            | StreamEncoder::Gemini(_)
            | StreamEncoder::BedrockConverse(_) => 0,
        }
    }

    /// Says how long the answer took, in milliseconds, where its end tells that (Converse).
    pub fn took(&mut self, ms: u64) {
        match self {
            StreamEncoder::BedrockConverse(encoder) => encoder.took(ms),
            StreamEncoder::OpenAiChat(_)
            | StreamEncoder::OpenAiResponses(_)
            | StreamEncoder::AnthropicMessages(_)
            | StreamEncoder::Gemini(_) => {}
        }
    }
}
