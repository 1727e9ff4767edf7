//! Caller and provider speak different protocols. The details of translation are tested in `llm`; here, that
//! it takes place, is metered and warned about.

use crate::support::*;
use serde_json::{Value, json};

#[tokio::test]
async fn a_chat_is_answered_by_an_anthropic_provider() {
    let upstream = Upstream::start([Answer::json(200, MESSAGE_ANSWER)]).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    let body = r#"{"model":"anthropic/m","messages":[{"role":"system","content":"be brief"},{"role":"user","content":"hi"}]}"#;
    let reply = app.chat(body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let (sent, answer) = (upstream.call(), reply.json());
    assert_eq!(sent.line, "POST /v1/messages HTTP/1.1");
    assert_eq!(
        (sent.header("x-api-key"), sent.header("anthropic-version")),
        (Some(PROVIDER_KEY), Some("2023-06-01"))
    );
    // The catalogue's limit stands in for the one that Anthropic demands.
    assert_eq!((&sent.json()["model"], &sent.json()["max_tokens"]), (&json!("m"), &json!(100)));
    assert!(sent.text().contains("be brief"));
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["choices"][0]["message"]["content"], "Hello world");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert_eq!(
        (&answer["usage"]["prompt_tokens"], &answer["usage"]["completion_tokens"]),
        (&json!(16), &json!(5))
    );
    assert_eq!(answer["usage"]["cost"], json!(0.0000229));
    let record = app.finish_one().await;
    assert_eq!(
        (record["cost"].as_str(), record["usage_source"].as_str()),
        (Some(MESSAGE_COST), Some("provider_final"))
    );
    assert_eq!(
        (record["response_id"].as_str(), record["operation"].as_str()),
        (Some("msg_1"), Some("chat_completions"))
    );
}

#[tokio::test]
async fn a_message_is_answered_by_an_openai_provider() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let reply = app.message(&MESSAGE.replace("anthropic/m", "openai/m")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let (sent, answer) = (upstream.call(), reply.json());
    assert_eq!(sent.line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!((&sent.json()["model"], &sent.json()["max_completion_tokens"]), (&json!("m"), &json!(50)));
    assert_eq!((&answer["type"], &answer["role"]), (&json!("message"), &json!("assistant")));
    assert_eq!(answer["content"][0]["text"], "Hello world");
    assert_eq!((&answer["stop_reason"], &answer["usage"]["output_tokens"]), (&json!("end_turn"), &json!(5)));
    assert_eq!(app.finish_one().await["cost"], CHAT_COST);
}

#[tokio::test]
async fn a_chat_stream_is_made_of_an_anthropic_stream() {
    let upstream = Upstream::always(Answer::sse(&MESSAGE_FRAMES), 2).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    let body = CHAT_STREAM.replace("openai/m", "anthropic/m");
    let plain = app.chat(&body).await;
    let chunks: Vec<&str> = plain.events();
    assert_eq!(*chunks.last().unwrap(), "[DONE]");
    let chunks: Vec<Value> =
        chunks[..chunks.len() - 1].iter().map(|data| serde_json::from_str(data).unwrap()).collect();
    let text: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "Hello world");
    assert!(chunks.iter().any(|chunk| chunk["choices"][0]["finish_reason"] == "stop"));
    assert!(!plain.text().contains("prompt_tokens"), "usage was not asked for: {}", plain.text());
    let asked = app.chat(&body.replace("true}", "true,\"stream_options\":{\"include_usage\":true}}")).await;
    let usage =
        asked.events().into_iter().rev().find(|data| data.contains("prompt_tokens")).unwrap().to_owned();
    let usage: Value = serde_json::from_str(&usage).unwrap();
    assert_eq!((&usage["usage"]["prompt_tokens"], &usage["usage"]["cost"]), (&json!(16), &json!(0.0000229)));
    for record in app.finish().await {
        assert_eq!(
            (record["cost"].as_str(), record["outcome"].as_str()),
            (Some(MESSAGE_COST), Some("success"))
        );
        assert!(record["first_token_ms"].as_f64() > Some(0.0));
    }
}

#[tokio::test]
async fn a_message_stream_is_made_of_an_openai_stream() {
    let upstream = Upstream::start([Answer::sse(&CHAT_FRAMES)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let reply = app.message(&MESSAGE_STREAM.replace("anthropic/m", "openai/m")).await;
    assert_eq!(upstream.call().json()["stream_options"]["include_usage"], true);
    let events: Vec<Value> = reply.events().iter().map(|data| serde_json::from_str(data).unwrap()).collect();
    assert_eq!(events[0]["type"], "message_start");
    let text: String = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
    assert_eq!(text, "Hello world");
    let last = events.iter().find(|event| event["type"] == "message_delta").unwrap();
    assert_eq!(
        (&last["delta"]["stop_reason"], &last["usage"]["output_tokens"]),
        (&json!("end_turn"), &json!(5))
    );
    assert_eq!(last["usage"]["cost"], json!(0.0000164));
    assert_eq!(events.last().unwrap()["type"], "message_stop");
    let record = app.finish_one().await;
    assert_eq!((record["cost"].as_str(), record["outcome"].as_str()), (Some(CHAT_COST), Some("success")));
}

#[tokio::test]
async fn what_cannot_be_carried_is_warned_about() {
    let upstream = Upstream::start([Answer::json(200, MESSAGE_ANSWER)]).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    let body = r#"{"model":"anthropic/m","seed":7,"logit_bias":{"1":2},"messages":[{"role":"user","content":"hi"}]}"#;
    let reply = app.chat(body).await;
    assert!(reply.header("x-signalbox-warnings").contains("seed"), "{:?}", reply.headers);
    let warnings = app.finish_one().await["warnings"].to_string();
    assert!(warnings.contains("seed") && warnings.contains("logit_bias"), "{warnings}");
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_before_anyone_is_asked() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    let reply = app.chat(r#"{"model":"anthropic/m","messages":[{"role":"user","content":7}]}"#).await;
    assert_eq!((reply.status, reply.json()["error"]["code"].as_str()), (400, Some("invalid_request")));
    assert!(
        reply.json()["error"]["param"].as_str().is_some_and(|param| param.starts_with("messages")),
        "{}",
        reply.text()
    );
    app.finish_one().await;
}

#[tokio::test]
async fn a_translated_stream_that_breaks_is_told_in_the_callers_protocol() {
    let anthropic = Upstream::start([Answer::stream().frames(&MESSAGE_FRAMES[..5]).end()]).await;
    let openai = Upstream::start([Answer::stream().frames(&CHAT_FRAMES[..3]).end()]).await;
    let app = App::start(&(provider("anthropic", &anthropic) + &provider("openai", &openai))).await;
    let chat = app.chat(&CHAT_STREAM.replace("openai/m", "anthropic/m")).await;
    let message = app.message(&MESSAGE_STREAM.replace("anthropic/m", "openai/m")).await;
    for reply in [&chat, &message] {
        assert!(
            reply.text().contains("world") && reply.events().last().unwrap().contains("\"error\""),
            "{}",
            reply.text()
        );
        assert!(!reply.text().contains("[DONE]") && !reply.text().contains("message_stop"));
    }
    assert!(chat.events().last().unwrap().contains("broken_provider_stream"));
    assert!(message.text().contains("event: error\n"));
    for record in app.finish().await {
        assert_eq!(
            (record["outcome"].as_str(), record["error_code"].as_str()),
            (Some("provider_error"), Some("broken_provider_stream"))
        );
        assert!(record["output_tokens"].as_i64() > Some(0));
    }
}

#[tokio::test]
async fn a_providers_error_is_told_in_the_callers_protocol() {
    let refusal =
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: too many"}}"#;
    let upstream = Upstream::start([Answer::json(400, refusal)]).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    let reply = app.chat(&CHAT.replace("openai/m", "anthropic/m")).await;
    assert_eq!(
        (reply.status, reply.json()["error"]["message"].as_str()),
        (400, Some("max_tokens: too many"))
    );
    assert_eq!(reply.json()["error"]["origin"], "provider");
    app.finish_one().await;
}

#[tokio::test]
async fn usage_that_comes_in_one_piece_with_a_failure_is_kept() {
    let begin = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}\n\n";
    let text = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\n";
    let end = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":40}}\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"it broke\"}}\n\n";
    let answer = Answer::stream().frames(&[begin, text]).piece(end.as_bytes()).end();
    let upstream = Upstream::start([answer]).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    let body = r#"{"model":"anthropic/m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let reply = app.chat(body).await;
    assert!(reply.text().contains("it broke") && !reply.text().contains("[DONE]"), "{}", reply.text());
    let record = app.finish_one().await;
    assert_eq!((record["input_tokens"].as_i64(), record["output_tokens"].as_i64()), (Some(7), Some(40)));
    assert_eq!(record["usage_source"], "provider_partial");
}

#[tokio::test]
async fn a_strict_caller_is_refused_where_something_would_be_lost() {
    let upstream = Upstream::start([Answer::json(200, MESSAGE_ANSWER)]).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    let ask = |extra: &str| {
        format!(
            r#"{{"model":"anthropic/m","messages":[{{"role":"user","content":"hi"}}],"signalbox":{{"strict":true}}{extra}}}"#
        )
    };
    let reply = app.chat(&ask(r#","seed":1,"frequency_penalty":0.5"#)).await;
    let error = reply.json()["error"].clone();
    assert_eq!((reply.status, &error["code"]), (400, &json!("translation_loss")));
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("seed (anthropic_messages)") && message.contains("frequency_penalty"),
        "{message}"
    );
    assert_eq!(app.gateway().recorder.budgets.held(), domain::Money::ZERO);
    let reply = app.chat(&ask("")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(upstream.call().json()["signalbox"], Value::Null);
    let outcomes: Vec<Value> = app.finish().await.iter().map(|record| record["outcome"].clone()).collect();
    assert!(outcomes.contains(&json!("refused")) && outcomes.contains(&json!("success")), "{outcomes:?}");
}

#[tokio::test]
async fn a_search_goes_to_the_route_where_the_model_searches() {
    let answer = json!({
        "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-5",
        "output": [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "News.", "annotations": []}]}],
        "usage": {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12},
    });
    let upstream = Upstream::always(Answer::json(200, &answer.to_string()), 2).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let search = json!([{"type": "web_search"}]);
    let chat =
        json!({"model": "openai/m", "messages": [{"role": "user", "content": "News?"}], "tools": search});
    let reply = app.chat(&chat.to_string()).await;
    assert_eq!(reply.json()["choices"][0]["message"]["content"], "News.", "{}", reply.text());
    let search = json!([{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}]);
    let message = json!({"model": "openai/m", "max_tokens": 50, "tools": search,
        "messages": [{"role": "user", "content": "News?"}]});
    let reply = app.message(&message.to_string()).await;
    assert_eq!(reply.json()["content"][0]["text"], "News.", "{}", reply.text());
    for call in upstream.calls() {
        assert!(call.path().ends_with("/responses"), "{}", call.path());
        assert_eq!(call.json()["tools"][0]["type"], "web_search");
    }
    drop(app.finish().await);
    // A function that somebody calls so is none, and nothing is searched where nobody can.
    let upstream = Upstream::always(Answer::json(200, CHAT_ANSWER), 2).await;
    let app = App::start(&format!("{}{}", provider("openai", &upstream), provider("groq", &upstream))).await;
    let function = json!([{"name": "web_search", "input_schema": {"type": "object"}}]);
    let mut message = message;
    message["tools"] = function;
    assert_eq!(app.message(&message.to_string()).await.status, 200);
    assert!(upstream.calls()[0].path().ends_with("/chat/completions"));
    message["model"] = json!("groq/m");
    message["tools"] = json!([{"type": "web_search_20250305", "name": "web_search"}]);
    let reply = app.message(&message.to_string()).await;
    assert!(reply.header("x-signalbox-warnings").contains("web_search"), "{}", reply.text());
    assert!(upstream.calls()[1].json().get("web_search_options").is_none());
    message["signalbox"] = json!({"strict": true});
    assert_anthropic_error(&app.message(&message.to_string()).await, 400, "invalid_request_error");
    drop(app.finish().await);
}
