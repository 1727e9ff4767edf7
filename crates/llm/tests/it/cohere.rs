//! What becomes of requests and streams of Cohere's chat, beyond the fixtures.

use crate::bedrock::translate_to;
use llm::Protocol;
use llm::ir::StreamEvent;
use llm::protocol::TranslateError;
use serde_json::{Value, json};

const COMMAND: &str = "command-a-03-2025";
const REASONING: &str = "command-a-reasoning-08-2025";

fn translate(
    from: Protocol,
    model: &str,
    fields: Value,
) -> Result<(Value, Vec<&'static str>), TranslateError> {
    translate_to(Protocol::CohereChat, from, model, fields)
}

fn of_chat(model: &str, fields: Value) -> (Value, Vec<&'static str>) {
    translate(Protocol::OpenAiChat, model, fields).unwrap()
}

fn of_messages(fields: Value) -> Result<(Value, Vec<&'static str>), TranslateError> {
    translate(Protocol::AnthropicMessages, COMMAND, fields)
}

#[test]
fn a_model_thinks_as_much_as_is_asked_if_it_can() {
    let enabled = |budget: u64| json!({"type": "enabled", "token_budget": budget});
    let table = [
        (REASONING, json!({"reasoning_effort": "low"}), enabled(1024), 0),
        (REASONING, json!({"reasoning_effort": "high"}), enabled(3976), 0),
        (REASONING, json!({"reasoning_effort": "max"}), json!({"type": "enabled"}), 0),
        (REASONING, json!({"reasoning_effort": "none"}), json!({"type": "disabled"}), 0),
        (REASONING, json!({"reasoning_effort": "low", "max_tokens": 10}), enabled(1), 0),
        (REASONING, json!({"reasoning_effort": "high", "max_tokens": null}), enabled(6976), 0),
        (REASONING, json!({}), Value::Null, 0),
        (COMMAND, json!({"reasoning_effort": "low"}), Value::Null, 1),
        (COMMAND, json!({"reasoning_effort": "none"}), Value::Null, 0),
    ];
    for (model, fields, expected, warned) in table {
        let (body, warnings) = of_chat(model, fields.clone());
        assert_eq!((&body["thinking"], warnings.len()), (&expected, warned), "{model} {fields}");
    }
}

#[test]
fn thoughts_of_one_that_does_not_think_are_plans() {
    let turns = |calls: Value| {
        json!({"messages": [{"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm.", "tool_calls": calls}]})
    };
    let calls = json!([{"id": "c", "type": "function", "function": {"name": "t", "arguments": "{}"}}]);
    let (body, warnings) = of_chat(COMMAND, turns(calls));
    assert_eq!((&body["messages"][1]["tool_plan"], warnings.len()), (&json!("Hm."), 0));
    let (body, warnings) = of_chat(COMMAND, turns(json!([])));
    assert_eq!(body["messages"][1], json!({"role": "assistant", "content": "Yes."}));
    assert_eq!(warnings, ["reasoning_content"]);
}

#[test]
fn a_text_is_cited_from_where_nothing_else_is_asked_for() {
    let document = json!({"type": "document", "citations": {"enabled": true},
        "source": {"type": "text", "media_type": "text/plain", "data": "Sun."}});
    let messages = json!([{"role": "user", "content": [document, {"type": "text", "text": "Hi"}]}]);
    let (body, warnings) = of_messages(json!({"messages": messages})).unwrap();
    assert_eq!(body["documents"], json!([{"id": "0", "data": {"text": "Sun."}}]));
    assert_eq!((&body["messages"][0]["content"], warnings.len()), (&json!("Hi"), 0));
    let tools = json!([{"name": "t", "input_schema": {"type": "object"}}]);
    let (body, warnings) = of_messages(json!({"messages": messages, "tools": tools})).unwrap();
    assert_eq!(body["documents"], Value::Null);
    assert_eq!(body["messages"][0]["content"][0], json!({"type": "text", "text": "Sun."}));
    assert_eq!(warnings, ["document", "document.citations"]);
}

#[test]
fn what_cannot_be_said_is_refused() {
    let turn = |part: Value| json!({"messages": [{"role": "user", "content": [part]}]});
    let source = |source: Value| turn(json!({"type": "document", "source": source}));
    let pdf = source(json!({"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"}));
    let by_address = source(json!({"type": "url", "url": "https://example.com/a.pdf"}));
    for fields in [pdf, by_address] {
        assert!(matches!(of_messages(fields), Err(TranslateError::Unsupported { .. })));
    }
    let sound = turn(json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}));
    let refused = translate(Protocol::OpenAiChat, COMMAND, sound);
    assert!(matches!(refused, Err(TranslateError::Unsupported { feature: "input_audio", .. })));
    let empty =
        translate(Protocol::OpenAiChat, COMMAND, json!({"messages": [{"role": "user", "content": ""}]}));
    assert_eq!(empty.unwrap_err().param(), Some("messages"));
}

#[test]
fn a_tool_that_is_demanded_is_the_only_one() {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name, "strict": name == "a"}});
    let with =
        |choice: Value| of_chat(COMMAND, json!({"tools": [tool("a"), tool("b")], "tool_choice": choice}));
    let (body, warnings) = with(json!({"type": "function", "function": {"name": "a"}}));
    assert_eq!((body["tools"].as_array().unwrap().len(), &body["tool_choice"]), (1, &json!("REQUIRED")));
    assert_eq!((&body["strict_tools"], warnings), (&json!(true), vec!["tool_choice"]));
    let (body, warnings) = with(json!("none"));
    assert_eq!((&body["tool_choice"], &body["strict_tools"]), (&json!("NONE"), &Value::Null));
    assert_eq!(warnings, ["tools[].strict"]);
    let (body, _) = with(json!("auto"));
    assert_eq!(body["tool_choice"], Value::Null);
    let (body, warnings) = of_chat(COMMAND, json!({"tools": [], "tool_choice": "required"}));
    assert_eq!((&body["tool_choice"], warnings), (&Value::Null, vec!["tool_choice"]));
}

#[test]
fn a_form_that_is_no_object_is_asked_for_in_words() {
    let form = |schema: Value| {
        let format = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": schema}});
        of_chat(COMMAND, json!({"response_format": format}))
    };
    let (body, warnings) = form(json!({"type": "object"}));
    assert_eq!((&body["response_format"]["json_schema"], warnings.len()), (&json!({"type": "object"}), 0));
    let (body, warnings) = form(json!({"type": "array"}));
    assert_eq!((&body["response_format"], warnings), (&Value::Null, vec!["response_format"]));
    assert_eq!(body["messages"][0]["role"], "system");
}

/// What the events of a stream tell.
fn streamed(chunks: &[Value]) -> Vec<StreamEvent> {
    let mut decoder = Protocol::CohereChat.stream_decoder();
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.push(None, chunk.to_string().as_bytes(), &mut events).unwrap();
    }
    events
}

#[test]
fn a_failure_within_a_stream_is_told_however_it_is_worded() {
    let end = |delta: Value| json!({"type": "message-end", "delta": delta});
    let table = [
        (end(json!({"finish_reason": "ERROR", "error": "Out of memory."})), "Out of memory."),
        (end(json!({"finish_reason": "TIMEOUT"})), "the provider failed while it made its answer"),
        (json!({"message": "too many tokens"}), "too many tokens"),
    ];
    for (event, expected) in table {
        let events = streamed(std::slice::from_ref(&event));
        let [StreamEvent::Error { message, .. }] = &events[..] else { panic!("{event}: {events:?}") };
        assert_eq!(message, expected);
    }
}

#[test]
fn pieces_open_blocks_that_were_not_begun() {
    let piece = |content: Value| json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": content}}});
    let events = streamed(&[piece(json!({"thinking": "Hm."})), piece(json!({"text": "Yes."}))]);
    let starts = events.iter().filter(|event| matches!(event, StreamEvent::BlockStart { .. })).count();
    let stops = events.iter().filter(|event| matches!(event, StreamEvent::BlockStop { .. })).count();
    assert_eq!((starts, stops), (2, 1), "{events:?}");
}
