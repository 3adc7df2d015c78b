//! The published tree, for whoever proves something with it: no key and no lock needed, also
//! beside the process that lets it grow. Reads small files and blocks while it does.

use super::TreeError;
use super::files::{Publication, TreeFiles, unverified_head};
use crate::port::{EventStore, Position, RecordedEvent};
use chargebook_proof::checkpoint::{Checkpoint, VerifierKey};
use chargebook_proof::merkle::{
    BuildError, NodeAddress, NodeHash, consistency_proof, inclusion_proof, root,
};
use chargebook_proof::tile::{TILE_WIDTH, Tile};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The tree under `DATA/tree`.
#[derive(Clone, Debug)]
pub struct Tree {
    files: TreeFiles,
    /// Notes that somebody has kept outside of the folder.
    kept_elsewhere: Vec<String>,
}

/// A checkpoint with the note that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// Size and root.
    pub checkpoint: Checkpoint,
    /// The signed note, as it was published.
    pub note: String,
}

impl Tree {
    /// The tree of a data folder; there may be none yet.
    pub fn open(data_folder: &Path) -> Self {
        Self { files: TreeFiles::new(data_folder), kept_elsewhere: Vec::new() }
    }

    /// With checkpoints that somebody has kept outside of the folder, which a full check of the
    /// log is to hold it against, too.
    #[must_use]
    pub fn with_checkpoints(self, notes: Vec<String>) -> Self {
        Self { kept_elsewhere: notes, ..self }
    }

    /// The last checkpoint, verified; `None` if nothing was sealed yet.
    pub fn checkpoint(&self, key: &VerifierKey) -> Result<Option<SignedCheckpoint>, TreeError> {
        let Some(note) = self.files.checkpoint()? else { return Ok(None) };
        let checkpoint = Checkpoint::verify(&note, key).map_err(TreeError::Note)?;
        Ok(Some(SignedCheckpoint { checkpoint, note }))
    }

    /// Takes the checkpoint of a log that is about to be written here, before its first event:
    /// until all that it covers is there, no server goes on with the log. False where another
    /// checkpoint is there already, which stays.
    pub fn expect(&self, sealed: &SignedCheckpoint) -> Result<bool, TreeError> {
        if let Some(there) = self.files.checkpoint()? {
            return Ok(there == sealed.note);
        }
        self.files.create()?;
        let note = sealed.note.clone();
        self.files.publish(&Publication { note, remember: true, ..Publication::default() })?;
        Ok(true)
    }

    /// Number of leaves under the last checkpoint, whoever signed it; 0 if there is none.
    pub fn size(&self) -> Result<u64, TreeError> {
        let head = self.files.checkpoint()?.as_deref().and_then(unverified_head);
        Ok(head.map_or(0, |(size, _)| size))
    }

    /// Hands over the events whose leaves are in a tile of leaves, in their order, a page in memory
    /// at a time; an error of `take` ends it at once.
    pub async fn events_of<E: From<TreeError>>(
        &self,
        store: &dyn EventStore,
        tile: Tile,
        mut take: impl FnMut(RecordedEvent) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = match tile.index().checked_sub(1) {
            Some(before) => self.recorded_position(before)?,
            None => Position::START,
        };
        let mut left = usize::from(tile.width());
        while left > 0 {
            let page = store.read_all(after, left).await.map_err(TreeError::from)?;
            let read = usize::from(tile.width()) - left;
            let size = tile.index() * u64::from(TILE_WIDTH) + read as u64;
            after = page.last().ok_or(TreeError::Incomplete { size })?.position;
            left = left.saturating_sub(page.len());
            page.into_iter().try_for_each(&mut take)?;
        }
        Ok(())
    }

    /// Every signed note that is kept: the remembered ones, and the last one.
    pub(crate) fn notes(&self) -> Result<Vec<String>, TreeError> {
        let mut notes = self.files.history()?;
        notes.extend(self.kept_elsewhere.iter().cloned());
        if let Some(last) = self.files.checkpoint()?
            && notes.last() != Some(&last)
        {
            notes.push(last);
        }
        Ok(notes)
    }

    /// The content of a tile: its hashes, 32 bytes each.
    pub fn tile(&self, tile: Tile) -> Result<Vec<u8>, TreeError> {
        self.files.tile(tile)
    }

    /// Where a tile lies.
    pub(crate) fn tile_path(&self, tile: Tile) -> PathBuf {
        self.files.tile_path(tile)
    }

    /// The size and the root that a note speaks of, whoever signed it.
    pub(crate) fn unverified_head(note: &str) -> Option<(u64, NodeHash)> {
        unverified_head(note)
    }

    /// The tree of the first `size` leaves, to prove things in.
    pub fn at(&self, size: u64) -> TreeAt {
        TreeAt { files: self.files.clone(), size, tiles: HashMap::new() }
    }

    /// The index of the leaf of the event at a position, on any engine; `None` if the log has
    /// no event there. Positions may have holes, leaf indexes have none.
    pub async fn leaf_index(
        &self,
        store: &dyn EventStore,
        position: Position,
    ) -> Result<Option<u64>, TreeError> {
        let sealed = self.files.checkpoint()?.as_deref().and_then(unverified_head);
        let full_tiles = sealed.map_or(0, |(size, _)| size) / u64::from(TILE_WIDTH);
        let (mut low, mut high) = (0, full_tiles);
        // The first full tile that does not end before the position, or the tail after them.
        while low < high {
            let middle = low + (high - low) / 2;
            if self.recorded_position(middle)? < position {
                low = middle + 1
            } else {
                high = middle
            }
        }
        let mut after = match low.checked_sub(1) {
            Some(tile) => self.recorded_position(tile)?,
            None => Position::START,
        };
        let mut index = low * u64::from(TILE_WIDTH);
        loop {
            let page = store.read_all(after, usize::from(TILE_WIDTH)).await?;
            for event in &page {
                if event.position >= position {
                    return Ok((event.position == position).then_some(index));
                }
                index += 1;
            }
            match page.last() {
                Some(last) => after = last.position,
                None => return Ok(None),
            }
        }
    }

    fn recorded_position(&self, tile_index: u64) -> Result<Position, TreeError> {
        self.files.position(tile_index)?.ok_or(TreeError::Positions { tile_index })
    }
}

/// The tree of the first so many leaves. Keeps the tiles that it has read.
#[derive(Debug)]
pub struct TreeAt {
    files: TreeFiles,
    size: u64,
    tiles: HashMap<Tile, Vec<u8>>,
}

impl TreeAt {
    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hash of a complete subtree: what the proof functions and bundles want.
    pub fn hash(&mut self, address: NodeAddress) -> Result<NodeHash, TreeError> {
        let incomplete = TreeError::Incomplete { size: self.size };
        let tile = Tile::holding(address, self.size).ok_or(incomplete)?;
        if !self.tiles.contains_key(&tile) {
            self.tiles.insert(tile, self.files.tile(tile)?);
        }
        let hash = self.tiles.get(&tile).and_then(|content| tile.hash_in(content, address));
        hash.ok_or(TreeError::Incomplete { size: self.size })
    }

    /// The root of this tree.
    pub fn root(&mut self) -> Result<NodeHash, TreeError> {
        let size = self.size;
        root(size, &mut |address| self.hash(address))
    }

    /// The inclusion proof of a leaf in this tree.
    pub fn inclusion_proof(&mut self, index: u64) -> Result<Vec<NodeHash>, TreeError> {
        let size = self.size;
        inclusion_proof(index, size, &mut |address| self.hash(address)).map_err(build_error)
    }

    /// The proof that this tree begins with the one of the first `old` leaves.
    pub fn consistency_proof(&mut self, old: u64) -> Result<Vec<NodeHash>, TreeError> {
        let size = self.size;
        consistency_proof(old, size, &mut |address| self.hash(address)).map_err(build_error)
    }
}

fn build_error(error: BuildError<TreeError>) -> TreeError {
    match error {
        BuildError::Proof(error) => TreeError::NoSuchProof(error),
        BuildError::Read(error) => error,
    }
}
