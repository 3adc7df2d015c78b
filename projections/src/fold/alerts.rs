//! Alerts: raised by the first word that something is wrong, repeated by further ones, cleared by
//! the word that it is right again. One thing that is wrong is one alert, however often it is
//! said.

use super::{Decoded, Refusal, State, stream_id};
use crate::tables::{AlertRow, Json, Word};
use crate::views::{AlertSource, AlertStatus};
use chargebook_domain::alert;
use chargebook_domain::events::v1::{
    AlertAcknowledged, Condition, Job, ReportedEvent, StationDerAlarmTold, StationEventsReported,
    StationJobStatus, StationSecurityNoted,
};
use chargebook_domain::ids::{AlertId, ConnectorNumber, EvseNumber, Outlet, StationId};
use chargebook_domain::sealed::SealedText;
use chargebook_domain::units::Timestamp;
use std::collections::{BTreeMap, HashMap};

/// Things that are wrong at one station at once; what comes on top makes no alert.
const STANDING_PER_STATION_MAX: usize = 512;

/// The alerts that what is said next may be about, by station and subject.
#[derive(Debug, Default)]
pub(crate) struct Standing(HashMap<StationId, BTreeMap<String, AlertId>>);

impl Standing {
    /// An alert as the database has it.
    pub(crate) fn loaded(&mut self, row: &AlertRow) {
        if stands(row) {
            self.0.entry(row.station_id).or_default().insert(row.subject.clone(), row.alert_id);
        }
    }

    fn get(&self, station: StationId, subject: &str) -> Option<AlertId> {
        self.0.get(&station)?.get(subject).copied()
    }

    fn has_room(&self, station: StationId) -> bool {
        self.0.get(&station).is_none_or(|standing| standing.len() < STANDING_PER_STATION_MAX)
    }

    fn remove(&mut self, row: &AlertRow) {
        if let Some(standing) = self.0.get_mut(&row.station_id)
            && standing.get(&row.subject) == Some(&row.alert_id)
        {
            standing.remove(&row.subject);
        }
    }
}

/// Whether what is said next of its subject is about this one: a moment that was seen is over.
pub(crate) fn stands(row: &AlertRow) -> bool {
    let is_moment = row.source.0 == AlertSource::Security;
    match row.status.0 {
        AlertStatus::Raised => true,
        AlertStatus::Acknowledged => !is_moment,
        AlertStatus::Cleared => false,
    }
}

/// What is said of something that can be wrong.
struct Said {
    station_id: StationId,
    /// What tells it from all else at the station.
    subject: String,
    source: AlertSource,
    kind: String,
    evse: Option<EvseNumber>,
    connector: Option<ConnectorNumber>,
    at: Timestamp,
    reported: Option<ReportedEvent>,
    technical_code: Option<String>,
    detail: Option<SealedText>,
}

impl Said {
    fn new(
        station_id: StationId,
        source: AlertSource,
        subject: String,
        kind: &str,
        at: Timestamp,
    ) -> Self {
        Self {
            station_id,
            subject,
            source,
            kind: kind.to_owned(),
            evse: None,
            connector: None,
            at,
            reported: None,
            technical_code: None,
            detail: None,
        }
    }
}

impl State {
    pub(super) fn events_reported(
        &mut self,
        event: &Decoded,
        fact: &StationEventsReported,
    ) -> Result<(), Refusal> {
        let station_id = self.reporting_station(event)?;
        for (ordinal, reported) in (0..).zip(&fact.events) {
            let Some(condition) = reported.condition else { continue };
            let ReportedEvent { component, variable, monitor, .. } = reported;
            // Where the value tells, all monitors of the variable tell of the same.
            let monitor = monitor.filter(|_| alert::trouble_word(&variable.name).is_none());
            let subject = serde_json::to_string(&("component", component, variable, monitor))
                .map_err(|error| error.to_string())?;
            let source = AlertSource::Component;
            let said = Said {
                evse: component.evse,
                connector: component.connector,
                technical_code: reported.technical_code.clone(),
                detail: reported.technical_information.clone(),
                reported: Some(reported.clone()),
                ..Said::new(station_id, source, subject, &variable.name, reported.at)
            };
            self.said(event, ordinal, condition, said);
        }
        self.heard(station_id, event.recorded_at);
        Ok(())
    }

    /// A connector's status, in a session or outside.
    pub(super) fn connector_said(
        &mut self,
        event: &Decoded,
        station_id: StationId,
        outlet: Outlet,
        (status, error_code): (&str, Option<&str>),
        vendor_error_code: Option<&str>,
        at: Timestamp,
    ) {
        let trouble = alert::of_connector(status, error_code);
        let condition = trouble.map_or(Condition::Right, |_| Condition::Wrong);
        let evse = outlet.evse.map_or_else(String::new, |evse| format!("{evse}/"));
        let subject = format!("connector {evse}{}", outlet.connector);
        let source = AlertSource::Connector;
        let said = Said {
            evse: outlet.evse,
            connector: Some(outlet.connector),
            technical_code: vendor_error_code.map(str::to_owned),
            ..Said::new(station_id, source, subject, trouble.unwrap_or_default(), at)
        };
        self.said(event, 0, condition, said);
    }

    pub(super) fn job_said(
        &mut self,
        event: &Decoded,
        fact: &StationJobStatus,
    ) -> Result<(), Refusal> {
        let station_id = self.reporting_station(event)?;
        let Some(condition) = alert::of_job(fact.job, &fact.status) else { return Ok(()) };
        let (source, subject) = match fact.job {
            Job::Firmware | Job::SignedFirmware => (AlertSource::Firmware, "firmware"),
            Job::Diagnostics => (AlertSource::Diagnostics, "diagnostics"),
            Job::Log => (AlertSource::Log, "log"),
        };
        let at = event.recorded_at;
        let said = Said::new(station_id, source, subject.to_owned(), &fact.status, at);
        self.said(event, 0, condition, said);
        Ok(())
    }

    /// Each kind of control for the grid has one alarm at a time.
    pub(super) fn grid_said(
        &mut self,
        event: &Decoded,
        station_id: StationId,
        fact: &StationDerAlarmTold,
    ) {
        let condition = if fact.has_ended { Condition::Right } else { Condition::Wrong };
        let subject = format!("grid {}", fact.control_type);
        let kind = fact.fault.as_ref().unwrap_or(&fact.control_type);
        let said = Said {
            technical_code: Some(fact.control_type.clone()),
            detail: fact.detail.clone(),
            ..Said::new(station_id, AlertSource::Grid, subject, kind, fact.at)
        };
        self.said(event, 0, condition, said);
    }

    pub(super) fn security_said(
        &mut self,
        event: &Decoded,
        station_id: StationId,
        fact: &StationSecurityNoted,
    ) {
        if !alert::is_of_security(&fact.kind, fact.seen_by) {
            return;
        }
        let subject = format!("security {}", fact.kind);
        let source = AlertSource::Security;
        let detail = fact.detail.clone();
        let said = Said::new(station_id, source, subject, &fact.kind, fact.at);
        self.said(event, 0, Condition::Wrong, Said { detail, ..said });
    }

    /// Of several acknowledgements the first holds.
    pub(super) fn alert_acknowledged(
        &mut self,
        event: &Decoded,
        fact: &AlertAcknowledged,
    ) -> Result<(), Refusal> {
        let station_id = StationId(stream_id(event)?);
        let row = self.alerts.get(fact.alert_id).filter(|row| row.station_id == station_id);
        let row = row.ok_or_else(|| format!("no alert {} at the station", fact.alert_id))?;
        if row.acknowledged_at.is_some() {
            return Ok(());
        }
        if let Some(row) = self.alerts.touch(fact.alert_id) {
            row.acknowledged_at = Some(event.recorded_at);
            row.acknowledged_by = Some(Json(fact.acknowledged_by.clone()));
            row.note = fact.note.clone().map(Json);
            if row.status.0 == AlertStatus::Raised {
                row.status = Word(AlertStatus::Acknowledged);
            }
            if !stands(row) {
                self.standing.remove(row);
            }
        }
        Ok(())
    }

    fn said(&mut self, event: &Decoded, ordinal: u32, condition: Condition, said: Said) {
        let known = self.standing.get(said.station_id, &said.subject);
        match (condition, known) {
            (Condition::Right, None) => {}
            (Condition::Right, Some(id)) => self.clear(event, id),
            (Condition::Wrong, None) => self.raise(event, ordinal, said),
            (Condition::Wrong, Some(id)) if self.is_another_error(id, &said) => {
                self.clear(event, id);
                self.raise(event, ordinal, said);
            }
            (Condition::Wrong, Some(id)) => self.repeat(event, id, said),
        }
    }

    /// A connector has one error code at a time: another one takes its place.
    fn is_another_error(&self, alert_id: AlertId, said: &Said) -> bool {
        said.source == AlertSource::Connector
            && self.alerts.get(alert_id).is_some_and(|row| row.kind != said.kind)
    }

    fn raise(&mut self, event: &Decoded, ordinal: u32, said: Said) {
        let Some(station) = self.stations.get(said.station_id) else { return };
        if !self.standing.has_room(said.station_id) {
            return;
        }
        let alert_id = AlertId::of(event.id, ordinal);
        let row = AlertRow {
            alert_id,
            position: event.position.as_u64(),
            station_id: said.station_id,
            station: station.station.clone(),
            subject: said.subject,
            source: Word(said.source),
            kind: said.kind,
            status: Word(AlertStatus::Raised),
            evse: said.evse,
            connector: said.connector,
            reported: said.reported.map(Json),
            technical_code: said.technical_code,
            detail: said.detail.map(Json),
            began_at: said.at,
            last_at: said.at,
            raised_at: event.recorded_at,
            repeated_at: event.recorded_at,
            occurrences: 1,
            cleared_at: None,
            acknowledged_at: None,
            acknowledged_by: None,
            note: None,
        };
        self.standing.loaded(&row);
        self.alerts.insert(alert_id, row);
    }

    /// The same word of the same instant is a repeat of the message, not of what it tells.
    fn repeat(&mut self, event: &Decoded, alert_id: AlertId, said: Said) {
        let number = |event: &ReportedEvent| event.number;
        let is_same = self.alerts.get(alert_id).is_some_and(|row| {
            let known = row.reported.as_ref().map(|Json(known)| number(known));
            row.last_at == said.at && known == said.reported.as_ref().map(number)
        });
        if is_same {
            return;
        }
        if let Some(row) = self.alerts.touch(alert_id) {
            row.kind = said.kind;
            row.reported = said.reported.map(Json);
            row.technical_code = said.technical_code.or_else(|| row.technical_code.take());
            row.detail = said.detail.map(Json).or_else(|| row.detail.take());
            row.last_at = said.at;
            row.repeated_at = event.recorded_at;
            row.occurrences = row.occurrences.saturating_add(1);
        }
    }

    fn clear(&mut self, event: &Decoded, alert_id: AlertId) {
        if let Some(row) = self.alerts.touch(alert_id) {
            row.status = Word(AlertStatus::Cleared);
            row.cleared_at = Some(event.recorded_at);
            self.standing.remove(row);
        }
    }
}
