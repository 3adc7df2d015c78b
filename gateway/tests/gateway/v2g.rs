//! Certificates that stations show to vehicles (ISO 15118): signed by an authority that the
//! operator brings.

use crate::support::{Gateway, Station};
use chargebook_commands::registry::RegistryError;
use chargebook_domain::events::v1::{Intent, Quirk};
use chrono::{Datelike as _, Utc};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, SignatureAlgorithm, date_time_ymd,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use x509_parser::pem::{Pem, parse_x509_pem};

const KIND: &str = "V2GCertificate";
const RSA_2048: &str = include_str!("requests/rsa_2048.pem");
const ROOT: &str = include_str!("root.pem");

/// An authority of a V2G infrastructure.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
    pub(crate) key: String,
}

impl Authority {
    fn new(name: &str, above: Option<&Self>, algorithm: &'static SignatureAlgorithm) -> Self {
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(2099, 1, 1);
        Self::of(params, above, key)
    }

    fn of(params: CertificateParams, above: Option<&Self>, key: KeyPair) -> Self {
        let certificate: Certificate = match above {
            Some(above) => params.signed_by(&key, &above.issuer).expect("a certificate"),
            None => params.self_signed(&key).expect("a root"),
        };
        let (pem, key_pem) = (certificate.pem(), key.serialize_pem());
        Self { issuer: Issuer::new(params, key), pem, key: key_pem }
    }
}

/// The root, and the two authorities below it: the one that signs last.
pub(crate) fn infrastructure() -> [Authority; 3] {
    let root = Authority::new("V2G root", None, &PKCS_ECDSA_P256_SHA256);
    let upper = Authority::new("CPO Sub1", Some(&root), &PKCS_ECDSA_P256_SHA256);
    let lower = Authority::new("CPO Sub2", Some(&upper), &PKCS_ECDSA_P256_SHA256);
    [root, upper, lower]
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A request of `CP-1`.
pub(crate) fn request(algorithm: &'static SignatureAlgorithm) -> String {
    let key = KeyPair::generate_for(algorithm).expect("a key");
    named("CP-1").serialize_request(&key).expect("a request").pem().expect("PEM")
}

async fn bring(gateway: &Gateway, chain: &[&Authority]) -> Result<(), RegistryError> {
    let key = &chain[0].key;
    let chain: String = chain.iter().map(|authority| authority.pem.as_str()).collect();
    gateway.chargebook.set_v2g_authority(&chain, key).await.map(|_| ())
}

async fn asked(station: &mut Station, csr: &str, kind: &str) -> Value {
    let payload = json!({ "csr": csr, "certificateType": kind }).to_string();
    station.call("sign", "SignCertificate", &payload).await[2].clone()
}

/// The certificates of a chain, in DER.
fn certificates(chain: &str) -> Vec<Vec<u8>> {
    Pem::iter_from_buffer(chain.as_bytes()).map(|block| block.expect("PEM").contents).collect()
}

#[tokio::test]
async fn what_a_station_shows_to_vehicles_is_signed_by_the_authority_that_was_brought() {
    for protocol in ["ocpp2.0.1", "ocpp2.1"] {
        let gateway = Gateway::start().await;
        let [root, upper, lower] = infrastructure();
        bring(&gateway, &[&lower, &upper, &root]).await.expect("taken");
        // A new process reads it from the vault.
        let gateway = gateway.restart().await;
        let mut station = gateway.station_of(protocol).await;
        let csr = request(&PKCS_ECDSA_P256_SHA256);
        assert_eq!(asked(&mut station, &csr, KIND).await, json!({ "status": "Accepted" }));
        let call = station.answer(&json!({ "status": "Accepted" })).await;
        assert_eq!(
            (&call[2], &call[3]["certificateType"]),
            (&json!("CertificateSigned"), &json!(KIND))
        );
        let chain = certificates(call[3]["certificateChain"].as_str().expect("a text"));
        let above = [&lower.pem, &upper.pem].map(|pem| certificates(pem).remove(0));
        assert_eq!(chain[1..], above, "all but the root, which vehicles know");
        let (_, own) = x509_parser::parse_x509_certificate(&chain[0]).expect("a certificate");
        let (_, issuer) = x509_parser::parse_x509_certificate(&chain[1]).expect("a certificate");
        assert!(own.verify_signature(Some(issuer.public_key())).is_ok() && !own.is_ca());
        assert_eq!(own.issuer().as_raw(), issuer.subject().as_raw());
        assert_eq!(own.subject().to_string(), "CN=CP-1, DC=CPO");
        let usage = own.key_usage().expect("readable").expect("there").value;
        assert!(usage.digital_signature() && usage.key_agreement() && !usage.key_cert_sign());
        let extended = own.extended_key_usage().expect("readable").expect("there").value;
        assert!(extended.server_auth && !extended.client_auth);
        let validity = own.validity();
        let days = (validity.not_after.timestamp() - validity.not_before.timestamp()) / 86_400;
        assert!((89..=91).contains(&days), "{days}");
        let delivered = gateway.facts_once("station.certificate_delivered", 1).await;
        assert_eq!(
            (&delivered[0]["accepted"], &delivered[0]["kind"]),
            (&json!(true), &json!(KIND))
        );
        for event in gateway.events().await {
            assert!(!event.data.as_str().contains("PRIVATE"), "{}", event.data.as_str());
        }
    }
}

#[tokio::test]
async fn no_other_kind_and_no_other_key_is_signed_for_vehicles() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station_of("ocpp2.1").await;
    let good = request(&PKCS_ECDSA_P256_SHA256);
    let reason = |answer: Value| answer["statusInfo"]["reasonCode"].clone();
    assert_eq!(reason(asked(&mut station, &good, KIND).await), "UnsupportedRequest", "by nobody");
    let [_, upper, lower] = infrastructure();
    bring(&gateway, &[&lower, &upper]).await.expect("taken");
    for (csr, kind, expected) in [
        (RSA_2048, KIND, "InvalidCSR"),
        (&request(&PKCS_ECDSA_P384_SHA384), KIND, "InvalidCSR"),
        (&good, "V2G20Certificate", "UnsupportedRequest"),
    ] {
        let answer = asked(&mut station, csr, kind).await;
        assert_eq!(
            (&answer["status"], &reason(answer.clone())),
            (&json!("Rejected"), &json!(expected))
        );
    }
    assert_eq!(asked(&mut station, &good, KIND).await["status"], "Accepted");
    station.answer(&json!({ "status": "Accepted" })).await;
    gateway.chargebook.withdraw_v2g_authority().await.expect("there was one");
    let answer = asked(&mut station, &request(&PKCS_ECDSA_P256_SHA256), KIND).await;
    assert_eq!(reason(answer), "UnsupportedRequest", "it is forgotten");
    assert!(gateway.chargebook.withdraw_v2g_authority().await.is_err());
}

#[tokio::test]
async fn a_certificate_for_vehicles_lets_nobody_in_and_takes_no_ones_place() {
    let gateway = Gateway::start().await;
    let [_, upper, lower] = infrastructure();
    bring(&gateway, &[&lower, &upper]).await.expect("taken");
    let mut station = gateway.station_of("ocpp2.0.1").await;
    for kind in ["ChargingStationCertificate", KIND] {
        let csr = request(&PKCS_ECDSA_P256_SHA256);
        assert_eq!(asked(&mut station, &csr, kind).await["status"], "Accepted");
        station.answer(&json!({ "status": "Accepted" })).await;
    }
    let requested = gateway.facts_once("station.certificate_requested", 2).await;
    let state = gateway.chargebook.registry().station("CP-1").await.expect("the log");
    let state = state.expect("registered");
    let serial_number = |index: usize| requested[index]["issued"]["serial_number"].clone();
    assert_eq!(json!(state.certificates), json!([serial_number(0)]));
    assert_eq!(json!(state.v2g_certificates), json!([serial_number(1)]));
    let withdrawn = serial_number(1);
    let withdrawn = withdrawn.as_str().expect("a number");
    gateway.chargebook.withdraw_certificate("CP-1", withdrawn).await.expect("withdrawn");
    assert!(gateway.chargebook.withdraw_certificate("CP-1", withdrawn).await.is_err());
}

#[tokio::test]
async fn nothing_that_has_ended_is_signed_on_an_authoritys_last_day() {
    let gateway = Gateway::start().await;
    let mut params = named("CPO Sub2");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // The last second of the day: certificates end with a day's beginning.
    let today = Utc::now().date_naive();
    let [month, day] = [today.month(), today.day()].map(|part| part as u8);
    let last_second = Duration::from_secs(24 * 60 * 60 - 1);
    params.not_after = date_time_ymd(today.year(), month, day) + last_second;
    let authority = Authority::of(params, None, KeyPair::generate().expect("a key"));
    bring(&gateway, &[&authority]).await.expect("taken");
    let mut station = gateway.station_of("ocpp2.1").await;
    let answer = asked(&mut station, &request(&PKCS_ECDSA_P256_SHA256), KIND).await;
    assert_eq!(answer["status"], "Rejected", "{answer}");
}

#[tokio::test]
async fn only_an_authority_with_its_own_key_can_be_brought() {
    let gateway = Gateway::start().await;
    let [root, upper, lower] = infrastructure();
    let other = Authority::new("CPO Sub2", Some(&upper), &PKCS_ECDSA_P384_SHA384);
    let key = KeyPair::generate().expect("a key");
    let no_authority = Authority::of(named("a leaf"), Some(&upper), key);
    let chain = |authorities: &[&Authority]| {
        authorities.iter().map(|authority| authority.pem.as_str()).collect::<String>()
    };
    for (chain, key, expected) in [
        (chain(&[&lower, &root]), &lower.key, "/certificate_chain"),
        (chain(&[&upper, &lower]), &upper.key, "/certificate_chain"),
        (chain(&[&no_authority, &upper]), &no_authority.key, "/certificate_chain"),
        (chain(&[&lower, &upper, &root, &root]), &lower.key, "/certificate_chain"),
        (String::new(), &lower.key, "/certificate_chain"),
        (chain(&[&lower, &upper]), &upper.key, "/private_key"),
        (chain(&[&lower, &upper]), &lower.pem, "/private_key"),
        (chain(&[&other, &upper]), &other.key, "/private_key"),
    ] {
        let refused = gateway.chargebook.set_v2g_authority(&chain, key).await;
        let Err(RegistryError::Invalid { pointer, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(pointer, expected);
    }
    let mut past = named("a past one");
    past.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (past.not_before, past.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let past = Authority::of(past, None, KeyPair::generate().expect("a key"));
    let refused = gateway.chargebook.set_v2g_authority(&past.pem, &past.key).await;
    assert!(refused.is_err());
    assert!(gateway.chargebook.v2g_authority().await.expect("the vault").is_none());
    assert!(gateway.facts("settings.v2g_authority_set").await.is_empty());
    let (_, pem) = parse_x509_pem(lower.pem.as_bytes()).expect("PEM");
    bring(&gateway, &[&lower, &upper]).await.expect("taken");
    let facts = gateway.facts("settings.v2g_authority_set").await;
    let kept = certificates(facts[0]["certificate_chain"].as_str().expect("a chain"));
    assert_eq!((kept.len(), &kept[0]), (2, &pem.contents));
}

/// Answers the DataTransfer that comes next with what it is to carry back; gives what it carried.
async fn carried(station: &mut Station, status: &str, data: Option<Value>) -> (Value, Value) {
    let mut answer = json!({ "status": status });
    if let Some(data) = data {
        answer["data"] = json!(data.to_string());
    }
    let call = station.answer(&answer).await;
    assert_eq!(call[2], "DataTransfer", "{call}");
    assert_eq!(call[3]["vendorId"], "org.openchargealliance.iso15118pnc");
    let data = call[3]["data"].as_str().expect("a text");
    (call[3]["messageId"].clone(), serde_json::from_str(data).expect("JSON"))
}

fn accepted() -> Option<Value> {
    Some(json!({ "status": "Accepted" }))
}

async fn ask(gateway: &Gateway, verb: Intent) {
    gateway.chargebook.request_command("CP-1", verb, "operator").await.expect("requested");
}

/// The status of the last of so many answered commands.
async fn last_status(gateway: &Gateway, count: usize) -> Value {
    let answered = gateway.facts_once("command.answered", count).await;
    answered.last().expect("answered")["status"].clone()
}

#[tokio::test]
async fn a_1_6_station_is_asked_about_certificates_for_vehicles_in_data_transfers() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station_of("ocpp1.6").await;
    gateway.speaks("CP-1", &[Quirk::PlugAndChargeData]).await;
    let (purpose, certificate) = ("V2GRootCertificate".to_owned(), ROOT.to_owned());
    let install = Intent::InstallCertificate { purpose: purpose.clone(), certificate };
    let installed = json!({ "certificateType": purpose, "certificate": ROOT });
    for (count, status, data, expected) in [
        (1, "UnknownVendorId", None, "UnknownVendorId"),
        (2, "Accepted", Some(json!({ "status": "Rejected" })), "Rejected"),
        (3, "Accepted", accepted(), "Accepted"),
    ] {
        ask(&gateway, install.clone()).await;
        let call = carried(&mut station, status, data).await;
        assert_eq!(call, (json!("InstallCertificate"), installed.clone()));
        assert_eq!(last_status(&gateway, count).await, expected);
    }
    let facts = gateway.facts("station.certificate_installed").await;
    assert_eq!(facts.len(), 1, "only what was accepted");
    assert_eq!(facts[0]["certificate"]["purpose"], "V2GRootCertificate");

    ask(&gateway, Intent::ListCertificates { purpose: Some(purpose.clone()) }).await;
    let hash = json!({ "hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb",
        "serialNumber": "07" });
    let chain = json!({ "certificateType": purpose, "certificateHashData": hash });
    let held = json!({ "status": "Accepted", "certificateHashDataChain": [chain] });
    let call = carried(&mut station, "Accepted", Some(held)).await;
    assert_eq!(
        call,
        (json!("GetInstalledCertificateIds"), json!({ "certificateType": [purpose] }))
    );
    let reported = gateway.facts_once("station.certificates_reported", 1).await;
    assert_eq!(reported[0]["purposes"], json!([purpose]));
    assert_eq!(reported[0]["certificates"][0]["hash"]["serial_number"], "07");

    let text = |text: &str| text.to_owned();
    let delete = Intent::DeleteCertificate {
        hash_algorithm: text("SHA256"),
        issuer_name_hash: text("aa"),
        issuer_key_hash: text("bb"),
        serial_number: text("07"),
        purpose: Some(purpose),
    };
    ask(&gateway, delete).await;
    let call = carried(&mut station, "Accepted", accepted()).await;
    assert_eq!(call, (json!("DeleteCertificate"), json!({ "certificateHashData": hash })));
    gateway.facts_once("station.certificate_deleted", 1).await;
}

#[tokio::test]
async fn a_1_6_station_gets_what_it_shows_to_vehicles_in_a_data_transfer() {
    let gateway = Gateway::start().await;
    let [_, upper, lower] = infrastructure();
    bring(&gateway, &[&lower, &upper]).await.expect("taken");
    let mut station = gateway.station_of("ocpp1.6").await;
    gateway.speaks("CP-1", &[Quirk::PlugAndChargeData]).await;
    let message = "SignV2GCertificate".to_owned();
    ask(&gateway, Intent::Trigger { message, connector: None, evse: None }).await;
    let call = carried(&mut station, "Accepted", accepted()).await;
    let wanted = json!({ "requestedMessage": "SignV2GCertificate" });
    assert_eq!(call, (json!("TriggerMessage"), wanted));
    for (count, accepts) in [(1, true), (2, false)] {
        let asked = json!({ "csr": request(&PKCS_ECDSA_P256_SHA256) }).to_string();
        let answer = crate::contracts::carried(&mut station, "SignCertificate", &asked).await;
        assert_eq!(answer, (json!("Accepted"), json!({ "status": "Accepted" })));
        let status = if accepts { "Accepted" } else { "Rejected" };
        let call = carried(&mut station, "Accepted", Some(json!({ "status": status }))).await;
        assert_eq!(
            (&call.0, &call.1["certificateType"]),
            (&json!("CertificateSigned"), &json!(KIND))
        );
        let chain = certificates(call.1["certificateChain"].as_str().expect("a chain"));
        assert_eq!(chain.len(), 3);
        let delivered = gateway.facts_once("station.certificate_delivered", count).await;
        assert_eq!(delivered[count - 1]["accepted"], accepts);
        assert_eq!(delivered[count - 1]["kind"], KIND);
    }
    // The one that it has not taken counts for nothing.
    gateway.facts_once("station.certificate_withdrawn", 1).await;
}

#[tokio::test]
async fn a_1_6_station_without_plug_and_charge_has_no_words_for_it() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station_of("ocpp1.6").await;
    let (purpose, certificate) = ("V2GRootCertificate".to_owned(), ROOT.to_owned());
    ask(&gateway, Intent::InstallCertificate { purpose, certificate }).await;
    gateway.facts_once("command.failed", 1).await;
    assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3, "nothing was sent");
}

/// The hash data of a certificate that this authority has issued, as a station names it.
fn hash_data(issuer: &[u8], serial_number: &str) -> Value {
    let (_, issuer) = x509_parser::parse_x509_certificate(issuer).expect("a certificate");
    let digest = |bytes: &[u8]| -> String {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    json!({ "hashAlgorithm": "SHA256", "issuerNameHash": digest(issuer.subject().as_raw()),
        "issuerKeyHash": digest(&issuer.public_key().subject_public_key.data),
        "serialNumber": serial_number })
}

#[tokio::test]
async fn of_what_was_signed_here_we_say_ourselves_whether_it_counts() {
    let gateway = Gateway::start().await;
    let [_, upper, lower] = infrastructure();
    bring(&gateway, &[&lower, &upper]).await.expect("taken");
    let mut station = gateway.station_of("ocpp2.1").await;
    let own = gateway.chargebook.authority().await.expect("an authority").root().der.clone();
    let issuers = [own, certificates(&lower.pem).remove(0)];
    for kind in ["ChargingStationCertificate", KIND] {
        let csr = request(&PKCS_ECDSA_P256_SHA256);
        assert_eq!(asked(&mut station, &csr, kind).await["status"], "Accepted");
        station.answer(&json!({ "status": "Accepted" })).await;
    }
    let requested = gateway.facts_once("station.certificate_requested", 2).await;
    // The authority for vehicles may have signed elsewhere too: its named responders are asked.
    for ((issuer, requested), unknown) in issuers.iter().zip(&requested).zip(["Unknown", "Failed"])
    {
        let serial_number = requested["issued"]["serial_number"].as_str().expect("a number");
        let status = async |station: &mut Station, serial_number: &str| {
            let asked = json!({ "certificateHashData": hash_data(issuer, serial_number),
                "source": "OCSP", "urls": ["http://nobody.example/"] });
            let asked = json!({ "certificateStatusRequests": [asked] }).to_string();
            let answer = station.call("c", "GetCertificateChainStatus", &asked).await;
            answer[2]["certificateStatus"][0]["status"].clone()
        };
        assert_eq!(status(&mut station, serial_number).await, "Good");
        assert_eq!(status(&mut station, "1234").await, unknown, "it was never signed");
        let withdrawn = gateway.chargebook.withdraw_certificate("CP-1", serial_number).await;
        withdrawn.expect("withdrawn");
        assert_eq!(status(&mut station, serial_number).await, "Revoked");
        let mut asked = hash_data(issuer, serial_number);
        asked["responderURL"] = json!("http://nobody.example/");
        let asked = json!({ "ocspRequestData": asked }).to_string();
        let answer = station.call("s", "GetCertificateStatus", &asked).await;
        assert_eq!(answer[2]["status"], "Accepted");
        assert!(answer[2]["ocspResult"].as_str().is_some_and(|signed| signed.len() > 100));
    }
    // Of an authority that nobody here knows nobody can tell.
    let stranger = Authority::new("a stranger", None, &PKCS_ECDSA_P256_SHA256);
    let mut asked = hash_data(&certificates(&stranger.pem)[0], "1");
    asked["responderURL"] = json!("http://nobody.example/");
    let asked = json!({ "ocspRequestData": asked }).to_string();
    let answer = station.call("s", "GetCertificateStatus", &asked).await;
    assert_eq!(answer[2], json!({ "status": "Failed" }));
}
