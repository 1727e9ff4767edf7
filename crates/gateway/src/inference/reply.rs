//! Answers to the caller: headers, whole bodies, and failures in the caller's own protocol.

use crate::rates::Standing;
use crate::refusal::Refusal;
use axum::body::Body;
use bytes::Bytes;
use domain::RequestId;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use llm::Protocol;
use llm::observe::Observed;
use llm::protocol::{ErrorReply, StreamPlace};
use llm::provider::StreamFraming;
use std::time::Duration;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");
const AMAZON_EVENTS: HeaderValue = HeaderValue::from_static("application/vnd.amazon.eventstream");
const NO_STORE: HeaderValue = HeaderValue::from_static("private, no-store");

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// AWS's SDKs read it, and of a failure what kind it is.
const AMAZON_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const AMAZON_ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const REQUESTY_REQUEST_ID: HeaderName = HeaderName::from_static("x-requesty-request-id");
const REQUESTY_PROVIDER: HeaderName = HeaderName::from_static("x-requesty-provider");
const REQUESTY_CACHE: HeaderName = HeaderName::from_static("x-requesty-cache");
const REQUESTY_LATENCY: HeaderName = HeaderName::from_static("x-requesty-latency-ms");
const WARNINGS: HeaderName = HeaderName::from_static("x-signalbox-warnings");
const CLAMPED: HeaderName = HeaderName::from_static("x-signalbox-clamped");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// Bytes of the warnings header: a longer one would be refused by common proxies.
const WARNINGS_MAX: usize = 2_048;

/// What a response's head tells about the call.
#[derive(Debug)]
pub struct Head<'a> {
    /// The request's id.
    pub id: RequestId,
    /// Who answered.
    pub provider: Option<&'a HeaderValue>,
    /// What the translation could not carry.
    pub warnings: &'a [String],
    /// The answer was cut to so many tokens, because no more are affordable.
    pub clamped: Option<u64>,
    /// How far the caller's rate limits are used up, where it has any.
    pub standing: Option<Standing>,
    /// The provider's headers, for those that are passed on.
    pub provider_headers: Option<&'a HeaderMap>,
}

impl Head<'_> {
    /// Headers at the most, so that their table need not grow; those of the provider are few.
    fn count(&self) -> usize {
        12 + self.standing.map_or(0, |_| Standing::HEADERS)
    }

    fn write(&self, headers: &mut HeaderMap) {
        write_id(headers, self.id);
        if let Some(provider) = self.provider {
            headers.insert(REQUESTY_PROVIDER, provider.clone());
        }
        headers.extend(self.clamped.map(|tokens| (CLAMPED, HeaderValue::from(tokens))));
        if !self.warnings.is_empty() {
            let mut text = self.warnings.join("; ");
            text.retain(|letter| letter.is_ascii() && !letter.is_ascii_control());
            text.truncate(WARNINGS_MAX);
            headers.extend(HeaderValue::from_str(&text).ok().map(|value| (WARNINGS, value)));
        }
        if let Some(provider_headers) = self.provider_headers {
            pass_headers(provider_headers, headers);
        }
        if let Some(standing) = &self.standing {
            standing.write(headers);
        }
    }
}

fn write_id(headers: &mut HeaderMap, id: RequestId) {
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        // OpenAI's SDKs read the first, Anthropic's the second, the reference product's clients the third.
        headers.insert(X_REQUEST_ID, id.clone());
        headers.insert(REQUEST_ID, id.clone());
        headers.insert(REQUESTY_REQUEST_ID, id);
    }
}

/// Passes on what helps a caller pace itself.
fn pass_headers(from: &HeaderMap, to: &mut HeaderMap) {
    for (name, value) in from {
        let text = name.as_str();
        let helps = *name == RETRY_AFTER
            || text == "retry-after-ms"
            || text.starts_with("x-ratelimit-")
            || text.starts_with("anthropic-ratelimit-");
        if helps {
            to.insert(name, value.clone());
        }
    }
}

/// A whole answer.
pub fn whole(head: &Head<'_>, body: Bytes, has_cache_read: bool, took: Duration) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.reserve(head.count());
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(REQUESTY_CACHE, HeaderValue::from_static(if has_cache_read { "hit" } else { "miss" }));
    headers.insert(REQUESTY_LATENCY, HeaderValue::from(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)));
    head.write(headers);
    response
}

/// The head of a streamed answer.
pub fn stream(head: &Head<'_>, framing: StreamFraming, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.reserve(head.count());
    let kind = match framing {
        StreamFraming::ServerSentEvents => EVENT_STREAM,
        StreamFraming::AmazonEvents => AMAZON_EVENTS,
    };
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    head.write(headers);
    response
}

/// The head of an answer that is passed on as it is.
pub fn raw(head: &Head<'_>, kind: Option<HeaderValue>, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.reserve(head.count());
    headers.insert(CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    headers.insert(CACHE_CONTROL, NO_STORE);
    head.write(headers);
    response
}

/// An answer of another kind, with what every head tells.
pub fn with_head(head: &Head<'_>, mut response: Response<Body>) -> Response<Body> {
    head.write(response.headers_mut());
    response
}

/// Names the request as callers of a protocol look for it, where that is not how all do.
pub fn name_request(protocol: Protocol, headers: &mut HeaderMap) {
    if protocol == Protocol::BedrockConverse
        && let Some(id) = headers.get(X_REQUEST_ID).cloned()
    {
        headers.insert(AMAZON_REQUEST_ID, id);
    }
}

/// A failure before anything was sent, without a provider.
pub fn refusal(protocol: Protocol, id: RequestId, refusal: &Refusal) -> Response<Body> {
    failure(
        protocol,
        &Head { id, provider: None, warnings: &[], clamped: None, standing: None, provider_headers: None },
        refusal,
    )
}

/// A failure before anything was sent.
pub fn failure(protocol: Protocol, head: &Head<'_>, refusal: &Refusal) -> Response<Body> {
    let id = head.id.to_string();
    let message = refusal.to_string();
    let error = error(protocol, refusal, &message, &id);
    let mut response = Response::new(Body::from(protocol.encode_error(&error)));
    *response.status_mut() =
        StatusCode::from_u16(refusal.status_in(protocol)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    if let Some(seconds) = refusal.retry_after_seconds() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(kind) = protocol.error_type(&error) {
        headers.insert(AMAZON_ERROR_TYPE, HeaderValue::from_static(kind));
    }
    if refusal.status() == 401 {
        headers.insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    head.write(headers);
    name_request(protocol, headers);
    response
}

/// A failure within a stream, as the protocol's own event.
pub fn stream_failure(protocol: Protocol, id: RequestId, refusal: &Refusal, observed: &Observed) -> Bytes {
    let place = StreamPlace { response_id: &observed.response_id, sequence: observed.next_sequence };
    let (message, id) = (refusal.to_string(), id.to_string());
    protocol.encode_stream_error(&error(protocol, refusal, &message, &id), &place).into()
}

fn error<'a>(
    protocol: Protocol,
    refusal: &'a Refusal,
    message: &'a str,
    request_id: &'a str,
) -> ErrorReply<'a> {
    ErrorReply {
        status: refusal.status_in(protocol),
        origin: refusal.origin(),
        code: refusal.code(),
        message,
        param: refusal.param(),
        request_id,
    }
}
