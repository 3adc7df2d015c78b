//! Block L: firmware, for a station and through a local controller.

use serde_json::{Value, json};

use super::{Bench, in_both, status_is};
use crate::messages::{invoice_of, only_session};

/// The steps of an update up to the restart.
const UNTIL_RESTART: [&str; 5] =
    ["Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting"];

/// Asks for a signed update by our verb; returns the number of the job.
#[track_caller]
fn update(bench: &mut Bench, further: Value, answer: &str) -> Value {
    let mut body = json!({ "verb": "update_firmware", "location": "https://host/firmware",
        "signing_certificate": "PEM", "signature": "c2ln" });
    super::merge(&mut body, further);
    let sent = bench.commands(body, "UpdateFirmware", status_is(answer));
    let signed = (&sent["firmware"]["signingCertificate"], &sent["firmware"]["signature"]);
    assert_eq!(signed, (&json!("PEM"), &json!("c2ln")));
    sent
}

#[track_caller]
fn told(bench: &mut Bench, job: &Value, steps: &[&str]) {
    for step in steps {
        let told = json!({ "status": step, "requestId": job["requestId"] });
        bench.notes("FirmwareStatusNotification", told);
    }
}

/// The latest command of this kind, with its notifications.
#[track_caller]
fn latest(bench: &Bench) -> Value {
    let position = bench.csms.events().last().expect("an event")["position"].clone();
    let commands = bench.csms.list(&format!("/v1/commands?station=CP-1&wait_for={position}"));
    bench.command(&commands[0])
}

/// The statuses that stand at a command.
fn statuses(command: &Value) -> Vec<&str> {
    let notifications = command["notifications"].as_array().expect("notifications");
    notifications.iter().filter_map(|notification| notification["status"].as_str()).collect()
}

/// TC_L_01 (installed), TC_L_02 (installed later), TC_L_03 (downloaded later), TC_L_09 (the new
/// firmware fails after the restart).
#[test]
fn a_firmware_update_is_told_to_its_end() {
    in_both(|bench| {
        let later = "2036-01-01T00:00:00.000Z";
        let install = json!({ "install_at": later });
        let retrieve = json!({ "retrieve_at": later });
        for (further, when, first, last) in [
            (json!({}), None, &[][..], "Installed"),
            (install, Some("installDateTime"), &["InstallScheduled"], "Installed"),
            (retrieve, Some("retrieveDateTime"), &["DownloadScheduled"], "Installed"),
            (json!({}), None, &[], "InstallationFailed"),
        ] {
            let job = update(bench, further, "Accepted");
            if let Some(when) = when {
                assert_eq!(job["firmware"][when], later);
            }
            told(bench, &job, first);
            told(bench, &job, &UNTIL_RESTART);
            bench.restarts("FirmwareUpdate");
            told(bench, &job, &[last]);
            let command = latest(bench);
            assert_eq!(command["complete"], true, "{command:#}");
            assert_eq!(statuses(&command), [first, &UNTIL_RESTART, &[last]].concat());
        }
    });
}

/// TC_L_04 (a revoked certificate), TC_L_05 (an invalid one).
#[test]
fn an_update_with_a_wrong_certificate_is_refused() {
    in_both(|bench| {
        for answer in ["RevokedCertificate", "InvalidCertificate"] {
            update(bench, json!({}), answer);
            assert_eq!(latest(bench)["status"], answer);
        }
        security_event(bench, "InvalidFirmwareSigningCertificate");
    });
}

#[track_caller]
fn security_event(bench: &mut Bench, kind: &str) {
    let event = json!({ "type": kind, "timestamp": "2026-11-20T10:00:00Z" });
    bench.notes("SecurityEventNotification", event);
    let position = bench.csms.events().last().expect("an event")["position"].clone();
    let path = format!("/v1/security-events?station=CP-1&wait_for={position}");
    let events = bench.csms.list(&path);
    assert!(events.iter().any(|event| event["kind"] == kind), "{events:#?}");
}

/// TC_L_06 (a wrong signature), TC_L_07 (the download fails), TC_L_08 (the new firmware is not
/// what was to come).
#[test]
fn a_firmware_update_that_fails_is_over() {
    in_both(|bench| {
        for steps in [
            &["Downloading", "Downloaded", "InvalidSignature"][..],
            &["Downloading", "DownloadFailed"],
            &[
                "Downloading",
                "Downloaded",
                "SignatureVerified",
                "Installing",
                "InstallVerificationFailed",
            ],
        ] {
            let job = update(bench, json!({}), "Accepted");
            told(bench, &job, steps);
            let command = latest(bench);
            assert_eq!(command["complete"], true, "{command:#}");
            assert_eq!(statuses(&command), steps);
        }
        security_event(bench, "InvalidFirmwareSignature");
    });
}

/// TC_L_10 (the second takes the place of the first), TC_L_11 (the first cannot be stopped).
#[test]
fn a_second_update_may_take_the_place_of_the_first() {
    in_both(|bench| {
        for (answer, second_runs) in [("AcceptedCanceled", true), ("Rejected", false)] {
            let first = update(bench, json!({}), "Accepted");
            let first_command = latest(bench);
            told(bench, &first, &["Downloading"]);
            let second = update(bench, json!({}), answer);
            let second_command = latest(bench);
            assert_ne!(first["requestId"], second["requestId"]);
            assert_eq!(second_command["status"], answer);
            let job = if second_runs { second } else { first };
            told(bench, &job, &UNTIL_RESTART);
            bench.restarts("FirmwareUpdate");
            told(bench, &job, &["Installed"]);
            let all = [&UNTIL_RESTART[..], &["Installed"]].concat();
            let [first, second] =
                [first_command, second_command].map(|command| bench.command(&command));
            // What the station goes on to tell stands at the one that runs, and nowhere else.
            let (of_first, of_second) = match second_runs {
                true => (vec!["Downloading"], all),
                false => ([&["Downloading"], &all[..]].concat(), Vec::new()),
            };
            assert_eq!((statuses(&first), statuses(&second)), (of_first, of_second));
            let running = if second_runs { &second } else { &first };
            assert_eq!(running["complete"], true, "{running:#}");
        }
    });
}

/// TC_L_13: the update waits for the session that runs.
#[test]
fn a_firmware_update_waits_for_the_session() {
    in_both(|bench| {
        let mut transaction = bench.charges("T-1");
        let job = update(bench, json!({}), "Accepted");
        told(bench, &job, &["DownloadScheduled"]);
        bench.connector_is("Unavailable");
        bench.ends(&mut transaction);
        told(bench, &job, &UNTIL_RESTART);
        bench.restarts("FirmwareUpdate");
        told(bench, &job, &["Installed"]);
        invoice_of(&bench.csms, &only_session(&bench.csms, "CP-1"), 10_000);
    });
}

/// TC_L_17 (published), TC_L_19 (a wrong checksum), TC_L_20 (it fails), TC_L_24 (the download
/// fails).
#[test]
fn firmware_is_published_at_a_local_controller() {
    in_both(|bench| {
        let outcomes = [
            &["Downloading", "Downloaded", "ChecksumVerified", "Published"][..],
            &["Downloading", "Downloaded", "InvalidChecksum"],
            &["Downloading", "Downloaded", "ChecksumVerified", "PublishFailed"],
            &["Downloading", "DownloadFailed"],
        ];
        for (number, steps) in (1..).zip(outcomes) {
            let wanted = json!({ "location": "https://host/firmware", "requestId": number,
                "checksum": "0123456789abcdef0123456789abcdef" });
            let command = bench.asks("PublishFirmware", wanted, status_is("Accepted"));
            for step in steps {
                let mut told = json!({ "status": step, "requestId": number });
                if *step == "Published" {
                    told["location"] = json!(["http://controller/firmware"]);
                }
                bench.notes("PublishFirmwareStatusNotification", told);
            }
            let command = bench.command(&command);
            assert_eq!(command["complete"], true, "{command:#}");
            assert_eq!(statuses(&command), steps);
        }
    });
}

/// TC_L_21 (no longer published), TC_L_22 (it was not), TC_L_23 (it is being downloaded).
#[test]
fn firmware_is_no_longer_published() {
    in_both(|bench| {
        for answer in ["Unpublished", "NoFirmware", "DownloadOngoing"] {
            let wanted = json!({ "checksum": "0123456789abcdef0123456789abcdef" });
            bench.asks("UnpublishFirmware", wanted, status_is(answer));
        }
    });
}
