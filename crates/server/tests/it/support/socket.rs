//! Both ends of a realtime session: a provider that a test plays itself, and a caller.

use super::{KEY, PATIENCE};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};
use tokio_tungstenite::tungstenite::{Bytes, Error};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

/// What a socket is spoken over.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// One end of a socket.
pub struct Caller<S = TcpStream> {
    socket: WebSocketStream<S>,
    /// What the other side answered to the request for it.
    pub headers: http::HeaderMap,
}

impl<S: Stream> Caller<S> {
    /// Opens one over a connection, with the test's key.
    pub async fn over(stream: S, base: &str, query: &str) -> Self {
        let request = with_key(&format!("{base}/v1/realtime{query}"));
        let (socket, response) = client_async(request, stream).await.unwrap();
        Self { socket, headers: response.headers().clone() }
    }

    /// Sends an event.
    pub async fn send(&mut self, event: &str) {
        self.socket.send(Message::text(event)).await.unwrap();
    }

    /// Sends any message.
    pub async fn send_message(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// Closes it with this code.
    pub async fn close(&mut self, code: u16) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: "bye".into() };
        self.socket.send(Message::Close(Some(frame))).await.unwrap();
    }

    async fn next(&mut self) -> Option<Result<Message, Error>> {
        loop {
            match tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("nothing was said") {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                said => return said,
            }
        }
    }

    /// The text of the next event.
    pub async fn text(&mut self) -> String {
        match self.next().await {
            Some(Ok(Message::Text(text))) => text.to_string(),
            other => panic!("no event: {other:?}"),
        }
    }

    /// The next event.
    pub async fn event(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// The payload of the next pong.
    pub async fn pong(&mut self) -> Bytes {
        loop {
            let said = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("nothing was said");
            if let Message::Pong(payload) = said.unwrap().unwrap() {
                return payload;
            }
        }
    }

    /// The code that the other side closes with; `None` where it just leaves.
    pub async fn closed(&mut self) -> Option<u16> {
        match self.next().await {
            Some(Ok(Message::Close(frame))) => Some(frame.map_or(1005, |frame| frame.code.into())),
            Some(Err(_)) | None => None,
            Some(Ok(other)) => panic!("it is not closed: {other:?}"),
        }
    }
}

/// A provider of realtime sessions: the test plays it.
pub struct Provider {
    /// Where it listens.
    pub address: SocketAddr,
    sessions: mpsc::UnboundedReceiver<Caller>,
    requests: Arc<Mutex<Vec<http::Request<()>>>>,
}

impl Provider {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, sessions) = mpsc::unbounded_channel();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                #[expect(clippy::result_large_err, reason = "the library wants it so")]
                let look = |request: &Request, response: Response| {
                    seen.lock().unwrap().push(request.clone());
                    Ok(response)
                };
                let socket = accept_hdr_async(stream, look).await.unwrap();
                let _ = sender.send(Caller { socket, headers: http::HeaderMap::new() });
            }
        });
        Self { address, sessions, requests }
    }

    /// Its side of the next session.
    pub async fn session(&mut self) -> Caller {
        tokio::time::timeout(PATIENCE, self.sessions.recv()).await.expect("no session was opened").unwrap()
    }

    /// The last request for a session.
    pub fn request(&self) -> http::Request<()> {
        self.requests.lock().unwrap().last().unwrap().clone()
    }

    /// How often a session was asked for.
    pub fn asked(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

/// An answer that opened no socket.
#[derive(Debug)]
pub struct RefusedSocket {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: Value,
}

fn with_key(url: &str) -> http::Request<()> {
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {KEY}").parse().unwrap());
    request
}

/// Opens a session at a gateway, with the test's key unless the headers say otherwise.
pub async fn open_socket(
    address: SocketAddr,
    query: &str,
    headers: &[(&'static str, &str)],
) -> Result<Caller, RefusedSocket> {
    let mut request = with_key(&format!("ws://{address}/v1/realtime{query}"));
    if !headers.is_empty() {
        request.headers_mut().remove("authorization");
    }
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(address).await.unwrap();
    match tokio::time::timeout(PATIENCE, client_async(request, stream)).await.expect("no answer came") {
        Ok((socket, response)) => Ok(Caller { socket, headers: response.headers().clone() }),
        Err(Error::Http(response)) => {
            let (head, body) = response.into_parts();
            let body = serde_json::from_slice(&body.unwrap_or_default()).unwrap_or_default();
            Err(RefusedSocket { status: head.status.as_u16(), headers: head.headers, body })
        }
        Err(error) => panic!("{error}"),
    }
}
