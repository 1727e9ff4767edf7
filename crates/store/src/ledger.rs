//! The ledger: what every attempt cost, only ever added to, and what is derived from it.
//!
//! [`Db::apply`] writes finished requests, their ledger rows, the balances, the hourly rollups and how far the
//! journal has come in one transaction, so that each is the fold of the others at any instant;
//! [`Db::verify`] proves it.

mod derived;
mod read;
mod verify;

pub use read::Row;
pub use verify::{Difference, Verdict};

use crate::db::{Db, StoreError};
use crate::failpoint;
use crate::journal::Position;
use crate::requests::insert::{self, Statements, number};
use crate::requests::{Batch, Shape};
use derived::Tally;
use domain::{AttemptId, AttemptRecord, Money, RequestRecord};
use sqlx::SqliteConnection;
use std::sync::LazyLock;

const COLUMNS: [&str; 8] =
    ["attempt", "entry", "shape_id", "at", "amount_nano", "held_nano", "input_tokens", "output_tokens"];
static INSERT: LazyLock<Statements> = LazyLock::new(|| Statements::new("ledger", &COLUMNS));

const KNOWN: &str = "SELECT 1 FROM requests WHERE id = $1";
const HAS_ATTEMPT: &str = "SELECT 1 FROM ledger WHERE attempt = $1 AND entry = 0";
const POSITION: &str = "SELECT segment, byte_offset FROM journal_position WHERE id = 1";
const SET_POSITION: &str = "UPDATE journal_position SET segment = $1, byte_offset = $2 WHERE id = 1";

/// A row's place among those of its attempt.
const CHARGE: i64 = 0;
const OVERAGE: i64 = 1;

/// One row that is to be written.
struct Entry {
    attempt: [u8; 18],
    entry: i64,
    shape: i64,
    at: i64,
    amount: Money,
    held: Money,
    input_tokens: u64,
    output_tokens: u64,
}

/// What of an attempt's cost was held for it, and what came on top.
pub(crate) fn split(attempt: &AttemptRecord) -> (Money, Money) {
    let charge = attempt.cost.min(attempt.held);
    (charge, Money::from_nano(attempt.cost.nano() - charge.nano()))
}

impl Db {
    /// Writes finished requests and moves the journal's position, all or nothing. What was written before is
    /// not written, or counted, again.
    pub async fn apply(&self, records: &[Box<RequestRecord>], position: Position) -> Result<(), StoreError> {
        if self.try_apply(records, position).await? {
            return Ok(());
        }
        let mut fresh: Vec<Box<RequestRecord>> = Vec::new();
        for record in records {
            let known = sqlx::query(KNOWN).bind(record.id.to_string()).fetch_optional(&self.pool).await?;
            if known.is_none() && !fresh.iter().any(|one| one.id == record.id) {
                fresh.push(record.clone());
            }
        }
        tracing::warn!(known = records.len() - fresh.len(), "requests were written before, once is enough");
        self.try_apply(&fresh, position).await.map(|_| ())
    }

    /// `false`, and nothing written: some were there before.
    async fn try_apply(
        &self,
        records: &[Box<RequestRecord>],
        position: Position,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.bulk.begin_with("BEGIN IMMEDIATE").await?;
        let mut shapes = self.shapes.batch();
        let mut shaped = Vec::with_capacity(records.len());
        for record in records {
            shaped.push((shapes.id(&mut transaction, Shape::of(record)).await?, &**record));
        }
        let written = insert::insert(&mut transaction, &shaped).await?;
        if written != records.len() as u64 {
            transaction.rollback().await?;
            return Ok(false);
        }
        failpoint::hit("inside_apply");
        let mut tally = Tally::default();
        let entries = entries(&mut transaction, &shaped, &mut shapes, &mut tally).await?;
        write(&mut transaction, &entries).await?;
        tally.derive().add(&mut transaction).await?;
        sqlx::query(SET_POSITION)
            .bind(number(position.segment))
            .bind(number(position.offset))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        // Only now are the new shapes there for good.
        shapes.keep();
        Ok(true)
    }

    /// How far the journal has been applied.
    pub async fn journal_position(&self) -> Result<Position, StoreError> {
        let (segment, offset): (i64, i64) = sqlx::query_as(POSITION).fetch_one(&self.pool).await?;
        let number = |n: i64| u64::try_from(n).unwrap_or(0);
        Ok(Position { segment: number(segment), offset: number(offset) })
    }

    /// Whether the ledger has an attempt.
    pub async fn has_attempt(&self, attempt: AttemptId) -> Result<bool, StoreError> {
        let found = sqlx::query(HAS_ATTEMPT).bind(&attempt.to_bytes()[..]).fetch_optional(&self.pool).await?;
        Ok(found.is_some())
    }
}

/// The ledger's rows of some requests, counted into what is derived from them.
async fn entries<'a>(
    connection: &mut SqliteConnection,
    records: &[(i64, &'a RequestRecord)],
    shapes: &mut Batch<'_>,
    tally: &mut Tally<'a>,
) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::with_capacity(records.len());
    for (of_request, record) in records.iter().copied() {
        tally.request(record, of_request);
        for (number, attempt) in (1..).zip(&record.attempts) {
            // The only attempt has the request's own shape.
            let shape = match record.attempts.as_slice() {
                [_] => of_request,
                _ => shapes.id(connection, Shape::of_attempt(record, attempt)).await?,
            };
            let (charge, overage) = split(attempt);
            let entry = Entry {
                attempt: AttemptId { request: record.id, number }.to_bytes(),
                entry: CHARGE,
                shape,
                at: record.at.unix_ms(),
                amount: charge,
                held: attempt.held,
                input_tokens: attempt.usage.total_input(),
                output_tokens: attempt.usage.total_output(),
            };
            tally.attempt(record, shape, attempt, (charge, overage));
            if overage > Money::ZERO {
                let on_top = Entry { entry: OVERAGE, amount: overage, held: Money::ZERO, ..entry };
                entries.push(Entry { input_tokens: 0, output_tokens: 0, ..on_top });
            }
            entries.push(entry);
        }
    }
    Ok(entries)
}

async fn write(connection: &mut SqliteConnection, entries: &[Entry]) -> Result<(), StoreError> {
    for (text, rows) in INSERT.split(entries) {
        let query = rows.iter().fold(sqlx::query(text), |query, row| {
            query
                .bind(&row.attempt[..])
                .bind(row.entry)
                .bind(row.shape)
                .bind(row.at)
                .bind(row.amount.nano())
                .bind(row.held.nano())
                .bind(number(row.input_tokens))
                .bind(number(row.output_tokens))
        });
        query.execute(&mut *connection).await?;
    }
    Ok(())
}
