//! Endpoints that are neither conversations nor vectors: they pass through, are bounded, and cost what they should.

use crate::support::*;
use bytes::Bytes;
use domain::{Enforcement, Limit, Money, Scope, Window};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

/// A provider with a model of each kind, priced in round figures.
fn config(upstream: &Upstream) -> String {
    let model = |id: &str, mode: &str, prices: &str| {
        format!("[[providers.models]]\nid = \"{id}\"\nmode = \"{mode}\"\n{prices}\n")
    };
    format!(
        "[[providers]]\nname = \"p\"\nkind = \"openai-compatible\"\nbase_url = \"http://{}/v1\"\n\
         api_key = \"{PROVIDER_KEY}\"\n{}{}{}{}{}{}{}{}{}",
        upstream.address,
        model("rank", "rerank", "per_1k_queries = \"2\""),
        model("judge", "moderation", "input = \"1\""),
        model("draw", "image", "input = \"5\"\noutput = \"40\""),
        model("piece", "image", "per_image = \"0.04\""),
        model("say", "speech", "per_1m_chars_input = \"15\""),
        model("tell", "speech", "input = \"0.6\"\noutput = \"12\""),
        model("hear", "transcription", "per_second_input = \"0.0001\""),
        model("listen", "transcription", "input = \"2.5\"\naudio_input = \"6\"\noutput = \"10\""),
        model(
            "go-on",
            "completion",
            "input = \"1\"\noutput = \"2\"\ncontext_window = 4096\nmax_output_tokens = 1000"
        ),
    )
}

pub async fn limit(app: &App, dollars: &str) {
    let (scope, amount) = (Scope::Organization(app.org), dollars.parse().unwrap());
    let limit = Limit { scope, window: Window::Month, amount, enforcement: Enforcement::Hard };
    app.db.set_limit(app.org, limit).await.unwrap();
    app.read_configuration().await;
}

pub fn cost(record: &Value) -> &str {
    record["cost"].as_str().unwrap()
}

#[tokio::test]
async fn documents_are_ranked_and_cost_what_the_provider_counts() {
    let answer = json!({
        "id": "r-1", "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
        "meta": {"billed_units": {"search_units": 2}},
    });
    let upstream = Upstream::start([Answer::json(200, &answer.to_string())]).await;
    let app = App::start(&config(&upstream)).await;
    let body = r#"{"model":"p/rank","query":"q","documents":["a","b"],"top_n":2,"signalbox":{"tags":["x"]}}"#;
    let reply = app.post("/v1/rerank", body).await;
    assert_eq!((reply.status, reply.json()), (200, answer));
    let call = upstream.call();
    assert_eq!((call.path(), &call.json()["model"]), ("/v1/rerank", &json!("rank")));
    assert_eq!(call.json()["signalbox"], Value::Null);
    let record = app.finish_one().await;
    assert_eq!((cost(&record), &record["usage_source"]), ("0.004", &json!("provider_final")));
    assert_eq!((&record["operation"], &record["other_usage"]["queries"]), (&json!("rerank"), &json!(2)));
}

#[tokio::test]
async fn voyage_ranks_in_its_own_words_and_answers_in_the_callers() {
    let answer = json!({
        "object": "list", "model": "rank", "usage": {"total_tokens": 26},
        "data": [{"relevance_score": 0.9, "index": 1, "document": "b"}, {"relevance_score": 0.1, "index": 0, "document": "a"}],
    });
    let refused = json!({"detail": "Too many documents."});
    let upstream = Upstream::start([
        Answer::json(200, &answer.to_string()),
        Answer::json(400, &refused.to_string()),
        Answer::json(200, "{\"results\":[]}"),
    ])
    .await;
    let priced = config(&upstream).replace("kind = \"openai-compatible\"", "kind = \"voyage\"");
    let app = App::start(&priced.replace("per_1k_queries = \"2\"", "input = \"0.05\"")).await;
    let body = r#"{"model":"p/rank","query":"q","documents":["a",{"text":"b"}],"top_n":2,"return_documents":true,"rank_fields":["x"]}"#;
    let reply = app.post("/v1/rerank", body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let results = json!([
        {"index": 1, "relevance_score": 0.9, "document": {"text": "b"}},
        {"index": 0, "relevance_score": 0.1, "document": {"text": "a"}},
    ]);
    assert_eq!((&reply.json()["results"], &reply.json()["usage"]["total_tokens"]), (&results, &json!(26)));
    assert_eq!(reply.json()["usage"]["cost"], json!(0.0000013));
    assert_eq!(reply.header("x-signalbox-warnings"), "unknown fields (voyage): dropped: rank_fields");
    let sent =
        json!({"model": "rank", "query": "q", "documents": ["a", "b"], "top_k": 2, "return_documents": true});
    assert_eq!(upstream.call().json(), sent);
    let refused = app.post("/v1/rerank", r#"{"model":"p/rank","query":"q","documents":["a"]}"#).await;
    assert_eq!((refused.status, &refused.json()["error"]["message"]), (400, &json!("Too many documents.")));
    let broken = app.post("/v1/rerank", r#"{"model":"p/rank","query":"q","documents":["a"]}"#).await;
    assert_eq!((broken.status, &broken.json()["error"]["code"]), (424, &json!("invalid_provider_response")));
    let pictures =
        app.post("/v1/rerank", r#"{"model":"p/rank","query":"q","documents":[{"image":"x"}]}"#).await;
    assert_eq!((pictures.status, &pictures.json()["error"]["param"]), (400, &json!("documents[0].text")));
    let records = app.finish().await;
    let told = records.iter().find(|record| record["usage_source"] == "provider_final").unwrap();
    assert_eq!((cost(told), &told["input_tokens"]), ("0.0000013", &json!(26)));
}

#[tokio::test]
async fn what_a_ranking_may_cost_is_held_and_refused_where_it_does_not_fit() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&config(&upstream)).await;
    limit(&app, "0.0039").await;
    let documents = vec!["a"; 150];
    let body = json!({"model": "p/rank", "query": "q", "documents": documents}).to_string();
    let reply = app.post("/v1/rerank", body).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (412, &json!("spend_limit_exceeded")));
    assert!(reply.text().contains("this call may cost $0.004"), "{}", reply.text());
    app.finish().await;
}

#[tokio::test]
async fn pictures_cost_their_tokens_or_their_number() {
    let drawn = json!({
        "created": 1, "data": [{"b64_json": "eA=="}],
        "usage": {"input_tokens": 20, "input_tokens_details": {"image_tokens": 0, "text_tokens": 20},
                  "output_tokens": 1056, "total_tokens": 1076},
    });
    let two =
        json!({"created": 1, "data": [{"url": "https://example.com/1"}, {"url": "https://example.com/2"}]});
    let upstream =
        Upstream::start([Answer::json(200, &drawn.to_string()), Answer::json(200, &two.to_string())]).await;
    let app = App::start(&config(&upstream)).await;
    let reply = app.post("/v1/images/generations", r#"{"model":"p/draw","prompt":"a cat"}"#).await;
    // The cost is told where the provider tells the usage.
    assert_eq!(reply.json()["usage"]["cost"], json!(0.04234));
    assert_eq!(reply.json()["data"], drawn["data"]);
    let reply = app.post("/v1/images/generations", r#"{"model":"p/piece","prompt":"cats","n":2}"#).await;
    assert_eq!(reply.json(), two);
    let costs: Vec<Value> = app.finish().await.iter().map(|record| record["cost"].clone()).collect();
    assert!(costs.contains(&json!("0.04234")) && costs.contains(&json!("0.08")), "{costs:?}");
}

#[tokio::test]
async fn streamed_pictures_are_followed_to_their_end() {
    let partial = r#"{"type":"image_generation.partial_image","partial_image_index":0,"b64_json":"eA=="}"#;
    let done = r#"{"type":"image_generation.completed","b64_json":"eA==","usage":{"input_tokens":20,"output_tokens":1000,"total_tokens":1020}}"#;
    let frames = [
        format!("event: image_generation.partial_image\ndata: {partial}\n\n"),
        format!("event: image_generation.completed\ndata: {done}\n\n"),
    ];
    let upstream = Upstream::start([Answer::sse(&[&frames[0], &frames[1]])]).await;
    let app = App::start(&config(&upstream)).await;
    let body = r#"{"model":"p/draw","prompt":"a cat","stream":true,"partial_images":1}"#;
    let reply = app.post("/v1/images/generations", body).await;
    assert!(reply.text().starts_with(&frames[0]), "{}", reply.text());
    assert!(reply.text().contains("event: image_generation.completed\n"), "{}", reply.text());
    assert!(reply.text().contains(r#""total_tokens":1020,"cost":0.0401}"#), "{}", reply.text());
    let record = app.finish_one().await;
    assert_eq!((cost(&record), &record["is_stream"]), ("0.0401", &json!(true)));
}

#[tokio::test]
async fn speech_passes_through_as_it_comes_and_costs_its_letters() {
    let sound: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let upstream = Upstream::start([Answer::whole(200, &[("content-type", "audio/mpeg")], &sound)]).await;
    let app = App::start(&config(&upstream)).await;
    let reply = app
        .post("/v1/audio/speech", r#"{"model":"p/say","input":"Grüezi","voice":"alloy","speed":1.5}"#)
        .await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "audio/mpeg"));
    assert_eq!((&reply.body[..], reply.is_cut), (&sound[..], false));
    assert_eq!(upstream.call().header("accept"), Some("*/*"));
    let record = app.finish_one().await;
    assert_eq!((cost(&record), &record["other_usage"]["characters"]), ("0.00009", &json!(6)));
}

#[tokio::test]
async fn speech_that_breaks_off_is_cut_and_never_looks_whole() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 1000\r\n\r\nxxxx";
    let upstream = Upstream::start([Answer::default().raw(head).gate().cut()]).await;
    let app = App::start(&config(&upstream)).await;
    let body = r#"{"model":"p/say","input":"Hi","voice":"alloy"}"#;
    let reply = app.post_open("/v1/audio/speech", body).await;
    upstream.open_gate();
    let reply = reply.whole().await;
    assert!(reply.is_cut, "{reply:?}");
    let record = app.finish_one().await;
    assert_eq!((&record["outcome"], cost(&record)), (&json!("provider_error"), "0.00003"));
}

#[tokio::test]
async fn speech_in_events_tells_its_tokens() {
    let delta = "data: {\"type\":\"speech.audio.delta\",\"audio\":\"eA==\"}\n\n";
    let done = "data: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":10,\"output_tokens\":100,\"total_tokens\":110}}\n\n";
    let upstream = Upstream::start([Answer::sse(&[delta, done])]).await;
    let app = App::start(&config(&upstream)).await;
    let body = r#"{"model":"p/tell","input":"Hi","voice":"alloy","stream_format":"sse"}"#;
    let reply = app.post("/v1/audio/speech", body).await;
    assert!(reply.text().contains("\"cost\":0.001206"), "{}", reply.text());
    let record = app.finish_one().await;
    assert_eq!((cost(&record), &record["usage_source"]), ("0.001206", &json!("provider_final")));
}

/// A form with a sound in it, as an SDK writes it.
pub fn form(fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(b"--b0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n");
    body.extend_from_slice(file);
    for (name, value) in fields {
        let part = format!("\r\n--b0\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}");
        body.extend_from_slice(part.as_bytes());
    }
    body.extend_from_slice(b"\r\n--b0--\r\n");
    body
}

pub async fn post_form(app: &App, path: &str, body: Vec<u8>) -> Reply {
    let request = Request::post(format!("http://{}{path}", app.address))
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "multipart/form-data; boundary=b0");
    app.send(request.body(Full::new(Bytes::from(body))).unwrap()).await
}

#[tokio::test]
async fn a_recording_is_written_down_and_costs_its_length() {
    let answer = json!({"text": "Hello", "usage": {"type": "duration", "seconds": 30}});
    let upstream = Upstream::start([
        Answer::json(200, &answer.to_string()),
        Answer::whole(200, &[("content-type", "text/plain; charset=utf-8")], b"Hello\n"),
    ])
    .await;
    let app = App::start(&config(&upstream)).await;
    // Longer than what is read at once.
    let file: Vec<u8> = (0..=255).cycle().take(400_000).collect();
    let options = "{\"tags\":[\"x\"],\"user_id\":\"u\"}";
    let body = form(&[("model", "p/hear"), ("language", "en"), ("signalbox", options)], &file);
    let reply = post_form(&app, "/v1/audio/transcriptions", body).await;
    assert_eq!((reply.status, &reply.json()["text"]), (200, &json!("Hello")), "{}", reply.text());
    assert_eq!(reply.json()["usage"]["cost"], json!(0.003));
    let call = upstream.call();
    assert_eq!(call.header("content-type"), Some("multipart/form-data; boundary=b0"));
    assert_eq!(call.body, form(&[("model", "hear"), ("language", "en")], &file));
    // A form of the answer that tells nothing: about its length is charged.
    let body = form(&[("model", "p/hear"), ("response_format", "text")], &file);
    let reply = post_form(&app, "/v1/audio/translations", body).await;
    assert_eq!(
        (reply.status, reply.text(), reply.header("content-type")),
        (200, "Hello\n", "text/plain; charset=utf-8")
    );
    let records = app.finish().await;
    let of = |operation: &str| records.iter().find(|record| record["operation"] == operation).unwrap();
    assert_eq!((cost(of("transcriptions")), &of("transcriptions")["user_id"]), ("0.003", &json!("u")));
    let estimated: Money = cost(of("translations")).parse().unwrap();
    assert!(estimated > Money::ZERO && of("translations")["usage_source"] == "estimate");
}

#[tokio::test]
async fn under_a_limit_sound_is_held_for_as_long_as_it_may_be() {
    let answer = json!({"text": "Hello", "usage": {"type": "duration", "seconds": 30}});
    let upstream = Upstream::start([Answer::json(200, &answer.to_string())]).await;
    let app = App::start(&config(&upstream)).await;
    limit(&app, "0.01").await;
    // A minute of silence, or ten hours: it does not tell.
    let flac = [b"fLaC".as_slice(), &[0; 9_996]].concat();
    let reply = post_form(&app, "/v1/audio/transcriptions", form(&[("model", "p/hear")], &flac)).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (412, &json!("spend_limit_exceeded")));
    assert!(reply.text().contains("this call may cost $3.6"), "{}", reply.text());
    // Half a minute of plain samples.
    let mut wav =
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3E\0\0\0\x7D\0\0\x02\0\x10\0data\0\0\0\0".to_vec();
    wav.resize(30 * 32_000, 0);
    let reply = post_form(&app, "/v1/audio/transcriptions", form(&[("model", "p/hear")], &wav)).await;
    assert_eq!((reply.status, &reply.json()["text"]), (200, &json!("Hello")), "{}", reply.text());
    let records = app.finish().await;
    let made = records.iter().find(|record| record["outcome"] == "success").unwrap();
    assert_eq!(cost(made), "0.003", "{made}");
}

#[tokio::test]
async fn sound_that_is_sold_by_tokens_costs_them_or_about_that() {
    let tokens = json!({
        "type": "tokens", "input_tokens": 1_002, "input_token_details": {"text_tokens": 2, "audio_tokens": 1_000},
        "output_tokens": 100, "total_tokens": 1_102,
    });
    let told = |usage: &Value| Answer::json(200, &json!({"text": "Hello", "usage": usage}).to_string());
    let upstream = Upstream::start([told(&tokens), told(&json!({"type": "duration", "seconds": 100}))]).await;
    let app = App::start(&config(&upstream)).await;
    let file = vec![7; 400_000];
    let mut costs = Vec::new();
    for _ in 0..2 {
        let body = form(&[("model", "p/listen")], &file);
        costs.push(post_form(&app, "/v1/audio/transcriptions", body).await.json()["usage"]["cost"].clone());
    }
    // 0.000005 + 0.006 + 0.001
    assert_eq!(costs[0], json!(0.007005));
    let mut records = app.finish().await;
    records.sort_by_key(|record| record["usage_source"] == "provider_final");
    assert_eq!((cost(&records[1]), &records[0]["usage_source"]), ("0.007005", &json!("estimate")));
    // A length is no number of tokens: about fifty seconds, and the caller is told the same.
    let estimated: Money = cost(&records[0]).parse().unwrap();
    let shown: Money = costs[1].to_string().parse().unwrap();
    assert!(estimated > "0.003".parse().unwrap() && shown == estimated, "{costs:?}");
}

#[tokio::test]
async fn what_is_no_form_is_refused_before_anything_is_asked() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&config(&upstream)).await;
    let reply = app.post("/v1/audio/transcriptions", "{\"model\":\"p/hear\"}").await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &json!("invalid_request")));
    let reply = post_form(&app, "/v1/audio/transcriptions", form(&[], b"x")).await;
    assert_eq!((reply.status, &reply.json()["error"]["param"]), (400, &json!("model")));
    let reply = post_form(&app, "/v1/audio/transcriptions", form(&[("model", "p/say")], b"x")).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &json!("wrong_endpoint")));
    app.finish().await;
}

#[tokio::test]
async fn a_text_goes_on_where_the_prompt_ends_whole_and_streamed() {
    let whole = json!({
        "id": "cmpl-1", "object": "text_completion", "created": 1, "model": "go-on",
        "choices": [{"index": 0, "text": " a time", "finish_reason": "stop", "logprobs": null}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    });
    let chunk = "data: {\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"choices\":[{\"index\":0,\"text\":\" a time\",\"finish_reason\":\"stop\"}]}\n\n";
    let usage = "data: {\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n";
    let upstream = Upstream::start([
        Answer::json(200, &whole.to_string()),
        Answer::sse(&[chunk, usage, "data: [DONE]\n\n"]),
    ])
    .await;
    let app = App::start(&config(&upstream)).await;
    let reply = app.post("/v1/completions", r#"{"model":"p/go-on","prompt":"Once upon"}"#).await;
    assert_eq!(reply.json()["choices"][0]["text"], " a time");
    assert_eq!(reply.json()["usage"]["cost"], json!(0.000007));
    let reply =
        app.post("/v1/completions", r#"{"model":"p/go-on","prompt":"Once upon","stream":true}"#).await;
    assert_eq!(reply.text(), format!("{chunk}data: [DONE]\n\n"));
    assert_eq!(upstream.calls()[1].json()["stream_options"]["include_usage"], true);
    for record in app.finish().await {
        assert_eq!((cost(&record), &record["output_tokens"]), ("0.000007", &json!(2)));
    }
}

#[tokio::test]
async fn a_text_is_judged() {
    let answer = json!({"id": "modr-1", "model": "judge", "results": [{"flagged": false}]});
    let upstream = Upstream::start([Answer::json(200, &answer.to_string())]).await;
    let app = App::start(&config(&upstream)).await;
    let reply = app.post("/v1/moderations", r#"{"model":"p/judge","input":"Hi"}"#).await;
    assert_eq!((reply.status, reply.json()), (200, answer));
    let record = app.finish_one().await;
    assert_eq!((&record["operation"], &record["usage_source"]), (&json!("moderations"), &json!("estimate")));
}

#[tokio::test]
async fn a_spoken_answer_is_kept_under_an_idempotency_key() {
    let sound = b"\x00\x01\x02";
    let upstream = Upstream::start([Answer::whole(200, &[("content-type", "audio/wav")], sound)]).await;
    let app = App::start(&config(&upstream)).await;
    let body = r#"{"model":"p/say","input":"Hi","voice":"alloy"}"#;
    for _ in 0..2 {
        let reply = app.keyed("/v1/audio/speech", "k", body).await;
        assert_eq!((&reply.body[..], reply.header("content-type")), (&sound[..], "audio/wav"));
        app.settled().await;
    }
    assert_eq!(upstream.calls().len(), 1);
    app.finish().await;
}
