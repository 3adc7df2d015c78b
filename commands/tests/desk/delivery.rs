//! Transactions that are not told to their end: their stations are asked of them, once.

use crate::support::{Service, TAG};
use crate::transactions::{Telling, ended, started, updated};
use chargebook_commands::registry::{SettingsChange, StationChange};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::Intent;
use std::time::Duration;

/// What stations were asked: in whose words, and what.
async fn asked(service: &Service) -> Vec<(String, String)> {
    // The policy looks at its sessions several times in this while.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let asked = service.facts(|event| match event {
        Event::CommandRequested(fact) => match fact.intent {
            Intent::Exact { action, payload, .. } => Some((action, payload)),
            other => panic!("{other:?}"),
        },
        _ => None,
    });
    let mut words = Vec::new();
    for (action, payload) in asked.await {
        words.push((action, service.chargebook.personal().open(&payload).await));
    }
    words
}

fn question(transaction: &str) -> (String, String) {
    ("GetTransactionStatus".to_owned(), format!(r#"{{"transactionId":"{transaction}"}}"#))
}

/// It is waited for 60 seconds in all.
#[tokio::test]
async fn a_station_is_asked_once_of_a_transaction_that_has_fallen_silent() {
    let mut service = Service::start().await;
    let mut station = service.station("CP-1").await;
    station.tell(started("11:59:00").by(TAG).reading(1_000, "Transaction.Begin")).await;
    service.pass(29);
    assert_eq!(asked(&service).await, []);
    service.pass(2);
    assert_eq!(asked(&service).await, [question("tx-1")]);
    service.pass(5);
    service = service.restart().await;
    let mut station = service.station("CP-1").await;
    assert_eq!(asked(&service).await, [question("tx-1")], "once, over a restart");
    // It goes on, with a gap, and falls silent again.
    station.tell(updated(2, "11:59:50").reading(2_000, "Sample.Periodic")).await;
    service.pass(31);
    assert_eq!(asked(&service).await, [question("tx-1"), question("tx-1")]);
}

#[tokio::test]
async fn a_station_is_asked_of_a_gap_and_of_nothing_that_is_complete() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let begin = |name| started("11:00:00").by(TAG).reading(1_000, "Transaction.Begin").named(name);
    let end =
        |name, number| ended(number, "11:30:00").reading(2_000, "Transaction.End").named(name);
    for (name, last) in [("tx-whole", 1), ("tx-gap", 2)] {
        station.tell(begin(name).at_evse(last)).await;
        station.tell(end(name, last).at_evse(last)).await;
    }
    service.pass(31);
    assert_eq!(asked(&service).await, [question("tx-gap")]);
}

#[tokio::test]
async fn a_quiet_station_and_one_that_is_away_are_asked_nothing() {
    let service = Service::start().await;
    let settings = SettingsChange { quiet: Some(true), ..SettingsChange::default() };
    let change = StationChange { settings, ..StationChange::default() };
    service.chargebook.change_station("CP-1", change).await.unwrap();
    for id in ["CP-1", "CP-2"] {
        let mut station = service.station(id).await;
        station.tell(started("11:59:00").by(TAG).reading(1_000, "Transaction.Begin")).await;
        if id == "CP-2" {
            station.desk.close("gone").await.unwrap();
        }
    }
    service.pass(31);
    assert_eq!(asked(&service).await, []);
}
