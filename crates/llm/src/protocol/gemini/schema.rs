//! From Gemini's schemas to JSON schemas.
//!
//! `parameters` and `responseSchema` are a subset of OpenAPI 3.0: types in capitals, `nullable`, an order of properties,
//! counts that may be texts. <https://ai.google.dev/api/caching#Schema>, read 2026-11-26. Everything else stays as it is,
//! and so does its order. The other direction needs no change: `parametersJsonSchema` and `responseJsonSchema` take what
//! callers of other protocols send.

use crate::ir::Json;
use crate::raw::RawObject;
use bytes::Bytes;
use serde_json::value::RawValue;

/// Deeper schemas are left as they are.
const DEPTH_MAX: u32 = 64;
/// What only Gemini understands.
const FOREIGN: [&str; 4] = ["nullable", "propertyOrdering", "property_ordering", "example"];
/// Keywords of counts, which protocol buffers write as texts.
const COUNTS: [&str; 6] =
    ["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"];
/// The other spelling of keywords.
const SNAKE: [(&str, &str); 7] = [
    ("any_of", "anyOf"),
    ("min_items", "minItems"),
    ("max_items", "maxItems"),
    ("min_length", "minLength"),
    ("max_length", "maxLength"),
    ("min_properties", "minProperties"),
    ("max_properties", "maxProperties"),
];

/// The schema as other protocols take it.
pub(super) fn json_schema(schema: &RawValue) -> Json {
    let changed = converted(schema.get().as_bytes(), 0).and_then(|text| String::from_utf8(text).ok());
    changed.and_then(|text| Json::parse(&text)).unwrap_or_else(|| Json::from(schema))
}

/// The schema converted. `None`: it is none, or there is nothing to convert.
fn converted(schema: &[u8], depth: u32) -> Option<Vec<u8>> {
    if depth > DEPTH_MAX || schema.first() != Some(&b'{') {
        return None;
    }
    let mut object = RawObject::parse(Bytes::copy_from_slice(schema)).ok()?;
    for (snake, camel) in SNAKE {
        if let Some(value) = object.get(snake).map(<[u8]>::to_vec) {
            object.remove(snake);
            object.set(camel, value);
        }
    }
    let is_nullable = object.get("nullable") == Some(b"true");
    for key in FOREIGN {
        object.remove(key);
    }
    if let Some(kind) = object.get("type").and_then(|raw| kind(raw, is_nullable)) {
        object.set("type", kind);
    }
    if object.get("format") == Some(b"\"enum\"") {
        object.remove("format");
    }
    for key in COUNTS {
        if let Some(number) = object.get(key).and_then(number) {
            object.set(key, number);
        }
    }
    if let Some(items) = object.get("items").and_then(|raw| converted(raw, depth + 1)) {
        object.set("items", items);
    }
    if let Some(list) = object.get("anyOf").and_then(|raw| list(raw, depth + 1)) {
        object.set("anyOf", list);
    }
    for key in ["properties", "$defs", "defs"] {
        if let Some(named) = object.get(key).and_then(|raw| named(raw, depth + 1)) {
            object.set(key, named);
        }
    }
    Some(object.to_bytes().to_vec())
}

/// `"STRING"` → `"string"`, with `null` beside it where that is taken too.
fn kind(raw: &[u8], is_nullable: bool) -> Option<Vec<u8>> {
    let word: String = serde_json::from_slice(raw).ok()?;
    let word = word.to_ascii_lowercase();
    Some(if is_nullable { format!("[\"{word}\",\"null\"]") } else { format!("\"{word}\"") }.into_bytes())
}

/// `"3"` → `3`.
fn number(raw: &[u8]) -> Option<Vec<u8>> {
    let digits = raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit)).then(|| digits.to_vec())
}

fn named(raw: &[u8], depth: u32) -> Option<Vec<u8>> {
    let mut object = RawObject::parse(Bytes::copy_from_slice(raw)).ok()?;
    let keys: Vec<String> = object.keys().map(str::to_owned).collect();
    for key in &keys {
        if let Some(schema) = object.get(key).and_then(|raw| converted(raw, depth)) {
            object.set(key, schema);
        }
    }
    Some(object.to_bytes().to_vec())
}

fn list(raw: &[u8], depth: u32) -> Option<Vec<u8>> {
    let schemas: Vec<&RawValue> = serde_json::from_slice(raw).ok()?;
    let converted: Vec<Vec<u8>> = schemas
        .iter()
        .map(|schema| converted(schema.get().as_bytes(), depth).unwrap_or_else(|| schema.get().into()))
        .collect();
    Some([b"[".as_slice(), &converted.join(&b","[..]), b"]"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(schema: &str) -> String {
        json_schema(&RawValue::from_string(schema.to_owned()).unwrap()).get().to_owned()
    }

    #[test]
    fn types_are_written_small_and_what_only_gemini_knows_goes() {
        let schema = r#"{"type":"OBJECT","properties":{"z":{"type":"STRING","nullable":true,"format":"enum","enum":["a"]},"a":{"type":"ARRAY","items":{"any_of":[{"type":"NUMBER"},{"type":"INTEGER"}]},"minItems":"2"}},"required":["z"],"propertyOrdering":["z","a"]}"#;
        let expected = r#"{"type":"object","properties":{"z":{"type":["string","null"],"enum":["a"]},"a":{"type":"array","items":{"anyOf":[{"type":"number"},{"type":"integer"}]},"minItems":2}},"required":["z"]}"#;
        assert_eq!(of(schema), expected);
    }

    #[test]
    fn a_json_schema_stays_as_it_is() {
        let schema = r#"{"type" : "object","properties": {"n":{"type":["string","null"],"const":1.0}}}"#;
        assert_eq!(
            of(schema),
            r#"{"type":"object","properties":{"n":{"type":["string","null"],"const":1.0}}}"#
        );
        assert_eq!(of("true"), "true");
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{}{}", "{\"items\":".repeat(90), "{}".to_owned() + &"}".repeat(90));
        assert_eq!(of(&deep), deep);
    }
}
