//! What is known of the charging at stations, and of the tariffs that they hold; the rules are the
//! domain's.

use super::{Decoded, Refusal, State};
use crate::tables::{ChargingPlanRow, Json, LocalTariffsRow};
use chargebook_domain::charging_plan::ChargingPlan;
use chargebook_domain::events::Event;
use chargebook_domain::local_tariffs::LocalTariffs;

impl State {
    pub(super) fn charging_told(&mut self, event: &Decoded, fact: &Event) -> Result<(), Refusal> {
        let station_id = self.reporting_station(event)?;
        let plan = Json(ChargingPlan::default());
        let row = || ChargingPlanRow { station_id, plan };
        let row = self.charging_plans.touch_or_insert(station_id, row);
        row.plan.0.apply(fact, event.recorded_at);
        self.heard(station_id, event.recorded_at);
        Ok(())
    }

    pub(super) fn tariffs_told(&mut self, event: &Decoded, fact: &Event) -> Result<(), Refusal> {
        let station_id = self.reporting_station(event)?;
        let tariffs = Json(LocalTariffs::default());
        let row = || LocalTariffsRow { station_id, tariffs };
        let row = self.local_tariffs.touch_or_insert(station_id, row);
        row.tariffs.0.apply(fact, event.recorded_at);
        self.heard(station_id, event.recorded_at);
        Ok(())
    }
}
