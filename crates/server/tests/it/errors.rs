//! What the gateway itself says no to: status, code and body in the caller's own protocol.

use crate::support::*;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use std::time::Duration;

/// A request with other credentials than the test's.
fn with_key(app: &App, path: &str, key: Option<(&str, &str)>) -> Request<Full<Bytes>> {
    let builder = Request::builder().method("POST").uri(format!("http://{}{path}", app.address));
    let builder = key.into_iter().fold(builder, |builder, (name, value)| builder.header(name, value));
    builder.body(Full::new(Bytes::from(CHAT))).unwrap()
}

#[tokio::test]
async fn without_a_good_key_nobody_enters() {
    let app = App::start("").await;
    for (key, code) in [
        (None, "missing_api_key"),
        (Some(("authorization", "Basic abc")), "missing_api_key"),
        (Some(("authorization", "Bearer ")), "missing_api_key"),
        (Some(("authorization", "Bearer sbx_wrong")), "invalid_api_key"),
        (Some(("x-api-key", "sbx_wrong")), "invalid_api_key"),
    ] {
        for path in ["/v1/chat/completions", "/v1/embeddings"] {
            let reply = app.send(with_key(&app, path, key)).await;
            assert_openai_error(&reply, 401, code);
            assert_eq!(reply.header("www-authenticate"), "Bearer");
        }
        for path in ["/v1/messages", "/anthropic/v1/messages", "/v1/messages/count_tokens"] {
            let reply = app.send(with_key(&app, path, key)).await;
            assert_anthropic_error(&reply, 401, "authentication_error");
        }
    }
    assert_eq!(app.finish().await.len(), 0, "strangers leave nothing in the store");
}

#[tokio::test]
async fn an_anthropic_error_tells_the_stable_code_too() {
    let app = App::start("").await;
    let reply = app.message(r#"{"model":"nobody/m","max_tokens":1,"messages":[]}"#).await;
    assert_eq!(reply.json()["error"]["code"], "model_not_found", "{}", reply.text());
    app.finish_one().await;
}

#[tokio::test]
async fn a_key_works_in_either_header() {
    let upstream = Upstream::always(Answer::json(200, CHAT_ANSWER), 2).await;
    let app = App::start(&provider("openai", &upstream)).await;
    for (name, value) in [("x-api-key", KEY.to_owned()), ("authorization", format!("bearer {KEY}"))] {
        let reply = app.send(with_key(&app, "/v1/chat/completions", Some((name, &value)))).await;
        assert_eq!(reply.status, 200);
    }
    app.finish().await;
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    for model in ["openai/nothing", "nobody/m", "m", "", "/", "openai/"] {
        let body = format!(r#"{{"model":"{model}","max_tokens":1,"messages":[]}}"#);
        let reply = app.chat(&body).await;
        assert_openai_error(&reply, 404, "model_not_found");
        assert_eq!(reply.json()["error"]["param"], "model");
        assert_anthropic_error(&app.message(&body).await, 404, "not_found_error");
    }
    for path in ["/nowhere", "/v1/nowhere", "/v1/chat/completions/nowhere"] {
        assert_openai_error(&app.post(path, CHAT).await, 404, "no_such_endpoint");
    }
    assert_anthropic_error(&app.post("/v2/messages/nowhere", MESSAGE).await, 404, "not_found_error");
    app.finish().await;
}

#[tokio::test]
async fn a_method_that_does_not_exist_is_told() {
    let app = App::start("").await;
    assert_openai_error(&app.get("/v1/chat/completions").await, 405, "method_not_allowed");
    assert_anthropic_error(&app.get("/v1/messages").await, 405, "invalid_request_error");
    let request = app.request("DELETE", "/v1/models").body(Full::default()).unwrap();
    assert_openai_error(&app.send(request).await, 405, "method_not_allowed");
    app.finish().await;
}

#[tokio::test]
async fn a_body_that_cannot_be_understood_is_refused() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let bodies = [
        "",
        " ",
        "{",
        "nonsense",
        "[]",
        "1",
        "null",
        "\"text\"",
        "{\"a\":1}{",
        "{\"model\":\"openai/m\",}",
        "{\"model\":\"openai/m\",\"model\":\"openai/free\"}",
        "{\"model\":7}",
        "{\"model\":{}}",
        "{\"model\":\"openai/m\",\"stream\":\"yes\"}",
        "{\"model\":\"openai/m\",\"stream\":1}",
        "{\"model\":\"openai/m\",\"stream\":true,\"stream_options\":7}",
        "{\"model\":\"openai/m\",\"requesty\":[]}",
        "{\"model\":\"openai/m\",\"requesty\":{\"tags\":[1]}}",
        "{\"model\":\"openai/m\",\"requesty\":{\"user_id\":1}}",
        "{\"model\":\"\\ud800\"}",
    ];
    for body in bodies {
        assert_openai_error(&app.chat(body).await, 400, "invalid_request");
        assert_anthropic_error(&app.message(body).await, 400, "invalid_request_error");
    }
    let binary = app.post("/v1/chat/completions", vec![0xff, 0xfe, 0x00]).await;
    assert_openai_error(&binary, 400, "invalid_request");
    let records = app.finish().await;
    assert_eq!(records.len(), 2 * bodies.len() + 1);
    for record in records {
        assert_eq!((record["status"].as_i64(), record["outcome"].as_str()), (Some(400), Some("refused")));
        assert_eq!(record["error_code"], "invalid_request");
    }
}

#[tokio::test]
async fn deep_nesting_kills_nothing() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let deep = format!("{{\"model\":\"openai/m\",\"max_tokens\":1,\"messages\":{open}{close}}}");
    // What passes through is the provider's to judge; what is translated must be understood.
    assert_eq!(app.chat(&deep).await.status, 200);
    assert_anthropic_error(&app.message(&deep).await, 400, "invalid_request_error");
    app.finish().await;
}

#[tokio::test]
async fn a_model_of_another_kind_is_refused() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let body = |model: &str| format!(r#"{{"model":"{model}","max_tokens":1,"messages":[],"input":"x"}}"#);
    assert_openai_error(&app.chat(&body("openai/e")).await, 400, "wrong_endpoint");
    assert_anthropic_error(&app.message(&body("openai/e")).await, 400, "invalid_request_error");
    assert_openai_error(&app.post("/v1/embeddings", body("openai/m")).await, 400, "wrong_endpoint");
    app.finish().await;
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER)]).await;
    let app =
        App::start(&format!("[limits]\nbody_bytes_max = {}\n{}", CHAT.len(), provider("openai", &upstream)))
            .await;
    assert_eq!(app.chat(CHAT).await.status, 200);
    assert_openai_error(&app.chat(&format!("{CHAT} ")).await, 413, "body_too_large");
    let much = app.post("/v1/chat/completions", vec![b' '; 3_000_000]).await;
    assert_openai_error(&much, 413, "body_too_large");
    assert_anthropic_error(&app.message(&format!("{CHAT} ")).await, 413, "request_too_large");
    app.finish().await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_runs_into_its_timeout() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let app = App::with("", |limits| limits.request_read = Duration::from_millis(50)).await;
    let mut stream = tokio::net::TcpStream::connect(app.address).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: 50\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = vec![0; 2000];
    let count = stream.read(&mut text).await.unwrap();
    let text = String::from_utf8_lossy(&text[..count]).into_owned();
    assert!(text.starts_with("HTTP/1.1 408") && text.contains("body_too_slow"), "{text}");
    drop(stream);
    assert_eq!(app.finish_one().await["error_code"], "body_too_slow");
}

#[tokio::test]
async fn while_stopping_requests_are_refused() {
    let app = App::start("").await;
    app.stop_taking_requests();
    assert_openai_error(&app.chat(CHAT).await, 503, "shutting_down");
    assert_anthropic_error(&app.message(MESSAGE).await, 503, anthropic_type(503));
    assert_eq!(app.get("/readyz").await.status, 503);
    assert_eq!(app.get("/healthz").await.status, 200);
    app.finish().await;
}
