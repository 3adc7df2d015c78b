//! One session told in any order, with repeats, over new connections and restarts: one bill.

use crate::support::{Service, Station, at, meter_at, start_at, status, stop_at};
use chargebook_commands::message::StationMessage;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::Outcome;
use chargebook_domain::ids::TransactionNumber;
use proptest::prelude::*;
use std::time::Duration;

/// Day and night, time, parking and a fee: everything that order could disturb.
const TARIFF: &str = r#"{"id":"P","currency":"EUR","elements":[
    {"price_components":[{"type":"FLAT","price":0.35,"vat":19},
        {"type":"ENERGY","price":0.30,"vat":19}],
     "restrictions":{"start_time":"13:22","end_time":"06:00"}},
    {"price_components":[{"type":"FLAT","price":0.50,"vat":19},
        {"type":"ENERGY","price":0.50,"vat":19},
        {"type":"TIME","price":1.20,"vat":19,"step_size":60},
        {"type":"PARKING_TIME","price":6,"vat":19,"step_size":60}]}]}"#;
/// What the story costs: the day's fee of 0.50, 6 kWh at 0.50 by day and 4 kWh at 0.30 by night,
/// 2 min of charging at 1.20 and 2 min of parking at 6.00 an hour, which no restriction ends;
/// 19 % VAT.
const BILL_MINOR: i64 = 588;
/// The words of the story, in order.
const IN_ORDER: [usize; WORDS] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
/// Messages of the story, without its start.
const WORDS: usize = 10;
/// How long the policies may take over it.
const PATIENCE: Duration = Duration::from_secs(6);

/// The car stops for a while, and stays after the stop.
fn word(index: usize, id: TransactionNumber) -> StationMessage {
    let meter = |id, clock: &str, register| {
        StationMessage::Meter(meter_at(1, id, &format!("2026-11-22T{clock}Z"), register))
    };
    let says = |word, clock: &str| {
        StationMessage::Status(status(1, word, &format!("2026-11-22T{clock}Z")))
    };
    match index {
        0 => says("Charging", "13:20:10"),
        1 => meter(Some(id), "13:20:40", 4_000),
        2 => meter(None, "13:21:00", 5_000),
        3 => says("SuspendedEV", "13:21:10"),
        4 => meter(Some(TransactionNumber(-1)), "13:21:30", 5_000),
        5 => says("Charging", "13:21:40"),
        6 => meter(Some(id), "13:22:00", 7_000),
        7 => StationMessage::Stop(stop_at(id, "2026-11-22T13:22:30Z", 11_000)),
        8 => says("Finishing", "13:22:30"),
        _ => says("Available", "13:24:00"),
    }
}

pub(crate) async fn service() -> Service {
    let service = Service::start().await;
    let registry = service.chargebook.registry();
    registry.publish_tariff("P", TARIFF).await.unwrap();
    service.pass(1);
    service.chargebook.registry().set_default_tariff("P").await.unwrap();
    // The station is online: what it says is not much older than its receipt.
    let until = at("2026-11-22T13:24:30Z").seconds_since(service.now());
    service.pass(i64::try_from(until).unwrap());
    service
}

/// What is said between two words.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Break {
    None,
    Reconnect,
    Restart,
    /// The policies get through what there is.
    Settle,
}

/// `early` words come before the start, and name no transaction that we know.
async fn told(order: &[(usize, Break)], early: usize) -> (Service, i64) {
    let mut service = service().await;
    let start = || start_at(1, "2026-11-22T13:20:00Z", 1_000);
    let mut station: Station = service.station("CP-1").await;
    for (index, _) in &order[..early] {
        station.say(word(*index, TransactionNumber(-1))).await;
    }
    let id = station.start(start()).await;
    for (index, pause) in &order[early..] {
        match pause {
            Break::None => {}
            Break::Reconnect => station = service.station("CP-1").await,
            Break::Restart => {
                service = service.restart().await;
                station = service.station("CP-1").await;
                assert_eq!(station.start(start()).await, id);
            }
            Break::Settle => tokio::time::sleep(Duration::from_millis(5)).await,
        }
        station.say(word(*index, id)).await;
    }
    service.pass(120);
    let bill = settled_bill(&service).await;
    (service, bill)
}

/// What was invoiced in all, once nothing more follows.
pub(crate) async fn settled_bill(service: &Service) -> i64 {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let outcome = service.outcomes(1).await.remove(0);
        let before = service.events().await.len();
        tokio::time::sleep(Duration::from_millis(250)).await;
        if outcome.outcome == Outcome::Invoiced && service.events().await.len() == before {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "nothing final: {outcome:?}");
    }
    let invoiced = service
        .facts(|event| match event {
            Event::InvoiceIssued(invoice) => Some(invoice.total_gross_minor),
            _ => None,
        })
        .await;
    let posted = service
        .facts(|event| match event {
            Event::LedgerPosted(posting) => {
                let sum: i64 = posting.legs.iter().map(|leg| leg.amount_minor).sum();
                assert_eq!(sum, 0, "{posting:?}");
                Some(posting.legs[0].amount_minor)
            }
            _ => None,
        })
        .await;
    assert_eq!(invoiced.iter().sum::<i64>(), posted.iter().sum::<i64>());
    assert_eq!(invoiced.len(), posted.len());
    invoiced.iter().sum()
}

pub(crate) fn pauses() -> impl Strategy<Value = Break> {
    prop_oneof![
        6 => Just(Break::None),
        1 => Just(Break::Reconnect),
        1 => Just(Break::Restart),
        1 => Just(Break::Settle),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    })]

    /// The law, at the desk: one session, one bill, however it is told; and a new process over
    /// the same log has nothing to add.
    #[test]
    fn however_it_is_told_the_bill_is_the_same(
        order in Just(IN_ORDER.to_vec()).prop_shuffle(),
        repeats in prop::collection::vec(0..WORDS, 0..6),
        places in prop::collection::vec(any::<prop::sample::Index>(), 6),
        breaks in prop::collection::vec(pauses(), WORDS + 6),
        early in prop_oneof![Just(0), 1..WORDS],
    ) {
        let mut order = order;
        for (repeat, place) in repeats.iter().zip(&places) {
            order.insert(place.index(order.len() + 1), *repeat);
        }
        let order: Vec<_> = order.into_iter().zip(breaks).collect();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let (service, bill) = told(&order, early).await;
            assert_eq!(bill, BILL_MINOR);
            let before = service.events().await.len();
            let service = service.restart().await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            let added: Vec<_> = service.events().await.split_off(before);
            let added: Vec<_> = added.iter().map(|event| event.event_type.to_string()).collect();
            assert!(added.iter().all(|added| added == "policy.checkpointed"), "{added:?}");
        });
    }
}
