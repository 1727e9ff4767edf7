//! How far the process has come between its start and its end.

use std::sync::atomic::{AtomicU8, Ordering};

/// What is done with calls, and what load balancers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not everything is up: calls are refused.
    Starting,
    /// Calls are served.
    Serving,
    /// Calls are served, and load balancers are told to send no more.
    Leaving,
    /// Running calls end, new ones are refused.
    Stopping,
}

/// The phase of the process. It only moves forward.
#[derive(Debug, Default)]
pub struct Progress(AtomicU8);

impl Progress {
    /// Moves on to a phase; one that has passed already changes nothing.
    pub fn advance(&self, phase: Phase) {
        self.0.fetch_max(phase as u8, Ordering::AcqRel);
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Serving,
            2 => Phase::Leaving,
            _ => Phase::Stopping,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_never_goes_back() {
        let progress = Progress::default();
        assert_eq!(progress.phase(), Phase::Starting);
        for phase in [Phase::Serving, Phase::Leaving, Phase::Stopping] {
            progress.advance(phase);
            assert_eq!(progress.phase(), phase);
        }
        progress.advance(Phase::Serving);
        assert_eq!(progress.phase(), Phase::Stopping);
    }
}
