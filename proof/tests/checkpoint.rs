//! Checkpoints and keys against signatures and key ids made by other implementations, and
//! against every small change.

#![allow(clippy::unwrap_used)]

use chargebook_proof::checkpoint::{
    Checkpoint, Fingerprint, KeyError, NoteError, Origin, SigningKey, VerifierKey,
};
use chargebook_proof::merkle::NodeHash;

/// Made with Python's `cryptography` from the seed 00 01 … 1f.
const NOTE: &str = "charging.example/log
8
XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=

— charging.example/log EKFyHpZ1davs6t1QEzKrQbl+/jJWLNRFdF6BSdMvDzvN3yeYgVVk/+k4pK5G/30z4+8hoBIP/11yCinkeW4guXT+CAk=
";
const KEY: &str = "charging.example/log+10a1721e+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
const FINGERPRINT: &str = "3f134ad2aa7c851444178bac8d3990d02f293564063a7e73ce5acb1e17371d62";
const ROOT: &str = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328";

fn signing_key() -> SigningKey {
    let seed: Vec<u8> = (0..32).collect();
    SigningKey::from_seed(Origin::new("charging.example/log").unwrap(), &seed.try_into().unwrap())
}

fn key() -> VerifierKey {
    KEY.parse().unwrap()
}

#[test]
fn another_implementation_signs_the_same_bytes() {
    let root = NodeHash::from_hex(ROOT).unwrap();
    assert_eq!(signing_key().sign(8, root), NOTE);
    assert_eq!(signing_key().verifier_key().to_string(), KEY);
    let checkpoint = Checkpoint::verify(NOTE, &key()).unwrap();
    assert_eq!(checkpoint.origin.as_str(), "charging.example/log");
    assert_eq!((checkpoint.size, checkpoint.root), (8, root));
}

#[test]
fn keys_of_other_logs_are_read() {
    for text in [
        "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ] {
        assert_eq!(text.parse::<VerifierKey>().unwrap().to_string(), text);
    }
}

#[test]
fn a_key_with_any_changed_character_is_refused() {
    for (index, _) in KEY.char_indices() {
        for replacement in ['A', 'b', '0', '+', ' '] {
            let mut text = KEY.to_owned();
            text.replace_range(index..=index, &replacement.to_string());
            assert_eq!(text.parse::<VerifierKey>().is_ok(), text == KEY, "{text}");
        }
        assert!(KEY[..index].parse::<VerifierKey>().is_err());
    }
    assert!(format!("{KEY}\n").parse::<VerifierKey>().is_err());
    assert_eq!(KEY.replace("10a1721e", "10A1721E").parse::<VerifierKey>(), Err(KeyError::Id));
}

#[test]
fn weak_keys_and_wrong_names_are_refused() {
    let origin = || Origin::new("a").unwrap();
    let mut identity = [0; 32];
    identity[0] = 1;
    assert_eq!(VerifierKey::from_bytes(origin(), &identity), Err(KeyError::Bytes));
    assert_eq!(VerifierKey::from_bytes(origin(), &[0; 32]), Err(KeyError::Bytes));
    for name in ["", "a b", "a+b", "a\nb", "a\u{a0}b", "a\u{7f}", &"n".repeat(201)] {
        assert_eq!(Origin::new(name), Err(KeyError::Origin), "{name:?}");
    }
}

#[test]
fn a_fingerprint_is_the_hash_of_the_keys_text() {
    let fingerprint = key().fingerprint();
    assert_eq!(fingerprint.to_string().replace(' ', ""), FINGERPRINT);
    for text in [FINGERPRINT, &FINGERPRINT.to_uppercase(), &fingerprint.to_string()] {
        assert_eq!(text.parse(), Ok(fingerprint));
    }
    for text in ["", "3f134ad2", &format!("{FINGERPRINT}00"), &FINGERPRINT.replace('f', "g")] {
        assert_eq!(text.parse::<Fingerprint>(), Err(KeyError::Fingerprint), "{text}");
    }
}

#[test]
fn no_changed_note_verifies() {
    let bytes = NOTE.as_bytes();
    for index in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.to_vec();
            changed[index] ^= 1 << bit;
            if let Ok(text) = String::from_utf8(changed) {
                assert!(Checkpoint::verify(&text, &key()).is_err(), "byte {index}, bit {bit}");
            }
        }
        if let Some(cut) = NOTE.get(..index) {
            assert!(Checkpoint::verify(cut, &key()).is_err(), "cut to {index}");
        }
    }
}

fn check_refused(note: &str, expected: &str) {
    let error = Checkpoint::verify(note, &key()).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn other_forms_are_refused_by_name() {
    let (text, signature) = NOTE.split_once("\n\n").unwrap();
    check_refused("", "the checkpoint note is malformed: no blank line before the signature");
    check_refused(
        &format!("{NOTE}{signature}"),
        "the checkpoint note is malformed: there must be exactly one signature line",
    );
    check_refused(
        &format!("{text}\nextension\n\n{signature}"),
        "the checkpoint note is malformed: there must be exactly three lines before the blank one",
    );
    for size in ["08", "+8", "", "-1", "9007199254740992", "99999999999999999999"] {
        check_refused(
            &NOTE.replace("\n8\n", &format!("\n{size}\n")),
            if size.is_empty() {
                "the checkpoint note is malformed: there must be exactly three lines before the blank one"
            } else {
                "the checkpoint note is malformed: the size is not a plain decimal number"
            },
        );
    }
    check_refused(
        &NOTE.replace("Qyg=", "Qyh="),
        "the checkpoint note is malformed: the root is not strict base64 of 32 bytes",
    );
    check_refused(
        &NOTE.replace("— charging.example/log ", "— other.example/log "),
        "the checkpoint note is malformed: the signature is not in the log's own name",
    );
    check_refused(&NOTE.replace("\n8\n", "\n9\n"), "the checkpoint's signature is wrong");
    check_refused(&"x".repeat(1025), "the checkpoint note is malformed: it is too long");
}

#[test]
fn another_log_or_another_key_is_told_apart() {
    let root = NodeHash::from_hex(ROOT).unwrap();
    let other_key = SigningKey::from_seed(Origin::new("charging.example/log").unwrap(), &[9; 32]);
    assert_eq!(Checkpoint::verify(&other_key.sign(8, root), &key()), Err(NoteError::Key));
    let other_log = SigningKey::from_seed(Origin::new("other.example").unwrap(), &[9; 32]);
    assert_eq!(
        Checkpoint::verify(&other_log.sign(8, root), &key()),
        Err(NoteError::Origin {
            expected: "charging.example/log".to_owned(),
            found: "other.example".to_owned()
        })
    );
}

#[test]
fn a_signing_key_does_not_print_itself() {
    assert_eq!(format!("{:?}", signing_key()), "SigningKey(charging.example/log)");
}
