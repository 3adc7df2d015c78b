//! An intent to a station, from the wish to the station's answer.

use super::intent::Intent;
use crate::ids::{CommandId, EventId, StationId, StationIdentity};
use crate::sealed::SealedText;
use crate::units::Timestamp;
use serde::{Deserialize, Serialize};

/// `command.requested`: somebody wants a station to do something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRequested {
    /// The command.
    pub command_id: CommandId,
    /// To which station.
    pub station_id: StationId,
    /// The station's name.
    pub station: StationIdentity,
    /// What it is to do.
    pub intent: Intent,
    /// After this it is not sent any more.
    pub expires_at: Timestamp,
    /// Whether it may wait for the station to come back.
    pub waits: bool,
}

/// `command.sent`: our CALL to the station; durable before its frame leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandSent {
    /// The id of our CALL.
    pub message_id: String,
    /// The action of our CALL.
    pub action: String,
    /// Over which connection.
    pub epoch: u64,
    /// Our CALL, verbatim.
    pub frame: SealedText,
}

/// `command.answered`: the station answered our CALL with a CALLRESULT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandAnswered {
    /// The status in the answer: `Accepted`, …; absent where the answer has none.
    pub status: Option<String>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `command.failed`: what was wanted will not happen, or has been refused, or nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandFailed {
    /// How it ended.
    pub failure: CommandFailure,
    /// In words.
    pub detail: String,
    /// The exchange that said so, where one did.
    pub exchange: Option<EventId>,
}

/// Why a command did not come to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandFailure {
    /// The station is not connected, and this kind of command does not wait.
    StationOffline,
    /// Its time passed before it could be sent.
    Expired,
    /// The station answered with a CALLERROR.
    CallError,
    /// It was sent, and whether it had an effect is not known: no answer came in time, the
    /// connection ended, or we restarted.
    OutcomeUnknown,
    /// The station's OCPP version has no such message.
    NotSupported,
}
