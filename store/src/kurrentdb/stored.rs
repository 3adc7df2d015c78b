//! What is known of streams and of ids, for the decision of a batch: the index, and for streams
//! in which others have written meanwhile, what KurrentDB itself has beyond it.

use super::index::Index;
use super::read::Reader;
use crate::group_commit::plan::{StoredLog, StoredStream};
use crate::port::{PAGE_EVENTS_MAX, RecordedEvent, StoreError, StreamName};
use crate::prepare::{Known, Prepared};
use futures::future::join_all;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// Events that are read of one stream to catch up with other processes.
const TAIL_EVENTS_MAX: usize = 65_536;

/// What was looked up for one batch.
pub(super) struct Stored<'a> {
    index: &'a Index,
    tails: HashMap<StreamName, Tail>,
}

/// What a stream holds beyond the index.
struct Tail {
    next_version: u64,
    events: Vec<RecordedEvent>,
}

/// Looks beyond the index where an append expects more than that has, and in the streams that are
/// known to be ahead of it.
pub(super) async fn load<'a>(
    index: &'a Index,
    reader: &Reader,
    appends: &[&Prepared],
    ahead: &HashSet<StreamName>,
) -> Result<Stored<'a>, StoreError> {
    let mut ends: HashMap<&StreamName, u64> = HashMap::new();
    let mut asked: HashMap<&StreamName, u64> = HashMap::new();
    for append in appends {
        let stored = index.stream(&append.stream)?;
        let known = stored.map_or(0, |stream| stream.next_version);
        let end = ends.entry(&append.stream).or_insert(known);
        if append.expected.next() > *end || ahead.contains(&append.stream) {
            asked.insert(&append.stream, known);
        } else if append.expected.next() == *end {
            *end += append.events.len() as u64;
        }
    }
    let load = |(stream, from): (&StreamName, u64)| {
        let stream = stream.clone();
        async move { load_tail(reader, &stream, from).await.map(|tail| (stream, tail)) }
    };
    let tails = join_all(asked.into_iter().map(load)).await;
    Ok(Stored { index, tails: tails.into_iter().collect::<Result<_, _>>()? })
}

async fn load_tail(reader: &Reader, stream: &StreamName, from: u64) -> Result<Tail, StoreError> {
    let mut events: Vec<RecordedEvent> = Vec::new();
    while events.len() < TAIL_EVENTS_MAX {
        let next_version = from + events.len() as u64;
        let page = reader.read_stream(stream, next_version, PAGE_EVENTS_MAX).await?;
        if page.is_empty() {
            return Ok(Tail { next_version, events });
        }
        events.extend(page);
    }
    let reason = format!("more than {TAIL_EVENTS_MAX} events of {stream} are to be caught up with");
    Err(StoreError::Engine(reason))
}

impl StoredLog for Stored<'_> {
    fn streams(
        &mut self,
        names: &[&StreamName],
    ) -> Result<Vec<(StreamName, StoredStream)>, StoreError> {
        let mut streams = Vec::with_capacity(names.len());
        for name in names {
            let stored = self.index.stream(name)?;
            let tail = self.tails.get(*name).filter(|tail| tail.next_version > 0);
            let stream = match (stored, tail) {
                (stored, None) => stored,
                (Some(stored), Some(tail)) => {
                    let next_version = stored.next_version.max(tail.next_version);
                    Some(StoredStream { next_version, ..stored })
                }
                // The index has no row of it.
                (None, Some(tail)) => Some(StoredStream { id: 0, next_version: tail.next_version }),
            };
            streams.extend(stream.map(|stream| ((*name).clone(), stream)));
        }
        Ok(streams)
    }

    fn known(
        &mut self,
        stream: StoredStream,
        events: &[Arc<RecordedEvent>],
    ) -> Result<HashMap<Uuid, Known>, StoreError> {
        let mut known = self.index.known(stream.id, events)?;
        let tail = events.first().and_then(|event| self.tails.get(&event.stream));
        for stored in tail.into_iter().flat_map(|tail| &tail.events) {
            if let Some(event) = events.iter().find(|event| event.id == stored.id) {
                known.entry(event.id).or_insert_with(|| Known::of(stored, event));
            }
        }
        Ok(known)
    }
}
