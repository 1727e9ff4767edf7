//! Request records: written in batches by one writer, read by people and the console.

use crate::db::{Db, StoreError};
use domain::record::Metadata;
use domain::{AttemptRecord, Money, OrgId, RequestRecord, Usage, UsageSource};
use serde_json::json;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Row, Sqlite};
use std::sync::LazyLock;

const COLUMNS: &str = "id, org_id, key_id, at, operation, model_requested, provider, model_used, is_byok, \
     is_stream, status, outcome, error_code, finish_reason, input_tokens, cache_read_tokens, \
     cache_write_tokens, output_tokens, reasoning_tokens, other_usage, usage_source, cost_nano, is_unpriced, \
     duration_us, first_token_us, response_id, tool_calls, warnings, user_id, trace_id, tags, extra, \
     origin_referer, origin_title, attempts";
const COLUMN_COUNT: usize = 35;
/// Rows in one statement: few enough for SQLite's and PostgreSQL's parameter limits, and a fixed number, so
/// that the statement is prepared once.
const ROWS: usize = 64;

static INSERT_MANY: LazyLock<String> = LazyLock::new(|| insert(ROWS));
static INSERT_ONE: LazyLock<String> = LazyLock::new(|| insert(1));

fn insert(rows: usize) -> String {
    // Nameless parameters, unlike anywhere else: SQLite looks names up one after the other, which for two
    // thousand of them takes longer than the rows themselves (measured: 40 % of the process's time).
    let row = format!("({})", vec!["?"; COLUMN_COUNT].join(","));
    let values = vec![row; rows];
    // A record that was written before, by a batch whose end was not heard, is the same record.
    format!("INSERT INTO requests ({COLUMNS}) VALUES {} ON CONFLICT (id) DO NOTHING", values.join(","))
}

impl Db {
    /// Writes records, all or none. Writing one again changes nothing.
    pub async fn insert_requests(&self, records: &[Box<RequestRecord>]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let (many, rest) = records.as_chunks::<ROWS>();
        for chunk in many {
            let query = sqlx::query(AssertSqlSafe(INSERT_MANY.as_str()));
            chunk.iter().map(|record| &**record).fold(query, bind).execute(&mut *transaction).await?;
        }
        for record in rest {
            let query = sqlx::query(AssertSqlSafe(INSERT_ONE.as_str()));
            bind(query, record).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The newest requests of an organization, newest first, as JSON objects for people and scripts.
    pub async fn latest_requests(&self, org: OrgId, limit: u32) -> Result<Vec<serde_json::Value>, StoreError> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            format!("SELECT {COLUMNS} FROM requests WHERE org_id = $1 ORDER BY id DESC LIMIT $2")
        });
        let rows = sqlx::query(AssertSqlSafe(SQL.as_str()))
            .bind(org.to_string())
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(view).collect()
    }

    /// One request of an organization.
    pub async fn request(&self, org: OrgId, id: &str) -> Result<Option<serde_json::Value>, StoreError> {
        static SQL: LazyLock<String> =
            LazyLock::new(|| format!("SELECT {COLUMNS} FROM requests WHERE org_id = $1 AND id = $2"));
        let row = sqlx::query(AssertSqlSafe(SQL.as_str()))
            .bind(org.to_string())
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(view).transpose()
    }
}

type Insert<'q> = Query<'q, Sqlite, SqliteArguments>;

fn bind<'q>(query: Insert<'q>, record: &'q RequestRecord) -> Insert<'q> {
    let total = Total::of(&record.attempts);
    let (provider, model) = total.last.map_or(("", ""), |last| (&*last.provider, &*last.model));
    let metadata = record.metadata.as_deref();
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let text = |text: &'q str| Some(text).filter(|text| !text.is_empty());
    let of = |field: fn(&Metadata) -> &String| metadata.and_then(|m| text(field(m)));
    let list = |list: &[String]| (!list.is_empty()).then(|| json!(list).to_string());
    let extra = metadata.filter(|m| !m.extra.is_empty()).map(|m| {
        let fields: serde_json::Map<_, _> = m.extra.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        serde_json::Value::Object(fields).to_string()
    });
    query
        .bind(record.id.to_string())
        .bind(record.org.to_string())
        .bind(record.key.to_string())
        .bind(record.at.unix_ms())
        .bind(record.operation.as_str())
        .bind(&*record.model_requested)
        .bind(provider)
        .bind(model)
        .bind(i64::from(total.last.is_some_and(|last| last.is_byok)))
        .bind(i64::from(record.is_stream))
        .bind(i64::from(record.status))
        .bind(record.outcome.as_str())
        .bind(text(record.error_code))
        .bind(text(&record.finish_reason))
        .bind(number(total.usage.input))
        .bind(number(total.usage.cache_read))
        .bind(number(total.usage.cache_write.saturating_add(total.usage.cache_write_1h)))
        .bind(number(total.usage.output))
        .bind(number(total.usage.reasoning))
        .bind(other_usage(&total.usage))
        .bind(total.last.map_or(UsageSource::None, |last| last.usage_source).as_str())
        .bind(total.cost.nano())
        .bind(i64::from(total.is_unpriced))
        .bind(number(record.duration_us))
        .bind(number(record.first_token_us))
        .bind(text(&record.response_id))
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

/// The sums over a request's attempts.
struct Total<'a> {
    usage: Usage,
    cost: Money,
    is_unpriced: bool,
    last: Option<&'a AttemptRecord>,
}

impl<'a> Total<'a> {
    fn of(attempts: &'a [AttemptRecord]) -> Self {
        let usage = match attempts {
            [] => Usage::ZERO,
            [only] => only.usage,
            many => many.iter().fold(Usage::ZERO, |sum, attempt| sum.plus(attempt.usage)),
        };
        Self {
            usage,
            cost: attempts.iter().map(|attempt| attempt.cost).sum(),
            is_unpriced: attempts.iter().any(|attempt| attempt.is_unpriced),
            last: attempts.last(),
        }
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
    ];
    let known: serde_json::Map<_, _> =
        kinds.iter().filter(|(_, n)| *n > 0).map(|(kind, n)| ((*kind).to_owned(), json!(n))).collect();
    (!known.is_empty()).then(|| serde_json::Value::Object(known).to_string())
}

fn attempts(attempts: &[AttemptRecord]) -> Option<String> {
    let is_plain = match attempts {
        [] => true,
        [only] => only.outcome == domain::record::Outcome::Success,
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

/// A row as a JSON object: money as decimal dollars, times in milliseconds with fractions.
fn view(row: &sqlx::sqlite::SqliteRow) -> Result<serde_json::Value, StoreError> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let maybe = |column: &str| row.try_get::<Option<String>, _>(column);
    let number = |column: &str| row.try_get::<i64, _>(column);
    let nested = |column: &'static str| -> Result<serde_json::Value, StoreError> {
        let Some(text) = row.try_get::<Option<String>, _>(column)? else { return Ok(serde_json::Value::Null) };
        serde_json::from_str(&text).map_err(|error| StoreError::Corrupt {
            table: "requests",
            column,
            reason: error.to_string(),
        })
    };
    let ms = |us: i64| us as f64 / 1000.0;
    Ok(json!({
        "id": text("id")?, "org_id": text("org_id")?, "key_id": text("key_id")?, "at": number("at")?,
        "operation": text("operation")?, "model_requested": text("model_requested")?,
        "provider": text("provider")?, "model_used": text("model_used")?,
        "is_byok": number("is_byok")? != 0, "is_stream": number("is_stream")? != 0,
        "status": number("status")?, "outcome": text("outcome")?, "error_code": maybe("error_code")?,
        "finish_reason": maybe("finish_reason")?, "input_tokens": number("input_tokens")?,
        "cache_read_tokens": number("cache_read_tokens")?,
        "cache_write_tokens": number("cache_write_tokens")?, "output_tokens": number("output_tokens")?,
        "reasoning_tokens": number("reasoning_tokens")?, "other_usage": nested("other_usage")?,
        "usage_source": text("usage_source")?, "cost": Money::from_nano(number("cost_nano")?).to_string(),
        "is_unpriced": number("is_unpriced")? != 0, "duration_ms": ms(number("duration_us")?),
        "first_token_ms": ms(number("first_token_us")?), "response_id": maybe("response_id")?,
        "tool_calls": nested("tool_calls")?, "warnings": nested("warnings")?, "user_id": maybe("user_id")?,
        "trace_id": maybe("trace_id")?, "tags": nested("tags")?, "extra": nested("extra")?,
        "origin_referer": maybe("origin_referer")?, "origin_title": maybe("origin_title")?,
        "attempts": nested("attempts")?,
    }))
}
