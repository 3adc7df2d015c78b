//! Reading the log: pages in order, one stream, a lookup key. A commit becomes visible before the
//! next one gets its positions, so a position that is visible has all before it.

use super::PostgresOptions;
use super::address::PostgresUrl;
use super::term::saturating_i64;
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
use futures::TryStreamExt as _;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{Connection as _, Postgres, Row as _};
use std::future::Future;
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;

/// Connections that read single streams and keys, for which stations wait.
const POINT_CONNECTIONS: u32 = 8;
/// Connections that read pages of the log, for followers that are behind.
const PAGE_CONNECTIONS: u32 = 3;
/// How long a read may take, with its wait for one of them.
pub(super) const READ_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long a connection may lie idle before it is tested.
const TESTED_AFTER: Duration = Duration::from_secs(1);

/// The columns of an event, in the order that [`decode`] reads them; `s` is its stream.
macro_rules! event_columns {
    () => {
        "e.position, s.name, e.version, e.id, e.type, e.schema_version, e.recorded_at, \
         e.data, e.meta, e.leaf"
    };
}

/// A left join keeps an event whose stream is gone: it shows up as damaged instead of vanishing.
const PAGE_SQL: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM event e LEFT JOIN stream s ON s.id = e.stream_id \
     WHERE e.position > $1 ORDER BY e.position LIMIT $2"
);
const STREAM_SQL: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM stream s JOIN event_index i ON i.stream_id = s.id \
     JOIN event e ON e.position = i.position \
     WHERE s.name = $1 AND i.version >= $2 ORDER BY i.version LIMIT $3"
);
const LOOKUP_SQL: &str =
    "SELECT s.name FROM lookup l LEFT JOIN stream s ON s.id = l.stream_id WHERE l.key = $1";

/// The reading half of the store.
pub(super) struct Reader {
    points: PgPool,
    pages: PgPool,
    /// Recent events that this process has written itself.
    ring: Ring,
    head: Head,
    read_wait: Duration,
    verify_reads: bool,
}

impl Reader {
    pub(super) fn new(
        address: &PostgresUrl,
        ring: Ring,
        head: Position,
        options: &PostgresOptions,
    ) -> Self {
        let PostgresOptions { read_wait, verify_reads, .. } = *options;
        let pool = |connections| {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(read_wait)
                .idle_timeout(None)
                // A connection that has just been used is there still; another may have been lost.
                .test_before_acquire(false)
                .before_acquire(|connection, used| {
                    Box::pin(async move {
                        if used.idle_for > TESTED_AFTER {
                            connection.ping().await?;
                        }
                        Ok(true)
                    })
                })
                .connect_lazy_with(address.reading())
        };
        let (points, pages) = (pool(POINT_CONNECTIONS), pool(PAGE_CONNECTIONS));
        Self { points, pages, ring, head: Head::new(head), read_wait, verify_reads }
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    pub(super) fn ring(&self) -> &Ring {
        &self.ring
    }

    pub(super) async fn close(&self) {
        self.head.end();
        self.points.close().await;
        self.pages.close().await;
    }

    /// Reads the head from the database, which other processes move too.
    pub(super) async fn refresh_head(&self) -> Result<(), StoreError> {
        let sql = "SELECT position FROM log_head";
        let row = self.one_row(&self.points, sqlx::query(sql)).await?;
        let row = row.ok_or_else(|| StoreError::Engine("log_head has no row".to_owned()))?;
        let head: i64 = row.try_get(0).map_err(engine)?;
        self.head.raise(Position::from_u64(head.unsigned_abs()));
        Ok(())
    }

    /// What the tables and their indexes take up.
    pub(super) async fn size_bytes(&self) -> Result<u64, StoreError> {
        const SQL: &str = "SELECT sum(pg_total_relation_size(relid))::bigint FROM ( \
                           SELECT relid FROM pg_partition_tree('event') UNION SELECT \
                           unnest('{log_head,stream,event_index,lookup}'::regclass[])) AS tables";
        let row = self.one_row(&self.pages, sqlx::query(SQL)).await?;
        let row = row.ok_or_else(|| StoreError::Engine("a sum has a row".to_owned()))?;
        row.try_get(0).map(i64::unsigned_abs).map_err(engine)
    }

    pub(super) async fn read_all(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let limit = limit.min(PAGE_EVENTS_MAX);
        // An empty page of the ring says nothing: others may have written since.
        let recent = self.ring.page(after, limit, PAGE_BYTES_MAX);
        if let Some(page) = recent.filter(|page| !page.is_empty()) {
            return Ok(page);
        }
        let page = sqlx::query(PAGE_SQL)
            .bind(saturating_i64(after.as_u64()))
            .bind(saturating_i64(limit as u64));
        let events = self.page(&self.pages, page).await?;
        check_page(after, &events, self.verify_reads)?;
        if let Some(last) = events.last() {
            self.head.raise(last.position);
        }
        Ok(events)
    }

    pub(super) async fn read_stream(
        &self,
        stream: &StreamName,
        from_version: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let page = sqlx::query(STREAM_SQL)
            .bind(stream.as_str())
            .bind(saturating_i64(from_version))
            .bind(saturating_i64(limit.min(PAGE_EVENTS_MAX) as u64));
        let events = self.page(&self.points, page).await?;
        if self.verify_reads {
            events.iter().try_for_each(RecordedEvent::verify_leaf)?;
        }
        for (event, version) in events.iter().zip(from_version..) {
            if event.version != version || event.stream != *stream {
                let reason = format!(
                    "version {} of {} where version {version} of {stream} should be",
                    event.version, event.stream
                );
                return Err(StoreError::Damaged { position: event.position, reason });
            }
        }
        Ok(events)
    }

    pub(super) async fn lookup(&self, key: &LookupKey) -> Result<Option<StreamName>, StoreError> {
        let query = sqlx::query(LOOKUP_SQL).bind(&key.0[..]);
        let Some(row) = self.one_row(&self.points, query).await? else { return Ok(None) };
        let name: Option<&str> = row.try_get(0).map_err(engine)?;
        let damaged =
            || StoreError::Engine(format!("{key:?} points to a stream that is not there"));
        name.and_then(|name| StreamName::new(name).ok()).ok_or_else(damaged).map(Some)
    }

    async fn one_row(&self, pool: &PgPool, query: Asked<'_>) -> Result<Option<PgRow>, StoreError> {
        self.in_time(async {
            let mut lent = Lent::by(pool).await?;
            let row = query.fetch_optional(lent.connection()?).await.map_err(engine)?;
            lent.give_back();
            Ok(row)
        })
        .await
    }

    async fn page(
        &self,
        pool: &PgPool,
        query: Asked<'_>,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.in_time(async {
            let mut lent = Lent::by(pool).await?;
            let Page { events, is_cut } = collect_page(query.fetch(lent.connection()?)).await?;
            // With rows on its wire it would have to read them all before the next query.
            if !is_cut {
                lent.give_back();
            }
            Ok(events)
        })
        .await
    }

    /// A database that says nothing must not hold those who read for ever.
    async fn in_time<T>(
        &self,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let silent = |_| {
            let seconds = self.read_wait.as_secs_f32();
            StoreError::Engine(format!("PostgreSQL has not answered for {seconds} s"))
        };
        timeout(self.read_wait, read).await.map_err(silent)?
    }
}

/// A query with its parameters.
type Asked<'q> = Query<'q, Postgres, PgArguments>;

/// A connection of a pool, which gets it back from whoever has read all of the answer. Otherwise it
/// is closed: the pool would wait for the rest of the answer, of a silent database for ever.
struct Lent(Option<PoolConnection<Postgres>>);

impl Lent {
    async fn by(pool: &PgPool) -> Result<Self, StoreError> {
        pool.acquire().await.map(|connection| Self(Some(connection))).map_err(engine)
    }

    fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        self.0.as_deref_mut().ok_or_else(|| engine(sqlx::Error::PoolClosed))
    }

    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

#[async_trait]
impl PageReader for Reader {
    async fn page_after(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.read_all(after, limit).await
    }
}

struct Page {
    events: Vec<RecordedEvent>,
    /// Whether rows were left on the wire.
    is_cut: bool,
}

async fn collect_page(
    mut rows: impl futures::Stream<Item = Result<PgRow, sqlx::Error>> + Unpin,
) -> Result<Page, StoreError> {
    let mut events = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.try_next().await.map_err(engine)? {
        let event = decode(&row)?;
        bytes += weight_bytes(&event);
        if bytes > PAGE_BYTES_MAX && !events.is_empty() {
            return Ok(Page { events, is_cut: true });
        }
        events.push(event);
    }
    Ok(Page { events, is_cut: false })
}

/// An event from the columns of `event_columns!`. Checks the shape only; the leaf is what
/// proves the content.
fn decode(row: &PgRow) -> Result<RecordedEvent, StoreError> {
    let position: i64 = row.try_get(0).map_err(engine)?;
    let position = Position::from_u64(position.unsigned_abs());
    decode_at(row, position).map_err(|reason| StoreError::Damaged { position, reason })
}

fn decode_at(row: &PgRow, position: Position) -> Result<RecordedEvent, String> {
    let stream: Option<&str> = get(row, 1)?;
    let stream = stream.ok_or("its stream is missing")?;
    let milliseconds: i64 = get(row, 6)?;
    let leaf: &[u8] = get(row, 9)?;
    Ok(RecordedEvent {
        position,
        id: get::<Uuid>(row, 3)?,
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

fn get<'r, T>(row: &'r PgRow, column: usize) -> Result<T, String>
where
    T: sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
{
    row.try_get(column).map_err(|error| error.to_string())
}

fn integer<T: TryFrom<i64>>(value: i64, name: &str) -> Result<T, String> {
    T::try_from(value).map_err(|_| format!("its {name} {value} is out of range"))
}

pub(super) fn engine(error: sqlx::Error) -> StoreError {
    StoreError::Engine(error.to_string())
}
