//! The text of a PDF, read by a process of its own: `signalbox read-pdf`.
//!
//! A PDF is a program in a hostile stranger's hands: a few kilobytes may unpack to gigabytes, or never end. The process
//! that reads it has little memory and time, none of our variables, and dies with nothing but its own work.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::Semaphore;

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
/// How long one may take, those before it included.
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
    /// The process could not be started.
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

/// Reads PDFs, a few at once.
#[derive(Debug)]
pub struct PdfReader {
    program: PathBuf,
    turns: Semaphore,
}

impl PdfReader {
    /// One that runs `program`.
    pub fn new(program: PathBuf) -> Self {
        Self { program, turns: Semaphore::new(AT_ONCE) }
    }

    /// Reads one. Who no longer waits ends its process.
    pub async fn read(&self, pdf: &[u8]) -> Result<PdfText, PdfError> {
        let read = async {
            let _turn = self.turns.acquire().await.map_err(|_| PdfError::Unavailable)?;
            self.run(pdf).await
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap_or(Err(PdfError::TooMuch))
    }

    async fn run(&self, pdf: &[u8]) -> Result<PdfText, PdfError> {
        let unavailable = |error: std::io::Error| {
            tracing::error!(%error, "no PDF can be read");
            PdfError::Unavailable
        };
        let mut child = Command::new(&self.program)
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
            Some(0) => parse(out),
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

    #[tokio::test]
    async fn a_program_that_is_not_there_or_fails_gives_no_text() {
        let reader = |program: &str| PdfReader::new(PathBuf::from(program));
        assert_eq!(reader("/nowhere/at/all").read(b"%PDF-").await, Err(PdfError::Unavailable));
        assert_eq!(reader("/bin/false").read(b"%PDF-").await, Err(PdfError::Unreadable));
        assert_eq!(reader("/bin/true").read(b"%PDF-").await, Err(PdfError::Unavailable));
    }
}
