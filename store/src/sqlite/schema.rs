//! What `log.db` looks like, and how a file is recognised as one, or clearly refused.

use super::OpenError;
use crate::lock::LockError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row};
use std::path::Path;
use std::time::Duration;

/// Name of the log in the data folder.
pub(crate) const LOG_FILE: &str = "log.db";
/// `application_id` of a log: `CBLG`.
const APPLICATION_ID: i64 = 0x4342_4c47;
/// `user_version` that this code writes and reads.
const SCHEMA_VERSION: i64 = 1;

/// How long a statement waits for a lock that another connection holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Page cache of the writer, in KiB.
const WRITER_CACHE_KIB: u32 = 32 * 1024;
/// Page cache of each reader, in KiB.
const READER_CACHE_KIB: u32 = 4 * 1024;
/// Prepared statements kept by a connection.
const STATEMENT_CACHE_MAX: usize = 48;
/// Rows a reader's thread may be ahead of the task that decodes them.
const ROW_CHANNEL_ROWS: usize = 512;

const SCHEMA: &str = "
CREATE TABLE stream (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE event (
    position INTEGER PRIMARY KEY,
    stream_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    id BLOB NOT NULL,
    type TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    data TEXT NOT NULL,
    meta TEXT NOT NULL,
    leaf BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX event_by_version ON event (stream_id, version);
CREATE UNIQUE INDEX event_by_id ON event (stream_id, id);
CREATE TABLE lookup (
    key BLOB PRIMARY KEY,
    stream_id INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Connections that read: they cannot write, whatever is asked of them.
pub(crate) fn reader_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .foreign_keys(false)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENT_CACHE_MAX)
        .row_buffer_size(ROW_CHANNEL_ROWS)
        .pragma("cache_size", format!("-{READER_CACHE_KIB}"))
        .thread_name(|id| format!("log-reader-{id}"))
        .disable_statement_logging()
}

/// The one connection that writes: every commit is on disk (fsync) before it returns, and the
/// write-ahead log is moved into the database by another connection.
pub(crate) fn writer_options(path: &Path, size_pages_max: Option<u32>) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(false)
        .busy_timeout(BUSY_TIMEOUT)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .statement_cache_capacity(STATEMENT_CACHE_MAX)
        .pragma("wal_autocheckpoint", "0")
        .pragma("cache_size", format!("-{WRITER_CACHE_KIB}"))
        .pragma("temp_store", "MEMORY")
        .thread_name(|id| format!("log-writer-{id}"))
        .disable_statement_logging();
    match size_pages_max {
        Some(pages) => options.pragma("max_page_count", pages.to_string()),
        None => options,
    }
}

/// What stands at the path of the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// No file, or an empty database: a log may be created here.
    Vacant,
    /// A log of a version that this code reads.
    Log,
}

/// Looks at the file without changing it; anything but a log or nothing is an error.
pub(crate) async fn probe(path: &Path) -> Result<Probe, OpenError> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Probe::Vacant),
        Err(error) => return Err(io_error(path, error)),
        Ok(metadata) if metadata.is_file() && metadata.len() == 0 => return Ok(Probe::Vacant),
        Ok(_) => {}
    }
    let opened = reader_options(path).connect().await;
    let mut connection = opened.map_err(|error| open_error(path, &error))?;
    let mut pragma = async |sql: &'static str| -> Result<i64, OpenError> {
        let row = sqlx::query(sql).fetch_one(&mut connection).await;
        row.and_then(|row| row.try_get(0)).map_err(|error| open_error(path, &error))
    };
    let application_id = pragma("PRAGMA application_id").await?;
    let version = pragma("PRAGMA user_version").await?;
    let tables = pragma("SELECT count(*) FROM sqlite_schema").await?;
    // Closing may fail only in ways that the next open reports.
    let _ = connection.close().await;
    match (application_id, version) {
        (0, 0) if tables == 0 => Ok(Probe::Vacant),
        (APPLICATION_ID, SCHEMA_VERSION) => Ok(Probe::Log),
        (APPLICATION_ID, found) if found > SCHEMA_VERSION => {
            Err(OpenError::NewerSchema { path: path.to_owned(), found, known: SCHEMA_VERSION })
        }
        _ => Err(OpenError::NotALog {
            path: path.to_owned(),
            reason: format!("application id {application_id:#x}, schema version {version}"),
        }),
    }
}

/// Creates the tables and marks the file as a log, in one transaction.
pub(crate) async fn create(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await?;
    let marks = format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(marks)).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// SQLite's primary result code, where the error has one.
pub(crate) fn result_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// Result codes of SQLite that the store treats apart (sqlite.org/rescode.html).
pub(crate) mod code {
    pub(crate) const PERM: i32 = 3;
    pub(crate) const READONLY: i32 = 8;
    pub(crate) const CORRUPT: i32 = 11;
    pub(crate) const FULL: i32 = 13;
    pub(crate) const CANTOPEN: i32 = 14;
    pub(crate) const CONSTRAINT: i32 = 19;
    pub(crate) const NOTADB: i32 = 26;
}

/// Sorts an engine's error at opening.
pub(crate) fn open_error(path: &Path, error: &sqlx::Error) -> OpenError {
    let path = path.to_owned();
    let reason = error.to_string();
    match result_code(error) {
        Some(code::NOTADB | code::CORRUPT) => OpenError::NotALog { path, reason },
        Some(code::PERM | code::READONLY | code::CANTOPEN) => {
            OpenError::Permission { path, reason }
        }
        _ => OpenError::Engine { path, reason },
    }
}

/// Sorts an I/O error at opening.
pub(crate) fn io_error(path: &Path, error: std::io::Error) -> OpenError {
    let path = path.to_owned();
    let reason = error.to_string();
    match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::Permission { path, reason }
        }
        _ => OpenError::Io { path, reason },
    }
}

/// Sorts an error of the folder's lock.
pub(crate) fn lock_error(error: LockError) -> OpenError {
    match error {
        LockError::Held { path, holder } => OpenError::Locked { path, holder },
        LockError::Io { path, error } => io_error(&path, error),
    }
}
