//! Starts at one connector without stops between them, told in any order: what becomes of each
//! session, and what is billed, is the same.

use crate::support::{Service, meter_at, start_at};
use chargebook_commands::message::{StartReport, StationMessage};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::Outcome;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the policies may take over it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a session ended, by its beginning.
type Ends = BTreeMap<String, (Outcome, Option<String>, Option<String>)>;

/// Starts that follow each other, with the registers they begin with.
fn starts(registers: &[i64]) -> Vec<StartReport> {
    let clock = |index| format!("2026-11-22T11:{:02}:00Z", 10 * index);
    let start = |(index, register_wh): (usize, &i64)| start_at(1, &clock(index), *register_wh);
    registers.iter().enumerate().map(start).collect()
}

/// What becomes of the sessions, and what is billed in all, told in this order.
async fn told(starts: &[StartReport], order: &[usize], reconnects: bool) -> (Ends, i64) {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    for index in order {
        let id = station.start(starts[*index].clone()).await;
        // The car draws a little at once, and nothing more is heard.
        let begin = starts[*index].meter_start.value.0.try_into().unwrap();
        let clock = format!("2026-11-22T11:{:02}:00Z", 10 * index + 1);
        let reading = meter_at(1, Some(id), &clock, begin);
        station.say(StationMessage::Meter(reading)).await;
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
        if is_quiet && service.outcomes(starts.len()).await.len() == starts.len() {
            return ends(&service).await;
        }
        assert!(tokio::time::Instant::now() < deadline, "nothing final");
    }
}

async fn ends(service: &Service) -> (Ends, i64) {
    let (mut began, mut ends, mut billed) = (BTreeMap::new(), Ends::new(), 0);
    for recorded in service.events().await {
        let data = recorded.data.as_str();
        match Event::read(&recorded.event_type, recorded.schema_version, data).unwrap() {
            Event::SessionStarted(fact) => {
                let register = fact.meter_start.register_wh;
                began.insert(recorded.stream.clone(), format!("{} {register}", fact.started_at));
            }
            Event::SessionOutcomeDecided(decided) => {
                let said = (decided.outcome, decided.reason.clone(), decided.detail.clone());
                ends.insert(began[&recorded.stream].clone(), said);
            }
            Event::InvoiceIssued(invoice) => billed += invoice.total_gross_minor,
            _ => {}
        }
    }
    (ends, billed)
}

fn check(registers: &[i64], order: &[usize], reconnects: bool) {
    check_starts(&starts(registers), order, reconnects);
}

fn check_starts(starts: &[StartReport], order: &[usize], reconnects: bool) -> (Ends, i64) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let in_order: Vec<usize> = (0..starts.len()).collect();
        let expected = told(starts, &in_order, false).await;
        let found = told(starts, order, reconnects).await;
        assert_eq!(found, expected, "{starts:#?} told as {order:?}");
        expected
    })
}

/// The first came to nothing: it is void, whichever of the two is told first.
#[test]
fn of_two_starts_the_first_is_void_whichever_is_told_first() {
    check(&[1_000, 1_000], &[1, 0], false);
}

#[test]
fn what_was_drawn_before_the_next_start_is_billed_whichever_is_told_first() {
    check(&[1_000, 11_000], &[1, 0], true);
}

/// The one in between is told last: it ends the first, and is ended by the last.
#[test]
fn a_start_between_two_that_are_known_parts_them() {
    check(&[1_000, 6_000, 11_000], &[0, 2, 1], false);
    check(&[1_000, 6_000, 11_000], &[2, 0, 1], true);
}

/// A clock that counts whole seconds, or stands still: the register still rises. Whether they are
/// told as they happen or were queued.
#[test]
fn starts_at_the_very_same_second_are_parted_by_their_registers() {
    for clock in ["2026-11-22T11:59:00Z", "2026-11-22T11:00:00Z"] {
        let starts = [1_000, 1_500, 2_000].map(|register| start_at(1, clock, register));
        for order in [[0, 2, 1], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
            let (_, billed) = check_starts(&starts, &order, false);
            assert_eq!(billed, 2 * 143, "0.5 kWh at 0.40 plus 1.00 flat, 19 % VAT, twice");
        }
    }
}

/// Both came within minutes of their time: the clock alone may have been set back, the register
/// says the same.
#[test]
fn starts_told_online_are_in_order_where_clock_and_register_say_so() {
    let starts = [("2026-11-22T11:58:00Z", 1_000), ("2026-11-22T11:59:00Z", 1_500)];
    let starts = starts.map(|(clock, register)| start_at(1, clock, register));
    let (_, billed) = check_starts(&starts, &[1, 0], true);
    assert_eq!(billed, 143, "0.5 kWh at 0.40 plus 1.00 flat, 19 % VAT");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 6,
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    })]

    #[test]
    fn however_starts_are_told_the_outcomes_are_the_same(
        steps in prop::collection::vec(prop_oneof![Just(0_i64), Just(5_000)], 3),
        order in Just(vec![0_usize, 1, 2, 3]).prop_shuffle(),
        reconnects in any::<bool>(),
    ) {
        let mut registers = vec![1_000];
        for step in steps {
            registers.push(registers[registers.len() - 1] + step);
        }
        check(&registers, &order, reconnects);
    }
}
