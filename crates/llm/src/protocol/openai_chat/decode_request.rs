//! Reading a chat completion request.
//!
//! <https://platform.openai.com/docs/api-reference/chat/create>, read 2026-11-22, and the fields that other
//! servers and clients add to it. Messages are read in `decode_messages`.

use super::super::TranslateError;
use super::super::fields::{Fields, Kind, invalid, kind, objects, read, text};
use super::decode_messages::messages;
use crate::ir::Json;
use crate::ir::{
    ChatRequest, CustomTool, Effort, FunctionTool, Location, OutputFormat, Reasoning, Sampling, Schema,
    Thinking, Tool, ToolChoice, WebSearch,
};
use crate::protocol::Protocol;
use serde_json::value::RawValue;

/// Our own objects in a request; they are never forwarded.
const OWN_FIELDS: [&str; 2] = ["requesty", "signalbox"];

/// Reads a request.
pub(in crate::protocol) fn decode_request(body: &[u8]) -> Result<ChatRequest, TranslateError> {
    let mut fields = Fields::of_body(body)?;
    let mut ignored = Vec::new();
    let mut request = ChatRequest::new(Protocol::OpenAiChat, fields.string("model")?.unwrap_or_default());
    for own in OWN_FIELDS {
        fields.raw(own);
    }
    messages(&mut fields, &mut request, &mut ignored)?;
    request.stream = fields.get("stream")?.unwrap_or(false);
    if let Some(mut options) = fields.object("stream_options")? {
        request.include_usage = options.get("include_usage")?.unwrap_or(false);
        options.finish(&mut ignored);
    }
    request.tools = tools(&mut fields, &mut ignored)?;
    request.tool_choice = tool_choice(&mut fields, &mut ignored)?;
    legacy_functions(&mut fields, &mut request, &mut ignored)?;
    request.parallel_tool_calls = fields.get("parallel_tool_calls")?;
    request.output = output(&mut fields, &mut ignored)?;
    request.reasoning = reasoning(&mut fields, &mut ignored)?;
    request.sampling = sampling(&mut fields)?;
    request.user = fields.string("user")?;
    request.service_tier = fields.string("service_tier")?;
    request.cache_control = fields.json("cache_control");
    request.extra = fields.into_extra();
    request.ignored = ignored;
    Ok(request)
}

fn sampling(fields: &mut Fields<'_>) -> Result<Sampling, TranslateError> {
    let older = fields.count("max_tokens")?;
    Ok(Sampling {
        max_output_tokens: fields.count("max_completion_tokens")?.or(older),
        temperature: fields.get("temperature")?,
        top_p: fields.get("top_p")?,
        top_k: fields.count("top_k")?,
        stop: stop(fields)?,
        seed: fields.get("seed")?,
        frequency_penalty: fields.get("frequency_penalty")?,
        presence_penalty: fields.get("presence_penalty")?,
        logit_bias: fields.json("logit_bias"),
        logprobs: fields.get("logprobs")?,
        top_logprobs: fields.count("top_logprobs")?,
        n: fields.get("n")?,
    })
}

fn stop(fields: &mut Fields<'_>) -> Result<Vec<String>, TranslateError> {
    let Some(raw) = fields.raw("stop") else { return Ok(Vec::new()) };
    match kind(raw) {
        Kind::String => Ok(vec![text("stop", raw)?.into_owned()]),
        Kind::Array | Kind::Object | Kind::Other => read("stop", raw),
    }
}

fn output(fields: &mut Fields<'_>, ignored: &mut Vec<String>) -> Result<OutputFormat, TranslateError> {
    let Some(mut format) = fields.object("response_format")? else { return Ok(OutputFormat::Text) };
    let output = match format.required_string("type")?.as_str() {
        "text" => OutputFormat::Text,
        "json_object" => OutputFormat::Json,
        "json_schema" => {
            let mut schema = format.object("json_schema")?.ok_or_else(|| format.missing("json_schema"))?;
            let read = Schema {
                name: schema.string("name")?,
                description: schema.string("description")?,
                schema: schema.json("schema"),
                strict: schema.get("strict")?,
            };
            schema.finish(ignored);
            OutputFormat::Schema(read)
        }
        other => {
            return Err(invalid("response_format.type", format!("unknown format `{other}`")));
        }
    };
    format.finish(ignored);
    Ok(output)
}

/// The four ways to ask for thinking: `thinking` (Anthropic's object), `reasoning` (OpenRouter's object),
/// `reasoning_effort` with a word, and with a number of tokens.
fn reasoning(
    fields: &mut Fields<'_>,
    ignored: &mut Vec<String>,
) -> Result<Option<Reasoning>, TranslateError> {
    let effort = match fields.raw("reasoning_effort") {
        Some(raw) => Some(effort("reasoning_effort", raw)?),
        None => None,
    };
    let mut reasoning = effort.unwrap_or_default();
    let mut is_given = reasoning != Reasoning::default();
    if let Some(mut object) = fields.object("reasoning")? {
        is_given = true;
        reasoning_object(&mut object, &mut reasoning)?;
        object.finish(ignored);
    }
    if let Some(mut object) = fields.object("thinking")? {
        is_given = true;
        let (thinking, display) = thinking_object(&mut object)?;
        reasoning.thinking = Some(thinking);
        reasoning.display = display.or(reasoning.display);
        object.finish(ignored);
    }
    Ok(is_given.then_some(reasoning))
}

/// Reads an effort: a word, or a number of tokens.
pub(in crate::protocol) fn effort(path: &str, raw: &RawValue) -> Result<Reasoning, TranslateError> {
    let word = match kind(raw) {
        Kind::String => text(path, raw)?.into_owned(),
        Kind::Array | Kind::Object | Kind::Other => raw.get().to_owned(),
    };
    if let Some(effort) = Effort::parse(&word) {
        return Ok(Reasoning { thinking: Some(Thinking::Adaptive), effort: Some(effort), display: None });
    }
    match word.parse() {
        Ok(tokens) => Ok(Reasoning { thinking: Some(Thinking::Budget(tokens)), ..Reasoning::default() }),
        Err(_) => {
            let words = "none, min, minimal, low, medium, high, xhigh, max";
            Err(invalid(path, format!("expected {words} or a number of tokens, got `{word}`")))
        }
    }
}

fn reasoning_object(object: &mut Fields<'_>, into: &mut Reasoning) -> Result<(), TranslateError> {
    if let Some(raw) = object.raw("effort") {
        *into = effort(&object.path("effort"), raw)?;
    }
    if let Some(tokens) = object.count("max_tokens")? {
        into.thinking = Some(Thinking::Budget(tokens));
    }
    match object.get("enabled")? {
        Some(true) => into.thinking = into.thinking.or(Some(Thinking::Adaptive)),
        Some(false) => into.thinking = Some(Thinking::Disabled),
        None => {}
    }
    if object.get("exclude")? == Some(true) {
        into.display = Some("omitted".to_owned());
    }
    Ok(())
}

/// Reads Anthropic's `thinking` object.
pub(in crate::protocol) fn thinking_object(
    object: &mut Fields<'_>,
) -> Result<(Thinking, Option<String>), TranslateError> {
    let thinking = match object.required_string("type")?.as_str() {
        "enabled" => match object.count("budget_tokens")? {
            Some(tokens) => Thinking::Budget(tokens),
            None => Thinking::Adaptive,
        },
        "adaptive" => Thinking::Adaptive,
        "disabled" => Thinking::Disabled,
        other => {
            let expected = format!("expected enabled, adaptive or disabled, got `{other}`");
            return Err(invalid(&object.path("type"), expected));
        }
    };
    Ok((thinking, object.string("display")?))
}

fn tools(fields: &mut Fields<'_>, ignored: &mut Vec<String>) -> Result<Vec<Tool>, TranslateError> {
    let mut tools = Vec::new();
    if let Some(raw) = fields.raw("tools") {
        let items: Vec<&RawValue> = read("tools", raw)?;
        for (item, object) in items.iter().zip(objects("tools", raw)?) {
            tools.push(tool(object, item, ignored)?);
        }
    }
    if let Some(options) = fields.object("web_search_options")? {
        // Both ways to ask for the same search are one search.
        tools.retain(|tool| !matches!(tool, Tool::WebSearch(_)));
        tools.push(Tool::WebSearch(web_search(options, ignored)?));
    }
    Ok(tools)
}

fn tool(mut object: Fields<'_>, raw: &RawValue, ignored: &mut Vec<String>) -> Result<Tool, TranslateError> {
    let kind = object.string("type")?.unwrap_or_else(|| "function".to_owned());
    match kind.as_str() {
        "function" => {
            let cache_control = object.json("cache_control");
            // The Responses API's flat form is a common slip.
            let tool = match object.object("function")? {
                Some(function) => {
                    object.finish(ignored);
                    function_tool(function, cache_control, ignored)?
                }
                None => function_tool(object, cache_control, ignored)?,
            };
            Ok(Tool::Function(tool))
        }
        "custom" => {
            let mut custom = object.object("custom")?.ok_or_else(|| object.missing("custom"))?;
            object.finish(ignored);
            let tool = CustomTool {
                name: custom.required_string("name")?,
                description: custom.string("description")?,
                format: custom.json("format"),
            };
            custom.finish(ignored);
            Ok(Tool::Custom(tool))
        }
        word if word.starts_with("web_search") => Ok(Tool::WebSearch(web_search(object, ignored)?)),
        _ => {
            let name = object.string("name")?.unwrap_or_else(|| kind.clone());
            Ok(Tool::Opaque { protocol: Protocol::OpenAiChat, kind, name, raw: Json::from(raw) })
        }
    }
}

fn function_tool(
    mut function: Fields<'_>,
    cache_control: Option<Json>,
    ignored: &mut Vec<String>,
) -> Result<FunctionTool, TranslateError> {
    let tool = FunctionTool {
        name: function.required_string("name")?,
        description: function.string("description")?,
        parameters: function.json("parameters"),
        strict: function.get("strict")?,
        cache_control: cache_control.or(function.json("cache_control")),
    };
    function.finish(ignored);
    Ok(tool)
}

/// Reads a web search tool of either protocol; OpenAI nests the location once more than Anthropic.
pub(in crate::protocol) fn web_search(
    mut object: Fields<'_>,
    ignored: &mut Vec<String>,
) -> Result<WebSearch, TranslateError> {
    object.raw("name");
    let mut search = WebSearch {
        max_uses: object.count("max_uses")?,
        allowed_domains: object.get("allowed_domains")?.unwrap_or_default(),
        blocked_domains: object.get("blocked_domains")?.unwrap_or_default(),
        location: None,
        context_size: object.string("search_context_size")?,
        cache_control: object.json("cache_control"),
    };
    if let Some(mut filters) = object.object("filters")? {
        search.allowed_domains = filters.get("allowed_domains")?.unwrap_or(search.allowed_domains);
        filters.finish(ignored);
    }
    if let Some(mut location) = object.object("user_location")? {
        location.raw("type");
        let mut inner = match location.object("approximate")? {
            Some(inner) => {
                location.finish(ignored);
                inner
            }
            None => location,
        };
        search.location = Some(Location {
            city: inner.string("city")?,
            region: inner.string("region")?,
            country: inner.string("country")?,
            timezone: inner.string("timezone")?,
        });
        inner.finish(ignored);
    }
    object.finish(ignored);
    Ok(search)
}

fn tool_choice(
    fields: &mut Fields<'_>,
    ignored: &mut Vec<String>,
) -> Result<Option<ToolChoice>, TranslateError> {
    let Some(raw) = fields.raw("tool_choice") else { return Ok(None) };
    let path = "tool_choice";
    if kind(raw) == Kind::String {
        return match text(path, raw)?.as_ref() {
            "none" => Ok(Some(ToolChoice::None)),
            "auto" => Ok(Some(ToolChoice::Auto)),
            "required" | "any" => Ok(Some(ToolChoice::Required)),
            other => Err(invalid(path, format!("expected none, auto, required or an object, got `{other}`"))),
        };
    }
    let mut object = Fields::new(path.to_owned(), raw)?;
    let choice = match object.required_string("type")?.as_str() {
        key @ ("function" | "custom") => {
            let mut inner = object.object(key)?.ok_or_else(|| object.missing(key))?;
            ToolChoice::Named(inner.required_string("name")?)
        }
        "allowed_tools" => {
            let mut inner = object.object("allowed_tools")?.ok_or_else(|| object.missing("allowed_tools"))?;
            let mut names = Vec::new();
            for mut tool in inner.objects("tools")? {
                let key = tool.required_string("type")?;
                let name = tool.object(&key)?.map(|mut tool| tool.required_string("name")).transpose()?;
                names.push(name.unwrap_or(key));
            }
            ToolChoice::Allowed { names, is_required: inner.string("mode")?.as_deref() == Some("required") }
        }
        other if other.starts_with("web_search") => ToolChoice::Named("web_search".to_owned()),
        other => return Err(invalid("tool_choice.type", format!("unknown type `{other}`"))),
    };
    object.finish(ignored);
    Ok(Some(choice))
}

/// `functions` and `function_call`, replaced by `tools` and `tool_choice` in 2023 and still sent.
fn legacy_functions(
    fields: &mut Fields<'_>,
    request: &mut ChatRequest,
    ignored: &mut Vec<String>,
) -> Result<(), TranslateError> {
    for function in fields.objects("functions")? {
        request.is_legacy_functions = true;
        request.tools.push(Tool::Function(function_tool(function, None, ignored)?));
    }
    let Some(raw) = fields.raw("function_call") else { return Ok(()) };
    let path = "function_call";
    request.tool_choice = Some(if kind(raw) == Kind::String {
        match text(path, raw)?.as_ref() {
            "none" => ToolChoice::None,
            "auto" => ToolChoice::Auto,
            other => return Err(invalid(path, format!("expected none, auto or an object, got `{other}`"))),
        }
    } else {
        ToolChoice::Named(Fields::new(path.to_owned(), raw)?.required_string("name")?)
    });
    Ok(())
}
