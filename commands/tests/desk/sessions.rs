//! What a station says, and what becomes of its sessions.

use crate::support::{Service, TAG, at, meter_at, start_at, status, stop_at, token};
use chargebook_commands::message::{Answer, StartReport, StationMessage, StopReport};
use chargebook_commands::registry::TokenChange;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{Authorization, InvoiceKind, Outcome, StopMatch, TokenStatus};
use chargebook_domain::ids::TransactionNumber;

/// 10 kWh at 0.40 plus 1.00 flat, 19 % VAT.
const TEN_KWH_GROSS_MINOR: i64 = 595;

async fn invoiced_minor(service: &Service, count: usize) -> Vec<i64> {
    service.outcomes(count).await;
    service
        .facts(|event| match event {
            Event::InvoiceIssued(invoice) => Some(invoice.total_gross_minor),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn a_session_is_billed_once_and_posted() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let id = station.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    let meter = meter_at(1, Some(id), "2026-11-22T11:15:00Z", 5_000);
    station.say(StationMessage::Meter(meter)).await;
    station.say(StationMessage::Stop(stop_at(id, "2026-11-22T11:30:00Z", 11_000))).await;
    assert_eq!(invoiced_minor(&service, 1).await, [TEN_KWH_GROSS_MINOR]);
    let postings = service
        .facts(|event| match event {
            Event::LedgerPosted(posting) => Some(posting),
            _ => None,
        })
        .await;
    assert_eq!(postings.len(), 1);
    assert_eq!(postings[0].legs.iter().map(|leg| leg.amount_minor).sum::<i64>(), 0);
}

#[tokio::test]
async fn repeats_change_nothing_across_connections_and_restarts() {
    let service = Service::start().await;
    let start = || start_at(1, "2026-11-22T11:00:00Z", 1_000);
    let mut station = service.station("CP-1").await;
    let id = station.start(start()).await;
    assert_eq!(station.start(start()).await, id, "same connection");
    let mut again = service.station("CP-1").await;
    assert_eq!(again.start(start()).await, id, "after a reconnect");
    let service = service.restart().await;
    let mut station = service.station("CP-1").await;
    assert_eq!(station.start(start()).await, id, "after a restart");
    let stop = || stop_at(id, "2026-11-22T11:30:00Z", 11_000);
    station.say(StationMessage::Stop(stop())).await;
    station.say(StationMessage::Stop(stop())).await;
    assert_eq!(invoiced_minor(&service, 1).await, [TEN_KWH_GROSS_MINOR]);
    let service = service.restart().await;
    let mut station = service.station("CP-1").await;
    station.say(StationMessage::Stop(stop())).await;
    assert_eq!(station.start(start()).await, id, "after the stop");
    assert_eq!(invoiced_minor(&service, 1).await, [TEN_KWH_GROSS_MINOR]);
    let exchanges = service
        .facts(|event| match event {
            Event::ExchangeRecorded(exchange) => Some(exchange.duplicate_of.is_some()),
            _ => None,
        })
        .await;
    assert_eq!(exchanges.iter().filter(|duplicate| **duplicate).count(), 6);
    assert_eq!(exchanges.len(), 8);
}

#[tokio::test]
async fn a_stop_before_its_start_finds_it() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let unknown = TransactionNumber(-1);
    let stop = || stop_at(unknown, "2026-11-22T11:30:00Z", 11_000);
    station.say(StationMessage::Stop(stop())).await;
    station.say(StationMessage::Stop(stop())).await;
    station.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    station.say(StationMessage::Stop(stop())).await;
    assert_eq!(invoiced_minor(&service, 1).await, [TEN_KWH_GROSS_MINOR]);
    let matches = service
        .facts(|event| match event {
            Event::SessionStopped(stopped) => Some(stopped.matched_by),
            _ => None,
        })
        .await;
    assert_eq!(matches, [StopMatch::StartCameLater]);
}

#[tokio::test]
async fn a_stop_with_an_unknown_id_ends_the_only_open_session() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    station.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    let service = service.restart().await;
    let mut station = service.station("CP-1").await;
    let stop = stop_at(TransactionNumber(0), "2026-11-22T11:30:00Z", 11_000);
    station.say(StationMessage::Stop(stop.clone())).await;
    station.say(StationMessage::Stop(stop)).await;
    assert_eq!(invoiced_minor(&service, 1).await, [TEN_KWH_GROSS_MINOR]);
}

#[tokio::test]
async fn a_foreign_transaction_is_left_alone() {
    let service = Service::start().await;
    let mut owner = service.station("CP-1").await;
    let id = owner.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    let mut other = service.station("CP-2").await;
    let stop = stop_at(id, "2026-11-22T11:10:00Z", 99_000);
    for _ in 0..2 {
        let answer = other.say(StationMessage::Stop(stop.clone())).await;
        assert!(matches!(answer, Answer::Stop { .. }), "answered normally: {answer:?}");
    }
    // Nor does a start take it in that it would fit by its time and register.
    other.start(start_at(1, "2026-11-22T11:05:00Z", 90_000)).await;
    owner.say(StationMessage::Stop(stop_at(id, "2026-11-22T11:30:00Z", 11_000))).await;
    assert_eq!(invoiced_minor(&service, 1).await, [TEN_KWH_GROSS_MINOR]);
    let noted = service
        .facts(|event| match event {
            Event::StationSecurityNoted(noted) => Some(noted.kind),
            _ => None,
        })
        .await;
    assert_eq!(noted, ["foreign_transaction"], "once, however often it comes");
    let foreign = service
        .facts(|event| match event {
            Event::StationOrphanRecorded(fact) => Some(fact.orphan.is_foreign),
            _ => None,
        })
        .await;
    assert_eq!(foreign, [true], "it is listed for review");
}

#[tokio::test]
async fn readings_of_a_foreign_transaction_are_kept_once() {
    let service = Service::start().await;
    let mut owner = service.station("CP-1").await;
    let id = owner.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    let mut other = service.station("CP-2").await;
    for clock in ["11:10", "11:10", "11:20"] {
        let reading = meter_at(1, Some(id), &format!("2026-11-22T{clock}:00Z"), 90_000);
        other.say(StationMessage::Meter(reading)).await;
    }
    let kept = service
        .facts(|event| match event {
            Event::StationSecurityNoted(noted) => Some(noted.kind),
            Event::StationMeterRecorded(_) => Some("kept".to_owned()),
            _ => None,
        })
        .await;
    let once = ["foreign_transaction", "kept"];
    assert_eq!(kept, [once, once].concat(), "each once, however often it comes");
}

#[tokio::test]
async fn a_security_event_that_is_told_again_is_one() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let told = |at_text: &str, detail: Option<&str>| StationMessage::SecurityEvent {
        kind: "TamperDetectionActivated".to_owned(),
        at: at(at_text),
        detail: detail.map(str::to_owned),
    };
    station.say(told("2026-11-22T11:00:00Z", Some("door"))).await;
    station.say(told("2026-11-22T11:00:00Z", Some("door"))).await;
    station.say(told("2026-11-22T11:00:00Z", Some("lid"))).await;
    station.say(told("2026-11-22T11:00:01Z", Some("door"))).await;
    // A clock that stands at the same time at every start proves no repeat.
    station.say(told("1970-01-01T00:00:00Z", None)).await;
    station.say(told("1970-01-01T00:00:00Z", None)).await;
    let noted = service
        .facts(|event| match event {
            Event::StationSecurityNoted(noted) => Some(noted.at),
            _ => None,
        })
        .await;
    assert_eq!(noted.len(), 5);
}

#[tokio::test]
async fn a_refused_start_is_a_fact_and_disturbs_nobody() {
    let service = Service::start().await;
    let registry = service.chargebook.registry();
    registry.register_token(token("BLOCKED1")).await.unwrap();
    let change = TokenChange { status: Some(TokenStatus::Blocked), ..TokenChange::default() };
    registry.change_token("blocked1", change).await.unwrap();
    let mut station = service.station("CP-1").await;
    let charging = station.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    let mut refused = start_at(1, "2026-11-22T11:05:00Z", 3_000);
    refused.id_tag = "BLOCKED1".to_owned();
    let answer = station.say(StationMessage::Start(refused)).await;
    let Answer::Start { transaction_id, token } = answer else { panic!("{answer:?}") };
    assert_eq!(token.authorization, Authorization::Blocked);
    let nothing = stop_at(transaction_id, "2026-11-22T11:06:00Z", 3_000);
    station.say(StationMessage::Stop(nothing)).await;
    station.say(StationMessage::Stop(stop_at(charging, "2026-11-22T11:30:00Z", 11_000))).await;
    assert_eq!(invoiced_minor(&service, 2).await, [TEN_KWH_GROSS_MINOR]);
    let outcomes: Vec<_> = service.outcomes(2).await.iter().map(|o| o.outcome).collect();
    assert!(outcomes.contains(&Outcome::Void) && outcomes.contains(&Outcome::Invoiced));
}

#[tokio::test]
async fn a_lost_stop_is_made_good_by_the_next_session() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let first = station.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    let meter = meter_at(1, Some(first), "2026-11-22T11:15:00Z", 5_000);
    station.say(StationMessage::Meter(meter)).await;
    let second = station.start(start_at(1, "2026-11-22T12:00:00Z", 11_000)).await;
    station.say(StationMessage::Stop(stop_at(second, "2026-11-22T12:30:00Z", 21_000))).await;
    invoiced_minor(&service, 1).await;
    service.pass(120);
    let invoiced = invoiced_minor(&service, 2).await;
    assert_eq!(invoiced, [TEN_KWH_GROSS_MINOR, TEN_KWH_GROSS_MINOR]);
}

#[tokio::test]
async fn a_stop_that_never_comes_is_listed_for_review_and_resolved_when_it_does() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let id = station.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    service.pass(120);
    let outcome = service.outcomes(1).await.remove(0);
    assert_eq!(outcome.outcome, Outcome::NeedsReview);
    assert_eq!(outcome.reason.as_deref(), Some("stop_missing"));
    station.say(StationMessage::Stop(stop_at(id, "2026-11-22T11:30:00Z", 11_000))).await;
    for _ in 0..200 {
        if service.outcomes(1).await[0].outcome == Outcome::Invoiced {
            assert_eq!(invoiced_minor(&service, 1).await, [TEN_KWH_GROSS_MINOR]);
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("still {:?}", service.outcomes(1).await);
}

#[tokio::test]
async fn a_late_fact_that_changes_the_sum_is_credited_and_billed_anew() {
    let service = Service::start().await;
    let tariff = r#"{"id":"P","currency":"EUR","elements":[{"price_components":[
        {"type":"ENERGY","price":"0.40","step_size":1},
        {"type":"PARKING_TIME","price":6,"step_size":1}]}]}"#;
    service.chargebook.registry().publish_tariff("P", tariff).await.unwrap();
    service.pass(1);
    service.chargebook.registry().set_default_tariff("P").await.unwrap();
    service.pass(3600);
    let mut station = service.station("CP-1").await;
    let id = station.start(start_at(1, "2026-11-22T12:30:00Z", 1_000)).await;
    station.say(StationMessage::Stop(stop_at(id, "2026-11-22T12:40:00Z", 11_000))).await;
    let finishing = status(1, "Finishing", "2026-11-22T12:40:00Z");
    station.say(StationMessage::Status(finishing)).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    service.pass(120);
    assert_eq!(invoiced_minor(&service, 1).await, [400]);
    let available = status(1, "Available", "2026-11-22T12:50:00Z");
    station.say(StationMessage::Status(available)).await;
    for _ in 0..200 {
        let invoices = service
            .facts(|event| match event {
                Event::InvoiceIssued(i) => Some((i.kind, i.total_gross_minor, i.number)),
                _ => None,
            })
            .await;
        if invoices.len() == 3 {
            let kinds: Vec<_> = invoices.iter().map(|(kind, total, _)| (*kind, *total)).collect();
            let (note, invoice) = (InvoiceKind::CreditNote, InvoiceKind::Invoice);
            assert_eq!(kinds, [(invoice, 400), (note, -400), (invoice, 500)]);
            let numbers: Vec<_> = invoices.into_iter().map(|(.., number)| number).collect();
            assert_eq!(numbers, ["INV-000001", "INV-000002", "INV-000003"]);
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("no correction: {:#?}", service.facts(Some).await);
}

#[tokio::test]
async fn a_wrong_clock_is_set_right_when_it_was_wrong_all_along() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let id = station.start(start_at(1, "1970-01-01T00:10:00Z", 1_000)).await;
    service.pass(1800);
    station.say(StationMessage::Stop(stop_at(id, "1970-01-01T00:40:00Z", 11_000))).await;
    assert_eq!(invoiced_minor(&service, 1).await, [TEN_KWH_GROSS_MINOR]);
    let began = service
        .facts(|event| match event {
            Event::SessionSettled(settled) => Some(settled.started_at),
            _ => None,
        })
        .await;
    assert_eq!(began, [at("2026-11-22T12:00:00Z")]);
}

#[tokio::test]
async fn no_uid_is_in_the_log() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let id = station.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    station.say(StationMessage::Stop(stop_at(id, "2026-11-22T11:30:00Z", 11_000))).await;
    invoiced_minor(&service, 1).await;
    for event in service.events().await {
        let text = format!("{} {} {}", event.stream, event.data, event.meta);
        assert!(!text.to_uppercase().contains(TAG), "{text}");
    }
}

/// A stop that names no transaction must not end a stranger's session, and where it was taken
/// for the wrong one, the stop that names the transaction outdoes it.
#[tokio::test]
async fn a_guessed_stop_yields_to_the_named_one() {
    let service = Service::start().await;
    service.chargebook.registry().register_token(token("OTHER")).await.unwrap();
    let mut station = service.station("CP-1").await;
    let id = station.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    let mut strangers = stop_at(TransactionNumber(-1), "2026-11-22T11:05:00Z", 50_000);
    strangers.id_tag = Some("OTHER".to_owned());
    station.say(StationMessage::Stop(strangers)).await;
    let mut nobodys = stop_at(TransactionNumber(0), "2026-11-22T11:10:00Z", 2_000);
    nobodys.id_tag = None;
    station.say(StationMessage::Stop(nobodys)).await;
    station.say(StationMessage::Stop(stop_at(id, "2026-11-22T11:30:00Z", 11_000))).await;
    service.pass(120);
    service.settled_bill(TEN_KWH_GROSS_MINOR).await;
    let outcomes = service.outcomes(1).await;
    assert_eq!(outcomes[0].outcome, Outcome::Invoiced, "{outcomes:?}");
}

/// The answer to a start was lost, and the station says it again with a later time.
#[tokio::test]
async fn a_start_said_again_in_other_words_is_one_bill() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    station.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    let id = station.start(start_at(1, "2026-11-22T11:00:30Z", 1_000)).await;
    station.say(StationMessage::Stop(stop_at(id, "2026-11-22T11:30:00Z", 11_000))).await;
    invoiced_minor(&service, 1).await;
    service.pass(120);
    let mut outcomes: Vec<_> = service.outcomes(2).await.iter().map(|o| o.outcome).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, [Outcome::Invoiced, Outcome::Void]);
    service.settled_bill(TEN_KWH_GROSS_MINOR).await;
}

/// A refused start that the station never comes back to is no case for a person.
#[tokio::test]
async fn a_refused_start_without_a_stop_is_void() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let mut unknown = start_at(1, "2026-11-22T11:00:00Z", 1_000);
    unknown.id_tag = "NOBODY".to_owned();
    station.start(unknown.clone()).await;
    service.chargebook.registry().register_token(token("NOBODY")).await.unwrap();
    let answer = station.say(StationMessage::Start(unknown)).await;
    let Answer::Start { token, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(token.authorization, Authorization::Invalid, "refused before, refused again");
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    service.pass(120);
    let outcome = service.outcomes(1).await.remove(0);
    assert_eq!(
        (outcome.outcome, outcome.reason.as_deref()),
        (Outcome::Void, Some("token_refused"))
    );
}

/// What a stop without a session carries comes to the session when its start comes.
#[tokio::test]
async fn a_stop_before_its_start_brings_its_readings() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let mut stop = stop_at(TransactionNumber(-1), "2026-11-22T11:30:00Z", 911_000);
    let mut begin = meter_at(1, None, "2026-11-22T11:00:00Z", 901_000).samples.remove(0);
    begin.sample.context = "Transaction.Begin".to_owned();
    stop.samples = vec![begin];
    station.say(StationMessage::Stop(stop)).await;
    station.start(start_at(1, "2026-11-22T11:00:00Z", 0)).await;
    assert_eq!(invoiced_minor(&service, 1).await, [TEN_KWH_GROSS_MINOR]);
}

/// A person was asked to look; then the facts came that make it the bill it was.
#[tokio::test]
async fn a_doubt_that_goes_away_bills_nothing_twice() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let id = station.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    let guess = |clock: &str, register| stop_at(TransactionNumber(-1), clock, register);
    station.say(StationMessage::Stop(guess("2026-11-22T11:30:00Z", 11_000))).await;
    assert_eq!(invoiced_minor(&service, 1).await, [TEN_KWH_GROSS_MINOR]);
    // Two stops that name it and contradict each other, the one as it was billed.
    station.say(StationMessage::Stop(stop_at(id, "2026-11-22T11:31:00Z", 12_000))).await;
    station.say(StationMessage::Stop(stop_at(id, "2026-11-22T11:32:00Z", 13_000))).await;
    let reviewed = |o: &chargebook_domain::events::v1::SessionOutcomeDecided| {
        (o.outcome == Outcome::NeedsReview).then(|| o.invoice.clone())
    };
    for _ in 0..200 {
        if let Some(invoice) = reviewed(&service.outcomes(1).await[0]) {
            assert!(invoice.is_some(), "what was invoiced stays invoiced");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{:?}", service.outcomes(1).await);
}

/// A clock that was wrong once does not keep later sessions from their connector.
#[tokio::test]
async fn a_session_from_the_future_is_followed_by_the_next() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    station.start(start_at(1, "2099-01-01T00:00:00Z", 1_000)).await;
    service.pass(60);
    station.start(start_at(1, "2026-11-22T12:01:00Z", 2_000)).await;
    let stop = stop_at(TransactionNumber(-1), "2026-11-22T12:30:00Z", 12_000);
    station.say(StationMessage::Stop(stop)).await;
    assert_eq!(invoiced_minor(&service, 1).await, [TEN_KWH_GROSS_MINOR]);
}

/// What is said late and changes no sum is kept, and nothing is billed anew.
#[tokio::test]
async fn late_facts_that_change_nothing_are_not_rated_again() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let id = station.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    station.say(StationMessage::Stop(stop_at(id, "2026-11-22T11:30:00Z", 11_000))).await;
    invoiced_minor(&service, 1).await;
    let available = status(1, "Available", "2026-11-22T11:40:00Z");
    station.say(StationMessage::Status(available)).await;
    let meter = meter_at(1, Some(id), "2026-11-22T11:15:00Z", 5_000);
    station.say(StationMessage::Meter(meter)).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let ratings =
        service.facts(|event| matches!(event, Event::SessionRated(_)).then_some(())).await;
    assert_eq!(ratings.len(), 1);
}

/// The old socket of a station lives on for a while beside the new one.
#[tokio::test]
async fn two_connections_of_a_station_know_of_each_other() {
    let service = Service::start().await;
    let mut old = service.station("CP-1").await;
    let first = old.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    old.say(StationMessage::Stop(stop_at(first, "2026-11-22T11:10:00Z", 1_000))).await;
    let mut new = service.station("CP-1").await;
    // The stop comes over one of them, its start over the other, and the next stop over the first.
    let early = stop_at(TransactionNumber(-1), "2026-11-22T11:30:00Z", 11_000);
    old.say(StationMessage::Stop(early)).await;
    new.start(start_at(1, "2026-11-22T11:20:00Z", 1_000)).await;
    new.start(start_at(1, "2026-11-22T11:40:00Z", 11_000)).await;
    let suspended = status(1, "SuspendedEV", "2026-11-22T11:45:00Z");
    old.say(StationMessage::Status(suspended)).await;
    let late = stop_at(TransactionNumber(0), "2026-11-22T11:50:00Z", 21_000);
    old.say(StationMessage::Stop(late)).await;
    service.outcomes(3).await;
    // The first drew nothing, and costs its fee.
    service.settled_bill(119 + 2 * TEN_KWH_GROSS_MINOR).await;
    let events = service.events().await;
    let of = |event_type: &str| {
        let found = events.iter().filter(|event| &*event.event_type == event_type);
        found.map(|event| event.stream.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of("session.connector_status"), of("session.started")[2..]);
}

/// The same start over both sockets at once is one session and one bill.
#[tokio::test]
async fn one_start_over_two_connections_at_once_is_one_session() {
    let service = Service::start().await;
    let mut old = service.station("CP-1").await;
    let mut new = service.station("CP-1").await;
    let start = || start_at(1, "2026-11-22T11:00:00Z", 1_000);
    let (first, second) = tokio::join!(old.start(start()), new.start(start()));
    assert_eq!(first, second, "both are told the same transaction");
    let stop = || StationMessage::Stop(stop_at(first, "2026-11-22T11:30:00Z", 11_000));
    tokio::join!(old.say(stop()), new.say(stop()));
    new.say(StationMessage::Status(status(1, "Available", "2026-11-22T11:31:00Z"))).await;
    service.outcomes(1).await;
    service.settled_bill(TEN_KWH_GROSS_MINOR).await;
    let started = service.facts(|event| matches!(event, Event::SessionStarted(_)).then_some(()));
    assert_eq!(started.await.len(), 1);
}

/// Two drivers at one connector: whoever began last pays what was drawn, whoever is told first.
#[tokio::test]
async fn two_starts_of_one_connector_at_once_are_two_sessions() {
    for is_other_first in [false, true] {
        let service = Service::start().await;
        service.chargebook.registry().register_token(token("OTHER")).await.unwrap();
        let mut old = service.station("CP-1").await;
        let mut new = service.station("CP-1").await;
        let mine = start_at(1, "2026-11-22T11:00:00Z", 1_000);
        let other = start_at(1, "2026-11-22T11:00:30Z", 1_000);
        let other = StartReport { id_tag: "OTHER".to_owned(), ..other };
        let (mine, other) = match is_other_first {
            false => tokio::join!(old.start(mine), new.start(other)),
            true => {
                let (other, mine) = tokio::join!(old.start(other), new.start(mine));
                (mine, other)
            }
        };
        assert_ne!(mine, other);
        let stop = stop_at(other, "2026-11-22T11:30:00Z", 11_000);
        let stop = StopReport { id_tag: Some("OTHER".to_owned()), ..stop };
        new.say(StationMessage::Stop(stop)).await;
        new.say(StationMessage::Status(status(1, "Available", "2026-11-22T11:31:00Z"))).await;
        service.pass(120);
        let outcomes = service.outcomes(2).await;
        let mut outcomes: Vec<_> = outcomes.iter().map(|decided| decided.outcome).collect();
        outcomes.sort_by_key(|outcome| *outcome != Outcome::Invoiced);
        // The first drew nothing, and its stop never came. The ten kWh are the other's.
        assert_eq!(outcomes, [Outcome::Invoiced, Outcome::Void], "first: {is_other_first}");
        service.settled_bill(TEN_KWH_GROSS_MINOR).await;
    }
}

#[tokio::test]
async fn a_begin_that_the_start_does_not_give_is_the_end_of_the_session_before() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let id = station.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    station.say(StationMessage::Stop(stop_at(id, "2026-11-22T11:10:00Z", 3_000))).await;
    for (clock, given, end) in [("11:20", 0, 5_000), ("11:40", -1, 6_000)] {
        let mut station = service.station("CP-1").await;
        let clock = format!("2026-11-22T{clock}:00Z");
        let id = station.start(start_at(1, &clock, given)).await;
        let clock = clock.replace("0:00Z", "5:00Z");
        station.say(StationMessage::Stop(stop_at(id, &clock, end))).await;
    }
    // 2, 2 and 1 kWh at 0.40, 1.00 for each session, 19 % VAT.
    let mut minor = invoiced_minor(&service, 3).await;
    minor.sort_unstable();
    assert_eq!(minor, [167, 214, 214]);
}
