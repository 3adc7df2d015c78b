//! The configuration keys a station knows (OCPP 1.6, section 9).

use std::time::Duration;

use ocpp_kit::v1_6::{ConfigurationStatus, KeyValue};

/// Keys asked for in one GetConfiguration.
const MAX_KEYS: usize = 40;
/// Longest heartbeat or sampling interval accepted, in seconds.
const LONGEST_INTERVAL: u64 = 86_400;
/// Length of an AuthorizationKey, in characters as written.
const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 16..=40;

/// What ChangeConfiguration did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing but the stored value, or not even that.
    None,
    /// The heartbeat interval is another.
    Heartbeat,
    /// The password is another: it counts from the next connection.
    Password,
}

/// The values of one station.
#[derive(Debug, Clone)]
pub(crate) struct Configuration {
    connectors: u32,
    heartbeat: Duration,
    sample_interval: Duration,
    authorize_remote: bool,
    password: Option<String>,
}

impl Configuration {
    pub(crate) fn new(
        connectors: u32,
        sample_interval: Duration,
        password: Option<String>,
    ) -> Self {
        Self {
            connectors,
            heartbeat: Duration::from_secs(300),
            sample_interval,
            authorize_remote: false,
            password,
        }
    }

    pub(crate) fn heartbeat(&self) -> Duration {
        self.heartbeat
    }

    /// The interval a BootNotification was answered with; not positive leaves ours.
    pub(crate) fn set_heartbeat_seconds(&mut self, seconds: i32) {
        if let Ok(seconds @ 1..) = u64::try_from(seconds) {
            self.heartbeat = Duration::from_secs(seconds.min(LONGEST_INTERVAL));
        }
    }

    /// `None` when sampling is switched off.
    pub(crate) fn sample_interval(&self) -> Option<Duration> {
        (!self.sample_interval.is_zero()).then_some(self.sample_interval)
    }

    pub(crate) fn authorize_remote(&self) -> bool {
        self.authorize_remote
    }

    pub(crate) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The known ones among `keys` (all when none are named), and the names not known.
    pub(crate) fn read(&self, keys: Option<&[String]>) -> (Vec<KeyValue>, Vec<String>) {
        let all = self.all();
        let Some(keys) = keys.filter(|keys| !keys.is_empty()) else {
            return (all, Vec::new());
        };
        let mut known = Vec::new();
        let mut unknown = Vec::new();
        for key in keys.iter().take(MAX_KEYS) {
            match all.iter().find(|one| one.key.eq_ignore_ascii_case(key)) {
                Some(value) => known.push(value.clone()),
                None => unknown.push(key.clone()),
            }
        }
        (known, unknown)
    }

    /// Changes one key.
    pub(crate) fn write(&mut self, key: &str, value: &str) -> (ConfigurationStatus, Change) {
        let seconds = || value.parse::<u64>().ok().filter(|seconds| *seconds <= LONGEST_INTERVAL);
        let accepted = |change| (ConfigurationStatus::Accepted, change);
        let rejected = (ConfigurationStatus::Rejected, Change::None);
        match key.to_ascii_lowercase().as_str() {
            "heartbeatinterval" => match seconds() {
                Some(seconds @ 1..) => {
                    self.heartbeat = Duration::from_secs(seconds);
                    accepted(Change::Heartbeat)
                }
                _ => rejected,
            },
            "metervaluesampleinterval" => match seconds() {
                Some(seconds) => {
                    self.sample_interval = Duration::from_secs(seconds);
                    accepted(Change::None)
                }
                None => rejected,
            },
            "authorizeremotetxrequests" => match value.to_ascii_lowercase().parse() {
                Ok(on) => {
                    self.authorize_remote = on;
                    accepted(Change::None)
                }
                Err(_) => rejected,
            },
            "authorizationkey" if PASSWORD_LENGTH.contains(&value.len()) => {
                self.password = Some(value.to_owned());
                accepted(Change::Password)
            }
            "authorizationkey" | "numberofconnectors" | "supportedfeatureprofiles" => rejected,
            _ => (ConfigurationStatus::NotSupported, Change::None),
        }
    }

    fn all(&self) -> Vec<KeyValue> {
        let entry = |key: &str, readonly, value: String| {
            let mut entry = KeyValue::new(key, readonly);
            entry.value = Some(value);
            entry
        };
        vec![
            entry("AuthorizeRemoteTxRequests", false, self.authorize_remote.to_string()),
            entry("HeartbeatInterval", false, self.heartbeat.as_secs().to_string()),
            entry("MeterValueSampleInterval", false, self.sample_interval.as_secs().to_string()),
            entry("NumberOfConnectors", true, self.connectors.to_string()),
            entry("SupportedFeatureProfiles", true, "Core,RemoteTrigger".to_owned()),
            // Write-only: its presence is told, never its value (security white paper).
            KeyValue::new("AuthorizationKey", false),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ocpp_kit::v1_6::ConfigurationStatus::{Accepted, NotSupported, Rejected};

    use super::{Change, Configuration};

    #[test]
    fn keys_are_changed_as_the_specification_says() {
        let mut configuration = Configuration::new(2, Duration::from_secs(10), None);
        let cases = [
            ("HeartbeatInterval", "60", Accepted, Change::Heartbeat),
            ("heartbeatinterval", "0", Rejected, Change::None),
            ("MeterValueSampleInterval", "0", Accepted, Change::None),
            ("MeterValueSampleInterval", "soon", Rejected, Change::None),
            ("NumberOfConnectors", "9", Rejected, Change::None),
            ("AuthorizeRemoteTxRequests", "TRUE", Accepted, Change::None),
            ("AuthorizationKey", "short", Rejected, Change::None),
            ("AuthorizationKey", "0123456789abcdef", Accepted, Change::Password),
            ("Nonsense", "1", NotSupported, Change::None),
        ];
        for (key, value, status, change) in cases {
            assert_eq!(configuration.write(key, value), (status, change), "{key}={value}");
        }
        assert_eq!(configuration.heartbeat(), Duration::from_secs(60));
        assert_eq!(configuration.sample_interval(), None);
        assert!(configuration.authorize_remote());
        assert_eq!(configuration.password(), Some("0123456789abcdef"));
    }

    #[test]
    fn the_password_is_never_read_out() {
        let configuration = Configuration::new(1, Duration::from_secs(10), Some("hidden".into()));
        let (known, unknown) =
            configuration.read(Some(&["AuthorizationKey".into(), "Other".into()]));
        assert_eq!(known.len(), 1);
        assert_eq!(known[0].value, None);
        assert_eq!(unknown, ["Other"]);
        assert!(
            configuration.read(None).0.iter().all(|one| one.value.as_deref() != Some("hidden"))
        );
    }
}
