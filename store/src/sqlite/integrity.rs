//! SQLite's own check of a file: pages, records, and that each index has what its table has; and
//! the same of the index that is ours.

use super::schema::LOG_FILE;
use crate::file::reading;
use futures::TryStreamExt;
use sqlx::{ConnectOptions, Connection, Row};
use std::path::Path;

/// Complaints that are told; the file is damaged by one as by many.
const COMPLAINTS_MAX: usize = 10;
/// The schema version that brought the index of the streams as a table.
const FIRST_WITH_OWN_INDEX: i64 = 2;

/// Events that the index of the streams should have and has not, or elsewhere.
const UNINDEXED_SQL: &str = "SELECT e.position FROM event e \
     WHERE e.position <= (SELECT position FROM stream_append_head) AND e.position IS NOT \
     (SELECT a.position + e.version - a.version FROM stream_append a \
      WHERE a.stream_id = e.stream_id AND a.version <= e.version \
      AND e.version < a.version + a.events \
      ORDER BY a.version DESC LIMIT 1) ORDER BY e.position LIMIT ?";
/// Of the places up to which it says that it is whole, those that can be: its only one.
const HEADS_THAT_CAN_BE_SQL: &str = "SELECT count(*) = 1 AND sum(position BETWEEN 0 AND \
     (SELECT coalesce(max(position), 0) FROM event)) = 1 FROM stream_append_head";
/// Entries of it whose last event is not there.
const DANGLING_SQL: &str = "SELECT a.position FROM stream_append a LEFT JOIN event e \
     ON e.position = a.position + a.events - 1 AND e.stream_id = a.stream_id \
     AND e.version = a.version + a.events - 1 WHERE e.position IS NULL ORDER BY 1 LIMIT ?";

/// What SQLite complains of; nothing where all is well. Reads the whole file, and holds the
/// write-ahead log of a running server back meanwhile.
pub(crate) async fn check(folder: &Path) -> Vec<String> {
    match complaints(folder).await {
        Ok(complaints) => complaints,
        Err(error) => vec![error.to_string()],
    }
}

async fn complaints(folder: &Path) -> Result<Vec<String>, sqlx::Error> {
    let path = folder.join(LOG_FILE);
    let mut connection = reading(&path).connect().await?;
    let sql = format!("PRAGMA integrity_check({COMPLAINTS_MAX})");
    let rows: Vec<String> = sqlx::query(sqlx::AssertSqlSafe(sql))
        .fetch(&mut connection)
        .and_then(async |row| row.try_get(0))
        .try_collect()
        .await?;
    let mut complaints: Vec<String> = rows.into_iter().filter(|row| row != "ok").collect();
    let mut number = async |sql: &'static str| -> Result<i64, sqlx::Error> {
        sqlx::query(sql).fetch_one(&mut connection).await?.try_get(0)
    };
    let page_bytes = number("PRAGMA page_size").await?.unsigned_abs();
    let version = number("PRAGMA user_version").await?;
    let bytes = std::fs::metadata(&path)?.len();
    if !bytes.is_multiple_of(page_bytes) {
        complaints.push(format!("the file ends within a page, at byte {bytes}"));
    }
    if version >= FIRST_WITH_OWN_INDEX {
        if number(HEADS_THAT_CAN_BE_SQL).await? != 1 {
            complaints.push("the index of the streams reaches where no event is".to_owned());
        }
        for (sql, complaint) in [
            (UNINDEXED_SQL, "the index of the streams does not lead to the event at position"),
            (DANGLING_SQL, "the index of the streams leads to no event at position"),
        ] {
            let query = sqlx::query(sql).bind(COMPLAINTS_MAX as i64);
            let rows = query.fetch(&mut connection).and_then(async |row| row.try_get::<i64, _>(0));
            let positions: Vec<i64> = rows.try_collect().await?;
            complaints.extend(positions.iter().map(|position| format!("{complaint} {position}")));
        }
    }
    connection.close().await?;
    Ok(complaints)
}
