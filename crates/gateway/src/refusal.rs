//! What we say no to, and how every failure reads to the caller.

use domain::RequestId;
use llm::Protocol;
use llm::protocol::Origin;
use std::borrow::Cow;
use std::time::Duration;

/// Why a request is not answered with success. Has a status, a stable code (listed in
/// `docs/api/errors.md`) and a text for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No key was shown.
    #[error("Unauthorized: send an API key as `Authorization: Bearer …` or `x-api-key`")]
    MissingKey,
    /// The request is signed with keys of AWS, which mean nothing here.
    #[error(
        "signatures of AWS are not taken: send an API key of this gateway as `Authorization: Bearer …`. Over HTTPS AWS's SDKs \
         do that when it stands in the variable AWS_BEARER_TOKEN_BEDROCK"
    )]
    Signed,
    /// The key is not known, expired or deleted.
    #[error("Invalid authorization token")]
    InvalidKey,
    /// The key works, but not for this.
    #[error("{0}")]
    NotPermitted(&'static str),
    /// The body is not what the endpoint takes.
    #[error("{message}")]
    InvalidRequest {
        /// What is wrong.
        message: String,
        /// The field that is wrong.
        param: Option<String>,
    },
    /// Something of the request would be given up on its way to the provider, and the caller wants none of that.
    #[error("`strict` is set, and the provider's protocol cannot carry all of the request: {0}")]
    TranslationLoss(String),
    /// The body is longer than allowed.
    #[error("the request body is larger than {0} bytes")]
    BodyTooLarge(usize),
    /// A message of a session is longer than allowed.
    #[error("the message is larger than {0} bytes")]
    MessageTooLarge(usize),
    /// A session has lasted, or has been silent, for as long as one may.
    #[error("{0}")]
    SessionOver(&'static str),
    /// The body did not arrive in time.
    #[error("the request body did not arrive within {0} seconds")]
    BodyTooSlow(u64),
    /// The body broke off: its caller left, or what came is not HTTP.
    #[error("the request body broke off")]
    BodyCut,
    /// No provider of that name, or no such model there.
    #[error("Provider and/or model not supported: {0}")]
    UnknownModel(String),
    /// The model exists but not for this endpoint.
    #[error("the model `{model}` cannot be used on this endpoint")]
    WrongEndpoint {
        /// The model as it was named.
        model: String,
    },
    /// There is no such path.
    #[error("no such endpoint: {0}")]
    NoSuchEndpoint(String),
    /// The path names an answer that only its provider can have.
    #[error(
        "no answer {0} was given to this key: if another one has it, ask with that, or its provider with its own key"
    )]
    StoredByProvider(String),
    /// The request goes on from an answer that was given to another organization.
    #[error("previous_response_id: no answer {0} was given to this organization")]
    NoPreviousAnswer(String),
    /// The path exists, but not with this method.
    #[error("this endpoint does not take the method {0}")]
    MethodNotAllowed(String),
    /// The `Idempotency-Key` was sent with another request before.
    #[error(
        "this Idempotency-Key was used before with another request body, by {0}: send a new key for a new call"
    )]
    IdempotencyKeyReused(RequestId),
    /// The first call under the `Idempotency-Key` has no answer, and never will.
    #[error(
        "the first call with this Idempotency-Key, {0}, was cut off and its outcome is unknown. What it may have \
         cost was charged; a new key starts a new call"
    )]
    IdempotentOutcomeUnknown(RequestId),
    /// The answer to the first call under the `Idempotency-Key` was not kept.
    #[error(
        "the call with this Idempotency-Key was answered, and charged once, but its answer was too large to keep. \
         A new key starts a new call"
    )]
    IdempotentAnswerTooLarge,
    /// A rate limit of the gateway's own is reached.
    #[error("{message}")]
    RateLimited {
        /// Which one, and what to do.
        message: String,
        /// When to try again. `None`: waiting does not help.
        retry_after: Option<Duration>,
    },
    /// A spending limit would be passed.
    #[error("{0}")]
    SpendLimit(String),
    /// All that the organization may ever spend would be passed.
    #[error("{0}")]
    Balance(String),
    /// A spending limit applies, and nobody can say what the call may cost.
    #[error("{0}")]
    Unbounded(String),
    /// There is no room to write down what a call costs.
    #[error("the gateway cannot record calls at the moment, please try again")]
    StorageExhausted,
    /// Too many calls run at once.
    #[error("the gateway has more calls than it can take at the moment, please try again")]
    Overloaded {
        /// When to try again.
        retry_after_seconds: u64,
    },
    /// The process is stopping.
    #[error("the gateway is shutting down, please try again")]
    ShuttingDown,
    /// The provider refused or failed.
    #[error("{message}")]
    Provider {
        /// The status for the caller.
        status: u16,
        /// What kind of failure, for records.
        class: &'static str,
        /// The provider's code, or ours.
        code: Cow<'static, str>,
        /// What the provider said.
        message: String,
        /// The field the provider complains about.
        param: Option<String>,
    },
    /// The provider cannot be reached.
    #[error("Provider is down: {0}")]
    Unreachable(String),
    /// A time limit ran out.
    #[error("The provider timed out, please try again ({0})")]
    Timeout(&'static str),
    /// The provider's answer is not in the protocol it claims to speak.
    #[error("Invalid provider response format: {0}")]
    InvalidResponse(String),
    /// The stream ended or failed before its end.
    #[error("There was a problem with the provider stream: {0}")]
    BrokenStream(String),
    /// A fault of our own.
    #[error("internal error; the request id helps to find it in the log")]
    Internal,
}

impl Refusal {
    /// An invalid request that names no field.
    pub fn invalid(message: impl Into<String>) -> Self {
        Refusal::InvalidRequest { message: message.into(), param: None }
    }

    /// An invalid request because of one field.
    pub fn invalid_param(param: &str, message: impl Into<String>) -> Self {
        Refusal::InvalidRequest { message: message.into(), param: Some(param.to_owned()) }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Refusal::MissingKey | Refusal::Signed | Refusal::InvalidKey => 401,
            Refusal::NotPermitted(_) => 403,
            Refusal::InvalidRequest { .. }
            | Refusal::TranslationLoss(_)
            | Refusal::WrongEndpoint { .. }
            | Refusal::NoPreviousAnswer(_)
            | Refusal::BodyCut => 400,
            Refusal::BodyTooLarge(_) | Refusal::MessageTooLarge(_) => 413,
            Refusal::BodyTooSlow(_) | Refusal::SessionOver(_) => 408,
            Refusal::UnknownModel(_) | Refusal::NoSuchEndpoint(_) | Refusal::StoredByProvider(_) => 404,
            Refusal::MethodNotAllowed(_) => 405,
            Refusal::IdempotencyKeyReused(_) => 422,
            Refusal::IdempotentOutcomeUnknown(_) | Refusal::IdempotentAnswerTooLarge => 409,
            Refusal::RateLimited { .. } => 429,
            Refusal::Balance(_) => 402,
            Refusal::SpendLimit(_) | Refusal::Unbounded(_) => 412,
            Refusal::StorageExhausted
            | Refusal::Overloaded { .. }
            | Refusal::ShuttingDown
            | Refusal::Timeout(_) => 503,
            Refusal::Provider { status, .. } => *status,
            Refusal::Unreachable(_) | Refusal::BrokenStream(_) => 502,
            Refusal::InvalidResponse(_) => 424,
            Refusal::Internal => 500,
        }
    }

    /// The HTTP status in a caller's protocol. Anthropic has one of its own for overload
    /// (<https://platform.claude.com/docs/en/api/errors>, read 2026-11-22), Amazon none for strangers
    /// (`AccessDeniedException` in botocore 1.44.8's model of the service, read 2026-11-26).
    pub fn status_in(&self, protocol: Protocol) -> u16 {
        match (protocol, self.status()) {
            (Protocol::AnthropicMessages, _) if matches!(self, Refusal::Overloaded { .. }) => 529,
            (Protocol::BedrockConverse, 401) => 403,
            (_, status) => status,
        }
    }

    /// What `retry-after` says, in whole seconds; `None`: the header is not sent.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        if let Refusal::RateLimited { retry_after, .. } = self {
            let wait = (*retry_after)?;
            return Some(wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1));
        }
        if let Refusal::Overloaded { retry_after_seconds } = self {
            return Some(*retry_after_seconds);
        }
        (self.status() == 503).then_some(1)
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        if let Refusal::Provider { code, .. } = self { code } else { self.own_code() }
    }

    /// The code for records: ours, never a provider's free text.
    pub fn own_code(&self) -> &'static str {
        match self {
            Refusal::MissingKey => "missing_api_key",
            Refusal::Signed => "aws_signature",
            Refusal::InvalidKey => "invalid_api_key",
            Refusal::NotPermitted(_) => "not_permitted",
            Refusal::InvalidRequest { .. } => "invalid_request",
            Refusal::TranslationLoss(_) => "translation_loss",
            Refusal::BodyTooLarge(_) => "body_too_large",
            Refusal::MessageTooLarge(_) => "message_too_large",
            Refusal::SessionOver(_) => "session_expired",
            Refusal::BodyTooSlow(_) => "body_too_slow",
            Refusal::BodyCut => "body_cut",
            Refusal::UnknownModel(_) => "model_not_found",
            Refusal::WrongEndpoint { .. } => "wrong_endpoint",
            Refusal::NoSuchEndpoint(_) => "no_such_endpoint",
            Refusal::StoredByProvider(_) => "stored_by_provider",
            Refusal::NoPreviousAnswer(_) => "previous_response_not_found",
            Refusal::MethodNotAllowed(_) => "method_not_allowed",
            Refusal::IdempotencyKeyReused(_) => "idempotency_key_reused",
            Refusal::IdempotentOutcomeUnknown(_) => "idempotent_outcome_unknown",
            Refusal::IdempotentAnswerTooLarge => "idempotent_answer_too_large",
            Refusal::RateLimited { .. } => "rate_limit_exceeded",
            Refusal::SpendLimit(_) => "spend_limit_exceeded",
            Refusal::Balance(_) => "insufficient_balance",
            Refusal::Unbounded(_) => "cost_unbounded",
            Refusal::StorageExhausted => "storage_exhausted",
            Refusal::Overloaded { .. } => "overloaded",
            Refusal::ShuttingDown => "shutting_down",
            Refusal::Provider { class, .. } => class,
            Refusal::Unreachable(_) => "provider_unreachable",
            Refusal::Timeout(_) => "provider_timeout",
            Refusal::InvalidResponse(_) => "invalid_provider_response",
            Refusal::BrokenStream(_) => "broken_provider_stream",
            Refusal::Internal => "internal_error",
        }
    }

    /// The field that is wrong, where one is known.
    pub fn param(&self) -> Option<&str> {
        match self {
            Refusal::InvalidRequest { param, .. } | Refusal::Provider { param, .. } => param.as_deref(),
            Refusal::UnknownModel(_) | Refusal::WrongEndpoint { .. } => Some("model"),
            Refusal::NoPreviousAnswer(_) => Some("previous_response_id"),
            Refusal::MissingKey
            | Refusal::Signed
            | Refusal::InvalidKey
            | Refusal::NotPermitted(_)
            | Refusal::TranslationLoss(_)
            | Refusal::BodyTooLarge(_)
            | Refusal::MessageTooLarge(_)
            | Refusal::SessionOver(_)
            | Refusal::BodyTooSlow(_)
            | Refusal::BodyCut
            | Refusal::NoSuchEndpoint(_)
            | Refusal::StoredByProvider(_)
            | Refusal::MethodNotAllowed(_)
            | Refusal::IdempotencyKeyReused(_)
            | Refusal::IdempotentOutcomeUnknown(_)
            | Refusal::IdempotentAnswerTooLarge
            | Refusal::RateLimited { .. }
            | Refusal::SpendLimit(_)
            | Refusal::Balance(_)
            | Refusal::Unbounded(_)
            | Refusal::StorageExhausted
            | Refusal::Overloaded { .. }
            | Refusal::ShuttingDown
            | Refusal::Unreachable(_)
            | Refusal::Timeout(_)
            | Refusal::InvalidResponse(_)
            | Refusal::BrokenStream(_)
            | Refusal::Internal => None,
        }
    }

    /// Who says no.
    pub fn origin(&self) -> Origin {
        if matches!(self, Refusal::Provider { .. }) { Origin::Provider } else { Origin::Router }
    }

    /// How the request is recorded.
    pub fn outcome(&self) -> domain::record::Outcome {
        use domain::record::Outcome;
        match self {
            Refusal::Timeout(_) | Refusal::SessionOver(_) => Outcome::Timeout,
            Refusal::Provider { .. }
            | Refusal::Unreachable(_)
            | Refusal::InvalidResponse(_)
            | Refusal::BrokenStream(_) => Outcome::ProviderError,
            Refusal::ShuttingDown => Outcome::Drained,
            Refusal::Internal => Outcome::Internal,
            Refusal::BodyCut => Outcome::ClientGone,
            Refusal::MissingKey
            | Refusal::Signed
            | Refusal::InvalidKey
            | Refusal::NotPermitted(_)
            | Refusal::InvalidRequest { .. }
            | Refusal::TranslationLoss(_)
            | Refusal::BodyTooLarge(_)
            | Refusal::MessageTooLarge(_)
            | Refusal::BodyTooSlow(_)
            | Refusal::UnknownModel(_)
            | Refusal::WrongEndpoint { .. }
            | Refusal::NoSuchEndpoint(_)
            | Refusal::StoredByProvider(_)
            | Refusal::NoPreviousAnswer(_)
            | Refusal::MethodNotAllowed(_)
            | Refusal::IdempotencyKeyReused(_)
            | Refusal::IdempotentOutcomeUnknown(_)
            | Refusal::IdempotentAnswerTooLarge
            | Refusal::RateLimited { .. }
            | Refusal::SpendLimit(_)
            | Refusal::Balance(_)
            | Refusal::Unbounded(_)
            | Refusal::StorageExhausted
            | Refusal::Overloaded { .. } => Outcome::Refused,
        }
    }
}
