//! What a 2.1 station says of its service to the grid, and of the batteries swapped at it.

use super::PresentedToken;
use chargebook_domain::events::v1::DerControl;
use chargebook_domain::ids::EvseNumber;
use chargebook_domain::units::Timestamp;
use rust_decimal::Decimal;

/// See the module (2.1: part 2, blocks R and S).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnergyNews {
    /// A control for the grid has met with trouble there, or that is over (NotifyDERAlarm).
    Alarm {
        /// Which kind of control.
        control_type: String,
        /// What is wrong with the grid.
        fault: Option<String>,
        /// Whether it is over.
        has_ended: bool,
        /// When, by the station's clock.
        at: Timestamp,
        /// The station's own words on it.
        detail: Option<String>,
    },
    /// A planned control has begun or ended (NotifyDERStartStop).
    ControlTold {
        /// Which.
        control_id: String,
        /// Whether it has begun.
        has_started: bool,
        /// Those whose place it took.
        superseded: Vec<String>,
        /// When, by the station's clock.
        at: Timestamp,
    },
    /// It holds these controls (ReportDERControl).
    ControlsReported(Vec<DerControl>),
    /// Batteries were put in or taken out, or left lying (BatterySwap).
    Swapped {
        /// Which of these.
        kind: String,
        /// The number that one swap's going in and coming out have in common.
        request_id: i32,
        /// For which token.
        token: PresentedToken,
        /// Each of them.
        batteries: Vec<ReportedBattery>,
    },
}

/// A battery that was put in or taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedBattery {
    /// The slot.
    pub evse: EvseNumber,
    /// Its serial number.
    pub serial_number: String,
    /// How full it is, in percent.
    pub state_of_charge_percent: Decimal,
    /// How much it still holds of what it once did, in percent.
    pub state_of_health_percent: Decimal,
    /// When it was made.
    pub produced_at: Option<Timestamp>,
    /// What its maker says of it.
    pub vendor_information: Option<String>,
}
