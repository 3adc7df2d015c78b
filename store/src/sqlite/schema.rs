//! What `log.db` looks like, and how its connections are set.

use crate::file::{self, BUSY_TIMEOUT, FileKind};
use rusqlite::{Connection, OpenFlags, ffi};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _};
use std::path::Path;

/// Name of the log in the data folder.
pub(crate) const LOG_FILE: &str = "log.db";

/// Page cache of the writer, in KiB.
const WRITER_CACHE_KIB: u32 = 8 * 1024;
/// Page cache of each reader, in KiB.
const READER_CACHE_KIB: u32 = 4 * 1024;
/// Prepared statements kept by a reader.
const STATEMENT_CACHE_MAX: usize = 48;
/// Rows a reader's thread may be ahead of the task that decodes them.
const ROW_CHANNEL_ROWS: usize = 512;

/// The log; its application id is `CBLG`.
pub(crate) const LOG: FileKind = FileKind {
    what: "log",
    application_id: 0x4342_4c47,
    schema_version: 2,
    oldest_schema_version: 1,
    schema: SCHEMA,
};

/// The index of the streams (`places`): an entry for the events of an append, and the position up
/// to which it is whole.
macro_rules! stream_append_tables {
    () => {
        "
CREATE TABLE stream_append (
    stream_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    position INTEGER NOT NULL,
    events INTEGER NOT NULL,
    PRIMARY KEY (stream_id, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE stream_append_head (position INTEGER NOT NULL) STRICT;
"
    };
}

const SCHEMA: &str = concat!(
    "
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
CREATE UNIQUE INDEX event_by_id ON event (id, stream_id);
CREATE TABLE lookup (
    key BLOB PRIMARY KEY,
    stream_id INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
",
    stream_append_tables!(),
    "INSERT INTO stream_append_head VALUES (0);\n"
);

/// From version 1, which had a row in an index for each event: streaks of events that lie together
/// become an entry each.
const FROM_VERSION_1: &str = concat!(
    "BEGIN IMMEDIATE;",
    stream_append_tables!(),
    "INSERT INTO stream_append
    SELECT stream_id, min(version), min(position), count(*) FROM event
    GROUP BY stream_id, position - version ORDER BY stream_id, min(version);
INSERT INTO stream_append_head SELECT coalesce(max(position), 0) FROM event;
DROP INDEX event_by_version;
PRAGMA user_version = 2;
COMMIT;
"
);

/// Brings the tables of an older release to what this one writes.
pub(super) fn migrate(writer: &Connection) -> rusqlite::Result<()> {
    let version: i64 = writer.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version >= LOG.schema_version {
        return Ok(());
    }
    tracing::info!(version, "the log's index is made anew, once");
    // As many rows as the log has events are sorted: not in memory.
    writer.execute_batch("PRAGMA temp_store = FILE")?;
    if let Err(error) = writer.execute_batch(FROM_VERSION_1) {
        if !writer.is_autocommit() {
            writer.execute_batch("ROLLBACK")?;
        }
        return Err(error);
    }
    writer.execute_batch("PRAGMA temp_store = MEMORY")
}

/// Connections that read: they cannot write, whatever is asked of them.
pub(crate) fn reader_options(path: &Path) -> SqliteConnectOptions {
    file::reading(path)
        .statement_cache_capacity(STATEMENT_CACHE_MAX)
        .row_buffer_size(ROW_CHANNEL_ROWS)
        .pragma("cache_size", format!("-{READER_CACHE_KIB}"))
        .thread_name(|id| format!("log-reader-{id}"))
}

/// Creates the log where there is none.
pub(crate) async fn create(path: &Path) -> Result<(), sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = options.connect().await?;
    LOG.create(&mut connection).await?;
    connection.close().await
}

/// The connection that writes: every commit is on disk (fsync) before it returns, and the
/// write-ahead log is moved into the database by another connection. It is called from the
/// writer's own thread, without a change of thread for each statement.
pub(crate) fn connect_writer(
    path: &Path,
    size_pages_max: Option<u32>,
) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // A copy by VACUUM INTO or a dump has another mode, in which a commit is not on disk with the
    // answer.
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let reason = format!("its journal mode stays {mode}, not wal");
        let failure = ffi::Error::new(ffi::SQLITE_ERROR);
        return Err(rusqlite::Error::SqliteFailure(failure, Some(reason)));
    }
    connection.execute_batch(&format!(
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; \
         PRAGMA cache_size = -{WRITER_CACHE_KIB}; PRAGMA temp_store = MEMORY; \
         PRAGMA foreign_keys = OFF;"
    ))?;
    if let Some(pages) = size_pages_max {
        connection.execute_batch(&format!("PRAGMA max_page_count = {pages};"))?;
    }
    Ok(connection)
}

/// SQLite's primary result code, where the error has one.
pub(crate) fn result_code(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code & 0xff)
}
