//! Jobs: work that a provider takes on and answers later. What is asked next, given the last answer; whoever asks, waits
//! and holds the bounds is the gateway.
//!
//! The request that a call begins with is written by [`crate::protocol::images`] or [`crate::protocol::sound`], with the
//! job that follows it.

mod assemblyai;
mod black_forest_labs;

use crate::protocol::images::Pictures;
use crate::protocol::sound::Transcript;
use crate::protocol::{TranslateError, bounded};
pub(crate) use assemblyai::AssemblyAi;
pub(crate) use black_forest_labs::BlackForestLabs;

/// A job, and how far it is.
#[derive(Clone, PartialEq, Debug)]
pub struct Job(Vendor);

#[derive(Clone, PartialEq, Debug)]
enum Vendor {
    BlackForestLabs(BlackForestLabs),
    AssemblyAi(AssemblyAi),
}

/// How far a job is, by what was asked last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Nothing that the provider bills was asked for.
    Preparing,
    /// It was asked to do the work: it bills that unless it refuses.
    Submitting,
    /// It has taken the work on.
    Working,
}

/// Where something is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// At the route's address, with these segments in place of the last one.
    Beside(Vec<String>),
    /// At an address that an answer told, which must be one of the provider's own.
    Told(String),
    /// The same of a file, for which no credential is needed, so none is shown.
    File(String),
}

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ask {
    /// Where.
    pub place: Place,
    /// A JSON body to post. `None`: it is only looked at, which may be done again.
    pub body: Option<Vec<u8>>,
}

/// What comes after an answer.
#[derive(Clone, PartialEq, Debug)]
pub enum Next {
    /// This is asked, at once.
    Ask(Ask),
    /// The work is not done: this is asked after a pause.
    Wait(Ask),
    /// It is done.
    Done(Product),
    /// It has failed.
    Failed {
        /// What happened, for people; at most as long as other errors of providers.
        message: String,
        /// Whether the provider bills it, as far as it says.
        is_billed: bool,
    },
}

/// What a job has made.
#[derive(Clone, PartialEq, Debug)]
pub enum Product {
    /// Pictures.
    Pictures(Pictures<'static>),
    /// What was said.
    Transcript(Transcript),
}

impl Job {
    /// How far it is.
    pub fn progress(&self) -> Progress {
        match &self.0 {
            Vendor::BlackForestLabs(job) => job.progress(),
            Vendor::AssemblyAi(job) => job.progress(),
        }
    }

    /// Reads the answer to what was asked last. Fails where it cannot be read; the job is then over.
    pub fn next(&mut self, answer: &[u8]) -> Result<Next, TranslateError> {
        match &mut self.0 {
            Vendor::BlackForestLabs(job) => job.next(answer),
            Vendor::AssemblyAi(job) => job.next(answer),
        }
    }
}

impl From<BlackForestLabs> for Job {
    fn from(job: BlackForestLabs) -> Self {
        Self(Vendor::BlackForestLabs(job))
    }
}

impl From<AssemblyAi> for Job {
    fn from(job: AssemblyAi) -> Self {
        Self(Vendor::AssemblyAi(job))
    }
}

impl Ask {
    fn look(place: Place) -> Self {
        Self { place, body: None }
    }
}

impl Next {
    fn failed(message: &str, is_billed: bool) -> Self {
        Next::Failed { message: bounded(message), is_billed }
    }
}

/// Reads an answer of some type.
fn read<'a, T: serde::Deserialize<'a>>(answer: &'a [u8]) -> Result<T, TranslateError> {
    serde_json::from_slice(answer).map_err(|error| unreadable(error.to_string()))
}

fn unreadable(message: impl Into<String>) -> TranslateError {
    TranslateError::InvalidResponse { message: message.into() }
}

#[cfg(test)]
mod tests;
