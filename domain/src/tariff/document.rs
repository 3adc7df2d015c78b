//! Reading JSON text member by member, with every number kept as the text it was written in.
//!
//! A number never passes through a float: `0.1` is one tenth, `1e-3` is one thousandth, and a
//! number that a [`Decimal`] cannot hold is refused. Every refusal names the place by its JSON
//! pointer (RFC 6901). It knows nothing of tariffs.

use chrono::{DateTime, NaiveDateTime, Utc};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The longest text of one number that is read; a [`Decimal`] needs 31 characters.
const MAX_NUMBER_LENGTH: usize = 400;
/// The largest power of ten a number may name.
const MAX_EXPONENT: i64 = 1_000;
/// The most digits after the point that a [`Decimal`] holds.
const MAX_SCALE: i64 = 28;
/// Digits after the point that are kept of a measured quantity: finer than any meter or clock,
/// and short enough that a product with a price stays exact.
pub(crate) const MEASURED_DECIMALS: u32 = 15;

/// A JSON document that cannot be used, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}", if pointer.is_empty() { "the document" } else { pointer })]
pub struct DocumentError {
    /// JSON pointer (RFC 6901) to the place; empty for the whole document.
    pub pointer: String,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong at one place of a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not JSON at all.
    #[error("not valid JSON ({0})")]
    NotJson(String),
    /// A required member is absent or null.
    #[error("is required")]
    Missing,
    /// Another kind of value was expected.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What was expected, in words.
        expected: &'static str,
        /// What was there.
        found: &'static str,
    },
    /// The same member occurs twice in one object, so it is not clear which one holds.
    #[error("the member `{0}` occurs twice")]
    Duplicate(String),
    /// Not a number, or one that is too large or too fine to be kept exactly.
    #[error("{0}")]
    Number(&'static str),
    /// A word outside the list that the standard gives.
    #[error("`{found}` is not one of {allowed}")]
    UnknownWord {
        /// What was there.
        found: String,
        /// The words that the standard knows.
        allowed: &'static str,
    },
    /// A value that breaks a rule of the standard; the rule in words.
    #[error("{0}")]
    Rule(String),
}

/// One value of a document, still as text, and the way to it.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    raw: &'a str,
    pointer: String,
}

/// An object's members in the order they were written.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    pointer: String,
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Node<'a> {
    /// The whole document; a byte order mark before it is skipped.
    pub(crate) fn document(text: &'a str) -> Result<Self, DocumentError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) => Ok(Self { raw: raw.get(), pointer: String::new() }),
            Err(error) => Err(DocumentError {
                pointer: String::new(),
                problem: Problem::NotJson(error.to_string()),
            }),
        }
    }

    /// The text of the value.
    pub(crate) fn raw(&self) -> &'a str {
        self.raw
    }

    /// An error at this place.
    pub(crate) fn error(&self, problem: Problem) -> DocumentError {
        DocumentError { pointer: self.pointer.clone(), problem }
    }

    /// A broken rule at this place.
    pub(crate) fn rule(&self, text: impl Into<String>) -> DocumentError {
        self.error(Problem::Rule(text.into()))
    }

    fn wrong_type(&self, expected: &'static str) -> DocumentError {
        self.error(Problem::WrongType { expected, found: self.kind() })
    }

    fn kind(&self) -> &'static str {
        match self.raw.as_bytes().first() {
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b'"') => "a string",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        }
    }

    /// Whether it is `null`.
    pub(crate) fn is_null(&self) -> bool {
        self.raw == "null"
    }

    /// Whether it is an object.
    pub(crate) fn is_object(&self) -> bool {
        self.raw.starts_with('{')
    }

    /// Whether it is an array.
    pub(crate) fn is_array(&self) -> bool {
        self.raw.starts_with('[')
    }

    /// Whether it is a string.
    pub(crate) fn is_string(&self) -> bool {
        self.raw.starts_with('"')
    }

    /// Its members; a member that occurs twice is refused.
    pub(crate) fn object(&self) -> Result<Object<'a>, DocumentError> {
        if !self.is_object() {
            return Err(self.wrong_type("an object"));
        }
        let members = members(self.raw).map_err(|e| self.error(Problem::NotJson(e.to_string())))?;
        let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_ref()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(self.error(Problem::Duplicate(pair[0].to_owned())));
        }
        Ok(Object { pointer: self.pointer.clone(), members })
    }

    /// Its items.
    pub(crate) fn array(&self) -> Result<Vec<Node<'a>>, DocumentError> {
        if !self.is_array() {
            return Err(self.wrong_type("an array"));
        }
        let items: Vec<&'a RawValue> = serde_json::from_str(self.raw)
            .map_err(|e| self.error(Problem::NotJson(e.to_string())))?;
        let place = |(index, raw): (usize, &'a RawValue)| Node {
            raw: raw.get(),
            pointer: format!("{}/{index}", self.pointer),
        };
        Ok(items.into_iter().enumerate().map(place).collect())
    }

    /// A string.
    pub(crate) fn string(&self) -> Result<String, DocumentError> {
        if !self.is_string() {
            return Err(self.wrong_type("a string"));
        }
        serde_json::from_str(self.raw).map_err(|e| self.error(Problem::NotJson(e.to_string())))
    }

    /// A boolean.
    pub(crate) fn boolean(&self) -> Result<bool, DocumentError> {
        match self.raw {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.wrong_type("true or false")),
        }
    }

    /// A decimal, exactly as written, from a JSON number or a string that holds one.
    pub(crate) fn decimal(&self) -> Result<Decimal, DocumentError> {
        self.read_decimal(None)
    }

    /// A measured quantity: digits beyond the fifteenth after the point (the tails of binary
    /// floats and of divided hours) are rounded away, half away from zero.
    pub(crate) fn measured(&self) -> Result<Decimal, DocumentError> {
        self.read_decimal(Some(MEASURED_DECIMALS))
    }

    fn read_decimal(&self, keep: Option<u32>) -> Result<Decimal, DocumentError> {
        let text = match self.raw.as_bytes().first() {
            Some(b'"') => Cow::Owned(self.string()?),
            Some(b'-' | b'0'..=b'9') => Cow::Borrowed(self.raw),
            _ => return Err(self.wrong_type("a number")),
        };
        decimal_from_text(text.trim(), keep).map_err(|e| self.error(Problem::Number(e)))
    }

    /// A whole number that is not negative; `3.0` is one.
    pub(crate) fn whole(&self) -> Result<u64, DocumentError> {
        let value = self.decimal()?;
        u64::try_from(value)
            .ok()
            .filter(|whole| Decimal::from(*whole) == value)
            .ok_or_else(|| self.error(Problem::Number("expected a whole number, 0 or more")))
    }

    /// An instant. OCPI writes UTC, with or without `Z` (types, DateTime); other offsets are
    /// understood too.
    pub(crate) fn instant(&self) -> Result<DateTime<Utc>, DocumentError> {
        let text = self.string()?;
        DateTime::parse_from_rfc3339(&text)
            .map(|instant| instant.with_timezone(&Utc))
            .or_else(|_| {
                NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f").map(|t| t.and_utc())
            })
            .map_err(|_| self.rule(format!("`{text}` is not a time such as 2026-01-31T12:00:00Z")))
    }
}

impl<'a> Object<'a> {
    /// The member, unless it is absent or null.
    pub(crate) fn optional(&self, name: &str) -> Option<Node<'a>> {
        let (_, raw) = self.members.iter().find(|(member, _)| member == name)?;
        Some(self.node(name, raw)).filter(|node| !node.is_null())
    }

    /// The member, which must be there.
    pub(crate) fn required(&self, name: &str) -> Result<Node<'a>, DocumentError> {
        self.optional(name).ok_or_else(|| DocumentError {
            pointer: format!("{}/{}", self.pointer, escape(name)),
            problem: Problem::Missing,
        })
    }

    /// All members, in the order written; nulls too.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, Node<'a>)> {
        self.members.iter().map(|(name, raw)| (name.as_ref(), self.node(name, raw)))
    }

    fn node(&self, name: &str, raw: &'a RawValue) -> Node<'a> {
        Node { raw: raw.get(), pointer: format!("{}/{}", self.pointer, escape(name)) }
    }
}

pub(super) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn members(text: &str) -> serde_json::Result<Vec<(Cow<'_, str>, &RawValue)>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(entry) = map.next_entry::<String, &'de RawValue>()? {
                members.push((Cow::Owned(entry.0), entry.1));
            }
            Ok(members)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_map(Members)
}

/// Reads a JSON number's text: sign, digits, point, digits, exponent. `keep` rounds to so many
/// digits after the point; without it a number that needs more than 28 of them is refused.
pub(crate) fn decimal_from_text(text: &str, keep: Option<u32>) -> Result<Decimal, &'static str> {
    const NOT_A_NUMBER: &str = "not a number such as 0.25";
    const TOO_LARGE: &str = "a number too large to be kept exactly";
    const TOO_FINE: &str = "a number with more digits than can be kept exactly";
    if text.len() > MAX_NUMBER_LENGTH {
        return Err("a number of more than 400 characters");
    }
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent).ok_or(NOT_A_NUMBER)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty()
        || !digits_only(whole)
        || !digits_only(fraction)
        || (fraction.is_empty() && mantissa.contains('.'))
    {
        return Err(NOT_A_NUMBER);
    }
    // value = digits * 10^-scale
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    let fraction_length = i64::try_from(fraction.len()).map_err(|_| TOO_FINE)?;
    let mut scale = fraction_length - exponent;
    while digits.last() == Some(&b'0') {
        digits.pop();
        scale -= 1;
    }
    let leading_zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.drain(..leading_zeros);
    if digits.is_empty() {
        return Ok(Decimal::ZERO);
    }
    let wanted_scale = keep.map_or(MAX_SCALE, i64::from);
    if scale > wanted_scale {
        if keep.is_none() {
            return Err(TOO_FINE);
        }
        return round_digits(&digits, scale, wanted_scale, negative).ok_or(TOO_LARGE);
    }
    from_digits(&digits, scale, negative).ok_or(if scale > 0 { TOO_FINE } else { TOO_LARGE })
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse::<i64>().unwrap_or(MAX_EXPONENT).min(MAX_EXPONENT);
    Some(if text.starts_with('-') { -size } else { size })
}

/// Drops the digits beyond `wanted_scale`, half away from zero.
fn round_digits(digits: &[u8], scale: i64, wanted_scale: i64, negative: bool) -> Option<Decimal> {
    let surplus = usize::try_from(scale - wanted_scale).ok()?;
    let Some(kept) = digits.len().checked_sub(surplus) else {
        return Some(Decimal::ZERO); // smaller than a tenth of the last digit that is kept
    };
    let rounds_up = digits.get(kept).is_some_and(|digit| *digit >= b'5');
    let mut value = from_digits(digits.get(..kept)?, wanted_scale, negative)?;
    if rounds_up {
        let unit = Decimal::try_new(1, u32::try_from(wanted_scale).ok()?).ok()?;
        value = if negative { value.checked_sub(unit)? } else { value.checked_add(unit)? };
    }
    Some(value.normalize())
}

fn from_digits(digits: &[u8], scale: i64, negative: bool) -> Option<Decimal> {
    let mut mantissa: i128 = 0;
    for digit in digits {
        mantissa = mantissa.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    for _ in scale..0 {
        mantissa = mantissa.checked_mul(10)?;
    }
    let signed = if negative { -mantissa } else { mantissa };
    let scale = u32::try_from(scale.max(0)).ok()?;
    Decimal::try_from_i128_with_scale(signed, scale).ok()
}

/// Writes a decimal the one way it is always written: no exponent, no trailing zeros, no `-0`.
pub(crate) fn plain(value: Decimal) -> Decimal {
    if value.is_zero() { Decimal::ZERO } else { value.normalize() }
}

/// Rounds half away from zero.
pub(crate) fn round(value: Decimal, decimals: u32) -> Decimal {
    value.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(text: &str, expected: &str) {
        let value = decimal_from_text(text, None).map(|value| plain(value).to_string());
        assert_eq!(value.as_deref(), Ok(expected), "{text}");
    }

    #[test]
    fn numbers_are_read_as_text() {
        reads("0.1", "0.1");
        reads("0.10", "0.1");
        reads("-0", "0");
        reads("1e-3", "0.001");
        reads("1.5E+2", "150");
        reads("79228162514264337593543950335", "79228162514264337593543950335");
        reads("0.0000000000000000000000000001", "0.0000000000000000000000000001");
        reads("1.10000000000000000000000000000000000000", "1.1");
        reads("0e999999999999", "0");
    }

    #[test]
    fn numbers_that_cannot_be_kept_are_refused() {
        for text in [
            "79228162514264337593543950336",
            "1e29",
            "1e999999",
            "0.00000000000000000000000000001",
            "1.0000000000000000000000000000001",
            "",
            "-",
            ".5",
            "1.",
            "+1",
            "1e",
            "NaN",
            "0x10",
            "1 2",
        ] {
            assert!(decimal_from_text(text, None).is_err(), "{text}");
        }
    }

    #[test]
    fn measured_quantities_lose_the_tails_of_floats() {
        let measured = |text| decimal_from_text(text, Some(15)).map(|value| value.to_string());
        assert_eq!(measured("0.30000000000000004").as_deref(), Ok("0.3"));
        assert_eq!(measured("0.08333333333333333333333333333").as_deref(), Ok("0.083333333333333"));
        assert_eq!(measured("-0.9999999999999999999").as_deref(), Ok("-1"));
        assert_eq!(measured("1e-40").as_deref(), Ok("0"));
        assert_eq!(measured("20.45").as_deref(), Ok("20.45"));
    }

    #[test]
    fn errors_name_the_place() {
        let document = Node::document(r#"{"a":[{"b/c":{}}]}"#);
        let error = document
            .and_then(|node| node.object()?.required("a")?.array())
            .and_then(|items| items[0].object()?.required("b/c")?.decimal())
            .expect_err("an object is no number");
        assert_eq!(error.to_string(), "/a/0/b~1c: expected a number, found an object");
    }

    #[test]
    fn a_member_twice_is_refused() {
        let error = Node::document(r#"{"price":1,"price":2}"#).and_then(|node| node.object());
        assert_eq!(
            error.map(|_| ()).map_err(|e| e.to_string()),
            Err("the document: the member `price` occurs twice".to_owned())
        );
    }
}
