//! Given facts in any order, what follows.

use super::{Basis, Doubt, Session, Settlement, SettlementRules, rate_settled, settle};
use crate::events::Event;
use crate::events::v1::{
    Anomaly, Authorization, ClockTrust, Evidence, MeterReading, MeterSample, Quantity,
    RegisterBefore, SessionConnectorStatus, SessionMeterRecorded, SessionPreceded, SessionStarted,
    SessionStopped, SessionSuperseded, StopMatch,
};
use crate::ids::{
    AccountId, ConnectorNumber, EventId, SessionId, StationId, StationIdentity, TokenId,
    TransactionNumber,
};
use crate::invoice::InvoiceFigures;
use crate::rating::RULES_VERSION;
use crate::sealed::SealedText;
use crate::tariff::Tariff;
use crate::units::{Timestamp, WattHours};
use chrono::TimeDelta;
use proptest::prelude::*;
use rust_decimal::Decimal;
use uuid::Uuid;

/// Day and night, time, parking and a fee: everything that order could disturb.
const TARIFF: &str = r#"{"currency":"EUR","elements":[
    {"price_components":[{"type":"FLAT","price":0.35,"vat":19},
        {"type":"ENERGY","price":0.30,"vat":19}],
     "restrictions":{"start_time":"12:20","end_time":"06:00"}},
    {"price_components":[{"type":"FLAT","price":0.50,"vat":19},
        {"type":"ENERGY","price":0.50,"vat":19},
        {"type":"TIME","price":1.20,"vat":19,"step_size":60},
        {"type":"PARKING_TIME","price":6,"vat":19,"step_size":60}]}]}"#;

fn at(clock: &str) -> Timestamp {
    let text = match clock.len() {
        5 => format!("2026-11-22T{clock}:00Z"),
        _ => clock.to_owned(),
    };
    serde_json::from_value(text.into()).unwrap()
}

fn reading(register_wh: i64) -> MeterReading {
    let evidence = Evidence {
        event_id: EventId(Uuid::nil()),
        pointer: "/3".to_owned(),
        raw: register_wh.to_string(),
    };
    MeterReading { register_wh: WattHours::from_whole(register_wh), evidence }
}

fn started(clock: &str, register_wh: i64) -> SessionStarted {
    SessionStarted {
        session_id: SessionId(Uuid::from_u128(1)),
        station_id: StationId(Uuid::from_u128(2)),
        station: StationIdentity::parse("CP-1").unwrap(),
        connector: ConnectorNumber(1),
        transaction_id: TransactionNumber(7),
        site_id: None,
        time_zone: "UTC".to_owned(),
        id_tag: SealedText::plain("TAG"),
        token_id: Some(TokenId(Uuid::from_u128(3))),
        account_id: Some(AccountId(Uuid::from_u128(4))),
        authorization: Authorization::Accepted,
        meter_start: reading(register_wh),
        started_at: at(clock),
        received_at: at(clock),
        clock: ClockTrust::Plausible,
        reservation_id: None,
        register_before: None,
        follows: None,
        exchange: EventId(Uuid::from_u128(10)),
    }
}

fn stopped(clock: &str, register_wh: i64) -> SessionStopped {
    SessionStopped {
        meter_stop: reading(register_wh),
        stopped_at: at(clock),
        received_at: at(clock),
        clock: ClockTrust::Plausible,
        reason: None,
        id_tag: None,
        matched_by: StopMatch::TransactionId,
        exchange: EventId(Uuid::from_u128(11)),
    }
}

fn sampled(clock: &str, register_wh: i64, context: &str) -> SessionMeterRecorded {
    let sample = MeterSample {
        sampled_at: at(clock),
        quantity: Quantity::EnergyImportRegisterWh,
        value: Decimal::from(register_wh),
        context: context.to_owned(),
        phase: None,
        evidence: reading(register_wh).evidence,
    };
    SessionMeterRecorded { samples: vec![sample], exchange: EventId(Uuid::from_u128(12)) }
}

fn meter(clock: &str, register_wh: i64) -> SessionMeterRecorded {
    sampled(clock, register_wh, "Sample.Periodic")
}

fn status(clock: &str, status: &str) -> SessionConnectorStatus {
    SessionConnectorStatus {
        evse: None,
        connector: ConnectorNumber(1),
        status: status.to_owned(),
        error_code: Some("NoError".to_owned()),
        at: at(clock),
        received_at: at(clock),
        exchange: EventId(Uuid::from_u128(13)),
    }
}

fn superseded(clock: &str, register_wh: i64) -> SessionSuperseded {
    SessionSuperseded {
        by: SessionId(Uuid::from_u128(99)),
        at: at(clock),
        register: reading(register_wh),
        start: None,
        is_refused: false,
    }
}

fn session(facts: &[Event]) -> Session {
    let mut session = Session::default();
    for (version, fact) in (0..).zip(facts) {
        let id = EventId(Uuid::from_u128(1000 + u128::from(version)));
        session.apply(id, version, at("13:00"), fact);
    }
    session
}

/// The only place that judges: the energy and the doubt of these facts.
fn check(facts: &[Event], expected: Result<i64, Doubt>) {
    let basis = Basis::of(&session(facts)).map(|basis| basis.energy_wh);
    assert_eq!(basis, expected.map(WattHours::from_whole), "{facts:#?}");
}

#[test]
fn what_the_bill_rests_on() {
    let start = || Event::from(started("12:00", 1_000));
    let bogus_start = || Event::from(started("12:00", 0));
    let stop = |clock, register| Event::from(stopped(clock, register));
    let meter = |clock, register| Event::from(meter(clock, register));

    check(&[start(), stop("12:30", 11_000)], Ok(10_000));
    check(&[stop("12:30", 11_000)], Err(Doubt::StartMissing));
    check(&[start()], Err(Doubt::StopMissing));
    check(&[start(), meter("12:10", 5_000)], Err(Doubt::StopMissing));
    // Free again without a stop: what the last sample proves.
    let free = || Event::from(status("12:40", "Available"));
    check(&[start(), meter("12:10", 5_000), free()], Ok(4_000));
    check(&[start(), free()], Err(Doubt::StopMissing));
    // The next session's begin is this one's end.
    let next = || Event::from(superseded("12:50", 9_000));
    check(&[start(), meter("12:10", 5_000), next()], Ok(8_000));
    check(&[start(), next()], Ok(8_000));
    let basis = Basis::of(&session(&[start(), meter("12:10", 5_000), next()])).unwrap();
    let spans = (basis.ended_at, basis.released_at);
    assert_eq!(spans, (at("12:10"), Some(at("12:10"))), "nothing proves that it stayed");
    check(&[start(), stop("12:30", 8_500), next()], Ok(7_500));
    // It was over when the next one began at a lower register: its own registers prove it.
    check(&[start(), stop("12:30", 9_500), next()], Ok(8_500));
    check(&[start(), stop("12:55", 9_500), next()], Err(Doubt::RegistersOverlap));
    // By less than a rounded register loses.
    check(&[start(), stop("12:55", 9_100), next()], Ok(8_100));
    // The next one begins with the same register: after the stop, on a meter that counts anew.
    let anew = |clock| Event::from(superseded(clock, 1_000));
    check(&[start(), stop("12:30", 9_500), anew("12:50")], Ok(8_500));
    check(&[start(), stop("12:30", 9_500), anew("12:20")], Err(Doubt::RegistersOverlap));
    // A reading at once, and all that was drawn came after it.
    check(&[start(), meter("12:00", 1_000), next()], Ok(8_000));
    let at_once = Event::from(superseded("12:00", 9_000));
    check(&[start(), meter("12:00", 1_000), at_once], Err(Doubt::EnergyImplausible));
    // Who was refused, and has drawn energy all the same, ends it where no stop says more.
    let refused = |clock, register_wh| {
        Event::from(SessionSuperseded { is_refused: true, ..superseded(clock, register_wh) })
    };
    check(&[start(), refused("12:40", 6_000)], Ok(5_000));
    for facts in [[refused("12:40", 6_000), next()], [next(), refused("12:40", 6_000)]] {
        check(&[&[start()], &facts[..]].concat(), Ok(5_000));
        check(&[&[start()], &facts[..], &[stop("12:30", 8_500)]].concat(), Ok(7_500));
    }
    check(&[start(), refused("12:55", 9_500), next()], Ok(8_000));
    // The next one's start gives no register that counts.
    let untold = || Event::from(superseded("12:50", 0));
    check(&[start(), untold()], Err(Doubt::StopMissing));
    check(&[start(), meter("12:10", 5_000), untold()], Ok(4_000));
    // A meter that counts each session from 0: the next one's begin tells nothing.
    let from_zero = || Event::from(superseded("12:50", 0));
    check(&[bogus_start(), meter("12:10", 800), from_zero()], Ok(800));
    check(&[bogus_start(), from_zero()], Ok(0));
    check(&[bogus_start(), stop("12:30", 800), from_zero()], Ok(800));
    check(
        &[bogus_start(), stop("12:30", 800), superseded("12:20", 500).into()],
        Err(Doubt::RegistersOverlap),
    );
    // The session before it told after its start how it left the meter, or that it has not.
    let before = |clock, register_wh: Option<i64>| {
        let (begin_wh, register) = (WattHours::from_whole(500), register_wh.map(reading));
        let by = SessionId(Uuid::from_u128(98));
        Event::from(SessionPreceded { by, at: at(clock), begin_wh, register })
    };
    let stopped_at_900 = || [bogus_start(), stop("12:30", 900)].to_vec();
    let told = |facts: &[Event]| [&stopped_at_900(), facts].concat();
    check(&told(&[before("11:00", Some(600))]), Ok(300));
    check(&told(&[before("11:00", None)]), Err(Doubt::BeginMissing));
    check(&told(&[before("11:00", None), before("11:00", Some(600))]), Ok(300));
    check(&[bogus_start(), stop("12:30", 400), before("11:00", None)], Ok(400));
    let nearer = || {
        Event::from(SessionPreceded {
            by: SessionId(Uuid::from_u128(97)),
            at: at("11:30"),
            begin_wh: WattHours::from_whole(600),
            register: None,
        })
    };
    for facts in [[before("11:00", Some(600)), nearer()], [nearer(), before("11:00", Some(600))]] {
        check(&told(&facts), Err(Doubt::BeginMissing));
    }
    // Registers.
    check(&[start(), stop("12:30", 500)], Err(Doubt::RegistersDoNotJoin));
    check(&[start(), meter("12:10", 5_000), stop("12:30", 0)], Ok(4_000));
    check(
        &[start(), meter("12:10", 5_000), meter("12:12", 4_000), stop("12:30", 0)],
        Err(Doubt::RegistersDoNotJoin),
    );
    check(
        &[start(), meter("12:10", 5_000), meter("12:12", 4_900), stop("12:30", 6_000)],
        Ok(5_000),
    );
    // A register that was reset or replaced on the way: nobody knows what it no longer shows.
    let reset = [meter("12:10", 5_000), meter("12:12", 0)];
    let [before, after_it] = reset;
    check(
        &[start(), before.clone(), after_it.clone(), stop("12:30", 2_000)],
        Err(Doubt::RegistersDoNotJoin),
    );
    check(&[start(), before.clone(), after_it.clone(), stop("12:30", 6_000)], Ok(5_000));
    let climbs = [before, after_it, meter("12:14", 300)];
    let climbed = |mut facts: Vec<Event>| {
        facts.insert(0, start());
        facts.push(stop("12:30", 6_000));
        facts
    };
    check(&climbed(climbs.to_vec()), Err(Doubt::RegistersDoNotJoin));
    let apart = [meter("12:12", 0), meter("12:13", 5_100), meter("12:14", 0)];
    check(&climbed(apart.to_vec()), Ok(5_000));
    let odd = Basis::of(&session(&climbed(apart.to_vec()))).map(|basis| basis.anomalies);
    assert_eq!(odd, Ok(vec![Anomaly::MeterBackwards]), "a slip is noted");
    let rounded = [meter("12:01", 900), meter("12:02", 900)];
    check(&climbed(rounded.to_vec()), Ok(5_000));
    // A value that no charger could have reached is a slip, and a rounded stop no reset.
    check(&[start(), meter("12:10", 90_000_000), stop("12:30", 11_000)], Ok(10_000));
    check(&[start(), meter("12:28", 5_950), stop("12:30", 5_000)], Ok(4_000));
    // A register that stands still while power is drawn.
    let power = |clock: &str, power_w: i64| {
        let mut fact = sampled(clock, power_w, "Sample.Periodic");
        fact.samples[0].quantity = Quantity::PowerImportW;
        Event::from(fact)
    };
    let drawn = || [start(), power("12:05", 11_000), power("12:25", 11_000)];
    check(&[&drawn()[..], &[stop("12:30", 1_000)]].concat(), Err(Doubt::RegisterFrozen));
    check(&[&drawn()[..], &[stop("12:30", 1_001)]].concat(), Ok(1));
    check(&[start(), power("12:05", 11_000), power("12:06", 0), stop("12:30", 1_000)], Ok(0));
    // A begin of 0 is a missing value where anything contradicts it.
    check(&[bogus_start(), stop("12:30", 900)], Ok(900));
    check(&[bogus_start(), stop("12:30", 9_100_000)], Err(Doubt::EnergyImplausible));
    let begin = Event::from(sampled("12:00", 910_000, "Transaction.Begin"));
    check(&[bogus_start(), begin, stop("12:30", 910_083)], Ok(83));
    check(
        &[bogus_start(), meter("12:01", 910_000), stop("12:30", 910_083)],
        Err(Doubt::EnergyImplausible),
    );
    let zero = Event::from(sampled("12:00", 0, "Transaction.Begin"));
    check(
        &[bogus_start(), zero, meter("12:01", 910_000), stop("12:30", 910_083)],
        Err(Doubt::EnergyImplausible),
    );
    check(&[Event::from(started("12:00", -1)), stop("12:30", 900)], Err(Doubt::BeginMissing));
    // The connector's session before tells it, unless its meter began anew.
    let after = |given, before| {
        let session_id = SessionId(Uuid::from_u128(98));
        let register_before = Some(RegisterBefore { session_id, register: reading(before) });
        Event::from(SessionStarted { register_before, ..started("12:00", given) })
    };
    check(&[after(0, 10_000), stop("12:30", 10_900)], Ok(900));
    check(&[after(-1, 10_000), stop("12:30", 10_900)], Ok(900));
    check(&[after(0, 10_000), meter("12:10", 10_400), stop("12:30", 10_900)], Ok(900));
    check(&[after(0, 10_000), stop("12:30", 9_000)], Ok(9_000));
    check(&[after(0, 10_000), meter("12:10", 4_000), stop("12:30", 11_000)], Ok(11_000));
    check(&[after(0, 10_000), stop("12:30", 9_010_000)], Err(Doubt::EnergyImplausible));
    let begin = || Event::from(sampled("12:00", 10_300, "Transaction.Begin"));
    check(&[after(0, 10_000), begin(), stop("12:30", 10_900)], Ok(600));
    let facts = [after(0, 10_000), stop("12:30", 10_900)];
    let basis = Basis::of(&session(&facts)).unwrap();
    assert_eq!(basis.anomalies, [Anomaly::StartMissing]);
    // Two stops.
    check(&[start(), stop("12:30", 11_000), stop("12:31", 11_000)], Ok(10_000));
    check(&[start(), stop("12:30", 11_000), stop("12:31", 12_000)], Err(Doubt::StopContradicted));
    // A stop that names the transaction outdoes one that was matched by a guess.
    let guessed = || {
        let matched_by = StopMatch::OnlyOpenSession;
        Event::from(SessionStopped { matched_by, ..stopped("12:20", 99_000) })
    };
    check(&[start(), guessed()], Ok(98_000));
    check(&[start(), guessed(), stop("12:30", 11_000)], Ok(10_000));
    check(&[start(), stop("12:30", 11_000), guessed()], Ok(10_000));
}

/// What single phases have counted, or draw, is a part of the whole and never stands for it.
#[test]
fn single_phases_bill_nothing() {
    let of = |clock: &str, whole: Option<i64>, phases: [i64; 3], context: &str| {
        let mut fact = sampled(clock, 0, context);
        let blank = fact.samples.remove(0);
        let names = ["L1", "L2", "L3"].map(|name| Some(name.to_owned()));
        let values =
            whole.map(|value| (None, value)).into_iter().chain(names.into_iter().zip(phases));
        fact.samples = values
            .map(|(phase, value)| MeterSample { phase, value: value.into(), ..blank.clone() })
            .collect();
        fact
    };
    let counted = |clock, whole, phases| Event::from(of(clock, whole, phases, "Sample.Periodic"));
    let start = || Event::from(started("12:00", 1_000));
    let stop = |register| Event::from(stopped("12:30", register));
    let free = || Event::from(status("12:40", "Available"));
    let beside = || counted("12:10", Some(5_000), [1_600, 1_700, 1_700]);
    let alone = |clock| counted(clock, None, [5_600, 5_700, 5_800]);
    check(&[start(), beside(), free()], Ok(4_000));
    check(&[start(), alone("12:10"), free()], Err(Doubt::StopMissing));
    check(&[start(), alone("12:10"), stop(11_000)], Ok(10_000));
    // Nor are they readings below the begin, or above the end.
    let low = |clock| counted(clock, None, [400, 400, 400]);
    check(&[start(), low("12:10"), low("12:20"), stop(11_000)], Ok(10_000));
    check(&[start(), alone("12:10"), stop(3_000)], Ok(2_000));
    // What a start did not tell, they do not tell either.
    let bogus_start = Event::from(started("12:00", 0));
    let begin = of("12:00", None, [909_000, 909_000, 909_000], "Transaction.Begin").into();
    check(&[bogus_start, begin, stop(9_100_000)], Err(Doubt::EnergyImplausible));
    // Power on one phase, and none on the others.
    let power = |clock: &str| {
        let mut fact = of(clock, Some(7_000), [7_000, 0, 0], "Sample.Periodic");
        fact.samples.iter_mut().for_each(|sample| sample.quantity = Quantity::PowerImportW);
        Event::from(fact)
    };
    check(&[start(), power("12:05"), power("12:25"), stop(1_000)], Err(Doubt::RegisterFrozen));
}

/// What a session leaves its connector's meter at, for the next one to begin with.
#[test]
fn what_the_next_session_can_begin_with() {
    let left = |facts: &[Event], by: &str| {
        session(facts).register_left_at(at(by)).map(|before| before.register.register_wh)
    };
    let start = || Event::from(started("12:00", 1_000));
    let stop = || Event::from(stopped("12:30", 11_000));
    assert_eq!(left(&[start(), stop()], "12:30"), Some(WattHours::from_whole(11_000)));
    assert_eq!(left(&[start(), stop()], "12:29"), None, "it came later");
    assert_eq!(left(&[start()], "13:00"), None, "not known");
    let from_zero = started("12:00", 0).into();
    assert_eq!(left(&[from_zero, stop()], "13:00"), None, "it may count from 0 each time");
    let doubted = stopped("12:30", 500).into();
    assert_eq!(left(&[start(), doubted], "13:00"), None);
}

/// What a connector says counts by its time, whenever it arrives.
#[test]
fn what_a_session_holds() {
    let held = |facts: &[Event]| {
        let session = session(facts);
        let clocks = ["11:59", "12:00", "12:20", "12:30", "12:40", "12:50"].map(at);
        let status = clocks.map(|at| u8::from(session.holds_connector_at(at)));
        let meter = clocks.map(|at| u8::from(session.holds_meter_at(at)));
        (status, meter)
    };
    let start = || Event::from(started("12:00", 1_000));
    let stop = || Event::from(stopped("12:30", 11_000));
    let free = || Event::from(status("12:40", "Available"));
    let next = || Event::from(superseded("12:20", 9_000));
    let open = [0, 1, 1, 1, 1, 1];
    assert_eq!(held(&[start()]), (open, open));
    assert_eq!(held(&[start(), free()]), (open, open), "without a stop it may be a slip");
    assert_eq!(held(&[start(), stop()]), (open, [0, 1, 1, 1, 0, 0]));
    assert_eq!(held(&[start(), free(), stop()]), ([0, 1, 1, 1, 1, 0], [0, 1, 1, 1, 0, 0]));
    assert_eq!(held(&[start(), next()]), ([0, 1, 1, 0, 0, 0], [0, 1, 1, 0, 0, 0]));
    let before = Event::from(status("11:50", "Available"));
    assert_eq!(session(&[before, start()]).released_at(), None, "free before it began");
}

#[test]
fn clocks_that_cannot_be_believed() {
    let wrong = |mut start: SessionStarted, text: &str, received: &str| {
        start.started_at = at(text);
        start.received_at = at(received);
        start.clock = ClockTrust::Implausible;
        Event::from(start)
    };
    let wrong_stop = |text: &str, received: &str| {
        let mut stop = stopped("12:30", 11_000);
        stop.stopped_at = at(text);
        stop.received_at = at(received);
        stop.clock = ClockTrust::Implausible;
        Event::from(stop)
    };
    let start = wrong(started("12:00", 1_000), "1970-01-01T00:10:00Z", "12:00");
    let live = [start.clone(), wrong_stop("1970-01-01T00:40:00Z", "12:30")];
    let basis = Basis::of(&session(&live)).unwrap();
    assert_eq!((basis.started_at, basis.ended_at), (at("12:00"), at("12:30")));
    check(
        &[start.clone(), wrong_stop("1970-01-01T00:40:00Z", "12:50")],
        Err(Doubt::ClockImplausible),
    );
    // The clock was set while the car charged: what came before is moved, what came after not.
    let set_meanwhile = [
        start.clone(),
        Event::from(meter("1970-01-01T00:20:00Z", 5_000)),
        Event::from(stopped("12:30", 11_000)),
        Event::from(status("12:40", "Available")),
    ];
    let basis = Basis::of(&session(&set_meanwhile)).unwrap();
    assert_eq!((basis.started_at, basis.ended_at), (at("12:00"), at("12:30")));
    assert_eq!(basis.released_at, Some(at("12:40")));
    let set_after = [&live[..], &[Event::from(status("12:40", "Available"))]].concat();
    let basis = Basis::of(&session(&set_after)).unwrap();
    assert!(basis.released_at <= Some(at("12:40")), "{basis:?}");
    // A start that was kept back says nothing of when it was.
    check(&[start, Event::from(stopped("11:50", 11_000))], Err(Doubt::ClockImplausible));
    check(
        &[Event::from(started("12:00", 1_000)), wrong_stop("1970-01-01T00:40:00Z", "12:30")],
        Err(Doubt::ClockImplausible),
    );
}

#[test]
fn when_the_bill_is_made() {
    let rules = |occupancy_is_priced| SettlementRules {
        settle_after: TimeDelta::hours(1),
        occupancy_is_priced,
    };
    let judge = |facts: &[Event], now: &str, priced| match settle(
        &session(facts),
        at(now),
        rules(priced),
    ) {
        Settlement::Settled(settled) => format!("{:?}", settled.because),
        Settlement::Review(review) => review.reason.to_owned(),
        Settlement::Void { reason } | Settlement::Free { reason } => reason.to_owned(),
        Settlement::NotYet { .. } => "not yet".to_owned(),
        Settlement::Unchanged => "unchanged".to_owned(),
        Settlement::ChargedElsewhere { .. } => "elsewhere".to_owned(),
    };
    let start = || Event::from(started("12:00", 1_000));
    let stop = || Event::from(stopped("12:30", 11_000));
    let free = || Event::from(status("12:40", "Available"));
    assert_eq!(judge(&[start()], "13:30", false), "not yet");
    assert_eq!(judge(&[start()], "14:00", false), "stop_missing");
    assert_eq!(judge(&[start(), stop()], "13:00", false), "Complete");
    assert_eq!(judge(&[start(), stop()], "13:00", true), "not yet");
    assert_eq!(judge(&[start(), stop(), free()], "13:00", true), "Complete");
    assert_eq!(judge(&[start(), stop()], "14:00", true), "Deadline");
    // Delivered late: nothing that proves parking is still to come.
    let mut late_stop = stopped("12:30", 11_000);
    late_stop.received_at = at("12:50");
    let delivered = [start(), late_stop.into()];
    assert_eq!(judge(&delivered, "13:01", true), "Complete");
    let mut refused = started("12:00", 1_000);
    refused.authorization = Authorization::Invalid;
    let nothing = Event::from(stopped("12:30", 1_000));
    for priced in [false, true] {
        let facts = [refused.clone().into(), nothing.clone()];
        assert_eq!(judge(&facts, "13:00", priced), "token_refused");
    }
    assert_eq!(judge(&[refused.clone().into(), stop()], "13:00", false), "refused_yet_charged");
    assert_eq!(judge(&[refused.clone().into()], "13:30", false), "not yet");
    assert_eq!(judge(&[refused.clone().into()], "14:00", false), "token_refused");
    let drawn = Event::from(meter("12:10", 5_000));
    assert_eq!(judge(&[refused.into(), drawn], "14:00", false), "stop_missing");
    // The same start in other words: nothing was drawn in the first, and it was never stopped.
    let again = || Event::from(superseded("12:01", 1_000));
    assert_eq!(judge(&[start(), again()], "13:30", false), "not yet");
    assert_eq!(judge(&[start(), again()], "14:00", false), "never_ran");
    assert_eq!(judge(&[start(), again(), stop()], "14:00", false), "registers_overlap");
}

/// A station that was offline reports the present state, not since when it holds.
#[test]
fn an_offline_station_proves_no_occupancy() {
    let mut stop = stopped("12:30", 11_000);
    stop.received_at = at("18:00");
    let mut free = status("18:01", "Available");
    let released = |stop: &SessionStopped, free: &SessionConnectorStatus| {
        let facts = [started("12:00", 1_000).into(), stop.clone().into(), free.clone().into()];
        session(&facts).released_at()
    };
    assert_eq!(released(&stop, &free), Some(at("12:30")));
    free.at = at("12:45");
    assert_eq!(released(&stop, &free), Some(at("12:45")), "queued with its own time");
    stop.received_at = at("12:30");
    free.at = at("18:01");
    assert_eq!(released(&stop, &free), Some(at("18:01")), "online all along");
}

fn bill(facts: &[Event]) -> InvoiceFigures {
    let session = session(facts);
    let rules = SettlementRules { settle_after: TimeDelta::hours(1), occupancy_is_priced: true };
    let Settlement::Settled(settled) = settle(&session, at("23:00"), rules) else {
        panic!("not settled: {facts:#?}")
    };
    let tariff = Tariff::parse(TARIFF).unwrap();
    let rating =
        rate_settled(RULES_VERSION, &session, &settled, &tariff, chrono_tz::Europe::Berlin)
            .unwrap();
    InvoiceFigures::of(&rating).unwrap()
}

fn story() -> Vec<Event> {
    vec![
        started("11:00", 1_000).into(),
        status("11:00", "Charging").into(),
        meter("11:10", 3_000).into(),
        meter("11:20", 6_000).into(),
        status("11:25", "SuspendedEV").into(),
        meter("11:30", 7_000).into(),
        status("11:40", "Charging").into(),
        meter("11:50", 9_000).into(),
        stopped("12:00", 11_000).into(),
        status("12:00", "Finishing").into(),
        status("12:20", "Available").into(),
    ]
}

proptest! {
    /// The law: any order and any repetition of a session's facts gives the same bill.
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
