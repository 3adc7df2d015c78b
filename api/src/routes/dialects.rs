//! Dialects of whole models: what a maker's stations do otherwise than the standard.

use crate::answer::{Page, Written};
use crate::problem::Problem;
use crate::request::Body;
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chargebook_domain::events::v1::{Dialect, ModelDialectSet, Quirk};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a maker's stations do otherwise than the standard and are understood in.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelDialect {
    /// The maker, as its stations name it in their BootNotification; case does not matter.
    #[schema(example = "Voltwerk")]
    vendor: String,
    /// The model, as its stations name it; all of the maker's if absent or null.
    #[schema(example = "Duo 22")]
    model: Option<String>,
    /// All of it, in the words of a station's `dialect`; empty takes it away.
    #[schema(value_type = Vec<String>, example = json!(["decimal_comma"]))]
    dialect: Vec<Quirk>,
}

impl From<ModelDialectSet> for ModelDialect {
    fn from(set: ModelDialectSet) -> Self {
        Self { vendor: set.vendor, model: set.model, dialect: set.dialect.into() }
    }
}

/// The models that have a dialect, by maker and model, all on one page.
#[utoipa::path(
    get, path = "/v1/settings/dialects", tag = "stations", operation_id = "list_model_dialects",
    responses((status = 200, description = "All of them", body = Page<ModelDialect>)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
) -> Result<Json<Page<ModelDialect>>, Problem> {
    let models = state.chargebook.registry().models_with_dialect().await?;
    let items = models.into_iter().map(ModelDialect::from).collect();
    Ok(Json(Page { items, next: None }))
}

/// Sets the dialect of a maker's model, or of all of a maker's models; in force with the next
/// message of every such station, beside the station's own.
#[utoipa::path(
    put, path = "/v1/settings/dialects", tag = "stations", operation_id = "set_model_dialect",
    request_body = ModelDialect,
    responses(
        (status = 200, description = "Set, or so before", body = Written),
        (status = 409, description = "Too many models have one", body = Problem),
        (status = 422, description = "The content is not valid", body = Problem),
    ),
)]
pub(crate) async fn set(
    State(state): State<ApiState>,
    Body(ModelDialect { vendor, model, dialect }): Body<ModelDialect>,
) -> Result<Response, Problem> {
    let registry = state.chargebook.registry();
    let set = registry.set_model_dialect(&vendor, model.as_deref(), Dialect::from(dialect)).await?;
    Ok(Written::changed(set.created, set.position, &vendor))
}
