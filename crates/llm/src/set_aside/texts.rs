//! Where the long texts of a conversation stand that every translation carries as they are.
//!
//! These are the texts of messages, of instructions and of what tools gave back: strings in both protocols, of which
//! nobody reads a letter. What a translation does with them beside writing them again is provided for: it writes words
//! around them, takes white space off their end, which therefore stays where it is, and leaves out empty ones, which are
//! none of the long. Arguments of tools are not among them: a string in one protocol is an object in the other.

use crate::raw::range_of;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::ops::Range;

/// Shorter texts stay where they are: what is made of a message takes as much beside its text.
const TEXT_BYTES_MIN: usize = 512;

/// Where one of these fields of a request has long texts: the insides of JSON strings.
///
/// `None`: all of them must be read. It has citations, which tell the letters of the texts before them that rest on
/// something, or a part that is no plain object and might have some.
pub(super) fn of(field: &str, json: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut found = Found { base: json.as_ptr() as usize, runs: Vec::new(), must_be_read: false };
    let raw = serde_json::from_slice(json).ok();
    found.content(raw, if field == "messages" { Depth::Message } else { Depth::Part });
    (!found.must_be_read).then_some(found.runs)
}

/// What of a message or a part of one matters here. One that has a field twice cannot be read.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<Kind<'a>>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    citations: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Kind<'a>(#[serde(borrow)] Cow<'a, str>);

/// How deep an item lies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// A message.
    Message,
    /// A part of a message, or of the instructions.
    Part,
    /// A part of what a tool gave back.
    Result,
}

struct Found {
    base: usize,
    runs: Vec<Range<usize>>,
    must_be_read: bool,
}

impl Found {
    fn item(&mut self, raw: &RawValue, depth: Depth) {
        let Ok(item) = serde_json::from_str::<Item<'_>>(raw.get()) else {
            self.must_be_read = true;
            return;
        };
        match (depth, item.kind.as_ref().map(|kind| &*kind.0)) {
            (Depth::Message, _) => self.content(item.content, Depth::Part),
            (Depth::Part, Some("tool_result")) => self.content(item.content, Depth::Result),
            // Converse's parts have no `type`.
            (_, Some("text") | None) => {
                self.must_be_read |= item.citations.is_some_and(|citations| citations.get() != "[]");
                if let Some(text) = item.text {
                    self.text(text);
                }
            }
            _ => {}
        }
    }

    fn content(&mut self, raw: Option<&RawValue>, depth: Depth) {
        let Some(raw) = raw else { return };
        match raw.get().as_bytes() {
            [b'[', ..] => {
                let items: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
                items.into_iter().for_each(|item| self.item(item, depth));
            }
            _ => self.text(raw),
        }
    }

    fn text(&mut self, raw: &RawValue) {
        let inside = raw.get().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let Some(text) = inside.filter(|text| text.len() >= TEXT_BYTES_MIN) else { return };
        if let Some(end) = end(text).filter(|end| *end >= TEXT_BYTES_MIN) {
            self.runs.push(range_of(self.base, &text[..end]));
        }
    }
}

/// Where the inside of a JSON string ends but for white space. `None`: it has half a letter, and will be refused.
fn end(text: &str) -> Option<usize> {
    let (mut from, mut end) = (0, 0);
    loop {
        let stop = memchr::memchr(b'\\', &text.as_bytes()[from..]).map_or(text.len(), |at| from + at);
        let plain = text[from..stop].trim_end();
        if !plain.is_empty() {
            end = from + plain.len();
        }
        if stop == text.len() {
            return Some(end);
        }
        let (letter, bytes) = escaped(&text[stop + 1..])?;
        from = stop + 1 + bytes;
        if !letter.is_whitespace() {
            end = from;
        }
    }
}

/// The letter whose escape goes on like this, and how many bytes that takes.
fn escaped(rest: &str) -> Option<(char, usize)> {
    Some(match rest.as_bytes().first()? {
        b'n' => ('\n', 1),
        b'r' => ('\r', 1),
        b't' => ('\t', 1),
        b'f' => ('\u{c}', 1),
        b'u' => {
            let unit = |at: usize| u16::from_str_radix(rest.get(at..at + 4)?, 16).ok();
            let first = unit(1)?;
            let second = rest[5..].starts_with("\\u").then(|| unit(7)).flatten();
            let units = [Some(first), second].into_iter().flatten();
            let letter = char::decode_utf16(units).next()?.ok()?;
            (letter, if letter.len_utf16() == 1 { 5 } else { 11 })
        }
        _ => ('x', 1),
    })
}

#[cfg(test)]
mod tests;
