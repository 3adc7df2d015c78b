//! A 1.6 station tells when the cable of a transaction was out: from then on nobody occupies the
//! connector in its name.

use super::{Case, Decision, DeskError, StationDesk};
use crate::message::{Answer, DataRefused, UnpluggedReport};
use chargebook_domain::events::v1::SessionConnectorStatus;

/// The station's word for a connector that is free (1.6: section 7.7).
const AVAILABLE: &str = "Available";

impl StationDesk {
    /// Only a station that shows costs is understood in messages about them.
    pub(super) async fn decide_unplugged(
        &mut self,
        case: &Case<'_>,
        report: &UnpluggedReport,
    ) -> Result<Decision, DeskError> {
        let refused = |why| Decision::station(Answer::DataRefused(why), Vec::new());
        if !self.state.shows_costs() {
            return Ok(refused(DataRefused::UnknownVendor));
        }
        let Some(stream) = self.stream_of_transaction(report.transaction_id).await? else {
            return Ok(refused(DataRefused::Unreadable));
        };
        let Some(session) = self.session(&stream).await? else {
            return Ok(refused(DataRefused::Unreadable));
        };
        let Some(connector) = session.started().and_then(|started| started.connector) else {
            return Ok(refused(DataRefused::Unreadable));
        };
        let fact = SessionConnectorStatus {
            evse: None,
            connector,
            status: AVAILABLE.to_owned(),
            error_code: None,
            at: report.at,
            received_at: case.receipt.received_at,
            exchange: case.receipt_id,
        };
        if let Some(known) = session.status_like(&fact) {
            let exchange = Some(known.exchange);
            return Ok(Decision::session(stream, Answer::Accepted, Vec::new()).repeating(exchange));
        }
        Ok(Decision::session(stream, Answer::Accepted, vec![fact.into()]))
    }
}
