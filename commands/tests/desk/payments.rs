//! What 2.1 stations say of money: a cost of their own reckoning, payments at their terminals.
//! Neither changes the bill.

use crate::support::{Service, Station, TAG, at};
use crate::transactions::{Telling, ended, started};
use chargebook_commands::message::{
    Answer, Notice, NoticeContent, NoticeSubject, StationMessage, TransactionReport,
};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{Anomaly, Outcome, StationCost, TerminalPayment};
use chargebook_domain::ids::TransactionName;
use rust_decimal::Decimal;

/// 10 kWh at 0.40 plus 1.00 flat, 19 % VAT.
const TEN_KWH_GROSS_MINOR: i64 = 595;

/// Ten kilowatt-hours, after which the station says what they have cost.
async fn charge_ten_kwh(station: &mut Station, incl_tax_minor: i64, has_failed: bool) {
    let begin = started("11:00:00").by(TAG).reading(1_000, "Transaction.Begin");
    station.tell(begin).await;
    let end = ended(1, "11:30:00").reading(11_000, "Transaction.End");
    let cost = Some(StationCost {
        currency: "EUR".to_owned(),
        excl_tax: None,
        incl_tax: Some(Decimal::new(incl_tax_minor, 2)),
        tariff: None,
        has_failed,
    });
    station.tell(TransactionReport { cost, ..end }).await;
}

async fn anomalies(service: &Service) -> Vec<(Anomaly, String)> {
    service
        .facts(|event| match event {
            Event::SessionAnomalyNoted(noted) => Some((noted.anomaly, noted.detail)),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn a_cost_that_differs_from_our_rating_is_noted_once_and_ours_is_billed() {
    for (incl_tax_minor, has_failed, is_noted) in
        [(595, false, false), (596, false, false), (610, false, true), (0, true, false)]
    {
        let service = Service::start().await;
        let mut station = service.station("CP-1").await;
        charge_ten_kwh(&mut station, incl_tax_minor, has_failed).await;
        service.settled_bill(TEN_KWH_GROSS_MINOR).await;
        assert_eq!(service.outcomes(1).await[0].outcome, Outcome::Invoiced);
        let expected = is_noted.then(|| {
            let detail = "with taxes the station says 6.10 EUR, rated are 5.95 EUR";
            (Anomaly::StationCostDiffers, detail.to_owned())
        });
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(anomalies(&service).await, expected, "{incl_tax_minor}");
    }
}

fn settled(transaction: Option<&str>, status: &str) -> StationMessage {
    let payment = TerminalPayment {
        status: status.to_owned(),
        amount: Decimal::new(595, 2),
        at: at("2026-11-22T11:31:00Z"),
        reference: "PSP-1".to_owned(),
        receipt_id: Some("R-1".to_owned()),
        receipt_url: None,
    };
    StationMessage::Notice(Notice {
        transaction_id: transaction.map(|name| TransactionName::parse(name).unwrap()),
        content: NoticeContent::Payment(payment),
        ..Notice::about(NoticeSubject::NotifySettlement)
    })
}

#[tokio::test]
async fn a_payment_at_the_terminal_is_told_to_its_session_once() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    charge_ten_kwh(&mut station, TEN_KWH_GROSS_MINOR, false).await;
    for message in [
        settled(Some("tx-1"), "Failed"),
        settled(Some("tx-1"), "Settled"),
        settled(Some("tx-1"), "Settled"),
        settled(Some("tx-other"), "Settled"),
        settled(None, "Canceled"),
    ] {
        assert_eq!(station.say(message).await, Answer::Empty);
    }
    let told = service.facts(|event| match event {
        Event::SessionPaymentSettled(fact) => Some(fact.payment),
        _ => None,
    });
    let told = told.await;
    let words: Vec<_> = told.iter().map(|payment| payment.status.as_str()).collect();
    assert_eq!(words, ["Failed", "Settled"]);
    let personal = service.chargebook.personal();
    assert_eq!(personal.open(&told[1].reference).await, "PSP-1");
    let events = service.events().await;
    assert!(events.iter().all(|event| !event.data.as_str().contains("PSP-1")), "it is sealed");
    let elsewhere = service.facts(|event| match event {
        Event::StationNotified(fact) => Some(fact.action),
        _ => None,
    });
    assert_eq!(elsewhere.await, ["NotifySettlement", "NotifySettlement"]);
    service.settled_bill(TEN_KWH_GROSS_MINOR).await;
}
