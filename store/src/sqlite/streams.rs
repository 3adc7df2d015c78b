//! Where streams stand: their row ids and next versions, as the one writer knows them.

use super::read::{decode, engine};
use crate::lru::Lru;
use crate::port::{RecordedEvent, StoreError, StreamName};
use crate::prepare::Known;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// Streams that the writer remembers; the least recently used half goes when it is full.
const CACHED_STREAMS_MAX: usize = 65_536;

/// A stream as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoredStream {
    pub(super) id: i64,
    /// The version that the next event gets.
    pub(super) next_version: u64,
}

/// Remembers streams. Nothing but the writer changes the log, so what it remembers is true
/// until a commit fails; then it is emptied.
pub(super) type StreamCache = Lru<StreamName, StoredStream>;

/// An empty cache.
pub(super) fn stream_cache() -> StreamCache {
    Lru::new(CACHED_STREAMS_MAX)
}

/// Looks streams up in the file; those that are not there are absent from the answer.
pub(super) async fn load_streams(
    connection: &mut SqliteConnection,
    names: &[&StreamName],
) -> Result<Vec<(StreamName, StoredStream)>, sqlx::Error> {
    // One statement and one bound value for any number of names; a stream name needs no
    // escapes in JSON.
    const SQL: &str = "SELECT s.name, s.id, \
                       (SELECT coalesce(max(version) + 1, 0) FROM event WHERE stream_id = s.id) \
                       FROM stream s WHERE s.name IN (SELECT value FROM json_each(?))";
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let rows = sqlx::query(SQL).bind(format!("[{}]", quoted.join(","))).fetch_all(connection);
    let stored = |row: sqlx::sqlite::SqliteRow| {
        let name: &str = row.try_get(0)?;
        let name = StreamName::new(name).map_err(|error| sqlx::Error::Decode(error.into()))?;
        let next_version = row.try_get::<i64, _>(2)?.unsigned_abs();
        Ok((name, StoredStream { id: row.try_get(1)?, next_version }))
    };
    rows.await?.into_iter().map(stored).collect()
}

/// The highest row id of a stream, 0 for none.
pub(super) async fn last_stream_id(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let sql = "SELECT coalesce(max(id), 0) FROM stream";
    sqlx::query(sql).fetch_one(connection).await?.try_get(0)
}

/// What the file has under the ids of `events` in a stream.
pub(super) async fn load_known(
    connection: &mut SqliteConnection,
    stream: StoredStream,
    events: &[Arc<RecordedEvent>],
) -> Result<HashMap<Uuid, Known>, StoreError> {
    const SQL: &str = "SELECT e.position, s.name, e.version, e.id, e.type, e.schema_version, \
                       e.recorded_at, e.data, e.meta, e.leaf \
                       FROM event e JOIN stream s ON s.id = e.stream_id WHERE e.stream_id = ? \
                       AND e.id IN (SELECT unhex(value) FROM json_each(?))";
    let quoted: Vec<String> =
        events.iter().map(|event| format!("\"{}\"", event.id.simple())).collect();
    let query = sqlx::query(SQL).bind(stream.id).bind(format!("[{}]", quoted.join(",")));
    let rows = query.fetch_all(connection).await.map_err(engine)?;
    let mut known = HashMap::with_capacity(rows.len());
    for row in &rows {
        let stored = decode(row)?;
        if let Some(event) = events.iter().find(|event| event.id == stored.id) {
            known.insert(stored.id, Known::of(&stored, event));
        }
    }
    Ok(known)
}
