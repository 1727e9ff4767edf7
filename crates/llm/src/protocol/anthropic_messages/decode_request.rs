//! Reading a Messages request.
//!
//! <https://platform.claude.com/docs/en/api/messages>, read 2026-11-22.

use super::super::TranslateError;
use super::super::fields::{Fields, each_object, invalid, objects, read};
use super::super::openai_chat::{thinking_object, web_search};
use super::decode_content::content;
use crate::ir::{
    ChatRequest, Effort, FunctionTool, Json, Message, OutputFormat, Reasoning, Role, Sampling, Schema, Tool,
    ToolChoice,
};
use crate::protocol::Protocol;
use serde_json::value::RawValue;

/// Our own objects in a request; they are never forwarded.
const OWN_FIELDS: [&str; 2] = ["requesty", "signalbox"];

/// Reads a request.
pub(in crate::protocol) fn decode_request(body: &[u8]) -> Result<ChatRequest, TranslateError> {
    let mut fields = Fields::of_body(body)?;
    let mut ignored = Vec::new();
    let mut request = ChatRequest::new(Protocol::AnthropicMessages, fields.required_string("model")?);
    for own in OWN_FIELDS {
        fields.raw(own);
    }
    if let Some(raw) = fields.raw("system") {
        request.system = content("system", raw, &mut ignored)?;
    }
    let raw = fields.required("messages")?;
    let all = each_object("messages", raw)?;
    request.messages.reserve_exact(all.len());
    for message in all {
        request.messages.push(read_message(message?, &mut ignored)?);
    }
    request.tools = tools(&mut fields, &mut ignored)?;
    tool_choice(&mut fields, &mut request, &mut ignored)?;
    output_and_reasoning(&mut fields, &mut request, &mut ignored)?;
    request.sampling = Sampling {
        max_output_tokens: fields.count("max_tokens")?,
        temperature: fields.get("temperature")?,
        top_p: fields.get("top_p")?,
        top_k: fields.count("top_k")?,
        stop: fields.get("stop_sequences")?.unwrap_or_default(),
        ..Sampling::default()
    };
    request.stream = fields.get("stream")?.unwrap_or(false);
    if let Some(mut metadata) = fields.object("metadata")? {
        request.user = metadata.string("user_id")?;
        metadata.finish(&mut ignored);
    }
    request.service_tier = fields.string("service_tier")?;
    request.cache_control = fields.json("cache_control");
    request.extra = fields.into_extra();
    request.ignored = ignored;
    Ok(request)
}

fn read_message(mut message: Fields<'_>, ignored: &mut Vec<String>) -> Result<Message, TranslateError> {
    let role = match message.required_string("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => return Err(invalid(&message.path("role"), format!("unknown role `{other}`"))),
    };
    let path = message.path("content");
    let parts = content(&path, message.required("content")?, ignored)?;
    message.finish(ignored);
    Ok(Message { role, parts, name: None })
}

fn tools(fields: &mut Fields<'_>, ignored: &mut Vec<String>) -> Result<Vec<Tool>, TranslateError> {
    let Some(raw) = fields.raw("tools") else { return Ok(Vec::new()) };
    let items: Vec<&RawValue> = read("tools", raw)?;
    items.iter().zip(objects("tools", raw)?).map(|(item, object)| tool(object, item, ignored)).collect()
}

fn tool(mut object: Fields<'_>, raw: &RawValue, ignored: &mut Vec<String>) -> Result<Tool, TranslateError> {
    let kind = object.string("type")?.unwrap_or_else(|| "custom".to_owned());
    match kind.as_str() {
        "custom" | "function" => {
            let tool = FunctionTool {
                name: object.required_string("name")?,
                description: object.string("description")?,
                parameters: object.json("input_schema"),
                strict: object.get("strict")?,
                cache_control: object.json("cache_control"),
            };
            object.finish(ignored);
            Ok(Tool::Function(tool))
        }
        word if word.starts_with("web_search") => Ok(Tool::WebSearch(web_search(object, ignored)?)),
        _ => {
            let name = object.string("name")?.unwrap_or_else(|| kind.clone());
            Ok(Tool::Opaque { protocol: Protocol::AnthropicMessages, kind, name, raw: Json::from(raw) })
        }
    }
}

fn tool_choice(
    fields: &mut Fields<'_>,
    request: &mut ChatRequest,
    ignored: &mut Vec<String>,
) -> Result<(), TranslateError> {
    let Some(mut object) = fields.object("tool_choice")? else { return Ok(()) };
    request.tool_choice = Some(match object.required_string("type")?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(object.required_string("name")?),
        other => {
            let message = format!("expected auto, any, tool or none, got `{other}`");
            return Err(invalid("tool_choice.type", message));
        }
    });
    request.parallel_tool_calls = object.get("disable_parallel_tool_use")?.map(|disabled: bool| !disabled);
    object.finish(ignored);
    Ok(())
}

fn output_and_reasoning(
    fields: &mut Fields<'_>,
    request: &mut ChatRequest,
    ignored: &mut Vec<String>,
) -> Result<(), TranslateError> {
    let mut reasoning = Reasoning::default();
    if let Some(mut thinking) = fields.object("thinking")? {
        let (read, display) = thinking_object(&mut thinking)?;
        reasoning = Reasoning { thinking: Some(read), effort: None, display };
        thinking.finish(ignored);
    }
    // The older name of `output_config.format`.
    let mut format = fields.object("output_format")?;
    if let Some(mut config) = fields.object("output_config")? {
        if let Some(word) = config.string("effort")? {
            let effort = Effort::parse(&word)
                .ok_or_else(|| invalid("output_config.effort", format!("unknown effort `{word}`")))?;
            reasoning.effort = Some(effort);
        }
        format = config.object("format")?.or(format);
        config.finish(ignored);
    }
    if reasoning != Reasoning::default() {
        request.reasoning = Some(reasoning);
    }
    let Some(mut format) = format else { return Ok(()) };
    match format.required_string("type")?.as_str() {
        "json_schema" => {
            let schema = format.json("schema");
            request.output =
                OutputFormat::Schema(Schema { name: None, description: None, schema, strict: None });
        }
        other => return Err(invalid(&format.path("type"), format!("unknown format `{other}`"))),
    }
    format.finish(ignored);
    Ok(())
}
