//! The bundle: events of a log with everything needed to verify, offline, that the log commits
//! to them.
//!
//! One JSON object in canonical form (RFC 8785), and nothing in it is unproven: the events are
//! the very bytes that the tree's leaves hash, one proof leads from all of them to the root of
//! the signed checkpoint, and whoever changes, adds or removes a byte makes it fail. What the
//! events mean is not this module's business.

use crate::canonical::{CanonicalError, CanonicalJson, NESTING_DEPTH_MAX, parse_within};
use crate::checkpoint::{Checkpoint, Fingerprint, KeyError, NoteError, VerifierKey};
use crate::disclosure::{Disclosure, DisclosureError, commitments_in};
use crate::envelope::{Envelope, EnvelopeError};
use crate::merkle::{BuildError, NodeAddress, NodeHash, ProofError};
use crate::multiproof::{multiproof, verify_multiproof};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::str::FromStr;

/// What a bundle calls its own format.
pub const BUNDLE_FORMAT: &str = "chargebook-bundle/1";
/// Largest bundle that is written or read, in bytes.
pub const BUNDLE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most events in one bundle.
pub const BUNDLE_EVENTS_MAX: usize = 65_536;

/// Levels that a bundle puts around an event's data.
const WRAPPING_LEVELS: usize = 4;

/// Events of one log and the proof that its checkpoint commits to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    key: VerifierKey,
    checkpoint: String,
    events: Vec<ProvenEvent>,
    hashes: Vec<NodeHash>,
    disclosures: Vec<Disclosure>,
}

/// An event at its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenEvent {
    /// Its leaf in the tree: the ordinal, from 0, among all events of the log.
    pub index: u64,
    /// The event.
    pub envelope: Envelope,
}

/// What a bundle's signature, proof and disclosures have been found to show. There is no other
/// way to make one than [`Bundle::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedBundle {
    /// The head of the log that commits to the events.
    pub checkpoint: Checkpoint,
    /// The key that signed it.
    pub key: VerifierKey,
    /// Whether that key is the one the caller trusts, rather than merely the bundle's own.
    pub pinned: bool,
    /// The events, in the log's order.
    pub events: Vec<ProvenEvent>,
    /// Number of hashes in the inclusion proof of all events together.
    pub proof_hashes: usize,
    /// Opened holes, each proven by the commitment in an event, ordered by commitment.
    pub disclosures: Vec<Disclosure>,
}

/// The key that a verifier has got from elsewhere and trusts: as text, or its fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinnedKey {
    /// The key.
    Key(VerifierKey),
    /// The key's fingerprint.
    Fingerprint(Fingerprint),
}

impl PinnedKey {
    /// Whether `key` is the trusted one.
    pub fn fits(&self, key: &VerifierKey) -> bool {
        match self {
            Self::Key(pinned) => pinned == key,
            Self::Fingerprint(pinned) => *pinned == key.fingerprint(),
        }
    }
}

impl FromStr for PinnedKey {
    type Err = KeyError;

    /// Reads `name+id+base64`, or 64 hexadecimal digits of a fingerprint.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.contains('+') {
            text.parse().map(Self::Key)
        } else {
            text.parse().map(Self::Fingerprint).map_err(|_| KeyError::NeitherForm)
        }
    }
}

/// Why a bundle is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Over [`BUNDLE_BYTES_MAX`] or [`BUNDLE_EVENTS_MAX`].
    #[error("the bundle is larger than {BUNDLE_BYTES_MAX} bytes or {BUNDLE_EVENTS_MAX} events")]
    TooLarge,
    /// Not canonical JSON.
    #[error("the bundle is not canonical JSON: {0}")]
    Canonical(CanonicalError),
    /// A member is missing, of another type, or not one of a bundle's.
    #[error("the bundle's {0} is missing, of the wrong form, or unknown")]
    Member(String),
    /// Not a bundle of a format known here.
    #[error("the bundle is not of the format `{BUNDLE_FORMAT}`")]
    Format,
    /// The key is no key.
    #[error("the bundle's key: {0}")]
    Key(KeyError),
    /// The key is not the trusted one.
    #[error("the bundle is signed with another key ({found}) than the trusted one")]
    NotThePinnedKey {
        /// The fingerprint of the bundle's key.
        found: Fingerprint,
    },
    /// The signed checkpoint is refused.
    #[error("{0}")]
    Checkpoint(NoteError),
    /// An event's object is no envelope.
    #[error("the bundle's events[{position}]: {source}")]
    Event {
        /// Place in the bundle's list, from 0.
        position: usize,
        /// What is wrong.
        source: EnvelopeError,
    },
    /// The events do not lead to the checkpoint's root.
    #[error("the events are not what the checkpoint commits to: {0}")]
    Proof(ProofError),
    /// The hash of a subtree could not be read while the proof was built.
    #[error("the proof cannot be built: {0}")]
    Read(String),
    /// A disclosure is refused.
    #[error("the bundle's disclosures[{position}]: {source}")]
    Disclosure {
        /// Place in the bundle's list, from 0.
        position: usize,
        /// What is wrong.
        source: DisclosureError,
    },
}

impl Bundle {
    /// Puts events, a signed checkpoint of their log and the proof between them together, in
    /// any order of events; and verifies the result, so that what is built can be handed out.
    /// `reader` returns the hash of a complete subtree of the log's tree.
    pub fn build<E: std::fmt::Display>(
        key: VerifierKey,
        checkpoint: String,
        mut events: Vec<ProvenEvent>,
        mut disclosures: Vec<Disclosure>,
        reader: &mut impl FnMut(NodeAddress) -> Result<NodeHash, E>,
    ) -> Result<Self, BundleError> {
        let head = Checkpoint::verify(&checkpoint, &key).map_err(BundleError::Checkpoint)?;
        events.sort_by_key(|event| event.index);
        disclosures.sort();
        let indices: Vec<u64> = events.iter().map(|event| event.index).collect();
        let hashes = multiproof(&indices, head.size, reader).map_err(|error| match error {
            BuildError::Proof(error) => BundleError::Proof(error),
            BuildError::Read(error) => BundleError::Read(error.to_string()),
        })?;
        let bundle = Self { key, checkpoint, events, hashes, disclosures };
        bundle.verify(None)?;
        Ok(bundle)
    }

    /// The bundle's one text. [`Bundle::parse`] reads it back, and nothing else.
    pub fn to_canonical(&self) -> Result<CanonicalJson, BundleError> {
        let mut text = String::from("{\"checkpoint\":");
        crate::canonical::push_string(&mut text, &self.checkpoint);
        text.push_str(",\"disclosures\":");
        push_list(&mut text, &self.disclosures, |out, disclosure| disclosure.push_canonical(out));
        text.push_str(",\"events\":");
        push_list(&mut text, &self.events, |out, event| {
            out.push_str("{\"event\":");
            out.push_str(event.envelope.canonical().as_str());
            // Writing to a String cannot fail.
            let _ = write!(out, ",\"index\":{}}}", event.index);
        });
        let _ = write!(text, ",\"format\":\"{BUNDLE_FORMAT}\",\"hashes\":");
        push_list(&mut text, &self.hashes, |out, hash| {
            let _ = write!(out, "\"{hash}\"");
        });
        text.push_str(",\"key\":");
        crate::canonical::push_string(&mut text, &self.key.to_string());
        text.push('}');
        if text.len() > BUNDLE_BYTES_MAX || self.events.len() > BUNDLE_EVENTS_MAX {
            return Err(BundleError::TooLarge);
        }
        Ok(CanonicalJson::from_stored(text))
    }

    /// Reads a bundle: canonical to the byte, every member present, none else. What it says is
    /// not verified by this.
    pub fn parse(text: &str) -> Result<Self, BundleError> {
        if text.len() > BUNDLE_BYTES_MAX {
            return Err(BundleError::TooLarge);
        }
        let value = parse_within(text, NESTING_DEPTH_MAX + WRAPPING_LEVELS)
            .map_err(BundleError::Canonical)?;
        // The format first: another format's members are not this one's errors.
        if value.get("format").and_then(Value::as_str) != Some(BUNDLE_FORMAT) {
            return Err(BundleError::Format);
        }
        const MEMBERS: [&str; 6] =
            ["checkpoint", "disclosures", "events", "format", "hashes", "key"];
        members(&value, "own object", &MEMBERS)?;
        let bundle = Self {
            key: text_of(&value, "key")?.parse().map_err(BundleError::Key)?,
            checkpoint: text_of(&value, "checkpoint")?.to_owned(),
            events: list_of(&value, "events", parse_event)?,
            hashes: list_of(&value, "hashes", |position, hash| {
                let hash = hash.as_str().and_then(NodeHash::from_hex);
                hash.ok_or_else(|| BundleError::Member(format!("hashes[{position}]")))
            })?,
            disclosures: list_of(&value, "disclosures", |position, disclosure| {
                Disclosure::from_value(disclosure)
                    .map_err(|source| BundleError::Disclosure { position, source })
            })?,
        };
        if bundle.events.len() > BUNDLE_EVENTS_MAX {
            return Err(BundleError::TooLarge);
        }
        Ok(bundle)
    }

    /// Verifies everything: the key against the trusted one, where there is one; the signature;
    /// that the checkpoint's root commits to every event at its index; every disclosure.
    pub fn verify(&self, pinned: Option<&PinnedKey>) -> Result<VerifiedBundle, BundleError> {
        if pinned.is_some_and(|pinned| !pinned.fits(&self.key)) {
            return Err(BundleError::NotThePinnedKey { found: self.key.fingerprint() });
        }
        let checkpoint =
            Checkpoint::verify(&self.checkpoint, &self.key).map_err(BundleError::Checkpoint)?;
        let leaves: Vec<_> =
            self.events.iter().map(|event| (event.index, event.envelope.leaf_hash())).collect();
        verify_multiproof(&leaves, checkpoint.size, checkpoint.root, &self.hashes)
            .map_err(BundleError::Proof)?;
        self.verify_disclosures()?;
        Ok(VerifiedBundle {
            checkpoint,
            key: self.key.clone(),
            pinned: pinned.is_some(),
            events: self.events.clone(),
            proof_hashes: self.hashes.len(),
            disclosures: self.disclosures.clone(),
        })
    }

    fn verify_disclosures(&self) -> Result<(), BundleError> {
        let mut committed = BTreeSet::new();
        if !self.disclosures.is_empty() {
            self.events.iter().for_each(|e| commitments_in(&e.envelope.data, &mut committed));
        }
        let mut previous: Option<&Disclosure> = None;
        for (position, disclosure) in self.disclosures.iter().enumerate() {
            let refused = |source| BundleError::Disclosure { position, source };
            if previous.is_some_and(|previous| previous.commitment() >= disclosure.commitment()) {
                return Err(refused(DisclosureError::Order));
            }
            disclosure.verify(&committed).map_err(refused)?;
            previous = Some(disclosure);
        }
        Ok(())
    }
}

impl VerifiedBundle {
    /// What a hole's commitment stands for, where the bundle discloses it.
    pub fn disclosed(&self, commitment: &str) -> Option<&str> {
        let found = self.disclosures.binary_search_by(|d| d.commitment().cmp(commitment));
        found.ok().map(|place| self.disclosures[place].plaintext())
    }
}

fn push_list<T>(out: &mut String, items: &[T], mut push: impl FnMut(&mut String, &T)) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push(out, item);
    }
    out.push(']');
}

fn parse_event(position: usize, value: &Value) -> Result<ProvenEvent, BundleError> {
    let place = format!("events[{position}]");
    members(value, &place, &["event", "index"])?;
    let wrong = |name: &str| BundleError::Member(format!("{place}.{name}"));
    let index = value.get("index").and_then(Value::as_u64).ok_or_else(|| wrong("index"))?;
    let event = value.get("event").ok_or_else(|| wrong("event"))?;
    let envelope =
        Envelope::from_value(event).map_err(|source| BundleError::Event { position, source })?;
    Ok(ProvenEvent { index, envelope })
}

/// Refuses what is no object, and an object with a member that is not in `known`.
fn members(value: &Value, place: &str, known: &[&str]) -> Result<(), BundleError> {
    let object = value.as_object().ok_or_else(|| BundleError::Member(place.to_owned()))?;
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(BundleError::Member(format!("{place}: member `{unknown}`"))),
        None => Ok(()),
    }
}

fn text_of<'a>(value: &'a Value, name: &str) -> Result<&'a str, BundleError> {
    value.get(name).and_then(Value::as_str).ok_or_else(|| BundleError::Member(name.to_owned()))
}

fn list_of<T>(
    value: &Value,
    name: &str,
    read: impl Fn(usize, &Value) -> Result<T, BundleError>,
) -> Result<Vec<T>, BundleError> {
    let items = value.get(name).and_then(Value::as_array);
    let items = items.ok_or_else(|| BundleError::Member(name.to_owned()))?;
    items.iter().enumerate().map(|(position, item)| read(position, item)).collect()
}
