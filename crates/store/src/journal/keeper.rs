//! The journal's own thread: brings records to the disk, keeps the next segment ready, and tries again what
//! could not be written.

use super::segment::{self, Blank};
use super::{Active, Journal, Position, Sync, frame, lock};
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long records may wait for the disk.
const INTERVAL: Duration = Duration::from_millis(10);
/// What the system writes to the disk at once.
const PAGE: u64 = frame::PADDING_MAX as u64;
/// Between tries while there is no room.
const RETRY: Duration = Duration::from_millis(100);

pub(super) fn start(journal: Journal) -> io::Result<()> {
    std::thread::Builder::new().name("journal".to_owned()).spawn(move || run(&journal))?;
    Ok(())
}

fn run(journal: &Journal) {
    let shared = &*journal.shared;
    loop {
        let is_stopping = {
            let mut stopping = lock(&shared.is_stopping);
            while !shared.is_dirty.swap(false, Ordering::AcqRel) && !*stopping {
                let patience = if journal.is_full() { RETRY } else { Duration::from_secs(60) };
                let (held, waited) = shared
                    .wake
                    .wait_timeout(stopping, patience)
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                stopping = held;
                if waited.timed_out() {
                    break;
                }
            }
            *stopping
        };
        make_room(journal);
        if let Err(error) = bring_to_disk(journal) {
            // What a failed sync has dropped from the page cache cannot be brought back by trying again.
            tracing::error!(%error, "the disk refuses the journal");
            shared.is_full.store(true, Ordering::Release);
        }
        if is_stopping && journal.stranded() == 0 {
            return;
        }
        if journal.is_full() {
            std::thread::sleep(RETRY);
        } else if shared.options.sync == Sync::Interval && !is_stopping {
            std::thread::sleep(INTERVAL);
        }
    }
}

/// Syncs what is written, and says so to those who wait.
fn bring_to_disk(journal: &Journal) -> io::Result<()> {
    let shared = &*journal.shared;
    let (full, file, position) = {
        let mut active = lock(&shared.active);
        begin_page(&mut active, shared.options.segment_bytes);
        let position = Position { segment: active.number, offset: active.offset };
        (std::mem::take(&mut active.unsynced), active.writer.file().clone(), position)
    };
    for file in full {
        file.sync_data()?;
    }
    file.sync_data()?;
    shared.synced.send_replace(position);
    Ok(())
}

/// Lets the next record begin on a page of its own: a page that is on its way to the disk can hold up those who
/// write to it (measured: a tenth of a millisecond for half of all calls).
fn begin_page(active: &mut Active, segment_bytes: u64) {
    let used = active.offset % PAGE;
    let rest = PAGE - used;
    let Some(head) = u32::try_from(rest).ok().and_then(frame::padding).filter(|_| used > 0) else { return };
    let fits = active.offset + rest <= segment_bytes;
    let at = active.offset;
    if fits && active.writer.write(at, &head).is_ok() {
        active.offset += rest;
    }
}

/// Makes the next segment and writes what could not be written. New calls are taken again once both are done.
fn make_room(journal: &Journal) {
    let shared = &*journal.shared;
    let bytes = shared.options.segment_bytes;
    let mut has_spare = lock(&shared.active).spare.is_some();
    if !has_spare {
        // Outside of the lock: taking space is slow on some file systems.
        match segment::make(&shared.folder, Blank::Spare, bytes) {
            Ok(spare) => {
                lock(&shared.active).spare = Some(spare);
                has_spare = true;
            }
            Err(error) => {
                if !shared.is_full.swap(true, Ordering::AcqRel) {
                    tracing::error!(%error, "no room for the journal: no new calls are taken");
                }
            }
        }
    }
    let waiting = std::mem::take(&mut *lock(&shared.stranded));
    let mut waiting = waiting.into_iter();
    while let Some(frame) = waiting.next() {
        if journal.append(&frame).is_err() {
            let mut stranded = lock(&shared.stranded);
            for frame in waiting.rev() {
                stranded.push_front(frame);
            }
            stranded.push_front(frame);
            return;
        }
    }
    let oldest = shared.oldest.load(Ordering::Acquire);
    let segments = journal.end().segment.saturating_sub(oldest) + 1;
    let is_long = segments.saturating_mul(bytes) > shared.options.bytes_max;
    // A spare that was taken into use since is no want of room: the next round makes another.
    let is_full = is_long || !has_spare;
    if shared.is_full.swap(is_full, Ordering::AcqRel) != is_full {
        if is_full {
            tracing::error!(segments, "the journal waits to be applied: no new calls are taken");
        } else {
            tracing::info!("the journal has room again");
        }
    }
}
