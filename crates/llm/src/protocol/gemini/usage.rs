//! Gemini's `usageMetadata`.
//!
//! `promptTokenCount` includes what was read from the cache; `candidatesTokenCount` excludes thoughts, and what tools of
//! the provider added to the prompt is counted beside both. Modalities are told apart in lists.
//! <https://ai.google.dev/api/generate-content#UsageMetadata>, read 2026-11-26.

use super::super::openai_chat::usage::Count;
use super::super::write::Dollars;
use domain::{Money, Usage};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Wire<'a> {
    prompt_token_count: Count,
    cached_content_token_count: Count,
    candidates_token_count: Count,
    thoughts_token_count: Count,
    tool_use_prompt_token_count: Count,
    total_token_count: Count,
    /// Of embeddings it has another name (<https://github.com/pydantic/pydantic-ai/issues/6781>, read 2026-11-26).
    #[serde(borrow, alias = "promptTokenDetails")]
    prompt_tokens_details: Option<Vec<Details<'a>>>,
    #[serde(borrow)]
    cache_tokens_details: Option<Vec<Details<'a>>>,
    #[serde(borrow)]
    candidates_tokens_details: Option<Vec<Details<'a>>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Details<'a> {
    #[serde(borrow)]
    modality: Cow<'a, str>,
    token_count: Count,
}

fn of_modality(details: Option<&Vec<Details<'_>>>, modality: &str) -> u64 {
    let fitting = details.into_iter().flatten().filter(|details| details.modality == modality);
    fitting.fold(0, |sum, details| sum.saturating_add(details.token_count.get()))
}

/// Reads a `usageMetadata` object. `None`: it is none, or tells nothing of tokens.
pub fn decode(raw: &str) -> Option<Usage> {
    let wire: Wire<'_> = serde_json::from_str(raw).ok()?;
    if wire.prompt_token_count.0.is_none() && wire.total_token_count.0.is_none() {
        return None;
    }
    let cache_read = wire.cached_content_token_count.get();
    let input = |modality| {
        let all = of_modality(wire.prompt_tokens_details.as_ref(), modality);
        all.saturating_sub(of_modality(wire.cache_tokens_details.as_ref(), modality))
    };
    let (audio_input, image_input) = (input("AUDIO"), input("IMAGE"));
    let output = |modality| of_modality(wire.candidates_tokens_details.as_ref(), modality);
    let (audio_output, image_output) = (output("AUDIO"), output("IMAGE"));
    let (prompt, by_tools) = (wire.prompt_token_count.get(), wire.tool_use_prompt_token_count.get());
    let reasoning = wire.thoughts_token_count.get();
    let answer = match wire.candidates_token_count.0 {
        Some(count) => count,
        // Left out where it is zero, and by some servers always.
        None => rest(wire.total_token_count.get(), &[prompt, by_tools, reasoning]),
    };
    Some(Usage {
        input: rest(prompt, &[cache_read, audio_input, image_input]).saturating_add(by_tools),
        cache_read,
        output: rest(answer, &[audio_output, image_output]),
        reasoning,
        audio_input,
        audio_output,
        image_input,
        image_output,
        ..Usage::ZERO
    })
}

fn rest(total: u64, parts: &[u64]) -> u64 {
    parts.iter().fold(total, |left, part| left.saturating_sub(*part))
}

/// Joins the reports of one stream: figures only grow. One that does not tell modalities apart yet must not be counted
/// again beside those that do.
pub fn merge(earlier: Usage, later: Usage) -> Usage {
    let mut merged = earlier.merge(later);
    let input = earlier.total_input().max(later.total_input());
    merged.input = rest(input, &[merged.cache_read, merged.audio_input, merged.image_input]);
    let output = earlier.total_output().max(later.total_output());
    merged.output = rest(output, &[merged.reasoning, merged.audio_output, merged.image_output]);
    merged
}

/// A `usageMetadata` object as it is written; `cost` is ours.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Out {
    prompt_token_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cached_content_token_count: u64,
    candidates_token_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    thoughts_token_count: u64,
    total_token_count: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    prompt_tokens_details: Vec<DetailsOut>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates_tokens_details: Vec<DetailsOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Dollars>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DetailsOut {
    modality: &'static str,
    token_count: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Modalities beside text, and text where there are any.
fn details(text: u64, others: [(&'static str, u64); 2]) -> Vec<DetailsOut> {
    let told: Vec<(&'static str, u64)> = others.into_iter().filter(|(_, count)| *count > 0).collect();
    if told.is_empty() {
        return Vec::new();
    }
    let all = std::iter::once(("TEXT", text)).chain(told);
    all.map(|(modality, token_count)| DetailsOut { modality, token_count }).collect()
}

/// The figures of a call as Gemini words them, and our `cost`.
pub(super) fn encode(usage: &Usage, cost: Option<Money>) -> Out {
    let prompt = usage.total_input();
    let answer = usage.total_output().saturating_sub(usage.reasoning);
    let text = rest(prompt, &[usage.audio_input, usage.image_input]);
    Out {
        prompt_token_count: prompt,
        cached_content_token_count: usage.cache_read,
        candidates_token_count: answer,
        thoughts_token_count: usage.reasoning,
        total_token_count: prompt.saturating_add(usage.total_output()),
        prompt_tokens_details: details(text, [("AUDIO", usage.audio_input), ("IMAGE", usage.image_input)]),
        candidates_tokens_details: details(
            usage.output,
            [("AUDIO", usage.audio_output), ("IMAGE", usage.image_output)],
        ),
        cost: cost.map(Dollars),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_is_counted_once() {
        let raw = r#"{"promptTokenCount":100,"cachedContentTokenCount":40,"candidatesTokenCount":30,
            "thoughtsTokenCount":7,"toolUsePromptTokenCount":5,"totalTokenCount":142,
            "promptTokensDetails":[{"modality":"TEXT","tokenCount":80},{"modality":"AUDIO","tokenCount":20}],
            "cacheTokensDetails":[{"modality":"AUDIO","tokenCount":8},{"modality":"TEXT","tokenCount":32}],
            "candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":20},{"modality":"TEXT","tokenCount":10}]}"#;
        let expected = Usage {
            input: 53,
            cache_read: 40,
            audio_input: 12,
            output: 10,
            image_output: 20,
            reasoning: 7,
            ..Usage::ZERO
        };
        assert_eq!(decode(raw), Some(expected));
        assert_eq!(expected.total_input() + expected.total_output(), 142);
    }

    #[test]
    fn an_answer_that_is_not_counted_is_what_the_total_leaves() {
        let raw = r#"{"promptTokenCount":9,"thoughtsTokenCount":5,"totalTokenCount":20}"#;
        assert_eq!(decode(raw), Some(Usage { input: 9, output: 6, reasoning: 5, ..Usage::ZERO }));
        assert_eq!(decode(r#"{"trafficType":"ON_DEMAND"}"#), None);
    }

    #[test]
    fn a_report_that_tells_modalities_apart_replaces_one_that_does_not() {
        let start = decode(r#"{"promptTokenCount":50,"totalTokenCount":50}"#).unwrap();
        let end = r#"{"promptTokenCount":50,"candidatesTokenCount":4,"totalTokenCount":54,
            "promptTokensDetails":[{"modality":"AUDIO","tokenCount":45}]}"#;
        let merged = merge(start, decode(end).unwrap());
        assert_eq!((merged.input, merged.audio_input, merged.output), (5, 45, 4));
    }
}
