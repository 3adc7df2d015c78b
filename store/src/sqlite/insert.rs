//! Statements of the writer. A statement carries many rows, since binding row by row costs
//! more than the inserting; their numbers of rows are few and fixed, so that each is prepared
//! once and the statement cache stays small.

use super::read::saturating_i64;
use crate::port::{LookupKey, RecordedEvent};
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection};
use std::sync::{Arc, LazyLock};

/// The numbers of rows that statements come in, largest first; the last is one, so that any
/// number can be made up of them, and the small ones double, so that it takes few.
const STATEMENT_ROWS: [usize; 7] = [100, 32, 16, 8, 4, 2, 1];
const _: () = assert!(STATEMENT_ROWS[STATEMENT_ROWS.len() - 1] == 1);

/// An event with the stream's row id; its position is set.
pub(super) struct EventRow {
    pub(super) stream_id: i64,
    pub(super) event: Arc<RecordedEvent>,
}

/// One text per entry of [`STATEMENT_ROWS`].
struct Shapes(Vec<String>);

impl Shapes {
    fn new(head: &str, row: &str, tail: &str) -> Self {
        let shape = |rows: &usize| format!("{head} VALUES {}{tail}", vec![row; *rows].join(","));
        Self(STATEMENT_ROWS.iter().map(shape).collect())
    }
}

static EVENTS: LazyLock<Shapes> = LazyLock::new(|| {
    // OR FAIL: a refused row ends the batch anyway, so SQLite need not keep the pages that the
    // statement changes to undo it alone.
    let head = "INSERT OR FAIL INTO event (position, stream_id, version, id, type, \
                schema_version, recorded_at, data, meta, leaf)";
    Shapes::new(head, "(?,?,?,?,?,?,?,?,?,?)", "")
});
/// The same, each beginning the transaction: every statement of its own costs two changes of
/// thread.
static FIRST_EVENTS: LazyLock<Shapes> = LazyLock::new(|| {
    Shapes(EVENTS.0.iter().map(|insert| format!("BEGIN IMMEDIATE; {insert}")).collect())
});
static STREAMS: LazyLock<Shapes> =
    LazyLock::new(|| Shapes::new("INSERT OR FAIL INTO stream (id, name)", "(?,?)", ""));
static KEYS: LazyLock<Shapes> = LazyLock::new(|| {
    let tail = " ON CONFLICT (key) DO UPDATE SET stream_id = excluded.stream_id";
    Shapes::new("INSERT INTO lookup (key, stream_id)", "(?,?)", tail)
});

type Statement = Query<'static, Sqlite, SqliteArguments>;

/// Begins a transaction and writes the events in order; with no event, nothing is begun.
pub(super) async fn begin_with_events(
    connection: &mut SqliteConnection,
    rows: &[EventRow],
) -> Result<(), sqlx::Error> {
    let first = STATEMENT_ROWS.iter().find(|row_count| **row_count <= rows.len());
    let (first, rest) = rows.split_at(first.copied().unwrap_or(0));
    insert(connection, &FIRST_EVENTS, first, bind_event).await?;
    insert(connection, &EVENTS, rest, bind_event).await
}

fn bind_event(statement: Statement, EventRow { stream_id, event }: &EventRow) -> Statement {
    statement
        .bind(saturating_i64(event.position.as_u64()))
        .bind(*stream_id)
        .bind(saturating_i64(event.version))
        .bind(&event.id.as_bytes()[..])
        .bind(event.event_type.as_str())
        .bind(i64::from(event.schema_version))
        .bind(event.recorded_at.timestamp_millis())
        .bind(event.data.shared())
        .bind(event.meta.shared())
        .bind(&event.leaf.0[..])
}

/// Writes new streams: row id and name.
pub(super) async fn insert_streams(
    connection: &mut SqliteConnection,
    rows: &[(i64, Arc<str>)],
) -> Result<(), sqlx::Error> {
    let bind = |statement: Statement, (id, name): &(i64, Arc<str>)| {
        statement.bind(*id).bind(Arc::clone(name))
    };
    insert(connection, &STREAMS, rows, bind).await
}

/// Points keys to streams, whatever they pointed to before.
pub(super) async fn upsert_keys(
    connection: &mut SqliteConnection,
    rows: &[(LookupKey, i64)],
) -> Result<(), sqlx::Error> {
    let bind = |statement: Statement, (key, stream_id): &(LookupKey, i64)| {
        statement.bind(&key.0[..]).bind(*stream_id)
    };
    insert(connection, &KEYS, rows, bind).await
}

async fn insert<T>(
    connection: &mut SqliteConnection,
    shapes: &'static Shapes,
    mut rows: &[T],
    bind: impl Fn(Statement, &T) -> Statement,
) -> Result<(), sqlx::Error> {
    for (sql, row_count) in shapes.0.iter().zip(STATEMENT_ROWS) {
        while let Some((now, later)) = rows.split_at_checked(row_count) {
            let statement = now.iter().fold(sqlx::query(sql.as_str()), &bind);
            statement.execute(&mut *connection).await?;
            rows = later;
        }
    }
    Ok(())
}
