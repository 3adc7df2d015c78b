//! How the sealer begins: with the tree that was published, if the log still begins with the
//! same events.

use super::edge::Edge;
use super::files::{TreeFiles, unverified_head};
use super::{SealerError, TreeError};
use crate::port::{EventStore, PAGE_EVENTS_MAX, Position};
use chargebook_proof::checkpoint::{Checkpoint, VerifierKey};
use chargebook_proof::merkle::{NodeAddress, NodeHash};
use chargebook_proof::tile::{TILE_WIDTH, Tile};

/// Where the sealer goes on.
#[derive(Debug)]
pub(super) struct Resumed {
    pub(super) edge: Edge,
    /// The position of the edge's last leaf.
    pub(super) position: Position,
    /// Whether the last checkpoint is signed with another key, or its files are not all there,
    /// so that one has to be published even if nothing has come since.
    pub(super) publish: bool,
}

/// Leaves after which a tree that is built again writes its full tiles.
const REBUILD_WRITE_LEAVES: u64 = 65_536;

/// Loads the published tree and checks the log against it. The quick way reads the tree's edge
/// and the last tile of leaves; if a file of the tree is lost or damaged, the tree is built
/// again from the whole log and has to come to the same root.
pub(super) async fn resume(
    store: &dyn EventStore,
    files: &TreeFiles,
    key: &VerifierKey,
) -> Result<Resumed, SealerError> {
    let Some(note) = files.checkpoint()? else {
        let edge = Edge::default();
        return Ok(Resumed { edge, position: Position::START, publish: false });
    };
    let (size, root) = unverified_head(&note)
        .ok_or(TreeError::Note(chargebook_proof::checkpoint::NoteError::Form("it has no head")))?;
    let verified = Checkpoint::verify(&note, key);
    let publish = verified.is_err();
    if let Err(error) = verified {
        // A new vault has a new key; what the log held is still checked against the old root.
        tracing::warn!(%error, size, "the last checkpoint is not signed with the vault's key");
    }
    if let Some(edge) = Edge::load(files, size, root) {
        match check_tail(store, files, size).await {
            Ok(position) => return Ok(Resumed { edge, position, publish }),
            Err(SealerError::Tree(error)) => {
                tracing::warn!(%error, "the tree's files are incomplete");
            }
            Err(error) => return Err(error),
        }
    }
    tracing::warn!(size, "the tree is built again from the whole log");
    rebuild(store, files, size, root).await
}

/// Compares the last tile of leaves, full or not, with the log's events, and answers the
/// position of the last one.
async fn check_tail(
    store: &dyn EventStore,
    files: &TreeFiles,
    size: u64,
) -> Result<Position, SealerError> {
    let width = u64::from(TILE_WIDTH);
    let Some(last) = size.checked_sub(1) else { return Ok(Position::START) };
    let tile_index = last / width;
    let tile_width = u16::try_from(last % width + 1).unwrap_or(TILE_WIDTH);
    let wrong_tile = |_| TreeError::Incomplete { size };
    let tile = Tile::new(0, tile_index, tile_width).map_err(wrong_tile)?;
    let content = files.tile(tile)?;
    let after = match tile_index.checked_sub(1) {
        None => Position::START,
        Some(before) => {
            files.position(before)?.ok_or(TreeError::Positions { tile_index: before })?
        }
    };
    let mut position = after;
    let mut index = tile_index * width;
    while index < size {
        let missing = usize::try_from(size - index).unwrap_or(usize::MAX);
        let page = store.read_all(position, missing).await?;
        let Some(last) = page.last() else {
            return Err(SealerError::LogShorterThanCheckpoint { log_size: index, size });
        };
        position = last.position;
        for event in &page {
            let address = NodeAddress { level: 0, index };
            let published = tile.hash_in(&content, address);
            if published != Some(event.leaf.into()) || event.verify_leaf().is_err() {
                return Err(SealerError::LeafMismatch { index, position: event.position });
            }
            index += 1;
        }
    }
    Ok(position)
}

/// The tree of the whole log up to `size`, which has to have the published root.
async fn rebuild(
    store: &dyn EventStore,
    files: &TreeFiles,
    size: u64,
    root: NodeHash,
) -> Result<Resumed, SealerError> {
    let mut edge = Edge::default();
    let mut position = Position::START;
    let mut written = 0;
    while edge.size() < size {
        let missing = usize::try_from(size - edge.size()).unwrap_or(usize::MAX);
        let page = store.read_all(position, missing.min(PAGE_EVENTS_MAX)).await?;
        let Some(last) = page.last() else {
            return Err(SealerError::LogShorterThanCheckpoint { log_size: edge.size(), size });
        };
        position = last.position;
        for event in &page {
            edge.append(event.leaf, event.position);
        }
        if edge.size() - written >= REBUILD_WRITE_LEAVES || edge.size() == size {
            written = edge.size();
            let (files, full) = (files.clone(), edge.take_full());
            super::blocking(move || files.write_tiles(&full)).await?;
        }
    }
    if edge.root() != root {
        return Err(SealerError::RootMismatch { size, published: root, found: edge.root() });
    }
    Ok(Resumed { edge, position, publish: true })
}
