//! Reading and writing a whole answer.
//!
//! <https://developers.openai.com/api/reference/resources/responses/methods/create>, read 2026-11-26.

use super::super::fields::{Fields, invalid};
use super::super::openai_chat::{finish_warnings, image_lost};
use super::super::unsaid::warn_ignored;
use super::super::write::to_json;
use super::super::{Encoded, TranslateError, free_text};
use super::decode_items::{item, redacted};
use super::echo::{Object, raw, response_id};
use super::items::{self, Item};
use super::usage;
use crate::ir::{ChatResponse, Choice, Content, FinishReason, Json, Part, ToolCall, ToolCallKind, Warnings};
use crate::protocol::{Echo, Protocol};
use domain::{Money, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Fields of an answer that repeat its request, or are of no use to anyone else.
const REPEATED: [&str; 31] = [
    "access_programs",
    "background",
    "billing",
    "completed_at",
    "conversation",
    "error",
    "frequency_penalty",
    "image",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "object",
    "parallel_tool_calls",
    "presence_penalty",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

/// Reads an answer.
pub(in crate::protocol) fn decode_response(body: &[u8]) -> Result<ChatResponse, TranslateError> {
    decode(body).map_err(TranslateError::in_response)
}

fn decode(body: &[u8]) -> Result<ChatResponse, TranslateError> {
    let mut fields = Fields::of_body(body)?;
    let mut ignored = Vec::new();
    let tool_usage = fields.raw("tool_usage");
    for known in REPEATED {
        fields.raw(known);
    }
    let path = fields.path("output");
    let items: Vec<&RawValue> = super::super::fields::read(&path, fields.required("output")?)?;
    let (mut parts, mut logprobs) = (Vec::new(), None);
    for (at, raw) in items.iter().enumerate() {
        let item = item(format!("{path}[{at}]"), raw, &mut ignored)?;
        parts.extend(item.parts);
        logprobs = item.logprobs.or(logprobs);
    }
    let status = fields.string("status")?.unwrap_or_default();
    let reason = match fields.object("incomplete_details")? {
        Some(mut details) => details.string("reason")?,
        None => None,
    };
    let usage = fields
        .raw("usage")
        .and_then(|raw| usage::decode(raw.get()))
        .map(|usage| Usage { web_searches: searches(tool_usage, &items), ..usage });
    let finish_raw = reason.unwrap_or(status);
    let response = ChatResponse {
        protocol: Protocol::OpenAiResponses,
        id: fields.string("id")?.unwrap_or_default(),
        model: fields.string("model")?.unwrap_or_default(),
        created: fields.get::<f64>("created_at")?.map(|seconds| seconds as i64),
        choices: vec![Choice {
            finish: finish(&finish_raw, &parts)?,
            finish_raw,
            parts,
            stop_sequence: None,
            logprobs,
        }],
        usage,
        service_tier: fields.string("service_tier")?,
        echo: None,
        took_ms: None,
        ignored: Vec::new(),
    };
    fields.finish(&mut ignored);
    Ok(ChatResponse { ignored, ..response })
}

/// Searches as the provider counts them, else those among the items: each costs something, opening a page that was
/// found does not (<https://developers.openai.com/api/docs/guides/tools-web-search>, read 2026-11-26).
pub(crate) fn searches(tool_usage: Option<&RawValue>, items: &[&RawValue]) -> u64 {
    #[derive(Deserialize)]
    struct ToolUsage {
        web_search: WebSearch,
    }
    #[derive(Deserialize)]
    struct WebSearch {
        num_requests: u64,
    }
    let told = tool_usage.and_then(|raw| serde_json::from_str::<ToolUsage>(raw.get()).ok());
    told.map_or_else(
        || items.iter().filter(|item| is_search(item)).count() as u64,
        |told| told.web_search.num_requests,
    )
}

/// Whether an item tells of a search.
fn is_search(item: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Call {
        #[serde(rename = "type")]
        kind: String,
        #[serde(default)]
        action: Option<Action>,
    }
    #[derive(Deserialize)]
    struct Action {
        #[serde(rename = "type", default)]
        kind: String,
    }
    let call: Option<Call> = serde_json::from_str(item.get()).ok();
    call.is_some_and(|call| {
        call.kind == "web_search_call" && call.action.is_none_or(|action| action.kind == "search")
    })
}

/// Why an answer ends, by its status or the reason why it is incomplete.
fn finish(word: &str, parts: &[Part]) -> Result<FinishReason, TranslateError> {
    let has = |is: fn(&Content) -> bool| parts.iter().any(|part| is(&part.content));
    let reason = finish_of(word, has(|content| matches!(content, Content::ToolCall(_))));
    if matches!(word, "failed" | "cancelled" | "queued" | "in_progress") {
        return Err(invalid("status", format!("the answer is {word}")));
    }
    let is_refused = has(|content| matches!(content, Content::Refusal(_)));
    Ok(if is_refused { reason.of_refusal() } else { reason })
}

/// The same, of an answer of which it is known whether it calls tools.
pub(super) fn finish_of(word: &str, has_calls: bool) -> FinishReason {
    match word {
        "completed" | "" if has_calls => FinishReason::ToolCalls,
        "completed" | "" => FinishReason::Stop,
        "max_output_tokens" => FinishReason::Length,
        "content_filter" => FinishReason::ContentFilter,
        _ => FinishReason::Unknown,
    }
}

/// Status of an answer, and why it is incomplete. `tells_refusal`: its content says so itself.
pub(super) fn status(reason: FinishReason, tells_refusal: bool) -> (&'static str, Option<&'static str>) {
    match reason {
        FinishReason::Length | FinishReason::ContextWindow => ("incomplete", Some("max_output_tokens")),
        FinishReason::ContentFilter => ("incomplete", Some("content_filter")),
        FinishReason::Refusal if !tells_refusal => ("incomplete", Some("content_filter")),
        FinishReason::Refusal
        | FinishReason::Stop
        | FinishReason::StopSequence
        | FinishReason::ToolCalls
        | FinishReason::FunctionCall
        | FinishReason::Pause
        | FinishReason::Unknown => ("completed", None),
    }
}

/// Writes an answer; the first one where there are several.
pub(in crate::protocol) fn encode_response(response: &ChatResponse, cost: Option<Money>) -> Encoded {
    let mut warnings = Warnings::new(response.protocol, Protocol::OpenAiResponses);
    if response.choices.len() > 1 {
        warnings.add("choices", "only the first answer was kept");
    }
    let created_at = response.created.unwrap_or(0);
    let id = response_id(&response.id, created_at);
    let choice = response.choices.first();
    let parts = choice.map_or(&[][..], |choice| &choice.parts);
    let finish = choice.map_or(FinishReason::Stop, |choice| choice.finish);
    finish_warnings(finish, choice.and_then(|choice| choice.stop_sequence.as_deref()), &mut warnings);
    let tells_refusal = parts.iter().any(|part| matches!(part.content, Content::Refusal(_)));
    let (status, reason) = status(finish, tells_refusal);
    let echo = response.echo.as_deref();
    let mut writer = ItemWriter {
        stem: id.strip_prefix("resp_").unwrap_or(&id),
        status: if reason.is_some() { "incomplete" } else { "completed" },
        shows_thoughts: response.protocol == Protocol::OpenAiChat,
        logprobs: choice.and_then(|choice| choice.logprobs.as_ref()),
        echo,
        warnings: &mut warnings,
        out: Vec::new(),
    };
    writer.items(parts);
    let output = format!("[{}]", writer.out.join(","));
    warn_ignored(&response.ignored, &mut warnings);
    let object = Object {
        created_at,
        reason,
        output: raw(&output),
        service_tier: response.service_tier.as_deref(),
        usage: response.usage.as_ref().map(|usage| usage::encode(usage, cost)),
        ..Object::new(&id, &response.model, status, echo)
    };
    Encoded { body: to_json(&object), warnings: warnings.take(), is_form_emulated: false }
}

/// Writes items, each as JSON text.
struct ItemWriter<'a, 'w> {
    /// What ids of items have in common.
    stem: &'a str,
    /// Of the last message.
    status: &'static str,
    /// Thoughts are shown as they are, and not as a summary.
    shows_thoughts: bool,
    logprobs: Option<&'a Json>,
    echo: Option<&'a Echo>,
    warnings: &'w mut Warnings,
    out: Vec<String>,
}

impl ItemWriter<'_, '_> {
    fn items(&mut self, parts: &[Part]) {
        let is_said = |part: &Part| matches!(part.content, Content::Text { .. } | Content::Refusal(_));
        let mut rest = parts;
        while let Some(first) = rest.first() {
            let said = rest.iter().take_while(|part| is_said(part)).count();
            if said > 0 {
                self.message(&rest[..said]);
                rest = &rest[said..];
            } else {
                self.part(&first.content);
                rest = &rest[1..];
            }
        }
    }

    fn id(&self, prefix: &str) -> String {
        format!("{prefix}_{}_{}", self.stem, self.out.len())
    }

    fn message(&mut self, parts: &[Part]) {
        let mut annotations = Vec::with_capacity(parts.len());
        for part in parts {
            let mut written = Vec::new();
            if let Content::Text { text, citations } = &part.content {
                let characters = text.chars().count() as u64;
                for citation in citations {
                    written.extend(items::annotation(citation, characters, self.warnings));
                }
            }
            annotations.push(written);
        }
        let logprobs = self.logprobs.take().and_then(logprobs_list);
        let mut logprobs = logprobs.as_deref();
        let mut content = Vec::with_capacity(parts.len());
        for (part, annotations) in parts.iter().zip(&annotations) {
            if let Content::Text { text, .. } = &part.content {
                let logprobs = logprobs.take().unwrap_or_else(|| raw("[]"));
                content.push(items::Content::OutputText { text, annotations, logprobs });
            } else if let Content::Refusal(refusal) = &part.content {
                content.push(items::Content::Refusal { refusal });
            }
        }
        let id = self.id("msg");
        let status = self.status;
        self.out.push(items::json(&Item::Message { id: &id, status, role: "assistant", content: &content }));
    }

    fn part(&mut self, content: &Content) {
        match content {
            Content::Reasoning { text, signature } => {
                let encrypted = signature.as_ref().map(|it| it.in_field(Protocol::OpenAiResponses));
                self.thoughts(text, encrypted.as_deref());
            }
            Content::RedactedReasoning(signature) => self.thoughts("", Some(&redacted(signature))),
            Content::ToolCall(call) => self.call(call),
            Content::Opaque { protocol: Protocol::OpenAiResponses, raw, .. } => {
                self.out.push(raw.get().to_owned());
            }
            Content::Opaque { kind, .. } => {
                self.warnings.add("content", format!("a block of type {kind} was dropped"));
            }
            Content::Image { .. } => image_lost(self.warnings),
            Content::Document { .. }
            | Content::Audio { .. }
            | Content::ToolResult(_)
            | Content::Text { .. }
            | Content::Refusal(_) => {
                self.warnings.add("content", "a block was dropped where it may not stand");
            }
        }
    }

    fn thoughts(&mut self, text: &str, encrypted: Option<&str>) {
        let item = items::thoughts(&self.id("rs"), text, self.shows_thoughts, encrypted);
        self.out.push(item);
    }

    fn call(&mut self, call: &ToolCall) {
        let is_turned_back = self.echo.is_some_and(|echo| echo.is_turned_back(&call.name, call.kind));
        let (kind, text) = match call.kind {
            _ if is_turned_back => (ToolCallKind::Custom, free_text::read(&call.arguments)),
            // Callers parse the text as JSON, which an empty text is not.
            ToolCallKind::Function if call.arguments.is_empty() => (call.kind, "{}".into()),
            ToolCallKind::Function | ToolCallKind::Custom => (call.kind, call.arguments.as_str().into()),
        };
        let id = self.id(if kind == ToolCallKind::Custom { "ctc" } else { "fc" });
        self.out.push(items::call(&id, (&call.id, &call.name, kind), &text, "completed"));
    }
}

/// The list of probabilities that the chat protocol wraps.
pub(super) fn logprobs_list(json: &Json) -> Option<Box<RawValue>> {
    #[derive(Deserialize)]
    struct Wrapped {
        #[serde(default)]
        content: Option<Box<RawValue>>,
    }
    serde_json::from_str::<Wrapped>(json.get()).ok()?.content.filter(|list| list.get() != "null")
}
