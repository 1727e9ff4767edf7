//! Asking a model to think: a budget of tokens, or a level.
//!
//! <https://ai.google.dev/gemini-api/docs/thinking>, read 2026-11-26: a budget of zero switches thinking off where that
//! is possible, minus one leaves the amount to the model; a level and a budget together are refused. Thoughts are shown
//! only to who asks.

use super::model::ThinkingSupport;
use super::wire::ThinkingConfig;
use crate::ir::{Effort, Reasoning, Thinking, Warnings};
use crate::protocol::Protocol;

/// As much as the model finds right.
const DYNAMIC: i64 = -1;

/// Decides.
pub(super) fn config(
    reasoning: &Reasoning,
    from: Protocol,
    support: ThinkingSupport,
    warnings: &mut Warnings,
) -> Option<ThinkingConfig> {
    let mut config = ThinkingConfig::default();
    match support {
        ThinkingSupport::Never => {
            if !matches!(reasoning.thinking, None | Some(Thinking::Disabled)) {
                warnings.add("thinking", "this model cannot think");
            }
            return None;
        }
        ThinkingSupport::Budget { min, max, can_stop } => {
            let least = if can_stop { 0 } else { min };
            config.thinking_budget = budget(reasoning, (min, max, least), warnings);
        }
        ThinkingSupport::Level { has_minimal, has_medium } => {
            config.thinking_level = level(reasoning, (has_minimal, has_medium), warnings);
        }
    }
    let is_off = config.thinking_budget == Some(0) || reasoning.thinking == Some(Thinking::Disabled);
    config.include_thoughts = match reasoning.display.as_deref() {
        Some("omitted") => (from == Protocol::Gemini).then_some(false),
        Some(_) => Some(true),
        // Callers of other protocols see the thoughts of models that have any.
        None => (from != Protocol::Gemini && !is_off).then_some(true),
    };
    (config != ThinkingConfig::default()).then_some(config)
}

/// A budget for what is asked, within what the model takes: `(min, max, least)`.
fn budget(reasoning: &Reasoning, bounds: (u64, u64, u64), warnings: &mut Warnings) -> Option<i64> {
    let (min, max, least) = bounds;
    let wanted = match (reasoning.thinking, reasoning.effort) {
        (None, None) => return None,
        (Some(Thinking::Adaptive), None) => return Some(DYNAMIC),
        (Some(Thinking::Disabled), _) | (_, Some(Effort::None)) => {
            if least > 0 {
                warnings.add("thinking", "this model always thinks: the smallest budget was sent");
            }
            return Some(signed(least));
        }
        (Some(Thinking::Budget(0)), _) => least,
        (Some(Thinking::Budget(tokens)), _) => tokens,
        (Some(Thinking::Adaptive) | None, Some(effort)) => effort.budget().unwrap_or(max),
    };
    let sent = if wanted == least { least } else { wanted.clamp(min, max) };
    if let Some(Thinking::Budget(asked)) = reasoning.thinking
        && asked != sent
    {
        warnings.add("thinking.budget_tokens", format!("{asked} became {sent}, which the model takes"));
    }
    Some(signed(sent))
}

fn signed(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

/// The level for what is asked, of those the model has: `(has_minimal, has_medium)`.
fn level(reasoning: &Reasoning, has: (bool, bool), warnings: &mut Warnings) -> Option<&'static str> {
    let (has_minimal, has_medium) = has;
    let least = if has_minimal { "minimal" } else { "low" };
    let effort = match (reasoning.thinking, reasoning.effort) {
        (Some(Thinking::Disabled), _) | (_, Some(Effort::None)) => {
            warnings.add("thinking", format!("this model always thinks: the level {least} was sent"));
            return Some(least);
        }
        (_, Some(effort)) => effort,
        (Some(Thinking::Budget(tokens)), None) => {
            let effort = Effort::of_budget(tokens);
            warnings.add("thinking.budget_tokens", format!("{tokens} tokens became {}", effort.as_str()));
            effort
        }
        // That is what it does anyway.
        (Some(Thinking::Adaptive) | None, None) => return None,
    };
    let sent = match effort {
        Effort::None | Effort::Min | Effort::Minimal => least,
        Effort::Low => "low",
        Effort::Medium if has_medium => "medium",
        Effort::Medium | Effort::High | Effort::ExtraHigh | Effort::Max => "high",
    };
    if sent != effort.as_str() && effort != Effort::Min {
        warnings.add("reasoning_effort", format!("{} was sent as {sent}", effort.as_str()));
    }
    Some(sent)
}

#[cfg(test)]
mod tests {
    use super::super::model::traits;
    use super::*;

    fn sent(
        model: &str,
        thinking: Option<Thinking>,
        effort: Option<&str>,
    ) -> (Option<i64>, Option<&'static str>) {
        let reasoning = Reasoning { thinking, effort: effort.and_then(Effort::parse), display: None };
        let mut warnings = Warnings::new(Protocol::OpenAiChat, Protocol::Gemini);
        let config = config(&reasoning, Protocol::OpenAiChat, traits(model).thinking, &mut warnings);
        let config = config.unwrap_or_default();
        (config.thinking_budget, config.thinking_level)
    }

    #[test]
    fn budgets_follow_the_table_within_what_the_model_takes() {
        use Thinking::{Adaptive, Budget, Disabled};
        let table = [
            ("gemini-2.5-flash", Some(Disabled), None, Some(0)),
            ("gemini-2.5-flash", Some(Adaptive), Some("none"), Some(0)),
            ("gemini-2.5-pro", Some(Disabled), None, Some(128)),
            ("gemini-2.5-flash", Some(Adaptive), None, Some(-1)),
            ("gemini-2.5-flash", Some(Adaptive), Some("low"), Some(1024)),
            ("gemini-2.5-flash", Some(Adaptive), Some("medium"), Some(8192)),
            ("gemini-2.5-flash", Some(Adaptive), Some("high"), Some(16_384)),
            ("gemini-2.5-pro", Some(Adaptive), Some("max"), Some(32_768)),
            ("gemini-2.5-flash-lite", Some(Budget(100)), None, Some(512)),
            ("gemini-2.5-flash", Some(Budget(100_000)), None, Some(24_576)),
            ("gemini-2.5-flash", None, None, None),
        ];
        for (model, thinking, effort, expected) in table {
            assert_eq!(sent(model, thinking, effort).0, expected, "{model} {thinking:?} {effort:?}");
        }
    }

    #[test]
    fn levels_are_those_the_model_has() {
        use Thinking::{Adaptive, Budget, Disabled};
        let table = [
            ("gemini-3-flash-preview", Some(Disabled), None, Some("minimal")),
            ("gemini-3.1-pro-preview", Some(Disabled), None, Some("low")),
            ("gemini-3-pro-preview", Some(Adaptive), Some("medium"), Some("high")),
            ("gemini-3.8-flash", Some(Adaptive), Some("medium"), Some("medium")),
            ("gemini-3.8-flash", Some(Adaptive), Some("xhigh"), Some("high")),
            ("gemini-3.8-flash", Some(Budget(2000)), None, Some("medium")),
            ("gemini-3.8-flash", Some(Adaptive), None, None),
        ];
        for (model, thinking, effort, expected) in table {
            assert_eq!(sent(model, thinking, effort).1, expected, "{model} {thinking:?} {effort:?}");
        }
    }
}
