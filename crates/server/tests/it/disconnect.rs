//! Callers who leave: the provider hears of it, and what was delivered is on record.

use crate::support::*;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

fn assert_gone(record: &Value, has_content: bool) {
    assert_eq!(record["outcome"], "client_gone", "{record}");
    assert_eq!(record["error_code"], Value::Null);
    let source = record["usage_source"].as_str().unwrap();
    assert!(["estimate", "provider_partial"].contains(&source), "{record}");
    assert!(record["input_tokens"].as_i64() > Some(0), "{record}");
    assert_eq!(record["output_tokens"].as_i64() > Some(0), has_content, "{record}");
    assert_eq!(record["attempts"][0]["outcome"], "client_gone");
}

/// Leaves after each event of a stream in turn.
async fn leave_at_every_event(kind: &str, path: &str, body: &str, frames: &[&str]) {
    for count in 1..frames.len() {
        let upstream = Upstream::start([Answer::stream().frames(&frames[..count]).hang()]).await;
        let app = App::start(&provider(kind, &upstream)).await;
        let mut reply = app.post_open(path, body).await;
        // A usage event that nobody asked for is not shown.
        let hidden = frames[..count].iter().filter(|frame| frame.contains("\"choices\":[]")).count();
        reply.read_events(count - hidden).await;
        drop(reply);
        assert_eq!(upstream.ended().await, Ended::Cancelled, "after event {count}");
        let record = app.finish_one().await;
        let seen = frames[..count].concat();
        // The provider's own report may say more than was delivered: a first token.
        let has_content = seen.contains("Hello") || seen.contains("message_start");
        assert_gone_at(&record, has_content, hidden > 0);
    }
}

fn assert_gone_at(record: &Value, has_content: bool, has_final_usage: bool) {
    if has_final_usage {
        assert_eq!(
            (record["outcome"].as_str(), record["usage_source"].as_str()),
            (Some("client_gone"), Some("provider_final"))
        );
        assert_eq!(record["cost"], CHAT_COST);
    } else {
        assert_gone(record, has_content);
    }
}

#[tokio::test]
async fn a_caller_may_leave_at_every_event_of_a_chat() {
    leave_at_every_event("openai", "/v1/chat/completions", CHAT_STREAM, &CHAT_FRAMES).await;
}

#[tokio::test]
async fn a_caller_may_leave_at_every_event_of_a_message() {
    leave_at_every_event("anthropic", "/v1/messages", MESSAGE_STREAM, &MESSAGE_FRAMES).await;
}

#[tokio::test]
async fn a_caller_may_leave_at_every_event_of_a_translated_stream() {
    for count in 1..MESSAGE_FRAMES.len() {
        let upstream = Upstream::start([Answer::stream().frames(&MESSAGE_FRAMES[..count]).hang()]).await;
        let app = App::start(&provider("anthropic", &upstream)).await;
        let body = CHAT_STREAM.replace("openai/m", "anthropic/m");
        let mut reply = app.post_open("/v1/chat/completions", &body).await;
        reply.read_events(1).await;
        if count > 4 {
            reply.read_until("world").await;
        }
        drop(reply);
        assert_eq!(upstream.ended().await, Ended::Cancelled, "after event {count}");
        assert_gone(&app.finish_one().await, true);
    }
}

#[tokio::test]
async fn a_caller_may_leave_before_the_head() {
    for body in [CHAT, CHAT_STREAM] {
        let upstream = Upstream::start([Answer::silence()]).await;
        let app = App::start(&aborting("cancel", &provider("openai", &upstream))).await;
        let call = app.post_open("/v1/chat/completions", body);
        tokio::select! {
            _ = call => panic!("nobody answers"),
            () = upstream.called(1) => {}
        }
        assert_eq!(upstream.ended().await, Ended::Cancelled);
        let record = app.finish_one().await;
        assert_eq!(record["status"], 499);
        assert_gone(&record, false);
    }
}

#[tokio::test]
async fn a_caller_may_leave_between_the_providers_head_and_the_first_event() {
    let upstream = Upstream::start([Answer::stream().hang()]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let call = app.post_open("/v1/chat/completions", CHAT_STREAM);
    tokio::select! {
        _ = call => panic!("nobody answers"),
        () = upstream.called(1) => {}
    }
    assert_eq!(upstream.ended().await, Ended::Cancelled);
    assert_gone(&app.finish_one().await, false);
}

#[tokio::test]
async fn a_caller_may_leave_within_a_whole_answer() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n{\"id\":";
    let upstream = Upstream::start([Answer::default().raw(head).hang()]).await;
    let app = App::start(&aborting("cancel", &provider("openai", &upstream))).await;
    let call = app.post_open("/v1/chat/completions", CHAT);
    tokio::select! {
        _ = call => panic!("the answer is not whole"),
        () = wait_until("half of the answer is sent", || upstream.calls().first().is_some_and(|call| call.written > 0)) => {}
    }
    assert_eq!(upstream.ended().await, Ended::Cancelled);
    assert_gone(&app.finish_one().await, false);
}

#[tokio::test]
async fn a_caller_may_leave_within_its_own_request() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let mut stream = tokio::net::TcpStream::connect(app.address).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: 50\r\n\r\n{{\"model\""
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    drop(stream);
    app.recorded(1).await;
    let record = app.finish_one().await;
    assert_eq!(
        (record["usage_source"].as_str(), record["cost"].as_str()),
        (Some("none"), Some("0")),
        "{record}"
    );
    assert_ne!(record["outcome"], "success");
}

#[tokio::test]
async fn bytes_of_a_next_request_do_not_hide_that_the_caller_left() {
    for more in ["P", "POST /v1/chat/completions HTTP/1.1\r\n"] {
        let upstream = Upstream::start([Answer::silence()]).await;
        let app = App::start(&aborting("cancel", &provider("openai", &upstream))).await;
        let mut stream = tokio::net::TcpStream::connect(app.address).await.unwrap();
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: {}\r\n\r\n{CHAT}{more}",
            CHAT.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        upstream.called(1).await;
        drop(stream);
        assert_eq!(upstream.ended().await, Ended::Cancelled, "after {more}");
        assert_gone(&app.finish_one().await, false);
    }
}

#[tokio::test]
async fn who_has_everything_may_leave_without_being_missed() {
    let upstream = Upstream::start([Answer::sse(&CHAT_FRAMES)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let mut reply = app.post_open("/v1/chat/completions", CHAT_STREAM).await;
    reply.read_until("[DONE]").await;
    drop(reply);
    let record = app.finish_one().await;
    assert_eq!((record["outcome"].as_str(), record["cost"].as_str()), (Some("success"), Some(CHAT_COST)));
}

#[tokio::test]
async fn many_callers_may_leave_at_once() {
    const CALLERS: usize = 60;
    let upstream = Upstream::always(Answer::stream().frames(&CHAT_FRAMES[..2]).hang(), CALLERS).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let calls = (0..CALLERS).map(|_| async {
        let mut reply = app.post_open("/v1/chat/completions", CHAT_STREAM).await;
        reply.read_events(2).await;
    });
    futures_util::future::join_all(calls).await;
    assert_eq!(upstream.ended().await, Ended::Cancelled);
    let records = app.finish().await;
    assert_eq!(records.len(), CALLERS);
    for record in records {
        assert_gone(&record, true);
    }
}
