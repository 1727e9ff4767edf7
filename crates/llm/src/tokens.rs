//! Estimating tokens where nobody has counted them.
//!
//! An estimate from the text alone, without any vocabulary: letters of a script weigh what they do on average in the
//! vocabularies of nine families of models (`bench/tokens` measures the error, `docs/benchmarks/tokens.md` has it). Whatever
//! rests on it says so (`UsageSource::Estimate`).

use crate::ir::{ChatRequest, Content, EmbeddingContent, EmbeddingRequest, Part, Source};

/// Tokens in a text, estimated.
pub fn of_text(text: &str) -> u64 {
    let weights: u64 = text.chars().map(weight).sum();
    weights.div_ceil(1_000)
}

/// Thousandths of a token that a letter takes on average.
const fn weight(letter: char) -> u64 {
    match letter {
        '\0'..='\u{7f}' => 270,
        // Latin with marks.
        '\u{80}'..='\u{24f}' => 450,
        // Greek and Cyrillic.
        '\u{370}'..='\u{52f}' => 340,
        // Hebrew and Arabic.
        '\u{590}'..='\u{8ff}' => 450,
        // The scripts of India.
        '\u{900}'..='\u{dff}' => 600,
        // Kana, ideographs, Hangul and what stands between them.
        '\u{3000}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff00}'..='\u{ffef}' => 680,
        '\u{1f000}'..='\u{1faff}' => 2_100,
        _ => 1_000,
    }
}

/// Tokens in so many bytes of JSON text whose content is no longer at hand.
pub const fn of_bytes(bytes: u64) -> u64 {
    bytes.div_ceil(4)
}

/// Tokens of all inputs of a request for vectors that is translated, estimated.
pub fn of_inputs(request: &EmbeddingRequest) -> u64 {
    let of_content = |content: &EmbeddingContent| match content {
        EmbeddingContent::Text(text) | EmbeddingContent::Parts { text: Some(text), .. } => of_text(text),
        EmbeddingContent::Parts { text: None, .. } => IMAGE,
        // Nobody is sent them.
        EmbeddingContent::Tokens => 0,
    };
    request.inputs.iter().map(|input| of_content(&input.content)).sum()
}

/// What an image is taken for, whose size is not looked at: Anthropic's own figure for about a megapixel is
/// 1,600 (<https://platform.claude.com/docs/en/build-with-claude/vision>, read 2026-11-22).
const IMAGE: u64 = 1_600;
/// What a page of a document is taken for; its bytes say nothing reliable about its pages.
const DOCUMENT: u64 = 3_000;
/// What a message's role and frame add.
const MESSAGE: u64 = 4;

/// Tokens of a whole prompt, estimated: texts, tools, media at flat figures.
pub fn of_request(request: &ChatRequest) -> u64 {
    let parts = |parts: &[Part]| parts.iter().map(of_part).sum::<u64>();
    let messages: u64 = request.messages.iter().map(|message| MESSAGE + parts(&message.parts)).sum();
    let tools: u64 = request.tools.iter().map(|tool| of_bytes(format!("{tool:?}").len() as u64)).sum();
    parts(&request.system) + messages + tools
}

fn of_part(part: &Part) -> u64 {
    match &part.content {
        Content::Text { text, .. } | Content::Refusal(text) | Content::Reasoning { text, .. } => {
            of_text(text)
        }
        Content::Image { .. } => IMAGE,
        Content::Document { source: Source::Text(text), .. } => of_text(text),
        Content::Document { .. } => DOCUMENT,
        Content::Audio { data, .. } => of_bytes(data.len() as u64) / 64,
        Content::RedactedReasoning(signature) => of_bytes(signature.value.len() as u64),
        Content::ToolCall(call) => of_text(&call.name) + of_text(&call.arguments),
        Content::ToolResult(result) => result.parts.iter().map(of_part).sum(),
        Content::Opaque { raw, .. } => of_bytes(format!("{raw:?}").len() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_near_what_tokenizers_say() {
        assert_eq!(of_text(""), 0);
        assert_eq!(of_text("a"), 1);
        // 9 words; common tokenizers say 9 or 10.
        assert!((8..=12).contains(&of_text("The quick brown fox jumps over the lazy dog")));
        assert_eq!((of_text("你好"), of_text("шлюз"), of_text("🎉")), (2, 2, 3));
    }
}
