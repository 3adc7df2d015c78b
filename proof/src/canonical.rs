//! Canonical JSON (RFC 8785), restricted to what the log may hold: integers that a double
//! represents exactly, strings, booleans, null, arrays, objects. Fractions are strings.

mod name;
mod write;

use serde::Serialize;
use serde_json::Value;
use std::fmt::{self, Write};
use std::sync::Arc;

/// Deepest nesting of arrays and objects that is accepted; deeper input is refused, so that
/// no reader of the log can be made to overflow its stack.
pub const NESTING_DEPTH_MAX: usize = 64;

/// Largest magnitude of an integer that every JSON reader represents exactly (2^53 - 1).
const INTEGER_MAGNITUDE_MAX: u64 = (1 << 53) - 1;

/// A JSON text in its one canonical form (RFC 8785): two values are equal exactly when their
/// canonical bytes are. Shared, so that a copy costs nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CanonicalJson(Arc<str>);

/// Why a value has no canonical form here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// Not JSON, or not representable as JSON.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// A number that is not an integer within ±(2^53 - 1); the log writes fractions as strings.
    #[error("number {0} is not an integer within ±(2^53 - 1): write it as a string")]
    Number(String),
    /// Nested deeper than [`NESTING_DEPTH_MAX`].
    #[error("nested deeper than {NESTING_DEPTH_MAX} levels")]
    TooDeep,
    /// JSON, but not written in the canonical form.
    #[error("not in canonical form: first difference at byte {offset}")]
    NotCanonical {
        /// Offset in bytes of the first difference from the canonical form.
        offset: usize,
    },
}

impl CanonicalJson {
    /// The canonical form of `value`.
    pub fn from_value(value: &Value) -> Result<Self, CanonicalError> {
        Self::from_value_within(value, NESTING_DEPTH_MAX)
    }

    /// The canonical form of what `value` serialises to.
    pub fn from_serialize<T: Serialize>(value: &T) -> Result<Self, CanonicalError> {
        write::write(value, NESTING_DEPTH_MAX).map(Self)
    }

    /// Accepts `text` only if it is already canonical, to the byte: no white space, members
    /// sorted, none twice.
    pub fn parse(text: &str) -> Result<Self, CanonicalError> {
        let value: Value =
            serde_json::from_str(text).map_err(|e| CanonicalError::NotJson(e.to_string()))?;
        let canonical = Self::from_value(&value)?;
        if canonical.as_str() == text {
            return Ok(canonical);
        }
        let same = canonical.0.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
        Err(CanonicalError::NotCanonical { offset: same })
    }

    fn from_value_within(value: &Value, depth_max: usize) -> Result<Self, CanonicalError> {
        write::write(value, depth_max).map(Self)
    }

    /// Takes text that an engine stored, without checking it again: the leaf hash in the same
    /// row is what proves it.
    pub fn from_stored(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, owned.
    pub fn into_string(self) -> String {
        String::from(&*self.0)
    }
}

impl fmt::Display for CanonicalJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The value of a text that is canonical to the byte and nested at most `depth_max` levels; for
/// documents that wrap what [`NESTING_DEPTH_MAX`] already bounds.
pub(crate) fn parse_within(text: &str, depth_max: usize) -> Result<Value, CanonicalError> {
    let value: Value =
        serde_json::from_str(text).map_err(|e| CanonicalError::NotJson(e.to_string()))?;
    let canonical = CanonicalJson::from_value_within(&value, depth_max)?;
    if canonical.as_str() == text {
        return Ok(value);
    }
    let same = canonical.0.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
    Err(CanonicalError::NotCanonical { offset: same })
}

/// RFC 8785 section 3.2.2.2: the short escapes where JSON has them, `\u00xx` in lower case for
/// the other control characters, everything else as it is.
fn write_string(out: &mut String, text: &str) {
    out.push('"');
    write_escaped(out, text);
    out.push('"');
}

/// What stands between the quotes.
fn write_escaped(out: &mut String, text: &str) {
    let mut plain_from = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escape: &str = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            0x08 => "\\b",
            0x09 => "\\t",
            0x0a => "\\n",
            0x0c => "\\f",
            0x0d => "\\r",
            0x00..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[plain_from..index]);
        plain_from = index + 1;
        if escape.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[plain_from..]);
}

/// Appends `text` as a canonical JSON string; for the envelope, which is built from parts that
/// are canonical already.
pub(crate) fn push_string(out: &mut String, text: &str) {
    write_string(out, text);
}
