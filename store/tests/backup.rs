//! A backup of the embedded log, made while it is written.

use chargebook_store::backup::{BackupError, back_up};
use chargebook_store::contract::sample_event;
use chargebook_store::sealer::Tree;
use chargebook_store::{
    Append, EventStore, ExpectedVersion, LookupKey, OpenMode, Position, RecordedEvent, SqliteStore,
    StreamName, verify_log,
};
use std::path::Path;
use tempfile::TempDir;
use uuid::Uuid;

/// Events of one append.
const EVENTS: u64 = 3;

async fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder, OpenMode::Writer).await.expect("it opens")
}

async fn append(store: &SqliteStore, key: u8) {
    let mut events: Vec<_> = (0..EVENTS).map(sample_event).collect();
    events[0].keys.push(LookupKey([key; 16]));
    let stream = StreamName::of("backup", Uuid::new_v4());
    let append = Append { stream, expected: ExpectedVersion::NoStream, events };
    store.append(append).await.expect("written");
}

async fn read(store: &SqliteStore) -> Vec<RecordedEvent> {
    store.read_all(Position::START, 4096).await.expect("readable")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_beside_a_writer_is_the_log_up_to_a_moment() {
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path()).await;
    append(&store, 1).await;
    let writing = tokio::spawn({
        let store = store.clone();
        async move {
            for key in 2..=200 {
                append(&store, key).await;
            }
        }
    });
    let restored = TempDir::new().expect("a folder");
    let target = restored.path().join("log.db");
    let mut read_back = 0;
    for _ in 0..3 {
        // Each takes the place of the one before.
        let done = back_up(folder.path(), &target, |events| read_back = events).await;
        let done = done.expect("made");
        assert_eq!(done.events, read_back);
        assert_eq!(done.events % EVENTS, 0, "no append is in it by half");
    }
    writing.await.expect("the writer goes on");
    let log = read(&store).await;
    assert_eq!(log.len() as u64, 200 * EVENTS);

    let files = std::fs::read_dir(restored.path()).expect("a folder").count();
    assert_eq!(files, 1, "all of it is in one file");
    let copy = open(restored.path()).await;
    let copied = read(&copy).await;
    assert_eq!(copied.len() as u64, read_back);
    assert_eq!(copied[..], log[..copied.len()], "it is a prefix of the log");
    let tree = Tree::open(restored.path());
    let verified = verify_log(&copy, &tree, None, |_| {}).await.expect("readable");
    assert!(verified.is_clean(), "{:?}", verified.findings);
    assert!(copy.lookup(&LookupKey([1; 16])).await.expect("readable").is_some(), "keys are in it");
    append(&copy, 0).await;
    assert_eq!(copy.head().borrow().as_u64(), read_back + EVENTS, "it goes on from there");
}

#[tokio::test]
async fn a_backup_that_fails_leaves_the_one_of_before() {
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path()).await;
    append(&store, 1).await;
    let target = folder.path().join("copy.db");
    back_up(folder.path(), &target, |_| {}).await.expect("made");
    let before = std::fs::read(&target).expect("readable");

    let elsewhere = TempDir::new().expect("a folder");
    let refused = back_up(elsewhere.path(), &target, |_| {}).await;
    assert!(matches!(refused, Err(BackupError::Open(_))), "{refused:?}");
    assert_eq!(std::fs::read(&target).expect("readable"), before);
    let nowhere = folder.path().join("missing/copy.db");
    let refused = back_up(folder.path(), &nowhere, |_| {}).await;
    assert!(matches!(refused, Err(BackupError::Unwritable { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_backup_is_written_neither_over_the_log_nor_beside_another_one() {
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path()).await;
    append(&store, 1).await;
    for name in ["log.db", "log.db-wal", "log.db-shm", "keys.db"] {
        // By another way, which leads to the same folder.
        let target = folder.path().join(".").join(name);
        let refused = back_up(folder.path(), &target, |_| {}).await;
        assert_eq!(refused, Err(BackupError::InUse { path: target }), "{name}");
    }
    append(&store, 2).await;
    assert_eq!(read(&store).await.len() as u64, 2 * EVENTS, "it goes on");

    let old = TempDir::new().expect("a folder");
    let target = old.path().join("log.db");
    for name in ["log.db-wal", "log.db-shm"] {
        let path = old.path().join(name);
        std::fs::write(&path, "").expect("written");
        let refused = back_up(folder.path(), &target, |_| {}).await;
        assert_eq!(refused, Err(BackupError::Beside { path: path.clone() }));
        std::fs::remove_file(path).expect("removed");
    }
    back_up(folder.path(), &target, |_| {}).await.expect("made");
}

#[tokio::test]
async fn a_log_whose_events_were_changed_is_not_backed_up() {
    use sqlx::Connection as _;
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path()).await;
    append(&store, 1).await;
    store.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("log.db"));
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("it opens");
    let change = "UPDATE event SET data = '{\"number\":7}' WHERE position = 2";
    sqlx::raw_sql(change).execute(&mut connection).await.expect("changed");
    connection.close().await.expect("closed");
    let target = folder.path().join("copy.db");
    let refused = back_up(folder.path(), &target, |_| {}).await;
    assert!(matches!(refused, Err(BackupError::Unreadable(_))), "{refused:?}");
    assert!(!target.exists(), "nothing is left");
}
