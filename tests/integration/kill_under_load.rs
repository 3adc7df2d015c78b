//! `kill -9` under load, again and again: what was acknowledged is in the log, its facts once.
//!
//! The fleet (`tests/python/load.py`) runs in a process of its own and writes a ledger of every
//! answer it got. At the end the ledger is held against the log, the sessions and the invoices.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{TestCsms, eventually, eventually_ok, is_long_run, python};
use crate::messages::{TAG, number, prepare, same_text};

const STATIONS: usize = 6;
const KILLS: usize = 20;
const KILLS_LONG: usize = 200;

/// How long the fleet charges between two kills. Not a measurement: kills must meet work.
const LOAD_BETWEEN_KILLS: Duration = Duration::from_millis(700);

#[test]
fn what_was_acknowledged_is_in_the_log_once() {
    let mut csms = TestCsms::start();
    let names: Vec<String> = (1..=STATIONS).map(|station| format!("LOAD-{station}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    prepare(&csms, &names);
    let ledger_path = csms.scratch().join("ledger.jsonl");
    let mut fleet = start_fleet(&csms, &ledger_path, &names);

    for kill in 1..=if is_long_run() { KILLS_LONG } else { KILLS } {
        let acknowledged = lines(&ledger_path);
        eventually("load on the server", || (lines(&ledger_path) > acknowledged).then_some(()));
        std::thread::sleep(LOAD_BETWEEN_KILLS);
        csms.kill9();
        csms.restart();
        assert!(fleet.try_wait().expect("a status").is_none(), "the fleet ended at kill {kill}");
    }
    drop(fleet.stdin.take());
    let ended = eventually("the fleet's end", || fleet.try_wait().expect("a status"));
    assert!(ended.success(), "{ended}");

    let ledger = read_ledger(&ledger_path);
    every_acknowledgement_is_in_the_log(&csms, &ledger);
    every_session_is_billed_once(&csms, &ledger, &names);
    no_fact_occurs_twice(&csms);
    assert!(csms.terminate().success());
    let data = csms.data();
    let verified = csms.run(&["log", "verify", "--data", data.to_str().expect("UTF-8")]);
    assert!(verified.status.success(), "{verified:?}");
}

pub(crate) fn start_fleet(csms: &TestCsms, ledger: &Path, names: &[&str]) -> Child {
    python("load.py")
        .arg(csms.ocpp_url())
        .arg(ledger)
        .arg(TAG)
        .args(names)
        .stdin(Stdio::piped())
        .spawn()
        .expect("Python runs")
}

pub(crate) fn lines(ledger: &Path) -> usize {
    std::fs::read_to_string(ledger).unwrap_or_default().lines().count()
}

pub(crate) fn read_ledger(ledger: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(ledger).expect("the ledger");
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

pub(crate) fn every_acknowledgement_is_in_the_log(csms: &TestCsms, ledger: &[Value]) {
    let mut logged: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for exchange in csms.exchanges() {
        let data = exchange["data"].clone();
        logged.entry(text(&data["message_id"])).or_default().push(data);
    }
    let acknowledged: Vec<&Value> = kind(ledger, "acknowledged");
    assert!(acknowledged.len() > STATIONS, "there was no load");
    let missing: Vec<&&Value> = acknowledged
        .iter()
        .filter(|entry| {
            let receipts = logged.get(&text(&entry["message_id"])).map_or(&[][..], Vec::as_slice);
            !receipts.iter().any(|data| {
                same_text(&data["request"], &text(&entry["request"]))
                    && same_text(&data["reply"], &text(&entry["reply"]))
            })
        })
        .collect();
    assert!(missing.is_empty(), "acknowledged and lost: {missing:#?}");
}

pub(crate) fn every_session_is_billed_once(csms: &TestCsms, ledger: &[Value], names: &[&str]) {
    let sessions: Vec<Value> = eventually_ok(|| {
        let sessions: Vec<Value> = names.iter().flat_map(|name| csms.sessions(name)).collect();
        let mut undecided = sessions.iter().filter(|session| session["outcome"].is_null());
        match undecided.next() {
            None => Ok(sessions),
            Some(first) => Err(format!("{} outcomes, such as of {first:#}", 1 + undecided.count())),
        }
    });
    let mut by_transaction = BTreeMap::new();
    for session in &sessions {
        let before = by_transaction.insert(number(&session["transaction_id"]), session);
        assert!(before.is_none(), "two sessions have one transaction id: {session:#}");
    }
    let billed = kind(ledger, "session");
    assert_eq!(sessions.len(), billed.len(), "sessions, and sessions that the fleet has charged");
    let mut invoices: BTreeMap<String, usize> = BTreeMap::new();
    for invoice in csms.invoices() {
        *invoices.entry(text(&invoice["session"])).or_default() += 1;
    }
    for entry in billed {
        let session = by_transaction[&number(&entry["transaction_id"])];
        let energy_wh = number(&entry["meter_stop"]) - number(&entry["meter_start"]);
        assert_eq!(session["station"], entry["station"]);
        assert_eq!(number(&session["energy_wh"]), energy_wh, "{session:#}");
        assert_eq!(session["outcome"], "invoiced", "{session:#}");
        assert_eq!(invoices.get(&text(&session["id"])), Some(&1), "{session:#}");
    }
}

/// Facts of one kind in one session stream, and receipts everywhere, have ids of their own.
pub(crate) fn no_fact_occurs_twice(csms: &TestCsms) {
    let mut ids = BTreeSet::new();
    let mut once_per_session = BTreeSet::new();
    for event in csms.events() {
        assert!(ids.insert(text(&event["id"])), "an id occurs twice: {event:#}");
        let kind = text(&event["type"]);
        if kind == "session.started" || kind == "session.stopped" {
            let key = (text(&event["stream"]), kind);
            assert!(once_per_session.insert(key), "a fact occurs twice: {event:#}");
        }
    }
}

fn kind<'a>(ledger: &'a [Value], kind: &str) -> Vec<&'a Value> {
    ledger.iter().filter(|entry| entry["kind"] == kind).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
