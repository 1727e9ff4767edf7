//! How fast a caller's sound is taken: no faster than it was spoken, where the model answers by itself and a hard limit
//! applies.
//!
//! Turns of speech are then as far apart when they are heard as they were when they were spoken, but for what may come at
//! once: in that as many may end as it has silences, and for so many answers is held.

use std::time::{Duration, Instant};

/// So much may come at once beside the last piece: what the network held up. With a piece of a quarter of a second less than
/// the silence that ends a turn where nobody says otherwise, so that one answer is held for.
const AHEAD: Duration = Duration::from_millis(200);
/// The longest piece, in seconds.
pub const PIECE_SECONDS_MAX: u64 = 1;
/// Callers' clocks differ from ours: sound of a hundred seconds is taken within so many.
const PERCENT: u32 = 95;

/// Milliseconds of sound that may come at once, where the longest piece has so many.
pub fn at_once_millis(piece_millis: u64) -> u64 {
    (AHEAD * 100 / PERCENT).as_millis() as u64 + piece_millis
}

/// The clock of one session's sound.
#[derive(Debug)]
pub struct Pace {
    /// When all sound that was relayed has been spoken.
    until: Instant,
}

impl Pace {
    /// A clock that has heard nothing.
    pub fn new(now: Instant) -> Self {
        Self { until: now }
    }

    /// So many bytes of base64 were relayed, of which so many are a second.
    pub fn heard(&mut self, bytes: u64, per_second: u64, now: Instant) {
        let millis = bytes.saturating_mul(1_000) / per_second.max(1);
        let lasts = Duration::from_millis(millis) * PERCENT / 100;
        self.until = self.until.max(now) + lasts;
    }

    /// When more may be taken. `None`: now.
    pub fn pause(&self, now: Instant) -> Option<Instant> {
        let next = self.until.checked_sub(AHEAD)?;
        (next > now).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 64_000;

    #[test]
    fn sound_is_taken_as_fast_as_it_was_spoken() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert_eq!(pace.pause(start), None);
        pace.heard(SECOND / 5, SECOND, start);
        assert_eq!(pace.pause(start), None, "a fifth of a second may come at once");
        pace.heard(SECOND, SECOND, start);
        assert_eq!(pace.pause(start), Some(start + Duration::from_millis(940)));
        assert_eq!(pace.pause(start + Duration::from_millis(940)), None);
        // Who was silent has nothing to his credit.
        let later = start + Duration::from_secs(60);
        pace.heard(3 * SECOND, SECOND, later);
        assert_eq!(pace.pause(later), Some(later + Duration::from_millis(2_650)));
    }

    #[test]
    fn a_clock_that_is_a_little_fast_is_never_paused() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for piece in 0..6_000_u64 {
            // Twenty milliseconds of sound in each nineteen and a half.
            let now = start + Duration::from_micros(piece * 19_500);
            assert_eq!(pace.pause(now), None, "{piece}");
            pace.heard(SECOND / 50, SECOND, now);
        }
    }
}
