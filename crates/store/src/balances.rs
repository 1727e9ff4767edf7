//! What scopes have spent, as the ledger's balances have it.

use crate::db::{Db, StoreError};
use domain::{Money, OrgId, Scope, Timestamp, Window};
use std::collections::HashMap;

const ONE: &str = "SELECT settled_nano, overage_nano FROM balances \
     WHERE scope = $1 AND window_name = $2 AND window_start = $3";
const OF_KEYS: &str = "SELECT balances.scope, settled_nano, overage_nano FROM balances \
     JOIN api_keys ON api_keys.id = balances.scope \
     WHERE api_keys.org_id = $1 AND window_name = $2 AND window_start = $3";

impl Db {
    /// What a scope has spent in the window that begins at `start`: what was held for it and settled, and what
    /// came on top.
    pub async fn balance(
        &self,
        scope: Scope,
        window: Window,
        start: Timestamp,
    ) -> Result<(Money, Money), StoreError> {
        let query = sqlx::query_as(ONE).bind(scope.to_string()).bind(window.as_str()).bind(start.unix_ms());
        let row: Option<(i64, i64)> = query.fetch_optional(&self.pool).await?;
        let (settled, overage) = row.unwrap_or_default();
        Ok((Money::from_nano(settled), Money::from_nano(overage)))
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
