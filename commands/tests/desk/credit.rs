//! Who has nothing left to spend is not let charge, and a session that comes to what its payer
//! may spend is ended.

use crate::support::{Service, TAG, meter_at, start_at, stop_at, token};
use crate::transactions::{Telling as _, ended, started, updated};
use chargebook_commands::message::{
    Answer, AuthorizeReport, PresentedToken, StationMessage, TransactionReport,
};
use chargebook_commands::registry::{SettingsChange, StationChange, TokenRegistration};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    AccountKind, Authorization, Intent, Outcome, TransactionLimit,
};
use chargebook_domain::ids::{AccountId, TransactionNumber};
use rust_decimal::Decimal;
use uuid::Uuid;

/// A card whose account is a wallet.
const PREPAID: &str = "PREPAID1";

/// 10 kWh cost 5.95, and the card's wallet holds this much.
const PAID_IN_MINOR: i64 = 500;

async fn wallet(service: &Service) -> AccountId {
    let registry = service.chargebook.registry();
    let kind = AccountKind::Wallet;
    registry.register_driver_paying("ada", "Ada", None, kind).await.unwrap();
    let registration = TokenRegistration { driver: Some("ada".to_owned()), ..token(PREPAID) };
    registry.register_token(registration).await.unwrap();
    registry.driver("ada").await.unwrap().unwrap().account_id
}

async fn pay_in(service: &Service, account: AccountId, amount_minor: i64) {
    let registry = service.chargebook.registry();
    registry.pay_in(account, Uuid::now_v7(), amount_minor, "EUR").await.unwrap();
}

async fn authorization(service: &Service, uid: &str) -> Authorization {
    let mut station = service.station("CP-2").await;
    let token = PresentedToken::id_tag(uid);
    let report = AuthorizeReport {
        token,
        certificate: None,
        takes_tariff: false,
        takes_energy_transfer: false,
        keeps_no_credit: false,
    };
    match station.say(StationMessage::Authorize(report)).await {
        Answer::Authorize { token, .. } => token.authorization,
        other => panic!("{other:?}"),
    }
}

/// The stops that were asked for, of our own accord.
async fn stops(service: &Service) -> Vec<Intent> {
    service
        .facts(|event| match event {
            Event::CommandRequested(requested) => Some(requested.intent),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn a_wallet_has_to_be_paid_into_first() {
    let service = Service::start().await;
    let account = wallet(&service).await;
    assert_eq!(authorization(&service, PREPAID).await, Authorization::NoCredit);
    let mut station = service.station("CP-1").await;
    let start = start_at(1, "2026-11-22T11:50:00Z", 1_000);
    let start = chargebook_commands::message::StartReport { id_tag: PREPAID.to_owned(), ..start };
    match station.say(StationMessage::Start(start)).await {
        Answer::Start { token, .. } => assert_eq!(token.authorization, Authorization::NoCredit),
        other => panic!("{other:?}"),
    }
    pay_in(&service, account, 1).await;
    assert_eq!(authorization(&service, PREPAID).await, Authorization::Accepted);
    let service = service.restart().await;
    assert_eq!(authorization(&service, PREPAID).await, Authorization::Accepted);
}

#[tokio::test]
async fn a_limit_ends_with_what_is_owed_and_can_be_lifted() {
    let service = Service::start().await;
    let registry = service.chargebook.registry();
    let account = registry.token(TAG).await.unwrap().unwrap().account_id;
    let limit = |minor| registry.set_account_limit(account, "EUR", minor);
    assert!(limit(Some(595)).await.unwrap().created);
    assert!(!limit(Some(595)).await.unwrap().created, "so before");
    let mut station = service.station("CP-1").await;
    let id = station.start(start_at(1, "2026-11-22T11:00:00Z", 1_000)).await;
    let stop = stop_at(id, "2026-11-22T11:30:00Z", 11_000);
    station.say(StationMessage::Stop(stop)).await;
    service.settled_bill(595).await;
    assert_eq!(authorization(&service, TAG).await, Authorization::NoCredit);
    limit(Some(596)).await.unwrap();
    assert_eq!(authorization(&service, TAG).await, Authorization::Accepted);
    limit(Some(0)).await.unwrap();
    assert_eq!(authorization(&service, TAG).await, Authorization::NoCredit);
    limit(None).await.unwrap();
    assert_eq!(authorization(&service, TAG).await, Authorization::Accepted);
    let refused = registry.set_account_limit(account, "EURO", None).await;
    assert!(refused.unwrap_err().to_string().contains("ISO 4217"));
}

#[tokio::test]
async fn a_session_of_1_6_that_comes_to_it_is_ended_and_billed() {
    let service = Service::start().await;
    let account = wallet(&service).await;
    pay_in(&service, account, PAID_IN_MINOR).await;
    let mut station = service.station("CP-1").await;
    let start = start_at(1, "2026-11-22T11:00:00Z", 1_000);
    let start = chargebook_commands::message::StartReport { id_tag: PREPAID.to_owned(), ..start };
    let id = station.start(start).await;
    let meter = |clock: &str, register_wh| {
        let clock = format!("2026-11-22T{clock}Z");
        StationMessage::Meter(meter_at(1, Some(id), &clock, register_wh))
    };
    station.say(meter("11:10:00", 8_900)).await;
    assert_eq!(stops(&service).await, [], "4.95 so far");
    station.say(meter("11:20:00", 9_000)).await;
    let stop = [Intent::Stop { transaction_id: id, transaction: None }];
    assert_eq!(stops(&service).await, stop, "5.00");
    station.say(meter("11:25:00", 9_500)).await;
    assert_eq!(stops(&service).await, stop, "asked once");
    let stop = stop_at(id, "2026-11-22T11:30:00Z", 9_500);
    station.say(StationMessage::Stop(stop)).await;
    service.settled_bill(524).await;
    assert_eq!(service.outcomes(1).await[0].outcome, Outcome::Invoiced);
    assert_eq!(authorization(&service, PREPAID).await, Authorization::NoCredit);
}

#[tokio::test]
async fn a_quiet_station_is_asked_nothing() {
    let service = Service::start().await;
    let account = wallet(&service).await;
    pay_in(&service, account, PAID_IN_MINOR).await;
    let settings = SettingsChange { quiet: Some(true), ..SettingsChange::default() };
    let change = StationChange { settings, ..StationChange::default() };
    service.chargebook.change_station("CP-1", change).await.unwrap();
    let mut station = service.station("CP-1").await;
    let begin = started("11:00:00").by(PREPAID).reading(1_000, "Transaction.Begin");
    station.tell(begin).await;
    let answer = station.tell(updated(1, "11:20:00").reading(9_000, "Sample.Periodic")).await;
    assert_eq!(answer.token.map(|token| token.authorization), Some(Authorization::NoCredit));
    assert_eq!(stops(&service).await, []);
}

#[tokio::test]
async fn a_session_of_2_0_1_that_comes_to_it_is_told_and_ended() {
    let service = Service::start().await;
    let account = wallet(&service).await;
    pay_in(&service, account, PAID_IN_MINOR).await;
    let mut station = service.station("CP-1").await;
    let begin = started("11:00:00").by(PREPAID).reading(1_000, "Transaction.Begin");
    let answer = station.tell(begin).await;
    assert_eq!(answer.token.map(|token| token.authorization), Some(Authorization::Accepted));
    let answer = station.tell(updated(1, "11:10:00").reading(8_900, "Sample.Periodic")).await;
    assert_eq!((answer.token, answer.limit.cost), (None, None));
    let answer = station.tell(updated(2, "11:20:00").reading(9_000, "Sample.Periodic")).await;
    assert_eq!(answer.token.map(|token| token.authorization), Some(Authorization::NoCredit));
    let requested = stops(&service).await;
    let [Intent::Stop { transaction_id, transaction: Some(name) }] = requested.as_slice() else {
        panic!("{requested:?}")
    };
    assert_eq!((*transaction_id, name.as_str()), (TransactionNumber(0), "tx-1"));
    station.tell(ended(3, "11:21:00").reading(9_000, "Transaction.End")).await;
    service.settled_bill(500).await;
}

/// A report of a 2.1 station, which says `limit` if anything.
fn of_2_1(report: TransactionReport, limit: Option<i64>) -> TransactionReport {
    let limit = limit.map(|minor| {
        let cost = Some(Decimal::new(minor, 2));
        TransactionLimit { cost, ..TransactionLimit::default() }
    });
    TransactionReport { limit, is_priced_on_the_way: true, ..report }
}

#[tokio::test]
async fn a_station_of_2_1_is_told_each_limit_once() {
    let service = Service::start().await;
    let account = wallet(&service).await;
    pay_in(&service, account, PAID_IN_MINOR).await;
    let mut station = service.station("CP-1").await;
    let limit = Some(Decimal::new(PAID_IN_MINOR, 2));
    let begin = started("11:00:00").by(PREPAID).reading(1_000, "Transaction.Begin");
    for _ in ["first", "repeat"] {
        assert_eq!(station.tell(of_2_1(begin.clone(), None)).await.limit.cost, limit);
    }
    let update = updated(1, "11:05:00").reading(2_000, "Sample.Periodic");
    assert_eq!(station.tell(of_2_1(update, None)).await.limit.cost, None, "told");
    let update = updated(2, "11:06:00").reading(3_000, "Sample.Periodic");
    let taken = Some(PAID_IN_MINOR);
    assert_eq!(station.tell(of_2_1(update, taken)).await.limit.cost, None, "taken");
    // What is paid in meanwhile may be spent too.
    pay_in(&service, account, 100).await;
    let update = updated(3, "11:10:00").reading(9_000, "Sample.Periodic");
    let answer = station.tell(of_2_1(update, None)).await;
    assert_eq!(answer.limit.cost, Some(Decimal::new(600, 2)));
    let update = updated(4, "11:20:00").reading(12_000, "Sample.Periodic");
    station.tell(of_2_1(update, Some(600))).await;
    assert_eq!(stops(&service).await, [], "the station keeps the limit itself");
}

#[tokio::test]
async fn a_lower_limit_of_the_driver_stands() {
    let service = Service::start().await;
    let account = wallet(&service).await;
    pay_in(&service, account, PAID_IN_MINOR).await;
    let mut station = service.station("CP-1").await;
    let begin = started("11:00:00").by(PREPAID).reading(1_000, "Transaction.Begin");
    let limit = Some(Decimal::new(PAID_IN_MINOR, 2));
    assert_eq!(station.tell(of_2_1(begin, None)).await.limit.cost, limit);
    for (sequence, said) in [(1, Some(300)), (2, None)] {
        let answer = station.tell(of_2_1(updated(sequence, "11:05:00"), said)).await;
        assert_eq!(answer.limit.cost, None, "the driver wants no more than 3.00");
    }
    pay_in(&service, account, 100).await;
    let answer = station.tell(of_2_1(updated(3, "11:06:00"), None)).await;
    assert_eq!(answer.limit.cost, None, "nor has more money changed that");
    let answer = station.tell(of_2_1(updated(4, "11:07:00"), Some(800))).await;
    assert_eq!(answer.limit.cost, Some(Decimal::new(600, 2)), "8.00 are not there");
}

#[tokio::test]
async fn a_station_of_2_1_that_takes_no_limit_is_asked_to_end_the_session() {
    let service = Service::start().await;
    let account = wallet(&service).await;
    pay_in(&service, account, PAID_IN_MINOR).await;
    let mut station = service.station("CP-1").await;
    let begin = started("11:00:00").by(PREPAID).reading(1_000, "Transaction.Begin");
    station.tell(of_2_1(begin, None)).await;
    let update = updated(1, "11:20:00").reading(9_000, "Sample.Periodic");
    station.tell(of_2_1(update, None)).await;
    assert_eq!(stops(&service).await.len(), 1);
}

#[tokio::test]
async fn who_has_nothing_left_may_still_end_the_own_session_and_begin_none() {
    let service = Service::start().await;
    let account = wallet(&service).await;
    pay_in(&service, account, PAID_IN_MINOR).await;
    let mut station = service.station("CP-1").await;
    for (name, evse) in [("tx-1", 1), ("tx-2", 2)] {
        let begin = started("11:00:00").by(PREPAID).reading(1_000, "Transaction.Begin");
        station.tell(begin.named(name).at_evse(evse)).await;
    }
    station.tell(ended(1, "11:30:00").reading(11_000, "Transaction.End")).await;
    service.settled_bill(595).await;
    assert_eq!(authorization(&service, PREPAID).await, Authorization::NoCredit, "elsewhere");
    let asked = || {
        let token = PresentedToken::id_tag(PREPAID);
        StationMessage::Authorize(AuthorizeReport {
            token,
            certificate: None,
            takes_tariff: false,
            takes_energy_transfer: false,
            keeps_no_credit: false,
        })
    };
    match station.say(asked()).await {
        Answer::Authorize { token, .. } => assert_eq!(token.authorization, Authorization::Accepted),
        other => panic!("{other:?}"),
    }
    let another = started("11:40:00").by(PREPAID).named("tx-3").at_evse(3);
    let answer = station.tell(another).await;
    assert_eq!(answer.token.map(|token| token.authorization), Some(Authorization::NoCredit));
    let end = ended(1, "11:50:00").reading(1_000, "Transaction.End");
    station.tell(end.named("tx-2").at_evse(2)).await;
    match station.say(asked()).await {
        Answer::Authorize { token, .. } => assert_eq!(token.authorization, Authorization::NoCredit),
        other => panic!("{other:?}"),
    }
}

/// The start never comes: the limit holds from the message on that a token was accepted in.
#[tokio::test]
async fn a_limit_does_not_wait_for_the_start() {
    for is_of_2_1 in [false, true] {
        let service = Service::start().await;
        let account = wallet(&service).await;
        pay_in(&service, account, PAID_IN_MINOR).await;
        let mut station = service.station("CP-1").await;
        let version = |report| match is_of_2_1 {
            true => of_2_1(report, None),
            false => report,
        };
        let first = updated(1, "11:01:00").by(PREPAID).reading(1_000, "Sample.Periodic");
        let answer = station.tell(version(first)).await;
        let limit = is_of_2_1.then(|| Decimal::new(PAID_IN_MINOR, 2));
        assert_eq!(answer.limit.cost, limit);
        station.tell(version(updated(2, "11:10:00").reading(8_900, "Sample.Periodic"))).await;
        assert_eq!(stops(&service).await, [], "4.95 so far");
        station.tell(version(updated(3, "11:20:00").reading(9_000, "Sample.Periodic"))).await;
        assert_eq!(stops(&service).await.len(), 1, "5.00");
    }
}
