//! The body of a request to a provider: one piece where it is short, else parts of the body that arrived with what was
//! changed in between, so that a long body is never held twice.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The bytes that are sent. Clones share them.
#[derive(Clone, Debug)]
pub struct Payload {
    pieces: Pieces,
    len: usize,
}

#[derive(Clone, Debug)]
enum Pieces {
    One(Bytes),
    Many(Arc<[Bytes]>),
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
        let piece = match &mut self.pieces {
            Pieces::One(bytes) => std::mem::take(bytes),
            Pieces::Many(pieces) => pieces.get(at).cloned().unwrap_or_default(),
        };
        if piece.is_empty() {
            return Poll::Ready(None);
        }
        self.next += 1;
        self.left -= piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
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
            assert_eq!(collect(&several), (vec![2, 3], b"abcde".to_vec()));
        }
        let one = Payload::from(vec![Bytes::new(), Bytes::from_static(b"abcde")]);
        assert_eq!(collect(&one), (vec![5], b"abcde".to_vec()));
        assert_eq!(collect(&Payload::from(Vec::new())), (Vec::new(), Vec::new()));
    }

    #[test]
    fn what_is_released_keeps_its_length() {
        let mut payload = Payload::from(Bytes::from_static(b"abc"));
        payload.release();
        assert_eq!((payload.len(), payload.to_bytes().len(), payload.is_empty()), (3, 0, false));
    }
}
