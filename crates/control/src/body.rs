//! Bodies of requests, within bounds, and answers.

use crate::Problem;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Longest body, in bytes.
const BYTES_MAX: usize = 64 * 1024;
/// How long a body may take to arrive.
const WAIT: Duration = Duration::from_secs(10);

/// Reads a whole body.
pub async fn bytes(body: Body) -> Result<Bytes, Problem> {
    match tokio::time::timeout(WAIT, Limited::new(body, BYTES_MAX).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
            Err(Problem::BodyTooLarge(BYTES_MAX))
        }
        Ok(Err(_)) => Err(Problem::invalid("the request body broke off")),
        Err(_) => Err(Problem::BodyTooSlow(WAIT.as_secs())),
    }
}

/// Reads a body as the JSON object it should be.
pub async fn json<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
    parse(&bytes(body).await?)
}

/// Reads JSON; what is wrong is told with its place.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if bytes.trim_ascii().first() != Some(&b'{') {
        return Err(Problem::invalid("the request body is not a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let at = if path == "." { String::new() } else { format!("{path}: ") };
        Problem::invalid(format!("{at}{}", error.into_inner()))
    })?;
    deserializer.end().map_err(|error| Problem::invalid(error.to_string()))?;
    Ok(value)
}

/// An answer with a body.
pub fn answer(status: StatusCode, view: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(view).map_err(|error| {
        tracing::error!(%error, "an answer cannot be written");
        Problem::Internal
    })?;
    Ok((status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
}
