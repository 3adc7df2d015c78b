//! Sampled values as facts with evidence: what every OCPP version has in common.
//!
//! A sample that means nothing to a bill or a live view stays in the verbatim frame only: other
//! measurands, units that do not fit, values that are no exact decimal number, and measurements
//! taken elsewhere than at the outlet.

use crate::rpc::json::Document;
use chargebook_commands::message::SampleReport;
use chargebook_domain::events::v1::{Evidence, MeterSample, Quantity, Quirk};
use chargebook_domain::ids::EventId;
use chargebook_domain::units::Timestamp;
use rust_decimal::Decimal;
use std::borrow::Cow;
use uuid::Uuid;

/// Most samples of one message that become facts: an event has room for them. A frame holds
/// more only if they are written without anything beside the value.
pub(crate) const SAMPLES_MAX: usize = 2_000;

/// Longest value that can be a number, in bytes: 29 digits are the most that is exact.
const VALUE_BYTES_MAX: usize = 64;

/// Largest power of ten that a value is multiplied or divided by.
const EXPONENT_MAX: u32 = 28;

/// Keeps at most [`SAMPLES_MAX`]: of too many the energy registers, and of too many of those
/// the first and the last. The frame keeps them all.
pub(crate) fn thin_out(samples: &mut Vec<SampleReport>) {
    if samples.len() > SAMPLES_MAX {
        samples.retain(|report| report.sample.quantity == Quantity::EnergyImportRegisterWh);
    }
    if let Some(surplus) = samples.len().checked_sub(SAMPLES_MAX) {
        samples.drain(SAMPLES_MAX / 2..SAMPLES_MAX / 2 + surplus);
    }
}

/// A sampled value, as a version's reader finds it.
#[derive(Default)]
pub(crate) struct SampledValue<'a> {
    /// The number.
    pub(crate) value: Option<Decimal>,
    /// Powers of ten that it is to be multiplied by (2.x `multiplier`).
    pub(crate) exponent: i32,
    /// The JSON text of the value, verbatim.
    pub(crate) raw: &'a str,
    /// The station's word for the occasion.
    pub(crate) context: Option<Cow<'a, str>>,
    /// The station's word for what was measured.
    pub(crate) measurand: Option<Cow<'a, str>>,
    /// The station's word for the phase.
    pub(crate) phase: Option<Cow<'a, str>>,
    /// The station's word for where.
    pub(crate) location: Option<Cow<'a, str>>,
    /// The station's word for the unit.
    pub(crate) unit: Option<Cow<'a, str>>,
}

/// What is measured where none is named (1.6 section 7.43, 2.x SampledValueType).
const ENERGY: &str = "Energy.Active.Import.Register";

/// The same of what flows back from a vehicle.
const EXPORTED_ENERGY: &str = "Energy.Active.Export.Register";

/// What is measured in a unit that is none of energy.
fn measurand_of(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "W" | "kW" => "Power.Active.Import",
        "A" => "Current.Import",
        "V" => "Voltage",
        "Percent" => "SoC",
        "Celsius" | "Celcius" | "K" => "Temperature",
        _ => return None,
    })
}

impl SampledValue<'_> {
    /// Puts in what the station's dialect leaves out.
    pub(crate) fn mend(&mut self, document: &Document<'_>) {
        if self.measurand.is_none()
            && let Some(measurand) = self.unit.as_deref().and_then(measurand_of)
            && document.meets(Quirk::MeasurandMissing)
        {
            self.measurand = Some(Cow::Borrowed(measurand));
        }
        let is_energy = matches!(self.measurand.as_deref(), None | Some(ENERGY | EXPORTED_ENERGY));
        if self.unit.is_none() && is_energy && document.assumes(Quirk::UnitMissingIsKwh) {
            self.unit = Some(Cow::Borrowed("kWh"));
        }
    }

    /// What it means, if anything; `place` points to the value in the frame.
    pub(crate) fn report(
        self,
        sampled_at: Timestamp,
        place: impl Fn() -> String,
    ) -> Option<SampleReport> {
        let measurand = self.measurand.as_deref().unwrap_or(ENERGY);
        let (quantity, scale) = meaning(measurand, self.unit.as_deref())?;
        if !is_measured_here(quantity, self.location.as_deref()) {
            return None;
        }
        let value = scale.apply(self.value?, self.exponent)?;
        let context = self.context.as_deref().unwrap_or("Sample.Periodic").to_owned();
        Some(SampleReport {
            sample: MeterSample {
                sampled_at,
                quantity,
                value,
                context,
                phase: self.phase.map(Cow::into_owned),
                evidence: Evidence {
                    event_id: EventId(Uuid::nil()),
                    pointer: place(),
                    raw: self.raw.to_owned(),
                },
            },
        })
    }
}

/// A decimal as it is written, exact, or nothing.
pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    if text.len() > VALUE_BYTES_MAX {
        return None;
    }
    Decimal::from_str_exact(text).ok()
}

/// A JSON number, exact, or nothing: like [`decimal`], but it may have an exponent (`1.5E3`).
pub(crate) fn json_number(raw: &str) -> Option<Decimal> {
    match raw.split_once(['e', 'E']) {
        None => decimal(raw),
        Some((number, exponent)) => shifted(decimal(number)?, exponent.parse().ok()?),
    }
}

/// The value times a power of ten: exact, or nothing, since a value that would have to be
/// rounded is no fact.
fn shifted(mut value: Decimal, exponent: i32) -> Option<Decimal> {
    let (scale, by) = (value.scale(), exponent.unsigned_abs());
    if by > EXPONENT_MAX {
        return value.is_zero().then_some(Decimal::ZERO);
    }
    if exponent < 0 {
        value.set_scale(scale + by).ok()?;
        return Some(value);
    }
    if scale >= by {
        value.set_scale(scale - by).ok()?;
        return Some(value);
    }
    value.set_scale(0).ok()?;
    value.checked_mul(Decimal::from_i128_with_scale(10_i128.pow(by - scale), 0))
}

/// How a value in the station's unit becomes one in ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    One,
    Thousand,
    FromKelvin,
}

impl Scale {
    fn apply(self, value: Decimal, exponent: i32) -> Option<Decimal> {
        match self {
            Self::One => shifted(value, exponent),
            Self::Thousand => shifted(value, exponent.checked_add(3)?),
            Self::FromKelvin => shifted(value, exponent)?.checked_sub(Decimal::new(27_315, 2)),
        }
    }
}

/// What a measurand in a unit means. Without a unit it is Wh for energy (section 7.43), and
/// the base unit for the rest.
fn meaning(measurand: &str, unit: Option<&str>) -> Option<(Quantity, Scale)> {
    Some(match (measurand, unit) {
        (ENERGY, None | Some("Wh")) => (Quantity::EnergyImportRegisterWh, Scale::One),
        (ENERGY, Some("kWh")) => (Quantity::EnergyImportRegisterWh, Scale::Thousand),
        (EXPORTED_ENERGY, None | Some("Wh")) => (Quantity::EnergyExportRegisterWh, Scale::One),
        (EXPORTED_ENERGY, Some("kWh")) => (Quantity::EnergyExportRegisterWh, Scale::Thousand),
        ("Power.Active.Import", None | Some("W")) => (Quantity::PowerImportW, Scale::One),
        ("Power.Active.Import", Some("kW")) => (Quantity::PowerImportW, Scale::Thousand),
        ("Power.Active.Export", None | Some("W")) => (Quantity::PowerExportW, Scale::One),
        ("Power.Active.Export", Some("kW")) => (Quantity::PowerExportW, Scale::Thousand),
        ("Current.Import", None | Some("A")) => (Quantity::CurrentImportA, Scale::One),
        ("Voltage", None | Some("V")) => (Quantity::VoltageV, Scale::One),
        ("SoC", None | Some("Percent")) => (Quantity::StateOfChargePercent, Scale::One),
        // The schema spells it both ways.
        ("Temperature", None | Some("Celsius" | "Celcius")) => (Quantity::TemperatureC, Scale::One),
        ("Temperature", Some("K")) => (Quantity::TemperatureC, Scale::FromKelvin),
        _ => return None,
    })
}

/// Whether it was measured where the quantity counts: at the outlet, which is the default. Only
/// the vehicle knows its state of charge; a temperature is taken in the body as well.
fn is_measured_here(quantity: Quantity, location: Option<&str>) -> bool {
    match location {
        None | Some("Outlet") => true,
        Some("EV") => quantity == Quantity::StateOfChargePercent,
        Some("Body") => quantity == Quantity::TemperatureC,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_or_none() {
        for (text, exponent, expected) in [
            ("12.50", 0, Some("12.50")),
            ("-0.5", 0, Some("-0.5")),
            ("12.5", 3, Some("12500")),
            ("12.3456", 3, Some("12345.6")),
            ("12.3456", -3, Some("0.0123456")),
            ("1.5E3", 0, Some("1500")),
            ("1.5e-3", 0, Some("0.0015")),
            ("15e2", -2, Some("15.00")),
            ("0", 99, Some("0")),
            ("1", 29, None),
            ("1", -29, None),
            ("1e29", 0, None),
            ("1e99999999999", 0, None),
            ("79228162514264337593543950335", 1, None),
            ("0.00000000000000000000000000001", 0, None),
            ("", 0, None),
            ("1,5", 0, None),
            ("NaN", 0, None),
        ] {
            let value = json_number(text).and_then(|value| shifted(value, exponent));
            let value = value.map(|value| value.to_string());
            assert_eq!(value.as_deref(), expected, "{text} times ten to the {exponent}");
        }
    }
}
