//! What a start does to the reservation that it names.

use crate::support::{Service, start_at};
use chargebook_commands::message::{Answer, ReservationReport, StartReport, StationMessage};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{Authorization, ReservationEnd};
use chargebook_domain::ids::ReservationId;

fn naming(number: i32) -> StartReport {
    let start = start_at(1, "2026-11-22T11:00:00Z", 1_000);
    StartReport { reservation_id: Some(number), ..start }
}

async fn used(service: &Service) -> Vec<ReservationId> {
    let used = |event| match event {
        Event::ReservationUsed(fact) => Some(fact.reservation_id),
        _ => None,
    };
    service.facts(used).await
}

#[tokio::test]
async fn a_replayed_start_uses_a_reservation_once() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let id = station.start(naming(7)).await;
    assert_eq!(station.start(naming(7)).await, id);
    let service = service.restart().await;
    let mut station = service.station("CP-1").await;
    assert_eq!(station.start(naming(7)).await, id, "after a restart");
    assert_eq!(used(&service).await, [ReservationId(7)]);
}

#[tokio::test]
async fn a_refused_start_leaves_the_reservation_as_it_was() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let refused = StartReport { id_tag: "0BADCAFE".to_owned(), ..naming(7) };
    let answer = station.say(StationMessage::Start(refused)).await;
    let Answer::Start { token, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(token.authorization, Authorization::Invalid);
    assert_eq!(used(&service).await, []);
}

#[tokio::test]
async fn the_stations_word_that_it_keeps_a_place_no_more_is_a_fact() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let because = ReservationEnd::Removed;
    let report = ReservationReport { reservation_id: ReservationId(7), because };
    assert_eq!(station.say(StationMessage::Reservation(report)).await, Answer::Empty);
    let ended = |event| match event {
        Event::ReservationEnded(fact) => Some((fact.reservation_id, fact.because)),
        _ => None,
    };
    assert_eq!(service.facts(ended).await, [(ReservationId(7), because)]);
}
