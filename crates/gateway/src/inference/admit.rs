//! Can they pay: reserves what a call may cost, makes an answer fit what is left, or refuses.

use super::bound::{self, Bound, NoPrice, OUTPUT_MIN};
use super::intake::Intake;
use super::relay::Progress;
use super::{converse, nested, protocol_of, route_of};
use crate::Gateway;
use crate::providers::Target;
use crate::refusal::Refusal;
use domain::record::Operation;
use domain::{Account, Enforcement, Money, Price, Scope, Terms, Timestamp, Window};
use llm::Protocol;
use llm::provider::{OutputLimit, RouteKind};
use store::{Hold, Overrun};

/// Tries to fit a call into what others leave.
const TRIES: u32 = 3;
/// Tokens by which the reservation of a stream grows.
const STEP: u64 = 2_048;
/// Tokens by which it stays ahead of what has come. A provider makes no more than that between the piece we read and the
/// moment it notices that we have left: fifty milliseconds, 200 more in which nobody reads, at some 3,000 tokens a
/// second (the fastest there is: <https://www.bolna.ai/docs/custom-llm-inference/cerebras>, read 2026-11-26), and
/// what stands in a socket's 256 KiB in events of 200 bytes.
const MARGIN: u64 = 2_048;

/// A call that may be made.
#[derive(Debug)]
pub struct Admitted {
    /// What is reserved for it.
    pub hold: Hold,
    /// The model has no price: nothing is reserved.
    pub is_unpriced: bool,
    /// The answer was cut to so many tokens, because no more are affordable.
    pub clamped: Option<u64>,
    /// Tokens of the answer that the reservation pays for, and the price of more.
    pub output: OutputAllowance,
    /// The terms it is asked for on.
    pub terms: Terms,
    /// What it may cost, where that is known.
    pub bound: Option<Bound>,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

/// How many tokens of an answer are paid for.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct OutputAllowance {
    /// All answers together, so far.
    pub tokens: u64,
    /// As many as the call was bounded to; `tokens` grows until there.
    pub whole: u64,
    /// Of one token more.
    pub price: Price,
}

impl OutputAllowance {
    fn all(tokens: u64, price: Price) -> Self {
        Self { tokens, whole: tokens, price }
    }

    /// Tokens to reserve more, now that so much of the answer has come: no token is shorter than a byte.
    pub fn missing(&self, progress: Progress) -> u64 {
        let Progress { output_bytes, is_complete } = progress;
        if self.price == Price::ZERO {
            return 0;
        }
        if self.tokens < self.whole {
            let needed = output_bytes.saturating_add(if is_complete { 0 } else { MARGIN });
            return if needed <= self.tokens { 0 } else { (needed - self.tokens + STEP).min(self.rest()) };
        }
        // The provider answers at more length than it was asked for.
        if llm::tokens::of_bytes(output_bytes) <= self.tokens { 0 } else { STEP }
    }

    /// Tokens of the bounded answer that are not reserved yet.
    pub fn rest(&self) -> u64 {
        self.whole.saturating_sub(self.tokens)
    }
}

/// Why a call may not be made.
#[derive(Debug)]
pub enum Denied {
    /// For good.
    Refused(Refusal),
    /// It is too dear by its bytes. Its tokens may be affordable, and counting them takes too long to do it here.
    Uncounted,
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Denied::Refused(refusal)
    }
}

/// Reserves what a call may cost in all scopes it counts against.
pub fn admit(
    gateway: &Gateway,
    account: &Account,
    operation: Operation,
    intake: &mut Intake,
    target: &Target,
    now: Timestamp,
) -> Result<Admitted, Denied> {
    let is_limited = account.limits.iter().any(|limit| limit.enforcement == Enforcement::Hard);
    if is_limited && bound::limit_searches(operation, intake, target) {
        intake.notes.push(format!(
            "tools: limited to {} web searches, a spending limit applies",
            bound::SEARCHES_MAX
        ));
    }
    let mut bound = match bound::of(operation, intake, target, is_limited) {
        Ok(bound) => bound,
        Err(why) if is_limited => return Err(unpriced(why, intake).into()),
        Err(_) => {
            return Ok(unreserved(gateway, account, bound::terms(operation, &intake.body, target), now)?);
        }
    };
    if bound.is_guess && is_limited {
        return Err(Refusal::Unbounded(
            "a spending limit applies to this key, and nothing bounds the length of this call: set `max_tokens`, \
             or give the model `context_window` and `max_output_tokens` in the settings"
                .to_owned(),
        )
        .into());
    }
    if bound.has_other_charges && is_limited {
        return Err(Refusal::Unbounded(
            "a spending limit applies to this key, and no price is known for what this call asks for: tools that the \
             provider runs other than web search"
                .to_owned(),
        )
        .into());
    }
    let mut clamped = None;
    for _ in 0..TRIES {
        let output = first_part(operation, &bound, intake, target);
        let over = match reserve_part(gateway, account, &bound, output, now) {
            Ok((hold, warnings)) => {
                intake.notes.extend(warnings);
                return Ok(admitted(hold, clamped, output, &bound, std::mem::take(&mut intake.notes)));
            }
            Err(over) => over,
        };
        if bound::may_count(&bound, operation, intake, target, over.left()) {
            return Err(Denied::Uncounted);
        }
        if bound.is_tier_open {
            bound::ask_for_standard_tier(operation, &mut intake.body, target);
            intake
                .notes
                .push("service_tier: set to the standard one, a dearer one is not affordable".to_owned());
            bound = bound::of(operation, intake, target, is_limited).map_err(|why| unpriced(why, intake))?;
            continue;
        }
        let fitting = affordable(&bound, over.left());
        if !has_text_answer(operation)
            || target.provider.ignores_output_limit
            || fitting < OUTPUT_MIN
            || fitting >= bound.output_tokens
            || thinks_longer(operation, intake, fitting)
        {
            return Err(refuse(&over).into());
        }
        bound.output_tokens = fitting;
        clamped = Some(fitting);
        limit_output(operation, intake, target, fitting);
    }
    Err(Refusal::SpendLimit(
        "other calls take up what the spending limit leaves, please try again".to_owned(),
    )
    .into())
}

/// Whether the answer is text, whose length a request may limit.
fn has_text_answer(operation: Operation) -> bool {
    matches!(route_of(operation), RouteKind::Chat | RouteKind::Completions)
}

fn admitted(
    hold: Hold,
    clamped: Option<u64>,
    output: OutputAllowance,
    bound: &Bound,
    mut warnings: Vec<String>,
) -> Admitted {
    if let Some(tokens) = clamped {
        warnings.push(format!("max_tokens: set to {tokens}, which is what the spending limit affords"));
    }
    let (terms, bound) = (bound.terms, Some(*bound));
    Admitted { hold, is_unpriced: false, clamped, output, terms, bound, warnings }
}

/// A call whose price nobody knows: it counts, and nothing is reserved for it.
fn unreserved(
    gateway: &Gateway,
    account: &Account,
    terms: Terms,
    now: Timestamp,
) -> Result<Admitted, Refusal> {
    let (hold, _) = reserve(gateway, account, Money::ZERO, now).map_err(|over| refuse(&over))?;
    let output = OutputAllowance::all(u64::MAX, Price::ZERO);
    Ok(Admitted { hold, is_unpriced: true, clamped: None, output, terms, bound: None, warnings: Vec::new() })
}

/// Why a call without a price is refused under a hard limit.
fn unpriced(why: NoPrice, intake: &Intake) -> Refusal {
    let model = &intake.model;
    let rest = "has no known price, and a spending limit applies to this key";
    Refusal::Unbounded(match why {
        NoPrice::Model => format!("the model `{model}` {rest}"),
        NoPrice::Field(what) => format!("the {what} that is asked of the model `{model}` {rest}"),
    })
}

/// How much of the answer is reserved at first: all of it, unless the call can be ended at any time at the cost of what
/// has come until then, and all that costs can be seen coming.
fn first_part(operation: Operation, bound: &Bound, intake: &Intake, target: &Target) -> OutputAllowance {
    let whole = bound.output_tokens.saturating_mul(bound.answers);
    let mut output = OutputAllowance::all(whole, bound.ceiling.output);
    let is_seen = bound.web_searches == 0
        && !bound::is_in_background(operation, &intake.body)
        && ["prediction", "audio", "modalities"].iter().all(|field| intake.body.get(field).is_none())
        && target.model.as_ref().is_some_and(|model| model.capabilities.shows_all());
    if intake.is_stream && is_seen && has_text_answer(operation) && target.provider.abort.stops_streams() {
        output.tokens = whole.min(STEP + MARGIN);
    }
    output
}

/// Reserves the first part of a call all of which fits.
fn reserve_part(
    gateway: &Gateway,
    account: &Account,
    bound: &Bound,
    output: OutputAllowance,
    now: Timestamp,
) -> Result<(Hold, Vec<String>), Overrun> {
    if output.rest() == 0 {
        return reserve(gateway, account, bound.cost(), now);
    }
    gateway.recorder.budgets.fits(account, bound.cost(), now)?;
    reserve(gateway, account, bound.cost_of(output.tokens), now)
}

pub(crate) fn reserve(
    gateway: &Gateway,
    account: &Account,
    amount: Money,
    now: Timestamp,
) -> Result<(Hold, Vec<String>), Overrun> {
    let (hold, passed) = gateway.recorder.budgets.reserve(account, amount, now)?;
    let warning = |limit: &domain::Limit| {
        format!("spend_limit: the soft {} limit of ${} is passed", span(limit.window), limit.amount)
    };
    Ok((hold, passed.iter().map(warning).collect()))
}

/// Tokens of each answer that an amount pays for, beside the prompt.
fn affordable(bound: &Bound, left: Money) -> u64 {
    let left = Money::from_nano(left.nano().saturating_sub(bound.input_cost().nano()));
    if left < Money::ZERO {
        return 0;
    }
    bound.ceiling.output_tokens_for(left) / bound.answers
}

/// Whether the caller wants more thoughts than the answer could hold: such a request is no longer valid.
fn thinks_longer(operation: Operation, intake: &Intake, tokens: u64) -> bool {
    if protocol_of(operation) == Protocol::Gemini {
        return nested::thinking_budget(&intake.body).is_some_and(|budget| budget >= tokens);
    }
    if protocol_of(operation) == Protocol::BedrockConverse {
        return converse::thinking_budget(&intake.body).is_some_and(|budget| budget >= tokens);
    }
    #[derive(serde::Deserialize)]
    struct Thinking {
        #[serde(default)]
        budget_tokens: u64,
    }
    let thinking = intake.body.get("thinking").and_then(|raw| serde_json::from_slice::<Thinking>(raw).ok());
    thinking.is_some_and(|thinking| thinking.budget_tokens >= tokens)
}

/// Writes a limit into the request, under the name it has there already, or the one its provider wants.
fn limit_output(operation: Operation, intake: &mut Intake, target: &Target, tokens: u64) {
    if protocol_of(operation) == Protocol::Gemini {
        return nested::limit(&mut intake.body, tokens);
    }
    if protocol_of(operation) == Protocol::BedrockConverse {
        return converse::limit(&mut intake.body, tokens);
    }
    let preferred = match target.provider.spec.output_limit {
        OutputLimit::MaxCompletionTokens if operation == Operation::ChatCompletions => {
            "max_completion_tokens"
        }
        OutputLimit::MaxCompletionTokens | OutputLimit::MaxTokens if operation == Operation::Responses => {
            "max_output_tokens"
        }
        OutputLimit::MaxCompletionTokens | OutputLimit::MaxTokens => "max_tokens",
    };
    let field = bound::output_limit_field(operation, &intake.body).unwrap_or(preferred);
    intake.body.set(field, tokens.to_string().into_bytes());
}

fn span(window: Window) -> &'static str {
    match window {
        Window::Day => "daily",
        Window::Month => "monthly",
        Window::Total => "total",
    }
}

/// What the caller is told of a limit that would be passed, with exact figures. What an organization may spend in all time
/// is its balance: nothing but topping it up helps.
pub fn refuse(over: &Overrun) -> Refusal {
    let Overrun { limit, settled, held, asked } = over;
    let figures = format!(
        "the limit is ${}, ${settled} are spent, ${held} are reserved for running calls, and this call may cost ${asked}",
        limit.amount
    );
    if limit.window == Window::Total && matches!(limit.scope, Scope::Organization(_)) {
        return Refusal::Balance(format!(
            "Insufficient balance: {figures}; top up by raising the organization's total limit"
        ));
    }
    let (span, scope) = (span(limit.window), limit.scope.kind());
    Refusal::SpendLimit(format!("Reached {span} spend limit for {scope}: {figures}"))
}
