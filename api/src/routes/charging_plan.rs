//! What is known of the charging at a station: profiles, limits from outside, what vehicles want.

use super::stations::no_station;
use crate::answer::Exact;
use crate::problem::Problem;
use crate::request::{PathText, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use chargebook_domain::charging_plan::{
    ChargingPlan as Plan, KeptProfile, OutsideLimit, VehicleNeeds, VehicleSchedule,
};
use chargebook_domain::events::v1::{
    ChargingPlace, ChargingSchedule as ScheduleFact, SchedulePeriod as PeriodFact,
};
use chargebook_domain::units::Timestamp;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What is known of the charging at a station, place by place. What of it holds at an instant,
/// the station decides.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChargingPlan {
    /// The whole station first, then its EVSEs or connectors.
    places: Vec<PlaceOfPlan>,
}

/// What is known of the charging at one place.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct PlaceOfPlan {
    /// The EVSE of a 2.x station; null is the whole station.
    evse: Option<u32>,
    /// The connector of a 1.6 station; null is the whole station.
    connector: Option<u32>,
    /// The profiles that the station keeps, by purpose, the highest level first.
    profiles: Vec<Profile>,
    /// Limits from outside (2.x).
    limits: Vec<Limit>,
    /// What the vehicle last said that it needs (2.x).
    needs: Option<Needs>,
    /// How the vehicle last said that it means to charge (2.x).
    vehicle_schedule: Option<TimedSchedule>,
}

/// A charging profile that a station has accepted from us, or reported.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChargingProfile)]
pub(crate) struct Profile {
    /// Its number at the station.
    id: i64,
    /// `TxProfile`, `TxDefaultProfile`, `ChargingStationMaxProfile`, ….
    #[schema(example = "TxDefaultProfile")]
    purpose: String,
    /// Of several for one purpose the highest holds.
    stack_level: u32,
    /// `Absolute`, `Recurring`, `Relative`, `Dynamic`.
    kind: String,
    /// `Daily`, `Weekly`.
    recurrency: Option<String>,
    /// From when on it holds.
    #[schema(value_type = Option<String>, format = DateTime)]
    valid_from: Option<Timestamp>,
    /// Until when it holds.
    #[schema(value_type = Option<String>, format = DateTime)]
    valid_to: Option<Timestamp>,
    /// The transaction that it is for.
    transaction: Option<String>,
    /// Who set it: `CSO` is us; `EMS`, `SO`, `Other`.
    #[schema(example = "CSO")]
    source: String,
    /// What it allows.
    schedules: Vec<Schedule>,
    /// When the station said so, by our clock.
    #[schema(value_type = String, format = DateTime)]
    told_at: Timestamp,
}

/// What may be drawn, and when.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChargingSchedule)]
pub(crate) struct Schedule {
    /// What its periods count from.
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Option<Timestamp>,
    /// How long it holds.
    duration_seconds: Option<u32>,
    /// What its limits are in: `A`, `W`.
    #[schema(example = "A")]
    unit: String,
    /// The least that the vehicle can use, in that unit.
    min_rate: Option<Exact>,
    /// Its periods.
    periods: Vec<Period>,
}

/// A period of a schedule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChargingSchedulePeriod)]
pub(crate) struct Period {
    /// When it begins, after its schedule.
    start_seconds: u32,
    /// The most that may be drawn, in the schedule's unit.
    limit: Option<Exact>,
    /// By how many phases.
    phases: Option<u8>,
}

/// A limit from outside.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChargingLimit)]
pub(crate) struct Limit {
    /// Who set it: `EMS`, `SO`, `Other`, ….
    #[schema(example = "EMS")]
    source: String,
    /// Whether the grid is in danger, where the station says.
    is_grid_critical: Option<bool>,
    /// What it allows.
    schedules: Vec<Schedule>,
    /// When the station said so, by our clock.
    #[schema(value_type = String, format = DateTime)]
    told_at: Timestamp,
}

/// What a vehicle needs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChargingNeeds)]
pub(crate) struct Needs {
    /// `DC`, `AC_three_phase`, ….
    #[schema(example = "AC_three_phase")]
    transfer_mode: String,
    /// When it means to leave.
    #[schema(value_type = Option<String>, format = DateTime)]
    departure_at: Option<Timestamp>,
    /// How much energy it wants, in Wh.
    energy_wh: Option<Exact>,
    /// The least current that it can use, in A per phase.
    current_min_a: Option<Exact>,
    /// The most current that it can use, in A per phase.
    current_max_a: Option<Exact>,
    /// The most voltage that it can use, in V.
    voltage_max_v: Option<Exact>,
    /// The most power that it can use, in W.
    power_max_w: Option<Exact>,
    /// How full its battery is.
    state_of_charge_percent: Option<u8>,
    /// When the station said so, by our clock.
    #[schema(value_type = String, format = DateTime)]
    told_at: Timestamp,
}

/// How a vehicle means to charge.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VehicleSchedule)]
pub(crate) struct TimedSchedule {
    /// What its periods count from.
    #[schema(value_type = String, format = DateTime)]
    time_base: Timestamp,
    /// How it means to charge.
    schedule: Schedule,
    /// When the station said so, by our clock.
    #[schema(value_type = String, format = DateTime)]
    told_at: Timestamp,
}

/// What is known of the charging at a station: the profiles that it has accepted or reported,
/// limits from outside, what vehicles need and how they mean to charge.
#[utoipa::path(
    get, path = "/v1/stations/{id}/charging-plan", tag = "stations",
    operation_id = "get_charging_plan",
    params(("id" = String, Path, description = "The station's id"), WaitParameters),
    responses(
        (status = 200, description = "The plan", body = ChargingPlan),
        (status = 404, description = "No such station", body = Problem),
    ),
)]
pub(crate) async fn get(
    State(state): State<ApiState>,
    PathText(id): PathText,
) -> Result<Json<ChargingPlan>, Problem> {
    let plan = state.found(|| state.read_models.charging_plan(&id)).await?;
    Ok(Json(by_place(plan.ok_or_else(|| no_station(&id))?)))
}

fn by_place(plan: Plan) -> ChargingPlan {
    let mut places: BTreeMap<ChargingPlace, PlaceOfPlan> = BTreeMap::new();
    let mut kept = plan.profiles;
    kept.sort_by(|a, b| {
        let order = |kept: &KeptProfile| (kept.place, Reverse(kept.profile.stack_level));
        a.profile.purpose.cmp(&b.profile.purpose).then_with(|| order(a).cmp(&order(b)))
    });
    for kept in kept {
        places.entry(kept.place).or_default().profiles.push(kept.into());
    }
    for limit in plan.limits {
        places.entry(limit.place).or_default().limits.push(limit.into());
    }
    for needs in plan.needs {
        let of_place = places.entry(needs.place).or_default();
        of_place.needs = Some(needs.into());
    }
    for schedule in plan.schedules {
        let of_place = places.entry(schedule.place).or_default();
        of_place.vehicle_schedule = Some(schedule.into());
    }
    let place = |(place, of_place): (ChargingPlace, PlaceOfPlan)| PlaceOfPlan {
        evse: place.evse.map(|evse| evse.0),
        connector: place.connector.map(|connector| connector.0),
        ..of_place
    };
    ChargingPlan { places: places.into_iter().map(place).collect() }
}

impl From<KeptProfile> for Profile {
    fn from(kept: KeptProfile) -> Self {
        let KeptProfile { source, profile, told_at, .. } = kept;
        Self {
            id: profile.profile_id,
            purpose: profile.purpose,
            stack_level: profile.stack_level,
            kind: profile.kind,
            recurrency: profile.recurrency,
            valid_from: profile.valid_from,
            valid_to: profile.valid_to,
            transaction: profile.transaction,
            source,
            schedules: profile.schedules.into_iter().map(Schedule::from).collect(),
            told_at,
        }
    }
}

impl From<ScheduleFact> for Schedule {
    fn from(schedule: ScheduleFact) -> Self {
        let period = |period: PeriodFact| Period {
            start_seconds: period.start_seconds,
            limit: period.limit.map(Exact),
            phases: period.phases,
        };
        Self {
            starts_at: schedule.starts_at,
            duration_seconds: schedule.duration_seconds,
            unit: schedule.unit,
            min_rate: schedule.min_rate.map(Exact),
            periods: schedule.periods.into_iter().map(period).collect(),
        }
    }
}

impl From<OutsideLimit> for Limit {
    fn from(limit: OutsideLimit) -> Self {
        Self {
            source: limit.source,
            is_grid_critical: limit.is_grid_critical,
            schedules: limit.schedules.into_iter().map(Schedule::from).collect(),
            told_at: limit.told_at,
        }
    }
}

impl From<VehicleNeeds> for Needs {
    fn from(told: VehicleNeeds) -> Self {
        let VehicleNeeds { needs, told_at, .. } = told;
        Self {
            transfer_mode: needs.transfer_mode,
            departure_at: needs.departure_at,
            energy_wh: needs.energy_wh.map(|energy| Exact(energy.0)),
            current_min_a: needs.current_min_a.map(Exact),
            current_max_a: needs.current_max_a.map(Exact),
            voltage_max_v: needs.voltage_max_v.map(Exact),
            power_max_w: needs.power_max_w.map(Exact),
            state_of_charge_percent: needs.state_of_charge_percent,
            told_at,
        }
    }
}

impl From<VehicleSchedule> for TimedSchedule {
    fn from(told: VehicleSchedule) -> Self {
        let VehicleSchedule { time_base, schedule, told_at, .. } = told;
        Self { time_base, schedule: schedule.into(), told_at }
    }
}
