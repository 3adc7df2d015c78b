//! A log in memory, for tests and tools: the same port and the same contract suite, gone with
//! the process.

use crate::port::{
    Append, AppendError, Appended, EventStore, LookupKey, PAGE_BYTES_MAX, PAGE_EVENTS_MAX,
    Position, RecordedEvent, StoreError, StreamName, Subscription,
};
use crate::prepare::{Known, Prepared, judge_ids, prepare, weight_bytes};
use crate::tail::{PageReader, Tail};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;
use uuid::Uuid;

/// A log in memory. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    log: RwLock<Log>,
    head: watch::Sender<Position>,
}

#[derive(Debug, Default)]
struct Log {
    /// In order; the position of an event is its index plus one.
    events: Vec<Arc<RecordedEvent>>,
    streams: HashMap<StreamName, Stream>,
    keys: HashMap<LookupKey, StreamName>,
}

#[derive(Debug, Default)]
struct Stream {
    /// Indexes into the log, by version.
    events: Vec<usize>,
    ids: HashMap<Uuid, usize>,
}

impl MemoryStore {
    /// An empty log.
    pub fn new() -> Self {
        let shared = Shared { log: RwLock::default(), head: watch::Sender::new(Position::START) };
        Self { shared: Arc::new(shared) }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Log {
    fn append(&mut self, prepared: Prepared) -> Result<Appended, AppendError> {
        let stream = self.streams.get(&prepared.stream);
        let known = |event: &RecordedEvent| {
            let stored = &self.events[*stream?.ids.get(&event.id)?];
            Some(Known::of(stored, event))
        };
        let known: Vec<_> = prepared.events.iter().map(|event| (event.id, known(event))).collect();
        if let Some(judgement) = judge_ids(&known) {
            return judgement;
        }
        let length = stream.map_or(0, |stream| stream.events.len() as u64);
        if prepared.expected.next() != length {
            return Err(AppendError::WrongVersion { current: length.checked_sub(1) });
        }
        Ok(self.write(prepared))
    }

    fn write(&mut self, prepared: Prepared) -> Appended {
        let stream = self.streams.entry(prepared.stream.clone()).or_default();
        let mut appended = Appended { version: 0, position: Position::START, already: false };
        for mut event in prepared.events {
            let index = self.events.len();
            Arc::make_mut(&mut event).position = Position::from_u64(index as u64 + 1);
            appended.version = event.version;
            appended.position = event.position;
            stream.events.push(index);
            stream.ids.insert(event.id, index);
            self.events.push(event);
        }
        for key in prepared.keys {
            self.keys.insert(key, prepared.stream.clone());
        }
        appended
    }
}

impl Shared {
    fn page(&self, after: Position, limit: usize) -> Vec<RecordedEvent> {
        let log = self.log.read().unwrap_or_else(PoisonError::into_inner);
        let from = usize::try_from(after.as_u64()).unwrap_or(usize::MAX).min(log.events.len());
        cut_to_bounds(log.events[from..].iter(), limit)
    }
}

#[async_trait]
impl PageReader for Shared {
    async fn page_after(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        Ok(self.page(after, limit))
    }
}

#[async_trait]
impl EventStore for MemoryStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let prepared = prepare(append)?;
        let mut log = self.shared.log.write().unwrap_or_else(PoisonError::into_inner);
        let appended = log.append(prepared)?;
        if !appended.already {
            // Still under the lock, so that the head never goes back.
            self.shared.head.send_replace(appended.position);
        }
        Ok(appended)
    }

    async fn read_stream(
        &self,
        stream: &StreamName,
        from_version: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let log = self.shared.log.read().unwrap_or_else(PoisonError::into_inner);
        let Some(stream) = log.streams.get(stream) else { return Ok(Vec::new()) };
        let from = usize::try_from(from_version).unwrap_or(usize::MAX).min(stream.events.len());
        let events = stream.events[from..].iter().map(|index| &log.events[*index]);
        Ok(cut_to_bounds(events, limit))
    }

    async fn read_all(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        Ok(self.shared.page(after, limit))
    }

    async fn lookup(&self, key: &LookupKey) -> Result<Option<StreamName>, StoreError> {
        let log = self.shared.log.read().unwrap_or_else(PoisonError::into_inner);
        Ok(log.keys.get(key).cloned())
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.shared.head.subscribe()
    }

    fn subscribe(&self, after: Position) -> Subscription {
        Subscription::new(Tail::new(self.shared.clone(), after, self.head()))
    }
}

fn cut_to_bounds<'a>(
    events: impl Iterator<Item = &'a Arc<RecordedEvent>>,
    limit: usize,
) -> Vec<RecordedEvent> {
    let mut page: Vec<RecordedEvent> = Vec::new();
    let mut bytes = 0;
    for event in events.take(limit.min(PAGE_EVENTS_MAX)) {
        bytes += weight_bytes(event);
        if bytes > PAGE_BYTES_MAX && !page.is_empty() {
            break;
        }
        page.push(RecordedEvent::clone(event));
    }
    page
}
