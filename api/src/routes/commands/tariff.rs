//! Tariffs that a station computes costs by itself.

use super::{ACTOR, Command, followed, wished_wait};
use crate::problem::Problem;
use crate::request::{Body, PathText};
use crate::state::ApiState;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chargebook_domain::ids::EvseNumber;
use serde::Deserialize;
use utoipa::ToSchema;

/// Where a tariff is to hold.
#[derive(Deserialize, ToSchema)]
pub(crate) struct DefaultTariffPlace {
    /// At this EVSE; at all of them if absent.
    evse: Option<u32>,
}

/// Has a 2.1 station compute its costs by the tariff in force (SetDefaultTariff). What the station
/// computes is shown to the driver and held against our rating; ours is what is billed. A tariff
/// that comes into force later has to be sent again.
#[utoipa::path(
    post, path = "/v1/stations/{id}/set-default-tariff", tag = "commands",
    operation_id = "send_default_tariff",
    params(
        ("id" = String, Path, description = "The station's id"),
        ("Prefer" = Option<String>, Header,
            description = "`wait=10`: answer when the station has, at most 60 s later"),
    ),
    request_body = DefaultTariffPlace,
    responses(
        (status = 202, description = "In the log; its resource tells the rest", body = Command),
        (status = 200, description = "Waited for, and finished", body = Command),
        (status = 404, description = "No such station", body = Problem),
        (status = 409, description = "No tariff is in force; or too many open commands; or the \
            station has never connected, so its version is not known", body = Problem),
        (status = 422, description = "The station's version has no words for the tariff",
            body = Problem),
    ),
)]
pub(crate) async fn send_default_tariff(
    State(state): State<ApiState>,
    PathText(station): PathText,
    headers: HeaderMap,
    Body(place): Body<DefaultTariffPlace>,
) -> Result<Response, Problem> {
    let evse = match place.evse {
        Some(evse) if evse == 0 || i32::try_from(evse).is_err() => {
            return Err(Problem::invalid("/evse", "an EVSE's number is from 1 to 2147483647"));
        }
        evse => evse.map(EvseNumber),
    };
    let requested = state.chargebook.request_default_tariff(&station, evse, ACTOR).await?;
    followed(&state, requested, wished_wait(&headers)).await
}
