//! The engine for many processes: one log in a PostgreSQL database, which any of them may read and
//! write. Dense positions, group commit in each process, and whoever follows the log is told of
//! what the others write.
//!
//! Visible means durable: PostgreSQL shows a commit to readers after it is on disk, and with
//! synchronous standbys after it is on theirs; the head moves after that.

mod address;
mod follow;
mod insert;
mod read;
mod schema;
mod sole;
mod stored;
mod term;
mod writer;

pub use address::{PostgresUrl, PostgresUrlError};

use crate::file::OpenError;
use crate::group_commit::CommitFaults;
use crate::group_commit::queue::{
    Inbox, QUEUE_APPENDS_MAX, QUEUE_WAIT_MAX, WriterHandle, on_own_thread,
};
use crate::port::{
    Append, AppendError, Appended, EventStore, LookupKey, OpenMode, Position, RecordedEvent,
    StoreError, StreamName, Subscription,
};
use crate::ring::Ring;
use crate::tail::Tail;
use async_trait::async_trait;
use read::{READ_WAIT_MAX, Reader};
use schema::{PARTITION_EVENTS, open_error};
use sole::SoleServer;
use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use term::{Seen, Standing};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use writer::{Writer, WriterParts};

/// Recent events kept in memory for live subscribers.
const RING_EVENTS_MAX: usize = 64 * 1024;
/// Their bytes.
const RING_BYTES_MAX: usize = 96 * 1024 * 1024;

/// Settings; the defaults are right for a server.
#[derive(Clone)]
pub struct PostgresOptions {
    /// How long a caller waits for a place in the writer's queue.
    pub queue_wait: Duration,
    /// Appends that may wait for the writer.
    pub queue_appends_max: usize,
    /// How long a read may take before its connection is given up.
    pub read_wait: Duration,
    /// Whether the leaf of every event that is read from the disk is recomputed, about a
    /// microsecond each.
    pub verify_reads: bool,
    /// Whether a writer is a server, of which a log has one: a second one is refused.
    pub sole_server: bool,
    /// Positions in one partition of a log that is made now.
    pub partition_events: u32,
    /// Faults that tests inject into commits.
    #[doc(hidden)]
    pub commit_faults: Option<Arc<dyn CommitFaults>>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            queue_wait: QUEUE_WAIT_MAX,
            queue_appends_max: QUEUE_APPENDS_MAX,
            read_wait: READ_WAIT_MAX,
            verify_reads: true,
            sole_server: false,
            partition_events: PARTITION_EVENTS,
            commit_faults: None,
        }
    }
}

/// A log in PostgreSQL. Clones share it.
#[derive(Clone)]
pub struct PostgresStore {
    inner: Arc<Inner>,
}

struct Inner {
    reader: Arc<Reader>,
    writer: Option<WriterHandle>,
    follow: AbortHandle,
    sole: Option<SoleServer>,
}

impl PostgresStore {
    /// Opens the log at an address, with the default settings. A writer makes the tables where
    /// there are none.
    pub async fn open(address: &PostgresUrl, mode: OpenMode) -> Result<Self, OpenError> {
        Self::open_with(address, mode, PostgresOptions::default()).await
    }

    /// Opens the log at an address.
    pub async fn open_with(
        address: &PostgresUrl,
        mode: OpenMode,
        options: PostgresOptions,
    ) -> Result<Self, OpenError> {
        let (reader, writer, sole) = match mode {
            OpenMode::Writer => open_writer(address, options).await?,
            OpenMode::ReadOnly => (open_read_only(address, &options).await?, None, None),
        };
        let follow = tokio::spawn(follow::follow(address.clone(), Arc::clone(&reader)));
        let follow = follow.abort_handle();
        Ok(Self { inner: Arc::new(Inner { reader, writer, follow, sole }) })
    }

    /// What the tables and their indexes take up.
    pub async fn size_bytes(&self) -> Result<u64, StoreError> {
        self.inner.reader.size_bytes().await
    }

    /// Takes no more appends, finishes the queued ones, and lets go of the database.
    /// Subscriptions end with an error. Also waits where another clone closes.
    pub async fn close(&self) {
        if let Some(writer) = &self.inner.writer {
            writer.close().await;
        }
        if let Some(sole) = &self.inner.sole {
            sole.end();
        }
        self.inner.follow.abort();
        self.inner.reader.close().await;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.follow.abort();
        self.reader.head().end();
    }
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

async fn open_read_only(
    address: &PostgresUrl,
    options: &PostgresOptions,
) -> Result<Arc<Reader>, OpenError> {
    let connected = address.reading().connect().await;
    let mut connection = connected.map_err(|error| open_error(address, &error))?;
    schema::check(address, &mut connection).await?;
    close(connection).await;
    let reader = new_reader(address, Position::START, options);
    let refreshed = reader.refresh_head().await;
    let failed = |error: StoreError| OpenError::Database {
        address: address.to_string(),
        reason: error.to_string(),
    };
    refreshed.map_err(failed).map(|()| reader)
}

async fn open_writer(
    address: &PostgresUrl,
    options: PostgresOptions,
) -> Result<(Arc<Reader>, Option<WriterHandle>, Option<SoleServer>), OpenError> {
    let (standing, channel) = enter_log(address, options.partition_events).await?;
    let is_another = Arc::new(AtomicBool::new(false));
    let sole = match options.sole_server {
        true => Some(SoleServer::take(address, Arc::clone(&is_another)).await?),
        false => None,
    };
    let reader = new_reader(address, standing.head, &options);
    let start = |inbox: Inbox| {
        let (address, reader) = (address.clone(), Arc::clone(&reader));
        let faults = options.commit_faults;
        let parts = WriterParts { address, channel, reader, inbox, faults, is_another };
        {
            let writer = Writer::new(standing, parts);
            on_own_thread(|| writer.run())
        }
    };
    let writer = WriterHandle::start(options.queue_appends_max, options.queue_wait, start);
    let failed = |error: std::io::Error| OpenError::Database {
        address: address.to_string(),
        reason: format!("no thread for the writer: {error}"),
    };
    let writer = writer.map_err(failed)?;
    Ok((reader, Some(writer), sole))
}

fn new_reader(address: &PostgresUrl, head: Position, options: &PostgresOptions) -> Arc<Reader> {
    let ring = Ring::new(head, RING_EVENTS_MAX, RING_BYTES_MAX);
    Arc::new(Reader::new(address, ring, head, options))
}

/// Makes the log where there is none, and looks where it stands and on which channel it is told.
async fn enter_log(
    address: &PostgresUrl,
    partition_events: u32,
) -> Result<(Standing, String), OpenError> {
    let failed = |error: sqlx::Error| open_error(address, &error);
    let mut connection = address.connect_writing().await.map_err(failed)?;
    schema::create_or_check(address, &mut connection, partition_events).await?;
    warn_of_weak_durability(&mut connection).await.map_err(failed)?;
    let standing = term::enter(&mut connection, &Seen::default()).await;
    let standing = standing.map_err(|error| OpenError::Database {
        address: address.to_string(),
        reason: error.to_string(),
    })?;
    let channel = sqlx::query(follow::CHANNEL_SQL).fetch_one(&mut connection).await;
    let channel = channel.and_then(|row| row.try_get(0)).map_err(failed)?;
    close(connection).await;
    Ok((standing, channel))
}

/// A whole server can be set so that a commit is not on disk with the answer. That is for its owner
/// to decide, and to be said aloud.
async fn warn_of_weak_durability(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let row = sqlx::query("SELECT current_setting('fsync')").fetch_one(connection).await?;
    let fsync: String = row.try_get(0)?;
    if fsync == "off" {
        tracing::warn!(
            fsync,
            "this database answers before a commit is on disk: what it has acknowledged may be \
             lost with the power"
        );
    }
    Ok(())
}

async fn close(connection: PgConnection) {
    // What was asked has been answered; whatever closing says changes nothing.
    let _ = connection.close().await;
}

#[async_trait]
impl EventStore for PostgresStore {
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
