//! What a station asks on behalf of a vehicle (ISO 15118), and whom the server asks in turn: OCSP
//! responders and the service for contracts, each a real HTTP server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::harness::{Asked, ChargePoint, Partner, Settings, TestCsms};
use crate::messages::{boot, booted_2x};
use crate::tls::Files;

/// What `openssl ocsp` answers about two certificates of one authority: it counts, it is revoked.
const GOOD: &str = include_str!("../../commands/src/ocsp/wire/good.response.txt");
const REVOKED: &str = include_str!("../../commands/src/ocsp/wire/bad.response.txt");
/// And what it asks.
const ABOUT_GOOD: &str = include_str!("../../commands/src/ocsp/wire/good.request.txt");

const NAME_HASH: &str = "c7c71d12c02ad099ea3a5c5a5e25bd8c8b0cdbfef7164ebe7696443cec65f87d";
const KEY_HASH: &str = "0b78d68c65e10dc1963d01705275dbb9d72c6ddd9b52ddbea94de1acf02d6bc8";
const GOOD_SERIAL: &str = "f1234567890abcdef";
const REVOKED_SERIAL: &str = "8a";
const CONTRACT: &str = "DE8AA1A2B3C4D5";

fn bytes(base64: &str) -> Vec<u8> {
    BASE64.decode(base64.replace('\n', "")).expect("base64")
}

fn hash_data(serial_number: &str) -> Value {
    json!({ "hashAlgorithm": "SHA256", "issuerNameHash": NAME_HASH, "issuerKeyHash": KEY_HASH,
        "serialNumber": serial_number })
}

fn question(serial_number: &str, responder: &str) -> Value {
    let mut data = hash_data(serial_number);
    data["responderURL"] = json!(format!("http://{responder}/ocsp"));
    data
}

/// Whether a text stands in the log in plain; its newest part is beside it.
fn is_in_the_log(csms: &TestCsms, text: &str) -> bool {
    let read = |name: &str| std::fs::read(csms.data().join(name)).unwrap_or_default();
    let log = [read("log.db"), read("log.db-wal")].concat();
    assert!(log.windows(4).any(|bytes| bytes == b"CP-1"), "the log is read");
    log.windows(text.len()).any(|bytes| bytes == text.as_bytes())
}

/// A responder that knows both certificates.
fn responder() -> Partner {
    Partner::answering(|asked| {
        let known = if asked.body == bytes(ABOUT_GOOD) { GOOD } else { REVOKED };
        ("200 OK", bytes(known))
    })
}

#[track_caller]
fn csms(arguments: &[&str]) -> TestCsms {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let csms = TestCsms::start_with(Settings { arguments, ..Settings::default() });
    csms.add_station("CP-1");
    csms
}

#[test]
fn the_status_of_a_certificate_is_what_its_responder_says() {
    let responder = responder();
    for version in ["ocpp2.0.1", "ocpp2.1"] {
        let before = responder.asked().len();
        let csms = csms(&["--ocsp-responder", &responder.address]);
        let mut station = booted_2x(&csms, version);
        let mut ask = |serial_number: &str, responder: &str| {
            let asked = json!({ "ocspRequestData": question(serial_number, responder) });
            station.call("GetCertificateStatus", asked)
        };
        let known = json!({ "status": "Accepted", "ocspResult": GOOD.replace('\n', "") });
        assert_eq!(ask(GOOD_SERIAL, &responder.address), known);
        assert_eq!(ask(GOOD_SERIAL, &responder.address), known, "and again, without asking");
        let asked = responder.asked().split_off(before);
        assert_eq!(asked.len(), 1, "its answer holds for long");
        assert_eq!(asked[0].line, "POST /ocsp HTTP/1.1");
        assert!(asked[0].headers.contains(&"content-type: application/ocsp-request".to_owned()));
        assert_eq!(asked[0].body, bytes(ABOUT_GOOD));
        // Who was not named is not asked, nor whoever says nothing of the certificate believed.
        let failed = json!({ "status": "Failed" });
        let other = self::responder();
        assert_eq!(ask(GOOD_SERIAL, &other.address), failed);
        assert!(other.asked().is_empty());
        assert_eq!(ask("77", &responder.address), failed);
    }
}

#[test]
fn the_certificates_of_a_chain_are_told_one_by_one() {
    let responder = responder();
    let csms = csms(&["--ocsp-responder", &responder.address]);
    let mut station = booted_2x(&csms, "ocpp2.1");
    let url = format!("http://{}/ocsp", responder.address);
    let asked = |serial_number: &str, source: &str| {
        json!({ "certificateHashData": hash_data(serial_number), "source": source,
            "urls": ["http://nobody.example/", url] })
    };
    let requests = [
        asked(GOOD_SERIAL, "OCSP"),
        asked(REVOKED_SERIAL, "OCSP"),
        asked("77", "OCSP"),
        asked(GOOD_SERIAL, "CRL"),
    ];
    let answer =
        station.call("GetCertificateChainStatus", json!({ "certificateStatusRequests": requests }));
    let told = answer["certificateStatus"].as_array().expect("a list");
    let statuses: Vec<_> = told.iter().map(|told| &told["status"]).collect();
    assert_eq!(statuses, ["Good", "Revoked", "Failed", "Failed"], "{answer:#}");
    for (told, asked) in told.iter().zip(&requests) {
        assert_eq!(told["certificateHashData"], asked["certificateHashData"]);
        assert_eq!(told["source"], asked["source"]);
    }
    assert!(told[0]["nextUpdate"].as_str().is_some_and(|at| at > "2100"), "{answer:#}");
}

#[test]
fn a_contract_counts_while_none_of_its_certificates_is_revoked() {
    let responder = responder();
    let csms = csms(&["--ocsp-responder", &responder.address]);
    csms.post("/v1/tokens", &json!({ "uid": CONTRACT, "type": "OTHER" })).expect(201);
    for version in ["ocpp2.0.1", "ocpp2.1"] {
        let mut station = booted_2x(&csms, version);
        // The peer's library misspells the hashes of 2.1: the frames are written by hand.
        station.connect_raw_as(&csms, version);
        let mut authorized = |hashes: &[Value]| {
            let asked = json!({ "idToken": { "idToken": CONTRACT, "type": "eMAID" },
                "iso15118CertificateHashData": hashes });
            let answer = station.exchange(&json!([2, "1", "Authorize", asked]).to_string());
            let answer = &answer[2];
            [answer["idTokenInfo"]["status"].clone(), answer["certificateStatus"].clone()]
        };
        let good = question(GOOD_SERIAL, &responder.address);
        let revoked = question(REVOKED_SERIAL, &responder.address);
        let untold = question("77", &responder.address);
        assert_eq!(authorized(std::slice::from_ref(&good)), ["Accepted", "Accepted"], "{version}");
        assert_eq!(authorized(&[good.clone(), revoked]), ["Invalid", "CertificateRevoked"]);
        assert_eq!(authorized(&[good, untold]), ["Invalid", "NoCertificateAvailable"]);
    }
}

/// A service that gives contracts for one request, and nothing for others.
fn contract_service() -> Partner {
    Partner::answering(contract_for)
}

fn contract_for(asked: &Asked) -> (&'static str, Vec<u8>) {
    let body: Value = serde_json::from_slice(&asked.body).expect("JSON");
    if body["certificateInstallationReq"] != "gJgCAAAA" {
        return ("404 Not Found", Vec::new());
    }
    let contract = json!({ "messageDef": { "certificateInstallationRes": "gJgCBBBB" } });
    let answer = json!({ "CCPResponse": { "emaidContent": [contract, contract] } });
    ("200 OK", answer.to_string().into_bytes())
}

const SCHEMA_2: &str = "urn:iso:15118:2:2013:MsgDef";

fn wish(action: &str, exi_request: &str) -> Value {
    json!({ "iso15118SchemaVersion": SCHEMA_2, "action": action, "exiRequest": exi_request })
}

#[test]
fn a_vehicle_gets_its_contract_from_the_service_that_was_named() {
    let service = contract_service();
    let url = format!("http://{}/v1/ccp/signedContractData", service.address);
    let arguments = ["--contract-service", &url, "--contract-service-token", "secret"];
    for (version, action) in [
        ("ocpp2.0.1", "Install"),
        ("ocpp2.0.1", "Update"),
        ("ocpp2.1", "Install"),
        ("ocpp2.1", "Update"),
    ] {
        let before = service.asked().len();
        let csms = csms(&arguments);
        let mut station = booted_2x(&csms, version);
        // The peer's library has no such request of 2.1: it is written by hand.
        station.connect_raw_as(&csms, version);
        let mut ask = |exi_request: &str| {
            let wish = wish(action, exi_request);
            let frame = json!([2, "1", "Get15118EVCertificate", wish]).to_string();
            station.exchange(&frame)[2].clone()
        };
        let contract = json!({ "status": "Accepted", "exiResponse": "gJgCBBBB" });
        assert_eq!(ask("gJgCAAAA"), contract);
        let asked = service.asked().split_off(before);
        assert_eq!(asked[0].line, "POST /v1/ccp/signedContractData HTTP/1.1");
        assert!(asked[0].headers.contains(&"authorization: bearer secret".to_owned()));
        let body: Value = serde_json::from_slice(&asked[0].body).expect("JSON");
        assert_eq!(body["xsdMsgDefNamespace"], SCHEMA_2);
        assert_eq!(body["action"], action);
        assert_eq!(ask("gJgCZZZZ"), json!({ "status": "Failed", "exiResponse": "" }));
        // A contract's keys are the vehicle's alone.
        assert!(!is_in_the_log(&csms, "gJgC") && !is_in_the_log(&csms, "secret"));
        assert!(!csms.log().iter().any(|line| line.contains("secret")));
    }
}

/// Over TLS a service is told something only where its certificate leads to a root that is known.
#[test]
fn a_service_over_tls_is_known_by_a_root_that_was_named() {
    let files = Files::new();
    let read = |name: &str| std::fs::read_to_string(files.path(name)).expect("a file");
    let (certificate, key) = (read("server.pem"), read("server.key"));
    let service = Partner::answering_over_tls(&certificate, &key, contract_for);
    let url = format!("https://{}/v1/ccp/signedContractData", service.address);
    let authority = files.path("authority.pem");
    let named = ["--outside-authority", authority.to_str().expect("UTF-8")];
    for (further, status) in [(&named[..], "Accepted"), (&[], "Failed")] {
        let csms = csms(&[&["--contract-service", &url], further].concat());
        let mut station = booted_2x(&csms, "ocpp2.0.1");
        let answer = station.call("Get15118EVCertificate", wish("Install", "gJgCAAAA"));
        assert_eq!((&answer["status"], service.asked().len()), (&json!(status), 1));
    }
}

/// M01.FR.04 to FR.07: it sends the same request for as long as there are more.
#[test]
fn a_vehicle_of_iso_15118_20_gets_its_contracts_one_by_one() {
    let service = Partner::answering(|_| {
        let contract = |exi: &str| json!({ "messageDef": { "certificateInstallationRes": exi } });
        let contracts = ["gJgCBBBB", "gJgCCCCC", "gJgCDDDD"].map(contract);
        let answer = json!({ "CCPResponse": { "emaidContent": contracts } });
        ("200 OK", answer.to_string().into_bytes())
    });
    let url = format!("http://{}/", service.address);
    let csms = csms(&["--contract-service", &url]);
    let mut station = booted_2x(&csms, "ocpp2.1");
    let mut wanted = wish("Install", "gJgCAAAA");
    wanted["maximumContractCertificateChains"] = json!(3);
    wanted["prioritizedEMAIDs"] = json!([CONTRACT]);
    station.connect_raw_as(&csms, "ocpp2.1");
    // After the last one it is a question of its own again.
    for (id, contract, remaining, asked) in [
        ("1", "gJgCBBBB", 2, 1),
        ("2", "gJgCCCCC", 1, 1),
        ("3", "gJgCDDDD", 0, 1),
        ("4", "gJgCBBBB", 2, 2),
    ] {
        let frame = json!([2, id, "Get15118EVCertificate", wanted]).to_string();
        let expected = json!({ "status": "Accepted", "exiResponse": contract,
            "remainingContracts": remaining });
        assert_eq!(station.exchange(&frame), json!([3, id, expected]));
        assert_eq!(service.asked().len(), asked);
    }
    let body: Value = serde_json::from_slice(&service.asked()[0].body).expect("JSON");
    assert_eq!(body["prioritizedEMAIDs"], json!([CONTRACT]));
    assert_eq!(body["maximumContractCertificateChains"], 3);
    assert!(!is_in_the_log(&csms, CONTRACT) && !is_in_the_log(&csms, "gJgC"));
}

#[test]
fn a_1_6_station_asks_the_same_in_a_data_transfer() {
    let (responder, service) = (responder(), contract_service());
    let url = format!("http://{}/", service.address);
    let arguments = ["--ocsp-responder", &responder.address, "--contract-service", &url];
    let csms = csms(&arguments);
    let change = json!({ "dialect": ["plug_and_charge_data"] });
    csms.patch("/v1/stations/CP-1", &change).expect(200);
    let mut station = ChargePoint::connected(&csms, "CP-1");
    assert_eq!(station.call("BootNotification", boot())["status"], "Accepted");
    let mut carried = |message: &str, data: Value| {
        let asked = json!({ "vendorId": "org.openchargealliance.iso15118pnc",
            "messageId": message, "data": data.to_string() });
        let answer = station.call("DataTransfer", asked);
        assert_eq!(answer["status"], "Accepted", "{answer}");
        serde_json::from_str::<Value>(answer["data"].as_str().expect("data")).expect("JSON")
    };
    let asked = json!({ "ocspRequestData": question(GOOD_SERIAL, &responder.address) });
    let known = json!({ "status": "Accepted", "ocspResult": GOOD.replace('\n', "") });
    assert_eq!(carried("GetCertificateStatus", asked), known);
    let contract = json!({ "status": "Accepted", "exiResponse": "gJgCBBBB" });
    assert_eq!(carried("Get15118EVCertificate", wish("Install", "gJgCAAAA")), contract);
    assert!(!is_in_the_log(&csms, "gJgC"));
}
