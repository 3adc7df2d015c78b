//! StopTransaction: ends the session it names. One that names none of ours still gets the
//! answer that lets the station move on, and is kept until its session is known.

use super::meter::{new_samples, with_evidence};
use super::other_token::{began_by_another, is_sealed_for};
use super::sessions::Bay;
use super::start::{clock_trust, reading};
use super::{Case, Decision, DeskError, StationDesk};
use crate::message::{Answer, StopReport};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    Anomaly, OrphanStop, SeenBy, SessionAnomalyNoted, SessionMeterRecorded, SessionStopped,
    StationOrphanRecorded, StationSecurityNoted, StopMatch,
};
use chargebook_domain::ids::{ConnectorNumber, TransactionNumber};
use chargebook_domain::sealed::SealedText;
use chargebook_domain::session::Beginning;
use chargebook_domain::units::{Timestamp, WattHours};
use chargebook_store::{LookupKey, StreamName};

/// Connectors that are looked at for an open session, beside those that have said something.
const CONNECTORS_GUESSED_MAX: u32 = 8;

impl StationDesk {
    pub(super) async fn decide_stop(
        &mut self,
        case: &Case<'_>,
        report: &StopReport,
    ) -> Result<Decision, DeskError> {
        let token = match &report.id_tag {
            Some(id_tag) => Some(self.present(id_tag, case).await?.answer),
            None => None,
        };
        let answer = Answer::Stop { token };
        let key = self.stop_key(report.transaction_id, report.stopped_at, report.meter_stop.value);
        if let Some(stream) = self.stream_of_transaction(report.transaction_id).await? {
            let matched_by = StopMatch::TransactionId;
            return self.stop_session(case, report, stream, answer, matched_by, Vec::new()).await;
        }
        if let Some(stream) = self.lookup(&key).await? {
            if stream.category() == "session" {
                let matched_by = StopMatch::OnlyOpenSession;
                return self
                    .stop_session(case, report, stream, answer, matched_by, Vec::new())
                    .await;
            }
            // One that a person has dismissed is no more among the orphans, and a repeat all the
            // same.
            let told_by = match self.known_orphan(report) {
                Some(orphan) => Some(orphan.exchange),
                None => self.first_told(&stream, &key).await?,
            };
            return Ok(Decision::station(answer, Vec::new()).repeating(told_by));
        }
        let personal = self.chargebook.personal();
        let anywhere = personal.any_transaction_key(report.transaction_id);
        if self.lookup(&anywhere).await?.is_some() {
            let noted = foreign_transaction(case, report.transaction_id);
            let orphan = OrphanStop { is_foreign: true, ..self.orphan(case, report).await? };
            let facts = vec![noted.into(), StationOrphanRecorded { orphan }.into()];
            let mut decision = Decision::station(answer, facts);
            decision.keys.push(key);
            return Ok(decision);
        }
        if report.transaction_id <= TransactionNumber(0)
            && let Some(stream) = self.only_open_session(report).await?
        {
            let matched_by = StopMatch::OnlyOpenSession;
            return self.stop_session(case, report, stream, answer, matched_by, vec![key]).await;
        }
        let orphan = StationOrphanRecorded { orphan: self.orphan(case, report).await? };
        let mut decision = Decision::station(answer, vec![orphan.into()]);
        decision.keys.push(key);
        Ok(decision)
    }

    async fn stop_session(
        &mut self,
        case: &Case<'_>,
        report: &StopReport,
        stream: StreamName,
        answer: Answer,
        matched_by: StopMatch,
        keys: Vec<LookupKey>,
    ) -> Result<Decision, DeskError> {
        let id_tag = match &report.id_tag {
            Some(id_tag) => Some(self.chargebook.personal().seal_uid(id_tag).await?),
            None => None,
        };
        let session = self.session(&stream).await?.ok_or(DeskError::Contended)?;
        let samples = new_samples(case, session, &report.samples);
        let mut facts: Vec<Event> = Vec::new();
        if !samples.is_empty() {
            facts.push(SessionMeterRecorded { samples, exchange: case.receipt_id }.into());
        }
        let same = session.same_stop(report.stopped_at, report.meter_stop.value);
        if let Some(same) = same {
            let exchange = Some(same.exchange);
            return Ok(Decision::session(stream, answer, facts).repeating(exchange));
        }
        let is_guess = matched_by != StopMatch::TransactionId;
        let contradicts = session.stop().is_some() && (is_guess || session.is_stopped_by_name());
        let began = id_tag.as_ref().and_then(|id_tag| began_by_another(session, id_tag));
        facts.push(
            SessionStopped {
                meter_stop: reading(case, &report.meter_stop),
                stopped_at: report.stopped_at,
                received_at: case.receipt.received_at,
                clock: clock_trust(report.stopped_at, case.receipt.received_at),
                reason: report.reason.clone(),
                id_tag,
                matched_by,
                exchange: case.receipt_id,
            }
            .into(),
        );
        if contradicts {
            let detail = "a second stop says something else than the first".to_owned();
            let exchange = Some(case.receipt_id);
            let anomaly = Anomaly::StopContradicted;
            facts.push(SessionAnomalyNoted { anomaly, detail, exchange }.into());
        }
        if let (Some(began), Answer::Stop { token: Some(token) }) = (began, &answer) {
            let noted = self.ended_by_another(&began, token, case.receipt_id).await?;
            facts.extend(noted.map(Event::from));
        }
        let mut decision = Decision::session(stream, answer, facts);
        decision.keys = keys;
        Ok(decision)
    }

    /// Finds a stop again that named no session of ours.
    pub(super) fn stop_key(
        &self,
        transaction_id: TransactionNumber,
        stopped_at: Timestamp,
        meter_stop: WattHours,
    ) -> LookupKey {
        let name = format!(
            "{} {} {} {}",
            self.state.station_id,
            transaction_id,
            stopped_at.as_millis(),
            meter_stop
        );
        self.chargebook.personal().name_key("stop", &name)
    }

    fn known_orphan(&self, report: &StopReport) -> Option<&OrphanStop> {
        self.state.orphans.iter().find(|orphan| {
            orphan.transaction_id == report.transaction_id
                && orphan.stopped_at == report.stopped_at
                && orphan.meter_stop_wh == report.meter_stop.value
        })
    }

    /// The one session that is open at this station and that the stop fits: in its time, its
    /// register and, where it names one, its token. `None` if there are several, or none.
    async fn only_open_session(
        &mut self,
        report: &StopReport,
    ) -> Result<Option<StreamName>, DeskError> {
        let mut connectors: Vec<ConnectorNumber> =
            (1..=CONNECTORS_GUESSED_MAX).map(ConnectorNumber).collect();
        let known = self.state.connectors.keys().map(|outlet| outlet.connector);
        connectors.extend(known.filter(|connector| connector.0 > CONNECTORS_GUESSED_MAX));
        let personal = self.chargebook.personal();
        let subject = match &report.id_tag {
            Some(id_tag) => Some(personal.token_subject(id_tag).await?),
            None => None,
        };
        let begin =
            |started: &Beginning| started.meter_start.as_ref().map(|begin| begin.register_wh);
        let mut fitting = None;
        for connector in connectors {
            let Some(stream) = self.latest_at(Bay::Connector(connector)).await? else { continue };
            let Some(session) = self.session(&stream).await? else { continue };
            let fits = session.is_open()
                && session.started().is_some_and(|started| {
                    started.started_at <= report.stopped_at
                        && begin(started) <= Some(report.meter_stop.value)
                        && subject.is_none_or(|subject| {
                            started.id_tag.as_ref().is_some_and(|tag| is_sealed_for(tag, subject))
                        })
                });
            if fits && fitting.replace(stream).is_some() {
                return Ok(None);
            }
        }
        Ok(fitting)
    }

    async fn orphan(&self, case: &Case<'_>, report: &StopReport) -> Result<OrphanStop, DeskError> {
        let personal = self.chargebook.personal();
        let (id_tag, id_tag_key) = match &report.id_tag {
            Some(id_tag) => {
                let key = hex::encode(personal.token_key(id_tag).0);
                (Some(personal.seal_uid(id_tag).await?), Some(key))
            }
            None => (None, None),
        };
        let samples: Vec<_> =
            report.samples.iter().map(|report| with_evidence(case, report)).collect();
        let begin = samples
            .iter()
            .find(|sample| sample.context == "Transaction.Begin" && sample.is_import_register());
        Ok(OrphanStop {
            transaction_id: report.transaction_id,
            meter_stop_wh: report.meter_stop.value,
            meter_evidence: reading(case, &report.meter_stop).evidence,
            stopped_at: report.stopped_at,
            received_at: case.receipt.received_at,
            reason: report.reason.clone(),
            id_tag,
            id_tag_key,
            begin: begin.cloned(),
            samples,
            is_foreign: false,
            exchange: case.receipt_id,
        })
    }
}

/// A station named a transaction of another one: it changes nothing there, and somebody should
/// know.
pub(super) fn foreign_transaction(
    case: &Case<'_>,
    transaction_id: TransactionNumber,
) -> StationSecurityNoted {
    StationSecurityNoted {
        kind: "foreign_transaction".to_owned(),
        seen_by: SeenBy::System,
        at: case.receipt.received_at,
        detail: Some(SealedText::plain(format!(
            "the station named transaction {transaction_id}, which is another station's; \
             nothing was changed there"
        ))),
        exchange: Some(case.receipt_id),
    }
}
