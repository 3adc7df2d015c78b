//! MeterValues: to the session they belong to; all others are kept with the station.

use super::sessions::Bay;
use super::stop::foreign_transaction;
use super::{Case, Decision, DeskError, StationDesk};
use crate::journal::JournalError;
use crate::message::{Answer, MeterReport, SampleReport};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{MeterSample, SessionMeterRecorded, StationMeterRecorded};
use chargebook_domain::ids::{ConnectorNumber, EvseNumber, TransactionNumber};
use chargebook_domain::session::Session;
use chargebook_store::{LookupKey, StreamName};

impl StationDesk {
    pub(super) async fn decide_meter(
        &mut self,
        case: &Case<'_>,
        report: &MeterReport,
    ) -> Result<Decision, DeskError> {
        if let Some(stream) = self.session_of(report).await?
            && let Some(session) = self.session(&stream).await?
        {
            let samples = new_samples(case, session, &report.samples);
            let repeats = samples.is_empty() && !report.samples.is_empty();
            let known = repeats.then(|| session.exchange_of(&report.samples[0].sample)).flatten();
            let mut facts: Vec<Event> = Vec::new();
            if !samples.is_empty() {
                facts.push(SessionMeterRecorded { samples, exchange: case.receipt_id }.into());
            }
            return Ok(Decision::session(stream, Answer::Empty, facts).repeating(known));
        }
        let mut facts: Vec<Event> = Vec::new();
        if let Some(transaction_id) = report.transaction_id {
            let personal = self.chargebook.personal();
            let anywhere = personal.any_transaction_key(transaction_id);
            if self.lookup(&anywhere).await?.is_some() {
                facts.push(foreign_transaction(case, transaction_id).into());
            }
        }
        let samples: Vec<MeterSample> =
            report.samples.iter().map(|sample| with_evidence(case, sample)).collect();
        let key = self.readings_key(report)?;
        if !samples.is_empty()
            && let Some(stream) = self.lookup(&key).await?
        {
            let told_by = self.first_told(&stream, &key).await?;
            return Ok(Decision::station(Answer::Empty, Vec::new()).repeating(told_by));
        }
        if !samples.is_empty() {
            facts.push(
                StationMeterRecorded {
                    evse: report.evse,
                    connector: report.connector,
                    transaction_id: report.transaction_id.map(|id| id.0),
                    samples,
                    exchange: case.receipt_id,
                }
                .into(),
            );
        }
        let mut decision = Decision::station(Answer::Empty, facts);
        decision.keys.extend((!report.samples.is_empty()).then_some(key));
        Ok(decision)
    }

    /// Finds readings again that belong to no session: they are told once.
    fn readings_key(&self, report: &MeterReport) -> Result<LookupKey, DeskError> {
        let samples: Vec<_> = report.samples.iter().map(|report| &report.sample).collect();
        let place = (self.state.station_id, report.evse, report.connector, report.transaction_id);
        let words = serde_json::to_string(&(place, samples))
            .map_err(|error| JournalError::Unwritable(error.to_string()))?;
        Ok(self.chargebook.personal().name_key("readings", &words))
    }

    /// By its transaction id; without one (clock-aligned values, and all MeterValues of 2.x), or
    /// with one that only says that the station does not know it (0, -1), the session that was
    /// going on at the EVSE or connector then.
    async fn session_of(&mut self, report: &MeterReport) -> Result<Option<StreamName>, DeskError> {
        if let Some(transaction_id) = report.transaction_id
            && transaction_id > TransactionNumber(0)
        {
            return self.stream_of_transaction(transaction_id).await;
        }
        let connector = report.connector.filter(|connector| *connector != ConnectorNumber(0));
        let evse = report.evse.filter(|evse| *evse != EvseNumber(0));
        let Some(bay) = evse.map(Bay::Evse).or(connector.map(Bay::Connector)) else {
            return Ok(None);
        };
        let Some(at) = report.samples.iter().map(|report| report.sample.sampled_at).min() else {
            let Some(stream) = self.latest_at(bay).await? else { return Ok(None) };
            let session = self.session(&stream).await?;
            return Ok(session.is_some_and(|session| session.is_open()).then_some(stream));
        };
        let holds = |session: &Session| {
            report.samples.iter().all(|report| session.holds_meter_at(report.sample.sampled_at))
        };
        self.holding(bay, at, holds).await
    }
}

/// A sample with its evidence in this receipt.
pub(super) fn with_evidence(case: &Case<'_>, report: &SampleReport) -> MeterSample {
    let mut sample = report.sample.clone();
    sample.evidence.event_id = case.receipt_id;
    sample
}

/// The samples that the session does not know yet.
pub(super) fn new_samples(
    case: &Case<'_>,
    session: &Session,
    reports: &[SampleReport],
) -> Vec<MeterSample> {
    reports
        .iter()
        .filter(|report| !session.knows_sample(&report.sample))
        .map(|report| with_evidence(case, report))
        .collect()
}
