//! Several processes on one log: stores that share nothing but the database.

use crate::database::{Database, append_new, follow, new_stream};
use chargebook_store::contract::{sample_event, scaled};
use chargebook_store::{
    Append, AppendError, EventStore, ExpectedVersion, LookupKey, NewEvent, Position, PostgresStore,
    RecordedEvent, StreamName,
};
use futures::future::join_all;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use uuid::Uuid;

/// Writers in all, half of them on each node.
const WRITERS: usize = 32;
/// Streams that they race for.
const STREAMS: usize = 8;
/// Connections that are cut while they write.
const CUTS: u64 = 40;

/// What a writer was promised: stream, version, position and id.
type Promise = (StreamName, u64, Position, Uuid);

/// Appends events to streams that others write too, with the same ids until it is settled.
async fn write(store: PostgresStore, streams: Vec<StreamName>, events: u64) -> Vec<Promise> {
    let mut promises = Vec::new();
    for number in 0..events {
        let stream = &streams[number as usize % streams.len()];
        let event = sample_event(number);
        let mut expected = ExpectedVersion::NoStream;
        loop {
            let append = Append { stream: stream.clone(), expected, events: vec![event.clone()] };
            match store.append(append).await {
                Ok(done) => {
                    promises.push((stream.clone(), done.version, done.position, event.id));
                    break;
                }
                Err(AppendError::WrongVersion { current }) => {
                    let believed = expected.next();
                    let current = current.expect("a stream is never unlearned");
                    assert!(current + 1 >= believed, "never older than what was told before");
                    expected = ExpectedVersion::Exact(current);
                }
                Err(AppendError::Unknown(_) | AppendError::Down(_)) => {
                    tokio::task::yield_now().await;
                }
                Err(other) => panic!("a race is lost by version only: {other}"),
            }
        }
    }
    promises
}

/// Follows the log through subscriptions that are lost and taken up again.
async fn follow_through(store: PostgresStore, count: usize) -> Vec<RecordedEvent> {
    let mut seen: Vec<RecordedEvent> = Vec::new();
    let mut pages = 0;
    let mut subscription = store.subscribe(Position::START);
    while seen.len() < count {
        match subscription.next_page().await {
            Ok(page) => seen.extend(page),
            Err(_) => tokio::task::yield_now().await,
        }
        pages += 1;
        if pages % 7 == 0 {
            let after = seen.last().map_or(Position::START, |event| event.position);
            subscription = store.subscribe(after);
        }
    }
    seen
}

/// Cuts a connection of the log, whatever it is doing, again and again.
async fn cut_connections(database: Arc<Database>, done: Arc<AtomicBool>) -> u64 {
    let name = &database.name;
    let cut = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE application_name = '{name}' ORDER BY random() LIMIT 1"
    );
    let mut cuts = 0;
    while !done.load(Ordering::SeqCst) && cuts < CUTS {
        database.run(&cut).await;
        cuts += 1;
    }
    cuts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_of_two_nodes_race_through_cut_connections() {
    let database = Arc::new(Database::create().await);
    let nodes = [database.open().await, database.open().await];
    let streams: Vec<StreamName> = (0..STREAMS).map(|_| new_stream()).collect();
    let events = scaled(24);
    let count = WRITERS * events as usize;
    let done = Arc::new(AtomicBool::new(false));
    let cutting = tokio::spawn(cut_connections(Arc::clone(&database), Arc::clone(&done)));
    let followers = nodes.clone().map(|node| tokio::spawn(follow_through(node, count)));
    let writers = (0..WRITERS).map(|writer| {
        let mut streams = streams.clone();
        streams.rotate_left(writer % STREAMS);
        tokio::spawn(write(nodes[writer % 2].clone(), streams, events))
    });
    let promises = join_all(writers.collect::<Vec<_>>()).await;
    let promises: Vec<Promise> = promises.into_iter().flat_map(|it| it.expect("wrote")).collect();
    done.store(true, Ordering::SeqCst);
    assert!(cutting.await.expect("cut") > 0);

    let log = follow(&nodes[0], count).await;
    assert_eq!(log.len(), count, "every event is in once");
    let positions: Vec<u64> = log.iter().map(|event| event.position.as_u64()).collect();
    assert_eq!(positions, (1..=count as u64).collect::<Vec<_>>(), "positions have no holes");
    log.iter().try_for_each(RecordedEvent::verify_leaf).expect("leaves fit their events");
    let ids: HashSet<Uuid> = log.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), count, "no event is in twice");
    let at: HashMap<u64, &RecordedEvent> =
        log.iter().map(|event| (event.position.as_u64(), event)).collect();
    for (stream, version, position, id) in &promises {
        let event = at[&position.as_u64()];
        assert_eq!((&event.stream, event.version, event.id), (stream, *version, *id));
    }
    let mut next: HashMap<&StreamName, u64> = HashMap::new();
    for event in &log {
        let version = next.entry(&event.stream).or_default();
        assert_eq!(event.version, *version, "versions have no holes");
        *version += 1;
    }
    for seen in join_all(followers).await {
        assert!(seen.expect("followed") == log, "a subscriber saw something else than the log");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_one_node_writes_the_other_sees_and_goes_by() {
    let database = Database::create().await;
    let (one, two) = (database.open().await, database.open().await);
    let following = tokio::spawn({
        let two = two.clone();
        async move { follow(&two, 5).await }
    });
    let stream = new_stream();
    let append = |store: &PostgresStore, expected, events: &[NewEvent]| {
        let (store, stream, events) = (store.clone(), stream.clone(), events.to_vec());
        async move { store.append(Append { stream, expected, events }).await }
    };
    let key = LookupKey([9; 16]);
    let mut events: Vec<NewEvent> = (0..5).map(sample_event).collect();
    events[0].keys = vec![key];
    let (first, exact) = (ExpectedVersion::NoStream, ExpectedVersion::Exact);
    append(&one, first, &events[..1]).await.expect("new");
    assert_eq!(two.lookup(&key).await, Ok(Some(stream.clone())));
    append(&two, exact(0), &events[1..3]).await.expect("goes on");
    // Node one remembers version 0.
    append(&one, exact(2), &events[3..4]).await.expect("an old memory refuses nobody");
    let behind = append(&two, exact(2), &events[4..]).await;
    assert_eq!(behind, Err(AppendError::WrongVersion { current: Some(3) }), "nor lets anybody in");
    append(&two, exact(3), &events[4..]).await.expect("goes on");
    let again = append(&one, exact(3), &events[4..]).await.expect("settled by its id");
    assert!(again.already);
    let conflict = NewEvent { id: events[1].id, ..sample_event(99) };
    let refused = append(&one, exact(4), &[conflict]).await;
    assert!(matches!(refused, Err(AppendError::IdConflict { version: 1, .. })), "{refused:?}");
    assert_eq!(following.await.expect("followed").len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_follows_beside_the_writers_and_makes_nothing() {
    let database = Database::create().await;
    let refused = database.open_read_only().await;
    assert!(
        matches!(&refused, Err(chargebook_store::OpenError::NoDatabaseLog { .. })),
        "{refused:?}"
    );
    let writer = database.open().await;
    append_new(&writer, 3).await.expect("written");
    let reader = database.open_read_only().await.expect("opens");
    assert_eq!(reader.head().borrow().as_u64(), 3);
    let refused = append_new(&reader, 1).await;
    assert!(matches!(refused, Err(AppendError::Down(_))), "{refused:?}");
    let following = tokio::spawn({
        let reader = reader.clone();
        async move { follow(&reader, 8).await }
    });
    append_new(&writer, 5).await.expect("written");
    let seen = following.await.expect("followed");
    assert_eq!(writer.read_all(Position::START, 100).await, Ok(seen));
    writer.close().await;
    assert!(matches!(append_new(&writer, 1).await, Err(AppendError::Down(_))), "it is closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_told_on_the_channel_is_no_head() {
    let database = Database::create().await;
    let (writer, other) = (database.open().await, database.open_read_only().await.expect("opens"));
    let mut head = other.head();
    let listening = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN \"chargebook%' \
                     AND application_name = current_schema()";
    while database.number(listening).await < 2 {
        tokio::task::yield_now().await;
    }
    for lie in ["9223372036854775807", "18446744073709551615", "999999", "", "one"] {
        let channel = "'chargebook_log_' || to_regclass('log_head')::oid";
        database.run(&format!("SELECT pg_notify({channel}, '{lie}')")).await;
    }
    for count in 1..=3 {
        append_new(&writer, 1).await.expect("the writer knows its head");
        let seen = *head.wait_for(|head| head.as_u64() >= count).await.expect("lives");
        assert_eq!(seen.as_u64(), count, "a lie was believed");
    }
    assert_eq!(follow(&other, 3).await.len(), 3);
    // A new connection compares the log with what was seen.
    let name = &database.name;
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name =";
    database.run(&format!("{cut} '{name}'")).await;
    while let Err(error) = append_new(&writer, 1).await {
        let reason = error.to_string();
        assert!(!reason.contains("was seen already"), "{reason}");
        tokio::task::yield_now().await;
    }
}
