//! How each action that asks for something says no: its own word for it, and what the answer
//! has to repeat of the question.

use super::V2;
use crate::message::Written;
use crate::payload::Payload;
use crate::rpc::error::push_string;
use chargebook_commands::message::{PersonalKind, PersonalPlace};
use chargebook_domain::units::Timestamp;

/// The answer that declines what a payload asks for; `None` where there is nothing to decline.
pub(super) fn declined(
    edition: V2,
    payload: &Payload<'_, '_>,
    action: &str,
    received_at: Timestamp,
) -> Option<Written> {
    let json = match action {
        "Get15118EVCertificate" => r#"{"status":"Failed","exiResponse":""}"#,
        "GetCertificateStatus" => r#"{"status":"Failed"}"#,
        // There is none to send: in 2.1 there is a word for it (K15).
        "NotifyEVChargingNeeds" if edition == V2::V21 => r#"{"status":"NoChargingProfile"}"#,
        "NotifyEVChargingNeeds" | "OpenPeriodicEventStream" | "PullDynamicScheduleUpdate" => {
            r#"{"status":"Rejected"}"#
        }
        "GetCertificateChainStatus" => return Some(certificate_chain_status(payload, received_at)),
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

/// Each certificate that was asked about, with the status that nobody could tell; it may be
/// asked for again at once.
fn certificate_chain_status(payload: &Payload<'_, '_>, received_at: Timestamp) -> Written {
    let mut written = Written::default();
    written.json.push_str(r#"{"certificateStatus":["#);
    for (index, request) in payload.objects("certificateStatusRequests").enumerate() {
        let Some(certificate) = request.object("certificateHashData") else { continue };
        written.json.push_str(if index > 0 { "," } else { "" });
        written.json.push_str(r#"{"certificateHashData":{"#);
        for name in ["hashAlgorithm", "issuerNameHash", "issuerKeyHash"] {
            written.json.push_str(&format!(r#""{name}":"#));
            push_string(&mut written.json, &certificate.string(name).unwrap_or_default());
            written.json.push(',');
        }
        written.json.push_str(r#""serialNumber":"#);
        push_personal(&mut written, &certificate.string("serialNumber").unwrap_or_default());
        written.json.push_str(r#"},"source":"#);
        push_string(&mut written.json, &request.string("source").unwrap_or_default());
        written.json.push_str(&format!(r#","status":"Failed","nextUpdate":"{received_at}"}}"#));
    }
    written.json.push_str("]}");
    written
}

fn push_personal(written: &mut Written, text: &str) {
    let range = push_string(&mut written.json, text);
    if !range.is_empty() {
        written.personal.push(PersonalPlace { range, kind: PersonalKind::FreeText });
    }
}
