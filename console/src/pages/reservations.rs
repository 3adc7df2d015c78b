//! The places that stations keep for drivers, and what became of them.

use super::{Asked, PAGE_ROWS, Pager, StatusChoice, StatusOffer, choose, render};
use crate::components::{Badge, Frame, When, address_part};
use crate::error::PageError;
use crate::format;
use crate::login::Operator;
use crate::state::Console;
use crate::zones::Zones;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use chargebook_domain::units::Timestamp;
use chargebook_projections::{Paging, Reservation, ReservationStatus};
use chrono_tz::Tz;
use serde::Deserialize;

/// What the list can be narrowed to.
const OFFERS: &[StatusOffer<Option<ReservationStatus>>] = &[
    ("", "any", None),
    ("active", "active", Some(ReservationStatus::Active)),
    ("used", "used", Some(ReservationStatus::Used)),
    ("cancelled", "cancelled", Some(ReservationStatus::Cancelled)),
    ("expired", "expired", Some(ReservationStatus::Expired)),
];

#[derive(Template)]
#[template(path = "reservations.html")]
struct ReservationsPage {
    frame: Frame,
    choices: Vec<StatusChoice>,
    rows: Vec<ReservationLine>,
    pager: Pager,
}

struct ReservationLine {
    station: String,
    /// The station's page.
    address: String,
    place: String,
    number: String,
    card: String,
    badge: Badge,
    made: When,
    until: When,
    session: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ReservationsQuery {
    next: Option<String>,
    status: Option<String>,
}

/// The page.
pub(crate) async fn list(
    State(console): State<Console>,
    Extension(operator): Extension<Operator>,
    Asked(query): Asked<ReservationsQuery>,
) -> Result<Response, PageError> {
    let ((key, _, status), choices) = choose(OFFERS, query.status.as_deref())?;
    let now = console.now();
    let zone = Zones::read(&console).await?.common();
    let section = "reservations";
    let frame = Frame::inside(&console, &operator, "Reservations", section, "station").await?;
    let paging = Paging { limit: Some(PAGE_ROWS), next: query.next.clone() };
    let page = console.models().list_reservations(None, status, now, &paging).await?;
    let mut rows = Vec::with_capacity(page.items.len());
    for reservation in page.items {
        rows.push(line(&console, reservation, now, zone).await);
    }
    let address = format!("/reservations?status={key}");
    let pager = Pager::new(&address, query.next.as_deref(), page.next.as_deref());
    render(&ReservationsPage { frame, choices, rows, pager })
}

async fn line(
    console: &Console,
    reservation: Reservation,
    now: Timestamp,
    zone: Tz,
) -> ReservationLine {
    let is_anywhere = reservation.evse.is_none()
        && reservation.connector.is_none_or(|connector| connector.0 == 0);
    ReservationLine {
        station: reservation.station.to_string(),
        address: format!("/stations/{}", address_part(reservation.station.as_str())),
        place: match (is_anywhere, reservation.evse, reservation.connector) {
            (true, ..) => "anywhere".to_owned(),
            (false, evse, connector) => format::place(evse, connector),
        },
        number: reservation.reservation_id.to_string(),
        card: console.chargebook().personal().open(&reservation.token).await,
        badge: Badge::reservation(reservation.status),
        made: When::new(reservation.made_at, now, zone),
        until: When::new(reservation.expires_at, now, zone),
        session: reservation.session_id.map(|session| session.to_string()),
    }
}
