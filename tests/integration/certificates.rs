//! The certificates of stations, through the API: what an independent charge point says of them is
//! what the operator reads.

use serde_json::{Value, json};

use crate::harness::{ChargePoint, TestCsms};
use crate::messages::{boot, csms_with_station};

/// Sends a request in OCPP's words and waits for the station's answer.
#[track_caller]
fn ask(csms: &TestCsms, action: &str, payload: &Value) {
    let path = format!("/v1/stations/CP-1/ocpp/{action}");
    let answer = csms.send("POST", &path, &[("Prefer", "wait=10")], &payload.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Purpose and serial number of what the station holds.
fn held(csms: &TestCsms) -> Vec<(String, String)> {
    let position = csms.events().last().expect("an event")["position"].clone();
    let path = format!("/v1/stations/CP-1/certificates?wait_for={position}");
    let certificates = csms.list(&path);
    let text =
        |certificate: &Value, name: &str| certificate[name].as_str().expect("a text").to_owned();
    certificates.iter().map(|held| (text(held, "purpose"), text(held, "serial_number"))).collect()
}

#[test]
fn certificates_are_mirrored_from_a_stations_answers() {
    const PURPOSE: &str = "CentralSystemRootCertificate";
    let csms = csms_with_station("CP-1");
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    assert_eq!(held(&csms), []);
    csms.get("/v1/stations/CP-9/certificates").expect(404);

    let root = include_str!("../../gateway/tests/gateway/root.pem");
    station.will_answer("InstallCertificate", json!({ "status": "Accepted" }));
    let install = json!({ "certificateType": PURPOSE, "certificate": root });
    ask(&csms, "InstallCertificate", &install);
    let own = (PURPOSE.to_owned(), "c1d2e3f405162738495".to_owned());
    assert_eq!(held(&csms), [own]);
    let first = &csms.list("/v1/stations/CP-1/certificates")[0];
    assert!(first["installed_at"].is_string() && first["reported_at"].is_null(), "{first}");

    let data = json!({ "hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb",
        "serialNumber": "07" });
    let listed = json!({ "status": "Accepted", "certificateHashData": [data] });
    station.will_answer("GetInstalledCertificateIds", listed);
    ask(&csms, "GetInstalledCertificateIds", &json!({ "certificateType": PURPOSE }));
    let others = (PURPOSE.to_owned(), "07".to_owned());
    assert_eq!(held(&csms), [others]);

    station.will_answer("DeleteCertificate", json!({ "status": "Accepted" }));
    ask(&csms, "DeleteCertificate", &json!({ "certificateHashData": data }));
    assert_eq!(held(&csms), []);
}
