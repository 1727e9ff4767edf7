//! Organizations.

use crate::db::{Db, StoreError, id};
use domain::{OrgId, Organization, Timestamp};

const INSERT: &str = "INSERT INTO organizations (id, name, created_at) VALUES ($1, $2, $3)";
const FIRST: &str = "SELECT id, name FROM organizations ORDER BY created_at, id LIMIT 1";
const ONE: &str = "SELECT name FROM organizations WHERE id = $1";

impl Db {
    /// Adds an organization.
    pub async fn insert_organization(&self, org: &Organization, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query(INSERT)
            .bind(org.id.to_string())
            .bind(&org.name)
            .bind(now.unix_ms())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The oldest organization: the one that commands without `--org` mean.
    pub async fn first_organization(&self) -> Result<Option<Organization>, StoreError> {
        let row: Option<(String, String)> = sqlx::query_as(FIRST).fetch_optional(&self.pool).await?;
        row.map(|(text, name)| Ok(Organization { id: id("organizations", "id", &text)?, name })).transpose()
    }

    /// An organization.
    pub async fn organization(&self, id: OrgId) -> Result<Option<Organization>, StoreError> {
        let row: Option<(String,)> =
            sqlx::query_as(ONE).bind(id.to_string()).fetch_optional(&self.pool).await?;
        Ok(row.map(|(name,)| Organization { id, name }))
    }
}
