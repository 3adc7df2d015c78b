//! Bad input on the OCPP side: each gets the answer the standard expects, and nothing is lost.

use serde_json::{Value, json};

use crate::harness::{ChargePoint, Schemas, TestCsms};
use crate::messages::csms_with_station;
use crate::ocpp_2x_input::judged_by_the_schemas;

/// Larger than any frame a charger has reason to send.
const OVERSIZED_BYTES: usize = 4 * 1024 * 1024;

fn raw_station(csms: &TestCsms) -> ChargePoint {
    let mut station = ChargePoint::new("CP-1");
    station.connect_raw(csms);
    station
}

/// Sends one frame and expects this CALLERROR, then that the connection still works and that the
/// receipt is in the log.
#[track_caller]
fn refused(frame: &str, code: &str) {
    let csms = csms_with_station("CP-1");
    let mut station = raw_station(&csms);
    let answer = station.exchange(frame);
    assert_eq!(answer[0], 4, "{frame} was answered with {answer}");
    assert_eq!(answer[2], code, "{frame} was answered with {answer}");
    still_works(&csms, &mut station);
    let kept = csms.exchanges().iter().any(|exchange| exchange["data"]["request"] == frame);
    assert!(kept, "{frame} is not in the log: {:#?}", csms.exchanges());
}

/// Sends one frame that deserves no answer; the connection still works and the receipt is kept.
#[track_caller]
fn ignored(frame: &str) {
    let csms = csms_with_station("CP-1");
    let mut station = raw_station(&csms);
    station.send_text(frame);
    still_works(&csms, &mut station);
    let kept = csms.events().iter().any(|event| {
        let text = event["data"].to_string();
        text.contains(&json!(frame).to_string())
    });
    assert!(kept, "{frame} is not in the log: {:#?}", csms.events());
}

#[track_caller]
fn still_works(_csms: &TestCsms, station: &mut ChargePoint) {
    let answer = station.exchange(r#"[2,"alive","Heartbeat",{}]"#);
    assert_eq!((&answer[0], &answer[1]), (&json!(3), &json!("alive")), "{answer}");
}

#[test]
fn requests_of_1_6_are_judged_by_the_official_schemas() {
    // There are few enough to try them all.
    judged_by_the_schemas("ocpp1.6", Schemas::of("v16"), 1);
}

#[test]
fn unknown_action() {
    refused(r#"[2,"1","MakeCoffee",{}]"#, "NotImplemented");
}

#[test]
fn action_in_the_wrong_case() {
    refused(r#"[2,"1","heartbeat",{}]"#, "NotImplemented");
}

#[test]
fn action_that_only_a_csms_sends() {
    refused(r#"[2,"1","UnlockConnector",{"connectorId":1}]"#, "NotSupported");
}

#[test]
fn wrong_type() {
    refused(
        r#"[2,"1","StatusNotification",{"connectorId":true,"errorCode":"NoError","status":"Available"}]"#,
        "TypeConstraintViolation",
    );
}

#[test]
fn missing_member() {
    refused(
        r#"[2,"1","StatusNotification",{"connectorId":1,"errorCode":"NoError"}]"#,
        "OccurenceConstraintViolation",
    );
}

#[test]
fn value_that_is_not_in_the_enumeration() {
    refused(
        r#"[2,"1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Sleeping"}]"#,
        "PropertyConstraintViolation",
    );
}

#[test]
fn payload_that_is_no_object() {
    refused(r#"[2,"1","Heartbeat",[]]"#, "FormationViolation");
}

#[test]
fn null_for_an_absent_member() {
    refused(
        r#"[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M","iccid":null}]"#,
        "TypeConstraintViolation",
    );
}

#[test]
fn message_id_of_more_than_36_characters_is_answered_under_it() {
    let csms = csms_with_station("CP-1");
    let mut station = raw_station(&csms);
    let id = "a".repeat(40);
    let answer = station.exchange(&format!(r#"[2,"{id}","Heartbeat",{{}}]"#));
    assert_eq!(answer[1], id, "{answer}");
    still_works(&csms, &mut station);
}

#[test]
fn malformed_json() {
    let csms = csms_with_station("CP-1");
    let mut station = raw_station(&csms);
    station.send_text(r#"[2,"1","Heartbeat",{"#);
    still_works_after_any_error(&mut station);
    let log = csms.events();
    assert!(
        log.iter().any(|event| event["data"]["request"] == r#"[2,"1","Heartbeat",{"#),
        "{log:#?}"
    );
}

#[test]
fn unsolicited_result() {
    ignored(r#"[3,"nobody-asked",{}]"#);
}

#[test]
fn unsolicited_error() {
    ignored(r#"[4,"nobody-asked","GenericError","",{}]"#);
}

#[test]
fn unknown_message_type() {
    ignored(r#"[9,"1","Heartbeat",{}]"#);
}

#[test]
fn binary_frame_costs_no_other_message() {
    let csms = csms_with_station("CP-1");
    let mut station = raw_station(&csms);
    station.send_binary(r#"[2,"1","Heartbeat",{}]"#);
    survives(&csms, &mut station);
}

#[test]
fn oversized_frame_is_recorded_by_size_and_ends_at_most_its_connection() {
    let csms = csms_with_station("CP-1");
    let mut station = raw_station(&csms);
    let vendor = "V".repeat(OVERSIZED_BYTES);
    station.send_text(&format!(
        r#"[2,"1","BootNotification",{{"chargePointVendor":"{vendor}","chargePointModel":"M"}}]"#
    ));
    survives(&csms, &mut station);
}

/// The station is served, if need be on a new connection, and the frame has left a trace.
#[track_caller]
fn survives(csms: &TestCsms, station: &mut ChargePoint) {
    let answer = station.receive();
    if answer.get("closed").is_some() {
        station.connect_raw(csms);
    }
    still_works(csms, station);
    let events = csms.events();
    let recorded = |event: &Value| event["data"]["undelivered"]["size_bytes"].is_number();
    assert!(events.iter().any(recorded), "{events:#?}");
}

/// An answer to what could not be read is allowed; then the connection must work.
#[track_caller]
fn still_works_after_any_error(station: &mut ChargePoint) {
    station.send_text(r#"[2,"alive","Heartbeat",{}]"#);
    let mut answer = station.receive();
    if answer[0] == 4 {
        answer = station.receive();
    }
    assert_eq!((&answer[0], &answer[1]), (&json!(3), &json!("alive")), "{answer}");
}

#[test]
fn no_common_sub_protocol_is_101_without_one_and_then_the_end() {
    let csms = csms_with_station("CP-1");
    for offered in [json!(["ocpp9.9"]), json!([])] {
        let mut station = ChargePoint::new("CP-1");
        let reply = station.try_connect(&csms, json!({ "subprotocols": offered, "raw": true }));
        assert!(reply["status"].is_null(), "the handshake is finished: {reply}");
        assert!(reply["subprotocol"].is_null(), "{reply}");
        assert!(station.wait_closed()["closed"].is_number());
    }
}

#[test]
fn unknown_station_is_404() {
    let csms = csms_with_station("CP-1");
    let reply = ChargePoint::new("CP-2").try_connect(&csms, json!({}));
    assert_eq!(reply["status"], 404, "{reply}");
}

#[test]
fn wrong_credentials_are_401() {
    let csms = csms_with_station("CP-1");
    csms.add_station("CP-2");
    let changes = [
        json!({ "password": "not it" }),
        json!({ "password": "" }),
        json!({ "password": null }),
        json!({ "user": "CP-2" }),
        json!({ "user": "CP-2", "password": "password of CP-2" }),
    ];
    for change in changes {
        let reply = ChargePoint::new("CP-1").try_connect(&csms, change.clone());
        assert_eq!(reply["status"], 401, "{change}: {reply}");
    }
}

#[test]
fn station_id_is_percent_decoded() {
    let csms = csms_with_station("Straße 1");
    let mut station = ChargePoint::connected(&csms, "Straße 1");
    station.call("Heartbeat", json!({}));
}

#[test]
fn password_may_be_given_as_the_bytes_of_its_hex_digits() {
    let csms = TestCsms::start();
    // 20 bytes, all of them printable, so that the client can send them as they are.
    let digits = "4142434445464748494a4b4c4d4e4f5051525354";
    csms.post("/v1/stations", &json!({ "id": "CP-1", "password": digits })).expect(201);
    for password in [digits, "ABCDEFGHIJKLMNOPQRST"] {
        let mut station = ChargePoint::new("CP-1");
        let reply = station.try_connect(&csms, json!({ "password": password }));
        assert_eq!(reply["subprotocol"], "ocpp1.6", "{password}: {reply}");
    }
}

#[test]
fn a_second_socket_is_live_at_once_and_the_first_one_ends() {
    let csms = csms_with_station("CP-1");
    let mut old = raw_station(&csms);
    still_works(&csms, &mut old);
    let mut new = raw_station(&csms);
    still_works(&csms, &mut new);
    old.wait_closed();
    still_works(&csms, &mut new);
}
