//! A caller: one request on a connection of its own, and what came back. It can leave in the middle.

use std::{net::Ipv4Addr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// No answer takes longer; the gateway's own limits are far below.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// What a caller asks for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The simulator's knobs, such as `chunks=5,delay=10`.
    pub knobs: String,
    pub is_stream: bool,
    pub tokens_max: Option<u32>,
    /// Leaves so long after sending.
    pub leave_after: Option<Duration>,
}

impl Ask {
    /// `fields` stand before all others, each with a comma behind it.
    pub fn body(&self, fields: &str) -> String {
        let limit = self.tokens_max.map(|max| format!("\"max_tokens\":{max},")).unwrap_or_default();
        format!(
            "{{{fields}\"model\":\"prove/mock\",{limit}\"stream\":{},\"messages\":[{{\"role\":\"user\",\
             \"content\":\"@mock{{{}}}\"}}]}}",
            self.is_stream, self.knobs
        )
    }

    /// The whole request as it goes over the wire, with more fields in its body: each with a comma behind it.
    pub fn request(&self, port: u16, key: &str, fields: &str) -> String {
        chat(port, key, &self.body(fields))
    }

    /// The same for the model with long answers, of which only a part is reserved at a time.
    fn long_request(&self, port: u16, key: &str) -> String {
        chat(port, key, &self.body("").replacen("prove/mock", "prove/long", 1))
    }
}

/// A chat request with this body as it goes over the wire.
pub fn chat(port: u16, key: &str, body: &str) -> String {
    let head = format!("authorization: Bearer {key}\r\ncontent-type: application/json\r\n");
    request(port, "POST /v1/chat/completions", &head, body)
}

/// A request as it goes over the wire; `head` is whole lines.
pub fn request(port: u16, line: &str, head: &str, body: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n{head}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// What came of it.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// The head's status, and everything that came.
    Answered { status: u16, text: String },
    /// No connection, or no whole head.
    Failed,
    /// The caller left.
    Left,
}

impl Outcome {
    pub fn status(&self) -> u16 {
        match self {
            Outcome::Answered { status, .. } => *status,
            Outcome::Failed | Outcome::Left => 0,
        }
    }

    /// Whether the answer has its proper end: the stream's last event, or the last byte of a plain answer.
    pub fn is_whole(&self) -> bool {
        match self {
            Outcome::Answered { status: 200, text } => {
                text.contains("data: [DONE]") || text.trim_end().ends_with('}')
            }
            Outcome::Answered { .. } | Outcome::Failed | Outcome::Left => false,
        }
    }
}

/// Sends one chat request and waits for the end of its answer, or leaves.
pub async fn send(port: u16, key: &str, ask: &Ask) -> Outcome {
    send_text(port, ask, ask.request(port, key, "")).await
}

/// The same, to the model with long answers.
pub async fn send_long(port: u16, key: &str, ask: &Ask) -> Outcome {
    send_text(port, ask, ask.long_request(port, key)).await
}

async fn send_text(port: u16, ask: &Ask, request: String) -> Outcome {
    let exchange = exchange(port, request);
    let wait = ask.leave_after.unwrap_or(ANSWER_WAIT_MAX);
    match timeout(wait, exchange).await {
        Ok(outcome) => outcome,
        // The dropped future has closed its connection.
        Err(_) if ask.leave_after.is_some() => Outcome::Left,
        Err(_) => Outcome::Failed,
    }
}

/// Gets a page; nothing unless it is answered with 200.
pub async fn get(port: u16, path: &str) -> Option<String> {
    match look(port, path).await {
        Outcome::Answered { status: 200, text } => Some(text),
        Outcome::Answered { .. } | Outcome::Failed | Outcome::Left => None,
    }
}

/// Gets a page, whatever its status.
pub async fn look(port: u16, path: &str) -> Outcome {
    let exchange = exchange(port, request(port, &format!("GET {path}"), "", ""));
    timeout(Duration::from_secs(2), exchange).await.unwrap_or(Outcome::Failed)
}

/// Sends a request as it is and reads to the end of the connection.
pub async fn exchange(port: u16, request: String) -> Outcome {
    let Ok(mut socket) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
        return Outcome::Failed;
    };
    if socket.write_all(request.as_bytes()).await.is_err() {
        return Outcome::Failed;
    }
    let mut answer = Vec::new();
    while answer.len() < ANSWER_BYTES_MAX {
        match socket.read_buf(&mut answer).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    // `HTTP/1.1 200 OK`: the status is the second word.
    match text.split_once("\r\n\r\n").and_then(|_| text.split(' ').nth(1)?.parse().ok()) {
        Some(status) => Outcome::Answered { status, text },
        None => Outcome::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_carries_knobs_and_limit() {
        let ask =
            Ask { knobs: "chunks=2".to_owned(), is_stream: true, tokens_max: Some(9), leave_after: None };
        let body: serde_json::Value = serde_json::from_str(&ask.body("")).unwrap();
        assert_eq!((&body["max_tokens"], &body["stream"]), (&9.into(), &true.into()));
        assert_eq!(body["messages"][0]["content"], "@mock{chunks=2}");
    }

    #[test]
    fn a_stream_without_its_last_event_is_not_whole() {
        let answered = |text: &str| Outcome::Answered { status: 200, text: text.to_owned() };
        assert!(answered("…data: [DONE]\n\n").is_whole());
        assert!(!answered("…data: {\"x\":1}\n\n0\r\n").is_whole());
    }
}
