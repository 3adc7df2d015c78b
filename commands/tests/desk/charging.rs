//! A charging profile that was promised is brought, whatever happens in between, and once.

use crate::support::{Service, TAG};
use crate::transactions::{Telling, ended, started};
use chargebook_commands::journal::{Draft, read_event};
use chargebook_commands::message::{
    Answer, Notice, NoticeContent, NoticeSubject, StationMessage, TransactionReport,
};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{ChargingPlace, Intent, StationChargingNeedsTold};
use chargebook_domain::ids::{EventId, EvseNumber};
use chargebook_store::{EventStore, ExpectedVersion};
use serde_json::json;
use uuid::Uuid;

/// The profiles that stations are to be sent, by their numbers.
async fn profiles(service: &Service) -> Vec<i64> {
    let events = service.events().await;
    let asked = events.iter().filter_map(|recorded| match read_event(recorded) {
        Ok(Event::CommandRequested(requested)) => Some(requested.intent),
        _ => None,
    });
    let number = |intent| match intent {
        Intent::SetChargingProfile { profile, .. } => Some(profile.profile_id),
        _ => None,
    };
    asked.filter_map(number).collect()
}

/// What a desk leaves that dies between its promise and the command.
async fn promise(service: &Service, profile_id: i64) {
    let events = service.events().await;
    let station = events.iter().find(|event| &*event.event_type == "station.registered").unwrap();
    let of_stream = events.iter().filter(|event| event.stream == station.stream);
    let last = of_stream.map(|event| event.version).max().unwrap();
    let profile = json!({ "profile_id": profile_id, "stack_level": 0, "purpose": "TxProfile",
        "kind": "Absolute", "transaction": "tx-1", "schedules": [] });
    let promised = StationChargingNeedsTold {
        place: ChargingPlace { evse: Some(EvseNumber(1)), connector: None },
        needs: serde_json::from_value(json!({ "transfer_mode": "DC" })).unwrap(),
        exchange: EventId(Uuid::new_v4()),
        transaction: None,
        remote_start_id: None,
        profile: Some(Box::new(serde_json::from_value(profile).unwrap())),
        shortfall_wh: None,
        allowed_modes: Vec::new(),
    };
    let journal = service.chargebook.journal();
    let draft = Draft::new(journal.fresh_id(), promised);
    journal.append(&station.stream, ExpectedVersion::Exact(last), &[draft]).await.unwrap();
}

/// Waits until the policies have come as far as a promise.
async fn brought(service: &Service, profile_id: i64) -> Vec<i64> {
    let mut head = service.store.head();
    loop {
        let profiles = profiles(service).await;
        if profiles.contains(&profile_id) {
            return profiles;
        }
        head.changed().await.unwrap();
    }
}

#[tokio::test]
async fn a_crash_before_its_command_delays_a_profile_and_makes_no_second_one() {
    let service = Service::start().await;
    promise(&service, 1).await;
    assert_eq!(brought(&service, 1).await, [1]);
    // The next process reads the first promise again.
    let service = service.restart().await;
    promise(&service, 2).await;
    assert_eq!(brought(&service, 2).await, [1, 2]);
}

fn needs(transfer_mode: &str) -> StationMessage {
    let needs = json!({ "transfer_mode": transfer_mode });
    StationMessage::Notice(Notice {
        evse: Some(EvseNumber(1)),
        content: NoticeContent::ChargingNeeds(serde_json::from_value(needs).unwrap()),
        ..Notice::about(NoticeSubject::NotifyEVChargingNeeds)
    })
}

/// Two that say the same of when and with which register they began, as after a clock was set back
/// and a meter replaced: the one that was over when the other came is the first, whatever their
/// ids.
#[tokio::test]
async fn the_transaction_that_came_after_an_end_is_the_one_in_progress() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    for index in 0..16 {
        let named = |report: TransactionReport| report.named(&format!("tx-{index}"));
        let start = started("11:00:00").by(TAG).reading(1_000, "Transaction.Begin");
        station.tell(named(start)).await;
        assert_eq!(station.say(needs("AC_single_phase")).await, Answer::Accepted, "tx-{index}");
        station.tell(named(ended(1, "11:20:00")).reading(11_000, "Transaction.End")).await;
    }
}

/// Open commands of one station, at most.
const OPEN_MAX: usize = 100;

#[tokio::test]
async fn what_no_command_can_bring_is_not_promised() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    station.tell(started("11:00:00")).await;
    assert_eq!(station.say(needs("AC_single_phase")).await, Answer::Accepted);
    for _ in profiles(&service).await.len()..OPEN_MAX {
        let intent = Intent::GetConfiguration { keys: Vec::new() };
        service.chargebook.request_command("CP-1", intent, "test").await.unwrap();
    }
    assert_eq!(station.say(needs("AC_three_phase")).await, Answer::Declined);
    assert_eq!(profiles(&service).await.len(), 1);
}
