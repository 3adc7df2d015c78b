//! Sessions that follow each other in one place (a connector; an EVSE of 2.x): what the beginning
//! of one tells of the one before it, whose end has not come.

use super::basis::{TRANSACTION_BEGIN, reading};
use super::fold::Session;
use super::running::{begin_reading, registers_as_told};
use crate::events::v1::{MeterReading, MeterSample, SessionPreceded, SessionSuperseded};
use crate::ids::SessionId;
use crate::units::{Timestamp, WattHours};
use rust_decimal::Decimal;

/// By so much registers overlap that are rounded, or read a moment apart.
const OVERLAP_UNDOUBTED_WH_MAX: i64 = 100;

/// What a session tells the one before it in its place: when it began, and with which register.
/// `None` as long as its start has not come, or tells no register. One whose token was refused
/// ends nobody, the car that is charged there goes on; unless it has drawn energy itself, which is
/// not to fall to the one before it.
pub fn superseding(next: &Session) -> Option<SessionSuperseded> {
    let started = next.started()?;
    let is_refused = started.is_refused();
    if is_refused && !has_drawn(next) {
        return None;
    }
    let register = register_at_start(next)?;
    Some(SessionSuperseded {
        by: started.session_id,
        at: started.started_at,
        start: Some(started.exchange).filter(|start| *start != register.evidence.event_id),
        register,
        is_refused,
    })
}

/// Whether a session has to be told of the next one: its stop has not come. One that was stopped
/// before the next one was told is billed by its own start and stop.
pub fn is_ended_by(session: &Session, next: &SessionSuperseded) -> bool {
    session.stop().is_none() && session.may_be_superseded(next)
}

/// What a session of 1.6 tells the one after it at its connector, where that one's start gives no
/// register that counts, and was told before this one's stop or start: which that is, and where its
/// meter was found and left. Where it had ended by then, that one's start says so itself.
pub fn preceding(session: &Session) -> Option<(SessionId, SessionPreceded)> {
    let next = session.next().filter(|next| next.register.register_wh <= WattHours::ZERO)?;
    Some((next.by, preceding_at(session, next.at)?))
}

/// The same for a start at an instant. Who was refused and has drawn nothing tells nothing.
pub fn preceding_at(session: &Session, at: Timestamp) -> Option<SessionPreceded> {
    let started = session.started().filter(|started| started.meter_start.is_some())?;
    if started.is_refused() && !has_drawn(session) {
        return None;
    }
    Some(SessionPreceded {
        by: started.session_id,
        at: started.started_at,
        begin_wh: begin_reading(session)?.register_wh,
        register: session.register_left_at(at).map(|left| left.register),
    })
}

/// Whether a sample may be the register that a session began with, and came after its start.
pub fn is_begin_register(sample: &MeterSample) -> bool {
    sample.context == TRANSACTION_BEGIN
}

/// Whether a session's stop says that it went on, by time and register, into the next one. Where
/// it was over before by the station's own times, its start and its stop prove what it drew, and
/// what the next one begins with contradicts nothing of it: meters are reset, replaced, and count
/// each session anew.
pub(super) fn overlaps(
    session: &Session,
    begin: WattHours,
    end: WattHours,
    next: &SessionSuperseded,
) -> bool {
    let Some(stop) = session.stop() else { return false };
    let next_wh = next.register.register_wh;
    let above = end.since(next_wh).unwrap_or(WattHours::ZERO);
    let counts_from_zero = begin == WattHours::ZERO && next_wh == WattHours::ZERO;
    above.0 > Decimal::from(OVERLAP_UNDOUBTED_WH_MAX)
        && next.at < stop.stopped_at
        && next_wh >= begin
        && !counts_from_zero
}

/// Whether its registers show that energy flowed.
pub fn has_drawn(session: &Session) -> bool {
    registers_as_told(session).is_some_and(|(begin, end)| end > begin)
}

/// The register that a session surely began with. A reading of 2.x that was only made on the way
/// is none: what was drawn until then would be the energy of the session before.
fn register_at_start(session: &Session) -> Option<MeterReading> {
    let started = session.started()?;
    if let Some(given) = &started.meter_start {
        return Some(given.clone());
    }
    let came_with_it = |sample: &&MeterSample| sample.evidence.event_id == started.exchange;
    let begin = session.registers().find(|sample| is_begin_register(sample));
    begin.or_else(|| session.registers().find(came_with_it)).map(reading)
}

/// Whether what one session tells of the one before counts rather than what was known: the
/// nearest one that followed tells, and corrects what it told itself.
pub(super) fn counts(told: &SessionSuperseded, known: Option<&SessionSuperseded>) -> bool {
    known.is_none_or(|known| match known.by == told.by {
        true => known != told,
        false => place(told) < place(known),
    })
}

/// What orders those that followed a session: the nearest is the least.
pub(super) fn place(fact: &SessionSuperseded) -> (Timestamp, WattHours, SessionId) {
    (fact.at, fact.register.register_wh, fact.by)
}
