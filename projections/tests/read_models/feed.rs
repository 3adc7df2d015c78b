//! The feed of changes, and waiting for a position.

use crate::history::{History, PATIENCE, caught_up, place, session_id};
use chargebook_projections::{
    CHANGES_KEPT_MAX, Change, ChangeFeed, ChangeItem, ChangeKind, WaitError,
};
use chargebook_store::Position;
use std::time::Duration;

async fn next(feed: &mut ChangeFeed) -> ChangeItem {
    tokio::time::timeout(PATIENCE, feed.next()).await.unwrap().unwrap()
}

/// All changes up to a position.
async fn changes_until(feed: &mut ChangeFeed, end: Position) -> Vec<Change> {
    let mut all = Vec::new();
    loop {
        let ChangeItem::Changed { position, changes } = next(feed).await else { panic!("reset") };
        all.extend_from_slice(&changes);
        if position >= end {
            return all;
        }
    }
}

fn change(kind: ChangeKind, id: impl ToString) -> Change {
    Change { kind, id: id.to_string() }
}

#[tokio::test]
async fn who_watches_is_told_what_changed_and_can_resume() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    let running = caught_up(&history, folder.path()).await;
    let mut feed = running.models.changes(None);
    history.station(1, None).await;
    let registered = history.head();
    let seen = changes_until(&mut feed, registered).await;
    assert_eq!(seen, [change(ChangeKind::Station, "CP-1")]);

    history.start(place(1, 1)).await;
    let started = history.head();
    let seen = changes_until(&mut feed, started).await;
    assert!(seen.contains(&change(ChangeKind::Session, session_id(1))), "{seen:?}");
    assert!(seen.contains(&change(ChangeKind::Station, "CP-1")), "{seen:?}");

    let mut resumed = running.models.changes(Some(registered));
    assert_eq!(changes_until(&mut resumed, started).await, seen);
    running.crash().await;
}

#[tokio::test]
async fn who_comes_back_too_late_reads_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.station(1, None).await;
    let running = caught_up(&history, folder.path()).await;
    let mut slow = running.models.changes(None);
    history.station(2, None).await;
    let early = history.head();
    running.reach(early).await;
    for batch in 0..=(CHANGES_KEPT_MAX / 1_000) as u64 {
        for number in 0..1_000 {
            history.station(10 + batch * 1_000 + number, None).await;
        }
        running.reach(history.head()).await;
    }
    let mut late = running.models.changes(Some(early));
    for feed in [&mut slow, &mut late] {
        assert_eq!(next(feed).await, ChangeItem::Reset { position: history.head() });
    }
    history.start(place(1, 1)).await;
    let seen = changes_until(&mut late, history.head()).await;
    assert!(seen.contains(&change(ChangeKind::Session, session_id(1))), "{seen:?}");
    running.crash().await;
}

#[tokio::test]
async fn waiting_ends_with_the_position_or_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.station(1, None).await;
    let running = caught_up(&history, folder.path()).await;
    let far = Position::from_u64(history.head().as_u64() + 1);
    let reached = history.head();
    let waited = running.models.wait_for(far, Duration::from_millis(1)).await;
    assert_eq!(waited, Err(WaitError::Timeout { reached }));
    let models = running.models.clone();
    running.crash().await;
    assert_eq!(models.wait_for(far, PATIENCE).await, Err(WaitError::Ended { reached }));
}
