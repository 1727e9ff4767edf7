//! Spending limits and rate limits. Every change raises the configuration's generation.

use crate::db::{Change, Db, StoreError, corrupt, id};
use domain::{Enforcement, Limit, Money, OrgId, RateLimit, Scope, Window};

const ALL: &str =
    "SELECT scope, window_name, amount_nano, enforcement FROM limits ORDER BY scope, window_name";
const OF_ORG: &str = "SELECT scope, window_name, amount_nano, enforcement FROM limits \
     WHERE org_id = $1 ORDER BY scope, window_name";
const SET: &str = "INSERT INTO limits (org_id, scope, window_name, amount_nano, enforcement) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (scope, window_name) DO UPDATE \
     SET amount_nano = excluded.amount_nano, enforcement = excluded.enforcement";
const REMOVE: &str = "DELETE FROM limits WHERE org_id = $1 AND scope = $2 AND window_name = $3";

const ALL_RATES: &str = "SELECT scope, requests_per_minute, tokens_per_minute, concurrent FROM rate_limits \
     ORDER BY scope";
const RATES_OF_ORG: &str = "SELECT scope, requests_per_minute, tokens_per_minute, concurrent \
     FROM rate_limits WHERE org_id = $1 ORDER BY scope";
const SET_RATE: &str = "INSERT INTO rate_limits \
     (org_id, scope, requests_per_minute, tokens_per_minute, concurrent) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (scope) DO UPDATE SET requests_per_minute = excluded.requests_per_minute, \
     tokens_per_minute = excluded.tokens_per_minute, concurrent = excluded.concurrent";
const REMOVE_RATE: &str = "DELETE FROM rate_limits WHERE org_id = $1 AND scope = $2";

impl Db {
    /// All spending limits of all organizations.
    pub async fn limits(&self) -> Result<Vec<Limit>, StoreError> {
        let rows: Vec<(String, String, i64, String)> = sqlx::query_as(ALL).fetch_all(&self.pool).await?;
        rows.into_iter().map(limit).collect()
    }

    /// The spending limits of an organization.
    pub async fn limits_of(&self, org: OrgId) -> Result<Vec<Limit>, StoreError> {
        let query = sqlx::query_as(OF_ORG).bind(org.to_string());
        let rows: Vec<(String, String, i64, String)> = query.fetch_all(&self.pool).await?;
        rows.into_iter().map(limit).collect()
    }

    /// Sets a limit, in place of the one that its scope has in this window.
    pub async fn set_limit(&self, org: OrgId, limit: Limit) -> Result<(), StoreError> {
        let query = sqlx::query(SET)
            .bind(org.to_string())
            .bind(limit.scope.to_string())
            .bind(limit.window.as_str())
            .bind(limit.amount.nano())
            .bind(limit.enforcement.as_str());
        let mut change = Change::begin(self).await?;
        change.run(query).await?;
        change.commit().await
    }

    /// Removes a limit. `false`: there was none.
    pub async fn remove_limit(&self, org: OrgId, scope: Scope, window: Window) -> Result<bool, StoreError> {
        let query = sqlx::query(REMOVE).bind(org.to_string()).bind(scope.to_string()).bind(window.as_str());
        let mut change = Change::begin(self).await?;
        let rows = change.run(query).await?;
        change.commit().await?;
        Ok(rows > 0)
    }

    /// All rate limits of all organizations.
    pub async fn rate_limits(&self) -> Result<Vec<(Scope, RateLimit)>, StoreError> {
        let rows: Vec<RateRow> = sqlx::query_as(ALL_RATES).fetch_all(&self.pool).await?;
        rows.into_iter().map(rate).collect()
    }

    /// The rate limits of an organization.
    pub async fn rate_limits_of(&self, org: OrgId) -> Result<Vec<(Scope, RateLimit)>, StoreError> {
        let query = sqlx::query_as(RATES_OF_ORG).bind(org.to_string());
        let rows: Vec<RateRow> = query.fetch_all(&self.pool).await?;
        rows.into_iter().map(rate).collect()
    }

    /// Sets the rate limit of a scope; an empty one removes it.
    pub async fn set_rate_limit(&self, org: OrgId, scope: Scope, limit: RateLimit) -> Result<(), StoreError> {
        let query = if limit.is_empty() {
            sqlx::query(REMOVE_RATE).bind(org.to_string()).bind(scope.to_string())
        } else {
            let tokens = limit.tokens_per_minute.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
            sqlx::query(SET_RATE)
                .bind(org.to_string())
                .bind(scope.to_string())
                .bind(limit.requests_per_minute.map(i64::from))
                .bind(tokens)
                .bind(limit.concurrent.map(i64::from))
        };
        let mut change = Change::begin(self).await?;
        change.run(query).await?;
        change.commit().await
    }
}

type RateRow = (String, Option<i64>, Option<i64>, Option<i64>);

fn rate((scope, requests, tokens, concurrent): RateRow) -> Result<(Scope, RateLimit), StoreError> {
    let small = |n: Option<i64>| n.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    let limit = RateLimit {
        requests_per_minute: small(requests),
        tokens_per_minute: tokens.map(|n| u64::try_from(n).unwrap_or(0)),
        concurrent: small(concurrent),
    };
    Ok((id("rate_limits", "scope", &scope)?, limit))
}

fn limit((scope, window, amount, enforcement): (String, String, i64, String)) -> Result<Limit, StoreError> {
    let all = [Enforcement::Hard, Enforcement::Soft];
    let enforcement = all.into_iter().find(|known| known.as_str() == enforcement).ok_or_else(|| {
        corrupt("limits", "enforcement", format!("{enforcement:?} is neither hard nor soft"))
    })?;
    Ok(Limit {
        scope: id("limits", "scope", &scope)?,
        window: id("limits", "window_name", &window)?,
        amount: Money::from_nano(amount),
        enforcement,
    })
}
