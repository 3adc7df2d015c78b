//! The routes, what guards them, and the document that describes them.

mod analytics;
mod commands;
mod drivers;
mod events;
pub(crate) mod health;
mod invoices;
mod log;
mod reviews;
mod sessions;
mod settings;
mod sites;
mod stations;
pub(crate) mod stream;
mod tariffs;
mod tokens;

use crate::auth::require_token;
use crate::observe::observe;
use crate::problem::Problem;
use crate::request::{BODY_BYTES_MAX, Query, WaitParameters};
use crate::state::{ApiState, WAIT_FOR_MAX};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chargebook_store::Position;
use std::any::Any;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Where the document is served.
const DOCUMENT_PATH: &str = "/openapi.json";
/// Where the page to read and try it is served.
const PAGE_PATH: &str = "/docs";

/// The whole API; more routes (a console) can be merged into it.
pub fn router(state: ApiState) -> Router {
    let (guarded, _) = guarded_routes().split_for_parts();
    let guarded = guarded
        .method_not_allowed_fallback(wrong_method)
        .route_layer(from_fn_with_state(state.clone(), wait_for))
        .route_layer(from_fn_with_state(state.clone(), require_token));
    let (open, _) = open_routes().split_for_parts();
    let document = axum::body::Bytes::from(openapi());
    let document = get(|| async move { ([(CONTENT_TYPE, "application/json")], document) });
    open.route(DOCUMENT_PATH, document)
        .merge(SwaggerUi::new(PAGE_PATH).config(Config::new([DOCUMENT_PATH])))
        .method_not_allowed_fallback(wrong_method)
        .merge(guarded)
        .fallback(no_such_path)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(observe))
        .with_state(state)
}

/// The OpenAPI document, pretty JSON that ends with a newline.
pub fn openapi() -> String {
    let document = OpenApiRouter::with_openapi(Description::openapi())
        .merge(open_routes())
        .merge(guarded_routes())
        .into_openapi();
    // A document of plain maps and strings always has a JSON form.
    let text = document.to_pretty_json().unwrap_or_default();
    format!("{text}\n")
}

fn open_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
}

fn guarded_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(stations::list, stations::register))
        .routes(routes!(stations::get, stations::change))
        .routes(routes!(stations::declare_connector))
        .routes(routes!(tokens::list, tokens::register))
        .routes(routes!(tokens::get, tokens::change))
        .routes(routes!(tokens::erase))
        .routes(routes!(tariffs::list))
        .routes(routes!(tariffs::get, tariffs::publish))
        .routes(routes!(settings::default_tariff, settings::set_default_tariff))
        .routes(routes!(events::list))
        .routes(routes!(commands::request))
        .routes(routes!(commands::list))
        .routes(routes!(commands::get))
        .routes(routes!(drivers::list, drivers::register))
        .routes(routes!(drivers::get))
        .routes(routes!(drivers::erase))
        .routes(routes!(sites::list, sites::register))
        .routes(routes!(sites::get))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::get))
        .routes(routes!(invoices::list))
        .routes(routes!(invoices::get))
        .routes(routes!(invoices::bundle))
        .routes(routes!(invoices::list_accounts))
        .routes(routes!(invoices::get_account))
        .routes(routes!(stream::changes))
        .routes(routes!(analytics::analytics))
        .routes(routes!(analytics::totals))
        .routes(routes!(reviews::list))
        .routes(routes!(reviews::list_security_events))
        .routes(routes!(reviews::list_parked_events))
        .routes(routes!(log::status))
        .routes(routes!(log::checkpoint))
}

/// Lets a read wait for the read models.
async fn wait_for(
    State(state): State<ApiState>,
    Query(parameters): Query<WaitParameters>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(position) = parameters.wait_for {
        let waited = state.read_models.wait_for(Position::from_u64(position), WAIT_FOR_MAX).await;
        if let Err(error) = waited {
            return Problem::from(error).into_response();
        }
    }
    next.run(request).await
}

async fn no_such_path() -> Problem {
    Problem::not_found("there is nothing at this path; /docs lists what there is")
}

async fn wrong_method() -> Problem {
    Problem::method_not_allowed()
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
    Problem::internal(&said.unwrap_or("a panic without words")).into_response()
}

/// What the document says beside the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Chargebook",
        description = "A charging management system. Everything that happens is an event in a \
            log; what is read here is derived from it.\n\n\
            Everything under `/v1` needs `Authorization: Bearer TOKEN`. Every write answers the \
            header `Chargebook-Position` and is in force when the answer arrives; a read that \
            must have seen it takes `?wait_for=POSITION`. Lists are pages: send `next` as \
            `after` to get the next one. Instants are RFC 3339 in UTC, money is a decimal \
            string in major units, energy is in Wh. What cannot be done is answered with a \
            problem (RFC 9457). Members and parameters that are not known are ignored.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(Problem)),
    security(("token" = [])),
    modifiers(&TokenScheme),
    tags(
        (name = "stations", description = "Charge points and their connectors"),
        (name = "commands", description = "Intents to stations"),
        (name = "tokens", description = "What drivers present"),
        (name = "drivers", description = "Who charges and pays"),
        (name = "sites", description = "Where stations stand"),
        (name = "tariffs", description = "What charging costs"),
        (name = "sessions", description = "Charging sessions"),
        (name = "invoices", description = "What was billed, and its proof"),
        (name = "log", description = "The log itself, and live changes"),
        (name = "analytics", description = "Sums over time"),
        (name = "server", description = "The state of this server"),
    ),
)]
struct Description;

struct TokenScheme;

impl utoipa::Modify for TokenScheme {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("token", scheme);
    }
}
