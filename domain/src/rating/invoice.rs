//! From a rating to the figures of an invoice: integers in minor units (EN 16931).
//!
//! The net of each line is rounded to the currency's minor unit, half away from zero. VAT is
//! computed per rate on the sum of that rate's rounded nets, and rounded likewise. Gross is the
//! sum of both. "No VAT" and "0 %" are different rates.
//!
//! A minimum or maximum price becomes adjustment lines, one per VAT rate, that share the change
//! out in proportion. The invoice keeps to the limits exactly: its net and its gross are never
//! above a maximum and never below a minimum. Where a session mixes VAT rates both limits cannot
//! be met with equality at once, since VAT follows from the nets; then the tighter one decides.

use super::arithmetic::{SECONDS_PER_HOUR, add, div, mul, sum};
use super::{AppliedLimit, LimitKind, Price, Rating, RatingError, RatingLine, Unit};
use crate::tariff::document::{plain, round};
use iso_currency::Currency;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The dimension of an adjustment line.
const ADJUSTMENT: &str = "ADJUSTMENT";
/// Digits of a quantity of hours on an invoice: a hundredth of a second.
const HOURS_DECIMALS: u32 = 6;
/// The most minor units that limits are corrected by after sharing them out.
const MAX_CORRECTIONS: u32 = 10_000;

/// A line of an invoice before rounding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceLine {
    /// `ENERGY`, `TIME`, `PARKING_TIME`, `FLAT`, `RESERVATION_TIME`, `RESERVATION_FLAT`, or
    /// `ADJUSTMENT` for a minimum or maximum price.
    pub dimension: String,
    /// How much is billed, in `unit`.
    pub quantity: Decimal,
    /// `kWh`, `h` or `session`.
    pub unit: String,
    /// Price of one unit without VAT.
    pub unit_price: Decimal,
    /// VAT in percent; absent where no VAT applies.
    pub vat_percent: Option<Decimal>,
    /// Amount without VAT, not rounded to the minor unit.
    pub excl_vat: Decimal,
}

/// What [`invoice_totals`] needs of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetLine {
    /// Amount without VAT.
    pub excl_vat: Decimal,
    /// VAT in percent; absent where no VAT applies.
    pub vat_percent: Option<Decimal>,
}

/// The figures of an invoice, in minor units of its currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceTotals {
    /// Digits of the minor unit (ISO 4217).
    pub currency_exponent: u32,
    /// The nets of the lines, in their order.
    pub line_nets_minor: Vec<i64>,
    /// VAT per rate, without VAT first, then by rate.
    pub vat: Vec<VatTotal>,
    /// Sum of the nets.
    pub total_net_minor: i64,
    /// Sum of the VAT.
    pub total_vat_minor: i64,
    /// Net and VAT.
    pub total_gross_minor: i64,
}

/// VAT of one rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VatTotal {
    /// In percent; absent where no VAT applies.
    pub vat_percent: Option<Decimal>,
    /// Sum of the nets.
    pub net_minor: i64,
    /// VAT on that sum.
    pub vat_minor: i64,
}

/// The lines of a rating as an invoice shows them: hours instead of seconds, and what a minimum
/// or maximum price changes as lines of their own.
///
/// # Errors
/// [`RatingError::Overflow`], or a currency without a minor unit.
pub fn invoice_lines(rating: &Rating) -> Result<Vec<InvoiceLine>, RatingError> {
    let mut lines: Vec<InvoiceLine> =
        rating.lines.iter().map(invoice_line).collect::<Result<_, _>>()?;
    if let Some(limit) = &rating.limit {
        let adjustments = adjustments(&lines, limit, rating.total_cost, &rating.currency)?;
        lines.extend(adjustments);
    }
    Ok(lines)
}

/// Adds lines up to an invoice's totals.
///
/// # Errors
/// [`RatingError::Overflow`], or a currency without a minor unit.
pub fn invoice_totals(lines: &[NetLine], currency: &str) -> Result<InvoiceTotals, RatingError> {
    let currency_exponent = exponent(currency)?;
    let mut groups = Groups::default();
    let mut line_nets_minor = Vec::with_capacity(lines.len());
    for line in lines {
        let net = to_minor(line.excl_vat, currency_exponent)?;
        groups.add(line.vat_percent, net)?;
        line_nets_minor.push(net);
    }
    let vat = groups.with_vat()?;
    let total = |part: fn(&VatTotal) -> i64| {
        vat.iter().map(part).try_fold(0_i64, i64::checked_add).ok_or(RatingError::Overflow)
    };
    let (total_net_minor, total_vat_minor) =
        (total(|rate| rate.net_minor)?, total(|rate| rate.vat_minor)?);
    Ok(InvoiceTotals {
        currency_exponent,
        line_nets_minor,
        total_net_minor,
        total_vat_minor,
        total_gross_minor: total_net_minor
            .checked_add(total_vat_minor)
            .ok_or(RatingError::Overflow)?,
        vat,
    })
}

fn invoice_line(line: &RatingLine) -> Result<InvoiceLine, RatingError> {
    let (quantity, unit) = match line.unit {
        Unit::KilowattHour => (line.billed_quantity, "kWh"),
        Unit::Second => {
            (plain(round(div(line.billed_quantity, SECONDS_PER_HOUR)?, HOURS_DECIMALS)), "h")
        }
        Unit::Session => (line.billed_quantity, "session"),
    };
    Ok(InvoiceLine {
        dimension: line.dimension.as_str().to_owned(),
        quantity,
        unit: unit.to_owned(),
        unit_price: line.unit_price,
        vat_percent: line.vat_percent,
        excl_vat: line.excl_vat,
    })
}

/// The lines that bring net and gross within the limit.
fn adjustments(
    lines: &[InvoiceLine],
    limit: &AppliedLimit,
    total: Price,
    currency: &str,
) -> Result<Vec<InvoiceLine>, RatingError> {
    let exponent = exponent(currency)?;
    let mut groups = Groups::default();
    for line in lines {
        groups.add(line.vat_percent, to_minor(line.excl_vat, exponent)?)?;
    }
    let before = groups.clone();
    let target = (to_minor(total.excl_vat, exponent)?, to_minor(total.incl_vat, exponent)?);
    groups.move_to(limit, target)?;
    let mut adjustments = Vec::new();
    for (vat_percent, net) in &groups.nets {
        let change = net.checked_sub(before.net(*vat_percent)).ok_or(RatingError::Overflow)?;
        if change != 0 {
            let amount = Decimal::try_from_i128_with_scale(change.into(), exponent)
                .map_err(|_| RatingError::Overflow)?;
            adjustments.push(InvoiceLine {
                dimension: ADJUSTMENT.to_owned(),
                quantity: Decimal::ONE,
                unit: "session".to_owned(),
                unit_price: plain(amount),
                vat_percent: *vat_percent,
                excl_vat: plain(amount),
            });
        }
    }
    Ok(adjustments)
}

/// Sums of nets per VAT rate, sorted by rate.
#[derive(Clone, Default)]
struct Groups {
    nets: Vec<(Option<Decimal>, i64)>,
}

impl Groups {
    fn add(&mut self, vat_percent: Option<Decimal>, net: i64) -> Result<(), RatingError> {
        match self.nets.binary_search_by(|(rate, _)| rate.cmp(&vat_percent)) {
            Ok(index) => {
                let sum = &mut self.nets[index].1;
                *sum = sum.checked_add(net).ok_or(RatingError::Overflow)?;
            }
            Err(index) => self.nets.insert(index, (vat_percent, net)),
        }
        Ok(())
    }

    fn net(&self, vat_percent: Option<Decimal>) -> i64 {
        self.nets.iter().find(|(rate, _)| *rate == vat_percent).map_or(0, |(_, net)| *net)
    }

    fn with_vat(&self) -> Result<Vec<VatTotal>, RatingError> {
        let vat_total = |(vat_percent, net_minor): &(Option<Decimal>, i64)| {
            let vat_minor = match vat_percent {
                None => 0,
                Some(percent) => {
                    let hundredfold = mul(Decimal::from(*net_minor), *percent)?;
                    whole(div(hundredfold, Decimal::ONE_HUNDRED)?)?
                }
            };
            Ok(VatTotal { vat_percent: vat_percent.map(plain), net_minor: *net_minor, vat_minor })
        };
        self.nets.iter().map(vat_total).collect()
    }

    /// Net and gross.
    fn totals(&self) -> Result<(i64, i64), RatingError> {
        let rates = self.with_vat()?;
        let net = sum(rates.iter().map(|rate| rate.net_minor.into()))?;
        let gross = add(net, sum(rates.iter().map(|rate| rate.vat_minor.into()))?)?;
        Ok((whole(net)?, whole(gross)?))
    }

    /// Changes the nets in proportion until net and gross keep to the target, as close to it as
    /// whole minor units allow.
    fn move_to(&mut self, limit: &AppliedLimit, target: (i64, i64)) -> Result<(), RatingError> {
        let keeps = |(net, gross): (i64, i64)| match limit.kind {
            LimitKind::MinPrice => net >= target.0 && gross >= target.1,
            LimitKind::MaxPrice => net <= target.0 && gross <= target.1,
        };
        let totals = self.totals()?;
        if keeps(totals) {
            return Ok(());
        }
        if totals.0 > 0 && totals.1 > 0 {
            self.scale(limit.kind, totals, target)?;
        } else {
            let missing = target.0.checked_sub(totals.0).ok_or(RatingError::Overflow)?;
            self.add(limit.vat_percent, missing)?;
        }
        let away = match limit.kind {
            LimitKind::MinPrice => 1,
            LimitKind::MaxPrice => -1,
        };
        for _ in 0..MAX_CORRECTIONS {
            if keeps(self.totals()?) {
                break;
            }
            self.correct(away)?;
        }
        for _ in 0..MAX_CORRECTIONS {
            let mut closer = self.clone();
            closer.correct(-away)?;
            if !keeps(closer.totals()?) {
                break;
            }
            *self = closer;
        }
        Ok(())
    }

    /// Multiplies all nets by the one of the two ratios that satisfies both limits.
    fn scale(
        &mut self,
        kind: LimitKind,
        (net, gross): (i64, i64),
        target: (i64, i64),
    ) -> Result<(), RatingError> {
        let by_net = (i128::from(target.0), i128::from(net));
        let by_gross = (i128::from(target.1), i128::from(gross));
        let net_is_smaller = by_net.0 * by_gross.1 < by_gross.0 * by_net.1;
        let (part, whole) = match (kind, net_is_smaller) {
            (LimitKind::MaxPrice, true) | (LimitKind::MinPrice, false) => by_net,
            (LimitKind::MaxPrice, false) | (LimitKind::MinPrice, true) => by_gross,
        };
        for (_, net) in &mut self.nets {
            let scaled = (i128::from(*net) * part).div_euclid(whole);
            *net = i64::try_from(scaled).map_err(|_| RatingError::Overflow)?;
        }
        Ok(())
    }

    /// Moves the largest net by one minor unit or so.
    fn correct(&mut self, by: i64) -> Result<(), RatingError> {
        let largest = self.nets.iter_mut().max_by_key(|(_, net)| *net);
        let Some((_, net)) = largest else { return Ok(()) };
        *net = net.checked_add(by).ok_or(RatingError::Overflow)?;
        Ok(())
    }
}

fn exponent(currency: &str) -> Result<u32, RatingError> {
    Currency::from_code(currency)
        .and_then(|currency| currency.exponent())
        .map(u32::from)
        .ok_or_else(|| RatingError::UnknownCurrency(currency.to_owned()))
}

fn to_minor(amount: Decimal, exponent: u32) -> Result<i64, RatingError> {
    let factor = 10_i64.checked_pow(exponent).ok_or(RatingError::Overflow)?;
    whole(mul(amount, Decimal::from(factor))?)
}

/// Rounded to a whole number, half away from zero.
fn whole(value: Decimal) -> Result<i64, RatingError> {
    i64::try_from(round(value, 0)).map_err(|_| RatingError::Overflow)
}
