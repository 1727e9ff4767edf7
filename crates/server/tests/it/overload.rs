//! More calls than run at once: they wait in turn, and are refused where they cannot.

use crate::support::*;
use std::io::{Read, Write};

fn config(upstream: &Upstream, waiting: usize) -> String {
    let limits = format!("[limits]\nconcurrent_calls_max = 1\nwaiting_calls_max = {waiting}\n");
    format!("{limits}[timeouts]\nqueue_seconds = 1\n{}", aborting("cancel", &provider("openai", upstream)))
}

/// A call that runs until the gate is opened.
fn half_a_stream() -> Answer {
    Answer::stream().frames(&CHAT_FRAMES[..2]).gate().frames(&CHAT_FRAMES[2..]).end()
}

/// Waits until the counters say that so many wait.
async fn until_waiting(app: &App, count: usize) {
    let line = format!("\nsignalbox_calls_waiting {count}\n");
    let waiting = async {
        while !app.get("/metrics").await.text().contains(&line) {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "never{line}");
}

#[tokio::test]
async fn a_call_too_many_is_refused_in_its_callers_protocol() {
    let upstream = Upstream::start([half_a_stream()]).await;
    let app = App::start(&config(&upstream, 0)).await;
    let running = app.post_open("/v1/chat/completions", CHAT_STREAM).await;
    for (reply, status) in [(app.chat(CHAT).await, 503), (app.message(MESSAGE).await, 529)] {
        app.leaves_no_record(&reply);
        if status == 529 {
            assert_anthropic_error(&reply, 529, "overloaded_error");
        } else {
            assert_openai_error(&reply, 503, "overloaded");
        }
        let wait: u64 = reply.header("retry-after").parse().unwrap();
        assert!((1..=3).contains(&wait), "{wait}");
    }
    let stranger = ::http::Request::post(format!("http://{}/v1/messages", app.address));
    let stranger = stranger.header("x-api-key", "sbx_wrong").body(Default::default()).unwrap();
    assert_eq!(app.send(stranger).await.status, 401);
    assert_eq!(app.get("/readyz").await.status, 200);
    assert_eq!(app.get("/v1/models").await.status, 200);
    assert!(app.get("/metrics").await.text().contains("\nsignalbox_calls_shed_total 2\n"));
    upstream.open_gate();
    running.whole().await;
    app.finish_one().await;
}

#[tokio::test]
async fn it_is_refused_before_its_body_is_read() {
    let upstream = Upstream::start([Answer::silence()]).await;
    let app = App::start(&config(&upstream, 0)).await;
    let address = app.address;
    let refused = async {
        upstream.called(1).await;
        let answer = tokio::task::spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            let head = format!(
                "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: 1000\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).unwrap();
            String::from_utf8(answer.to_vec()).unwrap()
        });
        assert_eq!(answer.await.unwrap(), "HTTP/1.1 503");
    };
    tokio::select! {
        reply = app.chat(CHAT) => panic!("answered: {reply:?}"),
        () = refused => {}
    }
    app.settled().await;
    app.finish_one().await;
}

#[tokio::test]
async fn a_call_that_waits_runs_when_another_has_ended() {
    let first = half_a_stream();
    let upstream = Upstream::start([first, Answer::json(200, CHAT_ANSWER)]).await;
    let app = App::start(&config(&upstream, 1)).await;
    let running = app.post_open("/v1/chat/completions", CHAT_STREAM).await;
    let (waited, ()) = tokio::join!(app.chat(CHAT), async {
        until_waiting(&app, 1).await;
        upstream.open_gate();
    });
    assert_eq!(waited.status, 200);
    running.whole().await;
    until_waiting(&app, 0).await;
    assert_eq!(app.finish().await.len(), 2);
}

#[tokio::test]
async fn who_leaves_while_waiting_leaves_its_place() {
    let first = half_a_stream();
    let upstream = Upstream::start([first, Answer::json(200, CHAT_ANSWER)]).await;
    let app = App::start(&config(&upstream, 1)).await;
    let running = app.post_open("/v1/chat/completions", CHAT_STREAM).await;
    tokio::select! {
        reply = app.chat(CHAT) => panic!("answered: {reply:?}"),
        () = until_waiting(&app, 1) => {}
    }
    until_waiting(&app, 0).await;
    let (waited, ()) = tokio::join!(app.chat(CHAT), async {
        until_waiting(&app, 1).await;
        upstream.open_gate();
    });
    assert_eq!(waited.status, 200);
    running.whole().await;
    assert_eq!(app.finish().await.len(), 2);
}

#[tokio::test]
async fn who_has_waited_long_enough_is_refused() {
    let upstream = Upstream::start([half_a_stream()]).await;
    let app = App::start(&config(&upstream, 1)).await;
    let running = app.post_open("/v1/chat/completions", CHAT_STREAM).await;
    let reply = app.chat(CHAT).await;
    app.leaves_no_record(&reply);
    assert_openai_error(&reply, 503, "overloaded");
    upstream.open_gate();
    running.whole().await;
    app.finish_one().await;
}
