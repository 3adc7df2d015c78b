//! Answers as of an earlier moment: the same routes, over read models that end there.

use crate::answer::at_position;
use crate::problem::Problem;
use crate::request::Query;
use crate::routes::guarded_routes;
use crate::state::ApiState;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chargebook_projections::{Moment, PastModels, When};
use serde::Deserialize;
use std::time::Duration;
use tower::ServiceExt as _;
use utoipa::IntoParams;

/// How long a request waits for a past to be made; it goes on being made, and whoever asks again
/// finds it.
pub const PAST_WAIT_MAX: Duration = Duration::from_secs(30);

/// What is answered from the read models alone, and so for any moment.
const OF_ANY_MOMENT: [&str; 23] = [
    "/v1/accounts",
    "/v1/accounts/{id}",
    "/v1/alerts",
    "/v1/alerts/{id}",
    "/v1/analytics",
    "/v1/drivers",
    "/v1/drivers/{id}",
    "/v1/invoices",
    "/v1/invoices/{number}",
    "/v1/reservations",
    "/v1/reviews",
    "/v1/sessions",
    "/v1/sessions/{id}",
    "/v1/sites",
    "/v1/sites/{id}",
    "/v1/stations",
    "/v1/stations/{id}",
    "/v1/stations/{id}/variables",
    "/v1/tariffs",
    "/v1/tariffs/{id}",
    "/v1/tokens",
    "/v1/tokens/{uid}",
    "/v1/totals",
];

/// Whether a route answers as of any moment.
pub(crate) fn is_of_any_moment(path: &str) -> bool {
    OF_ANY_MOMENT.contains(&path)
}

/// As of which moment a read is answered: a position of the log, or a time (RFC 3339).
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MomentParameters {
    /// What had happened by this time (RFC 3339), by the stations' own clocks where they can be
    /// believed; or a position of the log, which means the same as in `known_at`.
    as_of: Option<String>,
    /// What was in the log by this time (RFC 3339) or position; all of it if absent. With a time
    /// in `as_of`: what was known then of what had happened by that time.
    known_at: Option<String>,
}

impl MomentParameters {
    /// `None` where the present is asked for.
    fn moment(&self) -> Result<Option<Moment>, Problem> {
        let as_of = when("as_of", self.as_of.as_deref())?;
        let known_at = when("known_at", self.known_at.as_deref())?;
        let moment = Moment { as_of, known_at };
        Ok((moment != Moment::default()).then_some(moment))
    }
}

fn when(name: &str, text: Option<&str>) -> Result<Option<When>, Problem> {
    let read = text.map(str::parse).transpose();
    read.map_err(|error: chargebook_projections::WhenError| {
        Problem::parameter(name, error.to_string())
    })
}

/// Answers a read that names a moment; lets all others through. The answer tells in
/// `Chargebook-Position` up to where it knows the log.
pub(crate) async fn of_a_moment(
    State(state): State<ApiState>,
    Query(parameters): Query<MomentParameters>,
    request: Request,
    next: Next,
) -> Response {
    let moment = match parameters.moment() {
        Ok(None) => return next.run(request).await,
        Ok(Some(moment)) => moment,
        Err(problem) => return problem.into_response(),
    };
    match made(&state, &moment).await {
        Ok(past) => {
            let position = past.position;
            let answer = answered(state.of_the_past(past), anew(request)).await;
            at_position(position, answer)
        }
        Err(problem) => problem.into_response(),
    }
}

async fn made(state: &ApiState, moment: &Moment) -> Result<PastModels, Problem> {
    let Some(past) = &state.past else {
        return Err(Problem::unavailable("this server answers for the present only"));
    };
    match tokio::time::timeout(PAST_WAIT_MAX, past.at(moment)).await {
        Ok(made) => made.map_err(|error| Problem::internal(&error)),
        Err(_) => {
            let detail = "the past is being made from the log; ask the same again";
            Err(Problem::unavailable(detail))
        }
    }
}

/// The request without what the routes have found in it: they look again.
fn anew(request: Request) -> Request {
    let (parts, body) = request.into_parts();
    let mut request = Request::new(body);
    *request.method_mut() = parts.method;
    *request.uri_mut() = parts.uri;
    *request.headers_mut() = parts.headers;
    request
}

/// Answers one read (`/v1/stations/CP-1`) as of the moment that `past` was made for, to a caller
/// that needs no token.
pub async fn read_past(state: ApiState, past: PastModels, path: &str) -> Response {
    match Request::get(path).body(Body::empty()) {
        Ok(request) => answered(state.of_the_past(past), request).await,
        Err(error) => Problem::bad_request(error.to_string()).into_response(),
    }
}

/// By the routes without what guards them.
async fn answered(state: ApiState, request: Request) -> Response {
    let (router, _) = guarded_routes().split_for_parts();
    // A router fails nobody: what goes wrong is an answer.
    router.with_state(state).oneshot(request).await.into_response()
}
