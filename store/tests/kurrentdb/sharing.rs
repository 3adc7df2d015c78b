//! A database with other events in it, and an index that is not the log's.

use crate::cluster::{Cluster, append, append_new, new_folder, new_stream, read_log};
use chargebook_store::contract::sample_event;
use chargebook_store::{AppendError, EventStore as _, KurrentDbStore, OpenMode};

/// More than one call reads, and than lie between two of the server's checkpoints.
const FOREIGN_EVENTS: usize = 700;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_of_others_are_passed_over() {
    let cluster = Cluster::start().await;
    let store = cluster.open().await;
    for round in 0..3 {
        for number in 0..FOREIGN_EVENTS {
            // One begins like the log's own.
            cluster.server.write_foreign(["orders-7", "chargebook-5"][number % 2]);
        }
        append_new(&store, 2).await.expect("written");
        assert_eq!(read_log(&store).await.len(), 2 * (round + 1));
    }
    store.close().await;
    for _ in 0..FOREIGN_EVENTS {
        cluster.server.write_foreign("orders-7");
    }
    let store = cluster.open().await;
    assert_eq!(read_log(&store).await.len(), 6);
    let reader = cluster.open_read_only().await.expect("opens");
    assert_eq!(*reader.head().borrow(), *store.head().borrow());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_logs_in_one_database_know_nothing_of_each_other() {
    let cluster = Cluster::start().await;
    let folders = [new_folder(), new_folder()];
    let address = |log: &str| format!("{}&log={log}", cluster.server.address());
    let open = async |log: &str, folder: &tempfile::TempDir| {
        let address = address(log).parse().expect("an address");
        KurrentDbStore::open(&address, folder.path(), OpenMode::Writer).await.expect("opens")
    };
    let (south, north) = (open("south", &folders[0]).await, open("north", &folders[1]).await);
    let stream = new_stream();
    for store in [&south, &north] {
        append(store, &stream, 0, vec![sample_event(1)]).await.expect("a stream of each");
    }
    assert_eq!(read_log(&south).await.len(), 1);
    assert_ne!(read_log(&south).await[0].id, read_log(&north).await[0].id);
    north.close().await;
    // The folder of another log.
    let south_again = open("south", &folders[1]).await;
    let wrong = append(&south_again, &stream, 0, vec![sample_event(2)]).await;
    assert_eq!(wrong, Err(AppendError::WrongVersion { current: Some(0) }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_index_that_is_lost_damaged_or_another_databases_is_made_anew() {
    let cluster = Cluster::start().await;
    let store = cluster.open().await;
    let stream = new_stream();
    let event = sample_event(1);
    let done = append(&store, &stream, 0, vec![event.clone()]).await.expect("written");
    store.close().await;
    drop(store);
    let other = Cluster::start().await;
    let elsewhere = other.open().await;
    append_new(&elsewhere, 40).await.expect("written");
    elsewhere.close().await;
    drop(elsewhere);
    let file = "kurrentdb-index.db";
    let another = std::fs::read(other.folder.path().join(file)).expect("readable");
    for content in [None, Some(b"no database".to_vec()), Some(Vec::new()), Some(another)] {
        let path = cluster.folder.path().join(file);
        for ending in ["-wal", "-shm"] {
            // There is none after a store was closed.
            let _ = std::fs::remove_file(path.with_file_name(format!("{file}{ending}")));
        }
        match &content {
            None => std::fs::remove_file(&path).expect("removed"),
            Some(content) => std::fs::write(&path, content).expect("written"),
        }
        let store = cluster.open().await;
        let again = append(&store, &stream, 0, vec![event.clone()]).await.expect("is there");
        assert!(again.already && again.position == done.position);
        store.close().await;
        drop(store);
    }
}
