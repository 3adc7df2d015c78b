//! Compression (permessage-deflate) with an independent client, whatever it offers.

use serde_json::{Value, json};

use crate::harness::{ChargePoint, TestCsms, eventually};
use crate::messages::boot;

/// Texts that need their escapes, their UTF-8 and a window; longer than a read buffer.
fn long_text() -> String {
    (0..2_000).map(|n| format!("{n}: grüße \"{}\"\n", n % 7)).collect()
}

/// The station speaks and is spoken to, with messages short and long.
#[track_caller]
fn speaks(csms: &TestCsms, station: &mut ChargePoint, id: &str) {
    station.call("BootNotification", boot());
    assert!(station.call("Heartbeat", json!({}))["currentTime"].is_string());
    let transfer = json!({ "vendorId": "V", "data": long_text() });
    assert_eq!(station.call("DataTransfer", transfer)["status"], "UnknownVendorId");
    let value = "a value that repeats itself; ".repeat(15);
    station.will_answer("ChangeConfiguration", json!({ "status": "Accepted" }));
    let payload = json!({ "key": "Vendor.Text", "value": value });
    let body = json!({ "action": "ChangeConfiguration", "payload": payload });
    csms.post(&format!("/v1/stations/{id}/commands"), &body).expect(202);
    let call = eventually("the command", || station.received_calls().pop());
    assert_eq!(call["payload"]["value"], value);
}

#[test]
fn every_offer_of_the_client_is_spoken_with() {
    let csms = TestCsms::start();
    let offers = [
        ("USUAL", json!({}), json!(["permessage-deflate"])),
        ("NONE", Value::Null, json!([])),
        ("NINE", json!({ "server_max_window_bits": 9 }), json!(["permessage-deflate"])),
        ("SMALL", json!({ "client_max_window_bits": 9 }), json!(["permessage-deflate"])),
        (
            "ANEW",
            json!({ "server_no_context_takeover": true, "client_no_context_takeover": true }),
            json!(["permessage-deflate"]),
        ),
    ];
    for (id, deflate, agreed) in offers {
        csms.add_station(id);
        let mut station = ChargePoint::new(id);
        let connected = station.try_connect(&csms, json!({ "deflate": deflate }));
        assert_eq!(connected["extensions"], agreed, "{id}: {connected}");
        speaks(&csms, &mut station, id);
    }
    let is_transfer = |exchange: &&Value| exchange["data"]["action"] == "DataTransfer";
    assert_eq!(csms.exchanges().iter().filter(is_transfer).count(), 5);
}

#[test]
fn what_inflates_beyond_the_bound_ends_the_connection_and_nothing_else() {
    let csms = TestCsms::start();
    csms.add_station("BOMB");
    csms.add_station("OTHER");
    let mut other = ChargePoint::connected(&csms, "OTHER");
    let mut bomb = ChargePoint::new("BOMB");
    bomb.connect_raw(&csms);
    bomb.send_text(&format!("[2,\"1\",\"Heartbeat\",{{}}{}]", " ".repeat(50_000_000)));
    assert_eq!(bomb.receive(), json!({ "closed": 1009 }));
    assert!(other.call("Heartbeat", json!({}))["currentTime"].is_string());
    let recorded = csms
        .exchanges()
        .into_iter()
        .find_map(|exchange| exchange["data"]["undelivered"]["reason"].as_str().map(str::to_owned));
    assert_eq!(recorded.as_deref(), Some("oversized"));
}
