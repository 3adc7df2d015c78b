//! A connector that goes on sending readings after its session, whose stop is lost.

use crate::reviews::becomes;
use crate::support::{Service, meter_at, start_at, status};
use chargebook_commands::message::StationMessage;
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
