//! What stations tell of their service to the grid, and of swapped batteries; the rules are the
//! domain's.

use super::{Decoded, Refusal, State};
use crate::tables::{Json, StationEnergyRow};
use chargebook_domain::events::Event;
use chargebook_domain::station_energy::StationEnergy;

impl State {
    /// What is told late or again raises no alert.
    pub(super) fn energy_told(&mut self, event: &Decoded, fact: &Event) -> Result<(), Refusal> {
        let station_id = self.reporting_station(event)?;
        let row = || StationEnergyRow { station_id, energy: Json(StationEnergy::default()) };
        let row = self.station_energy.touch_or_insert(station_id, row);
        let is_news = row.energy.0.apply(fact, event.recorded_at);
        if let Event::StationDerAlarmTold(fact) = fact
            && is_news
        {
            self.grid_said(event, station_id, fact);
        }
        self.heard(station_id, event.recorded_at);
        Ok(())
    }
}
