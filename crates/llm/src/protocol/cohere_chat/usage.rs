//! Cohere's `usage` object: what is billed, which leaves out what Cohere itself adds to a prompt.
//!
//! <https://docs.cohere.com/v2/docs/how-does-cohere-pricing-work> and `types/usage.py` of its Python SDK 7.3.1, read 2026-11-26.
//! Thoughts are part of the output, and not told apart. Cohere does not say whether the billed input holds the
//! `cached_tokens`; they are taken out of it, as they are the prompt's.

use super::super::openai_chat::usage::Count;
use domain::Usage;
use serde::Deserialize;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    billed_units: Option<Units>,
    tokens: Option<Units>,
    cached_tokens: Count,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Units {
    input_tokens: Count,
    output_tokens: Count,
    search_units: Count,
}

impl Units {
    fn is_told(&self) -> bool {
        self.input_tokens.0.is_some() || self.output_tokens.0.is_some()
    }
}

/// Reads a `usage` object. `None`: it is none, or tells nothing of tokens. What is billed counts before what was read and
/// written.
pub fn decode(raw: &str) -> Option<Usage> {
    let wire: Wire = serde_json::from_str(raw).ok()?;
    let units = [wire.billed_units, wire.tokens].into_iter().flatten().find(Units::is_told)?;
    let input = units.input_tokens.get();
    let cache_read = wire.cached_tokens.get().min(input);
    Some(Usage {
        input: input - cache_read,
        cache_read,
        output: units.output_tokens.get(),
        queries: units.search_units.get(),
        ..Usage::ZERO
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_billed_is_counted() {
        let raw = r#"{"billed_units":{"input_tokens":37.0,"output_tokens":28.0,"search_units":null},
            "tokens":{"input_tokens":913.0,"output_tokens":83.0},"cached_tokens":16.0}"#;
        let expected = Usage { input: 21, cache_read: 16, output: 28, ..Usage::ZERO };
        assert_eq!(decode(raw), Some(expected));
        let raw = r#"{"billed_units":{},"tokens":{"input_tokens":9,"output_tokens":3},"cached_tokens":512}"#;
        assert_eq!(decode(raw), Some(Usage { cache_read: 9, output: 3, ..Usage::ZERO }));
        let raw = r#"{"billed_units":{"input_tokens":1,"output_tokens":0,"search_units":2}}"#;
        assert_eq!(decode(raw), Some(Usage { input: 1, queries: 2, ..Usage::ZERO }));
        assert_eq!(decode("{}"), None);
        assert_eq!(decode("[]"), None);
    }
}
