//! What a station watches of its variables, as an operator reads it over HTTP (OCPP 2.x, block N).

use serde_json::{Value, json};

use crate::harness::{ChargePoint, TestCsms, eventually};
use crate::messages::{booted_2x, csms_with_station};

/// CP-1's monitors once they are as the test says.
#[track_caller]
fn monitors(csms: &TestCsms, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually("the monitors", || {
        let monitors = csms.get("/v1/stations/CP-1/monitors").expect(200).json();
        is_so(&monitors).then_some(monitors)
    })
}

fn ids(monitors: &Value) -> Vec<i64> {
    let monitors = monitors["monitors"].as_array().expect("monitors");
    monitors.iter().map(|monitor| monitor["id"].as_i64().expect("a number")).collect()
}

#[track_caller]
fn asked(csms: &TestCsms, station: &mut ChargePoint, action: &str, payload: Value, answer: Value) {
    station.will_answer(action, answer);
    let path = format!("/v1/stations/CP-1/ocpp/{action}");
    csms.send("POST", &path, &[("Prefer", "wait=10")], &payload.to_string()).expect(200);
}

fn accepted() -> Value {
    json!({ "status": "Accepted" })
}

fn power(further: Value) -> Value {
    let mut data = json!({
        "component": { "name": "EVSE", "evse": { "id": 1 } }, "variable": { "name": "Power" },
        "type": "UpperThreshold", "severity": 4,
    });
    let members = data.as_object_mut().expect("an object");
    members.extend(further.as_object().expect("an object").clone());
    data
}

/// A part of a report of monitors with these numbers.
fn report(request_id: i64, ids: &[(i64, &str)], to_be_continued: bool, sequence: u32) -> Value {
    let monitor = |(id, origin): &(i64, &str)| {
        let mut told = json!({ "id": id, "transaction": false, "value": 60.5, "type": "Periodic",
            "severity": 8 });
        if !origin.is_empty() {
            told["eventNotificationType"] = json!(origin);
        }
        told
    };
    json!({
        "requestId": request_id, "generatedAt": "2026-11-20T10:00:00Z", "seqNo": sequence,
        "tbc": to_be_continued,
        "monitor": [{
            "component": { "name": "ChargingStation" }, "variable": { "name": "Power" },
            "variableMonitoring": ids.iter().map(monitor).collect::<Vec<_>>(),
        }],
    })
}

#[test]
fn monitors_that_were_set_stand_until_they_are_cleared() {
    for version in ["ocpp2.0.1", "ocpp2.1"] {
        let csms = csms_with_station("CP-1");
        let mut station = booted_2x(&csms, version);
        assert_eq!(ids(&monitors(&csms, |_| true)), Vec::<i64>::new());
        let wish = json!({ "setMonitoringData": [
            power(json!({ "value": 11000.5, "transaction": true })),
            power(json!({ "value": 1, "severity": 5 })),
        ] });
        let results = json!({ "setMonitoringResult": [
            power(json!({ "id": 7, "status": "Accepted" })),
            power(json!({ "severity": 5, "status": "Rejected" })),
        ] });
        asked(&csms, &mut station, "SetVariableMonitoring", wish, results);
        let known = monitors(&csms, |monitors| ids(monitors) == [7]);
        let monitor = &known["monitors"][0];
        assert_eq!((&monitor["type"], &monitor["severity"]), (&json!("UpperThreshold"), &json!(4)));
        assert_eq!((&monitor["value"], &monitor["transaction"]), (&json!("11000.5"), &json!(true)));
        assert_eq!(monitor["origin"], "CustomMonitor");
        assert_eq!(monitor["component"]["evse"], 1);
        assert_eq!(monitor["variable"]["name"], "Power");
        let cleared =
            |status: &str| json!({ "clearMonitoringResult": [{ "id": 7, "status": status }] });
        let wish = || json!({ "id": [7] });
        asked(&csms, &mut station, "ClearVariableMonitoring", wish(), cleared("Rejected"));
        asked(&csms, &mut station, "ClearVariableMonitoring", wish(), cleared("Accepted"));
        monitors(&csms, |monitors| ids(monitors).is_empty());
    }
    csms_with_station("CP-1").get("/v1/stations/NOBODY/monitors").expect(404);
}

#[test]
fn a_report_of_all_monitors_replaces_and_one_of_some_adds() {
    let csms = csms_with_station("CP-1");
    let mut station = booted_2x(&csms, "ocpp2.0.1");
    let ask = json!({ "requestId": 1 });
    asked(&csms, &mut station, "GetMonitoringReport", ask, accepted());
    station.call("NotifyMonitoringReport", report(1, &[(1, ""), (2, "")], true, 0));
    station.call("NotifyMonitoringReport", report(1, &[(3, "")], false, 1));
    monitors(&csms, |monitors| ids(monitors) == [1, 2, 3]);
    let ask = json!({ "requestId": 2, "monitoringCriteria": ["PeriodicMonitoring"] });
    asked(&csms, &mut station, "GetMonitoringReport", ask, accepted());
    station.call("NotifyMonitoringReport", report(2, &[(4, "")], false, 0));
    let known = monitors(&csms, |monitors| ids(monitors) == [1, 2, 3, 4]);
    assert_eq!(known["monitors"][3]["value"], "60.5");
    // Once the last part is there, and not before: the parts come in any order.
    asked(&csms, &mut station, "GetMonitoringReport", json!({ "requestId": 3 }), accepted());
    station.call("NotifyMonitoringReport", report(3, &[(5, "")], false, 1));
    monitors(&csms, |monitors| ids(monitors) == [1, 2, 3, 4, 5]);
    station.call("NotifyMonitoringReport", report(3, &[(2, "")], true, 0));
    monitors(&csms, |monitors| ids(monitors) == [2, 5]);
    let nothing = json!({ "status": "EmptyResultSet" });
    asked(&csms, &mut station, "GetMonitoringReport", json!({ "requestId": 4 }), nothing);
    monitors(&csms, |monitors| ids(monitors).is_empty());
}

/// N03.FR.03 to FR.05.
#[test]
fn a_base_takes_off_the_monitors_that_are_not_of_it() {
    let csms = csms_with_station("CP-1");
    let mut station = booted_2x(&csms, "ocpp2.1");
    let all = [(1, "HardWiredMonitor"), (2, "PreconfiguredMonitor"), (3, "CustomMonitor")];
    // Nobody has asked for it: it is kept all the same.
    station.call("NotifyMonitoringReport", report(0, &all, false, 0));
    monitors(&csms, |monitors| ids(monitors) == [1, 2, 3]);
    for (base, status, left) in [
        ("FactoryDefault", "Rejected", &[1, 2, 3][..]),
        ("All", "Accepted", &[1, 2, 3]),
        ("FactoryDefault", "Accepted", &[1, 2]),
        ("HardWiredOnly", "Accepted", &[1]),
    ] {
        let answer = json!({ "status": status });
        let wish = json!({ "monitoringBase": base });
        asked(&csms, &mut station, "SetMonitoringBase", wish, answer);
        monitors(&csms, |monitors| {
            ids(monitors) == left && (status == "Rejected" || monitors["base"] == base)
        });
    }
}

/// N11 to N15.
#[test]
fn a_stream_is_shown_beside_its_monitor_with_what_it_last_told() {
    let csms = csms_with_station("CP-1");
    let mut station = booted_2x(&csms, "ocpp2.1");
    let stream = |id: i64| {
        json!({ "id": id, "variableMonitoringId": 7,
        "params": { "interval": 10, "values": 5 } })
    };
    let answer =
        station.call("OpenPeriodicEventStream", json!({ "constantStreamData": stream(1) }));
    assert_eq!(answer, accepted());
    let values = r#"[6,"s1","NotifyPeriodicEventStream",{"id":1,"pending":3,
        "basetime":"2026-11-20T10:00:00Z","data":[{"t":0,"v":"10"},{"t":1.5,"v":"11.5"}]}]"#;
    station.send_text(values);
    let slower = json!({ "id": 1, "params": { "interval": 60 } });
    asked(&csms, &mut station, "AdjustPeriodicEventStream", slower, accepted());
    let known = monitors(&csms, |known| known["event_streams"][0]["interval_seconds"] == 60);
    let open = &known["event_streams"][0];
    assert_eq!((&open["id"], &open["monitor"]), (&json!(1), &json!(7)));
    assert_eq!((&open["last_value"], &open["pending"]), (&json!("11.5"), &json!(3)));
    assert_eq!(open["last_at"], "2026-11-20T10:00:01.500Z");
    let listed = json!({ "constantStreamData": [stream(2)] });
    asked(&csms, &mut station, "GetPeriodicEventStream", json!({}), listed);
    let known = monitors(&csms, |known| known["event_streams"][0]["id"] == 2);
    assert_eq!(known["event_streams"].as_array().map(Vec::len), Some(1));
    assert_eq!(station.call("ClosePeriodicEventStream", json!({ "id": 2 })), json!({}));
    monitors(&csms, |known| known["event_streams"] == json!([]));
}
