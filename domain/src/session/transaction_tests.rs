//! What 2.x transactions come to, in whatever order their messages come.

use super::{
    Basis, DIRECT_PAYMENT, Doubt, Session, Settlement, SettlementRules, changes_the_bill,
    rate_settled, settle,
};
use crate::events::Event;
use crate::events::v1::{
    Anomaly, Authorization, ClockTrust, Evidence, MeterReading, MeterSample, Quantity,
    SessionConnectorStatus, SessionDeliveryTold, SessionMeterRecorded, SessionOpened,
    SessionPaymentSettled, SessionRated, SessionSettled, SessionSuperseded, SessionTokenPresented,
    SessionTransactionReported, SettledBecause, TariffReference, TerminalPayment,
    TransactionEventKind as Kind,
};
use crate::ids::{
    AccountId, ConnectorNumber, EventId, EvseNumber, SessionId, StationId, StationIdentity,
    TariffId, TokenId, TransactionName,
};
use crate::invoice::InvoiceFigures;
use crate::rating::{RULES_VERSION, Rating};
use crate::sealed::SealedText;
use crate::tariff::Tariff;
use crate::units::{Timestamp, WattHours};
use chrono::TimeDelta;
use proptest::prelude::*;
use rust_decimal::Decimal;
use std::slice;
use uuid::Uuid;

const TARIFF: &str = r#"{"currency":"EUR","elements":[
    {"price_components":[{"type":"FLAT","price":0.50,"vat":19},
        {"type":"ENERGY","price":0.50,"vat":19},
        {"type":"TIME","price":1.20,"vat":19,"step_size":60},
        {"type":"PARKING_TIME","price":6,"vat":19,"step_size":60}]}]}"#;

fn at(clock: &str) -> Timestamp {
    serde_json::from_value(format!("2026-11-22T{clock}:00Z").into()).unwrap()
}

fn exchange(sequence: u32) -> EventId {
    EventId(Uuid::from_u128(100 + u128::from(sequence)))
}

fn opened() -> Event {
    SessionOpened {
        session_id: SessionId(Uuid::from_u128(1)),
        station_id: StationId(Uuid::from_u128(2)),
        station: StationIdentity::parse("CP-1").unwrap(),
        transaction_id: TransactionName::parse("tx-1").unwrap(),
        occurrence: 0,
        site_id: None,
        time_zone: "UTC".to_owned(),
        received_at: at("12:00"),
        exchange: exchange(0),
    }
    .into()
}

fn report(kind: Kind, sequence: u32, clock: &str, state: Option<&str>) -> Event {
    let ended = kind == Kind::Ended;
    SessionTransactionReported {
        kind,
        sequence,
        at: at(clock),
        received_at: at(clock),
        clock: ClockTrust::Plausible,
        trigger: "ChargingStateChanged".to_owned(),
        is_offline: false,
        evse: Some(EvseNumber(1)),
        connector: Some(ConnectorNumber(1)),
        charging_state: state.map(str::to_owned),
        stopped_reason: ended.then(|| "EVDisconnected".to_owned()),
        reservation_id: None,
        remote_start_id: None,
        phases: None,
        time_spent_charging_seconds: None,
        samples: Vec::new(),
        limit: None,
        cost: None,
        cost_limit_answered: None,
        follows: None,
        exchange: exchange(sequence),
    }
    .into()
}

fn token(sequence: u32, clock: &str, authorization: Authorization) -> Event {
    let accepted = authorization == Authorization::Accepted;
    let number = u128::from(sequence);
    SessionTokenPresented {
        sequence,
        at: at(clock),
        id_tag: Some(SealedText::plain("TAG")),
        kind: Some("ISO14443".to_owned()),
        token_id: accepted.then(|| TokenId(Uuid::from_u128(3 + number))),
        account_id: accepted.then(|| AccountId(Uuid::from_u128(40 + number))),
        authorization,
        ends: false,
        exchange: exchange(sequence),
    }
    .into()
}

/// A token that was let end it.
fn ending(sequence: u32, clock: &str) -> Event {
    match token(sequence, clock, Authorization::Accepted) {
        Event::SessionTokenPresented(fact) => SessionTokenPresented { ends: true, ..*fact }.into(),
        other => other,
    }
}

fn register(sequence: u32, clock: &str, register_wh: i64, context: &str) -> Event {
    let sample = MeterSample {
        sampled_at: at(clock),
        quantity: Quantity::EnergyImportRegisterWh,
        value: Decimal::from(register_wh),
        context: context.to_owned(),
        phase: None,
        evidence: Evidence {
            event_id: exchange(sequence),
            pointer: "/3/meterValue/0/sampledValue/0/value".to_owned(),
            raw: register_wh.to_string(),
        },
    };
    SessionMeterRecorded { samples: vec![sample], exchange: exchange(sequence) }.into()
}

fn connector(clock: &str, status: &str) -> Event {
    SessionConnectorStatus {
        evse: Some(EvseNumber(1)),
        connector: ConnectorNumber(1),
        status: status.to_owned(),
        error_code: None,
        at: at(clock),
        received_at: at(clock),
        exchange: exchange(50),
    }
    .into()
}

/// Plugged in, then let, charging, full, gone.
fn story() -> Vec<Event> {
    use Kind::{Ended, Started, Updated};
    vec![
        opened(),
        report(Started, 0, "12:00", Some("EVConnected")),
        register(0, "12:00", 1_000, "Transaction.Begin"),
        report(Updated, 1, "12:05", None),
        token(1, "12:05", Authorization::Accepted),
        report(Updated, 2, "12:06", Some("Charging")),
        report(Updated, 3, "12:30", None),
        register(3, "12:30", 6_000, "Sample.Periodic"),
        report(Updated, 4, "12:40", Some("SuspendedEV")),
        report(Ended, 5, "13:00", Some("Idle")),
        register(5, "13:00", 9_000, "Transaction.End"),
    ]
}

fn session(facts: &[Event]) -> Session {
    let mut session = Session::default();
    for (version, fact) in (0..).zip(facts) {
        let id = EventId(Uuid::from_u128(1000 + u128::from(version)));
        session.apply(id, version, at("13:00"), fact);
    }
    session
}

/// The story without the facts at these places, and with these after it.
fn changed(without: &[usize], with: &[Event]) -> Vec<Event> {
    let kept = story().into_iter().enumerate().filter(|(place, _)| !without.contains(place));
    kept.map(|(_, fact)| fact).chain(with.iter().cloned()).collect()
}

#[track_caller]
fn check(facts: &[Event], expected: Result<(i64, &[Anomaly]), Doubt>) {
    let basis = Basis::of(&session(facts)).map(|basis| (basis.energy_wh, basis.anomalies));
    let expected =
        expected.map(|(energy, anomalies)| (WattHours::from_whole(energy), anomalies.to_vec()));
    assert_eq!(basis, expected, "{facts:#?}");
}

#[test]
fn what_the_bill_rests_on() {
    check(&story(), Ok((8_000, &[])));
    check(&changed(&[1], &[]), Err(Doubt::StartMissing));
    check(&changed(&[9], &[]), Err(Doubt::StopMissing));
    // A message of the middle is lost: how much was drawn the two ends tell, if both were read.
    for gap in [3, 5, 6, 8] {
        check(&changed(&[gap], &[]), Ok((8_000, &[Anomaly::MessagesMissing])));
        for end in [2, 10] {
            check(&changed(&[gap, end], &[]), Err(Doubt::MessagesMissing));
        }
    }
    // A value that did not come is no 0: the nearest reading stands for it.
    check(&changed(&[2], &[]), Ok((3_000, &[Anomaly::StartMissing])));
    check(&changed(&[10], &[]), Ok((5_000, &[Anomaly::EndMissing])));
    check(&changed(&[7, 10], &[]), Err(Doubt::RegisterMissing));
    check(&changed(&[2, 7], &[]), Err(Doubt::RegisterMissing));
    check(&changed(&[2, 7, 10], &[]), Err(Doubt::RegisterMissing));
    // Nor is a 0 that no charger could have risen from.
    let zero = register(0, "12:00", 0, "Transaction.Begin");
    check(&changed(&[2], std::slice::from_ref(&zero)), Ok((9_000, &[])));
    let high = [zero, register(3, "12:01", 910_000, "Sample.Periodic")];
    let end = register(5, "13:00", 910_083, "Transaction.End");
    check(&changed(&[2, 7, 10], &[&high[..], &[end]].concat()), Err(Doubt::EnergyImplausible));
    // Nothing flowed: one reading is enough, and none is no riddle.
    let idle = report(Kind::Updated, 2, "12:06", Some("SuspendedEVSE"));
    check(&changed(&[5, 7, 10], std::slice::from_ref(&idle)), Ok((0, &[])));
    check(&changed(&[2, 5, 7, 10], &[idle]), Err(Doubt::NothingMetered));
    // Never ended, and only its begin was read: the next one's begin tells how much was drawn.
    let next = |register_wh: i64| -> Event {
        let sample = MeterReading {
            register_wh: WattHours::from_whole(register_wh),
            evidence: Evidence {
                event_id: exchange(90),
                pointer: "/3/meterValue/0/sampledValue/0/value".to_owned(),
                raw: register_wh.to_string(),
            },
        };
        SessionSuperseded {
            by: SessionId(Uuid::from_u128(99)),
            at: at("13:30"),
            register: sample,
            start: None,
            is_refused: false,
        }
        .into()
    };
    let no_end = [7, 8, 9, 10];
    check(&changed(&no_end, &[next(11_000)]), Ok((10_000, &[Anomaly::StopMissing])));
    check(&changed(&no_end, &[next(1_000)]), Ok((0, &[Anomaly::StopMissing])));
    check(&changed(&no_end, &[next(9_001_000)]), Err(Doubt::EnergyImplausible));
    let free = connector("13:20", "Available");
    check(&changed(&no_end, slice::from_ref(&free)), Err(Doubt::RegisterMissing));
    check(&changed(&[5, 7, 8, 9, 10], &[free]), Ok((0, &[Anomaly::StopMissing])));
    check(&changed(&no_end, &[]), Err(Doubt::StopMissing));
    // Two ends contradict each other.
    let end = report(Kind::Ended, 6, "13:10", None);
    check(&changed(&[], &[end]), Err(Doubt::StopContradicted));
    // A station that does not begin to count at 0.
    let late = [report(Kind::Started, 3, "12:00", None), report(Kind::Ended, 4, "13:00", None)];
    check(&changed(&[1, 3, 5, 6, 8, 9], &late), Ok((8_000, &[])));
}

/// What single phases have counted is a part of the whole and never stands for it.
#[test]
fn single_phases_bill_nothing() {
    let with_phases = |is_whole_told: bool| -> Vec<Event> {
        let of_phases = |fact: Event| match fact {
            Event::SessionMeterRecorded(mut fact) => {
                let whole = fact.samples.remove(0);
                let phases = [("L1", 3), ("L2", 2), ("L3", 1)].map(|(phase, part)| MeterSample {
                    phase: Some(phase.to_owned()),
                    value: whole.value * Decimal::from(part) / Decimal::from(6),
                    ..whole.clone()
                });
                let whole = is_whole_told.then_some(whole);
                SessionMeterRecorded { samples: whole.into_iter().chain(phases).collect(), ..*fact }
                    .into()
            }
            other => other,
        };
        story().into_iter().map(of_phases).collect()
    };
    check(&with_phases(true), Ok((8_000, &[])));
    check(&with_phases(false), Err(Doubt::RegisterMissing));
}

#[test]
fn who_pays() {
    let payer = |facts: &[Event]| {
        let session = session(facts);
        let started = session.started().expect("a start").clone();
        (started.authorization, started.account_id.map(|account| account.0.as_u128()))
    };
    use Authorization::{Accepted, Invalid};
    assert_eq!(payer(&story()), (Some(Accepted), Some(41)));
    assert_eq!(payer(&changed(&[4], &[])), (None, None));
    let refused_first = [token(0, "12:00", Invalid)];
    assert_eq!(payer(&changed(&[], &refused_first)), (Some(Accepted), Some(41)));
    assert_eq!(payer(&changed(&[4], &refused_first)), (Some(Invalid), None));
    let another_stops = ending(5, "13:00");
    assert_eq!(payer(&changed(&[], slice::from_ref(&another_stops))), (Some(Accepted), Some(41)));
    for refused in [token(0, "12:00", Invalid), token(4, "12:40", Invalid)] {
        let orders = [[refused.clone(), another_stops.clone()], [another_stops.clone(), refused]];
        for told in orders {
            assert_eq!(payer(&changed(&[4], &told)), (Some(Invalid), None), "whoever ends it");
        }
    }
    assert_eq!(payer(&changed(&[4], &[another_stops])), (Some(Accepted), Some(45)), "no other");
}

#[test]
fn when_the_bill_is_made() {
    let judge = |facts: &[Event], now: &str, occupancy_is_priced| {
        let rules = SettlementRules { settle_after: TimeDelta::hours(1), occupancy_is_priced };
        match settle(&session(facts), at(now), rules) {
            Settlement::Settled(settled) => format!("{:?}", settled.because),
            Settlement::Review(review) => review.reason.to_owned(),
            Settlement::Void { reason } | Settlement::Free { reason } => reason.to_owned(),
            Settlement::NotYet { .. } => "not yet".to_owned(),
            Settlement::Unchanged => "unchanged".to_owned(),
            Settlement::ChargedElsewhere { .. } => "elsewhere".to_owned(),
        }
    };
    assert_eq!(judge(&story(), "13:00", true), "Complete", "it left when it ended");
    let stays = |with: &[Event]| {
        let mut end = story().remove(9);
        if let Event::SessionTransactionReported(fact) = &mut end {
            (fact.stopped_reason, fact.charging_state) = (Some("Local".to_owned()), None);
        }
        changed(&[9], &[&[end], with].concat())
    };
    assert_eq!(judge(&stays(&[]), "13:01", false), "Complete");
    assert_eq!(judge(&stays(&[]), "13:01", true), "not yet");
    assert_eq!(judge(&stays(&[]), "14:00", true), "Deadline");
    assert_eq!(judge(&stays(&[connector("13:20", "Available")]), "13:21", true), "Complete");
    for (without, overdue) in [
        (&[1][..], "start_missing"),
        (&[6], "Deadline"),
        (&[6, 10], "messages_missing"),
        (&[9], "stop_missing"),
    ] {
        let facts = changed(without, &[]);
        assert_eq!(judge(&facts, "13:30", false), "not yet", "{overdue}");
        assert_eq!(judge(&facts, "14:00", false), overdue);
    }
    // The station says that nothing more is to come; its end disproves what it said before.
    let told = |is_ongoing, has_messages| -> Event {
        SessionDeliveryTold { is_ongoing, has_messages, exchange: exchange(70) }.into()
    };
    for (is_ongoing, has_messages, becomes) in
        [(false, false, "Complete"), (false, true, "not yet"), (true, false, "not yet")]
    {
        let facts = changed(&[6], &[told(is_ongoing, has_messages)]);
        assert_eq!(judge(&facts, "13:01", false), becomes);
        let unread = changed(&[6, 10], &[told(is_ongoing, has_messages)]);
        assert_eq!(judge(&unread, "13:01", false), "not yet");
    }
    let mut disproven = changed(&[6], &[]);
    disproven.insert(6, told(false, false));
    assert_eq!(judge(&disproven, "13:01", false), "not yet");
    assert_eq!(judge(&changed(&[4], &[]), "13:01", false), "nobody_to_charge");
    let refused = [token(1, "12:05", Authorization::Blocked)];
    assert_eq!(judge(&changed(&[4], &refused), "13:01", false), "refused_yet_charged");
    let never_drew = |token: &[Event]| {
        changed(&[4, 5, 7, 10], &[&[report(Kind::Updated, 2, "12:06", None)], token].concat())
    };
    assert_eq!(judge(&never_drew(&[]), "13:01", false), "not_authorized");
    assert_eq!(judge(&never_drew(&refused), "13:01", false), "token_refused");
}

/// Money that was taken is never billed again, and never said to be free, void or in doubt.
#[test]
fn a_payment_that_was_taken_outdoes_every_doubt() {
    let outcome = |facts: &[Event]| {
        let rules =
            SettlementRules { settle_after: TimeDelta::hours(1), occupancy_is_priced: false };
        match settle(&session(facts), at("13:01"), rules) {
            Settlement::ChargedElsewhere { settlement } => (settlement == exchange(60)).to_string(),
            Settlement::Review(review) => review.reason.to_owned(),
            Settlement::Void { reason } => reason.to_owned(),
            other => format!("{other:?}"),
        }
    };
    let paid = |facts: Vec<Event>, status: &str, amount: i64| {
        let directly = facts.into_iter().map(|fact| match fact {
            Event::SessionTokenPresented(token) => SessionTokenPresented {
                kind: Some(DIRECT_PAYMENT.to_owned()),
                token_id: None,
                account_id: None,
                ..*token
            }
            .into(),
            other => other,
        });
        let payment = TerminalPayment {
            status: status.to_owned(),
            amount: Decimal::from(amount),
            at: at("13:00"),
            reference: SealedText::plain("PSP-1"),
            receipt_id: None,
            receipt_url: None,
        };
        let told = SessionPaymentSettled { payment, exchange: exchange(60) };
        directly.chain([told.into()]).collect::<Vec<_>>()
    };
    let no_end = || changed(&[7, 10], &[]);
    let idle = report(Kind::Updated, 2, "12:06", Some("SuspendedEVSE"));
    let never_ran = || changed(&[2, 5, 7, 10], slice::from_ref(&idle));
    assert_eq!(outcome(&paid(no_end(), "Failed", 5)), "register_missing");
    assert_eq!(outcome(&paid(no_end(), "Settled", 0)), "register_missing");
    assert_eq!(outcome(&paid(no_end(), "Settled", 5)), "true");
    assert_eq!(outcome(&paid(never_ran(), "Canceled", 0)), "never_ran");
    assert_eq!(outcome(&paid(never_ran(), "Settled", 5)), "true");
    assert_eq!(outcome(&changed(&[7, 10], &[])), "register_missing", "nobody paid for it directly");
}

fn bill(facts: &[Event]) -> InvoiceFigures {
    InvoiceFigures::of(&priced(&session(facts)).1).unwrap()
}

/// What a session is settled as, long after its last fact, and what that costs.
fn priced(session: &Session) -> (SessionSettled, Rating) {
    let rules = SettlementRules { settle_after: TimeDelta::hours(1), occupancy_is_priced: true };
    let Settlement::Settled(settled) = settle(session, at("23:00"), rules) else {
        panic!("not settled: {session:#?}")
    };
    let tariff = Tariff::parse(TARIFF).unwrap();
    let zone = chrono_tz::Europe::Berlin;
    let rating = rate_settled(RULES_VERSION, session, &settled, &tariff, zone).unwrap();
    (*settled, rating)
}

fn rated(rating: Rating) -> Event {
    let tariff = TariffReference {
        tariff_id: TariffId(Uuid::from_u128(8)),
        tariff: "T".to_owned(),
        version: 1,
        event_id: EventId(Uuid::from_u128(9)),
        content_sha256: String::new(),
    };
    let settled = EventId(Uuid::from_u128(10));
    SessionRated { tariff, time_zone: "UTC".to_owned(), rating, settled, corrects: None }.into()
}

/// Given a bill over a gap, when what was missing comes, then the bill is what it would have been
/// without a gap: another one where the time in the gap has a price, none where it has not.
#[test]
fn what_comes_late_into_a_billed_gap_corrects_the_bill() {
    for (gap, is_corrected) in [(3, false), (5, true), (6, true), (8, true)] {
        let mut facts = changed(&[gap], &[]);
        let (settled, rating) = priced(&session(&facts));
        let billed = (settled.because, settled.anomalies.as_slice());
        assert_eq!(billed, (SettledBecause::Deadline, &[Anomaly::MessagesMissing][..]), "{gap}");
        let figures = InvoiceFigures::of(&rating).unwrap();
        assert_eq!(figures != bill(&story()), is_corrected, "{gap}");

        let as_of_version = u64::try_from(facts.len()).unwrap() - 1;
        facts.push(SessionSettled { as_of_version, ..settled }.into());
        facts.push(rated(rating));
        facts.push(story().remove(gap));
        let session = session(&facts);
        let (settled, rating) = priced(&session);
        assert_eq!((settled.because, settled.anomalies.len()), (SettledBecause::LateFacts, 0));
        assert_eq!(changes_the_bill(&session, &settled, &rating), is_corrected, "{gap}");
        assert_eq!(InvoiceFigures::of(&rating).unwrap(), bill(&story()), "{gap}");
    }
}

#[track_caller]
fn check_bill(facts: &[Event], expected: &[(&str, &str)]) {
    let bill = bill(facts);
    let quantities: Vec<_> = bill
        .lines
        .iter()
        .map(|line| (line.dimension.to_string(), line.quantity.to_string()))
        .collect();
    let expected: Vec<_> =
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assert_eq!(quantities, expected, "{facts:#?}");
}

/// 8 kWh; 34 minutes of charging; parked from 12:40 on. Waiting to be let costs nothing.
#[test]
fn what_the_car_was_doing_is_what_is_charged() {
    let expected =
        [("FLAT", "1"), ("ENERGY", "8"), ("TIME", "0.566667"), ("PARKING_TIME", "0.333333")];
    check_bill(&story(), &expected);
}

/// From the last message before a gap to the next told state no time is charged, neither as
/// charging nor as parking: a change of the state may be what was lost. The energy is.
#[test]
fn what_the_car_did_in_a_gap_costs_no_time() {
    use Kind::{Ended, Started, Updated};
    let with = |middle: &[Event]| {
        let begin = [
            opened(),
            report(Started, 0, "12:00", Some("Charging")),
            register(0, "12:00", 1_000, "Transaction.Begin"),
            token(0, "12:00", Authorization::Accepted),
            report(Updated, 1, "12:10", Some("SuspendedEV")),
        ];
        let end = [
            report(Ended, 5, "15:00", Some("Idle")),
            register(5, "15:00", 11_000, "Transaction.End"),
        ];
        [&begin, middle, &end].concat()
    };
    let again = report(Updated, 2, "12:15", Some("Charging"));
    let read = report(Updated, 3, "12:30", None);
    let parked = report(Updated, 4, "14:50", Some("SuspendedEV"));
    let charged = |minutes: &'static str| [("FLAT", "1"), ("ENERGY", "10"), ("TIME", minutes)];
    let and_parked =
        |minutes, parked| [&charged(minutes)[..], &[("PARKING_TIME", parked)]].concat();
    // 10 minutes, and from 12:15 to 14:50.
    let whole = with(&[again.clone(), read.clone(), parked.clone()]);
    check_bill(&whole, &and_parked("2.75", "0.25"));
    // That it charged on from 12:15 is lost, and all that follows it but a reading.
    let only_read = with(slice::from_ref(&read));
    check_bill(&only_read, &charged("0.166667"));
    // A state that is told ends what is not known.
    check_bill(&with(&[read.clone(), parked]), &and_parked("0.166667", "0.166667"));
    // Up to the last message before the gap the state is known, though that does not name it.
    check_bill(&with(&[again, read]), &and_parked("0.416667", "0.083333"));
    // What comes late is not missing any more.
    let mut late = only_read;
    late.push(report(Updated, 2, "12:15", Some("Charging")));
    late.push(report(Updated, 4, "14:50", Some("SuspendedEV")));
    check_bill(&late, &and_parked("2.75", "0.25"));
}

proptest! {
    /// The law: any order and any repetition of a transaction's facts gives the same bill.
    #[test]
    fn any_order_and_repetition_gives_the_same_bill(
        order in Just((0..story().len()).collect::<Vec<_>>()).prop_shuffle(),
        repeats in prop::collection::vec(0..story().len(), 0..8),
        places in prop::collection::vec(any::<prop::sample::Index>(), 8),
    ) {
        let story = story();
        let expected = bill(&story);
        let mut facts: Vec<Event> = order.iter().map(|index| story[*index].clone()).collect();
        for (repeat, place) in repeats.iter().zip(&places) {
            facts.insert(place.index(facts.len() + 1), story[*repeat].clone());
        }
        prop_assert_eq!(bill(&facts), expected);
    }
}
