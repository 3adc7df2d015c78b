//! Passwords that are changed over OCPP: no answer that is lost, late or in force only after a
//! reboot locks a station out (use case A01; TC_073).

use crate::support::{Gateway, Knock, PASSWORD, Station};
use chargebook_gateway::Limits;
use serde_json::{Value, json};
use std::time::Duration;

const NEW: &str = "a password of 40 characters, no more at all";

/// Asks `CP-1` to take over a password; gives our CALL.
async fn offer(gateway: &Gateway, station: &mut Station, password: &str) -> Value {
    let payload = json!({ "key": "AuthorizationKey", "value": password }).to_string();
    let action = "ChangeConfiguration";
    let asked = gateway.chargebook.request_exact("CP-1", action, &payload, "operator").await;
    asked.expect("requested");
    station.text().await
}

async fn answer(station: &mut Station, call: &Value, status: &str) {
    station.send(json!([3, call[1], { "status": status }]).to_string()).await;
}

async fn booted(gateway: &Gateway) -> Station {
    let mut station = gateway.station("CP-1").await;
    station.boot().await;
    station
}

async fn logs_in(gateway: &Gateway, password: &str) -> bool {
    let knock = Knock { password: Some(password.as_bytes()), ..Knock::at("CP-1") };
    gateway.knock(knock).await.is_ok()
}

#[tokio::test]
async fn a_password_that_needs_a_reboot_counts_beside_the_old_one_until_the_first_login() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    let call = offer(&gateway, &mut station, NEW).await;
    answer(&mut station, &call, "RebootRequired").await;
    gateway.facts_once("command.answered", 1).await;
    // It has lost the network before its reboot.
    assert!(logs_in(&gateway, PASSWORD).await);
    assert!(!logs_in(&gateway, "neither").await);
    assert!(gateway.facts("station.password_changed").await.is_empty());
    assert!(logs_in(&gateway, NEW).await);
    assert!(!logs_in(&gateway, PASSWORD).await, "the old one counts no more");
    assert_eq!(gateway.facts("station.password_changed").await.len(), 1);
    assert!(logs_in(&gateway, NEW).await);
    assert_eq!(gateway.facts("station.password_changed").await.len(), 1);
    for fact in gateway.facts("station.password_offered").await {
        assert!(!fact.to_string().contains(NEW), "{fact}");
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_locks_nobody_out() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    offer(&gateway, &mut station, NEW).await;
    drop(station);
    gateway.facts_once("command.failed", 1).await;
    let gateway = gateway.restart().await;
    assert!(logs_in(&gateway, PASSWORD).await, "it has never seen the new one");
    assert!(logs_in(&gateway, NEW).await, "it has");
    assert!(!logs_in(&gateway, PASSWORD).await);
}

#[tokio::test]
async fn a_password_that_is_not_taken_over_counts_no_more() {
    for status in ["Rejected", "NotSupported"] {
        let gateway = Gateway::start().await;
        let mut station = booted(&gateway).await;
        let call = offer(&gateway, &mut station, NEW).await;
        answer(&mut station, &call, status).await;
        gateway.facts_once("command.answered", 1).await;
        assert_eq!(gateway.facts("station.password_declined").await.len(), 1);
        assert!(!logs_in(&gateway, NEW).await, "{status}");
        assert!(logs_in(&gateway, PASSWORD).await, "{status}");
    }
}

#[tokio::test]
async fn a_password_that_is_answered_by_an_error_counts_no_more() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    let call = offer(&gateway, &mut station, NEW).await;
    station.send(json!([4, call[1], "InternalError", "", {}]).to_string()).await;
    gateway.facts_once("command.failed", 1).await;
    assert!(!logs_in(&gateway, NEW).await);
    assert!(logs_in(&gateway, PASSWORD).await);
}

#[tokio::test]
async fn an_accepted_that_comes_after_all_counts() {
    let call_timeout = Duration::from_millis(100);
    let gateway = Gateway::start_with(Limits { call_timeout, ..Limits::default() }).await;
    let mut station = booted(&gateway).await;
    let call = offer(&gateway, &mut station, NEW).await;
    let failed = gateway.facts_once("command.failed", 1).await;
    assert_eq!(failed[0]["failure"], "outcome_unknown");
    answer(&mut station, &call, "Accepted").await;
    gateway.facts_once("command.answered", 1).await;
    assert_eq!(gateway.facts("station.password_changed").await.len(), 1);
    assert!(!logs_in(&gateway, PASSWORD).await);
    assert!(logs_in(&gateway, NEW).await);
}

#[tokio::test]
async fn an_operators_password_ends_what_was_offered() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    let call = offer(&gateway, &mut station, NEW).await;
    answer(&mut station, &call, "RebootRequired").await;
    gateway.facts_once("command.answered", 1).await;
    let change = chargebook_commands::registry::StationChange {
        password: Some("the operator's"),
        ..chargebook_commands::registry::StationChange::default()
    };
    gateway.chargebook.change_station("CP-1", change).await.expect("changed");
    assert!(!logs_in(&gateway, NEW).await);
    assert!(!logs_in(&gateway, PASSWORD).await);
    assert!(logs_in(&gateway, "the operator's").await);
}

#[tokio::test]
async fn a_password_that_nobody_can_check_is_no_security_profile() {
    let gateway = Gateway::start().await;
    let knock = Knock { password: Some(b"anything"), ..Knock::at("OPEN") };
    assert!(gateway.knock(knock).await.is_ok());
    assert!(logs_in(&gateway, PASSWORD).await);
    let connected = gateway.facts_once("station.connected", 2).await;
    let profiles: Vec<_> = connected.iter().map(|fact| &fact["security_profile"]).collect();
    assert_eq!(profiles, [0, 1]);
}

/// What a network connection profile sets, in either way (2.1: B09; TC_B_100, TC_B_105).
fn profile_with_password(
    protocol: &'static str,
    is_by_variable: bool,
) -> (&'static str, Value, Value) {
    if is_by_variable {
        let place = json!({ "component": { "name": "NetworkConfiguration", "instance": "2" },
            "variable": { "name": "BasicAuthPassword" } });
        let (mut wanted, mut result) = (place.clone(), place);
        wanted["attributeValue"] = json!(NEW);
        result["attributeStatus"] = json!("Accepted");
        let payload = json!({ "setVariableData": [wanted] });
        return ("SetVariables", payload, json!({ "setVariableResult": [result] }));
    }
    let ocpp = if protocol == "ocpp2.1" { "OCPP21" } else { "OCPP20" };
    let payload = json!({ "configurationSlot": 2, "connectionData": {
        "messageTimeout": 30, "ocppCsmsUrl": "wss://csms.example.com/ocpp",
        "ocppInterface": "Wired0", "ocppTransport": "JSON", "ocppVersion": ocpp,
        "securityProfile": 2, "basicAuthPassword": NEW } });
    ("SetNetworkProfile", payload, json!({ "status": "Accepted" }))
}

/// Asks `CP-1` for what sets the password of a network connection profile, which it accepts.
async fn profile_accepted(gateway: &Gateway, protocol: &'static str, is_by_variable: bool) {
    let mut station = gateway.station_of(protocol).await;
    let (action, payload, answer) = profile_with_password(protocol, is_by_variable);
    let payload = payload.to_string();
    let asked = gateway.chargebook.request_exact("CP-1", action, &payload, "operator").await;
    asked.expect("requested");
    let call = station.text().await;
    assert_eq!(call[2], action);
    assert!(logs_in(gateway, NEW).await, "its answer may be lost");
    station.send(json!([3, call[1], answer]).to_string()).await;
    gateway.facts_once("command.answered", 1).await;
}

#[tokio::test]
async fn the_password_of_a_network_profile_counts_beside_the_stations_own() {
    for (protocol, is_by_variable) in [("ocpp2.1", false), ("ocpp2.1", true), ("ocpp2.0.1", true)] {
        let gateway = Gateway::start().await;
        profile_accepted(&gateway, protocol, is_by_variable).await;
        for _ in 0..2 {
            assert!(logs_in(&gateway, NEW).await, "{protocol}: by the profile");
            assert!(logs_in(&gateway, PASSWORD).await, "{protocol}: it has fallen back");
        }
        assert!(!logs_in(&gateway, "neither").await);
        let gateway = gateway.restart().await;
        assert!(logs_in(&gateway, PASSWORD).await && logs_in(&gateway, NEW).await);
        for event in gateway.events().await {
            assert!(!event.data.as_str().contains(NEW), "{}", event.data.as_str());
        }
        let change = chargebook_commands::registry::StationChange {
            password: Some("the operator's"),
            ..chargebook_commands::registry::StationChange::default()
        };
        gateway.chargebook.change_station("CP-1", change).await.expect("changed");
        assert!(!logs_in(&gateway, NEW).await && !logs_in(&gateway, PASSWORD).await);
        assert!(logs_in(&gateway, "the operator's").await);
    }
}
