//! Caller and provider speak one protocol: bytes pass through.

use crate::support::*;
use bytes::Bytes;
use http_body_util::Full;
use serde_json::json;

/// A body whose every detail would be lost by reading and writing it.
const ODD_CHAT: &str = r#"{ "messages" : [ {"content":"h\u00e9 \ud83d\ude00","role":"user","x":[1.0,1e3,12345678901234567890123]} ], "zeta":1.50,"model":"openai/m","alpha":{"b":1,"a":2} }"#;

#[tokio::test]
async fn a_chat_reaches_the_provider_byte_for_byte_but_for_its_model() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    assert_eq!(app.chat(ODD_CHAT).await.status, 200);
    let expected = r#"{"messages":[ {"content":"h\u00e9 \ud83d\ude00","role":"user","x":[1.0,1e3,12345678901234567890123]} ],"zeta":1.50,"model":"m","alpha":{"b":1,"a":2}}"#;
    assert_eq!(upstream.call().text(), expected);
    assert_eq!(upstream.call().line, "POST /v1/chat/completions HTTP/1.1");
    app.finish_one().await;
}

#[tokio::test]
async fn a_message_reaches_the_provider_byte_for_byte_but_for_its_model() {
    let upstream = Upstream::start([Answer::json(200, MESSAGE_ANSWER)]).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    let body = r#"{"max_tokens":50,"model":"anthropic/m","messages":[{"role":"user","content":[{"type":"text","text":"a\/b","cache_control":{"type":"ephemeral"}}]}],"max_completion_tokens":7,"temperature":1.0,"future":{"z":1,"a":2.50}}"#;
    assert_eq!(app.message(body).await.status, 200);
    assert_eq!(upstream.call().text(), body.replace("anthropic/m", "m"));
    assert_eq!(upstream.call().line, "POST /v1/messages HTTP/1.1");
    app.finish_one().await;
}

#[tokio::test]
async fn a_stream_asks_the_provider_for_usage() {
    let upstream = Upstream::start([Answer::sse(&CHAT_FRAMES), Answer::sse(&CHAT_FRAMES)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    app.chat(CHAT_STREAM).await;
    let kept = r#"{"model":"openai/m","stream_options":{"other":1.0},"messages":[],"stream":true}"#;
    app.chat(kept).await;
    let [plain, with_options] = &upstream.calls()[..] else { panic!("two calls were expected") };
    let added = CHAT_STREAM
        .replace("openai/m", "m")
        .replace(r#""stream":true}"#, r#""stream":true,"stream_options":{"include_usage":true}}"#);
    assert_eq!(plain.text(), added);
    assert_eq!(with_options.json()["stream_options"], json!({"other": 1.0, "include_usage": true}));
    app.finish().await;
}

#[tokio::test]
async fn a_message_stream_is_sent_as_it_came() {
    let upstream = Upstream::start([Answer::sse(&MESSAGE_FRAMES)]).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    app.message(MESSAGE_STREAM).await;
    assert_eq!(upstream.call().text(), MESSAGE_STREAM.replace("anthropic/m", "m"));
    app.finish_one().await;
}

#[tokio::test]
async fn the_provider_gets_our_credentials_and_not_the_callers() {
    let openai = Upstream::start([Answer::json(200, CHAT_ANSWER)]).await;
    let anthropic = Upstream::start([Answer::json(200, MESSAGE_ANSWER)]).await;
    let config = provider("openai", &openai) + &provider("anthropic", &anthropic);
    let app = App::start(&config).await;
    for (path, body) in [("/v1/chat/completions", CHAT), ("/v1/messages", MESSAGE)] {
        let request = app
            .request("POST", path)
            .header("x-api-key", KEY)
            .header("x-requesty-team", "payments")
            .header("x-signalbox-team", "payments")
            .header("x-title", "payments")
            .header("cookie", "payments")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        assert_eq!(app.send(request).await.status, 200);
    }
    assert_eq!(openai.call().header("authorization"), Some(format!("Bearer {PROVIDER_KEY}").as_str()));
    assert_eq!(openai.call().header("x-api-key"), None);
    assert_eq!(anthropic.call().header("x-api-key"), Some(PROVIDER_KEY));
    assert_eq!(anthropic.call().header("authorization"), None);
    for call in [openai.call(), anthropic.call()] {
        assert!(!call.everything().contains(KEY) && !call.everything().contains("payments"), "{call:?}");
    }
    app.finish().await;
}

#[tokio::test]
async fn anthropics_version_and_beta_headers_are_passed_on() {
    let upstream = Upstream::always(Answer::json(200, MESSAGE_ANSWER), 2).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    let request = app
        .request("POST", "/v1/messages")
        .header("anthropic-version", "2029-01-01")
        .header("anthropic-beta", "one-2025,two-2025")
        .body(Full::new(Bytes::from(MESSAGE)))
        .unwrap();
    app.send(request).await;
    app.message(MESSAGE).await;
    let [told, untold] = &upstream.calls()[..] else { panic!("two calls were expected") };
    assert_eq!(told.header("anthropic-version"), Some("2029-01-01"));
    assert_eq!(told.header("anthropic-beta"), Some("one-2025,two-2025"));
    assert_eq!(untold.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(untold.header("anthropic-beta"), None);
    app.finish().await;
}

#[tokio::test]
async fn the_gateways_own_options_are_taken_out() {
    let upstream = Upstream::always(Answer::json(200, CHAT_ANSWER), 2).await;
    let app = App::start(&provider("openai", &upstream)).await;
    for name in ["requesty", "signalbox"] {
        app.chat(&format!(r#"{{"model":"openai/m","{name}":{{"tags":["a"]}},"messages":[]}}"#)).await;
    }
    for call in upstream.calls() {
        assert_eq!(call.text(), r#"{"model":"m","messages":[]}"#);
    }
    app.finish().await;
}

#[tokio::test]
async fn the_length_limit_is_renamed_for_openai_alone() {
    let openai = Upstream::always(Answer::json(200, CHAT_ANSWER), 2).await;
    let other = Upstream::start([Answer::json(200, CHAT_ANSWER)]).await;
    let app = App::start(&(provider("openai", &openai) + &provider("mistral", &other))).await;
    app.chat(r#"{"model":"openai/m","max_tokens":7,"messages":[]}"#).await;
    app.chat(r#"{"model":"openai/m","max_tokens":7,"max_completion_tokens":8,"messages":[]}"#).await;
    app.chat(r#"{"model":"mistral/m","max_tokens":7,"messages":[]}"#).await;
    let calls = openai.calls();
    assert_eq!(calls[0].json(), json!({"model": "m", "messages": [], "max_completion_tokens": 7}));
    assert_eq!(calls[1].json()["max_completion_tokens"], 8);
    assert_eq!(other.call().json(), json!({"model": "m", "messages": [], "max_tokens": 7}));
    app.finish().await;
}

#[tokio::test]
async fn a_whole_answer_is_the_providers_but_for_its_cost_and_the_name_in_messages() {
    let openai = Upstream::start([Answer::json(200, &format!(" {CHAT_ANSWER}\n"))]).await;
    let anthropic = Upstream::start([Answer::json(200, MESSAGE_ANSWER)]).await;
    let app = App::start(&(provider("openai", &openai) + &provider("anthropic", &anthropic))).await;
    let chat = app.chat(CHAT).await;
    let reasoning = r#""completion_tokens_details":{"reasoning_tokens":2}"#;
    let with_cost = CHAT_ANSWER.replace(reasoning, &format!("{reasoning},\"cost\":{CHAT_COST}"));
    assert_eq!(chat.text(), format!(" {with_cost}\n"));
    let message = app.message(MESSAGE).await;
    let with_cost = MESSAGE_ANSWER
        .replace("\"output_tokens\":5", &format!("\"output_tokens\":5,\"cost\":{MESSAGE_COST}"))
        .replace("m-2025", "anthropic/m");
    assert_eq!(message.text(), with_cost);
    for reply in [chat, message] {
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(reply.header("cache-control"), "private, no-store");
        assert_eq!(reply.header("x-requesty-cache"), "hit");
    }
    app.finish().await;
}

/// What callers see of a stream of OpenAI's: no chunk says that it carries no usage.
fn shown(frames: &str) -> String {
    assert!(frames.contains(",\"usage\":null"));
    frames.replace(",\"usage\":null", "")
}

#[tokio::test]
async fn an_answer_without_a_price_is_the_providers_to_the_byte() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER), Answer::sse(&CHAT_FRAMES)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let asked = CHAT_STREAM.replace("true}", "true,\"stream_options\":{\"include_usage\":true}}");
    assert_eq!(app.chat(&CHAT.replace("openai/m", "openai/free")).await.text(), CHAT_ANSWER);
    let streamed = app.chat(&asked.replace("openai/m", "openai/free")).await;
    assert_eq!(streamed.text(), shown(&CHAT_FRAMES.concat()));
    app.finish().await;
}

#[tokio::test]
async fn a_stream_shows_usage_with_its_cost_to_who_asked_for_it() {
    let upstream = Upstream::start([Answer::sse(&CHAT_FRAMES)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let asked = CHAT_STREAM.replace("true}", "true,\"stream_options\":{\"include_usage\":true}}");
    let reply = app.chat(&asked).await;
    let with_cost = CHAT_FRAMES[4].replace("}}}\n\n", &format!("}},\"cost\":{CHAT_COST}}}}}\n\n"));
    let expected = shown(&[&CHAT_FRAMES[..4].concat(), &with_cost, CHAT_FRAMES[5]].concat());
    assert_eq!(reply.text(), expected);
    assert_eq!(reply.header("content-type"), "text/event-stream; charset=utf-8");
    app.finish_one().await;
}

#[tokio::test]
async fn a_stream_hides_usage_from_who_did_not_ask_for_it() {
    let upstream = Upstream::start([Answer::sse(&CHAT_FRAMES)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let reply = app.chat(CHAT_STREAM).await;
    assert_eq!(reply.text(), shown(&[&CHAT_FRAMES[..4].concat(), CHAT_FRAMES[5]].concat()));
    let record = app.finish_one().await;
    assert_eq!(record["cost"], CHAT_COST);
}

#[tokio::test]
async fn a_message_stream_is_the_providers_but_for_its_cost_and_name() {
    let upstream = Upstream::start([Answer::sse(&MESSAGE_FRAMES)]).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    let reply = app.message(MESSAGE_STREAM).await;
    let expected = MESSAGE_FRAMES.concat().replace(
        "\"usage\":{\"output_tokens\":5}",
        &format!("\"usage\":{{\"output_tokens\":5,\"cost\":{MESSAGE_COST}}}"),
    );
    assert_eq!(reply.text(), expected.replace("m-2025", "anthropic/m"));
    app.finish_one().await;
}

#[tokio::test]
async fn a_stream_is_the_same_however_its_bytes_are_cut() {
    let frames = CHAT_FRAMES.concat().replace("Hello", "H\u{e9}\u{1f600}\u{4f60}");
    let whole = Answer::stream().piece(frames.as_bytes()).end();
    let bytewise = |length: usize| {
        frames.as_bytes().chunks(length).fold(Answer::stream(), |answer, piece| answer.piece(piece)).end()
    };
    let upstream = Upstream::start([whole, bytewise(1), bytewise(2), bytewise(7)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let expected = app.chat(CHAT_STREAM).await;
    for _ in 0..3 {
        assert_eq!(app.chat(CHAT_STREAM).await.text(), expected.text());
    }
    app.finish().await;
}

#[tokio::test]
async fn comments_and_other_line_ends_pass_through() {
    let frames = [
        ": keep-alive\n\n",
        CHAT_FRAMES[1],
        ": again\r\n\r\n",
        "id: 7\r\ndata: {\"choices\":[]}\r\n\r\n",
        CHAT_FRAMES[3],
        CHAT_FRAMES[5],
    ];
    let upstream = Upstream::start([Answer::sse(&frames)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    assert_eq!(app.chat(CHAT_STREAM).await.text(), shown(&frames.concat()));
    app.finish_one().await;
}

#[tokio::test]
async fn headers_that_pace_a_caller_are_passed_back_and_others_are_not() {
    let headers = [
        ("content-type", "application/json"),
        ("x-ratelimit-remaining-requests", "17"),
        ("anthropic-ratelimit-tokens-remaining", "18"),
        ("set-cookie", "session=provider"),
        ("openai-organization", "acme"),
    ];
    let upstream = Upstream::start([Answer::whole(200, &headers, CHAT_ANSWER.as_bytes())]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let reply = app.chat(CHAT).await;
    assert_eq!(reply.header("x-ratelimit-remaining-requests"), "17");
    assert_eq!(reply.header("anthropic-ratelimit-tokens-remaining"), "18");
    assert_eq!((reply.header("set-cookie"), reply.header("openai-organization")), ("", ""));
    assert_eq!(reply.header("x-requesty-provider"), "openai");
    app.finish_one().await;
}
