//! The embedded engine: one SQLite file, one writer with group commit, dense positions.
//!
//! Visible means durable: SQLite shows a commit to readers after its fsync, and the head moves
//! after that.

mod behind;
mod checkpoint;
mod insert;
pub(crate) mod integrity;
mod places;
mod read;
mod schema;
mod streams;
mod writer;

pub(crate) use schema::LOG_FILE;

pub use crate::group_commit::{CommitFault, CommitFaults};

use crate::file::{self, OpenError, Probe};
use crate::group_commit::plan::Base;
use crate::group_commit::queue::{QUEUE_APPENDS_MAX, QUEUE_WAIT_MAX, WriterHandle, on_own_thread};
use crate::lock::FolderLock;
use crate::port::{
    Append, AppendError, Appended, EventStore, LookupKey, OpenMode, Position, RecordedEvent,
    StoreError, StreamName, Subscription,
};
use crate::ring::Ring;
use crate::tail::Tail;
use async_trait::async_trait;
use places::{Backlog, RUN_ENTRIES};
use read::{Places, Reader};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use writer::{Writer, WriterParts, read_base};

/// Recent events kept in memory for live subscribers.
const RING_EVENTS_MAX: usize = 64 * 1024;
/// Their bytes: more than the processor's caches hold would make every new event's memory a
/// cold one.
const RING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How often a read-only store looks for events that another process has written.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Settings; the defaults are right for a server.
#[derive(Clone)]
pub struct SqliteOptions {
    /// How long a caller waits for a place in the writer's queue.
    pub queue_wait: Duration,
    /// Appends that may wait for the writer.
    pub queue_appends_max: usize,
    /// Whether the leaf of every event that is read from the disk is recomputed, about a
    /// microsecond each.
    pub verify_reads: bool,
    /// Size in pages of 4 KiB beyond which `log.db` must not grow; the store is then down for
    /// appends as on a full disk.
    pub size_pages_max: Option<u32>,
    /// Appends after which the index of the streams is brought up to date.
    #[doc(hidden)]
    pub index_run_appends: usize,
    /// Faults that tests inject into commits.
    #[doc(hidden)]
    pub commit_faults: Option<Arc<dyn CommitFaults>>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            queue_wait: QUEUE_WAIT_MAX,
            queue_appends_max: QUEUE_APPENDS_MAX,
            verify_reads: true,
            size_pages_max: None,
            index_run_appends: RUN_ENTRIES,
            commit_faults: None,
        }
    }
}

/// The log in `DATA/log.db`. Clones share it.
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

struct Inner {
    reader: Arc<Reader>,
    writer: Option<WriterHandle>,
    poll: Option<AbortHandle>,
}

impl SqliteStore {
    /// Opens the log of a data folder, with the default settings.
    pub async fn open(folder: &Path, mode: OpenMode) -> Result<Self, OpenError> {
        Self::open_with(folder, mode, SqliteOptions::default()).await
    }

    /// Opens the log of a data folder.
    pub async fn open_with(
        folder: &Path,
        mode: OpenMode,
        options: SqliteOptions,
    ) -> Result<Self, OpenError> {
        let inner = match mode {
            OpenMode::Writer => open_writer(folder, options).await?,
            OpenMode::ReadOnly => open_read_only(folder.join(schema::LOG_FILE), options).await?,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens a copy of a log under a name of its own, for reading.
    pub(crate) async fn open_copy(path: &Path) -> Result<Self, OpenError> {
        let inner = open_read_only(path.to_owned(), SqliteOptions::default()).await?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Takes no more appends, finishes the queued ones, empties the write-ahead log and lets go
    /// of the folder. Subscriptions end with an error. Also waits where another clone closes.
    pub async fn close(&self) {
        match &self.inner.writer {
            Some(writer) => writer.close().await,
            None => {
                // Or it would complain that there is nothing any more to look into.
                self.inner.poll.iter().for_each(AbortHandle::abort);
                self.inner.reader.close().await;
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(poll) = &self.poll {
            poll.abort();
            self.reader.head().end();
        }
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

async fn open_writer(folder: &Path, options: SqliteOptions) -> Result<Inner, OpenError> {
    std::fs::create_dir_all(folder).map_err(|error| file::io_error(folder, &error))?;
    let lock = FolderLock::acquire(folder)?;
    let path = folder.join(schema::LOG_FILE);
    let probe = schema::LOG.probe(&path).await?;
    if probe == Probe::Vacant {
        file::make_whole(&path, async |unfinished| {
            let created = schema::create(unfinished).await;
            created.map_err(|error| schema::LOG.open_error(unfinished, &error))
        })
        .await?;
    }
    let (connection, base, backlog) = connect(path.clone(), &options).await?;
    let head = base.head;
    let ring = Ring::new(head, RING_EVENTS_MAX, RING_BYTES_MAX);
    let places = Places::Writer(backlog.waiting());
    let reader = Reader::new(&path, Some(ring), places, head, options.verify_reads);
    reader.connect_points().await.map_err(|error| schema::LOG.open_error(&path, &error))?;
    let reader = Arc::new(reader);
    let start = |inbox| {
        let parts = WriterParts {
            reader: Arc::clone(&reader),
            inbox,
            faults: options.commit_faults,
            size_pages_max: options.size_pages_max,
            backlog,
            lock,
        };
        let writer = Writer::new(path.clone(), connection, base, parts)?;
        on_own_thread(|| writer.run())
    };
    let handle = WriterHandle::start(options.queue_appends_max, options.queue_wait, start);
    let handle = handle.map_err(|error: std::io::Error| OpenError::Engine {
        path: path.clone(),
        reason: format!("no thread for the writer: {error}"),
    })?;
    Ok(Inner { reader, writer: Some(handle), poll: None })
}

/// The writer's connection, and where the log stands. What a crash has left is put in order here,
/// which may take a while.
async fn connect(
    path: PathBuf,
    options: &SqliteOptions,
) -> Result<(Connection, Base, Backlog), OpenError> {
    let (size_pages_max, run_entries) = (options.size_pages_max, options.index_run_appends);
    let connecting = tokio::task::spawn_blocking(move || {
        let connected = schema::connect_writer(&path, size_pages_max).and_then(|connection| {
            schema::migrate(&connection)?;
            let backlog = Backlog::load(&connection, run_entries)?;
            Ok((read_base(&connection)?, backlog, connection))
        });
        connected.map(|(base, backlog, connection)| (connection, base, backlog)).map_err(|error| {
            schema::LOG.open_error_of(&path, schema::result_code(&error), error.to_string())
        })
    });
    connecting.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

async fn open_read_only(path: PathBuf, options: SqliteOptions) -> Result<Inner, OpenError> {
    let places = match schema::LOG.probe(&path).await? {
        Probe::Vacant => return Err(OpenError::Missing { what: schema::LOG.what, path }),
        Probe::Present { schema_version: 1 } => Places::FileOfVersion1,
        Probe::Present { .. } => Places::File,
    };
    let reader = Reader::new(&path, None, places, Position::START, options.verify_reads);
    let reader = Arc::new(reader);
    let read_error =
        |error: StoreError| OpenError::Engine { path: path.clone(), reason: error.to_string() };
    reader.refresh_head().await.map_err(read_error)?;
    let poll = tokio::spawn(poll_head(Arc::clone(&reader))).abort_handle();
    Ok(Inner { reader, writer: None, poll: Some(poll) })
}

async fn poll_head(reader: Arc<Reader>) {
    let mut interval = tokio::time::interval(POLL_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if let Err(error) = reader.refresh_head().await {
            tracing::warn!(%error, "cannot look for new events");
        }
    }
}

#[async_trait]
impl EventStore for SqliteStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        match &self.inner.writer {
            Some(writer) => writer.append(append).await,
            None => Err(AppendError::Down("the store was opened read-only".to_owned())),
        }
    }

    async fn read_stream(
        &self,
        stream: &StreamName,
        from_version: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.inner.reader.read_stream(stream, from_version, limit).await
    }

    async fn read_all(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.inner.reader.read_all(after, limit).await
    }

    async fn lookup(&self, key: &LookupKey) -> Result<Option<StreamName>, StoreError> {
        self.inner.reader.lookup(key).await
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.inner.reader.head().subscribe()
    }

    fn subscribe(&self, after: Position) -> Subscription {
        let reader = Arc::clone(&self.inner.reader);
        Subscription::new(Tail::new(reader, after, self.head()))
    }
}
