//! The certificates that a CALL of ours and its answer are about, as OCPP names them
//! (CertificateHashDataType).
//!
//! Words that are not as the standard has them name no certificate: a station may write anything
//! into an answer, and what is taken from here is kept in plain.

use crate::payload::Payload;
use chargebook_domain::events::v1::{CertificateHash, InstalledCertificate};
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::pem::parse_x509_pem;

/// Most certificates of one answer that are looked at.
const CERTIFICATES_MAX: usize = 256;
/// The hashes that OCPP has words for.
const HASH_ALGORITHMS: &[&str] = &["SHA256", "SHA384", "SHA512"];
/// Longest hash, in characters (CertificateHashDataType).
const HASH_CHARACTERS_MAX: usize = 128;
/// Longest serial number, in hexadecimal digits (CertificateHashDataType).
const SERIAL_NUMBER_DIGITS_MAX: usize = 40;
/// Longest purpose, in characters; the standard's words have at most 28.
const PURPOSE_CHARACTERS_MAX: usize = 50;

/// The hash data in an object.
pub(super) fn hash(object: &Payload<'_, '_>) -> Option<CertificateHash> {
    let hash_algorithm = object.text("hashAlgorithm")?;
    let is_known = HASH_ALGORITHMS.contains(&hash_algorithm.as_str());
    Some(CertificateHash {
        hash_algorithm: is_known.then_some(hash_algorithm)?,
        issuer_name_hash: object.text("issuerNameHash").filter(|text| is_hash(text))?,
        issuer_key_hash: Some(object.text("issuerKeyHash").filter(|text| is_hash(text))?),
        serial_number: object.text("serialNumber").filter(|text| is_serial_number(text))?,
    })
}

/// The certificates in an answer to GetInstalledCertificateIds. In 1.6 they are all for the one
/// purpose that was asked for; in 2.x each says its own. What a chain holds below its first
/// certificate comes and goes with that one.
pub(super) fn reported(
    call: &Payload<'_, '_>,
    answer: &Payload<'_, '_>,
) -> Vec<InstalledCertificate> {
    let asked_for = purpose(call);
    let of_one_purpose = answer.objects("certificateHashData").filter_map(|data| {
        Some(InstalledCertificate { purpose: asked_for.clone()?, hash: hash(&data)? })
    });
    let chains = answer.objects("certificateHashDataChain").filter_map(|chain| {
        let hash = hash(&chain.object("certificateHashData")?)?;
        Some(InstalledCertificate { purpose: purpose(&chain)?, hash })
    });
    of_one_purpose.chain(chains).take(CERTIFICATES_MAX).collect()
}

/// The purposes that a CALL asks for; none: all.
pub(super) fn purposes(call: &Payload<'_, '_>) -> Vec<String> {
    purpose(call).map_or_else(|| call.texts("certificateType").collect(), |only| vec![only])
}

/// What a certificate is for (`certificateType`).
pub(super) fn purpose(object: &Payload<'_, '_>) -> Option<String> {
    let is_word = |word: &String| {
        (1..=PURPOSE_CHARACTERS_MAX).contains(&word.len())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    object.text("certificateType").filter(is_word)
}

/// The hash data of a certificate in PEM. The issuer's key is at hand only where the certificate
/// is its own issuer's.
pub(super) fn hash_of(pem: &str) -> Option<CertificateHash> {
    let (_, pem) = parse_x509_pem(pem.as_bytes()).ok()?;
    let certificate = pem.parse_x509().ok()?;
    let X509Certificate { tbs_certificate, .. } = &certificate;
    let own_key = &tbs_certificate.subject_pki.subject_public_key.data;
    let is_own_issuer = tbs_certificate.issuer.as_raw() == tbs_certificate.subject.as_raw();
    Some(CertificateHash {
        hash_algorithm: "SHA256".to_owned(),
        issuer_name_hash: digest(tbs_certificate.issuer.as_raw()),
        issuer_key_hash: is_own_issuer.then(|| digest(own_key)),
        serial_number: format!("{:x}", tbs_certificate.serial),
    })
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_hash(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte);
    (1..=HASH_CHARACTERS_MAX).contains(&text.len()) && text.bytes().all(is_plain)
}

fn is_serial_number(text: &str) -> bool {
    (1..=SERIAL_NUMBER_DIGITS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
