//! A JSON object whose values stay the exact bytes that arrived.
//!
//! Big numbers, `1.0`, key order and nested white space survive, so a prompt that passes through keeps the
//! prefix its provider has cached. Only the top level is taken apart; what is inside a value is checked to
//! be JSON and never touched.

use bytes::Bytes;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// More top-level fields than any protocol has: a body with more is refused, which also bounds the search
/// for twins.
const FIELDS_MAX: usize = 256;

/// Why bytes are not a usable JSON object.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// Not JSON, or not an object.
    #[error("the body is not a JSON object: {0}")]
    Syntax(String),
    /// A field stands twice: whoever reads the first and whoever reads the last would disagree.
    #[error("the field `{0}` stands twice")]
    Duplicate(String),
    /// Too many fields.
    #[error("the body has more than {FIELDS_MAX} fields")]
    TooManyFields,
}

#[derive(Clone, Debug)]
enum Value {
    /// Where it stands in the bytes that arrived.
    Kept(Range<usize>),
    /// What it was replaced by: JSON text.
    New(Vec<u8>),
}

/// Room for so many fields is made at once.
const FIELDS_USUAL: usize = 8;

#[derive(Clone, Debug)]
enum Key {
    /// Where it stands in the bytes that arrived, where it is written without escapes.
    Kept(Range<usize>),
    New(Box<str>),
}

#[derive(Clone, Debug)]
struct Field {
    key: Key,
    value: Value,
}

impl Field {
    fn key<'a>(&'a self, bytes: &'a [u8]) -> &'a str {
        match &self.key {
            // It was text when it was read.
            Key::Kept(range) => std::str::from_utf8(&bytes[range.clone()]).unwrap_or_default(),
            Key::New(key) => key,
        }
    }

    fn is(&self, key: &str, bytes: &[u8]) -> bool {
        match &self.key {
            Key::Kept(range) => bytes[range.clone()] == *key.as_bytes(),
            Key::New(known) => **known == *key,
        }
    }
}

/// A JSON object over the bytes it came in. See the module.
#[derive(Clone, Debug)]
pub struct RawObject {
    bytes: Bytes,
    fields: Vec<Field>,
    is_changed: bool,
}

impl RawObject {
    /// Takes an object apart.
    pub fn parse(bytes: Bytes) -> Result<Self, RawError> {
        let mut fields: Vec<Field> = Vec::new();
        {
            let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
            let base = bytes.as_ptr() as usize;
            let read = deserializer
                .deserialize_map(Fields { base, into: &mut fields })
                .and_then(|()| deserializer.end());
            if let Err(error) = read {
                return Err(RawError::Syntax(error.to_string()));
            }
        }
        if fields.len() > FIELDS_MAX {
            return Err(RawError::TooManyFields);
        }
        for (at, field) in fields.iter().enumerate() {
            let key = field.key(&bytes);
            if fields[..at].iter().any(|earlier| earlier.is(key, &bytes)) {
                return Err(RawError::Duplicate(key.to_owned()));
            }
        }
        Ok(Self { bytes, fields, is_changed: false })
    }

    /// The bytes it was parsed from.
    pub fn original(&self) -> &Bytes {
        &self.bytes
    }

    /// The names of the fields, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.key(&self.bytes))
    }

    /// The JSON text of a field.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.fields.iter().find(|field| field.is(key, &self.bytes)).map(|field| self.text(&field.value))
    }

    /// The JSON text of a field, to keep: a part of the bytes that arrived, unless it was replaced.
    pub fn value(&self, key: &str) -> Option<Bytes> {
        let field = self.fields.iter().find(|field| field.is(key, &self.bytes))?;
        Some(match &field.value {
            Value::Kept(range) => self.bytes.slice(range.clone()),
            Value::New(text) => Bytes::copy_from_slice(text),
        })
    }

    /// Replaces a field's value by this JSON text, or adds the field at the end.
    pub fn set(&mut self, key: &str, json: Vec<u8>) {
        self.is_changed = true;
        match self.fields.iter_mut().find(|field| field.is(key, &self.bytes)) {
            Some(field) => field.value = Value::New(json),
            None => self.fields.push(Field { key: Key::New(key.into()), value: Value::New(json) }),
        }
    }

    /// Replaces a field's value by this text, as a JSON string.
    pub fn set_string(&mut self, key: &str, text: &str) {
        // Writing a string to memory cannot fail.
        self.set(key, serde_json::to_vec(text).unwrap_or_default());
    }

    /// Takes a field out.
    pub fn remove(&mut self, key: &str) -> bool {
        let before = self.fields.len();
        self.fields.retain(|field| !field.is(key, &self.bytes));
        let removed = self.fields.len() < before;
        self.is_changed |= removed;
        removed
    }

    /// The object as bytes: those that arrived when nothing was changed.
    pub fn to_bytes(&self) -> Bytes {
        if !self.is_changed {
            return self.bytes.clone();
        }
        let length: usize = self
            .fields
            .iter()
            .map(|field| field.key(&self.bytes).len() + 4 + self.text(&field.value).len())
            .sum();
        let mut out = Vec::with_capacity(length + 2);
        out.push(b'{');
        for (at, field) in self.fields.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_key(&mut out, field.key(&self.bytes));
            out.push(b':');
            out.extend_from_slice(self.text(&field.value));
        }
        out.push(b'}');
        out.into()
    }

    /// The object as pieces that follow each other. Values of at least `own_bytes_min` bytes are pieces of their own:
    /// parts of the bytes that arrived, or what they were replaced by, but no copies.
    pub fn into_pieces(self, own_bytes_min: usize) -> Vec<Bytes> {
        if !self.is_changed {
            return vec![self.bytes];
        }
        let mut pieces = Vec::new();
        let mut between = vec![b'{'];
        for (at, field) in self.fields.into_iter().enumerate() {
            if at > 0 {
                between.push(b',');
            }
            write_key(&mut between, field.key(&self.bytes));
            between.push(b':');
            let value = match field.value {
                Value::Kept(range) => self.bytes.slice(range),
                Value::New(text) => text.into(),
            };
            if value.len() < own_bytes_min {
                between.extend_from_slice(&value);
            } else {
                pieces.push(std::mem::take(&mut between).into());
                pieces.push(value);
            }
        }
        between.push(b'}');
        pieces.push(between.into());
        pieces
    }

    fn text<'a>(&'a self, value: &'a Value) -> &'a [u8] {
        match value {
            Value::Kept(range) => &self.bytes[range.clone()],
            Value::New(text) => text,
        }
    }
}

fn write_key(out: &mut Vec<u8>, key: &str) {
    let is_plain = key.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\');
    if is_plain {
        out.push(b'"');
        out.extend_from_slice(key.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(&serde_json::to_vec(key).unwrap_or_default());
    }
}

/// Where a borrowed piece of the parsed bytes stands in them.
pub(crate) fn range_of(base: usize, piece: &str) -> Range<usize> {
    let start = (piece.as_ptr() as usize).wrapping_sub(base);
    start..start + piece.len()
}

struct Fields<'a> {
    base: usize,
    into: &'a mut Vec<Field>,
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            if self.into.len() <= FIELDS_MAX {
                if self.into.is_empty() {
                    self.into.reserve(FIELDS_USUAL);
                }
                let value = Value::Kept(range_of(self.base, value.get()));
                let key = match name {
                    Cow::Borrowed(name) => Key::Kept(range_of(self.base, name)),
                    Cow::Owned(name) => Key::New(name.into()),
                };
                self.into.push(Field { key, value });
            }
        }
        Ok(())
    }
}

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> RawObject {
        RawObject::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn untouched_bytes_stay_as_they_came() {
        let text = "{ \"a\" : 1.0 , \"b\":[1e400, {\"c\" : 12345678901234567890123} ]}";
        assert_eq!(&parse(text).to_bytes()[..], text.as_bytes());
    }

    #[test]
    fn an_edit_leaves_its_neighbours_bytes_alone() {
        let mut object = parse(r#"{"model":"a/b","messages":[ {"x" : 1.0} ],"n":1}"#);
        object.set_string("model", "b\"");
        object.remove("n");
        object.set("stream_options", b"{\"include_usage\":true}".to_vec());
        let expected =
            r#"{"model":"b\"","messages":[ {"x" : 1.0} ],"stream_options":{"include_usage":true}}"#;
        assert_eq!(std::str::from_utf8(&object.to_bytes()).unwrap(), expected);
    }

    #[test]
    fn a_field_that_stands_twice_is_refused() {
        let twice = Bytes::from_static(b"{\"model\":1,\"mod\\u0065l\":2}");
        assert!(matches!(RawObject::parse(twice), Err(RawError::Duplicate(key)) if key == "model"));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[]", "1", "{", "{\"a\":1}x", "{\"a\":nul}", "{\"a\" 1}", "\u{feff}{}"] {
            assert!(RawObject::parse(Bytes::copy_from_slice(text.as_bytes())).is_err(), "{text:?}");
        }
    }

    #[test]
    fn very_many_fields_are_refused() {
        let body: Vec<String> = (0..1000).map(|n| format!("\"k{n}\":0")).collect();
        let body = Bytes::from(format!("{{{}}}", body.join(",")));
        assert!(matches!(RawObject::parse(body), Err(RawError::TooManyFields)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = RawObject::parse(bytes.into());
        }

        #[test]
        fn an_edited_object_is_still_json(key in "\\PC{0,8}", text in "\\PC{0,20}") {
            let mut object = parse(r#"{"a":1}"#);
            object.set_string(&key, &text);
            let again: serde_json::Value = serde_json::from_slice(&object.to_bytes()).unwrap();
            prop_assert_eq!(again[&key].as_str(), Some(text.as_str()));
        }

        #[test]
        fn pieces_are_the_same_bytes(least in 0..12_usize, key in "[a-d]", text in "\\PC{0,20}") {
            let mut object = parse(r#"{"a":[1, 2,3],"b":"0123456789","c":{}}"#);
            prop_assert_eq!(object.clone().into_pieces(least), [object.original().clone()]);
            object.set_string(&key, &text);
            object.remove("c");
            prop_assert_eq!(object.clone().into_pieces(least).concat(), object.to_bytes());
        }
    }
}
