//! What a 2.x station says of itself in notifications: reports, events, limits.

use crate::ids::{CommandId, EventId, EvseNumber, ReportPartKey, TransactionName};
use crate::units::Timestamp;
use serde::{Deserialize, Serialize};

/// `station.notified`: a 2.x station said how something stands. The exchange holds what it said
/// in all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationNotified {
    /// The action: `NotifyReport`, ….
    pub action: String,
    /// The request of ours that it names (`requestId`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<i32>,
    /// The command that this request was; the event is in its stream then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandId>,
    /// Which part of a whole it is (`seqNo`), from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u32>,
    /// What the part is known by when it is repeated: some stations give all parts one number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ReportPartKey>,
    /// Whether more parts follow (`tbc`); absent where the action has no parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_be_continued: Option<bool>,
    /// The EVSE it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evse: Option<EvseNumber>,
    /// The transaction it is about, in the station's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionName>,
    /// The station's word for how it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The station's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The exchange that said so.
    pub exchange: EventId,
}
