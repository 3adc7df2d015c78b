//! The log in KurrentDB: the same server, the same bills, the same proofs. KurrentDB is stood in
//! for by a server that speaks its protocol; what that does not show is in docs/engines.md.

use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicU64, Ordering};

use chargebook_kurrentdb_stand_in::{Fault, StandIn, Step};
use tokio::runtime::Runtime;

use crate::harness::{ADMIN_TOKEN, ChargePoint, Settings, TestCsms};
use crate::messages::{
    after, an_hour_ago, begin, billed_through_a_kill, boot, csms_with_station, end, invoice_of,
    only_session, prepare,
};

/// Simulated stations, and for how long they are at work.
const FLEET: [&str; 4] = ["--stations", "12", "--duration", "8"];

/// The stand-in with a runtime of its own.
struct Cluster {
    server: StandIn,
    _runtime: Runtime,
}

impl Cluster {
    fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let server = runtime.block_on(StandIn::start()).expect("it starts");
        Self { server, _runtime: runtime }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn verified(csms: &TestCsms, log: &str) {
    let data = csms.data();
    let verified = csms.run(&["log", "verify", "--store", log, "--data", text(&data)]);
    assert!(succeeded(&verified).starts_with("OK: the log is what was signed\n"), "{verified:?}");
}

#[test]
fn a_session_lives_through_a_kill_and_is_billed_and_proven() {
    let cluster = Cluster::start();
    let log = cluster.server.address();
    let arguments = vec!["--store".to_owned(), log.clone()];
    let mut csms = TestCsms::start_with(Settings { arguments, ..Settings::default() });
    prepare(&csms, &["CP-1"]);
    let invoice = billed_through_a_kill(&mut csms);

    assert!(!csms.data().join("log.db").exists(), "the log is elsewhere");
    verified(&csms, &log);
    let data = csms.data();
    let place = ["--store", log.as_str(), "--data", text(&data)];
    let rebuilt = csms.run(&[&["projections", "rebuild"][..], &place].concat());
    assert!(succeeded(&rebuilt).contains("equal to the live one"), "{rebuilt:?}");
    let number = invoice["number"].as_str().expect("a number");
    let bundle = csms.scratch().join("bundle.json");
    let export = ["audit", "export", "--invoice", number, "--output", text(&bundle)];
    succeeded(&csms.run(&[&export[..], &place].concat()));
    let proven = succeeded(&csms.run(&["audit", "verify", text(&bundle)]));
    assert!(proven.contains("PROVEN"), "{proven}");
}

#[test]
fn a_fleet_is_served_while_the_connection_fails_now_and_then() {
    let cluster = Cluster::start();
    let steps = AtomicU64::new(0);
    cluster.server.plan_faults(move |step| {
        let count = steps.fetch_add(1, Ordering::Relaxed);
        match (step, count % 101) {
            (Step::Append, 7) => Some(Fault::Dropped { written: true }),
            (Step::Append, 29) => Some(Fault::TimedOut { written: false }),
            (Step::Append, 53) => Some(Fault::NotLeader),
            (Step::Delivery, 71) => Some(Fault::Dropped { written: false }),
            (Step::Delivery, 89) => Some(Fault::Ended),
            _ => None,
        }
    });
    let log = cluster.server.address();
    let arguments = vec!["--store".to_owned(), log.clone()];
    let mut csms = TestCsms::start_with(Settings { arguments, ..Settings::default() });
    csms.set_energy_price("0.49");
    let (ocpp, http) = (csms.ocpp_url(), format!("http://{}", csms.http_address()));
    let doors = ["--url", ocpp.trim_end_matches('/'), "--api", &http, "--token", ADMIN_TOKEN];
    let fleet = ["simulate", "--password", "a fleet's own password"];
    let simulated = csms.run(&[&fleet[..], &FLEET, &doors].concat());
    succeeded(&simulated);
    assert!(csms.events().len() > 100, "there was no load");
    assert!(csms.terminate().success());
    cluster.server.heal();
    verified(&csms, &log);
}

#[test]
fn a_log_moves_to_kurrentdb_and_the_server_goes_on_there() {
    let cluster = Cluster::start();
    let log = cluster.server.address();
    let mut csms = csms_with_station("CP-1");
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    let begun = an_hour_ago();
    let transaction = begin(&mut station, 1_000, begun);
    let data = csms.data();
    let events_before = csms.events();
    assert!(csms.terminate().success());
    let copy = ["log", "copy", "--from", "sqlite:", "--to", &log, "--data", text(&data)];
    assert!(succeeded(&csms.run(&copy)).contains("the same on both sides"));
    let again = succeeded(&csms.run(&copy));
    assert!(again.contains("were there already"), "{again}");

    csms.restart_with(&["--store", &log]);
    let ids = |events: &[serde_json::Value]| -> Vec<serde_json::Value> {
        events.iter().map(|event| event["id"].clone()).collect()
    };
    let events = csms.events();
    assert_eq!(ids(&events[..events_before.len()]), ids(&events_before), "the log has changed");
    // Its transaction is found by a key that was copied with the events.
    station.connect(&csms);
    end(&mut station, transaction, 11_000, &after(begun, 40));
    invoice_of(&csms, &only_session(&csms, "CP-1"), 10_000);
    assert!(csms.terminate().success());
    verified(&csms, &log);
}
