//! The pipe from a call task to its caller: bounded in bytes, and unable to look complete when it is not.

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::sync::{Notify, mpsc};

/// Pieces that may wait for the caller.
const PIECES_MAX: usize = 64;
/// Bytes that may wait for the caller; reading from the provider stops above it.
const BYTES_MAX: usize = 32 * 1024;

#[derive(Debug, Default)]
struct Gauge {
    waiting: AtomicUsize,
    space: Notify,
}

/// The call task's end.
#[derive(Debug)]
pub struct Writer {
    pieces: mpsc::Sender<Bytes>,
    gauge: Arc<Gauge>,
}

/// The caller's end: the body of its response.
#[derive(Debug)]
pub struct StreamBody {
    pieces: mpsc::Receiver<Bytes>,
    gauge: Arc<Gauge>,
    is_done: bool,
}

/// The caller has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// The stream was not ended by its writer: the connection is cut, so that it cannot look complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream broke")]
pub struct Broken;

/// A new pipe.
pub fn pipe() -> (Writer, StreamBody) {
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    let gauge = Arc::new(Gauge::default());
    (Writer { pieces: sender, gauge: gauge.clone() }, StreamBody { pieces: receiver, gauge, is_done: false })
}

impl Writer {
    /// Hands over a piece; gives it back when the caller has not read enough yet.
    pub fn try_send(&self, piece: Bytes) -> Result<Option<Bytes>, Gone> {
        if self.gauge.waiting.load(Ordering::Acquire) >= BYTES_MAX {
            return if self.pieces.is_closed() { Err(Gone) } else { Ok(Some(piece)) };
        }
        let length = piece.len();
        // Counted first: the reader may subtract before this line ends.
        self.gauge.waiting.fetch_add(length, Ordering::AcqRel);
        match self.pieces.try_send(piece) {
            Ok(()) => Ok(None),
            Err(refused) => {
                self.gauge.waiting.fetch_sub(length, Ordering::AcqRel);
                match refused {
                    mpsc::error::TrySendError::Full(piece) => Ok(Some(piece)),
                    mpsc::error::TrySendError::Closed(_) => Err(Gone),
                }
            }
        }
    }

    /// Hands over a piece, waiting until the caller has read enough.
    pub async fn send(&self, mut piece: Bytes) -> Result<(), Gone> {
        loop {
            let space = self.gauge.space.notified();
            match self.try_send(piece)? {
                None => return Ok(()),
                Some(back) => piece = back,
            }
            tokio::select! {
                () = space => {}
                () = self.pieces.closed() => return Err(Gone),
            }
        }
    }

    /// Resolves when the caller has gone.
    pub async fn closed(&self) {
        self.pieces.closed().await;
    }

    /// Marks the stream as ended on purpose.
    pub async fn end(&self) {
        let _ = self.send(Bytes::new()).await;
    }
}

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.is_done {
            return Poll::Ready(None);
        }
        let Poll::Ready(next) = self.pieces.poll_recv(context) else { return Poll::Pending };
        match next {
            Some(piece) if piece.is_empty() => {
                self.is_done = true;
                Poll::Ready(None)
            }
            Some(piece) => {
                self.gauge.waiting.fetch_sub(piece.len(), Ordering::AcqRel);
                self.gauge.space.notify_one();
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            None => {
                self.is_done = true;
                Poll::Ready(Some(Err(Broken)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_done
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn a_stream_that_was_not_ended_is_an_error() {
        let (writer, body) = pipe();
        writer.send(Bytes::from_static(b"x")).await.unwrap();
        drop(writer);
        assert!(body.collect().await.is_err());
    }

    #[tokio::test]
    async fn an_ended_stream_is_whole() {
        let (writer, body) = pipe();
        writer.send(Bytes::from_static(b"xy")).await.unwrap();
        writer.end().await;
        assert_eq!(body.collect().await.unwrap().to_bytes(), "xy");
    }

    #[tokio::test]
    async fn a_slow_reader_holds_the_writer_back() {
        let (writer, mut body) = pipe();
        let piece = Bytes::from(vec![0; BYTES_MAX]);
        assert_eq!(writer.try_send(piece.clone()), Ok(None));
        assert_eq!(writer.try_send(piece.clone()), Ok(Some(piece.clone())));
        let waiting = writer.send(piece.clone());
        let reading = async {
            body.frame().await.unwrap().unwrap();
        };
        let (sent, ()) = tokio::join!(waiting, reading);
        assert_eq!(sent, Ok(()));
    }

    #[tokio::test]
    async fn a_writer_hears_that_its_reader_has_gone() {
        let (writer, body) = pipe();
        drop(body);
        writer.closed().await;
        assert_eq!(writer.send(Bytes::from_static(b"x")).await, Err(Gone));
    }
}
