//! Which of the certificates that were signed for a station let it in: the one that it uses, and
//! those that it got since and has neither refused nor used yet.
//!
//! It must not know how a certificate is shown: that is the handshake's.

use super::StationAuthority;
use crate::registry::{Registered, Registry, RegistryError};
use crate::{AdmissionRefused, Chargebook};
use chargebook_domain::events::v1::StationCertificateWithdrawn;

impl StationAuthority {
    /// The serial number of a certificate (DER), in hex, if it was signed here.
    pub(crate) fn serial_number_of(&self, certificate: &[u8]) -> Option<String> {
        let (_, root) = x509_parser::parse_x509_certificate(&self.root.der).ok()?;
        let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
        certificate.verify_signature(Some(root.public_key())).ok()?;
        Some(format!("{:x}", certificate.serial))
    }
}

impl Registry {
    /// A certificate lets nobody in any more; one that does not anyway is no change.
    pub(crate) async fn withdraw_certificate(
        &self,
        id: &str,
        serial_number: &str,
        actor: &str,
    ) -> Result<Registered, RegistryError> {
        self.amend_station(id, actor, |state| {
            let mut known = state.certificates.iter().chain(&state.v2g_certificates);
            let is_known = known.any(|known| known == serial_number);
            let serial_number = serial_number.to_owned();
            let at = Some(self.journal.now());
            let fact = is_known.then(|| StationCertificateWithdrawn { serial_number, at }.into());
            fact.into_iter().collect()
        })
        .await
    }
}

impl Chargebook {
    /// Whether a certificate (DER) that does not name a station is its own all the same: it names
    /// the serial number that an operator knows the station by; or it was signed here, for a number
    /// that it was known by then, and no later one was used since. A station whose board was
    /// replaced could not come to ask for a new one otherwise.
    ///
    /// # Errors
    /// The log, or the vault.
    pub async fn has_certificate(
        &self,
        identity: &str,
        name: &str,
        certificate: &[u8],
    ) -> Result<bool, AdmissionRefused> {
        let unavailable = AdmissionRefused::Unavailable;
        let station = self.registry().station(identity).await;
        let station = station.map_err(|e| unavailable(e.to_string()))?;
        let Some(station) = station else { return Ok(false) };
        if station.serial_number_registered.as_deref() == Some(name) {
            return Ok(true);
        }
        if station.certificates.is_empty() {
            return Ok(false);
        }
        let authority = self.authority().await.map_err(|e| unavailable(e.to_string()))?;
        let number = authority.serial_number_of(certificate);
        Ok(number.is_some_and(|number| station.certificates.contains(&number)))
    }

    /// Withdraws a certificate that lets a station in, or that it shows to vehicles; a connection
    /// that is open stays.
    ///
    /// # Errors
    /// No such station, no such certificate of its own, or the log.
    pub async fn withdraw_certificate(
        &self,
        id: &str,
        serial_number: &str,
    ) -> Result<Registered, RegistryError> {
        let serial_number = serial_number.to_ascii_lowercase();
        let withdrawn = self.registry().withdraw_certificate(id, &serial_number, "operator");
        let withdrawn = withdrawn.await?;
        match withdrawn.created {
            true => Ok(withdrawn),
            false => Err(RegistryError::NotFound(format!(
                "station `{id}` has no certificate `{serial_number}` from here that counts"
            ))),
        }
    }
}
