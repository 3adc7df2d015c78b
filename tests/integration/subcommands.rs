//! What a subcommand says where it is used in a way that nobody planned.

use std::process::Stdio;

use crate::harness::{Settings, TestCsms, binary, chargebook, eventually};

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = binary()
        .args(["docs", "events"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn who_is_in_the_wrong_folder_is_told_how_to_name_the_right_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for arguments in [
        &["audit", "export", "--invoice", "INV-000001"][..],
        &["log", "stats"],
        &["log", "key"],
        &["log", "backup", "copy.db"],
        &["projections", "rebuild"],
    ] {
        let output = chargebook(arguments, folder.path());
        assert!(!output.status.success(), "{arguments:?}: {output:?}");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(said.contains("there is no"), "{arguments:?}: {said}");
        assert!(said.contains("--data DIR"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_key_that_is_none_is_told_both_forms_of_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("bundle.json"), "{}\n").expect("a file");
    let output = chargebook(&["audit", "verify", "bundle.json", "--key", "abc"], folder.path());
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(
        said,
        "chargebook: the key given: neither a key (`name+id+base64`) nor a fingerprint (64 \
         hexadecimal digits)\n"
    );
}

/// What a command says on standard error that fails in an empty folder.
#[track_caller]
fn refusal(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, content) in [("text", "nothing\n"), ("config.toml", CONFIG)] {
        std::fs::write(folder.path().join(name), content).expect("a file");
    }
    let output = chargebook(arguments, folder.path());
    assert!(!output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

const CONFIG: &str = "time-zone = \"UTC\"\nsettle-after = \"x\"\n";

const ANY_PORT: [&str; 4] = ["--ocpp", "127.0.0.1:0", "--http", "127.0.0.1:0"];

#[test]
fn a_mistake_names_what_it_is_about_and_what_would_do() {
    let fingerprint = "00".repeat(32);
    let serve = |more: &[&str]| refusal(&[&["serve"], more].concat());
    let with_port = |more: &[&str]| serve(&[&ANY_PORT[..], more].concat());
    let name = serve(&["--ocpp", "localhost:9200"]);
    assert!(name.contains("IP:PORT"), "{name}");
    let setting = serve(&["--config", "config.toml"]);
    assert!(setting.contains("line 2: `settle-after`: invalid type"), "{setting}");
    let swapped = with_port(&["--tls-certificate", "text", "--tls-key", "text"]);
    assert!(swapped.contains("--tls-certificate text: the server's certificate"), "{swapped}");
    let missing = with_port(&["--tls-certificate", "nofile", "--tls-key", "text"]);
    assert!(missing.contains("--tls-certificate: cannot read nofile"), "{missing}");
    let nowhere = refusal(&["log", "backup", "nowhere/log.db"]);
    assert!(nowhere.contains("there is no folder nowhere"), "{nowhere}");
    let unproven = refusal(&["audit", "verify", "text"]);
    assert!(unproven.starts_with("chargebook: NOT PROVEN: "), "{unproven}");
    for command in [&["check-proof", "text"][..], &["compare", "text", "text"], &["verify"]] {
        let said = refusal(&[&["log"], command, &["--key", &fingerprint]].concat());
        assert!(said.contains("the first line that `chargebook log key` prints"), "{said}");
    }
}

#[test]
fn a_busy_port_is_told_with_the_option_for_another() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = other.local_addr().expect("an address").to_string();
    for (busy, free) in [("--ocpp", "--http"), ("--http", "--ocpp")] {
        let said = refusal(&["serve", busy, &taken, free, "127.0.0.1:0"]);
        assert!(said.contains(&format!("choose another with {busy}")), "{said}");
    }
}

#[test]
fn a_log_filter_that_is_none_is_told() {
    let output = binary()
        .args(["log", "stats", "--data", "nowhere"])
        .env("CHARGEBOOK_LOG", "nonsense=x=y")
        .output()
        .expect("the binary runs");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(said.contains("CHARGEBOOK_LOG is no log filter"), "{said}");
}

#[test]
fn a_hangup_without_tls_ends_no_server() {
    let mut csms = TestCsms::start();
    csms.hang_up();
    eventually("a line about it", || {
        csms.log().iter().any(|line| line.contains("nothing to read again")).then_some(())
    });
    csms.get("/v1/stations").expect(200);
    assert!(csms.terminate().success());
}

#[test]
fn no_demo_is_written_into_a_real_log_and_who_goes_on_with_a_demo_is_told() {
    let demo = ["--origin".to_owned(), "chargebook.demo".to_owned()];
    let settings = Settings { arguments: demo.into(), ..Settings::default() };
    let mut csms = TestCsms::start_with(settings);
    let is_told = |csms: &TestCsms| {
        csms.log().iter().any(|line| line.contains("is that of `chargebook demo`"))
    };
    assert!(!is_told(&csms));
    assert!(csms.terminate().success());
    csms.restart_with(&[]);
    eventually("a line about it", || is_told(&csms).then_some(()));
    let mut csms = TestCsms::start();
    assert!(csms.terminate().success());
    let data = csms.data();
    let folder = ["--data", data.to_str().expect("a plain path")];
    let output = csms.run(&[&["demo"], &folder[..], &ANY_PORT].concat());
    assert!(!output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(told.contains("is not that of `chargebook demo`"), "{told}");
    assert!(told.contains("--data DIR"), "{told}");
}
