//! Sessions of 1.6 whose token was refused, and that draw energy all the same. They take no place
//! at their connector; yet where its meter stood after them, the next start that gives no register
//! has to know.

use super::sessions::Bay;
use super::{Decision, DeskError, StationDesk, Target};
use crate::message::StartReport;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::SessionPreceded;
use chargebook_domain::session::{
    Beginning, Session, began_at, has_drawn, preceding_at, superseding,
};
use chargebook_domain::units::WattHours;

impl StationDesk {
    /// What is written with the word that a refused session has drawn energy: the key that finds
    /// it, and the next session, where that gives no register and has to be told.
    pub(super) async fn note_refused(&mut self, decision: &mut Decision) -> Result<(), DeskError> {
        let tells = |fact: &Event| {
            matches!(fact, Event::SessionMeterRecorded(_) | Event::SessionStopped(_))
        };
        if !decision.facts.iter().any(tells) {
            return Ok(());
        }
        let is_refused = |session: &Session| session.started().is_some_and(Beginning::is_refused);
        let mut session = match &decision.target {
            Target::Session(stream) => match self.session(stream).await? {
                Some(session) if is_refused(session) => session.as_ref().clone(),
                _ => return Ok(()),
            },
            Target::NewSession(_) => Session::default(),
            Target::Station | Target::Command(_) => return Ok(()),
        };
        self.take_in(&mut session, &decision.facts);
        let began = session.started().filter(|began| began.is_refused());
        let Some(connector) = began
            .filter(|began| began.meter_start.is_some() && has_drawn(&session))
            .and_then(|began| began.connector)
        else {
            return Ok(());
        };
        let personal = self.chargebook.personal();
        decision.keys.push(personal.refused_key(self.state.station_id, connector));
        let neighbours = self.neighbours(&session, Bay::Connector(connector)).await?;
        let next = neighbours.and_then(|known| known.after).and_then(|next| superseding(&next));
        let told = next.filter(|next| {
            next.register.register_wh <= WattHours::ZERO && session.may_be_superseded(next)
        });
        decision.facts.extend(told.map(Event::from));
        Ok(())
    }

    /// What a refused session tells a start without a register: it began after the one that has the
    /// place before it, and has drawn energy since.
    pub(super) async fn refused_before(
        &mut self,
        report: &StartReport,
        before: Option<&Session>,
    ) -> Result<Option<SessionPreceded>, DeskError> {
        if report.meter_start.value > WattHours::ZERO {
            return Ok(None);
        }
        let personal = self.chargebook.personal();
        let key = personal.refused_key(self.state.station_id, report.connector);
        let Some(stream) = self.lookup(&key).await? else { return Ok(None) };
        let Some(refused) = self.session(&stream).await? else { return Ok(None) };
        let place = |session: &Session| session.started().map(|began: &Beginning| began_at(began));
        let is_between = place(refused) > before.and_then(place)
            && place(refused).is_some_and(|began| began <= report.started_at);
        Ok(preceding_at(refused, report.started_at).filter(|_| is_between))
    }
}
