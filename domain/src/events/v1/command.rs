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
    /// What the station reports on it once it has answered, where it is a CALL of that kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_up: Option<FollowUp>,
}

/// What a station reports on a CALL of ours after its answer, in messages of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUp {
    /// What about.
    pub topic: ReportTopic,
    /// The number that the CALL gave it (`requestId`) and that the reports repeat; absent where
    /// the action has none (GetDiagnostics and UpdateFirmware of 1.6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<i32>,
    /// Whether all there is was asked for (a full inventory), so that what is not reported is
    /// not there; absent if not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_inventory: Option<bool>,
}

/// What a station reports on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportTopic {
    /// Batteries that are put in and taken out (BatterySwap).
    BatterySwap,
    /// The charging profiles that are installed (ReportChargingProfiles).
    ChargingProfiles,
    /// What is kept about a customer (NotifyCustomerInformation).
    CustomerInformation,
    /// The grid controls that are set (ReportDERControl).
    DerControls,
    /// Components and their variables (NotifyReport).
    DeviceModel,
    /// An upload of diagnostics (DiagnosticsStatusNotification).
    Diagnostics,
    /// The texts on the display (NotifyDisplayMessages).
    DisplayMessages,
    /// An update of the firmware (FirmwareStatusNotification, SignedFirmwareStatusNotification).
    Firmware,
    /// A firmware that is made available to other stations (PublishFirmwareStatusNotification).
    FirmwarePublication,
    /// An upload of a log (LogStatusNotification).
    Log,
    /// The monitors that are set (NotifyMonitoringReport).
    Monitors,
}

impl ReportTopic {
    /// Its word, as events spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::BatterySwap => "battery_swap",
            Self::ChargingProfiles => "charging_profiles",
            Self::CustomerInformation => "customer_information",
            Self::DerControls => "der_controls",
            Self::DeviceModel => "device_model",
            Self::Diagnostics => "diagnostics",
            Self::DisplayMessages => "display_messages",
            Self::Firmware => "firmware",
            Self::FirmwarePublication => "firmware_publication",
            Self::Log => "log",
            Self::Monitors => "monitors",
        }
    }
}

/// `command.answered`: the station answered our CALL with a CALLRESULT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandAnswered {
    /// The status in the answer: `Accepted`, …; absent where the answer has none.
    pub status: Option<String>,
    /// The exchange that said so.
    pub exchange: EventId,
    /// Whether the answer says without a status that nothing will be reported (GetDiagnostics of
    /// 1.6 without a file name); absent if not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nothing_follows: Option<bool>,
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
