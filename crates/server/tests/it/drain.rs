//! Stopping the real process: what can finish finishes, what cannot is told, everything is on record.

use crate::support::*;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;

const VARIABLES: [(&str, &str); 1] = [("SIGNALBOX_BOOTSTRAP_KEY", KEY)];

/// A blocking caller of the process: sends a request, reads what comes.
struct Caller(TcpStream);

impl Caller {
    fn post(process: &Process, body: &str) -> Self {
        let mut caller = Self::begin(process, body.len(), "x-plain: yes");
        caller.0.write_all(body.as_bytes()).unwrap();
        caller
    }

    /// Sends the head of a request.
    fn begin(process: &Process, length: usize, header: &str) -> Self {
        let mut stream = TcpStream::connect(process.address).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: {length}\r\n{header}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        Self(stream)
    }

    fn read_until(&mut self, wanted: &str) -> String {
        let mut all = Vec::new();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&all).contains(wanted) {
            let count = self.0.read(&mut buffer).unwrap();
            assert!(count > 0, "it ended before {wanted:?}: {}", String::from_utf8_lossy(&all));
            all.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8(all).unwrap()
    }

    fn rest(&mut self) -> String {
        let mut all = Vec::new();
        let _ = self.0.read_to_end(&mut all);
        String::from_utf8_lossy(&all).into_owned()
    }
}

/// Runs what waits in its own thread, so that scripted providers go on.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn config(upstream: &Upstream, drain_seconds: u64) -> String {
    format!("[timeouts]\ndrain_seconds = {drain_seconds}\n{}", provider("openai", upstream))
}

async fn until_refused(process: &Process) {
    wait_until("new connections are refused", || TcpStream::connect(process.address).is_err()).await;
}

fn one(records: Vec<Value>) -> Value {
    let [record] = <[Value; 1]>::try_from(records).unwrap();
    record
}

#[tokio::test]
async fn a_stream_that_can_finish_finishes() {
    let answer = Answer::stream().frames(&CHAT_FRAMES[..2]).gate().frames(&CHAT_FRAMES[2..]).end();
    let upstream = Upstream::start([answer]).await;
    let process = Process::start(&config(&upstream, 20), &VARIABLES);
    let mut caller = Caller::post(&process, CHAT_STREAM);
    let mut caller = blocking(move || {
        caller.read_until("Hello");
        caller
    })
    .await;
    process.signal("TERM");
    until_refused(&process).await;
    upstream.open_gate();
    let rest = blocking(move || caller.rest()).await;
    assert!(rest.contains("world") && rest.contains("[DONE]") && rest.ends_with("0\r\n\r\n"), "{rest}");
    let (code, log, folder) = process.exit().await;
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(one(tail(folder.path()))["outcome"], "success");
}

#[tokio::test]
async fn a_stream_that_cannot_finish_is_told() {
    let upstream = Upstream::start([Answer::stream().frames(&CHAT_FRAMES[..2]).hang()]).await;
    let process = Process::start(&config(&upstream, 1), &VARIABLES);
    let mut caller = Caller::post(&process, CHAT_STREAM);
    let mut caller = blocking(move || {
        caller.read_until("Hello");
        caller
    })
    .await;
    process.signal("TERM");
    let rest = blocking(move || caller.rest()).await;
    assert!(rest.contains("shutting_down") && !rest.contains("[DONE]"), "{rest}");
    let (code, log, folder) = process.exit().await;
    assert_eq!(code, Some(0), "{log}");
    let record = one(tail(folder.path()));
    assert_eq!(
        (record["outcome"].as_str(), record["error_code"].as_str()),
        (Some("drained"), Some("shutting_down"))
    );
    assert!(record["output_tokens"].as_i64() > Some(0));
    assert_eq!(upstream.ended().await, Ended::Cancelled);
}

#[tokio::test]
async fn a_request_that_is_still_arriving_is_served() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER)]).await;
    let process = Process::start(&config(&upstream, 20), &VARIABLES);
    // The gateway asks for the body once it has let the request in.
    let mut caller = Caller::begin(&process, CHAT.len(), "expect: 100-continue");
    let mut caller = blocking(move || {
        caller.read_until("100 Continue\r\n\r\n");
        caller
    })
    .await;
    caller.0.write_all(&CHAT.as_bytes()[..20]).unwrap();
    process.signal("TERM");
    until_refused(&process).await;
    let rest = blocking(move || {
        // A slow caller: longer than the time that last bytes are given.
        std::thread::sleep(std::time::Duration::from_millis(1_300));
        caller.0.write_all(&CHAT.as_bytes()[20..]).unwrap();
        caller.rest()
    })
    .await;
    assert!(rest.starts_with("HTTP/1.1 200"), "{rest}");
    let (code, log, folder) = process.exit().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(tail(folder.path()).iter().any(|record| record["outcome"] == "success"));
}

/// Signals until the process has heard a second one: those that follow at once count as the first.
async fn signal_again(process: &Process) {
    let is_ending = || {
        process.signal("TERM");
        process.log().contains("a second signal came")
    };
    wait_until("the second signal is heard", is_ending).await;
}

#[tokio::test]
async fn until_load_balancers_have_noticed_it_is_not_ready_and_still_serves() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER)]).await;
    let config = format!(
        "[timeouts]\ndrain_delay_seconds = 600\ndrain_seconds = 0\n{}",
        provider("openai", &upstream)
    );
    let process = Process::start(&config, &VARIABLES);
    assert_eq!(process.get("/readyz").await.0, 200);
    process.signal("TERM");
    let is_told = || process.log().contains("stopping; a second");
    wait_until("it is told", is_told).await;
    assert_eq!(process.get("/readyz").await, (503, r#"{"status":"shutting down"}"#.to_owned()));
    assert_eq!(process.get("/healthz").await.0, 200);
    assert_eq!(process.post("/v1/chat/completions", KEY, CHAT).await.0, 200);
    signal_again(&process).await;
    let (code, log, folder) = process.exit().await;
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(one(tail(folder.path()))["outcome"], "success");
}

#[tokio::test]
async fn a_second_signal_ends_running_calls_at_once() {
    let upstream = Upstream::start([Answer::stream().frames(&CHAT_FRAMES[..2]).hang()]).await;
    let process = Process::start(&config(&upstream, 600), &VARIABLES);
    let mut caller = Caller::post(&process, CHAT_STREAM);
    let mut caller = blocking(move || {
        caller.read_until("Hello");
        caller
    })
    .await;
    process.signal("INT");
    until_refused(&process).await;
    signal_again(&process).await;
    let rest = blocking(move || caller.rest()).await;
    assert!(rest.contains("shutting_down") && !rest.contains("[DONE]"), "{rest}");
    let (code, log, folder) = process.exit().await;
    assert_eq!(code, Some(0), "{log}");
    let record = one(tail(folder.path()));
    assert_eq!(record["outcome"], "drained");
    assert!(record["output_tokens"].as_i64() > Some(0));
}

#[tokio::test]
async fn an_idle_process_stops_at_once() {
    let process = Process::start("", &VARIABLES);
    // An idle connection that would wait for its next request.
    let idle = TcpStream::connect(process.address).unwrap();
    process.signal("INT");
    let (code, log, _folder) = process.exit().await;
    assert_eq!(code, Some(0), "{log}");
    drop(idle);
}
