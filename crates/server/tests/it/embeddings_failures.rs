//! Embeddings that fail: what is refused before anything is sent, and what providers get wrong.

use crate::embeddings::{priced, request};
use crate::support::*;
use serde_json::{Value, json};

#[tokio::test]
async fn what_a_provider_cannot_take_is_refused_before_anything_is_sent() {
    let upstream = Upstream::start([]).await;
    let models = ["amazon.titan-embed-text-v1", "cohere.embed-english-v3"];
    let app = App::start(&priced("bedrock", &upstream, &models)).await;
    for (model, more, words) in [
        (models[0], json!({}), "one text a call, and 2 came"),
        (models[0], json!({"input": "a", "dimensions": 8}), "dimensions cannot be sent"),
        (models[1], json!({"dimensions": 8}), "dimensions cannot be sent"),
        (models[1], json!({"input": [[1, 2], [3]]}), "takes texts only, no tokens"),
        (models[1], json!({"input": []}), "nothing to make a vector of"),
        (models[1], json!({"stream": true}), "not streamed"),
        (models[1], json!({"input_type": "poem"}), "no purpose of embeddings is called `poem`"),
        (models[1], json!({"signalbox": {"strict": true}}), "`strict` is set"),
    ] {
        let reply = app.post("/v1/embeddings", request(model, more)).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
        assert!(reply.text().contains(words), "{words}: {}", reply.text());
    }
    for record in app.finish().await {
        assert_eq!((&record["outcome"], &record["cost"]), (&json!("refused"), &json!("0")));
    }
}

#[tokio::test]
async fn who_is_strict_and_says_all_is_served() {
    let answer = json!({"embeddings": {"float": [[1], [2]]}, "meta": {"billed_units": {"input_tokens": 2}}});
    let upstream = Upstream::start([Answer::json(200, &answer.to_string())]).await;
    let app = App::start(&priced("cohere", &upstream, &["embed-v4.0"])).await;
    let more = json!({"input_type": "query", "signalbox": {"strict": true, "tags": ["x"]}});
    let reply = app.post("/v1/embeddings", request("embed-v4.0", more)).await;
    assert_eq!((reply.status, reply.header("x-signalbox-warnings")), (200, ""));
    assert_eq!(app.finish_one().await["tags"], json!(["x"]));
}

#[tokio::test]
async fn a_provider_that_refuses_is_heard_in_the_callers_shape() {
    let upstream = Upstream::start([
        Answer::json(400, r#"{"detail":"Too many tokens."}"#),
        Answer::whole(429, &[("retry-after", "7")], br#"{"detail":"Slow down."}"#),
        Answer::json(401, r#"{"detail":"Provided API key is invalid."}"#),
        Answer::json(500, "oh"),
    ])
    .await;
    let app = App::start(&priced("voyage", &upstream, &["voyage-4"])).await;
    let reply = app.post("/v1/embeddings", request("voyage-4", json!({}))).await;
    assert_eq!((reply.status, &reply.json()["error"]["message"]), (400, &json!("Too many tokens.")));
    let path = "/v1beta/models/p/voyage-4:embedContent";
    let body = r#"{"content":{"parts":[{"text":"a"}]}}"#;
    let reply = app.post(path, body).await;
    let error = &reply.json()["error"];
    assert_eq!(
        (reply.status, &error["status"], &error["message"]),
        (429, &json!("RESOURCE_EXHAUSTED"), &json!("Slow down."))
    );
    assert_eq!(reply.header("retry-after"), "7");
    let reply = app.post(path, body).await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["details"][0]["reason"]),
        (502, &json!("PROVIDER_REFUSED_CREDENTIAL"))
    );
    let reply = app.post("/v1/embeddings", request("voyage-4", json!({}))).await;
    assert!(reply.status >= 500, "{}", reply.text());
    for record in app.finish().await {
        assert_eq!((&record["outcome"], &record["cost"]), (&json!("provider_error"), &json!("0")));
    }
}

#[tokio::test]
async fn too_few_vectors_or_none_are_an_error_and_never_a_short_answer() {
    let answers = [
        json!({"embeddings": [{"values": [1]}], "usageMetadata": {"promptTokenCount": 10}}),
        json!({"embeddings": [{"values": [1]}, {"values": [2]}, {"values": [3]}]}),
        json!({"embeddings": [{"values": [1]}, {"values": [null]}]}),
        json!({"embeddings": [{"values": [1]}, {}]}),
        json!({}),
    ];
    let upstream = Upstream::start(answers.iter().map(|answer| Answer::json(200, &answer.to_string()))).await;
    let app = App::start(&priced("google", &upstream, &["e"])).await;
    for _ in &answers {
        let reply = app.post("/v1/embeddings", request("e", json!({}))).await;
        let code = &reply.json()["error"]["code"];
        assert_eq!((reply.status, code), (424, &json!("invalid_provider_response")), "{}", reply.text());
    }
    for record in app.finish().await {
        // It was made, and is billed by whoever made it.
        assert_eq!(
            (&record["outcome"], &record["usage_source"]),
            (&json!("provider_error"), &json!("estimate"))
        );
        assert_ne!(record["cost"], "0");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_in_googles_shape() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&priced("openai", &upstream, &["e"])).await;
    let batch = |requests: Value| json!({"requests": requests}).to_string();
    let one = |text: &str, more: Value| {
        let mut body = json!({"content": {"parts": [{"text": text}]}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let mixed = json!([one("a", json!({"taskType": "CLUSTERING"})), one("b", json!({}))]);
    for (verb, body, param) in [
        ("embedContent", "{}".to_owned(), "content"),
        ("embedContent", one("a", json!({"model": "models/p/f"})).to_string(), "model"),
        ("embedContent", r#"{"content":{"parts":[{"inlineData":{}}]}}"#.to_owned(), "content.parts"),
        ("batchEmbedContents", batch(json!([])), "requests"),
        ("batchEmbedContents", batch(mixed), "requests[1]"),
    ] {
        let reply = app.post(&format!("/v1beta/models/p/e:{verb}"), body).await;
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["status"]), (400, &json!("INVALID_ARGUMENT")), "{}", reply.text());
        assert_eq!(error["details"][0]["metadata"]["param"], param, "{}", reply.text());
    }
    let reply = app.post("/v1beta/models/p/unknown:embedContent", "{}").await;
    assert_eq!((reply.status, &reply.json()["error"]["status"]), (404, &json!("NOT_FOUND")));
    app.finish().await;
}

#[tokio::test]
async fn a_model_of_another_kind_has_no_vectors() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    let reply = app.post("/v1beta/models/anthropic/m:embedContent", "{}").await;
    assert_eq!(reply.json()["error"]["details"][0]["reason"], "WRONG_ENDPOINT", "{}", reply.text());
    app.finish().await;
}

#[tokio::test]
async fn vectors_are_made_once_under_an_idempotency_key() {
    let answer = json!({"embeddings": {"float": [[1], [2]]}, "meta": {"billed_units": {"input_tokens": 2}}});
    let upstream = Upstream::start([Answer::json(200, &answer.to_string())]).await;
    let app = App::start(&priced("cohere", &upstream, &["embed-v4.0"])).await;
    let body = request("embed-v4.0", json!({"input_type": "query"}));
    for _ in 0..2 {
        let reply = app.keyed("/v1/embeddings", "k", &body).await;
        assert_eq!(reply.json()["data"][1]["embedding"], json!([2]), "{}", reply.text());
        app.settled().await;
    }
    app.finish().await;
}
