//! TLS of our own (OCPP security profiles 2 and 3): the server's certificate, and the check of a
//! station's, if it has one. TLS 1.2 and 1.3, nothing older (2.x part 2, A00).
//!
//! A certificate that does not lead to the stations' authority, or has expired, ends the
//! handshake. Whether it names the station that the path names is asked afterwards.

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// What a TLS door needs, in PEM.
#[derive(Clone)]
pub struct TlsMaterial {
    /// The server's certificate, and those of its issuers.
    pub certificate_chain: Vec<u8>,
    /// Its private key.
    pub key: Vec<u8>,
    /// The roots that stations' own certificates lead to.
    pub client_authorities: Vec<u8>,
}

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate file holds none.
    #[error("the server's certificate cannot be read")]
    Certificate,
    /// The key file holds none.
    #[error("the server's private key cannot be read")]
    Key,
    /// The file of authorities holds none.
    #[error("the stations' certificate authority cannot be read")]
    ClientAuthority,
    /// They are no authorities that can be checked against.
    #[error("the stations' certificate authority cannot be used: {0}")]
    Verifier(#[from] VerifierBuilderError),
    /// They do not fit each other.
    #[error("the server's certificate and key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// TLS for one door. What it needs can be replaced: connections that are open stay, new ones get
/// the new certificate.
#[derive(Clone)]
pub struct Tls {
    config: Arc<RwLock<Arc<ServerConfig>>>,
}

impl Tls {
    /// Reads and checks what it needs.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn new(material: &TlsMaterial) -> Result<Self, TlsError> {
        Ok(Self { config: Arc::new(RwLock::new(Arc::new(config(material)?))) })
    }

    /// Takes over new certificates and keys.
    ///
    /// # Errors
    /// They cannot be used; the old ones stay.
    pub fn replace(&self, material: &TlsMaterial) -> Result<(), TlsError> {
        let config = Arc::new(config(material)?);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// Shakes hands. Bounded by whoever calls it.
    pub(super) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner).clone();
        TlsAcceptor::from(config).accept(stream).await
    }
}

fn config(material: &TlsMaterial) -> Result<ServerConfig, TlsError> {
    let chain = certificates(&material.certificate_chain).ok_or(TlsError::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&material.key).map_err(|_| TlsError::Key)?;
    let mut roots = RootCertStore::empty();
    for root in certificates(&material.client_authorities).ok_or(TlsError::ClientAuthority)? {
        roots.add(root)?;
    }
    let provider = Arc::new(ring::default_provider());
    // Profile 2 comes without a certificate, so none is no mistake here.
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()?;
    Ok(ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?)
}

/// The certificates of a PEM text, all of them readable and at least one.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    certificates.ok().filter(|certificates| !certificates.is_empty())
}

/// The station's certificate; `None`: it has shown none.
pub(super) fn certificate_of(stream: &TlsStream<TcpStream>) -> Option<ShownCertificate> {
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates()?.first()?;
    let parsed = X509Certificate::from_der(certificate).ok();
    let name = parsed.and_then(|(_, certificate)| {
        let mut names = certificate.subject().iter_common_name();
        let name = names.next().filter(|_| names.next().is_none())?;
        name.as_str().ok().map(str::to_owned)
    });
    Some(ShownCertificate { name, der: certificate.clone().into_owned() })
}

/// A certificate that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShownCertificate {
    /// Its common name; `None` where it has not just one.
    pub(super) name: Option<String>,
    /// What was shown.
    pub(super) der: CertificateDer<'static>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn material() -> TlsMaterial {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("parameters");
        let certificate = params.self_signed(&key).expect("a certificate");
        TlsMaterial {
            certificate_chain: certificate.pem().into_bytes(),
            key: key.serialize_pem().into_bytes(),
            client_authorities: certificate.pem().into_bytes(),
        }
    }

    #[test]
    fn what_cannot_be_used_is_said_and_changes_nothing() {
        let good = material();
        let tls = Tls::new(&good).expect("usable");
        let nothing = || b"nothing".to_vec();
        let says = |material: &TlsMaterial, expected: &str| {
            let error = tls.replace(material).expect_err("unusable").to_string();
            assert!(error.contains(expected), "{error}");
        };
        says(
            &TlsMaterial { certificate_chain: nothing(), ..good.clone() },
            "certificate cannot be",
        );
        says(&TlsMaterial { key: nothing(), ..good.clone() }, "private key cannot be read");
        says(&TlsMaterial { client_authorities: nothing(), ..good.clone() }, "authority cannot be");
        says(&TlsMaterial { key: material().key, ..good }, "certificate and key");
        assert!(tls.replace(&material()).is_ok());
    }
}
