//! How an operator has us treat a charge point, and what it does otherwise than the standard.

use super::station::Registration;
use crate::ids::EventId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// `station.settings_changed`: how the station is treated from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationSettingsChanged {
    /// All of it, what stays the same included.
    pub settings: StationSettings,
}

/// `station.quirk_noticed`: the station did something that the standard does not allow and that a
/// dialect would understand; noted once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationQuirkNoticed {
    /// What.
    pub quirk: Quirk,
    /// The exchange that showed it, where one did.
    pub exchange: Option<EventId>,
}

/// `settings.model_dialect_set`: what a maker's stations do otherwise than the standard, for all of
/// them from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelDialectSet {
    /// The maker, as its stations name it when they boot.
    pub vendor: String,
    /// The model, as its stations name it; all of the maker's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// All of it; empty takes it away.
    pub dialect: Dialect,
}

/// `station.security_profile_agreed`: the station has accepted to connect with a higher OCPP
/// security profile. It may fall back where that fails (1.6 security white paper, A05.FR.08), so
/// it is let in as before until it has come with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationSecurityProfileAgreed {
    /// The profile: 1 to 3.
    pub security_profile: u8,
}

/// `station.security_profile_required`: a connection with a lower OCPP security profile is refused
/// from now on: the station has come with this one as agreed (A05.FR.09), or an operator says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationSecurityProfileRequired {
    /// The profile: 0 (any) to 3.
    pub security_profile: u8,
}

/// How a station is treated. The default is the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationSettings {
    /// What its next BootNotification is answered.
    pub registration: Registration,
    /// Whether it is sent nothing but what somebody asked for.
    pub quiet: bool,
    /// Whether its messages may be compressed (RFC 7692), where it offers that.
    pub compression: bool,
    /// What it does otherwise than the standard and is understood in.
    pub dialect: Dialect,
    /// Whether it shows drivers what charging costs, and is told, as an operator says; as the
    /// station itself says ([`CostDisplay`](super::CostDisplay)) if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shows_cost: Option<bool>,
    /// Whether it is told the tariff in force with each Authorize, to compute costs by it itself
    /// (2.1, I08).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local_tariffs: bool,
    /// Whether energy may flow back from vehicles there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allows_discharging: bool,
}

impl Default for StationSettings {
    fn default() -> Self {
        Self {
            registration: Registration::Accepted,
            quiet: false,
            compression: true,
            dialect: Dialect::STANDARD,
            shows_cost: None,
            local_tariffs: false,
            allows_discharging: false,
        }
    }
}

/// One way in which real chargers differ from the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quirk {
    /// It connects to a path with a trailing or double slash, or with segments of its own before
    /// its id.
    OtherPath,
    /// It spells the sub-protocol in another case, or names none and speaks OCPP 1.6.
    LooseSubProtocol,
    /// It writes `null` for members that it should leave out.
    NullMembers,
    /// It writes numbers as strings, or strings as numbers.
    NumbersAsStrings,
    /// It writes metered values with a decimal comma.
    DecimalComma,
    /// It leaves the unit of energy out and means kWh, where the standard means Wh.
    UnitMissingIsKwh,
    /// It leaves the measurand out where it is not energy; the unit tells which it is.
    MeasurandMissing,
    /// It gives the bytes of a card's uid in reverse order.
    ReversedUid,
    /// It answers no pings; it is alive as long as it sends anything.
    NoPong,
    /// It carries messages of Plug & Charge (ISO 15118) in DataTransfer, in the words of OCPP 2.0.1
    /// (1.6 only).
    PlugAndChargeData,
    /// It writes words that the standard's lists do not have, where a word may be left out: it
    /// counts as left out, and a sampled value that may be another by it as no value (1.6 only).
    UnknownWords,
    /// It writes the registers of a start or stop with a fraction of a watt-hour (1.6 only).
    FractionalRegisters,
}

impl Quirk {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::OtherPath,
        Self::LooseSubProtocol,
        Self::NullMembers,
        Self::NumbersAsStrings,
        Self::DecimalComma,
        Self::UnitMissingIsKwh,
        Self::MeasurandMissing,
        Self::ReversedUid,
        Self::NoPong,
        Self::PlugAndChargeData,
        Self::UnknownWords,
        Self::FractionalRegisters,
    ];

    /// Whether a metered value may be another one by it than the same text is by the
    /// standard.
    pub fn changes_values(self) -> bool {
        matches!(self, Self::DecimalComma | Self::UnitMissingIsKwh | Self::MeasurandMissing)
    }

    fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

/// A set of quirks; as JSON, the list of their names in the order of [`Quirk::ALL`].
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Quirk>", into = "Vec<Quirk>")]
pub struct Dialect(u16);

impl Dialect {
    /// No quirk: the standard.
    pub const STANDARD: Self = Self(0);

    /// Every quirk at once: what could be understood at all.
    pub fn every() -> Self {
        Quirk::ALL.iter().copied().collect()
    }

    /// Whether it holds a quirk.
    pub fn has(self, quirk: Quirk) -> bool {
        self.0 & quirk.bit() != 0
    }

    /// Adds a quirk.
    pub fn insert(&mut self, quirk: Quirk) {
        self.0 |= quirk.bit();
    }

    /// Whether it holds none.
    pub fn is_standard(&self) -> bool {
        self.0 == 0
    }

    /// Those of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that the other does not hold.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Its quirks, in the order of [`Quirk::ALL`].
    pub fn quirks(self) -> impl Iterator<Item = Quirk> {
        Quirk::ALL.iter().copied().filter(move |quirk| self.has(*quirk))
    }
}

impl FromIterator<Quirk> for Dialect {
    fn from_iter<I: IntoIterator<Item = Quirk>>(quirks: I) -> Self {
        let mut dialect = Self::STANDARD;
        quirks.into_iter().for_each(|quirk| dialect.insert(quirk));
        dialect
    }
}

impl From<Vec<Quirk>> for Dialect {
    fn from(quirks: Vec<Quirk>) -> Self {
        quirks.into_iter().collect()
    }
}

impl From<Dialect> for Vec<Quirk> {
    fn from(dialect: Dialect) -> Self {
        dialect.quirks().collect()
    }
}

impl fmt::Debug for Dialect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.quirks()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_is_a_set_and_every_quirk_has_its_own_place_in_it() {
        let mut dialect = Dialect::STANDARD;
        for (count, quirk) in Quirk::ALL.iter().enumerate() {
            assert!(!dialect.has(*quirk), "{quirk:?}");
            dialect.insert(*quirk);
            dialect.insert(*quirk);
            assert_eq!(dialect.quirks().count(), count + 1);
        }
        assert_eq!(dialect, Dialect::every());
        assert!(dialect.without(Dialect::every()).is_standard());
        let one = Dialect::from(vec![Quirk::NoPong]);
        assert_eq!(dialect.without(one).union(one), dialect);
    }
}
