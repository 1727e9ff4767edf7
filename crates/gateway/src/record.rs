//! Writing requests down: an [`Entry`] per request, a bounded queue, one writer.
//!
//! The queue slot is taken before anything else happens, so a request that runs can always be written down;
//! sending through the slot cannot fail or wait, so it is done in `Drop`: whatever ends a request, panics
//! and cancelled futures included, exactly one record leaves.

use crate::metrics::Metrics;
use crate::refusal::Refusal;
use domain::record::{Operation, Outcome};
use domain::{Principal, RequestId, RequestRecord, Timestamp};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Db;
use tokio::sync::mpsc::{self, OwnedPermit};

/// Records that may wait for the writer. When the store is down for longer, requests are refused.
const QUEUE: usize = 32_768;
/// How long a request waits for a place in the queue.
const QUEUE_WAIT: Duration = Duration::from_millis(500);
/// Records in one transaction at the most.
const BATCH: usize = 2_048;
/// How long a batch gathers: a commit costs more than the rows of a quiet second.
const GATHER: Duration = Duration::from_millis(250);
/// Between tries while the store refuses.
const RETRY: Duration = Duration::from_secs(1);

/// The way from requests to the store.
#[derive(Clone, Debug)]
pub struct Recorder {
    queue: mpsc::Sender<Box<RequestRecord>>,
}

impl Recorder {
    /// A recorder and the receiving end for [`write`].
    pub fn new() -> (Self, mpsc::Receiver<Box<RequestRecord>>) {
        let (queue, records) = mpsc::channel(QUEUE);
        (Self { queue }, records)
    }

    /// A place in the queue.
    pub async fn slot(&self) -> Result<OwnedPermit<Box<RequestRecord>>, Refusal> {
        match self.queue.clone().try_reserve_owned() {
            Ok(permit) => Ok(permit),
            Err(mpsc::error::TrySendError::Full(queue)) => {
                let waited = tokio::time::timeout(QUEUE_WAIT, queue.reserve_owned()).await;
                waited.ok().and_then(Result::ok).ok_or(Refusal::Overloaded)
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Refusal::ShuttingDown),
        }
    }
}

/// Moves records into the store, in batches, until every [`Recorder`] and [`Entry`] is gone. A record is
/// given up only when it is stored: while the store refuses, the batch is tried again.
pub async fn write(db: Db, metrics: Metrics, mut records: mpsc::Receiver<Box<RequestRecord>>) {
    let mut batch = Vec::new();
    while records.recv_many(&mut batch, BATCH).await > 0 {
        if batch.len() < BATCH && !records.is_closed() {
            tokio::time::sleep(GATHER).await;
            while batch.len() < BATCH {
                let Ok(record) = records.try_recv() else { break };
                batch.push(record);
            }
        }
        metrics.observe(&batch);
        while let Err(error) = db.insert_requests(&batch).await {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(%error, cause, waiting = batch.len(), "request records cannot be stored, trying again");
            tokio::time::sleep(RETRY).await;
        }
        batch.clear();
    }
}

/// One request being written down.
#[derive(Debug)]
pub struct Entry {
    /// The request's id.
    pub id: RequestId,
    /// When the request arrived.
    pub started: Instant,
    pending: Option<(OwnedPermit<Box<RequestRecord>>, Box<RequestRecord>)>,
}

impl Entry {
    /// Opens the record of a request that was just authenticated.
    pub fn open(
        slot: OwnedPermit<Box<RequestRecord>>,
        id: RequestId,
        principal: Principal,
        operation: Operation,
        at: Timestamp,
    ) -> Self {
        let empty: Arc<str> = Arc::from("");
        let record = RequestRecord {
            id,
            org: principal.org,
            key: principal.key,
            operation,
            at,
            model_requested: empty.clone(),
            status: 500,
            // What stands here if nobody ends the entry: a panic.
            outcome: Outcome::Internal,
            error_code: "internal_error",
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
        Self { id, started: Instant::now(), pending: Some((slot, Box::new(record))) }
    }

    /// Fills in the record.
    pub fn note(&mut self, fill: impl FnOnce(&mut RequestRecord)) {
        if let Some((_, record)) = &mut self.pending {
            fill(record);
        }
    }

    /// Notes that the caller was, or will be, told of a failure; `status` is what its head said.
    pub fn fail(&mut self, status: u16, refusal: &Refusal) {
        self.note(|record| {
            record.status = status;
            record.outcome = refusal.outcome();
            record.error_code = refusal.own_code();
        });
    }

    /// Notes any other ending.
    pub fn end(&mut self, status: u16, outcome: Outcome) {
        self.note(|record| {
            record.status = status;
            record.outcome = outcome;
            record.error_code = "";
        });
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some((slot, mut record)) = self.pending.take() {
            record.duration_us = micros(self.started.elapsed());
            slot.send(record);
        }
    }
}

/// Whole microseconds of a duration.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
