//! Tokens and contract certificates as stations present them.

use super::certificate::CertificateQuestion;
use chargebook_domain::session::DIRECT_PAYMENT;

/// The type of a token that stands for nobody: whoever plugs in may charge (2.x).
pub const NO_AUTHORIZATION: &str = "NoAuthorization";

/// What a driver presents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedToken {
    /// What the reader read (idTag, idToken).
    pub uid: String,
    /// The station's word for what it is (2.x): `ISO14443`, `eMAID`, `Central`,
    /// [`NO_AUTHORIZATION`], [`DIRECT_PAYMENT`], ….
    pub kind: Option<String>,
}

impl PresentedToken {
    /// A 1.6 idTag.
    pub fn id_tag(uid: impl Into<String>) -> Self {
        Self { uid: uid.into(), kind: None }
    }

    /// Whether it stands for a payment: its uid is the payment provider's reference (2.1, C18).
    pub fn is_direct_payment(&self) -> bool {
        self.kind.as_deref() == Some(DIRECT_PAYMENT)
    }

    /// Whether it stands for nobody.
    pub fn is_no_authorization(&self) -> bool {
        self.kind.as_deref() == Some(NO_AUTHORIZATION)
    }
}

/// Authorize.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizeReport {
    /// What was presented.
    pub token: PresentedToken,
    /// The contract certificate, where one was presented (2.x).
    pub certificate: Option<PresentedCertificate>,
    /// Whether the answer has a place for a tariff (2.1).
    pub takes_tariff: bool,
    /// Whether the answer has a place for the ways in which energy may flow (2.1).
    pub takes_energy_transfer: bool,
    /// Whether the answer for a payer with a limit is for this moment alone (2.1, part 2,
    /// C17.FR.01 and FR.02).
    pub keeps_no_credit: bool,
}

/// A contract certificate (ISO 15118) that a vehicle presents: itself, or the hashes by which
/// its status is asked for. The verbatim frame holds what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedCertificate {
    /// The certificate and those of the authorities above it but the root, in PEM, where they
    /// came along.
    pub chain: Option<String>,
    /// Its certificates by their hashes, and who can tell of each whether it counts (OCSP).
    pub hashes: Vec<CertificateQuestion>,
}
