//! A wall clock that a proof can step while a program runs, by libfaketime. The monotonic clock stays as it is, which
//! is what the correction of a machine's clock looks like.

use crate::{
    failure::{Context, Failure},
    rig::Rig,
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

pub const DAY_S: i64 = 86_400;

/// The clock of a rig's gateway and its commands.
pub struct Clock {
    file: PathBuf,
    /// Seconds to add to the machine's clock.
    base: i64,
}

impl Clock {
    /// Puts the gateway on a clock of its own. Must come before its start.
    pub fn new(rig: &mut Rig) -> Result<Clock, Failure> {
        let library =
            library().ok_or_else(|| Failure::new("libfaketime is missing (apt-get install faketime)"))?;
        let file = rig.folder().join("clock");
        rig.set_variable("LD_PRELOAD", &library.to_string_lossy());
        rig.set_variable("FAKETIME_TIMESTAMP_FILE", &file.to_string_lossy());
        rig.set_variable("FAKETIME_NO_CACHE", "1");
        rig.set_variable("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let clock = Clock { file, base: 0 };
        clock.step(0)?;
        Ok(clock)
    }

    /// Moves it to a second of a day, counted from today; steps are from there.
    pub fn set(&mut self, day: i64, second: i64) -> Result<(), Failure> {
        let now = machine_s();
        self.base = (day * DAY_S + second) - now.rem_euclid(DAY_S);
        self.step(0)
    }

    /// Steps it so many seconds away from where it was set.
    pub fn step(&self, seconds: i64) -> Result<(), Failure> {
        // In one piece: the library reads the file at any moment.
        let fresh = self.file.with_extension("new");
        fs::write(&fresh, format!("{:+}", self.base + seconds)).context("the clock")?;
        fs::rename(&fresh, &self.file).context("the clock")
    }

    /// The second of the day that it shows after a step.
    pub fn second_of_day(&self, step: i64) -> i64 {
        (machine_s() + self.base + step).rem_euclid(DAY_S)
    }
}

fn machine_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Debian keeps it in a folder named for the machine's kind.
fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let places = folders.chain([PathBuf::from("/usr/lib"), PathBuf::from("/usr/local/lib")]);
    places.map(|folder| folder.join(Path::new("faketime/libfaketime.so.1"))).find(|path| path.exists())
}
