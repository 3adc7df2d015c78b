//! Charging profiles and schedules in payloads, one reading for every version: 1.6 calls a member
//! or two otherwise, and has one schedule where 2.x has a list.

use crate::payload::Payload;
use chargebook_domain::events::v1::{
    ChargingNeeds, ChargingProfile, ChargingSchedule, SchedulePeriod,
};
use chargebook_domain::units::WattHours;

/// A charging profile (ChargingProfileType).
pub(crate) fn profile(data: &Payload<'_, '_>) -> Option<ChargingProfile> {
    let number = || data.integer("transactionId").map(|number: i64| number.to_string());
    let id = data.integer("id").or_else(|| data.integer("chargingProfileId"));
    Some(ChargingProfile {
        profile_id: id?,
        stack_level: data.integer("stackLevel")?,
        purpose: data.text("chargingProfilePurpose")?,
        kind: data.text("chargingProfileKind")?,
        recurrency: data.text("recurrencyKind"),
        valid_from: data.time("validFrom"),
        valid_to: data.time("validTo"),
        transaction: data.text("transactionId").or_else(number),
        schedules: schedules(data)?,
    })
}

/// What stands as `chargingSchedule`, be it one or a list.
pub(crate) fn schedules(data: &Payload<'_, '_>) -> Option<Vec<ChargingSchedule>> {
    match data.object("chargingSchedule") {
        Some(one) => Some(vec![schedule(&one)?]),
        None => data.objects("chargingSchedule").map(|one| schedule(&one)).collect(),
    }
}

/// A schedule (ChargingScheduleType).
pub(crate) fn schedule(data: &Payload<'_, '_>) -> Option<ChargingSchedule> {
    let period = |period: Payload<'_, '_>| {
        Some(SchedulePeriod {
            start_seconds: period.integer("startPeriod")?,
            limit: period.decimal("limit"),
            phases: period.integer("numberPhases"),
            operation_mode: period.text("operationMode"),
            setpoint: period.decimal("setpoint"),
            discharge_limit: period.decimal("dischargeLimit"),
        })
    };
    Some(ChargingSchedule {
        starts_at: data.time("startSchedule"),
        duration_seconds: data.integer("duration"),
        unit: data.text("chargingRateUnit")?,
        min_rate: data.decimal("minChargingRate"),
        periods: data.objects("chargingSchedulePeriod").map(period).collect::<Option<_>>()?,
    })
}

/// What a vehicle needs (the payload of NotifyEVChargingNeeds): of alternating current, of direct
/// current and of what flows both ways (ISO 15118-20) the one that it tells of.
pub(crate) fn needs(payload: &Payload<'_, '_>) -> Option<ChargingNeeds> {
    let data = payload.object("chargingNeeds")?;
    let current = ["acChargingParameters", "dcChargingParameters"];
    let current = current.iter().find_map(|name| data.object(name));
    let both_ways = data.object("v2xChargingParameters");
    let of_current = |name: &str, name_both_ways: &str| {
        let one_way = current.and_then(|current| current.decimal(name));
        one_way.or_else(|| both_ways.and_then(|both_ways| both_ways.decimal(name_both_ways)))
    };
    Some(ChargingNeeds {
        transfer_mode: data.text("requestedEnergyTransfer")?,
        departure_at: data.time("departureTime"),
        energy_wh: of_current("energyAmount", "evTargetEnergyRequest").map(WattHours),
        current_min_a: of_current("evMinCurrent", "minChargeCurrent"),
        current_max_a: of_current("evMaxCurrent", "maxChargeCurrent"),
        voltage_max_v: of_current("evMaxVoltage", "maxVoltage"),
        power_max_w: of_current("evMaxPower", "maxChargePower"),
        state_of_charge_percent: current.and_then(|current| current.integer("stateOfCharge")),
        available_modes: data.texts("availableEnergyTransfer").collect(),
        control_mode: data.text("controlMode"),
        discharge_power_max_w: both_ways.and_then(|both| both.decimal("maxDischargePower")),
        periods_max: payload.integer("maxScheduleTuples"),
    })
}
