//! What a 2.x station reports when it is asked to, as an operator reads it over HTTP.

use serde_json::{Value, json};

use crate::harness::{ChargePoint, TestCsms, eventually};
use crate::messages::{boot, booted_2x, csms_with_station};

/// Asks for something in OCPP's words and gives the command, once the station has accepted it.
#[track_caller]
fn asked(csms: &TestCsms, station: &mut ChargePoint, action: &str, payload: &Value) -> Value {
    station.will_answer(action, json!({ "status": "Accepted" }));
    let path = format!("/v1/stations/CP-1/ocpp/{action}");
    let answer = csms.send("POST", &path, &[("Prefer", "wait=10")], &payload.to_string());
    let command = answer.expect(200).json();
    assert_eq!((&command["status"], &command["complete"]), (&json!("Accepted"), &json!(false)));
    command
}

#[track_caller]
fn read(csms: &TestCsms, command: &Value) -> Value {
    let id = command["id"].as_str().expect("an id");
    csms.get(&format!("/v1/commands/{id}")).expect(200).json()
}

/// A part of a report on request 7.
fn part(sequence: u32, to_be_continued: bool, report: Value) -> Value {
    json!({
        "requestId": 7, "generatedAt": "2026-11-20T10:00:00Z", "seqNo": sequence,
        "tbc": to_be_continued, "reportData": [report],
    })
}

fn heartbeat_interval(value: &str) -> Value {
    json!({
        "component": { "name": "OCPPCommCtrlr" },
        "variable": { "name": "HeartbeatInterval" },
        "variableAttribute": [{ "value": value, "mutability": "ReadWrite", "persistent": true }],
        "variableCharacteristics": {
            "dataType": "integer", "unit": "s", "minLimit": 1, "supportsMonitoring": false,
        },
    })
}

#[test]
fn the_parts_of_a_report_stand_at_the_command_that_asked_for_it() {
    let csms = csms_with_station("CP-1");
    let mut station = booted_2x(&csms, "ocpp2.0.1");
    let payload = json!({ "requestId": 7, "reportBase": "FullInventory" });
    let command = asked(&csms, &mut station, "GetBaseReport", &payload);
    let parts =
        [part(1, false, heartbeat_interval("300")), part(0, true, heartbeat_interval("60"))];
    for part in &parts {
        station.call("NotifyReport", part.clone());
    }
    let command = read(&csms, &command);
    assert_eq!(command["complete"], true, "{command:#}");
    let notifications = command["notifications"].as_array().expect("notifications");
    assert_eq!(notifications.len(), 2, "{notifications:#?}");
    for (notification, part) in notifications.iter().zip(parts) {
        assert_eq!(notification["action"], "NotifyReport");
        assert_eq!(notification["sequence"], part["seqNo"]);
        assert_eq!(notification["payload"], part);
        assert!(notification["at"].is_string(), "{notification}");
    }
    let listed = eventually("the command in the list", || {
        let listed = csms.list("/v1/commands?station=CP-1");
        listed.into_iter().find(|command| command["complete"] == true)
    });
    assert_eq!(listed["notifications"], Value::Null);
}

#[test]
fn the_statuses_of_an_upload_stand_at_the_command_that_asked_for_it() {
    let csms = csms_with_station("CP-1");
    let mut station = booted_2x(&csms, "ocpp2.1");
    let log = json!({ "remoteLocation": "https://example.com/log" });
    let payload = json!({ "logType": "SecurityLog", "requestId": 7, "log": log });
    let command = asked(&csms, &mut station, "GetLog", &payload);
    for status in ["Uploading", "Uploaded"] {
        let payload = json!({ "status": status, "requestId": 7 });
        station.call("LogStatusNotification", payload);
    }
    let command = read(&csms, &command);
    assert_eq!(command["complete"], true, "{command:#}");
    let statuses: Vec<&Value> = command["notifications"]
        .as_array()
        .expect("notifications")
        .iter()
        .map(|notification| &notification["status"])
        .collect();
    assert_eq!(statuses, ["Uploading", "Uploaded"]);
}

#[test]
fn a_full_inventory_is_the_device_model_once_its_last_part_has_come() {
    let csms = csms_with_station("CP-1");
    let mut station = booted_2x(&csms, "ocpp2.0.1");
    let named = |component: &str, variable: &str, value: &str| {
        let mut report = heartbeat_interval(value);
        report["component"] = json!({ "name": component, "evse": { "id": 1, "connectorId": 2 } });
        report["variable"] = json!({ "name": variable, "instance": "left" });
        report
    };
    let mut password = named("SecurityCtrlr", "BasicAuthPassword", "hunter2");
    password["variableAttribute"][0]["mutability"] = json!("WriteOnly");
    // Nobody asked for this one.
    station.call("NotifyReport", part(0, false, named("Gone", "Secret", "once")));
    let values = |expected: usize| {
        eventually("the variables", || {
            let listed = csms.list("/v1/stations/CP-1/variables?limit=1");
            (listed.len() == expected).then_some(listed)
        })
    };
    assert_eq!(values(1)[0]["value"], "once");
    let payload = json!({ "requestId": 7, "reportBase": "FullInventory" });
    asked(&csms, &mut station, "GetBaseReport", &payload);
    station.call("NotifyReport", part(1, false, heartbeat_interval("300")));
    // What was there stays until all has come.
    values(2);
    station.call("NotifyReport", part(0, true, password));
    let model = eventually("the device model", || {
        let listed = csms.list("/v1/stations/CP-1/variables?limit=1");
        listed.iter().any(|it| it["component"]["name"] == "SecurityCtrlr").then_some(listed)
    });
    assert_eq!(model.len(), 2, "{model:#?}");
    let interval = &model[0];
    assert_eq!(interval["component"]["name"], "OCPPCommCtrlr");
    assert_eq!(interval["variable"]["name"], "HeartbeatInterval");
    assert_eq!((&interval["attribute"], &interval["value"]), (&json!("Actual"), &json!("300")));
    assert_eq!(interval["persistent"], true);
    assert_eq!(interval["characteristics"]["unit"], "s");
    let password = &model[1];
    let place = json!({ "name": "SecurityCtrlr", "instance": null, "evse": 1, "connector": 2 });
    assert_eq!(password["component"], place);
    assert_eq!(password["variable"], json!({ "name": "BasicAuthPassword", "instance": "left" }));
    assert_eq!(password["value"], Value::Null);
    csms.get("/v1/stations/NOBODY/variables").expect(404);
}

/// The variables of CP-1 once they are as the test says.
#[track_caller]
fn variables(csms: &TestCsms, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    eventually("the variables", || {
        let listed = csms.list("/v1/stations/CP-1/variables?limit=1");
        is_so(&listed).then_some(listed)
    })
}

#[track_caller]
fn answered(csms: &TestCsms, station: &mut ChargePoint, action: &str, ask: &Value, answer: Value) {
    station.will_answer(action, answer);
    let path = format!("/v1/stations/CP-1/ocpp/{action}");
    csms.send("POST", &path, &[("Prefer", "wait=10")], &ask.to_string()).expect(200);
}

#[test]
fn the_answers_of_a_2_0_1_station_keep_its_variables_up_to_date() {
    let csms = csms_with_station("CP-1");
    let mut station = booted_2x(&csms, "ocpp2.0.1");
    station.call("NotifyReport", part(0, false, heartbeat_interval("300")));
    let of = |component: &str, variable: &str, further: Value| {
        let mut data =
            json!({ "component": { "name": component }, "variable": { "name": variable } });
        let further = further.as_object().expect("an object").clone();
        data.as_object_mut().expect("an object").extend(further);
        data
    };
    let interval = |further| of("OCPPCommCtrlr", "HeartbeatInterval", further);
    let password = |further| of("SecurityCtrlr", "BasicAuthPassword", further);
    let ask = json!({ "setVariableData": [
        interval(json!({ "attributeValue": "60" })),
        password(json!({ "attributeValue": "a secret of CP-1" })),
        of("Unknown", "Thing", json!({ "attributeValue": "1" })),
    ] });
    let accepted = json!({ "attributeStatus": "Accepted" });
    let unknown = json!({ "attributeStatus": "UnknownComponent" });
    let answer = json!({ "setVariableResult": [
        interval(accepted.clone()), password(accepted), of("Unknown", "Thing", unknown),
    ] });
    answered(&csms, &mut station, "SetVariables", &ask, answer);
    let known = variables(&csms, |known| known.len() == 2);
    assert_eq!((&known[0]["value"], &known[0]["persistent"]), (&json!("60"), &json!(true)));
    assert_eq!(known[0]["characteristics"]["unit"], "s");
    assert_eq!(known[1]["variable"]["name"], "BasicAuthPassword");
    assert_eq!((&known[1]["value"], &known[1]["mutability"]), (&Value::Null, &Value::Null));

    let ask = json!({ "getVariableData": [interval(json!({}))] });
    let told = json!({ "attributeStatus": "Accepted", "attributeValue": "61" });
    let answer = json!({ "getVariableResult": [interval(told)] });
    answered(&csms, &mut station, "GetVariables", &ask, answer);
    variables(&csms, |known| known[0]["value"] == "61");
    // A later report counts more than an earlier answer.
    station.call("NotifyReport", part(1, false, heartbeat_interval("90")));
    variables(&csms, |known| known[0]["value"] == "90");
    let events = csms.events();
    let learnt = events.iter().filter(|event| event["type"] == "station.values_learnt");
    let learnt: Vec<String> = learnt.map(Value::to_string).collect();
    assert_eq!(learnt.len(), 2);
    assert!(!learnt.iter().any(|event| event.contains("a secret of CP-1")), "{learnt:?}");
}

#[test]
fn the_configuration_of_a_1_6_station_is_shown_as_it_last_said() {
    let csms = csms_with_station("CP-1");
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    let keys = json!({ "configurationKey": [
        { "key": "HeartbeatInterval", "readonly": false, "value": "300" },
        { "key": "NumberOfConnectors", "readonly": true, "value": "2" },
    ] });
    answered(&csms, &mut station, "GetConfiguration", &json!({}), keys);
    let known = variables(&csms, |known| known.len() == 2);
    assert_eq!(known[0]["component"]["name"], "Configuration");
    assert_eq!((&known[1]["value"], &known[1]["mutability"]), (&json!("2"), &json!("ReadOnly")));
    let ask = json!({ "key": "HeartbeatInterval", "value": "60" });
    answered(&csms, &mut station, "ChangeConfiguration", &ask, json!({ "status": "Rejected" }));
    answered(&csms, &mut station, "ChangeConfiguration", &ask, json!({ "status": "Accepted" }));
    variables(&csms, |known| known[0]["value"] == "60");
}
