//! What providers refuse and break before an answer begins, told in the caller's own protocol.

use crate::support::*;
use serde_json::json;
use std::time::Duration;

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/v1", listener.local_addr().unwrap())
}

#[tokio::test]
async fn every_refusal_of_a_provider_has_its_reply() {
    let table: [(u16, u16, &str); 14] = [
        (400, 400, "provider_refused_request"),
        (401, 502, "provider_refused_credential"),
        (402, 502, "provider_quota_exhausted"),
        (403, 502, "provider_refused_credential"),
        (404, 404, "provider_model_not_found"),
        (408, 503, "provider_unavailable"),
        (413, 413, "provider_refused_request"),
        (422, 422, "provider_refused_request"),
        (429, 429, "provider_rate_limited"),
        (500, 502, "provider_unavailable"),
        (502, 502, "provider_unavailable"),
        (503, 503, "provider_unavailable"),
        (504, 503, "provider_unavailable"),
        (529, 529, "provider_unavailable"),
    ];
    let body =
        r#"{"error":{"message":"it does not want to","type":"a_type","param":"messages","code":null}}"#;
    let refusals = table.iter().map(|(status, ..)| Answer::json(*status, body));
    let openai = Upstream::start(refusals.clone()).await;
    let anthropic = Upstream::start(refusals).await;
    let app = App::start(&(provider("openai", &openai) + &provider("anthropic", &anthropic))).await;
    let mut expected = std::collections::HashMap::new();
    for (status, reply_status, code) in table {
        let chat = app.chat(if status % 2 == 0 { CHAT } else { CHAT_STREAM }).await;
        assert_openai_error(&chat, reply_status, code);
        assert_eq!(chat.json()["error"]["origin"], "provider");
        let message = app.message(if status % 2 == 0 { MESSAGE } else { MESSAGE_STREAM }).await;
        assert_anthropic_error(&message, reply_status, anthropic_type(reply_status));
        assert_eq!(message.json()["error"]["origin"], "provider");
        for reply in [&chat, &message] {
            expected.insert(reply.header("x-request-id").to_owned(), (status, reply_status, code));
        }
        let is_ours = matches!(status, 401..=403);
        assert_eq!(chat.text().contains("it does not want to"), !is_ours, "{status}: {}", chat.text());
    }
    for record in app.finish().await {
        let (status, reply_status, code) = expected[record["id"].as_str().unwrap()];
        assert_eq!((&record["status"], &record["error_code"]), (&json!(reply_status), &json!(code)));
        assert_eq!(record["attempts"][0]["status"], status);
        assert_eq!(
            (record["outcome"].as_str(), record["cost"].as_str()),
            (Some("provider_error"), Some("0"))
        );
        assert_eq!(record["usage_source"], "none");
    }
}

#[tokio::test]
async fn a_refusal_keeps_the_words_type_and_pace_of_the_provider() {
    let body =
        r#"{"error":{"message":"slow down","type":"tokens","param":"n","code":"rate_limit_exceeded"}}"#;
    let headers =
        [("content-type", "application/json"), ("retry-after", "17"), ("x-ratelimit-limit-tokens", "5")];
    let upstream = Upstream::start([Answer::whole(429, &headers, body.as_bytes())]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let reply = app.chat(CHAT).await;
    assert_openai_error(&reply, 429, "rate_limit_exceeded");
    assert_eq!((reply.header("retry-after"), reply.header("x-ratelimit-limit-tokens")), ("17", "5"));
    let error = &reply.json()["error"];
    assert_eq!((error["message"].as_str(), error["param"].as_str()), (Some("slow down"), Some("n")));
    app.finish_one().await;
}

#[tokio::test]
async fn no_failure_tells_the_providers_key_or_address() {
    let told = format!(
        r#"{{"error":{{"message":"Incorrect API key provided: {PROVIDER_KEY}","code":"invalid_api_key"}}}}"#
    );
    let upstream = Upstream::start([401, 403].map(|status| Answer::json(status, &told))).await;
    let nobody = nobody().await;
    let app = App::start(&(provider("openai", &upstream) + &provider_at("mistral", &nobody))).await;
    let mut replies = vec![app.chat(CHAT).await, app.chat(CHAT_STREAM).await];
    replies.push(app.chat(&CHAT.replace("openai", "mistral")).await);
    for reply in replies {
        assert_eq!(reply.status, 502);
        let told = format!("{:?} {}", reply.headers, reply.text());
        assert!(!told.contains(PROVIDER_KEY) && !told.contains("127.0.0.1"), "{told}");
    }
    let records = format!("{:?}", app.finish().await);
    assert!(!records.contains(PROVIDER_KEY), "{records}");
}

#[tokio::test]
async fn an_answer_that_is_not_in_the_protocol_is_a_failed_dependency() {
    let answers =
        ["<html>hello</html>", "", "[]", "\"x\"", "{\"id\":", "\u{fffd}"].map(|body| Answer::json(200, body));
    let count = answers.len();
    let upstream = Upstream::start(answers.clone()).await;
    let anthropic = Upstream::start(answers).await;
    let app = App::start(&(provider("openai", &upstream) + &provider("anthropic", &anthropic))).await;
    for _ in 0..count {
        assert_openai_error(&app.chat(CHAT).await, 424, "invalid_provider_response");
        assert_anthropic_error(&app.message(MESSAGE).await, 424, anthropic_type(424));
    }
    app.finish().await;
}

#[tokio::test]
async fn a_success_that_holds_an_error_is_none() {
    let table = [
        ("openai", r#"{"error":{"message":"it broke","code":"its_code"}}"#),
        ("anthropic", r#"{"type":"error","error":{"type":"overloaded_error","message":"it broke"}}"#),
    ];
    for (kind, body) in table {
        let upstream = Upstream::start([Answer::json(200, body)]).await;
        let app = App::start(&provider(kind, &upstream)).await;
        let reply = if kind == "openai" { app.chat(CHAT).await } else { app.message(MESSAGE).await };
        assert!(reply.status >= 400, "{} {}", reply.status, reply.text());
        assert!(reply.text().contains("it broke"));
        let record = app.finish_one().await;
        assert_eq!(
            (record["outcome"].as_str(), record["usage_source"].as_str()),
            (Some("provider_error"), Some("none"))
        );
    }
}

#[tokio::test]
async fn a_stream_that_is_none_is_a_failed_dependency() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    assert_openai_error(&app.chat(CHAT_STREAM).await, 424, "invalid_provider_response");
    app.finish_one().await;
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_a_failed_dependency() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9000000\r\n\r\n";
    let upstream = Upstream::start([Answer::default().raw(head).raw(&[b' '; 500_000]).hang()]).await;
    let app =
        App::start(&format!("[limits]\nanswer_bytes_max = 100000\n{}", provider("openai", &upstream))).await;
    assert_openai_error(&app.chat(CHAT).await, 424, "invalid_provider_response");
    assert_eq!(upstream.ended().await, Ended::Cancelled);
    app.finish_one().await;
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_tried_twice() {
    let app = App::start(&provider_at("openai", &nobody().await)).await;
    assert_openai_error(&app.chat(CHAT).await, 502, "provider_unreachable");
    let record = app.finish_one().await;
    assert_eq!(record["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(record["usage_source"], "none");
    assert_eq!(record["outcome"], "provider_error");
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_is_not_tried_again() {
    let upstream = Upstream::start([Answer::default().cut()]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    assert_openai_error(&app.chat(CHAT).await, 502, "provider_unreachable");
    app.finish_one().await;
}

#[tokio::test]
async fn a_whole_answer_that_breaks_off_is_no_answer() {
    let half = &CHAT_ANSWER[..60];
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        CHAT_ANSWER.len()
    );
    let upstream =
        Upstream::start([Answer::default().raw(head.as_bytes()).raw(half.as_bytes()).close()]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    assert_openai_error(&app.chat(CHAT).await, 502, "provider_unreachable");
    app.finish_one().await;
}

#[tokio::test]
async fn silence_before_an_answer_runs_into_its_timeout() {
    let upstream = Upstream::always(Answer::silence(), 2).await;
    let anthropic = Upstream::start([Answer::stream().hang()]).await;
    let config = provider("openai", &upstream) + &provider("anthropic", &anthropic);
    let app = App::with(&config, |limits| {
        limits.total = Duration::from_millis(80);
        limits.first_event = Duration::from_millis(60);
    })
    .await;
    for body in [CHAT, CHAT_STREAM] {
        let reply = app.chat(body).await;
        assert_openai_error(&reply, 503, "provider_timeout");
        assert_eq!(reply.header("retry-after"), "1");
    }
    // The head of a stream came, and then no event.
    assert_anthropic_error(&app.message(MESSAGE_STREAM).await, 503, anthropic_type(503));
    assert_eq!(upstream.ended().await, Ended::Cancelled);
    assert_eq!(anthropic.ended().await, Ended::Cancelled);
    for record in app.finish().await {
        assert_eq!(
            (record["outcome"].as_str(), record["error_code"].as_str()),
            (Some("timeout"), Some("provider_timeout"))
        );
    }
}

#[tokio::test]
async fn an_error_as_the_first_event_has_a_status_of_its_own() {
    let table = [
        ("anthropic", r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, 529),
        ("anthropic", r#"{"type":"error","error":{"type":"rate_limit_error","message":"Slow down"}}"#, 429),
        ("anthropic", r#"{"type":"error","error":{"type":"api_error","message":"Broken"}}"#, 502),
        ("openai", r#"{"error":{"type":"server_error","message":"Broken"}}"#, 502),
        ("openai", r#"{"error":{"type":"rate_limit_exceeded","message":"Slow down","code":"slow"}}"#, 429),
    ];
    for (kind, data, status) in table {
        let upstream = Upstream::start([Answer::sse(&[&format!("event: error\ndata: {data}\n\n")])]).await;
        let app = App::start(&provider(kind, &upstream)).await;
        let reply =
            if kind == "openai" { app.chat(CHAT_STREAM).await } else { app.message(MESSAGE_STREAM).await };
        assert_eq!(reply.status, status, "{data}: {}", reply.text());
        assert_eq!(reply.json()["error"]["origin"], "provider");
        let record = app.finish_one().await;
        assert_eq!(
            (record["outcome"].as_str(), record["usage_source"].as_str()),
            (Some("provider_error"), Some("none"))
        );
    }
}
