//! What was understood in a dialect, or read again in one, must follow from its frame in the
//! dialect that the log names.

use crate::world::{TRANSACTION, World, at, session_stream};
use crate::{refusal, request};
use chargebook_audit::verify;
use chargebook_domain::events::v1::{Dialect, ExchangeReread, Quirk, StopMatch};
use chargebook_domain::ids::EventId;
use chargebook_domain::units::WattHours;
use chargebook_proof::Envelope;
use serde_json::{Value, json};

const STATION: &str = "station-1-2026-11";

/// The stop of the session, refused for its numbers.
fn refused_stop(world: &mut World, transaction: i32) -> EventId {
    let exchange = world.stop_frame(STATION, "10:30:00", 2_500, transaction);
    let exchanges = world.events.iter().filter(|e| e.event_type == "exchange.recorded").count();
    world.forge("exchange.recorded", exchanges - 1, |stop| {
        request(stop, "\"meterStop\":2500", "\"meterStop\":\"2500\"");
        let number = format!("\"transactionId\":{transaction}");
        request(stop, &number, &format!("\"transactionId\":\"{transaction}\""));
        stop["verdict"] = json!("refused");
        stop["error_code"] = json!("TypeConstraintViolation");
        stop["reply"] = json!("[4,\"m\",\"TypeConstraintViolation\",\"\",{}]");
    });
    exchange
}

fn read_again(world: &mut World, stream: &str, exchange: EventId) -> EventId {
    let dialect: Dialect = [Quirk::NumbersAsStrings].into_iter().collect();
    let stream_of_exchange = STATION.to_owned();
    let fact = ExchangeReread { exchange, stream: stream_of_exchange, dialect, duplicate_of: None };
    world.append(stream, at("11:00:00"), fact)
}

fn stop_fact(world: &mut World, exchange: EventId, matched_by: StopMatch) {
    world.stop_fact(exchange, "10:30:00", 2_500, matched_by);
    let raw = |stop: &mut Value| stop["meter_stop"]["evidence"]["raw"] = json!("\"2500\"");
    world.forge("session.stopped", 0, raw);
}

/// A session whose stop was refused and read again; `change` is what its operator does to the
/// event that says so.
fn session_with_reread_stop(change: impl FnOnce(&mut Value)) -> World {
    let mut world = World::default();
    let tariff = world.publish_tariff();
    world.start("10:00:00", 1_000);
    let exchange = refused_stop(&mut world, TRANSACTION);
    read_again(&mut world, &session_stream(), exchange);
    stop_fact(&mut world, exchange, StopMatch::TransactionId);
    world.status("10:42:00", "Available");
    world.bill(tariff);
    world.forge("exchange.reread", 0, change);
    world
}

#[test]
fn a_refused_message_that_was_read_again_is_proven_in_the_dialect_named() {
    let report = verify(&session_with_reread_stop(|_| {}).bundle(), None).unwrap();
    assert_eq!(report.settled.what.energy_wh, WattHours::from_whole(1_500));
    assert!(report.to_string().contains(r#""meterStop":"2500""#));

    let check = |change: fn(&mut Value), expected: &str| {
        let refusal = refusal(&session_with_reread_stop(change).bundle());
        assert!(refusal.contains(expected), "{refusal}");
    };
    check(|reread| reread["dialect"] = json!([]), "the transaction is 17 in the fact and 0");
    check(|reread| reread["duplicate_of"] = reread["exchange"].clone(), "was refused");
    check(|reread| reread["stream"] = json!("station-2-2026-11"), "it belongs in station-2");
    let other = json!("0193a000-0000-7000-8000-000000000000");
    let change = |reread: &mut Value| reread["exchange"] = other.clone();
    let refusal = refusal(&session_with_reread_stop(change).bundle());
    assert!(refusal.contains("is not in the bundle"), "{refusal}");
}

#[test]
fn what_was_read_again_and_left_out_is_refused() {
    let mut world = World::default();
    let tariff = world.publish_tariff();
    world.charge();
    let exchange = world.stop_frame(STATION, "10:31:00", 2_600, TRANSACTION);
    let exchanges = world.events.iter().filter(|e| e.event_type == "exchange.recorded").count();
    world.forge("exchange.recorded", exchanges - 1, |e| e["verdict"] = json!("refused"));
    read_again(&mut world, &session_stream(), exchange);
    world.bill(tariff);
    let refusal = refusal(&world.bundle());
    assert!(refusal.contains("the frame's StopTransaction is not among"), "{refusal}");
}

#[test]
fn a_stop_that_was_read_again_before_its_start_came_is_proven_with_the_event_that_says_so() {
    let mut world = World::default();
    let tariff = world.publish_tariff();
    let exchange = refused_stop(&mut world, -1);
    let reread = read_again(&mut world, STATION, exchange);
    world.start("10:00:00", 1_000);
    stop_fact(&mut world, exchange, StopMatch::StartCameLater);
    world.status("10:42:00", "Available");
    world.bill(tariff);
    verify(&world.bundle(), None).unwrap();

    let without = |envelope: &Envelope| envelope.id != reread.0;
    let refusal = refusal(&world.bundle_of(without, Vec::new()).unwrap());
    assert!(refusal.contains("the message was refused"), "{refusal}");
}

#[test]
fn an_answered_message_is_read_in_the_dialect_that_its_exchange_names() {
    let billed = |quirks: Value| {
        let mut world = World::default();
        let tariff = world.publish_tariff();
        world.start("10:00:00", 1_000);
        world.sample("10:10:00", r#"{"value":"1,5"}"#, "\"1,5\"", 1_500.into());
        world.forge("exchange.recorded", 1, |e| e["dialect"] = quirks);
        world.stop("10:30:00", 2_500);
        world.status("10:42:00", "Available");
        world.bill(tariff);
        world.bundle()
    };
    verify(&billed(json!(["decimal_comma", "unit_missing_is_kwh"])), None).unwrap();
    for quirks in [json!([]), json!(["decimal_comma"]), json!(["unit_missing_is_kwh"])] {
        let refusal = refusal(&billed(quirks.clone()));
        assert!(refusal.contains("a sample is"), "{quirks}: {refusal}");
    }
}
