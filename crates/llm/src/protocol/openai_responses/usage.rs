//! The `usage` object.
//!
//! `input_tokens` includes what was read from and written to the cache, `output_tokens` includes reasoning.
//! `types/responses/response_usage.py` of OpenAI's Python SDK 3.54, read 2026-11-26.

use super::super::openai_chat::usage::Count;
use super::super::write::Dollars;
use domain::{Money, Usage};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    input_tokens: Count,
    output_tokens: Count,
    total_tokens: Count,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Count,
}

/// Reads a `usage` object. `None`: it is none, or tells nothing of tokens.
pub fn decode(raw: &str) -> Option<Usage> {
    let wire: Wire = serde_json::from_str(raw).ok()?;
    if wire.input_tokens.0.is_none() && wire.output_tokens.0.is_none() {
        return None;
    }
    let details = wire.input_tokens_details.unwrap_or_default();
    let input = wire.input_tokens.get();
    let cache_read = details.cached_tokens.get().min(input);
    let cache_write = details.cache_write_tokens.get().min(input - cache_read);
    let reasoning = wire.output_tokens_details.unwrap_or_default().reasoning_tokens.get();
    let output = wire.output_tokens.get();
    // As in xAI's chat, see `openai_chat::usage`: only the total tells that reasoning is counted beside the rest.
    let said = input.saturating_add(output);
    let is_beside = reasoning > 0 && wire.total_tokens.get() == said.saturating_add(reasoning);
    Some(Usage {
        input: input - cache_read - cache_write,
        cache_read,
        cache_write,
        output: if is_beside { output } else { output.saturating_sub(reasoning) },
        reasoning,
        ..Usage::ZERO
    })
}

/// A `usage` object as it is written.
#[derive(Serialize)]
pub(super) struct Out {
    input_tokens: u64,
    input_tokens_details: InputOut,
    output_tokens: u64,
    output_tokens_details: OutputOut,
    total_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Dollars>,
}

#[derive(Serialize)]
struct InputOut {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Serialize)]
struct OutputOut {
    reasoning_tokens: u64,
}

/// The figures of a call as the protocol words them, and our `cost`.
pub(super) fn encode(usage: &Usage, cost: Option<Money>) -> Out {
    let (input_tokens, output_tokens) = (usage.total_input(), usage.total_output());
    Out {
        input_tokens,
        input_tokens_details: InputOut {
            cached_tokens: usage.cache_read,
            cache_write_tokens: usage.cache_write.saturating_add(usage.cache_write_1h),
        },
        output_tokens,
        output_tokens_details: OutputOut { reasoning_tokens: usage.reasoning },
        total_tokens: input_tokens.saturating_add(output_tokens),
        cost: cost.map(Dollars),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_part_of_the_input_and_reasoning_of_the_output() {
        let raw = r#"{"input_tokens":100,"input_tokens_details":{"cached_tokens":60,"cache_write_tokens":30},
            "output_tokens":50,"output_tokens_details":{"reasoning_tokens":20},"total_tokens":150}"#;
        let expected =
            Usage { input: 10, cache_read: 60, cache_write: 30, output: 30, reasoning: 20, ..Usage::ZERO };
        assert_eq!(decode(raw), Some(expected));
    }

    #[test]
    fn impossible_figures_are_cut_and_none_are_none() {
        let raw = r#"{"input_tokens":5,"input_tokens_details":{"cached_tokens":9,"cache_write_tokens":9},
            "output_tokens":1,"output_tokens_details":{"reasoning_tokens":2}}"#;
        assert_eq!(decode(raw), Some(Usage { cache_read: 5, reasoning: 2, ..Usage::ZERO }));
        assert_eq!(decode("null"), None);
        assert_eq!(decode(r#"{"total_tokens":4}"#), None);
    }
}
