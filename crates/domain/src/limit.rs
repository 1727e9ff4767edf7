//! Spending limits: whose money, in which window, how much.
//!
//! A call counts against every [`Scope`] it belongs to. A [`Window`] is named by its start, so a new day is
//! another window with counters of its own and nothing is ever reset.

use crate::id::{GroupId, IdError, KeyId, OrgId, ProjectId, ServiceAccountId, UserId};
use crate::money::Money;
use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;

/// Whose spending is counted together. Written as the id of the one it is: `key_…`, `org_…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// The whole organization.
    Organization(OrgId),
    /// A project within it.
    Project(ProjectId),
    /// A group of users.
    Group(GroupId),
    /// One user, over all keys.
    User(UserId),
    /// A service account, over all keys.
    ServiceAccount(ServiceAccountId),
    /// One API key.
    Key(KeyId),
}

impl Scope {
    /// The word for people: `key`, `organization`, …
    pub const fn kind(self) -> &'static str {
        match self {
            Scope::Organization(_) => "organization",
            Scope::Project(_) => "project",
            Scope::Group(_) => "group",
            Scope::User(_) => "user",
            Scope::ServiceAccount(_) => "service account",
            Scope::Key(_) => "API key",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Organization(id) => id.fmt(f),
            Scope::Project(id) => id.fmt(f),
            Scope::Group(id) => id.fmt(f),
            Scope::User(id) => id.fmt(f),
            Scope::ServiceAccount(id) => id.fmt(f),
            Scope::Key(id) => id.fmt(f),
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Scope {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.split_once('_').map(|(prefix, _)| prefix) {
            Some("org") => text.parse().map(Scope::Organization),
            Some("proj") => text.parse().map(Scope::Project),
            Some("grp") => text.parse().map(Scope::Group),
            Some("user") => text.parse().map(Scope::User),
            Some("sa") => text.parse().map(Scope::ServiceAccount),
            _ => text.parse().map(Scope::Key),
        }
    }
}

/// The stretch of time a limit looks at, in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Window {
    /// From midnight to midnight.
    Day,
    /// A calendar month.
    Month,
    /// All time.
    Total,
}

impl Window {
    /// All windows, in the order in which [`Windows::starts`] has their starts.
    pub const ALL: [Window; 3] = [Window::Day, Window::Month, Window::Total];

    /// The word used in storage and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Window::Day => "day",
            Window::Month => "month",
            Window::Total => "total",
        }
    }

    /// Its place in [`Window::ALL`].
    pub const fn index(self) -> usize {
        match self {
            Window::Day => 0,
            Window::Month => 1,
            Window::Total => 2,
        }
    }
}

/// A text that names no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a window: expected day, month or total")]
pub struct WindowError;

impl FromStr for Window {
    type Err = WindowError;
    fn from_str(text: &str) -> Result<Self, WindowError> {
        Window::ALL.into_iter().find(|window| window.as_str() == text).ok_or(WindowError)
    }
}

/// The windows that an instant lies in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Windows {
    /// The start of each window of [`Window::ALL`]; zero for all time.
    pub starts: [Timestamp; 3],
}

const DAY_MS: i64 = 86_400_000;

impl Windows {
    /// The windows of an instant.
    pub fn at(instant: Timestamp) -> Self {
        let days = instant.unix_ms().div_euclid(DAY_MS);
        let first_of_month = days - i64::from(day_of_month(days)) + 1;
        let start = |days: i64| Timestamp::from_unix_ms(days.saturating_mul(DAY_MS));
        Self { starts: [start(days), start(first_of_month), Timestamp::from_unix_ms(0)] }
    }

    /// The start of one of them.
    pub const fn start(&self, window: Window) -> Timestamp {
        self.starts[window.index()]
    }

    /// Whether an instant lies in the same windows.
    pub fn hold(&self, instant: Timestamp) -> bool {
        let [day, _, _] = self.starts;
        (0..DAY_MS).contains(&(instant.unix_ms() - day.unix_ms()))
    }
}

/// The day of the month, from 1, of a day counted from 1970-01-01. Beyond the calendar's end, years after
/// 9999, every day is a month of its own.
fn day_of_month(days: i64) -> i8 {
    let epoch = jiff::civil::Date::constant(1970, 1, 1);
    let date = jiff::Span::new().try_days(days).and_then(|span| epoch.checked_add(span));
    date.map_or(1, jiff::civil::Date::day)
}

/// What happens where a limit would be passed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Enforcement {
    /// The call is refused, or made to fit: spending never passes the limit.
    Hard,
    /// The call goes on, and a warning says so.
    Soft,
}

impl Enforcement {
    /// The word used in storage and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Enforcement::Hard => "hard",
            Enforcement::Soft => "soft",
        }
    }
}

/// A spending limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// Whose spending.
    pub scope: Scope,
    /// In which window.
    pub window: Window,
    /// How much at the most.
    pub amount: Money,
    /// What happens where it would be passed.
    pub enforcement: Enforcement,
}

/// How often and how much a scope may call. Nothing set: no bound.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct RateLimit {
    /// Requests in a minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens in a minute, prompt and answer together.
    pub tokens_per_minute: Option<u64>,
    /// Calls at the same time.
    pub concurrent: Option<u32>,
}

impl RateLimit {
    /// Whether nothing is bounded.
    pub fn is_empty(&self) -> bool {
        *self == RateLimit::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> Timestamp {
        Timestamp::from_unix_ms(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn windows_begin_at_midnight_and_on_the_first() {
        for (instant, day, month) in [
            ("2026-11-26T05:07:54.123Z", "2026-11-26T00:00:00Z", "2026-11-01T00:00:00Z"),
            ("2028-02-29T23:59:59.999Z", "2028-02-29T00:00:00Z", "2028-02-01T00:00:00Z"),
            ("2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ] {
            let windows = Windows::at(ms(instant));
            assert_eq!(windows.start(Window::Day), ms(day), "{instant}");
            assert_eq!(windows.start(Window::Month), ms(month), "{instant}");
            assert_eq!(windows.start(Window::Total), Timestamp::from_unix_ms(0));
            assert!(windows.hold(ms(instant)) && windows.hold(ms(day)));
            assert!(!windows.hold(Timestamp::from_unix_ms(ms(day).unix_ms() - 1)));
        }
    }

    #[test]
    fn the_last_instant_of_time_has_windows_too() {
        let last = Timestamp::from_unix_ms(i64::MAX);
        assert!(Windows::at(last).start(Window::Month) <= last);
    }

    #[test]
    fn a_scope_reads_back_as_it_was_written() {
        let at = Timestamp::from_unix_ms(7);
        for scope in [
            Scope::Organization(OrgId::from_parts(at, [1; 10])),
            Scope::Project(ProjectId::from_parts(at, [1; 10])),
            Scope::Group(GroupId::from_parts(at, [1; 10])),
            Scope::User(UserId::from_parts(at, [1; 10])),
            Scope::ServiceAccount(ServiceAccountId::from_parts(at, [1; 10])),
            Scope::Key(KeyId::from_parts(at, [1; 10])),
        ] {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        assert!("grp_12".parse::<Scope>().is_err() && "".parse::<Scope>().is_err());
    }
}
