//! How each action that asks for something says no: its own word for it.

use super::V2;
use crate::message::Written;
use crate::payload::Payload;
use crate::rpc::error::push_string;
use chargebook_commands::message::{PersonalKind, PersonalPlace};

/// The answer that declines what an action asks for; `None` where there is nothing to decline.
pub(super) fn declined(edition: V2, action: &str, asked: &Payload<'_, '_>) -> Option<Written> {
    let json = match action {
        "Get15118EVCertificate" => r#"{"status":"Failed","exiResponse":""}"#,
        "GetCertificateStatus" => r#"{"status":"Failed"}"#,
        // There is none to send: for ISO 15118-20 there is a word for it (2.1: K18.FR.04,
        // K19.FR.04), for ISO 15118-2 there is not (K15.FR.04).
        "NotifyEVChargingNeeds" if edition == V2::V21 && is_iso_15118_20(asked) => {
            r#"{"status":"NoChargingProfile"}"#
        }
        "NotifyEVChargingNeeds" | "PullDynamicScheduleUpdate" => r#"{"status":"Rejected"}"#,
        _ => return None,
    };
    Some(Written { json: json.to_owned(), personal: Vec::new() })
}

/// Only there a vehicle speaks of both ways (K18.FR.06, K19.FR.06).
fn is_iso_15118_20(asked: &Payload<'_, '_>) -> bool {
    let needs = asked.object("chargingNeeds");
    needs.is_some_and(|needs| needs.object("v2xChargingParameters").is_some())
}

/// A text of the question, repeated in the answer: it may be about a person.
pub(super) fn push_personal(written: &mut Written, text: &str) {
    let range = push_string(&mut written.json, text);
    if !range.is_empty() {
        written.personal.push(PersonalPlace { range, kind: PersonalKind::FreeText });
    }
}
