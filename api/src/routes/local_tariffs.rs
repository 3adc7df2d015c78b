//! Tariffs that a 2.1 station computes costs by itself, to show them to the driver.

use super::commands::{Command, followed_by};
use super::stations::no_station;
use crate::problem::Problem;
use crate::request::{Body, PathText, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chargebook_commands::local_tariff::TariffAbilities;
use chargebook_domain::ids::EvseNumber;
use chargebook_domain::units::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The component whose variables say what tariffs a station can compute by.
const COMPONENT: &str = "TariffCostCtrlr";
/// The instance of those variables that is about tariffs; the other is about costs.
const INSTANCE: &str = "Tariff";

/// Where a tariff is to hold.
#[derive(Deserialize, ToSchema)]
pub(crate) struct DefaultTariffPlace {
    /// At this EVSE; at all of them if absent.
    evse: Option<u32>,
}

/// A tariff that a station holds to compute costs by, as it has told.
#[derive(Serialize, ToSchema)]
pub(crate) struct LocalTariff {
    /// At which EVSE; null: at every one.
    evse: Option<u32>,
    /// The tariff's id at the station (`tariffId`); of one that was sent from here, the version of
    /// the tariff.
    tariff: String,
    /// The station's word: `DefaultTariff`, `DriverTariff`.
    #[schema(example = "DefaultTariff")]
    kind: String,
    /// From when on it holds; null: since it was told.
    #[schema(value_type = Option<String>, format = DateTime)]
    valid_from: Option<Timestamp>,
    /// When the station said so, by our clock.
    #[schema(value_type = String, format = DateTime)]
    told_at: Timestamp,
}

/// The tariffs of a station.
#[derive(Serialize, ToSchema)]
pub(crate) struct LocalTariffs {
    /// The one that was told last comes last.
    items: Vec<LocalTariff>,
}

/// The tariffs that a 2.1 station holds to compute costs by itself: those that it has accepted
/// (SetDefaultTariff), less those that it has given up (ClearTariffs), or what it last listed
/// (GetTariffs), whichever way it was asked. What it computes is held against our rating; ours is
/// what is billed.
#[utoipa::path(
    get, path = "/v1/stations/{id}/tariffs", tag = "stations", operation_id = "list_local_tariffs",
    params(("id" = String, Path, description = "The station's id"), WaitParameters),
    responses(
        (status = 200, description = "The tariffs", body = LocalTariffs),
        (status = 404, description = "No such station", body = Problem),
    ),
)]
pub(crate) async fn list_local_tariffs(
    State(state): State<ApiState>,
    PathText(id): PathText,
) -> Result<Json<LocalTariffs>, Problem> {
    let known = state.found(|| state.read_models.local_tariffs(&id)).await?;
    let known = known.ok_or_else(|| no_station(&id))?;
    let items = known.held.into_iter().map(|held| LocalTariff {
        evse: Some(held.evse.0).filter(|evse| *evse != 0),
        tariff: held.tariff,
        kind: held.kind,
        valid_from: held.valid_from,
        told_at: held.told_at,
    });
    Ok(Json(LocalTariffs { items: items.collect() }))
}

/// Has a 2.1 station compute its costs by the tariff in force (SetDefaultTariff). What the station
/// computes is shown to the driver and held against our rating; ours is what is billed. A tariff
/// that comes into force later has to be sent again. One that the station has said it cannot
/// compute by (`TariffCostCtrlr`) is not sent.
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
        (status = 409, description = "No tariff is in force; or the station cannot compute by it; \
            or too many open commands; or the station has never connected, so its version is not \
            known", body = Problem),
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
    let abilities = abilities_of(&state, &station).await?;
    let requested = state.chargebook.request_default_tariff(&station, evse, abilities, "operator");
    followed_by(&state, requested.await?, &headers).await
}

/// What a station has said of the tariffs that it can compute by.
async fn abilities_of(state: &ApiState, station: &str) -> Result<TariffAbilities, Problem> {
    let mut abilities = TariffAbilities::default();
    for variable in state.read_models.variables_of_component(station, COMPONENT).await? {
        let is_meant = variable.variable.instance.as_deref() == Some(INSTANCE)
            && variable.attribute == "Actual";
        let Some(value) = variable.value.filter(|_| is_meant) else { continue };
        let Some(value) = state.opened(&value).await else { continue };
        let flag = value.trim().to_ascii_lowercase().parse().ok();
        match variable.variable.name.as_str() {
            "Enabled" => abilities.is_enabled = flag,
            "ConditionsSupported" => abilities.takes_conditions = flag,
            "MaxElements" => abilities.elements_max = value.trim().parse().ok(),
            _ => {}
        }
    }
    Ok(abilities)
}
