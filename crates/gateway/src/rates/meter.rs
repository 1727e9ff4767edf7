//! One bounded rate, as the generic cell rate algorithm meters it: a bucket that leaks.
//!
//! It is kept as two sums that only grow, what was ever put in and what has ever left, in units so fine that
//! nothing is rounded: a unit of the limit is [`MINUTE_NS`] ticks, and a limit of `n` a minute leaks `n` ticks
//! in a nanosecond. The bucket holds one minute's allowance.
//!
//! What is given back must not have leaked already: room that time has made is used by others since, and giving
//! it back a second time would let more through than the limit says. A [`Mark`] therefore remembers where a
//! charge stands in the sum. Charges leak in the order in which they came, so what is left of one is what lies
//! between the sum that has left and its mark.

use std::time::Duration;

/// Nanoseconds in a minute.
const MINUTE_NS: u128 = 60_000_000_000;

/// Where a charge stands in the sum of all charges.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(u128);

/// A bucket, empty at first.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Meter {
    /// Ticks ever put in.
    charged: u128,
    /// Ticks ever leaked or given back; never more than were put in.
    gone: u128,
    /// The limit per minute, as it was last told.
    limit: u64,
    /// The latest instant it was looked at, nanoseconds since the start.
    at: u64,
}

impl Meter {
    /// Lets time pass under a limit, which may have changed.
    pub(super) fn advance(&mut self, limit: u64, now: u64) {
        self.limit = limit;
        self.leak(now);
    }

    /// Lets time pass.
    pub(super) fn leak(&mut self, now: u64) {
        let passed = u128::from(now.saturating_sub(self.at));
        self.at = self.at.max(now);
        self.gone = self.gone.saturating_add(passed * u128::from(self.limit)).min(self.charged);
    }

    /// Whether so much fits in now: nothing, or how long to wait. `None` within: waiting does not help.
    pub(super) fn check(&self, amount: u64) -> Result<(), Option<Duration>> {
        let (room, wanted) = (ticks(self.limit), ticks(amount));
        let over = (self.level() + wanted).saturating_sub(room);
        if over == 0 {
            return Ok(());
        }
        Err((wanted <= room).then(|| self.leaks_in(over)))
    }

    /// Puts an amount in, whether it fits or not.
    pub(super) fn charge(&mut self, amount: u64) -> Mark {
        self.charged = self.charged.saturating_add(ticks(amount));
        Mark(self.charged)
    }

    /// Takes out again so much of a charge as has not leaked yet.
    pub(super) fn give_back(&mut self, mark: Mark, amount: u64) {
        let left = mark.0.saturating_sub(self.gone);
        self.gone = self.gone.saturating_add(ticks(amount).min(left)).min(self.charged);
    }

    /// How many whole units still fit in.
    pub(super) fn remaining(&self) -> u64 {
        let room = ticks(self.limit).saturating_sub(self.level());
        u64::try_from(room / MINUTE_NS).unwrap_or(u64::MAX)
    }

    /// How long until it is empty, if nothing more comes.
    pub(super) fn empties_in(&self) -> Duration {
        self.leaks_in(self.level())
    }

    /// Whether everything has leaked: then it is as good as a new one.
    pub(super) fn is_empty(&self) -> bool {
        self.level() == 0
    }

    fn level(&self) -> u128 {
        self.charged - self.gone
    }

    fn leaks_in(&self, ticks: u128) -> Duration {
        let nanoseconds = ticks.div_ceil(u128::from(self.limit.max(1)));
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

fn ticks(amount: u64) -> u128 {
    u128::from(amount) * MINUTE_NS
}
