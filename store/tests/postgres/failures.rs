//! Commits whose answer is lost, ids across partitions, damage, and logs that are not ours.

use crate::database::{Database, append_new, follow, new_stream};
use async_trait::async_trait;
use chargebook_store::contract::sample_event;
use chargebook_store::postgres::PostgresOptions;
use chargebook_store::sqlite::{CommitFault, CommitFaults};
use chargebook_store::{
    Append, AppendError, EventStore, ExpectedVersion, OpenError, OpenMode, Position, PostgresStore,
    StoreError,
};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// Faults of the next commits.
#[derive(Default)]
struct Planned {
    faults: Mutex<VecDeque<Option<CommitFault>>>,
}

#[async_trait]
impl CommitFaults for Planned {
    async fn at_commit(&self) -> Option<CommitFault> {
        self.faults.lock().expect("unpoisoned").pop_front().flatten()
    }
}

#[tokio::test]
async fn after_a_lost_answer_the_same_ids_tell_the_truth() {
    let database = Database::create().await;
    let planned = Arc::new(Planned::default());
    let faults: Arc<dyn CommitFaults> = planned.clone();
    let options = PostgresOptions { commit_faults: Some(faults), ..PostgresOptions::default() };
    let store = database.open_with(options).await;
    append_new(&store, 1).await.expect("written");
    for (fault, is_in) in [(CommitFault::LostBefore, false), (CommitFault::LostAfter, true)] {
        let append = Append {
            stream: new_stream(),
            expected: ExpectedVersion::NoStream,
            events: vec![sample_event(1), sample_event(2)],
        };
        planned.faults.lock().expect("unpoisoned").push_back(Some(fault));
        let unknown = store.append(append.clone()).await;
        assert!(matches!(unknown, Err(AppendError::Unknown(_))), "{fault:?}: {unknown:?}");
        let settled = loop {
            match store.append(append.clone()).await {
                Err(AppendError::Down(_)) => tokio::task::yield_now().await,
                settled => break settled.expect("settled"),
            }
        };
        assert_eq!((settled.version, settled.already), (1, is_in), "{fault:?}");
    }
    assert_eq!(follow(&store, 5).await.len(), 5);
    assert_eq!(database.number("SELECT count(*) FROM event").await, 5);
}

#[tokio::test]
async fn an_id_is_known_again_beyond_its_partition() {
    let database = Database::create().await;
    let options = PostgresOptions { partition_events: 3, ..PostgresOptions::default() };
    let opened = PostgresStore::open_with(&database.address(), OpenMode::Writer, options).await;
    let store = opened.expect("opens");
    let stream = new_stream();
    let append = |expected, events: Vec<_>| Append { stream: stream.clone(), expected, events };
    let first = sample_event(0);
    let new = append(ExpectedVersion::NoStream, vec![first.clone()]);
    store.append(new).await.expect("new");
    append_new(&store, 50).await.expect("a batch over many partitions");
    let partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'event'::regclass";
    assert!(database.number(partitions).await >= 17);
    let again = store.append(append(ExpectedVersion::Exact(0), vec![first])).await;
    let again = again.expect("the same again");
    assert_eq!((again.already, again.version, again.position.as_u64()), (true, 0, 1));
    let next = store.append(append(ExpectedVersion::Exact(0), vec![sample_event(2)])).await;
    assert_eq!(next.map(|done| done.version), Ok(1));
    let versions = store.read_stream(&stream, 0, 10).await.expect("readable");
    let positions: Vec<u64> = versions.iter().map(|event| event.position.as_u64()).collect();
    assert_eq!(positions, [1, 52], "a stream is read over all partitions");
}

#[tokio::test]
async fn a_changed_event_is_noticed_when_its_stream_is_read() {
    let database = Database::create().await;
    let store = database.open().await;
    append_new(&store, 3).await.expect("written");
    let log = store.read_all(Position::START, 10).await.expect("readable");
    let stream = log[0].stream.clone();
    for damage in [
        "UPDATE event SET data = '{}' WHERE position = 2",
        "UPDATE event SET recorded_at = recorded_at + 1 WHERE position = 2",
        "UPDATE event_index SET position = 3 WHERE position = 2",
        "UPDATE stream SET name = 'postgres-another'",
    ] {
        let fresh = Database::create().await;
        let store = fresh.open().await;
        let events = (0..3).map(sample_event).collect();
        let append = Append { stream: stream.clone(), expected: ExpectedVersion::NoStream, events };
        store.append(append).await.expect("written");
        fresh.run(damage).await;
        let name = match damage.contains("another") {
            true => chargebook_store::StreamName::new("postgres-another").expect("a name"),
            false => stream.clone(),
        };
        let read = store.read_stream(&name, 0, 10).await;
        assert!(matches!(read, Err(StoreError::Damaged { .. })), "{damage}: {read:?}");
    }
}

#[tokio::test]
async fn tables_that_are_no_log_of_ours_are_refused_and_left_alone() {
    let database = Database::create().await;
    database.run("CREATE TABLE event (id bigint)").await;
    let refused = PostgresStore::open(&database.address(), OpenMode::Writer).await;
    let Err(OpenError::Database { reason, .. }) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("already exists"), "{reason}");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()";
    assert_eq!(database.number(tables).await, 1, "nothing was made");

    let database = Database::create().await;
    database.open().await.close().await;
    database.run("UPDATE log_head SET schema_version = 99").await;
    for mode in [OpenMode::Writer, OpenMode::ReadOnly] {
        let refused = PostgresStore::open(&database.address(), mode).await;
        assert!(matches!(refused, Err(OpenError::DatabaseSchema { found: 99, .. })), "{refused:?}");
    }
    let nobody = "postgres://nobody:secret@127.0.0.1:1/none".parse().expect("an address");
    let refused = PostgresStore::open(&nobody, OpenMode::Writer).await;
    let Err(error) = refused else { panic!("opened") };
    assert!(error.to_string().contains("postgres://127.0.0.1:1/none"), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}
