//! Decides a batch: which appends go in, at which positions, and what the others are told.
//! Earlier appends of the batch count for later ones; a refused one falls out and the rest
//! goes on.

use super::insert::EventRow;
use super::streams::{StoredStream, StreamCache, load_known, load_streams};
use crate::port::{
    AppendError, Appended, LookupKey, Position, RecordedEvent, StoreError, StreamName,
};
use crate::prepare::{Known, Prepared, judge_ids};
use rusqlite::Connection;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// Which appends have their ids looked up before they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdCheck {
    /// Only those whose expected version does not fit; for the others the unique index on the
    /// ids stands guard.
    OnMismatch,
    /// All of them: the index has refused something.
    Always,
}

/// The decided batch.
#[derive(Default)]
pub(super) struct Plan {
    /// One for each append, in order; true once the rest is committed.
    pub(super) outcomes: Vec<Result<Appended, AppendError>>,
    pub(super) rows: Vec<EventRow>,
    pub(super) new_streams: Vec<(i64, Arc<str>)>,
    pub(super) keys: Vec<(LookupKey, i64)>,
    /// Where the streams of the batch stand after the commit.
    pub(super) streams_after: Vec<(StreamName, StoredStream)>,
    pub(super) bytes: usize,
}

/// Where the log stands before the batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base {
    pub(super) head: Position,
    pub(super) last_stream_id: i64,
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
pub(super) fn plan(
    connection: &Connection,
    cache: &mut StreamCache,
    base: Base,
    appends: &mut [&mut Prepared],
    id_check: IdCheck,
) -> Result<Plan, StoreError> {
    let mut streams = stage_streams(connection, cache, appends)?;
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
            let known = known_ids(connection, stream, &append.events)?;
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
    connection: &Connection,
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
    let loaded = load_streams(connection, &missing).map_err(unreadable)?;
    stored.extend(loaded);
    let stage = |append: &&mut Prepared| {
        let stored = stored.get(&append.stream).copied();
        let next_version = stored.map_or(0, |stream| stream.next_version);
        let id = stored.map(|stream| stream.id);
        let staged = Staged { stored, id, next_version, events: Vec::new(), by_id: HashMap::new() };
        (append.stream.clone(), staged)
    };
    Ok(appends.iter().map(stage).collect())
}

/// What the stream knows of the ids, in the file and earlier in the batch.
fn known_ids(
    connection: &Connection,
    stream: &mut Staged,
    events: &[Arc<RecordedEvent>],
) -> Result<Vec<(Uuid, Option<Known>)>, StoreError> {
    let stored = match stream.stored {
        Some(stored) => load_known(connection, stored, events).map_err(unreadable)?,
        None => HashMap::new(),
    };
    let mut known = Vec::with_capacity(events.len());
    for event in events {
        let staged = || stream.find(event.id).map(|staged| Known::of(staged, event));
        known.push((event.id, stored.get(&event.id).copied().or_else(staged)));
    }
    Ok(known)
}

fn unreadable(error: rusqlite::Error) -> StoreError {
    StoreError::Engine(error.to_string())
}
