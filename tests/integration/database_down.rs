//! The database of the log falls silent, or is down, under load: nobody is acknowledged meanwhile,
//! memory stays bounded, and afterwards everything is caught up with.

use std::time::Duration;

use crate::harness::{
    Database, Relay, Settings, TestCsms, eventually, is_long_run, new_postgres_log,
};
use crate::kill_under_load::{
    every_acknowledgement_is_in_the_log, every_session_is_billed_once, lines, no_fact_occurs_twice,
    read_ledger, start_fleet,
};
use crate::messages::prepare;

const STATIONS: usize = 6;
/// How long the database is away.
const AWAY: Duration = Duration::from_secs(6);
/// Longer than anybody who tries again a number of times has patience for.
const AWAY_LONG: Duration = Duration::from_secs(150);
/// What was on its way when it went is answered within this.
const ON_THE_WAY: Duration = Duration::from_secs(1);
/// What the server may grow by meanwhile. Each station waits with one message.
const GROWTH_KIB_MAX: u64 = 64 * 1024;
/// Messages before the database goes, and after it has come back.
const MESSAGES: usize = 30;

#[test]
fn a_silent_database_acknowledges_nothing_and_is_caught_up_with() {
    away_for_a_while(Database::Silent);
}

#[test]
fn a_database_that_is_down_acknowledges_nothing_and_is_caught_up_with() {
    away_for_a_while(Database::Down);
}

fn away_for_a_while(state: Database) {
    let log = new_postgres_log();
    let (before, rest) = log.split_once('@').expect("a user");
    let (server, database) = rest.split_once('/').expect("a database");
    let relay = Relay::before(server);
    let store = format!("{before}@{}/{database}", relay.address());
    let arguments = vec!["--store".to_owned(), store];
    let mut csms = TestCsms::start_with(Settings { arguments, ..Settings::default() });
    let names: Vec<String> = (1..=STATIONS).map(|station| format!("LOAD-{station}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    prepare(&csms, &names);
    let ledger_path = csms.scratch().join("ledger.jsonl");
    let mut fleet = start_fleet(&csms, &ledger_path, &names);
    eventually("load", || (lines(&ledger_path) > MESSAGES).then_some(()));

    relay.turn(state);
    std::thread::sleep(ON_THE_WAY);
    let acknowledged = lines(&ledger_path);
    let memory_kib = csms.memory_kib();
    std::thread::sleep(if is_long_run() { AWAY_LONG } else { AWAY });
    assert_eq!(lines(&ledger_path), acknowledged, "acknowledged without a database");
    let grown_kib = csms.memory_kib().saturating_sub(memory_kib);
    assert!(grown_kib < GROWTH_KIB_MAX, "grown by {grown_kib} KiB");
    csms.get("/v1/stations").expect(200);

    relay.turn(Database::Up);
    eventually("load again", || (lines(&ledger_path) > acknowledged + MESSAGES).then_some(()));
    drop(fleet.stdin.take());
    let ended = eventually("the fleet's end", || fleet.try_wait().expect("a status"));
    assert!(ended.success(), "{ended}");
    let ledger = read_ledger(&ledger_path);
    every_acknowledgement_is_in_the_log(&csms, &ledger);
    every_session_is_billed_once(&csms, &ledger, &names);
    no_fact_occurs_twice(&csms);
    assert!(csms.terminate().success());
}
