//! Block N: monitors, events, logs and what a station knows of a customer.

use serde_json::{Value, json};

use super::{Bench, V21, V201, in_both, notice, status_is, token};
use crate::messages::TAG;

const GENERATED_AT: &str = "2026-11-20T10:00:00Z";

fn evse() -> Value {
    json!({ "component": { "name": "EVSE", "evse": { "id": 1 } },
        "variable": { "name": "AvailabilityState" } })
}

fn station(variable: &str) -> Value {
    json!({ "component": { "name": "ChargingStation" }, "variable": { "name": variable } })
}

/// A command that waited for its parts has them all.
#[track_caller]
fn complete(bench: &Bench, command: &Value, parts: usize) {
    let command = bench.command(command);
    let notifications = command["notifications"].as_array().map(Vec::len);
    assert_eq!((&command["complete"], notifications), (&json!(true), Some(parts)), "{command:#}");
}

/// Of 2.0.1: TC_N_01 (of a kind), TC_N_02 (of variables), TC_N_03 and TC_N_60 (of a kind and of
/// variables), TC_N_47 (all); where there are none, nothing follows.
#[test]
fn monitors_are_reported() {
    let mut bench = Bench::booted(V201);
    let kind = |criterion: &str| json!({ "monitoringCriteria": [criterion] });
    let of = |criterion: &str, variables: &[Value]| {
        let mut wanted = kind(criterion);
        wanted["componentVariable"] = json!(variables);
        wanted
    };
    let both = [station("AvailabilityState"), evse()];
    for (request_id, (wanted, found)) in (1..).zip([
        (kind("DeltaMonitoring"), false),
        (kind("ThresholdMonitoring"), true),
        (json!({ "componentVariable": [station("Power")] }), false),
        (json!({ "componentVariable": [evse()] }), true),
        (of("DeltaMonitoring", &[evse()]), false),
        (of("ThresholdMonitoring", &[station("Power")]), true),
        (of("DeltaMonitoring", &both), false),
        (of("ThresholdMonitoring", &both), true),
        (json!({}), true),
    ]) {
        let mut wanted = wanted;
        wanted["requestId"] = json!(request_id);
        let answer = if found { "Accepted" } else { "EmptyResultSet" };
        let command = bench.asks("GetMonitoringReport", wanted, status_is(answer));
        if !found {
            continue;
        }
        for (sequence, more) in [(0, true), (1, false)] {
            let mut monitor = evse();
            monitor["variableMonitoring"] = json!([{ "id": 1, "transaction": false, "value": 1,
                "type": "Delta", "severity": 8 }]);
            bench.notes(
                "NotifyMonitoringReport",
                json!({ "requestId": request_id,
                "generatedAt": GENERATED_AT, "seqNo": sequence, "tbc": more,
                "monitor": [monitor] }),
            );
        }
        complete(&bench, &command, 2);
    }
}

/// TC_N_05 (the base), TC_N_16 (the level), TC_N_17 (a level that is refused), TC_N_08 (one
/// monitor), TC_N_09 (several).
#[test]
fn monitors_are_set() {
    in_both(|bench| {
        for base in ["All", "FactoryDefault", "HardWiredOnly"] {
            let wanted = json!({ "monitoringBase": base });
            bench.asks("SetMonitoringBase", wanted, status_is("Accepted"));
        }
        for answer in ["Accepted", "Rejected"] {
            let wanted = json!({ "severity": 4 });
            bench.asks("SetMonitoringLevel", wanted, status_is(answer));
        }
        let with = |mut variable: Value, further: Value| {
            super::merge(&mut variable, further);
            variable
        };
        let wanted =
            |of: &Value| with(of.clone(), json!({ "value": 1, "type": "Delta", "severity": 8 }));
        let done = |of: &Value| {
            with(
                of.clone(),
                json!({ "id": 1, "status": "Accepted", "type": "Delta",
                "severity": 8 }),
            )
        };
        for of in [&[evse()][..], &[evse(), station("AvailabilityState")]] {
            let data: Vec<Value> = of.iter().map(wanted).collect();
            let results: Vec<Value> = of.iter().map(done).collect();
            bench.asks(
                "SetVariableMonitoring",
                json!({ "setMonitoringData": data }),
                json!({ "setMonitoringResult": results }),
            );
        }
    });
}

/// Cleared, and TC_N_44 (rejected).
#[test]
fn monitors_are_cleared() {
    in_both(|bench| {
        let cleared = |ids: &[u32], answer: &str| {
            let results = ids.iter().map(|id| json!({ "id": id, "status": answer }));
            json!({ "clearMonitoringResult": results.collect::<Vec<_>>() })
        };
        for (ids, answer) in [(&[1, 2][..], "Accepted"), (&[3], "Accepted"), (&[4], "Rejected")] {
            let wanted = json!({ "id": ids });
            bench.asks("ClearVariableMonitoring", wanted, cleared(ids, answer));
        }
    });
}

/// TC_N_18: the station takes three at once; five are cleared in two messages.
#[test]
fn no_more_monitors_are_cleared_at_once_than_the_station_takes() {
    in_both(|bench| {
        let items = json!({ "component": { "name": "MonitoringCtrlr" },
            "variable": { "name": "ItemsPerMessage", "instance": "ClearVariableMonitoring" } });
        let mut told = items.clone();
        super::merge(&mut told, json!({ "attributeStatus": "Accepted", "attributeValue": "3" }));
        let wanted = json!({ "getVariableData": [items] });
        bench.asks("GetVariables", wanted, json!({ "getVariableResult": [told] }));
        let cleared = json!({ "clearMonitoringResult": [{ "id": 1, "status": "Accepted" }] });
        bench.station.will_answer("ClearVariableMonitoring", cleared);
        let before = bench.station.received_calls().len();
        let path = "/v1/stations/CP-1/ocpp/ClearVariableMonitoring";
        let wanted = json!({ "id": [1, 2, 3, 4, 5] }).to_string();
        let command = bench.csms.send("POST", path, &[("Prefer", "wait=30")], &wanted).expect(200);
        assert_eq!(command.json()["state"], "answered");
        let sent = bench.station.received_calls();
        let ids = sent[before..].iter().map(|call| call["payload"]["id"].clone());
        let ids: Vec<_> = ids.collect();
        assert_eq!(ids, [json!([1, 2, 3]), json!([4, 5])]);
    });
}

/// TC_N_21 (a fixed monitor), TC_N_24, TC_N_50 and TC_N_100 (at intervals), TC_N_48 (a value that
/// is not told), TC_N_49 (over again).
#[test]
fn events_are_taken_note_of() {
    in_both(|bench| {
        let event = |further: Value| {
            let mut event = json!({ "eventId": 1, "timestamp": GENERATED_AT,
                "trigger": "Alerting", "actualValue": "true",
                "eventNotificationType": "HardWiredMonitor" });
            super::merge(&mut event, evse());
            event["variable"]["name"] = json!("Problem");
            super::merge(&mut event, further);
            notice(&[event])
        };
        for further in [
            json!({}),
            json!({ "component": { "name": "EVSE", "evse": { "id": 2 } } }),
            json!({ "trigger": "Periodic", "eventNotificationType": "CustomMonitor",
                "variable": { "name": "Power" }, "variableMonitoringId": 1 }),
            json!({ "trigger": "Delta", "variable": { "name": "Power" }, "actualValue": "" }),
            json!({ "cleared": true, "actualValue": "false", "variableMonitoringId": 1 }),
        ] {
            bench.notes("NotifyEvent", event(further));
        }
        // All of one number and one instant, and none for a repeat of another.
        let expected =
            [(2, "raised"), (1, "cleared")].map(|(evse, status)| (json!(evse), json!(status)));
        crate::harness::eventually("the alerts of both EVSEs", || {
            let alerts = bench.csms.list("/v1/alerts?station=CP-1");
            let known = alerts.iter().map(|alert| (alert["evse"].clone(), alert["status"].clone()));
            (known.collect::<Vec<_>>() == expected).then_some(())
        });
    });
}

/// TC_N_25 (diagnostics), TC_N_35 (the security log), TC_N_34 (refused), TC_N_36 (a second one
/// takes the place of the first).
#[test]
fn logs_are_uploaded() {
    in_both(|bench| {
        let get =
            |log: &str| json!({ "verb": "get_log", "log": log, "location": "https://host/logs" });
        for (log, kind) in [("diagnostics", "DiagnosticsLog"), ("security", "SecurityLog")] {
            let job = bench.commands(get(log), "GetLog", status_is("Accepted"));
            assert_eq!(job["logType"], kind);
            assert_eq!(job["log"]["remoteLocation"], "https://host/logs");
            uploaded(bench, &job, &["Uploading", "Uploaded"]);
            let (command, told) = latest_with_statuses(bench);
            assert_eq!(told, ["Uploading", "Uploaded"]);
            assert_eq!(command["complete"], true, "{command:#}");
        }
        bench.commands(get("security"), "GetLog", status_is("Rejected"));
        let (command, told) = latest_with_statuses(bench);
        assert_eq!(
            (&command["state"], &command["status"]),
            (&json!("answered"), &json!("Rejected"))
        );
        assert_eq!(told, [] as [&str; 0], "nothing follows");
        let first = bench.commands(get("security"), "GetLog", status_is("Accepted"));
        uploaded(bench, &first, &["Uploading"]);
        let second = bench.commands(get("security"), "GetLog", status_is("AcceptedCanceled"));
        assert_ne!(first["requestId"], second["requestId"]);
        uploaded(bench, &first, &["AcceptedCanceled"]);
        uploaded(bench, &second, &["Uploading", "Uploaded"]);
    });
}

/// The latest command, and the statuses that were told of it.
#[track_caller]
fn latest_with_statuses(bench: &Bench) -> (Value, Vec<String>) {
    let position = bench.csms.events().last().expect("an event")["position"].clone();
    let commands = bench.csms.list(&format!("/v1/commands?station=CP-1&wait_for={position}"));
    let command = bench.command(&commands[0]);
    let notifications = command["notifications"].as_array().expect("notifications");
    let told = notifications.iter().filter_map(|told| told["status"].as_str().map(str::to_owned));
    let told = told.collect();
    (command, told)
}

#[track_caller]
fn uploaded(bench: &mut Bench, job: &Value, steps: &[&str]) {
    for step in steps {
        let told = json!({ "status": step, "requestId": job["requestId"] });
        bench.notes("LogStatusNotification", told);
    }
}

/// Of 2.1: TC_N_100 (collected data), TC_N_102 and TC_N_102_2 (with a name and a password).
#[test]
fn logs_of_2_1_are_uploaded() {
    let mut bench = Bench::booted(V21);
    for (number, kind, location) in [
        (1, "DataCollectorLog", "https://host/logs"),
        (2, "DiagnosticsLog", "http://name:password@host/logs"),
        (3, "DiagnosticsLog", "https://name:password@host/logs"),
    ] {
        let wanted = json!({ "requestId": number, "logType": kind,
            "log": { "remoteLocation": location } });
        let path = "/v1/stations/CP-1/ocpp/GetLog";
        bench.station.will_answer("GetLog", status_is("Accepted"));
        let wait = [("Prefer", "wait=30")];
        bench.csms.send("POST", path, &wait, &wanted.to_string()).expect(200);
        let call = bench.station.received_calls().pop().expect("a CALL");
        assert_eq!(call, json!({ "action": "GetLog", "payload": wanted }));
        let (command, told) = latest_with_statuses(&bench);
        assert_eq!((&command["complete"], told), (&json!(false), vec![]), "it is to report");
        uploaded(&mut bench, &wanted, &["Uploading"]);
        let (command, _) = latest_with_statuses(&bench);
        assert_eq!(command["complete"], false, "it is not over: {command:#}");
        uploaded(&mut bench, &wanted, &["Uploaded"]);
        let (command, told) = latest_with_statuses(&bench);
        assert_eq!(told, ["Uploading", "Uploaded"]);
        let shown = (&command["complete"], &command["state"], &command["status"]);
        let expected = (&json!(true), &json!("answered"), &json!("Accepted"));
        assert_eq!(shown, expected, "{command:#}");
    }
}

/// Of 2.1: TC_N_105 (monitored often), TC_N_107 (the streams there are).
#[test]
fn streams_of_events_are_steered() {
    let mut bench = Bench::booted(V21);
    let stream = json!({ "id": 1, "variableMonitoringId": 1,
        "params": { "interval": 10, "values": 5 } });
    let opened = json!({ "constantStreamData": stream });
    let answer = bench.station.call("OpenPeriodicEventStream", opened);
    assert_eq!(answer, status_is("Accepted"));
    let slower = json!({ "id": 1, "params": { "interval": 60 } });
    bench.asks("AdjustPeriodicEventStream", slower, status_is("Accepted"));
    let streams = json!({ "constantStreamData": [stream] });
    bench.asks("GetPeriodicEventStream", json!({}), streams);
    bench.notes("ClosePeriodicEventStream", json!({ "id": 1 }));
}

/// Of 2.0.1: TC_N_27 (told), TC_N_28 (there is nothing), TC_N_29 (refused), TC_N_30 (deleted and
/// told), TC_N_31 (deleted, there was nothing), TC_N_32 (deleted without a word), TC_N_62 (by a
/// name), TC_N_63 (by a certificate).
#[test]
fn what_a_station_knows_of_a_customer_is_told_and_deleted() {
    let mut bench = Bench::booted(V201);
    let by_token = json!({ "idToken": token(TAG) });
    let by_name = json!({ "customerIdentifier": "OpenChargeAlliance" });
    let by_certificate = json!({ "customerCertificate": { "hashAlgorithm": "SHA256",
        "issuerNameHash": "aa", "issuerKeyHash": "bb", "serialNumber": "1" } });
    for (number, (who, report, clear, answer, told)) in (1..).zip([
        (&by_token, true, false, "Accepted", Some("Jane")),
        (&by_token, true, false, "Accepted", Some("")),
        (&by_token, true, false, "Rejected", None),
        (&by_token, true, true, "Accepted", Some("Jane")),
        (&by_token, true, true, "Accepted", Some("")),
        (&by_token, false, true, "Accepted", None),
        (&by_name, true, true, "Accepted", Some("Jane")),
        (&by_certificate, true, true, "Accepted", Some("Jane")),
    ]) {
        let mut wanted = json!({ "requestId": number, "report": report, "clear": clear });
        super::merge(&mut wanted, who.clone());
        let command = bench.asks("CustomerInformation", wanted, status_is(answer));
        if let Some(told) = told {
            bench.notes(
                "NotifyCustomerInformation",
                json!({ "requestId": number, "seqNo": 0,
                "generatedAt": GENERATED_AT, "data": told }),
            );
            complete(&bench, &command, 1);
        }
    }
}

/// TC_N_46, of 2.0.1: who is deleted is taken off the local list too.
#[test]
fn a_deleted_customer_is_taken_off_the_list() {
    let mut bench = Bench::booted(V201);
    let wanted = json!({ "requestId": 1, "report": true, "clear": true, "idToken": token(TAG) });
    bench.asks("CustomerInformation", wanted, status_is("Accepted"));
    bench.notes(
        "NotifyCustomerInformation",
        json!({ "requestId": 1, "seqNo": 0,
        "generatedAt": GENERATED_AT, "data": "Jane" }),
    );
    let body = json!({ "verb": "send_local_list", "version": 2, "replace": false,
        "tokens": [{ "token": TAG }] });
    let sent = bench.commands(body, "SendLocalList", status_is("Accepted"));
    assert_eq!(sent["localAuthorizationList"], json!([{ "idToken": token(TAG) }]));
}
