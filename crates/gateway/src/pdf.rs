//! The text of a PDF, read by a process of its own: `signalbox read-pdf`.
//!
//! A PDF is a program in a hostile stranger's hands: a few kilobytes may unpack to gigabytes, or never end. The process
//! that reads it has little memory and time, none of our variables, and dies with nothing but its own work.

use domain::OrgId;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The command that reads.
pub const COMMAND: &str = "read-pdf";
/// What it writes first; the number of pages, a line end and the text follow.
pub const GREETING: &str = "pages ";
/// The longest text of one PDF, in bytes: some thousand pages.
pub const TEXT_BYTES_MAX: u64 = 4 << 20;
/// Seconds on a processor.
pub const CPU_SECONDS_MAX: u64 = 10;
/// Memory, in bytes.
pub const MEMORY_BYTES_MAX: u64 = 512 << 20;
/// Keeps the allocator from reserving a gigabyte before the bound is set.
/// <https://microsoft.github.io/mimalloc/environment.html>, read 2026-11-26.
const ALLOCATOR: (&str, &str) = ("MIMALLOC_ARENA_RESERVE", "0");
/// Processes that read at once.
const AT_ONCE: usize = 2;
/// How long one waits for its turn.
const WAIT: Duration = Duration::from_secs(30);
/// How long one may then take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PdfError {
    /// It is damaged, or under a password.
    #[error("it is damaged, or locked by a password")]
    Unreadable,
    /// It has no text, as what was scanned has none.
    #[error("there is no text in it: its pages are pictures")]
    Empty,
    /// Its text is too long, or takes too much to be read.
    #[error("its text is too long, or takes too long to be read")]
    TooMuch,
    /// Others were being read for all the time that one waits.
    #[error("others are being read")]
    Busy,
    /// The process could not be started, or is not ours.
    #[error("nothing could be read")]
    Unavailable,
}

/// What a PDF says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PdfText {
    /// How many pages it has.
    pub pages: u32,
    /// The text of all of them.
    pub text: String,
}

/// Reads PDFs: a few at once, of each organization one, so that none keeps all others waiting.
#[derive(Debug)]
pub struct PdfReader {
    program: PathBuf,
    turns: Arc<Semaphore>,
    lines: Mutex<HashMap<OrgId, Line>>,
    wait: Duration,
}

/// Those of one organization: who has the turn, and who waits.
#[derive(Debug)]
struct Line {
    turn: Arc<Semaphore>,
    len: usize,
}

/// A place in the line of an organization.
#[derive(Debug)]
struct Place<'a> {
    reader: &'a PdfReader,
    org: OrgId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut lines = self.reader.lines();
        if let Some(line) = lines.get_mut(&self.org) {
            line.len -= 1;
            if line.len == 0 {
                lines.remove(&self.org);
            }
        }
    }
}

/// The right to read; given back when it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    // Dropped before the place, so that the next of a new line finds it free.
    _permits: [OwnedSemaphorePermit; 2],
    _place: Place<'a>,
    program: &'a PathBuf,
}

impl PdfReader {
    /// One that runs `program`.
    pub fn new(program: PathBuf) -> Self {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        Self { program, turns, lines: Mutex::default(), wait: WAIT }
    }

    /// Waits for a turn. Who no longer waits gives up the place in the line.
    pub async fn turn(&self, org: OrgId) -> Result<Turn<'_>, PdfError> {
        let (place, own) = self.stand(org);
        let wait = async {
            let own = own.acquire_owned().await?;
            Ok::<_, tokio::sync::AcquireError>([own, self.turns.clone().acquire_owned().await?])
        };
        match timeout(self.wait, wait).await {
            Ok(Ok(permits)) => Ok(Turn { _permits: permits, _place: place, program: &self.program }),
            Ok(Err(_)) | Err(_) => Err(PdfError::Busy),
        }
    }

    fn stand(&self, org: OrgId) -> (Place<'_>, Arc<Semaphore>) {
        let mut lines = self.lines();
        let line = lines.entry(org).or_insert_with(|| Line { turn: Arc::new(Semaphore::new(1)), len: 0 });
        line.len += 1;
        (Place { reader: self, org }, line.turn.clone())
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<OrgId, Line>> {
        // Nothing in here panics between two changes that belong together.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Reads one. Who no longer waits ends its process.
    pub async fn read(&self, pdf: &[u8]) -> Result<PdfText, PdfError> {
        timeout(PATIENCE, self.run(pdf)).await.unwrap_or(Err(PdfError::TooMuch))
    }

    async fn run(&self, pdf: &[u8]) -> Result<PdfText, PdfError> {
        let unavailable = |error: std::io::Error| {
            tracing::error!(%error, "no PDF can be read");
            PdfError::Unavailable
        };
        let mut child = Command::new(self.program)
            .arg(COMMAND)
            .env_clear()
            .env(ALLOCATOR.0, ALLOCATOR.1)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(unavailable)?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(PdfError::Unavailable);
        };
        let mut out = Vec::new();
        let give = async {
            // One that has died reads nothing; how it ended says why.
            let _ = stdin.write_all(pdf).await;
            drop(stdin);
        };
        let mut stdout = stdout.take(TEXT_BYTES_MAX + 64);
        let (_, read) = tokio::join!(give, stdout.read_to_end(&mut out));
        read.map_err(unavailable)?;
        if out.len() as u64 > TEXT_BYTES_MAX {
            return Err(PdfError::TooMuch);
        }
        let status = child.wait().await.map_err(unavailable)?;
        match status.code() {
            Some(0) => parse(out).inspect_err(|error| {
                if *error == PdfError::Unavailable {
                    tracing::error!("no PDF can be read: the program that was run is not the gateway");
                }
            }),
            // A panic, or an error that it tells.
            Some(_) => Err(PdfError::Unreadable),
            // It was ended: for its time, or for its memory.
            None => Err(PdfError::TooMuch),
        }
    }
}

/// What the process wrote.
fn parse(out: Vec<u8>) -> Result<PdfText, PdfError> {
    let out = String::from_utf8(out).map_err(|_| PdfError::Unreadable)?;
    let (head, text) = out.split_once('\n').ok_or(PdfError::Unavailable)?;
    let pages = head.strip_prefix(GREETING).and_then(|pages| pages.parse().ok());
    let pages = pages.ok_or(PdfError::Unavailable)?;
    if text.trim().is_empty() {
        return Err(PdfError::Empty);
    }
    Ok(PdfText { pages, text: text.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_command_writes_is_taken_for_text() {
        assert_eq!(
            parse(b"pages 2\n\n a\n\nb \n".to_vec()),
            Ok(PdfText { pages: 2, text: "a\n\nb".to_owned() })
        );
        assert_eq!(parse(b"pages 2\n \n".to_vec()), Err(PdfError::Empty));
        assert_eq!(parse(b"running 0 tests\n".to_vec()), Err(PdfError::Unavailable));
        assert_eq!(parse(b"pages 1\n\xff".to_vec()), Err(PdfError::Unreadable));
    }

    fn org(number: u8) -> OrgId {
        OrgId::from_bytes([number; 16])
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_or_fails_gives_no_text() {
        for (program, expected) in [
            ("/nowhere/at/all", PdfError::Unavailable),
            ("/bin/false", PdfError::Unreadable),
            ("/bin/true", PdfError::Unavailable),
        ] {
            let reader = PdfReader::new(PathBuf::from(program));
            let turn = reader.turn(org(1)).await.unwrap();
            assert_eq!(turn.read(b"%PDF-").await, Err(expected), "{program}");
        }
    }

    #[tokio::test]
    async fn one_organization_has_one_turn_and_who_waits_in_vain_is_told() {
        let reader =
            PdfReader { wait: Duration::from_millis(5), ..PdfReader::new(PathBuf::from("/bin/true")) };
        let first = reader.turn(org(1)).await.unwrap();
        assert_eq!(reader.turn(org(1)).await.unwrap_err(), PdfError::Busy, "the other is for others");
        let second = reader.turn(org(2)).await.unwrap();
        assert_eq!(reader.turn(org(3)).await.unwrap_err(), PdfError::Busy);
        drop(first);
        let third = reader.turn(org(1)).await.unwrap();
        drop((second, third));
        assert!(reader.lines().is_empty());
    }
}
