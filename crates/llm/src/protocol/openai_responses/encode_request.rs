//! Writing a request. Its items are written in `encode_items`.
//!
//! Conversations of other protocols are complete in themselves, so nothing is stored: `store` is always false.

use super::super::openai_chat::{
    ModelKind, limited_user, model_kind, reasoning_effort, service_tier, strict,
};
use super::super::unsaid::{warn_chat_sampling, warn_extra, warn_ignored};
use super::super::write::{append_fields, to_json_of};
use super::super::{Encoded, Target, TranslateError, unsaid};
use super::encode_items::ItemWriter;
use super::wire;
use crate::ir::{
    ChatRequest, CustomTool, ExtraField, FunctionTool, Json, OutputFormat, Tool, ToolChoice, Warnings,
    WebSearch,
};
use crate::protocol::Protocol;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Fields that OpenAI's chat has under the same name.
const OF_CHAT: [&str; 4] = ["metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier"];
/// What is said elsewhere than in a field of that name.
const ELSEWHERE: [&str; 2] = ["include", "verbosity"];

/// Writes a request for a target.
pub(in crate::protocol) fn encode_request(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Encoded, TranslateError> {
    let mut warnings = Warnings::new(request.protocol, Protocol::OpenAiResponses);
    let is_own = request.protocol == Protocol::OpenAiResponses;
    let mut writer = ItemWriter::new(request, target, &mut warnings);
    let instructions = writer.system(&request.system)?;
    for message in &request.messages {
        writer.message(message)?;
    }
    let input = writer.out;
    let mut body = wire::Request { model: target.model, instructions, input, ..Default::default() };
    tools(&mut body, request, &mut warnings);
    sampling(&mut body, request, &mut warnings);
    body.text = text(request, &mut warnings);
    body.reasoning = reasoning(request, &mut warnings);
    by_model(&mut body, &mut warnings);
    body.include = include(request, target);
    body.user = limited_user(request, target, &mut warnings);
    body.service_tier = service_tier(request, &mut warnings);
    if request.cache_control.is_some() {
        warnings.add("cache_control", "the request's marker was dropped");
    }
    body.stream = request.stream.then_some(true);
    body.store = (!is_own).then_some(false);
    let mut body = to_json_of(request, &body);
    if request.is_legacy_functions {
        warnings.add("functions", "sent as tools; the answer has tool_calls");
    }
    let is_carried = |field: &&ExtraField| {
        let name = field.name.as_str();
        (is_own && !ELSEWHERE.contains(&name))
            || (request.protocol == Protocol::OpenAiChat && OF_CHAT.contains(&name))
    };
    let carried: Vec<ExtraField> = request.extra.iter().filter(is_carried).cloned().collect();
    append_fields(&mut body, &carried);
    match request.protocol {
        Protocol::OpenAiResponses => {}
        Protocol::OpenAiChat => {
            warn_extra(request, &[&OF_CHAT[..], &ELSEWHERE[1..]].concat(), &mut warnings);
        }
        Protocol::AnthropicMessages | Protocol::Gemini | Protocol::BedrockConverse | Protocol::CohereChat => {
            warn_extra(request, &[], &mut warnings)
        }
    }
    warn_ignored(&request.ignored, &mut warnings);
    Ok(Encoded { body, warnings: warnings.take(), is_form_emulated: false })
}

fn sampling(body: &mut wire::Request<'_>, request: &ChatRequest, warnings: &mut Warnings) {
    let sampling = &request.sampling;
    body.max_output_tokens = sampling.max_output_tokens;
    body.temperature = sampling.temperature;
    body.top_p = sampling.top_p;
    body.top_logprobs = sampling.top_logprobs;
    if sampling.top_k.is_some() {
        warnings.add("top_k", "dropped: the provider has no such setting");
    }
    if !sampling.stop.is_empty() {
        warnings.add("stop", "dropped: the protocol has no stop sequences");
    }
    warn_chat_sampling(sampling, warnings);
}

fn tools<'a>(body: &mut wire::Request<'a>, request: &'a ChatRequest, warnings: &mut Warnings) {
    for tool in &request.tools {
        let written = match tool {
            Tool::Function(tool) => wire::Tool::Known(function(tool, warnings)),
            Tool::Custom(tool) => wire::Tool::Known(custom(tool)),
            Tool::WebSearch(search) => {
                // The one tool of theirs that the provider runs: a limit on all such calls is a limit on searches.
                body.max_tool_calls = search.max_uses;
                wire::Tool::Known(web_search(search, warnings))
            }
            Tool::Opaque { protocol: Protocol::OpenAiResponses, raw, .. } => wire::Tool::Raw(raw.raw()),
            Tool::Opaque { kind, name, .. } => {
                warnings.add("tools", format!("tool {name} of type {kind} was dropped"));
                continue;
            }
        };
        body.tools.push(written);
    }
    let choice = unsaid::tool_choice(request, Protocol::OpenAiResponses, warnings);
    if body.tools.is_empty() {
        // Refused without tools.
        if choice.is_some_and(|choice| !matches!(choice, ToolChoice::Auto | ToolChoice::None)) {
            warnings.add("tool_choice", "dropped: there is no tool to choose");
        }
        return;
    }
    body.tool_choice = choice.map(|choice| tool_choice(choice, request));
    body.parallel_tool_calls = request.parallel_tool_calls;
}

/// Without a word about `strict` the schema would be taken to be one, other than in the chat protocol
/// (<https://developers.openai.com/api/docs/guides/function-calling>, read 2026-11-26).
fn function<'a>(tool: &'a FunctionTool, warnings: &mut Warnings) -> wire::Definition<'a> {
    if tool.cache_control.is_some() {
        warnings.add("cache_control", "markers were dropped: the provider takes none");
    }
    wire::Definition::Function {
        name: &tool.name,
        description: tool.description.as_deref(),
        parameters: tool.parameters.as_ref().map(Json::raw),
        strict: tool.strict.unwrap_or(false),
    }
}

fn custom(tool: &CustomTool) -> wire::Definition<'_> {
    wire::Definition::Custom {
        name: &tool.name,
        description: tool.description.as_deref(),
        format: tool.format.as_ref().map(flat_format),
    }
}

/// A grammar stands in an object of its own in the chat protocol, and beside its type here.
fn flat_format(format: &Json) -> Cow<'_, RawValue> {
    #[derive(serde::Deserialize)]
    struct Nested<'a> {
        #[serde(borrow)]
        grammar: &'a RawValue,
    }
    let nested = serde_json::from_str::<Nested<'_>>(format.get()).ok();
    let inner = nested.as_ref().and_then(|nested| nested.grammar.get().strip_prefix('{'));
    match inner.and_then(|inner| RawValue::from_string(format!("{{\"type\":\"grammar\",{inner}")).ok()) {
        Some(flat) => Cow::Owned(flat),
        None => Cow::Borrowed(format.raw()),
    }
}

fn web_search<'a>(search: &'a WebSearch, warnings: &mut Warnings) -> wire::Definition<'a> {
    if !search.blocked_domains.is_empty() {
        warnings.add("web_search.domains", "the list of blocked domains was dropped");
    }
    if search.cache_control.is_some() {
        warnings.add("cache_control", "markers were dropped: the provider takes none");
    }
    let allowed_domains = search.allowed_domains.as_slice();
    wire::Definition::WebSearch {
        filters: (!allowed_domains.is_empty()).then_some(wire::Filters { allowed_domains }),
        search_context_size: search.context_size.as_deref(),
        user_location: search.location.as_ref().map(wire::UserLocation::Approximate),
    }
}

fn tool_choice<'a>(choice: &'a ToolChoice, request: &'a ChatRequest) -> wire::ToolChoice<'a> {
    let named = |name: &'a String| match request.tools.iter().find(|tool| tool.name() == name) {
        Some(Tool::Custom(_)) => wire::NamedChoice { kind: "custom", name: Some(name) },
        Some(Tool::WebSearch(_)) => wire::NamedChoice { kind: "web_search", name: None },
        Some(Tool::Opaque { kind, .. }) => wire::NamedChoice { kind, name: None },
        Some(Tool::Function(_)) | None => wire::NamedChoice { kind: "function", name: Some(name) },
    };
    match choice {
        ToolChoice::Auto => wire::ToolChoice::Word("auto"),
        ToolChoice::None => wire::ToolChoice::Word("none"),
        ToolChoice::Required => wire::ToolChoice::Word("required"),
        ToolChoice::Named(name) => wire::ToolChoice::Named(named(name)),
        ToolChoice::Allowed { names, is_required } => {
            let mode = if *is_required { "required" } else { "auto" };
            let tools = names.iter().map(named).collect();
            wire::ToolChoice::Allowed { kind: "allowed_tools", mode, tools }
        }
    }
}

fn text<'a>(request: &'a ChatRequest, warnings: &mut Warnings) -> Option<wire::Text<'a>> {
    let format = match &request.output {
        OutputFormat::Text => None,
        OutputFormat::Json => Some(wire::Format::JsonObject),
        OutputFormat::Schema(schema) => Some(wire::Format::JsonSchema {
            name: schema.name.as_deref().unwrap_or("response"),
            description: schema.description.as_deref(),
            schema: schema.schema.as_ref().map(Json::raw),
            strict: strict(request.protocol, schema, warnings),
        }),
    };
    let is_verbosity = |field: &&ExtraField| request.protocol.is_openai() && field.name == "verbosity";
    let verbosity = request.extra.iter().find(is_verbosity).map(|field| field.value.raw());
    (format.is_some() || verbosity.is_some()).then_some(wire::Text { format, verbosity })
}

fn reasoning<'a>(request: &'a ChatRequest, warnings: &mut Warnings) -> Option<wire::Reasoning<'a>> {
    let effort = reasoning_effort(request, warnings);
    let display = request.reasoning.as_ref().and_then(|reasoning| reasoning.display.as_deref());
    let summary = match display {
        Some("summarized") => Some("auto"),
        // Not to be shown: that is what happens unasked.
        Some("omitted") | None => None,
        Some(own) => Some(own),
    };
    (effort.is_some() || summary.is_some()).then_some(wire::Reasoning { effort, summary })
}

/// Takes out what OpenAI's model would refuse.
fn by_model(body: &mut wire::Request<'_>, warnings: &mut Warnings) {
    match model_kind(body.model) {
        ModelKind::Unknown => {}
        ModelKind::Plain => {
            if body.reasoning.take().is_some() {
                warnings.add("thinking", "dropped: this model does not think");
            }
        }
        ModelKind::Reasoning => {
            // One is the default of both: leaving it out says the same.
            for (feature, field) in [("temperature", &mut body.temperature), ("top_p", &mut body.top_p)] {
                if field.take().is_some_and(|number| number != 1.0) {
                    warnings.add(feature, "dropped: this model takes none");
                }
            }
        }
    }
}

/// Thoughts are asked for in a form that can be sent back; models that have none answer 400 to that.
fn include<'a>(request: &'a ChatRequest, target: &Target<'_>) -> Vec<Cow<'a, str>> {
    let given = request.extra.iter().filter(|_| request.protocol == Protocol::OpenAiResponses);
    let given = given.filter(|field| field.name == "include");
    let mut values: Vec<Cow<'a, str>> = given
        .flat_map(|field| serde_json::from_str::<Vec<String>>(field.value.get()).unwrap_or_default())
        .map(Cow::Owned)
        .collect();
    let wanted = [
        ("message.output_text.logprobs", request.sampling.logprobs == Some(true)),
        ("reasoning.encrypted_content", model_kind(target.model) == ModelKind::Reasoning),
    ];
    for (value, is_wanted) in wanted {
        if is_wanted && !values.iter().any(|given| given == value) {
            values.push(value.into());
        }
    }
    values
}
