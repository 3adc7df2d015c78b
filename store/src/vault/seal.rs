//! One sealed hole: what the log holds instead of personal data.
//!
//! `ciphertext = base64(nonce || XChaCha20-Poly1305(salt || plaintext))`, bound to the subject
//! and the commitment; `commitment = SHA-256(salt || plaintext)` in hexadecimal, as in
//! `chargebook_proof::disclosure`. The log's tree commits to both, so a hole stays verifiable
//! after its key is gone, and whoever is shown salt and plaintext can check them without a key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use chargebook_proof::disclosure::{SALT_BYTES, commitment};
use rand::RngCore;
use uuid::Uuid;

/// Length of XChaCha20's nonce, in bytes: long enough to be drawn at random.
const NONCE_BYTES: usize = 24;
/// Length of a subject's key, in bytes.
pub(super) const KEY_BYTES: usize = 32;

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
    let (salt, plaintext) = message.split_first_chunk::<SALT_BYTES>()?;
    let plaintext = String::from_utf8(plaintext.to_vec()).ok()?;
    if commitment(salt, &plaintext) != expected_commitment {
        return None;
    }
    Some(Opened { plaintext, salt: *salt })
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
            prop_assert_ne!(again.ciphertext, sealed.ciphertext);
            prop_assert_ne!(again.commitment, sealed.commitment);
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
