//! Reservations: places that stations keep for tokens. They are made and cancelled by commands.

use crate::answer::Page;
use crate::problem::Problem;
use crate::request::{PageParameters, Query, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use chargebook_domain::units::Timestamp;
use chargebook_projections::{
    Page as Listed, Reservation as ReservationRow, ReservationStatus as StatusRow,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// A place that a station keeps for a token, or kept. There is one from the moment on that the
/// station accepted it; a number that is used again names the newest.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Reservation {
    /// Its number at the station.
    #[schema(example = 7)]
    reservation_id: i32,
    /// The station's id.
    station: String,
    /// What became of it.
    status: Status,
    /// At which EVSE of a 2.x station; null is any one.
    evse: Option<u32>,
    /// At which connector of a 1.6 station; 0 is the whole station.
    connector: Option<u32>,
    /// For which token; null once erased.
    token: Option<String>,
    /// The group whose other tokens may use it too.
    group: Option<String>,
    /// Until when it is kept.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// When the station accepted it.
    #[schema(value_type = String, format = DateTime)]
    made_at: Timestamp,
    /// When it was used or ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// The command that made it.
    command: Uuid,
    /// The session that used it.
    session: Option<Uuid>,
    /// Position of its `reservation.made`.
    position: u64,
}

/// What became of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReservationStatus)]
pub(crate) enum Status {
    /// The station keeps the place.
    Active,
    /// A session that names it began.
    Used,
    /// The station accepted that it was cancelled.
    Cancelled,
    /// Its time is over.
    Expired,
    /// The station took it away.
    Removed,
    /// It was used, but no transaction began (2.1).
    NoTransaction,
}

impl From<StatusRow> for Status {
    fn from(status: StatusRow) -> Self {
        match status {
            StatusRow::Active => Self::Active,
            StatusRow::Used => Self::Used,
            StatusRow::Cancelled => Self::Cancelled,
            StatusRow::Expired => Self::Expired,
            StatusRow::Removed => Self::Removed,
            StatusRow::NoTransaction => Self::NoTransaction,
        }
    }
}

impl From<Status> for StatusRow {
    fn from(status: Status) -> Self {
        match status {
            Status::Active => Self::Active,
            Status::Used => Self::Used,
            Status::Cancelled => Self::Cancelled,
            Status::Expired => Self::Expired,
            Status::Removed => Self::Removed,
            Status::NoTransaction => Self::NoTransaction,
        }
    }
}

/// Which reservations.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReservationFilter {
    /// At this station, by its id.
    station: Option<String>,
    /// With this status.
    #[param(inline)]
    status: Option<Status>,
}

/// Reservations, the one that was made last first.
#[utoipa::path(
    get, path = "/v1/reservations", tag = "commands", operation_id = "list_reservations",
    params(ReservationFilter, PageParameters, WaitParameters),
    responses((status = 200, description = "A page", body = Page<Reservation>)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Query(filter): Query<ReservationFilter>,
    Query(page): Query<PageParameters>,
) -> Result<Json<Page<Reservation>>, Problem> {
    let now = state.now();
    let (station, status) = (filter.station.as_deref(), filter.status.map(StatusRow::from));
    let paging = page.paging()?;
    let listed = state.read_models.list_reservations(station, status, now, &paging).await?;
    let Listed { items: rows, next } = listed;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        items.push(reservation(&state, row).await);
    }
    Ok(Json(Page { items, next }))
}

async fn reservation(state: &ApiState, row: ReservationRow) -> Reservation {
    let group = match &row.group {
        Some(group) => state.opened(group).await,
        None => None,
    };
    Reservation {
        reservation_id: row.reservation_id.0,
        station: row.station.as_str().to_owned(),
        status: row.status.into(),
        evse: row.evse.map(|evse| evse.0),
        connector: row.connector.map(|connector| connector.0),
        token: state.opened(&row.token).await,
        group,
        expires_at: row.expires_at,
        made_at: row.made_at,
        ended_at: row.ended_at,
        command: row.command_id.0,
        session: row.session_id.map(|session| session.0),
        position: row.position,
    }
}
