//! Test cases of the Open Charge Alliance on security, for a CSMS of 1.6 with the security
//! extension: the real server, an independent charge point. `docs/conformance.md` names them.

use serde_json::{Value, json};

use crate::harness::{ChargePoint, TestCsms, eventually};
use crate::messages::{boot, csms_with_station};

/// PKCS #10 of an RSA key of 2,048 bits for `CP-1`, made with OpenSSL.
const REQUEST: &str = include_str!("../../gateway/tests/gateway/requests/rsa_2048.pem");

fn booted(csms: &TestCsms) -> ChargePoint {
    let mut station = ChargePoint::connected(csms, "CP-1");
    assert_eq!(station.call("BootNotification", boot())["status"], "Accepted");
    station
}

/// Sends one request in OCPP's words; gives the command with the station's answer.
#[track_caller]
fn ask(
    csms: &TestCsms,
    station: &mut ChargePoint,
    action: &str,
    payload: &Value,
    status: &str,
) -> Value {
    station.will_answer(action, json!({ "status": status }));
    let path = format!("/v1/stations/CP-1/ocpp/{action}");
    let answer = csms.send("POST", &path, &[("Prefer", "wait=30")], &payload.to_string());
    let command = answer.expect(200).json();
    assert_eq!(command["status"], status, "{command:#}");
    command
}

/// The station's own certificates, newest first.
fn own_certificates(csms: &TestCsms) -> Vec<Value> {
    let answer = csms.get("/v1/stations/CP-1/certificates").expect(200).json();
    answer["own"].as_array().expect("a list").clone()
}

/// Waits until the newest certificate has come so far.
fn certificate_once(csms: &TestCsms, status: &str) -> Value {
    eventually("the certificate", || {
        own_certificates(csms).into_iter().next().filter(|own| own["status"] == status)
    })
}

/// Asks the station for a request, has it signed and answered; gives the CertificateSigned.
fn renewed(csms: &TestCsms, station: &mut ChargePoint, answer: &str) -> Value {
    station.will_answer("CertificateSigned", json!({ "status": answer }));
    let trigger = json!({ "requestedMessage": "SignChargePointCertificate" });
    ask(csms, station, "ExtendedTriggerMessage", &trigger, "Accepted");
    let signed = station.call("SignCertificate", json!({ "csr": REQUEST }));
    assert_eq!(signed, json!({ "status": "Accepted" }));
    eventually("CertificateSigned", || {
        let calls = station.received_calls();
        calls.into_iter().find(|call| call["action"] == "CertificateSigned")
    })
}

/// TC_074: the station's certificate is renewed at the operator's wish.
#[test]
fn a_certificate_is_renewed_when_it_is_triggered() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    let call = renewed(&csms, &mut station, "Accepted");
    let chain = call["payload"]["certificateChain"].as_str().expect("a chain");
    assert!(chain.starts_with("-----BEGIN CERTIFICATE-----\n"), "{chain}");
    let own = certificate_once(&csms, "accepted");
    assert!(own["not_after"].as_str().is_some_and(|at| at > "2027"), "{own}");
    assert!(own["requested_at"].is_string() && own["answered_at"].is_string(), "{own}");
    let id = own["command_id"].as_str().expect("a command");
    let command = csms.get(&format!("/v1/commands/{id}")).expect(200).json();
    assert_eq!(
        (&command["intent"]["verb"], &command["state"]),
        (&json!("deliver_certificate"), &json!("answered"))
    );
    let authority = csms.get("/v1/certificate-authority").expect(200).json();
    assert!(authority["certificate"].as_str().is_some_and(|pem| pem.contains("CERTIFICATE")));
    assert_eq!(authority["fingerprint_sha256"].as_str().map(str::len), Some(64));
}

/// TC_077: the station does not take the certificate, and says so.
#[test]
fn a_certificate_that_the_station_does_not_take_is_shown() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    renewed(&csms, &mut station, "Rejected");
    told(&csms, &mut station, "InvalidChargePointCertificate");
    certificate_once(&csms, "rejected");
}

/// TC_078: the station does not take a root certificate of ours, and says so.
#[test]
fn a_root_that_the_station_does_not_take_is_not_shown_as_installed() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    let root = csms.get("/v1/certificate-authority").expect(200).json()["certificate"].clone();
    let install = json!({ "certificateType": "CentralSystemRootCertificate", "certificate": root });
    ask(&csms, &mut station, "InstallCertificate", &install, "Rejected");
    told(&csms, &mut station, "InvalidCentralSystemCertificate");
    let certificates = csms.get("/v1/stations/CP-1/certificates").expect(200).json();
    assert_eq!(certificates["items"], json!([]));
}

/// Sends a security event; the operator reads it.
#[track_caller]
fn told(csms: &TestCsms, station: &mut ChargePoint, kind: &str) {
    let event = json!({ "type": kind, "timestamp": "2026-11-20T10:00:00Z", "techInfo": "told" });
    assert_eq!(station.call("SecurityEventNotification", event), json!({}));
    let noted = eventually("the security event", || {
        let events = csms.list("/v1/security-events?station=CP-1");
        events.into_iter().find(|event| event["kind"] == kind)
    });
    assert_eq!(noted["seen_by"], "station");
}

/// Has the station tell how far a request is; gives what its command says then.
#[track_caller]
fn followed(
    csms: &TestCsms,
    station: &mut ChargePoint,
    command: &Value,
    notification: &str,
    told: &[&str],
) {
    for status in told {
        let payload = json!({ "status": status, "requestId": 7 });
        assert_eq!(station.call(notification, payload), json!({}), "{status}");
    }
    let id = command["id"].as_str().expect("an id");
    let command = csms.get(&format!("/v1/commands/{id}")).expect(200).json();
    let notifications = command["notifications"].as_array().expect("notifications");
    let statuses: Vec<&Value> = notifications.iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, told);
    assert_eq!(command["complete"], true, "{command:#}");
}

/// TC_079: the security log is uploaded, or the upload fails.
#[test]
fn a_security_log_is_told_to_its_end() {
    for told in [&["Uploading", "Uploaded"][..], &["Uploading", "UploadFailure"]] {
        let csms = csms_with_station("CP-1");
        let mut station = booted(&csms);
        let wanted = json!({ "logType": "SecurityLog", "requestId": 7,
            "log": { "remoteLocation": "https://host/logs" } });
        let command = ask(&csms, &mut station, "GetLog", &wanted, "Accepted");
        assert_eq!(command["complete"], false);
        followed(&csms, &mut station, &command, "LogStatusNotification", told);
    }
}

/// TC_080: a signed firmware is downloaded, verified and installed.
/// TC_081: its signature is wrong.
#[test]
fn a_signed_firmware_is_told_to_its_end() {
    for told in [
        &["Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed"][..],
        &["Downloading", "Downloaded", "InvalidSignature"],
    ] {
        let csms = csms_with_station("CP-1");
        let mut station = booted(&csms);
        let update = json!({ "requestId": 7, "firmware": {
            "location": "https://host/firmware", "retrieveDateTime": "2026-11-22T12:00:00Z",
            "signingCertificate": "PEM", "signature": "c2lnbmF0dXJl" } });
        let command = ask(&csms, &mut station, "SignedUpdateFirmware", &update, "Accepted");
        let notification = "SignedFirmwareStatusNotification";
        followed(&csms, &mut station, &command, notification, told);
        if told.contains(&"InvalidSignature") {
            self::told(&csms, &mut station, "InvalidFirmwareSignature");
        }
    }
}

/// A signing certificate that the station does not take (2.x: L01): the answer says so.
#[test]
fn a_firmware_whose_certificate_is_not_taken_ends_with_the_answer() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    let update = json!({ "requestId": 7, "firmware": {
        "location": "https://host/firmware", "retrieveDateTime": "2026-11-22T12:00:00Z",
        "signingCertificate": "PEM", "signature": "c2lnbmF0dXJl" } });
    let command = ask(&csms, &mut station, "SignedUpdateFirmware", &update, "InvalidCertificate");
    assert_eq!(command["state"], "answered");
    told(&csms, &mut station, "InvalidFirmwareSigningCertificate");
}
