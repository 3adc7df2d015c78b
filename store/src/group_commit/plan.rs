//! Decides a batch: which appends go in, at which positions, and what the others are told.
//! Earlier appends of the batch count for later ones; a refused one falls out and the rest
//! goes on.

use crate::lru::Lru;
use crate::port::{
    AppendError, Appended, LookupKey, Position, RecordedEvent, StoreError, StreamName,
};
use crate::prepare::{Known, Prepared, judge_ids};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// Streams that the writer remembers; the least recently used half goes when it is full.
const CACHED_STREAMS_MAX: usize = 65_536;

/// A stream as it stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredStream {
    pub(crate) id: i64,
    /// The version that the next event gets.
    pub(crate) next_version: u64,
}

/// Remembers where streams stand.
pub(crate) type StreamCache = Lru<StreamName, StoredStream>;

/// An empty cache.
pub(crate) fn stream_cache() -> StreamCache {
    Lru::new(CACHED_STREAMS_MAX)
}

/// What the log holds already, as far as a decision needs it.
pub(crate) trait StoredLog {
    /// Where streams stand; those that are not there are absent from the answer.
    fn streams(
        &mut self,
        names: &[&StreamName],
    ) -> Result<Vec<(StreamName, StoredStream)>, StoreError>;

    /// What it has under the ids of `events` in a stream.
    fn known(
        &mut self,
        stream: StoredStream,
        events: &[Arc<RecordedEvent>],
    ) -> Result<HashMap<Uuid, Known>, StoreError>;
}

/// An event with the stream's row id; its position is set.
pub(crate) struct EventRow {
    pub(crate) stream_id: i64,
    pub(crate) event: Arc<RecordedEvent>,
}

/// Which appends have their ids looked up before they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdCheck {
    /// Only those whose expected version does not fit; for the others the unique index on the
    /// ids stands guard.
    OnMismatch,
    /// All of them: the index has refused something.
    Always,
}

/// The decided batch.
#[derive(Default)]
pub(crate) struct Plan {
    /// One for each append, in order; true once the rest is committed.
    pub(crate) outcomes: Vec<Result<Appended, AppendError>>,
    pub(crate) rows: Vec<EventRow>,
    pub(crate) new_streams: Vec<(i64, Arc<str>)>,
    pub(crate) keys: Vec<(LookupKey, i64)>,
    /// Where the streams of the batch stand after the commit.
    pub(crate) streams_after: Vec<(StreamName, StoredStream)>,
    pub(crate) bytes: usize,
}

/// Where the log stands before the batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base {
    pub(crate) head: Position,
    pub(crate) last_stream_id: i64,
}

/// A stream of the batch.
struct Staged {
    stored: Option<StoredStream>,
    /// Row id, once it has one.
    id: Option<i64>,
    next_version: u64,
    events: Vec<Arc<RecordedEvent>>,
    /// The first so many of `events` by id; extended only when an id has to be looked up.
    by_id: HashMap<Uuid, usize>,
}

impl Staged {
    fn find(&mut self, id: Uuid) -> Option<&RecordedEvent> {
        for index in self.by_id.len()..self.events.len() {
            self.by_id.insert(self.events[index].id, index);
        }
        self.by_id.get(&id).map(|index| &*self.events[*index])
    }
}

/// Decides the appends in order.
pub(crate) fn plan(
    stored: &mut impl StoredLog,
    cache: &mut StreamCache,
    base: Base,
    appends: &mut [&mut Prepared],
    id_check: IdCheck,
) -> Result<Plan, StoreError> {
    let mut streams = stage_streams(stored, cache, appends)?;
    let mut plan = Plan::default();
    let mut position = base.head.as_u64();
    let mut stream_id = base.last_stream_id;
    let mut keys: HashMap<LookupKey, i64> = HashMap::new();
    for append in appends {
        let Some(stream) = streams.get_mut(&append.stream) else {
            return Err(StoreError::Engine("a stream of the batch was not staged".to_owned()));
        };
        let fits = append.expected.next() == stream.next_version;
        if !fits || id_check == IdCheck::Always {
            let known = known_ids(stored, stream, &append.events)?;
            if let Some(judgement) = judge_ids(&known) {
                plan.outcomes.push(judgement);
                continue;
            }
        }
        if !fits {
            let current = stream.next_version.checked_sub(1);
            plan.outcomes.push(Err(AppendError::WrongVersion { current }));
            continue;
        }
        let id = *stream.id.get_or_insert_with(|| {
            stream_id += 1;
            plan.new_streams.push((stream_id, append.stream.as_str().into()));
            stream_id
        });
        for event in &mut append.events {
            position += 1;
            Arc::make_mut(event).position = Position::from_u64(position);
            stream.events.push(Arc::clone(event));
            plan.rows.push(EventRow { stream_id: id, event: Arc::clone(event) });
        }
        keys.extend(append.keys.iter().map(|key| (*key, id)));
        plan.bytes += append.bytes;
        let version = append.expected.next() + append.events.len() as u64 - 1;
        stream.next_version = version + 1;
        let position = Position::from_u64(position);
        plan.outcomes.push(Ok(Appended { version, position, already: false }));
    }
    plan.keys = keys.into_iter().collect();
    plan.streams_after = streams.into_iter().filter_map(stream_after).collect();
    Ok(plan)
}

fn stream_after((name, stream): (StreamName, Staged)) -> Option<(StreamName, StoredStream)> {
    Some((name, StoredStream { id: stream.id?, next_version: stream.next_version }))
}

fn stage_streams(
    log: &mut impl StoredLog,
    cache: &mut StreamCache,
    appends: &[&mut Prepared],
) -> Result<HashMap<StreamName, Staged>, StoreError> {
    let mut stored: HashMap<StreamName, StoredStream> = HashMap::new();
    let mut missing: HashSet<&StreamName> = HashSet::new();
    for append in appends {
        match cache.get(&append.stream) {
            Some(stream) => {
                stored.insert(append.stream.clone(), stream);
            }
            None => {
                missing.insert(&append.stream);
            }
        }
    }
    let missing: Vec<&StreamName> = missing.into_iter().collect();
    stored.extend(log.streams(&missing)?);
    let stage = |append: &&mut Prepared| {
        let stored = stored.get(&append.stream).copied();
        let next_version = stored.map_or(0, |stream| stream.next_version);
        let id = stored.map(|stream| stream.id);
        let staged = Staged { stored, id, next_version, events: Vec::new(), by_id: HashMap::new() };
        (append.stream.clone(), staged)
    };
    Ok(appends.iter().map(stage).collect())
}

/// What the stream knows of the ids, in the log and earlier in the batch.
fn known_ids(
    log: &mut impl StoredLog,
    stream: &mut Staged,
    events: &[Arc<RecordedEvent>],
) -> Result<Vec<(Uuid, Option<Known>)>, StoreError> {
    let stored = match stream.stored {
        Some(stored) => log.known(stored, events)?,
        None => HashMap::new(),
    };
    let mut known = Vec::with_capacity(events.len());
    for event in events {
        let staged = || stream.find(event.id).map(|staged| Known::of(staged, event));
        known.push((event.id, stored.get(&event.id).copied().or_else(staged)));
    }
    Ok(known)
}
