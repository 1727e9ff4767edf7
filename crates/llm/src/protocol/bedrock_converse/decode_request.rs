//! Reading a Converse request.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html> and the model of the service in botocore
//! (`data/bedrock-runtime/2023-09-30/service-2.json`, 1.44.8), read 2026-11-26. `additionalModelRequestFields` has what only some
//! vendors' models take; what is written there by `encode_request` is understood here.

use super::super::TranslateError;
use super::super::fields::{Fields, invalid, read};
use super::super::openai_chat::thinking_object;
use super::super::write::append_fields;
use super::decode_content::{ContentReader, cache_marker};
use crate::ir::{
    ChatRequest, Effort, ExtraField, FunctionTool, Json, OutputFormat, Reasoning, Sampling, Schema, Thinking,
    Tool, ToolChoice,
};
use crate::protocol::Protocol;
use serde_json::value::RawValue;

/// Our own objects in a request, and what is for logs alone, which the gateway writes down itself; they are never forwarded.
const OWN_FIELDS: [&str; 3] = ["requesty", "signalbox", "requestMetadata"];
/// The object of what only some models take.
pub(super) const ADDITIONAL: &str = "additionalModelRequestFields";

/// Reads a request. Its model is empty where only the address names it.
pub(in crate::protocol) fn decode_request(body: &[u8]) -> Result<ChatRequest, TranslateError> {
    let mut fields = Fields::of_body(body)?;
    let mut ignored = Vec::new();
    let model = fields.string("model")?.unwrap_or_default();
    let mut request = ChatRequest::new(Protocol::BedrockConverse, model);
    for own in OWN_FIELDS {
        fields.raw(own);
    }
    let mut reader = ContentReader { ignored: &mut ignored };
    if let Some(raw) = fields.raw("system") {
        request.system = reader.system(raw)?;
    }
    request.messages = reader.messages(fields.required("messages")?)?;
    if let Some(config) = fields.object("toolConfig")? {
        tool_config(config, &mut request, &mut ignored)?;
    }
    if let Some(config) = fields.object("inferenceConfig")? {
        request.sampling = inference_config(config, &mut ignored)?;
    }
    let mut reasoning = Reasoning::default();
    if let Some(config) = fields.object("outputConfig")? {
        output_config(config, &mut request, &mut reasoning, &mut ignored)?;
    }
    if let Some(additional) = fields.object(ADDITIONAL)? {
        request.extra.extend(additional_fields(additional, &mut request.sampling, &mut reasoning)?);
    }
    request.reasoning = Some(reasoning).filter(|reasoning| *reasoning != Reasoning::default());
    if let Some(mut tier) = fields.object("serviceTier")? {
        request.service_tier = Some(tier.required_string("type")?);
        tier.finish(&mut ignored);
    }
    // How fast it is anyway, and what is always told.
    let is_ordinary = |field: &ExtraField| match field.name.as_str() {
        "performanceConfig" => field.value.get().contains("\"standard\""),
        "additionalModelResponseFieldPaths" => {
            serde_json::from_str::<[&str; 1]>(field.value.get()).is_ok_and(|[path]| path == "/stop_sequence")
        }
        _ => false,
    };
    request.extra.extend(fields.into_extra().into_iter().filter(|field| !is_ordinary(field)));
    request.ignored = ignored;
    Ok(request)
}

/// Refuses what only Bedrock can do and nobody may miss without a word: an answer that no guardrail has looked at.
pub(in crate::protocol) fn refuse_state(request: &ChatRequest) -> Result<(), TranslateError> {
    if request.extra.iter().any(|field| field.name == "guardrailConfig") {
        let message = "a guardrail of Amazon Bedrock cannot be applied: this model's provider is another one";
        return Err(invalid("guardrailConfig", message));
    }
    Ok(())
}

fn tool_config(
    mut config: Fields<'_>,
    request: &mut ChatRequest,
    ignored: &mut Vec<String>,
) -> Result<(), TranslateError> {
    let path = config.path("tools");
    let items: Vec<&RawValue> = match config.raw("tools") {
        Some(raw) => read(&path, raw)?,
        None => Vec::new(),
    };
    for (at, item) in items.into_iter().enumerate() {
        let mut object = Fields::new(format!("{path}[{at}]"), item)?;
        if let Some(point) = object.object("cachePoint")? {
            let marker = cache_marker(point, ignored)?;
            if let Some(Tool::Function(last)) = request.tools.last_mut() {
                last.cache_control = marker;
            }
        } else if let Some(tool) = object.object("toolSpec")? {
            request.tools.push(Tool::Function(function_tool(tool, ignored)?));
        } else {
            request.tools.push(opaque(object, item)?);
        }
    }
    if let Some(mut choice) = config.object("toolChoice")? {
        request.tool_choice = if let Some(mut named) = choice.object("tool")? {
            Some(ToolChoice::Named(named.required_string("name")?))
        } else if choice.raw("any").is_some() {
            Some(ToolChoice::Required)
        } else {
            choice.raw("auto").map(|_| ToolChoice::Auto)
        };
        choice.finish(ignored);
    }
    config.finish(ignored);
    Ok(())
}

fn function_tool(mut tool: Fields<'_>, ignored: &mut Vec<String>) -> Result<FunctionTool, TranslateError> {
    let mut parameters = None;
    if let Some(mut schema) = tool.object("inputSchema")? {
        parameters = schema.json("json");
        schema.finish(ignored);
    }
    let function = FunctionTool {
        name: tool.required_string("name")?,
        description: tool.string("description")?,
        parameters,
        strict: tool.get("strict")?,
        cache_control: None,
    };
    tool.finish(ignored);
    Ok(function)
}

/// A tool that Bedrock itself runs.
fn opaque(mut object: Fields<'_>, raw: &RawValue) -> Result<Tool, TranslateError> {
    let kind = object.names().next().unwrap_or("nothing").to_owned();
    let name = match object.object(&kind)? {
        Some(mut tool) => tool.string("name")?.unwrap_or_else(|| kind.clone()),
        None => kind.clone(),
    };
    Ok(Tool::Opaque { protocol: Protocol::BedrockConverse, kind, name, raw: Json::from(raw) })
}

fn inference_config(mut config: Fields<'_>, ignored: &mut Vec<String>) -> Result<Sampling, TranslateError> {
    let sampling = Sampling {
        max_output_tokens: config.count("maxTokens")?,
        temperature: config.get("temperature")?,
        top_p: config.get("topP")?,
        stop: config.get("stopSequences")?.unwrap_or_default(),
        ..Sampling::default()
    };
    config.finish(ignored);
    Ok(sampling)
}

fn output_config(
    mut config: Fields<'_>,
    request: &mut ChatRequest,
    reasoning: &mut Reasoning,
    ignored: &mut Vec<String>,
) -> Result<(), TranslateError> {
    reasoning.effort = effort(&mut config, "effort")?;
    if let Some(mut format) = config.object("textFormat")? {
        match format.required_string("type")?.as_str() {
            "json_schema" => {}
            other => return Err(invalid(&format.path("type"), format!("unknown format `{other}`"))),
        }
        let mut structure = format.object("structure")?.ok_or_else(|| format.missing("structure"))?;
        let mut json = structure.object("jsonSchema")?.ok_or_else(|| structure.missing("jsonSchema"))?;
        let (path, text) = (json.path("schema"), json.required_string("schema")?);
        let schema = Json::parse(&text).ok_or_else(|| invalid(&path, "expected JSON in a text"))?;
        request.output = OutputFormat::Schema(Schema {
            name: json.string("name")?,
            description: json.string("description")?,
            schema: Some(schema),
            strict: None,
        });
        json.finish(ignored);
        format.finish(ignored);
    }
    config.finish(ignored);
    Ok(())
}

/// Reads what is understood of it; the rest is carried along.
fn additional_fields(
    mut additional: Fields<'_>,
    sampling: &mut Sampling,
    reasoning: &mut Reasoning,
) -> Result<Option<ExtraField>, TranslateError> {
    // Claude's, by its own name and by the one that Bedrock had first.
    for name in ["thinking", "reasoning_config"] {
        if let Some(mut thinking) = additional.object(name)? {
            let (read, display) = thinking_object(&mut thinking)?;
            (reasoning.thinking, reasoning.display) = (Some(read), display);
        }
    }
    let mut left = Vec::new();
    if let Some(mut config) = additional.object("output_config")? {
        reasoning.effort = effort(&mut config, "effort")?.or(reasoning.effort);
        left.extend(rest("output_config", config));
    }
    if let Some(config) = additional.object("reasoningConfig")? {
        reasoning_of_nova(config, reasoning)?;
    }
    reasoning.effort = effort(&mut additional, "reasoning_effort")?.or(reasoning.effort);
    for name in ["top_k", "topK", "k"] {
        sampling.top_k = additional.count(name)?.or(sampling.top_k);
    }
    if let Some(mut config) = additional.object("inferenceConfig")? {
        sampling.top_k = config.count("topK")?.or(sampling.top_k);
        left.extend(rest("inferenceConfig", config));
    }
    left.extend(additional.into_extra());
    Ok(object_of(ADDITIONAL, &left))
}

fn reasoning_of_nova(mut config: Fields<'_>, reasoning: &mut Reasoning) -> Result<(), TranslateError> {
    let effort = effort(&mut config, "maxReasoningEffort")?;
    match config.string("type")?.as_deref() {
        Some("disabled") => reasoning.thinking = Some(Thinking::Disabled),
        _ if effort.is_none() => reasoning.thinking = Some(Thinking::Adaptive),
        _ => {}
    }
    reasoning.effort = effort.or(reasoning.effort);
    Ok(())
}

fn effort(object: &mut Fields<'_>, name: &str) -> Result<Option<Effort>, TranslateError> {
    let path = object.path(name);
    let Some(word) = object.string(name)? else { return Ok(None) };
    Effort::parse(&word).map(Some).ok_or_else(|| invalid(&path, format!("unknown effort `{word}`")))
}

/// What is left of an object, under its name.
fn rest(name: &str, object: Fields<'_>) -> Option<ExtraField> {
    object_of(name, &object.into_extra())
}

fn object_of(name: &str, fields: &[ExtraField]) -> Option<ExtraField> {
    let mut text = b"{}".to_vec();
    append_fields(&mut text, fields);
    let value = Json::parse(&String::from_utf8(text).ok()?)?;
    (!fields.is_empty()).then(|| ExtraField { name: name.to_owned(), value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Content, Part, Source};
    use crate::protocol::Target;
    use crate::provider::OutputLimit;
    use serde_json::{Value, json};

    fn target(model: &str) -> Target<'_> {
        Target {
            model,
            max_output_tokens: 64_000,
            output_limit: OutputLimit::MaxTokens,
            takes_stream_options: true,
            takes_cache_control: true,
            takes_unsigned_thoughts: true,
            takes_custom_tools: true,
            takes_schema: true,
            searches_in_chat: true,
        }
    }

    fn decode(body: &Value) -> ChatRequest {
        decode_request(body.to_string().as_bytes()).unwrap()
    }

    /// The parts of a request with these blocks.
    fn parts(content: Value) -> Vec<Part> {
        let request = decode(&json!({"messages": [{"role": "user", "content": content}]}));
        assert!(request.ignored.is_empty(), "{:?}", request.ignored);
        request.messages.into_iter().next().unwrap().parts
    }

    fn refused(to: Protocol, body: &Value) -> String {
        to.encode_request(&decode(body), &target("m")).unwrap_err().to_string()
    }

    #[test]
    fn what_only_some_models_take_is_understood_and_the_rest_carried() {
        let body = json!({
            "messages": [{"role": "user", "content": [{"text": "a"}]}],
            "inferenceConfig": {"maxTokens": 5000},
            "additionalModelRequestFields": {
                "thinking": {"type": "enabled", "budget_tokens": 2000}, "top_k": 7, "anthropic_beta": ["a"],
                "inferenceConfig": {"topK": 9, "future": 1.0}, "output_config": {"effort": "low", "other": 1},
            },
            "promptVariables": {"a": {"text": "b"}},
        });
        let request = decode(&body);
        assert_eq!(request.reasoning.as_ref().unwrap().thinking, Some(Thinking::Budget(2000)));
        assert_eq!(request.reasoning.as_ref().unwrap().effort, Some(Effort::Low));
        assert_eq!(request.sampling.top_k, Some(9));
        let model = "anthropic.claude-sonnet-4-5-20250929-v1:0";
        let encoded = Protocol::BedrockConverse.encode_request(&request, &target(model)).unwrap();
        let written: Value = serde_json::from_slice(&encoded.body).unwrap();
        let additional = &written["additionalModelRequestFields"];
        assert_eq!(additional["thinking"], body["additionalModelRequestFields"]["thinking"]);
        assert_eq!(
            (&additional["anthropic_beta"], &additional["inferenceConfig"]),
            (&json!(["a"]), &json!({"future": 1.0}))
        );
        assert_eq!(written["promptVariables"], body["promptVariables"]);
    }

    #[test]
    fn each_way_to_ask_for_thought_is_understood() {
        for (field, value, thinking, effort) in [
            (
                "reasoning_config",
                json!({"type": "enabled", "budget_tokens": 1024}),
                Some(Thinking::Budget(1024)),
                None,
            ),
            (
                "reasoningConfig",
                json!({"type": "enabled", "maxReasoningEffort": "high"}),
                None,
                Some(Effort::High),
            ),
            ("reasoningConfig", json!({"type": "disabled"}), Some(Thinking::Disabled), None),
            ("reasoning_effort", json!("medium"), None, Some(Effort::Medium)),
        ] {
            let request = decode(&json!({"messages": [], "additionalModelRequestFields": {field: value}}));
            let reasoning = request.reasoning.unwrap();
            assert_eq!((reasoning.thinking, reasoning.effort), (thinking, effort), "{field}");
            assert!(request.extra.is_empty());
        }
        let request = decode(&json!({"messages": [], "outputConfig": {"effort": "max"}}));
        assert_eq!(request.reasoning.unwrap().effort, Some(Effort::Max));
    }

    #[test]
    fn blocks_of_every_kind_are_read() {
        let read = parts(json!([
            {"guardContent": {"text": {"text": "a", "qualifiers": ["query"]}}},
            {"searchResult": {"source": "s", "title": "t", "content": [{"text": "b"}, {"text": "c"}]}},
            {"video": {"format": "mov", "source": {"bytes": "AAAA"}}},
            {"audio": {"format": "wav", "source": {"bytes": "AAAA"}}},
            {"document": {"name": "d", "source": {"text": "e"}}},
            {"cachePoint": {"type": "default", "ttl": "1h"}},
            {"toolResult": {"toolUseId": "u", "status": "error", "content": [{"json": {"a": 1.0}}, {"json": {}}]}},
            {"toolUse": {"toolUseId": "u", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}},
        ]));
        let text = |text: &str| Content::Text { text: text.to_owned(), citations: Vec::new() };
        assert_eq!(read[0].content, text("a"));
        let Content::Document { source, context, .. } = &read[1].content else { panic!() };
        assert_eq!((source, context.as_deref()), (&Source::Text("b\n\nc".to_owned()), Some("s")));
        let Content::Document { source: Source::Base64 { media_type, .. }, .. } = &read[2].content else {
            panic!()
        };
        assert_eq!(media_type, "video/quicktime");
        assert!(matches!(&read[3].content, Content::Audio { format, .. } if format == "wav"));
        assert_eq!(read[4].cache_control.as_ref().unwrap().get(), r#"{"ttl":"1h","type":"ephemeral"}"#);
        let Content::ToolResult(result) = &read[5].content else { panic!() };
        assert_eq!((result.is_error, result.parts.len()), (true, 1));
        assert_eq!(result.parts[0].content, text(r#"{"a":1.0}"#));
        assert!(matches!(&read[6].content, Content::Opaque { kind, .. } if kind == "toolUse"));
    }

    #[test]
    fn what_only_bedrock_can_do_is_refused_elsewhere() {
        let stored = json!({"messages": [{"role": "user", "content": [
            {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/a.png"}}}}]}]});
        let guarded = json!({"messages": [{"role": "user", "content": [{"text": "a"}]}],
            "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"}});
        for to in
            [Protocol::OpenAiChat, Protocol::OpenAiResponses, Protocol::AnthropicMessages, Protocol::Gemini]
        {
            assert!(!refused(to, &stored).is_empty());
            assert!(refused(to, &guarded).starts_with("guardrailConfig: a guardrail"));
        }
    }

    #[test]
    fn a_field_of_the_wrong_kind_is_named() {
        for (body, param) in [
            (json!({}), "messages"),
            (json!({"messages": [{"role": "tool", "content": []}]}), "messages[0].role"),
            (json!({"messages": [{"role": "user", "content": "a"}]}), "messages[0].content"),
            (
                json!({"messages": [{"role": "user", "content": [{"image": {"format": "png"}}]}]}),
                "messages[0].content[0].image.source",
            ),
            (json!({"messages": [], "inferenceConfig": {"maxTokens": "5"}}), "inferenceConfig.maxTokens"),
            (
                json!({"messages": [], "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{"}}}}}),
                "outputConfig.textFormat.structure.jsonSchema.schema",
            ),
        ] {
            let error = decode_request(body.to_string().as_bytes()).unwrap_err();
            assert_eq!(error.param(), Some(param), "{body}");
        }
    }
}
