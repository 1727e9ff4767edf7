//! Calls under an `Idempotency-Key`: who claimed a key first, and what the answer was.
//!
//! Claims are on the disk when they are told to be written, not only in the database's log: after a loss of power
//! no call may be made a second time. Many steps share a transaction, so that many calls share a wait for the disk.

use crate::db::{Db, StoreError, corrupt, id};
use bytes::Bytes;
use domain::{Claim, Fingerprint, IdempotencyKey, RequestId, Timestamp};
use sqlx::{Sqlite, Transaction};

const CLAIM: &str = "INSERT INTO idempotency (key_digest, org_id, fingerprint, request_id, at, state) \
     VALUES ($1, $2, $3, $4, $5, 'running') ON CONFLICT (key_digest) DO UPDATE \
     SET org_id = excluded.org_id, fingerprint = excluded.fingerprint, request_id = excluded.request_id, \
     at = excluded.at, state = excluded.state, status = NULL, headers = NULL, body = NULL \
     WHERE idempotency.at <= $6";
const TAKEN: &str =
    "SELECT fingerprint, request_id, state FROM idempotency WHERE key_digest = $1 AND at > $2";
const KEEP: &str = "UPDATE idempotency SET state = $1, status = $2, headers = $3, body = $4 \
     WHERE key_digest = $5 AND request_id = $6";
const FREE: &str = "DELETE FROM idempotency WHERE key_digest = $1 AND request_id = $2";
const ANSWER: &str = "SELECT status, headers, body FROM idempotency WHERE key_digest = $1 AND request_id = $2 \
     AND state = 'answered'";
const BYTES: &str = "SELECT COALESCE(SUM(LENGTH(body)), 0) FROM idempotency";
const FORGET: &str = "DELETE FROM idempotency WHERE key_digest IN \
     (SELECT key_digest FROM idempotency WHERE at <= $1 ORDER BY at LIMIT 256)";

/// An answer as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
}

/// One change of what is known of a key.
#[derive(Clone, Debug)]
pub enum IdempotencyStep {
    /// Takes the key for a request, if nobody has it.
    Claim(Claim),
    /// Keeps the answer for the request that has the key; `None`: it is too large.
    Keep {
        /// The key.
        key: IdempotencyKey,
        /// The request.
        request: RequestId,
        /// Its answer.
        answer: Option<StoredAnswer>,
    },
    /// Lets a key go that a request has.
    Free {
        /// The key.
        key: IdempotencyKey,
        /// The request.
        request: RequestId,
    },
}

/// What is known of the call that has a key already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    /// What it asked.
    pub fingerprint: Fingerprint,
    /// Its id.
    pub request: RequestId,
    /// How far it came.
    pub state: TakenState,
}

/// How far a call under a key came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TakenState {
    /// Its answer is not known: it runs, or it was cut off.
    Running,
    /// Its answer is there.
    Answered,
    /// It was answered at more length than is kept.
    TooLarge,
}

type TakenRow = (Vec<u8>, String, String);
type AnswerRow = (Option<i64>, Option<String>, Option<Vec<u8>>);

impl Db {
    /// Takes steps in one transaction, in order. For each claim that came too late: who has the key.
    pub async fn idempotency(
        &self,
        steps: &[IdempotencyStep],
        now: Timestamp,
    ) -> Result<Vec<Option<Taken>>, StoreError> {
        let mut transaction = self.durable.begin_with("BEGIN IMMEDIATE").await?;
        let mut taken = Vec::with_capacity(steps.len());
        for step in steps {
            taken.push(match step {
                IdempotencyStep::Claim(claim) => self::claim(&mut transaction, claim, now).await?,
                IdempotencyStep::Keep { key, request, answer } => {
                    keep(&mut transaction, *key, *request, answer.as_ref()).await?;
                    None
                }
                IdempotencyStep::Free { key, request } => {
                    let free = sqlx::query(FREE).bind(key.to_bytes().to_vec()).bind(request.to_string());
                    free.execute(&mut *transaction).await?;
                    None
                }
            });
        }
        transaction.commit().await?;
        Ok(taken)
    }

    /// Who has a key, if anybody has. No transaction, and no wait for the disk.
    pub async fn idempotent_call(
        &self,
        key: IdempotencyKey,
        now: Timestamp,
    ) -> Result<Option<Taken>, StoreError> {
        let query = sqlx::query_as(TAKEN).bind(key.to_bytes().to_vec());
        let query = query.bind(Claim::forgotten(now).unix_ms());
        query.fetch_optional(&self.pool).await?.map(taken).transpose()
    }

    /// The answer that is kept for a request under its key.
    pub async fn idempotent_answer(
        &self,
        key: IdempotencyKey,
        request: RequestId,
    ) -> Result<Option<StoredAnswer>, StoreError> {
        let query = sqlx::query_as(ANSWER).bind(key.to_bytes().to_vec()).bind(request.to_string());
        let row: Option<AnswerRow> = query.fetch_optional(&self.pool).await?;
        row.map(answer).transpose()
    }

    /// Bytes of all answers that are kept.
    pub async fn idempotent_bytes(&self) -> Result<u64, StoreError> {
        let bytes: i64 = sqlx::query_scalar(BYTES).fetch_one(&self.pool).await?;
        Ok(u64::try_from(bytes).unwrap_or(0))
    }

    /// Forgets some of the calls that came at `until` or earlier: how many.
    pub async fn forget_idempotent(&self, until: Timestamp) -> Result<u64, StoreError> {
        let done = sqlx::query(FORGET).bind(until.unix_ms()).execute(&self.pool).await?;
        Ok(done.rows_affected())
    }
}

async fn claim(
    transaction: &mut Transaction<'_, Sqlite>,
    claim: &Claim,
    now: Timestamp,
) -> Result<Option<Taken>, StoreError> {
    let key = claim.key.to_bytes().to_vec();
    let forgotten = Claim::forgotten(now).unix_ms();
    let insert = sqlx::query(CLAIM)
        .bind(key.clone())
        .bind(claim.org.to_string())
        .bind(claim.fingerprint.to_bytes().to_vec())
        .bind(claim.request.to_string())
        .bind(claim.at.unix_ms())
        .bind(forgotten);
    if insert.execute(&mut **transaction).await?.rows_affected() > 0 {
        return Ok(None);
    }
    let query = sqlx::query_as(TAKEN).bind(key).bind(forgotten);
    taken(query.fetch_one(&mut **transaction).await?).map(Some)
}

fn taken((fingerprint, request, state): TakenRow) -> Result<Taken, StoreError> {
    let fingerprint: [u8; 32] = fingerprint
        .try_into()
        .map_err(|_| corrupt("idempotency", "fingerprint", "not 32 bytes".to_owned()))?;
    Ok(Taken {
        fingerprint: Fingerprint::from_bytes(fingerprint),
        request: id("idempotency", "request_id", &request)?,
        state: match state.as_str() {
            "running" => TakenState::Running,
            "answered" => TakenState::Answered,
            "too_large" => TakenState::TooLarge,
            other => return Err(corrupt("idempotency", "state", format!("unknown word {other:?}"))),
        },
    })
}

async fn keep(
    transaction: &mut Transaction<'_, Sqlite>,
    key: IdempotencyKey,
    request: RequestId,
    answer: Option<&StoredAnswer>,
) -> Result<(), StoreError> {
    let headers = answer.map(|answer| serde_json::json!(answer.headers).to_string());
    let query = sqlx::query(KEEP)
        .bind(if answer.is_some() { "answered" } else { "too_large" })
        .bind(answer.map(|answer| i64::from(answer.status)))
        .bind(headers)
        .bind(answer.map(|answer| answer.body.to_vec()))
        .bind(key.to_bytes().to_vec())
        .bind(request.to_string());
    query.execute(&mut **transaction).await?;
    Ok(())
}

fn answer((status, headers, body): AnswerRow) -> Result<StoredAnswer, StoreError> {
    let missing = |column| corrupt("idempotency", column, "an answer without it".to_owned());
    let status = status.and_then(|status| u16::try_from(status).ok()).ok_or_else(|| missing("status"))?;
    let headers = headers.ok_or_else(|| missing("headers"))?;
    let headers = serde_json::from_str(&headers)
        .map_err(|error| corrupt("idempotency", "headers", error.to_string()))?;
    let body = body.ok_or_else(|| missing("body"))?.into();
    Ok(StoredAnswer { status, headers, body })
}
