//! A JSON object of which each field is taken once.
//!
//! Taking by name gives every error its path, and what is left over at the end is what nobody understood:
//! it is told instead of being dropped in silence. Values are read only when they are taken.

use super::TranslateError;
use crate::ir::{ExtraField, Json};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Unknown fields whose paths are kept; a body full of nonsense needs no longer list.
pub(crate) const IGNORED_MAX: usize = 32;
/// Room for so many fields is made at once.
const FIELDS_USUAL: usize = 8;
/// Arrays of objects that are no longer are read at once, which may take fifty times their length.
const AT_ONCE_BYTES_MAX: usize = 16 * 1024;

/// An object and what is left in it.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    path: String,
    left: Vec<(Cow<'a, str>, &'a RawValue)>,
}

struct Left<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Left<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut left = Vec::new();
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    // `null` says the same as nothing.
                    if value.get() != "null" {
                        if left.is_empty() {
                            left.reserve(FIELDS_USUAL);
                        }
                        left.push((key, value));
                    }
                }
                Ok(left)
            }
        }
        deserializer.deserialize_map(Collect).map(Left)
    }
}

/// Borrows a key where it has no escapes; `Cow` alone would always copy.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// What a value is, by its first byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    String,
    Array,
    Object,
    Other,
}

/// What a raw value is.
pub(super) fn kind(raw: &RawValue) -> Kind {
    match raw.get().as_bytes().first() {
        Some(b'"') => Kind::String,
        Some(b'[') => Kind::Array,
        Some(b'{') => Kind::Object,
        _ => Kind::Other,
    }
}

/// A complaint about the value at a path.
pub(super) fn invalid(path: &str, message: impl fmt::Display) -> TranslateError {
    let message = if path.is_empty() { message.to_string() } else { format!("{path}: {message}") };
    TranslateError::InvalidRequest { message, param: (!path.is_empty()).then(|| path.to_owned()) }
}

/// Reads the value at a path.
pub(super) fn read<'a, T: Deserialize<'a>>(path: &str, raw: &'a RawValue) -> Result<T, TranslateError> {
    serde_json::from_str(raw.get()).map_err(|error| invalid(path, position_free(&error)))
}

/// The same of a field, whose path nobody needs unless it is wrong.
fn read_field<'a, T: Deserialize<'a>>(
    of: &Fields<'_>,
    key: &str,
    raw: &'a RawValue,
) -> Result<T, TranslateError> {
    serde_json::from_str(raw.get()).map_err(|error| invalid(&of.path(key), position_free(&error)))
}

/// Reads a string.
pub(super) fn text<'a>(path: &str, raw: &'a RawValue) -> Result<Cow<'a, str>, TranslateError> {
    read::<Text<'a>>(path, raw).map(|text| text.0)
}

/// The objects of an array, each with its path.
pub(super) fn objects<'a>(path: &str, raw: &'a RawValue) -> Result<Vec<Fields<'a>>, TranslateError> {
    each_object(path, raw)?.collect()
}

/// The same one after the other: all of a long array would take more memory than what is made of them. A short one is
/// read at once, which spares looking at its texts once more.
pub(super) fn each_object<'a>(
    path: &str,
    raw: &'a RawValue,
) -> Result<impl ExactSizeIterator<Item = Result<Fields<'a>, TranslateError>>, TranslateError> {
    let at_once =
        (raw.get().len() <= AT_ONCE_BYTES_MAX).then(|| serde_json::from_str::<Vec<Left<'a>>>(raw.get()));
    let items: Vec<Item<'a>> = match at_once {
        Some(Ok(items)) => items.into_iter().map(Item::Read).collect(),
        // One after the other also tells which of them is no object.
        Some(Err(_)) | None => read::<Vec<&RawValue>>(path, raw)?.into_iter().map(Item::Raw).collect(),
    };
    Ok(items.into_iter().enumerate().map(move |(at, item)| {
        let path = format!("{path}[{at}]");
        match item {
            Item::Read(Left(left)) => Ok(Fields { path, left }),
            Item::Raw(raw) => Fields::new(path, raw),
        }
    }))
}

/// An item of an array of objects.
enum Item<'a> {
    Read(Left<'a>),
    Raw(&'a RawValue),
}

/// serde_json adds a place within the value, which helps nobody who does not see that value alone.
fn position_free(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.find(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

impl<'a> Fields<'a> {
    /// The object that a whole body is.
    pub(super) fn of_body(body: &'a [u8]) -> Result<Self, TranslateError> {
        let text = std::str::from_utf8(body).map_err(|_| invalid("", "the body is not UTF-8"))?;
        // The place matters here: the caller sees the whole body.
        let left: Left<'a> = serde_json::from_str(text)
            .map_err(|error| invalid("", format!("the body is not a JSON object: {error}")))?;
        Ok(Self { path: String::new(), left: left.0 })
    }

    /// The object at a path.
    pub(super) fn new(path: String, raw: &'a RawValue) -> Result<Self, TranslateError> {
        let left: Left<'a> = read(&path, raw)?;
        Ok(Self { path, left: left.0 })
    }

    /// The same with names in camel case: JSON of protocol buffers is read in either spelling
    /// (<https://protobuf.dev/programming-guides/json/>, read 2026-11-26).
    pub(super) fn camel_case(mut self) -> Self {
        for (name, _) in &mut self.left {
            if name.contains('_') {
                *name = Cow::Owned(camel_case(name));
            }
        }
        self
    }

    /// The path of one of its fields.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Whether a field has not been taken yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.left.iter().any(|(name, _)| name == key)
    }

    /// The names of the fields that have not been taken yet.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.left.iter().map(|(name, _)| name.as_ref())
    }

    /// Takes a field as it is.
    pub(super) fn raw(&mut self, key: &str) -> Option<&'a RawValue> {
        let at = self.left.iter().position(|(name, _)| name == key)?;
        Some(self.left.remove(at).1)
    }

    /// Takes a field to carry it along.
    pub(super) fn json(&mut self, key: &str) -> Option<Json> {
        self.raw(key).map(Json::from)
    }

    /// Takes a field of some type.
    pub(super) fn get<T: Deserialize<'a>>(&mut self, key: &str) -> Result<Option<T>, TranslateError> {
        match self.raw(key) {
            Some(raw) => read_field(self, key, raw).map(Some),
            None => Ok(None),
        }
    }

    /// Takes a string.
    pub(super) fn string(&mut self, key: &str) -> Result<Option<String>, TranslateError> {
        self.get(key)
    }

    /// Takes a string that must be there.
    pub(super) fn required_string(&mut self, key: &str) -> Result<String, TranslateError> {
        self.string(key)?.ok_or_else(|| self.missing(key))
    }

    /// Takes a field that must be there.
    pub(super) fn required(&mut self, key: &str) -> Result<&'a RawValue, TranslateError> {
        self.raw(key).ok_or_else(|| self.missing(key))
    }

    /// Takes a count. Some callers write `1024.0`.
    pub(super) fn count(&mut self, key: &str) -> Result<Option<u64>, TranslateError> {
        let Some(number) = self.get::<serde_json::Number>(key)? else { return Ok(None) };
        let whole = number.as_f64().filter(|n| n.fract() == 0.0 && (0.0..9e15).contains(n));
        match number.as_u64().or(whole.map(|n| n as u64)) {
            Some(count) => Ok(Some(count)),
            None => Err(invalid(&self.path(key), "expected a whole number that is not negative")),
        }
    }

    /// Takes an object.
    pub(super) fn object(&mut self, key: &str) -> Result<Option<Fields<'a>>, TranslateError> {
        match self.raw(key) {
            Some(raw) => Fields::new(self.path(key), raw).map(Some),
            None => Ok(None),
        }
    }

    /// Takes an array of objects; absent is empty.
    pub(super) fn objects(&mut self, key: &str) -> Result<Vec<Fields<'a>>, TranslateError> {
        match self.raw(key) {
            Some(raw) => objects(&self.path(key), raw),
            None => Ok(Vec::new()),
        }
    }

    /// A complaint about a field that is not there.
    pub(super) fn missing(&self, key: &str) -> TranslateError {
        invalid(&self.path(key), "field required")
    }

    /// Hands over what is left, to be carried along.
    pub(super) fn into_extra(self) -> Vec<ExtraField> {
        let field = |(name, raw): (Cow<'a, str>, &RawValue)| ExtraField {
            name: name.into_owned(),
            value: Json::from(raw),
        };
        self.left.into_iter().map(field).collect()
    }

    /// Notes the paths of what is left.
    pub(super) fn finish(self, ignored: &mut Vec<String>) {
        for (name, _) in &self.left {
            let path = without_indices(&self.path(name));
            if ignored.len() < IGNORED_MAX && !ignored.contains(&path) {
                ignored.push(path);
            }
        }
    }
}

/// `thought_signature` → `thoughtSignature`.
fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut words = name.split('_');
    out.push_str(words.next().unwrap_or(""));
    for word in words {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

/// `messages[12].content[3].x` → `messages[].content[].x`: one line for all of a kind.
fn without_indices(path: &str) -> String {
    let mut inside = false;
    let keep = |c: &char| {
        match c {
            '[' => {
                inside = true;
                return true;
            }
            ']' => inside = false,
            _ => {}
        }
        !inside
    };
    path.chars().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_field() {
        let mut body = Fields::of_body(br#"{"a":{"b":"x"},"n":-1,"f":1.5,"w":3.0}"#).unwrap();
        let error = body.object("a").unwrap().unwrap().get::<u64>("b").unwrap_err();
        assert_eq!(error.param(), Some("a.b"));
        assert_eq!(body.count("n").unwrap_err().param(), Some("n"));
        assert_eq!(body.count("f").unwrap_err().param(), Some("f"));
        assert_eq!(body.count("w").unwrap(), Some(3));
        assert_eq!(body.required("z").unwrap_err().to_string(), "z: field required");
    }

    #[test]
    fn what_is_left_is_told_without_indices() {
        let mut body = Fields::of_body(br#"{"m":[{"x":1},{"x":2,"y":null}]}"#).unwrap();
        let mut ignored = Vec::new();
        for item in body.objects("m").unwrap() {
            item.finish(&mut ignored);
        }
        assert_eq!(ignored, ["m[].x"]);
    }

    #[test]
    fn short_and_long_arrays_are_read_alike_and_tell_what_is_no_object() {
        let long = "x".repeat(AT_ONCE_BYTES_MAX);
        for text in ["", &long] {
            let body = format!(r#"{{"m":[{{"t":"{text}","n":null}},{{"t":"b"}}]}}"#);
            let objects = Fields::of_body(body.as_bytes()).unwrap().objects("m").unwrap();
            let texts: Vec<String> =
                objects.into_iter().map(|mut item| item.required_string("t").unwrap()).collect();
            assert_eq!(texts, [text, "b"]);
            let body = format!(r#"{{"m":[{{"t":"{text}"}},3]}}"#);
            let error = Fields::of_body(body.as_bytes()).unwrap().objects("m").unwrap_err();
            assert_eq!(error.param(), Some("m[1]"));
        }
    }
}
