//! A newtype per identity, so that no id can stand where another belongs.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )*};
}

uuid_ids! {
    /// An event: a receipt's is fresh (UUIDv7), a decided fact's is derived from its cause.
    EventId;
    /// A charge point, for us; what it calls itself is its [`StationIdentity`].
    StationId;
    /// A charging session.
    SessionId;
    /// An authorisation token (RFID card and the like).
    TokenId;
    /// A ledger account: who pays.
    AccountId;
    /// A driver.
    DriverId;
    /// A site: the place, its time zone, its host.
    SiteId;
    /// A tariff, over all its versions.
    TariffId;
    /// An intent to a station.
    CommandId;
    /// Something that is wrong at a station, and that somebody should know.
    AlertId;
    /// What a station has reported (NotifyEvent), by a keyed hash of all that it said: the same
    /// words are the same event.
    ReportedEventKey;
    /// A part of a report, by a keyed hash of its words: the same words are the same part.
    ReportPartKey;
    /// Whose personal data a sealed hole holds; names the key that opens it.
    SubjectId;
    /// A wish that somebody be forgotten, and what became of it.
    ErasureId;
}

impl AlertId {
    /// The alert that something in an event raises: `ordinal` tells the things of one event apart.
    pub fn of(event: EventId, ordinal: u32) -> Self {
        let hash = Sha256::new()
            .chain_update("alert")
            .chain_update(event.0.as_bytes())
            .chain_update(ordinal.to_be_bytes())
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

/// The name a charge point gives in its URL (OCPP-J section 3.1.1), percent-decoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StationIdentity(String);

/// Longest station identity, in characters: 48 is OCPP 2.x's identifierString, and what fits
/// the 1.6 fields in practice.
pub const STATION_IDENTITY_CHARACTERS_MAX: usize = 48;

/// Not a station identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a station id has 1 to {STATION_IDENTITY_CHARACTERS_MAX} printable characters, without `:` \
     (basic auth could not carry it) and without `/`"
)]
pub struct StationIdentityError;

impl StationIdentity {
    /// Checks and takes an identity.
    pub fn parse(text: &str) -> Result<Self, StationIdentityError> {
        let length = text.chars().count();
        let printable = |c: char| !c.is_control() && c != ':' && c != '/';
        if length == 0 || length > STATION_IDENTITY_CHARACTERS_MAX || !text.chars().all(printable) {
            return Err(StationIdentityError);
        }
        if text.trim() != text {
            return Err(StationIdentityError);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StationIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A connector's number: at its station in OCPP 1.6 (from 1; 0 is the station itself), at its
/// EVSE in 2.x (from 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectorNumber(pub u32);

impl fmt::Display for ConnectorNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An EVSE's number at its station (OCPP 2.x: from 1; 0 is the station's main meter).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EvseNumber(pub u32);

impl fmt::Display for EvseNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a network connection profile in a station (OCPP 2.x, part 2, B09:
/// `configurationSlot`, and the instance of the component `NetworkConfiguration`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConfigurationSlot(pub u32);

/// Where a car is charged at a station: one of its connectors (1.6), or one of an EVSE's (2.x).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outlet {
    /// The EVSE, at a station that counts them.
    pub evse: Option<EvseNumber>,
    /// The connector.
    pub connector: ConnectorNumber,
}

impl Outlet {
    /// A connector of a station that counts no EVSEs (1.6).
    pub fn of_station(connector: ConnectorNumber) -> Self {
        Self { evse: None, connector }
    }
}

/// An OCPP 1.6 transaction id: ours are positive, unique and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TransactionNumber(pub i32);

impl fmt::Display for TransactionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A reservation's number at its station: ours, given with ReserveNow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReservationId(pub i32);

impl fmt::Display for ReservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An OCPP 2.x transaction id: the station's own word for a transaction (`identifierString`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TransactionName(String);

/// A transaction's id, in the words of the station's OCPP version: a number of ours in 1.6, a
/// text of the station's in 2.x. In JSON a number or a string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TransactionId {
    /// 1.6.
    Number(TransactionNumber),
    /// 2.x.
    Name(TransactionName),
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// Longest transaction id of OCPP 2.x, in characters.
pub const TRANSACTION_NAME_CHARACTERS_MAX: usize = 36;

/// Not a transaction id of OCPP 2.x.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a transaction id has 1 to {TRANSACTION_NAME_CHARACTERS_MAX} characters")]
pub struct TransactionNameError;

impl TransactionName {
    /// Checks and takes an id.
    ///
    /// # Errors
    /// It is empty or too long.
    pub fn parse(text: &str) -> Result<Self, TransactionNameError> {
        match text.chars().count() {
            1..=TRANSACTION_NAME_CHARACTERS_MAX => Ok(Self(text.to_owned())),
            _ => Err(TransactionNameError),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TransactionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
