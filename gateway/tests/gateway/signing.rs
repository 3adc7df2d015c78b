//! The certificate authority: what stations ask for with SignCertificate, over every version's
//! sockets.

use crate::contracts::carried;
use crate::support::{Gateway, Station};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chargebook_commands::registry::{SettingsChange, StationChange};
use chargebook_domain::events::v1::Quirk;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer as _;

const KIND: &str = "ChargingStationCertificate";
/// Made with OpenSSL for `CP-1`.
const RSA_2048: &str = include_str!("requests/rsa_2048.pem");
/// See [`RSA_2048`].
const RSA_1024: &str = include_str!("requests/rsa_1024.pem");

fn request(common_name: &str, algorithm: &'static rcgen::SignatureAlgorithm) -> String {
    let key = KeyPair::generate_for(algorithm).expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Operator");
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.serialize_request(&key).expect("a request").pem().expect("PEM")
}

fn plain_request() -> String {
    request("CP-1", &rcgen::PKCS_ECDSA_P256_SHA256)
}

/// A request with another subject than what was signed.
fn tampered() -> String {
    let plain = plain_request();
    let (_, pem) = parse_x509_pem(plain.as_bytes()).expect("PEM");
    let mut der = pem.contents;
    let at = der.windows(8).position(|part| part == b"Operator").expect("the organisation");
    der[at] = b'o';
    let text = base64_lines(&der);
    format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n")
}

fn base64_lines(bytes: &[u8]) -> String {
    let text = BASE64.encode(bytes);
    let lines = text.as_bytes().chunks(64);
    lines.map(|line| format!("{}\n", std::str::from_utf8(line).expect("ASCII"))).collect()
}

async fn ask(station: &mut Station, payload: &Value) -> Value {
    station.call("sign", "SignCertificate", &payload.to_string()).await[2].clone()
}

/// Checks that the chain is for the key of the request, names `CP-1`, and is the authority's.
async fn check_certificate(gateway: &Gateway, csr: &str, chain: &str) {
    let (_, pem) = parse_x509_pem(chain.as_bytes()).expect("PEM");
    let certificate = pem.parse_x509().expect("a certificate");
    let (_, csr) = parse_x509_pem(csr.as_bytes()).expect("PEM");
    let (_, csr) = X509CertificationRequest::from_der(&csr.contents).expect("a request");
    let wanted = csr.certification_request_info.subject_pki.raw;
    assert_eq!(certificate.public_key().raw, wanted);
    let names: Vec<_> =
        certificate.subject().iter_common_name().map(|name| name.as_str().expect("text")).collect();
    assert_eq!(names, ["CP-1"]);
    assert_eq!(certificate.subject().iter_organization().count(), 1, "whose it is (A00.FR.509)");
    let authority = gateway.chargebook.authority().await.expect("an authority");
    let (_, root) = x509_parser::parse_x509_certificate(&authority.root().der).expect("a root");
    assert!(root.is_ca() && !certificate.is_ca());
    assert!(certificate.verify_signature(Some(root.public_key())).is_ok());
    assert!(root.verify_signature(None).is_ok());
    let usage = certificate.extended_key_usage().expect("readable").expect("there");
    assert!(usage.value.client_auth && !usage.value.server_auth);
}

#[tokio::test]
async fn a_station_gets_the_certificate_it_asks_for_in_every_version() {
    for (protocol, extra) in [
        ("ocpp1.6", json!({})),
        ("ocpp2.0.1", json!({ "certificateType": KIND })),
        ("ocpp2.1", json!({ "certificateType": KIND, "requestId": 7 })),
    ] {
        let gateway = Gateway::start().await;
        let mut station = gateway.station_of(protocol).await;
        let csr = plain_request();
        let mut asked = extra.clone();
        asked["csr"] = json!(csr);
        assert_eq!(ask(&mut station, &asked).await, json!({ "status": "Accepted" }));
        let call = station.answer(&json!({ "status": "Accepted" })).await;
        assert_eq!(call[2], "CertificateSigned");
        let mut members = call[3].clone();
        let chain = members["certificateChain"].take();
        check_certificate(&gateway, &csr, chain.as_str().expect("a text")).await;
        let mut expected = extra;
        expected["certificateChain"] = Value::Null;
        assert_eq!(members, expected, "{protocol}");
        let delivered = gateway.facts_once("station.certificate_delivered", 1).await;
        assert_eq!(delivered[0]["accepted"], true);
        let requested = gateway.facts("station.certificate_requested").await;
        assert_eq!(requested[0]["issued"]["certificate_chain"], chain);
        assert_eq!(requested[0]["issued"]["serial_number"], delivered[0]["serial_number"]);
    }
}

#[tokio::test]
async fn a_1_6_station_that_asks_by_data_transfer_gets_it_in_its_own_words() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station_of("ocpp1.6").await;
    gateway.speaks("CP-1", &[Quirk::PlugAndChargeData]).await;
    let csr = plain_request();
    let asked = json!({ "csr": csr, "certificateType": KIND }).to_string();
    let answer = carried(&mut station, "SignCertificate", &asked).await;
    assert_eq!(answer, (json!("Accepted"), json!({ "status": "Accepted" })));
    let call = station.answer(&json!({ "status": "Accepted" })).await;
    assert_eq!(call[2], "CertificateSigned");
    let chain = call[3]["certificateChain"].as_str().expect("a text");
    assert_eq!(call[3], json!({ "certificateChain": chain }));
    check_certificate(&gateway, &csr, chain).await;
    let delivered = gateway.facts_once("station.certificate_delivered", 1).await;
    assert_eq!(delivered[0]["accepted"], true);
}

#[tokio::test]
async fn keys_of_every_common_kind_are_certified() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station_of("ocpp2.0.1").await;
    for csr in [RSA_2048.to_owned(), request("CP-1", &rcgen::PKCS_ECDSA_P384_SHA384)] {
        assert_eq!(ask(&mut station, &json!({ "csr": csr })).await["status"], "Accepted");
        let call = station.answer(&json!({ "status": "Accepted" })).await;
        check_certificate(&gateway, &csr, call[3]["certificateChain"].as_str().expect("a text"))
            .await;
    }
}

#[tokio::test]
async fn what_cannot_be_signed_is_rejected_with_the_reason() {
    let of = |csr: String| json!({ "csr": csr });
    let vehicle = json!({ "csr": plain_request(), "certificateType": "V2GCertificate" });
    let other = request("CP-2", &rcgen::PKCS_ECDSA_P256_SHA256);
    let ed25519 = request("CP-1", &rcgen::PKCS_ED25519);
    for (payload, declined, code) in [
        (of("no PEM".to_owned()), "unreadable", "InvalidCSR"),
        (of(tampered()), "wrong_signature", "InvalidCSR"),
        (of(RSA_1024.to_owned()), "unsuitable_key", "InvalidCSR"),
        (of(ed25519), "unsuitable_key", "InvalidCSR"),
        (of(other), "other_station", "InvalidCSR"),
        (vehicle, "other_kind", "UnsupportedRequest"),
    ] {
        let gateway = Gateway::start().await;
        let mut station = gateway.station_of("ocpp2.0.1").await;
        let answer = ask(&mut station, &payload).await;
        assert_eq!(answer["status"], "Rejected", "{declined}");
        assert_eq!(answer["statusInfo"]["reasonCode"], code, "{declined}");
        let requested = gateway.facts("station.certificate_requested").await;
        assert_eq!(requested[0]["declined"], declined);
        assert!(requested[0].get("issued").is_none());
        assert!(gateway.facts("command.requested").await.is_empty());
    }
    let gateway = Gateway::start().await;
    let mut station = gateway.station_of("ocpp1.6").await;
    let answer = ask(&mut station, &of(RSA_1024.to_owned())).await;
    assert_eq!(answer, json!({ "status": "Rejected" }), "1.6 has no word for why");
}

#[tokio::test]
async fn a_station_may_be_named_by_its_serial_number_and_gets_its_id() {
    let gateway = Gateway::start().await;
    let opened =
        gateway.connect("CP-1", Some(crate::support::PASSWORD.as_bytes()), Some("ocpp1.6"));
    let mut station = Station { web_socket: opened.await.expect("let in").0 };
    let boot =
        r#"{"chargePointVendor":"V","chargePointModel":"M","chargePointSerialNumber":"S-9"}"#;
    station.call("boot", "BootNotification", boot).await;
    let csr = request("S-9", &rcgen::PKCS_ECDSA_P256_SHA256);
    assert_eq!(ask(&mut station, &json!({ "csr": csr })).await["status"], "Accepted");
    let call = station.answer(&json!({ "status": "Accepted" })).await;
    check_certificate(&gateway, &csr, call[3]["certificateChain"].as_str().expect("a text")).await;
}

#[tokio::test]
async fn a_request_that_comes_again_gets_no_second_certificate() {
    for protocol in ["ocpp2.0.1", "ocpp2.1"] {
        asks_again(protocol).await;
    }
}

async fn asks_again(protocol: &'static str) {
    let gateway = Gateway::start().await;
    let mut station = gateway.station_of(protocol).await;
    let asked = json!({ "csr": plain_request() });
    assert_eq!(ask(&mut station, &asked).await["status"], "Accepted");
    let call = station.text().await;
    assert_eq!(call[2], "CertificateSigned");
    assert_eq!(ask(&mut station, &asked).await["status"], "Accepted");
    let requested = gateway.facts("station.certificate_requested").await;
    assert_eq!(requested.len(), 1);
    station.send(json!([3, call[1], { "status": "Rejected" }]).to_string()).await;
    let delivered = gateway.facts_once("station.certificate_delivered", 1).await;
    assert_eq!(delivered[0]["accepted"], false);
    // It did not take that one, and asks for another.
    assert_eq!(ask(&mut station, &asked).await["status"], "Accepted");
    station.answer(&json!({ "status": "Accepted" })).await;
    gateway.facts_once("station.certificate_delivered", 2).await;
}

#[tokio::test]
async fn a_request_with_another_number_is_another_request() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station_of("ocpp2.1").await;
    let csr = plain_request();
    let asked = |number: i32| json!({ "csr": csr, "certificateType": KIND, "requestId": number });
    assert_eq!(ask(&mut station, &asked(7)).await["status"], "Accepted");
    let first = station.text().await;
    assert_eq!(first[3]["requestId"], 7);
    assert_eq!(ask(&mut station, &asked(8)).await["status"], "Accepted");
    station.send(json!([3, first[1], { "status": "Accepted" }]).to_string()).await;
    assert_eq!(station.answer(&json!({ "status": "Accepted" })).await[3]["requestId"], 8);
}

#[tokio::test]
async fn who_has_proved_nothing_gets_no_certificate() {
    let gateway = Gateway::start().await;
    let csr = request("OPEN", &rcgen::PKCS_ECDSA_P256_SHA256);
    let opened = gateway.connect("OPEN", None, Some("ocpp2.0.1")).await;
    let mut station = Station { web_socket: opened.expect("let in").0 };
    station.boot_of("ocpp2.0.1").await;
    let answer = ask(&mut station, &json!({ "csr": csr })).await;
    assert_eq!(answer["status"], "Rejected");
    assert_eq!(answer["statusInfo"]["reasonCode"], "UnsupportedRequest");
    let requested = gateway.facts("station.certificate_requested").await;
    assert_eq!(requested[0]["declined"], "not_proven");
    assert!(gateway.facts("command.requested").await.is_empty());
}

#[tokio::test]
async fn a_station_may_name_itself_in_another_case_and_gets_its_id() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station_of("ocpp2.0.1").await;
    let csr = request("cp-1", &rcgen::PKCS_ECDSA_P256_SHA256);
    assert_eq!(ask(&mut station, &json!({ "csr": csr })).await["status"], "Accepted");
    let call = station.answer(&json!({ "status": "Accepted" })).await;
    check_certificate(&gateway, &csr, call[3]["certificateChain"].as_str().expect("a text")).await;
}

#[tokio::test]
async fn a_station_that_is_left_quiet_gets_what_it_asked_for() {
    let gateway = Gateway::start().await;
    let settings = SettingsChange { quiet: Some(true), ..SettingsChange::default() };
    let change = StationChange { settings, ..StationChange::default() };
    gateway.chargebook.change_station("CP-1", change).await.expect("changed");
    let mut station = gateway.station_of("ocpp2.0.1").await;
    ask(&mut station, &json!({ "csr": plain_request() })).await;
    assert_eq!(station.answer(&json!({ "status": "Accepted" })).await[2], "CertificateSigned");
}

#[tokio::test]
async fn the_authority_stays_the_same() {
    let gateway = Gateway::start().await;
    let root = gateway.chargebook.authority().await.expect("an authority").root().clone();
    let gateway = gateway.restart().await;
    assert_eq!(*gateway.chargebook.authority().await.expect("an authority").root(), root);
}
