//! When the cable was out, as the Open Charge Alliance has a 1.6 station tell it after a
//! transaction ("OCPP & California Pricing Requirements", ConnectorUnplugged): JSON as a text in the
//! `data` of a DataTransfer.

use crate::payload::Payload;
use crate::rpc::json::Document;
use chargebook_commands::message::{DataRefused, UnpluggedReport};
use chargebook_domain::ids::TransactionNumber;

/// Who names the message.
const VENDOR: &str = "org.openchargealliance.costmsg";
/// The message; the vendor's others go to stations.
const MESSAGE: &str = "ConnectorUnplugged";
/// All that it says: nothing about a person.
const MEMBERS: &[&str] = &["transactionId", "timestamp"];

/// Whether a DataTransfer is the vendor's.
pub(super) fn is_meant(payload: &Payload<'_, '_>) -> bool {
    payload.string("vendorId").is_some_and(|vendor| vendor.eq_ignore_ascii_case(VENDOR))
}

/// What a DataTransfer of the vendor says.
pub(super) fn report(payload: &Payload<'_, '_>) -> Result<UnpluggedReport, DataRefused> {
    if payload.string("messageId").as_deref() != Some(MESSAGE) {
        return Err(DataRefused::UnknownMessage);
    }
    let data = payload.string("data").unwrap_or_default();
    let (document, outcome) = Document::read(&data);
    let node = document.root().filter(|_| outcome.is_ok()).ok_or(DataRefused::Unreadable)?;
    let said = Payload { document: &document, node };
    let transaction_id = said.integer("transactionId").map(TransactionNumber);
    match (transaction_id, said.time("timestamp")) {
        (Some(transaction_id), Some(at)) => Ok(UnpluggedReport { transaction_id, at }),
        _ => Err(DataRefused::Unreadable),
    }
}

/// Whether the data of a DataTransfer is such a message and nothing beside it: then it is as plain
/// as any status, for a bill may rest on it.
pub(super) fn is_plain(payload: &Payload<'_, '_>) -> bool {
    if !is_meant(payload) || report(payload).is_err() {
        return false;
    }
    let data = payload.string("data").unwrap_or_default();
    let said = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&data);
    said.is_ok_and(|said| said.keys().all(|name| MEMBERS.contains(&name.as_str())))
}
