//! Commands on their way to a station and back.

use crate::support::{Gateway, Station, TAG};
use chargebook_commands::protocol::ExactRefused;
use chargebook_commands::{CommandStage, ExactError};
use chargebook_domain::events::v1::{CommandFailure, Intent};
use chargebook_domain::ids::{CommandId, ConnectorNumber, TransactionNumber};
use chargebook_gateway::Limits;
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

async fn request(gateway: &Gateway, intent: Intent) -> CommandId {
    let requested = gateway.chargebook.request_command("CP-1", intent, "operator").await;
    requested.expect("requested").0
}

async fn booted(gateway: &Gateway) -> Station {
    let mut station = gateway.station("CP-1").await;
    station.boot().await;
    station
}

/// Answers the CALL that comes next, and gives it.
async fn answer(station: &mut Station, payload: &Value) -> Value {
    let call = station.text().await;
    assert_eq!(call[0], 2, "{call}");
    station.send(json!([3, call[1], payload]).to_string()).await;
    call
}

#[tokio::test]
async fn a_command_is_sent_answered_and_told_without_personal_data() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    let id_tag = gateway.chargebook.personal().seal_uid(TAG).await.expect("sealed");
    let intent = Intent::Start {
        connector: Some(ConnectorNumber(1)),
        id_tag,
        token_id: None,
        evse: None,
        token_type: None,
    };
    let id = request(&gateway, intent).await;
    let call = answer(&mut station, &json!({"status": "Accepted"})).await;
    assert_eq!(call[2], "RemoteStartTransaction");
    assert_eq!(call[3], json!({"connectorId": 1, "idTag": TAG}));
    gateway.facts_once("command.answered", 1).await;
    let view = gateway.chargebook.command(id).await.expect("the log").expect("the command");
    assert_eq!((view.stage, view.status.as_deref()), (CommandStage::Finished, Some("Accepted")));
    for event in gateway.events().await {
        assert!(!event.data.as_str().contains(TAG), "{}", event.data.as_str());
    }
}

#[tokio::test]
async fn one_call_is_outstanding_at_a_time_and_calls_may_cross() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    let first = request(&gateway, Intent::GetConfiguration { keys: vec![] }).await;
    let second = request(&gateway, Intent::Reset { hard: false, evse: None }).await;
    let call = station.text().await;
    assert_eq!((&call[1], &call[2]), (&json!(first.to_string()), &json!("GetConfiguration")));
    // Our CALL is outstanding; the station's own is served all the same.
    assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3);
    assert_eq!(gateway.facts("command.sent").await.len(), 1);
    station.send(json!([3, call[1], {"configurationKey": []}]).to_string()).await;
    let call = answer(&mut station, &json!({"status": "Rejected"})).await;
    assert_eq!((&call[1], &call[2]), (&json!(second.to_string()), &json!("Reset")));
    let answered = gateway.facts_once("command.answered", 2).await;
    assert_eq!(answered[1]["status"], "Rejected");
}

#[tokio::test]
async fn an_error_is_an_answer() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    let id = request(&gateway, Intent::Reset { hard: true, evse: None }).await;
    let call = station.text().await;
    station.send(json!([4, call[1], "NotSupported", "no reset here", {}]).to_string()).await;
    let failed = gateway.facts_once("command.failed", 1).await;
    assert_eq!(failed[0]["failure"], "call_error");
    let view = gateway.chargebook.command(id).await.expect("the log").expect("the command");
    assert_eq!(view.failure.map(|failed| failed.failure), Some(CommandFailure::CallError));
}

#[tokio::test]
async fn no_answer_in_time_is_an_unknown_outcome_and_a_late_one_counts_after_all() {
    let call_timeout = Duration::from_millis(200);
    let gateway = Gateway::start_with(Limits { call_timeout, ..Limits::default() }).await;
    let mut station = booted(&gateway).await;
    request(&gateway, Intent::Reset { hard: true, evse: None }).await;
    let call = station.text().await;
    let failed = gateway.facts_once("command.failed", 1).await;
    assert_eq!(failed[0]["failure"], "outcome_unknown");
    station.send(json!([3, call[1], {"status": "Accepted"}]).to_string()).await;
    assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3);
    let exchanges = gateway.facts("exchange.recorded").await;
    let late = exchanges.iter().find(|exchange| exchange["message_id"] == call[1]);
    assert_eq!(late.expect("the late answer")["verdict"], "answered");
    assert_eq!(gateway.facts("command.answered").await.len(), 1);
    // A second answer belongs to nothing.
    station.send(json!([3, call[1], {"status": "Rejected"}]).to_string()).await;
    assert_eq!(station.call("2", "Heartbeat", "{}").await[0], 3);
    assert_eq!(gateway.facts("command.answered").await.len(), 1);
}

#[tokio::test]
async fn a_lost_connection_leaves_the_outcome_unknown_and_nothing_is_sent_twice() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    request(&gateway, Intent::Reset { hard: true, evse: None }).await;
    station.text().await;
    drop(station);
    let failed = gateway.facts_once("command.failed", 1).await;
    assert_eq!(failed[0]["failure"], "outcome_unknown");
    let mut station = gateway.station("CP-1").await;
    assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3);
    assert_eq!(gateway.facts("command.sent").await.len(), 1);
}

#[tokio::test]
async fn nothing_is_sent_before_the_first_boot_was_accepted() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    request(&gateway, Intent::GetConfiguration { keys: vec![] }).await;
    assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3);
    assert!(gateway.facts("command.sent").await.is_empty());
    station.boot().await;
    assert_eq!(station.text().await[2], "GetConfiguration");
}

#[tokio::test]
async fn acceptance_outlives_a_restart() {
    let gateway = Gateway::start().await;
    drop(booted(&gateway).await);
    gateway.facts_once("station.disconnected", 1).await;
    let gateway = gateway.restart().await;
    request(&gateway, Intent::GetConfiguration { keys: vec!["HeartbeatInterval".into()] }).await;
    let mut station = gateway.station("CP-1").await;
    let call = station.text().await;
    assert_eq!(call[3], json!({"key": ["HeartbeatInterval"]}));
}

#[tokio::test]
async fn what_the_version_has_no_words_for_fails_unsent() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    let trigger = Intent::Trigger { message: "Nonsense".into(), connector: None, evse: None };
    request(&gateway, trigger).await;
    let failed = gateway.facts_once("command.failed", 1).await;
    assert_eq!(failed[0]["failure"], "not_supported");
    request(&gateway, Intent::Stop { transaction_id: TransactionNumber(7), transaction: None })
        .await;
    let call = answer(&mut station, &json!({"status": "Rejected"})).await;
    assert_eq!(call[3], json!({"transactionId": 7}));
    assert_eq!(gateway.facts("command.sent").await.len(), 1);
}

async fn request_exact(gateway: &Gateway, action: &str, payload: &Value) -> CommandId {
    let payload = payload.to_string();
    let requested = gateway.chargebook.request_exact("CP-1", action, &payload, "operator").await;
    requested.expect("requested").0
}

#[tokio::test]
async fn a_request_in_ocpps_words_goes_out_in_the_schemas_order_and_is_answered() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    let reserve = json!({ "reservationId": 7, "parentIdTag": "GROUP", "idTag": TAG,
        "expiryDate": "2026-11-22T10:00:00Z", "connectorId": 1 });
    let id = request_exact(&gateway, "ReserveNow", &reserve).await;
    let Message::Text(frame) = station.next().await else { panic!("a text") };
    let payload = format!(
        r#"{{"connectorId":1,"expiryDate":"2026-11-22T10:00:00Z","idTag":"{TAG}","parentIdTag":"GROUP","reservationId":7}}"#
    );
    assert_eq!(frame.as_str(), format!(r#"[2,"{id}","ReserveNow",{payload}]"#));
    station.send(json!([3, id.to_string(), {"status": "Occupied"}]).to_string()).await;
    gateway.facts_once("command.answered", 1).await;
    let view = gateway.chargebook.command(id).await.expect("the log").expect("the command");
    assert_eq!(view.status.as_deref(), Some("Occupied"));
    assert_eq!(view.reply, Some(json!([3, id.to_string(), {"status": "Occupied"}]).to_string()));
    for event in gateway.events().await {
        let data = event.data.as_str();
        assert!(!data.contains(TAG) && !data.contains("GROUP"), "{data}");
    }
}

#[tokio::test]
async fn a_request_in_ocpps_words_is_held_against_the_version_the_station_speaks() {
    let gateway = Gateway::start().await;
    let ask = |action: &'static str, payload: &'static str| {
        let chargebook = gateway.chargebook.clone();
        async move { chargebook.request_exact("CP-1", action, payload, "operator").await }
    };
    let never = ask("ClearCache", "{}").await.expect_err("never connected");
    assert!(matches!(never, ExactError::NeverConnected), "{never}");
    let mut station = booted(&gateway).await;
    let wrong = ask("UnlockConnector", r#"{"evseId":1}"#).await.expect_err("of 2.x");
    let pointer = "/connectorId".to_owned();
    let rule = "missing field `connectorId`".to_owned();
    assert_eq!(wrong.to_string(), ExactRefused::Invalid { pointer, rule }.to_string());
    ask("SetVariables", "{}").await.expect_err("of 2.x");
    // Offline it is still known which version it spoke; settings wait, deeds do not.
    station.web_socket.close(None).await.expect("closed");
    gateway.facts_once("station.disconnected", 1).await;
    ask("UnlockConnector", r#"{"connectorId":1}"#).await.expect("an intent all the same");
    let failed = gateway.facts_once("command.failed", 1).await;
    assert_eq!(failed[0]["failure"], "station_offline");
    ask("GetLocalListVersion", "{}").await.expect("it waits");
    let mut station = gateway.station("CP-1").await;
    let call = answer(&mut station, &json!({ "listVersion": 3 })).await;
    assert_eq!((&call[2], &call[3]), (&json!("GetLocalListVersion"), &json!({})));
}

#[tokio::test]
async fn a_password_in_ocpps_words_counts_from_accepted() {
    let gateway = Gateway::start().await;
    let mut station = booted(&gateway).await;
    let set = json!({ "key": "AuthorizationKey", "value": "0123456789ABCDEF0123456789ABCDEF" });
    request_exact(&gateway, "ChangeConfiguration", &set).await;
    answer(&mut station, &json!({ "status": "Rejected" })).await;
    gateway.facts_once("command.answered", 1).await;
    assert!(gateway.facts("station.password_changed").await.is_empty());
    request_exact(&gateway, "ChangeConfiguration", &set).await;
    answer(&mut station, &json!({ "status": "Accepted" })).await;
    gateway.facts_once("command.answered", 2).await;
    let admit = async |password: Option<&'static [u8]>| {
        gateway.chargebook.admit("CP-1", password).await.is_ok()
    };
    assert!(admit(Some(b"0123456789ABCDEF0123456789ABCDEF")).await);
    // A 1.6 station sends the bytes that the hexadecimal digits spell.
    assert!(admit(Some(b"\x01\x23\x45\x67\x89\xAB\xCD\xEF\x01\x23\x45\x67\x89\xAB\xCD\xEF")).await);
    assert!(!admit(None).await);
}
