//! What a subcommand says where it is used in a way that nobody planned.

use std::process::Stdio;

use crate::harness::{binary, chargebook};

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
