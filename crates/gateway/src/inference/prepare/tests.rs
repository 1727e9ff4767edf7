//! What is sent for what came.

use super::super::called::Called;
use super::super::intake;
use super::*;
use crate::bodies::Held;
use crate::providers::{Ask, Provider, ProviderSettings, Providers};
use serde_json::{Value, json};

fn target(kind: &str, model: &str, preferred: Protocol) -> Target {
    let spec = llm::provider::find(kind).unwrap();
    let settings = ProviderSettings {
        base_url: Some("http://127.0.0.1:1".to_owned()),
        allow_unknown_models: Some(true),
        ..ProviderSettings::of("p".parse().unwrap(), spec)
    };
    let providers = Providers::new([Provider::new(settings).unwrap()]);
    providers
        .target(
            &format!("p/{model}"),
            Ask { kind: RouteKind::Chat, preferred, shape: None, is_stream: false },
        )
        .unwrap()
}

/// The body that a provider of this kind is sent, and the warnings.
fn send(
    kind: &str,
    operation: Operation,
    body: &str,
    caller: &HeaderMap,
) -> Result<(Bytes, Vec<String>), Refusal> {
    let model = if kind == "anthropic" { "claude-sonnet-4-5" } else { "gpt-5" };
    let intake = intake::read(operation, Held::short(Bytes::copy_from_slice(body.as_bytes())), "").unwrap();
    match prepare(operation, intake, target(kind, model, protocol_of(operation)), caller)? {
        Next::Call(prepared) => Ok((prepared.body.to_bytes(), prepared.warnings)),
        Next::Estimate { .. } => panic!("nothing is sent"),
    }
}

fn sent(kind: &str, operation: Operation, body: Value) -> (Value, Vec<String>) {
    let (body, warnings) = send(kind, operation, &body.to_string(), &HeaderMap::new()).unwrap();
    (serde_json::from_slice(&body).unwrap(), warnings)
}

fn chat(kind: &str, mut fields: Value) -> (Value, Vec<String>) {
    let body = fields.as_object_mut().unwrap();
    body.insert("model".to_owned(), json!("p/m"));
    body.entry("messages").or_insert(json!([{"role": "user", "content": "Hi"}]));
    sent(kind, Operation::ChatCompletions, fields)
}

const MARKER: &str = r#"{"type":"ephemeral"}"#;

#[test]
fn an_ordinary_body_keeps_its_bytes() {
    let words = r#"[ {"role":"user","content":"say \"cache_control\" and \"signature\":\"\" 1.0"} ]"#;
    for kind in ["openai", "openai-compatible", "alibaba", "groq"] {
        let rest = format!(r#""messages":{words},"reasoning_effort":"xhigh","z":1.50,"a":{{"b" : 1}}"#);
        let body = format!(r#"{{"model":"p/gpt-5",{rest}}}"#);
        let (out, warnings) = send(kind, Operation::ChatCompletions, &body, &HeaderMap::new()).unwrap();
        assert_eq!(out, format!(r#"{{"model":"gpt-5",{rest}}}"#), "{kind}");
        assert!(warnings.is_empty(), "{warnings:?}");
    }
    let rest = format!(
        r#""max_tokens":5,"messages":{words},"system":[{{"type":"text","text":"s","cache_control":{MARKER}}}]"#
    );
    let body = format!(r#"{{"model":"p/m",{rest}}}"#);
    let (out, warnings) = send("anthropic", Operation::Messages, &body, &HeaderMap::new()).unwrap();
    assert_eq!(out, format!(r#"{{"model":"claude-sonnet-4-5",{rest}}}"#));
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn thoughts_go_only_where_they_are_taken() {
    let messages = json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "reasoning_content": "Hm.", "reasoning_signature": "c2ln"},
        {"role": "user", "content": "c"},
    ]);
    for kind in ["openai", "groq", "cerebras"] {
        let (body, warnings) = chat(kind, json!({"messages": messages}));
        assert_eq!(body["messages"][1], json!({"role": "assistant", "content": "b"}), "{kind}");
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }
    for kind in ["openai-compatible", "xiaomi", "deepseek"] {
        let (body, warnings) = chat(kind, json!({"messages": messages}));
        let kept = json!({"role": "assistant", "content": "b", "reasoning_content": "Hm."});
        assert_eq!(body["messages"][1], kept, "{kind}");
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }
}

#[test]
fn cache_markers_go_only_where_they_are_taken() {
    let marker = json!({"type": "ephemeral"});
    let part = json!({"type": "text", "text": "Hi", "cache_control": marker});
    let fields = json!({
        "messages": [{"role": "user", "content": [part]}],
        "tools": [{"type": "function", "function": {"name": "f"}, "cache_control": marker}],
        "cache_control": marker, "verbosity": "low", "stop": "x", "thinking": {"type": "disabled"},
    });
    let (body, warnings) = chat("openai-compatible", fields.clone());
    let expected = json!({
        "model": "gpt-5", "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "verbosity": "low", "stop": "x", "thinking": {"type": "disabled"},
    });
    assert_eq!(body, expected, "what is not refused stays");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    let (body, warnings) = chat("alibaba", fields);
    assert_eq!(body["messages"][0]["content"][0], part);
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn efforts_that_only_the_gateway_knows_are_translated() {
    for (asked, sent) in [
        (json!("min"), json!("low")),
        (json!("max"), json!("high")),
        (json!("1500"), json!("medium")),
        (json!(10_000), json!("high")),
        (json!("none"), json!("none")),
        // What nobody knows is the provider's to refuse.
        (json!("very"), json!("very")),
    ] {
        let (body, warnings) = chat("openai-compatible", json!({"reasoning_effort": asked}));
        assert_eq!(body["reasoning_effort"], sent);
        let is_same = asked == sent;
        assert_eq!(warnings.is_empty(), is_same, "{warnings:?}");
    }
}

#[test]
fn a_thinking_object_becomes_openai_s_effort() {
    let fields = json!({"thinking": {"type": "enabled", "budget_tokens": 3000}, "temperature": 1});
    let (body, _) = chat("openai", fields.clone());
    assert_eq!((&body["thinking"], &body["reasoning_effort"]), (&Value::Null, &json!("medium")));
    assert_eq!(body["temperature"], 1);
    let (body, warnings) = chat("deepseek", fields.clone());
    assert_eq!(body["thinking"], fields["thinking"]);
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn a_file_of_the_gateways_own_kind_becomes_openai_s() {
    for kind in ["input_file", "file_input"] {
        let part = json!({"type": kind, "filename": "a.pdf", "file_data": "JVBERi0x"});
        let (body, _) = chat("openai", json!({"messages": [{"role": "user", "content": [part]}]}));
        let file = json!({"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0x"});
        assert_eq!(body["messages"][0]["content"], json!([{"type": "file", "file": file}]));
    }
}

#[test]
fn unsigned_thoughts_do_not_reach_anthropic() {
    let call = json!({"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1.0}});
    let unsigned = json!({"type": "thinking", "thinking": "Hm.", "signature": ""});
    let signed = json!({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"});
    let body = json!({
        "model": "p/m", "max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 2000},
        "future": {"z": 1}, "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": [signed, call]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]},
            {"role": "assistant", "content": [unsigned, {"type": "text", "text": "b"}]},
            {"role": "user", "content": "c"},
        ],
    });
    let (out, warnings) = sent("anthropic", Operation::Messages, body.clone());
    assert_eq!(out["messages"][1]["content"], json!([signed, call]));
    assert_eq!(out["messages"][3]["content"], json!([{"type": "text", "text": "b"}]));
    assert_eq!((&out["thinking"], &out["future"]), (&body["thinking"], &body["future"]));
    assert_eq!(warnings, ["reasoning_content (anthropic_messages): unsigned thoughts were dropped"]);
    // Kimi wants its thoughts back, and signs none.
    let (out, warnings) = sent("moonshot", Operation::Messages, body);
    assert_eq!(out["messages"][3]["content"][0], unsigned);
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn a_message_needs_its_limit_unless_anthropic_says_so_itself() {
    let body = r#"{"model":"p/m","messages":[{"role":"user","content":"Hi"}]}"#;
    let none = HeaderMap::new();
    let refusal = send("openai", Operation::Messages, body, &none).unwrap_err();
    assert_eq!((refusal.status(), refusal.param()), (400, Some("max_tokens")));
    assert!(send("anthropic", Operation::Messages, body, &none).is_ok());
}

#[test]
fn beta_features_stand_in_the_body_for_bedrock() {
    let target = target("bedrock", "eu.anthropic.claude-sonnet-5", Protocol::AnthropicMessages);
    let body = r#"{"model":"p/m","max_tokens":5,"stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;
    let read = intake::read(Operation::Messages, Held::short(Bytes::from(body)), "").unwrap();
    let mut caller = HeaderMap::new();
    caller.append("anthropic-beta", HeaderValue::from_static("one-2025, two-2026"));
    caller.append("anthropic-beta", HeaderValue::from_static("three-2026"));
    let Ok(Next::Call(prepared)) = prepare(Operation::Messages, read, target, &caller) else { panic!() };
    let expected = concat!(
        r#"{"max_tokens":5,"messages":[{"role":"user","content":"Hi"}],"anthropic_version":"bedrock-2023-05-31","#,
        r#""anthropic_beta":["one-2025","two-2026","three-2026"]}"#
    );
    assert_eq!(prepared.body.to_bytes(), expected);
    assert!(prepared.own_headers.iter().all(|(name, _)| !name.as_str().starts_with("anthropic")));
    assert!(prepared.warnings.is_empty());
}

#[test]
fn beta_headers_that_are_lost_are_told() {
    let mut caller = HeaderMap::new();
    caller.insert("anthropic-beta", HeaderValue::from_static("one-2025"));
    caller.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
    let body = r#"{"model":"p/m","max_tokens":5,"messages":[{"role":"user","content":"Hi"}]}"#;
    let (_, warnings) = send("openai", Operation::Messages, body, &caller).unwrap();
    assert_eq!(warnings, ["anthropic-beta: dropped, the provider speaks another protocol"]);
    let (_, warnings) = send("anthropic", Operation::Messages, body, &caller).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
}

/// What is sent for a long body, with what can be set aside of it, and without.
fn long(kind: &str, operation: Operation, body: &Value) -> [Result<Prepared, String>; 2] {
    let held = Held::short(Bytes::from(body.to_string()));
    let read = intake::read(operation, held, "").unwrap();
    assert!(read.aside.is_some());
    let whole =
        Intake { aside: None, body: RawObject::parse(read.held.bytes.clone()).unwrap(), ..*read.clone() };
    [read, Box::new(whole)].map(|intake| {
        match prepare(
            operation,
            intake,
            target(kind, "claude-sonnet-4-5", protocol_of(operation)),
            &HeaderMap::new(),
        ) {
            Ok(Next::Call(prepared)) => Ok(*prepared),
            Ok(Next::Estimate { .. }) => panic!("nothing is sent"),
            Err(refusal) => Err(refusal.to_string()),
        }
    })
}

fn base64_of(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn what_is_set_aside_is_not_missed() {
    let pixels = "iVBORw0KGgo/".repeat(30_000);
    let (png, txt) = (
        format!("data:image/png;base64,{pixels}"),
        format!("data:text/plain;base64,{}", "YWJj".repeat(90_000)),
    );
    let file = |data: &str| json!({"type": "file", "file": {"filename": "a", "file_data": data}});
    let image = |data: &str| json!({"type": "image_url", "image_url": {"url": data}});
    let source = |kind: &str| json!({"type": "base64", "media_type": kind, "data": pixels});
    let call = json!({"id": "1", "type": "function", "function": {"name": "f", "arguments": format!("{{\"a\":\"{pixels}\"}}")}});
    let chats = [
        json!([{"role": "user", "content": [image(&png), image(&png), {"type": "text", "text": pixels}]}]),
        json!([{"role": "user", "content": [file(&txt)]}]),
        json!([{"role": "user", "content": [file(&png), file(&format!("data:application/x;base64,{pixels}"))]}]),
        json!([{"role": "system", "content": pixels}, {"role": "user", "content": "Hi", "name": pixels}]),
        json!([{"role": "user", "content": pixels.repeat(2)}, {"role": "assistant", "tool_calls": [call]}]),
        json!([{"role": pixels, "content": "Hi"}]),
    ];
    let messages = [
        json!([{"role": "user", "content": [{"type": "image", "source": source("image/png")}]}]),
        json!([{"role": "user", "content": [{"type": "document", "source": source("application/pdf")}]}]),
        json!([{"role": "assistant", "content": [{"type": "tool_use", "id": pixels, "name": "f", "input": {"a": pixels}}]}]),
        json!([{"role": "assistant", "content": [{"type": "thinking", "thinking": pixels, "signature": ""}]}]),
        json!([{"role": "user", "content": [{"type": "future", "x": pixels}]}]),
    ];
    let bytes = json!({"bytes": pixels});
    let foreign = base64_of(&format!("openai_responses:{pixels}"));
    let called = json!({"toolUse": {"toolUseId": "u", "name": "f", "input": {"a": pixels}}});
    let result =
        json!({"toolResult": {"toolUseId": "u", "content": [{"json": {"a": pixels}}, {"text": pixels}]}});
    let converse = [
        json!([{"role": "user", "content": [{"image": {"format": "png", "source": bytes}}, {"text": pixels}]}]),
        json!([{"role": "user", "content": [{"document": {"format": "pdf", "name": "d", "source": bytes}}, {"text": "a"}]}]),
        json!([{"role": "user", "content": [{"document": {"format": "md", "name": "d", "source": bytes}}, {"text": "a"}]}]),
        json!([{"role": "user", "content": [{"text": "a"}]}, {"role": "assistant", "content": [called]}, {"role": "user", "content": [result]}]),
        json!([{"role": "user", "content": [{"text": "a"}]}, {"role": "assistant", "content": [
            {"reasoningContent": {"redactedContent": foreign}}, {"text": "b"}]}, {"role": "user", "content": [{"text": "c"}]}]),
        json!([{"role": "user", "content": [{"future": {"x": pixels}}]}]),
    ];
    let chats = chats.map(|messages| (Operation::ChatCompletions, messages));
    let messages = messages.map(|messages| (Operation::Messages, messages));
    let converse = converse.map(|messages| (Operation::Converse, messages));
    for (operation, messages) in chats.into_iter().chain(messages).chain(converse) {
        let body = json!({"model": "p/m", "max_tokens": 9, "stream": true, "messages": messages});
        for kind in ["openai", "openai-compatible", "openai-responses", "anthropic", "google"] {
            match long(kind, operation, &body) {
                [Ok(aside), Ok(whole)] => {
                    assert!(
                        aside.body.to_bytes() == whole.body.to_bytes(),
                        "{kind} {}",
                        &messages.to_string()[..99]
                    );
                    assert_eq!((aside.body.len(), aside.warnings), (whole.body.len(), whole.warnings));
                }
                [Err(aside), Err(whole)] => assert_eq!(aside, whole),
                _ => panic!("only one of them is refused: {kind} {}", &messages.to_string()[..99]),
            }
        }
    }
}

#[test]
fn of_a_long_body_nothing_is_copied() {
    let pixels = "iVBORw0KGgo/".repeat(30_000);
    let image = json!({"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{pixels}")}});
    let words = json!("say \"hi\"\n".repeat(40_000));
    let both = json!([{"type": "text", "text": words}, image]);
    for (kind, content) in [
        ("openai", &words),
        ("anthropic", &words),
        ("openai", &json!([image])),
        ("anthropic", &json!([image])),
        ("anthropic", &both),
    ] {
        let body = json!({"model": "p/m", "messages": [{"role": "user", "content": content}]});
        let held = Held::short(Bytes::from(body.to_string()));
        let (all, length) = (held.bytes.as_ptr_range(), held.bytes.len());
        let read = intake::read(Operation::ChatCompletions, held, "").unwrap();
        let target = target(kind, "claude-sonnet-4-5", Protocol::OpenAiChat);
        let next = prepare(Operation::ChatCompletions, read, target, &HeaderMap::new()).unwrap();
        let Next::Call(prepared) = next else { panic!("nothing is sent") };
        let parts = prepared.body.into_pieces().into_iter().filter(|piece| all.contains(&piece.as_ptr()));
        let kept: usize = parts.map(|part| part.len()).sum();
        assert!(kept > length - 5_000, "{kind}: {kept} of {length}");
    }
}

#[test]
fn long_words_are_translated_from_an_edited_body_too() {
    let words = |at: usize| format!("{at}: say \"hi\" to J\u{fc}rgen\n").repeat(100);
    let role = |at: usize| ["user", "assistant"][at % 2];
    let messages: Vec<Value> = (0..200).map(|at| json!({"role": role(at), "content": words(at)})).collect();
    let said = |message: &Value| {
        let content = &message["content"];
        content.as_str().or(content[0]["text"].as_str()).unwrap().to_owned()
    };
    for (kind, operation) in [("anthropic", Operation::ChatCompletions), ("openai", Operation::Messages)] {
        let body =
            json!({"model": "p/m", "requesty": {"user_id": "u"}, "max_tokens": 9, "messages": messages});
        let held = Held::short(Bytes::from(body.to_string()));
        let all = held.bytes.as_ptr_range();
        let mut read = intake::read(operation, held, "").unwrap();
        read.body.set("max_tokens", b"7".to_vec());
        let next = prepare(
            operation,
            read,
            target(kind, "claude-sonnet-4-5", protocol_of(operation)),
            &HeaderMap::new(),
        );
        let Ok(Next::Call(prepared)) = next else { panic!("nothing is sent") };
        let sent: Value = serde_json::from_slice(&prepared.body.to_bytes()).unwrap();
        let texts: Vec<String> = sent["messages"].as_array().unwrap().iter().map(said).collect();
        // The last one begins an answer, which may not end with white space at Anthropic.
        let mut expected: Vec<String> = messages.iter().map(said).collect();
        if kind == "anthropic" {
            expected[199] = expected[199].trim_end().to_owned();
        }
        assert!(texts == expected, "{kind}");
        let limit = if kind == "anthropic" { "max_tokens" } else { "max_completion_tokens" };
        assert_eq!((&sent[limit], &sent["requesty"]), (&json!(7), &Value::Null));
        assert!(
            prepared.body.into_pieces().iter().filter(|piece| all.contains(&piece.as_ptr())).count() >= 200
        );
    }
}

/// What a provider is sent for a long prompt.
fn cached(
    kind: &str,
    model: &str,
    operation: Operation,
    extra: &str,
    caller: &[(&'static str, &'static str)],
) -> Value {
    let preferred = protocol_of(operation);
    let text = "x".repeat(5_000);
    let body = format!(
        r#"{{"model":"p/{model}","max_tokens":9,"messages":[{{"role":"user","content":"{text}"}}]{extra}}}"#
    );
    let intake = intake::read(operation, Held::short(body.into()), "").unwrap();
    let caller =
        caller.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let next = prepare(operation, intake, target(kind, model, preferred), &caller.collect()).unwrap();
    let Next::Call(prepared) = next else { panic!("a call was expected") };
    serde_json::from_slice(&prepared.body.to_bytes()).unwrap()
}

#[test]
fn a_prompt_is_kept_where_the_caller_or_a_coding_tool_wants_it() {
    let on = r#","requesty":{"auto_cache":true}"#;
    let off = r#","requesty":{"auto_cache":false}"#;
    let marker = json!({"type": "ephemeral"});
    for operation in [Operation::ChatCompletions, Operation::Messages] {
        let sent = |extra, caller| {
            cached("anthropic", "claude-sonnet-5", operation, extra, caller)["cache_control"].clone()
        };
        assert_eq!(sent(on, &[]), marker);
        assert_eq!(sent("", &[("x-title", "Roo Code")]), marker);
        assert_eq!(sent(off, &[("x-title", "Roo Code")]), Value::Null);
        assert_eq!(sent("", &[]), Value::Null);
    }
    // What keeps prompts by itself is not told to.
    assert_eq!(cached("openai", "gpt-5", Operation::ChatCompletions, on, &[])["cache_control"], Value::Null);
    // Who has set a marker knows better.
    let own = r#","requesty":{"auto_cache":true},"system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}}]"#;
    let sent = cached("anthropic", "claude-sonnet-5", Operation::Messages, own, &[]);
    assert_eq!(
        (&sent["cache_control"], &sent["system"][0]["cache_control"]["ttl"]),
        (&Value::Null, &json!("1h"))
    );
}

#[test]
fn nova_is_told_where_to_keep_what() {
    let point = json!({"cachePoint": {"type": "default"}});
    let extra = r#","system":"Be brief.","requesty":{"auto_cache":true}"#;
    let sent = cached("bedrock", "amazon.nova-pro-v1:0", Operation::Messages, extra, &[]);
    assert_eq!(sent["system"], json!([{"text": "Be brief."}, point]));
    assert_eq!(sent["messages"][0]["content"].as_array().unwrap().last(), Some(&point));
    // Others keep nothing, and are told nothing.
    for (model, extra) in [
        ("meta.llama3-3-70b-instruct-v1:0", extra),
        ("amazon.nova-pro-v1:0", r#","requesty":{"auto_cache":false}"#),
    ] {
        let sent = cached("bedrock", model, Operation::Messages, extra, &[]).to_string();
        assert!(!sent.contains("cachePoint"), "{model}: {sent}");
    }
}

#[test]
fn callers_of_converse_get_points_in_what_passes_through() {
    let text = "x".repeat(5_000);
    let body = format!(
        r#"{{"system":[{{"text":"Be brief."}} ],"messages":[{{"role":"user","content":[{{"text":"{text}"}}]}}],"signalbox":{{"auto_cache":true}}}}"#
    );
    let called = Called { model: Some("p/amazon.nova-pro-v1:0".into()), ..Operation::Converse.into() };
    let intake = intake::read(called, Held::short(body.into()), "").unwrap();
    let target = target("bedrock", "amazon.nova-pro-v1:0", Protocol::BedrockConverse);
    let Ok(Next::Call(prepared)) = prepare(Operation::Converse, intake, target, &HeaderMap::new()) else {
        panic!("a call was expected")
    };
    let sent: Value = serde_json::from_slice(&prepared.body.to_bytes()).unwrap();
    let point = json!({"cachePoint": {"type": "default"}});
    assert_eq!(sent["system"], json!([{"text": "Be brief."}, point]));
    assert_eq!(sent["messages"][0]["content"], json!([{"text": text}, point]));
}

#[test]
fn those_who_host_claude_get_markers_in_blocks() {
    let extra = r#","system":"Be brief.","tools":[{"name":"a","input_schema":{}},{"name":"b","input_schema":{}}],"requesty":{"auto_cache":true}"#;
    let sent = cached("vertex", "claude-sonnet-5", Operation::Messages, extra, &[]);
    let marker = json!({"type": "ephemeral"});
    assert_eq!(sent["cache_control"], Value::Null);
    assert_eq!(
        (&sent["tools"][0]["cache_control"], &sent["tools"][1]["cache_control"]),
        (&Value::Null, &marker)
    );
    assert_eq!(sent["system"], json!([{"type": "text", "text": "Be brief.", "cache_control": marker}]));
    assert_eq!(sent["messages"][0]["content"][0]["cache_control"], marker);
}
