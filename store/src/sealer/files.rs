//! The tree's files under `DATA/tree`: tiles in the C2SP tlog-tiles layout, the signed
//! checkpoint, the checkpoints before it, and the log position at each full tile.
//!
//! Everything is written under another name and renamed when it is on disk, so a reader never
//! sees half a file, and a checkpoint never promises a tile that is not there.

use super::TreeError;
use crate::port::Position;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chargebook_proof::merkle::NodeHash;
use chargebook_proof::tile::{TILE_WIDTH, Tile};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The tree's folder in the data folder.
const TREE_FOLDER: &str = "tree";
const CHECKPOINT_FILE: &str = "checkpoint";
/// One JSON string with a signed note per line.
const HISTORY_FILE: &str = "checkpoints";
/// Eight bytes, most significant first, for each full tile of leaves: the position of its last
/// event.
const POSITIONS_FILE: &str = "positions";
const POSITION_BYTES: u64 = 8;
/// Ends the name of a file that is not complete.
const UNFINISHED: &str = "unfinished";

/// A tree's files; knows paths and bytes only.
#[derive(Clone, Debug)]
pub(super) struct TreeFiles {
    folder: PathBuf,
}

/// What one sealing writes, in this order.
#[derive(Debug, Default)]
pub(super) struct Publication {
    /// Full and partial tiles that are new or wider.
    pub(super) tiles: Vec<(Tile, Vec<u8>)>,
    /// Partial tiles of the sealing before, which are no longer needed.
    pub(super) outgrown: Vec<Tile>,
    /// From which full tile of leaves on `positions` are.
    pub(super) positions_from: u64,
    /// Positions of the last events of full tiles.
    pub(super) positions: Vec<Position>,
    /// The signed note.
    pub(super) note: String,
    /// Whether the note goes into the history too.
    pub(super) remember: bool,
}

impl TreeFiles {
    /// The files of a data folder; creates nothing.
    pub(super) fn new(data_folder: &Path) -> Self {
        Self { folder: data_folder.join(TREE_FOLDER) }
    }

    /// Makes the folder.
    pub(super) fn create(&self) -> Result<(), TreeError> {
        fs::create_dir_all(&self.folder).map_err(|error| failed(&self.folder, &error))
    }

    /// Writes a sealing; the checkpoint comes after everything that it promises is on disk.
    pub(super) fn publish(&self, publication: &Publication) -> Result<(), TreeError> {
        self.write_tiles(publication)?;
        replace(&self.folder.join(CHECKPOINT_FILE), publication.note.as_bytes())?;
        sync_folder(&self.folder)?;
        if publication.remember {
            self.remember(&publication.note)?;
        }
        self.remove_outgrown(&publication.outgrown);
        Ok(())
    }

    /// Writes the tiles and positions of a sealing only.
    pub(super) fn write_tiles(&self, publication: &Publication) -> Result<(), TreeError> {
        let mut folders = BTreeSet::new();
        for (tile, content) in &publication.tiles {
            let path = self.folder.join(tile.path());
            let folder = path.parent().unwrap_or(&self.folder).to_owned();
            if folders.insert(folder.clone()) {
                fs::create_dir_all(&folder).map_err(|error| failed(&folder, &error))?;
            }
            replace(&path, content)?;
        }
        // A new folder is a name in the one above it, up to the tree's own.
        for folder in folders.clone() {
            let above = folder.ancestors().take_while(|above| above.starts_with(&self.folder));
            folders.extend(above.map(Path::to_owned));
        }
        folders.iter().try_for_each(|folder| sync_folder(folder))?;
        self.write_positions(publication.positions_from, &publication.positions)
    }

    /// The signed note of the last sealing; where it is lost, the last one of the history.
    pub(super) fn checkpoint(&self) -> Result<Option<String>, TreeError> {
        let path = self.folder.join(CHECKPOINT_FILE);
        match fs::read_to_string(&path) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(self.history()?.pop()),
            Err(error) => Err(failed(&path, &error)),
        }
    }

    /// The content of a tile, from its own file or from a wider one, whose first hashes are the
    /// same.
    pub(super) fn tile(&self, tile: Tile) -> Result<Vec<u8>, TreeError> {
        let wanted = usize::from(tile.width()) * 32;
        for path in self.tile_candidates(tile)? {
            match fs::read(&path) {
                Ok(mut content) if content.len() >= wanted => {
                    content.truncate(wanted);
                    return Ok(content);
                }
                Ok(_) => return Err(TreeError::Tile { path }),
                // Outgrown and removed since the folder was listed.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(failed(&path, &error)),
            }
        }
        Err(TreeError::Tile { path: self.folder.join(tile.path()) })
    }

    /// The tile's own file.
    pub(super) fn tile_path(&self, tile: Tile) -> PathBuf {
        self.folder.join(tile.path())
    }

    /// Files that hold the tile's hashes, the likeliest first.
    fn tile_candidates(&self, tile: Tile) -> Result<Vec<PathBuf>, TreeError> {
        let exact = self.folder.join(tile.path());
        if tile.width() == TILE_WIDTH {
            return Ok(vec![exact]);
        }
        let folder = exact.parent().unwrap_or(&self.folder).to_owned();
        let full = Tile::new(tile.level(), tile.index(), TILE_WIDTH);
        let full = full.map(|full| self.folder.join(full.path())).ok();
        let mut wider = Vec::new();
        match fs::read_dir(&folder) {
            Ok(entries) => {
                for entry in entries.flatten() {
                    let width =
                        entry.file_name().to_str().and_then(|name| name.parse::<u16>().ok());
                    wider.extend(width.filter(|width| *width > tile.width()));
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&folder, &error)),
        }
        wider.sort_unstable();
        let wider = wider.into_iter().map(|width| folder.join(width.to_string()));
        // The full tile last: it replaces the partial ones, whenever that happens.
        Ok(std::iter::once(exact).chain(wider).chain(full).collect())
    }

    /// The position of the last event of a full tile of leaves; `None` if it is not recorded.
    pub(super) fn position(&self, tile_index: u64) -> Result<Option<Position>, TreeError> {
        let path = self.folder.join(POSITIONS_FILE);
        let mut bytes = [0; POSITION_BYTES as usize];
        let read = File::open(&path).and_then(|mut file| {
            file.seek(SeekFrom::Start(tile_index.saturating_mul(POSITION_BYTES)))?;
            file.read_exact(&mut bytes)
        });
        match read {
            Ok(()) => Ok(Some(Position::from_u64(u64::from_be_bytes(bytes)))),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) =>
            {
                Ok(None)
            }
            Err(error) => Err(failed(&path, &error)),
        }
    }

    fn write_positions(&self, from: u64, positions: &[Position]) -> Result<(), TreeError> {
        if positions.is_empty() {
            return Ok(());
        }
        let path = self.folder.join(POSITIONS_FILE);
        let bytes: Vec<u8> =
            positions.iter().flat_map(|position| position.as_u64().to_be_bytes()).collect();
        let write = || {
            let options = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
            let mut file = options?;
            if file.metadata()?.len() < from * POSITION_BYTES {
                return Err(std::io::Error::other("positions before are missing"));
            }
            // What stands beyond belongs to a sealing that was never finished.
            file.set_len(from * POSITION_BYTES)?;
            file.seek(SeekFrom::End(0))?;
            file.write_all(&bytes)?;
            file.sync_data()
        };
        write().map_err(|error| failed(&path, &error))
    }

    fn remember(&self, note: &str) -> Result<(), TreeError> {
        let path = self.folder.join(HISTORY_FILE);
        let line = serde_json::to_string(note).map_err(|error| failed(&path, &error.into()))?;
        let append = || {
            let options = OpenOptions::new().create(true).read(true).append(true).open(&path);
            let mut file = options?;
            let mut last = [b'\n'];
            if file.metadata()?.len() > 0 {
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
            }
            // A line that a crash has cut off is ended, so that it spoils no other.
            let ended = if last == *b"\n" { "" } else { "\n" };
            file.write_all(format!("{ended}{line}\n").as_bytes())?;
            file.sync_data()
        };
        append().map_err(|error| failed(&path, &error))
    }

    /// The signed notes of the history, oldest first. A line that a crash has cut off is
    /// passed over.
    pub(super) fn history(&self) -> Result<Vec<String>, TreeError> {
        let path = self.folder.join(HISTORY_FILE);
        match fs::read(&path) {
            Ok(bytes) => {
                let lines = bytes.split(|byte| *byte == b'\n');
                Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(failed(&path, &error)),
        }
    }

    fn remove_outgrown(&self, outgrown: &[Tile]) {
        for tile in outgrown {
            let path = self.folder.join(tile.path());
            // Only tidiness: what cannot be removed does no harm.
            let _ = fs::remove_file(&path);
            if let Some(folder) = path.parent() {
                let _ = fs::remove_dir(folder);
            }
        }
    }
}

/// The size and the root that a note speaks of, whoever signed it.
pub(super) fn unverified_head(note: &str) -> Option<(u64, NodeHash)> {
    let mut lines = note.split('\n').skip(1);
    let size = lines.next()?.parse().ok()?;
    let root: [u8; 32] = STANDARD.decode(lines.next()?).ok()?.try_into().ok()?;
    Some((size, NodeHash(root)))
}

/// Writes a file as a whole: it is the old one or the new one, never a mixture.
fn replace(path: &Path, content: &[u8]) -> Result<(), TreeError> {
    let unfinished = path.with_extension(UNFINISHED);
    let write = || {
        let mut file = File::create(&unfinished)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().map_err(|error| failed(path, &error))
}

fn sync_folder(folder: &Path) -> Result<(), TreeError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(|error| failed(folder, &error))
}

fn failed(path: &Path, error: &std::io::Error) -> TreeError {
    TreeError::Io { path: path.to_owned(), reason: error.to_string() }
}
