//! Counting tokens with a model's own vocabulary, where it is certain which that is.
//!
//! A vocabulary is unpacked when it is first needed, which takes a sixth of a second and up to 40 MiB that stay: count
//! only where bytes are too rough, and never where others wait. Texts that were made for it take about a microsecond a
//! byte, others a hundredth of that.
//!
//! Which model has which vocabulary is OpenAI's own list: <https://github.com/openai/tiktoken/blob/main/tiktoken/model.py>,
//! read 2026-11-26. Models that it does not name are not guessed. What looks like a special token in a text is counted
//! as the text it is, which makes more tokens than the special one.

use crate::ir::{ChatRequest, Content, Part};

/// Bytes of text that are counted for one request; of the rest every byte is taken for a token.
const COUNTED_BYTES_MAX: usize = 1024 * 1024;

/// A vocabulary that is part of the binary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tokenizer {
    /// OpenAI's `o200k_base`.
    O200k,
}

/// Models with `o200k_base`, and all whose names go on with a hyphen.
const O200K: [&str; 8] = ["gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5", "chatgpt-4o", "o1", "o3", "o4-mini"];

impl Tokenizer {
    /// The tokenizer of a model at a provider of this kind, where it is certain.
    pub fn of(kind: &str, model: &str) -> Option<Self> {
        let is_o200k = |family: &&str| {
            model.strip_prefix(*family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        let is_openai = matches!(kind, "openai" | "openai-responses");
        (is_openai && O200K.iter().any(is_o200k)).then_some(Tokenizer::O200k)
    }

    /// Tokens in a text, never more than its bytes.
    pub fn count(self, text: &str) -> u64 {
        let bytes = text.len() as u64;
        let name = match self {
            Tokenizer::O200k => "o200k_base",
        };
        tiktoken::get_encoding(name).map_or(bytes, |encoding| (encoding.count(text) as u64).min(bytes))
    }

    /// How many fewer tokens than bytes the texts of a prompt have.
    ///
    /// Only what is plain text for the model is counted. Frames of messages and parts, names, arguments, tools and
    /// whatever else a request has stay bounded by their bytes: a frame has 24 of them at the least and takes three or
    /// four tokens (<https://developers.openai.com/cookbook/examples/how_to_count_tokens_with_tiktoken>, read
    /// 2026-11-26).
    pub fn saved_bytes(self, request: &ChatRequest) -> u64 {
        let mut count = Saved { tokenizer: self, left: COUNTED_BYTES_MAX, bytes: 0 };
        let messages = request.messages.iter().flat_map(|message| &message.parts);
        request.system.iter().chain(messages).for_each(|part| count.add(part));
        count.bytes
    }
}

struct Saved {
    tokenizer: Tokenizer,
    left: usize,
    bytes: u64,
}

impl Saved {
    fn add(&mut self, part: &Part) {
        match &part.content {
            Content::Text { text, .. } => {
                // A text that is too long is not counted in part: the vocabulary may join what a cut divides.
                if let Some(left) = self.left.checked_sub(text.len()) {
                    self.left = left;
                    self.bytes += text.len() as u64 - self.tokenizer.count(text);
                }
            }
            Content::ToolResult(result) => result.parts.iter().for_each(|part| self.add(part)),
            Content::Refusal(_)
            | Content::Reasoning { .. }
            | Content::RedactedReasoning(_)
            | Content::Image { .. }
            | Content::Document { .. }
            | Content::Audio { .. }
            | Content::ToolCall(_)
            | Content::Opaque { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Protocol;
    use proptest::prelude::*;

    #[test]
    fn only_models_that_are_certain_have_a_tokenizer() {
        for model in
            ["gpt-4o", "gpt-4o-mini", "gpt-4.1-nano-2025-04-14", "gpt-5", "gpt-5-mini", "o3", "o1-pro"]
        {
            assert_eq!(Tokenizer::of("openai", model), Some(Tokenizer::O200k), "{model}");
        }
        for model in ["gpt-5.6-sol", "gpt-6-astra", "gpt-4", "gpt-4-turbo", "gpt-3.5-turbo", "o30", "m", ""] {
            assert_eq!(Tokenizer::of("openai", model), None, "{model}");
        }
        assert_eq!(Tokenizer::of("openai-responses", "gpt-5"), Some(Tokenizer::O200k));
        assert_eq!(Tokenizer::of("openai-compatible", "gpt-4o"), None);
    }

    #[test]
    fn texts_are_counted_as_the_vendor_counts_them() {
        let count = |text| Tokenizer::O200k.count(text);
        assert_eq!(count("hello world"), 2);
        // <https://developers.openai.com/cookbook/examples/how_to_count_tokens_with_tiktoken>, read 2026-11-26.
        assert_eq!(count("tiktoken is great!"), 6);
        assert_eq!(count("お誕生日おめでとう"), 8);
        assert_eq!(count(""), 0);
        // Seven as text; as a special token it would be one.
        assert!(count("<|endoftext|>") > 1);
    }

    #[test]
    fn only_plain_texts_are_counted() {
        let saved = |messages: &str| {
            let body = format!(r#"{{"model":"m","messages":[{messages}]}}"#);
            let request = Protocol::OpenAiChat.decode_request(body.as_bytes()).unwrap();
            Tokenizer::O200k.saved_bytes(&request)
        };
        assert_eq!(saved(r#"{"role":"user","content":"hello world"}"#), 9);
        assert_eq!(saved(r#"{"role":"system","content":[{"type":"text","text":"hello world"}]}"#), 9);
        let call = r#"{"role":"assistant","tool_calls":[{"id":"hello world","type":"function",
            "function":{"name":"hello","arguments":"{\"hello\":\"world\"}"}}]}"#;
        assert_eq!(saved(call), 0);
        let result = r#",{"role":"tool","tool_call_id":"hello world","content":"hello world"}"#;
        assert_eq!(saved(&format!("{call}{result}")), 9);
    }

    #[test]
    fn texts_beyond_the_bound_are_not_counted() {
        let text = "hello ".repeat(COUNTED_BYTES_MAX / 6);
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"{text}"}},{{"role":"user","content":"hello world"}}]}}"#
        );
        let request = Protocol::OpenAiChat.decode_request(body.as_bytes()).unwrap();
        let saved = Tokenizer::O200k.saved_bytes(&request);
        assert_eq!(saved, text.len() as u64 - Tokenizer::O200k.count(&text));
    }

    proptest! {
        #[test]
        fn no_text_has_more_tokens_than_bytes(text in "\\PC{0,200}") {
            prop_assert!(Tokenizer::O200k.count(&text) <= text.len() as u64);
        }

        #[test]
        fn texts_made_to_be_hard_are_counted(piece in "[a-z \\n'\u{200d}<|>]{1,6}", times in 1..2_000usize) {
            let text = piece.repeat(times);
            let count = Tokenizer::O200k.count(&text);
            prop_assert!(count > 0 && count <= text.len() as u64);
        }
    }
}
