//! Escrow: what calls may cost is reserved before they are made, so that no limit is ever passed.
//!
//! The numbers that decide are here, in memory; the journal and the ledger are where they come from at the
//! next start. Spending is counted for every scope that has any, whether it has limits or not, so a limit that
//! is set in the middle of a month knows what the month has cost. One lock, held for a few hundred
//! nanoseconds and never across a wait, makes a reservation in all scopes one step.

use domain::{Account, Enforcement, Limit, Money, Scope, Timestamp, Window, Windows};
use foldhash::{HashMap, HashMapExt};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Money of one scope in one window.
#[derive(Clone, Copy, Default, Debug)]
struct Sum {
    settled: Money,
    held: Money,
}

/// Money of one scope in its present windows.
#[derive(Clone, Copy, Debug)]
struct Counter {
    windows: Windows,
    sums: [Sum; 3],
}

#[derive(Debug)]
struct State {
    scopes: HashMap<Scope, Counter>,
    /// Windows that are over, as long as calls run that count in them: scope, kind and start.
    late: HashMap<(Scope, usize, Timestamp), Sum>,
    /// The latest windows seen: a clock that steps back opens no earlier ones.
    windows: Windows,
    held: Money,
    overage: Money,
}

/// The counters of all scopes. A clone is another handle on the same ones.
#[derive(Clone, Debug)]
pub struct Budgets {
    state: Arc<Mutex<State>>,
    slices: Slices,
}

/// How much of a limit this node may spend.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Slices {
    /// All of it: there is no other node.
    #[default]
    Whole,
}

impl Slices {
    /// The share of a limit that is granted to this node.
    fn granted(self, limit: &Limit) -> Money {
        match self {
            Slices::Whole => limit.amount,
        }
    }
}

/// A limit that a reservation would pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overrun {
    /// Which limit.
    pub limit: Limit,
    /// What has been spent in its window.
    pub settled: Money,
    /// What is reserved for calls that run.
    pub held: Money,
    /// What was asked for.
    pub asked: Money,
}

impl Overrun {
    /// What could still be reserved; never less than nothing.
    pub fn left(&self) -> Money {
        let left =
            self.limit.amount.nano().saturating_sub(self.settled.nano()).saturating_sub(self.held.nano());
        Money::from_nano(left.max(0))
    }
}

/// A clock that was further ahead than this before a start was wrong, and is right now.
const STEP_BACK_MAX_MS: i64 = 86_400_000;

/// The instant whose windows a process begins with: the present one, unless money was spent in a later day, which
/// a clock that has stepped back since has yet to reach again.
pub fn begins_at(now: Timestamp, latest_day: Option<Timestamp>) -> Timestamp {
    let is_near = |day: &Timestamp| day.unix_ms().saturating_sub(now.unix_ms()) <= STEP_BACK_MAX_MS;
    latest_day.filter(is_near).map_or(now, |day| day.max(now))
}

/// Money reserved for one call, in all scopes it counts against. Given back when it is dropped, unless it was
/// settled before.
#[derive(Debug)]
pub struct Hold {
    budgets: Budgets,
    scopes: Arc<[Scope]>,
    windows: Windows,
    amount: Money,
}

fn sub(a: Money, b: Money) -> Money {
    Money::from_nano(a.nano().saturating_sub(b.nano()))
}

fn add(a: Money, b: Money) -> Money {
    Money::from_nano(a.nano().saturating_add(b.nano()))
}

impl Budgets {
    /// Counters that begin with what has been spent in the windows of an instant.
    pub fn new(spent: impl IntoIterator<Item = (Scope, Window, Money)>, now: Timestamp) -> Self {
        let windows = Windows::at(now);
        let (scopes, late) = (HashMap::new(), HashMap::new());
        let mut state = State { scopes, late, windows, held: Money::ZERO, overage: Money::ZERO };
        for (scope, window, amount) in spent {
            let counter = state.counter(scope, windows);
            counter.sums[window.index()].settled = amount;
        }
        Self { state: Arc::new(Mutex::new(state)), slices: Slices::default() }
    }

    /// Reserves an amount in all scopes of an account, or in none. Also gives the soft limits that are passed.
    pub fn reserve(
        &self,
        account: &Account,
        amount: Money,
        now: Timestamp,
    ) -> Result<(Hold, Vec<Limit>), Overrun> {
        let mut state = self.lock();
        let windows = state.windows_at(now);
        let passed = state.check(self.slices, account, windows, amount)?;
        for scope in &*account.scopes {
            for sum in &mut state.counter(*scope, windows).sums {
                sum.held = add(sum.held, amount);
            }
        }
        state.held = add(state.held, amount);
        drop(state);
        let hold = Hold { budgets: self.clone(), scopes: account.scopes.clone(), windows, amount };
        Ok((hold, passed))
    }

    /// Whether an amount could be reserved now; reserves nothing.
    pub fn fits(&self, account: &Account, amount: Money, now: Timestamp) -> Result<(), Overrun> {
        let mut state = self.lock();
        let windows = state.windows_at(now);
        state.check(self.slices, account, windows, amount).map(drop)
    }

    /// Everything that is reserved.
    pub fn held(&self) -> Money {
        self.lock().held
    }

    /// Everything that calls have cost on top of what was reserved for them.
    pub fn overage(&self) -> Money {
        self.lock().overage
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic cannot happen between two changes: there is only arithmetic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn windows_at(&mut self, now: Timestamp) -> Windows {
        let day = self.windows.start(Window::Day);
        if now > day && !self.windows.hold(now) {
            self.windows = Windows::at(now);
        }
        self.windows
    }

    /// The counter of a scope in these windows; what was counted in earlier ones is over.
    fn counter(&mut self, scope: Scope, windows: Windows) -> &mut Counter {
        let empty = Counter { windows, sums: [Sum::default(); 3] };
        let counter = self.scopes.entry(scope).or_insert(empty);
        if counter.windows != windows {
            for (at, start) in windows.starts.iter().enumerate() {
                let begun = counter.windows.starts[at];
                if begun != *start {
                    let sum = std::mem::take(&mut counter.sums[at]);
                    if sum.held > Money::ZERO {
                        self.late.insert((scope, at, begun), sum);
                    }
                }
            }
            counter.windows = windows;
        }
        counter
    }

    /// What a scope has spent and holds in one of these windows, which may be over.
    fn sum(&self, scope: Scope, at: usize, windows: Windows) -> Sum {
        let start = windows.starts[at];
        let present = self.scopes.get(&scope).filter(|counter| counter.windows.starts[at] == start);
        let late = || self.late.get(&(scope, at, start)).copied();
        present.map(|counter| counter.sums[at]).or_else(late).unwrap_or_default()
    }

    /// Whether an amount fits everywhere; the soft limits it passes.
    fn check(
        &self,
        slices: Slices,
        account: &Account,
        windows: Windows,
        asked: Money,
    ) -> Result<Vec<Limit>, Overrun> {
        let mut passed = Vec::new();
        let mut tightest: Option<Overrun> = None;
        for limit in &account.limits {
            let Sum { settled, held } = self.sum(limit.scope, limit.window.index(), windows);
            if add(add(settled, held), asked) <= slices.granted(limit) {
                continue;
            }
            if limit.enforcement == Enforcement::Soft {
                passed.push(*limit);
                continue;
            }
            let overrun = Overrun { limit: *limit, settled, held, asked };
            if tightest.as_ref().is_none_or(|known| overrun.left() < known.left()) {
                tightest = Some(overrun);
            }
        }
        tightest.map_or(Ok(passed), Err)
    }
}

impl Hold {
    /// What is reserved.
    pub fn amount(&self) -> Money {
        self.amount
    }

    /// When the day began in which it counts: after a step of the clock, later than the call itself.
    pub fn day(&self) -> Timestamp {
        self.windows.start(Window::Day)
    }

    /// Reserves more, in all scopes or in none. `account` is that of the reservation.
    pub fn extend(&mut self, account: &Account, more: Money) -> Result<(), Overrun> {
        let mut state = self.budgets.lock();
        // A call counts in the windows it was admitted in, even when they are over.
        state.check(self.budgets.slices, account, self.windows, more)?;
        state.change(self, more, Money::ZERO);
        state.held = add(state.held, more);
        drop(state);
        self.amount = add(self.amount, more);
        Ok(())
    }

    /// Replaces the reservation by what the call has cost. What it cost beyond the reservation is counted
    /// apart: it must not happen.
    pub fn settle(mut self, cost: Money) {
        let mut state = self.budgets.lock();
        let released = sub(Money::ZERO, self.amount);
        state.change(&self, released, cost);
        state.held = add(state.held, released);
        let over = sub(cost, self.amount);
        if over > Money::ZERO {
            state.overage = add(state.overage, over);
        }
        drop(state);
        self.amount = Money::ZERO;
    }
}

impl State {
    fn change(&mut self, hold: &Hold, held: Money, settled: Money) {
        for scope in &*hold.scopes {
            let Some(counter) = self.scopes.get_mut(scope) else { continue };
            for (at, start) in hold.windows.starts.iter().enumerate() {
                let late = (*scope, at, *start);
                let sum = if counter.windows.starts[at] == *start {
                    &mut counter.sums[at]
                } else if let Some(sum) = self.late.get_mut(&late) {
                    sum
                } else {
                    continue;
                };
                sum.held = add(sum.held, held);
                sum.settled = add(sum.settled, settled);
                if sum.held == Money::ZERO && counter.windows.starts[at] != *start {
                    self.late.remove(&late);
                }
            }
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.amount > Money::ZERO {
            let released = sub(Money::ZERO, self.amount);
            let mut state = self.budgets.lock();
            state.change(self, released, Money::ZERO);
            state.held = add(state.held, released);
        }
    }
}

#[cfg(test)]
mod tests;
