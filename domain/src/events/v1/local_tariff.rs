//! Tariffs that a 2.1 station computes costs by itself (part 2, block I), as its answers to
//! commands tell. All of these stand in the stream of the command.

use crate::ids::{EventId, EvseNumber, TransactionName};
use crate::units::Timestamp;
use serde::{Deserialize, Serialize};

/// `station.default_tariff_set`: a station accepted a tariff for whoever has no other
/// (SetDefaultTariff, I07).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationDefaultTariffSet {
    /// At which EVSE; 0 is every one.
    pub evse: EvseNumber,
    /// The tariff (`tariffId`).
    pub tariff: String,
    /// From when on it holds; at once if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.transaction_tariff_changed`: a station accepted another tariff for a transaction that
/// goes on (ChangeTransactionTariff, I11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationTransactionTariffChanged {
    /// The transaction.
    pub transaction: TransactionName,
    /// The tariff (`tariffId`).
    pub tariff: String,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.tariffs_cleared`: a station holds tariffs no more, or never did (ClearTariffs, I10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationTariffsCleared {
    /// Those at this EVSE; wherever they held if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evse: Option<EvseNumber>,
    /// These (`tariffId`); all if empty.
    pub tariffs: Vec<String>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.tariffs_reported`: all the tariffs that a station holds at an EVSE (GetTariffs, I09).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationTariffsReported {
    /// At which EVSE; 0 is every one.
    pub evse: EvseNumber,
    /// The tariffs.
    pub tariffs: Vec<HeldTariff>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// A tariff that a station holds (TariffAssignmentType).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldTariff {
    /// The tariff (`tariffId`).
    pub tariff: String,
    /// The station's word: `DefaultTariff`, `DriverTariff`.
    pub kind: String,
    /// At which EVSEs; 0 is every one.
    pub evses: Vec<EvseNumber>,
    /// From when on it holds; at once if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
}
