//! The server ends in mid-session, in order or not: the charge point goes on, the bill is right.

use crate::harness::{ChargePoint, TestCsms, eventually};
use crate::messages::{
    after, an_hour_ago, begin, boot, csms_with_station, end, invoice_of, meter, only_session,
};

fn session_across(interruption: impl FnOnce(&mut TestCsms)) {
    let mut csms = csms_with_station("CP-1");
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    let begun = an_hour_ago();
    let transaction = begin(&mut station, 1_000, begun);
    station.call("MeterValues", meter(1, transaction, 3_500, &after(begun, 10)));
    let events_before = csms.events();

    interruption(&mut csms);
    csms.restart();
    let events_after = csms.events();
    assert!(events_after.len() >= events_before.len());
    assert_eq!(events_after[..events_before.len()], events_before[..], "the log has changed");

    // As most chargers do, without a BootNotification.
    station.connect(&csms);
    station.call("MeterValues", meter(1, transaction, 8_500, &after(begun, 30)));
    end(&mut station, transaction, 11_000, &after(begun, 40));
    let session = only_session(&csms, "CP-1");
    invoice_of(&csms, &session, 10_000);
}

#[test]
fn a_session_lives_through_an_orderly_restart() {
    session_across(|csms| assert!(csms.terminate().success()));
}

#[test]
fn a_session_lives_through_a_kill() {
    session_across(TestCsms::kill9);
}

#[test]
fn everything_that_was_there_is_there_after_many_kills() {
    let mut csms = csms_with_station("CP-1");
    for _ in 0..5 {
        csms.kill9();
        csms.restart();
    }
    let stations = csms.list("/v1/stations");
    assert_eq!(stations.len(), 1, "{stations:#?}");
    let mut station = ChargePoint::connected(&csms, "CP-1");
    let begun = an_hour_ago();
    let transaction = begin(&mut station, 0, begun);
    end(&mut station, transaction, 5_000, &after(begun, 20));
    invoice_of(&csms, &only_session(&csms, "CP-1"), 5_000);
}

#[test]
fn an_idle_server_ends_in_order() {
    let mut csms = TestCsms::start();
    assert!(csms.terminate().success());
}

#[test]
fn after_a_kill_a_station_that_does_not_come_back_is_not_connected() {
    let mut csms = csms_with_station("CP-1");
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    let shown = |csms: &TestCsms| csms.list("/v1/stations").pop();
    eventually("it is there", || shown(&csms).filter(|it| it["connected"] == true));
    csms.kill9();
    csms.restart();
    let gone = eventually("the lost connection is noticed", || {
        shown(&csms).filter(|station| station["connected"] == false)
    });
    assert_eq!(gone["disconnect_reason"], "server_ended", "{gone:#}");
    station.connect(&csms);
    eventually("it is back", || shown(&csms).filter(|it| it["connected"] == true));
}

#[test]
fn lost_keys_need_an_operators_word() {
    let mut csms = csms_with_station("CP-1");
    assert!(csms.terminate().success());
    let keys = csms.data().join("keys.db");
    std::fs::rename(&keys, csms.data().join("kept.db")).expect("renamed");
    let data = csms.data();
    let data = data.to_str().expect("a UTF-8 path");
    let refused = csms.run(&["serve", "--data", data, "--ocpp", "127.0.0.1:0"]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("keys.db") && said.contains("--accept-lost-keys"), "{said}");
    assert!(!keys.exists(), "no new keys were made");
    std::fs::rename(csms.data().join("kept.db"), &keys).expect("renamed");
    csms.restart();
    assert_eq!(csms.list("/v1/stations").len(), 1);
}
