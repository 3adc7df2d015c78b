//! When the cable was out, as the Open Charge Alliance has a 1.6 station tell it after a
//! transaction ("OCPP & California Pricing Requirements", ConnectorUnplugged): JSON as a text in the
//! `data` of a DataTransfer.

use crate::payload::Payload;
use crate::rpc::json::{Document, Kind, NodeId};
use crate::time;
use chargebook_commands::message::{DataRefused, UnpluggedReport};
use chargebook_domain::ids::TransactionNumber;

/// Who names the message.
const VENDOR: &str = "org.openchargealliance.costmsg";
/// The message; the vendor's others go to stations.
const MESSAGE: &str = "ConnectorUnplugged";
/// Longest name of a further member that is taken for one, in bytes.
const NAME_BYTES_MAX: usize = 50;

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

/// Whether the data of a DataTransfer is such a message, with nothing beside it but numbers,
/// truths and times: then it is as plain as any status, for a bill may rest on it.
pub(super) fn is_plain(payload: &Payload<'_, '_>) -> bool {
    if !is_meant(payload) || report(payload).is_err() {
        return false;
    }
    let data = payload.string("data").unwrap_or_default();
    let (document, _) = Document::read(&data);
    let is_plain = |(name, value): (NodeId, NodeId)| {
        let name = document.string(name).unwrap_or_default();
        match document.kind(value) {
            Kind::Number | Kind::Boolean | Kind::Null => is_word(&name),
            Kind::String => {
                let text = document.string(value).unwrap_or_default();
                is_word(&name) && time::read(&text).is_some()
            }
            _ => false,
        }
    };
    document.root().is_some_and(|root| document.members(root).all(is_plain))
}

/// Whether a member's name is short and one word, as names of members are.
fn is_word(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_alphabetic())
}
