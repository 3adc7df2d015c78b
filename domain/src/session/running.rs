//! What a session costs so far: what its bill would be if it ended now. Priced by the function
//! that prices the bill, from the same facts, so that the price a driver sees runs into it.

use super::basis::{Basis, TRANSACTION_BEGIN, ends_are_read, plausible, reading, told_elsewhere};
use super::clock::began_at;
use super::fold::Session;
use super::periods::rate_settled;
use crate::events::v1::{ClockTrust, MeterReading, MeterSample, SessionSettled, SettledBecause};
use crate::rating::{RULES_VERSION, Rating, RatingError};
use crate::tariff::Tariff;
use crate::units::{Timestamp, WattHours};
use chrono_tz::Tz;

/// Rates a session as if it ended, or its connector became free, at `now`. After the stop, time
/// only goes on costing while the station's own words say that the car is still there.
///
/// `None` where its registers do not join, or no charger delivers that much in that time: then
/// the settlement, or a person, decides what it comes to. While a 2.x start is yet to come, this
/// is what is known to have been delivered since the first message that has come.
///
/// # Errors
/// As [`rate_settled`].
pub fn running_price(
    session: &Session,
    tariff: &Tariff,
    zone: Tz,
    now: Timestamp,
) -> Result<Option<Rating>, RatingError> {
    match as_if_settled(session, now) {
        Some(settled) => rate_settled(RULES_VERSION, session, &settled, tariff, zone).map(Some),
        None => Ok(None),
    }
}

/// What a transaction costs whose end has been told, where its bill has to wait: for messages that
/// are missing, its start among them, or for the connector to be free. `None` unless the registers
/// of both its ends are known: then so is how much was drawn, and what a gap hides is not charged.
/// Without a start nobody knows when it began: then only what follows from the energy alone is
/// sure. Parking after the end is no part of the transaction.
///
/// # Errors
/// As [`rate_settled`].
pub fn price_at_end(
    session: &Session,
    tariff: &Tariff,
    zone: Tz,
    now: Timestamp,
) -> Result<Option<Rating>, RatingError> {
    let is_told = Basis::of(session).is_ok() || ends_are_read(session);
    let is_accepted = session.beginning_so_far().is_some_and(|began| began.is_accepted());
    let is_timed = session.started().is_some() || tariff.prices_energy_alone();
    if session.stop().is_none() || !is_told || !is_accepted || !is_timed {
        return Ok(None);
    }
    let Some(settled) = as_if_settled(session, now) else { return Ok(None) };
    let settled = SessionSettled { released_at: None, ..settled };
    rate_settled(RULES_VERSION, session, &settled, tariff, zone).map(Some)
}

/// The registers that it began with and that it stands at, whether they can be believed or
/// not. The end is the stop's, else the last sample's. `None` where no start is known.
pub fn registers_as_told(session: &Session) -> Option<(WattHours, WattHours)> {
    let begin = begin_reading(session)?;
    let end = end_of(session, &begin);
    Some((begin.register_wh, end.register_wh))
}

fn as_if_settled(session: &Session, now: Timestamp) -> Option<SessionSettled> {
    let started = session.beginning_so_far()?;
    let register_start = begin_reading(session)?;
    let register_end = end_of(session, &register_start);
    let energy_wh = register_end.register_wh.since(register_start.register_wh)?;
    let started_at = began_at(&started);
    if energy_wh < WattHours::ZERO || !plausible(energy_wh, started_at, now) {
        return None;
    }
    let stopped_at = session.stop().map(|stop| match stop.clock {
        ClockTrust::Plausible => stop.stopped_at,
        ClockTrust::Implausible => stop.received_at,
    });
    let ended_at = stopped_at.unwrap_or(now).max(started_at);
    let released_at = match (stopped_at, session.released_at()) {
        (None, _) => None,
        (Some(_), Some(released)) => Some(released.max(ended_at)),
        (Some(stopped_at), None) => still_there(session, stopped_at).then(|| now.max(ended_at)),
    };
    Some(SessionSettled {
        because: SettledBecause::Deadline,
        started_at,
        ended_at,
        register_start,
        register_end,
        energy_wh,
        released_at,
        anomalies: Vec::new(),
        as_of_version: session.version()?,
    })
}

/// Whether the station's last word is that a car whose session has ended keeps the connector.
fn still_there(session: &Session, stopped_at: Timestamp) -> bool {
    session.statuses().last().is_some_and(|status| match status.status.as_str() {
        "Finishing" | "Occupied" => true,
        "Charging" | "SuspendedEV" | "SuspendedEVSE" => status.at > stopped_at,
        _ => false,
    })
}

/// The register it began with, as far as it is known: the start's; what else tells it where the
/// start gives none that counts. In 2.x the station's own `Transaction.Begin`, else the first
/// reading.
pub fn begin_reading(session: &Session) -> Option<MeterReading> {
    let Some(given) = &session.beginning_so_far()?.meter_start else {
        let is_begin = |sample: &&MeterSample| sample.context == TRANSACTION_BEGIN;
        let first = session.registers().find(is_begin).or_else(|| session.registers().next());
        return first.map(reading);
    };
    if given.register_wh > WattHours::ZERO {
        return Some(given.clone());
    }
    let at_stop = session.stop().and_then(|stop| stop.meter_stop.as_ref());
    let end = at_stop.map(|reading| reading.register_wh);
    Some(told_elsewhere(session, end).unwrap_or_else(|| given.clone()))
}

/// The stop's register, else the last sample, else what it began with.
fn end_of(session: &Session, begin: &MeterReading) -> MeterReading {
    let last = session.registers().next_back();
    match (session.stop().and_then(|stop| stop.meter_stop.as_ref()), last) {
        (Some(given), _) => given.clone(),
        (None, Some(sample)) if WattHours(sample.value) >= begin.register_wh => reading(sample),
        _ => begin.clone(),
    }
}
