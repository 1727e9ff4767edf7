//! Following the journal: whole frames from a position on, up to what is written.

use super::frame::{self, Next};
use super::{Journal, JournalError, Position, segment};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Bytes read at once.
const CHUNK: usize = 256 * 1024;

/// Some frames in a row.
#[derive(Debug, Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    frames: Vec<(Range<usize>, Position)>,
}

impl Chunk {
    /// The payloads, each with the position behind it.
    pub fn frames(&self) -> impl Iterator<Item = (&[u8], Position)> {
        self.frames.iter().map(|(range, end)| (&self.bytes[range.clone()], *end))
    }

    /// Whether there was nothing to read.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

/// Reads a journal from a position on.
#[derive(Debug)]
pub struct Reader {
    journal: Journal,
    position: Position,
    file: Option<(u64, File)>,
    /// The buffer of a chunk that was given back.
    spare: Vec<u8>,
}

impl Reader {
    pub(super) fn new(journal: Journal, from: Position) -> Self {
        Self { journal, position: from, file: None, spare: Vec::new() }
    }

    /// Takes a chunk back that is no longer needed, for the next one to use its memory.
    pub fn give_back(&mut self, chunk: Chunk) {
        self.spare = chunk.bytes;
    }

    /// Where it stands: behind everything it has given.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The next frames; an empty chunk at the end of what is written.
    pub fn read_on(&mut self) -> Result<Chunk, JournalError> {
        loop {
            // Read before the file: what is written by now is there to be read.
            let end = self.journal.end();
            let is_active = self.position.segment >= end.segment;
            let written = if is_active { end.offset } else { u64::MAX };
            if self.position.offset >= written {
                return Ok(Chunk::default());
            }
            let read = match self.read(written) {
                Ok(read) => read,
                Err(source) if !is_active && source.kind() == io::ErrorKind::NotFound => {
                    Read { is_at_end: true, ..Read::default() }
                }
                Err(source) => {
                    return Err(JournalError::Io { folder: self.journal.shared.folder.clone(), source });
                }
            };
            self.position.offset += read.consumed as u64;
            if !read.chunk.is_empty() {
                return Ok(read.chunk);
            }
            if read.is_at_end && !is_active {
                self.position = Position { segment: self.position.segment + 1, offset: 0 };
                self.file = None;
            } else if read.consumed == 0 {
                return Ok(Chunk::default());
            }
        }
    }

    /// Reads whole frames of the present segment, up to `written`.
    fn read(&mut self, written: u64) -> io::Result<Read> {
        let Position { segment: number, offset } = self.position;
        let file = match &mut self.file {
            Some((known, file)) if *known == number => file,
            other => &mut other.insert((number, segment::open(&self.journal.shared.folder, number)?)).1,
        };
        let available = usize::try_from(written - offset).unwrap_or(usize::MAX);
        let mut size = CHUNK.min(available);
        loop {
            let mut bytes = std::mem::take(&mut self.spare);
            bytes.resize(size, 0);
            let read = read_at(file, &mut bytes, offset)?;
            bytes.truncate(read);
            let mut chunk = Chunk { bytes, frames: Vec::new() };
            let mut at = 0;
            let is_at_end = loop {
                match frame::read(&chunk.bytes[at..]) {
                    Next::Frame { length, .. } => {
                        let end = Position { segment: number, offset: offset + (at + length) as u64 };
                        chunk.frames.push((at + frame::HEAD..at + length, end));
                        at += length;
                    }
                    Next::Padding(length) if at + length <= read => at += length,
                    // Its rest was not read.
                    Next::Padding(_) if at > 0 => break false,
                    Next::Padding(length) => {
                        at = length;
                        break false;
                    }
                    // Longer than what was read, though the file has more.
                    Next::Short(needed) if read == size && size < available && at == 0 => {
                        size = needed.max(size + 1).min(available);
                        break false;
                    }
                    Next::Short(_) if read == size && at > 0 => break false,
                    Next::End if read == size && read > 0 && at == read => break false,
                    Next::End | Next::Short(_) => break true,
                    Next::Torn => {
                        tracing::warn!(
                            segment = number,
                            offset = offset + at as u64,
                            "the journal's tail is torn"
                        );
                        break true;
                    }
                }
            };
            if is_at_end || at > 0 {
                return Ok(Read { chunk, consumed: at, is_at_end });
            }
        }
    }
}

/// What one reading gave.
#[derive(Default)]
struct Read {
    chunk: Chunk,
    /// Bytes that were understood.
    consumed: usize,
    /// Nothing more is in this segment.
    is_at_end: bool,
}

fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
