//! How a station is treated: whether it may work, is left quiet, and what was set for it.

use crate::support::{Gateway, PASSWORD, Station, TAG};
use chargebook_commands::registry::{SettingsChange, StationChange};
use chargebook_domain::events::v1::{Intent, Registration};
use chargebook_domain::ids::{ConnectorNumber, EvseNumber};
use chargebook_gateway::Limits;
use futures::StreamExt as _;
use serde_json::{Value, json};
use std::time::Duration;

const BOOT: &str = r#"{"chargePointVendor":"V","chargePointModel":"M"}"#;

async fn set(gateway: &Gateway, settings: SettingsChange) {
    let change = StationChange { settings, ..StationChange::default() };
    gateway.chargebook.change_station("CP-1", change).await.expect("changed");
}

async fn answer_boots_with(gateway: &Gateway, registration: Registration) {
    let registration = Some(registration);
    set(gateway, SettingsChange { registration, ..SettingsChange::default() }).await;
}

async fn boot_status(station: &mut Station) -> Value {
    station.call("b", "BootNotification", BOOT).await[2]["status"].clone()
}

async fn request(gateway: &Gateway, intent: Intent) {
    gateway.chargebook.request_command("CP-1", intent, "operator").await.expect("requested");
}

async fn accept(station: &mut Station, call: &Value) {
    station.send(json!([3, call[1], {"status": "Accepted"}]).to_string()).await;
}

#[tokio::test]
async fn a_pending_station_is_sent_everything_but_transactions() {
    let gateway = Gateway::start().await;
    answer_boots_with(&gateway, Registration::Pending).await;
    let mut station = gateway.station("CP-1").await;
    assert_eq!(boot_status(&mut station).await, "Pending");
    let id_tag = gateway.chargebook.personal().seal_uid(TAG).await.expect("sealed");
    let start = Intent::Start {
        connector: Some(ConnectorNumber(1)),
        id_tag,
        token_id: None,
        evse: None,
        token_type: None,
    };
    request(&gateway, start).await;
    request(&gateway, Intent::GetConfiguration { keys: vec![] }).await;
    let call = station.text().await;
    assert_eq!(call[2], "GetConfiguration");
    station.send(json!([3, call[1], {"configurationKey": []}]).to_string()).await;
    // Nobody is let in at it.
    let authorize = format!(r#"{{"idTag":"{TAG}"}}"#);
    let answer = station.call("a", "Authorize", &authorize).await;
    assert_eq!(answer[2]["idTagInfo"]["status"], "Invalid");

    // Once it would be accepted it is asked to boot, and then what waited is sent.
    answer_boots_with(&gateway, Registration::Accepted).await;
    let call = station.text().await;
    assert_eq!(
        (&call[2], &call[3]),
        (&json!("TriggerMessage"), &json!({"requestedMessage": "BootNotification"}))
    );
    accept(&mut station, &call).await;
    assert_eq!(boot_status(&mut station).await, "Accepted");
    assert_eq!(station.text().await[2], "RemoteStartTransaction");
    let answer = station.call("a", "Authorize", &authorize).await;
    assert_eq!(answer[2]["idTagInfo"]["status"], "Accepted");
}

/// A payment taken elsewhere begins a transaction as well.
#[tokio::test]
async fn a_pending_station_is_not_asked_to_begin_what_was_paid() {
    let gateway = Gateway::start().await;
    answer_boots_with(&gateway, Registration::Pending).await;
    let opened = gateway.connect("CP-1", Some(PASSWORD.as_bytes()), Some("ocpp2.1")).await;
    let mut station = Station { web_socket: opened.expect("let in").0 };
    let boot = r#"{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}"#;
    assert_eq!(station.call("b", "BootNotification", boot).await[2]["status"], "Pending");
    let reference = gateway.chargebook.personal().seal_uid("PSP-1").await.expect("sealed");
    let evse = EvseNumber(1);
    let paid = Intent::StartPaid { evse, reference, card_last_digits: None, limit: None };
    request(&gateway, paid).await;
    request(&gateway, Intent::ClearCache).await;
    let call = station.text().await;
    assert_eq!(call[2], "ClearCache");
    accept(&mut station, &call).await;
    gateway.facts_once("command.answered", 1).await;
    assert_eq!(gateway.facts("command.sent").await.len(), 1);
}

#[tokio::test]
async fn a_rejected_station_is_sent_nothing_and_its_messages_are_kept() {
    let gateway = Gateway::start().await;
    answer_boots_with(&gateway, Registration::Rejected).await;
    let mut station = gateway.station("CP-1").await;
    assert_eq!(boot_status(&mut station).await, "Rejected");
    request(&gateway, Intent::GetConfiguration { keys: vec![] }).await;
    assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3);
    assert!(gateway.facts("command.sent").await.is_empty());
    assert_eq!(gateway.facts("exchange.recorded").await.len(), 2);
    // Its next boot is judged anew, and what waited is sent then.
    answer_boots_with(&gateway, Registration::Accepted).await;
    assert_eq!(boot_status(&mut station).await, "Accepted");
    assert_eq!(station.text().await[2], "GetConfiguration");
}

#[tokio::test]
async fn acceptance_outlives_the_connection_and_our_restart_until_a_boot_is_answered_otherwise() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    assert_eq!(boot_status(&mut station).await, "Accepted");
    drop(station);
    let gateway = gateway.restart().await;
    let mut station = gateway.station("CP-1").await;
    request(&gateway, Intent::GetConfiguration { keys: vec![] }).await;
    let call = station.text().await;
    assert_eq!(call[2], "GetConfiguration");
    station.send(json!([3, call[1], {"configurationKey": []}]).to_string()).await;
    // The setting is about the next boot; until then the last answer holds.
    answer_boots_with(&gateway, Registration::Rejected).await;
    request(&gateway, Intent::Reset { hard: false, evse: None }).await;
    let call = station.text().await;
    assert_eq!(call[2], "Reset");
    accept(&mut station, &call).await;
    assert_eq!(boot_status(&mut station).await, "Rejected");
    drop(station);
    let gateway = gateway.restart().await;
    let mut station = gateway.station("CP-1").await;
    let sent = gateway.facts("command.sent").await.len();
    request(&gateway, Intent::GetConfiguration { keys: vec![] }).await;
    assert_eq!(station.call("1", "Heartbeat", "{}").await[0], 3);
    assert_eq!(gateway.facts("command.sent").await.len(), sent);
}

fn soon() -> Limits {
    let boot_grace = Duration::from_millis(50);
    Limits { boot_grace, ping_interval: Duration::from_millis(200), ..Limits::default() }
}

#[tokio::test]
async fn a_station_that_was_never_seen_booting_is_asked_to_and_no_other() {
    let gateway = Gateway::start_with(soon()).await;
    let mut station = gateway.station("CP-1").await;
    // Anything else waits for its boot.
    request(&gateway, Intent::GetConfiguration { keys: vec![] }).await;
    let call = station.text().await;
    assert_eq!(
        (&call[2], &call[3]["requestedMessage"]),
        (&json!("TriggerMessage"), &json!("BootNotification"))
    );
    accept(&mut station, &call).await;
    assert_eq!(boot_status(&mut station).await, "Accepted");
    assert_eq!(station.text().await[2], "GetConfiguration");
    // The next connection of the same station is not asked again.
    let mut station = gateway.station("CP-1").await;
    pinged(&mut station).await;
    assert_eq!(gateway.facts("command.requested").await.len(), 2);
}

#[tokio::test]
async fn a_quiet_station_is_asked_nothing_of_our_own_accord() {
    let gateway = Gateway::start_with(soon()).await;
    let quiet = Some(true);
    let registration = Some(Registration::Pending);
    set(&gateway, SettingsChange { quiet, registration, ..SettingsChange::default() }).await;
    let mut station = gateway.station("CP-1").await;
    pinged(&mut station).await;
    assert_eq!(boot_status(&mut station).await, "Pending");
    answer_boots_with(&gateway, Registration::Accepted).await;
    pinged(&mut station).await;
    assert!(gateway.facts("command.requested").await.is_empty());
    // What somebody asks for is sent all the same.
    request(&gateway, Intent::GetConfiguration { keys: vec![] }).await;
    assert_eq!(station.text().await[2], "GetConfiguration");
}

/// Waits for a ping: by then the grace for a boot is over.
async fn pinged(station: &mut Station) {
    loop {
        let message = station.web_socket.next().await.expect("not ended").expect("a message");
        if message.is_ping() {
            return;
        }
        assert!(!message.is_text(), "{message:?}");
    }
}

#[tokio::test]
async fn compression_can_be_switched_off() {
    let gateway = Gateway::start().await;
    let offer = "permessage-deflate";
    let agreed = gateway.extension_agreed("CP-1", offer).await;
    assert!(agreed.is_some_and(|agreed| agreed.starts_with(offer)));
    let compression = Some(false);
    set(&gateway, SettingsChange { compression, ..SettingsChange::default() }).await;
    assert_eq!(gateway.extension_agreed("CP-1", offer).await, None);
}
