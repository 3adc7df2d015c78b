//! From a session's meter readings to charging periods within which no price changes.

use super::arithmetic::{WH_PER_KWH, add, div, mul, sub};
use super::input::{ChargingPeriod, MAX_PERIODS, whole_seconds};
use super::{LocalTime, MAX_SESSION_DAYS, RatingError};
use crate::tariff::Tariff;
use crate::tariff::document::{plain, round};
use crate::units::Timestamp;
use chrono::{Days, NaiveTime, TimeDelta};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// Digits that an interpolated register is rounded to, in Wh: a nanowatt-hour.
const REGISTER_DECIMALS: u32 = 9;
const MILLIS_PER_DAY: u64 = 86_400_000;

/// What is known of a session's course.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionTimeline {
    /// Readings of the energy register in the order of time, never decreasing.
    pub registers: Vec<RegisterReading>,
    /// What the vehicle was doing, in the order of time; the first begins the session.
    pub activities: Vec<ActivityStart>,
    /// When the session ended, or up to when it is to be rated.
    pub ended_at: Timestamp,
}

/// A reading of the energy register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterReading {
    /// When it was read.
    pub at: Timestamp,
    /// The register, in Wh.
    pub register_wh: Decimal,
    /// The current from here to the next reading, in A over all phases, where known.
    pub current_a: Option<Decimal>,
}

/// From when the vehicle was doing what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivityStart {
    /// From when.
    pub from: Timestamp,
    /// What.
    pub activity: Activity,
}

/// What a connected vehicle is doing, as far as prices care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Charging: TIME.
    Charging,
    /// Connected and not asking for power: PARKING_TIME.
    Parking,
    /// Asking for power that we or the station withhold: neither is charged for.
    Withheld,
}

/// Cuts a session where a price of `tariff` may change: where an activity begins, at its times
/// of day, at local midnights and offset changes (only if it asks for local time), at its
/// durations and amounts of energy, and at each reading if it asks for power or current.
///
/// Energy between two readings is spread evenly over the time between them; how it really ran
/// there cannot be known. All of what the registers show is billed and nothing beyond: a reading
/// from before the session counts as one at its start, one from after it as one at its end, and
/// the register stands still before the first reading and after the last. Where an
/// amount of energy is a boundary, the cut falls on exactly that amount. Power in a period is
/// the mean between the readings around its start.
///
/// There is always at least one period, also for a session of no length.
///
/// # Errors
/// Times out of order, a register that goes backwards, a session too long or cut too finely.
pub fn split_at_boundaries(
    tariff: &Tariff,
    local_time: &LocalTime,
    timeline: &SessionTimeline,
) -> Result<Vec<ChargingPeriod>, RatingError> {
    let start = check(timeline)?;
    let registers = Registers::within(start, timeline);
    let mut cuts = BTreeMap::from([(start, None), (timeline.ended_at, None)]);
    let within = |at: &Timestamp| *at > start && *at < timeline.ended_at;
    let mut instants: BTreeSet<Timestamp> = timeline.activities.iter().map(|a| a.from).collect();
    instants.extend(local_boundaries(tariff, local_time, start, timeline.ended_at));
    instants.extend(duration_boundaries(tariff, start));
    if needs_power(tariff) {
        instants.extend(timeline.registers.iter().map(|reading| reading.at));
    }
    cuts.extend(instants.into_iter().filter(within).map(|at| (at, None)));
    let energy_cuts = registers.energy_boundaries(tariff)?;
    cuts.extend(energy_cuts.into_iter().filter(|(at, _)| within(at)));
    if cuts.len() > MAX_PERIODS {
        return Err(RatingError::TooManyPeriods);
    }
    periods(timeline, &registers, &cuts, needs_power(tariff))
}

fn check(timeline: &SessionTimeline) -> Result<Timestamp, RatingError> {
    let Some(first) = timeline.activities.first() else { return Err(RatingError::NoPeriods) };
    if timeline.activities.windows(2).any(|pair| pair[1].from < pair[0].from) {
        return Err(RatingError::OutOfOrder("an activity begins before its predecessor"));
    }
    if timeline.ended_at < first.from {
        return Err(RatingError::OutOfOrder("the session ends before it begins"));
    }
    if timeline.registers.windows(2).any(|pair| pair[1].at < pair[0].at) {
        return Err(RatingError::OutOfOrder("a meter reading is earlier than its predecessor"));
    }
    if timeline.registers.windows(2).any(|pair| pair[1].register_wh < pair[0].register_wh) {
        return Err(RatingError::RegisterBackwards);
    }
    let length = timeline.ended_at.as_millis().abs_diff(first.from.as_millis());
    if length > MAX_SESSION_DAYS * MILLIS_PER_DAY {
        return Err(RatingError::SessionTooLong);
    }
    Ok(first.from)
}

fn periods(
    timeline: &SessionTimeline,
    registers: &Registers,
    cuts: &BTreeMap<Timestamp, Option<Decimal>>,
    with_power: bool,
) -> Result<Vec<ChargingPeriod>, RatingError> {
    let mut periods = Vec::with_capacity(cuts.len());
    let mut starts = cuts.iter().peekable();
    let mut register_wh = registers.first().unwrap_or_default();
    let mut activities = timeline.activities.iter().peekable();
    let mut activity = Activity::Charging;
    while let Some((at, _)) = starts.next() {
        let next = starts.peek();
        if next.is_none() && !periods.is_empty() {
            break; // the end of the session begins no period
        }
        let end = next.map_or(*at, |(end, _)| **end);
        let is_last = end >= timeline.ended_at;
        while let Some(begun) = activities.next_if(|begun| begun.from <= *at) {
            activity = begun.activity;
        }
        let register_at_end_wh = match next.and_then(|(_, exact)| **exact) {
            _ if is_last => registers.last().unwrap_or_default(),
            Some(exact) => exact,
            None => registers.at(end)?,
        };
        let mut period = ChargingPeriod::starting(*at);
        period.energy_kwh = plain(div(sub(register_at_end_wh, register_wh)?, WH_PER_KWH)?);
        let seconds = Decimal::from(whole_seconds(*at, end));
        match activity {
            Activity::Charging => period.charging_seconds = seconds,
            Activity::Parking => period.parking_seconds = seconds,
            Activity::Withheld => {}
        }
        if with_power {
            let power_kw = registers.mean_power_kw(*at)?;
            (period.min_power_kw, period.max_power_kw) = (power_kw, power_kw);
            let current_a = registers.current_a(*at);
            (period.min_current_a, period.max_current_a) = (current_a, current_a);
        }
        periods.push(period);
        register_wh = register_at_end_wh;
    }
    Ok(periods)
}

/// The local times at which a price may change, and the instants at which local time jumps.
fn local_boundaries(
    tariff: &Tariff,
    local_time: &LocalTime,
    start: Timestamp,
    end: Timestamp,
) -> Vec<Timestamp> {
    if !tariff.needs_local_time() {
        return Vec::new();
    }
    let mut times = BTreeSet::from([NaiveTime::MIN]);
    for element in &tariff.elements {
        times.extend(element.restrictions.start_time);
        times.extend(element.restrictions.end_time);
    }
    let mut boundaries = Vec::new();
    for (from, to, offset) in local_time.spans(start, end) {
        boundaries.push(from);
        let local = |at: Timestamp| at.utc().naive_utc().checked_add_signed(offset);
        let (Some(first), Some(last)) = (local(from), local(to)) else { continue };
        let mut date = first.date();
        while date <= last.date() {
            let instants =
                times.iter().filter_map(|time| LocalTime::instant(date.and_time(*time), offset));
            boundaries.extend(instants.filter(|at| *at >= from && *at < to));
            let Some(next) = date.checked_add_days(Days::new(1)) else { break };
            date = next;
        }
    }
    boundaries
}

fn duration_boundaries(tariff: &Tariff, start: Timestamp) -> Vec<Timestamp> {
    let whole_start = start.as_millis().div_euclid(1_000) * 1_000;
    let restrictions = tariff.elements.iter().map(|element| &element.restrictions);
    restrictions
        .flat_map(|r| [r.min_duration_seconds, r.max_duration_seconds])
        .flatten()
        .filter_map(|seconds| {
            let millis = i64::try_from(seconds).ok()?.checked_mul(1_000)?;
            Timestamp::from_millis(whole_start.checked_add(millis)?)
        })
        .collect()
}

fn needs_power(tariff: &Tariff) -> bool {
    tariff.elements.iter().any(|element| {
        let r = &element.restrictions;
        r.min_power.is_some()
            || r.max_power.is_some()
            || r.min_current.is_some()
            || r.max_current.is_some()
    })
}

/// The register as a function of time.
struct Registers {
    readings: Vec<RegisterReading>,
}

impl Registers {
    /// The readings brought into the session's time: of those up to its start the first counts,
    /// of those from its end on the last.
    fn within(start: Timestamp, timeline: &SessionTimeline) -> Self {
        let end = timeline.ended_at;
        let given = &timeline.registers;
        let first = given.first().filter(|reading| reading.at <= start);
        let last = given.last().filter(|reading| reading.at >= end);
        let inside = given.iter().filter(|reading| reading.at > start && reading.at < end);
        let first = first.map(|reading| RegisterReading { at: start, ..*reading });
        let last = last.map(|reading| RegisterReading { at: end, ..*reading });
        Self { readings: first.into_iter().chain(inside.copied()).chain(last).collect() }
    }

    fn first(&self) -> Option<Decimal> {
        self.readings.first().map(|reading| reading.register_wh)
    }

    fn last(&self) -> Option<Decimal> {
        self.readings.last().map(|reading| reading.register_wh)
    }

    /// The last reading at or before the instant, and the first one after it.
    fn around(&self, at: Timestamp) -> (Option<&RegisterReading>, Option<&RegisterReading>) {
        let after = self.readings.partition_point(|reading| reading.at <= at);
        let before = after.checked_sub(1).and_then(|index| self.readings.get(index));
        (before, self.readings.get(after))
    }

    /// The register at an instant, between two readings on the straight line through them.
    fn at(&self, at: Timestamp) -> Result<Decimal, RatingError> {
        match self.around(at) {
            (Some(before), Some(after)) => {
                let gone = Decimal::from(millis(before.at, at));
                let rise = sub(after.register_wh, before.register_wh)?;
                let risen = div(mul(rise, gone)?, Decimal::from(millis(before.at, after.at)))?;
                Ok(round(add(before.register_wh, risen)?, REGISTER_DECIMALS))
            }
            (Some(only), None) | (None, Some(only)) => Ok(only.register_wh),
            (None, None) => Ok(Decimal::ZERO),
        }
    }

    /// Mean power between the readings around the instant, in kW.
    fn mean_power_kw(&self, at: Timestamp) -> Result<Option<Decimal>, RatingError> {
        let (Some(before), Some(after)) = self.around(at) else { return Ok(None) };
        let rise_wh = sub(after.register_wh, before.register_wh)?;
        // Wh per millisecond are 3600 kW.
        let kw =
            div(mul(rise_wh, Decimal::from(3_600))?, Decimal::from(millis(before.at, after.at)))?;
        Ok(Some(plain(round(kw, REGISTER_DECIMALS))))
    }

    fn current_a(&self, at: Timestamp) -> Option<Decimal> {
        self.around(at).0.and_then(|reading| reading.current_a)
    }

    /// When the register passes the tariff's amounts of energy, and what it shows then. An
    /// amount that is passed between two readings of one instant is cut at that instant.
    fn energy_boundaries(
        &self,
        tariff: &Tariff,
    ) -> Result<Vec<(Timestamp, Option<Decimal>)>, RatingError> {
        let Some(first_wh) = self.first() else { return Ok(Vec::new()) };
        let restrictions = tariff.elements.iter().map(|element| &element.restrictions);
        let amounts: BTreeSet<Decimal> =
            restrictions.flat_map(|r| [r.min_kwh, r.max_kwh]).flatten().collect();
        let mut boundaries = Vec::new();
        for amount_kwh in amounts {
            let target = add(first_wh, mul(amount_kwh, WH_PER_KWH)?)?;
            let reached = self.readings.partition_point(|reading| reading.register_wh < target);
            let Some(before) = reached.checked_sub(1).and_then(|index| self.readings.get(index))
            else {
                continue;
            };
            let Some(after) = self.readings.get(reached) else { continue };
            let between = Decimal::from(millis(before.at, after.at));
            if between.is_zero() {
                boundaries.push((after.at, None));
                continue;
            }
            let rise = sub(after.register_wh, before.register_wh)?;
            let missing = sub(target, before.register_wh)?;
            let gone = div(mul(missing, between)?, rise)?.ceil();
            let gone = i64::try_from(gone).map_err(|_| RatingError::Overflow)?;
            let at = before.at.utc().checked_add_signed(TimeDelta::milliseconds(gone));
            boundaries.extend(at.map(|at| (Timestamp::new(at), Some(target))));
        }
        Ok(boundaries)
    }
}

fn millis(from: Timestamp, to: Timestamp) -> i64 {
    to.as_millis().saturating_sub(from.as_millis())
}
