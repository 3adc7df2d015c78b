//! What is asked of a station has its time: it is sent within it, or never.

use crate::support::{Service, Station};
use chargebook_commands::CommandStage;
use chargebook_commands::message::{RenderedReply, StationMessage};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{BootInformation, CommandFailure, Intent};
use chargebook_domain::ids::CommandId;
use std::time::Duration;

/// What does not wait is worth nothing later than this.
const EXPIRES_AFTER_SECONDS: i64 = 30;
/// What waits does so for a week.
const WAITS_FOR_SECONDS: i64 = 7 * 24 * 60 * 60;
/// How long the watch may take, once the time is over.
const PATIENCE: Duration = Duration::from_secs(20);

async fn booted(service: &Service) -> Station {
    let mut station = service.station("CP-1").await;
    let boot = r#"{"vendor":"V","model":"M"}"#;
    let boot: BootInformation = serde_json::from_str(boot).unwrap();
    station.say(StationMessage::Boot(boot.into())).await;
    station
}

async fn asked(service: &Service, intent: Intent) -> CommandId {
    service.chargebook.request_command("CP-1", intent, "test").await.unwrap().0
}

/// What does not wait.
fn deed() -> Intent {
    Intent::Reset { hard: false, evse: None }
}

/// What waits for its station.
fn setting() -> Intent {
    Intent::GetConfiguration { keys: Vec::new() }
}

async fn due(station: &mut Station) -> Vec<CommandId> {
    let due = station.desk.due_commands().await.unwrap();
    due.into_iter().map(|due| due.command_id).collect()
}

/// The command has ended for want of time, once and by the log; no connection gets to send it.
async fn check_expired(service: &Service, station: &mut Station, command_id: CommandId) {
    let view = service.chargebook.command_finished(command_id, PATIENCE).await.unwrap().unwrap();
    assert_eq!(view.stage, CommandStage::Finished, "{view:?}");
    let failures = service.facts(|event| match event {
        Event::CommandFailed(failed) => Some(failed.failure),
        _ => None,
    });
    assert_eq!(failures.await, [CommandFailure::Expired]);
    assert!(!is_sent(station, command_id).await, "it was let out");
    assert_eq!(due(station).await, []);
    let sent = service.facts(|event| matches!(event, Event::CommandSent(_)).then_some(())).await;
    assert_eq!(sent, [], "it was sent");
}

/// Whether the desk lets a connection send it.
async fn is_sent(station: &mut Station, command_id: CommandId) -> bool {
    let frame = RenderedReply { frame: r#"[2,"1","Any",{}]"#.to_owned(), personal: Vec::new() };
    station.desk.command_sent(command_id, "1", "Any", &frame, None, &[]).await.unwrap()
}

#[tokio::test]
async fn a_deed_that_was_not_sent_in_time_is_never_sent() {
    let service = Service::start().await;
    let mut station = booted(&service).await;
    // Another request keeps the connection busy all the while.
    let command_id = asked(&service, deed()).await;
    service.pass(EXPIRES_AFTER_SECONDS - 1);
    assert_eq!(due(&mut station).await, [command_id], "its time is not over");
    service.pass(1);
    assert_eq!(
        due(&mut station).await,
        [],
        "its time is over, whether anybody has noted it or not"
    );
    assert!(!is_sent(&mut station, command_id).await);
    check_expired(&service, &mut station, command_id).await;
}

#[tokio::test]
async fn a_deed_is_sent_within_its_time() {
    let service = Service::start().await;
    let mut station = booted(&service).await;
    let command_id = asked(&service, deed()).await;
    service.pass(EXPIRES_AFTER_SECONDS - 1);
    assert!(is_sent(&mut station, command_id).await);
    // What was sent does not expire any more: the station may be doing it.
    service.pass(WAITS_FOR_SECONDS);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let view = service.chargebook.command(command_id).await.unwrap().unwrap();
    assert_eq!(view.stage, CommandStage::Sent, "{view:?}");
}

#[tokio::test]
async fn a_setting_waits_seven_days_for_its_station_and_no_longer() {
    let service = Service::start().await;
    let command_id = asked(&service, setting()).await;
    service.pass(WAITS_FOR_SECONDS - 1);
    let mut station = booted(&service).await;
    assert_eq!(due(&mut station).await, [command_id]);
    service.pass(1);
    assert_eq!(due(&mut station).await, []);
    check_expired(&service, &mut station, command_id).await;
}

#[tokio::test]
async fn a_setting_that_waits_expires_over_a_restart_as_well() {
    let service = Service::start().await;
    let command_id = asked(&service, setting()).await;
    let service = service.restart().await;
    service.pass(WAITS_FOR_SECONDS - 1);
    let mut station = booted(&service).await;
    assert_eq!(due(&mut station).await, [command_id], "a restart does not shorten it");
    drop(station);
    // The last of its time passes while no process runs.
    let service = service.restart_after(1).await;
    let mut station = booted(&service).await;
    check_expired(&service, &mut station, command_id).await;
}
