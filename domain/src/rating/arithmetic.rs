//! Checked decimal arithmetic: the sum, or the error.

use super::RatingError;
use crate::tariff::document::{plain, round};
use rust_decimal::Decimal;

/// Seconds of an hour, by which prices per hour are divided.
pub(super) const SECONDS_PER_HOUR: Decimal = Decimal::from_parts(3_600, 0, 0, false, 0);
/// Watt-hours of a kilowatt-hour.
pub(super) const WH_PER_KWH: Decimal = Decimal::from_parts(1_000, 0, 0, false, 0);

pub(super) fn add(a: Decimal, b: Decimal) -> Result<Decimal, RatingError> {
    a.checked_add(b).ok_or(RatingError::Overflow)
}

pub(super) fn sub(a: Decimal, b: Decimal) -> Result<Decimal, RatingError> {
    a.checked_sub(b).ok_or(RatingError::Overflow)
}

pub(super) fn mul(a: Decimal, b: Decimal) -> Result<Decimal, RatingError> {
    a.checked_mul(b).ok_or(RatingError::Overflow)
}

pub(super) fn div(a: Decimal, b: Decimal) -> Result<Decimal, RatingError> {
    a.checked_div(b).ok_or(RatingError::Overflow)
}

pub(super) fn sum(values: impl IntoIterator<Item = Decimal>) -> Result<Decimal, RatingError> {
    values.into_iter().try_fold(Decimal::ZERO, add)
}

/// An amount of money as it is kept: rounded to `AMOUNT_DECIMALS`, in plain notation.
pub(super) fn amount(value: Decimal) -> Decimal {
    plain(round(value, super::AMOUNT_DECIMALS))
}

/// `amount` with `vat_percent` on top, not rounded.
pub(super) fn with_vat(
    amount: Decimal,
    vat_percent: Option<Decimal>,
) -> Result<Decimal, RatingError> {
    match vat_percent {
        None => Ok(amount),
        Some(percent) => {
            div(mul(amount, add(Decimal::ONE_HUNDRED, percent)?)?, Decimal::ONE_HUNDRED)
        }
    }
}
