//! The device model of 2.x (part 1, section 4): components, their variables, and what monitors
//! and events say of them.

use super::charging::ChargingAbilities;
use crate::ids::{ConnectorNumber, EventId, EvseNumber};
use crate::sealed::SealedText;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// `station.variables_reported`: what a station said its variables are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationVariablesReported {
    /// The variables, in the message's order.
    pub variables: Vec<ReportedVariable>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.values_learnt`: values of variables that the station's answer to a command tells: it
/// was asked for them (GetVariables; 1.6: GetConfiguration), or accepted them (SetVariables; 1.6:
/// ChangeConfiguration). In the stream of that command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationValuesLearnt {
    /// The values.
    pub values: Vec<LearntValue>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.message_limits_told`: how much a station takes in one request of ours, as its own
/// variables say (ItemsPerMessage, BytesPerMessage; 1.6: GetConfigurationMaxKeys,
/// SendLocalListMaxLength), and what it takes of charging profiles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationMessageLimitsTold {
    /// The limits that are new.
    pub limits: Vec<MessageLimit>,
    /// What is new of the charging profiles that it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charging: Option<ChargingAbilities>,
}

/// How much a station takes in one request of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageLimit {
    /// The action.
    pub action: String,
    /// Most items of its list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items_max: Option<u32>,
    /// Most bytes of the whole message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_max: Option<u32>,
}

/// `station.cost_display_told`: whether a station shows drivers prices and costs, as its own
/// variables say (2.x: `TariffCostCtrlr`; 1.6: CustomDisplayCostAndPrice).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationCostDisplayTold {
    /// All that it has told of it, what it told before included.
    pub display: CostDisplay,
}

/// What a station has told of showing prices and costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostDisplay {
    /// Prices, before a session (part 2, section 2.10: instance `Tariff`).
    pub tariff: DisplaySupport,
    /// Costs, during a session (part 2, section 2.10: instance `Cost`).
    pub cost: DisplaySupport,
}

/// What a station has told of showing one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisplaySupport {
    /// Whether it can (`Available`), where it has told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<bool>,
    /// Whether that is switched on (`Enabled`), where it has told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// A value of a variable. In the log it is sealed: it may be anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "Text: Deserialize<'de>"))]
pub struct LearntValue<Text = SealedText> {
    /// Of which component; 1.6 has none, its keys stand under [`CONFIGURATION`].
    pub component: ComponentName,
    /// Which of its variables; in 1.6 the key.
    pub variable: VariableName,
    /// Which of its values: `Actual`, `Target`, `MinSet`, `MaxSet`.
    pub attribute: String,
    /// The value; absent where it is a secret, or was not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Text>,
    /// Whether it can only be read, where the station says (1.6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
}

/// The component that the configuration keys of a 1.6 station stand under.
pub const CONFIGURATION: &str = "Configuration";

/// A variable as a station reports it (ReportDataType). In the log its values are sealed: they
/// may be anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "Text: Deserialize<'de>"))]
pub struct ReportedVariable<Text = SealedText> {
    /// Of which component.
    pub component: ComponentName,
    /// Which of its variables.
    pub variable: VariableName,
    /// What it is.
    pub attributes: Vec<VariableAttribute<Text>>,
    /// What it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub characteristics: Option<VariableCharacteristics>,
}

/// A component (ComponentType).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentName {
    /// Its name, of the standard's list or the maker's.
    pub name: String,
    /// Which of several of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The EVSE it is part of; the station's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evse: Option<EvseNumber>,
    /// The connector of that EVSE that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<ConnectorNumber>,
}

/// A variable of a component (VariableType).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariableName {
    /// Its name, of the standard's list or the maker's.
    pub name: String,
    /// Which of several of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

/// One value of a variable (VariableAttributeType); what the station left out stands here as the
/// standard's default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "Text: Deserialize<'de>"))]
pub struct VariableAttribute<Text = SealedText> {
    /// Which of its values: `Actual`, `Target`, `MinSet`, `MaxSet`.
    pub attribute: String,
    /// The value; absent where it was not said, or can only be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Text>,
    /// `ReadOnly`, `WriteOnly`, `ReadWrite`.
    pub mutability: String,
    /// Whether it outlives a restart of the station.
    pub persistent: bool,
    /// Whether it never changes.
    pub constant: bool,
}

/// What a variable can be (VariableCharacteristicsType).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariableCharacteristics {
    /// `string`, `decimal`, `integer`, `dateTime`, `boolean`, `OptionList`, `SequenceList`,
    /// `MemberList`.
    pub data_type: String,
    /// The unit of its values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The least that it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_limit: Option<Decimal>,
    /// The most that it can be; of a text, its characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_limit: Option<Decimal>,
    /// Most members of a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_elements: Option<u32>,
    /// The values that it can have, separated by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values_list: Option<String>,
    /// Whether monitors can be set on it.
    pub supports_monitoring: bool,
}
