//! Who gets in, and what the others are told.

use crate::support::{FREE_FAILURES, Gateway, HELD_MAX, Opened, PASSWORD, PATIENCE, held_for_ever};
use chargebook_commands::registry::StationRegistration;
use chargebook_gateway::Limits;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;

/// The HTTP status of an attempt; 101 if it got in.
async fn status(gateway: &Gateway, id: &str, password: Option<&[u8]>) -> u16 {
    status_of(gateway.connect(id, password, Some("ocpp1.6")).await)
}

fn status_of(opened: Result<Opened, Error>) -> u16 {
    match opened {
        Ok((_, response)) => response.status().as_u16(),
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn credentials_decide() {
    let gateway = Gateway::start().await;
    let right = Some(PASSWORD.as_bytes());
    assert_eq!(status(&gateway, "CP-1", right).await, 101);
    assert_eq!(status(&gateway, "CP-1", Some(b"wrong")).await, 401);
    assert_eq!(status(&gateway, "CP-1", Some(b"\xff\xfe")).await, 401);
    assert_eq!(status(&gateway, "CP-1", None).await, 401);
    assert_eq!(status(&gateway, "CP-9", right).await, 404);
    assert_eq!(status(&gateway, "cp-1", right).await, 404);
    assert_eq!(status(&gateway, "OPEN", None).await, 101);
    assert_eq!(status(&gateway, "CP-1/", right).await, 404);
}

#[tokio::test]
async fn an_identity_has_a_case_in_1_6_and_none_in_2_x() {
    let gateway = Gateway::start().await;
    for (id, protocol, expected) in [
        ("CP-1", "ocpp1.6", 101),
        ("cp-1", "ocpp1.6", 404),
        ("cp-1", "ocpp2.0.1", 101),
        ("Cp-1", "ocpp2.1", 101),
        ("cp-9", "ocpp2.0.1", 404),
    ] {
        let status = match gateway.connect(id, Some(PASSWORD.as_bytes()), Some(protocol)).await {
            Ok((_, response)) => response.status().as_u16(),
            Err(Error::Http(response)) => response.status().as_u16(),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(status, expected, "{id} {protocol}");
    }
    // All of them are the same station, by the name that it was registered by.
    let connected = gateway.facts_once("station.connected", 3).await;
    assert_eq!(connected.last().map(|fact| fact["epoch"].clone()), Some(3.into()));

    let other = StationRegistration { id: "cP-1".to_owned(), ..StationRegistration::default() };
    let refused = gateway.chargebook.registry().register_station(other).await;
    let refused = refused.expect_err("a conflict").to_string();
    assert!(refused.contains("station `CP-1` is registered already"), "{refused}");
}

#[tokio::test]
async fn the_bytes_that_a_hex_password_spells_are_a_password_too() {
    let gateway = Gateway::start().await;
    let key = "ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00";
    let registration = StationRegistration {
        id: "CP 3".to_owned(),
        password: Some(key.to_owned()),
        ..StationRegistration::default()
    };
    gateway.chargebook.registry().register_station(registration).await.expect("registered");
    let bytes: Vec<u8> = [0xff, 0x00].repeat(10);
    assert_eq!(status(&gateway, "CP%203", Some(&bytes)).await, 101);
    assert_eq!(status(&gateway, "CP%203", Some(key.as_bytes())).await, 101);
    assert_eq!(status(&gateway, "CP%203", Some(&bytes[..19])).await, 401);
}

#[tokio::test]
async fn the_client_chooses_the_protocol() {
    let gateway = Gateway::start().await;
    for (count, (offer, chosen)) in (1..).zip([
        ("ocpp2.0, ocpp1.6", "ocpp1.6"),
        ("ocpp2.0.1, ocpp1.6", "ocpp2.0.1"),
        ("ocpp2.1, ocpp2.0.1", "ocpp2.1"),
    ]) {
        let (_, response) = gateway.connect("OPEN", None, Some(offer)).await.expect("let in");
        assert_eq!(response.headers()["sec-websocket-protocol"], chosen);
        let connected = gateway.facts_once("station.connected", count).await;
        assert_eq!(connected[count - 1]["protocol"], chosen);
        assert_eq!(connected[count - 1]["security_profile"], 0);
    }
}

pub(crate) const UPGRADE: &str = "GET /ocpp/OPEN HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// RFC 6455 without an extension: a closing frame of the server with code 1002.
fn is_protocol_error_close(frame: &[u8]) -> bool {
    matches!(frame, [0x88, _, 0x03, 0xea, ..])
}

#[tokio::test]
async fn without_a_common_protocol_the_connection_is_accepted_and_closed() {
    let gateway = Gateway::start().await;
    for offer in ["", "Sec-WebSocket-Protocol: ocpp1.5, soap\r\n"] {
        let mut stream = TcpStream::connect(gateway.address).await.expect("connected");
        stream.write_all(format!("{UPGRADE}{offer}\r\n").as_bytes()).await.expect("written");
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        read.expect("the gateway ends the connection").expect("read");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        assert!(!head.contains("sec-websocket-protocol"), "{head}");
        assert!(is_protocol_error_close(&answer[end..]), "{:?}", &answer[end..]);
    }
    assert!(gateway.facts("station.connected").await.is_empty());
}

#[tokio::test]
async fn what_is_no_upgrade_gets_a_clear_answer() {
    let gateway = Gateway::start().await;
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "404 "),
        ("GET /ocpp HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "404 "),
        ("GET /ocpp/OPEN HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "426 "),
        ("POST /ocpp/OPEN HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".to_owned(), "405 "),
        (format!("{}\r\n", UPGRADE.replace("Version: 13", "Version: 8")), "426 "),
        (format!("{}\r\n", UPGRADE.replace("dGhlIHNhbXBsZSBub25jZQ==", "x")), "400 "),
        ("hello\r\n\r\n".to_owned(), "400 "),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(20_000)), "4"),
    ] {
        let answer = gateway.raw(&request).await;
        let status = answer.strip_prefix("HTTP/1.1 ").unwrap_or_default();
        assert!(status.starts_with(expected), "{request}: {answer}");
    }
    let unauthorized = gateway.raw(&format!("{}\r\n", UPGRADE.replace("OPEN", "CP-1"))).await;
    assert!(unauthorized.to_lowercase().contains("www-authenticate: basic"), "{unauthorized}");
}

#[tokio::test]
async fn a_slow_handshake_is_ended() {
    let handshake_timeout = Duration::from_millis(200);
    let gateway = Gateway::start_with(Limits { handshake_timeout, ..Limits::default() }).await;
    let answer = gateway.raw("GET /ocpp/OPEN HTTP/1.1\r\nHost: x\r\n").await;
    assert!(!answer.contains("101"), "{answer}");
    gateway.station("OPEN").await;
}

#[tokio::test]
async fn more_connections_than_allowed_are_not_served() {
    let gateway = Gateway::start_with(Limits { connections_max: 1, ..Limits::default() }).await;
    let mut station = gateway.station("OPEN").await;
    assert_eq!(gateway.raw("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await, "");
    let answer = station.call("1", "Heartbeat", "{}").await;
    assert_eq!(answer[0], 3);
}

#[tokio::test]
async fn frames_sent_with_the_upgrade_request_are_not_lost() {
    let gateway = Gateway::start().await;
    let mut stream = TcpStream::connect(gateway.address).await.expect("connected");
    let mut bytes = format!("{UPGRADE}Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n").into_bytes();
    let text = br#"[2,"1","Heartbeat",{}]"#;
    // A masked text frame; a mask of zeros changes nothing.
    bytes.extend_from_slice(&[0x81, 0x80 | u8::try_from(text.len()).expect("short"), 0, 0, 0, 0]);
    bytes.extend_from_slice(text);
    stream.write_all(&bytes).await.expect("written");
    gateway.facts_once("exchange.recorded", 1).await;
}

#[tokio::test]
async fn wrong_passwords_do_not_lock_the_true_station_out() {
    let gateway = Gateway::start().await;
    for _ in 0..20 {
        assert_eq!(status(&gateway, "CP-2", Some(b"wrong")).await, 401);
    }
    // Now every attempt from here is held for a while, and then looked at.
    let mut station = gateway.station("CP-1").await;
    station.boot().await;
}

#[tokio::test]
async fn who_guesses_is_held_before_a_name_is_looked_up_in_any_case() {
    let gateway = Gateway::start_with(held_for_ever()).await;
    let guess = || gateway.connect("cp-1", Some(b"wrong"), Some("ocpp2.0.1"));
    for _ in 0..FREE_FAILURES {
        assert_eq!(status_of(guess().await), 401);
    }
    let looked_up = gateway.lookups();
    let guesses = (0..=HELD_MAX).map(|_| Box::pin(guess()));
    let (first, ..) = futures::future::select_all(guesses).await;
    assert_eq!(status_of(first), 429, "the others are held");
    assert_eq!(gateway.lookups(), looked_up);
}
