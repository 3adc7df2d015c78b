//! The charger's own words: reads OCPP 1.6 and 2.x frames as they were recorded, apart from the
//! gateway's translation, and holds every fact against the place it names.
//!
//! Only the members that a bill rests on are known here: registers, samples, times, connector
//! and transaction.

use chargebook_domain::events::v1::{
    Dialect, Direction, Evidence, ExchangeRecorded, MeterReading, MeterSample, Quantity, Quirk,
};
use chargebook_domain::ids::{ConnectorNumber, EventId, TransactionId};
use chargebook_domain::units::{Timestamp, WattHours};
use chrono::{DateTime, NaiveDateTime, Utc};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The first element of an OCPP-J request (section 4.1.3).
const CALL: u64 = 2;

/// Where the payload stands in it.
const PAYLOAD: &str = "/3";

/// Most register values of one message that are kept as facts; of more, the first and the last.
const REGISTERS_MAX: usize = 2_000;

/// Longest text that is read as a number, in bytes.
const NUMBER_BYTES_MAX: usize = 64;

/// The vendor of the OCA's messages about costs.
const COST_MESSAGES: &str = "org.openchargealliance.costmsg";

/// The occasions of a reading that the standard knows (1.6 section 7.35).
const CONTEXTS: [&str; 8] = [
    "Interruption.Begin",
    "Interruption.End",
    "Other",
    "Sample.Clock",
    "Sample.Periodic",
    "Transaction.Begin",
    "Transaction.End",
    "Trigger",
];

const ENERGY: &str = "Energy.Active.Import.Register";
/// What flows back from a vehicle.
const EXPORTED_ENERGY: &str = "Energy.Active.Export.Register";
const KELVIN: &str = "K";

/// 0 °C in kelvin.
const ZERO_CELSIUS_K: Decimal = Decimal::from_parts(27_315, 0, 0, false, 2);

/// Why a frame does not say what a fact says it does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// There is no text, or none that is an OCPP-J message of that kind.
    #[error("the exchange holds no frame that can be read as {0}")]
    Unreadable(&'static str),
    /// The message is another one, or from elsewhere.
    #[error("{0}")]
    WrongMessage(String),
    /// Nothing stands at the place named.
    #[error("the frame has nothing at {0}")]
    NoSuchPlace(String),
    /// Another text stands there than the fact repeats.
    #[error("the frame says {found} at {pointer}, the fact repeats it as {repeated}")]
    OtherText {
        /// The place.
        pointer: String,
        /// What the frame says.
        found: String,
        /// What the fact says that it says.
        repeated: String,
    },
    /// The fact's value is not what the text means.
    #[error("{what} is {fact} in the fact and {frame} in the frame")]
    OtherValue {
        /// Which member.
        what: &'static str,
        /// In the fact.
        fact: String,
        /// In the frame.
        frame: String,
    },
}

/// A CALL from a charger, with the place of everything in it.
pub(crate) struct Frame {
    /// The frame, with a placeholder for each sealed hole.
    text: String,
    action: String,
    payload: Value,
    id: EventId,
    /// What it was read in.
    dialect: Dialect,
}

impl Frame {
    /// Reads the message of an exchange that a charger began, in a dialect.
    pub(crate) fn of(
        id: EventId,
        exchange: &ExchangeRecorded,
        dialect: Dialect,
    ) -> Result<Self, FrameError> {
        let unreadable = || FrameError::Unreadable("a charger's call");
        if exchange.direction != Direction::FromStation {
            return Err(FrameError::WrongMessage("the message was not the charger's".to_owned()));
        }
        let text = exchange.request.as_ref().ok_or_else(unreadable)?.redacted();
        let parts: Vec<Value> = serde_json::from_str(&text).map_err(|_| unreadable())?;
        let [kind, _, Value::String(action), payload @ Value::Object(_), ..] = &parts[..] else {
            return Err(unreadable());
        };
        if kind.as_u64() != Some(CALL) {
            return Err(unreadable());
        }
        let (action, payload) = (action.clone(), payload.clone());
        if exchange.action.as_deref() != Some(&action) {
            return Err(FrameError::OtherValue {
                what: "the action",
                fact: exchange.action.clone().unwrap_or_default(),
                frame: action,
            });
        }
        Ok(Self { text, action, payload, id, dialect })
    }

    /// Refuses a message that is none of `actions`.
    pub(crate) fn is_one_of(&self, actions: &[&str]) -> Result<(), FrameError> {
        if actions.contains(&self.action.as_str()) {
            return Ok(());
        }
        let (found, expected) = (&self.action, actions.join(" or "));
        Err(FrameError::WrongMessage(format!("the message is a {found}, not a {expected}")))
    }

    /// The payload's text member.
    pub(crate) fn text_member(&self, name: &str) -> Option<&str> {
        self.text_at(&format!("/{name}"))
    }

    /// The payload's integer member.
    pub(crate) fn integer_member(&self, name: &str) -> Option<i64> {
        self.integer(self.payload.get(name)?)
    }

    /// A register that is a member of the payload, in Wh: whole, unless the dialect has fractions.
    pub(crate) fn register_member(&self, name: &str) -> Option<WattHours> {
        if let Some(whole) = self.integer_member(name) {
            return Some(WattHours::from_whole(whole));
        }
        let text = raw_at(&self.text, &format!("{PAYLOAD}/{name}"))?;
        let is_understood = self.dialect.has(Quirk::FractionalRegisters)
            && (!text.starts_with('"') || self.dialect.has(Quirk::NumbersAsStrings));
        is_understood.then(|| number(text).map(WattHours)).flatten()
    }

    fn integer(&self, value: &Value) -> Option<i64> {
        match value {
            Value::String(digits) if self.dialect.has(Quirk::NumbersAsStrings) => {
                digits.parse().ok()
            }
            number => number.as_i64(),
        }
    }

    /// Whether the message names this transaction, or (1.6) this connector.
    pub(crate) fn is_about(
        &self,
        transaction: &TransactionId,
        connector: Option<ConnectorNumber>,
    ) -> Result<(), FrameError> {
        let (named, at) = match transaction {
            TransactionId::Number(number) => (
                self.integer_member("transactionId") == Some(i64::from(number.0)),
                connector.map(|connector| i64::from(connector.0))
                    == self.integer_member("connectorId"),
            ),
            TransactionId::Name(name) => {
                (self.text_at("/transactionInfo/transactionId") == Some(name.as_str()), false)
            }
        };
        if named || at {
            return Ok(());
        }
        Err(FrameError::WrongMessage(format!(
            "the message names neither transaction {transaction} nor its connector"
        )))
    }

    /// The text at a place in the payload, or the number that stands for one there.
    pub(crate) fn text_at(&self, pointer: &str) -> Option<&str> {
        match self.payload.pointer(pointer)? {
            Value::String(text) => Some(text),
            Value::Number(_) if self.dialect.has(Quirk::NumbersAsStrings) => {
                raw_at(&self.text, &format!("{PAYLOAD}{pointer}"))
            }
            _ => None,
        }
    }

    /// The integer at a place in the payload.
    pub(crate) fn integer_at(&self, pointer: &str) -> Option<i64> {
        self.integer(self.payload.pointer(pointer)?)
    }

    /// Compares a fact's instant with the member of an object in the frame.
    pub(crate) fn says_instant(
        &self,
        what: &'static str,
        object: &Value,
        fact: Timestamp,
    ) -> Result<(), FrameError> {
        let text = object.get("timestamp").and_then(Value::as_str).unwrap_or_default();
        same(what, fact, instant_of(text).ok_or(text))
    }

    /// The transaction whose cable is out, and since when, where the message tells that (1.6: the
    /// OCA's ConnectorUnplugged, JSON as a text in a DataTransfer).
    pub(crate) fn unplugged(&self) -> Option<(i64, Timestamp)> {
        let is = |name: &str, expected: &str| {
            self.text_member(name).is_some_and(|found| found.eq_ignore_ascii_case(expected))
        };
        if self.action != "DataTransfer"
            || !is("vendorId", COST_MESSAGES)
            || !is("messageId", "ConnectorUnplugged")
        {
            return None;
        }
        let text = self.text_member("data")?;
        let data: Value = serde_json::from_str(text).ok()?;
        let at = instant_of(data.get("timestamp")?.as_str()?)?;
        // A number is an integer however it is written: `17.0` is 17.
        data.get("transactionId").filter(|number| number.is_number())?;
        let number = number(raw_at(text, "/transactionId")?)?;
        Some((number.is_integer().then(|| number.to_i64()).flatten()?, at))
    }

    /// The payload.
    pub(crate) fn payload(&self) -> &Value {
        &self.payload
    }

    /// A register reading: the text at its place, and the value that it means.
    pub(crate) fn says_reading(&self, reading: &MeterReading) -> Result<(), FrameError> {
        let evidence = &reading.evidence;
        let text = self.says(evidence)?;
        if let "/3/meterStart" | "/3/meterStop" = evidence.pointer.as_str() {
            return same("the register", reading.register_wh.0, number(text).ok_or(text));
        }
        let sampled = self.sampled_value(&evidence.pointer)?;
        let value = value_in(&sampled, Quantity::EnergyImportRegisterWh, text, self.dialect)?;
        same("the register", reading.register_wh.0, Ok::<_, &str>(value))
    }

    /// A sample: the text at its place, what it means, and when.
    pub(crate) fn says_sample(&self, sample: &MeterSample) -> Result<(), FrameError> {
        let pointer = &sample.evidence.pointer;
        let text = self.says(&sample.evidence)?;
        let sampled = self.sampled_value(pointer)?;
        let member = |name: &str| sampled.get(name).and_then(Value::as_str);
        let knows_all = !self.dialect.has(Quirk::UnknownWords);
        let context = member("context").filter(|word| knows_all || CONTEXTS.contains(word));
        let context = context.unwrap_or("Sample.Periodic");
        same("the context", sample.context.as_str(), Ok::<_, &str>(context))?;
        let (fact, frame) = (sample.phase.as_deref(), member("phase"));
        same("the phase", fact.unwrap_or("none"), Ok::<_, &str>(frame.unwrap_or("none")))?;
        let meter_value = parent(&self.text, pointer, 3)
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| FrameError::NoSuchPlace(pointer.clone()))?;
        self.says_instant("the time of a sample", &meter_value, sample.sampled_at)?;
        let value = value_in(&sampled, sample.quantity, text, self.dialect)?;
        same("a sample", sample.value, Ok::<_, &str>(value))
    }

    /// The message's action.
    pub(crate) fn action(&self) -> &str {
        &self.action
    }

    /// The instant of the payload's own time stamp.
    pub(crate) fn instant(&self) -> Option<Timestamp> {
        instant_of(self.text_member("timestamp")?)
    }

    /// The values of the whole import register that the message samples: when, and how much in
    /// Wh. Of more than [`REGISTERS_MAX`] the middle is not demanded as facts.
    pub(crate) fn registers(&self) -> Vec<(Timestamp, Decimal)> {
        let list = |value: &Value, name: &str| -> Vec<Value> {
            value.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
        };
        let meter_values =
            [list(&self.payload, "meterValue"), list(&self.payload, "transactionData")].concat();
        let mut registers = Vec::new();
        for meter_value in &meter_values {
            let at = meter_value.get("timestamp").and_then(Value::as_str).and_then(instant_of);
            let Some(at) = at else { continue };
            for sampled in list(meter_value, "sampledValue") {
                let text = match sampled.get("value") {
                    Some(Value::String(text)) => text.clone(),
                    Some(Value::Number(number)) => number.to_string(),
                    _ => String::new(),
                };
                let value =
                    value_in(&sampled, Quantity::EnergyImportRegisterWh, &text, self.dialect);
                let of_one_phase = sampled.get("phase").is_some();
                registers.extend(value.ok().map(|value| (of_one_phase, at, value)));
            }
        }
        if let Some(surplus) = registers.len().checked_sub(REGISTERS_MAX) {
            registers.drain(REGISTERS_MAX / 2..REGISTERS_MAX / 2 + surplus);
        }
        registers.retain(|(of_one_phase, ..)| !of_one_phase);
        registers.into_iter().map(|(_, at, value)| (at, value)).collect()
    }

    /// The text at the evidence's place, which must be the text that the evidence repeats.
    fn says(&self, evidence: &Evidence) -> Result<&str, FrameError> {
        if evidence.event_id != self.id {
            return Err(FrameError::WrongMessage(format!(
                "the fact cites the exchange {}, and comes from another",
                evidence.event_id
            )));
        }
        let found = raw_at(&self.text, &evidence.pointer)
            .ok_or_else(|| FrameError::NoSuchPlace(evidence.pointer.clone()))?;
        if found == evidence.raw {
            return Ok(found);
        }
        Err(FrameError::OtherText {
            pointer: evidence.pointer.clone(),
            found: found.to_owned(),
            repeated: evidence.raw.clone(),
        })
    }

    /// The sampledValue object around the `value` that a pointer names.
    fn sampled_value(&self, pointer: &str) -> Result<Value, FrameError> {
        pointer
            .ends_with("/value")
            .then(|| parent(&self.text, pointer, 1))
            .flatten()
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| FrameError::NoSuchPlace(pointer.to_owned()))
    }
}

/// The instant a charger writes: RFC 3339; and as chargers do, without an offset (then UTC),
/// with a space, or with an offset without its colon.
fn instant_of(text: &str) -> Option<Timestamp> {
    let naive = |form: &str| NaiveDateTime::parse_from_str(text, form).map(|n| n.and_utc());
    DateTime::parse_from_rfc3339(text)
        .map(|instant| instant.to_utc())
        .or_else(|_| naive("%Y-%m-%dT%H:%M:%S%.f"))
        .or_else(|_| naive("%Y-%m-%d %H:%M:%S%.f"))
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z").map(|i| i.to_utc()))
        .ok()
        .map(|instant: DateTime<Utc>| Timestamp::new(instant))
}

/// A number as JSON writes it, or as text (1.6 writes sampled values so).
fn number(text: &str) -> Option<Decimal> {
    if text.len() > NUMBER_BYTES_MAX {
        return None;
    }
    match text.strip_prefix('"') {
        Some(quoted) => Decimal::from_str_exact(quoted.trim_end_matches('"')).ok(),
        None => Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok(),
    }
}

/// A text with a decimal comma, where the charger's dialect has it.
fn number_with_comma(text: &str, dialect: Dialect) -> Option<Decimal> {
    let has_comma = dialect.has(Quirk::DecimalComma) && !text.contains('.');
    number(&text.replacen(',', ".", 1)).filter(|_| has_comma)
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

/// A value with its point moved, exactly; `None` where it has no room for that.
fn times_power_of_ten(value: Decimal, exponent: i64) -> Option<Decimal> {
    let power = 10_i64.checked_pow(u32::try_from(exponent.abs()).ok()?).map(Decimal::from)?;
    if exponent >= 0 {
        return value.checked_mul(power);
    }
    let quotient = value.checked_div(power)?;
    (quotient.checked_mul(power)? == value).then_some(quotient)
}

/// What a sampledValue's `value` means in the quantity's own unit (OCPP 1.6 section 7.43; the
/// defaults of absent members are in 6.8).
fn value_in(
    sampled: &Value,
    quantity: Quantity,
    text: &str,
    dialect: Dialect,
) -> Result<Decimal, FrameError> {
    let member = |name: &str| sampled.get(name).and_then(Value::as_str);
    let (measurand, places, units): (&str, &[&str], &[(&str, i64)]) = match quantity {
        Quantity::EnergyImportRegisterWh => (ENERGY, &["Outlet"], &[("Wh", 1), ("kWh", 1000)]),
        Quantity::EnergyExportRegisterWh => {
            (EXPORTED_ENERGY, &["Outlet"], &[("Wh", 1), ("kWh", 1000)])
        }
        Quantity::PowerExportW => ("Power.Active.Export", &["Outlet"], &[("W", 1), ("kW", 1000)]),
        Quantity::PowerImportW => ("Power.Active.Import", &["Outlet"], &[("W", 1), ("kW", 1000)]),
        Quantity::CurrentImportA => ("Current.Import", &["Outlet"], &[("A", 1)]),
        Quantity::VoltageV => ("Voltage", &["Outlet"], &[("V", 1)]),
        Quantity::StateOfChargePercent => ("SoC", &["Outlet", "EV"], &[("Percent", 1)]),
        // The schema spells the unit both ways.
        Quantity::TemperatureC => {
            ("Temperature", &["Outlet", "Body"], &[("Celsius", 1), ("Celcius", 1), (KELVIN, 1)])
        }
    };
    // 2.x writes the unit beside a power of ten.
    let of_unit = sampled.get("unitOfMeasure");
    let unit = of_unit.and_then(|measure| measure.get("unit")).and_then(Value::as_str);
    let unit = member("unit").or(unit);
    let told_by_unit = unit.filter(|_| dialect.has(Quirk::MeasurandMissing)).and_then(measurand_of);
    let found = member("measurand").or(told_by_unit).unwrap_or(ENERGY);
    same("the measurand", measurand, Ok::<_, &str>(found))?;
    let elsewhere = member("location").is_some_and(|location| !places.contains(&location));
    if elsewhere || member("format").is_some_and(|format| format != "Raw") {
        return Err(FrameError::Unreadable("a plain value sampled at the outlet"));
    }
    let is_energy = [ENERGY, EXPORTED_ENERGY].contains(&measurand);
    let means_kwh = is_energy && dialect.has(Quirk::UnitMissingIsKwh);
    let unit = unit.unwrap_or(if means_kwh { "kWh" } else { units[0].0 });
    let exponent = of_unit.and_then(|measure| measure.get("multiplier")).and_then(Value::as_i64);
    let factor = units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    number(text)
        .or_else(|| number_with_comma(text, dialect))
        .zip(factor)
        .and_then(|(value, factor)| value.checked_mul(Decimal::from(factor)))
        .and_then(|value| times_power_of_ten(value, exponent.unwrap_or(0)))
        .and_then(
            |value| if unit == KELVIN { value.checked_sub(ZERO_CELSIUS_K) } else { Some(value) },
        )
        .ok_or_else(|| FrameError::OtherValue {
            what: "a sample",
            fact: measurand.to_owned(),
            frame: format!("{text} {unit}"),
        })
}

/// The JSON text at a pointer (RFC 6901), as it stands in `text`.
fn raw_at<'t>(text: &'t str, pointer: &str) -> Option<&'t str> {
    let mut raw: &'t RawValue = serde_json::from_str(text).ok()?;
    let tokens = pointer.strip_prefix('/').map(|tokens| tokens.split('/'));
    for token in tokens.into_iter().flatten() {
        let token = token.replace("~1", "/").replace("~0", "~");
        raw = if raw.get().starts_with('{') {
            let members: BTreeMap<Cow<'t, str>, &'t RawValue> =
                serde_json::from_str(raw.get()).ok()?;
            *members.get(token.as_str())?
        } else {
            let items: Vec<&'t RawValue> = serde_json::from_str(raw.get()).ok()?;
            let index: usize = token.parse().ok()?;
            *items.get(index)?
        };
    }
    Some(raw.get())
}

/// The JSON text `levels` above a pointer.
fn parent<'t>(text: &'t str, pointer: &str, levels: usize) -> Option<&'t str> {
    let mut above = pointer;
    for _ in 0..levels {
        above = &above[..above.rfind('/')?];
    }
    raw_at(text, above)
}

/// Refuses a fact that the frame does not bear out. The frame's side is its value, or the text
/// that has none.
pub(crate) fn same<T: PartialEq + ToString, E: ToString>(
    what: &'static str,
    fact: T,
    frame: Result<T, E>,
) -> Result<(), FrameError> {
    let frame = match frame {
        Ok(frame) if frame == fact => return Ok(()),
        Ok(frame) => frame.to_string(),
        Err(text) => text.to_string(),
    };
    Err(FrameError::OtherValue { what, fact: fact.to_string(), frame })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_text_at_a_place_is_the_text_that_stands_there() {
        let text = r#"[2, "1", "A", { "a" : [1.50, {"b/c~d":"x\u0041"}], "é": -0.0 }]"#;
        for (pointer, expected) in [
            ("", Some(text)),
            ("/2", Some("\"A\"")),
            ("/3/a/0", Some("1.50")),
            ("/3/a/1/b~1c~0d", Some(r#""x\u0041""#)),
            ("/3/é", Some("-0.0")),
            ("/3/a/2", None),
            ("/3/b", None),
            ("/3/a/0/0", None),
            ("/3/a/-1", None),
            ("/9", None),
        ] {
            assert_eq!(raw_at(text, pointer), expected, "{pointer}");
        }
        assert_eq!(raw_at("{", ""), None);
        assert_eq!(parent(text, "/3/a/0", 1), Some(r#"[1.50, {"b/c~d":"x\u0041"}]"#));
        assert_eq!(parent(text, "/3", 2), None);
    }

    #[test]
    fn instants_are_read_as_chargers_write_them() {
        for (text, expected) in [
            ("2026-11-22T12:00:00Z", Some("2026-11-22T12:00:00.000Z")),
            ("2026-11-22T12:00:00.123456+01:00", Some("2026-11-22T11:00:00.123Z")),
            ("2026-11-22T12:00:00.5", Some("2026-11-22T12:00:00.500Z")),
            ("2026-11-22 12:00:00", Some("2026-11-22T12:00:00.000Z")),
            ("2026-11-22T12:00:00+0100", Some("2026-11-22T11:00:00.000Z")),
            ("2026-11-22", None),
            ("", None),
        ] {
            let read = instant_of(text).map(|instant| instant.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn values_mean_what_their_unit_says() {
        let check = |sampled: Value, quantity, expected: Option<&str>| {
            let text = sampled["value"].to_string();
            let value = value_in(&sampled, quantity, &text, Dialect::STANDARD).ok();
            assert_eq!(value, expected.map(|text| text.parse().unwrap()), "{sampled}");
        };
        use Quantity::*;
        check(json!({"value":"12.5"}), EnergyImportRegisterWh, Some("12.5"));
        check(json!({"value":"12.5","unit":"kWh"}), EnergyImportRegisterWh, Some("12500"));
        check(
            json!({"value":"1","location":"Outlet","format":"Raw"}),
            EnergyImportRegisterWh,
            Some("1"),
        );
        check(json!({"value":"1","location":"Inlet"}), EnergyImportRegisterWh, None);
        check(json!({"value":"1","format":"SignedData"}), EnergyImportRegisterWh, None);
        check(json!({"value":"1","unit":"varh"}), EnergyImportRegisterWh, None);
        check(json!({"value":"1e3"}), EnergyImportRegisterWh, None);
        check(json!({"value":"1"}), PowerImportW, None);
        let power = json!({"value":"7.4","measurand":"Power.Active.Import","unit":"kW"});
        check(power, PowerImportW, Some("7400"));
        let exported =
            json!({"value":"2","measurand":"Energy.Active.Export.Register","unit":"kWh"});
        check(exported.clone(), EnergyExportRegisterWh, Some("2000"));
        check(exported, EnergyImportRegisterWh, None);
        let soc = json!({"value":"55","measurand":"SoC","unit":"Percent","location":"EV"});
        check(soc, StateOfChargePercent, Some("55"));
        let kelvin = json!({"value":"300.15","measurand":"Temperature","unit":"K"});
        check(kelvin, TemperatureC, Some("27"));
    }
}
