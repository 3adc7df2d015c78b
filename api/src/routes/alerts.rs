//! Alerts: what is wrong at stations, or was; and that somebody has seen it.

use super::device_model::{Component, NameOfVariable};
use crate::answer::{Page, Written};
use crate::problem::Problem;
use crate::request::{Body, PageParameters, PathText, Query, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chargebook_commands::alert::Acknowledgement;
use chargebook_domain::ids::AlertId;
use chargebook_domain::sealed::SealedText;
use chargebook_domain::units::Timestamp;
use chargebook_projections::{
    Alert as AlertRow, AlertSource as SourceRow, AlertStatus as StatusRow, Page as Listed,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Something that is wrong at a station, or was. One thing that is wrong is one alert, however
/// often the station says it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alert {
    /// Its id.
    id: Uuid,
    /// The station's id.
    station: String,
    /// What it is about.
    source: Source,
    /// What is wrong: an error code, a variable's name, a status, a kind of security event.
    #[schema(example = "GroundFailure")]
    kind: String,
    /// How it stands.
    status: Status,
    /// At which EVSE of a 2.x station.
    evse: Option<u32>,
    /// At which connector; at a 1.6 station, 0 is the station itself.
    connector: Option<u32>,
    /// Of which component (2.x).
    component: Option<Component>,
    /// Which of its variables tells (2.x).
    variable: Option<NameOfVariable>,
    /// What that variable was, the last time; null once erased.
    value: Option<String>,
    /// From 0 (danger) to 9 (debugging), where the station says (2.1).
    severity: Option<u8>,
    /// The monitor that noticed it (2.x).
    monitor: Option<i64>,
    /// The transaction that it is about, in the station's word (2.x).
    transaction: Option<String>,
    /// The station's own number of it, the last time (`eventId`, 2.x).
    station_event: Option<i64>,
    /// The number of the station's event that brought it about (2.x).
    cause: Option<i64>,
    /// The maker's code for it.
    technical_code: Option<String>,
    /// In words, where there are any; null once erased.
    detail: Option<String>,
    /// When it was first so, by the clock of whoever saw it.
    #[schema(value_type = String, format = DateTime)]
    began_at: Timestamp,
    /// When we first heard of it.
    #[schema(value_type = String, format = DateTime)]
    raised_at: Timestamp,
    /// When we last heard of it.
    #[schema(value_type = String, format = DateTime)]
    repeated_at: Timestamp,
    /// How often we have heard of it.
    occurrences: u32,
    /// When we heard that it is right again.
    #[schema(value_type = Option<String>, format = DateTime)]
    cleared_at: Option<Timestamp>,
    /// When somebody said that they have seen it.
    #[schema(value_type = Option<String>, format = DateTime)]
    acknowledged_at: Option<Timestamp>,
    /// Who.
    acknowledged_by: Option<String>,
    /// What they had to say to it.
    note: Option<String>,
    /// Position of the event that raised it.
    position: u64,
}

/// What an alert is about.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AlertSource)]
pub(crate) enum Source {
    /// A component of a 2.x station (NotifyEvent).
    Component,
    /// A connector, or at a 1.6 station the station itself (StatusNotification).
    Connector,
    /// The grid, as a control for it has met with it at a 2.1 station (NotifyDERAlarm): what is
    /// wrong with it is the kind, and the kind of control the technical code.
    Grid,
    /// An update of the firmware.
    Firmware,
    /// An upload of diagnostics.
    Diagnostics,
    /// An upload of a log.
    Log,
    /// Security, as the station or we have seen it: a moment, which never clears by itself.
    Security,
}

/// How an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AlertStatus)]
pub(crate) enum Status {
    /// Something is wrong, and nobody has said that they have seen it.
    Raised,
    /// Somebody has seen it.
    Acknowledged,
    /// It is right again.
    Cleared,
}

impl From<SourceRow> for Source {
    fn from(source: SourceRow) -> Self {
        match source {
            SourceRow::Component => Self::Component,
            SourceRow::Connector => Self::Connector,
            SourceRow::Grid => Self::Grid,
            SourceRow::Firmware => Self::Firmware,
            SourceRow::Diagnostics => Self::Diagnostics,
            SourceRow::Log => Self::Log,
            SourceRow::Security => Self::Security,
        }
    }
}

impl From<StatusRow> for Status {
    fn from(status: StatusRow) -> Self {
        match status {
            StatusRow::Raised => Self::Raised,
            StatusRow::Acknowledged => Self::Acknowledged,
            StatusRow::Cleared => Self::Cleared,
        }
    }
}

impl From<Status> for StatusRow {
    fn from(status: Status) -> Self {
        match status {
            Status::Raised => Self::Raised,
            Status::Acknowledged => Self::Acknowledged,
            Status::Cleared => Self::Cleared,
        }
    }
}

/// Which alerts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AlertFilter {
    /// At this station, by its id.
    station: Option<String>,
    /// With this status.
    #[param(inline)]
    status: Option<Status>,
}

/// Alerts, the one that was raised last first.
#[utoipa::path(
    get, path = "/v1/alerts", tag = "stations", operation_id = "list_alerts",
    params(AlertFilter, PageParameters, WaitParameters),
    responses((status = 200, description = "A page", body = Page<Alert>)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Query(filter): Query<AlertFilter>,
    Query(page): Query<PageParameters>,
) -> Result<Json<Page<Alert>>, Problem> {
    let (station, status) = (filter.station.as_deref(), filter.status.map(StatusRow::from));
    let listed = state.read_models.list_alerts(station, status, &page.paging()?).await?;
    let Listed { items: rows, next } = listed;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        items.push(alert(&state, row).await);
    }
    Ok(Json(Page { items, next }))
}

/// One alert.
#[utoipa::path(
    get, path = "/v1/alerts/{id}", tag = "stations", operation_id = "get_alert",
    params(("id" = Uuid, Path, description = "The alert's id"), WaitParameters),
    responses(
        (status = 200, description = "The alert", body = Alert),
        (status = 404, description = "No such alert", body = Problem),
    ),
)]
pub(crate) async fn get(
    State(state): State<ApiState>,
    PathText(id): PathText,
) -> Result<Json<Alert>, Problem> {
    let row = found(&state, &id).await?;
    Ok(Json(alert(&state, row).await))
}

/// That somebody has seen an alert.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertAcknowledgement {
    /// Who, in 1 to 100 characters; kept sealed.
    #[schema(example = "Kim, control room")]
    acknowledged_by: String,
    /// What they have to say to it, in 1 to 500 characters; kept sealed.
    #[schema(example = "technician is on the way")]
    note: Option<String>,
}

/// Says that somebody has seen an alert. The first one who says so stands with it.
#[utoipa::path(
    post, path = "/v1/alerts/{id}/acknowledge", tag = "stations", operation_id = "acknowledge_alert",
    params(("id" = Uuid, Path, description = "The alert's id")),
    request_body = AlertAcknowledgement,
    responses(
        (status = 200, description = "Acknowledged, now or before", body = Written),
        (status = 404, description = "No such alert", body = Problem),
        (status = 422, description = "Nobody is named", body = Problem),
    ),
)]
pub(crate) async fn acknowledge(
    State(state): State<ApiState>,
    PathText(id): PathText,
    Body(body): Body<AlertAcknowledgement>,
) -> Result<Response, Problem> {
    let row = found(&state, &id).await?;
    if row.acknowledged_at.is_some() {
        return Ok(Written::changed(false, state.head(), &id));
    }
    let AlertAcknowledgement { acknowledged_by, note } = body;
    let acknowledgement = Acknowledgement { acknowledged_by, note };
    let station = row.station.as_str();
    let acknowledged = state
        .chargebook
        .acknowledge_alert(station, row.station_id, row.alert_id, &acknowledgement)
        .await?;
    Ok(Written::changed(acknowledged.created, acknowledged.position, &id))
}

async fn found(state: &ApiState, id: &str) -> Result<AlertRow, Problem> {
    let unknown = || Problem::not_found(format!("no alert `{id}`"));
    let alert_id: AlertId = id.parse().map_err(|_| unknown())?;
    state.found(|| state.read_models.alert(alert_id)).await?.ok_or_else(unknown)
}

async fn alert(state: &ApiState, row: AlertRow) -> Alert {
    let detail = opened(state, row.detail.as_ref()).await;
    let acknowledged_by = opened(state, row.acknowledged_by.as_ref()).await;
    let note = opened(state, row.note.as_ref()).await;
    let value = opened(state, row.reported.as_ref().map(|reported| &reported.value)).await;
    let mut alert = Alert {
        id: row.alert_id.0,
        station: row.station.as_str().to_owned(),
        source: row.source.into(),
        kind: row.kind,
        status: row.status.into(),
        evse: row.evse.map(|evse| evse.0),
        connector: row.connector.map(|connector| connector.0),
        component: None,
        variable: None,
        value,
        severity: None,
        monitor: None,
        transaction: None,
        station_event: None,
        cause: None,
        technical_code: row.technical_code,
        detail,
        began_at: row.began_at,
        raised_at: row.raised_at,
        repeated_at: row.repeated_at,
        occurrences: row.occurrences,
        cleared_at: row.cleared_at,
        acknowledged_at: row.acknowledged_at,
        acknowledged_by,
        note,
        position: row.position,
    };
    if let Some(reported) = row.reported {
        alert.component = Some(reported.component.into());
        alert.variable = Some(reported.variable.into());
        alert.severity = reported.severity;
        alert.monitor = reported.monitor;
        alert.transaction = reported.transaction.map(|name| name.to_string());
        alert.station_event = Some(reported.number);
        alert.cause = reported.cause;
    }
    alert
}

async fn opened(state: &ApiState, text: Option<&SealedText>) -> Option<String> {
    state.opened(text?).await
}
