//! Clauses on reading the log to its end and beyond.

use super::{Engine, WRITERS, after_events, append_one, read_log, sample_event, scaled};
use crate::port::{EventStore, Position, RecordedEvent, StreamName};
use futures::FutureExt;
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use uuid::Uuid;

/// Writers, each with a stream of its own, append `events` each from `from_version` on.
fn spawn_writers(
    store: &Arc<dyn EventStore>,
    streams: &[StreamName],
    from_version: u64,
    events: u64,
) -> Vec<tokio::task::JoinHandle<()>> {
    let write = |stream: &StreamName| {
        let (store, stream) = (Arc::clone(store), stream.clone());
        tokio::spawn(async move {
            for version in from_version..from_version + events {
                let event = sample_event(version);
                let done = append_one(&*store, &stream, after_events(version), event).await;
                assert_eq!(done.map(|done| done.version), Ok(version));
            }
        })
    };
    streams.iter().map(write).collect()
}

fn writer_streams() -> Vec<StreamName> {
    (0..WRITERS).map(|_| StreamName::of("contract", Uuid::new_v4())).collect()
}

/// Follows the log until it has `count` events, with every way of being interrupted: dropped
/// in the middle of a page, dropped while waiting, and a wait that is given up and repeated.
async fn follow(store: Arc<dyn EventStore>, count: usize, seed: u64) -> Vec<RecordedEvent> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut seen: Vec<RecordedEvent> = Vec::new();
    while seen.len() < count {
        let after = seen.last().map_or(Position::START, |event| event.position);
        let mut subscription = store.subscribe(after);
        if random.random_bool(0.2) {
            subscription = subscription.gathering();
        }
        for _ in 0..random.random_range(1..20) {
            if seen.len() >= count {
                break;
            }
            if random.random_bool(0.3) {
                // Polled once and dropped: nothing may be lost by that.
                if let Some(page) = subscription.next_page().now_or_never() {
                    seen.extend(page.expect("the subscription lives"));
                }
                tokio::task::yield_now().await;
                continue;
            }
            let page = subscription.next_page().await.expect("the subscription lives");
            assert!(!page.is_empty(), "a page holds something");
            let cut = random.random_bool(0.2);
            let taken = if cut { random.random_range(0..=page.len()) } else { page.len() };
            seen.extend(page.into_iter().take(taken));
            if cut {
                break;
            }
        }
    }
    seen
}

/// Subscribers that come and go under writers at full speed see every event once, in order.
pub async fn subscribers_see_each_event_once(engine: &dyn Engine) {
    let store = engine.create().await;
    let streams = writer_streams();
    let events = scaled(60);
    let count = (WRITERS * events) as usize;
    let writers = spawn_writers(&store, &streams, 0, events);
    let followers = (0..8).map(|seed| tokio::spawn(follow(Arc::clone(&store), count, seed)));
    let seen = join_all(followers).await;
    for writer in join_all(writers).await {
        writer.expect("wrote");
    }
    let log = read_log(&*store, 999).await;
    assert_eq!(log.len(), count);
    for seen in seen {
        assert!(seen.expect("followed") == log, "a subscriber saw something else than the log");
    }
    let late = follow(Arc::clone(&store), count, 99).await;
    assert!(late == log, "history and live are the same");
    let last = log.last().map_or(Position::START, |event| event.position);
    assert_eq!(*store.head().borrow(), last);
    let mut at_head = store.subscribe(last);
    assert!(at_head.next_page().now_or_never().is_none(), "at the head it waits");
}

/// Pages of any size make up the same log.
pub async fn pages_join_without_a_seam(engine: &dyn Engine) {
    let store = engine.create().await;
    for writer in join_all(spawn_writers(&store, &writer_streams(), 0, scaled(5))).await {
        writer.expect("wrote");
    }
    let whole = read_log(&*store, 4096).await;
    for page in [1, 7, 100] {
        assert!(read_log(&*store, page).await == whole, "pages of {page} differ");
    }
    let middle = whole[whole.len() / 2].position;
    let rest = store.read_all(middle, 4096).await.expect("readable");
    assert!(rest == whole[whole.len() / 2 + 1..], "after is exclusive");
    assert_eq!(store.read_all(Position::START, 0).await, Ok(vec![]));
}

/// A log that is closed and opened again goes on where it was: same events, same ids, growing
/// positions, followed from where a subscriber had been.
pub async fn restarts_continue_the_log(engine: &dyn Engine) {
    let mut store = engine.create().await;
    let streams = writer_streams();
    let events = scaled(5);
    let mut seen = Vec::new();
    for round in 0..4 {
        let from = round * events;
        let count = ((round + 1) * events * WRITERS) as usize;
        let writers = spawn_writers(&store, &streams, from, events);
        let mut subscription =
            store.subscribe(seen.last().map_or(Position::START, |e: &RecordedEvent| e.position));
        while seen.len() < count {
            seen.extend(subscription.next_page().await.expect("lives"));
        }
        for writer in join_all(writers).await {
            writer.expect("wrote");
        }
        let last = seen.last().map_or(Position::START, |event| event.position);
        drop(subscription);
        store = engine.reopen(store).await;
        assert_eq!(*store.head().borrow(), last, "the head is where it was");
    }
    assert!(read_log(&*store, 500).await == seen, "the log is what was seen of it");
    let again = sample_event_again(&seen[0]);
    let done = append_one(&*store, &seen[0].stream, after_events(0), again).await;
    assert_eq!(done.map(|done| (done.version, done.already)), Ok((0, true)));
}

fn sample_event_again(recorded: &RecordedEvent) -> crate::port::NewEvent {
    crate::port::NewEvent {
        id: recorded.id,
        event_type: recorded.event_type.clone(),
        schema_version: recorded.schema_version,
        recorded_at: recorded.recorded_at,
        data: recorded.data.clone(),
        meta: recorded.meta.clone(),
        keys: Vec::new(),
    }
}
