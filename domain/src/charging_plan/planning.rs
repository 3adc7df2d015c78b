//! How a vehicle is charged: as fast as it can within the limits that hold, in no more periods
//! than it can follow; and whether what it means to draw keeps within them.
//!
//! Pure, in whole units: what it needs and what limits hold comes in, what is decided comes out.

use super::limits::{Measure, period_at};
use crate::events::v1::ChargingSchedule;
use crate::units::Timestamp;
use std::collections::BTreeSet;

/// A vehicle's clock, and the time that a schedule takes to it, may move its periods by so much
/// against ours without its drawing more than it may.
const SHIFT_MS: i64 = 60_000;
/// Changes of what may be drawn that are looked at for one schedule of a vehicle: more than a day
/// has of quarters of an hour.
const CHANGES_COMPARED_MAX: usize = 256;
/// Seconds of an hour.
const HOUR_SECONDS: u64 = 3_600;

/// What a vehicle can do with what it is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The most that it can draw; `None`: it has not said.
    pub rate_max: Option<u64>,
    /// What it is offered where nothing limits it.
    pub rate_unlimited: u64,
    /// The most periods that it can follow, at least 1.
    pub steps_max: usize,
}

/// From when on, after the begin of a plan, how much may be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Seconds after the plan's begin.
    pub start_seconds: u32,
    /// How much, in the plan's unit.
    pub rate: u64,
}

/// The plan for a vehicle. `limits`: from when on, after its begin, how much may be drawn, in
/// order and from 0 on; until `horizon_seconds`, and the last one from there on.
pub fn plan(demand: Demand, limits: &[(u32, Option<u64>)], horizon_seconds: u32) -> Vec<Step> {
    let offered = |limit: Option<u64>| match (limit, demand.rate_max) {
        (Some(limit), Some(most)) => limit.min(most),
        (Some(rate), None) | (None, Some(rate)) => rate,
        (None, None) => demand.rate_unlimited,
    };
    let mut steps: Vec<Step> = Vec::with_capacity(limits.len());
    for (start_seconds, limit) in limits {
        let step = Step { start_seconds: *start_seconds, rate: offered(*limit) };
        match steps.last_mut() {
            Some(last) if last.start_seconds == step.start_seconds => *last = step,
            Some(last) if last.rate == step.rate => {}
            _ => steps.push(step),
        }
    }
    while steps.len() > demand.steps_max.max(1) {
        join_cheapest(&mut steps, horizon_seconds);
    }
    steps
}

/// Joins the two neighbours that lose the least energy by it: the lower rate holds for both.
fn join_cheapest(steps: &mut Vec<Step>, horizon_seconds: u32) {
    let end = |index: usize| {
        steps.get(index + 1).map_or(horizon_seconds, |next: &Step| next.start_seconds)
    };
    let loss = |index: usize| {
        let (first, second) = (steps[index], steps[index + 1]);
        let higher = if first.rate > second.rate { index } else { index + 1 };
        let seconds = end(higher).saturating_sub(steps[higher].start_seconds);
        first.rate.abs_diff(second.rate).saturating_mul(u64::from(seconds))
    };
    if let Some(index) = (0..steps.len().saturating_sub(1)).min_by_key(|index| loss(*index)) {
        let next = steps.remove(index + 1);
        steps[index].rate = steps[index].rate.min(next.rate);
    }
}

/// The energy that a plan allows until so many seconds after its begin, in Wh.
pub fn energy_wh(steps: &[Step], measure: Measure, until_seconds: u32) -> u64 {
    let mut watt_seconds: u64 = 0;
    for (index, step) in steps.iter().enumerate() {
        let end = steps.get(index + 1).map_or(until_seconds, |next| next.start_seconds);
        let seconds = end.min(until_seconds).saturating_sub(step.start_seconds);
        let drawn = measure.power_w(step.rate).saturating_mul(u64::from(seconds));
        watt_seconds = watt_seconds.saturating_add(drawn);
    }
    watt_seconds / HOUR_SECONDS
}

/// Whether a vehicle means to draw more than it may. `schedule` counts from `time_base`;
/// `changes`: when what it may draw changes; `limit_at`: what it may draw then.
pub fn exceeds(
    schedule: &ChargingSchedule,
    time_base: Timestamp,
    measure: Measure,
    changes: &BTreeSet<Timestamp>,
    limit_at: impl Fn(Timestamp) -> Option<u64>,
) -> bool {
    let shifted = |at: Timestamp, by: i64| Timestamp::from_millis(at.as_millis() + by);
    let own = schedule
        .periods
        .iter()
        .filter_map(|period| shifted(time_base, i64::from(period.start_seconds) * 1_000));
    let changes = changes.iter().copied().filter(|at| *at >= time_base);
    let changes = changes.take(CHANGES_COMPARED_MAX);
    let instants: Vec<Timestamp> = own.chain(changes).collect();
    // What is allowed around a change is over when it has lasted.
    let after = instants.iter().filter_map(|at| shifted(*at, SHIFT_MS));
    instants.iter().copied().chain(after).any(|at| {
        let Some(period) = period_at(schedule, time_base, at) else { return false };
        let drawn = period.limit.or(period.setpoint);
        let Some(drawn) = drawn.and_then(|drawn| measure.rate(drawn, &schedule.unit)) else {
            return false;
        };
        // Where nothing limits it shortly before or after, neither does it here.
        let is_above = |at| limit_at(at).is_some_and(|limit| drawn > limit);
        let mut around = [-SHIFT_MS, 0, SHIFT_MS].into_iter().filter_map(|by| shifted(at, by));
        around.all(is_above)
    })
}
