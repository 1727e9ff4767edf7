//! Rate limits: requests and tokens a minute, calls at the same time, for each scope of a caller.
//!
//! Called once per inference request, after authentication and intake (the estimate of tokens needs the body)
//! and before money is held: `rates.admit(&principal.account.rates, estimate, Instant::now())?`. The
//! [`Admission`] goes along with the call task and ends there: [`Admission::settle`] once the tokens are
//! known, or a drop, which gives the tokens back and keeps the request counted.
//!
//! Everything is in memory and of this process. All limits of all scopes are looked at first and then charged
//! together, under one lock that is held for as long as a few additions take: a refusal by one consumes
//! nothing of the others. A scope without limits never gets here. A limit of `n` a minute lets `n` through at
//! once and `n` more in the course of every minute: in a stretch of time `t` never more than `n × (1 + t/min)`.

mod meter;
mod standing;
#[cfg(test)]
mod tests;

pub use standing::{Room, Standing};

use crate::refusal::Refusal;
use domain::{RateLimit, Scope};
use foldhash::HashMap;
use meter::{Mark, Meter};
use standing::{Spelled, tighter};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Scopes that are kept before it is looked for idle ones to forget.
const SCOPES_BEFORE_SWEEP: usize = 1_024;
/// What is proposed to callers who have too many calls running: nobody knows when one ends.
const CONCURRENT_RETRY: Duration = Duration::from_secs(1);

/// What of a [`RateLimit`] is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// Requests a minute.
    Requests,
    /// Tokens a minute.
    Tokens,
    /// Calls at the same time.
    Concurrent,
}

/// Why a call may not go on now. Of several reasons the one that lasts longest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exceeded {
    /// What is reached.
    pub which: Which,
    /// Whose limit it is.
    pub scope: Scope,
    /// The limit.
    pub limit: u64,
    /// When to try again. `None`: the call alone is larger than the limit, so waiting does not help.
    pub retry_after: Option<Duration>,
}

impl From<Exceeded> for Refusal {
    fn from(exceeded: Exceeded) -> Self {
        let Exceeded { which, scope, limit, retry_after } = exceeded;
        let what = match which {
            Which::Requests => "requests per minute",
            Which::Tokens => "tokens per minute",
            Which::Concurrent => "calls at the same time",
        };
        let advice = match retry_after {
            Some(wait) => format!("try again in {}", Spelled(wait)),
            None => "this request alone asks for more".to_owned(),
        };
        let message = format!("Rate limit reached for {} {scope}: {limit} {what}; {advice}", scope.kind());
        Refusal::RateLimited { message, retry_after }
    }
}

/// The counters of all scopes. Clones share them.
#[derive(Clone, Debug)]
pub struct Rates(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    start: Instant,
    /// Nanoseconds after which a call that never ended counts as ended.
    lease: u64,
    scopes: Mutex<Scopes>,
}

#[derive(Debug)]
struct Scopes {
    counters: HashMap<Scope, Counters>,
    /// Numbers leases and counters; never the same twice.
    next: u64,
    sweep_at: usize,
}

/// What is counted of one scope.
#[derive(Debug)]
struct Counters {
    /// Tells these counters from earlier ones of the same scope, which were forgotten.
    number: u64,
    requests: Meter,
    tokens: Meter,
    /// Running calls: the lease's number, and when it ends by itself.
    leases: HashMap<u64, u64>,
}

impl Rates {
    /// Counters that forget a call which has not ended after `lease`. To be longer than the longest call, so
    /// that only calls that were lost are forgotten.
    pub fn new(lease: Duration) -> Self {
        let scopes = Scopes { counters: HashMap::default(), next: 0, sweep_at: SCOPES_BEFORE_SWEEP };
        Self(Arc::new(Shared { start: Instant::now(), lease: nanos(lease), scopes: Mutex::new(scopes) }))
    }

    /// Admits a call that will take about `tokens` tokens, or refuses it and consumes nothing.
    pub fn admit(
        &self,
        rates: &[(Scope, RateLimit)],
        tokens: u64,
        now: Instant,
    ) -> Result<Admission, Exceeded> {
        let mut admission =
            Admission { rates: self.clone(), charges: Vec::new(), tokens, standing: Standing::default() };
        if rates.is_empty() {
            return Ok(admission);
        }
        let now = self.0.since_start(now);
        let mut scopes = self.0.lock();
        scopes.sweep(now);
        let mut worst: Option<Exceeded> = None;
        for (scope, limit) in rates {
            let counters = scopes.of(*scope);
            for exceeded in counters.refusals(*scope, limit, tokens, now).into_iter().flatten() {
                if worst.is_none_or(|worst| lasts_longer(&exceeded, &worst)) {
                    worst = Some(exceeded);
                }
            }
        }
        if let Some(exceeded) = worst {
            return Err(exceeded);
        }
        admission.charges.reserve_exact(rates.len());
        for (scope, limit) in rates {
            let lease = (scopes.number(), now.saturating_add(self.0.lease));
            let counters = scopes.of(*scope);
            admission.charges.push(counters.charge(*scope, limit, tokens, lease));
            counters.stand(limit, &mut admission.standing);
        }
        Ok(admission)
    }

    /// How many scopes are kept in memory.
    pub fn len(&self) -> usize {
        self.0.lock().counters.len()
    }

    /// Whether no scope is kept in memory.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn lasts_longer(a: &Exceeded, b: &Exceeded) -> bool {
    // Waiting in vain lasts longest.
    let wait = |exceeded: &Exceeded| exceeded.retry_after.unwrap_or(Duration::MAX);
    wait(a) > wait(b)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Shared {
    fn since_start(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.start))
    }

    fn lock(&self) -> MutexGuard<'_, Scopes> {
        // Nothing in here panics between two changes that belong together.
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scopes {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn of(&mut self, scope: Scope) -> &mut Counters {
        let Scopes { counters, next, .. } = self;
        counters.entry(scope).or_insert_with(|| {
            *next += 1;
            let (requests, tokens) = (Meter::default(), Meter::default());
            Counters { number: *next, requests, tokens, leases: HashMap::default() }
        })
    }

    /// Forgets scopes whose counters say nothing, once there are many.
    fn sweep(&mut self, now: u64) {
        if self.counters.len() < self.sweep_at {
            return;
        }
        self.counters.retain(|_, counters| {
            counters.requests.leak(now);
            counters.tokens.leak(now);
            counters.leases.retain(|_, ends| *ends > now);
            !(counters.requests.is_empty() && counters.tokens.is_empty() && counters.leases.is_empty())
        });
        self.sweep_at = SCOPES_BEFORE_SWEEP.max(self.counters.len() * 2);
    }
}

impl Counters {
    /// Lets time pass, and tells what of the limit a call of so many tokens would pass.
    fn refusals(&mut self, scope: Scope, limit: &RateLimit, tokens: u64, now: u64) -> [Option<Exceeded>; 3] {
        let exceeded = |which, limit, retry_after| Exceeded { which, scope, limit, retry_after };
        let requests = limit.requests_per_minute.map(u64::from).and_then(|limit| {
            self.requests.advance(limit, now);
            let wait = self.requests.check(1).err()?;
            Some(exceeded(Which::Requests, limit, wait))
        });
        let of_tokens = self.tokens_refusal(scope, limit, tokens, now);
        let concurrent = limit.concurrent.map(u64::from).and_then(|limit| {
            if self.running(limit, now) < limit {
                return None;
            }
            Some(exceeded(Which::Concurrent, limit, (limit > 0).then_some(CONCURRENT_RETRY)))
        });
        [requests, of_tokens, concurrent]
    }

    /// The same for tokens alone.
    fn tokens_refusal(&mut self, scope: Scope, limit: &RateLimit, tokens: u64, now: u64) -> Option<Exceeded> {
        let limit = limit.tokens_per_minute?;
        self.tokens.advance(limit, now);
        let retry_after = self.tokens.check(tokens).err()?;
        Some(Exceeded { which: Which::Tokens, scope, limit, retry_after })
    }

    /// How many calls run. Lost ones are looked for only where they would be in the way.
    fn running(&mut self, limit: u64, now: u64) -> u64 {
        let count = |leases: &HashMap<u64, u64>| u64::try_from(leases.len()).unwrap_or(u64::MAX);
        if count(&self.leases) >= limit {
            self.leases.retain(|_, ends| *ends > now);
        }
        count(&self.leases)
    }

    fn charge(&mut self, scope: Scope, limit: &RateLimit, tokens: u64, lease: (u64, u64)) -> Charge {
        if limit.requests_per_minute.is_some() {
            self.requests.charge(1);
        }
        let mark = limit.tokens_per_minute.map(|_| self.tokens.charge(tokens));
        let lease = limit.concurrent.map(|_| {
            let (number, ends) = lease;
            self.leases.insert(number, ends);
            number
        });
        Charge { scope, counters: self.number, mark, lease }
    }

    /// Notes what is left, where it is less than what is noted already.
    fn stand(&self, limit: &RateLimit, standing: &mut Standing) {
        let room = |limit: u64, meter: &Meter| Room {
            limit,
            remaining: meter.remaining(),
            reset: meter.empties_in(),
        };
        if let Some(limit) = limit.requests_per_minute {
            standing.requests = tighter(standing.requests, room(limit.into(), &self.requests));
        }
        if let Some(limit) = limit.tokens_per_minute {
            standing.tokens = tighter(standing.tokens, room(limit, &self.tokens));
        }
    }
}

/// What a call consumes of one scope.
#[derive(Clone, Copy, Debug)]
struct Charge {
    scope: Scope,
    /// The number of the counters it was put on.
    counters: u64,
    mark: Option<Mark>,
    lease: Option<u64>,
}

/// A call that may go on. While it exists, it counts as running.
#[derive(Debug)]
#[must_use = "dropping it ends the call and gives its tokens back"]
pub struct Admission {
    rates: Rates,
    charges: Vec<Charge>,
    /// The estimate that was charged.
    tokens: u64,
    standing: Standing,
}

impl Admission {
    /// How far the limits are used up, this call included: for the answer's headers.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Charges so many tokens in place of the estimate that it was admitted with, now that more is known; it stays one
    /// request. Refused, it keeps what it has. `rates` are those it was admitted by.
    pub fn grow(&mut self, rates: &[(Scope, RateLimit)], tokens: u64, now: Instant) -> Result<(), Exceeded> {
        let Self { rates: Rates(shared), charges, tokens: charged, standing } = self;
        let now = shared.since_start(now);
        let mut scopes = shared.lock();
        let more = tokens.saturating_sub(*charged);
        let refusals = rates
            .iter()
            .filter_map(|(scope, limit)| scopes.of(*scope).tokens_refusal(*scope, limit, more, now));
        if let Some(worst) =
            refusals.reduce(|worst, next| if lasts_longer(&next, &worst) { next } else { worst })
        {
            return Err(worst);
        }
        *standing = Standing::default();
        for (charge, (scope, limit)) in charges.iter_mut().zip(rates) {
            let counters = scopes.of(*scope);
            if let Some(mark) = charge.mark {
                if counters.number == charge.counters {
                    counters.tokens.give_back(mark, *charged);
                }
                (charge.mark, charge.counters) = (Some(counters.tokens.charge(tokens)), counters.number);
            }
            counters.stand(limit, standing);
        }
        *charged = tokens;
        Ok(())
    }

    /// Ends the call with the tokens it took. What the estimate was short of is charged now, even beyond the
    /// limit, and keeps later calls waiting; what it was over is given back, as far as time has not yet.
    pub fn settle(mut self, tokens: u64, now: Instant) {
        self.end(tokens, now);
    }

    fn end(&mut self, tokens: u64, now: Instant) {
        let charges = std::mem::take(&mut self.charges);
        if charges.is_empty() {
            return;
        }
        let now = self.rates.0.since_start(now);
        let mut scopes = self.rates.0.lock();
        for charge in charges {
            let Some(counters) = scopes.counters.get_mut(&charge.scope) else { continue };
            if let Some(lease) = charge.lease {
                counters.leases.remove(&lease);
            }
            let Some(mark) = charge.mark else { continue };
            counters.tokens.leak(now);
            if tokens > self.tokens {
                counters.tokens.charge(tokens - self.tokens);
            } else if counters.number == charge.counters {
                counters.tokens.give_back(mark, self.tokens - tokens);
            }
        }
    }
}

/// A call that ends without being settled took no tokens, but was a request.
impl Drop for Admission {
    fn drop(&mut self) {
        self.end(0, Instant::now());
    }
}
