//! Money in integer nano-dollars, prices in nano-dollars per million units, rounding in one place.
//!
//! $0.0375 per million tokens is 37.5 nano-dollars a token: a per-token integer would lose the half, a
//! per-million integer is exact. `i64` nano-dollars reach 9.2 billion dollars.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

const NANO_PER_DOLLAR: i64 = 1_000_000_000;
const FRACTION_DIGITS: usize = 9;

/// A text that is not a decimal amount, or one that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal amount with at most nine digits after the point: {0:?}")]
pub struct AmountError(String);

/// An amount in nano-dollars (10⁻⁹ USD). Written and read as decimal dollars.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Money(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);

    /// An amount from its nano-dollars.
    pub const fn from_nano(nano: i64) -> Self {
        Self(nano)
    }

    /// The amount in nano-dollars.
    pub const fn nano(self) -> i64 {
        self.0
    }

    /// Adds, staying at the largest amount instead of wrapping around.
    pub const fn saturating_add(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }
}

impl Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        self.saturating_add(other)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        *self = *self + other;
    }
}

impl Sub for Money {
    type Output = Money;
    fn sub(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Money {
        amounts.fold(Money::ZERO, Add::add)
    }
}

/// Decimal dollars without trailing zeros: `0.0000125`, `3`, `-0.5`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let scale = NANO_PER_DOLLAR.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, mut fraction) = (magnitude / scale, magnitude % scale);
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let mut width = FRACTION_DIGITS;
        while fraction % 10 == 0 {
            fraction /= 10;
            width -= 1;
        }
        write!(f, "{sign}{whole}.{fraction:0width$}")
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${self}")
    }
}

impl FromStr for Money {
    type Err = AmountError;
    fn from_str(text: &str) -> Result<Self, AmountError> {
        let refuse = || AmountError(text.to_owned());
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        let malformed = whole.is_empty()
            || fraction.len() > FRACTION_DIGITS
            || (digits.contains('.') && fraction.is_empty());
        if malformed || !all_digits(whole) || !all_digits(fraction) {
            return Err(refuse());
        }
        let whole: i64 = whole.parse().map_err(|_| refuse())?;
        let fraction: i64 = format!("{fraction:0<FRACTION_DIGITS$}").parse().map_err(|_| refuse())?;
        let nano =
            whole.checked_mul(NANO_PER_DOLLAR).and_then(|n| n.checked_add(fraction)).ok_or_else(refuse)?;
        Ok(Money(if negative { -nano } else { nano }))
    }
}

/// A price in nano-dollars per million units (tokens, images, seconds, requests).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Price(i64);

impl Price {
    /// Free of charge.
    pub const ZERO: Price = Price(0);

    /// What a million units cost.
    pub const fn per_million(amount: Money) -> Self {
        Self(amount.nano())
    }

    /// What one unit costs, for things sold by the piece.
    pub const fn per_unit(amount: Money) -> Self {
        Self(amount.nano().saturating_mul(1_000_000))
    }

    /// What a thousand units cost.
    pub const fn per_thousand(amount: Money) -> Self {
        Self(amount.nano().saturating_mul(1_000))
    }

    /// What a million units cost.
    pub const fn amount_per_million(self) -> Money {
        Money(self.0)
    }

    /// How many units an amount pays for. What is free is paid for without end.
    pub fn units_for(self, amount: Money) -> u64 {
        if self.0 <= 0 {
            return u64::MAX;
        }
        let units = i128::from(amount.nano().max(0)) * 1_000_000 / i128::from(self.0);
        u64::try_from(units).unwrap_or(u64::MAX)
    }

    /// The exact price of `units`, in 10⁻¹⁵ dollars: summed over all kinds before [`round`] is called once.
    pub const fn times(self, units: u64) -> i128 {
        self.0 as i128 * units as i128
    }
}

/// A factor on prices, in billionths: `1.1` for a region, `2` for more speed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Factor(i64);

impl Factor {
    /// Changes nothing.
    pub const ONE: Factor = Factor(NANO_PER_DOLLAR);

    /// The factor that is written like an amount: `1.1`.
    pub const fn from_amount(amount: Money) -> Self {
        Self(amount.nano())
    }

    /// Both factors, the last of their digits rounded up.
    #[must_use]
    pub fn and(self, other: Factor) -> Factor {
        Factor(share_up(self.0, other.0, NANO_PER_DOLLAR))
    }

    /// A price times the factor, rounded up: for what something may cost at the most.
    pub fn raise(self, price: Price) -> Price {
        Price(share_up(price.0, self.0, NANO_PER_DOLLAR))
    }
}

impl Price {
    /// This price in the proportion of two others, rounded up. Of what is free nothing follows: it stays.
    #[must_use]
    pub fn in_proportion(self, of: Price, to: Price) -> Price {
        if to.0 <= 0 { self } else { Price(share_up(self.0, of.0, to.0)) }
    }
}

/// `amount × numerator ÷ denominator`, rounded up.
fn share_up(amount: i64, numerator: i64, denominator: i64) -> i64 {
    let product = i128::from(amount) * i128::from(numerator);
    let denominator = i128::from(denominator);
    let quotient = product.div_euclid(denominator) + i128::from(product.rem_euclid(denominator) > 0);
    i64::try_from(quotient).unwrap_or(if quotient < 0 { i64::MIN } else { i64::MAX })
}

/// Rounds two sums of [`Price::times`], one with a factor on it and one without, to nano-dollars, half up. Called once
/// per request, nowhere else.
pub fn round(factor: Factor, tokens: i128, rest: i128) -> Money {
    let scale = i128::from(NANO_PER_DOLLAR);
    let sum = tokens.saturating_mul(i128::from(factor.0)).saturating_add(rest.saturating_mul(scale));
    let nano = sum.saturating_add(500_000 * scale).div_euclid(1_000_000 * scale);
    Money(i64::try_from(nano).unwrap_or(if nano < 0 { i64::MIN } else { i64::MAX }))
}

/// Rounds a sum of [`Price::times`] up to nano-dollars: for what something may cost at the most.
pub fn round_up(femto: i128) -> Money {
    let nano = (femto + 999_999).div_euclid(1_000_000);
    Money(i64::try_from(nano).unwrap_or(if nano < 0 { i64::MIN } else { i64::MAX }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_read_and_write_as_decimals() {
        for text in ["0", "3", "0.5", "0.000000001", "12.345678901", "-0.25", "9223372036.854775807"] {
            assert_eq!(text.parse::<Money>().map(|m| m.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", ".", "1.", ".5", "1e3", "0.0000000001", "1,5", "--1", "9223372037", " 1", "+1"] {
            assert!(text.parse::<Money>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn half_a_nano_dollar_rounds_up() {
        let price = Price::per_million("0.0375".parse().unwrap());
        assert_eq!(round(Factor::ONE, price.times(1), 0), Money::from_nano(38));
        assert_eq!(round(Factor::ONE, price.times(2), 0), Money::from_nano(75));
    }

    #[test]
    fn a_factor_is_exact_and_rounds_once() {
        let factor = Factor::from_amount("1.1".parse().unwrap());
        let price = Price::per_million("0.0375".parse().unwrap());
        // 41.25 and 82.5 nano-dollars, and one for something else.
        assert_eq!(round(factor, price.times(1), 0), Money::from_nano(41));
        assert_eq!(round(factor, price.times(2), 1_000_000), Money::from_nano(84));
        assert_eq!(factor.and(Factor::from_amount("2".parse().unwrap())).raise(price).0, 82_500_000);
        assert_eq!(Factor(1).raise(price), Price(1));
        assert_eq!(Factor::ONE.raise(price), price);
    }

    #[test]
    fn proportions_round_up() {
        assert_eq!(Price(10).in_proportion(Price(1), Price(3)), Price(4));
        assert_eq!(Price(10).in_proportion(Price(1), Price(0)), Price(10));
    }

    proptest! {
        #[test]
        fn every_amount_survives_its_text(nano in i64::MIN + 1..i64::MAX) {
            let money = Money::from_nano(nano);
            prop_assert_eq!(money.to_string().parse::<Money>(), Ok(money));
        }
    }
}
