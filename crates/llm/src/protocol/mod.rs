//! Wire protocols: each is read into [`crate::ir`] and written from it.
//!
//! Nothing here knows which company is asked; what an endpoint deviates in stands in [`crate::provider`].
//! Whether a translation takes place at all is the caller's choice: where both sides speak the same
//! protocol, bytes pass through untouched instead.

use crate::ir::{ChatRequest, ChatResponse, Warning};
use crate::provider::StreamFraming;
use domain::Money;

pub mod anthropic_messages;
pub mod bedrock_converse;
pub mod cohere_chat;
pub(crate) mod data_url;
pub mod embeddings;
mod error;
mod fields;
mod free_text;
pub mod gemini;
pub mod images;
pub mod openai_chat;
pub mod openai_responses;
pub mod rerank;
mod shape;
pub mod sound;
mod stream;
mod turns;
mod unsaid;
mod write;

pub(crate) use error::bounded;
pub use error::{ErrorReply, Origin, ProviderError, StreamPlace, TranslateError};
pub(crate) use fields::IGNORED_MAX;
pub(crate) use openai_chat::error_kind;
pub use openai_responses::Echo;
pub use shape::Shape;
pub use stream::{StreamDecoder, StreamEncoder, StreamOptions};
pub(crate) use write::to_json;

/// A wire format.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protocol {
    /// OpenAI's Chat Completions.
    OpenAiChat,
    /// OpenAI's Responses.
    OpenAiResponses,
    /// Anthropic's Messages.
    AnthropicMessages,
    /// Google's `generateContent`.
    Gemini,
    /// Amazon Bedrock's Converse.
    BedrockConverse,
    /// Cohere's chat, the second version. Providers speak it, nobody calls in it.
    CohereChat,
}

/// A body in some protocol, and what it could not carry.
#[derive(Clone, PartialEq, Debug)]
pub struct Encoded {
    /// The JSON body.
    pub body: Vec<u8>,
    /// What was given up or emulated.
    pub warnings: Vec<Warning>,
    /// The form of the answer is asked for in a way that the model may not follow.
    pub is_form_emulated: bool,
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
    /// Whether tools of free text are taken (OpenAI's chat).
    pub takes_custom_tools: bool,
    /// Whether the model can be held to a schema (OpenAI's chat).
    pub takes_schema: bool,
    /// Whether the model searches the web when it is asked to (OpenAI's chat).
    pub searches_in_chat: bool,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Protocol; 6] = [
        Protocol::OpenAiChat,
        Protocol::OpenAiResponses,
        Protocol::AnthropicMessages,
        Protocol::Gemini,
        Protocol::BedrockConverse,
        Protocol::CohereChat,
    ];

    /// Those that callers speak.
    pub const OF_CALLERS: [Protocol; 5] = [
        Protocol::OpenAiChat,
        Protocol::OpenAiResponses,
        Protocol::AnthropicMessages,
        Protocol::Gemini,
        Protocol::BedrockConverse,
    ];

    /// Reads the word of a protocol.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.as_str() == word)
    }

    /// Whether it is one of OpenAI's, which share words and many fields.
    pub const fn is_openai(self) -> bool {
        matches!(self, Protocol::OpenAiChat | Protocol::OpenAiResponses)
    }

    /// The word used in records, warnings and file names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Protocol::OpenAiChat => "openai_chat",
            Protocol::OpenAiResponses => "openai_responses",
            Protocol::AnthropicMessages => "anthropic_messages",
            Protocol::Gemini => "gemini",
            Protocol::BedrockConverse => "bedrock_converse",
            Protocol::CohereChat => "cohere_chat",
        }
    }

    /// Reads a request. Refuses in a protocol that nobody calls in.
    pub fn decode_request(self, body: &[u8]) -> Result<ChatRequest, TranslateError> {
        match self {
            Protocol::OpenAiChat => openai_chat::decode_request(body),
            Protocol::OpenAiResponses => openai_responses::decode_request(body),
            Protocol::AnthropicMessages => anthropic_messages::decode_request(body),
            Protocol::Gemini => gemini::decode_request(body),
            Protocol::BedrockConverse => bedrock_converse::decode_request(body),
            Protocol::CohereChat => Err(TranslateError::InvalidRequest {
                message: format!("requests are not taken in {}", self.as_str()),
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
        // What rests on a provider's memory, or on its guardrails, is known to nobody else.
        match request.protocol {
            from if from == self => {}
            Protocol::Gemini => gemini::refuse_state(request)?,
            Protocol::OpenAiResponses => unsaid::refuse_state(request)?,
            Protocol::BedrockConverse => bedrock_converse::refuse_state(request)?,
            Protocol::OpenAiChat | Protocol::AnthropicMessages | Protocol::CohereChat => {}
        }
        match self {
            Protocol::OpenAiChat => openai_chat::encode_request(request, target),
            Protocol::OpenAiResponses => openai_responses::encode_request(request, target),
            Protocol::AnthropicMessages => anthropic_messages::encode_request(request, target),
            Protocol::Gemini => gemini::encode_request(request, target),
            Protocol::BedrockConverse => bedrock_converse::encode_request(request, target),
            Protocol::CohereChat => cohere_chat::encode_request(request, target),
        }
    }

    /// Reads a whole answer.
    pub fn decode_response(self, body: &[u8]) -> Result<ChatResponse, TranslateError> {
        match self {
            Protocol::OpenAiChat => openai_chat::decode_response(body),
            Protocol::OpenAiResponses => openai_responses::decode_response(body),
            Protocol::AnthropicMessages => anthropic_messages::decode_response(body),
            Protocol::Gemini => gemini::decode_response(body),
            Protocol::BedrockConverse => bedrock_converse::decode_response(body),
            Protocol::CohereChat => cohere_chat::decode_response(body),
        }
    }

    /// Writes a whole answer. `cost` becomes `usage.cost` (`usageMetadata.cost`), a number of US dollars. Where nobody calls in
    /// a protocol, this and all else that callers would get is as OpenAI has it.
    pub fn encode_response(self, response: &ChatResponse, cost: Option<Money>) -> Encoded {
        match self {
            Protocol::OpenAiChat | Protocol::CohereChat => openai_chat::encode_response(response, cost),
            Protocol::OpenAiResponses => openai_responses::encode_response(response, cost),
            Protocol::AnthropicMessages => anthropic_messages::encode_response(response, cost),
            Protocol::Gemini => gemini::encode_response(response, cost),
            Protocol::BedrockConverse => bedrock_converse::encode_response(response, cost),
        }
    }

    /// A reader of a streamed answer.
    pub fn stream_decoder(self) -> StreamDecoder {
        match self {
            Protocol::OpenAiChat => StreamDecoder::OpenAiChat(openai_chat::StreamDecoder::default()),
            Protocol::OpenAiResponses => {
                StreamDecoder::OpenAiResponses(openai_responses::StreamDecoder::default())
            }
            Protocol::AnthropicMessages => {
                StreamDecoder::AnthropicMessages(anthropic_messages::StreamDecoder::default())
            }
            Protocol::Gemini => StreamDecoder::Gemini(Box::default()),
            Protocol::BedrockConverse => {
                StreamDecoder::BedrockConverse(bedrock_converse::StreamDecoder::default())
            }
            Protocol::CohereChat => StreamDecoder::CohereChat(cohere_chat::StreamDecoder::default()),
        }
    }

    /// A writer of a streamed answer.
    pub fn stream_encoder(self, options: StreamOptions) -> StreamEncoder {
        match self {
            Protocol::OpenAiChat | Protocol::CohereChat => {
                StreamEncoder::OpenAiChat(openai_chat::StreamEncoder::new(options))
            }
            Protocol::OpenAiResponses => {
                StreamEncoder::OpenAiResponses(Box::new(openai_responses::StreamEncoder::new(options)))
            }
            Protocol::AnthropicMessages => {
                StreamEncoder::AnthropicMessages(anthropic_messages::StreamEncoder::new(options))
            }
            Protocol::Gemini => StreamEncoder::Gemini(gemini::StreamEncoder::new(options)),
            Protocol::BedrockConverse => {
                StreamEncoder::BedrockConverse(bedrock_converse::StreamEncoder::new(options))
            }
        }
    }

    /// Writes an error body.
    pub fn encode_error(self, error: &ErrorReply<'_>) -> Vec<u8> {
        match self {
            // Both of OpenAI's APIs fail in one shape.
            Protocol::OpenAiChat | Protocol::OpenAiResponses | Protocol::CohereChat => {
                openai_chat::encode_error(error)
            }
            Protocol::AnthropicMessages => anthropic_messages::encode_error(error),
            Protocol::Gemini => gemini::encode_error(error),
            Protocol::BedrockConverse => bedrock_converse::encode_error(error),
        }
    }

    /// What kind of error it is, where a header tells that (`x-amzn-ErrorType`).
    pub fn error_type(self, error: &ErrorReply<'_>) -> Option<&'static str> {
        (self == Protocol::BedrockConverse).then(|| bedrock_converse::error_type(error))
    }

    /// How streams are framed for callers.
    pub fn framing(self) -> StreamFraming {
        match self {
            Protocol::BedrockConverse => StreamFraming::AmazonEvents,
            Protocol::OpenAiChat
            | Protocol::OpenAiResponses
            | Protocol::AnthropicMessages
            | Protocol::Gemini
            | Protocol::CohereChat => StreamFraming::ServerSentEvents,
        }
    }

    /// Writes an error into a stream that has begun: complete frames, after which the stream ends.
    pub fn encode_stream_error(self, error: &ErrorReply<'_>, place: &StreamPlace<'_>) -> Vec<u8> {
        let body = || self.encode_error(error);
        match self {
            Protocol::OpenAiChat | Protocol::Gemini | Protocol::CohereChat => {
                [b"data: ".as_slice(), &body(), b"\n\n"].concat()
            }
            Protocol::OpenAiResponses => openai_responses::encode_stream_error(error, place),
            Protocol::BedrockConverse => bedrock_converse::encode_stream_error(error),
            Protocol::AnthropicMessages => [b"event: error\ndata: ".as_slice(), &body(), b"\n\n"].concat(),
        }
    }

    /// Reads an error body, whatever its shape: gateways and proxies answer in place of the provider.
    pub fn decode_error(self, status: u16, body: &[u8]) -> ProviderError {
        match self {
            Protocol::OpenAiChat | Protocol::AnthropicMessages | Protocol::BedrockConverse => {
                error::decode(status, body)
            }
            Protocol::CohereChat => cohere_chat::decode_error(status, body),
            Protocol::OpenAiResponses => openai_responses::decode_error(status, body),
            Protocol::Gemini => gemini::decode_error(status, body),
        }
    }
}
