//! Writing what functions gave back.
//!
//! A result is an object; what the function said stands in its `output` or `error`. From Gemini 3 on it may hold
//! pictures and documents. <https://ai.google.dev/gemini-api/docs/function-calling>, read 2026-11-26.

use super::super::TranslateError;
use super::encode_content::{ContentWriter, wrapped};
use super::wire::{self, AnyPart, FunctionResponse};
use crate::ir::{Content, Part, Source, ToolResult};
use serde_json::value::RawValue;
use std::borrow::Cow;

impl<'a> ContentWriter<'a, '_> {
    /// Writes a result. What cannot stand in it goes into `moved`.
    pub(super) fn result(
        &mut self,
        result: &'a ToolResult,
        name: &'a str,
        results: &mut Vec<AnyPart<'a>>,
        moved: &mut Vec<AnyPart<'a>>,
    ) -> Result<(), TranslateError> {
        let mut parts = Vec::new();
        let mut outside = Vec::new();
        for part in &result.parts {
            match &part.content {
                Content::Text { .. } | Content::Refusal(_) => {}
                content @ (Content::Image { source, .. } | Content::Document { source, .. }) => {
                    let is_inside = self.is_third_generation && matches!(source, Source::Base64 { .. });
                    let written = self.media(content)?;
                    if is_inside { parts.push(written) } else { outside.push(written) }
                }
                content @ Content::Audio { .. } => outside.push(self.media(content)?),
                Content::Reasoning { .. }
                | Content::RedactedReasoning(_)
                | Content::ToolCall(_)
                | Content::ToolResult(_)
                | Content::Opaque { .. } => {
                    self.warnings.add("tool_result", "a part of a result was dropped");
                }
            }
        }
        if !outside.is_empty() {
            self.warnings.add("tool_result", "images and files of tool results moved beside them");
            let text = format!("Attached to the result of tool call {}:", result.call_id);
            moved.push(AnyPart::Known(Box::new(wire::Part::text(text))));
            moved.extend(outside.into_iter().map(|part| AnyPart::Known(Box::new(part))));
        }
        let response = response(result);
        let id = if self.has_ids { result.call_id.as_str() } else { "" };
        let function_response = Some(FunctionResponse { id, name, response, parts });
        results.push(AnyPart::Known(Box::new(wire::Part { function_response, ..wire::Part::default() })));
        Ok(())
    }
}

/// The object that a result is: itself, where it is one.
fn response(result: &ToolResult) -> Cow<'_, RawValue> {
    let texts: Vec<&str> = result.parts.iter().filter_map(text).collect();
    if let ([text], false) = (texts.as_slice(), result.is_error)
        && let Ok(raw) = serde_json::from_str::<&RawValue>(text)
        && raw.get().starts_with('{')
    {
        return Cow::Borrowed(raw);
    }
    wrapped(if result.is_error { "error" } else { "output" }, &texts.join("\n"))
}

fn text(part: &Part) -> Option<&str> {
    match &part.content {
        Content::Text { text, .. } | Content::Refusal(text) => Some(text),
        Content::Image { .. }
        | Content::Document { .. }
        | Content::Audio { .. }
        | Content::Reasoning { .. }
        | Content::RedactedReasoning(_)
        | Content::ToolCall(_)
        | Content::ToolResult(_)
        | Content::Opaque { .. } => None,
    }
}
