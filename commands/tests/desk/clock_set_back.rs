//! A station's clock that is set back between two sessions, and starts whose place among those of
//! their connector is not known.

use crate::support::{Service, start_at, stop_at};
use chargebook_commands::message::StationMessage;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{Outcome, SessionStarted};
use chargebook_domain::ids::SessionId;

/// 10 kWh at 0.40 plus 1.00 flat, 19 % VAT.
const TEN_KWH_GROSS_MINOR: i64 = 595;
/// Sessions that a start which is told late is put back behind, at most.
const NEIGHBOURS_SEARCHED_MAX: u32 = 64;

/// Register readings and the station's times: begin and end.
type Told = [(&'static str, i64); 2];

/// Both sessions are told online; each is billed for itself, and no person has to look.
async fn check(first: Told, second: Told, expected_minor: i64) {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    for [(began_at, begin_wh), (ended_at, end_wh)] in [first, second] {
        let id = station.start(start_at(1, began_at, begin_wh)).await;
        service.pass(60);
        station.say(StationMessage::Stop(stop_at(id, ended_at, end_wh))).await;
        service.pass(60);
    }
    service.settled_bill(expected_minor).await;
    let outcomes = service.outcomes(2).await;
    let reviewed = outcomes.iter().filter(|last| last.outcome == Outcome::NeedsReview).count();
    assert_eq!(reviewed, 0, "{first:?}, {second:?}: {outcomes:#?}");
}

#[tokio::test]
async fn a_session_after_a_clock_was_set_back_is_no_late_one() {
    // The first draws nothing: its flat fee of 1.00, and 19 % VAT.
    let nothing = [("2026-11-22T12:00:00Z", 1_000), ("2026-11-22T12:00:30Z", 1_000)];
    let expected = TEN_KWH_GROSS_MINOR + 119;
    let minutes = [("2026-11-22T11:57:00Z", 1_000), ("2026-11-22T11:58:00Z", 11_000)];
    check(nothing, minutes, expected).await;
    // Set back by more than a message takes: it looks as if it had been delivered late.
    let an_hour = [("2026-11-22T11:02:00Z", 1_000), ("2026-11-22T11:03:00Z", 11_000)];
    check(nothing, an_hour, expected).await;
    // A meter that counts each session from 0 does not tell which came first.
    let from_zero = [("2026-11-22T12:00:00Z", 0), ("2026-11-22T12:01:00Z", 10_000)];
    let again = [("2026-11-22T11:02:00Z", 0), ("2026-11-22T11:03:00Z", 10_000)];
    check(from_zero, again, 2 * TEN_KWH_GROSS_MINOR).await;
}

/// The clock comes back an hour slow after a stop was lost: by its time alone the second session
/// is before the first, and the first would be billed what both have drawn.
#[tokio::test]
async fn a_register_that_rises_tells_which_session_was_first() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    station.start(start_at(1, "2026-11-22T12:00:00Z", 1_000)).await;
    service.pass(20 * 60);
    let second = station.start(start_at(1, "2026-11-22T11:20:00Z", 5_000)).await;
    service.pass(5 * 60);
    station.say(StationMessage::Stop(stop_at(second, "2026-11-22T11:25:00Z", 9_000))).await;
    service.pass(5 * 60);
    let third = station.start(start_at(1, "2026-11-22T12:30:00Z", 9_000)).await;
    service.pass(5 * 60);
    station.say(StationMessage::Stop(stop_at(third, "2026-11-22T12:35:00Z", 9_000))).await;
    service.pass(60);
    // 4 kWh at 0.40 plus 1.00 flat, and a flat fee; 19 % VAT.
    service.settled_bill(309 + 119).await;
    let (began, _) = chain(&service).await;
    let followed: Vec<_> = began.iter().map(|fact| fact.follows).collect();
    let [first, second, _] = [0, 1, 2].map(|index: usize| Some(began[index].session_id));
    assert_eq!(followed, [None, first, second]);
    let outcomes = service.outcomes(3).await;
    let reviewed = outcomes.iter().filter(|last| last.outcome == Outcome::NeedsReview);
    let reasons: Vec<_> = reviewed.map(|last| last.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("stop_missing")], "nothing tells when the first ended");
}

/// Who began, who that one followed, and who was ended by another.
async fn chain(service: &Service) -> (Vec<SessionStarted>, Vec<SessionId>) {
    let began = service.facts(|event| match event {
        Event::SessionStarted(fact) => Some(*fact),
        _ => None,
    });
    let ended_by = service.facts(|event| match event {
        Event::SessionSuperseded(fact) => Some(fact.by),
        _ => None,
    });
    (began.await, ended_by.await)
}

/// One that began before more sessions than are gone back through follows none, ends none, and
/// is not the connector's latest.
#[tokio::test]
async fn a_start_that_is_too_late_has_no_place_at_its_connector() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let tell = |index: u32| {
        let clock = format!("2026-11-22T{:02}:{:02}:00Z", 10 + index / 60, index % 60);
        start_at(1, &clock, i64::from(1_000 * index))
    };
    for index in 1..=NEIGHBOURS_SEARCHED_MAX {
        station.start(tell(index)).await;
    }
    station.start(tell(0)).await;
    station.start(tell(NEIGHBOURS_SEARCHED_MAX + 1)).await;
    let (began, ended_by) = chain(&service).await;
    let [.., latest, too_late, next] = began.as_slice() else { panic!("{began:#?}") };
    assert_eq!((too_late.follows, next.follows), (None, Some(latest.session_id)));
    assert!(!ended_by.contains(&too_late.session_id));
    let first = began[0].session_id;
    assert!(!ended_by.contains(&first), "nobody was before the first");
}
