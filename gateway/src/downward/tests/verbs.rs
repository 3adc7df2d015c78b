//! Each verb in the words of each version.

use super::check_with_library;
use crate::downward::call;
use crate::message::{Downward, Unsendable};
use chargebook_commands::OpenedIntent;
use chargebook_domain::events::v1::Dialect;
use ocpp_kit::Version;
use serde_json::{Value, json};

/// An intent as the API takes it, in the words of each version; `None` where it has none.
#[track_caller]
fn check_verb(intent: Value, expected: [Option<(&str, Value)>; 2]) {
    let intent: OpenedIntent = serde_json::from_value(intent).expect("an intent");
    for (version, expected) in [
        (Version::V1_6, &expected[0]),
        (Version::V2_0_1, &expected[1]),
        (Version::V2_1, &expected[1]),
    ] {
        let id = "019a9e39-bba0-72f3-abb5-cf8c0000002a";
        match (call(version, Dialect::STANDARD, id, &intent), expected) {
            (Ok(Downward { action, frame, .. }), Some((expected_action, payload))) => {
                let parts: Value = serde_json::from_str(&frame.frame).expect("JSON");
                assert_eq!((action, &parts[3]), (*expected_action, payload), "{version}");
                check_with_library(version, action, &frame.frame);
            }
            (Err(Unsendable::NoSuchRequest), None) => {}
            (other, _) => panic!("{version}: {other:?}"),
        }
    }
}

#[test]
fn the_first_verbs_are_requests_of_every_version() {
    check_verb(
        json!({ "verb": "start", "connector": 2, "id_tag": "T", "token_id": null,
            "token_type": "RFID" }),
        [
            Some(("RemoteStartTransaction", json!({ "connectorId": 2, "idTag": "T" }))),
            Some((
                "RequestStartTransaction",
                json!({ "evseId": 2, "remoteStartId": 42,
                    "idToken": { "idToken": "T", "type": "ISO14443" } }),
            )),
        ],
    );
    check_verb(
        json!({ "verb": "stop", "transaction_id": 0, "transaction": "t-1" }),
        [None, Some(("RequestStopTransaction", json!({ "transactionId": "t-1" })))],
    );
    check_verb(
        json!({ "verb": "stop", "transaction_id": 5 }),
        [Some(("RemoteStopTransaction", json!({ "transactionId": 5 }))), None],
    );
    check_verb(
        json!({ "verb": "reset", "hard": true }),
        [
            Some(("Reset", json!({ "type": "Hard" }))),
            Some(("Reset", json!({ "type": "Immediate" }))),
        ],
    );
    check_verb(
        json!({ "verb": "unlock", "connector": 2 }),
        [
            Some(("UnlockConnector", json!({ "connectorId": 2 }))),
            Some(("UnlockConnector", json!({ "evseId": 2, "connectorId": 1 }))),
        ],
    );
    check_verb(
        json!({ "verb": "unlock", "connector": 2, "evse": 3 }),
        [
            Some(("UnlockConnector", json!({ "connectorId": 2 }))),
            Some(("UnlockConnector", json!({ "evseId": 3, "connectorId": 2 }))),
        ],
    );
    check_verb(
        json!({ "verb": "set_availability", "connector": 0, "operative": false }),
        [
            Some(("ChangeAvailability", json!({ "connectorId": 0, "type": "Inoperative" }))),
            Some(("ChangeAvailability", json!({ "operationalStatus": "Inoperative" }))),
        ],
    );
    // All of an EVSE, which has to be neither the whole station nor a connector 0.
    let evse_1 = json!({ "evse": { "id": 1 }, "operationalStatus": "Inoperative" });
    check_verb(
        json!({ "verb": "set_availability", "evse": 1, "connector": 0, "operative": false }),
        [
            Some(("ChangeAvailability", json!({ "connectorId": 1, "type": "Inoperative" }))),
            Some(("ChangeAvailability", evse_1)),
        ],
    );
    check_verb(
        json!({ "verb": "get_configuration", "keys": [] }),
        [
            Some(("GetConfiguration", json!({}))),
            Some(("GetBaseReport", json!({ "requestId": 42, "reportBase": "FullInventory" }))),
        ],
    );
    check_verb(
        json!({ "verb": "get_configuration", "keys": ["Comp/1.Var"] }),
        [
            Some(("GetConfiguration", json!({ "key": ["Comp/1.Var"] }))),
            Some((
                "GetVariables",
                json!({ "getVariableData": [{ "component": { "name": "Comp", "instance": "1" },
                    "variable": { "name": "Var" } }] }),
            )),
        ],
    );
    check_verb(
        json!({ "verb": "change_configuration", "key": "C.V", "value": "x" }),
        [
            Some(("ChangeConfiguration", json!({ "key": "C.V", "value": "x" }))),
            Some((
                "SetVariables",
                json!({ "setVariableData": [{ "attributeValue": "x",
                    "component": { "name": "C" }, "variable": { "name": "V" } }] }),
            )),
        ],
    );
    check_verb(
        json!({ "verb": "trigger", "message": "SignChargePointCertificate", "connector": null }),
        [
            Some((
                "ExtendedTriggerMessage",
                json!({ "requestedMessage": "SignChargePointCertificate" }),
            )),
            Some((
                "TriggerMessage",
                json!({ "requestedMessage": "SignChargingStationCertificate" }),
            )),
        ],
    );
}

#[test]
fn the_further_verbs_are_requests_of_every_version_that_has_them() {
    let at = "2030-01-01T00:00:00.000Z";
    let token = json!({ "idToken": "T", "type": "Central" });
    check_verb(
        json!({ "verb": "reserve", "reservation_id": 7, "connector": 1, "token": "T",
            "group": "G", "expires_at": at }),
        [
            Some((
                "ReserveNow",
                json!({ "connectorId": 1, "expiryDate": at, "idTag": "T", "parentIdTag": "G",
                    "reservationId": 7 }),
            )),
            Some((
                "ReserveNow",
                json!({ "id": 7, "expiryDateTime": at, "idToken": token, "evseId": 1,
                    "groupIdToken": { "idToken": "G", "type": "Central" } }),
            )),
        ],
    );
    let same = |action: &'static str, payload: Value| {
        [Some((action, payload.clone())), Some((action, payload))]
    };
    check_verb(
        json!({ "verb": "cancel_reservation", "reservation_id": 7 }),
        same("CancelReservation", json!({ "reservationId": 7 })),
    );
    check_verb(json!({ "verb": "clear_cache" }), same("ClearCache", json!({})));
    check_verb(json!({ "verb": "get_local_list_version" }), same("GetLocalListVersion", json!({})));
    check_verb(
        json!({ "verb": "data_transfer", "vendor_id": "V", "message_id": "M", "data": "D" }),
        same("DataTransfer", json!({ "vendorId": "V", "messageId": "M", "data": "D" })),
    );
    check_verb(
        json!({ "verb": "send_local_list", "version": 2, "replace": true, "tokens": [
            { "token": "T", "allowed": true, "expires_at": at }, { "token": "U" }] }),
        [
            Some((
                "SendLocalList",
                json!({ "listVersion": 2, "updateType": "Full", "localAuthorizationList": [
                    { "idTag": "T", "idTagInfo": { "expiryDate": at, "status": "Accepted" } },
                    { "idTag": "U" }] }),
            )),
            Some((
                "SendLocalList",
                json!({ "versionNumber": 2, "updateType": "Full", "localAuthorizationList": [
                    { "idToken": token,
                      "idTokenInfo": { "status": "Accepted", "cacheExpiryDateTime": at } },
                    { "idToken": { "idToken": "U", "type": "Central" } }] }),
            )),
        ],
    );
    let hash = json!({ "hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b",
        "serialNumber": "1" });
    check_verb(
        json!({ "verb": "delete_certificate", "hash_algorithm": "SHA256",
            "issuer_name_hash": "a", "issuer_key_hash": "b", "serial_number": "1" }),
        same("DeleteCertificate", json!({ "certificateHashData": hash })),
    );
    check_verb(
        json!({ "verb": "install_certificate", "purpose": "ManufacturerRootCertificate",
            "certificate": "PEM" }),
        same(
            "InstallCertificate",
            json!({ "certificateType": "ManufacturerRootCertificate", "certificate": "PEM" }),
        ),
    );
    check_verb(
        json!({ "verb": "list_certificates", "purpose": "ManufacturerRootCertificate" }),
        [
            Some((
                "GetInstalledCertificateIds",
                json!({ "certificateType": "ManufacturerRootCertificate" }),
            )),
            Some((
                "GetInstalledCertificateIds",
                json!({ "certificateType": ["ManufacturerRootCertificate"] }),
            )),
        ],
    );
    check_verb(
        json!({ "verb": "show_message", "message_id": 9, "text": "Hello", "language": "en",
            "priority": "in_front" }),
        [
            None,
            Some((
                "SetDisplayMessage",
                json!({ "message": { "id": 9, "priority": "InFront", "message": {
                    "format": "UTF8", "language": "en", "content": "Hello" } } }),
            )),
        ],
    );
    check_verb(
        json!({ "verb": "remove_message", "message_id": 9 }),
        [None, Some(("ClearDisplayMessage", json!({ "id": 9 })))],
    );
    check_verb(
        json!({ "verb": "list_messages" }),
        [None, Some(("GetDisplayMessages", json!({ "requestId": 42 })))],
    );
}

#[test]
fn limits_firmware_and_logs_are_requests_of_every_version() {
    let at = "2030-01-01T00:00:00.000Z";
    let period = json!([{ "startPeriod": 0, "limit": 7.4, "numberPhases": 1 }]);
    check_verb(
        json!({ "verb": "set_charging_limit", "profile_id": 5, "connector": 1, "limit": "7.4",
            "unit": "amperes", "phases": 1, "starts_at": at, "duration_seconds": 60 }),
        [
            Some((
                "SetChargingProfile",
                json!({ "connectorId": 1, "csChargingProfiles": { "chargingProfileId": 5,
                    "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile",
                    "chargingProfileKind": "Absolute", "chargingSchedule": { "duration": 60,
                        "startSchedule": at, "chargingRateUnit": "A",
                        "chargingSchedulePeriod": period } } }),
            )),
            Some((
                "SetChargingProfile",
                json!({ "evseId": 1, "chargingProfile": { "id": 5, "stackLevel": 0,
                    "chargingProfilePurpose": "TxDefaultProfile",
                    "chargingProfileKind": "Absolute", "chargingSchedule": [{ "id": 5,
                        "startSchedule": at, "duration": 60, "chargingRateUnit": "A",
                        "chargingSchedulePeriod": period }] } }),
            )),
        ],
    );
    check_verb(
        json!({ "verb": "clear_charging_limit", "connector": 0 }),
        [
            Some(("ClearChargingProfile", json!({ "connectorId": 0 }))),
            Some(("ClearChargingProfile", json!({ "chargingProfileCriteria": { "evseId": 0 } }))),
        ],
    );
    check_verb(
        json!({ "verb": "get_composite_schedule", "duration_seconds": 60, "unit": "watts" }),
        [
            Some((
                "GetCompositeSchedule",
                json!({ "connectorId": 0, "duration": 60, "chargingRateUnit": "W" }),
            )),
            Some((
                "GetCompositeSchedule",
                json!({ "duration": 60, "chargingRateUnit": "W", "evseId": 0 }),
            )),
        ],
    );
    let firmware = json!({ "location": "https://host/f", "retrieveDateTime": at,
        "signingCertificate": "PEM", "signature": "sig" });
    let signed = json!({ "requestId": 42, "firmware": firmware });
    check_verb(
        json!({ "verb": "update_firmware", "location": "https://host/f", "retrieve_at": at,
            "signing_certificate": "PEM", "signature": "sig" }),
        [Some(("SignedUpdateFirmware", signed.clone())), Some(("UpdateFirmware", signed))],
    );
    check_verb(
        json!({ "verb": "update_firmware", "location": "https://host/f", "retrieve_at": at }),
        [
            Some(("UpdateFirmware", json!({ "location": "https://host/f", "retrieveDate": at }))),
            Some((
                "UpdateFirmware",
                json!({ "requestId": 42,
                    "firmware": { "location": "https://host/f", "retrieveDateTime": at } }),
            )),
        ],
    );
    let log = |kind: &str| {
        json!({ "log": { "remoteLocation": "ftp://host/", "oldestTimestamp": at },
            "logType": kind, "requestId": 42 })
    };
    check_verb(
        json!({ "verb": "get_log", "log": "diagnostics", "location": "ftp://host/", "from": at }),
        [
            Some(("GetDiagnostics", json!({ "location": "ftp://host/", "startTime": at }))),
            Some(("GetLog", log("DiagnosticsLog"))),
        ],
    );
    check_verb(
        json!({ "verb": "get_log", "log": "security", "location": "ftp://host/", "from": at }),
        [Some(("GetLog", log("SecurityLog"))), Some(("GetLog", log("SecurityLog")))],
    );
}

#[test]
fn a_token_goes_out_as_the_kind_that_it_was_registered_as() {
    for (registered, in_2_0_1, in_2_1) in [
        (json!("ISO15693"), "ISO15693", "ISO15693"),
        (json!("KeyCode"), "KeyCode", "KeyCode"),
        (json!("MacAddress"), "MacAddress", "MacAddress"),
        (json!("eMAID"), "eMAID", "eMAID"),
        (json!("Local"), "Local", "Local"),
        (json!("EVCCID"), "Central", "EVCCID"),
        (json!("RFID"), "ISO14443", "ISO14443"),
        (json!("APP_USER"), "Central", "Central"),
        (json!(null), "Central", "Central"),
    ] {
        let start = json!({ "verb": "start", "connector": 1, "id_tag": "T", "token_id": null,
            "token_type": registered });
        let reserve = json!({ "verb": "reserve", "reservation_id": 7, "token": "T",
            "token_type": registered, "expires_at": "2026-11-22T12:00:00Z" });
        let list = json!({ "verb": "send_local_list", "version": 3, "replace": true,
            "tokens": [{ "token": "T", "token_type": registered, "allowed": true }] });
        for (version, expected) in [(Version::V2_0_1, in_2_0_1), (Version::V2_1, in_2_1)] {
            for (intent, pointer) in [
                (&start, "/idToken/type"),
                (&reserve, "/idToken/type"),
                (&list, "/localAuthorizationList/0/idToken/type"),
            ] {
                let intent = serde_json::from_value(intent.clone()).expect("an intent");
                let sent = call(version, Dialect::STANDARD, "id-0000002a", &intent);
                let sent = sent.expect("sendable");
                check_with_library(version, sent.action, &sent.frame.frame);
                let parts: Value = serde_json::from_str(&sent.frame.frame).expect("JSON");
                let kind = parts[3].pointer(pointer).and_then(Value::as_str);
                assert_eq!(kind, Some(expected), "{version}: {registered}");
            }
        }
    }
}
