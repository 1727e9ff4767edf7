//! Errors: of a translation, and between us, providers and callers.

use serde_json::Value;

/// The longest message that is kept of a provider's error.
const MESSAGE_CHARS_MAX: usize = 2000;
/// Error bodies longer than this are not read as JSON.
const BODY_BYTES_MAX: usize = 256 << 10;

/// Why a body cannot be translated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    /// The request is malformed.
    #[error("{message}")]
    InvalidRequest {
        /// What is wrong.
        message: String,
        /// The path of the field, such as `messages[2].content`.
        param: Option<String>,
    },
    /// The request needs something that the target's protocol cannot say.
    #[error("{feature} cannot be sent to this provider: {detail}")]
    Unsupported {
        /// What it needs.
        feature: &'static str,
        /// Why not.
        detail: String,
    },
    /// The provider's answer is malformed.
    #[error("the provider's answer cannot be read: {message}")]
    InvalidResponse {
        /// What is wrong.
        message: String,
    },
}

impl TranslateError {
    /// The path of the field that is at fault, where there is one.
    pub fn param(&self) -> Option<&str> {
        match self {
            TranslateError::InvalidRequest { param, .. } => param.as_deref(),
            TranslateError::Unsupported { .. } | TranslateError::InvalidResponse { .. } => None,
        }
    }

    /// The same fault, told of an answer instead of a request.
    pub(super) fn in_response(self) -> Self {
        match self {
            TranslateError::InvalidRequest { message, .. } => TranslateError::InvalidResponse { message },
            other @ (TranslateError::Unsupported { .. } | TranslateError::InvalidResponse { .. }) => other,
        }
    }
}

/// Who raised an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The gateway.
    Router,
    /// The provider.
    Provider,
}

impl Origin {
    /// The word in error bodies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Origin::Router => "router",
            Origin::Provider => "provider",
        }
    }
}

/// An error for the caller, in whichever protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorReply<'a> {
    /// The HTTP status; inside a stream, the one it would have had.
    pub status: u16,
    /// Who raised it.
    pub origin: Origin,
    /// A stable code.
    pub code: &'a str,
    /// What happened, for people.
    pub message: &'a str,
    /// The field at fault.
    pub param: Option<&'a str>,
    /// The request's id.
    pub request_id: &'a str,
}

/// Where in a stream an error is told (OpenAI's Responses, whose events are numbered and repeat the answer's id).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct StreamPlace<'a> {
    /// The answer's id, as its provider gave it; empty where none was told.
    pub response_id: &'a str,
    /// The number of the next event.
    pub sequence: u64,
}

/// What a provider's error says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProviderError {
    /// What happened, for people; never empty, at most 2000 characters.
    pub message: String,
    /// The provider's `type`; empty when it gives none.
    pub kind: String,
    /// The provider's `code`; empty when it gives none.
    pub code: String,
    /// The field at fault.
    pub param: Option<String>,
}

/// Reads an error body of any known shape.
pub(super) fn decode(status: u16, body: &[u8]) -> ProviderError {
    let json = if body.len() <= BODY_BYTES_MAX { serde_json::from_slice(body).ok() } else { None };
    let mut error = match json {
        Some(value) => of_json(&value),
        None => ProviderError { message: of_text(body), ..ProviderError::default() },
    };
    if error.message.is_empty() {
        error.message = format!("the provider answered with status {status} and no message");
    }
    error
}

/// OpenAI `{"error":{…}}`, Anthropic `{"type":"error","error":{…}}`, Google `[{"error":{…}}]`, FastAPI
/// `{"detail":…}`, also with an object in it (ElevenLabs), and flat `{"message":…}` or `{"err_msg":…}` (Deepgram).
fn of_json(value: &Value) -> ProviderError {
    let value = value.get(0).unwrap_or(value);
    let inner = value.get("error").filter(|error| !error.is_null());
    let inner = inner.or_else(|| value.get("errors").and_then(|errors| errors.get(0)));
    let inner = inner.or_else(|| value.get("detail").filter(|detail| detail.is_object())).unwrap_or(value);
    let text = |keys: &[&str]| {
        let found = keys.iter().find_map(|key| inner.get(*key).or_else(|| value.get(*key)).and_then(scalar));
        found.unwrap_or_default()
    };
    let message = match inner {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            let message = text(&["message", "Message", "msg", "error_message", "err_msg", "detail", "title"]);
            if message.is_empty() { of_details(inner).unwrap_or_default() } else { message }
        }
    };
    let kind = ["type", "status"].iter().find_map(|key| inner.get(*key).and_then(scalar)).unwrap_or_default();
    let param = inner.get("param").and_then(scalar).filter(|param| !param.is_empty());
    ProviderError { message: bounded(&message), kind, code: text(&["code", "err_code"]), param }
}

/// FastAPI's validation errors: `{"detail":[{"loc":["body","messages"],"msg":"…"}]}`.
fn of_details(value: &Value) -> Option<String> {
    let first = value.get("detail")?.get(0)?;
    let message = first.get("msg").and_then(Value::as_str)?;
    let path: Vec<String> = first.get("loc")?.as_array()?.iter().filter_map(scalar).collect();
    Some(format!("{}: {message}", path.join(".")))
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(bounded(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Plain text, or what a page of HTML has for a title.
fn of_text(body: &[u8]) -> String {
    let start = &body[..body.len().min(4 * BODY_BYTES_MAX)];
    let text = String::from_utf8_lossy(start);
    let text = text.trim();
    if !text.starts_with('<') {
        return bounded(text);
    }
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title").and_then(|open| {
        let from = open + lower[open..].find('>')? + 1;
        let to = from + lower[from..].find("</title")?;
        text.get(from..to)
    });
    bounded(title.unwrap_or("").trim())
}

pub(crate) fn bounded(text: &str) -> String {
    text.chars().take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> (String, String, String, Option<String>) {
        let error = decode(503, body.as_bytes());
        (error.message, error.kind, error.code, error.param)
    }

    fn parts(
        message: &str,
        kind: &str,
        code: &str,
        param: Option<&str>,
    ) -> (String, String, String, Option<String>) {
        (message.to_owned(), kind.to_owned(), code.to_owned(), param.map(str::to_owned))
    }

    #[test]
    fn errors_of_all_known_shapes_are_read() {
        let table = [
            (
                r#"{"error":{"message":"m","type":"t","param":"p","code":"c"}}"#,
                parts("m", "t", "c", Some("p")),
            ),
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                parts("Overloaded", "overloaded_error", "", None),
            ),
            (
                r#"[{"error":{"code":429,"message":"q","status":"RESOURCE_EXHAUSTED"}}]"#,
                parts("q", "RESOURCE_EXHAUSTED", "429", None),
            ),
            (r#"{"error":"no"}"#, parts("no", "", "", None)),
            (r#"{"message":"flat","code":7}"#, parts("flat", "", "7", None)),
            (
                r#"{"detail":{"type":"validation_error","code":"invalid_parameters","message":"m","param":"keyterms"}}"#,
                parts("m", "validation_error", "invalid_parameters", Some("keyterms")),
            ),
            (
                r#"{"err_code":"Bad Request","err_msg":"corrupt data","request_id":"x"}"#,
                parts("corrupt data", "", "Bad Request", None),
            ),
            (r#"{"detail":"gone"}"#, parts("gone", "", "", None)),
            (
                r#"{"detail":[{"loc":["body","model"],"msg":"field required"}]}"#,
                parts("body.model: field required", "", "", None),
            ),
            ("upstream connect error", parts("upstream connect error", "", "", None)),
            (
                "<html><head><title>502 Bad Gateway</title></head></html>",
                parts("502 Bad Gateway", "", "", None),
            ),
            ("", parts("the provider answered with status 503 and no message", "", "", None)),
            ("{}", parts("the provider answered with status 503 and no message", "", "", None)),
        ];
        for (body, expected) in table {
            assert_eq!(read(body), expected, "{body}");
        }
    }

    #[test]
    fn a_long_message_is_cut() {
        assert_eq!(decode(500, "é".repeat(5000).as_bytes()).message.chars().count(), MESSAGE_CHARS_MAX);
    }
}
