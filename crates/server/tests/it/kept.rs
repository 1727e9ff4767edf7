//! `auto_cache` towards Google: a prompt's beginning is kept for a rent where Google's own cache fails, and that is written
//! down and paid for.

use crate::support::*;
use domain::{Enforcement, Limit, Scope, Window};
use serde_json::{Value, json};

const CREATED: &str = r#"{"name":"cachedContents/k-1","model":"models/m","usageMetadata":{"totalTokenCount":7000},"expireTime":"2026-11-26T10:05:00Z"}"#;

fn google(upstream: &Upstream) -> String {
    let catalog = "per_1m_kept_token_hours = \"1.2\"\n";
    let config = provider_at("google", &format!("http://{}", upstream.address));
    config.replacen("context_window = 1000\n", &format!("context_window = 100000\n{catalog}"), 1)
}

/// An answer to a prompt of 7,010 tokens, of which so many came from a cache.
fn answer(cached: u64) -> Answer {
    let body = json!({
        "candidates": [{"content": {"parts": [{"text": "Yes."}], "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 7010, "cachedContentTokenCount": cached, "candidatesTokenCount": 5, "totalTokenCount": 7015},
        "modelVersion": "m", "responseId": "r-1",
    });
    Answer::json(200, &body.to_string())
}

fn chat(asks: &str) -> String {
    let system = "You are a careful agent. ".repeat(1_100);
    json!({
        "model": "google/m", "max_tokens": 50, "requesty": {"auto_cache": true},
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": asks}],
        "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}],
    })
    .to_string()
}

/// What a call costs that reads its whole prompt anew, and one that reads 7,000 tokens of it from the cache.
const ANEW: &str = "0.00702";
const AGAIN: &str = "0.00072";
/// 7,000 tokens written at 1.25, and their rent for five minutes at 1.2 dollars an hour.
const KEEPING: &str = "0.00945";

async fn oldest_first(app: App) -> Vec<Value> {
    let mut records = app.finish().await;
    records.reverse();
    records
}

async fn missed_twice(app: &App) {
    for asks in ["a", "b", "c"] {
        assert_eq!(app.chat(&chat(asks)).await.status, 200);
    }
}

#[tokio::test]
async fn a_beginning_is_kept_named_and_paid_for() {
    let answers = [answer(0), answer(0), answer(0), Answer::json(200, CREATED), answer(7_000), answer(7_000)];
    let upstream = Upstream::start(answers).await;
    let app = App::start(&google(&upstream)).await;
    missed_twice(&app).await;
    let reply = app.chat(&chat("d")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["usage"]["cost"], json!(0.01017), "both attempts");
    let reply = app.chat(&chat("e")).await;
    assert_eq!(reply.json()["usage"]["cost"], json!(0.00072));
    let calls = upstream.calls();
    let lines: Vec<&str> = calls.iter().map(|call| call.line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(
        lines[2..5],
        ["/v1beta/models/m:generateContent", "/v1beta/cachedContents", "/v1beta/models/m:generateContent"]
    );
    let (whole, kept, named) = (calls[2].json(), calls[3].json(), calls[4].json());
    assert_eq!((&kept["model"], &kept["ttl"]), (&json!("models/m"), &json!("300s")));
    for field in ["systemInstruction", "tools"] {
        assert_eq!((&kept[field], &named[field]), (&whole[field], &Value::Null), "{field}");
    }
    assert_eq!(calls[3].header("x-goog-api-key"), Some(PROVIDER_KEY));
    assert_eq!(named["cachedContent"], "cachedContents/k-1");
    assert_eq!(named["contents"][0]["parts"][0]["text"], "d");
    let records = oldest_first(app).await;
    let costs: Vec<&str> = records.iter().map(|record| record["cost"].as_str().unwrap()).collect();
    assert_eq!(costs, [ANEW, ANEW, ANEW, "0.01017", AGAIN]);
    let attempts = records[3]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2);
    assert_eq!((&attempts[0]["cost"], &attempts[1]["cost"]), (&json!(KEEPING), &json!(AGAIN)));
    assert_eq!(records[3]["outcome"], "success");
}

#[tokio::test]
async fn a_stream_tells_what_both_cost() {
    let frame = r#"data: {"candidates":[{"content":{"parts":[{"text":"Yes."}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":7010,"cachedContentTokenCount":7000,"candidatesTokenCount":5,"totalTokenCount":7015},"modelVersion":"m","responseId":"r-1"}"#;
    let answers = [
        answer(0),
        answer(0),
        answer(0),
        Answer::json(200, CREATED),
        Answer::sse(&[&format!("{frame}\n\n")]),
    ];
    let upstream = Upstream::start(answers).await;
    let app = App::start(&google(&upstream)).await;
    missed_twice(&app).await;
    let options = r#""stream":true,"stream_options":{"include_usage":true},"max_tokens""#;
    let reply = app.chat(&chat("d").replacen("\"max_tokens\"", options, 1)).await;
    assert!(reply.text().contains("\"cost\":0.01017"), "{}", reply.text());
    assert!(upstream.calls()[4].line.contains(":streamGenerateContent"));
    assert_eq!(oldest_first(app).await[3]["cost"], "0.01017");
}

/// Leaves while the beginning is kept.
async fn leave(app: &App, upstream: &Upstream) {
    let body = chat("d");
    tokio::select! {
        reply = app.chat(&body) => panic!("answered: {}", reply.text()),
        () = upstream.called(4) => {}
    }
}

#[tokio::test]
async fn who_leaves_while_a_beginning_is_kept_pays_for_it_and_for_nothing_else() {
    let slow = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{CREATED}", CREATED.len());
    let answers =
        [answer(0), answer(0), answer(0), Answer::default().gate().raw(slow.as_bytes()), answer(7_000)];
    let upstream = Upstream::start(answers).await;
    let app = App::start(&google(&upstream)).await;
    missed_twice(&app).await;
    leave(&app, &upstream).await;
    upstream.open_gate();
    app.recorded(4).await;
    assert_eq!(app.chat(&chat("e")).await.status, 200);
    assert_eq!(upstream.calls()[4].json()["cachedContent"], "cachedContents/k-1", "it was kept all the same");
    let records = oldest_first(app).await;
    assert_eq!((&records[3]["outcome"], &records[3]["cost"]), (&json!("client_gone"), &json!(KEEPING)));
}

#[tokio::test]
async fn where_nobody_waits_for_it_what_may_have_been_kept_is_charged_as_held() {
    let upstream = Upstream::start([answer(0), answer(0), answer(0), Answer::silence()]).await;
    let app = App::start(&aborting("cancel", &google(&upstream))).await;
    missed_twice(&app).await;
    leave(&app, &upstream).await;
    let record = &oldest_first(app).await[3];
    assert_eq!(
        (&record["outcome"], &record["usage_source"]),
        (&json!("client_gone"), &json!("hold_assumed"))
    );
    // As many tokens as its beginning has bytes, written and rented.
    let cost: f64 = record["cost"].as_str().unwrap().parse().unwrap();
    assert!((0.03..0.05).contains(&cost), "{cost}");
}

#[tokio::test]
async fn googles_own_cache_and_callers_who_want_none_pay_no_rent() {
    let upstream = Upstream::start([0, 7_000, 7_000, 7_000, 0, 0, 0, 0].map(answer)).await;
    let app = App::start(&google(&upstream)).await;
    missed_twice(&app).await;
    assert_eq!(app.chat(&chat("d")).await.status, 200);
    for asks in ["f", "g", "h", "i"] {
        let body = chat(asks).replace("\"auto_cache\":true", "\"auto_cache\":false");
        assert_eq!(app.chat(&body).await.status, 200);
    }
    assert!(upstream.calls().iter().all(|call| call.line.contains(":generateContent")));
    app.finish().await;
}

#[tokio::test]
async fn a_name_that_is_forgotten_gives_way_to_the_whole_prompt() {
    let gone = r#"{"error":{"code":403,"message":"CachedContent not found (or permission denied)","status":"PERMISSION_DENIED"}}"#;
    let answers = [
        answer(0),
        answer(0),
        answer(0),
        Answer::json(200, CREATED),
        Answer::json(403, gone),
        answer(0),
        answer(0),
    ];
    let upstream = Upstream::start(answers).await;
    let app = App::start(&google(&upstream)).await;
    missed_twice(&app).await;
    for asks in ["d", "e"] {
        assert_eq!(app.chat(&chat(asks)).await.status, 200);
    }
    let calls = upstream.calls();
    assert_eq!(calls[4].json()["cachedContent"], "cachedContents/k-1");
    for call in &calls[5..7] {
        assert_eq!(call.json()["systemInstruction"], calls[0].json()["systemInstruction"]);
    }
    let records = oldest_first(app).await;
    assert_eq!(records[3]["cost"], "0.01647", "keeping, and the whole prompt");
    assert_eq!(records[3]["attempts"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_caller_at_fault_takes_nobodys_cache_away() {
    let fault =
        r#"{"error":{"code":400,"message":"Invalid JSON payload received.","status":"INVALID_ARGUMENT"}}"#;
    let answers = [
        answer(0),
        answer(0),
        answer(0),
        Answer::json(200, CREATED),
        answer(7_000),
        Answer::json(400, fault),
        answer(7_000),
    ];
    let upstream = Upstream::start(answers).await;
    let app = App::start(&google(&upstream)).await;
    missed_twice(&app).await;
    assert_eq!(app.chat(&chat("d")).await.status, 200);
    let reply = app.chat(&chat("e")).await;
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("Invalid JSON payload"), "{}", reply.text());
    assert_eq!(app.chat(&chat("f")).await.status, 200);
    assert_eq!(upstream.calls()[6].json()["cachedContent"], "cachedContents/k-1");
    let records = oldest_first(app).await;
    assert_eq!((&records[4]["cost"], &records[5]["cost"]), (&json!("0"), &json!(AGAIN)));
}

#[tokio::test]
async fn a_keyed_call_that_is_refused_after_keeping_may_be_made_again() {
    let busy = r#"{"error":{"code":429,"message":"Quota exceeded.","status":"RESOURCE_EXHAUSTED"}}"#;
    let answers =
        [answer(0), answer(0), answer(0), Answer::json(200, CREATED), Answer::json(429, busy), answer(7_000)];
    let upstream = Upstream::start(answers).await;
    let app = App::start(&google(&upstream)).await;
    missed_twice(&app).await;
    let keyed = async || app.keyed("/v1/chat/completions", "k-1", &chat("d")).await;
    assert_eq!(keyed().await.status, 429);
    assert_eq!(keyed().await.status, 200, "the key was given up");
    let records = oldest_first(app).await;
    assert_eq!((&records[3]["cost"], &records[4]["cost"]), (&json!(KEEPING), &json!(AGAIN)));
}

#[tokio::test]
async fn what_was_held_for_keeping_is_not_charged_to_the_call() {
    let config = |upstream: &Upstream| "[limits]\nabandoned_calls_max = 0\n".to_owned() + &google(upstream);
    let mut lost = Vec::new();
    for is_kept in [false, true] {
        let before =
            if is_kept { vec![answer(0), answer(0), answer(0), Answer::json(200, CREATED)] } else { vec![] };
        let calls = before.len() + 1;
        let upstream = Upstream::start(before.into_iter().chain([Answer::silence()])).await;
        let app = App::start(&config(&upstream)).await;
        if is_kept {
            missed_twice(&app).await;
        }
        let body = chat("d");
        tokio::select! {
            reply = app.chat(&body) => panic!("answered: {}", reply.text()),
            () = upstream.called(calls) => {}
        }
        let records = oldest_first(app).await;
        let cost: f64 = records.last().unwrap()["cost"].as_str().unwrap().parse().unwrap();
        lost.push(if is_kept { cost - 0.00945 } else { cost });
    }
    // A name is shorter than what it stands for.
    assert!(lost[0] > 0.03 && (lost[1] - lost[0]).abs() < 1e-9, "{lost:?}");
}

#[tokio::test]
async fn a_refusal_costs_nothing_and_is_not_tried_again() {
    let small =
        r#"{"error":{"code":400,"message":"Cached content is too small","status":"INVALID_ARGUMENT"}}"#;
    let answers = [answer(0), answer(0), answer(0), Answer::json(400, small), answer(0), answer(0)];
    let upstream = Upstream::start(answers).await;
    let app = App::start(&google(&upstream)).await;
    missed_twice(&app).await;
    for asks in ["d", "e"] {
        assert_eq!(app.chat(&chat(asks)).await.status, 200);
    }
    assert_eq!(upstream.calls().len(), 6);
    let records = oldest_first(app).await;
    assert_eq!((&records[3]["cost"], &records[4]["cost"]), (&json!(ANEW), &json!(ANEW)));
}

#[tokio::test]
async fn what_a_limit_does_not_leave_is_not_spent_on_keeping() {
    let upstream = Upstream::start([0, 0, 0, 0].map(answer)).await;
    let app = App::start(&google(&upstream)).await;
    // Three calls, and the bound of one more by its bytes; not that of keeping beside it.
    let limit = Limit {
        scope: Scope::Organization(app.org),
        window: Window::Month,
        amount: "0.06".parse().unwrap(),
        enforcement: Enforcement::Hard,
    };
    app.db.set_limit(app.org, limit).await.unwrap();
    app.read_configuration().await;
    missed_twice(&app).await;
    assert_eq!(app.chat(&chat("d")).await.status, 200);
    assert!(upstream.calls().iter().all(|call| call.line.contains(":generateContent")));
    app.finish().await;
}
