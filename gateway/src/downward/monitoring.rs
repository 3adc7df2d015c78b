//! What becomes of a station's monitors with its answers to requests of ours (2.x part 2, N03,
//! N04, N06; 2.1: N12, N14).

use crate::payload::Payload;
use crate::v2::{component, monitor, rate, stream, variable_name};
use chargebook_commands::StationEffect;
use chargebook_commands::message::MonitoringNews;
use chargebook_domain::events::v1::Monitor;
use chargebook_domain::monitoring::CUSTOM;

/// The word for it.
const ACCEPTED: &str = "Accepted";
/// The word for there being none of that number (N06.FR.02).
const NOT_FOUND: &str = "NotFound";

/// What the station watches from now on, or watches no more.
pub(super) fn of_answer(
    action: &str,
    call: &Payload<'_, '_>,
    answer: &Payload<'_, '_>,
) -> Option<StationEffect> {
    let is_accepted = || has_status(answer, &[ACCEPTED]);
    let news = match action {
        "SetVariableMonitoring" => {
            let results = answer.objects("setMonitoringResult");
            let accepted = results.filter(|result| has_status(result, &[ACCEPTED]));
            let monitors: Vec<_> = accepted.filter_map(|result| set(call, &result)).collect();
            (!monitors.is_empty()).then_some(MonitoringNews::MonitorsTold(monitors))?
        }
        "ClearVariableMonitoring" => {
            let results = answer.objects("clearMonitoringResult");
            let gone = results.filter(|result| has_status(result, &[ACCEPTED, NOT_FOUND]));
            let numbers: Vec<_> = gone.filter_map(|result| result.integer("id")).collect();
            (!numbers.is_empty()).then_some(MonitoringNews::MonitorsCleared(numbers))?
        }
        "SetMonitoringBase" if is_accepted() => {
            MonitoringNews::BaseSet(call.text("monitoringBase")?)
        }
        "GetPeriodicEventStream" => {
            let streams = answer.objects("constantStreamData").filter_map(|data| stream(&data));
            MonitoringNews::StreamsTold { streams: streams.collect(), are_all: true }
        }
        "AdjustPeriodicEventStream" if is_accepted() => {
            MonitoringNews::StreamAdjusted(call.integer("id")?, rate(&call.object("params")?))
        }
        _ => return None,
    };
    Some(StationEffect::Monitoring(news))
}

fn has_status(data: &Payload<'_, '_>, words: &[&str]) -> bool {
    data.string("status").is_some_and(|status| words.contains(&status.as_ref()))
}

/// A monitor that was asked for and set: the request says what it is, the result its number. It
/// is ours, whoever made it before (N04.FR.15).
fn set(call: &Payload<'_, '_>, result: &Payload<'_, '_>) -> Option<Monitor> {
    let says = |data: &Payload<'_, '_>| {
        let severity: Option<u8> = data.integer("severity");
        (component(data), variable_name(data), data.text("type"), severity)
    };
    let data = call.objects("setMonitoringData").find(|data| says(data) == says(result))?;
    let number = result.integer("id").or_else(|| data.integer("id"))?;
    Some(Monitor { origin: Some(CUSTOM.to_owned()), ..monitor(number, &data, &data)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::json::Document;

    fn news(action: &str, call: &str, answer: &str) -> Option<MonitoringNews> {
        let (call, _) = Document::read(call);
        let (answer, _) = Document::read(answer);
        let call = Payload { document: &call, node: call.root().expect("a call") };
        let answer = Payload { document: &answer, node: answer.root().expect("an answer") };
        let StationEffect::Monitoring(news) = of_answer(action, &call, &answer)? else {
            panic!("of monitoring")
        };
        Some(news)
    }

    #[test]
    fn a_monitor_that_was_set_is_what_was_asked_for_under_the_number_that_it_got() {
        let of = |variable: &str, further: &str| {
            format!(
                r#"{{"component":{{"name":"EVSE","evse":{{"id":1}}}},
                "variable":{{"name":"{variable}"}},"type":"UpperThreshold","severity":4{further}}}"#
            )
        };
        let call = format!(
            r#"{{"setMonitoringData":[{},{}]}}"#,
            of("Power", r#","value":11000.5,"transaction":true"#),
            of("Current", r#","value":16"#)
        );
        let answer = |first: &str| {
            format!(
                r#"{{"setMonitoringResult":[{},{}]}}"#,
                of("Current", r#","status":"Duplicate""#),
                of("Power", first)
            )
        };
        let told = news("SetVariableMonitoring", &call, &answer(r#","status":"Accepted","id":7"#));
        let Some(MonitoringNews::MonitorsTold(monitors)) = told else { panic!("{told:?}") };
        let [monitor] = &monitors[..] else { panic!("{monitors:?}") };
        assert_eq!((monitor.number, monitor.variable.name.as_str()), (7, "Power"));
        assert_eq!((monitor.value.to_string().as_str(), monitor.severity), ("11000.5", 4));
        assert_eq!(monitor.origin.as_deref(), Some("CustomMonitor"));
        assert!(monitor.in_transactions_only);
        let refused = answer(r#","status":"Rejected""#);
        assert_eq!(news("SetVariableMonitoring", &call, &refused), None);
    }

    #[test]
    fn what_is_cleared_is_what_the_station_has_no_more() {
        let answer = r#"{"clearMonitoringResult":[{"id":1,"status":"Accepted"},
            {"id":2,"status":"Rejected"},{"id":3,"status":"NotFound"}]}"#;
        let cleared = Some(MonitoringNews::MonitorsCleared(vec![1, 3]));
        assert_eq!(news("ClearVariableMonitoring", r#"{"id":[1,2,3]}"#, answer), cleared);
    }

    #[test]
    fn a_base_and_a_rate_hold_from_accepted() {
        let base = r#"{"monitoringBase":"HardWiredOnly"}"#;
        let (yes, no) = (r#"{"status":"Accepted"}"#, r#"{"status":"NotSupported"}"#);
        let set = Some(MonitoringNews::BaseSet("HardWiredOnly".to_owned()));
        assert_eq!(news("SetMonitoringBase", base, yes), set);
        assert_eq!(news("SetMonitoringBase", base, no), None);
        let slower = r#"{"id":3,"params":{"interval":60}}"#;
        let adjusted = news("AdjustPeriodicEventStream", slower, yes);
        let Some(MonitoringNews::StreamAdjusted(3, rate)) = adjusted else {
            panic!("{adjusted:?}")
        };
        assert_eq!((rate.interval_seconds, rate.values), (Some(60), None));
        let refused = r#"{"status":"Rejected"}"#;
        assert_eq!(news("AdjustPeriodicEventStream", slower, refused), None);
    }
}
