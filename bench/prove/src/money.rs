//! Amounts in whole nano-dollars, and the two prices every proof works with.

use crate::failure::Failure;

/// Nano-dollars of one dollar.
pub const DOLLAR: i128 = 1_000_000_000;

/// What one token costs, in nano-dollars.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Price {
    pub input: i128,
    pub output: i128,
}

impl Price {
    pub fn of(self, input_tokens: u64, output_tokens: u64) -> i128 {
        self.input * i128::from(input_tokens) + self.output * i128::from(output_tokens)
    }

    /// The lines of the settings file: dollars for a million tokens.
    pub fn settings(self) -> String {
        let per_million = |nano: i128| format!("{}.{:03}", nano / 1000, nano % 1000);
        format!("input = \"{}\"\noutput = \"{}\"\n", per_million(self.input), per_million(self.output))
    }
}

/// Reads decimal dollars, such as `-0.000123456`. More digits than a nano-dollar has must be zeros.
pub fn parse(text: &str) -> Result<i128, Failure> {
    let wrong = || Failure::new(format!("`{text}` is no amount"));
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (kept, beyond) = fraction.split_at_checked(9.min(fraction.len())).ok_or_else(wrong)?;
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty()
        || whole.len() > 18
        || !is_number(whole)
        || !is_number(kept)
        || beyond.bytes().any(|b| b != b'0')
    {
        return Err(wrong());
    }
    let whole: i128 = whole.parse().map_err(|_| wrong())?;
    let nano: i128 = format!("{kept:0<9}").parse().map_err(|_| wrong())?;
    Ok(sign * (whole * DOLLAR + nano))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_to_the_nano_dollar() {
        for (text, nano) in [
            ("0.000123456", 123_456),
            ("1.5", 1_500_000_000),
            ("-2", -2 * DOLLAR),
            ("0.1000000000", 100_000_000),
        ] {
            assert_eq!(parse(text), Ok(nano), "{text}");
        }
        for text in ["", ".5", "1.0000000001", "1e3", "1.-5"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_price_is_written_for_a_million_tokens() {
        let price = Price { input: 100, output: 33_000 };
        assert_eq!(price.settings(), "input = \"0.100\"\noutput = \"33.000\"\n");
        assert_eq!(price.of(10, 2), 67_000);
    }
}
