//! What stations ask about certificates, and what they ask for on behalf of vehicles.

use chargebook_domain::events::v1::CertificateHash;
use chargebook_domain::units::Timestamp;

/// A certificate whose status is asked for (OCSPRequestData).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateQuestion {
    /// Which one.
    pub certificate: CertificateHash,
    /// Who can tell, as the certificate itself says: addresses of OCSP responders, the first to
    /// be asked first.
    pub responders: Vec<String>,
}

/// One of the certificates of a chain whose status is asked for (2.1:
/// CertificateStatusRequestInfo).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainQuestion {
    /// Which one, and who can tell.
    pub question: CertificateQuestion,
    /// How: `OCSP`, `CRL`.
    pub source: String,
}

/// What is said of one of the certificates of a chain (2.1: CertificateStatus).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainAnswer {
    /// Which one, as it was asked for.
    pub certificate: CertificateHash,
    /// How it was to be found out.
    pub source: String,
    /// Whether it counts.
    pub status: ChainStatus,
    /// When it may be asked for again.
    pub next_update: Timestamp,
}

/// Whether a certificate of a chain counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainStatus {
    /// It counts.
    Good,
    /// It counts no more.
    Revoked,
    /// Whoever was asked does not know it.
    Unknown,
    /// Nobody could be asked.
    Failed,
}

/// A vehicle asks for contract certificates (Get15118EVCertificate).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractRequest {
    /// The edition of ISO 15118 that the vehicle speaks, by its XML namespace.
    pub schema: String,
    /// The station's word: `Install`, `Update`.
    pub action: String,
    /// The vehicle's request (EXI), in base64.
    pub exi_request: String,
    /// Most contracts that it takes (ISO 15118-20).
    pub contracts_max: Option<u32>,
    /// Whose contracts it wants first (ISO 15118-20).
    pub contract_ids: Vec<String>,
}

/// What a vehicle gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractAnswer {
    /// The answer for the vehicle (EXI), in base64.
    pub exi_response: String,
    /// Contracts that further requests would bring (ISO 15118-20).
    pub remaining: Option<u32>,
}
