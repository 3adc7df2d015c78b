//! What a person decides about what waits for a review, and what follows from it.

use crate::support::{Service, start_at, stop_at};
use crate::transactions::{Telling as _, ended};
use chargebook_commands::message::StationMessage;
use chargebook_commands::registry::RegistryError;
use chargebook_commands::review::{DecisionNote, ReviewWish};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{Outcome, PriceByHand, StopMatch};
use chargebook_domain::ids::{EventId, SessionId, TransactionNumber};
use chargebook_domain::units::WattHours;
use std::time::Duration;

fn note() -> DecisionNote {
    DecisionNote { reason: "the driver sent a photo".to_owned(), decided_by: "Ada".to_owned() }
}

fn energy(energy_wh: i64) -> ReviewWish {
    ReviewWish::Bill {
        started_at: None,
        ended_at: None,
        energy_wh: WattHours::from_whole(energy_wh),
        price: None,
    }
}

fn price(net: &str) -> ReviewWish {
    let price = PriceByHand {
        net: net.parse().unwrap(),
        vat_percent: Some("19".parse().unwrap()),
        currency: "EUR".to_owned(),
    };
    let ReviewWish::Bill { started_at, ended_at, energy_wh, .. } = energy(3_000) else {
        panic!("a bill")
    };
    ReviewWish::Bill { started_at, ended_at, energy_wh, price: Some(price) }
}

/// A session whose end register is below its begin register.
async fn doubted() -> (Service, SessionId) {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let id = station.start(start_at(1, "2026-11-22T11:00:00Z", 9_000)).await;
    station.say(StationMessage::Stop(stop_at(id, "2026-11-22T11:30:00Z", 1_000))).await;
    let outcomes = service.outcomes(1).await;
    assert_eq!(outcomes[0].reason.as_deref(), Some("registers_do_not_join"));
    let session = session_of(&service).await;
    (service, session)
}

async fn session_of(service: &Service) -> SessionId {
    let started = service.facts(|event| match event {
        Event::SessionStarted(started) => Some(started.session_id),
        _ => None,
    });
    started.await[0]
}

/// Waits until the session has that outcome.
pub(crate) async fn becomes(service: &Service, outcome: Outcome, reason: Option<&str>) {
    let mut last = Vec::new();
    for _ in 0..200 {
        last = service.outcomes(1).await;
        if last[0].outcome == outcome && last[0].reason.as_deref() == reason {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{last:?} is not {outcome:?} for {reason:?}");
}

#[tokio::test]
async fn a_session_in_review_becomes_what_a_person_decides() {
    let by_hand = Some("decided_by_hand");
    for (wish, outcome, reason, minor) in [
        (ReviewWish::Free, Outcome::Free, by_hand, 0),
        (ReviewWish::Void, Outcome::Void, by_hand, 0),
        // 5 kWh at 0.40 and 1.00 for the session, 19 % VAT.
        (energy(5_000), Outcome::Invoiced, None, 357),
        (price("4.20"), Outcome::Invoiced, None, 500),
    ] {
        let (service, session) = doubted().await;
        service.chargebook.decide_review(session, &wish, &note()).await.unwrap();
        becomes(&service, outcome, reason).await;
        service.settled_bill(minor).await;
        let restarted = service.restart().await;
        restarted.settled_bill(minor).await;
    }
}

#[tokio::test]
async fn a_decision_can_be_corrected_and_late_facts_do_not_undo_it() {
    let (service, session) = doubted().await;
    let decide =
        async |wish: ReviewWish| service.chargebook.decide_review(session, &wish, &note()).await;
    decide(energy(5_000)).await.unwrap();
    service.settled_bill(357).await;
    let mut station = service.station("CP-1").await;
    let late = stop_at(TransactionNumber(1), "2026-11-22T11:31:00Z", 20_000);
    station.say(StationMessage::Stop(late)).await;
    service.pass(3_600);
    service.settled_bill(357).await;
    decide(energy(10_000)).await.unwrap();
    service.settled_bill(595).await;
    let refused = decide(ReviewWish::Void).await;
    assert!(matches!(refused, Err(RegistryError::Invalid { .. })), "{refused:?}");
    decide(ReviewWish::Free).await.unwrap();
    service.settled_bill(0).await;
    becomes(&service, Outcome::Free, Some("corrected_to_nothing")).await;
}

#[tokio::test]
async fn what_waits_for_nobody_or_cannot_be_billed_is_refused() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let id = station.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    station.say(StationMessage::Stop(stop_at(id, "2026-11-22T11:30:00Z", 2_000))).await;
    service.outcomes(1).await;
    let session = session_of(&service).await;
    let decided = service.chargebook.decide_review(session, &ReviewWish::Free, &note()).await;
    assert!(matches!(decided, Err(RegistryError::Conflict(_))), "{decided:?}");
    let nowhere = SessionId(uuid::Uuid::nil());
    let decided = service.chargebook.decide_review(nowhere, &ReviewWish::Free, &note()).await;
    assert!(matches!(decided, Err(RegistryError::NotFound(_))), "{decided:?}");

    let (service, session) = doubted().await;
    let nameless = DecisionNote { decided_by: " ".to_owned(), ..note() };
    let bill = |energy_wh, ended_at| ReviewWish::Bill {
        started_at: None,
        ended_at,
        energy_wh: WattHours::from_whole(energy_wh),
        price: None,
    };
    let too_early = Some(crate::support::at("2026-11-22T10:00:00Z"));
    for (wish, note, pointer) in [
        (ReviewWish::Free, nameless, "/decided_by"),
        (bill(-1, None), note(), "/energy_wh"),
        (bill(1, too_early), note(), "/ended_at"),
        (price("-1"), note(), "/price/net"),
    ] {
        match service.chargebook.decide_review(session, &wish, &note).await {
            Err(RegistryError::Invalid { pointer: found, .. }) => assert_eq!(found, pointer),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_refused_card_without_an_account_cannot_be_billed_but_freed() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let mut start = start_at(1, "2026-11-22T11:00:00Z", 1_000);
    start.id_tag = "STRANGER".to_owned();
    let id = station.start(start).await;
    station.say(StationMessage::Stop(stop_at(id, "2026-11-22T11:30:00Z", 2_000))).await;
    becomes(&service, Outcome::NeedsReview, Some("refused_yet_charged")).await;
    let session = session_of(&service).await;
    let decided = service.chargebook.decide_review(session, &energy(1_000), &note()).await;
    assert!(matches!(decided, Err(RegistryError::Invalid { .. })), "{decided:?}");
    service.chargebook.decide_review(session, &ReviewWish::Free, &note()).await.unwrap();
    becomes(&service, Outcome::Free, Some("decided_by_hand")).await;
}

#[tokio::test]
async fn a_dismissed_stop_is_taken_in_by_no_start() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let stop = stop_at(TransactionNumber(-1), "2026-11-22T11:30:00Z", 11_000);
    station.say(StationMessage::Stop(stop)).await;
    let orphans: Vec<EventId> = service
        .facts(|event| match event {
            Event::StationOrphanRecorded(fact) => Some(fact.orphan.exchange),
            _ => None,
        })
        .await;
    let chargebook = &service.chargebook;
    chargebook.dismiss_orphan("CP-1", orphans[0], &note()).await.unwrap();
    station.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    let stopped = service
        .facts(|event| match event {
            Event::SessionStopped(stopped) => Some(stopped.matched_by),
            _ => None,
        })
        .await;
    assert_eq!(stopped, Vec::<StopMatch>::new());

    // One that has found its session is no orphan.
    let stop = stop_at(TransactionNumber(-1), "2026-11-22T12:30:00Z", 21_000);
    let mut other = service.station("CP-2").await;
    other.say(StationMessage::Stop(stop)).await;
    other.start(start_at(1, "2026-11-22T12:00:00Z", 11_000)).await;
    let orphans = service.facts(|event| match event {
        Event::StationOrphanRecorded(fact) => Some(fact.orphan.exchange),
        _ => None,
    });
    let adopted = orphans.await[1];
    let dismissed = chargebook.dismiss_orphan("CP-2", adopted, &note()).await;
    assert!(matches!(dismissed, Err(RegistryError::Conflict(_))), "{dismissed:?}");
}

/// Of a transaction of 2.x nothing has come but its end: who began it is not known.
#[tokio::test]
async fn a_session_whose_start_is_missing_can_be_freed_and_voided_and_not_billed() {
    let by_hand = Some("decided_by_hand");
    for (wish, outcome) in [(ReviewWish::Free, Outcome::Free), (ReviewWish::Void, Outcome::Void)] {
        let service = Service::start().await;
        let mut station = service.station("CP-1").await;
        station.tell(ended(4, "11:30:00").reading(11_000, "Transaction.End")).await;
        service.pass(61);
        becomes(&service, Outcome::NeedsReview, Some("start_missing")).await;
        let opened = service.facts(|event| match event {
            Event::SessionOpened(opened) => Some(opened.session_id),
            _ => None,
        });
        let session = opened.await[0];
        for bill in [energy(5_000), price("4.20")] {
            let refused = service.chargebook.decide_review(session, &bill, &note()).await;
            let Err(RegistryError::Invalid { detail, .. }) = &refused else {
                panic!("{refused:?}")
            };
            assert!(detail.contains("nobody can be billed"), "{detail}");
        }
        service.chargebook.decide_review(session, &wish, &note()).await.unwrap();
        becomes(&service, outcome, by_hand).await;
        service.settled_bill(0).await;
    }
}
