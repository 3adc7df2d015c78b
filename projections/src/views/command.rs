//! Intents to stations as they are given out.

use chargebook_domain::events::v1::{CommandFailure, Intent};
use chargebook_domain::ids::{CommandId, StationId, StationIdentity};
use chargebook_domain::units::Timestamp;
use serde::{Deserialize, Serialize};

/// How far a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// Wished for.
    Requested,
    /// On its way, durably.
    Sent,
    /// The station answered.
    Answered,
    /// It came to no answer; see the failure.
    Failed,
}

/// An intent to a station.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Command {
    /// Its id.
    pub command_id: CommandId,
    /// To which station.
    pub station: StationIdentity,
    /// Our id of that station.
    pub station_id: StationId,
    /// What it is to do; personal data and secrets in it are sealed.
    pub intent: Intent,
    /// How far it is.
    pub state: CommandState,
    /// The OCPP action it became.
    pub action: Option<String>,
    /// The status of the station's answer.
    pub reply_status: Option<String>,
    /// How it failed.
    pub failure: Option<CommandFailure>,
    /// In words.
    pub detail: Option<String>,
    /// When it was wished for.
    pub requested_at: Timestamp,
    /// After this it is not sent any more.
    pub expires_at: Timestamp,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
    /// When it was answered or failed.
    pub finished_at: Option<Timestamp>,
    /// Whether all that the station reports on it later is there; `None` where that is nothing.
    pub complete: Option<bool>,
    /// Position of `command.requested`.
    pub position: u64,
}
