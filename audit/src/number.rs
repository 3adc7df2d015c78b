//! Numbers as chargers write them: exact, or none. A value that would have to be rounded is no
//! fact, so nothing here goes by way of binary fractions.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

/// Longest text that is read as a number, in bytes.
const NUMBER_BYTES_MAX: usize = 64;

/// Largest power of ten that a value is multiplied or divided by.
const EXPONENT_MAX: u32 = 28;

/// A decimal without an exponent.
pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    if text.len() > NUMBER_BYTES_MAX {
        return None;
    }
    Decimal::from_str_exact(text).ok()
}

/// A number as JSON writes it: with an exponent or without.
pub(crate) fn json_number(text: &str) -> Option<Decimal> {
    match text.split_once(['e', 'E']) {
        None => decimal(text),
        Some((digits, exponent)) => times_power_of_ten(decimal(digits)?, exponent.parse().ok()?),
    }
}

/// An integer, however JSON writes it: `17.0` and `1.7e1` are 17.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let whole = |number: &Decimal| number.fract().is_zero();
    text.parse().ok().or_else(|| json_number(text).filter(whole)?.to_i64())
}

/// A value with its point moved; `None` where it has no room for that.
pub(crate) fn times_power_of_ten(mut value: Decimal, exponent: i32) -> Option<Decimal> {
    let (scale, by) = (value.scale(), exponent.unsigned_abs());
    if by > EXPONENT_MAX {
        return value.is_zero().then_some(Decimal::ZERO);
    }
    if exponent < 0 {
        value.set_scale(scale + by).ok()?;
        return Some(value);
    }
    value.set_scale(scale.saturating_sub(by)).ok()?;
    match by.checked_sub(scale) {
        Some(further) => value.checked_mul(Decimal::from(10_u128.pow(further))),
        None => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_or_none() {
        for (text, expected) in [
            ("12345.700000000001", Some("12345.700000000001")),
            ("9007199254740993", Some("9007199254740993")),
            ("-0.0", Some("0.0")),
            ("1.5E3", Some("1500")),
            ("1.25e1", Some("12.5")),
            ("15e-1", Some("1.5")),
            ("0e99", Some("0")),
            ("1e29", None),
            ("1e-29", None),
            ("1e99999999999", None),
            ("79228162514264337593543950336", None),
            ("0.00000000000000000000000000001", None),
            ("1,5", None),
            ("", None),
        ] {
            let value = json_number(text);
            assert_eq!(value, expected.map(|text| text.parse().unwrap()), "{text}");
        }
        assert_eq!(decimal("1e3"), None);
        assert_eq!(decimal(&"0".repeat(NUMBER_BYTES_MAX + 1)), None);
    }

    #[test]
    fn integers_are_read_in_any_spelling() {
        for (text, expected) in [
            ("17", Some(17)),
            ("-1", Some(-1)),
            ("17.0", Some(17)),
            ("1.7e1", Some(17)),
            ("170E-1", Some(17)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("17.5", None),
            ("1e-1", None),
            ("", None),
        ] {
            assert_eq!(integer(text), expected, "{text}");
        }
    }
}
