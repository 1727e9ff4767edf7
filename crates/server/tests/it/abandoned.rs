//! Callers who leave answers that are billed whole: these are read to their end, so that it is known what they cost.

use crate::support::*;
use domain::Money;
use serde_json::{Value, json};
use std::time::Duration;

/// A provider that bills its answers whole.
fn draining(upstream: &Upstream) -> String {
    aborting("drain", &provider("openai", upstream))
}

async fn leave(app: &App, upstream: &Upstream, body: &str) {
    let call = app.post_open("/v1/chat/completions", body);
    tokio::select! {
        _ = call => panic!("nobody answers"),
        () = upstream.called(1) => {}
    }
}

fn assert_metered(record: &Value, status: u16) {
    assert_eq!((&record["outcome"], &record["status"]), (&json!("client_gone"), &json!(status)), "{record}");
    assert_eq!(record["usage_source"], "provider_final", "{record}");
    assert_eq!(record["cost"], CHAT_COST, "{record}");
    assert_eq!(record["attempts"], Value::Null, "the attempt itself has succeeded: {record}");
}

fn assert_assumed(record: &Value) {
    assert_eq!(
        (&record["outcome"], &record["usage_source"]),
        (&json!("client_gone"), &json!("hold_assumed"))
    );
    // A hundred tokens at two micro-dollars, beside the prompt.
    let cost: Money = record["cost"].as_str().unwrap().parse().unwrap();
    assert!(cost > "0.0002".parse().unwrap(), "{record}");
}

#[tokio::test]
async fn a_whole_answer_is_waited_for_whoever_has_left() {
    let upstream = Upstream::start([Answer::default().gate().raw(&whole_answer())]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    leave(&app, &upstream, CHAT).await;
    wait_until("the caller is missed", || app.gateway().abandoned.len() == 1).await;
    assert!(app.get("/metrics").await.text().contains("\nsignalbox_calls_abandoned 1\n"));
    upstream.open_gate();
    app.settled().await;
    assert!(app.gateway().abandoned.is_empty());
    assert_metered(&app.finish_one().await, 499);
}

fn whole_answer() -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
    format!("{head}: {}\r\n\r\n{CHAT_ANSWER}", CHAT_ANSWER.len()).into_bytes()
}

#[tokio::test]
async fn a_stream_that_is_billed_whole_is_read_to_its_end() {
    for seen in [0, 2] {
        let answer = Answer::stream().frames(&CHAT_FRAMES[..seen]).gate().frames(&CHAT_FRAMES[seen..]).end();
        let upstream = Upstream::start([answer]).await;
        let app = App::start(&draining(&upstream)).await;
        if seen == 0 {
            leave(&app, &upstream, CHAT_STREAM).await;
        } else {
            let mut reply = app.post_open("/v1/chat/completions", CHAT_STREAM).await;
            reply.read_events(seen).await;
        }
        wait_until("the caller is missed", || app.gateway().abandoned.len() == 1).await;
        upstream.open_gate();
        app.settled().await;
        assert_metered(&app.finish_one().await, 200);
    }
}

#[tokio::test]
async fn without_a_place_the_whole_reservation_is_charged() {
    let none = "[limits]\nabandoned_calls_max = 0\n";
    for body in [CHAT, CHAT_STREAM] {
        let upstream = Upstream::start([Answer::silence()]).await;
        let app = App::start(&format!("{none}{}", draining(&upstream))).await;
        leave(&app, &upstream, body).await;
        assert_eq!(upstream.ended().await, Ended::Cancelled);
        assert_assumed(&app.finish_one().await);
    }
}

#[tokio::test]
async fn an_answer_that_never_ends_is_given_up_in_time() {
    let silence = |limits: &mut gateway::Limits| {
        limits.total = Duration::from_millis(400);
        limits.idle = Duration::from_millis(200);
    };
    for body in [CHAT, CHAT_STREAM] {
        let answer =
            if body == CHAT { Answer::silence() } else { Answer::stream().frames(&CHAT_FRAMES[..2]).hang() };
        let upstream = Upstream::start([answer]).await;
        let app = App::with(&draining(&upstream), silence).await;
        if body == CHAT {
            leave(&app, &upstream, body).await;
        } else {
            app.post_open("/v1/chat/completions", body).await.read_events(2).await;
        }
        assert_eq!(upstream.ended().await, Ended::Cancelled);
        assert_assumed(&app.finish_one().await);
    }
}

#[tokio::test]
async fn a_failure_that_nobody_hears_is_on_record() {
    let upstream = Upstream::start([Answer::stream().frames(&CHAT_FRAMES[..2]).gate().cut()]).await;
    let app = App::start(&draining(&upstream)).await;
    app.post_open("/v1/chat/completions", CHAT_STREAM).await.read_events(2).await;
    wait_until("the caller is missed", || app.gateway().abandoned.len() == 1).await;
    upstream.open_gate();
    let record = app.finish_one().await;
    assert_eq!((&record["outcome"], &record["usage_source"]), (&json!("client_gone"), &json!("estimate")));
    assert_ne!(record["attempts"][0]["error"], Value::Null, "{record}");
}

#[tokio::test]
async fn nobody_is_waited_for_when_the_process_must_end() {
    let upstream = Upstream::start([Answer::stream().frames(&CHAT_FRAMES[..2]).hang()]).await;
    let app = App::start(&draining(&upstream)).await;
    app.post_open("/v1/chat/completions", CHAT_STREAM).await.read_events(2).await;
    wait_until("the caller is missed", || app.gateway().abandoned.len() == 1).await;
    app.gateway().end_calls();
    assert_eq!(upstream.ended().await, Ended::Cancelled);
    assert_assumed(&app.finish_one().await);
}
