//! Which beginnings of prompts are kept at Google, and which would pay.
//!
//! Google keeps prompts by itself, at no cost and without a promise. A beginning is kept on purpose, for a rent, only
//! where Google's own cache was seen to fail: a call that came after an earlier one with the same beginning had ended
//! read it anew, twice within the time that it would have been kept. See ADR 0021.

use aws_lc_rs::digest::{Context, SHA256};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a beginning is kept.
pub const LIFETIME: Duration = Duration::from_mins(5);
/// Tokens that a beginning must have, at about four bytes each: the most that a model demands is 4,096 at the Gemini API and
/// 6,144 at Vertex AI (`min_cache_tokens` in the catalogue).
pub const BYTES_MIN: u64 = 4 * 6_144;
/// It is not named so shortly before its end.
const MARGIN: Duration = Duration::from_secs(30);
/// How often Google's own cache must have failed.
const MISSES: usize = 2;
/// How long nothing is tried where keeping was refused.
const PAUSE: Duration = Duration::from_hours(1);
/// Who keeps one at the moment is given up after so long.
const MAKING: Duration = Duration::from_mins(2);
/// Beginnings that are watched.
const WATCHED_MAX: usize = 10_000;

/// Whose beginning, at which provider, for which model.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of these parts.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        Self(key)
    }
}

/// What is to be done with a beginning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nothing.
    Leave,
    /// It goes as it is, and how it was read is reported.
    Watch,
    /// It is kept, then named.
    Keep,
    /// It is named.
    Name(String),
}

#[derive(Debug)]
enum State {
    Watched {
        /// When a call with it had ended for the first time.
        since: Option<Instant>,
        misses: Vec<Instant>,
        last: Instant,
    },
    Making(Instant),
    Kept {
        name: String,
        until: Instant,
    },
    Refused(Instant),
}

impl State {
    fn is_over(&self, now: Instant) -> bool {
        let passed = |since: &Instant, time: Duration| now.saturating_duration_since(*since) >= time;
        match self {
            State::Watched { last, .. } => passed(last, LIFETIME),
            State::Making(since) => passed(since, MAKING),
            State::Kept { until, .. } => now + MARGIN >= *until,
            State::Refused(since) => passed(since, PAUSE),
        }
    }
}

/// What is known of beginnings. Small, and behind one short lock that only calls with `auto_cache` take.
#[derive(Debug, Default)]
pub struct KeptPrompts(Mutex<HashMap<Key, State>>);

impl KeptPrompts {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to do with a beginning now. Who is told to keep it says what came of that.
    pub fn plan(&self, key: Key, now: Instant) -> Step {
        let mut states = self.lock();
        if states.get(&key).is_some_and(|state| state.is_over(now)) {
            states.remove(&key);
        }
        match states.get_mut(&key) {
            Some(State::Kept { name, .. }) => return Step::Name(name.clone()),
            Some(State::Making(_) | State::Refused(_)) => return Step::Leave,
            Some(State::Watched { misses, last, .. }) => {
                *last = now;
                misses.retain(|miss| now.saturating_duration_since(*miss) < LIFETIME);
                if misses.len() < MISSES {
                    return Step::Watch;
                }
            }
            None => {
                if states.len() >= WATCHED_MAX {
                    states.retain(|_, state| !state.is_over(now));
                }
                if states.len() >= WATCHED_MAX {
                    return Step::Leave;
                }
                states.insert(key, State::Watched { since: None, misses: Vec::new(), last: now });
                return Step::Watch;
            }
        }
        states.insert(key, State::Making(now));
        Step::Keep
    }

    /// How a call that began then has read a beginning which it sent whole: from Google's own cache, or anew.
    pub fn report(&self, key: Key, began: Instant, was_cached: bool, now: Instant) {
        let mut states = self.lock();
        let Some(State::Watched { since, misses, .. }) = states.get_mut(&key) else { return };
        match since {
            None => *since = Some(now),
            Some(_) if was_cached => misses.clear(),
            Some(since) if *since <= began && misses.len() < MISSES => misses.push(now),
            Some(_) => {}
        }
    }

    /// A beginning is kept under this name since then.
    pub fn kept(&self, key: Key, name: String, since: Instant) {
        self.lock().insert(key, State::Kept { name, until: since + LIFETIME });
    }

    /// It could not be kept.
    pub fn refused(&self, key: Key, now: Instant) {
        self.lock().insert(key, State::Refused(now));
    }

    /// It is as if it had never been seen: nobody could pay for it, or it is no longer there.
    pub fn forget(&self, key: Key) {
        self.lock().remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_kept_once_googles_own_cache_has_failed_twice() {
        let (prompts, key, start) = (KeptPrompts::default(), Key::of([&b"a"[..]]), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for begun in [0, 0, 10, 20] {
            assert_eq!(prompts.plan(key, at(begun)), Step::Watch, "{begun}");
            // Those who began before the first had ended could not have read what it left.
            prompts.report(key, at(begun), false, at(begun + 5));
        }
        assert_eq!(prompts.plan(key, at(30)), Step::Keep);
        assert_eq!(prompts.plan(key, at(31)), Step::Leave, "one keeps it");
        prompts.kept(key, "k".to_owned(), at(32));
        assert_eq!(prompts.plan(key, at(40)), Step::Name("k".to_owned()));
        assert_eq!(prompts.plan(key, at(32 + 300 - 30)), Step::Watch, "its time is over");
        assert_eq!(prompts.plan(Key::of([&b""[..], b"a"]), at(40)), Step::Watch, "another one");
    }

    #[test]
    fn what_google_reads_from_its_cache_costs_no_rent() {
        let (prompts, key, now) = (KeptPrompts::default(), Key::of([&b"a"[..]]), Instant::now());
        for was_cached in [false, false, true, false, true, false] {
            assert_eq!(prompts.plan(key, now), Step::Watch);
            prompts.report(key, now + Duration::from_secs(1), was_cached, now);
        }
    }

    #[test]
    fn a_refusal_is_remembered_and_misses_are_not_for_long() {
        let (prompts, key, start) = (KeptPrompts::default(), Key::of([&b"a"[..]]), Instant::now());
        prompts.refused(key, start);
        assert_eq!(prompts.plan(key, start + PAUSE - MARGIN), Step::Leave);
        assert_eq!(prompts.plan(key, start + PAUSE), Step::Watch);
        for _ in 0..3 {
            prompts.report(key, start + PAUSE, false, start + PAUSE);
        }
        assert_eq!(prompts.plan(key, start + PAUSE + LIFETIME), Step::Watch);
        prompts.forget(key);
        assert_eq!(prompts.plan(key, start + PAUSE + LIFETIME), Step::Watch);
    }
}
