//! From a settled session to what is rated: its registers and what the car was doing.

use super::clock::ClockRepair;
use super::fold::Session;
use crate::events::v1::{SessionSettled, SettledBecause};
use crate::rating::{
    Activity, ActivityStart, LocalTime, Rating, RatingError, RatingInput, RegisterReading,
    SessionTimeline, rate_with, split_at_boundaries,
};
use crate::tariff::Tariff;
use crate::units::Timestamp;
use chrono_tz::Tz;

/// Rates a settled session by the rules of a version.
///
/// # Errors
/// As [`rate_with`].
pub fn rate_settled(
    rules_version: &str,
    session: &Session,
    settled: &SessionSettled,
    tariff: &Tariff,
    zone: Tz,
) -> Result<Rating, RatingError> {
    let local_time = LocalTime::resolve(zone, settled.started_at, occupied_until(settled))?;
    let input = billing_input(session, settled, tariff, local_time)?;
    rate_with(rules_version, tariff, &input)
}

/// What is rated of a settled session. `local_time` may come from an earlier rating, so that a
/// replay needs no time zone database.
///
/// Energy is spread between the readings; time counts as charging from the start to the stop,
/// but for what the connector, or the transaction, said: `SuspendedEV` and `Finishing` are
/// parking, `SuspendedEVSE`, `Unavailable` and `Faulted` are nobody's fault but ours and cost no
/// time; nor does what messages that were lost would have told of. From the stop until the
/// connector is free it is parking.
///
/// # Errors
/// As [`split_at_boundaries`].
pub fn billing_input(
    session: &Session,
    settled: &SessionSettled,
    tariff: &Tariff,
    local_time: LocalTime,
) -> Result<RatingInput, RatingError> {
    let clock = ClockRepair::as_settled(session, settled);
    // What a person entered is not mixed with what the charger said.
    let told = Session::default();
    let session = match settled.because {
        SettledBecause::ReviewDecided => &told,
        _ => session,
    };
    let timeline = SessionTimeline {
        registers: registers(session, settled, &clock),
        activities: activities(session, settled, &clock),
        ended_at: occupied_until(settled),
    };
    let periods = split_at_boundaries(tariff, &local_time, &timeline)?;
    Ok(RatingInput { local_time, periods, ended_at: timeline.ended_at, reservation_expired: false })
}

fn occupied_until(settled: &SessionSettled) -> Timestamp {
    settled.released_at.map_or(settled.ended_at, |released| released.max(settled.ended_at))
}

/// Begin and end, and between them every sample that fits: neither below what was read before
/// nor above the end. What does not fit can shift energy between hours, never change its sum.
fn registers(
    session: &Session,
    settled: &SessionSettled,
    clock: &ClockRepair,
) -> Vec<RegisterReading> {
    let reading = |at, register_wh| RegisterReading { at, register_wh, current_a: None };
    let start = settled.register_start.register_wh.0;
    let end = settled.register_end.register_wh.0;
    let mut readings = vec![reading(settled.started_at, start)];
    let mut samples: Vec<_> = session
        .registers()
        .map(|sample| (clock.right(sample.sampled_at), sample.value))
        .filter(|(at, _)| *at > settled.started_at && *at < settled.ended_at)
        .collect();
    samples.sort_unstable();
    let mut last = start;
    for (at, value) in samples {
        if value >= last && value <= end {
            readings.push(reading(at, value));
            last = value;
        }
    }
    readings.push(reading(settled.ended_at, end));
    readings
}

/// What the car was doing, and since when, in the order in which it was told to be so.
///
/// A 2.x transaction says so itself (`chargingState`); what its connector says counts for the
/// time after it. A car that is connected (`EVConnected`) and has not drawn yet waits to be let;
/// one that has is parked. What it did while messages were lost nobody knows, and costs no time.
fn told_activities(session: &Session) -> Vec<(Timestamp, Activity)> {
    let of_connector = session.statuses().iter().filter_map(|status| {
        let activity = match status.status.as_str() {
            "Charging" => Activity::Charging,
            "SuspendedEV" | "Finishing" => Activity::Parking,
            "SuspendedEVSE" | "Unavailable" | "Faulted" => Activity::Withheld,
            _ => return None,
        };
        Some((status.at, activity))
    });
    let Some(transaction) = session.transaction() else { return of_connector.collect() };
    let mut has_charged = false;
    let of_transaction = transaction.states().filter_map(|(at, state)| {
        let Some(state) = state else { return Some((at, Activity::Withheld)) };
        has_charged |= state == "Charging";
        let activity = match state {
            "Charging" => Activity::Charging,
            "SuspendedEV" => Activity::Parking,
            "EVConnected" | "Idle" if has_charged => Activity::Parking,
            "SuspendedEVSE" | "EVConnected" | "Idle" => Activity::Withheld,
            _ => return None,
        };
        Some((at, activity))
    });
    let ended_at = session.stop().map(|stop| stop.stopped_at);
    of_transaction
        .chain(of_connector.filter(|(at, _)| ended_at.is_some_and(|ended_at| *at >= ended_at)))
        .collect()
}

fn activities(
    session: &Session,
    settled: &SessionSettled,
    clock: &ClockRepair,
) -> Vec<ActivityStart> {
    let mut activities =
        vec![ActivityStart { from: settled.started_at, activity: Activity::Charging }];
    let mut after_stop = Activity::Parking;
    for (at, activity) in told_activities(session) {
        let from = clock.right(at);
        if from <= settled.started_at {
            activities[0].activity = activity;
        } else if from < settled.ended_at {
            activities.push(ActivityStart { from, activity });
        } else if activity == Activity::Withheld && from < occupied_until(settled) {
            // A station that broke down keeps the car: that is not the driver's doing.
            after_stop = Activity::Withheld;
        }
    }
    activities.push(ActivityStart { from: settled.ended_at, activity: after_stop });
    activities
}
