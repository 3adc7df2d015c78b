//! With which security profile a station is let in (use case A05).

use crate::support::{Gateway, Knock, Station};
use chargebook_commands::registry::StationChange;
use chargebook_gateway::Limits;
use serde_json::json;
use tokio_tungstenite::tungstenite::Error;

fn told_by_a_proxy() -> Limits {
    let security_profile_header = Some("X-Security-Profile".to_owned());
    Limits { security_profile_header, ..Limits::default() }
}

async fn behind_a_proxy() -> Gateway {
    Gateway::start_with(told_by_a_proxy()).await
}

/// `CP-1`, by this profile.
fn with(security_profile: &'static str) -> Knock<'static> {
    Knock { security_profile: Some(security_profile), ..Knock::at("CP-1") }
}

/// A station that has accepted a security profile, and what it connects with.
async fn agree(gateway: &Gateway, id: &str, station: &mut Station, profile: u8) {
    let before = gateway.facts("command.answered").await.len();
    let (action, payload) = (
        "ChangeConfiguration",
        json!({ "key": "SecurityProfile", "value": profile.to_string() }).to_string(),
    );
    let asked = gateway.chargebook.request_exact(id, action, &payload, "operator").await;
    asked.expect("requested");
    station.answer(&json!({ "status": "Accepted" })).await;
    gateway.facts_once("command.answered", before + 1).await;
}

/// The status of the refusal; `None`: it was let in.
async fn refused(gateway: &Gateway, knock: Knock<'_>) -> Option<u16> {
    match gateway.knock(knock).await {
        Ok(_) => None,
        Err(Error::Http(response)) => Some(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn set(gateway: &Gateway, id: &str, profile: u8) {
    let change = StationChange { security_profile: Some(profile), ..StationChange::default() };
    gateway.chargebook.change_station(id, change).await.expect("changed");
}

#[tokio::test]
async fn a_lower_profile_is_refused_once_the_station_has_come_with_the_higher_one() {
    let gateway = behind_a_proxy().await;
    let mut station = gateway.station("CP-1").await;
    station.boot().await;
    agree(&gateway, "CP-1", &mut station, 2).await;
    let agreed = gateway.facts("station.security_profile_agreed").await;
    assert_eq!(agreed, [json!({ "security_profile": 2 })]);
    // It could not connect with the new profile and falls back: it must not be locked out.
    assert_eq!(refused(&gateway, with("1")).await, None);
    assert!(gateway.facts("station.security_profile_required").await.is_empty());

    assert_eq!(refused(&gateway, with("2")).await, None);
    let required = gateway.facts("station.security_profile_required").await;
    assert_eq!(required, [json!({ "security_profile": 2 })]);
    for _ in 0..2 {
        assert_eq!(refused(&gateway, with("1")).await, Some(403));
    }
    assert_eq!(refused(&gateway, with("2")).await, None);
    let noted = gateway.facts("station.security_noted").await;
    let kinds: Vec<_> = noted.iter().map(|fact| &fact["kind"]).collect();
    assert_eq!(kinds, ["lower_security_profile_refused"], "noted once an hour");
    let gateway = gateway.restart_with(told_by_a_proxy()).await;
    assert_eq!(refused(&gateway, with("1")).await, Some(403), "after a restart as well");
}

#[tokio::test]
async fn of_two_profiles_that_were_agreed_on_the_last_one_counts() {
    let gateway = behind_a_proxy().await;
    let mut station = gateway.station("CP-1").await;
    station.boot().await;
    // It never comes with the first one.
    agree(&gateway, "CP-1", &mut station, 3).await;
    agree(&gateway, "CP-1", &mut station, 2).await;
    assert_eq!(refused(&gateway, with("2")).await, None);
    let required = gateway.facts("station.security_profile_required").await;
    assert_eq!(required, [json!({ "security_profile": 2 })]);
    assert_eq!(refused(&gateway, with("1")).await, Some(403));
}

#[tokio::test]
async fn whom_a_certificate_has_let_in_needs_no_password() {
    let gateway = behind_a_proxy().await;
    let without =
        |profile| Knock { password: None, security_profile: profile, ..Knock::at("CP-1") };
    assert_eq!(refused(&gateway, without(Some("3"))).await, None);
    assert_eq!(refused(&gateway, without(Some("2"))).await, Some(401));
    assert_eq!(refused(&gateway, without(None)).await, Some(401));
    let connected = gateway.facts_once("station.connected", 1).await;
    assert_eq!(connected[0]["security_profile"], 3);
    let nobody = Knock { path: "/ocpp/CP-9".to_owned(), ..without(Some("3")) };
    assert_eq!(refused(&gateway, nobody).await, Some(404));
    // What no proxy has told is nothing but what anybody could send.
    let gateway = gateway.restart().await;
    assert_eq!(refused(&gateway, without(Some("3"))).await, Some(401));
}

#[tokio::test]
async fn behind_a_proxy_that_tells_them_all_profiles_are_seen() {
    let gateway = behind_a_proxy().await;
    let with = |security_profile| Knock { security_profile, ..Knock::at("CP-1") };
    let (web_socket, _) = gateway.knock(with(Some("1"))).await.expect("let in");
    let mut station = Station { web_socket };
    station.boot().await;
    agree(&gateway, "CP-1", &mut station, 2).await;
    assert_eq!(refused(&gateway, with(Some("1"))).await, None);
    assert_eq!(refused(&gateway, with(Some("2"))).await, None);
    for lower in [None, Some("1"), Some("nonsense")] {
        assert_eq!(refused(&gateway, with(lower)).await, Some(403), "{lower:?}");
    }
    assert_eq!(refused(&gateway, with(Some("3"))).await, None);
    let required = gateway.facts("station.security_profile_required").await;
    assert_eq!(required, [json!({ "security_profile": 2 })], "3 was never agreed on");
    // A lower one is never agreed on, and only an operator takes it back.
    let (web_socket, _) = gateway.knock(with(Some("2"))).await.expect("let in");
    let mut station = Station { web_socket };
    agree(&gateway, "CP-1", &mut station, 1).await;
    assert_eq!(gateway.facts("station.security_profile_agreed").await.len(), 1);
    set(&gateway, "CP-1", 1).await;
    assert_eq!(refused(&gateway, with(Some("1"))).await, None);
}

#[tokio::test]
async fn what_ends_in_front_of_us_is_not_missed() {
    let gateway = Gateway::start().await;
    set(&gateway, "CP-1", 2).await;
    assert_eq!(refused(&gateway, Knock::at("CP-1")).await, None);
    set(&gateway, "OPEN", 2).await;
    assert_eq!(refused(&gateway, Knock::at("OPEN")).await, Some(401), "a password can be seen");
    set(&gateway, "OPEN", 3).await;
    assert_eq!(refused(&gateway, Knock::at("OPEN")).await, None, "a certificate cannot");
    // What anybody could send counts for nothing.
    let boast = Knock { security_profile: Some("3"), ..Knock::at("CP-1") };
    assert_eq!(refused(&gateway, boast).await, None);
    let connected = gateway.facts("station.connected").await;
    assert_eq!(connected.last().expect("connected")["security_profile"], 1);
}

#[tokio::test]
async fn a_network_profile_of_2_x_is_agreed_on_too() {
    for protocol in ["ocpp2.0.1", "ocpp2.1"] {
        agrees_on_a_network_profile(protocol).await;
    }
}

async fn agrees_on_a_network_profile(protocol: &'static str) {
    let gateway = behind_a_proxy().await;
    let mut station = gateway.station_of(protocol).await;
    let connection = json!({ "configurationSlot": 2, "connectionData": {
        "messageTimeout": 30, "ocppCsmsUrl": "wss://csms.example/ocpp", "ocppInterface": "Wired0",
        "ocppTransport": "JSON", "ocppVersion": "OCPP20", "securityProfile": 2 } })
    .to_string();
    let action = "SetNetworkProfile";
    let asked = gateway.chargebook.request_exact("CP-1", action, &connection, "operator").await;
    asked.expect("requested");
    station.answer(&json!({ "status": "Accepted" })).await;
    gateway.facts_once("station.security_profile_agreed", 1).await;
    let with = |security_profile| Knock {
        security_profile,
        protocols: Some(protocol),
        ..Knock::at("CP-1")
    };
    assert_eq!(refused(&gateway, with(Some("2"))).await, None, "{protocol}");
    assert_eq!(refused(&gateway, with(None)).await, Some(403), "{protocol}");
}
