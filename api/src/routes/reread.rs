//! Reading again what a station said and was refused.

use crate::problem::Problem;
use crate::request::{MaybeBody, PathText};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use chargebook_commands::reread::{RereadMessage, RereadOutcome, RereadReport, RereadRequest};
use chargebook_domain::events::v1::Quirk;
use chargebook_domain::units::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Which refused messages are to be read again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// Those that came from here on; 31 days before `until` if absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Those that came before; now if absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Only tell what would be understood; nothing is written.
    #[serde(default)]
    dry_run: bool,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Reread {
    /// What the messages were read in: the station's dialect and its model's.
    #[schema(value_type = Vec<String>, example = json!(["numbers_as_strings"]))]
    dialect: Vec<Quirk>,
    /// How many have become facts, or would be understood in a dry run.
    understood: usize,
    /// How many are refused in this dialect too.
    still_refused: usize,
    /// Every message that was looked at, oldest first; at most 200.
    messages: Vec<Message>,
    /// Where to go on from, where there are more, or more than 10,000 events to look for them in.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_from: Option<Timestamp>,
}

/// One refused message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Message {
    /// The `exchange.recorded` with its text.
    exchange: Uuid,
    /// Its action.
    #[schema(example = "StopTransaction")]
    action: Option<String>,
    /// When it came.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// What came of it.
    outcome: Outcome,
    /// The session that it is about.
    session: Option<Uuid>,
}

/// What came of reading one refused message again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It would be understood; it was only a dry run.
    Understood,
    /// It has become facts.
    TakenIn,
    /// The station has said the same in a message that was understood.
    Repeat,
    /// It is understood, and nothing follows from it any more.
    WithoutEffect,
    /// It is refused in this dialect too.
    StillRefused,
    /// Its personal data has been erased since.
    Erased,
}

impl From<RereadOutcome> for Outcome {
    fn from(outcome: RereadOutcome) -> Self {
        match outcome {
            RereadOutcome::Understood => Self::Understood,
            RereadOutcome::TakenIn => Self::TakenIn,
            RereadOutcome::Repeat => Self::Repeat,
            RereadOutcome::WithoutEffect => Self::WithoutEffect,
            RereadOutcome::StillRefused => Self::StillRefused,
            RereadOutcome::Erased => Self::Erased,
        }
    }
}

impl From<RereadMessage> for Message {
    fn from(message: RereadMessage) -> Self {
        Self {
            exchange: message.exchange.0,
            action: message.action,
            received_at: message.received_at,
            outcome: message.outcome.into(),
            session: message.session.map(|session| session.0),
        }
    }
}

impl From<RereadReport> for Reread {
    fn from(report: RereadReport) -> Self {
        let count = |counted: &[RereadOutcome]| {
            report.messages.iter().filter(|message| counted.contains(&message.outcome)).count()
        };
        Self {
            dialect: report.dialect.into(),
            understood: count(&[RereadOutcome::TakenIn, RereadOutcome::Understood]),
            still_refused: count(&[RereadOutcome::StillRefused]),
            next_from: report.next_from,
            messages: report.messages.into_iter().map(Message::from).collect(),
        }
    }
}

/// Reads the messages of a station again that it was refused, in the dialect in force now. What
/// sessions are made of becomes facts, with the times that it had then, and waiting sessions are
/// settled and billed; each message is taken in once.
#[utoipa::path(
    post, path = "/v1/stations/{id}/reread", tag = "stations", operation_id = "reread_station",
    params(("id" = String, Path, description = "The station's id")),
    request_body = Wish,
    responses(
        (status = 200, description = "What came of each message", body = Reread),
        (status = 404, description = "No such station", body = Problem),
        (status = 422, description = "The span cannot be", body = Problem),
    ),
)]
pub(crate) async fn reread(
    State(state): State<ApiState>,
    PathText(id): PathText,
    MaybeBody(wish): MaybeBody<Wish>,
) -> Result<Json<Reread>, Problem> {
    let Wish { from, until, dry_run } = wish.unwrap_or_default();
    let request = RereadRequest { from, until, dry_run };
    Ok(Json(state.chargebook.reread(&id, request).await?.into()))
}
