//! What many requests have in common, written once.
//!
//! A request's texts (key, models, outcome, …) take the same few values again and again. They stand in a row
//! of their own, whose number the request's row carries: a third of the work of a row, a quarter of its size.

use crate::db::StoreError;
use domain::record::{Operation, Outcome};
use domain::{AttemptRecord, KeyId, OrgId, RequestRecord, Scope, UsageSource};
use foldhash::{HashMap, HashMapExt};
use sqlx::{Row as _, SqliteConnection};
use std::borrow::Cow;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

/// Shapes that are remembered. Callers who make up model names can make as many shapes as they like; then
/// the memory is emptied and filled anew from the table.
const REMEMBERED_MAX: usize = 10_000;

const FIND: &str = "SELECT org_id, key_id, operation, model_requested, provider, model_used, outcome, \
     error_code, finish_reason, usage_source, scopes, is_byok, is_stream, status, is_unpriced \
     FROM request_shapes WHERE id = $1";
const INSERT: &str = "INSERT INTO request_shapes (id, org_id, key_id, operation, model_requested, provider, \
     model_used, outcome, error_code, finish_reason, usage_source, scopes, is_byok, is_stream, status, \
     is_unpriced) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
/// Columns of [`FIND`] that are text; the others are numbers.
const TEXTS: usize = 11;
const NUMBERS: usize = 4;

/// The common part of requests.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Shape {
    org: OrgId,
    key: KeyId,
    operation: Operation,
    model_requested: Arc<str>,
    provider: Arc<str>,
    model_used: Arc<str>,
    is_byok: bool,
    is_stream: bool,
    status: u16,
    outcome: Outcome,
    error_code: Cow<'static, str>,
    finish_reason: Arc<str>,
    scopes: Arc<[Scope]>,
    usage_source: UsageSource,
    is_unpriced: bool,
}

impl Shape {
    /// What a request has in common with others: that of its last attempt.
    pub(crate) fn of(record: &RequestRecord) -> Self {
        let is_unpriced = record.attempts.iter().any(|attempt| attempt.is_unpriced);
        Self { is_unpriced, ..Self::with(record, record.attempts.last()) }
    }

    /// The same for one of its attempts.
    pub(crate) fn of_attempt(record: &RequestRecord, attempt: &AttemptRecord) -> Self {
        Self::with(record, Some(attempt))
    }

    fn with(record: &RequestRecord, attempt: Option<&AttemptRecord>) -> Self {
        let none = || -> Arc<str> { Arc::from("") };
        Self {
            org: record.org,
            key: record.key,
            operation: record.operation,
            model_requested: record.model_requested.clone(),
            provider: attempt.map_or_else(none, |attempt| attempt.provider.clone()),
            model_used: attempt.map_or_else(none, |attempt| attempt.model.clone()),
            is_byok: attempt.is_some_and(|attempt| attempt.is_byok),
            is_stream: record.is_stream,
            status: record.status,
            outcome: record.outcome,
            error_code: record.error_code.clone(),
            finish_reason: record.finish_reason.clone(),
            scopes: record.scopes.clone(),
            usage_source: attempt.map_or(UsageSource::None, |attempt| attempt.usage_source),
            is_unpriced: attempt.is_some_and(|attempt| attempt.is_unpriced),
        }
    }

    /// What it counts against beside key and organization, as its column has it.
    fn other_scopes(&self) -> String {
        let is_other =
            |scope: &&Scope| **scope != Scope::Key(self.key) && **scope != Scope::Organization(self.org);
        let others: Vec<String> = self.scopes.iter().filter(is_other).map(ToString::to_string).collect();
        others.join(" ")
    }

    /// Where a search for the shape's number begins: the same in every process of this version.
    fn start(&self) -> i64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        // Positive numbers are easier to read in a table.
        i64::try_from(hasher.finish() >> 1).unwrap_or(i64::MAX)
    }

    fn row(&self) -> Row {
        let flag = |flag: bool| i64::from(flag);
        Row {
            texts: [
                self.org.to_string(),
                self.key.to_string(),
                self.operation.as_str().to_owned(),
                self.model_requested.to_string(),
                self.provider.to_string(),
                self.model_used.to_string(),
                self.outcome.as_str().to_owned(),
                self.error_code.to_string(),
                self.finish_reason.to_string(),
                self.usage_source.as_str().to_owned(),
                self.other_scopes(),
            ],
            numbers: [
                flag(self.is_byok),
                flag(self.is_stream),
                i64::from(self.status),
                flag(self.is_unpriced),
            ],
        }
    }
}

/// A shape as its row holds it, in the order of [`FIND`].
#[derive(Clone, PartialEq, Eq, Debug)]
struct Row {
    texts: [String; TEXTS],
    numbers: [i64; NUMBERS],
}

impl Row {
    async fn find(connection: &mut SqliteConnection, id: i64) -> Result<Option<Self>, StoreError> {
        let Some(row) = sqlx::query(FIND).bind(id).fetch_optional(connection).await? else { return Ok(None) };
        let mut found = Row { texts: Default::default(), numbers: [0; NUMBERS] };
        for (at, text) in found.texts.iter_mut().enumerate() {
            *text = row.try_get(at)?;
        }
        for (at, number) in found.numbers.iter_mut().enumerate() {
            *number = row.try_get(TEXTS + at)?;
        }
        Ok(Some(found))
    }

    async fn insert(self, connection: &mut SqliteConnection, id: i64) -> Result<(), StoreError> {
        let query = self.texts.into_iter().fold(sqlx::query(INSERT).bind(id), |query, text| query.bind(text));
        let query = self.numbers.into_iter().fold(query, |query, number| query.bind(number));
        query.execute(connection).await?;
        Ok(())
    }
}

/// The shapes that are known to be in the table.
#[derive(Clone, Default, Debug)]
pub(crate) struct Shapes(Arc<Mutex<HashMap<Shape, i64>>>);

impl Shapes {
    /// Begins a batch: shapes that are new in it count only once its transaction is committed.
    pub(crate) fn batch(&self) -> Batch<'_> {
        Batch { known: self, fresh: HashMap::new() }
    }

    fn get(&self, shape: &Shape) -> Option<i64> {
        // A panic elsewhere cannot leave a wrong number behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(shape).copied()
    }
}

/// The shapes of one transaction.
pub(crate) struct Batch<'a> {
    known: &'a Shapes,
    fresh: HashMap<Shape, i64>,
}

impl Batch<'_> {
    /// The number of a shape, which is written when it is not there yet.
    pub(crate) async fn id(
        &mut self,
        connection: &mut SqliteConnection,
        shape: Shape,
    ) -> Result<i64, StoreError> {
        if let Some(id) = self.known.get(&shape).or_else(|| self.fresh.get(&shape).copied()) {
            return Ok(id);
        }
        let row = shape.row();
        let mut id = shape.start();
        loop {
            match Row::find(connection, id).await? {
                Some(found) if found == row => break,
                // Another shape has this number: very rare, and never a reason to mix them up.
                Some(_) => id = id.wrapping_add(1),
                None => {
                    row.insert(connection, id).await?;
                    break;
                }
            }
        }
        self.fresh.insert(shape, id);
        Ok(id)
    }

    /// Remembers the new shapes: their transaction is committed.
    pub(crate) fn keep(self) {
        if self.fresh.is_empty() {
            return;
        }
        let mut known = self.known.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() + self.fresh.len() > REMEMBERED_MAX {
            known.clear();
        }
        known.extend(self.fresh);
    }
}
