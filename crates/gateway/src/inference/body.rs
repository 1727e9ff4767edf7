//! Reading a request's body within its bounds: in one piece, held once, and at no more cost than what has come of it.

use crate::Gateway;
use crate::bodies::{Held, Share};
use crate::refusal::Refusal;
use crate::shed::Shed;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use memmap2::{MmapMut, MmapOptions};
use std::io::{self, Write};

/// Longer bodies lie in memory of their own, which costs what was written of it, whatever was announced, and goes back
/// to the system with them.
const MAPPED_BYTES_MIN: usize = 1024 * 1024;

/// Reads the body, whose share was taken before if its length was told.
pub async fn read(gateway: &Gateway, body: Incoming, share: Option<Share>) -> Result<Held, Refusal> {
    let max = gateway.limits.body_bytes_max;
    // One that says how long it is, is not read to find that out.
    if body.size_hint().lower() > max as u64 {
        return Err(Refusal::BodyTooLarge(max));
    }
    let reading = collect(gateway, Limited::new(body, max), share);
    match tokio::time::timeout(gateway.limits.request_read, reading).await {
        Ok(read) => read,
        Err(_) => Err(Refusal::BodyTooSlow(gateway.limits.request_read.as_secs())),
    }
}

async fn collect(
    gateway: &Gateway,
    mut body: Limited<Incoming>,
    share: Option<Share>,
) -> Result<Held, Refusal> {
    let max = gateway.limits.body_bytes_max;
    let Some(first) = next(&mut body, max).await? else { return Ok(Held::default()) };
    let Some(second) = next(&mut body, max).await? else { return Ok(Held::short(first)) };
    // Kept out of this future, whose size every call pays for.
    Box::pin(join(gateway, [first, second], body, share)).await
}

/// The next bytes of a body; `None` at its end.
async fn next(body: &mut Limited<Incoming>, max: usize) -> Result<Option<Bytes>, Refusal> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => Refusal::BodyTooLarge(max),
            None => Refusal::BodyCut,
        })?;
        if let Ok(piece) = frame.into_data()
            && !piece.is_empty()
        {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}

/// Puts a body together that comes in many pieces.
async fn join(
    gateway: &Gateway,
    begun: [Bytes; 2],
    mut body: Limited<Incoming>,
    mut share: Option<Share>,
) -> Result<Held, Refusal> {
    let max = gateway.limits.body_bytes_max;
    let left = body.size_hint().exact().and_then(|left| usize::try_from(left).ok());
    let announced = left.map(|left| begun[0].len() + begun[1].len() + left);
    // There is no memory, or no address for it.
    let full = |error: std::io::Error| {
        tracing::warn!(%error, "a call is refused: there is no room for its body");
        gateway.overloaded()
    };
    let mut buffer = Buffer::new(announced).map_err(full)?;
    let mut begun = begun.into_iter();
    loop {
        let piece = match begun.next() {
            Some(piece) => piece,
            None => match next(&mut body, max).await? {
                Some(piece) => piece,
                None => break,
            },
        };
        if announced.is_none() {
            let length = (buffer.len() + piece.len()) as u64;
            gateway.bodies.extend(&mut share, length).await.map_err(|Shed| gateway.overloaded())?;
        }
        buffer.push(&piece, max).map_err(full)?;
    }
    Ok(buffer.into_held(share))
}

/// A body that is being put together.
enum Buffer {
    Heap(BytesMut),
    Mapped(Mapped),
}

/// Memory from the system, of which the beginning is written.
struct Mapped {
    map: MmapMut,
    len: usize,
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        self.map.get(..self.len).unwrap_or_default()
    }
}

impl Mapped {
    fn new(bytes_max: usize) -> io::Result<Self> {
        // What is not written takes no memory, and no promise of any.
        let map = MmapOptions::new().len(bytes_max).no_reserve_swap().map_anon()?;
        Ok(Self { map, len: 0 })
    }

    fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        self.map.get_mut(self.len..).unwrap_or_default().write_all(piece)?;
        self.len += piece.len();
        Ok(())
    }
}

impl Buffer {
    /// For a body of which so many bytes are announced.
    fn new(announced: Option<usize>) -> io::Result<Self> {
        match announced {
            Some(bytes) if bytes >= MAPPED_BYTES_MIN => Mapped::new(bytes).map(Self::Mapped),
            Some(bytes) => Ok(Self::Heap(BytesMut::with_capacity(bytes))),
            None => Ok(Self::Heap(BytesMut::new())),
        }
    }

    fn len(&self) -> usize {
        match self {
            Buffer::Heap(bytes) => bytes.len(),
            Buffer::Mapped(mapped) => mapped.len,
        }
    }

    /// Appends bytes to a body of at most `max`.
    fn push(&mut self, piece: &[u8], max: usize) -> io::Result<()> {
        if let Buffer::Heap(bytes) = self
            && bytes.len() + piece.len() > MAPPED_BYTES_MIN
        {
            let mut mapped = Mapped::new(max)?;
            mapped.push(bytes)?;
            *self = Buffer::Mapped(mapped);
        }
        match self {
            Buffer::Heap(bytes) => {
                bytes.extend_from_slice(piece);
                Ok(())
            }
            Buffer::Mapped(mapped) => mapped.push(piece),
        }
    }

    fn into_held(self, share: Option<Share>) -> Held {
        match self {
            Buffer::Heap(bytes) if share.is_none() => Held::short(bytes.freeze()),
            Buffer::Heap(bytes) => Held::new(bytes.freeze(), share),
            Buffer::Mapped(mapped) => Held::new(mapped, share),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_the_same_wherever_it_lies() {
        let piece = |at: usize| vec![at as u8; 70_000];
        for pieces in [2, 14, 15, 16, 40] {
            let whole: Vec<u8> = (0..pieces).flat_map(piece).collect();
            for announced in [None, Some(whole.len())] {
                let mut buffer = Buffer::new(announced).unwrap();
                for at in 0..pieces {
                    buffer.push(&piece(at), whole.len()).unwrap();
                }
                assert_eq!(buffer.len(), whole.len());
                assert!(buffer.into_held(None).bytes == whole, "{pieces} {announced:?}");
            }
        }
    }

    #[test]
    fn more_than_the_longest_body_finds_no_room() {
        let mut buffer = Buffer::new(Some(MAPPED_BYTES_MIN)).unwrap();
        assert!(buffer.push(&vec![0; MAPPED_BYTES_MIN + 1], MAPPED_BYTES_MIN).is_err());
    }
}
