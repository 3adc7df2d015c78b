//! The console: pages for the people who run chargers. Rendered on the server, readable
//! without a script; a small script of our own keeps open pages up to date.
//!
//! This room knows HTML, the read models' answers and the intents an operator may utter. It
//! writes nothing by itself (every deed is a command), and it knows no OCPP, no SQL, no tokens
//! of the API: who may come in, the embedder's authenticator says.

mod assets;
mod chart;
mod components;
mod error;
mod format;
mod live;
mod login;
mod pages;
mod prices;
mod security;
mod state;
mod zones;

pub use assets::STYLESHEET_PATH;
pub use live::LIVE_STREAMS_MAX;
pub use login::{FAILED_LOGINS_MAX, LOGINS_MAX};
pub use state::{Authenticator, Console, ConsoleOptions};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

/// Largest form that is read, in bytes.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// The console's routes. It sets no fallback, so that it can be merged with other routers; see
/// [`not_found`].
pub fn router(console: Console) -> Router {
    let inside = Router::new()
        .route("/", get(pages::dashboard::show))
        .route("/stations", get(pages::stations::list))
        .route("/stations/{station}", get(pages::station::show))
        .route(
            "/stations/{station}/commands",
            get(pages::station_commands::back).post(pages::station_commands::request),
        )
        .route("/sessions", get(pages::sessions::list))
        .route("/sessions/{session}", get(pages::session::show))
        .route("/invoices", get(pages::invoices::list))
        .route("/invoices/{number}", get(pages::invoices::show))
        .route("/reviews", get(pages::reviews::list))
        .route("/reviews/{id}", get(pages::review_form::back).post(pages::review_form::decide))
        .route("/alerts", get(pages::alerts::list))
        .route("/alerts/{id}", get(pages::alerts::back).post(pages::alerts::acknowledge))
        .route("/reservations", get(pages::reservations::list))
        .route("/tariffs", get(pages::tariffs::list))
        .route("/live", get(live::stream))
        .route("/logout", post(login::log_out))
        .layer(from_fn_with_state(console.clone(), login::require_operator));
    let outside = Router::new()
        .route("/login", get(login::form).post(login::log_in))
        .route("/assets/{file}", get(assets::serve))
        .route("/favicon.svg", get(assets::favicon))
        .route("/favicon.ico", get(assets::favicon));
    inside
        .merge(outside)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(from_fn(security::same_origin_writes))
        .layer(from_fn(security::headers))
        .with_state(console)
}

/// The page for an address that leads nowhere: for the embedder's fallback.
pub async fn not_found() -> Response {
    let page = error::PageError::NotFound("There is no page at this address.".to_owned());
    security::with_headers(page.into_response())
}
