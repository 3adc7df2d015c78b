//! The logical bytes of one event, the same on every engine and for ever, and their leaf hash.

use crate::canonical::{CanonicalJson, push_string};
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::fmt::{self, Write};
use uuid::Uuid;

/// Memory for hashing beyond this many bytes is given back after use.
const HASHED_KEPT_BYTES_MAX: usize = 64 * 1024;

/// One event as the log's tree commits to it. Its position in an engine is no part of it, so
/// a log copied to another engine keeps its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The event's own id.
    pub id: Uuid,
    /// Name of the stream it belongs to.
    pub stream: String,
    /// Its place in the stream, from 0 without holes.
    pub version: u64,
    /// Past tense, dotted: `session.started`.
    pub event_type: String,
    /// Version of the schema that `data` is written in, from 1.
    pub schema_version: u32,
    /// When we recorded it: RFC 3339, UTC, milliseconds, `Z`.
    pub recorded_at: String,
    /// The fact.
    pub data: CanonicalJson,
    /// Who, why, in answer to what.
    pub meta: CanonicalJson,
}

/// The parts of an [`Envelope`], wherever they are kept.
#[derive(Clone, Copy, Debug)]
pub struct EnvelopeParts<'a> {
    /// See [`Envelope::id`].
    pub id: Uuid,
    /// See [`Envelope::stream`].
    pub stream: &'a str,
    /// See [`Envelope::version`].
    pub version: u64,
    /// See [`Envelope::event_type`].
    pub event_type: &'a str,
    /// See [`Envelope::schema_version`].
    pub schema_version: u32,
    /// See [`Envelope::recorded_at`].
    pub recorded_at: &'a str,
    /// See [`Envelope::data`].
    pub data: &'a CanonicalJson,
    /// See [`Envelope::meta`].
    pub meta: &'a CanonicalJson,
}

/// Why a JSON value is no envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// A member is missing, of another type, or not one of an envelope's.
    #[error("envelope: member `{0}` is missing, of the wrong type, or unknown")]
    Member(String),
}

/// SHA-256 of a leaf as in RFC 6962 section 2.1: `SHA-256(0x00 || envelope bytes)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeafHash(pub [u8; 32]);

impl LeafHash {
    /// The leaf hash of `data`.
    pub fn of(data: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([0x00]);
        hasher.update(data);
        Self(hasher.finalize().into())
    }
}

impl fmt::Debug for LeafHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeafHash({})", hex::encode(self.0))
    }
}

impl Envelope {
    /// The canonical JSON (RFC 8785) of the envelope: members in order, `data` and `meta`
    /// embedded as they are.
    pub fn canonical(&self) -> CanonicalJson {
        CanonicalJson::from_stored(self.text())
    }

    /// The leaf that the tree commits to.
    pub fn leaf_hash(&self) -> LeafHash {
        self.parts().leaf_hash()
    }

    fn text(&self) -> String {
        let mut text = String::new();
        self.parts().write(&mut text);
        text
    }

    fn parts(&self) -> EnvelopeParts<'_> {
        EnvelopeParts {
            id: self.id,
            stream: &self.stream,
            version: self.version,
            event_type: &self.event_type,
            schema_version: self.schema_version,
            recorded_at: &self.recorded_at,
            data: &self.data,
            meta: &self.meta,
        }
    }

    /// Reads the object form that [`Envelope::canonical`] writes; every member is required and
    /// no other is allowed.
    pub fn from_value(value: &serde_json::Value) -> Result<Self, EnvelopeError> {
        const MEMBERS: [&str; 8] =
            ["data", "id", "meta", "recorded_at", "schema_version", "stream", "type", "version"];
        let wrong = |name: &str| EnvelopeError::Member(name.to_owned());
        let object = value.as_object().ok_or_else(|| wrong("(the object itself)"))?;
        if let Some(unknown) = object.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(wrong(unknown));
        }
        let text = |name: &str| {
            object.get(name).and_then(|v| v.as_str()).map(str::to_owned).ok_or_else(|| wrong(name))
        };
        // Only the one spelling that is written: others would prove the same leaf.
        let id = |text: &str| text.parse().ok().filter(|id: &Uuid| id.to_string() == text);
        let canonical = |name: &str| {
            let member = object.get(name).ok_or_else(|| wrong(name))?;
            CanonicalJson::from_value(member).map_err(|_| wrong(name))
        };
        Ok(Self {
            id: id(&text("id")?).ok_or_else(|| wrong("id"))?,
            stream: text("stream")?,
            version: object
                .get("version")
                .and_then(|v| v.as_u64())
                .ok_or_else(|| wrong("version"))?,
            event_type: text("type")?,
            schema_version: object
                .get("schema_version")
                .and_then(|v| v.as_u64())
                .and_then(|v| u32::try_from(v).ok())
                .ok_or_else(|| wrong("schema_version"))?,
            recorded_at: text("recorded_at")?,
            data: canonical("data")?,
            meta: canonical("meta")?,
        })
    }
}

thread_local! {
    /// What is hashed is written here, so that its memory is asked for once.
    static HASHED: Cell<String> = const { Cell::new(String::new()) };
}

impl EnvelopeParts<'_> {
    /// The leaf that the tree commits to.
    pub fn leaf_hash(&self) -> LeafHash {
        let mut text = HASHED.take();
        self.write(&mut text);
        let leaf = LeafHash::of(text.as_bytes());
        text.clear();
        text.shrink_to(HASHED_KEPT_BYTES_MAX);
        HASHED.set(text);
        leaf
    }

    fn write(&self, text: &mut String) {
        text.reserve(self.data.as_str().len() + self.meta.as_str().len() + 256);
        text.push_str("{\"data\":");
        text.push_str(self.data.as_str());
        text.push_str(",\"id\":\"");
        text.push_str(self.id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        text.push_str("\",\"meta\":");
        text.push_str(self.meta.as_str());
        text.push_str(",\"recorded_at\":");
        push_string(text, self.recorded_at);
        // Writing to a String cannot fail.
        let _ = write!(text, ",\"schema_version\":{},\"stream\":", self.schema_version);
        push_string(text, self.stream);
        text.push_str(",\"type\":");
        push_string(text, self.event_type);
        let _ = write!(text, ",\"version\":{}}}", self.version);
    }
}
