//! Names without an end, told by callers and by providers: no record has them, and nothing is lost over them.

use crate::support::*;
use bytes::Bytes;
use http_body_util::Full;
use serde_json::json;

/// More than a segment of the journal has room for.
const LONG: usize = 17 << 20;

#[tokio::test]
async fn an_option_longer_than_the_journal_leaves_a_proper_record_and_others_are_served() {
    let upstream = Upstream::always(Answer::json(200, CHAT_ANSWER), 2).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let options = json!({ "k".repeat(LONG): 1 });
    let body = json!({"model": "openai/m", "messages": [], "signalbox": options});
    let reply = app.chat(&body.to_string()).await;
    assert_eq!(reply.status, 200);
    assert!(reply.header("x-signalbox-warnings").len() <= 512);
    let record = app.recorded(1).await.remove(0);
    assert_eq!((record["outcome"].as_str(), record["cost"].as_str()), (Some("success"), Some(CHAT_COST)));
    let warning = record["warnings"][0].as_str().unwrap();
    assert!(warning.len() == 512 && warning.starts_with("signalbox.kk") && warning.ends_with('…'));
    assert_eq!(app.gateway().recorder.journal.stranded(), 0);
    assert_eq!(app.chat(CHAT).await.status, 200);
    app.finish().await;
}

#[tokio::test]
async fn options_beyond_counting_leave_as_many_warnings_as_a_record_has() {
    let upstream = Upstream::always(Answer::json(200, CHAT_ANSWER), 1).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let options: serde_json::Map<_, _> = (0..200).map(|n| (format!("o{n:03}"), json!(1))).collect();
    let body = json!({"model": "openai/m", "messages": [], "signalbox": options});
    assert_eq!(app.chat(&body.to_string()).await.status, 200);
    let record = app.finish_one().await;
    let warnings = record["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 64);
    assert_eq!(warnings[62], "signalbox.o062: unknown option, ignored");
    assert_eq!(warnings[63], "warnings: there were more, the rest is left out");
}

#[tokio::test]
async fn what_a_provider_names_without_an_end_is_cut_in_the_record_and_passed_on_whole() {
    let name = "n".repeat(100_000);
    let call = json!({"id": "a", "type": "function", "function": {"name": name, "arguments": "{}"}});
    let calls: Vec<_> = (0..300).map(|_| call.clone()).collect();
    let answer = json!({"id": name, "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": null, "tool_calls": calls},
            "finish_reason": name}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}});
    let upstream = Upstream::start([
        Answer::json(200, &answer.to_string()),
        Answer::json(400, &json!({"error": {"message": name, "type": name, "code": name}}).to_string()),
    ])
    .await;
    let app = App::start(&provider("openai", &upstream)).await;
    let reply = app.chat(CHAT).await;
    assert_eq!((reply.status, reply.json()["id"] == json!(name)), (200, true));
    assert_eq!(app.chat(CHAT).await.status, 400);
    let records = app.finish().await;
    let cut = format!("{}…", "n".repeat(509));
    let record = records.iter().find(|record| record["outcome"] == "success").unwrap();
    assert_eq!((&record["response_id"], &record["finish_reason"]), (&json!(cut), &json!(cut)));
    let tools = record["tool_calls"].as_array().unwrap();
    assert_eq!((tools.len(), &tools[0], &tools[255]), (256, &json!(cut), &json!("…")));
    assert!(records.iter().all(|record| record.to_string().len() < 256 * 1_024), "{}", records.len());
}

#[tokio::test]
async fn a_model_whose_name_is_longer_than_any_is_refused_wherever_it_is_named() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let model = |bytes: usize| format!("openai/{}", "m".repeat(bytes - 7));
    let (long, longest) = (model(513), model(512));
    let form = format!(
        "--b0\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n{long}\r\n--b0\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--b0--\r\n"
    );
    let json = |model: &str| json!({"model": model, "messages": [], "input": "a", "prompt": "a"}).to_string();
    let mut calls = vec![
        (format!("/v1beta/models/{long}:generateContent"), "{}".to_owned()),
        (format!("/model/{long}/converse"), "{}".to_owned()),
        ("/v1/audio/transcriptions".to_owned(), form),
    ];
    for path in ["chat/completions", "responses", "messages", "embeddings", "messages/count_tokens"] {
        calls.push((format!("/v1/{path}"), json(&long)));
    }
    let count = calls.len();
    for (path, body) in calls {
        let kind =
            if body.starts_with("--") { "multipart/form-data; boundary=b0" } else { "application/json" };
        let mut request = app.request("POST", &path).body(Full::new(Bytes::from(body))).unwrap();
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        let reply = app.send(request).await;
        assert_eq!(reply.status, 400, "{path}: {}", reply.text());
        assert!(reply.text().contains("longer than 512 bytes"), "{path}: {}", reply.text());
    }
    let reply = app.chat(&json(&model(10 << 20))).await;
    assert_openai_error(&reply, 400, "invalid_request");
    assert_eq!(reply.json()["error"]["param"], "model");
    assert_openai_error(&app.chat(&json(&longest)).await, 404, "model_not_found");
    let records = app.finish().await;
    let refused = records.iter().filter(|record| record["error_code"] == "invalid_request");
    assert_eq!(refused.clone().count(), count + 1);
    for record in refused {
        assert_eq!(record["model_requested"].as_str().unwrap_or_default(), "");
    }
}
