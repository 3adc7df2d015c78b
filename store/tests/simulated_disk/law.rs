//! What holds after every crash, looked at from outside: through a store that opens what is left.

use crate::workload::Asked;
use chargebook_simulated_disk::{History, Operation, SimulatedDisk, Survivors};
use chargebook_store::contract::sample_event;
use chargebook_store::sealer::Tree;
use chargebook_store::{
    Append, EventStore, ExpectedVersion, NewEvent, OpenMode, Position, RecordedEvent, SqliteStore,
    StreamName, verify_log,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use uuid::Uuid;

/// Events read at a time.
const PAGE_EVENTS: usize = 1000;

/// Writes what a crash has left into a folder.
pub(crate) fn restore(survivors: &Survivors, folder: &Path) {
    for (name, bytes) in survivors {
        std::fs::write(folder.join(name), bytes).expect("written");
    }
}

/// The appends that were acknowledged before operation `end`.
pub(crate) fn acknowledged(history: &History, end: usize) -> BTreeSet<u64> {
    let operations = history.operations()[..end].iter();
    let number = |operation: &Operation| match operation {
        Operation::Acknowledged(number) => Some(*number),
        _ => None,
    };
    operations.filter_map(number).collect()
}

/// Opens the log, and holds it against what was asked for and what was acknowledged.
pub(crate) async fn holds(folder: &Path, asked: &[Asked], acknowledged: &BTreeSet<u64>) {
    // A simulated disk is a fast one, too.
    let _disk = SimulatedDisk::beneath(folder);
    let store = SqliteStore::open(folder, OpenMode::Writer).await.expect("it opens by itself");
    let log = read_log(&store).await;
    whole_appends_in_order(&log, asked, acknowledged);
    for stream in asked.iter().map(|asked| &asked.append.stream).collect::<BTreeSet<_>>() {
        let by_stream = store.read_stream(stream, 0, PAGE_EVENTS).await.expect("readable");
        let in_log: Vec<&RecordedEvent> =
            log.iter().filter(|event| event.stream == *stream).collect();
        assert!(by_stream.iter().eq(in_log), "{stream} is not what the log has of it");
    }
    let in_log: BTreeSet<Uuid> = log.iter().map(|event| event.id).collect();
    for (event, stream) in events(asked).filter(|(event, _)| in_log.contains(&event.id)) {
        for key in &event.keys {
            let found = store.lookup(key).await.expect("readable");
            assert_eq!(found.as_ref(), Some(stream), "a key was lost");
        }
    }
    let verified = verify_log(&store, &Tree::open(folder), None, |_| {}).await.expect("readable");
    assert!(verified.is_clean(), "{:?}", verified.findings);
    assert_eq!(verified.events, log.len() as u64);

    let next = Append {
        stream: StreamName::of("afterwards", Uuid::new_v4()),
        expected: ExpectedVersion::NoStream,
        events: vec![sample_event(1)],
    };
    let appended = store.append(next).await.expect("the log goes on");
    assert_eq!(appended.position.as_u64(), log.len() as u64 + 1);
    store.close().await;
    let path = folder.join("log.db");
    let connection = rusqlite::Connection::open(&path).expect("it opens");
    let checked: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
    assert_eq!(checked, "ok");
}

/// The whole log; positions are dense, and each event fits its leaf.
pub(crate) async fn read_log(store: &SqliteStore) -> Vec<RecordedEvent> {
    let mut log: Vec<RecordedEvent> = Vec::new();
    loop {
        let after = log.last().map_or(Position::START, |event| event.position);
        let page = store.read_all(after, PAGE_EVENTS).await.expect("readable");
        if page.is_empty() {
            break;
        }
        log.extend(page);
    }
    for (position, event) in (1..).zip(&log) {
        assert_eq!(event.position.as_u64(), position, "a hole, or a position twice");
        event.verify_leaf().expect("nothing torn is read");
    }
    log
}

fn whole_appends_in_order(log: &[RecordedEvent], asked: &[Asked], acknowledged: &BTreeSet<u64>) {
    let by_first_id: BTreeMap<Uuid, &Asked> =
        asked.iter().map(|asked| (asked.append.events[0].id, asked)).collect();
    let mut found = BTreeSet::new();
    let mut next_versions: BTreeMap<&StreamName, u64> = BTreeMap::new();
    let mut rest = log;
    while let Some(first) = rest.first() {
        let asked = by_first_id.get(&first.id).expect("only what was asked for, from its start");
        let Append { stream, events, .. } = &asked.append;
        assert!(rest.len() >= events.len(), "append {} is there by half", asked.number);
        let (append, later) = rest.split_at(events.len());
        for (recorded, asked) in append.iter().zip(events) {
            let next_version = next_versions.entry(stream).or_default();
            assert_eq!(
                (recorded.id, &recorded.stream, recorded.version),
                (asked.id, stream, *next_version)
            );
            assert_eq!(recorded.data, asked.data);
            *next_version += 1;
        }
        assert!(found.insert(asked.number), "append {} is there twice", asked.number);
        rest = later;
    }
    let lost: Vec<&u64> = acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

fn events(asked: &[Asked]) -> impl Iterator<Item = (&NewEvent, &StreamName)> {
    asked.iter().flat_map(|asked| {
        asked.append.events.iter().map(move |event| (event, &asked.append.stream))
    })
}
