//! Tariffs: immutable versions of OCPI tariffs. Their numbers never pass through a float: the
//! body goes on as the text it came as.

use crate::answer::{Page, Written, at_position, located};
use crate::problem::Problem;
use crate::request::{PathText, Query, Text, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chargebook_commands::registry::PublishedTariff;
use chargebook_domain::units::Timestamp;
use chargebook_projections::TariffVersion;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// A version of a tariff.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tariff {
    /// Its name in the API.
    id: String,
    /// Our own id of it, as in stream names.
    tariff_id: Uuid,
    /// The version, from 1.
    version: u64,
    /// Whether sessions that have no other tariff get this one.
    is_default: bool,
    /// When this version was published.
    #[schema(value_type = String, format = DateTime)]
    published_at: Timestamp,
    /// SHA-256 of the canonical text of `tariff`, in hexadecimal.
    content_sha256: String,
    /// The event that published this version.
    event_id: Uuid,
    /// Its position.
    position: u64,
    /// The OCPI 2.2.1 Tariff object, canonical.
    #[schema(value_type = Object)]
    tariff: Box<RawValue>,
}

/// What came of publishing a tariff.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Published {
    /// Its name in the API.
    id: String,
    /// The version in force now.
    version: u64,
    /// Whether that version is new; false where the content was the same.
    changed: bool,
    /// JSON pointers to members that OCPI 2.2.1 does not name: nothing is priced by them. They may
    /// be extensions, or misspelt.
    ignored: Vec<String>,
    /// Where the log stands with it, as in the header `Chargebook-Position`.
    position: u64,
}

/// Which version.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct VersionParameter {
    /// This version; the latest if absent.
    version: Option<u64>,
}

/// The latest version of every tariff, by id; one page holds all.
#[utoipa::path(
    get, path = "/v1/tariffs", tag = "tariffs", operation_id = "list_tariffs",
    params(WaitParameters),
    responses((status = 200, description = "The tariffs", body = Page<Tariff>)),
)]
pub(crate) async fn list(State(state): State<ApiState>) -> Result<Json<Page<Tariff>>, Problem> {
    let versions = state.read_models.list_tariffs().await?;
    let items = versions.into_iter().map(tariff).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(Page { items, next: None }))
}

/// One tariff.
#[utoipa::path(
    get, path = "/v1/tariffs/{id}", tag = "tariffs", operation_id = "get_tariff",
    params(
        ("id" = String, Path, description = "The tariff's id"),
        VersionParameter,
        WaitParameters,
    ),
    responses(
        (status = 200, description = "The tariff", body = Tariff),
        (status = 404, description = "No such tariff, or no such version", body = Problem),
    ),
)]
pub(crate) async fn get(
    State(state): State<ApiState>,
    PathText(id): PathText,
    Query(VersionParameter { version }): Query<VersionParameter>,
) -> Result<Json<Tariff>, Problem> {
    let found = state.found(|| state.read_models.tariff(&id, version)).await?;
    let found = found.ok_or_else(|| Problem::not_found(format!("no such tariff `{id}`")))?;
    Ok(Json(tariff(found)?))
}

/// Publishes a tariff: a new version of it, or nothing where the content is the same.
#[utoipa::path(
    put, path = "/v1/tariffs/{id}", tag = "tariffs", operation_id = "publish_tariff",
    params(("id" = String, Path, description = "The tariff's id")),
    request_body(content = Object, description = "An OCPI 2.2.1 Tariff object"),
    responses(
        (status = 201, description = "The tariff's first version", body = Published),
        (status = 200, description = "A new version, or the same content again", body = Published),
        (status = 422, description = "Not a tariff that can be rated by", body = Problem),
    ),
)]
pub(crate) async fn publish(
    State(state): State<ApiState>,
    PathText(id): PathText,
    Text(content): Text,
) -> Result<Response, Problem> {
    // Only to tell what is no JSON (400) from what is no tariff (422).
    crate::request::read_json::<Box<RawValue>>(&content)?;
    let _alone = state.alone_with("tariff", &id).await;
    let published = state.chargebook.registry().publish_tariff(&id, &content).await?;
    let PublishedTariff { registered, version, ignored } = published;
    let position = registered.position;
    let changed = registered.created;
    let is_first = changed && version == 1;
    let position_now = position.as_u64();
    let body = Published { id: id.clone(), version, changed, ignored, position: position_now };
    let body = Json(body);
    let answer = match is_first {
        true => {
            let location = located(&Written::path("/v1/tariffs", &id));
            (StatusCode::CREATED, location, body).into_response()
        }
        false => body.into_response(),
    };
    Ok(at_position(position, answer))
}

/// A version as the API shows it.
pub(super) fn tariff(row: TariffVersion) -> Result<Tariff, Problem> {
    let content = RawValue::from_string(row.content).map_err(|error| Problem::internal(&error))?;
    Ok(Tariff {
        id: row.id,
        tariff_id: row.tariff_id.0,
        version: row.version,
        is_default: row.is_default,
        published_at: row.published_at,
        content_sha256: row.content_sha256,
        event_id: row.event_id.0,
        position: row.position,
        tariff: content,
    })
}
