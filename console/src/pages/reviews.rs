//! What a person has to look at: why, and what would resolve it.

use super::{Asked, PAGE_ROWS, Pager, render};
use crate::components::{Badge, Frame, When, address_part};
use crate::error::PageError;
use crate::format;
use crate::login::Operator;
use crate::prices;
use crate::state::Console;
use crate::zones::Zones;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use chargebook_domain::session::EARLY_PAYMENT_REVIEW;
use chargebook_domain::units::{Timestamp, WattHours};
use chargebook_projections::{EarlyPayment, OrphanStop, Paging, Review, Session};
use chrono_tz::Tz;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "reviews.html")]
struct ReviewsPage {
    frame: Frame,
    csrf: String,
    rows: Vec<ReviewRow>,
    pager: Pager,
}

struct ReviewRow {
    /// Where more is to be read.
    address: String,
    title: String,
    badge: Badge,
    why: String,
    detail: String,
    resolved_by: String,
    owner: String,
    /// What it is about: instants and figures.
    facts: Vec<(&'static str, String)>,
    at: (&'static str, When),
    /// Where it can be dismissed: what is no session.
    dismissed_at: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ReviewsQuery {
    next: Option<String>,
}

/// The page.
pub(crate) async fn list(
    State(console): State<Console>,
    Extension(operator): Extension<Operator>,
    Asked(query): Asked<ReviewsQuery>,
) -> Result<Response, PageError> {
    let now = console.now();
    let live = "session station";
    let frame = Frame::inside(&console, &operator, "Reviews", "reviews", live).await?;
    let paging = Paging { limit: Some(PAGE_ROWS), next: query.next.clone() };
    let page = console.models().list_reviews(&paging).await?;
    let zones = Zones::read(&console).await?;
    let mut rows = Vec::with_capacity(page.items.len());
    for review in &page.items {
        rows.push(match review {
            Review::Session(session) => {
                let doubted = prices::doubted_registers(&console, session).await?;
                of_session(session, prices::energy(session, doubted), now)
            }
            Review::OrphanStop(orphan) => of_orphan(orphan, now, zones.of(orphan.site_id)),
            Review::EarlyPayment(told) => of_payment(told, now, zones.of(told.site_id)),
        });
    }
    let pager = Pager::new("/reviews", query.next.as_deref(), page.next.as_deref());
    let csrf = operator.csrf().to_owned();
    render(&ReviewsPage { frame, csrf, rows, pager })
}

fn of_session(session: &Session, energy: WattHours, now: Timestamp) -> ReviewRow {
    let or_unsaid = |text: &Option<String>| text.clone().unwrap_or_else(|| "not said".to_owned());
    let began = When::new(session.started_at, now, crate::zones::parse(&session.time_zone));
    ReviewRow {
        address: format!("/sessions/{}", session.id),
        title: format!("{}, {}", session.station, super::place_of(session)),
        badge: Badge::session(session),
        why: format::words(&or_unsaid(&session.reason)),
        detail: or_unsaid(&session.detail),
        resolved_by: or_unsaid(&session.resolved_by),
        owner: or_unsaid(&session.owner),
        facts: vec![("Energy", format!("{} kWh", format::kwh(energy, 3)))],
        at: ("Began", began),
        dismissed_at: None,
    }
}

fn of_orphan(orphan: &OrphanStop, now: Timestamp, zone: Tz) -> ReviewRow {
    let review = orphan.review();
    ReviewRow {
        address: format!("/stations/{}", address_part(orphan.station.as_str())),
        title: format!("{}, a stop without a session", orphan.station),
        badge: Badge::orphan(),
        why: format::words(review.reason),
        detail: review.detail.to_owned(),
        resolved_by: review.resolved_by.to_owned(),
        owner: "operator".to_owned(),
        facts: vec![
            ("End register", format!("{} kWh", format::kwh(orphan.register_stop_wh, 3))),
            ("Transaction id", orphan.transaction_id.to_string()),
        ],
        at: ("Stopped", When::new(orphan.stopped_at, now, zone)),
        dismissed_at: Some(format!("/reviews/{}", orphan.exchange)),
    }
}

fn of_payment(told: &EarlyPayment, now: Timestamp, zone: Tz) -> ReviewRow {
    let review = EARLY_PAYMENT_REVIEW;
    ReviewRow {
        address: format!("/stations/{}", address_part(told.station.as_str())),
        title: format!("{}, a payment without a session", told.station),
        badge: Badge::orphan(),
        why: format::words(review.reason),
        detail: review.detail.to_owned(),
        resolved_by: review.resolved_by.to_owned(),
        owner: "operator".to_owned(),
        facts: vec![
            ("Amount", told.payment.amount.to_string()),
            ("Transaction id", told.transaction_id.to_string()),
        ],
        at: ("Settled", When::new(told.payment.at, now, zone)),
        dismissed_at: Some(format!("/reviews/{}", told.exchange)),
    }
}
