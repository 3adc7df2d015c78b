//! Compressed messages (RFC 7692), frame by frame.

use crate::support::Gateway;
use chargebook_domain::events::v1::Intent;
use chargebook_domain::ids::SubjectId;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

/// First bytes of frames: the last of its message, compressed or not, and what it holds.
const TEXT: u8 = 0x81;
const COMPRESSED_TEXT: u8 = 0xc1;
const COMPRESSED_TEXT_BEGINS: u8 = 0x41;
const COMPRESSED_BINARY: u8 = 0xc2;
const COMPRESSED_CONTINUATION: u8 = 0xc0;
const CONTINUES: u8 = 0x00;
const ENDS: u8 = 0x80;
const PING: u8 = 0x89;

const HEARTBEAT: &str = r#"[2,"1","Heartbeat",{}]"#;

fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(bytes.len() + 64);
    let mut deflater = Compress::new(Compression::best(), false);
    deflater.compress_vec(bytes, &mut payload, FlushCompress::Sync).expect("compressed");
    let tail = payload.split_off(payload.len() - 4);
    assert_eq!(tail, [0, 0, 0xff, 0xff]);
    payload
}

#[tokio::test]
async fn compressed_and_plain_messages_are_served_in_their_order() {
    let gateway = Gateway::start().await;
    let mut station = gateway.compressing_station().await;
    let frame = |id: u32| format!(r#"[2,"{id}","Heartbeat",{{}}]"#);
    station.send_frame(COMPRESSED_TEXT, &compress(frame(1).as_bytes())).await;
    station.send_frame(TEXT, frame(2).as_bytes()).await;
    station.send_frame(COMPRESSED_TEXT, &compress(frame(3).as_bytes())).await;
    for id in ["1", "2", "3"] {
        assert_eq!(station.text().await[1], id);
    }
    let exchanges = gateway.facts("exchange.recorded").await;
    let ids: Vec<_> = exchanges.iter().map(|e| e["message_id"].clone()).collect();
    assert_eq!(ids, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_compressed_message_may_come_in_fragments_with_a_ping_between() {
    let gateway = Gateway::start().await;
    let mut station = gateway.compressing_station().await;
    let payload = compress(HEARTBEAT.as_bytes());
    let (head, rest) = payload.split_at(3);
    let (middle, tail) = rest.split_at(rest.len() / 2);
    station.send_frame(COMPRESSED_TEXT_BEGINS, head).await;
    station.send_frame(PING, b"").await;
    station.send_frame(CONTINUES, middle).await;
    station.send_frame(ENDS, tail).await;
    assert_eq!(station.text().await[0], 3);
}

#[tokio::test]
async fn what_does_not_inflate_is_recorded_and_ends_the_connection() {
    let gateway = Gateway::start().await;
    let bomb = compress(&vec![b' '; 2_000_000]);
    let not_utf8 = compress(&[0xff; 300]);
    let garbage = [0xff_u8; 40];
    for (first, payload, code) in [
        (COMPRESSED_TEXT, bomb.as_slice(), 1009),
        (COMPRESSED_TEXT, not_utf8.as_slice(), 1007),
        (COMPRESSED_TEXT, garbage.as_slice(), 1007),
        (COMPRESSED_BINARY, not_utf8.as_slice(), 1003),
    ] {
        let mut station = gateway.compressing_station().await;
        station.send_frame(first, payload).await;
        assert_eq!(station.closed().await, code);
    }
    let exchanges = gateway.facts("exchange.recorded").await;
    let undelivered: Vec<_> = exchanges.iter().map(|e| e["undelivered"].clone()).collect();
    let inflated_bytes = chargebook_gateway::MESSAGE_BYTES_MAX + 1;
    assert_eq!(
        undelivered,
        [
            json!({"size_bytes": inflated_bytes, "reason": "oversized"}),
            json!({"size_bytes": 300, "reason": "not_utf8"}),
            json!({"size_bytes": 40, "reason": "not_deflate"}),
            json!({"size_bytes": not_utf8.len(), "reason": "binary"}),
        ]
    );
}

#[tokio::test]
async fn a_compressed_mark_where_it_may_not_stand_ends_the_connection() {
    let gateway = Gateway::start().await;
    let payload = compress(HEARTBEAT.as_bytes());
    let mut marked_continuation = gateway.compressing_station().await;
    marked_continuation.send_frame(COMPRESSED_TEXT_BEGINS, &payload[..3]).await;
    marked_continuation.send_frame(COMPRESSED_CONTINUATION, &payload[3..]).await;
    let mut not_agreed = gateway.station("CP-1").await;
    not_agreed.send_frame(COMPRESSED_TEXT, &payload).await;
    let ends = gateway.facts_once("station.disconnected", 2).await;
    assert!(ends.iter().all(|end| end["reason"] == "transport_error"), "{ends:?}");
    assert!(gateway.facts("exchange.recorded").await.is_empty());
}

#[tokio::test]
async fn a_long_message_to_the_station_is_compressed() {
    let gateway = Gateway::start().await;
    let mut station = gateway.compressing_station().await;
    station.boot().await;
    let value = "abc".repeat(150);
    let known = gateway.chargebook.registry().station("OPEN").await.expect("the log");
    let subject = SubjectId(known.expect("registered").station_id.0);
    let sealed = gateway.chargebook.personal().seal(subject, &value).await.expect("sealed");
    let intent = Intent::ChangeConfiguration { key: "Vendor.Text".to_owned(), value: sealed };
    gateway.chargebook.request_command("OPEN", intent, "operator").await.expect("requested");
    let mut head = [0; 2];
    let stream = station.web_socket.get_mut();
    stream.read_exact(&mut head).await.expect("a frame");
    assert_eq!(head[0], COMPRESSED_TEXT);
    assert!(head[1] < 126, "it is short now");
    let mut payload = vec![0; head[1].into()];
    stream.read_exact(&mut payload).await.expect("a payload");
    payload.extend([0, 0, 0xff, 0xff]);
    let mut text = Vec::with_capacity(2_000);
    let mut inflater = Decompress::new(false);
    inflater.decompress_vec(&payload, &mut text, FlushDecompress::Sync).expect("inflated");
    let call: Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!((&call[2], &call[3]["value"]), (&json!("ChangeConfiguration"), &json!(value)));
}
