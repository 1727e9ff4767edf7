//! Writing a chat completion request. Messages are written in `encode_messages`.

use super::super::unsaid::{warn_extra, warn_ignored};
use super::super::write::{append_fields, to_json_of};
use super::super::{Encoded, OutputLimit, Target, TranslateError, free_text, unsaid};
use super::encode_messages::MessageWriter;
use super::model::{Kind, kind};
use super::wire;
use crate::ir::{
    ChatRequest, Content, Effort, ExtraField, Json, Message, OutputFormat, Part, Schema, Thinking, Tool,
    ToolChoice, Warnings, WebSearch,
};
use crate::protocol::Protocol;
use crate::structured;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// OpenAI refuses more.
const STOPS_MAX: usize = 4;
/// OpenAI refuses a longer `user`.
const USER_CHARS_MAX: usize = 64;

/// Fields of OpenAI's Responses that its chat has under the same name; what is `text.verbosity` there is read as one.
/// `metadata` is none of them: OpenAI's chat takes it only for what is stored.
const OF_RESPONSES: [&str; 4] =
    ["prompt_cache_key", "prompt_cache_retention", "safety_identifier", "verbosity"];

/// Who reads the request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Server {
    /// OpenAI itself answers 400 to a field it does not know.
    OpenAi,
    /// Compatible servers ignore such fields, or use them.
    Compatible,
}

impl Server {
    /// The newer name of the limit is what tells OpenAI's own endpoint from the others.
    const fn of(target: &Target<'_>) -> Self {
        match target.output_limit {
            OutputLimit::MaxCompletionTokens => Server::OpenAi,
            OutputLimit::MaxTokens => Server::Compatible,
        }
    }
}

/// Writes a request for a target.
pub(in crate::protocol) fn encode_request(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Encoded, TranslateError> {
    if let Some(asked) = asked_in_words(request, target) {
        let mut encoded = encode_request(&asked, target)?;
        let mut warnings = Warnings::new(request.protocol, Protocol::OpenAiChat);
        warnings.add("response_format", "the JSON schema was sent as an instruction, it is not enforced");
        encoded.warnings.extend(warnings.take());
        encoded.is_form_emulated = true;
        return Ok(encoded);
    }
    let mut warnings = Warnings::new(request.protocol, Protocol::OpenAiChat);
    let server = Server::of(target);
    let visible = visible_messages(request, target, &mut warnings);
    let mut writer = MessageWriter {
        warnings: &mut warnings,
        keeps_cache_control: target.takes_cache_control,
        keeps_custom_tools: keeps_custom_tools(request, target),
        // The instructions and the turns; results of tools may be more.
        out: Vec::with_capacity(1 + visible.len()),
    };
    writer.system(&request.system)?;
    for message in visible.iter() {
        writer.message(message)?;
    }
    let messages = writer.out;
    let mut body = wire::Request { model: target.model, messages, ..Default::default() };
    tools(&mut body, request, target, &mut warnings);
    sampling(&mut body, request, target, &mut warnings);
    body.reasoning_effort = reasoning_effort(request, &mut warnings);
    shown_thoughts(request, server, &mut warnings);
    by_model(&mut body, server, &mut warnings);
    body.response_format = response_format(request, &mut warnings);
    body.user = limited_user(request, target, &mut warnings);
    body.service_tier = service_tier(request, &mut warnings);
    match &request.cache_control {
        Some(_) if !target.takes_cache_control => {
            warnings.add("cache_control", "the request's marker was dropped")
        }
        marker => body.cache_control = marker.as_ref().map(Json::raw),
    }
    body.stream = request.stream.then_some(true);
    let asks_for_usage = request.stream && target.takes_stream_options;
    body.stream_options = asks_for_usage.then_some(wire::StreamOptions { include_usage: true });
    let mut body = to_json_of(request, &body);
    if request.is_legacy_functions {
        warnings.add("functions", "sent as tools; the answer has tool_calls");
    }
    leftovers(request, server, &mut body, &mut warnings);
    Ok(Encoded { body, warnings: warnings.take(), is_form_emulated: false })
}

/// The request of a schema, to a model that can only be held to JSON.
fn asked_in_words(request: &ChatRequest, target: &Target<'_>) -> Option<ChatRequest> {
    let OutputFormat::Schema(schema) = &request.output else { return None };
    if target.takes_schema {
        return None;
    }
    let text = structured::instruction(schema.schema.as_ref().map_or("{}", Json::get));
    let mut asked = ChatRequest { output: OutputFormat::Json, ..request.clone() };
    asked.system.push(Part::text(text));
    Some(asked)
}

/// The conversation without the thoughts that the target cannot take. Unsigned ones came from a server that
/// shows its thoughts in `reasoning_content`, and such servers want them back. What another vendor signed is
/// its own affair; a caller of OpenAI's protocol who sends it on gets at least the text across.
fn visible_messages<'a>(
    request: &'a ChatRequest,
    target: &Target<'_>,
    warnings: &mut Warnings,
) -> Cow<'a, [Message]> {
    let is_thought =
        |part: &Part| matches!(part.content, Content::Reasoning { .. } | Content::RedactedReasoning(_));
    if !request.messages.iter().any(|message| message.parts.iter().any(is_thought)) {
        return Cow::Borrowed(&request.messages);
    }
    let mut visible = |part: &Part| {
        if !is_thought(part) {
            return Some(part.clone());
        }
        if !target.takes_unsigned_thoughts {
            warnings.add("thinking", "thoughts of earlier turns were dropped: the provider takes none");
            return None;
        }
        if let Content::Reasoning { text, signature } = &part.content {
            if signature.is_none() {
                return Some(part.clone());
            }
            if request.protocol.is_openai() && !text.is_empty() {
                warnings.add("thinking", "the signature of earlier thoughts was dropped: another vendor's");
                let content = Content::Reasoning { text: text.clone(), signature: None };
                return Some(Part { content, cache_control: None });
            }
        }
        warnings.add("thinking", "signed thoughts of earlier turns were dropped");
        None
    };
    let mut messages = Vec::new();
    for message in &request.messages {
        let parts: Vec<Part> = message.parts.iter().filter_map(&mut visible).collect();
        if !parts.is_empty() || message.parts.is_empty() {
            messages.push(Message { role: message.role, name: message.name.clone(), parts });
        }
    }
    Cow::Owned(messages)
}

fn sampling<'a>(
    body: &mut wire::Request<'a>,
    request: &'a ChatRequest,
    target: &Target<'_>,
    warnings: &mut Warnings,
) {
    let server = Server::of(target);
    let sampling = &request.sampling;
    match target.output_limit {
        OutputLimit::MaxTokens => body.max_tokens = sampling.max_output_tokens,
        OutputLimit::MaxCompletionTokens => body.max_completion_tokens = sampling.max_output_tokens,
    }
    body.temperature = sampling.temperature.map(|temperature| {
        let clamped = temperature.clamp(0.0, 2.0);
        if clamped != temperature {
            warnings.add("temperature", format!("{temperature} was limited to {clamped}"));
        }
        clamped
    });
    body.top_p = sampling.top_p;
    match sampling.top_k {
        Some(_) if server == Server::OpenAi => {
            warnings.add("top_k", "dropped: the provider has no such setting")
        }
        top_k => body.top_k = top_k,
    }
    body.stop = &sampling.stop;
    if server == Server::OpenAi && sampling.stop.len() > STOPS_MAX {
        warnings.add("stop", format!("only the first {STOPS_MAX} stop sequences were kept"));
        body.stop = &sampling.stop[..STOPS_MAX];
    }
    body.seed = sampling.seed;
    body.frequency_penalty = sampling.frequency_penalty;
    body.presence_penalty = sampling.presence_penalty;
    body.logit_bias = sampling.logit_bias.as_ref().map(Json::raw);
    body.logprobs = sampling.logprobs;
    body.top_logprobs = sampling.top_logprobs;
    body.n = sampling.n;
}

fn tools<'a>(
    body: &mut wire::Request<'a>,
    request: &'a ChatRequest,
    target: &Target<'_>,
    warnings: &mut Warnings,
) {
    for tool in &request.tools {
        match tool {
            Tool::Function(tool) => {
                let function = wire::FunctionDefinition {
                    name: &tool.name,
                    description: tool.description.as_deref(),
                    parameters: tool.parameters.as_ref().map(|schema| Cow::Borrowed(schema.raw())),
                    strict: tool.strict,
                };
                let marker = tool.cache_control.as_ref().map(Json::raw);
                if marker.is_some() && !target.takes_cache_control {
                    warnings.add("cache_control", "markers were dropped: the provider takes none");
                }
                let cache_control = marker.filter(|_| target.takes_cache_control);
                body.tools.push(wire::Tool::Known(wire::Definition::Function { function, cache_control }));
            }
            Tool::Custom(tool) if !keeps_custom_tools(request, target) => {
                let function = wire::FunctionDefinition {
                    name: &tool.name,
                    description: tool.description.as_deref(),
                    parameters: Some(Cow::Owned(free_text::schema(tool, warnings))),
                    strict: None,
                };
                body.tools
                    .push(wire::Tool::Known(wire::Definition::Function { function, cache_control: None }));
            }
            Tool::Custom(tool) => {
                let custom = wire::CustomDefinition {
                    name: &tool.name,
                    description: tool.description.as_deref(),
                    format: tool.format.as_ref().map(nested_format),
                };
                body.tools.push(wire::Tool::Known(wire::Definition::Custom { custom }));
            }
            Tool::WebSearch(_) if !target.searches_in_chat => {
                warnings.add("web_search", "dropped: the model does not search in this protocol");
            }
            Tool::WebSearch(search) => body.web_search_options = Some(web_search(search, warnings)),
            Tool::Opaque { protocol: Protocol::OpenAiChat, raw, .. } => {
                body.tools.push(wire::Tool::Raw(raw.raw()));
            }
            Tool::Opaque { kind, name, .. } => {
                warnings.add("tools", format!("tool {name} of type {kind} was dropped"));
            }
        }
    }
    let choice = unsaid::tool_choice(request, Protocol::OpenAiChat, warnings);
    if body.tools.is_empty() {
        // Refused without tools.
        if choice.is_some_and(|choice| !matches!(choice, ToolChoice::Auto | ToolChoice::None)) {
            warnings.add("tool_choice", "dropped: there is no tool to choose");
        }
        return;
    }
    body.tool_choice = choice.map(|choice| tool_choice(choice, request, target));
    body.parallel_tool_calls = request.parallel_tool_calls;
}

/// Whether tools that take free text are sent as such. A caller of this very protocol knows its provider.
fn keeps_custom_tools(request: &ChatRequest, target: &Target<'_>) -> bool {
    target.takes_custom_tools || request.protocol == Protocol::OpenAiChat
}

fn tool_choice<'a>(
    choice: &'a ToolChoice,
    request: &'a ChatRequest,
    target: &Target<'_>,
) -> wire::ToolChoice<'a> {
    let named = |name: &'a String| {
        let is_custom = |tool: &Tool| matches!(tool, Tool::Custom(custom) if custom.name == *name);
        if keeps_custom_tools(request, target) && request.tools.iter().any(is_custom) {
            wire::NamedChoice::Custom { custom: wire::Name { name } }
        } else {
            wire::NamedChoice::Function { function: wire::Name { name } }
        }
    };
    match choice {
        ToolChoice::Auto => wire::ToolChoice::Word("auto"),
        ToolChoice::None => wire::ToolChoice::Word("none"),
        ToolChoice::Required => wire::ToolChoice::Word("required"),
        ToolChoice::Named(name) => wire::ToolChoice::Object(named(name)),
        ToolChoice::Allowed { names, is_required } => {
            let mode = if *is_required { "required" } else { "auto" };
            let tools = names.iter().map(named).collect();
            let allowed_tools = wire::AllowedTools { mode, tools };
            wire::ToolChoice::Object(wire::NamedChoice::AllowedTools { allowed_tools })
        }
    }
}

/// A grammar stands beside its type in the Responses protocol, and in an object of its own here.
fn nested_format(format: &Json) -> Cow<'_, RawValue> {
    #[derive(serde::Deserialize)]
    struct Flat<'a> {
        #[serde(borrow)]
        syntax: &'a RawValue,
        #[serde(borrow)]
        definition: &'a RawValue,
    }
    let flat = serde_json::from_str::<Flat<'_>>(format.get()).ok();
    let nested = flat.and_then(|Flat { syntax, definition }| {
        let text = format!(
            r#"{{"type":"grammar","grammar":{{"syntax":{},"definition":{}}}}}"#,
            syntax.get(),
            definition.get()
        );
        RawValue::from_string(text).ok()
    });
    nested.map_or(Cow::Borrowed(format.raw()), Cow::Owned)
}

fn web_search<'a>(search: &'a WebSearch, warnings: &mut Warnings) -> wire::WebSearchOptions<'a> {
    if search.max_uses.is_some() {
        warnings.add("web_search.max_uses", "the limit on searches was dropped");
    }
    if !search.allowed_domains.is_empty() || !search.blocked_domains.is_empty() {
        warnings.add("web_search.domains", "the lists of domains were dropped");
    }
    let location = search.location.as_ref();
    wire::WebSearchOptions {
        search_context_size: search.context_size.as_deref(),
        user_location: location.map(|approximate| wire::UserLocation { kind: "approximate", approximate }),
    }
}

/// Takes out what OpenAI's model would refuse.
fn by_model(body: &mut wire::Request<'_>, server: Server, warnings: &mut Warnings) {
    match (server, kind(body.model)) {
        (Server::Compatible, _) | (Server::OpenAi, Kind::Unknown) => {}
        (Server::OpenAi, Kind::Plain) => {
            if body.reasoning_effort.take().is_some() {
                warnings.add("thinking", "dropped: this model does not think");
            }
        }
        (Server::OpenAi, Kind::Reasoning) => {
            // One is the default of both: leaving it out says the same.
            for (feature, field) in [("temperature", &mut body.temperature), ("top_p", &mut body.top_p)] {
                if field.take().is_some_and(|number| number != 1.0) {
                    warnings.add(feature, "dropped: this model takes none");
                }
            }
            if !std::mem::take(&mut body.stop).is_empty() {
                warnings.add("stop", "dropped: this model takes no stop sequences");
            }
        }
    }
}

/// Tells that nothing can be asked of how thoughts are shown. Compatible servers show them anyway, which is what a
/// caller of the Responses protocol asks for; OpenAI shows none.
fn shown_thoughts(request: &ChatRequest, server: Server, warnings: &mut Warnings) {
    let is_asked = request.reasoning.as_ref().is_some_and(|reasoning| reasoning.display.is_some());
    if is_asked && !(request.protocol == Protocol::OpenAiResponses && server == Server::Compatible) {
        warnings.add("thinking.display", "dropped: the provider decides what it shows of its thoughts");
    }
}

/// The words OpenAI knows, by the table of `ir::Effort`.
pub(in crate::protocol) fn reasoning_effort(
    request: &ChatRequest,
    warnings: &mut Warnings,
) -> Option<&'static str> {
    let reasoning = request.reasoning.as_ref()?;
    if reasoning.thinking == Some(Thinking::Disabled) {
        warnings.add("thinking", "not every model can be told not to think; its default holds");
        return None;
    }
    let Some(effort) = reasoning.effort else {
        let Some(Thinking::Budget(tokens)) = reasoning.thinking else { return None };
        let word = Effort::of_budget(tokens).as_str();
        warnings.add("thinking.budget_tokens", format!("{tokens} tokens became the effort {word}"));
        return Some(word);
    };
    let is_own = request.protocol.is_openai();
    let sent = match effort {
        // OpenAI's own words, of which every model takes others: those who know the model may say them.
        Effort::None | Effort::ExtraHigh if is_own => effort,
        Effort::None | Effort::Min => Effort::Low,
        Effort::ExtraHigh | Effort::Max => Effort::High,
        Effort::Minimal | Effort::Low | Effort::Medium | Effort::High => effort,
    };
    if sent != effort {
        let detail = format!("{} was sent as {}", effort.as_str(), sent.as_str());
        warnings.add("reasoning_effort", detail);
    }
    Some(sent.as_str())
}

fn response_format<'a>(
    request: &'a ChatRequest,
    warnings: &mut Warnings,
) -> Option<wire::ResponseFormat<'a>> {
    let schema = match &request.output {
        OutputFormat::Text => return None,
        OutputFormat::Json => return Some(wire::ResponseFormat::JsonObject),
        OutputFormat::Schema(schema) => schema,
    };
    let json_schema = wire::JsonSchema {
        name: schema.name.as_deref().unwrap_or("response"),
        description: schema.description.as_deref(),
        schema: schema.schema.as_ref().map(Json::raw),
        strict: strict(request.protocol, schema, warnings),
    };
    Some(wire::ResponseFormat::JsonSchema { json_schema })
}

/// Anthropic always holds the model to the schema; OpenAI does with `strict`, which takes fewer schemas and
/// answers 400 to the others.
pub(in crate::protocol) fn strict(from: Protocol, schema: &Schema, warnings: &mut Warnings) -> Option<bool> {
    match from {
        Protocol::OpenAiChat | Protocol::OpenAiResponses => schema.strict,
        Protocol::AnthropicMessages | Protocol::Gemini | Protocol::BedrockConverse | Protocol::CohereChat => {
            let text = schema.schema.as_ref().map_or("{}", Json::get);
            let fits = serde_json::from_str(text).is_ok_and(|schema| is_strict_schema(&schema));
            if !fits {
                warnings.add("output_config.format", "the schema is asked for, but not enforced");
            }
            fits.then_some(true)
        }
    }
}

/// Whether every object in the schema requires all its properties and allows no others.
/// <https://platform.openai.com/docs/guides/structured-outputs>, read 2026-11-22.
fn is_strict_schema(schema: &Value) -> bool {
    match schema {
        Value::Array(items) => items.iter().all(is_strict_schema),
        Value::Object(fields) => {
            let own = fields.get("properties").and_then(Value::as_object).is_none_or(|properties| {
                let required = fields.get("required").and_then(Value::as_array);
                let is_required =
                    |name: &String| required.is_some_and(|names| names.iter().any(|n| n == name));
                fields.get("additionalProperties") == Some(&Value::Bool(false))
                    && properties.keys().all(is_required)
            });
            own && fields.values().all(is_strict_schema)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// The end user, in no more characters than OpenAI takes.
pub(in crate::protocol) fn limited_user<'a>(
    request: &'a ChatRequest,
    target: &Target<'_>,
    warnings: &mut Warnings,
) -> Option<Cow<'a, str>> {
    let user = request.user.as_deref()?;
    if Server::of(target) == Server::Compatible || user.chars().count() <= USER_CHARS_MAX {
        return Some(Cow::Borrowed(user));
    }
    warnings.add("user", format!("cut to {USER_CHARS_MAX} characters"));
    Some(Cow::Owned(user.chars().take(USER_CHARS_MAX).collect()))
}

/// The word for a tier of service in either of OpenAI's protocols.
pub(in crate::protocol) fn service_tier<'a>(
    request: &'a ChatRequest,
    warnings: &mut Warnings,
) -> Option<&'a str> {
    let tier = request.service_tier.as_deref()?;
    match (request.protocol, tier) {
        (Protocol::OpenAiChat | Protocol::OpenAiResponses, tier) => Some(tier),
        (Protocol::Gemini, "standard") => Some("default"),
        (Protocol::BedrockConverse, tier @ ("default" | "flex" | "priority")) => Some(tier),
        (Protocol::Gemini, tier @ ("flex" | "priority")) => Some(tier),
        (Protocol::AnthropicMessages, "auto") => Some("auto"),
        (Protocol::AnthropicMessages, "standard_only") => Some("default"),
        // What a model's name asks for (`:flex`); Anthropic has no such words.
        (Protocol::AnthropicMessages, tier @ ("flex" | "priority")) => Some(tier),
        (
            Protocol::AnthropicMessages | Protocol::Gemini | Protocol::BedrockConverse | Protocol::CohereChat,
            other,
        ) => {
            warnings.add("service_tier", format!("{other} was dropped"));
            None
        }
    }
}

/// What the request carries beside what is understood. Other servers than OpenAI's may refuse a field that they do not
/// know.
fn leftovers(request: &ChatRequest, server: Server, body: &mut Vec<u8>, warnings: &mut Warnings) {
    match (request.protocol, server) {
        (Protocol::OpenAiChat, _) => append_fields(body, &request.extra),
        (Protocol::OpenAiResponses, Server::OpenAi) => {
            let is_known = |field: &&ExtraField| OF_RESPONSES.contains(&field.name.as_str());
            let carried: Vec<ExtraField> = request.extra.iter().filter(is_known).cloned().collect();
            append_fields(body, &carried);
            warn_extra(request, &OF_RESPONSES, warnings);
        }
        (Protocol::OpenAiResponses, Server::Compatible)
        | (
            Protocol::AnthropicMessages | Protocol::Gemini | Protocol::BedrockConverse | Protocol::CohereChat,
            _,
        ) => {
            warn_extra(request, &[], warnings);
        }
    }
    warn_ignored(&request.ignored, warnings);
}
