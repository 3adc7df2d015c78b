//! What a station says, from its frame to the log and back.

use crate::support::{Gateway, TAG, of_exchange};
use futures::SinkExt as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn a_session_from_boot_to_stop() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    station.boot().await;
    let start = format!(
        r#"{{"connectorId":1,"idTag":"{TAG}","meterStart":1000,
            "timestamp":"2026-11-22T12:00:00Z"}}"#
    );
    let started = station.call("s", "StartTransaction", &start).await;
    assert_eq!(started[2]["idTagInfo"]["status"], "Accepted", "{started}");
    let transaction = started[2]["transactionId"].as_i64().expect("an id");
    let meter = format!(
        r#"{{"connectorId":1,"transactionId":{transaction},"meterValue":[
            {{"timestamp":"2026-11-22T12:10:00Z","sampledValue":[{{"value":"1500"}}]}}]}}"#
    );
    assert_eq!(station.call("m", "MeterValues", &meter).await, json!([3, "m", {}]));
    let stop = format!(
        r#"{{"transactionId":{transaction},"idTag":"{TAG}","meterStop":2000,
            "timestamp":"2026-11-22T12:20:00Z"}}"#
    );
    let stopped = station.call("e", "StopTransaction", &stop).await;
    assert_eq!(stopped[2]["idTagInfo"]["status"], "Accepted", "{stopped}");

    let begun = gateway.facts("session.started").await;
    let evidence = &begun[0]["meter_start"]["evidence"];
    assert_eq!((&evidence["pointer"], &evidence["raw"]), (&json!("/3/meterStart"), &json!("1000")));
    let ended = gateway.facts("session.stopped").await;
    assert_eq!(ended[0]["meter_stop"]["register_wh"], "2000");
    let samples = gateway.facts("session.meter_recorded").await;
    assert_eq!(samples[0]["samples"][0]["evidence"]["raw"], r#""1500""#);
    for event in gateway.events().await {
        assert!(!event.data.as_str().contains(TAG), "{}", event.data.as_str());
    }
}

#[tokio::test]
async fn every_call_gets_its_answer_and_everything_is_recorded() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    let code = |answer: &Value| answer[2].clone();
    let answer = station.call("1", "Nonsense", "{}").await;
    assert_eq!((answer[0].clone(), code(&answer)), (json!(4), json!("NotImplemented")));
    assert_eq!(code(&station.call("2", "Reset", "{}").await), "NotSupported");
    assert_eq!(code(&station.call("3", "Authorize", "{}").await), "OccurenceConstraintViolation");
    assert_eq!(code(&station.call("4", "Heartbeat", "[]").await), "FormationViolation");
    // These have no answer; the CALL after them shows that they were passed by.
    for text in ["", "hello", "[2,7,\"Heartbeat\",{}]", "[9]", r#"[3,"nobody asked",{}]"#] {
        station.send(text).await;
    }
    assert_eq!(station.call("5", "Heartbeat", "{}").await[0], 3);
    let exchanges = gateway.facts("exchange.recorded").await;
    let verdicts: Vec<_> = exchanges.iter().map(|exchange| exchange["verdict"].clone()).collect();
    let expected = [
        "refused",
        "refused",
        "refused",
        "refused",
        "unreadable",
        "unreadable",
        "unreadable",
        "ignored",
        "ignored",
        "answered",
    ];
    assert_eq!(verdicts, expected);
    assert_eq!(
        of_exchange(&exchanges[2], &["station", "message_id", "action", "error_code"]),
        [
            r#"station="CP-1""#,
            r#"message_id="3""#,
            r#"action="Authorize""#,
            r#"error_code="OccurenceConstraintViolation""#,
        ]
    );
    assert_eq!(exchanges[8]["message_id"], "nobody asked");
}

#[tokio::test]
async fn null_is_a_payload_without_members() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    let answer = station.call("1", "Heartbeat", "null").await;
    assert!(answer[2]["currentTime"].is_string(), "{answer}");
    let answer = station.call("2", "Authorize", "null").await;
    assert_eq!(answer[2], "OccurenceConstraintViolation");
    let exchanges = gateway.facts("exchange.recorded").await;
    assert_eq!(exchanges[0]["request"], r#"[2,"1","Heartbeat",null]"#);
}

#[tokio::test]
async fn calls_sent_all_at_once_are_served_in_their_order() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    for n in 0..50 {
        let frame = format!(r#"[2,"{n}","Heartbeat",{{}}]"#);
        station.web_socket.feed(Message::Text(frame.into())).await.expect("fed");
    }
    station.web_socket.flush().await.expect("sent");
    for n in 0..50 {
        assert_eq!(station.text().await[1], n.to_string());
    }
    let exchanges = gateway.facts("exchange.recorded").await;
    let ids: Vec<_> = exchanges.iter().filter_map(|e| e["message_id"].as_str()).collect();
    assert_eq!(ids, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_cannot_be_delivered_is_recorded_before_the_connection_is_closed() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    station.web_socket.send(Message::Binary(vec![1, 2, 3].into())).await.expect("sent");
    assert_eq!(station.closed().await, 1003);

    let mut station = gateway.station("CP-1").await;
    let large = format!(r#"[2,"1","DataTransfer",{{"vendorId":"{}"}}]"#, "x".repeat(300_000));
    let large_bytes = large.len();
    station.send(large).await;
    assert_eq!(station.closed().await, 1009);

    let mut station = gateway.station("CP-1").await;
    // A masked text frame of two bytes that are no UTF-8.
    let bytes = [0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe];
    station.web_socket.get_mut().write_all(&bytes).await.expect("written");
    assert_eq!(station.closed().await, 1007);

    let exchanges = gateway.facts("exchange.recorded").await;
    let undelivered: Vec<_> = exchanges.iter().map(|e| e["undelivered"].clone()).collect();
    assert_eq!(
        undelivered,
        [
            json!({"size_bytes": 3, "reason": "binary"}),
            json!({"size_bytes": large_bytes, "reason": "oversized"}),
            json!({"size_bytes": 8, "reason": "not_utf8"}),
        ]
    );
    let ends = gateway.facts_once("station.disconnected", 3).await;
    let reasons: BTreeSet<_> = ends.iter().filter_map(|end| end["reason"].as_str()).collect();
    assert_eq!(reasons, BTreeSet::from(["binary", "not_utf8", "oversized"]));
}

#[tokio::test]
async fn the_largest_message_is_served() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    let frame = |fill: usize| {
        format!(r#"[2,"1","DataTransfer",{{"vendorId":"V","data":"{}"}}]"#, "x".repeat(fill))
    };
    let fill = chargebook_gateway::MESSAGE_BYTES_MAX - frame(0).len();
    station.send(frame(fill)).await;
    assert_eq!(station.text().await, json!([3, "1", {"status": "UnknownVendorId"}]));
}

#[tokio::test]
async fn fragments_make_one_message() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    let text = br#"[2,"1","Heartbeat",{}]"#;
    let (head, tail) = text.split_at(9);
    let mut bytes = Vec::new();
    for (opcode, part) in [(0x01, head), (0x80, tail)] {
        bytes.extend_from_slice(&[opcode, 0x80 | u8::try_from(part.len()).expect("short")]);
        bytes.extend_from_slice(&[0, 0, 0, 0]);
        bytes.extend_from_slice(part);
    }
    station.web_socket.get_mut().write_all(&bytes).await.expect("written");
    assert_eq!(station.text().await[1], "1");
}
