//! Intents in the words of OCPP 1.6 and its security extension.

use super::costs;
use super::{Place, Request, decimal, object, some, spelt_alike, unit};
use crate::message::Unsendable;
use chargebook_commands::OpenedIntent;
use chargebook_domain::events::v1::{LocalToken, LogKind};
use ocpp_kit::v1_6::{ExtendedMessageTrigger, MessageTrigger};
use serde_json::{Value, json};

pub(super) fn request(intent: &OpenedIntent, number: i32) -> Result<Request, Unsendable> {
    Ok(match intent {
        OpenedIntent::Start { connector, evse, id_tag, .. } => {
            let place = Place { evse: *evse, connector: *connector };
            let connector = place.connector_of_station(1)?.map(Value::from);
            let payload = object([("connectorId", connector), ("idTag", some(id_tag.as_str()))]);
            ("RemoteStartTransaction", payload)
        }
        OpenedIntent::Stop { transaction: Some(_), .. } => return Err(Unsendable::NoSuchRequest),
        OpenedIntent::Stop { transaction_id, .. } => {
            ("RemoteStopTransaction", json!({ "transactionId": transaction_id.0 }))
        }
        OpenedIntent::Reset { evse: Some(_), .. } => return Err(Unsendable::NoSuchRequest),
        OpenedIntent::Reset { hard, .. } => {
            ("Reset", json!({ "type": if *hard { "Hard" } else { "Soft" } }))
        }
        OpenedIntent::Unlock { connector, evse } => {
            let place = Place { evse: *evse, connector: Some(*connector) };
            ("UnlockConnector", json!({ "connectorId": place.connector_of_station(1)? }))
        }
        OpenedIntent::SetAvailability { connector, operative, evse } => {
            let place = Place { evse: *evse, connector: Some(*connector) };
            let kind = if *operative { "Operative" } else { "Inoperative" };
            let connector = place.connector_of_station(0)?;
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
        OpenedIntent::Trigger { message, connector, evse } => {
            let place = Place { evse: *evse, connector: *connector };
            let connector = place.connector_of_station(1)?.map(Value::from);
            let members =
                [("requestedMessage", some(message.as_str())), ("connectorId", connector)];
            (trigger(message)?, object(members))
        }
        OpenedIntent::Reserve {
            reservation_id, connector, evse, token, group, expires_at, ..
        } => {
            let place = Place { evse: *evse, connector: *connector };
            let payload = object([
                ("connectorId", some(place.connector_of_station(0)?.unwrap_or(0))),
                ("expiryDate", some(expires_at.to_string())),
                ("idTag", some(token.as_str())),
                ("parentIdTag", group.as_deref().map(Value::from)),
                ("reservationId", some(*reservation_id)),
            ]);
            ("ReserveNow", payload)
        }
        OpenedIntent::SendLocalList { version, replace, tokens } => {
            let list: Vec<_> = tokens.iter().map(local_token).collect();
            let payload = object([
                ("listVersion", some(*version)),
                ("localAuthorizationList", (!list.is_empty()).then(|| list.into())),
                ("updateType", some(if *replace { "Full" } else { "Differential" })),
            ]);
            ("SendLocalList", payload)
        }
        OpenedIntent::DataTransfer { vendor_id, message_id, data } => {
            let payload = object([
                ("vendorId", some(vendor_id.as_str())),
                ("messageId", message_id.as_deref().map(Value::from)),
                ("data", data.as_deref().map(Value::from)),
            ]);
            ("DataTransfer", payload)
        }
        OpenedIntent::ShowPrice { token, text } => costs::set_user_price(token, text),
        OpenedIntent::ShowCost { transaction: None, transaction_id, cost, so_far, text } => {
            match so_far {
                Some(so_far) => costs::running_cost(*transaction_id, *cost, so_far),
                None => costs::final_cost(*transaction_id, *cost, text.as_deref()),
            }
        }
        OpenedIntent::SetChargingLimit { .. }
        | OpenedIntent::ClearChargingLimit { .. }
        | OpenedIntent::GetCompositeSchedule { .. } => charging(intent)?,
        OpenedIntent::UpdateFirmware { .. } | OpenedIntent::GetLog { .. } => {
            maintenance(intent, number)?
        }
        // Whichever message asked for it, the security extension has one kind and no number.
        OpenedIntent::DeliverCertificate { certificate_chain, .. } => {
            ("CertificateSigned", json!({ "certificateChain": certificate_chain }))
        }
        OpenedIntent::ListCertificates { purpose } => {
            let purpose = purpose.as_deref().map(Value::from);
            ("GetInstalledCertificateIds", object([("certificateType", purpose)]))
        }
        other => spelt_alike(other)?,
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

/// A token without a word on whether it may charge is taken off the list (section 5.15).
fn local_token(token: &LocalToken<String>) -> Value {
    let information = token.allowed.map(|allowed| {
        object([
            ("expiryDate", token.expires_at.map(|at| at.to_string().into())),
            ("parentIdTag", token.group.as_deref().map(Value::from)),
            ("status", some(if allowed { "Accepted" } else { "Blocked" })),
        ])
    });
    object([("idTag", some(token.token.as_str())), ("idTagInfo", information)])
}

fn charging(intent: &OpenedIntent) -> Result<Request, Unsendable> {
    Ok(match intent {
        OpenedIntent::SetChargingLimit {
            profile_id,
            connector,
            evse,
            limit,
            unit: limit_unit,
            phases,
            starts_at,
            duration_seconds,
            level,
        } => {
            let place = Place { evse: *evse, connector: *connector };
            let connector = place.connector_of_station(0)?.unwrap_or(0);
            let purpose = if connector == 0 { "ChargePointMaxProfile" } else { "TxDefaultProfile" };
            let period = object([
                ("startPeriod", some(0)),
                ("limit", Some(decimal(*limit))),
                ("numberPhases", phases.map(Value::from)),
            ]);
            let schedule = object([
                ("duration", duration_seconds.map(Value::from)),
                ("startSchedule", starts_at.map(|at| at.to_string().into())),
                ("chargingRateUnit", some(unit(*limit_unit))),
                ("chargingSchedulePeriod", some(vec![period])),
            ]);
            let profile = json!({ "chargingProfileId": profile_id,
                "stackLevel": level.unwrap_or(0), "chargingProfilePurpose": purpose,
                "chargingProfileKind": "Absolute", "chargingSchedule": schedule });
            let payload = json!({ "connectorId": connector, "csChargingProfiles": profile });
            ("SetChargingProfile", payload)
        }
        OpenedIntent::ClearChargingLimit { profile_id, connector, evse } => {
            let place = Place { evse: *evse, connector: *connector };
            let connector = place.connector_of_station(0)?.map(Value::from);
            let members = [("id", profile_id.map(Value::from)), ("connectorId", connector)];
            ("ClearChargingProfile", object(members))
        }
        OpenedIntent::GetCompositeSchedule { connector, evse, duration_seconds, unit: wanted } => {
            let place = Place { evse: *evse, connector: *connector };
            let payload = object([
                ("connectorId", some(place.connector_of_station(0)?.unwrap_or(0))),
                ("duration", some(*duration_seconds)),
                ("chargingRateUnit", wanted.map(|wanted| unit(wanted).into())),
            ]);
            ("GetCompositeSchedule", payload)
        }
        _ => return Err(Unsendable::NoSuchRequest),
    })
}

fn maintenance(intent: &OpenedIntent, number: i32) -> Result<Request, Unsendable> {
    Ok(match intent {
        OpenedIntent::UpdateFirmware {
            location,
            retrieve_at,
            install_at,
            signing_certificate: Some(certificate),
            signature: Some(signature),
        } => {
            let firmware = object([
                ("location", some(location.as_str())),
                ("retrieveDateTime", some(retrieve_at.to_string())),
                ("installDateTime", install_at.map(|at| at.to_string().into())),
                ("signingCertificate", some(certificate.as_str())),
                ("signature", some(signature.as_str())),
            ]);
            ("SignedUpdateFirmware", json!({ "requestId": number, "firmware": firmware }))
        }
        OpenedIntent::UpdateFirmware { location, retrieve_at, .. } => {
            let payload = json!({ "location": location, "retrieveDate": retrieve_at.to_string() });
            ("UpdateFirmware", payload)
        }
        OpenedIntent::GetLog { log: LogKind::Diagnostics, location, from, until } => {
            let payload = object([
                ("location", some(location.as_str())),
                ("startTime", from.map(|at| at.to_string().into())),
                ("stopTime", until.map(|at| at.to_string().into())),
            ]);
            ("GetDiagnostics", payload)
        }
        OpenedIntent::GetLog { log: LogKind::Security, location, from, until } => {
            let log = object([
                ("remoteLocation", some(location.as_str())),
                ("oldestTimestamp", from.map(|at| at.to_string().into())),
                ("latestTimestamp", until.map(|at| at.to_string().into())),
            ]);
            ("GetLog", json!({ "log": log, "logType": "SecurityLog", "requestId": number }))
        }
        _ => return Err(Unsendable::NoSuchRequest),
    })
}
