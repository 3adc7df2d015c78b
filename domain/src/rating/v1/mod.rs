//! Rules version 1. Released: what it computes never changes again; a change is a version 2
//! beside it.

mod limits;
mod lookup;
mod steps;

use super::arithmetic::{SECONDS_PER_HOUR, add, amount, div, mul, sum, with_vat};
use super::input::whole_seconds;
use super::{
    LineDimension, PeriodQuantity, PeriodRating, Price, Rating, RatingError, RatingInput,
    RatingLine, Unit,
};
use crate::tariff::document::plain;
use crate::tariff::{PriceComponent, Tariff};
use lookup::{Fees, Situation, Winner};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// The name of these rules.
pub(super) const VERSION: &str = "1";

/// A priced quantity of one dimension in one period.
struct Usage<'t> {
    dimension: LineDimension,
    winner: Winner<'t>,
    quantity: Decimal,
}

/// Prices a session.
pub(super) fn rate(tariff: &Tariff, input: &RatingInput) -> Result<Rating, RatingError> {
    input.check()?;
    let (periods, usages) = look_up(tariff, input)?;
    let lines = lines(&usages)?;
    let cost = |dimensions: &[LineDimension]| total(&lines, dimensions);
    use LineDimension as D;
    let total_reservation_cost = usages
        .iter()
        .any(|usage| matches!(usage.dimension, D::ReservationFlat | D::ReservationTime))
        .then(|| cost(&[D::ReservationFlat, D::ReservationTime]))
        .transpose()?;
    let all_dimensions =
        [D::Flat, D::Energy, D::Time, D::ParkingTime, D::ReservationFlat, D::ReservationTime];
    let (total_cost, limit) =
        limits::apply(tariff, cost(&all_dimensions)?, input.session_started_at().is_some())?;
    let started_at = input.periods.first().map_or(input.ended_at, |first| first.started_at);
    let session_started_at = input.session_started_at().unwrap_or(input.ended_at);
    let sum_of = |quantity: fn(&super::ChargingPeriod) -> Decimal| {
        sum(input.periods.iter().map(quantity)).map(plain)
    };
    Ok(Rating {
        rules_version: VERSION.to_owned(),
        tariff_sha256: tariff.content_sha256(),
        currency: tariff.currency.code().to_owned(),
        local_time: input.local_time.clone(),
        started_at,
        ended_at: input.ended_at,
        total_energy_kwh: sum_of(|period| period.energy_kwh)?,
        total_time_seconds: whole_seconds(session_started_at, input.ended_at),
        total_charging_seconds: sum_of(|period| period.charging_seconds)?,
        total_parking_seconds: sum_of(|period| period.parking_seconds)?,
        total_reservation_seconds: sum_of(|period| period.reservation_seconds)?,
        total_cost,
        total_fixed_cost: cost(&[D::Flat])?,
        total_energy_cost: cost(&[D::Energy])?,
        total_time_cost: cost(&[D::Time])?,
        total_parking_cost: cost(&[D::ParkingTime])?,
        total_reservation_cost,
        limit,
        lines,
        periods,
    })
}

/// Finds the element that prices each dimension of each period.
fn look_up<'t>(
    tariff: &'t Tariff,
    input: &RatingInput,
) -> Result<(Vec<PeriodRating>, Vec<Usage<'t>>), RatingError> {
    let mut periods = Vec::with_capacity(input.periods.len());
    let mut usages = Vec::new();
    let mut energy_so_far_kwh = Decimal::ZERO;
    let mut fees = Fees::default();
    for (index, period) in input.periods.iter().enumerate() {
        let situation = Situation::at_start_of(period, input, energy_so_far_kwh);
        let mut quantities = Vec::new();
        let mut note = |dimension: LineDimension, quantity, winner: Option<Winner<'t>>| {
            let element_index = winner.map(|winner| winner.element_index);
            let quantity = plain(quantity);
            quantities.push(PeriodQuantity {
                dimension,
                quantity,
                unit: dimension.unit(),
                element_index,
            });
            usages.extend(winner.map(|winner| Usage { dimension, winner, quantity }));
        };
        for (dimension, quantity) in [
            (LineDimension::Energy, period.energy_kwh),
            (LineDimension::Time, period.charging_seconds),
            (LineDimension::ParkingTime, period.parking_seconds),
            (LineDimension::ReservationTime, period.reservation_seconds),
        ] {
            if !quantity.is_zero() {
                note(dimension, quantity, lookup::winner(tariff, dimension, &situation));
            }
        }
        for (dimension, winner) in fees.due(tariff, period, &situation) {
            note(dimension, Decimal::ONE, Some(winner));
        }
        energy_so_far_kwh = add(energy_so_far_kwh, period.energy_kwh)?;
        periods.push(PeriodRating {
            started_at: period.started_at,
            ended_at: input.end_of(index),
            quantities,
        });
    }
    Ok((periods, usages))
}

/// One line per dimension and element.
fn lines(usages: &[Usage<'_>]) -> Result<Vec<RatingLine>, RatingError> {
    let mut groups: BTreeMap<(LineDimension, u32), (&PriceComponent, Decimal)> = BTreeMap::new();
    for usage in usages {
        let key = (usage.dimension, usage.winner.element_index);
        let (_, quantity) = groups.entry(key).or_insert((usage.winner.component, Decimal::ZERO));
        *quantity = add(*quantity, usage.quantity)?;
    }
    let surpluses = steps::surpluses(usages)?;
    let mut lines = Vec::with_capacity(groups.len());
    for (key, (component, quantity)) in groups {
        let surplus = surpluses.get(&key).copied().unwrap_or_default();
        lines.push(line(key, component, quantity, add(quantity, surplus)?)?);
    }
    Ok(lines)
}

fn line(
    (dimension, element_index): (LineDimension, u32),
    component: &PriceComponent,
    quantity: Decimal,
    billed_quantity: Decimal,
) -> Result<RatingLine, RatingError> {
    let priced = mul(billed_quantity, component.price)?;
    // Divided once and last, so that no digit is lost before the amount is rounded.
    let in_units = |value: Decimal| match dimension.unit() {
        Unit::Second => div(value, SECONDS_PER_HOUR),
        Unit::KilowattHour | Unit::Session => Ok(value),
    };
    Ok(RatingLine {
        dimension,
        element_index,
        quantity: plain(quantity),
        billed_quantity: plain(billed_quantity),
        unit: dimension.unit(),
        unit_price: plain(component.price),
        vat_percent: component.vat_percent.map(plain),
        excl_vat: amount(in_units(priced)?),
        incl_vat: amount(in_units(with_vat(priced, component.vat_percent)?)?),
    })
}

fn total(lines: &[RatingLine], dimensions: &[LineDimension]) -> Result<Price, RatingError> {
    let of = |line: &&RatingLine| dimensions.contains(&line.dimension);
    Ok(Price {
        excl_vat: plain(sum(lines.iter().filter(of).map(|line| line.excl_vat))?),
        incl_vat: plain(sum(lines.iter().filter(of).map(|line| line.incl_vat))?),
    })
}
