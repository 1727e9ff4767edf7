//! What OpenAI's own models take, told from their names.
//!
//! Models that reason refuse sampling parameters and stop sequences with 400; the others refuse
//! `reasoning_effort`. <https://platform.openai.com/docs/guides/reasoning> and
//! <https://platform.openai.com/docs/guides/latest-model>, read 2026-11-22. GPT-5.1 and 5.2 take sampling
//! parameters while their effort is `none`; it is not worth a rule of its own.

/// What a model is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::protocol) enum Kind {
    /// It reasons before it answers.
    Reasoning,
    /// It answers at once.
    Plain,
    /// The name tells nothing.
    Unknown,
}

/// Reads a model's name: `gpt-4.1-mini`, `o3`, `ft:gpt-4o:acme::id`.
pub(in crate::protocol) fn kind(model: &str) -> Kind {
    let name = model.strip_prefix("ft:").unwrap_or(model);
    if name.contains("chat") {
        return Kind::Plain;
    }
    let leading_number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    };
    if let Some(generation) = name.strip_prefix("gpt-").and_then(leading_number) {
        return if generation >= 5 { Kind::Reasoning } else { Kind::Plain };
    }
    match name.strip_prefix('o').and_then(leading_number) {
        Some(_) => Kind::Reasoning,
        None => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_whether_a_model_reasons() {
        for name in ["o1", "o3-mini", "o4-mini-2025-04-16", "gpt-5", "gpt-5.2-codex", "gpt-6"] {
            assert_eq!(kind(name), Kind::Reasoning, "{name}");
        }
        for name in ["gpt-4.1", "gpt-4o-mini", "gpt-3.5-turbo", "gpt-5-chat-latest", "ft:gpt-4o:acme::id"] {
            assert_eq!(kind(name), Kind::Plain, "{name}");
        }
        for name in ["gpt-oss-120b", "codex-mini", "omni", ""] {
            assert_eq!(kind(name), Kind::Unknown, "{name}");
        }
    }
}
