//! Times on the wire: RFC 3339.

use crate::Problem;
use domain::Timestamp;

/// Reads a time such as `2026-08-07T00:00:00Z`; a date alone is its midnight UTC.
pub fn read(name: &str, text: &str) -> Result<Timestamp, Problem> {
    let midnight = format!("{text}T00:00:00Z");
    let is_date = text.len() == "2026-08-07".len();
    let parsed: Result<jiff::Timestamp, _> = if is_date { midnight.parse() } else { text.parse() };
    parsed.map(|time| Timestamp::from_unix_ms(time.as_millisecond())).map_err(|_| {
        let shown: String = text.chars().take(64).collect();
        Problem::invalid(format!("{name}: {shown:?} is not a time such as 2026-08-07T00:00:00Z"))
    })
}

/// Writes a time, in UTC.
pub fn write(at: Timestamp) -> String {
    let time = jiff::Timestamp::from_millisecond(at.unix_ms());
    time.map_or_else(|_| at.unix_ms().to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_dates_are_read() {
        for (text, ms) in [
            ("1970-01-02T00:00:00Z", 86_400_000),
            ("1970-01-02T01:00:00.5+01:00", 86_400_500),
            ("1970-01-02", 86_400_000),
        ] {
            assert_eq!(read("start", text).unwrap().unix_ms(), ms, "{text}");
        }
        for text in ["", "tomorrow", "1970-13-02", "1970-01-02T00:00:00", "12345678"] {
            assert!(read("start", text).is_err(), "{text}");
        }
        assert_eq!(write(Timestamp::from_unix_ms(86_400_000)), "1970-01-02T00:00:00Z");
    }
}
