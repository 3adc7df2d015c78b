//! What the TLS door shows to whom, whom it does not understand, and how a station comes to its
//! next certificate.

use crate::support::{Gateway, Knock, PASSWORD, PATIENCE, TlsFiles};
use crate::tls::{Authority, Client, EACH_VERSION, last_profile, of_server, signed};
use rcgen::KeyPair;
use rustls::SignatureScheme;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Made with OpenSSL, for this test alone.
const SERVER_RSA_2048_KEY: &str = include_str!("requests/server_rsa_2048.key");

/// A client's side of cryptography that checks signatures of one kind of keys, and says so by its
/// signature schemes, or in TLS 1.2 by its cipher suites alone.
fn checking(is_rsa: bool, by_suites_alone: bool) -> CryptoProvider {
    let mut provider = rustls::crypto::ring::default_provider();
    let of_kind = |scheme: &SignatureScheme| format!("{scheme:?}").starts_with("RSA") == is_rsa;
    if by_suites_alone {
        let name = if is_rsa { "ECDHE_RSA" } else { "ECDHE_ECDSA" };
        provider.cipher_suites.retain(|suite| format!("{:?}", suite.suite()).contains(name));
    } else {
        let mapping = provider.signature_verification_algorithms.mapping.iter().copied();
        let mapping: Vec<_> = mapping.filter(|(scheme, _)| of_kind(scheme)).collect();
        provider.signature_verification_algorithms.mapping = mapping.leak();
    }
    provider
}

/// What the server shows to a client.
async fn shown_to(client: &Client<'_>, gateway: &Gateway) -> CertificateDer<'static> {
    let mut station = client.knock(gateway, Knock::at("CP-1")).await.expect("let in");
    station.boot().await;
    let (_, session) = station.web_socket.get_ref().get_ref();
    let chain = session.peer_certificates().expect("a certificate");
    chain[0].clone().into_owned()
}

#[tokio::test]
async fn who_checks_one_kind_of_signatures_is_shown_a_certificate_of_that_kind() {
    let authority = Authority::new();
    let rsa_key = KeyPair::from_pem(SERVER_RSA_2048_KEY).expect("a key");
    let rsa = || authority.sign_for(&rsa_key, &of_server());
    let files = |first, second| TlsFiles { first, second, client_authority: None };
    let der = |pair: &(String, String)| {
        CertificateDer::from_pem_slice(pair.0.as_bytes()).expect("PEM").into_owned()
    };
    let (by_rsa, by_curve) = (rsa(), authority.sign(&of_server()));
    let gateway = Gateway::start_over_tls(files(by_rsa.clone(), Some(by_curve.clone()))).await;
    let client = |versions, checks| Client { versions, checks, ..Client::trusting(&authority) };
    let tls12 = EACH_VERSION[0];
    for (is_rsa, expected) in [(true, &by_rsa), (false, &by_curve)] {
        for versions in EACH_VERSION {
            let client = client(versions, checking(is_rsa, false));
            assert_eq!(shown_to(&client, &gateway).await, der(expected), "rsa: {is_rsa}");
        }
        let client = client(tls12, checking(is_rsa, true));
        assert_eq!(shown_to(&client, &gateway).await, der(expected), "by its cipher suites");
    }
    assert_eq!(shown_to(&Client::trusting(&authority), &gateway).await, der(&by_rsa), "the first");
    // Both are taken over when they are read again, in whatever order.
    let (by_rsa, by_curve) = (rsa(), authority.sign(&of_server()));
    gateway.renew_tls(files(by_curve.clone(), Some(by_rsa.clone()))).await;
    for (is_rsa, expected) in [(true, &by_rsa), (false, &by_curve)] {
        let client = Client { checks: checking(is_rsa, false), ..Client::trusting(&authority) };
        assert_eq!(shown_to(&client, &gateway).await, der(expected), "rsa: {is_rsa}");
    }
    assert_eq!(shown_to(&Client::trusting(&authority), &gateway).await, der(&by_curve));
    // With one certificate alone, whoever cannot check it stays outside.
    gateway.renew_tls(files(by_curve, None)).await;
    let client = Client { checks: checking(true, false), ..Client::trusting(&authority) };
    assert!(client.knock(&gateway, Knock::at("CP-1")).await.is_err());
}

/// What a client says that speaks no other version of TLS than 1.`minor - 1` (RFC 5246, section
/// 7.4.1.2), with suites of then and one of 1.2; with the groups, point formats and signature
/// schemes that it knows (RFC 8422, section 5.1), or without any extension, as the oldest do.
fn hello(minor: u8, has_extensions: bool) -> Vec<u8> {
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).expect("short");
    let suites = [0xc0, 0x13, 0xc0, 0x14, 0x00, 0x2f, 0x00, 0x35, 0xc0, 0x2b, 0xc0, 0x2f];
    let groups = [0, 10, 0, 6, 0, 4, 0, 29, 0, 23];
    let points = [0, 11, 0, 2, 1, 0];
    let schemes = [0, 13, 0, 8, 0, 6, 4, 3, 8, 4, 4, 1];
    let extensions = [&groups[..], &points, &schemes].concat();
    let mut body = [&[3, minor][..], &[7; 32], &[0, 0, length(&suites)], &suites, &[1, 0]].concat();
    if has_extensions {
        body.extend([0, length(&extensions)]);
        body.extend(extensions);
    }
    let mut record = vec![22, 3, 1, 0, length(&body) + 4, 1, 0, 0, length(&body)];
    record.extend(body);
    record
}

/// The first message that the TLS door answers with, and its content.
async fn answer_to(hello: &[u8], gateway: &Gateway) -> (u8, Vec<u8>) {
    let address = gateway.tls_address.expect("a TLS door");
    let mut stream = TcpStream::connect(address).await.expect("connected");
    stream.write_all(hello).await.expect("sent");
    let mut head = [0; 5];
    let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut head)).await;
    read.expect("an answer").expect("in order");
    let mut content = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    stream.read_exact(&mut content).await.expect("whole");
    if head[0] == ALERT {
        let ended = tokio::time::timeout(PATIENCE, stream.read(&mut [0])).await;
        assert_eq!(ended.expect("it ends").unwrap_or_default(), 0, "nothing follows");
    }
    (head[0], content)
}

/// Of TLS (RFC 5246, sections 6.2.1, 7.2 and 7.4): kinds of records, an alert's level and causes,
/// and a message of the handshake.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const FATAL: u8 = 2;
const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;
const SERVER_HELLO: u8 = 2;

/// TC_A_06.
#[tokio::test]
async fn who_speaks_an_older_tls_is_told_so_and_gets_no_further() {
    let authority = Authority::new();
    let gateway = Gateway::start_over_tls(authority.server(None)).await;
    let (tls10, tls11, tls12) = (1, 2, 3);
    for minor in [tls10, tls11] {
        let told = answer_to(&hello(minor, true), &gateway).await;
        assert_eq!(told, (ALERT, vec![FATAL, PROTOCOL_VERSION]), "minor version {minor}");
        let told = answer_to(&hello(minor, false), &gateway).await;
        assert_eq!(told, (ALERT, vec![FATAL, HANDSHAKE_FAILURE]), "minor version {minor}");
    }
    // The same words in 1.2 are understood.
    let (kind, content) = answer_to(&hello(tls12, true), &gateway).await;
    assert_eq!((kind, content[0]), (HANDSHAKE, SERVER_HELLO));
    assert!(gateway.facts("station.connected").await.is_empty());
    assert_eq!(Client::trusting(&authority).refused(&gateway, Knock::at("CP-1")).await, None);
}

/// TC_A_11: a station of 2.x is told to renew its certificate, gets it, and comes with it.
#[tokio::test]
async fn a_station_is_told_to_renew_its_certificate_and_comes_with_the_new_one() {
    for protocol in ["ocpp2.0.1", "ocpp2.1"] {
        let authority = Authority::new();
        let gateway = Gateway::start_over_tls(authority.server(None)).await;
        let knock = |password| Knock { protocols: Some(protocol), password, ..Knock::at("CP-1") };
        let client = Client::trusting(&authority);
        let mut station =
            client.knock(&gateway, knock(Some(PASSWORD.as_bytes()))).await.expect("let in");
        station.boot_of(protocol).await;
        let mut own: Option<(String, String)> = None;
        // The first one replaces the password, the second one the first.
        for _ in 0..2 {
            let wanted = json!({ "requestedMessage": "SignChargingStationCertificate" });
            let (action, payload) = ("TriggerMessage", wanted.to_string());
            let asked = gateway.chargebook.request_exact("CP-1", action, &payload, "operator");
            asked.await.expect("requested");
            let call = station.answer(&json!({ "status": "Accepted" })).await;
            assert_eq!((&call[2], &call[3]), (&json!(action), &wanted));
            let renewed = signed(&mut station, "Accepted").await;
            let client = Client { certificate: Some(&renewed), ..Client::trusting(&authority) };
            station = client.knock(&gateway, knock(None)).await.expect("let in");
            assert_eq!(station.call("2", "Heartbeat", "{}").await[0], 3);
            assert_eq!(last_profile(&gateway).await, 3, "{protocol}");
            if let Some(old) = own.replace(renewed) {
                let client = Client { certificate: Some(&old), ..Client::trusting(&authority) };
                assert_eq!(client.refused(&gateway, knock(None)).await, Some(401), "{protocol}");
            }
        }
        let requested = gateway.facts("station.certificate_requested").await;
        assert_eq!(requested.len(), 2);
    }
}
