//! The log in the domain's words: typed events in, typed events out.

use crate::clock::{Clock, derived_id};
use chargebook_domain::events::{Event, EventError, Meta};
use chargebook_domain::ids::{EventId, StationId};
use chargebook_domain::units::Timestamp;
use chargebook_store::port::{EVENT_BYTES_MAX, PAGE_BYTES_MAX};
use chargebook_store::{
    Append, AppendError, Appended, CanonicalError, CanonicalJson, EventStore, ExpectedVersion,
    LookupKey, NewEvent, Position, RecordedEvent, StoreError, StreamName, Subscription,
};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How often an append with an unknown outcome is repeated with the same ids before its caller
/// is told that it is unknown.
const UNKNOWN_RETRIES_MAX: u32 = 5;
/// First pause between such repeats; it doubles each time.
const UNKNOWN_RETRY_PAUSE: Duration = Duration::from_millis(20);
/// Events read at a time.
const PAGE_EVENTS: usize = 1000;
/// Pages read for the event that brought a key: a station that repeats itself without end asks for
/// no more of the log each time.
const KEYED_PAGES_MAX: u32 = 4;
/// A page with fewer events ends its stream: so few cannot fill a page's bytes, however large
/// they are.
const PAGE_SURELY_CUT_SHORT: usize = PAGE_BYTES_MAX / EVENT_BYTES_MAX;

/// An event on its way into the log.
#[derive(Clone, Debug)]
pub struct Draft {
    id: EventId,
    event: Event,
    caused_by: Option<EventId>,
    correlation: Option<Uuid>,
    station: Option<StationId>,
    actor: Option<Cow<'static, str>>,
    keys: Vec<LookupKey>,
}

impl Draft {
    /// A fact with an id of its own.
    pub fn new(id: EventId, event: impl Into<Event>) -> Self {
        Self {
            id,
            event: event.into(),
            caused_by: None,
            correlation: None,
            station: None,
            actor: None,
            keys: Vec::new(),
        }
    }

    /// What follows from `cause`: the id is derived, so it occurs once.
    pub fn following(cause: EventId, ordinal: u32, event: impl Into<Event>) -> Self {
        let event = event.into();
        let id = derived_id(cause, event.event_type(), ordinal);
        Self { caused_by: Some(cause), ..Self::new(id, event) }
    }

    /// Its id.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// The fact.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The fact, owned.
    pub fn into_event(self) -> Event {
        self.event
    }

    /// Names the station it is about.
    pub fn about(mut self, station: StationId) -> Self {
        self.station = Some(station);
        self
    }

    /// Names what it belongs to.
    pub fn within(mut self, correlation: Uuid) -> Self {
        self.correlation = Some(correlation);
        self
    }

    /// Names who decided it; `system` otherwise.
    pub fn by(mut self, actor: impl Into<Cow<'static, str>>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Adds a key that will find this stream.
    pub fn keyed(mut self, key: LookupKey) -> Self {
        self.keys.push(key);
        self
    }
}

/// An event read back.
#[derive(Clone, Debug)]
pub struct Fact {
    /// As the log holds it.
    pub recorded: RecordedEvent,
    /// Its meaning.
    pub event: Event,
}

impl Fact {
    /// Its id.
    pub fn id(&self) -> EventId {
        EventId(self.recorded.id)
    }

    /// When we recorded it.
    pub fn recorded_at(&self) -> Timestamp {
        Timestamp::new(self.recorded.recorded_at)
    }
}

/// Why a stream could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The engine.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An append failed.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// An event that this release cannot read.
    #[error("at position {position}: {source}")]
    Event {
        /// Where.
        position: Position,
        /// Why.
        source: EventError,
    },
    /// An event of ours that has no canonical form: a fault of this release.
    #[error("an event could not be written: {0}")]
    Unwritable(String),
}

impl JournalError {
    /// Whether the log is out of reach, and may be within it again by itself.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Store(StoreError::Engine(_)) => true,
            Self::Append(error) => matches!(
                error,
                AppendError::Down(_) | AppendError::Overloaded | AppendError::Unknown(_)
            ),
            Self::Store(StoreError::Damaged { .. }) | Self::Event { .. } | Self::Unwritable(_) => {
                false
            }
        }
    }
}

/// The log, a clock and the name of this process.
#[derive(Clone)]
pub struct Journal {
    store: Arc<dyn EventStore>,
    clock: Arc<dyn Clock>,
    node: Arc<str>,
}

impl Journal {
    /// Over an engine.
    pub fn new(store: Arc<dyn EventStore>, clock: Arc<dyn Clock>, node: &str) -> Self {
        Self { store, clock, node: node.into() }
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A fresh event id.
    pub fn fresh_id(&self) -> EventId {
        EventId(self.clock.fresh_id())
    }

    /// The engine.
    pub fn store(&self) -> &Arc<dyn EventStore> {
        &self.store
    }

    /// Appends to one stream; durable when it returns. An unknown outcome is resolved here, by
    /// asking again with the same ids.
    pub async fn append(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
        drafts: &[Draft],
    ) -> Result<Appended, JournalError> {
        let recorded_at = self.now();
        let events = drafts
            .iter()
            .map(|draft| self.envelope(draft, recorded_at))
            .collect::<Result<Vec<_>, _>>()?;
        let append = Append { stream: stream.clone(), expected, events };
        let mut unknown = match self.store.append(append.clone()).await {
            Err(AppendError::Unknown(reason)) => reason,
            outcome => return Ok(outcome?),
        };
        let mut pause = UNKNOWN_RETRY_PAUSE;
        for _ in 0..UNKNOWN_RETRIES_MAX {
            tracing::warn!(%stream, reason = unknown, "append outcome unknown, asking again");
            tokio::time::sleep(pause).await;
            pause *= 2;
            match self.store.append(append.clone()).await {
                Err(AppendError::Unknown(reason)) => unknown = reason,
                // Nothing of this attempt was written: that says nothing of the first.
                Err(AppendError::Down(_) | AppendError::Overloaded) => {}
                outcome => return Ok(outcome?),
            }
        }
        Err(AppendError::Unknown(unknown).into())
    }

    fn envelope(&self, draft: &Draft, recorded_at: Timestamp) -> Result<NewEvent, JournalError> {
        let unwritable = |error: CanonicalError| JournalError::Unwritable(error.to_string());
        let meta = Meta {
            actor: draft.actor.as_deref().unwrap_or("system").into(),
            caused_by: draft.caused_by,
            correlation: draft.correlation,
            station: draft.station,
            node: (&*self.node).into(),
            keys: draft.keys.iter().map(|key| hex::encode(key.0)).collect(),
        };
        Ok(NewEvent {
            id: draft.id.0,
            event_type: draft.event.event_type().into(),
            schema_version: draft.event.schema_version(),
            recorded_at: recorded_at.utc(),
            data: CanonicalJson::from_serialize(&draft.event.data()).map_err(unwritable)?,
            meta: CanonicalJson::from_serialize(&meta).map_err(unwritable)?,
            keys: draft.keys.clone(),
        })
    }

    /// Gives every event of a stream, from a version on, to `visit`, in order.
    pub async fn replay(
        &self,
        stream: &StreamName,
        from_version: u64,
        mut visit: impl FnMut(&RecordedEvent) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        let mut next = from_version;
        loop {
            let page = self.store.read_stream(stream, next, PAGE_EVENTS).await?;
            let Some(last) = page.last() else { return Ok(()) };
            next = last.version + 1;
            let is_last = page.len() < PAGE_SURELY_CUT_SHORT;
            for event in &page {
                visit(event)?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// The stream a key points to.
    pub async fn lookup(&self, key: &LookupKey) -> Result<Option<StreamName>, JournalError> {
        Ok(self.store.lookup(key).await?)
    }

    /// The event that brought a key to a stream. Where its last version is known the search goes
    /// from there back: what is looked for again is mostly recent. `None` also where it is not on
    /// the [`KEYED_PAGES_MAX`] pages that are read.
    pub async fn find_keyed(
        &self,
        stream: &StreamName,
        key: &LookupKey,
        last_version: Option<u64>,
    ) -> Result<Option<RecordedEvent>, JournalError> {
        let key = hex::encode(key.0);
        let page_events = PAGE_EVENTS as u64;
        let (mut from, mut until) = match last_version {
            Some(last) => (last.saturating_sub(page_events), last.saturating_add(1)),
            None => (0, u64::MAX),
        };
        let mut pages = 0;
        loop {
            let mut next = from;
            while next < until {
                if pages >= KEYED_PAGES_MAX {
                    return Ok(None);
                }
                pages += 1;
                let page = self.store.read_stream(stream, next, PAGE_EVENTS).await?;
                let Some(last) = page.last() else { break };
                next = last.version + 1;
                let found = page.into_iter().rfind(|event| event.meta.as_str().contains(&key));
                if found.is_some() {
                    return Ok(found);
                }
            }
            if from == 0 {
                return Ok(None);
            }
            until = from;
            from = from.saturating_sub(page_events);
        }
    }

    /// Every event after a position, history first, then live.
    pub fn subscribe(&self, after: Position) -> Subscription {
        self.store.subscribe(after)
    }
}

/// The meaning of a recorded event.
pub fn read_event(recorded: &RecordedEvent) -> Result<Event, JournalError> {
    Event::read(&recorded.event_type, recorded.schema_version, recorded.data.as_str())
        .map_err(|source| JournalError::Event { position: recorded.position, source })
}

/// Whether an event is an exchange: the verbatim record, which no fold needs.
pub fn is_exchange(recorded: &RecordedEvent) -> bool {
    &*recorded.event_type == "exchange.recorded"
}
