//! The clause on answers that get lost.

use super::failing::{FailingStore, Fate};
use super::{Engine, WRITERS, after_events, append_one, read_log, sample_event, scaled};
use crate::port::{AppendError, StreamName};
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// Loses the answer of `lost` (0 to 1) of the appends, seeded; half of them with the append.
fn losing(seed: u64, lost: f64) -> impl Fn() -> Fate + Send + Sync + 'static {
    let random = Mutex::new(StdRng::seed_from_u64(seed));
    move || {
        let mut random = random.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = |when: &str| AppendError::Unknown(format!("injected: lost {when}"));
        match (random.random_bool(lost), random.random_bool(0.5)) {
            (false, _) => Fate::Passes,
            (true, false) => Fate::Fails(unknown("before")),
            (true, true) => Fate::HappensUntold(unknown("after")),
        }
    }
}

/// Whoever hears `Unknown` and appends the same ids again learns the truth, and nothing is in
/// the log twice.
pub async fn unknown_outcomes_are_settled_by_the_same_ids(engine: &dyn Engine) {
    const ATTEMPTS_MAX: usize = 100;
    let inner = engine.create().await;
    let store = Arc::new(FailingStore::new(Arc::clone(&inner), losing(7, 0.4)));
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
