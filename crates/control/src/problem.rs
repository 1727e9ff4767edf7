//! What the management API says no to: status, stable code, text. The body is `{"error":{"message","code"}}`.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use std::error::Error;
use store::StoreError;
use store::usage::{GROUPS_MAX, UsageError};

/// Why a call is not answered with success. Codes are listed in `docs/api/manage.md`.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// No key was shown.
    #[error("Unauthorized: send an API key as `Authorization: Bearer …` or `x-api-key`")]
    MissingKey,
    /// The key is not known, expired or deleted.
    #[error("Invalid authorization token")]
    InvalidKey,
    /// The key works, but not for this.
    #[error("{0}")]
    NotPermitted(&'static str),
    /// There is no such key, or it is another organization's.
    #[error("there is no such API key: {0}")]
    NoSuchKey(String),
    /// The key has expired, which is final.
    #[error("the key has expired, which is final: make another one")]
    KeyExpired,
    /// Body or parameters are not what the route takes.
    #[error("{0}")]
    Invalid(String),
    /// The body is longer than allowed.
    #[error("the request body is larger than {0} bytes")]
    BodyTooLarge(usize),
    /// The body did not arrive in time.
    #[error("the request body did not arrive within {0} seconds")]
    BodyTooSlow(u64),
    /// A fault of our own.
    #[error("internal error; the log says more")]
    Internal,
}

impl Problem {
    /// Bad input.
    pub fn invalid(message: impl Into<String>) -> Self {
        Problem::Invalid(message.into())
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Problem::MissingKey | Problem::InvalidKey => StatusCode::UNAUTHORIZED,
            Problem::NotPermitted(_) => StatusCode::FORBIDDEN,
            Problem::NoSuchKey(_) => StatusCode::NOT_FOUND,
            Problem::KeyExpired => StatusCode::CONFLICT,
            Problem::Invalid(_) => StatusCode::BAD_REQUEST,
            Problem::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Problem::BodyTooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Problem::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Problem::MissingKey => "missing_api_key",
            Problem::InvalidKey => "invalid_api_key",
            Problem::NotPermitted(_) => "not_permitted",
            Problem::NoSuchKey(_) => "key_not_found",
            Problem::KeyExpired => "key_expired",
            Problem::Invalid(_) => "invalid_request",
            Problem::BodyTooLarge(_) => "body_too_large",
            Problem::BodyTooSlow(_) => "body_too_slow",
            Problem::Internal => "internal_error",
        }
    }
}

/// Logged here, once: the caller is not told what the store says.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        tracing::error!(%error, cause, "a management call failed");
        Problem::Internal
    }
}

impl From<UsageError> for Problem {
    fn from(error: UsageError) -> Self {
        match error {
            UsageError::Store(error) => error.into(),
            UsageError::TooManyGroups => Problem::Invalid(format!(
                "more than {GROUPS_MAX} groups: ask for a shorter time, or for less in `group_by`"
            )),
        }
    }
}

impl From<getrandom::Error> for Problem {
    fn from(error: getrandom::Error) -> Self {
        tracing::error!(%error, "the operating system gives no random bytes");
        Problem::Internal
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::json!({"error": {"message": self.to_string(), "code": self.code()}});
        let json = HeaderValue::from_static("application/json");
        let mut response = (self.status(), [(CONTENT_TYPE, json)], body.to_string()).into_response();
        if self.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
