//! The log as a whole: where it stands, and what it is checked against.

use crate::problem::Problem;
use crate::request::WaitParameters;
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::io::ErrorKind;
use utoipa::ToSchema;

/// Where the log stands, and the key that its checkpoints are signed with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogStatus {
    /// The name of the log, as in its checkpoints.
    origin: String,
    /// The key that verifies its checkpoints, as `audit verify --key` takes it. Write it down
    /// once, from a place that you trust.
    verifier_key: String,
    /// A short form of that key, for people to compare.
    fingerprint: String,
    /// Position of the last event.
    position: u64,
    /// Position that the read models have reached.
    read_models: u64,
}

/// Where the log stands, and the key that its checkpoints are signed with.
#[utoipa::path(
    get, path = "/v1/log", tag = "log", operation_id = "get_log",
    params(WaitParameters),
    responses((status = 200, description = "The log", body = LogStatus)),
)]
pub(crate) async fn status(State(state): State<ApiState>) -> Json<LogStatus> {
    let key = state.chargebook.personal().vault().verifier_key();
    Json(LogStatus {
        origin: key.origin().as_str().to_owned(),
        verifier_key: key.to_string(),
        fingerprint: key.fingerprint().to_string(),
        position: state.head().as_u64(),
        read_models: state.read_models.position().borrow().as_u64(),
    })
}

/// The log's latest signed checkpoint (C2SP tlog-checkpoint): origin, size and root of its tree.
/// Two that do not extend each other prove that the log was forked.
#[utoipa::path(
    get, path = "/v1/log/checkpoint", tag = "log", operation_id = "get_checkpoint",
    params(WaitParameters),
    responses(
        (status = 200, description = "The note", content_type = "text/plain", body = String),
        (status = 404, description = "None is signed yet", body = Problem),
    ),
)]
pub(crate) async fn checkpoint(State(state): State<ApiState>) -> Result<Response, Problem> {
    let none = || Problem::not_found("no checkpoint is signed yet");
    let file = state.checkpoint_file.as_ref().ok_or_else(none)?;
    match tokio::fs::read(file).await {
        Ok(note) => Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(none()),
        Err(error) => Err(Problem::internal(&error)),
    }
}
