//! Request records: written in batches with the ledger ([`crate::ledger`]), read by people and the console.

pub(crate) mod insert;
mod shape;
mod view;

use crate::db::{Db, StoreError};
use domain::OrgId;
pub(crate) use shape::{Batch, Shape, Shapes};

const LATEST: &str = "SELECT * FROM request_records WHERE org_id = $1 ORDER BY id DESC LIMIT $2";
const ONE: &str = "SELECT * FROM request_records WHERE org_id = $1 AND id = $2";

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

    /// One request of an organization.
    pub async fn request(&self, org: OrgId, id: &str) -> Result<Option<serde_json::Value>, StoreError> {
        let row = sqlx::query(ONE).bind(org.to_string()).bind(id).fetch_optional(&self.pool).await?;
        row.as_ref().map(view::view).transpose()
    }
}
