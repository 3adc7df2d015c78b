//! What a node keeps by the side of a log in KurrentDB, which has no index of ours: to which stream
//! a key leads, and which ids a stream holds. A file of the data folder, written as the log is
//! followed, and of no worth by itself: without it, or with another log's, it is made anew.
//!
//! Nothing of it is synced with the events. It says up to which event it goes, in the same
//! transaction; after a crash it is caught up from there.

use crate::file::{COMPANIONS, OpenError, io_error};
use crate::group_commit::plan::StoredStream;
use crate::port::{LookupKey, Position, RecordedEvent, StoreError, StreamName};
use crate::prepare::{Content, Known};
use chargebook_proof::LeafHash;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// Name of the file in the data folder.
pub(crate) const INDEX_FILE: &str = "kurrentdb-index.db";
/// The form of the file; another one is made anew.
const FORM: i64 = 1;
/// How long a statement waits for another.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// Bytes of an event's content that are kept to tell it from another.
const CONTENT_BYTES: usize = 8;

const SCHEMA: &str = "
CREATE TABLE followed (one INTEGER PRIMARY KEY CHECK (one = 1), log TEXT NOT NULL,
    commit_at INTEGER NOT NULL, prepare_at INTEGER NOT NULL, position INTEGER, leaf BLOB) STRICT;
CREATE TABLE stream (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    next_version INTEGER NOT NULL) STRICT;
CREATE TABLE event (stream INTEGER NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
    position INTEGER NOT NULL, content BLOB NOT NULL, PRIMARY KEY (stream, id))
    STRICT, WITHOUT ROWID;
CREATE TABLE lookup (key BLOB NOT NULL PRIMARY KEY, stream INTEGER NOT NULL)
    STRICT, WITHOUT ROWID;
";

/// A place in KurrentDB's order of all events, ours or not, by its two numbers: what it says of
/// how far it has searched is not always the place of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) commit: u64,
    pub(super) prepare: u64,
}

impl Place {
    /// Of an event of ours, which has one number for both.
    pub(super) fn of(position: Position) -> Self {
        Self { commit: position.as_u64(), prepare: position.as_u64() }
    }
}

impl From<eventstore::Position> for Place {
    fn from(position: eventstore::Position) -> Self {
        Self { commit: position.commit, prepare: position.prepare }
    }
}

impl From<Place> for eventstore::Position {
    fn from(place: Place) -> Self {
        Self { commit: place.commit, prepare: place.prepare }
    }
}

/// How far the log was followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Followed {
    /// In KurrentDB's own order of all events, ours or not.
    pub(super) through: Place,
    /// The last event of ours.
    pub(super) last: Option<(Position, LeafHash)>,
}

/// The index; one connection writes, and another one reads beside it.
pub(super) struct Index {
    writing: Mutex<Connection>,
    reading: Mutex<Connection>,
}

impl Index {
    /// Opens the index of a log, or makes it where there is none, or one of another log.
    pub(super) fn open(folder: &Path, log: &str) -> Result<Self, OpenError> {
        let path = folder.join(INDEX_FILE);
        match Self::open_file(&path, log) {
            Ok(Some(index)) => return Ok(index),
            Ok(None) => tracing::info!("the index of the log is made anew"),
            Err(error) => tracing::warn!(%error, "the index of the log is made anew"),
        }
        remove(&path)?;
        let engine = |reason: String| OpenError::Engine { path: path.clone(), reason };
        match Self::open_file(&path, log) {
            Ok(Some(index)) => Ok(index),
            Ok(None) => Err(engine("it was made anew, and is of another log".to_owned())),
            Err(error) => Err(engine(error.to_string())),
        }
    }

    /// `None` where the file is another log's, or has another form.
    fn open_file(path: &Path, log: &str) -> rusqlite::Result<Option<Self>> {
        let writing = connect(path)?;
        let form: i64 = writing.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if form == 0 {
            writing.execute_batch(&format!("BEGIN; {SCHEMA} PRAGMA user_version = {FORM};"))?;
            let first = "INSERT INTO followed VALUES (1, ?1, 0, 0, NULL, NULL)";
            writing.execute(first, [log])?;
            writing.execute_batch("COMMIT")?;
        } else if form != FORM {
            return Ok(None);
        }
        let of: String = writing.query_row("SELECT log FROM followed", [], |row| row.get(0))?;
        if of != log {
            return Ok(None);
        }
        let reading = connect(path)?;
        Ok(Some(Self { writing: Mutex::new(writing), reading: Mutex::new(reading) }))
    }

    /// How far it goes.
    pub(super) fn followed(&self) -> Result<Followed, StoreError> {
        let sql = "SELECT commit_at, prepare_at, position, leaf FROM followed";
        let row = self.reading().query_row(sql, [], |row| {
            let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
            let through = Place { commit: number(0)?, prepare: number(1)? };
            let position: Option<i64> = row.get(2)?;
            let position = position.map(|at| Position::from_u64(at.unsigned_abs()));
            let leaf: Option<[u8; 32]> = row.get(3)?;
            Ok(Followed { through, last: position.zip(leaf.map(LeafHash)) })
        });
        row.map_err(broken)
    }

    /// Forgets everything: the log in the database is another one.
    pub(super) fn clear(&self) -> Result<(), StoreError> {
        let clear = "BEGIN; DELETE FROM stream; DELETE FROM event; DELETE FROM lookup; \
                     UPDATE followed SET commit_at = 0, prepare_at = 0, position = NULL, \
                     leaf = NULL; COMMIT;";
        self.writing().execute_batch(clear).map_err(broken)
    }

    /// Takes in the next events of the log, and how far it was followed with them.
    pub(super) fn apply(
        &self,
        events: &[Arc<RecordedEvent>],
        followed: Followed,
    ) -> Result<(), StoreError> {
        let mut connection = self.writing();
        let transaction = connection.transaction().map_err(broken)?;
        for event in events {
            apply_event(&transaction, event)?;
        }
        let sql = "UPDATE followed SET commit_at = ?1, prepare_at = ?2, position = ?3, leaf = ?4";
        let (position, leaf) = followed.last.unzip();
        let position = position.map(|position| as_i64(position.as_u64()));
        let leaf = leaf.map(|leaf| leaf.0);
        let Place { commit, prepare } = followed.through;
        let values = params![as_i64(commit), as_i64(prepare), position, leaf];
        transaction.execute(sql, values).map_err(broken)?;
        transaction.commit().map_err(broken)
    }

    /// Where a stream stands.
    pub(super) fn stream(&self, name: &StreamName) -> Result<Option<StoredStream>, StoreError> {
        let connection = self.reading();
        stream_row(&connection, name).map_err(broken)
    }

    /// What a stream has under the ids of `events`.
    pub(super) fn known(
        &self,
        stream: i64,
        events: &[Arc<RecordedEvent>],
    ) -> Result<HashMap<Uuid, Known>, StoreError> {
        let connection = self.reading();
        let sql = "SELECT version, position, content FROM event WHERE stream = ?1 AND id = ?2";
        let mut statement = connection.prepare_cached(sql).map_err(broken)?;
        let mut known = HashMap::new();
        for event in events {
            let found = statement.query_row(params![stream, event.id.as_bytes()], |row| {
                let (version, position): (i64, i64) = (row.get(0)?, row.get(1)?);
                let content: [u8; CONTENT_BYTES] = row.get(2)?;
                Ok(Known {
                    version: version.unsigned_abs(),
                    position: Position::from_u64(position.unsigned_abs()),
                    same_content: content == content_of(event),
                })
            });
            if let Some(found) = found.optional().map_err(broken)? {
                known.insert(event.id, found);
            }
        }
        Ok(known)
    }

    /// The stream a key leads to.
    pub(super) fn lookup(&self, key: &LookupKey) -> Result<Option<StreamName>, StoreError> {
        let connection = self.reading();
        let sql = "SELECT s.name FROM lookup l JOIN stream s ON s.id = l.stream WHERE l.key = ?1";
        let mut statement = connection.prepare_cached(sql).map_err(broken)?;
        let name: Option<String> =
            statement.query_row([&key.0], |row| row.get(0)).optional().map_err(broken)?;
        let name = name.map(StreamName::new).transpose();
        name.map_err(|error| StoreError::Engine(error.to_string()))
    }

    fn writing(&self) -> MutexGuard<'_, Connection> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reading(&self) -> MutexGuard<'_, Connection> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn apply_event(transaction: &Transaction<'_>, event: &RecordedEvent) -> Result<(), StoreError> {
    let stream = stream_row(transaction, &event.stream).map_err(broken)?;
    let next_version = stream.map_or(0, |stream| stream.next_version);
    if event.version != next_version {
        let reason = format!(
            "version {} of {} where version {next_version} should be",
            event.version, event.stream
        );
        return Err(StoreError::Damaged { position: event.position, reason });
    }
    let put = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        let mut statement = transaction.prepare_cached(sql).map_err(broken)?;
        statement.execute(values).map_err(broken)
    };
    let after = as_i64(next_version + 1);
    let stream = match stream {
        Some(stream) => {
            put("UPDATE stream SET next_version = ?1 WHERE id = ?2", &[&after, &stream.id])?;
            stream.id
        }
        None => {
            let sql = "INSERT INTO stream (name, next_version) VALUES (?1, ?2)";
            put(sql, &[&event.stream.as_str(), &after])?;
            transaction.last_insert_rowid()
        }
    };
    // Of two events with one id, which nobody writes through this engine, the first one counts.
    put(
        "INSERT OR IGNORE INTO event VALUES (?1, ?2, ?3, ?4, ?5)",
        &[
            &stream,
            event.id.as_bytes(),
            &as_i64(event.version),
            &as_i64(event.position.as_u64()),
            &content_of(event),
        ],
    )?;
    for key in crate::copy::keys_of(event)? {
        put("INSERT OR REPLACE INTO lookup VALUES (?1, ?2)", &[&key.0, &stream])?;
    }
    Ok(())
}

fn stream_row(
    connection: &Connection,
    name: &StreamName,
) -> rusqlite::Result<Option<StoredStream>> {
    let mut statement =
        connection.prepare_cached("SELECT id, next_version FROM stream WHERE name = ?1")?;
    let row = statement.query_row([name.as_str()], |row| {
        let (id, next_version): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok(StoredStream { id, next_version: next_version.unsigned_abs() })
    });
    row.optional()
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_WAIT)?;
    // What a crash of the machine takes away is caught up from the log.
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
    Ok(connection)
}

fn remove(path: &Path) -> Result<(), OpenError> {
    for ending in [""].into_iter().chain(COMPANIONS) {
        let mut file = path.as_os_str().to_owned();
        file.push(ending);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io_error(Path::new(&file), &error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Enough of the content to tell it from another one under the same id.
fn content_of(event: &RecordedEvent) -> [u8; CONTENT_BYTES] {
    let Content { event_type, schema_version, data, meta } = Content::of(event);
    let mut hash = Sha256::new();
    for part in [event_type, &schema_version.to_string(), data, meta] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let mut content = [0; CONTENT_BYTES];
    content.copy_from_slice(&hash.finalize()[..CONTENT_BYTES]);
    content
}

fn broken(error: rusqlite::Error) -> StoreError {
    StoreError::Engine(format!("the index of the log: {error}"))
}

/// SQLite and KurrentDB count in 63 bits.
fn as_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
