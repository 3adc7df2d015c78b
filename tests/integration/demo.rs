//! What a new user does first: `chargebook demo`, a look, an invoice, its proof, and Ctrl-C.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::{ADMIN_TOKEN, Http, binary, chargebook, eventually};

const DEMO_STATIONS: usize = 12;

/// A running demo; ends with the test.
struct Demo {
    process: Child,
    http: Http,
    /// What it said until it said how to end it.
    words: String,
}

impl Demo {
    fn start(folder: &Path, http: &str) -> Self {
        let mut process = binary()
            .args(["demo", "--ocpp", "127.0.0.1:0", "--http", http])
            .env("CHARGEBOOK_ADMIN_TOKEN", ADMIN_TOKEN)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut said = BufReader::new(process.stdout.take().expect("piped")).lines();
        let mut words = String::new();
        for line in said.by_ref() {
            words.push_str(&line.expect("a line"));
            words.push('\n');
            if words.contains("Ctrl-C") {
                break;
            }
        }
        std::thread::spawn(move || said.for_each(drop));
        let address = words.split_once("http://").and_then(|(_, rest)| rest.split_once('/'));
        let (address, _) = address.expect("an address that the demo tells");
        let http = Http::new(address, Some(ADMIN_TOKEN));
        Self { process, http, words }
    }

    /// As Ctrl-C does.
    fn interrupt(mut self) {
        let id = self.process.id().to_string();
        let asked = Command::new("kill").args(["-INT", &id]).status().expect("kill runs");
        assert!(asked.success());
        let ended = eventually("the demo's end", || self.process.try_wait().expect("a status"));
        assert!(ended.success(), "{ended}");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_new_user_sees_invoices_proves_one_and_goes_on_after_ctrl_c() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let demo = Demo::start(folder.path(), "127.0.0.1:0");
    assert_eq!(demo.http.list("/v1/stations").len(), DEMO_STATIONS);
    let invoices = demo.http.list("/v1/invoices");
    assert!(!invoices.is_empty(), "a new user finds invoices");
    eventually("a session that a person has to look at", || {
        let reviews = demo.http.list("/v1/reviews");
        reviews.iter().any(|review| review["reason"] == "refused_yet_charged").then_some(())
    });
    eventually("an alert", || {
        let alerts = demo.http.list("/v1/alerts");
        alerts.iter().any(|alert| alert["kind"] == "GroundFailure").then_some(())
    });
    eventually("a live session", || {
        let open = demo.http.list("/v1/sessions?open=true");
        open.iter().any(|session| session["energy_wh"] != "0").then_some(())
    });

    let number = text(&invoices[0]["number"]);
    let run = |arguments: &[&str]| {
        let output = chargebook(arguments, folder.path());
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    run(&["audit", "export", "--invoice", &number, "-o", "bundle.json"]);
    assert!(run(&["audit", "verify", "bundle.json"]).contains(&number));
    demo.interrupt();

    run(&["log", "verify"]);
    let other_program = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = other_program.local_addr().expect("an address").to_string();
    let again = Demo::start(folder.path(), &taken);
    assert!(again.words.contains(&format!("{taken} is taken")), "{}", again.words);
    let kept = again.http.list("/v1/invoices");
    assert!(invoices.iter().all(|invoice| kept.contains(invoice)), "invoices are for ever");
    again.interrupt();
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
