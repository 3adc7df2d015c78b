//! Forgetting a person, and what became of it; and all that is held of one.

use crate::answer::{Page, Written, at_position, located};
use crate::problem::Problem;
use crate::request::{MaybeBody, PathText};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chargebook_commands::erasure::{Erasure as ErasureView, ErasureWish, ExportError, Subject};
use chargebook_domain::ids::{DriverId, ErasureId};
use chargebook_domain::units::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;
use uuid::Uuid;

/// Why a person is erased, where nobody says.
const ERASED_BECAUSE: &str = "requested_by_subject";
/// Longest reason for an erasure, in characters; it stays in the log for ever.
const REASON_CHARACTERS_MAX: usize = 48;
/// How long a request waits for the end of what it has begun.
const WAITS_MAX: Duration = Duration::from_secs(10);

/// How a person is to be erased.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Erasure {
    /// A word for why, kept in the log for ever: no personal data. `requested_by_subject` if
    /// absent.
    reason: Option<String>,
    /// What else they are called by: a contract id, a telephone number. Texts of others that have
    /// one of these in them as a word of its own, or the uid, the name or the e-mail address, are
    /// erased too. 3 to 200 characters; 16 at most.
    #[serde(default)]
    words: Vec<String>,
    /// Also where the driver's account is not even: nobody can be asked for the rest afterwards,
    /// nor be given it back.
    #[serde(default)]
    even_if_unsettled: bool,
}

impl Erasure {
    fn wish(self) -> Result<ErasureWish, Problem> {
        let reason = self.reason.unwrap_or_else(|| ERASED_BECAUSE.to_owned());
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        match (1..=REASON_CHARACTERS_MAX).contains(&reason.len()) && reason.chars().all(is_word) {
            true => Ok(ErasureWish {
                reason,
                words: self.words,
                even_if_unsettled: self.even_if_unsettled,
            }),
            false => Err(Problem::invalid("/reason", "a word of a-z, 0-9 and _")),
        }
    }
}

/// What became of a wish that a person be erased.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErasureState {
    /// Our id of the wish.
    erasure_id: Uuid,
    /// How far it is.
    state: Stage,
    /// The driver, with all their tokens; null where it is a token alone.
    driver_id: Option<Uuid>,
    /// The token, where it is one that is registered.
    token_id: Option<Uuid>,
    /// Why.
    reason: String,
    /// What is waited for before anything is destroyed.
    waits_for: WaitsFor,
    /// How many texts of others named them; null until it is decided.
    texts: Option<usize>,
    /// Stations that were not told to take a token off their list for offline use: not reached
    /// within a day, left quiet, or not willing.
    stations_not_told: Vec<String>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    requested_at: Timestamp,
    /// When it was done.
    #[schema(value_type = Option<String>, format = DateTime)]
    completed_at: Option<Timestamp>,
    /// Where the log stands with it.
    position: u64,
}

/// How far an erasure is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ErasureStage)]
enum Stage {
    /// Who it is about may charge no more; nothing is destroyed yet.
    Requested,
    /// What is to be destroyed is written down, and is being destroyed.
    Decided,
    /// All of it is destroyed.
    Completed,
}

/// What an erasure waits for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ErasureWaits)]
struct WaitsFor {
    /// Sessions that go on, are not billed yet, or wait for a review.
    sessions: Vec<Uuid>,
    /// Stations that are to take a token off their list for offline use.
    stations: Vec<String>,
}

/// Erases a driver with all their tokens: nobody can read anything of them from here on, in any
/// copy of the log. It is done once what they have charged is billed. What was billed stays, and
/// stays provable.
#[utoipa::path(
    post, path = "/v1/drivers/{id}/erase", tag = "drivers", operation_id = "erase_driver",
    params(("id" = String, Path, description = "The driver's id, or our own `driver_id`")),
    request_body = Option<Erasure>,
    responses(
        (status = 200, description = "Erased, or so before", body = ErasureState),
        (status = 202, description = "Written down; `Location` tells how far it is",
            body = ErasureState),
        (status = 404, description = "No such driver", body = Problem),
        (status = 409, description = "Their account is not even", body = Problem),
        (status = 422, description = "The content is not valid", body = Problem),
    ),
)]
pub(crate) async fn erase_driver(
    State(state): State<ApiState>,
    PathText(id): PathText,
    MaybeBody(erasure): MaybeBody<Erasure>,
) -> Result<Response, Problem> {
    let wish = erasure.unwrap_or_default().wish()?;
    let driver_id = driver_of(&state, &id).await?;
    erase(&state, Subject::Driver(driver_id), &wish).await
}

/// Erases whoever is behind a token, also one that is not registered: nobody can read its uid from
/// here on, and it may not charge any more. Else as with a driver.
#[utoipa::path(
    post, path = "/v1/tokens/{uid}/erase", tag = "tokens", operation_id = "erase_token",
    params(("uid" = String, Path, description = "What the reader reads")),
    request_body = Option<Erasure>,
    responses(
        (status = 200, description = "Erased, or so before", body = ErasureState),
        (status = 202, description = "Written down; `Location` tells how far it is",
            body = ErasureState),
        (status = 404, description = "Nothing is held of it", body = Problem),
        (status = 422, description = "The content is not valid", body = Problem),
    ),
)]
pub(crate) async fn erase_token(
    State(state): State<ApiState>,
    PathText(uid): PathText,
    MaybeBody(erasure): MaybeBody<Erasure>,
) -> Result<Response, Problem> {
    let wish = erasure.unwrap_or_default().wish()?;
    erase(&state, Subject::Token(&uid), &wish).await
}

/// Who was erased, or is to be; oldest first.
#[utoipa::path(
    get, path = "/v1/erasures", tag = "drivers", operation_id = "list_erasures",
    responses((status = 200, description = "All of them", body = Page<ErasureState>)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
) -> Result<Json<Page<ErasureState>>, Problem> {
    let erasures = state.chargebook.all_erasures().await?;
    let items = erasures.into_iter().map(|erasure| told(&state, erasure)).collect();
    Ok(Json(Page { items, next: None }))
}

/// How far one is.
#[utoipa::path(
    get, path = "/v1/erasures/{id}", tag = "drivers", operation_id = "get_erasure",
    params(("id" = Uuid, Path, description = "`erasure_id`")),
    responses(
        (status = 200, description = "The erasure", body = ErasureState),
        (status = 404, description = "No such erasure", body = Problem),
    ),
)]
pub(crate) async fn get(
    State(state): State<ApiState>,
    PathText(id): PathText,
) -> Result<Json<ErasureState>, Problem> {
    let id: ErasureId = id.parse().map_err(|_| no_erasure())?;
    let erasure = state.chargebook.erasure(id).await?.ok_or_else(no_erasure)?;
    Ok(Json(told(&state, erasure)))
}

/// All that is held of a driver, in the open: tokens, sessions with every message, invoices,
/// accounts, and every other record that they stand in. What is somebody else's stays sealed.
#[utoipa::path(
    get, path = "/v1/drivers/{id}/export", tag = "drivers", operation_id = "export_driver",
    params(("id" = String, Path, description = "The driver's id, or our own `driver_id`")),
    responses(
        (status = 200, description = "In the form `chargebook-subject/1`", body = Object),
        (status = 404, description = "No such driver", body = Problem),
        (status = 409, description = "More is held than one export takes", body = Problem),
    ),
)]
pub(crate) async fn export_driver(
    State(state): State<ApiState>,
    PathText(id): PathText,
) -> Result<Json<serde_json::Value>, Problem> {
    let driver_id = driver_of(&state, &id).await?;
    export(&state, Subject::Driver(driver_id)).await
}

/// All that is held of whoever is behind a token, also one that is not registered. Else as with a
/// driver.
#[utoipa::path(
    get, path = "/v1/tokens/{uid}/export", tag = "tokens", operation_id = "export_token",
    params(("uid" = String, Path, description = "What the reader reads")),
    responses(
        (status = 200, description = "In the form `chargebook-subject/1`", body = Object),
        (status = 404, description = "Nothing is held of it", body = Problem),
        (status = 409, description = "More is held than one export takes", body = Problem),
    ),
)]
pub(crate) async fn export_token(
    State(state): State<ApiState>,
    PathText(uid): PathText,
) -> Result<Json<serde_json::Value>, Problem> {
    export(&state, Subject::Token(&uid)).await
}

async fn erase(
    state: &ApiState,
    subject: Subject<'_>,
    wish: &ErasureWish,
) -> Result<Response, Problem> {
    let (erasure, _) = state.chargebook.request_erasure(subject, wish).await?;
    let id = erasure.requested.erasure_id;
    let erasure = state.chargebook.erasure_settled(id, WAITS_MAX).await?;
    let erasure = erasure.ok_or_else(no_erasure)?;
    let (position, is_done) = (erasure.position, erasure.completed_at.is_some());
    let location = located(&Written::path("/v1/erasures", &id.to_string()));
    let status = if is_done { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(at_position(position, (status, location, Json(told(state, erasure)))))
}

async fn export(
    state: &ApiState,
    subject: Subject<'_>,
) -> Result<Json<serde_json::Value>, Problem> {
    match state.chargebook.export_subject(subject).await {
        Ok(export) => {
            let value = serde_json::to_value(&export);
            value.map(Json).map_err(|error| Problem::internal(&error.to_string()))
        }
        Err(ExportError::Registry(error)) => Err(error.into()),
        Err(error @ ExportError::TooLarge) => Err(Problem::conflict(error.to_string())),
    }
}

/// A driver by the operator's id of them, or by ours.
async fn driver_of(state: &ApiState, id: &str) -> Result<DriverId, Problem> {
    let registry = state.chargebook.registry();
    if let Some(driver) = registry.driver(id).await? {
        return Ok(driver.driver_id);
    }
    let driver_id: DriverId = id.parse().map_err(|_| no_driver())?;
    let known = registry.driver_by_id(driver_id).await?;
    known.map(|driver| driver.driver_id).ok_or_else(no_driver)
}

fn told(state: &ApiState, erasure: ErasureView) -> ErasureState {
    let waits = state.chargebook.erasure_waits(erasure.requested.erasure_id);
    let state = match (erasure.completed_at, erasure.is_decided) {
        (Some(_), _) => Stage::Completed,
        (None, true) => Stage::Decided,
        (None, false) => Stage::Requested,
    };
    let named = |stations: Vec<_>| {
        let name = |station: chargebook_domain::ids::StationIdentity| station.as_str().to_owned();
        stations.into_iter().map(name).collect()
    };
    ErasureState {
        erasure_id: erasure.requested.erasure_id.0,
        state,
        driver_id: erasure.requested.driver_id.map(|id| id.0),
        token_id: erasure.requested.token_id.map(|id| id.0),
        waits_for: WaitsFor {
            sessions: waits.sessions.into_iter().map(|id| id.0).collect(),
            stations: named(waits.stations.into_iter().collect()),
        },
        texts: erasure.is_decided.then(|| erasure.texts()),
        reason: erasure.requested.reason,
        stations_not_told: named(erasure.stations_not_told),
        requested_at: erasure.requested_at,
        completed_at: erasure.completed_at,
        position: erasure.position.as_u64(),
    }
}

fn no_erasure() -> Problem {
    Problem::not_found("no such erasure")
}

fn no_driver() -> Problem {
    Problem::not_found("no such driver")
}
