//! Settings of a server: flags, environment variables and a TOML file, in this order of
//! precedence. Each name is the same in all three.

use crate::outside::OutsideSettings;
use crate::tls::{TlsFiles, TlsOptions};
use anyhow::{Context, anyhow, bail};
use chargebook_store::{LogAddress, OpenError, OpenMode, OpenedLog};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where to listen.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ListenAddress(SocketAddr);

/// Text that is no such address.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not of the form IP:PORT, such as 127.0.0.1:9000 or [::1]:9000; names are not looked up")]
pub(crate) struct ListenAddressError;

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| ListenAddressError)
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = ListenAddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Flags of `chargebook serve`; what is absent may stand in the file.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct ServeArgs {
    /// Folder of the data; created where it is missing [default: ./chargebook-data]
    #[arg(long, env = "CHARGEBOOK_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Where the log is kept: `sqlite:` (in the data folder) or
    /// `postgres://user:password@host/database` [default: sqlite:]
    #[arg(long, env = "CHARGEBOOK_STORE", value_name = "URL", hide_env_values = true)]
    pub(crate) store: Option<LogAddress>,
    /// Where charge points connect; port 0 picks a free one [default: 127.0.0.1:9000]
    #[arg(long, env = "CHARGEBOOK_OCPP", value_name = "ADDR")]
    pub(crate) ocpp: Option<ListenAddress>,
    /// Where the HTTP API and the console are; port 0 picks a free one [default: 127.0.0.1:8080]
    #[arg(long, env = "CHARGEBOOK_HTTP", value_name = "ADDR")]
    pub(crate) http: Option<ListenAddress>,
    /// A TOML file with the same names
    #[arg(long, env = "CHARGEBOOK_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// API token of the bootstrap administrator [default: one is made and kept in the data
    /// folder]
    #[arg(long, env = "CHARGEBOOK_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) admin_token: Option<String>,
    /// Seconds that a session which is over or silent is waited for [default: 86400]
    #[arg(long, env = "CHARGEBOOK_SETTLE_AFTER", value_name = "SECONDS")]
    pub(crate) settle_after: Option<u32>,
    /// IANA time zone of stations without a site [default: UTC]
    #[arg(long, env = "CHARGEBOOK_TIME_ZONE", value_name = "ZONE")]
    pub(crate) time_zone: Option<String>,
    /// Series that invoices are numbered in [default: INV]
    #[arg(long, env = "CHARGEBOOK_INVOICE_SERIES", value_name = "NAME")]
    pub(crate) invoice_series: Option<String>,
    /// Seconds between heartbeats that stations are told [default: 300]
    #[arg(long, env = "CHARGEBOOK_HEARTBEAT_INTERVAL", value_name = "SECONDS")]
    pub(crate) heartbeat_interval: Option<u32>,
    /// Frames a second that are taken from one station in the long run; a station that sends
    /// faster is read later [default: 1000]
    #[arg(long, env = "CHARGEBOOK_FRAMES_PER_SECOND", value_name = "COUNT")]
    pub(crate) frames_per_second: Option<u32>,
    /// Header in which a proxy in front of the OCPP port tells the OCPP security profile of a
    /// connection (1 to 3); let nobody but that proxy reach the port [default: none, and nothing
    /// is known of TLS]
    #[arg(long, env = "CHARGEBOOK_SECURITY_PROFILE_HEADER", value_name = "NAME")]
    pub(crate) security_profile_header: Option<String>,
    /// Certificate of the server (PEM, with those of its issuers), for TLS of our own [default:
    /// none, and TLS is a proxy's work]
    #[arg(long, env = "CHARGEBOOK_TLS_CERTIFICATE", value_name = "FILE")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, env = "CHARGEBOOK_TLS_KEY", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// A second certificate of the server (PEM, with those of its issuers), with a key of another
    /// kind (RSA beside an elliptic curve's), for stations that cannot check the first [default:
    /// none]
    #[arg(long, env = "CHARGEBOOK_TLS_SECOND_CERTIFICATE", value_name = "FILE")]
    pub(crate) tls_second_certificate: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, env = "CHARGEBOOK_TLS_SECOND_KEY", value_name = "FILE")]
    pub(crate) tls_second_key: Option<PathBuf>,
    /// Where charge points connect over TLS; port 0 picks a free one [default: 127.0.0.1:9443]
    #[arg(long, env = "CHARGEBOOK_TLS_LISTEN", value_name = "ADDR")]
    pub(crate) tls_listen: Option<ListenAddress>,
    /// More roots (PEM) that stations' own certificates may lead to, for security profile 3, beside
    /// the authority that signs what stations ask for
    #[arg(long, env = "CHARGEBOOK_TLS_CLIENT_AUTHORITY", value_name = "FILE")]
    pub(crate) tls_client_authority: Option<PathBuf>,
    /// Host of an OCSP responder that may be asked whether a certificate counts; may be given
    /// several times [default: none, and nobody is asked]
    #[arg(long, env = "CHARGEBOOK_OCSP_RESPONDER", value_name = "HOST", value_delimiter = ',')]
    pub(crate) ocsp_responder: Vec<String>,
    /// Where vehicles' contract certificates come from: the address of an Open Plug & Charge
    /// Protocol service for signed contract data [default: none, and vehicles get none]
    #[arg(long, env = "CHARGEBOOK_CONTRACT_SERVICE", value_name = "URL")]
    pub(crate) contract_service: Option<String>,
    /// Bearer token for it
    #[arg(
        long,
        env = "CHARGEBOOK_CONTRACT_SERVICE_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true
    )]
    pub(crate) contract_service_token: Option<String>,
    /// More roots (PEM) that those who are asked over https may lead to, beside the machine's own
    #[arg(long, env = "CHARGEBOOK_OUTSIDE_AUTHORITY", value_name = "FILE")]
    pub(crate) outside_authority: Option<PathBuf>,
    /// Name that the log's checkpoints are signed under; kept from the first start on
    #[arg(long, env = "CHARGEBOOK_ORIGIN", value_name = "NAME")]
    pub(crate) origin: Option<String>,
    /// Name of this process in the events it writes [default: node-1]
    #[arg(long, env = "CHARGEBOOK_NODE", value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// Where keys.db is copied to every hour and at every erasure, so that no key outlives its
    /// erasure there; best on another disk [default: nowhere]
    #[arg(long, env = "CHARGEBOOK_KEYS_BACKUP", value_name = "FILE")]
    pub(crate) keys_backup: Option<PathBuf>,
    /// Go on with new keys where keys.db is missing beside a log: personal data that was sealed
    /// with the lost ones can be read by nobody any more
    #[arg(long)]
    pub(crate) accept_lost_keys: bool,
}

/// Where a log is, and the folder that belongs to it: for commands that look into one.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LogPlace {
    /// The data folder
    #[arg(long, env = "CHARGEBOOK_DATA", default_value = DATA_DEFAULT, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Where the log is kept: `sqlite:` (in the data folder), `postgres://…`, or
    /// `esdb://…` where it was built with the feature `kurrentdb`
    #[arg(
        long,
        env = "CHARGEBOOK_STORE",
        default_value = "sqlite:",
        value_name = "URL",
        hide_env_values = true
    )]
    pub(crate) store: LogAddress,
}

impl LogPlace {
    /// Opens the log.
    pub(crate) async fn open(&self, mode: OpenMode) -> Result<OpenedLog, OpenError> {
        self.store.open(&self.data, mode).await
    }

    /// Opens the log to check each event of it.
    pub(crate) async fn open_to_verify(&self) -> Result<OpenedLog, OpenError> {
        self.store.open_to_verify(&self.data).await
    }
}

/// The file; every member may be absent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: Option<PathBuf>,
    store: Option<String>,
    ocpp: Option<ListenAddress>,
    http: Option<ListenAddress>,
    #[serde(alias = "admin-token")]
    admin_token: Option<String>,
    #[serde(alias = "settle-after")]
    settle_after: Option<u32>,
    #[serde(alias = "time-zone")]
    time_zone: Option<String>,
    #[serde(alias = "invoice-series")]
    invoice_series: Option<String>,
    #[serde(alias = "heartbeat-interval")]
    heartbeat_interval: Option<u32>,
    #[serde(alias = "frames-per-second")]
    frames_per_second: Option<u32>,
    #[serde(alias = "security-profile-header")]
    security_profile_header: Option<String>,
    #[serde(alias = "tls-certificate")]
    tls_certificate: Option<PathBuf>,
    #[serde(alias = "tls-key")]
    tls_key: Option<PathBuf>,
    #[serde(alias = "tls-second-certificate")]
    tls_second_certificate: Option<PathBuf>,
    #[serde(alias = "tls-second-key")]
    tls_second_key: Option<PathBuf>,
    #[serde(alias = "tls-listen")]
    tls_listen: Option<ListenAddress>,
    #[serde(alias = "tls-client-authority")]
    tls_client_authority: Option<PathBuf>,
    #[serde(alias = "ocsp-responder")]
    ocsp_responder: Option<Vec<String>>,
    #[serde(alias = "contract-service")]
    contract_service: Option<String>,
    #[serde(alias = "contract-service-token")]
    contract_service_token: Option<String>,
    #[serde(alias = "outside-authority")]
    outside_authority: Option<PathBuf>,
    origin: Option<String>,
    node: Option<String>,
    #[serde(alias = "keys-backup")]
    keys_backup: Option<PathBuf>,
}

impl File {
    /// Says the line and the setting of a mistake, and never what else is in the line: that may be
    /// a password.
    fn read(text: &str) -> anyhow::Result<Self> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            // Only a name that the file gives to a setting: in a broken line nothing is known.
            let settings: toml::Table = toml::from_str(text).unwrap_or_default();
            let name = before
                .lines()
                .last()
                .and_then(|line| line.split_once('='))
                .map(|(name, _)| name.trim());
            match name.filter(|name| settings.contains_key(*name)) {
                Some(name) => anyhow!("line {line}: `{name}`: {}", error.message()),
                None => anyhow!("line {line}: {}", error.message()),
            }
        })
    }
}

/// What a server runs with.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) data: PathBuf,
    pub(crate) store: LogAddress,
    pub(crate) ocpp: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) admin_token: Option<String>,
    pub(crate) settle_after_seconds: u32,
    pub(crate) time_zone: String,
    pub(crate) invoice_series: String,
    pub(crate) heartbeat_interval_seconds: u32,
    pub(crate) frames_per_second: u32,
    pub(crate) security_profile_header: Option<String>,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) outside: OutsideSettings,
    pub(crate) origin: Option<String>,
    pub(crate) node: String,
    pub(crate) keys_backup: Option<PathBuf>,
    pub(crate) accept_lost_keys: bool,
}

/// Longest name of an invoice series.
const SERIES_CHARACTERS_MAX: usize = 32;
/// Shortest admin token that is taken.
const ADMIN_TOKEN_CHARACTERS_MIN: usize = 8;
/// The folder that all commands look in if none is named.
pub(crate) const DATA_DEFAULT: &str = "chargebook-data";

impl Config {
    /// Puts flags, environment and file together, and checks them.
    pub(crate) fn load(args: ServeArgs) -> anyhow::Result<Self> {
        let file = match &args.config {
            None => File::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the configuration {}", path.display()))?;
                File::read(&text).with_context(|| format!("in {}", path.display()))?
            }
        };
        let config = Self {
            data: args.data.or(file.data).unwrap_or_else(|| DATA_DEFAULT.into()),
            store: match (args.store, file.store) {
                (Some(given), _) => given,
                (None, Some(text)) => text.parse().context("`store` in the configuration")?,
                (None, None) => LogAddress::default(),
            },
            ocpp: args.ocpp.or(file.ocpp).map_or(([127, 0, 0, 1], 9000).into(), |at| at.0),
            http: args.http.or(file.http).map_or(([127, 0, 0, 1], 8080).into(), |at| at.0),
            admin_token: args.admin_token.or(file.admin_token),
            settle_after_seconds: args.settle_after.or(file.settle_after).unwrap_or(86_400),
            time_zone: args.time_zone.or(file.time_zone).unwrap_or_else(|| "UTC".to_owned()),
            invoice_series: args
                .invoice_series
                .or(file.invoice_series)
                .unwrap_or_else(|| "INV".to_owned()),
            heartbeat_interval_seconds: args
                .heartbeat_interval
                .or(file.heartbeat_interval)
                .unwrap_or(300),
            frames_per_second: args.frames_per_second.or(file.frames_per_second).unwrap_or(1_000),
            security_profile_header: args.security_profile_header.or(file.security_profile_header),
            tls: TlsFiles::of(TlsOptions {
                certificate: args.tls_certificate.or(file.tls_certificate),
                key: args.tls_key.or(file.tls_key),
                second_certificate: args.tls_second_certificate.or(file.tls_second_certificate),
                second_key: args.tls_second_key.or(file.tls_second_key),
                listen: args.tls_listen.or(file.tls_listen).map(|at| at.0),
                client_authority: args.tls_client_authority.or(file.tls_client_authority),
            })?,
            outside: OutsideSettings::of(
                Some(args.ocsp_responder)
                    .filter(|hosts| !hosts.is_empty())
                    .or(file.ocsp_responder)
                    .unwrap_or_default(),
                args.contract_service.or(file.contract_service).as_deref(),
                args.contract_service_token.or(file.contract_service_token).as_deref(),
                args.outside_authority.or(file.outside_authority),
            )?,
            origin: args.origin.or(file.origin),
            node: args.node.or(file.node).unwrap_or_else(|| "node-1".to_owned()),
            keys_backup: args.keys_backup.or(file.keys_backup),
            accept_lost_keys: args.accept_lost_keys,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.time_zone.parse::<chrono_tz::Tz>().is_err() {
            bail!("time zone `{}` is no IANA name such as Europe/Berlin", self.time_zone);
        }
        let series = &self.invoice_series;
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
        if series.is_empty() || series.len() > SERIES_CHARACTERS_MAX || !series.chars().all(allowed)
        {
            bail!(
                "invoice series `{series}` must have 1 to {SERIES_CHARACTERS_MAX} letters, \
                 digits, dots or underscores"
            );
        }
        if self.heartbeat_interval_seconds == 0 {
            bail!("the heartbeat interval must be at least one second");
        }
        if self.frames_per_second == 0 {
            bail!("at least one frame a second must be taken from a station");
        }
        let is_name = |name: &String| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            !name.is_empty() && name.bytes().all(is_plain)
        };
        if let Some(name) = self.security_profile_header.as_ref().filter(|name| !is_name(name)) {
            bail!("`{name}` is no header: a name has letters, digits and hyphens");
        }
        let short = |token: &String| token.chars().count() < ADMIN_TOKEN_CHARACTERS_MIN;
        if self.admin_token.as_ref().is_some_and(short) {
            bail!("the admin token must have at least {ADMIN_TOKEN_CHARACTERS_MIN} characters");
        }
        Ok(())
    }
}
