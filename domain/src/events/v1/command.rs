//! An intent to a station, from the wish to the station's answer.

use crate::ids::{
    CommandId, ConnectorNumber, EventId, StationId, StationIdentity, TokenId, TransactionNumber,
};
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

/// What a station is asked to do, in words that no OCPP version owns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Intent {
    /// Begin charging (RemoteStartTransaction).
    Start {
        /// Where; any connector if absent.
        connector: Option<ConnectorNumber>,
        /// For which token.
        id_tag: SealedText,
        /// That token, where it is known.
        token_id: Option<TokenId>,
    },
    /// End charging (RemoteStopTransaction).
    Stop {
        /// Which transaction.
        transaction_id: TransactionNumber,
    },
    /// Restart the station.
    Reset {
        /// Hard: at once; soft: ends transactions first.
        hard: bool,
    },
    /// Release the cable.
    Unlock {
        /// Which connector.
        connector: ConnectorNumber,
    },
    /// Take in or out of service.
    SetAvailability {
        /// Which connector; 0 is the whole station.
        connector: ConnectorNumber,
        /// In service.
        operative: bool,
    },
    /// Read settings.
    GetConfiguration {
        /// Which; empty means all.
        keys: Vec<String>,
    },
    /// Change a setting.
    ChangeConfiguration {
        /// Which.
        key: String,
        /// To what; sealed, since it may be a secret.
        value: SealedText,
    },
    /// Ask for a message.
    Trigger {
        /// The message, in OCPP's word.
        message: String,
        /// For which connector.
        connector: Option<ConnectorNumber>,
    },
    /// A request in the very words of the version that the station spoke when it was asked for.
    Exact {
        /// That version, by its WebSocket sub-protocol: `ocpp2.0.1`.
        protocol: String,
        /// The action, in that version's word.
        action: String,
        /// The payload as JSON, checked and in the order of the version's schema; what may be
        /// personal or secret in it is sealed.
        payload: SealedText,
    },
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
