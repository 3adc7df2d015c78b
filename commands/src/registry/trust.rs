//! Roots that the operator trusts: contract certificates of vehicles are checked by them.

use super::{DECISION_RETRIES_MAX, Registered, Registry, RegistryError};
use crate::journal::{JournalError, read_event};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{TrustAnchorAdded, TrustAnchorWithdrawn, TrustPurpose};
use chargebook_domain::units::Timestamp;
use chargebook_store::{AppendError, StreamName};
use chrono::DateTime;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use x509_parser::certificate::X509Certificate;
use x509_parser::pem::parse_x509_pem;

/// The stream of all roots.
const STREAM: &str = "settings-trust-anchors";
/// Roots that are trusted at the same time, at most.
const ANCHORS_MAX: usize = 256;
/// Longest certificate that is read, in bytes.
const CERTIFICATE_BYTES_MAX: usize = 10_000;
const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";
/// Length of a line of PEM (RFC 7468 section 2).
const PEM_LINE_BYTES: usize = 64;

/// A root that is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustAnchor {
    /// Whose root it is.
    pub purpose: TrustPurpose,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint_sha256: String,
    /// Its name (RFC 4514 spelling).
    pub subject: String,
    /// The end of its validity.
    pub not_after: Timestamp,
    /// The certificate, in PEM.
    pub certificate: String,
    der: Vec<u8>,
}

impl TrustAnchor {
    /// Reads what somebody gives for a certificate: one in PEM and nothing beside it, least of all
    /// its key. Only what the certificate itself says is kept. `None` where it is anything else.
    fn given(purpose: TrustPurpose, text: &str) -> Option<Self> {
        let text = Some(text.trim()).filter(|text| text.len() <= CERTIFICATE_BYTES_MAX)?;
        let inside = text.strip_prefix(PEM_BEGIN)?.strip_suffix(PEM_END)?;
        let lines: String = inside.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
        let der = BASE64.decode(lines).ok()?;
        let (beyond, _) = x509_parser::parse_x509_certificate(&der).ok()?;
        beyond.is_empty().then(|| Self::read(purpose, &pem_of(&der))).flatten()
    }

    /// Reads a certificate in PEM; `None` where it is none of an authority.
    pub(crate) fn read(purpose: TrustPurpose, certificate: &str) -> Option<Self> {
        let within = certificate.len() <= CERTIFICATE_BYTES_MAX;
        let (_, pem) = parse_x509_pem(certificate.as_bytes()).ok().filter(|_| within)?;
        let parsed = pem.parse_x509().ok().filter(|parsed| parsed.is_ca())?;
        let end = DateTime::from_timestamp(parsed.validity().not_after.timestamp(), 0)?;
        Some(Self {
            purpose,
            fingerprint_sha256: hex::encode(Sha256::digest(&pem.contents)),
            subject: parsed.subject().to_string(),
            not_after: Timestamp::new(end),
            certificate: certificate.trim().to_owned(),
            der: pem.contents.clone(),
        })
    }

    /// The certificate.
    pub(crate) fn parsed(&self) -> Option<X509Certificate<'_>> {
        x509_parser::parse_x509_certificate(&self.der).ok().map(|(_, parsed)| parsed)
    }
}

/// The roots, as the log has them, oldest first.
#[derive(Debug, Default)]
pub(super) struct TrustAnchors {
    anchors: Vec<Arc<TrustAnchor>>,
    version: Option<u64>,
}

impl TrustAnchors {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::TrustAnchorAdded(fact) => {
                let anchor = TrustAnchor::read(fact.purpose, &fact.certificate);
                self.anchors.extend(anchor.map(Arc::new));
            }
            Event::TrustAnchorWithdrawn(fact) => {
                self.anchors.retain(|known| known.fingerprint_sha256 != fact.fingerprint_sha256);
            }
            _ => {}
        }
    }

    fn find(&self, fingerprint_sha256: &str) -> Option<&Arc<TrustAnchor>> {
        self.anchors.iter().find(|known| known.fingerprint_sha256 == fingerprint_sha256)
    }
}

impl Registry {
    /// Trusts a root; the same again is the same. Gives it as it was read.
    ///
    /// # Errors
    /// No certificate of an authority, one that is trusted for another purpose, too many, or the
    /// log.
    pub async fn add_trust_anchor(
        &self,
        purpose: TrustPurpose,
        certificate: &str,
    ) -> Result<(Registered, Arc<TrustAnchor>), RegistryError> {
        let anchor = TrustAnchor::given(purpose, certificate).map(Arc::new).ok_or_else(|| {
            let detail = "one certificate of an authority in PEM and nothing else (above all no \
                          key), of at most 10,000 bytes";
            RegistryError::invalid("/certificate", detail)
        })?;
        let fact = TrustAnchorAdded {
            purpose,
            fingerprint_sha256: anchor.fingerprint_sha256.clone(),
            certificate: anchor.certificate.clone(),
        };
        let added = self.amend_trust(|known| match known.find(&anchor.fingerprint_sha256) {
            Some(same) if same.purpose == purpose => Ok(None),
            Some(_) => {
                let detail = "it is trusted for another purpose already; withdraw it first";
                Err(RegistryError::Conflict(detail.to_owned()))
            }
            None if known.anchors.len() >= ANCHORS_MAX => {
                Err(RegistryError::Conflict(format!("{ANCHORS_MAX} roots are trusted already")))
            }
            None => Ok(Some(fact.clone().into())),
        });
        Ok((added.await?, anchor))
    }

    /// Trusts a root no more.
    ///
    /// # Errors
    /// None of that fingerprint, or the log.
    pub async fn withdraw_trust_anchor(
        &self,
        fingerprint_sha256: &str,
    ) -> Result<Registered, RegistryError> {
        let fingerprint_sha256 = fingerprint_sha256.to_ascii_lowercase();
        self.amend_trust(|known| match known.find(&fingerprint_sha256) {
            None => Err(RegistryError::NotFound("no trusted root of that fingerprint".to_owned())),
            Some(_) => {
                let fingerprint_sha256 = fingerprint_sha256.clone();
                Ok(Some(TrustAnchorWithdrawn { fingerprint_sha256 }.into()))
            }
        })
        .await
    }

    /// The roots that are trusted, oldest first.
    ///
    /// # Errors
    /// The log.
    pub async fn trust_anchors(&self) -> Result<Vec<Arc<TrustAnchor>>, RegistryError> {
        Ok(self.known_trust().await?.anchors.clone())
    }

    async fn amend_trust(
        &self,
        decide: impl Fn(&TrustAnchors) -> Result<Option<Event>, RegistryError>,
    ) -> Result<Registered, RegistryError> {
        for _ in 0..DECISION_RETRIES_MAX {
            let known = self.known_trust().await?;
            let Some(event) = decide(&known)? else {
                return Ok(self.unchanged());
            };
            let written = self.write_setting(&stream()?, known.version, event).await;
            *self.trust.lock().await = None;
            if let Some(registered) = written? {
                return Ok(registered);
            }
        }
        Err(JournalError::Append(AppendError::Overloaded).into())
    }

    async fn known_trust(&self) -> Result<Arc<TrustAnchors>, RegistryError> {
        // Held while the log is read, so that nothing older is kept than what was just written.
        let mut held = self.trust.lock().await;
        if let Some(known) = &*held {
            return Ok(Arc::clone(known));
        }
        let mut known = TrustAnchors::default();
        self.journal
            .replay(&stream()?, 0, |recorded| {
                known.version = Some(recorded.version);
                known.apply(&read_event(recorded)?);
                Ok(())
            })
            .await?;
        let known = Arc::new(known);
        *held = Some(Arc::clone(&known));
        Ok(known)
    }
}

/// A certificate in PEM (RFC 7468 section 5), without a line break at the end.
pub(crate) fn pem_of(der: &[u8]) -> String {
    let base64 = BASE64.encode(der);
    let lines = base64.as_bytes().chunks(PEM_LINE_BYTES).map(String::from_utf8_lossy);
    let mut pem = format!("{PEM_BEGIN}\n");
    for line in lines {
        pem.push_str(&line);
        pem.push('\n');
    }
    pem + PEM_END
}

fn stream() -> Result<StreamName, JournalError> {
    StreamName::new(STREAM).map_err(|e| JournalError::Unwritable(e.to_string()))
}
