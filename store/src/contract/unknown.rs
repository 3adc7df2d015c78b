//! The clause on answers that get lost, and the wrapper that loses them.

use super::{Engine, WRITERS, after_events, append_one, read_log, sample_event, scaled};
use crate::port::{
    Append, AppendError, Appended, EventStore, LookupKey, Position, RecordedEvent, StoreError,
    StreamName, Subscription,
};
use async_trait::async_trait;
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use uuid::Uuid;

/// A store that loses answers, seeded: some appends happen and are reported as unknown, some do
/// not happen and are reported as unknown too.
pub struct FaultyStore {
    inner: Arc<dyn EventStore>,
    random: Mutex<StdRng>,
    lost: f64,
}

impl FaultyStore {
    /// Loses the answer of `lost` (0 to 1) of the appends to `inner`, half of them with the
    /// append.
    pub fn new(inner: Arc<dyn EventStore>, seed: u64, lost: f64) -> Self {
        Self { inner, random: Mutex::new(StdRng::seed_from_u64(seed)), lost }
    }

    fn draw(&self) -> (bool, bool) {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        (random.random_bool(self.lost), random.random_bool(0.5))
    }
}

#[async_trait]
impl EventStore for FaultyStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let (lost, happens) = self.draw();
        if lost && !happens {
            return Err(AppendError::Unknown("injected: lost before".to_owned()));
        }
        let outcome = self.inner.append(append).await;
        if lost {
            return Err(AppendError::Unknown("injected: lost after".to_owned()));
        }
        outcome
    }

    async fn read_stream(
        &self,
        stream: &StreamName,
        from_version: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.inner.read_stream(stream, from_version, limit).await
    }

    async fn read_all(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.inner.read_all(after, limit).await
    }

    async fn lookup(&self, key: &LookupKey) -> Result<Option<StreamName>, StoreError> {
        self.inner.lookup(key).await
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.inner.head()
    }

    fn subscribe(&self, after: Position) -> Subscription {
        self.inner.subscribe(after)
    }
}

/// Whoever hears `Unknown` and appends the same ids again learns the truth, and nothing is in
/// the log twice.
pub async fn unknown_outcomes_are_settled_by_the_same_ids(engine: &dyn Engine) {
    const ATTEMPTS_MAX: usize = 100;
    let inner = engine.create().await;
    let store = Arc::new(FaultyStore::new(Arc::clone(&inner), 7, 0.4));
    let events = scaled(15);
    let write = |_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let stream = StreamName::of("contract", Uuid::new_v4());
            let mut settled = 0;
            for version in 0..events {
                let event = sample_event(version);
                let mut unknown = false;
                for attempt in 0.. {
                    assert!(attempt < ATTEMPTS_MAX, "it settles");
                    let again = event.clone();
                    match append_one(&*store, &stream, after_events(version), again).await {
                        Err(AppendError::Unknown(_)) => unknown = true,
                        Ok(done) => {
                            assert_eq!(done.version, version);
                            assert!(unknown || !done.already, "only a lost one can be there");
                            settled += u64::from(done.already);
                            break;
                        }
                        Err(other) => panic!("the same ids never end in {other}"),
                    }
                }
            }
            settled
        })
    };
    let settled = join_all((0..WRITERS).map(write)).await;
    let settled: u64 = settled.into_iter().map(|settled| settled.expect("wrote")).sum();
    assert!(settled > 0, "some answers were lost after the append");
    let log = read_log(&*inner, 1000).await;
    let ids: HashSet<Uuid> = log.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), log.len(), "no id is in twice");
    assert_eq!(log.len() as u64, WRITERS * events, "and none is missing");
}
