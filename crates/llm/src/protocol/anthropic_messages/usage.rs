//! Anthropic's `usage` object.
//!
//! `input_tokens` excludes what was read from and written to the cache, `output_tokens` includes thinking.
//! <https://platform.claude.com/docs/en/api/messages>, read 2026-11-22.

use super::super::openai_chat::usage::Count;
use super::super::write::Dollars;
use domain::{Money, Usage};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    input_tokens: Count,
    output_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation: Option<CacheCreation>,
    output_tokens_details: Option<OutputDetails>,
    server_tool_use: Option<ServerToolUse>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CacheCreation {
    ephemeral_5m_input_tokens: Count,
    ephemeral_1h_input_tokens: Count,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: Count,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ServerToolUse {
    web_search_requests: Count,
}

/// Reads a `usage` object. `None`: it is none, or tells nothing of tokens.
pub fn decode(raw: &str) -> Option<Usage> {
    let wire: Wire = serde_json::from_str(raw).ok()?;
    if wire.input_tokens.0.is_none() && wire.output_tokens.0.is_none() {
        return None;
    }
    let lifetimes = wire.cache_creation.unwrap_or_default();
    let written = wire.cache_creation_input_tokens.get();
    let for_an_hour = lifetimes.ephemeral_1h_input_tokens.get();
    let briefly = lifetimes.ephemeral_5m_input_tokens.get().max(written.saturating_sub(for_an_hour));
    let reasoning = wire.output_tokens_details.unwrap_or_default().thinking_tokens.get();
    Some(Usage {
        input: wire.input_tokens.get(),
        cache_read: wire.cache_read_input_tokens.get(),
        cache_write: briefly,
        cache_write_1h: for_an_hour,
        output: wire.output_tokens.get().saturating_sub(reasoning),
        reasoning,
        web_searches: wire.server_tool_use.unwrap_or_default().web_search_requests.get(),
        ..Usage::ZERO
    })
}

/// Joins the reports of one stream. A later report may lack the split that an earlier one made: what was
/// written for an hour, or thought, must not be counted again under the other kind.
pub fn merge(earlier: Usage, later: Usage) -> Usage {
    let mut merged = earlier.merge(later);
    let written = |usage: &Usage| usage.cache_write.saturating_add(usage.cache_write_1h);
    let cache = written(&earlier).max(written(&later));
    merged.cache_write = cache.saturating_sub(merged.cache_write_1h);
    let output = earlier.total_output().max(later.total_output());
    merged.output = output.saturating_sub(merged.reasoning);
    merged
}

/// A `usage` object as it is written.
#[derive(Serialize)]
pub(super) struct Out {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation: Option<CacheCreationOut>,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetailsOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_tool_use: Option<ServerToolUseOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Dollars>,
}

#[derive(Serialize)]
struct CacheCreationOut {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetailsOut {
    thinking_tokens: u64,
}

#[derive(Serialize)]
struct ServerToolUseOut {
    web_search_requests: u64,
}

/// The figures of a call as Anthropic words them, and our `cost`.
pub(super) fn encode(usage: &Usage, cost: Option<Money>) -> Out {
    let written = usage.cache_write.saturating_add(usage.cache_write_1h);
    Out {
        input_tokens: usage.input.saturating_add(usage.audio_input).saturating_add(usage.image_input),
        cache_creation_input_tokens: written,
        cache_read_input_tokens: usage.cache_read,
        cache_creation: (written > 0).then_some(CacheCreationOut {
            ephemeral_5m_input_tokens: usage.cache_write,
            ephemeral_1h_input_tokens: usage.cache_write_1h,
        }),
        output_tokens: usage.total_output(),
        output_tokens_details: (usage.reasoning > 0)
            .then_some(OutputDetailsOut { thinking_tokens: usage.reasoning }),
        server_tool_use: (usage.web_searches > 0)
            .then_some(ServerToolUseOut { web_search_requests: usage.web_searches }),
        cost: cost.map(Dollars),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_writes_are_split_by_lifetime() {
        let raw = r#"{"input_tokens":3,"cache_creation_input_tokens":100,"cache_read_input_tokens":9,
            "cache_creation":{"ephemeral_5m_input_tokens":40,"ephemeral_1h_input_tokens":60},
            "output_tokens":5,"server_tool_use":{"web_search_requests":2}}"#;
        let expected = Usage {
            input: 3,
            cache_read: 9,
            cache_write: 40,
            cache_write_1h: 60,
            output: 5,
            web_searches: 2,
            ..Usage::ZERO
        };
        assert_eq!(decode(raw), Some(expected));
    }

    #[test]
    fn a_later_report_without_the_split_adds_nothing() {
        let start = r#"{"input_tokens":3,"cache_creation_input_tokens":60,"output_tokens":1,
            "cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":60}}"#;
        let end = r#"{"input_tokens":3,"cache_creation_input_tokens":60,"output_tokens":50,
            "output_tokens_details":{"thinking_tokens":30}}"#;
        let merged = merge(decode(start).unwrap(), decode(end).unwrap());
        assert_eq!((merged.cache_write, merged.cache_write_1h), (0, 60));
        assert_eq!((merged.output, merged.reasoning), (20, 30));
    }
}
