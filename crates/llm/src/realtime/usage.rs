//! The `usage` of a realtime answer. Totals include what came from the cache, of each kind; taken apart here, once.

use crate::protocol::openai_chat::usage::Count;
use domain::Usage;
use serde::Deserialize;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    input_tokens: Count,
    output_tokens: Count,
    input_token_details: Option<InputDetails>,
    output_token_details: Option<OutputDetails>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct InputDetails {
    audio_tokens: Count,
    image_tokens: Count,
    cached_tokens: Count,
    cached_tokens_details: Option<CachedDetails>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CachedDetails {
    audio_tokens: Count,
    image_tokens: Count,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct OutputDetails {
    audio_tokens: Count,
    reasoning_tokens: Count,
}

/// Reads a `usage` object. `None`: it is none, or tells nothing of tokens.
pub fn decode(raw: &str) -> Option<Usage> {
    let wire: Wire = serde_json::from_str(raw).ok()?;
    if wire.input_tokens.0.is_none() && wire.output_tokens.0.is_none() {
        return None;
    }
    let input = wire.input_token_details.unwrap_or_default();
    let output = wire.output_token_details.unwrap_or_default();
    let cached = input.cached_tokens_details.unwrap_or_default();
    let (audio, image) = (input.audio_tokens.get(), input.image_tokens.get());
    let audio_cache_read = cached.audio_tokens.get().min(audio);
    let image_cache_read = cached.image_tokens.get().min(image);
    let cache_read = rest(input.cached_tokens.get(), [audio_cache_read, image_cache_read]);
    let text = rest(wire.input_tokens.get(), [audio, image]);
    let (audio_output, reasoning) = (output.audio_tokens.get(), output.reasoning_tokens.get());
    Some(Usage {
        // What is said to be cached and is of no other kind is text.
        input: text.saturating_sub(cache_read),
        cache_read: cache_read.min(text),
        audio_input: audio - audio_cache_read,
        audio_cache_read,
        image_input: image - image_cache_read,
        image_cache_read,
        output: rest(wire.output_tokens.get(), [audio_output, reasoning]),
        audio_output,
        reasoning,
        ..Usage::ZERO
    })
}

fn rest(total: u64, parts: [u64; 2]) -> u64 {
    parts.iter().fold(total, |left, part| left.saturating_sub(*part))
}
