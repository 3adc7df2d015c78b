//! The log of the stand-in: streams with exact expected versions and KurrentDB's rules for events
//! that come again, and one order over all of them, with holes between the positions.

use crate::wire::batch_append_req::{Expected, ProposedMessage};
use crate::wire::read_resp::RecordedEvent;
use crate::wire::{StreamIdentifier, Uuid};
use std::collections::HashMap;

/// Where the first record of a new database ends.
const FIRST_POSITION: u64 = 1_337;
/// Bytes that a record takes beside what is in it.
const RECORD_BYTES: u64 = 80;
/// After so many appends the server writes an event of its own.
const STATISTICS_EVERY: u64 = 7;

/// An event in the order of all events.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) position: u64,
    pub(crate) stream: String,
    pub(crate) event: RecordedEvent,
}

/// Why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    WrongExpectedVersion,
    /// Some of the ids are there and some are not, or an event has no id.
    BadRequest,
}

/// Where an append ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) revision: u64,
    pub(crate) position: u64,
}

#[derive(Debug)]
pub(crate) struct Log {
    /// In order of their positions.
    events: Vec<Stored>,
    streams: HashMap<String, Vec<usize>>,
    next_position: u64,
    appends: u64,
}

impl Log {
    pub(crate) fn new() -> Self {
        let mut log = Self {
            events: Vec::new(),
            streams: HashMap::new(),
            next_position: FIRST_POSITION,
            appends: 0,
        };
        log.write_own("$streams", "$metadata");
        log
    }

    /// Events in order from an index on.
    pub(crate) fn events_from(&self, index: usize) -> &[Stored] {
        self.events.get(index..).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// The index of the first event at or after a position.
    pub(crate) fn index_of(&self, position: u64) -> usize {
        self.events.partition_point(|stored| stored.position < position)
    }

    /// The events of a stream; `None` where there is no such stream.
    pub(crate) fn stream(&self, name: &str) -> Option<Vec<&Stored>> {
        let indexes = self.streams.get(name)?;
        Some(indexes.iter().filter_map(|index| self.events.get(*index)).collect())
    }

    /// Appends, by the server's rules: an exact version that lies behind the stream's end is
    /// taken for a repeat where the same ids stand there; an id is looked for nowhere else.
    pub(crate) fn append(
        &mut self,
        stream: &str,
        expected: Expected,
        messages: Vec<ProposedMessage>,
    ) -> Result<Written, Refused> {
        let ids: Option<Vec<_>> =
            messages.iter().map(|message| message.id.as_ref()?.id()).collect();
        let ids = ids.filter(|ids| !ids.is_empty()).ok_or(Refused::BadRequest)?;
        let length = self.streams.get(stream).map_or(0, Vec::len) as u64;
        let first = match expected {
            Expected::At(revision) => revision + 1,
            Expected::NoStream(()) => 0,
            Expected::Any(()) | Expected::StreamExists(()) => length,
        };
        if first > length {
            return Err(Refused::WrongExpectedVersion);
        }
        if first < length {
            return self.repeated(stream, first, &ids);
        }
        let mut written = Written { revision: first, position: 0 };
        for (revision, (message, id)) in (first..).zip(messages.into_iter().zip(ids)) {
            written = Written { revision, position: self.write(stream, revision, id, message) };
        }
        self.appends += 1;
        if self.appends.is_multiple_of(STATISTICS_EVERY) {
            self.write_own("$stats-127.0.0.1", "$statsCollected");
        }
        Ok(written)
    }

    fn repeated(&self, stream: &str, first: u64, ids: &[uuid::Uuid]) -> Result<Written, Refused> {
        let stored = self.stream(stream).unwrap_or_default();
        let mut written = Written { revision: 0, position: 0 };
        for (index, id) in (usize::try_from(first).unwrap_or(usize::MAX)..).zip(ids) {
            let there = stored
                .get(index)
                .filter(|stored| stored.event.id.as_ref().and_then(Uuid::id).as_ref() == Some(id));
            match there {
                Some(stored) => {
                    written =
                        Written { revision: stored.event.revision, position: stored.position };
                }
                None if index as u64 == first => return Err(Refused::WrongExpectedVersion),
                None => return Err(Refused::BadRequest),
            }
        }
        Ok(written)
    }

    fn write(
        &mut self,
        stream: &str,
        revision: u64,
        id: uuid::Uuid,
        message: ProposedMessage,
    ) -> u64 {
        let position = self.next_position;
        let bytes = message.data.len() + message.custom_metadata.len();
        self.next_position += RECORD_BYTES + bytes as u64;
        let event = RecordedEvent {
            id: Some(id.into()),
            stream: Some(StreamIdentifier::of(stream)),
            revision,
            prepare_position: position,
            commit_position: position,
            metadata: message.metadata,
            custom_metadata: message.custom_metadata,
            data: message.data,
        };
        self.streams.entry(stream.to_owned()).or_default().push(self.events.len());
        self.events.push(Stored { position, stream: stream.to_owned(), event });
        position
    }

    /// What the server itself, or another program, writes in between.
    pub(crate) fn write_own(&mut self, stream: &str, event_type: &str) {
        let metadata = [("type", event_type), ("content-type", "application/json")];
        let metadata =
            metadata.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let id = uuid::Uuid::new_v4();
        let message = ProposedMessage {
            id: Some(id.into()),
            metadata,
            custom_metadata: Vec::new(),
            data: b"{}".to_vec(),
        };
        let revision = self.streams.get(stream).map_or(0, Vec::len) as u64;
        self.write(stream, revision, id, message);
    }

    /// Loses the last events, as a leader does that comes back as a follower.
    pub(crate) fn truncate(&mut self, events: usize) {
        self.events.truncate(self.events.len().saturating_sub(events));
        let length = self.events.len();
        for indexes in self.streams.values_mut() {
            indexes.retain(|index| *index < length);
        }
        self.streams.retain(|_, indexes| !indexes.is_empty());
    }
}
