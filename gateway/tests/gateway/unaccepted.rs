//! What a station may send that was not accepted: in 2.x its boot, and what it was asked for
//! (B02.FR.09, B03.FR.07).

use crate::support::{Gateway, PASSWORD, Station, TAG};
use chargebook_commands::registry::{SettingsChange, StationChange};
use chargebook_domain::events::v1::Registration;
use serde_json::{Value, json};

const BOOT: &str = r#"{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}"#;
const STATUS: &str = concat!(
    r#"{"timestamp":"2026-11-22T10:00:00Z","connectorStatus":"Available","#,
    r#""evseId":1,"connectorId":1}"#
);

async fn answer_boots_with(gateway: &Gateway, registration: Registration) {
    // Left quiet, so that nothing comes but what a test asks for.
    let (registration, quiet) = (Some(registration), Some(true));
    let settings = SettingsChange { registration, quiet, ..SettingsChange::default() };
    let change = StationChange { settings, ..StationChange::default() };
    gateway.chargebook.change_station("CP-1", change).await.expect("changed");
}

/// `CP-1`, its boot answered with this.
async fn booted(protocol: &'static str, registration: Registration) -> (Gateway, Station) {
    let gateway = Gateway::start().await;
    answer_boots_with(&gateway, registration).await;
    let opened = gateway.connect("CP-1", Some(PASSWORD.as_bytes()), Some(protocol)).await;
    let mut station = Station { web_socket: opened.expect("let in").0 };
    boot(&mut station).await;
    (gateway, station)
}

async fn boot(station: &mut Station) -> Value {
    station.call("boot", "BootNotification", BOOT).await[2]["status"].clone()
}

async fn ask(gateway: &Gateway, station: &mut Station, action: &str, payload: Value, status: &str) {
    let before = gateway.facts("command.answered").await.len();
    let payload = payload.to_string();
    let asked = gateway.chargebook.request_exact("CP-1", action, &payload, "operator").await;
    asked.expect("requested");
    station.answer(&json!({ "status": status })).await;
    gateway.facts_once("command.answered", before + 1).await;
}

#[track_caller]
fn assert_refused(answer: &Value) {
    assert_eq!((&answer[0], &answer[2]), (&json!(4), &json!("SecurityError")), "{answer}");
}

#[tokio::test]
async fn a_pending_station_of_2_x_may_boot_and_say_what_it_was_asked_for() {
    for protocol in ["ocpp2.0.1", "ocpp2.1"] {
        let (gateway, mut station) = booted(protocol, Registration::Pending).await;
        assert_refused(&station.call("1", "StatusNotification", STATUS).await);
        assert_refused(&station.call("2", "StatusNotification", "{}").await);
        let exchanges = gateway.facts("exchange.recorded").await;
        assert_eq!(exchanges[1]["verdict"], "refused");
        let kept = format!(r#"[2,"1","StatusNotification",{STATUS}]"#);
        assert_eq!(exchanges[1]["request"], json!(kept), "verbatim all the same");
        assert!(gateway.facts("station.connector_status").await.is_empty());

        let trigger = |message: &str| json!({ "requestedMessage": message });
        let status = trigger("StatusNotification");
        ask(&gateway, &mut station, "TriggerMessage", status.clone(), "Rejected").await;
        assert_refused(&station.call("3", "StatusNotification", STATUS).await);
        ask(&gateway, &mut station, "TriggerMessage", status, "Accepted").await;
        assert_eq!(station.call("4", "StatusNotification", STATUS).await, json!([3, "4", {}]));
        assert_refused(&station.call("5", "Heartbeat", "{}").await);
        let report = json!({ "requestId": 7, "reportBase": "FullInventory" });
        ask(&gateway, &mut station, "GetBaseReport", report, "Accepted").await;
        let part = r#"{"requestId":7,"generatedAt":"2026-11-22T10:00:00Z","seqNo":0}"#;
        assert_eq!(station.call("6", "NotifyReport", part).await, json!([3, "6", {}]));

        answer_boots_with(&gateway, Registration::Accepted).await;
        assert_refused(&station.call("7", "Heartbeat", "{}").await);
        assert_eq!(boot(&mut station).await, "Accepted");
        assert_eq!(station.call("8", "Heartbeat", "{}").await[0], 3);
    }
}

#[tokio::test]
async fn a_report_goes_on_over_the_next_connection() {
    let (gateway, mut station) = booted("ocpp2.0.1", Registration::Pending).await;
    let report = json!({ "requestId": 7, "reportBase": "FullInventory" });
    ask(&gateway, &mut station, "GetBaseReport", report, "Accepted").await;
    let refused = json!({ "requestId": 8, "reportBase": "FullInventory" });
    ask(&gateway, &mut station, "GetBaseReport", refused, "Rejected").await;
    let part = |request: i32, sequence: u32, more: bool| {
        json!({ "requestId": request, "generatedAt": "2026-11-22T10:00:00Z", "seqNo": sequence,
            "tbc": more })
        .to_string()
    };
    assert_eq!(station.call("1", "NotifyReport", &part(7, 0, true)).await[0], 3);
    drop(station);
    let gateway = gateway.restart().await;
    let opened = gateway.connect("CP-1", Some(PASSWORD.as_bytes()), Some("ocpp2.0.1")).await;
    let mut station = Station { web_socket: opened.expect("let in").0 };
    assert_eq!(station.call("2", "NotifyReport", &part(7, 1, false)).await[0], 3);
    // Its answer was lost, so it comes again.
    assert_eq!(station.call("3", "NotifyReport", &part(7, 1, false)).await[0], 3);
    assert_refused(&station.call("more", "NotifyReport", &part(7, 2, false)).await);
    assert_refused(&station.call("4", "NotifyReport", &part(8, 0, false)).await);
    assert_refused(&station.call("5", "NotifyReport", &part(9, 0, false)).await);
    answer_boots_with(&gateway, Registration::Rejected).await;
    assert_eq!(boot(&mut station).await, "Rejected");
    assert_refused(&station.call("6", "NotifyReport", &part(7, 1, false)).await);
}

#[tokio::test]
async fn a_rejected_station_of_2_x_may_only_boot() {
    for protocol in ["ocpp2.0.1", "ocpp2.1"] {
        let (_gateway, mut station) = booted(protocol, Registration::Rejected).await;
        assert_refused(&station.call("1", "Heartbeat", "{}").await);
        assert_refused(&station.call("2", "StatusNotification", STATUS).await);
        assert_eq!(boot(&mut station).await, "Rejected");
        // A CALL is a CALL, whatever it asks for; a broken frame is said to be one.
        assert_refused(&station.call("3", "Nonsense", "{}").await);
        assert_refused(&station.call("4", "Reset", "{}").await);
        station.send(r#"[7,"5","Heartbeat",{}]"#).await;
        assert_eq!(station.text().await[2], "MessageTypeNotSupported");
        station.send(r#"[2,"6"]"#).await;
        assert_eq!(station.text().await[2], "RpcFrameworkError");
    }
}

#[tokio::test]
async fn a_transaction_told_too_early_is_told_again_and_counts_once() {
    let (gateway, mut station) = booted("ocpp2.0.1", Registration::Pending).await;
    let event = json!({ "eventType": "Started", "timestamp": "2026-11-22T10:00:00Z",
        "triggerReason": "Authorized", "seqNo": 0, "offline": true,
        "transactionInfo": { "transactionId": "tx-1" }, "evse": { "id": 1, "connectorId": 1 },
        "idToken": { "idToken": TAG, "type": "ISO14443" } })
    .to_string();
    assert_refused(&station.call("1", "TransactionEvent", &event).await);
    assert!(gateway.facts("session.opened").await.is_empty());
    answer_boots_with(&gateway, Registration::Accepted).await;
    assert_eq!(boot(&mut station).await, "Accepted");
    for id in ["2", "3"] {
        let answer = station.call(id, "TransactionEvent", &event).await;
        assert_eq!(answer[2]["idTokenInfo"]["status"], "Accepted", "{answer}");
    }
    assert_eq!(gateway.facts("session.opened").await.len(), 1);
}

#[tokio::test]
async fn who_was_never_told_to_wait_is_served_and_1_6_has_no_such_error() {
    let gateway = Gateway::start().await;
    let opened = gateway.connect("CP-1", Some(PASSWORD.as_bytes()), Some("ocpp2.0.1")).await;
    let mut station = Station { web_socket: opened.expect("let in").0 };
    assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3, "no boot is due on a reconnect");
    let gateway = Gateway::start().await;
    answer_boots_with(&gateway, Registration::Pending).await;
    let mut station = gateway.station("CP-1").await;
    let boot = r#"{"chargePointVendor":"V","chargePointModel":"M"}"#;
    assert_eq!(station.call("b", "BootNotification", boot).await[2]["status"], "Pending");
    assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3);
}
