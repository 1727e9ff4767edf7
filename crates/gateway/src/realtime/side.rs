//! One side of a session: what is heard from it, and the one message that is on its way to it. No side's messages pile
//! up: while one is on its way, the other side is not read.

use futures_util::SinkExt;
use futures_util::stream::{SplitSink, SplitStream, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};

/// Bytes that are read at once: bounds the memory of a quiet session.
const READ_BUFFER: usize = 16 * 1024;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// One side.
pub struct Side {
    /// What it says.
    pub ear: Ear,
    /// What it is told.
    pub mouth: Mouth,
}

/// What a side says.
pub struct Ear(SplitStream<Socket>);

/// What a side is told.
pub struct Mouth {
    sink: SplitSink<Socket, Message>,
    unsent: Option<Message>,
    is_flushed: bool,
    busy_since: Option<Instant>,
}

/// What was heard.
pub enum Heard {
    /// A message.
    Message(Message),
    /// A message that is longer than allowed; nothing more can be heard.
    TooLong,
    /// The connection is gone.
    Gone,
}

impl Heard {
    /// Whether something was said: a ping says nothing.
    pub fn is_event(&self) -> bool {
        matches!(self, Heard::Message(Message::Text(_) | Message::Binary(_)))
    }
}

impl Side {
    /// A side behind a connection. No message of it may be longer than `message_bytes_max`.
    pub async fn new(upgraded: Upgraded, role: Role, message_bytes_max: usize) -> Self {
        // Every message leaves at once; what the connection does not take is one message at the most.
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(message_bytes_max))
            .max_frame_size(Some(message_bytes_max));
        let socket = Socket::from_raw_socket(TokioIo::new(upgraded), role, Some(config)).await;
        let (sink, stream) = socket.split();
        Self { ear: Ear(stream), mouth: Mouth { sink, unsent: None, is_flushed: true, busy_since: None } }
    }
}

impl Ear {
    /// The next message. Nothing is lost when nobody waits for it to the end.
    pub async fn hear(&mut self) -> Heard {
        match self.0.next().await {
            Some(Ok(message)) => Heard::Message(message),
            Some(Err(Error::Capacity(CapacityError::MessageTooLong { .. }))) => Heard::TooLong,
            Some(Err(_)) | None => Heard::Gone,
        }
    }
}

/// The connection is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

impl Mouth {
    /// Whether nothing is on its way.
    pub fn is_free(&self) -> bool {
        self.unsent.is_none() && self.is_flushed
    }

    /// How long the side has not taken what it is told.
    pub fn busy_since(&self) -> Option<Instant> {
        self.busy_since
    }

    /// Puts a message on its way, behind the one that is.
    pub fn tell(&mut self, message: Message) {
        self.busy_since.get_or_insert_with(Instant::now);
        self.unsent = Some(message);
    }

    /// Brings what is on its way to the other side. Whoever stops waiting can go on later: nothing is sent twice.
    pub async fn speak(&mut self) -> Result<(), Gone> {
        if self.unsent.is_some() {
            poll_fn(|context| self.sink.poll_ready_unpin(context)).await.map_err(|_| Gone)?;
            if let Some(message) = self.unsent.take() {
                self.is_flushed = false;
                self.sink.start_send_unpin(message).map_err(|_| Gone)?;
            }
        }
        poll_fn(|context| self.sink.poll_flush_unpin(context)).await.map_err(|_| Gone)?;
        self.is_flushed = true;
        self.busy_since = None;
        Ok(())
    }

    /// Tells a message, behind the one on its way, and waits until it is gone.
    pub async fn say(&mut self, message: Message) -> Result<(), Gone> {
        self.speak().await?;
        self.tell(message);
        self.speak().await
    }
}
