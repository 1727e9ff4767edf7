//! A segment as it is written: through a window of memory onto its file, which saves a call into the system
//! for each record.
//!
//! What stands in the window is in the page cache, as if it had been written: it survives the process, and a sync
//! of the file brings it to the disk. Where a window cannot be had, records are written the usual way.

use super::frame::PADDING_MAX as PAGE;
use memmap2::{MmapMut, MmapOptions};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Bytes of a window. What was touched of it counts as the process's memory.
const WINDOW: u64 = 256 * 1024;

/// A segment that is being written.
#[derive(Debug)]
pub struct Writer {
    file: Arc<File>,
    /// Bytes of the segment.
    bytes: u64,
    window: Option<Window>,
    /// All of the file's space is taken, so that no write through a window can fail for want of it.
    is_mappable: bool,
}

#[derive(Debug)]
struct Window {
    map: MmapMut,
    start: u64,
}

impl Window {
    fn slot(&mut self, at: u64, length: usize) -> Option<&mut [u8]> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.map.get_mut(from..from.checked_add(length)?)
    }
}

impl Writer {
    /// Writes a segment of so many bytes.
    pub fn new(file: File, bytes: u64, is_mappable: bool) -> Self {
        Self { file: Arc::new(file), bytes, window: None, is_mappable }
    }

    /// The file, for bringing it to the disk.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Writes bytes at a place within the segment.
    pub fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        match self.slot(at, bytes.len()) {
            Some(slot) => {
                slot.copy_from_slice(bytes);
                Ok(())
            }
            None => self.file.write_all_at(bytes, at),
        }
    }

    fn slot(&mut self, at: u64, length: usize) -> Option<&mut [u8]> {
        let reaches = |window: &mut Window| window.slot(at, length).is_some();
        if !self.window.as_mut().is_some_and(reaches) {
            self.window = None;
            let start = at - at % PAGE as u64;
            let end = (start + WINDOW).min(self.bytes);
            if !self.is_mappable || at + length as u64 > end {
                return None;
            }
            match map(&self.file, start, end) {
                Ok(map) => self.window = Some(Window { map, start }),
                Err(error) => {
                    tracing::debug!(%error, "the journal is written without a window of memory");
                    self.is_mappable = false;
                }
            }
        }
        self.window.as_mut()?.slot(at, length)
    }
}

#[expect(unsafe_code, reason = "memory that is a file can be had in no other way")]
fn map(file: &File, start: u64, end: u64) -> io::Result<MmapMut> {
    let length = usize::try_from(end - start).map_err(io::Error::other)?;
    // SAFETY: nobody else holds a reference into the window, and nobody else writes to the file: the journal's
    // folder is locked. Should somebody cut the file short nevertheless, the next write ends the process, which
    // loses nothing that was written before.
    unsafe { MmapOptions::new().offset(start).len(length).map_mut(file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_land_in_the_file_with_and_without_a_window() {
        const BYTES: u64 = 3 * WINDOW + 100;
        for is_mappable in [true, false] {
            let file = tempfile::tempfile().unwrap();
            file.set_len(BYTES).unwrap();
            let mut writer = Writer::new(file, BYTES, is_mappable);
            let pieces: [(u64, usize); 6] = [
                (0, 10),
                (10, 5_000),
                // Over the window's end, longer than a window, in the last bytes, and back.
                (WINDOW - 3, 10),
                (WINDOW + 7, 2 * 256 * 1024),
                (BYTES - 8, 8),
                (5_010, 1),
            ];
            let mut expected = vec![0; usize::try_from(BYTES).unwrap()];
            for (letter, (at, length)) in (1..).zip(pieces) {
                let bytes = vec![letter; length];
                writer.write(at, &bytes).unwrap();
                let at = usize::try_from(at).unwrap();
                expected[at..at + length].copy_from_slice(&bytes);
            }
            let mut found = vec![0; expected.len()];
            writer.file().read_exact_at(&mut found, 0).unwrap();
            assert!(found == expected, "{is_mappable}");
        }
    }
}
