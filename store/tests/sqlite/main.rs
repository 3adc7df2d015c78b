//! What is the SQLite engine's own: its files, its lock, its failures, its queue.

mod places;

use async_trait::async_trait;
use chargebook_store::contract::{sample_event, sample_event_with_id, scaled};
use chargebook_store::sqlite::{CommitFault, CommitFaults, SqliteOptions};
use chargebook_store::{
    Append, AppendError, Appended, CanonicalJson, EventStore, ExpectedVersion, NewEvent, OpenError,
    OpenMode, Position, RecordedEvent, SqliteStore, StoreError, StreamName,
};
use futures::FutureExt;
use futures::future::join_all;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use uuid::Uuid;

async fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder, OpenMode::Writer).await.expect("opens")
}

async fn open_with(folder: &Path, options: SqliteOptions) -> SqliteStore {
    SqliteStore::open_with(folder, OpenMode::Writer, options).await.expect("opens")
}

async fn append(
    store: &SqliteStore,
    stream: &StreamName,
    expected: ExpectedVersion,
    events: Vec<NewEvent>,
) -> Result<Appended, AppendError> {
    store.append(Append { stream: stream.clone(), expected, events }).await
}

fn new_stream() -> StreamName {
    StreamName::of("sqlite", Uuid::new_v4())
}

async fn append_new(store: &SqliteStore, count: u64) -> Result<Appended, AppendError> {
    let events = (0..count).map(sample_event).collect();
    append(store, &new_stream(), ExpectedVersion::NoStream, events).await
}

async fn follow(store: &SqliteStore, count: usize) -> Vec<RecordedEvent> {
    let mut subscription = store.subscribe(Position::START);
    let mut seen = Vec::new();
    while seen.len() < count {
        seen.extend(subscription.next_page().await.expect("lives"));
    }
    seen
}

fn positions(events: &[RecordedEvent]) -> Vec<u64> {
    events.iter().map(|event| event.position.as_u64()).collect()
}

/// Runs SQL on a file, as somebody with access to the machine could.
async fn sql(path: &Path, statement: &'static str) {
    use sqlx::Connection;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("opens");
    sqlx::raw_sql(statement).execute(&mut connection).await.expect("executed");
    connection.close().await.expect("closed");
}

#[tokio::test]
async fn one_process_writes_and_others_may_read() {
    let folder = TempDir::new().expect("a folder");
    let missing = SqliteStore::open(folder.path(), OpenMode::ReadOnly).await;
    assert!(matches!(missing, Err(OpenError::Missing { .. })), "{missing:?}");
    let writer = open(folder.path()).await;
    append_new(&writer, 3).await.expect("written");

    let second = SqliteStore::open(folder.path(), OpenMode::Writer).await;
    let Err(OpenError::Locked { holder, .. }) = second else { panic!("not locked: {second:?}") };
    assert_eq!(holder, format!("process {}", std::process::id()));

    let reader = SqliteStore::open(folder.path(), OpenMode::ReadOnly).await.expect("opens");
    assert_eq!(reader.head().borrow().as_u64(), 3);
    let refused = append_new(&reader, 1).await;
    assert!(matches!(refused, Err(AppendError::Down(_))), "{refused:?}");
    let following = tokio::spawn({
        let reader = reader.clone();
        async move { follow(&reader, 8).await }
    });
    append_new(&writer, 5).await.expect("written");
    let seen = following.await.expect("followed");
    assert_eq!(seen, writer.read_all(Position::START, 100).await.expect("readable"));
    assert_eq!(reader.read_all(Position::START, 100).await.as_ref(), Ok(&seen));

    writer.close().await;
    assert!(matches!(append_new(&writer, 1).await, Err(AppendError::Down(_))), "it is closed");
    let next = open(folder.path()).await;
    assert_eq!(append_new(&next, 1).await.expect("unlocked").position.as_u64(), 9);
    assert_eq!(follow(&reader, 9).await.len(), 9, "the reader outlives the writer");
}

#[tokio::test]
async fn files_that_are_no_log_are_refused_and_left_alone() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("log.db");
    for mode in [OpenMode::Writer, OpenMode::ReadOnly] {
        let garbage: Vec<u8> = (0..10_000u32).map(|n| n as u8 | 1).collect();
        std::fs::write(&path, &garbage).expect("written");
        let refused = SqliteStore::open(folder.path(), mode).await;
        assert!(matches!(refused, Err(OpenError::Foreign { .. })), "{refused:?}");
        assert_eq!(std::fs::read(&path).expect("readable"), garbage, "it is untouched");
        std::fs::remove_file(&path).expect("removed");

        sql(&path, "CREATE TABLE another (program TEXT)").await;
        let before = std::fs::read(&path).expect("readable");
        let refused = SqliteStore::open(folder.path(), mode).await;
        assert!(matches!(refused, Err(OpenError::Foreign { .. })), "{refused:?}");
        assert_eq!(std::fs::read(&path).expect("readable"), before, "it is untouched");
        std::fs::remove_file(&path).expect("removed");

        open(folder.path()).await.close().await;
        sql(&path, "PRAGMA user_version = 99").await;
        let refused = SqliteStore::open(folder.path(), mode).await;
        assert!(matches!(refused, Err(OpenError::NewerSchema { found: 99, .. })), "{refused:?}");
        std::fs::remove_file(&path).expect("removed");

        std::fs::create_dir(&path).expect("made");
        let refused = SqliteStore::open(folder.path(), mode).await;
        assert!(matches!(refused, Err(OpenError::Foreign { .. })), "{refused:?}");
        std::fs::remove_dir(&path).expect("removed");
    }
    let file = folder.path().join("a-file");
    std::fs::write(&file, "").expect("written");
    let refused = SqliteStore::open(&file, OpenMode::Writer).await;
    assert!(matches!(refused, Err(OpenError::Io { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_damaged_header_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path()).await;
    append_new(&store, 10).await.expect("written");
    store.close().await;
    let path = folder.path().join("log.db");
    let mut bytes = std::fs::read(&path).expect("readable");
    bytes[..16].fill(0);
    std::fs::write(&path, &bytes).expect("written");
    let refused = SqliteStore::open(folder.path(), OpenMode::Writer).await;
    assert!(matches!(refused, Err(OpenError::Foreign { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_damaged_page_is_told_with_the_file_and_what_to_do() {
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path()).await;
    append_new(&store, 200).await.expect("written");
    store.close().await;
    let path = folder.path().join("log.db");
    let mut bytes = std::fs::read(&path).expect("readable");
    // Every page but the first, which says what kind of file it is.
    bytes[4096..].fill(0xff);
    std::fs::write(&path, &bytes).expect("written");
    let said = match SqliteStore::open(folder.path(), OpenMode::ReadOnly).await {
        Err(refused) => refused.to_string(),
        Ok(store) => store.read_all(Position::START, 10).await.expect_err("damaged").to_string(),
    };
    assert!(said.contains("log.db"), "{said}");
    assert!(said.contains("copy from before"), "{said}");
}

#[tokio::test]
async fn what_was_acknowledged_is_in_the_files_at_that_moment() {
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path()).await;
    for round in 1..=5 {
        let appends = (0..20).map(|_| append_new(&store, 2));
        assert!(join_all(appends).await.iter().all(Result::is_ok));
        // As a crash would leave them: nothing closed, nothing checkpointed.
        let crashed = TempDir::new().expect("a folder");
        for name in ["log.db", "log.db-wal"] {
            let from = folder.path().join(name);
            std::fs::copy(from, crashed.path().join(name)).expect("copied");
        }
        let reader = SqliteStore::open(crashed.path(), OpenMode::ReadOnly).await.expect("opens");
        assert_eq!(reader.head().borrow().as_u64(), round * 40, "also for who may not write");
        reader.close().await;
        let recovered = open(crashed.path()).await;
        let log = recovered.read_all(Position::START, 4096).await.expect("readable");
        assert_eq!(positions(&log), (1..=round * 40).collect::<Vec<u64>>());
        assert_eq!(Ok(log), store.read_all(Position::START, 4096).await);
    }
}

#[tokio::test]
async fn a_late_subscriber_passes_from_the_file_to_memory_without_a_seam() {
    const APPEND: u64 = 500;
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path()).await;
    // More than the store keeps in memory.
    let count = 20_000;
    let early = tokio::spawn({
        let store = store.clone();
        async move { follow(&store, count).await }
    });
    let half = count as u64 / APPEND / 2;
    for _ in 0..half {
        append_new(&store, APPEND).await.expect("written");
    }
    let late = tokio::spawn({
        let store = store.clone();
        async move { follow(&store, count).await }
    });
    for _ in 0..half {
        append_new(&store, APPEND).await.expect("written");
    }
    let last = follow(&store, count).await;
    assert_eq!(positions(&last), (1..=count as u64).collect::<Vec<_>>());
    assert!(early.await.expect("followed") == last);
    assert!(late.await.expect("followed") == last);
}

#[tokio::test]
async fn followers_behind_each_other_see_the_same() {
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path()).await;
    for _ in 0..11 {
        append_new(&store, 500).await.expect("written");
    }
    let log = follow(&store, 5_500).await;
    // It keeps nothing in memory, so all its pages come from the file.
    let reader = SqliteStore::open(folder.path(), OpenMode::ReadOnly).await.expect("opens");
    let from = |start: usize| {
        let (reader, after) = (reader.clone(), Position::from_u64(start as u64));
        async move {
            let mut subscription = reader.subscribe(after);
            let mut seen = Vec::new();
            while seen.len() < 5_500 - start {
                seen.extend(subscription.next_page().await.expect("a page"));
            }
            seen
        }
    };
    let starts = [0, 1, 999, 1_000, 1_001, 2_500, 4_999, 5_000, 5_499];
    for (start, seen) in starts.iter().zip(join_all(starts.map(from)).await) {
        assert!(seen == log[*start..], "from {start}");
    }
}

/// Faults in the order in which commits meet them.
#[derive(Default)]
struct Scripted(Mutex<VecDeque<Option<CommitFault>>>);

impl Scripted {
    fn next(&self, faults: &[Option<CommitFault>]) {
        self.0.lock().expect("unpoisoned").extend(faults);
    }
}

#[async_trait]
impl CommitFaults for Scripted {
    async fn at_commit(&self) -> Option<CommitFault> {
        self.0.lock().expect("unpoisoned").pop_front().flatten()
    }
}

/// Appends until it is known whether it happened.
async fn settle(
    store: &SqliteStore,
    stream: &StreamName,
    expected: ExpectedVersion,
    event: &NewEvent,
) -> Appended {
    const ATTEMPTS_MAX: usize = 200;
    for _ in 0..ATTEMPTS_MAX {
        match append(store, stream, expected, vec![event.clone()]).await {
            Ok(appended) => return appended,
            // Down until the writer has looked at the disk again.
            Err(AppendError::Unknown(_) | AppendError::Down(_)) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(other) => panic!("the same id never ends in {other}"),
        }
    }
    panic!("it settles");
}

#[tokio::test]
async fn after_a_failed_commit_the_same_ids_tell_the_truth() {
    let folder = TempDir::new().expect("a folder");
    let faults = Arc::new(Scripted::default());
    let options = SqliteOptions { commit_faults: Some(faults.clone()), ..SqliteOptions::default() };
    let store = open_with(folder.path(), options).await;
    let stream = new_stream();
    let mut following = store.subscribe(Position::START);
    let mut expected = ExpectedVersion::NoStream;
    for (fault, happened) in [
        (Some(CommitFault::LostAfter), true),
        (Some(CommitFault::LostBefore), false),
        (None, false),
        (Some(CommitFault::LostAfter), true),
    ] {
        let event = sample_event(1);
        faults.next(&[fault]);
        if fault.is_some() {
            let answer = append(&store, &stream, expected, vec![event.clone()]).await;
            assert!(matches!(answer, Err(AppendError::Unknown(_))), "{answer:?}");
        }
        let settled = settle(&store, &stream, expected, &event).await;
        assert_eq!(settled.already, happened, "{fault:?}");
        expected = ExpectedVersion::Exact(settled.version);
    }
    assert_eq!(expected, ExpectedVersion::Exact(3));
    let log = store.read_all(Position::START, 100).await.expect("readable");
    assert_eq!(positions(&log), [1, 2, 3, 4], "no position is skipped or used twice");
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.extend(following.next_page().await.expect("lives"));
    }
    assert_eq!(seen, log, "a subscriber sees what a lost answer has left in the log");
}

#[tokio::test]
async fn what_a_lost_answer_left_is_seen_without_another_append() {
    let folder = TempDir::new().expect("a folder");
    let faults = Arc::new(Scripted::default());
    let options = SqliteOptions { commit_faults: Some(faults.clone()), ..SqliteOptions::default() };
    let store = open_with(folder.path(), options).await;
    faults.next(&[Some(CommitFault::LostAfter)]);
    let answer = append_new(&store, 2).await;
    assert!(matches!(answer, Err(AppendError::Unknown(_))), "{answer:?}");
    assert_eq!(follow(&store, 2).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_and_subscribers_live_through_many_failed_commits() {
    let folder = TempDir::new().expect("a folder");
    let faults = Arc::new(Scripted::default());
    let options = SqliteOptions { commit_faults: Some(faults.clone()), ..SqliteOptions::default() };
    let store = open_with(folder.path(), options).await;
    let (before, after) = (Some(CommitFault::LostBefore), Some(CommitFault::LostAfter));
    for _ in 0..scaled(4) {
        faults.next(&[None, before, None, None, after, None]);
    }
    let (writers, events) = (16, scaled(10));
    let count = writers * events as usize;
    let followers: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { follow(&store, count).await })
        })
        .collect();
    let write = |_| {
        let store = store.clone();
        tokio::spawn(async move {
            let stream = new_stream();
            let mut expected = ExpectedVersion::NoStream;
            for number in 0..events {
                let done = settle(&store, &stream, expected, &sample_event(number)).await;
                assert_eq!(done.version, number);
                expected = ExpectedVersion::Exact(number);
            }
        })
    };
    for writer in join_all((0..writers).map(write)).await {
        writer.expect("wrote");
    }
    let log = store.read_all(Position::START, 4096).await.expect("readable");
    assert_eq!(positions(&log), (1..=count as u64).collect::<Vec<_>>());
    for follower in followers {
        assert!(follower.await.expect("followed") == log);
    }
}

/// A disk that takes as long as the test wants.
struct Gate {
    open: Semaphore,
    reached: Semaphore,
}

#[async_trait]
impl CommitFaults for Gate {
    async fn at_commit(&self) -> Option<CommitFault> {
        self.reached.add_permits(1);
        self.open.acquire().await.expect("never closed").forget();
        None
    }
}

/// With the writer held at a commit and its queue full, what does one more caller hear?
async fn one_too_many(queue_wait: Duration) -> Option<Result<Appended, AppendError>> {
    const QUEUE: usize = 4;
    let folder = TempDir::new().expect("a folder");
    let gate = Arc::new(Gate { open: Semaphore::new(0), reached: Semaphore::new(0) });
    let options = SqliteOptions {
        commit_faults: Some(gate.clone()),
        queue_appends_max: QUEUE,
        queue_wait,
        ..SqliteOptions::default()
    };
    let store = open_with(folder.path(), options).await;
    let first = tokio::spawn({
        let store = store.clone();
        async move { append_new(&store, 1).await }
    });
    gate.reached.acquire().await.expect("never closed").forget();
    // Polled once, each has taken its place in the queue.
    let mut queued: Vec<_> = (0..QUEUE).map(|_| Box::pin(append_new(&store, 1))).collect();
    assert!(queued.iter_mut().all(|append| append.as_mut().now_or_never().is_none()));
    let mut last = Box::pin(append_new(&store, 1));
    let heard =
        if queue_wait.is_zero() { Some(last.as_mut().await) } else { last.as_mut().now_or_never() };
    gate.open.add_permits(100);
    assert!(first.await.expect("ran").is_ok());
    assert!(join_all(queued).await.iter().all(Result::is_ok), "who was in the queue is served");
    let mut written = 1 + QUEUE as u64;
    if heard.is_none() {
        assert!(last.await.is_ok(), "and who waited too");
        written += 1;
    }
    assert_eq!(store.head().borrow().as_u64(), written, "a refused append leaves nothing");
    assert!(append_new(&store, 1).await.is_ok());
    heard
}

#[tokio::test]
async fn a_full_queue_holds_callers_back_and_then_refuses_them() {
    assert_eq!(one_too_many(Duration::from_secs(3600)).await, None, "it waits");
    assert_eq!(one_too_many(Duration::ZERO).await, Some(Err(AppendError::Overloaded)));
}

#[tokio::test]
async fn a_full_disk_refuses_appends_keeps_reads_and_recovers_by_itself() {
    let folder = TempDir::new().expect("a folder");
    let options = SqliteOptions { size_pages_max: Some(64), ..SqliteOptions::default() };
    let store = open_with(folder.path(), options).await;
    let small = append_new(&store, 1).await.expect("there is room");
    let large = |id: u128| {
        let text = format!("{{\"t\":\"{}\"}}", "x".repeat(400_000));
        let data = CanonicalJson::from_stored(text);
        NewEvent { data, ..sample_event_with_id(Uuid::from_u128(id), 0) }
    };
    let stream = new_stream();
    let refused = append(&store, &stream, ExpectedVersion::NoStream, vec![large(1)]).await;
    assert!(matches!(refused, Err(AppendError::Down(_))), "{refused:?}");
    let log = store.read_all(Position::START, 10).await.expect("reads go on");
    assert_eq!(positions(&log), [1]);
    assert_eq!(store.read_stream(&stream, 0, 10).await, Ok(vec![]), "nothing of it is there");
    let next = settle(&store, &new_stream(), ExpectedVersion::NoStream, &sample_event(2)).await;
    assert_eq!(next.position.as_u64(), small.position.as_u64() + 1, "what fits is taken again");
    store.close().await;
    let store = open(folder.path()).await;
    let done = append(&store, &stream, ExpectedVersion::NoStream, vec![large(1)]).await;
    assert_eq!(done.map(|done| done.position.as_u64()), Ok(3), "with room, it goes in");
}

#[tokio::test]
async fn closing_serves_what_is_queued_and_ends_subscriptions() {
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path()).await;
    let appends: Vec<_> = (0..50)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { append_new(&store, 1).await })
        })
        .collect();
    let mut subscription = store.subscribe(Position::START);
    let waiting = tokio::spawn(async move {
        let mut seen = 0;
        loop {
            match subscription.next_page().await {
                Ok(page) => seen += page.len(),
                Err(error) => return (seen, error),
            }
        }
    });
    tokio::task::yield_now().await;
    store.close().await;
    store.close().await;
    let outcomes = join_all(appends).await.into_iter().map(|outcome| outcome.expect("ran"));
    let written = outcomes.filter(Result::is_ok).count();
    let (seen, error) = waiting.await.expect("ended");
    assert!(matches!(error, StoreError::Engine(_)));
    assert!(seen <= written);
    assert!(!folder.path().join("log.db-wal").exists(), "the write-ahead log is folded in");
    let store = open(folder.path()).await;
    assert_eq!(store.head().borrow().as_u64(), written as u64);
    let mut at_head = store.subscribe(*store.head().borrow());
    assert!(at_head.next_page().now_or_never().is_none());
}

#[tokio::test]
async fn a_flipped_byte_is_noticed_when_its_stream_is_read() {
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path()).await;
    let stream = new_stream();
    let events = (0..3).map(sample_event).collect();
    append(&store, &stream, ExpectedVersion::NoStream, events).await.expect("written");
    store.close().await;
    let path = folder.path().join("log.db");
    sql(&path, "UPDATE event SET meta = '{\"actor\":\"nobody\"}' WHERE version = 1").await;
    let store = open(folder.path()).await;
    let read = store.read_stream(&stream, 0, 10).await;
    let damaged = |read: &Result<Vec<RecordedEvent>, StoreError>| match read {
        Err(StoreError::Damaged { position, .. }) => position.as_u64() == 2,
        _ => false,
    };
    assert!(damaged(&read), "{read:?}");
    assert!(store.read_stream(&stream, 2, 10).await.is_ok(), "the others are whole");
    store.close().await;
    let options = SqliteOptions { verify_reads: false, ..SqliteOptions::default() };
    let store = open_with(folder.path(), options).await;
    assert!(store.read_stream(&stream, 0, 10).await.is_ok(), "where it is switched off");
    store.close().await;

    sql(&path, "UPDATE event SET id = x'0102' WHERE version = 1").await;
    let store = open(folder.path()).await;
    let read = store.read_all(Position::START, 10).await;
    assert!(damaged(&read), "{read:?}");
    store.close().await;
    sql(&path, "DELETE FROM event WHERE version = 1").await;
    let store = open(folder.path()).await;
    let read = store.read_stream(&stream, 0, 10).await;
    assert!(matches!(read, Err(StoreError::Damaged { .. })), "a hole in a stream: {read:?}");
}

#[tokio::test]
async fn a_copy_in_another_journal_mode_is_written_as_durably() {
    let folder = TempDir::new().expect("a folder");
    let stream = new_stream();
    let store = open(folder.path()).await;
    let events = vec![sample_event(1)];
    append(&store, &stream, ExpectedVersion::NoStream, events).await.expect("written");
    store.close().await;
    let (path, copy) = (folder.path().join("log.db"), folder.path().join("copy.db"));
    let copied = rusqlite::Connection::open(&path)
        .and_then(|log| log.execute("VACUUM INTO ?", [copy.to_str()]));
    copied.expect("copied");
    let journal_mode = |path: &Path| std::fs::read(path).expect("readable")[18..20].to_vec();
    assert_eq!(journal_mode(&copy), [1, 1], "a rollback journal: the copy is what it should be");
    std::fs::rename(&copy, &path).expect("restored");
    let store = open(folder.path()).await;
    assert_eq!(store.read_stream(&stream, 0, 10).await.expect("there").len(), 1);
    let events = vec![sample_event(2)];
    append(&store, &stream, ExpectedVersion::Exact(0), events).await.expect("written");
    store.close().await;
    assert_eq!(journal_mode(&path), [2, 2], "a write-ahead log (sqlite.org/fileformat2.html)");
}
