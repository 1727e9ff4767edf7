//! Readers and writers of streamed answers, one variant for each protocol.

use super::{TranslateError, anthropic_messages, bedrock_converse, openai_chat};
use crate::ir::{StreamEvent, Warning};
use domain::{Money, Usage};

/// What the writer of a stream must know of the request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StreamOptions {
    /// The caller asked for usage at the end (OpenAI; elsewhere it always comes).
    pub include_usage: bool,
    /// The model's name in the answer where the provider gives none.
    pub requested_model: String,
    /// When the answer was made, in unix seconds.
    pub created: i64,
    /// So many answers were asked for.
    pub n: u32,
}

/// Reads a streamed answer, event by event.
#[derive(Debug)]
pub enum StreamDecoder {
    /// OpenAI's chunks.
    OpenAiChat(openai_chat::StreamDecoder),
    /// Anthropic's events.
    AnthropicMessages(anthropic_messages::StreamDecoder),
    /// Bedrock's events.
    BedrockConverse(bedrock_converse::StreamDecoder),
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
            StreamDecoder::AnthropicMessages(decoder) => decoder.push(name, data, events),
            StreamDecoder::BedrockConverse(decoder) => decoder.push(name, data, events),
        }
    }

    /// Whether the protocol's own end was seen. A stream that stops before it is broken.
    pub fn is_complete(&self) -> bool {
        match self {
            StreamDecoder::OpenAiChat(decoder) => decoder.is_complete(),
            StreamDecoder::AnthropicMessages(decoder) => decoder.is_complete(),
            StreamDecoder::BedrockConverse(decoder) => decoder.is_complete(),
        }
    }

    /// What was consumed, as far as it was told.
    pub fn usage(&self) -> Usage {
        match self {
            StreamDecoder::OpenAiChat(decoder) => decoder.usage(),
            StreamDecoder::AnthropicMessages(decoder) => decoder.usage(),
            StreamDecoder::BedrockConverse(decoder) => decoder.usage(),
        }
    }
}

/// Writes a streamed answer, in complete frames.
#[derive(Debug)]
pub enum StreamEncoder {
    /// OpenAI's chunks.
    OpenAiChat(openai_chat::StreamEncoder),
    /// Anthropic's events.
    AnthropicMessages(anthropic_messages::StreamEncoder),
}

impl StreamEncoder {
    /// Writes a step. [`StreamEvent::Error`] writes nothing: the caller ends the stream with
    /// [`super::Protocol::encode_stream_error`] instead of [`StreamEncoder::end`].
    pub fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        match self {
            StreamEncoder::OpenAiChat(encoder) => encoder.push(event, out),
            StreamEncoder::AnthropicMessages(encoder) => encoder.push(event, out),
        }
    }

    /// Writes the protocol's own end, with the usage where it belongs there.
    pub fn end(&mut self, usage: &Usage, cost: Option<Money>, out: &mut Vec<u8>) {
        match self {
            StreamEncoder::OpenAiChat(encoder) => encoder.end(usage, cost, out),
            StreamEncoder::AnthropicMessages(encoder) => encoder.end(usage, cost, out),
        }
    }

    /// What could not be carried, since this was last asked.
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        match self {
            StreamEncoder::OpenAiChat(encoder) => encoder.take_warnings(),
            StreamEncoder::AnthropicMessages(encoder) => encoder.take_warnings(),
        }
    }
}
