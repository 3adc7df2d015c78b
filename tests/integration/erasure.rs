//! A person is forgotten: whatever stations, operators and the person have said of them can be read
//! by nobody, nowhere; what was billed stays and verifies.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};

use crate::full_session::{export_invoice, verify};
use crate::harness::{ChargePoint, TestCsms, eventually};
use crate::messages::{
    TAG, after, an_hour_ago, begin, boot, boot_2x, end, finished_sessions, invoice_of, only_session,
};
use crate::ocpp_2x_session::charge_ten_kwh;

const NAME: &str = "Friederike Mustermann";
const E_MAIL: &str = "friederike@example.org";
const CONTRACT: &str = "DE-8AA-C12345678-X";
/// Somebody whose data stay.
const OTHER: &str = "0BADCAFE";

const SECRETS: [&str; 6] = [TAG, NAME, E_MAIL, CONTRACT, "Mustermann", "friederike"];

/// Asks in OCPP's words and waits for the answer.
#[track_caller]
fn ask(csms: &TestCsms, station: &str, action: &str, payload: &Value) -> Value {
    let path = format!("/v1/stations/{station}/ocpp/{action}");
    csms.send("POST", &path, &[("Prefer", "wait=20")], &payload.to_string()).expect(200).json()
}

fn started(csms: &TestCsms) {
    csms.set_energy_price("0.50");
    csms.post("/v1/drivers", &json!({ "id": "ada", "name": NAME, "email": E_MAIL })).expect(201);
    let token = json!({ "uid": TAG, "type": "RFID", "driver": "ada" });
    csms.post("/v1/tokens", &token).expect(201);
    csms.add_token(OTHER);
    for station in ["CP-1", "CP-2", "CP-3"] {
        csms.add_station(station);
    }
}

/// All that a 1.6 station and its operator say of somebody.
fn said_in_16(csms: &TestCsms) -> ChargePoint {
    let mut station = ChargePoint::connected(csms, "CP-1");
    station.call("BootNotification", boot());
    station.call("Authorize", json!({ "idTag": TAG }));
    for action in ["RemoteStartTransaction", "SendLocalList"] {
        station.will_answer(action, json!({ "status": "Accepted" }));
    }
    let list = json!({ "listVersion": 3, "updateType": "Full", "localAuthorizationList": [
        { "idTag": TAG, "idTagInfo": { "status": "Accepted" } },
        { "idTag": OTHER, "idTagInfo": { "status": "Accepted" } } ] });
    ask(csms, "CP-1", "SendLocalList", &list);
    ask(csms, "CP-1", "RemoteStartTransaction", &json!({ "connectorId": 1, "idTag": TAG }));
    let begun = an_hour_ago();
    let transaction = begin(&mut station, 1_000, begun);
    for data in [
        format!("card {TAG} of {NAME}"),
        json!({ "contract": CONTRACT, "by": { "mail": E_MAIL } }).to_string(),
        format!("nobody but {OTHER}"),
    ] {
        let transfer = json!({ "vendorId": "org.example", "data": data });
        station.call("DataTransfer", transfer);
    }
    end(&mut station, transaction, 11_000, &after(begun, 40));
    station
}

/// Messages that are refused, and kept as they came.
fn said_wrongly(csms: &TestCsms) {
    let mut station = ChargePoint::new("CP-3");
    station.connect_raw(csms);
    station.send_text(&format!(r#"[2,"1","Authorize",{{"idTag":"{TAG}","idTags":17"#));
    for frame in [
        format!(r#"[2,"2","Authorize",{{"idTag":"{TAG}","by":["{NAME}"]}}]"#),
        format!(r#"[2,"3","Authorise",{{"who":"{NAME}"}}]"#),
        format!(r#"[2,"4","StartTransaction",{{"idTag":"{TAG}","meterStart":"{E_MAIL}"}}]"#),
    ] {
        station.exchange(&frame);
    }
}

fn said_in_2x(csms: &TestCsms) {
    let mut station = ChargePoint::new("CP-2");
    station.connect_as(csms, "ocpp2.0.1");
    station.call("BootNotification", boot_2x());
    charge_ten_kwh(&mut station);
    station.will_answer("CustomerInformation", json!({ "status": "Accepted" }));
    let wanted = json!({ "requestId": 1, "report": true, "clear": false,
        "idToken": { "idToken": TAG, "type": "ISO14443" } });
    ask(csms, "CP-2", "CustomerInformation", &wanted);
    let told = json!({ "requestId": 1, "seqNo": 0, "generatedAt": after(an_hour_ago(), 50),
        "data": format!("{TAG}: {NAME}, {E_MAIL}, contract {CONTRACT}") });
    station.call("NotifyCustomerInformation", told);
}

fn erase(csms: &TestCsms) -> Value {
    let body = json!({ "words": [CONTRACT], "even_if_unsettled": true });
    let asked = csms.post("/v1/drivers/ada/erase", &body);
    assert!(matches!(asked.status, 200 | 202), "{asked:?}");
    completed(csms, &asked.json())
}

/// Waits for the end of an erasure, and gives it as it is then.
#[track_caller]
pub(crate) fn completed(csms: &TestCsms, erasure: &Value) -> Value {
    let path = format!("/v1/erasures/{}", erasure["erasure_id"].as_str().expect("an id"));
    eventually("the end of the erasure", || {
        let erasure = csms.get(&path).expect(200).json();
        (erasure["state"] == "completed").then_some(erasure)
    })
}

#[test]
fn a_forgotten_driver_is_nowhere_and_the_bills_stand() {
    let mut csms = TestCsms::start();
    let backup = csms.scratch().join("keys-backup.db");
    csms.terminate();
    csms.restart_with(&["--keys-backup", backup.to_str().expect("a UTF-8 path")]);
    started(&csms);
    let mut station = said_in_16(&csms);
    said_wrongly(&csms);
    said_in_2x(&csms);
    let session = only_session(&csms, "CP-1");
    let invoice = invoice_of(&csms, &session, 10_000);
    let other_session = finished_sessions(&csms, "CP-2", 1).remove(0);
    let other_invoice = invoice_of(&csms, &other_session, 10_000);
    let bundle = export_invoice(&csms, &invoice);
    // Before, all of it is to be had: the test would see it.
    let held = csms.get("/v1/drivers/ada/export").expect(200).json();
    let in_the_open = held.to_string();
    for secret in SECRETS {
        assert!(in_the_open.contains(secret), "{secret} is held, and was not exported");
        assert!(csms.events_text().contains(secret), "{secret} was never in the log");
    }
    assert!(!in_the_open.contains(&format!("nobody but {OTHER}")), "somebody else's");
    for (member, count) in [("tokens", 1), ("sessions", 2), ("invoices", 2)] {
        assert_eq!(held[member].as_array().map(Vec::len), Some(count), "{member}");
    }

    let erased = erase(&csms);
    assert!(erased["texts"].as_u64() >= Some(6), "{erased:#}");
    assert_eq!(erased["stations_not_told"], json!([]), "{erased:#}");
    let last = station.received_calls().pop().expect("a CALL");
    assert_eq!(last["action"], "SendLocalList");
    let off = json!({ "listVersion": 4, "updateType": "Differential",
        "localAuthorizationList": [{ "idTag": TAG }] });
    assert_eq!(last["payload"], off);
    drop(station);

    for _ in 0..2 {
        nobody_reads_them(&csms);
        assert!(csms.events_text().contains(&format!("nobody but {OTHER}")), "others stay");
        let session = only_session(&csms, "CP-1");
        assert!(session["token"].is_null(), "{session:#}");
        assert_eq!(invoice_of(&csms, &session, 10_000)["totals"], invoice["totals"]);
        let again = finished_sessions(&csms, "CP-2", 1).remove(0);
        assert_eq!(invoice_of(&csms, &again, 10_000)["totals"], other_invoice["totals"]);
        assert!(csms.terminate().success());
        assert_eq!(findings(&csms.data()), Vec::<String>::new());
        assert_eq!(findings_in(&backup), Vec::<String>::new());
        let data = csms.data();
        let data = data.to_str().expect("a UTF-8 path");
        for command in [["log", "verify"], ["projections", "rebuild"]] {
            let done = csms.run(&[command[0], command[1], "--data", data]);
            assert!(done.status.success(), "{done:?}");
        }
        assert!(verify(&csms, &bundle).status.success(), "a bundle from before");
        csms.restart();
    }
    let after = export_invoice(&csms, &invoice);
    assert!(verify(&csms, &after).status.success(), "a bundle from now");
}

/// Everything that the server opens for an operator.
fn nobody_reads_them(csms: &TestCsms) {
    let mut pages = vec![("events", csms.events_text())];
    for path in ["sessions", "tokens", "drivers", "invoices", "commands", "alerts", "reviews"] {
        let answer = csms.get(&format!("/v1/{path}"));
        pages.push((path, answer.text));
    }
    for (path, text) in pages {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in {path}: {text}");
        }
    }
    csms.get("/v1/drivers/ada").expect(200);
    csms.get(&format!("/v1/tokens/{TAG}")).expect(404);
}

#[test]
fn a_server_that_was_killed_goes_on_forgetting() {
    let mut csms = TestCsms::start();
    started(&csms);
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    let begun = an_hour_ago();
    let transaction = begin(&mut station, 1_000, begun);
    let asked = csms.post(&format!("/v1/tokens/{TAG}/erase"), &json!({})).expect(202).json();
    assert_eq!(asked["state"], "requested", "{asked:#}");
    assert_eq!(asked["waits_for"]["sessions"].as_array().map(Vec::len), Some(1), "{asked:#}");
    eventually("the token's being blocked", || {
        let token = csms.get(&format!("/v1/tokens/{TAG}")).expect(200).json();
        (token["status"] == "blocked").then_some(())
    });
    csms.kill9();
    csms.restart();
    station.connect(&csms);
    end(&mut station, transaction, 11_000, &after(begun, 40));
    let session = only_session(&csms, "CP-1");
    invoice_of(&csms, &session, 10_000);
    completed(&csms, &asked);
    assert!(only_session(&csms, "CP-1")["token"].is_null());
}

#[test]
fn a_person_is_exported_and_forgotten_from_the_command_line() {
    let mut csms = TestCsms::start();
    started(&csms);
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    station.call("Authorize", json!({ "idTag": "UNKNOWN-CARD" }));
    drop(station);
    let data = csms.data();
    let data = data.to_str().expect("a UTF-8 path");
    let run = |csms: &TestCsms, arguments: &[&str]| {
        let mut all = vec!["subject"];
        all.extend(arguments);
        all.extend(["--data", data]);
        let output = csms.run(&all);
        (output.status.success(), String::from_utf8(output.stdout).expect("UTF-8"))
    };
    let (is_done, held) = run(&csms, &["export", "--token", "UNKNOWN-CARD"]);
    assert!(is_done, "also beside a running server");
    assert!(held.contains("UNKNOWN-CARD"), "a card that nobody registered: {held}");
    let (is_done, _) = run(&csms, &["erase", "--driver", "ada"]);
    assert!(!is_done, "a running server does that itself");
    assert!(csms.terminate().success());

    for who in [["--driver", "ada"], ["--token", "UNKNOWN-CARD"]] {
        let (is_done, said) = run(&csms, &["erase", who[0], who[1], "--json"]);
        assert!(is_done, "{who:?}");
        let said: Value = serde_json::from_str(&said).expect("JSON");
        assert!(said["completed_at"].is_string(), "{said:#}");
    }
    let (is_done, held) = run(&csms, &["export", "--driver", "ada"]);
    assert!(is_done);
    for secret in SECRETS {
        assert!(!held.contains(secret), "{secret} in {held}");
    }
    let (is_done, listed) = run(&csms, &["erasures", "--json"]);
    assert!(is_done && listed.lines().count() == 2, "{listed}");
    let verified = csms.run(&["log", "verify", "--data", data]);
    assert!(verified.status.success(), "{verified:?}");
    csms.restart();
    csms.get(&format!("/v1/tokens/{TAG}")).expect(404);
}

#[test]
fn the_scan_finds_whatever_is_there_in_any_form() {
    let folder = tempfile::tempdir().expect("a folder");
    let utf_16 = |big: bool| {
        let bytes = TAG.encode_utf16().map(|unit| match big {
            true => unit.to_be_bytes(),
            false => unit.to_le_bytes(),
        });
        bytes.flatten().collect::<Vec<u8>>()
    };
    let long = |before: &str| STANDARD.encode(format!("{before}{TAG} and more")).into_bytes();
    for text in [
        TAG.as_bytes().to_vec(),
        TAG.to_lowercase().into_bytes(),
        hex::encode(TAG).into_bytes(),
        hex::encode_upper(TAG).into_bytes(),
        long(""),
        long("a"),
        long("ab"),
        utf_16(true),
        utf_16(false),
    ] {
        let file = folder.path().join("file");
        std::fs::write(&file, [b"before".as_slice(), &text, b"after"].concat()).expect("written");
        assert!(!findings(folder.path()).is_empty(), "{}", String::from_utf8_lossy(&text));
    }
}

/// Every place below the folder where one of the secrets can be read.
fn findings(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(findings(&path)),
            false => found.extend(findings_in(&path)),
        }
    }
    found
}

fn findings_in(path: &PathBuf) -> Vec<String> {
    let bytes = std::fs::read(path).expect("a file");
    let upper = bytes.to_ascii_uppercase();
    let mut found = Vec::new();
    for secret in SECRETS {
        for (form, needle, folds) in forms(secret) {
            let (hay, needle) = match folds {
                true => (&upper, needle.to_ascii_uppercase()),
                false => (&bytes, needle),
            };
            if hay.windows(needle.len()).any(|window| window == needle) {
                found.push(format!("{secret} as {form} in {}", path.display()));
            }
        }
    }
    found
}

/// How a text can lie in a file, and whether its case matters.
fn forms(secret: &str) -> Vec<(&'static str, Vec<u8>, bool)> {
    let mut forms = vec![
        ("text", secret.as_bytes().to_vec(), true),
        ("hexadecimal", hex::encode(secret).into_bytes(), true),
        ("UTF-16", secret.encode_utf16().flat_map(u16::to_le_bytes).collect(), true),
        ("UTF-16, big end first", secret.encode_utf16().flat_map(u16::to_be_bytes).collect(), true),
    ];
    // Base64 of a part of a longer text depends on where in a group of three it begins; what is
    // the same whatever stands around it is left of it.
    for offset in 0..3 {
        let padded = [vec![b' '; offset], secret.as_bytes().to_vec()].concat();
        let from = (offset * 8).div_ceil(6);
        let until = (padded.len() * 8) / 6;
        for (name, engine) in [("base64", &STANDARD), ("base64 for URLs", &URL_SAFE)] {
            let text = engine.encode(&padded);
            forms.push((name, text.as_bytes()[from..until].to_vec(), false));
        }
    }
    forms
}
