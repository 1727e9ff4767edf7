//! Google's `generateContent`: callers of it at providers of every protocol, and callers of the others at Google.

use crate::support::*;
use bytes::Bytes;
use domain::{Enforcement, Limit, Scope, Window};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

const MODEL: &str = "gemini-3-flash-preview";
const CONTENTS: &str =
    r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}], "generationConfig":{"topP":1.0}}"#;
/// At the prices of [`provider`] it costs 6 × 1 + 4 × 0.1 + 5 × 2 = 16.4 millionths.
const ANSWER: &str = r#"{"candidates":[{"content":{"parts":[{"text":"Hello world"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":3,"thoughtsTokenCount":2,"totalTokenCount":15},"modelVersion":"gemini-3-flash-preview","responseId":"r-1"}"#;
const COST: &str = "0.0000164";
const FRAMES: [&str; 2] = [
    r#"data: {"candidates":[{"content":{"parts":[{"text":"Hello"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":10,"totalTokenCount":10},"modelVersion":"gemini-3-flash-preview","responseId":"r-1"}"#,
    r#"data: {"candidates":[{"content":{"parts":[{"text":" world"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":3,"thoughtsTokenCount":2,"totalTokenCount":15},"modelVersion":"gemini-3-flash-preview","responseId":"r-1"}"#,
];
/// A call of a function, signed.
const CALL_ANSWER: &str = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"look","args":{"a":1.0},"id":"f1"},"thoughtSignature":"U2ln+/=="}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15},"modelVersion":"gemini-3-flash-preview","responseId":"r-2"}"#;

fn google(upstream: &Upstream) -> String {
    provider_at("google", &format!("http://{}", upstream.address))
        .replace("id = \"m\"", &format!("id = \"{MODEL}\""))
}

fn framed(frames: &[&str]) -> Vec<String> {
    frames.iter().map(|frame| format!("{frame}\n\n")).collect()
}

fn stream_of(frames: &[&str]) -> Answer {
    let framed = framed(frames);
    Answer::sse(&framed.iter().map(String::as_str).collect::<Vec<_>>())
}

fn of(model: &str, verb: &str) -> String {
    format!("/v1beta/models/{model}:{verb}")
}

fn pieces(reply: &Reply) -> Vec<Value> {
    reply.events().iter().map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn said(pieces: &[Value]) -> String {
    let texts =
        pieces.iter().flat_map(|piece| piece["candidates"][0]["content"]["parts"].as_array().cloned());
    texts.flatten().filter_map(|part| part["text"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_call_passes_through_as_it_came() {
    let upstream = Upstream::start([Answer::json(200, ANSWER)]).await;
    let app = App::start(&google(&upstream)).await;
    let reply = app.post(&of(&format!("google/{MODEL}"), "generateContent"), CONTENTS).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent = upstream.call();
    assert_eq!(sent.line, format!("POST /v1beta/models/{MODEL}:generateContent HTTP/1.1"));
    assert_eq!((sent.header("x-goog-api-key"), sent.header("authorization")), (Some(PROVIDER_KEY), None));
    assert_eq!(sent.text(), CONTENTS);
    let expected =
        ANSWER.replace("\"totalTokenCount\":15}", &format!("\"totalTokenCount\":15,\"cost\":{COST}}}"));
    assert_eq!(reply.text(), expected);
    let record = app.finish_one().await;
    assert_eq!(
        (record["cost"].as_str(), record["operation"].as_str()),
        (Some(COST), Some("generate_content"))
    );
    assert_eq!(
        (record["finish_reason"].as_str(), record["response_id"].as_str()),
        (Some("STOP"), Some("r-1"))
    );
}

#[tokio::test]
async fn a_stream_passes_through_and_its_last_piece_tells_the_cost() {
    let upstream = Upstream::start([stream_of(&FRAMES)]).await;
    let app = App::start(&google(&upstream)).await;
    let path = of(&format!("google%2F{MODEL}"), "streamGenerateContent?alt=sse");
    let reply = app.post(&path, CONTENTS).await;
    let sent = upstream.call();
    assert_eq!(sent.line, format!("POST /v1beta/models/{MODEL}:streamGenerateContent?alt=sse HTTP/1.1"));
    let pieces = pieces(&reply);
    assert_eq!((said(&pieces).as_str(), &pieces[0]["usageMetadata"]["cost"]), ("Hello world", &Value::Null));
    assert_eq!(pieces[1]["usageMetadata"]["cost"], json!(0.0000164));
    let record = app.finish_one().await;
    assert_eq!((record["cost"].as_str(), record["outcome"].as_str()), (Some(COST), Some("success")));
    assert_eq!(record["is_stream"], true);
}

#[tokio::test]
async fn a_stream_without_its_end_is_told_as_broken() {
    let upstream = Upstream::start([stream_of(&FRAMES[..1])]).await;
    let app = App::start(&google(&upstream)).await;
    let reply = app.post(&of(&format!("google/{MODEL}"), "streamGenerateContent?alt=sse"), CONTENTS).await;
    let pieces = pieces(&reply);
    assert_eq!(pieces.last().unwrap()["error"]["status"], "UNAVAILABLE", "{}", reply.text());
    assert_eq!(app.finish_one().await["outcome"], "provider_error");
}

#[tokio::test]
async fn a_failure_within_a_stream_is_told_in_googles_shape() {
    let failure =
        r#"data: {"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#;
    let upstream = Upstream::start([stream_of(&[FRAMES[0], failure])]).await;
    let app = App::start(&google(&upstream)).await;
    let reply = app.post(&of(&format!("google/{MODEL}"), "streamGenerateContent?alt=sse"), CONTENTS).await;
    let last = pieces(&reply).pop().unwrap();
    assert_eq!(
        (&last["error"]["message"], &last["error"]["details"][0]["domain"]),
        (&json!("The model is overloaded."), &json!("signalbox"))
    );
    assert_eq!(app.finish_one().await["outcome"], "provider_error");
}

#[tokio::test]
async fn a_call_of_gemini_is_answered_by_an_openai_provider() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER), Answer::sse(&CHAT_FRAMES)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let reply = app.post(&of("openai/m", "generateContent"), CONTENTS).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(upstream.calls()[0].json()["messages"], json!([{"role": "user", "content": "hi"}]));
    let answer = reply.json();
    assert_eq!(
        answer["candidates"][0]["content"],
        json!({"role": "model", "parts": [{"text": "Hello world"}]})
    );
    assert_eq!(
        (&answer["candidates"][0]["finishReason"], &answer["usageMetadata"]["cost"]),
        (&json!("STOP"), &json!(0.0000164))
    );
    let streamed = app.post(&of("openai/m", "streamGenerateContent?alt=sse"), CONTENTS).await;
    assert_eq!(upstream.calls()[1].json()["stream"], true);
    let pieces = pieces(&streamed);
    assert_eq!(said(&pieces), "Hello world");
    let last = pieces.last().unwrap();
    assert_eq!(
        (&last["candidates"][0]["finishReason"], &last["usageMetadata"]["cost"]),
        (&json!("STOP"), &json!(0.0000164))
    );
    for record in app.finish().await {
        assert_eq!((record["cost"].as_str(), record["outcome"].as_str()), (Some(CHAT_COST), Some("success")));
    }
}

#[tokio::test]
async fn a_call_of_gemini_is_answered_by_an_anthropic_provider() {
    let upstream = Upstream::start([Answer::json(200, MESSAGE_ANSWER), Answer::sse(&MESSAGE_FRAMES)]).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    let reply = app.post(&of("anthropic/m", "generateContent"), CONTENTS).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    // The catalogue's limit stands in for the one that Anthropic demands.
    assert_eq!(upstream.calls()[0].json()["max_tokens"], 100);
    assert_eq!(said(&[reply.json()]), "Hello world");
    let streamed = app.post(&of("anthropic/m", "streamGenerateContent?alt=sse"), CONTENTS).await;
    assert_eq!(said(&pieces(&streamed)), "Hello world");
    for record in app.finish().await {
        assert_eq!(
            (record["cost"].as_str(), record["outcome"].as_str()),
            (Some(MESSAGE_COST), Some("success"))
        );
    }
}

#[tokio::test]
async fn a_long_picture_in_the_other_alphabet_of_base64_is_rewritten_for_others() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER)]).await;
    let app = App::start(&provider("openai", &upstream).replace("1000", "200000")).await;
    let data = "_-9A".repeat(100_000);
    let body = format!(
        r#"{{"contents":[{{"parts":[{{"inlineData":{{"mimeType":"image/png","data":"{data}"}}}}]}}]}}"#
    );
    let reply = app.post(&of("openai/m", "generateContent"), body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent = upstream.call().json()["messages"][0]["content"][0]["image_url"]["url"].clone();
    assert!(sent == format!("data:image/png;base64,{}", "/+9A".repeat(100_000)));
    app.finish().await;
}

#[tokio::test]
async fn a_chat_keeps_the_signature_of_a_call_for_the_next_turn() {
    let upstream = Upstream::start([Answer::json(200, CALL_ANSWER), stream_of(&FRAMES)]).await;
    let app = App::start(&google(&upstream)).await;
    let tools = json!([{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]);
    let mut messages = vec![json!({"role": "user", "content": "hi"})];
    let body = json!({"model": format!("google/{MODEL}"), "tools": tools, "messages": messages});
    let first = app.chat(&body.to_string()).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let message = first.json()["choices"][0]["message"].clone();
    assert_eq!(first.json()["choices"][0]["finish_reason"], "tool_calls");
    messages.push(message);
    messages.push(json!({"role": "tool", "tool_call_id": "f1", "content": "seen"}));
    let body =
        json!({"model": format!("google/{MODEL}"), "tools": tools, "messages": messages, "stream": true});
    let second = app.chat(&body.to_string()).await;
    assert!(
        second.text().contains("world") && second.text().ends_with("data: [DONE]\n\n"),
        "{}",
        second.text()
    );
    returned(&upstream);
    app.finish().await;
}

#[tokio::test]
async fn a_message_keeps_the_signature_of_a_call_for_the_next_turn() {
    let call = format!("data: {CALL_ANSWER}");
    let upstream = Upstream::start([stream_of(&[&call]), Answer::json(200, ANSWER)]).await;
    let app = App::start(&google(&upstream)).await;
    let tools = json!([{"name": "look", "input_schema": {"type": "object"}}]);
    let user = json!({"role": "user", "content": "hi"});
    let body = json!({"model": format!("google/{MODEL}"), "max_tokens": 50, "tools": tools, "messages": [user], "stream": true});
    let first = app.message(&body.to_string()).await;
    let events = pieces(&first);
    let signature = events.iter().find_map(|event| event["delta"]["signature"].as_str()).unwrap().to_owned();
    assert_eq!(signature, "gemini:U2ln+/==");
    let content = json!([{"type": "thinking", "thinking": "", "signature": signature}, {"type": "tool_use", "id": "f1", "name": "look", "input": {"a": 1.0}}]);
    let result = json!([{"type": "tool_result", "tool_use_id": "f1", "content": "seen"}]);
    let messages =
        json!([user, {"role": "assistant", "content": content}, {"role": "user", "content": result}]);
    let body =
        json!({"model": format!("google/{MODEL}"), "max_tokens": 50, "tools": tools, "messages": messages});
    let second = app.message(&body.to_string()).await;
    assert_eq!(second.json()["content"][0]["text"], "Hello world", "{}", second.text());
    returned(&upstream);
    app.finish().await;
}

/// The second call brought back what the first answer had.
fn returned(upstream: &Upstream) {
    let contents = upstream.calls()[1].json()["contents"].clone();
    let call = json!({"functionCall": {"id": "f1", "name": "look", "args": {"a": 1.0}}, "thoughtSignature": "U2ln+/=="});
    assert_eq!(contents[1], json!({"role": "model", "parts": [call]}));
    let response = json!({"functionResponse": {"id": "f1", "name": "look", "response": {"output": "seen"}}});
    assert_eq!(contents[2], json!({"role": "user", "parts": [response]}));
}

#[tokio::test]
async fn a_key_may_stand_where_googles_callers_put_it() {
    let upstream = Upstream::always(Answer::json(200, ANSWER), 2).await;
    let app = App::start(&google(&upstream)).await;
    let path = of(&format!("google/{MODEL}"), "generateContent");
    let send = |path: String, key: Option<&str>| {
        let request = Request::post(format!("http://{}{path}", app.address));
        let request = key.into_iter().fold(request, |request, key| request.header("x-goog-api-key", key));
        app.send(request.body(Full::new(Bytes::from(CONTENTS))).unwrap())
    };
    assert_eq!(send(path.clone(), Some(KEY)).await.status, 200);
    assert_eq!(send(format!("{path}?key={KEY}"), None).await.status, 200);
    let stranger = send(path, None).await;
    assert_eq!((stranger.status, &stranger.json()["error"]["status"]), (401, &json!("UNAUTHENTICATED")));
    app.finish().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_in_googles_shape() {
    let refused = r#"{"error":{"code":400,"message":"Bad thing.","status":"INVALID_ARGUMENT"}}"#;
    let bad_key = r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}"#;
    let upstream = Upstream::start([Answer::json(400, refused), Answer::json(400, bad_key)]).await;
    let app = App::start(&google(&upstream)).await;
    let unknown = app.post(&of("nobody/x", "generateContent"), CONTENTS).await;
    assert_eq!((unknown.status, &unknown.json()["error"]["status"]), (404, &json!("NOT_FOUND")));
    let no_sse = app.post(&of(&format!("google/{MODEL}"), "streamGenerateContent"), CONTENTS).await;
    assert_eq!((no_sse.status, &no_sse.json()["error"]["code"]), (400, &json!(400)));
    assert!(no_sse.text().contains("alt=sse"));
    let provider = app.post(&of(&format!("google/{MODEL}"), "generateContent"), CONTENTS).await;
    assert_eq!((provider.status, &provider.json()["error"]["message"]), (400, &json!("Bad thing.")));
    assert_eq!(provider.json()["error"]["details"][0]["reason"], "PROVIDER_REFUSED_REQUEST");
    let credential = app.post(&of(&format!("google/{MODEL}"), "generateContent"), CONTENTS).await;
    assert_eq!(credential.status, 502, "{}", credential.text());
    assert_eq!(credential.json()["error"]["details"][0]["reason"], "PROVIDER_REFUSED_CREDENTIAL");
    let verb = app.post(&of(&format!("google/{MODEL}"), "predict"), CONTENTS).await;
    assert_eq!((verb.status, &verb.json()["error"]["code"]), (404, &json!(404)));
    for unwritten in [&no_sse, &verb] {
        app.leaves_no_record(unwritten);
    }
    app.finish().await;
}

#[tokio::test]
async fn tokens_are_counted_by_google_and_else_estimated() {
    let upstream = Upstream::start([Answer::json(200, r#"{"totalTokens":7}"#)]).await;
    let other = Upstream::start([]).await;
    let app = App::start(&(google(&upstream) + &provider("openai", &other))).await;
    let counted = app.post(&of(&format!("google/{MODEL}"), "countTokens"), CONTENTS).await;
    assert_eq!(counted.text(), r#"{"totalTokens":7}"#);
    let wrapped = format!(r#"{{"generateContentRequest":{CONTENTS}}}"#);
    let estimated = app.post(&of("openai/m", "countTokens"), wrapped).await;
    assert!(estimated.json()["totalTokens"].as_u64() > Some(0), "{}", estimated.text());
    let message = MESSAGE.replace("anthropic/m", &format!("google/{MODEL}"));
    let message = app.post("/v1/messages/count_tokens", message).await;
    assert!(message.json()["input_tokens"].as_u64() > Some(0), "{}", message.text());
    app.finish().await;
}

#[tokio::test]
async fn models_are_listed_in_googles_shape() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&google(&upstream)).await;
    let list = app.get("/v1beta/models").await.json();
    let model = list["models"]
        .as_array()
        .unwrap()
        .iter()
        .find(|model| model["name"] == format!("models/google/{MODEL}"));
    let model = model.unwrap();
    assert_eq!((&model["inputTokenLimit"], &model["outputTokenLimit"]), (&json!(1000), &json!(100)));
    assert_eq!(model["supportedGenerationMethods"][0], "generateContent");
    let one = app.get(&format!("/v1beta/models/google/{MODEL}")).await.json();
    assert_eq!(&one, model);
    let none = app.get("/v1beta/models/google/none").await;
    assert_eq!((none.status, &none.json()["error"]["status"]), (404, &json!("NOT_FOUND")));
    app.finish().await;
}

#[tokio::test]
async fn one_key_stands_for_one_model() {
    let upstream = Upstream::start([Answer::json(200, ANSWER)]).await;
    let app = App::start(&google(&upstream)).await;
    let path = of(&format!("google/{MODEL}"), "generateContent");
    let first = app.keyed(&path, "k", CONTENTS).await;
    let again = app.keyed(&path, "k", CONTENTS).await;
    assert_eq!((first.status, first.text()), (200, again.text()));
    let other = app.keyed(&of("google/free", "generateContent"), "k", CONTENTS).await;
    assert_eq!(other.status, 422, "{}", other.text());
    app.finish().await;
}

/// A model whose price is known, with a spending limit on all calls.
async fn limited(upstream: &Upstream, dollars: &str) -> App {
    let app = App::start(&format!(
        "[[providers]]\nkind = \"google\"\nbase_url = \"http://{}/v1beta/openai\"\napi_key = \"{PROVIDER_KEY}\"\n\
         [[providers.models]]\nid = \"{MODEL}\"\ninput = \"1\"\noutput = \"10\"\ncontext_window = 32768\n\
         max_output_tokens = 8192\n",
        upstream.address
    ))
    .await;
    let (scope, window, enforcement) = (Scope::Organization(app.org), Window::Month, Enforcement::Hard);
    let limit = Limit { scope, window, amount: dollars.parse().unwrap(), enforcement };
    app.db.set_limit(app.org, limit).await.unwrap();
    app.read_configuration().await;
    app
}

#[tokio::test]
async fn an_answer_is_cut_to_what_is_affordable_where_gemini_has_its_limit() {
    let upstream = Upstream::always(Answer::json(200, ANSWER), 2).await;
    let app = limited(&upstream, "0.05").await;
    for slash in ["/", "%2F"] {
        let reply = app.post(&of(&format!("google{slash}{MODEL}"), "generateContent"), CONTENTS).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let sent: u64 = reply.header("x-signalbox-clamped").parse().unwrap();
        let config = upstream.calls().last().unwrap().json()["generationConfig"].clone();
        assert_eq!(config, json!({"topP": 1.0, "maxOutputTokens": sent}));
        assert!((4_000..5_000).contains(&sent), "{sent}");
    }
    app.finish().await;
}

#[tokio::test]
async fn tools_with_charges_of_their_own_are_refused_under_a_hard_limit() {
    let upstream = Upstream::start([]).await;
    let app = limited(&upstream, "1").await;
    let body = CONTENTS.replacen('{', r#"{"tools":[{"googleMaps":{}}],"#, 1);
    let reply = app.post(&of(&format!("google/{MODEL}"), "generateContent"), body).await;
    assert_eq!((reply.status, reply.text().contains("no price is known")), (412, true), "{}", reply.text());
    app.finish().await;
}
