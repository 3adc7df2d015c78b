//! Smart charging (1.6 section 3.13; OCPP 2.x part 2, block K): the profiles that a station keeps,
//! limits from outside, and what vehicles want. What the standard has as words stays the station's
//! word.

use crate::ids::{ConnectorNumber, EventId, EvseNumber, TransactionName};
use crate::units::{Timestamp, WattHours};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// `station.charging_profile_set`: a station accepted a charging profile of ours
/// (SetChargingProfile), or a remote start that brought it. In the station's stream; until there
/// was one for it, in that of the command that sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationChargingProfileSet {
    /// Where it holds.
    pub place: ChargingPlace,
    /// The profile.
    pub profile: ChargingProfile,
    /// The number of the remote start that brought it, for the transaction that names the same
    /// (2.x, `remoteStartId`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_start_id: Option<i32>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.charging_profiles_cleared`: a station gave up charging profiles (ClearChargingProfile).
/// What is absent narrows nothing. In the station's stream; until there was one for it, in that
/// of the command that asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationChargingProfilesCleared {
    /// The one of this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_id: Option<i64>,
    /// Those that hold here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<ChargingPlace>,
    /// Those for this purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Those of this stack level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_level: Option<u32>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.charging_profiles_reported`: profiles that a station says it keeps
/// (ReportChargingProfiles).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationChargingProfilesReported {
    /// Where they hold.
    pub place: ChargingPlace,
    /// Who set them: `CSO` is us; `EMS`, `SO`, `Other`.
    pub source: String,
    /// The profiles.
    pub profiles: Vec<ChargingProfile>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.charging_limit_told`: a limit from outside holds (NotifyChargingLimit).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationChargingLimitTold {
    /// Where it holds.
    pub place: ChargingPlace,
    /// Who set it: `EMS`, `SO`, `Other`, ….
    pub source: String,
    /// Whether the grid is in danger, where the station says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_grid_critical: Option<bool>,
    /// What it allows.
    pub schedules: Vec<ChargingSchedule>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.charging_limit_cleared`: a limit from outside is over (ClearedChargingLimit).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationChargingLimitCleared {
    /// Where it held.
    pub place: ChargingPlace,
    /// Who had set it.
    pub source: String,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.charging_needs_told`: what a vehicle needs (NotifyEVChargingNeeds), and the profile
/// that was promised for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationChargingNeedsTold {
    /// Where it is.
    pub place: ChargingPlace,
    /// What it needs.
    pub needs: ChargingNeeds,
    /// The exchange that said so.
    pub exchange: EventId,
    /// The transaction in progress there, where one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionName>,
    /// The number of the remote start that began it, where one did (`remoteStartId`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_start_id: Option<i32>,
    /// The profile that the station is sent for it; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Box<ChargingProfile>>,
    /// How much less energy than it wants it can get by its departure, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortfall_wh: Option<WattHours>,
    /// The ways of charging that the station is told are allowed besides, so that it may ask the
    /// vehicle again (2.1); empty: it is told nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_modes: Vec<String>,
}

/// `station.vehicle_schedule_told`: how a vehicle means to charge (NotifyEVChargingSchedule).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationVehicleScheduleTold {
    /// Where it is.
    pub place: ChargingPlace,
    /// What its periods count from.
    pub time_base: Timestamp,
    /// How it means to charge.
    pub schedule: ChargingSchedule,
    /// The exchange that said so.
    pub exchange: EventId,
    /// The transaction in progress there, where one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionName>,
    /// Whether it keeps within the limits that hold there, where limits are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_within_limits: Option<bool>,
    /// The profile that the station is sent to negotiate anew, where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Box<ChargingProfile>>,
}

/// `station.charging_schedule_updated`: a station took over new values for its dynamic charging
/// profile (2.1: UpdateDynamicSchedule). In the station's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationChargingScheduleUpdated {
    /// The profile.
    pub profile_id: i64,
    /// What may be drawn now, in the unit of the profile's schedule; absent: as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Decimal>,
    /// What is to be drawn now, in that unit; negative flows back. Absent: as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setpoint: Option<Decimal>,
    /// What may flow back now, in that unit, negative; absent: as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discharge_limit: Option<Decimal>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.priority_charging_told`: a transaction is charged before others, or is not any more
/// (2.1: NotifyPriorityCharging, or an accepted UsePriorityCharging).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationPriorityChargingTold {
    /// The transaction.
    pub transaction: TransactionName,
    /// Whether it is.
    pub is_active: bool,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// A profile that a station keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptProfile {
    /// Where it holds.
    pub place: ChargingPlace,
    /// Who set it, in OCPP's word; `CSO` is us.
    pub source: String,
    /// The profile.
    pub profile: ChargingProfile,
    /// The number of the remote start that brought it, for the transaction that names the same
    /// (2.x, `remoteStartId`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_start_id: Option<i32>,
    /// When the station said so, by our clock.
    pub told_at: Timestamp,
}

/// A limit from outside that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideLimit {
    /// Where it holds.
    pub place: ChargingPlace,
    /// Who set it, in OCPP's word.
    pub source: String,
    /// Whether the grid is in danger, where the station says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_grid_critical: Option<bool>,
    /// What it allows.
    pub schedules: Vec<ChargingSchedule>,
    /// When the station said so, by our clock.
    pub told_at: Timestamp,
}

/// What a vehicle needs, as it was last told at its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VehicleNeeds {
    /// Where it is.
    pub place: ChargingPlace,
    /// What it needs.
    pub needs: ChargingNeeds,
    /// The transaction in progress there then, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionName>,
    /// How much less energy than it wants it can get by its departure, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortfall_wh: Option<WattHours>,
    /// How often since then it meant to charge beyond the limits.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refused: u32,
    /// The exchange that said so.
    pub exchange: EventId,
    /// When the station said so, by our clock.
    pub told_at: Timestamp,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What a station's new month takes over of the charging there: what further profiles are planned
/// by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedCharging {
    /// The profiles that the station keeps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<KeptProfile>,
    /// Limits from outside that hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<OutsideLimit>,
    /// What vehicles need, the last word at each place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<VehicleNeeds>,
    /// The transactions that are charged before others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub priorities: Vec<TransactionName>,
}

/// Where something about charging holds: nothing named is the whole station.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChargingPlace {
    /// An EVSE (2.x).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evse: Option<EvseNumber>,
    /// A connector (1.6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<ConnectorNumber>,
}

/// A charging profile (ChargingProfileType).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargingProfile {
    /// Its number at the station.
    pub profile_id: i64,
    /// Of several for one purpose the highest holds.
    pub stack_level: u32,
    /// `TxProfile`, `TxDefaultProfile`, `ChargingStationMaxProfile`, ….
    pub purpose: String,
    /// `Absolute`, `Recurring`, `Relative`, `Dynamic`.
    pub kind: String,
    /// `Daily`, `Weekly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrency: Option<String>,
    /// From when on it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
    /// Until when it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<Timestamp>,
    /// The transaction that it is for: its number (1.6), or the station's word for it (2.x).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// What it allows, and when.
    pub schedules: Vec<ChargingSchedule>,
}

/// What may be drawn, and when (ChargingScheduleType).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargingSchedule {
    /// What its periods count from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// How long it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<u32>,
    /// What its limits are in: `A`, `W`.
    pub unit: String,
    /// The least that the vehicle can use, in that unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_rate: Option<Decimal>,
    /// Its periods, in order.
    pub periods: Vec<SchedulePeriod>,
}

/// A period of a schedule (ChargingSchedulePeriodType).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchedulePeriod {
    /// When it begins, after its schedule.
    pub start_seconds: u32,
    /// The most that may be drawn, in the schedule's unit; absent in what 2.1 steers otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Decimal>,
    /// By how many phases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phases: Option<u8>,
    /// Who steers it (2.1): `ChargingOnly`, `CentralSetpoint`, ….
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_mode: Option<String>,
    /// What is to be drawn, in the schedule's unit; negative flows back (2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setpoint: Option<Decimal>,
    /// What may flow back, in the schedule's unit, negative (2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discharge_limit: Option<Decimal>,
}

/// What a vehicle needs (ChargingNeedsType), as far as it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargingNeeds {
    /// `DC`, `AC_three_phase`, ….
    pub transfer_mode: String,
    /// When it means to leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub departure_at: Option<Timestamp>,
    /// How much energy it wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_wh: Option<WattHours>,
    /// The least current that it can use, per phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_min_a: Option<Decimal>,
    /// The most current that it can use, per phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_max_a: Option<Decimal>,
    /// The most voltage that it can use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voltage_max_v: Option<Decimal>,
    /// The most power that it can use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_max_w: Option<Decimal>,
    /// How full its battery is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_of_charge_percent: Option<u8>,
    /// How it could be charged as well, in the words of `transfer_mode` (2.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub available_modes: Vec<String>,
    /// Who decides what flows: `ScheduledControl`, `DynamicControl` (2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_mode: Option<String>,
    /// The most power that can flow back (2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discharge_power_max_w: Option<Decimal>,
    /// The most periods of a schedule that it can follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub periods_max: Option<u32>,
}

/// What a station takes of charging profiles, as its own variables say (SmartChargingCtrlr; 1.6:
/// section 9.4); what is absent it has not said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargingAbilities {
    /// Most periods of a schedule (`PeriodsPerSchedule`, `ChargingScheduleMaxPeriods`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub periods_max: Option<u32>,
    /// The highest level (`ProfileStackLevel`, `ChargeProfileMaxStackLevel`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_level_max: Option<u32>,
    /// What limits may be in: `A`, `W` (`RateUnit`, `ChargingScheduleAllowedChargingRateUnit`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<String>,
    /// The highest number that a limit from outside may have there; those of our profiles are
    /// above it (2.1: `MaxExternalConstraintsId`; part 2, K01.FR.80 and FR.81).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_number_max: Option<i64>,
}
