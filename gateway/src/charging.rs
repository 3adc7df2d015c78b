//! Charging profiles and schedules in payloads, one reading for every version: 1.6 calls a member
//! or two otherwise, and has one schedule where 2.x has a list.

use crate::meter::json_number;
use crate::payload::Payload;
use chargebook_domain::events::v1::{
    ChargingNeeds, ChargingProfile, ChargingSchedule, SchedulePeriod,
};
use chargebook_domain::units::WattHours;
use rust_decimal::Decimal;

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
            limit: decimal(&period, "limit"),
            phases: period.integer("numberPhases"),
        })
    };
    Some(ChargingSchedule {
        starts_at: data.time("startSchedule"),
        duration_seconds: data.integer("duration"),
        unit: data.text("chargingRateUnit")?,
        min_rate: decimal(data, "minChargingRate"),
        periods: data.objects("chargingSchedulePeriod").map(period).collect::<Option<_>>()?,
    })
}

/// What a vehicle needs (ChargingNeedsType): of alternating and of direct current the one that it
/// tells of.
pub(crate) fn needs(data: &Payload<'_, '_>) -> Option<ChargingNeeds> {
    let current = ["acChargingParameters", "dcChargingParameters"];
    let current = current.iter().find_map(|name| data.object(name));
    let of_current = |name: &str| current.and_then(|current| decimal(&current, name));
    Some(ChargingNeeds {
        transfer_mode: data.text("requestedEnergyTransfer")?,
        departure_at: data.time("departureTime"),
        energy_wh: of_current("energyAmount").map(WattHours),
        current_min_a: of_current("evMinCurrent"),
        current_max_a: of_current("evMaxCurrent"),
        voltage_max_v: of_current("evMaxVoltage"),
        power_max_w: of_current("evMaxPower"),
        state_of_charge_percent: current.and_then(|current| current.integer("stateOfCharge")),
    })
}

/// A number, exactly; `None` where it is beyond what a decimal holds.
fn decimal(data: &Payload<'_, '_>, name: &str) -> Option<Decimal> {
    json_number(data.document.number(data.member(name)?)?)
}
