//! OpenAI's `usage` object, and what other servers make of it.
//!
//! `prompt_tokens` includes what was read from the cache, `completion_tokens` includes reasoning; both are
//! taken apart here, once. <https://platform.openai.com/docs/api-reference/chat/object>, read 2026-11-22.

use super::super::write::Dollars;
use domain::{Money, Usage};
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A number of tokens as servers write it: absent, null, negative or with decimals. Anything else is zero.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Count(pub Option<u64>);

impl Count {
    pub(crate) fn get(self) -> u64 {
        self.0.unwrap_or(0)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_u64<E>(self, n: u64) -> Result<Count, E> {
                Ok(Count(Some(n)))
            }
            fn visit_i64<E>(self, n: i64) -> Result<Count, E> {
                Ok(Count(Some(u64::try_from(n).unwrap_or(0))))
            }
            fn visit_f64<E>(self, n: f64) -> Result<Count, E> {
                // A cast from a float stops at the ends of the range.
                Ok(Count(Some(n as u64)))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Count, E> {
                Ok(Count(None))
            }
            fn visit_unit<E>(self) -> Result<Count, E> {
                Ok(Count(None))
            }
            fn visit_str<E>(self, _: &str) -> Result<Count, E> {
                Ok(Count(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Count, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Count(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Count, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Count(None))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    prompt_tokens: Count,
    completion_tokens: Count,
    total_tokens: Count,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek. <https://api-docs.deepseek.com/guides/kv_cache>, read 2026-11-22.
    prompt_cache_hit_tokens: Count,
    /// Perplexity. <https://docs.perplexity.ai/api-reference/chat-completions-post>, read 2026-11-22.
    num_search_queries: Count,
    server_tool_use: Option<ServerToolUse>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Count,
    /// The reference product's word for what was written to the cache.
    caching_tokens: Count,
    /// OpenAI's own word for the same: `types/completion_usage.py` of its Python SDK 3.54, read 2026-11-22.
    cache_write_tokens: Count,
    audio_tokens: Count,
    image_tokens: Count,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Count,
    audio_tokens: Count,
    image_tokens: Count,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ServerToolUse {
    web_search_requests: Count,
}

/// Reads a `usage` object. `None`: it is none, or tells nothing of tokens.
pub fn decode(raw: &str) -> Option<Usage> {
    let wire: Wire = serde_json::from_str(raw).ok()?;
    if wire.prompt_tokens.0.is_none() && wire.completion_tokens.0.is_none() && wire.total_tokens.0.is_none() {
        return None;
    }
    let prompt = wire.prompt_tokens_details.unwrap_or_default();
    let completion = wire.completion_tokens_details.unwrap_or_default();
    let prompt_tokens = wire.prompt_tokens.get();
    let cache_read = prompt.cached_tokens.get().max(wire.prompt_cache_hit_tokens.get()).min(prompt_tokens);
    let written = prompt.caching_tokens.get().max(prompt.cache_write_tokens.get());
    let cache_write = written.min(prompt_tokens - cache_read);
    let (audio_input, image_input) = (prompt.audio_tokens.get(), prompt.image_tokens.get());
    let (audio_output, image_output) = (completion.audio_tokens.get(), completion.image_tokens.get());
    let completion_tokens = wire.completion_tokens.get();
    let said = prompt_tokens.saturating_add(completion_tokens);
    let reasoning = match completion.reasoning_tokens.0 {
        Some(reasoning) => reasoning,
        // Google tells of thoughts only by a total that is more than the sum.
        // <https://ai.google.dev/gemini-api/docs/openai>, read 2026-11-22.
        None if wire.prompt_tokens.0.is_some() => wire.total_tokens.get().saturating_sub(said),
        None => 0,
    };
    // xAI counts reasoning beside `completion_tokens`; only the total tells.
    // <https://docs.x.ai/docs/guides/reasoning>, read 2026-11-22.
    let is_beside = reasoning > 0 && wire.total_tokens.get() == said.saturating_add(reasoning);
    let within = if is_beside { 0 } else { reasoning };
    Some(Usage {
        input: rest(prompt_tokens, &[cache_read, cache_write, audio_input, image_input]),
        cache_read,
        cache_write,
        output: rest(completion_tokens, &[within, audio_output, image_output]),
        reasoning,
        audio_input,
        audio_output,
        image_input,
        image_output,
        web_searches: wire
            .num_search_queries
            .get()
            .max(wire.server_tool_use.unwrap_or_default().web_search_requests.get()),
        ..Usage::ZERO
    })
}

fn rest(total: u64, parts: &[u64]) -> u64 {
    parts.iter().fold(total, |left, part| left.saturating_sub(*part))
}

/// A `usage` object as it is written.
#[derive(Serialize)]
pub(super) struct Out {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptOut,
    completion_tokens_details: CompletionOut,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Dollars>,
}

#[derive(Serialize)]
struct PromptOut {
    cached_tokens: u64,
    caching_tokens: u64,
    audio_tokens: u64,
}

#[derive(Serialize)]
struct CompletionOut {
    reasoning_tokens: u64,
    audio_tokens: u64,
}

/// The figures of a call as OpenAI words them; `caching_tokens` and `cost` are the reference product's.
pub(super) fn encode(usage: &Usage, cost: Option<Money>) -> Out {
    let (input, output) = (usage.total_input(), usage.total_output());
    Out {
        prompt_tokens: input,
        completion_tokens: output,
        total_tokens: input.saturating_add(output),
        prompt_tokens_details: PromptOut {
            cached_tokens: usage.cache_read,
            caching_tokens: usage.cache_write.saturating_add(usage.cache_write_1h),
            audio_tokens: usage.audio_input,
        },
        completion_tokens_details: CompletionOut {
            reasoning_tokens: usage.reasoning,
            audio_tokens: usage.audio_output,
        },
        cost: cost.map(Dollars),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_never_counted_twice_when_cached() {
        let usage = decode(r#"{"prompt_tokens":100,"prompt_tokens_details":{"cached_tokens":80}}"#);
        assert_eq!(usage, Some(Usage { input: 20, cache_read: 80, ..Usage::ZERO }));
    }

    #[test]
    fn reasoning_is_part_of_the_completion_unless_the_total_says_otherwise() {
        let details = r#""completion_tokens_details":{"reasoning_tokens":30}"#;
        let within = format!(r#"{{"prompt_tokens":10,"completion_tokens":40,"total_tokens":50,{details}}}"#);
        assert_eq!(decode(&within), Some(Usage { input: 10, output: 10, reasoning: 30, ..Usage::ZERO }));
        let beside = format!(r#"{{"prompt_tokens":10,"completion_tokens":40,"total_tokens":80,{details}}}"#);
        assert_eq!(decode(&beside), Some(Usage { input: 10, output: 40, reasoning: 30, ..Usage::ZERO }));
    }

    #[test]
    fn thoughts_that_only_the_total_tells_of_are_reasoning() {
        let google = r#"{"prompt_tokens":10,"completion_tokens":40,"total_tokens":80}"#;
        assert_eq!(decode(google), Some(Usage { input: 10, output: 40, reasoning: 30, ..Usage::ZERO }));
        let told = r#"{"prompt_tokens":10,"completion_tokens":40,"total_tokens":80,
            "completion_tokens_details":{"reasoning_tokens":0}}"#;
        assert_eq!(decode(told), Some(Usage { input: 10, output: 40, ..Usage::ZERO }));
        assert_eq!(decode(r#"{"total_tokens":80}"#), Some(Usage::ZERO));
    }

    #[test]
    fn written_cache_is_part_of_the_prompt_whatever_it_is_called() {
        for name in ["caching_tokens", "cache_write_tokens"] {
            let raw = format!(
                r#"{{"prompt_tokens":1500,"completion_tokens":1,
                "prompt_tokens_details":{{"cached_tokens":1000,"{name}":300}}}}"#
            );
            let expected = Usage { input: 200, cache_read: 1000, cache_write: 300, output: 1, ..Usage::ZERO };
            assert_eq!(decode(&raw), Some(expected), "{name}");
        }
    }

    #[test]
    fn cache_hits_of_deepseek_are_read() {
        let raw = r#"{"prompt_tokens":50,"completion_tokens":1,
            "prompt_cache_hit_tokens":40,"prompt_cache_miss_tokens":10}"#;
        assert_eq!(decode(raw), Some(Usage { input: 10, cache_read: 40, output: 1, ..Usage::ZERO }));
    }

    #[test]
    fn odd_numbers_do_not_hide_the_others() {
        let raw = r#"{"prompt_tokens":7.0,"completion_tokens":null,"total_tokens":"x",
            "prompt_tokens_details":{"cached_tokens":-3}}"#;
        assert_eq!(decode(raw), Some(Usage { input: 7, ..Usage::ZERO }));
        assert_eq!(decode("null"), None);
        assert_eq!(decode("{}"), None);
    }
}
