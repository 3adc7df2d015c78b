//! What a connector says of a session that it names no transaction of: while nothing goes on any
//! more, and after the next one has begun.

use crate::reviews::becomes;
use crate::support::{Service, meter_at, start_at, status, stop_at};
use chargebook_commands::message::StationMessage;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::Outcome;

/// 4 kWh at 0.40 plus 1.00 flat, 19 % VAT.
const BILL_MINOR: i64 = 309;

/// The station was cut off: no stop. Then it reads its meter by the clock, more often than a
/// session is waited for.
async fn idle(is_free: bool, context: &str) -> Service {
    let service = Service::start().await;
    let mut station = service.station("CP-1").await;
    let id = station.start(start_at(1, "2026-11-22T12:00:00Z", 1_000)).await;
    let meter = meter_at(1, Some(id), "2026-11-22T12:00:30Z", 5_000);
    station.say(StationMessage::Meter(meter)).await;
    service.pass(60);
    if is_free {
        let free = status(1, "Available", "2026-11-22T12:01:00Z");
        station.say(StationMessage::Status(free)).await;
    }
    for clock in ["12:01:30", "12:02:00", "12:02:30", "12:03:00", "12:03:30"] {
        service.pass(30);
        let mut meter = meter_at(1, None, &format!("2026-11-22T{clock}Z"), 5_000);
        meter.samples[0].sample.context = context.to_owned();
        station.say(StationMessage::Meter(meter)).await;
    }
    service
}

#[tokio::test]
async fn readings_of_an_idle_connector_keep_no_bill_waiting() {
    for context in ["Sample.Clock", "Sample.Periodic"] {
        let service = idle(true, context).await;
        becomes(&service, Outcome::Invoiced, None).await;
        service.settled_bill(BILL_MINOR).await;
    }
}

#[tokio::test]
async fn readings_by_the_clock_that_stand_still_keep_no_review_waiting() {
    let service = idle(false, "Sample.Clock").await;
    becomes(&service, Outcome::NeedsReview, Some("stop_missing")).await;
}

/// Time at 6.00 an hour; no VAT.
const TIME_TARIFF: &str = r#"{"id":"M","currency":"EUR","elements":[{"price_components":[
    {"type":"TIME","price":6,"step_size":60}]}]}"#;

/// The charger was faulty for 40 minutes of the hour. What it says of that is told before the next
/// session begins, or from a queue after it.
#[tokio::test]
async fn what_a_connector_says_of_a_session_counts_though_the_next_one_has_begun() {
    for is_late in [false, true] {
        let service = Service::start().await;
        let registry = service.chargebook.registry();
        registry.publish_tariff("M", TIME_TARIFF).await.unwrap();
        service.pass(1);
        registry.set_default_tariff("M").await.unwrap();
        service.pass(3 * 3_600);
        let mut station = service.station("CP-1").await;
        let clock = |text: &str| format!("2026-11-22T{text}:00Z");
        let id = station.start(start_at(1, &clock("13:00"), 1_000)).await;
        let stop = StationMessage::Stop(stop_at(id, &clock("14:00"), 6_000));
        let next = start_at(1, &clock("14:30"), 6_000);
        let faulted = StationMessage::Status(status(1, "Faulted", &clock("13:10")));
        let charging = StationMessage::Status(status(1, "Charging", &clock("13:50")));
        let meter = StationMessage::Meter(meter_at(1, None, &clock("13:55"), 5_500));
        if is_late {
            station.say(stop).await;
            station.start(next).await;
            for word in [faulted, charging, meter] {
                station.say(word).await;
            }
        } else {
            for word in [faulted, charging, meter, stop] {
                station.say(word).await;
            }
            station.start(next).await;
        }
        service.settled_bill(200).await;
        let read = service.facts(|event| match event {
            Event::SessionMeterRecorded(fact) => Some(fact.samples.len()),
            _ => None,
        });
        assert_eq!(read.await, [1], "late: {is_late}");
    }
}
