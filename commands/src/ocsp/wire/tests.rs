//! Held against what OpenSSL (`openssl ocsp`) makes of the same certificates.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{BasicConstraints, CertificateParams, IsCa, PKCS_ECDSA_P256_SHA256};
use x509_parser::asn1_rs::BitString;
use x509_parser::pem::{Pem, parse_x509_pem};
use x509_parser::prelude::FromDer as _;
use x509_parser::verify::verify_signature;
use x509_parser::x509::AlgorithmIdentifier;

const AUTHORITY: &str = include_str!("authority.pem");
const GOOD_REQUEST: &str = include_str!("good.request.txt");
const GOOD_RESPONSE: &str = include_str!("good.response.txt");
const BAD_REQUEST: &str = include_str!("bad.request.txt");
const BAD_RESPONSE: &str = include_str!("bad.response.txt");

fn bytes(base64: &str) -> Vec<u8> {
    BASE64.decode(base64.replace('\n', "")).expect("base64")
}

fn authority() -> Pem {
    parse_x509_pem(AUTHORITY.as_bytes()).expect("PEM").1
}

fn at(text: &str) -> Timestamp {
    Timestamp::new(chrono::DateTime::parse_from_rfc3339(text).expect("an instant").to_utc())
}

/// A certificate of the authority, as a station names it.
fn named(hash: Hash, serial_number: &str) -> CertificateHash {
    let authority = authority();
    let authority = authority.parse_x509().expect("a certificate");
    let key = &authority.public_key().subject_public_key.data;
    CertificateHash {
        hash_algorithm: hash.name().to_owned(),
        issuer_name_hash: hex::encode_upper(hash.digest(authority.subject().as_raw())),
        issuer_key_hash: Some(hex::encode(hash.digest(key))),
        serial_number: serial_number.to_owned(),
    }
}

fn id(serial_number: &str) -> CertificateId {
    CertificateId::read(&named(Hash::Sha256, serial_number)).expect("hexadecimal digits")
}

#[test]
fn a_question_is_the_one_that_openssl_asks() {
    assert_eq!(request(&id("0F1234567890ABCDEF")), bytes(GOOD_REQUEST));
    assert_eq!(request(&id("008a")), bytes(BAD_REQUEST), "a number above 127, with zeros");
}

#[test]
fn what_openssl_answers_is_read() {
    let (good, bad) = (id("f1234567890abcdef"), id("8A"));
    let next_update = Some(at("2126-10-30T04:32:29Z"));
    let single = |status| Some(SingleAnswer { status, next_update });
    assert_eq!(read_response(&bytes(GOOD_RESPONSE), &good), single(OcspStatus::Good));
    let since = OcspStatus::Revoked(at("2026-06-01T12:00:00Z"));
    assert_eq!(read_response(&bytes(BAD_RESPONSE), &bad), single(since));
    assert_eq!(read_response(&bytes(GOOD_RESPONSE), &bad), None, "it is about another one");
    let mut broken = bytes(GOOD_RESPONSE);
    broken.pop();
    // A responder that has no answer (tryLater).
    let try_later = [0x30, 0x03, 0x0a, 0x01, 0x03];
    for wrong in [&broken[..], &try_later, b"", b"<html>"] {
        assert_eq!(read_response(wrong, &good), None, "{wrong:?}");
    }
}

#[test]
fn only_hexadecimal_digits_name_a_certificate() {
    let good = named(Hash::Sha512, "1");
    assert!(CertificateId::read(&good).is_some());
    let with = |change: &dyn Fn(&mut CertificateHash)| {
        let mut named = good.clone();
        change(&mut named);
        CertificateId::read(&named)
    };
    assert_eq!(with(&|it| it.hash_algorithm = "SHA1".to_owned()), None);
    assert_eq!(with(&|it| it.issuer_name_hash = "xy".to_owned()), None);
    assert_eq!(with(&|it| it.issuer_key_hash = None), None);
    assert_eq!(with(&|it| it.serial_number = "Bob's card".to_owned()), None);
    assert_eq!(with(&|it| it.serial_number = "ff".repeat(21)), None);
    assert_eq!(with(&|it| it.serial_number = "00".to_owned()), None);
}

/// Whether a response is signed with an authority's key, by a library that knows no OCSP.
fn is_signed_by(response: &[u8], authority: &X509Certificate<'_>) -> bool {
    let basic = yasna::parse_der(response, |reader| {
        reader.read_sequence(|reader| {
            reader.next().read_enum()?;
            reader.next().read_tagged(Tag::context(0), |reader| {
                reader.read_sequence(|reader| {
                    reader.next().read_oid()?;
                    reader.next().read_bytes()
                })
            })
        })
    });
    let parts = yasna::parse_der(&basic.expect("a basic response"), |reader| {
        reader.read_sequence(|reader| {
            let (data, algorithm) = (reader.next().read_der()?, reader.next().read_der()?);
            Ok((data, algorithm, reader.next().read_bitvec_bytes()?.0))
        })
    });
    let (data, algorithm, signature) = parts.expect("three parts");
    let (_, algorithm) = AlgorithmIdentifier::from_der(&algorithm).expect("an algorithm");
    let signature = BitString::new(0, &signature);
    verify_signature(authority.public_key(), &algorithm, &signature, &data).is_ok()
}

#[test]
fn an_answer_of_our_own_is_signed_by_the_issuer_and_read_again() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let own = params.self_signed(&key).expect("a certificate");
    let (_, own) = x509_parser::parse_x509_certificate(own.der()).expect("a certificate");
    let (now, until) = (at("2026-11-23T04:00:00Z"), at("2026-11-24T04:00:00Z"));
    let revoked = OcspStatus::Revoked(at("2026-11-22T04:00:00Z"));
    for hash in Hash::ALL {
        for status in [OcspStatus::Good, revoked, OcspStatus::Unknown] {
            let own_key = &own.public_key().subject_public_key.data;
            let certificate = CertificateId {
                hash,
                issuer_name_hash: hash.digest(own.subject().as_raw()),
                issuer_key_hash: hash.digest(own_key),
                serial_number: vec![0x8a, 0x01],
            };
            assert!(certificate.is_of(&own));
            assert_eq!(certificate.serial_number(), "8a01");
            let response = response(&certificate, status, &own, &key, now, until);
            let response = response.expect("signed");
            let expected = SingleAnswer { status, next_update: Some(until) };
            assert_eq!(read_response(&response, &certificate), Some(expected));
            assert!(is_signed_by(&response, &own));
        }
    }
    assert!(!id("1").is_of(&own));
}
