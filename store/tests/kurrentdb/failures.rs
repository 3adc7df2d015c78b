//! What goes wrong between a store and KurrentDB, and that nothing comes of it.

use crate::cluster::{Cluster, append, append_new, new_stream, read_log};
use chargebook_kurrentdb_stand_in::{Fault, Step};
use chargebook_store::contract::{sample_event, scaled};
use chargebook_store::{AppendError, EventStore as _, KurrentDbStore, Position, RecordedEvent};
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use uuid::Uuid;

const WRITERS: u64 = 16;
/// After which something that comes at once has not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// The fault at the first so many of one kind of steps.
fn first(
    count: usize,
    step: Step,
    fault: Fault,
) -> impl Fn(Step) -> Option<Fault> + Send + Sync + 'static {
    let left = AtomicUsize::new(count);
    move |at| {
        let take = |left: usize| left.checked_sub(1);
        let is_hit =
            at == step && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok();
        is_hit.then_some(fault)
    }
}

/// Follows until there are so many events, beginning anew where a subscription fails.
async fn follow(store: &KurrentDbStore, count: usize) -> Vec<RecordedEvent> {
    let mut seen: Vec<RecordedEvent> = Vec::new();
    let mut subscription = store.subscribe(Position::START);
    while seen.len() < count {
        match subscription.next_page().await {
            Ok(page) => seen.extend(page),
            Err(_) => tokio::task::yield_now().await,
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_append_gets_through_whatever_happens_to_it_once() {
    for fault in [
        Fault::NotLeader,
        Fault::TimedOut { written: false },
        Fault::TimedOut { written: true },
        Fault::Dropped { written: false },
        Fault::Dropped { written: true },
        Fault::Ended,
        Fault::Silent { written: false },
        Fault::Silent { written: true },
        Fault::Busy,
    ] {
        let cluster = Cluster::start().await;
        let store = cluster.open().await;
        let stream = new_stream();
        append(&store, &stream, 0, vec![sample_event(0)]).await.expect("written");
        cluster.server.plan_faults(first(1, Step::Append, fault));
        let events = vec![sample_event(1), sample_event(2)];
        let done = append(&store, &stream, 1, events.clone()).await;
        let done = done.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!((done.version, done.already), (2, false), "{fault:?}");
        assert_eq!(*store.head().borrow(), done.position, "{fault:?}");
        let again = append(&store, &stream, 1, events).await.expect("settled by its ids");
        assert!(again.already && again.position == done.position, "{fault:?}");
        assert_eq!(read_log(&store).await.len(), 3, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_subscription_that_ends_is_begun_where_it_ended() {
    for fault in [
        Fault::NotLeader,
        Fault::Dropped { written: false },
        // The client asks a subscription on that was ended like this, for ever.
        Fault::Ended,
        Fault::Silent { written: false },
    ] {
        let cluster = Cluster::start().await;
        let store = cluster.open().await;
        append_new(&store, 3).await.expect("written");
        cluster.server.plan_faults(first(1, Step::Delivery, fault));
        for _ in 0..3 {
            let done = append_new(&store, 2).await;
            done.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        }
        let seen = tokio::time::timeout(PATIENCE, follow(&store, 9)).await;
        assert!(seen.expect("all comes") == read_log(&store).await, "{fault:?}");
    }
}

/// Faults everywhere, seeded.
fn storm(seed: u64) -> impl Fn(Step) -> Option<Fault> + Send + Sync + 'static {
    let random = Mutex::new(StdRng::seed_from_u64(seed));
    move |step| {
        let mut random = random.lock().expect("unpoisoned");
        let written = random.random_bool(0.5);
        match (step, random.random_range(0..1000)) {
            (Step::Append, 0..10) => Some(Fault::Dropped { written }),
            (Step::Append, 10..20) => Some(Fault::TimedOut { written }),
            (Step::Append, 20..25) => Some(Fault::NotLeader),
            (Step::Append, 25..30) => Some(Fault::Ended),
            (Step::Delivery, 0..10) => Some(Fault::Dropped { written }),
            (Step::Delivery, 10..20) => Some(Fault::Ended),
            (Step::Read, 0..10) => Some(Fault::Dropped { written }),
            _ => None,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_a_storm_of_faults_every_event_is_in_once_and_seen_once() {
    let cluster = Cluster::start().await;
    let store = cluster.open().await;
    cluster.server.plan_faults(storm(11));
    let events = scaled(20);
    let count = (WRITERS * events) as usize;
    let following = tokio::spawn({
        let store = store.clone();
        async move { follow(&store, count).await }
    });
    let write = |_| {
        let store = store.clone();
        tokio::spawn(async move {
            let stream = new_stream();
            for length in 0..events {
                let event = sample_event(length);
                loop {
                    match append(&store, &stream, length, vec![event.clone()]).await {
                        Ok(done) => break assert_eq!(done.version, length),
                        Err(AppendError::Unknown(_) | AppendError::Down(_)) => {}
                        Err(other) => panic!("the same ids never end in {other}"),
                    }
                }
            }
        })
    };
    for writer in join_all((0..WRITERS).map(write).collect::<Vec<_>>()).await {
        writer.expect("wrote");
    }
    cluster.server.heal();
    let log = read_log(&store).await;
    assert_eq!(log.len(), count, "every event is in once");
    let ids: HashSet<Uuid> = log.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), count);
    log.iter().try_for_each(RecordedEvent::verify_leaf).expect("leaves fit their events");
    assert!(following.await.expect("followed") == log, "it was seen differently");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_that_is_gone_acknowledges_nothing_and_all_goes_on_when_it_is_back() {
    let mut cluster = Cluster::start().await;
    let store = cluster.open().await;
    append_new(&store, 1).await.expect("written");
    cluster.server.kill(0).await;
    let refused = append_new(&store, 1).await;
    assert!(matches!(refused, Err(AppendError::Down(_) | AppendError::Unknown(_))), "{refused:?}");
    assert!(store.read_stream(&new_stream(), 0, 1).await.is_err());
    cluster.server.revive(0).await.expect("back on its port");
    let stream = new_stream();
    let event = sample_event(1);
    while append(&store, &stream, 0, vec![event.clone()]).await.is_err() {
        tokio::task::yield_now().await;
    }
    let stored = read_log(&store).await;
    assert_eq!(stored.last().map(|event| event.id), Some(event.id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_append_over_the_servers_limit_is_refused_alone() {
    let cluster = Cluster::start().await;
    let store = cluster.open().await;
    cluster.server.limit_appends(2_000);
    let many = append_new(&store, 50);
    let one = append_new(&store, 1);
    let (many, one) = tokio::join!(many, one);
    assert!(matches!(&many, Err(AppendError::OutOfBounds(why)) if why.contains("MaxAppendSize")));
    one.expect("written");
    assert_eq!(read_log(&store).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_that_lost_events_is_not_written_to() {
    let mut cluster = Cluster::start().await;
    let store = cluster.open().await;
    append_new(&store, 3).await.expect("written");
    cluster.server.truncate(2);
    cluster.server.kill(0).await;
    cluster.server.revive(0).await.expect("back on its port");
    let refused = loop {
        match append_new(&store, 1).await {
            Err(AppendError::Down(reason)) if reason.contains("does not have the event") => {
                break reason;
            }
            Err(_) => tokio::task::yield_now().await,
            Ok(done) => panic!("it was written behind what is lost, at {}", done.position),
        }
    };
    assert!(refused.contains("nothing is written"), "{refused}");
}
