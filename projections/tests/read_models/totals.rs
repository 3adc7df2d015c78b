//! Energy, sessions and revenue over time.

use crate::history::{History, at, caught_up, place, site_id};
use chargebook_domain::events::v1::{InvoiceKind, Outcome};
use chargebook_domain::units::WattHours;
use chargebook_projections::{AnalyticsQuery, Bucket, QueryError};
use rust_decimal::Decimal;

fn query(bucket: Bucket) -> AnalyticsQuery {
    AnalyticsQuery { from: at(-86_400), to: at(86_400), bucket, site_id: None }
}

#[tokio::test]
async fn energy_is_counted_in_the_hour_it_flowed_and_adds_up_to_what_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.site(1, "Europe/Berlin").await;
    history.station(1, Some(1)).await;
    history.pass(1_800);
    history.start(place(1, 1)).await;
    history.pass(1_200);
    history.meter(1, 2_000, 3_000).await;
    history.pass(1_200);
    history.meter(1, 4_000, 3_000).await;
    history.pass(60);
    history.stop(1, 4_500, None).await;
    let running = caught_up(&history, folder.path()).await;

    let hours = running.models.analytics(&query(Bucket::Hour)).await.unwrap();
    let energy: Vec<_> = hours.iter().map(|hour| (hour.from, hour.energy_wh)).collect();
    let first = WattHours::from_whole(1_000);
    assert_eq!(energy, [(at(0), first), (at(3_600), WattHours::from_whole(2_500))]);
    assert_eq!(hours[0].sessions, 1);
    assert_eq!(hours[0].site.as_deref(), Some("site-1"));

    // Settlement knows better: the difference goes where the session ended.
    history.settle(1, at(1_800), (1_000, 4_400)).await;
    running.reach(history.head()).await;
    let days =
        running.models.analytics(&query(Bucket::Day(chrono_tz::Europe::Berlin))).await.unwrap();
    assert_eq!(days.len(), 1);
    assert_eq!(days[0].energy_wh, WattHours::from_whole(3_400));
    assert_eq!(days[0].from, at(-11 * 3_600), "midnight in Berlin is 23:00 UTC");
    running.crash().await;
}

#[tokio::test]
async fn revenue_counts_invoices_for_and_credit_notes_against() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    let tariff = history.tariff(1, 1).await;
    history.station(1, Some(1)).await;
    history.start(place(1, 1)).await;
    history.pass(60);
    let settled = history.settle(1, at(0), (1_000, 3_000)).await;
    let rated = history.rate(1, settled, "1.00").await;
    history.invoice(1, 1, InvoiceKind::Invoice, rated, tariff.clone()).await;
    history.invoice(1, 2, InvoiceKind::Invoice, rated, tariff.clone()).await;
    history.invoice(1, 3, InvoiceKind::CreditNote, rated, tariff).await;
    let running = caught_up(&history, folder.path()).await;
    let totals = running.models.totals(at(0), at(3_600)).await.unwrap();
    let [revenue] = totals.revenue.as_slice() else { panic!("{:?}", totals.revenue) };
    assert_eq!(revenue.currency, "EUR");
    assert_eq!((revenue.net_minor, revenue.gross_minor, revenue.invoices), (100, 119, 3));
    let elsewhere = AnalyticsQuery { site_id: Some(site_id(2)), ..query(Bucket::Hour) };
    assert!(running.models.analytics(&elsewhere).await.unwrap().is_empty());
    running.crash().await;
}

#[tokio::test]
async fn totals_tell_what_is_going_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    for station in 1..=3 {
        history.station(station, Some(1)).await;
    }
    history.connect(1, 1).await;
    history.connect(2, 1).await;
    history.status(2, 1, "Faulted").await;
    history.start(place(1, 1)).await;
    history.start(place(2, 2)).await;
    history.start(place(3, 3)).await;
    history.pass(60);
    history.meter(1, 1_100, 6_000).await;
    history.meter(2, 1_050, 3_000).await;
    history.decide(2, Outcome::NeedsReview, None).await;
    history.decide(3, Outcome::Void, None).await;
    let running = caught_up(&history, folder.path()).await;
    let totals = running.models.totals(at(0), at(3_600)).await.unwrap();
    assert_eq!((totals.stations, totals.stations_connected, totals.stations_faulted), (3, 2, 1));
    assert_eq!((totals.sessions_open, totals.sessions_to_review), (1, 1));
    assert_eq!(totals.sessions, 2, "the void one is none");
    assert_eq!(totals.power_w, Decimal::from(6_000));
    assert_eq!(totals.energy_wh, WattHours::from_whole(150));
    running.crash().await;
}

#[tokio::test]
async fn a_span_must_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new();
    let running = caught_up(&history, folder.path()).await;
    for (from, to) in [(at(0), at(0)), (at(1), at(0)), (at(0), at(500 * 86_400))] {
        let answer = running.models.totals(from, to).await;
        assert!(matches!(answer, Err(QueryError::BadSpan { .. })), "{answer:?}");
    }
    running.crash().await;
}
