//! Requests about the certificates of ISO 15118 to 1.6 stations, as the Open Charge Alliance's
//! application note has them ("Using ISO 15118 Plug & Charge with OCPP 1.6"): requests of OCPP 2.0.1
//! as texts in the `data` of a DataTransfer, and their answers as texts in its answer.
//!
//! 1.6 itself has certificates for the connection alone: which way a verb goes is decided by what
//! its certificate is for.

use super::effect;
use super::request::{self, Checked};
use super::verbs;
use crate::message::Unsendable;
use crate::payload::Payload;
use crate::rpc::json::Document;
use crate::v16::PLUG_AND_CHARGE_VENDOR as VENDOR;
use chargebook_commands::message::Personal;
use chargebook_commands::{CommandResult, OpenedIntent, StationEffect};
use chargebook_domain::events::v1::{Dialect, Quirk};
use ocpp_kit::Version;
use serde_json::json;

/// The action that carries them.
const CARRIER: &str = "DataTransfer";
/// The requests that a station takes so.
const REQUESTS: &[&str] = &[
    "CertificateSigned",
    "DeleteCertificate",
    "GetInstalledCertificateIds",
    "InstallCertificate",
    "TriggerMessage",
];
/// What certificates are for in ISO 15118, in the words of OCPP 2.0.1.
const PURPOSES: &[&str] =
    &["MORootCertificate", "V2GCertificate", "V2GCertificateChain", "V2GRootCertificate"];
/// The message that asks for a new certificate to be shown to vehicles.
const TRIGGER: &str = "SignV2GCertificate";
/// The word for taken.
const ACCEPTED: &str = "Accepted";

/// The DataTransfer for an intent that goes this way; `None`: it goes as every other.
pub(super) fn carried(
    version: Version,
    dialect: Dialect,
    intent: &OpenedIntent,
    number: i32,
) -> Option<Result<Checked, Unsendable>> {
    let is_understood = version == Version::V1_6 && dialect.has(Quirk::PlugAndChargeData);
    (is_understood && is_meant(intent)).then(|| carry(intent, number))
}

fn is_meant(intent: &OpenedIntent) -> bool {
    let is_purpose = |purpose: &str| PURPOSES.contains(&purpose);
    match intent {
        OpenedIntent::InstallCertificate { purpose, .. } => is_purpose(purpose),
        OpenedIntent::DeleteCertificate { purpose, .. }
        | OpenedIntent::ListCertificates { purpose } => purpose.as_deref().is_some_and(is_purpose),
        OpenedIntent::DeliverCertificate { kind, .. } => kind.as_deref().is_some_and(is_purpose),
        OpenedIntent::Trigger { message, .. } => message == TRIGGER,
        _ => false,
    }
}

fn carry(intent: &OpenedIntent, number: i32) -> Result<Checked, Unsendable> {
    let version = Version::V2_0_1;
    let (action, payload) = verbs::in_words_of(version, intent, number)?;
    let inner = request::check(version, action, &payload.to_string())?;
    let carrier = json!({ "vendorId": VENDOR, "messageId": action, "data": inner.payload });
    let mut checked = request::check(Version::V1_6, CARRIER, &carrier.to_string())?;
    if inner.has_erased || inner.personal == Personal::Anywhere {
        checked.personal = Personal::Anywhere;
    }
    checked.has_erased |= inner.has_erased;
    Ok(checked)
}

/// What a station's answer to one of these requests says; `None`: it was none of these.
pub(super) struct CarriedAnswer {
    /// The status that it carries back; the carrier's own where that is no `Accepted`.
    pub(super) result: Option<CommandResult>,
    /// What it changes on our side.
    pub(super) effects: Vec<StationEffect>,
}

/// Reads an answer to a request, `call`, whatever way that was asked for.
pub(super) fn of_answer(
    version: Version,
    action: &str,
    call: &Payload<'_, '_>,
    answer: &Payload<'_, '_>,
) -> Option<CarriedAnswer> {
    let vendor = call.string("vendorId").filter(|_| action == CARRIER)?;
    if version != Version::V1_6 || !vendor.eq_ignore_ascii_case(VENDOR) {
        return None;
    }
    let name = call.string("messageId")?;
    let request = REQUESTS.iter().find(|request| **request == name)?;
    let data = call.string("data")?;
    let (inner_call, _) = Document::read(&data);
    let inner_call = Payload { document: &inner_call, node: inner_call.root()? };
    if answer.string("status")? != ACCEPTED {
        let effects = effect::of_payloads(Version::V2_0_1, request, &inner_call, answer);
        return Some(CarriedAnswer { result: None, effects });
    }
    let data = answer.string("data")?;
    let (inner_answer, outcome) = Document::read(&data);
    let inner_answer = outcome
        .ok()
        .and(inner_answer.root())
        .map(|node| Payload { document: &inner_answer, node })?;
    let effects = effect::of_payloads(Version::V2_0_1, request, &inner_call, &inner_answer);
    let status = inner_answer.text("status").filter(|status| super::reply::is_a_word(status));
    Some(CarriedAnswer { result: Some(CommandResult::Result { status }), effects })
}
