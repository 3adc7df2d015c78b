//! How each action that asks for something says no: its own word for it, and what the answer
//! has to repeat of the question.

use super::V2;
use crate::message::Written;
use crate::payload::Payload;
use crate::rpc::error::push_string;
use chargebook_commands::message::{PersonalKind, PersonalPlace};

/// The answer that declines what a payload asks for; `None` where there is nothing to decline.
pub(super) fn declined(edition: V2, payload: &Payload<'_, '_>, action: &str) -> Option<Written> {
    let json = match action {
        "Get15118EVCertificate" => r#"{"status":"Failed","exiResponse":""}"#,
        "GetCertificateStatus" => r#"{"status":"Failed"}"#,
        // There is none to send: in 2.1 there is a word for it (K15).
        "NotifyEVChargingNeeds" if edition == V2::V21 => r#"{"status":"NoChargingProfile"}"#,
        "NotifyEVChargingNeeds" | "OpenPeriodicEventStream" | "PullDynamicScheduleUpdate" => {
            r#"{"status":"Rejected"}"#
        }
        "VatNumberValidation" => return Some(vat_number_validation(payload)),
        _ => return None,
    };
    Some(Written { json: json.to_owned(), personal: Vec::new() })
}

fn vat_number_validation(payload: &Payload<'_, '_>) -> Written {
    let mut written = Written::default();
    written.json.push_str(r#"{"vatNumber":"#);
    push_personal(&mut written, &payload.string("vatNumber").unwrap_or_default());
    if let Some(evse) = payload.integer::<i32>("evseId") {
        written.json.push_str(&format!(r#","evseId":{evse}"#));
    }
    written.json.push_str(r#","status":"Rejected"}"#);
    written
}

pub(super) fn push_personal(written: &mut Written, text: &str) {
    let range = push_string(&mut written.json, text);
    if !range.is_empty() {
        written.personal.push(PersonalPlace { range, kind: PersonalKind::FreeText });
    }
}
