//! Closing the objects of a JSON schema.
//!
//! Anthropic refuses the schema of an answer unless every object in it says `"additionalProperties":false`;
//! OpenAI asks for that only where the schema is strict. Objects that say something else about further
//! properties mean it and are left to the provider's judgement. All other text stays as it is, and so does
//! its order: models write properties in the order of the schema.
//! <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>, read 2026-11-22.

use crate::raw::RawObject;
use bytes::Bytes;
use serde_json::value::RawValue;

/// Keywords whose value is a schema or a list of schemas.
const ONE_OR_LIST: [&str; 10] =
    ["items", "prefixItems", "anyOf", "allOf", "oneOf", "not", "if", "then", "else", "contains"];
/// Keywords whose value has a schema under each name.
const NAMED: [&str; 5] = ["properties", "$defs", "definitions", "patternProperties", "dependentSchemas"];
/// Deeper schemas are left as they are.
const DEPTH_MAX: u32 = 64;

/// The schema with its objects closed. `None`: there was nothing to close.
pub(in crate::protocol) fn closed(schema: &RawValue) -> Option<Box<RawValue>> {
    let closed = schema_closed(schema.get().as_bytes(), 0)?;
    RawValue::from_string(String::from_utf8(closed).ok()?).ok()
}

fn schema_closed(schema: &[u8], depth: u32) -> Option<Vec<u8>> {
    if depth > DEPTH_MAX || schema.first() != Some(&b'{') {
        return None;
    }
    let mut object = RawObject::parse(Bytes::copy_from_slice(schema)).ok()?;
    let keys: Vec<String> = object.keys().map(str::to_owned).collect();
    let mut is_changed = false;
    for key in &keys {
        let Some(value) = object.get(key) else { continue };
        let closed = match key.as_str() {
            key if ONE_OR_LIST.contains(&key) => one_or_list_closed(value, depth + 1),
            key if NAMED.contains(&key) => named_closed(value, depth + 1),
            _ => None,
        };
        if let Some(closed) = closed {
            object.set(key, closed);
            is_changed = true;
        }
    }
    if is_object(&object) && object.get("additionalProperties").is_none() {
        object.set("additionalProperties", b"false".to_vec());
        is_changed = true;
    }
    is_changed.then(|| object.to_bytes().to_vec())
}

fn named_closed(value: &[u8], depth: u32) -> Option<Vec<u8>> {
    let mut object = RawObject::parse(Bytes::copy_from_slice(value)).ok()?;
    let keys: Vec<String> = object.keys().map(str::to_owned).collect();
    let mut is_changed = false;
    for key in &keys {
        if let Some(closed) = object.get(key).and_then(|schema| schema_closed(schema, depth)) {
            object.set(key, closed);
            is_changed = true;
        }
    }
    is_changed.then(|| object.to_bytes().to_vec())
}

fn one_or_list_closed(value: &[u8], depth: u32) -> Option<Vec<u8>> {
    if value.first() != Some(&b'[') {
        return schema_closed(value, depth);
    }
    let schemas: Vec<&RawValue> = serde_json::from_slice(value).ok()?;
    let mut is_changed = false;
    let mut out = vec![b'['];
    for (at, schema) in schemas.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let closed = schema_closed(schema.get().as_bytes(), depth);
        is_changed |= closed.is_some();
        out.extend_from_slice(closed.as_deref().unwrap_or(schema.get().as_bytes()));
    }
    out.push(b']');
    is_changed.then_some(out)
}

/// Whether a schema is of an object: says so, alone or among other types, or has properties.
fn is_object(schema: &RawObject) -> bool {
    match schema.get("type") {
        Some(kind) if kind.first() == Some(&b'[') => serde_json::from_slice::<Vec<String>>(kind)
            .is_ok_and(|kinds| kinds.iter().any(|kind| kind == "object")),
        Some(kind) => kind == b"\"object\"",
        None => schema.get("properties").is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(schema: &str) -> Option<String> {
        closed(&RawValue::from_string(schema.to_owned()).unwrap()).map(|raw| raw.get().to_owned())
    }

    #[test]
    fn every_object_is_closed_and_nothing_else_moves() {
        let open = r##"{"type":"object","properties":{"z":{"type":["object","null"],"properties":{}},"a":{"type":"array","items":{"$ref":"#/$defs/n"}}},"$defs":{"n":{"anyOf":[{"type":"string","const":1.0},{"type":"object"}]}},"title":"T"}"##;
        let expected = r##"{"type":"object","properties":{"z":{"type":["object","null"],"properties":{},"additionalProperties":false},"a":{"type":"array","items":{"$ref":"#/$defs/n"}}},"$defs":{"n":{"anyOf":[{"type":"string","const":1.0},{"type":"object","additionalProperties":false}]}},"title":"T","additionalProperties":false}"##;
        assert_eq!(close(open).as_deref(), Some(expected));
        assert_eq!(close(expected), None);
    }

    #[test]
    fn what_only_looks_like_a_schema_is_left_alone() {
        assert_eq!(
            close(r#"{"type":"string","default":{"type":"object"},"enum":[{"type":"object"}]}"#),
            None
        );
        assert_eq!(close(r#"{"type":"object","additionalProperties":{"type":"string"}}"#), None);
        assert_eq!(close("true"), None);
    }

    #[test]
    fn a_bottomless_schema_is_left_as_it_is_below() {
        let deep = format!("{}{}", "{\"not\":".repeat(50_000), "{}") + &"}".repeat(50_000);
        assert_eq!(close(&deep), None);
    }
}
