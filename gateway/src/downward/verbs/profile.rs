//! A charging profile in the words of OCPP 2.x (ChargingProfileType).

use super::{decimal, object, some};
use chargebook_domain::events::v1::{ChargingProfile, ChargingSchedule, SchedulePeriod};
use serde_json::Value;

/// The profile; its schedules are numbered from 1.
pub(super) fn in_words_of_2(profile: &ChargingProfile) -> Value {
    let schedules = (1_u32..).zip(&profile.schedules);
    let schedules: Vec<_> = schedules.map(|(number, one)| schedule(number, one)).collect();
    object([
        ("id", some(profile.profile_id)),
        ("stackLevel", some(profile.stack_level)),
        ("chargingProfilePurpose", some(profile.purpose.as_str())),
        ("chargingProfileKind", some(profile.kind.as_str())),
        ("recurrencyKind", profile.recurrency.as_deref().map(Value::from)),
        ("validFrom", profile.valid_from.map(|at| at.to_string().into())),
        ("validTo", profile.valid_to.map(|at| at.to_string().into())),
        ("transactionId", profile.transaction.as_deref().map(Value::from)),
        ("chargingSchedule", some(schedules)),
    ])
}

fn schedule(number: u32, schedule: &ChargingSchedule) -> Value {
    let periods: Vec<_> = schedule.periods.iter().map(period).collect();
    object([
        ("id", some(number)),
        ("startSchedule", schedule.starts_at.map(|at| at.to_string().into())),
        ("duration", schedule.duration_seconds.map(Value::from)),
        ("chargingRateUnit", some(schedule.unit.as_str())),
        ("minChargingRate", schedule.min_rate.map(decimal)),
        ("chargingSchedulePeriod", some(periods)),
    ])
}

fn period(period: &SchedulePeriod) -> Value {
    object([
        ("startPeriod", some(period.start_seconds)),
        ("limit", period.limit.map(decimal)),
        ("numberPhases", period.phases.map(Value::from)),
        ("operationMode", period.operation_mode.as_deref().map(Value::from)),
        ("setpoint", period.setpoint.map(decimal)),
        ("dischargeLimit", period.discharge_limit.map(decimal)),
    ])
}
