//! Judging a value by a JSON schema, within bounds.
//!
//! The schema is a stranger's: one of two kilobytes can make a validator run for ever, or use its stack up. So this one has
//! a number of steps and a depth, and gives up beyond. It knows the words that vendors take in structured outputs and the
//! common ones beside (<https://json-schema.org/draft/2020-12/json-schema-validation>, read 2026-11-26); `$ref` leads
//! within the schema only, and other words say nothing: `pattern`, `format`, `unevaluatedProperties`, ….

use serde_json::{Map, Value};

/// Schemas applied to values, and values compared, at the most: some tens of milliseconds.
const STEPS_MAX: u32 = 500_000;
/// Schemas within schemas at the most.
const DEPTH_MAX: u32 = 200;
/// What is told of faults at the most.
const FAULTS_MAX: usize = 5;

/// The schema asks for more than is judged here, or leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unjudged(&'static str);

/// Where a value differs from a schema, in words; empty: nowhere.
pub fn faults(schema: &Value, value: &Value) -> Result<Vec<String>, Unjudged> {
    let mut judge = Judge { root: schema, steps: STEPS_MAX, depth: 0, faults: Vec::new() };
    judge.apply(schema, value, &Place::Root)?;
    Ok(judge.faults)
}

/// Where in a value.
enum Place<'a> {
    Root,
    Property(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl Place<'_> {
    fn write(&self, out: &mut String) {
        match self {
            Place::Root => {}
            Place::Property(parent, name) => {
                parent.write(out);
                out.push('/');
                out.push_str(name);
            }
            Place::Item(parent, at) => {
                parent.write(out);
                out.push_str(&format!("/{at}"));
            }
        }
    }
}

struct Judge<'a> {
    root: &'a Value,
    steps: u32,
    depth: u32,
    faults: Vec<String>,
}

type Judged = Result<(), Unjudged>;

impl<'a> Judge<'a> {
    fn apply(&mut self, schema: &'a Value, value: &Value, place: &Place<'_>) -> Judged {
        self.spend(1)?;
        if self.depth >= DEPTH_MAX {
            return Err(Unjudged("it is nested too deeply"));
        }
        self.depth += 1;
        let judged = match schema {
            Value::Bool(true) => Ok(()),
            Value::Bool(false) => {
                self.fault(place, "nothing is allowed here");
                Ok(())
            }
            Value::Object(words) => self.words(words, value, place),
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(Unjudged("it is not a JSON schema"))
            }
        };
        self.depth -= 1;
        judged
    }

    fn spend(&mut self, steps: usize) -> Judged {
        let left = u32::try_from(steps).ok().and_then(|steps| self.steps.checked_sub(steps));
        self.steps = left.ok_or(Unjudged("it takes too many steps to judge by"))?;
        Ok(())
    }

    fn words(&mut self, words: &'a Map<String, Value>, value: &Value, place: &Place<'_>) -> Judged {
        if let Some(name) = words.get("$ref") {
            let name = name.as_str().ok_or(Unjudged("a $ref is not a text"))?;
            let found = self.find(name)?;
            self.apply(found, value, place)?;
        }
        if let Some(kind) = words.get("type") {
            let kinds = kind.as_array().map_or(std::slice::from_ref(kind), Vec::as_slice);
            if !kinds.iter().any(|kind| is_of_type(value, kind)) {
                self.fault(place, &format!("must be of type {kind}"));
            }
        }
        if let Some(allowed) = words.get("enum").and_then(Value::as_array) {
            self.spend(allowed.len())?;
            if !allowed.contains(value) {
                self.fault(place, "must be one of the values of the enum");
            }
        }
        if words.get("const").is_some_and(|constant| constant != value) {
            self.fault(place, "must be the constant of the schema");
        }
        match value {
            Value::Object(object) => self.object(words, object, place)?,
            Value::Array(items) => self.array(words, items, place)?,
            Value::String(text) => {
                self.bounds(words, [("minLength", "maxLength")], text.chars().count(), place)
            }
            Value::Number(number) => self.number(words, number.as_f64().unwrap_or(f64::NAN), place),
            Value::Null | Value::Bool(_) => {}
        }
        self.combined(words, value, place)
    }

    /// A part of the schema, by its JSON pointer.
    fn find(&self, name: &str) -> Result<&'a Value, Unjudged> {
        let pointer = name.strip_prefix('#').ok_or(Unjudged("a $ref leads out of it"))?;
        self.root.pointer(pointer).ok_or(Unjudged("a $ref leads nowhere"))
    }

    fn object(
        &mut self,
        words: &'a Map<String, Value>,
        object: &Map<String, Value>,
        place: &Place<'_>,
    ) -> Judged {
        let required = words.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        self.spend(required.len() + object.len())?;
        for name in required {
            if let Some(name) = name.as_str().filter(|name| !object.contains_key(*name)) {
                self.fault(place, &format!("the property {name:?} is missing"));
            }
        }
        self.bounds(words, [("minProperties", "maxProperties")], object.len(), place);
        let properties = words.get("properties").and_then(Value::as_object);
        let others = words.get("additionalProperties").filter(|_| !words.contains_key("patternProperties"));
        for (name, value) in object {
            let place = Place::Property(place, name);
            match (properties.and_then(|known| known.get(name)), others) {
                (Some(schema), _) => self.apply(schema, value, &place)?,
                (None, Some(Value::Bool(false))) => self.fault(&place, "no such property is allowed"),
                (None, Some(schema)) => self.apply(schema, value, &place)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn array(&mut self, words: &'a Map<String, Value>, items: &[Value], place: &Place<'_>) -> Judged {
        self.bounds(words, [("minItems", "maxItems")], items.len(), place);
        self.spend(items.len())?;
        let first = words.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (at, item) in items.iter().enumerate() {
            if let Some(schema) = first.get(at).or_else(|| words.get("items")) {
                self.apply(schema, item, &Place::Item(place, at))?;
            }
        }
        Ok(())
    }

    fn number(&mut self, words: &Map<String, Value>, number: f64, place: &Place<'_>) {
        let word = |name: &str| words.get(name).and_then(Value::as_f64);
        let is_out = word("minimum").is_some_and(|least| number < least)
            || word("maximum").is_some_and(|most| number > most)
            || word("exclusiveMinimum").is_some_and(|least| number <= least)
            || word("exclusiveMaximum").is_some_and(|most| number >= most);
        if is_out {
            self.fault(place, "is out of the range of the schema");
        }
    }

    fn bounds(
        &mut self,
        words: &Map<String, Value>,
        [(least, most)]: [(&str, &str); 1],
        length: usize,
        place: &Place<'_>,
    ) {
        let word = |name: &str| words.get(name).and_then(Value::as_u64);
        let length = length as u64;
        if word(least).is_some_and(|least| length < least) || word(most).is_some_and(|most| length > most) {
            self.fault(place, &format!("must keep to {least} and {most}"));
        }
    }

    fn combined(&mut self, words: &'a Map<String, Value>, value: &Value, place: &Place<'_>) -> Judged {
        let list = |name: &str| words.get(name).and_then(Value::as_array).map(Vec::as_slice);
        for schema in list("allOf").unwrap_or_default() {
            self.apply(schema, value, place)?;
        }
        if let Some(schemas) = list("anyOf")
            && self.fitting(schemas, value, 1)? == 0
        {
            self.fault(place, "fits none of anyOf");
        }
        if let Some(schemas) = list("oneOf")
            && self.fitting(schemas, value, 2)? != 1
        {
            self.fault(place, "must fit one of oneOf");
        }
        if let Some(schema) = words.get("not")
            && self.fitting(std::slice::from_ref(schema), value, 1)? == 1
        {
            self.fault(place, "must not fit what stands under not");
        }
        if let Some(condition) = words.get("if") {
            let fits = self.fitting(std::slice::from_ref(condition), value, 1)? == 1;
            if let Some(schema) = words.get(if fits { "then" } else { "else" }) {
                self.apply(schema, value, place)?;
            }
        }
        Ok(())
    }

    /// How many of the schemas a value fits, counted up to `most`. What it differs in is not told.
    fn fitting(&mut self, schemas: &'a [Value], value: &Value, most: usize) -> Result<usize, Unjudged> {
        let told = std::mem::take(&mut self.faults);
        let mut count = 0;
        for schema in schemas {
            self.faults.clear();
            self.apply(schema, value, &Place::Root)?;
            count += usize::from(self.faults.is_empty());
            if count == most {
                break;
            }
        }
        self.faults = told;
        Ok(count)
    }

    fn fault(&mut self, place: &Place<'_>, what: &str) {
        if self.faults.len() < FAULTS_MAX {
            let mut text = String::new();
            place.write(&mut text);
            let text = if text.is_empty() { "/" } else { &text };
            self.faults.push(format!("{text}: {what}"));
        }
    }
}

fn is_of_type(value: &Value, kind: &Value) -> bool {
    match kind.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("number") => value.is_number(),
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        // Nothing is known of it.
        Some(_) | None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn is_fit(schema: &Value, value: &Value) -> bool {
        faults(schema, value).unwrap().is_empty()
    }

    #[test]
    fn every_word_is_judged_by() {
        for (schema, fits, differs) in [
            (json!({"type": "integer"}), json!(1.0), json!(1.5)),
            (json!({"type": ["string", "null"]}), json!(null), json!(1)),
            (json!({"enum": ["a", 1]}), json!("a"), json!("b")),
            (json!({"const": {"a": [1]}}), json!({"a": [1]}), json!({"a": [2]})),
            (json!({"required": ["a"]}), json!({"a": null}), json!({})),
            (json!({"properties": {"a": {"type": "string"}}}), json!({"b": 1}), json!({"a": 1})),
            (json!({"additionalProperties": false}), json!({}), json!({"a": 1})),
            (json!({"additionalProperties": {"type": "null"}}), json!({"a": null}), json!({"a": 1})),
            (json!({"items": {"type": "number"}}), json!([1, 2.5]), json!([1, "a"])),
            (json!({"prefixItems": [{"type": "null"}], "items": false}), json!([null]), json!([null, 1])),
            (json!({"minItems": 1, "maxItems": 2}), json!([1]), json!([])),
            (json!({"maxLength": 2}), json!("äö"), json!("abc")),
            (json!({"minimum": 1, "exclusiveMaximum": 2}), json!(1), json!(2)),
            (json!({"anyOf": [{"type": "null"}, {"minimum": 3}]}), json!(3), json!(2)),
            (json!({"oneOf": [{"minimum": 1}, {"minimum": 3}]}), json!(2), json!(3)),
            (json!({"allOf": [{"minimum": 1}, {"maximum": 3}]}), json!(2), json!(4)),
            (json!({"not": {"type": "null"}}), json!(1), json!(null)),
            (json!({"if": {"minimum": 5}, "then": {"maximum": 6}}), json!(1), json!(7)),
            (json!({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "null"}}}), json!(null), json!(1)),
            (json!(true), json!(1), json!(1)),
        ] {
            assert!(is_fit(&schema, &fits), "{schema} {fits}");
            assert_eq!(is_fit(&schema, &differs), schema == json!(true), "{schema} {differs}");
        }
    }

    #[test]
    fn a_tree_is_judged_by_a_schema_that_names_itself() {
        let tree = json!({"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}},
            "additionalProperties": false});
        let value = json!({"left": {"right": {}}, "right": {"left": {"left": {"middle": {}}}}});
        assert_eq!(faults(&tree, &value).unwrap(), ["/right/left/left/middle: no such property is allowed"]);
    }

    #[test]
    fn a_schema_that_would_never_end_is_given_up() {
        assert!(faults(&json!({"$ref": "#"}), &json!(1)).is_err());
        assert!(faults(&json!({"$ref": "https://127.0.0.1:1/x"}), &json!(1)).is_err());
        assert!(faults(&json!({"$ref": "#/$defs/x"}), &json!(1)).is_err());
        assert!(faults(&json!([]), &json!(1)).is_err());
        // Two ways at every level: forty levels are a million millions of ways.
        let mut defs = Map::new();
        for level in 0..40 {
            let next = format!("#/$defs/d{}", level + 1);
            defs.insert(format!("d{level}"), json!({"anyOf": [{"$ref": next}, {"x": 1, "$ref": next}]}));
        }
        defs.insert("d40".to_owned(), json!(false));
        assert!(faults(&json!({"$ref": "#/$defs/d0", "$defs": defs}), &json!(1)).is_err());
    }
}
