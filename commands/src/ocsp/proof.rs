//! Whose word an OCSP answer is (RFC 6960, section 4.2.2.2): that of whoever issued the
//! certificate, or of a responder to which the issuer has given this task. Pure.

use super::wire::{CertificateId, signed_parts};
use crate::contract::has_signed;
use x509_parser::asn1_rs::BitString;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;
use x509_parser::verify::verify_signature;
use x509_parser::x509::AlgorithmIdentifier;

/// What the signature of an answer shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// It is the issuer's word.
    Given,
    /// The issuer's certificate is not at hand, so nobody here can tell.
    IssuerUnknown,
    /// It is somebody else's word.
    Missing,
}

/// Whose word a response about a certificate is. The question names the issuer by a hash of its
/// key, so its certificate is known for what it is wherever it comes from: with the response, or
/// from `known`.
pub(crate) fn proof(
    response: &[u8],
    certificate: &CertificateId,
    known: &[X509Certificate<'_>],
    at: ASN1Time,
) -> Proof {
    let Some(signed) = signed_parts(response) else { return Proof::Missing };
    let Ok((_, algorithm)) = AlgorithmIdentifier::from_der(&signed.algorithm) else {
        return Proof::Missing;
    };
    let brought: Vec<X509Certificate<'_>> = signed
        .certificates
        .iter()
        .filter_map(|der| X509Certificate::from_der(der).ok().map(|(_, read)| read))
        .collect();
    let issuer = brought.iter().chain(known).find(|candidate| certificate.is_of(candidate));
    let Some(issuer) = issuer else { return Proof::IssuerUnknown };
    let named = brought.iter().filter(|candidate| {
        has_signed(issuer, candidate)
            && is_responder(candidate)
            && candidate.validity().is_valid_at(at)
    });
    let signature = BitString::new(0, &signed.signature);
    let has_answered = |signer: &X509Certificate<'_>| {
        verify_signature(signer.public_key(), &algorithm, &signature, &signed.data).is_ok()
    };
    match std::iter::once(issuer).chain(named).any(has_answered) {
        true => Proof::Given,
        false => Proof::Missing,
    }
}

/// Whether a certificate is for answering such questions (id-kp-OCSPSigning).
fn is_responder(certificate: &X509Certificate<'_>) -> bool {
    let usage = certificate.extended_key_usage().ok().flatten();
    usage.is_some_and(|usage| usage.value.ocsp_signing)
}

#[cfg(test)]
mod tests {
    use super::super::wire::{OcspStatus, response, with_certificates};
    use super::*;
    use chargebook_domain::events::v1::CertificateHash;
    use chargebook_domain::units::Timestamp;
    use rcgen::{
        BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
        ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
    };
    use sha2::{Digest as _, Sha256};

    const AT: &str = "2026-11-23T08:00:00Z";

    /// A certificate and its key.
    struct Party {
        certificate: Certificate,
        issuer: Issuer<'static, KeyPair>,
    }

    impl Party {
        fn new(params: CertificateParams, signer: Option<&Self>) -> Self {
            let key = KeyPair::generate().expect("a key");
            let certificate = match signer {
                Some(signer) => params.signed_by(&key, &signer.issuer),
                None => params.self_signed(&key),
            };
            let certificate = certificate.expect("a certificate");
            Self { certificate, issuer: Issuer::new(params, key) }
        }

        fn der(&self) -> &[u8] {
            self.certificate.der()
        }

        fn parsed(&self) -> X509Certificate<'_> {
            X509Certificate::from_der(self.der()).expect("a certificate").1
        }

        /// Its answer about a certificate.
        fn answers(&self, certificate: &CertificateId) -> Vec<u8> {
            let (now, until) = (at(AT), at("2026-11-24T08:00:00Z"));
            let key = self.issuer.key();
            let status = OcspStatus::Good;
            response(certificate, status, &self.parsed(), key, now, until).expect("signed")
        }
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        params
    }

    fn authority(name: &str) -> Party {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Party::new(params, None)
    }

    fn responder(usage: &[ExtendedKeyUsagePurpose], signer: &Party) -> Party {
        let mut params = params("a responder");
        params.extended_key_usages = usage.to_vec();
        Party::new(params, Some(signer))
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::new(chrono::DateTime::parse_from_rfc3339(text).expect("an instant").to_utc())
    }

    fn issued_by(issuer: &Party) -> CertificateId {
        let issuer = issuer.parsed();
        let key = &issuer.public_key().subject_public_key.data;
        let named = CertificateHash {
            hash_algorithm: "SHA256".to_owned(),
            issuer_name_hash: hex::encode(Sha256::digest(issuer.subject().as_raw())),
            issuer_key_hash: Some(hex::encode(Sha256::digest(key))),
            serial_number: "8a".to_owned(),
        };
        CertificateId::read(&named).expect("hexadecimal digits")
    }

    fn proof_at(
        text: &str,
        response: &[u8],
        certificate: &CertificateId,
        known: &[X509Certificate<'_>],
    ) -> Proof {
        let now = ASN1Time::from_timestamp(at(text).utc().timestamp()).expect("an instant");
        proof(response, certificate, known, now)
    }

    #[test]
    fn an_answer_is_the_issuers_word_or_that_of_whom_it_named() {
        let (issuer, stranger) = (authority("the issuer"), authority("the issuer"));
        let certificate = issued_by(&issuer);
        let ocsp = [ExtendedKeyUsagePurpose::OcspSigning];
        let named = responder(&ocsp, &issuer);
        let for_tls = responder(&[ExtendedKeyUsagePurpose::ServerAuth], &issuer);
        let named_by_stranger = responder(&ocsp, &stranger);
        for (who, signer, brought, expected) in [
            ("the issuer", &issuer, vec![], Proof::Given),
            ("one it named", &named, vec![&named], Proof::Given),
            ("one it named, not shown", &named, vec![], Proof::Missing),
            ("one of other use", &for_tls, vec![&for_tls], Proof::Missing),
            ("a stranger of the same name", &stranger, vec![&stranger], Proof::Missing),
            (
                "a stranger's",
                &named_by_stranger,
                vec![&named_by_stranger, &stranger],
                Proof::Missing,
            ),
        ] {
            let brought: Vec<&[u8]> = brought.into_iter().map(Party::der).collect();
            let response = with_certificates(&signer.answers(&certificate), &brought);
            let known = [stranger.parsed(), issuer.parsed()];
            assert_eq!(proof_at(AT, &response, &certificate, &known), expected, "{who}");
        }
        let shown = with_certificates(&named.answers(&certificate), &[named.der()]);
        let known = [issuer.parsed()];
        let late = "2027-06-01T00:00:00Z";
        assert_eq!(proof_at(late, &shown, &certificate, &known), Proof::Missing, "it has expired");
    }

    #[test]
    fn without_the_issuers_certificate_nobody_can_tell() {
        let issuer = authority("the issuer");
        let certificate = issued_by(&issuer);
        let answer = issuer.answers(&certificate);
        assert_eq!(proof_at(AT, &answer, &certificate, &[]), Proof::IssuerUnknown);
        let shown = with_certificates(&answer, &[issuer.der()]);
        assert_eq!(proof_at(AT, &shown, &certificate, &[]), Proof::Given, "it came along");
        let mut changed = shown;
        let data = changed.windows(4).position(|window| window == b"2026").expect("a time");
        changed[data + 3] = b'5';
        assert_eq!(proof_at(AT, &changed, &certificate, &[]), Proof::Missing);
        assert_eq!(proof_at(AT, b"no response", &certificate, &[]), Proof::Missing);
    }
}
