//! The certificates that stations hold, and the authority that signs their own.

use super::stations::no_station;
use crate::answer::Written;
use crate::problem::Problem;
use crate::request::{PathText, WaitParameters};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chargebook_domain::events::v1::CertificateDeclined;
use chargebook_domain::ids::CommandId;
use chargebook_domain::units::Timestamp;
use chargebook_projections::{
    OwnCertificate as OwnRow, OwnCertificateStatus, StationCertificate as CertificateRow,
};
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

/// A certificate that a station was to get as its own: what it proves itself with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnCertificate {
    /// What it is for, in the station's word (2.x); `null`: the station's own one.
    #[schema(example = "ChargingStationCertificate")]
    kind: Option<String>,
    /// How far it is: `declined` here; `signed` and on its way, as its command tells; `accepted`
    /// or `rejected` by the station; `withdrawn` by an operator.
    #[schema(value_type = String, example = "accepted")]
    status: OwnCertificateStatus,
    /// Why it was not signed: `unreadable`, `wrong_signature`, `unsuitable_key`, `other_station`,
    /// `other_kind`, `not_proven`, `authority_failed`.
    #[schema(value_type = Option<String>)]
    declined: Option<CertificateDeclined>,
    /// Its serial number, hexadecimal, where it was signed.
    serial_number: Option<String>,
    /// The end of its validity, where it was signed.
    #[schema(value_type = Option<String>, format = DateTime)]
    not_after: Option<Timestamp>,
    /// The command that brings it, or brought it.
    #[schema(value_type = Option<String>, format = Uuid)]
    command_id: Option<CommandId>,
    /// When the station asked for it, by our clock; `null` where it was sent unasked.
    #[schema(value_type = Option<String>, format = DateTime)]
    requested_at: Option<Timestamp>,
    /// When the station answered it, by our clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    answered_at: Option<Timestamp>,
}

impl From<OwnRow> for OwnCertificate {
    fn from(row: OwnRow) -> Self {
        Self {
            kind: row.kind,
            status: row.status,
            declined: row.declined,
            serial_number: row.serial_number,
            not_after: row.not_after,
            command_id: row.command_id,
            requested_at: row.requested_at,
            answered_at: row.answered_at,
        }
    }
}

/// A station's certificates; one page holds all.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StationCertificates {
    /// Those that it trusts others by.
    items: Vec<StationCertificate>,
    /// Always `null`.
    next: Option<String>,
    /// Those that it asked for or was sent as its own, newest first.
    own: Vec<OwnCertificate>,
}

/// The certificates that a station is known to hold: what it accepted from here, and what it
/// listed when it was asked (`list_certificates`); and those that are its own.
#[utoipa::path(
    get, path = "/v1/stations/{id}/certificates", tag = "stations",
    operation_id = "list_station_certificates",
    params(("id" = String, Path, description = "The station's id"), WaitParameters),
    responses(
        (status = 200, description = "Its certificates", body = StationCertificates),
        (status = 404, description = "No such station", body = Problem),
    ),
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    PathText(id): PathText,
) -> Result<Json<StationCertificates>, Problem> {
    let found = state.found(|| state.read_models.station_certificates(&id)).await?;
    let known = found.ok_or_else(|| no_station(&id))?;
    Ok(Json(StationCertificates {
        items: known.trusted.into_iter().map(StationCertificate::from).collect(),
        next: None,
        own: known.own.into_iter().map(OwnCertificate::from).collect(),
    }))
}

/// Withdraws a certificate that was signed here for the station: nobody is let in by it any more.
/// A connection that is open stays.
#[utoipa::path(
    delete, path = "/v1/stations/{id}/certificates/{serial_number}", tag = "stations",
    operation_id = "withdraw_station_certificate",
    params(
        ("id" = String, Path, description = "The station's id"),
        ("serial_number" = String, Path, description = "Its serial number, hexadecimal"),
    ),
    responses(
        (status = 200, description = "Withdrawn", body = Written),
        (status = 404, description = "No such station, or none that lets it in", body = Problem),
    ),
)]
pub(crate) async fn withdraw(
    State(state): State<ApiState>,
    PathText((id, serial_number)): PathText<(String, String)>,
) -> Result<Response, Problem> {
    let withdrawn = state.chargebook.withdraw_certificate(&id, &serial_number).await?;
    Ok(Written::changed(withdrawn.created, withdrawn.position, &serial_number))
}

/// The root of the operator's own certificate authority, which signs what stations ask for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CertificateAuthority {
    /// The certificate, in PEM: for a proxy that checks stations' certificates.
    certificate: String,
    /// SHA-256 of the certificate, hexadecimal, for people to compare.
    fingerprint_sha256: String,
    /// The end of its validity.
    #[schema(value_type = String, format = DateTime)]
    not_after: Timestamp,
}

/// The root certificate of the authority that signs stations' certificates (SignCertificate);
/// the authority is made at first need, and its key never leaves the server.
#[utoipa::path(
    get, path = "/v1/certificate-authority", tag = "stations",
    operation_id = "get_certificate_authority",
    responses((status = 200, description = "The root", body = CertificateAuthority)),
)]
pub(crate) async fn authority(
    State(state): State<ApiState>,
) -> Result<Json<CertificateAuthority>, Problem> {
    let authority = state.chargebook.authority().await;
    let root = authority.map_err(|error| Problem::internal(&error))?.root();
    Ok(Json(CertificateAuthority {
        certificate: root.pem.clone(),
        fingerprint_sha256: root.fingerprint_sha256.clone(),
        not_after: root.not_after,
    }))
}
