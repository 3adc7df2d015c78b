//! Certificates that were signed and promised: each has its command.

use super::PolicyError;
use crate::Chargebook;
use crate::journal::read_event;
use chargebook_domain::events::Event;
use chargebook_store::RecordedEvent;

/// Writes the commands that bring the certificates of a page of the log. The desk has written
/// them already, unless it died in between.
pub(super) async fn deliver(
    chargebook: &Chargebook,
    page: &[RecordedEvent],
) -> Result<(), PolicyError> {
    let is_request =
        |recorded: &&RecordedEvent| recorded.event_type == "station.certificate_requested";
    for recorded in page.iter().filter(is_request) {
        let Event::StationCertificateRequested(request) = read_event(recorded)? else { continue };
        if request.issued.is_none() {
            continue;
        }
        let state = chargebook.registry().station_of_stream(&recorded.stream).await?;
        let Some(state) = state else { continue };
        if let Err(error) = chargebook.deliver_certificate(&state, &request).await {
            let station = &state.identity;
            tracing::warn!(%station, %error, "a certificate stays here: its station asks again");
        }
    }
    Ok(())
}
