//! Text with personal data cut out: plain spans and sealed holes. What opens a hole lies in
//! the key vault, not here; this room only knows the shape.

use crate::ids::SubjectId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Most parts of one text; more personal fields than this are sealed as one hole.
pub const SEALED_PARTS_MAX: usize = 256;

/// A text as the log keeps it. In JSON a plain string where nothing is sealed, else an array
/// of strings (plain spans) and objects (holes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedText {
    parts: Vec<Part>,
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
        Self { parts: vec![Part::Plain(text.into())] }
    }

    /// One hole and nothing else.
    pub fn hole(hole: Hole) -> Self {
        Self { parts: vec![Part::Hole(hole)] }
    }

    /// From parts in order.
    pub fn from_parts(parts: Vec<Part>) -> Self {
        Self { parts }
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

    /// The text with [`HOLE_PLACEHOLDER`] for every hole. A hole covers the inside of a JSON
    /// string, so a redacted frame is still JSON.
    pub fn redacted(&self) -> String {
        self.filled(|_| HOLE_PLACEHOLDER.to_owned())
    }

    /// The text with each hole replaced by what `fill` gives for it.
    pub fn filled(&self, mut fill: impl FnMut(&Hole) -> String) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Plain(text) => text.clone(),
                Part::Hole(hole) => fill(hole),
            })
            .collect()
    }
}

impl Serialize for SealedText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.parts.as_slice() {
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
            Form::Parts(parts) if parts.len() <= SEALED_PARTS_MAX => Ok(Self { parts }),
            Form::Parts(_) => Err(D::Error::custom("too many parts in a sealed text")),
        }
    }
}
