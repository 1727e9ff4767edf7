//! Reading and writing a whole chat completion.
//!
//! <https://platform.openai.com/docs/api-reference/chat/object>, read 2026-11-22.

use super::super::fields::{Fields, invalid};
use super::super::unsaid::warn_ignored;
use super::super::write::to_json_with;
use super::super::{Encoded, TranslateError};
use super::decode_messages::{LegacyCalls, assistant};
use super::encode_messages::{annotations, image_url, reasoning, tool_call};
use super::{usage, wire};
use crate::ir::{ChatResponse, Choice, Citation, Content, FinishReason, Json, Part, Warnings};
use crate::protocol::Protocol;
use domain::Money;
use serde::Serialize;
use serde_json::value::RawValue;

/// Reads an answer.
pub(in crate::protocol) fn decode_response(body: &[u8]) -> Result<ChatResponse, TranslateError> {
    decode(body).map_err(TranslateError::in_response)
}

fn decode(body: &[u8]) -> Result<ChatResponse, TranslateError> {
    let mut fields = Fields::of_body(body)?;
    let mut ignored = Vec::new();
    // Told by every server and of no use to anyone else.
    for known in ["object", "system_fingerprint"] {
        fields.raw(known);
    }
    let mut choices = Vec::new();
    for mut choice in fields.objects("choices")? {
        choices.push(decode_choice(&mut choice, &mut ignored)?);
        choice.finish(&mut ignored);
    }
    if choices.is_empty() {
        return Err(invalid("choices", "there is none"));
    }
    let response = ChatResponse {
        protocol: Protocol::OpenAiChat,
        id: fields.string("id")?.unwrap_or_default(),
        model: fields.string("model")?.unwrap_or_default(),
        created: fields.get::<f64>("created")?.map(|seconds| seconds as i64),
        choices,
        usage: fields.raw("usage").and_then(|raw| usage::decode(raw.get())),
        service_tier: fields.string("service_tier")?,
        echo: None,
        took_ms: None,
        ignored: Vec::new(),
    };
    fields.finish(&mut ignored);
    Ok(ChatResponse { ignored, ..response })
}

fn decode_choice(choice: &mut Fields<'_>, ignored: &mut Vec<String>) -> Result<Choice, TranslateError> {
    choice.raw("index");
    let raw = choice.string("finish_reason")?.unwrap_or_default();
    let mut message = choice.object("message")?.ok_or_else(|| choice.missing("message"))?;
    message.raw("role");
    let annotations = message.objects("annotations")?;
    let mut parts = assistant(&mut message, &mut LegacyCalls::default(), ignored)?;
    cite(&mut parts, annotations, ignored)?;
    message.finish(ignored);
    let is_refused = parts.iter().any(|part| matches!(part.content, Content::Refusal(_)));
    let finish = FinishReason::from_openai(&raw);
    let finish = if is_refused { finish.of_refusal() } else { finish };
    let logprobs = choice.json("logprobs");
    Ok(Choice { parts, finish, finish_raw: raw, stop_sequence: None, logprobs })
}

/// Attaches `annotations` to the text.
fn cite(
    parts: &mut [Part],
    annotations: Vec<Fields<'_>>,
    ignored: &mut Vec<String>,
) -> Result<(), TranslateError> {
    let is_text = |part: &&mut Part| matches!(part.content, Content::Text { .. });
    let Some(first) = parts.iter_mut().find(is_text) else { return Ok(()) };
    let Content::Text { text, citations } = &mut first.content else { return Ok(()) };
    for mut annotation in annotations {
        if annotation.string("type")?.as_deref() != Some("url_citation") {
            ignored.push("choices[].message.annotations[]".to_owned());
            continue;
        }
        if let Some(mut citation) = annotation.object("url_citation")? {
            citations.push(url_citation(&mut citation, text)?);
            citation.finish(ignored);
        }
    }
    Ok(())
}

/// Reads a citation; `text` is what its indices point into.
pub(in crate::protocol) fn url_citation(
    citation: &mut Fields<'_>,
    text: &str,
) -> Result<Citation, TranslateError> {
    let (start, end) = (citation.count("start_index")?, citation.count("end_index")?);
    let span = start.zip(end).filter(|(start, end)| start < end);
    let cited_text = span.map_or(String::new(), |(start, end)| {
        let skip = usize::try_from(start).unwrap_or(usize::MAX);
        let take = usize::try_from(end - start).unwrap_or(usize::MAX);
        text.chars().skip(skip).take(take).collect()
    });
    Ok(Citation {
        url: citation.string("url")?.unwrap_or_default(),
        title: citation.string("title")?.unwrap_or_default(),
        cited_text,
        span,
        raw: None,
    })
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<ChoiceOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<usage::Out>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
}

#[derive(Serialize)]
struct ChoiceOut<'a> {
    index: usize,
    message: wire::Message<'a>,
    logprobs: Option<&'a RawValue>,
    finish_reason: &'static str,
}

/// Writes an answer.
pub(in crate::protocol) fn encode_response(response: &ChatResponse, cost: Option<Money>) -> Encoded {
    let mut warnings = Warnings::new(response.protocol, Protocol::OpenAiChat);
    let mut choices = Vec::with_capacity(response.choices.len());
    for (index, choice) in response.choices.iter().enumerate() {
        choices.push(ChoiceOut {
            index,
            message: message(&choice.parts, &mut warnings),
            logprobs: choice.logprobs.as_ref().map(Json::raw),
            finish_reason: choice.finish.as_openai(),
        });
        finish_warnings(choice.finish, choice.stop_sequence.as_deref(), &mut warnings);
    }
    warn_ignored(&response.ignored, &mut warnings);
    let body = Body {
        id: &response.id,
        object: "chat.completion",
        created: response.created.unwrap_or(0),
        model: &response.model,
        choices,
        usage: response.usage.as_ref().map(|usage| usage::encode(usage, cost)),
        service_tier: response.service_tier.as_deref(),
    };
    let parts = response.choices.iter().flat_map(|choice| &choice.parts);
    let content_bytes = parts.map(Part::bytes).sum();
    Encoded { body: to_json_with(content_bytes, &body), warnings: warnings.take(), is_form_emulated: false }
}

/// Tells of a picture that has no place in the answer.
pub(in crate::protocol) fn image_lost(warnings: &mut Warnings) {
    warnings.add("content", "an image was dropped");
}

/// What OpenAI's words for an end do not tell.
pub(in crate::protocol) fn finish_warnings(
    reason: FinishReason,
    sequence: Option<&str>,
    warnings: &mut Warnings,
) {
    if let Some(sequence) = sequence {
        warnings.add("stop_sequence", format!("the answer was ended by {sequence:?}"));
    }
    match reason {
        FinishReason::Pause => warnings.add("stop_reason", "the provider paused; the turn may be continued"),
        FinishReason::ContextWindow => warnings.add("stop_reason", "the context window is full"),
        FinishReason::Stop
        | FinishReason::StopSequence
        | FinishReason::Length
        | FinishReason::ToolCalls
        | FinishReason::FunctionCall
        | FinishReason::ContentFilter
        | FinishReason::Refusal
        | FinishReason::Unknown => {}
    }
}

/// The message of an answer: its text is always one string.
fn message<'a>(parts: &'a [Part], warnings: &mut Warnings) -> wire::Message<'a> {
    let mut message = wire::Message { role: "assistant", ..Default::default() };
    let mut said = String::new();
    let mut thoughts = Vec::new();
    let mut characters = 0;
    let mut signature = None;
    for (at, part) in parts.iter().enumerate() {
        match &part.content {
            Content::Text { text, citations } => {
                if !message.tool_calls.is_empty() && !text.is_empty() {
                    warnings.add("content", "text after a tool call was moved before it");
                }
                let start = characters;
                characters += text.chars().count() as u64;
                message.annotations.extend(annotations(citations, (start, characters), warnings));
                said.push_str(text);
            }
            Content::Refusal(text) => message.refusal = Some(text.into()),
            Content::Reasoning { text, signature: Some(of_call) }
                if text.is_empty()
                    && of_call.protocol == Protocol::Gemini
                    && matches!(parts.get(at + 1), Some(Part { content: Content::ToolCall(_), .. })) =>
            {
                signature = Some(of_call.value.as_str());
            }
            Content::Reasoning { .. } | Content::RedactedReasoning(_) => thoughts.push(&part.content),
            Content::ToolCall(call) => message.tool_calls.push(tool_call(call, true, signature.take())),
            Content::Image { source, detail } => match image_url(source, detail.as_deref()) {
                Ok(image_url) => {
                    message.images.push(wire::Part::ImageUrl { image_url, cache_control: None });
                }
                Err(_) => image_lost(warnings),
            },
            Content::Opaque { kind, .. } => {
                warnings.add("content", format!("a block of type {kind} was dropped"));
            }
            Content::Document { .. } | Content::Audio { .. } | Content::ToolResult(_) => {
                warnings.add("content", "a block was dropped where it may not stand");
            }
        }
    }
    let is_silent = said.is_empty() && (!message.tool_calls.is_empty() || message.refusal.is_some());
    message.content = (!is_silent).then_some(wire::Text::Plain(said.into()));
    reasoning(&mut message, &thoughts);
    message
}
