//! Settings of the whole log.

use super::tariffs::{Tariff, tariff};
use crate::answer::Written;
use crate::problem::Problem;
use crate::request::{Body, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

/// Which tariff is the default one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DefaultTariff {
    /// A published tariff, by its id.
    tariff: String,
}

/// The tariff of sessions that have no other.
#[utoipa::path(
    get, path = "/v1/settings/default-tariff", tag = "tariffs",
    operation_id = "get_default_tariff",
    params(WaitParameters),
    responses(
        (status = 200, description = "Its latest version", body = Tariff),
        (status = 404, description = "None is set", body = Problem),
    ),
)]
pub(crate) async fn default_tariff(State(state): State<ApiState>) -> Result<Json<Tariff>, Problem> {
    let found = state.found(|| state.read_models.default_tariff()).await?;
    let found = found.ok_or_else(|| Problem::not_found("no default tariff is set"))?;
    Ok(Json(tariff(found)?))
}

/// Makes a tariff the one of sessions that have no other.
#[utoipa::path(
    put, path = "/v1/settings/default-tariff", tag = "tariffs",
    operation_id = "set_default_tariff",
    request_body = DefaultTariff,
    responses(
        (status = 200, description = "Set, or so before", body = Written),
        (status = 422, description = "No such tariff is published", body = Problem),
    ),
)]
pub(crate) async fn set_default_tariff(
    State(state): State<ApiState>,
    Body(DefaultTariff { tariff }): Body<DefaultTariff>,
) -> Result<Response, Problem> {
    let set = state.chargebook.registry().set_default_tariff(&tariff).await?;
    Ok(Written::changed(set.created, set.position, &tariff))
}
