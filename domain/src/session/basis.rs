//! What a bill would rest on: begin and end in time and in the register, and every reason to
//! doubt them.

use super::beginning::Stop;
use super::clock::ClockRepair;
use super::fold::Session;
use super::running::begin_reading;
use super::succession::{is_begin_register, overlaps};
use super::transaction::Transaction;
use crate::events::v1::{Anomaly, ClockTrust, MeterReading, MeterSample, Quantity};
use crate::units::{Timestamp, WattHours};
use rust_decimal::Decimal;

/// More average power than this between two readings is taken for a fault of a register, not
/// for a delivery: 1 MW, above every charger in the field.
pub const POWER_PLAUSIBLE_W_MAX: i64 = 1_000_000;

/// The context of the reading that a transaction begins with.
pub(super) const TRANSACTION_BEGIN: &str = "Transaction.Begin";
/// The context of the reading that a transaction ends with.
const TRANSACTION_END: &str = "Transaction.End";

/// Energy between two readings that no time check is made for: small steps come with
/// second-resolution clocks, and small steps back with registers that are rounded.
const ENERGY_UNCHECKED_WH_MAX: i64 = 1_000;

/// So many readings after each other below where the register began are no slip.
const READINGS_BELOW_BEGIN: u32 = 2;

/// Energy that the readings of power may show beside a register that stands still: the power is
/// read when a session is about to end, too.
const ENERGY_UNREGISTERED_WH_MAX: i64 = 100;

/// What the bill rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    /// When the transaction began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The register it began with.
    pub register_start: MeterReading,
    /// The register it ended with.
    pub register_end: MeterReading,
    /// The difference.
    pub energy_wh: WattHours,
    /// When the connector was free again, where that is known.
    pub released_at: Option<Timestamp>,
    /// What is odd, and does not keep it from being billed.
    pub anomalies: Vec<Anomaly>,
}

/// Why there is no basis for a bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// No start is known.
    StartMissing,
    /// No stop is known, and nothing stands in for it.
    StopMissing,
    /// The start gave no register, and nothing tells it.
    BeginMissing,
    /// The registers do not join: they fell on the way, or end below where they began.
    RegistersDoNotJoin,
    /// Power was drawn, and the register stood still.
    RegisterFrozen,
    /// More energy than any charger delivers in that time.
    EnergyImplausible,
    /// The station's clock cannot be believed and cannot be set right.
    ClockImplausible,
    /// Two stops that say different things.
    StopContradicted,
    /// The same start came again after the stop, and may be another session.
    StartAmbiguous,
    /// The registers of two sessions at the connector overlap.
    RegistersOverlap,
    /// Messages of the transaction have not come: their numbers have gaps.
    MessagesMissing,
    /// Energy flowed, and no two readings of the register tell how much.
    RegisterMissing,
    /// No register was read, and by its station's words no energy flowed.
    NothingMetered,
}

impl Basis {
    /// The basis that the facts give.
    ///
    /// The end is the stop; where none came, the last register of a session that is known to
    /// be over: another began at the connector, or the connector was free again.
    pub fn of(session: &Session) -> Result<Self, Doubt> {
        let started = session.started().ok_or(Doubt::StartMissing)?;
        let mut anomalies: Vec<Anomaly> = session.anomalies().collect();
        if anomalies.contains(&Anomaly::StartAmbiguous) {
            return Err(Doubt::StartAmbiguous);
        }
        let (end_at, end_register, stop_clock) = end_of(session, &mut anomalies)?;
        let clock = ClockRepair::of(session, end_at, stop_clock)?;
        if clock.was_wrong() {
            anomalies.push(Anomaly::ClockImplausible);
        }
        let started_at = clock.right(started.started_at);
        let ended_at = clock.right(end_at).max(started_at);
        let register_start = begin_of(session, &end_register, &clock, ended_at, &mut anomalies)?;
        let register_end = usable_end(session, &register_start, end_register, &mut anomalies)?;
        let fell = fell_on_the_way(session, &register_start, &register_end, |at| clock.right(at));
        if fell || began_anew(session, &register_start, |at| clock.right(at)) {
            return Err(Doubt::RegistersDoNotJoin);
        }
        let registers = (register_start.register_wh, register_end.register_wh);
        let reaches_into = |next| overlaps(session, registers.0, registers.1, next);
        if session.superseded().is_some_and(reaches_into) {
            return Err(Doubt::RegistersOverlap);
        }
        let energy_wh = register_end
            .register_wh
            .since(register_start.register_wh)
            .ok_or(Doubt::RegistersDoNotJoin)?;
        // Without a stop it may have been drawn after the last reading.
        let over_at = session.released_at().filter(|_| session.stop().is_none());
        let over_at = over_at.map_or(ended_at, |at| clock.right(at).max(ended_at));
        if !plausible(energy_wh, started_at, over_at) {
            return Err(Doubt::EnergyImplausible);
        }
        if energy_wh == WattHours::ZERO && has_drawn_power(session) {
            return Err(Doubt::RegisterFrozen);
        }
        anomalies.sort_unstable();
        anomalies.dedup();
        Ok(Self {
            started_at,
            ended_at,
            register_start,
            register_end,
            energy_wh,
            // Without a stop nothing proves that the car stayed beyond the last reading.
            released_at: match session.stop() {
                Some(_) => session.released_at().map(|at| clock.right(at).max(ended_at)),
                None => Some(ended_at),
            },
            anomalies,
        })
    }
}

/// When it ended, the register then, and whether that clock can be believed.
fn end_of(
    session: &Session,
    anomalies: &mut Vec<Anomaly>,
) -> Result<(Timestamp, MeterReading, Option<ClockTrust>), Doubt> {
    let Some(first) = session.stop() else { return end_without_stop(session, anomalies) };
    let Some(given) = &first.meter_stop else {
        let register = end_of_transaction(session, anomalies)?;
        return Ok((first.stopped_at, register, Some(first.clock)));
    };
    let same = |stop: &Stop| {
        stop.meter_stop.as_ref().map(|reading| reading.register_wh) == Some(given.register_wh)
    };
    if !session.holding_stops().all(same) {
        return Err(Doubt::StopContradicted);
    }
    if session.holding_stops().nth(1).is_some() {
        anomalies.push(Anomaly::StopContradicted);
    }
    Ok((first.stopped_at, given.clone(), Some(first.clock)))
}

/// Whether a 2.x transaction has told the registers that it began and ended with.
pub(super) fn ends_are_read(session: &Session) -> bool {
    let is_read = |context| session.registers().any(|sample| sample.context == context);
    is_read(TRANSACTION_BEGIN) && is_read(TRANSACTION_END)
}

/// The register that a 2.x transaction ended with: its `Transaction.End` reading, else the last
/// one that is known.
fn end_of_transaction(
    session: &Session,
    anomalies: &mut Vec<Anomaly>,
) -> Result<MeterReading, Doubt> {
    if session.holding_stops().nth(1).is_some() {
        return Err(Doubt::StopContradicted);
    }
    let transaction = session.transaction();
    if !transaction.is_some_and(Transaction::is_complete) {
        // A station that is short of memory may drop messages of the middle (2.x part 2,
        // E04.FR.07, .08). How much was drawn the two ends tell.
        if !ends_are_read(session) {
            return Err(Doubt::MessagesMissing);
        }
        anomalies.push(Anomaly::MessagesMissing);
    }
    let has_charged = transaction.is_some_and(Transaction::has_charged);
    let mut ends = session.registers().filter(|sample| sample.context == TRANSACTION_END);
    if let Some(end) = ends.next_back() {
        let is_only_reading = session.registers().nth(1).is_none();
        return match is_only_reading && has_charged {
            true => Err(Doubt::RegisterMissing),
            false => Ok(reading(end)),
        };
    }
    let mut registers = session.registers();
    match (registers.next_back(), registers.next()) {
        (Some(last), Some(_)) => {
            anomalies.push(Anomaly::EndMissing);
            Ok(reading(last))
        }
        (Some(only), None) if !has_charged => Ok(reading(only)),
        (None, _) if !has_charged => Err(Doubt::NothingMetered),
        _ => Err(Doubt::RegisterMissing),
    }
}

/// Where the stop was lost: the next session's begin register is this one's end, since nobody
/// else can have drawn what lies between; without a next session, or where that gives no register
/// that counts, the last sample before the connector was free proves what it can. The reading that
/// it began with proves nothing, unless by the station's words nothing flowed.
fn end_without_stop(
    session: &Session,
    anomalies: &mut Vec<Anomaly>,
) -> Result<(Timestamp, MeterReading, Option<ClockTrust>), Doubt> {
    let over_at = session.released_at().ok_or(Doubt::StopMissing)?;
    let last = session.registers().rfind(|sample| sample.sampled_at <= over_at);
    let ended_at = last.map_or(over_at, |sample| sample.sampled_at);
    let begin = begin_reading(session);
    let began_with = |sample: &MeterSample| {
        let is_it = begin.as_ref().is_some_and(|begin| begin.evidence == sample.evidence);
        is_it || is_begin_register(sample)
    };
    let on_the_way = last.filter(|sample| !began_with(sample));
    let tells = |next: &&MeterReading| {
        let restarts = |begin| counts_from_zero(begin, next.register_wh);
        let is_said_again = on_the_way.is_none() && begin.as_ref().is_some_and(restarts);
        next.register_wh > WattHours::ZERO || is_said_again
    };
    let next = session.superseded().map(|next| &next.register);
    let has_charged = session.transaction().map(Transaction::has_charged);
    let register = match (next.filter(tells), on_the_way, last) {
        (Some(next), ..) => next.clone(),
        (None, Some(sample), _) => reading(sample),
        (None, None, Some(begin)) if has_charged == Some(false) => reading(begin),
        (None, None, Some(_)) if has_charged == Some(true) => return Err(Doubt::RegisterMissing),
        (None, None, _) => return Err(Doubt::StopMissing),
    };
    anomalies.push(Anomaly::StopMissing);
    Ok((ended_at, register, None))
}

/// Whether the meter counts each session from 0: then the next one's begin tells nothing.
fn counts_from_zero(begin: &MeterReading, next: WattHours) -> bool {
    begin.register_wh == WattHours::ZERO && next == WattHours::ZERO
}

/// The register it began with. A begin of 0 that the station's own `Transaction.Begin`, the
/// connector's session before, or the laws of power contradict is a missing value and not a
/// zero; a negative one always is.
fn begin_of(
    session: &Session,
    end: &MeterReading,
    clock: &ClockRepair,
    ended_at: Timestamp,
    anomalies: &mut Vec<Anomaly>,
) -> Result<MeterReading, Doubt> {
    let started = session.started().ok_or(Doubt::StartMissing)?;
    let given = match started.meter_start.clone() {
        Some(given) => given,
        None => begin_of_transaction(session, end, anomalies)?,
    };
    if given.register_wh > WattHours::ZERO {
        return Ok(given);
    }
    if let Some(begin) = told_elsewhere(session, Some(end.register_wh)) {
        anomalies.push(Anomaly::StartMissing);
        return Ok(begin);
    }
    if given.register_wh < WattHours::ZERO || counts_on(session, end.register_wh) {
        return Err(Doubt::BeginMissing);
    }
    let first = session.registers().find(|sample| sample.context != TRANSACTION_BEGIN);
    let (first_register, first_at) = match first {
        Some(sample) => (WattHours(sample.value), clock.right(sample.sampled_at)),
        None => (end.register_wh, ended_at),
    };
    if plausible(first_register, clock.right(started.started_at), first_at) {
        return Ok(given);
    }
    Err(Doubt::EnergyImplausible)
}

/// The begin register where the start gave none that counts: the station's own
/// `Transaction.Begin`; else the register that the connector's session before ended with, unless
/// the meter is found below it, and so began anew.
pub(super) fn told_elsewhere(session: &Session, end: Option<WattHours>) -> Option<MeterReading> {
    let begin = session
        .registers()
        .find(|sample| sample.context == TRANSACTION_BEGIN && sample.value > Decimal::ZERO);
    if let Some(begin) = begin {
        return Some(reading(begin));
    }
    let before = match session.preceded() {
        Some(known) => known.register.as_ref()?,
        None => &session.started()?.register_before.as_ref()?.register,
    };
    let found = session.registers().next().map(|sample| WattHours(sample.value)).or(end)?;
    (found >= before.register_wh).then(|| before.clone())
}

/// Whether the meter is found above where the session before it began, and so counts on; where that
/// one has left it is not known. Then a begin of 0 is a missing value.
fn counts_on(session: &Session, end: WattHours) -> bool {
    let found = session.registers().next().map_or(end, |sample| WattHours(sample.value));
    session.preceded().is_some_and(|before| {
        before.register.is_none() && before.begin_wh > WattHours::ZERO && found >= before.begin_wh
    })
}

/// The register that a 2.x transaction began with: its `Transaction.Begin` reading, else the
/// first one that is known. A value that did not come is never taken for 0.
fn begin_of_transaction(
    session: &Session,
    end: &MeterReading,
    anomalies: &mut Vec<Anomaly>,
) -> Result<MeterReading, Doubt> {
    if let Some(begin) = session.registers().find(|sample| sample.context == TRANSACTION_BEGIN) {
        return Ok(reading(begin));
    }
    let Some(first) = session.registers().next() else { return Err(Doubt::RegisterMissing) };
    if first.evidence != end.evidence {
        anomalies.push(Anomaly::StartMissing);
    }
    Ok(reading(first))
}

/// The register it ended with. A stop register of 0 after samples that only ever rose is a
/// missing value; what the last sample proves is billed.
fn usable_end(
    session: &Session,
    start: &MeterReading,
    end: MeterReading,
    anomalies: &mut Vec<Anomaly>,
) -> Result<MeterReading, Doubt> {
    let mut rising = true;
    let mut last = start.register_wh.0;
    for sample in session.registers() {
        rising &= sample.value >= last;
        last = sample.value;
    }
    if !rising || end.register_wh.0 < last {
        anomalies.push(Anomaly::MeterBackwards);
    }
    if end.register_wh >= start.register_wh {
        return Ok(end);
    }
    match session.registers().next_back() {
        Some(sample) if end.register_wh == WattHours::ZERO && rising => Ok(reading(sample)),
        _ => Err(Doubt::RegistersDoNotJoin),
    }
}

/// Whether the register fell in between and never came back: it was reset or replaced, and what
/// it shows at the end is not all that was drawn. A single value that no charger could have
/// reached is a slip, and so is a step back of a rounded register.
fn fell_on_the_way(
    session: &Session,
    start: &MeterReading,
    end: &MeterReading,
    right: impl Fn(Timestamp) -> Timestamp,
) -> bool {
    let Some(started_at) = session.started().map(|started| right(started.started_at)) else {
        return false;
    };
    session.registers().any(|sample| {
        let register = WattHours(sample.value);
        let above = register.since(end.register_wh).unwrap_or(WattHours::ZERO);
        above.0 > Decimal::from(ENERGY_UNCHECKED_WH_MAX)
            && register
                .since(start.register_wh)
                .is_some_and(|drawn| plausible(drawn, started_at, right(sample.sampled_at)))
    })
}

/// Whether the register fell in between to below where it began, and stayed there: it was reset
/// or replaced, however high it has climbed since. A single reading there is a slip, and less
/// than a rounded register loses is no fall.
fn began_anew(
    session: &Session,
    start: &MeterReading,
    right: impl Fn(Timestamp) -> Timestamp,
) -> bool {
    let Some(started_at) = session.started().map(|started| right(started.started_at)) else {
        return false;
    };
    let mut highest = start.register_wh;
    let mut below = 0;
    for sample in session.registers() {
        let register = WattHours(sample.value);
        if register >= start.register_wh {
            below = 0;
            let drawn = register.since(start.register_wh);
            let can_be = |drawn| plausible(drawn, started_at, right(sample.sampled_at));
            if drawn.is_some_and(can_be) {
                highest = highest.max(register);
            }
            continue;
        }
        let fell = highest.0 - register.0 > Decimal::from(ENERGY_UNCHECKED_WH_MAX);
        below = if fell { below + 1 } else { 0 };
        if below >= READINGS_BELOW_BEGIN {
            return true;
        }
    }
    false
}

/// Whether the readings of power show more energy than a register that stood still explains: of
/// two that follow each other the lower one, over the time between them.
fn has_drawn_power(session: &Session) -> bool {
    let mut readings = session
        .samples()
        .filter(|sample| sample.quantity == Quantity::PowerImportW && sample.phase.is_none());
    let Some(mut before) = readings.next() else { return false };
    let mut watt_seconds = Decimal::ZERO;
    for sample in readings {
        let seconds = sample.sampled_at.seconds_since(before.sampled_at);
        let lower = sample.value.min(before.value).max(Decimal::ZERO);
        let drawn = lower.checked_mul(Decimal::from(seconds));
        let sum = drawn.and_then(|drawn| watt_seconds.checked_add(drawn));
        let Some(sum) = sum else { return true };
        watt_seconds = sum;
        before = sample;
    }
    watt_seconds > Decimal::from(ENERGY_UNREGISTERED_WH_MAX * 3_600)
}

/// Whether a charger could have delivered that much in that time.
pub(super) fn plausible(energy_wh: WattHours, from: Timestamp, to: Timestamp) -> bool {
    if energy_wh.0 <= Decimal::from(ENERGY_UNCHECKED_WH_MAX) {
        return true;
    }
    let seconds = Decimal::from(to.seconds_since(from));
    let limit = Decimal::from(POWER_PLAUSIBLE_W_MAX).checked_mul(seconds);
    let used = energy_wh.0.checked_mul(Decimal::from(3600));
    matches!((used, limit), (Some(used), Some(limit)) if used <= limit)
}

/// A sample of the register as a reading of it.
pub(super) fn reading(sample: &MeterSample) -> MeterReading {
    MeterReading { register_wh: WattHours(sample.value), evidence: sample.evidence.clone() }
}
