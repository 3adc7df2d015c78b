//! What stations watch of their variables; the rules are the domain's.

use super::{Decoded, Refusal, State};
use crate::tables::{Json, MonitoringRow};
use chargebook_domain::events::Event;
use chargebook_domain::ids::StationId;
use chargebook_domain::monitoring::Monitoring;

impl State {
    pub(super) fn monitoring_told(&mut self, event: &Decoded, fact: &Event) -> Result<(), Refusal> {
        let station_id = self.reporting_station(event)?;
        let position = event.position.as_u64();
        self.monitoring_of(station_id).apply(fact, event.recorded_at, position);
        self.heard(station_id, event.recorded_at);
        Ok(())
    }

    /// All monitors of a station have been told: those of which it said nothing since `position`
    /// are no more.
    pub(super) fn all_monitors_told(&mut self, station_id: StationId, position: u64) {
        self.monitoring_of(station_id).all_told_since(position);
    }

    fn monitoring_of(&mut self, station_id: StationId) -> &mut Monitoring {
        let monitoring = Json(Monitoring::default());
        let row = || MonitoringRow { station_id, monitoring };
        &mut self.monitoring.touch_or_insert(station_id, row).monitoring.0
    }
}
