//! A charge point that takes nothing amiss of its own making and nothing of ours: npm's `ocpp-rpc`
//! in strict mode holds every message of either side against its schemas.

use serde_json::{Value, json};

use crate::every_request::{V16, V21, V201, Version, boot, send_every_request, send_every_verb};
use crate::harness::{ChargePoint, Direction, Schemas, TestCsms};
use crate::messages::{
    TAG, after, an_hour_ago, begin, csms_with_station, end, invoice_of, meter, only_session, status,
};
use crate::ocpp_2x_session::charge_ten_kwh;

fn strict_station(csms: &TestCsms, version: &Version) -> ChargePoint {
    let mut station = ChargePoint::strict("CP-1");
    boot(csms, &mut station, version);
    station
}

#[track_caller]
fn nothing_amiss(station: &mut ChargePoint) {
    assert_eq!(station.violations(), Vec::<Value>::new());
}

/// What the test stands on: that the strict charge point does complain, in every version.
#[test]
fn a_strict_station_complains() {
    for version in [V16, V201, V21] {
        let csms = csms_with_station("CP-1");
        let mut station = strict_station(&csms, &version);
        let invalid = station.try_call("Authorize", json!({ "idTag": "x".repeat(21) }), None);
        assert!(invalid.is_err(), "{invalid:?}");
        let violations = station.violations();
        assert_eq!(violations.len(), 1, "{violations:#?}");
        let complaint = violations[0].as_str().expect("a text");
        assert!(complaint.starts_with("Authorize of the station: "), "{complaint}");
        assert!(!complaint.contains("missing from subprotocol schema"), "{complaint}");
    }
}

#[test]
fn a_strict_station_of_1_6_charges() {
    let csms = csms_with_station("CP-1");
    let mut station = strict_station(&csms, &V16);
    let known = station.call("Authorize", json!({ "idTag": TAG }));
    assert_eq!(known["idTagInfo"]["status"], "Accepted");
    let unknown = station.call("Authorize", json!({ "idTag": "NOBODY" }));
    assert_eq!(unknown["idTagInfo"]["status"], "Invalid");
    station.call("StatusNotification", status(1, "Preparing"));
    let begun = an_hour_ago();
    let transaction = begin(&mut station, 1_000, begun);
    station.call("StatusNotification", status(1, "Charging"));
    station.call("MeterValues", meter(1, transaction, 6_000, &after(begun, 20)));
    end(&mut station, transaction, 11_000, &after(begun, 40));
    invoice_of(&csms, &only_session(&csms, "CP-1"), 10_000);
    nothing_amiss(&mut station);
}

#[test]
fn a_strict_station_of_2_0_1_charges() {
    charges(&V201);
}

#[test]
fn a_strict_station_of_2_1_charges() {
    charges(&V21);
}

fn charges(version: &Version) {
    let csms = csms_with_station("CP-1");
    let mut station = strict_station(&csms, version);
    charge_ten_kwh(&mut station);
    invoice_of(&csms, &only_session(&csms, "CP-1"), 10_000);
    nothing_amiss(&mut station);
}

#[test]
fn a_strict_station_of_1_6_takes_every_request() {
    takes_every_request(&V16);
}

#[test]
fn a_strict_station_of_2_0_1_takes_every_request() {
    takes_every_request(&V201);
}

#[test]
fn a_strict_station_of_2_1_takes_every_request() {
    takes_every_request(&V21);
}

fn takes_every_request(version: &Version) {
    let csms = csms_with_station("CP-1");
    let mut station = strict_station(&csms, version);
    send_every_verb(&csms, &mut station, version);
    send_every_request(&csms, &mut station, version);
    nothing_amiss(&mut station);
}

#[test]
fn a_strict_station_of_1_6_is_answered_whatever_it_sends() {
    is_answered_whatever_it_sends(&V16);
}

#[test]
fn a_strict_station_of_2_0_1_is_answered_whatever_it_sends() {
    is_answered_whatever_it_sends(&V201);
}

#[test]
fn a_strict_station_of_2_1_is_answered_whatever_it_sends() {
    is_answered_whatever_it_sends(&V21);
}

/// Every action of a station, with every member and with the required ones only.
fn is_answered_whatever_it_sends(version: &Version) {
    let csms = csms_with_station("CP-1");
    let mut station = strict_station(&csms, version);
    for sample in Schemas::of(version.schemas).samples(Direction::Up) {
        let action = sample["action"].as_str().expect("an action");
        let answer = station.call(action, sample["request"].clone());
        assert!(answer.is_object(), "{action}: {answer}");
    }
    nothing_amiss(&mut station);
}
