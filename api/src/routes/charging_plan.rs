//! What is known of the charging at a station: profiles, limits from outside, what vehicles want.

use super::stations::no_station;
use crate::answer::Exact;
use crate::problem::Problem;
use crate::request::{PathText, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use chargebook_domain::charging_plan::{ChargingPlan as Plan, VehicleSchedule};
use chargebook_domain::events::v1::{
    ChargingPlace, ChargingSchedule as ScheduleFact, KeptProfile, OutsideLimit,
    SchedulePeriod as PeriodFact, VehicleNeeds,
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
    /// The transactions that are charged before others (2.1).
    priorities: Vec<String>,
    /// How many profiles had to give way to others here, though the station may keep them: no more
    /// than 256 are shown.
    profiles_left_out: u32,
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
    /// Who steers it (2.1): `ChargingOnly`, `CentralSetpoint`, ….
    operation_mode: Option<String>,
    /// What is to be drawn, in the schedule's unit; negative flows back (2.1).
    setpoint: Option<Exact>,
    /// What may flow back, in the schedule's unit, negative (2.1).
    discharge_limit: Option<Exact>,
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
    /// How it could be charged as well (2.1).
    available_modes: Vec<String>,
    /// Who decides what flows: `ScheduledControl`, `DynamicControl` (2.1).
    control_mode: Option<String>,
    /// The most power that can flow back, in W (2.1).
    discharge_power_max_w: Option<Exact>,
    /// The most periods of a schedule that it can follow.
    periods_max: Option<u32>,
    /// The transaction that it is in.
    transaction: Option<String>,
    /// How much less energy than it wants it can get by its departure, in Wh; null where nothing
    /// is short, or nobody can say.
    shortfall_wh: Option<Exact>,
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
    /// Whether that keeps within the limits that hold there; null where none is known.
    is_within_limits: Option<bool>,
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
    let mut kept: Vec<KeptProfile> = plan.profiles().cloned().collect();
    let told = plan.told().clone();
    kept.sort_by(|a, b| {
        let order = |kept: &KeptProfile| (kept.place, Reverse(kept.profile.stack_level));
        a.profile.purpose.cmp(&b.profile.purpose).then_with(|| order(a).cmp(&order(b)))
    });
    for kept in kept {
        places.entry(kept.place).or_default().profiles.push(kept.into());
    }
    for limit in told.limits {
        places.entry(limit.place).or_default().limits.push(limit.into());
    }
    for needs in told.needs {
        let of_place = places.entry(needs.place).or_default();
        of_place.needs = Some(needs.into());
    }
    for schedule in told.schedules {
        let of_place = places.entry(schedule.place).or_default();
        of_place.vehicle_schedule = Some(schedule.into());
    }
    let place = |(place, of_place): (ChargingPlace, PlaceOfPlan)| PlaceOfPlan {
        evse: place.evse.map(|evse| evse.0),
        connector: place.connector.map(|connector| connector.0),
        ..of_place
    };
    ChargingPlan {
        places: places.into_iter().map(place).collect(),
        priorities: told.priorities.iter().map(|of| of.as_str().to_owned()).collect(),
        profiles_left_out: told.left_out,
    }
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
            operation_mode: period.operation_mode,
            setpoint: period.setpoint.map(Exact),
            discharge_limit: period.discharge_limit.map(Exact),
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
        let VehicleNeeds { needs, transaction, shortfall_wh, told_at, .. } = told;
        Self {
            transfer_mode: needs.transfer_mode,
            departure_at: needs.departure_at,
            energy_wh: needs.energy_wh.map(|energy| Exact(energy.0)),
            current_min_a: needs.current_min_a.map(Exact),
            current_max_a: needs.current_max_a.map(Exact),
            voltage_max_v: needs.voltage_max_v.map(Exact),
            power_max_w: needs.power_max_w.map(Exact),
            state_of_charge_percent: needs.state_of_charge_percent,
            available_modes: needs.available_modes,
            control_mode: needs.control_mode,
            discharge_power_max_w: needs.discharge_power_max_w.map(Exact),
            periods_max: needs.periods_max,
            transaction: transaction.map(|name| name.as_str().to_owned()),
            shortfall_wh: shortfall_wh.map(|energy| Exact(energy.0)),
            told_at,
        }
    }
}

impl From<VehicleSchedule> for TimedSchedule {
    fn from(told: VehicleSchedule) -> Self {
        let VehicleSchedule { time_base, schedule, is_within_limits, told_at, .. } = told;
        Self { time_base, schedule: schedule.into(), is_within_limits, told_at }
    }
}
