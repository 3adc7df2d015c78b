//! The authority for what stations show to vehicles (SECC certificates of ISO 15118-2): one below
//! the root of a V2G infrastructure, which an operator brings with its key.
//!
//! Vehicles know only those roots, so none can be made here. It must not know OCPP, nor how a
//! vehicle checks a certificate.

use super::{AuthorityError, SignedCertificate, end_of, named, request, signed, valid};
use crate::Chargebook;
use crate::contract::{has_signed, may_sign};
use crate::journal::{Draft, JournalError};
use crate::ocsp::CertificateId;
use crate::registry::{Registered, RegistryError};
use crate::station::StationState;
use chargebook_domain::events::v1::{CertificateDeclined, V2gAuthoritySet};
use chargebook_domain::units::Timestamp;
use chargebook_store::StreamName;
use chrono::TimeDelta;
use rcgen::{
    DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData as _,
};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use x509_parser::certificate::X509Certificate;
use x509_parser::pem::Pem;

/// How long a certificate holds: three months at most (ISO 15118-2 annex F).
const VALID_FOR: TimeDelta = TimeDelta::days(90);
/// Most certificates of its chain: a V2G infrastructure has two authorities below the root.
const CHAIN_CERTIFICATES_MAX: usize = 3;
/// Longest chain and longest key that are read, in bytes.
const TEXT_BYTES_MAX: usize = 10_000;
/// The stream that says which authority it was.
const STREAM: &str = "settings-v2g-authority";
/// Domain component (RFC 4519 section 2.4), by which a vehicle tells whose certificate it is.
const DOMAIN_COMPONENT: &[u64] = &[0, 9, 2342, 19_200_300, 100, 1, 25];
/// The certificate of a charge point operator's station (ISO 15118-2 annex F).
const OF_OPERATOR: &str = "CPO";

/// See the module.
pub struct V2gAuthority {
    issuer: Issuer<'static, KeyPair>,
    description: V2gAuthorityDescription,
    /// Its certificate.
    der: Vec<u8>,
    /// What a station gets with its own certificate: those above it but the root, in PEM.
    above: String,
}

/// What everybody may know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V2gAuthorityDescription {
    /// Its certificate and those that were brought with it, in PEM.
    pub certificate_chain: String,
    /// Its name (RFC 4514 spelling).
    pub subject: String,
    /// SHA-256 of its certificate, in hex.
    pub fingerprint_sha256: String,
    /// The end of its validity.
    pub not_after: Timestamp,
}

impl V2gAuthority {
    /// What everybody may know of it.
    pub fn description(&self) -> &V2gAuthorityDescription {
        &self.description
    }

    /// Has `sign` answer for a certificate of this authority; `None`: it is another's.
    pub(crate) fn answering<R>(
        &self,
        certificate: &CertificateId,
        sign: impl FnOnce(&X509Certificate<'_>, &KeyPair) -> Option<R>,
    ) -> Option<R> {
        super::answering(&self.der, self.issuer.key(), certificate, sign)
    }

    /// Reads what the vault has kept: a key, and the chain after it.
    fn kept(text: &str) -> Result<Self, AuthorityError> {
        let start = text.find("-----BEGIN CERTIFICATE-----").unwrap_or_default();
        let (key, chain) = text.split_at(start);
        Self::read(chain, key).map_err(|wrong| AuthorityError::Damaged(wrong.detail().to_owned()))
    }

    /// Reads a chain, from the authority's own certificate upwards, and its key.
    fn read(chain: &str, key: &str) -> Result<Self, Wrong> {
        if chain.len() > TEXT_BYTES_MAX || key.len() > TEXT_BYTES_MAX {
            return Err(Wrong::Chain);
        }
        let blocks = Pem::iter_from_buffer(chain.as_bytes()).take(CHAIN_CERTIFICATES_MAX + 1);
        let blocks: Vec<Pem> = blocks.collect::<Result<_, _>>().map_err(|_| Wrong::Chain)?;
        let certificates = blocks.iter().map(|block| block.parse_x509());
        let certificates: Vec<X509Certificate<'_>> =
            certificates.collect::<Result<_, _>>().map_err(|_| Wrong::Chain)?;
        let is_chain = (1..=CHAIN_CERTIFICATES_MAX).contains(&certificates.len())
            && (0..).zip(&certificates).all(|(below, certificate)| may_sign(certificate, below))
            && certificates.array_windows().all(|[below, above]| has_signed(above, below));
        let (own, own_block) = match (certificates.first(), blocks.first()) {
            (Some(own), Some(block)) if is_chain => (own, block),
            _ => return Err(Wrong::Chain),
        };
        let key = KeyPair::from_pem(key).map_err(|_| Wrong::Key)?;
        if key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
            return Err(Wrong::Key);
        }
        if key.der_bytes() != &*own.public_key().subject_public_key.data {
            return Err(Wrong::OtherKey);
        }
        let above = blocks.iter().zip(&certificates).filter(|(_, it)| !is_root(it));
        let certificate_chain: String = blocks.iter().map(pem_of).collect();
        let description = V2gAuthorityDescription {
            certificate_chain,
            subject: own.subject().to_string(),
            fingerprint_sha256: hex::encode(Sha256::digest(&own_block.contents)),
            not_after: end_of(own).ok_or(Wrong::Chain)?,
        };
        let above = above.map(|(block, _)| pem_of(block)).collect();
        let issuer = Issuer::from_ca_cert_pem(&pem_of(own_block), key).map_err(|_| Wrong::Chain)?;
        Ok(Self { issuer, description, der: own_block.contents.clone(), above })
    }

    /// Checks what a station asks for and signs it: the same as for its own certificate, but for
    /// the key, of which a vehicle knows one kind (ISO 15118-2 section 7.9).
    fn sign(
        &self,
        csr: &str,
        station: &StationState,
        now: Timestamp,
    ) -> Result<SignedCertificate, CertificateDeclined> {
        if self.description.not_after <= now {
            return Err(CertificateDeclined::AuthorityFailed);
        }
        let request::Checked { key, common_name } = request::check(csr, station)?;
        if key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
            return Err(CertificateDeclined::UnsuitableKey);
        }
        let end = (now.utc() + VALID_FOR).min(self.description.not_after.utc());
        let mut subject = named(common_name);
        let of_operator = OF_OPERATOR.try_into().map_err(|_| CertificateDeclined::AuthorityFailed);
        subject.push(
            DnType::CustomDnType(DOMAIN_COMPONENT.to_vec()),
            DnValue::Ia5String(of_operator?),
        );
        let mut params = valid(subject, now.utc(), end);
        // Cut to whole days, what is signed on the authority's last day has ended already.
        if params.not_after.unix_timestamp() <= now.utc().timestamp() {
            return Err(CertificateDeclined::AuthorityFailed);
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyAgreement];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let mut signed = signed(&params, &key, &self.issuer)?;
        signed.certificate_chain.push_str(&self.above);
        Ok(signed)
    }
}

/// What an operator has brought is no such authority.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Chain,
    Key,
    OtherKey,
}

impl Wrong {
    fn pointer(self) -> &'static str {
        match self {
            Self::Chain => "/certificate_chain",
            Self::Key | Self::OtherKey => "/private_key",
        }
    }

    fn detail(self) -> &'static str {
        match self {
            Self::Chain => {
                "one to three certificates of authorities in PEM, the one that signs first and \
                 each signed by the next"
            }
            Self::Key => "a private key of the curve P-256 in PEM (PKCS #8)",
            Self::OtherKey => "not the key of the first certificate",
        }
    }
}

impl From<Wrong> for RegistryError {
    fn from(wrong: Wrong) -> Self {
        Self::invalid(wrong.pointer(), wrong.detail())
    }
}

fn is_root(certificate: &X509Certificate<'_>) -> bool {
    certificate.issuer().as_raw() == certificate.subject().as_raw()
}

/// The certificate of a block, in PEM.
fn pem_of(block: &Pem) -> String {
    format!("{}\n", crate::registry::pem_of(&block.contents))
}

impl Chargebook {
    /// The authority that signs what stations show to vehicles, where an operator has brought one.
    ///
    /// # Errors
    /// The vault.
    pub async fn v2g_authority(&self) -> Result<Option<Arc<V2gAuthority>>, AuthorityError> {
        let mut held = self.inner.v2g_authority.lock().await;
        if let Some(known) = &*held {
            return Ok(known.clone());
        }
        let kept = self.personal().vault().v2g_authority().await?;
        let read = kept.map(|text| V2gAuthority::kept(&text)).transpose()?;
        Ok(held.insert(read.map(Arc::new)).clone())
    }

    /// Has this authority sign what stations show to vehicles, instead of the one before. Its key
    /// is kept in the vault and nowhere else.
    ///
    /// # Errors
    /// No such authority, or its time is over; the vault, or the log.
    pub async fn set_v2g_authority(
        &self,
        certificate_chain: &str,
        private_key: &str,
    ) -> Result<Registered, RegistryError> {
        let authority = V2gAuthority::read(certificate_chain, private_key)?;
        if authority.description.not_after <= self.journal().now() {
            return Err(RegistryError::invalid("/certificate_chain", "it is not valid any more"));
        }
        let chain = authority.description.certificate_chain.clone();
        let key = authority.issuer.key().serialize_pem();
        self.replace_v2g_authority(Some((authority, key + &chain))).await
    }

    /// Signs nothing for vehicles any more, and forgets the key.
    ///
    /// # Errors
    /// There is none; the vault, or the log.
    pub async fn withdraw_v2g_authority(&self) -> Result<Registered, RegistryError> {
        match self.personal().vault().v2g_authority().await? {
            Some(_) => self.replace_v2g_authority(None).await,
            None => Err(RegistryError::NotFound("there is no V2G authority".to_owned())),
        }
    }

    /// The key first: should the log fail, whoever asks again has it written down.
    async fn replace_v2g_authority(
        &self,
        with: Option<(V2gAuthority, String)>,
    ) -> Result<Registered, RegistryError> {
        let mut held = self.inner.v2g_authority.lock().await;
        let kept = with.as_ref().map(|(_, text)| text.as_str());
        self.personal().vault().replace_v2g_authority(kept).await?;
        let authority = with.map(|(authority, _)| Arc::new(authority));
        let chain = authority.as_ref().map(|it| it.description.certificate_chain.clone());
        *held = Some(authority);
        let fact = V2gAuthoritySet { certificate_chain: chain };
        let stream =
            StreamName::new(STREAM).map_err(|e| JournalError::Unwritable(e.to_string()))?;
        let fresh = || Draft::new(self.journal().fresh_id(), fact.clone()).by("operator");
        let position = self.registry().decide(&stream, |_| Some(fresh())).await?;
        Ok(Registered { created: true, position })
    }

    /// Signs what a station shows to vehicles.
    pub(super) async fn sign_v2g(
        &self,
        station: &StationState,
        csr: &str,
    ) -> Result<SignedCertificate, CertificateDeclined> {
        let authority = self.v2g_authority().await.map_err(|error| {
            tracing::error!(%error, "no V2G certificate can be signed");
            CertificateDeclined::AuthorityFailed
        })?;
        let authority = authority.ok_or(CertificateDeclined::OtherKind)?;
        authority.sign(csr, station, self.journal().now())
    }
}
