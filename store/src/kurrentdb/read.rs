//! Reading the log: pages of everything, one stream. KurrentDB gives an event out after it is on
//! the disks of a majority and in its index, in one order, so a position that was read has all
//! before it.

use super::address::KurrentDbUrl;
use super::index::{Followed, Place};
use super::link::{CallError, Link};
use super::record::decode;
use crate::head::Head;
use crate::port::{
    PAGE_BYTES_MAX, PAGE_EVENTS_MAX, Position, RecordedEvent, StoreError, StreamName,
};
use crate::prepare::weight_bytes;
use crate::ring::Ring;
use crate::tail::PageReader;
use async_trait::async_trait;
use eventstore::{Client, Error, ReadAllOptions, ReadStreamOptions, StreamPosition};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a read may take, at each attempt.
pub(super) const READ_WAIT_MAX: Duration = Duration::from_secs(30);
/// Events of the database that one call asks for at least: others than ours may lie in between.
const CALL_EVENTS_MIN: usize = 256;

/// The reading half of the store.
pub(super) struct Reader {
    pub(super) link: Link,
    prefix: String,
    ring: Ring,
    head: Head,
    /// The last event of ours that was seen: no log without it is this one.
    last_seen: Mutex<Option<Followed>>,
    read_wait: Duration,
    verify_reads: bool,
}

/// A piece of the order of all events.
#[derive(Debug)]
pub(super) struct Piece {
    /// Those of ours.
    pub(super) events: Vec<RecordedEvent>,
    /// How far it goes.
    pub(super) through: Place,
    /// Whether there was nothing more.
    pub(super) is_end: bool,
}

impl Reader {
    pub(super) fn new(
        address: &KurrentDbUrl,
        ring: Ring,
        read_wait: Duration,
        verify_reads: bool,
    ) -> Self {
        Self {
            link: Link::new(address),
            prefix: address.prefix(),
            ring,
            head: Head::new(Position::START),
            last_seen: Mutex::new(None),
            read_wait,
            verify_reads,
        }
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    pub(super) fn ring(&self) -> &Ring {
        &self.ring
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Shows events that were followed to everybody.
    pub(super) fn publish(&self, events: Vec<Arc<RecordedEvent>>, followed: Followed) {
        *self.last_seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(followed);
        self.ring.extend(events);
        if let Some((position, _)) = followed.last {
            self.head.raise(position);
        }
    }

    /// What comes after a place, at most `limit` events of ours.
    pub(super) async fn piece(&self, after: Place, limit: usize) -> Result<Piece, StoreError> {
        let asked = Asked {
            prefix: self.prefix.clone(),
            after: Some(after).filter(|after| *after > Place::default()),
            is_inclusive: false,
            // The event at the place comes again.
            count: limit.max(CALL_EVENTS_MIN).saturating_add(1),
            limit,
        };
        self.link.read(self.read_wait, move |client| read_piece(client, asked.clone())).await?
    }

    /// The event at a position, if there is one.
    pub(super) async fn event_at(
        &self,
        position: Position,
    ) -> Result<Option<RecordedEvent>, StoreError> {
        let after = Some(Place::of(position));
        let prefix = self.prefix.clone();
        let asked = Asked { prefix, after, is_inclusive: true, count: 1, limit: 1 };
        let read = self.link.read(self.read_wait, move |client| read_piece(client, asked.clone()));
        let event = read.await??.events.pop();
        Ok(event.filter(|event| event.position == position))
    }

    /// The last event of ours, and where the database ends; `None` where there is none.
    pub(super) async fn last_event(&self) -> Result<Option<RecordedEvent>, StoreError> {
        let prefix = self.prefix.clone();
        self.link.read(self.read_wait, move |client| read_last(client, prefix.clone())).await?
    }

    /// Makes sure that the database has what was seen of the log before. A leader that was
    /// replaced and lost what it had acknowledged, or a backup that was restored, has not.
    pub(super) async fn check_history(&self) -> Result<(), String> {
        let seen = *self.last_seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((position, leaf)) = seen.and_then(|seen| seen.last) else { return Ok(()) };
        match self.event_at(position).await.map_err(|error| error.to_string())? {
            Some(event) if event.leaf == leaf => Ok(()),
            _ => Err(format!(
                "the database does not have the event at position {position} that was seen \
                 there; nothing is written until the right database answers"
            )),
        }
    }

    pub(super) async fn read_all(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let limit = limit.min(PAGE_EVENTS_MAX);
        // An empty page of the ring says nothing: others may have written since.
        let recent = self.ring.page(after, limit, PAGE_BYTES_MAX);
        if let Some(page) = recent.filter(|page| !page.is_empty()) {
            return Ok(page);
        }
        let page = self.read_after(after, limit).await?;
        if !page.is_sorted_by(|one, two| one.position < two.position) {
            return Err(StoreError::Engine("the events of a page are not in order".to_owned()));
        }
        if self.verify_reads {
            page.iter().try_for_each(RecordedEvent::verify_leaf)?;
        }
        Ok(page)
    }

    async fn read_after(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        // Beyond this nothing is counted.
        if limit == 0 || i64::try_from(after.as_u64()).is_err() {
            return Ok(Vec::new());
        }
        let mut through = Place::of(after);
        loop {
            let piece = self.piece(through, limit).await?;
            if !piece.events.is_empty() || piece.is_end {
                return Ok(piece.events);
            }
            through = piece.through;
        }
    }

    pub(super) async fn read_stream(
        &self,
        stream: &StreamName,
        from_version: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let limit = limit.min(PAGE_EVENTS_MAX);
        if limit == 0 || i64::try_from(from_version).is_err() {
            return Ok(Vec::new());
        }
        let (prefix, name) = (self.prefix.clone(), format!("{}{stream}", self.prefix));
        let read = move |client| {
            read_stream_page(client, prefix.clone(), name.clone(), from_version, limit)
        };
        let events = match self.link.read(self.read_wait, read).await {
            Err(CallError::NoStream) => return Ok(Vec::new()),
            read => read??,
        };
        if self.verify_reads {
            events.iter().try_for_each(RecordedEvent::verify_leaf)?;
        }
        for (event, version) in events.iter().zip(from_version..) {
            if event.version != version || event.stream != *stream {
                let reason = format!(
                    "version {} of {} where version {version} of {stream} should be",
                    event.version, event.stream
                );
                return Err(StoreError::Damaged { position: event.position, reason });
            }
        }
        Ok(events)
    }
}

#[async_trait]
impl PageReader for Reader {
    async fn page_after(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.read_all(after, limit).await
    }
}

/// What a piece is asked for with.
#[derive(Clone)]
struct Asked {
    prefix: String,
    /// `None` is the beginning.
    after: Option<Place>,
    /// Whether what is at the place counts. KurrentDB gives it in any case.
    is_inclusive: bool,
    /// Events of the database, at most.
    count: usize,
    /// Events of ours, at most.
    limit: usize,
}

async fn read_piece(client: Client, asked: Asked) -> Result<Result<Piece, StoreError>, Error> {
    let from =
        asked.after.map_or(StreamPosition::Start, |after| StreamPosition::Position(after.into()));
    let options =
        ReadAllOptions::default().position(from).max_count(asked.count).requires_leader(true);
    let mut answers = client.read_all(&options).await?;
    let through = asked.after.unwrap_or_default();
    let mut piece = Piece { events: Vec::new(), through, is_end: false };
    let (mut got, mut bytes) = (0, 0);
    while let Some(resolved) = answers.next().await? {
        got += 1;
        let recorded = resolved.get_original_event();
        let place = Place::from(recorded.position);
        if !asked.is_inclusive && asked.after.is_some_and(|after| place <= after) {
            continue;
        }
        match decode(&asked.prefix, recorded) {
            Some(Ok(event)) => {
                bytes += weight_bytes(&event);
                let is_full = piece.events.len() == asked.limit || bytes > PAGE_BYTES_MAX;
                if is_full && !piece.events.is_empty() {
                    return Ok(Ok(piece));
                }
                piece.events.push(event);
            }
            // What stands before it can be read still.
            Some(Err(_)) if !piece.events.is_empty() => return Ok(Ok(piece)),
            Some(Err(error)) => return Ok(Err(error)),
            None => {}
        }
        piece.through = place;
    }
    piece.is_end = got < asked.count;
    Ok(Ok(piece))
}

async fn read_last(
    client: Client,
    prefix: String,
) -> Result<Result<Option<RecordedEvent>, StoreError>, Error> {
    let options = ReadAllOptions::default().position(StreamPosition::End).requires_leader(true);
    let mut answers = client.read_all(&options).await?;
    while let Some(resolved) = answers.next().await? {
        if let Some(decoded) = decode(&prefix, resolved.get_original_event()) {
            return Ok(decoded.map(Some));
        }
    }
    Ok(Ok(None))
}

async fn read_stream_page(
    client: Client,
    prefix: String,
    name: String,
    from_version: u64,
    limit: usize,
) -> Result<Result<Vec<RecordedEvent>, StoreError>, Error> {
    let options = ReadStreamOptions::default()
        .position(StreamPosition::Position(from_version))
        .max_count(limit)
        .requires_leader(true);
    let mut answers = client.read_stream(name, &options).await?;
    let (mut events, mut bytes) = (Vec::new(), 0);
    while let Some(resolved) = answers.next().await? {
        let Some(decoded) = decode(&prefix, resolved.get_original_event()) else { continue };
        let event = match decoded {
            Ok(event) => event,
            Err(error) => return Ok(Err(error)),
        };
        bytes += weight_bytes(&event);
        if bytes > PAGE_BYTES_MAX && !events.is_empty() {
            break;
        }
        events.push(event);
    }
    Ok(Ok(events))
}
