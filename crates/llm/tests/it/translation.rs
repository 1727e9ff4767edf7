//! What one protocol has and the other has not: told, emulated, or refused.

use llm::Protocol::{self, AnthropicMessages, Gemini, OpenAiChat, OpenAiResponses};
use llm::ir::{Content, FinishReason, StreamEvent};
use llm::protocol::{StreamOptions, Target, TranslateError};
use llm::provider::OutputLimit;
use serde_json::{Value, json};

const CLAUDE: &str = "claude-sonnet-4-5";

fn target(model: &str) -> Target<'_> {
    let output_limit = OutputLimit::MaxTokens;
    Target {
        model,
        max_output_tokens: 64_000,
        output_limit,
        takes_stream_options: true,
        takes_cache_control: true,
        takes_unsigned_thoughts: true,
        takes_custom_tools: true,
        searches_in_chat: true,
        takes_schema: true,
    }
}

/// A request with these fields in the other protocol, and the features that were warned of, in order.
fn translate(
    from: Protocol,
    model: &str,
    fields: Value,
) -> Result<(Value, Vec<&'static str>), TranslateError> {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let request = from.decode_request(body.to_string().as_bytes())?;
    let to = match from {
        OpenAiChat | OpenAiResponses | Gemini | Protocol::BedrockConverse | Protocol::CohereChat => {
            AnthropicMessages
        }
        AnthropicMessages => OpenAiChat,
    };
    let encoded = to.encode_request(&request, &target(model))?;
    let mut features: Vec<&'static str> = encoded.warnings.iter().map(|warning| warning.feature).collect();
    features.sort_unstable();
    Ok((serde_json::from_slice(&encoded.body).unwrap(), features))
}

fn to_anthropic(fields: Value) -> (Value, Vec<&'static str>) {
    translate(OpenAiChat, CLAUDE, fields).unwrap()
}

fn to_openai(fields: Value) -> (Value, Vec<&'static str>) {
    translate(AnthropicMessages, "m", fields).unwrap()
}

/// The frames that chunks of one protocol become in the other.
fn stream(from: Protocol, to: Protocol, chunks: &[Value]) -> Vec<Value> {
    let mut decoder = from.stream_decoder();
    let mut encoder = to.stream_encoder(StreamOptions::new(from));
    let (mut events, mut out) = (Vec::new(), Vec::new());
    for chunk in chunks {
        decoder.push(None, chunk.to_string().as_bytes(), &mut events).unwrap();
    }
    events.iter().for_each(|event| encoder.push(event, &mut out));
    encoder.end(&decoder.usage(), None, &mut out);
    let text = String::from_utf8(out).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok()).collect()
}

#[test]
fn instructions_within_a_conversation_keep_their_place() {
    let messages = json!([
        {"role": "system", "content": "A"},
        {"role": "developer", "content": [{"type": "text", "text": "B"}]},
        {"role": "user", "content": "1"},
        {"role": "system", "content": "C"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "3"},
    ]);
    let (body, warnings) = to_anthropic(json!({"messages": messages}));
    let text = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(body["system"], json!([text("A"), text("B")]));
    assert_eq!(body["messages"][0]["content"], json!([text("1"), text("<system>\nC\n</system>")]));
    assert_eq!(warnings, ["messages"]);
}

#[test]
fn a_conversation_that_begins_with_the_assistant_gets_an_opening() {
    let messages = json!([{"role": "assistant", "content": "Welcome"}, {"role": "user", "content": "Hi"}]);
    let (body, warnings) = to_anthropic(json!({"messages": messages}));
    assert_eq!(body["messages"][0]["role"], "user");
    assert_eq!(body["messages"].as_array().unwrap().len(), 3);
    assert_eq!(warnings, ["messages"]);
}

#[test]
fn a_conversation_without_a_word_is_refused() {
    for messages in
        [json!([]), json!([{"role": "system", "content": "A"}]), json!([{"role": "user", "content": ""}])]
    {
        let error = translate(OpenAiChat, CLAUDE, json!({"messages": messages})).unwrap_err();
        assert_eq!(error.param(), Some("messages"), "{messages}");
    }
}

#[test]
fn legacy_functions_are_tools() {
    let fields = json!({
        "functions": [{"name": "f", "parameters": {}}],
        "function_call": {"name": "f"},
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{\"a\":1}"}},
            {"role": "function", "name": "f", "content": "ok"},
        ],
    });
    let (body, warnings) = to_anthropic(fields);
    assert_eq!(body["tools"], json!([{"name": "f", "input_schema": {"type": "object", "properties": {}}}]));
    assert_eq!(body["tool_choice"], json!({"type": "tool", "name": "f"}));
    let call = &body["messages"][1]["content"][0];
    assert_eq!(call["input"], json!({"a": 1}));
    assert_eq!(body["messages"][2]["content"][0]["tool_use_id"], call["id"]);
    assert_eq!(warnings, ["functions"]);
}

#[test]
fn every_tool_choice_has_its_counterpart() {
    let tools = json!([
        {"type": "function", "function": {"name": "f"}},
        {"type": "function", "function": {"name": "g"}},
    ]);
    let allowed = json!({"type": "allowed_tools", "allowed_tools": {
        "mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]}});
    let table = [
        (json!("none"), json!({"type": "none"})),
        (json!("auto"), json!({"type": "auto"})),
        (json!("required"), json!({"type": "any"})),
        (json!({"type": "function", "function": {"name": "f"}}), json!({"type": "tool", "name": "f"})),
        (allowed, json!({"type": "any"})),
    ];
    for (openai, anthropic) in table {
        let (body, _) = to_anthropic(json!({"tools": tools, "tool_choice": openai}));
        assert_eq!(body["tool_choice"], anthropic);
        let offered = if openai["type"] == "allowed_tools" { 1 } else { 2 };
        assert_eq!(body["tools"].as_array().unwrap().len(), offered);
        let back = json!({"tools": [{"name": "f", "input_schema": {}}], "tool_choice": anthropic});
        let (body, _) = to_openai(back);
        if offered == 2 {
            assert_eq!(body["tool_choice"], openai);
        }
    }
}

#[test]
fn json_mode_becomes_an_instruction() {
    let (body, warnings) = to_anthropic(json!({"response_format": {"type": "json_object"}}));
    assert!(body["system"][0]["text"].as_str().unwrap().contains("JSON"));
    assert_eq!(body["output_config"], Value::Null);
    assert_eq!(warnings, ["response_format"]);
}

#[test]
fn a_schema_becomes_an_instruction_for_models_that_take_none() {
    let schema = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}});
    let fields = json!({"response_format": schema});
    let (body, warnings) = translate(OpenAiChat, "claude-3-5-haiku-20241022", fields.clone()).unwrap();
    assert!(body["system"][0]["text"].as_str().unwrap().ends_with(r#"{"type":"object"}"#));
    assert_eq!(warnings, ["response_format"]);
    let (body, warnings) = to_anthropic(fields);
    // Anthropic refuses an object that is not closed.
    let closed = json!({"type": "object", "additionalProperties": false});
    assert_eq!(body["output_config"], json!({"format": {"type": "json_schema", "schema": closed}}));
    assert_eq!(warnings, ["response_format"]);
    let schema = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": closed}});
    assert!(to_anthropic(json!({"response_format": schema})).1.is_empty());
}

#[test]
fn unsigned_thoughts_and_cache_markers_go_where_they_are_taken() {
    let marker = json!({"type": "ephemeral"});
    let fields = json!({
        "model": "m", "max_tokens": 9,
        "tools": [{"name": "f", "input_schema": {"type": "object"}, "cache_control": marker}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": marker}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "A", "signature": ""},
                {"type": "thinking", "thinking": "B", "signature": ""},
                {"type": "text", "text": "Ho"}]},
            {"role": "user", "content": "Go on"},
        ],
    });
    let request = AnthropicMessages.decode_request(fields.to_string().as_bytes()).unwrap();
    let sent = |takes: bool| {
        let target = Target { takes_cache_control: takes, takes_unsigned_thoughts: takes, ..target("m") };
        let encoded = OpenAiChat.encode_request(&request, &target).unwrap();
        (serde_json::from_slice::<Value>(&encoded.body).unwrap(), encoded.warnings.len())
    };
    let (body, warnings) = sent(true);
    let thoughtful = json!({"role": "assistant", "content": "Ho", "reasoning_content": "A\n\nB"});
    assert_eq!((&body["messages"][1], warnings), (&thoughtful, 0));
    assert_eq!(body["tools"][0]["cache_control"], marker);
    assert_eq!(body["messages"][0]["content"][0]["cache_control"], marker);
    let (body, warnings) = sent(false);
    assert_eq!(body["messages"][1], json!({"role": "assistant", "content": "Ho"}));
    assert!(!body.to_string().contains("cache_control"), "{body}");
    assert_eq!(warnings, 2);
}

#[test]
fn tools_of_free_text_are_functions_where_they_are_not_taken() {
    let body = json!({
        "model": "m", "tool_choice": {"type": "custom", "name": "sql"},
        "tools": [{"type": "custom", "name": "sql", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}}],
        "input": [
            {"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "SELECT 1"},
            {"type": "custom_tool_call_output", "call_id": "c", "output": "1"},
        ],
    });
    let request = OpenAiResponses.decode_request(body.to_string().as_bytes()).unwrap();
    for (takes_custom_tools, kind, call, lost) in [
        (true, "custom", json!({"name": "sql", "input": "SELECT 1"}), 0),
        (false, "function", json!({"name": "sql", "arguments": r#"{"input":"SELECT 1"}"#}), 2),
    ] {
        let target = Target { takes_custom_tools, ..target("m") };
        let encoded = OpenAiChat.encode_request(&request, &target).unwrap();
        let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
        assert_eq!(sent["tools"][0]["type"], kind);
        assert_eq!(sent["tools"][0][kind]["name"], "sql");
        assert_eq!(sent["tool_choice"], json!({"type": kind, kind: {"name": "sql"}}));
        assert_eq!(sent["messages"][0]["tool_calls"][0][kind], call);
        assert_eq!(encoded.warnings.len(), lost);
    }
}

#[test]
fn usage_within_a_choice_is_counted() {
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10});
    let chunks = [
        json!({"id": "x", "choices": [{"index": 0, "delta": {"content": "Hi"}}]}),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": usage}]}),
    ];
    let frames = stream(OpenAiChat, AnthropicMessages, &chunks);
    let delta = frames.iter().find(|frame| frame["type"] == "message_delta").unwrap();
    assert_eq!(delta["usage"]["output_tokens"], 3);
}

#[test]
fn instructions_between_turns_stay_what_they_are_within_anthropics_protocol() {
    let messages = json!([
        {"role": "user", "content": [{"type": "text", "text": "1"}]},
        {"role": "system", "content": [{"type": "text", "text": "C"}]},
    ]);
    let body = json!({"model": "m", "max_tokens": 9, "messages": messages});
    let request = AnthropicMessages.decode_request(body.to_string().as_bytes()).unwrap();
    let encoded = AnthropicMessages.encode_request(&request, &target(CLAUDE)).unwrap();
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(body["messages"], messages);
    assert!(encoded.warnings.is_empty());
}

#[test]
fn a_schema_is_only_strict_where_openai_would_take_it() {
    let format =
        |schema: Value| json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}});
    let optional = json!({"type": "object", "properties": {"a": {}}, "additionalProperties": false});
    let (body, warnings) = to_openai(format(optional));
    assert_eq!(body["response_format"]["json_schema"]["strict"], Value::Null);
    assert_eq!(warnings, ["output_config.format"]);
}

#[test]
fn what_anthropic_cannot_set_is_told() {
    let fields = json!({
        "seed": 1, "frequency_penalty": 0.5, "presence_penalty": 0, "logit_bias": {"1": 2}, "logprobs": true,
        "top_logprobs": 2, "n": 2, "temperature": 1.5, "service_tier": "flex", "stop": ["x", " "],
        "store": true, "verbosity": "low", "requesty": {"tags": ["a"]}, "signalbox": {},
    });
    let (body, warnings) = to_anthropic(fields);
    let expected = [
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "n",
        "seed",
        "service_tier",
        "stop",
        "temperature",
        "top_logprobs",
        "unknown fields",
    ];
    assert_eq!(warnings, expected);
    assert_eq!((&body["temperature"], &body["stop_sequences"]), (&json!(1.0), &json!(["x"])));
    assert_eq!(
        (&body["requesty"], &body["signalbox"], &body["store"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
}

#[test]
fn unknown_fields_go_to_their_own_protocol_only() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"Hi"}],
        "verbosity":"low","requesty":{"x":1},"big":12345678901234567890123}"#;
    let request = OpenAiChat.decode_request(body.as_bytes()).unwrap();
    let same = OpenAiChat.encode_request(&request, &target("m")).unwrap();
    let text = String::from_utf8(same.body).unwrap();
    assert!(text.ends_with(r#","verbosity":"low","big":12345678901234567890123}"#), "{text}");
    assert!(same.warnings.is_empty());
    let other = AnthropicMessages.encode_request(&request, &target(CLAUDE)).unwrap();
    assert_eq!(other.warnings[0].to_string(), "unknown fields (anthropic_messages): dropped: verbosity, big");
}

#[test]
fn nested_fields_that_nobody_knows_are_told() {
    let messages =
        json!([{"role": "user", "content": [{"type": "text", "text": "Hi", "mood": 1}], "weather": 2}]);
    let request = OpenAiChat.decode_request(json!({"messages": messages}).to_string().as_bytes()).unwrap();
    assert_eq!(request.ignored, ["messages[].content[].mood", "messages[].weather"]);
}

#[test]
fn what_openai_s_models_refuse_is_not_sent_to_them() {
    let fields = json!({
        "model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "temperature": 0,
        "stop_sequences": ["x"], "top_k": 5, "thinking": {"type": "adaptive"},
        "output_config": {"effort": "low"},
    });
    let request = AnthropicMessages.decode_request(fields.to_string().as_bytes()).unwrap();
    let sent = |model| {
        let target = Target { output_limit: OutputLimit::MaxCompletionTokens, ..target(model) };
        let encoded = OpenAiChat.encode_request(&request, &target).unwrap();
        let body: Value = serde_json::from_slice(&encoded.body).unwrap();
        let mut keys: Vec<String> = body.as_object().unwrap().keys().cloned().collect();
        keys.retain(|key| key != "messages" && key != "model");
        (keys, encoded.warnings.len())
    };
    let (keys, warnings) = sent("gpt-5-mini");
    assert_eq!((keys.join(" ").as_str(), warnings), ("max_completion_tokens reasoning_effort", 3));
    let (keys, warnings) = sent("gpt-4.1");
    assert_eq!((keys.join(" ").as_str(), warnings), ("max_completion_tokens stop temperature", 2));
}

#[test]
fn malformed_requests_name_the_field() {
    let table = [
        (json!({"messages": "Hi"}), "messages"),
        (json!({"messages": [{"content": "Hi"}]}), "messages[0].role"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
            "messages[0].content[0].text",
        ),
        (json!({"messages": [{"role": "wizard", "content": ""}]}), "messages[0].role"),
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"max_tokens": -1}), "max_tokens"),
        (json!({"tools": [{"type": "function", "function": {}}]}), "tools[0].function.name"),
        (json!({"reasoning_effort": "very"}), "reasoning_effort"),
        (json!({"response_format": {"type": "yaml"}}), "response_format.type"),
        (
            json!({"messages": [{"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "not an address"}}]}]}),
            "messages[0].content[0].image_url",
        ),
    ];
    for (fields, param) in table {
        let error = translate(OpenAiChat, CLAUDE, fields).unwrap_err();
        assert_eq!(error.param(), Some(param), "{error}");
        assert!(error.to_string().starts_with(param), "{error}");
    }
}

#[test]
fn what_is_essential_and_cannot_be_said_is_an_error() {
    let audio = json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}});
    let messages = json!([{"role": "user", "content": [audio]}]);
    let error = translate(OpenAiChat, CLAUDE, json!({"messages": messages})).unwrap_err();
    assert!(matches!(error, TranslateError::Unsupported { feature: "input_audio", .. }));
    let document = json!({"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}});
    let messages = json!([{"role": "user", "content": [document]}]);
    let error = translate(AnthropicMessages, "m", json!({"messages": messages})).unwrap_err();
    assert!(matches!(error, TranslateError::Unsupported { feature: "document", .. }));
}

#[test]
fn odd_ids_and_arguments_are_made_acceptable() {
    let messages = json!([
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "tool_calls": [
            {"id": "functions.f:0", "type": "function", "function": {"name": "f", "arguments": "oops"}},
            {"id": "b", "type": "custom", "custom": {"name": "g", "input": "free \"text\""}},
        ]},
        {"role": "tool", "tool_call_id": "functions.f:0", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
    ]);
    let (body, warnings) = to_anthropic(json!({"messages": messages}));
    let calls = &body["messages"][1]["content"];
    assert_eq!(
        (&calls[0]["id"], &calls[0]["input"]),
        (&json!("functions_f_0"), &json!({"arguments": "oops"}))
    );
    assert_eq!(calls[1]["input"], json!({"input": "free \"text\""}));
    assert_eq!(body["messages"][2]["content"][0]["tool_use_id"], "functions_f_0");
    assert_eq!(warnings, ["tool_calls"]);
}

#[test]
fn fragments_of_two_calls_at_once_are_put_in_order() {
    let call = |index: u64, id: Value, name: Value, arguments: &str| {
        json!({"id": "x", "choices": [{"index": 0, "delta": {"tool_calls": [
            {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}]}}]})
    };
    let chunks = [
        call(0, json!("a"), json!("f"), "{\"n\":"),
        call(1, json!("b"), json!("g"), "{\"m\":"),
        call(0, Value::Null, Value::Null, "1}"),
        call(1, Value::Null, Value::Null, "2}"),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
    ];
    let frames = stream(OpenAiChat, AnthropicMessages, &chunks);
    let steps: Vec<(String, Value)> = frames
        .iter()
        .filter(|frame| frame["index"].is_u64())
        .map(|frame| (frame["type"].as_str().unwrap().replace("content_block_", ""), frame["index"].clone()))
        .collect();
    let expected = [
        ("start", 0),
        ("delta", 0),
        ("delta", 0),
        ("stop", 0),
        ("start", 1),
        ("delta", 1),
        ("delta", 1),
        ("stop", 1),
    ];
    assert_eq!(steps, expected.map(|(kind, index)| (kind.to_owned(), json!(index))));
}

#[test]
fn a_forced_call_ends_with_tool_use() {
    let call = json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}});
    let chunks = [
        json!({"id": "x", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
    ];
    let frames = stream(OpenAiChat, AnthropicMessages, &chunks);
    let delta = frames.iter().find(|frame| frame["type"] == "message_delta").unwrap();
    assert_eq!(delta["delta"]["stop_reason"], "tool_use");
}

#[test]
fn a_stream_that_stops_early_is_not_complete() {
    let mut decoder = OpenAiChat.stream_decoder();
    let mut events: Vec<StreamEvent> = Vec::new();
    let chunk = br#"{"id":"x","choices":[{"index":0,"delta":{"content":"Hi"}}]}"#;
    decoder.push(None, chunk, &mut events).unwrap();
    assert!(!decoder.is_complete());
    decoder.push(None, b"[DONE]", &mut events).unwrap();
    assert!(decoder.is_complete());
    assert_eq!(events.last(), Some(&StreamEvent::BlockStop { index: 0 }));
}

#[test]
fn reasons_to_stop_have_their_counterparts() {
    let table = [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
    ];
    for (anthropic, openai) in table {
        let reason = FinishReason::from_anthropic(anthropic);
        assert_eq!((reason.as_openai(), reason.as_anthropic()), (openai, anthropic));
    }
    let table = [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("function_call", "tool_use"),
        ("content_filter", "refusal"),
    ];
    for (openai, anthropic) in table {
        let reason = FinishReason::from_openai(openai);
        assert_eq!((reason.as_openai(), reason.as_anthropic()), (openai, anthropic));
    }
}

#[test]
fn a_refusal_is_told_in_either_protocol() {
    let message = json!({"role": "assistant", "content": null, "refusal": "I will not."});
    let body = json!({"id": "x", "model": "m", "choices": [
        {"index": 0, "message": message, "finish_reason": "stop"}]});
    let response = OpenAiChat.decode_response(body.to_string().as_bytes()).unwrap();
    let encoded = AnthropicMessages.encode_response(&response, None);
    let reply: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(reply["stop_reason"], "refusal");
    assert_eq!(reply["content"], json!([{"type": "text", "text": "I will not."}]));
}

#[test]
fn an_answer_that_is_none_is_an_error_of_the_provider() {
    for body in ["", "<html>", "{}", r#"{"choices":[]}"#, r#"{"type":"error","error":{}}"#, "[]"] {
        for protocol in [OpenAiChat, AnthropicMessages] {
            let error = protocol.decode_response(body.as_bytes()).unwrap_err();
            assert!(matches!(error, TranslateError::InvalidResponse { .. }), "{body}");
        }
    }
}

#[test]
fn results_within_results_have_an_end() {
    let nested = |levels: usize| {
        let open = r#"{"type":"tool_result","tool_use_id":"t","content":["#.repeat(levels);
        let body = format!(
            r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":[{open}{}]}}]}}"#,
            "]}".repeat(levels)
        );
        Protocol::AnthropicMessages.decode_request(body.as_bytes())
    };
    // On a thread's own stack, which is smaller than that of the first.
    let deep = std::thread::spawn(move || nested(100_000)).join().unwrap();
    let request = deep.unwrap();
    let Content::ToolResult(result) = &request.messages[0].parts[0].content else { panic!() };
    assert!(matches!(&result.parts[0].content, Content::Opaque { kind, .. } if kind == "tool_result"));
}
