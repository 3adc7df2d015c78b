//! Payments at terminals: that another amount was paid than was rated is shown as long as it holds,
//! and one whose transaction has not come waits for a person.

use crate::history::{History, caught_up, place, session_id};
use chargebook_domain::events::v1::{
    Anomaly, Outcome, SessionAnomalyNoted, SessionDeliveryTold, SessionOutcomeDecided,
    SessionPaymentSettled, StationOrphanResolved, StationPaymentTold, TerminalPayment,
};
use chargebook_domain::ids::{EventId, TransactionName};
use chargebook_domain::sealed::SealedText;
use chargebook_projections::{Paging, ReadModels, RebuildOptions, Review, rebuild};
use rust_decimal::Decimal;
use uuid::Uuid;

async fn shown(models: &ReadModels) -> Vec<Anomaly> {
    models.session(session_id(1)).await.unwrap().unwrap().anomalies
}

async fn paid(history: &mut History, settlement: u128, differs: bool) {
    let settlement = Some(EventId(Uuid::from_u128(settlement)));
    let decided = SessionOutcomeDecided {
        outcome: Outcome::ChargedElsewhere,
        reason: None,
        detail: None,
        owner: None,
        resolved_by: None,
        invoice: None,
        settlement,
    };
    history.write(History::session_stream(1), decided).await;
    if differs {
        let anomaly = Anomaly::PaymentDiffers;
        let noted =
            SessionAnomalyNoted { anomaly, detail: "other".to_owned(), exchange: settlement };
        history.write(History::session_stream(1), noted).await;
    }
}

#[tokio::test]
async fn a_payment_that_differs_is_shown_until_it_is_corrected() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.station(1, Some(1)).await;
    history.start(place(1, 1)).await;
    let settled = history.settle(1, history.now, (1_000, 2_000)).await;
    history.rate(1, settled, "1.00").await;
    let running = caught_up(&history, folder.path()).await;
    for (settlement, differs) in [(1, true), (2, false), (3, true), (4, true)] {
        paid(&mut history, settlement, differs).await;
        running.reach(history.head()).await;
        let expected: Vec<_> = differs.then_some(Anomaly::PaymentDiffers).into_iter().collect();
        assert_eq!(shown(&running.models).await, expected, "{settlement}");
    }
    history.rate(1, settled, "2.00").await;
    running.reach(history.head()).await;
    assert_eq!(shown(&running.models).await, []);
}

fn told(history: &History, exchange: u128, status: &str) -> StationPaymentTold {
    let payment = TerminalPayment {
        status: status.to_owned(),
        amount: Decimal::new(595, 2),
        at: history.now,
        reference: SealedText::plain("PSP-1"),
        receipt_id: None,
        receipt_url: None,
    };
    let transaction = TransactionName::parse(&format!("tx-{exchange}")).unwrap();
    StationPaymentTold { transaction, payment, exchange: EventId(Uuid::from_u128(exchange)) }
}

async fn waiting(models: &ReadModels) -> Vec<String> {
    let page = models.list_reviews(&Paging::default()).await.unwrap();
    let name = |review: &Review| match review {
        Review::EarlyPayment(told) => Some(told.transaction_id.to_string()),
        _ => None,
    };
    page.items.iter().filter_map(name).collect()
}

/// Only what was taken is anybody's loss.
#[tokio::test]
async fn a_payment_without_its_transaction_waits_until_that_comes_or_it_is_dismissed() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.station(1, Some(1)).await;
    for (exchange, status) in [(1, "Settled"), (2, "Canceled"), (3, "Settled"), (4, "Settled")] {
        let fact = told(&history, exchange, status);
        history.write(History::station_stream(1), fact).await;
    }
    let running = caught_up(&history, folder.path()).await;
    let models = &running.models;
    assert_eq!(waiting(models).await, ["tx-4", "tx-3", "tx-1"]);
    let fourth = EventId(Uuid::from_u128(4));
    let station = models.orphan_at(fourth).await.unwrap();
    assert_eq!(station.map(|station| station.as_str().to_owned()).as_deref(), Some("CP-1"));

    history.start(place(1, 1)).await;
    let first = told(&history, 1, "Settled");
    let settled = SessionPaymentSettled { payment: first.payment, exchange: first.exchange };
    history.write(History::session_stream(1), settled).await;
    let exchange = first.exchange;
    let delivered = SessionDeliveryTold { is_ongoing: false, has_messages: false, exchange };
    history.write(History::session_stream(1), delivered).await;
    let dismissed = StationOrphanResolved {
        exchange: fourth,
        session_id: None,
        reason: None,
        decided_by: None,
    };
    history.write(History::station_stream(1), dismissed).await;
    running.reach(history.head()).await;
    assert_eq!(waiting(models).await, ["tx-3"]);
    assert_eq!(models.orphan_at(fourth).await.unwrap(), None);
    let parked = models.list_parked_events(&Paging::default()).await.unwrap();
    assert_eq!(parked.items, [], "all of it is understood");
    running.crash().await;
    let report =
        rebuild(history.store(), folder.path(), RebuildOptions::default(), |_| {}).await.unwrap();
    let comparison = report.comparison.unwrap();
    assert!(comparison.is_equal(), "{comparison:?}");
}
