//! Moves the write-ahead log into the database beside the writer, so that no append waits for
//! it.

use super::schema::writer_options;
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection, Row};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Bytes of events after which the log is moved.
const CHECKPOINT_EVERY_BYTES: usize = 8 * 1024 * 1024;
/// Pages of write-ahead log after which the writer itself waits for readers to let it start
/// over; otherwise, under constant load, it would grow without end.
const WRITE_AHEAD_PAGES_MAX: i64 = 16 * 1024;

/// The side task that checkpoints.
pub(super) struct Checkpointer {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    wake: Notify,
    stopping: AtomicBool,
    too_long: AtomicBool,
    bytes: AtomicUsize,
}

impl Checkpointer {
    /// Starts the task.
    pub(super) fn start(path: &Path) -> Self {
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(run(path.to_owned(), Arc::clone(&shared)));
        Self { shared, task }
    }

    /// Tells what was written since the last call.
    pub(super) fn written(&self, bytes: usize) {
        let before = self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes >= CHECKPOINT_EVERY_BYTES {
            self.shared.bytes.store(0, Ordering::Relaxed);
            self.shared.wake.notify_one();
        }
    }

    /// Starts the write-ahead log over on the writer's own connection, between two batches, if
    /// it has grown too long. Gives up where readers are in the way; the next checkpoint asks
    /// again.
    pub(super) async fn restart_if_long(
        &self,
        writer: &mut SqliteConnection,
    ) -> Result<(), sqlx::Error> {
        if !self.shared.too_long.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        // A short wait: appends queue behind it. 5000 is the connection's own setting.
        let sql = "PRAGMA busy_timeout = 100; PRAGMA wal_checkpoint(RESTART); \
                   PRAGMA busy_timeout = 5000;";
        sqlx::raw_sql(sql).execute(writer).await.map(drop)
    }

    /// Ends the task and waits for it.
    pub(super) async fn stop(self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.shared.wake.notify_one();
        // A panic there has been reported; there is nothing left to wait for.
        let _ = self.task.await;
    }
}

async fn run(path: PathBuf, shared: Arc<Shared>) {
    let mut connection: Option<SqliteConnection> = None;
    loop {
        shared.wake.notified().await;
        if shared.stopping.load(Ordering::Relaxed) {
            break;
        }
        match checkpoint(&path, &mut connection).await {
            Ok(pages) if pages > WRITE_AHEAD_PAGES_MAX => {
                shared.too_long.store(true, Ordering::Relaxed);
            }
            Ok(_) => {}
            Err(error) => {
                connection = None;
                tracing::warn!(%error, "the write-ahead log could not be moved into the database");
            }
        }
    }
    if let Some(connection) = connection {
        // Read and written by others too; closing it needs no success.
        let _ = connection.close().await;
    }
}

/// One passive checkpoint; answers how many pages the write-ahead log has.
async fn checkpoint(
    path: &Path,
    connection: &mut Option<SqliteConnection>,
) -> Result<i64, sqlx::Error> {
    let connection = match connection {
        Some(connection) => connection,
        None => {
            let options = writer_options(path, None).create_if_missing(false);
            connection.insert(options.connect().await?)
        }
    };
    let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(connection).await?;
    row.try_get(1)
}
