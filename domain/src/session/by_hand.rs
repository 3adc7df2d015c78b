//! What a person has decided about a session that waited for one, and what the bill then rests
//! on: their figures, with the decision as evidence, and not the charger's.

use super::fold::Session;
use crate::events::v1::{
    ClockTrust, Evidence, MeterReading, Outcome, PriceByHand, ReviewDecision, SessionReviewDecided,
    SessionSettled, SettledBecause, TariffReference,
};
use crate::ids::{EventId, TariffId};
use crate::tariff::{DocumentError, Tariff};
use crate::units::{Timestamp, WattHours};
use rust_decimal::Decimal;

/// The name of a tariff that is a price entered by hand.
pub const TARIFF_BY_HAND: &str = "by-hand";

/// A decision, where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The event.
    pub id: EventId,
    /// Its version in the session's stream.
    pub version: u64,
    /// What it says.
    pub fact: SessionReviewDecided,
}

/// Why a session cannot be decided so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecisionRefused {
    /// Nobody waits for a decision about it.
    #[error("the session does not wait for a review")]
    NotInReview,
    /// What was billed was a session.
    #[error("the session has been invoiced: it can be freed, which takes the invoice back")]
    Invoiced,
    /// What it comes to is about to be said.
    #[error("the session is just being invoiced: try again in a moment")]
    BeingInvoiced,
    /// There is no account.
    #[error(
        "nobody can be billed for it: no token with an account began it, as far as is known; it can be freed or voided"
    )]
    NoPayer,
}

/// Whether a person may decide so about a session now: it waits for one, or was decided by one
/// before.
///
/// # Errors
/// Why not.
pub fn may_decide(session: &Session, decision: &ReviewDecision) -> Result<(), DecisionRefused> {
    let outcome = session.outcome();
    let waits = outcome.is_some_and(|outcome| outcome.outcome == Outcome::NeedsReview);
    if !waits && session.decided().is_none() {
        return Err(DecisionRefused::NotInReview);
    }
    if session.awaits_invoice() {
        return Err(DecisionRefused::BeingInvoiced);
    }
    let was_invoiced = outcome.is_some_and(|outcome| outcome.invoice.is_some());
    match decision {
        ReviewDecision::Void if was_invoiced => Err(DecisionRefused::Invoiced),
        ReviewDecision::Bill { .. } if session.payer().is_none() => Err(DecisionRefused::NoPayer),
        _ => Ok(()),
    }
}

/// When a session began and ended, as its station and our clock tell: what a person who bills
/// it need not enter. The end is `None` where nothing tells it.
pub fn span_as_told(session: &Session) -> Option<(Timestamp, Option<Timestamp>)> {
    let began = super::began_at(session.started()?);
    let stopped = session.stop().map(|stop| match stop.clock {
        ClockTrust::Plausible => stop.stopped_at,
        ClockTrust::Implausible => stop.received_at,
    });
    let sampled = || session.samples().map(|sample| sample.sampled_at).max();
    let ended = stopped.or_else(|| session.released_at()).or_else(sampled);
    Some((began, ended.map(|ended| ended.max(began))))
}

/// What the bill rests on that a decision asks for: as entered; and nothing at all where what was
/// invoiced is taken back. `None` where it asks for no bill.
pub fn settled_by_hand(session: &Session, decided: &Decided) -> Option<SessionSettled> {
    let (started_at, ended_at, energy_wh) = match &decided.fact.decision {
        ReviewDecision::Bill { started_at, ended_at, energy_wh, .. } => {
            (*started_at, *ended_at, *energy_wh)
        }
        ReviewDecision::Free => {
            let before = session.settled()?.1.clone();
            (before.started_at, before.ended_at, WattHours::ZERO)
        }
        ReviewDecision::Void => return None,
    };
    let reading = |register_wh: WattHours| MeterReading {
        register_wh,
        evidence: Evidence {
            event_id: decided.id,
            pointer: "/decision/energy_wh".to_owned(),
            raw: register_wh.to_string(),
        },
    };
    Some(SessionSettled {
        because: SettledBecause::ReviewDecided,
        started_at,
        ended_at,
        register_start: reading(WattHours::ZERO),
        register_end: reading(energy_wh),
        energy_wh,
        released_at: Some(ended_at),
        anomalies: session.anomalies().collect(),
        as_of_version: session.version().unwrap_or(decided.version),
    })
}

/// The tariff that a decision prices its session by, and how a rating refers to it. `None` where
/// the tariff in force prices it.
///
/// # Errors
/// The price is none that a tariff can have.
pub fn tariff_by_hand(
    session: &Session,
    decided: &Decided,
) -> Result<Option<(TariffReference, Tariff)>, DocumentError> {
    let price = match &decided.fact.decision {
        ReviewDecision::Bill { price: Some(price), .. } => price.clone(),
        ReviewDecision::Free => match session.rated() {
            Some((_, rated)) => PriceByHand {
                net: Decimal::ZERO,
                vat_percent: None,
                currency: rated.rating.currency.clone(),
            },
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    let tariff = Tariff::parse(&text_of(&price))?;
    let reference = TariffReference {
        tariff_id: TariffId(decided.id.0),
        tariff: TARIFF_BY_HAND.to_owned(),
        version: 1,
        event_id: decided.id,
        content_sha256: tariff.content_sha256(),
    };
    Ok(Some((reference, tariff)))
}

/// A tariff that has no other price than this one.
fn text_of(price: &PriceByHand) -> String {
    let vat = price.vat_percent.map(|vat| format!(r#","vat":{vat}"#)).unwrap_or_default();
    let (currency, net) = (serde_json::Value::from(price.currency.as_str()), price.net);
    format!(
        r#"{{"currency":{currency},"elements":[{{"price_components":[{{"type":"FLAT","price":{net}{vat},"step_size":1}}]}}]}}"#
    )
}
