//! The engine for a cluster: one log in KurrentDB, which keeps every event on a majority of its
//! nodes. Positions are KurrentDB's own and have holes; versions are exact; what KurrentDB has no
//! index for is kept by each node in its data folder, and caught up from the log.
//!
//! Seen means durable: KurrentDB gives an event out after a majority has it, and nothing is
//! answered before it was seen. The streams of a log begin with its name, so that a database can
//! hold others beside it.
//!
//! Built with the feature `kurrentdb`, over KurrentDB's own client. What that client does wrong is
//! worked around in `link`, `guard` and `session`, and nowhere else.

pub(crate) mod address;
mod follow;
mod guard;
mod index;
mod link;
mod read;
mod record;
mod session;
mod stored;
mod writer;

pub use address::{KurrentDbUrl, KurrentDbUrlError};

use crate::file::OpenError;
use crate::group_commit::queue::{QUEUE_APPENDS_MAX, QUEUE_WAIT_MAX, WriterHandle};
use crate::port::{
    Append, AppendError, Appended, EventStore, LookupKey, OpenMode, Position, RecordedEvent,
    StoreError, StreamName, Subscription,
};
use crate::ring::Ring;
use crate::tail::Tail;
use async_trait::async_trait;
use follow::{Awaited, Follower};
use index::{Followed, INDEX_FILE, Index, Place};
use read::{READ_WAIT_MAX, Reader};
use session::ACKNOWLEDGE_WAIT_MAX;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle};
use writer::Writer;

/// Recent events kept in memory for live subscribers.
const RING_EVENTS_MAX: usize = 64 * 1024;
/// Their bytes.
const RING_BYTES_MAX: usize = 96 * 1024 * 1024;

/// Settings; the defaults are right for a server.
#[derive(Clone, Debug)]
pub struct KurrentDbOptions {
    /// How long a caller waits for a place in the writer's queue.
    pub queue_wait: Duration,
    /// Appends that may wait for the writer.
    pub queue_appends_max: usize,
    /// How long a read may take, at each attempt.
    pub read_wait: Duration,
    /// How long KurrentDB may take to acknowledge an append, at each attempt.
    pub acknowledge_wait: Duration,
    /// Whether the leaf of every event that is read from the database is computed again, about a
    /// microsecond each.
    pub verify_reads: bool,
}

impl Default for KurrentDbOptions {
    fn default() -> Self {
        Self {
            queue_wait: QUEUE_WAIT_MAX,
            queue_appends_max: QUEUE_APPENDS_MAX,
            read_wait: READ_WAIT_MAX,
            acknowledge_wait: ACKNOWLEDGE_WAIT_MAX,
            verify_reads: true,
        }
    }
}

/// A log in KurrentDB. Clones share it.
#[derive(Clone)]
pub struct KurrentDbStore {
    inner: Arc<Inner>,
}

struct Inner {
    reader: Arc<Reader>,
    writing: Option<Writing>,
    follow: AbortHandle,
    follow_ended: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

/// What only a writer has.
struct Writing {
    handle: WriterHandle,
    index: Arc<Index>,
}

impl KurrentDbStore {
    /// Opens the log at an address, with the default settings. A writer keeps its index in the
    /// folder, and catches it up first.
    pub async fn open(
        address: &KurrentDbUrl,
        folder: &Path,
        mode: OpenMode,
    ) -> Result<Self, OpenError> {
        Self::open_with(address, folder, mode, KurrentDbOptions::default()).await
    }

    /// Opens the log at an address.
    pub async fn open_with(
        address: &KurrentDbUrl,
        folder: &Path,
        mode: OpenMode,
        options: KurrentDbOptions,
    ) -> Result<Self, OpenError> {
        match mode {
            OpenMode::Writer => open_writer(address, folder, &options).await,
            OpenMode::ReadOnly => open_read_only(address, &options).await,
        }
    }

    fn new(reader: Arc<Reader>, writing: Option<Writing>, follower: Follower) -> Self {
        let following = tokio::spawn(follower.run());
        let follow = following.abort_handle();
        let follow_ended = tokio::sync::Mutex::new(Some(following));
        Self { inner: Arc::new(Inner { reader, writing, follow, follow_ended }) }
    }

    /// What the index takes up; what the log does, KurrentDB does not tell.
    pub fn index_bytes(folder: &Path) -> u64 {
        let files = [INDEX_FILE.to_owned(), format!("{INDEX_FILE}-wal")];
        let files = files.iter().filter_map(|name| folder.join(name).metadata().ok());
        files.map(|file| file.len()).sum()
    }

    /// Takes no more appends, finishes the queued ones, and lets go of the database.
    /// Subscriptions end with an error. Also waits where another clone closes.
    pub async fn close(&self) {
        if let Some(writing) = &self.inner.writing {
            writing.handle.close().await;
        }
        self.inner.follow.abort();
        if let Some(ended) = self.inner.follow_ended.lock().await.take() {
            // It ends by being aborted.
            let _ = ended.await;
        }
        self.inner.reader.head().end();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.follow.abort();
        self.reader.head().end();
    }
}

impl std::fmt::Debug for KurrentDbStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KurrentDbStore").finish_non_exhaustive()
    }
}

fn new_reader(address: &KurrentDbUrl, options: &KurrentDbOptions, floor: Position) -> Arc<Reader> {
    let ring = Ring::new(floor, RING_EVENTS_MAX, RING_BYTES_MAX);
    Arc::new(Reader::new(address, ring, options.read_wait, options.verify_reads))
}

fn unreachable_log(address: &KurrentDbUrl, reason: impl ToString) -> OpenError {
    OpenError::Database { address: address.to_string(), reason: reason.to_string() }
}

async fn open_read_only(
    address: &KurrentDbUrl,
    options: &KurrentDbOptions,
) -> Result<KurrentDbStore, OpenError> {
    let failed = |error: StoreError| unreachable_log(address, error);
    let reader = new_reader(address, options, Position::START);
    let last = reader.last_event().await.map_err(failed)?;
    let Some(last) = last else {
        return Err(OpenError::NoDatabaseLog { address: address.to_string() });
    };
    let followed =
        Followed { through: Place::of(last.position), last: Some((last.position, last.leaf)) };
    reader.ring().restart(last.position);
    reader.publish(Vec::new(), followed);
    let awaited = Arc::new(Awaited::default());
    let follower = Follower::new(Arc::clone(&reader), None, awaited, followed);
    Ok(KurrentDbStore::new(reader, None, follower))
}

async fn open_writer(
    address: &KurrentDbUrl,
    folder: &Path,
    options: &KurrentDbOptions,
) -> Result<KurrentDbStore, OpenError> {
    let failed = |error: StoreError| unreachable_log(address, error);
    let index = Arc::new(Index::open(folder, address.log())?);
    let mut followed = index.followed().map_err(failed)?;
    let reader = new_reader(address, options, Position::START);
    let there = match followed.last {
        Some((position, _)) => reader.event_at(position).await.map_err(failed)?,
        None => None,
    };
    if there.map(|event| (event.position, event.leaf)) != followed.last || followed.last.is_none() {
        if followed.last.is_some() {
            tracing::warn!("the index is not of this log; it is made anew");
        }
        index.clear().map_err(failed)?;
        followed = Followed::default();
    }
    reader.ring().restart(followed.last.map_or(Position::START, |(position, _)| position));
    reader.publish(Vec::new(), followed);
    let awaited = Arc::new(Awaited::default());
    let mut follower = Follower::new(
        Arc::clone(&reader),
        Some(Arc::clone(&index)),
        Arc::clone(&awaited),
        followed,
    );
    follower.catch_up().await.map_err(failed)?;
    let start = |inbox| {
        let (reader, index) = (Arc::clone(&reader), Arc::clone(&index));
        let writer = Writer::new(reader, index, awaited, inbox, options.acknowledge_wait);
        let (end, ended) = oneshot::channel();
        tokio::spawn(async move {
            writer.run().await;
            // Nobody need wait for the end.
            let _ = end.send(());
        });
        Ok::<_, OpenError>(ended)
    };
    let handle = WriterHandle::start(options.queue_appends_max, options.queue_wait, start)?;
    Ok(KurrentDbStore::new(reader, Some(Writing { handle, index }), follower))
}

impl Inner {
    /// Whether what came after the events that were followed leads a key anywhere.
    async fn lookup_beyond(
        &self,
        key: &LookupKey,
        mut after: Position,
    ) -> Result<Option<StreamName>, StoreError> {
        let mut found = None;
        loop {
            let page = self.reader.read_all(after, crate::port::PAGE_EVENTS_MAX).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = last.position;
            for event in &page {
                if crate::copy::keys_of(event)?.contains(key) {
                    found = Some(event.stream.clone());
                }
            }
        }
    }
}

#[async_trait]
impl EventStore for KurrentDbStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        match &self.inner.writing {
            Some(writing) => writing.handle.append(append).await,
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

    /// Without an index, which only a writer has, this reads the whole log.
    async fn lookup(&self, key: &LookupKey) -> Result<Option<StreamName>, StoreError> {
        let Some(writing) = &self.inner.writing else {
            return self.inner.lookup_beyond(key, Position::START).await;
        };
        let known = *self.inner.reader.head().subscribe().borrow();
        if let Some(stream) = writing.index.lookup(key)? {
            return Ok(Some(stream));
        }
        self.inner.lookup_beyond(key, known).await
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.inner.reader.head().subscribe()
    }

    fn subscribe(&self, after: Position) -> Subscription {
        let reader = Arc::clone(&self.inner.reader);
        Subscription::new(Tail::new(reader, after, self.head()))
    }
}
