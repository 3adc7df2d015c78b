//! A driver charges at a 2.0.1 or 2.1 station: an independent charge point tells the session, the
//! answers carry its cost where the version has a place for it, and the invoice proves.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::full_session::{assert_proven, export_bundle, verify};
use crate::harness::{ChargePoint, TestCsms};
use crate::messages::{
    TAG, after, an_hour_ago, boot_2x, booted_2x, csms_with_station, invoice_of, only_session,
};
use crate::rereading::raw_station;

const V201: &str = "ocpp2.0.1";
const V21: &str = "ocpp2.1";
const TRANSACTION: &str = "5f7c-1";

fn status(status: &str, at: &str) -> Value {
    json!({ "timestamp": at, "connectorStatus": status, "evseId": 1, "connectorId": 1 })
}

/// One part of the transaction's story.
fn event(kind: &str, sequence: u32, at: &str, register_kwh: &str, context: &str) -> Value {
    let value: Value = serde_json::from_str(register_kwh).expect("a number");
    json!({
        "eventType": kind,
        "timestamp": at,
        "triggerReason": "MeterValuePeriodic",
        "seqNo": sequence,
        "transactionInfo": { "transactionId": TRANSACTION, "chargingState": "Charging" },
        "evse": { "id": 1, "connectorId": 1 },
        "meterValue": [{
            "timestamp": at,
            "sampledValue": [{
                "value": value,
                "context": context,
                "measurand": "Energy.Active.Import.Register",
                "unitOfMeasure": { "unit": "kWh" },
            }],
        }],
    })
}

fn with_token(mut event: Value) -> Value {
    event["idToken"] = json!({ "idToken": TAG, "type": "ISO14443" });
    event
}

/// The messages of a session of 10 kWh, in their order.
fn ten_kwh(begun: DateTime<Utc>) -> Vec<Value> {
    let at = |minutes| after(begun, minutes);
    let mut ended = event("Ended", 3, &at(40), "11.000", "Transaction.End");
    ended["triggerReason"] = json!("StopAuthorized");
    ended["transactionInfo"]["stoppedReason"] = json!("Local");
    ended["transactionInfo"]["chargingState"] = json!("Idle");
    vec![
        with_token(event("Started", 0, &at(0), "1.000", "Transaction.Begin")),
        event("Updated", 1, &at(10), "3.5", "Sample.Periodic"),
        event("Updated", 2, &at(20), "6.0", "Sample.Periodic"),
        with_token(ended),
    ]
}

/// Tells a whole session and returns the answers to its events.
pub(crate) fn charge_ten_kwh(station: &mut ChargePoint) -> Vec<Value> {
    let begun = an_hour_ago();
    station.call("StatusNotification", status("Occupied", &after(begun, -1)));
    let events = ten_kwh(begun);
    let answers = events.into_iter().map(|event| station.call("TransactionEvent", event));
    let answers = answers.collect();
    station.call("StatusNotification", status("Available", &after(begun, 41)));
    answers
}

/// 10 kWh at 0.50 net and 19 % VAT.
#[track_caller]
fn invoiced(csms: &TestCsms) -> Value {
    let session = only_session(csms, "CP-1");
    let invoice = invoice_of(csms, &session, 10_000);
    assert_eq!(invoice["totals"]["gross"], "5.95", "{invoice:#}");
    session
}

#[test]
fn a_session_of_2_0_1_is_invoiced_and_its_cost_said_at_its_end() {
    let csms = csms_with_station("CP-1");
    let answers = charge_ten_kwh(&mut booted_2x(&csms, V201));
    assert_eq!(answers[0]["idTokenInfo"]["status"], "Accepted", "{answers:#?}");
    assert_eq!(answers[1], json!({}));
    assert_eq!(answers[2], json!({}));
    assert_eq!(answers[3]["totalCost"], 5.95, "{answers:#?}");

    let session = invoiced(&csms);
    assert_eq!(session["transaction_id"], TRANSACTION);
    assert_eq!((&session["evse"], &session["connector"]), (&json!(1), &json!(1)));
    assert_eq!(session["stop_reason"], "Local");
}

#[test]
fn a_session_of_2_1_is_told_its_cost_on_the_way() {
    let csms = csms_with_station("CP-1");
    let answers = charge_ten_kwh(&mut booted_2x(&csms, V21));
    assert_eq!(answers[0]["idTokenInfo"]["status"], "Accepted", "{answers:#?}");
    // 2.5 and 5 kWh so far.
    assert_eq!(answers[1]["totalCost"], 1.49, "{answers:#?}");
    assert_eq!(answers[2]["totalCost"], 2.98, "{answers:#?}");
    assert_eq!(answers[3]["totalCost"], 5.95, "{answers:#?}");
    invoiced(&csms);
}

#[test]
fn an_auditor_proves_the_invoice_of_a_2_x_session() {
    for version in [V201, V21] {
        let csms = csms_with_station("CP-1");
        charge_ten_kwh(&mut booted_2x(&csms, version));
        let verified = verify(&csms, &export_bundle(&csms));
        let said = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert!(verified.status.success(), "{version}: {verified:?}");
        assert!(said.contains("5.95"), "{said}");
    }
}

/// A station with clock-aligned readings tells them by EVSE, also while somebody charges there.
#[test]
fn meter_values_beside_the_transaction_are_proven_with_it() {
    for version in [V201, V21] {
        let csms = csms_with_station("CP-1");
        let mut station = booted_2x(&csms, version);
        let begun = an_hour_ago();
        let mut events = ten_kwh(begun);
        let ended = events.pop().expect("the end");
        for event in events {
            station.call("TransactionEvent", event);
        }
        let mut aligned = event("", 0, &after(begun, 30), "9.0", "Sample.Clock");
        let meter_value = aligned["meterValue"].take();
        station.call("MeterValues", json!({ "evseId": 1, "meterValue": meter_value }));
        station.call("TransactionEvent", ended);
        station.call("StatusNotification", status("Available", &after(begun, 41)));
        let session = invoiced(&csms);
        let mut types = csms.events().into_iter().map(|event| event["type"].clone());
        assert!(types.any(|name| name == "session.meter_recorded"), "it is the session's");
        assert_proven(&csms, &invoice_of(&csms, &session, 10_000));
    }
}

/// JSON writes a number in many ways, and all mean the same to whoever bills and to whoever
/// verifies.
#[test]
fn numbers_in_any_spelling_are_proven() {
    let csms = csms_with_station("CP-1");
    let mut station = raw_station(&csms, V201);
    station.exchange(&json!([2, "boot", "BootNotification", boot_2x()]).to_string());
    let begun = an_hour_ago();
    let value = |minutes, value: &str, context: &str| {
        format!(
            r#""meterValue":[{{"timestamp":"{}","sampledValue":[{{"value":{value},"context":"{context}","unitOfMeasure":{{"unit":"Wh","multiplier":0.0}}}}]}}]"#,
            after(begun, minutes)
        )
    };
    let mut told = |kind: &str, sequence: &str, minutes, register: &str, context: &str| {
        let (at, meter_value) = (after(begun, minutes), value(minutes, register, context));
        let answer = station.exchange(&format!(
            r#"[2,"{kind}","TransactionEvent",{{"eventType":"{kind}","timestamp":"{at}","triggerReason":"MeterValuePeriodic","seqNo":{sequence},"transactionInfo":{{"transactionId":"{TRANSACTION}"}},"evse":{{"id":1.0,"connectorId":1e0}},"idToken":{{"idToken":"{TAG}","type":"ISO14443"}},{meter_value}}}]"#
        ));
        assert_eq!(answer[0], 3, "{answer}");
    };
    told("Started", "0.0", 0, "1.0E3", "Transaction.Begin");
    told("Updated", "10e-1", 20, "6000.700000000000012345", "Sample.Periodic");
    told("Ended", "2.00", 40, "1.1e+4", "Transaction.End");
    let aligned = value(30, "9000.000000000000000001", "Sample.Clock");
    let answer = station.exchange(&format!(r#"[2,"a","MeterValues",{{"evseId":1.0,{aligned}}}]"#));
    assert_eq!(answer[0], 3, "{answer}");
    let free = status("Available", &after(begun, 41));
    station.exchange(&json!([2, "free", "StatusNotification", free]).to_string());
    let session = invoiced(&csms);
    assert_proven(&csms, &invoice_of(&csms, &session, 10_000));
}

#[test]
fn a_session_told_backwards_twice_and_across_connections_is_the_same() {
    let csms = csms_with_station("CP-1");
    let events = ten_kwh(an_hour_ago());
    for _ in 0..2 {
        let mut station = booted_2x(&csms, V201);
        for event in events.iter().rev() {
            let mut event = event.clone();
            event["offline"] = json!(true);
            station.call("TransactionEvent", event);
        }
        station.drop_connection();
    }
    let mut station = booted_2x(&csms, V201);
    station.call("StatusNotification", status("Available", &after(an_hour_ago(), 41)));
    invoiced(&csms);
}

/// How a station tells what the connector of EVSE 1 is.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// StatusNotification.
    Status,
    /// NotifyEvent of the connector alone.
    Event,
    /// NotifyEvent of it and another connector, beside something else.
    AmongEvents,
}

fn availability(evse: u32, status: &str, at: &str) -> Value {
    json!({
        "eventId": evse, "timestamp": at, "trigger": "Delta", "actualValue": status,
        "eventNotificationType": "HardWiredNotification",
        "component": { "name": "Connector", "evse": { "id": evse, "connectorId": 1 } },
        "variable": { "name": "AvailabilityState" },
    })
}

fn tell(station: &mut ChargePoint, told: Told, status: &str, at: &str) {
    let events =
        |events: Value| json!({ "generatedAt": at, "seqNo": 0, "tbc": false, "eventData": events });
    let answer = match told {
        Told::Status => station.call("StatusNotification", self::status(status, at)),
        Told::Event => station.call("NotifyEvent", events(json!([availability(1, status, at)]))),
        Told::AmongEvents => {
            let mut power = availability(1, "0", at);
            power["component"] = json!({ "name": "EVSE", "evse": { "id": 1 } });
            power["variable"]["name"] = json!("Power");
            // What the message says of the connector is new, though not all of it is.
            station.call("NotifyEvent", events(json!([power.clone()])));
            let all = json!([availability(2, "Available", at), power, availability(1, status, at)]);
            station.call("NotifyEvent", events(all))
        }
    };
    assert_eq!(answer, json!({}), "{told:?}");
}

/// G01: a station may tell what a connector is either way. Ten minutes after its end the car is
/// driven away: 5.00 for energy, 1.00 for parking, 19 % VAT.
#[test]
fn occupancy_is_billed_and_proven_whichever_way_it_is_told() {
    for version in [V201, V21] {
        for told in [Told::Status, Told::Event, Told::AmongEvents] {
            let csms = TestCsms::start();
            csms.add_token(TAG);
            csms.add_station("CP-1");
            csms.set_prices(&[("ENERGY", "0.50"), ("PARKING_TIME", "6.00")]);
            let mut station = booted_2x(&csms, version);
            let begun = an_hour_ago();
            tell(&mut station, told, "Occupied", &after(begun, -1));
            let mut events = ten_kwh(begun);
            events[3]["transactionInfo"]["chargingState"] = json!("EVConnected");
            for event in events {
                station.call("TransactionEvent", event);
            }
            for _ in 0..2 {
                tell(&mut station, told, "Available", &after(begun, 50));
            }
            let session = only_session(&csms, "CP-1");
            let invoice = invoice_of(&csms, &session, 10_000);
            assert_eq!(invoice["totals"]["gross"], "7.14", "{version} {told:?} {invoice:#}");
            let released = csms.events().into_iter().filter(|event| {
                event["type"] == "session.connector_status"
                    && event["data"]["status"] == "Available"
            });
            assert_eq!(released.count(), 1, "{version} {told:?}: what is said twice is once so");
            let connectors = csms.get("/v1/stations/CP-1").expect(200).json()["connectors"].clone();
            assert_eq!(connectors[0]["status"], "Available", "{connectors:#}");
            let verified = verify(&csms, &export_bundle(&csms));
            assert!(verified.status.success(), "{version} {told:?}: {verified:?}");
        }
    }
}
