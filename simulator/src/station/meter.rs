//! What a station's meter shows, as OCPP sampled values.

use chrono::{DateTime, Utc};
use ocpp_kit::v1_6::{
    Location, Measurand, MeterValue, ReadingContext, SampledValue, UnitOfMeasure,
};

use crate::fault::RegisterUnit;
use crate::plan::Hardware;
use crate::wire;

/// Phase voltage of alternating current, in volts.
const AC_PHASE_VOLT: i64 = 230;
/// Phases of alternating current.
const AC_PHASES: i64 = 3;
/// Battery voltage of direct current, empty and per percent of charge, in volts.
const DC_BASE_VOLT: i64 = 340;

/// One moment of a connector.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// Time by the station's clock.
    pub(crate) at: DateTime<Utc>,
    /// Energy register, in watt-hours.
    pub(crate) register_wh: i64,
    /// Power now, in watts.
    pub(crate) power_w: i64,
    /// State of charge in percent, where the hardware can know it.
    pub(crate) state_of_charge_percent: Option<i64>,
    /// Why the reading was taken.
    pub(crate) context: ReadingContext,
}

impl Reading {
    /// The reading as one `meterValue` entry.
    pub(crate) fn meter_value(&self, hardware: Hardware, unit: RegisterUnit) -> MeterValue {
        let sample = |value: String, measurand, unit, location| {
            SampledValue::new(value)
                .with_context(self.context.clone())
                .with_measurand(measurand)
                .with_unit(unit)
                .with_location(location)
        };
        let (register, register_unit) = match unit {
            RegisterUnit::WattHour => (self.register_wh.to_string(), UnitOfMeasure::Wh),
            RegisterUnit::KilowattHour => (thousandths(self.register_wh), UnitOfMeasure::KWh),
        };
        let (volt, phases) = self.voltage(hardware);
        let deci_ampere = self.power_w * 10 / (volt * phases);
        let mut values = vec![
            sample(
                register,
                Measurand::EnergyActiveImportRegister,
                register_unit,
                Location::Outlet,
            ),
            sample(
                self.power_w.to_string(),
                Measurand::PowerActiveImport,
                UnitOfMeasure::W,
                Location::Outlet,
            ),
            sample(
                format!("{}.{}", deci_ampere / 10, deci_ampere % 10),
                Measurand::CurrentImport,
                UnitOfMeasure::A,
                Location::Outlet,
            ),
            sample(volt.to_string(), Measurand::Voltage, UnitOfMeasure::V, Location::Outlet),
        ];
        if let Some(percent) = self.state_of_charge_percent {
            values.push(sample(
                percent.to_string(),
                Measurand::SoC,
                UnitOfMeasure::Percent,
                Location::EV,
            ));
        }
        MeterValue::new(wire::ocpp_time(self.at), values)
    }

    fn voltage(&self, hardware: Hardware) -> (i64, i64) {
        match hardware {
            Hardware::AlternatingCurrent { .. } => (AC_PHASE_VOLT, AC_PHASES),
            Hardware::DirectCurrent { .. } => {
                (DC_BASE_VOLT + self.state_of_charge_percent.unwrap_or(0), 1)
            }
        }
    }
}

/// A number of thousandths as decimal text with three decimals.
fn thousandths(value: i64) -> String {
    format!("{}.{:03}", value / 1_000, value % 1_000)
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use ocpp_kit::v1_6::ReadingContext;

    use super::Reading;
    use crate::fault::RegisterUnit;
    use crate::plan::Hardware;

    fn values(hardware: Hardware, unit: RegisterUnit, percent: Option<i64>) -> String {
        let reading = Reading {
            at: Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).single().expect("a valid time"),
            register_wh: 1_234_056,
            power_w: 11_040,
            state_of_charge_percent: percent,
            context: ReadingContext::SamplePeriodic,
        };
        let value = reading.meter_value(hardware, unit);
        let list: Vec<String> = value
            .sampled_value
            .iter()
            .map(|one| {
                let unit = one.unit.as_ref().map(|unit| unit.as_str()).unwrap_or_default();
                format!("{} {unit}", one.value)
            })
            .collect();
        list.join(", ")
    }

    #[test]
    fn the_register_is_exact_in_either_unit() {
        assert_eq!(
            values(Hardware::AC_11, RegisterUnit::WattHour, None),
            "1234056 Wh, 11040 W, 16.0 A, 230 V"
        );
        assert_eq!(
            values(Hardware::AC_11, RegisterUnit::KilowattHour, None),
            "1234.056 kWh, 11040 W, 16.0 A, 230 V"
        );
    }

    #[test]
    fn direct_current_knows_the_state_of_charge() {
        assert_eq!(
            values(Hardware::DC_50, RegisterUnit::WattHour, Some(60)),
            "1234056 Wh, 11040 W, 27.6 A, 400 V, 60 Percent"
        );
    }
}
