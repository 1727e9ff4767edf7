//! Writing request records, in batches.
//!
//! Forty thousand a second may come, so what a row costs is looked at: what many rows have in common stands in
//! a [`shape`](super::shape), rows that leave the rare columns empty take a shorter statement, and parameters
//! have no names.

use crate::db::StoreError;
use domain::record::{Metadata, Outcome};
use domain::{AttemptRecord, Money, RequestRecord, Usage};
use serde_json::json;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection};
use std::sync::LazyLock;

/// Columns that every record fills.
const COMMON: [&str; 12] = [
    "id",
    "shape_id",
    "at",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nano",
    "duration_us",
    "first_token_us",
    "response_id",
];
/// Columns that most records leave empty.
const RARE: [&str; 10] = [
    "other_usage",
    "tool_calls",
    "warnings",
    "user_id",
    "trace_id",
    "tags",
    "extra",
    "origin_referer",
    "origin_title",
    "attempts",
];
/// Rows in one statement: few enough for SQLite's and PostgreSQL's parameter limits, and a few fixed numbers,
/// so that each statement is prepared once.
const SIZES: [usize; 4] = [256, 64, 8, 1];

static PLAIN: LazyLock<Statements> = LazyLock::new(|| Statements::new("requests", &COMMON));
static FULL: LazyLock<String> =
    LazyLock::new(|| statement("requests", &[&COMMON[..], &RARE[..]].concat(), 1));

/// The statements that insert rows into a table, for each of [`SIZES`].
pub(crate) struct Statements([String; SIZES.len()]);

impl Statements {
    /// Those that fill these columns.
    pub fn new(table: &str, columns: &[&str]) -> Self {
        Self(SIZES.map(|rows| statement(table, columns, rows)))
    }

    /// Splits rows, the most at once first, and tells the statement for each part.
    pub fn split<'a, T>(&'a self, rows: &'a [T]) -> impl Iterator<Item = (AssertSqlSafe<&'a str>, &'a [T])> {
        let mut rest = rows;
        SIZES.into_iter().zip(&self.0).flat_map(move |(size, text)| {
            let (part, left) = rest.split_at(rest.len() - rest.len() % size);
            rest = left;
            part.chunks(size).map(|rows| (AssertSqlSafe(text.as_str()), rows))
        })
    }
}

fn statement(table: &str, columns: &[&str], rows: usize) -> String {
    // Nameless parameters, unlike anywhere else: SQLite looks names up one after the other, which for two
    // thousand of them takes longer than the rows themselves (measured: 40 % of the process's time).
    let row = format!("({})", vec!["?"; columns.len()].join(","));
    let values = vec![row; rows].join(",");
    // What was written before, by a batch whose end was not heard, is the same.
    format!("INSERT INTO {table} ({}) VALUES {values} ON CONFLICT DO NOTHING", columns.join(", "))
}

/// Writes records, each with its shape's number, within a transaction: how many were not there before.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    records: &[(i64, &RequestRecord)],
) -> Result<u64, StoreError> {
    let mut written = 0;
    let (plain, full): (Vec<_>, Vec<_>) = records.iter().partition(|(_, record)| is_plain(record));
    for (shape, record) in full {
        let query = sqlx::query(AssertSqlSafe(FULL.as_str()));
        let done = rare(common(query, shape, record), record).execute(&mut *connection).await?;
        written += done.rows_affected();
    }
    for (text, rows) in PLAIN.split(&plain) {
        let query =
            rows.iter().fold(sqlx::query(text), |query, (shape, record)| common(query, *shape, record));
        written += query.execute(&mut *connection).await?.rows_affected();
    }
    Ok(written)
}

/// Whether a record leaves all rare columns empty.
fn is_plain(record: &RequestRecord) -> bool {
    let is_empty = record.tool_calls.is_empty() && record.warnings.is_empty() && record.metadata.is_none();
    is_empty
        && match record.attempts.as_slice() {
            [] => true,
            [only] => only.outcome == Outcome::Success && other_usage(&only.usage).is_none(),
            _ => false,
        }
}

type Insert<'q> = Query<'q, Sqlite, SqliteArguments>;

pub(crate) fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn text(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// Binds the columns of [`COMMON`], in their order.
fn common<'q>(query: Insert<'q>, shape: i64, record: &'q RequestRecord) -> Insert<'q> {
    let usage = total_usage(&record.attempts);
    query
        .bind(record.id.to_string())
        .bind(shape)
        .bind(record.at.unix_ms())
        .bind(number(usage.input))
        .bind(number(usage.cache_read))
        .bind(number(usage.cache_write.saturating_add(usage.cache_write_1h)))
        .bind(number(usage.output))
        .bind(number(usage.reasoning))
        .bind(record.attempts.iter().map(|attempt| attempt.cost).sum::<Money>().nano())
        .bind(number(record.duration_us))
        .bind(number(record.first_token_us))
        .bind(text(&record.response_id))
}

/// Binds the columns of [`RARE`], in their order.
fn rare<'q>(query: Insert<'q>, record: &'q RequestRecord) -> Insert<'q> {
    let metadata = record.metadata.as_deref();
    let of = |field: fn(&Metadata) -> &String| metadata.and_then(|m| text(field(m)));
    let list = |list: &[String]| (!list.is_empty()).then(|| json!(list).to_string());
    let extra = metadata.filter(|m| !m.extra.is_empty()).map(|m| {
        let fields: serde_json::Map<_, _> = m.extra.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        serde_json::Value::Object(fields).to_string()
    });
    query
        .bind(other_usage(&total_usage(&record.attempts)))
        .bind(list(&record.tool_calls))
        .bind(list(&record.warnings))
        .bind(of(|m| &m.user_id))
        .bind(of(|m| &m.trace_id))
        .bind(metadata.and_then(|m| list(&m.tags)))
        .bind(extra)
        .bind(of(|m| &m.origin_referer))
        .bind(of(|m| &m.origin_title))
        .bind(attempts(&record.attempts))
}

fn total_usage(attempts: &[AttemptRecord]) -> Usage {
    match attempts {
        [only] => only.usage,
        many => many.iter().fold(Usage::ZERO, |sum, attempt| sum.plus(attempt.usage)),
    }
}

fn other_usage(usage: &Usage) -> Option<String> {
    let kinds = [
        ("cache_write_1h", usage.cache_write_1h),
        ("audio_input", usage.audio_input),
        ("audio_output", usage.audio_output),
        ("image_input", usage.image_input),
        ("image_output", usage.image_output),
        ("images", usage.images),
        ("web_searches", usage.web_searches),
        ("queries", usage.queries),
        ("characters", usage.characters),
        ("audio_ms", usage.audio_ms),
        ("audio_cache_read", usage.audio_cache_read),
        ("image_cache_read", usage.image_cache_read),
    ];
    if kinds.iter().all(|(_, n)| *n == 0) {
        return None;
    }
    let known: serde_json::Map<_, _> =
        kinds.iter().filter(|(_, n)| *n > 0).map(|(kind, n)| ((*kind).to_owned(), json!(n))).collect();
    Some(serde_json::Value::Object(known).to_string())
}

fn attempts(attempts: &[AttemptRecord]) -> Option<String> {
    let is_plain = match attempts {
        [] => true,
        [only] => only.outcome == Outcome::Success,
        _ => false,
    };
    if is_plain {
        return None;
    }
    let views: Vec<_> = attempts
        .iter()
        .map(|attempt| {
            json!({
                "provider": &*attempt.provider, "model": &*attempt.model, "is_byok": attempt.is_byok,
                "status": attempt.status, "outcome": attempt.outcome.as_str(), "error": attempt.error,
                "started_at": attempt.started_at.unix_ms(), "duration_us": attempt.duration_us,
                "first_token_us": attempt.first_token_us, "input_tokens": attempt.usage.total_input(),
                "output_tokens": attempt.usage.total_output(),
                "usage_source": attempt.usage_source.as_str(), "cost": attempt.cost.to_string(),
            })
        })
        .collect();
    Some(json!(views).to_string())
}
