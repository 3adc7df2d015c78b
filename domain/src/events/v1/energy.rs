//! What a 2.1 station says of its service to the grid (part 2, block R) and of the batteries that
//! are swapped at it (block S).

use crate::ids::{EventId, EvseNumber};
use crate::sealed::SealedText;
use crate::units::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// `station.der_alarm_told`: a control for the grid has met with trouble there, or that is over
/// (NotifyDERAlarm: R08).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationDerAlarmTold {
    /// Which kind of control: `HFMustTrip`, `LVMayTrip`, ….
    pub control_type: String,
    /// What is wrong with the grid: `OverFrequency`, `UnderVoltage`, ….
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Whether it is over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_ended: bool,
    /// When, by the station's clock.
    pub at: Timestamp,
    /// The station's own words on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<SealedText>,
    /// The exchange that says so.
    pub exchange: EventId,
}

/// `station.der_control_told`: a control for the grid that was planned has begun or ended
/// (NotifyDERStartStop: R04.FR.20).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationDerControlTold {
    /// Which.
    pub control_id: String,
    /// Whether it has begun.
    pub has_started: bool,
    /// The controls that it took the place of by beginning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub superseded: Vec<String>,
    /// When, by the station's clock.
    pub at: Timestamp,
    /// The exchange that says so.
    pub exchange: EventId,
}

/// `station.der_controls_reported`: controls for the grid that a station holds (ReportDERControl:
/// R04).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationDerControlsReported {
    /// The controls.
    pub controls: Vec<DerControl>,
    /// The exchange that says so.
    pub exchange: EventId,
}

/// A control for the grid, as a station holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DerControl {
    /// Which.
    pub control_id: String,
    /// Its kind: `EnterService`, `FreqDroop`, `VoltVar`, ….
    pub control_type: String,
    /// Whether it holds where no planned one does; absent where the kind has no such thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_default: Option<bool>,
    /// Whether another one has taken its place; absent where the kind has no such thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_superseded: Option<bool>,
    /// What it consists of, by the place in it.
    pub settings: Vec<DerSetting>,
}

/// A member of a control for the grid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DerSetting {
    /// Where in the control: `priority`, `curveData/0/x`.
    pub place: String,
    /// What is there, in the station's text.
    pub text: String,
}

/// `station.batteries_swapped`: batteries were put in or taken out, or left lying (BatterySwap:
/// S01 to S04).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationBatteriesSwapped {
    /// What happened: `BatteryIn`, `BatteryOut`, `BatteryOutTimeout`.
    pub kind: String,
    /// The number that one swap's going in and coming out have in common.
    pub request_id: i32,
    /// For which token.
    pub token: SealedText,
    /// Each of them.
    pub batteries: Vec<SwappedBattery>,
    /// The exchange that says so.
    pub exchange: EventId,
}

/// A battery that was put in or taken out. Its serial number is of a thing that goes from hand to
/// hand; whose hand it was, only the token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwappedBattery {
    /// The slot.
    pub evse: EvseNumber,
    /// Its serial number.
    pub serial_number: String,
    /// How full it is, in percent.
    pub state_of_charge_percent: Decimal,
    /// How much it still holds of what it once did, in percent.
    pub state_of_health_percent: Decimal,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub produced_at: Option<Timestamp>,
    /// What its maker says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_information: Option<SealedText>,
}
