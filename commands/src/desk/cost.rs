//! What a transaction costs, for the answer to its station: by the functions that make the bill.

use super::{DeskError, StationDesk};
use crate::message::{TransactionEventKind, TransactionReport};
use crate::running::{FREE, gross};
use crate::settling::{rules, tariff_of, tariff_so_far};
use chargebook_domain::rating::{RULES_VERSION, Rating};
use chargebook_domain::session::{
    Session, Settlement, price_at_end, rate_settled, running_price, settle,
};
use chargebook_domain::units::Timestamp;
use rust_decimal::Decimal;

impl StationDesk {
    /// What the session costs, including taxes, where the answer has a place for it: in all, in
    /// answer to its end; so far, where the station's version asks for that. `None` where it
    /// cannot be told yet; 0 is free.
    pub(super) async fn total_cost(
        &self,
        session: &Session,
        report: &TransactionReport,
    ) -> Result<Option<Decimal>, DeskError> {
        let is_end = report.kind == TransactionEventKind::Ended;
        if !is_end && !report.is_priced_on_the_way {
            return Ok(None);
        }
        if !is_end {
            return self.cost_so_far(session).await;
        }
        if let Some((_, rated)) = session.rated() {
            return Ok(gross(&rated.rating));
        }
        let now = self.chargebook.journal().now();
        let Some(started) = session.started() else { return self.cost_at_end(session, now).await };
        let tariff = tariff_of(&self.chargebook, session).await?;
        let zone = started.time_zone.parse().unwrap_or(chrono_tz::UTC);
        let Some(choice) = tariff else { return Ok(Some(FREE)) };
        Ok(match settle(session, now, rules(&self.chargebook, Some(&choice))) {
            Settlement::Settled(settled) => {
                let rating = rate_settled(RULES_VERSION, session, &settled, &choice.tariff, zone);
                rating.ok().as_ref().and_then(gross)
            }
            Settlement::Void { .. } | Settlement::Free { .. } => Some(FREE),
            Settlement::NotYet { .. } => return self.cost_at_end(session, now).await,
            Settlement::Unchanged | Settlement::ChargedElsewhere { .. } | Settlement::Review(_) => {
                None
            }
        })
    }

    /// What the transaction costs, including taxes, though its bill has to wait. `None` where it
    /// has no tariff, or its registers are not known.
    async fn cost_at_end(
        &self,
        session: &Session,
        now: Timestamp,
    ) -> Result<Option<Decimal>, DeskError> {
        let Some((choice, zone)) = tariff_so_far(&self.chargebook, session).await? else {
            return Ok(None);
        };
        let price = price_at_end(session, &choice.tariff, zone, now);
        Ok(price.ok().flatten().as_ref().and_then(gross))
    }

    /// What the session costs, including taxes: by its rating, else as if it ended now. `None`
    /// where it has no tariff, or cannot be priced yet.
    pub(super) async fn cost_so_far(
        &self,
        session: &Session,
    ) -> Result<Option<Decimal>, DeskError> {
        Ok(self.rating_so_far(session).await?.as_ref().and_then(gross))
    }

    /// The same, line by line.
    pub(super) async fn rating_so_far(
        &self,
        session: &Session,
    ) -> Result<Option<Rating>, DeskError> {
        if let Some((_, rated)) = session.rated() {
            return Ok(Some(rated.rating.clone()));
        }
        let Some((choice, zone)) = tariff_so_far(&self.chargebook, session).await? else {
            return Ok(None);
        };
        let now = self.chargebook.journal().now();
        Ok(running_price(session, &choice.tariff, zone, now).ok().flatten())
    }
}
