//! A copy of the embedded log while it is written: one moment of it, whole in one file, and read
//! back before it gets its name.
//!
//! SQLite's own `VACUUM INTO` reads that moment in one transaction. The writer goes on meanwhile;
//! only its write-ahead log cannot be emptied and grows by what is appended.

use crate::file::{self, COMPANIONS, OpenError, with_ending};
use crate::port::{EventStore, PAGE_EVENTS_MAX, Position, StoreError};
use crate::sqlite::{LOG_FILE, SqliteStore};
use crate::vault::VAULT_FILE;
use chargebook_proof::merkle::{Frontier, NodeHash};
use sqlx::{ConnectOptions, Connection};
use std::path::{Path, PathBuf};

/// What the name of a backup ends with until it has been read back.
const UNFINISHED: &str = ".part";

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// Events, from the first on.
    pub events: u64,
    /// The root over them, which is the log's own over as many.
    pub root: NodeHash,
}

/// Why there is no backup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// The log, or the copy, cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// An event cannot be read.
    #[error(transparent)]
    Unreadable(#[from] StoreError),
    /// The file cannot be written.
    #[error("cannot write {}: {reason}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system, or SQLite, says.
        reason: String,
    },
    /// The copy would take the place of a file that a server works with.
    #[error("{} is the data folder's own: write the backup into another folder", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// SQLite would take what lies beside the copy for the copy's own.
    #[error(
        "{} is there and belongs to another database, which the copy would be mixed with: write \
         the backup into an empty folder", path.display()
    )]
    Beside {
        /// The file.
        path: PathBuf,
    },
    /// The copy is not the log's beginning.
    #[error("what was written is not what is in the log, from position {position} on")]
    Different {
        /// Where they differ first.
        position: Position,
    },
}

/// Copies the log of a data folder into a file; one that was there is replaced once the new one has
/// been read back. `progress` hears how many events of it were.
pub async fn back_up(
    folder: &Path,
    target: &Path,
    progress: impl FnMut(u64),
) -> Result<BackedUp, BackupError> {
    refuse_in_use(folder, target)?;
    let unfinished = with_ending(target, UNFINISHED);
    let copied = copy_and_compare(folder, &unfinished, progress).await;
    let copied = copied.and_then(|copied| {
        std::fs::rename(&unfinished, target).map_err(|error| unwritable(target, &error))?;
        file::sync_folder(parent(target))?;
        Ok(copied)
    });
    if copied.is_err() {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(&unfinished);
    }
    copied
}

/// Refuses a target that is a database of the data folder, or that has another's files beside it.
fn refuse_in_use(folder: &Path, target: &Path) -> Result<(), BackupError> {
    // A folder that is not there is told by whoever opens it.
    let whole = |path: &Path| path.canonicalize().ok();
    let here = whole(folder);
    if here.is_some() && here == whole(parent(target)) {
        let own = [LOG_FILE, VAULT_FILE].into_iter().any(|database| {
            let mut names = [""].into_iter().chain(COMPANIONS);
            names.any(|ending| target.file_name() == with_ending(database, ending).file_name())
        });
        if own {
            return Err(BackupError::InUse { path: target.to_owned() });
        }
    }
    let mut beside = COMPANIONS.into_iter().map(|ending| with_ending(target, ending));
    match beside.find(|path| path.symlink_metadata().is_ok()) {
        Some(path) => Err(BackupError::Beside { path }),
        None => Ok(()),
    }
}

async fn copy_and_compare(
    folder: &Path,
    unfinished: &Path,
    progress: impl FnMut(u64),
) -> Result<BackedUp, BackupError> {
    // Opening says in clear words what is wrong with a file that is no log.
    let log = SqliteStore::open(folder, crate::OpenMode::ReadOnly).await?;
    if let Err(error) = std::fs::remove_file(unfinished)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(unwritable(unfinished, &error));
    }
    let vacuumed = vacuum_into(&folder.join(LOG_FILE), unfinished).await;
    vacuumed.map_err(|error| unwritable(unfinished, &error))?;
    // SQLite leaves that to the system.
    let synced = std::fs::File::open(unfinished).and_then(|file| file.sync_all());
    synced.map_err(|error| unwritable(unfinished, &error))?;
    let copy = SqliteStore::open_copy(unfinished).await?;
    let compared = compare(&log, &copy, progress).await;
    copy.close().await;
    log.close().await;
    compared
}

async fn vacuum_into(log: &Path, target: &Path) -> Result<(), sqlx::Error> {
    let target = target.to_str().ok_or_else(|| {
        sqlx::Error::Configuration("the name of the file is not UTF-8".to_owned().into())
    })?;
    let mut connection = file::reading(log).connect().await?;
    sqlx::query("VACUUM INTO ?").bind(target).execute(&mut connection).await?;
    connection.close().await
}

/// Reads both, and holds each event of the copy against its leaf and against the log's.
async fn compare(
    log: &SqliteStore,
    copy: &SqliteStore,
    mut progress: impl FnMut(u64),
) -> Result<BackedUp, BackupError> {
    let mut frontier = Frontier::new();
    let mut after = Position::START;
    loop {
        let copied = copy.read_all(after, PAGE_EVENTS_MAX).await?;
        let Some(last) = copied.last() else { break };
        let mut original = log.read_all(after, copied.len()).await?.into_iter();
        for event in &copied {
            event.verify_leaf()?;
            let same = original.next().is_some_and(|original| {
                (original.position, original.leaf) == (event.position, event.leaf)
            });
            if !same {
                return Err(BackupError::Different { position: event.position });
            }
            frontier.append(event.leaf, |_, _| {});
        }
        after = last.position;
        progress(frontier.size());
    }
    Ok(BackedUp { events: frontier.size(), root: frontier.root() })
}

fn unwritable(path: &Path, error: &dyn std::error::Error) -> BackupError {
    BackupError::Unwritable { path: path.to_owned(), reason: error.to_string() }
}

/// The folder of a file that may be named without one.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
