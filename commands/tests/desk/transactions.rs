//! What 2.x stations say of transactions, in any order, and what becomes of their sessions.

use crate::stories::{Break, pauses, service, settled_bill};
use crate::support::{Service, Station, TAG, at};
use chargebook_commands::message::{
    Answer, MeterReport, NO_AUTHORIZATION, PresentedToken, SampleReport, StationMessage,
    StatusReport, TransactionAnswer, TransactionEventKind, TransactionReport,
};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    Anomaly, Authorization, Evidence, InvoiceKind, MeterSample, Outcome, Quantity, SessionOpened,
    SessionOutcomeDecided, SettledBecause,
};
use chargebook_domain::ids::{ConnectorNumber, EventId, EvseNumber, TransactionName};
use chargebook_domain::units::Timestamp;
use chrono::TimeDelta;
use proptest::prelude::*;
use rust_decimal::Decimal;
use std::time::Duration;
use uuid::Uuid;

/// 10 kWh at 0.40 plus 1.00 flat, 19 % VAT.
pub(crate) const TEN_KWH_GROSS_MINOR: i64 = 595;

/// The same, and parking at 6.00 an hour.
pub(crate) const PARKING_TARIFF: &str = r#"{"id":"P","currency":"EUR","elements":[{"price_components":[
    {"type":"ENERGY","price":0.40,"vat":19,"step_size":1},
    {"type":"FLAT","price":1.00,"vat":19,"step_size":1},
    {"type":"PARKING_TIME","price":6.00,"vat":19,"step_size":1}]}]}"#;

fn report(kind: TransactionEventKind, sequence: u32, clock: &str) -> TransactionReport {
    TransactionReport {
        kind,
        transaction_id: TransactionName::parse("tx-1").unwrap(),
        sequence,
        at: at(&format!("2026-11-22T{clock}Z")),
        trigger: "ChargingStateChanged".to_owned(),
        is_offline: false,
        evse: Some(EvseNumber(1)),
        connector: Some(ConnectorNumber(1)),
        token: None,
        reservation_id: None,
        remote_start_id: None,
        charging_state: None,
        stopped_reason: None,
        phases: None,
        time_spent_charging_seconds: None,
        samples: Vec::new(),
        limit: None,
        cost: None,
        is_priced_on_the_way: false,
        keeps_no_credit: false,
    }
}

pub(crate) fn started(clock: &str) -> TransactionReport {
    report(TransactionEventKind::Started, 0, clock)
}

pub(crate) fn updated(sequence: u32, clock: &str) -> TransactionReport {
    report(TransactionEventKind::Updated, sequence, clock)
}

pub(crate) fn ended(sequence: u32, clock: &str) -> TransactionReport {
    let reason = Some("Local".to_owned());
    let report = report(TransactionEventKind::Ended, sequence, clock);
    TransactionReport { stopped_reason: reason, ..report }
}

pub(crate) fn token(uid: &str) -> Option<PresentedToken> {
    Some(PresentedToken { uid: uid.to_owned(), kind: Some("ISO14443".to_owned()) })
}

pub(crate) trait Telling {
    fn reading(self, register_wh: i64, context: &str) -> Self;
    fn while_in(self, charging_state: &str) -> Self;
    fn by(self, uid: &str) -> Self;
    fn named(self, transaction_id: &str) -> Self;
    fn at_evse(self, evse: u32) -> Self;
}

impl Telling for TransactionReport {
    fn reading(mut self, register_wh: i64, context: &str) -> Self {
        let sample = MeterSample {
            sampled_at: self.at,
            quantity: Quantity::EnergyImportRegisterWh,
            value: Decimal::from(register_wh),
            context: context.to_owned(),
            phase: None,
            evidence: Evidence {
                event_id: EventId(Uuid::nil()),
                pointer: "/3/meterValue/0/sampledValue/0/value".to_owned(),
                raw: register_wh.to_string(),
            },
        };
        self.samples.push(SampleReport { sample });
        self
    }

    fn while_in(mut self, charging_state: &str) -> Self {
        self.charging_state = Some(charging_state.to_owned());
        self
    }

    fn by(mut self, uid: &str) -> Self {
        self.token = token(uid);
        self
    }

    fn named(mut self, transaction_id: &str) -> Self {
        self.transaction_id = TransactionName::parse(transaction_id).unwrap();
        self
    }

    fn at_evse(mut self, evse: u32) -> Self {
        self.evse = Some(EvseNumber(evse));
        self
    }
}

impl Station {
    pub(crate) async fn tell(&mut self, report: TransactionReport) -> TransactionAnswer {
        match self.say(StationMessage::Transaction(Box::new(report))).await {
            Answer::Transaction(answer) => answer,
            other => panic!("{other:?}"),
        }
    }
}

/// Plugged in and let, 10 kWh, over.
fn session() -> [TransactionReport; 3] {
    [
        started("11:00:00").by(TAG).while_in("Charging").reading(1_000, "Transaction.Begin"),
        updated(1, "11:15:00").reading(5_000, "Sample.Periodic"),
        ended(2, "11:30:00").reading(11_000, "Transaction.End"),
    ]
}

async fn opened(service: &Service) -> Vec<SessionOpened> {
    service
        .facts(|event| match event {
            Event::SessionOpened(opened) => Some(*opened),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn a_session_is_billed_and_its_cost_answered() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let [start, update, end] = session();
    let answer = station.tell(start).await;
    let authorization = answer.token.map(|token| token.authorization);
    assert_eq!((authorization, answer.total_cost), (Some(Authorization::Accepted), None));
    let running = TransactionReport { is_priced_on_the_way: true, ..update.clone() };
    assert_eq!(station.tell(update).await, TransactionAnswer::default(), "not in 2.0.1");
    let running = station.tell(running).await;
    assert_eq!(running.total_cost, Some(Decimal::new(309, 2)), "4 kWh so far");
    let answer = station.tell(end.clone()).await;
    assert_eq!(answer.total_cost, Some(Decimal::new(TEN_KWH_GROSS_MINOR, 2)));
    service.settled_bill(TEN_KWH_GROSS_MINOR).await;
    let again = station.tell(end).await;
    assert_eq!(again.total_cost, answer.total_cost, "as billed");
    service.settled_bill(TEN_KWH_GROSS_MINOR).await;
}

#[tokio::test]
async fn a_reservation_is_used_once_and_not_by_a_refused_driver_whose_start_comes_late() {
    let naming = |report: TransactionReport, uid: &str| TransactionReport {
        reservation_id: Some(7),
        token: token(uid),
        ..report
    };
    let used = async |uid: &str| {
        let service = Service::start().await;
        let mut station = service.station("CP-1").await;
        station.tell(naming(updated(1, "10:05:00"), uid)).await;
        station.tell(naming(started("10:00:00"), uid)).await;
        station.tell(naming(ended(2, "10:30:00"), uid)).await;
        let used = service.facts(|event| match event {
            Event::ReservationUsed(fact) => Some(fact.reservation_id),
            _ => None,
        });
        used.await.len()
    };
    assert_eq!(used(TAG).await, 1);
    assert_eq!(used("NOBODY").await, 0);
}

#[tokio::test]
async fn what_costs_nothing_is_answered_as_free() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let refused = |clock| started(clock).by("STRANGER").reading(1_000, "Transaction.Begin");
    let answer = station.tell(refused("11:00:00")).await;
    assert_eq!(answer.token.map(|token| token.authorization), Some(Authorization::Invalid));
    let answer = station.tell(ended(1, "11:01:00").reading(1_000, "Transaction.End")).await;
    assert_eq!(answer.total_cost.map(|cost| cost.to_string()).as_deref(), Some("0.00"));
    let outcomes = service.outcomes(1).await;
    assert_eq!(outcomes[0].outcome, Outcome::Void);
    // Energy to nobody is not free: a person has to look.
    let nobody = |report: TransactionReport| report.named("tx-2");
    let mut token = nobody(started("11:10:00").reading(1_000, "Transaction.Begin"));
    let kind = Some(NO_AUTHORIZATION.to_owned());
    token.token = Some(PresentedToken { uid: String::new(), kind });
    let answer = station.tell(token).await;
    let said = answer.token.map(|token| token.authorization);
    assert_eq!(said, Some(Authorization::Accepted), "the station has let it in (C02.FR.02)");
    let answer = station.tell(nobody(ended(1, "11:20:00").reading(2_000, "Transaction.End"))).await;
    assert_eq!(answer.total_cost, None);
    let outcomes = service.outcomes(2).await;
    let reviewed = |outcome: &&SessionOutcomeDecided| outcome.outcome == Outcome::NeedsReview;
    let reviewed = outcomes.iter().find(reviewed).expect("one to review");
    assert_eq!(reviewed.reason.as_deref(), Some("nobody_to_charge"));
}

#[tokio::test]
async fn readings_of_an_evse_without_a_transaction_id_belong_to_its_session() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let [start, _, _] = session();
    station.tell(start).await;
    let by_the_clock = |clock: &str, register_wh| {
        let samples = updated(9, clock).reading(register_wh, "Sample.Clock").samples;
        StationMessage::Meter(MeterReport {
            evse: Some(EvseNumber(1)),
            connector: None,
            transaction_id: None,
            samples,
        })
    };
    station.say(by_the_clock("11:20:00", 4_000)).await;
    station.say(by_the_clock("10:20:00", 900)).await;
    station.say(by_the_clock("10:20:00", 900)).await;
    let of_session = |event: Event| match event {
        Event::SessionMeterRecorded(fact) => Some(fact.samples[0].value),
        _ => None,
    };
    assert_eq!(service.facts(of_session).await, [Decimal::from(4_000)]);
    let of_station = |event: Event| match event {
        Event::StationMeterRecorded(fact) => Some(fact.samples[0].value),
        _ => None,
    };
    assert_eq!(service.facts(of_station).await, [Decimal::from(900)], "once");
}

#[tokio::test]
async fn repeats_change_nothing_across_connections_and_restarts() {
    let mut service = Service::start().await;
    for _ in 0..2 {
        let mut station = service.station("CP-1").await;
        for report in session() {
            station.tell(report.clone()).await;
            station.tell(report).await;
        }
        service = service.restart().await;
    }
    service.settled_bill(TEN_KWH_GROSS_MINOR).await;
    assert_eq!(opened(&service).await.len(), 1);
    let repeats = service
        .facts(|event| match event {
            Event::ExchangeRecorded(exchange) => Some(exchange.duplicate_of.is_some()),
            _ => None,
        })
        .await;
    assert_eq!(repeats.iter().filter(|repeat| **repeat).count(), 9);
    assert_eq!(repeats.len(), 12);
}

#[tokio::test]
async fn an_end_before_its_start_waits_for_it() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let [start, update, end] = session();
    let answer = station.tell(end).await;
    assert_eq!(answer.total_cost, None, "what it costs is not known yet");
    let service = service.restart().await;
    let mut station = service.station("CP-1").await;
    station.tell(start).await;
    station.tell(update).await;
    service.settled_bill(TEN_KWH_GROSS_MINOR).await;
}

/// Both registers have come, and the start has not: what it costs in all is told where the time
/// costs nothing.
#[tokio::test]
async fn what_a_transaction_without_its_start_costs_is_told_where_that_is_sure() {
    for (tariff, expected) in [(None, Some(TEN_KWH_GROSS_MINOR)), (Some(PARKING_TARIFF), None)] {
        let service = Service::start().await;
        let registry = service.chargebook.registry();
        service.pass(1);
        if let Some(text) = tariff {
            registry.publish_tariff("P", text).await.unwrap();
            service.pass(1);
            registry.set_default_tariff("P").await.unwrap();
        }
        service.pass(60 * 60);
        let mut station = service.station("CP-1").await;
        let begin = updated(1, "12:30:00").by(TAG).while_in("Charging");
        station.tell(begin.reading(1_000, "Transaction.Begin")).await;
        let end = ended(2, "12:55:00").reading(11_000, "Transaction.End");
        let told = station.tell(end).await.total_cost;
        assert_eq!(told, expected.map(|minor| Decimal::new(minor, 2)), "{tariff:?}");
    }
}

#[tokio::test]
async fn a_gap_is_waited_for_and_then_billed_by_the_registers_of_both_ends() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let [start, update, end] = session();
    station.tell(start).await;
    let told = station.tell(end).await.total_cost;
    assert_eq!(told, Some(Decimal::new(TEN_KWH_GROSS_MINOR, 2)), "both registers are known");
    service.pass(61);
    service.settled_bill(TEN_KWH_GROSS_MINOR).await;
    station.tell(update).await;
    service.pass(61);
    service.settled_bill(TEN_KWH_GROSS_MINOR).await;
    let settled = service.facts(|event| match event {
        Event::SessionSettled(settled) => Some((settled.because, settled.anomalies)),
        _ => None,
    });
    let billed = (SettledBecause::Deadline, vec![Anomaly::MessagesMissing]);
    assert_eq!(settled.await, [billed], "what comes late says nothing else");
}

/// The lost message told that the car had stopped drawing: what was billed as charging was
/// parking. The first bill stays as it is; a credit note and another one correct it.
#[tokio::test]
async fn what_comes_late_into_a_billed_gap_corrects_the_bill_by_the_difference() {
    let mut service = Service::start().await;
    let registry = service.chargebook.registry();
    registry.publish_tariff("P", PARKING_TARIFF).await.unwrap();
    service.pass(1);
    service.chargebook.registry().set_default_tariff("P").await.unwrap();
    let at_noon = at("2026-11-22T12:00:00Z");
    let told = |report: TransactionReport, minute| TransactionReport {
        at: Timestamp::new(at_noon.utc() + TimeDelta::minutes(minute)),
        ..report
    };
    let begin = told(started("12:00:00").by(TAG).while_in("Charging"), 1);
    let full = told(updated(1, "12:00:00").while_in("SuspendedEV"), 11);
    let end = told(ended(2, "12:00:00").while_in("Idle"), 21);
    service.pass(25 * 60);
    let mut station = service.station("CP-1").await;
    station.tell(begin.reading(1_000, "Transaction.Begin")).await;
    station.tell(end.clone().reading(11_000, "Transaction.End")).await;
    service.pass(61);
    service.settled_bill(TEN_KWH_GROSS_MINOR).await;

    service = service.restart().await;
    let mut station = service.station("CP-1").await;
    station.tell(full.clone()).await;
    // 10 minutes at 6.00 an hour, 19 % VAT.
    let corrected = TEN_KWH_GROSS_MINOR + 119;
    service.settled_bill(corrected).await;
    station.tell(full).await;
    service.pass(61);
    service.settled_bill(corrected).await;

    let settled = service.facts(|event| match event {
        Event::SessionSettled(settled) => Some((settled.because, settled.anomalies)),
        _ => None,
    });
    let billed = (SettledBecause::Deadline, vec![Anomaly::MessagesMissing]);
    assert_eq!(settled.await, [billed, (SettledBecause::LateFacts, Vec::new())]);
    let issued = service.facts(|event| match event {
        Event::InvoiceIssued(invoice) => Some((invoice.kind, invoice.total_gross_minor)),
        _ => None,
    });
    let first = (InvoiceKind::Invoice, TEN_KWH_GROSS_MINOR);
    let credited = (InvoiceKind::CreditNote, -TEN_KWH_GROSS_MINOR);
    assert_eq!(issued.await, [first, credited, (InvoiceKind::Invoice, corrected)]);
}

#[tokio::test]
async fn a_gap_between_ends_that_were_not_read_is_reviewed() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let [start, update, mut end] = session();
    let update = update.reading(11_000, "Sample.Periodic");
    end.samples.clear();
    station.tell(start).await;
    assert_eq!(station.tell(end).await.total_cost, None);
    service.pass(61);
    let outcomes = service.outcomes(1).await;
    assert_eq!(outcomes[0].reason.as_deref(), Some("messages_missing"));
    station.tell(update).await;
    service.settled_bill(TEN_KWH_GROSS_MINOR).await;
}

#[tokio::test]
async fn a_begin_that_did_not_come_is_not_zero() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let [mut start, update, end] = session();
    start.samples.clear();
    for report in [start, update, end] {
        station.tell(report).await;
    }
    // 6 kWh at 0.40 plus 1.00 flat, 19 % VAT.
    service.settled_bill(405).await;
    let settled = service
        .facts(|event| match event {
            Event::SessionSettled(settled) => Some(settled.anomalies),
            _ => None,
        })
        .await;
    assert_eq!(settled, [[Anomaly::StartMissing]]);
}

#[tokio::test]
async fn an_id_that_is_used_again_names_another_session() {
    let mut service = Service::start().await;
    for (hour, begin_wh) in [("08", 0), ("09", 10_000)] {
        let mut station = service.station("CP-1").await;
        let clock = |minutes: u32| format!("{hour}:{minutes:02}:00");
        let told = [
            started(&clock(0)).by(TAG).while_in("Charging").reading(begin_wh, "Transaction.Begin"),
            updated(1, &clock(10)),
            ended(2, &clock(30)).reading(begin_wh + 10_000, "Transaction.End"),
        ];
        for report in told {
            station.tell(report.clone()).await;
            station.tell(report).await;
        }
        service = service.restart().await;
    }
    service.settled_bill(2 * TEN_KWH_GROSS_MINOR).await;
    let occurrences: Vec<_> = opened(&service).await.iter().map(|o| o.occurrence).collect();
    assert_eq!(occurrences, [0, 1]);
    // What comes late of the first one is known there.
    let mut station = service.station("CP-1").await;
    station.tell(updated(1, "08:10:00")).await;
    assert_eq!(opened(&service).await.len(), 2);
    service.settled_bill(2 * TEN_KWH_GROSS_MINOR).await;
}

/// A station that lost its memory never ends what it had begun: the next transaction at the
/// EVSE shows where the register stood.
#[tokio::test]
async fn a_transaction_that_never_ends_is_ended_by_the_next_one() {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let [start, update, _] = session();
    station.tell(start).await;
    station.tell(update).await;
    let other = |report: TransactionReport| report.named("tx-2").by(TAG);
    let elsewhere = other(started("11:20:00")).reading(99_000, "Transaction.Begin");
    station.tell(elsewhere.named("tx-9").at_evse(2)).await;
    let next = started("11:40:00").while_in("Charging").reading(11_000, "Transaction.Begin");
    station.tell(other(next)).await;
    service.pass(61);
    service.settled_bill(TEN_KWH_GROSS_MINOR).await;
}

fn status(evse: u32, connector: u32, status: &str, clock: &str) -> StationMessage {
    StationMessage::Status(StatusReport {
        evse: Some(EvseNumber(evse)),
        connector: ConnectorNumber(connector),
        status: status.to_owned(),
        error_code: None,
        vendor_error_code: None,
        at: Some(at(&format!("2026-11-22T{clock}Z"))),
    })
}

/// The other plug of an EVSE, and the same plug of another one, say nothing of the session's.
#[tokio::test]
async fn a_session_is_at_its_own_connector() {
    let service = service().await;
    let mut station = service.station("CP-1").await;
    for index in 0..TOLD {
        station.say(word(index)).await;
    }
    station.say(status(1, 2, "Available", "13:23:00")).await;
    station.say(status(2, 1, "Available", "13:23:00")).await;
    station.say(word(TOLD)).await;
    service.pass(120);
    assert_eq!(settled_bill(&service).await, BILL_MINOR);
}

/// What the story costs: the day's fee of 0.50, 6 kWh at 0.50 by day and 4 kWh at 0.30 by night,
/// 80 s of charging by day at 1.20 an hour (2 minutes begun) and 30 s and 90 s of parking at
/// 6.00 an hour; 19 % VAT.
const BILL_MINOR: i64 = 588;
/// Messages of the story.
const WORDS: usize = 9;
/// The last of them: the connector is free.
const TOLD: usize = 8;

/// The car waits to be let, stops for a while, and stays after the end.
fn word(index: usize) -> StationMessage {
    let told = match index {
        0 => started("13:20:00").while_in("EVConnected").reading(1_000, "Transaction.Begin"),
        1 => updated(1, "13:20:10").by(TAG).while_in("Charging"),
        2 => updated(2, "13:20:40").reading(4_000, "Sample.Periodic"),
        3 => updated(3, "13:21:10").while_in("SuspendedEV").reading(5_000, "Sample.Periodic"),
        4 => updated(4, "13:21:40").while_in("Charging"),
        5 => updated(5, "13:22:00").reading(7_000, "Sample.Clock"),
        6 => ended(6, "13:22:30").while_in("EVConnected").reading(11_000, "Transaction.End"),
        7 => return status(1, 1, "Occupied", "13:20:00"),
        _ => return status(1, 1, "Available", "13:24:00"),
    };
    StationMessage::Transaction(Box::new(told))
}

async fn told(order: &[(usize, Break)]) -> (Service, i64) {
    let mut service = service().await;
    let mut station: Station = service.station("CP-1").await;
    for (index, pause) in order {
        match pause {
            Break::None => {}
            Break::Reconnect => station = service.station("CP-1").await,
            Break::Restart => {
                service = service.restart().await;
                station = service.station("CP-1").await;
            }
            Break::Settle => tokio::time::sleep(Duration::from_millis(5)).await,
        }
        station.say(word(*index)).await;
    }
    service.pass(120);
    let bill = settled_bill(&service).await;
    (service, bill)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    })]

    /// The law, at the desk: one transaction, one session, one bill, however it is told.
    #[test]
    fn however_it_is_told_the_bill_is_the_same(
        order in Just((0..WORDS).collect::<Vec<_>>()).prop_shuffle(),
        repeats in prop::collection::vec(0..WORDS, 0..6),
        places in prop::collection::vec(any::<prop::sample::Index>(), 6),
        breaks in prop::collection::vec(pauses(), WORDS + 6),
    ) {
        let mut order = order;
        for (repeat, place) in repeats.iter().zip(&places) {
            order.insert(place.index(order.len() + 1), *repeat);
        }
        let order: Vec<_> = order.into_iter().zip(breaks).collect();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let (service, bill) = told(&order).await;
            assert_eq!(bill, BILL_MINOR);
            assert_eq!(opened(&service).await.len(), 1);
        });
    }
}
