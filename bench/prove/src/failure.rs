//! The one error of this program: what did not work, for the person at the terminal.

use std::fmt::{self, Display};

/// Why a proof could not be carried out, or does not hold.
#[derive(Debug, PartialEq)]
pub struct Failure(String);

impl Failure {
    pub fn new(message: impl Into<String>) -> Failure {
        Failure(message.into())
    }
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Says what was attempted when a library function failed.
pub trait Context<T> {
    fn context(self, attempt: impl Display) -> Result<T, Failure>;
}

impl<T, E: Display> Context<T> for Result<T, E> {
    fn context(self, attempt: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("{attempt}: {error}")))
    }
}
