//! Plug & Charge over OCPP 1.6, as the Open Charge Alliance's application note has it ("Using
//! ISO 15118 Plug & Charge with OCPP 1.6"): messages of OCPP 2.0.1 as texts in the `data` of a
//! DataTransfer. Who answers them need not know how they came.

use crate::call::{CallKind, Edition};
use crate::message::Written;
use crate::payload::Payload;
use crate::rpc::error::push_string;
use crate::rpc::json::{Document, NodeId};
use crate::v2::{self, V2};
use chargebook_commands::message::{
    Answer, DataRefused, PersonalKind, PersonalPlace, StationMessage,
};

/// Who names the messages.
pub(crate) const VENDOR: &str = "org.openchargealliance.iso15118pnc";
/// The messages that a station sends so.
const MESSAGES: &[&str] =
    &["Authorize", "Get15118EVCertificate", "GetCertificateStatus", "SignCertificate"];
/// What a SignCertificate asks for that does not say: the application note is about no other.
const CERTIFICATE: &str = "V2GCertificate";

/// Whether a DataTransfer is one of these.
pub(super) fn is_meant(payload: &Payload<'_, '_>) -> bool {
    payload.string("vendorId").is_some_and(|vendor| vendor.eq_ignore_ascii_case(VENDOR))
}

/// The message that a DataTransfer carries.
pub(super) fn carried(payload: &Payload<'_, '_>) -> Result<StationMessage, DataRefused> {
    let message = opened(payload, |document, node, action| {
        V2::V201.translate(document, node, action).map(|(message, _)| message)
    })?;
    Ok(match message {
        StationMessage::SignCertificate { csr, kind: None, request_id } => {
            let kind = Some(CERTIFICATE.to_owned());
            StationMessage::SignCertificate { csr, kind, request_id }
        }
        message => message,
    })
}

/// The payload that declines what a DataTransfer carries, in the message's own word.
pub(super) fn declined(payload: &Payload<'_, '_>) -> Option<Written> {
    opened(payload, |document, node, action| V2::V201.declined(document, node, action)).ok()
}

/// Gives the message that is carried to `read`, if it fits its schema.
fn opened<R>(
    payload: &Payload<'_, '_>,
    read: impl FnOnce(&Document<'_>, NodeId, &'static str) -> Option<R>,
) -> Result<R, DataRefused> {
    let name = payload.string("messageId").unwrap_or_default();
    let action = V2::V201.action(&name).filter(|action| MESSAGES.contains(action));
    let action = action.ok_or(DataRefused::UnknownMessage)?;
    let data = payload.string("data").unwrap_or_default();
    let (document, outcome) = Document::read(&data);
    let node = document.root().filter(|_| outcome.is_ok()).ok_or(DataRefused::Unreadable)?;
    let shape = V2::V201.shape(action, CallKind::Call).ok_or(DataRefused::UnknownMessage)?;
    V2::V201.check(&document, node, shape).map_err(|_| DataRefused::Unreadable)?;
    read(&document, node, action).ok_or(DataRefused::Unreadable)
}

/// The answer to what was carried, carried back.
pub(super) fn answer(answer: &Answer, declined: Option<&Written>) -> Written {
    let inner = v2::payload(answer, declined);
    let mut written = Written::default();
    written.json.push_str(r#"{"status":"Accepted","data":"#);
    let range = push_string(&mut written.json, &inner.json);
    written.json.push('}');
    if !inner.personal.is_empty() {
        written.personal.push(PersonalPlace { range, kind: PersonalKind::FreeText });
    }
    written
}
