//! What an answer changes on our side, whichever way the request came about: a password that a
//! station takes over counts from its `Accepted`, and so do its certificates and reservations.

use super::{certificate, monitoring, profiles, reservation, tariffs, values};
use crate::payload::Payload;
use crate::rpc::frame::Frame;
use crate::rpc::json::Document;
use chargebook_commands::{StationEffect, first_certificate};
use chargebook_domain::events::v1::InstalledCertificate;
use chargebook_domain::ids::TransactionName;
use ocpp_kit::Version;

/// The configuration key that holds a 1.6 station's password (security white paper, A01).
const KEY: &str = "AuthorizationKey";
/// The variable that holds a 2.x station's password, and its component (part 2, A01).
const COMPONENT: &str = "SecurityCtrlr";
/// See [`COMPONENT`].
const VARIABLE: &str = "BasicAuthPassword";
/// The word for it.
const ACCEPTED: &str = "Accepted";
/// Accepted, and in force after the next boot.
const REBOOT_REQUIRED: &str = "RebootRequired";
/// The configuration key that holds a 1.6 station's security profile (white paper, A05).
const SECURITY_PROFILE_KEY: &str = "SecurityProfile";
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
    let effect = password(version, action, call, answer)
        .or_else(|| security_profile(version, action, call, answer))
        .or_else(|| certificates(action, call, answer))
        .or_else(|| reservation::of_answer(version, action, call, answer))
        .or_else(|| profiles::of_answer(action, call, answer))
        .or_else(|| tariffs::of_answer(action, call, answer))
        .or_else(|| monitoring::of_answer(action, call, answer))
        .or_else(|| delivery_told(action, call, answer))
        .or_else(|| will_send(action, call, answer).map(StationEffect::WillSend));
    let values = values::of_answer(version, action, call, answer);
    effect.into_iter().chain(values).collect()
}

/// What a CALLERROR changes: a password that it was to answer was not taken over.
pub(super) fn of_error(version: Version, action: &str, call: &str) -> Vec<StationEffect> {
    let (document, _) = Document::read(call);
    let Frame::Call(call) = Frame::read(&document) else { return Vec::new() };
    let Some(node) = call.payload else { return Vec::new() };
    let call = Payload { document: &document, node };
    let declined = password_in(version, action, &call).map(StationEffect::PasswordDeclined);
    declined.into_iter().collect()
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

/// The profile that a station has accepted to connect with: in 1.6 a configuration key, in 2.x a
/// member of a network connection profile.
fn security_profile(
    version: Version,
    action: &str,
    call: &Payload<'_, '_>,
    answer: &Payload<'_, '_>,
) -> Option<StationEffect> {
    let status = answer.string("status")?;
    let profile = match (version, action) {
        (Version::V1_6, "ChangeConfiguration") => {
            let is_profile = call.string("key")?.eq_ignore_ascii_case(SECURITY_PROFILE_KEY);
            let is_accepted = status == ACCEPTED || status == REBOOT_REQUIRED;
            let value = call.string("value")?;
            (is_profile && is_accepted).then(|| value.trim().parse().ok())?
        }
        (Version::V2_0_1 | Version::V2_1, "SetNetworkProfile") if status == ACCEPTED => {
            call.object("connectionData")?.integer("securityProfile")
        }
        _ => None,
    };
    profile.map(StationEffect::SecurityProfileAgreed)
}

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
    let password = password_in(version, action, &call).map(StationEffect::PasswordOffered);
    password.into_iter().collect()
}

/// The password that a request sets.
fn password_in(version: Version, action: &str, call: &Payload<'_, '_>) -> Option<String> {
    match (version, action) {
        (Version::V1_6, "ChangeConfiguration") => {
            let is_password = call.string("key")?.eq_ignore_ascii_case(KEY);
            is_password.then(|| call.text("value"))?
        }
        (Version::V2_0_1 | Version::V2_1, "SetVariables") => {
            call.objects("setVariableData").find(is_password)?.text("attributeValue")
        }
        _ => None,
    }
}

/// What the station says to a new password. One that needs a reboot is in force some time: until
/// then the old one counts, and from the first login the new one.
fn password(
    version: Version,
    action: &str,
    call: &Payload<'_, '_>,
    answer: &Payload<'_, '_>,
) -> Option<StationEffect> {
    let password = password_in(version, action, call)?;
    let status = match version {
        Version::V1_6 => answer.text("status"),
        _ => {
            let result = answer.objects("setVariableResult").find(is_password)?;
            result.text("attributeStatus")
        }
    };
    match status?.as_str() {
        ACCEPTED => Some(StationEffect::NewPassword(password)),
        REBOOT_REQUIRED => None,
        _ => Some(StationEffect::PasswordDeclined(password)),
    }
}

fn is_password(data: &Payload<'_, '_>) -> bool {
    let is_named = |member: &str, name: &str| {
        let found = data.object(member).and_then(|object| object.string("name"));
        found.is_some_and(|found| found.eq_ignore_ascii_case(name))
    };
    is_named("component", COMPONENT) && is_named("variable", VARIABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values have tests of their own.
    fn of_answer_but_values(
        version: Version,
        action: &str,
        call: &str,
        answer: &Payload<'_, '_>,
    ) -> Vec<StationEffect> {
        let mut effects = of_answer(version, action, call, answer);
        effects.retain(|effect| !matches!(effect, StationEffect::ValuesLearnt(_)));
        effects
    }

    #[track_caller]
    fn check(
        version: Version,
        action: &str,
        call: &str,
        answer: &str,
        expected: Option<StationEffect>,
    ) {
        let call = format!(r#"[2,"1","{action}",{call}]"#);
        let (document, _) = Document::read(answer);
        let answer = Payload { document: &document, node: document.root().expect("an answer") };
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(of_answer_but_values(version, action, &call, &answer), expected);
    }

    #[test]
    fn a_security_profile_is_agreed_with_accepted_in_every_version() {
        let check = |version, action: &str, call: &str, status: &str, expected: Option<u8>| {
            let call = format!(r#"[2,"1","{action}",{call}]"#);
            let answer = format!(r#"{{"status":"{status}"}}"#);
            let (document, _) = Document::read(&answer);
            let answer = Payload { document: &document, node: document.root().expect("an answer") };
            let expected: Vec<_> =
                expected.map(StationEffect::SecurityProfileAgreed).into_iter().collect();
            assert_eq!(
                of_answer_but_values(version, action, &call, &answer),
                expected,
                "{call} {status}"
            );
        };
        let set = r#"{"key":"SecurityProfile","value":"2"}"#;
        for (status, expected) in
            [("Accepted", Some(2)), ("RebootRequired", Some(2)), ("Rejected", None)]
        {
            check(Version::V1_6, "ChangeConfiguration", set, status, expected);
        }
        let odd = r#"{"key":"SecurityProfile","value":"high"}"#;
        check(Version::V1_6, "ChangeConfiguration", odd, "Accepted", None);
        let set = r#"{"configurationSlot":2,"connectionData":{"securityProfile":3}}"#;
        for version in [Version::V2_0_1, Version::V2_1] {
            for (status, expected) in [("Accepted", Some(3)), ("Failed", None)] {
                check(version, "SetNetworkProfile", set, status, expected);
            }
        }
    }

    #[test]
    fn a_password_counts_from_accepted_in_every_version() {
        let set = r#"{"key":"AuthorizationKey","value":"new"}"#;
        let change = "ChangeConfiguration";
        let new = || Some(StationEffect::NewPassword("new".to_owned()));
        let declined = || Some(StationEffect::PasswordDeclined("new".to_owned()));
        let offered = vec![StationEffect::PasswordOffered("new".to_owned())];
        let (accepted, rejected) = (r#"{"status":"Accepted"}"#, r#"{"status":"Rejected"}"#);
        check(Version::V1_6, change, set, accepted, new());
        check(Version::V1_6, change, set, rejected, declined());
        check(Version::V1_6, change, set, r#"{"status":"RebootRequired"}"#, None);
        assert_eq!(of_call(Version::V1_6, change, set), offered);
        let other = r#"{"key":"HeartbeatInterval","value":"60"}"#;
        check(Version::V1_6, change, other, accepted, None);
        assert_eq!(of_call(Version::V1_6, change, other), []);
        let named = |component: &str, variable: &str, member: &str, value: &str| {
            format!(
                r#"{{"{member}":"{value}","component":{{"name":"{component}"}},"variable":{{"name":"{variable}"}}}}"#
            )
        };
        let set = format!(
            r#"{{"setVariableData":[{},{}]}}"#,
            named("C", "V", "attributeValue", "x"),
            named("SecurityCtrlr", "BasicAuthPassword", "attributeValue", "new")
        );
        let result = |status: &str| {
            format!(
                r#"{{"setVariableResult":[{},{}]}}"#,
                named("C", "V", "attributeStatus", "Accepted"),
                named("SecurityCtrlr", "BasicAuthPassword", "attributeStatus", status)
            )
        };
        for version in [Version::V2_0_1, Version::V2_1] {
            check(version, "SetVariables", &set, &result("Accepted"), new());
            check(version, "SetVariables", &set, &result("Rejected"), declined());
            check(version, "SetVariables", &set, &result("RebootRequired"), None);
            assert_eq!(of_call(version, "SetVariables", &set), offered);
        }
    }
}
