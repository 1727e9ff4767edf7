//! Cohere's chat in its own protocol, for callers of all others.

use crate::support::*;
use serde_json::{Value, json};

const MODEL: &str = "command-a-03-2025";
/// Of 100 billed tokens at 2.5 and 10 at 10 dollars a million.
const COST: &str = "0.00035";

async fn start(upstream: &Upstream) -> App {
    let provider = format!(
        "[[providers]]\nkind = \"cohere\"\nbase_url = \"http://{}\"\napi_key = \"{PROVIDER_KEY}\"\n",
        upstream.address
    );
    App::start(&provider).await
}

fn usage() -> Value {
    json!({"billed_units": {"input_tokens": 100, "output_tokens": 10},
        "tokens": {"input_tokens": 900, "output_tokens": 60}})
}

fn answer(message: Value, finish: &str) -> Answer {
    let body = json!({"id": "c-1", "message": message, "finish_reason": finish, "usage": usage()});
    Answer::json(200, &body.to_string())
}

fn text(text: &str) -> Answer {
    answer(json!({"role": "assistant", "content": [{"type": "text", "text": text}]}), "COMPLETE")
}

fn called() -> Answer {
    let call = json!({"id": "song_1", "type": "function", "function": {"name": "song", "arguments": "{\"sign\":\"WZPZ\"}"}});
    answer(json!({"role": "assistant", "tool_plan": "Look it up.", "tool_calls": [call]}), "TOOL_CALL")
}

fn stream(events: &[Value]) -> Answer {
    let frame =
        |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or("x"));
    let frames: Vec<String> = events.iter().map(frame).collect();
    Answer::sse(&frames.iter().map(String::as_str).collect::<Vec<_>>())
}

fn delta(kind: &str, message: Value) -> Value {
    json!({"type": kind, "index": 0, "delta": {"message": message}})
}

fn started() -> Value {
    json!({"type": "message-start", "id": "c-1", "delta": {"message": {"role": "assistant", "content": [], "tool_calls": []}}})
}

fn ended(finish: &str) -> Value {
    json!({"type": "message-end", "delta": {"finish_reason": finish, "usage": usage()}})
}

fn piece(text: &str) -> Value {
    delta("content-delta", json!({"content": {"text": text}}))
}

fn tool_events() -> Vec<Value> {
    let call =
        |function: Value| json!({"tool_calls": {"id": "song_1", "type": "function", "function": function}});
    let arguments =
        |text: &str| delta("tool-call-delta", json!({"tool_calls": {"function": {"arguments": text}}}));
    vec![
        started(),
        delta("tool-plan-delta", json!({"tool_plan": "Look it up."})),
        delta("tool-call-start", call(json!({"name": "song", "arguments": ""}))),
        arguments("{\"sign\":"),
        arguments("\"WZPZ\"}"),
        json!({"type": "tool-call-end", "index": 0}),
        ended("TOOL_CALL"),
    ]
}

fn request(more: Value) -> String {
    let mut body = json!({"model": format!("cohere/{MODEL}"), "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

fn response(more: Value) -> String {
    let mut body = json!({"model": format!("cohere/{MODEL}"), "max_output_tokens": 50, "input": "Hi"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

#[tokio::test]
async fn callers_of_all_protocols_are_answered_and_charged_what_is_billed() {
    let upstream = Upstream::start([text("Hello"), text("Hello"), text("Hello")]).await;
    let app = start(&upstream).await;
    let reply = app.chat(&request(json!({"safety_mode": "STRICT", "top_k": 3}))).await;
    assert_eq!(reply.json()["choices"][0]["message"]["content"], "Hello", "{}", reply.text());
    let told = &reply.json()["usage"];
    assert_eq!((&told["prompt_tokens"], &told["cost"]), (&json!(100), &json!(0.00035)));
    // What the provider does not tell.
    assert_eq!(reply.json()["model"], format!("cohere/{MODEL}"));
    let reply = app.message(&request(json!({}))).await;
    assert_eq!(reply.json()["content"][0]["text"], "Hello", "{}", reply.text());
    let reply = app.post("/v1/responses", response(json!({}))).await;
    assert_eq!(reply.json()["output"][0]["content"][0]["text"], "Hello", "{}", reply.text());
    for call in upstream.calls() {
        assert_eq!(call.line, "POST /v2/chat HTTP/1.1");
        assert_eq!(call.header("authorization"), Some(format!("Bearer {PROVIDER_KEY}").as_str()));
        let body = call.json();
        assert_eq!((&body["model"], &body["max_tokens"]), (&json!(MODEL), &json!(50)));
        assert_eq!(body["messages"], json!([{"role": "user", "content": "Hi"}]));
    }
    let first = upstream.calls()[0].json();
    assert_eq!((&first["safety_mode"], &first["k"]), (&json!("STRICT"), &json!(3)));
    for record in app.finish().await {
        assert_eq!((&record["cost"], &record["usage_source"]), (&json!(COST), &json!("provider_final")));
        assert_eq!((&record["input_tokens"], &record["output_tokens"]), (&json!(100), &json!(10)));
        assert_eq!(record["finish_reason"], "COMPLETE");
    }
}

#[tokio::test]
async fn calls_of_tools_reach_callers_of_all_protocols() {
    let upstream = Upstream::start([called(), called(), called()]).await;
    let app = start(&upstream).await;
    let parameters = json!({"type": "object", "properties": {"sign": {"type": "string"}}});
    let function = json!({"name": "song", "parameters": parameters});
    let reply = app.chat(&request(json!({"tools": [{"type": "function", "function": function}]}))).await;
    let message = &reply.json()["choices"][0]["message"];
    assert_eq!(message["tool_calls"][0]["function"]["arguments"], "{\"sign\":\"WZPZ\"}", "{}", reply.text());
    assert_eq!(message["reasoning_content"], "Look it up.");
    let tools = json!([{"name": "song", "input_schema": parameters}]);
    let reply = app.message(&request(json!({"tools": tools, "tool_choice": {"type": "any"}}))).await;
    assert_eq!(reply.json()["content"][1]["input"]["sign"], "WZPZ", "{}", reply.text());
    assert_eq!(reply.json()["stop_reason"], "tool_use");
    let tools = json!([{"type": "function", "name": "song", "parameters": parameters, "strict": true}]);
    let reply = app.post("/v1/responses", response(json!({"tools": tools}))).await;
    assert_eq!(reply.json()["output"][1]["name"], "song", "{}", reply.text());
    let sent: Vec<Value> = upstream.calls().iter().map(|call| call.json()).collect();
    assert_eq!(sent[0]["tools"][0]["function"]["parameters"], parameters);
    assert_eq!((&sent[1]["tool_choice"], &sent[2]["strict_tools"]), (&json!("REQUIRED"), &json!(true)));
    for record in app.finish().await {
        assert_eq!((&record["cost"], &record["tool_calls"]), (&json!(COST), &json!(["song"])));
    }
}

#[tokio::test]
async fn streams_reach_callers_of_all_protocols() {
    let upstream = Upstream::start([0; 3].map(|_| stream(&tool_events()))).await;
    let app = start(&upstream).await;
    let streamed = json!({"stream": true});
    let reply = app.chat(&request(streamed.clone())).await;
    let text = reply.text();
    let chunks =
        text.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    let calls =
        chunks.map(|chunk| chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].clone());
    let arguments: String = calls.filter_map(|arguments| arguments.as_str().map(str::to_owned)).collect();
    assert_eq!(arguments, "{\"sign\":\"WZPZ\"}", "{text}");
    assert!(text.contains("\"reasoning_content\":\"Look it up.\"") && text.ends_with("data: [DONE]\n\n"));
    let reply = app.message(&request(streamed.clone())).await;
    let text = reply.text();
    assert!(
        text.contains("\"partial_json\":\"\\\"WZPZ\\\"}\"") && text.contains("event: message_stop"),
        "{text}"
    );
    let reply = app.post("/v1/responses", response(streamed)).await;
    let text = reply.text();
    assert!(text.contains("event: response.function_call_arguments.done"), "{text}");
    assert!(text.contains("event: response.completed"), "{text}");
    for call in upstream.calls() {
        assert_eq!((call.path(), &call.json()["stream"]), ("/v2/chat", &json!(true)));
    }
    for record in app.finish().await {
        assert_eq!((&record["cost"], &record["usage_source"]), (&json!(COST), &json!("provider_final")));
        assert_eq!((&record["outcome"], &record["tool_calls"]), (&json!("success"), &json!(["song"])));
    }
}

#[tokio::test]
async fn documents_are_cited_to_callers_of_messages() {
    let source = json!({"type": "document", "id": "0", "document": {"id": "0", "title": "Sky", "text": "It is blue."}});
    let citation = json!({"start": 0, "end": 4, "text": "Blue", "sources": [source], "type": "TEXT_CONTENT"});
    let events = [
        started(),
        delta("content-start", json!({"content": {"type": "text", "text": ""}})),
        piece("Blue."),
        json!({"type": "content-end", "index": 0}),
        delta("citation-start", json!({"citations": citation})),
        json!({"type": "citation-end", "index": 0}),
        ended("COMPLETE"),
    ];
    let upstream = Upstream::start([stream(&events)]).await;
    let app = start(&upstream).await;
    let document = json!({"type": "document", "title": "Sky", "citations": {"enabled": true},
        "source": {"type": "text", "media_type": "text/plain", "data": "It is blue."}});
    let messages = json!([{"role": "user", "content": [document, {"type": "text", "text": "Its colour?"}]}]);
    let reply = app.message(&request(json!({"stream": true, "messages": messages}))).await;
    assert!(reply.text().contains("\"type\":\"citations_delta\""), "{}", reply.text());
    assert!(reply.text().contains("\"document_title\":\"Sky\""), "{}", reply.text());
    let sent = upstream.call().json();
    assert_eq!(sent["documents"], json!([{"id": "0", "data": {"title": "Sky", "text": "It is blue."}}]));
    assert_eq!(app.finish_one().await["cost"], COST);
}

#[tokio::test]
async fn a_form_beside_tools_is_looked_at_and_asked_for_once_more() {
    let upstream = Upstream::start([text("Kyiv"), text("{\"city\":\"Kyiv\"}")]).await;
    let app = start(&upstream).await;
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let format = json!({"type": "json_schema", "json_schema": {"name": "city", "schema": schema}});
    let tools = json!([{"type": "function", "function": {"name": "song"}}]);
    let reply = app.chat(&request(json!({"response_format": format, "tools": tools}))).await;
    assert_eq!(reply.json()["choices"][0]["message"]["content"], "{\"city\":\"Kyiv\"}", "{}", reply.text());
    let calls = upstream.calls();
    assert_eq!(calls[0].json()["response_format"], Value::Null);
    let turns = calls[1].json()["messages"].clone();
    let [.., said, complaint] = &turns.as_array().unwrap()[..] else { panic!("{turns}") };
    assert_eq!(said, &json!({"role": "assistant", "content": "Kyiv"}));
    assert_eq!(complaint["role"], "user");
    assert_eq!(app.finish_one().await["cost"], "0.0007");
}

#[tokio::test]
async fn refusals_have_the_status_that_callers_can_act_on() {
    let table = [
        (400, 400, "provider_refused_request"),
        (401, 502, "provider_refused_credential"),
        (404, 404, "provider_model_not_found"),
        (429, 429, "provider_rate_limited"),
        (500, 502, "provider_unavailable"),
        (503, 503, "provider_unavailable"),
    ];
    let answers = table.map(|(status, ..)| Answer::json(status, r#"{"message":"as Cohere says it"}"#));
    let upstream = Upstream::start(answers).await;
    let app = start(&upstream).await;
    for (status, expected, code) in table {
        let reply = app.chat(&request(json!({}))).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (expected, &json!(code)), "{status}");
    }
    for record in app.finish().await {
        assert_eq!(record["cost"], "0");
    }
}

#[tokio::test]
async fn a_failure_within_an_answer_is_told_as_one() {
    let failed = json!({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "it failed", "usage": usage()}});
    let upstream = Upstream::start([
        stream(&[started(), piece("Hel"), failed]),
        stream(&[started(), piece("Hel")]),
        answer(json!({"role": "assistant", "content": []}), "ERROR"),
    ])
    .await;
    let app = start(&upstream).await;
    let streamed = request(json!({"stream": true}));
    for message in ["it failed", "\"error\""] {
        let reply = app.chat(&streamed).await;
        let text = reply.text();
        assert!(text.contains("\"content\":\"Hel\"") && text.contains(message), "{text}");
        assert!(!text.contains("[DONE]"), "{text}");
    }
    let reply = app.chat(&request(json!({}))).await;
    assert_eq!(reply.status, 502, "{}", reply.text());
    let records = app.finish().await;
    assert!(records.iter().all(|record| record["outcome"] != "success"), "{records:?}");
    // What was told before the failure is charged.
    assert!(records.iter().any(|record| record["cost"] == COST), "{records:?}");
}
