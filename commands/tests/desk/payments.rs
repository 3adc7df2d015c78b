//! What 2.1 stations say of money: a cost of their own reckoning, payments at their terminals.
//! Neither changes a bill; a session that is paid directly gets none.

use crate::support::{Service, Station, TAG, at};
use crate::transactions::{Telling, ended, started, updated};
use chargebook_commands::message::{
    Answer, Notice, NoticeContent, NoticeSubject, PresentedToken, StationMessage, TransactionReport,
};
use chargebook_commands::review::DecisionNote;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    Anomaly, Authorization, Intent, Outcome, SessionOutcomeDecided, StationCost, TerminalPayment,
    TransactionLimit,
};
use chargebook_domain::ids::{EventId, EvseNumber, TransactionName};
use chargebook_domain::units::WattHours;
use chargebook_store::RecordedEvent;
use rust_decimal::Decimal;
use std::time::Duration;

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

/// The reference of a payment, as the token that a session begins with.
const PAYMENT: &str = "PSP-1";

fn by_payment(report: TransactionReport) -> TransactionReport {
    let (uid, kind) = (PAYMENT.to_owned(), Some("DirectPayment".to_owned()));
    TransactionReport {
        token: Some(PresentedToken { uid, kind }),
        is_priced_on_the_way: true,
        keeps_no_credit: true,
        ..report
    }
}

fn begin() -> TransactionReport {
    by_payment(started("11:00:00").while_in("Charging").reading(1_000, "Transaction.Begin"))
}

fn end() -> TransactionReport {
    let end = ended(1, "11:30:00").reading(11_000, "Transaction.End");
    TransactionReport { is_priced_on_the_way: true, ..end }
}

fn told(status: &str, minute: u32) -> StationMessage {
    let payment = TerminalPayment {
        status: status.to_owned(),
        amount: Decimal::new(595, 2),
        at: at(&format!("2026-11-22T11:{minute}:00Z")),
        reference: PAYMENT.to_owned(),
        receipt_id: None,
        receipt_url: None,
    };
    StationMessage::Notice(Notice {
        transaction_id: Some(TransactionName::parse("tx-1").unwrap()),
        content: NoticeContent::Payment(payment),
        ..Notice::about(NoticeSubject::NotifySettlement)
    })
}

/// Waits until the session's outcome is this one.
async fn becomes(service: &Service, outcome: Outcome, reason: &str) -> SessionOutcomeDecided {
    for _ in 0..200 {
        let last = service.outcomes(1).await.remove(0);
        if (last.outcome, last.reason.as_deref()) == (outcome, Some(reason)) {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no {outcome:?} {reason}: {:#?}", service.outcomes(1).await);
}

#[tokio::test]
async fn a_session_that_is_paid_directly_becomes_what_its_payment_does() {
    use Outcome::{ChargedElsewhere, NeedsReview};
    for (payments, outcome, reason) in [
        (&["Settled"][..], ChargedElsewhere, "paid_directly"),
        (&["Failed"], NeedsReview, "payment_failed"),
        (&["Rejected"], NeedsReview, "payment_rejected"),
        (&["Canceled"], NeedsReview, "payment_released"),
        (&["Failed", "Settled"], ChargedElsewhere, "paid_directly"),
    ] {
        for is_told_late in [true, false] {
            let service = Service::start().await;
            let mut station = service.station("CP-1").await;
            let answer = station.tell(begin()).await;
            let status = answer.token.map(|token| token.authorization);
            assert_eq!(status, Some(Authorization::Accepted));
            if is_told_late {
                let cost = station.tell(end()).await.total_cost;
                assert_eq!(cost, Some(Decimal::new(TEN_KWH_GROSS_MINOR, 2)));
            }
            for (minute, status) in (31..).zip(payments) {
                station.say(told(status, minute)).await;
            }
            if !is_told_late {
                station.tell(end()).await;
            }
            let decided = becomes(&service, outcome, reason).await;
            assert_eq!(decided.settlement.is_some(), outcome == ChargedElsewhere);
            service.settled_bill(0).await;
        }
    }
}

#[tokio::test]
async fn a_payment_that_nobody_tells_of_is_looked_into_and_may_yet_come() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    station.tell(begin()).await;
    station.tell(end()).await;
    service.settled_bill(0).await;
    let outcomes = service.facts(|event| match event {
        Event::SessionOutcomeDecided(decided) => Some(decided.outcome),
        _ => None,
    });
    assert_eq!(outcomes.await, [], "it is waited for");
    service.pass(61);
    becomes(&service, Outcome::NeedsReview, "payment_missing").await;
    station.say(told("Settled", 45)).await;
    becomes(&service, Outcome::ChargedElsewhere, "paid_directly").await;
    service.settled_bill(0).await;
}

#[tokio::test]
async fn a_late_fact_of_a_session_that_waits_for_its_payment_does_not_lose_it() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    station.tell(begin()).await;
    station.tell(end()).await;
    service.settled_bill(0).await;
    let late = updated(2, "11:15:00").reading(6_000, "Sample.Periodic");
    station.tell(TransactionReport { is_priced_on_the_way: true, ..late }).await;
    service.settled_bill(0).await;
    service.pass(61);
    becomes(&service, Outcome::NeedsReview, "payment_missing").await;
    station.say(told("Settled", 31)).await;
    becomes(&service, Outcome::ChargedElsewhere, "paid_directly").await;
}

#[tokio::test]
async fn a_payment_taken_elsewhere_limits_the_session_that_begins_with_it() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let limit = TransactionLimit {
        cost: Some(Decimal::new(5_000, 2)),
        energy_wh: Some(WattHours(Decimal::from(20_000))),
        ..TransactionLimit::default()
    };
    let intent = Intent::StartPaid {
        evse: EvseNumber(1),
        reference: service.chargebook.personal().seal_uid(PAYMENT).await.unwrap(),
        card_last_digits: None,
        limit: Some(limit.clone()),
    };
    service.chargebook.request_command("CP-1", intent, "test").await.unwrap();
    for _ in ["first", "repeat"] {
        assert_eq!(station.tell(begin()).await.limit, limit);
    }
    let going_on = updated(1, "11:10:00").reading(2_000, "Sample.Periodic");
    let going_on = TransactionReport { is_priced_on_the_way: true, ..going_on };
    assert_eq!(station.tell(going_on).await.limit, TransactionLimit::default(), "it was told");
    let other = TransactionName::parse("tx-2").unwrap();
    let (uid, kind) = ("PSP-OTHER".to_owned(), Some("DirectPayment".to_owned()));
    let token = Some(PresentedToken { uid, kind });
    let other = TransactionReport { transaction_id: other, token, ..begin() };
    let answer = station.tell(other).await;
    assert_eq!(answer.token.map(|token| token.authorization), Some(Authorization::Accepted));
    assert_eq!(answer.limit, TransactionLimit::default(), "that payment has none");
}

fn told_of(status: &str, amount_minor: i64) -> StationMessage {
    let payment = TerminalPayment {
        status: status.to_owned(),
        amount: Decimal::new(amount_minor, 2),
        at: at("2026-11-22T11:31:00Z"),
        reference: PAYMENT.to_owned(),
        receipt_id: None,
        receipt_url: None,
    };
    StationMessage::Notice(Notice {
        transaction_id: Some(TransactionName::parse("tx-1").unwrap()),
        content: NoticeContent::Payment(payment),
        ..Notice::about(NoticeSubject::NotifySettlement)
    })
}

/// The payments that sessions have, and what the exchanges of the log repeat.
async fn payments(service: &Service) -> (usize, Vec<Option<EventId>>) {
    let mut repeats = Vec::new();
    let mut payments = 0;
    for event in service.facts(Some).await {
        match event {
            Event::ExchangeRecorded(exchange) => repeats.push(exchange.duplicate_of),
            Event::SessionPaymentSettled(_) => payments += 1,
            _ => {}
        }
    }
    (payments, repeats)
}

#[tokio::test]
async fn a_payment_told_before_its_transaction_is_taken_in_when_that_begins() {
    for between in ["nothing", "a restart", "a month"] {
        let mut service = Service::start().await;
        let mut station = service.station("CP-1").await;
        station.say(told_of("Settled", 595)).await;
        let first = service.events().await.iter().rfind(|it| is_exchange(it)).map(|it| it.id);
        match between {
            "a restart" => {
                service = service.restart().await;
                station = service.station("CP-1").await;
            }
            "a month" => service.pass(10 * 24 * 60 * 60),
            _ => {}
        }
        station.say(told_of("Settled", 595)).await;
        assert_eq!(payments(&service).await.0, 0, "after {between}");
        station.tell(begin()).await;
        station.say(told_of("Settled", 595)).await;
        station.tell(end()).await;
        becomes(&service, Outcome::ChargedElsewhere, "paid_directly").await;
        service.settled_bill(0).await;
        let first = first.map(EventId);
        let repeats = vec![None, first, None, first, None];
        assert_eq!(payments(&service).await, (1, repeats), "after {between}");
        assert_eq!(anomalies(&service).await, []);
        // Another transaction that is given the same id is another one's to pay.
        let again = TransactionReport { at: at("2026-11-22T11:50:00Z"), ..begin() };
        station.tell(again).await;
        assert_eq!(payments(&service).await.0, 1, "after {between}");
    }
}

fn is_exchange(event: &RecordedEvent) -> bool {
    &*event.event_type == "exchange.recorded"
}

#[tokio::test]
async fn what_is_paid_directly_is_held_against_the_rating() {
    for (paid_minor, told_first) in
        [(595, true), (595, false), (594, true), (594, false), (10_000, false)]
    {
        let service = Service::start().await;
        let mut station = service.station("CP-1").await;
        if told_first {
            station.say(told_of("Settled", paid_minor)).await;
        }
        station.tell(begin()).await;
        station.tell(end()).await;
        if !told_first {
            station.say(told_of("Settled", paid_minor)).await;
        }
        becomes(&service, Outcome::ChargedElsewhere, "paid_directly").await;
        service.settled_bill(0).await;
        let paid = Decimal::new(paid_minor, 2);
        let differs = (Anomaly::PaymentDiffers, format!("paid were {paid}, rated are 5.95 EUR"));
        let expected: Vec<_> = (paid_minor != 595).then_some(differs).into_iter().collect();
        assert_eq!(anomalies(&service).await, expected, "{paid_minor}, first: {told_first}");
    }
}

/// The end comes in two parts: a reading that raises the sum is told after all was settled.
#[tokio::test]
async fn a_payment_is_held_against_the_corrected_rating_too() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    station.tell(begin()).await;
    let end = ended(1, "11:30:00").reading(6_000, "Sample.Periodic");
    station.tell(TransactionReport { is_priced_on_the_way: true, ..end }).await;
    // 5 kWh at 0.40 plus 1.00 flat, 19 % VAT.
    station.say(told_of("Settled", 357)).await;
    becomes(&service, Outcome::ChargedElsewhere, "paid_directly").await;
    service.settled_bill(0).await;
    assert_eq!(anomalies(&service).await, []);
    let late = updated(1, "11:30:00").reading(11_000, "Transaction.End");
    station.tell(TransactionReport { is_priced_on_the_way: true, ..late }).await;
    service.settled_bill(0).await;
    let differs = (Anomaly::PaymentDiffers, "paid were 3.57, rated are 5.95 EUR".to_owned());
    assert_eq!(anomalies(&service).await, [differs]);
}

/// What is told again of the id's first use is not of its second.
#[tokio::test]
async fn a_payment_settles_one_session_of_those_that_have_its_transactions_id() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    station.tell(begin()).await;
    station.tell(end()).await;
    station.say(told_of("Settled", 595)).await;
    becomes(&service, Outcome::ChargedElsewhere, "paid_directly").await;
    // The station forgets, and begins to count anew.
    let again = |report: TransactionReport, clock: &str| TransactionReport {
        at: at(&format!("2026-11-22T11:{clock}:00Z")),
        ..report
    };
    station.tell(again(begin(), "40")).await;
    station.say(told_of("Settled", 595)).await;
    // Of a time at which the first one only had begun, however late it is told.
    station.say(told_of("Settled", 594)).await;
    let end = ended(1, "11:50:00").reading(21_000, "Transaction.End");
    station.tell(TransactionReport { is_priced_on_the_way: true, ..end }).await;
    service.settled_bill(0).await;
    service.pass(61);
    let outcomes = service.outcomes(2).await;
    let mut outcomes: Vec<_> = outcomes.iter().map(|last| last.outcome).collect();
    outcomes.sort_by_key(|outcome| format!("{outcome:?}"));
    assert_eq!(outcomes, [Outcome::ChargedElsewhere, Outcome::NeedsReview]);
    let told = service.events().await;
    let streams: Vec<_> = told
        .iter()
        .filter(|event| &*event.event_type == "session.payment_settled")
        .map(|event| event.stream.clone())
        .collect();
    assert_eq!(streams.len(), 2);
    assert_eq!(streams[0], streams[1], "both are the first session's");
    let repeats = payments(&service).await.1;
    let known: Vec<_> = repeats.iter().flatten().collect();
    assert_eq!(known.len(), 1, "{repeats:?}");
}

/// The difference that holds is that of the settlement that holds.
#[tokio::test]
async fn a_later_settlement_is_held_against_the_rating_anew() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    station.tell(begin()).await;
    station.tell(end()).await;
    let mut noted = Vec::new();
    for (minute, paid_minor, differs) in [
        (31, 595, None),
        (32, 700, Some("paid were 7.00, rated are 5.95 EUR")),
        (33, 800, Some("paid were 8.00, rated are 5.95 EUR")),
        (34, 595, None),
    ] {
        let StationMessage::Notice(mut notice) = told("Settled", minute) else { panic!("other") };
        if let NoticeContent::Payment(payment) = &mut notice.content {
            payment.amount = Decimal::new(paid_minor, 2);
        }
        station.say(StationMessage::Notice(notice)).await;
        service.settled_bill(0).await;
        becomes(&service, Outcome::ChargedElsewhere, "paid_directly").await;
        noted.extend(differs.map(|detail| (Anomaly::PaymentDiffers, detail.to_owned())));
        assert_eq!(anomalies(&service).await, noted, "{paid_minor}");
        assert_eq!(is_in_doubt(&service).await, differs.is_some(), "{paid_minor}");
    }
}

/// Whether the amount that was paid counts as differing, by all that the log says.
async fn is_in_doubt(service: &Service) -> bool {
    let mut session = chargebook_domain::session::Session::default();
    let events = service.events().await;
    for event in events.iter().filter(|event| event.stream.category() == "session") {
        let read = Event::read(&event.event_type, event.schema_version, event.data.as_str());
        let recorded_at = chargebook_domain::units::Timestamp::new(event.recorded_at);
        session.apply(EventId(event.id), event.version, recorded_at, &read.unwrap());
    }
    session.anomalies().any(|noted| noted == Anomaly::PaymentDiffers)
}

/// Money that was taken is not forgotten for a later word about the same payment, though more of
/// them wait than a station keeps at hand.
#[tokio::test]
async fn a_settlement_that_gave_way_counts_beside_a_later_word_of_its_transaction() {
    for (minute, gave_way, outcome, reason) in [
        (30, false, Outcome::ChargedElsewhere, "paid_directly"),
        (30, true, Outcome::ChargedElsewhere, "paid_directly"),
        (32, false, Outcome::NeedsReview, "payment_failed"),
        (32, true, Outcome::NeedsReview, "payment_failed"),
    ] {
        let mut service = Service::start().await;
        let mut station = service.station("CP-1").await;
        station.say(told("Settled", 31)).await;
        for number in 0..if gave_way { 16 } else { 0 } {
            let StationMessage::Notice(notice) = told("Settled", 31) else { panic!("a notice") };
            let name = TransactionName::parse(&format!("other-{number}")).unwrap();
            let notice = Notice { transaction_id: Some(name), ..notice };
            station.say(StationMessage::Notice(notice)).await;
        }
        service = service.restart().await;
        station = service.station("CP-1").await;
        station.say(told("Failed", minute)).await;
        station.tell(begin()).await;
        station.tell(end()).await;
        becomes(&service, outcome, reason).await;
        assert_eq!(payments(&service).await.0, 2, "{minute}, gave way: {gave_way}");
        service.settled_bill(0).await;
    }
}

/// More of them wait than a station keeps at hand: none is lost, and each is known again.
#[tokio::test]
async fn of_many_payments_told_before_their_transactions_each_finds_its_own() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let told = |number: usize| {
        let StationMessage::Notice(notice) = told_of("Settled", 595) else { panic!("a notice") };
        let name = TransactionName::parse(&format!("tx-{number}")).unwrap();
        StationMessage::Notice(Notice { transaction_id: Some(name), ..notice })
    };
    for number in 0..19 {
        station.say(told(number)).await;
    }
    station.say(told(0)).await;
    // One that a person dismissed belongs to nobody, though it had given way.
    let exchanges = service.facts(|event| match event {
        Event::StationPaymentTold(told) => Some(told.exchange),
        _ => None,
    });
    let note = DecisionNote { reason: "paid in cash".to_owned(), decided_by: "Ada".to_owned() };
    service.chargebook.dismiss_orphan("CP-1", exchanges.await[2], &note).await.unwrap();
    station.tell(begin().named("tx-2")).await;
    assert_eq!(payments(&service).await.0, 0);
    let mut expected = 0;
    for number in [18, 0, 1, 9] {
        // A transaction that has it taken in makes room, and changes nothing for the others.
        station.tell(begin().named(&format!("tx-{number}"))).await;
        expected += 1;
        assert_eq!(payments(&service).await.0, expected, "tx-{number}");
    }
    let resolved = service.facts(|event| match event {
        Event::StationOrphanResolved(fact) => Some(fact.session_id.is_some()),
        _ => None,
    });
    assert_eq!(resolved.await, [false, true, true], "of those that had not given way");
}
