//! What is written down about a request.
//!
//! One request has one [`RequestRecord`]; each try at a provider has one [`AttemptRecord`] in it. The
//! request's cost is the sum of its attempts'.

pub mod texts;

use crate::id::{KeyId, OrgId, RequestId};
use crate::limit::Scope;
use crate::money::Money;
use crate::time::Timestamp;
use crate::usage::{Usage, UsageSource};
use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

/// Which endpoint was called.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operation {
    /// `POST /v1/chat/completions`.
    ChatCompletions,
    /// `POST /v1/responses`.
    Responses,
    /// `POST /v1/responses/input_tokens`.
    CountInputTokens,
    /// `POST /v1/messages`.
    Messages,
    /// `POST /v1/messages/count_tokens`.
    CountTokens,
    /// `POST /v1beta/models/{model}:generateContent`, and `:streamGenerateContent`.
    GenerateContent,
    /// `POST /v1beta/models/{model}:countTokens`.
    CountContentTokens,
    /// `POST /model/{model}/converse`, and `/converse-stream`.
    Converse,
    /// `POST /model/{model}/count-tokens`.
    CountConverseTokens,
    /// `POST /v1/embeddings`.
    Embeddings,
    /// `POST /v1beta/models/{model}:embedContent`.
    EmbedContent,
    /// `POST /v1beta/models/{model}:batchEmbedContents`.
    BatchEmbedContents,
    /// `POST /v1/completions`.
    Completions,
    /// `POST /v1/rerank`.
    Rerank,
    /// `POST /v1/moderations`.
    Moderations,
    /// `POST /v1/images/generations`.
    ImageGenerations,
    /// `POST /v1/images/edits`.
    ImageEdits,
    /// `POST /v1/audio/speech`.
    Speech,
    /// `POST /v1/audio/transcriptions`.
    Transcriptions,
    /// `POST /v1/audio/translations`.
    Translations,
    /// `GET /v1/realtime`: a whole session.
    Realtime,
}

/// A text that is none of the words it should be one of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown word {0:?}")]
pub struct UnknownWord(pub String);

impl Operation {
    /// All of them.
    pub const ALL: [Operation; 21] = [
        Operation::ChatCompletions,
        Operation::Responses,
        Operation::CountInputTokens,
        Operation::Messages,
        Operation::CountTokens,
        Operation::GenerateContent,
        Operation::CountContentTokens,
        Operation::Converse,
        Operation::CountConverseTokens,
        Operation::Embeddings,
        Operation::EmbedContent,
        Operation::BatchEmbedContents,
        Operation::Completions,
        Operation::Rerank,
        Operation::Moderations,
        Operation::ImageGenerations,
        Operation::ImageEdits,
        Operation::Speech,
        Operation::Transcriptions,
        Operation::Translations,
        Operation::Realtime,
    ];

    /// Whether tokens are counted and nothing is made: it costs nothing.
    pub const fn is_count(self) -> bool {
        matches!(
            self,
            Operation::CountTokens
                | Operation::CountContentTokens
                | Operation::CountInputTokens
                | Operation::CountConverseTokens
        )
    }

    /// The word used in storage, metrics and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Operation::ChatCompletions => "chat_completions",
            Operation::Responses => "responses",
            Operation::CountInputTokens => "count_input_tokens",
            Operation::Messages => "messages",
            Operation::CountTokens => "count_tokens",
            Operation::GenerateContent => "generate_content",
            Operation::CountContentTokens => "count_content_tokens",
            Operation::Converse => "converse",
            Operation::CountConverseTokens => "count_converse_tokens",
            Operation::Embeddings => "embeddings",
            Operation::EmbedContent => "embed_content",
            Operation::BatchEmbedContents => "batch_embed_contents",
            Operation::Completions => "completions",
            Operation::Rerank => "rerank",
            Operation::Moderations => "moderations",
            Operation::ImageGenerations => "image_generations",
            Operation::ImageEdits => "image_edits",
            Operation::Speech => "speech",
            Operation::Transcriptions => "transcriptions",
            Operation::Translations => "translations",
            Operation::Realtime => "realtime",
        }
    }
}

/// How a request or an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// The whole answer was delivered.
    Success,
    /// We said no before asking any provider.
    Refused,
    /// The provider refused or failed, or its answer could not be used.
    ProviderError,
    /// A time limit of ours ran out.
    Timeout,
    /// The caller left before the end.
    ClientGone,
    /// The process was stopping and could wait no longer.
    Drained,
    /// A fault of our own.
    Internal,
    /// The process died while the call ran; found in the journal afterwards.
    Crashed,
}

impl FromStr for Operation {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let found = Operation::ALL.into_iter().find(|operation| operation.as_str() == text);
        found.ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

impl FromStr for Outcome {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let found = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == text);
        found.ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 8] = [
        Outcome::Success,
        Outcome::Refused,
        Outcome::ProviderError,
        Outcome::Timeout,
        Outcome::ClientGone,
        Outcome::Drained,
        Outcome::Internal,
        Outcome::Crashed,
    ];

    /// The word used in storage, metrics and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Refused => "refused",
            Outcome::ProviderError => "provider_error",
            Outcome::Timeout => "timeout",
            Outcome::ClientGone => "client_gone",
            Outcome::Drained => "drained",
            Outcome::Internal => "internal",
            Outcome::Crashed => "crashed",
        }
    }
}

/// One try of one target.
#[derive(Clone, PartialEq, Debug)]
pub struct AttemptRecord {
    /// Name of the provider that was asked.
    pub provider: Arc<str>,
    /// What the provider calls the model.
    pub model: Arc<str>,
    /// The customer's own credential was used, so the provider bills the customer directly.
    pub is_byok: bool,
    /// The provider's HTTP status; zero when none came.
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// What went wrong, without anything secret. Empty when nothing did.
    pub error: String,
    /// When it started.
    pub started_at: Timestamp,
    /// From start to end, in microseconds.
    pub duration_us: u64,
    /// From start to the first token, in microseconds; zero when none came.
    pub first_token_us: u64,
    /// What it consumed.
    pub usage: Usage,
    /// Who says so.
    pub usage_source: UsageSource,
    /// What it costs.
    pub cost: Money,
    /// What was reserved for it at the most.
    pub held: Money,
    /// No price is known for the model or for the terms it was served on: `cost` is what was held, because nobody
    /// knows better. For a model without a price that is nothing.
    pub is_unpriced: bool,
}

/// What callers tell us about a request, beside the request itself.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Metadata {
    /// Labels for grouping.
    pub tags: Vec<String>,
    /// The end user of the caller's application.
    pub user_id: String,
    /// Joins the requests of one task.
    pub trace_id: String,
    /// Free dimensions, from `requesty.extra` and from `X-Requesty-*` headers.
    pub extra: Vec<(String, String)>,
    /// The calling site (`HTTP-Referer`).
    pub origin_referer: String,
    /// The calling application (`X-Title`).
    pub origin_title: String,
}

impl Metadata {
    /// Whether the caller told nothing.
    pub fn is_empty(&self) -> bool {
        *self == Metadata::default()
    }
}

/// One call to the data plane, written once, on every ending.
#[derive(Clone, PartialEq, Debug)]
pub struct RequestRecord {
    /// Its id, also sent to the caller.
    pub id: RequestId,
    /// Who pays.
    pub org: OrgId,
    /// The key that was shown.
    pub key: KeyId,
    /// Everything whose spending it counts against.
    pub scopes: Arc<[Scope]>,
    /// Which endpoint.
    pub operation: Operation,
    /// When it arrived.
    pub at: Timestamp,
    /// The model as the caller named it.
    pub model_requested: Arc<str>,
    /// The status that the caller got; for a stream, of its head.
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// Why we or the provider said no: a stable code. Empty when nobody did.
    pub error_code: Cow<'static, str>,
    /// The answer was streamed.
    pub is_stream: bool,
    /// Why the model stopped, in the caller's protocol's word. Empty when unknown.
    pub finish_reason: Arc<str>,
    /// From arrival to the end, in microseconds.
    pub duration_us: u64,
    /// From arrival to the first token, in microseconds; zero when none came.
    pub first_token_us: u64,
    /// The id the provider gave its answer.
    pub response_id: String,
    /// Names of the tools that the model called.
    pub tool_calls: Vec<String>,
    /// What a translation could not carry.
    pub warnings: Vec<String>,
    /// What the caller told beside the request.
    pub metadata: Option<Box<Metadata>>,
    /// The tries, first to last.
    pub attempts: Vec<AttemptRecord>,
}

impl RequestRecord {
    /// What the request costs: the sum over its attempts.
    pub fn cost(&self) -> Money {
        self.attempts.iter().map(|attempt| attempt.cost).sum()
    }
}
