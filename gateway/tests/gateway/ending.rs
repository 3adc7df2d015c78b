//! The orderly end of connections and of the gateway.

use crate::support::{Gateway, Station};
use serde_json::json;
use std::sync::atomic::Ordering;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn a_stopping_gateway_closes_its_connections_and_says_so() {
    let mut gateway = Gateway::start().await;
    let mut first = gateway.station("CP-1").await;
    let mut second = gateway.station("OPEN").await;
    first.boot().await;
    let (_, (first_code, second_code)) =
        tokio::join!(gateway.stop(), async { (first.closed().await, second.closed().await) });
    assert_eq!((first_code, second_code), (1001, 1001));
    let ends = gateway.facts("station.disconnected").await;
    let end = json!({"epoch": 1, "reason": "shutdown"});
    assert_eq!(ends, [end.clone(), end]);
    assert!(TcpStream::connect(gateway.address).await.is_err(), "the port is free again");
}

#[tokio::test]
async fn a_station_that_closes_is_answered_and_noted() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    station.web_socket.close(None).await.expect("closing");
    assert!(matches!(station.next().await, Message::Close(_)));
    let ends = gateway.facts_once("station.disconnected", 1).await;
    assert_eq!(ends, [json!({"epoch": 1, "reason": "closed_by_station"})]);
}

#[tokio::test]
async fn a_broken_connection_is_noted() {
    let gateway = Gateway::start().await;
    drop(gateway.station("CP-1").await);
    let ends = gateway.facts_once("station.disconnected", 1).await;
    assert_eq!(ends, [json!({"epoch": 1, "reason": "transport_error"})]);
}

#[tokio::test]
async fn what_was_not_stored_is_not_answered_and_can_be_said_again() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    station.boot().await;
    let recorded = gateway.facts("exchange.recorded").await.len();
    gateway.is_down.store(true, Ordering::SeqCst);
    station.send(r#"[2,"1","Heartbeat",{}]"#).await;
    assert_eq!(station.closed().await, 1011);
    // Nor is a connection that cannot be recorded.
    let (web_socket, _) = gateway.connect("OPEN", None, Some("ocpp1.6")).await.expect("upgraded");
    assert_eq!(Station { web_socket }.closed().await, 1011);
    assert_eq!(gateway.facts("exchange.recorded").await.len(), recorded);
    gateway.is_down.store(false, Ordering::SeqCst);
    let mut station = gateway.station("CP-1").await;
    assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3);
    assert_eq!(gateway.facts("exchange.recorded").await.len(), recorded + 1);
}
