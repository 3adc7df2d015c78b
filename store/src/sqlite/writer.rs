//! The one writer. It takes whatever queued during the last fsync as one batch, commits it
//! with one fsync, and only then answers. An idle log answers at the speed of one fsync; a busy
//! one shares it, and lets appends gather a little longer than that takes.
//!
//! After a commit that failed, nothing on that connection is believed any more: the kernel may
//! have dropped the pages and forgotten the failure. The connection is closed, the batch is
//! answered as unknown, and before anything else is answered the write-ahead log is moved into
//! the database through a new connection, with its own fsync.

use super::checkpoint::{Checkpointer, Checkpoints};
use super::insert::{insert_events, insert_streams, upsert_keys};
use super::places::Backlog;
use super::read::Reader;
use super::schema::{connect_writer, result_code};
use super::streams::File;
use crate::file::code;
use crate::group_commit::plan::{Base, IdCheck, Plan, StreamCache, plan, stream_cache};
use crate::group_commit::queue::{Inbox, Request, answer};
use crate::group_commit::{CommitFault, CommitFaults};
use crate::lock::FolderLock;
use crate::port::{AppendError, Appended, Position, StoreError};
use crate::prepare::Prepared;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

/// Most appends that share a commit.
const BATCH_APPENDS_MAX: usize = 1000;
/// A batch of so many appends means that more are on their way.
const BUSY_BATCH_APPENDS: usize = 32;
/// Then they may gather for so long: twice as many share an fsync and the index pages, for little
/// more waiting than the fsync itself.
const GATHERING_PAUSE: Duration = Duration::from_millis(2);
/// After a failure, how long the writer refuses before it tries the disk again.
const RECOVERY_PAUSE: Duration = Duration::from_millis(100);

/// What the writer's thread owns.
pub(super) struct Writer {
    path: PathBuf,
    reader: Arc<Reader>,
    requests: mpsc::Receiver<Request>,
    stop: Arc<Notify>,
    checkpoints: Arc<Checkpoints>,
    checkpointer: Checkpointer,
    faults: Option<Arc<dyn CommitFaults>>,
    size_pages_max: Option<u32>,
    /// `None` after a failure, until the recovery has succeeded.
    connection: Option<Connection>,
    recover_from: Instant,
    last_failure: String,
    cache: StreamCache,
    base: Base,
    backlog: Backlog,
    /// Last, so that the folder is let go of after everything else.
    _lock: FolderLock,
}

/// Why a batch was not committed.
#[derive(Debug, thiserror::Error)]
enum BatchError {
    /// The index on ids refused a row; the batch has to be decided again.
    #[error("the index on event ids contradicts the events")]
    IdSeenBefore,
    /// Nothing of it was written.
    #[error("{0}")]
    NotWritten(String),
    /// It may be in the log.
    #[error("{0}")]
    Unknown(String),
}

impl From<BatchError> for AppendError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Unknown(reason) => Self::Unknown(reason),
            refused => Self::Down(refused.to_string()),
        }
    }
}

impl Writer {
    /// A writer on an open connection, which stands at `base`.
    pub(super) fn new(
        path: PathBuf,
        connection: Connection,
        base: Base,
        parts: WriterParts,
    ) -> std::io::Result<Self> {
        let WriterParts { reader, inbox, faults, size_pages_max, backlog, lock } = parts;
        let Inbox { requests, stop } = inbox;
        let checkpoints = Arc::new(Checkpoints::of(&path));
        Ok(Self {
            reader,
            requests,
            stop,
            checkpointer: Checkpointer::start(&path, Arc::clone(&checkpoints))?,
            checkpoints,
            path,
            faults,
            size_pages_max,
            connection: Some(connection),
            recover_from: Instant::now(),
            last_failure: String::new(),
            cache: stream_cache(),
            base,
            backlog,
            _lock: lock,
        })
    }

    /// Serves the queue until the store is closed or dropped, then what is left in it.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_APPENDS_MAX);
        loop {
            let broken = self.connection.is_none();
            tokio::select! {
                biased;
                () = self.stop.notified() => self.requests.close(),
                count = self.requests.recv_many(&mut batch, BATCH_APPENDS_MAX) => {
                    if count == 0 {
                        break;
                    }
                    self.serve(&mut batch).await;
                    if count >= BUSY_BATCH_APPENDS {
                        sleep(GATHERING_PAUSE).await;
                    }
                }
                // Also without appends, so that what a lost answer left in the log is seen.
                () = sleep_until(self.recover_from), if broken => {
                    // A failure has set the time of the next attempt.
                    let _ = self.recover();
                }
            }
        }
        self.finish().await;
    }

    async fn serve(&mut self, batch: &mut Vec<Request>) {
        let committed = self.commit(batch).await;
        answer(batch, committed.map_err(AppendError::from));
    }

    async fn commit(
        &mut self,
        batch: &mut [Request],
    ) -> Result<Vec<Result<Appended, AppendError>>, BatchError> {
        self.recover().map_err(BatchError::NotWritten)?;
        self.relieve_write_ahead_log();
        let decided = match self.try_commit(batch, IdCheck::OnMismatch).await {
            Err(BatchError::IdSeenBefore) => self.try_commit(batch, IdCheck::Always).await,
            decided => decided,
        };
        if let Err(error) = &decided {
            self.disconnect(&error.to_string());
        }
        match decided? {
            (Plan { outcomes, rows, .. }, _) if rows.is_empty() => Ok(outcomes),
            (plan, entries_written) => Ok(self.publish(plan, entries_written)),
        }
    }

    /// Answers what was committed, and how many entries of the streams' index with it.
    async fn try_commit(
        &mut self,
        batch: &mut [Request],
        id_check: IdCheck,
    ) -> Result<(Plan, usize), BatchError> {
        let Some(connection) = &self.connection else {
            return Err(BatchError::NotWritten(self.last_failure.clone()));
        };
        let mut appends: Vec<&mut Prepared> =
            batch.iter_mut().map(|request| &mut request.append).collect();
        let waiting = self.backlog.waiting();
        let mut file = File { connection, waiting: &waiting };
        let planned = plan(&mut file, &mut self.cache, self.base, &mut appends, id_check);
        let plan =
            planned.map_err(|error: StoreError| BatchError::NotWritten(error.to_string()))?;
        if plan.rows.is_empty() {
            return Ok((plan, 0));
        }
        let written = write_rows(connection, &plan)
            .and_then(|()| self.backlog.write(connection, plan.rows.len()));
        let entries_written = match written {
            Ok(entries) => entries,
            Err(error) => return Err(self.judge_refused_rows(connection, &error)),
        };
        let fault = match &self.faults {
            Some(faults) => faults.at_commit().await,
            None => None,
        };
        self.finish_commit(fault)?;
        Ok((plan, entries_written))
    }

    fn judge_refused_rows(&self, connection: &Connection, error: &rusqlite::Error) -> BatchError {
        if result_code(error) != Some(code::CONSTRAINT) {
            return BatchError::NotWritten(error.to_string());
        }
        match execute(connection, "ROLLBACK") {
            Ok(()) => BatchError::IdSeenBefore,
            Err(error) => BatchError::NotWritten(error.to_string()),
        }
    }

    fn finish_commit(&mut self, fault: Option<CommitFault>) -> Result<(), BatchError> {
        let Some(connection) = &self.connection else {
            return Err(BatchError::NotWritten(self.last_failure.clone()));
        };
        if fault == Some(CommitFault::LostBefore) {
            return Err(BatchError::Unknown("injected: lost before the commit".to_owned()));
        }
        let begun = std::time::Instant::now();
        let committed = execute(connection, "COMMIT");
        metrics::histogram!("chargebook_store_commit_seconds").record(begun.elapsed());
        match committed {
            Ok(()) if fault == Some(CommitFault::LostAfter) => {
                Err(BatchError::Unknown("injected: lost after the commit".to_owned()))
            }
            Ok(()) => Ok(()),
            Err(error) => Err(self.judge_failed_commit(&error)),
        }
    }

    /// A full or read-only disk leaves the log as it was; then that is said, since it is more
    /// useful to the caller than "unknown". It is believed only after a look through a new
    /// connection, which reads the write-ahead log anew.
    fn judge_failed_commit(&mut self, error: &rusqlite::Error) -> BatchError {
        let reason = error.to_string();
        let may_be_unwritten = matches!(result_code(error), Some(code::FULL | code::READONLY));
        self.disconnect(&reason);
        if may_be_unwritten && self.stored_head().is_ok_and(|head| head == self.base.head) {
            return BatchError::NotWritten(reason);
        }
        BatchError::Unknown(reason)
    }

    fn stored_head(&self) -> rusqlite::Result<Position> {
        Ok(read_base(&connect_writer(&self.path, self.size_pages_max)?)?.head)
    }

    /// The batch is durable: now it may be seen and told.
    fn publish(
        &mut self,
        plan: Plan,
        entries_written: usize,
    ) -> Vec<Result<Appended, AppendError>> {
        for (name, stream) in plan.streams_after {
            self.cache.put(name, stream);
        }
        self.base.last_stream_id += plan.new_streams.len() as i64;
        metrics::counter!("chargebook_store_events_total").increment(plan.rows.len() as u64);
        if let Some(last) = plan.rows.last() {
            self.base.head = last.event.position;
        }
        self.backlog.committed(entries_written, &plan.rows);
        if let Some(ring) = self.reader.ring() {
            ring.extend(plan.rows.into_iter().map(|row| row.event));
        }
        self.reader.head().raise(self.base.head);
        self.checkpointer.written(plan.bytes, plan.outcomes.len() >= BUSY_BATCH_APPENDS);
        plan.outcomes
    }

    /// Closes the connection and forgets what was known through it.
    fn disconnect(&mut self, reason: &str) {
        self.cache.clear();
        reason.clone_into(&mut self.last_failure);
        if let Some(connection) = self.connection.take() {
            // Whatever closing says, the next connection is what counts.
            let _ = connection.close();
            self.recover_from = Instant::now() + RECOVERY_PAUSE;
        }
    }

    /// Opens a new connection after a failure. Moves the write-ahead log into the database
    /// first: what a failed fsync left in the kernel's memory alone is written and synced anew
    /// before anyone is told that it is there.
    fn recover(&mut self) -> Result<(), String> {
        if self.connection.is_some() {
            return Ok(());
        }
        if Instant::now() < self.recover_from {
            return Err(self.last_failure.clone());
        }
        match self.reconnect() {
            Ok(()) => {
                tracing::info!(head = %self.base.head, "the log can be written again");
                Ok(())
            }
            Err(error) => {
                self.last_failure = error.to_string();
                self.recover_from = Instant::now() + RECOVERY_PAUSE;
                Err(self.last_failure.clone())
            }
        }
    }

    fn reconnect(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let connection = connect_writer(&self.path, self.size_pages_max)?;
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        let busy: i64 =
            self.checkpoints.run(|| connection.query_row(checkpoint, [], |row| row.get(0)))?;
        if busy != 0 {
            return Err("readers kept the write-ahead log busy".into());
        }
        let base = read_base(&connection)?;
        if base.head != self.base.head
            && let Some(ring) = self.reader.ring()
        {
            ring.restart(base.head);
        }
        self.backlog.reload(&connection)?;
        self.base = base;
        self.reader.head().raise(base.head);
        self.connection = Some(connection);
        Ok(())
    }

    fn relieve_write_ahead_log(&self) {
        let Some(connection) = &self.connection else { return };
        if let Err(error) = self.checkpointer.restart_if_long(connection) {
            // The next statement on this connection tells whether it still works.
            tracing::warn!(%error, "the write-ahead log could not be restarted");
        }
    }

    async fn finish(mut self) {
        self.reader.close().await;
        self.checkpointer.stop();
        if let Some(connection) = self.connection.take() {
            let indexed = self.backlog.write_all(&connection);
            let truncate = || connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
            let truncated = self.checkpoints.run(truncate);
            let closed = connection.close().map_err(|(_, error)| error);
            if let Err(error) = indexed.and(truncated).and(closed) {
                tracing::warn!(%error, "the log was closed without putting its files in order");
            }
        }
    }
}

/// What the store hands to its writer.
pub(super) struct WriterParts {
    pub(super) reader: Arc<Reader>,
    pub(super) inbox: Inbox,
    pub(super) faults: Option<Arc<dyn CommitFaults>>,
    pub(super) size_pages_max: Option<u32>,
    pub(super) backlog: Backlog,
    pub(super) lock: FolderLock,
}

/// Where the log stands in the file.
pub(super) fn read_base(connection: &Connection) -> rusqlite::Result<Base> {
    let last = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let head = last("SELECT coalesce(max(position), 0) FROM event")?;
    Ok(Base {
        head: Position::from_u64(u64::try_from(head).unwrap_or(0)),
        last_stream_id: last("SELECT coalesce(max(id), 0) FROM stream")?,
    })
}

/// Begins a transaction and writes the batch into it.
fn write_rows(connection: &Connection, plan: &Plan) -> rusqlite::Result<()> {
    execute(connection, "BEGIN IMMEDIATE")?;
    insert_events(connection, &plan.rows)?;
    insert_streams(connection, &plan.new_streams)?;
    upsert_keys(connection, &plan.keys)
}

fn execute(connection: &Connection, sql: &'static str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}
