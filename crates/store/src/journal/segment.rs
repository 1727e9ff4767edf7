//! Segment files: `<number, 16 hexadecimal digits>.log`, space for all of it taken at once.
//!
//! A full disk is thereby noticed when a segment is made, not when a record is written.

use super::writer::Writer;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A segment that is not one yet. There are two, so that two threads never make the same file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blank {
    /// The one that the keeper makes in advance.
    Spare,
    /// The one that is made where it is needed at once.
    Urgent,
}

impl Blank {
    fn path(self, folder: &Path) -> PathBuf {
        folder.join(match self {
            Blank::Spare => "spare",
            Blank::Urgent => "urgent",
        })
    }
}

/// Where a segment's file stands.
pub fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.log"))
}

/// The numbers of all segments, rising.
pub fn list(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log"));
        numbers.extend(number.and_then(|hex| u64::from_str_radix(hex, 16).ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes a blank segment, its space taken. One that is there already is made anew.
pub fn make(folder: &Path, blank: Blank, bytes: u64) -> io::Result<Writer> {
    let path = blank.path(folder);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
    let taken = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes);
    let taken = taken.map(|()| true).map_err(io::Error::from).or_else(|error| {
        // Some file systems cannot take space ahead; then it is written.
        if error.kind() != io::ErrorKind::Unsupported {
            return Err(error);
        }
        write_zeros(&file, bytes).map(|()| false)
    });
    match taken {
        Ok(is_taken) => Ok(Writer::new(file, bytes, is_taken)),
        Err(error) => {
            // Half a spare would keep the space that somebody else may need.
            let _ = fs::remove_file(&path);
            Err(error)
        }
    }
}

fn write_zeros(file: &File, bytes: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let mut at = 0;
    while at < bytes {
        let length = usize::try_from(bytes - at).unwrap_or(ZEROS.len()).min(ZEROS.len());
        file.write_all_at(&ZEROS[..length], at)?;
        at += length as u64;
    }
    Ok(())
}

/// Makes a blank the segment of this number. Its name is on disk when this returns.
pub fn promote(folder: &Path, blank: Blank, number: u64) -> io::Result<()> {
    fs::rename(blank.path(folder), path(folder, number))?;
    File::open(folder)?.sync_all()
}

/// Opens a segment for reading.
pub fn open(folder: &Path, number: u64) -> io::Result<File> {
    File::open(path(folder, number))
}

/// Deletes a segment.
pub fn remove(folder: &Path, number: u64) -> io::Result<()> {
    fs::remove_file(path(folder, number))
}
