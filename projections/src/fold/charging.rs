//! What is known of the charging at stations, and of the tariffs that they hold; the rules are the
//! domain's.

use super::{Decoded, Refusal, State};
use crate::tables::{ChargingPlanRow, ChargingProfileRow, Json, LocalTariffsRow};
use chargebook_domain::charging_plan::ChargingPlan;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::ChargingPlace;
use chargebook_domain::ids::StationId;
use chargebook_domain::local_tariffs::LocalTariffs;

impl State {
    pub(super) fn charging_told(&mut self, event: &Decoded, fact: &Event) -> Result<(), Refusal> {
        let station_id = self.reporting_station(event)?;
        self.charging_plans.entry(station_id).or_default().apply(fact, event.recorded_at);
        self.charging_changed(station_id);
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

    /// A transaction is over; `place`: where it was, unless another has begun there since.
    pub(super) fn charging_over(
        &mut self,
        station_id: StationId,
        transaction: &str,
        place: Option<ChargingPlace>,
    ) {
        if let Some(plan) = self.charging_plans.get_mut(&station_id) {
            plan.end_transaction(transaction, place);
            self.charging_changed(station_id);
        }
    }

    /// Writes what has changed of a station's plan: each profile has a row.
    fn charging_changed(&mut self, station_id: StationId) {
        let Some(plan) = self.charging_plans.get_mut(&station_id) else { return };
        for shelf in plan.take_changed() {
            let kept = plan.on_shelf(shelf).cloned().map(Json);
            let row = ChargingProfileRow { station_id, shelf: u32::from(shelf), kept };
            self.written.charging_profiles.insert((station_id, shelf), row);
        }
        let row = ChargingPlanRow { station_id, told: Json(plan.told().clone()) };
        self.written.charging_plans.insert(station_id, row);
    }
}

/// A plan from its rows.
pub(crate) fn charging_plan(
    profiles: impl IntoIterator<Item = ChargingProfileRow>,
    row: ChargingPlanRow,
) -> ChargingPlan {
    let profiles = profiles.into_iter().filter_map(|row| {
        let ChargingProfileRow { shelf, kept, .. } = row;
        Some((u16::try_from(shelf).ok()?, kept?.0))
    });
    ChargingPlan::kept(profiles, row.told.0)
}
