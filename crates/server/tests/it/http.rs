//! The HTTP surface beside chat: protocol versions, TLS, health, counters, models, counting, embeddings.

use crate::support::*;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};

#[tokio::test]
async fn http2_without_an_upgrade_is_spoken() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER), Answer::sse(&CHAT_FRAMES)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    for body in [CHAT, CHAT_STREAM] {
        let request = app.request("POST", "/v1/chat/completions").body(Full::new(Bytes::from(body))).unwrap();
        let answer = client.request(request).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains("Hello"));
    }
    drop(client);
    assert_eq!(app.finish().await.len(), 2);
}

#[tokio::test]
async fn an_http2_stream_that_its_caller_resets_is_cancelled() {
    let upstream = Upstream::start([Answer::stream().frames(&CHAT_FRAMES[..2]).hang()]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let request =
        app.request("POST", "/v1/chat/completions").body(Full::new(Bytes::from(CHAT_STREAM))).unwrap();
    let mut answer = client.request(request).await.unwrap().into_body();
    answer.frame().await.unwrap().unwrap();
    // The connection stays open; only the stream ends.
    drop(answer);
    assert_eq!(upstream.ended().await, Ended::Cancelled);
    assert_eq!(app.recorded(1).await[0]["outcome"], "client_gone");
    drop(client);
    app.finish_one().await;
}

async fn over_tls(app: &App, certificate: &Certificate, alpn: &[u8]) -> u16 {
    let stream = certificate.connect(app.address, alpn).await;
    let request = Request::get("https://localhost/healthz")
        .header("host", "localhost")
        .body(Full::<Bytes>::default())
        .unwrap();
    if alpn == b"h2" {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::task::spawn(connection);
        return sender.send_request(request).await.unwrap().status().as_u16();
    }
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::task::spawn(connection);
    sender.send_request(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn tls_is_spoken_where_it_is_configured() {
    let certificate = Certificate::new();
    let app = App::start(&certificate.settings).await;
    for alpn in [b"http/1.1".as_slice(), b"h2"] {
        assert_eq!(over_tls(&app, &certificate, alpn).await, 200);
    }
    app.finish().await;
}

#[tokio::test]
async fn health_needs_no_key() {
    let app = App::start("").await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        let request = Request::get(format!("http://{}{path}", app.address)).body(Full::default()).unwrap();
        assert_eq!(app.send(request).await.status, 200, "{path}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_request_is_counted_without_a_trace_of_its_key() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    app.chat(CHAT).await;
    app.recorded(1).await;
    let counters = app.get("/metrics").await;
    let text = counters.text();
    assert!(counters.header("content-type").starts_with("application/openmetrics-text"));
    let requests = text.lines().find(|line| line.starts_with("signalbox_requests_total{")).unwrap();
    assert!(
        requests.contains("chat_completions") && requests.contains("success") && requests.ends_with(" 1"),
        "{requests}"
    );
    assert!(
        text.contains("gen_ai_client_token_usage_total") && text.contains("signalbox_cost_usd_total"),
        "{text}"
    );
    assert!(!text.contains(KEY) && !text.contains("sbx_") && !text.contains(PROVIDER_KEY), "{text}");
    assert!(text.ends_with("# EOF\n"));
    app.finish_one().await;
}

#[tokio::test]
async fn models_are_listed_with_the_fields_that_clients_read() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let list = app.get("/v1/models").await.json();
    assert_eq!(list["object"], "list");
    let models = list["data"].as_array().unwrap();
    let of = |id: &str| models.iter().find(|model| model["id"] == id).cloned().unwrap();
    let model = of("openai/m");
    for field in ["id", "object", "owned_by", "name", "description", "api", "geolocation"] {
        assert!(model[field].is_string(), "{field}");
    }
    for field in ["created", "context_window", "max_output_tokens"] {
        assert!(model[field].is_u64(), "{field}");
    }
    for field in [
        "caching",
        "vision",
        "computer_use",
        "reasoning",
        "tool_calling",
        "web_search",
        "image_generation",
        "output_json_object",
        "output_json_schema",
        "role_developer",
    ] {
        assert!(model[format!("supports_{field}")].is_boolean(), "{field}");
    }
    let prices =
        ["input_price", "output_price", "cached_price", "caching_price"].map(|field| model[field].clone());
    assert_eq!(prices, [json!(1e-6), json!(2e-6), json!(1e-7), json!(1.25e-6)]);
    assert_eq!(of("openai/free")["input_price"], Value::Null);
    assert_eq!((of("openai/e")["api"].as_str(), model["api"].as_str()), (Some("embedding"), Some("chat")));
    app.finish().await;
}

#[tokio::test]
async fn a_model_is_found_by_its_full_name() {
    let upstream = Upstream::start([]).await;
    let config = provider("openai", &upstream) + "[[providers.models]]\nid = \"org/family/m\"\n";
    let app = App::start(&config).await;
    let found = app.get("/v1/models/openai/org/family/m").await;
    assert_eq!((found.status, found.json()["id"].as_str()), (200, Some("openai/org/family/m")));
    let missing = app.get("/v1/models/openai/org/none").await;
    assert_eq!((missing.status, missing.json()["error"]["code"].as_str()), (404, Some("model_not_found")));
    app.finish().await;
}

#[tokio::test]
async fn models_are_public_and_a_bad_key_is_not_good_enough() {
    let app = App::start("").await;
    for path in ["/v1/models", "/v1/models/demo/echo"] {
        let url = format!("http://{}{path}", app.address);
        let open = app.send(Request::get(&url).body(Full::default()).unwrap()).await;
        assert_eq!(open.status, 200, "{path}");
        let bad =
            Request::get(&url).header("authorization", "Bearer sbx_wrong").body(Full::default()).unwrap();
        assert_eq!(app.send(bad).await.status, 401, "{path}");
    }
    app.finish().await;
}

#[tokio::test]
async fn tokens_are_counted_by_a_provider_that_can() {
    let upstream = Upstream::always(Answer::json(200, "{\"input_tokens\": 41}"), 2).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    for path in ["/v1/messages/count_tokens", "/anthropic/v1/messages/count_tokens"] {
        let reply = app.post(path, MESSAGE).await;
        assert_eq!((reply.status, reply.text()), (200, "{\"input_tokens\": 41}"));
    }
    let calls = upstream.calls();
    assert_eq!(calls[0].line, "POST /v1/messages/count_tokens HTTP/1.1");
    assert_eq!(calls[0].text(), MESSAGE.replace("anthropic/m", "m"));
    for record in app.finish().await {
        assert_eq!(
            (record["operation"].as_str(), record["cost"].as_str()),
            (Some("count_tokens"), Some("0"))
        );
        assert_eq!(
            (record["usage_source"].as_str(), record["input_tokens"].as_i64()),
            (Some("none"), Some(0))
        );
    }
}

#[tokio::test]
async fn tokens_are_estimated_where_the_provider_cannot_count() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let reply = app.post("/v1/messages/count_tokens", MESSAGE.replace("anthropic/m", "openai/m")).await;
    assert!((1..50).contains(&reply.json()["input_tokens"].as_i64().unwrap()), "{}", reply.text());
    assert!(reply.header("x-signalbox-warnings").contains("estimated"));
    assert_eq!(app.finish_one().await["outcome"], "success");
}

#[tokio::test]
async fn embeddings_pass_through() {
    let answer = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,-2.0e-3]}],"model":"e","usage":{"prompt_tokens":8,"total_tokens":8}}"#;
    let upstream = Upstream::start([Answer::json(200, answer)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let reply =
        app.post("/v1/embeddings", r#"{"model":"openai/e","input":["one","two"],"dimensions":2.0}"#).await;
    assert_eq!(reply.text(), answer.replace("\"total_tokens\":8", "\"total_tokens\":8,\"cost\":0.000004"));
    let sent = upstream.call();
    assert_eq!(sent.line, "POST /v1/embeddings HTTP/1.1");
    assert_eq!(sent.text(), r#"{"model":"e","input":["one","two"],"dimensions":2.0}"#);
    let record = app.finish_one().await;
    assert_eq!(
        (record["operation"].as_str(), record["input_tokens"].as_i64()),
        (Some("embeddings"), Some(8))
    );
    assert_eq!((record["output_tokens"].as_i64(), record["cost"].as_str()), (Some(0), Some("0.000004")));
}

#[tokio::test]
async fn the_second_address_of_anthropics_protocol_is_the_same() {
    let upstream = Upstream::start([Answer::json(200, MESSAGE_ANSWER)]).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    assert_eq!(app.post("/anthropic/v1/messages", MESSAGE).await.status, 200);
    app.finish_one().await;
}
