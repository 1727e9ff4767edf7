//! Answers in a form, from models that cannot be held to one: asked for in words, and checked.

mod schema;

use serde_json::Value;

/// The words that ask for JSON.
pub(crate) const JSON_INSTRUCTION: &str =
    "Answer with one valid JSON object and nothing else: no other text, no code fence.";

/// Longer schemas and answers are not looked at.
const BYTES_MAX: usize = 4 << 20;

/// The words that ask for JSON of a schema.
pub(crate) fn instruction(schema: &str) -> String {
    format!("{JSON_INSTRUCTION} It must follow this JSON schema:\n{schema}")
}

/// The form that an answer was asked for in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The JSON schema. `None`: some JSON object.
    pub schema: Option<String>,
}

/// What an answer is, beside its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It has the form, and nothing around it.
    Follows,
    /// This part of it has the form; around it is a fence, or other text.
    Within(String),
    /// It does not have the form: why, for a model and for people.
    Differs(String),
    /// The schema is none, so nothing can be said: why.
    Unknown(String),
}

impl Form {
    /// Looks at an answer. Slow for long ones: not where others wait.
    pub fn check(&self, answer: &str) -> Verdict {
        if answer.len().max(self.schema.as_ref().map_or(0, String::len)) > BYTES_MAX {
            return Verdict::Unknown(format!("answer or schema are longer than {BYTES_MAX} bytes"));
        }
        let trimmed = answer.trim();
        if let Ok(value) = serde_json::from_str(trimmed) {
            return self.judge(&value, Verdict::Follows);
        }
        let within = bare(trimmed).and_then(|bare| Some((bare, serde_json::from_str(bare).ok()?)));
        match within {
            Some((bare, value)) => self.judge(&value, Verdict::Within(bare.to_owned())),
            None => Verdict::Differs("it is not valid JSON".to_owned()),
        }
    }

    fn judge(&self, value: &Value, follows: Verdict) -> Verdict {
        let Some(schema) = &self.schema else {
            let refusal = || Verdict::Differs("it is not a JSON object".to_owned());
            return if value.is_object() { follows } else { refusal() };
        };
        let schema: Value = match serde_json::from_str(schema) {
            Ok(schema) => schema,
            Err(error) => return Verdict::Unknown(error.to_string()),
        };
        match schema::faults(&schema, value) {
            Ok(faults) if faults.is_empty() => follows,
            Ok(faults) => Verdict::Differs(faults.join("; ")),
            Err(error) => Verdict::Unknown(error.to_string()),
        }
    }
}

/// What stands inside a fence, or between the first and the last brace.
fn bare(text: &str) -> Option<&str> {
    let (start, end) = (text.find(['{', '['])?, text.rfind(['}', ']'])?);
    text.get(start..=end)
}

/// What a model is told whose answer differs from its form.
pub fn complaint(faults: &str) -> String {
    format!(
        "That answer does not have the form that was asked for: {faults}. Answer again, with the corrected JSON and nothing else."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: &str, answer: &str) -> Verdict {
        Form { schema: Some(schema.to_owned()) }.check(answer)
    }

    const CITY: &str = r#"{"type":"object","properties":{"city":{"type":"string"},"size":{"type":"integer"}},
        "required":["city"],"additionalProperties":false}"#;

    #[test]
    fn an_answer_follows_differs_or_stands_within_other_text() {
        assert_eq!(check(CITY, " {\"city\":\"Kyiv\"}\n"), Verdict::Follows);
        let within = Verdict::Within("{\"city\":\"Kyiv\"}".to_owned());
        assert_eq!(check(CITY, "```json\n{\"city\":\"Kyiv\"}\n```"), within);
        assert_eq!(check(CITY, "Here it is: {\"city\":\"Kyiv\"}. Bye"), within);
        assert_eq!(check(CITY, "no"), Verdict::Differs("it is not valid JSON".to_owned()));
        let Verdict::Differs(faults) = check(CITY, r#"{"size":"big","x":1}"#) else { panic!() };
        assert_eq!(
            faults,
            "/: the property \"city\" is missing; /size: must be of type \"integer\"; /x: no such property is allowed"
        );
    }

    #[test]
    fn any_object_will_do_without_a_schema() {
        let check = |answer: &str| Form { schema: None }.check(answer);
        assert_eq!(check("{}"), Verdict::Follows);
        assert_eq!(check("[1]"), Verdict::Differs("it is not a JSON object".to_owned()));
    }

    #[test]
    fn what_is_no_schema_judges_nothing() {
        assert!(matches!(check("[]", "{}"), Verdict::Unknown(_)));
        // Nothing is fetched, from nowhere.
        for place in ["https://127.0.0.1:1/x.json", "file:///etc/hostname"] {
            assert!(
                matches!(check(&format!(r#"{{"$ref":"{place}"}}"#), "{}"), Verdict::Unknown(_)),
                "{place}"
            );
        }
    }
}
