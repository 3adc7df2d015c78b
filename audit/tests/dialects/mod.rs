//! What was understood in a dialect, or read again in one, must follow from its frame in the
//! dialect that the log names.

use crate::world::{TRANSACTION, World, at, session_stream};
use crate::{refusal, request};
use chargebook_audit::verify;
use chargebook_domain::events::v1::{
    Dialect, Evidence, ExchangeReread, MeterSample, Quantity, Quirk, SessionMeterRecorded,
    StopMatch,
};
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
    read_again_as(world, stream, exchange, None)
}

fn read_again_as(
    world: &mut World,
    stream: &str,
    exchange: EventId,
    duplicate_of: Option<EventId>,
) -> EventId {
    let dialect: Dialect = [Quirk::NumbersAsStrings].into_iter().collect();
    let stream_of_exchange = STATION.to_owned();
    let fact = ExchangeReread { exchange, stream: stream_of_exchange, dialect, duplicate_of };
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
    // Numbers mean the same in strings.
    assert!(report.to_string().starts_with("PROVEN: invoice"), "{report}");
    let change = |reread: &mut Value| {
        reread["dialect"] = json!(["numbers_as_strings", "measurand_missing"]);
    };
    let report = verify(&session_with_reread_stop(change).bundle(), None).unwrap();
    assert_eq!(report.read_otherwise[0].quirks, [Quirk::MeasurandMissing].into_iter().collect());

    let check = |change: fn(&mut Value), expected: &str| {
        let refusal = refusal(&session_with_reread_stop(change).bundle());
        assert!(refusal.contains(expected), "{refusal}");
    };
    check(|reread| reread["dialect"] = json!([]), "the transaction is 17 in the fact and 0");
    check(|reread| reread["duplicate_of"] = reread["exchange"].clone(), "was a repeat");
    check(|reread| reread["stream"] = json!("station-2-2026-11"), "it belongs in station-2");
    let other = json!("0193a000-0000-7000-8000-000000000000");
    let change = |reread: &mut Value| reread["exchange"] = other.clone();
    let refusal = refusal(&session_with_reread_stop(change).bundle());
    assert!(refusal.contains("is not in the bundle"), "{refusal}");
}

#[test]
fn samples_that_only_a_repeat_brought_are_proven_and_nothing_else_of_it_is() {
    let mut world = World::default();
    let tariff = world.publish_tariff();
    world.start("10:00:00", 1_000);
    world.stop("10:30:00", 2_500);
    let stop = world.events.iter().rfind(|e| e.event_type == "exchange.recorded").unwrap().id;
    let exchange = refused_stop(&mut world, TRANSACTION);
    world.forge("exchange.recorded", 2, |stop| {
        let sampled = r#"{"timestamp":"2026-11-22T10:20:00Z","sampledValue":[{"value":"2000"}]}"#;
        let with_data = format!(r#""reason":"Local","transactionData":[{sampled}]"#);
        request(stop, r#""reason":"Local""#, &with_data);
    });
    read_again_as(&mut world, &session_stream(), exchange, Some(EventId(stop)));
    let evidence = Evidence {
        event_id: exchange,
        pointer: "/3/transactionData/0/sampledValue/0/value".to_owned(),
        raw: "\"2000\"".to_owned(),
    };
    let sample = MeterSample {
        sampled_at: at("10:20:00"),
        quantity: Quantity::EnergyImportRegisterWh,
        value: 2_000.into(),
        context: "Sample.Periodic".to_owned(),
        phase: None,
        evidence,
    };
    let samples = SessionMeterRecorded { samples: vec![sample], exchange };
    world.append(&session_stream(), at("11:00:00"), samples);
    let mut twice = world.clone();
    world.status("11:42:00", "Available");
    world.bill(tariff.clone());
    assert_eq!(verify(&world.bundle(), None).unwrap().samples, 1);

    twice.stop_fact(exchange, "10:30:00", 2_500, StopMatch::TransactionId);
    let raw = |stop: &mut Value| stop["meter_stop"]["evidence"]["raw"] = json!("\"2500\"");
    twice.forge("session.stopped", 1, raw);
    twice.status("11:42:00", "Available");
    twice.bill(tariff);
    let refusal = refusal(&twice.bundle());
    assert!(refusal.contains("the message was a repeat"), "{refusal}");
}

#[test]
fn a_message_with_a_card_that_is_a_number_is_proven_without_showing_it() {
    let mut world = World::default();
    let tariff = world.publish_tariff();
    world.charge();
    world.forge("exchange.recorded", 4, |stop| {
        // The hole takes the place of all of the number.
        request(stop, r#""idTag":""#, r#""idTag":"#);
        request(stop, r#"","meterStop""#, r#","meterStop""#);
        stop["dialect"] = json!(["numbers_as_strings"]);
    });
    world.bill(tariff);
    let report = verify(&world.bundle(), None).unwrap().to_string();
    assert!(report.contains(r#""idTag":"(sealed)","meterStop":2500"#), "{report}");
}

#[test]
fn a_message_that_was_read_again_twice_is_refused() {
    let mut world = session_with_reread_stop(|_| {});
    let exchange = world.events.iter().find(|e| e.stream == STATION).unwrap().id;
    read_again(&mut world, STATION, EventId(exchange));
    let refusal = refusal(&world.bundle());
    assert!(refusal.contains("was read again twice"), "{refusal}");
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

    // That event is held against the exchange as one in the session's own stream is.
    let mut elsewhere = world.clone();
    elsewhere.forge("exchange.reread", 0, |reread| reread["stream"] = json!("station-2-2026-11"));
    let refused = refusal(&elsewhere.bundle());
    assert!(refused.contains("it belongs in station-2"), "{refused}");

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
    let quirks = json!(["null_members", "decimal_comma", "unit_missing_is_kwh"]);
    let report = verify(&billed(quirks), None).unwrap();
    // Who reads the report sees which messages rest on the operator's word for the dialect.
    let exchange = report.frames[1].id;
    assert_eq!(report.read_otherwise.len(), 1);
    let text = report.to_string();
    assert!(text.starts_with("PROVEN, VALUES READ IN A DIALECT: invoice"), "{text}");
    let listed = format!(r#"{exchange}, leaf 3: ["decimal_comma","unit_missing_is_kwh"]"#);
    assert!(text.contains(&listed), "{text}");
    for quirks in [json!([]), json!(["decimal_comma"]), json!(["unit_missing_is_kwh"])] {
        let refusal = refusal(&billed(quirks.clone()));
        assert!(refusal.contains("a sample is"), "{quirks}: {refusal}");
    }
}
