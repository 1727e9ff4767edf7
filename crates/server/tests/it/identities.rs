//! Providers that take identities in place of keys: tokens are fetched, kept, and never the caller's affair.

use crate::support::*;
use serde_json::{Value, json};

const BODY: &str =
    r#"{"model":"g/claude-sonnet-5","max_tokens":50,"messages":[{"role":"user","content":"Hi"}]}"#;

fn message() -> Answer {
    let body = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5",
        "content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 10, "output_tokens": 2},
    });
    Answer::json(200, &body.to_string())
}

fn stream() -> Answer {
    Answer::sse(&[
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-5\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":2}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ])
}

fn token(text: &str) -> Answer {
    let body = json!({"access_token": text, "token_type": "Bearer", "expires_in": 3_600});
    Answer::json(200, &body.to_string())
}

/// A service account whose tokens are given at an address.
fn account(folder: &tempfile::TempDir, tokens: &Upstream) -> String {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let json = json!({
        "type": "service_account", "project_id": "p", "private_key_id": "1", "private_key": key.serialize_pem(),
        "client_email": "gateway@p.example", "client_id": "1",
        "token_uri": format!("http://{}/token", tokens.address),
    });
    let path = folder.path().join("account.json");
    std::fs::write(&path, json.to_string()).unwrap();
    path.display().to_string()
}

fn vertex(upstream: &Upstream, account: &str) -> String {
    format!(
        "[[providers]]\nname = \"g\"\nkind = \"vertex\"\nbase_url = \"http://{}/v1/projects/p/locations/global\"\n\
         identity = {{ credentials_file = \"{account}\" }}\n",
        upstream.address
    )
}

#[tokio::test]
async fn claude_on_vertex_is_asked_with_a_token_that_is_fetched_once() {
    let upstream = Upstream::start([message(), stream(), message()]).await;
    let tokens = Upstream::start([token("made-up-token")]).await;
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(&vertex(&upstream, &account(&folder, &tokens))).await;
    let reply = app.message(BODY).await;
    assert_eq!(
        (reply.status, &reply.json()["content"][0]["text"]),
        (200, &json!("Hello")),
        "{}",
        reply.text()
    );
    let streamed = app.message(&BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"")).await;
    assert!(streamed.text().contains("message_stop"), "{}", streamed.text());
    // The same in OpenAI's protocol is translated.
    let reply = app.chat(BODY).await;
    assert_eq!(reply.json()["choices"][0]["message"]["content"], "Hello");
    let model = "/v1/projects/p/locations/global/publishers/anthropic/models/claude-sonnet-5";
    for (call, path) in upstream.calls().iter().zip([":rawPredict", ":streamRawPredict", ":rawPredict"]) {
        assert_eq!(call.path(), format!("{model}{path}"));
        assert_eq!(call.header("authorization"), Some("Bearer made-up-token"));
        assert_eq!(call.header("anthropic-version"), None);
        let body = call.json();
        assert_eq!((&body["anthropic_version"], &body["model"]), (&json!("vertex-2023-10-16"), &Value::Null));
        assert_eq!(body["max_tokens"], 50);
    }
    assert_eq!(tokens.calls().len(), 1);
    assert!(tokens.call().text().contains("grant_type=urn"), "{}", tokens.call().text());
    for record in app.finish().await {
        assert_eq!(
            (&record["outcome"], &record["usage_source"]),
            (&json!("success"), &json!("provider_final"))
        );
        assert_ne!(record["cost"], "0");
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_nothing_billed() {
    let refused = json!({"error": "invalid_grant", "error_description": "no such account"});
    let upstream = Upstream::start([]).await;
    let tokens = Upstream::always(Answer::json(400, &refused.to_string()), 5).await;
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(&vertex(&upstream, &account(&folder, &tokens))).await;
    let mut asked = Vec::new();
    for _ in 0..2 {
        let reply = app.message(BODY).await;
        let error = reply.json()["error"].clone();
        assert_eq!((reply.status, &error["code"]), (502, &json!("provider_refused_credential")));
        let expected = "the gateway has no credential for the provider `g` at the moment";
        assert_eq!(error["message"], expected);
        asked.push(tokens.calls().len());
    }
    // The library asks five times; within the same seconds nobody asks again.
    assert_eq!((asked[0], upstream.calls().len()), (asked[1], 0));
    for record in app.finish().await {
        assert_eq!((&record["outcome"], &record["cost"]), (&json!("provider_error"), &json!("0")));
    }
}

#[tokio::test]
async fn azure_is_asked_with_a_token_of_an_application() {
    let answer = json!({
        "id": "c-1", "object": "chat.completion", "created": 1, "model": "gpt-5-2025-08-07",
        "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    });
    let upstream = Upstream::start([Answer::json(200, &answer.to_string())]).await;
    let tokens = Upstream::start([token("made-up-token")]).await;
    let config = format!(
        "[[providers]]\nkind = \"azure\"\nbase_url = \"http://{}/openai/v1\"\n\
         deployments = {{ \"gpt-5\" = \"our-gpt-5\" }}\n[providers.identity]\ntenant_id = \"t\"\n\
         client_id = \"app\"\nclient_secret = \"made-up&secret\"\nauthority = \"http://{}\"\n",
        upstream.address, tokens.address
    );
    let app = App::start(&config).await;
    let reply = app.chat(r#"{"model":"azure/gpt-5","messages":[{"role":"user","content":"Hi"}]}"#).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let call = upstream.call();
    assert_eq!((call.header("authorization"), call.header("api-key")), (Some("Bearer made-up-token"), None));
    assert_eq!((call.path(), &call.json()["model"]), ("/openai/v1/chat/completions", &json!("our-gpt-5")));
    assert_eq!(tokens.call().path(), "/t/oauth2/v2.0/token");
    let form = "client_id=app&grant_type=client_credentials&scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default\
                &client_secret=made-up%26secret";
    assert_eq!(tokens.call().text(), form);
    assert_ne!(app.finish_one().await["cost"], "0");
}
