//! Transactions (2.x) at one EVSE without ends between them, told in any order: what becomes of
//! each session, and what is billed, is the same.

use crate::support::{Service, TAG};
use crate::transactions::{Telling, ended, started, updated};
use chargebook_commands::message::TransactionReport;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::Outcome;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the policies may take over it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a session ended, by its transaction.
type Ends = BTreeMap<String, (Outcome, Option<String>, Option<String>)>;

/// Which message of a transaction brings what.
#[derive(Clone, Copy, Debug)]
struct Form {
    /// The EVSE and the begin register come with the second message, not with the start.
    is_told_in_parts: bool,
    /// The first of them is ended.
    ends_first: bool,
}

const PLAIN: Form = Form { is_told_in_parts: false, ends_first: false };

/// Transactions that follow each other, with the registers they begin with: each tells its start
/// and one reading, of which the car has drawn nothing yet.
fn messages(registers: &[i64], form: Form) -> Vec<TransactionReport> {
    let mut messages = Vec::new();
    for (index, register_wh) in registers.iter().enumerate() {
        let clock = |minute| format!("11:{:02}:00", 10 * index + minute);
        let named = |report: TransactionReport| report.named(&format!("tx-{index}"));
        let start = named(started(&clock(0))).by(TAG).while_in("Charging");
        let update = named(updated(1, &clock(1)));
        if form.is_told_in_parts {
            messages.push(TransactionReport { evse: None, connector: None, ..start });
            messages.push(update.reading(*register_wh, "Transaction.Begin"));
        } else {
            messages.push(start.reading(*register_wh, "Transaction.Begin"));
            messages.push(update.reading(*register_wh, "Sample.Periodic"));
        }
        if form.ends_first && index == 0 {
            let end_wh = registers.get(1).copied().unwrap_or(*register_wh);
            messages.push(named(ended(2, &clock(5))).reading(end_wh, "Transaction.End"));
        }
    }
    messages
}

/// What becomes of that many sessions, and what is billed in all.
async fn told(
    messages: &[TransactionReport],
    order: &[usize],
    sessions: usize,
    reconnects: bool,
) -> (Ends, i64) {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    for index in order {
        station.tell(messages[*index].clone()).await;
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
        if is_quiet && service.outcomes(sessions).await.len() == sessions {
            return ends(&service).await;
        }
        assert!(tokio::time::Instant::now() < deadline, "nothing final");
    }
}

async fn ends(service: &Service) -> (Ends, i64) {
    let (mut names, mut ends, mut billed) = (BTreeMap::new(), Ends::new(), 0);
    for recorded in service.events().await {
        let data = recorded.data.as_str();
        match Event::read(&recorded.event_type, recorded.schema_version, data).unwrap() {
            Event::SessionOpened(fact) => {
                names.insert(recorded.stream.clone(), fact.transaction_id.to_string());
            }
            Event::SessionOutcomeDecided(decided) => {
                let said = (decided.outcome, decided.reason.clone(), decided.detail.clone());
                ends.insert(names[&recorded.stream].clone(), said);
            }
            Event::InvoiceIssued(invoice) => billed += invoice.total_gross_minor,
            _ => {}
        }
    }
    (ends, billed)
}

fn check(registers: &[i64], form: Form, order: &[usize], reconnects: bool) -> (Ends, i64) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let messages = messages(registers, form);
        let in_order: Vec<usize> = (0..messages.len()).collect();
        let expected = told(&messages, &in_order, registers.len(), false).await;
        let found = told(&messages, order, registers.len(), reconnects).await;
        assert_eq!(found, expected, "{registers:?} {form:?} told as {order:?}");
        expected
    })
}

fn outcome_of(ends: &Ends, name: &str) -> Outcome {
    ends[name].0
}

/// The first came to nothing: it is void, whichever of the two is told first.
#[test]
fn of_two_transactions_the_first_is_void_whichever_is_told_first() {
    let (ends, _) = check(&[1_000, 1_000], PLAIN, &[2, 3, 0, 1], false);
    assert_eq!(outcome_of(&ends, "tx-0"), Outcome::Void);
}

#[test]
fn what_was_drawn_before_the_next_transaction_is_billed_whichever_is_told_first() {
    let (ends, billed) = check(&[1_000, 11_000], PLAIN, &[2, 0, 3, 1], true);
    assert_eq!(outcome_of(&ends, "tx-0"), Outcome::Invoiced);
    assert_eq!(billed, 595, "10 kWh at 0.40 plus 1.00 flat, 19 % VAT");
}

/// Nothing was read but the registers that they began with.
#[test]
fn a_begin_alone_is_billed_by_the_next_one() {
    let begin = |(index, register_wh): (usize, i64)| {
        let start = started(&format!("11:{index}0:00")).named(&format!("tx-{index}"));
        start.by(TAG).while_in("Charging").reading(register_wh, "Transaction.Begin")
    };
    let messages = [(0, 1_000), (1, 11_000), (2, 11_000)].map(begin);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (order, reconnects) in [([0, 1, 2], false), ([2, 1, 0], true), ([0, 2, 1], false)] {
        let (ends, billed) = runtime.block_on(told(&messages, &order, 3, reconnects));
        let names = ["tx-0", "tx-1", "tx-2"];
        let outcomes = names.map(|name| outcome_of(&ends, name));
        let expected = [Outcome::Invoiced, Outcome::Void, Outcome::NeedsReview];
        assert_eq!((outcomes, billed), (expected, 595), "told as {order:?}");
        assert_eq!(ends["tx-2"].1.as_deref(), Some("stop_missing"));
    }
}

/// What a stranger draws at the EVSE, after a transaction that was never ended, is the stranger's.
#[tokio::test]
async fn what_was_drawn_by_who_was_refused_is_not_billed_to_the_one_before() {
    let tx = |report: TransactionReport, number: u32| report.named(&format!("tx-{number}"));
    let begin = |clock, register_wh| started(clock).reading(register_wh, "Transaction.Begin");
    let end = |clock, register_wh| ended(1, clock).reading(register_wh, "Transaction.End");
    let messages = [
        tx(begin("11:00:00", 1_000).by(TAG).while_in("Charging"), 0),
        tx(begin("11:20:00", 5_000).by("STRANGER").while_in("Charging"), 1),
        tx(end("11:30:00", 8_000), 1),
        tx(begin("11:40:00", 8_000).by(TAG).while_in("Charging"), 2),
        tx(end("11:50:00", 9_000), 2),
    ];
    for order in [[0, 1, 2, 3, 4], [0, 3, 4, 1, 2], [0, 2, 1, 4, 3], [3, 0, 1, 4, 2]] {
        for reconnects in [false, true] {
            let (ends, billed) = told(&messages, &order, 3, reconnects).await;
            let outcomes = ["tx-0", "tx-1", "tx-2"].map(|name| outcome_of(&ends, name));
            let expected = [Outcome::Invoiced, Outcome::NeedsReview, Outcome::Invoiced];
            // 4 kWh and 1 kWh at 0.40, plus 1.00 flat, 19 % VAT.
            assert_eq!((outcomes, billed), (expected, 309 + 167), "told as {order:?}");
            assert_eq!(ends["tx-1"].1.as_deref(), Some("refused_yet_charged"));
        }
    }
}

/// The EVSE and the begin register come after the start, in their own order.
#[test]
fn what_a_transaction_begins_with_may_come_after_its_start() {
    let form = Form { is_told_in_parts: true, ..PLAIN };
    let (ends, billed) = check(&[1_000, 11_000], form, &[3, 0, 2, 1], false);
    assert_eq!((outcome_of(&ends, "tx-0"), billed), (Outcome::Invoiced, 595));
}

/// The one in between is told last: it ends the first, and is ended by the last.
#[test]
fn a_transaction_between_two_that_are_known_parts_them() {
    let (ends, _) = check(&[1_000, 6_000, 11_000], PLAIN, &[0, 1, 4, 5, 2, 3], false);
    assert_eq!(outcome_of(&ends, "tx-1"), Outcome::Invoiced);
    check(&[1_000, 6_000, 11_000], PLAIN, &[4, 5, 0, 1, 2, 3], true);
}

/// A clock that stands still, and a meter that counts each transaction from the same: what was
/// over before the other came is before it.
#[tokio::test]
async fn what_is_over_comes_first_whatever_clock_and_register_say() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    for name in ["tx-0", "tx-1", "tx-2"] {
        let begin = started("11:59:00").by(TAG).reading(1_000, "Transaction.Begin");
        station.tell(begin.named(name)).await;
        let end = ended(1, "11:59:50").reading(1_500, "Transaction.End");
        station.tell(end.named(name)).await;
    }
    service.settled_bill(3 * 143).await;
}

/// A second driver is refused at an EVSE where a car is charged: the car goes on, and its end is
/// told by itself, or by the next one that is let.
#[tokio::test]
async fn who_was_refused_ends_nobody() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let tx = |report: TransactionReport, number: u32| report.named(&format!("tx-{number}"));
    let begin = |clock, register_wh| started(clock).reading(register_wh, "Transaction.Begin");
    let end = |sequence, clock, register_wh| {
        ended(sequence, clock).reading(register_wh, "Transaction.End")
    };
    station.tell(tx(begin("10:00:00", 1_000).by(TAG), 0)).await;
    station.tell(tx(begin("10:10:00", 5_000).by("STRANGER"), 1)).await;
    station.tell(tx(end(1, "10:10:05", 5_000), 1)).await;
    station.tell(tx(end(1, "10:20:00", 11_000), 0)).await;
    service.settled_bill(595).await;
    // The one that ends it is the next one that was let.
    station.tell(tx(begin("10:30:00", 11_000).by(TAG), 2)).await;
    station.tell(tx(begin("10:40:00", 15_000).by("STRANGER"), 3)).await;
    station.tell(tx(updated(1, "10:48:00").reading(20_000, "Sample.Periodic"), 2)).await;
    station.tell(tx(begin("10:50:00", 21_000).by(TAG), 4)).await;
    station.tell(tx(updated(1, "10:58:00").reading(30_000, "Sample.Periodic"), 4)).await;
    service.pass(61);
    service.settled_bill(2 * 595).await;
    // Who was refused with one card, and let with another.
    station.tell(tx(begin("11:00:00", 31_000).by("STRANGER"), 5)).await;
    station.tell(tx(updated(1, "11:00:10").by(TAG), 5)).await;
    service.pass(61);
    service.settled_bill(3 * 595).await;
    station.tell(tx(end(2, "11:20:00", 41_000), 5)).await;
    service.settled_bill(4 * 595).await;
    let (ends, _) = ends(&service).await;
    assert_eq!([1, 3].map(|number| outcome_of(&ends, &format!("tx-{number}"))), [Outcome::Void; 2]);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 8,
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    })]

    #[test]
    fn however_transactions_are_told_the_outcomes_are_the_same(
        steps in prop::collection::vec(prop_oneof![Just(0_i64), Just(5_000)], 2),
        form in (any::<bool>(), any::<bool>()),
        order in Just((0_usize..6).collect::<Vec<_>>()).prop_shuffle(),
        repeated in prop::collection::vec(0_usize..6, 0..3),
        reconnects in any::<bool>(),
    ) {
        let mut registers = vec![1_000];
        for step in steps {
            registers.push(registers[registers.len() - 1] + step);
        }
        let form = Form { is_told_in_parts: form.0, ends_first: form.1 };
        let mut order = order;
        if form.ends_first {
            order.insert(registers.len() % 4, 6);
        }
        order.extend(repeated);
        check(&registers, form, &order, reconnects);
    }
}
