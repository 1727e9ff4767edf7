//! Wire protocols: each is read into [`crate::ir`] and written from it.
//!
//! Nothing here knows which company is asked; what an endpoint deviates in stands in [`crate::provider`].
//! Whether a translation takes place at all is the caller's choice: where both sides speak the same
//! protocol, bytes pass through untouched instead.

use crate::ir::{ChatRequest, ChatResponse, Warning, Warnings};
use domain::Money;

pub mod anthropic_messages;
pub mod bedrock_converse;
mod data_url;
mod error;
mod fields;
pub mod openai_chat;
mod stream;
mod write;

pub use error::{ErrorReply, Origin, ProviderError, TranslateError};
pub use stream::{StreamDecoder, StreamEncoder, StreamOptions};

/// A wire format.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protocol {
    /// OpenAI's Chat Completions.
    OpenAiChat,
    /// Anthropic's Messages.
    AnthropicMessages,
    /// Amazon Bedrock's Converse. Providers speak it, nobody calls in it.
    BedrockConverse,
}

/// A body in some protocol, and what it could not carry.
#[derive(Clone, PartialEq, Debug)]
pub struct Encoded {
    /// The JSON body.
    pub body: Vec<u8>,
    /// What was given up or emulated.
    pub warnings: Vec<Warning>,
}

/// The field that limits the length of an answer in OpenAI's chat protocol.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum OutputLimit {
    /// `max_tokens`: what nearly every compatible server reads.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`: OpenAI's own reasoning models refuse the older name.
    MaxCompletionTokens,
}

/// What the encoder of a request must know of where it goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target<'a> {
    /// What the provider calls the model.
    pub model: &'a str,
    /// Tokens the model can answer with; zero when that is not known.
    pub max_output_tokens: u64,
    /// The field that limits the length of an answer (OpenAI's protocol).
    pub output_limit: OutputLimit,
    /// Whether `stream_options` is taken (OpenAI's protocol).
    pub takes_stream_options: bool,
    /// Whether `cache_control` is taken (OpenAI's protocol).
    pub takes_cache_control: bool,
    /// Whether `reasoning_content` is taken (OpenAI's protocol).
    pub takes_unsigned_thoughts: bool,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Protocol; 3] =
        [Protocol::OpenAiChat, Protocol::AnthropicMessages, Protocol::BedrockConverse];

    /// Those that callers speak.
    pub const OF_CALLERS: [Protocol; 2] = [Protocol::OpenAiChat, Protocol::AnthropicMessages];

    /// Whether it is one of OpenAI's, which share words and many fields.
    pub const fn is_openai(self) -> bool {
        matches!(self, Protocol::OpenAiChat)
    }

    /// The word used in records, warnings and file names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Protocol::OpenAiChat => "openai_chat",
            Protocol::AnthropicMessages => "anthropic_messages",
            Protocol::BedrockConverse => "bedrock_converse",
        }
    }

    /// Reads a request. Refuses in a protocol that nobody calls in.
    pub fn decode_request(self, body: &[u8]) -> Result<ChatRequest, TranslateError> {
        match self {
            Protocol::OpenAiChat => openai_chat::decode_request(body),
            Protocol::AnthropicMessages => anthropic_messages::decode_request(body),
            Protocol::BedrockConverse => Err(TranslateError::InvalidRequest {
                message: "requests are not taken in Bedrock's protocol".to_owned(),
                param: None,
            }),
        }
    }

    /// Writes a request for a target. Fails where something essential cannot be said.
    pub fn encode_request(
        self,
        request: &ChatRequest,
        target: &Target<'_>,
    ) -> Result<Encoded, TranslateError> {
        match self {
            Protocol::OpenAiChat => openai_chat::encode_request(request, target),
            Protocol::AnthropicMessages => anthropic_messages::encode_request(request, target),
            Protocol::BedrockConverse => bedrock_converse::encode_request(request, target),
        }
    }

    /// Reads a whole answer.
    pub fn decode_response(self, body: &[u8]) -> Result<ChatResponse, TranslateError> {
        match self {
            Protocol::OpenAiChat => openai_chat::decode_response(body),
            Protocol::AnthropicMessages => anthropic_messages::decode_response(body),
            Protocol::BedrockConverse => bedrock_converse::decode_response(body),
        }
    }

    /// Writes a whole answer. `cost` becomes `usage.cost`, a number of US dollars. Where nobody calls in a protocol, this
    /// and all else that callers would get is as OpenAI has it.
    pub fn encode_response(self, response: &ChatResponse, cost: Option<Money>) -> Encoded {
        match self {
            Protocol::OpenAiChat | Protocol::BedrockConverse => openai_chat::encode_response(response, cost),
            Protocol::AnthropicMessages => anthropic_messages::encode_response(response, cost),
        }
    }

    /// A reader of a streamed answer.
    pub fn stream_decoder(self) -> StreamDecoder {
        match self {
            Protocol::OpenAiChat => StreamDecoder::OpenAiChat(openai_chat::StreamDecoder::default()),
            Protocol::AnthropicMessages => {
                StreamDecoder::AnthropicMessages(anthropic_messages::StreamDecoder::default())
            }
            Protocol::BedrockConverse => {
                StreamDecoder::BedrockConverse(bedrock_converse::StreamDecoder::default())
            }
        }
    }

    /// A writer of a streamed answer.
    pub fn stream_encoder(self, options: StreamOptions) -> StreamEncoder {
        match self {
            Protocol::OpenAiChat | Protocol::BedrockConverse => {
                StreamEncoder::OpenAiChat(openai_chat::StreamEncoder::new(options))
            }
            Protocol::AnthropicMessages => {
                StreamEncoder::AnthropicMessages(anthropic_messages::StreamEncoder::new(options))
            }
        }
    }

    /// Writes an error body.
    pub fn encode_error(self, error: &ErrorReply<'_>) -> Vec<u8> {
        match self {
            Protocol::OpenAiChat | Protocol::BedrockConverse => openai_chat::encode_error(error),
            Protocol::AnthropicMessages => anthropic_messages::encode_error(error),
        }
    }

    /// Writes an error into a stream that has begun: complete frames, after which the stream ends.
    pub fn encode_stream_error(self, error: &ErrorReply<'_>) -> Vec<u8> {
        let body = self.encode_error(error);
        match self {
            Protocol::OpenAiChat | Protocol::BedrockConverse => {
                [b"data: ".as_slice(), &body, b"\n\n"].concat()
            }
            Protocol::AnthropicMessages => [b"event: error\ndata: ".as_slice(), &body, b"\n\n"].concat(),
        }
    }

    /// Reads an error body, whatever its shape: gateways and proxies answer in place of the provider.
    pub fn decode_error(self, status: u16, body: &[u8]) -> ProviderError {
        match self {
            Protocol::OpenAiChat | Protocol::AnthropicMessages | Protocol::BedrockConverse => {
                error::decode(status, body)
            }
        }
    }
}

/// Tells of top-level fields that only the request's own protocol knows.
fn warn_extra(request: &ChatRequest, warnings: &mut Warnings) {
    if !request.extra.is_empty() {
        let names: Vec<&str> = request.extra.iter().map(|field| field.name.as_str()).collect();
        warnings.add("unknown fields", format!("dropped: {}", names.join(", ")));
    }
}

/// Tells of fields inside others that nobody understood.
fn warn_ignored(paths: &[String], warnings: &mut Warnings) {
    if !paths.is_empty() {
        warnings.add("unknown fields", format!("dropped: {}", paths.join(", ")));
    }
}
