//! Signed checkpoints: what a log commits to at one size, as C2SP tlog-checkpoint in a signed
//! note (Ed25519), and the keys that make and check them.
//!
//! Only the strict form is read: the three lines, exactly one signature, by the key named as
//! the log, in the one spelling that [`SigningKey::sign`] writes. Lines by witnesses or
//! extensions are refused, so that no byte of a note is unproven.

use crate::merkle::{NodeHash, TREE_SIZE_MAX};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// Longest name of a log, in bytes.
pub const ORIGIN_BYTES_MAX: usize = 200;

/// Longest signed note that is read, in bytes.
pub const NOTE_BYTES_MAX: usize = 1024;

/// The signature algorithm's number in a signed note's key: Ed25519.
const ALGORITHM_ED25519: u8 = 0x01;

/// The name of a log: what its checkpoints begin with and its key is called. Not empty, at
/// most [`ORIGIN_BYTES_MAX`] bytes, without white space, control characters and `+`. By custom
/// a host name and a path, such as `charging.example/log`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

impl Origin {
    /// Checks and takes a name.
    pub fn new(name: impl Into<String>) -> Result<Self, KeyError> {
        let name = name.into();
        let allowed = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
        if name.is_empty() || name.len() > ORIGIN_BYTES_MAX || !name.chars().all(allowed) {
            return Err(KeyError::Origin);
        }
        Ok(Self(name))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The head of a log at one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// Number of leaves.
    pub size: u64,
    /// The tree's root over them.
    pub root: NodeHash,
}

/// Text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The log's name is empty, too long, or holds white space, a control character or `+`.
    #[error("the log's name is empty, too long, or holds white space, a control character or `+`")]
    Origin,
    /// Not `name+id+base64`.
    #[error("the key is not of the form name+id+base64")]
    Form,
    /// The key bytes are no Ed25519 key.
    #[error("the key is not a strong Ed25519 key")]
    Bytes,
    /// The id does not belong to the name and the key: a slip in copying.
    #[error("the key's id does not belong to its name and bytes: it was copied wrongly")]
    Id,
    /// Not the 64 hexadecimal digits of a fingerprint.
    #[error("a fingerprint has 64 hexadecimal digits")]
    Fingerprint,
    /// Neither a key's text nor a key's fingerprint.
    #[error("neither a key (`name+id+base64`) nor a fingerprint (64 hexadecimal digits)")]
    NeitherForm,
}

/// Why a signed note is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The note is over [`NOTE_BYTES_MAX`], or not of the one form that is read.
    #[error("the checkpoint note is malformed: {0}")]
    Form(&'static str),
    /// It is about another log than the key's.
    #[error("the checkpoint is of the log `{found}`, the key of the log `{expected}`")]
    Origin {
        /// The key's log.
        expected: String,
        /// The note's log.
        found: String,
    },
    /// It is signed with another key of the same name.
    #[error("the checkpoint is signed by another key than the one given")]
    Key,
    /// The signature does not fit the text.
    #[error("the checkpoint's signature is wrong")]
    Signature,
}

impl Checkpoint {
    /// The text that is signed: three lines, each ended.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.0))
    }

    /// Reads a signed note and verifies its only signature with `key`.
    pub fn verify(note: &str, key: &VerifierKey) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::Form("it is too long"));
        }
        let (text, signature) =
            note.split_once("\n\n").ok_or(NoteError::Form("no blank line before the signature"))?;
        let checkpoint = Self::from_lines(text)?;
        let line = signature
            .strip_prefix("\u{2014} ")
            .and_then(|line| line.strip_suffix('\n'))
            .filter(|line| !line.contains('\n'))
            .ok_or(NoteError::Form("there must be exactly one signature line"))?;
        let (name, encoded) =
            line.split_once(' ').ok_or(NoteError::Form("the signature line has no signature"))?;
        if name != checkpoint.origin.as_str() {
            return Err(NoteError::Form("the signature is not in the log's own name"));
        }
        let expected = || key.origin.to_string();
        if checkpoint.origin != key.origin {
            return Err(NoteError::Origin { expected: expected(), found: name.to_owned() });
        }
        let bytes = STANDARD
            .decode(encoded)
            .map_err(|_| NoteError::Form("the signature is not strict base64"))?;
        let (id, signature) = bytes
            .split_first_chunk::<4>()
            .and_then(|(id, rest)| Some((*id, <[u8; 64]>::try_from(rest).ok()?)))
            .ok_or(NoteError::Form("the signature has the wrong length"))?;
        if id != key.id() {
            return Err(NoteError::Key);
        }
        key.key
            .verify_strict(checkpoint.text().as_bytes(), &Signature::from_bytes(&signature))
            .map_err(|_| NoteError::Signature)?;
        Ok(checkpoint)
    }

    fn from_lines(text: &str) -> Result<Self, NoteError> {
        let lines: Vec<&str> = text.split('\n').collect();
        let [origin, size, root] = lines[..] else {
            return Err(NoteError::Form("there must be exactly three lines before the blank one"));
        };
        let origin = Origin::new(origin).map_err(|_| NoteError::Form("the log's name is wrong"))?;
        let digits = size.bytes().all(|b| b.is_ascii_digit());
        let plain = digits && (size == "0" || !size.starts_with('0'));
        let size = size
            .parse()
            .ok()
            .filter(|&size: &u64| plain && size <= TREE_SIZE_MAX)
            .ok_or(NoteError::Form("the size is not a plain decimal number"))?;
        let root = STANDARD
            .decode(root)
            .ok()
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .ok_or(NoteError::Form("the root is not strict base64 of 32 bytes"))?;
        Ok(Self { origin, size, root: NodeHash(root) })
    }
}

/// The public key of a log: who holds it can check the log's checkpoints.
///
/// As text ("vkey" of signed notes): `name+id+base64(0x01 || key)`, where the id is the first
/// four bytes of `SHA-256(name || 0x0A || 0x01 || key)` in hexadecimal.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    origin: Origin,
    key: ed25519_dalek::VerifyingKey,
}

impl VerifierKey {
    /// Takes the 32 bytes of an Ed25519 public key; weak keys, with which a signature could fit
    /// several texts, are refused.
    pub fn from_bytes(origin: Origin, key: &[u8; 32]) -> Result<Self, KeyError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(|_| KeyError::Bytes)?;
        if key.is_weak() {
            return Err(KeyError::Bytes);
        }
        Ok(Self { origin, key })
    }

    /// The log whose key it is.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The key's 32 bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// What people compare: see [`Fingerprint`].
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(self.to_string()).into())
    }

    fn id(&self) -> [u8; 4] {
        key_id(&self.origin, &self.to_bytes())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = encode_key(&self.to_bytes());
        write!(f, "{}+{}+{key}", self.origin, hex::encode(self.id()))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    /// Reads the text form; only the one spelling that is printed is accepted.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (origin, bytes) = decode_key(text)?;
        let key = Self::from_bytes(origin, &bytes)?;
        if key.to_string() == text { Ok(key) } else { Err(KeyError::Id) }
    }
}

/// SHA-256 of a key's text form: short enough to read out and long enough to trust. Anyone can
/// make it: `printf %s "$KEY" | sha256sum`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl fmt::Display for Fingerprint {
    /// Eight groups of eight hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, group) in self.0.chunks(4).enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&hex::encode(group))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = KeyError;

    /// Reads 64 hexadecimal digits, in either case, with or without spaces between them.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let digits: String = text.chars().filter(|c| *c != ' ').collect();
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| KeyError::Fingerprint)?;
        Ok(Self(bytes))
    }
}

/// The private key of a log. Whoever has it speaks for the log; it never prints itself.
#[derive(Clone)]
pub struct SigningKey {
    origin: Origin,
    key: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// From 32 random bytes, which are the caller's to draw and to keep secret.
    pub fn from_seed(origin: Origin, seed: &[u8; 32]) -> Self {
        Self { origin, key: ed25519_dalek::SigningKey::from_bytes(seed) }
    }

    /// The public key that checks this key's signatures.
    pub fn verifier_key(&self) -> VerifierKey {
        VerifierKey { origin: self.origin.clone(), key: self.key.verifying_key() }
    }

    /// The signed note that commits the log to `root` over its first `size` leaves. The same
    /// head always gives the same bytes.
    pub fn sign(&self, size: u64, root: NodeHash) -> String {
        let text = Checkpoint { origin: self.origin.clone(), size, root }.text();
        let mut bytes = self.verifier_key().id().to_vec();
        bytes.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        format!("{text}\n\u{2014} {} {}\n", self.origin, STANDARD.encode(bytes))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.origin)
    }
}

fn key_id(origin: &Origin, key: &[u8; 32]) -> [u8; 4] {
    let mut hasher = Sha256::new();
    hasher.update(origin.as_str());
    hasher.update([b'\n', ALGORITHM_ED25519]);
    hasher.update(key);
    let digest: [u8; 32] = hasher.finalize().into();
    [digest[0], digest[1], digest[2], digest[3]]
}

fn encode_key(key: &[u8; 32]) -> String {
    STANDARD.encode([&[ALGORITHM_ED25519], &key[..]].concat())
}

/// The name and the key bytes of `name+id+base64(0x01 || key)`; the id is left to the caller.
fn decode_key(text: &str) -> Result<(Origin, [u8; 32]), KeyError> {
    // The base64 part may hold `+` itself, the name and the id may not.
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(_), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError::Form);
    };
    let bytes = STANDARD.decode(encoded).map_err(|_| KeyError::Form)?;
    match bytes.split_first() {
        Some((&ALGORITHM_ED25519, key)) => {
            Ok((Origin::new(name)?, key.try_into().map_err(|_| KeyError::Bytes)?))
        }
        _ => Err(KeyError::Form),
    }
}
