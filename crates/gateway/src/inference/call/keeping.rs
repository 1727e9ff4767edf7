//! Keeping the beginning of a prompt at Google before the call itself is made. It is an attempt of its own, with its
//! intent, its hold and its record. Whatever comes of it, the call goes on: with the beginning's name, or with all of it.

use super::{Attempt, CLIENT_REQUEST_ID, Call, ERROR_BYTES_MAX, Reply, Stop, failures};
use crate::inference::keeping::{Keeping, cost};
use crate::kept::{Key, LIFETIME, Step};
use crate::refusal::Refusal;
use crate::upstream::{Collected, Payload, UpstreamError};
use bytes::Bytes;
use domain::{AttemptId, AttemptRecord, Money, Usage, UsageSource};
use http::HeaderValue;
use llm::observe::Observed;
use llm::protocol::gemini::kept::{self, Kept};
use std::time::{Duration, Instant};

/// How long keeping may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a call knows of the beginning of its prompt.
pub(super) struct Begun {
    key: Key,
    /// About how many tokens it has.
    tokens: u64,
    /// The request without the name of a kept beginning, where it is sent with one.
    whole: Option<Payload>,
}

/// How an attempt to keep something ended.
enum End {
    Kept(Kept),
    /// It was refused, which is not billed.
    Refused(Stop),
    /// Nobody knows: it may have been billed.
    Lost(Stop),
}

impl Call {
    /// Keeps a beginning, or names one. Gives the attempt that was made for that, whose end is not in the journal yet.
    pub(super) async fn keep(
        &mut self,
        reply: &mut Reply,
        keeping: Keeping,
    ) -> Result<Option<Attempt>, Stop> {
        let (key, bytes) = (keeping.key, keeping.beginning.bytes());
        let mut begun = Begun { key, tokens: llm::tokens::of_bytes(bytes), whole: None };
        let attempt = match &keeping.step {
            Step::Leave | Step::Watch => None,
            Step::Name(name) => {
                begun.whole = Some(std::mem::replace(&mut self.prepared.body, keeping.named(name)));
                None
            }
            Step::Keep => {
                let Some(bound) = self.afford_keeping(bytes) else {
                    self.gateway.kept.forget(key);
                    return Ok(None);
                };
                let id = AttemptId { request: self.entry.id, number: 1 };
                let mut attempt = Attempt::begin(&self.gateway, id);
                attempt.noted.0 = self.entry.held();
                if let Err(refusal) = self.intend_to_keep(&attempt).await {
                    self.gateway.kept.forget(key);
                    return Err(refusal.into());
                }
                let end = self.ask_to_keep(reply, &mut attempt, &keeping).await;
                let stop = self.conclude_keeping(&attempt, &end, &begun, bound);
                match end {
                    End::Kept(Kept { name, .. }) => {
                        self.gateway.kept.kept(key, name.clone(), attempt.started);
                        begun.whole = Some(std::mem::replace(&mut self.prepared.body, keeping.named(&name)));
                    }
                    End::Refused(_) if is_final(attempt.status) => {
                        self.gateway.kept.refused(key, Instant::now());
                    }
                    End::Refused(_) | End::Lost(_) => self.gateway.kept.forget(key),
                }
                if let Some(stop) = stop {
                    return Err(stop);
                }
                // Who has left while it was kept is asked nothing for.
                if self.is_abandoned() || reply.is_closed() {
                    return Err(Stop::ClientGone);
                }
                Some(attempt)
            }
        };
        self.begun = Some(begun);
        Ok(attempt)
    }

    /// Reserves what keeping so many bytes may cost, beside what the call may, and lets that be all that is held for the
    /// attempt to keep. `None`: it is not to be had.
    fn afford_keeping(&mut self, bytes: u64) -> Option<Money> {
        let bound = cost(&self.prepared, bytes)?;
        let for_the_call = self.entry.held();
        self.entry.hold.as_mut()?.extend(&self.account, bound).ok()?;
        self.entry.spent = for_the_call;
        Some(bound)
    }

    /// Writes down that a beginning is about to be kept, and waits until the disk has that, where it must.
    async fn intend_to_keep(&mut self, attempt: &Attempt) -> Result<(), Refusal> {
        let Some(position) = self.intend(attempt)? else { return Ok(()) };
        let written = self.reach_disk(position).await;
        if written.is_err() {
            // Nothing was sent.
            self.entry.intended = None;
        }
        written
    }

    async fn ask_to_keep(&self, reply: &mut Reply, attempt: &mut Attempt, keeping: &Keeping) -> End {
        let refused = |message: &str| End::Refused(Refusal::InvalidResponse(message.to_owned()).into());
        let mut target = self.prepared.target.clone();
        let Some(endpoint) = target.endpoint.elsewhere(&keeping.address) else {
            return refused("there is no place to keep prompts");
        };
        target.endpoint = endpoint.into();
        let body = Bytes::from(keeping.beginning.creation(&keeping.model, LIFETIME.as_secs())).into();
        let mut headers = self.prepared.target.provider.headers(false, &[]);
        if let Ok(id) = HeaderValue::try_from(attempt.id.to_string()) {
            headers.insert(CLIENT_REQUEST_ID, id);
        }
        let end = attempt.started + PATIENCE.min(self.gateway.limits.total);
        let sending = self.gateway.upstream.send(&target, headers, &body, &*self.gateway.clock);
        let mut answer = match self.watch(reply, sending, end, "no answer").await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let refusal = failures::no_answer(&target, &error);
                return match error {
                    UpstreamError::NoAnswer | UpstreamError::Cut => End::Lost(refusal.into()),
                    UpstreamError::Connect | UpstreamError::NoCredential(_) => End::Refused(refusal.into()),
                };
            }
            Err(stop) => return End::Lost(stop),
        };
        attempt.status = answer.status.as_u16();
        let body = match self.watch(reply, answer.collect(ERROR_BYTES_MAX), end, "answer body").await {
            Ok(Ok(Collected::Whole(body))) => body,
            Ok(Ok(Collected::TooLong)) => {
                return End::Lost(Refusal::InvalidResponse("it is too long".to_owned()).into());
            }
            Ok(Err(error)) => return End::Lost(Refusal::Unreachable(error.to_string()).into()),
            Err(stop) => return End::Lost(stop),
        };
        if !answer.status.is_success() {
            return End::Refused(failures::provider_error(&target, attempt.status, &body).into());
        }
        match kept::read(&body) {
            Some(kept) => End::Kept(kept),
            None => End::Lost(Refusal::InvalidResponse("it names nothing that is kept".to_owned()).into()),
        }
    }

    /// Writes the attempt's record. Gives why the call itself is not made any more, where it is not.
    fn conclude_keeping(
        &mut self,
        attempt: &Attempt,
        end: &End,
        begun: &Begun,
        bound: Money,
    ) -> Option<Stop> {
        let (tokens, usage_source) = match end {
            End::Kept(Kept { tokens: Some(tokens), .. }) => (*tokens, UsageSource::ProviderFinal),
            End::Kept(Kept { tokens: None, .. }) => (begun.tokens, UsageSource::Estimate),
            End::Refused(_) => (0, UsageSource::None),
            End::Lost(_) => (begun.tokens, UsageSource::HoldAssumed),
        };
        let priced = cost(&self.prepared, tokens).unwrap_or(bound);
        let spent = match usage_source {
            UsageSource::None => Money::ZERO,
            UsageSource::HoldAssumed => bound,
            UsageSource::ProviderFinal => priced,
            UsageSource::Estimate | UsageSource::ProviderPartial => priced.min(bound),
        };
        let ended = match end {
            End::Kept(_) => Ok(()),
            End::Refused(stop) | End::Lost(stop) => Err(stop),
        };
        let record = AttemptRecord {
            usage: Usage { cache_write: tokens, ..Usage::ZERO },
            usage_source,
            cost: spent,
            held: if usage_source == UsageSource::None { Money::ZERO } else { bound },
            ..self.unbilled(attempt, ended)
        };
        self.entry.intended = None;
        // What was held for it is not for the call.
        self.entry.spent = bound;
        self.entry.beside = 1;
        self.prepared.beside = spent;
        self.entry.note(|request| request.attempts.push(record));
        match end {
            End::Lost(Stop::ClientGone) => Some(Stop::ClientGone),
            End::Lost(Stop::Failed(Refusal::ShuttingDown)) => Some(Refusal::ShuttingDown.into()),
            End::Kept(_) | End::Refused(_) | End::Lost(Stop::Failed(_)) => None,
        }
    }

    /// Whether the request was sent with the name of a beginning.
    pub(super) fn is_named(&self) -> bool {
        self.begun.as_ref().is_some_and(|begun| begun.whole.is_some())
    }

    /// Lets the whole request go, once the one that names its beginning is answered.
    pub(super) fn release_whole(&mut self) {
        if let Some(whole) = self.begun.as_mut().and_then(|begun| begun.whole.as_mut()) {
            whole.release();
        }
    }

    /// The whole request, where a refusal says that its beginning is no longer kept.
    pub(super) fn unnamed(&mut self, refusal: &[u8]) -> Option<Payload> {
        let begun = self.begun.as_mut().filter(|_| kept::is_of_kept(refusal))?;
        let whole = begun.whole.take()?;
        self.gateway.kept.forget(begun.key);
        Some(whole)
    }

    /// Reports how Google has read a beginning that was sent whole.
    pub(super) fn report_beginning(&self, attempt: &Attempt, observed: &Observed) {
        if let Some(begun) = self.begun.as_ref().filter(|begun| begun.whole.is_none() && observed.has_usage) {
            let was_cached = observed.usage.cache_read.saturating_mul(2) >= begun.tokens;
            self.gateway.kept.report(begun.key, attempt.started, was_cached, Instant::now());
        }
    }
}

/// Whether a refusal to keep something stands: the same request would be refused again.
fn is_final(status: u16) -> bool {
    (400..500).contains(&status) && !matches!(status, 408 | 429)
}
