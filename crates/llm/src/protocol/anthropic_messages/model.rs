//! What Claude models take, told from their names.
//!
//! Newer models refuse with 400 what older ones need: budgets of thinking tokens and sampling parameters
//! are gone from Opus 4.7, Sonnet 5 and later; adaptive thinking is unknown before 4.6.
//! <https://platform.claude.com/docs/en/about-claude/models/migration-guide>,
//! <https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking> and
//! <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>, read 2026-11-22.

/// How a model can be asked to think.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::protocol) enum ThinkingSupport {
    /// Not at all.
    Never,
    /// With a budget of tokens.
    Budget,
    /// With a budget (deprecated), or as it finds right.
    BudgetOrAdaptive,
    /// Only as it finds right.
    Adaptive,
    /// As it finds right, and it cannot be told not to.
    Always,
}

/// What a model takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::protocol) struct Traits {
    pub thinking: ThinkingSupport,
    /// `output_config.effort`.
    pub takes_effort: bool,
    /// The effort `xhigh`.
    pub takes_extra_high: bool,
    /// `temperature`, `top_p`, `top_k`.
    pub takes_sampling: bool,
    /// `temperature` and `top_p` together.
    pub takes_both_samplings: bool,
    /// `output_config.format`, and `strict` on tools.
    pub takes_schema: bool,
    /// Tokens it can answer with, where its name tells
    /// (<https://platform.claude.com/docs/en/about-claude/models/overview>, as of 2026-11-26).
    pub max_output: Option<u64>,
}

/// Models that are not Claude but speak the protocol: nothing is known, so what is oldest is assumed.
const UNKNOWN: Traits = Traits {
    thinking: ThinkingSupport::Budget,
    takes_effort: false,
    takes_extra_high: false,
    takes_sampling: true,
    takes_both_samplings: true,
    takes_schema: true,
    max_output: None,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Opus,
    Sonnet,
    Haiku,
    /// Fable and Mythos.
    Fable,
}

/// Reads a model's name: `claude-3-5-sonnet-20241022`, `claude-opus-4-7`, `anthropic.claude-sonnet-5`.
pub(in crate::protocol) fn traits(model: &str) -> Traits {
    let Some((family, version)) = family_and_version(model) else { return UNKNOWN };
    let is_newest = match family {
        Family::Fable => true,
        Family::Opus => version >= (4, 7),
        Family::Sonnet | Family::Haiku => version >= (5, 0),
    };
    let thinking = match family {
        Family::Fable => ThinkingSupport::Always,
        Family::Opus | Family::Sonnet | Family::Haiku if is_newest => ThinkingSupport::Adaptive,
        Family::Opus | Family::Sonnet if version >= (4, 6) => ThinkingSupport::BudgetOrAdaptive,
        Family::Haiku if version < (4, 5) => ThinkingSupport::Never,
        Family::Opus | Family::Sonnet if version < (3, 7) => ThinkingSupport::Never,
        Family::Opus | Family::Sonnet | Family::Haiku => ThinkingSupport::Budget,
    };
    Traits {
        thinking,
        // Opus 4.5 takes it only with a beta header.
        takes_effort: is_newest || version >= (4, 6),
        takes_extra_high: is_newest,
        takes_sampling: !is_newest,
        takes_both_samplings: version < (4, 0),
        takes_schema: is_newest || version >= (4, 5),
        max_output: Some(max_output(family, version, is_newest)),
    }
}

fn max_output(family: Family, version: (u32, u32), is_newest: bool) -> u64 {
    if family == Family::Opus && ((4, 0)..(4, 5)).contains(&version) {
        32_000
    } else if is_newest || version >= (4, 6) {
        128_000
    } else if version >= (3, 7) {
        64_000
    } else if version >= (3, 5) {
        8_192
    } else {
        4_096
    }
}

fn family_and_version(model: &str) -> Option<(Family, (u32, u32))> {
    let lower = model.to_ascii_lowercase();
    let name = &lower[lower.find("claude-")? + "claude-".len()..];
    let words = || name.split(['-', '.', '@', '_', ':', '/']);
    let family = words().find_map(|word| match word {
        "opus" => Some(Family::Opus),
        "sonnet" => Some(Family::Sonnet),
        "haiku" => Some(Family::Haiku),
        "fable" | "mythos" => Some(Family::Fable),
        _ => None,
    })?;
    // Dates have eight digits, versions one or two. The suffix of Bedrock (`-v1:0`) begins with a letter.
    let is_version = |word: &&str| (1..=2).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit());
    let mut numbers = words().take_while(|word| *word != "v1" && *word != "v2").filter(is_version);
    let major = numbers.next().and_then(|word| word.parse().ok());
    let minor = numbers.next().and_then(|word| word.parse().ok());
    // `claude-mythos-preview` and aliases such as `claude-sonnet-latest` name the newest.
    Some((family, (major.unwrap_or(u32::MAX), minor.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_how_a_model_thinks() {
        let table = [
            ("claude-3-haiku-20240307", ThinkingSupport::Never),
            ("claude-3-5-sonnet-20241022", ThinkingSupport::Never),
            ("claude-3-7-sonnet-20250219", ThinkingSupport::Budget),
            ("claude-sonnet-4-20250514", ThinkingSupport::Budget),
            ("claude-haiku-4-5", ThinkingSupport::Budget),
            ("us.anthropic.claude-opus-4-1-20250805-v1:0", ThinkingSupport::Budget),
            ("claude-opus-4-6", ThinkingSupport::BudgetOrAdaptive),
            ("claude-sonnet-4-6", ThinkingSupport::BudgetOrAdaptive),
            ("claude-opus-4-7", ThinkingSupport::Adaptive),
            ("claude-opus-4.8", ThinkingSupport::Adaptive),
            ("anthropic.claude-sonnet-5", ThinkingSupport::Adaptive),
            ("claude-fable-5-1", ThinkingSupport::Always),
            ("claude-mythos-preview", ThinkingSupport::Always),
            ("deepseek-reasoner", ThinkingSupport::Budget),
        ];
        for (model, expected) in table {
            assert_eq!(traits(model).thinking, expected, "{model}");
        }
    }

    #[test]
    fn names_tell_how_long_an_answer_may_be() {
        let limits =
            ["claude-3-haiku-20240307", "claude-3-5-sonnet-20241022", "claude-opus-4-1", "claude-haiku-4-5"];
        assert_eq!(limits.map(|model| traits(model).max_output.unwrap()), [4_096, 8_192, 32_000, 64_000]);
        assert_eq!(traits("claude-opus-5").max_output, Some(128_000));
        assert_eq!(traits("deepseek-reasoner").max_output, None);
    }

    #[test]
    fn old_models_take_no_schema_and_new_ones_no_temperature() {
        assert!(!traits("claude-sonnet-4-20250514").takes_schema);
        assert!(traits("claude-haiku-4-5-20251001").takes_schema);
        assert!(traits("claude-opus-4-6").takes_sampling);
        assert!(!traits("claude-opus-4-7").takes_sampling);
        assert!(!traits("claude-opus-4-5").takes_both_samplings);
    }
}
