//! What the bill of a 1.6 session rests on that the session before it has told: the register of
//! its stop, and nothing else that stands in that message.

use crate::world::{TRANSACTION, World, at, session_before, session_stream};
use crate::{refusal, request};
use chargebook_audit::verify;
use chargebook_domain::events::v1::{
    Evidence, ExchangeReread, MeterReading, MeterSample, Quantity, Quirk, SessionMeterRecorded,
    SessionPreceded, StopMatch,
};
use chargebook_domain::ids::{EventId, SessionId};
use chargebook_domain::units::WattHours;
use serde_json::{Value, json};

const STATION: &str = "station-1-2026-11";

/// How a session is told where the one before it has left the meter.
#[derive(Clone, Copy)]
enum Told {
    WithTheStart,
    Later,
}

fn before() -> SessionId {
    session_before().strip_prefix("session-").unwrap().parse().unwrap()
}

fn evidence(event_id: EventId, pointer: &str, raw: &str) -> Evidence {
    Evidence { event_id, pointer: pointer.to_owned(), raw: raw.to_owned() }
}

/// A session that began with no register of its own and is billed by what the one before it has
/// left.
fn billed_after(world: &mut World, told: Told, left: WattHours, evidence: &Evidence) {
    let tariff = world.publish_tariff();
    match told {
        Told::WithTheStart => {
            world.start_after("10:00:00", 0, Some((evidence.event_id, 0)));
            world.forge_last("session.started", |started| {
                let register = &mut started["register_before"]["register"];
                register["evidence"] = serde_json::to_value(evidence).unwrap();
                register["register_wh"] = json!(left);
            });
        }
        Told::Later => {
            world.start("10:00:00", 0);
            let fact = SessionPreceded {
                by: before(),
                at: at("08:00:00"),
                begin_wh: WattHours::from_whole(500),
                register: Some(MeterReading { register_wh: left, evidence: evidence.clone() }),
            };
            world.append(&session_stream(), at("10:00:01"), fact);
        }
    }
    world.stop("10:30:00", 21_000);
    world.status("10:42:00", "Available");
    world.bill(tariff);
}

/// The stop of the session before, with samples; it left the meter at 20 000 Wh.
fn stop_with_samples(world: &mut World, stream: &str) -> EventId {
    stop_with_samples_of(world, stream, "09:00:00", 16, "1000")
}

fn stop_with_samples_of(
    world: &mut World,
    stream: &str,
    time: &str,
    transaction: i32,
    begin_wh: &str,
) -> EventId {
    let stop = world.stop_frame(stream, time, 20_000, transaction);
    let begin = format!(r#"{{"value":"{begin_wh}","context":"Transaction.Begin"}}"#);
    let data = format!(
        r#""transactionData":[{{"timestamp":"2026-11-22T08:00:00Z","sampledValue":[{begin}]}}],"reason""#
    );
    world.forge_last("exchange.recorded", |stop| request(stop, r#""reason""#, &data));
    stop
}

#[test]
fn only_the_stops_own_register_says_what_the_session_before_has_left() {
    for told in [Told::WithTheStart, Told::Later] {
        let mut world = World::default();
        let stop = stop_with_samples(&mut world, &session_before());
        let mut forged = world.clone();
        let left = evidence(stop, "/3/meterStop", "20000");
        billed_after(&mut world, told, WattHours::from_whole(20_000), &left);
        let report = verify(&world.bundle(), None).unwrap();
        assert_eq!(report.settled.what.energy_wh, WattHours::from_whole(1_000));

        let sampled = "/3/transactionData/0/sampledValue/0/value";
        let left = evidence(stop, sampled, "\"1000\"");
        billed_after(&mut forged, told, WattHours::from_whole(1_000), &left);
        let refusal = refusal(&forged.bundle());
        assert!(refusal.contains("the place is /3/transactionData"), "{refusal}");
    }
}

/// A stop that was refused lies with the station; the session that it was of, when it was read
/// again, holds the event that says so.
#[test]
fn a_begin_register_from_a_stop_that_was_read_again_is_proven() {
    let billed = |told: Told, reread_in: &str, change: fn(&mut Value)| {
        let mut world = World::default();
        let exchange = world.stop_frame(STATION, "09:00:00", 20_000, 16);
        world.forge_last("exchange.recorded", |stop| {
            request(stop, "\"meterStop\":20000", "\"meterStop\":\"20000\"");
            stop["verdict"] = json!("refused");
            change(stop);
        });
        let dialect = [Quirk::NumbersAsStrings].into_iter().collect();
        let stream = STATION.to_owned();
        let fact = ExchangeReread { exchange, stream, dialect, duplicate_of: None };
        world.append(reread_in, at("09:30:00"), fact);
        let left = evidence(exchange, "/3/meterStop", "\"20000\"");
        billed_after(&mut world, told, WattHours::from_whole(20_000), &left);
        world.bundle()
    };
    for told in [Told::WithTheStart, Told::Later] {
        let report = verify(&billed(told, &session_before(), |_| {}), None).unwrap();
        assert_eq!(report.settled.what.energy_wh, WattHours::from_whole(1_000));
        let elsewhere = refusal(&billed(told, "session-other", |_| {}));
        assert!(elsewhere.contains("it belongs in session-"), "{elsewhere}");
        // What was understood when it came lies in its session's stream itself.
        let answered = |stop: &mut Value| stop["verdict"] = json!("answered");
        let answered = refusal(&billed(told, &session_before(), answered));
        assert!(answered.contains("it belongs in session-"), "{answered}");
    }
}

/// A stop that came before its start lies with the station; its register is the one that it names.
#[test]
fn a_stop_from_the_stations_stream_is_cited_at_its_own_register() {
    let mut world = World::default();
    let tariff = world.publish_tariff();
    let exchange = stop_with_samples(&mut world, STATION);
    world.start("08:00:00", 500);
    world.stop_fact(exchange, "09:00:00", 20_000, StopMatch::StartCameLater);
    let mut forged = world.clone();
    world.status("10:42:00", "Available");
    world.bill(tariff.clone());
    verify(&world.bundle(), None).unwrap();
    forged.forge_last("session.stopped", |stopped| {
        let sampled = "/3/transactionData/0/sampledValue/0/value";
        stopped["meter_stop"] = json!({
            "register_wh": "1000", "evidence": evidence(exchange, sampled, "\"1000\""),
        });
    });
    forged.status("10:42:00", "Available");
    forged.bill(tariff);
    let refusal = refusal(&forged.bundle());
    assert!(refusal.contains("the place is /3/transactionData"), "{refusal}");
}

/// Meter values without a transaction are of whoever charges at the connector then; those that
/// name another transaction never are.
#[test]
fn meter_values_of_the_connector_are_the_sessions_while_it_goes_on() {
    let billed = |transaction: &str, time: &str| {
        let mut world = World::default();
        let tariff = world.publish_tariff();
        world.start("10:00:00", 1_000);
        world.stop("10:30:00", 2_500);
        let payload = format!(
            r#"{{"connectorId":1{transaction},"meterValue":[{{"timestamp":"2026-11-22T{time}Z","sampledValue":[{{"value":"2400"}}]}}]}}"#
        );
        let exchange = world.exchange("10:31:00", "MeterValues", &payload, "{}");
        let sample = MeterSample {
            sampled_at: at(time),
            quantity: Quantity::EnergyImportRegisterWh,
            value: 2_400.into(),
            context: "Sample.Periodic".to_owned(),
            phase: None,
            evidence: evidence(exchange, "/3/meterValue/0/sampledValue/0/value", "\"2400\""),
        };
        let fact = SessionMeterRecorded { samples: vec![sample], exchange };
        world.append(&session_stream(), at("10:31:00"), fact);
        world.status("10:42:00", "Available");
        world.bill(tariff);
        world.bundle()
    };
    let ours = format!(r#","transactionId":{TRANSACTION}"#);
    for (transaction, time) in [("", "10:29:00"), (r#","transactionId":-1"#, "10:29:00")] {
        verify(&billed(transaction, time), None).unwrap();
    }
    verify(&billed(&ours, "10:31:00"), None).unwrap();
    let other = refusal(&billed(r#","transactionId":18"#, "10:29:00"));
    assert!(other.contains("does not name the transaction 17"), "{other}");
    let later = refusal(&billed("", "10:31:00"));
    assert!(later.contains("the session was not going on at 2026-11-22T10:31:00"), "{later}");
}

/// What another session's stop has sampled is no reading of one whose own stop is lost.
#[test]
fn samples_of_another_sessions_stop_are_refused() {
    let billed = |transaction: i32| {
        let mut world = World::default();
        let tariff = world.publish_tariff();
        world.start("10:00:00", 500);
        let stream = if transaction == TRANSACTION { session_stream() } else { session_before() };
        let exchange = stop_with_samples_of(&mut world, &stream, "10:35:00", transaction, "9000");
        let sample = MeterSample {
            sampled_at: at("08:00:00"),
            quantity: Quantity::EnergyImportRegisterWh,
            value: 9_000.into(),
            context: "Transaction.Begin".to_owned(),
            phase: None,
            evidence: evidence(exchange, "/3/transactionData/0/sampledValue/0/value", "\"9000\""),
        };
        let fact = SessionMeterRecorded { samples: vec![sample], exchange };
        world.append(&session_stream(), at("10:35:00"), fact);
        if transaction == TRANSACTION {
            world.stop_fact(exchange, "10:35:00", 20_000, StopMatch::TransactionId);
        } else {
            world.sample("10:20:00", r#"{"value":"2000"}"#, "\"2000\"", 2_000.into());
        }
        world.status("10:42:00", "Available");
        world.bill(tariff);
        world.bundle()
    };
    verify(&billed(TRANSACTION), None).unwrap();
    let refusal = refusal(&billed(18));
    assert!(refusal.contains("does not name the transaction 17"), "{refusal}");
}
