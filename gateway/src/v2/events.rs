//! NotifyEvent: what has happened to components, and which of it says that something is wrong.

use super::device_model::{component, variable_name};
use crate::payload::Payload;
use chargebook_domain::alert;
use chargebook_domain::events::v1::{Condition, ReportedEvent};
use chargebook_domain::ids::TransactionName;

/// The word for a value that has passed a threshold (EventTriggerEnumType).
const ALERTING: &str = "Alerting";

/// What a NotifyEvent tells of (EventDataType).
pub(super) fn events(payload: &Payload<'_, '_>) -> Option<Vec<ReportedEvent<String>>> {
    payload.objects("eventData").map(|data| event(&data)).collect()
}

fn event(data: &Payload<'_, '_>) -> Option<ReportedEvent<String>> {
    let transaction = data.string("transactionId");
    let mut event = ReportedEvent {
        number: data.integer("eventId")?,
        at: data.time("timestamp")?,
        trigger: data.text("trigger")?,
        notification: data.text("eventNotificationType")?,
        component: component(data)?,
        variable: variable_name(data)?,
        value: data.text("actualValue")?,
        condition: None,
        cause: data.integer("cause"),
        severity: data.integer("severity"),
        technical_code: data.text("techCode"),
        technical_information: data.text("techInfo"),
        transaction: transaction.and_then(|id| TransactionName::parse(&id).ok()),
        monitor: data.integer("variableMonitoringId"),
        key: None,
    };
    event.condition = condition(&event, data.boolean("cleared") == Some(true));
    Some(event)
}

/// An alert is over where it is said to be cleared; a variable that is about trouble tells by its
/// value (as a lock that fails does, part 2, G05).
fn condition(event: &ReportedEvent<String>, is_cleared: bool) -> Option<Condition> {
    let says = |is_wrong| Some(if is_wrong { Condition::Wrong } else { Condition::Right });
    let name = event.variable.name.as_str();
    if is_cleared {
        return Some(Condition::Right);
    }
    if let Some(trouble) = alert::trouble_word(name) {
        return says(event.value.eq_ignore_ascii_case(trouble));
    }
    (event.trigger == ALERTING).then_some(Condition::Wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::json::Document;

    #[track_caller]
    fn check(
        trigger: &str,
        variable: &str,
        value: &str,
        further: &str,
        expected: Option<Condition>,
    ) {
        let text = format!(
            r#"{{"eventData":[{{"eventId":1,"timestamp":"2026-11-22T12:00:00Z",
            "trigger":"{trigger}","actualValue":"{value}","eventNotificationType":"CustomMonitor",
            "component":{{"name":"C"}},"variable":{{"name":"{variable}"}}{further}}}]}}"#
        );
        let (document, _) = Document::read(&text);
        let payload = Payload { document: &document, node: document.root().expect("a payload") };
        let events = events(&payload).expect("events");
        assert_eq!(events[0].condition, expected, "{text}");
    }

    #[test]
    fn something_is_wrong_or_right_again_or_neither() {
        let (wrong, right) = (Some(Condition::Wrong), Some(Condition::Right));
        let cleared = r#","cleared":true"#;
        check("Alerting", "Temperature", "91.5", "", wrong);
        check("Alerting", "Temperature", "91.5", r#","cleared":false"#, wrong);
        check("Alerting", "Temperature", "60", cleared, right);
        check("Delta", "Temperature", "60", "", None);
        check("Periodic", "Power", "11000", "", None);
        check("Delta", "Problem", "true", "", wrong);
        check("Delta", "Problem", "false", "", right);
        check("Alerting", "Problem", "false", "", right);
        check("Delta", "AvailabilityState", "Faulted", "", wrong);
        check("Delta", "AvailabilityState", "Available", "", right);
    }
}
