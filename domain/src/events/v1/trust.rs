//! Roots that an operator trusts: what the contract certificates of vehicles are checked by.

use serde::{Deserialize, Serialize};

/// `settings.trust_anchor_added`: contract certificates that lead to this root count from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustAnchorAdded {
    /// Whose root it is.
    pub purpose: TrustPurpose,
    /// SHA-256 of the certificate, hexadecimal; names it from here on.
    pub fingerprint_sha256: String,
    /// The certificate, in PEM.
    pub certificate: String,
}

/// `settings.trust_anchor_withdrawn`: they count no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustAnchorWithdrawn {
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint_sha256: String,
}

/// `settings.v2g_authority_set`: what stations show to vehicles (SECC certificates of ISO 15118) is
/// signed by this authority from now on, or by none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct V2gAuthoritySet {
    /// Its certificate, and those of the authorities above it that were brought along, in PEM;
    /// null: there is none. Its key is in the vault and nowhere else.
    pub certificate_chain: Option<String>,
}

/// Whose root a trusted certificate is (ISO 15118-2 annex E).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrustPurpose {
    /// A mobility operator's own.
    MoRoot,
    /// That of a V2G infrastructure, which mobility operators may stand below.
    V2gRoot,
}
