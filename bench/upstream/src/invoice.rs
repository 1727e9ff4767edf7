//! The invoice: what this provider would bill, one JSON line when a call begins and one when it ends.
//!
//! It is the other side's view, to hold a gateway's ledger against. A line goes out in one write as soon as its event
//! happens, so what a reader finds after the simulator was killed is whole but for the calls that were running.

use crate::{knobs::Knobs, mono_ns, wire::Usage};
use serde_json::json;
use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::Path,
    sync::{Mutex, OnceLock, PoisonError},
};

static INVOICE: OnceLock<Mutex<File>> = OnceLock::new();

/// Opens the file that lines are appended to; may be called once.
pub fn open(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    INVOICE.set(Mutex::new(file)).map_err(|_| io::Error::other("the invoice is open already"))
}

/// Whether an invoice is written.
pub fn is_open() -> bool {
    INVOICE.get().is_some()
}

/// What is known of a call when it has arrived whole.
pub struct Arrival<'a> {
    pub number: u64,
    /// The value of the header `x-client-request-id`, or nothing.
    pub attempt: &'a str,
    pub model: &'a str,
    pub is_stream: bool,
    pub tokens_max: Option<u32>,
}

/// How a call ended, seen from here.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Ending {
    Whole,
    Aborted,
    Refused,
}

/// One call on the invoice. Dropping it ends the call as aborted, unless it has ended before.
pub struct Call {
    number: u64,
    tag: u64,
    attempt: String,
    usage: Usage,
    bills_full: bool,
    /// Tokens that went out so far.
    produced: u32,
    has_ended: bool,
}

impl Call {
    /// Writes the first line.
    pub fn begin(arrival: &Arrival<'_>, knobs: &Knobs, usage: Usage) -> Call {
        append(&json!({
            "event": "begin", "call": arrival.number, "attempt": arrival.attempt, "model": arrival.model,
            "tag": knobs.tag, "stream": arrival.is_stream, "max_tokens": arrival.tokens_max, "at_ns": mono_ns(),
        }));
        Call {
            number: arrival.number,
            tag: knobs.tag,
            attempt: arrival.attempt.to_owned(),
            usage,
            bills_full: knobs.bills_full,
            produced: 0,
            has_ended: false,
        }
    }

    /// Counts one token more.
    pub fn produce(&mut self) {
        self.produced += 1;
    }

    /// The whole answer was produced.
    pub fn end_whole(&mut self) {
        self.produced = self.usage.output;
        self.end(Ending::Whole);
    }

    /// No answer, but an error: bills nothing.
    pub fn end_refused(&mut self) {
        self.end(Ending::Refused);
    }

    fn end(&mut self, ending: Ending) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        let (input, output) = self.billed(ending);
        let ended = match ending {
            Ending::Whole => "whole",
            Ending::Aborted => "aborted",
            Ending::Refused => "refused",
        };
        append(&json!({
            "event": "end", "call": self.number, "tag": self.tag, "attempt": self.attempt, "input_tokens": self.usage.input,
            "output_tokens": self.produced, "ended": ended,
            "billed": {"input_tokens": input, "output_tokens": output}, "at_ns": mono_ns(),
        }));
    }

    fn billed(&self, ending: Ending) -> (u32, u32) {
        match ending {
            Ending::Refused => (0, 0),
            Ending::Aborted if self.bills_full => (self.usage.input, self.usage.output),
            Ending::Aborted | Ending::Whole => (self.usage.input, self.produced),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(Ending::Aborted);
    }
}

fn append(line: &serde_json::Value) {
    let Some(file) = INVOICE.get() else { return };
    let text = format!("{line}\n");
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(error) = file.write_all(text.as_bytes()) {
        // An invoice with a gap would make every comparison a lie.
        eprintln!("cannot write the invoice: {error}");
        std::process::exit(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(bills_full: bool) -> Call {
        let usage = Usage { input: 7, output: 10, is_cut: false, calls_tool: false };
        Call { number: 1, tag: 0, attempt: "a".to_owned(), usage, bills_full, produced: 0, has_ended: false }
    }

    #[test]
    fn an_aborted_call_bills_what_was_produced() {
        let mut call = call(false);
        call.produce();
        call.produce();
        assert_eq!(call.billed(Ending::Aborted), (7, 2));
    }

    #[test]
    fn an_aborted_call_bills_everything_where_the_provider_does() {
        assert_eq!(call(true).billed(Ending::Aborted), (7, 10));
    }

    #[test]
    fn a_refused_call_bills_nothing() {
        assert_eq!(call(true).billed(Ending::Refused), (0, 0));
    }

    #[test]
    fn a_whole_answer_bills_all_its_tokens() {
        let mut call = call(false);
        call.end_whole();
        assert_eq!(call.billed(Ending::Whole), (7, 10));
    }
}
