//! What a station may ask a certificate for (PKCS #10): who it says it is, and its key.

use crate::station::StationState;
use chargebook_domain::events::v1::CertificateDeclined;
use rcgen::SubjectPublicKeyInfo;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509;

/// Longest request that is read, in bytes (SignCertificateRequest).
const REQUEST_BYTES_MAX: usize = 5_500;
/// Weakest RSA key, in bits (1.6 security white paper and 2.x part 2, A00).
const RSA_BITS_MIN: usize = 2_048;
/// Weakest elliptic-curve key, in bits; the same.
const CURVE_BITS_MIN: usize = 224;

/// What of a request is certified.
pub(super) struct Checked {
    pub(super) key: SubjectPublicKeyInfo,
    /// What the certificate names: the serial number that the operator knows the station by, where
    /// it asks with that (2.x part 2, A00.FR.511); else its identity as it is registered.
    pub(super) common_name: String,
}

/// A request that is a station's own, names it and can be certified.
pub(super) fn check(csr: &str, station: &StationState) -> Result<Checked, CertificateDeclined> {
    let unreadable = |_| CertificateDeclined::Unreadable;
    if csr.len() > REQUEST_BYTES_MAX {
        return Err(CertificateDeclined::Unreadable);
    }
    let (_, pem) = parse_x509_pem(csr.as_bytes()).map_err(unreadable)?;
    let (_, csr) = X509CertificationRequest::from_der(&pem.contents)
        .map_err(|_| CertificateDeclined::Unreadable)?;
    let information = &csr.certification_request_info;
    if !is_strong(&information.subject_pki) {
        return Err(CertificateDeclined::UnsuitableKey);
    }
    // The key is in its hands: nobody gets a certificate for a key of somebody else's.
    csr.verify_signature().map_err(|_| CertificateDeclined::WrongSignature)?;
    // No two ids differ in case alone.
    let identity = station.identity.as_str();
    let common_name = match only(information.subject.iter_common_name()) {
        Some(name) if name.eq_ignore_ascii_case(identity) => identity,
        Some(name) if Some(name) == station.serial_number_registered.as_deref() => name,
        Some(name) if Some(name) == station.serial_number() => identity,
        _ => return Err(CertificateDeclined::OtherStation),
    };
    let key = SubjectPublicKeyInfo::from_der(information.subject_pki.raw)
        .map_err(|_| CertificateDeclined::UnsuitableKey)?;
    Ok(Checked { key, common_name: common_name.to_owned() })
}

fn is_strong(key: &x509::SubjectPublicKeyInfo<'_>) -> bool {
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => rsa.key_size() >= RSA_BITS_MIN,
        Ok(PublicKey::EC(point)) => point.key_size() >= CURVE_BITS_MIN,
        _ => false,
    }
}

/// The one name of its kind.
fn only<'a>(
    mut names: impl Iterator<Item = &'a x509::AttributeTypeAndValue<'a>>,
) -> Option<&'a str> {
    let name = names.next().filter(|_| names.next().is_none())?;
    name.as_str().ok()
}
