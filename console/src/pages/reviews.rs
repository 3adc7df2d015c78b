//! Sessions that a person has to look at: why, and what would resolve it.

use super::{Asked, PAGE_ROWS, Pager, render};
use crate::components::{Badge, Frame, When};
use crate::error::PageError;
use crate::format;
use crate::login::Operator;
use crate::prices;
use crate::state::Console;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use chargebook_domain::events::v1::Outcome;
use chargebook_domain::units::{Timestamp, WattHours};
use chargebook_projections::{Paging, Session, SessionFilter};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "reviews.html")]
struct ReviewsPage {
    frame: Frame,
    rows: Vec<ReviewRow>,
    pager: Pager,
}

struct ReviewRow {
    id: String,
    station: String,
    connector: u32,
    badge: Badge,
    why: String,
    detail: String,
    resolved_by: String,
    owner: String,
    began: When,
    energy: String,
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
    let frame = Frame::inside(&console, &operator, "Reviews", "reviews", "session").await?;
    let filter = SessionFilter { outcome: Some(Outcome::NeedsReview), ..SessionFilter::default() };
    let paging = Paging { limit: Some(PAGE_ROWS), next: query.next.clone() };
    let page = console.models().list_sessions(&filter, &paging).await?;
    let mut rows = Vec::with_capacity(page.items.len());
    for session in &page.items {
        let doubted = prices::doubted_registers(&console, session).await?;
        rows.push(row_of(session, prices::energy(session, doubted), now));
    }
    let pager = Pager::new("/reviews", query.next.as_deref(), page.next.as_deref());
    render(&ReviewsPage { frame, rows, pager })
}

fn row_of(session: &Session, energy: WattHours, now: Timestamp) -> ReviewRow {
    let or_unsaid = |text: &Option<String>| text.clone().unwrap_or_else(|| "not said".to_owned());
    ReviewRow {
        id: session.id.to_string(),
        station: session.station.to_string(),
        connector: session.connector.0,
        badge: Badge::session(session),
        why: format::words(&or_unsaid(&session.reason)),
        detail: or_unsaid(&session.detail),
        resolved_by: or_unsaid(&session.resolved_by),
        owner: or_unsaid(&session.owner),
        began: When::new(session.started_at, now, crate::zones::parse(&session.time_zone)),
        energy: format::kwh(energy, 3),
    }
}
