//! What an answer changes on our side, whichever way the request came about: a password that a
//! station takes over counts from its `Accepted`, and so do its certificates and reservations.

use super::{certificate, credentials, monitoring, profiles, reservation, tariffs, values};
use crate::payload::Payload;
use crate::rpc::frame::Frame;
use crate::rpc::json::Document;
use chargebook_commands::{StationEffect, first_certificate};
use chargebook_domain::events::v1::InstalledCertificate;
use chargebook_domain::ids::TransactionName;
use ocpp_kit::Version;

/// The word for it.
const ACCEPTED: &str = "Accepted";
/// The word for there being none.
const NOT_FOUND: &str = "NotFound";

/// What the station has taken over or given up with this answer to a CALL of ours.
pub(super) fn of_answer(
    version: Version,
    action: &str,
    call: &str,
    answer: &Payload<'_, '_>,
) -> Vec<StationEffect> {
    let (document, _) = Document::read(call);
    let Frame::Call(call) = Frame::read(&document) else { return Vec::new() };
    let Some(node) = call.payload else { return Vec::new() };
    of_payloads(version, action, &Payload { document: &document, node }, answer)
}

/// The same of the payloads alone.
pub(super) fn of_payloads(
    version: Version,
    action: &str,
    call: &Payload<'_, '_>,
    answer: &Payload<'_, '_>,
) -> Vec<StationEffect> {
    let mut effects = credentials::of_answer(version, action, call, answer);
    let effect = certificates(action, call, answer)
        .or_else(|| reservation::of_answer(version, action, call, answer))
        .or_else(|| profiles::of_answer(action, call, answer))
        .or_else(|| tariffs::of_answer(action, call, answer))
        .or_else(|| monitoring::of_answer(action, call, answer))
        .or_else(|| delivery_told(action, call, answer))
        .or_else(|| will_send(action, call, answer).map(StationEffect::WillSend));
    effects.extend(effect);
    effects.extend(values::of_answer(version, action, call, answer));
    effects
}

/// What a CALLERROR changes: a password that it was to answer was not taken over.
pub(super) fn of_error(version: Version, action: &str, call: &str) -> Vec<StationEffect> {
    let (document, _) = Document::read(call);
    let Frame::Call(call) = Frame::read(&document) else { return Vec::new() };
    let Some(node) = call.payload else { return Vec::new() };
    let call = Payload { document: &document, node };
    let declined = credentials::passwords_in(version, action, &call).into_iter();
    declined.map(StationEffect::PasswordDeclined).collect()
}

/// How things stand with a transaction that was asked about (2.x: part 2, E14). An answer about
/// none in particular says nothing of any one.
fn delivery_told(
    action: &str,
    call: &Payload<'_, '_>,
    answer: &Payload<'_, '_>,
) -> Option<StationEffect> {
    if action != "GetTransactionStatus" {
        return None;
    }
    Some(StationEffect::DeliveryTold {
        transaction: TransactionName::parse(&call.string("transactionId")?).ok()?,
        is_ongoing: answer.boolean("ongoingIndicator")?,
        has_messages: answer.boolean("messagesInQueue")?,
    })
}

/// What a station sends because of an accepted request, even while it waits for its acceptance
/// (2.x: B02.FR.09).
fn will_send(
    action: &str,
    call: &Payload<'_, '_>,
    answer: &Payload<'_, '_>,
) -> Option<&'static str> {
    if answer.string("status")? != ACCEPTED {
        return None;
    }
    match action {
        "GetBaseReport" | "GetReport" => Some("NotifyReport"),
        "TriggerMessage" => {
            let requested = call.string("requestedMessage")?;
            let named = |trigger: &&(&str, _)| trigger.0 == requested;
            TRIGGERS.iter().find(named).map(|(_, action)| *action)
        }
        _ => None,
    }
}

/// Messages that a 2.x station can be asked for, and the actions that bring them.
const TRIGGERS: &[(&str, &str)] = &[
    ("BootNotification", "BootNotification"),
    ("FirmwareStatusNotification", "FirmwareStatusNotification"),
    ("Heartbeat", "Heartbeat"),
    ("LogStatusNotification", "LogStatusNotification"),
    ("MeterValues", "MeterValues"),
    ("PublishFirmwareStatusNotification", "PublishFirmwareStatusNotification"),
    ("SignChargingStationCertificate", "SignCertificate"),
    ("SignCombinedCertificate", "SignCertificate"),
    ("SignV2GCertificate", "SignCertificate"),
    ("SignV2G20Certificate", "SignCertificate"),
    ("StatusNotification", "StatusNotification"),
    ("TransactionEvent", "TransactionEvent"),
];

/// What becomes of a station's certificates; the same words in every version.
fn certificates(
    action: &str,
    call: &Payload<'_, '_>,
    answer: &Payload<'_, '_>,
) -> Option<StationEffect> {
    let status = answer.string("status")?;
    let (is_accepted, is_not_found) = (status == ACCEPTED, status == NOT_FOUND);
    match action {
        "InstallCertificate" if is_accepted => {
            let purpose = certificate::purpose(call)?;
            let hash = certificate::hash_of(&call.string("certificate")?)?;
            Some(StationEffect::CertificateInstalled(InstalledCertificate { purpose, hash }))
        }
        "CertificateSigned" => {
            let (serial_number, not_after) = first_certificate(&call.string("certificateChain")?)?;
            Some(StationEffect::CertificateDelivered {
                accepted: is_accepted,
                kind: certificate::purpose(call),
                serial_number,
                not_after,
            })
        }
        "DeleteCertificate" if is_accepted || is_not_found => {
            let hash = certificate::hash(&call.object("certificateHashData")?)?;
            Some(StationEffect::CertificateDeleted(hash))
        }
        "GetInstalledCertificateIds" if is_accepted || is_not_found => {
            Some(StationEffect::CertificatesReported {
                purposes: certificate::purposes(call),
                certificates: certificate::reported(call, answer),
            })
        }
        _ => None,
    }
}

/// What changes with a request that leaves: a password that a station may have taken over though
/// its answer never comes.
pub(super) fn of_call(version: Version, action: &str, payload: &str) -> Vec<StationEffect> {
    let (document, _) = Document::read(payload);
    let Some(node) = document.root() else { return Vec::new() };
    let call = Payload { document: &document, node };
    let offered = credentials::passwords_in(version, action, &call).into_iter();
    offered.map(StationEffect::PasswordOffered).collect()
}
