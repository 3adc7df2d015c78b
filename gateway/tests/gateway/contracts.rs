//! Contract certificates (Plug & Charge): what a vehicle presents is held against the roots that
//! the operator trusts.

use crate::support::{Gateway, Station, TAG};
use chargebook_commands::registry::{TokenChange, TokenRegistration};
use chargebook_domain::events::v1::{Quirk, TokenStatus, TrustPurpose};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair,
};
use serde_json::{Value, json};

const CONTRACT: &str = "DE8AA1A2B3C4D5";

/// A mobility operator's root, and the certificate of a contract below it; both in PEM.
fn contract() -> (String, String) {
    let key = || KeyPair::generate().expect("a key");
    let pem = |certificate: Certificate| certificate.pem();
    let named = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let mut root = named("MO root");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (root_key, contract_key) = (key(), key());
    let root_pem = pem(root.self_signed(&root_key).expect("a root"));
    let issuer = Issuer::new(root, root_key);
    let contract = named(CONTRACT).signed_by(&contract_key, &issuer).expect("a certificate");
    (root_pem, pem(contract))
}

/// The statuses of the token and of the certificate.
async fn authorized(station: &mut Station, certificate: Value) -> [Value; 2] {
    let mut payload = json!({ "idToken": { "idToken": CONTRACT, "type": "eMAID" } });
    let members = payload.as_object_mut().expect("an object");
    members.extend(certificate.as_object().expect("an object").clone());
    let answer = station.call("a", "Authorize", &payload.to_string()).await;
    [answer[2]["idTokenInfo"]["status"].clone(), answer[2]["certificateStatus"].clone()]
}

#[tokio::test]
async fn a_contract_is_let_in_by_a_certificate_that_leads_to_a_trusted_root() {
    for protocol in ["ocpp2.0.1", "ocpp2.1"] {
        let gateway = Gateway::start().await;
        let registry = gateway.chargebook.registry();
        let token = TokenRegistration {
            uid: CONTRACT.to_owned(),
            kind: "OTHER".to_owned(),
            driver: None,
            status: TokenStatus::Accepted,
            expires_at: None,
            group: None,
        };
        registry.register_token(token).await.expect("registered");
        let mut station = gateway.station_of(protocol).await;
        let (root, contract) = contract();
        let with_chain = json!({ "certificate": contract });

        let answer = authorized(&mut station, with_chain.clone()).await;
        assert_eq!(answer, ["Invalid", "CertChainError"], "nobody is trusted yet");
        let purpose = TrustPurpose::MoRoot;
        let (added, anchor) = registry.add_trust_anchor(purpose, &root).await.expect("trusted");
        assert!(added.created);
        let answer = authorized(&mut station, with_chain.clone()).await;
        assert_eq!(answer, ["Accepted", "Accepted"]);
        let answer = authorized(&mut station, json!({})).await;
        assert_eq!(answer, [json!("Accepted"), Value::Null], "a token without a certificate");
        let hash = json!([{
            "hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb",
            "serialNumber": "1", "responderURL": "http://ocsp.example",
        }]);
        let answer = authorized(&mut station, json!({ "iso15118CertificateHashData": hash })).await;
        assert_eq!(answer, ["Invalid", "NoCertificateAvailable"]);

        let blocked = TokenChange { status: Some(TokenStatus::Blocked), ..TokenChange::default() };
        registry.change_token(CONTRACT, blocked).await.expect("blocked");
        let answer = authorized(&mut station, with_chain.clone()).await;
        assert_eq!(answer, ["Blocked", "ContractCancelled"]);

        let fingerprint = &anchor.fingerprint_sha256;
        registry.withdraw_trust_anchor(fingerprint).await.expect("withdrawn");
        let answer = authorized(&mut station, with_chain).await;
        assert_eq!(answer, ["Invalid", "CertChainError"]);
        // The contract's id is in the certificate: it is nowhere in plain.
        for event in gateway.events().await {
            assert!(!event.data.as_str().contains(CONTRACT), "{}", event.data.as_str());
            assert!(!event.data.as_str().contains(&contract[60..90]), "{}", event.data.as_str());
        }
    }
}

/// A message of Plug & Charge in a DataTransfer: the status, and the answer that came back in it.
pub(crate) async fn carried(station: &mut Station, message: &str, data: &str) -> (Value, Value) {
    let payload = json!({
        "vendorId": "org.openchargealliance.iso15118pnc", "messageId": message, "data": data,
    });
    let answer = station.call("d", "DataTransfer", &payload.to_string()).await[2].clone();
    let data = answer["data"].as_str().map(|data| serde_json::from_str(data).expect("JSON"));
    (answer["status"].clone(), data.unwrap_or_default())
}

#[tokio::test]
async fn a_1_6_station_carries_plug_and_charge_in_data_transfer() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    let (root, contract) = contract();
    let authorize = json!({
        "idToken": { "idToken": TAG, "type": "ISO14443" },
    });
    let of_contract = json!({
        "idToken": { "idToken": CONTRACT, "type": "eMAID" }, "certificate": contract,
    });
    let (authorize, of_contract) = (authorize.to_string(), of_contract.to_string());
    let refused = carried(&mut station, "Authorize", &authorize).await;
    assert_eq!(refused, (json!("UnknownVendorId"), Value::Null));
    gateway.facts_once("station.quirk_noticed", 1).await;
    assert_eq!(gateway.noticed().await, ["plug_and_charge_data"]);
    gateway.speaks("CP-1", &[Quirk::PlugAndChargeData]).await;

    let accepted = json!({ "idTokenInfo": { "status": "Accepted" } });
    let answer = carried(&mut station, "Authorize", &authorize).await;
    assert_eq!(answer, (json!("Accepted"), accepted));
    let registry = gateway.chargebook.registry();
    registry.add_trust_anchor(TrustPurpose::V2gRoot, &root).await.expect("trusted");
    // The certificate is good, and nobody of that contract is registered (C07.FR.13).
    let unknown =
        json!({ "idTokenInfo": { "status": "Invalid" }, "certificateStatus": "ContractCancelled" });
    let answer = carried(&mut station, "Authorize", &of_contract).await;
    assert_eq!(answer, (json!("Accepted"), unknown));
    let request = json!({
        "hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb",
        "serialNumber": "1", "responderURL": "http://ocsp.example",
    });
    let request = json!({ "ocspRequestData": request }).to_string();
    let answer = carried(&mut station, "GetCertificateStatus", &request).await;
    assert_eq!(answer, (json!("Accepted"), json!({ "status": "Failed" })));
    let answer = carried(&mut station, "SignCertificate", r#"{"csr":"no request"}"#).await;
    assert_eq!((&answer.0, &answer.1["status"]), (&json!("Accepted"), &json!("Rejected")));

    for (message, data, status) in [
        ("BootNotification", "{}", "UnknownMessageId"),
        ("authorize", "{}", "UnknownMessageId"),
        ("Authorize", "{}", "Rejected"),
        ("Authorize", "no JSON", "Rejected"),
    ] {
        let refused = carried(&mut station, message, data).await;
        assert_eq!(refused, (json!(status), Value::Null), "{message} {data}");
    }
    for event in gateway.events().await {
        assert!(!event.data.as_str().contains(CONTRACT), "{}", event.data.as_str());
        assert!(!event.data.as_str().contains(TAG), "{}", event.data.as_str());
    }
}
