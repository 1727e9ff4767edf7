//! Embeddings across shapes: callers of OpenAI's and Google's, at providers of every kind.

use crate::support::*;
use domain::{Enforcement, Limit, Scope, Window};
use serde_json::{Value, json};

/// A provider of a kind at a scripted address, whose models cost half a dollar per million tokens.
pub fn priced(kind: &str, upstream: &Upstream, models: &[&str]) -> String {
    let mut config = format!(
        "[[providers]]\nname = \"p\"\nkind = \"{kind}\"\nbase_url = \"http://{}\"\napi_key = \"{PROVIDER_KEY}\"\n",
        upstream.address
    );
    for model in models {
        config.push_str(&format!(
            "[[providers.models]]\nid = \"{model}\"\nmode = \"embedding\"\ninput = \"0.5\"\ncontext_window = 2048\n"
        ));
    }
    config
}

pub fn request(model: &str, more: Value) -> String {
    let mut body = json!({"model": format!("p/{model}"), "input": ["a", "b"]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

fn content(text: &str) -> Value {
    json!({"parts": [{"text": text}]})
}

/// Two vectors in OpenAI's shape, base64 of 32-bit floats among them.
const TWO: [&str; 2] = ["[1,-2.5]", "[0.5,0.25]"];
const TWO_IN_BASE64: [&str; 2] = ["AACAPwAAIMA=", "AAAAPwAAgD4="];

fn embedding(reply: &Reply, at: usize) -> Value {
    reply.json()["data"][at]["embedding"].clone()
}

#[tokio::test]
async fn an_openai_caller_gets_vectors_of_google() {
    let told = format!(
        "{{\"embeddings\": [{{\n \"values\": {}}},\n {{\"values\": {}}}],\n \"usageMetadata\": {{\"promptTokenCount\": 10, \
         \"promptTokenDetails\": [{{\"modality\": \"TEXT\", \"tokenCount\": 10}}]}}}}",
        TWO[0], TWO[1]
    );
    let untold = json!({"embeddings": [{"values": [1, 2]}, {"values": [3, 4]}]});
    let upstream = Upstream::start([Answer::json(200, &told), Answer::json(200, &untold.to_string())]).await;
    let app = App::start(&priced("google", &upstream, &["gemini-embedding-001"])).await;
    let more = json!({"encoding_format": "base64", "dimensions": 2, "input_type": "search_query"});
    let reply = app.post("/v1/embeddings", request("gemini-embedding-001", more)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!([embedding(&reply, 0), embedding(&reply, 1)], TWO_IN_BASE64.map(Value::from));
    assert_eq!(reply.json()["usage"], json!({"prompt_tokens": 10, "total_tokens": 10, "cost": 0.000005}));
    assert_eq!(
        (&reply.json()["model"], &reply.json()["object"]),
        (&json!("p/gemini-embedding-001"), &json!("list"))
    );
    let call = upstream.call();
    assert_eq!(call.line, "POST /v1beta/models/gemini-embedding-001:batchEmbedContents HTTP/1.1");
    assert_eq!((call.header("x-goog-api-key"), call.header("authorization")), (Some(PROVIDER_KEY), None));
    let of = |text| json!({"model": "models/gemini-embedding-001", "content": content(text), "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 2});
    assert_eq!(call.json(), json!({"requests": [of("a"), of("b")]}));
    // Older models tell nothing: what it cost is estimated, and said to be.
    let reply = app.post("/v1/embeddings", request("gemini-embedding-001", json!({}))).await;
    assert_eq!(embedding(&reply, 1), json!([3, 4]));
    assert_eq!(reply.json()["usage"], json!({"prompt_tokens": 2, "total_tokens": 2, "cost": 0.000001}));
    assert_eq!(reply.header("x-signalbox-warnings"), "usage: estimated, the provider tells none");
    let records = app.finish().await;
    let source = |record: &Value| record["usage_source"].as_str().unwrap().to_owned();
    assert_eq!(records.iter().map(source).collect::<Vec<_>>(), ["estimate", "provider_final"]);
    assert_eq!((&records[1]["cost"], &records[1]["operation"]), (&json!("0.000005"), &json!("embeddings")));
    assert_eq!(records[0]["cost"], "0.000001");
}

#[tokio::test]
async fn an_openai_caller_gets_vectors_of_cohere() {
    let answer = json!({
        "id": "e-1", "embeddings": {"float": [[1, -2.5], [0.5, 0.25]]}, "texts": ["a", "b"],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 4}},
    });
    let upstream = Upstream::always(Answer::json(200, &answer.to_string()), 2).await;
    let app = App::start(&priced("cohere", &upstream, &["embed-v4.0"])).await;
    let more = json!({"dimensions": 256, "input_type": "document", "truncate": "NONE"});
    let reply = app.post("/v1/embeddings", request("embed-v4.0", more)).await;
    assert_eq!((embedding(&reply, 0), reply.header("x-signalbox-warnings")), (json!([1, -2.5]), ""));
    assert_eq!(reply.json()["usage"], json!({"prompt_tokens": 4, "total_tokens": 4, "cost": 0.000002}));
    let sent = upstream.call();
    assert_eq!(
        (sent.path(), sent.header("authorization")),
        ("/v2/embed", Some(&*format!("Bearer {PROVIDER_KEY}")))
    );
    assert_eq!(
        sent.json(),
        json!({"model": "embed-v4.0", "input_type": "search_document", "texts": ["a", "b"], "embedding_types": ["float"], "output_dimension": 256, "truncate": "NONE"})
    );
    // Cohere demands to know what they are for.
    let reply = app.post("/v1/embeddings", request("embed-v4.0", json!({"user": "u"}))).await;
    let warnings = reply.header("x-signalbox-warnings");
    assert!(
        warnings.contains("input_type (cohere): search_document was sent")
            && warnings.contains("user (cohere)"),
        "{warnings}"
    );
    for record in app.finish().await {
        assert_eq!((&record["cost"], &record["response_id"]), (&json!("0.000002"), &json!("e-1")));
    }
}

#[tokio::test]
async fn an_openai_caller_gets_vectors_of_voyage() {
    let answer = json!({
        "object": "list", "model": "voyage-4", "usage": {"total_tokens": 8},
        "data": [{"object": "embedding", "embedding": TWO_IN_BASE64[0], "index": 0}, {"object": "embedding", "embedding": TWO_IN_BASE64[1], "index": 1}],
    });
    let upstream = Upstream::always(Answer::json(200, &answer.to_string()), 2).await;
    let app = App::start(&priced("voyage", &upstream, &["voyage-4"])).await;
    let more = json!({"encoding_format": "base64", "dimensions": 256, "input_type": "query"});
    let reply = app.post("/v1/embeddings", request("voyage-4", more)).await;
    assert_eq!(embedding(&reply, 1), TWO_IN_BASE64[1], "{}", reply.text());
    assert_eq!(reply.json()["usage"], json!({"prompt_tokens": 8, "total_tokens": 8, "cost": 0.000004}));
    let sent = upstream.call();
    assert_eq!(sent.path(), "/embeddings");
    assert_eq!(
        sent.json(),
        json!({"model": "voyage-4", "input": ["a", "b"], "input_type": "query", "output_dimension": 256, "encoding_format": "base64"})
    );
    // Who wants numbers gets them, whatever came.
    let reply = app.post("/v1/embeddings", request("voyage-4", json!({"encoding_format": "float"}))).await;
    assert_eq!(embedding(&reply, 0), json!([1.0, -2.5]));
    app.finish().await;
}

#[tokio::test]
async fn an_openai_caller_gets_vectors_of_bedrock() {
    let titan = json!({"embedding": [1, -2.5], "inputTextTokenCount": 6});
    let cohere = json!({"id": "e-1", "embeddings": {"float": [[1, -2.5], [0.5, 0.25]]}, "response_type": "embeddings_by_type"});
    let with_tokens = [("content-type", "application/json"), ("x-amzn-bedrock-input-token-count", "12")];
    let upstream = Upstream::start([
        Answer::json(200, &titan.to_string()),
        Answer::whole(200, &with_tokens, cohere.to_string().as_bytes()),
    ])
    .await;
    let models = ["amazon.titan-embed-text-v2:0", "us.cohere.embed-v4:0"];
    let app = App::start(&priced("bedrock", &upstream, &models)).await;
    let one = json!({"input": "a", "dimensions": 256});
    let reply = app.post("/v1/embeddings", request(models[0], one)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        (embedding(&reply, 0), &reply.json()["usage"]["prompt_tokens"]),
        (json!([1, -2.5]), &json!(6))
    );
    let reply = app.post("/v1/embeddings", request(models[1], json!({"input_type": "document"}))).await;
    assert_eq!(
        (embedding(&reply, 1), &reply.json()["usage"]["prompt_tokens"]),
        (json!([0.5, 0.25]), &json!(12))
    );
    let calls = upstream.calls();
    assert_eq!(calls[0].path(), "/model/amazon.titan-embed-text-v2%3A0/invoke");
    assert_eq!(calls[0].json(), json!({"inputText": "a", "dimensions": 256}));
    assert_eq!(calls[1].path(), "/model/us.cohere.embed-v4%3A0/invoke");
    assert_eq!((&calls[1].json()["texts"], &calls[1].json()["model"]), (&json!(["a", "b"]), &Value::Null));
    for record in app.finish().await {
        assert_eq!(record["usage_source"], "provider_final");
    }
}

#[tokio::test]
async fn an_openai_caller_gets_vectors_of_vertex() {
    let predicted = json!({"predictions": [
        {"embeddings": {"values": [1, -2.5], "statistics": {"token_count": 3, "truncated": false}}},
        {"embeddings": {"values": [0.5, 0.25], "statistics": {"token_count": 4, "truncated": false}}},
    ]});
    let embedded = json!({"embedding": {"values": [1, 2]}, "usageMetadata": {"promptTokenCount": 5}});
    let upstream = Upstream::start([
        Answer::json(200, &predicted.to_string()),
        Answer::json(200, &embedded.to_string()),
    ])
    .await;
    let models = ["text-embedding-005", "gemini-embedding-2"];
    let config = priced("vertex", &upstream, &models);
    let app = App::start(&config.replacen("api_key", "places = { project = \"x\" }\napi_key", 1)).await;
    let reply = app.post("/v1/embeddings", request(models[0], json!({"input_type": "query"}))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        (embedding(&reply, 1), &reply.json()["usage"]["prompt_tokens"]),
        (json!([0.5, 0.25]), &json!(7))
    );
    let reply = app.post("/v1/embeddings", request(models[1], json!({"input": "a"}))).await;
    assert_eq!((embedding(&reply, 0), &reply.json()["usage"]["prompt_tokens"]), (json!([1, 2]), &json!(5)));
    let calls = upstream.calls();
    assert_eq!(calls[0].path(), "/publishers/google/models/text-embedding-005:predict");
    assert_eq!(calls[0].json()["instances"][1], json!({"content": "b", "task_type": "RETRIEVAL_QUERY"}));
    assert_eq!(calls[1].path(), "/publishers/google/models/gemini-embedding-2:embedContent");
    app.finish().await;
}

#[tokio::test]
async fn a_gemini_caller_gets_vectors_of_openai() {
    let of = |vectors: Value| json!({"object": "list", "model": "m", "data": vectors, "usage": {"prompt_tokens": 10, "total_tokens": 10}});
    let one = of(json!([{"object": "embedding", "index": 0, "embedding": [1, -2.5]}]));
    let two = of(json!([{"index": 1, "embedding": TWO_IN_BASE64[1]}, {"index": 0, "embedding": [1, -2.5]}]));
    let upstream =
        Upstream::start([Answer::json(200, &one.to_string()), Answer::json(200, &two.to_string())]).await;
    let app = App::start(&priced("openai", &upstream, &["e"])).await;
    let body = json!({"content": content("a"), "outputDimensionality": 2, "taskType": "CLUSTERING"});
    let reply = app.post("/v1beta/models/p/e:embedContent", body.to_string()).await;
    let expected = json!({"embedding": {"values": [1, -2.5]}, "usageMetadata": {"promptTokenCount": 10, "cost": 0.000005}});
    assert_eq!((reply.status, reply.json()), (200, expected));
    assert_eq!(
        reply.header("x-signalbox-warnings"),
        "task_type (openai): dropped: the provider is not told what vectors are for"
    );
    let body =
        json!({"requests": [{"model": "models/p/e", "content": content("a")}, {"content": content("b")}]});
    let reply = app.post("/v1/models/p%2Fe:batchEmbedContents", body.to_string()).await;
    assert_eq!(
        reply.json()["embeddings"],
        json!([{"values": [1, -2.5]}, {"values": [0.5, 0.25]}]),
        "{}",
        reply.text()
    );
    let calls = upstream.calls();
    assert_eq!(calls[0].json(), json!({"model": "e", "input": ["a"], "dimensions": 2}));
    assert_eq!(calls[1].json(), json!({"model": "e", "input": ["a", "b"]}));
    let records = app.finish().await;
    let operations: Vec<&Value> = records.iter().map(|record| &record["operation"]).collect();
    assert_eq!(operations, [&json!("batch_embed_contents"), &json!("embed_content")]);
    for record in &records {
        assert_eq!(
            (&record["cost"], &record["usage_source"]),
            (&json!("0.000005"), &json!("provider_final"))
        );
    }
}

#[tokio::test]
async fn a_picture_of_a_gemini_caller_reaches_vertex_and_is_priced_as_one() {
    let details = json!([{"modality": "IMAGE", "tokenCount": 258}, {"modality": "TEXT", "tokenCount": 2}]);
    let usage = json!({"promptTokenCount": 260, "promptTokensDetails": details});
    let answer = json!({"embedding": {"values": [1, 2]}, "usageMetadata": usage});
    let upstream = Upstream::start([Answer::json(200, &answer.to_string())]).await;
    let config = format!(
        "[[providers]]\nname = \"p\"\nkind = \"vertex\"\nbase_url = \"http://{}\"\napi_key = \"{PROVIDER_KEY}\"\n\
         places = {{ project = \"x\" }}\n",
        upstream.address
    );
    let app = App::start(&config).await;
    let parts = json!([{"text": "a"}, {"inlineData": {"mimeType": "image/png", "data": "eA=="}}]);
    let body = json!({"content": {"parts": parts}, "outputDimensionality": 2}).to_string();
    let reply = app.post("/v1beta/models/p/gemini-embedding-2:embedContent", body).await;
    assert_eq!(reply.json()["embedding"]["values"], json!([1, 2]), "{}", reply.text());
    let sent = upstream.call().json();
    assert_eq!(sent, json!({"content": {"parts": parts}, "embedContentConfig": {"outputDimensionality": 2}}));
    // At 0.2 dollars per million tokens of text and 0.45 of pictures, as the catalogue has it.
    assert_eq!(app.finish_one().await["cost"], "0.0001165");
}

#[tokio::test]
async fn a_gemini_caller_passes_through_to_google() {
    let one = r#"{"embedding":{"values":[ 1.0 ]},"usageMetadata":{"promptTokenCount":10}}"#;
    let two = r#"{"embeddings":[{"values":[1]},{"values":[2]}]}"#;
    let upstream = Upstream::start([Answer::json(200, one), Answer::json(200, two)]).await;
    let app = App::start(&priced("google", &upstream, &["gemini-embedding-2"])).await;
    let path = "/v1beta/models/p/gemini-embedding-2";
    // A picture is none of our business.
    let body = r#"{"content":{"parts":[{"text":"a"},{"inlineData":{"mimeType":"image/png","data":"eA=="}}]}, "taskType":"X"}"#;
    let reply = app.post(&format!("{path}:embedContent"), body).await;
    assert_eq!(reply.text(), one.replace("10}", "10,\"cost\":0.000005}"));
    let body =
        r#"{"requests":[{"model":"models/p/gemini-embedding-2","content":{"x" : 1.0}},{"content":{}}]}"#;
    let reply = app.post(&format!("{path}:batchEmbedContents"), body).await;
    assert_eq!(reply.text(), two);
    let calls = upstream.calls();
    assert_eq!(calls[0].path(), "/v1beta/models/gemini-embedding-2:embedContent");
    assert_eq!(calls[1].path(), "/v1beta/models/gemini-embedding-2:batchEmbedContents");
    assert!(
        calls[0].text().contains(r#"{"text":"a"},{"inlineData":{"mimeType":"image/png","data":"eA=="}}]}"#)
    );
    let named = r#"{"requests":[{"model":"models/gemini-embedding-2","content":{"x" : 1.0}},{"content":{},"model":"models/gemini-embedding-2"}]}"#;
    assert_eq!(calls[1].text(), named);
    app.finish().await;
}

#[tokio::test]
async fn a_long_batch_and_its_long_answer_come_whole() {
    let texts: Vec<String> = (0..600).map(|at| format!("{at} {}", "Grüße \"an\" alle ".repeat(80))).collect();
    let vectors: Vec<Value> = (0..600).map(|at| json!({"values": vec![at; 256]})).collect();
    let answer = json!({"embeddings": vectors}).to_string();
    assert!(answer.len() > 400_000);
    let upstream = Upstream::start([Answer::json(200, &answer)]).await;
    let app = App::start(&priced("google", &upstream, &["e"])).await;
    let reply = app.post("/v1/embeddings", request("e", json!({"input": texts}))).await;
    assert_eq!((reply.status, embedding(&reply, 599)), (200, json!(vec![599; 256])));
    let sent = upstream.call().json();
    for (at, text) in texts.iter().enumerate() {
        assert_eq!(sent["requests"][at]["content"], content(text));
    }
    let record = app.finish_one().await;
    assert_eq!((&record["outcome"], &record["usage_source"]), (&json!("success"), &json!("estimate")));
}

#[tokio::test]
async fn what_vectors_may_cost_is_held_and_refused_where_it_does_not_fit() {
    let answer =
        json!({"embeddings": [{"values": [1]}, {"values": [2]}], "usageMetadata": {"promptTokenCount": 10}});
    let upstream = Upstream::start([Answer::json(200, &answer.to_string())]).await;
    let app = App::start(&priced("google", &upstream, &["gemini-embedding-2"])).await;
    let amount = "0.001".parse().unwrap();
    let scope = Scope::Organization(app.org);
    let limit = Limit { scope, window: Window::Month, amount, enforcement: Enforcement::Hard };
    app.db.set_limit(app.org, limit).await.unwrap();
    app.read_configuration().await;
    let reply = app.post("/v1/embeddings", request("gemini-embedding-2", json!({}))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    // Short texts have more around them than in them.
    let many = vec!["a"; 500];
    let reply = app.post("/v1/embeddings", request("gemini-embedding-2", json!({"input": many}))).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (412, &json!("spend_limit_exceeded")));
    // A title is sent with each.
    let titled = json!({"input": ["a", "b", "c"], "title": "t".repeat(300)});
    let reply = app.post("/v1/embeddings", request("gemini-embedding-2", titled)).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (412, &json!("spend_limit_exceeded")));
    // A picture is bounded by the longest prompt, a film by nothing.
    let path = "/v1beta/models/p/gemini-embedding-2:embedContent";
    let of = |kind: &str| {
        json!({"content": {"parts": [{"inlineData": {"mimeType": kind, "data": "eA=="}}]}}).to_string()
    };
    let picture = app.post(path, of("image/png")).await;
    assert_eq!(picture.status, 412, "{}", picture.text());
    assert!(picture.text().contains("this call may cost $0.001"), "{}", picture.text());
    for kind in ["video/mp4", "VIDEO/mp4"] {
        let film = app.post(path, of(kind)).await;
        assert!(film.status == 412 && film.text().contains("nothing bounds"), "{}", film.text());
    }
    app.finish().await;
}
