//! OCSP on the wire (RFC 6960, appendix B.1): a question about one certificate, and its answer, in
//! DER. Pure.

use chargebook_domain::events::v1::CertificateHash;
use chargebook_domain::units::Timestamp;
use chrono::NaiveDateTime;
use rcgen::{KeyPair, SigningKey as _};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_parser::certificate::X509Certificate;
use yasna::models::{GeneralizedTime, ObjectIdentifier};
use yasna::{ASN1Error, ASN1ErrorKind, ASN1Result, BERReader, DERWriter, Tag};

/// Longest serial number, in bytes (RFC 5280 section 4.1.2.2).
const SERIAL_NUMBER_BYTES_MAX: usize = 20;
/// Most single answers of one response that are looked at.
const ANSWERS_MAX: usize = 16;
/// Most certificates of one response that are looked at.
const CERTIFICATES_MAX: usize = 8;
/// id-pkix-ocsp-basic.
const BASIC_RESPONSE: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 1];
/// ecdsa-with-SHA256.
const ECDSA_WITH_SHA256: &[u64] = &[1, 2, 840, 10_045, 4, 3, 2];
/// A response that says something (OCSPResponseStatus).
const SUCCESSFUL: i64 = 0;
const SECONDS_FORMAT: &str = "%Y%m%d%H%M%SZ";

/// A certificate as OCSP names it (CertID).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CertificateId {
    hash: Hash,
    issuer_name_hash: Vec<u8>,
    issuer_key_hash: Vec<u8>,
    /// Without leading zeros.
    serial_number: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA256",
            Self::Sha384 => "SHA384",
            Self::Sha512 => "SHA512",
        }
    }

    fn oid(self) -> ObjectIdentifier {
        let last = match self {
            Self::Sha256 => 1,
            Self::Sha384 => 2,
            Self::Sha512 => 3,
        };
        ObjectIdentifier::from_slice(&[2, 16, 840, 1, 101, 3, 4, 2, last])
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha384 => Sha384::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }
}

/// What is said of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OcspStatus {
    /// It counts.
    Good,
    /// It counts no more, since then.
    Revoked(Timestamp),
    /// Whoever was asked does not know it.
    Unknown,
}

/// What a response says of one certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SingleAnswer {
    pub(crate) status: OcspStatus,
    /// When more will be known; `None`: at any time.
    pub(crate) next_update: Option<Timestamp>,
}

impl CertificateId {
    /// Reads the hash data of an OCPP message; `None` where it is not in hexadecimal digits.
    pub(crate) fn read(named: &CertificateHash) -> Option<Self> {
        let hash = Hash::ALL.into_iter().find(|hash| hash.name() == named.hash_algorithm)?;
        let digits = named.serial_number.trim_start_matches('0');
        let is_even = digits.len().is_multiple_of(2);
        let digits = if is_even { digits.to_owned() } else { format!("0{digits}") };
        let serial_number = hex::decode(digits).ok()?;
        (1..=SERIAL_NUMBER_BYTES_MAX).contains(&serial_number.len()).then_some(())?;
        Some(Self {
            hash,
            issuer_name_hash: hex::decode(&named.issuer_name_hash).ok()?,
            issuer_key_hash: hex::decode(named.issuer_key_hash.as_ref()?).ok()?,
            serial_number,
        })
    }

    /// Whether that authority has issued it.
    pub(crate) fn is_of(&self, authority: &X509Certificate<'_>) -> bool {
        let key = &authority.public_key().subject_public_key.data;
        self.issuer_name_hash == self.hash.digest(authority.subject().as_raw())
            && self.issuer_key_hash == self.hash.digest(key)
    }

    /// Its serial number, in hexadecimal digits without leading zeros.
    pub(crate) fn serial_number(&self) -> String {
        hex::encode(&self.serial_number).trim_start_matches('0').to_owned()
    }

    fn write(&self, writer: DERWriter<'_>) {
        writer.write_sequence(|writer| {
            writer.next().write_sequence(|writer| {
                writer.next().write_oid(&self.hash.oid());
                writer.next().write_null();
            });
            writer.next().write_bytes(&self.issuer_name_hash);
            writer.next().write_bytes(&self.issuer_key_hash);
            writer.next().write_bigint_bytes(&self.serial_number, true);
        });
    }

    /// Whether a CertID is this one.
    fn is_written_in(&self, reader: BERReader<'_, '_>) -> ASN1Result<bool> {
        reader.read_sequence(|reader| {
            let hash = reader.next().read_sequence(|reader| {
                let oid = reader.next().read_oid()?;
                reader.read_optional(|reader| reader.read_null())?;
                Ok(oid)
            })?;
            let name_hash = reader.next().read_bytes()?;
            let key_hash = reader.next().read_bytes()?;
            let (serial_number, is_positive) = reader.next().read_bigint_bytes()?;
            let zeros = serial_number.iter().take_while(|byte| **byte == 0).count();
            Ok(hash == self.hash.oid()
                && name_hash == self.issuer_name_hash
                && key_hash == self.issuer_key_hash
                && is_positive
                && serial_number[zeros..] == self.serial_number)
        })
    }
}

/// The question about one certificate (OCSPRequest), unsigned and without a nonce, so that its
/// answer can be kept.
pub(crate) fn request(certificate: &CertificateId) -> Vec<u8> {
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            // tbsRequest, its list, one request, its certificate.
            writer.next().write_sequence(|writer| {
                writer.next().write_sequence(|writer| {
                    writer.next().write_sequence(|writer| certificate.write(writer.next()));
                });
            });
        });
    })
}

/// The parts of a response (OCSPResponse) that its signature is about.
pub(crate) struct SignedParts {
    /// What is signed (ResponseData).
    pub(crate) data: Vec<u8>,
    /// How (AlgorithmIdentifier).
    pub(crate) algorithm: Vec<u8>,
    /// The signature.
    pub(crate) signature: Vec<u8>,
    /// The certificates that came along.
    pub(crate) certificates: Vec<Vec<u8>>,
}

/// Takes a response apart; `None` where it is none that says something.
pub(crate) fn signed_parts(der: &[u8]) -> Option<SignedParts> {
    let basic = yasna::parse_der(der, |reader| {
        reader.read_sequence(|reader| {
            if reader.next().read_enum()? != SUCCESSFUL {
                return Err(ASN1Error::new(ASN1ErrorKind::Invalid));
            }
            reader.next().read_tagged(Tag::context(0), |reader| {
                reader.read_sequence(|reader| {
                    if reader.next().read_oid()? != ObjectIdentifier::from_slice(BASIC_RESPONSE) {
                        return Err(ASN1Error::new(ASN1ErrorKind::Invalid));
                    }
                    reader.next().read_bytes()
                })
            })
        })
    });
    let parts = yasna::parse_der(&basic.ok()?, |reader| {
        reader.read_sequence(|reader| {
            let (data, algorithm) = (reader.next().read_der()?, reader.next().read_der()?);
            let (signature, _) = reader.next().read_bitvec_bytes()?;
            let certificates = reader.read_optional(|reader| {
                reader.read_tagged(Tag::context(0), |reader| {
                    let mut certificates = Vec::new();
                    reader.read_sequence_of(|reader| {
                        let certificate = reader.read_der()?;
                        if certificates.len() < CERTIFICATES_MAX {
                            certificates.push(certificate);
                        }
                        Ok(())
                    })?;
                    Ok(certificates)
                })
            })?;
            let certificates = certificates.unwrap_or_default();
            Ok(SignedParts { data, algorithm, signature, certificates })
        })
    });
    parts.ok()
}

/// What a response (OCSPResponse) says of a certificate; `None` where it says nothing of it. Whose
/// word that is, its signature shows (`proof`).
pub(crate) fn read_response(der: &[u8], certificate: &CertificateId) -> Option<SingleAnswer> {
    let found = yasna::parse_der(&signed_parts(der)?.data, |reader| {
        reader.read_sequence(|reader| {
            reader.read_optional(|reader| {
                reader.read_tagged(Tag::context(0), |version| version.read_u8())
            })?;
            let _responder = reader.next().read_der()?;
            let _produced_at = reader.next().read_generalized_time()?;
            let mut answers = Vec::new();
            reader.next().read_sequence_of(|reader| {
                let answer = single_answer(reader, certificate)?;
                if answers.len() < ANSWERS_MAX {
                    answers.extend(answer);
                }
                Ok(())
            })?;
            reader.read_optional(|extensions| extensions.read_der())?;
            Ok(answers.into_iter().next())
        })
    });
    found.ok().flatten()
}

fn single_answer(
    reader: BERReader<'_, '_>,
    certificate: &CertificateId,
) -> ASN1Result<Option<SingleAnswer>> {
    reader.read_sequence(|reader| {
        let is_meant = certificate.is_written_in(reader.next())?;
        let status = status(reader.next())?;
        let _this_update = reader.next().read_generalized_time()?;
        let next_update = reader.read_optional(|reader| {
            reader.read_tagged(Tag::context(0), |reader| reader.read_generalized_time())
        })?;
        reader.read_optional(|extensions| extensions.read_der())?;
        let next_update = next_update.map(|at| time(&at)).transpose()?;
        Ok(is_meant.then_some(SingleAnswer { status, next_update }))
    })
}

fn status(reader: BERReader<'_, '_>) -> ASN1Result<OcspStatus> {
    let tag = reader.lookahead_tag()?;
    match tag.tag_number {
        0 => reader.read_tagged_implicit(tag, |good| good.read_null()).map(|()| OcspStatus::Good),
        1 => reader.read_tagged_implicit(tag, |revoked| {
            revoked.read_sequence(|reader| {
                let since = reader.next().read_generalized_time()?;
                reader.read_optional(|reason| reason.read_der())?;
                Ok(OcspStatus::Revoked(time(&since)?))
            })
        }),
        _ => reader
            .read_tagged_implicit(tag, |unknown| unknown.read_null())
            .map(|()| OcspStatus::Unknown),
    }
}

/// A response of an authority of our own about one certificate that it has issued, signed with
/// the key that has issued it.
pub(crate) fn response(
    certificate: &CertificateId,
    status: OcspStatus,
    authority: &X509Certificate<'_>,
    key: &KeyPair,
    now: Timestamp,
    next_update: Timestamp,
) -> Option<Vec<u8>> {
    let (now, next_update) = (generalized(now)?, generalized(next_update)?);
    let since = match status {
        OcspStatus::Revoked(since) => Some(generalized(since)?),
        OcspStatus::Good | OcspStatus::Unknown => None,
    };
    let data = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_tagged(Tag::context(1), |by_name| {
                by_name.write_der(authority.subject().as_raw());
            });
            writer.next().write_generalized_time(&now);
            writer.next().write_sequence(|writer| {
                writer.next().write_sequence(|writer| {
                    certificate.write(writer.next());
                    match (&since, status) {
                        (Some(since), _) => {
                            writer.next().write_tagged_implicit(Tag::context(1), |revoked| {
                                revoked.write_sequence(|writer| {
                                    writer.next().write_generalized_time(since);
                                });
                            });
                        }
                        (None, status) => {
                            let tag = if status == OcspStatus::Good { 0 } else { 2 };
                            let tag = Tag::context(tag);
                            writer.next().write_tagged_implicit(tag, |it| it.write_null());
                        }
                    }
                    writer.next().write_generalized_time(&now);
                    writer.next().write_tagged(Tag::context(0), |writer| {
                        writer.write_generalized_time(&next_update);
                    });
                });
            });
        });
    });
    let signature = key.sign(&data).ok()?;
    let algorithm = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_oid(&ObjectIdentifier::from_slice(ECDSA_WITH_SHA256));
        });
    });
    Some(SignedParts { data, algorithm, signature, certificates: Vec::new() }.write())
}

impl SignedParts {
    fn write(&self) -> Vec<u8> {
        let basic = yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_der(&self.data);
                writer.next().write_der(&self.algorithm);
                writer.next().write_bitvec_bytes(&self.signature, self.signature.len() * 8);
                if !self.certificates.is_empty() {
                    writer.next().write_tagged(Tag::context(0), |writer| {
                        writer.write_sequence_of(|writer| {
                            for certificate in &self.certificates {
                                writer.next().write_der(certificate);
                            }
                        });
                    });
                }
            });
        });
        yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_enum(SUCCESSFUL);
                writer.next().write_tagged(Tag::context(0), |writer| {
                    writer.write_sequence(|writer| {
                        writer.next().write_oid(&ObjectIdentifier::from_slice(BASIC_RESPONSE));
                        writer.next().write_bytes(&basic);
                    });
                });
            });
        })
    }
}

/// A response with certificates that come along.
#[cfg(test)]
pub(crate) fn with_certificates(response: &[u8], certificates: &[&[u8]]) -> Vec<u8> {
    let parts = signed_parts(response).expect("a response");
    let certificates = certificates.iter().map(|der| der.to_vec()).collect();
    SignedParts { certificates, ..parts }.write()
}

fn generalized(at: Timestamp) -> Option<GeneralizedTime> {
    GeneralizedTime::parse(at.utc().format(SECONDS_FORMAT).to_string().as_bytes())
}

fn time(read: &GeneralizedTime) -> ASN1Result<Timestamp> {
    let invalid = || ASN1Error::new(ASN1ErrorKind::Invalid);
    let text = read.to_string();
    // Fractions of a second are not allowed (RFC 5280 section 4.1.2.5.2).
    let at = NaiveDateTime::parse_from_str(&text, SECONDS_FORMAT).map_err(|_| invalid())?;
    Ok(Timestamp::new(at.and_utc()))
}

#[cfg(test)]
mod tests;
