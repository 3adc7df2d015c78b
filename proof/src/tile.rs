//! Tiles: the tree cut into fixed pieces of 256 hashes, addressed as in C2SP tlog-tiles, so
//! that a full tile never changes and any static file server can serve a log's proofs.
//!
//! This module knows coordinates and bytes; where tiles lie is the store's business.

use crate::merkle::{NodeAddress, NodeHash};
use std::fmt;
use std::str::FromStr;

/// Levels of the tree in one tile.
pub const TILE_HEIGHT: u8 = 8;
/// Hashes in a full tile.
pub const TILE_WIDTH: u16 = 1 << TILE_HEIGHT;
/// Highest tile level that a tree within [`crate::merkle::TREE_SIZE_MAX`] reaches.
pub const TILE_LEVEL_MAX: u8 = 6;

/// A tile's coordinates: `width` hashes of the tree's level `8 * level`, from number
/// `256 * index` on. A tile narrower than [`TILE_WIDTH`] is partial: the tree's right edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    level: u8,
    index: u64,
    width: u16,
}

/// Text that is no tile's path, or coordinates that no tile has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no tile")]
pub struct TileError(String);

impl Tile {
    /// Checks coordinates: a level up to [`TILE_LEVEL_MAX`], 1 to [`TILE_WIDTH`] hashes.
    pub fn new(level: u8, index: u64, width: u16) -> Result<Self, TileError> {
        let tile = Self { level, index, width };
        // The tree's largest leaf number must be able to lie in the tile.
        let fits = index < 1 << (56 - 8 * u32::from(level.min(TILE_LEVEL_MAX)));
        if level > TILE_LEVEL_MAX || !fits || width == 0 || width > TILE_WIDTH {
            return Err(TileError(format!("tile level {level}, index {index}, width {width}")));
        }
        Ok(tile)
    }

    /// The tile, as wide as a tree of `size` leaves makes it, from which the hash of a complete
    /// subtree is read; `None` if that subtree is not complete at this size.
    pub fn holding(address: NodeAddress, size: u64) -> Option<Self> {
        let inside = address.level % TILE_HEIGHT;
        let level = address.level / TILE_HEIGHT;
        let end = address.index.checked_add(1)?.checked_shl(u32::from(address.level))?;
        if level > TILE_LEVEL_MAX || end > size || end >> address.level != address.index + 1 {
            return None;
        }
        let index = address.index >> (TILE_HEIGHT - inside);
        let hashes = (size >> (TILE_HEIGHT * level)) - index * u64::from(TILE_WIDTH);
        let width = u16::try_from(hashes).unwrap_or(TILE_WIDTH).min(TILE_WIDTH);
        Some(Self { level, index, width })
    }

    /// The tiles that are new or wider in a tree of `new` leaves than in one of `old`, lowest
    /// level first; writing them in this order and then the checkpoint is all a log publishes.
    pub fn grown(old: u64, new: u64) -> Vec<Self> {
        let mut tiles = Vec::new();
        for level in 0..=TILE_LEVEL_MAX {
            let (before, after) = (old >> (TILE_HEIGHT * level), new >> (TILE_HEIGHT * level));
            let mut index = before / u64::from(TILE_WIDTH);
            while before < after && index * u64::from(TILE_WIDTH) < after {
                let hashes = after - index * u64::from(TILE_WIDTH);
                let width = u16::try_from(hashes).unwrap_or(TILE_WIDTH).min(TILE_WIDTH);
                tiles.push(Self { level, index, width });
                index += 1;
            }
        }
        tiles
    }

    /// Whether a tree of `size` leaves has all its hashes.
    pub fn is_in(&self, size: u64) -> bool {
        let hashes = size >> (TILE_HEIGHT * self.level);
        self.index * u64::from(TILE_WIDTH) + u64::from(self.width) <= hashes
    }

    /// Height of the tile above the leaves, in tiles.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Place among the tiles of its level, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Number of hashes in it.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// The subtrees whose hashes make up the tile's content, in order.
    pub fn addresses(&self) -> impl Iterator<Item = NodeAddress> {
        let (level, first) = (self.level * TILE_HEIGHT, self.index * u64::from(TILE_WIDTH));
        (0..u64::from(self.width)).map(move |offset| NodeAddress { level, index: first + offset })
    }

    /// The path that tlog-tiles gives it: `tile/<level>/<index>`, the index in groups of three
    /// digits, all but the last marked with `x`, and `.p/<width>` on a partial tile.
    pub fn path(&self) -> String {
        let mut groups = vec![format!("{:03}", self.index % 1000)];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        let partial =
            if self.width < TILE_WIDTH { format!(".p/{}", self.width) } else { String::new() };
        format!("tile/{}/{}{partial}", self.level, groups.join("/"))
    }

    /// The hash of a complete subtree, from this tile's content (its hashes, 32 bytes each);
    /// `None` if the content has another length than the tile's, or the tile does not hold the
    /// subtree.
    pub fn hash_in(&self, content: &[u8], address: NodeAddress) -> Option<NodeHash> {
        let inside = address.level.checked_sub(self.level * TILE_HEIGHT)?;
        if content.len() != usize::from(self.width) * 32 || inside >= TILE_HEIGHT {
            return None;
        }
        let first = address.index.checked_shl(u32::from(inside))?;
        if first >> inside != address.index || first >> TILE_HEIGHT != self.index {
            return None;
        }
        let offset = usize::from(first as u8);
        let (hashes, _) = content.as_chunks::<32>();
        let mut row: Vec<NodeHash> =
            hashes.get(offset..offset + (1 << inside))?.iter().copied().map(NodeHash).collect();
        while row.len() > 1 {
            row = row.chunks(2).map(|pair| NodeHash::parent(pair[0], pair[1])).collect();
        }
        row.first().copied()
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

impl FromStr for Tile {
    type Err = TileError;

    /// Reads a path; only the one spelling that [`Tile::path`] writes is accepted.
    fn from_str(path: &str) -> Result<Self, TileError> {
        let refused = || TileError(path.chars().take(80).collect());
        let rest = path.strip_prefix("tile/").ok_or_else(refused)?;
        let (level, rest) = rest.split_once('/').ok_or_else(refused)?;
        let (groups, width) = match rest.split_once(".p/") {
            Some((groups, width)) => (groups, width.parse().map_err(|_| refused())?),
            None => (rest, TILE_WIDTH),
        };
        let digits: String = groups.split('/').map(|g| g.strip_prefix('x').unwrap_or(g)).collect();
        let tile = Self::new(
            level.parse().map_err(|_| refused())?,
            digits.parse().map_err(|_| refused())?,
            width,
        )?;
        if tile.path() == path { Ok(tile) } else { Err(refused()) }
    }
}
