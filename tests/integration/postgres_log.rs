//! The log in PostgreSQL: the same server, the same bills, the same proofs.

use std::path::Path;
use std::process::Output;

use crate::harness::{ChargePoint, Settings, TestCsms, binary, chargebook, new_postgres_log};
use crate::messages::{
    after, an_hour_ago, begin, billed_through_a_kill, boot, csms_with_station, end, invoice_of,
    only_session, prepare,
};

fn csms_on(log: &str) -> TestCsms {
    let arguments = vec!["--store".to_owned(), log.to_owned()];
    let csms = TestCsms::start_with(Settings { arguments, ..Settings::default() });
    prepare(&csms, &["CP-1"]);
    csms
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_session_lives_through_a_kill_and_is_billed_and_proven() {
    let log = new_postgres_log();
    let mut csms = csms_on(&log);
    let invoice = billed_through_a_kill(&mut csms);

    let data = csms.data();
    assert!(!data.join("log.db").exists(), "the log is elsewhere");
    let place = ["--store", log.as_str(), "--data", text(&data)];
    let verified = csms.run(&[&["log", "verify"][..], &place].concat());
    assert!(succeeded(&verified).starts_with("OK: the log is what was signed\n"));
    let counted = succeeded(&csms.run(&[&["log", "stats", "--json"][..], &place].concat()));
    assert!(counted.contains("session session.started"), "{counted}");
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
fn a_log_moves_to_postgresql_and_the_server_goes_on_there() {
    let log = new_postgres_log();
    let mut csms = csms_with_station("CP-1");
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    let begun = an_hour_ago();
    let transaction = begin(&mut station, 1_000, begun);
    let data = csms.data();
    let copy = ["log", "copy", "--from", "sqlite:", "--to", &log, "--data", text(&data)];
    let refused = csms.run(&copy);
    assert!(!refused.status.success(), "a server writes to it");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is locked by"), "{refused:?}");
    let events_before = csms.events();
    assert!(csms.terminate().success());
    assert!(succeeded(&csms.run(&copy)).contains("the same on both sides"));
    let again = succeeded(&csms.run(&copy));
    assert!(again.contains("were there already"), "{again}");
    let (first, log) = (log, new_postgres_log());
    let onward = ["log", "copy", "--from", &first, "--to", &log, "--data", text(&data)];
    let moved = succeeded(&csms.run(&onward));
    assert!(moved.contains("the same on both sides"), "to another schema: {moved}");

    csms.restart_with(&["--store", &log]);
    assert_eq!(csms.events()[..events_before.len()], events_before[..], "the log has changed");
    // Its transaction is found by a key that was copied with the events.
    station.connect(&csms);
    end(&mut station, transaction, 11_000, &after(begun, 40));
    invoice_of(&csms, &only_session(&csms, "CP-1"), 10_000);
    assert!(csms.terminate().success());
    let verified = csms.run(&["log", "verify", "--store", &log, "--data", text(&data)]);
    assert!(succeeded(&verified).starts_with("OK: the log is what was signed\n"), "{verified:?}");
}

#[test]
fn a_server_without_the_keys_of_the_log_is_refused_and_makes_none() {
    let log = new_postgres_log();
    let mut csms = csms_on(&log);
    let scratch = csms.scratch().to_owned();
    let another = scratch.join("another");
    let doors = ["--ocpp", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    let serve = |data: &Path| {
        let arguments = ["serve", "--store", &log, "--data", text(data)];
        chargebook(&[&arguments[..], &doors].concat(), &scratch)
    };
    let copied = scratch.join("copied");
    std::fs::create_dir(&copied).expect("a folder");
    std::fs::copy(csms.data().join("keys.db"), copied.join("keys.db")).expect("copied");
    let second = serve(&copied);
    assert!(!second.status.success(), "two servers would work on one log");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("has a server already"), "{said}");
    let second = serve(&csms.data());
    assert!(!second.status.success(), "two servers would write one data folder");
    assert!(String::from_utf8_lossy(&second.stderr).contains("is locked by"), "{second:?}");

    assert!(csms.terminate().success());
    for _ in 0..2 {
        let refused = serve(&another);
        assert_eq!(refused.status.code(), Some(3), "{refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("keys.db"), "{refused:?}");
        assert!(!another.join("keys.db").exists(), "it made keys of its own");
    }
}

#[test]
fn an_address_that_leads_nowhere_is_told_without_its_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let serve = |store: &str| {
        let doors = ["--ocpp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", "data"];
        let output =
            chargebook(&[&["serve", "--store", store][..], &doors].concat(), folder.path());
        assert!(!output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("very-secret"), "{said}");
        said
    };
    let said = serve("postgres://writer:very-secret@127.0.0.1:1/charging");
    assert!(said.contains("cannot open the log in postgres://127.0.0.1:1/charging"), "{said}");
    let said = serve("mysql://127.0.0.1:2113");
    assert!(said.contains("`sqlite:`"), "{said}");
    let missing = new_postgres_log();
    let looked = chargebook(&["log", "verify", "--store", &missing], folder.path());
    let said = String::from_utf8_lossy(&looked.stderr).into_owned();
    assert!(said.contains("there is no log in postgres://"), "{said}");
}

#[test]
fn an_address_that_is_none_is_refused_without_its_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |arguments: &[&str], variable: Option<&str>| {
        let mut command = binary();
        command.args(arguments).current_dir(folder.path());
        if let Some(address) = variable {
            command.env("CHARGEBOOK_STORE", address);
        }
        let output = command.output().expect("the binary runs");
        assert!(!output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!said.contains("very-secret"), "{arguments:?}: {said}");
        said
    };
    for address in [
        "postgres://writer:very-secret@db.example:not-a-port/charging",
        "Postgres://writer:very-secret@db.example/charging",
        "writer:very-secret@db.example",
    ] {
        let option = check(&["serve", "--store", address], None);
        assert!(option.contains("--store"), "{option}");
        check(&["serve", &format!("--stroe={address}")], None);
        check(&["serve", address], None);
        check(&["serve"], Some(address));
        check(&["log", "verify", "--store", address], None);
        check(&["log", "verify"], Some(address));
        check(&["log", "copy", "--from", address, "--to", "sqlite:"], None);
        check(&["log", "copy", "--from", "sqlite:", "--to", address], None);
        for line in [format!("store = \"{address}\""), format!("store = \"{address}")] {
            let file = folder.path().join("settings.toml");
            std::fs::write(&file, format!("node = \"one\"\n{line}\n")).expect("written");
            check(&["serve", "--config", text(&file)], None);
        }
    }
    let broken = check(&["serve", "--config", "settings.toml"], None);
    assert!(broken.contains("line 2"), "{broken}");
}
