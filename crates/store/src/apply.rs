//! From the journal into the database: one [`Applier`] follows the journal, and at the start finds the calls
//! that a crash has left without an end.

use crate::db::{Db, StoreError};
use crate::failpoint;
use crate::journal::record::{Checkpoint, Owned, Sealed, Texts};
use crate::journal::{Intent, Journal, JournalError, Position, Reader, Record};
use domain::record::{AttemptRecord, Outcome};
use domain::{AttemptId, RequestId, RequestRecord, Usage};
use foldhash::HashMap;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Requests in one transaction at the most.
const BATCH: usize = 2_048;

/// Why records do not reach the database.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The database refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An attempt whose end has not been read yet.
#[derive(Debug, Default)]
struct Open {
    /// What was written down before it was sent. `None`: that stands in a later segment, once more.
    intent: Option<Sealed>,
    /// The furthest checkpoint.
    checkpoint: Option<Checkpoint>,
    /// Behind the record that has to stay for its sake.
    at: Position,
}

impl Open {
    fn read(&self) -> Result<Option<Intent>, JournalError> {
        let unreadable = |reason| JournalError::Unreadable { at: self.at, reason };
        self.intent.as_ref().map(Sealed::open).transpose().map_err(unreadable)
    }
}

/// Finished requests, ready to be written, and the place in the journal behind them.
#[derive(Debug, Default)]
pub struct Batch {
    /// The requests.
    pub records: Vec<Box<RequestRecord>>,
    position: Position,
    is_dirty: bool,
}

/// Moves records from the journal into the database, in order, each once.
#[derive(Debug)]
pub struct Applier {
    db: Db,
    journal: Journal,
    reader: Reader,
    open: HashMap<AttemptId, Open>,
    /// Attempts that have ended while their request goes on.
    ended: HashMap<RequestId, Vec<(AttemptId, AttemptRecord)>>,
    /// Attempts whose intent was written again in a later segment, and how often that has not been read yet.
    carried: HashMap<AttemptId, u32>,
    /// Behind the last record that is in the database.
    applied: Position,
    texts: Texts,
}

impl Applier {
    /// Applies what an earlier process has left in the journal. Attempts without an end are taken to have cost
    /// what was held for them. Returns how many those are.
    pub async fn recover(db: Db, journal: Journal) -> Result<(Self, usize), ApplyError> {
        let applied = db.journal_position().await?;
        let reader = journal.reader(journal.beginning());
        let (open, ended, carried, texts) = Default::default();
        let mut applier = Self { db, journal, reader, open, ended, carried, applied, texts };
        applier.apply_all().await?;
        failpoint::hit("during_recovery");
        let orphans = applier.orphans().await?;
        let count = orphans.len();
        for record in orphans {
            applier.journal.record(&Record::Request(&record));
        }
        applier.apply_all().await?;
        // Whatever was open has an end now, here or in the ledger.
        applier.open.clear();
        applier.ended.clear();
        Ok((applier, count))
    }

    async fn apply_all(&mut self) -> Result<(), ApplyError> {
        loop {
            let batch = self.gather()?;
            if !batch.is_dirty {
                return Ok(());
            }
            self.commit(&batch).await?;
        }
    }

    /// Reads on, up to a batch. Must be followed by [`Applier::commit`] until that succeeds. After a failure the
    /// same records are read again.
    pub fn gather(&mut self) -> Result<Batch, ApplyError> {
        let began = self.reader.position();
        let read = self.read_batch(began);
        if read.is_err() {
            self.reader = self.journal.reader(began);
        }
        read
    }

    fn read_batch(&mut self, began: Position) -> Result<Batch, ApplyError> {
        let mut batch = Batch::default();
        while batch.records.len() < BATCH {
            let chunk = self.reader.read_on()?;
            if chunk.is_empty() {
                break;
            }
            for (payload, end) in chunk.frames() {
                let record = Owned::read(payload, &mut self.texts);
                let record = record.map_err(|reason| JournalError::Unreadable { at: end, reason })?;
                if let Some(request) = self.track(record, end)
                    && end > self.applied
                {
                    batch.records.push(request);
                }
            }
            self.reader.give_back(chunk);
        }
        batch.position = self.reader.position();
        batch.is_dirty = batch.position != began;
        Ok(batch)
    }

    /// Writes a batch into the database and lets go of the segments that nobody needs any more.
    pub async fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if !batch.is_dirty {
            return Ok(());
        }
        // At the start the journal is read from before the position.
        let position = batch.position.max(self.applied);
        failpoint::hit("before_apply");
        if !batch.records.is_empty() || position.segment > self.applied.segment {
            self.db.apply(&batch.records, position).await?;
        }
        failpoint::hit("after_apply");
        self.applied = position;
        self.let_go();
        Ok(())
    }

    /// Follows one record, which ends at a position; a finished request is given back.
    fn track(&mut self, record: Owned, at: Position) -> Option<Box<RequestRecord>> {
        match record {
            Owned::Intent(attempt, intent) => {
                // Written again for an attempt whose end was read meanwhile?
                if self.is_carried(attempt) && !self.open.contains_key(&attempt) {
                    return None;
                }
                let open = self.open.entry(attempt).or_default();
                (open.intent, open.at) = (Some(intent), at);
                None
            }
            Owned::Checkpoint(checkpoint) => {
                let attempt = checkpoint.attempt;
                if self.carried.contains_key(&attempt) && !self.open.contains_key(&attempt) {
                    return None;
                }
                let open = self.open.entry(attempt).or_insert(Open { at, ..Open::default() });
                // One that was written again may be read behind a later one. Holds only ever grow.
                if open.checkpoint.is_none_or(|known| known.held <= checkpoint.held) {
                    open.checkpoint = Some(checkpoint);
                }
                None
            }
            Owned::Ended(attempt, record) => {
                self.open.remove(&attempt);
                self.ended.entry(attempt.request).or_default().push((attempt, *record));
                None
            }
            Owned::Request(record) => {
                for number in (1..).take(record.attempts.len()) {
                    self.open.remove(&AttemptId { request: record.id, number });
                }
                // Also where the attempt that was to follow never came: what is not removed keeps segments for ever.
                self.ended.remove(&record.id);
                Some(record)
            }
        }
    }

    /// Whether an intent that was just read is one that this process has written again.
    fn is_carried(&mut self, attempt: AttemptId) -> bool {
        if self.carried.is_empty() {
            return false;
        }
        let Some(times) = self.carried.get_mut(&attempt) else { return false };
        *times -= 1;
        if *times == 0 {
            self.carried.remove(&attempt);
        }
        true
    }

    /// Deletes segments that are applied. What is still open in them is written again first.
    fn let_go(&mut self) {
        let keep_from = self.applied.segment;
        if self.journal.beginning().segment >= keep_from {
            return;
        }
        let keep = Position { segment: keep_from, offset: 0 };
        for (attempt, open) in self.open.iter_mut().filter(|(_, open)| open.at < keep) {
            // The intent last: whoever reads it knows that nothing more of this comes.
            let again =
                [open.checkpoint.as_ref().map(Record::Checkpoint), open.intent.as_ref().map(Record::Sealed)];
            if again.into_iter().flatten().any(|record| self.journal.admit(&record).is_err()) {
                // No room: the old segments stay a little longer.
                return;
            }
            *self.carried.entry(*attempt).or_default() += 1;
            open.at = keep;
        }
        if self.ended.is_empty() {
            self.journal.forget_before(keep_from);
        }
    }

    /// The requests of attempts that nobody will end.
    async fn orphans(&self) -> Result<Vec<RequestRecord>, ApplyError> {
        let mut requests: BTreeMap<RequestId, Vec<(Intent, &Open)>> = BTreeMap::new();
        for (attempt, open) in &self.open {
            if !self.db.has_attempt(*attempt).await?
                && let Some(intent) = open.read()?
            {
                requests.entry(attempt.request).or_default().push((intent, open));
            }
        }
        let orphan = |(request, open): (RequestId, Vec<(Intent, &Open)>)| {
            let ended = self.ended.get(&request).map_or(&[][..], Vec::as_slice);
            let mut attempts: Vec<(AttemptId, AttemptRecord)> = ended.to_vec();
            attempts.extend(open.iter().map(|(intent, open)| (intent.attempt, assumed(intent, open))));
            attempts.sort_by_key(|(attempt, _)| *attempt);
            let attempts = attempts.into_iter().map(|(_, record)| record).collect();
            open.first().map(|(intent, _)| crashed(intent, attempts))
        };
        Ok(requests.into_iter().filter_map(orphan).collect())
    }

    /// Attempts whose end has not been read.
    pub fn open_intents(&self) -> usize {
        self.open.len()
    }

    /// Bytes of the journal that are not in the database.
    pub fn unapplied_bytes(&self) -> u64 {
        self.journal.bytes_from(self.applied)
    }
}

/// What is written down of an attempt that a crash has cut off.
fn assumed(intent: &Intent, open: &Open) -> AttemptRecord {
    let output = open.checkpoint.map_or(0, |checkpoint| checkpoint.output_tokens);
    let held = open.checkpoint.map_or(intent.held, |checkpoint| checkpoint.held.max(intent.held));
    let error = "the gateway died while this attempt was running";
    let record = intent.assumed(Outcome::Crashed, error);
    AttemptRecord { usage: Usage { output, ..Usage::ZERO }, cost: held, held, ..record }
}

/// What is written down of its request.
pub(crate) fn crashed(intent: &Intent, attempts: Vec<AttemptRecord>) -> RequestRecord {
    RequestRecord {
        id: intent.attempt.request,
        org: intent.org,
        key: intent.key,
        scopes: intent.scopes.clone(),
        operation: intent.operation,
        at: intent.at,
        model_requested: intent.model_requested.clone(),
        status: 0,
        outcome: Outcome::Crashed,
        error_code: Cow::Borrowed("crashed"),
        is_stream: intent.is_stream,
        finish_reason: "".into(),
        duration_us: 0,
        first_token_us: 0,
        response_id: String::new(),
        tool_calls: Vec::new(),
        warnings: Vec::new(),
        metadata: None,
        attempts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Options;

    #[tokio::test]
    async fn after_a_failure_the_same_records_are_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&folder.path().join("test.db")).await.unwrap();
        let path = folder.path().join("journal");
        let journal = Journal::open(&path, Options::default()).unwrap();
        let (mut applier, _) = Applier::recover(db, journal.clone()).await.unwrap();
        let request = RequestId::from_parts(domain::Timestamp::from_unix_ms(1), [1; 10]);
        let attempt = AttemptId { request, number: 1 };
        let checkpoint = Checkpoint { attempt, held: domain::Money::ZERO, output_tokens: 1 };
        journal.record(&Record::Checkpoint(&checkpoint));
        let began = applier.reader.position();
        // A frame that is whole, of a kind that this version does not know.
        journal.write_unknown();
        for _ in 0..2 {
            assert!(matches!(applier.gather(), Err(ApplyError::Journal(JournalError::Unreadable { .. }))));
            assert_eq!(applier.reader.position(), began);
        }
        journal.close();
    }
}
