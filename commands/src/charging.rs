//! Charging profiles for vehicles that say what they need: the domain's plan, in the words of a
//! profile, and the command that brings it to the station. Whether one is given is the desk's
//! decision.

use crate::Chargebook;
use crate::clock::derived_id;
use crate::intent::{CommandStage, OPEN_COMMANDS_PER_STATION_MAX};
use crate::registry::RegistryError;
use crate::station::StationState;
use chargebook_domain::charging_plan::{
    Demand, FOR_A_TRANSACTION, Measure, Question, RateUnit, Step, energy_wh, exceeds, plan,
};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    ChargingAbilities, ChargingNeeds, ChargingPlace, ChargingProfile, ChargingSchedule, Intent,
    LimitUnit, SchedulePeriod, VehicleNeeds,
};
use chargebook_domain::ids::{CommandId, EventId, SessionId, StationId, TransactionName};
use chargebook_domain::units::{Timestamp, WattHours};
use rust_decimal::Decimal;
use std::borrow::Cow;

/// Volts of a phase against neutral, where the vehicle does not say.
const VOLTAGE_V: u32 = 230;
/// Volts of direct current, where the vehicle does not say.
const DIRECT_VOLTAGE_V: u32 = 400;
/// What is offered where nothing limits it, in mA per phase: no connector for alternating current
/// in public charging gives more by far. The station knows what it has, and gives no more.
const UNLIMITED_MA: u64 = 32_000;
/// The same for direct current, in W.
const UNLIMITED_W: u64 = 350_000;
/// Most periods of a profile of ours, whatever a vehicle can follow.
const PERIODS_MAX: u32 = 16;
/// How far ahead limits are looked at, where no departure is known, in seconds.
const HORIZON_SECONDS: u32 = 24 * 3_600;
/// How far ahead limits are looked at, at most.
const HORIZON_SECONDS_MAX: u32 = 7 * 24 * 3_600;
/// The numbers of our profiles for transactions begin here, far above those that people and
/// stations give, or above the one that the station names (2.1: MaxExternalConstraintsId).
const PROFILE_NUMBERS_FROM: u32 = 1 << 30;
/// The kinds of charging in which energy flows back (EnergyTransferModeEnumType of 2.1).
const BIDIRECTIONAL: &[&str] = &["AC_BPT", "AC_BPT_DER", "DC_ACDP_BPT", "DC_BPT"];

/// A transaction in progress.
pub(crate) struct Ongoing {
    pub(crate) session_id: SessionId,
    pub(crate) transaction: TransactionName,
    pub(crate) began_at: Timestamp,
    /// When it was first heard of, by our clock.
    pub(crate) heard_at: Timestamp,
    /// The number of the remote start that began it, where one did.
    pub(crate) remote_start_id: Option<i32>,
}

impl Ongoing {
    /// What limits it at a place, but for one profile.
    fn question(&self, place: ChargingPlace, except: Option<i64>) -> Question<'_> {
        Question {
            place,
            transaction: Some(self.transaction.as_str()),
            began_at: self.began_at,
            heard_at: self.heard_at,
            remote_start_id: self.remote_start_id,
            except,
        }
    }
}

/// What a vehicle gets.
pub(crate) struct Planned {
    pub(crate) profile: ChargingProfile,
    /// How much less than it wants that gives it by its departure, where that is known.
    pub(crate) shortfall_wh: Option<WattHours>,
}

/// Whether energy flows back in a way of charging.
pub(crate) fn is_bidirectional(mode: &str) -> bool {
    BIDIRECTIONAL.contains(&mode)
}

/// What a vehicle that asks to be charged only may be told that it may do as well, where it could
/// (2.1: Q02); empty where there is nothing to tell.
pub(crate) fn further_modes(needs: &ChargingNeeds) -> Vec<String> {
    let can = needs.available_modes.iter().any(|mode| is_bidirectional(mode));
    match can && !is_bidirectional(&needs.transfer_mode) {
        true => needs.available_modes.clone(),
        false => Vec::new(),
    }
}

/// The profile for a vehicle: as fast as the limits at its place and its own allow.
pub(crate) fn plan_for(
    state: &StationState,
    ongoing: &Ongoing,
    place: ChargingPlace,
    needs: &ChargingNeeds,
    now: Timestamp,
) -> Planned {
    let abilities = &state.charging_abilities;
    let measure = in_unit_of_station(measure_of(needs), abilities);
    let is_dynamic = needs.control_mode.as_deref() == Some("DynamicControl");
    let steps_max = match is_dynamic {
        true => 1,
        false => {
            needs.periods_max.into_iter().chain(abilities.periods_max).fold(PERIODS_MAX, u32::min)
        }
    };
    let profile_id = profile_number(ongoing.session_id, abilities);
    let asked = ongoing.question(place, Some(profile_id));
    let departs_in = needs.departure_at.map(|at| whole_seconds(at.seconds_since(now)));
    let departs_in = departs_in.filter(|seconds| *seconds > 0);
    let horizon = departs_in.unwrap_or(HORIZON_SECONDS).min(HORIZON_SECONDS_MAX);
    let until = Timestamp::new(now.utc() + chrono::TimeDelta::seconds(i64::from(horizon)));
    let charging = &state.charging;
    let limits: Vec<_> = charging
        .changes(&asked, now, until)
        .into_iter()
        .map(|at| (whole_seconds(at.seconds_since(now)), charging.limit_at(&asked, measure, at)))
        .collect();
    let declared = rate_declared(state, place, measure);
    let demand = Demand {
        rate_max: rate_max(needs, measure).into_iter().chain(declared).min(),
        rate_unlimited: rate_unlimited(needs, measure),
        steps_max: usize::try_from(steps_max).unwrap_or(1).max(1),
    };
    let steps = plan(demand, &limits, horizon);
    let shortfall_wh = departs_in.zip(needs.energy_wh).map(|(seconds, wanted)| {
        let given = Decimal::from(energy_wh(&steps, measure, seconds));
        WattHours((wanted.0 - given).max(Decimal::ZERO))
    });
    // Where the station takes none above, ours takes the place of another's of the transaction:
    // that limits ours already.
    let level = level_above_others(state, &asked, profile_id);
    let stack_level = abilities.stack_level_max.map_or(level, |most| level.min(most));
    let schedule = ChargingSchedule {
        starts_at: (!is_dynamic).then_some(now),
        duration_seconds: None,
        unit: measure.word().to_owned(),
        min_rate: needs.current_min_a.filter(|_| measure.unit == RateUnit::Milliamperes),
        periods: steps.iter().map(|step| period(step, needs, measure)).collect(),
    };
    let profile = ChargingProfile {
        profile_id,
        stack_level,
        purpose: FOR_A_TRANSACTION.to_owned(),
        kind: if is_dynamic { "Dynamic" } else { "Absolute" }.to_owned(),
        recurrency: None,
        valid_from: None,
        valid_to: None,
        transaction: Some(ongoing.transaction.as_str().to_owned()),
        schedules: vec![schedule],
    };
    Planned { profile, shortfall_wh: shortfall_wh.filter(|short| short.0 > Decimal::ZERO) }
}

/// Whether a vehicle means to draw no more than the limits at its place allow; `None` where none
/// is known. A profile that is on its way to the station counts as if it were there.
pub(crate) fn is_within_limits(
    state: &StationState,
    ongoing: &Ongoing,
    place: ChargingPlace,
    schedule: &ChargingSchedule,
    time_base: Timestamp,
    is_profile_on_its_way: bool,
) -> Option<bool> {
    let needs = state.charging.needs_at(place);
    let charging = match needs.filter(|_| is_profile_on_its_way) {
        None => Cow::Borrowed(&state.charging),
        Some(VehicleNeeds { needs, told_at, .. }) => {
            let planned = plan_for(state, ongoing, place, needs, *told_at);
            Cow::Owned(state.charging.with(place, planned.profile, *told_at))
        }
    };
    let unit = match schedule.unit.as_str() {
        "A" => RateUnit::Milliamperes,
        _ => RateUnit::Watts,
    };
    let phases = schedule.periods.iter().filter_map(|period| period.phases).max();
    let said = needs.map(|needs| measure_of(&needs.needs));
    let (own_phases, voltage_v) = said.map_or((3, VOLTAGE_V), |own| (own.phases, own.voltage_v));
    let measure = Measure { unit, phases: phases.unwrap_or(own_phases).max(1), voltage_v };
    let asked = ongoing.question(place, None);
    let until = time_base.utc() + chrono::TimeDelta::seconds(i64::from(HORIZON_SECONDS));
    let changes = charging.changes(&asked, time_base, Timestamp::new(until));
    let limit_at = |at| charging.limit_at(&asked, measure, at);
    let is_known = changes.iter().any(|at| limit_at(*at).is_some());
    is_known.then(|| !exceeds(schedule, time_base, measure, &changes, limit_at))
}

/// The command that brings the profile that an exchange has promised.
pub(crate) fn command_of(exchange: EventId) -> CommandId {
    CommandId(derived_id(exchange, "charging_profile", 0).0)
}

impl Chargebook {
    /// Whether a station can be sent what it is promised: its open commands have room for it.
    pub(crate) fn has_room_for_promise(&self, station_id: StationId) -> bool {
        self.board().open_at(station_id) < OPEN_COMMANDS_PER_STATION_MAX
    }

    /// Asks for what a fact promises that its station will get, once.
    pub(crate) async fn send_promised(
        &self,
        state: &StationState,
        fact: &Event,
    ) -> Result<(), RegistryError> {
        let (place, profile, exchange) = match fact {
            Event::StationChargingNeedsTold(fact) => (fact.place, &fact.profile, fact.exchange),
            Event::StationVehicleScheduleTold(fact) => (fact.place, &fact.profile, fact.exchange),
            _ => return Ok(()),
        };
        let (Some(evse), Some(profile)) = (place.evse, profile) else { return Ok(()) };
        let command_id = command_of(exchange);
        if !self.has_room_for_promise(state.station_id) {
            if self.board().stage(command_id) == CommandStage::Finished {
                tracing::warn!(%exchange, "too many open commands: no charging profile is sent");
            }
            return Ok(());
        }
        let intent = Intent::SetChargingProfile { evse, profile: profile.clone() };
        self.request_once(state, command_id, intent).await?;
        if let Event::StationChargingNeedsTold(fact) = fact
            && let Some(transaction) = &fact.transaction
            && !fact.allowed_modes.is_empty()
        {
            let (transaction, modes) = (transaction.clone(), fact.allowed_modes.clone());
            let command_id = CommandId(derived_id(exchange, "energy_transfer", 0).0);
            let intent = Intent::AllowEnergyTransfer { transaction, modes };
            self.request_once(state, command_id, intent).await?;
        }
        Ok(())
    }
}

/// What a vehicle's rates are counted in: amperes per phase where it speaks of them.
fn measure_of(needs: &ChargingNeeds) -> Measure {
    let mode = needs.transfer_mode.as_str();
    let voltage_v = needs.voltage_max_v.and_then(|volts| u32::try_from(volts.trunc()).ok());
    let voltage_v = voltage_v.filter(|volts| *volts > 0);
    match (is_direct(needs), needs.power_max_w) {
        (true, _) => Measure {
            unit: RateUnit::Watts,
            phases: 1,
            voltage_v: voltage_v.unwrap_or(DIRECT_VOLTAGE_V),
        },
        // The most that an AC vehicle can bear is no measure of the grid that it is at.
        (false, power) => Measure {
            unit: if power.is_some() { RateUnit::Watts } else { RateUnit::Milliamperes },
            phases: phases_of(mode),
            voltage_v: VOLTAGE_V,
        },
    }
}

/// The same in the other unit, where the station takes limits in that one alone.
fn in_unit_of_station(measure: Measure, abilities: &ChargingAbilities) -> Measure {
    let other = match measure.unit {
        RateUnit::Milliamperes => Measure { unit: RateUnit::Watts, ..measure },
        RateUnit::Watts => Measure { unit: RateUnit::Milliamperes, ..measure },
    };
    match abilities.takes_unit(measure.word()) {
        true => measure,
        false => other,
    }
}

/// What is offered where nothing is known to limit it.
fn rate_unlimited(needs: &ChargingNeeds, measure: Measure) -> u64 {
    let direct = || measure.rate(Decimal::from(UNLIMITED_W), "W").unwrap_or(UNLIMITED_MA);
    match (measure.unit, is_direct(needs)) {
        (RateUnit::Watts, _) => UNLIMITED_W,
        (RateUnit::Milliamperes, true) => direct(),
        (RateUnit::Milliamperes, false) => UNLIMITED_MA,
    }
}

fn is_direct(needs: &ChargingNeeds) -> bool {
    needs.transfer_mode.starts_with("DC")
}

fn phases_of(mode: &str) -> u8 {
    match mode {
        "AC_single_phase" => 1,
        "AC_two_phase" => 2,
        _ => 3,
    }
}

/// The most that a vehicle can draw.
fn rate_max(needs: &ChargingNeeds, measure: Measure) -> Option<u64> {
    let current = needs.current_max_a.and_then(|current| measure.rate(current, "A"));
    let power = needs.power_max_w.and_then(|power| measure.rate(power, "W"));
    current.into_iter().chain(power).min()
}

/// The most that a place gives, where an operator has said that of its connectors.
fn rate_declared(state: &StationState, place: ChargingPlace, measure: Measure) -> Option<u64> {
    let of_place = state.connectors.iter().filter(|(outlet, _)| outlet.evse == place.evse);
    let declared = of_place.filter_map(|(_, known)| known.declared.as_ref()?.power_w_max);
    declared.max().and_then(|power| measure.rate(Decimal::from(power), "W"))
}

/// Whether a station takes a limit that an operator asks for, as far as it has said what it takes.
///
/// # Errors
/// What it does not take.
pub(crate) fn check_limit(
    abilities: &ChargingAbilities,
    intent: &Intent,
) -> Result<(), RegistryError> {
    let Intent::SetChargingLimit { profile_id, unit, level, .. } = intent else { return Ok(()) };
    if let Some(most) = abilities.external_number_max.filter(|most| i64::from(*profile_id) <= *most)
    {
        let why = format!("the station says that numbers up to {most} are for limits from outside");
        return Err(RegistryError::invalid("/profile_id", why));
    }
    let word = match unit {
        LimitUnit::Amperes => "A",
        LimitUnit::Watts => "W",
    };
    if !abilities.takes_unit(word) {
        let taken = abilities.units.join(", ");
        let why = format!("the station says that it takes limits in {taken} alone");
        return Err(RegistryError::invalid("/unit", why));
    }
    match abilities.stack_level_max.filter(|most| u32::from(level.unwrap_or(0)) > *most) {
        None => Ok(()),
        Some(most) => {
            let why = format!("the station says that it takes no level above {most}");
            Err(RegistryError::invalid("/level", why))
        }
    }
}

/// One number for all profiles of a session: each takes the place of the one before.
fn profile_number(session_id: SessionId, abilities: &ChargingAbilities) -> i64 {
    let (_, _, _, tail) = session_id.0.as_fields();
    let seed = tail.iter().rev().take(4).fold(0, |seed: u32, byte| (seed << 8) | u32::from(*byte));
    abilities.profile_number(PROFILE_NUMBERS_FROM, seed).into()
}

/// What others have set for the transaction limits ours already, and would hide it.
fn level_above_others(state: &StationState, asked: &Question<'_>, profile_id: i64) -> u32 {
    let others = state.charging.profiles().filter(|kept| {
        kept.profile.purpose == FOR_A_TRANSACTION
            && kept.profile.profile_id != profile_id
            && kept.place == asked.place
            && asked.concerns(kept)
    });
    others.map(|kept| kept.profile.stack_level.saturating_add(1)).max().unwrap_or(0)
}

fn period(step: &Step, needs: &ChargingNeeds, measure: Measure) -> SchedulePeriod {
    let rate = measure.limit(step.rate);
    let is_bidirectional = is_bidirectional(&needs.transfer_mode);
    let has_phases = needs.transfer_mode.starts_with("AC") && !is_bidirectional;
    SchedulePeriod {
        start_seconds: step.start_seconds,
        // What flows both ways is set, not limited (2.1: Q03.FR.02).
        limit: (!is_bidirectional).then_some(rate),
        phases: has_phases.then_some(measure.phases),
        operation_mode: is_bidirectional.then(|| "CentralSetpoint".to_owned()),
        setpoint: is_bidirectional.then_some(rate),
        discharge_limit: None,
    }
}

fn whole_seconds(seconds: u64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX)
}
