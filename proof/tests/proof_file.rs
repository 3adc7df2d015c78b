//! Proofs as files: what is written is read, and nothing else is.

use chargebook_proof::checkpoint::{NoteError, Origin, SigningKey, VerifierKey};
use chargebook_proof::merkle::{MemoryTree, ProofError};
use chargebook_proof::proof_file::{ConsistencyFile, InclusionFile, ProofFileError};
use chargebook_proof::{CanonicalJson, Envelope};
use uuid::Uuid;

const ENTRIES: u64 = 11;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(Origin::new("charging.example/log").expect("a name"), &[seed; 32])
}

fn entry(number: u64) -> Envelope {
    Envelope {
        id: Uuid::from_u128(number.into()),
        stream: "sample-1".to_owned(),
        version: number,
        event_type: "sample.happened".to_owned(),
        schema_version: 1,
        recorded_at: "2026-01-01T00:00:00.000Z".to_owned(),
        data: CanonicalJson::from_stored(format!("{{\"number\":{number}}}")),
        meta: CanonicalJson::from_stored("{}"),
    }
}

/// The tree, and a note by a key for each of its sizes.
fn log(seed: u8) -> (MemoryTree, Vec<String>) {
    let mut tree = MemoryTree::new();
    let mut notes = vec![key(seed).sign(0, tree.root())];
    for number in 0..ENTRIES {
        tree.append(entry(number).leaf_hash());
        notes.push(key(seed).sign(tree.size(), tree.root()));
    }
    (tree, notes)
}

fn inclusion(index: u64, size: u64) -> InclusionFile {
    let (tree, notes) = log(7);
    InclusionFile {
        entry: entry(index).canonical().as_str().to_owned(),
        index,
        hashes: tree.inclusion_proof(index, size).expect("a proof"),
        note: notes[size as usize].clone(),
    }
}

fn keys(seeds: &[u8]) -> Vec<VerifierKey> {
    seeds.iter().map(|seed| key(*seed).verifier_key()).collect()
}

#[test]
fn an_event_is_proven_by_its_file_alone() {
    for size in 1..=ENTRIES {
        for index in 0..size {
            let text = inclusion(index, size).to_text();
            let read = InclusionFile::parse(&text).expect("the form");
            let (event, checkpoint) = read.verify(&keys(&[7])).expect("proven");
            assert_eq!((event, checkpoint.size), (entry(index), size));
        }
    }
    // As the standard writes it.
    let text = inclusion(1, 2).to_text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines[2]), ("c2sp.org/tlog-proof@v1", "index 1"));
    assert_eq!((lines[3].len(), lines[4], lines[5]), (44, "", "charging.example/log"));
}

#[test]
fn checkpoints_extend_each_other_by_a_file_alone_whichever_key_has_signed() {
    let ((tree, old_notes), (_, new_notes)) = (log(7), log(8));
    for newer in 1..=ENTRIES {
        for older in 0..=newer {
            let file = ConsistencyFile {
                hashes: tree.consistency_proof(older, newer).expect("a proof"),
                older: old_notes[older as usize].clone(),
                newer: new_notes[newer as usize].clone(),
            };
            let read = ConsistencyFile::parse(&file.to_text()).expect("the form");
            let (from, to) = read.verify(&keys(&[7, 8])).expect("proven");
            assert_eq!((from.size, to.size), (older, newer));
            let refused = read.verify(&keys(&[8]));
            assert_eq!(refused, Err(ProofFileError::Note(NoteError::Key)));
        }
    }
}

#[test]
fn no_bit_of_a_proof_can_be_changed() {
    let check = |text: &str, proven: &dyn Fn(&str) -> bool| {
        assert!(proven(text));
        for at in 0..text.len() {
            assert!(!proven(&text[..text.floor_char_boundary(at)]), "cut at {at}");
            for bit in 0..8 {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert!(!proven(&changed), "byte {at}, bit {bit}: {changed}");
            }
        }
    };
    check(&inclusion(5, 11).to_text(), &|text| {
        InclusionFile::parse(text).is_ok_and(|file| file.verify(&keys(&[7])).is_ok())
    });
    let (tree, notes) = log(7);
    let hashes = tree.consistency_proof(3, 11).expect("a proof");
    let file = ConsistencyFile { hashes, older: notes[3].clone(), newer: notes[11].clone() };
    check(&file.to_text(), &|text| {
        ConsistencyFile::parse(text).is_ok_and(|file| file.verify(&keys(&[7])).is_ok())
    });
}

#[test]
fn a_proof_of_something_else_is_refused() {
    let other = InclusionFile { index: 4, ..inclusion(5, 11) };
    assert_eq!(other.verify(&keys(&[7])), Err(ProofFileError::Proof(ProofError::Root)));
    let unsigned = inclusion(5, 11);
    assert_eq!(unsigned.verify(&[]), Err(ProofFileError::Note(NoteError::Key)));

    // A leaf may be the hash of anything; only an event is one.
    let mut tree = MemoryTree::new();
    tree.append(chargebook_proof::LeafHash::of(b"no event"));
    let note = key(7).sign(1, tree.root());
    let file = InclusionFile { entry: "no event".to_owned(), index: 0, hashes: vec![], note };
    assert!(matches!(file.verify(&keys(&[7])), Err(ProofFileError::Entry(_))));

    let foreign =
        SigningKey::from_seed(Origin::new("other.example/log").expect("a name"), &[9; 32]);
    let (tree, notes) = log(7);
    let file = ConsistencyFile {
        hashes: tree.consistency_proof(3, 11).expect("a proof"),
        older: notes[3].clone(),
        newer: foreign.sign(11, tree.root()),
    };
    let refused = file.verify(&[key(7).verifier_key(), foreign.verifier_key()]);
    assert!(matches!(refused, Err(ProofFileError::Logs { .. })), "{refused:?}");
}
