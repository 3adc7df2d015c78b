//! Which element prices what: the first one in the tariff's list whose restrictions hold.

use super::super::input::{ChargingPeriod, RatingInput, whole_seconds};
use super::LineDimension;
use crate::tariff::{
    PriceComponent, ReservationRestriction, Restrictions, Tariff, TariffDimension,
};
use chrono::{Datelike, NaiveDateTime};
use rust_decimal::Decimal;

/// The component that prices a dimension, and its element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Winner<'t> {
    pub(super) element_index: u32,
    pub(super) component: &'t PriceComponent,
}

/// What restrictions are held against: the session at the start of one period.
pub(super) struct Situation {
    local: NaiveDateTime,
    energy_so_far_kwh: Decimal,
    seconds_so_far: i64,
    min_power_kw: Option<Decimal>,
    max_power_kw: Option<Decimal>,
    min_current_a: Option<Decimal>,
    max_current_a: Option<Decimal>,
    reservation_expired: bool,
}

impl Situation {
    pub(super) fn at_start_of(
        period: &ChargingPeriod,
        input: &RatingInput,
        energy_so_far_kwh: Decimal,
    ) -> Self {
        let session_start = input.session_started_at().unwrap_or(period.started_at);
        Self {
            local: input.local_time.at(period.started_at),
            energy_so_far_kwh,
            seconds_so_far: whole_seconds(session_start, period.started_at).max(0),
            // Where only one end of the range is known it stands for both.
            min_power_kw: period.min_power_kw.or(period.max_power_kw),
            max_power_kw: period.max_power_kw.or(period.min_power_kw),
            min_current_a: period.min_current_a.or(period.max_current_a),
            max_current_a: period.max_current_a.or(period.min_current_a),
            reservation_expired: input.reservation_expired,
        }
    }

    /// Whether all restrictions hold but the one on reservations. Lower bounds are inclusive,
    /// upper ones exclusive (TariffRestrictions). A power or current that is not known satisfies
    /// no restriction.
    fn satisfies(&self, restrictions: &Restrictions) -> bool {
        let from = |bound: Option<Decimal>, value: Option<Decimal>| {
            bound.is_none_or(|bound| value.is_some_and(|value| value >= bound))
        };
        let below = |bound: Option<Decimal>, value: Option<Decimal>| {
            bound.is_none_or(|bound| value.is_some_and(|value| value < bound))
        };
        let r = restrictions;
        let date = self.local.date();
        let energy = Some(self.energy_so_far_kwh);
        let seconds = u64::try_from(self.seconds_so_far).unwrap_or(0);
        r.includes_time_of_day(self.local.time())
            && r.start_date.is_none_or(|start| date >= start)
            && r.end_date.is_none_or(|end| date < end)
            && (r.day_of_week.is_empty() || r.day_of_week.contains(&date.weekday()))
            && from(r.min_kwh, energy)
            && below(r.max_kwh, energy)
            && r.min_duration_seconds.is_none_or(|min| seconds >= min)
            && r.max_duration_seconds.is_none_or(|max| seconds < max)
            && from(r.min_power, self.max_power_kw)
            && below(r.max_power, self.min_power_kw)
            && from(r.min_current, self.max_current_a)
            && below(r.max_current, self.min_current_a)
    }
}

/// The element that prices a quantity of `dimension` in that situation; `None` where it costs
/// nothing.
pub(super) fn winner<'t>(
    tariff: &'t Tariff,
    dimension: LineDimension,
    situation: &Situation,
) -> Option<Winner<'t>> {
    let first = |priced, reservation| first_match(tariff, priced, reservation, situation);
    match dimension {
        LineDimension::Energy => first(TariffDimension::Energy, None),
        LineDimension::Time => first(TariffDimension::Time, None),
        LineDimension::ParkingTime => first(TariffDimension::ParkingTime, None),
        LineDimension::Flat | LineDimension::ReservationFlat => None, // see `Fees`
        // The time of a reservation that ran out is priced by RESERVATION_EXPIRES where that
        // has a TIME component, otherwise like any other reservation's.
        LineDimension::ReservationTime => {
            let expires = Some(ReservationRestriction::ReservationExpires);
            let reservation = Some(ReservationRestriction::Reservation);
            let of_expired =
                situation.reservation_expired.then(|| first(TariffDimension::Time, expires));
            of_expired.flatten().or_else(|| first(TariffDimension::Time, reservation))
        }
    }
}

/// An element belongs to reservations of one kind, or to sessions: never to both.
fn first_match<'t>(
    tariff: &'t Tariff,
    dimension: TariffDimension,
    reservation: Option<ReservationRestriction>,
    situation: &Situation,
) -> Option<Winner<'t>> {
    let elements = (0u32..).zip(&tariff.elements);
    elements
        .filter(|(_, element)| element.restrictions.reservation == reservation)
        .filter_map(|(index, element)| Some((index, element, element.component(dimension)?)))
        .find(|(_, element, _)| situation.satisfies(&element.restrictions))
        .map(|(element_index, _, component)| Winner { element_index, component })
}

/// The fees already charged: each kind once, by the first period in which one holds.
#[derive(Default)]
pub(super) struct Fees {
    session: bool,
    reservation: bool,
    expiry: bool,
}

impl Fees {
    /// The fees that fall due in this period.
    pub(super) fn due<'t>(
        &mut self,
        tariff: &'t Tariff,
        period: &ChargingPeriod,
        situation: &Situation,
    ) -> Vec<(LineDimension, Winner<'t>)> {
        use ReservationRestriction::{Reservation, ReservationExpires};
        let reserved = !period.reservation_seconds.is_zero();
        let expired = reserved && situation.reservation_expired;
        let kinds = [
            (&mut self.session, !period.is_reservation(), LineDimension::Flat, None),
            (&mut self.reservation, reserved, LineDimension::ReservationFlat, Some(Reservation)),
            (&mut self.expiry, expired, LineDimension::ReservationFlat, Some(ReservationExpires)),
        ];
        let mut due = Vec::new();
        for (charged, applies, dimension, reservation) in kinds {
            if *charged || !applies {
                continue;
            }
            if let Some(fee) = first_match(tariff, TariffDimension::Flat, reservation, situation) {
                *charged = true;
                due.push((dimension, fee));
            }
        }
        due
    }
}
