//! Where a log in KurrentDB is.

use eventstore::{ClientSettings, NodePreference};
use std::fmt;
use std::str::FromStr;

/// The log of an address that names none.
const DEFAULT_LOG: &str = "chargebook";
/// Longest name of a log, in bytes.
const LOG_NAME_BYTES_MAX: usize = 64;
/// The parameter that names the log; the others are the client's.
const LOG_PARAMETER: &str = "log";

/// The address of a log in KurrentDB: `esdb://user:password@host:port`, several hosts with commas
/// in between, or `esdb+discover://…`, with the parameters of KurrentDB's clients, such as
/// `?tlsCaFile=ca.crt`, and with `log=NAME` where a database holds several logs. Never shows its
/// password.
#[derive(Clone)]
pub struct KurrentDbUrl {
    /// In a box, since it is large.
    settings: Box<ClientSettings>,
    log: String,
    shown: String,
}

/// A text that is no address of a log in KurrentDB.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no address such as esdb://user:password@host:2113: {0}")]
pub struct KurrentDbUrlError(String);

impl FromStr for KurrentDbUrl {
    type Err = KurrentDbUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason: &str| KurrentDbUrlError(reason.to_owned());
        if !is_kurrentdb_url(text) {
            return Err(error("it begins with something else"));
        }
        let (text, log) = take_log(text);
        let log = log.unwrap_or_else(|| DEFAULT_LOG.to_owned());
        let allowed =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
        if log.is_empty() || log.len() > LOG_NAME_BYTES_MAX || !log.chars().all(allowed) {
            return Err(error("a log's name is 1 to 64 of a-z 0-9 - _ ."));
        }
        // What the client says of a text that it does not understand may hold the password.
        let settings: ClientSettings =
            text.parse().map_err(|_| error("its hosts or its parameters are not understood"))?;
        if settings.node_preference() != NodePreference::Leader {
            return Err(error("the log is read and written at the leader (nodePreference=leader)"));
        }
        let hosts: Vec<String> =
            settings.hosts().iter().map(|host| format!("{}:{}", host.host, host.port)).collect();
        let scheme = if settings.is_dns_discovery_enabled() { "esdb+discover" } else { "esdb" };
        let mut shown = format!("{scheme}://{}", hosts.join(","));
        if log != DEFAULT_LOG {
            shown.push_str(&format!("?{LOG_PARAMETER}={log}"));
        }
        Ok(Self { settings: Box::new(settings), log, shown })
    }
}

/// Whether a text is meant to be such an address.
pub(crate) fn is_kurrentdb_url(text: &str) -> bool {
    text.starts_with("esdb://") || text.starts_with("esdb+discover://")
}

impl KurrentDbUrl {
    /// What the client is made of.
    pub(super) fn settings(&self) -> &ClientSettings {
        &self.settings
    }

    /// Whether the client looks among several nodes for the one to talk to.
    pub(super) fn is_cluster(&self) -> bool {
        self.settings.is_dns_discovery_enabled() || self.settings.hosts().len() > 1
    }

    /// The name of the log.
    pub(super) fn log(&self) -> &str {
        &self.log
    }

    /// What the names of the log's streams begin with in the database.
    pub(super) fn prefix(&self) -> String {
        format!("{}:", self.log)
    }
}

/// Takes the parameter that is ours out of an address.
fn take_log(text: &str) -> (String, Option<String>) {
    let Some((before, parameters)) = text.split_once('?') else { return (text.to_owned(), None) };
    let mut log = None;
    let others: Vec<&str> = parameters
        .split('&')
        .filter(|parameter| match parameter.split_once('=') {
            Some((LOG_PARAMETER, name)) => {
                log = Some(name.to_owned());
                false
            }
            _ => true,
        })
        .collect();
    let question = if others.is_empty() { "" } else { "?" };
    (format!("{before}{question}{}", others.join("&")), log)
}

impl fmt::Display for KurrentDbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for KurrentDbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KurrentDbUrl({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_hosts_and_log_and_never_its_password() {
        for (text, shown) in [
            ("esdb://admin:very-secret@db.example?tls=false", "esdb://db.example:2113"),
            ("esdb://a:very-secret@one:1,two:2?tls=false", "esdb://one:1,two:2"),
            ("esdb+discover://db.example:2113", "esdb+discover://db.example:2113"),
            ("esdb://db.example?log=south&tls=false", "esdb://db.example:2113?log=south"),
            ("esdb://db.example?log=chargebook", "esdb://db.example:2113"),
        ] {
            let address: KurrentDbUrl = text.parse().expect("an address");
            assert_eq!(address.to_string(), shown);
            assert!(!format!("{address:?}").contains("very-secret"));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for text in [
            "sqlite:",
            "esdb://",
            "esdb://admin:very-secret@db.example:not-a-port",
            "esdb://db.example?log=",
            "esdb://db.example?log=South",
            "esdb://db.example?log=a:b",
            "esdb://db.example?nodePreference=follower",
            "esdb://db.example?keepAliveInterval=soon",
        ] {
            let error = text.parse::<KurrentDbUrl>().expect_err(text);
            assert!(!format!("{error} {error:?}").contains("very-secret"), "{error}");
        }
    }
}
