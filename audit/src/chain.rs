//! The bundle's events with their meaning read, found by id and by stream; and which of them
//! the bill has been found to rest on.

use crate::AuditError;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{ExchangeRecorded, ExchangeReread};
use chargebook_domain::ids::EventId;
use chargebook_domain::units::Timestamp;
use chargebook_proof::Envelope;
use chargebook_proof::bundle::{ProvenEvent, VerifiedBundle};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// A proven event with its meaning.
pub(crate) struct Entry<'b> {
    /// Leaf index: its place in the log.
    pub(crate) index: u64,
    pub(crate) id: EventId,
    pub(crate) envelope: &'b Envelope,
    pub(crate) event: Event,
}

/// All events of a bundle.
pub(crate) struct Chain<'b> {
    entries: Vec<Entry<'b>>,
    by_id: BTreeMap<EventId, usize>,
    /// For each refused exchange that was read again, the place of the event that says so.
    rereads: BTreeMap<EventId, usize>,
    /// What something in the bill rests on; the rest has no place in the bundle.
    used: RefCell<BTreeSet<EventId>>,
}

impl<'b> Chain<'b> {
    /// Reads every event; an id that occurs twice would make references ambiguous, and so would
    /// an exchange that was read again twice.
    pub(crate) fn read(bundle: &'b VerifiedBundle) -> Result<Self, AuditError> {
        let entries: Vec<Entry<'b>> = bundle.events.iter().map(entry).collect::<Result<_, _>>()?;
        let (mut by_id, mut rereads) = (BTreeMap::new(), BTreeMap::new());
        for (place, entry) in entries.iter().enumerate() {
            if by_id.insert(entry.id, place).is_some() {
                return Err(AuditError::IdTwice(entry.id));
            }
            if let Event::ExchangeReread(reread) = &entry.event
                && rereads.insert(reread.exchange, place).is_some()
            {
                return Err(AuditError::RereadTwice(reread.exchange));
            }
        }
        Ok(Self { entries, by_id, rereads, used: RefCell::default() })
    }

    /// All events, in the log's order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry<'b>> {
        self.entries.iter()
    }

    /// The event that something rests on. `what` says what was looked for.
    pub(crate) fn cited(&self, what: &'static str, id: EventId) -> Result<&Entry<'b>, AuditError> {
        let place = self.by_id.get(&id).ok_or(AuditError::Missing { what, id })?;
        self.used.borrow_mut().insert(id);
        Ok(&self.entries[*place])
    }

    /// The exchange that a fact comes from.
    pub(crate) fn exchange(&self, id: EventId) -> Result<&Entry<'b>, AuditError> {
        self.cited("the exchange with the charger's own frame", id)
    }

    /// The event that says how a refused exchange was read again, if it was.
    pub(crate) fn reread(&self, exchange: EventId) -> Option<(&Entry<'b>, &ExchangeReread)> {
        let entry = &self.entries[*self.rereads.get(&exchange)?];
        let Event::ExchangeReread(reread) = &entry.event else { return None };
        self.used.borrow_mut().insert(entry.id);
        Some((entry, reread))
    }

    /// All events of a stream, which must be there from version 0 on without a hole and in the
    /// log's order; all of them count as needed.
    pub(crate) fn stream(&self, stream: &str) -> Result<Vec<&Entry<'b>>, AuditError> {
        let mut events: Vec<&Entry<'b>> =
            self.entries.iter().filter(|entry| entry.envelope.stream == stream).collect();
        events.sort_by_key(|entry| entry.envelope.version);
        for (expected, entry) in events.iter().enumerate() {
            if entry.envelope.version != expected as u64 {
                let stream = stream.to_owned();
                return Err(AuditError::StreamHole { stream, version: expected as u64 });
            }
            self.used.borrow_mut().insert(entry.id);
        }
        match events.windows(2).find(|pair| pair[0].index >= pair[1].index) {
            Some(pair) => Err(AuditError::OutOfOrder { cause: pair[0].id, effect: pair[1].id }),
            None => Ok(events),
        }
    }

    /// Refuses a bundle with an event that nothing rests on.
    pub(crate) fn all_used(&self) -> Result<(), AuditError> {
        let used = self.used.borrow();
        match self.entries.iter().find(|entry| !used.contains(&entry.id)) {
            Some(unused) => Err(AuditError::Unneeded {
                id: unused.id,
                event_type: unused.envelope.event_type.clone(),
            }),
            None => Ok(()),
        }
    }
}

impl Entry<'_> {
    /// What was said on the wire.
    pub(crate) fn exchange(&self) -> Result<&ExchangeRecorded, AuditError> {
        match &self.event {
            Event::ExchangeRecorded(exchange) => Ok(exchange),
            other => Err(AuditError::WrongType {
                id: self.id,
                expected: "exchange.recorded",
                found: other.event_type(),
            }),
        }
    }

    /// When we recorded it.
    pub(crate) fn recorded_at(&self) -> Result<Timestamp, AuditError> {
        chrono::DateTime::parse_from_rfc3339(&self.envelope.recorded_at)
            .map(|instant| Timestamp::new(instant.to_utc()))
            .map_err(|_| AuditError::RecordedAt(self.id))
    }

    /// Refuses an effect that stands before its cause in the log.
    pub(crate) fn comes_before(&self, effect: &Entry<'_>) -> Result<(), AuditError> {
        if self.index < effect.index {
            return Ok(());
        }
        Err(AuditError::OutOfOrder { cause: self.id, effect: effect.id })
    }

    /// Refuses an event that lies in another stream, or at another place there.
    pub(crate) fn lies_at(&self, stream: &str, version: Option<u64>) -> Result<(), AuditError> {
        let (found, at) = (&self.envelope.stream, self.envelope.version);
        if found == stream && version.is_none_or(|version| version == at) {
            return Ok(());
        }
        let expected = match version {
            Some(version) => format!("{stream} at version {version}"),
            None => stream.to_owned(),
        };
        let found = format!("{found} at version {at}");
        Err(AuditError::Elsewhere { id: self.id, expected, found })
    }
}

/// Refuses what an event says where something else follows from the others.
pub(crate) fn follows<T: PartialEq + ToString>(
    id: EventId,
    what: impl Into<String>,
    recorded: T,
    derived: T,
) -> Result<(), AuditError> {
    if recorded == derived {
        return Ok(());
    }
    let (recorded, derived) = (recorded.to_string(), derived.to_string());
    Err(AuditError::Differs { id, what: what.into(), recorded, derived })
}

fn entry(proven: &ProvenEvent) -> Result<Entry<'_>, AuditError> {
    let envelope = &proven.envelope;
    let id = EventId(envelope.id);
    let event = Event::read(&envelope.event_type, envelope.schema_version, envelope.data.as_str())
        .map_err(|source| AuditError::Event { id, source })?;
    Ok(Entry { index: proven.index, id, envelope, event })
}
