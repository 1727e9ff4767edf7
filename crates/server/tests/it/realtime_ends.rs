//! How realtime sessions end: by their bounds, their keys, the process, and whoever leaves.

use crate::realtime::*;
use crate::support::*;
use domain::{Clock, SystemClock};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::protocol::Message;

#[tokio::test]
async fn silence_and_length_have_an_end() {
    for (idle, length) in [(1, 60), (60, 1)] {
        let mut provider = Provider::start().await;
        let config =
            openai(&provider) + &format!("[realtime]\nidle_seconds = {idle}\nsession_seconds = {length}\n");
        let app = App::start(&config).await;
        let mut caller = open_socket(app.address, QUERY, &[]).await.unwrap();
        let mut side = provider.session().await;
        // Who only pings says nothing.
        let mut error = None;
        for _ in 0..25 {
            tokio::select! {
                event = caller.event() => error = Some(event),
                () = tokio::time::sleep(Duration::from_millis(200)) => {
                    caller.send_message(Message::Ping("".into())).await;
                    continue;
                }
            }
            break;
        }
        assert_eq!(error.expect("it goes on")["error"]["code"], "session_expired");
        assert_eq!(caller.closed().await, Some(1000));
        assert_eq!(side.closed().await, Some(1000));
        assert_eq!(app.finish_one().await["outcome"], "timeout");
    }
}

#[tokio::test]
async fn a_key_that_is_taken_away_ends_its_session() {
    let (app, _provider, mut caller, mut side) = session().await;
    let key = app.db.keys_of(app.org).await.unwrap().remove(0);
    app.db.delete_key(key.id, SystemClock.now()).await.unwrap();
    app.read_configuration().await;
    assert_eq!(caller.event().await["error"]["code"], "invalid_api_key");
    assert_eq!(caller.closed().await, Some(1008));
    assert_eq!(side.closed().await, Some(1000));
    assert_eq!(app.finish_one().await["error_code"], "invalid_api_key");
}

#[tokio::test]
async fn no_more_sessions_are_open_than_may_be() {
    let mut provider = Provider::start().await;
    let app = App::start(&(openai(&provider) + "[realtime]\nsessions_max = 1\n")).await;
    let mut caller = open_socket(app.address, QUERY, &[]).await.unwrap();
    provider.session().await;
    let refused = open_socket(app.address, QUERY, &[]).await.err().unwrap();
    assert_eq!((refused.status, &refused.body["error"]["code"]), (503, &json!("overloaded")));
    caller.event().await;
    caller.closed().await;
    drop(caller);
    app.finish_one().await;
}

#[tokio::test]
async fn a_process_that_ends_tells_both_sides() {
    let (app, _provider, mut caller, mut side) = session().await;
    begin(&mut caller, &mut side, "resp_1").await;
    app.gateway().end_calls();
    assert_eq!(side.event().await["type"], "response.cancel");
    side.send(&done("resp_1", "cancelled")).await;
    assert_eq!(caller.event().await["error"]["code"], "shutting_down");
    assert_eq!(caller.closed().await, Some(1001));
    assert_eq!(side.closed().await, Some(1000));
    let record = app.finish_one().await;
    assert_eq!((nano(&record), &record["outcome"]), (COST_NANO, &json!("drained")));
}

#[tokio::test]
async fn an_answer_that_begins_at_the_end_is_stopped_too() {
    let (app, _provider, mut caller, mut side) = session().await;
    caller.send(CREATE).await;
    assert_eq!(side.event().await["type"], "response.create");
    app.gateway().end_calls();
    assert_eq!(caller.event().await["error"]["code"], "shutting_down");
    side.send(&started("resp_1")).await;
    assert_eq!(side.event().await, json!({"type": "response.cancel", "response_id": "resp_1"}));
    side.send(&done("resp_1", "cancelled")).await;
    assert_eq!(side.closed().await, Some(1000));
    assert_eq!(nano(&app.finish_one().await), COST_NANO);
}

#[tokio::test]
async fn whoever_waits_for_a_provider_can_leave_and_the_process_can_end() {
    let upstream = Upstream::start([Answer::silence(), Answer::silence()]).await;
    let base = format!("http://{}/v1", upstream.address);
    let app = App::start(&format!(
        "[[providers]]\nkind = \"openai\"\nbase_url = \"{base}\"\napi_key = \"{PROVIDER_KEY}\"\n"
    ))
    .await;
    {
        let waiting = open_socket(app.address, QUERY, &[]);
        tokio::select! {
            opened = waiting => panic!("answered: {:?}", opened.is_ok()),
            () = upstream.called(1) => {}
        }
    }
    assert_eq!(app.recorded(1).await[0]["outcome"], "client_gone");
    let waiting = async { open_socket(app.address, QUERY, &[]).await.err().unwrap() };
    let ending = async {
        upstream.called(2).await;
        app.gateway().end_calls();
    };
    let (refused, ()) = tokio::join!(waiting, ending);
    assert_eq!((refused.status, &refused.body["error"]["code"]), (503, &json!("shutting_down")));
    let records = app.finish().await;
    assert!(records.iter().all(|record| nano(record) == 0), "nothing was opened: {records:?}");
}

#[tokio::test]
async fn a_session_may_be_encrypted() {
    let mut provider = Provider::start().await;
    let certificate = Certificate::new();
    let app = App::start(&(openai(&provider) + &certificate.settings)).await;
    let stream = certificate.connect(app.address, b"http/1.1").await;
    let mut caller = Caller::over(stream, "wss://localhost", QUERY).await;
    let mut side = provider.session().await;
    begin(&mut caller, &mut side, "resp_1").await;
    side.send(&done("resp_1", "completed")).await;
    caller.event().await;
    caller.close(1000).await;
    assert_eq!(caller.closed().await, Some(1000));
    assert_eq!(nano(&app.finish_one().await), COST_NANO);
}

#[tokio::test]
async fn a_caller_who_does_not_read_is_not_heard_and_then_given_up() {
    let mut provider = Provider::start().await;
    let app = App::with(&openai(&provider), |limits| limits.write_stall = Duration::from_millis(500)).await;
    let caller = open_socket(app.address, QUERY, &[]).await.unwrap();
    let mut side = provider.session().await;
    let long = json!({"type": "response.output_audio.delta", "delta": "A".repeat(1 << 20)}).to_string();
    let flood = tokio::spawn(async move {
        // Until the connection is gone.
        for _ in 0..200 {
            side.send_message(Message::text(long.clone())).await;
        }
    });
    assert!(flood.await.is_err(), "everything was taken, and lies in memory");
    drop(caller);
    assert_eq!(app.finish_one().await["outcome"], "client_gone");
}

#[tokio::test]
async fn a_crash_costs_what_was_held_for_the_session() {
    let mut provider = Provider::start().await;
    let process = Process::start(&openai(&provider), &[("SIGNALBOX_BOOTSTRAP_KEY", KEY)]);
    let mut caller = open_socket(process.address, QUERY, &[]).await.unwrap();
    let mut side = provider.session().await;
    begin(&mut caller, &mut side, "resp_1").await;
    side.send(&done("resp_1", "completed")).await;
    caller.event().await;
    begin(&mut caller, &mut side, "resp_2").await;
    process.signal("KILL");
    let (_, _, folder) = process.exit().await;
    let process = Process::start_in(folder, &[]);
    let record = process.recorded(1).await.remove(0);
    assert_eq!((&record["outcome"], &record["operation"]), (&json!("crashed"), &json!("realtime")));
    assert!(nano(&record) > COST_NANO + 4_096 * 64_000, "{}", record["cost"]);
    process.signal("TERM");
    process.exit().await;
}

/// A second of sound, as sessions have it that nobody has configured.
fn second() -> String {
    json!({"type": "input_audio_buffer.append", "audio": "A".repeat(64_000)}).to_string()
}

#[tokio::test]
async fn under_a_limit_sound_is_taken_as_fast_as_it_was_spoken() {
    let mut provider = Provider::start().await;
    let app = App::start(&openai(&provider)).await;
    limit(&app, "50").await;
    let mut caller = open_socket(app.address, QUERY, &[]).await.unwrap();
    let mut side = provider.session().await;
    let began = Instant::now();
    for _ in 0..3 {
        caller.send(&second()).await;
    }
    for _ in 0..3 {
        assert_eq!(side.event().await["type"], "input_audio_buffer.append");
    }
    // Two seconds of the three were to be spoken first, but for what may come at once and what clocks may differ.
    assert!(began.elapsed() >= Duration::from_millis(1_650), "{:?}", began.elapsed());
    let long = json!({"type": "input_audio_buffer.append", "audio": "A".repeat(70_000)}).to_string();
    caller.send(&long).await;
    assert_eq!(caller.event().await["error"]["code"], "cost_unbounded");
    // Who asks for answers may send as much at once as he likes.
    let turns = json!({"audio": {"input": {"turn_detection": null}}});
    side.send(&json!({"type": "session.updated", "session": turns}).to_string()).await;
    assert_eq!(caller.event().await["type"], "session.updated");
    caller.send(&long).await;
    assert_eq!(side.text().await, long);
    caller.close(1000).await;
    app.finish_one().await;
}
