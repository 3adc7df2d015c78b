//! Tariffs that a 2.1 station computes costs by itself (part 2, block I): sending the one in force,
//! where the station can compute by it.

use crate::Chargebook;
use crate::intent::ExactError;
use crate::registry::{Registered, RegistryError};
use chargebook_domain::ids::{CommandId, EvseNumber};
use chargebook_domain::tariff::{Restrictions, Tariff, TariffDimension};

/// What a station has said of the tariffs that it can compute by (the variables of
/// `TariffCostCtrlr`); what it has not said may be tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TariffAbilities {
    /// Whether it computes by tariffs at all now.
    pub is_enabled: Option<bool>,
    /// Whether a price may depend on anything.
    pub takes_conditions: Option<bool>,
    /// Most prices of one kind in a tariff.
    pub elements_max: Option<usize>,
}

impl TariffAbilities {
    /// Why the station cannot compute by a tariff; `None` where it may.
    fn refusal(self, tariff: &Tariff) -> Option<String> {
        let elements = &tariff.elements;
        let has_conditions =
            elements.iter().any(|element| element.restrictions != Restrictions::default());
        let prices = TariffDimension::ALL.iter().map(|dimension| {
            elements.iter().filter(|element| element.component(*dimension).is_some()).count()
        });
        let prices = prices.max().unwrap_or_default();
        if self.is_enabled == Some(false) {
            return Some("it says that it does not compute by tariffs".to_owned());
        }
        if self.takes_conditions == Some(false) && has_conditions {
            return Some("it says that it takes no conditions, and the tariff has some".to_owned());
        }
        let max = self.elements_max.filter(|max| prices > *max)?;
        Some(format!("it says that it takes {max} prices of a kind, and the tariff has {prices}"))
    }
}

impl Chargebook {
    /// Asks a 2.1 station to compute its costs by the tariff in force, at one EVSE or at all,
    /// where it is told no other. A tariff that comes into force later is sent when this is asked
    /// for again.
    ///
    /// # Errors
    /// As [`Chargebook::request_exact`]; no tariff in force, one that the station cannot compute
    /// by, or one that OCPP has no words for.
    pub async fn request_default_tariff(
        &self,
        station: &str,
        evse: Option<EvseNumber>,
        abilities: TariffAbilities,
        actor: &str,
    ) -> Result<(CommandId, Registered), ExactError> {
        let state = self.known_station(station).await?;
        let protocol = state.protocol.ok_or(ExactError::NeverConnected)?;
        let now = self.journal().now();
        let choice = self.registry().tariff_for(now, now).await?.ok_or_else(|| {
            RegistryError::Conflict("no tariff is in force; set a default tariff".to_owned())
        })?;
        if let Some(why) = abilities.refusal(&choice.tariff) {
            let why = format!("station `{station}` cannot compute by the tariff: {why}");
            return Err(RegistryError::Conflict(why).into());
        }
        let tariff = evse.map_or_else(|| choice.for_station(), |evse| choice.for_evse(evse));
        let (action, payload) = self.station_protocol().default_tariff(&protocol, evse, &tariff)?;
        self.request_exact(station, action, &payload, actor).await
    }
}
