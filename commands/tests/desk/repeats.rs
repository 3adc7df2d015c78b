//! What is told again and belongs to no session: it is kept as a repeat of what told it first,
//! and changes nothing, whatever has happened in between.

use crate::support::{Service, at, meter_at, start_at, stop_at};
use chargebook_commands::message::StationMessage;
use chargebook_commands::review::DecisionNote;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::ExchangeRecorded;
use chargebook_domain::ids::EventId;

const TEN_DAYS_SECONDS: i64 = 10 * 24 * 60 * 60;

/// What a station may say of which it has no session.
async fn of_no_session(service: &Service) -> Vec<StationMessage> {
    let mut owner = service.station("CP-2").await;
    let foreign = owner.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    vec![
        StationMessage::SecurityEvent {
            kind: "TamperDetectionActivated".to_owned(),
            at: at("2026-11-22T11:01:00Z"),
            detail: Some("door".to_owned()),
        },
        StationMessage::Meter(meter_at(1, None, "2026-11-22T11:02:00Z", 5_000)),
        StationMessage::Meter(meter_at(1, Some(foreign), "2026-11-22T11:03:00Z", 5_000)),
        StationMessage::Stop(stop_at(foreign, "2026-11-22T11:04:00Z", 5_000)),
    ]
}

/// The exchanges of the log, and how many facts there are beside them and the connections.
async fn told(service: &Service) -> (Vec<(EventId, ExchangeRecorded)>, usize) {
    let (mut exchanges, mut facts) = (Vec::new(), 0);
    for recorded in service.events().await {
        let data = recorded.data.as_str();
        match Event::read(&recorded.event_type, recorded.schema_version, data).unwrap() {
            Event::ExchangeRecorded(exchange) => {
                exchanges.push((EventId(recorded.id), exchange.as_ref().clone()));
            }
            Event::StationSecurityNoted(_)
            | Event::StationMeterRecorded(_)
            | Event::StationOrphanRecorded(_) => facts += 1,
            _ => {}
        }
    }
    (exchanges, facts)
}

#[tokio::test]
async fn what_is_of_no_session_is_told_once_and_its_repeats_say_so() {
    let mut service = Service::start().await;
    let messages = of_no_session(&service).await;
    let (before, _) = told(&service).await;
    let mut station = service.station("CP-1").await;
    for message in &messages {
        station.say(message.clone()).await;
    }
    let (exchanges, facts) = told(&service).await;
    let firsts: Vec<EventId> = exchanges[before.len()..].iter().map(|(id, _)| *id).collect();
    assert!(exchanges.iter().all(|(_, exchange)| exchange.duplicate_of.is_none()));

    for between in ["nothing", "a reconnect", "a restart", "a dismissal", "a month"] {
        match between {
            "a reconnect" => station = service.station("CP-1").await,
            "a restart" => {
                service = service.restart().await;
                station = service.station("CP-1").await;
            }
            "a dismissal" => {
                let note =
                    DecisionNote { reason: "not ours".to_owned(), decided_by: "Ada".to_owned() };
                service.chargebook.dismiss_orphan("CP-1", firsts[3], &note).await.unwrap();
                station = service.station("CP-1").await;
            }
            "a month" => service.pass(TEN_DAYS_SECONDS),
            _ => {}
        }
        let (before, _) = told(&service).await;
        for message in &messages {
            station.say(message.clone()).await;
        }
        let (exchanges, facts_now) = told(&service).await;
        let repeated: Vec<_> =
            exchanges[before.len()..].iter().map(|(_, exchange)| exchange.duplicate_of).collect();
        let expected: Vec<_> = firsts.iter().copied().map(Some).collect();
        assert_eq!(repeated, expected, "after {between}");
        assert_eq!(facts_now, facts, "nothing is told twice: after {between}");
    }
}

/// More than a page of the log lies between the two; and more than is searched for who told it
/// first: then that is not said, and still nothing is told twice.
#[tokio::test]
async fn a_repeat_is_recognized_however_much_was_said_since() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let reading = StationMessage::Meter(meter_at(1, None, "2026-11-22T11:02:00Z", 5_000));
    station.say(reading.clone()).await;
    let (exchanges, _) = told(&service).await;
    let (first, _) = exchanges[0];
    for first_told in [Some(first), None] {
        for _ in 0..2_100 {
            station.say(StationMessage::Heartbeat).await;
        }
        station.say(reading.clone()).await;
        let (exchanges, facts) = told(&service).await;
        let (_, last) = exchanges.last().unwrap();
        assert_eq!((last.duplicate_of, facts), (first_told, 1));
    }
}
