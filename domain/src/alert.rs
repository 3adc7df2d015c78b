//! What of a station's words is an alert: something is wrong, and somebody should know.
//!
//! Here stand the rules for words that say so without the word "alert": error codes, statuses of
//! jobs, security events. NotifyEvent says it itself ([`Condition`]).

use crate::events::v1::{Condition, Job, SeenBy};

/// 1.6: nothing is wrong with the connector (section 7.6).
const NO_ERROR: &str = "NoError";
/// In every version: the connector cannot be used, for an error.
const FAULTED: &str = "Faulted";

/// Variables that tell by their value whether something is wrong with their component, and the
/// value that says so (2.x part 2, appendix 3.2).
const TOLD_BY_VALUE: &[(&str, &str)] =
    &[("Problem", "true"), ("Tripped", "true"), ("AvailabilityState", FAULTED)];

/// The value by which a variable says that something is wrong, in any case; `None`: its value
/// alone does not say.
pub fn trouble_word(variable: &str) -> Option<&'static str> {
    let told = TOLD_BY_VALUE.iter().find(|(name, _)| name.eq_ignore_ascii_case(variable));
    told.map(|(_, word)| *word)
}

/// What is wrong with a connector, in the station's word; `None`: nothing.
///
/// 1.6 has an error code beside the status, and uses it for warnings too; 2.x has the status
/// alone.
pub fn of_connector<'a>(status: &'a str, error_code: Option<&'a str>) -> Option<&'a str> {
    let error_code = error_code.filter(|code| !code.is_empty() && *code != NO_ERROR);
    error_code.or_else(|| (status == FAULTED).then_some(status))
}

/// Whether a job has come to nothing or has been done with this status; `None`: it is under way.
pub fn of_job(job: Job, status: &str) -> Option<Condition> {
    let (failures, successes): (&[&str], &[&str]) = match job {
        Job::Firmware | Job::SignedFirmware => (
            &[
                "DownloadFailed",
                "InstallVerificationFailed",
                "InstallationFailed",
                "InvalidSignature",
            ],
            &["Installed"],
        ),
        Job::Diagnostics => (&["UploadFailed"], &["Uploaded"]),
        Job::Log => (
            &["BadMessage", "NotSupportedOperation", "PermissionDenied", "UploadFailure"],
            &["Uploaded"],
        ),
    };
    if failures.contains(&status) {
        return Some(Condition::Wrong);
    }
    successes.contains(&status).then_some(Condition::Right)
}

/// Security events that the standard calls critical (1.6: security white paper, appendix; 2.x:
/// part 2, appendix 1), in order.
const CRITICAL: &[&str] = &[
    "FirmwareUpdated",
    "MaintenanceLoginAccepted",
    "MaintenanceLoginFailed",
    "MemoryExhaustion",
    "ResetOrReboot",
    "SecurityLogWasCleared",
    "SettingSystemTime",
    "StartupOfTheDevice",
    "TamperDetectionActivated",
];

/// Whether a security event is an alert: what we have seen ourselves always is.
pub fn is_of_security(kind: &str, seen_by: SeenBy) -> bool {
    seen_by == SeenBy::System || CRITICAL.binary_search(&kind).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connector_has_an_error_code_or_is_faulted() {
        let check = |status, error_code, expected| {
            assert_eq!(of_connector(status, error_code), expected, "{status} {error_code:?}");
        };
        check("Available", Some("NoError"), None);
        check("Available", Some(""), None);
        check("Available", None, None);
        check("Available", Some("WeakSignal"), Some("WeakSignal"));
        check("Faulted", Some("GroundFailure"), Some("GroundFailure"));
        check("Faulted", Some("NoError"), Some("Faulted"));
        check("Faulted", None, Some("Faulted"));
    }

    #[test]
    fn a_job_fails_succeeds_or_is_under_way() {
        let check = |job, status, expected| {
            assert_eq!(of_job(job, status), expected, "{job:?} {status}");
        };
        check(Job::Firmware, "Downloading", None);
        check(Job::Firmware, "DownloadFailed", Some(Condition::Wrong));
        check(Job::SignedFirmware, "InvalidSignature", Some(Condition::Wrong));
        check(Job::SignedFirmware, "Installed", Some(Condition::Right));
        check(Job::Diagnostics, "UploadFailed", Some(Condition::Wrong));
        check(Job::Diagnostics, "UploadFailure", None);
        check(Job::Log, "UploadFailure", Some(Condition::Wrong));
        check(Job::Log, "Uploaded", Some(Condition::Right));
        check(Job::Log, "Idle", None);
    }

    #[test]
    fn critical_security_events_and_those_of_our_own_are_alerts() {
        assert!(CRITICAL.is_sorted());
        for (kind, seen_by, expected) in [
            ("TamperDetectionActivated", SeenBy::Station, true),
            ("InvalidTLSVersion", SeenBy::Station, false),
            ("tamperdetectionactivated", SeenBy::Station, false),
            ("clone_suspected", SeenBy::System, true),
        ] {
            assert_eq!(is_of_security(kind, seen_by), expected, "{kind}");
        }
    }
}
