//! The answer object, most of which repeats the request.
//!
//! `types/responses/response.py` of OpenAI's Python SDK 3.54, read 2026-11-26.

use super::usage;
use crate::ir::{Json, ToolCallKind};
use crate::raw::RawObject;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What an answer repeats, and what it says where the request was silent: the default where there is one for all
/// providers, else nothing.
const REPEATED: [(&str, &str); 17] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("temperature", "null"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "null"),
    ("truncation", "\"disabled\""),
    ("user", "null"),
];

/// What of a request its answer repeats, byte for byte.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Echo {
    fields: [Option<Json>; REPEATED.len()],
    /// Names of tools that take free text. Where they were sent as functions, their calls are turned back.
    custom_tools: Vec<String>,
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    #[serde(default)]
    name: String,
}

impl Echo {
    /// What the answer to this body repeats. Fields that `is_kept` refuses are left out.
    pub fn of(body: &RawObject, is_kept: impl Fn(&[u8]) -> bool) -> Self {
        let kept = |name: &str| {
            let raw = body.get(name).filter(|raw| *raw != b"null" && is_kept(raw))?;
            Json::parse(std::str::from_utf8(raw).ok()?)
        };
        let tools: Vec<Tool<'_>> =
            body.get("tools").and_then(|raw| serde_json::from_slice(raw).ok()).unwrap_or_default();
        let custom_tools =
            tools.into_iter().filter(|tool| tool.kind == "custom").map(|tool| tool.name).collect();
        Self { fields: REPEATED.map(|(name, _)| kept(name)), custom_tools }
    }

    /// What kind of call the caller expects of a tool; and whether that differs from what came.
    pub(super) fn is_turned_back(&self, name: &str, kind: ToolCallKind) -> bool {
        kind == ToolCallKind::Function && self.custom_tools.iter().any(|tool| tool == name)
    }
}

/// Why an answer failed.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Failure<'a> {
    pub code: &'a str,
    pub message: &'a str,
}

#[derive(Serialize)]
struct Incomplete {
    reason: &'static str,
}

/// An answer as it is written.
pub(super) struct Object<'a> {
    pub id: &'a str,
    pub created_at: i64,
    pub model: &'a str,
    pub status: &'static str,
    pub failure: Option<Failure<'a>>,
    /// Why it is incomplete.
    pub reason: Option<&'static str>,
    /// The items, a JSON list.
    pub output: &'a RawValue,
    pub service_tier: Option<&'a str>,
    pub usage: Option<usage::Out>,
    pub echo: Option<&'a Echo>,
}

impl<'a> Object<'a> {
    /// An answer without content.
    pub(super) fn new(id: &'a str, model: &'a str, status: &'static str, echo: Option<&'a Echo>) -> Self {
        Self {
            id,
            created_at: 0,
            model,
            status,
            failure: None,
            reason: None,
            output: raw("[]"),
            service_tier: None,
            usage: None,
            echo,
        }
    }
}

/// A JSON text as it is; what is none cannot be handed over, and is nothing.
pub(super) fn raw(text: &str) -> &RawValue {
    serde_json::from_str(text).unwrap_or(RawValue::NULL)
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", self.id)?;
        map.serialize_entry("object", "response")?;
        map.serialize_entry("created_at", &self.created_at)?;
        map.serialize_entry("status", self.status)?;
        map.serialize_entry("background", &false)?;
        map.serialize_entry("error", &self.failure)?;
        map.serialize_entry("incomplete_details", &self.reason.map(|reason| Incomplete { reason }))?;
        map.serialize_entry("model", self.model)?;
        map.serialize_entry("output", self.output)?;
        map.serialize_entry("service_tier", &self.service_tier)?;
        // Only a provider stores answers, and this one was made of another's.
        map.serialize_entry("store", &false)?;
        for (at, (name, default)) in REPEATED.iter().enumerate() {
            match self.echo.and_then(|echo| echo.fields[at].as_ref()) {
                Some(json) => map.serialize_entry(name, json)?,
                None => map.serialize_entry(name, raw(default))?,
            }
        }
        map.serialize_entry("usage", &self.usage)?;
        map.end()
    }
}

/// The id of an answer as this protocol forms it, with the provider's own in it.
pub(super) fn response_id(id: &str, created: i64) -> Cow<'_, str> {
    match id {
        "" => Cow::Owned(format!("resp_{created}")),
        id if id.starts_with("resp_") => Cow::Borrowed(id),
        id => Cow::Owned(format!("resp_{id}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn an_answer_repeats_the_bytes_of_its_request() {
        let body = r#"{"temperature":1.50,"tools":[{"type":"custom","name":"sql"}],"user":null,"metadata":{"a": "b"}}"#;
        let body = RawObject::parse(Bytes::from_static(body.as_bytes())).unwrap();
        let echo = Echo::of(&body, |raw| raw.first() != Some(&b'{'));
        let text = serde_json::to_string(&Object::new("resp_1", "m", "completed", Some(&echo))).unwrap();
        assert!(text.contains(r#""temperature":1.50,"#), "{text}");
        assert!(text.contains(r#""user":null"#) && text.contains(r#""metadata":{}"#), "{text}");
        assert!(echo.is_turned_back("sql", ToolCallKind::Function));
        assert!(!echo.is_turned_back("sql", ToolCallKind::Custom));
    }
}
