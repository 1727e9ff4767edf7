//! Writing a `generateContent` request. Contents are written in `encode_content`, thinking is settled in `thinking`.

use super::super::unsaid::{warn_extra, warn_ignored};
use super::super::write::{append_fields, to_json_of};
use super::super::{Encoded, Target, TranslateError};
use super::encode_content::{ContentWriter, owned};
use super::model::{Traits, traits};
use super::{thinking, wire};
use crate::ir::{
    ChatRequest, FunctionTool, Json, OutputFormat, Sampling, Tool, ToolChoice, Warnings, WebSearch,
};
use crate::protocol::Protocol;
use std::borrow::Cow;

/// Google refuses more.
const STOPS_MAX: usize = 5;
/// Google refuses more answers at once.
const ANSWERS_MAX: u32 = 8;
const JSON: &str = "application/json";

/// Writes a request for a target, whose model stands in the address.
pub(in crate::protocol) fn encode_request(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Encoded, TranslateError> {
    let mut warnings = Warnings::new(request.protocol, Protocol::Gemini);
    let traits = traits(target.model);
    let is_third_generation = traits.is_third_generation;
    let mut writer = ContentWriter {
        warnings: &mut warnings,
        is_third_generation,
        has_ids: is_third_generation,
        names: Vec::new(),
    };
    let system_instruction = writer.system(&request.system)?;
    let contents = writer.contents(request)?;
    let tools = tools(request, &mut warnings);
    let tool_config = tool_config(request, &tools, &mut warnings);
    let config = generation_config(request, target, traits, &mut warnings);
    let is_set = config != wire::GenerationConfig::default();
    let body = wire::Request {
        contents,
        system_instruction,
        tools,
        tool_config,
        generation_config: is_set.then_some(config),
        service_tier: service_tier(request, &mut warnings),
    };
    let mut body = to_json_of(request, &body);
    leftovers(request, &mut body, &mut warnings);
    Ok(Encoded { body, warnings: warnings.take(), is_form_emulated: false })
}

/// What has no place in the protocol.
fn leftovers(request: &ChatRequest, body: &mut Vec<u8>, warnings: &mut Warnings) {
    match request.protocol {
        Protocol::Gemini => append_fields(body, &request.extra),
        Protocol::OpenAiChat
        | Protocol::OpenAiResponses
        | Protocol::AnthropicMessages
        | Protocol::BedrockConverse
        | Protocol::CohereChat => {
            warn_extra(request, &[], warnings);
        }
    }
    if request.cache_control.is_some() {
        warnings.add("cache_control", "markers were dropped: the provider caches by itself");
    }
    if request.user.is_some() {
        warnings.add("user", "dropped: the provider is told of no end users");
    }
    if request.is_legacy_functions {
        warnings.add("functions", "sent as tools; the answer has tool_calls");
    }
    warn_ignored(&request.ignored, warnings);
}

fn tools<'a>(request: &'a ChatRequest, warnings: &mut Warnings) -> Vec<wire::Tool<'a>> {
    let mut functions = Vec::new();
    let mut others = Vec::new();
    for tool in &request.tools {
        match tool {
            Tool::Function(tool) => functions.push(function(tool, warnings)),
            Tool::Custom(tool) => {
                let detail = format!("{} takes free text; it was sent with one text argument", tool.name);
                warnings.add("tools", detail);
                if tool.format.is_some() {
                    warnings.add("tools", format!("the grammar of {} was dropped", tool.name));
                }
                let schema =
                    r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#;
                functions.push(wire::Function {
                    name: &tool.name,
                    description: tool.description.as_deref(),
                    parameters_json_schema: Some(owned(schema.to_owned())),
                });
            }
            Tool::WebSearch(search) => {
                web_search(search, warnings);
                others.push(wire::Tool::Search(wire::Search { google_search: wire::Empty {} }));
            }
            Tool::Opaque { protocol: Protocol::Gemini, raw, .. } => others.push(wire::Tool::Raw(raw.raw())),
            Tool::Opaque { kind, name, .. } => {
                warnings.add("tools", format!("tool {name} of type {kind} was dropped"));
            }
        }
    }
    let mut tools = Vec::new();
    if !functions.is_empty() {
        tools.push(wire::Tool::Functions(wire::Functions { function_declarations: functions }));
    }
    tools.extend(others);
    tools
}

fn function<'a>(tool: &'a FunctionTool, warnings: &mut Warnings) -> wire::Function<'a> {
    if tool.cache_control.is_some() {
        warnings.add("cache_control", "markers were dropped: the provider caches by itself");
    }
    if tool.strict == Some(true) {
        warnings.add("tools[].strict", "dropped: there is no such setting for one function");
    }
    wire::Function {
        name: &tool.name,
        description: tool.description.as_deref(),
        parameters_json_schema: tool.parameters.as_ref().map(|schema| Cow::Borrowed(schema.raw())),
    }
}

/// What Google's search cannot be told.
fn web_search(search: &WebSearch, warnings: &mut Warnings) {
    let asked = [
        ("web_search.max_uses", search.max_uses.is_some()),
        ("web_search.allowed_domains", !search.allowed_domains.is_empty()),
        // Vertex AI alone can leave domains out.
        ("web_search.blocked_domains", !search.blocked_domains.is_empty()),
        ("web_search.user_location", search.location.is_some()),
        ("web_search.search_context_size", search.context_size.is_some()),
    ];
    for (feature, _) in asked.iter().filter(|(_, is_asked)| *is_asked) {
        warnings.add(feature, "dropped: the provider searches as it finds right");
    }
}

fn tool_config<'a>(
    request: &'a ChatRequest,
    tools: &[wire::Tool<'a>],
    warnings: &mut Warnings,
) -> Option<wire::ToolConfig<'a>> {
    let has_functions = tools.iter().any(|tool| matches!(tool, wire::Tool::Functions(_)));
    if request.parallel_tool_calls == Some(false) && has_functions {
        warnings.add("parallel_tool_calls", "dropped: the model may call several functions at once");
    }
    let is_function = |name: &str| {
        let named = request.tools.iter().filter(|tool| tool.name() == name);
        named.into_iter().any(|tool| matches!(tool, Tool::Function(_) | Tool::Custom(_)))
    };
    let (mode, names): (_, Vec<&str>) = match request.tool_choice.as_ref()? {
        ToolChoice::Auto => ("AUTO", Vec::new()),
        ToolChoice::None => ("NONE", Vec::new()),
        ToolChoice::Required => ("ANY", Vec::new()),
        ToolChoice::Named(name) if !is_function(name) => {
            warnings.add("tool_choice", format!("dropped: {name} is no function that can be forced"));
            return None;
        }
        ToolChoice::Named(name) => ("ANY", vec![name]),
        ToolChoice::Allowed { names, is_required } => {
            let mode = if *is_required { "ANY" } else { "VALIDATED" };
            (mode, names.iter().map(String::as_str).filter(|name| is_function(name)).collect())
        }
    };
    if !has_functions {
        if !matches!(mode, "AUTO" | "NONE") {
            warnings.add("tool_choice", "dropped: there is no tool to choose");
        }
        return None;
    }
    let function_calling_config = wire::FunctionCallingConfig { mode, allowed_function_names: names };
    Some(wire::ToolConfig { function_calling_config })
}

fn generation_config<'a>(
    request: &'a ChatRequest,
    target: &Target<'_>,
    traits: Traits,
    warnings: &mut Warnings,
) -> wire::GenerationConfig<'a> {
    let sampling = &request.sampling;
    let mut config = wire::GenerationConfig {
        max_output_tokens: max_output_tokens(sampling, target, warnings),
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        stop_sequences: stop_sequences(sampling, warnings),
        seed: seed(sampling, warnings),
        candidate_count: candidate_count(sampling, warnings),
        presence_penalty: sampling.presence_penalty,
        frequency_penalty: sampling.frequency_penalty,
        response_logprobs: sampling.logprobs.filter(|is_asked| *is_asked),
        logprobs: sampling.top_logprobs.filter(|_| sampling.logprobs == Some(true)),
        response_modalities: modalities(request),
        ..wire::GenerationConfig::default()
    };
    if sampling.logit_bias.as_ref().is_some_and(|bias| bias.get() != "{}") {
        warnings.add("logit_bias", "dropped: there is no such setting");
    }
    match &request.output {
        OutputFormat::Text => {}
        OutputFormat::Json => config.response_mime_type = Some(JSON),
        OutputFormat::Schema(schema) => {
            config.response_mime_type = Some(JSON);
            config.response_json_schema = schema.schema.as_ref().map(Json::raw).map(wire::Raw);
            if schema.description.is_some() {
                warnings.add("response_format", "the description of the schema was dropped");
            }
        }
    }
    let reasoning = request.reasoning.as_ref();
    config.thinking_config = reasoning
        .and_then(|reasoning| thinking::config(reasoning, request.protocol, traits.thinking, warnings));
    config
}

/// Google refuses more than the model can.
fn max_output_tokens(sampling: &Sampling, target: &Target<'_>, warnings: &mut Warnings) -> Option<u64> {
    let (asked, limit) = (sampling.max_output_tokens?, target.max_output_tokens);
    if limit > 0 && asked > limit {
        warnings.add("max_tokens", format!("{asked} was lowered to the model's limit of {limit}"));
        return Some(limit);
    }
    Some(asked)
}

fn stop_sequences<'a>(sampling: &'a Sampling, warnings: &mut Warnings) -> &'a [String] {
    if sampling.stop.len() > STOPS_MAX {
        warnings.add("stop", format!("only the first {STOPS_MAX} stop sequences were sent"));
    }
    sampling.stop.get(..STOPS_MAX).unwrap_or(&sampling.stop)
}

fn seed(sampling: &Sampling, warnings: &mut Warnings) -> Option<i32> {
    let seed = sampling.seed?;
    let fitting = i32::try_from(seed).ok();
    if fitting.is_none() {
        warnings.add("seed", format!("{seed} was dropped: it has more than 32 bits"));
    }
    fitting
}

fn candidate_count(sampling: &Sampling, warnings: &mut Warnings) -> Option<u32> {
    let asked = sampling.n.filter(|n| *n > 1)?;
    if asked > ANSWERS_MAX {
        warnings.add("n", format!("{asked} was lowered to {ANSWERS_MAX}"));
    }
    Some(asked.min(ANSWERS_MAX))
}

/// OpenAI's `modalities`, which this protocol has under another name.
fn modalities(request: &ChatRequest) -> Vec<&'static str> {
    let asked = request.extra.iter().find(|field| field.name == "modalities");
    let words: Vec<String> =
        asked.and_then(|field| serde_json::from_str(field.value.get()).ok()).unwrap_or_default();
    let words: Vec<&'static str> = words
        .iter()
        .filter_map(|word| match word.as_str() {
            "text" => Some("TEXT"),
            "image" => Some("IMAGE"),
            "audio" => Some("AUDIO"),
            _ => None,
        })
        .collect();
    if words == ["TEXT"] { Vec::new() } else { words }
}

/// The ordinary tier is what a request gets that names none.
fn service_tier<'a>(request: &'a ChatRequest, warnings: &mut Warnings) -> Option<&'a str> {
    let tier = request.service_tier.as_deref()?;
    match (request.protocol, tier) {
        (Protocol::Gemini, tier) => Some(tier),
        (_, "default" | "standard" | "standard_only" | "auto") => None,
        (_, "flex" | "priority") => Some(tier),
        (_, "fast") => Some("priority"),
        (_, other) => {
            warnings.add("service_tier", format!("{other} was dropped"));
            None
        }
    }
}
