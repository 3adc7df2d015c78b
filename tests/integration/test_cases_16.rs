//! Test cases of the Open Charge Alliance for a CSMS of 1.6, one by one: the real server, an
//! independent charge point, and what each case expects. `docs/conformance.md` names them.

use serde_json::{Value, json};

use crate::harness::{ChargePoint, TestCsms, eventually};
use crate::messages::{
    TAG, after, an_hour_ago, begin, boot, csms_with_station, end, invoice_of, only_session, start,
    status, stop, time, transaction_of,
};

fn booted(csms: &TestCsms) -> ChargePoint {
    let mut station = ChargePoint::connected(csms, "CP-1");
    assert_eq!(station.call("BootNotification", boot())["status"], "Accepted");
    station
}

/// Sends one request; the station gets exactly it, and its answer is what the command shows.
#[track_caller]
fn answered(
    csms: &TestCsms,
    station: &mut ChargePoint,
    action: &str,
    payload: Value,
    answer: Value,
) {
    station.will_answer(action, answer.clone());
    let path = format!("/v1/stations/CP-1/ocpp/{action}");
    let wait = [("Prefer", "wait=30")];
    let command = csms.send("POST", &path, &wait, &payload.to_string()).expect(200).json();
    let shown = (&command["state"], &command["reply"], &command["status"]);
    assert_eq!(shown, (&json!("answered"), &answer, &answer["status"]), "{command:#}");
    let sent = station.received_calls().pop().expect("a CALL");
    assert_eq!(sent, json!({ "action": action, "payload": payload }));
}

/// Sends requests to a station that does nothing but answer.
#[track_caller]
fn all_answered(cases: Vec<(&str, Value, Value)>) {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    for (action, payload, answer) in cases {
        answered(&csms, &mut station, action, payload, answer);
    }
}

fn status_is(status: &str) -> Value {
    json!({ "status": status })
}

#[track_caller]
fn nobody_charged(csms: &TestCsms) {
    assert_eq!(csms.sessions("CP-1"), Vec::<Value>::new());
    assert_eq!(csms.invoices(), Vec::<Value>::new());
}

/// TC_001: it starts up, tells of itself and of each connector, and then gives signs of life.
#[test]
fn a_station_starts_up_and_gives_signs_of_life() {
    let csms = csms_with_station("CP-1");
    let mut station = ChargePoint::connected(&csms, "CP-1");
    let answer = station.call("BootNotification", boot());
    assert_eq!(answer["status"], "Accepted", "{answer}");
    let now = |answer: &Value| {
        let now = answer["currentTime"].as_str().expect("a time");
        let now = chrono::DateTime::parse_from_rfc3339(now).expect("a time of RFC 3339");
        assert!((chrono::Utc::now() - now.to_utc()).abs().num_seconds() < 60, "{now}");
        now
    };
    let booted_at = now(&answer);
    assert!(answer["interval"].as_i64().is_some_and(|seconds| seconds > 0), "{answer}");
    for connector in [0, 1] {
        let answer = station.call("StatusNotification", status(connector, "Available"));
        assert_eq!(answer, json!({}));
    }
    for _ in 0..2 {
        assert!(now(&station.call("Heartbeat", json!({}))) >= booted_at);
    }
    let shown = eventually("its connector", || {
        let shown = csms.get("/v1/stations/CP-1").expect(200).json();
        let connectors = shown["connectors"].as_array()?;
        connectors.iter().any(|it| it["status"] == "Available").then_some(shown)
    });
    assert_eq!(shown["connected"], true, "{shown:#}");
}

/// TC_004_2: identified, and the connection timeout passes without a plug.
#[test]
fn identified_and_never_plugged_in() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    let known = station.call("Authorize", json!({ "idTag": TAG }));
    assert_eq!(known["idTagInfo"]["status"], "Accepted");
    for state in ["Preparing", "Available"] {
        assert_eq!(station.call("StatusNotification", status(1, state)), json!({}));
    }
    nobody_charged(&csms);
}

/// Started from afar: the driver is identified, as the station was told to.
#[track_caller]
fn started_remotely(csms: &TestCsms, station: &mut ChargePoint) {
    let start = json!({ "connectorId": 1, "idTag": TAG });
    answered(csms, station, "RemoteStartTransaction", start, status_is("Accepted"));
    let answer = station.call("Authorize", json!({ "idTag": TAG }));
    assert_eq!(answer["idTagInfo"]["status"], "Accepted", "{answer}");
}

/// The transaction begins, is charging, and is billed in the end.
#[track_caller]
fn charged_and_billed(csms: &TestCsms, station: &mut ChargePoint) {
    let transaction = begin(station, 1_000, an_hour_ago());
    assert_eq!(station.call("StatusNotification", status(1, "Charging")), json!({}));
    let session = eventually("the session", || csms.sessions("CP-1").pop());
    assert_eq!((&session["token"], &session["outcome"]), (&json!(TAG), &Value::Null));
    end(station, transaction, 11_000, &after(an_hour_ago(), 40));
    invoice_of(csms, &only_session(csms, "CP-1"), 10_000);
}

/// TC_010: the cable is plugged in first.
#[test]
fn plugged_in_and_then_started_remotely() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    assert_eq!(station.call("StatusNotification", status(1, "Preparing")), json!({}));
    started_remotely(&csms, &mut station);
    charged_and_billed(&csms, &mut station);
}

/// TC_011_1: the remote start comes first.
#[test]
fn started_remotely_and_then_plugged_in() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    started_remotely(&csms, &mut station);
    assert_eq!(station.call("StatusNotification", status(1, "Preparing")), json!({}));
    charged_and_billed(&csms, &mut station);
}

/// TC_011_2: the same after a remote start.
#[test]
fn remotely_started_and_never_plugged_in() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    started_remotely(&csms, &mut station);
    for state in ["Preparing", "Available"] {
        assert_eq!(station.call("StatusNotification", status(1, state)), json!({}));
    }
    nobody_charged(&csms);
}

/// TC_013, TC_014: the station restarts and starts up again.
#[test]
fn after_a_reset_the_station_starts_up_again() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    for kind in ["Hard", "Soft"] {
        let reset = json!({ "type": kind });
        answered(&csms, &mut station, "Reset", reset, status_is("Accepted"));
        station.disconnect();
        station.connect(&csms);
        assert_eq!(station.call("BootNotification", boot())["status"], "Accepted", "{kind}");
        assert_eq!(station.call("StatusNotification", status(0, "Available")), json!({}));
        assert_eq!(station.call("StatusNotification", status(1, "Available")), json!({}));
    }
}

/// TC_017_1 (no session), TC_017_2 (a fixed cable), TC_030 (it fails), TC_031 (no such connector).
#[test]
fn an_unlock_has_the_stations_answer() {
    let unlock = |connector: u32| json!({ "connectorId": connector });
    all_answered(vec![
        ("UnlockConnector", unlock(1), status_is("Unlocked")),
        ("UnlockConnector", unlock(1), status_is("NotSupported")),
        ("UnlockConnector", unlock(1), status_is("UnlockFailed")),
        ("UnlockConnector", unlock(99), status_is("NotSupported")),
    ]);
}

/// Ends a transaction of 10 kWh, an hour old, for a reason; it is billed and names the reason.
#[track_caller]
fn billed_as(reason: &str, csms: &TestCsms, station: &mut ChargePoint, transaction: i64) {
    let mut stopped = stop(transaction, TAG, 11_000, &after(an_hour_ago(), 40));
    stopped["reason"] = json!(reason);
    assert_eq!(station.call("StopTransaction", stopped)["idTagInfo"]["status"], "Accepted");
    station.call("StatusNotification", status(1, "Available"));
    let session = only_session(csms, "CP-1");
    assert_eq!(session["stop_reason"], reason);
    invoice_of(csms, &session, 10_000);
}

/// TC_005_1: unplugged at the car.
#[test]
fn a_session_that_is_unplugged_at_the_car_is_billed() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    let transaction = begin(&mut station, 1_000, an_hour_ago());
    for state in ["Charging", "SuspendedEV"] {
        assert_eq!(station.call("StatusNotification", status(1, state)), json!({}));
    }
    billed_as("EVDisconnected", &csms, &mut station, transaction);
}

/// TC_012: stopped by a remote stop.
#[test]
fn a_remote_stop_ends_the_session() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    let transaction = begin(&mut station, 1_000, an_hour_ago());
    let remote = json!({ "transactionId": transaction });
    answered(&csms, &mut station, "RemoteStopTransaction", remote, status_is("Accepted"));
    billed_as("Remote", &csms, &mut station, transaction);
}

/// TC_018_1: an unlock ends the session.
#[test]
fn an_unlock_during_a_session_ends_it() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    let transaction = begin(&mut station, 1_000, an_hour_ago());
    let unlock = json!({ "connectorId": 1 });
    answered(&csms, &mut station, "UnlockConnector", unlock, status_is("Unlocked"));
    billed_as("UnlockCommand", &csms, &mut station, transaction);
}

/// TC_019_1 (all keys), TC_019_2 (one key), TC_021 (a change), TC_040_1 (not supported),
/// TC_040_2 (an invalid value).
#[test]
fn the_configuration_is_read_and_changed() {
    let interval = json!({ "key": "HeartbeatInterval", "readonly": false, "value": "300" });
    let timeout = json!({ "key": "ConnectionTimeOut", "readonly": false, "value": "60" });
    let change = |value: &str| json!({ "key": "MeterValueSampleInterval", "value": value });
    all_answered(vec![
        ("GetConfiguration", json!({}), json!({ "configurationKey": [interval, timeout] })),
        (
            "GetConfiguration",
            json!({ "key": ["HeartbeatInterval", "Nonsense"] }),
            json!({ "configurationKey": [interval], "unknownKey": ["Nonsense"] }),
        ),
        ("ChangeConfiguration", change("60"), status_is("Accepted")),
        ("ChangeConfiguration", change("60"), status_is("RebootRequired")),
        ("ChangeConfiguration", change("60"), status_is("NotSupported")),
        ("ChangeConfiguration", change("-1"), status_is("Rejected")),
    ]);
}

/// TC_023_1 (invalid), TC_023_2 (expired), TC_023_3 (blocked).
#[test]
fn a_token_that_may_not_charge_is_told_why() {
    let csms = csms_with_station("CP-1");
    let register = |uid: &str, further: Value| {
        let mut token = json!({ "uid": uid, "type": "RFID" });
        token.as_object_mut().expect("an object").extend(further.as_object().cloned().unwrap());
        csms.post("/v1/tokens", &token).expect(201);
    };
    register("BLOCKED", json!({ "status": "blocked" }));
    register("EXPIRED", json!({ "expires_at": "2026-01-01T00:00:00Z" }));
    let mut station = booted(&csms);
    let at = time(an_hour_ago());
    for (tag, why) in [("NOBODY", "Invalid"), ("BLOCKED", "Blocked"), ("EXPIRED", "Expired")] {
        let answer = station.call("Authorize", json!({ "idTag": tag }));
        assert_eq!(answer["idTagInfo"]["status"], why, "{tag}");
        let answer = station.call("StartTransaction", start(1, tag, 1_000, &at));
        assert_eq!(answer["idTagInfo"]["status"], why, "{tag}");
        let transaction = transaction_of(&answer);
        let mut stopped = stop(transaction, tag, 1_000, &at);
        stopped["reason"] = json!("DeAuthorized");
        station.call("StopTransaction", stopped);
    }
    assert_eq!(csms.invoices(), Vec::<Value>::new());
}

/// TC_024: the cable cannot be locked.
#[test]
fn a_lock_that_fails_is_shown() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    let known = station.call("Authorize", json!({ "idTag": TAG }));
    assert_eq!(known["idTagInfo"]["status"], "Accepted");
    let mut failed = status(1, "Faulted");
    failed["errorCode"] = json!("ConnectorLockFailure");
    assert_eq!(station.call("StatusNotification", failed), json!({}));
    let shown = eventually("the fault", || {
        let shown = csms.get("/v1/stations/CP-1").expect(200).json();
        let connectors = shown["connectors"].as_array().cloned().unwrap_or_default();
        connectors.into_iter().find(|connector| connector["status"] == "Faulted")
    });
    assert_eq!(shown["error_code"], "ConnectorLockFailure");
    nobody_charged(&csms);
}

/// TC_026 and TC_028.
#[test]
fn a_remote_start_and_a_remote_stop_may_be_rejected() {
    all_answered(vec![
        (
            "RemoteStartTransaction",
            json!({ "connectorId": 1, "idTag": TAG }),
            status_is("Rejected"),
        ),
        ("RemoteStopTransaction", json!({ "transactionId": 7 }), status_is("Rejected")),
    ]);
}

/// TC_032_1: the power fails during a session; the station ends it when it is back.
#[test]
fn a_session_that_a_power_failure_ended_is_billed() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    let transaction = begin(&mut station, 1_000, an_hour_ago());
    station.drop_connection();
    station.connect(&csms);
    assert_eq!(station.call("BootNotification", boot())["status"], "Accepted");
    billed_as("PowerLoss", &csms, &mut station, transaction);
}

/// TC_037_3: started without a network by a token that may not charge.
#[test]
fn an_offline_start_of_an_invalid_token_is_refused_when_it_is_told() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    station.drop_connection();
    station.connect(&csms);
    let begun = an_hour_ago();
    let answer = station.call("StartTransaction", start(1, "NOBODY", 1_000, &time(begun)));
    assert_eq!(answer["idTagInfo"]["status"], "Invalid");
    let mut stopped = stop(transaction_of(&answer), "NOBODY", 1_200, &after(begun, 1));
    stopped["reason"] = json!("DeAuthorized");
    assert!(station.call("StopTransaction", stopped).is_object());
    assert_eq!(csms.invoices(), Vec::<Value>::new());
}

/// TC_042_1 (not supported), TC_042_2 (empty), TC_043_1 (not supported), TC_043_3 (failed),
/// TC_043_4 (full), TC_043_5 (differential).
#[test]
fn the_local_list_is_sent_and_its_version_asked_for() {
    let list = |version: u32, kind: &str| {
        json!({ "listVersion": version, "localAuthorizationList": [
            { "idTag": TAG, "idTagInfo": { "status": "Accepted" } } ], "updateType": kind })
    };
    all_answered(vec![
        ("GetLocalListVersion", json!({}), json!({ "listVersion": -1 })),
        ("GetLocalListVersion", json!({}), json!({ "listVersion": 0 })),
        ("SendLocalList", list(1, "Full"), status_is("NotSupported")),
        ("SendLocalList", list(1, "Full"), status_is("Failed")),
        ("SendLocalList", list(1, "Full"), status_is("Accepted")),
        ("GetLocalListVersion", json!({}), json!({ "listVersion": 1 })),
        ("SendLocalList", list(2, "Differential"), status_is("Accepted")),
        ("GetLocalListVersion", json!({}), json!({ "listVersion": 2 })),
    ]);
}

/// TC_044_1 (installed), TC_044_2 (the download fails), TC_044_3 (the installation fails).
#[test]
fn a_firmware_update_is_told_to_its_end() {
    for told in [
        &["Downloading", "Downloaded", "Installing", "Installed"][..],
        &["Downloading", "DownloadFailed"],
        &["Downloading", "Downloaded", "Installing", "InstallationFailed"],
    ] {
        let update =
            json!({ "location": "https://host/f", "retrieveDate": "2026-11-22T12:00:00Z" });
        followed("UpdateFirmware", update, json!({}), "FirmwareStatusNotification", told);
    }
}

/// TC_045_1 (uploaded), TC_045_2 (the upload fails).
#[test]
fn an_upload_of_diagnostics_is_told_to_its_end() {
    for told in [&["Uploading", "Uploaded"][..], &["Uploading", "UploadFailed"]] {
        let wanted = json!({ "location": "ftp://host/" });
        let answer = json!({ "fileName": "diagnostics.zip" });
        followed("GetDiagnostics", wanted, answer, "DiagnosticsStatusNotification", told);
    }
}

/// Sends a request, whose progress the station tells in notifications; each is in the log.
#[track_caller]
fn followed(action: &str, payload: Value, answer: Value, notification: &str, told: &[&str]) {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    answered(&csms, &mut station, action, payload, answer);
    for state in told {
        assert_eq!(station.call(notification, status_is(state)), json!({}), "{state}");
    }
    let requests: Vec<Value> = csms
        .exchanges()
        .iter()
        .filter(|exchange| exchange["data"]["action"] == notification)
        .map(|exchange| {
            let text = exchange["data"]["request"].as_str().expect("a text");
            let frame: Value = serde_json::from_str(text).expect("JSON");
            frame[3]["status"].clone()
        })
        .collect();
    assert_eq!(requests, told);
}

/// TC_054 and TC_055: a message that is triggered comes behind the answer, or it is rejected.
#[test]
fn a_triggered_message_follows() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    let register = json!({ "connectorId": 1, "meterValue": [
        { "timestamp": time(an_hour_ago()), "sampledValue": [{ "value": "10" }] }] });
    for (message, payload) in [
        ("MeterValues", register),
        ("Heartbeat", json!({})),
        ("StatusNotification", status(1, "Available")),
        ("DiagnosticsStatusNotification", status_is("Idle")),
        ("FirmwareStatusNotification", status_is("Idle")),
        ("BootNotification", boot()),
    ] {
        let wanted = json!({ "requestedMessage": message });
        answered(&csms, &mut station, "TriggerMessage", wanted.clone(), status_is("Accepted"));
        assert!(station.call(message, payload).is_object(), "{message}");
        answered(&csms, &mut station, "TriggerMessage", wanted, status_is("Rejected"));
    }
}

/// TC_056 (the default profile), TC_057 (a transaction's), TC_066 (the composite schedule),
/// TC_067 (a profile is cleared).
#[test]
fn charging_profiles_are_set_asked_for_and_cleared() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    let default = json!({ "connectorId": 1, "csChargingProfiles": profile("TxDefaultProfile") });
    answered(&csms, &mut station, "SetChargingProfile", default, status_is("Accepted"));
    let begun = an_hour_ago();
    let transaction = begin(&mut station, 1_000, begun);
    let mut own = json!({ "connectorId": 1, "csChargingProfiles": profile("TxProfile") });
    own["csChargingProfiles"]["transactionId"] = json!(transaction);
    answered(&csms, &mut station, "SetChargingProfile", own, status_is("Accepted"));
    let wanted = json!({ "connectorId": 1, "duration": 600 });
    let schedule = json!({ "status": "Accepted", "connectorId": 1,
        "scheduleStart": time(begun), "chargingSchedule": schedule() });
    answered(&csms, &mut station, "GetCompositeSchedule", wanted, schedule);
    let clear = json!({ "id": 1 });
    answered(&csms, &mut station, "ClearChargingProfile", clear.clone(), status_is("Accepted"));
    answered(&csms, &mut station, "ClearChargingProfile", clear, status_is("Unknown"));
    end(&mut station, transaction, 11_000, &after(begun, 40));
    invoice_of(&csms, &only_session(&csms, "CP-1"), 10_000);
}

/// TC_059: a remote start brings a profile along.
#[test]
fn a_remote_start_may_bring_a_profile() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    let remote = json!({ "connectorId": 1, "idTag": TAG, "chargingProfile": profile("TxProfile") });
    answered(&csms, &mut station, "RemoteStartTransaction", remote, status_is("Accepted"));
    let begun = an_hour_ago();
    let transaction = begin(&mut station, 1_000, begun);
    end(&mut station, transaction, 11_000, &after(begun, 40));
    invoice_of(&csms, &only_session(&csms, "CP-1"), 10_000);
}

fn schedule() -> Value {
    json!({ "duration": 600, "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{ "startPeriod": 0, "limit": 16.0, "numberPhases": 3 }] })
}

fn profile(purpose: &str) -> Value {
    json!({ "chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute", "chargingSchedule": schedule() })
}

/// TC_061 (the cache is cleared), TC_062 (data to the station).
#[test]
fn the_cache_is_cleared_and_data_is_transferred() {
    let data = json!({ "vendorId": "V", "messageId": "M", "data": "D" });
    all_answered(vec![
        ("ClearCache", json!({}), status_is("Accepted")),
        ("ClearCache", json!({}), status_is("Rejected")),
        ("DataTransfer", data, json!({ "status": "Accepted", "data": "D" })),
    ]);
}

/// TC_064: data from the station, of a vendor that nobody here knows.
#[test]
fn data_of_an_unknown_vendor_is_not_accepted() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    let answer = station.call("DataTransfer", json!({ "vendorId": "nobody's", "data": "D" }));
    assert_eq!(answer, status_is("UnknownVendorId"));
}
