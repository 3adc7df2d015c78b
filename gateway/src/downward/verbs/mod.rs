//! Intents in an OCPP version's words: which action, and its payload. Whether the payload is as
//! the standard has it is checked afterwards, with those that came in OCPP's words.

mod costs;
mod profile;
mod v16;
mod v2;

use crate::message::Unsendable;
use chargebook_commands::OpenedIntent;
use chargebook_commands::protocol::Lack;
use chargebook_domain::events::v1::{Intent, LimitUnit};
use chargebook_domain::ids::{ConnectorNumber, EvseNumber};
use ocpp_kit::Version;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

/// An action and its payload.
type Request = (&'static str, Value);

/// The request for an intent; `number` is the command's own, for what needs one (`requestId`,
/// `remoteStartId`).
pub(super) fn in_words_of(
    version: Version,
    intent: &OpenedIntent,
    number: i32,
) -> Result<Request, Unsendable> {
    match version {
        Version::V1_6 => v16::request(intent, number),
        _ => v2::request(version, intent, number),
    }
}

/// What a verb must say in a version though it need not in another.
pub(super) fn is_whole<T>(version: Version, intent: &Intent<T>) -> Result<(), Lack> {
    match (version, intent) {
        (Version::V1_6, _) => Ok(()),
        (_, Intent::Trigger { message, connector, evse }) => {
            v2::triggers_whole(message, Place { evse: *evse, connector: *connector })
        }
        _ => Ok(()),
    }
}

/// What every version that has it spells alike; the rest has no words in the version.
fn spelt_alike(intent: &OpenedIntent) -> Result<Request, Unsendable> {
    Ok(match intent {
        OpenedIntent::CancelReservation { reservation_id } => {
            ("CancelReservation", json!({ "reservationId": reservation_id }))
        }
        OpenedIntent::ClearCache => ("ClearCache", json!({})),
        OpenedIntent::GetLocalListVersion => ("GetLocalListVersion", json!({})),
        OpenedIntent::InstallCertificate { purpose, certificate } => {
            let payload = json!({ "certificateType": purpose, "certificate": certificate });
            ("InstallCertificate", payload)
        }
        OpenedIntent::DeleteCertificate {
            hash_algorithm,
            issuer_name_hash,
            issuer_key_hash,
            serial_number,
            ..
        } => {
            let hash = json!({ "hashAlgorithm": hash_algorithm, "issuerNameHash": issuer_name_hash,
                "issuerKeyHash": issuer_key_hash, "serialNumber": serial_number });
            ("DeleteCertificate", json!({ "certificateHashData": hash }))
        }
        _ => return Err(Unsendable::NoSuchRequest),
    })
}

/// An object of the members that are there.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(members.collect::<Map<_, _>>())
}

/// A member that is always there.
fn some(value: impl Into<Value>) -> Option<Value> {
    Some(value.into())
}

/// A charging limit's unit, which every version spells alike.
fn unit(unit: LimitUnit) -> &'static str {
    match unit {
        LimitUnit::Watts => "W",
        LimitUnit::Amperes => "A",
    }
}

/// A number of the station's as OCPP has it: a signed integer of 32 bits.
fn number(number: u32) -> Result<i32, Unsendable> {
    i32::try_from(number).map_err(|_| Unsendable::Connector)
}

/// Where an intent is to be carried out, as it was said.
#[derive(Clone, Copy)]
struct Place {
    evse: Option<EvseNumber>,
    connector: Option<ConnectorNumber>,
}

impl Place {
    /// In 1.6, where connectors count through the station: 0 is the station itself.
    fn connector_of_station(self, least: i32) -> Result<Option<i32>, Unsendable> {
        let said = self.one_connector().map(|connector| connector.0);
        let said = said.or(self.evse.map(|evse| evse.0));
        let connector = said.map(number).transpose()?;
        match connector {
            Some(connector) if connector < least => Err(Unsendable::ConnectorZero),
            connector => Ok(connector),
        }
    }

    /// In 2.x, where connectors count within an EVSE: a connector alone is taken for the EVSE
    /// with that number, since most EVSEs have one connector. 0 is the station itself.
    fn evse(self) -> Result<Option<i32>, Unsendable> {
        let said = self.evse.map(|evse| evse.0).or(self.connector.map(|connector| connector.0));
        said.map(number).transpose()
    }

    /// The same, where one EVSE is meant; the station itself is none.
    fn one_evse(self) -> Result<Option<i32>, Unsendable> {
        match self.evse()? {
            Some(0) => Err(Unsendable::ConnectorZero),
            evse => Ok(evse),
        }
    }

    /// The connector within the EVSE, where both were said.
    fn connector_of_evse(self) -> Result<Option<i32>, Unsendable> {
        let both = self.evse.and(self.one_connector());
        both.map(|connector| number(connector.0)).transpose()
    }

    /// The connector, unless all of an EVSE are meant: at one, 0 is none of them.
    fn one_connector(self) -> Option<ConnectorNumber> {
        self.connector.filter(|connector| self.evse.is_none() || connector.0 != 0)
    }
}

/// A decimal as a JSON number.
fn decimal(value: Decimal) -> Value {
    // The text of a decimal is a JSON number.
    serde_json::from_str(&value.normalize().to_string()).unwrap_or_default()
}
