//! Moves the write-ahead log into the database beside the writer, so that no append waits for
//! it.
//!
//! SQLite notes which frames of the write-ahead log have been copied, and syncs the database only
//! when all have been. A sync that fails may have lost the pages of every copy since the last one
//! that succeeded: the kernel forgets them, and a later sync says nothing of them. So after a
//! failure the note is taken back, and all frames are copied again before the write-ahead log,
//! which has them on disk, may start over.

use super::schema::connect_writer;
use crate::file::BUSY_TIMEOUT;
use rusqlite::{Connection, ffi};
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
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

/// Where the shared memory file keeps how many frames have been copied, 4 bytes
/// (sqlite.org/walformat.html, 2.1).
const COPIED_FRAMES_AT: u64 = 96;

/// Checkpoints of one log, one at a time.
#[derive(Debug)]
pub(super) struct Checkpoints {
    shared_memory: PathBuf,
    state: Mutex<CheckpointState>,
}

#[derive(Debug, Default)]
struct CheckpointState {
    /// One has failed, and what it may have lost has not been taken back yet.
    has_failed: bool,
    /// Opened at the first failure, and never closed: with any descriptor that a process closes it
    /// loses all its locks on that file (POSIX), which SQLite's connections hold there.
    shared_memory: Option<&'static File>,
}

impl Checkpoints {
    pub(super) fn of(path: &Path) -> Self {
        let mut shared_memory = path.as_os_str().to_owned();
        shared_memory.push("-shm");
        Self { shared_memory: shared_memory.into(), state: Mutex::default() }
    }

    /// Runs one. After one that failed, nothing counts as copied.
    pub(super) fn run<T>(
        &self,
        checkpoint: impl FnOnce() -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.has_failed {
            self.copy_again(&mut state)?;
        }
        let done = checkpoint();
        if done.is_err() {
            state.has_failed = true;
            if let Err(error) = self.copy_again(&mut state) {
                tracing::warn!(%error, "the write-ahead log stays until it can be copied again");
            }
        }
        done
    }

    /// Nobody checkpoints meanwhile. A writer may write: it starts over only what is copied whole.
    fn copy_again(&self, state: &mut CheckpointState) -> rusqlite::Result<()> {
        let forgotten = self.forget_copied(state);
        forgotten.map_err(|error| {
            let failure = ffi::Error::new(ffi::SQLITE_IOERR);
            rusqlite::Error::SqliteFailure(failure, Some(error.to_string()))
        })?;
        state.has_failed = false;
        Ok(())
    }

    fn forget_copied(&self, state: &mut CheckpointState) -> std::io::Result<()> {
        let mut file = match state.shared_memory {
            Some(file) => file,
            None => {
                let file = OpenOptions::new().write(true).open(&self.shared_memory)?;
                *state.shared_memory.insert(Box::leak(Box::new(file)))
            }
        };
        file.seek(SeekFrom::Start(COPIED_FRAMES_AT))?;
        file.write_all(&0_u32.to_ne_bytes())
    }
}

/// The thread that checkpoints.
pub(super) struct Checkpointer {
    checkpoints: Arc<Checkpoints>,
    /// A checkpoint that is due while another is under way is done after it.
    due: SyncSender<()>,
    too_long: Arc<AtomicBool>,
    /// Bytes of events since the last one that was due.
    bytes: usize,
    thread: JoinHandle<()>,
}

impl Checkpointer {
    /// Starts the thread.
    pub(super) fn start(path: &Path, checkpoints: Arc<Checkpoints>) -> std::io::Result<Self> {
        let (due, wake) = sync_channel(1);
        let too_long = Arc::new(AtomicBool::new(false));
        let (path, told) = (path.to_owned(), Arc::clone(&too_long));
        let beside = Arc::clone(&checkpoints);
        let thread = std::thread::Builder::new()
            .name("log-checkpoint".to_owned())
            .spawn(move || run(&path, &beside, &wake, &told))?;
        Ok(Self { checkpoints, due, too_long, bytes: 0, thread })
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
        let restart = || writer.execute_batch("PRAGMA wal_checkpoint(RESTART)");
        let restarted = self.checkpoints.run(restart);
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

fn run(path: &Path, checkpoints: &Checkpoints, wake: &Receiver<()>, too_long: &AtomicBool) {
    let mut connection: Option<Connection> = None;
    while wake.recv().is_ok() {
        match checkpoints.run(|| checkpoint(path, &mut connection)) {
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
