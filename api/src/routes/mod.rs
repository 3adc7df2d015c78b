//! The routes, and what guards them.

mod accounts;
mod alerts;
mod analytics;
mod certificates;
mod charging_plan;
mod commands;
mod device_model;
mod dialects;
mod drivers;
mod erasures;
mod events;
pub(crate) mod health;
mod invoices;
mod local_tariffs;
mod log;
mod master_pass;
mod monitors;
mod reread;
mod reservations;
mod resolve;
mod reviews;
mod sessions;
mod settings;
mod sites;
mod station_energy;
mod stations;
pub(crate) mod stream;
mod tariffs;
pub(crate) mod tiles;
mod tokens;
mod trust_anchors;
mod v2g_authority;
mod web_payments;

use crate::auth::require_token;
use crate::document::{document, openapi};
use crate::observe::observe;
use crate::parameters::{KnownParameters, known_parameters};
use crate::past::of_a_moment;
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
        .merge(tiles::router())
        .method_not_allowed_fallback(wrong_method)
        .route_layer(from_fn_with_state(state.clone(), of_a_moment))
        .route_layer(from_fn_with_state(state.clone(), wait_for))
        .route_layer(from_fn_with_state(KnownParameters::of(&document()), known_parameters))
        .route_layer(from_fn_with_state(state.clone(), require_token));
    let (open, _) = open_routes().split_for_parts();
    let text = axum::body::Bytes::from(openapi());
    let text = get(|| async move { ([(CONTENT_TYPE, "application/json")], text) });
    open.route(DOCUMENT_PATH, text)
        .merge(SwaggerUi::new(PAGE_PATH).config(Config::new([DOCUMENT_PATH])))
        .method_not_allowed_fallback(wrong_method)
        .merge(guarded)
        .fallback(no_such_path)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(observe))
        .with_state(state)
}

pub(crate) fn open_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
}

pub(crate) fn guarded_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(stations::list, stations::register))
        .routes(routes!(stations::get, stations::change))
        .routes(routes!(stations::declare_connector))
        .routes(routes!(reread::reread))
        .routes(routes!(device_model::list_variables))
        .routes(routes!(charging_plan::get))
        .routes(routes!(monitors::get))
        .routes(routes!(station_energy::get))
        .routes(routes!(certificates::list))
        .routes(routes!(certificates::withdraw))
        .routes(routes!(certificates::authority))
        .routes(routes!(alerts::list))
        .routes(routes!(alerts::get))
        .routes(routes!(alerts::acknowledge))
        .routes(routes!(tokens::list, tokens::register))
        .routes(routes!(tokens::get, tokens::change))
        .routes(routes!(erasures::erase_token))
        .routes(routes!(erasures::export_token))
        .routes(routes!(trust_anchors::list, trust_anchors::add))
        .routes(routes!(trust_anchors::withdraw))
        .routes(routes!(v2g_authority::get, v2g_authority::set, v2g_authority::withdraw))
        .routes(routes!(tariffs::list))
        .routes(routes!(tariffs::get, tariffs::publish))
        .routes(routes!(dialects::list, dialects::set))
        .routes(routes!(master_pass::get, master_pass::set))
        .routes(routes!(settings::default_tariff, settings::set_default_tariff))
        .routes(routes!(events::list))
        .routes(routes!(commands::request))
        .routes(routes!(commands::request_exact))
        .routes(routes!(local_tariffs::list_local_tariffs))
        .routes(routes!(local_tariffs::send_default_tariff))
        .routes(routes!(web_payments::set_web_payments))
        .routes(routes!(web_payments::validate))
        .routes(routes!(commands::list))
        .routes(routes!(commands::get))
        .routes(routes!(reservations::list))
        .routes(routes!(drivers::list, drivers::register))
        .routes(routes!(drivers::get))
        .routes(routes!(erasures::erase_driver))
        .routes(routes!(erasures::export_driver))
        .routes(routes!(erasures::list))
        .routes(routes!(erasures::get))
        .routes(routes!(sites::list, sites::register))
        .routes(routes!(sites::get))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::get))
        .routes(routes!(invoices::list))
        .routes(routes!(invoices::get))
        .routes(routes!(invoices::bundle))
        .routes(routes!(accounts::list))
        .routes(routes!(accounts::get))
        .routes(routes!(accounts::pay_in))
        .routes(routes!(accounts::set_limit))
        .routes(routes!(stream::changes))
        .routes(routes!(analytics::analytics))
        .routes(routes!(analytics::totals))
        .routes(routes!(reviews::list))
        .routes(routes!(resolve::resolve))
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
