//! A station's service to the grid, and the batteries that were swapped there.

use super::stations::no_station;
use crate::answer::Exact;
use crate::problem::Problem;
use crate::request::{PathText, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use chargebook_domain::events::v1::SwappedBattery;
use chargebook_domain::station_energy::{KnownControl, KnownSwap};
use chargebook_domain::units::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a 2.1 station has told of its service to the grid, and of swapped batteries.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StationEnergy {
    /// The controls for the grid that it has told of, by their ids.
    controls: Vec<GridControl>,
    /// The last batteries that were put in or taken out, newest first.
    battery_swaps: Vec<BatterySwap>,
}

/// A control for the grid, as its station last told of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GridControl {
    /// Which.
    id: String,
    /// Its kind: `EnterService`, `FreqDroop`, `VoltVar`, …; null where it was never reported.
    #[serde(rename = "type")]
    #[schema(example = "VoltVar")]
    kind: Option<String>,
    /// Whether it holds where no planned one does.
    default: Option<bool>,
    /// Whether another one had taken its place when it was reported.
    superseded: Option<bool>,
    /// Whether it is at work; null where the station has not told of its beginning or end.
    started: Option<bool>,
    /// When it began or ended, by the station's clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    changed_at: Option<Timestamp>,
    /// What it consists of, by the place in it, in the station's text.
    #[schema(example = json!({ "priority": "1", "curveData/0/x": "92.5", "curveData/0/y": "44" }))]
    settings: BTreeMap<String, String>,
    /// When the station last spoke of it, by our clock.
    #[schema(value_type = String, format = DateTime)]
    told_at: Timestamp,
}

/// Batteries that were put in or taken out, or that nobody took.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BatterySwap {
    /// `BatteryIn`, `BatteryOut` or `BatteryOutTimeout`.
    #[serde(rename = "type")]
    #[schema(example = "BatteryIn")]
    kind: String,
    /// The number that one swap's going in and coming out have in common.
    request_id: i32,
    /// The token that it was for; null where that is erased.
    token: Option<String>,
    /// Each of them.
    batteries: Vec<Battery>,
    /// When the station told of it, by our clock.
    #[schema(value_type = String, format = DateTime)]
    told_at: Timestamp,
}

/// A battery that was put in or taken out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Battery {
    /// The slot.
    evse: u32,
    /// Its serial number.
    serial_number: String,
    /// How full it is, in percent.
    state_of_charge_percent: Exact,
    /// How much it still holds of what it once did, in percent.
    state_of_health_percent: Exact,
    /// When it was made.
    #[schema(value_type = Option<String>, format = DateTime)]
    produced_at: Option<Timestamp>,
    /// What its maker says of it.
    vendor_information: Option<String>,
}

/// What a 2.1 station has told of its service to the grid, and of the batteries that were swapped
/// there. Trouble with the grid is among the alerts (`GET /v1/alerts`, source `grid`).
#[utoipa::path(
    get, path = "/v1/stations/{id}/energy", tag = "stations", operation_id = "get_station_energy",
    params(("id" = String, Path, description = "The station's id"), WaitParameters),
    responses(
        (status = 200, description = "What the station has told", body = StationEnergy),
        (status = 404, description = "No such station", body = Problem),
    ),
)]
pub(crate) async fn get(
    State(state): State<ApiState>,
    PathText(id): PathText,
) -> Result<Json<StationEnergy>, Problem> {
    let known = state.found(|| state.read_models.station_energy(&id)).await?;
    let known = known.ok_or_else(|| no_station(&id))?;
    let mut battery_swaps = Vec::with_capacity(known.swaps.len());
    for swap in known.swaps.into_iter().rev() {
        battery_swaps.push(battery_swap(&state, swap).await);
    }
    let controls = known.controls.into_iter().map(grid_control).collect();
    Ok(Json(StationEnergy { controls, battery_swaps }))
}

fn grid_control((id, known): (String, KnownControl)) -> GridControl {
    let KnownControl { control, has_started, changed_at, told_at } = known;
    let settings = control.iter().flat_map(|control| control.settings.clone());
    let settings = settings.map(|setting| (setting.place, setting.text)).collect();
    GridControl {
        id,
        kind: control.as_ref().map(|control| control.control_type.clone()),
        default: control.as_ref().and_then(|control| control.is_default),
        superseded: control.as_ref().and_then(|control| control.is_superseded),
        started: has_started,
        changed_at,
        settings,
        told_at,
    }
}

async fn battery_swap(state: &ApiState, known: KnownSwap) -> BatterySwap {
    let KnownSwap { swap, told_at } = known;
    let mut batteries = Vec::with_capacity(swap.batteries.len());
    for told in swap.batteries {
        batteries.push(battery(state, told).await);
    }
    let token = state.opened(&swap.token).await;
    BatterySwap { kind: swap.kind, request_id: swap.request_id, token, batteries, told_at }
}

async fn battery(state: &ApiState, told: SwappedBattery) -> Battery {
    let vendor_information = match &told.vendor_information {
        Some(text) => state.opened(text).await,
        None => None,
    };
    Battery {
        evse: told.evse.0,
        serial_number: told.serial_number,
        state_of_charge_percent: Exact(told.state_of_charge_percent),
        state_of_health_percent: Exact(told.state_of_health_percent),
        produced_at: told.produced_at,
        vendor_information,
    }
}
