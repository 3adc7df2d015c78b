//! One sealed hole: what the log holds instead of personal data.
//!
//! `ciphertext = base64(nonce || XChaCha20-Poly1305(salt || plaintext))`, bound to the subject
//! and the commitment; `commitment = SHA-256(salt || plaintext)` in hexadecimal, as in
//! `chargebook_proof::disclosure`. The log's tree commits to both, so a hole stays verifiable
//! after its key is gone, and whoever is shown salt and plaintext can check them without a key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20::{R20, hchacha};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, XChaCha20Poly1305, XNonce};
use chargebook_proof::disclosure::{SALT_BYTES, commitment};
use rand::RngCore;
use uuid::Uuid;

/// Length of XChaCha20's nonce, in bytes: long enough to be drawn at random.
const NONCE_BYTES: usize = 24;
/// Length of a subject's key, in bytes.
pub(super) const KEY_BYTES: usize = 32;

/// The part of a nonce that the key of one text is derived from, in bytes; the cipher's own nonce
/// is the rest.
const DERIVING_NONCE_BYTES: usize = 16;

/// A subject's key.
pub(super) type SubjectKey = [u8; KEY_BYTES];

/// What the log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Base64.
    pub ciphertext: String,
    /// 64 hexadecimal digits.
    pub commitment: String,
}

/// What was sealed, with the salt that proves it to somebody else.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// The personal data.
    pub plaintext: String,
    /// Gives the commitment, together with the plaintext.
    pub salt: [u8; SALT_BYTES],
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opened(..)")
    }
}

/// Seals under a key; the salt and the nonce are fresh each time. `None` only if the text is
/// beyond what the cipher takes (256 GiB).
pub(super) fn seal(key: &SubjectKey, subject: Uuid, plaintext: &str) -> Option<Sealed> {
    let mut nonce_and_salt = [0; NONCE_BYTES + SALT_BYTES];
    rand::rng().fill_bytes(&mut nonce_and_salt);
    let (nonce, salt) = nonce_and_salt.split_first_chunk::<NONCE_BYTES>()?;
    let salt: [u8; SALT_BYTES] = salt.try_into().ok()?;
    let commitment = commitment(&salt, plaintext);
    let message = [&salt, plaintext.as_bytes()].concat();
    let associated = associated_data(subject, &commitment);
    let payload = Payload { msg: &message, aad: &associated };
    let encrypted = cipher(key).encrypt(&XNonce::from(*nonce), payload).ok()?;
    let ciphertext = STANDARD.encode([&nonce[..], &encrypted].concat());
    Some(Sealed { ciphertext, commitment })
}

/// Opens what [`seal`] made; `None` if it is not that, in any byte.
pub(super) fn open(
    key: &SubjectKey,
    subject: Uuid,
    ciphertext: &str,
    expected_commitment: &str,
) -> Option<Opened> {
    let bytes = STANDARD.decode(ciphertext).ok()?;
    let (nonce, encrypted) = bytes.split_first_chunk::<NONCE_BYTES>()?;
    let associated = associated_data(subject, expected_commitment);
    let payload = Payload { msg: encrypted, aad: &associated };
    let message = cipher(key).decrypt(&XNonce::from(*nonce), payload).ok()?;
    opened(&message, expected_commitment)
}

fn opened(message: &[u8], expected_commitment: &str) -> Option<Opened> {
    let (salt, plaintext) = message.split_first_chunk::<SALT_BYTES>()?;
    let plaintext = String::from_utf8(plaintext.to_vec()).ok()?;
    if commitment(salt, &plaintext) != expected_commitment {
        return None;
    }
    Some(Opened { plaintext, salt: *salt })
}

/// What opens one text and no other of its subject. XChaCha20 encrypts each text under a key of its
/// own, HChaCha20 of the subject's key and the first 16 bytes of the nonce
/// (draft-irtf-cfrg-xchacha-03, section 2.3); it says nothing of the key it came from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TextKey(pub(super) [u8; KEY_BYTES]);

/// The nonce part that a text's key is found by; `None` where the text is no sealed one.
pub(super) fn text_name(ciphertext: &str) -> Option<[u8; DERIVING_NONCE_BYTES]> {
    let bytes = STANDARD.decode(ciphertext).ok()?;
    bytes.first_chunk::<DERIVING_NONCE_BYTES>().copied()
}

/// The key of one text, from its subject's.
pub(super) fn text_key(key: &SubjectKey, ciphertext: &str) -> Option<TextKey> {
    let name = text_name(ciphertext)?;
    Some(TextKey(hchacha::<R20>(&(*key).into(), &name.into()).into()))
}

/// As [`open`], with the key of this one text.
pub(super) fn open_one(
    key: &TextKey,
    subject: Uuid,
    ciphertext: &str,
    expected_commitment: &str,
) -> Option<Opened> {
    let bytes = STANDARD.decode(ciphertext).ok()?;
    let (nonce, encrypted) = bytes.split_first_chunk::<NONCE_BYTES>()?;
    let mut rest = Nonce::default();
    rest[4..].copy_from_slice(&nonce[DERIVING_NONCE_BYTES..]);
    let associated = associated_data(subject, expected_commitment);
    let payload = Payload { msg: encrypted, aad: &associated };
    let message = ChaCha20Poly1305::new(&key.0.into()).decrypt(&rest, payload).ok()?;
    opened(&message, expected_commitment)
}

fn cipher(key: &SubjectKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&(*key).into())
}

fn associated_data(subject: Uuid, commitment: &str) -> Vec<u8> {
    [subject.as_bytes(), commitment.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_sealed_opens_to_the_same(plaintext in ".{0,200}", key: [u8; 32]) {
            let subject = Uuid::new_v4();
            let sealed = seal(&key, subject, &plaintext).expect("short");
            let opened = open(&key, subject, &sealed.ciphertext, &sealed.commitment);
            let opened = opened.expect("untouched");
            prop_assert_eq!(&opened.plaintext, &plaintext);
            prop_assert_eq!(&commitment(&opened.salt, &plaintext), &sealed.commitment);
            let again = seal(&key, subject, &plaintext).expect("short");
            prop_assert_ne!(&again.ciphertext, &sealed.ciphertext);
            prop_assert_ne!(&again.commitment, &sealed.commitment);

            let one = text_key(&key, &sealed.ciphertext).expect("a sealed text");
            let opened = open_one(&one, subject, &sealed.ciphertext, &sealed.commitment);
            prop_assert_eq!(opened.expect("its own key").plaintext, plaintext);
            let other = open_one(&one, subject, &again.ciphertext, &again.commitment);
            prop_assert!(other.is_none(), "the key of one text opens no other");
        }

        #[test]
        fn any_changed_bit_is_noticed(at: usize, bit in 0..8u8) {
            let (key, subject) = ([7; 32], Uuid::from_u128(1));
            let sealed = seal(&key, subject, "04A1B2C3").expect("short");
            let mut bytes = STANDARD.decode(&sealed.ciphertext).expect("base64");
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let changed = STANDARD.encode(bytes);
            prop_assert_eq!(open(&key, subject, &changed, &sealed.commitment), None);
        }
    }

    #[test]
    fn it_opens_only_for_its_key_its_subject_and_its_commitment() {
        let (key, subject) = ([7; 32], Uuid::from_u128(1));
        let sealed = seal(&key, subject, "04A1B2C3").expect("short");
        let other = seal(&key, subject, "04A1B2C3").expect("short");
        let Sealed { ciphertext, commitment } = &sealed;
        assert!(open(&key, subject, ciphertext, commitment).is_some());
        assert_eq!(open(&[8; 32], subject, ciphertext, commitment), None);
        assert_eq!(open(&key, Uuid::from_u128(2), ciphertext, commitment), None);
        assert_eq!(open(&key, subject, ciphertext, &other.commitment), None);
        for text in ["", "AAAA", "not base64!"] {
            assert_eq!(open(&key, subject, text, commitment), None);
        }
    }
}
