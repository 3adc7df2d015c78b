//! Contract certificates (ISO 15118 Plug & Charge): what a vehicle proves its contract with, held
//! against the roots that the operator trusts.
//!
//! Nothing is asked of anybody else here: whether a certificate was revoked is another question
//! (`ocsp`).

use crate::message::{CertificateStatus, PresentedToken};
use crate::registry::TrustAnchor;
use chargebook_domain::units::Timestamp;
use std::sync::Arc;
use x509_parser::certificate::X509Certificate;
use x509_parser::pem::Pem;
use x509_parser::time::ASN1Time;

/// Longest chain that is read, in bytes (AuthorizeRequest.certificate of 2.1).
const CHAIN_BYTES_MAX: usize = 10_000;
/// Most certificates of a chain: the contract's, two of sub-authorities, and some to spare.
const CHAIN_CERTIFICATES_MAX: usize = 6;
/// The type of a token that is a contract's id.
const CONTRACT_ID: &str = "eMAID";
/// Characters of a contract id without its check digit (ISO 15118-2 annex H).
const CONTRACT_ID_CHARACTERS: usize = 14;

/// What is to be said of the chain that a vehicle presents with a token, from its own certificate
/// upwards, as a text in PEM.
pub(crate) fn status_of_chain(
    chain: &str,
    token: &PresentedToken,
    anchors: &[Arc<TrustAnchor>],
    at: Timestamp,
) -> CertificateStatus {
    checked(chain, token, anchors, at).err().unwrap_or(CertificateStatus::Accepted)
}

fn checked(
    chain: &str,
    token: &PresentedToken,
    anchors: &[Arc<TrustAnchor>],
    at: Timestamp,
) -> Result<(), CertificateStatus> {
    let broken = CertificateStatus::CertificateChainError;
    if chain.len() > CHAIN_BYTES_MAX {
        return Err(broken);
    }
    let blocks = Pem::iter_from_buffer(chain.as_bytes()).take(CHAIN_CERTIFICATES_MAX + 1);
    let blocks: Vec<Pem> = blocks.collect::<Result<_, _>>().map_err(|_| broken)?;
    if blocks.len() > CHAIN_CERTIFICATES_MAX {
        return Err(broken);
    }
    let certificates = blocks.iter().map(|block| block.parse_x509());
    let certificates: Vec<X509Certificate<'_>> =
        certificates.collect::<Result<_, _>>().map_err(|_| broken)?;
    let (contract, authorities) = certificates.split_first().ok_or(broken)?;
    if contract.is_ca() || !names(contract, token) {
        return Err(broken);
    }
    let anchors: Vec<X509Certificate<'_>> =
        anchors.iter().filter_map(|anchor| anchor.parsed()).collect();
    let path = path_to_anchor(contract, authorities, &anchors).ok_or(broken)?;
    let now = ASN1Time::from_timestamp(at.utc().timestamp()).map_err(|_| broken)?;
    if path.iter().any(|certificate| certificate.validity().not_before > now) {
        return Err(broken);
    }
    match path.iter().any(|certificate| certificate.validity().not_after < now) {
        true => Err(CertificateStatus::CertificateExpired),
        false => Ok(()),
    }
}

/// The certificates from a contract's own to a trusted root, each signed by the next.
fn path_to_anchor<'c, 'd>(
    contract: &'c X509Certificate<'d>,
    authorities: &'c [X509Certificate<'d>],
    anchors: &'c [X509Certificate<'d>],
) -> Option<Vec<&'c X509Certificate<'d>>> {
    let mut path = vec![contract];
    for below in 0..CHAIN_CERTIFICATES_MAX {
        let last = path[path.len() - 1];
        let issuer = |candidate: &&X509Certificate<'_>| {
            may_sign(candidate, below) && has_signed(candidate, last)
        };
        if let Some(anchor) = anchors.iter().find(issuer) {
            path.push(anchor);
            return Some(path);
        }
        path.push(authorities.iter().find(issuer)?);
    }
    None
}

/// Whether a certificate is one of an authority that may have so many other authorities below it.
pub(crate) fn may_sign(certificate: &X509Certificate<'_>, authorities_below: usize) -> bool {
    let Ok(Some(constraints)) = certificate.basic_constraints() else { return false };
    let has_room = constraints
        .value
        .path_len_constraint
        .is_none_or(|most| usize::try_from(most).is_ok_and(|most| authorities_below <= most));
    let may_sign = match certificate.key_usage() {
        Ok(Some(usage)) => usage.value.key_cert_sign(),
        Ok(None) => true,
        Err(_) => false,
    };
    constraints.value.ca && has_room && may_sign
}

pub(crate) fn has_signed(issuer: &X509Certificate<'_>, certificate: &X509Certificate<'_>) -> bool {
    certificate.issuer().as_raw() == issuer.subject().as_raw()
        && certificate.verify_signature(Some(issuer.public_key())).is_ok()
}

/// Whether a contract's certificate is that of the contract whose id is presented.
fn names(contract: &X509Certificate<'_>, token: &PresentedToken) -> bool {
    let mut names = contract.subject().iter_common_name();
    let name = names.next().filter(|_| names.next().is_none()).and_then(|name| name.as_str().ok());
    let presented = bare(&token.uid);
    token.kind.as_deref() == Some(CONTRACT_ID)
        && !presented.is_empty()
        && name.is_some_and(|name| bare(name) == presented)
}

/// A contract id without its separators and its check digit, which are optional, in upper case.
fn bare(contract_id: &str) -> String {
    let characters = contract_id.chars().filter(|c| !matches!(c, '-' | '*'));
    characters.take(CONTRACT_ID_CHARACTERS).collect::<String>().to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::TrustAnchor;
    use chargebook_domain::events::v1::TrustPurpose;
    use rcgen::{
        BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
        KeyUsagePurpose, date_time_ymd,
    };

    const CONTRACT: &str = "DE8AA1A2B3C4D5";

    /// An authority, or a contract's own certificate.
    struct Signed {
        pem: String,
        issuer: Issuer<'static, KeyPair>,
    }

    fn params(name: &str, authority: Option<BasicConstraints>) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        if let Some(constraints) = authority {
            params.is_ca = IsCa::Ca(constraints);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        }
        params
    }

    fn signed(params: CertificateParams, issuer: Option<&Signed>) -> Signed {
        let key = KeyPair::generate().unwrap();
        let certificate = match issuer {
            Some(issuer) => params.signed_by(&key, &issuer.issuer).unwrap(),
            None => params.self_signed(&key).unwrap(),
        };
        Signed { pem: certificate.pem(), issuer: Issuer::new(params, key) }
    }

    fn authority(name: &str, issuer: Option<&Signed>) -> Signed {
        signed(params(name, Some(BasicConstraints::Unconstrained)), issuer)
    }

    fn anchor(root: &Signed) -> Arc<TrustAnchor> {
        Arc::new(TrustAnchor::read(TrustPurpose::MoRoot, &root.pem).unwrap())
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::new(chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc())
    }

    fn contract_id(uid: &str) -> PresentedToken {
        PresentedToken { uid: uid.to_owned(), kind: Some("eMAID".to_owned()) }
    }

    fn status(chain: &[&Signed], uid: &str, anchors: &[Arc<TrustAnchor>]) -> CertificateStatus {
        let chain: String = chain.iter().map(|signed| signed.pem.as_str()).collect();
        status_of_chain(&chain, &contract_id(uid), anchors, at("2026-06-01T00:00:00Z"))
    }

    #[test]
    fn a_chain_that_leads_to_a_trusted_root_and_names_the_contract_is_good() {
        use CertificateStatus::{Accepted, CertificateChainError};
        let root = authority("MO root", None);
        let [upper, lower] =
            [authority("MO sub 1", Some(&root)), authority("MO sub 2", Some(&root))];
        let below = authority("MO sub 3", Some(&upper));
        let contract = signed(params(CONTRACT, None), Some(&below));
        let anchors = [anchor(&authority("another root", None)), anchor(&root)];
        let chain = [&contract, &below, &upper];
        for (uid, expected) in [
            (CONTRACT, Accepted),
            ("de-8aa-1a2b3c4d5", Accepted),
            ("DE8AA1A2B3C4D5X", Accepted),
            ("DE8AA1A2B3C4D6", CertificateChainError),
            ("", CertificateChainError),
        ] {
            assert_eq!(status(&chain, uid, &anchors), expected, "{uid}");
        }
        let shuffled = [&contract, &lower, &upper, &below];
        assert_eq!(status(&shuffled, CONTRACT, &anchors), Accepted);
        for (chain, anchors) in [
            (&chain[..2], &anchors[..]),
            (&chain[..1], &anchors[..]),
            (&chain[..], &anchors[..1]),
            (&chain[..], &[]),
            (&[&below, &upper][..], &anchors[..]),
            (&[][..], &anchors[..]),
        ] {
            assert_eq!(status(chain, CONTRACT, anchors), CertificateChainError);
        }
        // A card is no contract, whatever certificate comes with it.
        let card = PresentedToken { uid: CONTRACT.to_owned(), kind: Some("ISO14443".to_owned()) };
        let text: String = chain.iter().map(|signed| signed.pem.as_str()).collect();
        let at = at("2026-06-01T00:00:00Z");
        assert_eq!(status_of_chain(&text, &card, &anchors, at), CertificateChainError);
    }

    #[test]
    fn whoever_is_no_authority_or_not_for_so_many_below_cannot_sign() {
        let root = authority("MO root", None);
        let anchors = [anchor(&root)];
        let no_authority = signed(params("no authority", None), Some(&root));
        let contract = signed(params(CONTRACT, None), Some(&no_authority));
        let broken = CertificateStatus::CertificateChainError;
        assert_eq!(status(&[&contract, &no_authority], CONTRACT, &anchors), broken);

        let narrow = params("narrow", Some(BasicConstraints::Constrained(0)));
        let narrow = signed(narrow, Some(&root));
        let direct = signed(params(CONTRACT, None), Some(&narrow));
        assert_eq!(status(&[&direct, &narrow], CONTRACT, &anchors), CertificateStatus::Accepted);
        let below = authority("below", Some(&narrow));
        let contract = signed(params(CONTRACT, None), Some(&below));
        assert_eq!(status(&[&contract, &below, &narrow], CONTRACT, &anchors), broken);

        // The same name, another key.
        let impostor = authority("MO root", None);
        let contract = signed(params(CONTRACT, None), Some(&impostor));
        assert_eq!(status(&[&contract], CONTRACT, &anchors), broken);
    }

    #[test]
    fn a_chain_counts_while_all_of_it_is_valid() {
        use CertificateStatus::{Accepted, CertificateChainError, CertificateExpired};
        let root = authority("MO root", None);
        let anchors = [anchor(&root)];
        let mut early = params("sub", Some(BasicConstraints::Unconstrained));
        early.not_after = date_time_ymd(2026, 7, 1);
        let early = signed(early, Some(&root));
        let contract = signed(params(CONTRACT, None), Some(&early));
        let chain = format!("{}{}", contract.pem, early.pem);
        for (now, expected) in [
            ("2025-12-31T23:59:59Z", CertificateChainError),
            ("2026-06-30T00:00:00Z", Accepted),
            ("2026-07-02T00:00:00Z", CertificateExpired),
        ] {
            let found = status_of_chain(&chain, &contract_id(CONTRACT), &anchors, at(now));
            assert_eq!(found, expected, "{now}");
        }
    }

    #[test]
    fn what_is_no_chain_is_refused() {
        for text in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
        {
            let found =
                status_of_chain(text, &contract_id(CONTRACT), &[], at("2026-06-01T00:00:00Z"));
            assert_eq!(found, CertificateStatus::CertificateChainError, "{text}");
        }
    }
}
