//! Keys made and deleted by another process, while the gateway runs.

use crate::support::*;

const BODY: &str = r#"{"model":"demo/echo","messages":[{"role":"user","content":"hi"}]}"#;

/// Waits until a call with this key is answered with this status: within two seconds, and what a busy machine
/// adds to them.
async fn becomes(process: &Process, key: &str, status: u16) {
    let started = std::time::Instant::now();
    while process.post("/v1/chat/completions", key, BODY).await.0 != status {
        assert!(started.elapsed().as_secs() < 5, "the change is not heard");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn text(output: &std::process::Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_key_made_by_another_process_works_and_stops_working_without_a_restart() {
    let process = Process::start("", &[("SIGNALBOX_BOOTSTRAP_KEY", KEY)]);
    let key = text(&process.run(&["keys", "create", "--name", "second"]));
    becomes(&process, &key, 200).await;
    let list = text(&process.run(&["keys", "list", "--json"]));
    let second = list.lines().find(|line| line.contains("second")).unwrap();
    let id = serde_json::from_str::<serde_json::Value>(second).unwrap()["id"].as_str().unwrap().to_owned();
    text(&process.run(&["keys", "delete", &id]));
    becomes(&process, &key, 401).await;
    assert_eq!(process.post("/v1/chat/completions", KEY, BODY).await.0, 200, "the other key still works");
}

#[tokio::test]
async fn an_expired_key_is_refused() {
    let process = Process::start("", &[("SIGNALBOX_BOOTSTRAP_KEY", KEY)]);
    let past =
        text(&process.run(&["keys", "create", "--name", "past", "--expires-at", "2001-01-01T00:00:00Z"]));
    let future =
        text(&process.run(&["keys", "create", "--name", "future", "--expires-at", "2999-01-01T00:00:00Z"]));
    becomes(&process, &future, 200).await;
    let (status, body) = process.post("/v1/chat/completions", &past, BODY).await;
    assert!(status == 401 && body.contains("invalid_api_key"), "{body}");
}
