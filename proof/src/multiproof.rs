//! One inclusion proof for several leaves: the hashes of exactly those subtrees that hold none
//! of them, from left to right. It is never larger than the single proofs together, and none of
//! its hashes can be left out or added.

use crate::envelope::LeafHash;
use crate::merkle::{BuildError, NodeAddress, NodeHash, ProofError, Range, TREE_SIZE_MAX};

/// The proof that leaves `indices` (ascending, each once) are in the tree of the first `size`
/// leaves. `reader` returns the hash of a complete subtree.
pub fn multiproof<E>(
    indices: &[u64],
    size: u64,
    reader: &mut impl FnMut(NodeAddress) -> Result<NodeHash, E>,
) -> Result<Vec<NodeHash>, BuildError<E>> {
    let gaps = gaps(indices, size).map_err(BuildError::Proof)?;
    gaps.into_iter().map(|gap| gap.hash(reader).map_err(BuildError::Read)).collect()
}

/// The complete subtrees that [`multiproof`] will ask its reader for; for readers that must
/// fetch ahead.
pub fn multiproof_addresses(indices: &[u64], size: u64) -> Result<Vec<NodeAddress>, ProofError> {
    Ok(gaps(indices, size)?.into_iter().flat_map(Range::subtrees).collect())
}

/// Verifies that each of `leaves` (by index, ascending, each once) is in the tree of `size`
/// leaves with `root`, at that index. The proof must have exactly the hashes that belong there.
pub fn verify_multiproof(
    leaves: &[(u64, LeafHash)],
    size: u64,
    root: NodeHash,
    proof: &[NodeHash],
) -> Result<(), ProofError> {
    let indices: Vec<u64> = leaves.iter().map(|(index, _)| *index).collect();
    let expected = gaps(&indices, size)?.len();
    if proof.len() != expected {
        return Err(ProofError::Length { expected, found: proof.len() });
    }
    let mut rest = proof.iter().copied();
    let found = root_over(Range { from: 0, to: size }, leaves, &mut rest);
    if found == Some(root) { Ok(()) } else { Err(ProofError::Root) }
}

/// The largest subtrees, from left to right, that hold none of `indices`.
fn gaps(indices: &[u64], size: u64) -> Result<Vec<Range>, ProofError> {
    if size > TREE_SIZE_MAX {
        return Err(ProofError::TooLarge(size));
    }
    if !indices.is_sorted_by(|a, b| a < b) {
        return Err(ProofError::Order);
    }
    let last = *indices.last().ok_or(ProofError::Order)?;
    if last >= size {
        return Err(ProofError::OutsideTree { index: last, size });
    }
    let mut gaps = Vec::new();
    collect_gaps(Range { from: 0, to: size }, indices, &mut gaps);
    Ok(gaps)
}

/// Recursion is as deep as the tree is high: at most 53 levels.
fn collect_gaps(range: Range, indices: &[u64], gaps: &mut Vec<Range>) {
    if indices.is_empty() {
        gaps.push(range);
    } else if let Some((left, right)) = range.split() {
        let (in_left, in_right) = indices.split_at(indices.partition_point(|i| *i < left.to));
        collect_gaps(left, in_left, gaps);
        collect_gaps(right, in_right, gaps);
    }
}

/// The root over `range` from its proven leaves and, for what holds none, the next hash of the
/// proof; `None` if the proof is too short.
fn root_over(
    range: Range,
    leaves: &[(u64, LeafHash)],
    proof: &mut impl Iterator<Item = NodeHash>,
) -> Option<NodeHash> {
    let Some((_, leaf)) = leaves.first() else {
        return proof.next();
    };
    let Some((left, right)) = range.split() else {
        return Some(NodeHash::from(*leaf));
    };
    let (in_left, in_right) = leaves.split_at(leaves.partition_point(|(i, _)| *i < left.to));
    let left = root_over(left, in_left, proof)?;
    let right = root_over(right, in_right, proof)?;
    Some(NodeHash::parent(left, right))
}
