//! The certificates that a charge point holds, as far as its answers to us tell, and those that
//! it asks for.

use crate::ids::{CommandId, EventId};
use crate::units::Timestamp;
use serde::{Deserialize, Serialize};

/// `station.certificate_installed`: the station has accepted a certificate of ours
/// (InstallCertificate). In the stream of the command that sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationCertificateInstalled {
    /// The certificate, and for what it is trusted.
    pub certificate: InstalledCertificate,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.certificate_deleted`: the station has deleted a certificate, or has none like it
/// (DeleteCertificate). In the stream of the command that asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationCertificateDeleted {
    /// Which.
    pub certificate: CertificateHash,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.certificates_reported`: the certificates that the station holds
/// (GetInstalledCertificateIds). In the stream of the command that asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationCertificatesReported {
    /// The purposes that were asked for, in the words of the station's OCPP version; none: all.
    /// Of these, the station holds no others.
    pub purposes: Vec<String>,
    /// What it holds.
    pub certificates: Vec<InstalledCertificate>,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.certificate_requested`: the station asks for a certificate (SignCertificate).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationCertificateRequested {
    /// The PEM text.
    pub csr: String,
    /// The exchange that said so.
    pub exchange: EventId,
    /// What the certificate is for, in the station's word (2.x); its own one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The station's number of its request (2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<i32>,
    /// What it gets; absent where the request was declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<IssuedCertificate>,
    /// Why it was declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declined: Option<CertificateDeclined>,
}

/// A certificate that was signed for a station, and the command that brings it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedCertificate {
    /// The command.
    pub command_id: CommandId,
    /// PEM: the station's certificate, and those of its issuers but the root.
    pub certificate_chain: String,
    /// Its serial number, hexadecimal.
    pub serial_number: String,
    /// The end of its validity.
    pub not_after: Timestamp,
}

/// Why a certificate was not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateDeclined {
    /// It is no PKCS #10 request that can be read.
    Unreadable,
    /// Its signature is not its own key's.
    WrongSignature,
    /// The key is too weak, or of a kind that is not known here.
    UnsuitableKey,
    /// Its common name is neither the station's id nor its serial number.
    OtherStation,
    /// Nothing of that kind is signed here, or there is no authority for it.
    OtherKind,
    /// The connection proved nothing (security profile 0): whoever came may be anybody.
    NotProven,
    /// The authority itself failed; the station may ask again.
    AuthorityFailed,
}

/// `station.certificate_delivered`: the station has answered the certificate that it was sent as
/// its own (CertificateSigned). In the stream of the command that sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationCertificateDelivered {
    /// Whether it took it.
    pub accepted: bool,
    /// What the certificate is for, in the station's word (2.x); its own one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its serial number, hexadecimal.
    pub serial_number: String,
    /// The end of its validity.
    pub not_after: Timestamp,
    /// The exchange that said so.
    pub exchange: EventId,
}

/// `station.certificate_withdrawn`: a certificate that was signed for the station lets nobody in
/// any more. The station has not taken it, or an operator has withdrawn it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationCertificateWithdrawn {
    /// Its serial number, hexadecimal.
    pub serial_number: String,
    /// Since when, by our clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// A certificate at a station.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledCertificate {
    /// For what it is trusted, in the word of the station's OCPP version
    /// (`CSMSRootCertificate`, …).
    pub purpose: String,
    /// Which one it is.
    pub hash: CertificateHash,
}

/// What OCPP tells certificates apart by (CertificateHashDataType), in the words of whoever
/// named it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateHash {
    /// The hash in the next two: `SHA256`, `SHA384`, `SHA512`.
    pub hash_algorithm: String,
    /// Hash of the issuer's name.
    pub issuer_name_hash: String,
    /// Hash of the issuer's key; absent where the issuer's key was not at hand.
    pub issuer_key_hash: Option<String>,
    /// Its serial number, hexadecimal.
    pub serial_number: String,
}

impl CertificateHash {
    /// Whether both name one certificate, as far as can be told: hashes of different algorithms
    /// cannot be compared, and then the serial number decides.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let serial = |hash: &Self| hash.serial_number.trim_start_matches('0').to_ascii_lowercase();
        if serial(self) != serial(other) {
            return false;
        }
        if !self.hash_algorithm.eq_ignore_ascii_case(&other.hash_algorithm) {
            return true;
        }
        let is_same_key = match (&self.issuer_key_hash, &other.issuer_key_hash) {
            (Some(own), Some(others)) => own.eq_ignore_ascii_case(others),
            _ => true,
        };
        is_same_key && self.issuer_name_hash.eq_ignore_ascii_case(&other.issuer_name_hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(words: [&str; 4]) -> CertificateHash {
        let [algorithm, name, key, serial_number] = words.map(str::to_owned);
        CertificateHash {
            hash_algorithm: algorithm,
            issuer_name_hash: name,
            issuer_key_hash: Some(key).filter(|key| !key.is_empty()),
            serial_number,
        }
    }

    #[test]
    fn a_certificate_is_known_again_by_its_serial_number_and_what_else_can_be_compared() {
        let known = hash(["SHA256", "aa", "bb", "0c1D"]);
        for same in [
            ["SHA256", "AA", "BB", "C1d"],
            ["SHA256", "aa", "", "0C1D"],
            ["SHA512", "ffff", "eeee", "C1D"],
        ] {
            assert!(known.is_same_as(&hash(same)), "{same:?}");
            assert!(hash(same).is_same_as(&known), "{same:?}");
        }
        for other in [
            ["SHA256", "aa", "bb", "C1E"],
            ["SHA256", "ab", "bb", "C1D"],
            ["SHA256", "aa", "bc", "C1D"],
            ["SHA512", "aa", "bb", "C1"],
        ] {
            assert!(!known.is_same_as(&hash(other)), "{other:?}");
        }
    }
}
