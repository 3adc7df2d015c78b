//! What a session comes to: its settlement, its rating and, where no invoice follows, its
//! outcome, as events of its stream.
//!
//! The desk writes them with the stop of a session that is complete then; the billing policy
//! for all others, and where the desk could not. Both make the same events with the same ids.

use crate::Chargebook;
use crate::journal::Draft;
use crate::registry::{RegistryError, TariffChoice};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    Outcome, SessionOutcomeDecided, SessionRated, SessionSettled, SettledBecause,
};
use chargebook_domain::ids::EventId;
use chargebook_domain::rating::{RULES_VERSION, Rating};
use chargebook_domain::session::{
    NOT_RATABLE, PAYMENT_MISSING_REVIEW, Review, Session, Settlement, SettlementRules, began_at,
    changes_the_bill, payment_differs, rate_settled, settle, station_cost_differs, tariff_by_hand,
};
use chargebook_domain::units::{Timestamp, WattHours};
use chrono_tz::Tz;
use std::sync::Arc;

/// Who looks at what cannot be decided.
const REVIEW_OWNER: &str = "operator";
/// Its payer has paid at a terminal or on a web page.
const PAID_DIRECTLY: &str = "paid_directly";

/// The tariff that a session is priced by; `None` before its start is known, and where none was
/// in force.
pub(crate) async fn tariff_of(
    chargebook: &Chargebook,
    session: &Session,
) -> Result<Option<TariffChoice>, RegistryError> {
    let Some(started) = session.started() else { return Ok(None) };
    chargebook.registry().tariff_for(began_at(started), started.received_at).await
}

/// The tariff that a session is priced by as far as is known, for what is told on the way; and
/// the zone that its hours are read in.
pub(crate) async fn tariff_so_far(
    chargebook: &Chargebook,
    session: &Session,
) -> Result<Option<(TariffChoice, Tz)>, RegistryError> {
    let Some(began) = session.beginning_so_far() else { return Ok(None) };
    let zone = began.time_zone.parse().unwrap_or(Tz::UTC);
    let choice = chargebook.registry().tariff_for(began_at(&began), began.received_at).await?;
    Ok(choice.map(|choice| (choice, zone)))
}

/// The operator's rules for a session with this tariff.
pub(crate) fn rules(chargebook: &Chargebook, tariff: Option<&TariffChoice>) -> SettlementRules {
    SettlementRules {
        settle_after: chargebook.settings().settle_after,
        occupancy_is_priced: tariff.is_some_and(|choice| choice.tariff.prices_parking()),
    }
}

/// What follows at once from a session that is complete: settlement, rating and, where no
/// invoice will follow, outcome. Nothing where it has to be waited for, or looked at; nor where it
/// was rated before and its invoice is still to come: the billing policy judges it after that.
pub(crate) async fn conclude(
    chargebook: &Chargebook,
    session: &Session,
    now: Timestamp,
) -> Result<Vec<Draft>, RegistryError> {
    if session.awaits_invoice() {
        return Ok(Vec::new());
    }
    let tariff = tariff_of(chargebook, session).await?;
    let settlement = settle(session, now, rules(chargebook, tariff.as_ref()));
    Ok(match settlement {
        Settlement::Settled(_) => drafts_of(session, settlement, tariff),
        _ => Vec::new(),
    })
}

/// What a settlement writes to the session's stream, after the version that it judged. The ids
/// follow from what is rested on (its stop, or a person's decision) and that version: whoever
/// writes it, it is written once.
pub(crate) fn drafts_of(
    session: &Session,
    settlement: Settlement,
    tariff: Option<TariffChoice>,
) -> Vec<Draft> {
    let (Some(version), Some((session_id, station_id, first_exchange))) =
        (session.version(), session.identity())
    else {
        return Vec::new();
    };
    let told = session.stop().map_or(first_exchange, |stop| stop.exchange);
    let cause = session.decided().map_or(told, |decided| decided.id);
    let ordinal = u32::try_from(version).unwrap_or(u32::MAX);
    let draft = |event: Event| {
        Draft::following(cause, ordinal, event)
            .by("policy:billing")
            .about(station_id)
            .within(session_id.0)
    };
    match settlement {
        Settlement::NotYet { .. } | Settlement::Unchanged => Vec::new(),
        Settlement::Void { reason } => {
            vec![draft(outcome(Outcome::Void, Some(reason), None).into())]
        }
        Settlement::Free { reason } => {
            vec![draft(outcome(Outcome::Free, Some(reason), None).into())]
        }
        Settlement::ChargedElsewhere { settlement } => {
            let elsewhere = outcome(Outcome::ChargedElsewhere, Some(PAID_DIRECTLY), None);
            let elsewhere = SessionOutcomeDecided { settlement: Some(settlement), ..elsewhere };
            let mut drafts = vec![draft(elsewhere.into())];
            let rating = session.rated().map(|(_, rated)| &rated.rating);
            drafts.extend(rating.and_then(|rating| payment_noted(session, rating, ordinal)));
            drafts
        }
        Settlement::Review(review) => {
            // What has been invoiced stays invoiced until the doubt is gone.
            let invoice = session.outcome().and_then(|outcome| outcome.invoice.clone());
            vec![draft(SessionOutcomeDecided { invoice, ..for_review(review) }.into())]
        }
        Settlement::Settled(settled) => {
            let settled_draft = draft((*settled).clone().into());
            let settled_id = settled_draft.id();
            let mut drafts = vec![settled_draft];
            let follows = rate(session, &settled, settled_id, tariff);
            if settled.because != SettledBecause::ReviewDecided
                && let Some(Event::SessionRated(rated)) = follows.first()
                && !changes_the_bill(session, &settled, &rated.rating)
            {
                return Vec::new();
            }
            // Where it is not charged elsewhere yet, the outcome that says so notes it.
            let is_charged =
                session.outcome().is_some_and(|last| last.outcome == Outcome::ChargedElsewhere);
            let noted = match follows.first() {
                Some(Event::SessionRated(rated)) if is_charged => {
                    payment_noted(session, &rated.rating, ordinal)
                }
                _ => None,
            };
            drafts.extend(follows.into_iter().map(draft));
            drafts.extend(noted);
            drafts
        }
    }
}

/// That another amount was paid directly than was rated. It follows from what told of the
/// payment, and so has another id than what follows from the stop.
fn payment_noted(session: &Session, rating: &Rating, ordinal: u32) -> Option<Draft> {
    let (session_id, station_id, _) = session.identity()?;
    let noted = payment_differs(session, rating)?;
    let draft = Draft::following(noted.exchange?, ordinal, noted).by("policy:billing");
    Some(draft.about(station_id).within(session_id.0))
}

/// The rating of a settled session; and its outcome, where no invoice will follow.
fn rate(
    session: &Session,
    settled: &SessionSettled,
    settled_id: EventId,
    tariff: Option<TariffChoice>,
) -> Vec<Event> {
    // What has been invoiced stays invoiced until it can be rated again.
    let invoiced = session.outcome().and_then(|outcome| outcome.invoice.clone());
    let unrated =
        |why: &str| SessionOutcomeDecided { invoice: invoiced.clone(), ..not_ratable(why) };
    let tariff = match session.decided().map(|decided| tariff_by_hand(session, decided)) {
        Some(Ok(Some((reference, tariff)))) => {
            Some(TariffChoice { reference, tariff: Arc::new(tariff) })
        }
        Some(Err(error)) => return vec![unrated(&error.to_string()).into()],
        Some(Ok(None)) | None => tariff,
    };
    let Some(choice) = tariff else {
        let detail = "no tariff was in force when the session began";
        return vec![match invoiced.is_some() {
            true => unrated(detail).into(),
            false => outcome(Outcome::Free, Some("no_tariff"), Some(detail)).into(),
        }];
    };
    let Some(started) = session.started() else { return Vec::new() };
    let zone = started.time_zone.parse().unwrap_or(chrono_tz::UTC);
    let rating = match rate_settled(RULES_VERSION, session, settled, &choice.tariff, zone) {
        Ok(rating) => rating,
        Err(error) => return vec![unrated(&error.to_string()).into()],
    };
    let is_free = rating.total_cost.excl_vat.is_zero() && rating.total_cost.incl_vat.is_zero();
    let reason = match settled.energy_wh == WattHours::ZERO {
        true => "no_energy",
        false => "free_of_charge",
    };
    let noted = station_cost_differs(session, &rating);
    let rated = SessionRated {
        tariff: choice.reference,
        time_zone: zone.name().to_owned(),
        rating,
        settled: settled_id,
        corrects: session.rated().map(|(id, _)| *id),
    };
    let mut events: Vec<Event> = vec![rated.into()];
    events.extend(noted.map(Event::from));
    if is_free && invoiced.is_none() {
        events.push(outcome(Outcome::Free, Some(reason), None).into());
    }
    events
}

pub(crate) fn outcome(
    outcome: Outcome,
    reason: Option<&str>,
    detail: Option<&str>,
) -> SessionOutcomeDecided {
    SessionOutcomeDecided {
        outcome,
        reason: reason.map(str::to_owned),
        detail: detail.map(str::to_owned),
        owner: None,
        resolved_by: None,
        invoice: None,
        settlement: None,
    }
}

fn for_review(review: Review) -> SessionOutcomeDecided {
    SessionOutcomeDecided {
        owner: Some(REVIEW_OWNER.to_owned()),
        resolved_by: Some(review.resolved_by.to_owned()),
        ..outcome(Outcome::NeedsReview, Some(review.reason), Some(review.detail))
    }
}

/// The outcome of a session that turns out to be paid for directly, after its invoice was taken
/// back: the station has to tell of the payment.
pub(crate) fn payer_pays_directly() -> SessionOutcomeDecided {
    for_review(PAYMENT_MISSING_REVIEW)
}

pub(crate) fn not_ratable(why: &str) -> SessionOutcomeDecided {
    let review = Review {
        reason: NOT_RATABLE,
        detail: "the tariff could not be applied",
        resolved_by: "a corrected tariff, or an operator enters the cost",
    };
    SessionOutcomeDecided {
        detail: Some(format!("{}: {why}", review.detail)),
        ..for_review(review)
    }
}
