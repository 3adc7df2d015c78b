//! Durable before reply, seen from the operating system: between the frame of a station and the
//! answer to it lies a completed sync of the log, of what was written after the frame came.

use std::path::Path;

use serde_json::json;

use crate::harness::{ChargePoint, Settings, TestCsms};
use crate::messages::{after, an_hour_ago, begin, boot, end, meter, prepare};

/// What is followed; long texts, so that a page with the message's id is seen whole.
const STRACE: &[&str] = &[
    "strace",
    // The server stays the child that the tests wait for.
    "-D",
    "-f",
    "-y",
    "-s",
    "65536",
    "-e",
    "trace=pwrite64,fdatasync,fsync,sendto,sendmsg,write,writev",
    "-o",
];
/// The file that must be on the disk.
const LOG: &str = "log.db-wal>";

/// One call of the system: the lines at which it began and was done.
#[derive(Debug)]
struct Call {
    name: String,
    text: String,
    began: usize,
    done: usize,
    result: String,
}

#[test]
fn a_completed_sync_precedes_each_acknowledgement() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("trace");
    let mut wrapper: Vec<String> = STRACE.iter().map(ToString::to_string).collect();
    wrapper.push(trace.to_str().expect("UTF-8").to_owned());
    let mut csms = TestCsms::start_with(Settings { wrapper, ..Settings::default() });
    prepare(&csms, &["CP-1"]);
    let mut station = ChargePoint::new("CP-1");
    // Compressed, an answer could not be read in the trace.
    let connected = station.try_connect(&csms, json!({ "deflate": null }));
    assert_eq!(connected["subprotocol"], "ocpp1.6", "{connected}");
    station.call("BootNotification", boot());
    let begun = an_hour_ago();
    let transaction = begin(&mut station, 1_000, begun);
    for minute in 1..=10 {
        let register_wh = 1_000 + 100 * minute;
        station.call("MeterValues", meter(1, transaction, register_wh, &after(begun, minute)));
    }
    end(&mut station, transaction, 2_500, &after(begun, 20));
    let exchanges = csms.exchanges();
    let ids: Vec<&str> =
        exchanges.iter().filter_map(|exchange| exchange["data"]["message_id"].as_str()).collect();
    assert!(ids.len() >= 14, "{ids:?}");
    assert!(csms.terminate().success());

    let calls = calls(&trace);
    for id in ids {
        let answer = format!(r#"[3,\"{id}\""#);
        let answered = calls
            .iter()
            .find(|call| call.name != "pwrite64" && call.text.contains(&answer))
            .unwrap_or_else(|| panic!("no answer to {id} in the trace"));
        let written = calls
            .iter()
            .find(|call| {
                call.name == "pwrite64" && call.text.contains(LOG) && call.text.contains(id)
            })
            .unwrap_or_else(|| panic!("{id} was not written into the log"));
        let synced = calls.iter().any(|call| {
            matches!(call.name.as_str(), "fdatasync" | "fsync")
                && call.text.contains(LOG)
                && call.result == "0"
                && written.done < call.began
                && call.done < answered.began
        });
        assert!(synced, "{id} was answered before its log was synced: {written:?} {answered:?}");
    }
}

/// The calls of a trace, in the order of their ends; a call that others came in between of stands
/// in two lines.
fn calls(trace: &Path) -> Vec<Call> {
    let text = std::fs::read_to_string(trace).expect("the trace");
    let mut under_way: Vec<(String, Call)> = Vec::new();
    let mut calls = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        let result = rest.rsplit_once(" = ").map(|(_, result)| result).unwrap_or_default();
        let result = result.split(' ').next().unwrap_or_default().to_owned();
        if rest.starts_with("<...") {
            let began = under_way.iter().position(|(waiting, _)| waiting == thread);
            let Some(began) = began else { continue };
            let (_, call) = under_way.swap_remove(began);
            calls.push(Call { done: number, result, ..call });
            continue;
        }
        let Some((name, text)) = rest.split_once('(') else { continue };
        let (name, text) = (name.to_owned(), text.to_owned());
        let call = Call { name, text, began: number, done: number, result };
        match rest.ends_with("<unfinished ...>") {
            true => under_way.push((thread.to_owned(), call)),
            false => calls.push(call),
        }
    }
    calls
}
