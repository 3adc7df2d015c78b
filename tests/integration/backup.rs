//! A backup made beside a running server: it verifies, and a server goes on from it.

use std::path::Path;

use crate::harness::{ChargePoint, eventually};
use crate::messages::{after, an_hour_ago, begin, boot, csms_with_station, end, meter};

fn copy(from: &Path, to: &Path, name: &str) {
    std::fs::copy(from.join(name), to.join(name)).expect("copied");
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        match path.is_dir() {
            true => copy_folder(&path, &target),
            false => drop(std::fs::copy(&path, &target).expect("copied")),
        }
    }
}

#[test]
fn a_backup_beside_a_running_server_verifies_and_a_server_goes_on_from_it() {
    let mut csms = csms_with_station("CP-1");
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    let begun = an_hour_ago();
    let transaction = begin(&mut station, 1_000, begun);
    let events_before = csms.events();

    let data = csms.data();
    eventually("a signed checkpoint", || data.join("tree/checkpoint").exists().then_some(()));
    let restored = csms.scratch().join("restored");
    copy_folder(&data.join("tree"), &restored.join("tree"));
    let target = restored.join("log.db");
    let data = data.to_str().expect("UTF-8").to_owned();
    let arguments = ["log", "backup", target.to_str().expect("UTF-8"), "--data", &data];
    let made = csms.run(&arguments);
    assert!(made.status.success(), "{made:?}");
    station.call("MeterValues", meter(1, transaction, 3_500, &after(begun, 10)));
    assert!(csms.terminate().success());
    copy(Path::new(&data), &restored, "keys.db");
    let place = ["log", "verify", "--data", restored.to_str().expect("UTF-8")];
    let verified = csms.run(&place);
    assert!(verified.status.success(), "{verified:?}");

    std::fs::remove_dir_all(&data).expect("lost");
    std::fs::rename(&restored, &data).expect("put in its place");
    csms.restart();
    let events = csms.events();
    assert_eq!(events[..events_before.len()], events_before[..], "it is the log up to a moment");
    station.connect(&csms);
    end(&mut station, transaction, 11_000, &after(begun, 40));
}
