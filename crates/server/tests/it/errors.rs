//! What goes wrong before an answer begins: status, code and body in the caller's own protocol.

use crate::support::*;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::json;
use std::time::Duration;

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/v1", listener.local_addr().unwrap())
}

fn assert_openai_error(reply: &Reply, status: u16, code: &str) {
    assert_eq!(reply.status, status, "{}", reply.text());
    let body = reply.json();
    assert_eq!(body["error"]["code"], code, "{body}");
    for field in ["origin", "message", "type"] {
        assert!(body["error"][field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {body}");
    }
    assert!(reply.header("x-request-id").starts_with("req_"));
}

fn assert_anthropic_error(reply: &Reply, status: u16, kind: &str) {
    assert_eq!(reply.status, status, "{}", reply.text());
    let body = reply.json();
    assert_eq!((body["type"].as_str(), body["error"]["type"].as_str()), (Some("error"), Some(kind)), "{body}");
    for field in ["origin", "message"] {
        assert!(body["error"][field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {body}");
    }
    assert_eq!(body["request_id"], reply.header("request-id"));
}

/// Anthropic's class of error for a status.
fn anthropic_type(status: u16) -> &'static str {
    match status {
        400 | 405 | 422 | 424 => "invalid_request_error",
        401 => "authentication_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    }
}

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
        "", " ", "{", "nonsense", "[]", "1", "null", "\"text\"", "{\"a\":1}{", "{\"model\":\"openai/m\",}",
        "{\"model\":\"openai/m\",\"model\":\"openai/free\"}", "{\"model\":7}", "{\"model\":{}}",
        "{\"model\":\"openai/m\",\"stream\":\"yes\"}", "{\"model\":\"openai/m\",\"stream\":1}",
        "{\"model\":\"openai/m\",\"stream\":true,\"stream_options\":7}",
        "{\"model\":\"openai/m\",\"requesty\":[]}", "{\"model\":\"openai/m\",\"requesty\":{\"tags\":[1]}}",
        "{\"model\":\"openai/m\",\"requesty\":{\"user_id\":1}}", "{\"model\":\"\\ud800\"}",
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
    let app = App::start(&format!("[limits]\nbody_bytes_max = {}\n{}", CHAT.len(), provider("openai", &upstream))).await;
    assert_eq!(app.chat(CHAT).await.status, 200);
    assert_openai_error(&app.chat(&format!("{CHAT} ")).await, 413, "body_too_large");
    let much = app.post("/v1/chat/completions", vec![b' '; 3_000_000]).await;
    assert_openai_error(&much, 413, "body_too_large");
    assert_anthropic_error(&app.message(&format!("{CHAT} ")).await, 413, "request_too_large");
    app.finish().await;
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
    let body = r#"{"error":{"message":"it does not want to","type":"a_type","param":"messages","code":null}}"#;
    let refusals = table.iter().map(|(status, ..)| Answer::json(*status, body));
    let openai = Upstream::start(refusals.clone()).await;
    let anthropic = Upstream::start(refusals).await;
    let app = App::start(&(provider("openai", &openai) + &provider("anthropic", &anthropic))).await;
    for (status, reply_status, code) in table {
        let chat = app.chat(if status % 2 == 0 { CHAT } else { CHAT_STREAM }).await;
        assert_openai_error(&chat, reply_status, code);
        assert_eq!(chat.json()["error"]["origin"], "provider");
        let message = app.message(if status % 2 == 0 { MESSAGE } else { MESSAGE_STREAM }).await;
        assert_anthropic_error(&message, reply_status, anthropic_type(reply_status));
        assert_eq!(message.json()["error"]["origin"], "provider");
        let is_ours = matches!(status, 401..=403);
        assert_eq!(chat.text().contains("it does not want to"), !is_ours, "{status}: {}", chat.text());
    }
    let records = app.finish().await;
    for (record, (status, reply_status, code)) in records.chunks(2).zip(table.iter().rev()) {
        for record in record {
            assert_eq!((&record["status"], &record["error_code"]), (&json!(reply_status), &json!(code)));
            assert_eq!(record["attempts"][0]["status"], *status);
            assert_eq!((record["outcome"].as_str(), record["cost"].as_str()), (Some("provider_error"), Some("0")));
            assert_eq!(record["usage_source"], "none");
        }
    }
}

#[tokio::test]
async fn a_refusal_keeps_the_words_type_and_pace_of_the_provider() {
    let body = r#"{"error":{"message":"slow down","type":"tokens","param":"n","code":"rate_limit_exceeded"}}"#;
    let headers = [("content-type", "application/json"), ("retry-after", "17"), ("x-ratelimit-limit-tokens", "5")];
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
    let told = format!(r#"{{"error":{{"message":"Incorrect API key provided: {PROVIDER_KEY}","code":"invalid_api_key"}}}}"#);
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
    let answers = ["<html>hello</html>", "", "[]", "\"x\"", "{\"id\":", "\u{fffd}"].map(|body| Answer::json(200, body));
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
        assert_eq!((record["outcome"].as_str(), record["usage_source"].as_str()), (Some("provider_error"), Some("none")));
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
    let app = App::start(&format!("[limits]\nanswer_bytes_max = 100000\n{}", provider("openai", &upstream))).await;
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
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", CHAT_ANSWER.len());
    let upstream = Upstream::start([Answer::default().raw(head.as_bytes()).raw(half.as_bytes()).close()]).await;
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
        assert_eq!((record["outcome"].as_str(), record["error_code"].as_str()), (Some("timeout"), Some("provider_timeout")));
    }
}

#[tokio::test]
async fn a_body_that_does_not_arrive_runs_into_its_timeout() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let app = App::with("", |limits| limits.request_read = Duration::from_millis(50)).await;
    let mut stream = tokio::net::TcpStream::connect(app.address).await.unwrap();
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: 50\r\n\r\n{{");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = vec![0; 2000];
    let count = stream.read(&mut text).await.unwrap();
    let text = String::from_utf8_lossy(&text[..count]).into_owned();
    assert!(text.starts_with("HTTP/1.1 408") && text.contains("body_too_slow"), "{text}");
    drop(stream);
    assert_eq!(app.finish_one().await["error_code"], "body_too_slow");
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
        let reply = if kind == "openai" { app.chat(CHAT_STREAM).await } else { app.message(MESSAGE_STREAM).await };
        assert_eq!(reply.status, status, "{data}: {}", reply.text());
        assert_eq!(reply.json()["error"]["origin"], "provider");
        let record = app.finish_one().await;
        assert_eq!((record["outcome"].as_str(), record["usage_source"].as_str()), (Some("provider_error"), Some("none")));
    }
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
