//! How each action that asks for something says no: its own word for it.

use super::V2;
use crate::message::Written;
use crate::rpc::error::push_string;
use chargebook_commands::message::{PersonalKind, PersonalPlace};

/// The answer that declines what an action asks for; `None` where there is nothing to decline.
pub(super) fn declined(edition: V2, action: &str) -> Option<Written> {
    let json = match action {
        "Get15118EVCertificate" => r#"{"status":"Failed","exiResponse":""}"#,
        "GetCertificateStatus" => r#"{"status":"Failed"}"#,
        // There is none to send: in 2.1 there is a word for it (K15).
        "NotifyEVChargingNeeds" if edition == V2::V21 => r#"{"status":"NoChargingProfile"}"#,
        "NotifyEVChargingNeeds" | "PullDynamicScheduleUpdate" => r#"{"status":"Rejected"}"#,
        _ => return None,
    };
    Some(Written { json: json.to_owned(), personal: Vec::new() })
}

/// A text of the question, repeated in the answer: it may be about a person.
pub(super) fn push_personal(written: &mut Written, text: &str) {
    let range = push_string(&mut written.json, text);
    if !range.is_empty() {
        written.personal.push(PersonalPlace { range, kind: PersonalKind::FreeText });
    }
}
