//! The files that TLS of our own is made of, read at the start and again on SIGHUP.

use anyhow::{Context, bail};
use chargebook_commands::Chargebook;
use chargebook_gateway::{Tls, TlsError, TlsMaterial};
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
const CLIENT_AUTHORITY: &str = "--tls-client-authority";

/// What an operator has said of TLS.
#[derive(Debug, Clone)]
pub(crate) struct TlsFiles {
    certificate: PathBuf,
    key: PathBuf,
    /// The door.
    pub(crate) listen: SocketAddr,
    /// Roots that stations' certificates may lead to, beside the authority of our own: what that
    /// has signed must be good here, or a renewed certificate would lock its station out.
    client_authority: Option<PathBuf>,
}

impl TlsFiles {
    /// `None`: there is to be no TLS of our own.
    pub(crate) fn of(
        certificate: Option<PathBuf>,
        key: Option<PathBuf>,
        listen: Option<SocketAddr>,
        client_authority: Option<PathBuf>,
    ) -> anyhow::Result<Option<Self>> {
        let listen_or_default = listen.unwrap_or(SocketAddr::from(LISTEN_DEFAULT));
        match (certificate, key) {
            (Some(certificate), Some(key)) => {
                Ok(Some(Self { certificate, key, listen: listen_or_default, client_authority }))
            }
            (None, None) if listen.is_none() && client_authority.is_none() => Ok(None),
            _ => bail!("TLS needs both a certificate (--tls-certificate) and its key (--tls-key)"),
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
        Ok(TlsMaterial {
            certificate_chain: read(CERTIFICATE, &self.certificate).await?,
            key: read(KEY, &self.key).await?,
            client_authorities,
        })
    }

    /// The error with the option and the file that it is about.
    fn named(&self, error: TlsError) -> anyhow::Error {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        let place = match (&error, &self.client_authority) {
            (TlsError::Certificate, _) => format!("{CERTIFICATE} {certificate}"),
            (TlsError::Key, _) => format!("{KEY} {key}"),
            (TlsError::ClientAuthority | TlsError::Verifier(_), Some(path)) => {
                format!("{CLIENT_AUTHORITY} {}", path.display())
            }
            _ => format!("{CERTIFICATE} {certificate} and {KEY} {key}"),
        };
        anyhow::Error::new(error).context(place)
    }
}
