//! The tree's tiles, held against the tree over the events: they say which event is the first that
//! is not the one that was sealed.

use super::Finding;
use crate::port::Position;
use crate::sealer::Tree;
use chargebook_proof::merkle::{NodeAddress, NodeHash};
use chargebook_proof::tile::{TILE_HEIGHT, TILE_LEVEL_MAX, Tile};
use std::array::from_fn;

const TILE_LEVELS: usize = TILE_LEVEL_MAX as usize + 1;

/// Sees every complete subtree, and keeps one tile of each level.
pub(super) struct TileCheck<'a> {
    tree: &'a Tree,
    /// Leaves under the last checkpoint: what the tiles hold.
    size: u64,
    current: [Option<(Tile, Option<Vec<u8>>)>; TILE_LEVELS],
    /// The first leaf that is another one, and the first tile that does not fit.
    leaf: Option<(u64, Position)>,
    tile: Option<Tile>,
}

impl<'a> TileCheck<'a> {
    pub(super) fn new(tree: &'a Tree, size: u64) -> Self {
        Self { tree, size, current: from_fn(|_| None), leaf: None, tile: None }
    }

    /// A subtree that became complete with the event at a position.
    pub(super) fn see(&mut self, address: NodeAddress, hash: NodeHash, position: Position) {
        if !address.level.is_multiple_of(TILE_HEIGHT) {
            return;
        }
        let Some(tile) = Tile::holding(address, self.size) else { return };
        let Some(current) = self.current.get_mut(usize::from(tile.level())) else { return };
        if current.as_ref().is_none_or(|(there, _)| *there != tile) {
            // One that is not there is made again by the next server that needs it.
            *current = Some((tile, self.tree.tile(tile).ok()));
        }
        let Some((_, Some(content))) = current else { return };
        if tile.hash_in(content, address) == Some(hash) {
            return;
        }
        self.tile.get_or_insert(tile);
        if address.level == 0 {
            self.leaf.get_or_insert((address.index, position));
        }
    }

    /// What does not fit; `disagrees` says whether the events are not those of a checkpoint.
    pub(super) fn finding(&self, disagrees: bool) -> Option<Finding> {
        match (disagrees, self.leaf, self.tile) {
            (true, Some((index, position)), _) => Some(Finding::Changed { index, position }),
            (false, _, Some(tile)) => Some(Finding::Tile { path: self.tree.tile_path(tile) }),
            _ => None,
        }
    }
}
