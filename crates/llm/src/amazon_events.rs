//! Amazon's event stream encoding: binary messages, turned into server-sent events, passed on as they are, or written.
//!
//! <https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html>, read 2026-11-26: lengths, headers, a payload, and a checksum of
//! each part. Everything that reads a stream reads one kind: an event's type becomes its name, its payload its
//! data; Claude's own events, which come in base64 within a payload, become themselves; exceptions become events named
//! `error` in the shape that Anthropic's protocol has for them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BytesMut};
use serde::Deserialize;
use std::borrow::Cow;

/// The longest message that is waited for, as for server-sent events.
const MESSAGE_BYTES_MAX: usize = crate::sse::EVENT_BYTES_MAX;
/// Lengths of the message and of its headers, and their checksum.
const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;

/// Why a stream cannot be read any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A message is longer than [`crate::sse::EVENT_BYTES_MAX`].
    #[error("a message of the stream is longer than {MESSAGE_BYTES_MAX} bytes")]
    TooLong,
    /// A message is not what its checksum says.
    #[error("a message of the stream does not fit its checksum")]
    Checksum,
    /// Lengths or headers contradict each other.
    #[error("a message of the stream is malformed")]
    Malformed,
}

/// Takes messages out of a byte stream, whatever the pieces it arrives in.
#[derive(Debug, Default)]
pub struct Unframer {
    rest: BytesMut,
}

impl Unframer {
    /// Takes a piece of the stream; what is complete now is added to `out` as server-sent events.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        self.each(piece, |frame| frame.message.write(out))
    }

    /// Takes a piece of the stream; hands over what is complete now, message by message.
    pub fn each(&mut self, piece: &[u8], mut take: impl FnMut(Frame<'_>)) -> Result<(), FrameError> {
        self.rest.extend_from_slice(piece);
        while let Some(length) = next_length(&self.rest)? {
            let Some(raw) = self.rest.get(..length) else { return Ok(()) };
            take(Frame { raw, message: Message::read(raw)? });
            self.rest.advance(length);
        }
        Ok(())
    }
}

/// A whole message, and the bytes that it is.
pub struct Frame<'a> {
    raw: &'a [u8],
    message: Message<'a>,
}

impl Frame<'_> {
    /// The message as it came.
    pub fn raw(&self) -> &[u8] {
        self.raw
    }

    /// What it is: the type of an event, an exception or an error.
    pub fn name(&self) -> &str {
        self.message.name
    }

    /// What it carries.
    pub fn payload(&self) -> &[u8] {
        self.message.payload
    }

    /// What it tells of a failure, in the shape that Anthropic's protocol has for them. `None`: it tells of none.
    pub fn failure(&self) -> Option<Vec<u8>> {
        matches!(self.message.kind, "exception" | "error").then(|| self.message.error())
    }

    /// Writes the same message with another payload.
    pub fn write_with(&self, payload: &[u8], out: &mut Vec<u8>) {
        let headers = self.raw.len().saturating_sub(self.message.payload.len() + CHECKSUM);
        write_message(self.raw.get(PRELUDE..headers).unwrap_or_default(), payload, out);
    }
}

/// How long the next message is, once that has come. Told lengths are believed only after their checksum.
fn next_length(bytes: &[u8]) -> Result<Option<usize>, FrameError> {
    let Some(prelude) = bytes.get(..PRELUDE) else { return Ok(None) };
    let length = number(prelude, 0).ok_or(FrameError::Malformed)?;
    if number(prelude, 8) != Some(checksum(&prelude[..8])) {
        return Err(FrameError::Checksum);
    }
    let length = usize::try_from(length).map_err(|_| FrameError::TooLong)?;
    match length {
        _ if length > MESSAGE_BYTES_MAX => Err(FrameError::TooLong),
        _ if length < PRELUDE + CHECKSUM => Err(FrameError::Malformed),
        _ => Ok(Some(length)),
    }
}

/// The four bytes at a place, as a number.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_be_bytes(four))
}

fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// One message, as far as it matters here.
#[derive(Default)]
struct Message<'a> {
    /// `event`, `exception` or `error`.
    kind: &'a str,
    /// What event, exception or error it is.
    name: &'a str,
    /// What an error says; exceptions say it in their payload.
    said: &'a str,
    payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a whole message.
    fn read(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let body_end = bytes.len() - CHECKSUM;
        if number(bytes, body_end) != Some(checksum(&bytes[..body_end])) {
            return Err(FrameError::Checksum);
        }
        let headers = number(bytes, 4).and_then(|length| usize::try_from(length).ok());
        let headers_end = headers.and_then(|length| length.checked_add(PRELUDE));
        let headers_end = headers_end.filter(|end| *end <= body_end).ok_or(FrameError::Malformed)?;
        let mut message = Message { payload: &bytes[headers_end..body_end], ..Message::default() };
        let mut left = &bytes[PRELUDE..headers_end];
        while !left.is_empty() {
            let (name, text) = header(&mut left).ok_or(FrameError::Malformed)?;
            let text = text.unwrap_or_default();
            match name {
                b":message-type" => message.kind = text,
                b":event-type" | b":exception-type" | b":error-code" => message.name = text,
                b":error-message" => message.said = text,
                _ => {}
            }
        }
        Ok(message)
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self.kind {
            "exception" | "error" => write_event("error", &self.error(), out),
            // Claude's own events.
            _ if self.name == "chunk" => match chunk(self.payload) {
                Some((name, data)) => write_event(&name, &data, out),
                None => write_event(self.name, self.payload, out),
            },
            _ => write_event(self.name, self.payload, out),
        }
    }

    fn error(&self) -> Vec<u8> {
        #[derive(Deserialize)]
        struct Said<'a> {
            #[serde(borrow, alias = "Message")]
            message: Cow<'a, str>,
        }
        let said = serde_json::from_slice::<Said<'_>>(self.payload).map(|said| said.message);
        let said = said.unwrap_or_else(|_| match self.said {
            "" => String::from_utf8_lossy(self.payload),
            said => Cow::Borrowed(said),
        });
        let error = serde_json::json!({"type": "error", "error": {"type": self.name, "message": said}});
        error.to_string().into_bytes()
    }
}

/// The name and the text, if it is one, of the header that comes next.
fn header<'a>(left: &mut &'a [u8]) -> Option<(&'a [u8], Option<&'a str>)> {
    fn take<'a>(left: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = left.split_at_checked(length)?;
        *left = rest;
        Some(taken)
    }
    let length = *take(left, 1)?.first()?;
    let name = take(left, usize::from(length))?;
    let kind = *take(left, 1)?.first()?;
    let length = match kind {
        // True and false.
        0 | 1 => 0,
        // Numbers of one to eight bytes.
        2 => 1,
        3 => 2,
        4 => 4,
        // A number, or a time.
        5 | 8 => 8,
        // Bytes, or a text.
        6 | 7 => usize::from(u16::from_be_bytes(take(left, 2)?.try_into().ok()?)),
        // A UUID.
        9 => 16,
        _ => return None,
    };
    let value = take(left, length)?;
    Some((name, std::str::from_utf8(value).ok().filter(|_| kind == 7)))
}

/// An event in base64 within a payload, and its type.
fn chunk(payload: &[u8]) -> Option<(String, Vec<u8>)> {
    #[derive(Deserialize)]
    struct Wrapped<'a> {
        #[serde(borrow)]
        bytes: Cow<'a, str>,
    }
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    let wrapped: Wrapped<'_> = serde_json::from_slice(payload).ok()?;
    let data = STANDARD.decode(wrapped.bytes.as_bytes()).ok()?;
    let name = serde_json::from_slice::<Typed<'_>>(&data).ok()?.kind.into_owned();
    Some((name, data))
}

/// Writes a server-sent event. JSON has line ends only where white space may stand.
fn write_event(name: &str, data: &[u8], out: &mut Vec<u8>) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.bytes().all(is_plain) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    out.extend(data.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    out.extend_from_slice(b"\n\n");
}

/// A message with these headers, which are texts.
pub fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    for (name, value) in headers {
        // Names and values of ours are short.
        written.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        written.extend_from_slice(name.as_bytes());
        written.push(7);
        written.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        written.extend_from_slice(value.as_bytes());
    }
    let mut out = Vec::with_capacity(PRELUDE + written.len() + payload.len() + CHECKSUM);
    write_message(&written, payload, &mut out);
    out
}

/// Appends a message: its headers as they stand in it, and its payload.
fn write_message(headers: &[u8], payload: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    out.extend_from_slice(&number(PRELUDE + headers.len() + payload.len() + CHECKSUM));
    out.extend_from_slice(&number(headers.len()));
    let prelude = checksum(&out[start..]);
    out.extend_from_slice(&prelude.to_be_bytes());
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    let whole = checksum(&out[start..]);
    out.extend_from_slice(&whole.to_be_bytes());
}

/// An event of a type, as [`message`] writes it.
pub fn event(kind: &str, payload: &str) -> Vec<u8> {
    let headers = [(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")];
    message(&headers, payload.as_bytes())
}

/// An exception of a type, as [`message`] writes it.
pub fn exception(kind: &str, payload: &str) -> Vec<u8> {
    let headers =
        [(":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception")];
    message(&headers, payload.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(pieces: &[&[u8]]) -> Result<String, FrameError> {
        let mut unframer = Unframer::default();
        let mut out = Vec::new();
        for piece in pieces {
            unframer.push(piece, &mut out)?;
        }
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    fn stream() -> Vec<u8> {
        let inner = STANDARD.encode("{\"type\":\"ping\"}");
        let error = [(":message-type", "error"), (":error-code", "Gone"), (":error-message", "it \"left\"")];
        [
            event("messageStart", "{\"role\":\n\"assistant\"}"),
            event("chunk", &format!("{{\"bytes\":\"{inner}\",\"p\":\"abc\"}}")),
            exception("throttlingException", "{\"message\":\"slow down\"}"),
            message(&error, b""),
        ]
        .concat()
    }

    const READ: &str = "event: messageStart\ndata: {\"role\": \"assistant\"}\n\n\
        event: ping\ndata: {\"type\":\"ping\"}\n\n\
        event: error\ndata: {\"error\":{\"message\":\"slow down\",\"type\":\"throttlingException\"},\"type\":\"error\"}\n\n\
        event: error\ndata: {\"error\":{\"message\":\"it \\\"left\\\"\",\"type\":\"Gone\"},\"type\":\"error\"}\n\n";

    #[test]
    fn messages_become_events() {
        assert_eq!(read(&[&stream()]).unwrap(), READ);
    }

    /// Bytes of somebody else: the checksums are not our own.
    #[test]
    fn messages_of_the_vendors_own_tests_are_read() {
        // The vectors of `tests/message_serializer_test.c` in awslabs/aws-c-event-stream, read 2026-11-26.
        let empty = b"\0\0\0\x10\0\0\0\0\x05\xc2\x48\xeb\x7d\x98\xc8\xff".as_slice();
        let text = b"\0\0\0\x3d\0\0\0\x20\x07\xfd\x83\x96\x0ccontent-type\x07\0\x10application/json\
            {'foo':'bar'}\x8d\x9c\x08\xb1";
        let number =
            b"\0\0\0\x2b\0\0\0\x0e\x34\x8b\xec\x7b\x08event-id\x04\0\0\xa0\x0c{'foo':'bar'}\xd3\x89\x02\x85";
        let data = "data: {'foo':'bar'}\n\n";
        for (bytes, expected) in [(empty, "data: \n\n"), (text.as_slice(), data), (number.as_slice(), data)] {
            assert_eq!(read(&[bytes]).unwrap(), expected);
        }
    }

    #[test]
    fn a_message_passes_as_it_came_or_with_another_payload() {
        let mut unframer = Unframer::default();
        let (mut same, mut other, mut failures) = (Vec::new(), Vec::new(), 0);
        let take = |frame: Frame<'_>| {
            same.extend_from_slice(frame.raw());
            failures += usize::from(frame.failure().is_some());
            frame.write_with(frame.payload(), &mut other);
        };
        unframer.each(&stream(), take).unwrap();
        assert_eq!((&same, &other, failures), (&stream(), &stream(), 2));
        let mut changed = Vec::new();
        Unframer::default()
            .each(&event("a", "{}"), |frame| frame.write_with(b"{\"b\":1}", &mut changed))
            .unwrap();
        assert_eq!(changed, event("a", "{\"b\":1}"));
    }

    #[test]
    fn a_changed_byte_is_found_and_no_length_is_believed() {
        for at in 0..event("a", "{}").len() {
            let mut bytes = event("a", "{}");
            bytes[at] ^= 1;
            assert!(read(&[&bytes]).is_err(), "byte {at}");
        }
        let mut long = 0x7fff_ffff_u32.to_be_bytes().to_vec();
        long.extend_from_slice(&[0; 4]);
        long.extend_from_slice(&checksum(&long).to_be_bytes());
        assert_eq!(read(&[&long]), Err(FrameError::TooLong));
        let mut short = [15_u32.to_be_bytes(), [0; 4]].concat();
        short.extend_from_slice(&checksum(&short).to_be_bytes());
        assert_eq!(read(&[&short]), Err(FrameError::Malformed));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events(cuts in proptest::collection::vec(0..400_usize, 0..12)) {
            let bytes = stream();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            prop_assert_eq!(read(&pieces).unwrap(), READ);
        }

        #[test]
        fn any_bytes_are_survived(headers in proptest::collection::vec(any::<u8>(), 0..60), payload in any::<Vec<u8>>()) {
            // Headers of any bytes under checksums that fit.
            let mut bytes = message(&[], &[headers.as_slice(), &payload].concat());
            let length = u32::try_from(headers.len()).unwrap().to_be_bytes();
            bytes[4..8].copy_from_slice(&length);
            let prelude = checksum(&bytes[..8]).to_be_bytes();
            bytes[8..12].copy_from_slice(&prelude);
            let end = bytes.len() - CHECKSUM;
            let whole = checksum(&bytes[..end]).to_be_bytes();
            bytes[end..].copy_from_slice(&whole);
            let _ = read(&[&bytes]);
            let _ = read(&[&payload]);
        }
    }
}
