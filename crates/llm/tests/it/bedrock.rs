//! What becomes of a request on its way to Bedrock, by whose model is asked.

use llm::Protocol;
use llm::protocol::{OutputLimit, Target, TranslateError};
use serde_json::{Value, json};

const CLAUDE: &str = "anthropic.claude-sonnet-4-20250514-v1:0";
const NOVA: &str = "amazon.nova-pro-v1:0";
const NOVA_2: &str = "us.amazon.nova-2-lite-v1:0";
const MISTRAL: &str = "mistral.mistral-large-2407-v1:0";
const LLAMA: &str = "meta.llama3-70b-instruct-v1:0";

/// A request with these fields in a protocol that nobody calls in, and the features that were warned of, in order.
pub fn translate_to(
    to: Protocol,
    from: Protocol,
    model: &str,
    fields: Value,
) -> Result<(Value, Vec<&'static str>), TranslateError> {
    let mut body =
        json!({"model": "m", "max_tokens": 5_000, "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let request = from.decode_request(body.to_string().as_bytes())?;
    let target = Target {
        model,
        max_output_tokens: 8_000,
        output_limit: OutputLimit::MaxTokens,
        takes_stream_options: true,
        takes_cache_control: false,
        takes_unsigned_thoughts: true,
        takes_custom_tools: false,
        searches_in_chat: true,
        takes_schema: true,
    };
    let encoded = to.encode_request(&request, &target)?;
    let mut features: Vec<&'static str> = encoded.warnings.iter().map(|warning| warning.feature).collect();
    features.sort_unstable();
    Ok((serde_json::from_slice(&encoded.body).unwrap(), features))
}

fn translate(
    from: Protocol,
    model: &str,
    fields: Value,
) -> Result<(Value, Vec<&'static str>), TranslateError> {
    translate_to(Protocol::BedrockConverse, from, model, fields)
}

fn of_chat(model: &str, fields: Value) -> (Value, Vec<&'static str>) {
    translate(Protocol::OpenAiChat, model, fields).unwrap()
}

#[test]
fn a_tool_is_forced_where_the_model_can_be() {
    let tool = json!([{"type": "function", "function": {"name": "t"}}]);
    let named = json!({"type": "function", "function": {"name": "t"}});
    let any = json!({"any": {}});
    let one = json!({"tool": {"name": "t"}});
    let table = [
        (CLAUDE, json!("required"), any.clone(), 0),
        (CLAUDE, named.clone(), one.clone(), 0),
        (NOVA, named.clone(), one, 0),
        (MISTRAL, json!("required"), any, 0),
        (MISTRAL, named.clone(), Value::Null, 1),
        (LLAMA, json!("required"), Value::Null, 1),
        (LLAMA, json!("auto"), json!({"auto": {}}), 0),
    ];
    for (model, choice, expected, warned) in table {
        let (body, warnings) = of_chat(model, json!({"tools": tool, "tool_choice": choice}));
        assert_eq!(
            (&body["toolConfig"]["toolChoice"], warnings.len()),
            (&expected, warned),
            "{model} {choice}"
        );
    }
    // Nothing may be called, so nothing is on offer.
    let (body, warnings) = of_chat(CLAUDE, json!({"tools": tool, "tool_choice": "none"}));
    assert_eq!((&body["toolConfig"], warnings), (&Value::Null, vec![]));
    let thinking = json!({"tools": tool, "tool_choice": "required", "reasoning_effort": "low"});
    let (body, warnings) = of_chat(CLAUDE, thinking);
    assert_eq!(body["toolConfig"]["toolChoice"], json!({"auto": {}}));
    assert!(warnings.contains(&"tool_choice"), "{warnings:?}");
}

#[test]
fn every_vendor_has_its_own_words_for_the_same() {
    let top_k = |model| of_chat(model, json!({"top_k": 7})).0["additionalModelRequestFields"].clone();
    assert_eq!(top_k(CLAUDE), json!({"top_k": 7}));
    assert_eq!(top_k(NOVA), json!({"inferenceConfig": {"topK": 7}}));
    assert_eq!(top_k("cohere.command-r-v1:0"), json!({"k": 7}));
    assert_eq!(of_chat(LLAMA, json!({"top_k": 7})).1, ["top_k"]);
    let effort = |model| of_chat(model, json!({"reasoning_effort": "low"}));
    let thinking = effort(CLAUDE).0["additionalModelRequestFields"]["thinking"].clone();
    assert_eq!(thinking, json!({"type": "enabled", "budget_tokens": 1_024}));
    let config = json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}});
    assert_eq!(effort(NOVA_2).0["additionalModelRequestFields"], config);
    let open = effort("openai.gpt-oss-20b-1:0").0["additionalModelRequestFields"].clone();
    assert_eq!(open, json!({"reasoning_effort": "low"}));
    assert_eq!(effort(LLAMA).1, ["reasoning_effort"]);
}

#[test]
fn the_highest_effort_of_nova_never_costs_a_limit_of_the_answer() {
    let high = json!({"reasoning_effort": "high", "temperature": 0.5});
    let (body, warnings) = of_chat(NOVA_2, high.clone());
    let effort =
        |body: &Value| body["additionalModelRequestFields"]["reasoningConfig"]["maxReasoningEffort"].clone();
    assert_eq!((effort(&body), &body["inferenceConfig"]["maxTokens"]), (json!("medium"), &json!(5_000)));
    assert_eq!(warnings, ["reasoning_effort"]);
    let mut unlimited = high;
    unlimited["max_tokens"] = Value::Null;
    let (body, warnings) = of_chat(NOVA_2, unlimited);
    assert_eq!((effort(&body), &body["inferenceConfig"]), (json!("high"), &Value::Null));
    assert_eq!(warnings, ["temperature"]);
}

#[test]
fn marks_for_caches_go_where_they_are_known() {
    let marked = json!([{"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}}]);
    let tools =
        json!([{"name": "t", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}]);
    let points = |model| {
        let (body, warnings) =
            translate(Protocol::AnthropicMessages, model, json!({"system": marked, "tools": tools})).unwrap();
        (body.to_string().matches("cachePoint").count(), warnings)
    };
    assert_eq!(points(CLAUDE), (2, vec![]));
    assert_eq!(points(NOVA), (1, vec!["cache_control"]));
    assert_eq!(points(LLAMA), (0, vec!["cache_control"]));
}

#[test]
fn a_long_id_becomes_the_same_short_one_wherever_it_stands() {
    let id = "call|".repeat(30);
    let call = json!({"id": id, "type": "function", "function": {"name": "t", "arguments": ""}});
    let messages = json!([
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": id, "content": ""},
    ]);
    let (body, _) = of_chat(CLAUDE, json!({"messages": messages}));
    let (call, result) = (&body["messages"][1]["content"][0], &body["messages"][2]["content"][0]);
    let short = call["toolUse"]["toolUseId"].as_str().unwrap();
    assert_eq!((short.len(), result["toolResult"]["toolUseId"].as_str()), (64, Some(short)));
    assert!(short.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    // A result that says nothing still has to be something.
    assert_eq!(result["toolResult"]["content"], json!([{"json": {}}]));
    assert_eq!(call["toolUse"]["input"], json!({}));
}

#[test]
fn what_cannot_be_said_is_refused_at_its_field() {
    let content = |part: Value| json!({"messages": [{"role": "user", "content": [part]}]});
    let url = json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}});
    let source = json!({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}});
    let sound = json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}});
    let name = "t".repeat(65);
    let table = [
        (Protocol::OpenAiChat, content(url), Some("messages[].content[].image_url.url")),
        (Protocol::AnthropicMessages, content(source), Some("messages[].content[].source.url")),
        (Protocol::OpenAiChat, content(sound), None),
        (
            Protocol::OpenAiChat,
            json!({"tools": [{"type": "function", "function": {"name": name}}]}),
            Some("tools"),
        ),
        (Protocol::OpenAiChat, json!({"messages": []}), Some("messages")),
    ];
    for (from, fields, param) in table {
        let error = translate(from, NOVA, fields.clone()).unwrap_err();
        assert_eq!(error.param(), param, "{fields}: {error}");
    }
}
