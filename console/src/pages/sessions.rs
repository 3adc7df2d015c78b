//! The sessions, narrowed by station and status.

use super::{Asked, PAGE_ROWS, Pager, SessionLine, StatusChoice, StatusOffer, choose, render};
use crate::components::{Frame, address_part};
use crate::error::PageError;
use crate::login::Operator;
use crate::state::Console;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use chargebook_domain::events::v1::Outcome;
use chargebook_projections::{Paging, SessionFilter};
use serde::Deserialize;

/// Stations that the filter proposes.
const STATIONS_PROPOSED_MAX: u32 = 200;

/// What the status filter offers: which outcome, and whether open.
const OFFERS: &[StatusOffer<(Option<Outcome>, Option<bool>)>] = &[
    ("", "any", (None, None)),
    ("open", "charging", (None, Some(true))),
    ("invoiced", "invoiced", (Some(Outcome::Invoiced), None)),
    ("free", "free", (Some(Outcome::Free), None)),
    ("void", "void", (Some(Outcome::Void), None)),
    ("charged_elsewhere", "charged elsewhere", (Some(Outcome::ChargedElsewhere), None)),
    ("needs_review", "needs review", (Some(Outcome::NeedsReview), None)),
];

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage {
    frame: Frame,
    station: String,
    station_ids: Vec<String>,
    choices: Vec<StatusChoice>,
    sessions: Vec<SessionLine>,
    no_sessions: &'static str,
    pager: Pager,
}

#[derive(Deserialize)]
pub(crate) struct SessionsQuery {
    station: Option<String>,
    status: Option<String>,
    next: Option<String>,
}

/// The page.
pub(crate) async fn list(
    State(console): State<Console>,
    Extension(operator): Extension<Operator>,
    Asked(query): Asked<SessionsQuery>,
) -> Result<Response, PageError> {
    let frame = Frame::inside(&console, &operator, "Sessions", "sessions", "session").await?;
    let station = query.station.unwrap_or_default().trim().to_owned();
    let ((key, _, (outcome, open)), choices) = choose(OFFERS, query.status.as_deref())?;
    let filter = SessionFilter {
        station: (!station.is_empty()).then(|| station.clone()),
        outcome,
        open,
        ..SessionFilter::default()
    };
    let paging = Paging { limit: Some(PAGE_ROWS), next: query.next.clone() };
    let page = console.models().list_sessions(&filter, &paging).await?;
    let proposed = Paging { limit: Some(STATIONS_PROPOSED_MAX), next: None };
    let stations = console.models().list_stations(&proposed).await?.items;
    let address =
        format!("/sessions?station={}&status={}", address_part(&station), address_part(key));
    let narrowed = filter != SessionFilter::default();
    render(&SessionsPage {
        frame,
        station,
        station_ids: stations.into_iter().map(|station| station.id.to_string()).collect(),
        choices,
        sessions: SessionLine::read(&console, &page.items, true).await?,
        no_sessions: match narrowed {
            true => "No session fits. Choose any station and any status to see all.",
            false => "No session yet. One appears here as soon as a station reports its start.",
        },
        pager: Pager::new(&address, query.next.as_deref(), page.next.as_deref()),
    })
}
