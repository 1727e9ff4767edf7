//! The journal: what a call may cost stands here before its bytes leave, what it did cost when it ends.
//!
//! An append-only log in segments ([`segment`]) of checksummed frames ([`frame`]) that hold [`record`]s.
//! Records are appended where requests run: into the page cache ([`writer`]), which survives the death of the
//! process. One thread of its own ([`keeper`]) brings them to the disk, makes the next segment ready and
//! tries again what could not be written. [`read`] follows the log for those who apply it.

pub mod frame;
mod keeper;
mod read;
pub mod record;
mod segment;
mod writer;

pub use read::{Chunk, Reader};
pub use record::{Intent, Record};

use frame::Frame;
use segment::Blank;
use std::cell::Cell;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use writer::Writer;

/// Records that could not be written and wait in memory, at the most: more calls than are ever running.
const STRANDED_MAX: usize = 100_000;

/// A place in the journal.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Position {
    /// The segment's number.
    pub segment: u64,
    /// Bytes into it.
    pub offset: u64,
}

/// When a record counts as written.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Sync {
    /// In the page cache: safe from the death of the process. The disk follows within ten milliseconds.
    #[default]
    Interval,
    /// On the disk: safe from the loss of power. Calls wait for it, many at a time.
    Strict,
}

/// How a journal is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// When a record counts as written.
    pub sync: Sync,
    /// Bytes of one segment.
    pub segment_bytes: u64,
    /// Bytes of all segments; at more, no new calls are taken until some have been applied.
    pub bytes_max: u64,
    /// The lowest number of the new segment: beyond everything that the database takes for applied, should the
    /// folder have been emptied.
    pub first_segment: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { sync: Sync::Interval, segment_bytes: 16 << 20, bytes_max: 1 << 30, first_segment: 1 }
    }
}

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has it.
    #[error("another gateway is running on {0}")]
    Taken(PathBuf),
    /// A file operation failed.
    #[error("the journal in {folder} cannot be used")]
    Io {
        /// Its folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no room for more: the disk is full, or what waits to be applied is too much.
    #[error("the journal has no room")]
    Full,
    /// A record is not what it should be.
    #[error("the journal's record at {at:?} cannot be read: {reason}")]
    Unreadable {
        /// Where it ends.
        at: Position,
        /// What is wrong.
        reason: String,
    },
}

/// The journal. A clone is another handle on the same one.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    options: Options,
    active: Mutex<Active>,
    /// Records whose writing failed: tried again by the keeper.
    stranded: Mutex<VecDeque<Vec<u8>>>,
    /// The lowest segment that is still there.
    oldest: AtomicU64,
    /// No new calls: set where room has run out, taken back by the keeper.
    is_full: AtomicBool,
    /// How far the disk has it.
    synced: watch::Sender<Position>,
    /// The keeper has something to do.
    is_dirty: AtomicBool,
    /// The keeper is to end.
    is_stopping: Mutex<bool>,
    wake: Condvar,
    /// Holds the lock that keeps other processes away.
    _lock: File,
}

#[derive(Debug)]
struct Active {
    number: u64,
    writer: Writer,
    offset: u64,
    /// The next segment, its space taken. `None` until the keeper has made it.
    spare: Option<Writer>,
    /// Segments that are full but not on the disk yet.
    unsynced: Vec<Arc<File>>,
}

impl Journal {
    /// Opens the journal in a folder and begins a new segment. What stands in earlier ones is read with
    /// [`Journal::reader`]. Starts the keeper's thread, which [`Journal::close`] ends.
    pub fn open(folder: &Path, options: Options) -> Result<Self, JournalError> {
        let failed = |source| JournalError::Io { folder: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let lock = File::create(folder.join("lock")).map_err(failed)?;
        lock.try_lock().map_err(|_| JournalError::Taken(folder.to_owned()))?;
        let numbers = segment::list(folder).map_err(failed)?;
        let number = numbers.last().map_or(1, |last| last + 1).max(options.first_segment);
        let writer = segment::make(folder, Blank::Urgent, options.segment_bytes).map_err(failed)?;
        segment::promote(folder, Blank::Urgent, number).map_err(failed)?;
        let spare = segment::make(folder, Blank::Spare, options.segment_bytes).ok();
        let shared = Shared {
            folder: folder.to_owned(),
            options,
            is_full: AtomicBool::new(spare.is_none()),
            active: Mutex::new(Active { number, writer, offset: 0, spare, unsynced: Vec::new() }),
            stranded: Mutex::default(),
            oldest: AtomicU64::new(numbers.first().copied().unwrap_or(number)),
            synced: watch::Sender::new(Position { segment: number, offset: 0 }),
            is_dirty: AtomicBool::new(false),
            is_stopping: Mutex::default(),
            wake: Condvar::new(),
            _lock: lock,
        };
        let journal = Self { shared: Arc::new(shared) };
        keeper::start(journal.clone()).map_err(failed)?;
        Ok(journal)
    }

    /// Writes a record of a call that has not begun: refused while there is no room.
    pub fn admit(&self, record: &Record<'_>) -> Result<Position, JournalError> {
        if self.is_full() {
            return Err(JournalError::Full);
        }
        self.with_frame(record, |frame| self.append(frame)).ok_or(JournalError::Full)?
    }

    /// Writes a record of a call that runs or has ended. One that cannot be written is kept and tried again,
    /// while no new calls are taken. One that fits no segment is written without its texts: what a call cost is never lost.
    pub fn record(&self, record: &Record<'_>) {
        if self.write_or_strand(record).is_some() {
            return;
        }
        tracing::error!("a record is too long for the journal, and is written without its texts");
        let written = match record {
            Record::Request(request) => self.write_or_strand(&Record::Request(&request.without_texts())),
            Record::Ended(attempt, ended) => {
                self.write_or_strand(&Record::Ended(*attempt, &ended.without_texts()))
            }
            // They were in a segment before, or are too short to fit none.
            Record::Intent(_) | Record::Sealed(_) | Record::Checkpoint(_) => None,
        };
        if written.is_none() {
            tracing::error!("a record is too long for the journal, and is lost");
        }
    }

    /// `None`: it fits no segment.
    fn write_or_strand(&self, record: &Record<'_>) -> Option<()> {
        self.with_frame(record, |frame| {
            if self.append(frame).is_err() {
                self.strand(frame.to_vec());
            }
        })
    }

    /// Makes a record's frame. `None`: it fits no segment.
    fn with_frame<T>(&self, record: &Record<'_>, use_it: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let mut frame = Frame::begin(BUFFER.take());
        record.write(frame.payload());
        let frame = frame.finish(self.shared.options.segment_bytes)?;
        let used = use_it(&frame);
        if frame.capacity() <= BUFFER_MAX {
            BUFFER.set(frame);
        }
        Some(used)
    }

    /// Waits until the disk has everything up to a position, where the settings ask for that.
    pub async fn settled(&self, position: Position) -> Result<(), JournalError> {
        if !self.is_strict() {
            return Ok(());
        }
        let mut synced = self.shared.synced.subscribe();
        synced.wait_for(|synced| *synced >= position).await.map(|_| ()).map_err(|_| JournalError::Full)
    }

    /// Whether calls wait until the disk has them.
    pub fn is_strict(&self) -> bool {
        self.shared.options.sync == Sync::Strict
    }

    /// Whether no new calls may begin.
    pub fn is_full(&self) -> bool {
        self.shared.is_full.load(Ordering::Acquire)
    }

    /// Records that wait in memory because they could not be written.
    pub fn stranded(&self) -> usize {
        lock(&self.shared.stranded).len()
    }

    /// The end of what is written.
    pub fn end(&self) -> Position {
        let active = lock(&self.shared.active);
        Position { segment: active.number, offset: active.offset }
    }

    /// The beginning of the oldest segment.
    pub fn beginning(&self) -> Position {
        Position { segment: self.shared.oldest.load(Ordering::Acquire), offset: 0 }
    }

    /// Bytes on the disk from a position to the end.
    pub fn bytes_from(&self, position: Position) -> u64 {
        let end = self.end();
        // Before the beginning there is nothing.
        let position = position.max(self.beginning());
        let whole =
            end.segment.saturating_sub(position.segment).saturating_mul(self.shared.options.segment_bytes);
        (whole + end.offset).saturating_sub(position.offset)
    }

    /// Follows the journal from a position.
    pub fn reader(&self, from: Position) -> Reader {
        Reader::new(self.clone(), from)
    }

    /// Deletes the segments before this one.
    pub fn forget_before(&self, segment: u64) {
        let oldest = self.shared.oldest.load(Ordering::Acquire);
        let segment = segment.min(self.end().segment);
        for number in oldest..segment {
            match segment::remove(&self.shared.folder, number) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(%error, number, "a segment of the journal cannot be deleted");
                    return;
                }
                _ => self.shared.oldest.store(number + 1, Ordering::Release),
            }
        }
        if self.is_full() {
            self.nudge();
        }
    }

    /// Brings everything to the disk and ends the keeper.
    pub fn close(&self) {
        *lock(&self.shared.is_stopping) = true;
        self.shared.wake.notify_all();
    }

    /// Writes a frame that is no longer than a segment.
    fn append(&self, frame: &[u8]) -> Result<Position, JournalError> {
        let shared = &*self.shared;
        let mut active = lock(&shared.active);
        if active.offset + frame.len() as u64 > shared.options.segment_bytes {
            crate::failpoint::hit("before_rotate");
            self.rotate(&mut active)?;
        }
        let at = active.offset;
        if let Err(source) = active.writer.write(at, frame) {
            shared.is_full.store(true, Ordering::Release);
            return Err(JournalError::Io { folder: shared.folder.clone(), source });
        }
        active.offset += frame.len() as u64;
        let position = Position { segment: active.number, offset: active.offset };
        drop(active);
        self.nudge();
        Ok(position)
    }

    /// Writes a frame whose record nobody can read.
    #[cfg(test)]
    pub(crate) fn write_unknown(&self) {
        let mut frame = Frame::begin(Vec::new());
        frame.payload().extend_from_slice(b"?");
        self.append(&frame.finish(u64::MAX).unwrap()).unwrap();
    }

    /// Goes on in the spare segment.
    fn rotate(&self, active: &mut Active) -> Result<(), JournalError> {
        let shared = &*self.shared;
        let failed = |source| {
            shared.is_full.store(true, Ordering::Release);
            JournalError::Io { folder: shared.folder.clone(), source }
        };
        let (blank, writer) = match active.spare.take() {
            Some(spare) => (Blank::Spare, spare),
            None => {
                // The keeper may be making the spare at this moment.
                let made = segment::make(&shared.folder, Blank::Urgent, shared.options.segment_bytes);
                (Blank::Urgent, made.map_err(failed)?)
            }
        };
        segment::promote(&shared.folder, blank, active.number + 1).map_err(failed)?;
        let full = std::mem::replace(&mut active.writer, writer);
        active.unsynced.push(full.file().clone());
        active.number += 1;
        active.offset = 0;
        Ok(())
    }

    fn strand(&self, frame: Vec<u8>) {
        let mut stranded = lock(&self.shared.stranded);
        if stranded.len() < STRANDED_MAX {
            stranded.push_back(frame);
        } else {
            tracing::error!("the journal cannot be written and the memory for its records is used up");
        }
        drop(stranded);
        self.shared.is_full.store(true, Ordering::Release);
        self.nudge();
    }

    /// Tells the keeper that there is something to do.
    fn nudge(&self) {
        // Every record comes here, and only the first since the keeper looked has something to say.
        if self.shared.is_dirty.swap(true, Ordering::AcqRel) {
            return;
        }
        // The keeper looks with the lock held: it either sees the flag or hears the call.
        drop(lock(&self.shared.is_stopping));
        self.shared.wake.notify_one();
    }
}

thread_local! {
    /// Where this thread makes its frames.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Longer buffers are not kept.
const BUFFER_MAX: usize = 16 * 1024;

/// A panic while one of these is held leaves counters, not half-written state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
