//! What every engine does to an append before its own part: bounds, leaf hashes, and the
//! judgement of ids that were seen before. Runs in the caller's task, so that hashing spreads
//! over all of them and never holds up the one writer.

use crate::port::{
    APPEND_BYTES_MAX, APPEND_EVENTS_MAX, Append, AppendError, Appended, EVENT_BYTES_MAX,
    EVENT_LOOKUP_KEYS_MAX, EVENT_TYPE_BYTES_MAX, ExpectedVersion, LookupKey, NewEvent, Position,
    RecordedEvent, StreamName, format_instant,
};
use chargebook_proof::EnvelopeParts;
use chrono::{DateTime, Utc};
use std::sync::Arc;
use uuid::Uuid;

/// What an event weighs beside its JSON, in bytes: a round sum.
const FIXED_PARTS_BYTES: usize = 256;

/// An append within bounds, with its leaves; only positions are missing.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) stream: StreamName,
    pub(crate) expected: ExpectedVersion,
    /// In version order; positions are [`Position::START`] until the engine gives them.
    pub(crate) events: Vec<Arc<RecordedEvent>>,
    /// Keys of all events, in order.
    pub(crate) keys: Vec<LookupKey>,
    /// Bytes of `data` and `meta` of all events.
    pub(crate) bytes: usize,
}

impl Prepared {
    /// What it weighs in a queue.
    pub(crate) fn weight_bytes(&self) -> usize {
        self.bytes + self.events.len() * FIXED_PARTS_BYTES
    }
}

/// An event of the stream that has one of the append's ids.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) version: u64,
    pub(crate) position: Position,
    pub(crate) same_content: bool,
}

impl Known {
    /// The stored event seen beside the one that is to be appended under the same id.
    pub(crate) fn of(stored: &RecordedEvent, event: &RecordedEvent) -> Self {
        let same_content = Content::of(stored) == Content::of(event);
        Self { version: stored.version, position: stored.position, same_content }
    }
}

/// What two events under one id have to share in order to say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content<'a> {
    pub(crate) event_type: &'a str,
    pub(crate) schema_version: i64,
    pub(crate) data: &'a str,
    pub(crate) meta: &'a str,
}

impl<'a> Content<'a> {
    pub(crate) fn of(event: &'a RecordedEvent) -> Self {
        Self {
            event_type: &event.event_type,
            schema_version: event.schema_version.into(),
            data: event.data.as_str(),
            meta: event.meta.as_str(),
        }
    }
}

/// Checks the bounds and computes the leaves.
pub(crate) fn prepare(append: Append) -> Result<Prepared, AppendError> {
    let out_of_bounds = |reason: String| Err(AppendError::OutOfBounds(reason));
    let Append { stream, expected, events } = append;
    if events.is_empty() || events.len() > APPEND_EVENTS_MAX {
        let count = events.len();
        return out_of_bounds(format!("{count} events, not 1 to {APPEND_EVENTS_MAX}"));
    }
    let last_version = u64::try_from(events.len() - 1)
        .ok()
        .and_then(|more| expected.next().checked_add(more))
        .filter(|version| i64::try_from(*version).is_ok());
    if last_version.is_none() {
        return out_of_bounds(format!("version {expected:?} is out of range"));
    }
    let mut bytes = 0;
    for event in &events {
        bytes += check_event(event)?;
    }
    let mut ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
    ids.sort_unstable();
    if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        return out_of_bounds(format!("event id {} occurs twice", twice[0]));
    }
    if bytes > APPEND_BYTES_MAX {
        return out_of_bounds(format!("{bytes} bytes, more than {APPEND_BYTES_MAX}"));
    }
    let mut keys = Vec::new();
    let mut recorded = Vec::with_capacity(events.len());
    for (version, event) in (expected.next()..).zip(events) {
        keys.extend_from_slice(&event.keys);
        recorded.push(Arc::new(record(&stream, version, event)));
    }
    Ok(Prepared { stream, expected, events: recorded, keys, bytes })
}

/// Judges an append by what the stream knows of its ids, one entry per id; `None` where the
/// version check is to decide.
pub(crate) fn judge_ids(known: &[(Uuid, Option<Known>)]) -> Option<Result<Appended, AppendError>> {
    let present = || known.iter().filter_map(|(id, known)| Some((*id, (*known)?)));
    let (_, last) = present().max_by_key(|(_, known)| known.version)?;
    let other = present().find(|(_, known)| !known.same_content);
    let (id, Known { version, position, .. }) = match other {
        Some(other) => other,
        None if present().count() == known.len() => {
            let Known { version, position, .. } = last;
            return Some(Ok(Appended { version, position, already: true }));
        }
        // Some are in, some are not: an append is never split, so these are not the same.
        None => present().next()?,
    };
    Some(Err(AppendError::IdConflict { id, version, position }))
}

/// What an event weighs in queues and in the ring: its JSON and a flat sum for the rest.
pub(crate) fn weight_bytes(event: &RecordedEvent) -> usize {
    event.data.as_str().len() + event.meta.as_str().len() + FIXED_PARTS_BYTES
}

/// Cuts to whole milliseconds, towards the past.
pub(crate) fn whole_milliseconds(instant: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(instant.timestamp_millis()).unwrap_or(instant)
}

fn check_event(event: &NewEvent) -> Result<usize, AppendError> {
    let id: Uuid = event.id;
    let out_of_bounds = |reason: String| Err(AppendError::OutOfBounds(reason));
    let bytes = event.data.as_str().len() + event.meta.as_str().len();
    if bytes > EVENT_BYTES_MAX {
        return out_of_bounds(format!("event {id} has {bytes} bytes, more than {EVENT_BYTES_MAX}"));
    }
    if event.event_type.is_empty() || event.event_type.len() > EVENT_TYPE_BYTES_MAX {
        return out_of_bounds(format!("event {id}: type of 1 to {EVENT_TYPE_BYTES_MAX} bytes"));
    }
    if event.keys.len() > EVENT_LOOKUP_KEYS_MAX {
        let keys = event.keys.len();
        return out_of_bounds(format!("event {id} has {keys} lookup keys"));
    }
    Ok(bytes)
}

fn record(stream: &StreamName, version: u64, event: NewEvent) -> RecordedEvent {
    let recorded_at = whole_milliseconds(event.recorded_at);
    let leaf = EnvelopeParts {
        id: event.id,
        stream: stream.as_str(),
        version,
        event_type: &event.event_type,
        schema_version: event.schema_version,
        recorded_at: &format_instant(recorded_at),
        data: &event.data,
        meta: &event.meta,
    }
    .leaf_hash();
    RecordedEvent {
        position: Position::START,
        id: event.id,
        stream: stream.clone(),
        version,
        event_type: event.event_type,
        schema_version: event.schema_version,
        recorded_at,
        data: event.data,
        meta: event.meta,
        leaf,
    }
}
