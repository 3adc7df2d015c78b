//! Sessions that follow each other in one place (a connector; an EVSE of 2.x): what the beginning
//! of one tells of the one before it, whose end has not come.

use super::basis::{TRANSACTION_BEGIN, reading};
use super::fold::Session;
use crate::events::v1::{Authorization, MeterReading, MeterSample, SessionSuperseded};
use crate::units::{Timestamp, WattHours};

/// What a session tells the one before it in its place: when it began, and with which register.
/// `None` as long as its start has not come, or tells no register. One whose token was refused
/// ends nobody: the car that is charged there goes on.
pub fn superseding(next: &Session) -> Option<SessionSuperseded> {
    let started = next.started()?;
    if started.authorization.is_some_and(|said| said != Authorization::Accepted) {
        return None;
    }
    let register = register_at_start(next)?;
    Some(SessionSuperseded { by: started.session_id, at: started.started_at, register })
}

/// Whether a sample may be the register that a session began with, and came after its start.
pub fn is_begin_register(sample: &MeterSample) -> bool {
    sample.context == TRANSACTION_BEGIN
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
    let place = |fact: &SessionSuperseded| -> (Timestamp, WattHours, _) {
        (fact.at, fact.register.register_wh, fact.by)
    };
    known.is_none_or(|known| match known.by == told.by {
        true => known != told,
        false => place(told) < place(known),
    })
}
