//! Text with personal data cut out: plain spans and sealed holes. What opens a hole lies in
//! the key vault, not here; this room only knows the shape.

use crate::ids::SubjectId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::sync::Arc;

/// Most parts of one text; more personal fields than this are sealed as one hole.
pub const SEALED_PARTS_MAX: usize = 256;

/// A text as the log keeps it. In JSON a plain string where nothing is sealed, else an array
/// of strings (plain spans) and objects (holes). Shared, so that a copy costs nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedText {
    parts: Arc<[Part]>,
}

/// A part of a [`SealedText`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Part {
    /// As it was.
    Plain(String),
    /// Personal data.
    Hole(Hole),
}

/// Personal data under its subject's key, and a commitment that proves a disclosed plaintext
/// without the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hole {
    /// Base64: nonce, then what the key opens: salt and plaintext.
    pub ciphertext: String,
    /// Hex SHA-256 of the random salt followed by the plaintext.
    pub commitment: String,
    /// Whose key opens it.
    pub subject: SubjectId,
}

/// Whose a text is that is to be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextKind {
    /// A token's uid.
    Token,
    /// Anything else that may be personal or secret.
    Other,
}

/// What stands for a hole whose content is not to be had: no longer, or not for this reader.
pub const HOLE_PLACEHOLDER: &str = "(sealed)";

impl SealedText {
    /// Text without anything personal in it.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { parts: Arc::new([Part::Plain(text.into())]) }
    }

    /// One hole and nothing else.
    pub fn hole(hole: Hole) -> Self {
        Self { parts: Arc::new([Part::Hole(hole)]) }
    }

    /// From parts in order.
    pub fn from_parts(parts: Vec<Part>) -> Self {
        Self { parts: parts.into() }
    }

    /// The parts in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The holes in order.
    pub fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.parts.iter().filter_map(|part| match part {
            Part::Hole(hole) => Some(hole),
            Part::Plain(_) => None,
        })
    }

    /// The text with [`HOLE_PLACEHOLDER`] for every hole.
    pub fn redacted(&self) -> String {
        self.filled(|_| None)
    }

    /// The text with each hole replaced by what `fill` gives for it, and by [`HOLE_PLACEHOLDER`]
    /// where it gives nothing. A hole in a frame covers the inside of a JSON string, or a number
    /// that stands for one; the placeholder for a number gets quotes, so the frame is still JSON.
    pub fn filled(&self, mut fill: impl FnMut(&Hole) -> Option<String>) -> String {
        let mut text = String::new();
        for part in self.parts.iter() {
            match part {
                Part::Plain(plain) => text.push_str(plain),
                Part::Hole(hole) => match fill(hole) {
                    Some(opened) => text.push_str(&opened),
                    None if text.is_empty() || text.ends_with('"') => {
                        text.push_str(HOLE_PLACEHOLDER);
                    }
                    None => {
                        text.push('"');
                        text.push_str(HOLE_PLACEHOLDER);
                        text.push('"');
                    }
                },
            }
        }
        text
    }
}

impl Serialize for SealedText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &*self.parts {
            [Part::Plain(text)] => serializer.serialize_str(text),
            parts => parts.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for SealedText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Plain(String),
            Parts(Vec<Part>),
        }
        match Form::deserialize(deserializer)? {
            Form::Plain(text) => Ok(Self::plain(text)),
            Form::Parts(parts) if parts.len() <= SEALED_PARTS_MAX => {
                Ok(Self { parts: parts.into() })
            }
            Form::Parts(_) => Err(D::Error::custom("too many parts in a sealed text")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redacted_frame_is_still_json() {
        let hole = || {
            let subject = SubjectId(uuid::Uuid::nil());
            Part::Hole(Hole { ciphertext: "AAAA".into(), commitment: "00".into(), subject })
        };
        let plain = |text: &str| Part::Plain(text.to_owned());
        let check = |parts: Vec<Part>, expected: &str| {
            assert_eq!(SealedText::from_parts(parts).redacted(), expected);
        };
        check(vec![plain(r#"{"idTag":""#), hole(), plain(r#""}"#)], r#"{"idTag":"(sealed)"}"#);
        // A number that stands for a string.
        check(vec![plain(r#"{"idTag": "#), hole(), plain("}")], r#"{"idTag": "(sealed)"}"#);
        check(vec![hole()], HOLE_PLACEHOLDER);
    }
}
