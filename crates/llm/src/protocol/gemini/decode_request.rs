//! Reading a `generateContent` request.
//!
//! <https://ai.google.dev/api/generate-content>, read 2026-11-26.

use super::super::TranslateError;
use super::super::fields::{Fields, invalid};
use super::decode_content::{Calls, ContentReader};
use super::schema::json_schema;
use crate::ir::{
    ChatRequest, Effort, FunctionTool, Json, OutputFormat, Reasoning, Sampling, Schema, Thinking, Tool,
    ToolChoice, WebSearch,
};
use crate::protocol::Protocol;

/// Our own objects in a request; they are never forwarded.
const OWN_FIELDS: [&str; 2] = ["requesty", "signalbox"];

/// Reads a request. Its model is empty where only the address names it.
pub(in crate::protocol) fn decode_request(body: &[u8]) -> Result<ChatRequest, TranslateError> {
    let mut fields = Fields::of_body(body)?.camel_case();
    let mut ignored = Vec::new();
    let model = fields.string("model")?.unwrap_or_default();
    let model = model.strip_prefix("models/").map_or(model.clone(), str::to_owned);
    let mut request = ChatRequest::new(Protocol::Gemini, model);
    for own in OWN_FIELDS {
        fields.raw(own);
    }
    let mut reader = ContentReader { ignored: &mut ignored, calls: Calls::default() };
    if let Some(raw) = fields.raw("systemInstruction") {
        request.system = reader.system(raw)?;
    }
    request.messages = reader.messages(fields.required("contents")?)?;
    for tool in fields.objects("tools")? {
        tools(tool, &mut request.tools, &mut ignored)?;
    }
    if let Some(config) = fields.object("toolConfig")? {
        request.tool_choice = tool_choice(config.camel_case(), &mut ignored)?;
    }
    if let Some(config) = fields.object("generationConfig")? {
        generation_config(config.camel_case(), &mut request, &mut ignored)?;
    }
    request.service_tier = fields.string("serviceTier")?;
    request.extra = fields.into_extra();
    request.ignored = ignored;
    Ok(request)
}

/// Refuses what rests on Google's memory, for any other provider.
pub(in crate::protocol) fn refuse_state(request: &ChatRequest) -> Result<(), TranslateError> {
    if request.extra.iter().any(|field| field.name == "cachedContent") {
        let message =
            "it refers to what Google keeps, and this model's provider does not speak Gemini's protocol";
        return Err(invalid("cachedContent", message));
    }
    Ok(())
}

/// Reads one element of `tools`, which may hold several of different kinds.
fn tools(object: Fields<'_>, into: &mut Vec<Tool>, ignored: &mut Vec<String>) -> Result<(), TranslateError> {
    let mut object = object.camel_case();
    for function in object.objects("functionDeclarations")? {
        into.push(Tool::Function(function_tool(function.camel_case(), ignored)?));
    }
    if let Some(search) = object.object("googleSearch")? {
        let mut search = search.camel_case();
        let blocked_domains = search.get("excludeDomains")?.unwrap_or_default();
        search.finish(ignored);
        into.push(Tool::WebSearch(WebSearch { blocked_domains, ..WebSearch::default() }));
    }
    for field in object.into_extra() {
        let name = serde_json::to_string(&field.name).unwrap_or_default();
        let Some(raw) = Json::parse(&format!("{{{name}:{}}}", field.value.get())) else { continue };
        let kind = field.name;
        into.push(Tool::Opaque { protocol: Protocol::Gemini, name: kind.clone(), kind, raw });
    }
    Ok(())
}

fn function_tool(
    mut function: Fields<'_>,
    ignored: &mut Vec<String>,
) -> Result<FunctionTool, TranslateError> {
    let schema = function.json("parametersJsonSchema");
    let parameters = function.raw("parameters").map(json_schema);
    let tool = FunctionTool {
        name: function.required_string("name")?,
        description: function.string("description")?,
        parameters: schema.or(parameters),
        strict: None,
        cache_control: None,
    };
    function.finish(ignored);
    Ok(tool)
}

fn tool_choice(
    mut config: Fields<'_>,
    ignored: &mut Vec<String>,
) -> Result<Option<ToolChoice>, TranslateError> {
    let Some(calling) = config.object("functionCallingConfig")? else {
        config.finish(ignored);
        return Ok(None);
    };
    let mut calling = calling.camel_case();
    let names: Vec<String> = calling.get("allowedFunctionNames")?.unwrap_or_default();
    let mode = calling.string("mode")?.unwrap_or_default().to_ascii_uppercase();
    let choice = match (mode.as_str(), names.as_slice()) {
        ("" | "MODE_UNSPECIFIED", []) => None,
        ("" | "MODE_UNSPECIFIED" | "AUTO" | "VALIDATED", names) => {
            if mode == "VALIDATED" {
                // The schemas of functions are held to, which elsewhere is said of each function.
                ignored.push(calling.path("mode"));
            }
            Some(match names {
                [] => ToolChoice::Auto,
                names => ToolChoice::Allowed { names: names.to_vec(), is_required: false },
            })
        }
        ("NONE", _) => Some(ToolChoice::None),
        ("ANY", []) => Some(ToolChoice::Required),
        ("ANY", [name]) => Some(ToolChoice::Named(name.clone())),
        ("ANY", _) => Some(ToolChoice::Allowed { names, is_required: true }),
        (other, _) => {
            let message = format!("expected AUTO, ANY, NONE or VALIDATED, got `{other}`");
            return Err(invalid(&calling.path("mode"), message));
        }
    };
    calling.finish(ignored);
    config.finish(ignored);
    Ok(choice)
}

fn generation_config(
    mut config: Fields<'_>,
    request: &mut ChatRequest,
    ignored: &mut Vec<String>,
) -> Result<(), TranslateError> {
    // Some clients write `40.0`.
    request.sampling = Sampling {
        max_output_tokens: config.count("maxOutputTokens")?,
        temperature: config.get("temperature")?,
        top_p: config.get("topP")?,
        top_k: config.count("topK")?,
        stop: config.get("stopSequences")?.unwrap_or_default(),
        seed: config.get("seed")?,
        frequency_penalty: config.get("frequencyPenalty")?,
        presence_penalty: config.get("presencePenalty")?,
        logit_bias: None,
        logprobs: config.get("responseLogprobs")?,
        top_logprobs: config.count("logprobs")?,
        n: config.get("candidateCount")?,
    };
    output(&mut config, request, ignored)?;
    if let Some(thinking) = config.object("thinkingConfig")? {
        request.reasoning = Some(thinking_config(thinking.camel_case(), ignored)?);
    }
    modalities(&mut config, ignored)?;
    config.finish(ignored);
    Ok(())
}

/// Text alone is what every answer is.
fn modalities(config: &mut Fields<'_>, ignored: &mut Vec<String>) -> Result<(), TranslateError> {
    let path = config.path("responseModalities");
    let asked: Vec<String> = config.get("responseModalities")?.unwrap_or_default();
    if asked.iter().any(|modality| !modality.eq_ignore_ascii_case("text")) {
        ignored.push(path);
    }
    Ok(())
}

fn output(
    config: &mut Fields<'_>,
    request: &mut ChatRequest,
    ignored: &mut Vec<String>,
) -> Result<(), TranslateError> {
    let path = config.path("responseMimeType");
    let media_type = config.string("responseMimeType")?.unwrap_or_default();
    let schema = config.json("responseJsonSchema");
    let schema = schema.or(config.json("_responseJsonSchema"));
    let schema = schema.or(config.raw("responseSchema").map(json_schema));
    request.output = match (media_type.as_str(), schema) {
        ("application/json", None) => OutputFormat::Json,
        ("application/json" | "", Some(schema)) => {
            OutputFormat::Schema(Schema { name: None, description: None, schema: Some(schema), strict: None })
        }
        ("" | "text/plain", None) => OutputFormat::Text,
        _ => {
            ignored.push(path);
            OutputFormat::Text
        }
    };
    Ok(())
}

fn thinking_config(mut config: Fields<'_>, ignored: &mut Vec<String>) -> Result<Reasoning, TranslateError> {
    let path = config.path("thinkingLevel");
    let thinking = config.get::<i64>("thinkingBudget")?.map(|tokens| match tokens {
        0 => Thinking::Disabled,
        tokens => u64::try_from(tokens).map_or(Thinking::Adaptive, Thinking::Budget),
    });
    let mut reasoning = Reasoning { thinking, ..Reasoning::default() };
    match config.string("thinkingLevel")?.map(|word| word.to_ascii_lowercase()).as_deref() {
        None | Some("" | "thinking_level_unspecified") => {}
        Some(word) => {
            let effort = Effort::parse(word);
            reasoning.effort = Some(effort.ok_or_else(|| invalid(&path, format!("unknown level `{word}`")))?);
            reasoning.thinking.get_or_insert(Thinking::Adaptive);
        }
    }
    reasoning.display = config
        .get::<bool>("includeThoughts")?
        .map(|is_shown| if is_shown { "summarized" } else { "omitted" }.to_owned());
    config.finish(ignored);
    Ok(reasoning)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Content;

    fn decode(body: &str) -> ChatRequest {
        decode_request(body.as_bytes()).unwrap()
    }

    #[test]
    fn either_spelling_is_the_same_request() {
        let camel = r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"AAA"}}]}],
            "systemInstruction":{"parts":[{"text":"s"}]},"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT"}}]}],
            "toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},
            "generationConfig":{"maxOutputTokens":5,"topP":0.5,"thinkingConfig":{"thinkingBudget":-1,"includeThoughts":true}}}"#;
        let snake = r#"{"contents":[{"role":"user","parts":[{"inline_data":{"mime_type":"image/png","data":"AAA"}}]}],
            "system_instruction":{"parts":[{"text":"s"}]},"tools":[{"function_declarations":[{"name":"f","parameters":{"type":"OBJECT"}}]}],
            "tool_config":{"function_calling_config":{"mode":"ANY","allowed_function_names":["f"]}},
            "generation_config":{"max_output_tokens":5,"top_p":0.5,"thinking_config":{"thinking_budget":-1,"include_thoughts":true}}}"#;
        let request = decode(camel);
        assert_eq!(request, decode(snake));
        assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".to_owned())));
        assert_eq!(request.reasoning.as_ref().unwrap().thinking, Some(Thinking::Adaptive));
        assert!(request.ignored.is_empty() && request.extra.is_empty());
    }

    #[test]
    fn calls_without_ids_are_answered_in_their_order() {
        let request = decode(
            r#"{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1.0}}},{"functionCall":{"name":"g"}},
            {"functionCall":{"name":"f"}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"x"}}},
            {"functionResponse":{"name":"g","response":{"error":"no"}}},{"functionResponse":{"name":"f","response":{"t":[1]}}}]}]}"#,
        );
        let results = request.messages[1].parts.iter().map(|part| {
            let Content::ToolResult(result) = &part.content else { panic!("{part:?}") };
            (result.call_id.as_str(), result.is_error)
        });
        assert_eq!(results.collect::<Vec<_>>(), [("call_1", false), ("call_2", true), ("call_3", false)]);
    }

    #[test]
    fn what_google_keeps_is_refused_elsewhere() {
        let request = decode(r#"{"contents":[],"cachedContent":"cachedContents/1"}"#);
        assert_eq!(refuse_state(&request).unwrap_err().param(), Some("cachedContent"));
    }
}
