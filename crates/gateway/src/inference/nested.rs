//! The limits of Gemini's requests, which stand inside `generationConfig`.

use bytes::Bytes;
use llm::raw::RawObject;

/// The object in either spelling, and the name it has in a body; absent, the usual one.
fn config(body: &RawObject) -> (&'static str, Option<RawObject>) {
    for name in ["generationConfig", "generation_config"] {
        if let Some(raw) = body.get(name).filter(|raw| *raw != b"null") {
            return (name, RawObject::parse(Bytes::copy_from_slice(raw)).ok());
        }
    }
    ("generationConfig", None)
}

fn either(object: &RawObject, names: [&str; 2]) -> Option<u64> {
    names.iter().find_map(|name| serde_json::from_slice(object.get(name)?).ok())
}

/// Tokens of an answer at the most.
pub fn max_output_tokens(body: &RawObject) -> Option<u64> {
    either(&config(body).1?, ["maxOutputTokens", "max_output_tokens"])
}

/// Answers asked for.
pub fn candidate_count(body: &RawObject) -> Option<u64> {
    either(&config(body).1?, ["candidateCount", "candidate_count"])
}

/// Tokens of thoughts at the most.
pub fn thinking_budget(body: &RawObject) -> Option<u64> {
    let config = config(body).1?;
    let thinking = ["thinkingConfig", "thinking_config"].iter().find_map(|name| config.get(name))?;
    let thinking = RawObject::parse(Bytes::copy_from_slice(thinking)).ok()?;
    either(&thinking, ["thinkingBudget", "thinking_budget"])
}

/// Limits the answer.
pub fn limit(body: &mut RawObject, tokens: u64) {
    let (name, config) = config(body);
    let tokens = tokens.to_string().into_bytes();
    let Some(mut config) = config.or_else(|| RawObject::parse(Bytes::from_static(b"{}")).ok()) else {
        return;
    };
    config.remove("max_output_tokens");
    config.set("maxOutputTokens", tokens);
    body.set(name, config.to_bytes().to_vec());
}

/// What is said of how much to think, as JSON text.
pub fn thinking(body: &RawObject) -> Option<Vec<u8>> {
    let config = config(body).1?;
    ["thinkingConfig", "thinking_config"].iter().find_map(|name| config.get(name).map(<[u8]>::to_vec))
}

/// Says how much to think, or no longer does.
pub fn set_thinking(body: &mut RawObject, thinking: Option<Vec<u8>>) {
    let (name, config) = config(body);
    let Some(mut config) = config.or_else(|| RawObject::parse(Bytes::from_static(b"{}")).ok()) else {
        return;
    };
    config.remove("thinking_config");
    match thinking {
        Some(thinking) => config.set("thinkingConfig", thinking),
        None => {
            config.remove("thinkingConfig");
        }
    }
    body.set(name, config.to_bytes().to_vec());
}

/// Sets the last of these fields, which are spellings of one, where none is set.
pub fn fill(body: &mut RawObject, names: &[&str], value: &str) {
    let (name, config) = config(body);
    let Some(mut config) = config.or_else(|| RawObject::parse(Bytes::from_static(b"{}")).ok()) else {
        return;
    };
    // The last spelling is Gemini's own.
    if let Some(own) = names.last()
        && !names.iter().any(|name| config.get(name).is_some())
    {
        config.set(own, value.as_bytes().to_vec());
        body.set(name, config.to_bytes().to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &'static str) -> RawObject {
        RawObject::parse(Bytes::from_static(text.as_bytes())).unwrap()
    }

    #[test]
    fn limits_are_read_in_either_spelling() {
        let camel = body(
            r#"{"generationConfig":{"maxOutputTokens":7,"candidateCount":2,"thinkingConfig":{"thinkingBudget":5}}}"#,
        );
        let snake = body(
            r#"{"generation_config":{"max_output_tokens":7,"candidate_count":2,"thinking_config":{"thinking_budget":5}}}"#,
        );
        for body in [camel, snake] {
            assert_eq!(
                (max_output_tokens(&body), candidate_count(&body), thinking_budget(&body)),
                (Some(7), Some(2), Some(5))
            );
        }
        assert_eq!(max_output_tokens(&body(r#"{"generationConfig":null}"#)), None);
    }

    #[test]
    fn a_limit_is_written_where_it_belongs() {
        for (text, expected) in [
            ("{}", r#"{"generationConfig":{"maxOutputTokens":3}}"#),
            (
                r#"{"generation_config":{"max_output_tokens":9,"topP":1.0}}"#,
                r#"{"generation_config":{"topP":1.0,"maxOutputTokens":3}}"#,
            ),
        ] {
            let mut body = body(text);
            limit(&mut body, 3);
            assert_eq!(&body.to_bytes()[..], expected.as_bytes());
        }
    }
}
