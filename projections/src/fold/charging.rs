//! What is known of the charging at stations; the rules are the domain's.

use super::{Decoded, Refusal, State};
use crate::tables::{ChargingPlanRow, Json};
use chargebook_domain::charging_plan::ChargingPlan;
use chargebook_domain::events::Event;

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
}
