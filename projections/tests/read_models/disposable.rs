//! The law of this room: the state follows from the log alone. Not from how it was cut into
//! batches, not from crashes, not from when it was built.

use crate::history::{Running, batches_of};
use crate::random::{run, step, written};
use chargebook_projections::{CanonicalDump, ProjectionError, RebuildOptions, rebuild};
use chargebook_store::EventStore;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};
use std::sync::Arc;

/// The state after a rebuild in batches of one size, with so many rows kept in memory.
async fn rebuilt(
    log: Arc<dyn EventStore>,
    batch_events_max: usize,
    cached_rows_max: usize,
) -> CanonicalDump {
    let folder = tempfile::tempdir().unwrap();
    let options = RebuildOptions { batch_events_max, cached_rows_max, compare: false };
    rebuild(log, folder.path(), options, |_| {}).await.unwrap().dump
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn batches_and_caches_of_any_size_give_the_same_state(steps in vec(step(), 1..120)) {
        let dumps = run(async {
            let history = written(&steps).await;
            let mut dumps = Vec::new();
            for (batch_events_max, cached_rows_max) in [(1, 100), (7, 100), (1_000, 100), (7, 0)] {
                dumps.push(rebuilt(history.store(), batch_events_max, cached_rows_max).await);
            }
            dumps
        });
        prop_assert_eq!(&dumps[0], &dumps[1]);
        prop_assert_eq!(&dumps[0], &dumps[2]);
        prop_assert_eq!(&dumps[0], &dumps[3], "rows that were forgotten and loaded again");
    }

    #[test]
    fn a_crash_at_any_checkpoint_changes_nothing(
        steps in vec(step(), 1..60),
        batch_events_max in 1..4_usize,
    ) {
        let (crashed, straight) = run(async {
            let history = written(&steps).await;
            let straight = rebuilt(history.store(), 1_000, 100).await;

            // Crashes as soon as the next checkpoint is reached, over and over.
            let folder = tempfile::tempdir().unwrap();
            let crashed = loop {
                let options = batches_of(batch_events_max);
                let running = Running::begin(history.store(), folder.path(), options).await;
                let mut level = running.models.position();
                let before = *level.borrow_and_update();
                if before == history.head() {
                    let dump = running.models.canonical_dump().await.unwrap();
                    running.crash().await;
                    break dump;
                }
                if level.wait_for(|at| *at > before).await.is_ok() {
                    running.crash().await;
                } else {
                    // The one that crashed was in the middle of a commit, and it came through.
                    let ended = running.end().await;
                    assert!(matches!(ended, Err(ProjectionError::AnotherOwner { .. })), "{ended:?}");
                }
            };
            (crashed, straight)
        });
        prop_assert_eq!(crashed, straight);
    }
}
