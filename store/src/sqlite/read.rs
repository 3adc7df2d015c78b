//! Reading the log: pages in order, one stream, a lookup key. Short transactions only, since
//! an open one would hold the write-ahead log back.

use super::behind::Behind;
use super::places::{Tail, Waiting};
use super::schema;
use crate::file::{self, code};
use crate::head::Head;
use crate::port::{
    LookupKey, PAGE_BYTES_MAX, PAGE_EVENTS_MAX, Position, RecordedEvent, StoreError, StreamName,
    check_page,
};
use crate::prepare::weight_bytes;
use crate::ring::Ring;
use crate::tail::PageReader;
use async_trait::async_trait;
use chargebook_proof::{CanonicalJson, LeafHash};
use chrono::DateTime;
use futures::TryStreamExt;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{Connection as _, Row, Sqlite};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Connections that read single streams and keys, for which stations wait: each read is short,
/// but its thread has to get a core first.
const POINT_CONNECTIONS: u32 = 8;
/// Connections that read pages of the log, for followers that are behind. Apart from the others:
/// a page of a thousand events takes a while.
const PAGE_CONNECTIONS: u32 = 3;
/// How long a read waits for one of them.
const READ_WAIT_MAX: Duration = Duration::from_secs(30);

/// The columns of an event, in the order that [`decode`] reads them; `s` is its stream.
macro_rules! event_columns {
    () => {
        "e.position, s.name, e.version, e.id, e.type, e.schema_version, e.recorded_at, \
         e.data, e.meta, e.leaf"
    };
}

/// A left join keeps the order of positions, and an event whose stream is gone shows up as
/// damaged instead of vanishing.
const PAGE_SQL: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM event e LEFT JOIN stream s ON s.id = e.stream_id \
     WHERE e.position > ? ORDER BY e.position LIMIT ?"
);
/// Of a stream, from a version on and before another, what the index has.
const STREAM_SQL: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM stream s CROSS JOIN stream_append a ON a.stream_id = s.id \
     CROSS JOIN event e ON e.position >= a.position AND e.position < a.position + a.events \
     WHERE s.name = ?1 AND a.version < ?3 AND a.version >= \
     (SELECT coalesce(max(version), 0) FROM stream_append \
      WHERE stream_id = s.id AND version <= ?2) \
     AND e.version >= ?2 AND e.version < ?3 ORDER BY a.version, e.position LIMIT ?4"
);
/// Of a stream, from a version on, what the index does not have yet: looked for in all events
/// that came since, by who has no writer to ask.
const UNINDEXED_SQL: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM stream s CROSS JOIN event e ON e.stream_id = s.id \
     WHERE s.name = ? AND e.position > coalesce((SELECT min(position) FROM stream_append_head \
     WHERE position <= (SELECT max(position) FROM event)), 0) AND e.version >= ? ORDER BY e.version LIMIT ?"
);
/// Events at positions, which come as a JSON array.
const POSITIONS_SQL: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM json_each(?) at CROSS JOIN event e ON e.position = at.value \
     LEFT JOIN stream s ON s.id = e.stream_id ORDER BY e.position"
);
/// Of a stream, from a version on, in a log of schema version 1.
const STREAM_SQL_1: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM stream s JOIN event e ON e.stream_id = s.id \
     WHERE s.name = ? AND e.version >= ? ORDER BY e.version LIMIT ?"
);
const LOOKUP_SQL: &str =
    "SELECT s.name FROM lookup l LEFT JOIN stream s ON s.id = l.stream_id WHERE l.key = ?";

/// The reading half of the store.
pub(super) struct Reader {
    points: SqlitePool,
    pages: SqlitePool,
    /// Recent events; in read-only mode there are none.
    ring: Option<Ring>,
    behind: Behind,
    places: Places,
    head: Head,
    verify_reads: bool,
}

/// How the events of a stream are found.
pub(super) enum Places {
    /// By the index, and by what its writer has not brought into it yet.
    Writer(Arc<Waiting>),
    /// By the index, and by looking at what came after it.
    File,
    /// By the index of schema version 1, which lacks nothing.
    FileOfVersion1,
}

impl Reader {
    pub(super) fn new(
        path: &Path,
        ring: Option<Ring>,
        places: Places,
        head: Position,
        verify_reads: bool,
    ) -> Self {
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(READ_WAIT_MAX)
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_lazy_with(schema::reader_options(path))
        };
        let (points, pages) = (pool(POINT_CONNECTIONS), pool(PAGE_CONNECTIONS));
        let behind = Behind::default();
        let head = Head::new(head);
        Self { points, pages, ring, behind, places, head, verify_reads }
    }

    /// Opens the connections for which stations wait. Each has a thread, which is as nice as the
    /// one that opens it: followers, who give way to everybody, must not be the first.
    pub(super) async fn connect_points(&self) -> Result<(), sqlx::Error> {
        let connections = (0..POINT_CONNECTIONS).map(|_| self.points.acquire());
        futures::future::try_join_all(connections).await.map(drop)
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    pub(super) fn ring(&self) -> Option<&Ring> {
        self.ring.as_ref()
    }

    pub(super) async fn close(&self) {
        self.head.end();
        self.points.close().await;
        self.pages.close().await;
    }

    /// Reads the head from the file; the only way to learn it beside another process that
    /// writes.
    pub(super) async fn refresh_head(&self) -> Result<(), StoreError> {
        let mut connection = self.points.acquire().await.map_err(engine)?;
        let head = last_position(&mut connection).await.map_err(engine)?;
        self.head.raise(head);
        Ok(())
    }

    pub(super) async fn read_all(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        match self.recent(after, limit) {
            Some(page) => Ok(page),
            None => self.read_file(after, limit).await,
        }
    }

    /// From memory, where that reaches back so far.
    fn recent(&self, after: Position, limit: usize) -> Option<Vec<RecordedEvent>> {
        self.ring.as_ref()?.page(after, limit.min(PAGE_EVENTS_MAX), PAGE_BYTES_MAX)
    }

    /// From the file.
    pub(super) async fn read_file(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let mut connection = self.pages.acquire().await.map_err(engine)?;
        let page = read_page(&mut connection, after, limit.min(PAGE_EVENTS_MAX)).await?;
        check_page(after, &page, self.verify_reads)?;
        if let (None, Some(last)) = (&self.ring, page.last()) {
            self.head.raise(last.position);
        }
        Ok(page)
    }

    pub(super) async fn read_stream(
        &self,
        stream: &StreamName,
        from_version: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let mut connection = self.points.acquire().await.map_err(engine)?;
        let limit = limit.min(PAGE_EVENTS_MAX);
        let page = match &self.places {
            Places::Writer(waiting) => {
                let tail = waiting.tail(stream, saturating_i64(from_version), limit);
                read_with_tail(&mut connection, stream, from_version, limit, tail).await?
            }
            Places::File => {
                read_indexed_and_rest(&mut connection, stream, from_version, limit).await?
            }
            Places::FileOfVersion1 => {
                let rows = of_stream(STREAM_SQL_1, stream, from_version, limit);
                collect_page(rows.fetch(&mut *connection)).await?
            }
        };
        if self.verify_reads {
            page.iter().try_for_each(RecordedEvent::verify_leaf)?;
        }
        for (event, version) in page.iter().zip(from_version..) {
            if event.version != version {
                let reason = format!("version {} where {version} should be", event.version);
                return Err(StoreError::Damaged { position: event.position, reason });
            }
        }
        Ok(page)
    }

    pub(super) async fn lookup(&self, key: &LookupKey) -> Result<Option<StreamName>, StoreError> {
        let mut connection = self.points.acquire().await.map_err(engine)?;
        let query = sqlx::query(LOOKUP_SQL).bind(&key.0[..]);
        let Some(row) = query.fetch_optional(&mut *connection).await.map_err(engine)? else {
            return Ok(None);
        };
        let name: Option<&str> = row.try_get(0).map_err(engine)?;
        let damaged =
            || StoreError::Engine(format!("{key:?} points to a stream that is not there"));
        name.and_then(|name| StreamName::new(name).ok()).ok_or_else(damaged).map(Some)
    }
}

#[async_trait]
impl PageReader for Reader {
    async fn page_after(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        if let Some(page) = self.recent(after, limit) {
            return Ok(page);
        }
        if let Some(page) = self.behind.page_after(self, after, limit).await? {
            return Ok(page);
        }
        self.read_file(after, limit).await
    }
}

/// The last position in the file; [`Position::START`] for an empty log.
async fn last_position(connection: &mut SqliteConnection) -> Result<Position, sqlx::Error> {
    let sql = "SELECT coalesce(max(position), 0) FROM event";
    let last: i64 = sqlx::query(sql).fetch_one(connection).await?.try_get(0)?;
    Ok(Position::from_u64(u64::try_from(last).unwrap_or(0)))
}

/// What the file has of a stream, then what waits for the index. The tail was looked at first:
/// what precedes it is in the file.
async fn read_with_tail(
    connection: &mut SqliteConnection,
    stream: &StreamName,
    from_version: u64,
    limit: usize,
    tail: Option<Tail>,
) -> Result<Vec<RecordedEvent>, StoreError> {
    let first_waiting = tail.as_ref().map_or(i64::MAX, |tail| tail.first_version);
    let mut page = Vec::new();
    if saturating_i64(from_version) < first_waiting {
        page = read_indexed(connection, stream, from_version, first_waiting, limit).await?;
    }
    let next_version = page.last().map_or(from_version, |last| last.version + 1);
    let Some(tail) = tail.filter(|tail| saturating_i64(next_version) >= tail.first_version) else {
        return Ok(page);
    };
    let positions = &tail.positions[..tail.positions.len().min(limit - page.len())];
    if !positions.is_empty() {
        let at = format!("{positions:?}");
        page.extend(collect_page(sqlx::query(POSITIONS_SQL).bind(at).fetch(connection)).await?);
    }
    Ok(page)
}

/// What the index has of a stream, then what came after the index: seen at one moment.
async fn read_indexed_and_rest(
    connection: &mut SqliteConnection,
    stream: &StreamName,
    from_version: u64,
    limit: usize,
) -> Result<Vec<RecordedEvent>, StoreError> {
    let mut moment = connection.begin().await.map_err(engine)?;
    let mut page = read_indexed(&mut moment, stream, from_version, i64::MAX, limit).await?;
    if page.len() < limit {
        let next_version = page.last().map_or(from_version, |last| last.version + 1);
        let rest = of_stream(UNINDEXED_SQL, stream, next_version, limit - page.len());
        let rest = collect_page(rest.fetch(&mut *moment)).await?;
        // A page that its bytes have cut short is followed by what the index has yet.
        if rest.first().is_some_and(|first| first.version == next_version) {
            page.extend(rest);
        }
    }
    moment.rollback().await.map_err(engine)?;
    Ok(page)
}

async fn read_indexed(
    connection: &mut SqliteConnection,
    stream: &StreamName,
    from_version: u64,
    before_version: i64,
    limit: usize,
) -> Result<Vec<RecordedEvent>, StoreError> {
    let rows = sqlx::query(STREAM_SQL)
        .bind(stream.as_str())
        .bind(saturating_i64(from_version))
        .bind(before_version)
        .bind(saturating_i64(limit as u64))
        .fetch(connection);
    collect_page(rows).await
}

fn of_stream<'q>(
    sql: &'static str,
    stream: &'q StreamName,
    from_version: u64,
    limit: usize,
) -> sqlx::query::Query<'q, Sqlite, sqlx::sqlite::SqliteArguments> {
    let from_version = saturating_i64(from_version);
    sqlx::query(sql).bind(stream.as_str()).bind(from_version).bind(saturating_i64(limit as u64))
}

async fn read_page(
    connection: &mut SqliteConnection,
    after: Position,
    limit: usize,
) -> Result<Vec<RecordedEvent>, StoreError> {
    let rows = sqlx::query(PAGE_SQL)
        .bind(saturating_i64(after.as_u64()))
        .bind(saturating_i64(limit as u64))
        .fetch(connection);
    collect_page(rows).await
}

async fn collect_page(
    mut rows: impl futures::Stream<Item = Result<SqliteRow, sqlx::Error>> + Unpin,
) -> Result<Vec<RecordedEvent>, StoreError> {
    let mut page = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.try_next().await.map_err(engine)? {
        let event = decode(&row)?;
        bytes += weight_bytes(&event);
        if bytes > PAGE_BYTES_MAX && !page.is_empty() {
            break;
        }
        page.push(event);
    }
    Ok(page)
}

/// An event from the columns of `event_columns!`. Checks the shape only; the leaf is what
/// proves the content.
fn decode(row: &SqliteRow) -> Result<RecordedEvent, StoreError> {
    let position: i64 = row.try_get_unchecked(0).map_err(engine)?;
    let position = Position::from_u64(position.unsigned_abs());
    decode_at(row, position).map_err(|reason| StoreError::Damaged { position, reason })
}

fn decode_at(row: &SqliteRow, position: Position) -> Result<RecordedEvent, String> {
    let stream: Option<&str> = get(row, 1)?;
    let stream = stream.ok_or("its stream is missing")?;
    let milliseconds: i64 = get(row, 6)?;
    let leaf: &[u8] = get(row, 9)?;
    Ok(RecordedEvent {
        position,
        id: Uuid::from_slice(get(row, 3)?).map_err(|error| format!("id: {error}"))?,
        stream: StreamName::new(stream).map_err(|error| error.to_string())?,
        version: integer(get(row, 2)?, "version")?,
        event_type: get::<&str>(row, 4)?.to_owned().into(),
        schema_version: integer(get(row, 5)?, "schema version")?,
        recorded_at: DateTime::from_timestamp_millis(milliseconds)
            .ok_or("its time is out of range")?,
        data: CanonicalJson::from_stored(get::<&str>(row, 7)?),
        meta: CanonicalJson::from_stored(get::<&str>(row, 8)?),
        leaf: LeafHash(leaf.try_into().map_err(|_| "its leaf is not 32 bytes")?),
    })
}

fn get<'r, T: sqlx::Decode<'r, Sqlite>>(row: &'r SqliteRow, column: usize) -> Result<T, String> {
    row.try_get_unchecked(column).map_err(|error| error.to_string())
}

fn integer<T: TryFrom<i64>>(value: i64, name: &str) -> Result<T, String> {
    T::try_from(value).map_err(|_| format!("its {name} is {value}"))
}

/// SQLite's integers are signed; whatever lies beyond them lies beyond every event.
pub(super) fn saturating_i64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn engine(error: sqlx::Error) -> StoreError {
    match file::result_code(&error) {
        Some(code::CORRUPT | code::NOTADB) => StoreError::Engine(format!(
            "{} is damaged ({error}): keep it as it is, and put a copy from before in its place",
            schema::LOG_FILE
        )),
        _ => StoreError::Engine(error.to_string()),
    }
}
