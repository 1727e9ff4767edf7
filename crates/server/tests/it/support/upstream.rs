//! A provider that does exactly what a test tells it to, byte by byte, and remembers what it was asked.

use super::wait_until;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// One thing a scripted provider does while it answers.
#[derive(Clone, Debug)]
enum Step {
    /// Writes these bytes.
    Send(Vec<u8>),
    /// Waits until the test opens the gate once more.
    Gate,
    /// Does nothing until the other side leaves.
    Hang,
    /// Resets the connection.
    Cut,
    /// Closes the connection.
    Close,
}

/// A scripted answer.
#[derive(Clone, Debug, Default)]
pub struct Answer(Vec<Step>);

impl Answer {
    /// A whole answer with a JSON body.
    pub fn json(status: u16, body: &str) -> Self {
        Self::whole(status, &[("content-type", "application/json")], body.as_bytes())
    }

    /// A whole answer.
    pub fn whole(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let mut head = format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        Self(vec![Step::Send([head.as_bytes(), body].concat())])
    }

    /// The head of a stream; what it says is added by [`Answer::frames`].
    pub fn stream() -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        Self(vec![Step::Send(head.into())])
    }

    /// A whole stream of these events, which ends as HTTP wants it.
    pub fn sse(frames: &[&str]) -> Self {
        Self::stream().frames(frames).end()
    }

    /// Nothing, until the other side leaves.
    pub fn silence() -> Self {
        Self::default().hang()
    }

    /// Bytes as they are, outside of any framing.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.push(Step::Send(bytes.to_vec()));
        self
    }

    /// Events of a stream, one HTTP chunk each.
    pub fn frames(mut self, frames: &[&str]) -> Self {
        for frame in frames {
            self = self.piece(frame.as_bytes());
        }
        self
    }

    /// One HTTP chunk.
    pub fn piece(self, bytes: &[u8]) -> Self {
        let head = format!("{:x}\r\n", bytes.len());
        self.raw(&[head.as_bytes(), bytes, b"\r\n"].concat())
    }

    /// The end of a chunked body.
    pub fn end(self) -> Self {
        self.raw(b"0\r\n\r\n")
    }

    /// Waits for [`Upstream::open_gate`].
    pub fn gate(mut self) -> Self {
        self.0.push(Step::Gate);
        self
    }

    /// What another answer does.
    pub fn then(mut self, other: Answer) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Falls silent until the other side leaves.
    pub fn hang(mut self) -> Self {
        self.0.push(Step::Hang);
        self
    }

    /// Resets the connection.
    pub fn cut(mut self) -> Self {
        self.0.push(Step::Cut);
        self
    }

    /// Closes the connection.
    pub fn close(mut self) -> Self {
        self.0.push(Step::Close);
        self
    }
}

/// How a call ended, as the provider saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It has not.
    Running,
    /// By the script.
    Answered,
    /// The other side left first.
    Cancelled,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Call {
    /// Method, path and version.
    pub line: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How it ended.
    pub ended: Ended,
    /// Bytes of the answer that could be written.
    pub written: usize,
}

impl Call {
    /// The path that was asked.
    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Everything that arrived, as one text to search in.
    pub fn everything(&self) -> String {
        format!("{}\n{:?}\n{}", self.line, self.headers, String::from_utf8_lossy(&self.body))
    }
}

#[derive(Debug)]
struct Shared {
    answers: Mutex<VecDeque<Answer>>,
    calls: Mutex<Vec<Call>>,
    gate: Semaphore,
}

/// A scripted provider on a port of its own. When it is dropped it must have been called exactly as often as
/// it has answers.
#[derive(Debug)]
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    expected: usize,
    shared: Arc<Shared>,
}

impl Upstream {
    /// Starts one that must be called once for each answer.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::telling(|_| answers.into_iter().collect()).await
    }

    /// The same, whose answers tell where it listens.
    pub async fn telling(answers: impl FnOnce(SocketAddr) -> Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answers: VecDeque<Answer> = answers(address).into();
        let expected = answers.len();
        let shared =
            Arc::new(Shared { answers: answers.into(), calls: Mutex::default(), gate: Semaphore::new(0) });
        let listening = shared.clone();
        tokio::task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn(serve(stream, listening.clone()));
            }
        });
        Self { address, expected, shared }
    }

    /// Starts one that must be called `times` times and answers always alike.
    pub async fn always(answer: Answer, times: usize) -> Self {
        Self::start(std::iter::repeat_n(answer, times)).await
    }

    /// What it was asked so far.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().unwrap().clone()
    }

    /// The only call it got.
    pub fn call(&self) -> Call {
        let mut calls = self.calls();
        assert_eq!(calls.len(), 1, "exactly one call was expected");
        calls.remove(0)
    }

    /// Lets scripts pass their next gate.
    pub fn open_gate(&self) {
        self.shared.gate.add_permits(1);
    }

    /// Waits until it was called so often.
    pub async fn called(&self, times: usize) {
        wait_until("the provider is called", || self.shared.calls.lock().unwrap().len() >= times).await;
    }

    /// Waits until every call has ended, and tells how the last one did.
    pub async fn ended(&self) -> Ended {
        let ended = |call: &Call| call.ended != Ended::Running;
        let have_ended = |calls: &[Call]| !calls.is_empty() && calls.iter().all(ended);
        wait_until("the provider's calls have ended", || have_ended(&self.shared.calls.lock().unwrap()))
            .await;
        self.calls().last().map_or(Ended::Running, |call| call.ended)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.calls().len(), self.expected, "calls of the provider");
        }
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = Vec::new();
    while let Some(call) = read_call(&mut stream, &mut buffer).await {
        let at = {
            let mut calls = shared.calls.lock().unwrap();
            calls.push(call);
            calls.len() - 1
        };
        let answer = shared.answers.lock().unwrap().pop_front();
        let Some(answer) = answer else { return };
        let mut written = 0;
        let (ended, stays_open) = play(&mut stream, answer, &shared, at, &mut written).await;
        shared.calls.lock().unwrap()[at].ended = ended;
        if !stays_open {
            return;
        }
    }
}

/// Plays an answer: how the call ended, and whether the connection stays open.
async fn play(
    stream: &mut TcpStream,
    answer: Answer,
    shared: &Shared,
    at: usize,
    written: &mut usize,
) -> (Ended, bool) {
    for step in answer.0 {
        let done = match step {
            Step::Send(bytes) => send(stream, &bytes, shared, at, written).await,
            Step::Gate => {
                let mut byte = [0];
                tokio::select! {
                    _ = stream.read(&mut byte) => false,
                    permit = shared.gate.acquire() => {
                        permit.unwrap().forget();
                        true
                    }
                }
            }
            Step::Hang => {
                let _ = stream.read(&mut [0]).await;
                false
            }
            Step::Cut => {
                socket2::SockRef::from(&*stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
                return (Ended::Answered, false);
            }
            Step::Close => return (Ended::Answered, false),
        };
        if !done {
            return (Ended::Cancelled, false);
        }
    }
    (Ended::Answered, true)
}

/// Writes bytes; `false` when the other side has left.
async fn send(
    stream: &mut TcpStream,
    mut bytes: &[u8],
    shared: &Shared,
    at: usize,
    written: &mut usize,
) -> bool {
    let (mut reader, mut writer) = stream.split();
    let mut byte = [0];
    while !bytes.is_empty() {
        tokio::select! {
            _ = reader.read(&mut byte) => return false,
            sent = writer.write(bytes) => match sent {
                Ok(sent) => {
                    bytes = &bytes[sent..];
                    *written += sent;
                    shared.calls.lock().unwrap()[at].written = *written;
                }
                Err(_) => return false,
            },
        }
    }
    true
}

async fn read_call(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Call> {
    let head_end = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer.drain(..head_end).collect()).unwrap();
    let mut lines = head.trim_end().lines();
    let line = lines.next()?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    while buffer.len() < length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = buffer.drain(..length).collect();
    Some(Call { line, headers, body, ended: Ended::Running, written: 0 })
}
