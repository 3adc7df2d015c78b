//! A charge point that got no answer asks again: the facts occur once, the receipts are all kept.

use serde_json::{Value, json};

use crate::harness::{ChargePoint, TestCsms};
use crate::messages::{
    TAG, after, an_hour_ago, boot, csms_with_station, finished_sessions, invoice_of, meter,
    only_session, start, status, stop, time, transaction_of,
};

const SESSIONS_STOPPED_REPEATEDLY: i64 = 20;

/// What lies between a message and its repetition.
#[derive(Clone, Copy)]
enum Between {
    Nothing,
    Reconnect,
    Restart,
    Kill,
}

impl Between {
    fn happens(self, csms: &mut TestCsms, station: &mut ChargePoint) {
        match self {
            Self::Nothing => return,
            Self::Reconnect => station.drop_connection(),
            Self::Restart => {
                assert!(csms.terminate().success());
                csms.restart();
            }
            Self::Kill => {
                csms.kill9();
                csms.restart();
            }
        }
        station.connect(csms);
    }
}

/// Charges 10 kWh and sends every message of the session twice.
fn every_message_twice(between: Between, same_ids: bool) {
    let mut csms = csms_with_station("CP-1");
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    let begun = an_hour_ago();

    let mut twice = |csms: &mut TestCsms, action: &str, payload: Value, id: &str| {
        let first = station.call_with_id(id, action, payload.clone());
        between.happens(csms, &mut station);
        let again = if same_ids { id.to_owned() } else { format!("{id}-again") };
        let second = station.call_with_id(&again, action, payload);
        (first, second)
    };
    let payload = start(1, TAG, 1_000, &time(begun));
    let (first, second) = twice(&mut csms, "StartTransaction", payload, "start");
    let transaction = transaction_of(&first);
    assert_eq!(transaction_of(&second), transaction, "a retry must meet its own session");
    let payload = meter(1, transaction, 6_000, &after(begun, 20));
    twice(&mut csms, "MeterValues", payload, "meter");
    let payload = stop(transaction, TAG, 11_000, &after(begun, 40));
    twice(&mut csms, "StopTransaction", payload, "stop");
    twice(&mut csms, "StatusNotification", status(1, "Available"), "status");

    let session = only_session(&csms, "CP-1");
    invoice_of(&csms, &session, 10_000);
    for action in ["StartTransaction", "MeterValues", "StopTransaction"] {
        let receipts: Vec<Value> = csms
            .exchanges()
            .into_iter()
            .filter(|exchange| exchange["data"]["action"] == action)
            .collect();
        assert_eq!(receipts.len(), 2, "{action}: every receipt is kept: {receipts:#?}");
        assert!(receipts[0]["data"]["duplicate_of"].is_null(), "{receipts:#?}");
        let first = &receipts[0]["id"];
        assert_eq!(&receipts[1]["data"]["duplicate_of"], first, "{receipts:#?}");
    }
}

#[test]
fn at_once_with_the_same_id() {
    every_message_twice(Between::Nothing, true);
}

#[test]
fn at_once_with_a_new_id() {
    every_message_twice(Between::Nothing, false);
}

#[test]
fn after_a_reconnect_with_the_same_id() {
    every_message_twice(Between::Reconnect, true);
}

#[test]
fn after_a_reconnect_with_a_new_id() {
    every_message_twice(Between::Reconnect, false);
}

#[test]
fn after_a_restart_with_the_same_id() {
    every_message_twice(Between::Restart, true);
}

#[test]
fn after_a_restart_with_a_new_id() {
    every_message_twice(Between::Restart, false);
}

#[test]
fn after_a_kill_with_the_same_id() {
    every_message_twice(Between::Kill, true);
}

#[test]
fn after_a_kill_with_a_new_id() {
    every_message_twice(Between::Kill, false);
}

/// What belongs to no session of the station: a security event, a reading, the stop of another
/// station's transaction. Each comes again with a new message id.
fn of_no_session_twice(between: Between) {
    let mut csms = csms_with_station("CP-1");
    csms.add_station("CP-2");
    let mut owner = ChargePoint::connected(&csms, "CP-2");
    let begun = an_hour_ago();
    let answer = owner.call("StartTransaction", start(1, TAG, 1_000, &time(begun)));
    let foreign = transaction_of(&answer);
    drop(owner);
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    let reading = json!({
        "connectorId": 1,
        "meterValue": [{ "timestamp": time(begun), "sampledValue": [{ "value": "5000" }] }],
    });
    let tampered = json!({
        "type": "TamperDetectionActivated", "timestamp": time(begun), "techInfo": "door",
    });
    let messages = [
        ("SecurityEventNotification", tampered),
        ("MeterValues", reading),
        ("StopTransaction", stop(foreign, TAG, 6_000, &after(begun, 20))),
    ];
    for (action, payload) in &messages {
        station.call(action, payload.clone());
    }
    between.happens(&mut csms, &mut station);
    for (action, payload) in &messages {
        station.call(action, payload.clone());
    }
    for (action, _) in &messages {
        let mut receipts = csms.exchanges();
        receipts.retain(|exchange| exchange["data"]["action"] == *action);
        assert_eq!(receipts.len(), 2, "{action}: every receipt is kept: {receipts:#?}");
        assert!(receipts[0]["data"]["duplicate_of"].is_null(), "{receipts:#?}");
        assert_eq!(receipts[1]["data"]["duplicate_of"], receipts[0]["id"], "{receipts:#?}");
    }
}

#[test]
fn what_is_of_no_session_after_a_reconnect() {
    of_no_session_twice(Between::Reconnect);
}

#[test]
fn what_is_of_no_session_after_a_restart() {
    of_no_session_twice(Between::Restart);
}

#[test]
fn a_message_id_used_again_for_something_else_is_no_duplicate() {
    let csms = csms_with_station("CP-1");
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call_with_id("1", "BootNotification", boot());
    station.drop_connection();
    station.connect(&csms);
    // 1.6 asks for ids that are unique per connection only: this is another message.
    station.call_with_id("1", "StatusNotification", status(1, "Available"));
    let exchanges = csms.exchanges();
    assert_eq!(exchanges.len(), 2, "{exchanges:#?}");
    assert!(exchanges[1]["data"]["duplicate_of"].is_null(), "{exchanges:#?}");
}

#[test]
fn repeats_that_outrun_the_settlement_do_not_prevent_it() {
    let csms = csms_with_station("CP-1");
    let mut station = ChargePoint::connected(&csms, "CP-1");
    let mut begun = an_hour_ago() - chrono::Duration::hours(10);
    for session in 0..SESSIONS_STOPPED_REPEATEDLY {
        let register_wh = 1_000 * session;
        let answer = station.call("StartTransaction", start(1, TAG, register_wh, &time(begun)));
        let transaction = transaction_of(&answer);
        // Each lands in the session's stream while the policy is about to settle it; and then
        // the station says nothing more about it.
        for _ in 0..5 {
            let payload = stop(transaction, TAG, register_wh + 1_000, &after(begun, 20));
            station.call("StopTransaction", payload);
        }
        begun += chrono::Duration::minutes(25);
    }
    let count = usize::try_from(SESSIONS_STOPPED_REPEATEDLY).expect("a small number");
    for session in finished_sessions(&csms, "CP-1", count) {
        invoice_of(&csms, &session, 1_000);
    }
}
