//! Block A: who is let in.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256,
};
use serde_json::json;

use super::{Bench, in_both, status_is};
use crate::harness::ChargePoint;
use crate::messages::boot_2x;

/// How a connection with these settings ends: agreed on the version, or refused.
#[track_caller]
fn refused(bench: &Bench, mut changes: serde_json::Value) {
    changes["subprotocols"] = json!([bench.version]);
    let reply = ChargePoint::new("CP-1").try_connect(&bench.csms, changes);
    assert_eq!(reply["status"], 401, "{reply}");
}

#[track_caller]
fn let_in(bench: &mut Bench, password: &str) {
    let changes = json!({ "subprotocols": [bench.version], "password": password });
    let reply = bench.station.try_connect(&bench.csms, changes);
    assert_eq!(reply["subprotocol"], bench.version, "{reply}");
    assert_eq!(bench.station.call("BootNotification", boot_2x())["status"], "Accepted");
    bench.connector_is("Available");
}

const OLD: &str = "password of CP-1";
const NEW: &str = "another password of CP-1";

/// TC_A_01 (right), TC_A_02 (a name that is not the station's), TC_A_03 (no password, a wrong one).
#[test]
fn the_password_lets_in() {
    in_both(|bench| {
        refused(bench, json!({ "user": "CP-2" }));
        refused(bench, json!({ "password": null }));
        refused(bench, json!({ "password": "wrong password of CP-1" }));
        let_in(bench, OLD);
    });
}

/// TC_A_10 (the station refuses the new one, the old one counts), TC_A_09 (it takes it, and only
/// the new one counts).
#[test]
fn a_new_password_counts_once_the_station_has_it() {
    in_both(|bench| {
        for (answer, lets_in, refused_is) in [("Rejected", OLD, NEW), ("Accepted", NEW, OLD)] {
            let place = json!({ "component": { "name": "SecurityCtrlr" },
                "variable": { "name": "BasicAuthPassword" } });
            let mut wanted = place.clone();
            wanted["attributeValue"] = json!(NEW);
            let mut result = place;
            result["attributeStatus"] = json!(answer);
            bench.station.will_answer("SetVariables", json!({ "setVariableResult": [result] }));
            let body = json!({ "verb": "change_configuration", "value": NEW,
                "key": "SecurityCtrlr.BasicAuthPassword" });
            let path = "/v1/stations/CP-1/commands";
            let wait = [("Prefer", "wait=30")];
            bench.csms.send("POST", path, &wait, &body.to_string()).expect(200);
            let call = bench.station.received_calls().pop().expect("a CALL");
            assert_eq!(call["payload"], json!({ "setVariableData": [wanted] }));
            bench.station.disconnect();
            refused(bench, json!({ "password": refused_is }));
            let_in(bench, lets_in);
        }
    });
}

/// What the station says of certificates and its firmware in security events: TC_A_14 at its end.
#[test]
fn security_events_are_kept() {
    in_both(|bench| {
        let event = json!({ "type": "InvalidChargingStationCertificate",
            "timestamp": "2026-11-20T10:00:00Z" });
        bench.notes("SecurityEventNotification", event);
        let position = bench.csms.events().last().expect("an event")["position"].clone();
        let path = format!("/v1/security-events?station=CP-1&wait_for={position}");
        assert_eq!(bench.csms.list(&path)[0]["kind"], "InvalidChargingStationCertificate");
    });
}

/// A request of `CP-1`, in PEM.
fn certificate_request() -> String {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "CP-1");
    params.serialize_request(&key).expect("a request").pem().expect("PEM")
}

/// The operator brings an authority below a V2G root; gives its certificate.
#[track_caller]
fn brings_v2g_authority(bench: &Bench) -> String {
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params, KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key"))
    };
    let ((root, root_key), (own, own_key)) = (authority("V2G root"), authority("CPO sub"));
    let certificate = own.signed_by(&own_key, &Issuer::new(root, root_key)).expect("signed").pem();
    let body = json!({ "certificate_chain": certificate, "private_key": own_key.serialize_pem() });
    bench.csms.put("/v1/v2g-authority", &body).expect(200);
    let shown = bench.csms.get("/v1/v2g-authority").expect(200).json();
    assert_eq!((&shown["subject"], shown.get("private_key")), (&json!("CN=CPO sub"), None));
    let wrong = json!({ "certificate_chain": certificate, "private_key": "no key" });
    bench.csms.put("/v1/v2g-authority", &wrong).expect(422);
    certificate
}

/// TC_A_12 (what the station shows to vehicles), TC_A_13 (one for all; of 2.0.1).
#[test]
fn certificates_are_renewed_when_it_is_triggered() {
    in_both(|bench| {
        let authority = brings_v2g_authority(bench);
        for (trigger, kind) in
            [("SignV2GCertificate", Some("V2GCertificate")), ("SignCombinedCertificate", None)]
        {
            let wanted = json!({ "requestedMessage": trigger });
            bench.asks("TriggerMessage", wanted, status_is("Accepted"));
            bench.station.will_answer("CertificateSigned", status_is("Accepted"));
            let mut asked = json!({ "csr": certificate_request() });
            if let Some(kind) = kind {
                asked["certificateType"] = json!(kind);
            }
            assert_eq!(bench.station.call("SignCertificate", asked), status_is("Accepted"));
            let call = crate::harness::eventually("CertificateSigned", || {
                bench.station.received_calls().into_iter().rev().find(|call| {
                    call["action"] == "CertificateSigned"
                        && call["payload"].get("certificateType") == kind.map(|k| json!(k)).as_ref()
                })
            });
            let chain = call["payload"]["certificateChain"].as_str().expect("a chain");
            let is_for_vehicles = chain.trim_end().ends_with(authority.trim_end());
            assert_eq!(is_for_vehicles, kind.is_some(), "{chain}");
        }
    });
}

/// TC_M_01 to TC_M_04 (a root of each purpose), TC_M_05 (it fails).
#[test]
fn certificates_are_installed() {
    in_both(|bench| {
        let root = include_str!("../../../gateway/tests/gateway/root.pem");
        for (purpose, answer) in [
            ("CSMSRootCertificate", "Accepted"),
            ("ManufacturerRootCertificate", "Accepted"),
            ("V2GRootCertificate", "Accepted"),
            ("MORootCertificate", "Accepted"),
            ("CSMSRootCertificate", "Failed"),
        ] {
            let body = json!({ "verb": "install_certificate", "purpose": purpose,
                "certificate": root });
            let sent = bench.commands(body, "InstallCertificate", status_is(answer));
            assert_eq!(sent, json!({ "certificateType": purpose, "certificate": root }));
        }
    });
}

fn hash(algorithm: &str) -> serde_json::Value {
    json!({ "hashAlgorithm": algorithm, "issuerNameHash": "aa", "issuerKeyHash": "bb",
        "serialNumber": "07" })
}

/// TC_M_12 to TC_M_16 (of one purpose), TC_M_17 (of two), TC_M_18 (all), TC_M_19 (none).
#[test]
fn certificates_are_listed() {
    in_both(|bench| {
        for purposes in [
            &["CSMSRootCertificate"][..],
            &["ManufacturerRootCertificate"],
            &["V2GRootCertificate"],
            &["V2GCertificateChain"],
            &["MORootCertificate"],
            &["CSMSRootCertificate", "ManufacturerRootCertificate"],
            &[],
        ] {
            let wanted = match purposes {
                [] => json!({}),
                purposes => json!({ "certificateType": purposes }),
            };
            for algorithm in ["SHA256", "SHA384", "SHA512"] {
                let chain = json!({ "certificateType": "CSMSRootCertificate",
                    "certificateHashData": hash(algorithm) });
                let held = json!({ "status": "Accepted", "certificateHashDataChain": [chain] });
                bench.asks("GetInstalledCertificateIds", wanted.clone(), held);
            }
        }
        let wanted = json!({ "certificateType": ["ManufacturerRootCertificate"] });
        bench.asks("GetInstalledCertificateIds", wanted, status_is("NotFound"));
    });
}

/// TC_M_20 (with every hash algorithm), TC_M_21 (it fails).
#[test]
fn a_certificate_is_deleted() {
    in_both(|bench| {
        for (algorithm, answer) in [
            ("SHA256", "Accepted"),
            ("SHA384", "Accepted"),
            ("SHA512", "Accepted"),
            ("SHA256", "Failed"),
        ] {
            let body = json!({ "verb": "delete_certificate", "hash_algorithm": algorithm,
                "issuer_name_hash": "aa", "issuer_key_hash": "bb", "serial_number": "07" });
            let sent = bench.commands(body, "DeleteCertificate", status_is(answer));
            assert_eq!(sent, json!({ "certificateHashData": hash(algorithm) }));
        }
    });
}
