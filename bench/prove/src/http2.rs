//! A caller over HTTP/2: one connection, and the streams on it.

use crate::failure::{Context, Failure};
use bytes::Bytes;
use h2::{
    Reason, RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::Request;
use socket2::{SockRef, Socket};
use std::{net::Ipv4Addr, time::Duration};
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};

const WAIT_MAX: Duration = Duration::from_secs(20);

/// A connection. Dropping it closes it in order, once its streams have ended.
pub struct Connection {
    port: u16,
    requests: SendRequest<Bytes>,
    task: JoinHandle<()>,
    /// The same socket as the connection's own: with this one it can be broken from outside.
    socket: Socket,
}

/// A stream: one request and its answer.
pub struct Stream {
    sender: SendStream<Bytes>,
    response: Option<ResponseFuture>,
    body: Option<RecvStream>,
    text: Vec<u8>,
}

impl Connection {
    pub async fn open(port: u16) -> Result<Connection, Failure> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.context("connecting")?;
        stream.set_nodelay(true).context("a socket option")?;
        let socket = SockRef::from(&stream).try_clone().context("a socket")?;
        let (requests, connection) = h2::client::handshake(stream).await.context("HTTP/2")?;
        // It ends with an error when it is broken, which is what it is for.
        let task = tokio::spawn(async move { drop(connection.await) });
        Ok(Connection { port, requests, task, socket })
    }

    /// Sends a chat request.
    pub async fn send(&self, key: &str, body: String) -> Result<Stream, Failure> {
        let mut requests = self.requests.clone().ready().await.context("HTTP/2")?;
        let request = Request::post(format!("http://127.0.0.1:{}/v1/chat/completions", self.port))
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .body(())
            .context("a request")?;
        let (response, mut sender) = requests.send_request(request, false).context("sending")?;
        sender.send_data(body.into(), true).context("sending")?;
        Ok(Stream { sender, response: Some(response), body: None, text: Vec::new() })
    }

    /// Closes the socket, whatever runs on the connection; no word of HTTP/2 is said.
    pub async fn lose(self) {
        drop(self.freeze().await);
    }

    /// Says nothing more; the socket stays open until it is dropped.
    pub async fn freeze(self) -> Socket {
        self.task.abort();
        // Until its own socket is gone.
        let _ = self.task.await;
        self.socket
    }

    /// The socket, to set options on.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Waits until the other side has closed.
    pub async fn closed(self) {
        let _ = timeout(WAIT_MAX, self.task).await;
    }
}

impl Stream {
    /// Reads until so many events have come.
    pub async fn read_events(&mut self, events: usize) -> Result<(), Failure> {
        let reading = async {
            while self.text.windows(6).filter(|bytes| bytes == b"data: ").count() < events {
                if !self.read().await? {
                    return Err(Failure::new(format!("ended: {}", String::from_utf8_lossy(&self.text))));
                }
            }
            Ok(())
        };
        timeout(WAIT_MAX, reading).await.context("events")?
    }

    /// Everything, to the end of the stream.
    pub async fn read_to_end(mut self) -> Result<String, Failure> {
        let reading = async {
            while self.read().await? {}
            Ok(())
        };
        timeout(WAIT_MAX, reading).await.context("the rest of a stream")??;
        Ok(String::from_utf8_lossy(&self.text).into_owned())
    }

    /// Reads a piece; false at the end.
    async fn read(&mut self) -> Result<bool, Failure> {
        if let Some(response) = self.response.take() {
            self.body = Some(response.await.context("the head")?.into_body());
        }
        let Some(body) = &mut self.body else { return Ok(false) };
        let Some(piece) = body.data().await else { return Ok(false) };
        let piece = piece.context("a piece")?;
        body.flow_control().release_capacity(piece.len()).context("flow control")?;
        self.text.extend_from_slice(&piece);
        Ok(true)
    }

    /// `RST_STREAM` with `CANCEL`; the connection stays.
    pub fn reset(mut self) {
        self.sender.send_reset(Reason::CANCEL);
    }
}
