//! Charging profiles that stations were promised: each has its command.

use super::PolicyError;
use crate::Chargebook;
use crate::journal::read_event;
use chargebook_domain::events::Event;
use chargebook_store::RecordedEvent;
use chrono::TimeDelta;

/// A vehicle waits no longer for its profile (2.1: K18.FR.08, K19.FR.08).
const WANTED_WITHIN: TimeDelta = TimeDelta::seconds(60);

/// Writes the commands that bring the profiles of a page of the log. The desk has written them
/// already, unless it died in between.
pub(super) async fn deliver(
    chargebook: &Chargebook,
    page: &[RecordedEvent],
) -> Result<(), PolicyError> {
    let now = chargebook.journal().now();
    let promises = |recorded: &&RecordedEvent| {
        let kind = &*recorded.event_type;
        let is_promise =
            kind == "station.charging_needs_told" || kind == "station.vehicle_schedule_told";
        is_promise && now.utc() - recorded.recorded_at <= WANTED_WITHIN
    };
    for recorded in page.iter().filter(promises) {
        let fact: Event = read_event(recorded)?;
        let state = chargebook.registry().station_of_stream(&recorded.stream).await?;
        let Some(state) = state else { continue };
        if let Err(error) = chargebook.send_promised(&state, &fact).await {
            let station = &state.identity;
            tracing::warn!(%station, %error, "a station does not get the profile it was promised");
        }
    }
    Ok(())
}
