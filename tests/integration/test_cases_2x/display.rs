//! Blocks O and P: what a station shows, and data that only some understand.

use serde_json::{Value, json};

use super::{Bench, V201, by, in_both, merge, register, state, status_is};
use crate::messages::{TAG, an_hour_ago, invoice_of, only_session};

const STARTS: &str = "2036-01-01T00:00:00Z";

/// A message with the number 7.
fn message(further: Value) -> Value {
    let mut message = json!({ "id": 7, "priority": "NormalCycle",
        "message": { "format": "UTF8", "content": "Closed on Sunday" } });
    merge(&mut message, further);
    json!({ "message": message })
}

/// Of 2.0.1: TC_O_01, TC_O_13 (from a time on), TC_O_14 (until a time), TC_O_25 (in a state),
/// TC_O_17 to TC_O_19 (a priority, state or format that the station has not), TC_O_26 (rejected);
/// of both: TC_O_12 (another of the same number).
#[test]
fn a_message_is_shown() {
    in_both(|bench| {
        for (further, answer) in [
            (json!({}), "Accepted"),
            (json!({ "priority": "AlwaysFront" }), "Accepted"),
            (json!({ "startDateTime": STARTS }), "Accepted"),
            (json!({ "endDateTime": STARTS }), "Accepted"),
            (json!({ "state": "Charging" }), "Accepted"),
            (json!({ "priority": "InFront" }), "NotSupportedPriority"),
            (json!({ "state": "Faulted" }), "NotSupportedState"),
            (json!({ "message": { "format": "URI" } }), "NotSupportedMessageFormat"),
            (json!({}), "Rejected"),
        ] {
            bench.asks("SetDisplayMessage", message(further), status_is(answer));
        }
    });
}

/// Of 2.0.1: TC_O_06 (while a session runs), TC_O_27 (from a time on), TC_O_28 (until a time),
/// TC_O_10 (there is no such session).
#[test]
fn a_message_is_shown_to_one_driver() {
    let mut bench = Bench::booted(V201);
    let mut transaction = bench.charges("T-1");
    for (further, answer) in [
        (json!({ "transactionId": "T-1" }), "Accepted"),
        (json!({ "transactionId": "T-1", "startDateTime": STARTS }), "Accepted"),
        (json!({ "transactionId": "T-1", "endDateTime": STARTS }), "Accepted"),
        (json!({ "transactionId": "T-9" }), "UnknownTransaction"),
    ] {
        bench.asks("SetDisplayMessage", message(further), status_is(answer));
    }
    bench.ends(&mut transaction);
    bench.connector_is("Available");
    invoice_of(&bench.csms, &only_session(&bench.csms, "CP-1"), 10_000);
}

/// Of 2.0.1: TC_O_02 (all), TC_O_07 (one), TC_O_08 (of a priority), TC_O_09 (of a state), TC_O_03
/// (there are none), TC_O_11 (there is no such one).
#[test]
fn messages_are_listed() {
    let mut bench = Bench::booted(V201);
    for (number, (further, found)) in (1..).zip([
        (json!({}), true),
        (json!({ "id": [7] }), true),
        (json!({ "priority": "NormalCycle" }), true),
        (json!({ "state": "Charging" }), true),
        (json!({}), false),
        (json!({ "id": [8] }), false),
    ]) {
        let mut wanted = json!({ "requestId": number });
        merge(&mut wanted, further);
        let answer = if found { "Accepted" } else { "Unknown" };
        let command = bench.asks("GetDisplayMessages", wanted, status_is(answer));
        if found {
            let shown = message(json!({}))["message"].clone();
            bench.notes(
                "NotifyDisplayMessages",
                json!({ "requestId": number,
                "messageInfo": [shown] }),
            );
            assert_eq!(bench.command(&command)["complete"], true);
        }
    }
}

/// Of 2.0.1: TC_O_04 (cleared), TC_O_05 (there is none).
#[test]
fn a_message_is_taken_off() {
    let mut bench = Bench::booted(V201);
    for answer in ["Accepted", "Unknown"] {
        let body = json!({ "verb": "remove_message", "message_id": 7 });
        let sent = bench.commands(body, "ClearDisplayMessage", status_is(answer));
        assert_eq!(sent, json!({ "id": 7 }));
    }
}

/// TC_P_02 (data of a vendor that nobody here knows), TC_P_03 (members of a vendor's own).
#[test]
fn what_only_a_vendor_understands_does_no_harm() {
    in_both(|bench| {
        let data = json!({ "vendorId": "nobody's", "messageId": "M", "data": "D" });
        let answer = bench.station.call("DataTransfer", data);
        assert_eq!(answer["status"], "UnknownVendorId");
        let own = json!({ "customData": { "vendorId": "nobody's", "colour": "green" } });
        let mut occupied = json!({ "timestamp": "2026-11-20T10:00:00Z",
            "connectorStatus": "Occupied", "evseId": 1, "connectorId": 1 });
        merge(&mut occupied, own.clone());
        bench.notes("StatusNotification", occupied);
        let mut transaction = super::Transaction::new("T-1", an_hour_ago());
        let inside = json!({ "transactionInfo": own });
        let begun = [by(TAG), state("Charging"), register("Transaction.Begin", 1_000), own, inside];
        let answer = bench.tells(&mut transaction, ("Started", "Authorized"), &begun);
        assert_eq!(answer["idTokenInfo"]["status"], "Accepted");
        bench.ends(&mut transaction);
        bench.connector_is("Available");
        invoice_of(&bench.csms, &only_session(&bench.csms, "CP-1"), 10_000);
    });
}
