//! The canonical dump: every row of every table by primary key, as bytes that do not depend on
//! the engine, the file or the history of batches. Equal state, equal hash.

use crate::error::ProjectionError;
use crate::generation::read_checkpoint;
use crate::read_models::ReadModels;
use crate::tables::{DUMPED, Table, Value};
use futures::TryStreamExt as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _};

/// The state of the read models at a position, as a hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CanonicalDump {
    /// Everything up to here is in it.
    pub position: u64,
    /// Rows of all tables.
    pub rows: u64,
    /// SHA-256 of the canonical dump, in hex.
    pub sha256: String,
}

impl ReadModels {
    /// Hashes the state as it is now; two equal states give equal hashes, however they came
    /// about. Reads every row.
    pub async fn canonical_dump(&self) -> Result<CanonicalDump, ProjectionError> {
        let mut connection = self.pool().acquire().await?;
        canonical_dump(&mut connection).await
    }
}

/// Hashes the state of one generation, in one read transaction.
pub(crate) async fn canonical_dump(
    connection: &mut SqliteConnection,
) -> Result<CanonicalDump, ProjectionError> {
    let mut transaction = connection.begin().await?;
    let position = read_checkpoint(&mut transaction).await?;
    let mut hasher = Sha256::new();
    let mut rows = 0;
    for table in DUMPED {
        rows += hash_table(&mut transaction, table, &mut hasher).await?;
    }
    transaction.rollback().await?;
    Ok(CanonicalDump { position: position.as_u64(), rows, sha256: hex::encode(hasher.finalize()) })
}

/// `T`, name and columns; then per row `R` and its values: `N`, `I` with the number in
/// decimal, or `S` with the text; each text behind its length in bytes and a `:`.
async fn hash_table(
    connection: &mut SqliteConnection,
    table: &Table,
    hasher: &mut Sha256,
) -> Result<u64, ProjectionError> {
    let columns = table.column_list("");
    hash_text(hasher, b'T', table.name);
    hash_text(hasher, b'C', &columns);
    let sql = format!("SELECT {columns} FROM {} ORDER BY {}", table.name, table.key_list());
    let mut found = sqlx::query(AssertSqlSafe(sql)).fetch(connection);
    let mut rows = 0;
    while let Some(row) = found.try_next().await? {
        hasher.update(b"R");
        for index in 0..table.columns.len() {
            match Value::read(&row, index)? {
                Value::Null => hasher.update(b"N"),
                Value::Integer(integer) => hash_text(hasher, b'I', &integer.to_string()),
                Value::Text(text) => hash_text(hasher, b'S', &text),
            }
        }
        rows += 1;
    }
    Ok(rows)
}

fn hash_text(hasher: &mut Sha256, tag: u8, text: &str) {
    hasher.update([tag]);
    hasher.update(text.len().to_string());
    hasher.update(b":");
    hasher.update(text);
}
