//! Sampled values as they stand in a frame: what each means, in the unit of its quantity (OCPP 1.6
//! section 7.43 and 2.x SampledValueType).

use crate::frame::{FrameError, same};
use crate::number::{decimal, json_number, times_power_of_ten};
use chargebook_domain::events::v1::{Dialect, Quantity, Quirk};
use rust_decimal::Decimal;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The context of the reading that a transaction begins with.
pub(crate) const TRANSACTION_BEGIN: &str = "Transaction.Begin";

/// The occasions of a reading that the standard knows (1.6 section 7.35).
const CONTEXTS: [&str; 8] = [
    "Interruption.Begin",
    "Interruption.End",
    "Other",
    "Sample.Clock",
    "Sample.Periodic",
    TRANSACTION_BEGIN,
    "Transaction.End",
    "Trigger",
];

const ENERGY: &str = "Energy.Active.Import.Register";
/// What flows back from a vehicle.
const EXPORTED_ENERGY: &str = "Energy.Active.Export.Register";
const KELVIN: &str = "K";

/// 0 °C in kelvin.
const ZERO_CELSIUS_K: Decimal = Decimal::from_parts(27_315, 0, 0, false, 2);

/// How the texts of a frame are to be understood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tongue {
    /// The dialect that the log names.
    pub(crate) dialect: Dialect,
    /// Whether it is OCPP 1.6, which writes sampled values as texts.
    pub(crate) is_16: bool,
}

impl Tongue {
    /// What JSON text stands for a number: the number, or a string with one where the dialect has
    /// that.
    pub(crate) fn digits<'t>(self, raw: &'t str) -> Option<Cow<'t, str>> {
        if raw.starts_with('"') {
            let in_strings = self.dialect.has(Quirk::NumbersAsStrings);
            return in_strings.then(|| text_of(raw).map(Cow::Owned)).flatten();
        }
        raw.starts_with(|first: char| first == '-' || first.is_ascii_digit())
            .then_some(Cow::Borrowed(raw))
    }

    /// The number of a sampled value: in 1.6 a text without an exponent, in 2.x a JSON number.
    fn value(self, raw: &str) -> Option<Decimal> {
        if !self.is_16 {
            return json_number(&self.digits(raw)?);
        }
        let text = match raw.starts_with('"') {
            true => Cow::Owned(text_of(raw)?),
            false => self.digits(raw).filter(|_| self.dialect.has(Quirk::NumbersAsStrings))?,
        };
        let has_comma = self.dialect.has(Quirk::DecimalComma) && !text.contains('.');
        decimal(&text).or_else(|| decimal(&text.replacen(',', ".", 1)).filter(|_| has_comma))
    }
}

/// The characters that a JSON string means.
fn text_of(raw: &str) -> Option<String> {
    serde_json::from_str(raw).ok()
}

/// A JSON object, each member as it is written.
pub(crate) struct Members<'t>(BTreeMap<Cow<'t, str>, &'t RawValue>);

impl<'t> Members<'t> {
    /// Reads an object; `None` for anything else.
    pub(crate) fn of(raw: &'t str) -> Option<Self> {
        serde_json::from_str(raw).ok().map(Self)
    }

    /// A member as it is written.
    pub(crate) fn raw(&self, name: &str) -> Option<&'t str> {
        self.0.get(name).map(|raw| raw.get())
    }

    /// A member that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        text_of(self.raw(name)?)
    }

    /// The objects of a member that is a list.
    pub(crate) fn objects(&self, name: &str) -> Vec<Self> {
        let list: Option<Vec<&'t RawValue>> =
            self.raw(name).and_then(|raw| serde_json::from_str(raw).ok());
        list.into_iter().flatten().filter_map(|raw| Self::of(raw.get())).collect()
    }
}

/// A sampledValue object.
pub(crate) struct Sampled<'t> {
    members: Members<'t>,
    tongue: Tongue,
}

impl<'t> Sampled<'t> {
    pub(crate) fn of(members: Members<'t>, tongue: Tongue) -> Self {
        Self { members, tongue }
    }

    /// On what occasion it was read; one that the standard does not know is the usual one where
    /// the dialect has such.
    pub(crate) fn context(&self) -> String {
        let knows_all = !(self.tongue.is_16 && self.tongue.dialect.has(Quirk::UnknownWords));
        let given = self.members.text("context");
        given
            .filter(|word| knows_all || CONTEXTS.contains(&word.as_str()))
            .unwrap_or_else(|| "Sample.Periodic".to_owned())
    }

    /// The phase that it is of, where it is of one only.
    pub(crate) fn phase(&self) -> Option<String> {
        self.members.text("phase")
    }

    /// What its `value` means in the quantity's own unit (the defaults of absent members are in
    /// 1.6 section 7.43).
    pub(crate) fn value_in(&self, quantity: Quantity) -> Result<Decimal, FrameError> {
        let (measurand, places, units) = meaning(quantity);
        let Unit { name: unit, exponent } = self.unit();
        let dialect = self.tongue.dialect;
        let told_by_unit =
            unit.as_deref().filter(|_| dialect.has(Quirk::MeasurandMissing)).and_then(measurand_of);
        let given = self.members.text("measurand");
        let found = given.as_deref().or(told_by_unit).unwrap_or(ENERGY);
        same("the measurand", measurand, Ok::<_, &str>(found))?;
        let location = self.members.text("location");
        let elsewhere = location.is_some_and(|location| !places.contains(&location.as_str()));
        let format = self.members.text("format").filter(|_| self.tongue.is_16);
        if elsewhere || format.is_some_and(|format| format != "Raw") {
            return Err(FrameError::Unreadable("a plain value sampled at the outlet"));
        }
        let is_energy = [ENERGY, EXPORTED_ENERGY].contains(&measurand);
        let means_kwh = is_energy && dialect.has(Quirk::UnitMissingIsKwh);
        let unit = unit.as_deref().unwrap_or(if means_kwh { "kWh" } else { units[0].0 });
        let power = units.iter().find(|(name, _)| *name == unit).map(|(_, power)| *power);
        let text = self.members.raw("value").unwrap_or_default();
        let value = self.tongue.value(text).zip(power).and_then(|(value, power)| {
            let value = times_power_of_ten(value, exponent.checked_add(power)?)?;
            if unit == KELVIN { value.checked_sub(ZERO_CELSIUS_K) } else { Some(value) }
        });
        value.ok_or_else(|| FrameError::OtherValue {
            what: "a sample",
            fact: measurand.to_owned(),
            frame: format!("{text} {unit}"),
        })
    }

    /// 1.6 names the unit; 2.x writes it beside a power of ten.
    fn unit(&self) -> Unit {
        if self.tongue.is_16 {
            return Unit { name: self.members.text("unit"), exponent: 0 };
        }
        let measure = self.members.raw("unitOfMeasure").and_then(Members::of);
        let multiplier = measure.as_ref().and_then(|measure| {
            let digits = self.tongue.digits(measure.raw("multiplier")?)?;
            i32::try_from(crate::number::integer(&digits)?).ok()
        });
        let name = measure.and_then(|measure| measure.text("unit"));
        Unit { name, exponent: multiplier.unwrap_or(0) }
    }
}

struct Unit {
    name: Option<String>,
    /// The power of ten that a value in it is to be multiplied by.
    exponent: i32,
}

/// A quantity's measurand, where it is measured, and its units with their powers of ten, the usual
/// one first.
type Meaning = (&'static str, &'static [&'static str], &'static [(&'static str, i32)]);

fn meaning(quantity: Quantity) -> Meaning {
    match quantity {
        Quantity::EnergyImportRegisterWh => (ENERGY, &["Outlet"], &[("Wh", 0), ("kWh", 3)]),
        Quantity::EnergyExportRegisterWh => {
            (EXPORTED_ENERGY, &["Outlet"], &[("Wh", 0), ("kWh", 3)])
        }
        Quantity::PowerExportW => ("Power.Active.Export", &["Outlet"], &[("W", 0), ("kW", 3)]),
        Quantity::PowerImportW => ("Power.Active.Import", &["Outlet"], &[("W", 0), ("kW", 3)]),
        Quantity::CurrentImportA => ("Current.Import", &["Outlet"], &[("A", 0)]),
        Quantity::VoltageV => ("Voltage", &["Outlet"], &[("V", 0)]),
        Quantity::StateOfChargePercent => ("SoC", &["Outlet", "EV"], &[("Percent", 0)]),
        // The schema spells the unit both ways.
        Quantity::TemperatureC => {
            ("Temperature", &["Outlet", "Body"], &[("Celsius", 0), ("Celcius", 0), (KELVIN, 0)])
        }
    }
}

/// What is measured in a unit that is none of energy, where nothing but the unit tells.
fn measurand_of(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "W" | "kW" => "Power.Active.Import",
        "A" => "Current.Import",
        "V" => "Voltage",
        "Percent" => "SoC",
        "Celsius" | "Celcius" | KELVIN => "Temperature",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Quantity::*;

    #[track_caller]
    fn check(tongue: Tongue, sampled: &str, quantity: Quantity, expected: Option<&str>) {
        let value = Sampled::of(Members::of(sampled).unwrap(), tongue).value_in(quantity).ok();
        assert_eq!(value, expected.map(|text| text.parse().unwrap()), "{sampled}");
    }

    #[test]
    fn values_mean_what_their_unit_says() {
        let standard = Tongue { dialect: Dialect::STANDARD, is_16: true };
        let check =
            |sampled: &str, quantity, expected| check(standard, sampled, quantity, expected);
        check(r#"{"value":"12.5"}"#, EnergyImportRegisterWh, Some("12.5"));
        check(r#"{"value":"12\u002e5"}"#, EnergyImportRegisterWh, Some("12.5"));
        check(r#"{"value":"12.5","unit":"kWh"}"#, EnergyImportRegisterWh, Some("12500"));
        let outlet = r#"{"value":"1","location":"Outlet","format":"Raw"}"#;
        check(outlet, EnergyImportRegisterWh, Some("1"));
        check(r#"{"value":"1","location":"Inlet"}"#, EnergyImportRegisterWh, None);
        check(r#"{"value":"1","format":"SignedData"}"#, EnergyImportRegisterWh, None);
        check(r#"{"value":"1","unit":"varh"}"#, EnergyImportRegisterWh, None);
        check(r#"{"value":"1e3"}"#, EnergyImportRegisterWh, None);
        check(r#"{"value":1}"#, EnergyImportRegisterWh, None);
        check(r#"{"value":"1"}"#, PowerImportW, None);
        let power = r#"{"value":"7.4","measurand":"Power.Active.Import","unit":"kW"}"#;
        check(power, PowerImportW, Some("7400"));
        let exported = r#"{"value":"2","measurand":"Energy.Active.Export.Register","unit":"kWh"}"#;
        check(exported, EnergyExportRegisterWh, Some("2000"));
        check(exported, EnergyImportRegisterWh, None);
        let soc = r#"{"value":"55","measurand":"SoC","unit":"Percent","location":"EV"}"#;
        check(soc, StateOfChargePercent, Some("55"));
        let kelvin = r#"{"value":"300.15","measurand":"Temperature","unit":"K"}"#;
        check(kelvin, TemperatureC, Some("27"));
    }

    #[test]
    fn values_of_2_x_are_numbers_beside_a_power_of_ten() {
        let standard = Tongue { dialect: Dialect::STANDARD, is_16: false };
        let check = |sampled: &str, expected| {
            check(standard, sampled, EnergyImportRegisterWh, expected);
        };
        check(r#"{"value":12345.700000000001}"#, Some("12345.700000000001"));
        check(r#"{"value":1.25E1}"#, Some("12.5"));
        check(r#"{"value":"12.5"}"#, None);
        check(r#"{"value":12.5,"unit":"kWh"}"#, Some("12.5"));
        let in_unit =
            |value: &str, unit: &str| format!(r#"{{"value":{value},"unitOfMeasure":{{{unit}}}}}"#);
        check(&in_unit("125", r#""unit":"kWh","multiplier":-1"#), Some("12500"));
        check(&in_unit("125", r#""unit":"kWh","multiplier":-1.0"#), Some("12500"));
        let largest = "79228162514264337593543950335";
        check(&in_unit(largest, r#""unit":"kWh","multiplier":-3"#), Some(largest));
        check(&in_unit(largest, r#""unit":"kWh""#), None);
        check(&in_unit("1", r#""multiplier":40"#), None);
    }

    #[test]
    fn a_dialect_has_numbers_as_strings_in_both_versions() {
        let dialect = [Quirk::NumbersAsStrings].into_iter().collect();
        for (is_16, number, expected) in [
            (true, "12.5", Some("12.5")),
            (true, "1e3", None),
            (false, "\"12.5\"", Some("12.5")),
            (false, "\"1e3\"", Some("1000")),
        ] {
            let sampled = format!(r#"{{"value":{number}}}"#);
            check(Tongue { dialect, is_16 }, &sampled, EnergyImportRegisterWh, expected);
        }
    }
}
