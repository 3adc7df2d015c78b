//! What stations watch of their variables, and the streams that they tell what they see by.

use super::device_model::{Component, NameOfVariable};
use super::stations::no_station;
use crate::answer::Exact;
use crate::problem::Problem;
use crate::request::{PathText, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use chargebook_domain::monitoring::{KnownMonitor, Monitoring, OpenStream};
use chargebook_domain::units::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// What a station watches of its variables, as it has accepted and reported it (OCPP 2.x).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Monitors {
    /// The maker's set of monitors that the station last went back to (`SetMonitoringBase`):
    /// `All`, `FactoryDefault`, `HardWiredOnly`; null where it was never asked to.
    #[schema(example = "FactoryDefault")]
    base: Option<String>,
    /// When it did, by our clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    base_set_at: Option<Timestamp>,
    /// The monitors that it has, by their numbers.
    monitors: Vec<Monitor>,
    /// The streams that it tells periodic monitors' values by (2.1), by their numbers.
    event_streams: Vec<EventStream>,
}

/// Something that a station watches of a variable.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Monitor {
    /// The station's number of it.
    id: i64,
    /// Of which component.
    component: Component,
    /// Which of its variables.
    variable: NameOfVariable,
    /// What it waits for: `UpperThreshold`, `LowerThreshold`, `Delta`, `Periodic`, ….
    #[serde(rename = "type")]
    #[schema(example = "UpperThreshold")]
    kind: String,
    /// The threshold or the difference, in the variable's unit, or the interval in seconds.
    value: Exact,
    /// From 0 (danger) to 9 (debugging).
    severity: u8,
    /// Whether it watches only while a transaction goes on.
    transaction: bool,
    /// Who made it: `HardWiredMonitor`, `PreconfiguredMonitor`, `CustomMonitor`; null where the
    /// station does not say.
    #[schema(example = "CustomMonitor")]
    origin: Option<String>,
    /// When the station last said that it has it, by our clock.
    #[schema(value_type = String, format = DateTime)]
    told_at: Timestamp,
}

/// A stream of what a periodic monitor sees.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventStream {
    /// The station's number of it.
    id: i64,
    /// The monitor's number.
    monitor: i64,
    /// It is told after so long, in seconds.
    interval_seconds: Option<u32>,
    /// It is told once there are so many values.
    values: Option<u32>,
    /// When the station said that it is open, by our clock.
    #[schema(value_type = String, format = DateTime)]
    told_at: Timestamp,
    /// The last value that it told; null where there is none, or it is erased.
    last_value: Option<String>,
    /// When that was so, by the station's clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_at: Option<Timestamp>,
    /// How many values waited at the station then. Where that grows, the stream is too slow.
    pending: Option<u32>,
}

/// What a station watches of its variables: the monitors that it has set when it was asked to
/// (`SetVariableMonitoring`) or has reported (`GetMonitoringReport`), less those that it has
/// cleared, and the streams that it tells their values by. A report of all monitors replaces what
/// was known before; a base that takes monitors off takes them off here.
#[utoipa::path(
    get, path = "/v1/stations/{id}/monitors", tag = "stations", operation_id = "get_monitors",
    params(("id" = String, Path, description = "The station's id"), WaitParameters),
    responses(
        (status = 200, description = "The monitors", body = Monitors),
        (status = 404, description = "No such station", body = Problem),
    ),
)]
pub(crate) async fn get(
    State(state): State<ApiState>,
    PathText(id): PathText,
) -> Result<Json<Monitors>, Problem> {
    let known = state.found(|| state.read_models.monitoring(&id)).await?;
    let Monitoring { base, mut monitors, mut streams } = known.ok_or_else(|| no_station(&id))?;
    monitors.sort_by_key(|known| known.monitor.number);
    streams.sort_by_key(|open| open.stream.number);
    let mut event_streams = Vec::with_capacity(streams.len());
    for open in streams {
        event_streams.push(event_stream(&state, open).await);
    }
    let base_set_at = base.as_ref().map(|base| base.set_at);
    Ok(Json(Monitors {
        base: base.map(|base| base.base),
        base_set_at,
        monitors: monitors.into_iter().map(Monitor::from).collect(),
        event_streams,
    }))
}

impl From<KnownMonitor> for Monitor {
    fn from(known: KnownMonitor) -> Self {
        let KnownMonitor { monitor, told_at, .. } = known;
        Self {
            id: monitor.number,
            component: monitor.component.into(),
            variable: monitor.variable.into(),
            kind: monitor.kind,
            value: Exact(monitor.value),
            severity: monitor.severity,
            transaction: monitor.in_transactions_only,
            origin: monitor.origin,
            told_at,
        }
    }
}

async fn event_stream(state: &ApiState, open: OpenStream) -> EventStream {
    let OpenStream { stream, told_at, last } = open;
    let last_value = match &last {
        Some(last) => state.opened(&last.value).await,
        None => None,
    };
    EventStream {
        id: stream.number,
        monitor: stream.monitor,
        interval_seconds: stream.rate.interval_seconds,
        values: stream.rate.values,
        told_at,
        last_value,
        last_at: last.as_ref().map(|last| last.at),
        pending: last.map(|last| last.pending),
    }
}
