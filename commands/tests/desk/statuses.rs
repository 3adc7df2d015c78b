//! What connectors are, told among other events in one message: once, whatever happens in between.

use crate::support::{Service, Station, at, start_at, status};
use chargebook_commands::message::{Notice, NoticeContent, NoticeSubject, StationMessage};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::ReportedEvent;
use chargebook_domain::ids::EventId;
use chargebook_store::AppendError;
use chargebook_store::contract::{FailingStore, Fate};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const WHEN: &str = "2026-11-22T11:30:00Z";

/// A NotifyEvent that tells that a component has power and, where asked for, that the connector
/// is free.
fn told(is_with_power: bool, is_with_status: bool) -> StationMessage {
    let power = ReportedEvent {
        number: 1,
        at: at(WHEN),
        trigger: "Delta".to_owned(),
        notification: "HardWiredNotification".to_owned(),
        component: serde_json::from_str(r#"{"name":"EVSE"}"#).unwrap(),
        variable: serde_json::from_str(r#"{"name":"Power"}"#).unwrap(),
        value: "0".to_owned(),
        condition: None,
        cause: None,
        severity: None,
        technical_code: None,
        technical_information: None,
        transaction: None,
        monitor: None,
        key: None,
    };
    let reported = is_with_power.then_some(power).into_iter().collect();
    let statuses = [1, 2].map(|connector| status(connector, "Available", WHEN));
    let statuses = statuses.into_iter().filter(|_| is_with_status).collect();
    StationMessage::Notice(Notice {
        content: NoticeContent::Events { reported, statuses },
        ..Notice::about(NoticeSubject::NotifyEvent)
    })
}

async fn charging(service: &Service) -> Station {
    let mut station = service.station("CP-1").await;
    station.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    station
}

/// How many statuses there are of the session and of the station, how many messages were taken
/// for new, and that no fact rests on a repeat.
async fn check(service: &Service, of_session: usize, of_station: usize, notified: usize) {
    let mut repeats: Vec<EventId> = Vec::new();
    let mut rest_on: Vec<EventId> = Vec::new();
    let mut counts = (0, 0, 0);
    for recorded in service.events().await {
        let data = recorded.data.as_str();
        match Event::read(&recorded.event_type, recorded.schema_version, data).unwrap() {
            Event::ExchangeRecorded(exchange) if exchange.duplicate_of.is_some() => {
                repeats.push(EventId(recorded.id));
            }
            Event::SessionConnectorStatus(fact) => {
                counts.0 += 1;
                rest_on.push(fact.exchange);
            }
            Event::StationConnectorStatus(fact) => {
                counts.1 += 1;
                rest_on.push(fact.exchange);
            }
            Event::StationNotified(_) => counts.2 += 1,
            _ => {}
        }
    }
    assert_eq!(counts, (of_session, of_station, notified));
    assert!(rest_on.iter().all(|exchange| !repeats.contains(exchange)));
}

#[tokio::test]
async fn a_message_with_a_new_status_is_no_repeat() {
    let service = Service::start().await;
    let mut station = charging(&service).await;
    station.say(told(true, false)).await;
    check(&service, 0, 0, 1).await;
    for _ in 0..2 {
        station.say(told(true, true)).await;
        check(&service, 1, 1, 2).await;
    }
}

#[tokio::test]
async fn statuses_alone_are_known_again() {
    let service = Service::start().await;
    let mut station = charging(&service).await;
    for _ in 0..2 {
        station.say(told(false, true)).await;
        check(&service, 1, 1, 1).await;
    }
}

#[tokio::test]
async fn what_a_crash_left_out_rests_on_the_message_that_told_it_then() {
    let service = Service::start().await;
    drop(charging(&service).await);
    let left = Arc::new(AtomicI64::new(i64::MAX));
    let counted = left.clone();
    let fate = move || match counted.fetch_sub(1, Ordering::SeqCst) {
        1.. => Fate::Passes,
        _ => Fate::Fails(AppendError::Down("killed".to_owned())),
    };
    let mortal = FailingStore::new(service.store.clone(), fate);
    let service = service.restart_over(Arc::new(mortal)).await;
    let mut station = service.station("CP-1").await;
    left.store(1, Ordering::SeqCst);
    assert!(station.try_say(told(true, true)).await.is_none(), "it died in between");
    let service = service.restart().await;
    check(&service, 0, 1, 1).await;
    let mut station = service.station("CP-1").await;
    for _ in 0..2 {
        station.say(told(true, true)).await;
        check(&service, 1, 1, 2).await;
    }
}
