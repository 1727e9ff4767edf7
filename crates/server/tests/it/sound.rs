//! Speech and transcriptions at vendors with words of their own: what they are sent, what their callers get, what it costs.

use crate::media::{cost, form, limit, post_form};
use crate::support::*;
use domain::Money;
use serde_json::{Value, json};

/// A vendor with a model of each kind, priced in round figures.
fn config(kind: &str, base: &str, models: &[(&str, &str, &str)]) -> String {
    let model = |(id, mode, price): &(&str, &str, &str)| {
        format!("[[providers.models]]\nid = \"{id}\"\nmode = \"{mode}\"\n{price}\n")
    };
    let models: String = models.iter().map(model).collect();
    format!(
        "[[providers]]\nname = \"p\"\nkind = \"{kind}\"\nbase_url = \"{base}\"\napi_key = \"{PROVIDER_KEY}\"\n{models}"
    )
}

fn deepgram(upstream: &Upstream) -> String {
    let models = [
        ("nova-3", "transcription", "per_second_input = \"0.0001\""),
        ("aura-2", "speech", "per_1m_chars_input = \"30\""),
    ];
    config("deepgram", &format!("http://{}/v1", upstream.address), &models)
}

/// As <https://developers.deepgram.com/docs/pre-recorded-audio> has it, cut short.
fn transcript() -> Value {
    json!({
        "metadata": {"request_id": "a847f427", "duration": 25.5, "channels": 1},
        "results": {"channels": [{"alternatives": [{
            "transcript": "Yeah. It's worth.", "confidence": 0.99,
            "words": [
                {"word": "yeah", "start": 0.08, "end": 0.32, "confidence": 0.99, "punctuated_word": "Yeah."},
                {"word": "it's", "start": 0.4, "end": 0.8, "confidence": 0.9, "punctuated_word": "It's"},
                {"word": "worth", "start": 0.8, "end": 1.25, "confidence": 0.9, "punctuated_word": "worth."},
            ],
        }], "detected_language": "en"}]},
    })
}

#[tokio::test]
async fn deepgram_hears_the_bare_file_and_is_charged_by_the_second() {
    let upstream = Upstream::start([Answer::json(200, &transcript().to_string())]).await;
    let app = App::start(&deepgram(&upstream)).await;
    // Longer than what is read at once.
    let file: Vec<u8> = (0..=255).cycle().take(400_000).collect();
    let body = form(&[("model", "p/nova-3"), ("language", "en"), ("prompt", "names")], &file);
    let reply = post_form(&app, "/v1/audio/transcriptions", body).await;
    let expected =
        json!({"text": "Yeah. It's worth.", "usage": {"type": "duration", "seconds": 25.5, "cost": 0.00255}});
    assert_eq!((reply.status, reply.json()), (200, expected), "{}", reply.text());
    assert_eq!(
        reply.header("x-signalbox-warnings"),
        "prompt (deepgram): dropped: the provider has no such field"
    );
    let call = upstream.call();
    assert_eq!(call.path(), "/v1/listen?model=nova-3&smart_format=true&language=en");
    assert_eq!(call.header("authorization"), Some(format!("Token {PROVIDER_KEY}").as_str()));
    assert_eq!(call.header("content-type"), Some("audio/mpeg"));
    assert_eq!(call.body, file);
    let record = app.finish_one().await;
    assert_eq!((cost(&record), &record["usage_source"]), ("0.00255", &json!("provider_final")));
    assert_eq!(record["response_id"], "a847f427");
}

#[tokio::test]
async fn a_transcript_comes_in_the_form_that_was_asked_for() {
    let whole = || Answer::json(200, &transcript().to_string());
    let upstream = Upstream::start([whole(), whole(), whole(), whole()]).await;
    let app = App::start(&deepgram(&upstream)).await;
    let srt = "1\n00:00:00,080 --> 00:00:00,320\nYeah.\n\n2\n00:00:00,400 --> 00:00:01,250\nIt's worth.\n\n";
    let vtt =
        "WEBVTT\n\n00:00:00.080 --> 00:00:00.320\nYeah.\n\n00:00:00.400 --> 00:00:01.250\nIt's worth.\n\n";
    for (format, expected) in [("text", "Yeah. It's worth.\n"), ("srt", srt), ("vtt", vtt)] {
        let body = form(&[("model", "p/nova-3"), ("response_format", format)], b"sound");
        let reply = post_form(&app, "/v1/audio/transcriptions", body).await;
        let kind = "text/plain; charset=utf-8";
        assert_eq!((reply.status, reply.text(), reply.header("content-type")), (200, expected, kind));
    }
    let fields =
        [("model", "p/nova-3"), ("response_format", "verbose_json"), ("timestamp_granularities[]", "word")];
    let reply = post_form(&app, "/v1/audio/transcriptions", form(&fields, b"sound")).await.json();
    assert_eq!((&reply["language"], &reply["duration"]), (&json!("en"), &json!(25.5)));
    assert_eq!(reply["words"][2], json!({"word": "worth.", "start": 0.8, "end": 1.25}));
    assert_eq!(reply["segments"], Value::Null);
    // Whatever its form, the length is known.
    for record in app.finish().await {
        assert_eq!((cost(&record), &record["usage_source"]), ("0.00255", &json!("provider_final")));
    }
}

#[tokio::test]
async fn what_a_vendor_refuses_or_garbles_is_told_in_the_callers_protocol() {
    let corrupt = r#"{"err_code":"Bad Request","err_msg":"failed to process audio: corrupt or unsupported data","request_id":"x"}"#;
    let key = r#"{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials.","request_id":"x"}"#;
    let upstream = Upstream::start([
        Answer::json(400, corrupt),
        Answer::json(401, key),
        Answer::json(200, "{\"results\":{}}"),
        Answer::whole(200, &[("content-type", "text/html")], b"<html>"),
    ])
    .await;
    let app = App::start(&deepgram(&upstream)).await;
    let mut told = Vec::new();
    for _ in 0..4 {
        let body = form(&[("model", "p/nova-3")], b"sound");
        let reply = post_form(&app, "/v1/audio/transcriptions", body).await;
        told.push((reply.status, reply.json()["error"]["message"].as_str().unwrap().to_owned()));
    }
    assert_eq!(told[0], (400, "failed to process audio: corrupt or unsupported data".to_owned()));
    assert!(told[1].0 >= 400 && told[1].1.contains("refused the gateway's own credential"), "{told:?}");
    assert!(told[2].0 == 424 && told[3].0 == 424, "{told:?}");
    // Who answers with a success has worked, and bills: about the length of the file.
    let billed = |record: &Value| cost(record).parse::<Money>().unwrap() > Money::ZERO;
    assert_eq!(app.finish().await.iter().filter(|record| billed(record)).count(), 2);
}

#[tokio::test]
async fn what_cannot_be_asked_or_paid_for_never_leaves() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&deepgram(&upstream)).await;
    let strict = ("signalbox", r#"{"strict":true}"#);
    for (fields, code, param) in [
        (vec![("stream", "true")], "invalid_request", json!("stream")),
        (vec![("response_format", "diarized_json")], "invalid_request", json!("response_format")),
        (vec![("language", "multi")], "invalid_request", json!("language")),
        (vec![("prompt", "names"), strict], "translation_loss", Value::Null),
    ] {
        let fields: Vec<(&str, &str)> = [("model", "p/nova-3")].into_iter().chain(fields).collect();
        let reply = post_form(&app, "/v1/audio/transcriptions", form(&fields, b"sound")).await;
        let error = &reply.json()["error"];
        assert_eq!(
            (reply.status, &error["code"], &error["param"]),
            (400, &json!(code), &param),
            "{fields:?}"
        );
    }
    for (body, param) in [
        (json!({"model": "p/aura-2", "input": "Hi", "voice": "alloy"}), "voice"),
        (json!({"model": "p/aura-2", "voice": "aura-2-thalia-en"}), "input"),
        (
            json!({"model": "p/aura-2", "input": "Hi", "voice": "aura-2-thalia-en", "stream_format": "sse"}),
            "stream_format",
        ),
    ] {
        let reply = app.post("/v1/audio/speech", body.to_string()).await;
        assert_eq!((reply.status, &reply.json()["error"]["param"]), (400, &json!(param)), "{}", reply.text());
    }
    // A second for every 500 bytes at the most.
    limit(&app, "0.04").await;
    let body = form(&[("model", "p/nova-3")], &[0; 250_000]);
    let reply = post_form(&app, "/v1/audio/transcriptions", body).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (412, &json!("spend_limit_exceeded")));
    assert!(upstream.calls().is_empty());
    app.finish().await;
}

#[tokio::test]
async fn deepgram_speaks_and_tells_its_letters() {
    let sound: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let heads = [("content-type", "audio/wav"), ("dg-char-count", "7")];
    let upstream = Upstream::start([
        Answer::whole(200, &heads, &sound),
        Answer::whole(200, &[("content-type", "audio/mpeg")], b"x"),
        Answer::json(200, "{\"request_id\":\"x\"}"),
    ])
    .await;
    let app = App::start(&deepgram(&upstream)).await;
    let body = r#"{"model":"p/aura-2","input":"Grüezi","voice":"aura-2-thalia-en","response_format":"wav","speed":4}"#;
    let reply = app.post("/v1/audio/speech", body).await;
    assert_eq!((reply.status, reply.header("content-type"), &reply.body[..]), (200, "audio/wav", &sound[..]));
    assert_eq!(
        reply.header("x-signalbox-warnings"),
        "speed (deepgram): 4 became 1.5: the provider takes 0.7 to 1.5"
    );
    let call = upstream.call();
    assert_eq!(call.path(), "/v1/speak?model=aura-2-thalia-en&encoding=linear16&container=wav&speed=1.5");
    assert_eq!(
        (call.json(), call.header("content-type")),
        (json!({"text": "Grüezi"}), Some("application/json"))
    );
    let body = r#"{"model":"p/aura-2","input":"Grüezi","voice":"aura-2-thalia-en"}"#;
    assert_eq!(app.post("/v1/audio/speech", body).await.status, 200);
    let none = app.post("/v1/audio/speech", body).await;
    assert_eq!((none.status, &none.json()["error"]["code"]), (424, &json!("invalid_provider_response")));
    let mut told: Vec<(String, String)> = Vec::new();
    for record in app.finish().await {
        told.push((cost(&record).to_owned(), record["usage_source"].as_str().unwrap().to_owned()));
    }
    told.sort();
    // Where the letters are not told they are counted.
    let of = |cost: &str, source: &str| (cost.to_owned(), source.to_owned());
    let expected = [of("0.00018", "estimate"), of("0.00018", "estimate"), of("0.00021", "provider_final")];
    assert_eq!(told, expected);
}

fn elevenlabs(upstream: &Upstream) -> String {
    let models = [
        ("scribe_v2", "transcription", "per_second_input = \"0.0001\""),
        ("eleven_v3", "speech", "per_1m_chars_input = \"80\""),
    ];
    config("elevenlabs", &format!("http://{}", upstream.address), &models)
}

#[tokio::test]
async fn elevenlabs_speaks_with_its_own_voices() {
    let refused =
        r#"{"detail":{"status":"voice_not_found","message":"A voice with that id was not found."}}"#;
    let upstream = Upstream::start([
        Answer::whole(200, &[("content-type", "audio/mpeg")], b"\x00\x01"),
        Answer::json(400, refused),
    ])
    .await;
    let app = App::start(&elevenlabs(&upstream)).await;
    let body =
        r#"{"model":"p/eleven_v3","input":"Grüezi","voice":"JBFqnCBsd6RMkjVDRZzb","instructions":"gently"}"#;
    let reply = app.post("/v1/audio/speech", body).await;
    assert_eq!((reply.status, &reply.body[..]), (200, &b"\x00\x01"[..]));
    assert_eq!(
        reply.header("x-signalbox-warnings"),
        "instructions (elevenlabs): dropped: the provider is not told how to speak"
    );
    let call = upstream.call();
    assert_eq!(call.path(), "/v1/text-to-speech/JBFqnCBsd6RMkjVDRZzb?output_format=mp3_44100_128");
    assert_eq!((call.header("xi-api-key"), call.header("authorization")), (Some(PROVIDER_KEY), None));
    assert_eq!(call.json(), json!({"text": "Grüezi", "model_id": "eleven_v3"}));
    let reply = app.post("/v1/audio/speech", body).await;
    let error = &reply.json()["error"];
    assert_eq!((reply.status, &error["message"]), (400, &json!("A voice with that id was not found.")));
    let alloy = body.replace("JBFqnCBsd6RMkjVDRZzb", "alloy");
    let reply = app.post("/v1/audio/speech", alloy).await;
    assert_eq!((reply.status, &reply.json()["error"]["param"]), (400, &json!("voice")));
    let mut costs: Vec<Value> = app.finish().await.iter().map(|record| record["cost"].clone()).collect();
    costs.sort_by_key(Value::to_string);
    assert_eq!(costs, ["0", "0", "0.00048"]);
}

#[tokio::test]
async fn elevenlabs_hears_a_form_and_tells_the_length_or_it_is_estimated() {
    let words = json!([
        {"text": "Hi", "start": 0.1, "end": 0.4, "type": "word"}, {"text": " ", "start": 0.4, "end": 0.4, "type": "spacing"},
        {"text": "there.", "start": 0.4, "end": 0.9, "type": "word"},
    ]);
    let told =
        json!({"language_code": "eng", "text": "Hi there.", "words": words, "audio_duration_secs": 30.0});
    let silent = json!({"language_code": "eng", "text": "Hi there.", "words": words});
    let upstream =
        Upstream::start([Answer::json(200, &told.to_string()), Answer::json(200, &silent.to_string())]).await;
    let app = App::start(&elevenlabs(&upstream)).await;
    let fields = [("model", "p/scribe_v2"), ("response_format", "verbose_json"), ("language", "en")];
    let reply = post_form(&app, "/v1/audio/transcriptions", form(&fields, b"sound")).await;
    let segment = json!({"id": 0, "start": 0.1, "end": 0.9, "text": "Hi there."});
    assert_eq!((reply.status, &reply.json()["segments"]), (200, &json!([segment])), "{}", reply.text());
    assert_eq!(reply.json()["usage"], json!({"type": "duration", "seconds": 30.0, "cost": 0.003}));
    let call = upstream.call();
    let kind = call.header("content-type").unwrap();
    let sent = llm::form::Form::parse(call.body.clone().into(), llm::form::boundary(kind).unwrap()).unwrap();
    assert_eq!((sent.text("model_id"), sent.text("language_code")), (Some("scribe_v2"), Some("en")));
    assert_eq!(&sent.file("file").unwrap().0[..], b"sound");
    let reply =
        post_form(&app, "/v1/audio/transcriptions", form(&[("model", "p/scribe_v2")], b"sound")).await;
    assert_eq!(reply.header("x-signalbox-warnings"), "usage: estimated, the provider tells no length");
    let mut sources: Vec<Value> =
        app.finish().await.iter().map(|record| record["usage_source"].clone()).collect();
    sources.sort_by_key(Value::to_string);
    assert_eq!(sources, ["estimate", "provider_final"]);
}
