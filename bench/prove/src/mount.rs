//! A small file system of its own, so that a full disk can be had without filling the machine's.

use crate::failure::{Context, Failure};
use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

static PIECE: [u8; 64 << 10] = [0; 64 << 10];

/// A mounted tmpfs. Dropping it takes it away, whoever still uses it.
pub struct Mount {
    folder: PathBuf,
}

impl Mount {
    /// Mounts one of so many MiB. Needs root.
    pub fn new(folder: &Path, mib: u32) -> Result<Mount, Failure> {
        fs::create_dir_all(folder).context(folder.display())?;
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "prove"]).arg(folder);
        let output = command.output().context("cannot run mount")?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            let complaint = complaint.trim();
            return Err(Failure::new(format!("a file system of its own needs root: {complaint}")));
        }
        Ok(Mount { folder: folder.to_owned() })
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }

    /// Takes all space that is left.
    pub fn fill(&self) -> Result<(), Failure> {
        let mut file = File::create(self.filler()).context("the filler")?;
        let mut length = PIECE.len();
        while length > 0 {
            match file.write(&PIECE[..length]) {
                Ok(written) if written > 0 => {}
                Ok(_) => length /= 2,
                Err(error) if error.kind() == ErrorKind::StorageFull => length /= 2,
                Err(error) => return Err(Failure::new(format!("the filler: {error}"))),
            }
        }
        Ok(())
    }

    /// Gives it back.
    pub fn free(&self) -> Result<(), Failure> {
        fs::remove_file(self.filler()).context("the filler")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a program that is being killed may still have a file open.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}
