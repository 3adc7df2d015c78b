//! The pages, one module each: they ask the read models, put the answers into words, and let a
//! template write them.

pub(crate) mod dashboard;
pub(crate) mod invoices;
pub(crate) mod lines;
pub(crate) mod power;
pub(crate) mod reviews;
pub(crate) mod session;
pub(crate) mod sessions;
pub(crate) mod station;
pub(crate) mod station_commands;
pub(crate) mod stations;
pub(crate) mod tariffs;

use crate::components::{Badge, When, address_part};
use crate::error::PageError;
use crate::format;
use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use chargebook_domain::units::Timestamp;
use chargebook_projections::Session;

/// Rows of one page of a list.
const PAGE_ROWS: u32 = 50;

/// The links below a list.
pub(crate) struct Pager {
    pub(crate) first: Option<String>,
    pub(crate) next: Option<String>,
}

impl Pager {
    /// `address` is the list's own with what narrows it, ready for `next` to be put behind.
    pub(crate) fn new(address: &str, here: Option<&str>, next: Option<&str>) -> Self {
        let separator = if address.contains('?') { '&' } else { '?' };
        let next = next.map(|next| format!("{address}{separator}next={}", address_part(next)));
        Self { first: here.map(|_| address.to_owned()), next }
    }
}

/// A session in a table.
pub(crate) struct SessionLine {
    pub(crate) id: String,
    pub(crate) station: String,
    pub(crate) connector: u32,
    pub(crate) began: When,
    pub(crate) lasted: String,
    pub(crate) energy: String,
    pub(crate) cost: String,
    pub(crate) badge: Badge,
    /// Number, and as a part of an address.
    pub(crate) invoice: Option<(String, String)>,
}

impl SessionLine {
    pub(crate) fn new(session: &Session, now: Timestamp) -> Self {
        let zone = crate::zones::parse(&session.time_zone);
        let ended = session.ended_at.unwrap_or(now);
        let cost = session.cost.as_ref();
        Self {
            id: session.id.to_string(),
            station: session.station.to_string(),
            connector: session.connector.0,
            began: When::new(session.started_at, now, zone),
            lasted: format::duration(ended.seconds_since(session.started_at)),
            energy: format::kwh(session.energy_wh, 2),
            cost: cost.map_or_else(|| "–".to_owned(), |c| format::money(c.gross, &c.currency)),
            badge: Badge::session(session),
            invoice: session.invoice.clone().map(|number| {
                let part = address_part(&number);
                (number, part)
            }),
        }
    }
}

/// Writes a page.
fn render(page: &impl Template) -> Result<Response, PageError> {
    Ok(Html(page.render()?).into_response())
}
