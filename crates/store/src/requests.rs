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
const ANSWER_ORIGIN: &str = "SELECT provider, model_used, model_requested FROM request_records \
     WHERE response_id = $1 AND substr(response_id, 1, 5) = 'resp_' AND key_id = $2 ORDER BY id DESC LIMIT 1";
/// Whether one of the records of an answer is of an organization.
const ANSWER_IS_OF: &str = "SELECT max(org_id = $2) FROM request_records \
     WHERE response_id = $1 AND substr(response_id, 1, 5) = 'resp_'";

/// Where a stored answer came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerOrigin {
    /// The provider's name.
    pub provider: String,
    /// What the provider calls the model.
    pub model: String,
    /// The model as the caller named it.
    pub requested: String,
}

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

    /// Where a stored answer (`resp_…`) of a key came from. `None`: no such answer is recorded.
    pub async fn answer_origin(&self, key: KeyId, answer: &str) -> Result<Option<AnswerOrigin>, StoreError> {
        let row =
            sqlx::query(ANSWER_ORIGIN).bind(answer).bind(key.to_string()).fetch_optional(&self.pool).await?;
        let Some(row) = row else { return Ok(None) };
        let (provider, model): (Option<String>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        let requested = row.try_get(2)?;
        Ok(provider.zip(model).map(|(provider, model)| AnswerOrigin { provider, model, requested }))
    }

    /// Whether a stored answer (`resp_…`) was given to an organization. `None`: no such answer is recorded.
    pub async fn is_answer_of(&self, org: OrgId, answer: &str) -> Result<Option<bool>, StoreError> {
        let row = sqlx::query(ANSWER_IS_OF).bind(answer).bind(org.to_string()).fetch_one(&self.pool).await?;
        Ok(row.try_get(0)?)
    }

    /// One request of an organization.
    pub async fn request(&self, org: OrgId, id: &str) -> Result<Option<serde_json::Value>, StoreError> {
        let row = sqlx::query(ONE).bind(org.to_string()).bind(id).fetch_optional(&self.pool).await?;
        row.as_ref().map(view::view).transpose()
    }
}
