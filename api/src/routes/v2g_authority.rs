//! The authority that signs what stations show to vehicles (ISO 15118).

use crate::answer::Written;
use crate::problem::Problem;
use crate::request::Body;
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chargebook_commands::registry::Registered;
use chargebook_domain::units::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An authority below the root of a V2G infrastructure, with its key.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewV2gAuthority {
    /// Its certificate in PEM, and those of the authorities above it, each signed by the next.
    certificate_chain: String,
    /// Its private key, of the curve P-256, in PEM (PKCS #8). It is kept apart from the log and
    /// given to nobody.
    #[schema(write_only)]
    private_key: String,
}

/// The authority that signs what stations show to vehicles.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct V2gAuthority {
    /// Its certificate and those that were brought with it, in PEM.
    certificate_chain: String,
    /// Its name.
    #[schema(example = "CN=CPO Sub2 CA")]
    subject: String,
    /// SHA-256 of its certificate, hexadecimal, for people to compare.
    fingerprint_sha256: String,
    /// The end of its validity.
    #[schema(value_type = String, format = DateTime)]
    not_after: Timestamp,
}

/// The authority that signs what stations show to vehicles (SignCertificate for a
/// `V2GCertificate`).
#[utoipa::path(
    get, path = "/v1/v2g-authority", tag = "stations", operation_id = "get_v2g_authority",
    responses(
        (status = 200, description = "The authority", body = V2gAuthority),
        (status = 404, description = "There is none", body = Problem),
    ),
)]
pub(crate) async fn get(State(state): State<ApiState>) -> Result<Json<V2gAuthority>, Problem> {
    let known = state.chargebook.v2g_authority().await;
    let known = known.map_err(|error| Problem::internal(&error))?;
    let known = known.ok_or_else(|| Problem::not_found("there is no V2G authority"))?;
    let known = known.description();
    Ok(Json(V2gAuthority {
        certificate_chain: known.certificate_chain.clone(),
        subject: known.subject.clone(),
        fingerprint_sha256: known.fingerprint_sha256.clone(),
        not_after: known.not_after,
    }))
}

/// Brings the authority that signs what stations show to vehicles, instead of the one before;
/// in force at once.
#[utoipa::path(
    put, path = "/v1/v2g-authority", tag = "stations", operation_id = "set_v2g_authority",
    request_body = NewV2gAuthority,
    responses(
        (status = 200, description = "It signs from now on", body = Written),
        (status = 422, description = "No such authority, or not its key", body = Problem),
    ),
)]
pub(crate) async fn set(
    State(state): State<ApiState>,
    Body(NewV2gAuthority { certificate_chain, private_key }): Body<NewV2gAuthority>,
) -> Result<Response, Problem> {
    let set = state.chargebook.set_v2g_authority(&certificate_chain, &private_key).await?;
    Ok(written(set))
}

/// Signs nothing for vehicles any more, and forgets the key. What was signed stays good.
#[utoipa::path(
    delete, path = "/v1/v2g-authority", tag = "stations", operation_id = "withdraw_v2g_authority",
    responses(
        (status = 200, description = "Forgotten", body = Written),
        (status = 404, description = "There is none", body = Problem),
    ),
)]
pub(crate) async fn withdraw(State(state): State<ApiState>) -> Result<Response, Problem> {
    Ok(written(state.chargebook.withdraw_v2g_authority().await?))
}

fn written(registered: Registered) -> Response {
    Written::changed(registered.created, registered.position, "v2g-authority")
}
