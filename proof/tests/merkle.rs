//! The tree against RFC 6962's own recursion, the published reference vectors and every small
//! size.

#![allow(clippy::unwrap_used)]

use chargebook_proof::LeafHash;
use chargebook_proof::merkle::{
    BuildError, Frontier, MemoryTree, NodeAddress, NodeHash, PROOF_HASHES_MAX, ProofError,
    TREE_SIZE_MAX, consistency_addresses, consistency_proof, inclusion_addresses, inclusion_proof,
    verify_consistency, verify_inclusion,
};
use proptest::prelude::*;

/// Largest tree whose every proof is tried.
const EVERY_SIZE: u64 = 70;

/// The eight leaves that Certificate Transparency implementations are tested with.
const CT_LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

const CT_ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn ct_tree() -> MemoryTree {
    let mut tree = MemoryTree::new();
    CT_LEAVES.iter().for_each(|leaf| tree.append(LeafHash::of(&hex::decode(leaf).unwrap())));
    tree
}

fn leaf(index: u64) -> LeafHash {
    LeafHash::of(&index.to_be_bytes())
}

fn tree_of(size: u64) -> MemoryTree {
    let mut tree = MemoryTree::new();
    (0..size).for_each(|index| tree.append(leaf(index)));
    tree
}

/// MTH of RFC 6962 section 2.1, as it is written there.
fn root_by_definition(leaves: &[LeafHash]) -> NodeHash {
    match leaves {
        [] => NodeHash::empty_root(),
        [only] => NodeHash::from(*only),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            NodeHash::parent(root_by_definition(left), root_by_definition(right))
        }
    }
}

fn hashes(expected: &[&str]) -> Vec<NodeHash> {
    expected.iter().map(|text| NodeHash::from_hex(text).unwrap()).collect()
}

#[test]
fn roots_are_the_reference_vectors() {
    let mut frontier = Frontier::new();
    assert_eq!(frontier.root().to_string(), CT_ROOTS[0]);
    for (size, leaf) in CT_LEAVES.iter().enumerate() {
        frontier.append(LeafHash::of(&hex::decode(leaf).unwrap()), |_, _| {});
        assert_eq!(frontier.root().to_string(), CT_ROOTS[size + 1]);
    }
}

#[test]
fn inclusion_proofs_are_the_reference_vectors() {
    let tree = ct_tree();
    let check = |index, size, expected: &[&str]| {
        assert_eq!(tree.inclusion_proof(index, size).unwrap(), hashes(expected));
    };
    check(0, 1, &[]);
    check(
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    );
    check(
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    );
    check(2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]);
    check(
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    );
}

#[test]
fn consistency_proofs_are_the_reference_vectors() {
    let tree = ct_tree();
    let check = |old, new, expected: &[&str]| {
        assert_eq!(tree.consistency_proof(old, new).unwrap(), hashes(expected));
    };
    check(1, 1, &[]);
    check(
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    );
    check(
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    );
    check(
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    );
    check(
        3,
        7,
        &[
            "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7",
            "07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "837dbb152e9b079010717e84e865da4ebc0fa198a806d59d31bf15accef22d0e",
        ],
    );
}

#[test]
fn the_growing_edge_has_the_root_of_the_definition_and_survives_saving() {
    let leaves: Vec<LeafHash> = (0..600).map(leaf).collect();
    let mut frontier = Frontier::new();
    for size in 0..leaves.len() {
        assert_eq!(frontier.root(), root_by_definition(&leaves[..size]));
        let saved = frontier.to_bytes();
        assert_eq!(saved.len(), 8 + 32 * size.count_ones() as usize);
        frontier = Frontier::from_bytes(&saved).unwrap();
        let mut completed = Vec::new();
        frontier.append(leaves[size], |address, hash| completed.push((address, hash)));
        // Each new leaf completes one subtree per trailing one of its number, and itself.
        assert_eq!(completed.len(), 1 + size.trailing_ones() as usize);
        for (address, hash) in completed {
            let first = (address.index << address.level) as usize;
            let end = first + (1 << address.level);
            assert_eq!(hash, root_by_definition(&leaves[first..end]));
        }
    }
}

#[test]
fn a_damaged_saved_edge_is_refused() {
    let mut frontier = Frontier::new();
    (0..5).for_each(|index| frontier.append(leaf(index), |_, _| {}));
    let saved = frontier.to_bytes();
    for length in 0..saved.len() {
        assert!(Frontier::from_bytes(&saved[..length]).is_err(), "cut to {length} bytes");
    }
    assert!(Frontier::from_bytes(&[&saved[..], &[0]].concat()).is_err());
    let mut other_size = saved;
    other_size[7] = 7;
    assert!(Frontier::from_bytes(&other_size).is_err());
    assert!(Frontier::from_bytes(&[0xff; 8 + 64 * 32]).is_err(), "larger than any tree");
}

/// Calls `flipped` with every proof that differs from `proof` in one bit; in trees of many
/// leaves with one bit per byte only.
fn each_bit_flipped(proof: &[NodeHash], every_bit: bool, mut flipped: impl FnMut(&[NodeHash])) {
    let mut changed = proof.to_vec();
    for position in 0..proof.len() * 32 {
        let (hash, byte) = (position / 32, position % 32);
        let bits = if every_bit { 0..8 } else { position % 8..position % 8 + 1 };
        for bit in bits {
            changed[hash].0[byte] ^= 1 << bit;
            flipped(&changed);
            changed[hash].0[byte] ^= 1 << bit;
        }
    }
}

#[test]
fn every_inclusion_proof_verifies_and_no_changed_one_does() {
    let tree = tree_of(EVERY_SIZE);
    for size in 1..=EVERY_SIZE {
        let root = tree_of(size).root();
        for index in 0..size {
            let proof = tree.inclusion_proof(index, size).unwrap();
            let verify =
                |proof: &[NodeHash]| verify_inclusion(leaf(index), index, size, root, proof);
            assert_eq!(verify(&proof), Ok(()), "leaf {index} of {size}");
            each_bit_flipped(&proof, size <= 12, |changed| {
                assert_eq!(verify(changed), Err(ProofError::Root), "leaf {index} of {size}");
            });
            let longer = [&proof[..], &[root]].concat();
            assert!(matches!(verify(&longer), Err(ProofError::Length { .. })));
            if let Some((_, shorter)) = proof.split_last() {
                assert!(matches!(verify(shorter), Err(ProofError::Length { .. })));
            }
            for other in (0..size).filter(|other| *other != index) {
                assert!(verify_inclusion(leaf(index), other, size, root, &proof).is_err());
                assert!(verify_inclusion(leaf(other), index, size, root, &proof).is_err());
            }
        }
    }
}

#[test]
fn every_consistency_proof_verifies_and_no_changed_one_does() {
    let tree = tree_of(EVERY_SIZE);
    let roots: Vec<NodeHash> = (0..=EVERY_SIZE).map(|size| tree_of(size).root()).collect();
    for new in 0..=EVERY_SIZE {
        for old in 0..=new {
            let (old_root, new_root) = (roots[old as usize], roots[new as usize]);
            let proof = tree.consistency_proof(old, new).unwrap();
            let verify =
                |proof: &[NodeHash]| verify_consistency(old, new, old_root, new_root, proof);
            assert_eq!(verify(&proof), Ok(()), "{old} to {new}");
            each_bit_flipped(&proof, new <= 12, |changed| {
                assert!(
                    matches!(verify(changed), Err(ProofError::Root | ProofError::OldRoot)),
                    "{old} to {new}"
                );
            });
            let longer = [&proof[..], &[new_root]].concat();
            assert!(matches!(verify(&longer), Err(ProofError::Length { .. })));
            let other = leaf(999).into();
            assert!(verify_consistency(old, new, other, new_root, &proof).is_err());
            if old > 0 {
                assert!(verify_consistency(old, new, old_root, other, &proof).is_err());
            }
        }
    }
}

#[test]
fn a_log_with_a_changed_leaf_extends_no_earlier_head() {
    let honest = tree_of(20);
    let mut forged = MemoryTree::new();
    (0..40).for_each(|index| forged.append(leaf(if index == 3 { 1000 } else { index })));
    let proof = forged.consistency_proof(20, 40).unwrap();
    assert_eq!(
        verify_consistency(20, 40, honest.root(), forged.root(), &proof),
        Err(ProofError::OldRoot)
    );
}

#[test]
fn impossible_proofs_are_refused_by_name() {
    let tree = tree_of(5);
    assert_eq!(
        tree.inclusion_proof(5, 5),
        Err(BuildError::Proof(ProofError::OutsideTree { index: 5, size: 5 }))
    );
    assert_eq!(
        tree.consistency_proof(5, 4),
        Err(BuildError::Proof(ProofError::Shrunk { old: 5, new: 4 }))
    );
    assert!(matches!(tree.inclusion_proof(0, 9), Err(BuildError::Read(_))));
    let root = tree.root();
    assert_eq!(
        verify_inclusion(leaf(0), 0, u64::MAX, root, &[]),
        Err(ProofError::TooLarge(u64::MAX))
    );
    assert_eq!(
        verify_consistency(1, u64::MAX, root, root, &[]),
        Err(ProofError::TooLarge(u64::MAX))
    );
}

/// A log in which every leaf is the same: its complete subtrees are one hash per level, so even
/// the largest tree can be proven about.
fn uniform(address: NodeAddress) -> Result<NodeHash, std::convert::Infallible> {
    let leaf = NodeHash::from(leaf(0));
    Ok((0..address.level).fold(leaf, |hash, _| NodeHash::parent(hash, hash)))
}

fn uniform_root(size: u64) -> NodeHash {
    let levels = (0..64u8).rev().filter(|level| size >> level & 1 == 1);
    levels
        .map(|level| uniform(NodeAddress { level, index: 0 }).unwrap())
        .rev()
        .reduce(|right, left| NodeHash::parent(left, right))
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn proofs_hold_in_trees_of_any_size(a in 0..TREE_SIZE_MAX, b in 0..TREE_SIZE_MAX) {
        let (old, new) = (a.min(b) + 1, a.max(b) + 1);
        let root = uniform_root(new);
        let inclusion = inclusion_proof(old - 1, new, &mut uniform).unwrap();
        prop_assert!(inclusion.len() <= PROOF_HASHES_MAX);
        prop_assert_eq!(verify_inclusion(leaf(0), old - 1, new, root, &inclusion), Ok(()));
        let consistency = consistency_proof(old, new, &mut uniform).unwrap();
        prop_assert!(consistency.len() <= PROOF_HASHES_MAX);
        prop_assert_eq!(
            verify_consistency(old, new, uniform_root(old), root, &consistency),
            Ok(())
        );
    }

    #[test]
    fn the_addresses_told_ahead_are_those_that_are_read(a in 0..5000u64, b in 0..5000u64) {
        let (old, new) = (a.min(b), a.max(b) + 1);
        let mut read = Vec::new();
        let mut reader = |address: NodeAddress| {
            assert!((address.index + 1) << address.level <= new, "not complete at this size");
            read.push(address);
            uniform(address)
        };
        inclusion_proof(old, new, &mut reader).unwrap();
        consistency_proof(old, new, &mut reader).unwrap();
        let mut told = inclusion_addresses(old, new).unwrap();
        told.extend(consistency_addresses(old, new).unwrap());
        prop_assert_eq!(told, read);
    }
}
