//! Read models are disposable: dropped or rebuilt, they say the same.

use serde_json::{Value, json};

use crate::harness::{ChargePoint, TestCsms, eventually};
use crate::messages::{
    after, an_hour_ago, begin, boot, csms_with_station, end, finished_sessions, meter, status,
};

/// A station with two finished sessions and one that is still open.
fn charged() -> (TestCsms, ChargePoint) {
    let csms = csms_with_station("CP-1");
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    let mut begun = an_hour_ago() - chrono::Duration::hours(3);
    for register_wh in [1_000, 4_000] {
        let transaction = begin(&mut station, register_wh, begun);
        station.call("MeterValues", meter(1, transaction, register_wh + 500, &after(begun, 10)));
        end(&mut station, transaction, register_wh + 3_000, &after(begun, 40));
        begun += chrono::Duration::hours(1);
    }
    finished_sessions(&csms, "CP-1", 2);
    let transaction = begin(&mut station, 7_000, begun);
    station.call("StatusNotification", status(1, "Charging"));
    station.call("MeterValues", meter(1, transaction, 7_500, &after(begun, 5)));
    (csms, station)
}

/// Everything the lists say, once they have seen the whole log.
fn everything(csms: &TestCsms) -> Value {
    let head = csms.events().last().expect("events")["position"].to_string();
    let list = |path: &str| csms.list(&format!("{path}?wait_for={head}"));
    json!({
        "stations": list("/v1/stations"),
        "sessions": list("/v1/sessions"),
        "invoices": list("/v1/invoices"),
        "tokens": list("/v1/tokens"),
    })
}

#[test]
fn rebuilt_beside_the_running_server_they_say_the_same() {
    let (csms, mut station) = charged();
    let before = everything(&csms);
    let data = csms.data();
    let data = data.to_str().expect("a UTF-8 path");
    let rebuilt = csms.run(&["projections", "rebuild", "--data", data]);
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    assert_eq!(everything(&csms), before);

    // And they go on: what comes after the switch is seen.
    station.call("StatusNotification", status(1, "SuspendedEV"));
    eventually("the new status", || {
        let stations = csms.list("/v1/stations");
        stations[0].to_string().contains("SuspendedEV").then_some(())
    });
}

#[test]
fn deleted_and_built_from_the_log_they_say_the_same() {
    let (mut csms, mut station) = charged();
    station.disconnect();
    assert!(csms.terminate().success());
    csms.restart();
    let before = everything(&csms);
    assert!(csms.terminate().success());
    std::fs::remove_dir_all(csms.data().join("read")).expect("the read models are gone");
    csms.restart();
    assert_eq!(everything(&csms), before);
}
