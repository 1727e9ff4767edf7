//! What the keys of an organization have spent, as the ledger's balances have it.

use crate::db::{Db, StoreError};
use domain::{Money, OrgId, Timestamp, Window};
use std::collections::HashMap;

const OF_KEYS: &str = "SELECT balances.scope, settled_nano, overage_nano FROM balances \
     JOIN api_keys ON api_keys.id = balances.scope \
     WHERE api_keys.org_id = $1 AND window_name = $2 AND window_start = $3";

const LATEST_DAY: &str = "SELECT MAX(window_start) FROM balances WHERE window_name = $1";

impl Db {
    /// The start of the latest day in which anything was spent.
    pub async fn latest_day(&self) -> Result<Option<Timestamp>, StoreError> {
        let (start,): (Option<i64>,) =
            sqlx::query_as(LATEST_DAY).bind(Window::Day.as_str()).fetch_one(&self.pool).await?;
        Ok(start.map(Timestamp::from_unix_ms))
    }

    /// What each key of an organization has spent in the window that begins at `start`, all together, where it
    /// has spent anything. By the key's id as text.
    pub async fn key_balances(
        &self,
        org: OrgId,
        window: Window,
        start: Timestamp,
    ) -> Result<HashMap<String, Money>, StoreError> {
        let query = sqlx::query_as(OF_KEYS).bind(org.to_string()).bind(window.as_str()).bind(start.unix_ms());
        let rows: Vec<(String, i64, i64)> = query.fetch_all(&self.pool).await?;
        let sum = |settled, overage| Money::from_nano(settled) + Money::from_nano(overage);
        Ok(rows.into_iter().map(|(key, settled, overage)| (key, sum(settled, overage))).collect())
    }
}
