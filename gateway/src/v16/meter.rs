//! Sampled values of OCPP 1.6 (section 7.43): texts, with their unit beside them. Signed records
//! stay in the verbatim frame only.

use super::schema;
use crate::meter::{SampledValue, decimal, thin_out};
use crate::rpc::json::{Document, NodeId};
use chargebook_commands::message::SampleReport;
use chargebook_domain::events::v1::Quirk;
use chargebook_domain::units::Timestamp;
use rust_decimal::Decimal;

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

fn instant(document: &Document<'_>, meter_value: NodeId) -> Option<Timestamp> {
    let text = document.string(document.member(meter_value, "timestamp")?)?;
    crate::time::read(&text).map(|time| time.instant)
}

fn sample(
    document: &Document<'_>,
    sampled_value: NodeId,
    sampled_at: Timestamp,
    place: impl Fn() -> String,
) -> Option<SampleReport> {
    let mut value = None;
    let mut is_plain = true;
    let mut parts = SampledValue::default();
    for (name, node) in document.members(sampled_value) {
        if document.is_left_out(node) {
            continue;
        }
        let text = || document.string(node);
        match document.string(name).as_deref() {
            Some("value") => value = Some(node),
            Some("format") => is_plain = document.is_text(node, "Raw"),
            Some("context") => parts.context = text(),
            Some("measurand") => parts.measurand = text(),
            Some("phase") => parts.phase = text(),
            Some("location") => parts.location = text(),
            Some("unit") => parts.unit = text(),
            _ => {}
        }
    }
    let value = value.filter(|_| is_plain)?;
    if document.met().has(Quirk::UnknownWords) {
        leave_out_unknown(&mut parts)?;
    }
    parts.raw = document.raw(value);
    parts.value = written_value(document, value);
    parts.mend(document);
    parts.report(sampled_at, place)
}

/// Takes the standard's occasion for one that it does not know. `None` where a value may be
/// another by what is not known: of a measurand, a unit or a location that means nothing here
/// there is no value anyway.
fn leave_out_unknown(parts: &mut SampledValue<'_>) -> Option<()> {
    parts.context = parts.context.take().filter(|context| schema::is_context(context));
    parts.phase.as_deref().is_none_or(schema::is_phase).then_some(())
}

/// A value that is written as a text: with a decimal comma where the dialect has it.
fn written_value(document: &Document<'_>, value: NodeId) -> Option<Decimal> {
    let text = document.string(value)?;
    decimal(&text).or_else(|| {
        let (whole, fraction) = text.split_once(',').filter(|_| !text.contains('.'))?;
        let meant = decimal(&format!("{whole}.{fraction}"))?;
        document.meets(Quirk::DecimalComma).then_some(meant)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::SAMPLES_MAX;
    use chargebook_domain::events::v1::{MeterSample, Quantity};

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
        let exported = |value: &str, unit: &str| {
            let measurand = "Energy.Active.Export.Register";
            format!(r#"{{"value":"{value}","unit":"{unit}","measurand":"{measurand}"}}"#)
        };
        check(&exported("7", "Wh"), Some((EnergyExportRegisterWh, "7")));
        check(&exported("0.1", "kWh"), Some((EnergyExportRegisterWh, "100")));
        check(
            r#"{"value":"5.5","measurand":"Power.Active.Export","unit":"kW"}"#,
            Some((PowerExportW, "5500")),
        );
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
        check(r#"{"value":"1","measurand":"Energy.Reactive.Export.Register"}"#, None);
        check(r#"{"value":"1","measurand":"Energy.Active.Import.Interval"}"#, None);
        check(r#"{"value":"1","format":"Raw"}"#, Some((EnergyImportRegisterWh, "1")));
        check(r#"{"value":"1","format":"SignedData"}"#, None);
        let endless = "0".repeat(100);
        for no_number in ["", "NaN", "1,5", "1.2.3", "0x10", "Infinity", "1e3", "abc", &endless] {
            check(&format!(r#"{{"value":"{no_number}"}}"#), None);
        }
    }

    #[test]
    fn null_is_as_good_as_left_out_where_the_dialect_has_it() {
        let text = r#"[{"timestamp":"2026-11-22T12:00:00Z",
            "sampledValue":[{"value":"1","format":null,"unit":null,"phase":null}]}]"#;
        let (document, outcome) = Document::read(text);
        assert_eq!(outcome, Ok(()));
        document.understand_in([Quirk::NullMembers].into_iter().collect());
        let samples = samples(&document, document.root().expect("a list"), "/3/meterValue");
        assert_eq!(samples.len(), 1);
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
