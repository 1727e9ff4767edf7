//! How failures look in the callers' protocols.

use super::Reply;

/// That an answer is this failure, in OpenAI's shape.
pub fn assert_openai_error(reply: &Reply, status: u16, code: &str) {
    assert_eq!(reply.status, status, "{}", reply.text());
    let body = reply.json();
    assert_eq!(body["error"]["code"], code, "{body}");
    for field in ["origin", "message", "type"] {
        assert!(body["error"][field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {body}");
    }
    assert!(reply.header("x-request-id").starts_with("req_"));
}

/// That an answer is this failure, in Anthropic's shape.
pub fn assert_anthropic_error(reply: &Reply, status: u16, kind: &str) {
    assert_eq!(reply.status, status, "{}", reply.text());
    let body = reply.json();
    assert_eq!(
        (body["type"].as_str(), body["error"]["type"].as_str()),
        (Some("error"), Some(kind)),
        "{body}"
    );
    for field in ["origin", "message"] {
        assert!(body["error"][field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {body}");
    }
    assert_eq!(body["request_id"], reply.header("request-id"));
}

/// Anthropic's class of error for a status.
pub fn anthropic_type(status: u16) -> &'static str {
    match status {
        400 | 405 | 422 | 424 => "invalid_request_error",
        401 => "authentication_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    }
}
