//! What callers are told of their rate limits, in OpenAI's headers.
//!
//! Names and formats: <https://platform.openai.com/docs/guides/rate-limits>, as of 2026-06-26: limits and what
//! remains are whole numbers, resets are durations such as `12ms`, `1s`, `6m0s`.

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use std::fmt;
use std::time::Duration;

const REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
const TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

/// How far one limit is used up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// The limit, per minute.
    pub limit: u64,
    /// What could be used at once.
    pub remaining: u64,
    /// Until nothing of it is used any more.
    pub reset: Duration,
}

/// How far the limits are used up after a call was admitted: of all scopes, the one with the least left.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Requests a minute, where a scope bounds them.
    pub requests: Option<Room>,
    /// Tokens a minute, where a scope bounds them.
    pub tokens: Option<Room>,
}

impl Standing {
    /// Headers at the most.
    pub const HEADERS: usize = 6;

    /// Writes the headers, in place of those of a provider, whose limits are not the caller's.
    pub fn write(&self, headers: &mut HeaderMap) {
        for (names, room) in [(REQUESTS, self.requests), (TOKENS, self.tokens)] {
            let Some(room) = room else { continue };
            let [limit, remaining, reset] = names;
            headers.insert(limit, HeaderValue::from(room.limit));
            headers.insert(remaining, HeaderValue::from(room.remaining));
            headers.extend(HeaderValue::try_from(Spelled(room.reset).to_string()).ok().map(|v| (reset, v)));
        }
    }
}

/// The one of two rooms that is tighter.
pub(super) fn tighter(a: Option<Room>, b: Room) -> Option<Room> {
    Some(a.filter(|a| a.remaining <= b.remaining).unwrap_or(b))
}

/// A duration as OpenAI spells it, in whole milliseconds, rounded up: `0s`, `12ms`, `1.5s`, `6m0s`, `1h0m0s`.
pub(super) struct Spelled(pub(super) Duration);

impl fmt::Display for Spelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_nanos().div_ceil(1_000_000);
        if (1..1_000).contains(&ms) {
            return write!(f, "{ms}ms");
        }
        let (minutes, seconds, rest) = (ms / 60_000, ms / 1_000 % 60, ms % 1_000);
        match (minutes / 60, minutes % 60) {
            (0, 0) => {}
            (0, minutes) => write!(f, "{minutes}m")?,
            (hours, minutes) => write!(f, "{hours}h{minutes}m")?,
        }
        if rest == 0 {
            return write!(f, "{seconds}s");
        }
        let fraction = format!("{rest:03}");
        write!(f, "{seconds}.{}s", fraction.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_spelled_as_openai_spells_them() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ms"),
            (12_000_000, "12ms"),
            (999_000_001, "1s"),
            (1_500_000_000, "1.5s"),
            (59_999_000_000, "59.999s"),
            (90_050_000_000, "1m30.05s"),
            (360_000_000_000, "6m0s"),
            (3_600_000_000_000, "1h0m0s"),
        ] {
            assert_eq!(Spelled(Duration::from_nanos(nanos)).to_string(), text);
        }
    }

    #[test]
    fn only_what_is_bounded_is_told() {
        let room = Room { limit: 60, remaining: 59, reset: Duration::from_secs(1) };
        let mut headers = HeaderMap::new();
        Standing { requests: Some(room), tokens: None }.write(&mut headers);
        assert_eq!(headers.len(), 3);
        assert_eq!(headers["x-ratelimit-limit-requests"], "60");
        assert_eq!(headers["x-ratelimit-remaining-requests"], "59");
        assert_eq!(headers["x-ratelimit-reset-requests"], "1s");
    }
}
