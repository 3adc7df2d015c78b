//! The SQLite files of the data folder: how one is recognised, created, or clearly refused.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a statement waits for a lock that another connection holds.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What the name of a database ends with until it is whole.
const UNFINISHED: &str = ".part";
/// What SQLite puts beside a database, by the ending of its name.
pub(crate) const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Why a file of the data folder, or a log elsewhere, cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another process writes to the folder.
    #[error(
        "{} is locked by {holder}: another chargebook writes to this data folder; stop it, or \
         use a reading command, which needs no lock", path.display()
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// What the other process wrote about itself.
        holder: String,
    },
    /// To be opened for reading only, and not there.
    #[error("there is no {what} at {}", path.display())]
    Missing {
        /// What was looked for.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
    },
    /// A file of another kind, or a damaged one.
    #[error(
        "{} is no Chargebook {what}, or is damaged: {reason}; keep it as it is, and put a copy \
         from before in its place, or name another folder", path.display()
    )]
    Foreign {
        /// What was looked for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Written by a newer version of this program.
    #[error(
        "{} has schema version {found}, this program knows {known}: use a newer program",
        path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that this program reads.
        known: i64,
    },
    /// The operating system does not let us.
    #[error("no permission to open {}: {reason}", path.display())]
    Permission {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The disk.
    #[error("cannot open {}: {reason}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// SQLite.
    #[error("cannot open {}: {reason}", path.display())]
    Engine {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        reason: String,
    },
    /// A database server.
    #[error("cannot open the log in {address}: {reason}")]
    Database {
        /// Its address, without the password.
        address: String,
        /// What it says.
        reason: String,
    },
    /// A log with a server already.
    #[error(
        "the log in {address} has a server already, connected by PostgreSQL's process {holder}: \
         one server works on a log; stop the other one first"
    )]
    DatabaseInUse {
        /// Its address, without the password.
        address: String,
        /// The process of the database that serves its connection.
        holder: String,
    },
    /// A database to be opened for reading only, without a log.
    #[error("there is no log in {address}: a server that is started with it makes one")]
    NoDatabaseLog {
        /// Its address, without the password.
        address: String,
    },
    /// Written by another version of this program.
    #[error(
        "the log in {address} has schema version {found}, this program knows {known}: use a \
         newer program"
    )]
    DatabaseSchema {
        /// Its address, without the password.
        address: String,
        /// Its version.
        found: i64,
        /// The one that this program reads.
        known: i64,
    },
}

/// A kind of file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileKind {
    /// What a person calls it.
    pub(crate) what: &'static str,
    /// SQLite's `application_id`.
    pub(crate) application_id: i64,
    /// SQLite's `user_version`: what this program writes and reads.
    pub(crate) schema_version: i64,
    /// The oldest that it reads.
    pub(crate) oldest_schema_version: i64,
    /// The statements that create its tables.
    pub(crate) schema: &'static str,
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// No file, or an empty database: one may be created here.
    Vacant,
    /// A file of the kind and of a version that this program reads.
    Present { schema_version: i64 },
}

impl FileKind {
    /// Looks at the file without changing it; anything but such a file or nothing is an error.
    pub(crate) async fn probe(&self, path: &Path) -> Result<Probe, OpenError> {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Probe::Vacant),
            Err(error) => return Err(io_error(path, &error)),
            Ok(metadata) if !metadata.is_file() => {
                let (path, reason) = (path.to_owned(), "it is not a file".to_owned());
                return Err(OpenError::Foreign { what: self.what, path, reason });
            }
            Ok(metadata) if metadata.len() == 0 => return Ok(Probe::Vacant),
            Ok(_) => {}
        }
        let opened = reading(path).connect().await;
        let mut connection = opened.map_err(|error| self.open_error(path, &error))?;
        let mut number = async |sql: &'static str| -> Result<i64, OpenError> {
            let row = sqlx::query(sql).fetch_one(&mut connection).await;
            row.and_then(|row| row.try_get(0)).map_err(|error| self.open_error(path, &error))
        };
        let application_id = number("PRAGMA application_id").await?;
        let found = number("PRAGMA user_version").await?;
        let tables = number("SELECT count(*) FROM sqlite_schema").await?;
        // Closing may fail only in ways that the next open reports.
        let _ = connection.close().await;
        if (application_id, found, tables) == (0, 0, 0) {
            return Ok(Probe::Vacant);
        }
        let path = path.to_owned();
        if application_id != self.application_id {
            let reason = format!("its application id is {application_id:#x}");
            return Err(OpenError::Foreign { what: self.what, path, reason });
        }
        if found > self.schema_version {
            return Err(OpenError::NewerSchema { path, found, known: self.schema_version });
        }
        if found < self.oldest_schema_version {
            let reason = format!("its schema version is {found}");
            return Err(OpenError::Foreign { what: self.what, path, reason });
        }
        Ok(Probe::Present { schema_version: found })
    }

    /// Creates the tables and marks the file, in one transaction.
    pub(crate) async fn create(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(), sqlx::Error> {
        let Self { application_id, schema_version, schema, .. } = self;
        let marks = format!(
            "PRAGMA application_id = {application_id}; PRAGMA user_version = {schema_version};"
        );
        let mut transaction = connection.begin().await?;
        sqlx::raw_sql(*schema).execute(&mut *transaction).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(marks)).execute(&mut *transaction).await?;
        transaction.commit().await
    }

    /// Sorts an engine's error at opening.
    pub(crate) fn open_error(&self, path: &Path, error: &sqlx::Error) -> OpenError {
        self.open_error_of(path, result_code(error), error.to_string())
    }

    /// Sorts an error at opening by SQLite's result code, where it has one.
    pub(crate) fn open_error_of(
        &self,
        path: &Path,
        result_code: Option<i32>,
        reason: String,
    ) -> OpenError {
        let path = path.to_owned();
        match result_code {
            Some(code::NOTADB | code::CORRUPT) => {
                OpenError::Foreign { what: self.what, path, reason }
            }
            Some(code::PERM | code::READONLY) => OpenError::Permission { path, reason },
            // SQLite does not say why; the system does.
            Some(code::CANTOPEN) => match std::fs::File::open(&path) {
                Err(error) => io_error(&path, &error),
                Ok(_) => OpenError::Io { path, reason },
            },
            _ => OpenError::Engine { path, reason },
        }
    }
}

/// A connection that reads: it cannot write, whatever is asked of it.
pub(crate) fn reading(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .foreign_keys(false)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

/// Makes a database under another name, and gives it its own once it is whole and on the disk: a
/// crash in between leaves nothing under its name. What is there by that name must be vacant.
pub(crate) async fn make_whole(
    path: &Path,
    make: impl AsyncFnOnce(&Path) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let unfinished = with_ending(path, UNFINISHED);
    remove(&unfinished)?;
    for ending in COMPANIONS {
        remove(&with_ending(&unfinished, ending))?;
    }
    make(&unfinished).await?;
    // Closing the last connection moves them into the file.
    if let Some(left) = COMPANIONS.iter().find(|ending| with_ending(&unfinished, ending).exists()) {
        let reason = format!("{UNFINISHED}{left} was left behind when it was closed");
        return Err(OpenError::Io { path: path.to_owned(), reason });
    }
    for ending in COMPANIONS {
        remove(&with_ending(path, ending))?;
    }
    let synced = std::fs::File::open(&unfinished).and_then(|file| file.sync_all());
    synced
        .and_then(|()| std::fs::rename(&unfinished, path))
        .map_err(|error| io_error(path, &error))?;
    sync_folder(path.parent().unwrap_or(path))
}

/// The name of a file, with something after it.
pub(crate) fn with_ending(path: impl AsRef<Path>, ending: &str) -> PathBuf {
    let mut name = path.as_ref().as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn remove(path: &Path) -> Result<(), OpenError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error(path, &error)),
        _ => Ok(()),
    }
}

/// Makes a new file's name durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), OpenError> {
    let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| io_error(folder, &error))
}

/// SQLite's primary result code, where the error has one.
pub(crate) fn result_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// Result codes of SQLite that are treated apart (sqlite.org/rescode.html).
pub(crate) mod code {
    pub(crate) const PERM: i32 = 3;
    pub(crate) const READONLY: i32 = 8;
    pub(crate) const CORRUPT: i32 = 11;
    pub(crate) const FULL: i32 = 13;
    pub(crate) const CANTOPEN: i32 = 14;
    pub(crate) const CONSTRAINT: i32 = 19;
    pub(crate) const NOTADB: i32 = 26;
}

/// Sorts an I/O error at opening.
pub(crate) fn io_error(path: &Path, error: &std::io::Error) -> OpenError {
    let path = path.to_owned();
    let reason = error.to_string();
    match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::Permission { path, reason }
        }
        _ => OpenError::Io { path, reason },
    }
}
