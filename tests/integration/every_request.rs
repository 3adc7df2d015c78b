//! Every request that we can send, in every version and over real connections: the official
//! schemas judge each frame, and each answer of the station comes back as it was given.

use serde_json::{Value, json};

use crate::harness::{ChargePoint, Direction, Schemas, TestCsms};
use crate::messages::{TAG, csms_with_station};

/// A version of OCPP, and what we send in it.
pub(crate) struct Version {
    pub(crate) subprotocol: &'static str,
    /// The folder of its schemas.
    pub(crate) schemas: &'static str,
    /// How many actions go down.
    requests: usize,
}

pub(crate) const V16: Version = Version { subprotocol: "ocpp1.6", schemas: "v16", requests: 26 };
pub(crate) const V201: Version =
    Version { subprotocol: "ocpp2.0.1", schemas: "v201", requests: 40 };
pub(crate) const V21: Version = Version { subprotocol: "ocpp2.1", schemas: "v21", requests: 55 };

impl Version {
    fn is_16(&self) -> bool {
        self.subprotocol == V16.subprotocol
    }
}

/// Connects a charge point and starts it up.
#[track_caller]
pub(crate) fn boot(csms: &TestCsms, station: &mut ChargePoint, version: &Version) {
    station.connect_as(csms, version.subprotocol);
    let boot = match version.is_16() {
        true => crate::messages::boot(),
        false => crate::messages::boot_2x(),
    };
    assert_eq!(station.call("BootNotification", boot)["status"], "Accepted");
}

/// Asks the station for something and returns the command's resource, once it is finished.
#[track_caller]
fn ask(csms: &TestCsms, path: &str, body: &Value) -> Value {
    let path = format!("/v1/stations/CP-1/{path}");
    csms.send("POST", &path, &[("Prefer", "wait=30")], &body.to_string()).expect(200).json()
}

/// Sends every action with every member, and with the required ones only, in OCPP's own words.
pub(crate) fn send_every_request(csms: &TestCsms, station: &mut ChargePoint, version: &Version) {
    let samples = Schemas::of(version.schemas).samples(Direction::Down);
    assert_eq!(samples.len(), 2 * version.requests);
    for (number, sample) in samples.into_iter().enumerate() {
        let action = sample["action"].as_str().expect("an action");
        station.will_answer(action, sample["response"].clone());
        let mut request = sample["request"].clone();
        if request["requestId"].is_number() {
            // Two that are under way may not have the same.
            request["requestId"] = json!(number);
        }
        let command = ask(csms, &format!("ocpp/{action}"), &request);
        assert_eq!(command["state"], "answered", "{action}: {command:#}");
        assert_eq!(command["reply"], sample["response"], "{action}: {command:#}");
        let sent = station.received_calls().pop().expect("a CALL");
        assert_eq!(sent, json!({ "action": action, "payload": request }));
    }
}

/// Asks for everything that has a verb.
pub(crate) fn send_every_verb(csms: &TestCsms, station: &mut ChargePoint, version: &Version) {
    let samples = Schemas::of(version.schemas).samples(Direction::Down);
    for sample in samples {
        let action = sample["action"].as_str().expect("an action");
        station.will_answer(action, sample["response"].clone());
    }
    let verbs = verbs(version);
    for (body, action) in &verbs {
        let command = ask(csms, "commands", body);
        assert_eq!(command["state"], "answered", "{body}: {command:#}");
        let sent = station.received_calls().pop().expect("a CALL");
        assert_eq!(sent["action"], *action, "{body}");
    }
    assert_eq!(station.received_calls().len(), verbs.len());
}

/// A body for every verb that the version has words for, and the action that it becomes.
fn verbs(version: &Version) -> Vec<(Value, &'static str)> {
    let mut verbs = vec![
        (json!({ "verb": "set_availability", "operative": true }), "ChangeAvailability"),
        (json!({ "verb": "trigger", "message": "Heartbeat" }), "TriggerMessage"),
        (
            json!({ "verb": "reserve", "connector": 1, "token": TAG,
                "expires_at": "2036-01-01T00:00:00Z" }),
            "ReserveNow",
        ),
        (json!({ "verb": "cancel_reservation", "reservation_id": 7 }), "CancelReservation"),
        (json!({ "verb": "clear_cache" }), "ClearCache"),
        (
            json!({ "verb": "send_local_list", "version": 3, "replace": true, "tokens": [
                { "token": TAG, "allowed": true, "group": "FAMILY",
                  "expires_at": "2036-01-01T00:00:00Z" },
                { "token": "LOST", "allowed": false } ] }),
            "SendLocalList",
        ),
        (
            json!({ "verb": "send_local_list", "version": 4, "replace": false,
                "tokens": [{ "token": "LOST" }] }),
            "SendLocalList",
        ),
        (json!({ "verb": "get_local_list_version" }), "GetLocalListVersion"),
        (
            json!({ "verb": "set_charging_limit", "connector": 1, "limit": 10.5, "unit": "amperes",
                "phases": 3, "duration_seconds": 3600, "level": 2 }),
            "SetChargingProfile",
        ),
        (
            json!({ "verb": "set_charging_limit", "limit": 11000, "unit": "watts" }),
            "SetChargingProfile",
        ),
        (json!({ "verb": "clear_charging_limit", "profile_id": 5 }), "ClearChargingProfile"),
        (json!({ "verb": "clear_charging_limit", "connector": 1 }), "ClearChargingProfile"),
        (
            json!({ "verb": "get_composite_schedule", "duration_seconds": 600, "unit": "watts" }),
            "GetCompositeSchedule",
        ),
        (
            json!({ "verb": "update_firmware", "location": "https://host/firmware",
                "install_at": "2036-01-01T00:00:00Z" }),
            "UpdateFirmware",
        ),
        (
            json!({ "verb": "get_log", "log": "security", "location": "ftp://host/",
                "from": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z" }),
            "GetLog",
        ),
        (
            json!({ "verb": "delete_certificate", "hash_algorithm": "SHA256",
                "issuer_name_hash": "aa", "issuer_key_hash": "bb", "serial_number": "1" }),
            "DeleteCertificate",
        ),
        (
            json!({ "verb": "data_transfer", "vendor_id": "V", "message_id": "M", "data": "D" }),
            "DataTransfer",
        ),
    ];
    verbs.extend(if version.is_16() { verbs_of_16() } else { verbs_of_2x() });
    if version.schemas == V21.schemas {
        verbs.extend(verbs_of_2_1());
    }
    // What ends a station's readiness comes last.
    verbs.push((json!({ "verb": "reset", "hard": false }), "Reset"));
    verbs.push((json!({ "verb": "reset", "hard": true }), "Reset"));
    verbs
}

fn verbs_of_16() -> Vec<(Value, &'static str)> {
    vec![
        (json!({ "verb": "start", "connector": 1, "token": TAG }), "RemoteStartTransaction"),
        (json!({ "verb": "stop", "transaction_id": 7 }), "RemoteStopTransaction"),
        (json!({ "verb": "unlock", "connector": 1 }), "UnlockConnector"),
        (json!({ "verb": "get_configuration" }), "GetConfiguration"),
        (json!({ "verb": "get_configuration", "keys": ["HeartbeatInterval"] }), "GetConfiguration"),
        (
            json!({ "verb": "change_configuration", "key": "HeartbeatInterval", "value": "300" }),
            "ChangeConfiguration",
        ),
        (
            json!({ "verb": "get_log", "log": "diagnostics", "location": "ftp://host/" }),
            "GetDiagnostics",
        ),
        (
            json!({ "verb": "trigger", "message": "LogStatusNotification" }),
            "ExtendedTriggerMessage",
        ),
        (
            json!({ "verb": "update_firmware", "location": "https://host/firmware",
                "signing_certificate": "PEM", "signature": "c2ln" }),
            "SignedUpdateFirmware",
        ),
        (
            json!({ "verb": "install_certificate", "purpose": "CentralSystemRootCertificate",
                "certificate": "PEM" }),
            "InstallCertificate",
        ),
        (
            json!({ "verb": "list_certificates", "purpose": "CentralSystemRootCertificate" }),
            "GetInstalledCertificateIds",
        ),
    ]
}

fn verbs_of_2x() -> Vec<(Value, &'static str)> {
    vec![
        (json!({ "verb": "start", "evse": 1, "token": TAG }), "RequestStartTransaction"),
        (json!({ "verb": "stop", "transaction": "5f7c-1" }), "RequestStopTransaction"),
        (json!({ "verb": "unlock", "evse": 1, "connector": 1 }), "UnlockConnector"),
        (json!({ "verb": "get_configuration" }), "GetBaseReport"),
        (
            json!({ "verb": "get_configuration", "keys": ["OCPPCommCtrlr.HeartbeatInterval",
                "MonitoringCtrlr.ItemsPerMessage/ClearVariableMonitoring"] }),
            "GetVariables",
        ),
        (
            json!({ "verb": "change_configuration", "key": "OCPPCommCtrlr.HeartbeatInterval",
                "value": "300" }),
            "SetVariables",
        ),
        (json!({ "verb": "get_log", "log": "diagnostics", "location": "ftp://host/" }), "GetLog"),
        (
            json!({ "verb": "update_firmware", "location": "https://host/firmware",
                "signing_certificate": "PEM", "signature": "c2ln" }),
            "UpdateFirmware",
        ),
        (
            json!({ "verb": "install_certificate", "purpose": "CSMSRootCertificate",
                "certificate": "PEM" }),
            "InstallCertificate",
        ),
        (json!({ "verb": "list_certificates" }), "GetInstalledCertificateIds"),
        (
            json!({ "verb": "show_message", "text": "Closed on Sunday", "language": "en",
                "until": "2036-01-01T00:00:00Z" }),
            "SetDisplayMessage",
        ),
        (json!({ "verb": "remove_message", "message_id": 9 }), "ClearDisplayMessage"),
        (json!({ "verb": "list_messages" }), "GetDisplayMessages"),
        (json!({ "verb": "reset", "hard": false, "evse": 1 }), "Reset"),
    ]
}

fn verbs_of_2_1() -> Vec<(Value, &'static str)> {
    vec![
        (
            json!({ "verb": "announce_web_payment", "evse": 1, "timeout_seconds": 300 }),
            "NotifyWebPaymentStarted",
        ),
        (
            json!({ "verb": "start_paid", "evse": 1, "reference": "PSP-1",
                "card_last_digits": "4242", "limit": { "cost": 20.5 } }),
            "RequestStartTransaction",
        ),
    ]
}

/// Sends everything in both ways, and has the official schemas judge what arrived.
fn judged_by_the_schemas(version: &Version) {
    let csms = csms_with_station("CP-1");
    let mut station = ChargePoint::new("CP-1");
    boot(&csms, &mut station, version);
    send_every_verb(&csms, &mut station, version);
    send_every_request(&csms, &mut station, version);
    let mut schemas = Schemas::of(version.schemas);
    for call in station.received_calls() {
        let action = call["action"].as_str().expect("an action");
        let complaint = schemas.complaint_of_request(action, &call["payload"]);
        assert_eq!(complaint, None, "{call}");
    }
}

#[test]
fn every_request_of_1_6_is_valid_by_the_official_schemas() {
    judged_by_the_schemas(&V16);
}

#[test]
fn every_request_of_2_0_1_is_valid_by_the_official_schemas() {
    judged_by_the_schemas(&V201);
}

#[test]
fn every_request_of_2_1_is_valid_by_the_official_schemas() {
    judged_by_the_schemas(&V21);
}
