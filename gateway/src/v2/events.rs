//! NotifyEvent: what has happened to components, and which of it says that something is wrong.

use super::device_model::{component, variable_name};
use crate::payload::Payload;
use chargebook_commands::message::{Notice, NoticeContent, StationMessage, StatusReport};
use chargebook_domain::alert;
use chargebook_domain::events::v1::{Condition, ReportedEvent};
use chargebook_domain::ids::TransactionName;

/// The word for a value that has passed a threshold (EventTriggerEnumType).
const ALERTING: &str = "Alerting";

/// The component and its variable that tell what a connector is (G01).
const CONNECTOR: &str = "Connector";
/// See [`CONNECTOR`].
const AVAILABILITY: &str = "AvailabilityState";
/// What a connector can be (ConnectorStatusEnumType).
const CONNECTOR_STATUSES: &[&str] =
    &["Available", "Faulted", "Occupied", "Reserved", "Unavailable"];

/// What a NotifyEvent says. One that tells what a connector is, and nothing more, says the same
/// as a StatusNotification, which a station may send instead (G01.FR.03 to FR.07).
pub(super) fn message(payload: &Payload<'_, '_>, notice: Notice) -> Option<StationMessage> {
    let (mut reported, mut statuses) = (Vec::new(), Vec::new());
    for data in payload.objects("eventData") {
        let event = event(&data)?;
        match status(&event) {
            Some(status) => statuses.push(status),
            None => reported.push(event),
        }
    }
    match (&reported[..], &statuses[..]) {
        ([], [_]) => statuses.pop().map(StationMessage::Status),
        _ => {
            let content = NoticeContent::Events { reported, statuses };
            Some(StationMessage::Notice(Notice { content, ..notice }))
        }
    }
}

/// What a connector is now, where an event tells that. What its EVSE or the station is follows
/// from it, and is not told apart.
fn status(event: &ReportedEvent<String>) -> Option<StatusReport> {
    let (component, variable) = (&event.component, &event.variable);
    let is_availability = component.name.eq_ignore_ascii_case(CONNECTOR)
        && variable.name.eq_ignore_ascii_case(AVAILABILITY)
        && CONNECTOR_STATUSES.contains(&event.value.as_str());
    is_availability.then_some(StatusReport {
        evse: Some(component.evse?),
        connector: component.connector?,
        status: event.value.clone(),
        error_code: None,
        vendor_error_code: None,
        at: Some(event.at),
    })
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
    use chargebook_commands::message::NoticeSubject;

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
        let notice = Notice::about(NoticeSubject::NotifyEvent);
        let Some(StationMessage::Notice(notice)) = message(&payload, notice) else {
            panic!("{text}")
        };
        let NoticeContent::Events { reported, .. } = notice.content else { panic!("{text}") };
        assert_eq!(reported[0].condition, expected, "{text}");
    }

    /// How many events and statuses a message tells; `None`: it is a status by itself.
    fn told(events: &[&str]) -> Option<(usize, usize)> {
        let text = format!(r#"{{"eventData":[{}]}}"#, events.join(","));
        let (document, _) = Document::read(&text);
        let payload = Payload { document: &document, node: document.root().expect("a payload") };
        let notice = Notice::about(NoticeSubject::NotifyEvent);
        match message(&payload, notice).expect("a message") {
            StationMessage::Status(_) => None,
            StationMessage::Notice(Notice {
                content: NoticeContent::Events { reported, statuses },
                ..
            }) => Some((reported.len(), statuses.len())),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_connector_is_is_its_status() {
        let event = |component: &str, evse: &str, variable: &str, value: &str| {
            format!(
                r#"{{"eventId":1,"timestamp":"2026-11-22T12:00:00Z","trigger":"Delta",
                "actualValue":"{value}","eventNotificationType":"HardWiredNotification",
                "component":{{"name":"{component}"{evse}}},"variable":{{"name":"{variable}"}}}}"#
            )
        };
        let at = r#","evse":{"id":1,"connectorId":2}"#;
        let occupied = event("Connector", at, "AvailabilityState", "Occupied");
        assert_eq!(told(&[&occupied]), None);
        assert_eq!(told(&[&occupied, &occupied]), Some((0, 2)));
        for other in [
            event("Connector", "", "AvailabilityState", "Occupied"),
            event("Connector", r#","evse":{"id":1}"#, "AvailabilityState", "Occupied"),
            event("EVSE", at, "AvailabilityState", "Occupied"),
            event("Connector", at, "Available", "true"),
            event("Connector", at, "AvailabilityState", "Charging"),
        ] {
            assert_eq!(told(&[&other]), Some((1, 0)), "{other}");
            assert_eq!(told(&[&other, &occupied]), Some((1, 1)), "{other}");
        }
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
