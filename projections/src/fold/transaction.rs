//! Sessions of 2.x: opened by whichever message came first, and told part by part.

use super::analytics::trusted_time;
use super::decode::Reported;
use super::{Decoded, Refusal, State, in_own_stream};
use crate::tables::{
    EarlyPaymentRow, Json, OrphanResolutionRow, SessionMeterRow, SessionRow, Word,
};
use crate::views::SessionStatus;
use chargebook_domain::events::v1::{
    Authorization, ClockTrust, SessionOpened, SessionPaymentSettled, SessionTokenPresented,
    StationPaymentTold, TransactionEventKind,
};
use chargebook_domain::ids::{Outlet, SessionId, TransactionId};
use chargebook_domain::session::is_taken;
use chargebook_domain::units::{Timestamp, WattHours};

impl State {
    pub(super) fn session_opened(
        &mut self,
        event: &Decoded,
        fact: &SessionOpened,
    ) -> Result<(), Refusal> {
        in_own_stream(event, fact.session_id.0)?;
        if self.sessions.get(fact.session_id).is_some() {
            return Err(format!("the session {} has been opened already", fact.session_id));
        }
        self.sessions.insert(fact.session_id, opened_session(event, fact));
        self.meters.insert(fact.session_id, SessionMeterRow::new(fact.session_id, None));
        self.count_session(fact.session_id, true, fact.received_at);
        self.heard(fact.station_id, event.recorded_at);
        Ok(())
    }

    pub(super) fn transaction_reported(
        &mut self,
        event: &Decoded,
        fact: &Reported,
    ) -> Result<(), Refusal> {
        let (id, station) = self.known_session(event)?;
        self.heard(station, event.recorded_at);
        if fact.kind == TransactionEventKind::Started {
            self.transaction_started(event, id, fact);
        }
        if let Some(row) = self.sessions.touch(id) {
            row.evse = row.evse.or(fact.evse);
            row.connector = row.connector.or(fact.connector);
        }
        if fact.kind == TransactionEventKind::Ended {
            self.transaction_ended(id, fact);
        } else {
            self.occupy_outlet(id);
        }
        self.session_metered(event, &fact.samples)
    }

    fn transaction_started(&mut self, event: &Decoded, id: SessionId, fact: &Reported) {
        let Some(row) = self.sessions.touch(id) else { return };
        if row.status.0 == SessionStatus::Settled {
            return;
        }
        row.started_at = fact.at;
        row.clock_plausible = fact.clock == ClockTrust::Plausible;
        let began = trusted_time(row.clock_plausible, fact.at, event.recorded_at);
        // It is counted in the hour that it began in, and not in that of its first message.
        if row.counted_hour.is_some() {
            self.count_session(id, false, began);
            self.count_session(id, true, began);
        }
    }

    fn transaction_ended(&mut self, id: SessionId, fact: &Reported) {
        let Some(row) = self.sessions.touch(id) else { return };
        let is_earlier = row.ended_at.is_none_or(|known| fact.at < known);
        if is_earlier && row.status.0 != SessionStatus::Settled {
            row.ended_at = Some(fact.at);
            row.stop_reason.clone_from(&fact.stopped_reason);
            row.stop_reason.get_or_insert_with(|| super::session::STOP_REASON_DEFAULT.to_owned());
        }
        self.end(id);
    }

    /// An open session is what its connector shows, once it is known which that is.
    fn occupy_outlet(&mut self, id: SessionId) {
        let Some(row) = self.sessions.get(id) else { return };
        let (Some(evse), Some(connector)) = (row.evse, row.connector) else { return };
        if row.status.0 != SessionStatus::Open {
            return;
        }
        let outlet = Outlet { evse: Some(evse), connector };
        self.occupy(id, row.station_id, outlet, row.started_at);
    }

    /// What the station said last of the payment at its terminal.
    pub(super) fn payment_settled(
        &mut self,
        event: &Decoded,
        fact: &SessionPaymentSettled,
    ) -> Result<(), Refusal> {
        let (id, station) = self.known_session(event)?;
        self.heard(station, event.recorded_at);
        // It may have been told before its session: the station's stream says so too, but in an
        // append of its own.
        let (exchange, session_id) = (fact.exchange, Some(id));
        self.written.orphan_resolutions.push(OrphanResolutionRow { exchange, session_id });
        if let Some(row) = self.sessions.touch(id) {
            row.payment = Some(Json(fact.payment.clone()));
        }
        Ok(())
    }

    /// A payment that was taken, for a transaction that has not come. One that was not taken is
    /// nobody's loss.
    pub(super) fn payment_told(
        &mut self,
        event: &Decoded,
        fact: &StationPaymentTold,
    ) -> Result<(), Refusal> {
        let station_id = self.known_station(event)?;
        self.heard(station_id, event.recorded_at);
        if is_taken(&fact.payment) {
            self.written.early_payments.push(EarlyPaymentRow {
                exchange: fact.exchange,
                position: event.position.as_u64(),
                station_id,
                transaction_id: Json(fact.transaction.clone()),
                payment: Json(fact.payment.clone()),
                received_at: event.recorded_at,
            });
        }
        Ok(())
    }

    /// Who pays is the first token that was let charge; where none was, the first of all. One
    /// that was presented to end it counts only where none was to begin it.
    pub(super) fn token_presented(
        &mut self,
        event: &Decoded,
        fact: &SessionTokenPresented,
    ) -> Result<(), Refusal> {
        let (id, station) = self.known_session(event)?;
        self.heard(station, event.recorded_at);
        let Some(row) = self.sessions.touch(id) else { return Ok(()) };
        let pays = fact.authorization == Authorization::Accepted && fact.account_id.is_some();
        let known_pays = row.account_id.is_some()
            && row.authorization.is_some_and(|Word(word)| word == Authorization::Accepted);
        let first = |known| std::cmp::Reverse(known);
        let known = row.token_sequence.map(|known| (!row.token_ends, known_pays, first(known)));
        if known.is_none_or(|known| (!fact.ends, pays, first(fact.sequence)) > known) {
            row.id_tag = fact.id_tag.clone().map(Json);
            row.token_id = fact.token_id;
            row.account_id = fact.account_id;
            row.authorization = Some(Word(fact.authorization));
            row.token_sequence = Some(fact.sequence);
            row.token_ends = fact.ends;
        }
        Ok(())
    }
}

impl SessionMeterRow {
    /// Before anything was metered, but for what a start of 1.6 says itself. The station's clock
    /// tells when; ours would make whatever it delivers late older than that.
    pub(super) fn new(session_id: SessionId, sampled_at: Option<Timestamp>) -> Self {
        Self {
            session_id,
            sampled_at,
            energy_wh: WattHours::ZERO,
            power_w: None,
            state_of_charge_percent: None,
            export_first_wh: None,
            export_first_at: None,
            export_last_wh: None,
            export_last_at: None,
            counted_microwatthours: 0,
        }
    }
}

/// A session of which only its first message is known: what it began with is told later.
fn opened_session(event: &Decoded, fact: &SessionOpened) -> SessionRow {
    let station = (fact.station_id, fact.station.clone());
    let transaction_id = TransactionId::Name(fact.transaction_id.clone());
    SessionRow {
        site_id: fact.site_id,
        time_zone: fact.time_zone.clone(),
        started_at: fact.received_at,
        ..SessionRow::open(event, fact.session_id, station, transaction_id)
    }
}
