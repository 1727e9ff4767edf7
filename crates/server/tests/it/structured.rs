//! Answers in a form, from models that cannot be held to one: asked for in words, looked at, asked for once more.

use crate::support::*;
use domain::{Enforcement, Limit, Scope, Window};
use serde_json::{Value, json};

const GOOD: &str = r#"{"city":"Kyiv"}"#;
const BAD: &str = r#"{"city":7}"#;

fn answer(text: &str) -> Answer {
    let body = json!({
        "id": "c-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    });
    Answer::json(200, &body.to_string())
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false})
}

fn chat(kind: &str) -> String {
    let format = json!({"type": "json_schema", "json_schema": {"name": "city", "schema": schema()}});
    let messages = json!([{"role": "user", "content": "Where?"}]);
    json!({"model": format!("{kind}/m"), "messages": messages, "response_format": format}).to_string()
}

fn content(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_schema_is_asked_for_in_words_and_a_fence_taken_away() {
    let upstream = Upstream::start([answer(GOOD), answer(&format!("```json\n{GOOD}\n```"))]).await;
    let app = App::start(&provider("deepseek", &upstream)).await;
    let reply = app.chat(&chat("deepseek")).await;
    assert_eq!(content(&reply), GOOD);
    assert!(reply.header("x-signalbox-warnings").contains("response_format"));
    let sent = upstream.calls()[0].json();
    assert_eq!(sent["response_format"], json!({"type": "json_object"}));
    assert!(sent["messages"][0]["content"].as_str().unwrap().contains("additionalProperties"));
    let reply = app.chat(&chat("deepseek")).await;
    assert_eq!(content(&reply), GOOD);
    assert!(reply.header("x-signalbox-warnings").contains("text around the JSON was taken away"));
    assert_eq!(upstream.calls().len(), 2);
    app.finish().await;
}

#[tokio::test]
async fn an_answer_that_differs_is_asked_for_once_more_and_both_are_charged() {
    let upstream = Upstream::start([answer(BAD), answer(GOOD)]).await;
    let app = App::start(&provider("deepseek", &upstream)).await;
    let reply = app.chat(&chat("deepseek")).await;
    assert_eq!(content(&reply), GOOD);
    assert!(
        reply.header("x-signalbox-warnings").contains("asked for twice"),
        "{}",
        reply.header("x-signalbox-warnings")
    );
    let usage = &reply.json()["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(200), &json!(20)));
    assert_eq!(usage["cost"], json!(0.00024));
    let turns = upstream.calls()[1].json()["messages"].as_array().unwrap().clone();
    let [.., said, complaint] = &turns[..] else { panic!("{turns:?}") };
    assert_eq!((&said["role"], &said["content"]), (&json!("assistant"), &json!(BAD)));
    assert!(complaint["content"].as_str().unwrap().contains("/city"), "{complaint}");
    let record = app.finish_one().await;
    assert!(!record["warnings"].to_string().contains("/city"), "{record}");
    assert_eq!((&record["cost"], &record["outcome"]), (&json!("0.00024"), &json!("success")));
    assert_eq!((&record["input_tokens"], &record["output_tokens"]), (&json!(200), &json!(20)));
}

#[tokio::test]
async fn a_caller_of_converse_gets_its_form_too() {
    let upstream = Upstream::start([answer(BAD), answer(GOOD)]).await;
    let app = App::start(&provider("deepseek", &upstream)).await;
    let structure = json!({"jsonSchema": {"name": "city", "schema": schema().to_string()}});
    let body = json!({
        "messages": [{"role": "user", "content": [{"text": "Where?"}]}],
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": structure}},
    });
    let reply = app.post("/model/deepseek%2Fm/converse", body.to_string()).await;
    let told = reply.json();
    assert_eq!(told["output"]["message"]["content"], json!([{"text": GOOD}]), "{}", reply.text());
    assert_eq!((&told["usage"]["inputTokens"], &told["usage"]["cost"]), (&json!(200), &json!(0.00024)));
    assert!(told["metrics"]["latencyMs"].is_u64(), "{told}");
    app.finish().await;
}

#[tokio::test]
async fn nobody_is_asked_a_third_time() {
    let upstream = Upstream::start([answer(BAD), answer("sorry")]).await;
    let app = App::start(&provider("ai21", &upstream)).await;
    let format = json!({"format": {"type": "json_schema", "schema": schema()}});
    let messages = json!([{"role": "user", "content": "Where?"}]);
    let body = json!({"model": "ai21/m", "max_tokens": 50, "messages": messages, "output_config": format});
    let reply = app.message(&body.to_string()).await;
    assert_eq!(reply.json()["content"][0]["text"], "sorry", "{}", reply.text());
    assert_eq!(reply.json()["usage"]["output_tokens"], 20);
    let warnings = reply.header("x-signalbox-warnings");
    assert!(warnings.contains("differs from the schema, asked for twice"), "{warnings}");
    assert_eq!(upstream.calls().len(), 2);
    app.finish().await;
}

#[tokio::test]
async fn a_second_request_that_fails_leaves_the_first_answer() {
    let upstream =
        Upstream::start([answer(BAD), Answer::json(503, "{\"error\":{\"message\":\"busy\"}}")]).await;
    let app = App::start(&provider("deepseek", &upstream)).await;
    let reply = app.chat(&chat("deepseek")).await;
    assert_eq!(content(&reply), BAD);
    assert!(reply.header("x-signalbox-warnings").contains("could not be asked for again"));
    let record = app.finish_one().await;
    assert_eq!((&record["cost"], &record["output_tokens"]), (&json!("0.00012"), &json!(10)));
}

#[tokio::test]
async fn a_second_request_that_cannot_be_paid_for_is_not_made() {
    let upstream = Upstream::start([answer(BAD)]).await;
    let app = App::start(&provider("deepseek", &upstream)).await;
    // The first may cost 1,500 tokens and the answer; the second some hundred more, and the first has cost 120 millionths.
    let bound = |dollars: &str| Limit {
        scope: Scope::Organization(app.org),
        window: Window::Month,
        amount: dollars.parse().unwrap(),
        enforcement: Enforcement::Hard,
    };
    app.db.set_limit(app.org, bound("0.0018")).await.unwrap();
    app.read_configuration().await;
    let reply = app.chat(&chat("deepseek")).await;
    assert_eq!(content(&reply), BAD);
    assert!(
        reply
            .header("x-signalbox-warnings")
            .contains("could not be asked for again: Reached monthly spend limit")
    );
    assert_eq!(upstream.calls().len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn what_is_streamed_or_calls_tools_is_not_asked_for_again() {
    let call = json!({
        "id": "c-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "message":
            {"role": "assistant", "content": null, "tool_calls": [{"id": "t", "type": "function", "function":
            {"name": "look", "arguments": "{}"}}]}, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    });
    let upstream = Upstream::start([Answer::json(200, &call.to_string()), Answer::sse(&CHAT_FRAMES)]).await;
    let app = App::start(&provider("deepseek", &upstream)).await;
    let reply = app.chat(&chat("deepseek")).await;
    assert_eq!(reply.json()["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "look");
    let reply = app.chat(&chat("deepseek").replace("\"model\"", "\"stream\":true,\"model\"")).await;
    assert!(reply.text().ends_with("data: [DONE]\n\n"));
    assert_eq!(upstream.calls().len(), 2);
    app.finish().await;
}

#[tokio::test]
async fn a_schema_that_would_never_end_is_given_up() {
    let upstream = Upstream::start([answer(GOOD)]).await;
    let app = App::start(&provider("deepseek", &upstream)).await;
    let levels = (0..40).map(|level| {
        let next = format!("#/$defs/d{}", level + 1);
        (format!("d{level}"), json!({"anyOf": [{"$ref": next}, {"x": 1, "$ref": next}]}))
    });
    let mut defs: serde_json::Map<String, Value> = levels.collect();
    defs.insert("d40".to_owned(), json!(false));
    let schema = json!({"$ref": "#/$defs/d0", "$defs": defs});
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    let messages = json!([{"role": "user", "content": "Where?"}]);
    let body = json!({"model": "deepseek/m", "messages": messages, "response_format": format});
    let reply = app.chat(&body.to_string()).await;
    assert_eq!(content(&reply), GOOD);
    assert!(
        reply.header("x-signalbox-warnings").contains("not checked"),
        "{}",
        reply.header("x-signalbox-warnings")
    );
    app.finish().await;
}

#[tokio::test]
async fn a_claude_that_takes_no_schema_is_told_it_also_when_its_name_says_how_to_think() {
    let body = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "x", "content": [{"type": "text", "text": GOOD}],
        "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 10, "output_tokens": 2},
    });
    let upstream = Upstream::start([Answer::json(200, &body.to_string())]).await;
    let declared = "[[providers.models]]\nid = \"claude-opus-4-1\"\n";
    let app = App::start(&format!("{}{declared}", provider("anthropic", &upstream))).await;
    let format = json!({"format": {"type": "json_schema", "schema": schema()}});
    let messages = json!([{"role": "user", "content": "Where?"}]);
    let model = "anthropic/claude-opus-4-1:low";
    let body = json!({"model": model, "max_tokens": 5000, "messages": messages, "output_config": format, "system": "Be brief."});
    let reply = app.message(&body.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!((&reply.json()["content"][0]["text"], &reply.json()["model"]), (&json!(GOOD), &json!(model)));
    let sent = upstream.call().json();
    assert!(
        sent["system"].to_string().contains("JSON schema")
            && sent["system"].to_string().contains("Be brief.")
    );
    assert_eq!(sent["thinking"]["budget_tokens"], 1024);
    app.finish().await;
}
