//! The bill of a session that a 2.0.1 station told, part by part, and what is refused in it.

use crate::refusal;
use crate::world::{
    TAG, World, account_id, at, reading, sealed_tag, session_id, session_stream, station_id,
};
use chargebook_audit::verify;
use chargebook_domain::events::v1::{
    Authorization, ClockTrust, MeterSample, Quantity, SessionMeterRecorded, SessionOpened,
    SessionSuperseded, SessionTokenPresented, SessionTransactionReported, TransactionEventKind,
};
use chargebook_domain::ids::{
    AccountId, ConnectorNumber, EventId, EvseNumber, SessionId, StationIdentity, TransactionName,
};
use chargebook_domain::units::WattHours;
use chargebook_proof::Envelope;
use serde_json::{Value, json};
use uuid::Uuid;

const NAME: &str = "5f7c-1";

/// The messages: kind, its word, time, register, context.
const TOLD: [(TransactionEventKind, &str, &str, i64, &str); 3] = [
    (TransactionEventKind::Started, "Started", "10:00:00", 1_000, "Transaction.Begin"),
    (TransactionEventKind::Updated, "Updated", "10:10:00", 1_500, "Sample.Periodic"),
    (TransactionEventKind::Ended, "Ended", "10:30:00", 2_500, "Transaction.End"),
];

fn billed() -> World {
    let mut world = World::default();
    let tariff = world.publish_tariff();
    charge(&mut world, 3);
    world.bill(tariff);
    world
}

/// The first messages of it.
pub(crate) fn charge(world: &mut World, messages: u32) {
    for sequence in 0..messages {
        tell(world, sequence, Some(account_id()).filter(|_| sequence == 0));
    }
}

/// One message; it may present a token of an account.
fn tell(world: &mut World, sequence: u32, payer: Option<AccountId>) {
    let (kind, word, time, register_wh, context) = TOLD[sequence as usize];
    let exchange = told(world, sequence, payer.is_some());
    let stream = session_stream();
    if sequence == 0 {
        world.append(&stream, at(time), opened(time, exchange));
    }
    let evidence = reading(exchange, "/3/meterValue/0/sampledValue/0/value", register_wh).evidence;
    let sample = MeterSample {
        sampled_at: at(time),
        quantity: Quantity::EnergyImportRegisterWh,
        value: register_wh.into(),
        context: context.to_owned(),
        phase: None,
        evidence,
    };
    let fact = SessionTransactionReported {
        kind,
        sequence,
        at: at(time),
        received_at: at(time),
        clock: ClockTrust::Plausible,
        trigger: "MeterValuePeriodic".to_owned(),
        is_offline: false,
        evse: Some(EvseNumber(1)),
        connector: Some(ConnectorNumber(1)),
        charging_state: Some(state(word).to_owned()),
        stopped_reason: None,
        reservation_id: None,
        remote_start_id: None,
        phases: None,
        time_spent_charging_seconds: None,
        limit: None,
        cost: None,
        cost_limit_answered: None,
        follows: None,
        samples: vec![sample],
        exchange,
    };
    world.append(&stream, at(time), fact);
    if payer.is_some() {
        let ends = kind == TransactionEventKind::Ended;
        let token =
            SessionTokenPresented { sequence, account_id: payer, ends, ..token(time, exchange) };
        world.append(&stream, at(time), token);
    }
}

fn state(word: &str) -> &str {
    if word == "Ended" { "Idle" } else { "Charging" }
}

/// The exchange of one message.
fn told(world: &mut World, sequence: u32, presents: bool) -> EventId {
    let (_, word, time, register_wh, context) = TOLD[sequence as usize];
    let token = format!(r#","idToken":{{"idToken":"{TAG}","type":"ISO14443"}}"#);
    let payload = format!(
        r#"{{"eventType":"{word}","timestamp":"2026-11-22T{time}Z","triggerReason":"MeterValuePeriodic","seqNo":{sequence},"transactionInfo":{{"transactionId":"{NAME}","chargingState":"{}"}},"evse":{{"id":1,"connectorId":1}}{},"meterValue":[{{"timestamp":"2026-11-22T{time}Z","sampledValue":[{{"value":{register_wh},"context":"{context}"}}]}}]}}"#,
        state(word),
        if presents { token.as_str() } else { "" },
    );
    let reply = if presents { r#"{"idTokenInfo":{"status":"Accepted"}}"# } else { "{}" };
    world.exchange(time, "TransactionEvent", &payload, reply)
}

fn opened(time: &str, exchange: EventId) -> SessionOpened {
    SessionOpened {
        session_id: session_id(),
        station_id: station_id(),
        station: StationIdentity::parse("CP-1").unwrap(),
        transaction_id: TransactionName::parse(NAME).unwrap(),
        occurrence: 0,
        site_id: None,
        time_zone: "Europe/Berlin".to_owned(),
        received_at: at(time),
        exchange,
    }
}

fn token(time: &str, exchange: EventId) -> SessionTokenPresented {
    SessionTokenPresented {
        sequence: 0,
        at: at(time),
        id_tag: Some(sealed_tag()),
        kind: Some("ISO14443".to_owned()),
        token_id: None,
        account_id: Some(account_id()),
        authorization: Authorization::Accepted,
        ends: false,
        exchange,
    }
}

#[test]
fn an_honest_bill_of_a_2_x_session_is_proven() {
    let report = verify(&billed().bundle(), None).unwrap();
    assert_eq!((report.samples, report.frames.len()), (3, 3));
}

/// Who began it is told after it was billed to who ended it.
#[test]
fn what_is_taken_back_is_given_to_whom_it_was_invoiced_to() {
    let other = AccountId(Uuid::from_u128(77));
    let mut world = World::default();
    let tariff = world.publish_tariff();
    tell(&mut world, 0, None);
    tell(&mut world, 2, Some(other));
    world.bill(tariff.clone());
    tell(&mut world, 1, Some(account_id()));
    world.bill(tariff);
    // Of the register and the accounts only what is named.
    let bundle = |world: &World, numbers: &[u64], postings: &[(AccountId, u64)]| {
        let postings: Vec<_> = postings
            .iter()
            .map(|(account, version)| (format!("account-{account}"), *version))
            .collect();
        let keep = move |envelope: &Envelope| match envelope.event_type.as_str() {
            "invoice.issued" => numbers.contains(&envelope.version),
            "ledger.posted" => postings.contains(&(envelope.stream.clone(), envelope.version)),
            _ => true,
        };
        world.bundle_of(keep, Vec::new()).unwrap()
    };
    let both = [(other, 0), (other, 1)];
    let report = verify(&bundle(&world, &[0, 1], &both), None).unwrap();
    assert_eq!(report.invoice.what.account_id, other);
    let report = verify(&bundle(&world, &[2], &[(account_id(), 0)]), None).unwrap();
    assert_eq!(report.invoice.what.account_id, account_id());
    world.forge("invoice.issued", 1, |note| note["account_id"] = json!(account_id()));
    let refusal = refusal(&bundle(&world, &[0, 1], &both));
    assert!(refusal.contains("account_id is"), "{refusal}");
}

#[test]
fn a_transaction_that_is_named_by_a_number_is_proven_in_the_dialect_that_has_it() {
    let named_by_number = |dialect: Value| {
        let mut world = billed();
        for nth in 0..TOLD.len() {
            world.forge("exchange.recorded", nth, |exchange| {
                let request = exchange["request"].to_string().replace(r#"\"5f7c-1\""#, "4711.50");
                exchange["request"] = serde_json::from_str(&request).unwrap();
                exchange["dialect"] = dialect.clone();
            });
        }
        world.forge("session.opened", 0, |opened| opened["transaction_id"] = json!("4711.50"));
        world.bundle()
    };
    verify(&named_by_number(json!(["numbers_as_strings"])), None).unwrap();
    let refusal = refusal(&named_by_number(json!([])));
    assert!(refusal.contains("does not name the transaction 4711.50"), "{refusal}");
}

#[test]
fn what_a_2_x_station_never_said_is_refused() {
    let check = |nth: usize, change: fn(&mut Value), expected: &str| {
        let mut world = billed();
        world.forge("session.transaction_reported", nth, change);
        let refusal = refusal(&world.bundle());
        assert!(refusal.contains(expected), "{refusal}");
    };
    check(1, |r| r["samples"][0]["value"] = json!("1600"), "a sample is 1600 in the fact");
    check(1, |r| r["samples"][0]["context"] = json!("Transaction.End"), "the context is");
    check(1, |r| r["samples"] = json!([]), "1500");
    check(2, |r| r["samples"][0]["value"] = json!("2600"), "a sample is 2600 in the fact");
    check(2, |r| r["sequence"] = json!(4), "the number is 4 in the fact");
    check(2, |r| r["at"] = json!("2026-11-22T10:31:00.000Z"), "the time is");
    check(0, |r| r["charging_state"] = json!("EVConnected"), "the charging state is");
}

/// A message of the next transaction at the EVSE, which lies in its own stream.
fn next_told(world: &mut World, word: &str, time: &str, meter_values: &str) -> EventId {
    let sequence = u8::from(word != "Started");
    let payload = format!(
        r#"{{"eventType":"{word}","timestamp":"2026-11-22T{time}Z","triggerReason":"Authorized","seqNo":{sequence},"transactionInfo":{{"transactionId":"5f7c-2"}},"evse":{{"id":1,"connectorId":1}}{meter_values}}}"#
    );
    world.exchange_in("session-next", time, "TransactionEvent", &payload, "{}")
}

/// Its end is lost: the next transaction's start, and a begin register that came with the start or
/// by itself, tell how it ended.
fn billed_by_the_next(comes_by_itself: bool) -> World {
    let mut world = World::default();
    let tariff = world.publish_tariff();
    charge(&mut world, 2);
    let begin = r#","meterValue":[{"timestamp":"2026-11-22T10:35:00Z","sampledValue":[{"value":2500,"context":"Transaction.Begin"}]}]"#;
    let (start, told) = if comes_by_itself {
        let start = next_told(&mut world, "Started", "10:35:00", "");
        (Some(start), next_told(&mut world, "Updated", "10:36:00", begin))
    } else {
        (None, next_told(&mut world, "Started", "10:35:00", begin))
    };
    let fact = SessionSuperseded {
        by: SessionId(Uuid::from_u128(9)),
        at: at("10:35:00"),
        register: reading(told, "/3/meterValue/0/sampledValue/0/value", 2_500),
        start,
        is_refused: false,
    };
    world.append(&session_stream(), at("10:36:00"), fact);
    world.bill(tariff);
    world
}

#[test]
fn when_the_next_transaction_began_is_proven_by_its_start() {
    let forged = |comes_by_itself, change: fn(&mut Value)| {
        let mut world = billed_by_the_next(comes_by_itself);
        world.forge("session.superseded", 0, change);
        world.bundle()
    };
    for comes_by_itself in [false, true] {
        let report = verify(&billed_by_the_next(comes_by_itself).bundle(), None).unwrap();
        assert_eq!(report.settled.what.energy_wh, WattHours::from_whole(1_500));
        let later = |fact: &mut Value| fact["at"] = json!("2026-11-22T10:34:00.000Z");
        let refusal = refusal(&forged(comes_by_itself, later));
        assert!(refusal.contains("the time of the next start"), "{refusal}");
    }
    let not_a_start = |fact: &mut Value| {
        fact["start"] = fact["register"]["evidence"]["event_id"].clone();
    };
    let refused = refusal(&forged(true, not_a_start));
    assert!(refused.contains("it is not the next start"), "{refused}");
    let own = billed_by_the_next(true);
    let own = own.events.iter().find(|e| e.event_type == "exchange.recorded").unwrap().id;
    let mut world = billed_by_the_next(true);
    world.forge("session.superseded", 0, |fact| fact["start"] = json!(own));
    let refused = refusal(&world.bundle());
    assert!(refused.contains("the next transaction"), "{refused}");
}

/// What the EVSE's meter shows, told apart from the transaction: the session's by its place and
/// time.
fn aligned(world: &mut World, evse: u32, time: &str, register_wh: i64) {
    let payload = format!(
        r#"{{"evseId":{evse},"meterValue":[{{"timestamp":"2026-11-22T{time}Z","sampledValue":[{{"value":{register_wh},"context":"Sample.Clock"}}]}}]}}"#
    );
    let exchange = world.exchange(time, "MeterValues", &payload, "{}");
    let evidence = reading(exchange, "/3/meterValue/0/sampledValue/0/value", register_wh).evidence;
    let sample = MeterSample {
        sampled_at: at(time),
        quantity: Quantity::EnergyImportRegisterWh,
        value: register_wh.into(),
        context: "Sample.Clock".to_owned(),
        phase: None,
        evidence,
    };
    let fact = SessionMeterRecorded { samples: vec![sample], exchange };
    world.append(&session_stream(), at(time), fact);
}

#[test]
fn meter_values_of_the_evse_are_the_sessions_while_it_goes_on() {
    let billed = |evse: u32, time: &str, is_after_the_end: bool| {
        let mut world = World::default();
        let tariff = world.publish_tariff();
        charge(&mut world, 2);
        if is_after_the_end {
            tell(&mut world, 2, None);
            aligned(&mut world, evse, time, 2_500);
        } else {
            aligned(&mut world, evse, time, 2_000);
            tell(&mut world, 2, None);
        }
        world.bill(tariff);
        world.bundle()
    };
    let report = verify(&billed(1, "10:20:00", false), None).unwrap();
    assert_eq!((report.samples, report.frames.len()), (4, 4));
    assert_eq!(report.settled.what.energy_wh, WattHours::from_whole(1_500));
    // What comes when the end is known is the session's as long as it had been read before.
    verify(&billed(1, "10:30:00", true), None).unwrap();
    for (evse, time, is_after_the_end, expected) in [
        (2, "10:20:00", false, "the EVSE is 1 in the fact and 2 in the frame"),
        (1, "09:59:59", false, "the session was not going on at 2026-11-22T09:59:59"),
        (1, "10:30:01", true, "the session was not going on at 2026-11-22T10:30:01"),
    ] {
        let refusal = refusal(&billed(evse, time, is_after_the_end));
        assert!(refusal.contains(expected), "{refusal}");
    }
}

/// Of a transaction whose end is lost, what the next one draws is no part.
#[test]
fn only_a_register_that_the_next_transaction_began_with_ends_one() {
    let superseded_by = |later: &str, kind: &str| {
        let mut world = World::default();
        let tariff = world.publish_tariff();
        charge(&mut world, 2);
        let start = next_told(&mut world, "Started", "10:35:00", "");
        let sampled = format!(
            r#""meterValue":[{{"timestamp":"2026-11-22T10:36:00Z","sampledValue":[{later}]}}]"#
        );
        let told = match kind {
            "MeterValues" => {
                let payload = format!(r#"{{"evseId":1,{sampled}}}"#);
                world.exchange_in("session-next", "10:36:00", kind, &payload, "{}")
            }
            word => next_told(&mut world, word, "10:36:00", &format!(",{sampled}")),
        };
        let fact = SessionSuperseded {
            by: SessionId(Uuid::from_u128(9)),
            at: at("10:35:00"),
            register: reading(told, "/3/meterValue/0/sampledValue/0/value", 2_500),
            start: Some(start),
            is_refused: false,
        };
        world.append(&session_stream(), at("10:36:00"), fact);
        world.bill(tariff);
        world
    };
    let begin = r#"{"value":2500,"context":"Transaction.Begin"}"#;
    for kind in ["Updated", "MeterValues"] {
        verify(&superseded_by(begin, kind).bundle(), None).unwrap();
        // A message may bring it when it is told again.
        let mut repeat = superseded_by(begin, kind);
        repeat.forge_last("exchange.recorded", |e| e["duplicate_of"] = e["station_id"].clone());
        verify(&repeat.bundle(), None).unwrap();
        for later in [
            r#"{"value":2500,"context":"Sample.Periodic"}"#,
            r#"{"value":2500}"#,
            r#"{"value":2500,"context":"Transaction.End"}"#,
        ] {
            let refusal = refusal(&superseded_by(later, kind).bundle());
            assert!(refusal.contains("the context is Transaction.Begin in the fact"), "{refusal}");
        }
        let of_one_phase = r#"{"value":2500,"context":"Transaction.Begin","phase":"L1"}"#;
        let refusal = refusal(&superseded_by(of_one_phase, kind).bundle());
        assert!(refusal.contains("the phase is none in the fact and L1"), "{refusal}");
    }
    let mut elsewhere = superseded_by(begin, "MeterValues");
    elsewhere.forge_last("exchange.recorded", |exchange| {
        let request =
            exchange["request"].as_str().unwrap().replace(r#""evseId":1"#, r#""evseId":2"#);
        exchange["request"] = json!(request);
    });
    let refused = refusal(&elsewhere.bundle());
    assert!(refused.contains("the EVSE is 1 in the fact and 2 in the frame"), "{refused}");
    let mut sooner = superseded_by(begin, "MeterValues");
    sooner.forge_last("exchange.recorded", |exchange| {
        let request = exchange["request"].as_str().unwrap().replace("10:36:00", "10:34:00");
        exchange["request"] = json!(request);
    });
    let refused = refusal(&sooner.bundle());
    assert!(refused.contains("it was read before the next start"), "{refused}");
}

/// Of several readings in the start itself the one that says that it is the first.
#[test]
fn a_start_with_several_registers_is_cited_at_the_one_it_began_with() {
    let superseded_at = |index: u32, register_wh: i64, first: &str| {
        let mut world = World::default();
        let tariff = world.publish_tariff();
        charge(&mut world, 2);
        let sampled = format!(
            r#","meterValue":[{{"timestamp":"2026-11-22T10:35:00Z","sampledValue":[{{"value":2500{first}}},{{"value":9000}}]}}]"#
        );
        let told = next_told(&mut world, "Started", "10:35:00", &sampled);
        let pointer = format!("/3/meterValue/0/sampledValue/{index}/value");
        let fact = SessionSuperseded {
            by: SessionId(Uuid::from_u128(9)),
            at: at("10:35:00"),
            register: reading(told, &pointer, register_wh),
            start: None,
            is_refused: false,
        };
        world.append(&session_stream(), at("10:36:00"), fact);
        world.bill(tariff);
        world.bundle()
    };
    let begin = r#","context":"Transaction.Begin""#;
    verify(&superseded_at(0, 2_500, begin), None).unwrap();
    verify(&superseded_at(0, 2_500, ""), None).unwrap();
    let refusal = refusal(&superseded_at(1, 9_000, begin));
    assert!(refusal.contains("the context is Transaction.Begin in the fact"), "{refusal}");
}
