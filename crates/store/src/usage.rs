//! Usage reports: requests, tokens and spending by period, and by what the caller wants them told apart.
//!
//! Read from the hourly rollups. What rollups do not have, the end user and what callers tell beside a request,
//! is read from the requests themselves. Both count by whole hours, so that both give the same sums.

use crate::db::{Db, StoreError};
use domain::record::Operation;
use domain::{KeyId, Money, OrgId, Timestamp, Window, Windows};
use futures_util::TryStreamExt;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};
use std::collections::BTreeMap;

/// Groups in one report at the most: callers can make up as many users as they like.
pub const GROUPS_MAX: usize = 20_000;

const HOUR_MS: i64 = 3_600_000;
/// How far a request's id may lie from its time: both are read off a clock, one after the other.
const ID_SLACK_MS: i64 = 60_000;
/// The place of the first dimension among the selected columns.
const FIRST_DIMENSION: usize = 7;

/// How long a period of a report is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Resolution {
    /// An hour.
    Hour,
    /// A day, from midnight UTC.
    #[default]
    Day,
    /// A calendar month.
    Month,
}

/// What usage is told apart by.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Dimension {
    /// The key that was shown.
    Key,
    /// The model as the caller named it.
    ModelRequested,
    /// What the provider calls the model.
    ModelUsed,
    /// The provider that was asked last.
    Provider,
    /// Whether the customer's own credential was used.
    IsByok,
    /// The group that the key belonged to.
    Group,
    /// The end user, as the caller told.
    UserId,
    /// The calling application, as it told.
    OriginTitle,
    /// A free field that the caller told.
    Extra(String),
}

impl Dimension {
    /// The column it is read from.
    const fn column(&self) -> &'static str {
        match self {
            Dimension::Key => "key_id",
            Dimension::ModelRequested => "model_requested",
            Dimension::ModelUsed => "model_used",
            Dimension::Provider => "provider",
            Dimension::IsByok => "is_byok",
            Dimension::Group => "scopes",
            Dimension::UserId => "user_id",
            Dimension::OriginTitle => "origin_title",
            Dimension::Extra(_) => "extra",
        }
    }

    /// Whether rollups do not tell it.
    const fn is_of_requests(&self) -> bool {
        matches!(self, Dimension::UserId | Dimension::OriginTitle | Dimension::Extra(_))
    }

    /// Its value, from what the column holds.
    fn value(&self, column: &str) -> String {
        match self {
            Dimension::IsByok => if column == "0" { "false" } else { "true" }.to_owned(),
            // Ids of several kinds, listed.
            Dimension::Group => {
                let ids = column.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                ids.into_iter().find(|id| id.starts_with("grp_")).unwrap_or_default().to_owned()
            }
            Dimension::Extra(name) => {
                // Intake keeps one field of each name, whatever its case.
                let fields: BTreeMap<String, String> = serde_json::from_str(column).unwrap_or_default();
                let found = fields.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value).unwrap_or_default()
            }
            Dimension::Key
            | Dimension::ModelRequested
            | Dimension::ModelUsed
            | Dimension::Provider
            | Dimension::UserId
            | Dimension::OriginTitle => column.to_owned(),
        }
    }
}

/// What a report is to be about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageQuery {
    /// Whose usage.
    pub org: OrgId,
    /// Only that of one key.
    pub key: Option<KeyId>,
    /// From when; the whole hour counts.
    pub start: Timestamp,
    /// Until when; an hour that has begun counts whole.
    pub end: Timestamp,
    /// How long a period is.
    pub resolution: Resolution,
    /// What to tell apart. Empty: nothing.
    pub group_by: Vec<Dimension>,
}

/// Sums of usage.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counters {
    /// Chat, in whatever protocol.
    pub completions: u64,
    /// Embeddings.
    pub embeddings: u64,
    /// Pictures made or changed.
    pub images: u64,
    /// Texts spoken.
    pub speech: u64,
    /// Speech written down.
    pub transcriptions: u64,
    /// All requests, those that only count tokens included.
    pub requests: u64,
    /// Prompt tokens, cached ones included.
    pub input_tokens: u64,
    /// Answer tokens, reasoning included.
    pub output_tokens: u64,
    /// What it cost.
    pub spend: Money,
}

/// One period of a report.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct UsagePeriod {
    /// All of it.
    pub total: Counters,
    /// By the values of the dimensions, in their order. Empty texts stand for what nobody told.
    pub groups: BTreeMap<Vec<String>, Counters>,
}

/// A report: periods with any usage, by their start.
pub type UsageReport = BTreeMap<Timestamp, UsagePeriod>;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It would have too many groups.
    #[error("more than {GROUPS_MAX} groups: ask for a shorter time, or for less to be told apart")]
    TooManyGroups,
}

impl Db {
    /// Reads a report.
    pub async fn usage(&self, query: &UsageQuery) -> Result<UsageReport, UsageError> {
        let is_of_requests = query.group_by.iter().any(Dimension::is_of_requests);
        let text = if is_of_requests { of_requests(query) } else { of_rollups(query) };
        let start = query.start.unix_ms().div_euclid(HOUR_MS) * HOUR_MS;
        let end = query.end.unix_ms().saturating_add(HOUR_MS - 1).div_euclid(HOUR_MS) * HOUR_MS;
        // Names of columns come from an enumeration, values are bound.
        let mut rows = sqlx::query(AssertSqlSafe(text.as_str()))
            .bind(query.org.to_string())
            .bind(query.key.map_or_else(String::new, |key| key.to_string()))
            .bind(start)
            .bind(end);
        if is_of_requests {
            rows = rows.bind(id_at(start - ID_SLACK_MS)).bind(id_at(end + ID_SLACK_MS));
        }
        let mut rows = rows.fetch(&self.pool);
        let (mut report, mut groups) = (UsageReport::new(), 0);
        while let Some(row) = rows.try_next().await.map_err(StoreError::from)? {
            groups += add(&mut report, query, &row)?;
            if groups > GROUPS_MAX {
                return Err(UsageError::TooManyGroups);
            }
        }
        Ok(report)
    }
}

/// The columns of the dimensions, as they are selected and as they are grouped by.
fn columns(query: &UsageQuery) -> (String, String) {
    let (mut selected, mut grouped) = (String::new(), String::new());
    for (dimension, n) in query.group_by.iter().zip(0..) {
        selected.push_str(&format!(", COALESCE(CAST({} AS TEXT), '') AS d{n}", dimension.column()));
        grouped.push_str(&format!(", d{n}"));
    }
    (selected, grouped)
}

fn of_rollups(query: &UsageQuery) -> String {
    let (selected, grouped) = columns(query);
    format!(
        "SELECT hour, operation, '' AS other_usage, CAST(SUM(requests) AS BIGINT), \
         CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT), \
         CAST(SUM(cost_nano) AS BIGINT){selected} \
         FROM usage_rollups JOIN request_shapes ON request_shapes.id = usage_rollups.shape_id \
         WHERE org_id = $1 AND ($2 = '' OR key_id = $2) AND hour >= $3 AND hour < $4 \
         GROUP BY hour, operation{grouped}"
    )
}

fn of_requests(query: &UsageQuery) -> String {
    let (selected, grouped) = columns(query);
    format!(
        "SELECT at - at % {HOUR_MS} AS hour, operation, COALESCE(other_usage, '') AS other_usage, \
         COUNT(*), CAST(SUM(input_tokens + cache_read_tokens + cache_write_tokens) AS BIGINT), \
         CAST(SUM(output_tokens + reasoning_tokens) AS BIGINT), CAST(SUM(cost_nano) AS BIGINT){selected} \
         FROM requests JOIN request_shapes ON request_shapes.id = requests.shape_id \
         WHERE org_id = $1 AND ($2 = '' OR key_id = $2) AND at >= $3 AND at < $4 \
         AND requests.id >= $5 AND requests.id < $6 \
         GROUP BY hour, operation, other_usage{grouped}"
    )
}

/// A text that sorts before the ids of all requests from this instant on, so that the primary key finds them.
fn id_at(ms: i64) -> String {
    format!("req_{:012x}", ms.max(0))
}

/// Counts a row into the report; how many groups it has added.
fn add(report: &mut UsageReport, query: &UsageQuery, row: &SqliteRow) -> Result<usize, StoreError> {
    let figure = |at: usize| row.try_get::<i64, _>(at).map(|n| u64::try_from(n).unwrap_or(0));
    let (operation, requests): (String, u64) = (row.try_get(1)?, figure(3)?);
    // All these requests have the same of the rarer kinds.
    let (more_input, more_output) = other_tokens(&row.try_get::<String, _>(2)?);
    let of = |known: &[Operation]| {
        if known.iter().any(|known| known.as_str() == operation) { requests } else { 0 }
    };
    let counters = Counters {
        completions: of(&[
            Operation::ChatCompletions,
            Operation::Responses,
            Operation::Messages,
            Operation::Completions,
        ]),
        embeddings: of(&[Operation::Embeddings, Operation::EmbedContent, Operation::BatchEmbedContents]),
        images: of(&[Operation::ImageGenerations, Operation::ImageEdits]),
        speech: of(&[Operation::Speech]),
        transcriptions: of(&[Operation::Transcriptions, Operation::Translations]),
        requests,
        input_tokens: figure(4)?.saturating_add(more_input.saturating_mul(requests)),
        output_tokens: figure(5)?.saturating_add(more_output.saturating_mul(requests)),
        spend: Money::from_nano(row.try_get(6)?),
    };
    let period = report.entry(period(query.resolution, row.try_get(0)?)).or_default();
    period.total.add(&counters);
    if query.group_by.is_empty() {
        return Ok(0);
    }
    let value = |(dimension, at): (&Dimension, usize)| -> Result<String, StoreError> {
        Ok(dimension.value(row.try_get::<&str, _>(at)?))
    };
    let values = query.group_by.iter().zip(FIRST_DIMENSION..).map(value).collect::<Result<_, _>>()?;
    let before = period.groups.len();
    period.groups.entry(values).or_default().add(&counters);
    Ok(period.groups.len() - before)
}

/// Tokens of the prompt and of the answer that stand among the rarer kinds of usage.
fn other_tokens(text: &str) -> (u64, u64) {
    if text.is_empty() {
        return (0, 0);
    }
    let usage: Value = serde_json::from_str(text).unwrap_or_default();
    let sum = |kinds: &[&str]| kinds.iter().filter_map(|kind| usage.get(kind)?.as_u64()).sum();
    (
        sum(&["audio_input", "image_input", "audio_cache_read", "image_cache_read"]),
        sum(&["audio_output", "image_output"]),
    )
}

fn period(resolution: Resolution, hour: i64) -> Timestamp {
    let hour = Timestamp::from_unix_ms(hour);
    match resolution {
        Resolution::Hour => hour,
        Resolution::Day => Windows::at(hour).start(Window::Day),
        Resolution::Month => Windows::at(hour).start(Window::Month),
    }
}

impl Counters {
    fn add(&mut self, more: &Counters) {
        self.completions += more.completions;
        self.embeddings += more.embeddings;
        self.images += more.images;
        self.speech += more.speech;
        self.transcriptions += more.transcriptions;
        self.requests += more.requests;
        self.input_tokens = self.input_tokens.saturating_add(more.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(more.output_tokens);
        self.spend += more.spend;
    }
}
