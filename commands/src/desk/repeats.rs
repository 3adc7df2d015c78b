//! What was told first, where a repeat is recognized by a key in the log and no fold remembers
//! who told it: security events, readings, stops and payments of no session.

use super::{DeskError, StationDesk};
use crate::journal::read_event;
use crate::station::StationState;
use chargebook_domain::events::Event;
use chargebook_domain::ids::EventId;
use chargebook_store::{LookupKey, StreamName};

impl StationDesk {
    /// The exchange that told first what `stream` holds under a key. `None` where too much was said
    /// since to look for it: a repeat it is all the same, and changes nothing.
    pub(super) async fn first_told(
        &self,
        stream: &StreamName,
        key: &LookupKey,
    ) -> Result<Option<EventId>, DeskError> {
        Ok(self.find_told(stream, key).await?.as_ref().and_then(exchange_of))
    }

    /// What `stream`, one of the station's, was told under a key.
    pub(super) async fn find_told(
        &self,
        stream: &StreamName,
        key: &LookupKey,
    ) -> Result<Option<Event>, DeskError> {
        let this_month = StationState::stream_of(self.state.station_id, &self.state.month);
        let last_version = self.state.version.filter(|_| this_month.as_ref() == Some(stream));
        let found = self.chargebook.journal().find_keyed(stream, key, last_version).await?;
        Ok(found.as_ref().map(read_event).transpose()?)
    }
}

/// The exchange that such a fact comes from.
fn exchange_of(event: &Event) -> Option<EventId> {
    match event {
        Event::StationSecurityNoted(fact) => fact.exchange,
        Event::StationMeterRecorded(fact) => Some(fact.exchange),
        Event::StationOrphanRecorded(fact) => Some(fact.orphan.exchange),
        Event::StationNotified(fact) => Some(fact.exchange),
        Event::StationPaymentTold(fact) => Some(fact.exchange),
        _ => None,
    }
}
