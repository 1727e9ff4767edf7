//! API keys. Every change raises the configuration's generation in the same transaction, so that running
//! gateways hear of it.

use crate::db::{Change, Db, StoreError, corrupt, id};
use domain::{Access, ApiKey, KeyHash, KeyId, KeyState, OrgId, Permissions, Timestamp};

const INSERT: &str = "INSERT INTO api_keys (id, org_id, name, display, hash, created_at, expires_at, \
     manage, completions, scopes, labels) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const ALL: &str = "SELECT id, org_id, name, display, hash, created_at, expires_at, deleted_at, manage, \
     completions, scopes, labels FROM api_keys ORDER BY created_at, id";
const ONE: &str = "SELECT id, org_id, name, display, hash, created_at, expires_at, deleted_at, manage, \
     completions, scopes, labels FROM api_keys WHERE org_id = $1 AND id = $2";
const OF_ORG: &str = "SELECT id, org_id, name, display, hash, created_at, expires_at, deleted_at, manage, \
     completions, scopes, labels FROM api_keys WHERE org_id = $1 AND deleted_at IS NULL ORDER BY created_at, id";
const DELETE: &str = "UPDATE api_keys SET deleted_at = $1 WHERE id = $2 AND deleted_at IS NULL";
const SET_EXPIRY: &str = "UPDATE api_keys SET expires_at = $1 WHERE id = $2 AND deleted_at IS NULL \
     AND (expires_at IS NULL OR expires_at > $3)";
const SET_LABELS: &str = "UPDATE api_keys SET labels = $1 WHERE id = $2 AND deleted_at IS NULL";

type Row = (
    String,
    String,
    String,
    String,
    Vec<u8>,
    i64,
    Option<i64>,
    Option<i64>,
    String,
    String,
    Option<String>,
    Option<String>,
);

impl Db {
    /// Adds a key. [`StoreError::Conflict`] when one with the same secret exists, deleted or not.
    pub async fn insert_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        let expires_at = match key.state {
            KeyState::Active { expires_at } => expires_at,
            KeyState::Deleted { at } => Some(at),
        };
        let scopes: Vec<String> = key.scopes.iter().map(ToString::to_string).collect();
        let scopes = (!scopes.is_empty()).then(|| serde_json::json!(scopes).to_string());
        let insert = sqlx::query(INSERT)
            .bind(key.id.to_string())
            .bind(key.org.to_string())
            .bind(&key.name)
            .bind(&key.display)
            .bind(&key.hash.0[..])
            .bind(key.created_at.unix_ms())
            .bind(expires_at.map(Timestamp::unix_ms))
            .bind(key.permissions.manage.as_str())
            .bind(key.permissions.completions.as_str())
            .bind(scopes)
            .bind(labels_text(&key.labels));
        let mut change = Change::begin(self).await?;
        change.run(insert).await.map_err(|error| {
            let is_twin = matches!(&error, StoreError::Sql(sqlx::Error::Database(refusal)) if refusal.is_unique_violation());
            if is_twin { StoreError::Conflict { what: "the key" } } else { error }
        })?;
        change.commit().await
    }

    /// All keys of all organizations, oldest first, deleted ones included.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(ALL).fetch_all(&self.pool).await?;
        rows.into_iter().map(key).collect()
    }

    /// The keys of an organization that are not deleted, oldest first.
    pub async fn keys_of(&self, org: OrgId) -> Result<Vec<ApiKey>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(OF_ORG).bind(org.to_string()).fetch_all(&self.pool).await?;
        rows.into_iter().map(key).collect()
    }

    /// One key of an organization, deleted or not.
    pub async fn key(&self, org: OrgId, id: KeyId) -> Result<Option<ApiKey>, StoreError> {
        let row = sqlx::query_as(ONE).bind(org.to_string()).bind(id.to_string());
        row.fetch_optional(&self.pool).await?.map(key).transpose()
    }

    /// Deletes a key for good. `false`: there is none with this id, or it is deleted already.
    pub async fn delete_key(&self, key: KeyId, now: Timestamp) -> Result<bool, StoreError> {
        let mut change = Change::begin(self).await?;
        let rows = change.run(sqlx::query(DELETE).bind(now.unix_ms()).bind(key.to_string())).await?;
        change.commit().await?;
        Ok(rows > 0)
    }

    /// Sets when a key stops working, or that it does not. `false`: there is no such key, or it has expired
    /// by now, which is final.
    pub async fn set_key_expiry(
        &self,
        key: KeyId,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let query = sqlx::query(SET_EXPIRY)
            .bind(expires_at.map(Timestamp::unix_ms))
            .bind(key.to_string())
            .bind(now.unix_ms());
        let mut change = Change::begin(self).await?;
        let rows = change.run(query).await?;
        change.commit().await?;
        Ok(rows > 0)
    }

    /// Replaces a key's labels. `false`: there is no such key.
    pub async fn set_key_labels(&self, key: KeyId, labels: &[(String, String)]) -> Result<bool, StoreError> {
        let query = sqlx::query(SET_LABELS).bind(labels_text(labels)).bind(key.to_string());
        let mut change = Change::begin(self).await?;
        let rows = change.run(query).await?;
        change.commit().await?;
        Ok(rows > 0)
    }
}

fn labels_text(labels: &[(String, String)]) -> Option<String> {
    let object: serde_json::Map<_, _> =
        labels.iter().map(|(name, value)| (name.clone(), serde_json::json!(value))).collect();
    (!object.is_empty()).then(|| serde_json::Value::Object(object).to_string())
}

fn key(row: Row) -> Result<ApiKey, StoreError> {
    let (
        key_id,
        org_id,
        name,
        display,
        hash,
        created_at,
        expires_at,
        deleted_at,
        manage,
        may_call,
        scopes,
        labels,
    ) = row;
    let hash: [u8; 32] = hash.try_into().map_err(|hash: Vec<u8>| {
        corrupt("api_keys", "hash", format!("{} bytes instead of 32", hash.len()))
    })?;
    let access = |column, text: String| -> Result<Access, StoreError> {
        text.parse().map_err(|error| corrupt("api_keys", column, format!("{error}")))
    };
    let scopes: Vec<String> = json("scopes", scopes)?;
    let labels: std::collections::BTreeMap<String, String> = json("labels", labels)?;
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
        permissions: Permissions {
            manage: access("manage", manage)?,
            completions: access("completions", may_call)?,
        },
        scopes: scopes.iter().map(|text| id("api_keys", "scopes", text)).collect::<Result<_, _>>()?,
        labels: labels.into_iter().collect(),
        created_at: Timestamp::from_unix_ms(created_at),
    })
}

fn json<T: serde::de::DeserializeOwned + Default>(
    column: &'static str,
    text: Option<String>,
) -> Result<T, StoreError> {
    let Some(text) = text else { return Ok(T::default()) };
    serde_json::from_str(&text).map_err(|error| corrupt("api_keys", column, error.to_string()))
}
