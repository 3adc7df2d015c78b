//! A driver charges, the session is invoiced, an auditor proves the invoice offline.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::harness::{ChargePoint, TestCsms, is_long_run};
use crate::messages::{
    TAG, after, an_hour_ago, begin, boot, csms_with_station, end, invoice_of, meter, only_session,
    same_text, status,
};

/// How many positions of a bundle the tamper test flips.
const FLIPS: usize = 60;
const FLIPS_LONG: usize = 2_000;

/// Largest file that a failing export may write, and what `ulimit` counts it in.
const FILE_BYTES_MAX: usize = 4_096;
const FILE_BLOCK_BYTES: usize = 512;

/// One session of 10 kWh at connector 1, every message a well-behaved charge point sends.
fn charge_ten_kwh(csms: &TestCsms) -> ChargePoint {
    let mut station = ChargePoint::connected(csms, "CP-1");
    let booted = station.call("BootNotification", boot());
    assert_eq!(booted["status"], "Accepted");
    for connector in 0..=1 {
        station.call("StatusNotification", status(connector, "Available"));
    }
    station.call("Heartbeat", json!({}));
    let authorized = station.call("Authorize", json!({ "idTag": TAG }));
    assert_eq!(authorized["idTagInfo"]["status"], "Accepted");

    let begun = an_hour_ago();
    station.call("StatusNotification", status(1, "Preparing"));
    let transaction = begin(&mut station, 1_000, begun);
    station.call("StatusNotification", status(1, "Charging"));
    for (minutes, register_wh) in [(10, 3_500), (20, 6_000), (30, 8_500)] {
        station.call("MeterValues", meter(1, transaction, register_wh, &after(begun, minutes)));
    }
    station.call("StatusNotification", status(1, "Finishing"));
    end(&mut station, transaction, 11_000, &after(begun, 40));
    station
}

#[test]
fn a_session_becomes_one_exact_invoice() {
    let csms = csms_with_station("CP-1");
    charge_ten_kwh(&csms);

    let session = only_session(&csms, "CP-1");
    assert_eq!(session["station"], "CP-1");
    assert_eq!(session["connector"], 1);
    assert_eq!(session["stop_reason"], "Local");
    assert_eq!(session["currency"], "EUR");
    let invoice = invoice_of(&csms, &session, 10_000);
    // 10 kWh at 0.50 net; 19 % VAT on the sum.
    assert_eq!(invoice["totals"]["net"], "5.00", "{invoice:#}");
    assert_eq!(invoice["totals"]["vat"], "0.95", "{invoice:#}");
    assert_eq!(invoice["totals"]["gross"], "5.95", "{invoice:#}");
}

#[test]
fn a_session_of_1_6_that_gives_energy_back_is_billed_for_what_it_took() {
    let csms = csms_with_station("CP-1");
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    let begun = an_hour_ago();
    let transaction = begin(&mut station, 1_000, begun);
    for (minutes, taken_wh, given_kwh) in [(10, 3_500, "7.5"), (20, 6_000, "9")] {
        let mut values = meter(1, transaction, taken_wh, &after(begun, minutes));
        let exported = json!({ "value": given_kwh, "context": "Sample.Periodic",
            "measurand": "Energy.Active.Export.Register", "unit": "kWh" });
        let sampled = values["meterValue"][0]["sampledValue"].as_array_mut().expect("a list");
        sampled.insert(0, exported);
        station.call("MeterValues", values);
    }
    end(&mut station, transaction, 11_000, &after(begun, 40));
    let session = only_session(&csms, "CP-1");
    assert_eq!(session["exported_wh"], 1_500, "{session:#}");
    assert_eq!(invoice_of(&csms, &session, 10_000)["totals"]["net"], "5.00");
    let verified = verify(&csms, &export_bundle(&csms));
    assert!(verified.status.success(), "{verified:?}");
}

#[test]
fn every_frame_is_in_the_log_verbatim() {
    let csms = csms_with_station("CP-1");
    let mut station = charge_ten_kwh(&csms);

    let exchanges = csms.exchanges();
    let frames = station.frames();
    let calls: Vec<&Value> = frames.iter().filter(|frame| frame["direction"] == "sent").collect();
    assert_eq!(exchanges.len(), calls.len(), "{exchanges:#?}");
    for (call, exchange) in calls.iter().zip(&exchanges) {
        let sent = call["text"].as_str().expect("a text");
        let message: Value = serde_json::from_str(sent).expect("a frame");
        let answer = frames.iter().find(|frame| {
            let text = frame["text"].as_str().expect("a text");
            let answer: Value = serde_json::from_str(text).expect("a frame");
            frame["direction"] == "received" && answer[1] == message[1]
        });
        let received = answer.expect("an answer")["text"].as_str().expect("a text");
        let data = &exchange["data"];
        assert!(same_text(&data["request"], sent), "{sent} became {data:#}");
        assert!(same_text(&data["reply"], received), "{received} became {data:#}");
        assert_eq!(data["message_id"], message[1]);
        assert_eq!(data["action"], message[2]);
    }
}

#[test]
fn an_auditor_proves_the_invoice_while_the_server_runs() {
    let csms = csms_with_station("CP-1");
    charge_ten_kwh(&csms);
    let bundle = export_bundle(&csms);

    let verified = verify(&csms, &bundle);
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success(), "{verified:?}");
    let session = only_session(&csms, "CP-1");
    let number = invoice_of(&csms, &session, 10_000)["number"].as_str().expect("text").to_owned();
    assert!(said.contains(&number), "{said}");
    assert!(said.contains("5.95"), "{said}");
}

/// For programs: the verdict as JSON, and the exit code as ever.
#[test]
fn an_auditors_program_reads_the_verdict_as_json() {
    let csms = csms_with_station("CP-1");
    charge_ten_kwh(&csms);
    let bundle = export_bundle(&csms);
    let read = |more: &[&str]| {
        let verified = csms.run(&[&["audit", "verify", "--json"], more].concat());
        let report = serde_json::from_slice::<Value>(&verified.stdout).ok();
        (verified.status.code(), report, String::from_utf8_lossy(&verified.stderr).into_owned())
    };
    let (code, report, said) = read(&[path(&bundle)]);
    let report = report.expect("one JSON object");
    assert_eq!((code, &report["verdict"], &*said), (Some(0), &json!("proven"), ""));
    assert_eq!(report["invoice"]["total_gross_minor"], 595);
    assert_eq!(report["findings"][0]["kind"], "key_not_pinned");

    let changed = csms.scratch().join("changed.json");
    for text in [&b"{}"[..], b"\xff"] {
        std::fs::write(&changed, text).expect("a file");
        let (code, report, said) = read(&[path(&changed)]);
        assert_eq!(report.expect("one JSON object")["verdict"], "not_proven");
        assert!(code == Some(1) && said.contains("NOT PROVEN"), "{code:?}: {said}");
    }
    // A mistake in the command says nothing about the bundle.
    let (code, report, _) = read(&[path(&bundle), "--key", "abc"]);
    assert_eq!((code, report), (Some(1), None));
}

#[test]
fn a_bundle_with_any_byte_changed_is_refused() {
    let csms = csms_with_station("CP-1");
    charge_ten_kwh(&csms);
    let bundle = export_bundle(&csms);
    let bytes = std::fs::read(&bundle).expect("the bundle");

    let changed = csms.scratch().join("changed.json");
    let flips = if is_long_run() { FLIPS_LONG } else { FLIPS };
    for flip in 0..flips {
        let position = flip * (bytes.len() - 1) / (flips - 1);
        let mut copy = bytes.clone();
        copy[position] ^= 1;
        std::fs::write(&changed, &copy).expect("a changed copy");
        let verified = verify(&csms, &changed);
        assert!(!verified.status.success(), "byte {position} changed and nobody noticed");
        assert!(!verified.stderr.is_empty(), "byte {position}: refused without a word");
    }
}

/// The bundle is larger than a file may be: what was written of it is taken away again, and the
/// bundle of before is still there.
#[test]
fn an_export_that_fails_half_way_leaves_nothing_behind() {
    let csms = csms_with_station("CP-1");
    charge_ten_kwh(&csms);
    let bundle = export_bundle(&csms);
    let before = std::fs::read(&bundle).expect("the bundle");
    assert!(before.len() > 2 * FILE_BYTES_MAX, "{}", before.len());
    let session = only_session(&csms, "CP-1");
    let invoice = invoice_of(&csms, &session, 10_000);
    let number = invoice["number"].as_str().expect("an invoice number");
    let blocks = FILE_BYTES_MAX / FILE_BLOCK_BYTES;
    let export = format!(
        "trap '' XFSZ; ulimit -f {blocks}; \
         exec \"$0\" audit export --data \"$1\" --invoice \"$2\" -o \"$3\""
    );
    let known = bundle.file_name().and_then(|name| name.to_str()).expect("a name");
    for name in [known, "new.json"] {
        let output = csms.scratch().join(name);
        let failed = std::process::Command::new("sh")
            .args(["-c", &export, env!("CARGO_BIN_EXE_chargebook")])
            .args([path(&csms.data()), number, path(&output)])
            .output()
            .expect("a shell");
        let said = String::from_utf8_lossy(&failed.stderr).into_owned();
        assert_eq!((failed.status.success(), said.lines().count()), (false, 1), "{said}");
        assert!(said.contains(name), "{said}");
    }
    let left: Vec<_> = std::fs::read_dir(csms.scratch())
        .expect("the folder")
        .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
        .filter(|name| name.contains("new.json") || name.ends_with(".part"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(std::fs::read(&bundle).expect("the bundle"), before);
}

#[test]
fn a_log_that_has_lived_a_session_verifies() {
    let mut csms = csms_with_station("CP-1");
    charge_ten_kwh(&csms);
    only_session(&csms, "CP-1");
    assert!(csms.terminate().success());
    let data = csms.data();
    let verified = csms.run(&["log", "verify", "--data", path(&data)]);
    assert!(verified.status.success(), "{verified:?}");
}

pub(crate) fn export_bundle(csms: &TestCsms) -> PathBuf {
    let session = only_session(csms, "CP-1");
    let invoice = invoice_of(csms, &session, 10_000);
    export_invoice(csms, &invoice)
}

/// Exports the proof of one invoice, into a file named after it.
pub(crate) fn export_invoice(csms: &TestCsms, invoice: &Value) -> PathBuf {
    let number = invoice["number"].as_str().expect("an invoice number");
    let bundle = csms.scratch().join(format!("{number}.json"));
    let data = csms.data();
    let exported = csms.run(&[
        "audit",
        "export",
        "--data",
        path(&data),
        "--invoice",
        number,
        "-o",
        path(&bundle),
    ]);
    assert!(exported.status.success(), "{exported:?}");
    bundle
}

pub(crate) fn verify(csms: &TestCsms, bundle: &Path) -> Output {
    csms.run(&["audit", "verify", path(bundle)])
}

/// Exports an invoice's proof and verifies it, offline.
#[track_caller]
pub(crate) fn assert_proven(csms: &TestCsms, invoice: &Value) {
    let verified = verify(csms, &export_invoice(csms, invoice));
    assert!(verified.status.success(), "{verified:?}");
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(said.contains("PROVEN"), "{said}");
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}
