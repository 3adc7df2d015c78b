//! Block B: starting up, variables, reports, network profiles, resets.

use serde_json::{Value, json};

use super::{Bench, V21, V201, in_both, reason, register, state, status_is};
use crate::harness::{ChargePoint, eventually};
use crate::messages::{boot_2x, csms_with_station, finished_sessions, invoice_of, only_session};

/// TC_B_01: a cold boot.
#[test]
fn a_station_starts_up() {
    in_both(|bench| {
        let answer = bench.station.call("BootNotification", boot_2x());
        assert_eq!(answer["status"], "Accepted");
        assert!(answer["interval"].as_u64().is_some_and(|seconds| seconds > 0), "{answer}");
        assert!(answer["currentTime"].as_str().is_some_and(|at| at.ends_with('Z')), "{answer}");
        bench.connector_is("Available");
        let shown = eventually("the connector", || {
            let shown = bench.csms.get("/v1/stations/CP-1").expect(200).json();
            shown["connectors"].as_array().and_then(|all| all.first().cloned())
        });
        assert_eq!((&shown["evse"], &shown["status"]), (&json!(1), &json!("Available")));
    });
}

/// TC_B_02 (pending at first), TC_B_30 (what it may not say yet), TC_B_31 (a boot is triggered).
#[test]
fn a_pending_station_is_held_back_until_it_is_accepted() {
    for version in [V201, V21] {
        let csms = csms_with_station("CP-1");
        let is = |policy: &str| {
            csms.patch("/v1/stations/CP-1", &json!({ "registration": policy })).expect(200);
        };
        is("pending");
        let mut station = ChargePoint::new("CP-1");
        station.connect_as(&csms, version);
        assert_eq!(station.call("BootNotification", boot_2x())["status"], "Pending");
        let early = json!({ "timestamp": "2026-11-20T10:00:00Z", "connectorStatus": "Available",
            "evseId": 1, "connectorId": 1 });
        let refused = station.try_call("StatusNotification", early, None).unwrap_err();
        assert_eq!(refused.code, "SecurityError");
        is("accepted");
        let mut bench = Bench { csms, station, version };
        let body = json!({ "verb": "trigger", "message": "BootNotification" });
        let sent = bench.commands(body, "TriggerMessage", status_is("Accepted"));
        assert_eq!(sent, json!({ "requestedMessage": "BootNotification" }));
        let mut boot = boot_2x();
        boot["reason"] = json!("Triggered");
        assert_eq!(bench.station.call("BootNotification", boot)["status"], "Accepted");
        bench.connector_is("Available");
    }
}

fn variable(component: &str, name: &str) -> Value {
    json!({ "component": { "name": component }, "variable": { "name": name } })
}

fn limit(name: &str, of: &str) -> Value {
    json!({ "component": { "name": "DeviceDataCtrlr" },
        "variable": { "name": name, "instance": of } })
}

/// What the station has for each variable.
fn values(variables: &[Value], value: &str) -> Value {
    let with = |variable: &Value| {
        let mut result = variable.clone();
        result["attributeStatus"] = json!("Accepted");
        result["attributeValue"] = json!(value);
        result
    };
    json!({ "getVariableResult": variables.iter().map(with).collect::<Vec<_>>() })
}

/// TC_B_06 (one), TC_B_07 (several).
#[test]
fn variables_are_read() {
    in_both(|bench| {
        let threshold = variable("OCPPCommCtrlr", "OfflineThreshold");
        let remote = variable("AuthCtrlr", "AuthorizeRemoteStart");
        let limits = [
            limit("ItemsPerMessage", "GetReport"),
            limit("ItemsPerMessage", "GetVariables"),
            limit("BytesPerMessage", "GetReport"),
            limit("BytesPerMessage", "GetVariables"),
        ];
        let names = |of: &str| {
            ["ItemsPerMessage", "BytesPerMessage"]
                .map(|name| format!("DeviceDataCtrlr.{name}/{of}"))
        };
        let names: Vec<_> = [names("GetReport"), names("GetVariables")].concat();
        let names = [&names[0], &names[2], &names[1], &names[3]];
        let (one, two) = ("OCPPCommCtrlr.OfflineThreshold", "AuthCtrlr.AuthorizeRemoteStart");
        for (keys, variables) in [
            (json!([one]), &[threshold.clone()][..]),
            (json!([one, two]), &[threshold, remote.clone()]),
            (json!(names), &limits),
            (json!([two]), &[remote]),
        ] {
            let body = json!({ "verb": "get_configuration", "keys": keys });
            let sent = bench.commands(body, "GetVariables", values(variables, "4"));
            assert_eq!(sent, json!({ "getVariableData": variables }));
        }
    });
}

/// TC_B_08: the station takes four at once; whoever asks for five, by a verb or in its own words,
/// has them asked for in two messages, and one answer.
#[test]
fn no_more_is_asked_at_once_than_the_station_takes() {
    in_both(|bench| {
        let items = limit("ItemsPerMessage", "GetVariables");
        let told = values(std::slice::from_ref(&items), "4");
        let keys = json!(["DeviceDataCtrlr.ItemsPerMessage/GetVariables"]);
        let body = json!({ "verb": "get_configuration", "keys": keys });
        bench.commands(body, "GetVariables", told.clone());
        let all = [
            limit("ItemsPerMessage", "GetReport"),
            items,
            limit("BytesPerMessage", "GetReport"),
            limit("BytesPerMessage", "GetVariables"),
            variable("AuthCtrlr", "AuthorizeRemoteStart"),
        ];
        let keys = json!([
            "DeviceDataCtrlr.ItemsPerMessage/GetReport",
            "DeviceDataCtrlr.ItemsPerMessage/GetVariables",
            "DeviceDataCtrlr.BytesPerMessage/GetReport",
            "DeviceDataCtrlr.BytesPerMessage/GetVariables",
            "AuthCtrlr.AuthorizeRemoteStart",
        ]);
        for (path, body) in [
            ("commands", json!({ "verb": "get_configuration", "keys": keys })),
            ("ocpp/GetVariables", json!({ "getVariableData": all })),
        ] {
            let before = bench.station.received_calls().len();
            let path = format!("/v1/stations/CP-1/{path}");
            let wait = [("Prefer", "wait=30")];
            let command = bench.csms.send("POST", &path, &wait, &body.to_string()).expect(200);
            let command = command.json();
            // The peer gives every message the same answer.
            let told = &told["getVariableResult"][0];
            let joined = json!({ "getVariableResult": [told, told] });
            assert_eq!(
                (&command["state"], &command["status"]),
                (&json!("answered"), &json!("Accepted"))
            );
            assert_eq!(command["reply"], joined, "{command:#}");
            let sent = bench.station.received_calls();
            let asked =
                sent[before..].iter().map(|call| call["payload"]["getVariableData"].clone());
            assert_eq!(asked.collect::<Vec<_>>(), [json!(all[..4]), json!(all[4..])]);
        }
    });
}

/// TC_B_09 (one), TC_B_10 (several).
#[test]
fn variables_are_set() {
    let set = |mut variable: Value, value: &str| {
        variable["attributeValue"] = json!(value);
        variable
    };
    let done = |mut variable: Value| {
        variable["attributeStatus"] = json!("Accepted");
        variable
    };
    in_both(|bench| {
        let threshold = variable("OCPPCommCtrlr", "OfflineThreshold");
        let remote = variable("AuthCtrlr", "AuthorizeRemoteStart");
        let body = json!({ "verb": "change_configuration", "value": "123",
            "key": "OCPPCommCtrlr.OfflineThreshold" });
        let answer = json!({ "setVariableResult": [done(threshold.clone())] });
        let sent = bench.commands(body, "SetVariables", answer);
        assert_eq!(sent, json!({ "setVariableData": [set(threshold.clone(), "123")] }));
        let both = [set(threshold.clone(), "123"), set(remote.clone(), "false")];
        let answer = json!({ "setVariableResult": [done(threshold), done(remote)] });
        bench.asks("SetVariables", json!({ "setVariableData": both }), answer);
    });
}

fn reported() -> Value {
    json!({ "component": { "name": "EVSE", "evse": { "id": 1 } },
        "variable": { "name": "AvailabilityState" },
        "variableAttribute": [{ "value": "Available" }] })
}

/// A report of two parts on a command that waits for it.
#[track_caller]
fn reports(bench: &mut Bench, command: &Value, request_id: i32) {
    assert_eq!(command["complete"], false, "{command:#}");
    for (sequence, more) in [(0, true), (1, false)] {
        bench.notes(
            "NotifyReport",
            json!({ "requestId": request_id, "seqNo": sequence,
            "generatedAt": "2026-11-20T10:00:00Z", "tbc": more, "reportData": [reported()] }),
        );
    }
    let command = bench.command(command);
    let parts = command["notifications"].as_array().map(Vec::len);
    assert_eq!((&command["complete"], parts), (&json!(true), Some(2)), "{command:#}");
}

/// TC_B_12 (the configuration), TC_B_13 (everything), TC_B_14 (a summary).
#[test]
fn a_base_report_is_gathered() {
    in_both(|bench| {
        let bases = ["ConfigurationInventory", "FullInventory", "SummaryInventory"];
        for (request_id, base) in (1..).zip(bases) {
            let wanted = json!({ "requestId": request_id, "reportBase": base });
            let command = bench.asks("GetBaseReport", wanted, status_is("Accepted"));
            reports(bench, &command, request_id);
        }
        let model = eventually("the device model", || {
            let model = bench.csms.list("/v1/stations/CP-1/variables");
            model.into_iter().find(|variable| variable["component"]["name"] == "EVSE")
        });
        assert_eq!(model["value"], "Available");
    });
}

/// TC_B_18: a report of some components in some state; the first has nothing to show.
#[test]
fn a_custom_report_is_gathered() {
    let wanted = |request_id: i32, criterion: &str| {
        json!({ "requestId": request_id, "componentCriteria": [criterion], "componentVariable": [
            { "component": { "name": "EVSE", "evse": { "id": 1 } },
              "variable": { "name": "AvailabilityState" } } ] })
    };
    in_both(|bench| {
        bench.asks("GetReport", wanted(1, "Problem"), status_is("EmptyResultSet"));
        let command = bench.asks("GetReport", wanted(2, "Available"), status_is("Accepted"));
        reports(bench, &command, 2);
    });
}

/// TC_B_20 (no session), TC_B_25 (one EVSE alone).
#[test]
fn an_idle_station_is_reset() {
    in_both(|bench| {
        for evse in [None, Some(1)] {
            let (body, expected) = reset(false, evse);
            assert_eq!(bench.commands(body, "Reset", status_is("Accepted")), expected);
            bench.restarts("RemoteReset");
        }
    });
}

/// The reset of the station or of its EVSE, in our words and in OCPP's.
fn reset(hard: bool, evse: Option<u32>) -> (Value, Value) {
    let mut body = json!({ "verb": "reset", "hard": hard });
    let mut sent = json!({ "type": if hard { "Immediate" } else { "OnIdle" } });
    if let Some(evse) = evse {
        (body["evse"], sent["evseId"]) = (json!(evse), json!(evse));
    }
    (body, sent)
}

/// TC_B_21 and TC_B_26 (one EVSE alone): the reset waits for the driver, who is billed.
#[test]
fn a_reset_on_idle_waits_for_the_session() {
    in_both(|bench| {
        for (id, evse) in [("T-1", None), ("T-2", Some(1))] {
            let mut transaction = bench.charges(id);
            let (body, expected) = reset(false, evse);
            assert_eq!(bench.commands(body, "Reset", status_is("Scheduled")), expected);
            bench.ends(&mut transaction);
            bench.restarts("ScheduledReset");
        }
        for session in finished_sessions(&bench.csms, "CP-1", 2) {
            invoice_of(&bench.csms, &session, 10_000);
        }
    });
}

/// TC_B_22 and TC_B_27 (one EVSE alone): the reset ends the session, which is billed.
#[test]
fn an_immediate_reset_ends_the_session() {
    in_both(|bench| {
        for (id, evse) in [("T-1", None), ("T-2", Some(1))] {
            let mut transaction = bench.charges(id);
            let (body, expected) = reset(true, evse);
            assert_eq!(bench.commands(body, "Reset", status_is("Accepted")), expected);
            let ended = [reason("ImmediateReset"), register("Transaction.End", 11_000)];
            bench.tells(&mut transaction, ("Ended", "ResetCommand"), &ended);
            bench.restarts("RemoteReset");
        }
        for session in finished_sessions(&bench.csms, "CP-1", 2) {
            assert_eq!(session["stop_reason"], "ImmediateReset");
            invoice_of(&bench.csms, &session, 10_000);
        }
    });
}

/// TC_B_103 (a session goes on after the reset), TC_B_104 (no session), TC_B_116 (a profile is
/// in force), all of 2.1, and TC_E_113 and TC_E_117, which are the same after another interruption.
#[test]
fn a_session_goes_on_after_a_reset() {
    let mut bench = Bench::booted(V21);
    let resume = || json!({ "type": "ImmediateAndResume" });
    bench.asks("Reset", resume(), status_is("Accepted"));
    bench.restarts("RemoteReset");
    let mut transaction = bench.charges("T-1");
    let profile = json!({ "evseId": 1, "chargingProfile": { "id": 1, "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Relative",
        "transactionId": "T-1", "chargingSchedule": [{ "id": 1, "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{ "startPeriod": 0, "limit": 6 }] }] } });
    bench.asks("SetChargingProfile", profile, status_is("Accepted"));
    bench.asks("Reset", resume(), status_is("Accepted"));
    let paused = [state("EVConnected"), register("Sample.Periodic", 5_000)];
    bench.tells(&mut transaction, ("Updated", "ResetCommand"), &paused);
    bench.restarts("RemoteReset");
    bench.connector_is("Occupied");
    let resumed = [state("Charging"), register("Sample.Periodic", 5_000)];
    bench.tells(&mut transaction, ("Updated", "TxResumed"), &resumed);
    bench.ends(&mut transaction);
    bench.connector_is("Available");
    invoice_of(&bench.csms, &only_session(&bench.csms, "CP-1"), 10_000);
}

fn network_profile(version: &str, further: Value) -> Value {
    let mut profile = json!({ "configurationSlot": 1, "connectionData": { "messageTimeout": 30,
        "ocppCsmsUrl": "wss://csms.example.com/ocpp", "ocppInterface": "Wired0",
        "ocppTransport": "JSON", "ocppVersion": version, "securityProfile": 2 } });
    super::merge(&mut profile, further);
    profile
}

/// TC_B_42 (accepted), TC_B_44 (failed).
#[test]
fn a_network_profile_is_sent() {
    in_both(|bench| {
        for answer in ["Accepted", "Failed"] {
            let profile = network_profile("OCPP20", json!({}));
            bench.asks("SetNetworkProfile", profile, status_is(answer));
        }
    });
}

/// TC_B_100 (an identity and a password in it) and TC_B_105 (by variables), of 2.1.
#[test]
fn a_network_profile_of_2_1_may_name_the_station_and_be_set_by_variables() {
    let mut bench = Bench::booted(V21);
    let further = json!({ "connectionData": {
        "identity": "CP-1", "basicAuthPassword": "another password 1" } });
    let profile = network_profile("OCPP21", further);
    bench.asks("SetNetworkProfile", profile, status_is("Accepted"));
    let own = |name: &str| {
        json!({ "component": { "name": "NetworkConfiguration", "instance": "2" },
            "variable": { "name": name } })
    };
    let with = |mut variable: Value, name: &str, value: &str| {
        variable[name] = json!(value);
        variable
    };
    let settings = [
        ("OcppCsmsUrl", "wss://csms.example.com/ocpp"),
        ("SecurityProfile", "2"),
        ("ApnEnabled", "false"),
        ("VpnEnabled", "false"),
    ];
    let wanted = settings.map(|(name, value)| with(own(name), "attributeValue", value));
    let done = settings.map(|(name, _)| with(own(name), "attributeStatus", "Accepted"));
    let answer = json!({ "setVariableResult": done });
    bench.asks("SetVariables", json!({ "setVariableData": wanted }), answer);
}

/// TC_B_58: a sub-protocol that nobody speaks is passed over.
#[test]
fn the_sub_protocol_that_both_speak_is_agreed_on() {
    let csms = csms_with_station("CP-1");
    for version in [V201, V21] {
        let mut station = ChargePoint::new("CP-1");
        let reply = station.try_connect(&csms, json!({ "subprotocols": ["ocpp0.1", version] }));
        assert_eq!(reply["subprotocol"], version, "{reply}");
        assert_eq!(station.call("BootNotification", boot_2x())["status"], "Accepted");
    }
}
