//! Intents in an OCPP version's words: which action, and its payload. Whether the payload is as
//! the standard has it is checked afterwards, with those that came in OCPP's words.

use crate::message::Unsendable;
use chargebook_commands::OpenedIntent;
use chargebook_domain::ids::ConnectorNumber;
use ocpp_kit::Version;
use ocpp_kit::v1_6::{ExtendedMessageTrigger, MessageTrigger};
use serde_json::{Map, Value, json};

/// The request for an intent.
pub(super) fn in_words_of(
    version: Version,
    intent: &OpenedIntent,
) -> Result<(&'static str, Value), Unsendable> {
    match version {
        Version::V1_6 => v16(intent),
        _ => Err(Unsendable::NoSuchRequest),
    }
}

fn v16(intent: &OpenedIntent) -> Result<(&'static str, Value), Unsendable> {
    Ok(match intent {
        OpenedIntent::Start { connector, id_tag } => {
            let connector = connector.map(|connector| at_least(1, connector)).transpose()?;
            let members = [("connectorId", connector.map(Value::from))];
            ("RemoteStartTransaction", with(json!({ "idTag": id_tag }), members))
        }
        OpenedIntent::Stop { transaction_id } => {
            ("RemoteStopTransaction", json!({ "transactionId": transaction_id.0 }))
        }
        OpenedIntent::Reset { hard } => {
            ("Reset", json!({ "type": if *hard { "Hard" } else { "Soft" } }))
        }
        OpenedIntent::Unlock { connector } => {
            ("UnlockConnector", json!({ "connectorId": at_least(1, *connector)? }))
        }
        OpenedIntent::SetAvailability { connector, operative } => {
            let kind = if *operative { "Operative" } else { "Inoperative" };
            let connector = at_least(0, *connector)?;
            ("ChangeAvailability", json!({ "connectorId": connector, "type": kind }))
        }
        // No keys means all, and then the member is left out (section 5.8).
        OpenedIntent::GetConfiguration { keys } if keys.is_empty() => {
            ("GetConfiguration", json!({}))
        }
        OpenedIntent::GetConfiguration { keys } => ("GetConfiguration", json!({ "key": keys })),
        OpenedIntent::ChangeConfiguration { key, value } => {
            ("ChangeConfiguration", json!({ "key": key, "value": value }))
        }
        OpenedIntent::Trigger { message, connector } => {
            let connector = connector.map(|connector| at_least(1, connector)).transpose()?;
            let members = [("connectorId", connector.map(Value::from))];
            (trigger(message)?, with(json!({ "requestedMessage": message }), members))
        }
        OpenedIntent::Exact { .. } => return Err(Unsendable::NoSuchRequest),
    })
}

/// The security extension has a trigger of its own for its messages (white paper section 4).
fn trigger(message: &str) -> Result<&'static str, Unsendable> {
    if MessageTrigger::VARIANTS.contains(&message) {
        Ok("TriggerMessage")
    } else if ExtendedMessageTrigger::VARIANTS.contains(&message) {
        Ok("ExtendedTriggerMessage")
    } else {
        Err(Unsendable::UnknownTrigger)
    }
}

/// A connector's number as OCPP has it; 0 is the station itself.
fn at_least(least: i32, connector: ConnectorNumber) -> Result<i32, Unsendable> {
    let number = i32::try_from(connector.0).map_err(|_| Unsendable::Connector)?;
    if number < least { Err(Unsendable::ConnectorZero) } else { Ok(number) }
}

/// An object with the members that are there.
fn with<const N: usize>(object: Value, members: [(&str, Option<Value>); N]) -> Value {
    let mut object = match object {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    for (name, value) in members {
        if let Some(value) = value {
            object.insert(name.to_owned(), value);
        }
    }
    Value::Object(object)
}
