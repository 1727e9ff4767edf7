//! What a call may cost at the most, end to end: the terms it is served on and what its provider tells of them.

use crate::support::*;
use domain::{Enforcement, Limit, Money, Scope, Window};
use serde_json::{Value, json};

/// A provider with the models and prices of its built-in catalogue.
fn catalogued(kind: &str, upstream: &Upstream) -> String {
    let config = provider(kind, upstream);
    config.split("[[providers.models]]").next().unwrap().to_owned()
}

/// Sets a hard limit for everybody and waits until the gateway has heard of it.
async fn limit(app: &App, dollars: &str) {
    let amount: Money = dollars.parse().unwrap();
    let scope = Scope::Organization(app.org);
    let limit = Limit { scope, window: Window::Month, amount, enforcement: Enforcement::Hard };
    app.db.set_limit(app.org, limit).await.unwrap();
    app.read_configuration().await;
}

fn chat(extra: &str) -> String {
    format!(
        r#"{{"model":"openai/gpt-5","max_completion_tokens":1000,"messages":[{{"role":"user","content":"Hi"}}]{extra}}}"#
    )
}

fn message(model: &str, extra: &str) -> String {
    format!(r#"{{"model":"{model}","max_tokens":1000,"messages":[{{"role":"user","content":"Hi"}}]{extra}}}"#)
}

/// A hundred tokens in and as many out, served in this tier.
fn served(tier: Value) -> Answer {
    let body = json!({
        "id": "c-1", "object": "chat.completion", "created": 1, "model": "gpt-5", "service_tier": tier,
        "usage": {"prompt_tokens": 100, "completion_tokens": 100, "total_tokens": 200},
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    });
    Answer::json(200, &body.to_string())
}

#[tokio::test]
async fn a_priority_call_holds_the_price_of_priority_and_costs_what_it_was_served_as() {
    let answers = [served(json!("priority")), served(json!("default")), served(json!("fast"))];
    let upstream = Upstream::start(answers).await;
    let app = App::start(&catalogued("openai", &upstream)).await;
    // A thousand tokens of an answer are a cent, or two as priority.
    limit(&app, "0.018").await;
    for _ in 0..2 {
        let reply = app.chat(&chat(r#","service_tier":"priority""#)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let clamped: u64 = reply.header("x-signalbox-clamped").parse().unwrap();
        assert!((600..800).contains(&clamped), "{clamped}");
        assert_eq!(upstream.calls().last().unwrap().json()["service_tier"], "priority");
        app.settled().await;
    }
    let reply = app.chat(&chat(r#","service_tier":"default""#)).await;
    assert_eq!((reply.status, reply.header("x-signalbox-clamped")), (200, ""));
    let costs: Vec<Value> = app.finish().await.iter().map(|record| record["cost"].clone()).collect();
    // 0.000125 and 0.001, and twice that.
    for (cost, times) in [("0.00225", 2), ("0.001125", 1)] {
        assert_eq!(costs.iter().filter(|found| *found == cost).count(), times, "{costs:?}");
    }
}

#[tokio::test]
async fn the_tier_that_the_account_is_set_to_is_held_or_ruled_out() {
    let upstream = Upstream::always(served(json!("default")), 3).await;
    let app = App::start(&catalogued("openai", &upstream)).await;
    limit(&app, "1").await;
    let reply = app.chat(&chat("")).await;
    assert_eq!(reply.status, 200);
    assert!(!reply.header("x-signalbox-warnings").contains("service_tier"));
    assert_eq!(upstream.call().json().get("service_tier"), None);
    app.settled().await;
    // Enough for the ordinary price, and for half of the other.
    limit(&app, "0.018").await;
    for tier in ["", r#","service_tier":"auto""#] {
        let reply = app.chat(&chat(tier)).await;
        assert_eq!((reply.status, reply.header("x-signalbox-clamped")), (200, ""));
        assert!(reply.header("x-signalbox-warnings").contains("service_tier: set to the standard one"));
        assert_eq!(upstream.calls().last().unwrap().json()["service_tier"], "default");
        app.settled().await;
    }
    app.finish().await;
}

#[tokio::test]
async fn terms_without_a_known_price_are_refused_under_a_hard_limit() {
    let upstream = Upstream::start([]).await;
    let config = catalogued("openai", &upstream) + &catalogued("anthropic", &upstream);
    let app = App::start(&config).await;
    limit(&app, "1").await;
    let rest = "has no known price, and a spending limit applies to this key";
    let reply = app.chat(&chat(r#","service_tier":"ultrafast""#)).await;
    assert_openai_error(&reply, 412, "cost_unbounded");
    let expected = format!("the service tier that is asked of the model `openai/gpt-5` {rest}");
    assert_eq!(reply.json()["error"]["message"], expected);
    let haiku = "anthropic/claude-haiku-4-5";
    for (field, what) in [
        (r#","speed":"fast""#, "speed"),
        (r#","inference_geo":"us""#, "region"),
        (r#","service_tier":"ultrafast""#, "service tier"),
    ] {
        let reply = app.message(&message(haiku, field)).await;
        assert_anthropic_error(&reply, 412, "invalid_request_error");
        let expected = format!("the {what} that is asked of the model `{haiku}` {rest}");
        assert_eq!(reply.json()["error"]["message"], expected);
    }
    assert!(upstream.calls().is_empty());
    app.finish().await;
}

#[tokio::test]
async fn without_a_limit_an_unknown_tier_is_asked_for_and_stays_unpriced() {
    let upstream = Upstream::start([served(json!("ultrafast")), served(Value::Null)]).await;
    let app = App::start(&catalogued("openai", &upstream)).await;
    for _ in 0..2 {
        let reply = app.chat(&chat(r#","service_tier":"ultrafast""#)).await;
        assert_eq!((reply.status, reply.json()["usage"].get("cost")), (200, None));
    }
    for record in app.finish().await {
        assert_eq!((&record["cost"], &record["is_unpriced"]), (&json!("0"), &json!(true)));
    }
}

#[tokio::test]
async fn a_tier_that_nobody_asked_for_and_nobody_knows_costs_what_was_held() {
    let upstream = Upstream::start([served(json!("ultrafast"))]).await;
    let app = App::start(&catalogued("openai", &upstream)).await;
    limit(&app, "1").await;
    assert_eq!(app.chat(&chat("")).await.status, 200);
    let record = app.finish_one().await;
    let cost: Money = record["cost"].as_str().unwrap().parse().unwrap();
    assert!(cost > "0.02".parse().unwrap() && cost < "0.03".parse().unwrap(), "{record}");
    assert_eq!(record["is_unpriced"], true);
}

/// A Messages stream of a hundred tokens in and as many out, on these terms.
fn message_frames(terms: &str) -> Vec<String> {
    [
        format!(
            r#"{{"type":"message_start","message":{{"id":"m","type":"message","role":"assistant","content":[],"usage":{{"input_tokens":100,"output_tokens":1{terms}}}}}}}"#
        ),
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#.to_owned(),
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#.to_owned(),
        r#"{"type":"content_block_stop","index":0}"#.to_owned(),
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":100}}"#
            .to_owned(),
        r#"{"type":"message_stop"}"#.to_owned(),
    ]
    .into_iter()
    .map(|data| {
        let kind: Value = serde_json::from_str(&data).unwrap();
        format!("event: {}\ndata: {data}\n\n", kind["type"].as_str().unwrap())
    })
    .collect()
}

#[tokio::test]
async fn speed_and_region_are_priced_as_the_stream_tells_them() {
    let fast = message_frames(r#","speed":"fast","inference_geo":"us""#);
    let plain = message_frames(r#","speed":"standard","inference_geo":"global""#);
    let answers = [&fast, &plain, &fast].map(|frames| Answer::sse(&[&frames.concat()]));
    let upstream = Upstream::start(answers).await;
    let app = App::start(&catalogued("anthropic", &upstream)).await;
    limit(&app, "1").await;
    let opus = "anthropic/claude-opus-5-5";
    let body = message(opus, r#","stream":true,"speed":"fast","inference_geo":"us""#);
    for _ in 0..2 {
        let reply = app.message(&body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        app.settled().await;
    }
    // Translated, and told all the same.
    let reply = app.chat(&chat(r#","stream":true"#).replace("openai/gpt-5", opus)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let costs: Vec<Value> = app.finish().await.iter().map(|record| record["cost"].clone()).collect();
    // 0.0004 and 0.002, and 2.2 times that.
    for (cost, times) in [("0.00528", 2), ("0.0024", 1)] {
        assert_eq!(costs.iter().filter(|found| *found == cost).count(), times, "{costs:?}");
    }
}

/// A message to Claude Haiku 4.5, whose prompt may be 200,000 tokens at two dollars a million, when cached for an hour.
fn search(tools: &str) -> String {
    message(
        "anthropic/claude-haiku-4-5",
        &format!(r#","tools":[{{"name":"look","input_schema":{{}}}},{tools}]"#),
    )
}

#[tokio::test]
async fn searches_are_held_as_often_as_they_may_run_and_limited_where_nobody_does() {
    let upstream = Upstream::always(Answer::json(200, MESSAGE_ANSWER), 3).await;
    let app = App::start(&catalogued("anthropic", &upstream)).await;
    let bare = search(r#"{"type":"web_search_20250305","name":"web_search"}"#);
    assert_eq!(app.message(&bare).await.status, 200);
    assert_eq!(upstream.calls().last().unwrap().json()["tools"][1].get("max_uses"), None);
    app.settled().await;
    // Enough for five searches, six looks at what they found, 40 cents each.
    limit(&app, "2.5").await;
    let reply = app.message(&bare).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.header("x-signalbox-warnings").contains("tools: limited to 5 web searches"));
    assert_eq!(upstream.calls().last().unwrap().json()["tools"][1]["max_uses"], 5);
    app.settled().await;
    let own = bare.replace(r#""name":"web_search""#, r#""name":"web_search","max_uses":2"#);
    let reply = app.message(&own).await;
    assert_eq!((reply.status, reply.header("x-signalbox-warnings")), (200, ""));
    assert_eq!(upstream.calls().last().unwrap().json()["tools"][1]["max_uses"], 2);
    app.settled().await;
    for more in [own.replace(r#""max_uses":2"#, r#""max_uses":8"#), own.replace("20250305", "20260209")] {
        assert_eq!(app.message(&more).await.status, 412);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_translated_search_is_limited_too() {
    let upstream = Upstream::start([Answer::json(200, MESSAGE_ANSWER)]).await;
    let app = App::start(&catalogued("anthropic", &upstream)).await;
    limit(&app, "2.5").await;
    let body = chat(r#","web_search_options":{}"#).replace("openai/gpt-5", "anthropic/claude-haiku-4-5");
    let reply = app.chat(&body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.header("x-signalbox-warnings").contains("tools: limited to 5 web searches"));
    assert_eq!(upstream.call().json()["tools"][0]["max_uses"], 5);
    app.finish().await;
}

#[tokio::test]
async fn a_model_that_searches_once_is_held_for_one_search() {
    let upstream = Upstream::start([served(Value::Null)]).await;
    let app = App::start(&catalogued("openai", &upstream)).await;
    // A search is 2.5 cents, a thousand tokens of the answer one, two thousand of the prompt half a one.
    limit(&app, "0.04").await;
    let body = chat("").replace("gpt-5", "gpt-4o-search-preview");
    let reply = app.chat(&body).await;
    assert_eq!((reply.status, reply.header("x-signalbox-clamped")), (200, ""), "{}", reply.text());
    app.settled().await;
    let reply = app.chat(&body.replace("gpt-4o-search-preview", "gpt-5-search-api")).await;
    assert_eq!(reply.status, 412);
    app.finish().await;
}

#[tokio::test]
async fn a_prompt_whose_bytes_do_not_fit_but_whose_tokens_do_is_admitted() {
    let upstream = Upstream::start([served(json!("default"))]).await;
    let app = App::start(&catalogued("openai", &upstream)).await;
    // 24,000 bytes are 4,000 tokens; at 1.25 dollars a million three cents or half a one. The answer may cost one.
    let prompt = "These are six plain words here. ".repeat(750);
    let body = chat(r#","service_tier":"default""#).replace("\"Hi\"", &format!("\"{prompt}\""));
    limit(&app, "0.022").await;
    let reply = app.chat(&body).await;
    assert_eq!((reply.status, reply.header("x-signalbox-clamped")), (200, ""), "{}", reply.text());
    app.settled().await;
    // Of a model whose tokenizer nobody knows, the bytes count.
    let reply = app.chat(&body.replace("openai/gpt-5", "openai/gpt-5.1")).await;
    assert_eq!(reply.status, 412, "{}", reply.text());
    // What has no fewer tokens than bytes gains nothing.
    let dense = "\u{1}".repeat(24_000).replace('\u{1}', "\\u0001");
    let body = chat(r#","service_tier":"default""#).replace("\"Hi\"", &format!("\"{dense}\""));
    assert_eq!(app.chat(&body).await.status, 412);
    app.finish().await;
}
