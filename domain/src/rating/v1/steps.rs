//! `step_size`: how quantities are rounded up (`mod_cdrs`, step_size).
//!
//! - ENERGY is rounded once per session, and TIME and PARKING_TIME once together: where both
//!   are priced "`step_size` is only taken into account for the total parking duration".
//! - What is rounded is the priced total of the dimension ("the total of billable parking
//!   time"), by the step of its last priced period; the surplus is added there.
//! - Reserved time is neither charging nor parking; it is rounded by itself, as in the
//!   examples of reservations.

use super::super::RatingError;
use super::super::arithmetic::{WH_PER_KWH, add, div, mul, sub};
use super::{LineDimension, Usage};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// An excess over a whole step that opens no further one: a hundredth of a second, for hours
/// that were divided or written as binary floats.
const TIME_TOLERANCE_SECONDS: Decimal = Decimal::from_parts(1, 0, 0, false, 2);
/// Likewise for energy: a microwatt-hour.
const ENERGY_TOLERANCE_WH: Decimal = Decimal::from_parts(1, 0, 0, false, 6);

/// What is billed beyond what was used, by dimension and element, in kWh or seconds.
pub(super) fn surpluses(
    usages: &[Usage<'_>],
) -> Result<BTreeMap<(LineDimension, u32), Decimal>, RatingError> {
    let is_priced = |dimension| usages.iter().any(|usage| usage.dimension == dimension);
    let charging_or_parking = if is_priced(LineDimension::ParkingTime) {
        LineDimension::ParkingTime
    } else {
        LineDimension::Time
    };
    let mut surpluses = BTreeMap::new();
    for dimension in [LineDimension::Energy, charging_or_parking, LineDimension::ReservationTime] {
        let mut used = Decimal::ZERO;
        let mut last = None;
        for usage in usages.iter().filter(|usage| usage.dimension == dimension) {
            used = add(used, usage.quantity)?;
            last = Some(&usage.winner);
        }
        if let Some(last) = last {
            let surplus = surplus(dimension, used, last.component.step_size)?;
            surpluses.insert((dimension, last.element_index), surplus);
        }
    }
    Ok(surpluses)
}

/// How much `used` lacks to the next whole step.
fn surplus(
    dimension: LineDimension,
    used: Decimal,
    step_size: u32,
) -> Result<Decimal, RatingError> {
    if step_size == 0 || used <= Decimal::ZERO {
        return Ok(Decimal::ZERO);
    }
    let is_energy = dimension == LineDimension::Energy;
    let (in_steps_unit, tolerance) = if is_energy {
        (mul(used, WH_PER_KWH)?, ENERGY_TOLERANCE_WH)
    } else {
        (used, TIME_TOLERANCE_SECONDS)
    };
    let step = Decimal::from(step_size);
    let excess = in_steps_unit.checked_rem(step).ok_or(RatingError::Overflow)?;
    if excess <= tolerance {
        return Ok(Decimal::ZERO);
    }
    let lacking = sub(step, excess)?;
    if is_energy { div(lacking, WH_PER_KWH) } else { Ok(lacking) }
}
