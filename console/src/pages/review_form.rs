//! What an operator decides about something that waits for a review: a form becomes an event
//! with their name and their reason.

use super::SHOWN_WITHIN;
use crate::error::PageError;
use crate::login::Operator;
use crate::state::Console;
use axum::Extension;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use chargebook_commands::review::{DecisionNote, ReviewWish};
use chargebook_domain::ids::{EventId, SessionId};
use chargebook_domain::units::WattHours;
use rust_decimal::Decimal;
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct ReviewForm {
    csrf: String,
    decision: String,
    reason: String,
    decided_by: String,
    energy_kwh: Option<String>,
}

/// Takes the form, writes the decision, shows what it was about.
pub(crate) async fn decide(
    State(console): State<Console>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<String>,
    form: Result<Form<ReviewForm>, FormRejection>,
) -> Result<Response, PageError> {
    let Form(form) = form.map_err(|_| bad("The form could not be read."))?;
    operator.check(&form.csrf)?;
    let unknown = || PageError::NotFound("There is nothing to decide here.".to_owned());
    let note = DecisionNote { reason: form.reason.clone(), decided_by: form.decided_by.clone() };
    let (registered, address) = if form.decision == "dismiss" {
        let exchange: EventId = id.parse().map_err(|_| unknown())?;
        let station = console.models().orphan_at(exchange).await?.ok_or_else(unknown)?;
        let station = station.as_str();
        let dismissed = console.chargebook().dismiss_orphan(station, exchange, &note).await?;
        (dismissed, "/reviews".to_owned())
    } else {
        let session: SessionId = id.parse().map_err(|_| unknown())?;
        let wish = wish_of(&form)?;
        let decided = console.chargebook().decide_review(session, &wish, &note).await?;
        (decided, format!("/sessions/{session}"))
    };
    // Slower read models are no fault: the page then shows it when they have it.
    let _ = console.models().wait_for(registered.position, SHOWN_WITHIN).await;
    Ok(Redirect::to(&address).into_response())
}

/// To the list: a page that shows a refused form is read again at the form's address.
pub(crate) async fn back() -> Redirect {
    Redirect::to("/reviews")
}

fn wish_of(form: &ReviewForm) -> Result<ReviewWish, PageError> {
    match form.decision.as_str() {
        "free" => Ok(ReviewWish::Free),
        "void" => Ok(ReviewWish::Void),
        "bill" => Ok(ReviewWish::Bill {
            started_at: None,
            ended_at: None,
            energy_wh: energy_of(form.energy_kwh.as_deref().unwrap_or_default())?,
            price: None,
        }),
        _ => Err(bad("Choose what is to become of it.")),
    }
}

fn energy_of(kwh: &str) -> Result<WattHours, PageError> {
    let kwh: Option<Decimal> = kwh.trim().parse().ok();
    kwh.and_then(|kwh| kwh.checked_mul(Decimal::ONE_THOUSAND))
        .map(WattHours)
        .ok_or_else(|| bad("Say how many kWh are to be billed, such as 12.5."))
}

fn bad(detail: &str) -> PageError {
    PageError::BadRequest(detail.to_owned())
}
