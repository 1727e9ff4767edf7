//! Converse's `usage` object.
//!
//! `inputTokens` excludes what was read from and written to the cache; `outputTokens` includes thoughts.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html> and
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>, read 2026-11-26.

use super::super::openai_chat::usage::Count;
use domain::Usage;
use serde::Deserialize;

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Wire {
    input_tokens: Count,
    output_tokens: Count,
    cache_read_input_tokens: Count,
    cache_write_input_tokens: Count,
    cache_details: Vec<CacheDetail>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct CacheDetail {
    input_tokens: Count,
    ttl: String,
}

/// Reads a `usage` object. `None`: it is none, or tells nothing of tokens.
pub fn decode(raw: &str) -> Option<Usage> {
    let wire: Wire = serde_json::from_str(raw).ok()?;
    if wire.input_tokens.0.is_none() && wire.output_tokens.0.is_none() {
        return None;
    }
    let hourly = wire.cache_details.iter().filter(|detail| detail.ttl == "1h");
    let for_an_hour = hourly.fold(0_u64, |sum, detail| sum.saturating_add(detail.input_tokens.get()));
    Some(Usage {
        input: wire.input_tokens.get(),
        cache_read: wire.cache_read_input_tokens.get(),
        cache_write: wire.cache_write_input_tokens.get().saturating_sub(for_an_hour),
        cache_write_1h: for_an_hour,
        output: wire.output_tokens.get(),
        ..Usage::ZERO
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_cache_read_and_wrote_is_counted_apart() {
        let raw = r#"{"inputTokens":3,"outputTokens":5,"totalTokens":117,"cacheReadInputTokens":9,
            "cacheWriteInputTokens":100,"cacheDetails":[{"inputTokens":60,"ttl":"1h"},{"inputTokens":40,"ttl":"5m"}]}"#;
        let expected =
            Usage { input: 3, cache_read: 9, cache_write: 40, cache_write_1h: 60, output: 5, ..Usage::ZERO };
        assert_eq!(decode(raw), Some(expected));
        assert_eq!(decode("{}"), None);
    }
}
