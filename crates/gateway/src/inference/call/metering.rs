//! What an attempt consumed and cost, and how it is written down.

use super::{Attempt, Call, Stop};
use crate::inference::prepare::{Mode, Prepared};
use crate::record::micros;
use crate::refusal::Refusal;
use domain::record::{Operation, Outcome};
use domain::{AttemptRecord, Money, RequestRecord, Usage, UsageSource};
use llm::observe::Observed;
use llm::tokens;
use std::time::Instant;

impl Call {
    /// What the caller is told that the call costs, on the terms that an answer told. `None`: no price is known.
    pub(super) fn told_price(&self, usage: &Usage, observed: &Observed) -> Option<Money> {
        self.prepared.tariff().cost(usage, observed.told)
    }

    /// What a usage costs on the terms that an answer told. `None`: no price is known.
    pub(super) fn price(&self, usage: &Usage, observed: &Observed) -> Option<Money> {
        self.prepared.target.tariff(self.prepared.terms).cost(usage, observed.told)
    }

    /// What was consumed, and who says so: the provider where it does, else an estimate from the bytes.
    pub(super) fn metered(&self, observed: &Observed, is_whole: bool) -> (Usage, UsageSource) {
        if let Some(about) = self.prepared.about {
            let told = with_pieces(observed.usage, about);
            let costs = |usage: &Usage| self.price(usage, observed).is_some_and(|cost| cost > Money::ZERO);
            // What is told in a unit that the model is not sold by tells no more than nothing.
            return match observed.has_usage && (costs(&told) || !costs(&about)) {
                true => (told, UsageSource::ProviderFinal),
                false => (about, UsageSource::Estimate),
            };
        }
        if observed.has_usage && (is_whole || observed.is_complete) {
            return (observed.usage, UsageSource::ProviderFinal);
        }
        let sent = tokens::of_bytes(self.prepared.body.len() as u64);
        let received = tokens::of_bytes(observed.output_bytes);
        let reported = observed.usage;
        if observed.has_usage && reported.total_output() >= received {
            return (reported, UsageSource::ProviderPartial);
        }
        let estimate = if observed.has_usage {
            Usage { output: received.saturating_sub(reported.reasoning), ..reported }
        } else {
            Usage { input: sent, output: received, ..Usage::ZERO }
        };
        (estimate, UsageSource::Estimate)
    }

    /// Whether it was we who closed the connection, on an answer that is made and billed to its end all the same.
    fn is_let_go(&self, stop: &Stop) -> bool {
        let closed = match stop {
            Stop::ClientGone => true,
            Stop::Failed(refusal) => matches!(
                refusal,
                Refusal::Timeout(_) | Refusal::ShuttingDown | Refusal::SpendLimit(_) | Refusal::Balance(_)
            ),
        };
        closed && self.is_billed_whole()
    }

    /// Whether what was asked for is made, and billed, whatever becomes of us.
    fn goes_on_without_us(&self) -> bool {
        self.prepared.job.is_some() || self.prepared.is_background
    }

    /// The record of an attempt that ended so and cost nothing.
    pub(super) fn unbilled(&self, attempt: &Attempt, ended: Result<(), &Stop>) -> AttemptRecord {
        let (outcome, error) = match ended {
            Ok(()) => (Outcome::Success, String::new()),
            Err(Stop::ClientGone) => (Outcome::ClientGone, String::new()),
            Err(Stop::Failed(refusal)) => (refusal.outcome(), refusal.to_string()),
        };
        AttemptRecord {
            provider: self.prepared.target.provider.label.clone(),
            model: self.prepared.target.model_id.clone(),
            is_byok: false,
            status: attempt.status,
            outcome,
            error,
            started_at: attempt.started_at,
            duration_us: micros(attempt.started.elapsed()),
            first_token_us: 0,
            usage: Usage::ZERO,
            usage_source: UsageSource::None,
            cost: Money::ZERO,
            held: Money::ZERO,
            is_unpriced: false,
        }
    }

    /// Lets the caller's organization go on from an answer, where its provider may have stored it.
    fn give(&self, id: &str) {
        let Prepared { operation: Operation::Responses, mode: Mode::Passthrough, .. } = &*self.prepared
        else {
            return;
        };
        if let Some(record) = self.entry.record() {
            self.gateway.stored.give(id, record.org);
        }
    }

    /// Writes the attempt's record. `was_billed`: the provider may have begun to work.
    pub(super) fn conclude(
        &mut self,
        attempt: &Attempt,
        ended: Result<(), &Stop>,
        observed: &Observed,
        was_billed: bool,
    ) -> Usage {
        let counts_nothing = !was_billed || self.prepared.operation.is_count();
        let (usage, usage_source) = match ended {
            _ if counts_nothing => (Usage::ZERO, UsageSource::None),
            Ok(()) => self.metered(observed, true),
            Err(stop) => match self.metered(observed, false) {
                // It goes on without us, and bills what nobody will see; so does a job, whatever became of us.
                (usage, source)
                    if source != UsageSource::ProviderFinal
                        && (self.is_let_go(stop) || self.goes_on_without_us()) =>
                {
                    (usage, UsageSource::HoldAssumed)
                }
                metered => metered,
            },
        };
        if ended.is_ok() {
            self.give(&observed.response_id);
            self.report_beginning(attempt, observed);
        }
        let held = self.entry.held();
        let priced = self.price(&usage, observed);
        // An answer on terms without a known price is taken to cost what was held for it.
        let cost = priced.map_or(held, |cost| match usage_source {
            UsageSource::HoldAssumed => held,
            // What was held is more than the provider may charge; an estimate is not to say otherwise.
            UsageSource::Estimate | UsageSource::ProviderPartial => cost.min(held),
            UsageSource::None | UsageSource::ProviderFinal => cost,
        });
        let since = |from: Instant| attempt.first_token.map_or(0, |first| micros(first.duration_since(from)));
        let arrived = self.entry.started;
        let record = AttemptRecord {
            first_token_us: since(attempt.started),
            usage,
            usage_source,
            cost: if usage_source == UsageSource::None { Money::ZERO } else { cost },
            held: if counts_nothing { Money::ZERO } else { held },
            is_unpriced: priced.is_none(),
            ..self.unbilled(attempt, ended)
        };
        let first_token_us = if self.prepared.is_stream { since(arrived) } else { 0 };
        self.entry.intended = None;
        self.entry.note(|request: &mut RequestRecord| {
            request.first_token_us = first_token_us;
            request.response_id.clone_from(&observed.response_id);
            request.tool_calls.clone_from(&observed.tool_calls);
            if let Some(reason) = &observed.finish_reason {
                request.finish_reason = reason.as_str().into();
            }
            request.attempts.push(record);
        });
        usage
    }
}

/// What a provider told, and what is sold by the piece where it told nothing of that.
fn with_pieces(told: Usage, about: Usage) -> Usage {
    let or = |told: u64, about: u64| if told > 0 { told } else { about };
    Usage {
        images: or(told.images, about.images),
        queries: or(told.queries, about.queries),
        characters: or(told.characters, about.characters),
        audio_ms: or(told.audio_ms, about.audio_ms),
        ..told
    }
}
