//! A station that sends more than anybody asked for is read later; nothing of it is lost, and the
//! others do not wait for it.

use crate::support::{Gateway, Station};
use chargebook_gateway::Limits;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

/// As many as a station may have saved up in a day without a network.
const BURST: usize = 10_000;
/// What another station, which waits for each of its answers, gets in at least while the burst is
/// answered: one that had to wait for the burst would get in one or two.
const BESIDE_MIN: usize = 200;

/// Sends so many heartbeats without waiting for an answer, and returns the ids of the answers.
async fn burst(station: Station, count: usize) -> Vec<Value> {
    let (mut sending, mut answers) = station.web_socket.split();
    let sent = tokio::spawn(async move {
        for number in 0..count {
            let call = format!(r#"[2,"{number}","Heartbeat",{{}}]"#);
            sending.feed(Message::Text(call.into())).await.expect("sent");
        }
        sending.flush().await.expect("sent");
    });
    let mut answered = Vec::with_capacity(count);
    while answered.len() < count {
        let answer = answers.next().await.expect("not ended").expect("a message");
        if let Message::Text(text) = answer {
            let answer: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(answer[0], 3, "{answer}");
            answered.push(answer[1].clone());
        }
    }
    sent.await.expect("everything was sent");
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_is_answered_whole_and_in_order_while_others_are_answered() {
    let frame_interval = Duration::from_micros(100);
    let gateway = Gateway::start_with(Limits { frame_interval, ..Limits::default() }).await;
    let bursting = tokio::spawn(burst(gateway.station("CP-1").await, BURST));
    let mut other = gateway.station("CP-2").await;
    let mut answered_beside = 0;
    while !bursting.is_finished() {
        let id = answered_beside.to_string();
        assert_eq!(other.call(&id, "Heartbeat", "{}").await[0], 3);
        answered_beside += 1;
    }
    let expected: Vec<Value> = (0..BURST).map(|number| json!(number.to_string())).collect();
    assert_eq!(bursting.await.expect("answered"), expected);
    assert!(answered_beside >= BESIDE_MIN, "{answered_beside} beside a burst of {BURST}");
    let recorded = gateway.facts("exchange.recorded").await;
    let of_burst = recorded.iter().filter(|exchange| exchange["station"] == "CP-1");
    assert_eq!(of_burst.count(), BURST);
}

#[tokio::test]
async fn who_sends_too_fast_is_read_later() {
    let frame_interval = Duration::from_secs(3_600);
    let limits = Limits { frame_interval, frames_at_once_max: 3, ..Limits::default() };
    let gateway = Gateway::start_with(limits).await;
    let mut fast = gateway.station("CP-1").await;
    for number in 0..5 {
        fast.send(format!(r#"[2,"{number}","Heartbeat",{{}}]"#)).await;
    }
    for number in 0..3 {
        assert_eq!(fast.text().await[1], number.to_string());
    }
    let mut other = gateway.station("CP-2").await;
    for id in ["a", "b"] {
        other.call(id, "Heartbeat", "{}").await;
    }
    // What was not read is neither answered nor recorded; the station keeps it and says it again.
    let recorded = gateway.facts("exchange.recorded").await;
    let ids: Vec<_> = recorded.iter().map(|exchange| exchange["message_id"].clone()).collect();
    assert_eq!(ids, ["0", "1", "2", "a", "b"]);
}

#[tokio::test]
async fn what_had_to_wait_is_answered_in_its_turn() {
    let frame_interval = Duration::from_millis(5);
    let limits = Limits { frame_interval, frames_at_once_max: 2, ..Limits::default() };
    let gateway = Gateway::start_with(limits).await;
    let answered = burst(gateway.station("CP-1").await, 20).await;
    let expected: Vec<Value> = (0..20).map(|number| json!(number.to_string())).collect();
    assert_eq!(answered, expected);
}
