//! What a station's answer to a CALL of ours changes on our side.

use super::{DeskError, StationDesk};
use crate::registry::StationChange;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    CertificateHash, InstalledCertificate, StationCertificateDeleted, StationCertificateInstalled,
    StationCertificatesReported,
};
use chargebook_domain::ids::EventId;

/// What a station has taken over or given up with its answer to a CALL of ours, whichever way
/// the CALL was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StationEffect {
    /// It logs in with this password from now on (1.6: security white paper, A01; 2.x: part 2,
    /// A01).
    NewPassword(String),
    /// It trusts this certificate from now on (M05).
    CertificateInstalled(InstalledCertificate),
    /// It does not hold this certificate any more, or never did (M04).
    CertificateDeleted(CertificateHash),
    /// It holds these certificates (M03).
    CertificatesReported {
        /// The purposes that were asked for; none: all.
        purposes: Vec<String>,
        /// What it holds of them.
        certificates: Vec<InstalledCertificate>,
    },
}

impl StationEffect {
    /// The fact that it leaves in the command's own stream, beside the exchange that showed it.
    pub(super) fn fact(&self, exchange: EventId) -> Option<Event> {
        Some(match self {
            Self::NewPassword(_) => return None,
            Self::CertificateInstalled(certificate) => {
                let certificate = certificate.clone();
                StationCertificateInstalled { certificate, exchange }.into()
            }
            Self::CertificateDeleted(certificate) => {
                let certificate = certificate.clone();
                StationCertificateDeleted { certificate, exchange }.into()
            }
            Self::CertificatesReported { purposes, certificates } => StationCertificatesReported {
                purposes: purposes.clone(),
                certificates: certificates.clone(),
                exchange,
            }
            .into(),
        })
    }
}

impl StationDesk {
    /// Does what an effect asks for elsewhere than in the command's own stream.
    pub(super) async fn take_effect(&self, effect: &StationEffect) -> Result<(), DeskError> {
        match effect {
            StationEffect::NewPassword(password) => {
                let identity = self.state.identity.as_str();
                let change = StationChange { password: Some(password), ..StationChange::default() };
                self.chargebook.registry().change_station(identity, change).await?;
            }
            StationEffect::CertificateInstalled(_)
            | StationEffect::CertificateDeleted(_)
            | StationEffect::CertificatesReported { .. } => {}
        }
        Ok(())
    }
}
