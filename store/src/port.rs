//! The port every engine implements. An append is atomic within one stream; nothing here
//! promises more, and nothing above may need more.

use async_trait::async_trait;
use chargebook_proof::{CanonicalJson, Envelope, EnvelopeParts, LeafHash};
use chrono::{DateTime, SecondsFormat, Utc};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

/// Longest stream name, in bytes.
pub const STREAM_NAME_BYTES_MAX: usize = 200;
/// Most events in one append.
pub const APPEND_EVENTS_MAX: usize = 512;
/// Largest event: canonical `data` plus `meta`, in bytes.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// Largest append: canonical `data` plus `meta` of all its events, in bytes.
pub const APPEND_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest event type, in bytes.
pub const EVENT_TYPE_BYTES_MAX: usize = 100;
/// Most lookup keys on one event.
pub const EVENT_LOOKUP_KEYS_MAX: usize = 16;
/// Largest page of a read, in events.
pub const PAGE_EVENTS_MAX: usize = 4096;
/// Bytes of `data` and `meta` after which a page of a read ends early; it holds at least one
/// event all the same.
pub const PAGE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A place in the log's total order. Opaque: later is greater, and that is all; engines may
/// leave holes. [`Position::START`] precedes every event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);

    /// From an engine's own number, or from a client that got it from us.
    pub const fn from_u64(position: u64) -> Self {
        Self(position)
    }

    /// For storing and printing; do no arithmetic on it.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `category-identity`, such as `session-{uuid}`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(Arc<str>);

/// A stream name that is empty, too long, or holds something else than `a-z 0-9 - _ .`
/// (and `A-Z` in the identity).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no stream name (1 to {STREAM_NAME_BYTES_MAX} of a-z A-Z 0-9 - _ .)")]
pub struct StreamNameError(String);

impl StreamName {
    /// Checks and takes a name.
    pub fn new(name: impl Into<String>) -> Result<Self, StreamNameError> {
        let name = name.into();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > STREAM_NAME_BYTES_MAX || !name.chars().all(allowed) {
            return Err(StreamNameError(name));
        }
        Ok(Self(name.into()))
    }

    /// `session-{uuid}` and the like.
    pub fn of(category: &'static str, id: Uuid) -> Self {
        Self(format!("{category}-{id}").into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first `-`.
    pub fn category(&self) -> &str {
        self.0.split('-').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An opaque key under which a stream can be found again: a keyed hash made by the caller.
/// The latest append that carries a key owns it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupKey(pub [u8; 16]);

impl fmt::Debug for LookupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LookupKey({})", hex::encode(self.0))
    }
}

/// An event on its way into the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Unique in its stream; the same id again is the same event.
    pub id: Uuid,
    /// Past tense, dotted: `session.started`.
    pub event_type: Cow<'static, str>,
    /// Version of the schema of `data`, from 1.
    pub schema_version: u32,
    /// Our clock when it was decided.
    pub recorded_at: DateTime<Utc>,
    /// The fact.
    pub data: CanonicalJson,
    /// Who, why, in answer to what; holds the lookup keys as `keys` too, so that they can be
    /// derived from the log again.
    pub meta: CanonicalJson,
    /// Keys that point to this stream once the event is in.
    pub keys: Vec<LookupKey>,
}

/// An event in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Where it stands in the log.
    pub position: Position,
    /// Its own id.
    pub id: Uuid,
    /// Its stream.
    pub stream: StreamName,
    /// Its place in the stream, from 0 without holes.
    pub version: u64,
    /// Past tense, dotted.
    pub event_type: Cow<'static, str>,
    /// Version of the schema of `data`.
    pub schema_version: u32,
    /// Our clock, whole milliseconds.
    pub recorded_at: DateTime<Utc>,
    /// The fact.
    pub data: CanonicalJson,
    /// Who, why, in answer to what.
    pub meta: CanonicalJson,
    /// The leaf that the tree commits to, as stored beside the event.
    pub leaf: LeafHash,
}

impl RecordedEvent {
    /// The logical bytes that the leaf commits to.
    pub fn envelope(&self) -> Envelope {
        Envelope {
            id: self.id,
            stream: self.stream.as_str().to_owned(),
            version: self.version,
            event_type: self.event_type.clone().into_owned(),
            schema_version: self.schema_version,
            recorded_at: format_instant(self.recorded_at),
            data: self.data.clone(),
            meta: self.meta.clone(),
        }
    }

    /// Recomputes the leaf from the event as it was read: a flipped byte in the store shows
    /// here. Costs about a microsecond per kilobyte.
    pub fn verify_leaf(&self) -> Result<(), StoreError> {
        let leaf = EnvelopeParts {
            id: self.id,
            stream: self.stream.as_str(),
            version: self.version,
            event_type: &self.event_type,
            schema_version: self.schema_version,
            recorded_at: &format_instant(self.recorded_at),
            data: &self.data,
            meta: &self.meta,
        }
        .leaf_hash();
        if leaf == self.leaf {
            return Ok(());
        }
        Err(StoreError::Damaged {
            position: self.position,
            reason: format!("its bytes do not hash to its leaf {}", hex::encode(self.leaf.0)),
        })
    }
}

/// Whether a page is what comes after a position in an engine whose positions are dense: no event
/// is missing, none comes again, and each is what hashes to its leaf, where that is to be looked
/// at. Without this a damaged index could lead its reader round for ever.
pub(crate) fn check_page(
    after: Position,
    page: &[RecordedEvent],
    verify_leaves: bool,
) -> Result<(), StoreError> {
    let mut previous = after.as_u64();
    for event in page {
        let (position, expected) = (event.position.as_u64(), previous.saturating_add(1));
        if position != expected {
            let reason = format!("event {position} lies where it should be");
            return Err(StoreError::Damaged { position: Position::from_u64(expected), reason });
        }
        previous = position;
        if verify_leaves {
            event.verify_leaf()?;
        }
    }
    Ok(())
}

/// RFC 3339, UTC, milliseconds, `Z`: the only way the log writes an instant.
pub fn format_instant(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Whether a store may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// The one process that writes: holds the log's lock, creates what is missing.
    Writer,
    /// Reads only, also beside a running writer; creates nothing.
    ReadOnly,
}

/// What the writer believes of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedVersion {
    /// The stream does not exist yet.
    NoStream,
    /// The stream's last event has this version.
    Exact(u64),
}

impl ExpectedVersion {
    /// The version that the first appended event gets.
    pub fn next(self) -> u64 {
        match self {
            Self::NoStream => 0,
            Self::Exact(version) => version.saturating_add(1),
        }
    }
}

/// Events for one stream: all of them or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The stream.
    pub stream: StreamName,
    /// What the writer believes of it.
    pub expected: ExpectedVersion,
    /// 1 to [`APPEND_EVENTS_MAX`] events.
    pub events: Vec<NewEvent>,
}

/// A durable append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Version of the last event of the append.
    pub version: u64,
    /// Position of the last event of the append.
    pub position: Position,
    /// True where the same events were there before: nothing was written now.
    pub already: bool,
}

/// Why an append has not happened, or may not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The stream stands elsewhere: load again and decide again.
    #[error("the stream stands at {current:?}, not where the writer believed")]
    WrongVersion {
        /// Its last version; `None` if it does not exist.
        current: Option<u64>,
    },
    /// An id of the append is in the stream already, with other content or only in part.
    #[error("event id {id} is in the stream already with other content, at version {version}")]
    IdConflict {
        /// The id.
        id: Uuid,
        /// Version of the event that has it.
        version: u64,
        /// Position of the event that has it.
        position: Position,
    },
    /// Empty, too many events, or an event over [`EVENT_BYTES_MAX`].
    #[error("the append is out of bounds: {0}")]
    OutOfBounds(String),
    /// The queue to the writer stayed full; nothing was written.
    #[error("the store is overloaded; nothing was written")]
    Overloaded,
    /// It may have been committed: append again with the same ids to find out.
    #[error("the outcome is unknown; append the same ids again: {0}")]
    Unknown(String),
    /// The store cannot write now (disk full, read-only, closed); nothing was written.
    #[error("the store cannot write: {0}")]
    Down(String),
}

/// A read that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The engine failed.
    #[error("the store cannot read: {0}")]
    Engine(String),
    /// An event's bytes do not match its leaf.
    #[error("the event at position {position} is damaged: {reason}")]
    Damaged {
        /// Where.
        position: Position,
        /// What does not fit.
        reason: String,
    },
}

/// The log.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// Appends to one stream and returns once the events are durable (fsync). The id check
    /// precedes the version check: all ids present with the same content is
    /// `Appended { already: true }`. Content is type, schema version, data and meta; the
    /// version and the clock reading are not compared, so that a policy that runs twice, with
    /// ids derived from the cause, is absorbed.
    async fn append(&self, append: Append) -> Result<Appended, AppendError>;

    /// Events of a stream from a version on, in order, at most `limit`
    /// (and [`PAGE_EVENTS_MAX`], and about [`PAGE_BYTES_MAX`]). Only an empty page means that
    /// nothing follows.
    async fn read_stream(
        &self,
        stream: &StreamName,
        from_version: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError>;

    /// Events after a position, in order, at most `limit` (and [`PAGE_EVENTS_MAX`], and about
    /// [`PAGE_BYTES_MAX`]). Empty means: nothing after it yet.
    async fn read_all(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError>;

    /// The stream a key points to; believed only when caught up to the head.
    async fn lookup(&self, key: &LookupKey) -> Result<Option<StreamName>, StoreError>;

    /// The last durable position, as a level that can be waited on.
    fn head(&self) -> watch::Receiver<Position>;

    /// Every event after a position, exactly once, in order: history first, then live,
    /// without a seam.
    fn subscribe(&self, after: Position) -> Subscription;
}

/// How long a [gathering](Subscription::gathering) subscription lets events come together.
const GATHER_PAUSE: Duration = Duration::from_millis(20);
/// A page of so many events is followed by the next at once.
const GATHERED_EVENTS: usize = 500;

/// Yields pages of the log as they come; see [`EventStore::subscribe`].
pub struct Subscription {
    source: Box<dyn SubscriptionSource>,
    gathers: bool,
    /// A gathering subscription reads no earlier than this.
    due: Option<Instant>,
}

/// What an engine gives a [`Subscription`].
#[async_trait]
pub trait SubscriptionSource: Send {
    /// Waits until there is something after the last page, and returns it, in order, at
    /// least one event and at most [`PAGE_EVENTS_MAX`]. Cancel-safe: a dropped call loses
    /// nothing.
    async fn next_page(&mut self) -> Result<Vec<RecordedEvent>, StoreError>;
}

impl Subscription {
    /// Wraps an engine's source.
    pub fn new(source: impl SubscriptionSource + 'static) -> Self {
        Self { source: Box::new(source), gathers: false, due: None }
    }

    /// For those who follow the log behind everybody's back: after a small page it waits 20 ms
    /// before the next, so that a log that grows by a thousand appends a second does not wake
    /// them a thousand times. What comes after a pause in the log comes at once.
    #[must_use]
    pub fn gathering(mut self) -> Self {
        self.gathers = true;
        self
    }

    /// The next page: at least one event; waits at the head. Cancel-safe.
    pub async fn next_page(&mut self) -> Result<Vec<RecordedEvent>, StoreError> {
        if let Some(due) = self.due {
            sleep_until(due).await;
        }
        let page = self.source.next_page().await?;
        let gathers = self.gathers && page.len() < GATHERED_EVENTS;
        self.due = gathers.then(|| Instant::now() + GATHER_PAUSE);
        Ok(page)
    }
}
