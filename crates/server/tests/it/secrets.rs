//! Secrets and contents leave no trace: not in the log, the store, the counters or an error.

use crate::support::*;
use std::path::Path;

const PROMPT: &str = "prompt-canary-51c0";
const COMPLETION: &str = "completion-canary-9ad2";

/// All bytes of all files in a folder, as text to search in.
fn files(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        all += &if path.is_dir() {
            files(&path)
        } else {
            String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
        };
    }
    all
}

fn assert_clean(place: &str, text: &str) {
    for secret in [KEY, PROVIDER_KEY, PROMPT, COMPLETION, "sbx_wrong_canary"] {
        assert!(!text.contains(secret), "{secret} is in {place}");
    }
}

#[tokio::test]
async fn nothing_secret_is_written_anywhere() {
    let whole = CHAT_ANSWER.replace("Hello", COMPLETION);
    let frames = CHAT_FRAMES.map(|frame| frame.replace("Hello", COMPLETION));
    let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
    let openai = Upstream::start([
        Answer::json(200, &whole),
        Answer::sse(&frames),
        Answer::json(401, &format!("{{\"error\":{{\"message\":\"bad key {PROVIDER_KEY}\"}}}}")),
        Answer::json(200, &format!("<html>{COMPLETION}")),
        Answer::stream().frames(&frames[..2]).end(),
        Answer::stream().frames(&frames[..2]).piece(b"data: {\"completion-canary-9ad2\n\n").close(),
    ])
    .await;
    let anthropic = Upstream::start([Answer::json(200, &MESSAGE_ANSWER.replace("Hello", COMPLETION))]).await;
    let config = provider("openai", &openai) + &provider("anthropic", &anthropic);
    let filter = "trace,hyper=off,h2=off,rustls=off,sqlx=off,mio=off,hyper_util=off";
    let variables = [("SIGNALBOX_BOOTSTRAP_KEY", KEY), ("SIGNALBOX_LOG_FILTER", filter)];
    let process = Process::start(&config, &variables);
    let path = "/v1/chat/completions";
    let secret = |body: &str| body.replace("\"hi\"", &format!("\"{PROMPT}\""));
    for body in [CHAT, CHAT_STREAM, CHAT, CHAT, CHAT_STREAM, CHAT_STREAM] {
        let (status, body) = process.post(path, KEY, &secret(body)).await;
        if status >= 400 {
            assert_clean("an error", &body);
        }
    }
    process.post(path, KEY, &secret(&CHAT.replace("openai/m", "anthropic/m"))).await;
    for broken in
        [secret("{\"messages\":\"hi\""), format!("{{\"model\":{{\"x\":\"{PROMPT}\"}}}}"), secret("[\"hi\"]")]
    {
        assert_clean("an error", &process.post(path, KEY, &broken).await.1);
    }
    assert_clean("an error", &process.post(path, "sbx_wrong_canary", CHAT).await.1);
    process.recorded(10).await;
    assert_clean("the counters", &process.get("/metrics").await.1);
    assert_clean("the open store", &files(&process.folder.path().join("data")));
    process.signal("TERM");
    let (code, log, folder) = process.exit().await;
    assert_eq!(code, Some(0));
    assert!(log.contains("listening on") && log.contains("stopped"));
    assert_clean("the log", &log);
    assert_clean("the store", &files(&folder.path().join("data")));
}
