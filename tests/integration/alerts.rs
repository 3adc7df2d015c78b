//! What is wrong at stations becomes alerts, in every version, that an operator acknowledges.

use serde_json::{Value, json};

use crate::harness::{ChargePoint, TestCsms, eventually};
use crate::messages::{boot, booted_2x, csms_with_station};

/// The alerts of the station once they are so many, and as the test says.
#[track_caller]
fn alerts(csms: &TestCsms, filter: &str, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    eventually(&format!("the alerts {filter}"), || {
        let listed = csms.list(&format!("/v1/alerts?station=CP-1&limit=1{filter}"));
        is_so(&listed).then_some(listed)
    })
}

/// One event of a NotifyEvent.
fn event(number: i64, minute: u32, changes: &Value) -> Value {
    let mut event = json!({
        "eventId": number, "timestamp": format!("2026-11-22T12:{minute:02}:00Z"),
        "trigger": "Alerting", "actualValue": "91.5", "eventNotificationType": "CustomMonitor",
        "component": { "name": "Connector", "evse": { "id": 1, "connectorId": 1 } },
        "variable": { "name": "Temperature", "instance": "Plug" }, "variableMonitoringId": 17,
    });
    let changes = changes.as_object().expect("an object").clone();
    event.as_object_mut().expect("an object").extend(changes);
    event
}

fn notify(station: &mut ChargePoint, events: &[Value]) {
    let generated = events[0]["timestamp"].clone();
    let payload = json!({ "generatedAt": generated, "seqNo": 0, "eventData": events });
    assert_eq!(station.call("NotifyEvent", payload), json!({}));
}

#[test]
fn an_alert_of_2_1_is_raised_repeated_acknowledged_and_cleared() {
    let csms = csms_with_station("CP-1");
    let mut station = booted_2x(&csms, "ocpp2.1");
    let hot = event(1, 0, &json!({ "severity": 3, "techCode": "E42", "techInfo": "fan stopped" }));
    let value = event(2, 0, &json!({ "trigger": "Delta", "variable": { "name": "Power" } }));
    notify(&mut station, &[hot.clone(), value]);
    let raised = &alerts(&csms, "&status=raised", |alerts| alerts.len() == 1)[0];
    let place = json!({ "name": "Connector", "instance": null, "evse": 1, "connector": 1 });
    assert_eq!(raised["component"], place);
    assert_eq!(raised["variable"], json!({ "name": "Temperature", "instance": "Plug" }));
    assert_eq!((&raised["source"], &raised["kind"]), (&json!("component"), &json!("Temperature")));
    assert_eq!((&raised["value"], &raised["severity"]), (&json!("91.5"), &json!(3)));
    assert_eq!((&raised["monitor"], &raised["station_event"]), (&json!(17), &json!(1)));
    assert_eq!(raised["technical_code"], "E42");
    assert_eq!(raised["detail"], "fan stopped");
    assert_eq!(raised["occurrences"], 1);

    // The same again, over another connection: nothing new.
    station.disconnect();
    station.connect_as(&csms, "ocpp2.1");
    notify(&mut station, &[hot]);
    notify(&mut station, &[event(3, 5, &json!({ "actualValue": "95" }))]);
    let repeated = &alerts(&csms, "", |alerts| alerts[0]["value"] == "95")[0];
    assert_eq!(repeated["occurrences"], 2);
    assert_eq!(repeated["id"], raised["id"]);

    let path = format!("/v1/alerts/{}/acknowledge", raised["id"].as_str().expect("an id"));
    let nobody = csms.post(&path, &json!({ "acknowledged_by": " " })).expect(422).json();
    assert_eq!(nobody["errors"][0]["pointer"], "/acknowledged_by");
    let body = json!({ "acknowledged_by": "Kim", "note": "technician is on the way" });
    assert_eq!(csms.post(&path, &body).expect(200).json()["changed"], true);
    let seen = &alerts(&csms, "&status=acknowledged", |alerts| alerts.len() == 1)[0];
    let said = (&seen["acknowledged_by"], &seen["note"]);
    assert_eq!(said, (&json!("Kim"), &json!("technician is on the way")));
    let again = csms.post(&path, &json!({ "acknowledged_by": "Robin" })).expect(200).json();
    assert_eq!(again["changed"], false);
    assert!(!csms.events().iter().any(|event| event.to_string().contains("Kim")));

    notify(&mut station, &[event(4, 9, &json!({ "cleared": true, "actualValue": "40" }))]);
    let cleared = &alerts(&csms, "&status=cleared", |alerts| alerts.len() == 1)[0];
    assert!(cleared["cleared_at"].is_string());
    assert_eq!(cleared["acknowledged_by"], "Kim");
    // Hot again: another alert.
    notify(&mut station, &[event(5, 20, &json!({}))]);
    let both = alerts(&csms, "", |alerts| alerts.len() == 2);
    assert_eq!((&both[0]["status"], &both[1]["id"]), (&json!("raised"), &raised["id"]));
    let one = format!("/v1/alerts/{}", raised["id"].as_str().expect("an id"));
    assert_eq!(csms.get(&one).expect(200).json()["status"], "cleared");
}

#[test]
fn a_notify_event_that_is_sent_again_repeats_an_exchange_and_changes_nothing() {
    let mut csms = csms_with_station("CP-1");
    let mut station = booted_2x(&csms, "ocpp2.0.1");
    let failed =
        json!({ "trigger": "Delta", "actualValue": "true", "variable": { "name": "Problem" } });
    let (failed, free) = (event(7, 0, &failed), event(8, 1, &json!({ "cleared": true })));
    notify(&mut station, std::slice::from_ref(&failed));
    notify(&mut station, &[free]);
    csms.kill9();
    csms.restart();
    station.connect_as(&csms, "ocpp2.0.1");
    notify(&mut station, &[failed]);
    let exchanges = csms.exchanges();
    let of = |exchange: &&Value| exchange["data"]["action"] == "NotifyEvent";
    let told: Vec<&Value> = exchanges.iter().filter(of).collect();
    assert_eq!(told[2]["data"]["duplicate_of"], told[0]["id"]);
    assert_eq!(alerts(&csms, "", |alerts| !alerts.is_empty()).len(), 1);
}

#[test]
fn a_1_6_connector_s_error_is_an_alert_until_there_is_none() {
    let csms = csms_with_station("CP-1");
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    let says = |status: &str, error_code: &str| {
        json!({
            "connectorId": 1, "status": status, "errorCode": error_code, "vendorErrorCode": "V7",
        })
    };
    station.call("StatusNotification", says("Faulted", "GroundFailure"));
    station.call("StatusNotification", says("Faulted", "GroundFailure"));
    let ground =
        &alerts(&csms, "", |alerts| !alerts.is_empty() && alerts[0]["occurrences"] == 2)[0];
    assert_eq!(
        (&ground["source"], &ground["kind"]),
        (&json!("connector"), &json!("GroundFailure"))
    );
    assert_eq!((&ground["connector"], &ground["technical_code"]), (&json!(1), &json!("V7")));
    // A connector has one error at a time.
    station.call("StatusNotification", says("Available", "WeakSignal"));
    let weak = &alerts(&csms, "&status=raised", |alerts| alerts[0]["kind"] == "WeakSignal")[0];
    assert_ne!(weak["id"], ground["id"]);
    station.call("StatusNotification", says("Available", "NoError"));
    assert_eq!(alerts(&csms, "&status=cleared", |alerts| alerts.len() == 2).len(), 2);
}

#[test]
fn critical_security_events_and_failed_jobs_are_alerts_in_both_versions() {
    let stations = [
        |csms: &TestCsms| ChargePoint::connected(csms, "CP-1"),
        |csms: &TestCsms| booted_2x(csms, "ocpp2.0.1"),
    ];
    for connected in stations {
        let csms = csms_with_station("CP-1");
        let mut station = connected(&csms);
        let mut notes = |kind: &str, at: &str| {
            let payload = json!({ "type": kind, "timestamp": at, "techInfo": "lid" });
            station.call("SecurityEventNotification", payload);
        };
        notes("InvalidTLSVersion", "2026-11-22T12:00:00Z");
        notes("TamperDetectionActivated", "2026-11-22T12:00:00Z");
        let tampered = &alerts(&csms, "", |alerts| alerts.len() == 1)[0];
        assert_eq!(tampered["kind"], "TamperDetectionActivated");
        assert_eq!(tampered["detail"], "lid");
        // It is a moment: once it was seen, the next one is another alert.
        let path = format!("/v1/alerts/{}/acknowledge", tampered["id"].as_str().expect("an id"));
        csms.post(&path, &json!({ "acknowledged_by": "Kim" })).expect(200);
        notes("TamperDetectionActivated", "2026-11-22T13:00:00Z");
        alerts(&csms, "", |alerts| alerts.len() == 2);

        station.call("FirmwareStatusNotification", json!({ "status": "InstallationFailed" }));
        let failed = &alerts(&csms, "&status=raised", |alerts| alerts.len() == 2)[0];
        assert_eq!(
            (&failed["source"], &failed["kind"]),
            (&json!("firmware"), &json!("InstallationFailed"))
        );
        station.call("FirmwareStatusNotification", json!({ "status": "Installed" }));
        let cleared = &alerts(&csms, "&status=cleared", |alerts| alerts.len() == 1)[0];
        assert_eq!(cleared["id"], failed["id"]);
        let totals = csms.get("/v1/totals").expect(200).json();
        assert_eq!(totals["alerts_raised"], 1, "{totals:#}");
    }
}

#[test]
fn what_is_asked_wrongly_of_alerts_is_a_problem() {
    let csms = csms_with_station("CP-1");
    csms.get("/v1/alerts?status=loud").expect(422);
    csms.get("/v1/alerts?after=nonsense").expect(400);
    csms.get("/v1/alerts/nonsense").expect(404);
    let unknown = "/v1/alerts/019a9e2c-ee48-8cfb-9976-6648799eaf9b/acknowledge";
    csms.post(unknown, &json!({ "acknowledged_by": "Kim" })).expect(404);
    assert_eq!(csms.list("/v1/alerts?station=NOBODY"), Vec::<Value>::new());
}
