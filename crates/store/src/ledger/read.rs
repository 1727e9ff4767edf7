//! The ledger as it is read: by people, by other programs, and at the start of a gateway.

use crate::db::{Db, StoreError, corrupt, id};
use domain::{AttemptId, Money, OrgId, Scope, Timestamp, Window, Windows};
use futures_util::TryStreamExt;

const ROWS: &str = "SELECT attempt, entry, ledger.at, amount_nano, held_nano, input_tokens, output_tokens, \
     org_id, key_id, provider, model_used, usage_source FROM ledger \
     JOIN request_shapes ON request_shapes.id = ledger.shape_id";
const BALANCES: &str = "SELECT scope, window_name, settled_nano + overage_nano FROM balances \
     WHERE (window_name = 'day' AND window_start = $1) OR (window_name = 'month' AND window_start = $2) \
     OR window_name = 'total'";
const BALANCE: &str = "SELECT settled_nano + overage_nano FROM balances \
     WHERE scope = $1 AND window_name = $2 AND window_start = $3";

/// One row of the ledger.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// Which attempt.
    pub attempt: AttemptId,
    /// `charge`, `overage` or `correction`.
    pub kind: &'static str,
    /// When its request was admitted.
    pub at: Timestamp,
    /// What it is about.
    pub amount: Money,
    /// What was held for the attempt.
    pub held: Money,
    /// Prompt tokens.
    pub input_tokens: i64,
    /// Answer tokens.
    pub output_tokens: i64,
    /// Who pays.
    pub org: String,
    /// The key that was shown.
    pub key: String,
    /// Who was asked.
    pub provider: String,
    /// What the provider calls the model.
    pub model: String,
    /// Who says so.
    pub source: String,
}

type Columns = (Vec<u8>, i64, i64, i64, i64, i64, i64, String, String, String, String, String);

impl Db {
    /// Gives every row of an organization's ledger to `each`, oldest first; `newest` only the last ones, and
    /// newest first.
    pub async fn ledger_rows(
        &self,
        org: OrgId,
        newest: Option<u32>,
        mut each: impl FnMut(Row),
    ) -> Result<(), StoreError> {
        let order = if newest.is_some() { "DESC" } else { "ASC" };
        let text = format!("{ROWS} WHERE org_id = $1 ORDER BY attempt {order}, entry {order} LIMIT $2");
        let limit = newest.map_or(i64::MAX, i64::from);
        let query = sqlx::query_as(sqlx::AssertSqlSafe(text.as_str())).bind(org.to_string()).bind(limit);
        let mut rows = query.fetch(&self.pool);
        while let Some(columns) = rows.try_next().await? {
            each(row(columns)?);
        }
        Ok(())
    }

    /// What scopes have spent in the windows of an instant: where they have spent anything.
    pub async fn balances(&self, windows: Windows) -> Result<Vec<(Scope, Window, Money)>, StoreError> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(BALANCES)
            .bind(windows.start(Window::Day).unix_ms())
            .bind(windows.start(Window::Month).unix_ms())
            .fetch_all(&self.pool)
            .await?;
        let balance = |(scope, window, spent): (String, String, i64)| {
            let scope = id("balances", "scope", &scope)?;
            Ok((scope, id("balances", "window_name", &window)?, Money::from_nano(spent)))
        };
        rows.into_iter().map(balance).collect()
    }

    /// What a scope has spent in the window that begins at `start`.
    pub async fn spent(&self, scope: Scope, window: Window, start: Timestamp) -> Result<Money, StoreError> {
        let query = sqlx::query_as(BALANCE).bind(scope.to_string()).bind(window.as_str());
        let row: Option<(i64,)> = query.bind(start.unix_ms()).fetch_optional(&self.pool).await?;
        Ok(row.map_or(Money::ZERO, |(spent,)| Money::from_nano(spent)))
    }
}

fn row(columns: Columns) -> Result<Row, StoreError> {
    let (attempt, entry, at, amount, held, input_tokens, output_tokens, org, key, provider, model, source) =
        columns;
    let attempt: [u8; 18] = attempt.try_into().map_err(|bytes: Vec<u8>| {
        corrupt("ledger", "attempt", format!("{} bytes instead of 18", bytes.len()))
    })?;
    let kind = match entry {
        super::CHARGE => "charge",
        super::OVERAGE => "overage",
        _ => "correction",
    };
    Ok(Row {
        attempt: AttemptId::from_bytes(attempt),
        kind,
        at: Timestamp::from_unix_ms(at),
        amount: Money::from_nano(amount),
        held: Money::from_nano(held),
        input_tokens,
        output_tokens,
        org,
        key,
        provider,
        model,
        source,
    })
}
