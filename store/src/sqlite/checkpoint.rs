//! Moves the write-ahead log into the database beside the writer, so that no append waits for
//! it.

use super::schema::connect_writer;
use crate::file::BUSY_TIMEOUT;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Bytes of events after which the log is moved. Little at a time: while the database's pages
/// are on their way to the disk, the commits' own syncs wait behind them.
const CHECKPOINT_EVERY_BYTES: usize = 256 * 1024;
/// While many appends share each commit, the same pages change again and again: then it is moved
/// after so many bytes, each page once.
const BUSY_CHECKPOINT_EVERY_BYTES: usize = 1024 * 1024;
/// Pages of write-ahead log after which the writer itself waits for readers to let it start
/// over; otherwise, under constant load, it would grow without end.
const WRITE_AHEAD_PAGES_MAX: i64 = 16 * 1024;
/// How long it waits for them.
const RESTART_WAIT_MAX: Duration = Duration::from_millis(100);

/// The thread that checkpoints.
pub(super) struct Checkpointer {
    /// A checkpoint that is due while another is under way is done after it.
    due: SyncSender<()>,
    too_long: Arc<AtomicBool>,
    /// Bytes of events since the last one that was due.
    bytes: usize,
    thread: JoinHandle<()>,
}

impl Checkpointer {
    /// Starts the thread.
    pub(super) fn start(path: &Path) -> std::io::Result<Self> {
        let (due, wake) = sync_channel(1);
        let too_long = Arc::new(AtomicBool::new(false));
        let (path, told) = (path.to_owned(), Arc::clone(&too_long));
        let thread = std::thread::Builder::new()
            .name("log-checkpoint".to_owned())
            .spawn(move || run(&path, &wake, &told))?;
        Ok(Self { due, too_long, bytes: 0, thread })
    }

    /// Tells what was written since the last call, and whether the log is busy.
    pub(super) fn written(&mut self, bytes: usize, is_busy: bool) {
        self.bytes += bytes;
        let every = if is_busy { BUSY_CHECKPOINT_EVERY_BYTES } else { CHECKPOINT_EVERY_BYTES };
        if self.bytes >= every {
            self.bytes = 0;
            if let Err(TrySendError::Disconnected(())) = self.due.try_send(()) {
                tracing::error!("nothing moves the write-ahead log into the database any more");
            }
        }
    }

    /// Starts the write-ahead log over on the writer's own connection, between two batches, if
    /// it has grown too long. Gives up where readers are in the way; the next checkpoint asks
    /// again.
    pub(super) fn restart_if_long(&self, writer: &Connection) -> rusqlite::Result<()> {
        if !self.too_long.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        // Appends queue behind it.
        writer.busy_timeout(RESTART_WAIT_MAX)?;
        let restarted = writer.execute_batch("PRAGMA wal_checkpoint(RESTART)");
        writer.busy_timeout(BUSY_TIMEOUT)?;
        restarted
    }

    /// Ends the thread and waits for it.
    pub(super) fn stop(self) {
        drop(self.due);
        // A panic there has been reported; there is nothing left to wait for.
        let _ = self.thread.join();
    }
}

fn run(path: &Path, wake: &Receiver<()>, too_long: &AtomicBool) {
    let mut connection: Option<Connection> = None;
    while wake.recv().is_ok() {
        match checkpoint(path, &mut connection) {
            Ok(pages) => {
                if pages > WRITE_AHEAD_PAGES_MAX {
                    too_long.store(true, Ordering::Relaxed);
                }
            }
            Err(error) => {
                connection = None;
                tracing::warn!(%error, "the write-ahead log could not be moved into the database");
            }
        }
    }
}

/// One passive checkpoint; answers how many pages the write-ahead log has.
fn checkpoint(path: &Path, connection: &mut Option<Connection>) -> rusqlite::Result<i64> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(connect_writer(path, None)?),
    };
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))
}
