//! StartTransaction: a fact, whatever we think of the token. The same start is the same
//! session, whenever and however often it comes.

use super::neighbours::Neighbours;
use super::sessions::Bay;
use super::{Case, DECISION_RETRIES_MAX, Decision, DeskError, StationDesk, Target};
use crate::clock::derived_id;
use crate::journal::{Draft, JournalError};
use crate::message::{Answer, StartReport, TokenAnswer};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    Anomaly, Authorization, ClockTrust, Evidence, MeterReading, OrphanStop, RegisterBefore,
    ReservationUsed, SessionAnomalyNoted, SessionMeterRecorded, SessionStarted, SessionStopped,
    SessionSuperseded, StationOrphanResolved, StopMatch,
};
use chargebook_domain::ids::{
    ConnectorNumber, EventId, Outlet, ReservationId, SessionId, TransactionId,
};
use chargebook_domain::session::{Beginning, Session, is_ended_by, superseding};
use chargebook_domain::units::{Timestamp, WattHours};
use chargebook_store::{AppendError, ExpectedVersion, StreamName};
use chrono::{TimeDelta, TimeZone, Utc};
use std::sync::Arc;
use uuid::Uuid;

/// A station's clock may be ahead of ours by this much.
const CLOCK_AHEAD_MAX: TimeDelta = TimeDelta::hours(24);
/// Beyond the facts of one message: their ids follow from it by number, too.
const RESOLVED_ORDINAL_MIN: u32 = 1_000;
/// No station that speaks OCPP 1.6 ran before its text was published (October 2015).
const CLOCK_YEAR_MIN: i32 = 2015;

/// Whether a station's time can be believed.
pub(super) fn clock_trust(at: Timestamp, received_at: Timestamp) -> ClockTrust {
    let earliest = Utc.with_ymd_and_hms(CLOCK_YEAR_MIN, 10, 1, 0, 0, 0).single();
    let too_early = earliest.is_some_and(|earliest| at.utc() < earliest);
    let too_late = at.utc() - received_at.utc() > CLOCK_AHEAD_MAX;
    match too_early || too_late {
        true => ClockTrust::Implausible,
        false => ClockTrust::Plausible,
    }
}

impl StationDesk {
    pub(super) async fn decide_start(
        &mut self,
        case: &mut Case<'_>,
        report: &StartReport,
    ) -> Result<Decision, DeskError> {
        let session_id = self.chargebook.personal().session_id(
            self.state.station_id,
            report.connector,
            &report.id_tag,
            report.started_at,
            report.meter_start.value,
        );
        let stream = StreamName::of("session", session_id.0);
        let presented = self.present(&report.id_tag, case).await?.beginning();
        let looked_for = case.met == Some(session_id) || self.sessions.version(&stream).is_some();
        if looked_for && let Some(session) = self.session(&stream).await? {
            let Some(started) = session.started() else { return Err(DeskError::Contended) };
            let TransactionId::Number(transaction_id) = started.transaction_id else {
                return Err(DeskError::Contended);
            };
            let exchange = Some(started.exchange);
            // Clocks that cannot be believed repeat themselves: this may be another session.
            let ambiguous = started.clock == ClockTrust::Implausible
                && session.stop().is_some()
                && session.anomalies().all(|anomaly| anomaly != Anomaly::StartAmbiguous);
            let mut facts: Vec<Event> = Vec::new();
            if ambiguous {
                facts.push(start_ambiguous(case).into());
            }
            // Who was refused is not let in by asking again: the session stays refused.
            let token = match started.authorization {
                Some(Authorization::Accepted) | None => presented.answer,
                Some(authorization) => TokenAnswer::plain(authorization),
            };
            let answer = Answer::Start { transaction_id, token };
            return Ok(Decision::session(stream, answer, facts).repeating(exchange));
        }
        let transaction_id = match case.transaction_id {
            Some(taken) => taken,
            None => self.chargebook.transaction_ids().next().await?,
        };
        case.transaction_id = Some(transaction_id);
        let (site_id, time_zone) = self.place().await?;
        let accepted = presented.answer.authorization == Authorization::Accepted;
        let mut fact = SessionStarted {
            session_id,
            station_id: self.state.station_id,
            station: self.state.identity.clone(),
            connector: report.connector,
            transaction_id,
            site_id,
            time_zone,
            id_tag: self.chargebook.personal().seal_uid(&report.id_tag).await?,
            token_id: presented.token_id,
            account_id: presented.account_id,
            authorization: presented.answer.authorization,
            meter_start: reading(case, &report.meter_start),
            register_before: None,
            started_at: report.started_at,
            received_at: case.receipt.received_at,
            clock: clock_trust(report.started_at, case.receipt.received_at),
            reservation_id: report.reservation_id,
            follows: None,
            exchange: case.receipt_id,
        };
        let mut session = Session::default();
        self.take_in(&mut session, &[fact.clone().into()]);
        let neighbours = self.neighbours(&session, Bay::Connector(report.connector)).await?;
        let before = neighbours.as_ref().and_then(|known| known.before.as_deref());
        let refused = self.refused_before(report, before).await?;
        let left = refused.as_ref().and_then(|refused| {
            let session_id = refused.by;
            refused.register.clone().map(|register| RegisterBefore { session_id, register })
        });
        fact.register_before = left.or_else(|| register_before(report, before));
        // Where it left the meter it has not told yet.
        let unknown = refused.filter(|refused| refused.register.is_none());
        let personal = self.chargebook.personal().clone();
        let mut keys = vec![
            personal.transaction_key(self.state.station_id, transaction_id),
            personal.any_transaction_key(transaction_id),
        ];
        // Who was refused takes no place at the connector, and yet is not to draw what another
        // pays.
        fact.follows = neighbours.as_ref().and_then(Neighbours::id_before);
        let is_late = neighbours.as_ref().is_some_and(|known| known.after.is_some());
        if let Some(neighbours) = neighbours.as_ref().filter(|_| accepted) {
            keys.push(match neighbours.id_after() {
                None => personal.connector_key(self.state.station_id, report.connector),
                Some(after) => self.before_key(after),
            });
        }
        let used = report.reservation_id.filter(|_| accepted);
        let mut facts: Vec<Event> = vec![fact.into()];
        facts.extend(used.map(|number| self.reservation_used(case, number, session_id)));
        facts.extend(unknown.map(Event::from));
        if let Some(orphan) = self.orphan_for(case, report).await? {
            keys.push(personal.adoption_key(orphan.exchange));
            keys.push(self.stop_key(
                orphan.transaction_id,
                orphan.stopped_at,
                orphan.meter_stop_wh,
            ));
            if !orphan.samples.is_empty() {
                let samples = orphan.samples.clone();
                facts.push(SessionMeterRecorded { samples, exchange: orphan.exchange }.into());
            }
            facts.push(adopted(&orphan).into());
        }
        if let Some(neighbours) = neighbours.as_ref().filter(|_| accepted && is_late) {
            let mut session = Session::default();
            self.take_in(&mut session, &facts);
            facts.extend(neighbours.superseding(&session).map(Event::from));
        }
        self.claim_early(report.connector, &mut facts);
        let answer = Answer::Start { transaction_id, token: presented.answer };
        let mut decision = Decision::session(stream.clone(), answer, facts);
        decision.target = Target::NewSession(stream);
        decision.keys = keys;
        Ok(decision)
    }

    /// A reservation is used up by who may charge: a refused driver leaves it as it was.
    pub(super) fn reservation_used(
        &self,
        case: &Case<'_>,
        number: i32,
        session_id: SessionId,
    ) -> Event {
        ReservationUsed {
            reservation_id: ReservationId(number),
            station_id: self.state.station_id,
            session_id,
            exchange: case.receipt_id,
        }
        .into()
    }

    /// The site, and the zone its tariffs' hours are read in.
    pub(super) async fn place(
        &self,
    ) -> Result<(Option<chargebook_domain::ids::SiteId>, String), DeskError> {
        let default = || self.chargebook.settings().time_zone.clone();
        let Some(site_id) = self.state.site_id else { return Ok((None, default())) };
        let site = self.chargebook.registry().site_by_id(site_id).await?;
        Ok((Some(site_id), site.map_or_else(default, |site| site.time_zone.clone())))
    }

    /// What the connector said of the session before its start came: from its state when the
    /// month began on, as far as it is kept.
    fn claim_early(&self, connector: ConnectorNumber, facts: &mut Vec<Event>) {
        let Some(known) = self.state.connectors.get(&Outlet::of_station(connector)) else { return };
        let mut session = Session::default();
        for (version, fact) in (0..).zip(facts.iter()) {
            session.apply(EventId(Uuid::nil()), version, self.chargebook.journal().now(), fact);
        }
        let is_believed =
            session.started().is_some_and(|started| started.clock == ClockTrust::Plausible);
        if !is_believed {
            return;
        }
        for status in &known.early.statuses {
            if session.holds_connector_at(status.at) {
                facts.push(status.clone().into());
            }
        }
        for sample in &known.early.readings {
            if session.holds_meter_at(sample.sampled_at) {
                let exchange = sample.evidence.event_id;
                facts.push(SessionMeterRecorded { samples: vec![sample.clone()], exchange }.into());
            }
        }
    }

    /// A stop that came before this start and fits it.
    async fn orphan_for(
        &self,
        case: &Case<'_>,
        report: &StartReport,
    ) -> Result<Option<OrphanStop>, DeskError> {
        let clock = clock_trust(report.started_at, case.receipt.received_at);
        let personal = self.chargebook.personal();
        let tag_key = hex::encode(personal.token_key(&report.id_tag).0);
        let fits = |orphan: &&OrphanStop| {
            !orphan.is_foreign
                && orphan.stopped_at >= report.started_at
                && clock_trust(orphan.stopped_at, orphan.received_at) == clock
                && orphan.meter_stop_wh >= report.meter_start.value
                && orphan.id_tag_key.as_ref().is_none_or(|key| *key == tag_key)
        };
        let mut fitting: Vec<_> = self.state.orphans.iter().filter(fits).cloned().collect();
        fitting.sort_by_key(|orphan| (orphan.stopped_at, orphan.meter_stop_wh));
        for orphan in fitting {
            if self.lookup(&personal.adoption_key(orphan.exchange)).await?.is_none() {
                return Ok(Some(orphan));
            }
        }
        Ok(None)
    }

    /// What is to be remembered once a decision is durable.
    pub(super) async fn after(&mut self, case: &Case<'_>, decision: &Decision) {
        for (ordinal, fact) in (0..).zip(&decision.facts) {
            match fact {
                Event::SessionStarted(fact) if fact.authorization == Authorization::Accepted => {
                    let stream = StreamName::of("session", fact.session_id.0);
                    let bay = Bay::Connector(fact.connector);
                    if let Some(before) = fact.follows {
                        let before = StreamName::of("session", before.0);
                        let superseded = SessionSuperseded {
                            by: fact.session_id,
                            at: fact.started_at,
                            register: fact.meter_start.clone(),
                            start: None,
                            is_refused: false,
                        };
                        let cause = derived_id(case.cause, "session.started", 0);
                        self.supersede(before, superseded, cause).await;
                    }
                    if decision.keys.contains(&self.bay_key(bay)) {
                        self.sessions.set_latest(bay, stream);
                    }
                    self.has_moved();
                }
                Event::SessionOpened(fact) => {
                    let stream = StreamName::of("session", fact.session_id.0);
                    self.sessions.set_named(fact.transaction_id.clone(), stream);
                    self.has_moved();
                }
                Event::SessionTransactionReported(_) | Event::SessionMeterRecorded(_) => {
                    self.after_transaction(case, decision, ordinal).await;
                    self.after_refused(case, decision, ordinal).await;
                }
                Event::StationOrphanRecorded(_) => self.has_moved(),
                Event::StationCertificateRequested(request) => {
                    let delivered = self.chargebook.deliver_certificate(&self.state, request);
                    if let Err(error) = delivered.await {
                        let station = &self.state.identity;
                        tracing::warn!(%station, %error, "a certificate was not sent yet");
                    }
                }
                Event::SessionStopped(fact) => {
                    if fact.matched_by == StopMatch::StartCameLater {
                        self.resolve_orphan(case, fact.exchange, decision, ordinal).await;
                    }
                    self.after_refused(case, decision, ordinal).await;
                }
                Event::SessionPaymentSettled(fact) if self.is_told_early(fact) => {
                    self.resolve_orphan(case, fact.exchange, decision, ordinal).await;
                }
                _ => {}
            }
        }
    }

    /// Tells the session before one that was refused, and has drawn energy all the same, that its
    /// own ends where that begins.
    async fn after_refused(&mut self, case: &Case<'_>, decision: &Decision, ordinal: u32) {
        let (Target::Session(stream) | Target::NewSession(stream)) = &decision.target else {
            return;
        };
        let Some(fact) = decision.facts.get(ordinal as usize) else { return };
        let Ok(Some(session)) = self.session(stream).await else { return };
        if !session.started().is_some_and(Beginning::is_refused) {
            return;
        }
        let session = Arc::clone(session);
        if let Some(superseded) = superseding(&session)
            && let Ok(Some(before)) = self.before(&session).await
        {
            let cause = derived_id(case.cause, fact.event_type(), ordinal);
            self.supersede(before, superseded, cause).await;
        }
    }

    /// Tells the session before it in the bay, if its stop has not come. Should this fail, the
    /// billing policy does it: both write the same event.
    pub(super) async fn supersede(
        &mut self,
        stream: StreamName,
        fact: SessionSuperseded,
        cause: EventId,
    ) {
        if stream == StreamName::of("session", fact.by.0) {
            return;
        }
        let station_id = self.state.station_id;
        for _ in 0..DECISION_RETRIES_MAX {
            let Ok(Some(session)) = self.session(&stream).await else { return };
            let version = session.version().filter(|_| is_ended_by(session, &fact));
            let Some(version) = version else { return };
            let draft = Draft::following(cause, 0, fact.clone()).by("station").about(station_id);
            let journal = self.chargebook.journal();
            let appended = journal.append(&stream, ExpectedVersion::Exact(version), &[draft]).await;
            self.sessions.forget(&stream);
            match appended {
                // The session moved on: it may have got its stop.
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::debug!(%error, "left to the billing policy");
                    return;
                }
            }
        }
    }

    /// Takes what a session has taken in off the station's list. Should this fail, the adoption key
    /// in the log keeps a stop from being used again, and a payment gives way in its time.
    async fn resolve_orphan(
        &mut self,
        case: &Case<'_>,
        exchange: EventId,
        decision: &Decision,
        ordinal: u32,
    ) {
        let session_id: Option<SessionId> = match &decision.target {
            Target::Session(stream) | Target::NewSession(stream) => {
                stream.as_str().strip_prefix("session-").and_then(|id| id.parse().ok())
            }
            Target::Station | Target::Command(_) => None,
        };
        let fact = StationOrphanResolved { exchange, session_id, reason: None, decided_by: None };
        let draft = Draft::following(case.cause, RESOLVED_ORDINAL_MIN + ordinal, fact);
        let registry = self.chargebook.registry();
        if let Err(error) = registry.append_to_station(&mut self.state, vec![draft]).await {
            tracing::warn!(%error, "what was joined could not be taken off the station's list");
        }
    }
}

/// What the connector's meter stood at after the session before, where the start itself gives no
/// reading that counts.
fn register_before(report: &StartReport, before: Option<&Session>) -> Option<RegisterBefore> {
    match report.meter_start.value > WattHours::ZERO {
        true => None,
        false => before?.register_left_at(report.started_at),
    }
}

fn start_ambiguous(case: &Case<'_>) -> SessionAnomalyNoted {
    SessionAnomalyNoted {
        anomaly: Anomaly::StartAmbiguous,
        detail: "the same start came again after the stop, by a clock that cannot be believed"
            .to_owned(),
        exchange: Some(case.receipt_id),
    }
}

/// A register reading with its evidence in this receipt.
pub(super) fn reading(
    case: &Case<'_>,
    pointed: &crate::message::Pointed<chargebook_domain::units::WattHours>,
) -> MeterReading {
    MeterReading {
        register_wh: pointed.value,
        evidence: Evidence {
            event_id: case.receipt_id,
            pointer: pointed.pointer.clone(),
            raw: pointed.raw.clone(),
        },
    }
}

fn adopted(orphan: &OrphanStop) -> SessionStopped {
    SessionStopped {
        meter_stop: MeterReading {
            register_wh: orphan.meter_stop_wh,
            evidence: orphan.meter_evidence.clone(),
        },
        stopped_at: orphan.stopped_at,
        received_at: orphan.received_at,
        clock: clock_trust(orphan.stopped_at, orphan.received_at),
        reason: orphan.reason.clone(),
        id_tag: orphan.id_tag.clone(),
        matched_by: StopMatch::StartCameLater,
        exchange: orphan.exchange,
    }
}
