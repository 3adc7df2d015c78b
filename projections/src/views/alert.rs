//! Alerts as they are given out.

use chargebook_domain::events::v1::ReportedEvent;
use chargebook_domain::ids::{AlertId, ConnectorNumber, EvseNumber, StationId, StationIdentity};
use chargebook_domain::sealed::SealedText;
use chargebook_domain::units::Timestamp;
use serde::{Deserialize, Serialize};

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertSource {
    /// A component of a 2.x station (NotifyEvent).
    Component,
    /// A connector, or in 1.6 the station itself (StatusNotification).
    Connector,
    /// The grid, as a control for it has met with it at a 2.1 station (NotifyDERAlarm).
    Grid,
    /// An update of the firmware.
    Firmware,
    /// An upload of diagnostics.
    Diagnostics,
    /// An upload of a log.
    Log,
    /// Security, as the station or we have seen it. It is a moment, and never clears by itself.
    Security,
}

/// How an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// Something is wrong, and nobody has said that they have seen it.
    Raised,
    /// Something is wrong, and somebody has seen it.
    Acknowledged,
    /// It is right again.
    Cleared,
}

/// Something that is wrong at a station, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// Which.
    pub alert_id: AlertId,
    /// What the station calls itself.
    pub station: StationIdentity,
    /// Our id of that station.
    pub station_id: StationId,
    /// What it is about.
    pub source: AlertSource,
    /// What is wrong, in the station's word, or ours: an error code, a variable's name, a status,
    /// a kind of security event.
    pub kind: String,
    /// How it stands.
    pub status: AlertStatus,
    /// At which EVSE (2.x).
    pub evse: Option<EvseNumber>,
    /// At which connector; in 1.6, 0 is the station itself.
    pub connector: Option<ConnectorNumber>,
    /// What the station said of its component, the last time.
    pub reported: Option<ReportedEvent>,
    /// The maker's code for it.
    pub technical_code: Option<String>,
    /// In words, sealed.
    pub detail: Option<SealedText>,
    /// When it was first so, by the clock of whoever saw it.
    pub began_at: Timestamp,
    /// When we first heard of it.
    pub raised_at: Timestamp,
    /// When we last heard of it.
    pub repeated_at: Timestamp,
    /// How often we have heard of it.
    pub occurrences: u32,
    /// When we heard that it is right again.
    pub cleared_at: Option<Timestamp>,
    /// When somebody said that they have seen it.
    pub acknowledged_at: Option<Timestamp>,
    /// Who, sealed.
    pub acknowledged_by: Option<SealedText>,
    /// What they had to say to it, sealed.
    pub note: Option<SealedText>,
    /// Position of the event that raised it.
    pub position: u64,
}
