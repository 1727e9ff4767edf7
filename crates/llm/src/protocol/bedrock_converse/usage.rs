//! Converse's `usage` object.
//!
//! `inputTokens` excludes what was read from and written to the cache; `outputTokens` includes thoughts.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html> and
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>, read 2026-11-26.

use super::super::openai_chat::usage::Count;
use super::super::write::Dollars;
use domain::{Money, Usage};
use serde::{Deserialize, Serialize};

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

/// A `usage` object as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Out {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cache_read_input_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cache_write_input_tokens: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cache_details: Vec<CacheDetailOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Dollars>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CacheDetailOut {
    ttl: &'static str,
    input_tokens: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The figures of a call as Bedrock words them, and our `cost`.
pub(super) fn encode(usage: &Usage, cost: Option<Money>) -> Out {
    let written = [("1h", usage.cache_write_1h), ("5m", usage.cache_write)];
    let details = written.into_iter().filter(|(_, tokens)| *tokens > 0);
    Out {
        input_tokens: usage.input.saturating_add(usage.audio_input).saturating_add(usage.image_input),
        output_tokens: usage.total_output(),
        total_tokens: usage.total_input().saturating_add(usage.total_output()),
        cache_read_input_tokens: usage.cache_read,
        cache_write_input_tokens: usage.cache_write.saturating_add(usage.cache_write_1h),
        cache_details: details.map(|(ttl, input_tokens)| CacheDetailOut { ttl, input_tokens }).collect(),
        cost: cost.map(Dollars),
    }
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
        let written = serde_json::to_string(&encode(&expected, None)).unwrap();
        assert_eq!(decode(&written), Some(expected));
        assert!(written.contains("\"totalTokens\":117"), "{written}");
    }
}
