//! What is written down about a request.

use crate::support::*;
use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::Full;
use serde_json::{Value, json};

const RICH: &str = r#"{"model":"openai/m","messages":[],"requesty":{"tags":["blue","green"],"user_id":"user-7","trace_id":"trace-8","extra":{"team":"payments","attempt":2,"flag":true},"surprise":1}}"#;
const TOOLS: &str = r#"{"id":"chatcmpl-9","object":"chat.completion","created":1,"model":"m-2025","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"get_weather","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"get_time","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":1},"completion_tokens_details":{"reasoning_tokens":2}}}"#;

#[tokio::test]
async fn a_rich_request_is_written_down_in_full() {
    let upstream = Upstream::start([Answer::json(200, TOOLS)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let request = app
        .request("POST", "/v1/chat/completions")
        .header("x-requesty-branch", "main")
        .header("x-signalbox-run", "17")
        .header("x-requesty-team", "overridden")
        .header("http-referer", "https://example.com/app")
        .header("x-title", "The App")
        .body(Full::new(Bytes::from(RICH)))
        .unwrap();
    let reply = app.send(request).await;
    let (org, id) = (app.org.to_string(), reply.header("x-request-id").to_owned());
    for name in ["request-id", "x-requesty-request-id"] {
        assert_eq!(reply.header(name), id);
    }
    let record = app.finish_one().await;
    let expected = json!({
        "id": id, "org_id": org, "operation": "chat_completions", "model_requested": "openai/m",
        "provider": "openai", "model_used": "m", "is_byok": false, "is_stream": false, "status": 200,
        "outcome": "success", "error_code": null, "finish_reason": "tool_calls", "input_tokens": 5,
        "cache_read_tokens": 4, "cache_write_tokens": 0, "output_tokens": 3, "reasoning_tokens": 2,
        "other_usage": {"audio_input": 1}, "usage_source": "provider_final", "cost": CHAT_COST,
        "is_unpriced": false, "first_token_ms": 0.0, "response_id": "chatcmpl-9",
        "tool_calls": ["get_weather", "get_time"], "warnings": ["requesty.surprise: unknown option, ignored"],
        "user_id": "user-7", "trace_id": "trace-8", "tags": ["blue", "green"],
        "extra": {"team": "payments", "attempt": "2", "flag": "true", "branch": "main", "run": "17"},
        "origin_referer": "https://example.com/app", "origin_title": "The App", "attempts": null,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&record[field], value, "{field}");
    }
    assert!(record["key_id"].as_str().unwrap().starts_with("key_"));
    assert!(record["at"].as_i64().unwrap() > 1_700_000_000_000);
    assert!(record["duration_ms"].as_f64().unwrap() > 0.0);
    assert!(reply.header("x-signalbox-warnings").contains("requesty.surprise"));
}

#[tokio::test]
async fn cache_reads_and_writes_are_billed_at_their_prices() {
    let upstream = Upstream::start([Answer::json(200, MESSAGE_ANSWER), Answer::sse(&MESSAGE_FRAMES)]).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    app.message(MESSAGE).await;
    app.message(MESSAGE_STREAM).await;
    for record in app.finish().await {
        let tokens = ["input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"];
        assert_eq!(tokens.map(|kind| record[kind].as_i64().unwrap()), [10, 4, 2, 5]);
        assert_eq!(
            (record["cost"].as_str(), record["finish_reason"].as_str()),
            (Some(MESSAGE_COST), Some("end_turn"))
        );
        assert_eq!(
            (record["operation"].as_str(), record["response_id"].as_str()),
            (Some("messages"), Some("msg_1"))
        );
        assert_eq!(record["usage_source"], "provider_final");
    }
}

#[tokio::test]
async fn a_stream_is_written_down_like_a_whole_answer() {
    let tool = "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"get_weather\",\"arguments\":\"\"}}]}}]}\n\n";
    let frames = [&CHAT_FRAMES[..2], &[tool], &CHAT_FRAMES[2..]].concat();
    let upstream = Upstream::start([Answer::sse(&frames)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    app.chat(CHAT_STREAM).await;
    let record = app.finish_one().await;
    assert_eq!((record["is_stream"].as_bool(), record["finish_reason"].as_str()), (Some(true), Some("stop")));
    assert_eq!(
        (record["response_id"].as_str(), &record["tool_calls"]),
        (Some("chatcmpl-1"), &json!(["get_weather"]))
    );
    assert_eq!(
        (record["cost"].as_str(), record["usage_source"].as_str()),
        (Some(CHAT_COST), Some("provider_final"))
    );
    let (first, all) = (record["first_token_ms"].as_f64().unwrap(), record["duration_ms"].as_f64().unwrap());
    assert!(0.0 < first && first <= all, "{record}");
}

#[tokio::test]
async fn a_model_without_a_price_says_so() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    app.chat(&CHAT.replace("openai/m", "openai/free")).await;
    let record = app.finish_one().await;
    assert_eq!((record["is_unpriced"].as_bool(), record["cost"].as_str()), (Some(true), Some("0")));
    assert_eq!((record["input_tokens"].as_i64(), record["output_tokens"].as_i64()), (Some(6), Some(3)));
}

#[tokio::test]
async fn an_answer_without_usage_is_estimated_and_says_so() {
    let without = |text: &str| text.split(",\"usage\":{").next().unwrap().to_owned() + "}";
    let upstream = Upstream::start([
        Answer::json(200, &without(CHAT_ANSWER)),
        Answer::sse(&[&CHAT_FRAMES[..4], &CHAT_FRAMES[5..]].concat()),
    ])
    .await;
    let app = App::start(&provider("openai", &upstream)).await;
    app.chat(CHAT).await;
    app.chat(CHAT_STREAM).await;
    for record in app.finish().await {
        assert_eq!(
            (record["outcome"].as_str(), record["usage_source"].as_str()),
            (Some("success"), Some("estimate"))
        );
        assert!(
            record["output_tokens"].as_i64() > Some(0) && record["input_tokens"].as_i64() > Some(0),
            "{record}"
        );
        assert_ne!(record["cost"], "0");
    }
}

#[tokio::test]
async fn a_refused_request_is_written_down_without_a_provider() {
    let app = App::start("").await;
    let reply = app.chat(r#"{"model":"nobody/m","requesty":{"user_id":"user-7"}}"#).await;
    assert_eq!(reply.status, 404);
    let record = app.finish_one().await;
    assert_eq!((record["status"].as_i64(), record["outcome"].as_str()), (Some(404), Some("refused")));
    assert_eq!(
        (record["error_code"].as_str(), record["model_requested"].as_str()),
        (Some("model_not_found"), Some("nobody/m"))
    );
    assert_eq!((record["provider"].as_str(), record["usage_source"].as_str()), (Some(""), Some("none")));
    assert_eq!((record["user_id"].as_str(), record["cost"].as_str()), (Some("user-7"), Some("0")));
    assert_eq!(record["attempts"], Value::Null);
}

#[tokio::test]
async fn metadata_has_its_bounds() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let long = "x".repeat(2_049);
    let many: Vec<String> = (0..65).map(|n| format!("\"k{n}\":1")).collect();
    for options in [
        format!(r#"{{"user_id":"{long}"}}"#),
        format!(r#"{{"trace_id":"{long}"}}"#),
        format!(r#"{{"tags":["{long}"]}}"#),
        format!(r#"{{"extra":{{"a":"{long}"}}}}"#),
        format!(r#"{{"extra":{{{}}}}}"#, many.join(",")),
    ] {
        let reply = app.chat(&format!(r#"{{"model":"openai/m","requesty":{options}}}"#)).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
    }
    app.finish().await;
}

#[tokio::test]
async fn two_hundred_concurrent_requests_are_two_hundred_records() {
    const CALLS: usize = 200;
    let upstream = Upstream::start((0..CALLS).map(|at| match at % 4 {
        0 => Answer::json(200, CHAT_ANSWER),
        1 => Answer::sse(&CHAT_FRAMES),
        2 => Answer::json(429, "{}"),
        _ => Answer::stream().frames(&CHAT_FRAMES[..2]).end(),
    }))
    .await;
    let app = App::start(&provider("openai", &upstream)).await;
    join_all((0..CALLS).map(|at| app.chat(if at % 2 == 0 { CHAT } else { CHAT_STREAM }))).await;
    let mut ids: Vec<String> = app.finish().await.iter().map(|record| record["id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), CALLS);
}
