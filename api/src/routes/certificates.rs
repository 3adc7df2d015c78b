//! The certificates that stations hold.

use super::stations::no_station;
use crate::answer::Page;
use crate::problem::Problem;
use crate::request::{PathText, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use chargebook_domain::units::Timestamp;
use chargebook_projections::StationCertificate as CertificateRow;
use serde::Serialize;
use utoipa::ToSchema;

/// A certificate that a station holds, as far as it has told.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StationCertificate {
    /// For what it is trusted, in the word of the station's OCPP version.
    #[schema(example = "CSMSRootCertificate")]
    purpose: String,
    /// The hash in the next two: `SHA256`, `SHA384`, `SHA512`.
    #[schema(example = "SHA256")]
    hash_algorithm: String,
    /// Hash of the issuer's name.
    issuer_name_hash: String,
    /// Hash of the issuer's key; `null` where only the certificate was seen, not its issuer's.
    issuer_key_hash: Option<String>,
    /// Its serial number, hexadecimal.
    serial_number: String,
    /// When the station accepted it from here, by our clock; `null` where it came otherwise.
    #[schema(value_type = Option<String>, format = DateTime)]
    installed_at: Option<Timestamp>,
    /// When the station last listed it, by our clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    reported_at: Option<Timestamp>,
}

impl From<CertificateRow> for StationCertificate {
    fn from(row: CertificateRow) -> Self {
        let hash = row.certificate.hash;
        Self {
            purpose: row.certificate.purpose,
            hash_algorithm: hash.hash_algorithm,
            issuer_name_hash: hash.issuer_name_hash,
            issuer_key_hash: hash.issuer_key_hash,
            serial_number: hash.serial_number,
            installed_at: row.installed_at,
            reported_at: row.reported_at,
        }
    }
}

/// The certificates that a station is known to hold: what it accepted from here, and what it
/// listed when it was asked (`list_certificates`); one page holds all.
#[utoipa::path(
    get, path = "/v1/stations/{id}/certificates", tag = "stations",
    operation_id = "list_station_certificates",
    params(("id" = String, Path, description = "The station's id"), WaitParameters),
    responses(
        (status = 200, description = "Its certificates", body = Page<StationCertificate>),
        (status = 404, description = "No such station", body = Problem),
    ),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    PathText(id): PathText,
) -> Result<Json<Page<StationCertificate>>, Problem> {
    let found = state.found(|| state.read_models.station_certificates(&id)).await?;
    let rows = found.ok_or_else(|| no_station(&id))?;
    let items = rows.into_iter().map(StationCertificate::from).collect();
    Ok(Json(Page { items, next: None }))
}
