//! What a station's answer tells of the values of its variables: it was asked for them, or has
//! taken new ones over.

use crate::payload::Payload;
use crate::v2::{component, variable_name};
use chargebook_commands::StationEffect;
use chargebook_domain::events::v1::{CONFIGURATION, ComponentName, LearntValue, VariableName};
use ocpp_kit::Version;

/// Values of one effect: with their holes they fit into what the log takes as one.
const VALUES_PER_EFFECT_MAX: usize = 200;
/// The words for a value that was taken over; the second is in force after the next boot.
const TAKEN_OVER: &[&str] = &["Accepted", "RebootRequired"];
/// What the names of secrets end with, in any case; their values are not kept.
const SECRETS: &[&str] =
    &["authorizationkey", "passphrase", "password", "psk", "secret", "simpin", "vpnkey"];

/// What the station has told with this answer.
pub(super) fn of_answer(
    version: Version,
    action: &str,
    call: &Payload<'_, '_>,
    answer: &Payload<'_, '_>,
) -> Vec<StationEffect> {
    let values: Vec<_> = match (version, action) {
        (Version::V1_6, "GetConfiguration") => {
            answer.objects("configurationKey").filter_map(|key| configured(&key)).collect()
        }
        (Version::V1_6, "ChangeConfiguration") if is_taken_over(answer, "status") => {
            configured(call).into_iter().collect()
        }
        (Version::V2_0_1 | Version::V2_1, "GetVariables") => {
            let results = answer.objects("getVariableResult");
            let accepted = results.filter(|result| is_taken_over(result, "attributeStatus"));
            accepted.filter_map(|result| value(&result, &result)).collect()
        }
        (Version::V2_0_1 | Version::V2_1, "SetVariables") => {
            let results = answer.objects("setVariableResult");
            let accepted = results.filter(|result| is_taken_over(result, "attributeStatus"));
            accepted.filter_map(|result| value(&result, &set(call, &result)?)).collect()
        }
        _ => Vec::new(),
    };
    values.chunks(VALUES_PER_EFFECT_MAX).map(|v| StationEffect::ValuesLearnt(v.into())).collect()
}

fn is_taken_over(data: &Payload<'_, '_>, member: &str) -> bool {
    data.string(member).is_some_and(|status| TAKEN_OVER.contains(&status.as_ref()))
}

/// A configuration key of 1.6, from an answer or from a request of ours.
fn configured(data: &Payload<'_, '_>) -> Option<LearntValue<String>> {
    let name = data.text("key")?;
    Some(LearntValue {
        component: ComponentName {
            name: CONFIGURATION.to_owned(),
            instance: None,
            evse: None,
            connector: None,
        },
        value: data.text("value").filter(|_| !is_secret(&name)),
        variable: VariableName { name, instance: None },
        attribute: "Actual".to_owned(),
        read_only: data.boolean("readonly"),
    })
}

/// A value of 2.x: `result` names it, and `told` says what it is.
fn value(result: &Payload<'_, '_>, told: &Payload<'_, '_>) -> Option<LearntValue<String>> {
    let variable = variable_name(result)?;
    Some(LearntValue {
        component: component(result)?,
        value: told.text("attributeValue").filter(|_| !is_secret(&variable.name)),
        variable,
        attribute: attribute(result),
        read_only: None,
    })
}

/// What was asked for, of which this is the result. A station may answer in another order.
fn set<'d, 'a>(call: &Payload<'d, 'a>, result: &Payload<'_, '_>) -> Option<Payload<'d, 'a>> {
    let names = |data: &Payload<'_, '_>| (component(data), variable_name(data), attribute(data));
    call.objects("setVariableData").find(|data| names(data) == names(result))
}

fn attribute(data: &Payload<'_, '_>) -> String {
    data.text("attributeType").unwrap_or_else(|| "Actual".to_owned())
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRETS.iter().any(|secret| name.ends_with(secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::json::Document;

    /// Component, variable, attribute and value of each.
    #[track_caller]
    fn check(
        version: Version,
        action: &str,
        call: &str,
        answer: &str,
        expected: &[(&str, &str, &str, Option<&str>)],
    ) {
        let (call, _) = Document::read(call);
        let (answer, _) = Document::read(answer);
        let call = Payload { document: &call, node: call.root().expect("a call") };
        let answer = Payload { document: &answer, node: answer.root().expect("an answer") };
        let learnt = of_answer(version, action, &call, &answer).into_iter().flat_map(|effect| {
            let StationEffect::ValuesLearnt(values) = effect else { panic!("{effect:?}") };
            values
        });
        let learnt: Vec<_> = learnt.collect();
        let told = learnt.iter().map(|it| {
            let (component, variable) = (it.component.name.as_str(), it.variable.name.as_str());
            (component, variable, it.attribute.as_str(), it.value.as_deref())
        });
        assert_eq!(told.collect::<Vec<_>>(), expected, "{action}");
    }

    #[test]
    fn the_configuration_of_1_6_is_told_and_taken_over() {
        let keys = concat!(
            r#"{"configurationKey":[{"key":"HeartbeatInterval","readonly":false,"value":"60"},"#,
            r#"{"key":"AuthorizationKey","readonly":false,"value":"secret"},"#,
            r#"{"key":"VpnKey","readonly":false,"value":"secret"},"#,
            r#"{"key":"Empty","readonly":true}],"unknownKey":["X"]}"#
        );
        let configuration = "Configuration";
        let told = [
            (configuration, "HeartbeatInterval", "Actual", Some("60")),
            (configuration, "AuthorizationKey", "Actual", None),
            (configuration, "VpnKey", "Actual", None),
            (configuration, "Empty", "Actual", None),
        ];
        check(Version::V1_6, "GetConfiguration", "{}", keys, &told);
        let set = r#"{"key":"MyKey","value":"7"}"#;
        let taken = [(configuration, "MyKey", "Actual", Some("7"))];
        for (status, expected) in [
            ("Accepted", &taken[..]),
            ("RebootRequired", &taken),
            ("Rejected", &[]),
            ("NotSupported", &[]),
        ] {
            let answer = format!(r#"{{"status":"{status}"}}"#);
            check(Version::V1_6, "ChangeConfiguration", set, &answer, expected);
        }
    }

    #[test]
    fn the_variables_of_2_x_are_told_and_taken_over() {
        let data = |variable: &str, further: &str| {
            format!(r#"{{"component":{{"name":"C"}},"variable":{{"name":"{variable}"}}{further}}}"#)
        };
        let set = format!(
            r#"{{"setVariableData":[{},{},{}]}}"#,
            data("A", r#","attributeValue":"1""#),
            data("B", r#","attributeType":"Target","attributeValue":"2""#),
            data("BasicAuthPassword", r#","attributeValue":"secret""#),
        );
        let status = |status: &str| format!(r#","attributeStatus":"{status}""#);
        let target = r#","attributeType":"Target""#;
        let answer = format!(
            r#"{{"setVariableResult":[{},{},{}]}}"#,
            data("BasicAuthPassword", &status("Accepted")),
            data("B", &format!("{target}{}", status("RebootRequired"))),
            data("A", &status("Rejected")),
        );
        let told = [("C", "BasicAuthPassword", "Actual", None), ("C", "B", "Target", Some("2"))];
        let read = format!(
            r#"{{"getVariableResult":[{},{}]}}"#,
            data("A", &format!(r#","attributeValue":"9"{}"#, status("Accepted"))),
            data("B", &status("UnknownVariable")),
        );
        for version in [Version::V2_0_1, Version::V2_1] {
            check(version, "SetVariables", &set, &answer, &told);
            check(version, "GetVariables", "{}", &read, &[("C", "A", "Actual", Some("9"))]);
        }
    }
}
