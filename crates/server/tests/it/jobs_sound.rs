//! Transcripts that a provider makes after it has answered: the sound is brought, asked for, looked after. Bodies are as
//! <https://www.assemblyai.com/docs/api-reference/transcripts/submit> has them.

use crate::jobs::soon;
use crate::media::{cost, form, limit, post_form};
use crate::support::*;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

async fn app(upstream: &Upstream, more: &str) -> App {
    let model = "[[providers.models]]\nid = \"universal-2\"\nmode = \"transcription\"\nper_second_input = \"0.0001\"\n";
    let base = format!("http://{}", upstream.address);
    App::with(&format!("{more}{}{model}", provider_at("assemblyai", &base)), soon).await
}

fn uploaded() -> Answer {
    Answer::json(200, r#"{"upload_url":"https://cdn.assemblyai.com/upload/f756988d"}"#)
}

fn looked(status: &str) -> Answer {
    Answer::json(200, &json!({"id": "9ea68fd3", "status": status, "text": null}).to_string())
}

fn completed() -> Answer {
    let body = json!({
        "id": "9ea68fd3", "status": "completed", "language_code": "en_us", "text": "Yeah. It's worth.", "audio_duration": 26,
        "words": [
            {"text": "Yeah.", "start": 80, "end": 320, "confidence": 0.99, "speaker": null},
            {"text": "It's", "start": 400, "end": 800, "confidence": 0.9, "speaker": null},
            {"text": "worth.", "start": 800, "end": 1250, "confidence": 0.9, "speaker": null},
        ],
    });
    Answer::json(200, &body.to_string())
}

fn asked(fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let fields: Vec<(&str, &str)> =
        [("model", "assemblyai/universal-2")].into_iter().chain(fields.iter().copied()).collect();
    form(&fields, file)
}

async fn hear(app: &App, fields: &[(&str, &str)]) -> Reply {
    post_form(app, "/v1/audio/transcriptions", asked(fields, b"sound")).await
}

#[tokio::test]
async fn a_sound_is_brought_and_its_transcript_charged_by_the_second() {
    let upstream = Upstream::start([uploaded(), looked("queued"), looked("processing"), completed()]).await;
    let app = app(&upstream, "").await;
    // Longer than what is read at once.
    let file: Vec<u8> = (0..=255).cycle().take(400_000).collect();
    let body = asked(&[("language", "en"), ("prompt", "names")], &file);
    let reply = post_form(&app, "/v1/audio/transcriptions", body).await;
    let usage = json!({"type": "duration", "seconds": 26.0, "cost": 0.0026});
    let expected = json!({"text": "Yeah. It's worth.", "usage": usage});
    assert_eq!((reply.status, reply.json()), (200, expected), "{}", reply.text());
    assert_eq!(
        reply.header("x-signalbox-warnings"),
        "prompt (assemblyai): dropped: the provider has no such field"
    );
    let calls = upstream.calls();
    let lines: Vec<&str> = calls.iter().map(|call| call.line.trim_end_matches(" HTTP/1.1")).collect();
    let look = "GET /v2/transcript/9ea68fd3";
    assert_eq!(lines, ["POST /v2/upload", "POST /v2/transcript", look, look]);
    assert!(calls.iter().all(|call| call.header("authorization") == Some(PROVIDER_KEY)));
    assert!(calls[0].body == file && calls[0].header("content-type") == Some("application/octet-stream"));
    let url = "https://cdn.assemblyai.com/upload/f756988d";
    let submission = json!({"audio_url": url, "speech_models": ["universal-2"], "language_code": "en"});
    assert_eq!(calls[1].json(), submission);
    let record = app.finish_one().await;
    assert_eq!((cost(&record), &record["usage_source"]), ("0.0026", &json!("provider_final")));
    assert_eq!(record["response_id"], "9ea68fd3");
}

#[tokio::test]
async fn a_transcript_comes_in_the_form_that_was_asked_for() {
    let srt = "1\n00:00:00,080 --> 00:00:00,320\nYeah.\n\n2\n00:00:00,400 --> 00:00:01,250\nIt's worth.\n\n";
    for (format, expected) in [("text", "Yeah. It's worth.\n"), ("srt", srt)] {
        let upstream = Upstream::start([uploaded(), completed()]).await;
        let app = app(&upstream, "").await;
        let reply = hear(&app, &[("response_format", format)]).await;
        assert_eq!((reply.status, reply.text()), (200, expected));
        assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(cost(&app.finish_one().await), "0.0026");
    }
    let upstream = Upstream::start([uploaded(), completed()]).await;
    let app = app(&upstream, "").await;
    let fields = [("response_format", "verbose_json"), ("timestamp_granularities[]", "word")];
    let reply = hear(&app, &fields).await.json();
    assert_eq!((&reply["language"], &reply["duration"]), (&json!("en_us"), &json!(26.0)));
    assert_eq!(reply["words"][2], json!({"word": "worth.", "start": 0.8, "end": 1.25}));
    app.finish().await;
}

#[tokio::test]
async fn only_transcripts_that_were_made_or_may_be_are_charged() {
    let failed = json!({"id": "1", "status": "error", "error": "File does not appear to contain audio."});
    let refused = r#"{"error":"Invalid endpoint schema, please refer to documentation"}"#;
    for (answers, status, told, is_charged) in [
        (vec![Answer::json(401, r#"{"error":"Authentication error"}"#)], 502, "own credential", false),
        (vec![Answer::default().cut()], 502, "the connection failed before an answer", false),
        (vec![Answer::json(200, "{}")], 424, "upload_url", false),
        (vec![uploaded(), Answer::json(400, refused)], 400, "Invalid endpoint schema", false),
        (vec![uploaded(), Answer::json(429, r#"{"error":"slow down"}"#)], 429, "slow down", false),
        (
            vec![uploaded(), looked("queued"), Answer::json(200, &failed.to_string())],
            424,
            "contain audio",
            false,
        ),
        (vec![uploaded(), Answer::default().cut()], 502, "the connection failed before an answer", true),
        (
            vec![uploaded(), looked("queued"), Answer::json(404, r#"{"error":"not found"}"#)],
            404,
            "not found",
            true,
        ),
    ] {
        let upstream = Upstream::start(answers).await;
        let app = app(&upstream, "").await;
        let reply = hear(&app, &[]).await;
        let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(reply.status == status && message.contains(told), "{} {}", reply.status, reply.text());
        let record = app.finish_one().await;
        let source = if is_charged { "hold_assumed" } else { "none" };
        assert_eq!((cost(&record) != "0", &record["usage_source"]), (is_charged, &json!(source)), "{record}");
    }
}

/// Asks for a transcript and leaves once the provider was asked so often.
async fn leave(app: &App, upstream: &Upstream, times: usize) {
    let request = Request::post(format!("http://{}/v1/audio/transcriptions", app.address))
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "multipart/form-data; boundary=b0")
        .body(Full::new(asked(&[], b"sound").into()));
    tokio::select! {
        _ = app.open(request.unwrap()) => panic!("nobody answers"),
        () = upstream.called(times) => {}
    }
}

#[tokio::test]
async fn who_leaves_before_anything_is_billed_ends_it() {
    let upstream = Upstream::start([Answer::silence()]).await;
    let app = app(&upstream, "").await;
    leave(&app, &upstream, 1).await;
    assert_eq!(upstream.ended().await, Ended::Cancelled);
    let record = app.finish_one().await;
    assert_eq!((&record["outcome"], cost(&record)), (&json!("client_gone"), "0"));
}

#[tokio::test]
async fn who_leaves_later_is_charged_for_what_was_made() {
    let upstream =
        Upstream::start([uploaded(), Answer::default().gate().then(looked("queued")), completed()]).await;
    let app = app(&upstream, "").await;
    leave(&app, &upstream, 2).await;
    wait_until("the caller is missed", || app.gateway().abandoned.len() == 1).await;
    upstream.open_gate();
    app.settled().await;
    let record = app.finish_one().await;
    assert_eq!((&record["outcome"], cost(&record)), (&json!("client_gone"), "0.0026"));
}

#[tokio::test]
async fn what_cannot_be_paid_for_or_written_is_not_brought() {
    let upstream = Upstream::start([]).await;
    let app = app(&upstream, "").await;
    for (fields, param) in
        [([("stream", "true")], json!("stream")), ([("language", "e/n")], json!("language"))]
    {
        let reply = hear(&app, &fields).await;
        assert_eq!((reply.status, &reply.json()["error"]["param"]), (400, &param));
    }
    let body = json!({"model": "assemblyai/universal-2", "input": "Hi", "voice": "x"});
    let reply = app.post("/v1/audio/speech", body.to_string()).await;
    assert_eq!(reply.json()["error"]["code"], "wrong_endpoint");
    limit(&app, "0.0000001").await;
    let reply = hear(&app, &[]).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (412, &json!("spend_limit_exceeded")));
    assert!(app.finish().await.iter().all(|record: &Value| cost(record) == "0"));
}
