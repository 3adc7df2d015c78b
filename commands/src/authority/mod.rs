//! The operator's own certificate authority: it signs what stations ask for with SignCertificate,
//! and so what they prove themselves with in OCPP security profile 3.
//!
//! A request is checked and signed before it is answered, so that `Accepted` promises nothing that
//! cannot be kept. The certificate lies in the fact beside the exchange, and a command of our own
//! brings it: the desk writes that command at once, and the policies do so again for every such
//! fact they meet, which the log absorbs unless a crash came between.
//!
//! It must not know OCPP, nor how a certificate is asked for at a handshake.

mod in_force;
mod request;
mod v2g;

pub use v2g::{V2gAuthority, V2gAuthorityDescription};

use crate::Chargebook;
use crate::intent::{CommandStage, OPEN_COMMANDS_PER_STATION_MAX};
use crate::ocsp::CertificateId;
use crate::registry::RegistryError;
use crate::station::StationState;
use chargebook_domain::events::v1::{
    CertificateDeclined, Intent, IssuedCertificate, StationCertificateRequested,
};
use chargebook_domain::ids::CommandId;
use chargebook_domain::units::Timestamp;
use chargebook_store::vault::{KeyVault, VaultError};
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SerialNumber,
    SubjectPublicKeyInfo, date_time_ymd,
};
use request::Checked;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::pem::{Pem, parse_x509_pem};

/// How long a station's certificate holds; it asks for the next one before.
const STATION_VALID_FOR: TimeDelta = TimeDelta::days(365);
/// How long the root holds: longer than a charge point lives.
const ROOT_VALID_FOR: TimeDelta = TimeDelta::days(25 * 365);
/// A certificate holds from so long before it was signed: a station's clock may be behind.
const VALID_BEFORE: TimeDelta = TimeDelta::days(1);
/// Longest name of a station or an organization (RFC 5280, ub-common-name and its like).
const NAME_CHARACTERS_MAX: usize = 64;
/// What a station proves itself with (2.x); the same if nothing is said, as always in 1.6.
const STATION_CERTIFICATE: &str = "ChargingStationCertificate";
/// What it shows to vehicles of ISO 15118-2. Of ISO 15118-20 (`V2G20Certificate`) nothing is
/// signed: its keys (P-521, Ed448) cannot be checked by what is at hand.
pub(crate) const V2G_CERTIFICATE: &str = "V2GCertificate";
/// The block of the vault's text that is the root; the other one is its key.
const CERTIFICATE_LABEL: &str = "CERTIFICATE";

/// The authority cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Its key is not at hand.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// What the vault holds is no authority, or none could be made.
    #[error("the certificate authority is damaged: {0}")]
    Damaged(String),
}

impl From<rcgen::Error> for AuthorityError {
    fn from(error: rcgen::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// See the module.
pub struct StationAuthority {
    issuer: Issuer<'static, KeyPair>,
    /// Whose stations they are: the name that the log is signed under.
    organization: String,
    root: RootCertificate,
}

/// The certificate that whoever is to trust the authority needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootCertificate {
    /// PEM.
    pub pem: String,
    /// DER.
    pub der: Vec<u8>,
    /// SHA-256 of `der`, in hex.
    pub fingerprint_sha256: String,
    /// The end of its validity.
    pub not_after: Timestamp,
}

impl StationAuthority {
    /// The authority in the vault; made there where there is none.
    pub(crate) async fn open(vault: &KeyVault, now: Timestamp) -> Result<Self, AuthorityError> {
        let name = vault.verifier_key().origin().as_str().to_owned();
        let kept = match vault.authority().await? {
            Some(kept) => kept,
            None => vault.keep_authority(&make(&name, now)?).await?,
        };
        Self::read(&kept, short(name))
    }

    fn read(kept: &str, organization: String) -> Result<Self, AuthorityError> {
        let blocks = Pem::iter_from_buffer(kept.as_bytes()).filter_map(Result::ok);
        let der = blocks.into_iter().find(|block| block.label == CERTIFICATE_LABEL);
        let der = der.ok_or_else(|| AuthorityError::Damaged("no certificate".to_owned()))?.contents;
        let start = kept.find("-----BEGIN CERTIFICATE-----").unwrap_or_default();
        let pem = kept[start..].to_owned();
        let (_, parsed) = x509_parser::parse_x509_certificate(&der)
            .map_err(|error| AuthorityError::Damaged(error.to_string()))?;
        let not_after = end_of(&parsed)
            .ok_or_else(|| AuthorityError::Damaged("no end of its validity".to_owned()))?;
        let key = KeyPair::from_pem(&kept[..start])?;
        let root = RootCertificate {
            fingerprint_sha256: hex::encode(Sha256::digest(&der)),
            pem,
            der,
            not_after,
        };
        Ok(Self { issuer: Issuer::from_ca_cert_pem(&root.pem, key)?, organization, root })
    }

    /// What has to be trusted by whoever checks a station's certificate.
    pub fn root(&self) -> &RootCertificate {
        &self.root
    }

    /// Has `sign` answer for a certificate of this authority; `None`: it is another's.
    pub(crate) fn answering<R>(
        &self,
        certificate: &CertificateId,
        sign: impl FnOnce(&X509Certificate<'_>, &KeyPair) -> Option<R>,
    ) -> Option<R> {
        answering(&self.root.der, self.issuer.key(), certificate, sign)
    }

    /// Checks what a station asks for and signs it. The certificate names the station as its URL
    /// does, or by the serial number that an operator has registered, whatever else the request
    /// has in it: nothing else was checked.
    fn sign(
        &self,
        csr: &str,
        station: &StationState,
        now: Timestamp,
    ) -> Result<SignedCertificate, CertificateDeclined> {
        let Checked { key, common_name } = request::check(csr, station)?;
        let params = station_params(common_name, &self.organization, now.utc());
        signed(&params, &key, &self.issuer)
    }
}

/// What was signed.
struct SignedCertificate {
    /// PEM: the station's own, and those of the authorities above it but the root.
    certificate_chain: String,
    serial_number: String,
    not_after: Timestamp,
}

fn signed(
    params: &CertificateParams,
    key: &SubjectPublicKeyInfo,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<SignedCertificate, CertificateDeclined> {
    let failed = CertificateDeclined::AuthorityFailed;
    let signed = params.signed_by(key, issuer).map_err(|_| failed)?;
    let (_, certificate) = x509_parser::parse_x509_certificate(signed.der()).map_err(|_| failed)?;
    Ok(SignedCertificate {
        certificate_chain: signed.pem(),
        serial_number: format!("{:x}", certificate.serial),
        not_after: end_of(&certificate).ok_or(failed)?,
    })
}

fn answering<R>(
    authority: &[u8],
    key: &KeyPair,
    certificate: &CertificateId,
    sign: impl FnOnce(&X509Certificate<'_>, &KeyPair) -> Option<R>,
) -> Option<R> {
    let (_, authority) = x509_parser::parse_x509_certificate(authority).ok()?;
    certificate.is_of(&authority).then(|| sign(&authority, key)).flatten()
}

/// A name as long as a certificate may have it.
fn short(name: String) -> String {
    name.chars().take(NAME_CHARACTERS_MAX).collect()
}

/// A key and its own root certificate, both in PEM.
fn make(name: &str, now: Timestamp) -> Result<String, AuthorityError> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let mut subject = DistinguishedName::new();
    let common_name = short(format!("Stations of {name}"));
    subject.push(DnType::CommonName, DnValue::Utf8String(common_name));
    let mut params = valid(subject, now.utc(), now.utc() + ROOT_VALID_FOR);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let root = params.self_signed(&key)?;
    Ok(format!("{}{}", key.serialize_pem(), root.pem()))
}

/// The subject names the owner as well (2.x part 2, A00.FR.509).
fn station_params(
    common_name: String,
    organization: &str,
    now: DateTime<Utc>,
) -> CertificateParams {
    let mut subject = named(common_name);
    let organization = DnValue::Utf8String(organization.to_owned());
    subject.push(DnType::OrganizationName, organization);
    let mut params = valid(subject, now, now + STATION_VALID_FOR);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

fn named(common_name: String) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, DnValue::Utf8String(common_name));
    subject
}

/// A certificate of this subject that is valid from now until `end`, by whole days.
fn valid(subject: DistinguishedName, now: DateTime<Utc>, end: DateTime<Utc>) -> CertificateParams {
    let mut params = CertificateParams::default();
    let midnight = |at: DateTime<Utc>| {
        let [month, day] = [at.month(), at.day()].map(|part| u8::try_from(part).unwrap_or(1));
        date_time_ymd(at.year(), month, day)
    };
    params.distinguished_name = subject;
    params.not_before = midnight(now - VALID_BEFORE);
    params.not_after = midnight(end);
    params.serial_number = Some(SerialNumber::from_slice(&fresh_serial_number()));
    params
}

/// 16 random bytes, a positive number whose first digits are none (RFC 5280 section 4.1.2.2).
fn fresh_serial_number() -> [u8; 16] {
    let mut bytes: [u8; 16] = rand::random();
    bytes[0] = bytes[0] & 0x7f | 0x40;
    bytes
}

fn end_of(certificate: &X509Certificate<'_>) -> Option<Timestamp> {
    let seconds = certificate.validity().not_after.timestamp();
    DateTime::from_timestamp(seconds, 0).map(Timestamp::new)
}

/// The certificate that stands first in a PEM text: its serial number in hex, and the end of its
/// validity.
pub fn first_certificate(pem: &str) -> Option<(String, Timestamp)> {
    let (_, pem) = parse_x509_pem(pem.as_bytes()).ok()?;
    let certificate = pem.parse_x509().ok()?;
    Some((format!("{:x}", certificate.serial), end_of(&certificate)?))
}

impl Chargebook {
    /// The certificate authority for stations; made at first need.
    ///
    /// # Errors
    /// The vault.
    pub async fn authority(&self) -> Result<&StationAuthority, AuthorityError> {
        let now = self.journal().now();
        let open = || StationAuthority::open(self.personal().vault(), now);
        self.inner.authority.get_or_try_init(open).await
    }

    /// Signs what a station asks for; the command that will bring it has this id.
    pub(crate) async fn sign_certificate(
        &self,
        station: &StationState,
        csr: &str,
        kind: Option<&str>,
        command_id: CommandId,
    ) -> Result<IssuedCertificate, CertificateDeclined> {
        if self.board().open_at(station.station_id) >= OPEN_COMMANDS_PER_STATION_MAX {
            return Err(CertificateDeclined::AuthorityFailed);
        }
        let signed = match kind {
            None | Some(STATION_CERTIFICATE) => self.sign_own(station, csr).await?,
            Some(V2G_CERTIFICATE) => self.sign_v2g(station, csr).await?,
            Some(_) => return Err(CertificateDeclined::OtherKind),
        };
        let SignedCertificate { certificate_chain, serial_number, not_after } = signed;
        Ok(IssuedCertificate { command_id, certificate_chain, serial_number, not_after })
    }

    /// Signs what a station proves itself with.
    async fn sign_own(
        &self,
        station: &StationState,
        csr: &str,
    ) -> Result<SignedCertificate, CertificateDeclined> {
        let authority = self.authority().await.map_err(|error| {
            tracing::error!(%error, "no certificate can be signed");
            CertificateDeclined::AuthorityFailed
        })?;
        authority.sign(csr, station, self.journal().now())
    }

    /// Whether the certificate that was signed for this request is still on its way.
    pub(crate) fn is_certificate_on_its_way(&self, request: &StationCertificateRequested) -> bool {
        let command_id = request.issued.as_ref().map(|issued| issued.command_id);
        command_id.is_some_and(|id| self.board().stage(id) != CommandStage::Finished)
    }

    /// Brings a station the certificate it asked for. It asked, so a station that is to be left
    /// quiet gets it too.
    pub(crate) async fn deliver_certificate(
        &self,
        station: &StationState,
        request: &StationCertificateRequested,
    ) -> Result<(), RegistryError> {
        let Some(issued) = &request.issued else { return Ok(()) };
        let intent = Intent::DeliverCertificate {
            certificate_chain: issued.certificate_chain.clone(),
            kind: request.kind.clone(),
            request_id: request.request_id,
        };
        self.request_once(station, issued.command_id, intent).await
    }
}
