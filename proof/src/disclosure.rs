//! Disclosures: what was sealed in an event, shown to one verifier, proven by the commitment
//! that the event holds, without any key.
//!
//! A commitment is `SHA-256(salt || plaintext)` in hexadecimal, in the member `commitment` of
//! any object in an event's data. The salt's length is fixed, so that there is only one way to
//! part the two.

use crate::canonical::{CanonicalJson, push_string};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Length of a commitment's random salt, in bytes.
pub const SALT_BYTES: usize = 16;

/// The member of an event's data that holds a commitment.
const COMMITMENT: &str = "commitment";

/// The plaintext of a sealed hole, and the salt that makes it verifiable. It opens every hole
/// of the bundle that has its commitment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Disclosure {
    /// First, so that disclosures order by it.
    commitment: String,
    salt: [u8; SALT_BYTES],
    plaintext: String,
}

/// Why a disclosure is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DisclosureError {
    /// Not an object of exactly `commitment`, `plaintext` and `salt` in their forms.
    #[error(
        "it is not of exactly a commitment, a plaintext and a salt of {SALT_BYTES} bytes in hexadecimal"
    )]
    Form,
    /// Not sorted by commitment, or twice the same.
    #[error("disclosures must be in the order of their commitments, each once")]
    Order,
    /// Salt and plaintext do not give the commitment.
    #[error("salt and plaintext do not give the commitment")]
    Commitment,
    /// No event of the bundle holds the commitment.
    #[error("no event of the bundle holds the commitment")]
    Unknown,
}

impl Disclosure {
    /// What was sealed, with its salt.
    pub fn new(salt: [u8; SALT_BYTES], plaintext: impl Into<String>) -> Self {
        let plaintext = plaintext.into();
        Self { commitment: commitment(&salt, &plaintext), salt, plaintext }
    }

    /// The commitment, in hexadecimal.
    pub fn commitment(&self) -> &str {
        &self.commitment
    }

    /// What was sealed.
    pub fn plaintext(&self) -> &str {
        &self.plaintext
    }

    pub(crate) fn push_canonical(&self, out: &mut String) {
        out.push_str("{\"commitment\":");
        push_string(out, &self.commitment);
        out.push_str(",\"plaintext\":");
        push_string(out, &self.plaintext);
        // Writing to a String cannot fail.
        let _ = write!(out, ",\"salt\":\"{}\"}}", hex::encode(self.salt));
    }

    pub(crate) fn from_value(value: &Value) -> Result<Self, DisclosureError> {
        let object = value.as_object().filter(|o| o.len() == 3).ok_or(DisclosureError::Form)?;
        let text =
            |name: &str| object.get(name).and_then(Value::as_str).ok_or(DisclosureError::Form);
        let mut salt = [0; SALT_BYTES];
        hex::decode_to_slice(text("salt")?, &mut salt).map_err(|_| DisclosureError::Form)?;
        if hex::encode(salt) != text("salt")? {
            return Err(DisclosureError::Form);
        }
        let (commitment, plaintext) = (text(COMMITMENT)?.to_owned(), text("plaintext")?.to_owned());
        Ok(Self { commitment, salt, plaintext })
    }

    /// Checks salt and plaintext against the commitment, and that among those `committed` to.
    pub(crate) fn verify(&self, committed: &BTreeSet<String>) -> Result<(), DisclosureError> {
        if commitment(&self.salt, &self.plaintext) != self.commitment {
            return Err(DisclosureError::Commitment);
        }
        if committed.contains(&self.commitment) { Ok(()) } else { Err(DisclosureError::Unknown) }
    }
}

/// The commitment to `plaintext` under `salt`: SHA-256 of one after the other, in hexadecimal.
pub fn commitment(salt: &[u8; SALT_BYTES], plaintext: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(salt);
    hasher.update(plaintext.as_bytes());
    hex::encode(hasher.finalize())
}

/// Adds every commitment in an event's data to `found`.
pub(crate) fn commitments_in(data: &CanonicalJson, found: &mut BTreeSet<String>) {
    if let Ok(value) = serde_json::from_str(data.as_str()) {
        collect(&value, found);
    }
}

/// Recursion is bounded: canonical JSON has a greatest depth.
fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(members) => {
            if let Some(Value::String(commitment)) = members.get(COMMITMENT) {
                found.insert(commitment.clone());
            }
            members.values().for_each(|member| collect(member, found));
        }
        _ => {}
    }
}
