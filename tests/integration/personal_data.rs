//! Nobody finds a person in the data folder without the keys, and a forgotten person's bill stands.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::erasure::completed;
use crate::harness::{ChargePoint, TestCsms};
use crate::messages::{
    TAG, after, an_hour_ago, begin, boot, end, invoice_of, only_session, prepare, stop,
};

const NAME: &str = "Friederike Mustermann";
const E_MAIL: &str = "friederike@example.org";

fn charged() -> TestCsms {
    let csms = TestCsms::start();
    prepare(&csms, &["CP-1"]);
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    station.call("Authorize", json!({ "idTag": TAG }));
    let begun = an_hour_ago();
    let transaction = begin(&mut station, 1_000, begun);
    end(&mut station, transaction, 11_000, &after(begun, 40));
    only_session(&csms, "CP-1");
    csms
}

#[test]
fn no_tag_name_or_address_lies_in_plain_in_the_data_folder() {
    let mut csms = charged();
    csms.post("/v1/drivers", &json!({ "name": NAME, "email": E_MAIL })).expect(201);
    assert_eq!(findings(&csms.data()), Vec::<String>::new(), "while it runs");
    assert!(csms.terminate().success());
    assert_eq!(findings(&csms.data()), Vec::<String>::new(), "after it has ended");
}

/// Every place in the folder where something personal can be read.
fn findings(folder: &Path) -> Vec<String> {
    let base64 = "MDRBMUIyQzNENEU1RjY";
    let hex = "3034413142324333443445354636";
    let secrets = [TAG, NAME, E_MAIL, "Mustermann", "friederike", base64, hex];
    let files = files_below(folder);
    let names: Vec<_> = files.iter().filter_map(|path| path.file_name()).collect();
    for expected in ["log.db", "keys.db", "g000001.db"] {
        assert!(names.iter().any(|name| *name == expected), "no {expected} among {names:?}");
    }
    let mut found = Vec::new();
    for path in files {
        let bytes = std::fs::read(&path).expect("a file of the data folder");
        let read = secrets.iter().filter(|secret| contains(&bytes, secret.as_bytes()));
        found.extend(read.map(|secret| format!("{secret} in {}", path.display())));
    }
    found
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    let upper = part.to_ascii_uppercase();
    bytes.windows(part.len()).any(|window| window.to_ascii_uppercase() == upper)
}

#[test]
fn a_forgotten_subjects_bill_still_verifies() {
    let csms = charged();
    let session = only_session(&csms, "CP-1");
    assert_eq!(session["token"], TAG, "before, an operator may read it: {session:#}");
    let invoice = invoice_of(&csms, &session, 10_000);
    let number = invoice["number"].as_str().expect("a number").to_owned();
    let data = csms.data();
    let data = data.to_str().expect("a UTF-8 path");
    let before = export(&csms, data, &number, "before.json");

    let erased = csms.post(&format!("/v1/tokens/{TAG}/erase"), &json!({}));
    assert!(matches!(erased.status, 200 | 202), "{erased:?}");
    completed(&csms, &erased.json());
    let session = only_session(&csms, "CP-1");
    assert!(session["token"].is_null(), "{session:#}");
    assert_eq!(invoice_of(&csms, &session, 10_000)["totals"], invoice["totals"]);

    let after = export(&csms, data, &number, "after.json");
    for bundle in [before, after] {
        let verified = csms.run(&["audit", "verify", &bundle]);
        assert!(verified.status.success(), "{verified:?}");
    }
    let verified = csms.run(&["log", "verify", "--data", data]);
    assert!(verified.status.success(), "{verified:?}");
}

/// When the cable was out a station tells in a text of a text, and may say more there: that is
/// sealed, and the rest still proves the bill.
#[test]
fn a_bill_that_rests_on_a_message_with_a_name_in_it_verifies() {
    let csms = TestCsms::start();
    csms.set_prices(&[("ENERGY", "0.50"), ("PARKING_TIME", "6.00")]);
    csms.add_token(TAG);
    csms.add_station("CP-1");
    let change = json!({ "shows_cost": true, "quiet": true });
    csms.patch("/v1/stations/CP-1", &change).expect(200);
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    let begun = an_hour_ago();
    let transaction = begin(&mut station, 1_000, begun);
    station.call("StopTransaction", stop(transaction, TAG, 11_000, &after(begun, 40)));
    let data = json!({ "transactionId": transaction, "timestamp": after(begun, 50),
        "note": format!("\"{NAME}\" left"), NAME: 1, "seen": [{ "by": E_MAIL }] });
    let unplugged = json!({ "vendorId": "org.openchargealliance.costmsg",
        "messageId": "ConnectorUnplugged", "data": data.to_string() });
    assert_eq!(station.call("DataTransfer", unplugged)["status"], "Accepted");

    let invoice = invoice_of(&csms, &only_session(&csms, "CP-1"), 10_000);
    assert_eq!(invoice["totals"]["gross"], "7.14", "ten minutes of parking: {invoice:#}");
    assert_eq!(findings(&csms.data()), Vec::<String>::new());
    let number = invoice["number"].as_str().expect("a number");
    let data = csms.data();
    let bundle = export(&csms, data.to_str().expect("a UTF-8 path"), number, "bundle.json");
    let verified = csms.run(&["audit", "verify", &bundle]);
    assert!(verified.status.success(), "{verified:?}");
}

/// Exports an invoice's bundle and returns its path.
fn export(csms: &TestCsms, data: &str, number: &str, name: &str) -> String {
    let bundle = csms.scratch().join(name).to_str().expect("a UTF-8 path").to_owned();
    let exported =
        csms.run(&["audit", "export", "--data", data, "--invoice", number, "-o", &bundle]);
    assert!(exported.status.success(), "{exported:?}");
    bundle
}

#[test]
fn a_forgotten_token_may_not_charge() {
    let csms = charged();
    csms.post(&format!("/v1/tokens/{TAG}/erase"), &json!({}));
    let mut station = ChargePoint::connected(&csms, "CP-1");
    let answer = station.call("Authorize", json!({ "idTag": TAG }));
    assert_ne!(answer["idTagInfo"]["status"], "Accepted", "{answer}");
}
