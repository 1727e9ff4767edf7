//! Adding a provider, as `docs/guides/add-a-provider.md` tells it: its file of facts is all that a new provider needs to be
//! called in every protocol. The file here is the guide's, letter by letter.

use crate::support::*;
use domain::Secret;
use gateway::providers::ProviderSettings;
use gateway::{Provider, Providers};
use serde_json::{Value, json};
use std::sync::Arc;

mod example;

const GUIDE: &str = include_str!("../../../../docs/guides/add-a-provider.md");
const FILE: &str = include_str!("added_provider/example.rs");

/// A gateway whose only provider is the one of the guide.
async fn app(upstream: &Upstream) -> App {
    let app = App::start("").await;
    let settings = ProviderSettings {
        base_url: Some(format!("http://{}/v1", upstream.address)),
        key: Some(Secret::new(PROVIDER_KEY.to_owned())),
        ..ProviderSettings::of("example".parse().unwrap(), &example::SPEC)
    };
    app.gateway().providers.store(Arc::new(Providers::new([Provider::new(settings).unwrap()])));
    app
}

#[test]
fn the_file_is_the_one_of_the_guide() {
    let (_, rest) = GUIDE.split_once("```rust\n").unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    // Outside of the crate its words have longer names.
    let moved = block.replace("use super::", "use llm::provider::").replace("pub(super)", "pub");
    assert_eq!(FILE, moved);
}

#[tokio::test]
async fn its_facts_are_all_that_a_provider_needs_in_every_protocol() {
    let upstream = Upstream::always(Answer::json(200, CHAT_ANSWER), 4).await;
    let app = app(&upstream).await;
    let turn = json!([{"role": "user", "content": "Hi"}]);
    let contents = json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]});
    let calls: [(&str, Value, &str); 4] = [
        (
            "/v1/chat/completions",
            json!({"model": "example/m", "messages": turn}),
            "/choices/0/message/content",
        ),
        ("/v1/responses", json!({"model": "example/m", "input": "Hi"}), "/output/0/content/0/text"),
        ("/v1/messages", json!({"model": "example/m", "max_tokens": 9, "messages": turn}), "/content/0/text"),
        ("/v1beta/models/example/m:generateContent", contents, "/candidates/0/content/parts/0/text"),
    ];
    for (path, body, place) in calls {
        let reply = app.post(path, body.to_string()).await;
        assert_eq!(reply.json().pointer(place), Some(&json!("Hello world")), "{path}: {}", reply.text());
        let sent = upstream.calls().pop().unwrap();
        assert_eq!(sent.line, "POST /v1/chat/completions HTTP/1.1");
        assert_eq!(sent.header("authorization").unwrap(), format!("Bearer {PROVIDER_KEY}"));
        assert_eq!(sent.json()["model"], "m");
    }
    for record in app.finish().await {
        assert_eq!(
            (&record["provider"], &record["usage_source"]),
            (&json!("example"), &json!("provider_final"))
        );
    }
}

#[tokio::test]
async fn its_streams_follow_its_deviations() {
    let upstream = Upstream::always(Answer::sse(&CHAT_FRAMES), 2).await;
    let app = app(&upstream).await;
    let reply = app.chat(&CHAT_STREAM.replace("openai/m", "example/m")).await;
    assert!(reply.text().contains("Hello") && reply.text().ends_with("data: [DONE]\n\n"));
    let reply = app.message(&MESSAGE_STREAM.replace("anthropic/m", "example/m")).await;
    assert!(reply.text().contains("\"type\":\"message_stop\""), "{}", reply.text());
    for sent in upstream.calls() {
        // It takes none, says its file.
        assert!(sent.json().get("stream_options").is_none());
    }
    app.finish().await;
}

#[tokio::test]
async fn its_refusals_reach_callers_in_their_own_protocol() {
    let refusal =
        r#"{"error":{"message":"no such model","type":"invalid_request_error","code":"model_not_found"}}"#;
    let upstream = Upstream::always(Answer::json(404, refusal), 2).await;
    let app = app(&upstream).await;
    let reply = app.chat(&CHAT.replace("openai/m", "example/m")).await;
    assert!(reply.text().contains("no such model"));
    let reply = app.message(&MESSAGE.replace("anthropic/m", "example/m")).await;
    assert_eq!((reply.status, &reply.json()["type"]), (404, &json!("error")), "{}", reply.text());
    app.finish().await;
}
