//! Writing a Messages request. Blocks are written in `encode_content`, thinking is settled in `thinking`.

use super::super::unsaid::{self, warn_chat_sampling, warn_extra, warn_ignored};
use super::super::write::{append_fields, to_json_of};
use super::super::{Encoded, Target, TranslateError, free_text};
use super::encode_content::ContentWriter;
use super::model::{Traits, traits};
use super::{schema, thinking, wire};
use crate::ir::{
    ChatRequest, FunctionTool, Json, OutputFormat, Sampling, Schema, Tool, ToolChoice, Warnings, WebSearch,
};
use crate::protocol::Protocol;
use crate::structured::{JSON_INSTRUCTION, instruction};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The version of the search tool that every model with search takes.
const WEB_SEARCH: &str = "web_search_20250305";

/// Writes a request for a target.
pub(in crate::protocol) fn encode_request(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Encoded, TranslateError> {
    let mut warnings = Warnings::new(request.protocol, Protocol::AnthropicMessages);
    let traits = traits(target.model);
    let instruction = output_instruction(&request.output, traits, &mut warnings);
    let mut writer = ContentWriter { warnings: &mut warnings };
    let mut system = writer.system(&request.system)?;
    let messages = writer.messages(request)?;
    if let Some(text) = &instruction {
        let text = Cow::Borrowed(text.as_str());
        let block = wire::Block::Text { text, citations: Vec::new(), cache_control: None };
        system.push(wire::AnyBlock::Known(block));
    }
    let plan = thinking::plan(request, target, traits, &mut warnings);
    let format = format(request, traits, &mut warnings);
    let has_config = plan.effort.is_some() || format.is_some();
    let mut body = wire::Request {
        model: target.model,
        max_tokens: plan.max_tokens,
        system: (!system.is_empty()).then_some(wire::Text::Blocks(system)),
        messages,
        tools: Vec::new(),
        tool_choice: None,
        thinking: plan.thinking,
        output_config: has_config.then_some(wire::OutputConfig { effort: plan.effort, format }),
        temperature: None,
        top_p: None,
        top_k: None,
        stop_sequences: stop_sequences(&request.sampling, &mut warnings),
        metadata: request.user.as_deref().map(|user_id| wire::Metadata { user_id }),
        service_tier: service_tier(request, &mut warnings),
        cache_control: request.cache_control.as_ref().map(Json::raw),
        stream: request.stream.then_some(true),
    };
    tools(&mut body, request, traits, &mut warnings);
    body.tool_choice = tool_choice(request, &body, &mut warnings);
    let drawn = thinking::sampling(&request.sampling, body.is_thinking(), traits, &mut warnings);
    (body.temperature, body.top_p, body.top_k) = (drawn.temperature, drawn.top_p, drawn.top_k);
    unknown_sampling(&request.sampling, &mut warnings);
    let mut body = to_json_of(request, &body);
    match request.protocol {
        Protocol::AnthropicMessages => append_fields(&mut body, &request.extra),
        Protocol::OpenAiChat
        | Protocol::OpenAiResponses
        | Protocol::Gemini
        | Protocol::BedrockConverse
        | Protocol::CohereChat => {
            warn_extra(request, &[], &mut warnings);
        }
    }
    if request.is_legacy_functions {
        warnings.add("functions", "sent as tools; the answer has tool_calls");
    }
    warn_ignored(&request.ignored, &mut warnings);
    let is_form_emulated = match &request.output {
        OutputFormat::Text => false,
        OutputFormat::Json => true,
        OutputFormat::Schema(schema) => !traits.takes_schema || schema.schema.is_none(),
    };
    Ok(Encoded { body, warnings: warnings.take(), is_form_emulated })
}

/// What is told the model in words where no field says it.
fn output_instruction(output: &OutputFormat, traits: Traits, warnings: &mut Warnings) -> Option<String> {
    match output {
        OutputFormat::Text => None,
        OutputFormat::Json => {
            warnings.add("response_format", "json_object was sent as an instruction");
            Some(JSON_INSTRUCTION.to_owned())
        }
        OutputFormat::Schema(schema) if !traits.takes_schema || schema.schema.is_none() => {
            warnings.add("response_format", "the JSON schema was sent as an instruction, it is not enforced");
            Some(instruction(schema.schema.as_ref().map_or("{}", Json::get)))
        }
        OutputFormat::Schema(schema) => {
            if schema.description.is_some() {
                warnings.add("response_format", "the description of the schema was dropped");
            }
            None
        }
    }
}

fn format<'a>(request: &'a ChatRequest, traits: Traits, warnings: &mut Warnings) -> Option<wire::Format<'a>> {
    match &request.output {
        OutputFormat::Schema(Schema { schema: Some(schema), .. }) if traits.takes_schema => {
            let closed = match request.protocol {
                Protocol::OpenAiChat
                | Protocol::OpenAiResponses
                | Protocol::Gemini
                | Protocol::BedrockConverse => schema::closed(schema.raw()),
                Protocol::AnthropicMessages | Protocol::CohereChat => None,
            };
            if closed.is_some() {
                let detail = "additionalProperties: false was added to the objects of the schema";
                warnings.add("response_format", detail);
            }
            let schema = closed.map_or(Cow::Borrowed(schema.raw()), Cow::Owned);
            Some(wire::Format { kind: "json_schema", schema })
        }
        OutputFormat::Schema(_) | OutputFormat::Text | OutputFormat::Json => None,
    }
}

/// Texts of white space alone are refused.
pub(in crate::protocol) fn stop_sequences<'a>(
    sampling: &'a Sampling,
    warnings: &mut Warnings,
) -> Vec<&'a str> {
    let (kept, empty): (Vec<&str>, Vec<&str>) =
        sampling.stop.iter().map(String::as_str).partition(|text| !text.trim().is_empty());
    if !empty.is_empty() {
        warnings.add("stop", "stop sequences of white space were dropped");
    }
    kept
}

fn service_tier(request: &ChatRequest, warnings: &mut Warnings) -> Option<&'static str> {
    match request.service_tier.as_deref()? {
        "auto" => Some("auto"),
        "standard_only" | "default" | "standard" => Some("standard_only"),
        other => {
            warnings.add("service_tier", format!("{other} was dropped"));
            None
        }
    }
}

fn tools<'a>(
    body: &mut wire::Request<'a>,
    request: &'a ChatRequest,
    traits: Traits,
    warnings: &mut Warnings,
) {
    let is_allowed = |tool: &&Tool| match &request.tool_choice {
        Some(ToolChoice::Allowed { names, .. }) => names.iter().any(|name| name == tool.name()),
        Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Required | ToolChoice::Named(_)) | None => {
            true
        }
    };
    for tool in request.tools.iter().filter(is_allowed) {
        match tool {
            Tool::Function(tool) => {
                body.tools.push(wire::Tool::Function(function(tool, traits, warnings)));
            }
            Tool::Custom(tool) => {
                body.tools.push(wire::Tool::Function(wire::Function {
                    name: &tool.name,
                    description: tool.description.as_deref(),
                    input_schema: Cow::Owned(free_text::schema(tool, warnings)),
                    strict: None,
                    cache_control: None,
                }));
            }
            Tool::WebSearch(search) => body.tools.push(wire::Tool::WebSearch(web_search(search, warnings))),
            Tool::Opaque { protocol: Protocol::AnthropicMessages, raw, .. } => {
                body.tools.push(wire::Tool::Raw(raw.raw()));
            }
            Tool::Opaque { kind, name, .. } => {
                warnings.add("tools", format!("tool {name} of type {kind} was dropped"));
            }
        }
    }
}

fn function<'a>(tool: &'a FunctionTool, traits: Traits, warnings: &mut Warnings) -> wire::Function<'a> {
    let is_strict = tool.strict == Some(true);
    if is_strict && !traits.takes_schema {
        warnings.add("tools[].strict", "this model does not enforce the schemas of tools");
    }
    wire::Function {
        name: &tool.name,
        description: tool.description.as_deref(),
        input_schema: input_schema(tool.parameters.as_ref()),
        strict: (is_strict && traits.takes_schema).then_some(true),
        cache_control: tool.cache_control.as_ref().map(Json::raw),
    }
}

/// A schema must say `"type":"object"`; OpenAI lets it out.
pub(in crate::protocol) fn input_schema(schema: Option<&Json>) -> Cow<'_, RawValue> {
    let Some(schema) = schema else { return Cow::Owned(object_schema("")) };
    #[derive(serde::Deserialize)]
    struct Head {
        #[serde(rename = "type", default)]
        kind: Option<serde::de::IgnoredAny>,
    }
    match serde_json::from_str::<Head>(schema.get()) {
        Ok(Head { kind: None }) => {
            let inner = schema.get().trim_start_matches('{').trim_start();
            Cow::Owned(object_schema(inner.strip_suffix('}').unwrap_or(inner)))
        }
        Ok(Head { kind: Some(_) }) | Err(_) => Cow::Borrowed(schema.raw()),
    }
}

/// `{"type":"object", … }` around what stands between the braces of a schema.
fn object_schema(inner: &str) -> Box<RawValue> {
    let rest = if inner.trim().is_empty() { "\"properties\":{}" } else { inner };
    RawValue::from_string(format!("{{\"type\":\"object\",{rest}}}")).unwrap_or_default()
}

fn web_search<'a>(search: &'a WebSearch, warnings: &mut Warnings) -> wire::WebSearch<'a> {
    if search.context_size.is_some() {
        warnings.add("web_search.search_context_size", "dropped: the provider decides");
    }
    wire::WebSearch {
        kind: WEB_SEARCH,
        name: "web_search",
        max_uses: search.max_uses,
        allowed_domains: &search.allowed_domains,
        blocked_domains: &search.blocked_domains,
        user_location: search.location.as_ref().map(wire::UserLocation::Approximate),
        cache_control: search.cache_control.as_ref().map(Json::raw),
    }
}

fn tool_choice<'a>(
    request: &'a ChatRequest,
    body: &wire::Request<'_>,
    warnings: &mut Warnings,
) -> Option<wire::ToolChoice<'a>> {
    let disable_parallel_tool_use = request.parallel_tool_calls.map(|parallel| !parallel);
    let choice = unsaid::tool_choice(request, Protocol::AnthropicMessages, warnings);
    if body.tools.is_empty() {
        // Refused without tools.
        if choice.is_some_and(|choice| !matches!(choice, ToolChoice::Auto | ToolChoice::None)) {
            warnings.add("tool_choice", "dropped: there is no tool to choose");
        }
        return None;
    }
    let (kind, name) = match choice {
        None if disable_parallel_tool_use != Some(true) => return None,
        None | Some(ToolChoice::Auto) => ("auto", None),
        // Nothing can be called, so nothing can be called in parallel.
        Some(ToolChoice::None) => {
            return Some(wire::ToolChoice { kind: "none", name: None, disable_parallel_tool_use: None });
        }
        Some(ToolChoice::Required) => ("any", None),
        Some(ToolChoice::Named(name)) => ("tool", Some(name.as_str())),
        Some(ToolChoice::Allowed { is_required, .. }) => {
            warnings.add("tool_choice", "only the allowed tools were sent");
            (if *is_required { "any" } else { "auto" }, None)
        }
    };
    if body.is_thinking() && kind != "auto" {
        warnings.add("tool_choice", "no tool can be forced while thinking; the model decides");
        return Some(wire::ToolChoice { kind: "auto", name: None, disable_parallel_tool_use });
    }
    Some(wire::ToolChoice { kind, name, disable_parallel_tool_use })
}

/// What only OpenAI's protocols can ask for. Asking for the default loses nothing.
pub(in crate::protocol) fn unknown_sampling(sampling: &Sampling, warnings: &mut Warnings) {
    warn_chat_sampling(sampling, warnings);
    let is_asked = sampling.top_logprobs.is_some_and(|count| count > 0);
    for (feature, is_asked) in [("logprobs", sampling.logprobs == Some(true)), ("top_logprobs", is_asked)] {
        if is_asked {
            warnings.add(feature, "dropped: there is no such setting");
        }
    }
}
