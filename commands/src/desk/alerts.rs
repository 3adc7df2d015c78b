//! What a station says has happened to its components (NotifyEvent), sealed and cut into facts.

use super::{DeskError, StationDesk};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{ReportedEvent, StationEventsReported};
use chargebook_domain::ids::{EventId, SubjectId};

/// Reported events of one event: with their holes they fit into what the log takes as one.
const REPORTED_PER_EVENT_MAX: usize = 200;

impl StationDesk {
    /// What was reported, with what each is known by when it is repeated.
    fn keyed(&self, reported: &[ReportedEvent<String>]) -> Vec<ReportedEvent<String>> {
        let (station, personal) = (self.state.station_id, self.chargebook.personal());
        let keyed = |event: &ReportedEvent<String>| {
            let key = Some(personal.reported_event_key(station, event));
            ReportedEvent { key, ..event.clone() }
        };
        reported.iter().map(keyed).collect()
    }

    /// The exchange that a message repeats, where all that it says was said before.
    pub(super) fn repeated_events(&self, reported: &[ReportedEvent<String>]) -> Option<EventId> {
        let reported = self.keyed(reported);
        let first = self.state.exchange_of(reported.first()?)?;
        let is_known = |event| self.state.exchange_of(event).is_some();
        reported.iter().all(is_known).then_some(first)
    }

    /// What happened, as facts; what was said before is left out.
    pub(super) async fn events_reported(
        &self,
        reported: &[ReportedEvent<String>],
        exchange: EventId,
    ) -> Result<Vec<Event>, DeskError> {
        let is_new = |event: &&ReportedEvent<String>| self.state.exchange_of(event).is_none();
        let reported = self.keyed(reported);
        let new: Vec<_> = reported.iter().filter(is_new).collect();
        let mut facts = Vec::new();
        for reported in new.chunks(REPORTED_PER_EVENT_MAX) {
            let mut events = Vec::with_capacity(reported.len());
            for event in reported {
                events.push(self.seal_event(event).await?);
            }
            facts.push(StationEventsReported { events, exchange }.into());
        }
        Ok(facts)
    }

    /// Values may be anything, and the maker's words name whom they like.
    async fn seal_event(&self, event: &ReportedEvent<String>) -> Result<ReportedEvent, DeskError> {
        let subject = SubjectId(self.state.station_id.0);
        let personal = self.chargebook.personal();
        Ok(ReportedEvent {
            number: event.number,
            at: event.at,
            trigger: event.trigger.clone(),
            notification: event.notification.clone(),
            component: event.component.clone(),
            variable: event.variable.clone(),
            value: personal.seal(subject, &event.value).await?,
            condition: event.condition,
            cause: event.cause,
            severity: event.severity,
            technical_code: event.technical_code.clone(),
            technical_information: match &event.technical_information {
                Some(text) => Some(personal.seal(subject, text).await?),
                None => None,
            },
            transaction: event.transaction.clone(),
            monitor: event.monitor,
            key: event.key,
        })
    }
}
