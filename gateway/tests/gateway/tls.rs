//! TLS of our own: security profiles 2 and 3, with a client that knows nothing of ours.

use crate::support::{
    FREE_FAILURES, Gateway, HELD_MAX, Knock, PASSWORD, PATIENCE, Station, TlsFiles, held_for_ever,
};
use chargebook_commands::registry::StationChange;
use chargebook_gateway::Limits;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::{Error, Message};

pub(crate) type Versions = &'static [&'static SupportedProtocolVersion];
pub(crate) const EACH_VERSION: [Versions; 2] = [&[&version::TLS12], &[&version::TLS13]];

/// Somebody who signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = named("An authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a root").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate and its key, in PEM.
    pub(crate) fn sign(&self, params: &CertificateParams) -> (String, String) {
        self.sign_for(&KeyPair::generate().expect("a key"), params)
    }

    /// The same for a key that there is.
    pub(crate) fn sign_for(&self, key: &KeyPair, params: &CertificateParams) -> (String, String) {
        let certificate = params.signed_by(key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// A gateway's files, and whom it takes stations' certificates from.
    pub(crate) fn server(&self, client_authority: Option<&Self>) -> TlsFiles {
        let client_authority = client_authority.map(|authority| authority.pem.clone());
        TlsFiles { first: self.sign(&of_server()), second: None, client_authority }
    }

    fn station(&self, id: &str) -> (String, String) {
        self.sign(&of_station(id))
    }
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

pub(crate) fn of_server() -> CertificateParams {
    CertificateParams::new(["localhost".to_owned()]).expect("parameters")
}

fn of_station(id: &str) -> CertificateParams {
    let mut params = named(id);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// What a station's side of TLS is made of.
pub(crate) struct Client<'c> {
    pub(crate) trusts: &'c Authority,
    pub(crate) certificate: Option<&'c (String, String)>,
    pub(crate) versions: Versions,
    /// Whose signatures it can check.
    pub(crate) checks: CryptoProvider,
}

impl<'c> Client<'c> {
    pub(crate) fn trusting(trusts: &'c Authority) -> Self {
        let checks = rustls::crypto::ring::default_provider();
        Self { trusts, certificate: None, versions: rustls::ALL_VERSIONS, checks }
    }

    fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.trusts.pem.as_bytes()).expect("PEM");
        roots.add(root).expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(self.checks.clone()))
            .with_protocol_versions(self.versions)
            .expect("versions")
            .with_root_certificates(roots);
        match self.certificate {
            None => config.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = CertificateDer::pem_slice_iter(chain.as_bytes());
                let chain = chain.collect::<Result<Vec<_>, _>>().expect("PEM");
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
                config.with_client_auth_cert(chain, key).expect("they fit")
            }
        }
    }

    /// Knocks at the TLS door.
    pub(crate) async fn knock(
        &self,
        gateway: &Gateway,
        knock: Knock<'_>,
    ) -> Result<Station<TlsStream<TcpStream>>, Error> {
        let address = gateway.tls_address.expect("a TLS door");
        let stream = TcpStream::connect(address).await.expect("connected");
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = TlsConnector::from(Arc::new(self.config()));
        let stream = connector.connect(name, stream).await.map_err(Error::Io)?;
        let opened = tokio_tungstenite::client_async(knock.request(address), stream).await?;
        Ok(Station { web_socket: opened.0 })
    }

    /// The status of the refusal; `None`: it was let in.
    pub(crate) async fn refused(&self, gateway: &Gateway, knock: Knock<'_>) -> Option<u16> {
        match self.knock(gateway, knock).await {
            Ok(_) => None,
            Err(Error::Http(response)) => Some(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

pub(crate) fn without_password(id: &str) -> Knock<'_> {
    Knock { password: None, ..Knock::at(id) }
}

/// Has `CP-1` ask for a certificate and answer the one that comes; gives it and its key.
pub(crate) async fn signed(
    station: &mut Station<TlsStream<TcpStream>>,
    answer: &str,
) -> (String, String) {
    signed_as("CP-1", station, answer).await
}

/// The same by another name.
async fn signed_as(
    name: &str,
    station: &mut Station<TlsStream<TcpStream>>,
    answer: &str,
) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let csr = named(name).serialize_request(&key).expect("a request").pem().expect("PEM");
    let asked = station.call("sign", "SignCertificate", &json!({ "csr": csr }).to_string()).await;
    assert_eq!(asked[2]["status"], "Accepted");
    let call = station.answer(&json!({ "status": answer })).await;
    let chain = call[3]["certificateChain"].as_str().expect("a chain").to_owned();
    (chain, key.serialize_pem())
}

pub(crate) async fn last_profile(gateway: &Gateway) -> serde_json::Value {
    let connected = gateway.facts("station.connected").await;
    connected.last().expect("connected")["security_profile"].clone()
}

#[tokio::test]
async fn a_password_over_tls_is_profile_2_in_both_versions_of_tls() {
    let authority = Authority::new();
    let gateway = Gateway::start_over_tls(authority.server(None)).await;
    for versions in EACH_VERSION {
        let client = Client { versions, ..Client::trusting(&authority) };
        for protocol in ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"] {
            let knock = Knock { protocols: Some(protocol), ..Knock::at("CP-1") };
            let mut station = client.knock(&gateway, knock).await.expect("let in");
            station.boot_of(protocol).await;
            assert_eq!(last_profile(&gateway).await, 2, "{protocol}");
            let knock = Knock { protocols: Some(protocol), ..without_password("CP-1") };
            assert_eq!(client.refused(&gateway, knock).await, Some(401), "{protocol}");
        }
    }
    // What a client says of itself counts for nothing.
    let boast = Knock { security_profile: Some("3"), ..without_password("CP-1") };
    assert_eq!(Client::trusting(&authority).refused(&gateway, boast).await, Some(401));
}

#[tokio::test]
async fn a_station_comes_with_the_certificate_that_it_was_given() {
    let authority = Authority::new();
    let gateway = Gateway::start_over_tls(authority.server(None)).await;
    let client = Client::trusting(&authority);
    let mut station = client.knock(&gateway, Knock::at("CP-1")).await.expect("let in");
    station.boot().await;
    let own = signed(&mut station, "Accepted").await;
    let client = Client { certificate: Some(&own), ..client };
    let mut station = client.knock(&gateway, without_password("CP-1")).await.expect("let in");
    assert_eq!(station.call("2", "Heartbeat", "{}").await[0], 3);
    assert_eq!(last_profile(&gateway).await, 3);
    // In the name of another station it is worth nothing, whatever password comes with it.
    for knock in [without_password("CP-2"), Knock::at("CP-2"), without_password("CP-2")] {
        assert_eq!(client.refused(&gateway, knock).await, Some(401));
    }
    assert_eq!(client.refused(&gateway, without_password("CP-9")).await, Some(401));
    let noted = gateway.facts("station.security_noted").await;
    let kinds: Vec<_> = noted.iter().map(|fact| &fact["kind"]).collect();
    assert_eq!(kinds, ["foreign_certificate_refused"], "noted once an hour");
}

#[tokio::test]
async fn a_certificate_counts_until_the_next_one_is_used_or_it_is_withdrawn() {
    let authority = Authority::new();
    let gateway = Gateway::start_over_tls(authority.server(None)).await;
    let by = |own| Client { certificate: Some(own), ..Client::trusting(&authority) };
    let refused = async |own| by(own).refused(&gateway, without_password("CP-1")).await;
    let client = Client::trusting(&authority);
    let mut station = client.knock(&gateway, Knock::at("CP-1")).await.expect("let in");
    station.boot().await;
    let first = signed(&mut station, "Accepted").await;
    let second = signed(&mut station, "Accepted").await;
    let not_taken = signed(&mut station, "Rejected").await;
    gateway.facts_once("station.certificate_delivered", 3).await;
    assert_eq!(refused(&not_taken).await, Some(401), "the station has not taken it");
    assert_eq!(refused(&first).await, None, "the next one was never used");
    let opened = by(&second).knock(&gateway, without_password("CP-1")).await;
    let mut station = opened.expect("let in");
    assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3);
    assert_eq!(refused(&first).await, Some(401), "the next one is in use");
    assert_eq!(refused(&second).await, None);

    let requested = gateway.facts("station.certificate_requested").await;
    let serial_number = requested[1]["issued"]["serial_number"].as_str().expect("a number");
    let withdraw = || gateway.chargebook.withdraw_certificate("CP-1", serial_number);
    withdraw().await.expect("withdrawn");
    assert_eq!(refused(&second).await, Some(401), "an operator has withdrawn it");
    assert!(withdraw().await.is_err(), "it lets nobody in");
    let noted = gateway.facts("station.security_noted").await;
    let kinds: Vec<_> = noted.iter().map(|fact| &fact["kind"]).collect();
    assert_eq!(kinds, ["withdrawn_certificate_refused"], "noted once an hour");
}

#[tokio::test]
async fn who_comes_with_foreign_certificates_is_held_before_anything_is_looked_up() {
    let (authority, theirs) = (Authority::new(), Authority::new());
    let gateway =
        Gateway::start_over_tls_with(authority.server(Some(&theirs)), held_for_ever()).await;
    let foreign = theirs.station("CP-1");
    let client = Client { certificate: Some(&foreign), ..Client::trusting(&authority) };
    for _ in 0..FREE_FAILURES {
        assert_eq!(client.refused(&gateway, without_password("CP-2")).await, Some(401));
    }
    let looked_up = gateway.lookups();
    let knock = |_| Box::pin(client.refused(&gateway, without_password("CP-2")));
    let (first, ..) = futures::future::select_all((0..=HELD_MAX).map(knock)).await;
    assert_eq!(first, Some(429), "the others are held");
    assert_eq!(gateway.lookups(), looked_up);
}

#[tokio::test]
async fn only_so_many_certificates_let_a_station_in() {
    let authority = Authority::new();
    let gateway = Gateway::start_over_tls(authority.server(None)).await;
    let by = |own| Client { certificate: Some(own), ..Client::trusting(&authority) };
    let mut station =
        Client::trusting(&authority).knock(&gateway, Knock::at("CP-1")).await.expect("let in");
    station.boot().await;
    let in_use = signed(&mut station, "Accepted").await;
    let mut station = by(&in_use).knock(&gateway, without_password("CP-1")).await.expect("let in");
    let mut unused = Vec::new();
    for _ in 0..8 {
        unused.push(signed(&mut station, "Accepted").await);
    }
    let refused = async |own| by(own).refused(&gateway, without_password("CP-1")).await;
    assert_eq!(refused(&in_use).await, None, "it stays while no other was used");
    assert_eq!(refused(&unused[0]).await, Some(401), "the oldest that was never used gives way");
    assert_eq!(refused(&unused[1]).await, None);
}

#[tokio::test]
async fn a_certificate_names_its_station_in_any_case_where_identities_have_none() {
    let (authority, theirs) = (Authority::new(), Authority::new());
    let gateway = Gateway::start_over_tls(authority.server(Some(&theirs))).await;
    let own = theirs.station("cp-1");
    let client = Client { certificate: Some(&own), ..Client::trusting(&authority) };
    for (protocol, expected) in [("ocpp2.0.1", None), ("ocpp1.6", Some(401))] {
        let knock = Knock { protocols: Some(protocol), ..without_password("CP-1") };
        assert_eq!(client.refused(&gateway, knock).await, expected, "{protocol}");
    }
}

/// The number that an operator knows CP-1 by.
const SERIAL_NUMBER: &str = "SN-000017";

async fn know_serial_number(gateway: &Gateway) {
    let serial_number = Some(Some(SERIAL_NUMBER));
    let change = StationChange { serial_number, ..StationChange::default() };
    gateway.chargebook.change_station("CP-1", change).await.expect("changed");
}

/// A boot with a serial number, and the status that it is answered.
async fn boots<S>(station: &mut Station<S>, serial_number: &str) -> serde_json::Value
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let boot = json!({ "chargePointVendor": "V", "chargePointModel": "M",
        "chargePointSerialNumber": serial_number });
    station.call("boot", "BootNotification", &boot.to_string()).await[2]["status"].clone()
}

/// As A00.FR.405, B01.FR.11 and B01.FR.12 of 2.x have it.
#[tokio::test]
async fn a_certificate_may_name_the_serial_number_and_who_boots_has_it() {
    let (authority, theirs) = (Authority::new(), Authority::new());
    let gateway = Gateway::start_over_tls(authority.server(Some(&theirs))).await;
    let own = theirs.station(SERIAL_NUMBER);
    let client = Client { certificate: Some(&own), ..Client::trusting(&authority) };
    assert_eq!(client.refused(&gateway, without_password("CP-1")).await, Some(401), "whose?");
    know_serial_number(&gateway).await;
    assert_eq!(client.refused(&gateway, without_password("CP-2")).await, Some(401), "not its own");
    let mut station = client.knock(&gateway, without_password("CP-1")).await.expect("let in");
    assert_eq!(boots(&mut station, SERIAL_NUMBER).await, "Accepted");
    assert_eq!(boots(&mut station, "SN-000018").await, "Rejected");
    let Message::Close(Some(close)) = station.next().await else { panic!("it is closed") };
    assert_eq!(u16::from(close.code), 1008);
    assert_eq!(gateway.facts("station.booted").await.len(), 1, "nothing of the other one counts");
    let ended = gateway.facts_once("station.disconnected", 1).await;
    assert_eq!(ended[0]["reason"], "other_serial_number");
    let noted = gateway.facts("station.security_noted").await;
    let kinds: Vec<_> = noted.iter().map(|fact| &fact["kind"]).collect();
    let refused = "foreign_certificate_refused";
    assert_eq!(kinds, [refused, refused, "other_serial_number"], "once at each station");
}

/// Some operators give a station its serial number as its name.
#[tokio::test]
async fn a_certificate_may_name_the_serial_number_and_the_identity_at_once() {
    let (authority, theirs) = (Authority::new(), Authority::new());
    let gateway = Gateway::start_over_tls(authority.server(Some(&theirs))).await;
    let change = StationChange { serial_number: Some(Some("CP-1")), ..StationChange::default() };
    gateway.chargebook.change_station("CP-1", change).await.expect("changed");
    let own = theirs.station("CP-1");
    let client = Client { certificate: Some(&own), ..Client::trusting(&authority) };
    let mut station = client.knock(&gateway, without_password("CP-1")).await.expect("let in");
    assert_eq!(boots(&mut station, "CP-1").await, "Accepted");
    assert_eq!(boots(&mut station, "SN-000018").await, "Rejected");
    assert_eq!(station.closed().await, 1008);
}

/// Also without booting again, and where its boot says nothing of a number.
#[tokio::test]
async fn who_was_refuted_stays_so_until_it_boots_with_the_right_number() {
    let (authority, theirs) = (Authority::new(), Authority::new());
    let gateway = Gateway::start_over_tls(authority.server(Some(&theirs))).await;
    know_serial_number(&gateway).await;
    let own = theirs.station(SERIAL_NUMBER);
    let client = Client { certificate: Some(&own), ..Client::trusting(&authority) };
    let knock = async || client.knock(&gateway, without_password("CP-1")).await.expect("let in");
    for (serial_number, status) in
        [(SERIAL_NUMBER, "Accepted"), ("SN-000018", "Rejected"), (" ", "Rejected")]
    {
        assert_eq!(boots(&mut knock().await, serial_number).await, status, "{serial_number}");
    }
    let mut station = knock().await;
    station.send(r#"[2,"2","Heartbeat",{}]"#).await;
    assert_eq!(station.closed().await, 1008);
    let mut station = knock().await;
    assert_eq!(boots(&mut station, SERIAL_NUMBER).await, "Accepted");
    assert_eq!(knock().await.call("3", "Heartbeat", "{}").await[0], 3, "it need not boot again");
    assert_eq!(boots(&mut knock().await, "SN-000018").await, "Rejected");
    let mut station = knock().await;
    station.send(r#"[2,"4","Heartbeat",{}]"#).await;
    assert_eq!(station.closed().await, 1008, "within the hour, too");
}

#[tokio::test]
async fn who_is_refuted_again_and_again_is_held() {
    let (authority, theirs) = (Authority::new(), Authority::new());
    let files = authority.server(Some(&theirs));
    let gateway = Gateway::start_over_tls_with(files, held_for_ever()).await;
    know_serial_number(&gateway).await;
    let own = theirs.station(SERIAL_NUMBER);
    let client = Client { certificate: Some(&own), ..Client::trusting(&authority) };
    let mut refuted = 0;
    loop {
        let knock = client.knock(&gateway, without_password("CP-1"));
        let Ok(let_in) = tokio::time::timeout(Duration::from_secs(2), knock).await else { break };
        let mut station = let_in.expect("let in");
        assert_eq!(boots(&mut station, "SN-000018").await, "Rejected");
        assert_eq!(station.closed().await, 1008);
        refuted += 1;
        // What is counted last is counted after the closing frame.
        assert!(refuted < FREE_FAILURES + 5, "it is never held");
    }
    assert!(refuted >= FREE_FAILURES, "{refuted}");
}

#[tokio::test]
async fn another_serial_number_is_an_alarm_where_no_certificate_names_it() {
    let authority = Authority::new();
    let gateway = Gateway::start_over_tls(authority.server(None)).await;
    know_serial_number(&gateway).await;
    let client = Client::trusting(&authority);
    let mut station = client.knock(&gateway, Knock::at("CP-1")).await.expect("let in");
    let (none, further) = (" ", "chargeBoxSerialNumber");
    for (serial_number, of_box, noted) in [
        (SERIAL_NUMBER, none, 0),
        // A CiString25Type; blank is none; and of the two either may be it.
        ("sn-000017", none, 0),
        (none, none, 0),
        (none, "sn-000017", 0),
        ("SN-000018", SERIAL_NUMBER, 0),
        (none, "SN-000018", 1),
        ("SN-000018", none, 1),
    ] {
        let boot = json!({ "chargePointVendor": "V", "chargePointModel": "M",
            "chargePointSerialNumber": serial_number, further: of_box });
        let answer = station.call("boot", "BootNotification", &boot.to_string()).await;
        assert_eq!(answer[2]["status"], "Accepted", "{serial_number}");
        let facts = gateway.facts("station.security_noted").await;
        assert_eq!(facts.len(), noted, "{serial_number}, {of_box}: {facts:#?}");
    }
    let booted = gateway.facts("station.booted").await;
    assert_eq!(booted[3]["boot"]["serial_number"], "sn-000017", "nothing hides it");
    let exchange = &booted[5]["exchange"];
    assert_eq!(&gateway.facts("station.security_noted").await[0]["exchange"], exchange);
}

#[tokio::test]
async fn who_asks_by_its_registered_serial_number_gets_a_certificate_of_that_name() {
    let authority = Authority::new();
    let gateway = Gateway::start_over_tls(authority.server(None)).await;
    know_serial_number(&gateway).await;
    let client = Client::trusting(&authority);
    let mut station = client.knock(&gateway, Knock::at("CP-1")).await.expect("let in");
    assert_eq!(boots(&mut station, SERIAL_NUMBER).await, "Accepted");
    let own = signed_as(SERIAL_NUMBER, &mut station, "Accepted").await;
    let (_, pem) = x509_parser::pem::parse_x509_pem(own.0.as_bytes()).expect("PEM");
    let certificate = pem.parse_x509().expect("a certificate");
    let mut names = certificate.subject().iter_common_name();
    assert_eq!(names.next().map(|name| name.as_str().expect("text")), Some(SERIAL_NUMBER));
    let client = Client { certificate: Some(&own), ..client };
    assert_eq!(client.refused(&gateway, without_password("CP-1")).await, None);

    // Its board is replaced. Once an operator says so, it comes in by the certificate that it has,
    // and only there, until it has another.
    let knock = async |client: &Client<'_>| {
        client.knock(&gateway, without_password("CP-1")).await.expect("let in")
    };
    assert_eq!(boots(&mut knock(&client).await, "SN-000018").await, "Rejected");
    let change =
        StationChange { serial_number: Some(Some("SN-000018")), ..StationChange::default() };
    gateway.chargebook.change_station("CP-1", change).await.expect("changed");
    assert_eq!(client.refused(&gateway, without_password("CP-2")).await, Some(401));
    assert_eq!(boots(&mut knock(&client).await, SERIAL_NUMBER).await, "Rejected");
    let mut station = knock(&client).await;
    assert_eq!(boots(&mut station, "SN-000018").await, "Accepted");
    let renewed = signed_as("SN-000018", &mut station, "Accepted").await;
    let renewed = Client { certificate: Some(&renewed), ..Client::trusting(&authority) };
    assert_eq!(boots(&mut knock(&renewed).await, "SN-000018").await, "Accepted");
    assert_eq!(client.refused(&gateway, without_password("CP-1")).await, Some(401));
}

#[tokio::test]
async fn a_certificate_of_nobody_or_of_the_past_ends_in_the_handshake() {
    let (authority, theirs) = (Authority::new(), Authority::new());
    let gateway = Gateway::start_over_tls(authority.server(Some(&theirs))).await;
    let good = theirs.station("CP-1");
    let mut past = of_station("CP-1");
    past.not_before = date_time_ymd(2020, 1, 1);
    past.not_after = date_time_ymd(2021, 1, 1);
    let strange = Authority::new().station("CP-1");
    for wrong in [strange, theirs.sign(&past)] {
        let client = Client { certificate: Some(&wrong), ..Client::trusting(&authority) };
        let refused = client.knock(&gateway, Knock::at("CP-1")).await;
        assert!(!matches!(refused, Ok(_) | Err(Error::Http(_))), "no answer in HTTP");
    }
    let client = Client { certificate: Some(&good), ..Client::trusting(&authority) };
    assert_eq!(client.refused(&gateway, without_password("CP-1")).await, None);
    assert_eq!(last_profile(&gateway).await, 3);
}

#[tokio::test]
async fn who_does_not_shake_hands_keeps_nobody_out() {
    let authority = Authority::new();
    let limits = Limits { handshake_timeout: Duration::from_secs(2), ..Limits::default() };
    let gateway = Gateway::start_over_tls_with(authority.server(None), limits).await;
    let address = gateway.tls_address.expect("a TLS door");
    let mut silent = TcpStream::connect(address).await.expect("connected");
    let client = Client::trusting(&authority);
    assert_eq!(client.refused(&gateway, Knock::at("CP-1")).await, None);
    let ended = tokio::time::timeout(PATIENCE, silent.read(&mut [0; 16])).await;
    // An end by reset is an end.
    assert_eq!(ended.expect("it ends").unwrap_or_default(), 0);
}

#[tokio::test]
async fn beside_a_tls_door_the_plain_one_is_known_to_be_plain() {
    let authority = Authority::new();
    let gateway = Gateway::start_over_tls(authority.server(None)).await;
    let change = StationChange { security_profile: Some(2), ..StationChange::default() };
    gateway.chargebook.change_station("CP-1", change).await.expect("changed");
    let plain = gateway.connect("CP-1", Some(PASSWORD.as_bytes()), Some("ocpp1.6")).await;
    let Err(Error::Http(refused)) = plain else { panic!("let in") };
    assert_eq!(refused.status(), 403);
    let client = Client::trusting(&authority);
    assert_eq!(client.refused(&gateway, Knock::at("CP-1")).await, None);
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_whoever_comes_next() {
    let (before, after) = (Authority::new(), Authority::new());
    let gateway = Gateway::start_over_tls(before.server(None)).await;
    let mut station =
        Client::trusting(&before).knock(&gateway, Knock::at("CP-1")).await.expect("let in");
    station.boot().await;
    gateway.renew_tls(after.server(None)).await;
    assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3, "who is there stays");
    assert_eq!(Client::trusting(&after).refused(&gateway, Knock::at("CP-2")).await, None);
    assert!(Client::trusting(&before).knock(&gateway, Knock::at("CP-2")).await.is_err());
}
