//! Amazon Bedrock's Converse: callers of it at providers of every protocol.

use crate::support::*;
use bytes::Bytes;
use domain::{Enforcement, Limit, Scope, Window};
use http::Request;
use http_body_util::Full;
use llm::amazon_events::{Unframer, event, exception};
use serde_json::{Value, json};

const MODEL: &str = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";
const BODY: &str =
    r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}], "inferenceConfig":{"topP":1.0}}"#;
/// At the prices of [`bedrock`] it costs 6 × 1 + 4 × 0.1 + 5 × 2 = 16.4 millionths.
const ANSWER: &str = r#"{"output":{"message":{"role":"assistant","content":[{"text":"Hello world"}]}}, "stopReason":"end_turn","usage":{"inputTokens":6,"outputTokens":5,"totalTokens":15,"cacheReadInputTokens":4},"metrics":{"latencyMs":5},"future":1.0}"#;
const COST: &str = "0.0000164";

fn bedrock(upstream: &Upstream) -> String {
    provider_at("bedrock", &format!("http://{}", upstream.address))
        .replace("id = \"m\"", &format!("id = \"{MODEL}\""))
}

fn of(model: &str, verb: &str) -> String {
    format!("/model/{}/{verb}", model.replace('/', "%2F").replace(':', "%3A"))
}

fn own(verb: &str) -> String {
    of(&format!("bedrock/{MODEL}"), verb)
}

fn delta(text: &str) -> Vec<u8> {
    event(
        "contentBlockDelta",
        &json!({"contentBlockIndex": 0, "delta": {"text": text}, "p": "ab"}).to_string(),
    )
}

fn frames() -> Vec<Vec<u8>> {
    let usage = r#"{"usage":{"inputTokens":6,"outputTokens":5,"totalTokens":15,"cacheReadInputTokens":4}, "metrics":{"latencyMs":5}}"#;
    vec![
        event("messageStart", r#"{"role": "assistant"}"#),
        delta("Hello"),
        delta(" world"),
        event("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        event("messageStop", r#"{"stopReason":"end_turn"}"#),
        event("metadata", usage),
    ]
}

/// A stream of these frames, in pieces that have nothing to do with them.
fn stream(frames: &[Vec<u8>]) -> Answer {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let bytes = frames.concat();
    let answer = Answer::default().raw(head.as_bytes());
    bytes.chunks(41).fold(answer, Answer::piece).end()
}

/// The name and payload of each frame of an answer.
fn told(reply: &Reply) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let take = |frame: llm::amazon_events::Frame<'_>| {
        found.push((frame.name().to_owned(), serde_json::from_slice(frame.payload()).unwrap()));
    };
    Unframer::default().each(&reply.body, take).unwrap();
    found
}

fn said(told: &[(String, Value)]) -> String {
    told.iter().filter_map(|(_, payload)| payload["delta"]["text"].as_str()).collect()
}

#[tokio::test]
async fn a_call_passes_through_as_it_came() {
    let upstream = Upstream::start([Answer::json(200, ANSWER)]).await;
    let app = App::start(&bedrock(&upstream)).await;
    let body = BODY.replacen('{', r#"{"requestMetadata":{"team":"search"},"#, 1);
    let reply = app.post(&own("converse"), body.clone()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent = upstream.call();
    assert_eq!(sent.line, format!("POST /model/{}/converse HTTP/1.1", MODEL.replace(':', "%3A")));
    assert_eq!(sent.header("authorization"), Some(format!("Bearer {PROVIDER_KEY}").as_str()));
    assert_eq!(sent.text(), body);
    let expected = ANSWER
        .replace("\"cacheReadInputTokens\":4}", &format!("\"cacheReadInputTokens\":4,\"cost\":{COST}}}"));
    assert_eq!(reply.text(), expected);
    assert!(reply.header("x-amzn-requestid").starts_with("req_"));
    let record = app.finish_one().await;
    assert_eq!((record["cost"].as_str(), record["operation"].as_str()), (Some(COST), Some("converse")));
    assert_eq!(
        (&record["finish_reason"], &record["extra"]["team"]),
        (&json!("end_turn"), &json!("search")),
        "{record}"
    );
}

#[tokio::test]
async fn a_stream_passes_through_in_its_frames_and_the_last_one_tells_the_cost() {
    let upstream = Upstream::start([stream(&frames())]).await;
    let app = App::start(&bedrock(&upstream)).await;
    let reply = app.post(&own("converse-stream"), BODY).await;
    assert_eq!(reply.header("content-type"), "application/vnd.amazon.eventstream");
    assert!(upstream.call().path().ends_with("/converse-stream"));
    let whole = frames();
    let before = whole[..5].concat();
    assert!(reply.body.starts_with(&before), "what needs no change is not what came");
    let last = told(&reply).pop().unwrap();
    assert_eq!((last.0.as_str(), &last.1["usage"]["cost"]), ("metadata", &json!(0.0000164)));
    assert_eq!(last.1["metrics"]["latencyMs"], 5);
    let record = app.finish_one().await;
    assert_eq!((record["cost"].as_str(), record["outcome"].as_str()), (Some(COST), Some("success")));
    assert_eq!((&record["is_stream"], &record["usage_source"]), (&json!(true), &json!("provider_final")));
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_exception() {
    let failed = exception("throttlingException", r#"{"message":"slow down"}"#);
    let begun = vec![event("messageStart", r#"{"role":"assistant"}"#), delta("Hel")];
    let with = |last: Vec<u8>| stream(&[begun.clone(), vec![last]].concat());
    let upstream = Upstream::start([
        stream(&[exception("throttlingException", r#"{"message":"slow down"}"#)]),
        with(failed),
        with(vec![1; 64]),
        stream(&begun),
    ])
    .await;
    let app = App::start(&bedrock(&upstream)).await;
    let early = app.post(&own("converse-stream"), BODY).await;
    assert_eq!((early.status, early.header("x-amzn-errortype")), (429, "ThrottlingException"));
    for (name, text) in [
        ("throttlingException", "slow down"),
        ("modelStreamErrorException", "checksum"),
        ("modelStreamErrorException", "too early"),
    ] {
        let reply = app.post(&own("converse-stream"), BODY).await;
        assert!(reply.body.starts_with(&begun.concat()), "what came before it is lost");
        let told = told(&reply);
        let (last, payload) = told.last().unwrap();
        assert_eq!((told.len(), last.as_str()), (3, name), "{payload}");
        assert!(payload["message"].as_str().unwrap().contains(text), "{payload}");
    }
    for record in app.finish().await {
        assert_eq!(record["outcome"], "provider_error");
    }
}

#[tokio::test]
async fn a_call_is_answered_by_an_openai_provider() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER), Answer::sse(&CHAT_FRAMES)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let reply = app.post(&of("openai/m", "converse"), BODY).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(upstream.calls()[0].json()["messages"], json!([{"role": "user", "content": "hi"}]));
    let answer = reply.json();
    assert_eq!(
        answer["output"]["message"],
        json!({"role": "assistant", "content": [{"text": "Hello world"}]})
    );
    assert_eq!((&answer["stopReason"], &answer["usage"]["cost"]), (&json!("end_turn"), &json!(0.0000164)));
    assert!(answer["metrics"]["latencyMs"].is_u64());
    let streamed = app.post(&of("openai/m", "converse-stream"), BODY).await;
    assert_eq!(upstream.calls()[1].json()["stream"], true);
    assert_eq!(streamed.header("content-type"), "application/vnd.amazon.eventstream");
    let told = told(&streamed);
    assert_eq!((told[0].0.as_str(), said(&told).as_str()), ("messageStart", "Hello world"));
    let (last, payload) = told.last().unwrap();
    assert_eq!((last.as_str(), &payload["usage"]["cost"]), ("metadata", &json!(0.0000164)));
    for record in app.finish().await {
        assert_eq!((record["cost"].as_str(), record["outcome"].as_str()), (Some(CHAT_COST), Some("success")));
    }
}

#[tokio::test]
async fn a_call_is_answered_by_an_anthropic_provider() {
    let upstream = Upstream::start([Answer::json(200, MESSAGE_ANSWER), Answer::sse(&MESSAGE_FRAMES)]).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    let reply = app.post(&of("anthropic/m", "converse"), BODY).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    // The catalogue's limit stands in for the one that Anthropic demands.
    assert_eq!(upstream.calls()[0].json()["max_tokens"], 100);
    assert_eq!(reply.json()["usage"]["cacheWriteInputTokens"], 2);
    let streamed = app.post(&of("anthropic/m", "converse-stream"), BODY).await;
    assert_eq!(said(&told(&streamed)), "Hello world");
    for record in app.finish().await {
        assert_eq!(
            (record["cost"].as_str(), record["outcome"].as_str()),
            (Some(MESSAGE_COST), Some("success"))
        );
    }
}

#[tokio::test]
async fn a_failure_within_a_translated_stream_is_an_exception() {
    let upstream = Upstream::start([Answer::sse(&CHAT_FRAMES[..2])]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let told = told(&app.post(&of("openai/m", "converse-stream"), BODY).await);
    let (last, payload) = told.last().unwrap();
    assert_eq!((said(&told).as_str(), last.as_str()), ("Hello", "modelStreamErrorException"));
    assert_eq!(payload["code"], "broken_provider_stream");
    app.finish().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_in_amazons_shape() {
    let refused = r#"{"message":"as AWS says it"}"#;
    let upstream = Upstream::start([Answer::json(400, refused), Answer::json(403, refused)]).await;
    let app = App::start(&bedrock(&upstream)).await;
    let path = own("converse");
    let told = |reply: &Reply| {
        (reply.status, reply.header("x-amzn-errortype").to_owned(), reply.json()["code"].clone())
    };
    let unknown = app.post(&of("nobody/x", "converse"), BODY).await;
    assert_eq!(told(&unknown), (404, "ResourceNotFoundException".to_owned(), json!("model_not_found")));
    assert!(unknown.header("x-amzn-requestid").starts_with("req_"));
    let provider = app.post(&path, BODY).await;
    assert_eq!(told(&provider), (400, "ValidationException".to_owned(), json!("provider_refused_request")));
    assert_eq!(provider.json()["message"], "as AWS says it");
    let credential = app.post(&path, BODY).await;
    assert_eq!(
        told(&credential),
        (502, "ServiceUnavailableException".to_owned(), json!("provider_refused_credential"))
    );
    let malformed = app.post(&path, "[]").await;
    assert_eq!(told(&malformed), (400, "ValidationException".to_owned(), json!("invalid_request")));
    let other = app.post(&own("invoke"), BODY).await;
    assert_eq!(told(&other), (404, "ResourceNotFoundException".to_owned(), json!("no_such_endpoint")));
    let method = app.get(&path).await;
    assert_eq!(told(&method), (405, "ValidationException".to_owned(), json!("method_not_allowed")));
    for unwritten in [&other, &method] {
        app.leaves_no_record(unwritten);
    }
    app.finish().await;
}

#[tokio::test]
async fn strangers_and_signatures_of_aws_are_refused() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&bedrock(&upstream)).await;
    let send = |authorization: Option<&str>| {
        let request = Request::post(format!("http://{}{}", app.address, own("converse")));
        let request =
            authorization.into_iter().fold(request, |request, it| request.header("authorization", it));
        app.send(request.body(Full::new(Bytes::from(BODY))).unwrap())
    };
    let signed = "AWS4-HMAC-SHA256 Credential=AKIAMADEUP/20261126/eu-west-1/bedrock/aws4_request, SignedHeaders=host, Signature=00";
    for (authorization, code, text) in [
        (None, "missing_api_key", "API key"),
        (Some("Bearer sbx_unknown"), "invalid_api_key", "Invalid"),
        (Some(signed), "aws_signature", "AWS_BEARER_TOKEN_BEDROCK"),
    ] {
        let reply = send(authorization).await;
        assert_eq!((reply.status, reply.header("x-amzn-errortype")), (403, "AccessDeniedException"));
        assert_eq!(reply.json()["code"], code);
        assert!(reply.json()["message"].as_str().unwrap().contains(text), "{}", reply.text());
        app.leaves_no_record(&reply);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_guardrail_is_applied_by_bedrock_or_the_call_refused() {
    let upstream = Upstream::start([Answer::json(200, ANSWER)]).await;
    let other = Upstream::start([]).await;
    let app = App::start(&(bedrock(&upstream) + &provider("openai", &other))).await;
    let body =
        BODY.replacen('{', r#"{"guardrailConfig":{"guardrailIdentifier":"g","guardrailVersion":"1"},"#, 1);
    let refused = app.post(&of("openai/m", "converse"), body.clone()).await;
    assert_eq!(
        (refused.status, &refused.json()["param"]),
        (400, &json!("guardrailConfig")),
        "{}",
        refused.text()
    );
    let applied = app.post(&own("converse"), body.clone()).await;
    assert_eq!(applied.status, 200, "{}", applied.text());
    assert_eq!(upstream.call().text(), body);
    app.finish().await;
}

#[tokio::test]
async fn losses_are_told_or_refused() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let lossy = BODY.replacen('{', r#"{"performanceConfig":{"latency":"optimized"},"#, 1);
    let told = app.post(&of("openai/m", "converse"), lossy.clone()).await;
    assert_eq!(told.status, 200, "{}", told.text());
    assert!(told.header("x-signalbox-warnings").contains("performanceConfig"));
    let strict = lossy.replacen('{', r#"{"signalbox":{"strict":true},"#, 1);
    let refused = app.post(&of("openai/m", "converse"), strict).await;
    assert_eq!((refused.status, &refused.json()["code"]), (400, &json!("translation_loss")));
    assert_eq!(upstream.calls().len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn tokens_are_counted_by_bedrock_where_its_model_can() {
    let base = "anthropic.claude-sonnet-4-5-20250929-v1:0";
    let upstream = Upstream::start([Answer::json(200, r#"{"inputTokens":7}"#)]).await;
    let app = App::start(&(bedrock(&upstream) + &format!("[[providers.models]]\nid = \"{base}\"\n"))).await;
    let asked = format!(r#"{{"input":{{"converse":{BODY}}}}}"#);
    let counted = app.post(&of(&format!("bedrock/{base}"), "count-tokens"), asked.clone()).await;
    assert_eq!((counted.status, counted.text()), (200, r#"{"inputTokens":7}"#));
    let call = upstream.call();
    assert_eq!(
        (call.path(), call.text()),
        ("/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens", asked.as_str())
    );
    // Profiles are not counted there, and callers of others read another shape.
    let profile = app.post(&own("count-tokens"), asked).await;
    assert!(profile.json()["inputTokens"].as_u64() > Some(0), "{}", profile.text());
    let message = MESSAGE.replace("anthropic/m", &format!("bedrock/{base}"));
    let message = app.post("/v1/messages/count_tokens", message).await;
    assert!(message.json()["input_tokens"].as_u64() > Some(0), "{}", message.text());
    assert_eq!(app.finish().await.len(), 3);
}

#[tokio::test]
async fn tokens_are_estimated_where_nobody_counts() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let counted =
        app.post(&of("openai/m", "count-tokens"), format!(r#"{{"input":{{"converse":{BODY}}}}}"#)).await;
    assert_eq!(counted.status, 200, "{}", counted.text());
    assert!(counted.json()["inputTokens"].as_u64() > Some(0), "{}", counted.text());
    let other =
        app.post(&of("openai/m", "count-tokens"), r#"{"input":{"invokeModel":{"body":"e30="}}}"#).await;
    assert_eq!((other.status, &other.json()["param"]), (400, &json!("input")), "{}", other.text());
    app.finish().await;
}

#[tokio::test]
async fn what_a_models_name_asks_for_is_written_where_converse_has_it() {
    let upstream = Upstream::always(Answer::json(200, ANSWER), 2).await;
    let app = App::start(&long_answers(&upstream)).await;
    let body = BODY.replacen('{', r#"{"additionalModelRequestFields":{"anthropic_beta":["a"]},"#, 1);
    let thinking = app.post(&of(&format!("bedrock/{MODEL}:high"), "converse"), body).await;
    assert_eq!(thinking.status, 200, "{}", thinking.text());
    let tier = app.post(&of(&format!("bedrock/{MODEL}:flex"), "converse"), BODY).await;
    assert_eq!(tier.status, 200, "{}", tier.text());
    let calls = upstream.calls();
    let additional = &calls[0].json()["additionalModelRequestFields"];
    assert_eq!(additional["anthropic_beta"], json!(["a"]), "{additional}");
    assert_eq!(additional["thinking"]["type"], "enabled", "{additional}");
    assert_eq!(calls[1].json()["serviceTier"], json!({"type": "flex"}));
    app.finish().await;
}

#[tokio::test]
async fn one_key_stands_for_one_stream() {
    let upstream = Upstream::start([stream(&frames())]).await;
    let app = App::start(&bedrock(&upstream)).await;
    let path = own("converse-stream");
    let first = app.keyed(&path, "k", BODY).await;
    let again = app.keyed(&path, "k", BODY).await;
    assert_eq!((first.status, &first.body), (200, &again.body));
    assert_eq!(again.header("content-type"), "application/vnd.amazon.eventstream");
    let whole = app.keyed(&own("converse"), "k", BODY).await;
    assert_eq!((whole.status, whole.header("x-amzn-errortype")), (422, "ValidationException"));
    app.finish().await;
}

/// A model with a price that may answer at length.
fn long_answers(upstream: &Upstream) -> String {
    format!(
        "[[providers]]\nkind = \"bedrock\"\nbase_url = \"http://{}\"\napi_key = \"{PROVIDER_KEY}\"\n\
         [[providers.models]]\nid = \"{MODEL}\"\ninput = \"1\"\noutput = \"10\"\ncontext_window = 32768\n\
         max_output_tokens = 8192\n",
        upstream.address
    )
}

/// The same with a spending limit on all calls.
async fn limited(upstream: &Upstream, dollars: &str) -> App {
    let app = App::start(&long_answers(upstream)).await;
    let (scope, window, enforcement) = (Scope::Organization(app.org), Window::Month, Enforcement::Hard);
    let limit = Limit { scope, window, amount: dollars.parse().unwrap(), enforcement };
    app.db.set_limit(app.org, limit).await.unwrap();
    app.read_configuration().await;
    app
}

#[tokio::test]
async fn an_answer_is_cut_to_what_is_affordable_where_converse_has_its_limit() {
    let upstream = Upstream::start([Answer::json(200, ANSWER)]).await;
    let app = limited(&upstream, "0.05").await;
    let reply = app.post(&own("converse"), BODY).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent: u64 = reply.header("x-signalbox-clamped").parse().unwrap();
    assert_eq!(upstream.call().json()["inferenceConfig"], json!({"topP": 1.0, "maxTokens": sent}));
    assert!((4_000..5_000).contains(&sent), "{sent}");
    // A limit beside the protocol's own does not hide what the call may cost.
    let more = json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}], "inferenceConfig": {"maxTokens": 1},
        "additionalModelRequestFields": {"n": 1000, "max_tokens": 8000}});
    let reply = app.post(&own("converse"), more.to_string()).await;
    assert_eq!((reply.status, reply.header("x-amzn-errortype")), (412, "ServiceQuotaExceededException"));
    app.finish().await;
}

#[tokio::test]
async fn what_has_charges_of_its_own_is_refused_under_a_hard_limit() {
    let upstream = Upstream::start([]).await;
    let app = limited(&upstream, "1").await;
    let guarded = r#"{"guardrailConfig":{"guardrailIdentifier":"g","guardrailVersion":"1"},"#;
    let tool = r#"{"toolConfig":{"tools":[{"systemTool":{"name":"nova_grounding"}}]},"#;
    let fast = r#"{"performanceConfig":{"latency":"optimized"},"#;
    for (start, text) in [(guarded, "no price is known"), (tool, "no price is known"), (fast, "price")] {
        let reply = app.post(&own("converse"), BODY.replacen('{', start, 1)).await;
        assert_eq!((reply.status, reply.text().contains(text)), (412, true), "{}", reply.text());
    }
    app.finish().await;
}
