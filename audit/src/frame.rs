//! The charger's own words: reads OCPP 1.6 and 2.x frames as they were recorded, apart from the
//! gateway's translation, and holds every fact against the place it names.
//!
//! Only the members that a bill rests on are known here: registers, samples, times, connector
//! and transaction.

use crate::number::{integer, json_number};
use crate::sampled::{Members, Sampled, TRANSACTION_BEGIN, Tongue};
use chargebook_domain::events::v1::{
    Dialect, Direction, Evidence, ExchangeRecorded, MeterReading, MeterSample, Quantity, Quirk,
};
use chargebook_domain::ids::{EventId, TransactionId};
use chargebook_domain::units::{Timestamp, WattHours};
use chrono::{DateTime, NaiveDateTime, Utc};
use rust_decimal::Decimal;
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

/// The sub-protocol of OCPP 1.6 (OCPP-J section 3.1.2).
const OCPP_16: &str = "ocpp1.6";

/// The vendor of the OCA's messages about costs.
const COST_MESSAGES: &str = "org.openchargealliance.costmsg";

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
    tongue: Tongue,
}

/// A value of the whole import register that a message samples.
pub(crate) struct SampledRegister {
    /// When it was read.
    pub(crate) at: Timestamp,
    /// In Wh.
    pub(crate) value: Decimal,
    /// Whether a transaction began with it.
    pub(crate) is_begin: bool,
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
        let tongue = Tongue { dialect, is_16: exchange.protocol == OCPP_16 };
        Ok(Self { text, action, payload, id, tongue })
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
        self.integer_at(&format!("/{name}"))
    }

    /// A register that is a member of the payload, in Wh: whole, unless the dialect has fractions.
    pub(crate) fn register_member(&self, name: &str) -> Option<WattHours> {
        let number = json_number(&self.digits_at(&format!("/{name}"))?)?;
        let has_fractions = self.tongue.dialect.has(Quirk::FractionalRegisters);
        (has_fractions || number.is_integer()).then_some(WattHours(number))
    }

    /// Refuses a message that does not name this transaction.
    pub(crate) fn is_about(&self, transaction: &TransactionId) -> Result<(), FrameError> {
        if self.names(transaction) {
            return Ok(());
        }
        Err(FrameError::WrongMessage(format!(
            "the message does not name the transaction {transaction}"
        )))
    }

    /// Whether the message names this transaction.
    pub(crate) fn names(&self, transaction: &TransactionId) -> bool {
        match transaction {
            TransactionId::Number(number) => {
                self.integer_member("transactionId") == Some(i64::from(number.0))
            }
            TransactionId::Name(name) => {
                self.text_at("/transactionInfo/transactionId") == Some(name.as_str())
            }
        }
    }

    /// The text at a place in the payload, or the number that stands for one there.
    pub(crate) fn text_at(&self, pointer: &str) -> Option<&str> {
        match self.payload.pointer(pointer)? {
            Value::String(text) => Some(text),
            Value::Number(_) if self.tongue.dialect.has(Quirk::NumbersAsStrings) => {
                raw_at(&self.text, &format!("{PAYLOAD}{pointer}"))
            }
            _ => None,
        }
    }

    /// The integer at a place in the payload, however it is written.
    pub(crate) fn integer_at(&self, pointer: &str) -> Option<i64> {
        // Nearly all are written plainly; a search in the text takes its time.
        let plain = self.payload.pointer(pointer)?.as_i64();
        plain.or_else(|| integer(&self.digits_at(pointer)?))
    }

    /// The number at a place in the payload, or what stands for one there.
    fn digits_at(&self, pointer: &str) -> Option<Cow<'_, str>> {
        self.tongue.digits(raw_at(&self.text, &format!("{PAYLOAD}{pointer}"))?)
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
        Some((integer(raw_at(text, "/transactionId")?)?, at))
    }

    /// The payload.
    pub(crate) fn payload(&self) -> &Value {
        &self.payload
    }

    /// A register reading that is a member of the payload: the text at its place, and the value
    /// that it means.
    pub(crate) fn says_register(
        &self,
        reading: &MeterReading,
        name: &'static str,
    ) -> Result<(), FrameError> {
        let text = self.says(&reading.evidence)?;
        same("the place", &*reading.evidence.pointer, known(&*format!("{PAYLOAD}/{name}")))?;
        same("the register", reading.register_wh, self.register_member(name).ok_or(text))
    }

    /// A sampled reading of the whole register: the text at its place, and the value that it means.
    pub(crate) fn says_sampled_register(&self, reading: &MeterReading) -> Result<(), FrameError> {
        self.says(&reading.evidence)?;
        let sampled = self.sampled_at(&reading.evidence.pointer)?;
        same("the phase", "none", known(&*sampled.phase().unwrap_or_else(|| "none".to_owned())))?;
        let value = sampled.value_in(Quantity::EnergyImportRegisterWh)?;
        same("the register", reading.register_wh.0, known(value))
    }

    /// Refuses a sampled reading that may have been made when the transaction was under way: what
    /// was drawn until then is no energy of the one before. `is_start` says that the message began
    /// the transaction; its readings will do where none of them says that it is the first.
    pub(crate) fn is_begin_register(
        &self,
        reading: &MeterReading,
        is_start: bool,
    ) -> Result<(), FrameError> {
        let context = self.sampled_at(&reading.evidence.pointer)?.context();
        let will_do = is_start && !self.registers().iter().any(|register| register.is_begin);
        match will_do {
            true => Ok(()),
            false => same("the context", TRANSACTION_BEGIN, known(&*context)),
        }
    }

    /// A sample: the text at its place, what it means, and when.
    pub(crate) fn says_sample(&self, sample: &MeterSample) -> Result<(), FrameError> {
        let pointer = &sample.evidence.pointer;
        self.says(&sample.evidence)?;
        let sampled = self.sampled_at(pointer)?;
        same("the context", sample.context.as_str(), known(&*sampled.context()))?;
        let (fact, frame) = (sample.phase.as_deref(), sampled.phase());
        same("the phase", fact.unwrap_or("none"), known(frame.as_deref().unwrap_or("none")))?;
        let sampled_at = self.sampled_when(pointer)?.ok_or("none");
        same("the time of a sample", sample.sampled_at, sampled_at)?;
        same("a sample", sample.value, known(sampled.value_in(sample.quantity)?))
    }

    /// When the sampled value was read whose `value` a pointer names.
    pub(crate) fn sampled_when(&self, pointer: &str) -> Result<Option<Timestamp>, FrameError> {
        let meter_value = parent(&self.text, pointer, 3).and_then(Members::of);
        let meter_value = meter_value.ok_or_else(|| FrameError::NoSuchPlace(pointer.to_owned()))?;
        Ok(meter_value.text("timestamp").as_deref().and_then(instant_of))
    }

    /// The message's action.
    pub(crate) fn action(&self) -> &str {
        &self.action
    }

    /// The instant of the payload's own time stamp.
    pub(crate) fn instant(&self) -> Option<Timestamp> {
        instant_of(self.text_member("timestamp")?)
    }

    /// The values of the whole import register that the message samples. Of more than
    /// [`REGISTERS_MAX`] the middle is not demanded as facts.
    pub(crate) fn registers(&self) -> Vec<SampledRegister> {
        let Some(payload) = raw_at(&self.text, PAYLOAD).and_then(Members::of) else {
            return Vec::new();
        };
        let lists = ["meterValue", "transactionData"].map(|name| payload.objects(name));
        let mut registers = Vec::new();
        for meter_value in lists.into_iter().flatten() {
            let at = meter_value.text("timestamp").as_deref().and_then(instant_of);
            let Some(at) = at else { continue };
            for members in meter_value.objects("sampledValue") {
                let of_one_phase = members.raw("phase").is_some();
                let sampled = Sampled::of(members, self.tongue);
                let Ok(value) = sampled.value_in(Quantity::EnergyImportRegisterWh) else {
                    continue;
                };
                let is_begin = sampled.context() == TRANSACTION_BEGIN;
                registers.push((of_one_phase, SampledRegister { at, value, is_begin }));
            }
        }
        if let Some(surplus) = registers.len().checked_sub(REGISTERS_MAX) {
            registers.drain(REGISTERS_MAX / 2..REGISTERS_MAX / 2 + surplus);
        }
        registers.retain(|(of_one_phase, _)| !of_one_phase);
        registers.into_iter().map(|(_, register)| register).collect()
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
    fn sampled_at(&self, pointer: &str) -> Result<Sampled<'_>, FrameError> {
        pointer
            .ends_with("/value")
            .then(|| parent(&self.text, pointer, 1))
            .flatten()
            .and_then(Members::of)
            .map(|members| Sampled::of(members, self.tongue))
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

/// A frame's value that needs no reading.
pub(crate) fn known<T>(value: T) -> Result<T, &'static str> {
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
