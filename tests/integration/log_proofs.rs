//! What the log's subcommands prove, for its operator and for those who hold only files.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::harness::{ADMIN_TOKEN, TestCsms, eventually, python};

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[track_caller]
fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn json_of(output: &Output) -> Value {
    serde_json::from_str(&succeeded(output)).expect("JSON")
}

/// The keys of a log that nobody has open, with what SQLite keeps beside them.
fn copy_keys(from: &Path, to: &Path) {
    for file in ["keys.db", "keys.db-wal"] {
        if from.join(file).exists() {
            std::fs::copy(from.join(file), to.join(file)).expect("copied");
        }
    }
}

#[test]
fn a_log_moves_through_a_file_and_the_server_goes_on_with_it() {
    let mut csms = TestCsms::start();
    csms.add_station("CP-1");
    csms.add_token("SECRET-TAG");
    let events = csms.events();
    let data = csms.data();
    let file = csms.scratch().join("log.jsonl");
    // Beside the running server, and again when it has ended.
    let exported = csms.run(&["log", "export", text(&file), "--data", text(&data), "--json"]);
    let exported = json_of(&exported);
    assert!(exported["events"].as_u64() >= Some(events.len() as u64), "{exported}");
    assert!(csms.terminate().success());
    let said = succeeded(&csms.run(&["log", "export", text(&file), "--data", text(&data)]));
    assert!(said.contains("no key is"), "{said}");
    let content = std::fs::read_to_string(&file).expect("the file");
    assert!(!content.contains("SECRET-TAG"), "personal data is sealed");
    // Beside the events, a first line and a last one.
    let count = content.lines().count() - 2;
    let piped = csms.run(&["log", "export", "-", "--data", text(&data)]);
    assert_eq!(succeeded(&piped), content);

    // Somebody who holds the file alone.
    let key = exported["fingerprint"].as_str().expect("a fingerprint");
    let check = ["log", "import", text(&file), "--verify-only", "--key"];
    let checked = succeeded(&csms.run(&[&check[..], &[key]].concat()));
    assert!(checked.contains("as given"), "{checked}");
    let other = refused(&csms.run(&[&check[..], &["00".repeat(32).as_str()]].concat()));
    assert!(other.contains("signed with another key"), "{other}");

    let moved = csms.scratch().join("moved");
    std::fs::create_dir(&moved).expect("a folder");
    let import = ["log", "import", text(&file), "--data", text(&moved)];
    let said = succeeded(&csms.run(&import));
    assert!(said.contains("keys.db"), "{said}");
    copy_keys(&data, &moved);
    let again = json_of(&csms.run(&[&import[..], &["--json"]].concat()));
    assert_eq!((again["found"].clone(), again["keys"].clone()), (count.into(), true.into()));

    // A server does not go on with a part of it.
    std::fs::remove_file(moved.join("log.db")).expect("removed");
    let doors = ["--ocpp", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    let serve = [&["serve", "--data", text(&moved)][..], &doors].concat();
    let partial = refused(&csms.run(&serve));
    assert!(partial.contains("events that were sealed are missing"), "{partial}");
    std::fs::remove_file(moved.join("log.db")).expect("removed");
    succeeded(&csms.run(&import));

    std::fs::rename(&data, csms.scratch().join("first")).expect("renamed");
    std::fs::rename(&moved, &data).expect("renamed");
    csms.restart();
    assert_eq!(csms.events()[..events.len()], events[..]);
    csms.get("/v1/tokens/SECRET-TAG").expect(200);
    csms.add_token("LATER-TAG");
    assert!(csms.terminate().success());
    let verified = csms.run(&["log", "verify", "--data", text(&data)]);
    assert!(succeeded(&verified).starts_with("OK: the log is what was signed\n"), "{verified:?}");

    // It is not laid over the log that has gone on, and not beside another log's keys.
    let over = refused(&csms.run(&["log", "import", text(&file), "--data", text(&data)]));
    assert!(over.contains("import into an empty folder"), "{over}");
    let first = csms.scratch().join("beside");
    std::fs::create_dir(&first).expect("a folder");
    let mut another = TestCsms::start();
    another.add_token("OTHER-TAG");
    assert!(another.terminate().success());
    copy_keys(&another.data(), &first);
    let beside = refused(&csms.run(&["log", "import", text(&file), "--data", text(&first)]));
    assert!(beside.contains("has the keys of the log"), "{beside}");

    // Another log's events alone: refused before the file's checkpoint is laid beside them.
    let alone = csms.scratch().join("alone");
    let other = csms.scratch().join("other.jsonl");
    let place = another.data();
    succeeded(&csms.run(&["log", "export", text(&other), "--data", text(&place)]));
    succeeded(&csms.run(&["log", "import", text(&other), "--data", text(&alone)]));
    std::fs::remove_dir_all(alone.join("tree")).expect("removed");
    let mixed = refused(&csms.run(&["log", "import", text(&file), "--data", text(&alone)]));
    assert!(mixed.contains("the target is not empty"), "{mixed}");
    assert!(!alone.join("tree").exists(), "nothing is left");
}

#[test]
fn a_damaged_export_is_named_by_its_first_bad_event_and_leaves_nothing() {
    let csms = TestCsms::start();
    csms.add_token("TAG-1");
    let (data, file) = (csms.data(), csms.scratch().join("log.jsonl"));
    succeeded(&csms.run(&["log", "export", text(&file), "--data", text(&data)]));
    let content = std::fs::read_to_string(&file).expect("the file");
    let mut lines: Vec<String> = content.lines().map(str::to_owned).collect();
    lines[2] = lines[2].replacen("\"version\":", "\"version\":1", 1);
    std::fs::write(&file, lines.join("\n") + "\n").expect("written");
    let target = csms.scratch().join("target");
    let said = refused(&csms.run(&["log", "import", text(&file), "--data", text(&target)]));
    assert!(said.contains("event 2 (line 3) is damaged"), "{said}");
    assert!(!target.exists(), "nothing is begun with a damaged file");
}

/// The last signed checkpoint over at least so many events, kept as a file.
fn keep_checkpoint(csms: &TestCsms, events: usize, name: &str) -> PathBuf {
    let note = eventually("a checkpoint", || {
        let answer = csms.get("/v1/log/checkpoint");
        let size = answer.text.lines().nth(1).and_then(|size| size.parse::<usize>().ok());
        (answer.status == 200 && size >= Some(events)).then_some(answer.text)
    });
    let file = csms.scratch().join(name);
    std::fs::write(&file, note).expect("written");
    file
}

fn key_of(csms: &TestCsms) -> String {
    let data = csms.data();
    let key = json_of(&csms.run(&["log", "key", "--json", "--data", text(&data)]));
    key["key"].as_str().expect("a key").to_owned()
}

#[test]
fn who_holds_only_checkpoints_and_proofs_checks_the_log_by_them() {
    let csms = TestCsms::start();
    csms.add_token("TAG-1");
    let (data, key) = (csms.data(), key_of(&csms));
    let old = keep_checkpoint(&csms, csms.events().len(), "old");
    csms.add_token("TAG-2");
    let events = csms.events();
    let new = keep_checkpoint(&csms, events.len(), "new");

    let proof = csms.scratch().join("consistency");
    let prove = ["log", "prove", "consistency", "--data", text(&data), "--from", text(&old)];
    let more = ["--to", text(&new), "-o", text(&proof)];
    succeeded(&csms.run(&[&prove[..], &more].concat()));
    let compare = |more: &[&str]| {
        let compare = ["log", "compare", text(&new), text(&old), "--key", &key];
        csms.run(&[&compare[..], more].concat())
    };
    assert!(refused(&compare(&[])).contains("--proof"), "the sizes alone show nothing");
    assert!(succeeded(&compare(&["--proof", text(&proof)])).contains("CONSISTENT"));
    let same = csms.run(&["log", "compare", text(&old), text(&old), "--key", &key]);
    assert!(succeeded(&same).contains("THE SAME"), "{same:?}");

    let event = csms.scratch().join("event.tlog-proof");
    let position = events[1]["position"].to_string();
    let prove = ["log", "prove", "inclusion", "--data", text(&data), "--position", &position];
    succeeded(&csms.run(&[&prove[..], &["-o", text(&event)]].concat()));
    let check =
        |file: &Path, key: &str| csms.run(&["log", "check-proof", text(file), "--key", key]);
    let proven = succeeded(&check(&event, &key));
    assert!(proven.contains("PROVEN") && proven.contains(events[1]["id"].as_str().expect("an id")));
    assert!(succeeded(&check(&proof, &key)).contains("PROVEN"));
    let in_old = succeeded(&csms.run(&[&prove[..], &["--checkpoint", text(&old)]].concat()));
    assert!(in_old.ends_with(&std::fs::read_to_string(&old).expect("the note")), "{in_old}");
    let late = events[events.len() - 1]["position"].to_string();
    let late = ["log", "prove", "inclusion", "--data", text(&data), "--position", &late];
    let said = refused(&csms.run(&[&late[..], &["--checkpoint", text(&old)]].concat()));
    assert!(said.contains("came later"), "{said}");

    let other_key = key_of(&TestCsms::start());
    assert!(refused(&check(&event, &other_key)).contains("the key of the log"), "another's key");
    for file in [&event, &proof] {
        let whole = std::fs::read_to_string(file).expect("the proof");
        let hash = whole.lines().rev().find(|line| line.len() == 44).expect("a hash");
        let changed = if hash.starts_with('A') { "B" } else { "A" };
        let changed = whole.replace(hash, &format!("{changed}{}", &hash[1..]));
        std::fs::write(file, changed).expect("written");
        refused(&check(file, &key));
    }
    let verify = ["log", "verify", "--data", text(&data), "--checkpoint", text(&old), "--json"];
    let verified = json_of(&csms.run(&verify));
    assert_eq!(verified["findings"], serde_json::json!([]), "{verified}");
}

#[test]
fn a_backup_that_is_too_old_is_told_by_one_kept_checkpoint() {
    let csms = TestCsms::start();
    csms.add_token("TAG-1");
    let (data, key, restored) = (csms.data(), key_of(&csms), csms.scratch().join("restored"));
    std::fs::create_dir(&restored).expect("a folder");
    let copy = restored.join("log.db");
    let backed_up =
        json_of(&csms.run(&["log", "backup", text(&copy), "--data", text(&data), "--json"]));
    csms.add_token("TAG-2");
    let kept = keep_checkpoint(&csms, csms.events().len(), "kept");
    let verify = ["log", "verify", "--data", text(&restored), "--key", &key];
    let verified = csms.run(&[&verify[..], &["--checkpoint", text(&kept)]].concat());
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(refused(&verified).contains("1 finding\n"), "{verified:?}");
    assert!(said.contains("events are missing") && !said.contains("OK"), "{said}");
    // As many as there are, and no more.
    let there = format!("{0} events read\n{0} of them are under 1 signed", backed_up["events"]);
    assert!(said.contains(&there), "{said}");
}

#[test]
fn a_second_log_under_the_same_key_is_proven_by_one_kept_checkpoint() {
    let mut csms = TestCsms::start();
    csms.add_token("TAG-1");
    let key = key_of(&csms);
    let kept = keep_checkpoint(&csms, csms.events().len(), "kept");
    assert!(csms.terminate().success());
    // Whoever holds the key begins another log with it.
    let first = csms.scratch().join("first");
    std::fs::rename(csms.data(), &first).expect("renamed");
    std::fs::create_dir(csms.data()).expect("a folder");
    copy_keys(&first, &csms.data());
    csms.restart();
    for tag in ["TAG-2", "TAG-3", "TAG-4"] {
        csms.add_token(tag);
    }
    let forked = keep_checkpoint(&csms, csms.events().len(), "forked");
    let data = csms.data();
    let proof =
        csms.run(&["log", "prove", "consistency", "--data", text(&data), "--from", text(&kept)]);
    let said = refused(&proof);
    assert!(said.contains("proves that the log was forked"), "{said}");
    let verified = csms.run(&["log", "verify", "--data", text(&data), "--checkpoint", text(&kept)]);
    let said = format!("{}{}", String::from_utf8_lossy(&verified.stdout), refused(&verified));
    assert!(said.contains("has the root") && said.contains("not what was signed"), "{said}");
    let compared = csms.run(&["log", "compare", text(&kept), text(&forked), "--key", &key]);
    assert!(refused(&compared).contains("a forked one never can"), "{compared:?}");
}

#[test]
fn an_independent_reader_follows_the_log_by_its_tiles() {
    let csms = TestCsms::start();
    // More than one tile of leaves, so that there is a level above them.
    for number in 0..150 {
        csms.add_token(&format!("TAG-{number}"));
        csms.add_station(&format!("CP-{number}"));
    }
    let events = csms.events();
    assert!(events.len() > 256, "{} events", events.len());
    keep_checkpoint(&csms, events.len(), "checkpoint");
    let prefix = format!("http://{}/v1/log", csms.http_address());
    let read = python("tlog_tiles.py").args([&prefix, ADMIN_TOKEN]).output().expect("Python runs");
    let read = json_of(&read);
    assert_eq!(read["levels"], 2, "{read}");
    let ids: Vec<&Value> = events.iter().map(|event| &event["id"]).collect();
    let read_ids: Vec<&Value> = read["ids"].as_array().expect("ids").iter().collect();
    assert_eq!(read_ids[..ids.len()], ids[..]);

    csms.anonymous().get("/v1/log/tile/0/000").expect(401);
    csms.anonymous().get("/v1/log/tile/entries/000").expect(401);
    for none in
        ["tile/0/001", "tile/1/000", "tile/0/0", "tile/9/000", "tile/entries/001", "tile/0/000.p/0"]
    {
        csms.get(&format!("/v1/log/{none}")).expect(404);
    }
}
