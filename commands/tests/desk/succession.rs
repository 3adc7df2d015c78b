//! Sessions at one connector whose registers say other things than their messages: told in any
//! order, the same becomes of each.

use crate::support::{Service, TAG, start_at, stop_at};
use chargebook_commands::message::{StartReport, StationMessage};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::Outcome;
use chargebook_domain::ids::TransactionNumber;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the policies may take over it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A session: who, and when it began and ended with which register.
#[derive(Clone, Copy)]
struct Told {
    tag: &'static str,
    began: (&'static str, i64),
    stopped: Option<(&'static str, i64)>,
}

const fn told(began: (&'static str, i64), stopped: Option<(&'static str, i64)>) -> Told {
    Told { tag: TAG, began, stopped }
}

fn clock(text: &str) -> String {
    format!("2026-11-22T{text}:00Z")
}

/// What becomes of a session, and why.
type End = (Outcome, Option<String>);

/// Tells sessions in an order: `A` is the first one's start and `a` its stop, and so on. What
/// becomes of each, and what is billed in all.
async fn ends(sessions: &[Told], order: &str, reconnects: bool) -> (Vec<End>, i64) {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let mut numbers = BTreeMap::new();
    for letter in order.bytes() {
        let index = usize::from(letter.to_ascii_uppercase() - b'A');
        let session = sessions[index];
        if letter.is_ascii_uppercase() {
            let (began_at, register_wh) = session.began;
            let start = start_at(1, &clock(began_at), register_wh);
            let start = StartReport { id_tag: session.tag.to_owned(), ..start };
            numbers.insert(index, station.start(start).await);
        } else {
            let (stopped_at, register_wh) = session.stopped.unwrap();
            // A station that has lost its transaction's number says -1.
            let number = numbers.get(&index).copied().unwrap_or(TransactionNumber(-1));
            let stop = stop_at(number, &clock(stopped_at), register_wh);
            station.say(StationMessage::Stop(stop)).await;
        }
        if reconnects {
            station = service.station("CP-1").await;
        }
    }
    service.pass(120);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let before = service.events().await.len();
        tokio::time::sleep(Duration::from_millis(250)).await;
        let is_quiet = service.events().await.len() == before;
        let (ends, billed) = told_so_far(&service, sessions).await;
        if is_quiet && ends.len() == sessions.len() {
            return (ends, billed);
        }
        assert!(tokio::time::Instant::now() < deadline, "{order}: nothing final: {ends:?}");
    }
}

async fn told_so_far(service: &Service, sessions: &[Told]) -> (Vec<End>, i64) {
    let (mut names, mut ends, mut billed) = (BTreeMap::new(), BTreeMap::new(), 0);
    for recorded in service.events().await {
        let data = recorded.data.as_str();
        match Event::read(&recorded.event_type, recorded.schema_version, data).unwrap() {
            Event::SessionStarted(fact) => {
                let is_it =
                    |told: &Told| crate::support::at(&clock(told.began.0)) == fact.started_at;
                names.insert(recorded.stream.clone(), sessions.iter().position(is_it).unwrap());
            }
            Event::SessionOutcomeDecided(decided) => {
                ends.insert(names[&recorded.stream], (decided.outcome, decided.reason.clone()));
            }
            Event::InvoiceIssued(invoice) => billed += invoice.total_gross_minor,
            _ => {}
        }
    }
    (ends.into_values().collect(), billed)
}

fn reviewed(reason: &str) -> End {
    (Outcome::NeedsReview, Some(reason.to_owned()))
}

fn billed() -> End {
    (Outcome::Invoiced, None)
}

/// What becomes of each is the same in all orders, and what is billed, where that is said.
async fn check(sessions: &[Told], orders: &[&str], expected: &[End], billed_minor: Option<i64>) {
    for order in orders {
        for reconnects in [false, true] {
            let (ends, billed) = ends(sessions, order, reconnects).await;
            assert_eq!(ends, expected, "told as {order}");
            assert_eq!(billed, billed_minor.unwrap_or(billed), "told as {order}");
        }
    }
}

/// Both would be billed what lies between 5,000 and 8,000 Wh, and were there at the same time.
#[tokio::test]
async fn a_stop_beyond_the_time_and_register_of_the_next_start_is_looked_at() {
    let sessions = [
        told(("11:00", 1_000), Some(("11:40", 8_000))),
        told(("11:30", 5_000), Some(("11:50", 9_000))),
    ];
    let orders = ["ABab", "ABba", "BAab", "BbAa"];
    check(&sessions, &orders, &[reviewed("registers_overlap"), billed()], None).await;
    // What was stopped before the next one was told is billed.
    check(&sessions, &["AaBb"], &[billed(), billed()], None).await;
}

/// A meter that was reset or replaced between two sessions.
#[tokio::test]
async fn a_session_that_was_over_is_billed_whatever_the_next_one_begins_with() {
    let sessions = [
        told(("11:00", 1_000), Some(("11:20", 6_000))),
        told(("11:30", 3_000), Some(("11:50", 8_000))),
    ];
    let orders = ["AaBb", "ABab", "ABba", "BbAa"];
    check(&sessions, &orders, &[billed(), billed()], Some(2 * 357)).await;
}

#[tokio::test]
async fn what_a_rounded_register_loses_is_no_overlap() {
    let sessions = [
        told(("11:00", 1_000), Some(("11:35", 6_000))),
        told(("11:30", 5_990), Some(("11:50", 10_990))),
    ];
    // 5 kWh at 0.40 plus 1.00 flat, 19 % VAT, twice.
    let orders = ["AaBb", "ABab", "BbAa"];
    check(&sessions, &orders, &[billed(), billed()], Some(2 * 357)).await;
}

/// The first came to nothing: the second one was begun at the same register, and has drawn.
#[tokio::test]
async fn a_start_that_came_to_nothing_is_void_though_it_is_told_after_the_next_was_over() {
    let sessions = [told(("11:00", 1_000), None), told(("11:30", 1_000), Some(("11:50", 11_000)))];
    let void = (Outcome::Void, Some("never_ran".to_owned()));
    check(&sessions, &["ABb", "BAb", "BbA"], &[void, billed()], Some(595)).await;
}

/// A meter that counts each session from the same.
#[tokio::test]
async fn sessions_that_each_begin_at_the_same_register_are_billed_by_their_own_stops() {
    let sessions = [
        told(("11:00", 1_000), Some(("11:20", 11_000))),
        told(("11:30", 1_000), Some(("11:50", 11_000))),
    ];
    let orders = ["AaBb", "ABab", "BAab", "BbAa"];
    check(&sessions, &orders, &[billed(), billed()], Some(2 * 595)).await;
}

/// A station that lets a stranger charge all the same, after a session whose stop is lost.
#[tokio::test]
async fn what_a_refused_session_draws_is_not_billed_to_the_one_before_it() {
    let stranger = |stopped| Told {
        tag: "STRANGER",
        began: ("11:20", 5_000),
        stopped: Some(("11:30", stopped)),
    };
    let first = told(("11:00", 1_000), None);
    let last = told(("11:40", 8_000), Some(("11:50", 9_000)));
    let orders = ["ABbCc", "ABCbc", "ACcBb", "CcABb", "ACBbc"];
    // 4 kWh and 1 kWh at 0.40, plus 1.00 flat, 19 % VAT.
    let expected = [billed(), reviewed("refused_yet_charged"), billed()];
    check(&[first, stranger(8_000), last], &orders, &expected, Some(309 + 167)).await;
    // It draws nothing: the car that is charged there goes on. 7 kWh and 1 kWh.
    let void = (Outcome::Void, Some("token_refused".to_owned()));
    let expected = [billed(), void, billed()];
    check(&[first, stranger(5_000), last], &orders[..2], &expected, Some(452 + 167)).await;
    // A stop that comes after all says itself how the first one ended.
    let stopped = told(("11:00", 1_000), Some(("11:55", 7_000)));
    let expected = [billed(), reviewed("refused_yet_charged")];
    let orders = ["AaBb", "ABba", "ABab"];
    check(&[stopped, stranger(8_000)], &orders, &expected, Some(405)).await;
}

/// What a stranger draws is nobody's bill, nor that of a driver whose start gives no register.
#[tokio::test]
async fn what_a_refused_session_draws_is_not_billed_to_the_one_after_it() {
    let first = told(("11:00", 1_000), Some(("11:15", 5_000)));
    let stranger = |began, stopped| Told { tag: "STRANGER", began, stopped: Some(stopped) };
    let drew = stranger(("11:20", 5_000), ("11:30", 8_000));
    let last = told(("11:40", 0), Some(("11:50", 9_000)));
    // 4 kWh and 1 kWh at 0.40, plus 1.00 flat, 19 % VAT.
    let expected = [billed(), reviewed("refused_yet_charged"), billed()];
    let orders = ["AaBbCc", "AaBCbc", "AaBCcb", "AaCcBb", "BbAaCc", "ABCabc"];
    check(&[first, drew, last], &orders, &expected, Some(309 + 167)).await;
    // Before the other driver came to the connector it drew nothing: 4 kWh each.
    let void = (Outcome::Void, Some("token_refused".to_owned()));
    let idle = stranger(("11:20", 5_000), ("11:30", 5_000));
    let orders = ["AaBbCc", "AaBCbc", "AaCcBb"];
    check(&[first, idle, last], &orders, &[billed(), void.clone(), billed()], Some(2 * 309)).await;
    // It tries again, in vain.
    let again = Told { stopped: None, ..stranger(("11:35", 8_000), ("11:36", 8_000)) };
    let expected = [billed(), reviewed("refused_yet_charged"), void, billed()];
    let last = told(("11:40", 0), Some(("11:50", 9_000)));
    check(&[first, drew, again, last], &["AaBbCDd"], &expected, Some(309 + 167)).await;
}

/// A start that gives no register, between others: what the session before it has drawn is not its
/// own, whenever that is told.
#[tokio::test]
async fn a_start_without_a_register_begins_where_the_session_before_it_ended() {
    let first = told(("11:00", 1_000), Some(("11:15", 5_000)));
    let between = told(("11:20", 0), Some(("11:40", 9_000)));
    let orders = ["AaBb", "ABab", "ABba", "BbAa", "BAab"];
    // 4 kWh at 0.40 plus 1.00 flat, 19 % VAT, twice.
    check(&[first, between], &orders, &[billed(), billed()], Some(2 * 309)).await;
}

/// The one between them is told last, and its stop, which came before it and lies with the station,
/// is there already: what it drew is not billed twice without anybody looking.
#[tokio::test]
async fn a_start_without_a_register_is_told_of_one_that_is_told_late_with_its_stop() {
    let sessions = [
        told(("09:00", 1_000), Some(("09:30", 20_000))),
        told(("10:00", 20_000), Some(("10:40", 35_000))),
        told(("11:00", 0), Some(("11:50", 50_000))),
    ];
    // 19, 15 and 15 kWh at 0.40 plus 1.00 flat, 19 % VAT.
    let bills = [billed(), billed(), billed()];
    check(&sessions, &["AaBbCc", "AaCBbc"], &bills, Some(1_023 + 2 * 833)).await;
    let doubted = [billed(), billed(), reviewed("begin_missing")];
    check(&sessions, &["AaCbBc"], &doubted, None).await;
}

/// Nobody knows what each of the two has drawn; the one before them did not draw it.
#[tokio::test]
async fn a_start_without_a_register_after_one_that_was_never_stopped_is_looked_at() {
    let sessions = [
        told(("10:30", 500), Some(("10:45", 1_000))),
        told(("11:00", 1_000), None),
        told(("11:20", 0), Some(("11:40", 9_000))),
        told(("11:45", 9_000), Some(("11:55", 10_000))),
    ];
    let expected = [billed(), reviewed("stop_missing"), reviewed("begin_missing"), billed()];
    let orders = ["AaBCcDd", "AaCcBDd", "AaCBcDd", "AaBDdCc", "DdAaCcB", "AaDdCcB"];
    check(&sessions, &orders, &expected, None).await;
}
