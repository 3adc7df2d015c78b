//! From us to a station: requests of every OCPP version, and what a station answers to them.
//!
//! One way for all actions of all versions. A payload, whether an intent was put into the
//! version's words (`verbs`) or somebody wrote it in those words himself, is checked against the
//! version's schema (`standard`), brought into the schema's order (`order`), and searched for
//! personal data and secrets (`personal`). Nothing is judged here that only the station can
//! judge. Pure: texts in, texts out.

mod certificate;
mod credentials;
mod effect;
mod follow_up;
mod monitoring;
mod order;
mod personal;
mod plug_and_charge;
mod profiles;
mod reply;
mod request;
mod reservation;
mod split;
mod standard;
mod tariffs;
mod values;
mod verbs;
mod web_payment;

pub(crate) use reply::read_reply;
pub(crate) use standard::actions;

use crate::message::{Downward, Inbound, Unsendable};
use crate::protocol::Protocol;
use crate::rpc::error::push_string;
use crate::tariff;
use chargebook_commands::OpenedIntent;
use chargebook_commands::message::{
    Judged, Personal, PersonalKind, PersonalPlace, Receipt, RenderedReply, StationTariff,
};
use chargebook_commands::protocol::{ExactRefused, ExactRequest, Lack, StationProtocol};
use chargebook_commands::web_payment::WebPaymentSettings;
use chargebook_domain::events::v1::{Dialect, Intent, MessageLimit};
use chargebook_domain::ids::{CommandId, EvseNumber, TransactionName};
use chargebook_domain::sealed::HOLE_PLACEHOLDER;
use chargebook_domain::units::Timestamp;
use ocpp_kit::Version;
use request::{Checked, Refused};
use std::collections::VecDeque;
use uuid::Uuid;

/// Writes the CALLs for an intent, in the words of the version that the connection speaks, and of
/// what its station speaks beside: one, or several where it is more than the station takes in one.
/// The ids of the others follow from the first one's.
pub(crate) fn calls(
    version: Version,
    dialect: Dialect,
    command_id: CommandId,
    intent: &OpenedIntent,
    limit: impl Fn(&str) -> Option<MessageLimit>,
) -> Result<VecDeque<Downward>, Unsendable> {
    let checked = checked(version, dialect, &command_id.to_string(), intent)?;
    let limit = limit(checked.action);
    let parts = split::split(version, checked, limit)?;
    let id = |part: u128| Uuid::from_u128(command_id.0.as_u128().wrapping_add(part)).to_string();
    let calls = (0..).zip(parts).map(|(part, checked)| downward(version, &id(part), checked));
    Ok(calls.collect())
}

/// Writes the one CALL for an intent.
#[cfg(test)]
pub(crate) fn call(
    version: Version,
    dialect: Dialect,
    message_id: &str,
    intent: &OpenedIntent,
) -> Result<Downward, Unsendable> {
    Ok(downward(version, message_id, checked(version, dialect, message_id, intent)?))
}

fn checked(
    version: Version,
    dialect: Dialect,
    message_id: &str,
    intent: &OpenedIntent,
) -> Result<Checked, Unsendable> {
    let checked = match intent {
        OpenedIntent::Exact { payload, .. } if payload == HOLE_PLACEHOLDER => {
            return Err(Unsendable::Erased);
        }
        OpenedIntent::Exact { action, payload, .. } => request::check(version, action, payload)?,
        verb => {
            let number = number_of(message_id);
            match plug_and_charge::carried(version, dialect, verb, number) {
                Some(carried) => carried?,
                None => {
                    let (action, payload) = verbs::in_words_of(version, verb, number)?;
                    request::check(version, action, &payload.to_string())?
                }
            }
        }
    };
    if checked.has_erased {
        return Err(Unsendable::Erased);
    }
    Ok(checked)
}

fn downward(version: Version, message_id: &str, checked: Checked) -> Downward {
    let follow_up = follow_up::of_request(version, checked.action, &checked.payload);
    let effects = effect::of_call(version, checked.action, &checked.payload);
    Downward { follow_up, effects, ..framed(message_id, checked) }
}

/// The command's own number, for requests that carry one (`requestId`, `remoteStartId`): the last
/// 31 bits of its id, which are random.
fn number_of(message_id: &str) -> i32 {
    let tail = message_id.get(message_id.len().saturating_sub(8)..).unwrap_or_default();
    let number = u32::from_str_radix(tail, 16).unwrap_or_default() & 0x7fff_ffff;
    i32::try_from(number).unwrap_or_default()
}

fn framed(message_id: &str, checked: Checked) -> Downward {
    let Checked { action, payload, personal, .. } = checked;
    let mut frame = String::with_capacity(payload.len() + action.len() + message_id.len() + 16);
    frame.push_str("[2,");
    push_string(&mut frame, message_id);
    frame.push(',');
    push_string(&mut frame, action);
    frame.push(',');
    let start = frame.len();
    frame.push_str(&payload);
    frame.push(']');
    let personal = match personal {
        Personal::Places(mut places) => {
            for place in &mut places {
                place.range = place.range.start + start..place.range.end + start;
            }
            places
        }
        Personal::Anywhere => {
            vec![PersonalPlace { range: 0..frame.len(), kind: PersonalKind::FreeText }]
        }
    };
    Downward {
        message_id: message_id.to_owned(),
        action,
        frame: RenderedReply { frame, personal },
        follow_up: None,
        effects: Vec::new(),
    }
}

/// The OCPP versions, for whoever takes requests in their words.
#[derive(Clone, Copy, Debug, Default)]
pub struct OcppVersions;

impl StationProtocol for OcppVersions {
    fn request(
        &self,
        protocol: &str,
        action: &str,
        payload: &str,
    ) -> Result<ExactRequest, ExactRefused> {
        let version = Version::from_subprotocol(protocol)
            .ok_or_else(|| ExactRefused::UnknownProtocol(protocol.to_owned()))?;
        let checked = request::check(version, action, payload).map_err(|refused| {
            let standard = format!("OCPP {version}");
            match refused {
                Refused::UnknownAction => ExactRefused::UnknownAction(standard),
                Refused::FromStationsOnly => ExactRefused::FromStationsOnly(standard),
                Refused::Invalid { pointer, reason, .. } => {
                    ExactRefused::Invalid { pointer, rule: reason }
                }
            }
        })?;
        Ok(ExactRequest {
            follow_up: follow_up::of_request(version, checked.action, &checked.payload),
            indivisible_items: split::indivisible_items(version, &checked),
            waits: standard::waits(checked.action),
            payload: checked.payload,
            personal: checked.personal,
        })
    }

    fn default_tariff(
        &self,
        protocol: &str,
        evse: Option<EvseNumber>,
        tariff: &StationTariff,
    ) -> Result<(&'static str, String), ExactRefused> {
        let version = Version::from_subprotocol(protocol)
            .ok_or_else(|| ExactRefused::UnknownProtocol(protocol.to_owned()))?;
        let standard = format!("OCPP {version}");
        if version != Version::V2_1 {
            let why = "it has no tariffs at all".to_owned();
            return Err(ExactRefused::Inexpressible { standard, why });
        }
        let written = tariff::written(&tariff.tariff, &tariff.id).map_err(|inexpressible| {
            ExactRefused::Inexpressible { standard, why: inexpressible.to_string() }
        })?;
        // EVSE 0 is all of them.
        let evse = evse.map_or(0, |evse| evse.0);
        Ok(("SetDefaultTariff", format!(r#"{{"evseId":{evse},"tariff":{written}}}"#)))
    }

    fn web_payments(
        &self,
        protocol: &str,
        settings: &WebPaymentSettings,
    ) -> Result<(&'static str, String), ExactRefused> {
        let version = Version::from_subprotocol(protocol)
            .ok_or_else(|| ExactRefused::UnknownProtocol(protocol.to_owned()))?;
        if version != Version::V2_1 {
            let (standard, why) = (format!("OCPP {version}"), "it has no web payments".to_owned());
            return Err(ExactRefused::Inexpressible { standard, why });
        }
        Ok(web_payment::request(settings))
    }

    fn transaction_status(
        &self,
        protocol: &str,
        transaction: &TransactionName,
    ) -> Result<(&'static str, String), ExactRefused> {
        let version = Version::from_subprotocol(protocol)
            .ok_or_else(|| ExactRefused::UnknownProtocol(protocol.to_owned()))?;
        if version == Version::V1_6 {
            let (standard, why) = (format!("OCPP {version}"), "it has no such question".to_owned());
            return Err(ExactRefused::Inexpressible { standard, why });
        }
        let payload = serde_json::json!({ "transactionId": transaction.as_str() });
        Ok(("GetTransactionStatus", payload.to_string()))
    }

    fn is_whole(&self, protocol: &str, verb: &Intent) -> Result<(), Lack> {
        Version::from_subprotocol(protocol).map_or(Ok(()), |version| verbs::is_whole(version, verb))
    }

    fn read(
        &self,
        protocol: &str,
        text: String,
        dialect: Dialect,
        received_at: Timestamp,
    ) -> Option<(Receipt, Judged)> {
        match Protocol::named(protocol)?.read(text, dialect, received_at) {
            Inbound::ForDesk(message) => Some((message.receipt, message.judged)),
            Inbound::Reply(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
