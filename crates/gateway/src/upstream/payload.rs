//! The body of a request to a provider: one piece where it is short, else parts of the body that arrived with what was
//! changed in between, so that a long body is never held twice.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Pieces are sent together where they are no longer than this: each that is sent costs time of its own.
const FRAME_BYTES_MAX: usize = 64 * 1024;

/// The bytes that are sent. Clones share them.
#[derive(Clone, Debug)]
pub struct Payload {
    pieces: Pieces,
    len: usize,
}

#[derive(Clone, Debug)]
enum Pieces {
    One(Bytes),
    Many(Arc<Vec<Bytes>>),
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self { len: bytes.len(), pieces: Pieces::One(bytes) }
    }
}

impl From<Vec<Bytes>> for Payload {
    fn from(mut pieces: Vec<Bytes>) -> Self {
        pieces.retain(|piece| !piece.is_empty());
        match <[Bytes; 1]>::try_from(pieces) {
            Ok([one]) => one.into(),
            Err(pieces) => {
                let len = pieces.iter().map(Bytes::len).sum();
                Self { len, pieces: Pieces::Many(pieces.into()) }
            }
        }
    }
}

impl Payload {
    /// How many bytes there are, or were.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none, and never were.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All bytes in one piece: a copy, where they are in several.
    pub fn to_bytes(&self) -> Bytes {
        match &self.pieces {
            Pieces::One(bytes) => bytes.clone(),
            Pieces::Many(pieces) => pieces.concat().into(),
        }
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> &[Bytes] {
        match &self.pieces {
            Pieces::One(bytes) => std::slice::from_ref(bytes),
            Pieces::Many(pieces) => pieces,
        }
    }

    /// The same, taken over.
    pub fn into_pieces(self) -> Vec<Bytes> {
        match self.pieces {
            Pieces::One(bytes) => vec![bytes],
            Pieces::Many(pieces) => pieces.to_vec(),
        }
    }

    /// As the body of a request.
    pub fn outgoing(&self) -> Outgoing {
        Outgoing { pieces: self.pieces.clone(), next: 0, left: self.len as u64 }
    }

    /// Lets the bytes go: they were sent, and only their number still matters.
    pub fn release(&mut self) {
        self.pieces = Pieces::One(Bytes::new());
    }
}

/// A payload on its way, whose length is known.
#[derive(Debug)]
pub struct Outgoing {
    pieces: Pieces,
    /// The piece that is next, of several.
    next: usize,
    left: u64,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let at = self.next;
        let (frame, pieces) = match &mut self.pieces {
            Pieces::One(bytes) => (std::mem::take(bytes), 1),
            Pieces::Many(pieces) => frame(&pieces[at..]),
        };
        if frame.is_empty() {
            return Poll::Ready(None);
        }
        self.next += pieces;
        self.left -= frame.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// The next bytes to send, and of how many pieces they are. None once there are no more.
fn frame(pieces: &[Bytes]) -> (Bytes, usize) {
    let mut bytes = 0;
    let fits = |piece: &&Bytes| {
        bytes += piece.len();
        bytes <= FRAME_BYTES_MAX
    };
    match pieces.iter().take_while(fits).count() {
        0 | 1 => (pieces.first().cloned().unwrap_or_default(), 1),
        several => (pieces[..several].concat().into(), several),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn collect(payload: &Payload) -> (Vec<usize>, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut body = payload.outgoing();
            let (mut lengths, mut all) = (Vec::new(), Vec::new());
            while !body.is_end_stream() {
                let left = body.size_hint().exact().unwrap();
                let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
                assert_eq!(body.size_hint().exact(), Some(left - piece.len() as u64));
                lengths.push(piece.len());
                all.extend_from_slice(&piece);
            }
            assert!(body.frame().await.is_none());
            (lengths, all)
        })
    }

    #[test]
    fn one_piece_and_several_are_the_same_bytes() {
        let pieces = ["ab", "", "cde", ""].map(|text| Bytes::from_static(text.as_bytes()));
        let several = Payload::from(pieces.to_vec());
        assert_eq!((several.len(), several.to_bytes()), (5, Bytes::from_static(b"abcde")));
        // Twice, as for a request that is tried again.
        for _ in 0..2 {
            assert_eq!(collect(&several), (vec![5], b"abcde".to_vec()));
        }
        let one = Payload::from(vec![Bytes::new(), Bytes::from_static(b"abcde")]);
        assert_eq!(collect(&one), (vec![5], b"abcde".to_vec()));
        assert_eq!(collect(&Payload::from(Vec::new())), (Vec::new(), Vec::new()));
    }

    #[test]
    fn short_pieces_are_sent_together_and_long_ones_alone() {
        let lengths =
            [10, FRAME_BYTES_MAX, 10, FRAME_BYTES_MAX - 10, 1, 2_000, 2_000, FRAME_BYTES_MAX + 1, 3];
        let pieces: Vec<Bytes> =
            lengths.iter().zip(0..).map(|(length, letter)| vec![letter; *length].into()).collect();
        let (sent, all) = collect(&Payload::from(pieces.clone()));
        assert_eq!(sent, [10, FRAME_BYTES_MAX, FRAME_BYTES_MAX, 4_001, FRAME_BYTES_MAX + 1, 3]);
        assert!(all == pieces.concat());
    }

    #[test]
    fn what_is_released_keeps_its_length() {
        let mut payload = Payload::from(Bytes::from_static(b"abc"));
        payload.release();
        assert_eq!((payload.len(), payload.to_bytes().len(), payload.is_empty()), (3, 0, false));
    }
}
