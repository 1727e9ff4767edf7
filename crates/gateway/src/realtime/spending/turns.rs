//! Turns of speech: whether the model answers them by itself, and how many may end before we read of the first one's
//! answer.

use super::{ANSWERS_MAX, SOUND_BYTES_PER_SECOND, Spending};
use crate::realtime::pace;
use llm::realtime::SILENCE_MILLIS;

impl Spending {
    /// Whether the model may begin an answer that nobody has asked for: it has heard something, and takes turns by ear, or
    /// breaks a silence.
    pub(super) fn begins_by_itself(&self) -> bool {
        self.has_tools_of_provider || self.answers_silence || self.answers_speech()
    }

    fn answers_speech(&self) -> bool {
        self.answers_by_itself && self.sound_bytes > 0
    }

    /// How many answers it may begin so before we know of the first.
    ///
    /// A turn ends with a silence, so within a piece of sound, and what may come at once before it, there end no more turns
    /// than there are silences as long as that. Where no hard limit applies, and after a silence: one.
    pub(super) fn ahead(&self) -> u64 {
        if !self.begins_by_itself() {
            return 0;
        }
        if !self.is_limited || !self.answers_speech() {
            return 1;
        }
        let turns = pace::at_once_millis(self.longest_piece_millis).div_ceil(self.silence_millis().max(1));
        turns.clamp(1, ANSWERS_MAX as u64)
    }

    /// The silence that ends a turn: the shortest of what is confirmed and of what was asked for since.
    fn silence_millis(&self) -> u64 {
        let confirmed = self.confirmed.silence_millis.unwrap_or(SILENCE_MILLIS);
        let asked = self.changes.iter().filter_map(|change| change.silence_millis);
        asked.fold(confirmed, u64::min)
    }

    /// Bytes of sound that are taken in a second: the fewest of what is confirmed and of what was asked for since. `None`: as
    /// many as come.
    pub fn sound_bytes_per_second(&self) -> Option<u64> {
        let confirmed = self.confirmed.sound_bytes_per_second.unwrap_or(SOUND_BYTES_PER_SECOND);
        let asked = self.changes.iter().filter_map(|change| change.sound_bytes_per_second);
        (self.is_limited && self.answers_by_itself).then(|| asked.fold(confirmed, u64::min))
    }

    /// A piece of so many bytes of base64 is taken, of which so many are a second.
    pub(super) fn took_piece(&mut self, bytes: u64, per_second: u64) {
        let millis = bytes.saturating_mul(1_000).div_ceil(per_second.max(1));
        self.longest_piece_millis = self.longest_piece_millis.max(millis);
    }
}
