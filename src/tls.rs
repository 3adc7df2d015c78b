//! The files that TLS of our own is made of, read at the start and again on SIGHUP.

use anyhow::{Context, bail};
use chargebook_commands::Chargebook;
use chargebook_gateway::{CertificatePlace, Tls, TlsCertificate, TlsError, TlsMaterial};
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// Has SIGHUP end no server, from now on; where there is no TLS, a line says that it did nothing.
#[cfg(unix)]
pub(crate) fn outlive_hangups(has_tls: bool) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    // What is heard once no longer ends the process, whoever listens later.
    let mut told = signal(SignalKind::hangup()).context("cannot listen for signals")?;
    if !has_tls {
        tokio::spawn(async move {
            while told.recv().await.is_some() {
                tracing::info!("SIGHUP: without TLS there is nothing to read again");
            }
        });
    }
    Ok(())
}

/// Where charge points connect over TLS if nothing else is said.
const LISTEN_DEFAULT: ([u8; 4], u16) = ([127, 0, 0, 1], 9443);

/// The options that name the files.
const CERTIFICATE: &str = "--tls-certificate";
const KEY: &str = "--tls-key";
const SECOND_CERTIFICATE: &str = "--tls-second-certificate";
const SECOND_KEY: &str = "--tls-second-key";
const CLIENT_AUTHORITY: &str = "--tls-client-authority";

/// Where a certificate and its key lie.
#[derive(Debug, Clone)]
struct PairFiles {
    certificate: PathBuf,
    key: PathBuf,
}

impl PairFiles {
    /// `None`: neither was named. With one of the two alone nothing can be done.
    fn of(certificate: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<Self>, ()> {
        match (certificate, key) {
            (Some(certificate), Some(key)) => Ok(Some(Self { certificate, key })),
            (None, None) => Ok(None),
            _ => Err(()),
        }
    }
}

/// What an operator has said of TLS, as it was told.
pub(crate) struct TlsOptions {
    /// The server's certificate.
    pub(crate) certificate: Option<PathBuf>,
    /// Its key.
    pub(crate) key: Option<PathBuf>,
    /// A certificate with a key of another kind.
    pub(crate) second_certificate: Option<PathBuf>,
    /// Its key.
    pub(crate) second_key: Option<PathBuf>,
    /// The door.
    pub(crate) listen: Option<SocketAddr>,
    /// Roots that stations' certificates may lead to.
    pub(crate) client_authority: Option<PathBuf>,
}

/// The same, whole.
#[derive(Debug, Clone)]
pub(crate) struct TlsFiles {
    first: PairFiles,
    second: Option<PairFiles>,
    /// The door.
    pub(crate) listen: SocketAddr,
    /// Roots that stations' certificates may lead to, beside the authority of our own: what that
    /// has signed must be good here, or a renewed certificate would lock its station out.
    client_authority: Option<PathBuf>,
}

impl TlsFiles {
    /// `None`: there is to be no TLS of our own.
    pub(crate) fn of(options: TlsOptions) -> anyhow::Result<Option<Self>> {
        let TlsOptions { certificate, key, second_certificate, second_key, .. } = options;
        let TlsOptions { listen, client_authority, .. } = options;
        let second = PairFiles::of(second_certificate, second_key).or_else(|()| {
            bail!(
                "a second certificate ({SECOND_CERTIFICATE}) needs its key ({SECOND_KEY}) as well"
            )
        })?;
        let is_wanted = second.is_some() || listen.is_some() || client_authority.is_some();
        match PairFiles::of(certificate, key) {
            Ok(Some(first)) => {
                let listen = listen.unwrap_or(SocketAddr::from(LISTEN_DEFAULT));
                Ok(Some(Self { first, second, listen, client_authority }))
            }
            Ok(None) if !is_wanted => Ok(None),
            _ => bail!("TLS needs both a certificate ({CERTIFICATE}) and its key ({KEY})"),
        }
    }

    /// Reads the files, and reads them again on SIGHUP until told to stop.
    pub(crate) async fn open(
        &self,
        chargebook: &Chargebook,
        stop: CancellationToken,
    ) -> anyhow::Result<Tls> {
        let material = self.read(chargebook).await.context("TLS cannot be offered")?;
        let tls = Tls::new(&material).map_err(|error| self.named(error));
        let tls = tls.context("TLS cannot be offered")?;
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let mut told = signal(SignalKind::hangup()).context("cannot listen for signals")?;
            let (files, chargebook, offered) = (self.clone(), chargebook.clone(), tls.clone());
            tokio::spawn(stop.run_until_cancelled_owned(async move {
                while told.recv().await.is_some() {
                    files.read_again(&chargebook, &offered).await;
                }
            }));
        }
        #[cfg(not(unix))]
        drop(stop);
        Ok(tls)
    }

    #[cfg(unix)]
    async fn read_again(&self, chargebook: &Chargebook, tls: &Tls) {
        let read = self.read(chargebook).await;
        let replace = |material| tls.replace(&material).map_err(|error| self.named(error));
        match read.and_then(replace) {
            Ok(()) => tracing::info!("the certificates of TLS were read again"),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "the certificates of TLS stay as they were");
            }
        }
    }

    async fn read(&self, chargebook: &Chargebook) -> anyhow::Result<TlsMaterial> {
        let read = async |option: &str, path: &PathBuf| {
            let read = tokio::fs::read(path).await;
            read.with_context(|| format!("{option}: cannot read {}", path.display()))
        };
        let mut client_authorities = chargebook.authority().await?.root().pem.clone().into_bytes();
        if let Some(path) = &self.client_authority {
            client_authorities.extend(read(CLIENT_AUTHORITY, path).await?);
        }
        let first = TlsCertificate {
            chain: read(CERTIFICATE, &self.first.certificate).await?,
            key: read(KEY, &self.first.key).await?,
        };
        let second = match &self.second {
            Some(files) => Some(TlsCertificate {
                chain: read(SECOND_CERTIFICATE, &files.certificate).await?,
                key: read(SECOND_KEY, &files.key).await?,
            }),
            None => None,
        };
        Ok(TlsMaterial { first, second, client_authorities })
    }

    /// The error with the options and the files that it is about.
    fn named(&self, error: TlsError) -> anyhow::Error {
        let certificate = |place| self.certificate_at(place);
        let key = |place| self.key_at(place);
        let place = match (&error, &self.client_authority) {
            (TlsError::Certificate(place), _) => certificate(*place),
            (TlsError::Key(place), _) => key(*place),
            (TlsError::ClientAuthority | TlsError::Verifier(_), Some(path)) => {
                format!("{CLIENT_AUTHORITY} {}", path.display())
            }
            (TlsError::Pair(place, _), _) => {
                format!("{} and {}", certificate(*place), key(*place))
            }
            (TlsError::SameKind, _) => {
                format!("{} and {}", key(CertificatePlace::First), key(CertificatePlace::Second))
            }
            _ => certificate(CertificatePlace::First),
        };
        anyhow::Error::new(error).context(place)
    }

    /// The option and the file of one of the certificates.
    fn certificate_at(&self, place: CertificatePlace) -> String {
        let (option, files) = match (place, &self.second) {
            (CertificatePlace::Second, Some(second)) => (SECOND_CERTIFICATE, second),
            _ => (CERTIFICATE, &self.first),
        };
        format!("{option} {}", files.certificate.display())
    }

    /// The same of its key.
    fn key_at(&self, place: CertificatePlace) -> String {
        let (option, files) = match (place, &self.second) {
            (CertificatePlace::Second, Some(second)) => (SECOND_KEY, second),
            _ => (KEY, &self.first),
        };
        format!("{option} {}", files.key.display())
    }
}
