//! Two connections of one station.

use crate::support::{Gateway, PATIENCE};
use chargebook_domain::events::v1::Quirk;
use chargebook_gateway::Limits;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::json;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn the_new_connection_is_live_at_once_and_the_old_one_is_closed() {
    let gateway = Gateway::start().await;
    let mut old = gateway.station("CP-1").await;
    old.boot().await;
    let mut new = gateway.station("CP-1").await;
    assert_eq!(new.call("1", "Heartbeat", "{}").await[0], 3);
    // The old one answers the ping, so it is closed at once, and told why.
    assert_eq!(old.closed().await, 1000);
    let ends = gateway.facts_once("station.disconnected", 1).await;
    assert_eq!(ends, [json!({"epoch": 1, "reason": "replaced"})]);
    assert_eq!(new.call("2", "Heartbeat", "{}").await[0], 3);
    let connected = gateway.facts("station.connected").await;
    assert_eq!(connected[1]["epoch"], 2);
}

#[tokio::test]
async fn two_live_connections_of_one_identity_raise_one_alarm() {
    let gateway = Gateway::start().await;
    let mut original = gateway.station("CP-1").await;
    let mut clone = gateway.station("CP-1").await;
    assert_eq!(original.closed().await, 1000);
    gateway.facts_once("station.security_noted", 1).await;
    let mut original = gateway.station("CP-1").await;
    assert_eq!(clone.closed().await, 1000);
    gateway.facts_once("station.disconnected", 2).await;
    let alarms = gateway.facts("station.security_noted").await;
    let told: Vec<_> = alarms.iter().map(|alarm| (&alarm["kind"], &alarm["seen_by"])).collect();
    assert_eq!(told, [(&json!("clone_suspected"), &json!("system"))]);
    // The newest connection is undisturbed.
    assert_eq!(original.call("1", "Heartbeat", "{}").await[0], 3);
}

#[tokio::test]
async fn who_sends_no_pong_shows_by_its_words_that_it_lives() {
    for quirks in [&[][..], &[Quirk::NoPong]] {
        let gateway = Gateway::start().await;
        gateway.speaks("CP-1", quirks).await;
        let mut original = gateway.station("CP-1").await;
        let mut clone = gateway.station("CP-1").await;
        // The clone's desk is open once this is answered, so the original has been pinged; it
        // does not read, and so sends no pong.
        assert_eq!(clone.call("1", "Heartbeat", "{}").await[0], 3);
        original.send_frame(0x81, br#"[2,"2","Heartbeat",{}]"#).await;
        let kinds = match quirks {
            [] => {
                // As the standard has it, words are no pong.
                gateway.facts_once("exchange.recorded", 2).await;
                gateway.facts("station.security_noted").await
            }
            _ => gateway.facts_once("station.security_noted", 1).await,
        };
        let expected = vec![json!("clone_suspected"); quirks.len()];
        let kinds: Vec<_> = kinds.iter().map(|alarm| alarm["kind"].clone()).collect();
        assert_eq!(kinds, expected);
        // What it said is recorded all the same, and answered.
        assert_eq!(gateway.facts("exchange.recorded").await.len(), 2);
        assert_eq!(original.text().await[1], "2");
    }
}

#[tokio::test]
async fn a_dead_old_connection_is_closed_within_its_grace() {
    let replaced_grace = Duration::from_millis(200);
    let gateway = Gateway::start_with(Limits { replaced_grace, ..Limits::default() }).await;
    let mut old = gateway.station("CP-1").await;
    let mut new = gateway.station("CP-1").await;
    // The old one reads nothing, so it sends no pong.
    let ends = gateway.facts_once("station.disconnected", 1).await;
    assert_eq!(ends, [json!({"epoch": 1, "reason": "replaced"})]);
    assert_eq!(new.call("1", "Heartbeat", "{}").await[0], 3);
    assert!(gateway.facts("station.security_noted").await.is_empty());
    let ended = async { while let Some(Ok(_)) = old.web_socket.next().await {} };
    tokio::time::timeout(PATIENCE, ended).await.expect("the old socket ends");
}

#[tokio::test]
async fn the_end_of_an_old_connection_does_not_disturb_the_new_one() {
    let gateway = Gateway::start().await;
    let mut first = gateway.station("CP-1").await;
    first.boot().await;
    let mut second = gateway.station("CP-1").await;
    drop(first);
    gateway.facts_once("station.disconnected", 1).await;
    let intent = chargebook_domain::events::v1::Intent::Unlock {
        connector: chargebook_domain::ids::ConnectorNumber(1),
        evse: None,
    };
    gateway.chargebook.request_command("CP-1", intent, "operator").await.expect("requested");
    let call = second.text().await;
    assert_eq!((&call[0], &call[2]), (&json!(2), &json!("UnlockConnector")), "{call}");
}

/// RFC 6455 section 5.5.2; control frames are never compressed (RFC 7692 section 6).
#[tokio::test]
async fn a_ping_of_the_stations_is_answered_with_its_own_words() {
    let gateway = Gateway::start().await;
    for mut station in [gateway.station("CP-1").await, gateway.compressing_station().await] {
        for words in [&b""[..], b"still there?"] {
            station.web_socket.send(Message::Ping(words.into())).await.expect("sent");
            let next = tokio::time::timeout(PATIENCE, station.web_socket.next()).await;
            let answer = next.expect("an answer in time").expect("not ended").expect("a message");
            assert_eq!(answer, Message::Pong(words.into()));
        }
        assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3);
    }
    assert_eq!(gateway.facts("exchange.recorded").await.len(), 2, "a ping is no message");
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let ping_interval = Duration::from_millis(100);
    let gateway = Gateway::start_with(Limits { ping_interval, ..Limits::default() }).await;
    let _station = gateway.station("CP-1").await;
    let ends = gateway.facts_once("station.disconnected", 1).await;
    assert_eq!(ends, [json!({"epoch": 1, "reason": "silent"})]);
}

#[tokio::test]
async fn a_connection_that_answers_pings_stays() {
    let ping_interval = Duration::from_millis(50);
    let gateway = Gateway::start_with(Limits { ping_interval, ..Limits::default() }).await;
    let mut station = gateway.station("CP-1").await;
    for _ in 0..6 {
        let next = tokio::time::timeout(PATIENCE, station.web_socket.next()).await;
        let message = next.expect("a ping in time").expect("not ended").expect("a message");
        assert!(message.is_ping(), "{message:?}");
    }
    assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3);
}
