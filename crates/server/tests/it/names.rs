//! Names of models: regions, variants, aliases, and models for coding agents.

use crate::support::*;
use serde_json::{Value, json};

fn chat_answer() -> Answer {
    let body = json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
    });
    Answer::json(200, &body.to_string())
}

fn message_answer() -> Answer {
    let body = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 10, "output_tokens": 2},
    });
    Answer::json(200, &body.to_string())
}

fn asks(model: &str, more: &Value) -> String {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

/// What of one call reached the provider: its path, and its body.
async fn sent(config: &str, upstream: &Upstream, path: &str, body: &str) -> (String, Value) {
    let app = App::start(config).await;
    let reply = app.post(path, body.to_owned()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    drop(app.finish().await);
    let call = upstream.calls().pop().unwrap();
    (call.path().to_owned(), call.json())
}

fn bedrock(upstream: &Upstream) -> String {
    format!(
        "[[providers]]\nkind = \"bedrock\"\nbase_url = \"http://{}/{{region}}\"\n\
         places = {{ region = \"us-east-1\" }}\n\
         identity = {{ access_key_id = \"AKIAMADEUP\", secret_access_key = \"made-up-secret\" }}\n",
        upstream.address
    )
}

#[tokio::test]
async fn a_region_in_the_name_leads_there_and_is_signed_for() {
    for (model, region, id) in [
        (
            "anthropic.claude-sonnet-4-5-20250929-v1:0@eu-central-1",
            "eu-central-1",
            "eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0",
        ),
        (
            "claude-sonnet-4-5@ap-northeast-1",
            "ap-northeast-1",
            "jp.anthropic.claude-sonnet-4-5-20250929-v1%3A0",
        ),
        ("anthropic/claude-sonnet-4-5", "us-east-1", "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"),
        (
            "global.anthropic.claude-sonnet-4-5-20250929-v1:0@eu-west-1",
            "eu-west-1",
            "global.anthropic.claude-sonnet-4-5-20250929-v1%3A0",
        ),
    ] {
        let upstream = Upstream::start([message_answer()]).await;
        let body = asks(&format!("bedrock/{model}"), &json!({"max_tokens": 50}));
        let (path, _) = sent(&bedrock(&upstream), &upstream, "/v1/messages", &body).await;
        assert_eq!(path, format!("/{region}/model/{id}/invoke"));
        let call = upstream.calls().pop().unwrap();
        let scope = format!("/{region}/bedrock/aws4_request");
        assert!(call.header("authorization").unwrap().contains(&scope), "{model}");
    }
}

#[tokio::test]
async fn a_region_that_cannot_be_chosen_is_refused_by_name() {
    let upstream = Upstream::start([]).await;
    let config = format!("{}{}", provider("openai", &upstream), provider("groq", &upstream));
    let app = App::start(&config).await;
    let moved = app.chat(&asks("openai/gpt-5@eu", &json!({}))).await;
    assert_openai_error(&moved, 400, "invalid_request");
    assert!(moved.text().contains("without a place for it"), "{}", moved.text());
    let never = app.chat(&asks("groq/llama-3.1-8b-instant@eu", &json!({}))).await;
    assert_openai_error(&never, 400, "invalid_request");
    assert_eq!(never.json()["error"]["param"], "model");
    let unknown = app.chat(&asks("openai/no-such-model@eu", &json!({}))).await;
    assert_openai_error(&unknown, 404, "model_not_found");
    assert!(upstream.calls().is_empty());
    assert!(app.finish().await.iter().all(|record| record["cost"].is_null() || record["cost"] == "0"));
}

#[tokio::test]
async fn a_variant_says_how_much_to_think_in_the_models_own_words() {
    let anthropic = |model: &str| format!("anthropic/{model}");
    let thinking = |budget: u64| json!({"type": "enabled", "budget_tokens": budget});
    for (path, kind, model, more, expected) in [
        (
            "/v1/chat/completions",
            "openai",
            "openai/gpt-5:low".to_owned(),
            json!({"reasoning_effort": "high"}),
            json!({"model": "gpt-5", "reasoning_effort": "low"}),
        ),
        (
            "/v1/chat/completions",
            "openai",
            "openai/gpt-5:10000".to_owned(),
            json!({}),
            json!({"reasoning_effort": "high"}),
        ),
        (
            "/v1/chat/completions",
            "openai",
            "openai/o3:flex".to_owned(),
            json!({}),
            json!({"model": "o3", "service_tier": "flex"}),
        ),
        (
            "/v1/messages",
            "anthropic",
            anthropic("claude-sonnet-4-5:2048"),
            json!({"max_tokens": 9000}),
            json!({"model": "claude-sonnet-4-5", "thinking": thinking(2048), "max_tokens": 9000}),
        ),
        (
            "/v1/messages",
            "anthropic",
            anthropic("claude-opus-4-6:high"),
            json!({"max_tokens": 9000}),
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        ),
        (
            "/v1/messages",
            "openai",
            "openai/gpt-5:medium".to_owned(),
            json!({"max_tokens": 9000, "thinking": thinking(1024)}),
            json!({"reasoning_effort": "medium"}),
        ),
    ] {
        let answer = if kind == "openai" { chat_answer() } else { message_answer() };
        let upstream = Upstream::start([answer]).await;
        let (_, body) = sent(&provider(kind, &upstream), &upstream, path, &asks(&model, &more)).await;
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(body[field], *value, "{path} {model} {field}: {body}");
        }
    }
}

#[tokio::test]
async fn an_alias_stands_for_a_model_and_what_requests_leave_open() {
    let upstream = Upstream::always(chat_answer(), 4).await;
    let config = format!(
        "aliases = [{{ name = \"fast\", model = \"openai/gpt-5\", reasoning_effort = \"low\", max_output_tokens = 77, \
         service_tier = \"flex\" }}]\n{}",
        provider("openai", &upstream)
    );
    let app = App::start(&config).await;
    for (body, expected) in [
        (asks("fast", &json!({})), json!(["gpt-5", "low", 77, "flex"])),
        (
            asks(
                "fast",
                &json!({"reasoning_effort": "high", "max_completion_tokens": 9, "service_tier": "default"}),
            ),
            json!(["gpt-5", "high", 9, "default"]),
        ),
        (asks("fast:medium", &json!({})), json!(["gpt-5", "medium", 77, "flex"])),
    ] {
        let reply = app.chat(&body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let sent = upstream.calls().pop().unwrap().json();
        let fields = ["model", "reasoning_effort", "max_completion_tokens", "service_tier"];
        assert_eq!(json!(fields.map(|field| &sent[field])), expected);
    }
    let reply = app.post("/v1/responses", json!({"model": "fast", "input": "Hi"}).to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent = upstream.calls().pop().unwrap().json();
    assert_eq!((&sent["reasoning"]["effort"], &sent["max_output_tokens"]), (&json!("low"), &json!(77)));
    let listed = app.get("/v1/models/fast").await.json();
    assert_eq!((&listed["id"], &listed["supports_reasoning"]), (&json!("fast"), &json!(true)));
    let all = app.get("/v1/models").await.json();
    assert!(all["data"].as_array().unwrap().iter().any(|model| model["id"] == "fast"));
    let records = app.finish().await;
    assert!(records.iter().all(|record| record["model_requested"].as_str().unwrap().starts_with("fast")));
}

#[tokio::test]
async fn a_model_for_coding_is_found_wherever_it_is_and_keeps_its_prompts() {
    let upstream = Upstream::start([message_answer()]).await;
    let prompt = "Long instructions. ".repeat(400);
    let body = asks("coding/claude-sonnet-4-5:low", &json!({"max_tokens": 9000, "system": prompt}));
    let (_, body) = sent(&provider("anthropic", &upstream), &upstream, "/v1/messages", &body).await;
    assert_eq!(body["model"], "claude-sonnet-4-5");
    assert_eq!(body["cache_control"], json!({"type": "ephemeral"}));
    assert_eq!(body["thinking"]["budget_tokens"], 1024);
}

#[tokio::test]
async fn geminis_callers_have_names_too() {
    let answer = json!({
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 1, "totalTokenCount": 6},
    });
    let upstream = Upstream::start([Answer::json(200, &answer.to_string())]).await;
    let config = format!(
        "aliases = [{{ name = \"g\", model = \"google/gemini-2.5-flash\", temperature = 0.5, max_output_tokens = 99 }}]\n{}",
        provider("google", &upstream)
    );
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}).to_string();
    let (path, body) = sent(&config, &upstream, "/v1beta/models/g:1024:generateContent", &body).await;
    assert!(path.ends_with("/v1beta/models/gemini-2.5-flash:generateContent"), "{path}");
    let expected =
        json!({"temperature": 0.5, "maxOutputTokens": 99, "thinkingConfig": {"thinkingBudget": 1024}});
    for (field, value) in expected.as_object().unwrap() {
        let of_thinking = field == "thinkingConfig";
        let found = &body["generationConfig"][field];
        assert_eq!(
            if of_thinking { &found["thinkingBudget"] } else { found },
            if of_thinking { &value["thinkingBudget"] } else { value }
        );
    }
}

#[tokio::test]
async fn a_variant_leaves_the_rest_of_what_geminis_callers_ask_for_alone() {
    let answer = json!({
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 1, "totalTokenCount": 6},
    });
    let upstream = Upstream::start([Answer::json(200, &answer.to_string())]).await;
    let config = json!({"thinkingConfig": {"includeThoughts": true}, "mediaResolution": "MEDIA_RESOLUTION_LOW", "topK": 1.0});
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "generationConfig": config, "service_tier": "flex"});
    let path = "/v1beta/models/google/gemini-2.5-flash:1024:generateContent";
    let (_, sent) = sent(&provider("google", &upstream), &upstream, path, &body.to_string()).await;
    let expected = json!({"thinkingConfig": {"includeThoughts": true, "thinkingBudget": 1024},
        "mediaResolution": "MEDIA_RESOLUTION_LOW", "topK": 1.0});
    assert_eq!(sent["generationConfig"], expected);
}

#[tokio::test]
async fn tier_and_effort_of_a_name_count_together_and_a_missing_limit_stays_missing() {
    let upstream = Upstream::always(chat_answer(), 1).await;
    let config = format!(
        "aliases = [{{ name = \"slow\", model = \"openai/o3:flex\" }}]\n{}",
        provider("openai", &upstream)
    );
    let (_, body) =
        sent(&config, &upstream, "/v1/messages", &asks("slow:high", &json!({"max_tokens": 900}))).await;
    assert_eq!((&body["service_tier"], &body["reasoning_effort"]), (&json!("flex"), &json!("high")));
    let upstream = Upstream::always(message_answer(), 1).await;
    let body = asks("anthropic/claude-sonnet-4-5:low", &json!({}));
    let (_, body) = sent(&provider("anthropic", &upstream), &upstream, "/v1/messages", &body).await;
    assert!(body.get("max_tokens").is_none(), "{body}");
}
