//! Money on the wire: decimal dollars as a JSON number or a text, exactly as they are written.
//!
//! Numbers are read from their text and written as their text, so that no amount passes through a float.

use domain::Money;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Longest number that is looked at, and largest exponent: more digits than any amount has.
const TEXT_MAX: usize = 64;
const EXPONENT_MAX: i32 = 20;

/// An amount as callers send and get it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Amount(pub Money);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        let text = match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(inner) => inner,
            None => text,
        };
        let money = read(text).filter(|money| *money >= Money::ZERO);
        money.map(Amount).ok_or_else(|| {
            let shown: String = text.chars().take(TEXT_MAX).collect();
            D::Error::custom(format!(
                "{shown} is not an amount: expected dollars, not negative, with at most nine decimals"
            ))
        })
    }
}

/// Reads a decimal; an exponent is as good as any other way to place the point, since JSON's writers use it.
fn read(text: &str) -> Option<Money> {
    if text.len() > TEXT_MAX {
        return None;
    }
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return trimmed(text).parse().ok();
    };
    let exponent: i32 = exponent.parse().ok().filter(|e: &i32| e.abs() <= EXPONENT_MAX)?;
    let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let zeros = "0".repeat(EXPONENT_MAX.unsigned_abs() as usize);
    let all = format!("{zeros}{whole}{fraction}{zeros}");
    let point = i32::try_from(zeros.len() + whole.len()).ok()? + exponent;
    let (whole, fraction) = all.split_at_checked(usize::try_from(point).ok()?)?;
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    trimmed(&format!("{sign}{whole}.{fraction}")).parse().ok()
}

/// Without zeros at the end of the fraction.
fn trimmed(text: &str) -> &str {
    if text.contains('.') && !text.ends_with('.') {
        return text.trim_end_matches('0').trim_end_matches('.');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_read_exactly() {
        for (json, dollars) in [
            ("50", "50"),
            ("\"50\"", "50"),
            ("0.1", "0.1"),
            ("12.500000000000", "12.5"),
            ("0.000000001", "0.000000001"),
            ("1e-9", "0.000000001"),
            ("1.5E3", "1500"),
            ("1.0", "1"),
            ("0", "0"),
            ("\"9223372036.854775807\"", "9223372036.854775807"),
        ] {
            let amount: Amount = serde_json::from_str(json).unwrap();
            assert_eq!(amount.0.to_string(), dollars, "{json}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for json in ["-1", "\"x\"", "true", "[]", "1e99", "0.0000000001", "1e-10", "\"\"", "1e+300", "\"1.\""]
        {
            assert!(serde_json::from_str::<Amount>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn an_amount_is_written_as_a_number() {
        let amount = Amount("0.0000125".parse().unwrap());
        assert_eq!(serde_json::to_string(&amount).unwrap(), "0.0000125");
    }
}
