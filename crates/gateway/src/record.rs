//! Writing requests down: an [`Entry`] per request, the journal it ends in, one writer into the store.
//!
//! An entry writes itself into the journal when it is dropped, which neither waits nor fails: whatever ends a
//! request, panics and cancelled futures included, exactly one record leaves. Only then is the money that was
//! held for it settled.

use crate::metrics::Metrics;
use crate::providers::Target;
use crate::rates::Admission;
use crate::refusal::Refusal;
use crate::shed::Slot;
use domain::record::{Operation, Outcome};
use domain::{AttemptId, AttemptRecord, Money, Principal, RequestId, RequestRecord, Timestamp, UsageSource};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::journal::{Intent, Position, Record};
use store::{Applier, Budgets, Hold, Journal, JournalError, failpoint};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// How long a batch gathers: a commit costs more than the rows of a quiet second.
const GATHER: Duration = Duration::from_millis(250);
/// A batch of so many records is not worth waiting for more.
const BATCH_FULL: usize = 2_048;
/// Between tries while the store refuses.
const RETRY: Duration = Duration::from_secs(1);

/// Where requests are written down, and the money they hold.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// What calls may cost, and what they did.
    pub journal: Journal,
    /// What is reserved and spent.
    pub budgets: Budgets,
}

/// Moves records from the journal into the store, in batches, until told to stop and everything is there. While
/// the store refuses, the batch is tried again; callers notice nothing of it.
pub async fn write(mut applier: Applier, metrics: Metrics, stop: CancellationToken) {
    loop {
        // Asked first: what is written before the end is told is read below.
        let is_last = stop.is_cancelled();
        let batch = match applier.gather() {
            Ok(batch) => batch,
            Err(error) => {
                tracing::error!(%error, "the journal cannot be read");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        metrics.observe(&batch.records);
        while let Err(error) = applier.commit(&batch).await {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(%error, cause, waiting = batch.records.len(), "records cannot be stored, trying again");
            tokio::time::sleep(RETRY).await;
        }
        metrics.journal(applier.open_intents(), applier.unapplied_bytes());
        if batch.records.len() >= BATCH_FULL {
            continue;
        }
        if is_last {
            return;
        }
        let _ = tokio::time::timeout(GATHER, stop.cancelled()).await;
    }
}

/// One request being written down.
#[derive(Debug)]
pub struct Entry {
    /// The request's id.
    pub id: RequestId,
    /// When the request arrived.
    pub started: Instant,
    /// Its right to run; given up after everything else.
    slot: Option<Slot>,
    /// What is reserved for it.
    pub hold: Option<Hold>,
    /// What of the hold is not for the attempt that runs: what attempts before it have cost, or were held for.
    pub spent: Money,
    /// Attempts at the record's beginning that were made beside the call, not for its answer.
    pub beside: usize,
    /// What it takes of its callers' rates.
    pub admission: Option<Admission>,
    /// The attempt that is written down as begun, until its own record is made.
    pub intended: Option<Box<Intent>>,
    /// Hears, when the record has been written, whether anything was billed.
    pub ended: Option<oneshot::Sender<bool>>,
    recorder: Recorder,
    record: Option<Box<RequestRecord>>,
}

impl Entry {
    /// Opens the record of a request that was just authenticated.
    pub fn open(
        recorder: Recorder,
        id: RequestId,
        principal: &Principal,
        operation: Operation,
        at: Timestamp,
    ) -> Self {
        let empty: Arc<str> = Arc::from("");
        let record = RequestRecord {
            id,
            org: principal.org,
            key: principal.key,
            scopes: principal.account.scopes.clone(),
            operation,
            at,
            model_requested: empty.clone(),
            status: 500,
            // What stands here if nobody ends the entry: a panic.
            outcome: Outcome::Internal,
            error_code: Cow::Borrowed("internal_error"),
            is_stream: false,
            finish_reason: empty,
            duration_us: 0,
            first_token_us: 0,
            response_id: String::new(),
            tool_calls: Vec::new(),
            warnings: Vec::new(),
            metadata: None,
            attempts: Vec::new(),
        };
        Self {
            id,
            started: Instant::now(),
            slot: None,
            hold: None,
            spent: Money::ZERO,
            beside: 0,
            admission: None,
            intended: None,
            ended: None,
            recorder,
            record: Some(Box::new(record)),
        }
    }

    /// Keeps the slot for as long as the request is open; the wait for it counts as the request's time.
    pub fn take_slot(&mut self, slot: Slot) {
        self.started = self.started.checked_sub(slot.waited()).unwrap_or(self.started);
        self.slot = Some(slot);
    }

    /// Gives up its slot: what it waits for takes nothing here.
    pub fn give_up_slot(&mut self) {
        self.slot = None;
    }

    /// What is reserved for it, and for the attempt that runs.
    pub fn held(&self) -> Money {
        let held = self.hold.as_ref().map_or(Money::ZERO, Hold::amount);
        Money::from_nano(held.nano().saturating_sub(self.spent.nano()).max(0))
    }

    /// Writes an attempt down that is about to be made: without that, nothing is sent. Gives the place in the journal.
    pub fn intend(
        &mut self,
        attempt: AttemptId,
        target: &Target,
        is_stream: bool,
        is_unpriced: bool,
    ) -> Result<Position, JournalError> {
        // A request that is over makes no attempts.
        let Some(record) = self.record() else { return Err(JournalError::Full) };
        failpoint::hit("before_intent");
        let intent = Box::new(Intent {
            attempt,
            at: record.at,
            org: record.org,
            key: record.key,
            scopes: record.scopes.clone(),
            operation: record.operation,
            model_requested: record.model_requested.clone(),
            provider: target.provider.label.clone(),
            model: target.model_id.clone(),
            is_stream,
            held: self.held(),
            is_unpriced,
        });
        let position = self.journal().admit(&Record::Intent(&intent))?;
        self.intended = Some(intent);
        failpoint::hit("after_intent");
        Ok(position)
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        &self.recorder.journal
    }

    /// What is written of it so far.
    pub fn record(&self) -> Option<&RequestRecord> {
        self.record.as_deref()
    }

    /// Fills in the record. Texts that are longer than a record should have are cut here, whoever told them.
    pub fn note(&mut self, fill: impl FnOnce(&mut RequestRecord)) {
        if let Some(record) = &mut self.record {
            fill(record);
            record.bound_texts();
        }
    }

    /// Notes that the caller was, or will be, told of a failure; `status` is what its head said.
    pub fn fail(&mut self, status: u16, refusal: &Refusal) {
        self.note(|record| {
            record.status = status;
            record.outcome = refusal.outcome();
            record.error_code = Cow::Borrowed(refusal.own_code());
        });
    }

    /// Writes nothing down: the call is another one, which has a record of its own.
    pub fn discard(mut self) {
        self.record = None;
    }

    /// Notes any other ending.
    pub fn end(&mut self, status: u16, outcome: Outcome) {
        self.note(|record| {
            record.status = status;
            record.outcome = outcome;
            record.error_code = Cow::Borrowed("");
        });
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Some(mut record) = self.record.take() else { return };
        record.duration_us = micros(self.started.elapsed());
        if let Some(mut intent) = self.intended.take() {
            // A panic cut the call: what it cost is not known, what it may have cost is.
            intent.held = self.held();
            record.attempts.push(intent.assumed(Outcome::Internal, "the call ended without a record"));
        }
        failpoint::hit("before_terminal");
        self.recorder.journal.record(&Record::Request(&record));
        failpoint::hit("after_terminal");
        if let Some(hold) = self.hold.take() {
            hold.settle(record.cost());
        }
        if let Some(admission) = self.admission.take() {
            let tokens = |attempt: &AttemptRecord| attempt.usage.total_input() + attempt.usage.total_output();
            admission.settle(record.attempts.iter().map(tokens).sum(), Instant::now());
        }
        if let Some(ended) = self.ended.take() {
            let was_billed = |attempt: &AttemptRecord| attempt.usage_source != UsageSource::None;
            let _ = ended.send(record.attempts.iter().skip(self.beside).any(was_billed));
        }
    }
}

/// Whole microseconds of a duration.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
