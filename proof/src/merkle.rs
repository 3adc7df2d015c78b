//! The Merkle tree of RFC 6962 section 2.1: hashes, the growing edge of a tree, inclusion and
//! consistency proofs and their verification.
//!
//! Proofs are built from the hashes of complete subtrees, which never change once written; who
//! stores them, and how, is told to the functions here by a reader. Nothing here does I/O.

use crate::envelope::LeafHash;
use sha2::{Digest, Sha256};
use std::fmt;

/// Most leaves a tree may have: counts stay integers that every JSON reader represents exactly.
pub const TREE_SIZE_MAX: u64 = (1 << 53) - 1;

/// Most hashes in one inclusion or consistency proof: one per level of the largest tree, and
/// one that a consistency proof may start with.
pub const PROOF_HASHES_MAX: usize = 54;

/// The hash of a subtree: a leaf's own hash, an inner node's, or a root.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeHash(pub [u8; 32]);

impl fmt::Debug for NodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeHash({self})")
    }
}

impl fmt::Display for NodeHash {
    /// 64 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl From<LeafHash> for NodeHash {
    fn from(leaf: LeafHash) -> Self {
        Self(leaf.0)
    }
}

impl NodeHash {
    /// Reads 64 lower-case hexadecimal digits; anything else is no hash.
    pub fn from_hex(text: &str) -> Option<Self> {
        let lower = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let mut hash = [0; 32];
        (lower && hex::decode_to_slice(text, &mut hash).is_ok()).then_some(Self(hash))
    }

    /// The root of the tree without leaves: SHA-256 of nothing.
    pub fn empty_root() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// An inner node: `SHA-256(0x01 || left || right)`.
    pub fn parent(left: Self, right: Self) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([0x01]);
        hasher.update(left.0);
        hasher.update(right.0);
        Self(hasher.finalize().into())
    }
}

/// A complete subtree: the `index`-th one (from 0) of those with `2^level` leaves. It exists,
/// and never changes again, once the tree has `(index + 1) << level` leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeAddress {
    /// Height above the leaves: 0 is a leaf.
    pub level: u8,
    /// Place among the subtrees of this level, from 0.
    pub index: u64,
}

/// Why a proof is refused, or cannot exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf is not in a tree of that size.
    #[error("leaf {index} is not in a tree of {size} leaves")]
    OutsideTree {
        /// The leaf's index, from 0.
        index: u64,
        /// The tree's number of leaves.
        size: u64,
    },
    /// The older tree is larger than the newer one.
    #[error("a tree of {old} leaves cannot precede one of {new}")]
    Shrunk {
        /// Leaves of the older tree.
        old: u64,
        /// Leaves of the newer tree.
        new: u64,
    },
    /// A tree over [`TREE_SIZE_MAX`].
    #[error("a tree of {0} leaves is larger than any log may grow")]
    TooLarge(u64),
    /// Too few or too many hashes for this index and size.
    #[error("the proof has {found} hashes where exactly {expected} belong")]
    Length {
        /// How many belong there.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// A proof about several leaves names none, or not each once in ascending order.
    #[error("the leaves must be named in ascending order, each once, and at least one")]
    Order,
    /// The proof does not lead to the root.
    #[error("the proof does not lead to the root")]
    Root,
    /// The proof does not lead to the older tree's root.
    #[error("the proof does not lead to the older tree's root")]
    OldRoot,
}

/// Why a proof could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError<E> {
    /// No such proof exists.
    #[error("{0}")]
    Proof(ProofError),
    /// The reader has failed.
    #[error("the hash of a subtree cannot be read: {0}")]
    Read(E),
}

/// The growing edge of a tree: the roots of its complete subtrees, largest first. Appending is
/// O(1) amortised, and it holds at most one hash per level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<NodeHash>,
}

/// Bytes that are no serialised [`Frontier`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tree's saved edge is damaged: its length does not fit its size")]
pub struct FrontierError;

impl Frontier {
    /// The edge of the tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The tree's root as it stands.
    pub fn root(&self) -> NodeHash {
        fold_right(&self.peaks)
    }

    /// Appends a leaf and tells `completed` every subtree that became complete by it: the leaf
    /// itself first, then upwards. Those hashes are what proofs are built from.
    pub fn append(&mut self, leaf: LeafHash, mut completed: impl FnMut(NodeAddress, NodeHash)) {
        let mut address = NodeAddress { level: 0, index: self.size };
        let mut hash = NodeHash::from(leaf);
        completed(address, hash);
        while address.index & 1 == 1 {
            // An odd index has its left sibling as the last peak.
            let Some(left) = self.peaks.pop() else { break };
            hash = NodeHash::parent(left, hash);
            address = NodeAddress { level: address.level + 1, index: address.index >> 1 };
            completed(address, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The size as eight bytes, most significant first, then the subtree roots, largest first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        self.peaks.iter().for_each(|peak| bytes.extend_from_slice(&peak.0));
        bytes
    }

    /// Reads what [`Frontier::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrontierError> {
        let (size, rest) = bytes.split_first_chunk::<8>().ok_or(FrontierError)?;
        let size = u64::from_be_bytes(*size);
        let (peaks, extra) = rest.as_chunks::<32>();
        if size > TREE_SIZE_MAX || !extra.is_empty() || peaks.len() != size.count_ones() as usize {
            return Err(FrontierError);
        }
        Ok(Self { size, peaks: peaks.iter().copied().map(NodeHash).collect() })
    }
}

/// The root of the tree of the first `size` leaves, from the hashes of its complete subtrees.
pub fn root<E>(
    size: u64,
    reader: &mut impl FnMut(NodeAddress) -> Result<NodeHash, E>,
) -> Result<NodeHash, E> {
    Range { from: 0, to: size }.hash(reader)
}

/// The inclusion proof of leaf `index` in the tree of the first `size` leaves (RFC 6962
/// section 2.1.1), lowest sibling first. `reader` returns the hash of a complete subtree.
pub fn inclusion_proof<E>(
    index: u64,
    size: u64,
    reader: &mut impl FnMut(NodeAddress) -> Result<NodeHash, E>,
) -> Result<Vec<NodeHash>, BuildError<E>> {
    let steps = inclusion_steps(index, size).map_err(BuildError::Proof)?;
    steps.iter().map(|step| step.sibling.hash(reader).map_err(BuildError::Read)).collect()
}

/// The consistency proof between the trees of the first `old` and the first `new` leaves
/// (RFC 6962 section 2.1.2). Empty where `old` is 0 or equals `new`.
pub fn consistency_proof<E>(
    old: u64,
    new: u64,
    reader: &mut impl FnMut(NodeAddress) -> Result<NodeHash, E>,
) -> Result<Vec<NodeHash>, BuildError<E>> {
    let path = ConsistencyPath::new(old, new).map_err(BuildError::Proof)?;
    path.ranges().map(|range| range.hash(reader).map_err(BuildError::Read)).collect()
}

/// The complete subtrees that [`inclusion_proof`] will ask its reader for; for readers that
/// must fetch ahead.
pub fn inclusion_addresses(index: u64, size: u64) -> Result<Vec<NodeAddress>, ProofError> {
    Ok(inclusion_steps(index, size)?.iter().flat_map(|step| step.sibling.subtrees()).collect())
}

/// The complete subtrees that [`consistency_proof`] will ask its reader for.
pub fn consistency_addresses(old: u64, new: u64) -> Result<Vec<NodeAddress>, ProofError> {
    Ok(ConsistencyPath::new(old, new)?.ranges().flat_map(Range::subtrees).collect())
}

/// Verifies that `leaf` is leaf `index` of the tree of `size` leaves with `root`. The proof
/// must have exactly the hashes that belong there.
pub fn verify_inclusion(
    leaf: LeafHash,
    index: u64,
    size: u64,
    root: NodeHash,
    proof: &[NodeHash],
) -> Result<(), ProofError> {
    let steps = inclusion_steps(index, size)?;
    if steps.len() != proof.len() {
        return Err(ProofError::Length { expected: steps.len(), found: proof.len() });
    }
    let hash = steps.iter().zip(proof).fold(NodeHash::from(leaf), |hash, (step, &sibling)| {
        if step.sibling_is_left {
            NodeHash::parent(sibling, hash)
        } else {
            NodeHash::parent(hash, sibling)
        }
    });
    if hash == root { Ok(()) } else { Err(ProofError::Root) }
}

/// Verifies that the tree of `new` leaves with `new_root` begins with the tree of `old` leaves
/// with `old_root`: nothing was changed or removed, only appended.
pub fn verify_consistency(
    old: u64,
    new: u64,
    old_root: NodeHash,
    new_root: NodeHash,
    proof: &[NodeHash],
) -> Result<(), ProofError> {
    let path = ConsistencyPath::new(old, new)?;
    let expected = path.ranges().count();
    if proof.len() != expected {
        return Err(ProofError::Length { expected, found: proof.len() });
    }
    if old == 0 {
        return if old_root == NodeHash::empty_root() { Ok(()) } else { Err(ProofError::OldRoot) };
    }
    let (seed, siblings) = match (&path.seed, proof.split_first()) {
        (Some(_), Some((&first, rest))) => (first, rest),
        _ => (old_root, proof),
    };
    let (mut old_hash, mut new_hash) = (seed, seed);
    for (step, &sibling) in path.steps.iter().zip(siblings) {
        if step.sibling_is_left {
            old_hash = NodeHash::parent(sibling, old_hash);
            new_hash = NodeHash::parent(sibling, new_hash);
        } else {
            new_hash = NodeHash::parent(new_hash, sibling);
        }
    }
    if old_hash != old_root {
        return Err(ProofError::OldRoot);
    }
    if new_hash == new_root { Ok(()) } else { Err(ProofError::Root) }
}

/// A whole tree in memory, for small logs and for tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    frontier: Frontier,
    /// Per level, the hashes of its complete subtrees.
    levels: Vec<Vec<NodeHash>>,
}

/// A subtree that a [`MemoryTree`] does not hold, because it is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no complete subtree {0:?}")]
pub struct IncompleteSubtree(NodeAddress);

impl MemoryTree {
    /// The tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a leaf.
    pub fn append(&mut self, leaf: LeafHash) {
        let levels = &mut self.levels;
        self.frontier.append(leaf, |address, hash| {
            let level = usize::from(address.level);
            if levels.len() <= level {
                levels.push(Vec::new());
            }
            levels[level].push(hash);
        });
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root as it stands.
    pub fn root(&self) -> NodeHash {
        self.frontier.root()
    }

    /// The hash of a complete subtree: the reader that the proof functions want.
    pub fn hash(&self, address: NodeAddress) -> Result<NodeHash, IncompleteSubtree> {
        let index = usize::try_from(address.index).map_err(|_| IncompleteSubtree(address))?;
        self.levels
            .get(usize::from(address.level))
            .and_then(|level| level.get(index))
            .copied()
            .ok_or(IncompleteSubtree(address))
    }

    /// [`inclusion_proof`] in the tree of the first `size` leaves.
    pub fn inclusion_proof(
        &self,
        index: u64,
        size: u64,
    ) -> Result<Vec<NodeHash>, BuildError<IncompleteSubtree>> {
        inclusion_proof(index, size, &mut |address| self.hash(address))
    }

    /// [`consistency_proof`] between two earlier states.
    pub fn consistency_proof(
        &self,
        old: u64,
        new: u64,
    ) -> Result<Vec<NodeHash>, BuildError<IncompleteSubtree>> {
        consistency_proof(old, new, &mut |address| self.hash(address))
    }
}

/// Leaves `from..to`, where `from` is a multiple of a power of two not less than `to - from`:
/// the only ranges that RFC 6962 hashes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Range {
    /// The complete subtrees that make up the range, largest first.
    pub(crate) fn subtrees(self) -> impl Iterator<Item = NodeAddress> {
        let mut from = self.from;
        std::iter::from_fn(move || {
            let level = (self.to - from).checked_ilog2()?;
            let address = NodeAddress { level: level as u8, index: from >> level };
            from += 1 << level;
            Some(address)
        })
    }

    pub(crate) fn hash<E>(
        self,
        reader: &mut impl FnMut(NodeAddress) -> Result<NodeHash, E>,
    ) -> Result<NodeHash, E> {
        let peaks = self.subtrees().map(reader).collect::<Result<Vec<_>, _>>()?;
        Ok(fold_right(&peaks))
    }

    /// Splits at the largest power of two smaller than the length; `None` for a single leaf.
    pub(crate) fn split(self) -> Option<(Self, Self)> {
        let level = (self.to - self.from - 1).checked_ilog2()?;
        let middle = self.from + (1 << level);
        Some((Self { from: self.from, to: middle }, Self { from: middle, to: self.to }))
    }
}

/// One step of a path from the root down: which side the sibling is on, and what it covers.
#[derive(Clone, Copy, Debug)]
struct Step {
    sibling: Range,
    sibling_is_left: bool,
}

/// The path from leaf `index` up to the root, lowest step first.
fn inclusion_steps(index: u64, size: u64) -> Result<Vec<Step>, ProofError> {
    if size > TREE_SIZE_MAX {
        return Err(ProofError::TooLarge(size));
    }
    if index >= size {
        return Err(ProofError::OutsideTree { index, size });
    }
    let mut steps = Vec::new();
    let mut range = Range { from: 0, to: size };
    while let Some((left, right)) = range.split() {
        let goes_left = index < left.to;
        let (next, sibling) = if goes_left { (left, right) } else { (right, left) };
        steps.push(Step { sibling, sibling_is_left: !goes_left });
        range = next;
    }
    steps.reverse();
    Ok(steps)
}

/// SUBPROOF of RFC 6962 section 2.1.2 as a path, lowest step first.
#[derive(Debug)]
struct ConsistencyPath {
    /// The subtree that both trees share at the bottom of the path; `None` where it is the
    /// whole older tree, whose root the verifier has.
    seed: Option<Range>,
    steps: Vec<Step>,
}

impl ConsistencyPath {
    fn new(old: u64, new: u64) -> Result<Self, ProofError> {
        if new > TREE_SIZE_MAX {
            return Err(ProofError::TooLarge(new));
        }
        if old > new {
            return Err(ProofError::Shrunk { old, new });
        }
        let mut path = Self { seed: None, steps: Vec::new() };
        if old == 0 {
            return Ok(path);
        }
        let mut range = Range { from: 0, to: new };
        while range.to != old {
            let Some((left, right)) = range.split() else {
                break;
            };
            let goes_left = old <= left.to;
            let (next, sibling) = if goes_left { (left, right) } else { (right, left) };
            path.steps.push(Step { sibling, sibling_is_left: !goes_left });
            range = next;
        }
        path.steps.reverse();
        path.seed = (range.from != 0).then_some(range);
        Ok(path)
    }

    /// What the proof's hashes cover, in the proof's order.
    fn ranges(&self) -> impl Iterator<Item = Range> {
        self.seed.into_iter().chain(self.steps.iter().map(|step| step.sibling))
    }
}

/// The root over complete subtrees, largest first.
fn fold_right(peaks: &[NodeHash]) -> NodeHash {
    peaks
        .iter()
        .rev()
        .copied()
        .reduce(|right, left| NodeHash::parent(left, right))
        .unwrap_or_else(NodeHash::empty_root)
}
