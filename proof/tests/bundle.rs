//! Bundles: what is built verifies, and nothing else does.

#![allow(clippy::unwrap_used)]

use chargebook_proof::bundle::{
    BUNDLE_BYTES_MAX, Bundle, BundleError, PinnedKey, ProvenEvent, VerifiedBundle,
};
use chargebook_proof::checkpoint::{Origin, SigningKey};
use chargebook_proof::disclosure::{Disclosure, DisclosureError, SALT_BYTES};
use chargebook_proof::merkle::{MemoryTree, ProofError};
use chargebook_proof::multiproof::{multiproof, multiproof_addresses, verify_multiproof};
use chargebook_proof::{CanonicalError, CanonicalJson, Envelope, LeafHash};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

const LOG_SIZE: u64 = 21;

fn signing_key() -> SigningKey {
    SigningKey::from_seed(Origin::new("charging.example/log").unwrap(), &[7; 32])
}

fn sealed() -> Disclosure {
    Disclosure::new([0xa5; SALT_BYTES], "04A1B2C3")
}

fn envelope(index: u64) -> Envelope {
    let data = json!({
        "text": ["[2,\"1\",\"Authorize\",{\"idTag\":\"", {"commitment": sealed().commitment()}, "\"}]"],
        "energy_wh": format!("{index}.50"),
        "note": "é\n\u{1f50c}",
    });
    Envelope {
        id: Uuid::from_u128(0x00ab_cdef_0000 + u128::from(index)),
        stream: format!("session-{}", Uuid::from_u128(0xfeed)),
        version: index,
        event_type: "exchange.recorded".to_owned(),
        schema_version: 1,
        recorded_at: "2026-11-22T12:00:00.000Z".to_owned(),
        data: CanonicalJson::from_value(&data).unwrap(),
        meta: CanonicalJson::from_value(&json!({"actor": "station"})).unwrap(),
    }
}

fn log() -> MemoryTree {
    let mut tree = MemoryTree::new();
    (0..LOG_SIZE).for_each(|index| tree.append(envelope(index).leaf_hash()));
    tree
}

fn proven(indices: &[u64]) -> Vec<ProvenEvent> {
    indices.iter().map(|&index| ProvenEvent { index, envelope: envelope(index) }).collect()
}

fn build(indices: &[u64], disclosures: Vec<Disclosure>) -> Result<Bundle, BundleError> {
    let tree = log();
    Bundle::build(
        signing_key().verifier_key(),
        signing_key().sign(tree.size(), tree.root()),
        proven(indices),
        disclosures,
        &mut |address| tree.hash(address),
    )
}

fn text(indices: &[u64], disclosures: Vec<Disclosure>) -> String {
    build(indices, disclosures).unwrap().to_canonical().unwrap().into_string()
}

fn read(text: &str) -> Result<VerifiedBundle, BundleError> {
    Bundle::parse(text)?.verify(None)
}

#[test]
fn what_is_built_is_read_back_and_verifies() {
    let bundle = build(&[9, 3, 4, 20], vec![sealed()]).unwrap();
    let text = bundle.to_canonical().unwrap();
    assert_eq!(Bundle::parse(text.as_str()).as_ref(), Ok(&bundle));
    assert_eq!(CanonicalJson::parse(text.as_str()).as_ref(), Ok(&text));
    let verified = read(text.as_str()).unwrap();
    assert_eq!(verified.events, proven(&[3, 4, 9, 20]));
    assert_eq!((verified.checkpoint.size, verified.checkpoint.root), (LOG_SIZE, log().root()));
    assert!(!verified.pinned);
    assert_eq!(verified.disclosed(sealed().commitment()), Some("04A1B2C3"));
    assert_eq!(verified.disclosed("00"), None);
}

#[test]
fn a_pinned_key_must_be_the_bundles() {
    let bundle = build(&[3], vec![]).unwrap();
    let key = signing_key().verifier_key();
    for pin in [key.to_string(), key.fingerprint().to_string()] {
        assert!(bundle.verify(Some(&pin.parse().unwrap())).unwrap().pinned);
    }
    let other = SigningKey::from_seed(Origin::new("charging.example/log").unwrap(), &[8; 32]);
    let other = other.verifier_key();
    for pin in [PinnedKey::Fingerprint(other.fingerprint()), PinnedKey::Key(other)] {
        assert_eq!(
            bundle.verify(Some(&pin)),
            Err(BundleError::NotThePinnedKey { found: key.fingerprint() })
        );
    }
}

#[test]
fn every_changed_bit_is_refused() {
    let text = text(&[3, 4], vec![sealed()]);
    for index in 0..text.len() {
        for bit in 0..8 {
            let mut changed = text.clone().into_bytes();
            changed[index] ^= 1 << bit;
            if let Ok(changed) = String::from_utf8(changed) {
                assert!(read(&changed).is_err(), "byte {index}, bit {bit}: {changed}");
            }
        }
    }
}

#[test]
fn every_added_or_removed_byte_is_refused() {
    let text = text(&[3, 4], vec![sealed()]);
    for index in (0..=text.len()).filter(|index| text.is_char_boundary(*index)) {
        if index < text.len() {
            assert!(read(&text[..index]).is_err(), "cut to {index}");
        }
        for added in [" ", "0", "a", "\"", ",", "\\", "\n", "\u{0}"] {
            let longer = format!("{}{added}{}", &text[..index], &text[index..]);
            assert!(read(&longer).is_err(), "{added:?} added at {index}");
        }
        if text.is_char_boundary(index + 1) && index < text.len() {
            let shorter = format!("{}{}", &text[..index], &text[index + 1..]);
            assert!(read(&shorter).is_err(), "byte {index} removed");
        }
    }
}

/// Applies a change to the bundle's JSON and writes it canonically again.
fn changed(change: impl FnOnce(&mut serde_json::Value)) -> BundleError {
    let mut value = serde_json::from_str(&text(&[3, 4, 9], vec![sealed()])).unwrap();
    change(&mut value);
    read(CanonicalJson::from_value(&value).unwrap().as_str()).unwrap_err()
}

#[test]
fn lists_are_refused_when_reordered_shortened_or_lengthened() {
    let order = BundleError::Proof(ProofError::Order);
    assert_eq!(changed(|b| b["events"].as_array_mut().unwrap().swap(0, 1)), order);
    assert_eq!(
        changed(|b| {
            let first = b["events"][0].clone();
            b["events"].as_array_mut().unwrap().insert(0, first);
        }),
        order
    );
    assert_eq!(changed(|b| b["events"] = json!([])), order);
    for position in 0..3 {
        let error = changed(|b| {
            b["events"].as_array_mut().unwrap().remove(position);
        });
        assert!(
            matches!(error, BundleError::Proof(ProofError::Length { .. })),
            "event {position}: {error}"
        );
    }
    let hashes = build(&[3, 4, 9], vec![]).unwrap().verify(None).unwrap().proof_hashes;
    for position in 0..hashes {
        let error = changed(|b| {
            b["hashes"].as_array_mut().unwrap().remove(position);
        });
        assert_eq!(
            error,
            BundleError::Proof(ProofError::Length { expected: hashes, found: hashes - 1 })
        );
    }
    let swapped = changed(|b| b["hashes"].as_array_mut().unwrap().swap(0, 1));
    assert_eq!(swapped, BundleError::Proof(ProofError::Root));
    let moved = changed(|b| b["events"][2]["index"] = json!(10));
    assert_eq!(moved, BundleError::Proof(ProofError::Root));
    let outside = changed(|b| b["events"][2]["index"] = json!(LOG_SIZE));
    assert_eq!(
        outside,
        BundleError::Proof(ProofError::OutsideTree { index: LOG_SIZE, size: LOG_SIZE })
    );
}

fn check_refused(error: BundleError, expected: &str) {
    assert_eq!(error.to_string(), expected);
}

#[test]
fn refusals_name_what_is_wrong_and_where() {
    check_refused(
        changed(|b| b["extra"] = json!(1)),
        "the bundle's own object: member `extra` is missing, of the wrong form, or unknown",
    );
    check_refused(
        changed(|b| b["events"][1]["proof"] = json!([])),
        "the bundle's events[1]: member `proof` is missing, of the wrong form, or unknown",
    );
    check_refused(
        changed(|b| b["events"][1]["index"] = json!("4")),
        "the bundle's events[1].index is missing, of the wrong form, or unknown",
    );
    check_refused(
        changed(|b| b["events"][1]["event"]["extra"] = json!(null)),
        "the bundle's events[1]: envelope: member `extra` is missing, of the wrong type, or unknown",
    );
    check_refused(
        changed(|b| b["events"][0]["event"]["id"] = json!("00000000-0000-0000-0000-00ABCDEF0003")),
        "the bundle's events[0]: envelope: member `id` is missing, of the wrong type, or unknown",
    );
    check_refused(
        changed(|b| b["events"][0]["event"]["data"]["energy_wh"] = json!("3.5")),
        "the events are not what the checkpoint commits to: the proof does not lead to the root",
    );
    check_refused(
        changed(|b| b["hashes"][0] = json!("ABC")),
        "the bundle's hashes[0] is missing, of the wrong form, or unknown",
    );
    check_refused(
        changed(|b| b["format"] = json!("chargebook-bundle/2")),
        "the bundle is not of the format `chargebook-bundle/1`",
    );
    for name in ["checkpoint", "disclosures", "events", "hashes", "key"] {
        let error = changed(|b| {
            b.as_object_mut().unwrap().remove(name);
        });
        assert_eq!(error, BundleError::Member(name.to_owned()));
    }
    assert!(matches!(read("[]"), Err(BundleError::Format)));
    assert!(matches!(read("{"), Err(BundleError::Canonical(CanonicalError::NotJson(_)))));
    assert_eq!(read(&" ".repeat(BUNDLE_BYTES_MAX + 1)), Err(BundleError::TooLarge));
}

#[test]
fn a_disclosure_must_open_a_hole_of_an_event() {
    let refused = |position, source| BundleError::Disclosure { position, source };
    let unknown = Disclosure::new([0; SALT_BYTES], "04A1B2C3");
    assert_eq!(build(&[3], vec![unknown]).unwrap_err(), refused(0, DisclosureError::Unknown));
    assert_eq!(
        build(&[3], vec![sealed(), sealed()]).unwrap_err(),
        refused(1, DisclosureError::Order)
    );
    let other = changed(|b| b["disclosures"][0]["plaintext"] = json!("04A1B2C4"));
    assert_eq!(other, refused(0, DisclosureError::Commitment));
    // Moving the border between salt and plaintext gives the same hash, and is refused.
    let moved = changed(|b| {
        b["disclosures"][0]["salt"] = json!("a5".repeat(SALT_BYTES) + "30");
        b["disclosures"][0]["plaintext"] = json!("4A1B2C3");
    });
    assert_eq!(moved, refused(0, DisclosureError::Form));
    let upper = changed(|b| b["disclosures"][0]["salt"] = json!("A5".repeat(SALT_BYTES)));
    assert_eq!(upper, refused(0, DisclosureError::Form));
}

#[test]
fn what_cannot_be_proven_cannot_be_built() {
    assert_eq!(build(&[], vec![]).unwrap_err(), BundleError::Proof(ProofError::Order));
    let tree = log();
    let note = signing_key().sign(tree.size(), tree.root());
    let mut events = proven(&[3]);
    events[0].envelope.version = 99;
    let forged =
        Bundle::build(signing_key().verifier_key(), note, events, vec![], &mut |address| {
            tree.hash(address)
        });
    assert_eq!(forged.unwrap_err(), BundleError::Proof(ProofError::Root));
}

#[test]
fn an_event_as_deep_as_the_log_admits_can_be_bundled() {
    let depth = chargebook_proof::NESTING_DEPTH_MAX;
    let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let mut deep = envelope(0);
    deep.data = CanonicalJson::parse(&nested).unwrap();
    let mut tree = MemoryTree::new();
    tree.append(deep.leaf_hash());
    let bundle = Bundle::build(
        signing_key().verifier_key(),
        signing_key().sign(1, tree.root()),
        vec![ProvenEvent { index: 0, envelope: deep }],
        vec![],
        &mut |address| tree.hash(address),
    );
    assert!(read(bundle.unwrap().to_canonical().unwrap().as_str()).is_ok());
    let deeper = format!("[{nested}]");
    assert_eq!(CanonicalJson::parse(&deeper), Err(CanonicalError::TooDeep));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_multiproof_holds_for_any_leaves_and_no_changed_one_does(
        size in 1..200u64,
        picks in proptest::collection::btree_set(0..200u64, 1..20),
        flip in 0..usize::MAX,
    ) {
        let leaf = |index: u64| LeafHash::of(&index.to_be_bytes());
        let mut tree = MemoryTree::new();
        (0..size).for_each(|index| tree.append(leaf(index)));
        let indices: Vec<u64> = picks.into_iter().filter(|index| *index < size).collect();
        prop_assume!(!indices.is_empty());
        let mut read = Vec::new();
        let proof = multiproof(&indices, size, &mut |address| {
            read.push(address);
            tree.hash(address)
        }).unwrap();
        prop_assert_eq!(multiproof_addresses(&indices, size).unwrap(), read);
        let leaves: Vec<_> = indices.iter().map(|&index| (index, leaf(index))).collect();
        let verify = |proof: &[_]| verify_multiproof(&leaves, size, tree.root(), proof);
        prop_assert_eq!(verify(&proof), Ok(()));
        if let [only] = indices[..] {
            prop_assert_eq!(proof.len(), tree.inclusion_proof(only, size).unwrap().len());
        }
        let singles: usize =
            indices.iter().map(|&i| tree.inclusion_proof(i, size).unwrap().len()).sum();
        prop_assert!(proof.len() <= singles);
        if !proof.is_empty() {
            let mut changed = proof.clone();
            changed[flip % proof.len()].0[flip / 64 % 32] ^= 1 << (flip % 8);
            prop_assert_eq!(verify(&changed), Err(ProofError::Root));
            prop_assert!(verify(&proof[1..]).is_err());
        }
        let longer = [&proof[..], &[tree.root()]].concat();
        prop_assert!(verify(&longer).is_err());
    }
}
