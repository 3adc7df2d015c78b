//! What 2.x payloads say of monitors and of the streams that periodic ones are told by.

use super::device_model::{component, variable_name};
use crate::payload::Payload;
use chargebook_commands::message::{MonitoringNews, StreamReport};
use chargebook_domain::events::v1::{EventStream, EventStreamRate, Monitor};
use chargebook_domain::units::Timestamp;
use chrono::TimeDelta;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// The monitors that a NotifyMonitoringReport tells of (MonitoringDataType).
pub(super) fn reported(payload: &Payload<'_, '_>) -> Option<MonitoringNews> {
    let mut monitors = Vec::new();
    for data in payload.objects("monitor") {
        for told in data.objects("variableMonitoring") {
            let number = told.integer("id")?;
            let origin = told.text("eventNotificationType");
            monitors.push(Monitor { origin, ..monitor(number, &data, &told)? });
        }
    }
    Some(MonitoringNews::MonitorsTold(monitors))
}

/// A monitor of a variable that `of` names, as `told`; whose it is, is not said.
pub(crate) fn monitor(
    number: i64,
    of: &Payload<'_, '_>,
    told: &Payload<'_, '_>,
) -> Option<Monitor> {
    Some(Monitor {
        number,
        component: component(of)?,
        variable: variable_name(of)?,
        kind: told.text("type")?,
        value: told.decimal("value")?,
        severity: told.integer("severity")?,
        in_transactions_only: told.boolean("transaction").unwrap_or(false),
        origin: None,
    })
}

/// A stream that an OpenPeriodicEventStream opens.
pub(super) fn opened(payload: &Payload<'_, '_>) -> Option<MonitoringNews> {
    let streams = vec![stream(&payload.object("constantStreamData")?)?];
    Some(MonitoringNews::StreamsTold { streams, are_all: false })
}

/// A stream (ConstantStreamDataType).
pub(crate) fn stream(data: &Payload<'_, '_>) -> Option<EventStream> {
    Some(EventStream {
        number: data.integer("id")?,
        monitor: data.integer("variableMonitoringId")?,
        rate: rate(&data.object("params")?),
    })
}

/// How often a stream is told (PeriodicEventStreamParamsType).
pub(crate) fn rate(params: &Payload<'_, '_>) -> EventStreamRate {
    EventStreamRate {
        interval_seconds: params.integer("interval"),
        values: params.integer("values"),
    }
}

/// What a NotifyPeriodicEventStream tells; times count from a base (StreamDataElementType).
pub(super) fn continued(payload: &Payload<'_, '_>) -> Option<MonitoringNews> {
    let base = payload.time("basetime")?;
    let last = payload.objects("data").last()?;
    let values = u32::try_from(payload.objects("data").count()).ok()?;
    let after = last.decimal("t").and_then(milliseconds).unwrap_or_default();
    Some(MonitoringNews::StreamContinued(StreamReport {
        number: payload.integer("id")?,
        values,
        last: last.text("v")?,
        last_at: base.utc().checked_add_signed(after).map_or(base, Timestamp::new),
        pending: payload.integer("pending").unwrap_or_default(),
    }))
}

/// Seconds with fractions.
fn milliseconds(seconds: Decimal) -> Option<TimeDelta> {
    let milliseconds = seconds.checked_mul(Decimal::ONE_THOUSAND)?.to_i64()?;
    TimeDelta::try_milliseconds(milliseconds)
}
