//! What stations say has happened to their components (OCPP 2.x part 2, block N), and what an
//! operator has seen of it.

use super::device_model::{ComponentName, VariableName};
use crate::ids::{AlertId, EventId, ReportedEventKey, TransactionName};
use crate::sealed::SealedText;
use crate::units::Timestamp;
use serde::{Deserialize, Serialize};

/// `station.events_reported`: what a station said has happened (NotifyEvent).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationEventsReported {
    /// What happened, in the message's order.
    pub events: Vec<ReportedEvent>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// Something that happened to a component (EventDataType). In the log its texts are sealed: they
/// may be anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "Text: Deserialize<'de>"))]
pub struct ReportedEvent<Text = SealedText> {
    /// The station's number of it (`eventId`); after a restart it may be used again.
    pub number: i64,
    /// When, by the station's clock.
    pub at: Timestamp,
    /// The station's word for what led to it: `Alerting`, `Delta`, `Periodic`.
    pub trigger: String,
    /// The station's word for who wanted to know: `HardWiredNotification`, `CustomMonitor`, ….
    pub notification: String,
    /// To which component.
    pub component: ComponentName,
    /// Which of its variables tells.
    pub variable: VariableName,
    /// What the variable is now.
    pub value: Text,
    /// Whether it says that something is wrong, or right again; absent where it tells a value
    /// and nothing more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// The number of the event that brought it about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<i64>,
    /// From 0 (danger) to 9 (debugging), where the station says (2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<u8>,
    /// The maker's code for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technical_code: Option<String>,
    /// The maker's words for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technical_information: Option<Text>,
    /// The transaction that it is about, in the station's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionName>,
    /// The monitor that noticed it (`variableMonitoringId`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor: Option<i64>,
    /// What it is known by when it is repeated. Its number and time do not suffice: stations use
    /// them for several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ReportedEventKey>,
}

/// Whether something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It is.
    Wrong,
    /// It is right again.
    Right,
}

/// `alert.acknowledged`: an operator has seen an alert. In the stream of the station that it is
/// about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertAcknowledged {
    /// Which.
    pub alert_id: AlertId,
    /// Who, in their own words.
    pub acknowledged_by: SealedText,
    /// What they had to say to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<SealedText>,
}
