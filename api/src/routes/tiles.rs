//! The log as C2SP tlog-tiles has it (c2sp.org/tlog-tiles), under the prefix `/v1/log`: the
//! checkpoint is beside, here are the tree's tiles and the entries. Whoever has them computes every
//! proof of inclusion and of consistency without asking this server to.
//!
//! They need a token like all of the API: the entries are the operator's business, sealed as they
//! are, and even the tiles tell how much of it there is.

use crate::problem::Problem;
use crate::state::ApiState;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chargebook_store::RecordedEvent;
use chargebook_store::sealer::{Tile, Tree, TreeError};

/// Media type of tiles and of bundles of entries.
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// What is in one never changes; with a token asked for, it is for nobody else to keep.
const FOR_EVER: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// Bundles of entries that are put together at once at most, up to 16 MiB each; the others wait.
pub(crate) const ENTRY_BUNDLES_AT_ONCE_MAX: usize = 4;

/// Under `/v1/log`; the paths have as many parts as an index has thousands, so they are in no
/// OpenAPI document.
pub(crate) fn router() -> Router<ApiState> {
    Router::new()
        .route("/v1/log/tile/entries/{*index}", get(entries))
        .route("/v1/log/tile/{level}/{*index}", get(tile))
}

async fn tile(
    State(state): State<ApiState>,
    Path((level, index)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let path = format!("tile/{level}/{index}");
    let (tree, tile) = sealed_tile(&state, &path)?;
    let read = tokio::task::spawn_blocking(move || tree.tile(tile)).await;
    match read.map_err(|error| Problem::internal(&error))? {
        Ok(content) => Ok(immutable(content)),
        Err(error) => Err(Problem::internal(&error)),
    }
}

/// The events of one tile of leaves, each as the bytes that its leaf is the hash of, after its
/// length in two bytes.
async fn entries(
    State(state): State<ApiState>,
    Path(index): Path<String>,
) -> Result<Response, Problem> {
    let (tree, tile) = sealed_tile(&state, &format!("tile/0/{index}"))?;
    let _place = state.entry_bundles.acquire().await.map_err(|error| Problem::internal(&error))?;
    let log = state.chargebook.journal().store();
    let mut content = Vec::new();
    tree.events_of(&**log, tile, |event| push_entry(&mut content, &event)).await?;
    Ok(immutable(content))
}

impl From<TreeError> for Problem {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Store(error) => Problem::from(error),
            error => Problem::internal(&error),
        }
    }
}

fn push_entry(content: &mut Vec<u8>, event: &RecordedEvent) -> Result<(), Problem> {
    event.verify_leaf()?;
    let entry = event.envelope().canonical().into_string();
    let Ok(length) = u16::try_from(entry.len()) else {
        return Err(Problem::not_found(format!(
            "the event at position {} has {} bytes, and an entry at most {}: `GET /v1/events` has \
             it, and `chargebook log prove inclusion` proves it",
            event.position,
            entry.len(),
            u16::MAX
        )));
    };
    content.extend_from_slice(&length.to_be_bytes());
    content.extend_from_slice(entry.as_bytes());
    Ok(())
}

/// The tile of a path, if the last checkpoint has made it.
fn sealed_tile(state: &ApiState, path: &str) -> Result<(Tree, Tile), Problem> {
    let none = || Problem::not_found(format!("the tree has no `{path}`"));
    let tree = state.tree.clone().ok_or_else(none)?;
    let tile: Tile = path.parse().map_err(|_| none())?;
    let size = tree.size().map_err(|error| Problem::internal(&error))?;
    if !tile.is_in(size) {
        return Err(none());
    }
    Ok((tree, tile))
}

fn immutable(content: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, FOR_EVER)], content).into_response()
}
