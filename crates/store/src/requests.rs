//! Request records: written in batches with the ledger ([`crate::ledger`]), read by people and the console.

pub(crate) mod insert;
mod shape;
mod view;

use crate::db::{Db, StoreError};
use domain::{KeyId, OrgId};
pub(crate) use shape::{Batch, Shape, Shapes};
use sqlx::Row;

const LATEST: &str = "SELECT * FROM request_records WHERE org_id = $1 ORDER BY id DESC LIMIT $2";
const ONE: &str = "SELECT * FROM request_records WHERE org_id = $1 AND id = $2";
/// The condition of its index, word by word.
const MODEL_OF_ANSWER: &str = "SELECT provider, model_used FROM request_records \
     WHERE response_id = $1 AND substr(response_id, 1, 5) = 'resp_' AND key_id = $2 ORDER BY id DESC LIMIT 1";

impl Db {
    /// The newest requests of an organization, newest first, as JSON objects for people and scripts.
    pub async fn latest_requests(
        &self,
        org: OrgId,
        limit: u32,
    ) -> Result<Vec<serde_json::Value>, StoreError> {
        let rows =
            sqlx::query(LATEST).bind(org.to_string()).bind(i64::from(limit)).fetch_all(&self.pool).await?;
        rows.iter().map(view::view).collect()
    }

    /// The full name of the model that gave a stored answer (`resp_…`) to a key. `None`: no such answer is recorded.
    pub async fn model_of_answer(&self, key: KeyId, answer: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query(MODEL_OF_ANSWER)
            .bind(answer)
            .bind(key.to_string())
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let (provider, model): (Option<String>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        Ok(provider.zip(model).map(|(provider, model)| format!("{provider}/{model}")))
    }

    /// One request of an organization.
    pub async fn request(&self, org: OrgId, id: &str) -> Result<Option<serde_json::Value>, StoreError> {
        let row = sqlx::query(ONE).bind(org.to_string()).bind(id).fetch_optional(&self.pool).await?;
        row.as_ref().map(view::view).transpose()
    }
}
