//! The pages, one module each: they ask the read models, put the answers into words, and let a
//! template write them.

pub(crate) mod alerts;
mod charging;
pub(crate) mod dashboard;
pub(crate) mod invoices;
pub(crate) mod lines;
pub(crate) mod power;
pub(crate) mod reservations;
pub(crate) mod review_form;
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
use crate::prices;
use crate::state::Console;
use askama::Template;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::response::{Html, IntoResponse, Response};
use chargebook_domain::units::Timestamp;
use chargebook_projections::{Cost, Session};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Rows of one page of a list.
const PAGE_ROWS: u32 = 50;

/// What the address asks for behind its `?`; an error page where that cannot be read.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        let query = Query::try_from_uri(&parts.uri);
        let Query(asked) = query.map_err(|_| {
            PageError::BadRequest("What stands behind the `?` was not understood.".to_owned())
        })?;
        Ok(Self(asked))
    }
}

/// How long the read models are waited for before a page is shown again.
const SHOWN_WITHIN: Duration = Duration::from_secs(2);

/// One of the statuses that a list can be narrowed to.
pub(crate) struct StatusChoice {
    pub(crate) key: &'static str,
    pub(crate) name: &'static str,
    pub(crate) chosen: bool,
}

/// A status as a list offers it: its key in the address, its name, and what it narrows to.
pub(crate) type StatusOffer<T> = (&'static str, &'static str, T);

/// What was chosen of the offers, and how they are shown then. Nothing asked for is the first.
pub(crate) fn choose<T: Copy>(
    offers: &[StatusOffer<T>],
    asked: Option<&str>,
) -> Result<(StatusOffer<T>, Vec<StatusChoice>), PageError> {
    let asked = asked.unwrap_or_default();
    let chosen = offers.iter().copied().find(|(key, ..)| *key == asked).ok_or_else(|| {
        let words: Vec<_> = offers.iter().map(|(key, ..)| *key).filter(|w| !w.is_empty()).collect();
        PageError::BadRequest(format!("A status is one of: {}.", words.join(", ")))
    })?;
    let shown =
        |(key, name, _): &StatusOffer<T>| StatusChoice { key, name, chosen: *key == chosen.0 };
    Ok((chosen, offers.iter().map(shown).collect()))
}

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
    /// What it is called, and what stands beside that.
    pub(crate) name: (String, String),
    pub(crate) began: When,
    pub(crate) lasted: String,
    pub(crate) energy: String,
    pub(crate) cost: String,
    /// Whether that is what it costs so far.
    pub(crate) so_far: bool,
    pub(crate) badge: Badge,
    /// Number, and as a part of an address.
    pub(crate) invoice: Option<(String, String)>,
}

impl SessionLine {
    /// The lines of a list, with the price so far of those that run.
    pub(crate) async fn read(
        console: &Console,
        sessions: &[Session],
        with_station: bool,
    ) -> Result<Vec<Self>, PageError> {
        let mut lines = Vec::with_capacity(sessions.len());
        for session in sessions {
            let running = session.cost.is_none() && session.outcome.is_none();
            let course = match running {
                true => prices::course(console, session).await?,
                false => None,
            };
            let price = course.as_ref().and_then(|course| course.cost.as_ref());
            let mut line = Self::new(session, price, console.now());
            let doubted = prices::doubted_registers(console, session).await?;
            line.energy = format::kwh(prices::energy(session, doubted), 2);
            if !with_station {
                line.name = (capitalised(&place_of(session)), String::new());
            }
            lines.push(line);
        }
        Ok(lines)
    }

    fn new(session: &Session, so_far: Option<&Cost>, now: Timestamp) -> Self {
        let zone = crate::zones::parse(&session.time_zone);
        let ended = session.ended_at.unwrap_or(now);
        let cost = session.cost.as_ref().or(so_far);
        Self {
            id: session.id.to_string(),
            name: (session.station.to_string(), place_of(session)),
            began: When::new(session.started_at, now, zone),
            lasted: format::duration(ended.seconds_since(session.started_at)),
            energy: format::kwh(session.energy_wh, 2),
            cost: cost.map_or_else(|| "–".to_owned(), |c| format::money(c.gross, &c.currency)),
            so_far: session.cost.is_none() && so_far.is_some(),
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

/// Where at its station a session is, for people.
pub(crate) fn place_of(session: &Session) -> String {
    format::place(session.evse, session.connector)
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}
