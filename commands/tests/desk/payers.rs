//! Who pays is told late: what was invoiced to another one is given back to that one.

use crate::support::{Service, token};
use crate::transactions::{PARKING_TARIFF, TEN_KWH_GROSS_MINOR, Telling as _};
use crate::transactions::{ended, started, updated};
use chargebook_commands::message::TransactionReport;
use chargebook_commands::registry::TokenRegistration;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::InvoiceKind;
use chargebook_domain::ids::AccountId;
use std::collections::BTreeMap;

/// Cards of one group: the first one began the session, the other one ended it.
const FIRST: &str = "FIRST001";
const OTHER: &str = "OTHER001";
/// 4 minutes of parking at 6.00 an hour, 19 % VAT.
const PARKING_MINOR: i64 = 48;

async fn service() -> Service {
    let service = Service::start().await;
    let registry = service.chargebook.registry();
    for uid in [FIRST, OTHER] {
        let registration = TokenRegistration { group: Some("FAMILY".to_owned()), ..token(uid) };
        registry.register_token(registration).await.unwrap();
    }
    registry.publish_tariff("P", PARKING_TARIFF).await.unwrap();
    service.pass(1);
    registry.set_default_tariff("P").await.unwrap();
    service.pass(30 * 60);
    service
}

/// The account of the card that a message of that number presented.
async fn account_of(service: &Service, sequence: u32) -> AccountId {
    let presented = service.facts(|event| match event {
        Event::SessionTokenPresented(fact) if fact.sequence == sequence => fact.account_id,
        _ => None,
    });
    presented.await[0]
}

/// What was posted to each account in all.
async fn posted(service: &Service) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for e in service.events().await {
        let event = Event::read(&e.event_type, e.schema_version, e.data.as_str()).unwrap();
        if let Event::LedgerPosted(posting) = event {
            *sums.entry(e.stream.as_str().to_owned()).or_default() += posting.legs[0].amount_minor;
        }
    }
    sums
}

/// The message that presents the first card is held up until the session has been billed.
async fn check(held_up: TransactionReport, bill_minor: i64) {
    let service = service().await;
    let mut station = service.station("CP-1").await;
    station.tell(started("12:01:00").reading(1_000, "Transaction.Begin")).await;
    station.tell(updated(2, "12:05:00").while_in("Charging")).await;
    let end = ended(3, "12:21:00").by(OTHER).while_in("Idle");
    station.tell(end.reading(11_000, "Transaction.End")).await;
    service.pass(61);
    service.settled_bill(TEN_KWH_GROSS_MINOR).await;
    let other = account_of(&service, 3).await;

    station.tell(held_up.by(FIRST)).await;
    service.pass(61);
    let expected = [
        (InvoiceKind::Invoice, other, TEN_KWH_GROSS_MINOR),
        (InvoiceKind::CreditNote, other, -TEN_KWH_GROSS_MINOR),
    ];
    let of_first = |account| (InvoiceKind::Invoice, account, bill_minor);
    service.settled_bill(bill_minor).await;
    let first = account_of(&service, 1).await;
    assert_ne!(first, other);
    let mut invoices = Vec::new();
    for _ in 0..40 {
        let issued = service.facts(|event| match event {
            Event::InvoiceIssued(invoice) => {
                Some((invoice.kind, invoice.account_id, invoice.total_gross_minor))
            }
            _ => None,
        });
        invoices = issued.await;
        if invoices.len() == 3 && posted(&service).await.len() == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(invoices, [expected[0], expected[1], of_first(first)]);
    let accounts =
        BTreeMap::from([(format!("account-{other}"), 0), (format!("account-{first}"), bill_minor)]);
    assert_eq!(posted(&service).await, accounts);
}

#[tokio::test]
async fn who_began_a_session_pays_for_it_though_that_is_told_after_it_was_billed_to_another() {
    check(updated(1, "12:02:00"), TEN_KWH_GROSS_MINOR).await;
}

#[tokio::test]
async fn what_is_taken_back_is_given_to_whom_it_was_invoiced_to() {
    let parked = updated(1, "12:01:00").while_in("SuspendedEV");
    check(parked, TEN_KWH_GROSS_MINOR + PARKING_MINOR).await;
}
