//! Streams that break: a broken stream never looks complete, and what came before is metered.

use crate::support::*;
use serde_json::Value;
use std::time::Duration;

/// Sends a streamed request in the provider's own protocol.
async fn stream(app: &App, kind: &str) -> Reply {
    if kind == "openai" { app.chat(CHAT_STREAM).await } else { app.message(MESSAGE_STREAM).await }
}

/// The first events of an answer: up to its second piece of text, without the provider's end.
fn beginning(kind: &str) -> &'static [&'static str] {
    if kind == "openai" { &CHAT_FRAMES[..3] } else { &MESSAGE_FRAMES[..5] }
}

/// That the caller saw the beginning, then its protocol's error event, then nothing.
fn assert_told(kind: &str, reply: &Reply, code: &str) {
    assert_eq!(reply.status, 200);
    assert!(!reply.is_cut, "the event tells of the failure, HTTP need not");
    let text = reply.text();
    // Callers of Messages are told the model as they named it.
    let expected = match kind {
        // Nobody asked for usage, so nobody is told that there is none.
        "openai" => beginning(kind).concat().replace(",\"usage\":null", ""),
        _ => beginning(kind).concat().replace("m-2025", "anthropic/m"),
    };
    let rest = text.strip_prefix(&expected).unwrap_or_else(|| panic!("{text}"));
    let events: Vec<&str> = rest.split_terminator("\n\n").collect();
    let [event] = events[..] else { panic!("one last event was expected: {rest}") };
    let data = match kind {
        "openai" => event.strip_prefix("data: ").unwrap(),
        _ => event.strip_prefix("event: error\ndata: ").unwrap(),
    };
    let error: Value = serde_json::from_str(data).unwrap();
    if kind == "openai" {
        assert_eq!(error["error"]["code"], code, "{error}");
    } else {
        assert_eq!(error["type"], "error");
    }
    assert!(error["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
    assert!(!text.contains("[DONE]") && !text.contains("message_stop"), "{text}");
}

fn assert_metered(record: &Value, outcome: &str, code: &str) {
    assert_eq!(
        (record["outcome"].as_str(), record["error_code"].as_str()),
        (Some(outcome), Some(code)),
        "{record}"
    );
    assert_eq!(record["status"], 200);
    assert!(record["output_tokens"].as_i64() > Some(0), "{record}");
    assert!(record["input_tokens"].as_i64() > Some(0), "{record}");
    let source = record["usage_source"].as_str().unwrap();
    assert!(["estimate", "provider_partial"].contains(&source), "{record}");
    assert_ne!(record["cost"], "0");
    assert!(record["first_token_ms"].as_f64() > Some(0.0));
    assert_eq!(record["attempts"][0]["outcome"], outcome);
}

async fn check(after: impl Fn(Answer) -> Answer, outcome: &str, code: &str) {
    for kind in ["openai", "anthropic"] {
        let answer = after(Answer::stream().frames(beginning(kind)));
        let upstream = Upstream::start([answer]).await;
        let app =
            App::with(&provider(kind, &upstream), |limits| limits.idle = Duration::from_millis(150)).await;
        let reply = stream(&app, kind).await;
        assert_told(kind, &reply, code);
        upstream.ended().await;
        assert_metered(&app.finish_one().await, outcome, code);
    }
}

#[tokio::test]
async fn a_connection_that_is_reset_is_told() {
    // The gate lets the caller have the beginning before the reset throws it away.
    for kind in ["openai", "anthropic"] {
        let upstream = Upstream::start([Answer::stream().frames(beginning(kind)).gate().cut()]).await;
        let app = App::start(&provider(kind, &upstream)).await;
        let (path, body) = match kind {
            "openai" => ("/v1/chat/completions", CHAT_STREAM),
            _ => ("/v1/messages", MESSAGE_STREAM),
        };
        let mut reply = app.post_open(path, body).await;
        reply.read_events(beginning(kind).len()).await;
        upstream.open_gate();
        assert_told(kind, &reply.whole().await, "broken_provider_stream");
        assert_metered(&app.finish_one().await, "provider_error", "broken_provider_stream");
    }
}

#[tokio::test]
async fn a_connection_that_closes_within_a_chunked_body_is_told() {
    check(Answer::close, "provider_error", "broken_provider_stream").await;
}

#[tokio::test]
async fn a_clean_end_before_the_protocols_own_is_told() {
    check(Answer::end, "provider_error", "broken_provider_stream").await;
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_told() {
    check(Answer::hang, "timeout", "provider_timeout").await;
}

#[tokio::test]
async fn an_event_without_an_end_is_told() {
    // Nine mebibytes without a blank line.
    let long = [b"data: ".to_vec(), vec![b'x'; 9 << 20]].concat();
    check(|answer| answer.piece(&long).hang(), "provider_error", "broken_provider_stream").await;
}

#[tokio::test]
async fn an_error_event_of_the_provider_is_passed_on() {
    for (kind, frame) in [
        (
            "openai",
            "data: {\"error\":{\"message\":\"it broke\",\"type\":\"server_error\",\"code\":\"its_code\"}}\n\n",
        ),
        (
            "anthropic",
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"it broke\"}}\n\n",
        ),
    ] {
        let answer = Answer::stream().frames(beginning(kind)).gate().frames(&[frame]).end();
        let upstream = Upstream::start([answer]).await;
        upstream.open_gate();
        let app = App::start(&provider(kind, &upstream)).await;
        let reply = stream(&app, kind).await;
        assert_told(kind, &reply, "its_code");
        assert!(reply.text().contains("it broke"));
        if kind == "anthropic" {
            assert!(reply.text().contains("overloaded_error"), "{}", reply.text());
        }
        assert_metered(&app.finish_one().await, "provider_error", "broken_provider_stream");
    }
}

#[tokio::test]
async fn garbage_in_place_of_an_end_is_no_end() {
    for kind in ["openai", "anthropic"] {
        let garbage = Answer::stream()
            .frames(beginning(kind))
            .frames(&["data: {not json\n\n", "\u{0}\u{1}<html>"])
            .end();
        let upstream = Upstream::start([garbage]).await;
        let app = App::start(&provider(kind, &upstream)).await;
        let reply = stream(&app, kind).await;
        let last = reply.text().trim_end().rsplit("\n\n").next().unwrap();
        assert!(last.contains("\"error\""), "{}", reply.text());
        assert!(!reply.text().contains("[DONE]") && !reply.text().contains("message_stop"));
        assert_metered(&app.finish_one().await, "provider_error", "broken_provider_stream");
    }
}

#[tokio::test]
async fn a_stream_that_ends_before_it_begins_is_a_bad_gateway() {
    for answer in [Answer::stream().end(), Answer::stream().close(), Answer::stream().cut()] {
        let upstream = Upstream::start([answer]).await;
        let app = App::start(&provider("openai", &upstream)).await;
        let reply = app.chat(CHAT_STREAM).await;
        assert_eq!(
            (reply.status, reply.json()["error"]["code"].as_str()),
            (502, Some("broken_provider_stream"))
        );
        assert_eq!(app.finish_one().await["outcome"], "provider_error");
    }
}

#[tokio::test]
async fn a_last_event_without_its_blank_line_still_counts() {
    let mut frames = CHAT_FRAMES;
    frames[5] = "data: [DONE]\n";
    let upstream = Upstream::start([Answer::sse(&frames)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let reply = app.chat(CHAT_STREAM).await;
    assert!(reply.text().trim_end().ends_with("\n\ndata: [DONE]"), "{}", reply.text());
    assert_eq!(app.finish_one().await["outcome"], "success");
}

#[tokio::test]
async fn a_stream_that_never_ends_is_ended() {
    let drip = (0..400).fold(Answer::stream().frames(beginning("openai")), |answer, _| {
        answer.frames(&[CHAT_FRAMES[1]]).gate()
    });
    let upstream = Upstream::start([drip]).await;
    let app = App::with(&provider("openai", &upstream), |limits| {
        limits.total = Duration::from_millis(200);
        limits.idle = Duration::from_secs(60);
    })
    .await;
    let reply = app.chat(CHAT_STREAM);
    let dripping = async {
        loop {
            upstream.open_gate();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let reply = tokio::select! { reply = reply => reply, () = dripping => unreachable!() };
    assert!(reply.text().contains("provider_timeout"), "{}", reply.text());
    assert_eq!(upstream.ended().await, Ended::Cancelled);
    assert_eq!(app.finish_one().await["outcome"], "timeout");
}

#[tokio::test]
async fn pings_do_not_count_as_silence() {
    let pings = (0..8).fold(Answer::stream().frames(beginning("anthropic")), |answer, _| {
        answer.gate().frames(&[": ping\n\n"])
    });
    let upstream = Upstream::start([pings.frames(&MESSAGE_FRAMES[5..]).end()]).await;
    let app =
        App::with(&provider("anthropic", &upstream), |limits| limits.idle = Duration::from_millis(200)).await;
    let pacing = async {
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(60)).await;
            upstream.open_gate();
        }
    };
    let (reply, ()) = tokio::join!(app.message(MESSAGE_STREAM), pacing);
    assert!(reply.text().contains("message_stop"), "{}", reply.text());
    assert_eq!(app.finish_one().await["outcome"], "success");
}
