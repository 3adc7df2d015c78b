//! What a station says of what it watches, as facts.

use super::{DeskError, StationDesk};
use crate::message::MonitoringNews;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    StationEventStreamAdjusted, StationEventStreamClosed, StationEventStreamContinued,
    StationEventStreamsTold, StationMonitoringBaseSet, StationMonitorsCleared, StationMonitorsTold,
};
use chargebook_domain::ids::{EventId, SubjectId};

impl StationDesk {
    pub(super) async fn monitoring_told(
        &self,
        news: &MonitoringNews,
        exchange: EventId,
    ) -> Result<Event, DeskError> {
        Ok(match news.clone() {
            MonitoringNews::MonitorsTold(monitors) => {
                StationMonitorsTold { monitors, exchange }.into()
            }
            MonitoringNews::MonitorsCleared(numbers) => {
                StationMonitorsCleared { numbers, exchange }.into()
            }
            MonitoringNews::BaseSet(base) => StationMonitoringBaseSet { base, exchange }.into(),
            MonitoringNews::StreamsTold { streams, are_all } => {
                StationEventStreamsTold { streams, are_all, exchange }.into()
            }
            MonitoringNews::StreamAdjusted(number, rate) => {
                StationEventStreamAdjusted { number, rate, exchange }.into()
            }
            MonitoringNews::StreamClosed(number) => {
                StationEventStreamClosed { number, exchange }.into()
            }
            MonitoringNews::StreamContinued(report) => {
                // A value may be anything.
                let subject = SubjectId(self.state.station_id.0);
                StationEventStreamContinued {
                    number: report.number,
                    values: report.values,
                    last: self.chargebook.personal().seal(subject, &report.last).await?,
                    last_at: report.last_at,
                    pending: report.pending,
                    exchange,
                }
                .into()
            }
        })
    }
}
