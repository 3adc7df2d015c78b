//! Several nodes: of KurrentDB, whose leader changes, and of ours, which write one log.

use crate::cluster::{Cluster, append, append_new, new_folder, new_stream, read_log};
use chargebook_proof::CanonicalJson;
use chargebook_store::contract::{sample_event, scaled};
use chargebook_store::{
    AppendError, EventStore as _, KurrentDbStore, LookupKey, NewEvent, OpenError, Position,
    StreamName,
};
use futures::future::join_all;

const WRITERS: usize = 8;
const STREAMS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_leader_changes_and_dies_and_the_log_goes_on() {
    let mut cluster = Cluster::of(3).await;
    let store = cluster.open().await;
    let stream = new_stream();
    let mut length = 0;
    for leader in [0, 1, 2, 1] {
        cluster.server.lead(leader);
        for _ in 0..3 {
            let event = sample_event(length);
            while let Err(error) = append(&store, &stream, length, vec![event.clone()]).await {
                assert!(!matches!(error, AppendError::WrongVersion { .. }), "{error}");
            }
            length += 1;
        }
    }
    cluster.server.kill(1).await;
    cluster.server.lead(2);
    let event = sample_event(length);
    while append(&store, &stream, length, vec![event.clone()]).await.is_err() {
        tokio::task::yield_now().await;
    }
    let log = read_log(&store).await;
    assert_eq!(log.len() as u64, length + 1);
    assert_eq!(log.last().map(|event| event.id), Some(event.id));
}

/// Writes its share to all streams, whoever else does.
async fn write(store: KurrentDbStore, streams: Vec<StreamName>, events: u64) {
    for number in 0..events {
        for stream in &streams {
            let event = sample_event(number);
            let mut length = 0;
            loop {
                match append(&store, stream, length, vec![event.clone()]).await {
                    Ok(_) => break,
                    Err(AppendError::WrongVersion { current }) => {
                        length = current.map_or(0, |current| current + 1);
                    }
                    Err(AppendError::Unknown(_) | AppendError::Down(_)) => {}
                    Err(other) => panic!("a race is lost by version only: {other}"),
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_of_two_nodes_race_and_nothing_is_lost_or_doubled() {
    let cluster = Cluster::start().await;
    let folders = [new_folder(), new_folder()];
    let nodes = [cluster.open_in(&folders[0]).await, cluster.open_in(&folders[1]).await];
    let streams: Vec<StreamName> = (0..STREAMS).map(|_| new_stream()).collect();
    let events = scaled(4);
    let writers = (0..WRITERS).map(|writer| {
        let mut streams = streams.clone();
        streams.rotate_left(writer % STREAMS);
        tokio::spawn(write(nodes[writer % 2].clone(), streams, events))
    });
    for writer in join_all(writers.collect::<Vec<_>>()).await {
        writer.expect("wrote");
    }
    let log = read_log(&nodes[0]).await;
    assert_eq!(log.len(), WRITERS * STREAMS * events as usize);
    let mut ids: Vec<_> = log.iter().map(|event| event.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), log.len(), "no event is in twice");
    assert!(read_log(&nodes[1]).await == log, "both read the same log");
}

fn with_key(number: u64, key: LookupKey) -> NewEvent {
    let meta = format!("{{\"keys\":[\"{}\"]}}", hex::encode(key.0));
    NewEvent { keys: vec![key], meta: CanonicalJson::from_stored(meta), ..sample_event(number) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_one_node_writes_the_other_goes_by_at_once() {
    let cluster = Cluster::start().await;
    let folders = [new_folder(), new_folder()];
    let (one, two) = (cluster.open_in(&folders[0]).await, cluster.open_in(&folders[1]).await);
    let stream = new_stream();
    for number in 0..20 {
        let key = LookupKey([number; 16]);
        let event = with_key(u64::from(number), key);
        let (writer, other) = if number % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let done = append(writer, &stream, u64::from(number), vec![event.clone()]).await;
        done.expect("an index that is behind refuses nobody");
        // A miss in the index is not believed before the log's end was looked at.
        assert_eq!(other.lookup(&key).await, Ok(Some(stream.clone())));
        let again = append(other, &stream, u64::from(number) + 1, vec![event]).await;
        assert!(again.expect("settled by its id").already);
    }
    assert_eq!(one.lookup(&LookupKey([99; 16])).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_follows_beside_the_writer_and_makes_nothing() {
    let cluster = Cluster::start().await;
    let refused = cluster.open_read_only().await;
    assert!(matches!(refused, Err(OpenError::NoDatabaseLog { .. })), "{refused:?}");
    assert_eq!(std::fs::read_dir(cluster.folder.path()).expect("readable").count(), 0);
    let writer = cluster.open().await;
    let key = LookupKey([5; 16]);
    let stream = new_stream();
    let first = append(&writer, &stream, 0, vec![with_key(1, key)]).await.expect("written");
    let reader = cluster.open_read_only().await.expect("opens");
    assert_eq!(*reader.head().borrow(), first.position);
    assert_eq!(reader.lookup(&key).await, Ok(Some(stream)));
    let refused = append_new(&reader, 1).await;
    assert!(matches!(refused, Err(AppendError::Down(_))), "{refused:?}");
    let mut subscription = reader.subscribe(Position::START);
    let mut seen = subscription.next_page().await.expect("lives");
    append_new(&writer, 5).await.expect("written");
    while seen.len() < 6 {
        seen.extend(subscription.next_page().await.expect("lives"));
    }
    assert!(read_log(&writer).await == seen);
    writer.close().await;
    assert!(matches!(append_new(&writer, 1).await, Err(AppendError::Down(_))), "it is closed");
}
