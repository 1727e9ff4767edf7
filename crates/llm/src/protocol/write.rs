//! Writing JSON bodies and server-sent events.

use crate::ir::{ChatRequest, ExtraField, Json};
use domain::Money;
use serde::{Serialize, Serializer};

/// What is written of a message beside its text.
const PART_BYTES: usize = 64;

/// A value as JSON text. Writing what derives `Serialize` into memory cannot fail; were it to, the body
/// would be empty, which every provider refuses.
pub(crate) fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// The same for a body that holds all that a request says. Room for it is made once: a long text that grows would be
/// copied again and again, and lie in memory twice.
pub(super) fn to_json_of(request: &ChatRequest, value: &impl Serialize) -> Vec<u8> {
    let parts = request.system.iter().chain(request.messages.iter().flat_map(|message| &message.parts));
    let bytes: usize = parts.map(|part| part.bytes() + PART_BYTES).sum();
    to_json_with(512 + bytes, value)
}

/// A value with so many bytes of content as JSON text, for which room is made once.
pub(super) fn to_json_with(content_bytes: usize, value: &impl Serialize) -> Vec<u8> {
    // A quarter more for quotes and line ends.
    let mut out = Vec::with_capacity(512 + content_bytes * 5 / 4);
    if serde_json::to_writer(&mut out, value).is_err() {
        out.clear();
    }
    out
}

/// Appends `data: <json>` and the blank line, after `event: <name>` where there is a name.
pub(super) fn frame(out: &mut Vec<u8>, name: Option<&str>, value: &impl Serialize) {
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    let start = out.len();
    out.extend_from_slice(&to_json(value));
    // JSON that is carried as it came may stand on several lines; a line end would end the data. Within a string of
    // JSON there is none.
    let mut at = start;
    while let Some(found) = memchr::memchr2(b'\n', b'\r', &out[at..]) {
        out[at + found] = b' ';
        at += found + 1;
    }
    out.extend_from_slice(b"\n\n");
}

/// Appends fields to a JSON object that is already written.
pub(super) fn append_fields(body: &mut Vec<u8>, fields: &[ExtraField]) {
    for field in fields {
        if body.pop() != Some(b'}') {
            return;
        }
        if body.last() != Some(&b'{') {
            body.push(b',');
        }
        body.extend_from_slice(&to_json(&field.name));
        body.push(b':');
        body.extend_from_slice(field.value.get().as_bytes());
        body.push(b'}');
    }
}

/// An amount as a JSON number, its decimals exact: a float would add digits of its own.
pub(super) struct Dollars(pub Money);

impl Serialize for Dollars {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match Json::parse(&self.0.to_string()) {
            Some(number) => number.serialize(serializer),
            // `Money` is written as plain decimals, which are JSON.
            None => serializer.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_their_decimals() {
        let cost = Dollars("0.0000125".parse().unwrap());
        assert_eq!(to_json(&cost), b"0.0000125");
    }

    #[test]
    fn a_frame_is_one_line_of_data() {
        let (carried, mut out) = (Json::parse("{\n\"a\":\r\n\"b\\n\"}").unwrap(), Vec::new());
        frame(&mut out, Some("x"), &carried);
        assert_eq!(String::from_utf8(out).unwrap(), "event: x\ndata: { \"a\":  \"b\\n\"}\n\n");
    }

    #[test]
    fn fields_are_appended_to_empty_and_full_objects() {
        let field = ExtraField { name: "a\"".to_owned(), value: Json::parse("1.0").unwrap() };
        for (before, after) in [("{}", r#"{"a\"":1.0}"#), (r#"{"b":2}"#, r#"{"b":2,"a\"":1.0}"#)] {
            let mut body = before.as_bytes().to_vec();
            append_fields(&mut body, std::slice::from_ref(&field));
            assert_eq!(String::from_utf8(body).unwrap(), after);
        }
    }
}
