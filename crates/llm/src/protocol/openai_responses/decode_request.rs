//! Reading a request. Its items are read in `decode_items`.
//!
//! <https://developers.openai.com/api/reference/resources/responses/methods/create>, read 2026-11-26. Fields that only
//! this protocol knows stay `extra`: among them those that point to what a provider keeps.

use super::super::TranslateError;
use super::super::fields::{Fields, Kind, invalid, kind, objects, read, text};
use super::super::openai_chat::{effort, web_search};
use super::decode_items::input;
use crate::ir::{
    ChatRequest, CustomTool, ExtraField, FunctionTool, Json, OutputFormat, Part, Reasoning, Sampling, Schema,
    Tool, ToolChoice,
};
use crate::protocol::Protocol;
use serde_json::value::RawValue;

/// Our own objects in a request; they are never forwarded.
const OWN_FIELDS: [&str; 2] = ["requesty", "signalbox"];
/// `include` of what other fields say already, or what is always given.
const LOGPROBS: &str = "message.output_text.logprobs";
const ENCRYPTED: &str = "reasoning.encrypted_content";

/// Reads a request.
pub(in crate::protocol) fn decode_request(body: &[u8]) -> Result<ChatRequest, TranslateError> {
    let mut fields = Fields::of_body(body)?;
    let mut ignored = Vec::new();
    let model = fields.string("model")?.unwrap_or_default();
    let mut request = ChatRequest::new(Protocol::OpenAiResponses, model);
    for own in OWN_FIELDS {
        fields.raw(own);
    }
    if let Some(instructions) = fields.string("instructions")?.filter(|text| !text.is_empty()) {
        request.system.push(Part::text(instructions));
    }
    input(&mut fields, &mut request, &mut ignored)?;
    request.stream = fields.get("stream")?.unwrap_or(false);
    // Padding against eavesdroppers, which no translated stream has.
    fields.raw("stream_options");
    request.tools = tools(&mut fields, &mut ignored)?;
    request.tool_choice = tool_choice(&mut fields, &mut ignored)?;
    request.parallel_tool_calls = fields.get("parallel_tool_calls")?;
    request.reasoning = reasoning(&mut fields, &mut ignored)?;
    request.sampling = Sampling {
        max_output_tokens: fields.count("max_output_tokens")?,
        temperature: fields.get("temperature")?,
        top_p: fields.get("top_p")?,
        top_logprobs: fields.count("top_logprobs")?,
        ..Sampling::default()
    };
    request.user = fields.string("user")?;
    request.service_tier = fields.string("service_tier")?;
    let include = include(&mut fields, &mut request)?;
    let verbosity = output(&mut fields, &mut request, &mut ignored)?;
    request.extra = fields.into_extra();
    request.extra.extend(include);
    request.extra.extend(verbosity);
    request.ignored = ignored;
    Ok(request)
}

/// Reads `include`; what no other field says is handed back.
fn include(fields: &mut Fields<'_>, request: &mut ChatRequest) -> Result<Option<ExtraField>, TranslateError> {
    let mut values: Vec<String> = fields.get("include")?.unwrap_or_default();
    if values.iter().any(|value| value == LOGPROBS) {
        request.sampling.logprobs = Some(true);
    }
    values.retain(|value| value != LOGPROBS && value != ENCRYPTED);
    let field = |value| ExtraField { name: "include".to_owned(), value };
    let json = serde_json::to_string(&values).ok().filter(|_| !values.is_empty());
    Ok(json.and_then(|text| Json::parse(&text)).map(field))
}

/// Reads `text`: the form of the answer, and its verbosity, which the chat protocol has at the top.
fn output(
    fields: &mut Fields<'_>,
    request: &mut ChatRequest,
    ignored: &mut Vec<String>,
) -> Result<Option<ExtraField>, TranslateError> {
    let Some(mut object) = fields.object("text")? else { return Ok(None) };
    let verbosity = object.json("verbosity").map(|value| ExtraField { name: "verbosity".to_owned(), value });
    if let Some(mut format) = object.object("format")? {
        request.output = match format.required_string("type")?.as_str() {
            "text" => OutputFormat::Text,
            "json_object" => OutputFormat::Json,
            "json_schema" => OutputFormat::Schema(Schema {
                name: format.string("name")?,
                description: format.string("description")?,
                schema: format.json("schema"),
                strict: format.get("strict")?,
            }),
            other => return Err(invalid("text.format.type", format!("unknown format `{other}`"))),
        };
        format.finish(ignored);
    }
    object.finish(ignored);
    Ok(verbosity)
}

fn reasoning(
    fields: &mut Fields<'_>,
    ignored: &mut Vec<String>,
) -> Result<Option<Reasoning>, TranslateError> {
    let Some(mut object) = fields.object("reasoning")? else { return Ok(None) };
    let mut reasoning = match object.raw("effort") {
        Some(raw) => effort("reasoning.effort", raw)?,
        None => Reasoning::default(),
    };
    let older = object.string("generate_summary")?;
    reasoning.display = object.string("summary")?.or(older);
    object.finish(ignored);
    Ok((reasoning != Reasoning::default()).then_some(reasoning))
}

fn tools(fields: &mut Fields<'_>, ignored: &mut Vec<String>) -> Result<Vec<Tool>, TranslateError> {
    let Some(raw) = fields.raw("tools") else { return Ok(Vec::new()) };
    let items: Vec<&RawValue> = read("tools", raw)?;
    items.iter().zip(objects("tools", raw)?).map(|(item, object)| tool(object, item, ignored)).collect()
}

fn tool(mut object: Fields<'_>, raw: &RawValue, ignored: &mut Vec<String>) -> Result<Tool, TranslateError> {
    let kind = object.required_string("type")?;
    let tool = match kind.as_str() {
        "function" => Tool::Function(FunctionTool {
            name: object.required_string("name")?,
            description: object.string("description")?,
            parameters: object.json("parameters"),
            strict: object.get("strict")?,
            cache_control: None,
        }),
        "custom" => Tool::Custom(CustomTool {
            name: object.required_string("name")?,
            description: object.string("description")?,
            format: object.json("format"),
        }),
        word if word.starts_with("web_search") => {
            return Ok(Tool::WebSearch(web_search(object, ignored)?));
        }
        _ => {
            let name = object.string("name")?.unwrap_or_else(|| kind.clone());
            return Ok(Tool::Opaque {
                protocol: Protocol::OpenAiResponses,
                kind,
                name,
                raw: Json::from(raw),
            });
        }
    };
    object.finish(ignored);
    Ok(tool)
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
            "required" => Ok(Some(ToolChoice::Required)),
            other => Err(invalid(path, format!("expected none, auto, required or an object, got `{other}`"))),
        };
    }
    let mut object = Fields::new(path.to_owned(), raw)?;
    let choice = match object.required_string("type")?.as_str() {
        "function" | "custom" => ToolChoice::Named(object.required_string("name")?),
        "allowed_tools" => {
            let mut names = Vec::new();
            for mut tool in object.objects("tools")? {
                let kind = tool.required_string("type")?;
                names.push(name_of(&mut tool, kind)?);
            }
            let is_required = object.string("mode")?.as_deref() == Some("required");
            ToolChoice::Allowed { names, is_required }
        }
        hosted => ToolChoice::Named(name_of(&mut object, hosted.to_owned())?),
    };
    object.finish(ignored);
    Ok(Some(choice))
}

/// What a tool is called: those that the provider runs by their kind.
fn name_of(tool: &mut Fields<'_>, kind: String) -> Result<String, TranslateError> {
    if kind.starts_with("web_search") {
        return Ok("web_search".to_owned());
    }
    let name = tool.string("name")?;
    // A server of tools is chosen by its label, and its tool by its name: the tool on offer is the server.
    Ok(if kind == "mcp" { kind } else { name.unwrap_or(kind) })
}
