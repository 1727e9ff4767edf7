//! Pictures at vendors with words of their own: what they are sent, what their callers get, what it costs.

use crate::media::{cost, limit};
use crate::support::*;
use llm::form::{Form, boundary};
use serde_json::{Value, json};

const SD: &str = "stability.sd3-5-large-v1:0";

fn config(kind: &str, model: &str, upstream: &Upstream) -> String {
    format!(
        "[[providers]]\nname = \"p\"\nkind = \"{kind}\"\nbase_url = \"http://{}\"\napi_key = \"{PROVIDER_KEY}\"\n\
         [[providers.models]]\nid = \"{model}\"\nmode = \"image\"\nper_image = \"0.08\"\n",
        upstream.address
    )
}

fn ask(model: &str, more: Value) -> String {
    let mut body = json!({"model": format!("p/{model}"), "prompt": "a cat"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

#[tokio::test]
async fn stability_on_bedrock_draws_in_a_ratio_and_is_charged_by_the_piece() {
    // Longer than what is read on the same core.
    let picture = "eHh4".repeat(100_000);
    let answer = json!({"seeds": [2_130_420_379_u32], "finish_reasons": [null], "images": [picture]});
    let upstream = Upstream::start([Answer::json(200, &answer.to_string())]).await;
    let app = App::start(&config("bedrock", SD, &upstream)).await;
    let body = ask(SD, json!({"size": "1024x1536", "quality": "high", "n": 1}));
    let reply = app.post("/v1/images/generations", body).await;
    assert_eq!((reply.status, &reply.json()["data"]), (200, &json!([{"b64_json": picture}])));
    assert!(reply.json()["created"].as_i64().unwrap() > 0);
    let told = "quality (bedrock_stability): dropped: the provider has no such field; \
                size (bedrock_stability): 1024x1536 became a ratio of 2:3: the model takes no sizes";
    assert_eq!(reply.header("x-signalbox-warnings"), told);
    let call = upstream.call();
    assert_eq!(call.path(), "/model/stability.sd3-5-large-v1%3A0/invoke");
    assert_eq!(call.json(), json!({"prompt": "a cat", "aspect_ratio": "2:3"}));
    assert_eq!(call.header("authorization"), Some(format!("Bearer {PROVIDER_KEY}").as_str()));
    let record = app.finish_one().await;
    assert_eq!((cost(&record), &record["usage_source"]), ("0.08", &json!("provider_final")));
}

/// As <https://schemas.apis.io/schemas/stability-ai/stability-ai-generateimageresponse/> has it.
#[tokio::test]
async fn stability_is_asked_by_a_form_and_charged_as_the_catalogue_says() {
    let drawn = json!({"image": "eA==", "finish_reason": "SUCCESS", "seed": 343_940_597});
    let blurred = json!({"image": "eA==", "finish_reason": "CONTENT_FILTERED", "seed": 1});
    let refused = json!({"id": "x", "name": "content_moderation", "errors": ["Your request was flagged."]});
    let upstream = Upstream::start([
        Answer::json(200, &drawn.to_string()),
        Answer::json(200, &blurred.to_string()),
        Answer::json(403, &refused.to_string()),
        Answer::json(401, &json!({"id": "x", "name": "unauthorized", "errors": ["No key."]}).to_string()),
    ])
    .await;
    let app = App::start(&provider_at("stability", &format!("http://{}", upstream.address))).await;
    let ask = |model: &str, more: Value| {
        let mut body = json!({"model": format!("stability/{model}"), "prompt": "a cat"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body.to_string()
    };
    let more = json!({"size": "1792x1024", "output_format": "jpeg"});
    let reply = app.post("/v1/images/generations", ask("sd3.5-large", more)).await;
    assert_eq!(
        (reply.status, &reply.json()["data"]),
        (200, &json!([{"b64_json": "eA=="}])),
        "{}",
        reply.text()
    );
    let mut told = Vec::new();
    for model in ["stable-image-ultra", "stable-image-core", "sd3-medium"] {
        let reply = app.post("/v1/images/generations", ask(model, json!({}))).await;
        told.push((reply.status, reply.json()["error"]["message"].as_str().unwrap().to_owned()));
    }
    assert!(told[0].0 == 424 && told[0].1.ends_with("no picture was made: CONTENT_FILTERED"), "{told:?}");
    assert_eq!(told[1], (403, "Your request was flagged.".to_owned()));
    assert!(told[2].0 == 502 && told[2].1.contains("refused the gateway's own credential"), "{told:?}");
    let edit = crate::media::form(&[("model", "stability/sd3.5-large"), ("prompt", "a dog")], b"picture");
    let reply = crate::media::post_form(&app, "/v1/images/edits", edit).await;
    assert_eq!(reply.json()["error"]["code"], "wrong_endpoint");
    let calls = upstream.calls();
    let paths: Vec<&str> = calls.iter().map(|call| call.path().rsplit('/').next().unwrap()).collect();
    assert_eq!(paths, ["sd3", "ultra", "core", "sd3"]);
    let call = &calls[0];
    assert_eq!(call.path(), "/v2beta/stable-image/generate/sd3");
    assert_eq!(call.header("authorization"), Some(format!("Bearer {PROVIDER_KEY}").as_str()));
    assert_eq!(call.header("accept"), Some("application/json"));
    let named = boundary(call.header("content-type").unwrap()).unwrap();
    let form = Form::parse(call.body.clone().into(), named).unwrap();
    let field = |name| form.text(name).unwrap();
    assert_eq!(
        ["prompt", "model", "aspect_ratio", "output_format"].map(field),
        ["a cat", "sd3.5-large", "16:9", "jpeg"]
    );
    let mut costs: Vec<String> = app.finish().await.iter().map(|record| cost(record).to_owned()).collect();
    costs.sort();
    // What was filtered after it was drawn is charged, what was refused is not.
    assert_eq!(costs, ["0", "0", "0", "0.065", "0.08"]);
}

#[tokio::test]
async fn imagen_draws_several_and_only_those_that_came_are_charged() {
    let answer = json!({"predictions": [
        {"mimeType": "image/png", "bytesBase64Encoded": "eA=="},
        {"raiFilteredReason": "Filtered."},
        {"mimeType": "image/png", "bytesBase64Encoded": "eQ=="},
    ]});
    let upstream = Upstream::start([Answer::json(200, &answer.to_string())]).await;
    let settings = config("vertex", "imagen-4.0-generate-001", &upstream);
    let app = App::start(&settings).await;
    let body = ask("imagen-4.0-generate-001", json!({"n": 3, "response_format": "b64_json"}));
    let reply = app.post("/v1/images/generations", body).await;
    let pictures = json!([{"b64_json": "eA=="}, {"b64_json": "eQ=="}]);
    assert_eq!((reply.status, &reply.json()["data"]), (200, &pictures), "{}", reply.text());
    let call = upstream.call();
    assert!(
        call.path().ends_with("/publishers/google/models/imagen-4.0-generate-001:predict"),
        "{}",
        call.path()
    );
    assert_eq!(call.json(), json!({"instances": [{"prompt": "a cat"}], "parameters": {"sampleCount": 3}}));
    assert_eq!(cost(&app.finish_one().await), "0.16");
}

#[tokio::test]
async fn pictures_that_were_not_made_or_cannot_be_asked_for_are_told_of() {
    let filtered = json!({"finish_reasons": ["Filter reason: prompt"]});
    let refused = json!({"message": "Malformed input request"});
    let upstream =
        Upstream::start([Answer::json(200, &filtered.to_string()), Answer::json(400, &refused.to_string())])
            .await;
    let app = App::start(&config("bedrock", SD, &upstream)).await;
    let reply = app.post("/v1/images/generations", ask(SD, json!({}))).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (424, &json!("invalid_provider_response")));
    assert!(reply.text().contains("no picture was made: Filter reason: prompt"), "{}", reply.text());
    let reply = app.post("/v1/images/generations", ask(SD, json!({}))).await;
    assert_eq!((reply.status, &reply.json()["error"]["message"]), (400, &json!("Malformed input request")));
    for (more, code, param) in [
        (json!({"response_format": "url"}), "invalid_request", json!("response_format")),
        (json!({"n": 2}), "invalid_request", json!("n")),
        (json!({"stream": true}), "invalid_request", json!("stream")),
        (json!({"size": "1024x1024", "signalbox": {"strict": true}}), "translation_loss", Value::Null),
    ] {
        let reply = app.post("/v1/images/generations", ask(SD, more)).await;
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["code"], &error["param"]), (400, &json!(code), &param));
    }
    limit(&app, "0.15").await;
    // What was charged before leaves too little.
    let reply = app.post("/v1/images/generations", ask(SD, json!({}))).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (412, &json!("spend_limit_exceeded")));
    assert_eq!(upstream.calls().len(), 2);
    app.finish().await;
}
