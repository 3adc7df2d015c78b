//! Commands: intents to stations. An intent is in the log when it is answered with 202; what
//! becomes of it is in the command's resource.

mod exact;
mod further;
mod intent;
mod resource;

use intent::Verb;

pub(crate) use intent::NewCommand;
pub(crate) use resource::Command;

use crate::answer::{Page, Written, at_position, located};
use crate::problem::Problem;
use crate::request::{PageParameters, PathText, Query, Text, WaitParameters, read_json};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chargebook_commands::CommandStage;
use chargebook_commands::registry::Registered;
use chargebook_domain::ids::CommandId;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::time::Duration;
use utoipa::IntoParams;

/// Longest that an answer is waited for in the same call, in seconds.
const WAIT_SECONDS_MAX: u64 = 60;
/// RFC 7240.
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// RFC 7240.
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// Who asks for commands here.
const ACTOR: &str = "operator";

/// Which commands.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CommandParameters {
    /// To this station, by its id.
    station: Option<String>,
}

/// What decides how a body is read.
#[derive(Deserialize)]
struct Said {
    verb: Option<Verb>,
}

/// Asks a station for something. Start, stop, reset, unlock and trigger expire after 30 s and
/// are not delivered to a station that comes back later; the others wait for it, at most a week.
#[utoipa::path(
    post, path = "/v1/stations/{id}/commands", tag = "commands", operation_id = "request_command",
    params(
        ("id" = String, Path, description = "The station's id"),
        ("Prefer" = Option<String>, Header,
            description = "`wait=10`: answer when the station has, at most 60 s later"),
    ),
    request_body = NewCommand,
    responses(
        (status = 202, description = "In the log; its resource tells the rest", body = Command),
        (status = 200, description = "Waited for, and finished", body = Command),
        (status = 404, description = "No such station", body = Problem),
        (status = 409, description = "Too many open commands", body = Problem),
        (status = 422, description = "The content is not valid", body = Problem),
    ),
)]
pub(crate) async fn request(
    State(state): State<ApiState>,
    PathText(station): PathText,
    headers: HeaderMap,
    Text(body): Text,
) -> Result<Response, Problem> {
    let known = state.chargebook.registry().station(&station).await?;
    let known = known.ok_or_else(|| super::stations::no_station(&station))?;
    let Said { verb } = read_json(&body)?;
    let intent = match verb {
        Some(verb) if verb.is_further() => further::intent(&state, &known, &body).await?,
        _ => read_json::<NewCommand>(&body)?.intent(&state, &known).await?,
    };
    let requested = state.chargebook.request_command(&station, intent, ACTOR).await?;
    followed(&state, requested, wished_wait(&headers)).await
}

/// Asks a station for something in OCPP's own words: the payload of an action, exactly as the
/// standard has it. It is held against the schema of the version that the station speaks (over
/// its live connection, or spoke over its last one), sent with its members in the schema's
/// order, and not judged otherwise: an unknown connector or reservation is the station's to
/// judge. Every action that a management system may send is taken: 26 of OCPP 1.6 with the
/// security extension, 40 of 2.0.1, 55 of 2.1.
#[utoipa::path(
    post, path = "/v1/stations/{id}/ocpp/{action}", tag = "commands",
    operation_id = "request_exact",
    params(
        ("id" = String, Path, description = "The station's id"),
        ("action" = String, Path, description = "The action, as OCPP spells it",
            example = "UnlockConnector"),
        ("Prefer" = Option<String>, Header,
            description = "`wait=10`: answer when the station has, at most 60 s later"),
    ),
    request_body(content = Object, description = "The payload"),
    responses(
        (status = 202, description = "In the log; its resource tells the rest", body = Command),
        (status = 200, description = "Waited for, and finished", body = Command),
        (status = 404, description = "No such station", body = Problem),
        (status = 409, description = "Too many open commands; or the station has never \
            connected, so its version is not known; or the `requestId` is that of another command \
            whose reports are not all there", body = Problem),
        (status = 422, description = "Not what the version's schema allows", body = Problem),
    ),
)]
pub(crate) async fn request_exact(
    State(state): State<ApiState>,
    PathText((station, action)): PathText<(String, String)>,
    headers: HeaderMap,
    Text(payload): Text,
) -> Result<Response, Problem> {
    if let Err(error) = serde_json::from_str::<IgnoredAny>(&payload) {
        return Err(Problem::malformed(error.to_string()));
    }
    let requested = state.chargebook.request_exact(&station, &action, &payload, ACTOR).await?;
    followed(&state, requested, wished_wait(&headers)).await
}

/// A command that another route has asked for, as [`request`] answers it.
pub(crate) async fn followed_by(
    state: &ApiState,
    requested: (CommandId, Registered),
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    followed(state, requested, wished_wait(headers)).await
}

/// The command's resource, now or when the station has answered.
async fn followed(
    state: &ApiState,
    (id, registered): (CommandId, Registered),
    wait: Option<Duration>,
) -> Result<Response, Problem> {
    let view = match wait {
        Some(patience) => state.chargebook.command_finished(id, patience).await?,
        None => state.chargebook.command(id).await?,
    };
    let view = view.ok_or_else(|| Problem::internal(&"a command was not there to be read"))?;
    let finished = view.stage == CommandStage::Finished;
    let body = Json(Command::of_view(state, view).await);
    let location = located(&Written::path("/v1/commands", &id.to_string()));
    let status = match wait {
        Some(_) if finished => StatusCode::OK,
        _ => StatusCode::ACCEPTED,
    };
    let mut response = (status, location, body).into_response();
    if let Some(patience) = wait
        && let Ok(applied) = HeaderValue::from_str(&format!("wait={}", patience.as_secs()))
    {
        response.headers_mut().insert(PREFERENCE_APPLIED, applied);
    }
    Ok(at_position(registered.position, response))
}

/// The commands, newest first.
#[utoipa::path(
    get, path = "/v1/commands", tag = "commands", operation_id = "list_commands",
    params(CommandParameters, PageParameters, WaitParameters),
    responses(
        (status = 200, description = "A page; the stations' replies are left out",
            body = Page<Command>),
    ),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Query(parameters): Query<CommandParameters>,
    Query(page): Query<PageParameters>,
) -> Result<Json<Page<Command>>, Problem> {
    let paging = page.paging()?;
    let page = state.read_models.list_commands(parameters.station.as_deref(), &paging).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(Command::of_row(&state, row).await);
    }
    Ok(Json(Page { items, next: page.next }))
}

/// One command, with the station's reply.
#[utoipa::path(
    get, path = "/v1/commands/{id}", tag = "commands", operation_id = "get_command",
    params(("id" = Uuid, Path, description = "The command's id"), WaitParameters),
    responses(
        (status = 200, description = "The command", body = Command),
        (status = 404, description = "No such command", body = Problem),
    ),
)]
pub(crate) async fn get(
    State(state): State<ApiState>,
    PathText(id): PathText,
) -> Result<Json<Command>, Problem> {
    let no_command = || Problem::not_found(format!("no command `{id}`"));
    let command_id: CommandId = id.parse().map_err(|_| no_command())?;
    let view = state.chargebook.command(command_id).await?.ok_or_else(no_command)?;
    Ok(Json(Command::of_view(&state, view).await))
}

/// The `wait` of RFC 7240, cut to what is waited at most.
fn wished_wait(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(PREFER).into_iter().filter_map(|value| value.to_str().ok());
    let preferences = values.flat_map(|value| value.split(','));
    let seconds = preferences.filter_map(|preference| {
        let word = preference.split(';').next().unwrap_or_default();
        let (name, value) = word.split_once('=')?;
        let is_wait = name.trim().eq_ignore_ascii_case("wait");
        is_wait.then(|| value.trim().trim_matches('"').parse::<u64>().ok()).flatten()
    });
    // Of several the first counts (RFC 7240 section 2).
    let first = seconds.take(1).next()?;
    Some(Duration::from_secs(first.min(WAIT_SECONDS_MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_read_out_of_the_preferences() {
        let check = |values: &[&'static str], expect: Option<u64>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(PREFER, HeaderValue::from_static(value));
            }
            let wait = wished_wait(&headers).map(|wait| wait.as_secs());
            assert_eq!(wait, expect, "{values:?}");
        };
        check(&["wait=10"], Some(10));
        check(&["respond-async, Wait = \"5\"; x=1"], Some(5));
        check(&["respond-async", "wait=7", "wait=8"], Some(7));
        check(&["wait=100000"], Some(WAIT_SECONDS_MAX));
        check(&["wait=soon"], None);
        check(&["respond-async"], None);
        check(&[], None);
    }
}
