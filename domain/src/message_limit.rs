//! How much a station takes in one request of ours, as its own variables say: a request with more
//! is not to be sent (2.x part 2, B05.FR.11, B06.FR.05, B08.FR.06, D01.FR.11, N04.FR.09,
//! N06.FR.04; 1.6 section 9).

use crate::events::v1::{CONFIGURATION, ComponentName, MessageLimit, VariableName};

/// Components whose variables name the request by their instance.
const BY_INSTANCE: &[&str] = &["DeviceDataCtrlr", "MonitoringCtrlr"];
/// The component whose variables are about one request, and that request.
const LOCAL_LIST: (&str, &str) = ("LocalAuthListCtrlr", "SendLocalList");
/// Variables that say how many items, and how many bytes.
const ITEMS: &str = "ItemsPerMessage";
/// See [`ITEMS`].
const BYTES: &str = "BytesPerMessage";
/// Configuration keys of 1.6 that say how many items, and the requests that they are about.
const KEYS: &[(&str, &str)] =
    &[("GetConfigurationMaxKeys", "GetConfiguration"), ("SendLocalListMaxLength", "SendLocalList")];
/// The requests that stations limit.
const LIMITED: &[&str] = &[
    "ClearVariableMonitoring",
    "GetReport",
    "GetVariables",
    "SendLocalList",
    "SetVariableMonitoring",
    "SetVariables",
];

/// The limit that a value of a variable says; `None` where it is about something else.
pub fn told_by(
    component: &ComponentName,
    variable: &VariableName,
    value: &str,
) -> Option<MessageLimit> {
    let most: u32 = value.trim().parse().ok().filter(|most| *most > 0)?;
    let is = |name: &str, word: &str| name.eq_ignore_ascii_case(word);
    let items = |action: &str| MessageLimit {
        action: action.to_owned(),
        items_max: Some(most),
        bytes_max: None,
    };
    if is(&component.name, CONFIGURATION) {
        let key = KEYS.iter().find(|(key, _)| is(&variable.name, key));
        return key.map(|(_, action)| items(action));
    }
    let action = match component.name.as_str() {
        name if is(name, LOCAL_LIST.0) => LOCAL_LIST.1,
        name if BY_INSTANCE.iter().any(|known| is(name, known)) => {
            let instance = variable.instance.as_deref()?;
            LIMITED.iter().copied().find(|action| is(instance, action))?
        }
        _ => return None,
    };
    if is(&variable.name, ITEMS) {
        return Some(items(action));
    }
    let bytes = MessageLimit { items_max: None, bytes_max: Some(most), ..items(action) };
    is(&variable.name, BYTES).then_some(bytes)
}

/// Takes a limit in that was told; `false` where it was known.
pub fn learn(known: &mut Vec<MessageLimit>, told: &MessageLimit) -> bool {
    let Some(limit) = known.iter_mut().find(|limit| limit.action == told.action) else {
        known.push(told.clone());
        return true;
    };
    let before = limit.clone();
    limit.items_max = told.items_max.or(limit.items_max);
    limit.bytes_max = told.bytes_max.or(limit.bytes_max);
    *limit != before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        component: &str,
        variable: &str,
        instance: Option<&str>,
        value: &str,
        expected: Option<(&str, Option<u32>, Option<u32>)>,
    ) {
        let component = ComponentName {
            name: component.to_owned(),
            instance: None,
            evse: None,
            connector: None,
        };
        let instance = instance.map(str::to_owned);
        let variable = VariableName { name: variable.to_owned(), instance };
        let told = told_by(&component, &variable, value);
        let told = told.as_ref().map(|it| (it.action.as_str(), it.items_max, it.bytes_max));
        assert_eq!(told, expected, "{component:?} {variable:?} {value}");
    }

    #[test]
    fn a_limit_is_told_by_the_variables_of_every_version() {
        let (of_data, of_monitors) = ("DeviceDataCtrlr", "MonitoringCtrlr");
        let get = Some("GetVariables");
        check(of_data, ITEMS, get, "4", Some(("GetVariables", Some(4), None)));
        check(of_data, BYTES, get, "4096", Some(("GetVariables", None, Some(4096))));
        let clear = Some("ClearVariableMonitoring");
        check(of_monitors, ITEMS, clear, "3", Some(("ClearVariableMonitoring", Some(3), None)));
        let list = Some(("SendLocalList", Some(10), None));
        check("LocalAuthListCtrlr", ITEMS, None, "10", list);
        check(CONFIGURATION, "SendLocalListMaxLength", None, "10", list);
        check(
            CONFIGURATION,
            "GetConfigurationMaxKeys",
            None,
            "5",
            Some(("GetConfiguration", Some(5), None)),
        );
        for (component, variable, instance, value) in [
            (of_data, ITEMS, None, "4"),
            (of_data, ITEMS, Some("Reset"), "4"),
            (of_data, ITEMS, get, "0"),
            (of_data, ITEMS, get, "many"),
            (of_data, "ValueSize", get, "4"),
            ("OCPPCommCtrlr", ITEMS, get, "4"),
        ] {
            check(component, variable, instance, value, None);
        }
    }

    #[test]
    fn items_and_bytes_are_learnt_beside_each_other() {
        let told = |items_max, bytes_max| MessageLimit {
            action: "GetVariables".to_owned(),
            items_max,
            bytes_max,
        };
        let mut known = Vec::new();
        assert!(learn(&mut known, &told(Some(4), None)));
        assert!(learn(&mut known, &told(None, Some(4096))));
        assert!(!learn(&mut known, &told(Some(4), None)));
        assert_eq!(known, [told(Some(4), Some(4096))]);
    }
}
