//! Intents in the words of OCPP 2.0.1 and 2.1, which are the same for all that intents say.

use super::profile;
use super::{Place, Request, decimal, object, some, spelt_alike, unit};
use crate::message::Unsendable;
use chargebook_commands::OpenedIntent;
use chargebook_commands::protocol::Lack;
use chargebook_commands::registry::{OCPP_TOKEN_KINDS, OCPP_TOKEN_KINDS_OF_2_1};
use chargebook_domain::events::v1::{LocalToken, LogKind, MessagePriority};
use chargebook_domain::session::DIRECT_PAYMENT;
use ocpp_kit::Version;
use serde_json::{Value, json};

/// What additional information about a token is called that is the end of a card's number (2.1,
/// C18).
const CARD_LAST_DIGITS: &str = "CardLast4Digits";

pub(super) fn request(
    version: Version,
    intent: &OpenedIntent,
    number: i32,
) -> Result<Request, Unsendable> {
    Ok(match intent {
        OpenedIntent::Start { connector, evse, id_tag, token_type, .. } => {
            let place = Place { evse: *evse, connector: *connector };
            let payload = object([
                ("evseId", place.one_evse()?.map(Value::from)),
                ("idToken", Some(token(version, id_tag, token_type.as_deref()))),
                ("remoteStartId", some(number)),
            ]);
            ("RequestStartTransaction", payload)
        }
        OpenedIntent::StartPaid { evse, reference, card_last_digits, .. } => {
            let digits = card_last_digits.as_deref();
            let card = digits
                .map(|digits| json!([{ "additionalIdToken": digits, "type": CARD_LAST_DIGITS }]));
            let payment = object([
                ("idToken", some(reference.as_str())),
                ("type", some(DIRECT_PAYMENT)),
                ("additionalInfo", card),
            ]);
            let evse = super::number(evse.0)?;
            let payload = json!({ "evseId": evse, "idToken": payment, "remoteStartId": number });
            ("RequestStartTransaction", payload)
        }
        OpenedIntent::AnnounceWebPayment { evse, timeout_seconds } => {
            let evse = super::number(evse.0)?;
            let payload = json!({ "evseId": evse, "timeout": timeout_seconds });
            ("NotifyWebPaymentStarted", payload)
        }
        OpenedIntent::Stop { transaction: Some(transaction), .. } => {
            ("RequestStopTransaction", json!({ "transactionId": transaction.as_str() }))
        }
        OpenedIntent::Stop { .. } => return Err(Unsendable::NoSuchRequest),
        OpenedIntent::Reset { hard, evse } => {
            let evse = evse.map(|evse| super::number(evse.0)).transpose()?;
            let kind = if *hard { "Immediate" } else { "OnIdle" };
            ("Reset", object([("type", some(kind)), ("evseId", evse.map(Value::from))]))
        }
        OpenedIntent::Unlock { connector, evse } => {
            let place = Place { evse: *evse, connector: Some(*connector) };
            let connector = place.connector_of_evse()?.unwrap_or(1);
            let payload = json!({ "evseId": place.one_evse()?, "connectorId": connector });
            ("UnlockConnector", payload)
        }
        OpenedIntent::SetAvailability { connector, operative, evse } => {
            let place = Place { evse: *evse, connector: Some(*connector) };
            let status = if *operative { "Operative" } else { "Inoperative" };
            let members = [("evse", at_evse(place)?), ("operationalStatus", some(status))];
            ("ChangeAvailability", object(members))
        }
        OpenedIntent::GetConfiguration { keys } if keys.is_empty() => {
            ("GetBaseReport", json!({ "requestId": number, "reportBase": "FullInventory" }))
        }
        OpenedIntent::GetConfiguration { keys } => {
            let data = keys.iter().enumerate().map(|(index, key)| {
                variable(key).ok_or_else(|| no_variable(&format!("/getVariableData/{index}")))
            });
            let data =
                data.map(|found| found.map(|found| object(found.map(|(n, v)| (n, Some(v))))));
            let data = data.collect::<Result<Vec<_>, _>>()?;
            ("GetVariables", json!({ "getVariableData": data }))
        }
        OpenedIntent::ChangeConfiguration { key, value } => {
            let [component, name] =
                variable(key).ok_or_else(|| no_variable("/setVariableData/0"))?;
            let data = json!({ "attributeValue": value, component.0: component.1,
                name.0: name.1 });
            ("SetVariables", json!({ "setVariableData": [data] }))
        }
        OpenedIntent::Trigger { message, connector, evse } => {
            let place = Place { evse: *evse, connector: *connector };
            triggers_whole(message, place).map_err(|Lack { pointer, rule }| {
                Unsendable::Invalid { pointer: pointer.to_owned(), rule }
            })?;
            let evse = match message == OF_A_CONNECTOR {
                true => at_connector(place)?,
                false => at_evse(place)?,
            };
            let members = [("evse", evse), ("requestedMessage", some(trigger(message)))];
            ("TriggerMessage", object(members))
        }
        OpenedIntent::Reserve {
            reservation_id,
            connector,
            evse,
            token: uid,
            token_type,
            group,
            expires_at,
        } => {
            let place = Place { evse: *evse, connector: *connector };
            let kind = token_type.as_deref();
            let payload = object([
                ("id", some(*reservation_id)),
                ("expiryDateTime", some(expires_at.to_string())),
                ("idToken", Some(token(version, uid, kind))),
                ("evseId", place.evse()?.filter(|evse| *evse != 0).map(Value::from)),
                ("groupIdToken", group.as_deref().map(|group| group_token(version, group))),
            ]);
            ("ReserveNow", payload)
        }
        OpenedIntent::SendLocalList { version: list_version, replace, tokens } => {
            let list: Vec<_> = tokens.iter().map(|token| local_token(version, token)).collect();
            let payload = object([
                ("localAuthorizationList", (!list.is_empty()).then(|| list.into())),
                ("versionNumber", some(*list_version)),
                ("updateType", some(if *replace { "Full" } else { "Differential" })),
            ]);
            ("SendLocalList", payload)
        }
        OpenedIntent::DataTransfer { vendor_id, message_id, data } => {
            let payload = object([
                ("messageId", message_id.as_deref().map(Value::from)),
                ("data", data.as_deref().map(Value::from)),
                ("vendorId", some(vendor_id.as_str())),
            ]);
            ("DataTransfer", payload)
        }
        OpenedIntent::SetChargingProfile { evse, profile } => {
            let evse = super::number(evse.0)?;
            let profile = profile::in_words_of_2(profile);
            ("SetChargingProfile", json!({ "evseId": evse, "chargingProfile": profile }))
        }
        OpenedIntent::AllowEnergyTransfer { transaction, modes } => {
            let transaction = transaction.as_str();
            let payload = json!({ "transactionId": transaction, "allowedEnergyTransfer": modes });
            ("NotifyAllowedEnergyTransfer", payload)
        }
        OpenedIntent::SetChargingLimit { .. }
        | OpenedIntent::ClearChargingLimit { .. }
        | OpenedIntent::GetCompositeSchedule { .. } => charging(intent)?,
        OpenedIntent::UpdateFirmware { .. }
        | OpenedIntent::GetLog { .. }
        | OpenedIntent::ListCertificates { .. } => maintenance(intent, number)?,
        OpenedIntent::ShowMessage { message_id, text, language, priority, until } => {
            let content = object([
                ("format", some("UTF8")),
                ("language", language.as_deref().map(Value::from)),
                ("content", some(text.as_str())),
            ]);
            let message = object([
                ("id", some(*message_id)),
                ("priority", some(shown(*priority))),
                ("endDateTime", until.map(|at| at.to_string().into())),
                ("message", Some(content)),
            ]);
            ("SetDisplayMessage", json!({ "message": message }))
        }
        OpenedIntent::RemoveMessage { message_id } => {
            ("ClearDisplayMessage", json!({ "id": message_id }))
        }
        OpenedIntent::ShowCost { transaction: Some(name), cost, so_far: Some(_), .. } => {
            let payload = json!({ "totalCost": decimal(*cost), "transactionId": name.as_str() });
            ("CostUpdated", payload)
        }
        OpenedIntent::DeliverCertificate { certificate_chain, kind, request_id } => {
            let payload = object([
                ("certificateChain", some(certificate_chain.as_str())),
                ("certificateType", kind.clone().map(Value::from)),
                ("requestId", request_id.map(Value::from)),
            ]);
            ("CertificateSigned", payload)
        }
        OpenedIntent::ListMessages => ("GetDisplayMessages", json!({ "requestId": number })),
        other => spelt_alike(other)?,
    })
}

/// A group's token: the operator's own.
fn group_token(version: Version, group: &str) -> Value {
    token(version, group, None)
}

/// A token, as it was registered: by the standard's word for its kind, which the station holds
/// against what its reader says; or by OCPI's. One of no such kind was given to us, not read at a
/// station (`Central`, part 2 appendix on IdTokenEnumType).
fn token(version: Version, uid: &str, kind: Option<&str>) -> Value {
    let is_known = |kind: &&str| {
        OCPP_TOKEN_KINDS.contains(kind)
            || version == Version::V2_1 && OCPP_TOKEN_KINDS_OF_2_1.contains(kind)
    };
    let kind = match kind {
        Some("RFID") => "ISO14443",
        Some("EMAID") => "eMAID",
        kind => kind.filter(is_known).unwrap_or("Central"),
    };
    json!({ "idToken": uid, "type": kind })
}

fn at_evse(place: Place) -> Result<Option<Value>, Unsendable> {
    let Some(evse) = place.evse()?.filter(|evse| *evse != 0) else { return Ok(None) };
    let connector = place.connector_of_evse()?.map(Value::from);
    Ok(Some(object([("id", some(evse)), ("connectorId", connector)])))
}

/// One connector, the first where only its EVSE was said.
fn at_connector(place: Place) -> Result<Option<Value>, Unsendable> {
    let connector = place.connector_of_evse()?.unwrap_or(1);
    Ok(Some(json!({ "id": place.one_evse()?, "connectorId": connector })))
}

/// The message that a station has for a connector only: a trigger of it names one (F06.FR.13).
const OF_A_CONNECTOR: &str = "StatusNotification";

/// Whether a trigger says for which connector the message is to be.
pub(super) fn triggers_whole(message: &str, place: Place) -> Result<(), Lack> {
    let is_station = [place.evse.map(|evse| evse.0), place.connector.map(|connector| connector.0)]
        .iter()
        .all(|number| number.is_none_or(|number| number == 0));
    if message != OF_A_CONNECTOR || !is_station {
        return Ok(());
    }
    let rule = "name the connector: OCPP 2.x has a status for one connector at a time (F06.FR.13)";
    Err(Lack { pointer: "/connector", rule })
}

/// A setting's name: `Component.Variable`, each with its instance behind a `/` if it has one.
fn variable(key: &str) -> Option<[(&'static str, Value); 2]> {
    let named = |text: &str| {
        let (name, instance) = match text.split_once('/') {
            Some((name, instance)) => (name, Some(instance)),
            None => (text, None),
        };
        object([("name", some(name)), ("instance", instance.map(Value::from))])
    };
    let (component, variable) = key.split_once('.')?;
    Some([("component", named(component)), ("variable", named(variable))])
}

fn no_variable(pointer: &str) -> Unsendable {
    let rule = "in OCPP 2.x a setting is named by `Component.Variable`";
    Unsendable::Invalid { pointer: pointer.to_owned(), rule }
}

/// What 1.6 calls otherwise.
fn trigger(message: &str) -> &str {
    match message {
        "DiagnosticsStatusNotification" => "LogStatusNotification",
        "SignChargePointCertificate" => "SignChargingStationCertificate",
        same => same,
    }
}

fn shown(priority: MessagePriority) -> &'static str {
    match priority {
        MessagePriority::AlwaysFront => "AlwaysFront",
        MessagePriority::InFront => "InFront",
        MessagePriority::NormalCycle => "NormalCycle",
    }
}

/// A token without a word on whether it may charge is taken off the list (D01).
fn local_token(version: Version, local: &LocalToken<String>) -> Value {
    let information = local.allowed.map(|allowed| {
        object([
            ("status", some(if allowed { "Accepted" } else { "Blocked" })),
            ("cacheExpiryDateTime", local.expires_at.map(|at| at.to_string().into())),
            ("groupIdToken", local.group.as_deref().map(|group| group_token(version, group))),
        ])
    });
    let token = token(version, &local.token, local.token_type.as_deref());
    object([("idToken", Some(token)), ("idTokenInfo", information)])
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
            let evse = Place { evse: *evse, connector: *connector }.evse()?.unwrap_or(0);
            let purpose = if evse == 0 { "ChargingStationMaxProfile" } else { "TxDefaultProfile" };
            let period = object([
                ("startPeriod", some(0)),
                ("limit", Some(decimal(*limit))),
                ("numberPhases", phases.map(Value::from)),
            ]);
            let schedule = object([
                ("id", some(*profile_id)),
                ("startSchedule", starts_at.map(|at| at.to_string().into())),
                ("duration", duration_seconds.map(Value::from)),
                ("chargingRateUnit", some(unit(*limit_unit))),
                ("chargingSchedulePeriod", some(vec![period])),
            ]);
            let profile = json!({ "id": profile_id, "stackLevel": level.unwrap_or(0),
                "chargingProfilePurpose": purpose, "chargingProfileKind": "Absolute",
                "chargingSchedule": [schedule] });
            ("SetChargingProfile", json!({ "evseId": evse, "chargingProfile": profile }))
        }
        OpenedIntent::ClearChargingLimit { profile_id: Some(profile_id), .. } => {
            ("ClearChargingProfile", json!({ "chargingProfileId": profile_id }))
        }
        OpenedIntent::ClearChargingLimit { connector, evse, .. } => {
            let place = Place { evse: *evse, connector: *connector };
            let evse = place.evse()?.ok_or(Unsendable::Invalid {
                pointer: "/chargingProfileCriteria".to_owned(),
                rule: "OCPP 2.x clears one profile, or those of one EVSE (0: of the station)",
            })?;
            ("ClearChargingProfile", json!({ "chargingProfileCriteria": { "evseId": evse } }))
        }
        OpenedIntent::GetCompositeSchedule { connector, evse, duration_seconds, unit: wanted } => {
            let place = Place { evse: *evse, connector: *connector };
            let payload = object([
                ("duration", some(*duration_seconds)),
                ("chargingRateUnit", wanted.map(|wanted| unit(wanted).into())),
                ("evseId", some(place.evse()?.unwrap_or(0))),
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
            signing_certificate,
            signature,
        } => {
            let firmware = object([
                ("location", some(location.as_str())),
                ("retrieveDateTime", some(retrieve_at.to_string())),
                ("installDateTime", install_at.map(|at| at.to_string().into())),
                ("signingCertificate", signing_certificate.as_deref().map(Value::from)),
                ("signature", signature.as_deref().map(Value::from)),
            ]);
            ("UpdateFirmware", json!({ "requestId": number, "firmware": firmware }))
        }
        OpenedIntent::GetLog { log, location, from, until } => {
            let kind = match log {
                LogKind::Diagnostics => "DiagnosticsLog",
                LogKind::Security => "SecurityLog",
            };
            let log = object([
                ("remoteLocation", some(location.as_str())),
                ("oldestTimestamp", from.map(|at| at.to_string().into())),
                ("latestTimestamp", until.map(|at| at.to_string().into())),
            ]);
            ("GetLog", json!({ "log": log, "logType": kind, "requestId": number }))
        }
        OpenedIntent::ListCertificates { purpose } => {
            let purposes = purpose.as_deref().map(|purpose| json!([purpose]));
            ("GetInstalledCertificateIds", object([("certificateType", purposes)]))
        }
        _ => return Err(Unsendable::NoSuchRequest),
    })
}
