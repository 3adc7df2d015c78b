//! With what a station logs in from now on, as it answers a CALL of ours: its password, and its
//! security profile (1.6: security white paper, A01, A05; 2.x: part 2, A01, A05, B09).
//!
//! In 2.x both may also be members of a network connection profile. A station that has stored one
//! goes by it when its turn comes (B10), and may fall back at any time: what stands in a profile
//! counts beside what counted before.

use crate::payload::Payload;
use crate::v2::{component, variable_name};
use chargebook_commands::StationEffect;
use chargebook_commands::registry::NewPassword;
use chargebook_domain::events::v1::ComponentName;
use chargebook_domain::ids::ConfigurationSlot;
use ocpp_kit::Version;

/// The configuration key that holds a 1.6 station's password.
const KEY: &str = "AuthorizationKey";
/// The component that holds a 2.x station's own password.
const SECURITY: &str = "SecurityCtrlr";
/// The component that is a network connection profile; its instance is the slot (2.1).
const PROFILE: &str = "NetworkConfiguration";
/// The variable of either that is a password.
const PASSWORD: &str = "BasicAuthPassword";
/// A configuration key of 1.6, and a variable of a network connection profile.
const SECURITY_PROFILE: &str = "SecurityProfile";
/// The word for it.
const ACCEPTED: &str = "Accepted";
/// Accepted, and in force after the next boot.
const REBOOT_REQUIRED: &str = "RebootRequired";

/// What changes of a station's credentials with its answer.
pub(super) fn of_answer(
    version: Version,
    action: &str,
    call: &Payload<'_, '_>,
    answer: &Payload<'_, '_>,
) -> Vec<StationEffect> {
    let passwords = passwords_in(version, action, call).into_iter();
    let mut effects: Vec<_> =
        passwords.filter_map(|new| password(new, version, action, answer)).collect();
    effects.extend(security_profiles(version, action, call, answer));
    effects
}

/// The passwords that a request sets.
pub(super) fn passwords_in(
    version: Version,
    action: &str,
    call: &Payload<'_, '_>,
) -> Vec<NewPassword> {
    match (version, action) {
        (Version::V1_6, "ChangeConfiguration") => {
            let is_password = call.string("key").is_some_and(|key| key.eq_ignore_ascii_case(KEY));
            let text = call.text("value").filter(|_| is_password);
            let own = text.map(|text| NewPassword { text, configuration_slot: None });
            own.into_iter().collect()
        }
        (Version::V2_0_1 | Version::V2_1, "SetVariables") => {
            let new = |data: Payload<'_, '_>| {
                let configuration_slot = place_of_password(&data)?;
                Some(NewPassword { text: data.text("attributeValue")?, configuration_slot })
            };
            call.objects("setVariableData").filter_map(new).collect()
        }
        (Version::V2_0_1 | Version::V2_1, "SetNetworkProfile") => {
            profile_password(call).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// What the station says to a new password. One that needs a reboot is in force some time: until
/// then the old one counts, and from the first login the new one.
fn password(
    new: NewPassword,
    version: Version,
    action: &str,
    answer: &Payload<'_, '_>,
) -> Option<StationEffect> {
    let status = match (version, action) {
        (Version::V2_0_1 | Version::V2_1, "SetVariables") => {
            let is_of_it = |result: &Payload<'_, '_>| {
                place_of_password(result) == Some(new.configuration_slot)
            };
            answer.objects("setVariableResult").find(is_of_it)?.text("attributeStatus")
        }
        _ => answer.text("status"),
    };
    match status?.as_str() {
        ACCEPTED => Some(StationEffect::NewPassword(new)),
        REBOOT_REQUIRED => None,
        _ => Some(StationEffect::PasswordDeclined(new)),
    }
}

/// Where a password stands that something is said of: at the station itself, or in one of its
/// network connection profiles. `None`: it is no password.
fn place_of_password(data: &Payload<'_, '_>) -> Option<Option<ConfigurationSlot>> {
    let component = component(data)?;
    if !variable_name(data)?.name.eq_ignore_ascii_case(PASSWORD) {
        return None;
    }
    if component.name.eq_ignore_ascii_case(SECURITY) {
        return Some(None);
    }
    slot(&component).map(Some)
}

/// The profile that a component is.
fn slot(component: &ComponentName) -> Option<ConfigurationSlot> {
    let is_profile = component.name.eq_ignore_ascii_case(PROFILE);
    let instance = component.instance.as_deref().filter(|_| is_profile)?;
    instance.trim().parse().ok().map(ConfigurationSlot)
}

/// The password in a network connection profile (2.1).
fn profile_password(call: &Payload<'_, '_>) -> Option<NewPassword> {
    Some(NewPassword {
        text: call.object("connectionData")?.text("basicAuthPassword")?,
        configuration_slot: Some(ConfigurationSlot(call.integer("configurationSlot")?)),
    })
}

/// The security profiles that a station has accepted to connect with: in 1.6 a configuration key,
/// in 2.x a member of a network connection profile. None is required before it comes with it.
fn security_profiles(
    version: Version,
    action: &str,
    call: &Payload<'_, '_>,
    answer: &Payload<'_, '_>,
) -> Vec<StationEffect> {
    let profiles: Vec<u8> = match (version, action) {
        (Version::V1_6, "ChangeConfiguration") => {
            changed_by_key(call, answer).into_iter().collect()
        }
        (Version::V2_0_1 | Version::V2_1, "SetNetworkProfile") => {
            let is_accepted = answer.string("status").is_some_and(|status| status == ACCEPTED);
            let data = call.object("connectionData").filter(|_| is_accepted);
            data.and_then(|data| data.integer("securityProfile")).into_iter().collect()
        }
        (Version::V2_0_1 | Version::V2_1, "SetVariables") => {
            let results = answer.objects("setVariableResult");
            results.filter_map(|result| changed_by_variable(call, &result)).collect()
        }
        _ => Vec::new(),
    };
    profiles.into_iter().map(StationEffect::SecurityProfileAgreed).collect()
}

fn changed_by_key(call: &Payload<'_, '_>, answer: &Payload<'_, '_>) -> Option<u8> {
    let is_profile = call.string("key")?.eq_ignore_ascii_case(SECURITY_PROFILE);
    let is_taken_over = is_taken_over(&answer.string("status")?);
    call.string("value").filter(|_| is_profile && is_taken_over)?.trim().parse().ok()
}

fn changed_by_variable(call: &Payload<'_, '_>, result: &Payload<'_, '_>) -> Option<u8> {
    let place = |data: &Payload<'_, '_>| {
        let is_profile = variable_name(data)?.name.eq_ignore_ascii_case(SECURITY_PROFILE);
        slot(&component(data)?).filter(|_| is_profile)
    };
    let set = place(result).filter(|_| {
        result.string("attributeStatus").is_some_and(|status| is_taken_over(&status))
    })?;
    let wanted = call.objects("setVariableData").find(|data| place(data) == Some(set))?;
    wanted.string("attributeValue")?.trim().parse().ok()
}

fn is_taken_over(status: &str) -> bool {
    status == ACCEPTED || status == REBOOT_REQUIRED
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::downward::effect::of_call;
    use crate::rpc::json::Document;

    const V2: [Version; 2] = [Version::V2_0_1, Version::V2_1];

    #[track_caller]
    fn check(
        version: Version,
        action: &str,
        call: &str,
        answer: &str,
        expected: impl IntoIterator<Item = StationEffect>,
    ) {
        let (call, _) = Document::read(call);
        let (read, _) = Document::read(answer);
        let call = Payload { document: &call, node: call.root().expect("a call") };
        let payload = Payload { document: &read, node: read.root().expect("an answer") };
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(of_answer(version, action, &call, &payload), expected, "{answer}");
    }

    fn new(text: &str, slot: Option<u32>) -> NewPassword {
        let configuration_slot = slot.map(ConfigurationSlot);
        NewPassword { text: text.to_owned(), configuration_slot }
    }

    /// A variable that is set, or the result of that.
    fn variable(component: &str, name: &str, member: &str, value: &str) -> String {
        format!(
            r#"{{"{member}":"{value}","component":{{{component}}},"variable":{{"name":"{name}"}}}}"#
        )
    }

    fn set(component: &str, name: &str, value: &str) -> String {
        let other = variable(r#""name":"C""#, "V", "attributeValue", "x");
        let set = variable(component, name, "attributeValue", value);
        format!(r#"{{"setVariableData":[{other},{set}]}}"#)
    }

    fn result(component: &str, name: &str, status: &str) -> String {
        let other = variable(r#""name":"C""#, "V", "attributeStatus", "Accepted");
        let result = variable(component, name, "attributeStatus", status);
        format!(r#"{{"setVariableResult":[{other},{result}]}}"#)
    }

    const OWN: &str = r#""name":"SecurityCtrlr""#;
    const SECOND: &str = r#""name":"NetworkConfiguration","instance":"2""#;

    #[test]
    fn a_security_profile_is_agreed_with_accepted_in_every_version() {
        let agreed = |profile: Option<u8>| profile.map(StationEffect::SecurityProfileAgreed);
        let key = r#"{"key":"SecurityProfile","value":"2"}"#;
        for (status, expected) in
            [("Accepted", Some(2)), ("RebootRequired", Some(2)), ("Rejected", None)]
        {
            let answer = format!(r#"{{"status":"{status}"}}"#);
            check(Version::V1_6, "ChangeConfiguration", key, &answer, agreed(expected));
            for version in V2 {
                let variable = set(SECOND, "SecurityProfile", "2");
                let answer = result(SECOND, "SecurityProfile", status);
                check(version, "SetVariables", &variable, &answer, agreed(expected));
                let answer = result(OWN, "SecurityProfile", status);
                check(version, "SetVariables", &variable, &answer, None);
            }
        }
        let odd = r#"{"key":"SecurityProfile","value":"high"}"#;
        check(Version::V1_6, "ChangeConfiguration", odd, r#"{"status":"Accepted"}"#, None);
        let profile = r#"{"configurationSlot":2,"connectionData":{"securityProfile":3}}"#;
        for version in V2 {
            for (status, expected) in [("Accepted", Some(3)), ("Failed", None)] {
                let answer = format!(r#"{{"status":"{status}"}}"#);
                check(version, "SetNetworkProfile", profile, &answer, agreed(expected));
            }
        }
    }

    #[test]
    fn a_password_counts_from_accepted_in_every_version() {
        let outcomes = |new: &NewPassword| {
            [
                ("Accepted", Some(StationEffect::NewPassword(new.clone()))),
                ("Rejected", Some(StationEffect::PasswordDeclined(new.clone()))),
                ("RebootRequired", None),
            ]
        };
        let key = r#"{"key":"AuthorizationKey","value":"new"}"#;
        let own = new("new", None);
        for (status, expected) in outcomes(&own) {
            let answer = format!(r#"{{"status":"{status}"}}"#);
            check(Version::V1_6, "ChangeConfiguration", key, &answer, expected);
        }
        let offered = |new: &NewPassword| vec![StationEffect::PasswordOffered(new.clone())];
        assert_eq!(of_call(Version::V1_6, "ChangeConfiguration", key), offered(&own));
        let other = r#"{"key":"HeartbeatInterval","value":"60"}"#;
        check(Version::V1_6, "ChangeConfiguration", other, r#"{"status":"Accepted"}"#, None);
        assert_eq!(of_call(Version::V1_6, "ChangeConfiguration", other), []);
        for version in V2 {
            for (component, password) in [(OWN, own.clone()), (SECOND, new("new", Some(2)))] {
                let call = set(component, "BasicAuthPassword", "new");
                for (status, expected) in outcomes(&password) {
                    let answer = result(component, "BasicAuthPassword", status);
                    check(version, "SetVariables", &call, &answer, expected);
                }
                assert_eq!(of_call(version, "SetVariables", &call), offered(&password));
            }
            let call = r#"{"configurationSlot":2,"connectionData":{"basicAuthPassword":"new"}}"#;
            let password = new("new", Some(2));
            let (accepted, failed) = (r#"{"status":"Accepted"}"#, r#"{"status":"Failed"}"#);
            let taken_over = StationEffect::NewPassword(password.clone());
            let declined = StationEffect::PasswordDeclined(password.clone());
            check(version, "SetNetworkProfile", call, accepted, Some(taken_over));
            check(version, "SetNetworkProfile", call, failed, Some(declined));
            assert_eq!(of_call(version, "SetNetworkProfile", call), offered(&password));
        }
    }

    #[test]
    fn what_one_request_sets_in_several_places_is_read_in_each() {
        let third = r#""name":"networkconfiguration","instance":"3""#;
        let set = |component: &str, name: &str, value: &str| {
            variable(component, name, "attributeValue", value)
        };
        let call = format!(
            r#"{{"setVariableData":[{},{},{}]}}"#,
            set(SECOND, "BasicAuthPassword", "two"),
            set(third, "BasicAuthPassword", "three"),
            set(third, "SecurityProfile", "2"),
        );
        let result = |component: &str, name: &str, status: &str| {
            variable(component, name, "attributeStatus", status)
        };
        let answer = format!(
            r#"{{"setVariableResult":[{},{},{}]}}"#,
            result(third, "SecurityProfile", "Accepted"),
            result(third, "BasicAuthPassword", "Accepted"),
            result(SECOND, "BasicAuthPassword", "Rejected"),
        );
        let expected = [
            StationEffect::PasswordDeclined(new("two", Some(2))),
            StationEffect::NewPassword(new("three", Some(3))),
            StationEffect::SecurityProfileAgreed(2),
        ];
        check(Version::V2_1, "SetVariables", &call, &answer, expected);
    }
}
