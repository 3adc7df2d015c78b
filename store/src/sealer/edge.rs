//! The right edge of the growing tree: what a new leaf changes, and nothing else of it.

use super::files::{Publication, TreeFiles};
use crate::port::Position;
use chargebook_proof::LeafHash;
use chargebook_proof::merkle::{Frontier, NodeAddress, NodeHash};
use chargebook_proof::tile::{TILE_HEIGHT, TILE_LEVEL_MAX, TILE_WIDTH, Tile};

const TILE_LEVELS: usize = TILE_LEVEL_MAX as usize + 1;

/// The edge, and what has changed since it was last published.
#[derive(Debug, Default)]
pub(super) struct Edge {
    frontier: Frontier,
    /// Per tile level, the hashes of the tile that is not full yet.
    partial: [Vec<NodeHash>; TILE_LEVELS],
    /// Tiles that became full.
    full: Vec<(Tile, Vec<u8>)>,
    /// Positions of the last events of full tiles of leaves, in order.
    positions: Vec<Position>,
    /// Where the published tree ended.
    published_size: u64,
}

impl Edge {
    /// The edge of a published tree, from its tiles; `None` if they are not there or do not
    /// give the root.
    pub(super) fn load(files: &TreeFiles, size: u64, root: NodeHash) -> Option<Self> {
        let mut edge = Self { published_size: size, ..Self::default() };
        for (level, partial) in (0..=TILE_LEVEL_MAX).zip(&mut edge.partial) {
            let hashes = size >> (TILE_HEIGHT * level);
            let width = u16::try_from(hashes % u64::from(TILE_WIDTH)).ok()?;
            if width > 0 {
                let tile = Tile::new(level, hashes / u64::from(TILE_WIDTH), width).ok()?;
                let content = files.tile(tile).ok()?;
                partial.extend(content.as_chunks::<32>().0.iter().copied().map(NodeHash));
            }
        }
        edge.frontier = Frontier::from_bytes(&edge.frontier_bytes(size)?).ok()?;
        (edge.frontier.root() == root).then_some(edge)
    }

    /// The peaks of the tree lie in the partial tiles, the largest in the highest.
    fn frontier_bytes(&self, size: u64) -> Option<Vec<u8>> {
        let mut bytes = size.to_be_bytes().to_vec();
        let mut covered = 0;
        for level in (0..u64::BITS as u8).rev().filter(|level| size >> level & 1 == 1) {
            let address = NodeAddress { level, index: covered >> level };
            let tile = Tile::holding(address, size)?;
            let partial = self.partial.get(usize::from(tile.level()))?;
            let content: Vec<u8> = partial.iter().flat_map(|hash| hash.0).collect();
            bytes.extend_from_slice(&tile.hash_in(&content, address)?.0);
            covered += 1 << level;
        }
        Some(bytes)
    }

    /// Leaves so far.
    pub(super) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root over them.
    pub(super) fn root(&self) -> NodeHash {
        self.frontier.root()
    }

    /// Leaves that no checkpoint covers yet.
    pub(super) fn unpublished(&self) -> u64 {
        self.size() - self.published_size
    }

    /// Where the published tree ends.
    pub(super) fn published_size(&self) -> u64 {
        self.published_size
    }

    /// Adds the leaf of the event at a position.
    pub(super) fn append(&mut self, leaf: LeafHash, position: Position) {
        let Self { frontier, partial, full, positions, .. } = self;
        frontier.append(leaf, |address, hash| {
            let level = address.level / TILE_HEIGHT;
            if !address.level.is_multiple_of(TILE_HEIGHT) {
                return;
            }
            let Some(hashes) = partial.get_mut(usize::from(level)) else { return };
            hashes.push(hash);
            if hashes.len() < usize::from(TILE_WIDTH) {
                return;
            }
            let index = address.index / u64::from(TILE_WIDTH);
            if let Ok(tile) = Tile::new(level, index, TILE_WIDTH) {
                full.push((tile, bytes_of(hashes)));
            }
            hashes.clear();
            if level == 0 {
                positions.push(position);
            }
        });
    }

    /// What has to be written so that the tree can be published as it stands; without the note.
    pub(super) fn publication(&self) -> Publication {
        let mut tiles = self.full.clone();
        for tile in Tile::grown(self.published_size, self.size()) {
            if tile.width() < TILE_WIDTH {
                tiles.push((tile, bytes_of(&self.partial[usize::from(tile.level())])));
            }
        }
        let width = u64::from(TILE_WIDTH);
        let outgrown = partial_tiles(self.published_size)
            .filter(|old| !partial_tiles(self.size()).any(|now| now == *old))
            .collect();
        Publication {
            tiles,
            outgrown,
            positions_from: self.size() / width - self.positions.len() as u64,
            positions: self.positions.clone(),
            note: String::new(),
            remember: false,
        }
    }

    /// Takes out the full tiles and their positions, so that they can be written before the
    /// tree is published.
    pub(super) fn take_full(&mut self) -> Publication {
        let positions = std::mem::take(&mut self.positions);
        let full_tiles = self.size() / u64::from(TILE_WIDTH);
        Publication {
            tiles: std::mem::take(&mut self.full),
            positions_from: full_tiles - positions.len() as u64,
            positions,
            ..Publication::default()
        }
    }

    /// The publication is on disk.
    pub(super) fn published(&mut self) {
        self.full.clear();
        self.positions.clear();
        self.published_size = self.size();
    }
}

/// The partial tiles of a tree.
fn partial_tiles(size: u64) -> impl Iterator<Item = Tile> {
    let width = u64::from(TILE_WIDTH);
    (0..=TILE_LEVEL_MAX).filter_map(move |level| {
        let hashes = size >> (TILE_HEIGHT * level);
        let partial = u16::try_from(hashes % width).ok().filter(|partial| *partial > 0)?;
        Tile::new(level, hashes / width, partial).ok()
    })
}

fn bytes_of(hashes: &[NodeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}
