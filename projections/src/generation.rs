//! Generations: each is a database file of its own, and a small file names the current one.
//! Switching is one atomic rename; deleting the whole folder is always allowed.

use crate::error::ProjectionError;
use crate::tables::{INDEXES, SCHEMA_VERSION, create_statements};
use chargebook_store::Position;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqlitePool};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Names the current generation.
const POINTER_FILE: &str = "current";
/// Held by the process that projects into the folder.
const PROJECTOR_LOCK_FILE: &str = "projector.lock";
/// Held by the process that rebuilds in the folder.
const REBUILD_LOCK_FILE: &str = "rebuild.lock";
/// Connections that read at once.
const READERS_MAX: u32 = 4;
/// How long a statement waits for a lock of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Prepared statements that a connection keeps: three sizes of an upsert for every table, and
/// the queries.
const STATEMENTS_KEPT_MAX: usize = 200;
/// So many files are tried when a new generation is named.
const NAMES_TRIED_MAX: u32 = 1_000;

/// The folder of the read models.
#[derive(Clone, Debug)]
pub(crate) struct ReadFolder {
    directory: PathBuf,
}

/// A lock that ends with the value, or with the process.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

impl ReadFolder {
    /// Makes the folder where it is not there.
    pub(crate) fn open(directory: &Path) -> Result<Self, ProjectionError> {
        fs::create_dir_all(directory).map_err(|e| failed(directory, e))?;
        Ok(Self { directory: directory.to_owned() })
    }

    pub(crate) fn lock_projector(&self) -> Result<FolderLock, ProjectionError> {
        let locked = self.try_lock(PROJECTOR_LOCK_FILE)?;
        locked.ok_or_else(|| ProjectionError::Locked { directory: self.display() })
    }

    pub(crate) fn lock_rebuild(&self) -> Result<FolderLock, ProjectionError> {
        let locked = self.try_lock(REBUILD_LOCK_FILE)?;
        locked.ok_or_else(|| ProjectionError::RebuildUnderWay { directory: self.display() })
    }

    fn try_lock(&self, name: &str) -> Result<Option<FolderLock>, ProjectionError> {
        let path = self.directory.join(name);
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = open.map_err(|e| failed(&path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(FolderLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(failed(&path, e)),
        }
    }

    fn display(&self) -> String {
        self.directory.display().to_string()
    }

    /// The current generation; `None` where no usable one is named.
    pub(crate) fn current(&self) -> Option<Generation> {
        let name = fs::read_to_string(self.directory.join(POINTER_FILE)).ok()?;
        let generation = self.named(name.trim())?;
        generation.path.is_file().then_some(generation)
    }

    fn named(&self, name: &str) -> Option<Generation> {
        let number = name.strip_prefix('g')?.strip_suffix(".db")?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| Generation { name: name.to_owned(), path: self.directory.join(name) })
    }

    fn all(&self) -> Result<Vec<Generation>, ProjectionError> {
        let entries = fs::read_dir(&self.directory).map_err(|e| failed(&self.directory, e))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter_map(|name| self.named(&name)).collect())
    }

    /// An empty generation under a new name, without its indexes.
    pub(crate) async fn create(&self) -> Result<Generation, ProjectionError> {
        let generation = self.claim()?;
        let mut connection = generation.connect_writer(Durability::Rebuilt).await?;
        let mut transaction = connection.begin().await?;
        for statement in create_statements() {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        connection.close().await?;
        Ok(generation)
    }

    /// An empty file under a new name.
    pub(crate) fn claim(&self) -> Result<Generation, ProjectionError> {
        let number = |generation: &Generation| generation.number();
        let mut next = self.all()?.iter().filter_map(number).max().unwrap_or(0) + 1;
        for _ in 0..NAMES_TRIED_MAX {
            let name = format!("g{next:06}.db");
            let path = self.directory.join(&name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(_) => return Ok(Generation { name, path }),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => next += 1,
                Err(e) => return Err(failed(&path, e)),
            }
        }
        let e = std::io::Error::other("no free name for a new generation");
        Err(failed(&self.directory, e))
    }

    /// Makes a generation the current one, atomically and durably.
    pub(crate) fn switch_to(&self, generation: &Generation) -> Result<(), ProjectionError> {
        let pointer = self.directory.join(POINTER_FILE);
        let fresh = self.directory.join(format!("{POINTER_FILE}.{}", generation.name));
        let write = || {
            File::open(&generation.path)?.sync_all()?;
            let mut file = File::create(&fresh)?;
            file.write_all(generation.name.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&fresh, &pointer)?;
            File::open(&self.directory)?.sync_all()
        };
        write().map_err(|e| failed(&pointer, e))
    }

    /// Removes every generation. Nobody may be using them.
    pub(crate) fn remove_all(&self) -> Result<(), ProjectionError> {
        self.all()?.iter().for_each(Generation::remove);
        Ok(())
    }

    /// Removes every generation but the current one, if that is `keep`. Nobody may be using
    /// the others, and nobody may be rebuilding: the lock says so.
    pub(crate) fn remove_others(
        &self,
        keep: &Generation,
        _no_rebuild: &FolderLock,
    ) -> Result<(), ProjectionError> {
        if self.current().as_ref() != Some(keep) {
            return Ok(());
        }
        for generation in self.all()? {
            if generation.name != keep.name {
                generation.remove();
            }
        }
        Ok(())
    }
}

/// One database file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    pub(crate) name: String,
    path: PathBuf,
}

/// A generation that is removed when it is dropped; connections that are open then go on reading.
#[derive(Debug)]
pub(crate) struct Throwaway(pub(crate) Generation);

impl Deref for Throwaway {
    type Target = Generation;

    fn deref(&self) -> &Generation {
        &self.0
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        self.0.remove();
    }
}

/// What a crash of the machine may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Nothing but the last batches, which are folded again.
    Live,
    /// Everything: the file is thrown away after a crash.
    Rebuilt,
}

impl Generation {
    fn number(&self) -> Option<u64> {
        self.name.strip_prefix('g')?.strip_suffix(".db")?.parse().ok()
    }

    fn options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(STATEMENTS_KEPT_MAX)
            .disable_statement_logging()
    }

    pub(crate) async fn connect_writer(
        &self,
        durability: Durability,
    ) -> Result<SqliteConnection, ProjectionError> {
        let synchronous = match durability {
            Durability::Live => SqliteSynchronous::Normal,
            Durability::Rebuilt => SqliteSynchronous::Off,
        };
        Ok(self.options().synchronous(synchronous).connect().await?)
    }

    /// Connections that only read.
    pub(crate) async fn connect_readers(&self) -> Result<SqlitePool, ProjectionError> {
        let options = self.options().pragma("query_only", "ON");
        Ok(SqlitePoolOptions::new().max_connections(READERS_MAX).connect_with(options).await?)
    }

    /// Where the generation stands; an error where it is damaged or of another schema.
    pub(crate) async fn checkpoint(&self) -> Result<Position, ProjectionError> {
        let mut connection = self.connect_writer(Durability::Live).await?;
        let position = read_checkpoint(&mut connection).await?;
        connection.close().await?;
        Ok(position)
    }

    /// Writes all that it holds into another one, which is an empty file.
    pub(crate) async fn copy_to(&self, other: &Self) -> Result<(), ProjectionError> {
        let mut connection = self.connect_writer(Durability::Rebuilt).await?;
        let path = other.path.to_string_lossy().into_owned();
        sqlx::query("VACUUM INTO ?").bind(path).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    /// Deletes the files. What cannot be deleted is in nobody's way and is tried again at the
    /// next start.
    pub(crate) fn remove(&self) {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => tracing::warn!(path = ?path, error = %e, "an old read model stays"),
            }
        }
    }
}

/// Makes the indexes that the queries use.
pub(crate) async fn create_indexes(
    connection: &mut SqliteConnection,
) -> Result<(), ProjectionError> {
    let mut transaction = connection.begin().await?;
    for statement in INDEXES {
        sqlx::query(*statement).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// The checkpoint, after checking that the tables are of this release's schema.
pub(crate) async fn read_checkpoint(
    connection: &mut SqliteConnection,
) -> Result<Position, ProjectionError> {
    let sql = "SELECT g.schema_version, c.position FROM generation g, checkpoint c";
    let row = sqlx::query(sql).fetch_one(&mut *connection).await?;
    let schema_version: i64 = row.try_get(0)?;
    if schema_version != SCHEMA_VERSION {
        return Err(ProjectionError::OtherRelease { found: schema_version, own: SCHEMA_VERSION });
    }
    let position: i64 = row.try_get(1)?;
    u64::try_from(position)
        .map(Position::from_u64)
        .map_err(|_| ProjectionError::Damaged(format!("the checkpoint is {position}")))
}

fn failed(path: &Path, source: std::io::Error) -> ProjectionError {
    ProjectionError::Folder { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_generation_of_another_release_is_not_called_damaged() {
        let directory = tempfile::tempdir().expect("a folder");
        let folder = ReadFolder::open(directory.path()).expect("the folder");
        let generation = folder.create().await.expect("a generation");
        assert_eq!(generation.checkpoint().await.expect("its checkpoint"), Position::START);
        let mut connection = generation.connect_writer(Durability::Live).await.expect("open");
        let older = sqlx::query("UPDATE generation SET schema_version = schema_version - 1");
        older.execute(&mut connection).await.expect("an older schema");
        connection.close().await.expect("closed");
        let found = generation.checkpoint().await.expect_err("of another release");
        let (found, own) = match &found {
            ProjectionError::OtherRelease { found, own } => (*found, *own),
            other => panic!("{other}"),
        };
        assert_eq!((found, own), (SCHEMA_VERSION - 1, SCHEMA_VERSION));
    }
}
