//! Intents of an operator to a station, answered by a station of another maker.

use serde_json::{Value, json};

use crate::harness::{Answer, ChargePoint, TestCsms};
use crate::messages::{
    TAG, after, an_hour_ago, boot, csms_with_station, end, invoice_of, only_session, start, time,
    transaction_of,
};

/// Sends an intent and waits for the station's answer in the same call.
fn command(csms: &TestCsms, body: &Value) -> Answer {
    let path = "/v1/stations/CP-1/commands";
    csms.send("POST", path, &[("Prefer", "wait=10")], &body.to_string())
}

fn booted(csms: &TestCsms) -> ChargePoint {
    let mut station = ChargePoint::connected(csms, "CP-1");
    station.call("BootNotification", boot());
    station
}

#[test]
fn an_intent_comes_back_with_the_stations_answer() {
    let cases = [
        (
            json!({ "action": "UnlockConnector", "payload": { "connectorId": 1 } }),
            json!({ "status": "Unlocked" }),
        ),
        (
            json!({ "action": "ChangeAvailability",
                    "payload": { "connectorId": 1, "type": "Inoperative" } }),
            json!({ "status": "Accepted" }),
        ),
        (
            json!({ "action": "ChangeConfiguration",
                    "payload": { "key": "HeartbeatInterval", "value": "300" } }),
            json!({ "status": "Accepted" }),
        ),
        (
            json!({ "action": "GetConfiguration", "payload": { "key": ["HeartbeatInterval"] } }),
            json!({ "configurationKey": [
                { "key": "HeartbeatInterval", "readonly": false, "value": "300" } ] }),
        ),
        (
            json!({ "action": "TriggerMessage", "payload": { "requestedMessage": "Heartbeat" } }),
            json!({ "status": "Accepted" }),
        ),
        (
            json!({ "action": "Reset", "payload": { "type": "Soft" } }),
            json!({ "status": "Rejected" }),
        ),
    ];
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    for (body, answer) in cases {
        let action = body["action"].as_str().expect("an action").to_owned();
        station.will_answer(&action, answer.clone());
        let reply = command(&csms, &body);
        assert!(matches!(reply.status, 200 | 202), "{reply:?}");
        assert!(reply.text.contains(answer["status"].as_str().unwrap_or("300")), "{reply:?}");
        let received = station.received_calls();
        let last = received.last().expect("a CALL");
        assert_eq!(last["action"], action);
        assert_eq!(last["payload"], body["payload"], "{action}");
    }
}

#[test]
fn a_remote_start_and_stop_is_billed_like_any_other() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    station.will_answer("RemoteStartTransaction", json!({ "status": "Accepted" }));
    station.will_answer("RemoteStopTransaction", json!({ "status": "Accepted" }));
    let body = json!({
        "action": "RemoteStartTransaction", "payload": { "connectorId": 1, "idTag": TAG },
    });
    command(&csms, &body);
    let begun = an_hour_ago();
    let answer = station.call("StartTransaction", start(1, TAG, 1_000, &time(begun)));
    let transaction = transaction_of(&answer);
    let body = json!({
        "action": "RemoteStopTransaction", "payload": { "transactionId": transaction },
    });
    command(&csms, &body);
    let received = station.received_calls();
    assert_eq!(received[1]["payload"]["transactionId"], transaction, "{received:#?}");
    end(&mut station, transaction, 11_000, &after(begun, 40));
    invoice_of(&csms, &only_session(&csms, "CP-1"), 10_000);
}

#[test]
fn an_intent_without_a_wait_is_202_and_can_be_followed() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    station.will_answer("UnlockConnector", json!({ "status": "Unlocked" }));
    let body = json!({ "action": "UnlockConnector", "payload": { "connectorId": 1 } });
    let answer = csms.post("/v1/stations/CP-1/commands", &body).expect(202);
    assert!(answer.position.is_some(), "{answer:?}");
    crate::harness::eventually("the CALL", || (station.received_calls().len() == 1).then_some(()));
}

#[test]
fn an_invalid_payload_is_refused_before_it_becomes_an_intent() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    for body in [
        json!({ "action": "UnlockConnector", "payload": {} }),
        json!({ "action": "UnlockConnector", "payload": { "connectorId": "one" } }),
        json!({ "action": "MakeCoffee", "payload": {} }),
    ] {
        let answer = csms.post("/v1/stations/CP-1/commands", &body);
        assert!(matches!(answer.status, 400 | 422), "{body}: {answer:?}");
        assert!(answer.content_type.starts_with("application/problem+json"), "{answer:?}");
    }
    assert_eq!(station.received_calls(), Vec::<Value>::new());
}

#[test]
fn an_unlock_is_not_delivered_to_a_station_that_comes_back_later() {
    let mut csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    station.disconnect();
    let body = json!({ "action": "UnlockConnector", "payload": { "connectorId": 1 } });
    csms.post("/v1/stations/CP-1/commands", &body);
    csms.kill9();
    csms.restart();
    station.connect(&csms);
    station.call("Heartbeat", json!({}));
    assert_eq!(station.received_calls(), Vec::<Value>::new());
}

#[test]
fn a_request_in_ocpps_words_comes_back_with_the_stations_answer() {
    let csms = csms_with_station("CP-1");
    let mut station = booted(&csms);
    station.will_answer("ReserveNow", json!({ "status": "Accepted" }));
    let body = json!({ "reservationId": 7, "idTag": TAG, "connectorId": 1,
        "expiryDate": "2030-01-01T00:00:00Z" });
    let ask = |body: &Value| {
        let path = "/v1/stations/CP-1/ocpp/ReserveNow";
        csms.send("POST", path, &[("Prefer", "wait=10")], &body.to_string())
    };
    let reply = ask(&body).expect(200);
    assert!(reply.text.contains(r#""reply":{"status":"Accepted"}"#), "{reply:?}");
    let received = station.received_calls();
    assert_eq!(received[0]["action"], "ReserveNow");
    assert_eq!(received[0]["payload"], body);
    let wrong = ask(&json!({ "reservationId": "seven" }));
    assert_eq!(wrong.status, 422, "{wrong:?}");
    assert_eq!(station.received_calls().len(), 1);
}
