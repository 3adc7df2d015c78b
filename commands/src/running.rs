//! What a session costs as far as is known: by its last rating, or as if it ended now.

use crate::Chargebook;
use crate::registry::RegistryError;
use crate::settling::tariff_so_far;
use chargebook_domain::events::v1::TariffReference;
use chargebook_domain::ids::SessionId;
use chargebook_domain::invoice::InvoiceFigures;
use chargebook_domain::rating::Rating;
use chargebook_domain::session::{Session, registers_as_told, running_price};
use chargebook_domain::units::WattHours;
use chargebook_store::StreamName;
use rust_decimal::Decimal;

/// What a session costs as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostSoFar {
    /// The tariff version it is priced by.
    pub tariff: TariffReference,
    /// The lines and their sum.
    pub rating: Rating,
    /// Whether this is the rating that the log holds; else it is what it would be, did the
    /// session end now.
    pub is_rated: bool,
}

impl Chargebook {
    /// The registers that a session began with and stands at, as its station told them, believed
    /// or not: what a person who has to judge it looks at. `None` where there is no such session.
    ///
    /// # Errors
    /// The log.
    pub async fn registers_as_told(
        &self,
        id: SessionId,
    ) -> Result<Option<(WattHours, WattHours)>, RegistryError> {
        let mut session = Session::default();
        let stream = StreamName::of("session", id.0);
        crate::desk::load_session(self.journal(), &stream, &mut session).await?;
        Ok(registers_as_told(&session))
    }

    /// What a session costs as far as is known. `None` where there is no such session, no
    /// tariff for it, or nothing that can be priced yet.
    ///
    /// # Errors
    /// The log.
    pub async fn running_cost(&self, id: SessionId) -> Result<Option<CostSoFar>, RegistryError> {
        let mut session = Session::default();
        let stream = StreamName::of("session", id.0);
        crate::desk::load_session(self.journal(), &stream, &mut session).await?;
        if let Some((_, rated)) = session.rated() {
            let (tariff, rating) = (rated.tariff.clone(), rated.rating.clone());
            return Ok(Some(CostSoFar { tariff, rating, is_rated: true }));
        }
        let Some((choice, zone)) = tariff_so_far(self, &session).await? else { return Ok(None) };
        let price = running_price(&session, &choice.tariff, zone, self.journal().now());
        // What cannot be priced now is for the settlement to judge, not for a page to fail on.
        let rating = price.ok().flatten();
        Ok(rating.map(|rating| CostSoFar { tariff: choice.reference, rating, is_rated: false }))
    }
}

/// How nothing is written: `0.00`.
pub(crate) const FREE: Decimal = Decimal::from_parts(0, 0, 0, false, 2);

/// What a rating comes to including taxes, as an invoice over it would have it.
pub(crate) fn gross(rating: &Rating) -> Option<Decimal> {
    InvoiceFigures::of(rating).ok().map(|figures| figures.total_gross())
}
