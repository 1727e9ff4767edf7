//! The head of an answer, as far as it is kept for those who ask again.

use super::SHOULD_RETRY;
use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, response};
use store::StoredAnswer;

/// On every answer that was made for an earlier request. The name is Stripe's, which others have taken over
/// (<https://docs.whop.com/developer/api/idempotency>, read 2026-11-26).
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Headers that say something of the answer. Those of the moment (rate limits, latency, when to retry) are not
/// kept: they would be wrong.
const KEPT: [HeaderName; 10] = [
    CONTENT_TYPE,
    CACHE_CONTROL,
    HeaderName::from_static("x-accel-buffering"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("request-id"),
    HeaderName::from_static("x-requesty-request-id"),
    HeaderName::from_static("x-requesty-provider"),
    HeaderName::from_static("x-requesty-cache"),
    HeaderName::from_static("x-signalbox-warnings"),
    HeaderName::from_static("x-signalbox-clamped"),
];

/// Status and headers of an answer that is kept.
#[derive(Clone, Debug)]
pub struct KeptHead {
    status: StatusCode,
    headers: HeaderMap,
}

impl KeptHead {
    /// What is kept of a head.
    pub fn of(head: &response::Parts) -> Self {
        let kept =
            KEPT.into_iter().filter_map(|name| head.headers.get(&name).cloned().map(|value| (name, value)));
        Self { status: head.status, headers: kept.collect() }
    }

    /// The head of a stored answer. What is not a header any more is left out.
    pub fn stored(answer: &StoredAnswer) -> Self {
        let header = |(name, value): &(String, String)| {
            let name = HeaderName::try_from(name.as_str()).ok()?;
            Some((name, HeaderValue::try_from(value.as_str()).ok()?))
        };
        Self {
            status: StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: answer.headers.iter().filter_map(header).collect(),
        }
    }

    /// The answer as it is stored.
    pub fn to_stored(&self, body: Bytes) -> StoredAnswer {
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        let header = |(name, value)| Some((HeaderName::as_str(name).to_owned(), text(value)?));
        StoredAnswer {
            status: self.status.as_u16(),
            headers: self.headers.iter().filter_map(header).collect(),
            body,
        }
    }

    /// The answer for somebody who asked again.
    pub fn replay(&self, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        response.headers_mut().clone_from(&self.headers);
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        if !self.status.is_success() {
            // It will stay this answer, however often it is asked for.
            response.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_from_the_store_without_what_was_of_the_moment() {
        let response = Response::builder()
            .header("content-type", "application/json")
            .header("x-request-id", "req_1")
            .header("x-ratelimit-remaining-requests", "3")
            .body(())
            .unwrap();
        let stored = KeptHead::of(&response.into_parts().0).to_stored(Bytes::from_static(b"{}"));
        let replayed = KeptHead::stored(&stored).replay(Body::empty());
        let header = |name| replayed.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(replayed.status(), 200);
        assert_eq!((header("x-request-id"), header("idempotent-replayed")), (Some("req_1"), Some("true")));
        assert_eq!((header("x-ratelimit-remaining-requests"), header("x-should-retry")), (None, None));
    }
}
