//! Whether the server lives, whether it can be used, and what it counts.

use crate::problem::Problem;
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use chargebook_commands::Chargebook;
use chargebook_store::{Append, EventStore, ExpectedVersion, NewEvent, Position};
use serde::Serialize;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use utoipa::ToSchema;

/// How long the log may take to answer before it counts as down.
const PROBE_MAX: Duration = Duration::from_secs(2);
/// How long an answer of the log is believed, so that asking often costs it nothing.
const PROBE_VALID: Duration = Duration::from_secs(1);
/// Prometheus' text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What readiness rests on.
pub(crate) struct Readiness {
    /// Where the log stood when the server began.
    head_at_start: Position,
    last_probe: Mutex<Option<(Instant, bool)>>,
}

impl Readiness {
    pub(crate) fn new(chargebook: &Chargebook) -> Self {
        let head_at_start = *chargebook.journal().store().head().borrow();
        Self { head_at_start, last_probe: Mutex::new(None) }
    }

    async fn log_answers(&self, store: &dyn EventStore) -> bool {
        let mut last = self.last_probe.lock().await;
        if let Some((at, answered)) = *last
            && at.elapsed() < PROBE_VALID
        {
            return answered;
        }
        let answered = tokio::time::timeout(PROBE_MAX, probe(store)).await == Ok(Some(()));
        *last = Some((Instant::now(), answered));
        answered
    }
}

/// Hands the writer the first event of the log once more: it answers that it has it, and writes
/// nothing.
async fn probe(store: &dyn EventStore) -> Option<()> {
    let first = store.read_all(Position::START, 1).await.ok()?.pop()?;
    let event = NewEvent {
        id: first.id,
        event_type: first.event_type,
        schema_version: first.schema_version,
        recorded_at: first.recorded_at,
        data: first.data,
        meta: first.meta,
        keys: Vec::new(),
    };
    let append =
        Append { stream: first.stream, expected: ExpectedVersion::NoStream, events: vec![event] };
    store.append(append).await.ok().filter(|appended| appended.already).map(drop)
}

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `live` or `ready`.
    status: &'static str,
}

/// The process answers.
#[utoipa::path(
    get, path = "/health/live", tag = "server", security(()),
    responses((status = 200, description = "It lives", body = Health)),
)]
pub(crate) async fn live() -> Json<Health> {
    Json(Health { status: "live" })
}

/// The read models have caught up since the start, and the log takes writes.
#[utoipa::path(
    get, path = "/health/ready", tag = "server", security(()),
    responses(
        (status = 200, description = "It can be used", body = Health),
        (status = 503, description = "Not yet, or not any more", body = Problem),
    ),
)]
pub(crate) async fn ready(State(state): State<ApiState>) -> Result<Json<Health>, Problem> {
    if state.shutdown.is_cancelled() {
        return Err(Problem::unavailable("the server is ending"));
    }
    let reached = *state.read_models.position().borrow();
    let begin = state.readiness.head_at_start;
    if reached < begin {
        let detail = format!("the read models stand at {reached}, the log stood at {begin}");
        return Err(Problem::unavailable(detail));
    }
    match state.readiness.log_answers(state.chargebook.journal().store().as_ref()).await {
        true => Ok(Json(Health { status: "ready" })),
        false => Err(Problem::unavailable("the log takes no writes")),
    }
}

/// Counters and histograms in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "server", security(()),
    responses(
        (status = 200, description = "The metrics", content_type = "text/plain", body = String),
    ),
)]
pub(crate) async fn metrics(State(state): State<ApiState>) -> impl IntoResponse {
    let text = state.metrics.as_ref().map(|metrics| metrics.render()).unwrap_or_default();
    ([(CONTENT_TYPE, EXPOSITION)], text)
}
