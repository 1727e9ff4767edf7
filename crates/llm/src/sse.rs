//! Server-sent events: framing, incremental, in bytes.
//!
//! The splitter only looks for the blank line that ends an event; the bytes of complete events are handed
//! on as they came. Format: <https://html.spec.whatwg.org/multipage/server-sent-events.html>, read
//! 2026-11-22.

use bytes::{Bytes, BytesMut};
use std::borrow::Cow;
use std::ops::Range;

/// The longest event that is waited for. A provider that sends more without a blank line is broken.
pub const EVENT_BYTES_MAX: usize = 8 << 20;

/// An event grew beyond [`EVENT_BYTES_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {EVENT_BYTES_MAX} bytes")]
pub struct EventTooLong;

/// One event, borrowed from its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// The `event:` field.
    pub name: Option<&'a [u8]>,
    /// The `data:` lines, joined by line feeds.
    pub data: Cow<'a, [u8]>,
}

impl<'a> Event<'a> {
    /// Reads the bytes of one event. `None` when it has no data: a comment, or a keep-alive.
    pub fn parse(raw: &'a [u8]) -> Option<Event<'a>> {
        let mut name = None;
        let mut data: Option<Cow<'a, [u8]>> = None;
        for line in Lines(raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw)) {
            let (field, value) = match memchr::memchr(b':', line) {
                Some(colon) => (&line[..colon], &line[colon + 1..]),
                None => (line, &b""[..]),
            };
            let value = value.strip_prefix(b" ").unwrap_or(value);
            match (field, &mut data) {
                (b"event", _) => name = Some(value),
                (b"data", None) => data = Some(Cow::Borrowed(value)),
                (b"data", Some(earlier)) => {
                    let joined = earlier.to_mut();
                    joined.push(b'\n');
                    joined.extend_from_slice(value);
                }
                _ => {}
            }
        }
        data.map(|data| Event { name, data })
    }
}

struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr::memchr2(b'\n', b'\r', self.0).unwrap_or(self.0.len());
        let line = &self.0[..end];
        let skip = if self.0[end..].starts_with(b"\r\n") { 2 } else { 1 };
        self.0 = self.0.get(end + skip..).unwrap_or(&[]);
        Some(line)
    }
}

/// Cuts a byte stream into events, whatever the pieces it arrives in.
#[derive(Debug, Default)]
pub struct Splitter {
    /// Bytes of an unfinished event from earlier pieces.
    rest: BytesMut,
    /// Where the last line of `rest` begins.
    line_start: usize,
    /// How far `rest` has been searched: a long line that comes in many pieces is searched only once.
    searched: usize,
}

/// The complete events of a piece: ranges of `bytes`, which hold nothing else.
#[derive(Debug, Default)]
pub struct Complete {
    /// The bytes of all events, one after the other, as they came.
    pub bytes: Bytes,
    /// Where each event stands, its blank line included.
    pub events: Vec<Range<usize>>,
}

impl Splitter {
    /// Takes a piece of the stream; `complete` is filled with the events that are now complete.
    ///
    /// When the piece ends with an event, which is the usual case, its bytes are not copied.
    pub fn feed(&mut self, piece: Bytes, complete: &mut Complete) -> Result<(), EventTooLong> {
        complete.events.clear();
        if self.rest.is_empty() {
            let found = split(&piece, 0, 0, &mut complete.events);
            complete.bytes = piece.slice(..found.end);
            if found.end < piece.len() {
                self.rest.extend_from_slice(&piece[found.end..]);
            }
            self.go_on_after(&found);
        } else {
            self.rest.extend_from_slice(&piece);
            let found = split(&self.rest, self.line_start, self.searched, &mut complete.events);
            complete.bytes = self.rest.split_to(found.end).freeze();
            self.go_on_after(&found);
        }
        if self.rest.len() > EVENT_BYTES_MAX { Err(EventTooLong) } else { Ok(()) }
    }

    fn go_on_after(&mut self, found: &Found) {
        self.line_start = found.line_start - found.end;
        self.searched = found.searched - found.end;
    }

    /// Calls back for each complete event with data.
    pub fn push(&mut self, piece: Bytes, mut each: impl FnMut(Event<'_>)) -> Result<(), EventTooLong> {
        let mut complete = Complete::default();
        self.feed(piece, &mut complete)?;
        for range in complete.events {
            if let Some(event) = Event::parse(&complete.bytes[range]) {
                each(event);
            }
        }
        Ok(())
    }

    /// What is left when the stream ends: an event without its blank line. Some servers never send it.
    pub fn finish(&mut self) -> Bytes {
        self.line_start = 0;
        self.searched = 0;
        self.rest.split().freeze()
    }
}

/// Where a search has come to.
struct Found {
    /// The end of the last complete event.
    end: usize,
    /// The start of the line to go on in.
    line_start: usize,
    /// Before here, that line has no end.
    searched: usize,
}

/// Finds the ends of events in `bytes`, in the line that begins at `line_start` and was searched up to `from`.
fn split(bytes: &[u8], mut line_start: usize, from: usize, events: &mut Vec<Range<usize>>) -> Found {
    let mut event_start = 0;
    let mut searched = from;
    while let Some(found) = memchr::memchr2(b'\n', b'\r', &bytes[searched..]) {
        let end = searched + found;
        let next = match (bytes[end], bytes.get(end + 1)) {
            (b'\r', Some(b'\n')) => end + 2,
            // The line feed of a pair may be in the next piece.
            (b'\r', None) => return Found { end: event_start, line_start, searched: end },
            _ => end + 1,
        };
        if end == line_start {
            events.push(event_start..next);
            event_start = next;
        }
        line_start = next;
        searched = next;
    }
    Found { end: event_start, line_start, searched: bytes.len() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STREAM: &str =
        ": hello\n\nevent: a\ndata: {\"x\":1}\n\ndata:one\r\ndata: two\r\n\r\n\ndata: [DONE]\r\rdata: é\n\n";

    fn events(pieces: &[&[u8]]) -> (Vec<(Option<String>, String)>, Vec<u8>) {
        let mut splitter = Splitter::default();
        let (mut found, mut bytes) = (Vec::new(), Vec::new());
        let mut complete = Complete::default();
        for piece in pieces {
            splitter.feed(Bytes::copy_from_slice(piece), &mut complete).unwrap();
            bytes.extend_from_slice(&complete.bytes);
            for range in &complete.events {
                if let Some(event) = Event::parse(&complete.bytes[range.clone()]) {
                    let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
                    found.push((event.name.map(text), text(&event.data)));
                }
            }
        }
        bytes.extend_from_slice(&splitter.finish());
        (found, bytes)
    }

    #[test]
    fn events_of_all_line_endings_are_found() {
        let (found, bytes) = events(&[STREAM.as_bytes()]);
        let data: Vec<&str> = found.iter().map(|(_, data)| data.as_str()).collect();
        assert_eq!(data, ["{\"x\":1}", "one\ntwo", "[DONE]", "é"]);
        assert_eq!(found[0].0.as_deref(), Some("a"));
        assert_eq!(bytes, STREAM.as_bytes());
    }

    #[test]
    fn a_long_line_in_many_pieces_is_searched_only_once() {
        let mut splitter = Splitter::default();
        let mut complete = Complete::default();
        let piece = Bytes::from_static(b"data: x ");
        for number in 1..1_000 {
            splitter.feed(piece.clone(), &mut complete).unwrap();
            assert_eq!((splitter.line_start, splitter.searched), (0, number * piece.len()));
        }
    }

    #[test]
    fn an_endless_event_is_an_error() {
        let mut splitter = Splitter::default();
        let mut complete = Complete::default();
        let piece = Bytes::from(vec![b'x'; 1 << 20]);
        let fed = (0..9).map(|_| splitter.feed(piece.clone(), &mut complete)).find(Result::is_err);
        assert_eq!(fed, Some(Err(EventTooLong)));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events(cuts in proptest::collection::vec(0..STREAM.len(), 0..12)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &STREAM.as_bytes()[w[0]..w[1]]).collect();
            prop_assert_eq!(events(&pieces), events(&[STREAM.as_bytes()]));
        }

        #[test]
        fn any_bytes_pass_whole(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8)) {
            let refs: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(events_bytes(&refs), pieces.concat());
        }
    }

    fn events_bytes(pieces: &[&[u8]]) -> Vec<u8> {
        let mut splitter = Splitter::default();
        let mut complete = Complete::default();
        let mut bytes = Vec::new();
        for piece in pieces {
            splitter.feed(Bytes::copy_from_slice(piece), &mut complete).unwrap();
            bytes.extend_from_slice(&complete.bytes);
            for range in &complete.events {
                let _ = Event::parse(&complete.bytes[range.clone()]);
            }
        }
        bytes.extend_from_slice(&splitter.finish());
        bytes
    }
}
