//! Asking a model to think, and what else must then change.
//!
//! <https://platform.claude.com/docs/en/build-with-claude/extended-thinking>, read 2026-11-22: a budget is at
//! least 1024 and below `max_tokens`; while thinking, `temperature` and `top_k` may not be set, `top_p` is at
//! least 0.95, no tool can be forced, and a turn that awaits tool results must begin with its thoughts.

use super::model::{ThinkingSupport, Traits};
use super::wire;
use crate::ir::{ChatRequest, Content, Effort, Message, Reasoning, Role, Sampling, Thinking, Warnings};
use crate::protocol::{Protocol, Target};

/// The smallest budget.
const BUDGET_MIN: u64 = 1024;
/// The longest answer to ask for where neither the caller nor the catalogue nor the model's name tells: every model can
/// answer with so many tokens.
const MAX_TOKENS_DEFAULT: u64 = 4096;
/// The largest budget where the model's limit is not known.
const BUDGET_MAX_DEFAULT: u64 = 31_999;
/// The smallest `top_p` that is taken while thinking.
const TOP_P_MIN: f64 = 0.95;

/// What is sent.
pub(in crate::protocol) struct Plan<'a> {
    pub max_tokens: u64,
    pub thinking: Option<wire::Thinking<'a>>,
    pub effort: Option<&'static str>,
}

/// Decides.
pub(in crate::protocol) fn plan<'a>(
    request: &'a ChatRequest,
    target: &Target<'_>,
    traits: Traits,
    warnings: &mut Warnings,
) -> Plan<'a> {
    let limit = Some(target.max_output_tokens).filter(|limit| *limit > 0);
    let asked = asked_limit(request, limit, warnings);
    // A beta feature may raise what the name tells, so callers may ask for more.
    let limit = limit.or(traits.max_output);
    let wanted = request.reasoning.as_ref().and_then(|reasoning| wanted(reasoning, traits, limit, warnings));
    let wanted = wanted.filter(|wanted| is_possible(request, wanted, warnings));
    let effort = request.reasoning.as_ref().and_then(|reasoning| effort(reasoning, traits, warnings));
    let display =
        request.reasoning.as_ref().and_then(|reasoning| display(request.protocol, reasoning, traits));
    let mut plan = Plan { max_tokens: asked.or(limit).unwrap_or(MAX_TOKENS_DEFAULT), thinking: None, effort };
    if asked.is_none() && limit.is_none() {
        warnings.add("max_tokens", format!("not set, and required: {MAX_TOKENS_DEFAULT} was sent"));
    }
    plan.thinking = match wanted {
        None => None,
        Some(Thinking::Disabled) => Some(wire::Thinking::Disabled),
        Some(Thinking::Adaptive) => Some(wire::Thinking::Adaptive { display }),
        Some(Thinking::Budget(tokens)) => {
            if asked.is_none() && limit.is_none() {
                plan.max_tokens = tokens.saturating_add(MAX_TOKENS_DEFAULT);
            }
            fitted(tokens, plan.max_tokens, asked, warnings)
                .map(|budget_tokens| wire::Thinking::Enabled { budget_tokens, display })
        }
    };
    plan
}

fn asked_limit(request: &ChatRequest, limit: Option<u64>, warnings: &mut Warnings) -> Option<u64> {
    let asked = request.sampling.max_output_tokens?;
    match limit {
        Some(limit) if asked > limit => {
            warnings.add("max_tokens", format!("{asked} was lowered to the model's limit of {limit}"));
            Some(limit)
        }
        _ => Some(asked),
    }
}

/// The way of thinking that the model knows.
fn wanted(
    reasoning: &Reasoning,
    traits: Traits,
    limit: Option<u64>,
    warnings: &mut Warnings,
) -> Option<Thinking> {
    let wanted = reasoning.thinking?;
    match (wanted, traits.thinking) {
        (Thinking::Disabled, ThinkingSupport::Always) => {
            warnings.add("thinking", "this model always thinks");
            None
        }
        (Thinking::Disabled, ThinkingSupport::Never) => None,
        (Thinking::Disabled, _) => Some(Thinking::Disabled),
        (_, ThinkingSupport::Never) => {
            warnings.add("thinking", "this model cannot think");
            None
        }
        (Thinking::Budget(tokens), ThinkingSupport::Budget | ThinkingSupport::BudgetOrAdaptive) => {
            Some(Thinking::Budget(tokens))
        }
        (Thinking::Adaptive, ThinkingSupport::Budget) => {
            let effort = reasoning.effort.unwrap_or(Effort::Medium);
            warn_of_none(effort, warnings);
            let most = limit.map_or(BUDGET_MAX_DEFAULT, |limit| limit.saturating_sub(1));
            Some(Thinking::Budget(effort.budget().unwrap_or(most)))
        }
        (Thinking::Budget(tokens), ThinkingSupport::Adaptive | ThinkingSupport::Always) => {
            let word = reasoning.effort.unwrap_or(Effort::of_budget(tokens)).as_str();
            warnings.add("thinking.budget_tokens", format!("{tokens} tokens became the effort {word}"));
            Some(Thinking::Adaptive)
        }
        (
            Thinking::Adaptive,
            ThinkingSupport::Adaptive | ThinkingSupport::Always | ThinkingSupport::BudgetOrAdaptive,
        ) => Some(Thinking::Adaptive),
    }
}

fn warn_of_none(effort: Effort, warnings: &mut Warnings) {
    if effort == Effort::None {
        warnings.add("reasoning_effort", "none was sent as the least effort there is");
    }
}

/// The word for `output_config.effort`.
fn effort(reasoning: &Reasoning, traits: Traits, warnings: &mut Warnings) -> Option<&'static str> {
    let is_adaptive = match traits.thinking {
        ThinkingSupport::Adaptive | ThinkingSupport::Always => true,
        ThinkingSupport::Never | ThinkingSupport::Budget | ThinkingSupport::BudgetOrAdaptive => false,
    };
    let of_budget = match reasoning.thinking {
        Some(Thinking::Budget(tokens)) if is_adaptive => Some(Effort::of_budget(tokens)),
        Some(Thinking::Budget(_) | Thinking::Adaptive | Thinking::Disabled) | None => None,
    };
    let effort = reasoning.effort.or(of_budget)?;
    if !traits.takes_effort {
        if reasoning.thinking.is_none() {
            warnings.add("output_config.effort", "this model has no such setting");
        }
        return None;
    }
    warn_of_none(effort, warnings);
    Some(match effort {
        Effort::None | Effort::Min | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::ExtraHigh if traits.takes_extra_high => "xhigh",
        Effort::ExtraHigh => {
            warnings.add("reasoning_effort", "xhigh was sent as high");
            "high"
        }
        Effort::Max => "max",
    })
}

/// The newest models hide their thoughts unless asked; callers of OpenAI's protocol who ask for reasoning
/// get `reasoning_content` from every other model.
fn display(from: Protocol, reasoning: &Reasoning, traits: Traits) -> Option<&str> {
    let hides = matches!(traits.thinking, ThinkingSupport::Adaptive | ThinkingSupport::Always);
    match (&reasoning.display, from) {
        // How long a summary is to be, nobody can say here.
        (Some(_), Protocol::OpenAiResponses) => hides.then_some("summarized"),
        (Some(display), _) => Some(display),
        (None, Protocol::OpenAiChat) if hides => Some("summarized"),
        (
            None,
            Protocol::OpenAiChat
            | Protocol::OpenAiResponses
            | Protocol::AnthropicMessages
            | Protocol::Gemini
            | Protocol::BedrockConverse
            | Protocol::CohereChat,
        ) => None,
    }
}

/// Whether the conversation allows it.
fn is_possible(request: &ChatRequest, wanted: &Thinking, warnings: &mut Warnings) -> bool {
    if *wanted == Thinking::Disabled {
        return true;
    }
    let Some(last) = request.messages.last() else { return true };
    if last.role == Role::Assistant {
        warnings.add("thinking", "dropped: the conversation ends with the beginning of an answer");
        return false;
    }
    let is_budget = matches!(wanted, Thinking::Budget(_));
    if is_budget && awaits_without_thoughts(&request.messages) {
        warnings.add("thinking", "dropped: the turn that called the tools came without its signed thoughts");
        return false;
    }
    true
}

/// Whether the last turn of the assistant called tools, has its results, and lacks its thoughts.
fn awaits_without_thoughts(messages: &[Message]) -> bool {
    let Some(at) = messages.iter().rposition(|message| message.role == Role::Assistant) else { return false };
    let is_result =
        |message: &Message| message.parts.iter().any(|part| matches!(part.content, Content::ToolResult(_)));
    let calls = messages[at].parts.iter().any(|part| matches!(part.content, Content::ToolCall(_)));
    let has_thoughts = messages[at].parts.iter().any(|part| {
        matches!(
            &part.content,
            Content::Reasoning { signature: Some(signature), .. } | Content::RedactedReasoning(signature)
                if signature.protocol == Protocol::AnthropicMessages
        )
    });
    calls && !has_thoughts && messages[at + 1..].iter().any(is_result)
}

/// Fits the budget below the limit of the answer; `asked` is the limit that the caller set.
fn fitted(wanted: u64, max_tokens: u64, asked: Option<u64>, warnings: &mut Warnings) -> Option<u64> {
    let mut budget = wanted;
    if budget < BUDGET_MIN {
        warnings.add("thinking.budget_tokens", format!("{wanted} was raised to {BUDGET_MIN}"));
        budget = BUDGET_MIN;
    }
    let most = max_tokens.saturating_sub(1);
    if budget > most {
        if most < BUDGET_MIN {
            warnings.add("thinking", format!("dropped: max_tokens of {max_tokens} leaves no room for it"));
            return None;
        }
        if asked.is_some() || wanted != most {
            warnings
                .add("thinking.budget_tokens", format!("{budget} was lowered to {most}, below max_tokens"));
        }
        budget = most;
    }
    Some(budget)
}

/// How an answer may be drawn.
#[derive(Default)]
pub(in crate::protocol) struct Drawn {
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<u64>,
}

/// Drops what may not be set together.
pub(in crate::protocol) fn sampling(
    sampling: &Sampling,
    is_thinking: bool,
    traits: Traits,
    warnings: &mut Warnings,
) -> Drawn {
    let mut drawn = Drawn::default();
    let is_refused = !traits.takes_sampling || is_thinking;
    let why =
        if traits.takes_sampling { "it may not be set while thinking" } else { "this model takes none" };
    // One is the default of both: leaving it out says the same.
    drawn.temperature = sampling.temperature.filter(|temperature| {
        let is_dropped = is_refused && *temperature != 1.0;
        if is_dropped {
            warnings.add("temperature", format!("{temperature} was dropped: {why}"));
        }
        !is_refused
    });
    if let Some(temperature) = &mut drawn.temperature {
        let clamped = temperature.clamp(0.0, 1.0);
        if clamped != *temperature {
            warnings.add("temperature", format!("{temperature} was lowered to {clamped}"));
        }
        *temperature = clamped;
    }
    drawn.top_k = sampling.top_k.filter(|top_k| {
        if is_refused {
            warnings.add("top_k", format!("{top_k} was dropped: {why}"));
        }
        !is_refused
    });
    let conflicts = drawn.temperature.is_some() && !traits.takes_both_samplings;
    drawn.top_p = sampling.top_p.filter(|top_p| {
        let too_low = is_thinking && *top_p < TOP_P_MIN;
        let is_dropped = !traits.takes_sampling || too_low || conflicts;
        if is_dropped && *top_p != 1.0 {
            let why = if conflicts { "it may not be set beside temperature" } else { why };
            warnings.add("top_p", format!("{top_p} was dropped: {why}"));
        }
        !is_dropped
    });
    drawn
}
