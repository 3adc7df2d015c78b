//! Everything a 2.0.1 or 2.1 station may say, and everything that can be wrong with it: each gets
//! the answer the standard names, and nothing is lost.

use serde_json::{Value, json};

use crate::harness::{ChargePoint, Schemas, TestCsms, is_long_run};
use crate::messages::{TAG, booted_2x, csms_with_station};

/// Of the things that can be wrong with a payload every how many are tried.
const EVERY: usize = 29;
const EVERY_LONG: usize = 1;

const BOTH: &[&str] = &["ocpp2.0.1", "ocpp2.1"];

fn every() -> usize {
    if is_long_run() { EVERY_LONG } else { EVERY }
}

fn raw_station(csms: &TestCsms, version: &str) -> ChargePoint {
    let mut station = ChargePoint::new("CP-1");
    station.connect_raw_as(csms, version);
    station
}

/// Sends every kind of request by the official schemas, right and wrong, and has the answers
/// judged by them.
pub(crate) fn judged_by_the_schemas(version: &str, mut schemas: Schemas, every: usize) {
    let csms = csms_with_station("CP-1");
    // It never boots: on a slow machine it would be asked to, among its answers.
    csms.patch("/v1/stations/CP-1", &json!({ "quiet": true })).expect(200);
    let mut station = raw_station(&csms, version);
    let cases = schemas.cases(every);
    for (index, case) in cases.iter().enumerate() {
        let (action, change) = (case["action"].as_str().expect("text"), &case["change"]);
        let id = format!("case-{index}");
        let answer = station.exchange(&json!([2, id, action, case["payload"]]).to_string());
        assert_eq!(answer[1], id, "{action} {change}: {answer}");
        match case["code"].as_str() {
            Some(code) => {
                assert_eq!(
                    (&answer[0], &answer[2]),
                    (&json!(4), &json!(code)),
                    "{action} {change}"
                );
            }
            None => {
                assert_eq!(answer[0], 3, "{action} {change}: {answer}");
                let complaint = schemas.complaint(action, &answer[2]);
                assert_eq!(complaint, None, "{action}: {answer}");
            }
        }
    }
    assert!(cases.len() > 100, "{} cases", cases.len());
}

#[test]
fn requests_of_2_0_1_are_judged_by_the_official_schemas() {
    judged_by_the_schemas("ocpp2.0.1", Schemas::of("v201"), every());
}

#[test]
fn requests_of_2_1_are_judged_by_the_official_schemas() {
    judged_by_the_schemas("ocpp2.1", Schemas::of("v21"), every());
}

/// The package's own charge point holds every answer against its schemas.
#[test]
fn a_station_starts_up_in_either_version() {
    for version in BOTH {
        let csms = csms_with_station("CP-1");
        let mut station = booted_2x(&csms, version);
        let status = json!({
            "timestamp": "2026-11-22T12:00:00Z", "connectorStatus": "Available", "evseId": 1,
            "connectorId": 1,
        });
        assert_eq!(station.call("StatusNotification", status), json!({}));
        station.call("Heartbeat", json!({}));
        let known = station.call("Authorize", authorize(TAG));
        assert_eq!(known["idTokenInfo"]["status"], "Accepted", "{known}");
        let unknown = station.call("Authorize", authorize("NOBODY"));
        assert_eq!(unknown["idTokenInfo"]["status"], "Invalid", "{unknown}");
        let event = json!({ "type": "SettingSystemTime", "timestamp": "2026-11-22T12:00:00Z" });
        assert_eq!(station.call("SecurityEventNotification", event), json!({}));
        let transfer = station.call("DataTransfer", json!({ "vendorId": "nobody's" }));
        assert_eq!(transfer["status"], "UnknownVendorId");
    }
}

fn authorize(uid: &str) -> Value {
    json!({ "idToken": { "idToken": uid, "type": "ISO14443" } })
}

/// Sends one frame, expects this CALLERROR, then that the connection still works and that the
/// frame is in the log.
#[track_caller]
fn refused(versions: &[&str], frame: &str, id: &str, code: &str) {
    for version in versions {
        let csms = csms_with_station("CP-1");
        let mut station = raw_station(&csms, version);
        let answer = station.exchange(frame);
        let (kind, answered, refusal) = (&answer[0], &answer[1], &answer[2]);
        assert_eq!((kind, answered, refusal), (&json!(4), &json!(id), &json!(code)), "{frame}");
        still_works(&mut station);
        let kept = csms.exchanges().iter().any(|exchange| exchange["data"]["request"] == frame);
        assert!(kept, "{frame} is not in the log: {:#?}", csms.exchanges());
    }
}

/// Sends one frame that gets no answer; the connection still works.
#[track_caller]
fn unanswered(version: &str, frame: &str) -> TestCsms {
    let csms = csms_with_station("CP-1");
    let mut station = raw_station(&csms, version);
    station.send_text(frame);
    still_works(&mut station);
    csms
}

#[track_caller]
fn still_works(station: &mut ChargePoint) {
    let answer = station.exchange(r#"[2,"alive","Heartbeat",{}]"#);
    assert_eq!((&answer[0], &answer[1]), (&json!(3), &json!("alive")), "{answer}");
}

#[test]
fn what_has_no_readable_id_is_answered_under_minus_one() {
    refused(BOTH, r#"[2,"1","Heartbeat",{"#, "1", "FormatViolation");
    refused(BOTH, "hello", "-1", "RpcFrameworkError");
    refused(BOTH, r#"[2,7,"Heartbeat",{}]"#, "-1", "RpcFrameworkError");
    let long = format!(r#"[2,"{}","Heartbeat",{{}}]"#, "x".repeat(37));
    refused(BOTH, &long, "-1", "RpcFrameworkError");
}

#[test]
fn unknown_types_and_actions_are_named() {
    refused(BOTH, r#"[9,"1","Heartbeat",{}]"#, "1", "MessageTypeNotSupported");
    refused(&["ocpp2.0.1"], r#"[6,"1","Heartbeat",{}]"#, "1", "MessageTypeNotSupported");
    refused(BOTH, r#"[2,"1","StartTransaction",{}]"#, "1", "NotImplemented");
    refused(BOTH, r#"[2,"1","GetVariables",{}]"#, "1", "NotSupported");
    refused(&["ocpp2.1"], r#"[2,"1","NotifyWebPaymentStarted",{}]"#, "1", "NotSupported");
}

#[test]
fn a_send_is_kept_and_never_answered() {
    let frame = r#"[6,"s-1","NotifyPeriodicEventStream",{"id":1,"pending":0,"basetime":"2026-11-22T12:00:00Z","data":[{"t":1,"v":"230"}]}]"#;
    let csms = unanswered("ocpp2.1", frame);
    let kept =
        csms.exchanges().into_iter().find(|exchange| exchange["data"]["message_id"] == "s-1");
    let kept = kept.expect("the SEND is in the log");
    assert_eq!(kept["data"]["action"], "NotifyPeriodicEventStream");
    assert_eq!(kept["data"]["request"], frame);
    assert_eq!(kept["data"]["reply"], Value::Null);
    unanswered("ocpp2.1", r#"[6,"s-1","NotifyPeriodicEventStream",{"id":"one"}]"#);
    unanswered("ocpp2.1", r#"[5,"s-1","GenericError","",{}]"#);
    unanswered("ocpp2.0.1", r#"[3,"s-1",{}]"#);
}
