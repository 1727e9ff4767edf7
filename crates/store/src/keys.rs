//! API keys. Every change raises the configuration's generation in the same transaction, so that running
//! gateways hear of it.

use crate::db::{Db, StoreError, id};
use domain::{ApiKey, KeyHash, KeyId, KeyState, Timestamp};

const INSERT: &str = "INSERT INTO api_keys (id, org_id, name, display, hash, created_at, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7)";
const ALL: &str = "SELECT id, org_id, name, display, hash, created_at, expires_at, deleted_at \
     FROM api_keys ORDER BY created_at, id";
const DELETE: &str = "UPDATE api_keys SET deleted_at = $1 WHERE id = $2 AND deleted_at IS NULL";
const CHANGED: &str = "UPDATE configuration_generation SET generation = generation + 1 WHERE id = 1";

type Row = (String, String, String, String, Vec<u8>, i64, Option<i64>, Option<i64>);

impl Db {
    /// Adds a key. [`StoreError::Conflict`] when one with the same secret exists, deleted or not.
    pub async fn insert_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        let expires_at = match key.state {
            KeyState::Active { expires_at } => expires_at,
            KeyState::Deleted { at } => Some(at),
        };
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(INSERT)
            .bind(key.id.to_string())
            .bind(key.org.to_string())
            .bind(&key.name)
            .bind(&key.display)
            .bind(&key.hash.0[..])
            .bind(key.created_at.unix_ms())
            .bind(expires_at.map(Timestamp::unix_ms))
            .execute(&mut *transaction)
            .await
            .map_err(|error| match error.as_database_error() {
                Some(refusal) if refusal.is_unique_violation() => StoreError::Conflict { what: "the key" },
                _ => StoreError::Sql(error),
            })?;
        sqlx::query(CHANGED).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// All keys of all organizations, oldest first, deleted ones included.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(ALL).fetch_all(&self.pool).await?;
        rows.into_iter().map(key).collect()
    }

    /// Deletes a key for good. `false`: there is none with this id, or it is deleted already.
    pub async fn delete_key(&self, key: KeyId, now: Timestamp) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let done =
            sqlx::query(DELETE).bind(now.unix_ms()).bind(key.to_string()).execute(&mut *transaction).await?;
        sqlx::query(CHANGED).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0)
    }
}

fn key(row: Row) -> Result<ApiKey, StoreError> {
    let (key_id, org_id, name, display, hash, created_at, expires_at, deleted_at) = row;
    let hash: [u8; 32] = hash.try_into().map_err(|hash: Vec<u8>| StoreError::Corrupt {
        table: "api_keys",
        column: "hash",
        reason: format!("{} bytes instead of 32", hash.len()),
    })?;
    Ok(ApiKey {
        id: id("api_keys", "id", &key_id)?,
        org: id("api_keys", "org_id", &org_id)?,
        name,
        display,
        hash: KeyHash(hash),
        state: match deleted_at {
            Some(at) => KeyState::Deleted { at: Timestamp::from_unix_ms(at) },
            None => KeyState::Active { expires_at: expires_at.map(Timestamp::from_unix_ms) },
        },
        created_at: Timestamp::from_unix_ms(created_at),
    })
}
