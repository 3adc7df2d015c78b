//! What stations say of their certificates, over every version's sockets.

use crate::support::Gateway;
use chargebook_domain::events::v1::Intent;
use serde_json::{Value, json};

/// A root of our own. Its hashes below are what `openssl ocsp -sha256` makes of it.
const ROOT: &str = include_str!("root.pem");
const NAME_HASH: &str = "565548188b44ff4a4de63f8b771ecff4aae228f2175314e59788047007352e30";
const KEY_HASH: &str = "e3c0dd69e89535b852ecf2e0486a69f719bc0ceda130bd18369003ceb2f8cc9e";

async fn ask(gateway: &Gateway, action: &str, payload: &Value) {
    let payload = payload.to_string();
    let asked = gateway.chargebook.request_exact("CP-1", action, &payload, "operator").await;
    asked.expect("requested");
}

fn hash_data(serial_number: &str) -> Value {
    json!({ "hashAlgorithm": "SHA512", "issuerNameHash": "aa", "issuerKeyHash": "bb",
            "serialNumber": serial_number })
}

fn hash_of(serial_number: &str) -> Value {
    json!({ "hash_algorithm": "SHA512", "issuer_name_hash": "aa", "issuer_key_hash": "bb",
            "serial_number": serial_number })
}

#[tokio::test]
async fn an_accepted_certificate_is_a_fact_in_every_version() {
    for (protocol, purpose) in [
        ("ocpp1.6", "CentralSystemRootCertificate"),
        ("ocpp2.0.1", "CSMSRootCertificate"),
        ("ocpp2.1", "OEMRootCertificate"),
    ] {
        let gateway = Gateway::start().await;
        let mut station = gateway.station_of(protocol).await;
        let (purpose, certificate) = (purpose.to_owned(), ROOT.to_owned());
        let verb = Intent::InstallCertificate { purpose: purpose.clone(), certificate };
        gateway.chargebook.request_command("CP-1", verb, "operator").await.expect("requested");
        station.answer(&json!({ "status": "Rejected" })).await;
        let exact = json!({ "certificateType": purpose, "certificate": ROOT });
        ask(&gateway, "InstallCertificate", &exact).await;
        station.answer(&json!({ "status": "Accepted" })).await;
        gateway.facts_once("command.answered", 2).await;
        let installed = gateway.facts("station.certificate_installed").await;
        let hash = json!({ "hash_algorithm": "SHA256", "issuer_name_hash": NAME_HASH,
            "issuer_key_hash": KEY_HASH, "serial_number": "c1d2e3f405162738495" });
        assert_eq!(installed.len(), 1, "only what was accepted, in {protocol}");
        assert_eq!(installed[0]["certificate"], json!({ "purpose": purpose, "hash": hash }));
        // In one append with the exchange that shows it.
        let events = gateway.events().await;
        let of_answer = events.iter().rev().take(3);
        let types: Vec<_> = of_answer.map(|event| &*event.event_type).collect();
        let together = ["station.certificate_installed", "command.answered", "exchange.recorded"];
        assert_eq!(types, together);
    }
}

#[tokio::test]
async fn a_deleted_certificate_is_a_fact_and_so_is_one_that_was_not_there() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station_of("ocpp2.0.1").await;
    for (serial_number, status) in [("01", "Failed"), ("02", "Accepted"), ("03", "NotFound")] {
        let payload = json!({ "certificateHashData": hash_data(serial_number) });
        ask(&gateway, "DeleteCertificate", &payload).await;
        station.answer(&json!({ "status": status })).await;
    }
    gateway.facts_once("command.answered", 3).await;
    let deleted = gateway.facts("station.certificate_deleted").await;
    let deleted: Vec<_> = deleted.iter().map(|fact| &fact["certificate"]).collect();
    assert_eq!(deleted, [&hash_of("02"), &hash_of("03")]);
}

#[tokio::test]
async fn a_list_of_certificates_is_a_fact_in_the_words_of_1_6_and_of_2() {
    let action = "GetInstalledCertificateIds";
    let gateway = Gateway::start().await;
    let mut station = gateway.station_of("ocpp1.6").await;
    let asked = json!({ "certificateType": "ManufacturerRootCertificate" });
    ask(&gateway, action, &asked).await;
    let held = json!({ "status": "Accepted", "certificateHashData": [hash_data("01")] });
    station.answer(&held).await;
    let reported = gateway.facts_once("station.certificates_reported", 1).await;
    assert_eq!(reported[0]["purposes"], json!(["ManufacturerRootCertificate"]));
    let purpose = "ManufacturerRootCertificate";
    let certificates = json!([{ "purpose": purpose, "hash": hash_of("01") }]);
    assert_eq!(reported[0]["certificates"], certificates);

    let gateway = Gateway::start().await;
    let mut station = gateway.station_of("ocpp2.0.1").await;
    ask(&gateway, action, &json!({})).await;
    // What is no hash data is a station's free text: it names no certificate.
    let chain = |data: Value| {
        json!({ "certificateType": "V2GRootCertificate",
        "certificateHashData": data })
    };
    let mut odd = hash_data("04");
    odd["serialNumber"] = json!("Bob's card");
    let chains = [chain(hash_data("02")), chain(odd)];
    let held = json!({ "status": "Accepted", "certificateHashDataChain": chains });
    station.answer(&held).await;
    gateway.facts_once("command.answered", 1).await;
    ask(&gateway, action, &json!({ "certificateType": ["MORootCertificate"] })).await;
    station.answer(&json!({ "status": "NotFound" })).await;
    let reported = gateway.facts_once("station.certificates_reported", 2).await;
    let certificates = json!([{ "purpose": "V2GRootCertificate", "hash": hash_of("02") }]);
    assert_eq!(reported[0]["certificates"], certificates);
    assert_eq!(reported[0]["purposes"], json!([]));
    assert_eq!(reported[1]["certificates"], json!([]));
    assert_eq!(reported[1]["purposes"], json!(["MORootCertificate"]));
    for fact in gateway.facts("station.certificates_reported").await {
        assert!(!fact.to_string().contains("Bob"), "{fact}");
    }
}
