//! Reading and writing a whole answer.
//!
//! <https://ai.google.dev/api/generate-content#GenerateContentResponse>, read 2026-11-26.

use super::super::fields::{Fields, Kind, invalid, kind, read};
use super::super::unsaid::warn_ignored;
use super::super::write::to_json;
use super::super::{Encoded, TranslateError};
use super::decode_content::{Calls, ContentReader};
use super::encode_content::ContentWriter;
use super::grounding;
use super::{usage, wire};
use crate::ir::{ChatResponse, Choice, Content, FinishReason, Part, Warnings};
use crate::protocol::Protocol;
use domain::{Money, Usage};
use serde_json::value::RawValue;

/// What is told beside an answer and has no meaning elsewhere.
const SILENT: [&str; 6] =
    ["safetyRatings", "avgLogprobs", "tokenCount", "citationMetadata", "urlContextMetadata", "index"];

/// Reads an answer.
pub(in crate::protocol) fn decode_response(body: &[u8]) -> Result<ChatResponse, TranslateError> {
    decode(body).map_err(TranslateError::in_response)
}

fn decode(body: &[u8]) -> Result<ChatResponse, TranslateError> {
    let mut fields = Fields::of_body(body)?.camel_case();
    let mut ignored = Vec::new();
    for known in ["createTime", "sdkHttpResponse"] {
        fields.raw(known);
    }
    let id = fields.string("responseId")?.unwrap_or_default();
    let model = fields.string("modelVersion")?.unwrap_or_default();
    let mut usage = fields.raw("usageMetadata").and_then(|raw| usage::decode(raw.get()));
    let mut choices = Vec::new();
    let mut calls = Calls::of_answer(&id);
    for candidate in fields.objects("candidates")? {
        let mut reader = ContentReader { ignored: &mut ignored, calls };
        let (choice, searches) = decode_candidate(candidate.camel_case(), &mut reader, &model)?;
        calls = reader.calls;
        choices.push(choice);
        if let Some(usage) = &mut usage {
            usage.web_searches = usage.web_searches.saturating_add(searches);
        }
    }
    let feedback = fields.object("promptFeedback")?;
    if choices.is_empty() {
        choices.push(blocked(feedback)?);
    }
    let response = ChatResponse {
        protocol: Protocol::Gemini,
        id,
        model,
        created: None,
        choices,
        usage,
        service_tier: None,
        echo: None,
        took_ms: None,
        ignored: Vec::new(),
    };
    fields.finish(&mut ignored);
    Ok(ChatResponse { ignored, ..response })
}

/// An answer that never came: the prompt was blocked.
fn blocked(feedback: Option<Fields<'_>>) -> Result<Choice, TranslateError> {
    let reason = match feedback {
        Some(feedback) => feedback.camel_case().string("blockReason")?,
        None => return Err(invalid("candidates", "there is none")),
    };
    Ok(Choice {
        parts: Vec::new(),
        finish: FinishReason::ContentFilter,
        finish_raw: reason.unwrap_or_default(),
        stop_sequence: None,
        logprobs: None,
    })
}

fn decode_candidate(
    mut candidate: Fields<'_>,
    reader: &mut ContentReader<'_>,
    model: &str,
) -> Result<(Choice, u64), TranslateError> {
    for known in SILENT {
        candidate.raw(known);
    }
    let mut parts = Vec::new();
    // Where in `parts` the text of each part of the answer is.
    let mut texts = Vec::new();
    if let Some(content) = candidate.object("content")? {
        let mut content = content.camel_case();
        content.raw("role");
        let path = content.path("parts");
        let items: Vec<&RawValue> = match content.raw("parts") {
            Some(raw) if kind(raw) == Kind::Array => read(&path, raw)?,
            Some(raw) => vec![raw],
            None => Vec::new(),
        };
        for (at, item) in items.into_iter().enumerate() {
            reader.part(format!("{path}[{at}]"), item, &mut parts)?;
            texts.push(parts.len().saturating_sub(1));
        }
        content.finish(reader.ignored);
    }
    let mut searches = 0;
    if let Some(raw) = candidate.raw("groundingMetadata") {
        searches = grounding::searches(raw, model);
        cite(&mut parts, &texts, raw);
    }
    let raw = candidate.string("finishReason")?.unwrap_or_default();
    let has_calls = parts.iter().any(|part| matches!(part.content, Content::ToolCall(_)));
    let finish = FinishReason::from_gemini(&raw);
    let finish = if has_calls { finish.of_calls() } else { finish };
    candidate.finish(reader.ignored);
    Ok((Choice { parts, finish, finish_raw: raw, stop_sequence: None, logprobs: None }, searches))
}

/// Attaches what an answer rests on to its texts.
fn cite(parts: &mut [Part], texts: &[usize], raw: &RawValue) {
    let found = grounding::citations(raw, |part| match &parts.get(*texts.get(part)?)?.content {
        Content::Text { text, .. } => Some(text.as_str()),
        Content::Refusal(_)
        | Content::Image { .. }
        | Content::Document { .. }
        | Content::Audio { .. }
        | Content::Reasoning { .. }
        | Content::RedactedReasoning(_)
        | Content::ToolCall(_)
        | Content::ToolResult(_)
        | Content::Opaque { .. } => None,
    });
    let is_text = |part: &Part| matches!(part.content, Content::Text { .. });
    let first = parts.iter().position(is_text);
    for (part, citation) in found {
        let named = texts.get(part).copied().filter(|at| parts.get(*at).is_some_and(is_text));
        let Some(at) = named.or(first) else { return };
        if let Some(Part { content: Content::Text { citations, .. }, .. }) = parts.get_mut(at) {
            citations.push(citation);
        }
    }
}

/// Writes an answer. `cost` becomes `usageMetadata.cost`.
pub(in crate::protocol) fn encode_response(response: &ChatResponse, cost: Option<Money>) -> Encoded {
    let mut warnings = Warnings::new(response.protocol, Protocol::Gemini);
    let mut candidates = Vec::with_capacity(response.choices.len());
    for (index, choice) in (0..).zip(&response.choices) {
        if choice.logprobs.is_some() {
            warnings.add("logprobs", "dropped: they are shaped otherwise");
        }
        if let Some(sequence) = &choice.stop_sequence {
            warnings.add("stop_sequence", format!("the answer was ended by {sequence:?}"));
        }
        let mut writer = ContentWriter {
            warnings: &mut warnings,
            is_third_generation: false,
            has_ids: true,
            names: Vec::new(),
        };
        let parts = writer.answer(&choice.parts);
        candidates.push(wire::Candidate {
            grounding_metadata: grounding_of(&choice.parts, &parts),
            content: wire::Content { role: Some("model"), parts },
            finish_reason: Some(choice.finish.as_gemini()),
            index,
        });
    }
    warn_ignored(&response.ignored, &mut warnings);
    let body = wire::Response {
        candidates,
        usage_metadata: Some(usage::encode(&response.usage.unwrap_or(Usage::ZERO), cost)),
        model_version: &response.model,
        response_id: &response.id,
    };
    Encoded { body: to_json(&body), warnings: warnings.take(), is_form_emulated: false }
}

/// What the texts of an answer rest on, by the places at which they were written.
fn grounding_of<'a>(parts: &'a [Part], written: &[wire::AnyPart<'a>]) -> Option<grounding::Out<'a>> {
    let mut out = grounding::Out::default();
    let mut from = 0;
    for part in parts {
        let Content::Text { text, citations } = &part.content else { continue };
        let is_it = |part: &wire::AnyPart<'_>| match part {
            wire::AnyPart::Known(part) => part.thought.is_none() && part.text.as_deref() == Some(text),
            wire::AnyPart::Raw(_) => false,
        };
        let Some(at) = written[from..].iter().position(is_it).map(|at| from + at) else { continue };
        from = at + 1;
        for citation in citations.iter().filter(|citation| !citation.url.is_empty()) {
            out.cite_text(citation, at, text);
        }
    }
    (!out.is_empty()).then_some(out)
}
