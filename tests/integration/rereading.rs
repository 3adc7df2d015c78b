//! A station whose messages were refused until its dialect was known: what it said is read again
//! from the log, billed, and proven like everything else.

use serde_json::{Value, json};

use crate::full_session::{assert_proven, export_bundle, verify};
use crate::harness::{ChargePoint, TestCsms, eventually};
use crate::messages::{
    TAG, after, an_hour_ago, boot_2x, csms_with_station, finished_sessions, invoice_of, meter,
    number, only_session, start, stop, time,
};

/// A station that is asked nothing of our own accord, sending frames as they come.
pub(crate) fn raw_station(csms: &TestCsms, version: &str) -> ChargePoint {
    csms.patch("/v1/stations/CP-1", &json!({ "quiet": true })).expect(200);
    let mut station = ChargePoint::new("CP-1");
    station.connect_raw_as(csms, version);
    station
}

/// Sends a CALL; whether it was answered with a CALLRESULT.
fn is_understood(station: &mut ChargePoint, id: &str, action: &str, payload: &Value) -> bool {
    let answer = station.exchange(&json!([2, id, action, payload]).to_string());
    assert_eq!(answer[1], id, "{answer}");
    answer[0] == 3
}

/// Writes every number of a payload as a string.
fn in_strings(payload: &Value) -> Value {
    match payload {
        Value::Number(number) => json!(number.to_string()),
        Value::Array(items) => items.iter().map(in_strings).collect(),
        Value::Object(members) => {
            let written = members.iter().map(|(name, value)| (name.clone(), in_strings(value)));
            Value::Object(written.collect())
        }
        other => other.clone(),
    }
}

/// Reads the station's refused messages again; what came of each.
#[track_caller]
fn reread(csms: &TestCsms, wish: &Value) -> Vec<Value> {
    let read = csms.post("/v1/stations/CP-1/reread", wish).expect(200).json();
    let messages = read["messages"].as_array().expect("messages");
    messages.iter().map(|message| message["outcome"].clone()).collect()
}

fn understand_strings(csms: &TestCsms) -> Value {
    let dialect = json!({ "dialect": ["numbers_as_strings"] });
    csms.patch("/v1/stations/CP-1", &dialect).expect(200).json()
}

/// 10 kWh at 0.50 net and 19 % VAT are invoiced, and an auditor proves it.
#[track_caller]
fn billed_and_proven(csms: &TestCsms) {
    let session = only_session(csms, "CP-1");
    let invoice = invoice_of(csms, &session, 10_000);
    assert_eq!(invoice["totals"]["gross"], "5.95", "{invoice:#}");
    let verified = verify(csms, &export_bundle(csms));
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success(), "{verified:?}");
    assert!(said.contains("PROVEN"), "{said}");
}

/// A whole session of 1.6, every number in it written as a string.
fn session_in_strings() -> Vec<(&'static str, Value)> {
    let begun = an_hour_ago();
    vec![
        ("StartTransaction", in_strings(&start(1, TAG, 1_000, &time(begun)))),
        // It was given no transaction id.
        ("MeterValues", in_strings(&meter(1, 0, 6_000, &after(begun, 20)))),
        ("StopTransaction", in_strings(&stop(0, TAG, 11_000, &after(begun, 40)))),
    ]
}

#[test]
fn a_session_of_1_6_that_was_refused_is_billed_once_its_dialect_is_known() {
    let csms = csms_with_station("CP-1");
    let mut station = raw_station(&csms, "ocpp1.6");
    for (index, (action, payload)) in session_in_strings().iter().enumerate() {
        assert!(!is_understood(&mut station, &index.to_string(), action, payload));
    }
    assert_eq!(reread(&csms, &json!({})), ["still_refused"; 3]);
    let changed = understand_strings(&csms);
    let rereadable = json!({ "messages": 3, "may_be_more": false });
    assert_eq!(changed["rereadable"], rereadable, "{changed:#}");
    assert_eq!(reread(&csms, &json!({ "dry_run": true })), ["understood"; 3]);
    assert_eq!(csms.sessions("CP-1"), Vec::<Value>::new());
    assert_eq!(reread(&csms, &json!({})), ["taken_in"; 3]);
    station.exchange(
        r#"[2,"free","StatusNotification",
            {"connectorId":1,"errorCode":"NoError","status":"Available"}]"#,
    );
    billed_and_proven(&csms);
    let session = only_session(&csms, "CP-1");
    assert_eq!(number(&session["energy_wh"]), 10_000, "{session:#}");

    // Again changes nothing, and the log names nobody.
    let events = csms.events();
    assert_eq!(reread(&csms, &json!({})), Vec::<Value>::new());
    assert_eq!(understand_strings(&csms)["rereadable"]["messages"], 0);
    assert_eq!(csms.events(), events);
    let reread: Vec<_> = events.iter().filter(|e| e["type"] == "exchange.reread").collect();
    assert_eq!(reread.len(), 3);
    assert!(reread.iter().all(|event| event["data"]["dialect"] == json!(["numbers_as_strings"])));
    assert!(reread.iter().all(|event| event["meta"]["actor"] == "operator"), "{reread:#?}");
}

#[test]
fn what_the_station_said_again_meanwhile_is_a_repeat() {
    let csms = csms_with_station("CP-1");
    let mut station = raw_station(&csms, "ocpp1.6");
    let session = session_in_strings();
    for (index, (action, payload)) in session.iter().enumerate() {
        let mut payload = payload.clone();
        if *action == "StopTransaction" {
            // Only the first attempt brings the samples.
            payload["transactionData"] = json!([{
                "timestamp": after(an_hour_ago(), 30),
                "sampledValue": [{ "value": "9000" }],
            }]);
        }
        assert!(!is_understood(&mut station, &index.to_string(), action, &payload));
    }
    understand_strings(&csms);
    // Its retries of the start and the stop come through.
    for (action, payload) in [&session[0], &session[2]] {
        assert!(is_understood(&mut station, &format!("again {action}"), action, payload));
    }
    assert_eq!(reread(&csms, &json!({})), ["repeat", "taken_in", "repeat"]);
    station.exchange(
        r#"[2,"free","StatusNotification",
            {"connectorId":1,"errorCode":"NoError","status":"Available"}]"#,
    );
    billed_and_proven(&csms);
}

/// One part of a 2.x transaction of 10 kWh.
fn event(kind: &str, sequence: u32, at: &str, register_wh: u32) -> Value {
    json!({
        "eventType": kind,
        "timestamp": at,
        "triggerReason": "MeterValuePeriodic",
        "seqNo": sequence,
        "transactionInfo": { "transactionId": "5f7c-1" },
        "evse": { "id": 1, "connectorId": 1 },
        "idToken": { "idToken": TAG, "type": "ISO14443" },
        "meterValue": [{
            "timestamp": at,
            "sampledValue": [{ "value": register_wh, "context": "Sample.Periodic" }],
        }],
    })
}

#[test]
fn a_session_of_2_0_1_that_was_refused_is_billed_once_its_dialect_is_known() {
    let csms = csms_with_station("CP-1");
    let mut station = raw_station(&csms, "ocpp2.0.1");
    assert!(is_understood(&mut station, "boot", "BootNotification", &boot_2x()));
    let begun = an_hour_ago();
    let at = |minutes| after(begun, minutes);
    let events = [
        event("Started", 0, &at(0), 1_000),
        event("Updated", 1, &at(20), 6_000),
        event("Ended", 2, &at(40), 11_000),
    ];
    for (index, event) in events.iter().enumerate() {
        let id = index.to_string();
        assert!(!is_understood(&mut station, &id, "TransactionEvent", &in_strings(event)));
    }
    understand_strings(&csms);
    assert_eq!(reread(&csms, &json!({})), ["taken_in"; 3]);
    let free = json!({
        "timestamp": at(41), "connectorStatus": "Available", "evseId": 1, "connectorId": 1,
    });
    assert!(is_understood(&mut station, "free", "StatusNotification", &free));
    billed_and_proven(&csms);
}

#[test]
fn a_reread_must_be_of_a_known_station_and_a_span_that_can_be() {
    let csms = csms_with_station("CP-1");
    csms.post("/v1/stations/CP-9/reread", &json!({})).expect(404);
    let backwards = json!({ "from": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z" });
    let problem = csms.post("/v1/stations/CP-1/reread", &backwards).expect(422).json();
    assert!(problem.to_string().contains("/from"), "{problem}");
    let endless = json!({ "from": "1990-01-01T00:00:00Z" });
    csms.post("/v1/stations/CP-1/reread", &endless).expect(422);
}

/// The next session gives no register to begin with: what the stop of the one before says, which
/// was refused and read again, is what it is billed and proven by.
#[test]
fn the_session_after_one_whose_stop_was_read_again_is_proven() {
    let csms = csms_with_station("CP-1");
    let mut station = raw_station(&csms, "ocpp1.6");
    let begun = an_hour_ago();
    let first = start(1, TAG, 1_000, &after(begun, -90));
    let answer = station.exchange(&json!([2, "first", "StartTransaction", first]).to_string());
    let transaction = number(&answer[2]["transactionId"]);
    let mut ended = stop(transaction, TAG, 20_000, &after(begun, -30));
    ended["meterStop"] = json!("20000");
    assert!(!is_understood(&mut station, "ended", "StopTransaction", &ended));
    understand_strings(&csms);
    assert_eq!(reread(&csms, &json!({})), ["taken_in"]);

    let next = start(1, TAG, 0, &time(begun));
    let answer = station.exchange(&json!([2, "next", "StartTransaction", next]).to_string());
    let transaction = number(&answer[2]["transactionId"]);
    let ended = stop(transaction, TAG, 21_000, &after(begun, 40));
    assert!(is_understood(&mut station, "over", "StopTransaction", &ended));
    station.exchange(
        r#"[2,"free","StatusNotification",
            {"connectorId":1,"errorCode":"NoError","status":"Available"}]"#,
    );
    let sessions = finished_sessions(&csms, "CP-1", 2);
    for energy_wh in [19_000, 1_000] {
        let billed = |session: &&Value| number(&session["energy_wh"]) == energy_wh;
        let session = sessions.iter().find(billed).unwrap_or_else(|| panic!("{sessions:#?}"));
        assert_proven(&csms, &invoice_of(&csms, session, energy_wh));
    }
}

/// Registers with a fraction, and words of the maker's own where the standard has a list.
#[test]
fn a_stop_in_words_of_its_own_is_billed_once_its_dialect_is_known() {
    let csms = csms_with_station("CP-1");
    let mut station = raw_station(&csms, "ocpp1.6");
    let begun = an_hour_ago();
    let mut begin = start(1, TAG, 1_000, &time(begun));
    begin["meterStart"] = json!(1_000.5);
    let mut end = stop(0, TAG, 11_000, &after(begun, 40));
    end["meterStop"] = json!(11_000.5);
    end["reason"] = json!("UnpluggedByDriver");
    end["transactionData"] = json!([{ "timestamp": after(begun, 20), "sampledValue": [
        { "value": "6000", "context": "Sample.Vendor" },
        { "value": "7000", "phase": "L7" },
        { "value": "8000", "measurand": "Energy.Vendor" } ] }]);
    for (index, (action, payload)) in
        [("StartTransaction", &begin), ("StopTransaction", &end)].into_iter().enumerate()
    {
        assert!(!is_understood(&mut station, &index.to_string(), action, payload));
    }
    let dialect = json!(["unknown_words", "fractional_registers"]);
    eventually("the suggestion of the dialect", || {
        let station = csms.get("/v1/stations/CP-1").expect(200).json();
        (station["suggested_dialect"] == dialect).then_some(())
    });
    csms.patch("/v1/stations/CP-1", &json!({ "dialect": dialect })).expect(200);
    assert_eq!(reread(&csms, &json!({})), ["taken_in"; 2]);
    station.exchange(
        r#"[2,"free","StatusNotification",
            {"connectorId":1,"errorCode":"NoError","status":"Available"}]"#,
    );
    billed_and_proven(&csms);
}
