//! Sampled values of OCPP 2.x (SampledValueType): JSON numbers, with their unit and a power of
//! ten beside them. A signed record stands beside the value and stays in the verbatim frame.

use crate::meter::{SampledValue, json_number, thin_out};
use crate::payload::Payload;
use chargebook_commands::message::SampleReport;
use chargebook_domain::units::Timestamp;

/// The samples of a payload's `meterValue`, in their order.
pub(super) fn samples(payload: &Payload<'_, '_>) -> Vec<SampleReport> {
    let mut samples = Vec::new();
    for (index, meter_value) in payload.objects("meterValue").enumerate() {
        let Some(sampled_at) = meter_value.time("timestamp") else { continue };
        for (value_index, sampled_value) in meter_value.objects("sampledValue").enumerate() {
            let place = || format!("/3/meterValue/{index}/sampledValue/{value_index}/value");
            samples.extend(sample(&sampled_value, sampled_at, place));
        }
    }
    thin_out(&mut samples);
    samples
}

fn sample(
    sampled_value: &Payload<'_, '_>,
    sampled_at: Timestamp,
    place: impl Fn() -> String,
) -> Option<SampleReport> {
    let document = sampled_value.document;
    let mut parts = SampledValue::default();
    for (name, node) in document.members(sampled_value.node) {
        let text = || document.string(node);
        match document.string(name).as_deref() {
            Some("value") => {
                parts.raw = document.raw(node);
                parts.value = document.number(node).and_then(json_number);
            }
            Some("context") => parts.context = text(),
            Some("measurand") => parts.measurand = text(),
            Some("phase") => parts.phase = text(),
            Some("location") => parts.location = text(),
            Some("unitOfMeasure") => {
                let unit = Payload { document, node };
                parts.unit = unit.string("unit");
                parts.exponent = unit.integer("multiplier").unwrap_or(0);
            }
            _ => {}
        }
    }
    parts.mend(document);
    parts.report(sampled_at, place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::json::Document;
    use chargebook_domain::events::v1::{MeterSample, Quantity};

    fn read(sampled_value: &str) -> Option<MeterSample> {
        let text = format!(
            r#"{{"meterValue":[{{"timestamp":"2026-11-22T12:00:00Z","sampledValue":[{sampled_value}]}}]}}"#
        );
        let (document, outcome) = Document::read(&text);
        assert_eq!(outcome, Ok(()), "{text}");
        let node = document.root().expect("a payload");
        let mut samples = samples(&Payload { document: &document, node });
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
        let sample = read(r#"{"value":1234.50}"#).expect("a register");
        assert_eq!(sample.quantity, Quantity::EnergyImportRegisterWh);
        assert_eq!(sample.value.to_string(), "1234.50");
        assert_eq!(sample.context, "Sample.Periodic");
        assert_eq!(sample.evidence.pointer, "/3/meterValue/0/sampledValue/0/value");
        assert_eq!(sample.evidence.raw, "1234.50");
    }

    #[test]
    fn units_and_powers_of_ten_are_exact() {
        use Quantity::*;
        let register =
            |value: &str, unit: &str| format!(r#"{{"value":{value},"unitOfMeasure":{{{unit}}}}}"#);
        let energy = |value: &'static str| Some((EnergyImportRegisterWh, value));
        check(&register("12", ""), energy("12"));
        check(&register("12.5", r#""unit":"kWh""#), energy("12500"));
        check(&register("12.5", r#""unit":"Wh","multiplier":3"#), energy("12500"));
        check(&register("125", r#""unit":"kWh","multiplier":-1"#), energy("12500"));
        check(&register("1.25E1", r#""unit":"kWh","multiplier":0"#), energy("12500"));
        check(&register("-1.5", r#""multiplier":1"#), energy("-15"));
        check(&register("1", r#""multiplier":40"#), None);
        check(&register("1", r#""unit":"A""#), None);
        check(
            r#"{"value":7.36,"measurand":"Power.Active.Import","unitOfMeasure":{"unit":"kW"}}"#,
            Some((PowerImportW, "7360")),
        );
        check(
            r#"{"value":55,"measurand":"SoC","unitOfMeasure":{"unit":"Percent"},"location":"EV"}"#,
            Some((StateOfChargePercent, "55")),
        );
    }

    #[test]
    fn what_flows_back_is_a_quantity_of_its_own() {
        use Quantity::*;
        check(
            r#"{"value":12.5,"measurand":"Energy.Active.Export.Register","unitOfMeasure":{"unit":"kWh"}}"#,
            Some((EnergyExportRegisterWh, "12500")),
        );
        check(
            r#"{"value":1,"measurand":"Power.Active.Export","unitOfMeasure":{"unit":"kW"}}"#,
            Some((PowerExportW, "1000")),
        );
    }

    #[test]
    fn a_signed_record_leaves_its_value_a_fact() {
        let signed = r#"{"value":5,"context":"Transaction.Begin","signedMeterValue":{
            "signedMeterData":"AA","signingMethod":"","encodingMethod":"OCMF","publicKey":""}}"#;
        assert_eq!(read(signed).expect("a register").context, "Transaction.Begin");
    }

    #[test]
    fn what_means_nothing_here_is_no_fact() {
        check(r#"{"value":1,"measurand":"Energy.Reactive.Export.Register"}"#, None);
        check(r#"{"value":1,"measurand":"Energy.Active.Export.Interval"}"#, None);
        check(r#"{"value":1,"location":"Inlet"}"#, None);
        check(r#"{"value":1,"location":"Upstream"}"#, None);
    }
}
