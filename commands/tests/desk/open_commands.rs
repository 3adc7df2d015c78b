//! Open commands: over a restart, however long the log is; and while a station is on its way in.

use crate::support::Service;
use chargebook_commands::CommandStage;
use chargebook_commands::message::StationMessage;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{BootInformation, CommandFailure, Intent};
use chargebook_store::{Append, CanonicalJson, EventStore, ExpectedVersion, NewEvent, StreamName};
use chrono::Utc;
use std::time::Duration;
use uuid::Uuid;

const EVENTS_A_DAY: u64 = 12_000;
const APPEND_EVENTS: u64 = 100;

/// Events that mean nothing to a command.
async fn busy_day(service: &Service, name: &str) {
    let stream = StreamName::new(format!("filler-{name}")).unwrap();
    for first in (0..EVENTS_A_DAY).step_by(APPEND_EVENTS as usize) {
        let expected = match first {
            0 => ExpectedVersion::NoStream,
            first => ExpectedVersion::Exact(first - 1),
        };
        let event = |_| NewEvent {
            id: Uuid::new_v4(),
            event_type: "filler.added".into(),
            schema_version: 1,
            recorded_at: Utc::now(),
            data: CanonicalJson::from_stored("{}"),
            meta: CanonicalJson::from_stored("{}"),
            keys: Vec::new(),
        };
        let events = (0..APPEND_EVENTS).map(event).collect();
        let append = Append { stream: stream.clone(), expected, events };
        service.store.append(append).await.unwrap();
    }
}

/// Where the next start begins to look for open commands, once that is in the log.
async fn checkpoint(service: &Service) -> u64 {
    for _ in 0..200 {
        let checkpoints = service.events().await.into_iter().filter_map(|recorded| {
            let data = recorded.data.as_str();
            let event = Event::read(&recorded.event_type, recorded.schema_version, data).ok()?;
            match event {
                Event::PolicyCheckpointed(fact)
                    if recorded.stream.as_str() == "policy-commands" =>
                {
                    fact.position.parse::<u64>().ok()
                }
                _ => None,
            }
        });
        if let Some(position) = checkpoints.last() {
            return position;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("there is no checkpoint");
}

#[tokio::test]
async fn an_open_command_is_found_again_and_the_log_before_it_is_not_read() {
    let service = Service::start().await;
    busy_day(&service, "one").await;
    let intent = Intent::GetConfiguration { keys: Vec::new() };
    let asked = service.chargebook.request_command("CP-1", intent, "test").await;
    let (command_id, registered) = asked.unwrap();
    busy_day(&service, "two").await;
    // Nothing has told the policies of the next process how far the log had been followed.
    let service = service.restart().await;
    let service = service.restart().await;
    let position = checkpoint(&service).await;
    assert!(position > EVENTS_A_DAY, "{position}: the first day is read again");
    assert!(position < registered.position.as_u64(), "{position}: the command is passed over");
    let service = service.restart().await;
    let mut station = service.station("CP-1").await;
    let boot = r#"{"vendor":"V","model":"M"}"#;
    let boot: BootInformation = serde_json::from_str(boot).unwrap();
    station.say(StationMessage::Boot(boot.into())).await;
    let due = station.desk.due_commands().await.unwrap();
    let due: Vec<_> = due.into_iter().map(|due| due.command_id).collect();
    assert_eq!(due, [command_id]);
    let view = service.chargebook.command(command_id).await.unwrap().unwrap();
    assert_eq!(view.stage, CommandStage::Requested);
}

/// Asks for what does not wait, and gives how far that is.
async fn reset(service: &Service) -> CommandStage {
    let intent = Intent::Reset { hard: false, evse: None };
    let asked = service.chargebook.request_command("CP-1", intent, "test").await;
    let (command_id, _) = asked.unwrap();
    service.chargebook.command(command_id).await.unwrap().unwrap().stage
}

#[tokio::test]
async fn what_does_not_wait_ends_with_the_process_that_did_not_send_it() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let boot = r#"{"vendor":"V","model":"M"}"#;
    let boot: BootInformation = serde_json::from_str(boot).unwrap();
    station.say(StationMessage::Boot(boot.into())).await;
    let deed = Intent::Reset { hard: false, evse: None };
    let (deed, _) = service.chargebook.request_command("CP-1", deed, "test").await.unwrap();
    let setting = Intent::GetConfiguration { keys: Vec::new() };
    let (setting, _) = service.chargebook.request_command("CP-1", setting, "test").await.unwrap();
    let due = station.desk.due_commands().await.unwrap();
    assert_eq!(due.len(), 2, "both are due as long as it is connected");
    // The process dies: nobody says that the connection has ended.
    let service = service.restart().await;
    let mut station = service.station("CP-1").await;
    let due = station.desk.due_commands().await.unwrap();
    let due: Vec<_> = due.into_iter().map(|due| due.command_id).collect();
    assert_eq!(due, [setting]);
    let patience = Duration::from_secs(20);
    let view = service.chargebook.command_finished(deed, patience).await.unwrap().unwrap();
    assert_eq!(view.failure.map(|failed| failed.failure), Some(CommandFailure::StationOffline));
}

#[tokio::test]
async fn a_station_whose_handshake_is_granted_can_be_asked() {
    let service = Service::start().await;
    assert_eq!(reset(&service).await, CommandStage::Finished, "it is offline");
    let password = b"0123456789abcdef0123456789abcdef";
    let admitted = service.chargebook.admit("CP-1", Some(password)).await.unwrap();
    let first = service.chargebook.coming(admitted.station_id);
    let second = service.chargebook.coming(admitted.station_id);
    assert_eq!(reset(&service).await, CommandStage::Requested);
    drop(first);
    assert_eq!(reset(&service).await, CommandStage::Requested);
    drop(second);
    assert_eq!(reset(&service).await, CommandStage::Finished, "it never came");
}
