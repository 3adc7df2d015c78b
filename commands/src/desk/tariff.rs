//! What a station is told of prices before it charges, where an operator lets it compute them.

use super::{Case, DeskError, StationDesk};
use crate::message::StationTariff;

impl StationDesk {
    /// The tariff in force, which the session that may follow will be rated by.
    pub(super) async fn local_tariff(
        &self,
        case: &Case<'_>,
    ) -> Result<Option<StationTariff>, DeskError> {
        if !self.state.settings.local_tariffs {
            return Ok(None);
        }
        let now = case.receipt.received_at;
        let choice = self.chargebook.registry().tariff_for(now, now).await?;
        // One that begins later is told later: a driver's tariff has no beginning of its own.
        let choice = choice.filter(|choice| choice.tariff.is_valid_at(now.utc()));
        Ok(choice.map(|choice| choice.for_station()))
    }
}
