//! Sampled values (OCPP 1.6 section 7.43) as facts with evidence.
//!
//! A sample that means nothing to a bill or a live view stays in the verbatim frame only:
//! signed records, other measurands, units that do not fit, values that are no decimal number,
//! and measurements taken elsewhere than at the outlet.

use crate::rpc::json::{Document, NodeId};
use chargebook_commands::message::SampleReport;
use chargebook_domain::events::v1::{Evidence, MeterSample, Quantity};
use chargebook_domain::ids::EventId;
use chargebook_domain::units::Timestamp;
use rust_decimal::Decimal;
use std::borrow::Cow;
use uuid::Uuid;

/// Most samples of one message that become facts: an event has room for them. A frame holds
/// more only if they are written without anything beside the value.
pub(super) const SAMPLES_MAX: usize = 2_000;

/// Longest value that can be a number, in bytes: 29 digits are the most that is exact.
const VALUE_BYTES_MAX: usize = 64;

/// The samples of a list of MeterValue objects that fits its shape, in its order. `pointer`
/// points to the list.
pub(super) fn samples(document: &Document<'_>, list: NodeId, pointer: &str) -> Vec<SampleReport> {
    let mut samples = Vec::new();
    for (index, meter_value) in document.children(list).enumerate() {
        let Some(sampled_at) = instant(document, meter_value) else { continue };
        let Some(values) = document.member(meter_value, "sampledValue") else { continue };
        for (value_index, sampled_value) in document.children(values).enumerate() {
            let place = || format!("{pointer}/{index}/sampledValue/{value_index}/value");
            samples.extend(sample(document, sampled_value, sampled_at, place));
        }
    }
    thin_out(&mut samples);
    samples
}

/// Keeps at most [`SAMPLES_MAX`]: of too many the energy registers, and of too many of those
/// the first and the last. The frame keeps them all.
fn thin_out(samples: &mut Vec<SampleReport>) {
    if samples.len() > SAMPLES_MAX {
        samples.retain(|report| report.sample.quantity == Quantity::EnergyImportRegisterWh);
    }
    if let Some(surplus) = samples.len().checked_sub(SAMPLES_MAX) {
        samples.drain(SAMPLES_MAX / 2..SAMPLES_MAX / 2 + surplus);
    }
}

fn instant(document: &Document<'_>, meter_value: NodeId) -> Option<Timestamp> {
    let text = document.string(document.member(meter_value, "timestamp")?)?;
    crate::time::read(&text).map(|time| time.instant)
}

/// The members of a SampledValue that decide what it means.
#[derive(Default)]
struct Parts<'a> {
    value: Option<NodeId>,
    context: Option<Cow<'a, str>>,
    format: Option<Cow<'a, str>>,
    measurand: Option<Cow<'a, str>>,
    phase: Option<Cow<'a, str>>,
    location: Option<Cow<'a, str>>,
    unit: Option<Cow<'a, str>>,
}

impl<'a> Parts<'a> {
    fn of(document: &Document<'a>, sampled_value: NodeId) -> Self {
        let mut parts = Self::default();
        for (name, value) in document.members(sampled_value) {
            let text = || document.string(value);
            match document.string(name).as_deref() {
                Some("value") => parts.value = Some(value),
                Some("context") => parts.context = text(),
                Some("format") => parts.format = text(),
                Some("measurand") => parts.measurand = text(),
                Some("phase") => parts.phase = text(),
                Some("location") => parts.location = text(),
                Some("unit") => parts.unit = text(),
                _ => {}
            }
        }
        parts
    }
}

fn sample(
    document: &Document<'_>,
    sampled_value: NodeId,
    sampled_at: Timestamp,
    place: impl Fn() -> String,
) -> Option<SampleReport> {
    let parts = Parts::of(document, sampled_value);
    if parts.format.as_deref() == Some("SignedData") {
        return None;
    }
    let measurand = parts.measurand.as_deref().unwrap_or("Energy.Active.Import.Register");
    let (quantity, scale) = meaning(measurand, parts.unit.as_deref())?;
    if !is_measured_here(quantity, parts.location.as_deref()) {
        return None;
    }
    let node = parts.value?;
    let text = document.string(node).filter(|text| text.len() <= VALUE_BYTES_MAX)?;
    let value = scale.apply(Decimal::from_str_exact(&text).ok()?)?;
    let context = parts.context.as_deref().unwrap_or("Sample.Periodic").to_owned();
    Some(SampleReport {
        sample: MeterSample {
            sampled_at,
            quantity,
            value,
            context,
            phase: parts.phase.map(Cow::into_owned),
            evidence: Evidence {
                event_id: EventId(Uuid::nil()),
                pointer: place(),
                raw: document.raw(node).to_owned(),
            },
        },
    })
}

/// How a value in the station's unit becomes one in ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    One,
    Thousand,
    FromKelvin,
}

impl Scale {
    /// Exact, or nothing: a value that would have to be rounded is no fact.
    fn apply(self, mut value: Decimal) -> Option<Decimal> {
        match self {
            Self::One => Some(value),
            Self::Thousand if value.scale() >= 3 => {
                value.set_scale(value.scale() - 3).ok()?;
                Some(value)
            }
            Self::Thousand => {
                let decimals = value.scale();
                value.set_scale(0).ok()?;
                value.checked_mul(Decimal::from(10_i64.pow(3 - decimals)))
            }
            Self::FromKelvin => value.checked_sub(Decimal::new(27_315, 2)),
        }
    }
}

/// What a measurand in a unit means. Without a unit it is Wh for energy (section 7.43), and
/// the base unit for the rest.
fn meaning(measurand: &str, unit: Option<&str>) -> Option<(Quantity, Scale)> {
    Some(match (measurand, unit) {
        ("Energy.Active.Import.Register", None | Some("Wh")) => {
            (Quantity::EnergyImportRegisterWh, Scale::One)
        }
        ("Energy.Active.Import.Register", Some("kWh")) => {
            (Quantity::EnergyImportRegisterWh, Scale::Thousand)
        }
        ("Power.Active.Import", None | Some("W")) => (Quantity::PowerImportW, Scale::One),
        ("Power.Active.Import", Some("kW")) => (Quantity::PowerImportW, Scale::Thousand),
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

    fn read(sampled_value: &str) -> Option<MeterSample> {
        let text =
            format!(r#"[{{"timestamp":"2026-11-22T12:00:00Z","sampledValue":[{sampled_value}]}}]"#);
        let (document, outcome) = Document::read(&text);
        assert_eq!(outcome, Ok(()), "{text}");
        let list = document.root().expect("a list");
        let mut samples = samples(&document, list, "/3/meterValue");
        assert!(samples.len() <= 1);
        samples.pop().map(|report| report.sample)
    }

    #[track_caller]
    fn check(sampled_value: &str, expected: Option<(Quantity, &str)>) {
        let read = read(sampled_value).map(|sample| (sample.quantity, sample.value.to_string()));
        let expected = expected.map(|(quantity, value)| (quantity, value.to_owned()));
        assert_eq!(read, expected, "{sampled_value}");
    }

    #[test]
    fn defaults_of_the_standard() {
        let sample = read(r#"{"value":"1234.5"}"#).expect("a register");
        assert_eq!(sample.quantity, Quantity::EnergyImportRegisterWh);
        assert_eq!(sample.value, Decimal::new(12345, 1));
        assert_eq!(sample.context, "Sample.Periodic");
        assert_eq!(sample.phase, None);
        assert_eq!(sample.sampled_at.to_string(), "2026-11-22T12:00:00.000Z");
        assert_eq!(sample.evidence.pointer, "/3/meterValue/0/sampledValue/0/value");
        assert_eq!(sample.evidence.raw, r#""1234.5""#);
    }

    #[test]
    fn units_are_converted_exactly() {
        use Quantity::*;
        let register = |unit: &str, value: &str| {
            let measurand = "Energy.Active.Import.Register";
            format!(r#"{{"value":"{value}","unit":"{unit}","measurand":"{measurand}"}}"#)
        };
        check(&register("Wh", "10"), Some((EnergyImportRegisterWh, "10")));
        check(&register("kWh", "10"), Some((EnergyImportRegisterWh, "10000")));
        check(&register("kWh", "0.1"), Some((EnergyImportRegisterWh, "100")));
        check(&register("kWh", "12.3456"), Some((EnergyImportRegisterWh, "12345.6")));
        check(&register("kWh", "-0.0005"), Some((EnergyImportRegisterWh, "-0.5")));
        check(&register("kWh", "79228162514264337593543950335"), None);
        check(&register("Wh", "0.00000000000000000000000000001"), None);
        check(&register("W", "10"), None);
        let power = |unit: &str| {
            format!(r#"{{"value":"7.36","measurand":"Power.Active.Import","unit":"{unit}"}}"#)
        };
        check(&power("kW"), Some((PowerImportW, "7360")));
        check(&power("W"), Some((PowerImportW, "7.36")));
        check(&power("Wh"), None);
        check(
            r#"{"value":"300.15","measurand":"Temperature","unit":"K"}"#,
            Some((TemperatureC, "27.00")),
        );
    }

    #[test]
    fn only_what_means_something_is_a_fact() {
        use Quantity::*;
        check(
            r#"{"value":"16","measurand":"Current.Import","phase":"L1"}"#,
            Some((CurrentImportA, "16")),
        );
        check(r#"{"value":"230.1","measurand":"Voltage","unit":"V"}"#, Some((VoltageV, "230.1")));
        check(
            r#"{"value":"55","measurand":"SoC","location":"EV"}"#,
            Some((StateOfChargePercent, "55")),
        );
        check(
            r#"{"value":"30","measurand":"Temperature","unit":"Celcius","location":"Body"}"#,
            Some((TemperatureC, "30")),
        );
        check(r#"{"value":"1","location":"Outlet"}"#, Some((EnergyImportRegisterWh, "1")));
        check(r#"{"value":"1","location":"Inlet"}"#, None);
        check(r#"{"value":"1","location":"EV"}"#, None);
        check(r#"{"value":"1","measurand":"Energy.Active.Export.Register"}"#, None);
        check(r#"{"value":"1","measurand":"Energy.Active.Import.Interval"}"#, None);
        check(r#"{"value":"1","format":"Raw"}"#, Some((EnergyImportRegisterWh, "1")));
        check(r#"{"value":"1","format":"SignedData"}"#, None);
        let endless = "0".repeat(100);
        for no_number in ["", "NaN", "1,5", "1.2.3", "0x10", "Infinity", "1e3", "abc", &endless] {
            check(&format!(r#"{{"value":"{no_number}"}}"#), None);
        }
    }

    #[test]
    fn of_too_many_samples_the_registers_and_their_ends_stay() {
        let list = |register: usize, power: usize| {
            let registers = (0..register).map(|n| format!(r#"{{"value":"{n}"}}"#));
            let powers =
                (0..power).map(|_| r#"{"value":"1","measurand":"Power.Active.Import"}"#.to_owned());
            let values: Vec<_> = powers.chain(registers).collect();
            format!(
                r#"[{{"timestamp":"2026-11-22T12:00:00Z","sampledValue":[{}]}}]"#,
                values.join(",")
            )
        };
        let count = |text: &str| {
            let (document, outcome) = Document::read(text);
            assert_eq!(outcome, Ok(()));
            samples(&document, document.root().expect("a list"), "/3/meterValue")
        };
        assert_eq!(count(&list(1_000, 1_000)).len(), SAMPLES_MAX);
        assert_eq!(count(&list(1_001, 1_000)).len(), 1_001);
        let kept = count(&list(SAMPLES_MAX + 500, 0));
        assert_eq!(kept.len(), SAMPLES_MAX);
        assert_eq!(kept[0].sample.value, Decimal::ZERO);
        let last = Decimal::from(SAMPLES_MAX + 499);
        assert_eq!(kept[SAMPLES_MAX - 1].sample.value, last);
    }

    #[test]
    fn phase_and_context_are_kept() {
        let sample = read(r#"{"value":"1","phase":"L1-N","context":"Transaction.Begin"}"#)
            .expect("a register");
        assert_eq!(sample.phase.as_deref(), Some("L1-N"));
        assert_eq!(sample.context, "Transaction.Begin");
    }
}
