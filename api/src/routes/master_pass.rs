//! The group of tokens that may end anybody's session, and begin none.

use crate::answer::Written;
use crate::problem::Problem;
use crate::request::Body;
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The master pass group.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MasterPass {
    /// The group, in the words of a token's `group`; null where there is none.
    #[schema(example = "SERVICE")]
    group: Option<String>,
}

/// The group of tokens that may end anybody's session.
#[utoipa::path(
    get, path = "/v1/settings/master-pass", tag = "tokens", operation_id = "get_master_pass",
    responses((status = 200, description = "The group, or null", body = MasterPass)),
)]
pub(crate) async fn get(State(state): State<ApiState>) -> Result<Json<MasterPass>, Problem> {
    let group = state.chargebook.registry().master_pass_group().await?;
    Ok(Json(MasterPass { group: group.map(|group| group.to_string()) }))
}

/// Says which group of tokens may end anybody's session, and begin none; in force at once. 2.x
/// stations have to be told the same (`AuthCtrlr.MasterPassGroupId`).
#[utoipa::path(
    put, path = "/v1/settings/master-pass", tag = "tokens", operation_id = "set_master_pass",
    request_body = MasterPass,
    responses(
        (status = 200, description = "Set, or so before", body = Written),
        (status = 422, description = "The content is not valid", body = Problem),
    ),
)]
pub(crate) async fn set(
    State(state): State<ApiState>,
    Body(MasterPass { group }): Body<MasterPass>,
) -> Result<Response, Problem> {
    let set = state.chargebook.registry().set_master_pass_group(group.as_deref()).await?;
    Ok(Written::changed(set.created, set.position, "master-pass"))
}
