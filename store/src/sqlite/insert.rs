//! Statements of the writer, each prepared once.

use super::read::saturating_i64;
use crate::group_commit::plan::EventRow;
use crate::port::LookupKey;
use rusqlite::{Connection, params};
use std::sync::Arc;

/// Writes the events in order.
pub(super) fn insert_events(connection: &Connection, rows: &[EventRow]) -> rusqlite::Result<()> {
    const SQL: &str = "INSERT INTO event (position, stream_id, version, id, type, \
                       schema_version, recorded_at, data, meta, leaf) \
                       VALUES (?,?,?,?,?,?,?,?,?,?)";
    let mut statement = connection.prepare_cached(SQL)?;
    for EventRow { stream_id, event } in rows {
        statement.execute(params![
            saturating_i64(event.position.as_u64()),
            stream_id,
            saturating_i64(event.version),
            &event.id.as_bytes()[..],
            event.event_type,
            event.schema_version,
            event.recorded_at.timestamp_millis(),
            event.data.as_str(),
            event.meta.as_str(),
            &event.leaf.0[..],
        ])?;
    }
    Ok(())
}

/// Writes new streams: row id and name.
pub(super) fn insert_streams(
    connection: &Connection,
    rows: &[(i64, Arc<str>)],
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT INTO stream (id, name) VALUES (?,?)")?;
    for (id, name) in rows {
        statement.execute(params![id, &**name])?;
    }
    Ok(())
}

/// Points keys to streams, whatever they pointed to before.
pub(super) fn upsert_keys(
    connection: &Connection,
    rows: &[(LookupKey, i64)],
) -> rusqlite::Result<()> {
    const SQL: &str = "INSERT INTO lookup (key, stream_id) VALUES (?,?) \
                       ON CONFLICT (key) DO UPDATE SET stream_id = excluded.stream_id";
    let mut statement = connection.prepare_cached(SQL)?;
    for (key, stream_id) in rows {
        statement.execute(params![&key.0[..], stream_id])?;
    }
    Ok(())
}
