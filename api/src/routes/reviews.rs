//! What a person has to look at.

use super::sessions::{Session, page_of};
use crate::answer::Page;
use crate::problem::Problem;
use crate::request::{PageParameters, Query, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use chargebook_domain::events::v1::{Outcome, SeenBy};
use chargebook_domain::units::Timestamp;
use chargebook_projections::SecurityEvent as SecurityEventRow;
use chargebook_projections::{ParkedEvent as ParkedEventRow, SessionFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// The sessions that nobody can bill without a person: what is wrong (`reason`, `detail`), who
/// has to look (`owner`), and what would resolve it (`resolved_by`).
#[utoipa::path(
    get, path = "/v1/reviews", tag = "sessions", operation_id = "list_reviews",
    params(PageParameters, WaitParameters),
    responses((status = 200, description = "A page", body = Page<Session>)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Query(page): Query<PageParameters>,
) -> Result<Json<Page<Session>>, Problem> {
    let filter = SessionFilter { outcome: Some(Outcome::NeedsReview), ..SessionFilter::default() };
    page_of(&state, &filter, &page).await.map(Json)
}

/// Something that a careful person would want to know about a station's security.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SecurityEvent {
    /// Its position.
    position: u64,
    /// The station's id.
    station: Option<String>,
    /// The station's event type, or ours: `foreign_transaction`, ….
    #[schema(example = "foreign_transaction")]
    kind: String,
    /// Who saw it: `station`, `system`.
    #[schema(example = "system")]
    seen_by: &'static str,
    /// The station's time, or ours.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Our clock.
    #[schema(value_type = String, format = DateTime)]
    recorded_at: Timestamp,
    /// In words.
    detail: Option<String>,
    /// The exchange that showed it.
    exchange: Option<Uuid>,
}

/// Which security events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SecurityParameters {
    /// Of this station, by its id.
    station: Option<String>,
}

/// Security events, newest first.
#[utoipa::path(
    get, path = "/v1/security-events", tag = "stations", operation_id = "list_security_events",
    params(SecurityParameters, PageParameters, WaitParameters),
    responses((status = 200, description = "A page", body = Page<SecurityEvent>)),
)]
pub(crate) async fn list_security_events(
    State(state): State<ApiState>,
    Query(parameters): Query<SecurityParameters>,
    Query(page): Query<PageParameters>,
) -> Result<Json<Page<SecurityEvent>>, Problem> {
    let station = parameters.station.as_deref();
    let page = state.read_models.list_security_events(station, &page.paging()?).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(security_event(&state, row).await);
    }
    Ok(Json(Page { items, next: page.next }))
}

async fn security_event(state: &ApiState, row: SecurityEventRow) -> SecurityEvent {
    let detail = match &row.detail {
        Some(detail) => state.opened(detail).await,
        None => None,
    };
    SecurityEvent {
        position: row.position,
        station: row.station.map(|station| station.as_str().to_owned()),
        kind: row.kind,
        seen_by: match row.seen_by {
            SeenBy::Station => "station",
            SeenBy::System => "system",
        },
        at: row.at,
        recorded_at: row.recorded_at,
        detail,
        exchange: row.exchange.map(|exchange| exchange.0),
    }
}

/// An event that the read models could not take in. It is in the log all the same.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ParkedEvent {
    /// Its position.
    position: u64,
    /// Its id.
    event_id: Uuid,
    /// Its stream.
    stream: String,
    /// Its type.
    #[serde(rename = "type")]
    event_type: String,
    /// Its schema version.
    schema_version: u32,
    /// Why.
    reason: String,
}

impl From<ParkedEventRow> for ParkedEvent {
    fn from(row: ParkedEventRow) -> Self {
        Self {
            position: row.position,
            event_id: row.event_id.0,
            stream: row.stream,
            event_type: row.event_type,
            schema_version: row.schema_version,
            reason: row.reason,
        }
    }
}

/// What the read models could not take in, newest first.
#[utoipa::path(
    get, path = "/v1/parked-events", tag = "log", operation_id = "list_parked_events",
    params(PageParameters, WaitParameters),
    responses((status = 200, description = "A page", body = Page<ParkedEvent>)),
)]
pub(crate) async fn list_parked_events(
    State(state): State<ApiState>,
    Query(page): Query<PageParameters>,
) -> Result<Json<Page<ParkedEvent>>, Problem> {
    let page = state.read_models.list_parked_events(&page.paging()?).await?;
    let items = page.items.into_iter().map(ParkedEvent::from).collect();
    Ok(Json(Page { items, next: page.next }))
}
