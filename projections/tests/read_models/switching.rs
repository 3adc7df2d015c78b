//! Generations: rebuilding beside the live one, switching, who may write.

use crate::history::{History, PATIENCE, Running, batches_of, caught_up, place, session_id};
use chargebook_projections::{
    ChangeItem, ProjectionError, ProjectorOptions, RebuildOptions, open, rebuild,
};
use sqlx::{Connection as _, SqliteConnection};
use std::path::Path;
use std::sync::{Arc, Mutex};

fn generations(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".db")).collect();
    names.sort();
    names
}

async fn some_history() -> History {
    let mut history = History::new();
    history.station(1, Some(1)).await;
    for session in 1..=20 {
        history.start(place(session, 1)).await;
        history.pass(60);
        history.meter(session, 1_100, 6_000).await;
        history.stop(session, 1_200, None).await;
    }
    history
}

#[tokio::test]
async fn a_rebuild_beside_a_running_projector_takes_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = some_history().await;
    let running = caught_up(&history, folder.path()).await;
    let live = running.models.canonical_dump().await.unwrap();
    let mut feed = running.models.changes(None);
    let progress = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&progress);
    let report = rebuild(history.store(), folder.path(), RebuildOptions::default(), move |at| {
        seen.lock().unwrap().push(at);
    })
    .await
    .unwrap();
    assert_eq!(report.events, history.head().as_u64());
    assert_eq!(report.dump, live);
    assert_eq!(report.comparison.as_ref().unwrap().live, live);
    assert!(report.comparison.unwrap().is_equal());
    assert_eq!(progress.lock().unwrap().last().unwrap().position, history.head());

    // The projector notices, and its watchers are told to read anew.
    let item = tokio::time::timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
    assert_eq!(item, ChangeItem::Reset { position: history.head() });
    history.start(place(21, 1)).await;
    running.reach(history.head()).await;
    assert!(running.models.session(session_id(21)).await.unwrap().is_some());
    assert_ne!(Some(&report.generation), report.previous.as_ref());

    // Nobody uses the old one any more.
    let only = vec![report.generation];
    let removed = async {
        while generations(folder.path()) != only {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, removed).await.unwrap();
    running.crash().await;
}

#[tokio::test]
async fn a_rebuild_without_a_projector_leaves_one_generation() {
    let folder = tempfile::tempdir().unwrap();
    let history = some_history().await;
    let first =
        rebuild(history.store(), folder.path(), RebuildOptions::default(), |_| {}).await.unwrap();
    assert_eq!((first.previous, first.comparison), (None, None));
    let second =
        rebuild(history.store(), folder.path(), RebuildOptions::default(), |_| {}).await.unwrap();
    assert_eq!(second.dump, first.dump);
    assert_eq!(generations(folder.path()), [second.generation]);
    let running = caught_up(&history, folder.path()).await;
    assert_eq!(running.models.canonical_dump().await.unwrap(), first.dump);
    running.crash().await;
}

#[tokio::test]
async fn a_difference_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let history = some_history().await;
    let first =
        rebuild(history.store(), folder.path(), RebuildOptions::default(), |_| {}).await.unwrap();
    let mut tampered = connect(&folder.path().join(&first.generation)).await;
    sqlx::query("UPDATE sessions SET stop_reason = 'Other' WHERE transaction_id = 3")
        .execute(&mut tampered)
        .await
        .unwrap();
    tampered.close().await.unwrap();
    let second =
        rebuild(history.store(), folder.path(), RebuildOptions::default(), |_| {}).await.unwrap();
    assert!(!second.comparison.unwrap().is_equal());
    assert_eq!(second.dump, first.dump);
}

#[tokio::test]
async fn what_is_deleted_damaged_or_ahead_is_rebuilt_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let history = some_history().await;
    let read = folder.path().join("read");
    let running = caught_up(&history, &read).await;
    let dump = running.models.canonical_dump().await.unwrap();
    running.crash().await;

    std::fs::remove_dir_all(&read).unwrap();
    let running = caught_up(&history, &read).await;
    assert_eq!(running.models.canonical_dump().await.unwrap(), dump);
    running.crash().await;

    let [name] = <[String; 1]>::try_from(generations(&read)).unwrap();
    std::fs::write(read.join(name), b"this is no database at all").unwrap();
    let running = caught_up(&history, &read).await;
    assert_eq!(running.models.canonical_dump().await.unwrap(), dump);
    running.crash().await;

    // A log that was restored from a backup ends before the read models do.
    let mut shorter = History::new();
    shorter.station(1, Some(1)).await;
    let running = caught_up(&shorter, &read).await;
    let rows = running.models.canonical_dump().await.unwrap();
    assert_eq!((rows.position, rows.rows), (1, 1));
    running.crash().await;
}

#[tokio::test]
async fn two_projectors_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let history = some_history().await;
    let running = caught_up(&history, folder.path()).await;
    let second = open(history.store(), folder.path(), ProjectorOptions::default()).await;
    assert!(matches!(second, Err(ProjectionError::Locked { .. })));
    running.crash().await;
}

#[tokio::test]
async fn a_checkpoint_that_somebody_else_moved_stops_the_projector() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = some_history().await;
    let running = Running::begin(history.store(), folder.path(), batches_of(7)).await;
    running.reach(history.head()).await;
    let [name] = <[String; 1]>::try_from(generations(folder.path())).unwrap();
    let mut intruder = connect(&folder.path().join(name)).await;
    sqlx::query("UPDATE checkpoint SET position = position + 1")
        .execute(&mut intruder)
        .await
        .unwrap();
    intruder.close().await.unwrap();
    let before = running.models.clone();
    history.start(place(99, 1)).await;
    let ended = running.end().await;
    assert!(matches!(ended, Err(ProjectionError::AnotherOwner { .. })), "{ended:?}");
    let not_written = before.session(session_id(99)).await.unwrap();
    assert!(not_written.is_none());
}

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap()
}
