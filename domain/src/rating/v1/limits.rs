//! `min_price` and `max_price`: limits on the total without VAT and on the total with VAT, each
//! by itself ("they both apply").
//!
//! Where a limit names no amount with VAT, that total moves in proportion to the one without.
//! A minimum is owed for a charging session, so not for a reservation that ran out.

use super::super::arithmetic::{add, amount, div, mul, sub, with_vat};
use super::super::{AppliedLimit, LimitKind, Price, RatingError};
use crate::tariff::document::{plain, round};
use crate::tariff::{PriceLimit, Tariff};
use rust_decimal::Decimal;

/// Digits of a VAT percentage that is derived from a limit's two amounts; a real rate has fewer.
const IMPLIED_VAT_DECIMALS: u32 = 2;

/// The total within the limits, and which limit changed it.
pub(super) fn apply(
    tariff: &Tariff,
    unlimited: Price,
    is_session: bool,
) -> Result<(Price, Option<AppliedLimit>), RatingError> {
    let min_price = tariff.min_price.as_ref().filter(|_| is_session);
    let mut total = unlimited;
    let mut kind = None;
    if let Some(limit) = min_price {
        let raised = clamp(tariff, total, limit, Decimal::max)?;
        if raised != total {
            kind = Some((LimitKind::MinPrice, limit));
        }
        total = raised;
    }
    if let Some(limit) = &tariff.max_price {
        let lowered = clamp(tariff, total, limit, Decimal::min)?;
        if lowered != total {
            kind = Some((LimitKind::MaxPrice, limit));
        }
        total = lowered;
    }
    let Some((kind, limit)) = kind else { return Ok((unlimited, None)) };
    let vat_percent = vat_of(tariff, limit)?;
    Ok((total, Some(AppliedLimit { kind, unlimited, vat_percent })))
}

fn clamp(
    tariff: &Tariff,
    total: Price,
    limit: &PriceLimit,
    choose: fn(Decimal, Decimal) -> Decimal,
) -> Result<Price, RatingError> {
    let excl_vat = choose(total.excl_vat, limit.excl_vat);
    let incl_vat = match limit.incl_vat {
        Some(incl_limit) => choose(total.incl_vat, incl_limit),
        None if excl_vat == total.excl_vat => total.incl_vat,
        None if total.excl_vat.is_zero() => with_vat(excl_vat, tariff.sole_vat_percent())?,
        None => div(mul(total.incl_vat, excl_vat)?, total.excl_vat)?,
    };
    Ok(Price { excl_vat: amount(excl_vat), incl_vat: amount(incl_vat) })
}

/// The VAT of an amount that no line carries: the tariff's one rate, or the one that the limit's
/// two amounts imply where that is a plain rate.
fn vat_of(tariff: &Tariff, limit: &PriceLimit) -> Result<Option<Decimal>, RatingError> {
    if let Some(sole) = tariff.sole_vat_percent() {
        return Ok(Some(plain(sole)));
    }
    let Some(incl_vat) = limit.incl_vat.filter(|_| !limit.excl_vat.is_zero()) else {
        return Ok(None);
    };
    let vat = mul(sub(incl_vat, limit.excl_vat)?, Decimal::ONE_HUNDRED)?;
    let percent = round(div(vat, limit.excl_vat)?, IMPLIED_VAT_DECIMALS);
    let implied = add(limit.excl_vat, div(mul(limit.excl_vat, percent)?, Decimal::ONE_HUNDRED)?)?;
    Ok((implied == incl_vat && percent >= Decimal::ZERO).then(|| plain(percent)))
}
