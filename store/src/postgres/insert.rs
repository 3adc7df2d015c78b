//! The one statement that appends: positions, streams, events and keys in one round trip.
//!
//! It takes the row of `log_head` first and gives its numbers out from there, so that numbers have
//! no holes and whoever sees a position sees all before it. The row stays locked until the commit,
//! which ends the statement; a failed statement gives its numbers back. It decides nothing, and
//! looks at nothing but that row: what it was told wrongly, because another process has written
//! meanwhile, a unique index refuses.

use super::term::{Seen, saturating_i64};
use crate::group_commit::plan::{Base, EventRow, Plan};
use crate::port::Position;
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};
use std::sync::Arc;
use uuid::Uuid;

/// Positions and row ids of streams beyond this are ordinals of the batch: the statement says
/// where they begin. The number stands in the statement too.
const UNPLACED: u64 = 1 << 62;

/// What a batch is decided on: its numbers are not known before they are written.
pub(super) const UNPLACED_BASE: Base =
    Base { head: Position::from_u64(UNPLACED), last_stream_id: UNPLACED as i64 };

const SQL: &str = "
WITH head AS (
    UPDATE log_head SET position = position + $1, last_stream_id = last_stream_id + $2
    WHERE term = $3 AND position >= $17
    RETURNING position - $1 AS position, last_stream_id - $2 AS last_stream_id
), new_stream AS (
    INSERT INTO stream (id, name)
    SELECT head.last_stream_id + s.ordinal, s.name
    FROM head, unnest($4::text[]) WITH ORDINALITY AS s (name, ordinal)
), placed AS (
    SELECT head.position + e.ordinal AS position,
        CASE WHEN e.stream_id > 4611686018427387904
            THEN head.last_stream_id + e.stream_id - 4611686018427387904
            ELSE e.stream_id END AS stream_id,
        e.version, e.id, e.type, e.schema_version, e.recorded_at, e.data, e.meta, e.leaf
    FROM head, unnest($5::bigint[], $6::bigint[], $7::uuid[], $8::text[], $9::bigint[],
        $10::bigint[], $11::text[], $12::text[], $13::bytea[]) WITH ORDINALITY
        AS e (stream_id, version, id, type, schema_version, recorded_at, data, meta, leaf, ordinal)
), new_event AS (
    INSERT INTO event (position, stream_id, version, id, type, schema_version, recorded_at,
        data, meta, leaf)
    SELECT position, stream_id, version, id, type, schema_version, recorded_at, data, meta, leaf
    FROM placed
), new_index AS (
    INSERT INTO event_index (stream_id, version, id, position)
    SELECT stream_id, version, id, position FROM placed
), new_key AS (
    INSERT INTO lookup (key, stream_id)
    SELECT k.key, CASE WHEN k.stream_id > 4611686018427387904
        THEN head.last_stream_id + k.stream_id - 4611686018427387904
        ELSE k.stream_id END
    FROM head, unnest($14::bytea[], $15::bigint[]) AS k (key, stream_id)
    ON CONFLICT (key) DO UPDATE SET stream_id = excluded.stream_id
)
SELECT position, last_stream_id, pg_notify($16, (position + $1)::text) FROM head";

/// Where a batch has come to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// The position before its first event.
    pub(super) position: u64,
    /// The row id before its first new stream.
    last_stream_id: u64,
}

/// Writes the batch under the term that was seen and tells those who listen; `None` where the log
/// is under another term, or ends before what was seen, and then nothing was written.
pub(super) async fn insert(
    connection: &mut PgConnection,
    plan: &Plan,
    seen: &Seen,
    channel: &str,
) -> Result<Option<Placed>, sqlx::Error> {
    let Plan { rows, new_streams, keys, .. } = plan;
    let streams: Vec<&str> = new_streams.iter().map(|(_, name)| &**name).collect();
    let column = |read: fn(&EventRow) -> i64| -> Vec<i64> { rows.iter().map(read).collect() };
    let text = |read: fn(&EventRow) -> &str| -> Vec<&str> { rows.iter().map(read).collect() };
    let ids: Vec<Uuid> = rows.iter().map(|row| row.event.id).collect();
    let leaves: Vec<&[u8]> = rows.iter().map(|row| &row.event.leaf.0[..]).collect();
    let key_bytes: Vec<&[u8]> = keys.iter().map(|(key, _)| &key.0[..]).collect();
    let key_streams: Vec<i64> = keys.iter().map(|(_, stream_id)| *stream_id).collect();
    let row = sqlx::query(SQL)
        .bind(saturating_i64(rows.len() as u64))
        .bind(saturating_i64(streams.len() as u64))
        .bind(saturating_i64(seen.term))
        .bind(streams)
        .bind(column(|row| row.stream_id))
        .bind(column(|row| saturating_i64(row.event.version)))
        .bind(ids)
        .bind(text(|row| &row.event.event_type))
        .bind(column(|row| row.event.schema_version.into()))
        .bind(column(|row| row.event.recorded_at.timestamp_millis()))
        .bind(text(|row| row.event.data.as_str()))
        .bind(text(|row| row.event.meta.as_str()))
        .bind(leaves)
        .bind(key_bytes)
        .bind(key_streams)
        .bind(channel)
        .bind(saturating_i64(seen.head.as_u64()))
        .fetch_optional(connection)
        .await?;
    row.map(|row| Placed::of(&row)).transpose()
}

impl Placed {
    fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        let position: i64 = row.try_get(0)?;
        let last_stream_id: i64 = row.try_get(1)?;
        Ok(Self {
            position: position.unsigned_abs(),
            last_stream_id: last_stream_id.unsigned_abs(),
        })
    }

    /// Puts the written numbers in the place of the ordinals.
    pub(super) fn apply(self, plan: &mut Plan) {
        for row in &mut plan.rows {
            let event = Arc::make_mut(&mut row.event);
            event.position = self.place(event.position);
        }
        for (_, stream) in &mut plan.streams_after {
            let id = stream.id.unsigned_abs();
            if id > UNPLACED {
                stream.id = saturating_i64(self.last_stream_id + id - UNPLACED);
            }
        }
        for outcome in &mut plan.outcomes {
            use crate::port::AppendError::IdConflict;
            match outcome {
                Ok(appended) => appended.position = self.place(appended.position),
                Err(IdConflict { position, .. }) => *position = self.place(*position),
                Err(_) => {}
            }
        }
    }

    fn place(self, position: Position) -> Position {
        match position.as_u64().checked_sub(UNPLACED) {
            Some(ordinal) => Position::from_u64(self.position + ordinal),
            None => position,
        }
    }
}
