//! The tables of a log in PostgreSQL.
//!
//! `event` is partitioned by position, so that old ranges can be taken out as a whole. A unique
//! index of a partitioned table cannot reach beyond a partition, so `event_index` keeps the two
//! promises that reach over the whole log: one event for a version of a stream, and one for an id.

use super::address::PostgresUrl;
use crate::file::OpenError;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

/// What this program writes and reads.
const SCHEMA_VERSION: i64 = 1;
/// Positions in one partition of `event`, in a log that is made now.
pub(super) const PARTITION_EVENTS: u32 = 1 << 24;

/// A table of this log, or NULL: looked for in no other schema of the search path than the one
/// where it would be made.
macro_rules! own_table {
    ($name:literal) => {
        concat!("to_regclass(quote_ident(current_schema()) || '.' || ", $name, ")")
    };
}
pub(super) use own_table;

const SCHEMA: &str = r#"
CREATE TABLE log_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    schema_version bigint NOT NULL,
    position bigint NOT NULL,
    last_stream_id bigint NOT NULL,
    term bigint NOT NULL,
    timeline bigint NOT NULL,
    partition_events bigint NOT NULL
) WITH (fillfactor = 10);
CREATE TABLE stream (
    id bigint PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE
);
CREATE TABLE event (
    position bigint PRIMARY KEY,
    stream_id bigint NOT NULL,
    version bigint NOT NULL,
    id uuid NOT NULL,
    type text NOT NULL,
    schema_version bigint NOT NULL,
    recorded_at bigint NOT NULL,
    data text NOT NULL,
    meta text NOT NULL,
    leaf bytea NOT NULL
) PARTITION BY RANGE (position);
CREATE TABLE event_index (
    stream_id bigint,
    version bigint,
    id uuid NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (stream_id, version),
    UNIQUE (id, stream_id)
);
CREATE TABLE lookup (
    key bytea PRIMARY KEY,
    stream_id bigint NOT NULL
);
"#;

/// Held, for one transaction, by whoever changes the tables of any log of the database: `CBLG`.
const SCHEMA_LOCK: &str = "SELECT pg_advisory_xact_lock(1128418375)";

/// Makes the tables where there are none, and refuses those of a newer program.
pub(super) async fn create_or_check(
    address: &PostgresUrl,
    connection: &mut PgConnection,
    partition_events: u32,
) -> Result<(), OpenError> {
    let failed = |error: sqlx::Error| open_error(address, &error);
    let mut transaction = connection.begin().await.map_err(failed)?;
    sqlx::query(SCHEMA_LOCK).execute(&mut *transaction).await.map_err(failed)?;
    if version(&mut transaction).await.map_err(failed)?.is_none() {
        sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await.map_err(failed)?;
        let begin = "INSERT INTO log_head (schema_version, position, last_stream_id, term, \
                     timeline, partition_events) VALUES ($1, 0, 0, 0, 0, $2)";
        let begin = sqlx::query(begin).bind(SCHEMA_VERSION).bind(i64::from(partition_events));
        begin.execute(&mut *transaction).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    check(address, connection).await
}

/// Refuses a schema without a log, and one of a newer program.
pub(super) async fn check(
    address: &PostgresUrl,
    connection: &mut PgConnection,
) -> Result<(), OpenError> {
    let address = address.to_string();
    match version(connection).await {
        Ok(Some(SCHEMA_VERSION)) => Ok(()),
        Ok(Some(found)) => Err(OpenError::DatabaseSchema { address, found, known: SCHEMA_VERSION }),
        Ok(None) => Err(OpenError::NoDatabaseLog { address }),
        Err(error) => Err(OpenError::Database { address, reason: error.to_string() }),
    }
}

async fn version(connection: &mut PgConnection) -> Result<Option<i64>, sqlx::Error> {
    let there = concat!("SELECT ", own_table!("'log_head'"), " IS NOT NULL");
    if !sqlx::query(there).fetch_one(&mut *connection).await?.try_get(0)? {
        return Ok(None);
    }
    let found = sqlx::query("SELECT schema_version FROM log_head").fetch_optional(connection);
    found.await?.map(|row| row.try_get(0)).transpose()
}

/// How long making a partition waits for whoever holds the tables; appends wait as long.
const LOCK_WAIT: &str = "SET LOCAL lock_timeout = '1s'";

/// Makes the partitions that are missing for the positions from `first` to `last`. Attaching a
/// partition lets everybody else read and write meanwhile.
pub(super) async fn ensure_partitions(
    connection: &mut PgConnection,
    first: u64,
    last: u64,
    partition_events: u64,
) -> Result<(), sqlx::Error> {
    let index_of = |position: u64| position.saturating_sub(1) / partition_events;
    let mut transaction = connection.begin().await?;
    sqlx::query(LOCK_WAIT).execute(&mut *transaction).await?;
    sqlx::query(SCHEMA_LOCK).execute(&mut *transaction).await?;
    for index in index_of(first)..=index_of(last) {
        let there = concat!("SELECT ", own_table!("$1"), " IS NOT NULL");
        let there = sqlx::query(there).bind(format!("event_{index}"));
        if there.fetch_one(&mut *transaction).await?.try_get(0)? {
            continue;
        }
        let (from, to) = (index * partition_events + 1, (index + 1) * partition_events + 1);
        let sql = format!(
            "CREATE TABLE event_{index} (LIKE event INCLUDING DEFAULTS);
             ALTER TABLE event ATTACH PARTITION event_{index} FOR VALUES FROM ({from}) TO ({to});"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// Says what kept a log from being opened.
pub(super) fn open_error(address: &PostgresUrl, error: &sqlx::Error) -> OpenError {
    OpenError::Database { address: address.to_string(), reason: error.to_string() }
}
