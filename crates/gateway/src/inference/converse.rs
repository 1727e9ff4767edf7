//! What the gateway must know of Converse's requests, which stands inside `inferenceConfig`, `additionalModelRequestFields`,
//! `serviceTier` and `performanceConfig`.

use bytes::Bytes;
use llm::raw::RawObject;
use serde::Deserialize;
use serde_json::value::RawValue;

const INFERENCE: &str = "inferenceConfig";
/// What only some vendors' models take, under the names that those have for it. There a limit, or a number of answers, may stand
/// beside those that the protocol knows.
const ADDITIONAL: &str = "additionalModelRequestFields";
const LIMITS: [&str; 7] = [
    "max_tokens",
    "maxTokens",
    "max_completion_tokens",
    "max_new_tokens",
    "max_gen_len",
    "maxTokenCount",
    "max_tokens_to_sample",
];
const ANSWERS: [&str; 4] = ["n", "num_generations", "numResults", "num_return_sequences"];

fn object(body: &RawObject, name: &str) -> Option<RawObject> {
    RawObject::parse(Bytes::copy_from_slice(body.get(name)?)).ok()
}

/// A number, rounded up: models may take `4.0` for four.
fn number(object: &RawObject, name: &str) -> Option<u64> {
    let number: f64 = serde_json::from_slice(object.get(name)?).ok()?;
    (number >= 0.0).then(|| number.ceil() as u64)
}

/// The greatest of the numbers that stand under these names among what only some models take.
fn additional(body: &RawObject, names: &[&str]) -> Option<u64> {
    let additional = object(body, ADDITIONAL)?;
    let nested = object(&additional, INFERENCE);
    let of = |object: &RawObject| names.iter().filter_map(|name| number(object, name)).max();
    of(&additional).max(nested.as_ref().and_then(of))
}

/// Tokens of an answer at the most.
pub fn max_output_tokens(body: &RawObject) -> Option<u64> {
    let limit = object(body, INFERENCE).and_then(|config| number(&config, "maxTokens"))?;
    Some(additional(body, &LIMITS).map_or(limit, |other| other.max(limit)))
}

/// Answers asked for.
pub fn answers(body: &RawObject) -> Option<u64> {
    additional(body, &ANSWERS)
}

/// Tokens of thoughts at the most.
pub fn thinking_budget(body: &RawObject) -> Option<u64> {
    let additional = object(body, ADDITIONAL)?;
    let thinking = ["thinking", "reasoning_config"].iter().find_map(|name| object(&additional, name))?;
    number(&thinking, "budget_tokens")
}

/// Limits the answer.
pub fn limit(body: &mut RawObject, tokens: u64) {
    set(body, INFERENCE, "maxTokens", tokens.to_string());
    let Some(mut additional) = object(body, ADDITIONAL) else { return };
    let nested = object(&additional, INFERENCE).and_then(without_limits);
    if let Some(nested) = &nested {
        additional.set(INFERENCE, nested.to_bytes().to_vec());
    }
    let is_changed = nested.is_some();
    if let Some(left) = without_limits(additional.clone()).or(Some(additional).filter(|_| is_changed)) {
        body.set(ADDITIONAL, left.to_bytes().to_vec());
    }
}

/// The object without other limits; `None`: it has none.
fn without_limits(mut object: RawObject) -> Option<RawObject> {
    let has_any = LIMITS.iter().any(|name| object.get(name).is_some());
    for name in LIMITS {
        object.remove(name);
    }
    has_any.then_some(object)
}

/// Sets a field of `inferenceConfig` where it is not set.
pub fn fill(body: &mut RawObject, name: &str, value: String) {
    let is_set = object(body, INFERENCE).is_some_and(|config| config.get(name).is_some());
    if !is_set {
        set(body, INFERENCE, name, value);
    }
}

fn set(body: &mut RawObject, within: &str, name: &str, value: String) {
    let config = object(body, within).or_else(|| RawObject::parse(Bytes::from_static(b"{}")).ok());
    if let Some(mut config) = config {
        config.set(name, value.into_bytes());
        body.set(within, config.to_bytes().to_vec());
    }
}

/// Asks for a tier of service, in whichever protocol's word. Who leaves it open says nothing.
pub fn set_tier(body: &mut RawObject, tier: &str) {
    let tier = match tier {
        "auto" => {
            body.remove("serviceTier");
            return;
        }
        "fast" => "priority",
        "standard" | "standard_only" => "default",
        other => other,
    };
    body.set("serviceTier", serde_json::json!({"type": tier}).to_string().into_bytes());
}

/// Whether it is said how much to think.
pub fn says_how_to_think(body: &RawObject) -> bool {
    let names = ["thinking", "reasoning_config", "reasoningConfig", "reasoning_effort", "output_config"];
    let is_said = |object: RawObject, names: &[&str]| names.iter().any(|name| object.get(name).is_some());
    object(body, ADDITIONAL).is_some_and(|additional| is_said(additional, &names))
        || object(body, "outputConfig").is_some_and(|config| is_said(config, &["effort"]))
}

/// The word for a tier of service, which stands in an object here and nowhere else.
pub fn tier_word(raw: &[u8]) -> &[u8] {
    #[derive(Deserialize)]
    struct Tier<'a> {
        #[serde(borrow, rename = "type")]
        kind: &'a RawValue,
    }
    if !raw.starts_with(b"{") {
        return raw;
    }
    serde_json::from_slice::<Tier<'_>>(raw).map_or(raw, |tier| tier.kind.get().as_bytes())
}

/// How fast the answer is to come, in the word of `performanceConfig`.
pub fn latency_word(body: &RawObject) -> Option<&[u8]> {
    #[derive(Deserialize)]
    struct Performance<'a> {
        #[serde(borrow, default)]
        latency: Option<&'a RawValue>,
    }
    let raw = body.get("performanceConfig")?;
    // What cannot be read may mean anything.
    let read = serde_json::from_slice::<Performance<'_>>(raw);
    read.map_or(Some(raw), |performance| performance.latency.map(|latency| latency.get().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &'static str) -> RawObject {
        RawObject::parse(Bytes::from_static(text.as_bytes())).unwrap()
    }

    #[test]
    fn limits_are_read_wherever_they_stand() {
        let read = body(
            r#"{"inferenceConfig":{"maxTokens":7},"additionalModelRequestFields":{"n":2,"max_tokens":9,"thinking":{"budget_tokens":5}}}"#,
        );
        assert_eq!(
            (max_output_tokens(&read), answers(&read), thinking_budget(&read)),
            (Some(9), Some(2), Some(5))
        );
        // Without a limit of the protocol's own the model's is the one that counts.
        assert_eq!(max_output_tokens(&body(r#"{"additionalModelRequestFields":{"max_tokens":9}}"#)), None);
        assert_eq!(max_output_tokens(&body(r#"{"inferenceConfig":null}"#)), None);
    }

    #[test]
    fn a_limit_is_written_where_it_belongs_and_nowhere_else() {
        for (text, expected) in [
            ("{}", r#"{"inferenceConfig":{"maxTokens":3}}"#),
            (
                r#"{"inferenceConfig":{"maxTokens":9,"topP":1.0},"additionalModelRequestFields":{"max_tokens":9,"k":1,"inferenceConfig":{"max_new_tokens":9}}}"#,
                r#"{"inferenceConfig":{"maxTokens":3,"topP":1.0},"additionalModelRequestFields":{"k":1,"inferenceConfig":{}}}"#,
            ),
        ] {
            let mut body = body(text);
            limit(&mut body, 3);
            assert_eq!(&body.to_bytes()[..], expected.as_bytes());
        }
    }

    #[test]
    fn a_tier_is_asked_for_in_the_words_there_are() {
        for (tier, expected) in [
            ("fast", r#"{"serviceTier":{"type":"priority"}}"#),
            ("standard_only", r#"{"serviceTier":{"type":"default"}}"#),
            ("auto", "{}"),
        ] {
            let mut body = body("{}");
            set_tier(&mut body, tier);
            assert_eq!(&body.to_bytes()[..], expected.as_bytes());
        }
    }

    #[test]
    fn words_are_found_in_their_objects() {
        assert_eq!(tier_word(br#"{"type":"flex"}"#), b"\"flex\"");
        assert_eq!((tier_word(b"\"flex\""), tier_word(b"{}")), (&b"\"flex\""[..], &b"{}"[..]));
        let asked = body(r#"{"performanceConfig":{"latency":"optimized"}}"#);
        assert_eq!((latency_word(&asked), latency_word(&body("{}"))), (Some(&b"\"optimized\""[..]), None));
    }
}
