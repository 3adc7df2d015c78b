//! The roots that contract certificates of vehicles are checked by.

use crate::answer::{Page, Written};
use crate::problem::Problem;
use crate::request::{Body, PathText};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chargebook_commands::registry::TrustAnchor as KnownAnchor;
use chargebook_domain::events::v1::TrustPurpose;
use chargebook_domain::units::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A root that is to be trusted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTrustAnchor {
    /// Whose root it is: `mo_root` (a mobility operator's), `v2g_root`.
    #[schema(value_type = String, example = "mo_root")]
    purpose: TrustPurpose,
    /// The certificate, in PEM.
    certificate: String,
}

/// A root that is trusted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrustAnchor {
    /// SHA-256 of the certificate, hexadecimal.
    fingerprint_sha256: String,
    /// Whose root it is: `mo_root` (a mobility operator's), `v2g_root`.
    #[schema(value_type = String, example = "mo_root")]
    purpose: TrustPurpose,
    /// Its name.
    #[schema(example = "CN=MO Root CA")]
    subject: String,
    /// The end of its validity.
    #[schema(value_type = String, format = DateTime)]
    not_after: Timestamp,
    /// The certificate, in PEM.
    certificate: String,
}

impl From<&KnownAnchor> for TrustAnchor {
    fn from(known: &KnownAnchor) -> Self {
        Self {
            fingerprint_sha256: known.fingerprint_sha256.clone(),
            purpose: known.purpose,
            subject: known.subject.clone(),
            not_after: known.not_after,
            certificate: known.certificate.clone(),
        }
    }
}

/// The roots that contract certificates are checked by, oldest first, all on one page.
#[utoipa::path(
    get, path = "/v1/trust-anchors", tag = "tokens", operation_id = "list_trust_anchors",
    responses((status = 200, description = "All of them", body = Page<TrustAnchor>)),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
) -> Result<Json<Page<TrustAnchor>>, Problem> {
    let known = state.chargebook.registry().trust_anchors().await?;
    let items = known.iter().map(|anchor| TrustAnchor::from(anchor.as_ref())).collect();
    Ok(Json(Page { items, next: None }))
}

/// Trusts a root: contract certificates that lead to it are accepted from now on (Plug & Charge).
/// The same again is the same.
#[utoipa::path(
    post, path = "/v1/trust-anchors", tag = "tokens", operation_id = "add_trust_anchor",
    request_body = NewTrustAnchor,
    responses(
        (status = 201, description = "Trusted from now on", body = Written),
        (status = 200, description = "It was trusted before", body = Written),
        (status = 409, description = "Trusted for another purpose, or too many", body = Problem),
        (status = 422, description = "No certificate of an authority", body = Problem),
    ),
)]
pub(crate) async fn add(
    State(state): State<ApiState>,
    Body(NewTrustAnchor { purpose, certificate }): Body<NewTrustAnchor>,
) -> Result<Response, Problem> {
    let added = state.chargebook.registry().add_trust_anchor(purpose, &certificate).await?;
    let (registered, anchor) = added;
    Ok(Written::registered(registered, "/v1/trust-anchors", &anchor.fingerprint_sha256))
}

/// Trusts a root no more: contract certificates that lead to it are refused from now on.
#[utoipa::path(
    delete, path = "/v1/trust-anchors/{fingerprint}", tag = "tokens",
    operation_id = "withdraw_trust_anchor",
    params(("fingerprint" = String, Path, description = "SHA-256 of the certificate")),
    responses(
        (status = 200, description = "Withdrawn", body = Written),
        (status = 404, description = "No such root", body = Problem),
    ),
)]
pub(crate) async fn withdraw(
    State(state): State<ApiState>,
    PathText(fingerprint): PathText<String>,
) -> Result<Response, Problem> {
    let registry = state.chargebook.registry();
    let withdrawn = registry.withdraw_trust_anchor(&fingerprint).await?;
    Ok(Written::changed(withdrawn.created, withdrawn.position, &fingerprint))
}
