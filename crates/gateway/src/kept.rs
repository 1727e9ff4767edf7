//! Which beginnings of prompts are kept at Google, and which would pay.
//!
//! Google keeps prompts by itself, at no cost and without a promise. A beginning is kept on purpose, for a rent, only
//! where Google's own cache was seen to fail: a call that came after an earlier one with the same beginning had ended
//! read it anew, twice within the time that it would have been kept. See ADR 0021.

use aws_lc_rs::digest::{Context, SHA256};
use domain::OrgId;
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
/// Beginnings that are watched for one organization.
const WATCHED_MAX: usize = 1_000;
/// Those that are over are looked for no more often.
const SWEEP: Duration = Duration::from_secs(1);

/// Whose beginning, at which provider, for which model.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    org: OrgId,
    digest: [u8; 32],
}

impl Key {
    /// The key of these parts, for an organization.
    pub fn of<'a>(org: OrgId, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Self { org, digest }
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

/// What is known of the beginnings of one organization.
#[derive(Debug, Default)]
struct Beginnings {
    states: HashMap<[u8; 32], State>,
    swept: Option<Instant>,
}

impl Beginnings {
    /// Whether one more can be watched.
    fn has_room(&mut self, now: Instant) -> bool {
        let is_due = self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP);
        if self.states.len() >= WATCHED_MAX && is_due {
            self.swept = Some(now);
            self.states.retain(|_, state| !state.is_over(now));
        }
        self.states.len() < WATCHED_MAX
    }
}

/// What is known of beginnings. Small, and behind one short lock that only calls with `auto_cache` take.
#[derive(Debug, Default)]
pub struct KeptPrompts(Mutex<HashMap<OrgId, Beginnings>>);

impl KeptPrompts {
    fn lock(&self) -> MutexGuard<'_, HashMap<OrgId, Beginnings>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, key: Key, state: State) {
        self.lock().entry(key.org).or_default().states.insert(key.digest, state);
    }

    /// What to do with a beginning now. Who is told to keep it says what came of that.
    pub fn plan(&self, key: Key, now: Instant) -> Step {
        let mut all = self.lock();
        let beginnings = all.entry(key.org).or_default();
        if beginnings.states.get(&key.digest).is_some_and(|state| state.is_over(now)) {
            beginnings.states.remove(&key.digest);
        }
        match beginnings.states.get_mut(&key.digest) {
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
                if !beginnings.has_room(now) {
                    return Step::Leave;
                }
                let watched = State::Watched { since: None, misses: Vec::new(), last: now };
                beginnings.states.insert(key.digest, watched);
                return Step::Watch;
            }
        }
        beginnings.states.insert(key.digest, State::Making(now));
        Step::Keep
    }

    /// How a call that began then has read a beginning which it sent whole: from Google's own cache, or anew.
    pub fn report(&self, key: Key, began: Instant, was_cached: bool, now: Instant) {
        let mut all = self.lock();
        let state = all.get_mut(&key.org).and_then(|beginnings| beginnings.states.get_mut(&key.digest));
        let Some(State::Watched { since, misses, .. }) = state else { return };
        match since {
            None => *since = Some(now),
            Some(_) if was_cached => misses.clear(),
            Some(since) if *since <= began && misses.len() < MISSES => misses.push(now),
            Some(_) => {}
        }
    }

    /// A beginning is kept under this name since then.
    pub fn kept(&self, key: Key, name: String, since: Instant) {
        self.set(key, State::Kept { name, until: since + LIFETIME });
    }

    /// It could not be kept.
    pub fn refused(&self, key: Key, now: Instant) {
        self.set(key, State::Refused(now));
    }

    /// It is as if it had never been seen: nobody could pay for it, or it is no longer there.
    pub fn forget(&self, key: Key) {
        if let Some(beginnings) = self.lock().get_mut(&key.org) {
            beginnings.states.remove(&key.digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;

    fn key(org: u8, text: &str) -> Key {
        Key::of(OrgId::from_parts(Timestamp::from_unix_ms(1), [org; 10]), [text.as_bytes()])
    }

    #[test]
    fn one_organizations_beginnings_take_no_others_places() {
        let (prompts, now) = (KeptPrompts::default(), Instant::now());
        for beginning in 0..WATCHED_MAX {
            assert_eq!(prompts.plan(key(1, &beginning.to_string()), now), Step::Watch);
        }
        assert_eq!(prompts.plan(key(1, "one more"), now), Step::Leave);
        assert_eq!(prompts.plan(key(2, "one more"), now), Step::Watch);
        assert_eq!(prompts.plan(key(1, "one more"), now + LIFETIME), Step::Watch, "the others are over");
    }

    #[test]
    fn a_beginning_is_kept_once_googles_own_cache_has_failed_twice() {
        let (prompts, a, start) = (KeptPrompts::default(), key(1, "a"), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for begun in [0, 0, 10, 20] {
            assert_eq!(prompts.plan(a, at(begun)), Step::Watch, "{begun}");
            // Those who began before the first had ended could not have read what it left.
            prompts.report(a, at(begun), false, at(begun + 5));
        }
        assert_eq!(prompts.plan(a, at(30)), Step::Keep);
        assert_eq!(prompts.plan(a, at(31)), Step::Leave, "one keeps it");
        prompts.kept(a, "k".to_owned(), at(32));
        assert_eq!(prompts.plan(a, at(40)), Step::Name("k".to_owned()));
        assert_eq!(prompts.plan(a, at(32 + 300 - 30)), Step::Watch, "its time is over");
        assert_eq!(prompts.plan(key(1, "b"), at(40)), Step::Watch, "another one");
    }

    #[test]
    fn what_google_reads_from_its_cache_costs_no_rent() {
        let (prompts, a, now) = (KeptPrompts::default(), key(1, "a"), Instant::now());
        for was_cached in [false, false, true, false, true, false] {
            assert_eq!(prompts.plan(a, now), Step::Watch);
            prompts.report(a, now + Duration::from_secs(1), was_cached, now);
        }
    }

    #[test]
    fn a_refusal_is_remembered_and_misses_are_not_for_long() {
        let (prompts, a, start) = (KeptPrompts::default(), key(1, "a"), Instant::now());
        prompts.refused(a, start);
        assert_eq!(prompts.plan(a, start + PAUSE - MARGIN), Step::Leave);
        assert_eq!(prompts.plan(a, start + PAUSE), Step::Watch);
        for _ in 0..3 {
            prompts.report(a, start + PAUSE, false, start + PAUSE);
        }
        assert_eq!(prompts.plan(a, start + PAUSE + LIFETIME), Step::Watch);
        prompts.forget(a);
        assert_eq!(prompts.plan(a, start + PAUSE + LIFETIME), Step::Watch);
    }
}
