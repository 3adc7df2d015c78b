//! The past answers as the present did, and tells what happened from what was known.

use crate::history::{History, at, place, session_id, tariff_id};
use crate::random::{run, step, written};
use chargebook_domain::units::WattHours;
use chargebook_projections::{
    CanonicalDump, Moment, PASTS_KEPT_MAX, Past, RebuildOptions, SessionStatus, When, rebuild,
};
use chargebook_store::Position;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};
use std::path::Path;
use tokio::runtime::Handle;

fn known_at(position: Position) -> Moment {
    Moment { known_at: Some(When::Position(position)), as_of: None }
}

async fn rebuilt(history: &History) -> CanonicalDump {
    let folder = tempfile::tempdir().unwrap();
    let options = RebuildOptions { compare: false, ..RebuildOptions::default() };
    rebuild(history.store(), folder.path(), options, |_| {}).await.unwrap().dump
}

fn opened(history: &History, folder: &Path) -> Past {
    Past::open(history.store(), folder, Handle::current()).unwrap()
}

fn generations(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".db")).count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_past_is_what_a_rebuild_gave_then(
        steps in vec(step(), 1..60),
        cuts in vec(0..60_usize, 1..6),
    ) {
        let pairs = run(async {
            let whole = written(&steps).await;
            let folder = tempfile::tempdir().unwrap();
            let past = opened(&whole, folder.path());
            let mut pairs = Vec::new();
            for cut in cuts {
                let then = written(&steps[..cut.min(steps.len())]).await;
                let models = past.at(&known_at(then.head())).await.unwrap();
                assert_eq!(models.position, then.head());
                pairs.push((models.models.canonical_dump().await.unwrap(), rebuilt(&then).await));
                assert!(generations(folder.path()) <= PASTS_KEPT_MAX);
            }
            pairs
        });
        for (past, then) in pairs {
            prop_assert_eq!(past, then);
        }
    }
}

#[tokio::test]
async fn what_was_told_late_happened_before_it_was_known() {
    let mut history = History::new();
    history.tariff(1, 1).await;
    history.station(1, None).await;
    // 10:00 to 10:30 without a connection; told at 11:00.
    let (began, during, ended, told) = (at(0), at(600), at(1_800), at(3_600));
    history.now = told;
    history.start(crate::history::Place { started_at: Some(began), ..place(1, 1) }).await;
    history.now = during;
    history.recorded_at = Some(told);
    history.meter(1, 3_500, 11_000).await;
    history.now = ended;
    history.stop(1, 9_000, None).await;
    history.recorded_at = None;
    history.now = told;
    history.settle(1, began, (1_000, 9_000)).await;

    let folder = tempfile::tempdir().unwrap();
    let past = opened(&history, folder.path());
    let session = async |as_of: Option<When>, known_at: Option<When>| {
        let models = past.at(&Moment { as_of, known_at }).await.unwrap().models;
        let session = models.session(session_id(1)).await.unwrap();
        session.map(|session| (session.status, session.energy_wh))
    };
    let (open, stopped, settled) =
        (SessionStatus::Open, SessionStatus::Stopped, SessionStatus::Settled);
    let wh = WattHours::from_whole;
    let time = |seconds| Some(When::Time(at(seconds)));

    // What happened, as it is known now.
    assert_eq!(session(time(-1), None).await, None);
    assert_eq!(session(time(0), None).await, Some((open, wh(0))));
    assert_eq!(session(time(599), None).await, Some((open, wh(0))));
    assert_eq!(session(time(600), None).await, Some((open, wh(2_500))));
    assert_eq!(session(time(1_800), None).await, Some((stopped, wh(8_000))));
    assert_eq!(session(time(3_600), None).await, Some((settled, wh(8_000))));
    // What was known: nothing of it before it was told.
    assert_eq!(session(None, time(3_599)).await, None);
    assert_eq!(session(time(1_800), time(3_599)).await, None);
    assert_eq!(session(None, time(3_600)).await, Some((settled, wh(8_000))));
    assert_eq!(session(time(600), time(3_600)).await, Some((open, wh(2_500))));
    // By positions: with the start, with the reading, with the stop.
    let head = history.head().as_u64();
    let position = |back| Some(When::Position(Position::from_u64(head - back)));
    assert_eq!(session(None, position(4)).await, None);
    assert_eq!(session(None, position(3)).await, Some((open, wh(0))));
    assert_eq!(session(position(2), None).await, Some((open, wh(2_500))));
    assert_eq!(session(position(1), position(0)).await, Some((stopped, wh(8_000))));
    assert!(generations(folder.path()) <= PASTS_KEPT_MAX);
}

#[tokio::test]
async fn a_moment_after_the_head_is_the_present_and_nothing_is_left_behind() {
    let mut history = History::new();
    history.tariff(1, 1).await;
    history.pass(60);
    history.tariff(1, 2).await;
    let folder = tempfile::tempdir().unwrap();
    let past = opened(&history, folder.path());
    let version = async |when: &str| {
        let moment = Moment { as_of: Some(when.parse().unwrap()), known_at: None };
        let found = past.at(&moment).await.unwrap();
        let tariffs = found.models.list_tariffs().await.unwrap();
        assert!(tariffs.iter().all(|tariff| tariff.tariff_id == tariff_id(1)));
        (tariffs.first().map(|tariff| tariff.version), found.position.as_u64())
    };
    assert_eq!(version("0").await, (None, 0));
    assert_eq!(version(&at(-1).to_string()).await, (None, 4));
    assert_eq!(version(&at(0).to_string()).await, (Some(1), 4));
    assert_eq!(version(&at(59).to_string()).await, (Some(1), 4));
    assert_eq!(version(&at(60).to_string()).await, (Some(2), 4));
    assert_eq!(version("99999999999").await, (Some(2), 4));
    // The present grows, and the past made from it stays as it was.
    history.pass(60);
    history.tariff(1, 3).await;
    assert_eq!(version("4").await, (Some(2), 4));
    assert_eq!(version("6").await, (Some(3), 6));
    for wrong in ["", "yesterday", "-1", "2026-11-01", "2026-11-01T00:00:00"] {
        assert!(wrong.parse::<When>().is_err(), "{wrong}");
    }
    // A process that was killed leaves them; the next one removes them.
    std::mem::forget(past.clone());
    assert!(generations(folder.path()) > 0);
    opened(&history, folder.path());
    assert_eq!(generations(folder.path()), 0);
}

#[tokio::test]
async fn whoever_waits_for_the_same_past_gets_the_same() {
    let mut history = History::new();
    for number in 1..=20 {
        history.tariff(number, 1).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let past = opened(&history, folder.path());
    let moment = known_at(Position::from_u64(20));
    let both = futures::future::join_all((0..8).map(|_| past.at(&moment))).await;
    for models in both {
        assert_eq!(models.unwrap().models.list_tariffs().await.unwrap().len(), 10);
    }
    assert_eq!(generations(folder.path()), 1);
    // One that gives up waiting leaves it to be made.
    let other = known_at(Position::from_u64(30));
    drop(tokio::time::timeout(std::time::Duration::ZERO, past.at(&other)).await);
    assert_eq!(past.at(&other).await.unwrap().models.list_tariffs().await.unwrap().len(), 15);
    assert_eq!(generations(folder.path()), 2);
}
