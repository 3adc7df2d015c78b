//! What the bill of a 1.6 session rests on that the session before it has told: the register of
//! its stop, and nothing else that stands in that message.

use crate::world::{World, at, session_before, session_stream};
use crate::{refusal, request};
use chargebook_audit::verify;
use chargebook_domain::events::v1::{Evidence, MeterReading, SessionPreceded, StopMatch};
use chargebook_domain::ids::{EventId, SessionId};
use chargebook_domain::units::WattHours;
use serde_json::json;

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
    let stop = world.stop_frame(stream, "09:00:00", 20_000, 16);
    let begin = r#"{"value":"1000","context":"Transaction.Begin"}"#;
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
