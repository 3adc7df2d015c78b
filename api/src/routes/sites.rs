//! Sites: where stations stand, and whose clock their tariffs' hours are read in.

use crate::answer::{Page, Written};
use crate::problem::Problem;
use crate::request::{Body, PathText, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chargebook_projections::Site as SiteRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A site.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Site {
    /// Its id in the API.
    id: String,
    /// Our own id of it, as in stream names.
    site_id: Uuid,
    /// What people read.
    name: String,
    /// IANA time zone.
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
    /// Postal address, one line.
    address: Option<String>,
    /// ISO 3166-1 alpha-2.
    country: Option<String>,
}

impl From<SiteRow> for Site {
    fn from(row: SiteRow) -> Self {
        Self {
            id: row.id,
            site_id: row.site_id.0,
            name: row.name,
            time_zone: row.time_zone,
            address: row.address,
            country: row.country,
        }
    }
}

/// A site to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSite {
    /// Its id in the API; a random one if absent.
    id: Option<String>,
    /// What people read; the id if absent.
    name: Option<String>,
    /// IANA time zone; the server's setting if absent.
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
    /// Postal address, one line.
    address: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[schema(example = "DE")]
    country: Option<String>,
}

/// The sites, by id; one page holds all.
#[utoipa::path(
    get, path = "/v1/sites", tag = "sites", operation_id = "list_sites",
    params(WaitParameters),
    responses((status = 200, description = "The sites", body = Page<Site>)),
)]
pub(crate) async fn list(State(state): State<ApiState>) -> Result<Json<Page<Site>>, Problem> {
    let rows = state.read_models.list_sites().await?;
    Ok(Json(Page { items: rows.into_iter().map(Site::from).collect(), next: None }))
}

/// One site.
#[utoipa::path(
    get, path = "/v1/sites/{id}", tag = "sites", operation_id = "get_site",
    params(("id" = String, Path, description = "The site's id"), WaitParameters),
    responses(
        (status = 200, description = "The site", body = Site),
        (status = 404, description = "No such site", body = Problem),
    ),
)]
pub(crate) async fn get(
    State(state): State<ApiState>,
    PathText(id): PathText,
) -> Result<Json<Site>, Problem> {
    let found = state.found(|| state.read_models.site(&id)).await?;
    let found = found.ok_or_else(|| Problem::not_found(format!("no site `{id}`")))?;
    Ok(Json(found.into()))
}

/// Registers a site; the same again is the same.
#[utoipa::path(
    post, path = "/v1/sites", tag = "sites", operation_id = "register_site",
    request_body = NewSite,
    responses(
        (status = 201, description = "Registered", body = Written),
        (status = 200, description = "It was registered so before", body = Written),
        (status = 409, description = "It is registered with other content", body = Problem),
        (status = 422, description = "The content is not valid", body = Problem),
    ),
)]
pub(crate) async fn register(
    State(state): State<ApiState>,
    Body(site): Body<NewSite>,
) -> Result<Response, Problem> {
    let id = site.id.unwrap_or_else(|| state.fresh_name());
    let name = site.name.unwrap_or_else(|| id.clone());
    let time_zone = site.time_zone.unwrap_or_else(|| state.chargebook.settings().time_zone.clone());
    if let Some(country) = &site.country
        && !(country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase()))
    {
        return Err(Problem::invalid("/country", "two capital letters (ISO 3166-1 alpha-2)"));
    }
    let _alone = state.alone_with("site", &id).await;
    let registry = state.chargebook.registry();
    let registered =
        registry.register_site(&id, &name, &time_zone, site.address, site.country).await?;
    Ok(Written::registered(registered, "/v1/sites", &id))
}
