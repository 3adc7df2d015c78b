//! Proofs as files, for whoever holds nothing else of the log: that an event is in it (C2SP
//! tlog-proof), and that one checkpoint extends another.
//!
//! As with checkpoints, only the one spelling that is written is read.

use crate::canonical::CanonicalJson;
use crate::checkpoint::{Checkpoint, NOTE_BYTES_MAX, NoteError, VerifierKey};
use crate::envelope::{Envelope, EnvelopeError, LeafHash};
use crate::merkle::{NodeHash, PROOF_HASHES_MAX, ProofError, verify_consistency, verify_inclusion};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// First line of a proof of inclusion, as C2SP tlog-proof has it.
pub const INCLUSION_FORMAT: &str = "c2sp.org/tlog-proof@v1";
/// First line of a proof of consistency; there is no standard form of one.
pub const CONSISTENCY_FORMAT: &str = "chargebook-consistency/1";
/// Largest event that a proof carries, as canonical JSON, in bytes.
pub const ENTRY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Largest file of a proof: the event in base64, the hashes, two notes and the lines around them.
pub const PROOF_BYTES_MAX: usize =
    ENTRY_BYTES_MAX / 3 * 4 + PROOF_HASHES_MAX * 45 + 2 * NOTE_BYTES_MAX + 256;

/// Why a proof's file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofFileError {
    /// Neither of the two forms.
    #[error("this is no proof that is known here: {0}")]
    Form(&'static str),
    /// A checkpoint is not signed by any of the keys.
    #[error("{0}")]
    Note(#[from] NoteError),
    /// The event in the proof is none.
    #[error("the event in the proof: {0}")]
    Entry(#[from] EnvelopeError),
    /// The hashes do not lead where they should.
    #[error("{0}")]
    Proof(#[from] ProofError),
    /// The two checkpoints are of two logs.
    #[error("the checkpoints are of two logs: {older} and {newer}")]
    Logs {
        /// The name in the older one.
        older: String,
        /// The name in the newer one.
        newer: String,
    },
}

/// Verifies a note with whichever of the keys it is signed with: a log that has changed its key has
/// several.
pub fn verify_with_any(note: &str, keys: &[VerifierKey]) -> Result<Checkpoint, NoteError> {
    let mut refused = NoteError::Key;
    for key in keys {
        match Checkpoint::verify(note, key) {
            Ok(checkpoint) => return Ok(checkpoint),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// That an event is in a log: the event, its place, and the way from its leaf to a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionFile {
    /// The event's canonical envelope: what the leaf is the hash of.
    pub entry: String,
    /// The leaf's place, from 0.
    pub index: u64,
    /// The inclusion proof, lowest sibling first.
    pub hashes: Vec<NodeHash>,
    /// The signed checkpoint.
    pub note: String,
}

impl InclusionFile {
    /// The text of the file.
    pub fn to_text(&self) -> String {
        let Self { entry, index, hashes, note } = self;
        let entry = STANDARD.encode(entry);
        let hashes = lines_of(hashes);
        format!("{INCLUSION_FORMAT}\nextra {entry}\nindex {index}\n{hashes}\n{note}")
    }

    /// Reads a file; proves nothing yet.
    pub fn parse(text: &str) -> Result<Self, ProofFileError> {
        let form = ProofFileError::Form;
        if text.len() > PROOF_BYTES_MAX {
            return Err(form("it is too large"));
        }
        let (head, note) = text.split_once("\n\n").ok_or(form("it has no blank line"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(INCLUSION_FORMAT) {
            return Err(form("its first line is another one"));
        }
        let entry = lines
            .next()
            .and_then(|line| line.strip_prefix("extra "))
            .and_then(|text| String::from_utf8(STANDARD.decode(text).ok()?).ok())
            .ok_or(form("its second line does not carry the event"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index ")?.parse().ok());
        let index = index.ok_or(form("its third line does not carry the index"))?;
        let file = Self { entry, index, hashes: hashes_of(lines)?, note: note.to_owned() };
        if file.to_text() == text { Ok(file) } else { Err(form("it is spelt in another way")) }
    }

    /// The event and the checkpoint that commits to it, signed with one of the keys.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<(Envelope, Checkpoint), ProofFileError> {
        let checkpoint = verify_with_any(&self.note, keys)?;
        let leaf = LeafHash::of(self.entry.as_bytes());
        verify_inclusion(leaf, self.index, checkpoint.size, checkpoint.root, &self.hashes)?;
        let none = || EnvelopeError::Member("(the object itself)".to_owned());
        let value = serde_json::from_str(&self.entry).map_err(|_| none())?;
        let envelope = Envelope::from_value(&value)?;
        if envelope.canonical() != CanonicalJson::from_stored(self.entry.as_str()) {
            return Err(none().into());
        }
        Ok((envelope, checkpoint))
    }
}

/// That the log of one checkpoint begins with the log of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyFile {
    /// The consistency proof.
    pub hashes: Vec<NodeHash>,
    /// The signed checkpoint over fewer events.
    pub older: String,
    /// The signed checkpoint over more.
    pub newer: String,
}

impl ConsistencyFile {
    /// The text of the file.
    pub fn to_text(&self) -> String {
        let Self { hashes, older, newer } = self;
        format!("{CONSISTENCY_FORMAT}\n{}\n{older}\n{newer}", lines_of(hashes))
    }

    /// Reads a file; proves nothing yet.
    pub fn parse(text: &str) -> Result<Self, ProofFileError> {
        let form = ProofFileError::Form;
        if text.len() > PROOF_BYTES_MAX {
            return Err(form("it is too large"));
        }
        let parts: Vec<&str> = text.split("\n\n").collect();
        let [head, older, older_signature, newer, newer_signature] = parts[..] else {
            return Err(form("it does not carry two checkpoints"));
        };
        let mut lines = head.split('\n');
        if lines.next() != Some(CONSISTENCY_FORMAT) {
            return Err(form("its first line is another one"));
        }
        let file = Self {
            hashes: hashes_of(lines)?,
            older: format!("{older}\n\n{older_signature}\n"),
            newer: format!("{newer}\n\n{newer_signature}"),
        };
        if file.to_text() == text { Ok(file) } else { Err(form("it is spelt in another way")) }
    }

    /// Both checkpoints, the older one first, each signed with one of the keys.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<(Checkpoint, Checkpoint), ProofFileError> {
        let older = verify_with_any(&self.older, keys)?;
        let newer = verify_with_any(&self.newer, keys)?;
        if older.origin != newer.origin {
            let (older, newer) = (older.origin.to_string(), newer.origin.to_string());
            return Err(ProofFileError::Logs { older, newer });
        }
        verify_consistency(older.size, newer.size, older.root, newer.root, &self.hashes)?;
        Ok((older, newer))
    }
}

fn lines_of(hashes: &[NodeHash]) -> String {
    hashes.iter().map(|hash| STANDARD.encode(hash.0) + "\n").collect()
}

fn hashes_of<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<NodeHash>, ProofFileError> {
    let hash = |line: &str| STANDARD.decode(line).ok()?.try_into().ok().map(NodeHash);
    let hashes: Option<Vec<NodeHash>> = lines.map(hash).collect();
    let hashes = hashes.ok_or(ProofFileError::Form("a line of it is no hash in base64"))?;
    match hashes.len() > PROOF_HASHES_MAX {
        true => Err(ProofFileError::Form("it has more hashes than any proof")),
        false => Ok(hashes),
    }
}
