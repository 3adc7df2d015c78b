//! What a person has to look at.

use super::sessions::{self, Session, Settlement};
use crate::answer::{Exact, Page};
use crate::problem::Problem;
use crate::request::{PageParameters, Query, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use chargebook_domain::events::v1::SeenBy;
use chargebook_domain::session::EARLY_PAYMENT_REVIEW;
use chargebook_domain::units::Timestamp;
use chargebook_projections::{
    EarlyPayment as EarlyPaymentRow, OrphanStop as OrphanStopRow, Page as Listed,
    ParkedEvent as ParkedEventRow, Review as ReviewRow, SecurityEvent as SecurityEventRow,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Something that a person has to look at: what is wrong (`reason`, `detail`), who has to look
/// (`owner`), and what would resolve it (`resolved_by`).
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Review {
    /// A session that nobody can bill without a person.
    Session(Box<Session>),
    /// A stop whose session is not known.
    OrphanStop(OrphanStop),
    /// A payment whose session is not known.
    EarlyPayment(Box<EarlyPayment>),
}

/// A payment that was taken at a station's terminal (OCPP 2.1) for a transaction of which nothing
/// has come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EarlyPayment {
    /// The exchange that brought it.
    id: Uuid,
    /// Where, by the station's id.
    station: String,
    /// The transaction id that it names.
    transaction_id: String,
    /// What the station says of it.
    settlement: Settlement,
    /// Our clock.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// A word for why it has to be looked at.
    #[schema(example = "transaction_missing")]
    reason: &'static str,
    /// In words, for a person.
    detail: &'static str,
    /// Who has to look at it.
    owner: &'static str,
    /// What would resolve it.
    resolved_by: &'static str,
    /// Position of its `station.payment_told`.
    position: u64,
}

/// A stop whose session is not known: nobody is billed for it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrphanStop {
    /// The exchange that brought it.
    id: Uuid,
    /// Where, by the station's id. The stop does not say at which connector.
    station: String,
    /// The transaction id that it names.
    transaction_id: i32,
    /// What the driver presented, where the station says; null once erased.
    token: Option<String>,
    /// The register that it gives, in Wh.
    register_stop_wh: Exact,
    /// When it ended, by the station's clock.
    #[schema(value_type = String, format = DateTime)]
    stopped_at: Timestamp,
    /// Our clock.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// The station's word for why it ended; `Local` where it gave none.
    stop_reason: String,
    /// A word for why it has to be looked at.
    #[schema(example = "start_missing")]
    reason: &'static str,
    /// In words, for a person.
    detail: &'static str,
    /// Who has to look at it.
    owner: &'static str,
    /// What would resolve it.
    resolved_by: &'static str,
    /// Position of its `station.orphan_recorded`.
    position: u64,
}

/// Everything that waits for a person, the one that came up last first: sessions in doubt; stops
/// and payments that found no session.
#[utoipa::path(
    get, path = "/v1/reviews", tag = "sessions", operation_id = "list_reviews",
    params(PageParameters, WaitParameters),
    responses((status = 200, description = "A page", body = Page<Review>)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Query(page): Query<PageParameters>,
) -> Result<Json<Page<Review>>, Problem> {
    let Listed { items, next } = state.read_models.list_reviews(&page.paging()?).await?;
    let mut reviews = Vec::with_capacity(items.len());
    for item in items {
        reviews.push(match item {
            ReviewRow::Session(row) => {
                Review::Session(Box::new(sessions::session_of(&state, *row).await?))
            }
            ReviewRow::OrphanStop(row) => Review::OrphanStop(orphan_stop(&state, row).await),
            ReviewRow::EarlyPayment(row) => {
                Review::EarlyPayment(Box::new(early_payment(&state, *row).await))
            }
        });
    }
    Ok(Json(Page { items: reviews, next }))
}

async fn orphan_stop(state: &ApiState, row: OrphanStopRow) -> OrphanStop {
    let token = match &row.token {
        Some(token) => state.opened(token).await,
        None => None,
    };
    let review = row.review();
    OrphanStop {
        id: row.exchange.0,
        station: row.station.as_str().to_owned(),
        transaction_id: row.transaction_id.0,
        token,
        register_stop_wh: Exact(row.register_stop_wh.0),
        stopped_at: row.stopped_at,
        received_at: row.received_at,
        stop_reason: row.stop_reason.unwrap_or_else(|| "Local".to_owned()),
        reason: review.reason,
        detail: review.detail,
        owner: "operator",
        resolved_by: review.resolved_by,
        position: row.position,
    }
}

async fn early_payment(state: &ApiState, row: EarlyPaymentRow) -> EarlyPayment {
    let review = EARLY_PAYMENT_REVIEW;
    EarlyPayment {
        id: row.exchange.0,
        station: row.station.as_str().to_owned(),
        transaction_id: row.transaction_id.to_string(),
        settlement: sessions::settlement(state, &row.payment).await,
        received_at: row.received_at,
        reason: review.reason,
        detail: review.detail,
        owner: "operator",
        resolved_by: review.resolved_by,
        position: row.position,
    }
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
