//! What the file holds of streams and of ids, for the decision of a batch.
//!
//! Nothing but the writer changes the log, so what it remembers of streams is true until a commit
//! fails; then its cache is emptied.

use super::places::Waiting;
use crate::group_commit::plan::{StoredLog, StoredStream};
use crate::port::{Position, RecordedEvent, StoreError, StreamName};
use crate::prepare::{Content, Known};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// The log in the file, and what waits for its index.
pub(super) struct File<'a> {
    pub(super) connection: &'a Connection,
    pub(super) waiting: &'a Waiting,
}

impl StoredLog for File<'_> {
    fn streams(
        &mut self,
        names: &[&StreamName],
    ) -> Result<Vec<(StreamName, StoredStream)>, StoreError> {
        load_streams(self.connection, self.waiting, names).map_err(unreadable)
    }

    fn known(
        &mut self,
        stream: StoredStream,
        events: &[Arc<RecordedEvent>],
    ) -> Result<HashMap<Uuid, Known>, StoreError> {
        load_known(self.connection, stream, events).map_err(unreadable)
    }
}

/// Looks streams up in the file; those that are not there are absent from the answer.
fn load_streams(
    connection: &Connection,
    waiting: &Waiting,
    names: &[&StreamName],
) -> rusqlite::Result<Vec<(StreamName, StoredStream)>> {
    const SQL: &str = "SELECT s.id, \
                       (SELECT version + events FROM stream_append WHERE stream_id = s.id \
                       ORDER BY version DESC LIMIT 1) FROM stream s WHERE s.name = ?";
    let mut statement = connection.prepare_cached(SQL)?;
    let mut found = Vec::new();
    for name in names {
        let stored = |row: &Row<'_>| {
            let indexed: Option<i64> = row.get(1)?;
            let next_version = waiting.next_version(name).or(indexed).unwrap_or(0);
            Ok(StoredStream { id: row.get(0)?, next_version: next_version.unsigned_abs() })
        };
        let stored = statement.query_row([name.as_str()], stored).optional()?;
        found.extend(stored.map(|stored| ((*name).clone(), stored)));
    }
    Ok(found)
}

/// What the file has under the ids of `events` in a stream.
fn load_known(
    connection: &Connection,
    stream: StoredStream,
    events: &[Arc<RecordedEvent>],
) -> rusqlite::Result<HashMap<Uuid, Known>> {
    const SQL: &str = "SELECT version, position, type, schema_version, data, meta \
                       FROM event WHERE id = ? AND stream_id = ?";
    let mut statement = connection.prepare_cached(SQL)?;
    let mut known = HashMap::new();
    for event in events {
        let compare = |row: &Row<'_>| {
            let stored = Content {
                event_type: row.get_ref(2)?.as_str()?,
                schema_version: row.get(3)?,
                data: row.get_ref(4)?.as_str()?,
                meta: row.get_ref(5)?.as_str()?,
            };
            Ok(Known {
                version: row.get::<_, i64>(0)?.unsigned_abs(),
                position: Position::from_u64(row.get::<_, i64>(1)?.unsigned_abs()),
                same_content: stored == Content::of(event),
            })
        };
        let stored = statement.query_row(params![&event.id.as_bytes()[..], stream.id], compare);
        known.extend(stored.optional()?.map(|stored| (event.id, stored)));
    }
    Ok(known)
}

fn unreadable(error: rusqlite::Error) -> StoreError {
    StoreError::Engine(error.to_string())
}
