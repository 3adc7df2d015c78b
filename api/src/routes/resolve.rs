//! What a person decides about something that waits for a review.

use crate::answer::Written;
use crate::problem::Problem;
use crate::request::{Body, PathText};
use crate::state::ApiState;
use axum::extract::State;
use axum::response::Response;
use chargebook_commands::review::{DecisionNote, ReviewWish};
use chargebook_domain::events::v1::PriceByHand;
use chargebook_domain::ids::{EventId, SessionId};
use chargebook_domain::units::{Timestamp, WattHours};
use rust_decimal::Decimal;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A decision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resolution {
    /// What becomes of it.
    decision: Decision,
    /// Why, in 1 to 500 characters; kept sealed.
    #[schema(example = "the driver sent a photo of the meter")]
    reason: String,
    /// Who decides, in 1 to 100 characters; kept sealed.
    decided_by: String,
    /// For `bill`: what was drawn, in Wh.
    energy_wh: Option<i64>,
    /// For `bill`: when it began; as the facts tell it if absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    /// For `bill`: when it ended; as the facts tell it if absent. Nothing is charged for the time
    /// after.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// For `bill`: what it costs; by the tariff in force if absent.
    price: Option<Price>,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Decision {
    /// A session: nothing is to be paid; what was invoiced is taken back.
    Free,
    /// A session: it was none at all.
    Void,
    /// A session: it is billed as entered.
    Bill,
    /// A stop or a payment without a session: none will take it in any more.
    Dismiss,
}

/// A price for the session as a whole.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Price {
    /// Without VAT, in major units.
    #[schema(example = "4.20")]
    net: String,
    /// VAT in percent; none is due if absent.
    #[schema(example = "19")]
    vat_percent: Option<String>,
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
}

/// Decides what waits for a review: frees, voids or bills a session, or dismisses a stop or a
/// payment that found no session. What follows (settlement, invoice, credit note) is drawn from it
/// at once; another decision corrects it.
#[utoipa::path(
    post, path = "/v1/reviews/{id}/resolve", tag = "sessions", operation_id = "resolve_review",
    params(("id" = Uuid, Path, description = "The review's id")),
    request_body = Resolution,
    responses(
        (status = 200, description = "Decided", body = Written),
        (status = 404, description = "Nothing of that id", body = Problem),
        (status = 409, description = "It does not wait for a review", body = Problem),
        (status = 422, description = "It cannot be decided so", body = Problem),
    ),
)]
pub(crate) async fn resolve(
    State(state): State<ApiState>,
    PathText(id): PathText,
    Body(resolution): Body<Resolution>,
) -> Result<Response, Problem> {
    let uuid: Uuid = id.parse().map_err(|_| Problem::not_found(format!("no review `{id}`")))?;
    let note = DecisionNote {
        reason: resolution.reason.clone(),
        decided_by: resolution.decided_by.clone(),
    };
    let exchange = EventId(uuid);
    let decided = match (state.read_models.orphan_at(exchange).await?, resolution.decision) {
        (Some(station), Decision::Dismiss) => {
            state.chargebook.dismiss_orphan(station.as_str(), exchange, &note).await?
        }
        (Some(_), _) => {
            return Err(Problem::invalid("/decision", "what has no session is dismissed"));
        }
        (None, Decision::Dismiss) => {
            return Err(Problem::not_found(format!("nothing without a session `{id}`")));
        }
        (None, _) => {
            let wish = resolution.wish()?;
            state.chargebook.decide_review(SessionId(uuid), &wish, &note).await?
        }
    };
    Ok(Written::changed(decided.created, decided.position, &id))
}

impl Resolution {
    fn wish(&self) -> Result<ReviewWish, Problem> {
        match self.decision {
            Decision::Free => Ok(ReviewWish::Free),
            Decision::Void => Ok(ReviewWish::Void),
            Decision::Bill | Decision::Dismiss => {
                let energy_wh = self.energy_wh.ok_or_else(|| {
                    Problem::invalid("/energy_wh", "a bill needs the energy in Wh")
                })?;
                Ok(ReviewWish::Bill {
                    started_at: self.started_at,
                    ended_at: self.ended_at,
                    energy_wh: WattHours::from_whole(energy_wh),
                    price: self.price.as_ref().map(Price::read).transpose()?,
                })
            }
        }
    }
}

impl Price {
    fn read(&self) -> Result<PriceByHand, Problem> {
        let decimal = |pointer: &str, text: &str| -> Result<Decimal, Problem> {
            text.parse().map_err(|_| Problem::invalid(pointer, "a decimal number such as 4.20"))
        };
        let vat_percent = self.vat_percent.as_deref();
        Ok(PriceByHand {
            net: decimal("/price/net", &self.net)?,
            vat_percent: vat_percent.map(|vat| decimal("/price/vat_percent", vat)).transpose()?,
            currency: self.currency.clone(),
        })
    }
}
