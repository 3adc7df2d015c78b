//! The device model of 2.x stations, and the configuration of 1.6 stations.

use chargebook_domain::events::v1::{ComponentName, VariableCharacteristics, VariableName};
use chargebook_domain::sealed::SealedText;
use chargebook_domain::units::Timestamp;
use serde::Serialize;

/// One value of a variable, as the station last said it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Variable {
    /// Of which component.
    pub component: ComponentName,
    /// Which of its variables.
    pub variable: VariableName,
    /// Which of its values: `Actual`, `Target`, `MinSet`, `MaxSet`.
    pub attribute: String,
    /// The value, where it is known.
    pub value: Option<SealedText>,
    /// `ReadOnly`, `WriteOnly`, `ReadWrite`; like the next ones, only where the station says.
    pub mutability: Option<String>,
    /// Whether it outlives a restart of the station.
    pub persistent: Option<bool>,
    /// Whether it never changes.
    pub constant: Option<bool>,
    /// What it can be.
    pub characteristics: Option<VariableCharacteristics>,
    /// When the station said so, by our clock.
    pub reported_at: Timestamp,
    /// Position of the event that says so.
    pub position: u64,
}
