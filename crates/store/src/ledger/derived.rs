//! What is derived from requests and ledger: balances of scopes in windows, and rollups by the hour.

use crate::db::StoreError;
use domain::{AttemptRecord, Money, RequestRecord, Scope, Timestamp, Window, Windows};
use foldhash::HashMap;
use sqlx::SqliteConnection;

const HOUR_MS: i64 = 3_600_000;

const ADD_BALANCE: &str = "INSERT INTO balances \
     (scope, window_name, window_start, settled_nano, overage_nano) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (scope, window_name, window_start) DO UPDATE SET \
     settled_nano = balances.settled_nano + excluded.settled_nano, \
     overage_nano = balances.overage_nano + excluded.overage_nano";
const ADD_ROLLUP: &str = "INSERT INTO usage_rollups \
     (hour, shape_id, requests, attempts, input_tokens, output_tokens, cost_nano) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (hour, shape_id) DO UPDATE SET \
     requests = usage_rollups.requests + excluded.requests, \
     attempts = usage_rollups.attempts + excluded.attempts, \
     input_tokens = usage_rollups.input_tokens + excluded.input_tokens, \
     output_tokens = usage_rollups.output_tokens + excluded.output_tokens, \
     cost_nano = usage_rollups.cost_nano + excluded.cost_nano";

/// A balance's key: scope, window, start of the window.
pub(super) type BalanceKey = (Scope, Window, i64);
/// A rollup's key: start of the hour, shape.
pub(super) type RollupKey = (i64, i64);

/// What a scope has spent in a window, in nano-dollars.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Balance {
    pub settled: i64,
    pub overage: i64,
}

/// One hour of one shape.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Rollup {
    pub requests: i64,
    pub attempts: i64,
    pub input_tokens: i64,
    pub output_tokens: i64,
    pub cost: i64,
}

/// Sums over some requests and ledger rows.
#[derive(Default, PartialEq, Eq, Debug)]
pub(super) struct Derived {
    pub balances: HashMap<BalanceKey, Balance>,
    pub rollups: HashMap<RollupKey, Rollup>,
}

fn hour(at: Timestamp) -> i64 {
    at.unix_ms() - at.unix_ms().rem_euclid(HOUR_MS)
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Sums over the requests of one hour and shape, whose scopes and windows are therefore the same.
#[derive(Debug)]
struct Group<'a> {
    at: Timestamp,
    scopes: &'a [Scope],
    rollup: Rollup,
    charge: Money,
    overage: Money,
}

/// Counts finished requests: what they add to is looked up once for all that are alike.
#[derive(Default, Debug)]
pub(super) struct Tally<'a>(HashMap<RollupKey, Group<'a>>);

impl<'a> Tally<'a> {
    fn group(&mut self, record: &'a RequestRecord, shape: i64) -> &mut Group<'a> {
        self.0.entry((hour(record.at), shape)).or_insert_with(|| Group {
            at: record.at,
            scopes: &record.scopes,
            rollup: Rollup::default(),
            charge: Money::ZERO,
            overage: Money::ZERO,
        })
    }

    /// Counts a request.
    pub fn request(&mut self, record: &'a RequestRecord, shape: i64) {
        self.group(record, shape).rollup.requests += 1;
    }

    /// Counts one of its attempts, and how its cost is split.
    pub fn attempt(
        &mut self,
        record: &'a RequestRecord,
        shape: i64,
        attempt: &AttemptRecord,
        (charge, overage): (Money, Money),
    ) {
        let group = self.group(record, shape);
        let tokens = [attempt.usage.total_input(), attempt.usage.total_output()].map(number);
        group.rollup.add(1, tokens, attempt.cost);
        group.charge += charge;
        group.overage += overage;
    }

    /// The sums.
    pub fn derive(self) -> Derived {
        let mut derived = Derived::default();
        for (key, group) in self.0 {
            if group.rollup.attempts > 0 {
                derived.spent(group.at, group.scopes, group.charge, group.overage);
            }
            derived.rollups.insert(key, group.rollup);
        }
        derived
    }
}

impl Rollup {
    fn add(&mut self, attempts: i64, [input, output]: [i64; 2], amount: Money) {
        self.attempts += attempts;
        self.input_tokens = self.input_tokens.saturating_add(input);
        self.output_tokens = self.output_tokens.saturating_add(output);
        self.cost += amount.nano();
    }
}

impl Derived {
    /// Counts a request.
    pub fn request(&mut self, at: Timestamp, shape: i64) {
        self.rollups.entry((hour(at), shape)).or_default().requests += 1;
    }

    /// Counts a row of the ledger into its hour. `attempts` is zero for what comes on top of a charge.
    pub fn ledger_row(&mut self, at: Timestamp, shape: i64, attempts: i64, tokens: [i64; 2], amount: Money) {
        self.rollups.entry((hour(at), shape)).or_default().add(attempts, tokens, amount);
    }

    /// Counts an amount against all its scopes.
    pub fn spent(&mut self, at: Timestamp, scopes: &[Scope], settled: Money, overage: Money) {
        let windows = Windows::at(at);
        for scope in scopes {
            for window in Window::ALL {
                let key = (*scope, window, windows.start(window).unix_ms());
                let balance = self.balances.entry(key).or_default();
                balance.settled += settled.nano();
                balance.overage += overage.nano();
            }
        }
    }

    /// Adds the sums to what stands in the tables.
    pub async fn add(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        for ((scope, window, start), balance) in &self.balances {
            sqlx::query(ADD_BALANCE)
                .bind(scope.to_string())
                .bind(window.as_str())
                .bind(start)
                .bind(balance.settled)
                .bind(balance.overage)
                .execute(&mut *connection)
                .await?;
        }
        for ((hour, shape), rollup) in &self.rollups {
            sqlx::query(ADD_ROLLUP)
                .bind(hour)
                .bind(shape)
                .bind(rollup.requests)
                .bind(rollup.attempts)
                .bind(rollup.input_tokens)
                .bind(rollup.output_tokens)
                .bind(rollup.cost)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
}
