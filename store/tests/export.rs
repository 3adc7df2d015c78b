//! A log that was exported to a file is the same log, and a file that was changed is none.

use chargebook_proof::checkpoint::{Origin, SigningKey};
use chargebook_store::contract::sample_event;
use chargebook_store::copy::copy_from;
use chargebook_store::export::{ExportError, ExportReader, ExportWriter};
use chargebook_store::{
    Append, EventStore, ExpectedVersion, MemoryStore, OpenMode, Position, RecordedEvent,
    SignedCheckpoint, SqliteStore, StreamName, Tree,
};
use uuid::Uuid;

const EVENTS: u64 = 12;

fn signing_key() -> SigningKey {
    SigningKey::from_seed(Origin::new("charging.example/log").expect("a name"), &[7; 32])
}

/// A log of two streams that take turns.
async fn sample_log() -> Vec<RecordedEvent> {
    let store = MemoryStore::new();
    let streams = [1, 2].map(|number| StreamName::of("sample", Uuid::from_u128(number)));
    for number in 0..EVENTS {
        let turn = (number % 2) as usize;
        let expected = match number / 2 {
            0 => ExpectedVersion::NoStream,
            version => ExpectedVersion::Exact(version - 1),
        };
        let events = vec![sample_event(number)];
        let append = Append { stream: streams[turn].clone(), expected, events };
        store.append(append).await.expect("written");
    }
    store.read_all(Position::START, 4096).await.expect("readable")
}

fn export(log: &[RecordedEvent]) -> String {
    let mut writer = ExportWriter::begin(Vec::new()).expect("begun");
    log.iter().for_each(|event| writer.event(event).expect("written"));
    let (size, root) = writer.tree();
    let key = signing_key();
    let note = key.sign(size, root);
    let checkpoint = chargebook_proof::checkpoint::Checkpoint::verify(&note, &key.verifier_key());
    let sealed = SignedCheckpoint { checkpoint: checkpoint.expect("signed"), note };
    let file = writer.finish(&key.verifier_key(), sealed).expect("ended");
    String::from_utf8(file).expect("text")
}

fn read(file: &[u8]) -> Result<Vec<RecordedEvent>, ExportError> {
    let mut reader = ExportReader::begin(file)?;
    let mut events = Vec::new();
    while let Some(event) = reader.next_event()? {
        events.push(event);
    }
    assert_eq!(reader.end().expect("the last line").key, signing_key().verifier_key());
    Ok(events)
}

#[tokio::test]
async fn a_log_is_the_same_after_its_way_through_a_file() {
    let log = sample_log().await;
    let file = export(&log);
    assert_eq!(file.lines().count() as u64, EVENTS + 2);
    assert!(read(file.as_bytes()).expect("whole") == log);

    let folder = tempfile::tempdir().expect("a folder");
    let to = SqliteStore::open(folder.path(), OpenMode::Writer).await.expect("opens");
    let mut reader = ExportReader::begin(file.as_bytes()).expect("begun");
    let copied = copy_from(&mut reader, &to, |_| {}).await.expect("copied");
    assert_eq!((copied.events, copied.found), (EVENTS, 0));
    assert!(to.read_all(Position::START, 4096).await.expect("readable") == log);
    let sealed = reader.end().expect("read").sealed.clone();
    assert_eq!(sealed.checkpoint.root, copied.root);

    // What is expected of the target is kept, and is no other's to change.
    let tree = Tree::open(folder.path());
    assert_eq!(tree.expect(&sealed), Ok(true));
    assert_eq!(tree.expect(&sealed), Ok(true));
    let note = signing_key().sign(0, chargebook_proof::merkle::NodeHash::empty_root());
    assert_eq!(tree.expect(&SignedCheckpoint { note, ..sealed.clone() }), Ok(false));
    assert_eq!(tree.checkpoint(&signing_key().verifier_key()), Ok(Some(sealed)));
}

#[tokio::test]
async fn no_byte_of_a_file_can_be_changed_or_cut_off() {
    let file = export(&sample_log().await).into_bytes();
    for end in 0..file.len() {
        let refused = read(&file[..end]).expect_err("it was cut off");
        assert!(
            matches!(refused, ExportError::CutOff { .. } | ExportError::Foreign),
            "{end}: {refused}"
        );
    }
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut changed = file.clone();
            changed[at] ^= 1 << bit;
            let line = file[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
            let refused = read(&changed).expect_err("it was changed");
            let named = match &refused {
                ExportError::Foreign => line == 0,
                // A line that has lost its beginning is read as the last one, and a line that has
                // lost its end runs into the next.
                ExportError::Event { number, .. } => *number == line,
                ExportError::Foot { events, .. } => events + 1 == line,
                ExportError::CutOff { events } => *events == EVENTS,
                ExportError::Trailing | ExportError::Root { .. } | ExportError::Unreadable(_) => {
                    false
                }
            };
            assert!(named, "byte {at}, bit {bit}, line {line}: {refused}");
        }
    }
}

#[tokio::test]
async fn lines_that_fit_each_but_not_together_are_refused() {
    let log = sample_log().await;
    let file = export(&log);
    let lines: Vec<&str> = file.split_inclusive('\n').collect();
    let last = lines.len() - 1;
    let check = |lines: Vec<&str>| read(lines.concat().as_bytes()).expect_err("not the log");
    let without = |index: usize| [&lines[..index], &lines[index + 1..]].concat();
    let version = |number: u64| {
        matches!(check(without(number as usize)),
        ExportError::Event { number: named, .. } if named == number + 1)
    };
    assert!((1..EVENTS - 1).all(version), "a line that is missing shows at the next of its stream");
    assert!(matches!(check(without(last - 1)), ExportError::Foot { events: 11, .. }));
    let mut swapped = lines.clone();
    swapped.swap(1, 2);
    assert!(
        matches!(check(swapped), ExportError::Root { .. }),
        "streams have no order of their own"
    );
    let doubled = [&lines[..2], &lines[1..]].concat();
    assert!(matches!(check(doubled), ExportError::Event { number: 2, .. }));
    let more = [&lines[..], &lines[last..]].concat();
    assert_eq!(check(more), ExportError::Trailing);

    // Another log under this one's checkpoint.
    let mut changed = log;
    changed[3].meta = chargebook_store::CanonicalJson::from_stored("{\"actor\":\"nobody\"}");
    changed[3].leaf = changed[3].envelope().leaf_hash();
    let other = export(&changed);
    let other: Vec<&str> = other.split_inclusive('\n').collect();
    assert!(read(other.concat().as_bytes()).is_ok());
    let refused = check([&other[..last], &lines[last..]].concat());
    assert!(matches!(refused, ExportError::Root { .. }), "{refused}");
}
