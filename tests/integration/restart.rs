//! The server ends in mid-session, in order or not: the charge point goes on, the bill is right.

use crate::harness::{ChargePoint, TestCsms};
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
