//! A log that moves to another engine is the same log.

use chargebook_store::contract::{FailingStore, Fate, sample_event};
use chargebook_store::copy::{CopyError, copy_log};
use chargebook_store::{
    Append, AppendError, CanonicalJson, EventStore, ExpectedVersion, LookupKey, MemoryStore,
    NewEvent, OpenMode, Position, RecordedEvent, SqliteStore, StoreError, StreamName,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use uuid::Uuid;

const KEY: LookupKey = LookupKey([0xab; 16]);

/// A log of streams that take turns, with a key.
async fn sample_log(events: u64) -> MemoryStore {
    let store = MemoryStore::new();
    let streams: Vec<StreamName> =
        (0..7).map(|_| StreamName::of("sample", Uuid::new_v4())).collect();
    let mut versions = vec![0; streams.len()];
    for number in 0..events {
        // Runs of one stream, and turns between them.
        let turn = (number / 3 % streams.len() as u64) as usize;
        let expected = match versions[turn] {
            0 => ExpectedVersion::NoStream,
            version => ExpectedVersion::Exact(version - 1),
        };
        versions[turn] += 1;
        let mut event = sample_event(number);
        if number == 1 {
            let meta = format!("{{\"keys\":[\"{}\"]}}", "ab".repeat(16));
            event = NewEvent { meta: CanonicalJson::from_stored(meta), keys: vec![KEY], ..event };
        }
        let append = Append { stream: streams[turn].clone(), expected, events: vec![event] };
        store.append(append).await.expect("written");
    }
    store
}

async fn whole(store: &dyn EventStore) -> Vec<RecordedEvent> {
    let log = store.read_all(Position::START, 4096).await.expect("readable");
    log.iter().try_for_each(RecordedEvent::verify_leaf).expect("whole");
    log
}

#[tokio::test]
async fn a_copy_has_the_same_events_keys_and_root() {
    let from = sample_log(1_000).await;
    let folder = tempfile::tempdir().expect("a folder");
    let to = SqliteStore::open(folder.path(), OpenMode::Writer).await.expect("opens");
    let mut told = Vec::new();
    let copied = copy_log(&from, &to, |progress| told.push(progress)).await.expect("copied");
    assert_eq!((copied.events, copied.found), (1_000, 0));
    assert!(!told.is_empty());
    assert!(whole(&to).await == whole(&from).await);
    let first = &whole(&from).await[0];
    assert_eq!(to.lookup(&KEY).await, Ok(Some(first.stream.clone())));

    let again = copy_log(&from, &to, |_| {}).await.expect("there is nothing left to do");
    assert_eq!((again.found, again.root), (1_000, copied.root));
}

#[tokio::test]
async fn a_copy_that_was_broken_off_goes_on() {
    let from = sample_log(600).await;
    let inner = MemoryStore::new();
    let left = Arc::new(AtomicUsize::new(20));
    let fails =
        move || match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)) {
            Ok(_) => Fate::Passes,
            Err(_) => Fate::Fails(AppendError::Down("the disk is full".to_owned())),
        };
    let failing = FailingStore::new(Arc::new(inner.clone()), fails);
    let broken = copy_log(&from, &failing, |_| {}).await;
    assert!(matches!(broken, Err(CopyError::Unwritable(AppendError::Down(_)))), "{broken:?}");
    let there = whole(&inner).await.len() as u64;
    assert!(there > 0 && there < 600, "{there}");
    let copied = copy_log(&from, &inner, |_| {}).await.expect("goes on");
    assert_eq!((copied.events, copied.found), (600, there));
    assert!(whole(&inner).await == whole(&from).await);
}

#[tokio::test]
async fn a_target_with_another_log_is_left_alone() {
    let (from, another) = (sample_log(30).await, sample_log(10).await);
    let refused = copy_log(&from, &another, |_| {}).await;
    assert_eq!(refused, Err(CopyError::AnotherLog { index: 0 }));
    assert_eq!(whole(&another).await.len(), 10);

    // It goes on where this log ends.
    let longer = sample_log(0).await;
    copy_log(&from, &longer, |_| {}).await.expect("copied");
    let more = Append {
        stream: StreamName::of("sample", Uuid::new_v4()),
        expected: ExpectedVersion::NoStream,
        events: vec![sample_event(0)],
    };
    longer.append(more).await.expect("written");
    let refused = copy_log(&from, &longer, |_| {}).await;
    assert!(
        matches!(refused, Err(CopyError::Different { events: 30, found: 31, .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn damage_is_not_copied() {
    let folder = tempfile::tempdir().expect("a folder");
    let from = SqliteStore::open(folder.path(), OpenMode::Writer).await.expect("opens");
    copy_log(&sample_log(9).await, &from, |_| {}).await.expect("copied");
    from.close().await;
    let path = folder.path().join("log.db");
    let damage = rusqlite::Connection::open(path).expect("opens");
    damage.execute("UPDATE event SET data = '{}' WHERE position = 4", []).expect("changed");
    drop(damage);
    let from = SqliteStore::open(folder.path(), OpenMode::ReadOnly).await.expect("opens");
    let refused = copy_log(&from, &MemoryStore::new(), |_| {}).await;
    let Err(CopyError::Unreadable(StoreError::Damaged { position, .. })) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(position.as_u64(), 4);
}
