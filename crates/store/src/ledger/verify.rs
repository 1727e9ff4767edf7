//! Folding the ledger from zero, and comparing.

use super::derived::{Balance, BalanceKey, Derived, Rollup, RollupKey};
use super::{CHARGE, OVERAGE};
use crate::db::{Db, StoreError, id};
use domain::{Money, Scope, Timestamp};
use foldhash::HashMap;
use futures_util::TryStreamExt;
use sqlx::SqliteConnection;
use std::collections::BTreeSet;
use std::hash::Hash;

const LEDGER: &str = "SELECT entry, shape_id, at, amount_nano, input_tokens, output_tokens FROM ledger";
const REQUESTS: &str = "SELECT shape_id, at, cost_nano FROM requests";
const SHAPES: &str = "SELECT id, org_id, key_id, scopes FROM request_shapes";
const BALANCES: &str = "SELECT scope, window_name, window_start, settled_nano, overage_nano FROM balances";
const ROLLUPS: &str = "SELECT hour, shape_id, requests, attempts, input_tokens, output_tokens, cost_nano \
     FROM usage_rollups";
const FORGET_BALANCES: &str = "DELETE FROM balances";
const FORGET_ROLLUPS: &str = "DELETE FROM usage_rollups";

/// What does not agree with the ledger.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Which figure.
    pub what: String,
    /// What the fold of the ledger says.
    pub folded: String,
    /// What stands in its place.
    pub stands: String,
}

/// What [`Db::verify`] has seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Rows of the ledger.
    pub rows: u64,
    /// Everything that was spent.
    pub total: Money,
    /// What of it came on top of what was held.
    pub overage: Money,
    /// Balances and rollups compared.
    pub compared: usize,
    /// What does not agree.
    pub differences: Vec<Difference>,
    /// The sum of all disagreements, without their signs.
    pub fold_diff: Money,
}

struct Fold {
    derived: Derived,
    rows: u64,
    total: i64,
    overage: i64,
    requests_cost: i64,
}

impl Db {
    /// Folds the ledger and compares it with every balance, every rollup and the requests' own costs, as of
    /// one instant.
    pub async fn verify(&self) -> Result<Verdict, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let fold = fold(&mut transaction).await?;
        let balances = balances(&mut transaction).await?;
        let rollups = rollups(&mut transaction).await?;
        transaction.rollback().await?;
        let mut verdict = Verdict {
            rows: fold.rows,
            total: Money::from_nano(fold.total),
            overage: Money::from_nano(fold.overage),
            compared: balances.len() + rollups.len() + 1,
            differences: Vec::new(),
            fold_diff: Money::ZERO,
        };
        let money = |balance: &Balance| balance.settled + balance.overage;
        verdict.compare("balance", &fold.derived.balances, &balances, money);
        verdict.compare("rollup", &fold.derived.rollups, &rollups, |rollup| rollup.cost);
        if fold.requests_cost != fold.total {
            verdict.differ("costs of the requests".to_owned(), fold.total, fold.requests_cost);
        }
        Ok(verdict)
    }

    /// Builds balances and rollups anew from ledger and requests, which it does not touch.
    pub async fn repair(&self) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let fold = fold(&mut transaction).await?;
        for forget in [FORGET_BALANCES, FORGET_ROLLUPS] {
            sqlx::query(forget).execute(&mut *transaction).await?;
        }
        fold.derived.add(&mut transaction).await?;
        Ok(transaction.commit().await?)
    }
}

impl Verdict {
    fn differ(&mut self, what: String, folded: i64, stands: i64) {
        let difference = Money::from_nano(folded.abs_diff(stands).try_into().unwrap_or(i64::MAX));
        self.fold_diff += difference;
        let (folded, stands) = (folded.to_string(), stands.to_string());
        self.differences.push(Difference { what, folded, stands });
    }

    fn compare<K: Eq + Hash + std::fmt::Debug, V: PartialEq + Default + std::fmt::Debug>(
        &mut self,
        table: &str,
        folded: &HashMap<K, V>,
        stands: &HashMap<K, V>,
        money: impl Fn(&V) -> i64,
    ) {
        let zero = V::default();
        for key in folded.keys().chain(stands.keys().filter(|key| !folded.contains_key(key))) {
            let (folded, stands) = (folded.get(key).unwrap_or(&zero), stands.get(key).unwrap_or(&zero));
            if folded != stands {
                let apart = money(folded).abs_diff(money(stands)).try_into().unwrap_or(i64::MAX);
                self.fold_diff += Money::from_nano(apart);
                let what = format!("{table} {key:?}");
                let (folded, stands) = (format!("{folded:?}"), format!("{stands:?}"));
                self.differences.push(Difference { what, folded, stands });
            }
        }
    }
}

async fn fold(connection: &mut SqliteConnection) -> Result<Fold, StoreError> {
    let shapes = scopes_of_shapes(connection).await?;
    let mut fold = Fold { derived: Derived::default(), rows: 0, total: 0, overage: 0, requests_cost: 0 };
    {
        let mut rows = sqlx::query_as::<_, (i64, i64, i64, i64, i64, i64)>(LEDGER).fetch(&mut *connection);
        while let Some((entry, shape, at, amount, input, output)) = rows.try_next().await? {
            let (at, money) = (Timestamp::from_unix_ms(at), Money::from_nano(amount));
            let (settled, overage) =
                if entry == OVERAGE { (Money::ZERO, money) } else { (money, Money::ZERO) };
            let scopes = shapes.get(&shape).map_or(&[][..], Vec::as_slice);
            fold.derived.spent(at, scopes, settled, overage);
            fold.derived.ledger_row(at, shape, i64::from(entry == CHARGE), [input, output], money);
            fold.rows += 1;
            fold.total += amount;
            fold.overage += overage.nano();
        }
    }
    let mut rows = sqlx::query_as::<_, (i64, i64, i64)>(REQUESTS).fetch(&mut *connection);
    while let Some((shape, at, cost)) = rows.try_next().await? {
        fold.derived.request(Timestamp::from_unix_ms(at), shape);
        fold.requests_cost += cost;
    }
    Ok(fold)
}

async fn scopes_of_shapes(connection: &mut SqliteConnection) -> Result<HashMap<i64, Vec<Scope>>, StoreError> {
    let rows: Vec<(i64, String, String, String)> = sqlx::query_as(SHAPES).fetch_all(connection).await?;
    let parse = |(shape, org, key, others): (i64, String, String, String)| {
        let texts: BTreeSet<&str> =
            [org.as_str(), key.as_str()].into_iter().chain(others.split_whitespace()).collect();
        let scopes = texts.into_iter().map(|text| id("request_shapes", "scopes", text));
        Ok((shape, scopes.collect::<Result<_, _>>()?))
    };
    rows.into_iter().map(parse).collect()
}

async fn balances(connection: &mut SqliteConnection) -> Result<HashMap<BalanceKey, Balance>, StoreError> {
    let rows: Vec<(String, String, i64, i64, i64)> = sqlx::query_as(BALANCES).fetch_all(connection).await?;
    let parse = |(scope, window, start, settled, overage): (String, String, i64, i64, i64)| {
        let key = (id("balances", "scope", &scope)?, id("balances", "window_name", &window)?, start);
        Ok((key, Balance { settled, overage }))
    };
    rows.into_iter().map(parse).collect()
}

async fn rollups(connection: &mut SqliteConnection) -> Result<HashMap<RollupKey, Rollup>, StoreError> {
    let rows: Vec<(i64, i64, i64, i64, i64, i64, i64)> =
        sqlx::query_as(ROLLUPS).fetch_all(connection).await?;
    let parse = |(hour, shape, requests, attempts, input_tokens, output_tokens, cost)| {
        ((hour, shape), Rollup { requests, attempts, input_tokens, output_tokens, cost })
    };
    Ok(rows.into_iter().map(parse).collect())
}
