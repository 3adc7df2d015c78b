//! Blocks F and G: what an operator does from afar, and whether a place is in service.

use serde_json::{Value, json};

use super::{Bench, Transaction, V21, by, in_both, notice, register, state, status_is, token};
use crate::harness::eventually;
use crate::messages::{TAG, an_hour_ago, invoice_of, only_session};

/// A remote start at EVSE 1; returns the number that the station has to name.
#[track_caller]
fn remote_start(bench: &mut Bench) -> Value {
    let body = json!({ "verb": "start", "evse": 1, "token": TAG });
    let sent = bench.commands(body, "RequestStartTransaction", status_is("Accepted"));
    let number = sent["remoteStartId"].clone();
    assert_eq!(sent, json!({ "evseId": 1, "idToken": token(TAG), "remoteStartId": number }));
    number
}

fn started_by(number: &Value) -> Value {
    json!({ "transactionInfo": { "remoteStartId": number } })
}

/// TC_F_01: plugged in before the remote start.
#[test]
fn a_remote_start_may_come_after_the_plug() {
    in_both(|bench| {
        let mut transaction = Transaction::new("T-1", an_hour_ago());
        let plugged = [state("EVConnected"), register("Transaction.Begin", 1_000)];
        bench.tells(&mut transaction, ("Started", "CablePluggedIn"), &plugged);
        let number = remote_start(bench);
        let told = [by(TAG), started_by(&number)];
        let answer = bench.tells(&mut transaction, ("Updated", "RemoteStart"), &told);
        assert_eq!(answer["idTokenInfo"]["status"], "Accepted");
        bench.ends(&mut transaction);
        bench.connector_is("Available");
        invoice_of(&bench.csms, &only_session(&bench.csms, "CP-1"), 10_000);
    });
}

/// TC_F_02 (the station asks about the token first) and TC_F_03 (it does not).
#[test]
fn a_remote_start_may_come_before_the_plug() {
    in_both(|bench| {
        let number = remote_start(bench);
        let answer = bench.station.call("Authorize", by(TAG));
        assert_eq!(answer["idTokenInfo"]["status"], "Accepted");
        let mut transaction = Transaction::new("T-1", an_hour_ago());
        let told = [by(TAG), started_by(&number), register("Transaction.Begin", 1_000)];
        let answer = bench.tells(&mut transaction, ("Started", "RemoteStart"), &told);
        assert_eq!(answer["idTokenInfo"]["status"], "Accepted");
        let plugged = [state("EVConnected")];
        bench.tells(&mut transaction, ("Updated", "CablePluggedIn"), &plugged);
        bench.ends(&mut transaction);
        bench.connector_is("Available");
        invoice_of(&bench.csms, &only_session(&bench.csms, "CP-1"), 10_000);
    });
}

/// TC_F_04: nobody plugs in after the remote start.
#[test]
fn a_remote_start_without_a_plug_is_not_billed() {
    in_both(|bench| {
        let number = remote_start(bench);
        let mut transaction = Transaction::new("T-1", an_hour_ago());
        let told = [by(TAG), started_by(&number)];
        bench.tells(&mut transaction, ("Started", "RemoteStart"), &told);
        bench.tells(&mut transaction, ("Updated", "EVConnectTimeout"), &[]);
        let ended = [super::reason("Timeout")];
        bench.tells(&mut transaction, ("Ended", "EVConnectTimeout"), &ended);
        bench.connector_is("Available");
        assert_eq!(only_session(&bench.csms, "CP-1")["outcome"], "void");
        assert_eq!(bench.csms.invoices(), Vec::<Value>::new());
    });
}

/// TC_F_06: the connector is unlocked.
#[test]
fn a_connector_is_unlocked() {
    in_both(|bench| {
        let body = json!({ "verb": "unlock", "evse": 1, "connector": 1 });
        let sent = bench.commands(body, "UnlockConnector", status_is("Unlocked"));
        assert_eq!(sent, json!({ "evseId": 1, "connectorId": 1 }));
    });
}

/// Triggers a message and returns what the station was asked.
#[track_caller]
fn trigger(bench: &mut Bench, message: &str, evse: Option<u32>, answer: &str) {
    let mut body = json!({ "verb": "trigger", "message": message });
    let mut wanted = json!({ "requestedMessage": message });
    if let Some(evse) = evse {
        (body["evse"], wanted["evse"]) = (json!(evse), json!({ "id": evse }));
    }
    assert_eq!(bench.commands(body, "TriggerMessage", status_is(answer)), wanted);
}

/// TC_F_11 (meter values of an EVSE), TC_F_12 (of all), TC_F_13 (the transaction of an EVSE),
/// TC_F_14 (of all), TC_F_15 (the upload), TC_F_18 (the firmware), TC_F_20 (a heartbeat), TC_F_27
/// (what the station does not have).
#[test]
fn a_triggered_message_follows() {
    in_both(|bench| {
        let mut values = register("Trigger", 5_000);
        values["evseId"] = json!(1);
        values["meterValue"][0]["timestamp"] = json!("2026-11-20T10:00:00Z");
        for evse in [Some(1), None] {
            trigger(bench, "MeterValues", evse, "Accepted");
            bench.notes("MeterValues", values.clone());
        }
        let mut transaction = bench.charges("T-1");
        for (evse, register_wh) in [(Some(1), 3_000), (None, 5_000)] {
            trigger(bench, "TransactionEvent", evse, "Accepted");
            let told = [state("Charging"), register("Trigger", register_wh)];
            bench.tells(&mut transaction, ("Updated", "Trigger"), &told);
        }
        for message in ["LogStatusNotification", "FirmwareStatusNotification"] {
            trigger(bench, message, None, "Accepted");
            bench.notes(message, status_is("Idle"));
        }
        trigger(bench, "Heartbeat", None, "Accepted");
        let answer = bench.station.call("Heartbeat", json!({}));
        assert!(answer["currentTime"].is_string(), "{answer}");
        trigger(bench, "SignCombinedCertificate", None, "NotImplemented");
    });
}

/// TC_F_23 (available), TC_F_24 (occupied).
#[test]
fn a_triggered_state_of_a_connector_is_shown() {
    in_both(|bench| {
        for status in ["Available", "Occupied"] {
            bench.connector_is(status);
            let body = json!({ "verb": "trigger", "message": "StatusNotification", "evse": 1,
                "connector": 1 });
            let sent = bench.commands(body, "TriggerMessage", status_is("Accepted"));
            let wanted = json!({ "requestedMessage": "StatusNotification",
                "evse": { "id": 1, "connectorId": 1 } });
            assert_eq!(sent, wanted);
            bench.connector_is(status);
            shown(bench, status);
        }
        // A station has a state for each connector only (F06.FR.13).
        let body = json!({ "verb": "trigger", "message": "StatusNotification" });
        let refused = bench.csms.post("/v1/stations/CP-1/commands", &body).expect(422).json();
        assert_eq!(refused["errors"][0]["pointer"], "/connector", "{refused}");
    });
}

/// TC_F_100, of 2.1: a message that only the maker knows.
#[test]
fn a_message_of_the_makers_own_is_triggered() {
    let mut bench = Bench::booted(V21);
    for answer in ["Accepted", "NotImplemented"] {
        let wanted = json!({ "requestedMessage": "CustomTrigger", "customTrigger": "example" });
        bench.asks("TriggerMessage", wanted, status_is(answer));
    }
}

/// The only connector is shown in this state.
#[track_caller]
fn shown(bench: &Bench, status: &str) {
    eventually("the connector's state", || {
        let shown = bench.csms.get("/v1/stations/CP-1").expect(200).json();
        let first = shown["connectors"].as_array()?.first()?.clone();
        (first["status"] == status).then_some(())
    });
}

/// The whole station, an EVSE, a connector: as our verb names it, and as the frame does.
fn places() -> [(Value, Value); 3] {
    [
        (json!({}), json!({})),
        (json!({ "evse": 1 }), json!({ "evse": { "id": 1 } })),
        (json!({ "evse": 1, "connector": 1 }), json!({ "evse": { "id": 1, "connectorId": 1 } })),
    ]
}

/// Takes a place out of service, or puts it back; the frame says exactly that.
#[track_caller]
fn set_availability(bench: &mut Bench, place: &(Value, Value), operative: bool, answer: &str) {
    let word = if operative { "Operative" } else { "Inoperative" };
    let mut body = json!({ "verb": "set_availability", "operative": operative });
    let mut wanted = json!({ "operationalStatus": word });
    super::merge(&mut body, place.0.clone());
    super::merge(&mut wanted, place.1.clone());
    assert_eq!(bench.commands(body, "ChangeAvailability", status_is(answer)), wanted);
}

/// TC_G_01 (2.1), TC_G_03 and TC_G_04 (an EVSE), TC_G_05 and TC_G_06 (the station), TC_G_07 and
/// TC_G_08 (a connector): out of service and back.
#[test]
fn a_place_is_taken_out_of_service_and_put_back() {
    in_both(|bench| {
        for place in places() {
            for (operative, status) in [(false, "Unavailable"), (true, "Available")] {
                set_availability(bench, &place, operative, "Accepted");
                bench.connector_is(status);
                shown(bench, status);
            }
        }
    });
}

/// TC_G_11 (an EVSE), TC_G_14 (the station), TC_G_17 (a connector): after the session that runs.
#[test]
fn a_place_is_out_of_service_after_its_session() {
    in_both(|bench| {
        let mut transaction = bench.charges("T-1");
        for place in places() {
            set_availability(bench, &place, false, "Scheduled");
        }
        bench.ends(&mut transaction);
        bench.connector_is("Unavailable");
        shown(bench, "Unavailable");
        invoice_of(&bench.csms, &only_session(&bench.csms, "CP-1"), 10_000);
    });
}

/// TC_G_20: the cable cannot be locked.
#[test]
fn a_lock_that_fails_is_taken_note_of() {
    in_both(|bench| {
        let failed = json!({ "eventId": 7, "timestamp": "2026-11-20T10:00:00Z",
            "trigger": "Delta", "actualValue": "true",
            "eventNotificationType": "HardWiredNotification",
            "component": { "name": "ConnectorPlugRetentionLock",
                "evse": { "id": 1, "connectorId": 1 } },
            "variable": { "name": "Problem" } });
        bench.notes("NotifyEvent", notice(&[failed]));
        let shown = crate::harness::eventually("the alert", || {
            bench.csms.list("/v1/alerts?station=CP-1").pop()
        });
        assert_eq!(shown["component"]["name"], "ConnectorPlugRetentionLock", "{shown:#}");
        let of_lock = ["evse", "connector", "kind", "status"].map(|name| &shown[name]);
        assert_eq!(json!(of_lock), json!([1, 1, "Problem", "raised"]), "{shown:#}");
    });
}
